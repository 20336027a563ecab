/* SPDX-License-Identifier: MIT */
/* The lines of a history: which of them become documents of a data stream (stream.c), and under which id. */
#include <cdc/sha256.h>

#include "connectors/http/elasticsearch/internal.h"

#define ID_MAX 512 /* bytes: the longest _id that an index takes */
#define AROUND 128 /* bytes of an action and a time, beside the id */

static void append_part(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    scratch->len = 0;
    cdc_json_unescape(scratch, raw);
    for (size_t i = 0; i < scratch->len; i++) {
        char c = scratch->data[i];
        if (c == '%' || c == ':')
            cdc_buf_text(out, c == '%' ? "%25" : "%3A");
        else
            cdc_buf_byte(out, c);
    }
    out->failed |= scratch->failed;
}

/* NAME:POS, which no two lines share. */
static void make_id(struct es_sink *sink, const struct cdc_event *event)
{
    struct cdc_buf *id = &sink->scratch;
    char digest[65];

    id->len = 0;
    append_part(id, event->name, &sink->rest);
    cdc_buf_byte(id, ':');
    append_part(id, event->pos, &sink->rest);
    if (id->failed || id->len <= ID_MAX)
        return;
    cdc_sha256_hex(id->data, id->len, digest);
    id->len = 0;
    cdc_buf_lit(id, "sha256:");
    cdc_buf_text(id, digest);
}

/* What a line lacks to be a document; NULL: nothing. */
static const char *lack(struct es_sink *sink, const struct cdc_event *event)
{
    sink->rest.len = 0;
    if (event->name.p == NULL || event->pos.p == NULL)
        return "the line has no \"pos\", or no \"name\" in its source: it cannot be told from others";
    if (!es_stream_append_time(&sink->rest, event))
        return "the line has no \"ts_ms\" that is a time";
    return NULL;
}

static bool is_full(const struct es_sink *sink)
{
    const struct http_batch *lines = &sink->batch.lines;

    return http_batch_is_full(lines) || es_flights_is_part(sink) ||
           lines->bytes.len + sink->batch.ids.len + AROUND * lines->n >= lines->most_bytes;
}

enum http_taken es_history_event(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct es_item item = {.kind = ES_CREATE, .seq = event->seq};

    if (es_streams_begin(sink, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (!cdc_event_has_row(event) && event->op != CDC_OP_TRUNCATE && event->op != CDC_OP_MESSAGE)
        return HTTP_TAKEN;
    const char *why = lack(sink, event);
    if (why != NULL)
        return cdc_sink_reject(sink->client->context, event->line, why, error) == 0 ? HTTP_TAKEN : HTTP_TAKEN_FAILED;
    if (http_batch_lacks_room(&sink->batch.lines, event->line))
        return HTTP_TAKEN_NOT_YET;
    struct es_table *table = es_stream_of(sink, event, error);
    if (table == NULL)
        return HTTP_TAKEN_FAILED;
    make_id(sink, event);
    if (sink->scratch.failed || sink->rest.failed)
        return cdc_error_memory(error), HTTP_TAKEN_FAILED;
    item.table = &table->source;
    item.id_n = sink->scratch.len;
    if (es_batch_add(&sink->batch, event->line, cdc_sink_line_number(sink->client->context), &item, sink->scratch.data,
                     error) != 0)
        return HTTP_TAKEN_FAILED;
    sink->batch.plain &= !sink->streams.unsure;
    es_stream_touch(table);
    return is_full(sink) ? HTTP_TAKEN_FULL : HTTP_TAKEN;
}
