/* SPDX-License-Identifier: MIT */
/* Questions to the server. */
#ifndef PG_QUERY_H
#define PG_QUERY_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <libpq-fe.h>

/* Runs one statement, and waits for its result. With parameters it is a single one; without (n 0) it may be several, or a
 * command of the replication grammar. An answer without an end is PROTOCOL (wait.h). expected: PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_COPY_BOTH. what begins the error
 * ("cannot list the tables"). RETURNS NEW (PQclear); NULL on errors. */
PGresult *pg_query(PGconn *sql, const char *text, int n, const char *const *values, ExecStatusType expected,
                   const char *what, struct cdc_error *error);
/* The same, without a look at the result: the last one, or the first that begins a COPY. NULL: it was not waited for to its
 * end, and error says why. */
PGresult *pg_query_result(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                          struct cdc_error *error);
/* Rows of a catalog: PGRES_TUPLES_OK is expected. */
PGresult *pg_query_rows(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                        struct cdc_error *error);
/* One statement without parameters whose rows are taken as they come, and may be as many and as large as there are. take BORROWS each
 * row, the only one of its result. 0; -1: the statement failed, or take did not return 0. */
int pg_query_each(PGconn *sql, const char *text, const char *what,
                  int (*take)(void *context, const PGresult *row, struct cdc_error *error), void *context,
                  struct cdc_error *error);
/* The same as pg_query_rows for a question that is put for each table: it is prepared once in a connection, since planning it takes the server
 * longer than the answer. text: BORROWED for the life of the connection, and told from others by its address. */
PGresult *pg_query_often(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                         struct cdc_error *error);
/* A statement without rows. 0 or -1 */
int pg_query_run(PGconn *sql, const char *text, const char *what, struct cdc_error *error);
/* The result when its status is the expected one; else sets error, and NULL. TAKES result. */
PGresult *pg_query_expect(PGconn *sql, PGresult *result, ExecStatusType expected, const char *what,
                          struct cdc_error *error);
/* Sets error from the result's SQLSTATE (28xxx, 42501: PERMISSION; 42P01, 57014: TEMPORARY; 22, 42, 3D, 55000:
 * CONFIG; all else UNAVAILABLE). result NULL: the connection broke. Returns -1. */
int pg_query_fail(PGconn *sql, const PGresult *result, const char *what, struct cdc_error *error);
/* The exit status that a SQLSTATE stands for. */
int pg_query_status(const char *sqlstate);
/* The same for an error with this text. place: in the source of the server, which PostgreSQL tells with each error; NULL: it is another
 * program's, that of a pooler in between. text may be NULL. */
int pg_query_status_of(const char *sqlstate, const char *place, const char *text);
/* Appends a message of the server as one line, without the place in its source and the last line break. */
void pg_query_clean(struct cdc_buf *out, const char *message, size_t n);

/* Appends name in double quotes. */
void pg_query_identifier(struct cdc_buf *out, const char *name);
/* Appends "schema"."name". */
void pg_query_table(struct cdc_buf *out, const char *schema, const char *name);

#endif
