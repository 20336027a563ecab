/* SPDX-License-Identifier: MIT */
/* Which cluster a node is of. Each says it, and is asked before its first request, and again after it has not answered:
 *
 *   GET /      {"name":"node-2","cluster_name":"search","cluster_uuid":"kq1Hd0dhQ7q3u0rjG5fYvQ",...}
 *
 * The first one's is kept beside the ids of indexes. Another one has none of the documents that are confirmed, and would be filled with
 * the rest alone. At the start all nodes are asked, so that a wrong URL does not wait for the night on which it is needed; one that is away
 * then is asked when its turn comes. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/internal.h"

#define LOOK_S 5 /* seconds for a node whose turn it is not yet, or that is not the only one */

/* RETURNS NEW the id that the newest answer has; NULL: it says none. */
static char *uuid_of(const struct es_sink *sink)
{
    struct cdc_span body = {sink->cluster.client.response.data, sink->cluster.client.response.len};

    while (body.n > 0 && (unsigned char)*body.p <= ' ')
        body = cdc_span(body.p + 1, body.n - 1);
    while (body.n > 0 && (unsigned char)body.p[body.n - 1] <= ' ')
        body.n--;
    if (body.n == 0 || cdc_json_validate(body.p, body.n, NULL) != 0 || cdc_json_type(body) != CDC_JSON_OBJECT)
        return NULL;
    struct cdc_span raw = cdc_json_member_raw(body, "cluster_uuid");
    return raw.n > 0 ? cdc_json_text(raw, NULL) : NULL;
}

/* Who may only write may not ask. */
static void tell_hidden(struct es_sink *sink)
{
    bool matters = sink->client->peer.n_nodes > 1 || es_index_ids_cluster(sink->index_ids) != NULL;

    if (matters && !sink->cluster.told_hidden)
        cdc_log_write(sink->client->context->log, CDC_LOG_WARNING,
                      "%s does not say of which cluster it is, so that it cannot be told from another one; give the "
                      "user the right to ask (cluster:monitor/main) (said once)",
                      sink->cluster.client.peer.shown);
    sink->cluster.told_hidden |= matters;
}

static int is_another(const struct es_sink *sink, const char *known, const char *uuid, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "%s is of another cluster (cluster_uuid %.80s) than the one that is filled (%.80s)",
                  sink->cluster.client.peer.shown, uuid, known);
    return cdc_error_hint(error,
                          "give the URLs of that one; where this one has its indexes from a snapshot of it, start "
                          "once with --new-cluster; else remove this sink's offset file and take a new snapshot");
}

static int compare(struct es_sink *sink, const char *uuid, struct cdc_error *error)
{
    const char *known = es_index_ids_cluster(sink->index_ids);
    bool may_be_new = sink->cluster.may_be_new;

    sink->cluster.may_be_new = false;
    if (known != NULL && strcmp(known, uuid) == 0)
        return 1;
    if (known != NULL && !may_be_new)
        return is_another(sink, known, uuid, error);
    /* Before anything is written there. */
    return es_index_ids_note_cluster(sink->index_ids, uuid, error) == 0 &&
                   es_index_ids_sync(sink->index_ids, error) == 0
               ? 1
               : -1;
}

/* As http_check_node. */
static int look_at(struct es_sink *sink, size_t node, double timeout, char *why, size_t size, struct cdc_error *error)
{
    struct http_client *client = &sink->cluster.client;
    struct http_request request = {.method = "GET",
                                   .path = "/",
                                   .content_type = "application/json",
                                   .once = true,
                                   .node = node + 1,
                                   .timeout = timeout};
    long status = 0;
    enum http_outcome outcome = http_client_send(client, &request, &status, error);

    if (outcome == HTTP_GAVE_UP)
        return -1;
    if (outcome == HTTP_NOT_NOW) {
        snprintf(why, size, "%s", client->curl_error[0] != '\0' ? client->curl_error : "it does not answer now");
        return 0;
    }
    char *uuid = outcome == HTTP_ANSWERED && status == 200 ? uuid_of(sink) : NULL;
    int result = 1;
    if (uuid == NULL) {
        tell_hidden(sink);
    } else if (strcmp(uuid, "_na_") == 0) {
        snprintf(why, size, "it has not joined a cluster yet");
        result = 0;
    } else {
        result = compare(sink, uuid, error);
    }
    free(uuid);
    return result;
}

static int check_node(void *context, size_t node, char *why, size_t size, struct cdc_error *error)
{
    struct es_sink *sink = context;
    size_t n = sink->client->peer.n_nodes;
    char ignored[300];
    int result = look_at(sink, node, n > 1 ? LOOK_S : 0, why, size, error);

    for (size_t i = 0; result == 1 && !sink->cluster.asked_all && i < n; i++)
        if (i != node && look_at(sink, i, LOOK_S, ignored, sizeof ignored, error) < 0)
            return -1;
    sink->cluster.asked_all |= result == 1;
    return result;
}

int es_cluster_open(struct es_sink *sink, const struct es_settings *settings, struct cdc_error *error)
{
    sink->cluster.may_be_new = settings->new_cluster;
    if (http_client_open_beside(&sink->cluster.client, sink->client, error) != 0)
        return -1;
    sink->client->shared->check = check_node;
    sink->client->shared->check_context = sink;
    return 0;
}

void es_cluster_close(struct es_sink *sink)
{
    if (sink->cluster.client.shared != NULL)
        http_client_close(&sink->cluster.client);
}
