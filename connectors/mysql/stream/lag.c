/* SPDX-License-Identifier: MIT */
/* How far the sinks are behind the server. Changes that wait are in one of three places:
 *
 *   the server's log, not read yet     since the output is blocked, or in a large transaction
 *   lines that no sink has stored      the newest transaction with lines is beyond the one that is confirmed
 *   unknown                            while there is no connection
 *
 * That the log has no more is told by two heartbeats of one place, which the server sends after each second without an event. Until
 * then the lag is counted from the latest of three times: that of what is confirmed, that of the newest event where all lines are
 * confirmed, and the last moment when nothing waited. So it is never taken for smaller than it is. */
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/session/wait.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <string.h>

#define BYTES_MS 5000 /* between two looks at the server's list of files */
#define BYTES_FAILED_MS 60000
#define HEARD_MS 3000 /* heartbeats come every second */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The server's clock, or a session's, may be ahead. */
static int64_t by_now(int64_t ms)
{
    int64_t now = cdc_clock_wall_ms();

    return ms < now ? ms : now;
}

void my_lag_connected(struct my_stream *stream)
{
    struct my_lag *lag = &stream->lag;

    lag->heard = lag->bytes_due = 0;
    lag->heard_at.file[0] = '\0';
}

void my_lag_confirmed(struct my_stream *stream, const struct cdc_offset *offset)
{
    struct my_lag *lag = &stream->lag;
    struct cdc_span source = cdc_span_text(offset->source != NULL ? offset->source : "{}");
    int64_t ms, at;

    lag->known = true;
    snprintf(lag->confirmed, sizeof lag->confirmed, "%s", offset->pos);
    /* A heartbeat line has the time when it was written, whatever the log had then. */
    if (my_pos_counter(offset->pos) == 0 && cdc_json_int64(cdc_json_member(source, "ts_ms"), &ms))
        lag->confirmed_ms = by_now(ms);
    lag->at.file[0] = '\0';
    if (!cdc_json_member_copy(source, "file", lag->at.file, sizeof lag->at.file) ||
        !cdc_json_int64(cdc_json_member(source, "pos"), &at) || at < 0)
        lag->at.file[0] = '\0';
    else
        lag->at.position = (uint64_t)at;
    if (!cdc_json_member_copy(source, "server_uuid", lag->server_uuid, sizeof lag->server_uuid))
        lag->server_uuid[0] = '\0';
}

void my_lag_event(struct my_stream *stream, const struct my_wire_part *part)
{
    struct my_lag *lag = &stream->lag;
    struct my_event_header header;
    struct cdc_error ignored = {0};

    if (!part->first)
        return;
    lag->heard = 0;
    lag->heard_at.file[0] = '\0';
    /* What opens a dump, and is not in the log, has no time. Most have that of the one before. */
    if (my_event_header_begin(part->data, part->n, &header, &ignored) < 0 || header.timestamp == 0 ||
        header.timestamp == lag->read_s)
        return;
    lag->read_s = header.timestamp;
    lag->read_ms = by_now((int64_t)header.timestamp * 1000);
}

void my_lag_heartbeat(struct my_stream *stream, const struct my_coord *coord)
{
    struct my_lag *lag = &stream->lag;

    /* While it passes over what has been read, by GTIDs, it sends some, too: each with another place. */
    if (my_coord_compare(coord, &lag->heard_at) == 0)
        lag->heard = cdc_clock_ms();
    lag->heard_at = *coord;
}

void my_lag_written(struct my_stream *stream)
{
    const struct cdc_offset *boundary = my_decoder_boundary(stream->decoder);

    if (boundary != NULL && boundary->pos != NULL && my_pos_counter(boundary->pos) == 0)
        snprintf(stream->lag.written, sizeof stream->lag.written, "%s", boundary->pos);
}

/* Bytes of the log after what is confirmed; -1: the server does not tell, or what is confirmed is of another one. */
static int64_t bytes_after(struct my_stream *stream)
{
    const struct my_lag *lag = &stream->lag;
    struct cdc_error ignored = {0};
    int64_t bytes;

    if (lag->at.file[0] == '\0' || strcmp(lag->server_uuid, stream->session.server.uuid) != 0)
        return -1;
    my_wait_report(true);
    MYSQL *sql = my_session_sql(&stream->session, &ignored);
    bool known = sql != NULL && my_server_bytes_after(sql, &lag->at, &bytes, &ignored) == 0;
    my_wait_report(false);
    return known ? bytes : -1;
}

void my_lag_unknown(struct my_stream *stream)
{
    const struct my_lag *lag = &stream->lag;

    if (!lag->known)
        return;
    stream->metrics->lag_since = later(lag->level_ms, lag->confirmed_ms);
    stream->metrics->lag_bytes = -1;
}

void my_lag_measure(struct my_stream *stream)
{
    struct my_lag *lag = &stream->lag;
    int64_t now = cdc_clock_ms(), wall = cdc_clock_wall_ms();
    bool stored =
        strcmp(lag->written, lag->confirmed) <= 0 && !stream->more && !my_decoder_in_transaction(stream->decoder);

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
    stream->metrics->lag_bytes = bytes_after(stream);
    lag->bytes_due = cdc_clock_ms() + (stream->metrics->lag_bytes >= 0 ? BYTES_MS : BYTES_FAILED_MS);
}
