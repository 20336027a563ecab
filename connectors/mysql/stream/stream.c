/* SPDX-License-Identifier: MIT */
/* The binary log of a live server as a source. Nothing is ever confirmed to the server: it keeps its log by time, and a
 * position that is gone is exit 79. */
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/session/wire.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEAD_MS 60000 /* silence after which the server is taken for dead: heartbeats come every second */

/* -- life ------------------------------------------------------------------------------ */

struct binlog_stream *binlog_stream_new(const struct binlog_stream_settings *settings, struct cdc_metrics *metrics,
                                        const struct cdc_log *log, struct cdc_error *error)
{
    struct binlog_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        cdc_error_memory(error);
        return NULL;
    }
    stream->settings = *settings;
    stream->metrics = metrics;
    stream->log = log;
    stream->history = binlog_history_new(settings->schema_file, settings->name, error);
    if (stream->history && binlog_stream_until_parse(stream, settings->until, error) == 0)
        return stream;
    binlog_stream_free(stream);
    return NULL;
}

void binlog_stream_disconnect(void *source)
{
    struct binlog_stream *stream = source;
    uint64_t cut = stream->decoder ? binlog_decoder_cut(stream->decoder) : 0;
    if (cut != 0)
        stream->cut = cut;
    binlog_packets_free(stream->packets);
    stream->packets = NULL;
    cdc_error_clear(&stream->late);
    if (stream->sql)
        mysql_close(stream->sql);
    stream->sql = NULL;
}

void binlog_stream_free(struct binlog_stream *stream)
{
    if (!stream)
        return;
    binlog_stream_disconnect(stream);
    binlog_decoder_free(stream->decoder);
    binlog_schema_forget(&stream->schema);
    binlog_history_free(stream->history);
    free(stream->start.gtids);
    free(stream);
}

/* -- ends --------------------------------------------------------------------------------- */

static void end_if_reached(struct binlog_stream *stream)
{
    const struct binlog_counts *counts = binlog_counts(stream->decoder);
    if (binlog_in_transaction(stream->decoder))
        return;
    if (stream->has_until_place && binlog_place_compare(binlog_place(stream->decoder), &stream->until_place) >= 0)
        stream->ended = true;
    if (stream->until_ms != 0 && counts->commit_ms >= stream->until_ms)
        stream->ended = true;
    if (stream->settings.max_events > 0 && counts->changes >= (uint64_t)stream->settings.max_events)
        stream->ended = true;
}

/* -- read ------------------------------------------------------------------------------------ */

static void update_metrics(struct binlog_stream *stream)
{
    const struct binlog_counts *counts = binlog_counts(stream->decoder);
    stream->metrics->changes = counts->changes;
    stream->metrics->commits = counts->commits;
    stream->metrics->lines_out = counts->lines;
    stream->metrics->unconvertible = counts->unconvertible;
    if (counts->commits > 0)
        stream->metrics->lag_ms = cdc_clock_wall_ms() - counts->commit_ms;
}

/* --until TIME has passed, and a heartbeat says how far the server has read: what is committed by now is the end. */
static int end_if_late(struct binlog_stream *stream, const struct binlog_part *part, struct cdc_error *error)
{
    struct binlog_place place = {0};
    const uint8_t *data = part->data;
    size_t tail = stream->server.checksums ? 4 : 0;
    if (stream->until_ms == 0 || stream->ends || cdc_clock_wall_ms() < stream->until_ms ||
        part->n < BINLOG_HEADER_SIZE + tail)
        return 0;
    if (!stream->has_until_place) {
        char *gtids = NULL;
        if (binlog_stream_ensure_sql(stream, error) < 0 ||
            binlog_server_end(stream->sql, &stream->server, &stream->until_place, &gtids, error) < 0)
            return -1;
        free(gtids);
        stream->has_until_place = true;
    }
    size_t length = part->n - BINLOG_HEADER_SIZE - tail;
    if (length == 0 || length >= sizeof place.file)
        return 0;
    memcpy(place.file, data + BINLOG_HEADER_SIZE, length);
    place.position = (uint64_t)data[13] | (uint64_t)data[14] << 8 | (uint64_t)data[15] << 16 | (uint64_t)data[16] << 24;
    if (!binlog_in_transaction(stream->decoder) && binlog_place_compare(&place, &stream->until_place) >= 0)
        stream->ended = true;
    return 0;
}

static int take_part(struct binlog_stream *stream, const struct binlog_part *part, struct cdc_buf *out,
                     struct cdc_error *error)
{
    if (stream->more == part->first)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent an event that is %s than it says",
                             part->first ? "shorter" : "longer");
    int more = part->first ? binlog_decode(stream->decoder, part->data, part->n, out, error)
                           : binlog_decode_part(stream->decoder, part->data, part->n, error);
    stream->more = more > 0;
    if (more == 0 && part->data[4] == BINLOG_HEARTBEAT && end_if_late(stream, part, error) < 0)
        return -1;
    return more < 0 ? -1 : 1;
}

/* 1: go on; 0: nothing is there; -1. */
static int take_event(struct binlog_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct binlog_part part;
    int more = stream->more ? binlog_decode_more(stream->decoder, out, error) : BINLOG_WANTS;
    if (more != BINLOG_WANTS) {
        stream->more = more > 0;
        return more < 0 ? -1 : 1;
    }
    int got = binlog_packets_next(stream->packets, &part, error);
    if (got == 2) {
        stream->ended = stream->settings.until != NULL && !stream->more;
        return stream->ended ? 1 : cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server ended the stream");
    }
    if (got <= 0)
        return got == 0 ? 0 : binlog_stream_detour(stream, error);
    stream->received = true;
    return take_part(stream, &part, out, error);
}

/* Before any line behind a DDL statement goes out: who reads it may have the position stored, and then what held before
 * the statement must not be taken to hold behind it. */
static int save_schema(struct binlog_stream *stream, bool failed, struct cdc_error *error)
{
    struct cdc_error other = {0};
    return binlog_schema_save(stream, failed ? &other : error);
}

/* A detour begins where the loop is, so the loop takes the lines before it first. */
static int put_off(struct binlog_stream *stream, struct cdc_error *error)
{
    stream->late = *error;
    cdc_error_clear(error);
    return 1;
}

static enum cdc_source_result stream_read(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct binlog_stream *stream = source;
    size_t before = out->len;
    int got = 1;
    if (stream->late.status != 0) {
        *error = stream->late;
        cdc_error_clear(&stream->late);
        return CDC_SOURCE_ERROR;
    }
    stream->received = false;
    if (stream->announce &&
        (binlog_place(stream->decoder)->file[0] || !binlog_gtid_set_is_empty(binlog_gtids(stream->decoder)))) {
        stream->announce = false;
        binlog_heartbeat(stream->decoder, cdc_clock_wall_ms(), out);
    }
    while (got == 1 && !stream->ended && out->len < limit) {
        got = take_event(stream, out, error);
        if (got == 1 && !stream->more && !stream->ended)
            end_if_reached(stream);
    }
    if (got < 0 && stream->detour.file[0] && out->len != before)
        got = put_off(stream, error);
    if (got >= 0 && (got == 0 || stream->ended) && binlog_schema_look_if_due(stream, error) < 0)
        got = -1;
    if (save_schema(stream, got < 0, error) < 0) {
        out->len = before;
        got = -1;
    }
    if (stream->received)
        stream->last_receive = cdc_clock_ms();
    if (out->len != before)
        stream->last_line = cdc_clock_ms();
    update_metrics(stream);
    if (got < 0)
        return CDC_SOURCE_ERROR;
    return stream->ended ? CDC_SOURCE_END : got == 1 ? CDC_SOURCE_MORE : CDC_SOURCE_IDLE;
}

/* -- the other operations ----------------------------------------------------------------------- */

static int stream_descriptor(void *source, short *events)
{
    struct binlog_stream *stream = source;
    *events = POLLIN;
    return stream->packets ? binlog_packets_descriptor(stream->packets) : -1;
}

static bool stream_between(void *source)
{
    struct binlog_stream *stream = source;
    return !stream->decoder || (!stream->more && !binlog_in_transaction(stream->decoder));
}

static int stream_tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    struct binlog_stream *stream = source;
    int64_t now = cdc_clock_ms();
    if (!stream->packets)
        return 0;
    if (blocked)
        stream->last_receive = now; /* we do not listen: silence means nothing */
    else if (now - stream->last_receive > DEAD_MS)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server is silent for %d s", DEAD_MS / 1000);
    if (blocked || stream->ended || !stream_between(stream) || stream->settings.heartbeat <= 0 ||
        now - stream->last_line < (int64_t)(stream->settings.heartbeat * 1000) ||
        !binlog_place(stream->decoder)->file[0])
        return 0;
    binlog_heartbeat(stream->decoder, cdc_clock_wall_ms(), out);
    stream->last_line = now;
    return 0;
}

static int stream_confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct binlog_stream *stream = source;
    uint64_t number;
    (void)error;
    if (stream->decoder && offset->pos && binlog_pos_number(offset->pos, &number)) {
        binlog_decoder_confirm(stream->decoder, number);
        binlog_history_confirm(stream->history, number);
    }
    return 0;
}

static const struct cdc_offset *stream_boundary(void *source)
{
    struct binlog_stream *stream = source;
    const struct cdc_offset *boundary = stream->decoder ? binlog_boundary(stream->decoder) : NULL;
    if (!boundary)
        return NULL;
    stream->boundary = *boundary;
    stream->boundary.state = binlog_history_state(stream->history);
    return &stream->boundary;
}

const struct cdc_source_ops binlog_stream_ops = {
    .connect = binlog_stream_connect,
    .disconnect = binlog_stream_disconnect,
    .descriptor = stream_descriptor,
    .read = stream_read,
    .tick = stream_tick,
    .confirm = stream_confirm,
    .boundary = stream_boundary,
    .between = stream_between,
};
