/* SPDX-License-Identifier: MIT */
/* Looks whether topics still go as far as they were written (ends.c), and keeps it where one does not. */
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/sink/internal.h"

#define TICK_MS 1000
#define AGAIN_MS 500 /* what looks lost is looked at once more */
#define MARK_MS 10000

/* In a transaction of its own. What fails is not told: the loss is. */
static void mark(struct kafka_sink *sink, struct kafka_topic *topic)
{
    struct cdc_buf key = CDC_BUF_INIT, value = CDC_BUF_INIT;
    struct cdc_error why = {0};
    rd_kafka_error_t *error = NULL;

    kafka_ends_key(&key, topic->name, sink->settings->id);
    kafka_ends_append(&value, sink->settings->id, topic->ends.stored, topic->ends.n, true);
    if (!key.failed && !value.failed && kafka_producer_ensure(sink, &why) >= 0) {
        rd_kafka_topic_t *handle = kafka_topic_handle(sink, sink->offsets_topic, &why);
        if (sink->settings->transactional)
            error = rd_kafka_begin_transaction(sink->producer.handle);
        if (error == NULL && handle != NULL &&
            rd_kafka_produce(handle, 0, RD_KAFKA_MSG_F_COPY, value.data, value.len, key.data, key.len, NULL) == 0) {
            if (sink->settings->transactional)
                error = rd_kafka_commit_transaction(sink->producer.handle, MARK_MS);
            else
                rd_kafka_flush(sink->producer.handle, MARK_MS);
        }
        if (error != NULL)
            rd_kafka_error_destroy(error);
    }
    cdc_buf_free(&key);
    cdc_buf_free(&value);
}

int kafka_lost_mark(struct kafka_sink *sink, struct kafka_topic *topic, struct cdc_error *error)
{
    if (sink->offsets_topic != NULL && topic != sink->offsets_topic)
        mark(sink, topic);
    return kafka_ends_shorter(sink, topic, 0, -1, error);
}

/* -- looking -------------------------------------------------------------------------------- */

enum state { THERE, GONE, SHORTER, UNKNOWN };
struct found {
    enum state state;
    int32_t partition;
    int64_t high;
};

static struct found compare(const struct kafka_topic *topic, const int64_t *highs)
{
    for (int32_t i = 0; i < topic->ends.n; i++)
        if (highs[i] < topic->ends.stored[i])
            return (struct found){SHORTER, i, highs[i] < 0 ? 0 : highs[i]};
    return (struct found){THERE, 0, 0};
}

/* The client of the producer, as it sees what is not committed yet. */
static struct found look_once(struct kafka_sink *sink, const struct kafka_topic *topic, struct cdc_error *error)
{
    struct kafka_topic_facts facts;
    struct found found = {UNKNOWN, 0, 0};
    int64_t *highs;

    if (kafka_topic_look_once(&sink->reader, topic->name, &facts, error) != 0)
        return found;
    if (facts.partitions == 0)
        return (struct found){GONE, 0, 0};
    highs = malloc(((size_t)topic->ends.n + 1) * sizeof *highs);
    if (highs == NULL) {
        cdc_error_memory(error);
        return found;
    }
    bool any = false;
    for (int32_t i = 0; i < topic->ends.n; i++) {
        highs[i] = i < facts.partitions && topic->ends.stored[i] > 0 ? 0 : -1;
        any |= highs[i] == 0;
    }
    if (!any || kafka_topic_highs(&sink->producer, topic->name, highs, topic->ends.n, error) == 0) {
        for (int32_t i = 0; i < topic->ends.n; i++)
            highs[i] = topic->ends.stored[i] > 0 ? highs[i] : 0;
        found = compare(topic, highs);
    }
    free(highs);
    return found;
}

static struct found look(struct kafka_sink *sink, const struct kafka_topic *topic, struct cdc_error *error)
{
    struct found found = look_once(sink, topic, error);

    if (found.state != SHORTER)
        return found;
    if (!cdc_retry_wait(AGAIN_MS, sink->settings->client.control, "a topic to be looked at"))
        return look_once(sink, topic, error);
    /* One look alone, as while a partition gets another leader, is no loss. */
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped before topic %s was looked at once more", topic->name);
    return (struct found){UNKNOWN, 0, 0};
}

/* Until brokers answer. */
static int look_patiently(struct kafka_sink *sink, const struct kafka_topic *topic, struct found *found,
                          struct cdc_error *error)
{
    struct cdc_retry retry;

    cdc_retry_init(&retry, sink->settings->client.retry_max);
    while ((*found = look(sink, topic, error)).state == UNKNOWN)
        if (!cdc_error_is_transient(error) ||
            cdc_retry_sleep(&retry, sink->settings->client.control, -1, sink->settings->client.log, error) != 0)
            return -1;
    return 0;
}

static bool is_accepted(const struct kafka_sink *sink, const struct kafka_topic *topic)
{
    for (size_t i = 0; i < sink->settings->accept_lost.count; i++)
        if (strcmp(sink->settings->accept_lost.items[i], topic->name) == 0)
            return true;
    return false;
}

static bool is_ours(const struct kafka_topic *topic)
{
    return kafka_ends_any(topic) && !(topic->claim_stored && topic->of_another);
}

/* Its rows begin anew. */
static void accept_loss(struct kafka_sink *sink, struct kafka_topic *topic, const struct found *found)
{
    bool is_lost = topic->ends.lost || found->state != THERE;

    cdc_log_write(sink->settings->client.log, is_lost ? CDC_LOG_WARNING : CDC_LOG_INFO,
                  is_lost ? "topic %s: that rows in it are lost is accepted"
                          : "topic %s has all its rows: --accept-lost is of no use",
                  topic->name);
    if (!is_lost)
        return;
    kafka_ends_free(&topic->ends);
    topic->ends.moved = topic->ends.anew = true;
    topic->claim_stored = false; /* kept anew */
    topic->partitions = 0;
}

int kafka_lost_check(struct kafka_sink *sink, struct cdc_error *error)
{
    struct found found;

    for (struct kafka_topic *topic = sink->topics; sink->log_topic == NULL && topic != NULL; topic = topic->next) {
        bool accepted = is_accepted(sink, topic);
        if (!is_ours(topic) && !(accepted && topic->claim_stored && !topic->of_another))
            continue;
        if (look_patiently(sink, topic, &found, error) != 0)
            return -1;
        if (accepted)
            accept_loss(sink, topic, &found);
        else if (topic->ends.lost)
            return kafka_ends_shorter(sink, topic, 0, -1, error);
        else if (found.state == SHORTER)
            return kafka_ends_shorter(sink, topic, found.partition, found.high, error);
    }
    return 0;
}

static int look_at(struct kafka_sink *sink, struct kafka_topic *topic, bool gone, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct found found = look(sink, topic, &why);

    if (found.state == SHORTER)
        return kafka_ends_shorter(sink, topic, found.partition, found.high, error);
    return found.state == GONE && gone ? kafka_ends_gone(sink, topic, error) : 0;
}

int kafka_lost_look(struct kafka_sink *sink, bool gone, struct cdc_error *error)
{
    for (struct kafka_topic *topic = sink->topics; sink->producer_open && topic != NULL; topic = topic->next)
        if (is_ours(topic) && look_at(sink, topic, gone, error) != 0)
            return -1;
    return 0;
}

int kafka_lost_tick(struct kafka_sink *sink, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();

    if (now < sink->next_look || !sink->producer_open)
        return 0;
    sink->next_look = now + TICK_MS;
    for (struct kafka_topic *topic = sink->looked_at != NULL ? sink->looked_at->next : sink->topics; topic != NULL;
         topic = topic->next) {
        sink->looked_at = topic;
        if (is_ours(topic))
            return look_at(sink, topic, false, error);
    }
    sink->looked_at = NULL;
    return 0;
}
