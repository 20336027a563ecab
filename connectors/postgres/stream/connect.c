/* SPDX-License-Identifier: MIT */
/* Connecting: every check before the first byte is read, publication and slot made where
 * that is allowed, START_REPLICATION. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/describe.h"
#include "connectors/postgres/schema/types.h"
#include "connectors/postgres/schema/publication.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <string.h>

#define MAX_BREAKS 3  /* after the first */
#define SOON_MS 20000 /* a connection that lives longer was not broken by where it began */

/* -- descriptions -- */

static int settle_description(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error)
{
    pg_heal_composites(stream, table);
    return pg_heal_key(stream, table, error);
}

/* Called by the decoder for each Relation message, in the middle of the stream. */
static int describe(void *context, struct pg_table *table, struct cdc_error *error)
{
    struct pg_stream *stream = context;
    struct cdc_error first = {0};
    uint32_t xid = 0;
    if (stream->decoder)
        pgoutput_transaction(stream->decoder, &xid);
    if (pg_heal_relation(stream, table, error) < 0 || (!table->stale && pg_stream_ensure_sql(stream, error) < 0))
        return -1;
    if (table->stale || pg_describe_relation(stream->sql, stream->pg, xid, table, &first) == 0)
        return settle_description(stream, table, error);
    if (first.status == CDC_EXIT_CONFIG && pg_reading_withholds(stream, table->schema, table->name)) {
        table->stale = true;
        return pg_reading_give_up(stream, table->schema, table->name, first.text, error);
    }
    if (first.status != CDC_EXIT_UNAVAILABLE) {
        if (error)
            *error = first;
        return -1;
    }
    /* An idle connection may have been cut without our noticing. */
    pg_stream_close_sql(stream);
    if (pg_stream_ensure_sql(stream, error) < 0 || pg_describe_relation(stream->sql, stream->pg, xid, table, error) < 0)
        return -1;
    return settle_description(stream, table, error);
}

/* Where a copy heals itself, a table is read again once somebody who is altering one of its types is done. */
static int ask_again(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error)
{
    if (pg_stream_ensure_sql(stream, error) < 0 || pg_watch_await(stream, error) < 0)
        return -1;
    return pg_types_recheck(stream->sql, stream->heal.on, table, error);
}

static int recheck(void *context, struct pg_table *table, struct cdc_error *error)
{
    struct pg_stream *stream = context;
    struct cdc_error first = {0};
    int altered = ask_again(stream, table, &first);
    if (altered < 0 && cdc_error_is_transient(&first)) { /* as above */
        pg_stream_close_sql(stream);
        return ask_again(stream, table, error);
    }
    if (altered < 0 && error)
        *error = first;
    return altered;
}

static int announced(void *context, const struct pg_table *table, struct cdc_error *error)
{
    const struct pg_stream *stream = context;
    return (stream->heal.on ? pg_heal_announced : pg_away_announced)(context, table, error);
}

static int passed_by(void *context, const struct pg_table *partition, const struct pg_table *table,
                     struct cdc_error *error)
{
    const struct pg_stream *stream = context;
    return (stream->heal.on ? pg_heal_passed_by : pg_away_passed_by)(context, partition, table, error);
}

/* A copy goes by names, the publication by tables. */
static void renamed(void *context, const struct pg_table *before, const struct pg_table *now)
{
    struct pg_stream *stream = context;
    const char *meaning = stream->heal.on && now->selected ? "rows of before stay under the old name in a copy"
                          : !now->selected ? "it is not selected under that name, and its changes are not seen any more"
                          : !before->selected ? "what changed under the old name was not seen: take a new snapshot"
                                              : "rows of before stay under the old name in a copy: take a new snapshot";
    cdc_log_write(stream->log, CDC_LOG_WARNING, "table \"%s\".\"%s\" was renamed to \"%s\".\"%s\": %s", before->schema,
                  before->name, now->schema, now->name, meaning);
}

/* Two sinks, and all of it was killed when one was in the log and the other had not stored the snapshot. That was taken again for the
 * second, and what it has seen is omitted: both have the table anew, at one place of the log. */
static int needed(void *context, const struct pg_table *table, const char *offset_file, struct cdc_error *error)
{
    struct pg_stream *stream = context;
    char why[640];
    if (!stream->heal.on)
        return 0;
    snprintf(why, sizeof why, "the snapshot was taken again, and the sink of \"%s\" was in the log already",
             offset_file);
    if (pg_heal_mark(stream, table->schema, table->name, why, error) < 0 || pg_heal_plan(stream, error) < 0 ||
        pg_heal_save(stream, error) < 0)
        return -1;
    return 1;
}

/* Without a snapshot nobody has rows of before that could be read again. */
static int stale(void *context, const struct pg_table *table, const char *why, struct cdc_error *error)
{
    struct pg_stream *stream = context;
    if (!stream->heal.on) {
        cdc_error_set(error, CDC_EXIT_LOST, "table \"%s\".\"%s\": %s", table->schema, table->name, why);
        return cdc_error_hint(error, "take a new snapshot");
    }
    return pg_heal_add(stream, table->schema, table->name, why, error) < 0 || pg_heal_plan(stream, error) < 0
               ? -1
               : pg_heal_save(stream, error);
}

/* The decoder needs the names that resolving gives: it is made at the first connection. */
static int ensure_decoder(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->decoder) {
        pgoutput_reset(stream->decoder);
        return 0;
    }
    const struct pg_settings *pg = stream->pg;
    int converts = pg_names_is_ascii(pg->publication) ? pg_encoding_ask(stream->sql, pg, &stream->encoding, error) : 0;
    if (converts < 0)
        return -1;
    stream->converts = converts > 0;
    struct pgoutput_settings settings = {.pipeline = pg->name,
                                         .database = stream->identity.database,
                                         .format = pg->format,
                                         .selection = pg->selection,
                                         .encoding = stream->converts ? &stream->encoding : NULL,
                                         .describe = describe,
                                         .recheck = recheck,
                                         .renamed = renamed,
                                         .needed = needed,
                                         .stale = stale,
                                         .announced = announced,
                                         .passed_by = passed_by,
                                         .describe_context = stream};
    stream->decoder = pgoutput_new(&settings, error);
    return stream->decoder ? 0 : -1;
}
/* -- the checks -- */

static int check_server(struct pg_stream *stream, struct cdc_error *error)
{
    static const char what[] = "cannot read the server's settings";
    PGresult *result = pg_query_rows(stream->sql,
                                     "SELECT current_setting('wal_level') AS wal_level, "
                                     "(SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout') AS timeout, "
                                     "CASE WHEN pg_is_in_recovery() THEN '0/0' ELSE (SELECT checkpoint_lsn FROM "
                                     "pg_control_checkpoint()) END AS checkpoint",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    const char *level = pg_answer_text(&row, "wal_level");
    int64_t timeout = pg_answer_int(&row, "timeout");
    stream->checkpoint_now = pg_answer_lsn(&row, "checkpoint");
    int status = pg_answer_good(&row, what, error);
    if (status == 0 && strcmp(level, "logical") != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the server's wal_level is %s; logical is needed", level);
        status = cdc_error_hint(error, "ALTER SYSTEM SET wal_level = logical; and restart the server");
    }
    PQclear(result);
    /* The server ends a walsender that it has not heard of for wal_sender_timeout (60 s), without a word to us. */
    stream->status_ms = timeout > 0 && timeout / 4 < STATUS_MS ? timeout / 4 : STATUS_MS;
    /* What it expects of us holds the other way round. */
    stream->silent_ms = timeout > 0 && timeout * 2 < SILENT_MS ? timeout * 2 : SILENT_MS;
    return status;
}

static int missing_slot(const struct pg_settings *pg, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" does not exist", pg->slot);
    return cdc_error_hint(error,
                          "SELECT pg_create_logical_replication_slot('%s', 'pgoutput'); or run "
                          "without --no-create",
                          pg->slot);
}

/* The publication: made only before a slot is. The server looks it up in the catalogs as they were at each change,
 * so one that is younger than the slot does not exist for the first part of its log. */
static int prepare_publication(struct pg_stream *stream, bool create, struct cdc_error *error)
{
    const struct pg_settings *pg = stream->pg;
    struct cdc_error own = {0};
    if (pg_publication_ensure(stream->sql, pg, create && !pg->no_create, create,
                              create || !stream->started ? stream->log : NULL, &own) == 0) {
        stream->made_publication = pg->temporary && create && strcmp(pg->publication, pg->slot) == 0;
        return 0;
    }
    if (!create && own.status == CDC_EXIT_CONFIG && !pg->no_create &&
        pg_names_publication_exists(stream->sql, pg->publication, &(struct cdc_error){0}) == 0)
        snprintf(
            own.hint, sizeof own.hint, "%s",
            "the slot is older than any publication made now: create the publication by hand only if nothing changed "
            "since (and give --allow-republished), else run pg-cdc --drop and take a new snapshot");
    if (error && error->status == 0)
        *error = own;
    return -1;
}

static int make_slot(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_settings *pg = stream->pg;
    uint64_t point = 0;
    char text[24];
    if (pg_slot_create(stream->replication, pg, &point, NULL, error) < 0)
        return -1;
    pg_lsn_format(text, point);
    stream->slot_at = point;
    cdc_log_write(stream->log, CDC_LOG_INFO, "created %sslot \"%s\" at %s", pg->temporary ? "temporary " : "", pg->slot,
                  text);
    return 0;
}

static int refuse_standby(struct pg_stream *stream, const struct pg_slot *slot, struct cdc_error *error)
{
    int unfit = pg_slot_refuse_standby(stream->sql, stream->pg->slot, slot, error);
    if (unfit > 0)
        stream->unfit = slot->exists ? PG_HAS_COPY : PG_HAS_NO_SLOT;
    return unfit == 0 ? 0 : -1;
}

static int prepare_slot(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_settings *pg = stream->pg;
    struct pg_slot slot;
    if (pg_slot_read(stream->sql, pg->slot, &slot, error) < 0 || refuse_standby(stream, &slot, error) < 0 ||
        pg_start_check(&stream->start, pg->slot, &slot, error) < 0)
        return -1;
    /* Often it is our own: a walsender whose connection broke notices only after wal_sender_timeout. So it is tried
     * again. */
    if (slot.active)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "slot \"%s\" is in use by pid %d of the server", pg->slot,
                             slot.active_pid);
    if (!slot.exists && pg->no_create && !pg->temporary)
        return missing_slot(pg, error);
    if (prepare_publication(stream, !slot.exists, error) < 0)
        return -1;
    stream->slot_at = slot.confirmed_flush;
    if (slot.exists)
        return 0;
    pg_watch_remember(stream);
    return make_slot(stream, error);
}

static bool slot_is_lost(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    struct pg_slot slot;
    return pg_stream_ensure_sql(stream, &ignored) == 0 &&
           pg_slot_read(stream->sql, stream->pg->slot, &slot, &ignored) == 0 && (!slot.exists || slot.lost);
}

int pg_stream_check_walsender(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_error first = {0};
    struct pg_slot slot = {0};
    int silent = (int)((cdc_clock_ms() - stream->last_receive) / 1000);
    /* The plain session may be dead as well: then another one is asked. */
    if (pg_stream_ensure_sql(stream, &first) < 0 || pg_slot_read(stream->sql, stream->pg->slot, &slot, &first) < 0) {
        struct cdc_error second = {0};
        pg_stream_close_sql(stream);
        if (pg_stream_ensure_sql(stream, &second) < 0 ||
            pg_slot_read(stream->sql, stream->pg->slot, &slot, &second) < 0)
            return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server is silent for %d s: %s", silent, second.text);
    }
    if (!slot.active || slot.active_pid != stream->walsender_pid)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                             "the server is silent for %d s, and has ended its side of the connection", silent);
    if (!stream->told_silent)
        cdc_log_write(
            stream->log, CDC_LOG_INFO,
            "the server has sent nothing for %d s, and is at work: a large transaction of tables that are not "
            "published?",
            silent);
    stream->told_silent = true;
    stream->last_receive = cdc_clock_ms();
    return 0;
}

/* "requested WAL segment ... has already been removed": the code is that of any file that is missing, pgoutput's own
 * while its package is exchanged for instance; the words may be in any language. */
static bool log_is_removed(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return state && function && strcmp(state, "58P01") == 0 &&
           (strcmp(function, "WalSndSegmentOpen") == 0 || strcmp(function, "wal_segment_open") == 0);
}

/* Classes of errors that another attempt may not meet: connection, rollback, resources, state, an operator, the system's
 * files; tables that somebody is changing. */
static bool passes(const char *state)
{
    static const char *const classes[] = {"08", "25", "40", "42", "53", "55", "57", "58"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(state, classes[i], 2) == 0)
            return true;
    return false;
}

/* What the walsender said. Its words for an invalidated slot differ from version to
 * version: the slot is asked. */
int pg_stream_fail(struct pg_stream *stream, const PGresult *result, const char *what, struct cdc_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool removed = state && log_is_removed(result);
    if (state && (removed || strcmp(state, "55000") == 0 || strcmp(state, "42704") == 0) &&
        (slot_is_lost(stream) || removed))
        return pg_start_lost(stream->pg->slot, "has lost its log: it was invalidated or dropped", error);
    struct cdc_error own = {0};
    pg_query_fail(stream->replication, result, what, &own);
    if (state && strncmp(state, "XX", 2) == 0) /* it is tried a few times (check_breaks) */
        own.status = CDC_EXIT_UNAVAILABLE;
    if (state && strcmp(state, "42704") == 0)
        pg_start_hint_publication(stream->pg->publication, &own);
    if (state && !passes(state))
        stream->broken = own;
    if (error && error->status == 0)
        *error = own;
    return -1;
}

static void notice(void *context, const PGresult *result)
{
    struct pg_stream *stream = context;
    pg_start_notice(stream->replication, stream->pg->publication, result, &stream->skipped);
}

static int start_replication(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    if (stream->converts && pg_query_run(stream->replication, "SET client_encoding = 'SQL_ASCII'",
                                         "cannot prepare the replication connection", error) < 0)
        return -1;
    if (stream->spool)
        pg_spool_reset(stream->spool, PQserverVersion(stream->replication) < 150000);
    pg_start_statement(&command, stream->pg, stream->start.from, stream->spool != NULL);
    stream->skipped = (struct cdc_error){0};
    PQsetNoticeReceiver(stream->replication, notice, stream);
    int status = command.failed ? cdc_error_memory(error) : 0;
    PGresult *result =
        status == 0 ? pg_query_result(stream->replication, command.data, 0, NULL, "cannot start replication", error)
                    : NULL;
    cdc_buf_free(&command);
    if (status == 0 && PQresultStatus(result) != PGRES_COPY_BOTH)
        status = pg_stream_fail(stream, result, "cannot start replication", error);
    else if (status == 0 && PQsetnonblocking(stream->replication, 1) != 0)
        status = cdc_error_set(error, CDC_EXIT_INTERNAL, "cannot make the connection non-blocking");
    PQclear(result);
    return status;
}

/* Between the look at the slot and START_REPLICATION the catalogs are read, which waits for locks. Another reader of the slot may
 * have moved it meanwhile (a second copy of the pipeline, pg_replication_slot_advance), and the server begins after what that one
 * has taken, without a word. From now on the slot is ours, and nobody moves it: the next connection sees what became of it. */
static int check_unmoved(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_slot slot;
    if (pg_slot_read(stream->sql, stream->pg->slot, &slot, error) < 0)
        return -1;
    stream->walsender_pid = slot.active ? slot.active_pid : PQbackendPID(stream->replication);
    if (slot.exists && slot.confirmed_flush == stream->slot_at)
        return 0;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "slot \"%s\" was moved by somebody else while we connected",
                         stream->pg->slot);
}

/* Could this server go on from what the sinks have stored? */
static bool sinks_are_here(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    const struct cdc_offset *smallest = NULL;
    return stream->settings.acks && cdc_acks_read(stream->settings.acks, &smallest, &ignored) == 0 && smallest &&
           pg_sinks_identify(stream->settings.acks, stream->replication, &stream->identity, &ignored) == 0;
}

static int identify(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_start *start = &stream->start;
    if (pg_identity_read(stream->replication, stream->pg->slot, &stream->identity, error) < 0 ||
        pg_stream_write_state(stream, error) < 0)
        return -1;
    stream->on_standby = pg_is_standby(stream->replication);
    stream->timeline_due = false;
    stream->new_timeline = 0;
    if (!start->has_position ||
        pg_identity_check_log(stream->sql, stream->replication, &stream->identity, start->source, start->state,
                              start->read_at, start->lsn, error) == 0)
        return 0;
    if (stream->started && sinks_are_here(stream)) {
        int64_t timeline;
        stream->stored_is_here = true;
        stream->moved_on |= start->source.p && cdc_json_int64(cdc_json_member(start->source, "timeline"), &timeline) &&
                            timeline < stream->identity.timeline;
    }
    return -1;
}

/* At the first connection only: `now` is when the run began, however often it connects. */
static int resolve_until(struct pg_stream *stream, struct cdc_error *error)
{
    const char *until = stream->settings.until;
    if (!until || strcmp(until, "now") != 0 || stream->until_lsn != 0)
        return 0;
    return pg_bounds_now(stream->sql, &stream->until_lsn, error);
}

/* Sinks that were started together with us have told by now what they have. */
static int find_needed(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *smallest;
    uint64_t lsn = 0;
    if (acks && cdc_acks_read(acks, &smallest, error) < 0)
        return -1;
    int sink = pg_start_needed(&stream->start, acks, &lsn);
    pgoutput_set_needed(stream->decoder, lsn, sink < 0 ? NULL : cdc_acks_path(acks, (size_t)sink));
    return 0;
}

/* Example: the plain session is on a primary that was shut off from its standbys, and the next host of the URL is the new
 * primary. What the walsender there says must not be judged by the catalogs and slots of the old one. */
static int join_session(struct pg_stream *stream, struct cdc_error *error)
{
    if (pg_identity_read_start(stream->replication, stream->server_started, error) < 0)
        return -1;
    int same = pg_stream_is_server(stream, stream->sql, error);
    if (same != 0)
        return same < 0 ? -1 : 0;
    cdc_log_write(stream->log, CDC_LOG_DEBUG, "the plain session follows the replication connection to host %s",
                  PQhost(stream->replication));
    pg_stream_close_sql(stream);
    if (pg_stream_ensure_sql(stream, error) < 0 || check_server(stream, error) < 0)
        return -1;
    same = pg_stream_is_server(stream, stream->sql, error);
    if (same != 0)
        return same < 0 ? -1 : 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "the two connections to host %s are to two servers: does a proxy spread them?",
                         PQhost(stream->replication));
}

/* Another host of the list has said that the position is lost. A standby without our slot does not have it either, nor when it is
 * promoted; one with it is waited for, unless the user wants to read from standbys. */
static int check_other_host(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_slot slot;
    if (!stream->some_lost || !pg_is_standby(stream->sql))
        return 0;
    if (pg_slot_read(stream->sql, stream->pg->slot, &slot, error) < 0)
        return -1;
    if (!slot.exists || slot.lost)
        return pg_start_lost(stream->pg->slot, "is not on the standby either", error);
    return stream->hosts.primary ? cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                                                 "host %s is a standby, whose turn may come", PQhost(stream->sql))
                                 : 0;
}

/* With what has changed of the publication. What comes from before our position is not compared then: the log begins at it. */
static int look_at_members(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_start *start = &stream->start;
    char position[24];
    if (pg_stream_look_at_members(stream, error) < 0)
        return -1;
    if (!start->has_position || start->from >= start->lsn || !pg_members_doubt(&stream->members, start->from))
        return 0;
    pg_lsn_format(position, start->lsn);
    cdc_log_write(stream->log, CDC_LOG_DEBUG,
                  "the log before %s is not compared with what was read: publication \"%s\" was altered while "
                  "transactions were open",
                  position, stream->pg->publication);
    start->last.kind = PG_LAST_UNKNOWN;
    start->from = start->lsn;
    return 0;
}

/* A part of a transaction that may have been open while the publication was altered is with the reader (members.h):
 *
 *      INSERT INTO t   INSERT INTO u   INSERT INTO u   broke here: t has its line, and u has one
 *      INSERT INTO u   INSERT INTO u                   what comes now, and the reader takes the first two for those that he has */
static int check_torn(struct pg_stream *stream, struct cdc_error *error)
{
    uint32_t xid;
    if (!pgoutput_is_torn(stream->decoder, &xid) ||
        (pg_members_began_since(&stream->members, xid) && !pg_members_doubt(&stream->members, stream->start.lsn)))
        return 0;
    return pgoutput_refuse_torn(stream->decoder, error);
}

static int open_connections(struct pg_stream *stream, struct cdc_error *error)
{
    if (pg_reading_load(stream, error) < 0 || pg_stream_ensure_sql(stream, error) < 0 ||
        check_server(stream, error) < 0)
        return -1;
    stream->replication = pg_connect_among(stream->pg, true, &stream->hosts, error);
    if (!stream->replication || check_other_host(stream, error) < 0 || join_session(stream, error) < 0 ||
        identify(stream, error) < 0 || prepare_slot(stream, error) < 0 || look_at_members(stream, error) < 0 ||
        pg_heal_begin(stream, error) < 0 || pg_reading_begin(stream, error) < 0 || pg_watch_begin(stream, error) < 0 ||
        resolve_until(stream, error) < 0 || ensure_decoder(stream, error) < 0 || check_torn(stream, error) < 0 ||
        pgoutput_set_visible(stream->decoder, stream->start.read_at, error) < 0 || pg_heal_rounds(stream, error) < 0 ||
        find_needed(stream, error) < 0 || pg_sinks_check(stream, error) < 0)
        return -1;
    pg_reading_disconnected(stream);
    pg_reading_attach(stream);
    pg_asked_begin(stream);
    pgoutput_set_server(stream->decoder, stream->identity.system_identifier, stream->identity.timeline);
    pgoutput_set_heartbeats(stream->decoder, stream->start.heartbeats);
    pgoutput_expect(stream->decoder, &stream->start.last, stream->start.from,
                    stream->start.from < stream->start.lsn ? stream->start.lsn : 0);
    return start_replication(stream, error);
}

/* The server decodes what is there, and cannot: it will say so for ever. */
static int fails_each_time(const struct pg_stream *stream, const char *position, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the server failed %d times in a row at the position %s, each time so: %s",
                  stream->breaks + 1, position, stream->broken.text);
    /* Seen of 15.20, of slots that are made while a table is truncated, or rewritten, beside other transactions. */
    if (strstr(stream->broken.text, "could not map filenode"))
        return cdc_error_hint(error,
                              "the server lost track of a table that was rewritten while the slot was made: take a "
                              "new snapshot (run pg-cdc --drop, remove the offset files of the pipeline and the "
                              "copies, and begin with cdc-snapshot)");
    return cdc_error_hint(error,
                          "look into the server's log for what it cannot read (a value of more than 512 MB, a "
                          "damaged file); to pass it over, exclude its table from the publication or shorten the "
                          "value, and take a new snapshot");
}

/* A server that closes the connection without a word, at one place again and again, will do so for ever: its walsender
 * crashes at what is there, and takes the server with it. (One is known: changes of a partition that was half
 * detached.) The same where it has an error at one place: a bytea of more than 512 MB, which it takes and cannot send
 * ("invalid memory alloc request size"), however long it takes to come to it. One that has sent all that there was when the connection
 * was made has not crashed at that: another one of its processes has. */
static int check_breaks(struct pg_stream *stream, struct cdc_error *error)
{
    char position[24];
    bool failed = stream->broken.status != 0;
    bool counts =
        failed || (stream->closed && !pg_bounds_caught_up(stream) && cdc_clock_ms() - stream->began < SOON_MS);
    if (stream->began == 0)
        return 0; /* it was not even reached */
    stream->breaks = counts && stream->start.lsn == stream->broke_at ? stream->breaks + 1 : 0;
    stream->broke_at = stream->start.lsn;
    stream->began = 0;
    if (stream->breaks < MAX_BREAKS)
        return 0;
    pg_lsn_format(position, stream->start.lsn);
    if (failed)
        return fails_each_time(stream, position, error);
    cdc_error_set(error, CDC_EXIT_PROTOCOL,
                  "the server closed the connection without a word %d times in a row, at the position %s",
                  stream->breaks + 1, position);
    return cdc_error_hint(error, "look into the server's log: does it crash at what comes next? --check may name the "
                                 "cause; to pass it over, take a new snapshot");
}

/* Connected again: a primary that has crashed has made a checkpoint before it lets anybody in. One that has not crashed has nothing to
 * do with it, but somebody on the way (a proxy that is started again, a tunnel), and that passes. */
static void see_crash(struct pg_stream *stream)
{
    if (stream->closed && stream->checkpoint_now != 0 && stream->checkpoint_now == stream->checkpoint)
        stream->breaks = 0;
    stream->checkpoint = stream->checkpoint_now;
}

/* The hosts of the list that remain when the one that was tried has lost the position. 1; 0: there is none; -1 */
static int next_hosts(struct pg_stream *stream, const struct cdc_error *lost, struct cdc_error *error)
{
    if (!stream->sql)
        return 0;
    int more = pg_hosts_others(&stream->hosts, stream->sql, error);
    if (more > 0)
        cdc_log_write(stream->log, CDC_LOG_INFO, "host %s: %s; the other hosts are tried", PQhost(stream->sql),
                      lost->text);
    return more;
}

/* No host has what was read last, or one that has taken over has not, and the old primary is away. Where no sink has stored
 * that far, the next start goes on from what they have: not LOST, and as with a transaction that broke off, not UNAVAILABLE,
 * since in this run the reader cannot be told that lines are no more. */
static void all_lost(const struct pg_stream *stream, const struct cdc_error *lost, struct cdc_error *error)
{
    if (!stream->stored_is_here) {
        *error = *lost;
        return;
    }
    cdc_error_set(error, CDC_EXIT_IO, "what was written last is not in the server's log any more: %s", lost->text);
    cdc_error_hint(error, "start the same pipeline again: it goes on from what its sinks have stored, unless they "
                          "have stored that as well");
}

/* What the hosts have said that cannot be read from. */
struct refusals {
    struct cdc_error lost, unfit; /* the first of each kind; status 0: none */
    bool copy;                    /* a standby may have the slot when it is promoted */
};

/* 1: another host is to be tried. *own is then clear; else it is why not, or clear where there is none left. */
static int pass_over(struct pg_stream *stream, struct refusals *refusals, struct cdc_error *own)
{
    const struct cdc_error said = *own;
    bool lost = own->status == CDC_EXIT_LOST;
    if (!lost && !stream->unfit)
        return 0;
    struct cdc_error *kept = lost ? &refusals->lost : &refusals->unfit;
    *kept = kept->status ? *kept : said;
    refusals->copy |= !lost && stream->unfit == PG_HAS_COPY;
    stream->some_lost |= lost;
    cdc_error_clear(own);
    return next_hosts(stream, &said, own) > 0;
}

/* None of them will do. LOST only when all say so, or will never have the slot. */
static void sum_up(struct pg_stream *stream, const struct refusals *refusals, struct cdc_error *own)
{
    bool lost = refusals->lost.status != 0 && !refusals->copy;
    if (lost && (own->status == 0 || (stream->moved_on && cdc_error_is_transient(own)))) {
        cdc_error_clear(own);
        all_lost(stream, &refusals->lost, own);
    } else if (own->status == 0)
        *own = refusals->unfit;
    else if (refusals->lost.status != 0)
        cdc_error_prefix(own, "%s; of the other hosts", refusals->lost.text);
}

/* Example: the standby db2 was promoted, and the old primary db1, the first of the list, comes back on its old timeline. It does
 * not have the position, and db2 has. LOST only when all of them say so: while one cannot be asked, it may have it. A standby
 * without the slot, or with a copy of it, is passed over, too. */
static int try_hosts(struct pg_stream *stream, struct cdc_error *error)
{
    struct refusals refusals = {.copy = false};
    struct cdc_error own = {0};
    int more = 1, status = -1;
    pg_hosts_free(&stream->hosts);
    stream->stored_is_here = stream->moved_on = stream->some_lost = false;
    while (more > 0) {
        stream->unfit = PG_IS_FIT;
        status = open_connections(stream, &own);
        more = status < 0 ? pass_over(stream, &refusals, &own) : 0;
        if (status < 0) {
            pg_status_disconnect(stream);
            pg_stream_close_sql(stream);
        }
    }
    if (status < 0)
        sum_up(stream, &refusals, &own);
    if (status < 0 && error && error->status == 0)
        *error = own;
    return status;
}

/* Whole: a copy keeps the state of the older one where this has none. */
static int keep_from(struct pg_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    cdc_offset_free(&stream->from);
    stream->from = (struct cdc_offset){0};
    return from ? cdc_offset_copy(&stream->from, from, error) : 0;
}

int pg_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct pg_stream *stream = source;
    pg_status_disconnect(stream);
    stream->has_from = from != NULL;
    if (keep_from(stream, from, error) < 0)
        return -1;
    if (pg_start_read(&stream->start, stream->settings.start, stream->started, from, error) < 0 ||
        check_breaks(stream, error) < 0)
        return -1;
    if (!pg_stream_has_session(stream)) /* it went with the other one: no reason to wait longer for a new one */
        pg_stream_close_sql(stream);
    if (try_hosts(stream, error) < 0)
        return -1;
    see_crash(stream);
    stream->began = cdc_clock_ms();
    stream->closed = false;
    stream->wal_end = stream->boundary_lsn = stream->start.lsn;
    stream->commit_lsn = stream->start.lsn;
    stream->server_end = stream->end_at_first = pg_bounds_without_header(stream->identity.end);
    cdc_error_clear(&stream->broken);
    if (check_unmoved(stream, error) < 0) {
        /* A server that crashes at what comes first takes this session with it (check_breaks). */
        stream->closed = PQstatus(stream->sql) != CONNECTION_OK;
        pg_status_disconnect(stream);
        pg_stream_close_sql(stream);
        return -1;
    }
    stream->started = stream->copying = true;
    stream->ended = stream->ended || stream->heal.done;
    /* The new walsender knows nothing of what we said to the old one. */
    stream->reported_flush = 0;
    stream->reply_due = stream->server_asked = stream->unsent = false;
    stream->last_status = stream->leave_at = 0;
    stream->last_watch = stream->last_request = stream->last_receive = stream->last_line = cdc_clock_ms();
    return 0;
}
