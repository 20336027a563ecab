/* SPDX-License-Identifier: MIT */
/* What a client of Kafka may do to cdc-sink-kafka, on a real broker: preloaded, it stands for librdkafka's commit. KAFKA_FAULT is
 *
 *   lost COUNT    the first COUNT commits are said to be done, and were given up
 *   fatal COUNT   the producer dies before the first COUNT commits, as after a sequence number that is out of order
 *   late COUNT    the broker that is asked for a topic's settings does not know the topic yet, COUNT times */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000

typedef rd_kafka_error_t *(*commit_call)(rd_kafka_t *rk, int timeout_ms);
typedef rd_kafka_resp_err_t (*config_call)(const rd_kafka_ConfigResource_t *config);

static commit_call original(void)
{
    commit_call call = NULL;
    void *symbol = dlsym(RTLD_NEXT, "rd_kafka_commit_transaction");

    memcpy(&call, &symbol, sizeof call);
    return call;
}

/* How often that fault is to be. */
static int times(const char *wanted)
{
    const char *fault = getenv("KAFKA_FAULT");
    char kind[16] = "";
    int count = 0;

    return fault != NULL && sscanf(fault, "%15s %d", kind, &count) == 2 && strcmp(kind, wanted) == 0 ? count : 0;
}

rd_kafka_resp_err_t rd_kafka_ConfigResource_error(const rd_kafka_ConfigResource_t *config)
{
    static int left = -1;
    config_call call = NULL;
    void *symbol = dlsym(RTLD_NEXT, "rd_kafka_ConfigResource_error");

    if (left < 0)
        left = times("late");
    if (left > 0) {
        left--;
        return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    memcpy(&call, &symbol, sizeof call);
    return call(config);
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms)
{
    static int lost = -1, fatal = -1;

    if (lost < 0) {
        lost = times("lost");
        fatal = times("fatal");
    }
    if (fatal > 0) {
        fatal--;
        /* What is on its way when the error comes may end the client by an assertion of its own. */
        rd_kafka_flush(rk, WAIT_MS);
        rd_kafka_test_fatal_error(rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
        /* Not by the client's own commit: one that is called at once may be done before the error has come to it. */
        return rd_kafka_error_new(RD_KAFKA_RESP_ERR__FATAL, "a test");
    }
    if (lost == 0)
        return original()(rk, timeout_ms);
    lost--;
    rd_kafka_flush(rk, WAIT_MS); /* the records are there, and each was acknowledged */
    rd_kafka_error_destroy(rd_kafka_abort_transaction(rk, WAIT_MS));
    return NULL;
}
