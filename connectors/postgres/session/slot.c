/* SPDX-License-Identifier: MIT */
/* The replication slot. */
#include "connectors/postgres/session/slot.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/wait.h"

#include <cdc/retry.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANCEL_MS 5000

static int check_kind(PGconn *sql, const char *name, struct pg_answer *row, struct cdc_error *error)
{
    const char *plugin = pg_answer_text(row, "plugin"), *database = pg_answer_text(row, "other_database");
    if (strcmp(plugin, "pgoutput") != 0)
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" is %s%s, not of pgoutput", name,
                      *plugin ? "of " : "a physical one", plugin);
    else if (*database)
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" belongs to database \"%s\", not to \"%s\"", name, database,
                      pg_database_name(sql));
    /* Such a slot sends a transaction at PREPARE TRANSACTION, which may still be rolled back. */
    else if (pg_answer_true(row, "two_phase"))
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" is a two-phase one: it delivers before the commit", name);
    else
        return 0;
    return cdc_error_hint(error, "choose another name with --slot or --name");
}

/* A physical slot has neither plugin nor database, one that nobody reads no pid, one that is lost no positions.
 * wal_status and two_phase are there since 13 and 14, invalidation_reason (18 invalidates idle slots, too) and synced since 17.
 * The server compares the names of databases: it has their bytes (database_name.c).
 * The columns are asked, not the text of an error: that differs from version to version. */
#define SLOT_SQL(lost, synced)                                                                                         \
    "SELECT coalesce(plugin, '') AS plugin, coalesce(nullif(database, current_database()), '') AS other_database, "    \
    "active, "                                                                                                         \
    "coalesce(active_pid, 0) AS pid, coalesce(confirmed_flush_lsn, '0/0') AS confirmed, "                              \
    "coalesce(restart_lsn, '0/0') AS restart, coalesce(" lost ", false) AS lost, " synced " AS synced, two_phase "     \
    "FROM pg_replication_slots WHERE slot_name = $1"

int pg_slot_read(PGconn *sql, const char *name, struct pg_slot *slot, struct cdc_error *error)
{
    static const char what[] = "cannot look at the slot";
    memset(slot, 0, sizeof *slot);
    PGresult *result = pg_query_rows(sql,
                                     PQserverVersion(sql) >= 170000
                                         ? SLOT_SQL("wal_status = 'lost' OR invalidation_reason IS NOT NULL", "synced")
                                         : SLOT_SQL("wal_status = 'lost'", "false"),
                                     1, &name, what, error);
    if (!result)
        return -1;
    int status = 0;
    if (PQntuples(result) > 0) {
        struct pg_answer row = {.result = result};
        slot->exists = true;
        slot->active = pg_answer_true(&row, "active");
        slot->active_pid = (int)pg_answer_int(&row, "pid");
        slot->confirmed_flush = pg_answer_lsn(&row, "confirmed");
        slot->restart_lsn = pg_answer_lsn(&row, "restart");
        slot->lost = pg_answer_true(&row, "lost");
        slot->synced = pg_answer_true(&row, "synced");
        status = pg_answer_good(&row, what, error);
        if (status == 0)
            status = check_kind(sql, name, &row, error);
    }
    PQclear(result);
    return status;
}

int pg_slot_refuse_standby(PGconn *sql, const char *name, const struct pg_slot *slot, struct cdc_error *error)
{
    static const char what[] = "cannot ask whether the server is a standby";
    if (slot->exists && !slot->synced)
        return 0;
    PGresult *result = pg_query_rows(sql, "SELECT pg_is_in_recovery() AS standby", 0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    bool standby = pg_answer_true(&row, "standby");
    int status = pg_answer_good(&row, what, error);
    PQclear(result);
    if (status < 0 || !standby)
        return status;
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                  slot->exists ? "host %s is a standby, and its slot \"%s\" is only a copy of the primary's"
                               : "host %s is a standby, and has no slot \"%s\"",
                  PQhost(sql), name);
    cdc_error_hint(error, "add target_session_attrs=primary to the URL");
    return 1;
}

/* Says which transactions a new slot waits for: those with an xid, the oldest first. The connection that creates the
 * slot is busy, so another one asks. */
static void log_waiting(const struct pg_settings *settings)
{
    struct cdc_error ignored = {0};
    PGconn *sql = pg_connect(settings, false, &ignored);
    if (!sql)
        return;
    PGresult *result = pg_query_rows(
        sql,
        /* What others' transactions do is NULL for a role that may not see it. */
        "SELECT string_agg(who, ', ') AS waits_for FROM (SELECT who FROM (SELECT xact_start AS since, format('pid %s "
        "(%s)', pid, concat_ws(', ', usename, state, 'for ' || extract(epoch FROM now() - xact_start)::bigint || ' s'"
        ")) AS who FROM pg_stat_activity WHERE backend_xid IS NOT NULL UNION ALL SELECT prepared, format('prepared "
        "transaction %L (%s, in database %s, for %s s)', gid, owner, database, extract(epoch FROM now() - "
        "prepared)::bigint) FROM pg_prepared_xacts) w ORDER BY since LIMIT 3) a",
        0, NULL, "cannot look at the transactions", &ignored);
    struct pg_answer row = {.result = result};
    const char *waits_for = result ? pg_answer_text_or_null(&row, "waits_for") : NULL;
    if (waits_for)
        cdc_log_write(settings->log, CDC_LOG_WARNING, "the new slot \"%s\" waits for older transactions to end: %s",
                      settings->slot, waits_for);
    PQclear(result);
    PQfinish(sql);
}

/* Only a cancel ends the wait on the server: closing the socket would leave the half-made slot and its walsender
 * until the last of the old transactions ends. A slot that is cancelled while it is made is dropped by the server. */
struct canceller {
    PGcancel *handle;
    int done; /* closed at the end */
};

static void *run_canceller(void *pointer)
{
    struct canceller *canceller = pointer;
    char ignored[256];
    PQcancel(canceller->handle, ignored, sizeof ignored);
    PQfreeCancel(canceller->handle);
    close(canceller->done);
    free(canceller);
    return NULL;
}

/* PQcancel waits for the server without a limit: so it has a thread of its own, which is waited for no longer than makes
 * sense, and is left behind by a second signal. */
static void cancel(PGconn *connection, const struct cdc_control *control)
{
    int ends[2];
    pthread_t thread;
    struct canceller *canceller = malloc(sizeof *canceller);
    if (!canceller || pipe2(ends, O_CLOEXEC) != 0) {
        free(canceller);
        return;
    }
    *canceller = (struct canceller){PQgetCancel(connection), ends[1]};
    if (!canceller->handle || pthread_create(&thread, NULL, run_canceller, canceller) != 0) {
        PQfreeCancel(canceller->handle);
        close(ends[1]);
        free(canceller);
    } else {
        pthread_detach(thread);
        for (int64_t end = cdc_clock_ms() + CANCEL_MS; cdc_clock_ms() < end && !(control && control->stop >= 2);) {
            struct pollfd fd = {ends[0], POLLIN, 0};
            if (poll(&fd, 1, 100) > 0)
                break;
        }
    }
    close(ends[0]);
}

/* Creating a slot waits for every transaction that was running when it began, for ever where one was forgotten.
 * (Decoding can start only where it knows all that runs.) So who is waited for is said after 5 s and then every 30
 * s, a signal ends the wait, and so do ten minutes. */
static int wait_result(PGconn *connection, const struct pg_settings *settings, struct cdc_error *error)
{
    const struct cdc_control *control = settings->control;
    int64_t begin = cdc_clock_ms(), next = begin + 5000;
    struct pg_wait wait = pg_wait_begin(connection);
    int status = 0;
    while (status == 0 && PQisBusy(connection)) {
        if ((control && control->stop) || cdc_clock_ms() - begin > 600000) {
            cancel(connection, control);
            return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                 "slot \"%s\" was not created: older transactions are still running", settings->slot);
        }
        status = pg_wait_input(connection, &wait, error);
        int64_t now = cdc_clock_ms();
        if (status == 0 && now >= next) {
            log_waiting(settings);
            next = now + 30000;
        }
    }
    return status < 0 ? -1 : 0;
}

static int create_error(PGconn *connection, const PGresult *result, const struct pg_settings *settings,
                        struct cdc_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    char what[128];
    snprintf(what, sizeof what, "cannot create slot \"%s\"", settings->slot);
    pg_query_fail(connection, result, what, error);
    if (state && strcmp(state, "53400") == 0)
        cdc_error_hint(error, "drop slots that nobody needs, or raise max_replication_slots and restart "
                              "the server");
    return -1;
}

/* Standbys that copy slots (sync_replication_slots) take those that say so, and no others; nothing else comes of it. The server
 * refuses it for a temporary slot, and for one that a standby makes. */
static bool can_fail_over(const PGconn *replication, const struct pg_settings *settings)
{
    return PQserverVersion(replication) >= 170000 && !settings->temporary && !pg_is_standby(replication);
}

int pg_slot_create(PGconn *replication, const struct pg_settings *settings, uint64_t *consistent_point,
                   char snapshot[64], struct cdc_error *error)
{
    char command[256];
    if (can_fail_over(replication, settings))
        snprintf(command, sizeof command,
                 "CREATE_REPLICATION_SLOT \"%s\" LOGICAL pgoutput (SNAPSHOT '%s', FAILOVER true)", settings->slot,
                 snapshot ? "export" : "nothing");
    else
        /* The old spelling: 15 has (SNAPSHOT 'export') as well, 14 has this one only, and all later ones take it. */
        snprintf(command, sizeof command, "CREATE_REPLICATION_SLOT \"%s\"%s LOGICAL pgoutput %s", settings->slot,
                 settings->temporary ? " TEMPORARY" : "", snapshot ? "EXPORT_SNAPSHOT" : "NOEXPORT_SNAPSHOT");
    if (!PQsendQuery(replication, command))
        return pg_query_fail(replication, NULL, "cannot create the slot", error);
    if (wait_result(replication, settings, error) < 0)
        return -1;
    PGresult *result = PQgetResult(replication);
    int status = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        status = create_error(replication, result, settings, error);
    } else {
        struct pg_answer row = {.result = result};
        *consistent_point = pg_answer_lsn(&row, "consistent_point");
        if (snapshot)
            snprintf(snapshot, 64, "%s", pg_answer_text(&row, "snapshot_name"));
        status = pg_answer_good(&row, "cannot create the slot", error);
    }
    PQclear(result);
    /* libpq takes no next command before it has said that there is no further result. */
    return pg_wait_discard(replication, error) < 0 ? -1 : status;
}

int pg_slot_drop(PGconn *sql, const char *name, const struct cdc_log *log, struct cdc_error *error)
{
    struct pg_slot slot;
    if (pg_slot_read(sql, name, &slot, error) < 0)
        return -1;
    if (!slot.exists) {
        cdc_log_write(log, CDC_LOG_INFO, "slot \"%s\" does not exist", name);
        return 0;
    }
    /* The server refuses to drop a slot in use anyway; this says what to do. */
    if (slot.active) {
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "slot \"%s\" is in use by pid %d of the server", name,
                      slot.active_pid);
        return cdc_error_hint(error, "stop the pg-cdc that reads it first");
    }
    PGresult *result =
        pg_query_rows(sql, "SELECT pg_drop_replication_slot($1)", 1, &name, "cannot drop the slot", error);
    if (!result)
        return -1;
    PQclear(result);
    cdc_log_write(log, CDC_LOG_INFO, "dropped slot \"%s\"", name);
    return 0;
}
