/* SPDX-License-Identifier: MIT */
/* The operations of the sink loop. Lines are collected and sent when the batch
 * is full, even inside a transaction: what is sent again after a crash does no
 * harm to an index, and a webhook is told by its id. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/elasticsearch.h"
#include "connectors/http/http.h"

#define LINES_MAX 10000

struct http_sink {
    struct cdc_sink_context context; /* filled by the loop; must be first */
    struct http_client client;
    struct es_sink *index; /* one of the two */
    struct http_webhook *webhook;
    bool failed; /* a batch could not be sent whole */
};

static int open_destination(struct http_sink *sink, const struct http_settings *settings, struct cdc_error *error)
{
    size_t lines = settings->batch_events < LINES_MAX ? (size_t)settings->batch_events : LINES_MAX;
    size_t bytes = (size_t)settings->batch_bytes;
    struct es_settings index = {
        .index = settings->index,
        .data_stream = settings->data_stream,
        .alias = settings->alias,
        .new_cluster = settings->new_cluster,
        .mappings = settings->mappings,
        .routing = settings->routing,
        .pipelines = settings->pipelines,
        .most_lines = lines,
        .most_bytes = bytes,
        .requests = (size_t)settings->requests,
        .key_changes_path = settings->key_changes_path,
        .index_ids_path = settings->index_ids_path,
    };

    struct http_webhook_settings webhook = {.format = settings->webhook_format,
                                            .most_lines = lines,
                                            .most_bytes = bytes,
                                            .requests = (size_t)settings->requests,
                                            .sign_file = settings->sign_file};

    if (settings->mode == HTTP_MODE_ELASTICSEARCH)
        sink->index = es_sink_open(&sink->client, &index, error);
    else
        sink->webhook = http_webhook_open(&sink->client, &webhook, error);
    return sink->index != NULL || sink->webhook != NULL ? 0 : -1;
}

struct http_sink *http_sink_open(const struct http_settings *settings, struct cdc_error *error)
{
    struct http_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    if (http_client_open(&sink->client, &settings->peer, &sink->context, error) == 0 &&
        open_destination(sink, settings, error) == 0)
        return sink;
    http_sink_free(sink);
    return NULL;
}

void http_sink_free(struct http_sink *sink)
{
    if (sink == NULL)
        return;
    es_sink_free(sink->index);
    http_webhook_free(sink->webhook);
    http_client_close(&sink->client);
    free(sink);
}

static int flush(struct http_sink *sink, struct cdc_error *error)
{
    int result = sink->index != NULL ? es_sink_flush(sink->index, error) : http_webhook_flush(sink->webhook, error);

    sink->failed |= result != 0;
    return result;
}

/* Nothing is under way any more. */
static int settle(struct http_sink *sink, struct cdc_error *error)
{
    int result = sink->index != NULL ? es_sink_settle(sink->index, error) : http_webhook_settle(sink->webhook, error);

    sink->failed |= result != 0;
    return result;
}

static enum http_taken offer(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    return sink->index != NULL ? es_sink_event(sink->index, event, error)
                               : http_webhook_event(sink->webhook, event, error);
}

static int event_op(void *context, const struct cdc_event *event, struct cdc_error *error)
{
    struct http_sink *sink = context;
    enum http_taken taken = offer(sink, event, error);

    /* Sent here, in the middle of a transaction: a transaction of a million rows must not be kept in memory as a
     * whole. */
    if (taken == HTTP_TAKEN_NOT_YET) { /* an empty batch takes any line */
        if (flush(sink, error) != 0)
            return -1;
        taken = offer(sink, event, error);
    }
    if (taken == HTTP_TAKEN_FULL)
        return flush(sink, error);
    return taken == HTTP_TAKEN ? 0 : -1;
}

static int settle_op(void *context, struct cdc_error *error)
{
    struct http_sink *sink = context;

    /* After a failure lines are missing: no delivery may confirm them. */
    if (sink->failed)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "what was not sent comes again");
    return flush(sink, error) == 0 ? settle(sink, error) : -1;
}

static int deliver(void *context, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct http_sink *sink = context;

    if (settle_op(sink, error) != 0)
        return -1;
    return sink->index != NULL ? es_sink_delivered(sink->index, offsets, error) : 0;
}

/* What is under way is not left alone while nobody looks at it: it would seem to be too slow. */
static int pause_op(void *context, struct cdc_error *error)
{
    return settle(context, error);
}

/* No discard: a transaction that is truncated comes again, and having a part of it early does no harm. */
const struct cdc_sink_ops http_sink_ops = {
    .event = event_op, .deliver = deliver, .pause = pause_op, .settle = settle_op};
const struct cdc_sink_ops http_history_ops = {
    .event = event_op, .deliver = deliver, .pause = pause_op, .settle = settle_op, .history = true};
