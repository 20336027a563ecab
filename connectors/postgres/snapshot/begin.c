/* SPDX-License-Identifier: MIT */
/* How an attempt begins: the slot on the first one, the checks on every later one, the transaction that it reads in. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/catalog.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/schema/members.h"
#include "connectors/postgres/schema/publication.h"
#include "connectors/postgres/schema/where.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/slot.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLES_MAX 10

/* A snapshot of its own sees more than the slot's consistent point X: transactions between X and now, which the log
 * from X on brings again. What it saw is kept (visible.h), so that the stream can omit them: a table without a key
 * would get their rows twice. A standby has no position to give; there they do come twice. */
static int keep_read_at(char **read_at, struct pg_answer *row, struct cdc_error *error)
{
    struct cdc_buf json = CDC_BUF_INIT;
    const char *lsn = pg_answer_text_or_null(row, "lsn");
    free(*read_at);
    *read_at = NULL;
    if (!lsn)
        return 0;
    cdc_buf_printf(&json, "{\"lsn\":\"%s\",\"xids\":\"%s\"}", lsn, pg_answer_text(row, "xids"));
    cdc_buf_byte(&json, '\0');
    if (json.failed) {
        cdc_buf_free(&json);
        return cdc_error_memory(error);
    }
    *read_at = json.data;
    return 0;
}

int pg_snapshot_members(struct snapshot_run *run, char **members, struct cdc_error *error)
{
    struct pg_members seen = {.json = CDC_BUF_INIT};
    if (pg_members_update(&seen, run->sql, run->pg, (struct cdc_span){NULL, 0}, NULL, error) < 0)
        return -1;
    free(*members);
    *members = seen.json.data;
    return 0;
}

static bool is_same(const char *before, const char *now)
{
    return before && now && strcmp(before, now) == 0;
}

/* What the publication has, as of the snapshot: the stream compares (members.h). TAKES members. */
static void keep_members(struct snapshot_run *run, char *members)
{
    run->republished = !is_same(run->state.publication, members);
    free(run->state.publication);
    run->state.publication = members;
}

int pg_snapshot_import(struct snapshot_worker *worker, const char *snapshot, struct cdc_error *error)
{
    char text[256];
    struct cdc_buf import = {text, 0, sizeof text, false};
    char *literal = PQescapeLiteral(worker->sql, snapshot, strlen(snapshot));
    if (!literal || strlen(literal) > 128) {
        PQfreemem(literal);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server exported a snapshot without a proper name");
    }
    cdc_buf_lit(&import, "SET TRANSACTION SNAPSHOT ");
    cdc_buf_append(&import, literal, strlen(literal) + 1);
    PQfreemem(literal);
    struct cdc_error own = {0};
    const char *what = worker == &worker->run->workers[0] ? "cannot import the slot's snapshot"
                                                          : "cannot import the first session's snapshot";
    if (pg_snapshot_execute(worker, text, what, &own) == 0)
        return 0;
    /* It went with the connection that exported it (22023, 42704). The next attempt takes one of its own. */
    if (own.status == CDC_EXIT_CONFIG)
        own.status = CDC_EXIT_TEMPORARY;
    if (error && error->status == 0)
        *error = own;
    return -1;
}

/* Reads happen in one transaction. snapshot: the one that was exported with the slot; NULL: what is there now. It is
 * to be imported before any query: the first one takes a snapshot of its own. row_security = off makes a policy that
 * hides rows an error. */
/* Before it is kept what is seen. A standby shows what is flushed elsewhere, and has no position to give. */
static int await_flush(struct snapshot_run *run, const char *read_at, struct cdc_error *error)
{
    char lsn[32];
    return read_at && cdc_json_member_copy(cdc_span_text(read_at), "lsn", lsn, sizeof lsn)
               ? pg_snapshot_await_flush(run, lsn, error)
               : 0;
}

static int begin(struct snapshot_run *run, const char *snapshot, char **read_at, struct cdc_error *error)
{
    static const char what[] = "cannot read the server's clock";
    if (pg_snapshot_execute(&run->workers[0], PG_SNAPSHOT_OPENING, "cannot begin the snapshot's transaction", error) <
            0 ||
        (snapshot && pg_snapshot_import(&run->workers[0], snapshot, error) < 0))
        return -1;
    /* REPEATABLE READ: this query's snapshot is that of the whole transaction, and is taken before the query asks
     * for the position. So nothing that commits after the position is in it; were it the other way round, a commit
     * in between would count as unseen although its rows were copied. */
    PGresult *result = pg_query_rows(
        run->sql,
        "SELECT floor(extract(epoch FROM transaction_timestamp()) * 1000)::int8 AS now, CASE WHEN "
        "pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END AS lsn, pg_current_snapshot() "
        "AS xids",
        0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    run->ts_ms = pg_answer_int(&row, "now");
    free(run->xids);
    const char *xids = pg_answer_text_or_null(&row, "xids");
    run->xids = strdup(xids ? xids : "");
    int status = run->xids ? 0 : cdc_error_memory(error);
    if (status == 0 && read_at)
        status = keep_read_at(read_at, &row, error);
    if (status == 0)
        status = pg_answer_good(&row, what, error);
    PQclear(result);
    return status == 0 && read_at ? await_flush(run, *read_at, error) : status;
}

static int state_set_identity(struct snapshot_run *run, struct cdc_error *error)
{
    struct cdc_buf json = CDC_BUF_INIT;
    pg_identity_json(&json, &run->identity);
    cdc_buf_byte(&json, '\0');
    if (json.failed) {
        cdc_buf_free(&json);
        return cdc_error_memory(error);
    }
    free(run->state.identity);
    run->state.identity = json.data;
    return 0;
}

/* The attempt's number is stored before its first line, or two attempts could share a pos. */
static int begin_attempt(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    char hint[160];
    snprintf(hint, sizeof hint,
             "drop slot \"%s\" (pg-cdc --drop), remove the offset files of the pipeline and the copies, and begin anew",
             run->pg->slot);
    if (cdc_attempt_begin(&state->attempt, run->pg->name, hint, error) < 0)
        return -1;
    state->creating = false;
    return pg_snapshot_state_save(run, error);
}

static int create_slot(struct snapshot_run *run, PGconn *replication, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    char snapshot[64] = "", text[24];
    if (pg_identity_read(replication, run->pg->slot, &run->identity, error) < 0 || state_set_identity(run, error) < 0)
        return -1;
    /* Killed between here and has_point: the next start finds `creating` and a slot, and knows it for its own.
     * Without it, any slot with that name could be somebody else's. */
    state->creating = true;
    if (pg_snapshot_state_save(run, error) < 0)
        return -1;
    /* The snapshot that the slot exports shows exactly what committed before X; the log from X on has the rest:
     * nothing twice, nothing lost. */
    if (pg_slot_create(replication, run->pg, &state->attempt.origin, snapshot, error) < 0) {
        struct cdc_error ignored = {0};
        state->creating = cdc_error_is_transient(error); /* then it may be there all the same */
        if (!state->creating)
            (void)pg_snapshot_state_save(run, &ignored);
        return -1;
    }
    state->has_point = true;
    state->attempt.number = 0;
    pg_lsn_format(text, state->attempt.origin);
    cdc_log_write(run->log, CDC_LOG_INFO, "created slot \"%s\" at %s", run->pg->slot, text);
    if (begin_attempt(run, error) < 0) /* X is durable before the first row */
        return -1;
    return begin(run, snapshot, NULL, error);
}

static int unreadable(struct snapshot_run *run, const char *schema, const char *table, bool hidden,
                      struct cdc_error *error)
{
    char *role = pg_names_acting_role(run->sql, error);
    if (!role)
        return -1;
    cdc_error_set(error, CDC_EXIT_PERMISSION, "role \"%s\" may not read %stable %s.%s", role,
                  hidden ? "all rows of " : "", schema, table);
    cdc_error_hint(error,
                   hidden ? "row level security hides rows from it: ALTER ROLE \"%s\" BYPASSRLS; or exclude the table"
                          : "GRANT SELECT on the table and USAGE on its schema to \"%s\", or exclude the table",
                   role);
    free(role);
    return -1;
}

/* What the role may not read, and what cannot be read so, is found before a publication and a slot are made that nobody would use. */
static int check_tables(struct snapshot_run *run, struct cdc_error *error)
{
    struct pg_catalog catalog;
    int exists = pg_names_publication_exists(run->sql, run->pg->publication, error);
    if (exists < 0)
        return -1;
    int status = pg_catalog_read(run->sql, run->pg->publication, PG_LOCKS_PATIENCE_MS, &catalog, error);
    for (size_t i = 0; status == 0 && i < catalog.n; i++) {
        struct pg_catalog_table table = catalog.tables[i];
        if (!pg_catalog_is_read(&table, run->pg, exists))
            continue;
        /* Which columns it has is not known before there is the publication. */
        table.large &= exists || !cdc_selection_names_columns(&run->pg->selection, table.schema, table.name);
        if (table.hidden || !table.readable)
            status = unreadable(run, table.schema, table.name, table.hidden, error);
        else
            status = pg_where_check(run->sql, run->pg, run->settings->where, &table, error);
    }
    if (status == 0)
        status = pg_where_check_names(run->pg, run->settings->where, &catalog, run->log, error);
    pg_catalog_free(&catalog);
    return status;
}

static int begin_again(struct snapshot_run *run, struct cdc_error *error);

/* What the publication had when the slot began to be made it has to have had at X, too: what was written to a table while it was out of
 * it is in no line, and not in the rows of X where that transaction commits later. Else the rows are read as a further attempt does. */
static int check_members(struct snapshot_run *run, struct cdc_error *error)
{
    char *now = NULL;
    if (pg_snapshot_members(run, &now, error) < 0)
        return -1;
    bool same = is_same(run->state.publication, now);
    free(now);
    if (same)
        return 0;
    cdc_log_write(run->log, CDC_LOG_INFO, "publication \"%s\" was altered while the slot was made",
                  run->pg->publication);
    if (pg_snapshot_execute(&run->workers[0], "ROLLBACK", "cannot begin to read anew", error) < 0 ||
        begin_again(run, error) < 0)
        return -1;
    return pg_snapshot_state_save(run, error); /* what is seen of the log since X, before the first row */
}

/* The connection that made the slot holds the snapshot until its next command or its end. Once our own transaction
 * has imported it, it lives on there, and the connection may go. */
static int first_attempt(struct snapshot_run *run, struct cdc_error *error)
{
    if (run->pg->no_create) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" does not exist, and --no-create forbids to make it",
                      run->pg->slot);
        return cdc_error_hint(error, "a snapshot needs a slot of its own making: run once without --no-create");
    }
    char *members = NULL;
    if (check_tables(run, error) < 0 || pg_publication_ensure(run->sql, run->pg, true, true, run->log, error) < 0 ||
        (run->pg->selection.columns.count > 0 && check_tables(run, error) < 0) ||
        pg_snapshot_members(run, &members, error) < 0)
        return -1;
    keep_members(run, members);
    PGconn *replication = pg_connect_walsender(run->pg, run->sql, error);
    if (!replication)
        return -1;
    int result = create_slot(run, replication, error);
    PQfinish(replication);
    return result < 0 ? -1 : check_members(run, error);
}

static int lost(struct snapshot_run *run, const char *why, struct cdc_error *error)
{
    char text[24];
    pg_lsn_format(text, run->state.attempt.origin);
    cdc_error_set(error, CDC_EXIT_LOST, "slot \"%s\" %s: the snapshot that was begun at %s cannot be completed",
                  run->pg->slot, why, text);
    return cdc_error_hint(
        error,
        "take a new one: run pg-cdc --drop, remove the offset files of the pipeline and the copies, and start again");
}

/* A publication made now would not do: the log since X is decoded with the catalogs of its time, which had none. */
static int check_publication(struct snapshot_run *run, struct cdc_error *error)
{
    int exists = pg_names_publication_exists(run->sql, run->pg->publication, error);
    if (exists != 0)
        return exists < 0 ? -1 : 0;
    cdc_error_set(error, CDC_EXIT_LOST, "publication \"%s\" is gone: the log since the snapshot began cannot be read",
                  run->pg->publication);
    return cdc_error_hint(error, "take a new snapshot: run pg-cdc --drop, remove the offset files of the pipeline and "
                                 "the copies, and start again");
}

/* What is read on a standby is what it has applied, not all that it has: less after a crash of it, or while its replay is paused or
 * waits. Rows of before the position would stay, since the log after it does not have their changes. */
static int take_applied(struct snapshot_run *run, struct cdc_error *error)
{
    static const char what[] = "cannot ask how far the log is applied";
    if (!pg_is_standby(run->sql))
        return 0;
    PGresult *result = pg_query_rows(run->sql, "SELECT pg_last_wal_replay_lsn() AS applied WHERE pg_is_in_recovery()",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    if (PQntuples(result) > 0) /* else it was promoted just now */
        run->identity.end = pg_answer_lsn(&row, "applied");
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

static int check_identity(struct snapshot_run *run, uint64_t lsn, struct cdc_error *error)
{
    PGconn *replication = pg_connect_walsender(run->pg, run->sql, error);
    if (!replication)
        return -1;
    int result = pg_identity_read(replication, run->pg->slot, &run->identity, error);
    if (result == 0)
        result = take_applied(run, error);
    /* A later place of the log may be on a later timeline, and says so itself. */
    struct cdc_span boundary = cdc_span_text(run->of.boundary);
    const char *read_at = run->of.boundary ? run->of.read_at : run->state.read_at;
    if (result == 0)
        result = pg_identity_check_log(run->sql, replication, &run->identity, boundary,
                                       cdc_span_text(run->state.identity), cdc_span_text(read_at), lsn, error);
    PQfinish(replication);
    return result < 0 || run->of.boundary ? result : state_set_identity(run, error);
}

/* Killed between making the slot and storing X. Unread, the slot is confirmed up to X; but only once it is made. The server
 * goes on making it after we are gone, for as long as an old transaction runs, and then drops it or keeps it:
 *      kill -9 of the first run, its walsender waits   active, confirmed up to nothing
 *      rows read now, at a position before X           what changes until X would be in neither rows nor log */
static int take_point(struct snapshot_run *run, const struct pg_slot *slot, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    if (slot->active || slot->confirmed_flush == 0) {
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "slot \"%s\" is still being made for a run before this one, by pid %d",
                      run->pg->slot, slot->active_pid);
        return cdc_error_hint(error, "it waits for older transactions to end; so does this run");
    }
    state->attempt.origin = slot->confirmed_flush;
    state->has_point = true;
    state->attempt.number = 0;
    return 0;
}

int pg_snapshot_check_log(struct snapshot_run *run, const struct pg_slot *slot, uint64_t lsn, struct cdc_error *error)
{
    if (!slot->exists)
        return lost(run, "does not exist any more", error);
    if (slot->lost)
        return lost(run, "was invalidated by the server", error);
    /* The log between X and there is gone, and with it what became of the rows that an earlier attempt has
     * delivered. */
    if (slot->confirmed_flush > lsn)
        return lost(run, "has been read past the snapshot's position", error);
    return check_publication(run, error) < 0 || check_identity(run, lsn, error) < 0 ? -1 : 0;
}

/* Begins, and once more where the publication is not what it was before: what was written to a table while it was out of that comes in
 * no line, and its rows do not show it until that transaction has ended. */
static int begin_settled(struct snapshot_run *run, const struct snapshot_settling *settling, char **members,
                         char **read_at, struct cdc_error *error)
{
    for (int tries = 0; tries < SETTLES_MAX; tries++) {
        char *now = NULL;
        if (begin(run, NULL, read_at, error) < 0 || pg_snapshot_members(run, &now, error) < 0)
            return -1;
        bool same = is_same(*members, now);
        free(*members);
        *members = now;
        if (same)
            return 0;
        if (pg_snapshot_execute(&run->workers[0], "ROLLBACK", "cannot begin to read anew", error) < 0 ||
            settling->wait(run, settling->tables, error) < 0)
            return -1;
    }
    return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                         "publication \"%s\" is altered again and again, so that no rows can be read",
                         run->pg->publication);
}

int pg_snapshot_begin_reading(struct snapshot_run *run, const struct snapshot_settling *settling, char **read_at,
                              struct cdc_error *error)
{
    char *members = NULL;
    int status = pg_snapshot_members(run, &members, error);
    if (status == 0)
        status = settling->wait(run, settling->tables, error);
    if (status == 0)
        status = begin_settled(run, settling, &members, read_at, error);
    free(members);
    return status;
}

/* Of an attempt before that kept nothing of the publication nothing is the same. */
static int begin_again(struct snapshot_run *run, struct cdc_error *error)
{
    const struct snapshot_settling settling = {pg_snapshot_wait_writers, NULL};
    struct snapshot_state *state = &run->state;
    char *members = state->publication ? strdup(state->publication) : NULL;
    if (state->publication && !members)
        return cdc_error_memory(error);
    if (begin_settled(run, &settling, &members, &state->read_at, error) < 0) {
        free(members);
        return -1;
    }
    keep_members(run, members);
    return 0;
}

/* The slot is there already, by an earlier attempt: same X, newer snapshot. */
static int next_attempt(struct snapshot_run *run, const struct pg_slot *slot, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    if (!state->has_point && take_point(run, slot, error) < 0)
        return -1;
    if (pg_snapshot_check_log(run, slot, state->attempt.origin, error) < 0 || begin_again(run, error) < 0)
        return -1;
    if (begin_attempt(run, error) < 0)
        return -1;
    if (state->attempt.number > 1)
        cdc_log_write(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" begins again, attempt %u", run->pg->name,
                      state->attempt.number);
    return 0;
}

/* To read from a slot that somebody else made would take his changes from him. */
static int foreign_slot(struct snapshot_run *run, struct cdc_error *error)
{
    const char *path = cdc_offset_file_path(run->offsets);
    cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" exists, but offset file %s knows of no snapshot that made it",
                  run->pg->slot, path ? path : "(none)");
    return cdc_error_hint(
        error, "name the right file (--offset-file, --state-dir); or, for a new snapshot, run pg-cdc --drop, "
               "remove the offset files of the pipeline and the copies, and start again");
}

int pg_snapshot_begin_any(struct snapshot_run *run, struct cdc_error *error)
{
    struct pg_slot slot;
    const struct snapshot_state *state = &run->state;
    if (pg_slot_read(run->sql, run->pg->slot, &slot, error) < 0)
        return -1;
    if (!state->has_point && !slot.exists)
        return first_attempt(run, error);
    if (!state->has_point && !state->creating)
        return foreign_slot(run, error);
    return pg_slot_refuse_standby(run->sql, run->pg->slot, &slot, error) == 0 ? next_attempt(run, &slot, error) : -1;
}
