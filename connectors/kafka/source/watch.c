/* SPDX-License-Identifier: MIT */
/* Topics that have grown, and partitions that have stopped without a word: looked for now and then. */
#include "connectors/kafka/source/internal.h"

#define QUIET_MS 15000 /* nothing comes: what do the brokers have? */
#define STUCK_MS 60000 /* nothing comes, and there is more */
#define OPEN_MS 120000 /* an open transaction keeps --until=now waiting so long */

/* Its writer may hang, or have died with a long transaction.timeout.ms: said once it was open at two looks. */
static void tell_hidden(struct kafka_source *source, struct part *part, int64_t stable, int64_t high)
{
    bool hides = high > stable && part->seen >= stable;

    if (hides && part->hidden == stable && !part->told) {
        cdc_log_write(
            source->log, CDC_LOG_WARNING,
            "topic %s, partition %d: waiting for the end of a transaction that is open since offset %lld, and "
            "hides what comes after it, up to %lld (hint: end its writer, or wait for its transaction.timeout.ms)",
            part->topic, (int)part->partition, (long long)stable, (long long)high);
        part->told = true;
    }
    part->told &= hides && part->hidden == stable;
    part->hidden = hides ? stable : NOT_READ;
}

static int stuck(struct kafka_source *source, const struct part *part, int64_t stable, int64_t high,
                 struct cdc_error *error)
{
    int64_t quiet = cdc_clock_ms() - source->progress;

    if (part->end != NOT_READ && !part->done && quiet > OPEN_MS && stable < part->end && part->seen >= stable)
        return cdc_error_set(
            error, CDC_EXIT_TEMPORARY,
            "topic %s, partition %d: a transaction that is open since offset %lld hides what comes after it, up "
            "to %lld",
            part->topic, (int)part->partition, (long long)stable, (long long)high);
    if (quiet > STUCK_MS && part->seen < stable && part->read.next < stable)
        return cdc_error_set(
            error, CDC_EXIT_TEMPORARY,
            "topic %s, partition %d: nothing has come for %lld s, though it ends at %lld: connecting anew", part->topic,
            (int)part->partition, (long long)quiet / 1000, (long long)stable);
    return 0;
}

int kafka_look(struct kafka_source *source, struct cdc_error *error)
{
    const struct rd_kafka_metadata *metadata;

    for (size_t i = 0; i < source->n_topics; i++) {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(source->asker.handle, source->topics[i], NULL);
        rd_kafka_resp_err_t code = topic != NULL ? rd_kafka_metadata(source->asker.handle, 0, topic, &metadata, 1000)
                                                 : RD_KAFKA_RESP_ERR__FAIL;
        bool grown = code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt > 0 &&
                     metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                     metadata->topics[0].partition_cnt != source->topic_partitions[i];
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_metadata_destroy(metadata);
        if (topic != NULL)
            rd_kafka_topic_destroy(topic);
        if (grown)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "topic %s has other partitions: connecting anew",
                                 source->topics[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0; /* brokers that are away come again */
    }
    for (size_t i = 0; cdc_clock_ms() - source->progress > QUIET_MS && i < source->n_parts; i++) {
        struct part *part = &source->parts[i];
        int64_t low, stable, high;
        if (rd_kafka_query_watermark_offsets(source->consumer.handle, part->topic, part->partition, &low, &stable,
                                             1000) != RD_KAFKA_RESP_ERR_NO_ERROR ||
            rd_kafka_query_watermark_offsets(source->asker.handle, part->topic, part->partition, &low, &high, 1000) !=
                RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        tell_hidden(source, part, stable, high);
        if (stuck(source, part, stable, high, error) != 0)
            return -1;
    }
    return 0;
}
