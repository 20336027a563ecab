/* SPDX-License-Identifier: MIT */
/* Topics of the sink: made where they are missing, looked at before their first record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/sink/internal.h"

struct kafka_topic *kafka_topic_known(const struct kafka_sink *sink, const char *name)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        if (strcmp(topic->name, name) == 0)
            return topic;
    return NULL;
}

struct kafka_topic *kafka_topic_of(struct kafka_sink *sink, const char *name, int32_t partitions,
                                   struct cdc_error *error)
{
    struct kafka_topic *topic = kafka_topic_known(sink, name);

    if (topic != NULL)
        return topic;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL || (topic->name = strdup(name)) == NULL) {
        free(topic);
        cdc_error_memory(error);
        return NULL;
    }
    topic->partitions = partitions;
    topic->next = sink->topics;
    sink->topics = topic;
    return topic;
}

void kafka_topics_forget_handles(struct kafka_sink *sink)
{
    for (struct kafka_topic *topic = sink->topics; topic != NULL; topic = topic->next) {
        if (topic->handle != NULL && !sink->producer.busy)
            rd_kafka_topic_destroy(topic->handle);
        topic->handle = NULL;
    }
}

void kafka_topics_free(struct kafka_sink *sink)
{
    while (sink->topics != NULL) {
        struct kafka_topic *topic = sink->topics;
        sink->topics = topic->next;
        cdc_table_id_free(&topic->owner);
        kafka_ends_free(&topic->ends);
        free(topic->name);
        free(topic);
    }
}

/* -- before its first record --------------------------------------------------------- */

static int read_settings(struct kafka_sink *sink, struct kafka_topic *topic, struct cdc_error *error)
{
    static const char *const names[] = {"max.message.bytes", "cleanup.policy", "retention.ms"};
    char *values[3];
    struct cdc_error why = {0};

    if (kafka_configs_read(&sink->reader, RD_KAFKA_RESOURCE_TOPIC, topic->name, names, values, 3, &why) != 0) {
        /* Without the right to read them: what they are by default. */
        if (why.status != CDC_EXIT_PERMISSION && why.status != CDC_EXIT_PROTOCOL) {
            *error = why;
            return -1;
        }
        cdc_log_write(sink->settings->client.log, CDC_LOG_WARNING, "%s; taken for the defaults", why.text);
    }
    topic->max_bytes = values[0] != NULL ? strtoll(values[0], NULL, 10) : 1000000;
    topic->compacted = values[1] != NULL && strstr(values[1], "compact") != NULL;
    bool by_time = values[1] != NULL && strstr(values[1], "delete") != NULL && values[2] != NULL &&
                   strtoll(values[2], NULL, 10) >= 0;
    for (size_t i = 0; i < 3; i++)
        free(values[i]);
    if (!sink->settings->commit_time || !by_time)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "topic %s removes records by their age, and with --timestamp=commit old rows are old at once",
                  topic->name);
    return cdc_error_hint(error, "set retention.ms=-1 for the topic, or leave --timestamp");
}

static int make(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partitions, const char *policy,
                struct kafka_topic_facts *facts, struct cdc_error *error)
{
    const struct kafka_sink_settings *settings = sink->settings;
    struct cdc_option_list config = {NULL, 0};
    int result = policy != NULL ? cdc_option_list_add(&config, policy, error) : 0;
    bool ours = topic == sink->offsets_topic; /* the user's settings are for rows */

    if (!settings->create) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "there is no topic %s", topic->name);
        return cdc_error_hint(error, "make it, or leave out --create-topics=no");
    }
    for (size_t i = 0; result == 0 && !ours && i < settings->topic_config.count; i++)
        result = cdc_option_list_add(&config, settings->topic_config.items[i], error);
    if (result == 0)
        result = kafka_topic_create(&sink->reader, topic->name, partitions, settings->create_replication, &config,
                                    facts, error);
    free(config.items);
    if (result == 0)
        cdc_log_write(settings->client.log, CDC_LOG_INFO, "topic %s was made", topic->name);
    return result;
}

static int check_partitions(const struct kafka_sink *sink, struct kafka_topic *topic, int32_t there,
                            struct cdc_error *error)
{
    if (topic->partitions == 0 || topic->partitions == there)
        return 0;
    if (sink->settings->accept_repartition) {
        topic->claim_stored = false; /* kept anew */
        return 0;
    }
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "topic %s has %d partitions and had %d: rows would go to other partitions than older ones of their key",
        topic->name, (int)there, (int)topic->partitions);
    return cdc_error_hint(error, "when all readers have read to its end, go on with --accept-repartition");
}

int kafka_topic_prepare(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partitions, const char *policy,
                        struct cdc_error *error)
{
    struct kafka_topic_facts facts;

    if (topic->max_bytes > 0)
        return 0;
    if (kafka_topic_look(&sink->reader, topic->name, &facts, error) != 0)
        return -1;
    if (facts.partitions == 0) {
        if (topic->claim_stored && topic->of_another) { /* its rows went with it; ours begin anew */
            topic->claim_stored = topic->of_another = false;
            topic->partitions = 0;
        }
        if (topic->claim_stored || kafka_ends_any(topic))
            return kafka_ends_gone(sink, topic, error);
        if (make(sink, topic, partitions, policy, &facts, error) != 0)
            return -1;
    }
    if (topic->claim_stored && topic->of_another) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "topic %s belongs to a sink with another transactional id", topic->name);
        return cdc_error_hint(
            error, "give this sink that --transactional-id if it is the same one, another "
                   "--topic-template or --name if not; where it takes the place of that one, remove the topic");
    }
    if (check_partitions(sink, topic, facts.partitions, error) != 0 || read_settings(sink, topic, error) != 0)
        return -1;
    topic->partitions = facts.partitions;
    /* One record of a request that is too large for the topic takes all others with it. */
    int64_t size = strtoll(sink->batch_size, NULL, 10);
    if (topic->max_bytes < size) {
        snprintf(sink->batch_size, sizeof sink->batch_size, "%lld",
                 (long long)(topic->max_bytes > 2 ? topic->max_bytes / 2 : 1));
        sink->renew = true;
    }
    return 0;
}

/* The producer is told of it now: else its first record waits for a second. */
rd_kafka_topic_t *kafka_topic_handle(struct kafka_sink *sink, struct kafka_topic *topic, struct cdc_error *error)
{
    const struct rd_kafka_metadata *metadata;

    if (topic->handle != NULL)
        return topic->handle;
    if (kafka_ends_grow(&topic->ends, topic->partitions, error) != 0)
        return NULL;
    topic->handle = rd_kafka_topic_new(sink->producer.handle, topic->name, NULL);
    if (topic->handle == NULL) {
        kafka_error_set(error, rd_kafka_last_error(), "topic %s", topic->name);
        return NULL;
    }
    if (rd_kafka_metadata(sink->producer.handle, 0, topic->handle, &metadata, 1000) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    return topic->handle;
}
