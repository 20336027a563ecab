/* SPDX-License-Identifier: MIT */
/* The batch on its way: handed to the client while it grows, stored with the positions, and sent again until it is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "connectors/kafka/sink/internal.h"

#define POLL_EVERY 512
#define LET_GO_EVERY ((size_t)1 << 16)      /* records */
#define LET_GO_BYTES ((size_t)16 << 20)     /* of values that were sent */
#define RECORDS_IN_MEMORY ((size_t)1 << 16) /* with a spool; those after it are mapped */
#define TOO_LONG 3
#define FLUSH_MS 5000
#define WHOLE_MS 200 /* a topic that is removed and made again in less is found by its offsets alone */

/* -- taking in --------------------------------------------------------------------- */

static size_t bytes_of(size_t records)
{
    size_t page = (size_t)1 << 16;
    return (records * sizeof(struct kafka_record) + page - 1) / page * page;
}

static void free_records(struct kafka_sink *sink)
{
    if (sink->records_mapped)
        munmap(sink->records, bytes_of(sink->room));
    else
        free(sink->records);
    sink->records = NULL;
    sink->room = 0;
    sink->records_mapped = false;
}

static bool grow_mapped(struct kafka_sink *sink, size_t room)
{
    size_t n = bytes_of(sink->room), wanted = bytes_of(room);
    struct kafka_record *records = sink->records_mapped
                                       ? kafka_spool_grow(&sink->record_spool, sink->records, n, wanted - n)
                                       : kafka_spool_map(&sink->record_spool, wanted);

    if (records == NULL)
        return false;
    if (!sink->records_mapped) {
        memcpy(records, sink->records, sink->n * sizeof *records);
        free(sink->records);
    }
    sink->records = records;
    sink->records_mapped = true;
    sink->room = room;
    return true;
}

static bool grow(struct kafka_sink *sink)
{
    size_t room = sink->room > 0 ? 2 * sink->room : 1024;

    if (sink->record_spool.folder != NULL && room > RECORDS_IN_MEMORY)
        return grow_mapped(sink, room);
    struct kafka_record *records = realloc(sink->records, room * sizeof *records);
    if (records == NULL)
        return false;
    sink->records = records;
    sink->room = room;
    return true;
}

/* Of a batch in the spool: what was looked at leaves the memory again. */
static void let_go(struct kafka_sink *sink, size_t looked_at)
{
    if (looked_at % LET_GO_EVERY != 0 || !sink->records_mapped)
        return;
    kafka_spool_let_go(sink->records, looked_at * sizeof *sink->records);
}

int kafka_batch_no_room(const struct kafka_sink *sink, struct cdc_error *error)
{
    int number = sink->arena.spool.failed != 0 ? sink->arena.spool.failed : sink->record_spool.failed;

    if (number == 0)
        return cdc_error_memory(error);
    cdc_error_set(error, CDC_EXIT_IO, "a transaction does not fit into the spool in \"%s\": %s",
                  sink->record_spool.folder, strerror(number));
    return cdc_error_hint(error, "name a folder with more room (--spool); nothing of the transaction was sent");
}

struct kafka_record *kafka_batch_add(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partition,
                                     struct cdc_error *error)
{
    if (sink->n == sink->room && !grow(sink)) {
        kafka_batch_no_room(sink, error);
        return NULL;
    }
    let_go(sink, sink->n);
    struct kafka_record *record = &sink->records[sink->n++];
    *record = (struct kafka_record){.topic = topic, .partition = partition};
    return record;
}

static bool put_number(struct kafka_sink *sink, struct kafka_header *header, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, value);

    *header = (struct kafka_header){KAFKA_HEADER_SEQ, kafka_arena_put(&sink->arena, text, (size_t)n), (size_t)n};
    return header->value != NULL;
}

static bool put_header(struct kafka_sink *sink, struct kafka_header *header, const char *name, struct cdc_span value)
{
    *header = (struct kafka_header){name, kafka_arena_put(&sink->arena, value.p, value.n), value.n};
    return header->value != NULL;
}

int kafka_batch_headers(struct kafka_sink *sink, struct kafka_record *record, const struct cdc_event *event,
                        const char *name, struct cdc_span value, struct cdc_error *error)
{
    struct kafka_header headers[8];
    uint32_t n = record->n_headers;
    bool ok = n + 4 <= 8;

    if (n > 0)
        memcpy(headers, record->headers, n * sizeof *headers);
    if (n == 0 && event != NULL) {
        ok = put_header(sink, &headers[n++], KAFKA_HEADER_NAME, event->name) &&
             put_header(sink, &headers[n++], KAFKA_HEADER_POS, event->pos);
        if (ok && event->has_seq)
            ok = put_number(sink, &headers[n++], event->seq);
    }
    if (ok && name != NULL)
        ok = put_header(sink, &headers[n++], name, value);
    if (ok) {
        record->headers = (const void *)kafka_arena_put(&sink->arena, headers, n * sizeof *headers);
        record->n_headers = n;
    }
    return ok && record->headers != NULL ? 0 : kafka_batch_no_room(sink, error);
}

static void empty(struct kafka_sink *sink)
{
    sink->n = sink->produced = sink->bytes = sink->marked_n = sink->marked_bytes = 0;
    sink->begun = false;
    kafka_arena_rewind(&sink->arena, (struct kafka_arena_mark){NULL, 0});
    if (sink->records_mapped) {
        free_records(sink);
        kafka_spool_empty(&sink->record_spool);
    }
    sink->mark = (struct kafka_arena_mark){NULL, 0};
}

void kafka_batch_mark(struct kafka_sink *sink)
{
    sink->marked_n = sink->n;
    sink->marked_bytes = sink->bytes;
    sink->mark = kafka_arena_here(&sink->arena);
}

void kafka_batch_free(struct kafka_sink *sink)
{
    kafka_arena_free(&sink->arena);
    free_records(sink);
    kafka_spool_close(&sink->record_spool);
}

/* -- calls that take their time ------------------------------------------------------------ */

struct ending {
    rd_kafka_t *handle;
    rd_kafka_error_t *error;
};

static void call_commit(void *context)
{
    struct ending *ending = context;
    ending->error = rd_kafka_commit_transaction(ending->handle, -1);
}

static void call_abort(void *context)
{
    struct ending *ending = context;
    ending->error = rd_kafka_abort_transaction(ending->handle, -1);
}

static void call_flush(void *context)
{
    struct ending *ending = context;
    rd_kafka_flush(ending->handle, -1);
}

/* 0: *why is what the call said (NEW, or NULL); -1: it was left. */
static int end_with(struct kafka_sink *sink, const char *what, void (*call)(void *context), rd_kafka_error_t **why,
                    struct cdc_error *error)
{
    struct ending *ending = calloc(1, sizeof *ending);

    *why = NULL;
    if (ending == NULL)
        return cdc_error_memory(error);
    ending->handle = sink->producer.handle;
    if (kafka_client_call(&sink->producer, what, call, ending, error) != 0)
        return -1; /* the thread has it still */
    *why = ending->error;
    free(ending);
    return 0;
}

static int flush(struct kafka_sink *sink, struct cdc_error *error)
{
    rd_kafka_error_t *why;
    return end_with(sink, "what was sent to be acknowledged", call_flush, &why, error);
}

/* -- after an error --------------------------------------------------------------------------- */

enum outcome { STORED, AGAIN, AGAIN_AT_ONCE, FAILED };

/* A transaction that may not be cut, and took too long again and again although the brokers were taking its records until it ended: it will
 * not pass by itself. Brokers that were away for so long are another matter. */
static bool never_fits(struct kafka_sink *sink, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms(), age = sink->begun ? now - sink->begun_ms : 0;

    if (sink->settings->spool == NULL || age < sink->settings->txn_timeout_ms ||
        now - sink->delivered_ms >= sink->settings->txn_timeout_ms || ++sink->too_long < TOO_LONG)
        return false;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "a transaction of %zu records takes longer to be sent than --txn-timeout: %.1f s, %u times", sink->n,
                  (double)age / 1000, sink->too_long);
    cdc_error_hint(error, "a longer --txn-timeout, which brokers limit by transaction.max.timeout.ms; or go without "
                          "--atomic");
    return true;
}

/* Another sink with our transactional id, or our own transaction that took too long? The brokers say the same of both. */
static enum outcome fenced(struct kafka_sink *sink, const char *text, struct cdc_error *error)
{
    int64_t age = sink->begun ? cdc_clock_ms() - sink->begun_ms : 0;

    if (sink->begun && age >= sink->settings->txn_timeout_ms) {
        if (never_fits(sink, error))
            return FAILED;
        cdc_log_write(
            sink->settings->client.log, CDC_LOG_WARNING,
            "a transaction was open for %.1f s, longer than --txn-timeout, and the brokers ended it: it is sent again",
            (double)age / 1000);
        kafka_producer_close(sink);
        return AGAIN_AT_ONCE;
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "another sink has registered with transactional id %s: %s",
                  sink->settings->id, text);
    cdc_error_hint(error, "end one of the two; sinks that are not the same one need ids of their own");
    return FAILED;
}

static bool is_fencing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* The client is dead: of a new one, what it says decides whether the batch is stored. */
static enum outcome fatal(struct kafka_sink *sink, rd_kafka_resp_err_t code, const char *text, struct cdc_error *error)
{
    if (is_fencing(code) && sink->settings->transactional)
        return fenced(sink, text, error);
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the producer cannot go on, and is made anew: %s (%s)", text,
                  rd_kafka_err2name(code));
    kafka_producer_close(sink);
    return AGAIN;
}

static enum outcome abort_batch(struct kafka_sink *sink, struct cdc_error *error)
{
    rd_kafka_error_t *why;

    if (!sink->begun)
        return AGAIN;
    if (end_with(sink, "a transaction to be given up", call_abort, &why, error) != 0)
        return FAILED;
    sink->begun = false;
    sink->produced = 0;
    sink->outstanding = 0;
    kafka_ends_go_back(sink);
    if (why != NULL) {
        cdc_log_write(sink->settings->client.log, CDC_LOG_DEBUG, "giving a transaction up: %s",
                      rd_kafka_error_string(why));
        rd_kafka_error_destroy(why);
        kafka_producer_close(sink);
    }
    return AGAIN;
}

/* A topic, or a partition of it, is not there any more. */
static bool is_of_topic(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

/* code: of the call that failed, or 0. The first record that failed says more. */
static enum outcome trouble(struct kafka_sink *sink, rd_kafka_resp_err_t code, const char *text,
                            struct cdc_error *error)
{
    const char *fatal_text;
    rd_kafka_resp_err_t dead = kafka_client_fatal(&sink->producer, &fatal_text);
    rd_kafka_resp_err_t cause =
        sink->failed != RD_KAFKA_RESP_ERR_NO_ERROR && !kafka_is_purge(sink->failed) ? sink->failed : code;

    if (dead != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fatal(sink, dead, fatal_text, error);
    if (is_fencing(cause) && sink->settings->transactional)
        return fatal(sink, cause, text, error);
    if (never_fits(sink, error))
        return FAILED;
    if (sink->failed != RD_KAFKA_RESP_ERR_NO_ERROR && !kafka_is_purge(sink->failed) && sink->failed_record > 0 &&
        sink->failed_record <= sink->n)
        kafka_error_set(error, cause, "topic %s refused a row", sink->records[sink->failed_record - 1].topic->name);
    else
        cdc_error_set(error, kafka_error_status(cause), "%s (%s)", text, rd_kafka_err2name(cause));
    sink->too_large = cause == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    struct cdc_error later = {0};
    enum outcome outcome = sink->settings->transactional ? abort_batch(sink, &later) : AGAIN;
    if (is_of_topic(cause) && kafka_lost_look(sink, true, &later) != 0) {
        *error = later;
        return FAILED;
    }
    if (!sink->settings->transactional) /* what is in it already is told by the new one */
        kafka_producer_close(sink);
    sink->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    return outcome == FAILED || !cdc_error_is_transient(error) ? FAILED : AGAIN;
}

static enum outcome trouble_of(struct kafka_sink *sink, rd_kafka_error_t *why, struct cdc_error *error)
{
    char text[512];
    rd_kafka_resp_err_t code = rd_kafka_error_code(why);

    snprintf(text, sizeof text, "%s", rd_kafka_error_string(why));
    rd_kafka_error_destroy(why);
    return trouble(sink, code, text, error);
}

/* -- producing ------------------------------------------------------------------------------------ */

static rd_kafka_headers_t *make_headers(const struct kafka_record *record)
{
    rd_kafka_headers_t *headers = record->n_headers > 0 ? rd_kafka_headers_new(record->n_headers) : NULL;

    for (uint32_t i = 0; i < record->n_headers; i++)
        rd_kafka_header_add(headers, record->headers[i].name, -1, record->headers[i].value,
                            (ssize_t)record->headers[i].n);
    return headers;
}

static rd_kafka_resp_err_t hand_over(rd_kafka_topic_t *topic, rd_kafka_t *handle, const struct kafka_record *record,
                                     size_t number)
{
    if (record->n_headers == 0 && record->timestamp == 0)
        return rd_kafka_produce(topic, record->partition, 0, (void *)(uintptr_t)record->value, record->value_n,
                                record->key, record->key_n, (void *)number) == 0
                   ? RD_KAFKA_RESP_ERR_NO_ERROR
                   : rd_kafka_last_error();
    rd_kafka_headers_t *headers = make_headers(record);
    rd_kafka_resp_err_t code =
        rd_kafka_producev(handle, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
                          RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value, record->value_n),
                          RD_KAFKA_V_KEY(record->key, record->key_n), RD_KAFKA_V_TIMESTAMP(record->timestamp),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *)number), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL)
        rd_kafka_headers_destroy(headers);
    return code;
}

static enum outcome produce_one(struct kafka_sink *sink, size_t index, struct cdc_error *error)
{
    const struct kafka_record *record = &sink->records[index];
    rd_kafka_topic_t *topic = kafka_topic_handle(sink, record->topic, error);

    if (topic == NULL)
        return FAILED;
    for (;;) {
        rd_kafka_resp_err_t code = hand_over(topic, sink->producer.handle, record, index + 1);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return trouble(sink, code, rd_kafka_err2str(code), error);
        rd_kafka_poll(sink->producer.handle, 10);
        /* Of a transaction that has failed nothing is sent any more, and no room comes. */
        const char *text;
        rd_kafka_resp_err_t dead = kafka_client_fatal(&sink->producer, &text);
        if (dead != RD_KAFKA_RESP_ERR_NO_ERROR || sink->failed != RD_KAFKA_RESP_ERR_NO_ERROR)
            return trouble(sink, sink->failed, rd_kafka_err2str(sink->failed), error);
        cdc_control_waiting(sink->settings->client.control, "room in the client's queue");
        if (sink->settings->client.control->stop >= 2) {
            cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while waiting for room in the client's queue");
            return FAILED;
        }
    }
    sink->outstanding++;
    return STORED;
}

static enum outcome begin(struct kafka_sink *sink, struct cdc_error *error)
{
    if (sink->begun || !sink->settings->transactional)
        return STORED;
    rd_kafka_error_t *why = rd_kafka_begin_transaction(sink->producer.handle);
    if (why != NULL)
        return trouble_of(sink, why, error);
    sink->begun = true;
    sink->begun_ms = cdc_clock_ms();
    return STORED;
}

/* A topic of lines that was made again is found out before it has any: killed after that, the next run would take it for the one that it
 * was. Not where it had all a moment ago. */
static enum outcome look_before(struct kafka_sink *sink, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();

    if (sink->log_topic == NULL || sink->produced > 0 || now - sink->whole_ms < WHOLE_MS)
        return STORED;
    if (kafka_lost_look(sink, false, error) != 0)
        return FAILED;
    sink->whole_ms = now;
    return STORED;
}

/* Those of [produced..up_to). */
static enum outcome produce_to(struct kafka_sink *sink, size_t up_to, struct cdc_error *error)
{
    enum outcome outcome = sink->produced < up_to ? look_before(sink, error) : STORED;

    if (outcome == STORED && sink->produced < up_to)
        outcome = begin(sink, error);
    size_t sent = 0;

    while (outcome == STORED && sink->produced < up_to) {
        size_t index = sink->produced;
        if (!sink->records[index].skipped)
            outcome = produce_one(sink, index, error);
        if (outcome == STORED)
            sink->produced = index + 1;
        if (index % POLL_EVERY == 0)
            rd_kafka_poll(sink->producer.handle, 0);
        let_go(sink, index);
        sent += sink->records[index].value_n;
        if (sent >= LET_GO_BYTES) {
            kafka_arena_let_go(&sink->arena);
            sent = 0;
        }
    }
    return outcome;
}

/* In a topic of lines the last record bears the position, so it waits for the commit. Trouble is for the commit to mend. */
int kafka_batch_produce(struct kafka_sink *sink, struct cdc_error *error)
{
    struct cdc_error why = {0};
    /* Without a transaction what has gone cannot be taken back: no further than what is whole. */
    size_t whole = sink->settings->transactional ? sink->n : sink->marked_n;
    size_t up_to = sink->log_topic != NULL && whole > 0 ? whole - 1 : whole;

    /* What is to be one transaction goes once it is whole: none of Kafka is open while the source takes its time. */
    if (sink->settings->spool != NULL || !sink->producer_open || sink->renew || up_to < sink->produced + 64)
        return 0;
    enum outcome outcome = produce_to(sink, up_to, &why);
    if (outcome != FAILED)
        return 0;
    if (error != NULL)
        *error = why;
    return -1;
}

/* -- positions ---------------------------------------------------------------------------------------- */

/* On the last record. */
static int put_position_header(struct kafka_sink *sink, struct cdc_error *error)
{
    struct kafka_record *last = &sink->records[sink->n - 1];

    sink->position.len = 0;
    kafka_stream_position(&sink->position, sink, NULL);
    if (sink->position.failed)
        return cdc_error_memory(error);
    sink->position_record = sink->settings->lose_positions ? SIZE_MAX : sink->n;
    if (sink->settings->lose_positions)
        return 0;
    last->n_headers = 0;
    return kafka_batch_headers(sink, last, NULL, KAFKA_HEADER_POSITION,
                               cdc_span(sink->position.data, sink->position.len), error);
}

static int add_own(struct kafka_sink *sink, struct cdc_span value, struct cdc_error *error)
{
    struct kafka_record *record = kafka_batch_add(sink, sink->offsets_topic, 0, error);

    if (record == NULL)
        return -1;
    record->key = kafka_arena_put(&sink->arena, sink->key.data, sink->key.len);
    record->key_n = (uint32_t)sink->key.len;
    record->value = value.p != NULL ? kafka_arena_put(&sink->arena, value.p, value.n) : NULL;
    record->value_n = value.n;
    return record->key != NULL && (record->value != NULL || value.p == NULL) ? 0 : kafka_batch_no_room(sink, error);
}

static int add_owners(struct kafka_sink *sink, struct cdc_error *error)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next) {
        if (!topic->claimed || topic->claim_stored)
            continue;
        sink->key.len = sink->position.len = 0;
        kafka_owner_key(&sink->key, topic->name);
        kafka_owner_append(&sink->position, sink->settings->id, topic->partitions, &topic->owner);
        if (sink->key.failed || sink->position.failed)
            return cdc_error_memory(error);
        if (add_own(sink, cdc_span(sink->position.data, sink->position.len), error) != 0)
            return -1;
    }
    return 0;
}

/* Of topics that have more than before. */
static int add_ends(struct kafka_sink *sink, struct cdc_error *error)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next) {
        if (!topic->ends.moved || topic == sink->offsets_topic)
            continue;
        sink->key.len = sink->position.len = 0;
        kafka_ends_key(&sink->key, topic->name, sink->settings->id);
        kafka_ends_append(&sink->position, sink->settings->id, topic->ends.coming, topic->ends.n, false);
        if (sink->key.failed || sink->position.failed)
            return cdc_error_memory(error);
        if (add_own(sink, cdc_span(sink->position.data, sink->position.len), error) != 0)
            return -1;
    }
    return 0;
}

/* The parts of its schema lines that Kafka does not have yet. */
static int add_described(struct kafka_sink *sink, const struct kafka_stream *stream, struct cdc_error *error)
{
    const struct kafka_described *described = &stream->described;

    for (size_t i = described->stored; i < described->n_cuts; i++) {
        size_t from = i > 0 ? described->cuts[i - 1] + 1 : 0; /* after the comma */
        sink->key.len = sink->position.len = 0;
        kafka_described_key(&sink->key, stream->place.name, sink->settings->id, described->begins.data, i);
        kafka_described_value(&sink->position, sink->settings->id,
                              cdc_span(described->list.data + from, described->cuts[i] - from));
        if (sink->key.failed || sink->position.failed)
            return cdc_error_memory(error);
        if (add_own(sink, cdc_span(sink->position.data, sink->position.len), error) != 0)
            return -1;
    }
    return 0;
}

/* Tombstones of those that the position which Kafka has does not need. */
static int add_dead(struct kafka_sink *sink, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_dead; i++) {
        if (!sink->dead[i].ripe)
            continue;
        sink->key.len = 0;
        cdc_buf_text(&sink->key, sink->dead[i].key);
        if (sink->key.failed)
            return cdc_error_memory(error);
        if (add_own(sink, cdc_span(NULL, 0), error) != 0)
            return -1;
    }
    return 0;
}

/* Records of their own, one a source that has moved; the last one is looked for afterwards. */
static int add_positions(struct kafka_sink *sink, struct cdc_error *error)
{
    size_t before = sink->n;

    sink->position_record = SIZE_MAX;
    if (add_owners(sink, error) != 0 || add_ends(sink, error) != 0 || add_dead(sink, error) != 0)
        return -1;
    for (size_t i = 0; i < sink->n_streams; i++) {
        const struct kafka_stream *stream = &sink->streams[i];
        if (!kafka_stream_has_moved(stream))
            continue;
        if (add_described(sink, stream, error) != 0)
            return -1;
        sink->key.len = sink->position.len = 0;
        kafka_position_key(&sink->key, stream->place.name, sink->settings->id);
        kafka_stream_position(&sink->position, sink, stream);
        if (sink->key.failed || sink->position.failed)
            return cdc_error_memory(error);
        if (!sink->settings->lose_positions &&
            add_own(sink, cdc_span(sink->position.data, sink->position.len), error) != 0)
            return -1;
    }
    if (sink->n > before)
        sink->position_record = sink->n;
    return 0;
}

/* -- the commit ------------------------------------------------------------------------------------------ */

static bool any_moved(const struct kafka_sink *sink)
{
    for (size_t i = 0; i < sink->n_streams; i++)
        if (kafka_stream_has_moved(&sink->streams[i]))
            return true;
    return false;
}

static bool is_at(const struct kafka_place *there, const char *pos, const char *boundary)
{
    return strcmp(there != NULL ? there->pos : "", pos) == 0 &&
           strcmp(there != NULL ? there->offset.pos : "", boundary) == 0;
}

/* Without transactions a part of a topic's lines may be there: they are not sent again. */
static void skip_stored(struct kafka_sink *sink, const char *name, struct cdc_span pos)
{
    struct cdc_event event;
    struct cdc_error why = {0};

    for (size_t i = 0; i < sink->n; i++) {
        struct kafka_record *record = &sink->records[i];
        if (record->value != NULL && cdc_event_parse(&event, record->value, record->value_n, &why) == 0 &&
            cdc_json_raw_is(event.name, cdc_span_text(name)) && cdc_span_compare(event.pos, pos) <= 0)
            record->skipped = true;
    }
}

static int moved_by_another(const struct kafka_sink *sink, const char *name, const char *pos, struct cdc_error *error)
{
    if (pos == NULL) {
        cdc_error_set(error, CDC_EXIT_LOST, "the position of source \"%s\" has gone from Kafka", name);
        return cdc_error_hint(error, "the topic with it was removed, or made again: take a new snapshot, with another "
                                     "--transactional-id");
    }
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "another sink with transactional id %s has moved the position of source \"%s\" to %s",
                  sink->settings->id, name, pos);
    return cdc_error_hint(error, "end one of the two; sinks that are not the same one need ids of their own");
}

/* What a new producer finds: the batch is there (1), or what was there before it (0); else somebody else was at work (-1). */
static int compare(struct kafka_sink *sink, const struct kafka_places *places, struct cdc_error *error)
{
    bool stored = any_moved(sink);

    for (size_t i = 0; i < sink->n_streams; i++) {
        struct kafka_stream *stream = &sink->streams[i];
        const struct kafka_place *there = kafka_places_find(places, stream->place.name);
        char *pos;
        struct kafka_place coming = kafka_stream_coming(stream, &pos);
        bool is_new = is_at(there, coming.pos, coming.offset.pos);
        bool is_old = is_at(there, stream->place.pos, stream->place.offset.pos) || (sink->emptied && there == NULL);
        bool within = !sink->settings->transactional && sink->log_topic != NULL && there != NULL &&
                      strcmp(there->pos, stream->place.pos) >= 0 && strcmp(there->pos, coming.pos) <= 0;
        int result = is_new || is_old || within
                         ? 0
                         : moved_by_another(sink, stream->place.name, there != NULL ? there->pos : NULL, error);
        stored &= is_new;
        if (within && !is_new && !is_old)
            skip_stored(sink, stream->place.name, cdc_span_text(there->pos));
        free(pos);
        if (result != 0)
            return -1;
    }
    return stored;
}

/* A producer that is ready. STORED also where the batch turns out to be there already: *there. */
static enum outcome ready(struct kafka_sink *sink, bool *there, struct cdc_error *error)
{
    int made = kafka_producer_ensure(sink, error);
    struct kafka_places places = KAFKA_PLACES_INIT;

    *there = false;
    if (made < 0)
        return cdc_error_is_transient(error) ? AGAIN : FAILED;
    if (made == 0)
        return STORED;
    int result = kafka_readback_positions(sink, &places, error);
    if (result == 0)
        result = compare(sink, &places, error);
    kafka_places_free(&places);
    if (result < 0)
        return cdc_error_is_transient(error) ? AGAIN : FAILED;
    *there = result == 1;
    return STORED;
}

/* Nothing rests on what the client says alone: the position record comes back through another client, or it is not stored. */
static enum outcome audit(struct kafka_sink *sink, struct cdc_error *error)
{
    int found = 0;

    if (sink->position_offset >= 0) {
        struct kafka_topic *topic = sink->records[sink->position_record - 1].topic;
        found = kafka_readback_audit(sink, topic, sink->position_offset,
                                     cdc_span(sink->position.data, sink->position.len), error);
        if (found < 0)
            return FAILED;
    }
    if (found == 1)
        return STORED;
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                  "the brokers said that a batch is stored, and its position is not there: looking again");
    kafka_producer_close(sink);
    return AGAIN;
}

static enum outcome end_transaction(struct kafka_sink *sink, struct cdc_error *error)
{
    rd_kafka_error_t *why;
    uint64_t disconnects = kafka_client_disconnects(&sink->producer);
    int64_t started = cdc_clock_ms();

    if (end_with(sink, "the commit of a transaction", call_commit, &why, error) != 0)
        return FAILED;
    if (why != NULL && rd_kafka_error_is_retriable(why)) {
        char text[300];
        snprintf(text, sizeof text, "%s", rd_kafka_error_string(why));
        rd_kafka_error_destroy(why);
        cdc_log_write(sink->settings->client.log, CDC_LOG_DEBUG, "committing again: %s", text);
        if (end_with(sink, "the commit of a transaction", call_commit, &why, error) != 0)
            return FAILED;
    }
    if (why != NULL)
        return trouble_of(sink, why, error);
    sink->begun = false;
    rd_kafka_poll(sink->producer.handle, 0);
    /* An answer that went astray may come late, and end the transaction after this one: not with a new epoch. */
    sink->renew |= cdc_clock_ms() - started > 60000 || kafka_client_disconnects(&sink->producer) != disconnects;
    return STORED;
}

/* Where a transaction has failed already, nothing of it is sent any more, and its end says why: so not for long. */
static void flush_transaction(struct kafka_sink *sink)
{
    int64_t until = cdc_clock_ms() + FLUSH_MS;
    uint64_t outstanding = sink->outstanding;

    while (rd_kafka_flush(sink->producer.handle, 100) != RD_KAFKA_RESP_ERR_NO_ERROR && cdc_clock_ms() < until &&
           sink->failed == RD_KAFKA_RESP_ERR_NO_ERROR && sink->settings->client.control->stop < 2 &&
           kafka_client_fatal(&sink->producer, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        cdc_control_waiting(sink->settings->client.control, "what was sent to be acknowledged");
        if (sink->outstanding < outstanding)
            until = cdc_clock_ms() + FLUSH_MS;
        outstanding = sink->outstanding;
    }
}

/* Of what was sent: is all of it where nothing was before, and none of it refused? */
static enum outcome judge_sent(struct kafka_sink *sink, bool can_abort, struct cdc_error *error)
{
    if (sink->cut != NULL) {
        if (!can_abort || abort_batch(sink, error) != FAILED)
            kafka_lost_mark(sink, sink->cut, error);
        return FAILED;
    }
    return sink->failed == RD_KAFKA_RESP_ERR_NO_ERROR
               ? STORED
               : trouble(sink, sink->failed, rd_kafka_err2str(sink->failed), error);
}

/* Records up to n are with the brokers, and none of them where others were before. Of a transaction most of them are: how far they go is
 * known then, and it can still be given up. */
static enum outcome send_to(struct kafka_sink *sink, size_t n, struct cdc_error *error)
{
    enum outcome outcome = produce_to(sink, n, error);

    if (outcome == STORED && sink->settings->transactional)
        flush_transaction(sink);
    else if (outcome == STORED && flush(sink, error) != 0)
        return FAILED;
    return outcome == STORED ? judge_sent(sink, true, error) : outcome;
}

static enum outcome send_all(struct kafka_sink *sink, struct cdc_error *error)
{
    /* The rows are there before the records that say so, and that say how far they go. */
    enum outcome outcome = sink->log_topic == NULL ? send_to(sink, sink->n, error) : STORED;

    if (outcome != STORED)
        return outcome;
    if ((sink->log_topic != NULL ? put_position_header(sink, error) : add_positions(sink, error)) != 0)
        return FAILED;
    outcome = send_to(sink, sink->n, error);
    if (outcome == STORED && sink->settings->transactional)
        outcome = end_transaction(sink, error);
    return outcome == STORED ? judge_sent(sink, false, error) : outcome;
}

static enum outcome attempt(struct kafka_sink *sink, struct cdc_error *error)
{
    bool there;
    size_t n = sink->n;
    enum outcome outcome = ready(sink, &there, error);

    if (outcome != STORED || there)
        return outcome;
    /* Kept for the case that the batch goes once more: records of its own are made again then. */
    sink->position_offset = -1;
    outcome = send_all(sink, error);
    if (outcome == STORED)
        outcome = audit(sink, error);
    if (outcome != STORED && sink->log_topic == NULL)
        sink->n = n;
    return outcome;
}

static void claims_stored(struct kafka_sink *sink)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        topic->claim_stored |= topic->claimed;
}

int kafka_batch_commit(struct kafka_sink *sink, struct cdc_error *error)
{
    const struct kafka_client_settings *client = &sink->settings->client;

    /* What has no line of its own yet (a BEGIN) goes with the next one. */
    if (sink->log_topic != NULL ? sink->n == 0 : !any_moved(sink))
        return 0;
    for (;;) {
        struct cdc_error why = {0};
        enum outcome outcome = attempt(sink, &why);
        if (outcome == STORED)
            break;
        int slept = outcome == AGAIN_AT_ONCE ? 0
                    : outcome == AGAIN       ? cdc_retry_sleep(&sink->retry, client->control, -1, client->log, &why)
                                             : -1;
        if (slept != 0) {
            if (error != NULL)
                *error = why;
            return -1;
        }
    }
    cdc_retry_success(&sink->retry);
    sink->too_long = 0;
    sink->whole_ms = cdc_clock_ms();
    claims_stored(sink);
    kafka_ends_stored(sink);
    empty(sink);
    return kafka_streams_stored(sink, error) == 0 ? kafka_streams_mark(sink, error) : -1;
}

/* What was handed over already has to be taken back; what is whole is handed over again by the next commit. */
int kafka_batch_discard(struct kafka_sink *sink, struct cdc_error *error)
{
    /* In a topic of lines what will be the last record must not have gone without the position. */
    size_t kept = sink->log_topic != NULL && sink->marked_n > 0 ? sink->marked_n - 1 : sink->marked_n;

    if (sink->produced > kept) {
        if (sink->settings->transactional && abort_batch(sink, error) == FAILED)
            return -1;
        if (!sink->settings->transactional && flush(sink, error) != 0) /* they stay: at least once */
            return -1;
        sink->produced = sink->settings->transactional ? 0 : kept;
    }
    sink->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    sink->n = sink->marked_n;
    sink->bytes = sink->marked_bytes;
    kafka_arena_rewind(&sink->arena, sink->mark);
    return 0;
}
