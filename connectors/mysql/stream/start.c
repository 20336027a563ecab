/* SPDX-License-Identifier: MIT */
/* Where a connection begins: cdc/start.h has decided it for the pipeline. What a server has of it is start_verify.c's. */
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- --start ---------------------------------------------------------------------------------- */

static bool is_gtid_set(enum my_flavor flavor, const char *text)
{
    struct cdc_error ignored = {0};
    struct my_gtid_set *set = my_gtid_set_new(flavor, &ignored);
    bool good = set && my_gtid_set_parse(set, cdc_span_text(text), &ignored) == 0 && !my_gtid_set_is_empty(set);
    my_gtid_set_free(set);
    return good;
}

int my_start_check(const char *text, struct cdc_error *error)
{
    struct my_coord coord;
    if (strcmp(text, "now") == 0 || strcmp(text, "oldest") == 0 || my_coord_parse(text, &coord) ||
        is_gtid_set(MY_FLAVOR_MYSQL, text) || is_gtid_set(MY_FLAVOR_MARIADB, text))
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--start '%.64s' is neither now, oldest, FILE:POSITION nor GTIDs", text);
    return cdc_error_hint(error, "for instance binlog.000007:1234, 0-1-5, or 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");
}

/* -- what there is to begin from ------------------------------------------------------------------------------- */

static int take_gtids(struct my_stream *stream, const char *text, struct cdc_error *error)
{
    struct my_gtid_set *set = my_gtid_set_new(stream->session.server.flavor, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(text), error) : -1;
    my_gtid_set_free(set);
    stream->start.gtids = result == 0 ? strdup(text) : NULL;
    if (result == 0 && !stream->start.gtids)
        return cdc_error_memory(error);
    return result;
}

/* What is committed between two questions must not lie before the coordinates and after the GTIDs: a start from there would
 * find other transactions in its place. MariaDB tells the GTIDs of coordinates; on MySQL they are asked for last. */
static int start_at_end(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct my_coord later;
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || my_server_end(sql, &stream->session.server, &start->coord, &start->gtids, error) < 0)
        return -1;
    free(start->gtids);
    start->gtids = NULL;
    return stream->session.server.flavor == MY_FLAVOR_MARIADB
               ? my_log_gtids_at(&stream->session, &start->coord, &start->gtids, error)
               : my_server_end(sql, &stream->session.server, &later, &start->gtids, error);
}

static int start_at_oldest(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || my_server_oldest(sql, &stream->session.server, &start->coord, &start->gtids, error) < 0)
        return -1;
    if (stream->session.server.flavor == MY_FLAVOR_MYSQL)
        return 0;
    free(start->gtids);
    start->gtids = NULL;
    return my_log_gtids_at(&stream->session, &start->coord, &start->gtids, error);
}

/* Two sinks, and a run that is killed when one of them has stored something and the other nothing yet: nothing was confirmed,
 * so that the next run looks like the first one. Begun anew it would leave a gap in the one, and where the run before began, for
 * the other, nobody knows any more. (PostgreSQL's slot does.) */
static int check_nothing_stored(const struct my_stream *stream, struct cdc_error *error)
{
    const struct cdc_acks *acks = stream->settings.acks;
    for (size_t i = 0; acks && i < cdc_acks_count(acks); i++) {
        if (!cdc_acks_offset(acks, i))
            continue;
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the sink of \"%s\" has a position, and another one of \"%s\" has none: it would miss changes",
                      cdc_acks_path(acks, i), stream->settings.name);
        return cdc_error_hint(error, "take the one without a position out of the line, and remove its offset file; or "
                                     "remove the offset files of the pipeline and the copies, and begin anew");
    }
    return 0;
}

/* The very first start: counting begins at the wall clock, see decoder.h. */
static int start_fresh(struct my_stream *stream, struct cdc_error *error)
{
    const char *text = stream->settings.first ? stream->settings.first : "now";
    struct my_start *start = &stream->start;
    stream->announce = true;
    free(start->gtids);
    start->gtids = NULL;
    start->event = start->event_sum = 0;
    start->number = (uint64_t)cdc_clock_wall_ms() * 1000;
    start->numbering.n = 0;
    my_temporaries_clear(&start->temporaries);
    my_seen_clear(&start->seen);
    snprintf(start->server_uuid, sizeof start->server_uuid, "%s", stream->session.server.uuid);
    if (check_nothing_stored(stream, error) < 0)
        return -1;
    if (strcmp(text, "now") == 0)
        return start_at_end(stream, error);
    if (strcmp(text, "oldest") == 0)
        return start_at_oldest(stream, error);
    if (my_coord_parse(text, &start->coord))
        return my_log_gtids_at(&stream->session, &start->coord, &start->gtids, error);
    memset(&start->coord, 0, sizeof start->coord);
    return take_gtids(stream, text, error);
}

/* -- the start ------------------------------------------------------------------------------ */

/* from: what lines or sinks have reached; NULL where none has: then this run begins as it was decided, or where it began. */
static int settle(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    const struct cdc_start *decided = stream->settings.start;
    if (from)
        return my_start_from(&stream->start, from, error);
    if (stream->has_start)
        return 0;
    return decided->kind == CDC_START_FIRST ? start_fresh(stream, error)
                                            : my_start_from(&stream->start, &decided->from, error);
}

int my_start_find(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    if (settle(stream, from, error) < 0 ||
        my_behind_check(stream, stream->start.server_uuid, stream->start.gtids, error) < 0 ||
        my_start_verify(stream, error) < 0 || my_seen_check(stream, error) < 0 || my_failover_number(stream, error) < 0)
        return -1;
    return my_start_leave_old_coord(stream, error);
}
