/* SPDX-License-Identifier: MIT */
/* What information_schema says of a table: of now, not of then. */
#ifndef MY_CATALOG_H
#define MY_CATALOG_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <mysql.h>

/* A query of information_schema about one table: head ends before the database's literal. RETURNS NEW */
MYSQL_RES *my_catalog_query(MYSQL *mysql, const char *head, const char *tail, const struct my_table *table,
                            struct cdc_error *error);
/* EXTRA of information_schema.COLUMNS */
bool my_catalog_is_generated(const char *extra);
/* All columns of the table, by its names alone, as text for my_columns_apply (columns_read.c): 1; 0: there is no such
 * table, or it may not be seen; -1. */
int my_catalog_columns(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, struct cdc_buf *columns,
                       struct cdc_error *error);
/* What information_schema adds to named columns: the types' names, what is generated, MariaDB's JSON. */
int my_catalog_describe(MYSQL *mysql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error);
/* Fills the columns of a table of which only db and name are set, for my_table_prepare. PERMISSION when the user may not
 * read all of them. */
int my_catalog_make(MYSQL *mysql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error);

#endif
