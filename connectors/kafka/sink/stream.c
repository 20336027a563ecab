/* SPDX-License-Identifier: MIT */
/* The sources whose lines come: how far each was taken in, and how far Kafka has it. */
#include <stdlib.h>

#include "connectors/kafka/sink/internal.h"

struct kafka_stream *kafka_stream_named(struct kafka_sink *sink, const char *name, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_streams; i++)
        if (strcmp(sink->streams[i].place.name, name) == 0)
            return &sink->streams[i];
    struct kafka_stream *streams = realloc(sink->streams, (sink->n_streams + 1) * sizeof *streams);
    struct kafka_places one = KAFKA_PLACES_INIT;
    if (streams != NULL)
        sink->streams = streams;
    if (streams == NULL || kafka_places_add(&one, name, error) == NULL) {
        kafka_places_free(&one);
        cdc_error_memory(error);
        return NULL;
    }
    struct kafka_stream *stream = &streams[sink->n_streams++];
    memset(stream, 0, sizeof *stream);
    stream->place = one.items[0];
    free(one.items);
    return stream;
}

struct kafka_stream *kafka_stream_of(struct kafka_sink *sink, struct cdc_span raw_name, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_streams; i++)
        if (cdc_json_raw_is(raw_name, cdc_span_text(sink->streams[i].place.name)))
            return &sink->streams[i];
    char *name = cdc_json_text(raw_name, NULL);
    struct kafka_stream *stream = name != NULL ? kafka_stream_named(sink, name, error) : NULL;
    if (name == NULL)
        cdc_error_memory(error);
    free(name);
    return stream;
}

static struct cdc_span newest(const struct kafka_stream *stream)
{
    return stream->taken.len > 0 ? cdc_span(stream->taken.data, stream->taken.len) : cdc_span_text(stream->place.pos);
}

bool kafka_stream_has(const struct kafka_stream *stream, struct cdc_span pos)
{
    return cdc_span_compare(pos, newest(stream)) <= 0;
}

int kafka_stream_take(struct kafka_stream *stream, const struct cdc_event *event, struct cdc_error *error)
{
    stream->taken.len = 0;
    cdc_buf_span(&stream->taken, event->pos);
    if (event->has_seq)
        stream->taken_seq = event->seq;
    return stream->taken.failed ? cdc_error_memory(error) : 0;
}

int kafka_streams_mark(struct kafka_sink *sink, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_streams; i++) {
        struct kafka_stream *stream = &sink->streams[i];
        stream->marked.len = 0;
        cdc_buf_append_buf(&stream->marked, &stream->taken);
        stream->marked_seq = stream->taken_seq;
        kafka_described_mark(stream);
        if (stream->marked.failed)
            return cdc_error_memory(error);
    }
    kafka_dead_mark(sink);
    return 0;
}

void kafka_streams_go_back(struct kafka_sink *sink)
{
    for (size_t i = 0; i < sink->n_streams; i++) {
        struct kafka_stream *stream = &sink->streams[i];
        stream->taken.len = 0;
        cdc_buf_append_buf(&stream->taken, &stream->marked);
        stream->taken_seq = stream->marked_seq;
        /* What a cut has stored stays taken in. */
        if (stream->taken.len > 0 &&
            cdc_span_compare(cdc_span(stream->taken.data, stream->taken.len), cdc_span_text(stream->place.pos)) < 0)
            stream->taken.len = 0;
        kafka_transaction_clear(&stream->transaction);
        kafka_described_go_back(stream);
    }
    kafka_dead_go_back(sink);
}

void kafka_streams_free(struct kafka_sink *sink)
{
    for (size_t i = 0; i < sink->n_streams; i++) {
        struct kafka_stream *stream = &sink->streams[i];
        struct kafka_places one = {.items = malloc(sizeof stream->place), .n = 1};
        if (one.items != NULL) {
            one.items[0] = stream->place;
            kafka_places_free(&one);
        }
        cdc_buf_free(&stream->taken);
        cdc_buf_free(&stream->marked);
        cdc_buf_free(&stream->again);
        kafka_described_free(stream);
        cdc_offset_free(&stream->offset);
        kafka_transaction_free(&stream->transaction);
    }
    free(sink->streams);
    sink->marked_dead = 0;
    kafka_dead_go_back(sink);
    free(sink->dead);
}

bool kafka_stream_has_moved(const struct kafka_stream *stream)
{
    return (stream->taken.len > 0 &&
            !cdc_span_is(cdc_span(stream->taken.data, stream->taken.len), stream->place.pos)) ||
           (stream->offset.pos != NULL && strcmp(stream->offset.pos, stream->place.offset.pos) != 0);
}

struct kafka_place kafka_stream_coming(const struct kafka_stream *stream, char **pos)
{
    struct kafka_place place = stream->place;

    *pos = NULL;
    if (stream->taken.len > 0) {
        *pos = cdc_span_copy(cdc_span(stream->taken.data, stream->taken.len));
        place.pos = *pos != NULL ? *pos : place.pos;
        place.seq = stream->taken_seq;
    }
    if (stream->offset.pos != NULL)
        place.offset = stream->offset;
    /* A boundary that came without a line to take in (heartbeats) moves what is inside as well. */
    if (strcmp(place.pos, place.offset.pos) < 0) {
        place.pos = place.offset.pos;
        place.seq = place.offset.seq;
    }
    return place;
}

/* What is not in parts of its own. NEW; NULL: none. */
static char *described_of(const struct kafka_described *described, struct cdc_buf *out)
{
    size_t from = described->n_cuts > 0 ? described->cuts[described->n_cuts - 1] + 1 : 0; /* after the comma */

    if (described->list.len <= from)
        return NULL;
    char *text = cdc_span_copy(cdc_span(described->list.data + from, described->list.len - from));
    out->failed |= text == NULL;
    return text;
}

void kafka_stream_position(struct cdc_buf *out, const struct kafka_sink *sink, const struct kafka_stream *only)
{
    struct kafka_place *items = calloc(sink->n_streams + 1, sizeof *items);
    char **texts = calloc(sink->n_streams + 1, sizeof *texts);
    struct kafka_places places = {.items = items, .n = sink->n_streams};

    for (size_t i = 0; items != NULL && texts != NULL && i < sink->n_streams; i++) {
        items[i] = kafka_stream_coming(&sink->streams[i], &texts[i]);
        const struct kafka_described *described = &sink->streams[i].described;
        items[i].described = described_of(described, out);
        items[i].begins = described->begins.data;
        items[i].n_cuts = described->n_cuts;
    }
    if (items != NULL && texts != NULL)
        kafka_position_append(out, &places, sink->settings->id, only != NULL ? (long)(only - sink->streams) : -1);
    else
        out->failed = true;
    for (size_t i = 0; texts != NULL && i < sink->n_streams; i++)
        free(texts[i]);
    for (size_t i = 0; items != NULL && i < sink->n_streams; i++)
        free(items[i].described);
    free(texts);
    free(items);
}

int kafka_streams_stored(struct kafka_sink *sink, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_streams; i++) {
        struct kafka_stream *stream = &sink->streams[i];
        char *pos;
        struct kafka_place coming = kafka_stream_coming(stream, &pos);
        int result = kafka_place_move(&stream->place, cdc_span_text(coming.pos), coming.seq, error);
        free(pos);
        if (result != 0 ||
            (stream->offset.pos != NULL && cdc_offset_copy(&stream->place.offset, &stream->offset, error) != 0))
            return -1;
        cdc_offset_free(&stream->offset);
    }
    kafka_described_stored(sink);
    return 0;
}
