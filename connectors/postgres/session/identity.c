/* SPDX-License-Identifier: MIT */
/* Which server wrote the log that a position lies in. */
#include "connectors/postgres/session/identity.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pg_identity_read(PGconn *replication, const char *slot, struct pg_identity *identity, struct cdc_error *error)
{
    static const char what[] = "cannot identify the server";
    PGresult *result = pg_query_rows(replication, "IDENTIFY_SYSTEM", 0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    snprintf(identity->system_identifier, sizeof identity->system_identifier, "%s", pg_answer_text(&row, "systemid"));
    snprintf(identity->database, sizeof identity->database, "%s", pg_answer_text(&row, "dbname"));
    snprintf(identity->slot, sizeof identity->slot, "%s", slot);
    identity->timeline = (int32_t)pg_answer_int(&row, "timeline");
    PQclear(result);
    return pg_answer_good(&row, what, error);
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
 * the data directory (a backup, a standby) keeps it; there the timeline tells. */
static int hint_lost(struct cdc_error *error)
{
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
                                 "offset files of the pipeline, and begin with cdc-snapshot)");
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

int pg_identity_check(PGconn *replication, const struct pg_identity *identity, const char *state, uint64_t lsn,
                      struct cdc_error *error)
{
    struct cdc_span object = cdc_span_text(state);
    if (!state || cdc_json_type(object) != CDC_JSON_OBJECT)
        return 0;
    struct cdc_span system = cdc_json_member_raw(object, "system_identifier");
    int64_t timeline = 0;
    if (!system.p)
        return 0; /* an ack file alone: the slot's position is what is checked */
    if (!cdc_json_raw_is(system, cdc_span_text(identity->system_identifier))) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the position belongs to another server (system identifier %.*s, "
                      "this one is %s)",
                      (int)system.n, system.p, identity->system_identifier);
        return hint_lost(error);
    }
    if (!cdc_json_int64(cdc_json_member(object, "timeline"), &timeline) || timeline == identity->timeline)
        return 0;
    return check_timeline(replication, identity->timeline, timeline, lsn, error);
}
