/* SPDX-License-Identifier: MIT */
/* The binary log of a live server as a source. Nothing is ever confirmed to the server: it keeps its log by time, and a
 * position that is gone is exit 79. */
#include "connectors/mysql/stream/stream.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/retry.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_ON_MS 2000    /* for further tables that are stale, after the first one */
#define LOOK_ON_REST_MS 50 /* without an event: the log has no more */
#define DEAD_MS 60000      /* silence after which the server is taken for dead: heartbeats come every second */

/* -- life ------------------------------------------------------------------------------ */

struct my_stream *my_stream_new(const struct my_stream_settings *settings, struct cdc_metrics *metrics,
                                const struct cdc_log *log, struct cdc_error *error)
{
    struct my_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        cdc_error_memory(error);
        return NULL;
    }
    stream->settings = *settings;
    stream->metrics = metrics;
    stream->log = log;
    my_session_init(&stream->session, &settings->connection, my_replica_id(settings->server_id, settings->name));
    const struct my_schema_settings schema_settings = {
        .session = &stream->session,
        .pipeline = settings->name,
        .path = settings->schema_file,
        .selection = settings->selection,
        .own = &settings->start->own,
        .log = log,
    };
    stream->schema = my_schema_new(&schema_settings, error);
    if (stream->schema && my_bounds_parse(&stream->bounds, settings->until, error) == 0 &&
        (!settings->first || my_start_check(settings->first, error) == 0)) {
        int opened = my_reading_load(stream, error) < 0 ? -1 : my_stale_open(stream, error);
        my_asked_begin(stream);
        if (opened == 0)
            return stream;
    }
    my_stream_free(stream);
    return NULL;
}

void my_stream_free(struct my_stream *stream)
{
    if (!stream)
        return;
    my_stream_disconnect(stream);
    my_decoder_free(stream->decoder);
    my_schema_free(stream->schema);
    my_stale_close(stream);
    cdc_buf_free(&stream->refused_tables);
    my_reading_clear(&stream->reading);
    my_start_clear(&stream->start);
    free(stream);
}

/* -- ends --------------------------------------------------------------------------------- */

static void end_if_reached(struct my_stream *stream)
{
    const struct my_counts *counts = my_decoder_counts(stream->decoder);
    if (my_decoder_in_transaction(stream->decoder))
        return;
    if (my_bounds_are_reached(&stream->bounds, my_decoder_coord(stream->decoder), counts->commit_ms))
        stream->ended = true;
    if (stream->settings.max_events > 0 && counts->changes >= (uint64_t)stream->settings.max_events)
        stream->ended = true;
}

/* -- read ------------------------------------------------------------------------------------ */

static void update_metrics(struct my_stream *stream)
{
    const struct my_counts *counts = my_decoder_counts(stream->decoder);
    stream->metrics->changes = counts->changes;
    stream->metrics->commits = counts->commits;
    stream->metrics->lines_out = counts->lines;
    stream->metrics->unconvertible = counts->unconvertible;
}

/* A heartbeat says how far the server has read its log, when there is nothing to send. */
static int take_heartbeat(struct my_stream *stream, const struct my_wire_part *part, struct cdc_error *error)
{
    struct my_event_header header;
    struct my_event_rotate where;
    struct cdc_bytes body;
    struct my_coord coord = {0};
    if (my_event_header_parse(part->data, part->n, &header, error) < 0 ||
        my_event_body(my_decoder_format(stream->decoder), &header, part->data, part->n, &body, error) < 0 ||
        my_event_heartbeat_parse(&header, body, &where, error) < 0)
        return -1;
    if (where.file.n >= sizeof coord.file)
        return 0;
    memcpy(coord.file, where.file.p, where.file.n);
    coord.position = where.position;
    int late = my_bounds_are_late(&stream->bounds, &stream->session, &coord, error);
    if (late > 0 && !my_decoder_in_transaction(stream->decoder))
        stream->ended = true;
    stream->reading.heard = coord;
    my_lag_heartbeat(stream, &coord);
    return late < 0 ? -1 : 0;
}

static bool is_heartbeat(const struct my_wire_part *part)
{
    return part->first && (part->data[4] == MY_EVENT_HEARTBEAT || part->data[4] == MY_EVENT_HEARTBEAT_V2);
}

static int take_part(struct my_stream *stream, const struct my_wire_part *part, struct cdc_buf *out,
                     struct cdc_error *error)
{
    if (stream->more == part->first)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent an event that is %s than it says",
                             part->first ? "shorter" : "longer");
    int more = part->first ? my_decoder_take(stream->decoder, part->data, part->n, out, error)
                           : my_decoder_take_part(stream->decoder, part->data, part->n, error);
    stream->more = more > 0;
    stream->stale.part = *part;
    stream->stale.has_part = part->first;
    if (!is_heartbeat(part))
        my_lag_event(stream, part);
    else if (more == 0 && take_heartbeat(stream, part, error) < 0)
        return -1;
    return more < 0 ? -1 : 1;
}

/* 1: go on; 0: nothing is there; -1. */
static int take_event(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_wire_part part;
    int more = stream->more ? my_decoder_more(stream->decoder, out, error) : MY_PAYLOAD_WANTS;
    stream->stale.has_part = false;
    if (more != MY_PAYLOAD_WANTS) {
        stream->more = more > 0;
        return more < 0 ? -1 : 1;
    }
    int got = my_packets_next(stream->packets, &part, error);
    if (got == 2) {
        stream->ended = stream->bounds.given && !stream->more;
        return stream->ended ? 1 : cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server ended the stream");
    }
    if (got < 0 && my_packets_fault(stream->packets) == MY_DUMP_ANONYMOUS)
        return my_anonymous_refused(stream, error);
    if (got <= 0)
        return got == 0 ? 0 : my_torn_file_avoid(stream, error);
    stream->received = true;
    return take_part(stream, &part, out, error);
}

/* Before any line after a DDL statement goes out: who reads it may have the position stored, and then what held before
 * the statement must not be taken to hold after it. */
static int save_schema(struct my_stream *stream, bool failed, struct cdc_error *error)
{
    struct cdc_error other = {0};
    return my_schema_save(stream->schema, my_decoder_coord(stream->decoder), my_decoder_point(stream->decoder),
                          failed ? &other : error);
}

static int prefetch_schema(struct my_stream *stream, struct cdc_error *error)
{
    if (stream->more || my_decoder_in_transaction(stream->decoder))
        return 0;
    return my_schema_prefetch_if_due(stream->schema, my_decoder_coord(stream->decoder),
                                     my_decoder_point(stream->decoder), stream->ended, error);
}

/* The way round a torn file begins where the loop is, so the loop takes the lines before it first. */
static int put_off(struct my_stream *stream, struct cdc_error *error)
{
    stream->late = *error;
    cdc_error_clear(error);
    return 1;
}

static bool stream_between(void *source)
{
    struct my_stream *stream = source;
    return !stream->decoder || (!stream->more && !my_decoder_in_transaction(stream->decoder));
}

static bool found_stale(const struct my_stream *stream, const struct cdc_error *error)
{
    return stream->stale.found.n > 0 && error->status == CDC_EXIT_TEMPORARY;
}

/* A table was found to be stale within the transaction at hand, which no line is to be of. Where some are written already, the
 * sinks drop what is not whole. whole: out->len after the transaction before. */
static int end_before(struct my_stream *stream, struct cdc_buf *out, size_t whole, struct cdc_error *error)
{
    if (!found_stale(stream, error))
        return -1;
    cdc_error_clear(error);
    if (whole < out->len)
        out->len = whole;
    const struct cdc_offset *boundary = my_decoder_boundary(stream->decoder);
    if (boundary && cdc_offset_copy(&stream->stale.end, boundary, error) < 0)
        return -1;
    stream->ended = true;
    stream->stale.has_part &= !stream->more;
    stream->more = false;
    return 1;
}

/* Where the log goes on already. */
static bool has_more(struct my_stream *stream)
{
    struct pollfd poller = {my_packets_descriptor(stream->packets), POLLIN, 0};
    return poll(&poller, 1, LOOK_ON_REST_MS) > 0;
}

/* A migration is seldom one statement: what it makes stale further on is marked with the first table, and read with it, instead of
 * one run for each. Nothing else of what is read here counts; where it cannot be read, the next run sees it. */
static void look_on(struct my_stream *stream)
{
    struct cdc_buf ignored = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int64_t end = cdc_clock_ms() + LOOK_ON_MS;
    const struct cdc_control *control = stream->settings.connection.control;
    int got = stream->stale.has_part ? 1 : -1;
    bool again = true; /* the event at hand, now without the table */
    stream->stale.looking_on = true;
    while (got >= 0 && cdc_clock_ms() < end && !(control && control->stop) && (got > 0 || has_more(stream))) {
        const struct my_wire_part part = stream->stale.part;
        const bool retaken = again;
        size_t before = stream->stale.found.n;
        ignored.len = 0;
        stream->received = false;
        got = retaken ? take_part(stream, &part, &ignored, &error) : take_event(stream, &ignored, &error);
        again = got < 0 && !retaken && stream->stale.found.n > before && stream->stale.has_part;
        if (again) {
            cdc_error_clear(&error);
            stream->more = false;
            got = 1;
        } else if (got > 0 && !retaken && !stream->received && !stream->more) {
            break; /* the end of what was asked for (--until) */
        }
    }
    cdc_buf_free(&ignored);
}

/* The run ends after what is out. */
static int end_here(struct my_stream *stream, struct cdc_error *error)
{
    const struct cdc_offset *boundary = my_decoder_boundary(stream->decoder);
    if (boundary && cdc_offset_copy(&stream->stale.end, boundary, error) < 0)
        return -1;
    stream->ended = true;
    stream->stale.has_part = false; /* nothing is looked for beyond it */
    return 0;
}

/* Somebody may ask for tables to be read again. */
static int end_if_asked(struct my_stream *stream, struct cdc_error *error)
{
    int asked = stream_between(stream) ? my_asked_look(stream, error) : 0;
    return asked <= 0 ? asked : end_here(stream, error);
}

/* The server may have stopped to write its log. */
static int end_if_log_is_off(struct my_stream *stream, struct cdc_error *error)
{
    int off = my_log_off_look(stream, error);
    return off <= 0 ? off : end_here(stream, error);
}

/* Where the log has no more for now: tables that are read again meanwhile. 1: the next piece may follow at once. */
static int read_on(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    size_t found = stream->stale.found.n;
    int did = my_reading_step(stream, out, error);
    if (did < 0)
        return -1;
    return stream->stale.found.n > found ? end_here(stream, error) : did;
}

/* 1: there is more; 0; -1. */
static int take_events(struct my_stream *stream, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    size_t whole = stream_between(stream) ? out->len : SIZE_MAX;
    int got = 1;
    while (got == 1 && !stream->ended && out->len < limit) {
        got = take_event(stream, out, error);
        if (got < 0)
            got = end_before(stream, out, whole, error);
        if (got != 1 || stream->more || stream->ended)
            continue;
        end_if_reached(stream);
        my_stale_look(stream, out);
        if (my_reading_pass(stream, out, error) < 0)
            return -1;
        if (stream_between(stream))
            whole = out->len;
    }
    return got;
}

static enum cdc_source_result stream_read(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct my_stream *stream = source;
    size_t before = out->len;
    int got;
    if (stream->late.status != 0) {
        *error = stream->late;
        cdc_error_clear(&stream->late);
        return CDC_SOURCE_ERROR;
    }
    stream->received = false;
    cdc_stale_clear(&stream->reading.ended);
    if (stream->announce &&
        (my_decoder_coord(stream->decoder)->file[0] || !my_gtid_set_is_empty(my_decoder_gtids(stream->decoder)))) {
        stream->announce = false;
        my_decoder_heartbeat(stream->decoder, cdc_clock_wall_ms(), out);
    }
    my_stale_look(stream, out);
    got = end_if_asked(stream, error);
    if (got == 0)
        got = take_events(stream, out, limit, error);
    if (got == 0 && !stream->ended)
        got = end_if_log_is_off(stream, error);
    if (got == 0)
        got = read_on(stream, out, error);
    if (got < 0 && stream->torn.next.file[0] && out->len != before)
        got = put_off(stream, error);
    if (got >= 0 && (got == 0 || stream->ended) && prefetch_schema(stream, error) < 0)
        got = -1;
    if (save_schema(stream, got < 0, error) < 0 || my_stale_save(stream, error) < 0) {
        out->len = before;
        my_decoder_forget_boundary(stream->decoder);
        my_reading_take_back(stream);
        got = -1;
    }
    if (stream->received)
        stream->last_receive = cdc_clock_ms();
    if (out->len != before)
        stream->last_line = cdc_clock_ms();
    update_metrics(stream);
    my_lag_written(stream);
    if (got < 0)
        return CDC_SOURCE_ERROR;
    if (stream->stale.found.n > 0)
        look_on(stream);
    return stream->ended ? CDC_SOURCE_END : got == 1 ? CDC_SOURCE_MORE : CDC_SOURCE_IDLE;
}

/* -- the other operations ----------------------------------------------------------------------- */

static int stream_descriptor(void *source, short *events)
{
    struct my_stream *stream = source;
    *events = POLLIN;
    return stream->packets ? my_packets_descriptor(stream->packets) : -1;
}

static int stream_tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    struct my_stream *stream = source;
    int64_t now = cdc_clock_ms();
    if (!stream->packets)
        return 0;
    if (blocked)
        stream->last_receive = now; /* we do not listen: silence means nothing */
    else if (now - stream->last_receive > DEAD_MS)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server is silent for %d s", DEAD_MS / 1000);
    my_lag_measure(stream);
    if (blocked || stream->ended || !stream_between(stream) || stream->settings.heartbeat <= 0 ||
        now - stream->last_line < (int64_t)(stream->settings.heartbeat * 1000) ||
        !my_decoder_coord(stream->decoder)->file[0])
        return 0;
    my_decoder_heartbeat(stream->decoder, cdc_clock_wall_ms(), out);
    stream->last_line = now;
    return 0;
}

static int stream_confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct my_stream *stream = source;
    uint64_t number;
    (void)error;
    if (stream->decoder && offset->pos && my_pos_number(offset->pos, &number)) {
        my_decoder_confirm(stream->decoder, number);
        my_schema_confirm(stream->schema, number);
        my_lag_confirmed(stream, offset);
    }
    return 0;
}

static const struct cdc_offset *stream_boundary(void *source)
{
    struct my_stream *stream = source;
    const struct cdc_offset *boundary = stream->decoder ? my_decoder_boundary(stream->decoder) : NULL;
    if (stream->stale.found.n > 0) /* what comes after it was looked at, and is in no line */
        boundary = stream->stale.end.pos ? &stream->stale.end : NULL;
    if (!boundary)
        return NULL;
    stream->boundary = *boundary;
    stream->boundary.state = (char *)(uintptr_t)my_stale_state(stream, my_schema_state(stream->schema)); /* BORROWED */
    return &stream->boundary;
}

/* Of another server than the one that the start is of, nothing is kept before something is known of it (schema.c). */
static const char *stream_state(void *source)
{
    struct my_stream *stream = source;
    bool same = strcmp(stream->start.server_uuid, stream->session.server.uuid) == 0;
    return stream->decoder ? my_stale_state(stream, same ? my_schema_state(stream->schema) : NULL) : NULL;
}

const struct cdc_source_ops my_stream_ops = {
    .connect = my_stream_connect,
    .disconnect = my_stream_disconnect,
    .descriptor = stream_descriptor,
    .read = stream_read,
    .tick = stream_tick,
    .confirm = stream_confirm,
    .boundary = stream_boundary,
    .between = stream_between,
    .state = stream_state,
    .end = my_asked_end,
};
