/* SPDX-License-Identifier: MIT */
/* How far a partition was read, how far it is before a boundary, and what comes of it in place of a record. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

void kafka_part_forget(struct part *part)
{
    if (part->kept != NULL)
        rd_kafka_message_destroy(part->kept);
    if (part->safe_message != NULL)
        rd_kafka_message_destroy(part->safe_message);
    part->kept = part->safe_message = NULL;
}

void kafka_settle_crc(struct part *part)
{
    if (part->safe_message == NULL)
        return;
    part->safe.anchor.crc = kafka_crc(part->safe_message);
    rd_kafka_message_destroy(part->safe_message);
    part->safe_message = NULL;
}

struct part *kafka_part_of(struct kafka_source *source, const rd_kafka_message_t *message)
{
    if (message->rkt == NULL)
        return NULL;
    if (source->n_parts == 1)
        return &source->parts[0];
    return kafka_part_find(source, rd_kafka_topic_name(message->rkt), message->partition);
}

int kafka_event_message(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                        struct cdc_error *error)
{
    const char *topic = part != NULL ? part->topic : source->settings->topics;

    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (part != NULL) {
            part->at_end = true;
            part->seen = message->offset;
            part->done |= part->end != NOT_READ && message->offset >= part->end;
        }
        return 0;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return kafka_lost(error, "topic %s, partition %d does not have the position any more: %s", topic,
                          (int)message->partition, rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: source->suspect = true; return 0;
    case RD_KAFKA_RESP_ERR__BAD_MSG: /* of check.crcs */
        return kafka_error_set(error, message->err, "topic %s, partition %d: a damaged record", topic,
                               (int)message->partition);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return kafka_error_set(error, message->err, "topic %s cannot be read", topic);
    default:
        cdc_log_write(source->log, CDC_LOG_DEBUG, "topic %s, partition %d: %s", topic, (int)message->partition,
                      rd_kafka_message_errstr(message));
        return 0;
    }
}

void kafka_keep(struct part *part, rd_kafka_message_t *message)
{
    if (part->kept != NULL)
        rd_kafka_message_destroy(part->kept);
    part->kept = message;
}

void kafka_safe(struct part *part)
{
    if (part->kept == NULL)
        return;
    part->safe = part->read;
    if (part->safe_message != NULL)
        rd_kafka_message_destroy(part->safe_message);
    part->safe_message = part->kept;
    part->kept = NULL;
}

/* The newest boundary, and what it is for the sinks. */
int kafka_boundary(struct kafka_source *source, struct cdc_error *error)
{
    char pos[32];

    for (size_t i = 0; i < source->n_parts; i++)
        kafka_settle_crc(&source->parts[i]);
    if (kafka_schemas_save(source, error) != 0)
        return -1;
    char *state = kafka_state_write(source);
    if (state == NULL)
        return cdc_error_memory(error);
    snprintf(pos, sizeof pos, "%020lld", (long long)kafka_state_sum(source));
    const struct cdc_offset offset = {
        .pos = pos, .seq = kafka_state_sum(source), .lines = source->metrics->changes, .state = state};
    source->new_boundary = false;
    int result = cdc_offset_copy(&source->boundary, &offset, error);
    if (result == 0 && source->relay != NULL) {
        for (size_t i = 0; result == 0 && i < source->passed.n; i++)
            result = cdc_relay_passed(source->relay, source->passed.items[i].name, source->passed.items[i].pos, error);
        if (result == 0)
            result = cdc_relay_place(source->relay, &offset, error);
    }
    free(state);
    return result;
}
