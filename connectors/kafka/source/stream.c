/* SPDX-License-Identifier: MIT */
/* Topics as a source: what the loop calls. Partitions are assigned with offsets of our own; no group is joined, so that no
 * rebalance waits for acknowledgements, and nobody is put out because the reader of a pipe takes its time. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connectors/kafka/source/internal.h"

#define LOOK_MS 10000 /* between two looks at topics and ends */

/* -- what the client tells -------------------------------------------------------------- */

static void on_error(void *context, rd_kafka_resp_err_t code, const char *text)
{
    struct kafka_source *source = context;

    if (code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
        code != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return;
    source->suspect = true;
    snprintf(source->told, sizeof source->told, "%s", text);
}

/* With auto.offset.reset=error nothing is passed over; where a release does it all the same, it says so. */
static void on_log(void *context, const char *facility, const char *text)
{
    struct kafka_source *source = context;

    bool reset = strcmp(facility, "OFFSET") == 0 && strcasestr(text, "offset reset") != NULL;
    /* Of debug=topic: a broker refused to read the partition. It may have another leader, or the topic was made anew, which nothing
     * else tells where that was fast. */
    bool refused = strcmp(facility, "BROKERUA") == 0 || strcmp(facility, "LEADERUA") == 0;

    if (!reset && !refused)
        return;
    source->reset |= reset;
    source->suspect |= refused;
    snprintf(source->told, sizeof source->told, "%s", text);
}

/* -- its life ------------------------------------------------------------------------------ */

void *kafka_source_new(const struct kafka_source_settings *settings, struct cdc_metrics *metrics,
                       const struct cdc_log *log, struct cdc_error *error)
{
    struct kafka_source *source = calloc(1, sizeof *source);

    if (source == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    source->settings = settings;
    source->client = settings->client;
    source->client.retry_max = 0;
    source->metrics = metrics;
    source->log = log;
    source->between = true;
    source->foreign = settings->format != NULL;
    source->json = source->foreign && strcmp(settings->format, "json") == 0;
    source->order = settings->order != NULL && strcmp(settings->order, "source") == 0 ? KAFKA_ORDER_SOURCE
                    : settings->order != NULL && strcmp(settings->order, "log") == 0  ? KAFKA_ORDER_LOG
                                                                                      : KAFKA_ORDER_PARTITION;
    source->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (source->wake < 0)
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "cannot make an event descriptor: %s", strerror(errno));
    else if (!settings->confirm_acks || (source->relay = cdc_relay_new(settings->ack_files, settings->n_ack_files,
                                                                       settings->state_dir, error)) != NULL)
        return source;
    kafka_source_free(source);
    return NULL;
}

static void drop_batch(struct kafka_source *source)
{
    for (; source->at < source->n_batch; source->at++)
        rd_kafka_message_destroy(source->batch[source->at]);
    source->at = source->n_batch = 0;
}

static void disconnect(void *context)
{
    struct kafka_source *source = context;

    drop_batch(source);
    kafka_mirror_end(source);
    kafka_merge_reset(source);
    for (size_t i = 0; i < source->n_parts; i++) {
        kafka_settle_crc(&source->parts[i]);
        kafka_part_forget(&source->parts[i]);
    }
    if (source->queue != NULL)
        rd_kafka_queue_destroy(source->queue);
    source->queue = NULL;
    kafka_client_close(&source->consumer);
}

void kafka_source_free(void *context)
{
    struct kafka_source *source = context;

    if (source == NULL)
        return;
    disconnect(source);
    kafka_client_close(&source->asker);
    kafka_parts_report(source);
    kafka_parts_free(source);
    kafka_passed_free(&source->passed);
    free(source->cluster);
    free(source->merge.fronts);
    kafka_transaction_free(&source->merge.transaction);
    kafka_merge_free(&source->merge.counts);
    cdc_buf_free(&source->merge.pos);
    cdc_buf_free(&source->merge.last);
    kafka_passed_free(&source->merge.ended);
    kafka_schemas_free(source);
    cdc_buf_free(&source->names);
    cdc_buf_free(&source->scratch);
    cdc_relay_free(source->relay);
    cdc_offset_free(&source->boundary);
    if (source->wake >= 0)
        close(source->wake);
    free(source);
}

/* -- connecting ------------------------------------------------------------------------------- */

static int open_asker(struct kafka_source *source, struct cdc_error *error)
{
    static const struct kafka_property own[] = {{"isolation.level", "read_uncommitted"}, {NULL, NULL}};

    if (source->asker.handle == NULL &&
        kafka_client_open(&source->asker, &source->client, RD_KAFKA_PRODUCER, own, error) != 0)
        return -1;
    if (kafka_client_connect(&source->asker, error) != 0)
        return -1;
    char *cluster = rd_kafka_clusterid(source->asker.handle, 5000);
    if (cluster == NULL)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the brokers do not tell which cluster they are");
    bool same = source->cluster == NULL || strcmp(source->cluster, cluster) == 0;
    int result = same ? 0 : kafka_lost(error, "this is cluster %s, and was cluster %s", cluster, source->cluster);
    if (source->cluster == NULL)
        source->cluster = strdup(cluster);
    rd_kafka_mem_free(source->asker.handle, cluster);
    return source->cluster != NULL ? result : cdc_error_memory(error);
}

/* looks: it only looks for places, one record here and one there, and must not wait for more of them. */
static int open_consumer(struct kafka_source *source, bool looks, struct cdc_error *error)
{
    char group[300], fetch[32], receive[32], queued[32];
    int64_t line = source->settings->max_line + (1 << 20);

    if (line > 1000000000)
        line = 1000000000;
    const char *mirror = source->settings->mirror_group;
    snprintf(group, sizeof group, "%s%.250s", mirror != NULL ? "" : "cdc-",
             mirror != NULL ? mirror : source->settings->name); /* never joined */
    snprintf(fetch, sizeof fetch, "%lld", (long long)(line > (64 << 20) ? line : 64 << 20));
    snprintf(receive, sizeof receive, "%lld", (long long)(line > (64 << 20) ? line : 64 << 20) + 1024);
    snprintf(queued, sizeof queued, "%d", source->order == KAFKA_ORDER_SOURCE ? 4096 : 16384);
    const struct kafka_property own[] = {{"group.id", group},
                                         {"enable.auto.commit", "false"},
                                         {"enable.auto.offset.store", "false"},
                                         {"isolation.level", "read_committed"},
                                         {"auto.offset.reset", "error"},
                                         {"enable.partition.eof", "true"},
                                         {"check.crcs", "true"},
                                         {"fetch.max.bytes", fetch},
                                         {"receive.message.max.bytes", receive},
                                         {"queued.max.messages.kbytes", queued},
                                         {"topic.metadata.refresh.interval.ms", "5000"},
                                         {"debug", "topic"}, /* see on_log */
                                         {"fetch.wait.max.ms", looks ? "10" : "500"},
                                         {NULL, NULL}};
    source->consumer.on_error = on_error;
    source->consumer.on_log = on_log;
    source->consumer.context = source;
    source->suspect = source->reset = false;
    return kafka_client_open(&source->consumer, &source->client, RD_KAFKA_CONSUMER, own, error);
}

static int assign(struct kafka_source *source, struct cdc_error *error)
{
    static const uint64_t one = 1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->n_parts);

    for (size_t i = 0; i < source->n_parts; i++) {
        struct part *part = &source->parts[i];
        rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset =
            part->verify ? part->read.anchor.offset : part->read.next;
        if (source->order != KAFKA_ORDER_SOURCE)
            continue;
        part->queue = rd_kafka_queue_get_partition(source->consumer.handle, part->topic, part->partition);
        rd_kafka_queue_forward(part->queue, NULL);
        rd_kafka_queue_io_event_enable(part->queue, source->wake, &one, sizeof one);
    }
    source->queue = rd_kafka_queue_get_consumer(source->consumer.handle);
    rd_kafka_queue_io_event_enable(source->queue, source->wake, &one, sizeof one);
    rd_kafka_resp_err_t code = rd_kafka_assign(source->consumer.handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : kafka_error_set(error, code, "cannot read the partitions");
}

/* From the newest boundary on: what was written after it comes again, and is dropped by its pos. */
static void back_to_safe(struct kafka_source *source)
{
    for (size_t i = 0; i < source->n_parts; i++) {
        struct part *part = &source->parts[i];
        part->read = part->safe;
        part->open = 0;
        part->gone.len = 0;
        part->moves = false;
    }
    source->between = true;
    source->ended = false;
}

static int connect_source(void *context, const struct cdc_offset *from, struct cdc_error *error)
{
    struct kafka_source *source = context;
    const struct cdc_start *start = source->settings->start;

    (void)from; /* what this run has read is known here */
    if (open_asker(source, error) != 0)
        return -1;
    if (!source->known && start->kind == CDC_START_RESUME && start->own.state != NULL &&
        kafka_state_read(source, start->own.state, error) != 0)
        return -1;
    if (!source->known && start->kind == CDC_START_RESUME)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the offset file has no positions in Kafka");
    back_to_safe(source);
    /* Peeks need a client that reads, which is not the one that stays. */
    if (kafka_parts_look(source, error) != 0 || open_consumer(source, true, error) != 0 ||
        kafka_start(source, error) != 0 || kafka_merge_start(source, error) != 0)
        return -1;
    kafka_client_close(&source->consumer);
    if (open_consumer(source, false, error) != 0 || assign(source, error) != 0)
        return -1;
    source->progress = source->looked = cdc_clock_ms();
    /* Where a first run begins is kept before its first record: the next one must not begin at another place. */
    source->new_boundary |= source->boundary.pos == NULL;
    cdc_log_write(source->log, CDC_LOG_INFO, "reading %zu partition%s of %s, cluster %s, order %s", source->n_parts,
                  source->n_parts == 1 ? "" : "s", source->settings->topics, source->cluster,
                  source->order == KAFKA_ORDER_LOG      ? "log"
                  : source->order == KAFKA_ORDER_SOURCE ? "source"
                                                        : "partition");
    return 0;
}

/* -- reading ------------------------------------------------------------------------------------- */

/* Records that came after such news may be of another topic of that name: a new connection looks first. */
static int check_told(struct kafka_source *source, struct cdc_error *error)
{
    if (source->reset)
        return kafka_lost(error, "the client passed over records: %s", source->told);
    if (source->suspect)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "a topic is not known to a broker: looking again: %s",
                             source->told);
    const char *text;
    rd_kafka_resp_err_t fatal = kafka_client_fatal(&source->consumer, &text);
    return fatal != RD_KAFKA_RESP_ERR_NO_ERROR
               ? cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the client has given up: %s", text)
               : 0;
}

static int take_message(struct kafka_source *source, rd_kafka_message_t *message, struct cdc_buf *out,
                        struct cdc_error *error)
{
    struct part *part = kafka_part_of(source, message);

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || part == NULL) {
        int result = part != NULL || message->rkt == NULL ? kafka_event_message(source, part, message, error) : 0;
        rd_kafka_message_destroy(message);
        return result;
    }
    part->at_end = false;
    if (part->done) { /* --until: what is after it is for another run */
        rd_kafka_message_destroy(message);
        return 0;
    }
    if (part->end != NOT_READ && message->offset >= part->end) {
        part->done = true;
        rd_kafka_message_destroy(message);
        return 0;
    }
    int64_t before = part->read.next;
    int result = kafka_take(source, part, message, out, error);
    if (result < 0 || part->read.next == before) {
        rd_kafka_message_destroy(message);
        return result;
    }
    part->done |= part->end != NOT_READ && part->read.next >= part->end;
    source->metrics->lag_since = message->offset >= 0 ? part->read.anchor.timestamp : 0;
    kafka_keep(part, message);
    if (result == 1) {
        source->new_boundary = true;
        if (source->order == KAFKA_ORDER_LOG || part->open == 0)
            kafka_safe(part);
    }
    return 0;
}

static bool all(const struct kafka_source *source, bool (*is)(const struct part *part))
{
    for (size_t i = 0; i < source->n_parts; i++)
        if (!is(&source->parts[i]))
            return false;
    return true;
}
static bool is_done(const struct part *part)
{
    return part->done;
}
static bool is_at_end(const struct part *part)
{
    return part->at_end;
}

static bool caught_up(void *context)
{
    const struct kafka_source *source = context;

    return source->order == KAFKA_ORDER_SOURCE ? kafka_merge_at_end(source) : all(source, is_at_end);
}

static bool wants_no_more(struct kafka_source *source)
{
    if (source->settings->max_events > 0 && source->metrics->changes >= (uint64_t)source->settings->max_events &&
        (source->order != KAFKA_ORDER_LOG || source->between))
        source->ended = true;
    return source->ended || all(source, is_done);
}

static int commit_parts(struct kafka_source *source, bool end, struct cdc_buf *out, struct cdc_error *error)
{
    int came = kafka_commit_parts(source, end, out, error);

    for (size_t i = 0; came > 0 && i < source->n_parts; i++)
        if (source->parts[i].open == 0)
            kafka_safe(&source->parts[i]);
    source->new_boundary |= came > 0;
    return came < 0 ? -1 : 0;
}

static int fetch(struct kafka_source *source)
{
    uint64_t ignored;

    if (source->at < source->n_batch)
        return (int)(source->n_batch - source->at);
    while (read(source->wake, &ignored, sizeof ignored) > 0) {
    }
    ssize_t n =
        rd_kafka_consume_batch_queue(source->queue, 0, source->batch, sizeof source->batch / sizeof *source->batch);
    source->at = 0;
    source->n_batch = n > 0 ? (size_t)n : 0;
    if (n > 0)
        source->progress = cdc_clock_ms();
    return (int)source->n_batch;
}

static enum cdc_source_result read_parts(struct kafka_source *source, struct cdc_buf *out, size_t limit,
                                         struct cdc_error *error)
{
    size_t begin = out->len;
    bool empty = false;

    while (out->len < limit && !empty && !wants_no_more(source)) {
        empty = fetch(source) == 0;
        if (check_told(source, error) != 0)
            return CDC_SOURCE_ERROR;
        while (source->at < source->n_batch && out->len < limit && !source->ended) {
            if (source->settings->max_events > 0 && wants_no_more(source))
                break;
            if (take_message(source, source->batch[source->at++], out, error) != 0)
                return CDC_SOURCE_ERROR;
        }
    }
    bool end = wants_no_more(source);
    if (commit_parts(source, end, out, error) != 0 || (source->new_boundary && kafka_boundary(source, error) != 0))
        return CDC_SOURCE_ERROR;
    if (caught_up(source))
        source->metrics->lag_since = source->metrics->lag_ms = 0;
    if (end)
        return CDC_SOURCE_END;
    return out->len > begin || source->at < source->n_batch ? CDC_SOURCE_MORE : CDC_SOURCE_IDLE;
}

static enum cdc_source_result read_source(void *context, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct kafka_source *source = context;

    if (source->order != KAFKA_ORDER_SOURCE)
        return read_parts(source, out, limit, error);
    fetch(source); /* what the client tells */
    for (; source->at < source->n_batch; source->at++) {
        rd_kafka_message_t *message = source->batch[source->at];
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
            kafka_event_message(source, kafka_part_of(source, message), message, error) != 0)
            return CDC_SOURCE_ERROR;
        rd_kafka_message_destroy(message);
    }
    source->at = source->n_batch = 0;
    if (check_told(source, error) != 0)
        return CDC_SOURCE_ERROR;
    enum cdc_source_result result = kafka_merge_read(source, out, limit, error);
    if (caught_up(source))
        source->metrics->lag_since = source->metrics->lag_ms = 0;
    return result;
}

static int descriptor(void *context, short *events)
{
    struct kafka_source *source = context;

    *events = POLLIN;
    return source->wake;
}

/* -- now and then -------------------------------------------------------------------------------- */

static int tick(void *context, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    struct kafka_source *source = context;
    int64_t now = cdc_clock_ms();

    (void)out;
    kafka_mirror_tick(source);
    if (blocked) {
        source->progress = now; /* it is not Kafka that keeps us waiting */
        return 0;
    }
    if (now - source->looked < LOOK_MS)
        return 0;
    source->looked = now;
    return kafka_look(source, error);
}

static int confirm(void *context, const struct cdc_offset *offset, struct cdc_error *error)
{
    (void)error; /* the topic keeps what it keeps */
    kafka_mirror_note(context, offset);
    return 0;
}

static const struct cdc_offset *boundary(void *context)
{
    struct kafka_source *source = context;

    return source->boundary.pos != NULL ? &source->boundary : NULL;
}

static bool between(void *context)
{
    struct kafka_source *source = context;

    if (source->order != KAFKA_ORDER_PARTITION)
        return source->between &&
               !(source->order == KAFKA_ORDER_SOURCE && source->merge.open && source->merge.changes > 0);
    for (size_t i = 0; i < source->n_parts; i++)
        if (source->parts[i].open > 0)
            return false;
    return true;
}

static int acked(void *context, const struct cdc_offset **offset, struct cdc_error *error)
{
    struct kafka_source *source = context;

    return cdc_relay_stored(source->relay, offset, error);
}

const struct cdc_source_ops kafka_source_ops = {.connect = connect_source,
                                                .disconnect = disconnect,
                                                .descriptor = descriptor,
                                                .read = read_source,
                                                .tick = tick,
                                                .confirm = confirm,
                                                .boundary = boundary,
                                                .between = between,
                                                .caught_up = caught_up,
                                                .acked = acked};
