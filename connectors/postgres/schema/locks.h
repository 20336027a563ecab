/* SPDX-License-Identifier: MIT */
/* Questions that wait for tables which somebody else holds locked. */
#ifndef PG_LOCKS_H
#define PG_LOCKS_H

#include <cdc/error.h>
#include <libpq-fe.h>

/* For whoever starts, and has nothing else to do. */
#define PG_LOCKS_PATIENCE_MS 10000

/* The locks of others that a question waits for: one that reads tables (the server's list of a publication's tables opens each
 * of them), one that publishes them. */
#define PG_LOCKS_READ "{AccessExclusiveLock}"
#define PG_LOCKS_PUBLISH "{AccessExclusiveLock,ExclusiveLock,ShareRowExclusiveLock,ShareLock,ShareUpdateExclusiveLock}"

struct pg_locks {
    const char *modes;
    int patience_ms;
};
/* As pg_query (session/query.h), but TEMPORARY after patience_ms, with the tables and who holds them. A transaction is rolled
 * back then. RETURNS NEW */
PGresult *pg_locks_query(PGconn *sql, const struct pg_locks *locks, const char *text, int n, const char *const *values,
                         ExecStatusType expected, const char *what, struct cdc_error *error);

#endif
