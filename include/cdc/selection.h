/* SPDX-License-Identifier: MIT */
/* Which tables: the patterns (pattern.h) of -t and -T. */
#ifndef CDC_SELECTION_H
#define CDC_SELECTION_H

#include <cdc/options.h>

/* A table is selected that matches any pattern of include (where there is none: every table) and none of exclude, which
 * wins. Two lists of options, so that a program's table of options fills them. Settings embed a copy, which BORROWS. */
struct cdc_selection {
    struct cdc_option_list include, exclude;
    bool any_case; /* A to Z match as a to z: a server that keeps names in lower case, whatever was typed */
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
/* Frees the lists, not the texts in them. */
void cdc_selection_free(struct cdc_selection *selection);

#endif
