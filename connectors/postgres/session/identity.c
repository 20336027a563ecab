/* SPDX-License-Identifier: MIT */
/* Which server wrote the log that a position lies in. */
#include "connectors/postgres/session/identity.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/pgoutput/visible.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char identifying[] = "cannot identify the server";

/* The answer has the database's name, which the server may not be able to convert (database_name.h). */
static PGresult *identify(PGconn *replication, struct cdc_error *error)
{
    const char *encoding = PQparameterStatus(replication, "client_encoding");
    bool converts = encoding && strcmp(encoding, "UTF8") == 0 && !pg_names_is_ascii(PQdb(replication));
    if (converts && pg_query_run(replication, "SET client_encoding = 'SQL_ASCII'", identifying, error) < 0)
        return NULL;
    PGresult *result = pg_query_rows(replication, "IDENTIFY_SYSTEM", 0, NULL, identifying, error);
    if (!result || !converts || pg_query_run(replication, "SET client_encoding = 'UTF8'", identifying, error) == 0)
        return result;
    PQclear(result);
    return NULL;
}

int pg_identity_read(PGconn *replication, const char *slot, struct pg_identity *identity, struct cdc_error *error)
{
    PGresult *result = identify(replication, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    snprintf(identity->system_identifier, sizeof identity->system_identifier, "%s", pg_answer_text(&row, "systemid"));
    snprintf(identity->database, sizeof identity->database, "%s", pg_database_name(replication));
    snprintf(identity->slot, sizeof identity->slot, "%s", slot);
    identity->timeline = (int32_t)pg_answer_int(&row, "timeline");
    identity->end = pg_answer_lsn(&row, "xlogpos");
    PQclear(result);
    return pg_answer_good(&row, identifying, error);
}

int pg_identity_read_start(PGconn *connection, char text[PG_IDENTITY_START], struct cdc_error *error)
{
    static const char what[] = "cannot ask the server when it was started";
    PGresult *result = pg_query_rows(connection,
                                     "SELECT concat_ws(' ', pg_postmaster_start_time(), (SELECT system_identifier FROM "
                                     "pg_control_system())) AS started",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    snprintf(text, PG_IDENTITY_START, "%s", pg_answer_text(&row, "started"));
    int status = pg_answer_good(&row, what, error);
    PQclear(result);
    return status;
}

void pg_identity_json(struct cdc_buf *out, const struct pg_identity *identity)
{
    cdc_buf_lit(out, "{\"system_identifier\":");
    cdc_json_append_string(out, identity->system_identifier, strlen(identity->system_identifier));
    cdc_buf_lit(out, ",\"timeline\":");
    cdc_buf_i64(out, identity->timeline);
    cdc_buf_lit(out, ",\"database\":");
    cdc_json_append_text(out, identity->database, strlen(identity->database));
    cdc_buf_lit(out, ",\"slot\":");
    cdc_json_append_text(out, identity->slot, strlen(identity->slot));
    cdc_buf_byte(out, '}');
}

/* The system identifier is made by initdb: another one is another cluster, whose LSNs mean nothing here. A copy of
 * the data directory (a backup, a standby) keeps it; there the timeline tells.
 *
 * pg_upgrade from 17 on keeps slots, and yet nothing that the new server shows proves that it has all that came before them:
 *      position P of the old server       slot of the new one at S, after P (pg_upgrade sets its log behind the old one's end)
 * Of the server that we have read, P to S is empty: pg_upgrade refuses a slot that is behind. A standby of it that was promoted at
 * P, written to, and read by somebody else under that name looks the same when it is upgraded, and P to S is not empty. Oids,
 * transaction ids and the commit times of ours are theirs, too; and which server it was before, a server does not keep. */
static int hint_lost(struct cdc_error *error)
{
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
                                 "offset files of the pipeline and the copies, and begin with cdc-snapshot)");
}

/* Where the server's history left timeline `old`: 1 and *lsn; 0 when it never was on it. The history of timeline 3
 * has a line for each that it came from:
 *      1\t0/3000148\tno recovery target specified
 *      2\t0/5000060\tno recovery target specified
 * A timeline that forked off beside ours is not among them. */
static int find_switch(const char *history, int64_t old, uint64_t *lsn)
{
    while (*history) {
        char text[32];
        long timeline;
        if (sscanf(history, "%ld %31s", &timeline, text) == 2 && timeline == old)
            return pg_lsn_parse(text, lsn) ? 1 : 0;
        history += strcspn(history, "\n");
        history += *history == '\n';
    }
    return 0;
}

/* The server moved on to another timeline (a standby was promoted, a backup restored): the position is still in its
 * log when it lies before the fork. After the fork the same LSN is another transaction, and to go on there would
 * lose rows without a word. */
static int check_timeline(PGconn *replication, int32_t current, int64_t old, uint64_t lsn, struct cdc_error *error)
{
    static const char what[] = "cannot read the timeline's history";
    char command[64], position[24];
    pg_lsn_format(position, lsn);
    if (old > current) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the position %s belongs to timeline %lld, the server is on "
                      "timeline %ld: it was set back",
                      position, (long long)old, (long)current);
        return hint_lost(error);
    }
    snprintf(command, sizeof command, "TIMELINE_HISTORY %ld", (long)current);
    PGresult *result = pg_query_rows(replication, command, 0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    uint64_t fork = 0;
    bool before = find_switch(pg_answer_text(&row, "content"), old, &fork) && lsn <= fork;
    int status = pg_answer_good(&row, what, error);
    PQclear(result);
    if (status == 0 && !before) {
        cdc_error_set(error, CDC_EXIT_LOST, "the server's timeline %ld left timeline %lld before the position %s",
                      (long)current, (long long)old, position);
        status = hint_lost(error);
    }
    return status;
}

/* Example: the machine was set back to an image of last night. System and timeline are the same, the slot stands where
 * it stood then, and the position lies in a log that is no more: where it was, other changes come. */
static int check_end(PGconn *replication, const struct pg_identity *identity, uint64_t lsn, struct cdc_error *error)
{
    static const char what[] = "cannot ask whether the server is a standby";
    char position[24], end[24];
    if (lsn <= identity->end)
        return 0;
    pg_lsn_format(position, lsn);
    pg_lsn_format(end, identity->end);
    PGresult *result = pg_query_rows(replication, "SELECT pg_is_in_recovery() AS standby", 0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    bool standby = pg_answer_true(&row, "standby");
    int status = pg_answer_good(&row, what, error);
    PQclear(result);
    if (status < 0)
        return -1;
    if (standby)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                             "the standby has the log up to %s: it is waited for until it has the position %s", end,
                             position);
    cdc_error_set(error, CDC_EXIT_LOST,
                  "the server's log ends at %s, before the position %s: the server was set back to a state before it",
                  end, position);
    return hint_lost(error);
}

/* Whom the position names: by the line's source, else by our own state. system.p is NULL where neither does. */
static struct cdc_span named_system(struct cdc_span source, struct cdc_span state, struct cdc_span *timeline)
{
    struct cdc_span system = {NULL, 0};
    struct cdc_span object = source;
    if (source.p && cdc_json_type(source) == CDC_JSON_OBJECT)
        system = cdc_json_member_raw(source, "system_id");
    if (!system.p && state.p && cdc_json_type(state) == CDC_JSON_OBJECT) {
        object = state;
        system = cdc_json_member_raw(state, "system_identifier");
    }
    *timeline = system.p ? cdc_json_member(object, "timeline") : system;
    return system;
}

int pg_identity_check(PGconn *replication, const struct pg_identity *identity, struct cdc_span source,
                      struct cdc_span state, uint64_t lsn, struct cdc_error *error)
{
    struct cdc_span timeline;
    struct cdc_span system = named_system(source, state, &timeline);
    int64_t old = 0;
    if (system.p && !cdc_json_raw_is(system, cdc_span_text(identity->system_identifier))) {
        cdc_error_set(
            error, CDC_EXIT_LOST,
            "the position belongs to another server, or to this one before pg_upgrade (system identifier %.*s, "
            "this one is %s)",
            (int)system.n, system.p, identity->system_identifier);
        return hint_lost(error);
    }
    if (system.p && cdc_json_int64(timeline, &old) && old != identity->timeline &&
        check_timeline(replication, identity->timeline, old, lsn, error) < 0)
        return -1;
    return check_end(replication, identity, lsn, error);
}

/* What a snapshot may have seen: more than is on the disk. */
struct newest {
    uint64_t next;     /* transaction, of those to come */
    uint64_t inserted; /* where the log ends in memory; 0 on a standby */
};

static int read_newest(PGconn *sql, struct newest *newest, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the newest transaction";
    PGresult *result = pg_query_rows(sql,
                                     "SELECT pg_snapshot_xmax(pg_current_snapshot()) AS next, CASE WHEN "
                                     "pg_is_in_recovery() THEN '0/0' ELSE pg_current_wal_insert_lsn() END AS inserted",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    newest->next = (uint64_t)pg_answer_int(&row, "next");
    newest->inserted = pg_answer_lsn(&row, "inserted");
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* Ids are given once, and never again: a server that has not come to those that the snapshot has seen was set back. */
static int check_ids(const struct pg_visible *visible, const struct newest *newest, struct cdc_error *error)
{
    char position[24];
    if (newest->inserted == 0 || newest->next >= visible->xmax)
        return 0;
    pg_lsn_format(position, visible->lsn);
    cdc_error_set(error, CDC_EXIT_LOST,
                  "the snapshot has seen transactions before the position %s that the server does not have: it was set "
                  "back to a state before them",
                  position);
    return hint_lost(error);
}

/* The position of a snapshot is where the log ended in memory, which is on the disk a moment later (wal_writer_delay), or after
 * the next commit. */
static int check_seen(PGconn *sql, PGconn *replication, const struct pg_identity *identity, struct cdc_span source,
                      struct cdc_span state, const struct pg_visible *visible, struct cdc_error *error)
{
    struct pg_identity in_memory = *identity;
    struct newest newest;
    if (read_newest(sql, &newest, error) < 0)
        return -1;
    if (newest.inserted > in_memory.end)
        in_memory.end = newest.inserted;
    if (pg_identity_check(replication, &in_memory, source, state, visible->lsn, error) < 0)
        return -1;
    return check_ids(visible, &newest, error);
}

int pg_identity_check_log(PGconn *sql, PGconn *replication, const struct pg_identity *identity, struct cdc_span source,
                          struct cdc_span state, struct cdc_span read_at, uint64_t lsn, struct cdc_error *error)
{
    struct pg_visible visible = {.json = NULL};
    int status = pg_visible_parse(&visible, read_at, error);
    if (status == 0)
        status = pg_identity_check(replication, identity, source, state, lsn, error);
    if (status == 0 && visible.json)
        status = check_seen(sql, replication, identity, source, state, &visible, error);
    pg_visible_clear(&visible);
    return status;
}
