/* SPDX-License-Identifier: MIT */
/* What a snapshot shows may not be on the server's disk yet: a commit with synchronous_commit = off is seen at once, and flushed a
 * moment later. A crash in between takes it back, and gives its id to another transaction:
 *
 *      INSERT row 7 (id 900) | our rows have 7 | crash | DELETE row 3 (id 900, again)
 *
 * Whoever keeps what was seen, to leave it out of the log later, would keep row 7 for ever, and lose the delete. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/retry.h>

#define FLUSH_MS 60000
#define FLUSH_STEP_MS 50

static const char what[] = "cannot ask how far the log is flushed";

/* The commit of a transaction that writes nothing has the server flush the log up to it before long. A session of its own, since
 * ours only reads; where it has none left for us, it flushes the log now and then by itself. */
static void hurry(struct snapshot_run *run)
{
    struct cdc_error ignored = {0};
    bool full;
    PGconn *sql = pg_connect_beside(run->pg, run->sql, &full, &ignored);
    PGresult *moved = sql ? pg_query_rows(sql, "SELECT pg_current_xact_id()", 0, NULL, what, &ignored) : NULL;
    PQclear(moved);
    PQfinish(sql);
}

/* 1 0 -1 */
static int is_flushed(struct snapshot_run *run, const char *lsn, struct cdc_error *error)
{
    PGresult *result =
        pg_query_rows(run->sql, "SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn AS flushed", 1, &lsn, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int flushed = pg_answer_true(&row, "flushed");
    PQclear(result);
    return pg_answer_good(&row, what, error) < 0 ? -1 : flushed;
}

int pg_snapshot_await_flush(struct snapshot_run *run, const char *lsn, struct cdc_error *error)
{
    int flushed = is_flushed(run, lsn, error);
    if (flushed == 0)
        hurry(run);
    for (int waited = 0; flushed == 0 && waited < FLUSH_MS; waited += FLUSH_STEP_MS) {
        if (cdc_retry_wait(FLUSH_STEP_MS, run->control, "the server to flush its log"))
            return cdc_snapshot_stopped(error);
        flushed = is_flushed(run, lsn, error);
    }
    return flushed != 0 ? (flushed < 0 ? -1 : 0)
                        : cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                        "the server has not flushed its log up to %s: what is read could be taken back "
                                        "by a crash",
                                        lsn);
}
