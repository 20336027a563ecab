/* SPDX-License-Identifier: MIT */
/* Which tables. Everybody asks here, sources, snapshot and filter, so that -t means the same everywhere: a table that
 * the snapshot took and the stream did not would be frozen at the destination. */
#include <stdlib.h>

#include <cdc/pattern.h>
#include <cdc/selection.h>

bool cdc_selection_matches(const struct cdc_selection *selection, const char *pattern, struct cdc_span schema,
                           struct cdc_span table)
{
    return cdc_pattern_matches_table(pattern, schema, table, selection->any_case);
}

static bool any_matches(const struct cdc_selection *selection, const struct cdc_option_list *patterns,
                        struct cdc_span schema, struct cdc_span table)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (cdc_selection_matches(selection, patterns->items[i], schema, table))
            return true;
    return false;
}

bool cdc_selection_has(const struct cdc_selection *selection, struct cdc_span schema, struct cdc_span table)
{
    if (selection->include.count != 0 && !any_matches(selection, &selection->include, schema, table))
        return false;
    return !any_matches(selection, &selection->exclude, schema, table);
}

bool cdc_selection_has_table(const struct cdc_selection *selection, const char *schema, const char *table)
{
    return cdc_selection_has(selection, cdc_span_text(schema), cdc_span_text(table));
}

bool cdc_selection_has_some_of(const struct cdc_selection *selection, const char *schema)
{
    const struct cdc_option_list *include = &selection->include, *exclude = &selection->exclude;
    bool some = include->count == 0;

    for (size_t i = 0; i < include->count; i++)
        some |= cdc_pattern_matches_some_of(include->items[i], cdc_span_text(schema), selection->any_case);
    for (size_t i = 0; i < exclude->count; i++)
        some &= !cdc_pattern_matches_all_of(exclude->items[i], cdc_span_text(schema), selection->any_case);
    return some;
}

static int copy_list(struct cdc_option_list *copy, const struct cdc_option_list *list, struct cdc_error *error)
{
    for (size_t i = 0; i < list->count; i++)
        if (cdc_option_list_add(copy, list->items[i], error) != 0)
            return -1;
    return 0;
}

int cdc_selection_copy(struct cdc_selection *copy, const struct cdc_selection *selection, struct cdc_error *error)
{
    *copy = (struct cdc_selection){.any_case = selection->any_case};
    if (copy_list(&copy->include, &selection->include, error) != 0)
        return -1;
    if (copy_list(&copy->exclude, &selection->exclude, error) != 0)
        return -1;
    return copy_list(&copy->columns, &selection->columns, error);
}

void cdc_selection_free(struct cdc_selection *selection)
{
    free(selection->include.items);
    free(selection->exclude.items);
    free(selection->columns.items);
    *selection = (struct cdc_selection){.any_case = false};
}
