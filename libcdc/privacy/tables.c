/* SPDX-License-Identifier: MIT */
/* What the rules mean for one table, found out at its first line. */
#include <stdlib.h>

#include "libcdc/privacy/internal.h"
#include <cdc/hash.h>

/* -- one table ------------------------------------------------------------------------ */

static int add_column(struct column **columns, size_t *n, struct column column)
{
    struct column *more = realloc(*columns, (*n + 1) * sizeof *more);

    if (more == NULL)
        return -1;
    *columns = more;
    more[(*n)++] = column;
    return 0;
}

static int add_rule(struct table *table, struct rule *rule)
{
    bool only = rule->action == ACTION_ONLY;
    struct cdc_span rest = rule->names;
    struct column column = {.action = rule->action, .rule = rule};

    if (rule->action == ACTION_SUBJECT) {
        /* One that names its tables is meant rather than one for all of them; else the last one is. */
        if (table->subject_rule == NULL || table->subject_rule->pattern == NULL || rule->pattern != NULL) {
            table->subject = rule->names;
            table->subject_rule = rule;
        }
        return 0;
    }
    table->is_listed |= only;
    for (; rule_next_name(&rest, &column.name); column.index++)
        if (add_column(only ? &table->allowed : &table->columns, only ? &table->n_allowed : &table->n_columns,
                       column) != 0)
            return -1;
    return 0;
}

void table_forget_opened(struct table *table)
{
    for (size_t i = 0; i < table->n_opened; i++)
        cdc_buf_free(&table->opened[i]);
    free(table->opened);
    table->opened = NULL;
    table->n_opened = 0;
}

static void free_table(struct table *table)
{
    if (table == NULL)
        return;
    free((char *)table->schema.p);
    free((char *)table->table.p);
    free((char *)table->plain_schema.p);
    free((char *)table->plain_table.p);
    free(table->columns);
    free(table->allowed);
    table_forget_opened(table);
    cdc_buf_free(&table->bound_name);
    cdc_buf_free(&table->bound);
    free(table);
}

static bool unescape(struct cdc_span *plain, struct cdc_span raw)
{
    size_t n = 0;

    plain->p = cdc_json_text(raw, &n);
    plain->n = n;
    return plain->p != NULL;
}

static struct table *new_table(struct rules *rules, struct cdc_span schema, struct cdc_span name)
{
    struct table *table = calloc(1, sizeof *table);
    bool good = table != NULL;

    if (good) {
        table->schema = cdc_span(cdc_span_copy(schema), schema.n);
        table->table = cdc_span(cdc_span_copy(name), name.n);
        good = unescape(&table->plain_schema, schema) && unescape(&table->plain_table, name) &&
               table->schema.p != NULL && table->table.p != NULL;
    }
    for (size_t i = 0; good && i < rules->n; i++)
        if (rule_applies(&rules->items[i], table->plain_schema, table->plain_table))
            good = add_rule(table, &rules->items[i]) == 0;
    if (good)
        return table;
    free_table(table);
    return NULL;
}

/* -- all of them ----------------------------------------------------------------------- */

static bool is_of(const struct table *table, struct cdc_span schema, struct cdc_span name)
{
    return cdc_span_equal(table->table, name) && cdc_span_equal(table->schema, schema);
}

static struct table **find_slot(struct table **slots, size_t capacity, struct cdc_span schema, struct cdc_span name)
{
    /* 0xff is in no UTF-8 text: it keeps the two names apart. */
    uint64_t hash = cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, schema), 0xff), name);
    size_t i = cdc_hash_fold(hash) & (capacity - 1);

    while (slots[i] != NULL && !is_of(slots[i], schema, name))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static int grow(struct tables *tables)
{
    size_t capacity = tables->capacity > 0 ? tables->capacity * 2 : 64;
    struct table **slots = calloc(capacity, sizeof *slots);

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

struct table *tables_find(struct tables *tables, const struct cdc_event *event, struct cdc_error *error)
{
    /* MySQL has databases where PostgreSQL has schemas. */
    struct cdc_span schema = event->schema.p != NULL ? event->schema : event->db;

    if (tables->last != NULL && is_of(tables->last, schema, event->table))
        return tables->last;
    if (tables->n * 2 >= tables->capacity && grow(tables) != 0) {
        cdc_error_memory(error);
        return NULL;
    }
    struct table **slot = find_slot(tables->slots, tables->capacity, schema, event->table);
    if (*slot == NULL) {
        if ((*slot = new_table(tables->rules, schema, event->table)) == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        tables->n++;
    }
    return tables->last = *slot;
}

void tables_free(struct tables *tables)
{
    for (size_t i = 0; i < tables->capacity; i++)
        free_table(tables->slots[i]);
    free(tables->slots);
}

/* -- its columns ------------------------------------------------------------------------ */

bool table_is_touched(const struct tables *tables, const struct table *table, bool decrypt)
{
    return tables->rules->limited || decrypt || table->n_columns > 0;
}

static inline struct column *find_column(struct column *columns, size_t n, struct cdc_span raw)
{
    /* An escape is longer than what it stands for, and begins with a backslash. */
    for (size_t i = 0; i < n; i++)
        if (raw.n >= columns[i].name.n && (raw.n > columns[i].name.n || raw.p[0] == columns[i].name.p[0]) &&
            cdc_json_raw_is(raw, columns[i].name))
            return &columns[i];
    return NULL;
}

struct column *table_column(const struct table *table, struct cdc_span raw)
{
    return find_column(table->columns, table->n_columns, raw);
}

bool table_allows(const struct tables *tables, const struct table *table, struct cdc_span raw)
{
    return !tables->rules->limited || find_column(table->allowed, table->n_allowed, raw) != NULL;
}

int table_add_opened(struct table *table, struct cdc_span raw)
{
    struct cdc_buf *more = realloc(table->opened, (table->n_opened + 1) * sizeof *more);

    if (more == NULL)
        return -1;
    table->opened = more;
    more[table->n_opened] = (struct cdc_buf)CDC_BUF_INIT;
    cdc_json_unescape(&more[table->n_opened], raw);
    return more[table->n_opened++].failed ? -1 : 0;
}

bool table_opens(const struct table *table, struct cdc_span raw)
{
    for (size_t i = 0; i < table->n_opened; i++)
        if (cdc_json_raw_is(raw, cdc_span(table->opened[i].data, table->opened[i].len)))
            return true;
    return false;
}
