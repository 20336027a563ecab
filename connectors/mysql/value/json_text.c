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

/* MariaDB's JSON is a LONGTEXT, and ALTER TABLE ... CONVERT TO CHARACTER SET takes it along: "é" is 22 e9 22 in latin1. */
void my_value_append_json_text(struct cdc_buf *out, const struct my_column *column, const uint8_t *bytes, size_t n,
                               uint64_t *unconvertible)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (my_charset_is_utf8(column->charset)) {
        my_value_append_json(out, (const char *)bytes, n, unconvertible);
        return;
    }
    if (!my_charset_convert(&text, column->charset, bytes, n))
        my_charset_append(out, column->charset, bytes, n, unconvertible);
    else if (!text.failed)
        my_value_append_json(out, n ? text.data : "", text.len, unconvertible);
    out->failed |= text.failed;
    cdc_buf_free(&text);
}
