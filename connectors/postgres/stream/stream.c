/* SPDX-License-Identifier: MIT */
/* The replication stream as a source: START_REPLICATION, CopyData in, status messages
 * out. What is confirmed, and when, decides whether rows can be lost: the server forgets
 * what lies before the flush position. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/publication.h"

#include <cdc/retry.h>
#include <poll.h>
#include <stdlib.h>

#define REQUEST_MS 10000 /* ask the server for a sign of life */
#define READ_AT_ONCE (4 << 20)
#define LEAVE_MS 3000 /* how long a server that shuts down is given for the last confirmations */

struct pg_stream *pg_stream_new(const struct pg_stream_settings *settings, struct cdc_metrics *metrics,
                                const struct cdc_log *log, struct cdc_error *error)
{
    struct pg_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        cdc_error_memory(error);
        return NULL;
    }
    stream->settings = *settings;
    stream->pg = settings->settings;
    stream->metrics = metrics;
    stream->log = log;
    stream->status_ms = STATUS_MS;
    stream->silent_ms = SILENT_MS;
    stream->heal.on = settings->offsets && settings->start && settings->start->heals;
    if (pg_until_parse(settings->until, &stream->until_lsn, &stream->until_ms, error) == 0 &&
        (!stream->pg->spool || (stream->spool = pg_spool_new(stream->pg->spool, error))))
        return stream;
    pg_stream_free(stream);
    return NULL;
}

static void drop_temporary(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    if (stream->made_publication && pg_stream_ensure_sql(stream, &ignored) == 0)
        pg_publication_drop(stream->sql, stream->pg->publication, NULL, &ignored);
}

void pg_stream_free(struct pg_stream *stream)
{
    if (!stream)
        return;
    pg_status_disconnect(stream);
    drop_temporary(stream);
    PQfinish(stream->sql);
    pgoutput_free(stream->decoder);
    pg_spool_free(stream->spool);
    cdc_offset_free(&stream->from);
    pg_encoding_free(&stream->encoding);
    pg_hosts_free(&stream->hosts);
    cdc_buf_free(&stream->state_json);
    pg_members_free(&stream->members);
    pg_watch_clear(&stream->watch);
    pg_heal_clear(&stream->heal);
    pg_reading_clear(&stream->reading);
    free(stream);
}

/* -- boundaries -- */

static bool idle_between(const struct pg_stream *stream)
{
    return !pgoutput_in_transaction(stream->decoder) && !(stream->spool && pg_spool_has(stream->spool));
}

static void end_if_reached(struct pg_stream *stream)
{
    /* Tables are stale: the run ends at W, wherever its end was to be. */
    if (pgoutput_is_expecting(stream->decoder) || stream->heal.stop_at != 0)
        return;
    if (stream->until_lsn != 0 && stream->boundary_lsn >= stream->until_lsn)
        stream->ended = true;
    if (stream->settings.max_events > 0 &&
        pgoutput_counts_of(stream->decoder)->changes >= (uint64_t)stream->settings.max_events)
        stream->ended = true;
}

static void update_metrics(struct pg_stream *stream)
{
    const struct pgoutput_counts *counts = pgoutput_counts_of(stream->decoder);
    if (!stream->metrics)
        return;
    stream->metrics->changes = counts->changes;
    stream->metrics->commits = counts->commits;
    stream->metrics->lines_out = counts->lines;
    stream->metrics->unconvertible = counts->values.unconvertible;
    stream->metrics->json_texts = counts->values.json_texts;
}

static void boundary_moved(struct pg_stream *stream)
{
    const struct cdc_offset *boundary = pgoutput_boundary(stream->decoder);
    uint64_t lsn;
    if (boundary && pg_pos_restart_lsn(boundary->pos, &lsn) && lsn > stream->boundary_lsn)
        stream->boundary_lsn = lsn;
    end_if_reached(stream);
}

static void heartbeat(struct pg_stream *stream, struct cdc_buf *out, int64_t now)
{
    uint64_t lsn = stream->wal_end > stream->boundary_lsn ? stream->wal_end : stream->boundary_lsn;
    if (lsn <= stream->heal.after_round)
        return; /* nothing is known yet; or it would sort before the lines that were read again there */
    stream->timeline_due = false;
    pgoutput_heartbeat(stream->decoder, lsn, out);
    stream->last_line = now;
    stream->server_asked = false;
    boundary_moved(stream);
}

/* wal_end of a keepalive lies after everything received and before everything still to
 * come: between transactions it is a boundary. It is offered when the time for it has
 * come, when the server waits (a shutdown does, for the flush position to reach its end),
 * when the end of the run may lie there, and after a standby was promoted: the newest boundary may lie on the new
 * timeline and bear the old one's number. */
static void maybe_heartbeat(struct pg_stream *stream, struct cdc_buf *out, int64_t now)
{
    if (stream->ended || !idle_between(stream) || pgoutput_is_expecting(stream->decoder))
        return;
    if (pg_heal_is_due(stream, stream->wal_end > stream->boundary_lsn ? stream->wal_end : stream->boundary_lsn)) {
        pg_heal_stop(stream, out, now);
        return;
    }
    bool moved = stream->wal_end > stream->boundary_lsn;
    int64_t quiet = now - stream->last_line;
    if ((stream->settings.heartbeat > 0 && quiet >= (int64_t)(stream->settings.heartbeat * 1000)) ||
        stream->timeline_due || (moved && stream->server_asked && quiet >= 1000) ||
        (moved && stream->until_lsn != 0 && stream->wal_end >= stream->until_lsn) ||
        (moved && pg_stream_is_older(stream) && !pg_members_doubt(&stream->members, stream->wal_end)))
        heartbeat(stream, out, now);
}

/* -- read -- */

static int keepalive(struct pg_stream *stream, const char *data, int n, struct cdc_error *error)
{
    if (n < 18)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a keepalive of %d bytes: 18 are needed", n);
    uint64_t wal_end = pg_status_i64(data + 1);
    if (wal_end > stream->wal_end)
        stream->wal_end = wal_end;
    stream->server_ms = (int64_t)pg_status_i64(data + 9) / 1000 + EPOCH_MS;
    stream->last_receive = cdc_clock_ms();
    if (pgoutput_reached(stream->decoder, wal_end, error) < 0)
        return -1;
    /* 'k', wal_end, the server's clock (us since 2000), reply requested: 1 + 8 + 8 + 1 bytes. */
    if (data[17]) {
        stream->reply_due = stream->server_asked = true;
        if (stream->last_receive - stream->last_status >= REPLY_MS)
            return pg_status_send(stream, false, error);
    }
    return 0;
}

/* A commit at or after --until TIME ends the run; its time stands at a fixed place of the
 * message. */
static void check_commit_time(struct pg_stream *stream, const char *data, size_t n)
{
    if (n < 26)
        return;
    int64_t ms = (int64_t)pg_status_i64(data + 18) / 1000 + EPOCH_MS;
    if (stream->until_ms != 0 && ms >= stream->until_ms)
        stream->ended = true;
}

/* place: where it begins in the log. */
static int decode(struct pg_stream *stream, uint64_t place, const char *payload, size_t length, struct cdc_buf *out,
                  struct cdc_error *error)
{
    uint64_t after = pg_heal_after(stream, payload, length);
    if (after != 0) {
        if (pgoutput_reached(stream->decoder, after, error) < 0)
            return -1;
        pg_heal_stop(stream, out, cdc_clock_ms());
        return 0;
    }
    pgoutput_set_place(stream->decoder, place);
    stream->whole = out->len;
    if (pgoutput_decode(stream->decoder, payload, length, out, error) < 0)
        return -1;
    if (payload[0] == 'C') {
        check_commit_time(stream, payload, length);
        boundary_moved(stream);
        stream->commit_lsn = stream->boundary_lsn;
    } else if (payload[0] == 'M' && idle_between(stream)) {
        boundary_moved(stream);
        stream->commit_lsn = stream->boundary_lsn;
    }
    return 0;
}

static int xlog_data(struct pg_stream *stream, const char *data, int n, struct cdc_buf *out, struct cdc_error *error)
{
    if (n < 26)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a message of %d bytes: 26 are needed", n);
    /* 'w', start, wal_end, clock, then the message. The LSNs are of no use as positions: Relation has 0/0, rows of
     * one COPY share theirs. So wal_end is taken from keepalives only. What start is good for: what the catalogs were then. */
    uint64_t place = pg_status_i64(data + 1);
    size_t length = (size_t)n - 25;
    int taken = stream->spool ? pg_spool_take(stream->spool, place, data + 25, length, error) : PG_SPOOL_NOT;
    stream->unsure = taken == PG_SPOOL_UNSURE;
    if (taken != PG_SPOOL_NOT)
        return taken < 0 ? -1 : 0;
    return decode(stream, place, data + 25, length, out, error);
}

static int spooled_message(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t place;
    struct cdc_span payload;
    return pg_spool_next(stream->spool, &place, &payload, error) < 0
               ? -1
               : decode(stream, place, payload.p, payload.n, out, error);
}

static int message(struct pg_stream *stream, const char *data, int n, struct cdc_buf *out, struct cdc_error *error)
{
    if (n > 0 && data[0] == 'w')
        return xlog_data(stream, data, n, out, error);
    if (n > 0 && data[0] == 'k')
        return keepalive(stream, data, n, error);
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "unknown replication message 0x%02x",
                         n > 0 ? (unsigned char)data[0] : 0);
}

/* The server ended the copy, or the connection broke: why? */
static int copy_ended(struct pg_stream *stream, int code, struct cdc_error *error)
{
    stream->copying = false;
    if (code == -2)
        return pg_status_broken(stream, error);
    PGresult *result = PQgetResult(stream->replication);
    ExecStatusType status = PQresultStatus(result);
    int answer = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE
                     ? pg_stream_fail(stream, result, "the stream broke", error)
                     : cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server ended the stream");
    PQclear(result);
    return answer;
}

/* What has come so far lies before the gap; nothing after it is taken. */
static int changes_skipped(struct pg_stream *stream, struct cdc_error *error)
{
    if (error && error->status == 0)
        *error = stream->skipped;
    return -1;
}

/* The server's clock has passed --until TIME: what is committed by now is the end. */
static int check_until_time(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->until_ms == 0 || stream->until_lsn != 0 || stream->server_ms < stream->until_ms)
        return 0;
    return pg_stream_ensure_sql(stream, error) < 0 ? -1 : pg_bounds_now(stream->sql, &stream->until_lsn, error);
}

static int drained(struct pg_stream *stream, struct cdc_buf *out, size_t before, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();
    if (out->len != before)
        stream->last_receive = stream->last_line = now;
    if (check_until_time(stream, error) < 0)
        return -1;
    if (idle_between(stream))
        end_if_reached(stream);
    maybe_heartbeat(stream, out, now);
    if (pg_reading_step(stream, out, error) < 0)
        return -1;
    /* The end may be a position without a change: it is asked for. */
    if (stream->settings.until && !stream->ended && now - stream->last_request >= REPLY_MS)
        return pg_status_send(stream, true, error);
    return stream->unsent ? pg_status_push(stream, error) : 0;
}

/* After a message, of which status is what became of it. */
static int after_message(struct pg_stream *stream, int status, struct cdc_buf *out, struct cdc_error *error)
{
    return status < 0 || (stream->reading.phase == PG_READING_PASSES && pg_reading_step(stream, out, error) < 0) ? -1
                                                                                                                 : 0;
}

/* Takes messages until there are none, out is full, or the end is reached: 1, 0 when none
 * is left, -1. Not for long without a line (a server may send more than we leave out, or keep, in that time): it is to be told that we
 * are there. */
static int read_messages(struct pg_stream *stream, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    bool consumed = false;
    size_t taken = 0;
    while (!stream->ended && !stream->unsure && out->len < limit && taken < READ_AT_ONCE) {
        char *data = NULL;
        if (stream->spool && pg_spool_has(stream->spool)) {
            if (after_message(stream, spooled_message(stream, out, error), out, error) < 0)
                return -1;
            continue;
        }
        int n = PQgetCopyData(stream->replication, &data, 1);
        /* A notice comes within PQgetCopyData, before the message that follows it in the stream. */
        if (stream->skipped.status != 0) {
            PQfreemem(data);
            return changes_skipped(stream, error);
        }
        if (n > 0) {
            int status = message(stream, data, n, out, error);
            PQfreemem(data);
            if (after_message(stream, status, out, error) < 0)
                return -1;
            taken += (size_t)n;
            consumed = false;
        } else if (n < 0) {
            return copy_ended(stream, n, error);
            /* Read from the socket, and still no whole message: the loop may sleep. Only then, since TLS may hold bytes
         * that poll does not see. */
        } else if (consumed) {
            return 0;
        } else {
            if (!PQconsumeInput(stream->replication))
                return pg_status_broken(stream, error);
            consumed = true;
        }
    }
    return 1;
}

static enum cdc_source_result stream_read(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct pg_stream *stream = source;
    size_t before = out->len;
    stream->whole = before;
    if (stream->heal.done)
        return CDC_SOURCE_END;
    bool rows = pg_reading_has_rows(stream);
    int more = rows ? pg_reading_rows(stream, out, limit, error) : read_messages(stream, out, limit, error);
    if (more == 0 && drained(stream, out, before, error) < 0)
        more = -1;
    if (more > 0 && out->len != before)
        stream->last_receive = stream->last_line = cdc_clock_ms();
    update_metrics(stream);
    if (more < 0)
        return CDC_SOURCE_ERROR;
    return stream->ended ? CDC_SOURCE_END : more > 0 ? CDC_SOURCE_MORE : CDC_SOURCE_IDLE;
}

/* -- the other operations -- */

static int stream_descriptor(void *source, short *events)
{
    struct pg_stream *stream = source;
    *events = (short)(POLLIN | (stream->unsent ? POLLOUT : 0));
    return stream->replication ? PQsocket(stream->replication) : -1;
}

/* A server that shuts down ends plain sessions at once but waits for its walsenders until
 * everything is confirmed, which takes for ever when no sink does. Status messages keep
 * it waiting; so it is left after a while, the slot keeps the rest. */
static int watch_shutdown(struct pg_stream *stream, int64_t now, struct cdc_error *error)
{
    if (stream->leave_at != 0 && now >= stream->leave_at)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server is shutting down");
    if (stream->leave_at != 0 || now - stream->last_watch < STATUS_MS)
        return 0;
    stream->last_watch = now;
    if (pg_stream_has_session(stream))
        return 0;
    pg_stream_close_sql(stream);
    struct cdc_error refused = {0};
    bool full = false;
    stream->sql = pg_connect_beside(stream->pg, stream->replication, &full, &refused);
    if (!stream->sql && !full && refused.status == CDC_EXIT_UNAVAILABLE)
        stream->leave_at = now + LEAVE_MS;
    return 0;
}

static const struct cdc_offset *stream_boundary(void *source)
{
    struct pg_stream *stream = source;
    const struct cdc_offset *boundary = stream->decoder ? pgoutput_boundary(stream->decoder) : NULL;
    if (!boundary)
        return NULL;
    stream->boundary = *boundary;
    stream->boundary.state = stream->state_json.data;
    return &stream->boundary;
}

/* Sinks have a position before the first boundary of the log: that of the snapshot. */
static const char *stream_state(void *source)
{
    const struct pg_stream *stream = source;
    return stream->state_json.data;
}

static bool stream_between(void *source)
{
    struct pg_stream *stream = source;
    return !stream->decoder || !pgoutput_in_transaction(stream->decoder);
}

/* Between transactions: the connection is left for another one, that has the server describe anew what is still in use, or send open
 * transactions no more. */
static int renew(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_offset *boundary = stream_boundary(stream);
    struct cdc_offset from = {0};
    if (!boundary && !stream->has_from)
        return pg_stream_connect(stream, NULL, error);
    int status = cdc_offset_copy(&from, boundary ? boundary : &stream->from, error);
    if (status == 0)
        status = pg_stream_connect(stream, &from, error);
    cdc_offset_free(&from);
    return status;
}

static int leave_spool(struct pg_stream *stream, struct cdc_error *error)
{
    cdc_log_write(
        stream->log, CDC_LOG_INFO,
        "an open transaction has logical messages beside savepoints that were rolled back, and the server does "
        "not say which go with them: it is read when it has committed, and so is the rest of this run");
    pg_spool_free(stream->spool);
    stream->spool = NULL;
    stream->unsure = false;
    return renew(stream, error);
}

/* Why another connection is to be made, between transactions; NULL: there is no reason. */
static const char *why_renew(struct pg_stream *stream)
{
    const struct cdc_offset *boundary = stream_boundary(stream);
    uint64_t lsn;
    if (stream->ended || !boundary || !idle_between(stream))
        return NULL;
    if (pgoutput_is_full(stream->decoder))
        return "many tables have been described in this connection";
    /* One that is read begins anew in another connection: where the alteration is none of its own it may come to its end. */
    return !stream->reading.live.begun && pg_stream_is_older(stream) && pg_pos_restart_lsn(boundary->pos, &lsn) &&
                   !pg_members_doubt(&stream->members, lsn)
               ? "the publication was altered, or a table is another one than the server takes it for"
               : NULL;
}

/* Of a standby that was promoted, as pg_watch_tick has found. */
static int take_timeline(struct pg_stream *stream, struct cdc_error *error)
{
    int32_t timeline = stream->new_timeline;
    stream->new_timeline = 0;
    if (timeline == 0)
        return 0;
    stream->timeline_due = true;
    return pg_stream_set_timeline(stream, timeline, error);
}

/* Who asks wants to know it soon: the server says it when it is asked. */
static bool stream_caught_up(void *source)
{
    struct pg_stream *stream = source;
    stream->end_asked = true;
    return pg_bounds_caught_up(stream);
}

static int stream_tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    struct pg_stream *stream = source;
    int64_t now = cdc_clock_ms();
    stream->whole = out->len;
    if (!stream->replication || !stream->copying)
        return 0;
    if (stream->unsure && !stream->ended)
        return leave_spool(stream, error);
    const char *why = why_renew(stream);
    if (why) {
        cdc_log_write(stream->log, CDC_LOG_DEBUG, "connecting anew: %s", why);
        return renew(stream, error);
    }
    if (blocked)
        stream->last_receive = now; /* we do not listen: silence means nothing */
    else if (now - stream->last_receive > stream->silent_ms && pg_stream_check_walsender(stream, error) < 0)
        return -1;
    if (watch_shutdown(stream, now, error) < 0 || pg_watch_tick(stream, now, error) < 0 ||
        take_timeline(stream, error) < 0 || pg_asked_tick(stream, now, error) < 0 ||
        pg_heal_tick(stream, now, error) < 0)
        return -1;
    pg_lag_measure(stream);
    if (!blocked)
        maybe_heartbeat(stream, out, now);
    if (stream->unsent && pg_status_push(stream, error) < 0)
        return -1;
    /* Sent also while the output is blocked and nothing is read: a full pipe must not cost the connection. */
    bool request = now - stream->last_request >= REQUEST_MS ||
                   ((stream->settings.until || stream->heal.stop_at || pg_stream_is_older(stream) ||
                     pgoutput_is_expecting(stream->decoder) || (stream->end_asked && !pg_bounds_caught_up(stream))) &&
                    !blocked && now - stream->last_request >= 1000);
    if (request || now - stream->last_status >= stream->status_ms ||
        ((stream->reply_due || stream->flush > stream->reported_flush) && now - stream->last_status >= REPLY_MS))
        return pg_status_send(stream, request, error);
    return 0;
}

static int stream_confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct pg_stream *stream = source;
    uint64_t lsn;
    if (!offset->pos || !*offset->pos || !pg_pos_restart_lsn(offset->pos, &lsn) || lsn <= stream->flush)
        return 0;
    stream->flush = lsn;
    pg_lag_confirmed(stream, offset);
    if (!stream->replication || !stream->copying)
        return 0;
    if (stream->reply_due || cdc_clock_ms() - stream->last_status >= REPLY_MS)
        return pg_status_send(stream, false, error);
    return 0;
}

static size_t stream_whole(void *source)
{
    const struct pg_stream *stream = source;
    return stream->whole;
}

const struct cdc_source_ops pg_stream_ops = {
    .connect = pg_stream_connect,
    .disconnect = pg_status_disconnect,
    .descriptor = stream_descriptor,
    .read = stream_read,
    .tick = stream_tick,
    .whole = stream_whole,
    .confirm = stream_confirm,
    .boundary = stream_boundary,
    .state = stream_state,
    .between = stream_between,
    .end = pg_heal_end,
    .caught_up = stream_caught_up,
};
