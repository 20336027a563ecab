/* SPDX-License-Identifier: MIT */
/* What Kafka has, as a reader of what is committed sees it: where the sink was, who owns a topic, and whether a commit is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/sink/internal.h"

#define LOOK_MS 100
#define QUIET_MS 5000 /* nothing comes: is there a broker? */
#define TELL_MS 2000
#define FIRST_WINDOW 64

int kafka_readback_open(struct kafka_sink *sink, struct cdc_error *error)
{
    /* A group is never joined; librdkafka asks for its name. What was asked for must not hold up what is asked for next. */
    static const struct kafka_property own[] = {{"group.id", "cdc-sink-kafka"},
                                                {"enable.auto.commit", "false"},
                                                {"enable.auto.offset.store", "false"},
                                                {"auto.offset.reset", "error"},
                                                {"enable.partition.eof", "true"},
                                                {"check.crcs", "true"},
                                                {"isolation.level", "read_committed"},
                                                {"fetch.wait.max.ms", "20"},
                                                {"fetch.error.backoff.ms", "10"},
                                                {"queued.max.messages.kbytes", "4096"},
                                                {NULL, NULL}};

    if (kafka_client_open(&sink->reader, &sink->settings->client, RD_KAFKA_CONSUMER, own, error) != 0)
        return -1;
    sink->reader_open = true;
    return kafka_client_connect(&sink->reader, error);
}

/* -- a scan -------------------------------------------------------------------------- */

struct scan {
    struct kafka_sink *sink;
    const char *topic;
    int64_t from;
    int (*record)(struct scan *scan, const rd_kafka_message_t *message, struct cdc_error *error); /* 0, 1 enough, -1 */
    void *context;
    int64_t eof, end; /* as far as what is committed was read; end: high watermark; -1: not known */
    int64_t next;
    int64_t started, quiet, told;
};

static int assign(struct scan *scan, struct cdc_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, scan->topic, 0)->offset = scan->from;
    rd_kafka_resp_err_t code = rd_kafka_assign(scan->sink->reader.handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code != RD_KAFKA_RESP_ERR_NO_ERROR ? kafka_error_set(error, code, "cannot read topic %s", scan->topic) : 0;
}

/* Up to the high watermark, and not to the last stable offset: an open transaction of another writer hides what comes after it. */
static int at_eof(struct scan *scan, const rd_kafka_message_t *message, struct cdc_error *error)
{
    int64_t low, high;

    scan->eof = message->offset;
    if (scan->end < 0) {
        if (rd_kafka_get_watermark_offsets(scan->sink->reader.handle, scan->topic, 0, &low, &high) !=
                RD_KAFKA_RESP_ERR_NO_ERROR ||
            high < 0) {
            if (kafka_topic_ends(&scan->sink->reader, scan->topic, 0, &low, &high, error) != 0)
                return -1;
        }
        scan->end = high;
    }
    return scan->eof >= scan->end;
}

static int take_message(struct scan *scan, const rd_kafka_message_t *message, struct cdc_error *error)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return at_eof(scan, message, error);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        scan->next = message->offset + 1;
        return scan->record(scan, message, error);
    }
    int status = kafka_error_status(message->err);
    cdc_log_write(scan->sink->settings->client.log, CDC_LOG_DEBUG, "reading topic %s: %s", scan->topic,
                  rd_kafka_message_errstr(message));
    if (status == CDC_EXIT_UNAVAILABLE && message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        return 0;
    return kafka_error_set(error, message->err, "cannot read topic %s", scan->topic);
}

/* Nothing came. */
static int wait_on(struct scan *scan, struct cdc_error *error)
{
    struct kafka_sink *sink = scan->sink;
    const struct cdc_control *control = sink->settings->client.control;
    int64_t now = cdc_clock_ms(), patience = 2 * sink->settings->txn_timeout_ms;

    cdc_control_waiting(control, "what Kafka has");
    if (control->stop >= 2 || (control->stop && now - scan->quiet > QUIET_MS))
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while reading topic %s", scan->topic);
    bool hidden = scan->eof >= 0 && scan->eof < scan->end;
    if (hidden && now - scan->quiet > patience) {
        cdc_error_set(error, CDC_EXIT_TEMPORARY,
                      "topic %s: a transaction of another writer is open at offset %lld, and hides what comes after it",
                      scan->topic, (long long)scan->eof);
        return cdc_error_hint(error, "end that writer, or wait for its transaction.timeout.ms");
    }
    if (hidden && scan->told == 0 && now - scan->quiet > TELL_MS) {
        scan->told = now;
        cdc_log_write(sink->settings->client.log, CDC_LOG_INFO,
                      "topic %s: waiting for the end of a transaction that is open at offset %lld", scan->topic,
                      (long long)scan->eof);
    }
    if (!hidden && now - scan->quiet > QUIET_MS) {
        scan->quiet = now;
        return kafka_client_connect(&sink->reader, error);
    }
    return 0;
}

/* 1: record() had enough; 0: all of it was read; -1 */
static int run_scan(struct scan *scan, struct cdc_error *error)
{
    rd_kafka_t *handle = scan->sink->reader.handle;
    int result = assign(scan, error);
    bool ended = false;

    scan->eof = scan->end = -1;
    scan->told = 0;
    scan->next = scan->from;
    scan->quiet = cdc_clock_ms();
    while (result == 0 && !ended) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, LOOK_MS);
        if (message == NULL) {
            result = wait_on(scan, error);
            continue;
        }
        bool eof = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            scan->quiet = cdc_clock_ms();
        result = take_message(scan, message, error);
        ended = eof && result == 1;
        rd_kafka_message_destroy(message);
    }
    if (!scan->sink->reader.busy)
        rd_kafka_assign(handle, NULL);
    return ended ? 0 : result;
}

/* -- the topic of positions ------------------------------------------------------------ */

static struct cdc_span value_of(const rd_kafka_message_t *message)
{
    return cdc_span(message->payload, message->payload != NULL ? message->len : 0);
}

static int take_owner(struct kafka_sink *sink, const char *name, struct cdc_span value, struct cdc_error *error)
{
    struct cdc_table_id owner;
    int32_t partitions;

    if (kafka_owner_read(value, &owner, &partitions, error) != 0)
        return -1;
    struct kafka_topic *topic = kafka_topic_of(sink, name, partitions, error);
    if (topic == NULL) {
        cdc_table_id_free(&owner);
        return -1;
    }
    cdc_table_id_free(&topic->owner);
    topic->owner = owner;
    if (topic->max_bytes == 0) /* not looked at in this run */
        topic->partitions = partitions;
    topic->claim_stored = true;
    topic->of_another = !cdc_json_member_is(value, "id", sink->settings->id);
    return 0;
}

static int take_ends(struct kafka_sink *sink, const char *name, struct cdc_span value, struct cdc_error *error)
{
    struct kafka_topic *topic = kafka_topic_of(sink, name, 0, error);
    return topic != NULL ? kafka_ends_take(topic, value, error) : -1;
}

static int take_position(struct scan *scan, const rd_kafka_message_t *message, struct cdc_error *error)
{
    struct kafka_places *places = scan->context;
    char *name, *id;
    int kind = kafka_position_read_key(cdc_span(message->key, message->key != NULL ? message->key_len : 0), &name, &id);
    int result = 0;

    if (value_of(message).p == NULL && kind == 1 && places != NULL && strcmp(id, scan->sink->settings->id) == 0)
        kafka_places_remove(places, name);
    if (kind == 4 && places != NULL && strcmp(id, scan->sink->settings->id) == 0)
        result = take_ends(scan->sink, name, value_of(message), error);
    if (value_of(message).p == NULL && kind != 3)
        kind = 0;
    if (kind == 3 && places != NULL && strcmp(id, scan->sink->settings->id) == 0)
        result = kafka_places_take_part(places, cdc_span(message->key, message->key_len), value_of(message), error);
    else if (kind == 2)
        result = take_owner(scan->sink, name, value_of(message), error);
    else if (kind == 1 && places != NULL && strcmp(id, scan->sink->settings->id) == 0)
        result = kafka_position_read(places, value_of(message), error);
    free(name);
    free(id);
    return result;
}

static int read_offsets_topic(struct kafka_sink *sink, struct kafka_places *places, struct cdc_error *error)
{
    struct scan scan = {.sink = sink, .topic = sink->offsets_topic->name, .record = take_position, .context = places};

    scan.from = places != NULL || sink->read_next < 0 ? RD_KAFKA_OFFSET_BEGINNING : sink->read_next;
    if (run_scan(&scan, error) != 0)
        return -1;
    sink->read_next = scan.eof >= 0 ? scan.eof : -1;
    return places != NULL ? kafka_places_join(places, sink->settings->id, error) : 0;
}

int kafka_readback_owners(struct kafka_sink *sink, struct cdc_error *error)
{
    return read_offsets_topic(sink, NULL, error);
}

/* -- the tail of a topic of lines ---------------------------------------------------------- */

struct tail {
    struct kafka_places *places;
    bool found;
    uint64_t records;
};

/* A record of another program, or of a delivery that was cut off without a transaction: the line itself tells. */
static int take_line(struct tail *tail, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_error why = {0};

    if (line.p == NULL || cdc_event_parse(&event, line.p, line.n, &why) != 0 || event.pos.n == 0 || event.name.n == 0)
        return 0;
    char *name = cdc_json_text(event.name, NULL);
    if (name == NULL)
        return cdc_error_memory(error);
    struct kafka_place *place = kafka_places_find(tail->places, name);
    if (place == NULL)
        place = kafka_places_add(tail->places, name, error);
    free(name);
    if (place == NULL)
        return -1;
    return cdc_span_compare(event.pos, cdc_span_text(place->pos)) > 0
               ? kafka_place_move(place, event.pos, event.has_seq ? event.seq : place->seq, error)
               : 0;
}

static struct cdc_span position_header(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t n;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, KAFKA_HEADER_POSITION, &value, &n) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cdc_span(NULL, 0);
    return cdc_span(value, n);
}

static int take_tail(struct scan *scan, const rd_kafka_message_t *message, struct cdc_error *error)
{
    struct tail *tail = scan->context;
    struct cdc_span position = position_header(message);

    tail->records++;
    if (position.p == NULL)
        return take_line(tail, value_of(message), error);
    tail->found = true;
    return kafka_position_read(tail->places, position, error);
}

static int foreign_topic(const struct kafka_sink *sink, const struct kafka_places *places, struct cdc_error *error)
{
    if (places->id == NULL || strcmp(places->id, sink->settings->id) == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "topic %s belongs to the sink with the transactional id %s",
                  sink->log_topic->name, places->id);
    return cdc_error_hint(error, "give this sink that --transactional-id if it is the same one, or another topic");
}

/* Backwards in growing steps: markers and rows that were given up take offsets as well. */
static int read_tail(struct kafka_sink *sink, struct kafka_places *places, struct cdc_error *error)
{
    struct tail tail = {.places = places};
    struct scan scan = {.sink = sink, .topic = sink->log_topic->name, .record = take_tail, .context = &tail};
    int64_t low, stable;

    if (kafka_topic_ends(&sink->reader, scan.topic, 0, &low, &stable, error) != 0)
        return -1;
    for (int64_t window = FIRST_WINDOW;; window *= 8) {
        scan.from = stable - low > window ? stable - window : low;
        kafka_places_free(places);
        tail = (struct tail){.places = places};
        if (run_scan(&scan, error) != 0)
            return -1;
        if (tail.found || scan.from == low)
            break;
    }
    sink->emptied = tail.records == 0 && low > 0;
    if (kafka_ends_grow(&sink->log_topic->ends, 1, error) != 0)
        return -1;
    sink->log_topic->ends.stored[0] = sink->log_topic->ends.coming[0] = scan.next > 0 ? scan.next : 0;
    return foreign_topic(sink, places, error);
}

int kafka_readback_positions(struct kafka_sink *sink, struct kafka_places *places, struct cdc_error *error)
{
    return sink->log_topic != NULL ? read_tail(sink, places, error) : read_offsets_topic(sink, places, error);
}

/* -- one record ------------------------------------------------------------------------------ */

struct audit {
    int64_t offset;
    struct cdc_span text;
    bool found;
};

static int take_audited(struct scan *scan, const rd_kafka_message_t *message, struct cdc_error *error)
{
    struct audit *audit = scan->context;
    struct cdc_span text = scan->sink->log_topic != NULL ? position_header(message) : value_of(message);

    (void)error;
    audit->found = message->offset == audit->offset && cdc_span_equal(text, audit->text);
    return 1;
}

int kafka_readback_audit(struct kafka_sink *sink, struct kafka_topic *topic, int64_t offset, struct cdc_span text,
                         struct cdc_error *error)
{
    struct audit audit = {offset, text, false};
    struct scan scan = {.sink = sink, .topic = topic->name, .from = offset, .record = take_audited, .context = &audit};

    return run_scan(&scan, error) < 0 ? -1 : audit.found;
}
