/* SPDX-License-Identifier: MIT */
/* HTTP as a destination: webhooks, and the _bulk interface of Elasticsearch
 * and OpenSearch. At least once: an offset moves only after the answer. */
#ifndef HTTP_CONNECTOR_H
#define HTTP_CONNECTOR_H

#include "connectors/http/client/client.h"
#include "connectors/http/webhook/webhook.h"

enum http_mode { HTTP_MODE_ELASTICSEARCH, HTTP_MODE_WEBHOOK };

struct http_settings {
    enum http_mode mode;
    struct http_peer peer;
    const char *index;                /* pattern with {db} {schema} {table} {name} */
    const char *data_stream;          /* pattern, too, in place of index: a history; NULL: none */
    const char *alias;                /* pattern, too: the name that readers use; NULL: none */
    bool new_cluster;                 /* the index server may be another cluster than the one that was filled */
    struct cdc_option_list mappings;  /* [TABLE:]auto|none|FILE */
    struct cdc_option_list routing;   /* [TABLE:]COLUMN */
    struct cdc_option_list pipelines; /* [TABLE:]NAME */
    enum http_webhook_format webhook_format;
    const char *sign_file; /* of a webhook; NULL: none */
    int64_t batch_bytes, batch_events;
    int64_t requests;             /* that are under way at once; 0 is 1 */
    const char *key_changes_path; /* journal of rows that changed their key; NULL: none that lasts */
    const char *index_ids_path;   /* which indexes were filled; NULL: none that lasts */
};

struct http_sink;
extern const struct cdc_sink_ops http_sink_ops;
extern const struct cdc_sink_ops http_history_ops; /* with data_stream */
/* A URL taken apart; all RETURNED NEW (http_url_free), user and password NULL where absent. */
struct http_url {
    char *clean; /* without user and password */
    char *shown; /* for messages: scheme, host and port; the path and query of a webhook may be secrets */
    char *user, *password;
    bool local; /* the host is this machine: localhost, 127.0.0.1, ::1 */
};
int http_url_split(const char *text, struct http_url *parts, struct cdc_error *error);
void http_url_free(struct http_url *parts);
/* BORROWS settings. RETURNS NEW. */
struct http_sink *http_sink_open(const struct http_settings *settings, struct cdc_error *error);
void http_sink_free(struct http_sink *sink);

#endif
