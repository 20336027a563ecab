/* SPDX-License-Identifier: MIT */
/* HTTP as a destination: webhooks, and the _bulk interface of Elasticsearch
 * and OpenSearch. At least once: an offset moves only after the answer. */
#ifndef HTTP_SINK_H
#define HTTP_SINK_H

#include <cdc/options.h>
#include <cdc/sink.h>

enum http_mode { HTTP_ELASTICSEARCH, HTTP_WEBHOOK_EVENT, HTTP_WEBHOOK_NDJSON, HTTP_WEBHOOK_ARRAY };

struct http_settings {
    enum http_mode mode;
    const char *url;                /* http:// or https://, without credentials */
    const char *user, *password;    /* NULL: none */
    struct cdc_option_list headers; /* "Name: value" */
    const char *index;              /* pattern with {db} {schema} {table} {name} */
    int64_t batch_bytes, batch_events;
    double timeout;         /* seconds a request may take */
    const char *moves_path; /* journal of moved rows (moves.c); NULL: none */
    const struct cdc_log *log;
};

struct http_sink;
extern const struct cdc_sink_ops http_sink_ops;
/* Splits user and password off an URL. *clean, *user and *password are RETURNED NEW (free); the latter NULL where
 * absent. */
int http_url_split(const char *url, char **clean, char **user, char **password, struct cdc_error *error);
/* BORROWS settings. RETURNS NEW. */
struct http_sink *http_sink_open(const struct http_settings *settings, struct cdc_error *error);
void http_sink_free(struct http_sink *sink);

#endif
