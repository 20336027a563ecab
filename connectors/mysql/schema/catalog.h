/* SPDX-License-Identifier: MIT */
/* What information_schema says of a table: of now, not of then. The one reader of its columns, with two uses. */
#ifndef MY_CATALOG_H
#define MY_CATALOG_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <mysql.h>

/* For the log: all of the table (only db and name of it are looked at), as text for my_columns_apply.
 * 1; 0: there is no such table, or it may not be seen; -1. */
int my_catalog_columns(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, struct cdc_buf *columns,
                       struct cdc_error *error);
/* For a snapshot: makes the columns, in the terms of the log, so that types and values read the same. PERMISSION: the user
 * may not read them all. */
int my_catalog_make(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error);

/* A query of information_schema about one table: head ends before the database's literal. RETURNS NEW */
MYSQL_RES *my_catalog_query(MYSQL *sql, const char *head, const char *tail, const struct my_table *table,
                            struct cdc_error *error);

#endif
