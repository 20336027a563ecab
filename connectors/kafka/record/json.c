/* SPDX-License-Identifier: MIT */
#include "connectors/kafka/record/json.h"

#include <stdlib.h>

#include <cdc/json.h>
#include <cdc/pattern.h>

/* A record's key as JSON. */
struct key {
    struct cdc_span object; /* p NULL: it is none */
    struct cdc_span scalar; /* of a key that is one value; p NULL: it is none */
    bool bare;              /* that value has no quotes, and may be a text all the same */
};

static int bad(struct cdc_error *error, const char *why)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "%s", why);
}

/* -- the table ------------------------------------------------------------------------ */

bool kafka_json_init(struct kafka_json_table *table, const char *topic)
{
    *table = (struct kafka_json_table){.topic = strdup(topic)};
    return table->topic != NULL;
}

void kafka_json_free(struct kafka_json_table *table)
{
    for (size_t i = 0; i < table->n; i++)
        free(table->columns[i]);
    free(table->columns);
    free(table->values);
    free(table->key);
    free(table->topic);
    cdc_buf_free(&table->scratch);
}

/* Rows mostly have their columns in the same order: *next is looked at first. SIZE_MAX without memory. */
static size_t column_of(struct kafka_json_table *table, struct cdc_span raw, size_t *next, struct cdc_error *error)
{
    size_t at = *next;

    if (at >= table->n || !cdc_span_is(raw, table->columns[at]))
        for (at = 0; at < table->n && !cdc_json_raw_equal(raw, cdc_span_text(table->columns[at]));)
            at++;
    *next = at + 1;
    if (at < table->n)
        return at;
    char **columns = realloc(table->columns, (at + 1) * sizeof *columns);
    if (columns != NULL)
        table->columns = columns;
    struct cdc_span *values = realloc(table->values, (at + 1) * sizeof *values);
    if (values != NULL)
        table->values = values;
    char *name = cdc_span_copy(raw);
    if (columns == NULL || values == NULL || name == NULL) {
        free(name);
        cdc_error_memory(error);
        return SIZE_MAX;
    }
    values[at] = cdc_span(NULL, 0);
    columns[table->n++] = name;
    return at;
}

static int add_key(struct kafka_json_table *table, struct cdc_span raw, struct cdc_error *error)
{
    size_t next = 0, at = column_of(table, raw, &next, error);
    size_t *key = at != SIZE_MAX ? realloc(table->key, (table->n_key + 1) * sizeof *key) : NULL;

    if (key == NULL)
        return cdc_error_memory(error);
    table->key = key;
    key[table->n_key++] = at;
    return 0;
}

/* 1: the pattern before the colon, if there is one, fits the topic; 0; -1 */
static int fits(const char *item, const char *topic, const char **list, struct cdc_error *error)
{
    bool is_name;
    size_t prefix = cdc_pattern_prefix(item, &is_name);

    *list = prefix == SIZE_MAX ? item : item + prefix + 1;
    if (prefix == SIZE_MAX)
        return 1;
    char *pattern = strndup(item, prefix);
    if (pattern == NULL)
        return cdc_error_memory(error);
    bool result = cdc_pattern_matches(pattern, strlen(pattern), cdc_span_text(topic));
    free(pattern);
    return result;
}

int kafka_json_set_key(struct kafka_json_table *table, const struct cdc_option_list *keys, struct cdc_error *error)
{
    struct cdc_buf raw = CDC_BUF_INIT;
    const char *list = NULL;
    int found = 0;

    for (size_t i = 0; found == 0 && i < keys->count; i++)
        found = fits(keys->items[i], table->topic, &list, error);
    if (found <= 0)
        return found;
    int result = 0;
    for (const char *p = list; result == 0 && *p != '\0';) {
        size_t n = strcspn(p, ",");
        raw.len = 0;
        cdc_json_append_string(&raw, p, n);
        p += n + (p[n] == ',');
        result = raw.failed ? cdc_error_memory(error) : add_key(table, cdc_span(raw.data + 1, raw.len - 2), error);
    }
    cdc_buf_free(&raw);
    table->settled = table->named = true;
    return result;
}

int kafka_json_restore(struct kafka_json_table *table, const struct cdc_event *schema, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    size_t next = 0;

    for (cdc_json_iter_begin(&iter, cdc_json_member(schema->line, "columns")); cdc_json_next_element(&iter, &item);)
        if (column_of(table, cdc_json_member_raw(item, "name"), &next, error) == SIZE_MAX)
            return -1;
    if (table->named)
        return 0;
    for (cdc_json_iter_begin(&iter, cdc_json_member(schema->line, "key_columns")); cdc_json_next_element(&iter, &item);)
        if (add_key(table, cdc_json_string_raw(item), error) != 0)
            return -1;
    table->settled = true;
    return 0;
}

/* -- keys ----------------------------------------------------------------------------- */

/* {"schema":S,"payload":P}, as Connect's converter writes them. */
static struct cdc_span without_schema(struct cdc_span value)
{
    struct cdc_span payload = cdc_json_member(value, "payload");
    struct cdc_json_iter iter;
    struct cdc_span name, ignored;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, value); cdc_json_next_member(&iter, &name, &ignored);)
        n++;
    return n == 2 && payload.p != NULL && cdc_json_member(value, "schema").p != NULL ? payload : value;
}

/* Bytes that are no JSON are a text; so are none at all, and "null": a key that is missing has no bytes to point at. */
static int read_key(struct kafka_json_table *table, struct cdc_span bytes, struct key *key, struct cdc_error *error)
{
    struct cdc_error ignored = {0};

    *key = (struct key){{NULL, 0}, {NULL, 0}, false};
    if (bytes.p == NULL)
        return 0;
    table->scratch.len = 0;
    if (!cdc_span_is(bytes, "null") && cdc_json_validate(bytes.p, bytes.n, &ignored) == 0)
        cdc_json_append_compact(&table->scratch, bytes);
    else
        cdc_json_append_text(&table->scratch, bytes.p, bytes.n);
    if (table->scratch.failed)
        return cdc_error_memory(error);
    struct cdc_span json = without_schema(cdc_span(table->scratch.data, table->scratch.len));
    if (cdc_json_type(json) == CDC_JSON_OBJECT && cdc_json_member(json, "base64").p == NULL) {
        key->object = json;
    } else if (!cdc_json_is_null(json)) {
        key->scalar = json;
        key->bare = cdc_json_type(json) != CDC_JSON_STRING && cdc_json_type(json) != CDC_JSON_OBJECT;
    }
    return 0;
}

/* Without --key, the members of the first record's key are the table's key. */
static int settle_key(struct kafka_json_table *table, const struct key *key, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, key->object); cdc_json_next_member(&iter, &name, &value); n++)
        if (!table->settled && add_key(table, name, error) != 0)
            return -1;
    table->settled = true;
    if (!table->named && n != table->n_key)
        return bad(error, "the record's key has other columns than those of the records before");
    return 0;
}

/* What the record's key has for that column of the key. */
static struct cdc_span in_key(const struct kafka_json_table *table, const struct key *key, size_t i)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value, found = {NULL, 0};

    if (key->scalar.p != NULL)
        return table->n_key == 1 ? key->scalar : found;
    for (cdc_json_iter_begin(&iter, key->object); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_equal(name, cdc_span_text(table->columns[table->key[i]])))
            found = value;
    return found;
}

static bool same_value(struct cdc_span a, struct cdc_span b, bool bare)
{
    struct cdc_span text = cdc_json_string_raw(a), other = cdc_json_string_raw(b);

    if (text.p != NULL && other.p != NULL)
        return cdc_json_raw_equal(text, other);
    if (text.p != NULL && bare)
        return cdc_span_equal(text, b);
    return cdc_span_equal(a, b);
}

/* Columns of the key that the row lacks are those of the record's key; what both have must be one value. */
static int join_key(struct kafka_json_table *table, const struct key *key, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_key; i++) {
        struct cdc_span *value = &table->values[table->key[i]], other = in_key(table, key, i);
        if (cdc_json_is_null(*value))
            *value = other;
        else if (other.p == NULL ? key->object.p != NULL || key->scalar.p != NULL
                                 : !same_value(*value, other, key->bare))
            table->differs = true;
        if (cdc_json_is_null(*value)) {
            cdc_error_set(error, CDC_EXIT_DATA, "the row has no value of its key's column \"%.200s\"",
                          table->columns[table->key[i]]);
            return -1;
        }
    }
    return table->differs && !table->named ? bad(error, "the row has another key than its record") : 0;
}

/* -- lines ---------------------------------------------------------------------------- */

struct line {
    const struct kafka_json_table *table;
    const struct kafka_json_record *record;
    const char *name;
    struct cdc_buf *out;
};

static void append_name(struct cdc_buf *out, const char *raw)
{
    cdc_buf_byte(out, '"');
    cdc_buf_text(out, raw);
    cdc_buf_byte(out, '"');
}

/* Positions are those of the formats' readers: the offset, a number, and 0 for a schema line. */
static void append_head(const struct line *line, const char *op, int number, int kind)
{
    struct cdc_buf *out = line->out;

    cdc_buf_printf(out, "{\"op\":\"%s\",\"pos\":\"", op);
    cdc_buf_hex(out, (uint64_t)line->record->offset, 16);
    cdc_buf_printf(out, ".%08d.%d\",\"seq\":%lld,\"ts_ms\":%lld,\"source\":{\"connector\":\"json\",\"name\":", number,
                   kind, (long long)line->record->offset, (long long)line->record->ts_ms);
    cdc_json_append_text(out, line->name, strlen(line->name));
    cdc_buf_lit(out, ",\"table\":");
    cdc_json_append_text(out, line->table->topic, strlen(line->table->topic));
    cdc_buf_printf(out, ",\"ts_ms\":%lld,\"snapshot\":\"false\"}", (long long)line->record->ts_ms);
}

static bool is_key(const struct kafka_json_table *table, size_t column)
{
    for (size_t i = 0; i < table->n_key; i++)
        if (table->key[i] == column)
            return true;
    return false;
}

static void append_schema(const struct line *line)
{
    const struct kafka_json_table *table = line->table;
    struct cdc_buf *out = line->out;

    append_head(line, "schema", 1, 0);
    cdc_buf_lit(out, ",\"columns\":[");
    for (size_t i = 0; i < table->n; i++) {
        cdc_buf_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        append_name(out, table->columns[i]);
        cdc_buf_printf(out, ",\"type\":\"unknown\",\"nullable\":%s,\"generated\":false}",
                       is_key(table, i) ? "false" : "true");
    }
    cdc_buf_lit(out, "],\"key_columns\":[");
    for (size_t i = 0; i < table->n_key; i++) {
        cdc_buf_text(out, i > 0 ? "," : "");
        append_name(out, table->columns[table->key[i]]);
    }
    cdc_buf_lit(out, "]}\n");
}

/* as_text: the one value of the key is a text, though it looks like a number. */
static void append_key(const struct line *line, bool as_text)
{
    const struct kafka_json_table *table = line->table;

    if (table->n_key == 0)
        return;
    cdc_buf_lit(line->out, ",\"key\":{");
    for (size_t i = 0; i < table->n_key; i++) {
        struct cdc_span value = table->values[table->key[i]];
        cdc_buf_text(line->out, i > 0 ? "," : "");
        append_name(line->out, table->columns[table->key[i]]);
        cdc_buf_byte(line->out, ':');
        if (as_text)
            cdc_json_append_string(line->out, value.p, value.n);
        else
            cdc_json_append_compact(line->out, value);
    }
    cdc_buf_byte(line->out, '}');
}

/* The whole row: a column that it lacks is NULL. */
static void append_row(const struct line *line)
{
    const struct kafka_json_table *table = line->table;

    append_head(line, table->n_key > 0 ? "u" : "c", 1, 1);
    append_key(line, false);
    cdc_buf_lit(line->out, ",\"before\":null,\"after\":{");
    for (size_t i = 0; i < table->n; i++) {
        cdc_buf_text(line->out, i > 0 ? "," : "");
        append_name(line->out, table->columns[i]);
        cdc_buf_byte(line->out, ':');
        if (table->values[i].p != NULL)
            cdc_json_append_compact(line->out, table->values[i]);
        else
            cdc_buf_lit(line->out, "null");
    }
    cdc_buf_lit(line->out, "}}\n");
}

static void append_delete(const struct line *line, int number, bool as_text)
{
    append_head(line, "d", number, 1);
    append_key(line, as_text);
    cdc_buf_lit(line->out, ",\"before\":null,\"after\":null}\n");
}

static void tell_columns(const struct line *line, size_t *told)
{
    if (*told == line->table->n)
        return;
    append_schema(line);
    *told = line->table->n;
}

/* A key without quotes may have been a number or a text in the row: whichever it was goes. */
static int take_tombstone(struct kafka_json_table *table, const struct line *line, const struct key *key, size_t *told,
                          struct cdc_error *error)
{
    if (key->object.p == NULL && key->scalar.p == NULL)
        return 0; /* it says nothing at all */
    if (table->n_key == 0 || table->differs) {
        bad(error, table->differs ? "a record without a value, and records are not under the keys of their rows"
                                  : "a record without a value: nobody can tell whose row is gone");
        return cdc_error_hint(error, "--key names the columns that the record's key is of");
    }
    if (join_key(table, key, error) != 0)
        return -1;
    tell_columns(line, told);
    append_delete(line, 1, false);
    if (key->bare)
        append_delete(line, 2, true);
    return 0;
}

static int take_row(struct kafka_json_table *table, struct cdc_span row, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        size_t at = column_of(table, name, &next, error);
        if (at == SIZE_MAX)
            return -1;
        table->values[at] = value;
    }
    return 0;
}

int kafka_json_lines(struct kafka_json_table *table, const struct kafka_json_record *record, const char *name,
                     size_t *told, struct cdc_buf *out, struct cdc_error *error)
{
    struct line line = {table, record, name, out};
    struct key key;
    struct cdc_span row = record->value;
    size_t begin = out->len;

    for (size_t i = 0; i < table->n; i++)
        table->values[i] = cdc_span(NULL, 0);
    if (row.p != NULL && cdc_json_validate(row.p, row.n, error) != 0)
        return -1;
    row = row.p != NULL ? without_schema(row) : row;
    if (row.p != NULL && !cdc_json_is_null(row) && cdc_json_type(row) != CDC_JSON_OBJECT)
        return bad(error, "the record is no JSON object");
    if (read_key(table, record->key, &key, error) != 0 || settle_key(table, &key, error) != 0)
        return -1;
    for (size_t i = 0; i < table->n; i++) /* those of a key that came just now */
        table->values[i] = cdc_span(NULL, 0);
    int result;
    if (row.p == NULL || cdc_json_is_null(row)) {
        result = take_tombstone(table, &line, &key, told, error);
    } else {
        result = take_row(table, row, error) != 0 || join_key(table, &key, error) != 0 ? -1 : 0;
        if (result == 0) {
            tell_columns(&line, told);
            append_row(&line);
        }
    }
    if (result != 0)
        out->len = begin;
    return result == 0 && out->failed ? cdc_error_memory(error) : result;
}
