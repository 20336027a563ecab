/* SPDX-License-Identifier: MIT */
/* Tables by their names, as the lines have them. */
#include <stdlib.h>

#include "libcdc/shape/internal.h"
#include <cdc/hash.h>
#include <cdc/pattern.h>

static struct cdc_span schema_of(const struct cdc_event *event)
{
    struct cdc_span schema = event->schema.p != NULL ? event->schema : event->db; /* MySQL has databases instead */
    return schema.p != NULL ? schema : cdc_span("", 0);
}

static bool is_of(const struct shape_table *table, struct cdc_span schema, struct cdc_span name)
{
    return cdc_span_equal(table->table, name) && cdc_span_equal(table->schema, schema);
}

static struct shape_table **find_slot(struct shape_table **slots, size_t capacity, struct cdc_span schema,
                                      struct cdc_span name)
{
    uint64_t hash = cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, schema), 0xff), name);
    size_t i = cdc_hash_fold(hash) & (capacity - 1);

    while (slots[i] != NULL && !is_of(slots[i], schema, name))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static int grow(struct shape_tables *tables)
{
    size_t capacity = tables->capacity > 0 ? tables->capacity * 2 : 16;
    struct shape_table **slots = calloc(capacity, sizeof *slots);

    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < tables->capacity; i++)
        if (tables->slots[i] != NULL)
            *find_slot(slots, capacity, tables->slots[i]->schema, tables->slots[i]->table) = tables->slots[i];
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

static void free_table(const struct shape_tables *tables, struct shape_table *table)
{
    if (table == NULL)
        return;
    if (tables->release != NULL)
        tables->release(table);
    free((char *)table->schema.p);
    free((char *)table->table.p);
    free((char *)table->plain_schema.p);
    free((char *)table->plain_table.p);
    free(table);
}

static struct shape_table *new_table(const struct shape_tables *tables, struct cdc_span schema, struct cdc_span name)
{
    struct shape_table *table = calloc(1, tables->size);

    if (table == NULL)
        return NULL;
    table->schema = cdc_span(cdc_span_copy(schema), schema.n);
    table->table = cdc_span(cdc_span_copy(name), name.n);
    table->plain_schema = plain_of(schema);
    table->plain_table = plain_of(name);
    if (table->schema.p != NULL && table->table.p != NULL && table->plain_schema.p != NULL &&
        table->plain_table.p != NULL)
        return table;
    free_table(tables, table);
    return NULL;
}

void *shape_table_of(struct shape_tables *tables, const struct cdc_event *event, bool *is_new, struct cdc_error *error)
{
    struct cdc_span schema = schema_of(event);

    *is_new = false;
    if (tables->last != NULL && is_of(tables->last, schema, event->table))
        return tables->last;
    if (tables->n * 2 >= tables->capacity && grow(tables) != 0) {
        cdc_error_memory(error);
        return NULL;
    }
    struct shape_table **slot = find_slot(tables->slots, tables->capacity, schema, event->table);
    if (*slot == NULL) {
        if ((*slot = new_table(tables, schema, event->table)) == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        tables->n++;
        *is_new = true;
    }
    return tables->last = *slot;
}

void shape_tables_free(struct shape_tables *tables)
{
    for (size_t i = 0; i < tables->capacity; i++)
        free_table(tables, tables->slots[i]);
    free(tables->slots);
}

/* -- items ----------------------------------------------------------------------------- */

int shape_item_check(const char *option, const char *item, struct cdc_error *error)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    if (n != SIZE_MAX && (n == 0 || n >= SHAPE_PATTERN_MAX || item[n + 1] == '\0'))
        return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.100s\" does not name a table and what to do with it",
                             option, item);
    return cdc_utf8_valid(item, strlen(item)) && item[0] != '\0'
               ? 0
               : cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.100s\" is no text in UTF-8", option, item);
}

const char *shape_item_rest(const char *item, const struct shape_table *table)
{
    char pattern[SHAPE_PATTERN_MAX];
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    if (n == SIZE_MAX)
        return item;
    memcpy(pattern, item, n); /* shape_item_check has looked at its length */
    pattern[n] = '\0';
    return cdc_pattern_matches_table(pattern, table->plain_schema, table->plain_table, false) ? item + n + 1 : NULL;
}

bool shape_item_is_of_one(const char *item)
{
    bool is_name;
    return cdc_pattern_prefix(item, &is_name) != SIZE_MAX && is_name;
}
