/* SPDX-License-Identifier: MIT */
/* Topics: are they there, how far they go, how they are set, and making them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/session/session.h"

#define ANSWER_MS 5000
#define LOOK_MS 100
#define ADMIN_MS 30000
#define APPEAR_MS                                                                                                      \
    30000 /* within which a topic that was made is known to the broker that we ask; busy brokers took more than 10 s */

static int try_again(struct kafka_client *client, struct cdc_retry *retry, struct cdc_error *error)
{
    int slept = cdc_retry_sleep(retry, client->settings->control, -1, client->settings->log, error);

    return slept == 0 ? 0 : -1;
}

/* -- metadata ------------------------------------------------------------------------ */

static int read_facts(const struct rd_kafka_metadata_topic *topic, struct kafka_topic_facts *facts,
                      struct cdc_error *error)
{
    if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || topic->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return 0;
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, topic->err, "topic %s", topic->topic);
    facts->partitions = topic->partition_cnt;
    for (int i = 0; i < topic->partition_cnt; i++) {
        int replicas = topic->partitions[i].replica_cnt;
        if (i == 0 || replicas < facts->replication)
            facts->replication = replicas;
    }
    return 0;
}

static int look_once(struct kafka_client *client, rd_kafka_topic_t *handle, const char *topic,
                     struct kafka_topic_facts *facts, struct cdc_error *error)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client->handle, 0, handle, &metadata, ANSWER_MS);

    *facts = (struct kafka_topic_facts){0, 0};
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, code, "cannot ask for topic %s", topic);
    int result = metadata->topic_cnt > 0 ? read_facts(&metadata->topics[0], facts, error) : 0;
    rd_kafka_metadata_destroy(metadata);
    return result;
}

int kafka_topic_look(struct kafka_client *client, const char *topic, struct kafka_topic_facts *facts,
                     struct cdc_error *error)
{
    struct cdc_retry retry;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client->handle, topic, NULL);
    int result;

    if (handle == NULL)
        return kafka_error_set(error, rd_kafka_last_error(), "topic %s", topic);
    cdc_retry_init(&retry, client->settings->retry_max);
    while ((result = look_once(client, handle, topic, facts, error)) != 0)
        if (try_again(client, &retry, error) != 0)
            break;
    rd_kafka_topic_destroy(handle);
    return result;
}

int kafka_topic_look_once(struct kafka_client *client, const char *topic, struct kafka_topic_facts *facts,
                          struct cdc_error *error)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client->handle, topic, NULL);

    if (handle == NULL)
        return kafka_error_set(error, rd_kafka_last_error(), "topic %s", topic);
    int result = look_once(client, handle, topic, facts, error);
    rd_kafka_topic_destroy(handle);
    return result;
}

int kafka_topic_highs(struct kafka_client *client, const char *topic, int64_t *highs, int32_t n,
                      struct cdc_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);

    for (int32_t i = 0; i < n; i++)
        if (highs[i] >= 0)
            rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client->handle, list, ANSWER_MS);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
        if (list->elems[i].offset < 0 && code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = RD_KAFKA_RESP_ERR__NO_OFFSET;
        highs[list->elems[i].partition] = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : kafka_error_set(error, code, "cannot ask for the ends of topic %s", topic);
}

int kafka_topic_ends(struct kafka_client *client, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                     struct cdc_error *error)
{
    struct cdc_retry retry;

    cdc_retry_init(&retry, client->settings->retry_max);
    for (;;) {
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(client->handle, topic, partition, low, high, ANSWER_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        kafka_error_set(error, code, "cannot ask for the ends of topic %s, partition %d", topic, (int)partition);
        if (try_again(client, &retry, error) != 0)
            return -1;
    }
}

/* -- requests of administrators ---------------------------------------------------------- */

/* The answer, NEW; NULL: none came. */
static rd_kafka_event_t *wait_for_answer(struct kafka_client *client, rd_kafka_queue_t *queue, const char *what,
                                         struct cdc_error *error)
{
    int64_t until = cdc_clock_ms() + ADMIN_MS + 1000;

    while (cdc_clock_ms() < until) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, LOOK_MS);
        if (event != NULL)
            return event;
        cdc_control_waiting(client->settings->control, what);
        if (client->settings->control->stop) {
            cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while waiting for %s", what);
            return NULL;
        }
    }
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "no answer: %s", what);
    return NULL;
}

static int set_topic_config(rd_kafka_NewTopic_t *topic, const struct cdc_option_list *config, struct cdc_error *error)
{
    for (size_t i = 0; config != NULL && i < config->count; i++) {
        const char *equals = strchr(config->items[i], '=');
        char *name = equals != NULL ? strndup(config->items[i], (size_t)(equals - config->items[i])) : NULL;
        if (name == NULL)
            return equals == NULL
                       ? cdc_error_set(error, CDC_EXIT_USAGE, "topic setting \"%s\" is no NAME=VALUE", config->items[i])
                       : cdc_error_memory(error);
        rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(topic, name, equals + 1);
        free(name);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_error_set(error, code, "topic setting \"%s\"", config->items[i]);
    }
    return 0;
}

static int read_created(rd_kafka_event_t *event, const char *topic, struct cdc_error *error)
{
    size_t n;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, code, "cannot make topic %s", topic);
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &n);
    code = n > 0 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return 0;
    const char *text = n > 0 ? rd_kafka_topic_result_error_string(topics[0]) : NULL;
    return cdc_error_set(error, kafka_error_status(code), "cannot make topic %s: %s (%s)", topic,
                         text != NULL ? text : rd_kafka_err2str(code), rd_kafka_err2name(code));
}

static int create(struct kafka_client *client, const char *topic, rd_kafka_NewTopic_t *new_topic,
                  struct cdc_error *error)
{
    char why[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client->handle);
    int result = -1;

    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, why, sizeof why);
    rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_MS, why, sizeof why);
    rd_kafka_CreateTopics(client->handle, &new_topic, 1, options, queue);
    rd_kafka_event_t *event = wait_for_answer(client, queue, "a topic to be made", error);
    if (event != NULL) {
        result = read_created(event, topic, error);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return result;
}

/* The broker that makes it is not the one that we ask, and the next question may go to yet another one: what the first one says that
 * knows it, counts. */
static int wait_until_there(struct kafka_client *client, const char *topic, struct kafka_topic_facts *facts,
                            struct cdc_error *error)
{
    int64_t until = cdc_clock_ms() + APPEAR_MS;

    for (;;) {
        if (kafka_topic_look(client, topic, facts, error) != 0)
            return -1;
        if (facts->partitions > 0)
            return 0;
        if (cdc_clock_ms() > until)
            return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "topic %s was made, but is not there", topic);
        if (cdc_retry_wait(20, client->settings->control, "a topic to appear"))
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while waiting for a topic to appear");
    }
}

int kafka_topic_create(struct kafka_client *client, const char *topic, int32_t partitions, int32_t replication,
                       const struct cdc_option_list *config, struct kafka_topic_facts *facts, struct cdc_error *error)
{
    char why[256];
    struct cdc_retry retry;
    rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic, partitions, replication, why, sizeof why);
    int result;

    if (new_topic == NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "cannot make topic %s: %s", topic, why);
    if (set_topic_config(new_topic, config, error) != 0) {
        rd_kafka_NewTopic_destroy(new_topic);
        return -1;
    }
    cdc_retry_init(&retry, client->settings->retry_max);
    while ((result = create(client, topic, new_topic, error)) != 0)
        if (try_again(client, &retry, error) != 0)
            break;
    rd_kafka_NewTopic_destroy(new_topic);
    return result == 0 ? wait_until_there(client, topic, facts, error) : -1;
}

/* -- settings ------------------------------------------------------------------------------ */

/* 0; 1: the broker that was asked does not know the topic, and *error has that; -1. */
static int read_values(rd_kafka_event_t *event, const char *resource, const char *const *names, char **values, size_t n,
                       struct cdc_error *error)
{
    size_t n_resources, n_entries = 0;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, code, "cannot read the settings of %s", resource);
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(result, &n_resources);
    code = n_resources > 0 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR__FAIL;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_set(error, code, "cannot read the settings of %s", resource);
        return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? 1 : -1;
    }
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &n_entries);
    for (size_t i = 0; i < n_entries; i++)
        for (size_t k = 0; k < n; k++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);
            if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), names[k]) != 0 || value == NULL || values[k] != NULL)
                continue;
            if ((values[k] = strdup(value)) == NULL)
                return cdc_error_memory(error);
        }
    return 0;
}

static int configs_once(struct kafka_client *client, rd_kafka_ConfigResource_t *config, const char *resource,
                        const char *const *names, char **values, size_t n, struct cdc_error *error)
{
    char why[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client->handle);
    int result = -1;

    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, why, sizeof why);
    rd_kafka_DescribeConfigs(client->handle, &config, 1, options, queue);
    rd_kafka_event_t *event = wait_for_answer(client, queue, "settings of a topic", error);
    if (event != NULL) {
        result = read_values(event, resource, names, values, n, error);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return result;
}

/* Topics that are asked about are there: one that was just made is not known to each broker yet. *until: 0 at first. */
static int wait_for_topic(struct kafka_client *client, int64_t *until, struct cdc_error *error)
{
    if (*until == 0)
        *until = cdc_clock_ms() + APPEAR_MS;
    if (cdc_clock_ms() > *until)
        return -1;
    cdc_error_clear(error);
    if (cdc_retry_wait(20, client->settings->control, "a topic to appear"))
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while waiting for a topic to appear");
    return 0;
}

int kafka_configs_read(struct kafka_client *client, rd_kafka_ResourceType_t type, const char *resource,
                       const char *const *names, char **values, size_t n, struct cdc_error *error)
{
    struct cdc_retry retry;
    rd_kafka_ConfigResource_t *config = rd_kafka_ConfigResource_new(type, resource);
    int64_t until = 0;
    int result;

    for (size_t i = 0; i < n; i++)
        values[i] = NULL;
    cdc_retry_init(&retry, client->settings->retry_max);
    while ((result = configs_once(client, config, resource, names, values, n, error)) != 0)
        if ((result > 0 ? wait_for_topic(client, &until, error) : try_again(client, &retry, error)) != 0)
            break;
    rd_kafka_ConfigResource_destroy(config);
    return result == 0 ? 0 : -1;
}
