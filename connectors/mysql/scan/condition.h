/* SPDX-License-Identifier: MIT */
/* --where TABLE:CONDITION: which rows of a table are read. */
#ifndef MY_CONDITION_H
#define MY_CONDITION_H

#include "connectors/mysql/decoder/table.h"

#include <cdc/error.h>
#include <cdc/options.h>
#include <cdc/selection.h>
#include <mysql.h>

/* All conditions of that table as one SQL expression, `(a) AND (b)`; *condition RETURNS NEW (free), or NULL where there is none.
 * The server has parsed each of them by itself. CONFIG with its words where one is no expression over the table's rows, and where
 * the table (db, name and has_key are looked at) has no key. where:
 * checked (table_texts.h). 0 or -1. */
int my_condition_make(MYSQL *mysql, const struct cdc_option_list *where, const struct cdc_selection *selection,
                      const struct my_table *table, char **condition, struct cdc_error *error);
/* Sets the error of a server that could not say whether the condition is true for a row: CONFIG with its words. -1; 0: it is another
 * kind of error. */
int my_condition_error(MYSQL *mysql, const struct my_table *table, struct cdc_error *error);

#endif
