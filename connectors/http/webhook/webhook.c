/* SPDX-License-Identifier: MIT */
/* Webhooks: a POST for each change line, or for a batch of them. In order, one
 * at a time, each confirmed by a status 2xx before the next. */
#include <time.h>

#include "connectors/http/internal.h"

/* What a header can hold of a name or a position. */
static void append_escaped(struct cdc_buf *out, struct cdc_span text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c > 0x20 && c < 0x7f && c != '%' && c != '"' && c != '\\')
            cdc_buf_byte(out, (char)c);
        else
            cdc_buf_printf(out, "%%%02X", c);
    }
}

/* The same lines have the same id, whenever they are sent; other lines never do. So a batch is named by its first and
 * its last line: after a restart it may begin at the same line and end at another. */
static int append_id(struct http_sink *sink, size_t from, size_t to, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_span line = batch_line(&sink->batch, &sink->batch.items[from]);

    sink->scratch.len = 0;
    cdc_buf_lit(&sink->scratch, "webhook-id: ");
    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    append_escaped(&sink->scratch, event.name);
    cdc_buf_byte(&sink->scratch, '/');
    append_escaped(&sink->scratch, event.pos);
    if (to - from > 1) {
        line = batch_line(&sink->batch, &sink->batch.items[to - 1]);
        if (cdc_event_parse(&event, line.p, line.n, error) != 0)
            return -1;
        cdc_buf_lit(&sink->scratch, "..");
        append_escaped(&sink->scratch, event.pos);
    }
    cdc_buf_byte(&sink->scratch, '\0');
    return sink->scratch.failed ? cdc_error_memory(error) : 0;
}

static struct cdc_span body_of(struct http_sink *sink, size_t from, size_t to)
{
    const struct batch *batch = &sink->batch;
    size_t start = batch->items[from].line, end = batch->items[to - 1].line + batch->items[to - 1].line_n;

    if (sink->settings->mode == HTTP_WEBHOOK_EVENT)
        return batch_line(batch, &batch->items[from]);
    if (sink->settings->mode == HTTP_WEBHOOK_NDJSON)
        return cdc_span(batch->lines.data + start, end - start + 1);
    sink->body.len = 0;
    for (size_t i = from; i < to; i++) {
        cdc_buf_byte(&sink->body, i == from ? '[' : ',');
        cdc_buf_span(&sink->body, batch_line(batch, &batch->items[i]));
    }
    cdc_buf_byte(&sink->body, ']');
    return cdc_span(sink->body.data, sink->body.len);
}

static int post(struct http_sink *sink, size_t from, size_t to, long *status, struct cdc_error *error)
{
    char stamp[60];
    bool ndjson = sink->settings->mode == HTTP_WEBHOOK_NDJSON;
    struct http_request request = {
        "POST",  "",   ndjson ? "application/x-ndjson" : "application/json", body_of(sink, from, to), {NULL, NULL},
        1 << 20, false};

    if (append_id(sink, from, to, error) != 0)
        return -1;
    if (sink->body.failed)
        return cdc_error_memory(error);
    snprintf(stamp, sizeof stamp, "webhook-timestamp: %lld", (long long)time(NULL));
    request.more_headers[0] = sink->scratch.data;
    request.more_headers[1] = stamp;
    return http_send(&sink->client, &request, status, error);
}

static bool is_for_good(long status)
{
    return status < 400 || status >= 500 || status == 401 || status == 403 || status == 404 || status == 405 ||
           status == 407 || status == 410;
}

static int refuse(struct http_sink *sink, size_t index, long status, struct cdc_error *error)
{
    char reason[400];
    const struct cdc_buf *answer = &sink->client.response;

    snprintf(reason, sizeof reason, "the webhook refuses the line: HTTP status %ld: %.*s", status,
             (int)(answer->len < 200 ? answer->len : 200), answer->len > 0 ? answer->data : "");
    return cdc_sink_reject(&sink->context, batch_line(&sink->batch, &sink->batch.items[index]), reason, error);
}

int webhook_flush(struct http_sink *sink, struct cdc_error *error)
{
    size_t from = 0, count = sink->batch.n;

    while (from < sink->batch.n) {
        long status;
        if (post(sink, from, from + count, &status, error) != 0)
            return -1;
        if ((status >= 200 && status < 300) || status == 1) { /* taken; a long answer is of no interest */
            from += count;
            count = sink->batch.n - from;
        } else if (is_for_good(status)) {
            return http_status_error(&sink->client, status, error);
        } else if (count > 1) {
            count /= 2; /* too large, or one of the lines is at fault: halves find out which */
        } else {
            if (refuse(sink, from, status, error) != 0)
                return -1;
            from++;
            count = sink->batch.n - from;
        }
    }
    return 0;
}

int webhook_event(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct batch *batch = &sink->batch;

    if (!cdc_event_has_row(event) && event->op != CDC_OP_TRUNCATE && event->op != CDC_OP_MESSAGE)
        return 0;
    if (batch->n > 0 && batch->lines.len + event->line.n > (size_t)sink->settings->batch_bytes &&
        http_flush(sink, error) != 0)
        return -1;
    if (batch_add(batch, ITEM_LINE, event->line) == NULL)
        return cdc_error_memory(error);
    bool full = batch->n == batch->cap || batch->lines.len >= (size_t)sink->settings->batch_bytes;
    return full ? http_flush(sink, error) : 0;
}
