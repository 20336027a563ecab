/* SPDX-License-Identifier: MIT */
/* Source tables of a sink: two hash tables, by source and by target, over one array. By source: each line asks for
 * its table. By target: a table that comes up asks whether another one has its name at the destination. Both must not
 * take longer with every table: a database with one schema a customer has a hundred thousand of them. */
#include <stdlib.h>

#include "libcdc/event/target.h"
#include <cdc/hash.h>

#define FIRST_BUCKETS 64 /* a power of two */

/* -- lifetime --------------------------------------------------------------------- */

void cdc_tables_init(struct cdc_tables *tables, size_t size, void (*release)(struct cdc_table *table),
                     const struct cdc_target_ops *ops, void *sink)
{
    *tables = (struct cdc_tables){.size = size, .release = release, .ops = ops, .sink = sink};
}

static void free_columns(struct cdc_column *columns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(columns[i].name);
        free(columns[i].type);
    }
    free(columns);
}

static void free_table(struct cdc_table *table)
{
    cdc_table_id_free(&table->id);
    free(table->of);
    free_columns(table->columns, table->n_columns);
    free(table->key);
    free(table->target);
    free(table);
}

void cdc_tables_free(struct cdc_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++) {
        if (tables->release != NULL)
            tables->release(tables->items[i]);
        free_table(tables->items[i]);
    }
    free(tables->items);
    free(tables->by_source);
    free(tables->by_target);
    tables->items = tables->by_source = tables->by_target = NULL;
    tables->n = tables->n_buckets = 0;
    tables->last = NULL;
}

/* -- finding ------------------------------------------------------------------------ */

static bool is_table(const struct cdc_table *table, const struct cdc_event *event)
{
    /* The table's name first: it differs most often. */
    return cdc_json_raw_is(event->table, cdc_span_text(table->id.table)) &&
           cdc_json_raw_is(event->schema, cdc_span_text(table->id.schema)) &&
           cdc_json_raw_is(event->db, cdc_span_text(table->id.db)) &&
           cdc_json_raw_is(event->name, cdc_span_text(table->id.name));
}

/* 0xff is no byte of UTF-8: it keeps the parts apart. */
static uint64_t hash_of_id(const struct cdc_table_id *id)
{
    uint64_t hash = cdc_hash_byte(cdc_hash_text(CDC_HASH_INIT, id->table), 0xff);

    hash = cdc_hash_byte(cdc_hash_text(hash, id->schema), 0xff);
    hash = cdc_hash_byte(cdc_hash_text(hash, id->db), 0xff);
    return cdc_hash_text(hash, id->name);
}

/* The hash of the unescaped text, whatever its spelling in the line. */
static uint64_t hash_raw(uint64_t hash, struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return cdc_hash_span(hash, raw);
    cdc_json_unescape(&text, raw);
    hash = cdc_hash_bytes(hash, text.data, text.len);
    cdc_buf_free(&text);
    return hash;
}

static uint64_t hash_of_event(const struct cdc_event *event)
{
    uint64_t hash = cdc_hash_byte(hash_raw(CDC_HASH_INIT, event->table), 0xff);

    hash = cdc_hash_byte(hash_raw(hash, event->schema), 0xff);
    hash = cdc_hash_byte(hash_raw(hash, event->db), 0xff);
    return hash_raw(hash, event->name);
}

/* The low bits choose a bucket: fold the high ones into them. */
static size_t bucket_of(const struct cdc_tables *tables, uint64_t hash)
{
    return cdc_hash_fold(hash) & (tables->n_buckets - 1);
}

static struct cdc_table **source_bucket(const struct cdc_tables *tables, const struct cdc_table *table)
{
    return &tables->by_source[bucket_of(tables, hash_of_id(&table->id))];
}

static struct cdc_table **target_bucket(const struct cdc_tables *tables, const struct cdc_table *table)
{
    return &tables->by_target[bucket_of(tables, cdc_hash_text(CDC_HASH_INIT, table->target))];
}

static void link_table(struct cdc_tables *tables, struct cdc_table *table)
{
    struct cdc_table **source = source_bucket(tables, table), **target = target_bucket(tables, table);

    table->next_source = *source;
    *source = table;
    table->next_target = *target;
    *target = table;
}

/* Another table that owns the same target, in this very spelling. */
static const struct cdc_table *other_owner(const struct cdc_tables *tables, const struct cdc_table *table)
{
    for (const struct cdc_table *other = *target_bucket(tables, table); other != NULL; other = other->next_target)
        if (other != table && other->owned && strcmp(other->target, table->target) == 0 && !target_same(other, table))
            return other;
    return NULL;
}

static struct cdc_table *find(const struct cdc_tables *tables, const struct cdc_event *event)
{
    /* No buckets yet, and none to divide by. */
    if (tables->n == 0)
        return NULL;
    struct cdc_table *table = tables->by_source[bucket_of(tables, hash_of_event(event))];
    while (table != NULL && !is_table(table, event))
        table = table->next_source;
    return table;
}

/* -- adding ------------------------------------------------------------------------- */

/* As many buckets as there may be tables: chains stay short. */
static int make_room(struct cdc_tables *tables, struct cdc_error *error)
{
    if (tables->n < tables->n_buckets)
        return 0;
    size_t n = tables->n_buckets == 0 ? FIRST_BUCKETS : 2 * tables->n_buckets;
    /* Both hash tables are made anew, so their chains can be linked without taking them apart. */
    struct cdc_table **items = realloc(tables->items, n * sizeof *items);
    if (items != NULL)
        tables->items = items;
    struct cdc_table **by_source = calloc(n, sizeof *by_source), **by_target = calloc(n, sizeof *by_target);
    if (items == NULL || by_source == NULL || by_target == NULL) {
        free(by_source);
        free(by_target);
        return cdc_error_memory(error);
    }
    free(tables->by_source);
    free(tables->by_target);
    tables->by_source = by_source;
    tables->by_target = by_target;
    tables->n_buckets = n;
    for (size_t i = 0; i < tables->n; i++)
        link_table(tables, tables->items[i]);
    return 0;
}

static char *copy_part(struct cdc_span part)
{
    return cdc_span_copy(part.p != NULL ? part : cdc_span("", 0));
}

/* A part of an id. The server's own names have no NUL; what comes after one would not count. */
static int take_part(char **part, struct cdc_span raw, struct cdc_error *error)
{
    size_t n;

    *part = cdc_json_text(raw.p != NULL ? raw : cdc_span("", 0), &n);
    if (*part == NULL)
        return cdc_error_memory(error);
    if (strlen(*part) != n)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "a name in \"source\" holds a NUL byte");
    return 0;
}

static int fill(struct cdc_tables *tables, struct cdc_table *table, const struct cdc_event *event,
                struct cdc_error *error)
{
    struct cdc_buf target = CDC_BUF_INIT;
    int result = tables->ops->name(tables->sink, event, &target, error);

    if (result == 0 && !target.failed)
        table->target = cdc_span_copy(cdc_span(target.data, target.len));
    cdc_buf_free(&target);
    if (result != 0)
        return -1;
    if (table->target == NULL)
        return cdc_error_memory(error);
    struct cdc_span of = cdc_json_member_raw(event->source, "partition_of");
    return take_part(&table->of, of.p != NULL ? of : event->name, error) == 0 &&
                   take_part(&table->id.name, event->name, error) == 0 &&
                   take_part(&table->id.db, event->db, error) == 0 &&
                   take_part(&table->id.schema, event->schema, error) == 0
               ? take_part(&table->id.table, event->table, error)
               : -1;
}

static struct cdc_table *add(struct cdc_tables *tables, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_table *table = calloc(1, tables->size);

    if (table == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    /* Linked only when it is whole: a table without a name at the destination, say, must not be found by the next
     * line. */
    if (make_room(tables, error) != 0 || fill(tables, table, event, error) != 0) {
        free_table(table);
        return NULL;
    }
    tables->items[tables->n++] = table;
    link_table(tables, table);
    return table;
}

struct cdc_table *cdc_tables_of(struct cdc_tables *tables, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_table *table = tables->last;

    /* Lines of one table come together. */
    if (table == NULL || !is_table(table, event)) {
        table = find(tables, event);
        if (table == NULL && (table = add(tables, event, error)) == NULL)
            return NULL;
        tables->last = table;
    }
    /* Before any kind of line, TRUNCATE included: staging.orders must not empty the copy of shop.orders. */
    if (!table->owned && target_check(tables->ops, tables->sink, table, other_owner(tables, table), error) != 0)
        return NULL;
    return table;
}

int cdc_tables_claim(struct cdc_tables *tables, struct cdc_table *table, struct cdc_error *error)
{
    struct cdc_table_id owner = target_owner(table);

    if (tables->ops->claim != NULL && tables->ops->claim(tables->sink, table->target, &owner, error) != 0)
        return -1;
    table->owned = true;
    return 0;
}

void cdc_tables_recheck(struct cdc_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++)
        tables->items[i]->owned = false;
}

/* -- a schema line -------------------------------------------------------------------- */

static int name_column(struct cdc_column *column, struct cdc_span name, struct cdc_span type, struct cdc_error *error)
{
    column->name = cdc_json_text(name, &column->name_n);
    column->type = copy_part(type);
    if (column->name == NULL || column->type == NULL)
        return cdc_error_memory(error);
    /* SQL of the destination is made as C strings: a NUL would end the name early, and hide what is after it. */
    if (column->name_n == 0 || strlen(column->name) != column->name_n)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "a column name is empty or holds a NUL byte");
    return 0;
}

static int read_column(struct cdc_column *column, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_span name = cdc_json_member_raw(object, "name"), base = cdc_json_member_raw(object, "base_type");

    if (name.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "schema line: a column has no name");
    if (name_column(column, name, base.n > 0 ? base : cdc_json_member_raw(object, "type"), error) != 0)
        return -1;
    column->generated = cdc_span_is(cdc_json_member(object, "generated"), "true");
    column->optional = cdc_span_is(cdc_json_member(object, "optional"), "true");
    return 0;
}

static size_t count(struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, array); cdc_json_next_element(&iter, &item);)
        n++;
    return n;
}

static int read_columns(struct cdc_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    /* Room for those that only the key names. */
    table->whole = event->columns.p != NULL;
    table->columns = calloc(count(event->columns) + count(event->key_columns) + 1, sizeof *table->columns);
    if (table->columns == NULL)
        return cdc_error_memory(error);
    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &item);)
        if (read_column(&table->columns[table->n_columns++], item, error) != 0)
            return -1;
    return 0;
}

static int read_key(struct cdc_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    table->key = calloc(count(event->key_columns) + 1, sizeof *table->key);
    if (table->key == NULL)
        return cdc_error_memory(error);
    for (cdc_json_iter_begin(&iter, event->key_columns); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        size_t i = 0;
        while (i < table->n_columns &&
               !cdc_json_raw_is(raw, cdc_span(table->columns[i].name, table->columns[i].name_n)))
            i++;
        /* A column that comes twice in the key is refused as well: a sink's PRIMARY KEY could not name it twice. */
        if (raw.p == NULL || (i < table->n_columns && table->columns[i].key))
            return cdc_error_set(error, CDC_EXIT_DATA, "schema line: \"key_columns\" names \"%.*s\" twice, or none",
                                 (int)raw.n, raw.p != NULL ? raw.p : "");
        /* A stage before may have dropped the columns: a sink that needs the key alone goes on. */
        if (i == table->n_columns) {
            table->whole = false;
            if (name_column(&table->columns[table->n_columns++], raw, cdc_span(NULL, 0), error) != 0)
                return -1;
        }
        table->columns[i].key = true;
        table->key[table->n_key++] = i;
    }
    return 0;
}

static int read_definition(const struct cdc_tables *tables, struct cdc_table *read, const struct cdc_event *event,
                           struct cdc_error *error)
{
    if (read_columns(read, event, error) != 0 || read_key(read, event, error) != 0)
        return -1;
    if (tables->need_whole && !read->whole)
        return cdc_error_set(error, CDC_EXIT_DATA, "schema line without \"columns\", or without those of the key");
    return tables->check != NULL ? tables->check(tables->sink, read, error) : 0;
}

struct cdc_table *cdc_tables_define(struct cdc_tables *tables, const struct cdc_event *event, struct cdc_error *error)
{
    /* Read into a struct of its own first: a damaged schema line leaves the definition that the rows so far were
     * taken with. */
    struct cdc_table *table = cdc_tables_of(tables, event, error), read = {.n_columns = 0};

    if (table == NULL)
        return NULL;
    read.id = table->id; /* BORROWED, as are the next ones: for the check, and for messages */
    read.of = table->of;
    read.target = table->target;
    if (read_definition(tables, &read, event, error) != 0) {
        free_columns(read.columns, read.n_columns);
        free(read.key);
        return NULL;
    }
    free_columns(table->columns, table->n_columns);
    free(table->key);
    table->columns = read.columns;
    table->n_columns = read.n_columns;
    table->whole = read.whole;
    table->key = read.key;
    table->n_key = read.n_key;
    return table;
}
