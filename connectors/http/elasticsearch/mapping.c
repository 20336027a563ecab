/* SPDX-License-Identifier: MIT */
/* --mapping: what fields an index has. Without it the index looks at the first document; with `auto` fields are made from the columns of the
 * schema line, before there is any document:
 *
 *   {"name":"total","type":"numeric(10,2)"}    "total":{"type":"double","ignore_malformed":true}
 *
 * and those of columns that come later are added. ignore_malformed: a value that the type of the field cannot hold (infinity, a year of five
 * digits) stays in the document, and is not searched; it is no reason to refuse a row. With a file, an index is made from that, and nothing is added.
 * A field that the index has already as something else stays what it is. */
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/http/elasticsearch/internal.h"
#include <cdc/file.h>
#include <cdc/pattern.h>

#define FILE_BYTES ((size_t)4 << 20)

enum kind { NONE, AUTO, FROM_FILE };
struct es_mapping_rule {
    char *pattern; /* NULL: every table */
    enum kind kind;
    struct cdc_buf text; /* of the file: a JSON object */
};
struct es_mappings {
    struct es_mapping_rule *rules;
    size_t n;
};

/* -- rules ---------------------------------------------------------------------------- */

static int read_all(int fd, struct cdc_buf *text, const char *path, struct cdc_error *error)
{
    for (;;) {
        if (!cdc_buf_room(text, 65536))
            return cdc_error_memory(error);
        ssize_t got = read(fd, text->data + text->len, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cdc_error_set(error, cdc_file_exit(errno), "unable to read \"%s\": %s", path, strerror(errno));
        text->len += (size_t)got;
        if (text->len > FILE_BYTES)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is too long for a mapping", path);
        if (got == 0)
            return 0;
    }
}

static void trim(struct cdc_buf *text)
{
    size_t from = 0;

    while (text->len > 0 && (unsigned char)text->data[text->len - 1] <= ' ')
        text->len--;
    while (from < text->len && (unsigned char)text->data[from] <= ' ')
        from++;
    if (from > 0)
        memmove(text->data, text->data + from, text->len - from);
    text->len -= from;
}

static int read_file(struct es_mapping_rule *rule, const char *path, struct cdc_error *error)
{
    struct cdc_error why = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to open the mapping \"%s\": %s", path,
                             strerror(errno));
    int result = read_all(fd, &rule->text, path, error);
    close(fd);
    if (result != 0)
        return -1;
    trim(&rule->text);
    if (cdc_json_validate(rule->text.data != NULL ? rule->text.data : "", rule->text.len, &why) != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is no JSON: %s", path, why.text);
    struct cdc_span body = {rule->text.data, rule->text.len};
    struct cdc_span mappings = cdc_json_member(body, "mappings");
    if (cdc_json_type(body) == CDC_JSON_OBJECT && (mappings.p == NULL || cdc_json_type(mappings) == CDC_JSON_OBJECT))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is not what an index is made from", path);
    return cdc_error_hint(error, "it is an object, {\"settings\":{...},\"mappings\":{\"properties\":{...}}}");
}

/* [TABLE:]auto|none|FILE */
static int take_rule(struct es_mapping_rule *rule, const char *item, struct cdc_error *error)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);
    const char *what = n == SIZE_MAX ? item : item + n + 1;

    if (n == 0 || what[0] == '\0')
        return cdc_error_set(error, CDC_EXIT_USAGE, "--mapping: \"%s\" is not of the form [TABLE:]auto|none|FILE",
                             item);
    if (n != SIZE_MAX && (rule->pattern = strndup(item, n)) == NULL)
        return cdc_error_memory(error);
    rule->kind = strcmp(what, "auto") == 0 ? AUTO : strcmp(what, "none") == 0 ? NONE : FROM_FILE;
    return rule->kind == FROM_FILE ? read_file(rule, what, error) : 0;
}

struct es_mappings *es_mappings_read(const struct cdc_option_list *items, struct cdc_error *error)
{
    struct es_mappings *mappings = calloc(1, sizeof *mappings);

    if (mappings == NULL || (mappings->rules = calloc(items->count + 1, sizeof *mappings->rules)) == NULL) {
        free(mappings);
        cdc_error_memory(error);
        return NULL;
    }
    for (size_t i = 0; i < items->count; i++)
        if (take_rule(&mappings->rules[mappings->n++], items->items[i], error) != 0) {
            es_mappings_free(mappings);
            return NULL;
        }
    return mappings;
}

void es_mappings_free(struct es_mappings *mappings)
{
    if (mappings == NULL)
        return;
    for (size_t i = 0; i < mappings->n; i++) {
        free(mappings->rules[i].pattern);
        cdc_buf_free(&mappings->rules[i].text);
    }
    free(mappings->rules);
    free(mappings);
}

/* The last one that matches; NULL: none. */
static const struct es_mapping_rule *rule_of(const struct es_sink *sink, const struct cdc_table *table)
{
    struct cdc_span schema = cdc_span_text(table->id.schema), name = cdc_span_text(table->id.table);
    const struct es_mapping_rule *found = NULL;

    if (schema.n == 0)
        schema = cdc_span_text(table->id.db);
    for (size_t i = 0; i < sink->mappings->n; i++) {
        const struct es_mapping_rule *rule = &sink->mappings->rules[i];
        if (rule->pattern == NULL || cdc_pattern_matches_table(rule->pattern, schema, name, false))
            found = rule;
    }
    return found != NULL && found->kind != NONE ? found : NULL;
}

/* -- fields ---------------------------------------------------------------------------- */

#define KEYWORD "{\"type\":\"keyword\",\"ignore_above\":8191}"
#define TEXT "{\"type\":\"text\",\"fields\":{\"keyword\":{\"type\":\"keyword\",\"ignore_above\":256}}}"
#define NUMBER(type) "{\"type\":\"" type "\",\"ignore_malformed\":true}"
#define KEPT "{\"type\":\"object\",\"enabled\":false}" /* whatever JSON it is; not searched */

/* Names of types as both databases have them, without what follows: (10,2), unsigned, with time zone. */
static const struct {
    const char *type, *field;
} fields[] = {
    {"tinyint", NUMBER("short")},
    {"smallint", NUMBER("integer")},
    {"mediumint", NUMBER("integer")},
    {"int", NUMBER("long")},
    {"integer", NUMBER("long")},
    {"bigint", NUMBER("long")},
    {"oid", NUMBER("long")},
    {"year", NUMBER("short")},
    {"numeric", NUMBER("double")},
    {"decimal", NUMBER("double")},
    {"real", NUMBER("float")},
    {"float", NUMBER("float")},
    {"double", NUMBER("double")},
    {"boolean", "{\"type\":\"boolean\"}"},
    {"date", NUMBER("date")},
    {"datetime", NUMBER("date")},
    {"timestamp", NUMBER("date")},
    {"inet", NUMBER("ip")},
    {"inet4", NUMBER("ip")},
    {"inet6", NUMBER("ip")},
    {"text", TEXT},
    {"tinytext", TEXT},
    {"mediumtext", TEXT},
    {"longtext", TEXT},
    {"varchar", TEXT},
    {"character varying", TEXT},
    {"xml", TEXT},
    {"char", KEYWORD},
    {"character", KEYWORD},
    {"name", KEYWORD},
    {"uuid", KEYWORD},
    {"enum", KEYWORD},
    {"set", KEYWORD},
    {"bit", KEYWORD},
    {"time", KEYWORD},
    {"interval", KEYWORD},
    {"money", KEYWORD},
    {"cidr", KEYWORD},
    {"macaddr", KEYWORD},
    {"macaddr8", KEYWORD},
    {"bytea", "{\"type\":\"binary\"}"},
    {"binary", "{\"type\":\"binary\"}"},
    {"varbinary", "{\"type\":\"binary\"}"},
    {"tinyblob", "{\"type\":\"binary\"}"},
    {"blob", "{\"type\":\"binary\"}"},
    {"mediumblob", "{\"type\":\"binary\"}"},
    {"longblob", "{\"type\":\"binary\"}"},
    {"json", KEPT},
    {"jsonb", KEPT},
    {"hstore", KEPT},
    {"geometry", KEPT},
    {"geography", KEPT},
    {"point", KEPT},
    {"linestring", KEPT},
    {"polygon", KEPT},
    {"multipoint", KEPT},
    {"multilinestring", KEPT},
    {"multipolygon", KEPT},
    {"geometrycollection", KEPT},
    {"vector", "{\"type\":\"float\",\"index\":false,\"doc_values\":false}"},
    {"halfvec", "{\"type\":\"float\",\"index\":false,\"doc_values\":false}"},
};

static bool is_type(const char *type, const char *name)
{
    size_t n = strlen(name);

    return strncmp(type, name, n) == 0 && (type[n] == '\0' || strchr("( [", type[n]) != NULL);
}

/* NULL: left to the index. Elements of an array are of the field's type there. */
static const char *field_of(const char *type)
{
    static const char *const extensions[] = {"hstore", "geometry", "geography", "vector", "halfvec"};
    const char *dot = strrchr(type, '.');

    for (size_t i = 0; dot != NULL && i < sizeof extensions / sizeof extensions[0]; i++)
        if (is_type(dot + 1, extensions[i]))
            type = dot + 1;
    if (is_type(type, "character varying"))
        return TEXT;
    if (is_type(type, "bigint") && strstr(type, "unsigned") != NULL)
        return NUMBER("unsigned_long");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (is_type(type, fields[i].type))
            return fields[i].field;
    return NULL;
}

/* A dot in a name is a path to the index. */
static const char *field_of_column(const struct cdc_column *column)
{
    return column->type == NULL || column->name_n == 0 || strchr(column->name, '.') != NULL ? NULL
                                                                                            : field_of(column->type);
}

/* Appends "properties":{...}: of all columns that have a field, or of one. */
static void append_properties(struct cdc_buf *out, const struct cdc_table *table, size_t from, size_t to)
{
    const char *mark = "";

    cdc_buf_lit(out, "\"properties\":{");
    for (size_t i = from; i < to; i++) {
        const char *field = field_of_column(&table->columns[i]);
        if (field == NULL)
            continue;
        cdc_buf_text(out, mark);
        cdc_json_append_text(out, table->columns[i].name, table->columns[i].name_n);
        cdc_buf_byte(out, ':');
        cdc_buf_text(out, field);
        mark = ",";
    }
    cdc_buf_byte(out, '}');
}

/* -- an index that is made ---------------------------------------------------------------- */

static void append_members(struct cdc_buf *out, struct cdc_span object, const char *but, const char **mark)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;

    if (object.p == NULL)
        return;
    for (cdc_json_iter_begin(&members, object); cdc_json_next_member(&members, &name, &value);) {
        if (cdc_json_raw_is(name, cdc_span_text(but)))
            continue;
        cdc_buf_text(out, *mark);
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        cdc_buf_span(out, value);
        *mark = ",";
    }
}

void es_mapping_append(const struct es_sink *sink, const struct cdc_table *table, struct cdc_span meta,
                       struct cdc_buf *out)
{
    const struct es_mapping_rule *rule = rule_of(sink, table);
    const char *mark = "";

    cdc_buf_byte(out, '{');
    if (rule != NULL && rule->kind == FROM_FILE)
        append_members(out, cdc_span(rule->text.data, rule->text.len), "mappings", &mark);
    cdc_buf_text(out, mark);
    cdc_buf_lit(out, "\"mappings\":{");
    cdc_buf_span(out, meta);
    mark = ",";
    if (rule == NULL) {
        es_hstore_append_templates(out, table);
    } else if (rule->kind == AUTO) {
        cdc_buf_byte(out, ',');
        append_properties(out, table, 0, table->n_columns);
    } else {
        append_members(out, cdc_json_member(cdc_span(rule->text.data, rule->text.len), "mappings"), "_meta", &mark);
    }
    cdc_buf_lit(out, "}}");
}

struct cdc_span es_mapping_meta(const struct es_sink *sink, const struct cdc_table *table)
{
    const struct es_mapping_rule *rule = rule_of(sink, table);
    struct cdc_span mappings = {NULL, 0}, meta = {NULL, 0};

    if (rule != NULL && rule->kind == FROM_FILE)
        mappings = cdc_json_member(cdc_span(rule->text.data, rule->text.len), "mappings");
    if (mappings.p != NULL)
        meta = cdc_json_member(mappings, "_meta");
    return meta.p != NULL && cdc_json_type(meta) == CDC_JSON_OBJECT ? meta : cdc_span(NULL, 0);
}

/* -- an index that is there --------------------------------------------------------------- */

/* 1: taken, 0: the index has one of them as something else, or it may not be changed, -1. */
static int put_properties(struct es_sink *sink, const struct cdc_table *table, size_t from, size_t to,
                          struct cdc_error *error)
{
    long status = 0;

    sink->rest.len = 0;
    cdc_buf_byte(&sink->rest, '{');
    append_properties(&sink->rest, table, from, to);
    cdc_buf_byte(&sink->rest, '}');
    if (sink->rest.failed)
        return cdc_error_memory(error);
    enum http_outcome outcome = es_request_put(sink, table->target, "/_mapping", &status, error);
    if (outcome == HTTP_ANSWERED && (status == 400 || status == 403 || status == 404 || status == 405))
        return 0;
    return http_client_check(sink->client, outcome, status, error) == 0 ? 1 : -1;
}

static int put_one(struct es_sink *sink, const struct cdc_table *table, size_t i, struct cdc_error *error)
{
    if (field_of_column(&table->columns[i]) == NULL)
        return 0;
    int taken = put_properties(sink, table, i, i + 1, error);
    if (taken == 0)
        cdc_log_write(sink->client->context->log, CDC_LOG_WARNING,
                      "index \"%s\": its field \"%s\" cannot be made what --mapping=auto has for %s; a value that it "
                      "cannot hold is refused, or kept and not searched",
                      table->target, table->columns[i].name, table->columns[i].type);
    return taken < 0 ? -1 : 0;
}

int es_mapping_settle(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    const struct es_mapping_rule *rule = rule_of(sink, &table->source);

    if (rule == NULL)
        return es_hstore_settle(sink, table, error);
    if (rule->kind == AUTO && !table->hidden) {
        size_t n = table->source.n_columns;
        int taken = put_properties(sink, &table->source, 0, n, error);
        if (taken < 0)
            return -1;
        /* One that cannot be changed must not keep the others out. */
        for (size_t i = 0; taken == 0 && i < n; i++)
            if (put_one(sink, &table->source, i, error) != 0)
                return -1;
    }
    table->settled = true;
    return 0;
}
