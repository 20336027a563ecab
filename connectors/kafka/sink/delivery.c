/* SPDX-License-Identifier: MIT */
/* Delivery reports, in whatever thread serves the client: while one does, no other looks at what is written here. */
#include "connectors/kafka/sink/internal.h"

bool kafka_is_purge(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

void kafka_batch_delivered(void *context, const rd_kafka_message_t *message)
{
    struct kafka_sink *sink = context;
    size_t index = (size_t)message->_private;

    if (sink->outstanding > 0)
        sink->outstanding--;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (sink->settings->spool != NULL)
            sink->delivered_ms = cdc_clock_ms();
        if (index == sink->position_record)
            sink->position_offset = message->offset;
        if (index > 0 && index <= sink->n)
            kafka_ends_delivered(sink, sink->records[index - 1].topic, message->partition, message->offset);
    } else if (sink->failed == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_is_purge(sink->failed)) {
        sink->failed = message->err;
        sink->failed_record = index;
    }
}
