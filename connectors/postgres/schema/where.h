/* SPDX-License-Identifier: MIT */
/* The rows of a table that the user wants read: an SQL condition of his, in our statements. */
#ifndef PG_WHERE_H
#define PG_WHERE_H

#include "connectors/postgres/schema/catalog.h"

#include <cdc/table_texts.h>

/* *text RETURNS NEW: the condition for that table, of all items that match it; NULL: there is none. items: TABLE:CONDITION, or NULL. 0, or -1
 * without memory. */
int pg_where_text(const struct pg_settings *settings, const struct cdc_option_list *items,
                  const struct pg_catalog_table *table, char **text, struct cdc_error *error);
/* Does the server take each of them as one condition on that table, and does the stream make up for the rows that are not read?
 * CONFIG when not. */
int pg_where_check(PGconn *sql, const struct pg_settings *settings, const struct cdc_option_list *items,
                   const struct pg_catalog_table *table, struct cdc_error *error);
/* CONFIG when an item names a table that is not among those that are read; a pattern that matches none is warned of. */
int pg_where_check_names(const struct pg_settings *settings, const struct cdc_option_list *items,
                         const struct pg_catalog *catalog, const struct cdc_log *log, struct cdc_error *error);

#endif
