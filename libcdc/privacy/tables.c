/* SPDX-License-Identifier: MIT */
/* What the rules mean for one table, found out at its first line. */
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

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

static void release(struct line_table *names)
{
    struct table *table = (struct table *)names;

    free(table->columns);
    free(table->allowed);
    table_forget_opened(table);
    cdc_buf_free(&table->bound_name);
    cdc_buf_free(&table->bound);
}

static int fill(void *context, struct line_table *names, struct cdc_error *error)
{
    struct rules *rules = context;

    for (size_t i = 0; i < rules->n; i++)
        if (rule_applies(&rules->items[i], names->plain_schema, names->plain_table) &&
            add_rule((struct table *)names, &rules->items[i]) != 0)
            return cdc_error_memory(error);
    return 0;
}

/* -- all of them ----------------------------------------------------------------------- */

void tables_init(struct tables *tables, struct rules *rules)
{
    tables->rules = rules;
    tables->by_name = (struct line_tables){
        .size = sizeof(struct table), .of_source = true, .release = release, .fill = fill, .context = rules};
}

struct table *tables_find(struct tables *tables, const struct cdc_event *event, struct cdc_error *error)
{
    return line_table_of(&tables->by_name, event, NULL, error);
}

void tables_free(struct tables *tables)
{
    line_tables_free(&tables->by_name);
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
