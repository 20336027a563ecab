/* SPDX-License-Identifier: MIT */
/* --columns: the publication's lists of columns. The server sends no others, and the snapshot reads no others. */
#ifndef PG_COLUMNS_H
#define PG_COLUMNS_H

#include "connectors/postgres/schema/catalog.h"

/* Appends ` ("id", "v")` for a table that --columns names, each name once; nothing for others. */
void pg_columns_append(struct cdc_buf *out, const struct pg_settings *settings, const struct pg_catalog_table *table);
/* CONFIG where an item names a table that is not read, or a column that the table has not or the server cannot send; where a column
 * of the replica identity is left out; and where the publication (exists: it is there) has another list for it. log: hears of
 * patterns that match nothing; may be NULL. 0 or -1. */
int pg_columns_check(PGconn *sql, const struct pg_settings *settings, const struct pg_catalog *catalog, bool exists,
                     const struct cdc_log *log, struct cdc_error *error);
/* The same of one table that is read, and of the names of all. */
int pg_columns_check_table(PGconn *sql, const struct pg_settings *settings, const struct pg_catalog_table *table,
                           bool exists, struct cdc_error *error);
int pg_columns_check_names(const struct pg_settings *settings, const struct pg_catalog *catalog, bool exists,
                           const struct cdc_log *log, struct cdc_error *error);

#endif
