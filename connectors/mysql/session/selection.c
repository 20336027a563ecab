/* SPDX-License-Identifier: MIT */
/* Which tables are read, as snapshot and log share it: -t and -T, else the URL's database, else all but the servers' own. */
#include "connectors/mysql/session/session.h"

#include <cdc/pattern.h>
#include <stdlib.h>

static const char *const system_tables[] = {"mysql.*", "sys.*", "performance_schema.*", "information_schema.*"};

void my_selection_free(struct my_selection *selection)
{
    free(selection->include);
    free(selection->exclude);
    free(selection->database_pattern);
}

static int take_database(struct my_selection *selection, const char *db, struct cdc_error *error)
{
    struct cdc_buf pattern = CDC_BUF_INIT;
    cdc_buf_printf(&pattern, "%s.*", db);
    cdc_buf_byte(&pattern, '\0');
    if (pattern.failed)
        return cdc_error_memory(error);
    selection->database_pattern = pattern.data;
    selection->include[selection->patterns.n_include++] = pattern.data;
    return 0;
}

int my_selection_make(struct my_selection *selection, const struct cdc_option_list *tables,
                      const struct cdc_option_list *exclude, const char *db, struct cdc_error *error)
{
    struct my_patterns *patterns = &selection->patterns;
    size_t n_system = sizeof system_tables / sizeof *system_tables;
    memset(selection, 0, sizeof *selection);
    patterns->include = selection->include = calloc(tables->count + 1, sizeof *selection->include);
    patterns->exclude = selection->exclude = calloc(exclude->count + n_system, sizeof *selection->exclude);
    if (!selection->include || !selection->exclude)
        return cdc_error_memory(error);
    for (size_t i = 0; i < tables->count; i++)
        selection->include[patterns->n_include++] = tables->items[i];
    for (size_t i = 0; i < exclude->count; i++)
        selection->exclude[patterns->n_exclude++] = exclude->items[i];
    if (patterns->n_include > 0)
        return 0;
    if (db)
        return take_database(selection, db, error);
    memcpy(selection->exclude + patterns->n_exclude, system_tables, sizeof system_tables);
    patterns->n_exclude += n_system;
    return 0;
}

bool my_patterns_select(const struct my_patterns *patterns, const char *db, const char *table)
{
    return db && table &&
           cdc_table_selected(patterns->include, patterns->n_include, patterns->exclude, patterns->n_exclude,
                              cdc_span_text(db), cdc_span_text(table));
}
