/* SPDX-License-Identifier: MIT */
/* Batches of lines on their way to a webhook. There is nothing to ask for what it has: after a crash, lines come
 * again, and the receiver tells them by the header webhook-id (the names of Standard Webhooks):
 *
 *   webhook-id: shop/0000000016B374D8.0000000003.1..0000000016B374D8.0000000007.1
 *   webhook-timestamp: 1795253327 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "connectors/http/webhook/webhook.h"

#define ANSWER_KEEP ((size_t)64 << 10) /* the status says it all; the rest is for messages */

struct http_webhook {
    struct http_client *client;
    enum http_webhook_format format;
    struct http_batch batch;
    struct cdc_buf body, id;
    struct cdc_buf name; /* the source of the batch */
};

struct http_webhook *http_webhook_open(struct http_client *client, enum http_webhook_format format, size_t most_lines,
                                       size_t most_bytes, struct cdc_error *error)
{
    struct http_webhook *webhook = calloc(1, sizeof *webhook);

    if (webhook == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    webhook->client = client;
    webhook->format = format;
    if (http_batch_init(&webhook->batch, format == HTTP_WEBHOOK_EVENT ? 1 : most_lines, most_bytes, error) == 0)
        return webhook;
    http_webhook_free(webhook);
    return NULL;
}

void http_webhook_free(struct http_webhook *webhook)
{
    if (webhook == NULL)
        return;
    http_batch_free(&webhook->batch);
    cdc_buf_free(&webhook->body);
    cdc_buf_free(&webhook->id);
    cdc_buf_free(&webhook->name);
    free(webhook);
}

/* What a header can hold of a name or a position: no line break, no byte above ASCII. % is escaped as well, so that
 * two names never become one. */
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
 * its last line: after a restart it may begin at the same line and end at another. What is between them is always the same,
 * as all are of one source: two sources come together in another way after a restart. */
static int append_id(struct http_webhook *webhook, size_t from, size_t to, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_span line = http_batch_line(&webhook->batch, from);

    webhook->id.len = 0;
    cdc_buf_lit(&webhook->id, "webhook-id: ");
    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    append_escaped(&webhook->id, event.name);
    cdc_buf_byte(&webhook->id, '/');
    append_escaped(&webhook->id, event.pos);
    if (to - from > 1) {
        line = http_batch_line(&webhook->batch, to - 1);
        if (cdc_event_parse(&event, line.p, line.n, error) != 0)
            return -1;
        cdc_buf_lit(&webhook->id, "..");
        append_escaped(&webhook->id, event.pos);
    }
    cdc_buf_byte(&webhook->id, '\0');
    return webhook->id.failed ? cdc_error_memory(error) : 0;
}

static struct cdc_span body_of(struct http_webhook *webhook, size_t from, size_t to)
{
    const struct http_batch *batch = &webhook->batch;
    struct cdc_span first = http_batch_line(batch, from), last = http_batch_line(batch, to - 1);

    /* Without its LF: the body is one JSON text. */
    if (webhook->format == HTTP_WEBHOOK_EVENT)
        return first;
    if (webhook->format == HTTP_WEBHOOK_NDJSON)
        /* The lines lie one after the other in the batch, LF included, so the body is there already. */
        return cdc_span(first.p, (size_t)(last.p + last.n + 1 - first.p));
    webhook->body.len = 0;
    for (size_t i = from; i < to; i++) {
        cdc_buf_byte(&webhook->body, i == from ? '[' : ',');
        cdc_buf_span(&webhook->body, http_batch_line(batch, i));
    }
    cdc_buf_byte(&webhook->body, ']');
    return cdc_span(webhook->body.data, webhook->body.len);
}

static int post(struct http_webhook *webhook, size_t from, size_t to, long *status, struct cdc_error *error)
{
    char stamp[60];
    struct http_request request = {
        .method = "POST",
        .path = "",
        .content_type = webhook->format == HTTP_WEBHOOK_NDJSON ? "application/x-ndjson" : "application/json",
        .body = body_of(webhook, from, to),
        .response_limit = ANSWER_KEEP,
        .begin_suffices = true,
    };

    if (append_id(webhook, from, to, error) != 0)
        return -1;
    if (webhook->body.failed)
        return cdc_error_memory(error);
    snprintf(stamp, sizeof stamp, "webhook-timestamp: %lld", (long long)time(NULL));
    request.more_headers[0] = webhook->id.data;
    request.more_headers[1] = stamp;
    return http_client_send(webhook->client, &request, status, error) == HTTP_ANSWERED ? 0 : -1;
}

/* Statuses about the content: bad, in conflict with something, too large, senseless. All others say nothing about a line: with
 * a wrong URL, password or content type (415), every line would be refused one by one, and with --on-error=skip all would be
 * lost. */
static bool is_of_the_line(long status)
{
    return status == 400 || status == 409 || status == 413 || status == 422;
}

static int refuse(struct http_webhook *webhook, size_t index, long status, struct cdc_error *error)
{
    char reason[400];
    const struct cdc_buf *answer = &webhook->client->response;

    snprintf(reason, sizeof reason, "the webhook refuses the line: HTTP status %ld: %.*s", status,
             (int)(answer->len < 200 ? answer->len : 200), answer->len > 0 ? answer->data : "");
    return cdc_sink_reject_line(webhook->client->context, http_batch_line(&webhook->batch, index),
                                webhook->batch.lines[index].number, reason, error);
}

static int send_all(struct http_webhook *webhook, struct cdc_error *error)
{
    size_t from = 0, count = webhook->batch.n;

    while (from < webhook->batch.n) {
        long status;
        if (post(webhook, from, from + count, &status, error) != 0)
            return -1;
        /* The rest of the batch as a whole again, even after halves: one bad line among 1000 costs some dozens of
         * requests, not 1000. */
        if (status >= 200 && status < 300) {
            from += count;
            count = webhook->batch.n - from;
        } else if (!is_of_the_line(status)) {
            return http_client_refused(webhook->client, status, error);
        } else if (count > 1) {
            count /= 2; /* too large, or one of the lines is at fault: halves find out which */
        } else {
            if (refuse(webhook, from, status, error) != 0)
                return -1;
            from++;
            count = webhook->batch.n - from;
        }
    }
    return 0;
}

int http_webhook_flush(struct http_webhook *webhook, struct cdc_error *error)
{
    int result = send_all(webhook, error);

    http_batch_clear(&webhook->batch);
    webhook->body.len = 0;
    cdc_buf_shrink(&webhook->body, HTTP_BATCH_KEEP);
    return result;
}

/* Is the line of another source than the batch? 0, 1, -1. */
static int is_of_another(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf *name = &webhook->name;

    if (webhook->batch.n > 0)
        return cdc_json_raw_equal(cdc_span(name->data, name->len), event->name) ? 0 : 1;
    name->len = 0;
    cdc_buf_span(name, event->name);
    return name->failed ? cdc_error_memory(error) : 0;
}

/* All rows of a table that was read again are there. Such a line comes again when all others that do are dropped (cdc/sink.h): it
 * goes alone, as a batch with it would have the id of another one. */
static bool is_end_of_read(const struct cdc_event *event)
{
    return event->op == CDC_OP_SCHEMA && cdc_span_is(event->read, "end");
}

enum http_taken http_webhook_event(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct http_batch *batch = &webhook->batch;
    bool alone = is_end_of_read(event);

    /* Schema and DDL lines describe; a webhook gets what happened to rows, and messages. */
    if (!cdc_event_has_row(event) && event->op != CDC_OP_TRUNCATE && event->op != CDC_OP_MESSAGE && !alone)
        return HTTP_TAKEN;
    if (alone && batch->n > 0)
        return HTTP_TAKEN_NOT_YET;
    int another = is_of_another(webhook, event, error);
    if (another < 0)
        return HTTP_TAKEN_FAILED;
    if (another || http_batch_lacks_room(batch, event->line))
        return HTTP_TAKEN_NOT_YET;
    if (http_batch_add(batch, event->line, cdc_sink_line_number(webhook->client->context), error) != 0)
        return HTTP_TAKEN_FAILED;
    return alone || http_batch_is_full(batch) ? HTTP_TAKEN_FULL : HTTP_TAKEN;
}
