/* SPDX-License-Identifier: MIT */
/* --until: a position, a time, or what is committed now. */
#include "connectors/postgres/stream/internal.h"

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

/* A position just behind the header of a page is the end of the page before: no record
 * ends between them. */
static uint64_t without_page_header(uint64_t lsn)
{
    uint64_t in_page = lsn & 8191;
    return in_page == 24 || (in_page == 40 && (lsn & 0xFFFFF) == 40) ? lsn - in_page : lsn;
}

PGresult *pg_stream_query(PGconn *sql, const char *text, const char *what, struct cdc_error *error)
{
    PGresult *result = PQexec(sql, text);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
        return result;
    pg_result_error(sql, result, what, error);
    PQclear(result);
    return NULL;
}

/* Everything that is committed now lies before *lsn. With synchronous_commit=off a commit
 * is visible before it is flushed (and only flushed WAL is streamed): then the WAL writer
 * gets the moment that it needs. */
int pg_stream_current_lsn(PGconn *sql, uint64_t *lsn, struct cdc_error *error)
{
    for (int tries = 0;; tries++) {
        uint64_t insert = 0;
        PGresult *result = pg_stream_query(sql,
                                           "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
                                           "ELSE pg_current_wal_flush_lsn() END, CASE WHEN pg_is_in_recovery() "
                                           "THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END",
                                           "cannot ask for the end of the log", error);
        if (!result)
            return -1;
        bool ok = pg_lsn_parse(PQgetvalue(result, 0, 0), lsn) && pg_lsn_parse(PQgetvalue(result, 0, 1), &insert);
        PQclear(result);
        if (!ok)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server gave no position of its log");
        *lsn = without_page_header(*lsn);
        if (*lsn >= without_page_header(insert) || tries >= 8)
            return 0;
        poll(NULL, 0, 100);
    }
}
