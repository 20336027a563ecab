/* SPDX-License-Identifier: MIT */
/* Whose an index is, kept in the index itself: in `_meta` of its mapping, where whatever else stands there stays.
 *
 *   GET /shop-orders/_mapping     {"shop-orders":{"mappings":{"_meta":{"cdc":{"name":"shop","db":"shop","schema":"public",
 *                                 "table":"orders"}}}}}
 *
 * An index that is not there yet is made before its first document, with its owner in it: whenever the sink is killed, no index
 * of ours is without one. What templates say of it applies as always. A user that may not see or change mappings can write
 * all the same: the owner is then known within a run only, which is said. */
#include <stdio.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/internal.h"

static void append_member(struct cdc_buf *out, const char *mark, const char *name, const char *text)
{
    cdc_buf_printf(out, "%s\"%s\":", mark, name);
    cdc_json_append_text(out, text, strlen(text));
}

static char *member_text(struct cdc_span object, const char *name)
{
    struct cdc_span raw = cdc_json_member_raw(object, name);
    size_t n;

    return cdc_json_text(raw.p != NULL ? raw : cdc_span("", 0), &n);
}

static int read_owner(struct cdc_span object, struct cdc_table_id *owner, struct cdc_error *error)
{
    *owner = (struct cdc_table_id){member_text(object, "name"), member_text(object, "db"),
                                   member_text(object, "schema"), member_text(object, "table")};
    return owner->name != NULL && owner->db != NULL && owner->schema != NULL && owner->table != NULL
               ? 1
               : cdc_error_memory(error);
}

/* The `_meta` of the first index of an answer (an alias has several) that says whose it is, or of any. p NULL: none. */
static struct cdc_span find_meta(struct cdc_span body)
{
    struct cdc_json_iter indexes;
    struct cdc_span name, index, found = {NULL, 0};

    if (cdc_json_type(body) != CDC_JSON_OBJECT)
        return found;
    for (cdc_json_iter_begin(&indexes, body); cdc_json_next_member(&indexes, &name, &index);) {
        struct cdc_span mappings = {NULL, 0}, meta = {NULL, 0};
        if (cdc_json_type(index) == CDC_JSON_OBJECT)
            mappings = cdc_json_member(index, "mappings");
        if (mappings.p != NULL && cdc_json_type(mappings) == CDC_JSON_OBJECT)
            meta = cdc_json_member(mappings, "_meta");
        if (meta.p == NULL || cdc_json_type(meta) != CDC_JSON_OBJECT)
            continue;
        struct cdc_span cdc = cdc_json_member(meta, "cdc");
        if (cdc.p != NULL && cdc_json_type(cdc) == CDC_JSON_OBJECT)
            return meta;
        found = meta;
    }
    return found;
}

static int not_kept(struct es_sink *sink, const char *index, long status)
{
    if (!sink->told_not_kept)
        cdc_log_write(
            sink->client->context->log, CDC_LOG_WARNING,
            "index \"%s\": whose it is cannot be kept in its mapping (HTTP status %ld): two source tables with one "
            "index are seen within this run only; give the user the right to read and change mappings (said once)",
            index, status);
    sink->told_not_kept = true;
    return 0;
}

/* 1: the mapping's answer lies in the client's response, 0: there is no such index, or it may not be seen, -1. */
static int ask(struct es_sink *sink, const char *index, bool *seen, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    struct cdc_error why = {0};
    char path[400];
    long status = 0;

    /* A name of an index has at most 255 bytes (index.c). */
    snprintf(path, sizeof path, "/%s/_mapping?filter_path=*.mappings._meta", index);
    request.path = path;
    enum http_outcome outcome = http_client_send(sink->client, &request, &status, error);
    *seen = true;
    if (outcome == HTTP_ANSWERED && status == 404)
        return 0;
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 405)) {
        *seen = false;
        return not_kept(sink, index, status);
    }
    if (http_client_check(sink->client, outcome, status, error) != 0)
        return -1;
    if (cdc_json_validate(sink->client->response.data, sink->client->response.len, &why) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mapping is no JSON: %s", why.text);
    return 1;
}

/* The response without white space around it. */
static struct cdc_span response_of(const struct es_sink *sink)
{
    struct cdc_span body = {sink->client->response.data, sink->client->response.len};

    while (body.n > 0 && (unsigned char)*body.p <= ' ')
        body = cdc_span(body.p + 1, body.n - 1);
    while (body.n > 0 && (unsigned char)body.p[body.n - 1] <= ' ')
        body.n--;
    return body;
}

int es_owner_read(void *context, const char *index, struct cdc_table_id *owner, struct cdc_error *error)
{
    struct es_sink *sink = context;
    bool seen;
    int there = ask(sink, index, &seen, error);

    if (there <= 0)
        return there;
    struct cdc_span meta = find_meta(response_of(sink)), cdc = {NULL, 0};
    if (meta.p != NULL)
        cdc = cdc_json_member(meta, "cdc");
    return cdc.p != NULL && cdc_json_type(cdc) == CDC_JSON_OBJECT ? read_owner(cdc, owner, error) : 0;
}

/* Appends the members of a mapping that make id the owner, and keep what else is in meta. */
static void append_meta(struct cdc_buf *body, struct cdc_span meta, const struct cdc_table_id *id)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;

    cdc_buf_lit(body, "{\"_meta\":{");
    if (meta.p != NULL)
        for (cdc_json_iter_begin(&members, meta); cdc_json_next_member(&members, &name, &value);) {
            if (cdc_json_raw_is(name, cdc_span("cdc", 3)))
                continue;
            cdc_buf_byte(body, '"');
            cdc_buf_span(body, name);
            cdc_buf_lit(body, "\":");
            cdc_buf_span(body, value);
            cdc_buf_byte(body, ',');
        }
    append_member(body, "\"cdc\":{", "name", id->name);
    append_member(body, ",", "db", id->db);
    append_member(body, ",", "schema", id->schema);
    append_member(body, ",", "table", id->table);
    cdc_buf_lit(body, "}}}");
}

static enum http_outcome put(struct es_sink *sink, const char *path, long *status, struct cdc_error *error)
{
    struct http_request request = {.method = "PUT",
                                   .path = path,
                                   .content_type = "application/json",
                                   .body = cdc_span(sink->rest.data, sink->rest.len)};

    return http_client_send(sink->client, &request, status, error);
}

int es_owner_claim(void *context, const char *index, const struct cdc_table_id *id, struct cdc_error *error)
{
    struct es_sink *sink = context;
    char path[300];
    long status = 0;
    bool seen;
    int there = ask(sink, index, &seen, error);

    if (there < 0)
        return -1;
    if (there == 0) {
        sink->no_index = seen;
        return 0;
    }
    sink->rest.len = 0;
    append_meta(&sink->rest, find_meta(response_of(sink)), id);
    if (sink->rest.failed)
        return cdc_error_memory(error);
    snprintf(path, sizeof path, "/%s/_mapping", index);
    enum http_outcome outcome = put(sink, path, &status, error);
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 405))
        return not_kept(sink, index, status);
    return http_client_check(sink->client, outcome, status, error);
}

int es_owner_make_index(struct es_sink *sink, const struct cdc_table *table, struct cdc_error *error)
{
    char path[300];
    long status = 0;

    sink->rest.len = 0;
    cdc_buf_lit(&sink->rest, "{\"mappings\":");
    append_meta(&sink->rest, cdc_span(NULL, 0), &table->id);
    cdc_buf_byte(&sink->rest, '}');
    if (sink->rest.failed)
        return cdc_error_memory(error);
    snprintf(path, sizeof path, "/%s", table->target);
    enum http_outcome outcome = put(sink, path, &status, error);
    if (outcome == HTTP_ANSWERED && status == 400 &&
        es_answer_is_error(cdc_span(sink->client->response.data, sink->client->response.len),
                           "resource_already_exists_exception"))
        return 0;
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 405))
        return not_kept(sink, table->target, status) == 0 ? 1 : -1;
    return http_client_check(sink->client, outcome, status, error) == 0 ? 1 : -1;
}
