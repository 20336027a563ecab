/* SPDX-License-Identifier: MIT */
/* What the rules mean for one table, found out at its first line. */
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

/* -- one table ------------------------------------------------------------------------ */

static int add_column(struct column **columns, size_t *n, struct cdc_names *by_name, struct column column)
{
    struct column *more = realloc(*columns, (*n + 1) * sizeof *more);

    if (more == NULL)
        return -1;
    *columns = more;
    more[*n] = column;
    return cdc_names_add(by_name, column.name, (*n)++);
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
        if ((only ? add_column(&table->allowed, &table->n_allowed, &table->allowed_by_name, column)
                  : add_column(&table->columns, &table->n_columns, &table->by_name, column)) != 0)
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
    cdc_names_free(&table->opened_by_name);
}

static void release(struct line_table *names)
{
    struct table *table = (struct table *)names;

    free(table->columns);
    free(table->allowed);
    cdc_names_free(&table->by_name);
    cdc_names_free(&table->allowed_by_name);
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

struct column *table_column(const struct table *table, struct cdc_span raw)
{
    size_t i = cdc_names_find(&table->by_name, raw);

    return i != SIZE_MAX ? &table->columns[i] : NULL;
}

bool table_allows(const struct tables *tables, const struct table *table, struct cdc_span raw)
{
    return !tables->rules->limited || cdc_names_find(&table->allowed_by_name, raw) != SIZE_MAX;
}

int table_add_opened(struct table *table, struct cdc_span raw)
{
    struct cdc_buf *more = realloc(table->opened, (table->n_opened + 1) * sizeof *more), name = CDC_BUF_INIT;

    if (more == NULL)
        return -1;
    table->opened = more;
    cdc_json_unescape(&name, raw);
    more[table->n_opened++] = name;
    return name.failed ||
                   cdc_names_add(&table->opened_by_name, cdc_span(name.len > 0 ? name.data : "", name.len), 0) != 0
               ? -1
               : 0;
}

bool table_opens(const struct table *table, struct cdc_span raw)
{
    return cdc_names_find(&table->opened_by_name, raw) != SIZE_MAX;
}
