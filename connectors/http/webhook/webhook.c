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

/* A batch, and the request for it or a part of it. */
struct delivery {
    struct http_client *client, own; /* own: of one that is beside others */
    const struct http_webhook *of;
    struct http_batch batch;
    struct webhook_target target;
    struct webhook_order order; /* of the one line, where several are under way */
    struct http_request request;
    struct cdc_span sent; /* its body, for the signature */
    struct cdc_buf body, id, signature, idempotency;
    char stamp[60];
};

struct http_webhook {
    struct delivery in_hand; /* what lines are added to */
    struct delivery *beside; /* a ring of those under way: NULL: each is waited for */
    size_t n_beside, first, under_way;
    bool failed; /* one of them was not sent: nothing can be delivered any more */
    enum http_webhook_format format;
    struct cdc_buf name;           /* the source of the batch */
    bool has_targets;              /* lines of different tables may go to different places */
    struct webhook_target another; /* of a line that is looked at */
    struct webhook_keys *keys;     /* NULL: requests are not signed */
};

static void free_delivery(struct delivery *delivery)
{
    http_batch_free(&delivery->batch);
    webhook_target_free(&delivery->target);
    cdc_buf_free(&delivery->body);
    cdc_buf_free(&delivery->id);
    cdc_buf_free(&delivery->signature);
    cdc_buf_free(&delivery->idempotency);
}

static int open_beside(struct http_webhook *webhook, const struct http_webhook_settings *settings,
                       struct cdc_error *error)
{
    if (settings->requests < 2)
        return 0;
    webhook->beside = calloc(settings->requests, sizeof *webhook->beside);
    if (webhook->beside == NULL)
        return cdc_error_memory(error);
    while (webhook->n_beside < settings->requests) {
        struct delivery *delivery = &webhook->beside[webhook->n_beside++];
        delivery->of = webhook;
        delivery->client = &delivery->own;
        if (http_client_open_beside(&delivery->own, webhook->in_hand.client, error) != 0 ||
            http_batch_init(&delivery->batch, 1, settings->most_bytes, error) != 0)
            return -1;
    }
    return 0;
}

struct http_webhook *http_webhook_open(struct http_client *client, const struct http_webhook_settings *settings,
                                       struct cdc_error *error)
{
    struct http_webhook *webhook = calloc(1, sizeof *webhook);

    if (webhook == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    webhook->in_hand.client = client;
    webhook->in_hand.of = webhook;
    webhook->format = settings->format;
    webhook->has_targets = webhook_target_is_needed(&client->peer);
    if (http_batch_init(&webhook->in_hand.batch, webhook_is_single(settings->format) ? 1 : settings->most_lines,
                        settings->most_bytes, error) == 0 &&
        (settings->sign_file == NULL || (webhook->keys = webhook_keys_read(settings->sign_file, error)) != NULL) &&
        open_beside(webhook, settings, error) == 0)
        return webhook;
    http_webhook_free(webhook);
    return NULL;
}

void http_webhook_free(struct http_webhook *webhook)
{
    if (webhook == NULL)
        return;
    for (size_t i = 0; i < webhook->n_beside; i++) {
        http_client_close(&webhook->beside[i].own);
        free_delivery(&webhook->beside[i]);
    }
    free(webhook->beside);
    free_delivery(&webhook->in_hand);
    cdc_buf_free(&webhook->name);
    webhook_target_free(&webhook->another);
    webhook_keys_free(webhook->keys);
    free(webhook);
}

/* The same lines have the same id, whenever they are sent; other lines never do. So a batch is named by its first and
 * its last line: after a restart it may begin at the same line and end at another. What is between them is always the same,
 * as all are of one source: two sources come together in another way after a restart. */
static int append_id(struct delivery *delivery, size_t from, size_t to, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_span line = http_batch_line(&delivery->batch, from);

    delivery->id.len = 0;
    cdc_buf_lit(&delivery->id, "webhook-id: ");
    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    webhook_append_escaped(&delivery->id, event.name);
    cdc_buf_byte(&delivery->id, '/');
    webhook_append_escaped(&delivery->id, event.pos);
    if (to - from > 1) {
        line = http_batch_line(&delivery->batch, to - 1);
        if (cdc_event_parse(&event, line.p, line.n, error) != 0)
            return -1;
        cdc_buf_lit(&delivery->id, "..");
        webhook_append_escaped(&delivery->id, event.pos);
    }
    cdc_buf_byte(&delivery->id, '\0');
    return delivery->id.failed ? cdc_error_memory(error) : 0;
}

/* The receiver may have been away for hours: it refuses a request whose time is too far from its own. */
static int stamp(void *context, struct cdc_error *error)
{
    struct delivery *delivery = context;
    int64_t now = (int64_t)time(NULL);

    snprintf(delivery->stamp, sizeof delivery->stamp, "webhook-timestamp: %lld", (long long)now);
    delivery->signature.len = 0;
    if (delivery->of->keys == NULL)
        return 0;
    cdc_buf_lit(&delivery->signature, "webhook-signature: ");
    if (webhook_sign(delivery->of->keys, delivery->id.data + strlen("webhook-id: "), now, delivery->sent,
                     &delivery->signature, error) != 0)
        return -1;
    cdc_buf_byte(&delivery->signature, '\0');
    return delivery->signature.failed ? cdc_error_memory(error) : 0;
}

/* The same again as a string of RFC 8941: the id has no quote and no backslash. */
static int append_idempotency(struct delivery *delivery, struct cdc_error *error)
{
    delivery->idempotency.len = 0;
    cdc_buf_printf(&delivery->idempotency, "Idempotency-Key: \"%s\"", delivery->id.data + strlen("webhook-id: "));
    cdc_buf_byte(&delivery->idempotency, '\0');
    return delivery->idempotency.failed ? cdc_error_memory(error) : 0;
}

/* The buffers may move from one attempt to the next: room for all keys is made before. */
static int reserve_signature(struct delivery *delivery, struct cdc_error *error)
{
    delivery->signature.len = 0;
    return cdc_buf_room(&delivery->signature, 1024) ? 0 : cdc_error_memory(error);
}

static int prepare(struct delivery *delivery, size_t from, size_t to, struct cdc_error *error)
{
    const struct http_webhook *webhook = delivery->of;

    if (append_id(delivery, from, to, error) != 0 || append_idempotency(delivery, error) != 0 ||
        reserve_signature(delivery, error) != 0 ||
        webhook_body(webhook->format, &delivery->batch, from, to, &delivery->body, &delivery->sent, error) != 0)
        return -1;
    delivery->request = (struct http_request){
        .method = "POST",
        .path = "",
        .url = webhook->has_targets ? delivery->target.url.data : NULL,
        .headers = webhook->has_targets ? &delivery->target.headers : NULL,
        .content_type = webhook_content_type(webhook->format),
        .body = delivery->sent,
        .response_limit = ANSWER_KEEP,
        .begin_suffices = true,
        .has_id = true,
        .more_headers = {delivery->id.data, delivery->stamp, delivery->idempotency.data,
                         webhook->keys != NULL ? delivery->signature.data : NULL},
        .attempt = stamp,
        .attempt_context = delivery,
    };
    return 0;
}

/* One that is under way already is prepared. */
static int post(struct delivery *delivery, size_t from, size_t to, long *status, struct cdc_error *error)
{
    if (!delivery->client->under_way && prepare(delivery, from, to, error) != 0)
        return -1;
    return http_client_send(delivery->client, &delivery->request, status, error) == HTTP_ANSWERED ? 0 : -1;
}

/* Statuses about the content: bad, in conflict with something, too large, senseless. All others say nothing about a line: with
 * a wrong URL, password or content type (415), every line would be refused one by one, and with --on-error=skip all would be
 * lost. */
static bool is_of_the_line(long status)
{
    return status == 400 || status == 409 || status == 413 || status == 422;
}

static int refuse(struct delivery *delivery, size_t index, long status, struct cdc_error *error)
{
    char reason[400], answer[201];

    http_client_excerpt(delivery->client, answer, sizeof answer);
    snprintf(reason, sizeof reason, "the webhook refuses the line: HTTP status %ld: %s", status, answer);
    return cdc_sink_reject_line(delivery->client->context, http_batch_line(&delivery->batch, index),
                                delivery->batch.lines[index].number, reason, error);
}

static int send_all(struct delivery *delivery, struct cdc_error *error)
{
    size_t from = 0, count = delivery->batch.n;

    while (from < delivery->batch.n) {
        long status;
        if (post(delivery, from, from + count, &status, error) != 0)
            return -1;
        /* The rest of the batch as a whole again, even after halves: one bad line among 1000 costs some dozens of
         * requests, not 1000. */
        if (status >= 200 && status < 300) {
            from += count;
            count = delivery->batch.n - from;
        } else if (!is_of_the_line(status) || http_client_speaks_wrongly(delivery->client, status)) {
            return http_client_refused(delivery->client, status, error);
        } else if (count > 1) {
            count /= 2; /* too large, or one of the lines is at fault: halves find out which */
        } else {
            if (refuse(delivery, from, status, error) != 0)
                return -1;
            from++;
            count = delivery->batch.n - from;
        }
    }
    return 0;
}

static int send_and_clear(struct delivery *delivery, struct cdc_error *error)
{
    int result = send_all(delivery, error);

    http_batch_clear(&delivery->batch);
    delivery->body.len = 0;
    cdc_buf_shrink(&delivery->body, HTTP_BATCH_KEEP);
    return result;
}

/* -- several under way ------------------------------------------------------------- */

/* No two of them are of one row, and they are waited for in the order of the input: a line that is sent again, or refused, is so
 * before any other line of its row is on its way, and what is delivered has no gap. */
static struct delivery *beside_at(struct http_webhook *webhook, size_t index)
{
    return &webhook->beside[(webhook->first + index) % webhook->n_beside];
}

static int settle_first(struct http_webhook *webhook, struct cdc_error *error)
{
    int result = send_and_clear(beside_at(webhook, 0), error);

    webhook->first = (webhook->first + 1) % webhook->n_beside;
    webhook->under_way--;
    webhook->failed |= result != 0;
    return result;
}

static int check_failed(const struct http_webhook *webhook, struct cdc_error *error)
{
    return webhook->failed ? cdc_error_set(error, CDC_EXIT_TEMPORARY, "what was not sent comes again") : 0;
}

int http_webhook_settle(struct http_webhook *webhook, struct cdc_error *error)
{
    while (!webhook->failed && webhook->under_way > 0)
        if (settle_first(webhook, error) != 0)
            return -1;
    return check_failed(webhook, error);
}

static bool must_wait(struct http_webhook *webhook)
{
    bool wait = webhook->under_way == webhook->n_beside;

    for (size_t i = 0; !wait && i < webhook->under_way; i++)
        wait = webhook_order_binds(&beside_at(webhook, i)->order, &webhook->in_hand.order);
    return wait;
}

/* The batch in hand, of one line, on its way. */
static int begin(struct http_webhook *webhook, struct cdc_error *error)
{
    struct delivery *in_hand = &webhook->in_hand, *delivery = beside_at(webhook, webhook->under_way);
    struct http_batch batch = delivery->batch;
    struct webhook_target target = delivery->target;

    delivery->batch = in_hand->batch;
    in_hand->batch = batch;
    delivery->target = in_hand->target;
    in_hand->target = target;
    delivery->order = in_hand->order;
    if (prepare(delivery, 0, 1, error) != 0 || http_client_begin(delivery->client, &delivery->request, error) != 0) {
        webhook->failed = true;
        return -1;
    }
    webhook->under_way++;
    return 0;
}

int http_webhook_flush(struct http_webhook *webhook, struct cdc_error *error)
{
    if (webhook->beside == NULL)
        return send_and_clear(&webhook->in_hand, error);
    if (check_failed(webhook, error) != 0)
        return -1;
    if (webhook->in_hand.batch.n == 0)
        return 0;
    while (must_wait(webhook))
        if (settle_first(webhook, error) != 0)
            return -1;
    return begin(webhook, error);
}

/* -- lines --------------------------------------------------------------------------- */

static int is_of_another_source(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf *name = &webhook->name;

    if (webhook->in_hand.batch.n > 0)
        return cdc_json_raw_equal(cdc_span(name->data, name->len), event->name) ? 0 : 1;
    name->len = 0;
    cdc_buf_span(name, event->name);
    return name->failed ? cdc_error_memory(error) : 0;
}

static int goes_elsewhere(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct webhook_target *target = webhook->in_hand.batch.n > 0 ? &webhook->another : &webhook->in_hand.target;

    if (!webhook->has_targets)
        return 0;
    if (webhook_target_fill(target, &webhook->in_hand.client->peer, event, error) != 0)
        return -1;
    return webhook->in_hand.batch.n > 0 && !webhook_target_equal(&webhook->another, &webhook->in_hand.target);
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

/* Lines that were refused have others between them, and a batch of them would have the id of one with these. */
static bool is_replay(const struct http_webhook *webhook)
{
    return webhook->in_hand.client->context->settings->replay != NULL;
}

enum http_taken http_webhook_event(struct http_webhook *webhook, const struct cdc_event *event, struct cdc_error *error)
{
    struct http_batch *batch = &webhook->in_hand.batch;
    bool alone = is_end_of_read(event);

    http_client_turn(webhook->in_hand.client);
    /* From here on a row may have its key in other columns, or print it in another way. */
    if ((event->op == CDC_OP_SCHEMA || event->op == CDC_OP_DDL) && http_webhook_settle(webhook, error) != 0)
        return HTTP_TAKEN_FAILED;
    /* Schema and DDL lines describe; a webhook gets what happened to rows, and messages. */
    if (!cdc_event_has_row(event) && event->op != CDC_OP_TRUNCATE && event->op != CDC_OP_MESSAGE && !alone)
        return HTTP_TAKEN;
    alone |= is_replay(webhook);
    if (alone && batch->n > 0)
        return HTTP_TAKEN_NOT_YET;
    int another = is_of_another(webhook, event, error);
    if (another < 0)
        return HTTP_TAKEN_FAILED;
    if (another || http_batch_lacks_room(batch, event->line))
        return HTTP_TAKEN_NOT_YET;
    if (http_batch_add(batch, event->line, cdc_sink_line_number(webhook->in_hand.client->context), error) != 0)
        return HTTP_TAKEN_FAILED;
    if (webhook->beside != NULL)
        webhook->in_hand.order = webhook_order_of(event);
    return alone || http_batch_is_full(batch) ? HTTP_TAKEN_FULL : HTTP_TAKEN;
}
