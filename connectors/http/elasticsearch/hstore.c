/* SPDX-License-Identifier: MIT */
/* The keys of hstore are the users' own, and any text: an index would take each for a field, up to its limit, and refuse "", and "a"
 * beside "a.b". So they are kept as they are, and not searched. An index that is made gets a template for the column, and no field, for
 * those of the server that name the column come first. In one that is there, and had no such column, it becomes a field:
 *
 *   GET /shop-orders/_mapping     no template names "tags", and new fields are taken
 *   PUT /shop-orders/_mapping     {"properties":{"tags":{"type":"object","enabled":false}}}
 *
 * What an index has of that name already, it refuses to change (status 400), and stays. */
#include <stdio.h>

#include "connectors/http/elasticsearch/internal.h"

/* "public.hstore", "public.hstore[]" */
static bool is_hstore(const struct cdc_column *column)
{
    const char *type = column->type ? column->type : "", *dot = strrchr(type, '.');
    size_t n = strlen("hstore");
    type = dot ? dot + 1 : type;
    return strncmp(type, "hstore", n) == 0 && (type[n] == '\0' || strcmp(type + n, "[]") == 0);
}

/* A name that a template cannot mean alone is left to the index. */
static bool is_kept_whole(const struct cdc_column *column)
{
    return is_hstore(column) && strpbrk(column->name, "*.") == NULL;
}

void es_hstore_append_templates(struct cdc_buf *body, const struct cdc_table *table)
{
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        const char *name = table->columns[i].name;
        if (!is_kept_whole(&table->columns[i]))
            continue;
        cdc_buf_text(body, any ? "," : ",\"dynamic_templates\":[");
        any = true;
        cdc_buf_printf(body, "{\"cdc_hstore_%zu\":{\"path_match\":", i);
        cdc_json_append_string(body, name, strlen(name));
        cdc_buf_lit(body, ",\"match_mapping_type\":\"object\",\"mapping\":{\"type\":\"object\",\"enabled\":false}}}");
    }
    cdc_buf_text(body, any ? "]" : "");
}

/* -- an index that is there ------------------------------------------------------------- */

static struct cdc_span member(struct cdc_span object, const char *name, enum cdc_json_type type)
{
    struct cdc_span value = {NULL, 0};
    if (object.p != NULL && cdc_json_type(object) == CDC_JSON_OBJECT)
        value = cdc_json_member(object, name);
    return value.p != NULL && cdc_json_type(value) == type ? value : cdc_span(NULL, 0);
}

/* [{"NAME":{"path_match":"tags",...}},...] */
static bool has_template(struct cdc_span templates, const char *column)
{
    static const char *const by[] = {"path_match", "match"};
    struct cdc_json_iter items, members;
    struct cdc_span item, name, template;
    bool found = false;

    if (templates.p == NULL)
        return false;
    for (cdc_json_iter_begin(&items, templates); cdc_json_next_element(&items, &item);) {
        if (cdc_json_type(item) != CDC_JSON_OBJECT)
            continue;
        for (cdc_json_iter_begin(&members, item); cdc_json_next_member(&members, &name, &template);)
            for (size_t i = 0; i < 2 && cdc_json_type(template) == CDC_JSON_OBJECT; i++) {
                struct cdc_span raw = cdc_json_member_raw(template, by[i]);
                found |= raw.p != NULL && cdc_json_raw_is(raw, cdc_span_text(column));
            }
    }
    return found;
}

/* Is what becomes of that column for us to say? An alias may have several indexes. */
static bool is_ours(struct cdc_span answer, const char *column)
{
    struct cdc_json_iter indexes;
    struct cdc_span name, index;
    bool ours = true;

    for (cdc_json_iter_begin(&indexes, answer); cdc_json_next_member(&indexes, &name, &index);) {
        struct cdc_span mappings = member(index, "mappings", CDC_JSON_OBJECT);
        struct cdc_span dynamic = mappings.p != NULL ? cdc_json_member(mappings, "dynamic") : cdc_span(NULL, 0);
        ours &= dynamic.p == NULL || cdc_span_is(dynamic, "true") || cdc_span_is(dynamic, "\"true\"");
        ours &= !has_template(member(mappings, "dynamic_templates", CDC_JSON_ARRAY), column);
    }
    return ours;
}

static int map_column(struct es_sink *sink, const struct cdc_table *table, const char *column, struct cdc_error *error)
{
    long status = 0;

    sink->rest.len = 0;
    cdc_buf_lit(&sink->rest, "{\"properties\":{");
    cdc_json_append_string(&sink->rest, column, strlen(column));
    cdc_buf_lit(&sink->rest, ":{\"type\":\"object\",\"enabled\":false}}}");
    if (sink->rest.failed)
        return cdc_error_memory(error);
    enum http_outcome outcome = es_request_put(sink, table->target, "/_mapping", &status, error);
    if (outcome == HTTP_ANSWERED && (status == 400 || status == 403 || status == 405))
        return 0;
    return http_client_check(sink->client, outcome, status, error);
}

/* Those of the mapping's answer that are for us to say, each with a NUL. */
static void append_names(struct cdc_buf *out, const struct cdc_table *table, struct cdc_span answer)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (is_kept_whole(&table->columns[i]) && is_ours(answer, table->columns[i].name))
            cdc_buf_append(out, table->columns[i].name, strlen(table->columns[i].name) + 1);
}

static int ask_and_map(struct es_sink *sink, const struct cdc_table *table, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    struct cdc_buf names = CDC_BUF_INIT;
    struct cdc_error why = {0};
    char path[400];
    long status = 0;

    snprintf(path, sizeof path, "/%s/_mapping?filter_path=*.mappings.dynamic,*.mappings.dynamic_templates",
             table->target);
    request.path = path;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && (status == 403 || status == 404 || status == 405))
        return 0;
    int result = http_client_check(sink->client, outcome, status, error);
    struct cdc_span answer = {sink->client->response.data, sink->client->response.len};
    while (answer.n > 0 && (unsigned char)*answer.p <= ' ')
        answer = cdc_span(answer.p + 1, answer.n - 1);
    if (result == 0 && (answer.n == 0 || cdc_json_validate(answer.p, answer.n, &why) != 0 || *answer.p != '{'))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mapping is no JSON: %s", why.text);
    if (result == 0)
        append_names(&names, table, answer);
    if (names.failed)
        result = cdc_error_memory(error);
    for (const char *p = names.data; result == 0 && p != NULL && p < names.data + names.len; p += strlen(p) + 1)
        result = map_column(sink, table, p, error);
    cdc_buf_free(&names);
    return result;
}

int es_hstore_settle(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    bool any = false;

    for (size_t i = 0; i < table->source.n_columns; i++)
        any |= is_kept_whole(&table->source.columns[i]);
    if (any && !table->hidden && ask_and_map(sink, &table->source, error) != 0)
        return -1;
    table->settled = true;
    return 0;
}
