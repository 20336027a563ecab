/* SPDX-License-Identifier: MIT */
/* --until: a position, a time, or what is committed now. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <poll.h>
#include <string.h>

int pg_until_parse(const char *text, uint64_t *lsn, int64_t *ms, struct cdc_error *error)
{
    *lsn = 0;
    *ms = 0;
    if (!text || strcmp(text, "now") == 0 || pg_lsn_parse(text, lsn) || cdc_time_parse(text, ms))
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--until '%.64s' is neither now, nor an LSN, nor a time", text);
    return cdc_error_hint(error, "for instance 16/B374D848 or 2026-11-21T09:28:42Z");
}

/* A position just after the header of a page is the end of the page before: no record ends between them. The flush
 * position may stand at 0/2000018 (page 0/2000000, a header of 24 bytes, 40 at the start of a segment) where the
 * last commit ended at 0/2000000: no boundary would ever reach it, and the run never end. To take off a header where
 * a record did end is harmless: that record began on the page before, so no earlier boundary lies in between. */
static uint64_t without_page_header(uint64_t lsn)
{
    uint64_t in_page = lsn & 8191;
    return in_page == 24 || (in_page == 40 && (lsn & 0xFFFFF) == 40) ? lsn - in_page : lsn;
}

/* With synchronous_commit=off a commit is visible before it is flushed, and only flushed WAL is streamed. So flush
 * is to catch up with insert: the WAL writer does so every 200 ms (wal_writer_delay), eight times 100 ms are its
 * time. */
int pg_bounds_now(PGconn *sql, uint64_t *lsn, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the end of the log";
    for (int tries = 0;; tries++) {
        PGresult *result =
            pg_query_rows(sql,
                          "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
                          "pg_current_wal_flush_lsn() END AS flushed, CASE WHEN pg_is_in_recovery() "
                          "THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS inserted",
                          0, NULL, what, error);
        if (!result)
            return -1;
        struct pg_answer row = {.result = result};
        *lsn = without_page_header(pg_answer_lsn(&row, "flushed"));
        uint64_t inserted = without_page_header(pg_answer_lsn(&row, "inserted"));
        PQclear(result);
        if (pg_answer_good(&row, what, error) < 0)
            return -1;
        if (*lsn >= inserted || tries >= 8)
            return 0;
        poll(NULL, 0, 100);
    }
}
