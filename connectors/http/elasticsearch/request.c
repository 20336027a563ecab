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
