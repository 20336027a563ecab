/* SPDX-License-Identifier: MIT */
/* Around a line: lines that may be too long go alone, and a batch that is full is stored within a transaction of the source. */
#include "connectors/kafka/sink/internal.h"

#define OVERHEAD 512 /* of a record beside the line: keys, headers, what surrounds them */
#define LOOK_EVERY 256

int kafka_line_begin(struct kafka_sink *sink, const struct kafka_topic *topic, size_t n, bool *alone,
                     struct cdc_error *error)
{
    /* Or with its transaction, which is refused with it. */
    *alone = sink->settings->spool == NULL && (int64_t)(n + OVERHEAD) > topic->max_bytes / 2;
    if (*alone && kafka_batch_commit(sink, error) != 0)
        return -1;
    sink->alone_from = sink->n; /* the begin of its transaction may be before it */
    return 0;
}

/* How much a broker takes is known once it has compressed it: so it is tried. */
static int send_alone(struct kafka_sink *sink, struct kafka_stream *stream, const struct cdc_event *event,
                      struct cdc_error *error)
{
    struct cdc_error why = {0};

    sink->too_large = false;
    if (kafka_batch_commit(sink, &why) == 0)
        return 0;
    if (!sink->too_large) {
        if (error != NULL)
            *error = why;
        return -1;
    }
    for (size_t i = sink->alone_from; i < sink->n; i++)
        if (sink->records[i].counted)
            kafka_transaction_uncount(&stream->transaction, event, sink->records[i].topic->name,
                                      sink->records[i].partition);
    sink->n = sink->alone_from;
    return cdc_sink_reject(&sink->context, event->line, why.text, error);
}

static bool is_full(const struct kafka_sink *sink)
{
    if (sink->settings->spool != NULL)
        return false; /* at the end of a transaction alone */
    if (sink->bytes >= (size_t)sink->settings->batch_bytes)
        return true;
    return sink->begun && sink->n % LOOK_EVERY == 0 &&
           cdc_clock_ms() - sink->begun_ms > sink->settings->txn_timeout_ms / 4;
}

int kafka_line_end(struct kafka_sink *sink, struct kafka_stream *stream, const struct cdc_event *event, bool alone,
                   struct cdc_error *error)
{
    if (kafka_stream_take(stream, event, error) != 0)
        return -1;
    if (alone)
        return send_alone(sink, stream, event, error);
    return is_full(sink) ? kafka_batch_commit(sink, error) : kafka_batch_produce(sink, error);
}

/* -- the log layout: every line as it is ------------------------------------------------- */

int kafka_log_event(void *context, const struct cdc_event *event, struct cdc_error *error)
{
    struct kafka_sink *sink = context;
    struct kafka_stream *stream = kafka_stream_of(sink, event->name, error);
    bool alone;

    if (stream == NULL)
        return -1;
    if (kafka_stream_has(stream, event->pos)) {
        sink->dropped++;
        return 0;
    }
    if (kafka_line_begin(sink, sink->log_topic, event->line.n, &alone, error) != 0)
        return -1;
    struct kafka_record *record = kafka_batch_add(sink, sink->log_topic, 0, error);
    if (record == NULL)
        return -1;
    record->value = kafka_arena_put(&sink->arena, event->line.p, event->line.n);
    record->value_n = event->line.n;
    if (sink->settings->commit_time)
        record->timestamp = event->ts_ms;
    if (record->value == NULL)
        return kafka_batch_no_room(sink, error);
    sink->bytes += event->line.n;
    return kafka_line_end(sink, stream, event, alone, error);
}
