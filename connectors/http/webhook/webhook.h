/* SPDX-License-Identifier: MIT */
/* Webhooks: a POST for each change line, or for a batch of them. In order, one at a time, each confirmed by a status 2xx
 * before the next; with several requests under way, that is so for the lines of each row. */
#ifndef HTTP_WEBHOOK_H
#define HTTP_WEBHOOK_H

#include "connectors/http/client/batch.h"
#include "connectors/http/client/client.h"

enum http_webhook_format {
    HTTP_WEBHOOK_EVENT, /* one line a request */
    HTTP_WEBHOOK_NDJSON,
    HTTP_WEBHOOK_ARRAY,
    HTTP_WEBHOOK_CLOUDEVENTS,      /* one event a request */
    HTTP_WEBHOOK_CLOUDEVENTS_BATCH /* an array of them */
};

struct http_webhook_settings {
    enum http_webhook_format format;
    size_t most_lines, most_bytes; /* of one request, unless a single line is longer */
    size_t requests;               /* that are under way at once, one event in each; 0 is 1 */
    const char *sign_file;         /* keys to sign with (sign.c); NULL: none */
};

struct http_webhook;

/* BORROWS client and the strings of settings. The URL and the headers of the peer may have {db} {schema} {table} {name} in them, which
 * are those of the lines that a request has. RETURNS NEW. */
struct http_webhook *http_webhook_open(struct http_client *client, const struct http_webhook_settings *settings,
                                       struct cdc_error *error);
void http_webhook_free(struct http_webhook *webhook);
enum http_taken http_webhook_event(struct http_webhook *webhook, const struct cdc_event *event,
                                   struct cdc_error *error);
/* Sends what is in the batch and empties it; it may be under way still. */
int http_webhook_flush(struct http_webhook *webhook, struct cdc_error *error);
/* Waits for what is under way. */
int http_webhook_settle(struct http_webhook *webhook, struct cdc_error *error);

#endif
