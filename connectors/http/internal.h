/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP sink share. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <curl/curl.h>

#include "connectors/http/http.h"
#include <cdc/retry.h>

#define HTTP_ID_MAX 512 /* longest _id in bytes */

/* -- request.c: one request at a time ----------------------------------------- */
struct http_client {
    const struct http_settings *settings;
    struct cdc_sink_context *context;
    CURL *easy;
    struct cdc_buf response;
    size_t response_limit;
    bool response_too_long;
    struct cdc_buf url;
    struct cdc_retry retry; /* of the request in hand */
    char curl_error[CURL_ERROR_SIZE];
};

struct http_request {
    const char *method; /* "POST" */
    const char *path;   /* after the base URL, with its query; "" for none */
    const char *content_type;
    struct cdc_span body;
    const char *more_headers[2]; /* NULL where absent */
    size_t response_limit;       /* 0: the usual */
    bool once;                   /* no retry: a transient failure gives status 0 */
};

int http_client_open(struct http_client *client, const struct http_settings *settings, struct cdc_sink_context *context,
                     struct cdc_error *error);
void http_client_close(struct http_client *client);
/* Sends, and sends again (with backoff, Retry-After honoured) as long as the peer is away or overloaded. 0 with
 * *status, the answer in client->response; -1: given up, stopped, or no way to reach the peer. A status of 1: the
 * answer was longer than response_limit. */
int http_send(struct http_client *client, const struct http_request *request, long *status, struct cdc_error *error);
/* Waits before another attempt. -1: no attempts left (UNAVAILABLE), or asked to stop (TEMPORARY). */
int http_backoff(struct http_client *client, struct cdc_retry *retry, int64_t at_least_ms, const char *why,
                 struct cdc_error *error);
/* The error for a status that no retry mends; always -1. */
int http_status_error(struct http_client *client, long status, struct cdc_error *error);

/* -- bulk_answer.c: what _bulk says, in the order of the request ---------------- */
struct bulk_answer {
    struct cdc_json_iter items;
};
struct bulk_result {
    int64_t status;
    struct cdc_span type, reason; /* of the error, between the quotes; p NULL when absent */
};
/* Validates the answer. -1 with PROTOCOL. */
int bulk_answer_open(struct bulk_answer *answer, struct cdc_span body, struct cdc_error *error);
/* 1: *result is the next item's, 0: no more, -1: PROTOCOL. */
int bulk_answer_next(struct bulk_answer *answer, struct bulk_result *result, struct cdc_error *error);
enum bulk_verdict { BULK_DONE, BULK_AGAIN, BULK_REFUSED, BULK_NO_INDEX, BULK_FORBIDDEN };
enum bulk_verdict bulk_judge(const struct bulk_result *result, bool is_delete);

/* -- document.c: names, ids and documents ----------------------------------------- */
struct es_table {
    struct es_table *next;
    char *source[4]; /* name, db, schema, table as the lines have them */
    char *index;
    char **keys; /* key columns in the order of the schema line; NULL before one */
    size_t n_keys;
};
/* Appends the index name of the event's table. CONFIG when it cannot be one. */
int es_index_name(const char *pattern, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
int es_index_pattern_check(const char *pattern, struct cdc_error *error);
/* Appends the _id for a key object. Returns false when a key column is missing or null. */
bool es_id(const struct es_table *table, struct cdc_span key, struct cdc_buf *out);
/* The member of object whose name is raw (text between the quotes of another JSON string). */
struct cdc_span es_member(struct cdc_span object, struct cdc_span raw);
/* Does every name of `unchanged` have a value in object? */
bool es_has_all(struct cdc_span unchanged, struct cdc_span object);
/* Appends {"a":1,...}: the unchanged columns that first, or else second, has. *missing counts those that neither has.
 */
void es_rest(struct cdc_buf *out, struct cdc_span unchanged, struct cdc_span first, struct cdc_span second,
             size_t *missing);
/* Appends after and rest (both objects) as one object. */
void es_join(struct cdc_buf *out, struct cdc_span after, struct cdc_span rest);
void sha256_hex(const void *data, size_t n, char out[65]);

/* -- moves.c: what rows that changed their key took along -------------------------- */
struct moves;
struct moves *moves_open(const char *path, struct cdc_error *error); /* path NULL: kept nowhere. RETURNS NEW. */
void moves_free(struct moves *moves);
/* Finds what was kept for that line by a run before. 1: appended to out, 0: nothing, -1: error. */
int moves_find(struct moves *moves, struct cdc_span name, struct cdc_span pos, struct cdc_buf *out,
               struct cdc_error *error);
/* Keeps rest for that line; durable after moves_sync. *place is for moves_read. */
int moves_add(struct moves *moves, struct cdc_span name, struct cdc_span pos, struct cdc_span rest, uint64_t *place,
              struct cdc_error *error);
int moves_read(struct moves *moves, uint64_t place, struct cdc_buf *out, struct cdc_error *error);
int moves_sync(struct moves *moves, struct cdc_error *error);
/* Offsets that are about to be saved; moves_begin is called once they are. */
void moves_delivered(struct moves *moves, const struct cdc_offset_file *offsets);
int moves_begin(struct moves *moves, struct cdc_error *error);

/* -- the batch (batch.c) --------------------------------------------------------------- */
enum item_kind {
    ITEM_LINE,  /* webhook */
    ITEM_INDEX, /* the whole document */
    ITEM_DELETE,
    ITEM_MERGE /* columns are missing: the index has them */
};
struct item {
    size_t line, line_n; /* in lines */
    size_t id, id_n;     /* in ids */
    size_t old, old_n;   /* the _id before a key change; old_n 0: none */
    const struct es_table *table;
    enum item_kind kind;
    uint64_t place;       /* in the journal of moves, plus 1; 0: none */
    struct cdc_span base; /* the document that the index has, in the client's response */
    int64_t base_version;
    bool base_read;
    bool base_old;    /* a moved row is not there under its new _id: look under the old one */
    unsigned answers; /* actions in the body in hand */
    bool index_sent, delete_sent;
};
struct batch {
    struct cdc_buf lines, ids;
    struct item *items;
    size_t n, cap;
    uint64_t *seen; /* open-addressing set of ids, seen_n slots */
    size_t seen_n;
};
int batch_init(struct batch *batch, size_t max_items, struct cdc_error *error);
void batch_free(struct batch *batch);
void batch_clear(struct batch *batch);
/* A new item with a copy of the line; NULL when out of memory. */
struct item *batch_add(struct batch *batch, enum item_kind kind, struct cdc_span line);
struct cdc_span batch_line(const struct batch *batch, const struct item *item);
/* Was that id put into the batch? (It may say yes wrongly, seldom.) */
bool batch_seen(const struct batch *batch, const struct es_table *table, struct cdc_span id);
void batch_see(struct batch *batch, const struct es_table *table, struct cdc_span id);

/* -- the sink ---------------------------------------------------------------------------- */
struct http_sink {
    struct cdc_sink_context context; /* filled by the loop; must be first */
    const struct http_settings *settings;
    struct http_client client;
    struct batch batch;
    struct cdc_buf body, scratch, rest;
    size_t body_limit; /* lowered when the peer says 413 */
    struct es_table *tables, *last;
    struct moves *moves;
    uint64_t without_base;
    bool told_lack;
    bool failed; /* a batch could not be sent whole */
};
/* Sends what is in the batch and empties it. */
int http_flush(struct http_sink *sink, struct cdc_error *error);

/* elasticsearch.c, es_send.c, truncate.c */
int es_event(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error);
int es_flush(struct http_sink *sink, struct cdc_error *error);
int es_truncate(struct http_sink *sink, const struct es_table *table, int64_t seq, struct cdc_error *error);
void es_free_tables(struct http_sink *sink);
/* Appends an action line. */
void es_action(struct cdc_buf *body, const char *what, const char *index, struct cdc_span id, int64_t version);

/* webhook.c */
int webhook_event(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error);
int webhook_flush(struct http_sink *sink, struct cdc_error *error);

#endif
