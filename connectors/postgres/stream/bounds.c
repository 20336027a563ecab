/* SPDX-License-Identifier: MIT */
/* --until: a position, a time, or what is committed now. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <poll.h>
#include <string.h>

#define TRIES 8
#define TRY_MS 100

int pg_until_parse(const char *text, uint64_t *lsn, int64_t *ms, struct cdc_error *error)
{
    *lsn = 0;
    *ms = 0;
    if (!text || strcmp(text, "now") == 0 || pg_lsn_parse(text, lsn) || cdc_time_parse(text, ms))
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--until '%.64s' is neither now, nor an LSN, nor a time", text);
    return cdc_error_hint(error, "for instance 16/B374D848 or 2026-11-21T09:28:42Z");
}

/* No record ends between the two. The flush
 * position may stand at 0/2000018 (page 0/2000000, a header of 24 bytes, 40 at the start of a segment) where the
 * last commit ended at 0/2000000: no boundary would ever reach it, and the run never end. To take off a header where
 * a record did end is harmless: that record began on the page before, so no earlier boundary lies in between. */
uint64_t pg_bounds_without_header(uint64_t lsn)
{
    uint64_t in_page = lsn & 8191;
    return in_page == 24 || (in_page == 40 && (lsn & 0xFFFFF) == 40) ? lsn - in_page : lsn;
}

static int read_ends(PGconn *sql, uint64_t *flushed, uint64_t *inserted, int64_t *delay_ms, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the end of the log";
    PGresult *result = pg_query_rows(sql,
                                     "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
                                     "pg_current_wal_flush_lsn() END AS flushed, CASE WHEN pg_is_in_recovery() "
                                     "THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS inserted, "
                                     "(SELECT setting FROM pg_settings WHERE name = 'wal_writer_delay') AS delay",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    *flushed = pg_bounds_without_header(pg_answer_lsn(&row, "flushed"));
    *inserted = pg_bounds_without_header(pg_answer_lsn(&row, "inserted"));
    *delay_ms = pg_answer_int(&row, "delay");
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* With synchronous_commit=off a commit is visible before it is flushed, and only flushed WAL is streamed. So flush is to catch
 * up with what is inserted now. The WAL writer does so for commits within three times wal_writer_delay (200 ms), what is of no
 * commit may wait longer. So after 800 ms flush is the end. Where the delay is a longer one, what is inserted is: the stream
 * waits for it. */
int pg_bounds_now(PGconn *sql, uint64_t *lsn, struct cdc_error *error)
{
    uint64_t inserted = 0, later;
    int64_t delay_ms;
    for (int tries = 0; tries <= TRIES; tries++) {
        if (tries > 0)
            poll(NULL, 0, TRY_MS);
        if (read_ends(sql, lsn, tries == 0 ? &inserted : &later, &delay_ms, error) < 0)
            return -1;
        if (*lsn >= inserted)
            return 0;
    }
    if (delay_ms * 3 > (int64_t)TRIES * TRY_MS)
        *lsn = inserted;
    return 0;
}

bool pg_bounds_caught_up(const struct pg_stream *stream)
{
    return stream->wal_end >= stream->end_at_first || stream->boundary_lsn >= stream->end_at_first;
}
