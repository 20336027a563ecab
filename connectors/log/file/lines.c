/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "connectors/log/file/lines.h"

int log_lines_each(struct cdc_buf *rest, struct cdc_span block,
                   int (*take)(void *context, struct cdc_span line, struct cdc_error *error), void *context,
                   struct cdc_error *error)
{
    const char *p = block.p, *end = block.p + block.n, *lf;

    for (; (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1) {
        struct cdc_span line = cdc_span(p, (size_t)(lf - p));
        if (rest->len > 0) {
            cdc_buf_span(rest, line);
            line = cdc_span(rest->data, rest->len);
        }
        if (rest->failed)
            return cdc_error_memory(error);
        int answer = take(context, line, error);
        rest->len = 0;
        if (answer != 0)
            return answer;
    }
    cdc_buf_append(rest, p, (size_t)(end - p));
    return rest->failed ? cdc_error_memory(error) : 0;
}
