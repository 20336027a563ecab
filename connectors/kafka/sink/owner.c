/* SPDX-License-Identifier: MIT */
/* A topic belongs to one table: kept in the topic of positions, and looked at in every run. */
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/sink/internal.h"

static int name_of(void *context, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct kafka_sink *sink = context;
    return kafka_topic_name(out, sink->settings->template, event, error);
}

static int copy_id(struct cdc_table_id *to, const struct cdc_table_id *from, struct cdc_error *error)
{
    *to = (struct cdc_table_id){strdup(from->name), strdup(from->db), strdup(from->schema), strdup(from->table)};
    if (to->name != NULL && to->db != NULL && to->schema != NULL && to->table != NULL)
        return 1;
    cdc_table_id_free(to);
    return cdc_error_memory(error);
}

/* Another sink may have claimed it since we read the topic of positions: for a topic that is new to us it is read again. */
static int owner_of(void *context, const char *target, struct cdc_table_id *owner, struct cdc_error *error)
{
    struct kafka_sink *sink = context;
    struct kafka_topic *topic = kafka_topic_known(sink, target);

    if (topic == NULL || topic->owner.name == NULL) {
        if (kafka_readback_owners(sink, error) != 0)
            return -1;
        topic = kafka_topic_known(sink, target);
    }
    return topic != NULL && topic->owner.name != NULL ? copy_id(owner, &topic->owner, error) : 0;
}

static int claim(void *context, const char *target, const struct cdc_table_id *owner, struct cdc_error *error)
{
    struct kafka_sink *sink = context;
    struct kafka_topic *topic = kafka_topic_of(sink, target, 0, error);

    if (topic == NULL || (topic->owner.name == NULL && copy_id(&topic->owner, owner, error) < 0))
        return -1;
    topic->claimed = true; /* it goes with the next commit */
    return 0;
}

const struct cdc_target_ops kafka_target_ops = {.what = "topic",
                                                .hint = "choose other names with --topic-template",
                                                .name = name_of,
                                                .owner = owner_of,
                                                .claim = claim};
