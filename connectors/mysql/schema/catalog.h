/* SPDX-License-Identifier: MIT */
/* What information_schema says of a table: of now, not of then. The one reader of tables and columns. */
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
/* For files that name them, and a server that the user names for it: adds the types' names, what is generated,
 * MariaDB's JSON and the end of a row's time. Columns that are no more, or of another type now, stay as they are. */
int my_catalog_describe(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error);
/* For a snapshot: makes the columns, in the terms of the log, so that types and values read the same. Those that lines
 * omit (my_column_is_omitted) are not made. PERMISSION: the user may not read them all. */
int my_catalog_make(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error);

/* Sets sequence of a table that may be one. The columns of all of them are the same, and no ALTER SEQUENCE changes
 * them. */
int my_catalog_tell_sequence(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error);

/* 1: the table has a primary key now, so that no other index is its key, or there is none of that name; 0; -1. */
int my_catalog_keeps_key(MYSQL *sql, const char *db, const char *name, struct cdc_error *error);
/* 1: there is a view or a sequence of that name now; 0; -1. */
int my_catalog_is_no_table(MYSQL *sql, const char *db, const char *name, struct cdc_error *error);
/* 1: the user may not SELECT from a table of that name, whether there is one or not; 0; -1. */
int my_catalog_is_refused(MYSQL *sql, const char *db, const char *name, struct cdc_error *error);
/* 1: the table has generated columns now; 0; -1. */
int my_catalog_computes(MYSQL *sql, const char *db, const char *name, struct cdc_error *error);
/* 1: the table's default charset, or the column's, is `binary` now, or the column has none; 0; -1. */
int my_catalog_may_be_bytes(MYSQL *sql, const char *db, const char *name, const char *column, struct cdc_error *error);

/* All tables that the user may see, with an engine; those of information_schema and performance_schema are none. A row
 * has TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, ENGINE, CREATE_TIME, CREATE_OPTIONS; the
 * order is that of the names' bytes. RETURNS NEW */
MYSQL_RES *my_catalog_list(MYSQL *sql, struct cdc_error *error);
/* The first two only: for the others the server opens each table. RETURNS NEW */
MYSQL_RES *my_catalog_list_names(MYSQL *sql, struct cdc_error *error);
/* Those of one database of MariaDB, the same way, of which the log, with FULL metadata, may not say all: see
 * my_table_is_ambiguous, and generated columns. One database at a time, since with that name as a constant the server
 * opens no table of others. RETURNS NEW */
MYSQL_RES *my_catalog_list_ambiguous(MYSQL *sql, const char *db, struct cdc_error *error);

/* What their columns tell of one of them. */
struct my_catalog_table {
    const char *db, *name, *engine; /* BORROWED */
    uint64_t n_columns;
    bool has_key;
    bool ambiguous_key;           /* see my_row_key_is_ambiguous */
    bool omits;                   /* columns that lines omit (my_column_is_omitted) */
    bool versions_by_transaction; /* MariaDB: a period of two BIGINT columns */
    bool partitioned;
    bool hidden; /* the user may not SELECT all columns */
};
/* What a snapshot can make of an engine's tables. */
enum my_engine {
    MY_ENGINE_FROZEN, /* rows as they were at one point of the log */
    MY_ENGINE_LIVE,   /* rows as they are when they are read: the log puts right what has a key, and whole images */
    MY_ENGINE_ELSEWHERE /* its rows are another table's, another server's, or nobody's: they change without a line in the log */
};
enum my_engine my_catalog_engine(const char *engine);
typedef void my_catalog_visit(void *context, const struct my_catalog_table *table);
/* Calls visit for each of them. It may not ask the same session. */
int my_catalog_each(MYSQL *sql, enum my_flavor flavor, my_catalog_visit *visit, void *context, struct cdc_error *error);

/* A query of information_schema about one table: head ends before the database's literal. RETURNS NEW */
MYSQL_RES *my_catalog_query(MYSQL *sql, const char *head, const char *tail, const struct my_table *table,
                            struct cdc_error *error);

#endif
