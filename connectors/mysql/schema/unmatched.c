/* SPDX-License-Identifier: MIT */
/* Which patterns match no table. */
#include "connectors/mysql/schema/unmatched.h"
#include "connectors/mysql/schema/catalog.h"

#include <cdc/table_texts.h>
#include <stdlib.h>
#include <string.h>

/* Marks the patterns that match the table. */
static void mark(const struct cdc_selection *selection, const struct cdc_option_list *patterns, MYSQL_ROW row,
                 bool *matched)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (!matched[i])
            matched[i] =
                cdc_selection_matches(selection, patterns->items[i], cdc_span_text(row[0]), cdc_span_text(row[1]));
}

static void report(const char *what, const char *pattern, const struct cdc_log *log)
{
    cdc_log_write(
        log, CDC_LOG_WARNING,
        "%s '%s' matches no table that the user may see (hint: fix it, it is database.table; or GRANT SELECT on "
        "the table to the user; one that is made later is captured from its first row on)",
        what, pattern);
}

static bool is_exact(const char *pattern)
{
    return strpbrk(pattern, "*?") == NULL;
}

int my_unmatched_report(MYSQL *sql, const struct cdc_selection *selection, const struct cdc_log *log,
                        const char **exact, struct cdc_error *error)
{
    const struct cdc_option_list *include = &selection->include, *exclude = &selection->exclude;
    MYSQL_RES *result = my_catalog_list_names(sql, error);
    if (!result)
        return -1;
    bool *matched = calloc(include->count + exclude->count + 1, sizeof *matched);
    int selected = 0;
    for (MYSQL_ROW row; matched && (row = mysql_fetch_row(result)) != NULL;) {
        if (!row[0] || !row[1])
            continue;
        mark(selection, include, row, matched);
        mark(selection, exclude, row, matched + include->count);
        selected += cdc_selection_has_table(selection, row[0], row[1]);
    }
    mysql_free_result(result);
    if (!matched)
        return cdc_error_memory(error);
    for (size_t i = 0; i < include->count; i++) {
        if (matched[i])
            continue;
        report("pattern", include->items[i], log);
        if (exact && is_exact(include->items[i]))
            *exact = include->items[i];
    }
    for (size_t i = 0; i < exclude->count; i++)
        if (!matched[include->count + i] && !my_selection_is_own(exclude->items[i]))
            report("-T, pattern", exclude->items[i], log);
    free(matched);
    return selected;
}

/* -- columns -- */

static void mark_columns(const struct cdc_selection *selection, MYSQL_ROW row, bool *matched)
{
    for (size_t i = 0; i < selection->columns.count; i++) {
        const struct cdc_option_list one = {&selection->columns.items[i], 1};
        size_t at = 0;
        if (!matched[i])
            matched[i] = cdc_selection_has_table(selection, row[0], row[1]) &&
                         cdc_table_texts_next(&one, &at, selection, row[0], row[1]) != NULL;
    }
}

static int refuse_item(const char *item, bool stops, const struct cdc_log *log, struct cdc_error *error)
{
    static const char text[] = "no table that is selected matches --columns '%.200s'";
    if (!stops || !cdc_table_texts_is_name(item)) {
        cdc_log_write(log, CDC_LOG_WARNING, text, item);
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, text, item);
    return cdc_error_hint(error, "TABLE is database.table, or a table in any database, as with -t");
}

int my_unmatched_columns(MYSQL *sql, const struct cdc_selection *selection, bool stops, const struct cdc_log *log,
                         struct cdc_error *error)
{
    size_t n = selection->columns.count;
    MYSQL_RES *result = n > 0 ? my_catalog_list_names(sql, error) : NULL;
    if (!result)
        return n > 0 ? -1 : 0;
    bool *matched = calloc(n, sizeof *matched);
    for (MYSQL_ROW row; matched && (row = mysql_fetch_row(result)) != NULL;)
        if (row[0] && row[1])
            mark_columns(selection, row, matched);
    mysql_free_result(result);
    int status = matched ? 0 : cdc_error_memory(error);
    for (size_t i = 0; status == 0 && i < n; i++)
        if (!matched[i])
            status = refuse_item(selection->columns.items[i], stops, log, error);
    free(matched);
    return status;
}
