/* SPDX-License-Identifier: MIT */
/* Any bytes as replication messages: two bytes of length before each. Whatever comes out must be whole, valid lines. */
#include "connectors/postgres/pgoutput/pgoutput.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/event.h>
#include <stdlib.h>

static void check_lines(const struct cdc_buf *out)
{
    const char *p = out->data, *end = out->len > 0 ? out->data + out->len : p;
    while (p < end) {
        struct cdc_event event;
        struct cdc_error error = {0};
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf || cdc_event_parse(&event, p, (size_t)(lf - p), &error) < 0 || event.op == CDC_OP_UNKNOWN)
            abort();
        p = lf + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pgoutput_settings settings = {.pipeline = "n", .database = "d"};
    struct cdc_buf out = CDC_BUF_INIT;
    struct pgoutput *decoder = pgoutput_new(&settings, NULL);
    if (!decoder)
        return 0;
    while (size >= 2) {
        struct cdc_error error = {0};
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n > size ? size : n;
        uint8_t *message = exact_copy(data, n);
        int result = pgoutput_decode(decoder, (const char *)message, n, &out, &error);
        free(message);
        if (result < 0 && error.status == 0)
            abort();
        check_lines(&out);
        out.len = 0;
        data += n;
        size -= n;
    }
    cdc_buf_free(&out);
    pgoutput_free(decoder);
    return 0;
}
