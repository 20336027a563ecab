/* SPDX-License-Identifier: MIT */
/* The operations of the sink loop. A delivery is one transaction of Kafka: rows, and the record that says how far they go.
 *
 *   killed before the commit      the next run registers, which ends the transaction: nothing of it is seen; all comes again
 *   killed after it               the position is there: the next run reads it, and drops what comes again
 *   offset file saved             the source may have its log forgotten up to here */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/kafka/sink/internal.h"

static int open_topics(struct kafka_sink *sink, struct cdc_error *error)
{
    const struct kafka_sink_settings *settings = sink->settings;
    bool log = settings->topic != NULL;
    struct kafka_topic *topic = kafka_topic_of(sink, log ? settings->topic : settings->offsets_topic, 0, error);

    if (topic == NULL)
        return -1;
    if (log)
        sink->log_topic = topic;
    else
        sink->offsets_topic = topic;
    if (kafka_topic_prepare(sink, topic, 1, log ? "cleanup.policy=delete" : "cleanup.policy=compact", error) != 0)
        return -1;
    if (log && topic->partitions != 1) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "topic %s has %d partitions: lines in their order need a topic with one",
                      topic->name, (int)topic->partitions);
        return cdc_error_hint(error, "name another topic, or leave --topic: then each table has one");
    }
    if (log && topic->compacted)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "topic %s is compacted: it would not keep every line",
                             topic->name);
    return 0;
}

static int read_positions(struct kafka_sink *sink, struct cdc_error *error)
{
    struct kafka_places places = KAFKA_PLACES_INIT;
    int result = kafka_readback_positions(sink, &places, error);

    for (size_t i = 0; result == 0 && i < places.n; i++) {
        struct kafka_stream *stream = kafka_stream_named(sink, places.items[i].name, error);
        if (stream == NULL ||
            kafka_place_move(&stream->place, cdc_span_text(places.items[i].pos), places.items[i].seq, error) != 0 ||
            cdc_offset_copy(&stream->place.offset, &places.items[i].offset, error) != 0)
            result = -1;
        else
            stream->taken_seq = stream->marked_seq = stream->place.seq;
        if (result == 0)
            result = kafka_described_restore(stream, &places.items[i], error);
    }
    if (result == 0)
        result = kafka_described_forget(sink, &places, error);
    kafka_dead_mark(sink);
    kafka_places_free(&places);
    return result;
}

static int open_all(struct kafka_sink *sink, struct cdc_error *error)
{
    const struct kafka_sink_settings *settings = sink->settings;

    if (settings->debezium) {
        sink->writer = cdc_format_writer_new(settings->schemas ? "debezium,key,schemas" : "debezium,key", error);
        if (sink->writer == NULL)
            return -1;
    }
    if (kafka_readback_open(sink, error) != 0 || open_topics(sink, error) != 0 ||
        kafka_producer_ensure(sink, error) < 0 || read_positions(sink, error) != 0 ||
        kafka_lost_check(sink, error) != 0)
        return -1;
    cdc_log_write(settings->client.log, CDC_LOG_INFO, "writing to %s%s of %s, as %s (librdkafka %s)",
                  settings->topic != NULL ? "topic " : "topics ",
                  settings->topic != NULL ? settings->topic : settings->template, settings->client.brokers,
                  settings->id, rd_kafka_version_str());
    return 0;
}

struct kafka_sink *kafka_sink_open(const struct kafka_sink_settings *settings, struct cdc_error *error)
{
    struct kafka_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    sink->settings = settings;
    sink->read_next = -1;
    if (settings->spool != NULL && access(settings->spool, W_OK | X_OK) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "cannot write to the spool's folder \"%s\": %s", settings->spool,
                      strerror(errno));
        kafka_sink_free(sink);
        return NULL;
    }
    sink->arena.spool.folder = sink->record_spool.folder = settings->spool;
    snprintf(sink->batch_size, sizeof sink->batch_size, "1000000");
    cdc_retry_init(&sink->retry, settings->client.retry_max);
    cdc_tables_init(&sink->tables, sizeof(struct kafka_table), kafka_table_release, &kafka_target_ops, sink);
    if (open_all(sink, error) == 0)
        return sink;
    kafka_sink_free(sink);
    return NULL;
}

void kafka_sink_free(struct kafka_sink *sink)
{
    if (sink == NULL)
        return;
    bool busy = sink->producer.busy || sink->reader.busy;
    kafka_producer_close(sink);
    kafka_client_close(&sink->reader);
    if (busy) /* a thread still uses it; the process ends */
        return;
    cdc_tables_free(&sink->tables);
    kafka_topics_free(sink);
    kafka_batch_free(sink);
    kafka_streams_free(sink);
    cdc_format_writer_free(sink->writer);
    cdc_buf_free(&sink->scratch);
    cdc_buf_free(&sink->key);
    cdc_buf_free(&sink->old_key);
    cdc_buf_free(&sink->text);
    cdc_buf_free(&sink->position);
    free(sink);
}

/* -- offsets ------------------------------------------------------------------------ */

/* Its rows were stored, and are older than the topic keeps them: the file alone still knows how far they went. */
static int go_on_after(struct kafka_stream *stream, const struct cdc_offset *offset, struct cdc_error *error)
{
    if (kafka_place_move(&stream->place, cdc_span_text(offset->pos), offset->seq, error) != 0 ||
        cdc_offset_copy(&stream->place.offset, offset, error) != 0)
        return -1;
    stream->taken_seq = stream->marked_seq = offset->seq;
    return 0;
}

/* The source may have given up what the file says is stored. */
static int check_ahead(struct kafka_sink *sink, const struct cdc_offset_file *offsets, const char *name,
                       struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);
    struct kafka_stream *stream = kafka_stream_named(sink, name, error);

    if (stream == NULL)
        return -1;
    if (offset->pos[0] == '\0' || strcmp(offset->pos, stream->place.pos) <= 0)
        return 0;
    if (sink->emptied && stream->place.pos[0] == '\0')
        return go_on_after(stream, offset, error);
    const char *path = cdc_offset_file_path(offsets);
    cdc_error_set(error, CDC_EXIT_LOST,
                  "offset file %s says that source \"%s\" is stored up to %s, and in Kafka it is %s",
                  path != NULL ? path : "(memory)", name, offset->pos,
                  stream->place.pos[0] != '\0' ? stream->place.pos : "not there at all");
    return cdc_error_hint(
        error, "topics were removed, or are those of another cluster or --transactional-id; if they have gone, "
               "remove the offset file and take a new snapshot");
}

int kafka_sink_sync_offsets(struct kafka_sink *sink, struct cdc_offset_file *offsets, struct cdc_error *error)
{
    for (size_t i = 0; i < cdc_offset_file_count(offsets); i++)
        if (check_ahead(sink, offsets, cdc_offset_file_name(offsets, i), error) != 0)
            return -1;
    for (size_t i = 0; i < sink->n_streams; i++) {
        const struct kafka_place *place = &sink->streams[i].place;
        const struct cdc_offset *known = cdc_offset_file_get(offsets, place->name);
        if (place->offset.pos[0] == '\0' || (known != NULL && strcmp(known->pos, place->offset.pos) >= 0))
            continue;
        if (cdc_offset_file_set(offsets, place->name, &place->offset, error) != 0)
            return -1;
    }
    return cdc_offset_file_is_new(offsets) ? 0 : cdc_offset_file_save(offsets, error);
}

/* -- operations ------------------------------------------------------------------------ */

static int deliver(void *context, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct kafka_sink *sink = context;

    if (sink->lost)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "what was not stored comes again");
    if (sink->log_topic == NULL && kafka_table_end_implied(sink, true, error) != 0)
        return -1;
    for (size_t i = 0; i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);
        struct kafka_stream *stream = kafka_stream_named(sink, name, error);
        if (stream == NULL)
            return -1;
        if (offset->pos[0] != '\0' && strcmp(offset->pos, stream->place.offset.pos) > 0 &&
            cdc_offset_copy(&stream->offset, offset, error) != 0)
            return -1;
    }
    return kafka_batch_commit(sink, error) == 0 ? kafka_lost_tick(sink, error) : -1;
}

static int boundary(void *context, struct cdc_error *error)
{
    struct kafka_sink *sink = context;

    if (sink->log_topic == NULL && kafka_table_end_implied(sink, false, error) != 0)
        return -1;
    kafka_batch_mark(sink);
    if (kafka_streams_mark(sink, error) != 0)
        return -1;
    return sink->settings->spool != NULL && sink->bytes >= (size_t)sink->settings->batch_bytes
               ? kafka_batch_commit(sink, error)
               : 0;
}

static void discard(void *context)
{
    struct kafka_sink *sink = context;
    struct cdc_error why = {0};

    sink->lost |= kafka_batch_discard(sink, &why) != 0;
    kafka_streams_go_back(sink);
    cdc_tables_recheck(&sink->tables);
}

/* No transaction of Kafka stays open for long while the input pauses: brokers would end it. */
static int pause_op(void *context, struct cdc_error *error)
{
    struct kafka_sink *sink = context;

    if (sink->begun && cdc_clock_ms() - sink->begun_ms >= sink->settings->txn_timeout_ms / 4 &&
        kafka_batch_commit(sink, error) != 0)
        return -1;
    return kafka_lost_tick(sink, error);
}

const struct cdc_sink_ops kafka_sink_log_ops = {.event = kafka_log_event,
                                                .deliver = deliver,
                                                .discard = discard,
                                                .boundary = boundary,
                                                .pause = pause_op,
                                                .history = true,
                                                .verbatim = true};
const struct cdc_sink_ops kafka_sink_table_ops = {.event = kafka_table_event,
                                                  .deliver = deliver,
                                                  .discard = discard,
                                                  .boundary = boundary,
                                                  .pause = pause_op,
                                                  .history = true,
                                                  .boundaries = true};

int kafka_sink_finish(struct kafka_sink *sink, struct cdc_error *error)
{
    return sink->settings->client.control->stop ? 0 : kafka_lost_look(sink, false, error);
}

void kafka_sink_report(const struct kafka_sink *sink, const struct cdc_log *log)
{
    struct cdc_buf losses = CDC_BUF_INIT;

    if (sink->dropped > 0)
        cdc_log_write(log, CDC_LOG_INFO, "%llu lines were in Kafka already, of a transaction that was cut off",
                      (unsigned long long)sink->dropped);
    if (sink->lost_columns > 0)
        cdc_log_write(
            log, CDC_LOG_WARNING,
            "%llu rows changed their key, and columns that the log did not carry are missing under the new one",
            (unsigned long long)sink->lost_columns);
    if (sink->writer != NULL && cdc_format_writer_losses(sink->writer, &losses) > 0)
        cdc_log_write(log, CDC_LOG_WARNING, "what Debezium's form cannot say: %.*s", (int)losses.len, losses.data);
    cdc_buf_free(&losses);
}

/* -- --check ------------------------------------------------------------------------------- */

static int check_topic(struct kafka_sink *sink, const char *name, bool rows, struct cdc_findings *findings,
                       struct cdc_error *error)
{
    struct kafka_check_topic what = {name, true, rows, rows ? sink->settings->max_line : 0};
    struct kafka_topic_facts facts;
    char text[400];

    if (kafka_topic_check(&sink->reader, &what, &facts, findings, error) != 0)
        return -1;
    if (facts.partitions == 0) {
        snprintf(text, sizeof text, "there is no topic %s%s", name, sink->settings->create ? "; it is made" : "");
        kafka_finding(&sink->settings->client, findings, sink->settings->create ? CDC_LOG_INFO : CDC_LOG_ERROR, "topic",
                      name, text,
                      sink->settings->create ? "make it first to choose its partitions and settings"
                                             : "make it, or leave out --create-topics=no");
    } else if (sink->settings->topic != NULL && rows && facts.partitions != 1) {
        kafka_finding(&sink->settings->client, findings, CDC_LOG_ERROR, "partitions", name,
                      "the topic has several partitions: lines have no order", "a topic with one partition");
    }
    return 0;
}

/* Those of a table layout are the ones that it has claimed. */
static int check_topics(struct kafka_sink *sink, struct cdc_findings *findings, struct cdc_error *error)
{
    const struct kafka_sink_settings *settings = sink->settings;
    struct kafka_topic_facts facts;

    if (settings->topic != NULL)
        return check_topic(sink, settings->topic, true, findings, error);
    if (check_topic(sink, settings->offsets_topic, false, findings, error) != 0 ||
        kafka_topic_look(&sink->reader, settings->offsets_topic, &facts, error) != 0)
        return -1;
    if (facts.partitions == 0)
        return 0;
    sink->offsets_topic = kafka_topic_of(sink, settings->offsets_topic, 0, error);
    if (sink->offsets_topic == NULL || kafka_readback_owners(sink, error) != 0)
        return -1;
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        if (topic->claim_stored && check_topic(sink, topic->name, true, findings, error) != 0)
            return -1;
    return 0;
}

int kafka_sink_check(const struct kafka_sink_settings *settings, struct cdc_findings *findings, struct cdc_error *error)
{
    struct kafka_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return cdc_error_memory(error);
    sink->settings = settings;
    sink->read_next = -1;
    cdc_tables_init(&sink->tables, sizeof(struct kafka_table), kafka_table_release, &kafka_target_ops, sink);
    int result = kafka_readback_open(sink, error) == 0 && kafka_check_cluster(&sink->reader, findings, error) == 0
                     ? check_topics(sink, findings, error)
                     : -1;
    if (result == 0 && cdc_findings_have_error(findings))
        result = cdc_error_set(error, CDC_EXIT_CONFIG, "the check found what would lose rows or stop the sink");
    kafka_sink_free(sink);
    return result;
}
