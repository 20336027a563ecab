/* SPDX-License-Identifier: MIT */
/* Which columns of a table (--columns): snapshot and stream must mean the same, or rows of a copy would lack some for ever. */
#include <string.h>

#include <cdc/exit.h>
#include <cdc/pattern.h>
#include <cdc/selection.h>
#include <cdc/table_texts.h>

int cdc_selection_check_columns(const struct cdc_option_list *columns, struct cdc_error *error)
{
    static const char form[] = "TABLE:COLUMN,COLUMN";
    if (cdc_table_texts_check("--columns", form, columns, error) < 0)
        return -1;
    for (size_t i = 0; i < columns->count; i++) {
        bool is_name;
        const char *names = columns->items[i] + cdc_pattern_prefix(columns->items[i], &is_name) + 1;
        if (names[0] == ',' || names[strlen(names) - 1] == ',' || strstr(names, ",,"))
            return cdc_error_set(error, CDC_EXIT_USAGE, "--columns: \"%s\" is not of the form %s", columns->items[i],
                                 form);
    }
    return 0;
}

bool cdc_selection_next_column(const struct cdc_selection *selection, const char *schema, const char *table,
                               struct cdc_selection_walk *walk, struct cdc_span *name)
{
    while (!walk->rest || !*walk->rest)
        if ((walk->rest = cdc_table_texts_next(&selection->columns, &walk->at, selection, schema, table)) == NULL)
            return false;
    *name = cdc_span(walk->rest, strcspn(walk->rest, ","));
    walk->rest += name->n;
    walk->rest += *walk->rest == ',';
    return true;
}

bool cdc_selection_names_columns(const struct cdc_selection *selection, const char *schema, const char *table)
{
    size_t at = 0;
    return cdc_table_texts_next(&selection->columns, &at, selection, schema, table) != NULL;
}

bool cdc_selection_has_column(const struct cdc_selection *selection, const char *schema, const char *table,
                              const char *column)
{
    struct cdc_selection_walk walk = {0};
    struct cdc_span name;
    bool any = false;
    while (cdc_selection_next_column(selection, schema, table, &walk, &name)) {
        any = true;
        if (cdc_span_is(name, column))
            return true;
    }
    return !any;
}
