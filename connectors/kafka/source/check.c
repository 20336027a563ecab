/* SPDX-License-Identifier: MIT */
/* --check: would a reader of these topics miss something, or stop? */
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

#define CHECK_ATTEMPTS 3 /* what is away for a moment may come back; a wrong port is known by then */

static int check_topics(struct kafka_source *source, struct cdc_findings *findings, struct cdc_error *error)
{
    for (size_t i = 0; i < source->n_topics; i++) {
        const struct kafka_check_topic what = {.topic = source->topics[i], .retention = true};
        struct kafka_topic_facts facts;
        if (kafka_topic_check(&source->asker, &what, &facts, findings, error) != 0)
            return -1;
    }
    return 0;
}

int kafka_source_check(const struct kafka_source_settings *settings, struct cdc_findings *findings,
                       const struct cdc_log *log, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    struct kafka_source_settings own = *settings;

    own.confirm_acks = false;
    struct kafka_source *source = kafka_source_new(&own, &metrics, log, error);
    if (source == NULL)
        return -1;
    source->client.retry_max = CHECK_ATTEMPTS;
    int result = kafka_client_open(&source->asker, &source->client, RD_KAFKA_PRODUCER, NULL, error);
    if (result == 0)
        result = kafka_client_connect(&source->asker, error);
    if (result == 0)
        result = kafka_check_cluster(&source->asker, findings, error);
    if (result == 0)
        result = kafka_parts_look(source, error);
    if (result == 0)
        result = check_topics(source, findings, error);
    kafka_source_free(source);
    return result;
}
