/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "connectors/log/proof/purged.h"
#include <cdc/event.h>

/* With as much of it as `parts` says: 0 its leaf alone, 1 its pos, 2 its seq, 3 its source. */
static void append(struct cdc_buf *out, const struct cdc_event *event, const char *log, const unsigned char *leaf,
                   int parts)
{
    cdc_buf_lit(out, "{\"op\":\"purged\"");
    if (parts >= 1 && event->pos.p != NULL) {
        cdc_buf_lit(out, ",\"pos\":\"");
        cdc_buf_span(out, event->pos);
        cdc_buf_byte(out, '"');
    }
    if (parts >= 2 && event->has_seq)
        cdc_buf_printf(out, ",\"seq\":%" PRId64, event->seq);
    if (parts >= 3 && event->name.p != NULL) {
        cdc_buf_lit(out, ",\"source\":{\"name\":\"");
        cdc_buf_span(out, event->name);
        cdc_buf_lit(out, "\"}");
    }
    if (leaf != NULL) {
        char hex[LOG_HASH_HEX + 1];
        log_hash_print(hex, leaf);
        cdc_buf_printf(out, ",\"leaf\":\"%s\",\"log\":\"%s\"", hex, log);
    }
    cdc_buf_byte(out, '}');
}

int log_purged_append(struct cdc_buf *out, struct cdc_span line, const char *log, const unsigned char *leaf,
                      struct cdc_error *error)
{
    struct cdc_event event;
    size_t begin = out->len;

    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    for (int parts = 3; parts >= 0; parts--) {
        out->len = begin;
        append(out, &event, log, leaf, parts);
        if (out->failed)
            return cdc_error_memory(error);
        if (out->len - begin > line.n)
            continue;
        while (out->len - begin < line.n && !out->failed)
            cdc_buf_byte(out, ' ');
        return out->failed ? cdc_error_memory(error) : 0;
    }
    out->len = begin;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a line of %zu bytes is too short for the leaf that stays of it",
                         line.n);
}
