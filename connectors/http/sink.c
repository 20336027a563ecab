/* SPDX-License-Identifier: MIT */
/* The operations of the sink loop. Lines are collected and sent when the batch
 * is full, even inside a transaction: what is sent again after a crash does no
 * harm to an index, and a webhook is told by its id. */
#include <stdlib.h>

#include "connectors/http/internal.h"

#define ITEMS_MAX 10000
#define KEEP ((size_t)16 << 20)

struct http_sink *http_sink_open(const struct http_settings *settings, struct cdc_error *error)
{
    struct http_sink *sink = calloc(1, sizeof *sink);
    size_t items = settings->mode == HTTP_WEBHOOK_EVENT ? 1
                   : settings->batch_events < ITEMS_MAX ? (size_t)settings->batch_events
                                                        : ITEMS_MAX;

    if (sink == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    sink->settings = settings;
    sink->body_limit = (size_t)settings->batch_bytes;
    bool index = settings->mode == HTTP_ELASTICSEARCH;
    if ((index && es_index_pattern_check(settings->index, error) != 0) || batch_init(&sink->batch, items, error) != 0 ||
        http_client_open(&sink->client, settings, &sink->context, error) != 0 ||
        (index && (sink->moves = moves_open(settings->moves_path, error)) == NULL)) {
        http_sink_free(sink);
        return NULL;
    }
    return sink;
}

void http_sink_free(struct http_sink *sink)
{
    if (sink == NULL)
        return;
    http_client_close(&sink->client);
    batch_free(&sink->batch);
    es_free_tables(sink);
    moves_free(sink->moves);
    cdc_buf_free(&sink->body);
    cdc_buf_free(&sink->scratch);
    cdc_buf_free(&sink->rest);
    free(sink);
}

int http_flush(struct http_sink *sink, struct cdc_error *error)
{
    int result = sink->settings->mode == HTTP_ELASTICSEARCH ? es_flush(sink, error) : webhook_flush(sink, error);

    sink->failed |= result != 0;
    batch_clear(&sink->batch);
    sink->body.len = sink->rest.len = sink->client.response.len = 0;
    cdc_buf_shrink(&sink->body, KEEP);
    cdc_buf_shrink(&sink->rest, KEEP);
    cdc_buf_shrink(&sink->client.response, KEEP);
    return result;
}

static int event_op(void *context, const struct cdc_event *event, struct cdc_error *error)
{
    struct http_sink *sink = context;

    if (sink->moves != NULL && moves_begin(sink->moves, error) != 0)
        return -1;
    return sink->settings->mode == HTTP_ELASTICSEARCH ? es_event(sink, event, error)
                                                      : webhook_event(sink, event, error);
}

static int deliver(void *context, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct http_sink *sink = context;

    /* After a failure lines are missing: no delivery may confirm them. */
    if (sink->failed)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "what was not sent comes again");
    if (http_flush(sink, error) != 0)
        return -1;
    if (sink->moves != NULL)
        moves_delivered(sink->moves, offsets);
    return 0;
}

/* No discard: a transaction that is cut comes again, and having a part of it early does no harm. */
const struct cdc_sink_ops http_sink_ops = {.event = event_op, .deliver = deliver};
