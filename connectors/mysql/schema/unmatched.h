/* SPDX-License-Identifier: MIT */
/* Patterns of -t and -T, and databases of URLs, that stand for no table. */
#ifndef MY_UNMATCHED_H
#define MY_UNMATCHED_H

#include "connectors/mysql/session/session.h"

#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/selection.h>

/* Warns of each pattern that matches no table which the user may see. A table that is made later is captured from its first
 * row on, so that this stops no stream. *exact (BORROWED; may be NULL): one of -t without a wildcard; NULL where there is none.
 * The number of tables that are selected, or -1. */
int my_unmatched_report(MYSQL *sql, const struct cdc_selection *selection, const struct cdc_log *log,
                        const char **exact, struct cdc_error *error);

/* The same of --columns, where a slip would let columns out that must not leave: CONFIG for one that names a table without a
 * wildcard, where stops; else a warning. 0 or -1. */
int my_unmatched_columns(MYSQL *sql, const struct cdc_selection *selection, bool stops, const struct cdc_log *log,
                         struct cdc_error *error);

#endif
