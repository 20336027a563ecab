/* SPDX-License-Identifier: MIT */
/* A request to the index server. A block answers 403, as a missing privilege does, but is lifted in time: by the server itself
 * once a disk has room again, or by whoever did some work on the cluster.
 *
 *   {"error":{"type":"cluster_block_exception","reason":"blocked by: [FORBIDDEN/6/cluster read-only (api)];"},"status":403} */
#include <stdio.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/internal.h"

enum http_outcome es_request_send(struct es_sink *sink, const struct http_request *request, long *status,
                                  struct cdc_error *error)
{
    struct cdc_retry retry;
    char why[300];

    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    for (;;) {
        enum http_outcome outcome = http_client_send(sink->client, request, status, error);
        struct cdc_span body = {sink->client->response.data, sink->client->response.len};
        if (outcome != HTTP_ANSWERED || *status != 403 || !es_answer_is_block(body, why, sizeof why))
            return outcome;
        if (request->once)
            return HTTP_NOT_NOW;
        if (http_client_wait(sink->client, &retry, 0, why, error) != 0)
            return HTTP_GAVE_UP;
    }
}

void es_request_smaller(struct es_sink *sink, size_t n)
{
    es_limit_refused(&sink->limit, n, cdc_clock_ms());
    sink->at_once = true;
    cdc_log_write(sink->client->context->log, CDC_LOG_WARNING,
                  "%s takes no request of %zu bytes; smaller ones for a while", sink->client->peer.shown, n);
}

int es_request_closed(const char *index, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" is closed", index);
    return cdc_error_hint(error, "open it, and start again");
}

/* What is asked of a field that is there as something else is a 500 to Elasticsearch, and would be so for ever:
 *
 *   {"error":{"type":"mapper_exception","reason":"the [enabled] parameter can't be updated ..."},"status":500} */
static bool is_of_the_mapping(const struct http_request *request, struct cdc_span answer)
{
    (void)request;
    return es_answer_is_error(answer, "mapper_exception");
}

enum http_outcome es_request_put(struct es_sink *sink, const char *index, const char *what, long *status,
                                 struct cdc_error *error)
{
    char path[300]; /* a name of an index has at most 255 bytes (index.c) */
    struct http_request request = {.method = "PUT",
                                   .path = path,
                                   .content_type = "application/json",
                                   .body = cdc_span(sink->rest.data, sink->rest.len),
                                   .lasts = is_of_the_mapping};

    snprintf(path, sizeof path, "/%s%s", index, what);
    enum http_outcome outcome = es_request_send(sink, &request, status, error);
    if (outcome == HTTP_ANSWERED && *status >= 500 &&
        is_of_the_mapping(&request, cdc_span(sink->client->response.data, sink->client->response.len)))
        *status = 400;
    return outcome;
}

int es_request_on_shards(struct es_sink *sink, const char *index, const char *what, struct cdc_error *error)
{
    struct http_request request = {.method = "POST", .content_type = "application/json"};
    struct cdc_retry retry;
    char path[300];
    long status = 0;

    /* A name of an index has at most 255 bytes (index.c). */
    snprintf(path, sizeof path, "/%s/%s?filter_path=_shards.failed", index, what);
    request.path = path;
    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    for (;;) {
        enum http_outcome outcome = es_request_send(sink, &request, &status, error);
        struct cdc_span body = {sink->client->response.data, sink->client->response.len};
        if (outcome == HTTP_ANSWERED && status == 404)
            return 0;
        if (outcome == HTTP_ANSWERED && status == 400 && es_answer_is_error(body, "index_closed_exception"))
            return es_request_closed(index, error);
        if (http_client_check(sink->client, outcome, status, error) != 0)
            return -1;
        if (!es_answer_shard_failed(body))
            return 1;
        if (http_client_wait(sink->client, &retry, 0, "a shard of the index does not answer now", error) != 0)
            return -1;
    }
}
