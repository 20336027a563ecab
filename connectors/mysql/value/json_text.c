/* SPDX-License-Identifier: MIT */
/* JSON that is text already: MariaDB's in the log, and both servers' in the answer to a SELECT. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/json_internal.h"
#include "connectors/mysql/value/value.h"

#include <cdc/json.h>

/* Deeper than the server makes it, or than readers of lines accept? */
static bool too_deep(const char *p, size_t n)
{
    int depth = 0;
    bool quoted = false;
    if (n < 2 * (MY_JSON_DEPTH + 1)) /* each level has two brackets */
        return false;
    for (const char *end = p + n; p < end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            depth++;
        else if (!quoted && (*p == '}' || *p == ']'))
            depth--;
        if (depth > MY_JSON_DEPTH)
            return true;
    }
    return false;
}

void my_value_append_json(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible)
{
    if (cdc_json_validate(text, n, NULL) == 0 && !too_deep(text, n))
        cdc_json_append_compact(out, cdc_span(text, n));
    else
        my_charset_append(out, NULL, (const uint8_t *)text, n, unconvertible);
}
