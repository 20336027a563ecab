/* SPDX-License-Identifier: MIT */
/* --until: a position, a time, or what is committed now. */
#include "connectors/postgres/stream.h"

#include <poll.h>
#include <string.h>

static int digits(const char **p, int n, int *value)
{
    *value = 0;
    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        *value = *value * 10 + (**p - '0');
    }
    return 0;
}

static int expect(const char **p, char c)
{
    return *(*p)++ == c ? 0 : -1;
}

static int64_t days_since_1970(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* RFC 3339: 2026-11-21T09:28:42[.123][Z|+01:00]; -1 when it is none. */
static int parse_time(const char *p, int64_t *ms)
{
    int year, month, day, hour, minute, second, zone_hour = 0, zone_minute = 0, sign = 1;
    int64_t fraction = 0;
    if (digits(&p, 4, &year) || expect(&p, '-') || digits(&p, 2, &month) || expect(&p, '-') || digits(&p, 2, &day) ||
        (*p != 'T' && *p != 't' && *p != ' '))
        return -1;
    p++;
    if (digits(&p, 2, &hour) || expect(&p, ':') || digits(&p, 2, &minute) || expect(&p, ':') || digits(&p, 2, &second))
        return -1;
    if (*p == '.') {
        int64_t unit = 100;
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            fraction += (*p - '0') * unit;
    }
    if (*p == '+' || *p == '-') {
        sign = *p++ == '-' ? -1 : 1;
        if (digits(&p, 2, &zone_hour) || expect(&p, ':') || digits(&p, 2, &zone_minute))
            return -1;
    } else if (*p == 'Z' || *p == 'z') {
        p++;
    } else {
        return -1;
    }
    if (*p || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return -1;
    *ms = ((days_since_1970(year, month, day) * 24 + hour - sign * zone_hour) * 60 + minute - sign * zone_minute) *
              60000 +
          second * 1000 + fraction;
    return 0;
}

int pg_until_parse(const char *text, uint64_t *lsn, int64_t *ms, struct cdc_error *error)
{
    *lsn = 0;
    *ms = 0;
    if (!text || strcmp(text, "now") == 0 || pg_lsn_parse(text, lsn) || parse_time(text, ms) == 0)
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

PGresult *stream_query(PGconn *sql, const char *text, const char *what, struct cdc_error *error)
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
int stream_current_lsn(PGconn *sql, uint64_t *lsn, struct cdc_error *error)
{
    for (int tries = 0;; tries++) {
        uint64_t insert = 0;
        PGresult *result = stream_query(sql,
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
