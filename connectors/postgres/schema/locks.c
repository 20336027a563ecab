/* SPDX-License-Identifier: MIT */
/* Questions that wait for tables which somebody else holds locked: not for ever, and not without a word of whom. */
#include "connectors/postgres/schema/locks.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <stdio.h>
#include <string.h>

static int set_timeout(PGconn *sql, int ms, struct cdc_error *error)
{
    char text[64];
    snprintf(text, sizeof text, "SET lock_timeout = %d", ms);
    return pg_query_run(sql, text, "cannot prepare the session", error);
}

/* Who has such a lock, or waits for it before us: those that hold one first, the oldest first. What a role may not see of
 * others (state, times) is NULL. A prepared transaction has no process. */
static const char holders_sql[] =
    "SELECT string_agg(who, '; ') AS who FROM (SELECT format('%s is locked by %s', c.oid::regclass, CASE WHEN l.pid IS "
    "NULL THEN (SELECT coalesce(max(format('prepared transaction %L', p.gid)), 'a prepared transaction') FROM pg_locks "
    "x JOIN pg_prepared_xacts p ON p.transaction = x.transactionid WHERE x.virtualtransaction = l.virtualtransaction "
    "AND x.locktype = 'transactionid') ELSE format('pid %s (%s)', l.pid, concat_ws(', ', a.usename, "
    "a.state, "
    "'for ' || floor(extract(epoch FROM clock_timestamp() - a.xact_start)) || ' s')) END) AS who "
    "FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND c.relkind IN ('r', 'p') AND l.mode = ANY ($1::text[]) AND l.pid IS DISTINCT FROM pg_backend_pid() "
    "ORDER BY NOT l.granted, a.xact_start, c.oid LIMIT 3) w";

static void name_holders(PGconn *sql, const char *modes, const char *what, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    PGresult *result = pg_query_rows(sql, holders_sql, 1, &modes, what, &ignored);
    struct pg_answer row = {.result = result};
    const char *who = result ? pg_answer_text_or_null(&row, "who") : NULL;
    if (who)
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: table %.400s", what, who);
    else /* gone by now, or hidden from this role */
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: a table is locked by another session (pg_locks)", what);
    cdc_error_hint(error,
                   "wait for its end, or end it: SELECT pg_terminate_backend(pid), or COMMIT PREPARED or ROLLBACK "
                   "PREPARED in this database");
    PQclear(result);
}

PGresult *pg_locks_query(PGconn *sql, const struct pg_locks *locks, const char *text, int n, const char *const *values,
                         ExecStatusType expected, const char *what, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    if (set_timeout(sql, locks->patience_ms, error) < 0)
        return NULL;
    PGresult *result = pg_query_result(sql, text, n, values, what, error);
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool locked = state && strcmp(state, "55P03") == 0;
    if (locked) {
        PQclear(result);
        result = NULL;
    }
    if (PQtransactionStatus(sql) == PQTRANS_INERROR)
        (void)pg_query_run(sql, "ROLLBACK", "cannot roll back", &ignored);
    if (locked)
        name_holders(sql, locks->modes, what, error);
    else if (result)
        result = pg_query_expect(sql, result, expected, what, error);
    if (set_timeout(sql, 0, result ? error : &ignored) == 0 || !result)
        return result;
    PQclear(result);
    return NULL;
}
