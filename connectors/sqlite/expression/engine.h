/* SPDX-License-Identifier: MIT */
/* The database in memory, without a table, in which expressions are run. */
#ifndef EXPRESSION_ENGINE_H
#define EXPRESSION_ENGINE_H

#include <sqlite3.h>

#include "connectors/sqlite/expression/expression.h"

/* A statement that all tables share for which the SQL is the same: a schema for each customer has thousands of them. */
struct statement {
    char *sql;
    sqlite3_stmt *handle;
    size_t uses;
    struct statement *next; /* in its bucket */
};
#define STATEMENT_BUCKETS 4096

struct lite_engine {
    sqlite3 *database;
    sqlite3_vfs clock; /* SQLite's own, but for the time, which is not to be had */
    char name[40];     /* of that */
    bool clock_was_read;
    bool limit_is_high;
    int calls; /* of the progress handler, in this run */
    struct cdc_buf scratch;
    struct statement *statements[STATEMENT_BUCKETS];
};

/* The statement of that SQL; *is_new: nobody had it before. CONFIG where SQLite does not take it. Given back with
 * engine_release. */
struct statement *engine_statement(struct lite_engine *engine, const char *sql, bool *is_new, struct cdc_error *error);
void engine_release(struct lite_engine *engine, struct statement *statement); /* NULL is fine */

/* For a row of so many bytes: results may be twice as large as it, and 16 MiB where it is small. */
void engine_limit(struct lite_engine *engine, size_t bytes);

#endif
