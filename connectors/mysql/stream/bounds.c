/* SPDX-License-Identifier: MIT */
/* --until: coordinates or a time. Either may lie in the log already, or be still to come. */
#include "connectors/mysql/stream/internal.h"

#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

int my_bounds_parse(struct my_bounds *bounds, const char *until, struct cdc_error *error)
{
    if (!until)
        return 0;
    bounds->given = true;
    bounds->now = strcmp(until, "now") == 0;
    if (bounds->now || cdc_time_parse(until, &bounds->ms))
        return 0;
    bounds->has_coord = my_coord_parse(until, &bounds->coord);
    if (bounds->has_coord)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--until '%.64s' is neither now, nor FILE:POSITION, nor a time", until);
    return cdc_error_hint(error, "for instance binlog.000007:1234 or 2026-11-21T09:28:42Z");
}

static int log_end(struct my_session *session, struct my_coord *end, struct cdc_error *error)
{
    char *gtids = NULL;
    MYSQL *sql = my_session_sql(session, error);
    int result = sql ? my_server_end(sql, &session->server, end, &gtids, error) : -1;
    free(gtids);
    return result;
}

/* Commits have the server's time, which ours may be far from. Between two questions it goes by a clock that nobody sets. */
static int ask_clock(struct my_bounds *bounds, struct my_session *session, struct cdc_error *error)
{
    int64_t now;
    MYSQL *sql = my_session_sql(session, error);
    if (!sql || my_server_clock(sql, &now, error) < 0)
        return -1;
    bounds->clock_ahead = now - cdc_clock_ms();
    return now >= bounds->ms;
}

int my_bounds_settle(struct my_bounds *bounds, struct my_session *session, struct cdc_error *error)
{
    struct my_coord end;
    if (bounds->ms != 0) {
        int passed = ask_clock(bounds, session, error);
        bounds->in_log = passed > 0;
        return passed < 0 ? -1 : 0;
    }
    if (bounds->in_log || !bounds->given)
        return 0;
    if (log_end(session, &end, error) < 0)
        return -1;
    if (bounds->now)
        bounds->coord = end;
    bounds->has_coord = true;
    bounds->in_log = my_coord_compare(&bounds->coord, &end) <= 0;
    return 0;
}

bool my_bounds_are_reached(const struct my_bounds *bounds, const struct my_coord *coord, int64_t commit_ms)
{
    return (bounds->has_coord && my_coord_compare(coord, &bounds->coord) >= 0) ||
           (bounds->ms != 0 && commit_ms >= bounds->ms);
}

/* The time has passed while nothing was committed: what is in the log by now is all that there is before it. */
int my_bounds_are_late(struct my_bounds *bounds, struct my_session *session, const struct my_coord *coord,
                       struct cdc_error *error)
{
    if (bounds->ms == 0 || bounds->in_log || cdc_clock_ms() + bounds->clock_ahead < bounds->ms)
        return 0;
    int passed = bounds->has_coord ? 1 : ask_clock(bounds, session, error);
    if (passed <= 0)
        return passed;
    if (!bounds->has_coord && log_end(session, &bounds->coord, error) < 0)
        return -1;
    bounds->has_coord = true;
    return my_coord_compare(coord, &bounds->coord) >= 0;
}
