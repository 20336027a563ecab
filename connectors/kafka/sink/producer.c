/* SPDX-License-Identifier: MIT */
/* The producer: made, registered under the transactional id, and made anew where it cannot be trusted any more. Whoever registers ends
 * what an older one with that id left open, and shuts that one out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/sink/internal.h"

void kafka_producer_close(struct kafka_sink *sink)
{
    if (!sink->producer_open)
        return;
    kafka_topics_forget_handles(sink);
    if (!sink->producer.busy)
        rd_kafka_purge(sink->producer.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka_client_close(&sink->producer);
    sink->producer_open = sink->begun = false;
    sink->produced = 0;
    sink->outstanding = 0;
    sink->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    kafka_ends_go_back(sink);
}

/* By the first version of Produce librdkafka tells whether a broker takes what is compressed, but for zstd: proxies and some services
 * hide it, and nothing else says so. */
static bool is_compressed_blindly(const char *codec)
{
    return strcmp(codec, "none") != 0 && strcmp(codec, "zstd") != 0;
}

static void on_log(void *context, const char *facility, const char *text)
{
    struct kafka_sink *sink = context;
    const char *versions = strcmp(facility, "APIVERSION") == 0 ? strstr(text, "ApiKey Produce (0) Versions ") : NULL;
    int from = 0;

    if (sink->told_compression || versions == NULL || sscanf(versions, "ApiKey Produce (0) Versions %d", &from) != 1 ||
        from == 0)
        return;
    sink->told_compression = true;
    cdc_log_write(sink->settings->client.log, CDC_LOG_WARNING,
                  "a broker, or a proxy before it, hides the first versions of Produce: librdkafka %s may send rows "
                  "without compressing them (hint: --compression=zstd is not affected)",
                  rd_kafka_version_str());
}

static int open_client(struct kafka_sink *sink, struct cdc_error *error)
{
    const struct kafka_sink_settings *settings = sink->settings;
    char timeout[24];
    struct kafka_property own[16] = {
        {"enable.idempotence", "true"},
        {"partitioner", "murmur2_random"},
        {"compression.type", settings->compression},
        {"linger.ms", "5"},
        {"batch.size", sink->batch_size},
        {"message.max.bytes", "1000000000"},
        /* Bounded by the batch, which is what is handed over; one in the spool may be any size. */
        {"queue.buffering.max.messages", settings->spool != NULL ? "50000" : "10000000"},
        {"queue.buffering.max.kbytes", "2147483647"},
        /* It is asked for the ends of topics, which a transaction of another writer must not hide. */
        {"isolation.level", "read_uncommitted"}};
    size_t n = 9;

    if (is_compressed_blindly(settings->compression))
        own[n++] = (struct kafka_property){"debug", "feature"}; /* a few lines for each connection */
    snprintf(timeout, sizeof timeout, "%lld", (long long)settings->txn_timeout_ms);
    if (settings->transactional) {
        own[n++] = (struct kafka_property){"transactional.id", settings->id};
        own[n++] = (struct kafka_property){"transaction.timeout.ms", timeout};
    } else {
        own[n++] = (struct kafka_property){"message.timeout.ms", "0"};
    }
    own[n] = (struct kafka_property){NULL, NULL};
    sink->producer.context = sink;
    sink->producer.on_delivery = kafka_batch_delivered;
    sink->producer.on_log = on_log;
    if (kafka_client_open(&sink->producer, &settings->client, RD_KAFKA_PRODUCER, own, error) != 0)
        return -1;
    sink->producer_open = true;
    return 0;
}

/* -- registering ------------------------------------------------------------------------ */

struct registering {
    rd_kafka_t *handle;
    rd_kafka_error_t *error;
};

static void call_init(void *context)
{
    struct registering *registering = context;
    registering->error = rd_kafka_init_transactions(registering->handle, -1);
}

/* 0; 1: to be tried again; -1 */
static int register_once(struct kafka_sink *sink, struct cdc_error *error)
{
    struct registering *registering = calloc(1, sizeof *registering);

    if (registering == NULL)
        return cdc_error_memory(error);
    registering->handle = sink->producer.handle;
    if (kafka_client_call(&sink->producer, "the registration of the transactional id", call_init, registering, error) !=
        0)
        return -1; /* the thread may still write to it */
    rd_kafka_error_t *why = registering->error;
    free(registering);
    if (why == NULL)
        return 0;
    int result = rd_kafka_error_is_retriable(why) ? 1 : -1;
    cdc_error_set(error, result == 1 ? CDC_EXIT_UNAVAILABLE : kafka_error_status(rd_kafka_error_code(why)),
                  "cannot register transactional id %s: %s (%s)", sink->settings->id, rd_kafka_error_string(why),
                  rd_kafka_error_name(why));
    rd_kafka_error_destroy(why);
    return result;
}

static int register_id(struct kafka_sink *sink, struct cdc_error *error)
{
    struct cdc_retry retry;
    int result;

    cdc_retry_init(&retry, sink->settings->client.retry_max);
    while ((result = register_once(sink, error)) == 1)
        if (cdc_retry_sleep(&retry, sink->settings->client.control, -1, sink->settings->client.log, error) != 0)
            return -1;
    return result;
}

int kafka_producer_ensure(struct kafka_sink *sink, struct cdc_error *error)
{
    if (sink->renew && !sink->begun)
        kafka_producer_close(sink);
    if (sink->producer_open)
        return 0;
    sink->renew = false;
    if (open_client(sink, error) != 0 ||
        (sink->settings->transactional ? register_id(sink, error) : kafka_client_connect(&sink->producer, error)) !=
            0) {
        struct cdc_error first = *error;
        kafka_producer_close(sink);
        *error = first;
        return -1;
    }
    return 1;
}
