/* SPDX-License-Identifier: MIT */
/* Which tables: the patterns (pattern.h) of -t and -T; and which of their columns: --columns. */
#ifndef CDC_SELECTION_H
#define CDC_SELECTION_H

#include <cdc/options.h>

/* A table is selected that matches any pattern of include (where there is none: every table) and none of exclude, which
 * wins. Two lists of options, so that a program's table of options fills them. Settings embed a copy, which BORROWS. */
struct cdc_selection {
    struct cdc_option_list include, exclude;
    bool any_case; /* A to Z match as a to z: a server that keeps names in lower case, whatever was typed */
    /* TABLE:COLUMN,COLUMN (checked below). A table that some of them match has the columns that these name; every other one has
     * all. */
    struct cdc_option_list columns;
};

/* schema may be empty; for MySQL it is the database. */
bool cdc_selection_has(const struct cdc_selection *selection, struct cdc_span schema, struct cdc_span table);
/* Could a table of that schema be selected? */
bool cdc_selection_has_some_of(const struct cdc_selection *selection, const char *schema);
/* One pattern, of include or exclude. */
bool cdc_selection_matches(const struct cdc_selection *selection, const char *pattern, struct cdc_span schema,
                           struct cdc_span table);
/* The same as cdc_selection_has of names that end with a NUL. */
bool cdc_selection_has_table(const struct cdc_selection *selection, const char *schema, const char *table);
/* Makes *copy, to be freed in any case, lists of their own with the same BORROWED texts, to add to. 0, or -1. */
int cdc_selection_copy(struct cdc_selection *copy, const struct cdc_selection *selection, struct cdc_error *error);
/* USAGE unless each item has that form, in UTF-8. 0 or -1. */
int cdc_selection_check_columns(const struct cdc_option_list *columns, struct cdc_error *error);
/* The columns that are named for a table, as often as they are: from {0} on; false at the end. */
struct cdc_selection_walk {
    size_t at;
    const char *rest;
};
bool cdc_selection_next_column(const struct cdc_selection *selection, const char *schema, const char *table,
                               struct cdc_selection_walk *walk, struct cdc_span *name);
/* Does some item match the table? */
bool cdc_selection_names_columns(const struct cdc_selection *selection, const char *schema, const char *table);
/* Where none does, it has every column. */
bool cdc_selection_has_column(const struct cdc_selection *selection, const char *schema, const char *table,
                              const char *column);
/* Frees the lists, not the texts in them. */
void cdc_selection_free(struct cdc_selection *selection);

#endif
