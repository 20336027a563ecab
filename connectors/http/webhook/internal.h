/* SPDX-License-Identifier: MIT */
/* What the files of the room share. */
#ifndef WEBHOOK_INTERNAL_H
#define WEBHOOK_INTERNAL_H

#include "connectors/http/webhook/webhook.h"

/* -- body.c -- */
const char *webhook_content_type(enum http_webhook_format format);
bool webhook_is_single(enum http_webhook_format format);
/* The body of a request with the lines [from, to) of the batch: BORROWED, in scratch or the batch. 0, or -1. */
int webhook_body(enum http_webhook_format format, const struct http_batch *batch, size_t from, size_t to,
                 struct cdc_buf *scratch, struct cdc_span *body, struct cdc_error *error);
/* Appends what a header can hold of a name or a position: no line break, no byte above ASCII. % is escaped as well, so that two names
 * never become one. */
void webhook_append_escaped(struct cdc_buf *out, struct cdc_span text);

/* -- order.c: which lines must come one after the other -- */
struct webhook_order {
    bool alone;       /* of all rows, or nobody knows of which */
    uint64_t keys[2]; /* hashes of the row's key, and of the one before; the same where there is one */
};
struct webhook_order webhook_order_of(const struct cdc_event *event);
/* Must the one wait for the other? (It may say yes wrongly, seldom.) */
bool webhook_order_binds(const struct webhook_order *a, const struct webhook_order *b);

/* -- target.c: where the lines of a table go -- */
struct webhook_target {
    struct cdc_buf url;             /* with its NUL; empty: the peer's, which has no placeholder */
    struct cdc_option_list headers; /* their texts are in `texts`; count 0: the peer's */
    struct cdc_buf texts;
};
/* Does the URL or a header have a placeholder? */
bool webhook_target_is_needed(const struct http_peer *peer);
/* Fills it for the event; what a line lacks (a message has no table) is empty. CONFIG where a header would get a line break. */
int webhook_target_fill(struct webhook_target *target, const struct http_peer *peer, const struct cdc_event *event,
                        struct cdc_error *error);
bool webhook_target_equal(const struct webhook_target *a, const struct webhook_target *b);
void webhook_target_free(struct webhook_target *target); /* what is in it */

/* -- sign.c: Standard Webhooks 1.0.0, "v1" -- */
struct webhook_keys;
/* Reads the file: a key a line, whsec_BASE64; empty lines and those that begin with # do not count. CONFIG, or PERMISSION where others may
 * read it. RETURNS NEW. */
struct webhook_keys *webhook_keys_read(const char *path, struct cdc_error *error);
void webhook_keys_free(struct webhook_keys *keys);
/* Appends "v1,BASE64" for each key, with spaces between: HMAC-SHA-256 of "ID.TIMESTAMP.BODY". 0 or -1. */
int webhook_sign(const struct webhook_keys *keys, const char *id, int64_t timestamp, struct cdc_span body,
                 struct cdc_buf *out, struct cdc_error *error);

#endif
