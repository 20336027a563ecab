/* SPDX-License-Identifier: MIT */
/* Open addressing, at most half full, so that a probe is short; lines of one table come in runs, and those of several in turns, so
 * the one that came next the last time is asked first. */
#include "libcdc/event/line_tables.h"

#include <stdlib.h>

#include <cdc/hash.h>

static struct cdc_span schema_of(const struct cdc_event *event)
{
    struct cdc_span schema = event->schema.p != NULL ? event->schema : event->db; /* MySQL has databases instead */
    return schema.p != NULL ? schema : cdc_span("", 0);
}

/* Those by which a table is found. */
struct names {
    struct cdc_span schema, table, name, db;
};

static struct names names_of(const struct line_tables *tables, const struct cdc_event *event)
{
    struct names names = {schema_of(event), event->table, {"", 0}, {"", 0}};

    if (tables->of_source && event->name.p != NULL)
        names.name = event->name;
    if (tables->of_source && event->db.p != NULL)
        names.db = event->db;
    return names;
}

static inline bool is_same(struct cdc_span a, struct cdc_span b)
{
    return cdc_span_equal(a, b) || cdc_json_raw_equal(a, b);
}

static bool is_of(const struct line_table *table, const struct names *names)
{
    return cdc_span_equal(table->table, names->table) && cdc_span_equal(table->schema, names->schema) &&
           is_same(table->name, names->name) && is_same(table->db, names->db);
}

static struct line_table **find_slot(struct line_table **slots, size_t capacity, const struct names *names)
{
    /* 0xff is in no UTF-8 text: it keeps the two names apart. Those of the source may be spelled in two ways, and are few. */
    uint64_t hash = cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, names->schema), 0xff), names->table);
    size_t i = cdc_hash_fold(hash) & (capacity - 1);

    while (slots[i] != NULL && !is_of(slots[i], names))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static int grow(struct line_tables *tables)
{
    size_t capacity = tables->capacity > 0 ? tables->capacity * 2 : 64;
    struct line_table **slots = calloc(capacity, sizeof *slots);

    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < tables->capacity; i++) {
        struct line_table *table = tables->slots[i];
        if (table != NULL)
            *find_slot(slots, capacity, &(struct names){table->schema, table->table, table->name, table->db}) = table;
    }
    free(tables->slots);
    tables->slots = slots;
    tables->capacity = capacity;
    return 0;
}

static struct cdc_span plain_of(struct cdc_span raw)
{
    size_t n = 0;
    char *text = cdc_json_text(raw, &n);
    return cdc_span(text, n);
}

static void free_table(const struct line_tables *tables, struct line_table *table)
{
    if (table == NULL)
        return;
    if (tables->release != NULL)
        tables->release(table);
    free((char *)table->schema.p);
    free((char *)table->table.p);
    free((char *)table->plain_schema.p);
    free((char *)table->plain_table.p);
    free((char *)table->name.p);
    free((char *)table->db.p);
    free(table);
}

static struct line_table *new_table(const struct line_tables *tables, const struct names *names,
                                    struct cdc_error *error)
{
    struct line_table *table = calloc(1, tables->size);
    bool good = table != NULL;

    if (good) {
        table->schema = cdc_span(cdc_span_copy(names->schema), names->schema.n);
        table->table = cdc_span(cdc_span_copy(names->table), names->table.n);
        table->plain_schema = plain_of(names->schema);
        table->plain_table = plain_of(names->table);
        table->name = cdc_span(cdc_span_copy(names->name), names->name.n);
        table->db = cdc_span(cdc_span_copy(names->db), names->db.n);
        good = table->schema.p != NULL && table->table.p != NULL && table->plain_schema.p != NULL &&
               table->plain_table.p != NULL && table->name.p != NULL && table->db.p != NULL;
    }
    if (!good)
        cdc_error_memory(error);
    if (good && (tables->fill == NULL || tables->fill(tables->context, table, error) == 0))
        return table;
    free_table(tables, table);
    return NULL;
}

void *line_table_of(struct line_tables *tables, const struct cdc_event *event, bool *is_new, struct cdc_error *error)
{
    const struct names names = names_of(tables, event);

    if (is_new != NULL)
        *is_new = false;
    struct line_table *last = tables->last;
    if (last != NULL && last->next != NULL && is_of(last->next, &names))
        return tables->last = last->next;
    if (tables->n * 2 >= tables->capacity && grow(tables) != 0) {
        cdc_error_memory(error);
        return NULL;
    }
    struct line_table **slot = find_slot(tables->slots, tables->capacity, &names);
    if (*slot == NULL) {
        if ((*slot = new_table(tables, &names, error)) == NULL)
            return NULL;
        tables->n++;
        if (is_new != NULL)
            *is_new = true;
    }
    if (last != NULL)
        last->next = *slot;
    return tables->last = *slot;
}

void line_tables_free(struct line_tables *tables)
{
    for (size_t i = 0; i < tables->capacity; i++)
        free_table(tables, tables->slots[i]);
    free(tables->slots);
}
