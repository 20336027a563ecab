/* SPDX-License-Identifier: MIT */
/* How far topics were written. A topic that is removed and made again has its name and none of its rows, and nothing else tells: topics
 * have no identity for older clients. So the offset after the newest record of ours is kept by partition, in the transaction of the rows.
 *
 *   at the start, now and then, at the end   a partition that ends before that: 79
 *   a record is acknowledged                 at an offset before that, where another one was: its transaction is given up, 79
 *
 * What retention, compaction and new partitions do never makes an end smaller. Records that were given up count as well, so a topic
 * that was found out may be longer afterwards: that is kept beside the ends (lost). */
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/sink/internal.h"

void kafka_ends_free(struct kafka_ends *ends)
{
    free(ends->stored);
    free(ends->coming);
    *ends = (struct kafka_ends){.n = 0};
}

static bool grow(int64_t **list, int32_t from, int32_t n)
{
    int64_t *more = realloc(*list, (size_t)n * sizeof *more);

    if (more == NULL)
        return false;
    memset(more + from, 0, (size_t)(n - from) * sizeof *more);
    *list = more;
    return true;
}

int kafka_ends_grow(struct kafka_ends *ends, int32_t n, struct cdc_error *error)
{
    if (n <= ends->n)
        return 0;
    if (!grow(&ends->stored, ends->n, n) || !grow(&ends->coming, ends->n, n))
        return cdc_error_memory(error);
    ends->n = n;
    return 0;
}

void kafka_ends_delivered(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partition, int64_t offset)
{
    struct kafka_ends *ends = &topic->ends;

    if (offset < 0 || partition < 0 || partition >= ends->n)
        return;
    if (offset < ends->stored[partition] && sink->cut == NULL)
        sink->cut = topic;
    if (offset >= ends->coming[partition]) {
        ends->coming[partition] = offset + 1;
        ends->moved = true;
    }
}

int kafka_ends_take(struct kafka_topic *topic, struct cdc_span value, struct cdc_error *error)
{
    struct kafka_ends ends = {.n = 0};

    if (topic->ends.anew)
        return 0;
    if (value.p != NULL && kafka_ends_read(value, &ends.stored, &ends.n, &ends.lost, error) != 0)
        return -1;
    if (ends.n > 0) {
        ends.coming = malloc((size_t)ends.n * sizeof *ends.coming);
        if (ends.coming == NULL) {
            kafka_ends_free(&ends);
            return cdc_error_memory(error);
        }
        memcpy(ends.coming, ends.stored, (size_t)ends.n * sizeof *ends.coming);
    }
    int32_t partitions = topic->ends.n; /* room for what may be produced */
    kafka_ends_free(&topic->ends);
    topic->ends = ends;
    return kafka_ends_grow(&topic->ends, partitions, error);
}

void kafka_ends_go_back(struct kafka_sink *sink)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        if (topic->ends.n > 0)
            memcpy(topic->ends.coming, topic->ends.stored, (size_t)topic->ends.n * sizeof *topic->ends.coming);
}

void kafka_ends_stored(struct kafka_sink *sink)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next) {
        if (topic->ends.n > 0)
            memcpy(topic->ends.stored, topic->ends.coming, (size_t)topic->ends.n * sizeof *topic->ends.stored);
        topic->ends.moved = topic->ends.anew = false;
    }
}

bool kafka_ends_any(const struct kafka_topic *topic)
{
    for (int32_t i = 0; i < topic->ends.n; i++)
        if (topic->ends.stored[i] > 0)
            return true;
    return topic->ends.lost;
}

/* -- what is lost ---------------------------------------------------------------------- */

static int hint(const struct kafka_sink *sink, const struct kafka_topic *topic, struct cdc_error *error)
{
    if (sink->log_topic != NULL)
        return cdc_error_hint(error, "take a new snapshot, after the offset file was removed");
    if (topic == sink->offsets_topic)
        return cdc_error_hint(error, "take a new snapshot, with another --transactional-id");
    if (topic->owner.name == NULL)
        return cdc_error_hint(error,
                              "where no reader needs what was in it, go on with --accept-lost=%s; else take a new "
                              "snapshot, with another --transactional-id, into topics that are new as well",
                              topic->name);
    return cdc_error_hint(
        error, "go on with --accept-lost=%s, and load table %s%s%s again, as with cdc-snapshot --again -t", topic->name,
        topic->owner.schema, topic->owner.schema[0] != '\0' ? "." : "", topic->owner.table);
}

int kafka_ends_gone(const struct kafka_sink *sink, const struct kafka_topic *topic, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "topic %s has gone, and with it the rows that were stored in it", topic->name);
    return hint(sink, topic, error);
}

int kafka_ends_shorter(const struct kafka_sink *sink, const struct kafka_topic *topic, int32_t partition, int64_t high,
                       struct cdc_error *error)
{
    if (high >= 0)
        cdc_error_set(error, CDC_EXIT_LOST,
                      "topic %s, partition %d ends at offset %lld, and rows were stored in it up to %lld: it was made "
                      "again, or brokers have lost them",
                      topic->name, (int)partition, (long long)high, (long long)topic->ends.stored[partition]);
    else
        cdc_error_set(error, CDC_EXIT_LOST,
                      "topic %s does not have the rows any more that were stored in it: it was made again, or brokers "
                      "have lost them",
                      topic->name);
    return hint(sink, topic, error);
}
