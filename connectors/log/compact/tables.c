/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "connectors/log/compact/key.h"
#include "connectors/log/compact/tables.h"

#define FIRST_BUCKETS 64

static void free_table(struct log_table *table)
{
    cdc_buf_free(&table->id);
    free(table->db);
    free(table->schema);
    free(table->table);
    free(table->marks);
    free(table->schemas);
    free(table);
}

void log_tables_free(struct log_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++)
        free_table(tables->items[i]);
    for (size_t i = 0; i < tables->n_sources; i++) {
        free(tables->sources[i]->name);
        cdc_buf_free(&tables->sources[i]->gone_pos);
        free(tables->sources[i]);
    }
    free(tables->items);
    free(tables->sources);
    free(tables->buckets);
    cdc_buf_free(&tables->scratch);
    *tables = (struct log_tables){0};
}

/* -- finding ------------------------------------------------------------------------------- */

/* Room for one more of `size` bytes. */
static bool grow(void *items, size_t n, size_t *capacity, size_t size)
{
    void **array = items;

    if (n < *capacity)
        return true;
    size_t wanted = *capacity > 0 ? 2 * *capacity : 8;
    void *larger = realloc(*array, wanted * size);
    if (larger == NULL)
        return false;
    *array = larger;
    *capacity = wanted;
    return true;
}

static struct log_source *add_source(struct log_tables *tables, struct cdc_span raw, struct cdc_error *error)
{
    struct log_source **larger = realloc(tables->sources, (tables->n_sources + 1) * sizeof *larger);

    if (larger == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    tables->sources = larger;
    struct log_source *source = calloc(1, sizeof *source);
    if (source == NULL || (source->name = cdc_json_text(raw, &source->name_n)) == NULL) {
        free(source);
        cdc_error_memory(error);
        return NULL;
    }
    tables->last_source = tables->n_sources;
    return tables->sources[tables->n_sources++] = source;
}

struct log_source *log_tables_source(struct log_tables *tables, struct cdc_span raw_name, struct cdc_error *error)
{
    struct cdc_span raw = raw_name.p != NULL ? raw_name : cdc_span("", 0);

    for (size_t i = 0; i < tables->n_sources; i++) {
        size_t at = (tables->last_source + i) % tables->n_sources;
        struct log_source *source = tables->sources[at];
        if (cdc_json_raw_is(raw, cdc_span(source->name, source->name_n))) {
            tables->last_source = at;
            return source;
        }
    }
    return add_source(tables, raw, error);
}

static void append_name(struct cdc_buf *out, struct cdc_span raw)
{
    size_t at = out->len;
    uint32_t n = UINT32_MAX; /* absent */

    cdc_buf_append(out, &n, sizeof n);
    if (raw.p == NULL)
        return;
    if (memchr(raw.p, '\\', raw.n) == NULL)
        cdc_buf_span(out, raw);
    else
        cdc_json_unescape(out, raw);
    n = (uint32_t)(out->len - at - sizeof n);
    if (!out->failed)
        memcpy(out->data + at, &n, sizeof n);
}

static bool rehash(struct log_tables *tables)
{
    size_t n = tables->n_buckets > 0 ? 2 * tables->n_buckets : FIRST_BUCKETS;
    uint32_t *buckets = calloc(n, sizeof *buckets);

    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_buf *id = &tables->items[i]->id;
        size_t at = log_hash_bytes(0, id->data, id->len) & (n - 1);
        while (buckets[at] != 0)
            at = (at + 1) & (n - 1);
        buckets[at] = (uint32_t)i + 1;
    }
    free(tables->buckets);
    tables->buckets = buckets;
    tables->n_buckets = n;
    return true;
}

static bool copy_name(char **to, struct cdc_span raw)
{
    *to = raw.p != NULL ? cdc_json_text(raw, NULL) : NULL;
    return raw.p == NULL || *to != NULL;
}

static struct log_table *make_table(struct log_tables *tables, const struct cdc_event *event, size_t source)
{
    struct log_table *table = calloc(1, sizeof *table);

    if (table == NULL)
        return NULL;
    cdc_buf_append_buf(&table->id, &tables->scratch);
    table->source = source;
    table->index = (uint32_t)tables->n;
    table->main.number = table->generations = 1;
    if (table->id.failed || !copy_name(&table->db, event->db) || !copy_name(&table->schema, event->schema) ||
        !copy_name(&table->table, event->table)) {
        free_table(table);
        return NULL;
    }
    return table;
}

static struct log_table *add_table(struct log_tables *tables, const struct cdc_event *event, size_t source,
                                   struct cdc_error *error)
{
    struct log_table **larger = realloc(tables->items, (tables->n + 1) * sizeof *larger);

    if (larger == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    tables->items = larger;
    struct log_table *table = make_table(tables, event, source);
    if (table == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    tables->items[tables->n++] = table;
    if (2 * tables->n >= tables->n_buckets ? !rehash(tables) : false) {
        tables->n--;
        free_table(table);
        cdc_error_memory(error);
        return NULL;
    }
    return table;
}

struct log_table *log_tables_of(struct log_tables *tables, const struct cdc_event *event, struct cdc_error *error)
{
    struct log_source *source = log_tables_source(tables, event->name, error);
    struct cdc_buf *id = &tables->scratch;

    if (source == NULL)
        return NULL;
    id->len = 0;
    append_name(id, event->name.p != NULL ? event->name : cdc_span("", 0));
    append_name(id, event->db);
    append_name(id, event->schema);
    append_name(id, event->table);
    if (id->failed || (tables->n_buckets == 0 && !rehash(tables))) {
        cdc_error_memory(error);
        return NULL;
    }
    size_t at = log_hash_bytes(0, id->data, id->len) & (tables->n_buckets - 1);
    for (; tables->buckets[at] != 0; at = (at + 1) & (tables->n_buckets - 1)) {
        struct log_table *table = tables->items[tables->buckets[at] - 1];
        if (table->id.len == id->len && memcmp(table->id.data, id->data, id->len) == 0)
            return table;
    }
    size_t n_buckets = tables->n_buckets;
    struct log_table *table = add_table(tables, event, tables->last_source, error);
    if (table != NULL && n_buckets == tables->n_buckets)
        tables->buckets[at] = table->index + 1;
    return table;
}

/* -- generations ---------------------------------------------------------------------------- */

bool log_table_lives(const struct log_table *table, uint32_t generation)
{
    return generation == table->main.number || generation == table->side.number;
}

static struct log_generation next_generation(struct log_table *table)
{
    return (struct log_generation){.number = ++table->generations};
}

static int add_mark(struct log_table *table, uint64_t number, enum log_mark_kind kind, struct cdc_error *error)
{
    /* Of truncates one after the other the last one is enough. */
    if (kind == LOG_MARK_TRUNCATE && table->n_marks > 0 && table->marks[table->n_marks - 1].kind == kind)
        table->n_marks--;
    if (!grow(&table->marks, table->n_marks, &table->marks_capacity, sizeof *table->marks))
        return cdc_error_memory(error);
    table->marks[table->n_marks++] = (struct log_mark){number, kind};
    return 0;
}

/* The open read comes to nothing: in a base its rows would be followed by rows of r lines, which are none of a read. */
static void break_off(struct log_table *table)
{
    table->side.number = 0;
    while (table->n_marks > 0 && table->marks[table->n_marks - 1].kind != LOG_MARK_BEGIN)
        table->n_marks--;
    table->n_marks -= table->n_marks > 0;
}

/* Of the schema lines only those are of use that were valid for a row of now, and the newest one. */
static void forget_schemas(struct log_table *table, uint64_t valid_from)
{
    size_t first = table->n_schemas;

    if (first == 0)
        return;
    while (first > 0 && table->schemas[first - 1] > valid_from)
        first--;
    first -= first > 0;
    memmove(table->schemas, table->schemas + first, (table->n_schemas - first) * sizeof *table->schemas);
    table->n_schemas -= first;
}

int log_table_empty(struct log_table *table, const struct cdc_event *event, uint64_t number, bool dropped,
                    struct cdc_error *error)
{
    bool live = cdc_span_is(event->read, "live");

    if (live || cdc_span_is(event->read, "begin")) {
        if (table->side.number != 0)
            break_off(table);
        table->side = next_generation(table);
        table->side_live = live;
        table->side_schema = table->n_schemas > 0 ? table->schemas[table->n_schemas - 1] : 0;
        return add_mark(table, number, LOG_MARK_BEGIN, error);
    }
    if (table->side.number != 0 && table->side_live && !dropped && !cdc_event_ends_read(event)) {
        table->side = next_generation(table); /* what readers see stays until the read has ended */
        return add_mark(table, number, LOG_MARK_TRUNCATE, error);
    }
    if (table->side.number != 0)
        break_off(table);
    table->main = next_generation(table);
    table->end_differs = false;
    forget_schemas(table, number);
    return dropped ? 0 : add_mark(table, number, LOG_MARK_TRUNCATE, error);
}

static int end_read(struct log_table *table, uint64_t number, struct cdc_error *error)
{
    table->main = table->side;
    table->side.number = 0;
    forget_schemas(table, table->side_schema > 0 ? table->side_schema : number);
    return add_mark(table, number, LOG_MARK_END, error);
}

struct log_generation *log_table_row(struct log_table *table, enum cdc_op op)
{
    if (table->side.number != 0 && (table->side_live || op == CDC_OP_READ))
        return &table->side;
    if (table->side.number != 0)
        break_off(table);
    return &table->main;
}

/* -- columns ---------------------------------------------------------------------------------- */

static bool begins_with(struct cdc_span type, const char *text)
{
    return type.n >= strlen(text) && memcmp(type.p, text, strlen(text)) == 0;
}

/* A key of one kind reads the same after the column has become another type of that kind; else who knows. */
static struct cdc_span kind_of(struct cdc_span type)
{
    static const char *const integers[] = {"int", "bigint", "smallint", "tinyint", "mediumint"};
    static const char *const texts[] = {"character varying", "varchar", "text", "tinytext", "mediumtext", "longtext"};

    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        if (begins_with(type, integers[i]) && !begins_with(type, "interval"))
            return cdc_span_text("integer");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (begins_with(type, texts[i]))
            return cdc_span_text("text");
    return type;
}

static struct cdc_span column_named(struct cdc_span columns, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span name = cdc_json_member_raw(column, "name");
        if (name.p != NULL && cdc_json_raw_equal(name, raw))
            return column;
    }
    return cdc_span(NULL, 0);
}

/* The type of the column that the item of the key names. p NULL: there is none. */
static struct cdc_span key_type(const struct cdc_event *event, struct cdc_span item)
{
    struct cdc_span raw = cdc_json_string_raw(item);
    struct cdc_span column = raw.p != NULL ? column_named(event->columns, raw) : cdc_span(NULL, 0);
    struct cdc_span type = cdc_json_member_raw(column, "base_type");

    return type.p != NULL ? type : cdc_json_member_raw(column, "type");
}

static int take_key_type(struct log_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    uint64_t hash = 1;

    table->no_key_type = false;
    if (event->columns.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "schema line at %.*s: no \"columns\"", (int)event->pos.n,
                             event->pos.p);
    if (event->key_columns.p == NULL)
        return 0;
    for (cdc_json_iter_begin(&iter, event->key_columns); cdc_json_next_element(&iter, &item);) {
        struct cdc_span type = key_type(event, item);
        if (type.p == NULL)
            return cdc_error_set(error, CDC_EXIT_DATA,
                                 "schema line at %.*s: \"key_columns\" has %.*s, which is no column with a type",
                                 (int)event->pos.n, event->pos.p, (int)(item.n < 100 ? item.n : 100), item.p);
        type = kind_of(type);
        table->no_key_type |= begins_with(type, "json");
        hash = log_hash_bytes(hash, type.p, type.n);
    }
    table->key_type = hash;
    return 0;
}

static size_t count(struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    size_t n = 0;

    if (list.p != NULL)
        for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);)
            n++;
    return n;
}

static uint64_t hash_of(const struct cdc_event *event)
{
    uint64_t hash = log_hash_bytes(1, event->columns.p, event->columns.n);
    return log_hash_bytes(hash, event->key_columns.p, event->key_columns.n);
}

int log_table_define(struct log_table *table, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    uint64_t text = hash_of(event);
    bool same = table->n_schemas > 0 && text == table->schema_text;

    table->schema_text = text;
    table->n_columns = count(event->columns);
    if (take_key_type(table, event, error) != 0)
        return -1;
    /* Where the log has no begin of that read, all that the line says is the form. */
    if (cdc_span_is(event->read, "end") && table->side.number != 0) {
        table->end_differs = !same;
        return end_read(table, number, error);
    }
    if (same)
        return 0;
    if (!grow(&table->schemas, table->n_schemas, &table->schemas_capacity, sizeof *table->schemas))
        return cdc_error_memory(error);
    table->schemas[table->n_schemas++] = number;
    return 0;
}
