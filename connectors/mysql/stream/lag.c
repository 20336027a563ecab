/* SPDX-License-Identifier: MIT */
/* How far the sinks are behind the server. Changes that wait are in one of three places:
 *
 *   the server's log, not read yet     since the output is blocked, or in a large transaction
 *   lines that no sink has stored      the newest transaction with lines is beyond the one that is confirmed
 *   unknown                            while there is no connection
 *
 * That the log has no more is told by a heartbeat, which the server sends after a second without an event. Until then the time of
 * what is confirmed, of the newest event where all lines are confirmed, and of the last moment when nothing waited is what the lag is
 * counted from, the latest of them: it is never taken for smaller than it is. */
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <string.h>

#define BYTES_MS 5000 /* between two looks at the server's list of files */
#define HEARD_MS 3000 /* heartbeats come every second */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void my_lag_connected(struct my_stream *stream)
{
    struct my_lag *lag = &stream->lag;

    lag->heard = lag->bytes_due = 0;
    lag->heard_at.file[0] = '\0';
    lag->came = false;
}

void my_lag_confirmed(struct my_stream *stream, const struct cdc_offset *offset, uint64_t number)
{
    struct my_lag *lag = &stream->lag;
    struct cdc_span source = cdc_span_text(offset->source != NULL ? offset->source : "{}");
    int64_t ms, at;

    lag->known = true;
    lag->confirmed = number;
    /* A heartbeat line has the time when it was written, whatever the log had then. */
    if (my_pos_counter(offset->pos) == 0 && cdc_json_int64(cdc_json_member(source, "ts_ms"), &ms))
        lag->confirmed_ms = ms;
    lag->at.file[0] = '\0';
    if (!cdc_json_member_copy(source, "file", lag->at.file, sizeof lag->at.file) ||
        !cdc_json_int64(cdc_json_member(source, "pos"), &at) || at < 0)
        lag->at.file[0] = '\0';
    else
        lag->at.position = (uint64_t)at;
    if (!cdc_json_member_copy(source, "server_uuid", lag->server_uuid, sizeof lag->server_uuid))
        lag->server_uuid[0] = '\0';
}

/* These come of each file that is looked through, also where nothing else of it is sent. */
static bool begins_file(uint8_t type)
{
    switch (type) {
    case MY_EVENT_STOP:
    case MY_EVENT_ROTATE:
    case MY_EVENT_FORMAT:
    case MY_EVENT_PREVIOUS_GTIDS:
    case MY_EVENT_MARIADB_CHECKPOINT:
    case MY_EVENT_MARIADB_GTID_LIST:
    case MY_EVENT_MARIADB_START_ENCRYPTION: return true;
    default: return false;
    }
}

void my_lag_event(struct my_stream *stream, const struct my_wire_part *part)
{
    struct my_lag *lag = &stream->lag;
    struct my_event_header header;
    struct cdc_error ignored = {0};

    if (!part->first)
        return;
    lag->heard = 0;
    if (my_event_header_begin(part->data, part->n, &header, &ignored) < 0)
        return;
    if (header.timestamp > 0) /* what opens a dump, and is not in the log, has none */
        lag->read_ms = (int64_t)header.timestamp * 1000;
    lag->came |= !begins_file(header.type);
}

void my_lag_heartbeat(struct my_stream *stream, const struct my_coord *coord)
{
    struct my_lag *lag = &stream->lag;

    /* While it looks for where a dump by GTIDs begins, it sends some, too. */
    if (lag->came || my_coord_compare(coord, &lag->heard_at) == 0)
        lag->heard = cdc_clock_ms();
    lag->heard_at = *coord;
}

void my_lag_written(struct my_stream *stream)
{
    const struct cdc_offset *boundary = my_decoder_boundary(stream->decoder);
    uint64_t number;

    if (boundary != NULL && boundary->pos != NULL && my_pos_number(boundary->pos, &number))
        stream->lag.written = number;
}

/* Bytes of the log after what is confirmed; -1: the server does not tell, or what is confirmed is of another one. */
static int64_t bytes_after(struct my_stream *stream)
{
    const struct my_lag *lag = &stream->lag;
    struct cdc_error ignored = {0};
    int64_t bytes;

    if (lag->at.file[0] == '\0' || strcmp(lag->server_uuid, stream->session.server.uuid) != 0)
        return -1;
    MYSQL *sql = my_session_sql(&stream->session, &ignored);
    return sql != NULL && my_server_bytes_after(sql, &lag->at, &bytes, &ignored) == 0 ? bytes : -1;
}

void my_lag_unknown(struct my_stream *stream)
{
    const struct my_lag *lag = &stream->lag;

    if (lag->known)
        stream->metrics->lag_since = later(lag->level_ms, lag->confirmed_ms);
}

void my_lag_measure(struct my_stream *stream)
{
    struct my_lag *lag = &stream->lag;
    int64_t now = cdc_clock_ms(), wall = cdc_clock_wall_ms();
    bool stored = lag->written <= lag->confirmed && !stream->more && !my_decoder_in_transaction(stream->decoder);

    if (!lag->known) /* nothing is confirmed yet */
        return;
    if (stored && lag->heard > 0 && now - lag->heard < HEARD_MS) {
        lag->level_ms = wall;
        stream->metrics->lag_since = stream->metrics->lag_ms = stream->metrics->lag_bytes = 0;
        lag->bytes_due = now + BYTES_MS;
        return;
    }
    int64_t since = later(lag->level_ms, later(lag->confirmed_ms, stored ? lag->read_ms : 0));
    stream->metrics->lag_since = since < wall ? since : wall;
    if (now < lag->bytes_due)
        return;
    lag->bytes_due = now + BYTES_MS;
    stream->metrics->lag_bytes = bytes_after(stream);
}
