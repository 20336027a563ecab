/* SPDX-License-Identifier: MIT */
/* Batches of lines on their way to a webhook. There is nothing to ask for what it has: after a crash, lines come
 * again, and the receiver tells them by the header webhook-id (the names of Standard Webhooks):
 *
 *   webhook-id: shop/0000000016B374D8.0000000003.1..0000000016B374D8.0000000007.1
 *   webhook-timestamp: 1795253327
 *   webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "connectors/http/webhook/internal.h"

#define ANSWER_KEEP ((size_t)64 << 10) /* the status says it all; the rest is for messages */

struct http_webhook {
    struct http_client *client;
    enum http_webhook_format format;
    struct http_batch batch;
    struct cdc_buf body, id;
    struct cdc_buf name;                   /* the source of the batch */
    bool has_targets;                      /* lines of different tables may go to different places */
    struct webhook_target target, another; /* of the batch; of a line that is looked at */
    struct webhook_keys *keys;             /* NULL: requests are not signed */
    struct cdc_span sent;                  /* the body of the request in hand, for its signature */
    struct cdc_buf signature, idempotency;
    char stamp[60];
};

struct http_webhook *http_webhook_open(struct http_client *client, const struct http_webhook_settings *settings,
                                       struct cdc_error *error)
{
    struct http_webhook *webhook = calloc(1, sizeof *webhook);

    if (webhook == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    webhook->client = client;
    webhook->format = settings->format;
    webhook->has_targets = webhook_target_is_needed(&client->peer);
    if (http_batch_init(&webhook->batch, webhook_is_single(settings->format) ? 1 : settings->most_lines,
                        settings->most_bytes, error) == 0 &&
        (settings->sign_file == NULL || (webhook->keys = webhook_keys_read(settings->sign_file, error)) != NULL))
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
    cdc_buf_free(&webhook->signature);
    cdc_buf_free(&webhook->idempotency);
    webhook_target_free(&webhook->target);
    webhook_target_free(&webhook->another);
    webhook_keys_free(webhook->keys);
    free(webhook);
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
    webhook_append_escaped(&webhook->id, event.name);
    cdc_buf_byte(&webhook->id, '/');
    webhook_append_escaped(&webhook->id, event.pos);
    if (to - from > 1) {
        line = http_batch_line(&webhook->batch, to - 1);
        if (cdc_event_parse(&event, line.p, line.n, error) != 0)
            return -1;
        cdc_buf_lit(&webhook->id, "..");
        webhook_append_escaped(&webhook->id, event.pos);
    }
    cdc_buf_byte(&webhook->id, '\0');
    return webhook->id.failed ? cdc_error_memory(error) : 0;
}

/* The receiver may have been away for hours: it refuses a request whose time is too far from its own. */
static int stamp(void *context, struct cdc_error *error)
{
    struct http_webhook *webhook = context;
    int64_t now = (int64_t)time(NULL);

    snprintf(webhook->stamp, sizeof webhook->stamp, "webhook-timestamp: %lld", (long long)now);
    webhook->signature.len = 0;
    if (webhook->keys == NULL)
        return 0;
    cdc_buf_lit(&webhook->signature, "webhook-signature: ");
    if (webhook_sign(webhook->keys, webhook->id.data + strlen("webhook-id: "), now, webhook->sent, &webhook->signature,
                     error) != 0)
        return -1;
    cdc_buf_byte(&webhook->signature, '\0');
    return webhook->signature.failed ? cdc_error_memory(error) : 0;
}

/* The same again as a string of RFC 8941: the id has no quote and no backslash. */
static int append_idempotency(struct http_webhook *webhook, struct cdc_error *error)
{
    webhook->idempotency.len = 0;
    cdc_buf_printf(&webhook->idempotency, "Idempotency-Key: \"%s\"", webhook->id.data + strlen("webhook-id: "));
    cdc_buf_byte(&webhook->idempotency, '\0');
    return webhook->idempotency.failed ? cdc_error_memory(error) : 0;
}

/* The buffers may move from one attempt to the next: room for all keys is made before. */
static int reserve_signature(struct http_webhook *webhook, struct cdc_error *error)
{
    webhook->signature.len = 0;
    return cdc_buf_room(&webhook->signature, 1024) ? 0 : cdc_error_memory(error);
}

static int post(struct http_webhook *webhook, size_t from, size_t to, long *status, struct cdc_error *error)
{
    if (append_id(webhook, from, to, error) != 0 || append_idempotency(webhook, error) != 0 ||
        reserve_signature(webhook, error) != 0 ||
        webhook_body(webhook->format, &webhook->batch, from, to, &webhook->body, &webhook->sent, error) != 0)
        return -1;
    struct http_request request = {
        .method = "POST",
        .path = "",
        .url = webhook->has_targets ? webhook->target.url.data : NULL,
        .headers = webhook->has_targets ? &webhook->target.headers : NULL,
        .content_type = webhook_content_type(webhook->format),
        .body = webhook->sent,
        .response_limit = ANSWER_KEEP,
        .begin_suffices = true,
        .more_headers = {webhook->id.data, webhook->stamp, webhook->idempotency.data,
                         webhook->keys != NULL ? webhook->signature.data : NULL},
        .attempt = stamp,
        .attempt_context = webhook,
    };
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

static int is_of_another_source(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf *name = &webhook->name;

    if (webhook->batch.n > 0)
        return cdc_json_raw_equal(cdc_span(name->data, name->len), event->name) ? 0 : 1;
    name->len = 0;
    cdc_buf_span(name, event->name);
    return name->failed ? cdc_error_memory(error) : 0;
}

static int goes_elsewhere(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct webhook_target *target = webhook->batch.n > 0 ? &webhook->another : &webhook->target;

    if (!webhook->has_targets)
        return 0;
    if (webhook_target_fill(target, &webhook->client->peer, event, error) != 0)
        return -1;
    return webhook->batch.n > 0 && !webhook_target_equal(&webhook->another, &webhook->target);
}

/* Is the line of another source than the batch, or does it go elsewhere? 0, 1, -1. */
static int is_of_another(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    int another = is_of_another_source(webhook, event, error);
    return another != 0 ? another : goes_elsewhere(webhook, event, error);
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
