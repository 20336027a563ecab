/* SPDX-License-Identifier: MIT */
/* The replication stream as a source: START_REPLICATION, CopyData in, status messages
 * out. What is confirmed, and when, decides whether rows can be lost: the server forgets
 * what lies before the flush position. */
#include "postgres.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MS 1000   /* a status message at least that often */
#define REPLY_MS 100     /* and at most that often when the server asks */
#define REQUEST_MS 10000 /* ask the server for a sign of life */
#define DEAD_MS 60000    /* silence after which it is taken for dead */
#define LEAVE_MS                                                                         \
    3000 /* how long a server that shuts down is given for the last confirmations */
#define EPOCH_MS 946684800000 /* 2000-01-01 since 1970 */

struct pg_stream {
    struct pg_stream_settings settings;
    struct pg_settings *pg;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    PGconn *sql, *replication;
    struct pgoutput *decoder;
    struct pg_identity identity;
    struct cdc_buf identity_json; /* NUL-terminated */
    struct cdc_offset boundary;   /* the decoder's, with our state */
    bool started;                 /* once in this run: from then on nothing is created */
    bool made_publication;        /* by a --temporary run */
    bool copying;                 /* between START_REPLICATION and the end of the copy */
    uint64_t start_lsn;           /* of this connection: nothing below is of interest */
    uint64_t flush;               /* what confirm() gave; never falls */
    uint64_t reported_flush;
    uint64_t wal_end;      /* of the newest keepalive: all before it has been received */
    uint64_t boundary_lsn; /* where replication would start again after the boundary */
    int64_t server_ms;     /* the server's clock at the newest keepalive, since 1970 */
    bool reply_due;        /* the server waits for a status message */
    bool server_asked;     /* and got no new flush position since */
    bool unsent;           /* a status message lies in libpq's buffer */
    int64_t status_ms;     /* interval of status messages */
    int64_t last_status, last_request, last_receive, last_line;
    int64_t last_watch,
        leave_at;       /* leave_at: 0, or when to leave a server that shuts down */
    int64_t until_ms;   /* --until TIME; 0: none */
    uint64_t until_lsn; /* --until LSN or now; 0: none yet */
    bool ended;
};

/* -- --until -- */

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
    if (digits(&p, 4, &year) || expect(&p, '-') || digits(&p, 2, &month) ||
        expect(&p, '-') || digits(&p, 2, &day) || (*p != 'T' && *p != 't' && *p != ' '))
        return -1;
    p++;
    if (digits(&p, 2, &hour) || expect(&p, ':') || digits(&p, 2, &minute) ||
        expect(&p, ':') || digits(&p, 2, &second))
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
    if (*p || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return -1;
    *ms = ((days_since_1970(year, month, day) * 24 + hour - sign * zone_hour) * 60 +
           minute - sign * zone_minute) *
              60000 +
          second * 1000 + fraction;
    return 0;
}

int pg_until_parse(const char *text, uint64_t *lsn, int64_t *ms, struct cdc_error *error)
{
    *lsn = 0;
    *ms = 0;
    if (!text || strcmp(text, "now") == 0 || pg_lsn_parse(text, lsn) ||
        parse_time(text, ms) == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE,
                  "--until '%.64s' is neither now, nor an LSN, nor a time", text);
    return cdc_error_hint(error, "for instance 16/B374D848 or 2026-11-21T09:28:42Z");
}

/* A position just behind the header of a page is the end of the page before: no record
 * ends between them. */
static uint64_t without_page_header(uint64_t lsn)
{
    uint64_t in_page = lsn & 8191;
    return in_page == 24 || (in_page == 40 && (lsn & 0xFFFFF) == 40) ? lsn - in_page
                                                                     : lsn;
}

static PGresult *query(PGconn *sql, const char *text, const char *what,
                       struct cdc_error *error)
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
static int current_lsn(PGconn *sql, uint64_t *lsn, struct cdc_error *error)
{
    for (int tries = 0;; tries++) {
        uint64_t insert = 0;
        PGresult *result =
            query(sql,
                  "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
                  "ELSE pg_current_wal_flush_lsn() END, CASE WHEN pg_is_in_recovery() "
                  "THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END",
                  "cannot ask for the end of the log", error);
        if (!result)
            return -1;
        bool ok = pg_lsn_parse(PQgetvalue(result, 0, 0), lsn) &&
                  pg_lsn_parse(PQgetvalue(result, 0, 1), &insert);
        PQclear(result);
        if (!ok)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                                 "the server gave no position of its log");
        *lsn = without_page_header(*lsn);
        if (*lsn >= without_page_header(insert) || tries >= 8)
            return 0;
        poll(NULL, 0, 100);
    }
}

/* -- life -- */

static void close_sql(struct pg_stream *stream)
{
    PQfinish(stream->sql);
    stream->sql = NULL;
}

static int ensure_sql(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->sql && PQstatus(stream->sql) == CONNECTION_OK)
        return 0;
    PQfinish(stream->sql);
    stream->sql = pg_connect(stream->pg, false, error);
    return stream->sql ? 0 : -1;
}

static int describe(void *context, struct pg_table *table, struct cdc_error *error)
{
    struct pg_stream *stream = context;
    struct cdc_error first = {0};
    if (ensure_sql(stream, error) < 0)
        return -1;
    if (pg_table_describe(stream->sql, table, &first) == 0)
        return 0;
    if (!cdc_error_is_transient(&first)) {
        if (error)
            *error = first;
        return -1;
    }
    /* An idle connection may have been cut without our noticing. */
    close_sql(stream);
    return ensure_sql(stream, error) < 0 ? -1
                                         : pg_table_describe(stream->sql, table, error);
}

struct pg_stream *pg_stream_new(const struct pg_stream_settings *settings,
                                struct cdc_metrics *metrics, const struct cdc_log *log,
                                struct cdc_error *error)
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
    if (pg_until_parse(settings->until, &stream->until_lsn, &stream->until_ms, error) ==
        0)
        return stream;
    pg_stream_free(stream);
    return NULL;
}

static void drop_temporary(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    if (stream->made_publication && ensure_sql(stream, &ignored) == 0)
        pg_publication_drop(stream->sql, stream->pg, NULL, &ignored);
}

static void stream_disconnect(void *source);

void pg_stream_free(struct pg_stream *stream)
{
    if (!stream)
        return;
    stream_disconnect(stream);
    drop_temporary(stream);
    PQfinish(stream->sql);
    pgoutput_free(stream->decoder);
    cdc_buf_free(&stream->identity_json);
    free(stream);
}

/* The decoder needs the names that resolving gives: it is made at the first connection.
 */
static int ensure_decoder(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->decoder) {
        pgoutput_reset(stream->decoder);
        return 0;
    }
    const struct pg_settings *pg = stream->pg;
    struct pgoutput_settings settings = {.pipeline = pg->name,
                                         .database = stream->identity.database,
                                         .style = pg->style,
                                         .include = pg->tables.items,
                                         .n_include = pg->tables.count,
                                         .exclude = pg->exclude.items,
                                         .n_exclude = pg->exclude.count,
                                         .describe = describe,
                                         .describe_context = stream};
    stream->decoder = pgoutput_new(&settings, error);
    return stream->decoder ? 0 : -1;
}

/* -- connect: every check before the first byte is read -- */

static int lost(struct cdc_error *error, const char *slot, const char *why)
{
    cdc_error_set(error, CDC_EXIT_LOST, "slot \"%s\" %s", slot, why);
    return cdc_error_hint(
        error,
        "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
        "offset files of the pipeline, and begin with cdc-snapshot)");
}

static int check_server(struct pg_stream *stream, struct cdc_error *error)
{
    PGresult *result =
        query(stream->sql,
              "SELECT current_setting('wal_level'), "
              "(SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout')",
              "cannot read the server's settings", error);
    if (!result)
        return -1;
    bool logical = strcmp(PQgetvalue(result, 0, 0), "logical") == 0;
    int64_t timeout = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    if (!logical) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "the server's wal_level is %s; logical is needed",
                      PQgetvalue(result, 0, 0));
        cdc_error_hint(error,
                       "ALTER SYSTEM SET wal_level = logical; and restart the server");
    }
    PQclear(result);
    stream->status_ms = timeout > 0 && timeout / 4 < STATUS_MS ? timeout / 4 : STATUS_MS;
    return logical ? 0 : -1;
}

static int check_resume(struct pg_stream *stream, const struct pg_slot *slot,
                        const struct cdc_offset *from, struct cdc_error *error)
{
    uint64_t lsn = stream->start_lsn;
    if (!slot->exists)
        return lost(error, stream->pg->slot,
                    "is gone, and a position to go on from exists");
    if (from && slot->confirmed_flush > lsn) {
        char text[160], a[24], b[24];
        pg_lsn_format(a, slot->confirmed_flush);
        pg_lsn_format(b, lsn);
        snprintf(text, sizeof text,
                 "was confirmed up to %s, beyond our position %s: "
                 "it was made anew, or somebody else reads it",
                 a, b);
        return lost(error, stream->pg->slot, text);
    }
    return 0;
}

static int missing_slot(const struct pg_settings *pg, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" does not exist", pg->slot);
    return cdc_error_hint(
        error,
        "SELECT pg_create_logical_replication_slot('%s', 'pgoutput'); or run "
        "without --no-create",
        pg->slot);
}

/* The publication: made only before a slot is, since the slot sees the catalogs as they
 * were. */
static int prepare_publication(struct pg_stream *stream, bool create,
                               struct cdc_error *error)
{
    struct pg_settings settings = *stream->pg;
    struct cdc_error own = {0};
    settings.no_create = settings.no_create || !create;
    if (pg_publication_ensure(stream->sql, &settings,
                              create || !stream->started ? stream->log : NULL,
                              create ? error : &own) == 0) {
        stream->made_publication = settings.temporary && create &&
                                   strcmp(settings.publication, settings.slot) == 0;
        return 0;
    }
    if (create)
        return -1;
    if (own.status == CDC_EXIT_CONFIG && !stream->pg->no_create)
        snprintf(own.hint, sizeof own.hint, "%s",
                 "the slot is older than any publication made now: create the "
                 "publication by hand only if nothing "
                 "changed since, else run pg-cdc --drop and take a new snapshot");
    if (error && error->status == 0)
        *error = own;
    return -1;
}

static int prepare_slot(struct pg_stream *stream, const struct cdc_offset *from,
                        struct cdc_error *error)
{
    struct pg_settings *pg = stream->pg;
    struct pg_slot slot;
    bool resume = from || stream->settings.resume_only || stream->started;
    if (pg_slot_read(stream->sql, pg->slot, &slot, error) < 0)
        return -1;
    if (slot.exists && slot.lost)
        return lost(error, pg->slot, "was invalidated by the server: its log is gone");
    if (resume && check_resume(stream, &slot, from, error) < 0)
        return -1;
    if (slot.active)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                             "slot \"%s\" is in use by pid %d of the server", pg->slot,
                             slot.active_pid);
    if (!slot.exists && pg->no_create && !pg->temporary)
        return missing_slot(pg, error);
    if (prepare_publication(stream, !slot.exists, error) < 0)
        return -1;
    if (slot.exists)
        return 0;
    uint64_t point = 0;
    if (pg_slot_create(stream->replication, pg, &point, NULL, error) < 0)
        return -1;
    char text[24];
    pg_lsn_format(text, point);
    cdc_log(stream->log, CDC_LOG_INFO, "created %sslot \"%s\" at %s",
            pg->temporary ? "temporary " : "", pg->slot, text);
    return 0;
}

/* 'text' for the replication grammar, where only quotes are special. */
static void append_quoted(struct cdc_buf *out, const char *text, char quote, char around)
{
    if (around)
        cdc_buf_byte(out, around);
    cdc_buf_byte(out, quote);
    for (; *text; text++) {
        int n = (*text == quote ? 2 : 1) * (around && *text == around ? 2 : 1);
        while (n-- > 0)
            cdc_buf_byte(out, *text);
    }
    cdc_buf_byte(out, quote);
    if (around)
        cdc_buf_byte(out, around);
}

static bool slot_is_lost(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    struct pg_slot slot;
    return ensure_sql(stream, &ignored) == 0 &&
           pg_slot_read(stream->sql, stream->pg->slot, &slot, &ignored) == 0 &&
           (!slot.exists || slot.lost);
}

/* What the walsender said. Its words for an invalidated slot differ from version to
 * version: the slot is asked. */
static int stream_error(struct pg_stream *stream, const PGresult *result,
                        const char *what, struct cdc_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool removed = state && strcmp(state, "58P01") == 0;
    if (state &&
        (removed || strcmp(state, "55000") == 0 || strcmp(state, "42704") == 0) &&
        (slot_is_lost(stream) || removed))
        return lost(error, stream->pg->slot,
                    "has lost its log: it was invalidated or dropped");
    pg_result_error(stream->replication, result, what, error);
    if (state && strcmp(state, "42704") == 0)
        cdc_error_hint(error,
                       "was publication \"%s\" dropped, or made after the slot? Then run "
                       "pg-cdc --drop and "
                       "take a new snapshot",
                       stream->pg->publication);
    return -1;
}

static int start_replication(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    char lsn[24];
    pg_lsn_format(lsn, stream->start_lsn);
    cdc_buf_printf(
        &command,
        "START_REPLICATION SLOT \"%s\" LOGICAL %s (proto_version '1', publication_names ",
        stream->pg->slot, lsn);
    append_quoted(&command, stream->pg->publication, '"', '\'');
    cdc_buf_lit(&command, ", messages 'true')");
    cdc_buf_byte(&command, '\0');
    PGresult *result = command.failed ? NULL : PQexec(stream->replication, command.data);
    cdc_buf_free(&command);
    int status = 0;
    if (PQresultStatus(result) != PGRES_COPY_BOTH)
        status = stream_error(stream, result, "cannot start replication", error);
    else if (PQsetnonblocking(stream->replication, 1) != 0)
        status = cdc_error_set(error, CDC_EXIT_INTERNAL,
                               "cannot make the connection non-blocking");
    PQclear(result);
    return status;
}

static int identify(struct pg_stream *stream, const struct cdc_offset *from,
                    struct cdc_error *error)
{
    if (pg_identify(stream->replication, &stream->identity, error) < 0)
        return -1;
    snprintf(stream->identity.slot, sizeof stream->identity.slot, "%s", stream->pg->slot);
    stream->identity_json.len = 0;
    pg_identity_json(&stream->identity_json, &stream->identity);
    cdc_buf_byte(&stream->identity_json, '\0');
    if (stream->identity_json.failed)
        return cdc_error_memory(error);
    if (!from)
        return 0;
    return pg_identity_check(stream->replication, &stream->identity, from->state,
                             stream->start_lsn, error);
}

static int resolve_until(struct pg_stream *stream, struct cdc_error *error)
{
    const char *until = stream->settings.until;
    if (!until || strcmp(until, "now") != 0 || stream->until_lsn != 0)
        return 0;
    return current_lsn(stream->sql, &stream->until_lsn, error);
}

static int stream_connect(void *source, const struct cdc_offset *from,
                          struct cdc_error *error)
{
    struct pg_stream *stream = source;
    stream_disconnect(stream);
    if (from && (!from->pos || !*from->pos))
        from = NULL;
    stream->start_lsn = 0;
    if (from && !pg_pos_restart_lsn(from->pos, &stream->start_lsn))
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "'%.80s' is no position of a PostgreSQL source", from->pos);
    if (ensure_sql(stream, error) < 0 ||
        pg_settings_resolve(stream->sql, stream->pg, error) < 0 ||
        check_server(stream, error) < 0) {
        close_sql(stream);
        return -1;
    }
    stream->replication = pg_connect(stream->pg, true, error);
    if (!stream->replication || identify(stream, from, error) < 0 ||
        prepare_slot(stream, from, error) < 0 || resolve_until(stream, error) < 0 ||
        ensure_decoder(stream, error) < 0 || start_replication(stream, error) < 0) {
        stream_disconnect(stream);
        close_sql(stream);
        return -1;
    }
    if (!stream->started)
        stream->flush = stream->start_lsn; /* confirmed by an earlier run; later ones may
                                              be written only */
    stream->started = stream->copying = true;
    stream->wal_end = stream->boundary_lsn = stream->start_lsn;
    stream->reported_flush = 0;
    stream->reply_due = stream->server_asked = stream->unsent = false;
    stream->last_status = stream->leave_at = 0;
    stream->last_watch = stream->last_request = stream->last_receive = stream->last_line =
        cdc_clock_ms();
    return 0;
}

/* -- status messages -- */

static void put_i64(char *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (char)(value & 0xff);
}

static uint64_t get_i64(const char *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)from[i];
    return value;
}

static int connection_error(struct pg_stream *stream, struct cdc_error *error)
{
    return pg_result_error(stream->replication, NULL,
                           "the connection to the server failed", error);
}

static int push(struct pg_stream *stream, struct cdc_error *error)
{
    int left = PQflush(stream->replication);
    if (left < 0)
        return connection_error(stream, error);
    stream->unsent = left > 0;
    return 0;
}

/* Write, flush and apply are the same: what is stored at the far end. Never queues a
 * second message behind one that the socket would not take. */
static int send_status(struct pg_stream *stream, bool request, struct cdc_error *error)
{
    char message[34];
    int64_t now = cdc_clock_ms();
    if (stream->unsent && push(stream, error) < 0)
        return -1;
    if (stream->unsent)
        return 0;
    message[0] = 'r';
    put_i64(message + 1, stream->flush);
    put_i64(message + 9, stream->flush);
    put_i64(message + 17, stream->flush);
    put_i64(message + 25, (uint64_t)((cdc_clock_wall_ms() - EPOCH_MS) * 1000));
    message[33] = request ? 1 : 0;
    int queued = PQputCopyData(stream->replication, message, sizeof message);
    if (queued < 0)
        return connection_error(stream, error);
    if (queued == 0)
        return 0;
    stream->last_status = now;
    stream->reported_flush = stream->flush;
    stream->reply_due = false;
    if (request)
        stream->last_request = now;
    return push(stream, error);
}

/* -- boundaries -- */

static bool idle_between(const struct pg_stream *stream)
{
    return !pgoutput_in_transaction(stream->decoder);
}

static void end_if_reached(struct pg_stream *stream)
{
    if (stream->until_lsn != 0 && stream->boundary_lsn >= stream->until_lsn)
        stream->ended = true;
    if (stream->settings.max_events > 0 && pgoutput_counts(stream->decoder)->changes >=
                                               (uint64_t)stream->settings.max_events)
        stream->ended = true;
}

static void update_metrics(struct pg_stream *stream)
{
    const struct pgoutput_counts *counts = pgoutput_counts(stream->decoder);
    if (!stream->metrics)
        return;
    stream->metrics->changes = counts->changes;
    stream->metrics->commits = counts->commits;
    stream->metrics->lines_out = counts->lines;
    stream->metrics->unconvertible = counts->unconvertible;
    if (stream->flush > 0)
        stream->metrics->lag_bytes = stream->wal_end > stream->flush
                                         ? (int64_t)(stream->wal_end - stream->flush)
                                         : 0;
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
    uint64_t lsn =
        stream->wal_end > stream->boundary_lsn ? stream->wal_end : stream->boundary_lsn;
    if (lsn == 0)
        return; /* nothing is known yet */
    pgoutput_heartbeat(stream->decoder, lsn, out);
    stream->last_line = now;
    stream->server_asked = false;
    boundary_moved(stream);
}

/* wal_end of a keepalive lies behind everything received and before everything still to
 * come: between transactions it is a boundary. It is offered when the time for it has
 * come, when the server waits (a shutdown does, for the flush position to reach its end),
 * and when the end of the run may lie there. */
static void maybe_heartbeat(struct pg_stream *stream, struct cdc_buf *out, int64_t now)
{
    if (stream->ended || !idle_between(stream))
        return;
    bool moved = stream->wal_end > stream->boundary_lsn;
    int64_t quiet = now - stream->last_line;
    if ((stream->settings.heartbeat > 0 &&
         quiet >= (int64_t)(stream->settings.heartbeat * 1000)) ||
        (moved && stream->server_asked && quiet >= 1000) ||
        (moved && stream->until_lsn != 0 && stream->wal_end >= stream->until_lsn))
        heartbeat(stream, out, now);
}

/* -- read -- */

static int keepalive(struct pg_stream *stream, const char *data, int n,
                     struct cdc_error *error)
{
    if (n < 18)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "a keepalive of %d bytes: 18 are needed", n);
    uint64_t wal_end = get_i64(data + 1);
    if (wal_end > stream->wal_end)
        stream->wal_end = wal_end;
    stream->server_ms = (int64_t)get_i64(data + 9) / 1000 + EPOCH_MS;
    stream->last_receive = cdc_clock_ms();
    if (data[17]) {
        stream->reply_due = stream->server_asked = true;
        if (stream->last_receive - stream->last_status >= REPLY_MS)
            return send_status(stream, false, error);
    }
    return 0;
}

/* A commit at or after --until TIME ends the run; its time stands at a fixed place of the
 * message. */
static void check_commit_time(struct pg_stream *stream, const char *data, size_t n)
{
    if (n < 26)
        return;
    int64_t ms = (int64_t)get_i64(data + 18) / 1000 + EPOCH_MS;
    if (stream->until_ms != 0 && ms >= stream->until_ms)
        stream->ended = true;
    if (stream->metrics)
        stream->metrics->lag_ms = cdc_clock_wall_ms() - ms;
}

static int xlog_data(struct pg_stream *stream, const char *data, int n,
                     struct cdc_buf *out, struct cdc_error *error)
{
    if (n < 26)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "a message of %d bytes: 26 are needed", n);
    const char *payload = data + 25;
    size_t length = (size_t)n - 25;
    if (pgoutput_decode(stream->decoder, payload, length, get_i64(data + 1), out, error) <
        0)
        return -1;
    if (payload[0] == 'C') {
        check_commit_time(stream, payload, length);
        boundary_moved(stream);
    } else if (payload[0] == 'M' && idle_between(stream)) {
        boundary_moved(stream);
    }
    return 0;
}

static int message(struct pg_stream *stream, const char *data, int n, struct cdc_buf *out,
                   struct cdc_error *error)
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
        return connection_error(stream, error);
    PGresult *result = PQgetResult(stream->replication);
    ExecStatusType status = PQresultStatus(result);
    int answer =
        status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE
            ? stream_error(stream, result, "the stream broke", error)
            : cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server ended the stream");
    PQclear(result);
    return answer;
}

/* The server's clock has passed --until TIME: what is committed by now is the end. */
static int check_until_time(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->until_ms == 0 || stream->until_lsn != 0 ||
        stream->server_ms < stream->until_ms)
        return 0;
    return ensure_sql(stream, error) < 0
               ? -1
               : current_lsn(stream->sql, &stream->until_lsn, error);
}

static int drained(struct pg_stream *stream, struct cdc_buf *out, size_t before,
                   struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();
    if (out->len != before)
        stream->last_receive = stream->last_line = now;
    if (check_until_time(stream, error) < 0)
        return -1;
    if (idle_between(stream))
        end_if_reached(stream);
    maybe_heartbeat(stream, out, now);
    /* The end may be a position without a change: it is asked for. */
    if (stream->settings.until && !stream->ended &&
        now - stream->last_request >= REPLY_MS)
        return send_status(stream, true, error);
    return stream->unsent ? push(stream, error) : 0;
}

/* Takes messages until there are none, out is full, or the end is reached: 1, 0 when none
 * is left, -1. */
static int read_messages(struct pg_stream *stream, struct cdc_buf *out, size_t limit,
                         struct cdc_error *error)
{
    bool consumed = false;
    while (!stream->ended && out->len < limit) {
        char *data;
        int n = PQgetCopyData(stream->replication, &data, 1);
        if (n > 0) {
            int status = message(stream, data, n, out, error);
            PQfreemem(data);
            if (status < 0)
                return -1;
            consumed = false;
        } else if (n < 0) {
            return copy_ended(stream, n, error);
        } else if (consumed) {
            return 0;
        } else {
            if (!PQconsumeInput(stream->replication))
                return connection_error(stream, error);
            consumed = true;
        }
    }
    return 1;
}

static enum cdc_source_result stream_read(void *source, struct cdc_buf *out, size_t limit,
                                          struct cdc_error *error)
{
    struct pg_stream *stream = source;
    size_t before = out->len;
    int more = read_messages(stream, out, limit, error);
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
    if (stream->sql) {
        struct pollfd fd = {PQsocket(stream->sql), POLLIN, 0};
        if (poll(&fd, 1, 0) <= 0 ||
            (PQconsumeInput(stream->sql) && PQstatus(stream->sql) == CONNECTION_OK))
            return 0;
        close_sql(stream);
    }
    struct cdc_error refused = {0};
    if (ensure_sql(stream, &refused) < 0)
        stream->leave_at = now + LEAVE_MS;
    return 0;
}

static int stream_tick(void *source, struct cdc_buf *out, bool blocked,
                       struct cdc_error *error)
{
    struct pg_stream *stream = source;
    int64_t now = cdc_clock_ms();
    if (!stream->replication || !stream->copying)
        return 0;
    if (blocked)
        stream->last_receive = now; /* we do not listen: silence means nothing */
    else if (now - stream->last_receive > DEAD_MS)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server is silent for %d s",
                             DEAD_MS / 1000);
    if (watch_shutdown(stream, now, error) < 0)
        return -1;
    if (!blocked)
        maybe_heartbeat(stream, out, now);
    if (stream->unsent && push(stream, error) < 0)
        return -1;
    bool request =
        now - stream->last_request >= REQUEST_MS ||
        (stream->settings.until && !blocked && now - stream->last_request >= 1000);
    if (request || now - stream->last_status >= stream->status_ms ||
        ((stream->reply_due || stream->flush > stream->reported_flush) &&
         now - stream->last_status >= REPLY_MS))
        return send_status(stream, request, error);
    return 0;
}

static int stream_confirm(void *source, const struct cdc_offset *offset,
                          struct cdc_error *error)
{
    struct pg_stream *stream = source;
    uint64_t lsn;
    if (!offset->pos || !*offset->pos || !pg_pos_restart_lsn(offset->pos, &lsn) ||
        lsn <= stream->flush)
        return 0;
    stream->flush = lsn;
    if (!stream->replication || !stream->copying)
        return 0;
    if (stream->reply_due || cdc_clock_ms() - stream->last_status >= REPLY_MS)
        return send_status(stream, false, error);
    return 0;
}

static const struct cdc_offset *stream_boundary(void *source)
{
    struct pg_stream *stream = source;
    const struct cdc_offset *boundary =
        stream->decoder ? pgoutput_boundary(stream->decoder) : NULL;
    if (!boundary)
        return NULL;
    stream->boundary = *boundary;
    stream->boundary.state = stream->identity_json.data;
    return &stream->boundary;
}

static bool stream_between(void *source)
{
    struct pg_stream *stream = source;
    return !stream->decoder || !pgoutput_in_transaction(stream->decoder);
}

/* The last position, the end of the copy, and what the server still says, for a second at
 * most. */
static void end_copy(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    int64_t deadline = cdc_clock_ms() + 1000;
    if (send_status(stream, false, &ignored) < 0 ||
        PQputCopyEnd(stream->replication, NULL) != 1 || push(stream, &ignored) < 0)
        return;
    while (cdc_clock_ms() < deadline) {
        char *data;
        int n = PQgetCopyData(stream->replication, &data, 1);
        if (n < 0)
            return;
        if (n > 0) {
            PQfreemem(data);
            continue;
        }
        struct pollfd fd = {PQsocket(stream->replication),
                            (short)(POLLIN | (stream->unsent ? POLLOUT : 0)), 0};
        poll(&fd, 1, 100);
        if (push(stream, &ignored) < 0 || !PQconsumeInput(stream->replication))
            return;
    }
}

static void stream_disconnect(void *source)
{
    struct pg_stream *stream = source;
    if (stream->replication && stream->copying &&
        PQstatus(stream->replication) == CONNECTION_OK)
        end_copy(stream);
    stream->copying = false;
    PQfinish(stream->replication);
    stream->replication = NULL;
}

const struct cdc_source_ops pg_stream_ops = {
    .connect = stream_connect,
    .disconnect = stream_disconnect,
    .descriptor = stream_descriptor,
    .read = stream_read,
    .tick = stream_tick,
    .confirm = stream_confirm,
    .boundary = stream_boundary,
    .between = stream_between,
};
