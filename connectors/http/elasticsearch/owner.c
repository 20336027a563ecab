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

/* Appends {"name":"shop","db":...}: a source table. */
static void append_id(struct cdc_buf *out, const struct cdc_table_id *id)
{
    append_member(out, "{", "name", id->name);
    append_member(out, ",", "db", id->db);
    append_member(out, ",", "schema", id->schema);
    append_member(out, ",", "table", id->table);
    cdc_buf_byte(out, '}');
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

static struct cdc_span object_member(struct cdc_span object, const char *name)
{
    struct cdc_span value = {NULL, 0};

    if (object.p != NULL && cdc_json_type(object) == CDC_JSON_OBJECT)
        value = cdc_json_member(object, name);
    return value.p != NULL && cdc_json_type(value) == CDC_JSON_OBJECT ? value : cdc_span(NULL, 0);
}

/* The `_meta` of the first index of an answer (an alias has several) that says whose it is, or of any. p NULL: none. */
static struct cdc_span find_meta(struct cdc_span body)
{
    struct cdc_json_iter indexes;
    struct cdc_span name, index, found = {NULL, 0};

    if (cdc_json_type(body) != CDC_JSON_OBJECT)
        return found;
    for (cdc_json_iter_begin(&indexes, body); cdc_json_next_member(&indexes, &name, &index);) {
        struct cdc_span meta = object_member(object_member(index, "mappings"), "_meta");
        if (meta.p == NULL)
            continue;
        if (object_member(meta, "cdc").p != NULL)
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
    sink->told_not_kept = sink->ownerless = true;
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
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    *seen = true;
    if (outcome == HTTP_ANSWERED && status == 404)
        return 0;
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 405)) {
        *seen = false;
        sink->hidden = true;
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

static struct cdc_span settings_of(struct cdc_span index)
{
    return object_member(object_member(index, "settings"), "index");
}

/* -- is it still the index that was filled? ------------------------------------------------ */

int es_owner_is_gone(const char *index, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" is gone, with the documents that were stored in it", index);
    return cdc_error_hint(error, "restore it, or remove this sink's offset file and take a new snapshot");
}

/* One that we did not make has no owner in it: a request to a deleted index makes it again, without a word. */
static int is_another(const char *index, struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "index \"%s\" is not the one that this sink has filled: that was deleted, and it was made anew, or an "
        "alias of that name leads to another one now",
        index);
    return cdc_error_hint(error,
                          "restore the index, or lead the alias back and remove what was written to the other one "
                          "meanwhile; or start from nothing: without this sink's offset file, with a new snapshot");
}

static bool part_is(struct cdc_span cdc, const char *name, const char *text)
{
    struct cdc_span raw = cdc_json_member_raw(cdc, name);
    return raw.p != NULL && cdc_json_raw_is(raw, cdc_span_text(text));
}

static bool is_owner(struct cdc_span cdc, const struct cdc_table_id *id)
{
    return cdc.p != NULL && part_is(cdc, "name", id->name) && part_is(cdc, "db", id->db) &&
           part_is(cdc, "schema", id->schema) && part_is(cdc, "table", id->table);
}

/* found: what the server says of the index, or of one with that alias. With the owner in it, it is a copy of the old one that
 * was made with care; else it is the one that we know. id: the owner; NULL: there is none in it. ownerless: none can be kept. */
static int compare_index(struct es_sink *sink, const char *index, struct cdc_span found, const struct cdc_table_id *id,
                         bool ownerless, struct cdc_error *error)
{
    struct cdc_span cdc = object_member(object_member(object_member(found, "mappings"), "_meta"), "cdc");
    struct cdc_span uuid = cdc_json_member_raw(settings_of(found), "uuid");
    const char *known = es_index_ids_get(sink->index_ids, index);

    if (uuid.p == NULL)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer about index \"%s\" has no uuid", index);
    if (known != NULL && cdc_span_is(uuid, known))
        return 0;
    if (id == NULL || (!is_owner(cdc, id) && (!ownerless || known != NULL)))
        return is_another(index, error);
    struct cdc_buf source = CDC_BUF_INIT;
    append_id(&source, id);
    cdc_buf_byte(&source, '\0');
    int result =
        source.failed ? cdc_error_memory(error) : es_index_ids_note(sink->index_ids, index, uuid, source.data, error);
    cdc_buf_free(&source);
    return result;
}

/* The id alone, which costs the server little, however many fields a mapping has; and with the owner. */
#define SETTINGS "*.settings.index.uuid,*.settings.index.*_pipeline,*.settings.index.translog.durability"
#define IDS                                                                                                            \
    "/_settings/index.uuid,index.*_pipeline,index.translog.durability?ignore_unavailable=true&filter_path=" SETTINGS
#define IDS_AND_OWNERS "?ignore_unavailable=true&filter_path=*.mappings._meta.cdc,*.aliases," SETTINGS

/* Asks for several indexes (names with commas). 1: the answer lies in the client's response, 0: none of them is there, or it
 * may not be seen (*seen false), -1. */
static int ask_ids(struct es_sink *sink, struct cdc_span names, const char *what, bool *seen, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    struct cdc_buf path = CDC_BUF_INIT;
    struct cdc_error why = {0};
    long status = 0;
    int result = -1;

    *seen = true;
    cdc_buf_byte(&path, '/');
    cdc_buf_span(&path, names);
    cdc_buf_text(&path, what);
    cdc_buf_byte(&path, '\0');
    if (path.failed) {
        cdc_buf_free(&path);
        return cdc_error_memory(error);
    }
    request.path = path.data;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && status == 404) {
        result = 0;
    } else if (outcome == HTTP_ANSWERED && (status == 403 || status == 405)) {
        *seen = false;
        result = 0;
    } else if (http_client_check(sink->client, outcome, status, error) == 0) {
        result = 1;
        if (cdc_json_validate(sink->client->response.data, sink->client->response.len, &why) != 0)
            result = cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer about indexes is no JSON: %s", why.text);
    }
    cdc_buf_free(&path);
    return result;
}

/* The index itself, or the one of an alias, whose name the answer does not have. p NULL: none. */
static struct cdc_span choose(struct cdc_span body, struct cdc_span *name)
{
    struct cdc_json_iter indexes;
    struct cdc_span index = {NULL, 0};

    if (cdc_json_type(body) != CDC_JSON_OBJECT)
        return index;
    cdc_json_iter_begin(&indexes, body);
    return cdc_json_next_member(&indexes, name, &index) ? index : cdc_span(NULL, 0);
}

/* A rollover makes an alias so. Rows are written to the newest index; a delete or a new state of a row leaves the document that an
 * older one has. */
static int is_several(const char *index, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "index \"%s\" is an alias of several indexes: what changes is written to one of them, and the others "
                  "keep the old documents",
                  index);
    return cdc_error_hint(error, "let the alias lead to one index that has all documents, without a rollover");
}

/* An alias may have a filter, or a routing. A search through it finds some of the documents only, and so do a truncate and the
 * end of a read, which are to find them all; with another routing than before, a row gets a second document. */
static int check_alias(const char *index, struct cdc_span found, struct cdc_error *error)
{
    static const char *const limits[] = {"filter", "search_routing", "index_routing"};
    struct cdc_span alias = object_member(object_member(found, "aliases"), index);

    for (size_t i = 0; alias.p != NULL && i < sizeof limits / sizeof limits[0]; i++)
        if (cdc_json_member(alias, limits[i]).p != NULL) {
            cdc_error_set(error, CDC_EXIT_CONFIG,
                          "index \"%s\" is an alias with a %s: documents that are not found through it would stay "
                          "when they are to go",
                          index, limits[i]);
            return cdc_error_hint(error, "let this sink write through the index itself (--index), or through an alias "
                                         "without filter and routing");
        }
    return 0;
}

/* table: whose it is; NULL: there is no owner in it. 0: the same index, or it may not be looked at (sink->hidden); -1. */
static int verify_one(struct es_sink *sink, const char *index, struct es_table *table, struct cdc_error *error)
{
    bool seen;
    struct cdc_span name = {NULL, 0};
    int there = ask_ids(sink, cdc_span_text(index), IDS_AND_OWNERS, &seen, error);

    if (there < 0)
        return -1;
    sink->hidden = !seen;
    if (!seen)
        return not_kept(sink, index, 403);
    if (there == 1 && cdc_json_count_members(response_of(sink)) > 1)
        return is_several(index, error);
    struct cdc_span found = there == 1 ? choose(response_of(sink), &name) : cdc_span(NULL, 0);
    if (found.p == NULL)
        return es_owner_is_gone(index, error);
    if (check_alias(index, found, error) != 0)
        return -1;
    if (table == NULL)
        return compare_index(sink, index, found, NULL, false, error);
    return compare_index(sink, index, found, &table->source.id, table->ownerless, error) == 0
               ? es_places_learn(table, name, settings_of(found), error)
               : -1;
}

#define NAMES_MAX 2000 /* bytes: servers take a first line of 4096 */

/* The name and the settings of the index with that id in an answer about ids: of an alias, the answer has the name of its
 * index. false: it is not there. */
static bool find_id(struct cdc_span body, const char *id, struct cdc_span *name, struct cdc_span *settings)
{
    struct cdc_json_iter indexes;
    struct cdc_span index;

    if (cdc_json_type(body) != CDC_JSON_OBJECT)
        return false;
    for (cdc_json_iter_begin(&indexes, body); cdc_json_next_member(&indexes, name, &index);) {
        *settings = settings_of(index);
        struct cdc_span uuid = cdc_json_member_raw(*settings, "uuid");
        if (uuid.p != NULL && cdc_span_is(uuid, id))
            return true;
    }
    return false;
}

/* The answer about several indexes says that the table's is the one that we know: it is done with then. 0 or -1. */
static int take_known(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    const char *id = es_index_ids_get(sink->index_ids, table->source.target);
    struct cdc_span name, settings;

    if (id == NULL || !find_id(response_of(sink), id, &name, &settings))
        return 0;
    table->touched = false;
    return es_places_learn(table, name, settings, error);
}

/* From tables `from` on, as many as go into one request; *to is the first that did not. Those whose index is not in the answer,
 * or not known yet, stay touched; so do all of them where one is an alias of several. */
static int verify_known(struct es_sink *sink, size_t from, size_t *to, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    bool seen;
    size_t i = from, n = 0;

    for (; i < sink->n_touched && (i == from || names.len < NAMES_MAX); i++) {
        const struct es_table *table = sink->touched[i];
        if (table->hidden || es_index_ids_get(sink->index_ids, table->source.target) == NULL)
            continue;
        if (n++ > 0)
            cdc_buf_byte(&names, ',');
        cdc_buf_text(&names, table->source.target);
    }
    *to = i;
    int result = names.failed ? cdc_error_memory(error)
                 : n == 0     ? 0
                              : ask_ids(sink, cdc_span(names.data, names.len), IDS, &seen, error);
    cdc_buf_free(&names);
    bool one_each = result == 1 && cdc_json_count_members(response_of(sink)) <= n;
    for (size_t k = from; one_each && k < i; k++)
        if (take_known(sink, sink->touched[k], error) != 0)
            return -1;
    return result < 0 ? -1 : 0;
}

int es_owner_verify_table(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    if (table->hidden)
        return 0;
    if (verify_one(sink, table->source.target, table, error) != 0)
        return -1;
    table->hidden = sink->hidden;
    return 0;
}

int es_owner_look(struct es_sink *sink, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_touched; i++) {
        struct es_table *table = sink->touched[i];
        if (!table->looked_at && es_owner_verify_table(sink, table, error) != 0)
            return -1;
        table->looked_at = true; /* as far as it may be */
    }
    return 0;
}

/* With index.translog.durability async, an index has what it took in memory alone for some seconds: what is confirmed would go
 * with a server that is killed. */
static int make_durable(struct es_sink *sink, const struct es_table *table, struct cdc_error *error)
{
    if (es_request_on_shards(sink, table->source.target, "_flush", error) >= 0)
        return 0;
    if (error != NULL)
        error->hint[0] = '\0';
    return cdc_error_hint(error, "the index has index.translog.durability async: set it to request, or give the user "
                                 "the right to flush");
}

int es_owner_verify(struct es_sink *sink, struct cdc_error *error)
{
    for (size_t from = 0, to; from < sink->n_touched; from = to) {
        if (verify_known(sink, from, &to, error) != 0)
            return -1;
        for (size_t i = from; i < to; i++)
            if (sink->touched[i]->touched && es_owner_verify_table(sink, sink->touched[i], error) != 0)
                return -1;
    }
    for (size_t i = 0; i < sink->n_touched; i++)
        if (sink->touched[i]->lazy && make_durable(sink, sink->touched[i], error) != 0)
            return -1;
    for (size_t i = 0; i < sink->n_touched; i++) {
        if (es_identity_note(sink, sink->touched[i], error) != 0)
            return -1;
        sink->touched[i]->touched = false;
        sink->touched[i]->looked_at = true;
    }
    sink->n_touched = 0;
    return 0;
}

/* -- the owner ---------------------------------------------------------------------------- */

int es_owner_read(void *context, const char *index, struct cdc_table_id *owner, struct cdc_error *error)
{
    struct es_sink *sink = context;
    bool seen;
    int there = ask(sink, index, &seen, error);

    if (there < 0)
        return -1;
    if (there == 0)
        return seen && es_index_ids_get(sink->index_ids, index) != NULL ? es_owner_is_gone(index, error) : 0;
    struct cdc_span cdc = object_member(find_meta(response_of(sink)), "cdc");
    if (cdc.p != NULL)
        return read_owner(cdc, owner, error);
    return es_index_ids_get(sink->index_ids, index) != NULL ? verify_one(sink, index, NULL, error) : 0;
}

/* Appends the members of a mapping that make id the owner, and keep what else is in meta. */
static void append_meta(struct cdc_buf *body, struct cdc_span meta, const struct cdc_table_id *id)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;

    cdc_buf_lit(body, "\"_meta\":{");
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
    cdc_buf_lit(body, "\"cdc\":");
    append_id(body, id);
    cdc_buf_byte(body, '}');
}

/* CONFIG when the documents of the table are in an index of another name. */
static int check_home(const struct es_sink *sink, const char *index, const struct cdc_table_id *id,
                      struct cdc_error *error)
{
    struct cdc_buf source = CDC_BUF_INIT;
    int result = 0;

    append_id(&source, id);
    cdc_buf_byte(&source, '\0');
    const char *home = source.failed ? NULL : es_index_ids_home(sink->index_ids, source.data);
    if (source.failed) {
        result = cdc_error_memory(error);
    } else if (home != NULL && strcmp(home, index) != 0) {
        cdc_error_set(
            error, CDC_EXIT_CONFIG,
            "the documents of %s.%s.%s (source \"%s\") are in index \"%s\"; by --index it is \"%s\" now, which "
            "would lack them",
            id->db, id->schema, id->table, id->name, home, index);
        result = cdc_error_hint(error,
                                "use the name that it had; or remove this sink's offset file, and take a new snapshot");
    }
    cdc_buf_free(&source);
    return result;
}

int es_owner_claim(void *context, const char *index, const struct cdc_table_id *id, struct cdc_error *error)
{
    struct es_sink *sink = context;
    long status = 0;
    bool seen;
    int there = check_home(sink, index, id, error) == 0 ? ask(sink, index, &seen, error) : -1;

    if (there < 0)
        return -1;
    if (there == 0) {
        sink->no_index = seen;
        return 0;
    }
    sink->rest.len = 0;
    cdc_buf_byte(&sink->rest, '{');
    append_meta(&sink->rest, find_meta(response_of(sink)), id);
    cdc_buf_byte(&sink->rest, '}');
    if (sink->rest.failed)
        return cdc_error_memory(error);
    enum http_outcome outcome = es_request_put(sink, index, "/_mapping", &status, error);
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 405))
        return not_kept(sink, index, status);
    return http_client_check(sink->client, outcome, status, error);
}

int es_owner_make_index(struct es_sink *sink, const struct cdc_table *table, struct cdc_error *error)
{
    long status = 0;

    struct cdc_buf meta = CDC_BUF_INIT;
    append_meta(&meta, es_mapping_meta(sink, table), &table->id);
    sink->rest.len = 0;
    es_mapping_append(sink, table, cdc_span(meta.data, meta.len), &sink->rest);
    bool failed = meta.failed || sink->rest.failed;
    cdc_buf_free(&meta);
    if (failed)
        return cdc_error_memory(error);
    enum http_outcome outcome = es_request_put(sink, table->target, "", &status, error);
    if (outcome == HTTP_ANSWERED && status == 400 &&
        es_answer_is_error(cdc_span(sink->client->response.data, sink->client->response.len),
                           "resource_already_exists_exception"))
        return 0;
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 405))
        return not_kept(sink, table->target, status) == 0 ? 1 : -1;
    /* Its name or number is not allowed there. */
    if (outcome == HTTP_ANSWERED && status == 400) {
        char answer[300];
        http_client_excerpt(sink->client, answer, sizeof answer);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" cannot be made: HTTP status 400: %s", table->target,
                             answer);
    }
    return http_client_check(sink->client, outcome, status, error) == 0 ? 1 : -1;
}
