/* SPDX-License-Identifier: MIT */
/* What changes meanwhile in what the stream sees: a table leaves the publication, or a new one does not come into it. The log
 * does not tell, so the catalogs are asked, by a cheap question every second or two that yields one number; only where that
 * is another one than before the tables are looked at. The question is put without waiting for its answer, since a server
 * that does not answer must hold up neither the lines nor a signal. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/gaps.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/wait.h"

#include <cdc/hash.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000
#define LOOK_SHARE 20   /* of the time, a slow question may take one part */
#define STANDS_MS 10000 /* so long is more than a standby that lags a little */
#define PATIENCE_MS 200 /* with tables that somebody holds locked: the lines wait meanwhile. It is asked again */

/* Tables, by the transactions that wrote their rows of the catalog and those of their columns, and of composite types, which views and
 * whatever else has rows are, too (not temporary ones, which come and go all the time, and are never seen); labels of enums, in the same
 * way; names of schemas; keys; the publication's own row; its lists. */
#define FINGERPRINT_SQL(schemas)                                                                                       \
    "SELECT concat_ws(' ', (SELECT concat(count(*), ' ', sum(hashint8(oid::int8 * 4294967296 + xmin::text::int8)), ' " \
    "', "                                                                                                              \
    "sum(hashtext(concat(relname, ' ', oid, ' ', relnamespace, relkind, relpersistence, relispartition)))) FROM "      \
    "pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'f', 'm') AND relpersistence <> 't'), (SELECT concat(count(*), "  \
    "' ', sum(hashint8(a.attrelid::int8 * 4294967296 + a.xmin::text::int8))) FROM pg_catalog.pg_attribute a JOIN "     \
    "pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND c.relkind IN ('r', 'p', 'c', 'v', 'm', 'f') "  \
    "AND c.relpersistence <> 't' AND c.oid >= 16384), (SELECT concat(count(*), ' ', sum(hashtext(concat(oid, ' ', "    \
    "xmin, ' ', "                                                                                                      \
    "enumlabel)))) FROM pg_catalog.pg_enum), (SELECT sum(hashtext(concat(nspname, oid, ' ', xmin))) FROM "             \
    "pg_catalog.pg_namespace WHERE nspname !~ '^pg_'), (SELECT concat(count(*), ' ', "                                 \
    "sum(hashtext(concat(indexrelid, ' ', xmin)))) FROM pg_catalog.pg_index WHERE indrelid >= 16384 AND "              \
    "(indisprimary OR indisreplident)), "                                                                              \
    "(SELECT concat(p.xmin, p::text) FROM pg_catalog.pg_publication p WHERE pubname = %s), (SELECT concat(count(*), "  \
    "' ', "                                                                                                            \
    "sum(hashtext(r::text)::bigint)) FROM pg_catalog.pg_publication_rel r)" schemas "), CASE WHEN "                    \
    "pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END AS server_end"

/* Does the walsender wait for the slots of synchronized_standby_slots? */
#define STANDS_SQL                                                                                                     \
    ", EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots s CROSS JOIN LATERAL "                                    \
    "pg_catalog.pg_stat_get_activity(coalesce(s.active_pid, 0)) a WHERE s.slot_name = '%s' AND a.wait_event = "        \
    "'WaitForStandbyConfirmation') AS stands"

static char *make_question(PGconn *sql, const struct pg_settings *settings)
{
    struct cdc_buf text = CDC_BUF_INIT;
    char *literal = PQescapeLiteral(sql, settings->publication, strlen(settings->publication));
    if (literal && PQserverVersion(sql) >= 150000)
        cdc_buf_printf(&text,
                       FINGERPRINT_SQL(", (SELECT sum(hashtext(n::text)::bigint) FROM "
                                       "pg_catalog.pg_publication_namespace n)"),
                       literal);
    else if (literal)
        cdc_buf_printf(&text, FINGERPRINT_SQL(""), literal);
    if (literal && PQserverVersion(sql) >= 170000)
        cdc_buf_printf(&text, STANDS_SQL, settings->slot); /* whose name has nothing to be quoted */
    cdc_buf_byte(&text, '\0');
    PQfreemem(literal);
    if (literal && !text.failed)
        return text.data;
    cdc_buf_free(&text);
    return NULL;
}

/* Another one is made when it is needed. */
static void leave_session(struct pg_stream *stream)
{
    PQfinish(stream->sql);
    stream->sql = NULL;
}

/* -- what was said -- */

struct pg_look {
    struct pg_stream *stream;
    uint64_t *said; /* of this look */
    size_t n, capacity;
    bool failed;
    struct cdc_error *error; /* the first finding that ends the stream */
};

static bool was_said(const struct pg_watch *watch, uint64_t hash)
{
    for (size_t i = 0; i < watch->n_said; i++)
        if (watch->said[i] == hash)
            return true;
    return false;
}

static void take_gap(void *context, enum pg_gap_weight weight, const char *code, const char *what, const char *cure)
{
    (void)code;
    struct pg_look *look = context;
    struct pg_stream *stream = look->stream;
    uint64_t hash = cdc_hash_span(CDC_HASH_INIT, cdc_span_text(what));
    if (look->n == look->capacity) {
        size_t capacity = look->capacity ? look->capacity * 2 : 16;
        uint64_t *said = realloc(look->said, capacity * sizeof *said);
        if (!said) {
            look->failed = true;
            return;
        }
        look->said = said;
        look->capacity = capacity;
    }
    look->said[look->n++] = hash;
    if (!(stream->watch.looked || stream->watch.remembers) || was_said(&stream->watch, hash))
        return;
    if (weight == PG_GAP_STOPS && look->error->status == 0) {
        cdc_error_set(look->error, CDC_EXIT_CONFIG, "%s", what);
        cdc_error_hint(look->error, "%s", cure);
    } else {
        cdc_log_write(stream->log, CDC_LOG_WARNING, "%s; %s", what, cure);
    }
}

static struct pg_gaps gaps_of(struct pg_look *look, const struct pg_catalog *catalog)
{
    return (struct pg_gaps){.settings = look->stream->pg,
                            .catalog = catalog,
                            .published = true,
                            .all = true,
                            .heals = look->stream->heal.on,
                            .columns = true,
                            .say = take_gap,
                            .context = look};
}

void pg_watch_remember(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    struct pg_look look = {.stream = stream, .error = &ignored};
    struct pg_catalog catalog;
    stream->watch.remembers = false;
    int result = pg_catalog_read(stream->sql, stream->pg->publication, PATIENCE_MS, &catalog, &ignored);
    const struct pg_gaps gaps = gaps_of(&look, &catalog);
    if (result == 0)
        result = pg_gaps_find(&gaps, stream->sql, &ignored);
    pg_catalog_free(&catalog);
    free(stream->watch.said);
    stream->watch.said = look.said;
    stream->watch.n_said = look.n;
    stream->watch.remembers = result == 0 && !look.failed;
}

/* The tables as they are now, and whether one of them was away since the last look. The first look only remembers, unless it was
 * done before the slot was made: the start has said what there was to say. */
int pg_watch_look(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_error found = {0}, failed = {0};
    struct pg_look look = {.stream = stream, .error = &found};
    struct pg_catalog catalog;
    int patience = stream->watch.looked ? PATIENCE_MS : PG_LOCKS_PATIENCE_MS;
    char *ended = stream->heal.on ? pg_shapes_ended(stream->sql, &failed) : NULL;
    bool asked = ended || !stream->heal.on;
    int result = asked ? pg_catalog_read(stream->sql, stream->pg->publication, patience, &catalog, &failed) : -1;
    const struct pg_gaps gaps = gaps_of(&look, &catalog);
    if (result == 0)
        result = pg_gaps_find(&gaps, stream->sql, &failed);
    if (result == 0)
        result = pg_moves_look(&stream->watch.moves, &catalog, stream->pg, stream->heal.on, stream->log, &failed);
    if (result == 0 && stream->heal.on)
        result = pg_heal_look(stream, &catalog, ended, &failed);
    if (asked)
        pg_catalog_free(&catalog);
    free(ended);
    if (result < 0 && !cdc_error_is_transient(&failed) && !stream->watch.failed) {
        cdc_log_write(stream->log, CDC_LOG_WARNING, "%s (said once)", failed.text);
        stream->watch.failed = true;
    }
    if (result < 0 || look.failed) { /* asked again; a server that is gone shows elsewhere */
        free(look.said);
        free(stream->watch.seen);
        stream->watch.seen = NULL;
        return 0;
    }
    free(stream->watch.said);
    stream->watch.said = look.said;
    stream->watch.n_said = look.n;
    stream->watch.looked = true;
    if (stream->decoder)
        pgoutput_set_composites_due(stream->decoder);
    /* Where the server could not be asked it is asked again, as above. */
    if (found.status == 0 && pg_stream_look_at_members(stream, &found) < 0 && cdc_error_is_transient(&found)) {
        free(stream->watch.seen);
        stream->watch.seen = NULL;
        return 0;
    }
    if (found.status == 0)
        return 0;
    if (error && error->status == 0)
        *error = found;
    return -1;
}

/* -- the question -- */

static void ask(struct pg_stream *stream, int64_t now)
{
    struct pg_watch *watch = &stream->watch;
    if (!stream->sql || PQstatus(stream->sql) != CONNECTION_OK || PQtransactionStatus(stream->sql) != PQTRANS_IDLE)
        return;
    if (!watch->question)
        watch->question = make_question(stream->sql, stream->pg);
    if (!watch->question || !PQsendQuery(stream->sql, watch->question))
        return;
    watch->asked = true;
    watch->asked_at = now;
}

/* The server says nothing of it to us, and nothing comes: it would look as if nothing happened. */
static void take_stands(struct pg_stream *stream, bool stands)
{
    struct pg_watch *watch = &stream->watch;
    int64_t now = watch->asked_at;
    if (!stands) {
        watch->stands_since = 0;
        watch->said_stands = false;
        return;
    }
    if (watch->stands_since == 0)
        watch->stands_since = now;
    if (watch->said_stands || now - watch->stands_since < STANDS_MS)
        return;
    watch->said_stands = true;
    cdc_log_write(stream->log, CDC_LOG_WARNING,
                  "the server sends nothing: it waits for the standbys whose slots synchronized_standby_slots names; "
                  "start them, or take them out (--check says which)");
}

/* Is it another one than before? */
static bool take_answer(struct pg_stream *stream, PGresult *result)
{
    struct pg_watch *watch = &stream->watch;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        struct cdc_error error = {0};
        pg_query_fail(stream->sql, result, "cannot watch the publication", &error);
        if (!watch->failed)
            cdc_log_write(stream->log, CDC_LOG_WARNING, "%s (said once)", error.text);
        watch->failed = true;
        return false;
    }
    const char *seen = PQgetvalue(result, 0, 0);
    int at = PQfnumber(result, "server_end");
    uint64_t end;
    if (at >= 0 && !PQgetisnull(result, 0, at) && pg_lsn_parse(PQgetvalue(result, 0, at), &end))
        stream->server_end = pg_bounds_without_header(end);
    int stands = PQfnumber(result, "stands");
    take_stands(stream, stands >= 0 && PQgetvalue(result, 0, stands)[0] == 't');
    if (watch->seen && strcmp(watch->seen, seen) == 0)
        return false;
    free(watch->seen);
    watch->seen = strdup(seen);
    return true;
}

/* True after the last one. Never waits: PQgetResult would, for what is still to come, and of a COPY it would have no last. */
static bool take_results(struct pg_stream *stream)
{
    while (!PQisBusy(stream->sql)) {
        PGresult *result = PQgetResult(stream->sql);
        bool last = !result, copy = pg_wait_is_copy(result);
        if (!last)
            stream->watch.changed = take_answer(stream, result) || stream->watch.changed;
        PQclear(result);
        if (copy)
            leave_session(stream);
        if (last || copy)
            return true;
    }
    return false;
}

int pg_watch_await(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_watch *watch = &stream->watch;
    PGresult *result = NULL;
    if (!watch->asked || !stream->sql || PQstatus(stream->sql) != CONNECTION_OK)
        return 0;
    struct pg_wait wait = pg_wait_begin(stream->sql);
    do {
        if (pg_wait_result(stream->sql, &wait, &result, error) < 0)
            return -1;
        if (result && pg_wait_is_copy(result)) {
            PQclear(result);
            leave_session(stream);
            return 0;
        }
        watch->changed = (result && take_answer(stream, result)) || watch->changed;
        PQclear(result);
    } while (result);
    return 0;
}

/* -- a standby -- */

/* A walsender of a standby goes on when that is promoted, or follows another primary: the log is the same one, on a new
 * timeline. What is written from there on must bear its number, or the next start would take it for a position beyond the
 * fork, on the timeline that was left:
 *      timeline 1 ... 0/14FFC40 | 0/14FFE00 timeline 2
 * (In recovery the number may be known a while later; it is never too great.) */
static void follow_timeline(struct pg_stream *stream)
{
    static const char what[] = "cannot ask for the timeline";
    struct cdc_error ignored = {0};
    if (!stream->on_standby || !stream->sql)
        return;
    PGresult *result = pg_query_rows(
        stream->sql,
        "SELECT pg_is_in_recovery() AS standby, CASE WHEN pg_is_in_recovery() THEN greatest((SELECT timeline_id FROM "
        "pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_control_recovery())) ELSE ('x' || "
        "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END AS timeline",
        0, NULL, what, &ignored);
    struct pg_answer row = {.result = result};
    bool standby = result && pg_answer_true(&row, "standby");
    int64_t timeline = result ? pg_answer_int(&row, "timeline") : 0;
    bool good = result && pg_answer_good(&row, what, &ignored) == 0;
    PQclear(result);
    if (!good) /* asked again */
        return;
    stream->on_standby = standby;
    if (timeline > stream->identity.timeline)
        stream->new_timeline = (int32_t)timeline;
}

int pg_watch_tick(struct pg_stream *stream, int64_t now, struct cdc_error *error)
{
    struct pg_watch *watch = &stream->watch;
    if (!watch->asked) {
        if (now >= watch->due)
            ask(stream, now);
        return 0;
    }
    /* Whoever asked the session something else meanwhile has thrown the answer away, or closed the session. */
    if (stream->sql) {
        if (!PQconsumeInput(stream->sql) || PQisBusy(stream->sql))
            return 0;
        if (!take_results(stream))
            return 0;
    }
    bool changed = watch->changed;
    watch->changed = false;
    watch->asked = false;
    /* Most of it is the wait for the next tick, unless the server is slow. */
    int64_t took = now - watch->asked_at, began = cdc_clock_ms();
    int result = changed ? pg_watch_look(stream, error) : 0;
    follow_timeline(stream);
    if (result == 0 && pg_stream_settle_members(stream, &(struct cdc_error){0}) < 0)
        cdc_log_write(stream->log, CDC_LOG_DEBUG, "open transactions are asked for again");
    int64_t looked = cdc_clock_ms();
    took = (took > LOOK_MS ? took : 0) + (looked - began);
    watch->due = looked + (took * LOOK_SHARE > LOOK_MS ? took * LOOK_SHARE : LOOK_MS);
    return result;
}

int pg_watch_begin(struct pg_stream *stream, struct cdc_error *error)
{
    return stream->watch.looked ? 0 : pg_watch_look(stream, error);
}

void pg_watch_clear(struct pg_watch *watch)
{
    free(watch->question);
    free(watch->seen);
    free(watch->said);
    pg_moves_clear(&watch->moves);
    *watch = (struct pg_watch){0};
}
