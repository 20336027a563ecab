/* SPDX-License-Identifier: MIT */
/* Where a connection starts. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <stdio.h>
#include <string.h>

int pg_start_lost(const char *slot, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "slot \"%s\" %s", slot, why);
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
                                 "offset files of the pipeline and the copies, and begin with cdc-snapshot)");
}

/* What a snapshot has seen of the log. Its own state knows: the position in a sink's file may be of an older attempt, since
 * a sink stores in batches, or is slower than the pipe. Once the log has begun its boundaries carry it. */
static struct cdc_span read_at_of(const struct cdc_start *decided, const struct cdc_offset *from)
{
    unsigned attempt;
    bool logged = from && !pg_pos_is_snapshot(from->pos, &attempt);
    if (!logged && decided->visible)
        return cdc_span_text(decided->visible);
    return from && from->source ? cdc_json_member(cdc_span_text(from->source), "read_at") : (struct cdc_span){NULL, 0};
}

/* What the publication had when it was looked at last: a position that is a sink's has nothing of it beside it. */
static struct cdc_span members_of(const struct cdc_start *decided, struct cdc_span state)
{
    struct cdc_span members = cdc_json_member(state, "publication");
    if (!members.p && decided->snapshot)
        members = cdc_json_member(cdc_span_text(decided->snapshot), "publication");
    return members;
}

int pg_start_read(struct pg_start *start, const struct cdc_start *decided, bool started, const struct cdc_offset *from,
                  struct cdc_error *error)
{
    /* Not a boundary of the log yet: where the snapshot's rows end. */
    if (!from && decided->kind == CDC_START_SNAPSHOT)
        from = &decided->from;
    *start = (struct pg_start){.has_position = from != NULL, .read_at = read_at_of(decided, from)};
    start->resumes = started || decided->kind != CDC_START_FIRST;
    if (!from) {
        start->last.kind = started ? PG_LAST_UNKNOWN : PG_LAST_NONE;
        return 0;
    }
    start->source = cdc_span_text(from->source);
    start->state = cdc_span_text(from->state);
    start->members = members_of(decided, start->state);
    if (from == &decided->from && decided->kind == CDC_START_SNAPSHOT)
        start->state = cdc_json_member(start->state, "identity");
    pg_last_read(&start->last, from->pos, start->source);
    start->heartbeats = pg_pos_counter(from->pos);
    if (pg_pos_restart_lsn(from->pos, &start->lsn))
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a PostgreSQL source", from->pos);
}

/* The same snapshot? A stage between may have written the object anew, with blanks for instance. */
static bool same_read_at(struct cdc_span a, struct cdc_span b)
{
    return a.p && b.p && cdc_span_equal(cdc_json_member_raw(a, "lsn"), cdc_json_member_raw(b, "lsn")) &&
           cdc_span_equal(cdc_json_member_raw(a, "xids"), cdc_json_member_raw(b, "xids"));
}

/* Example: two sinks. One has stored the snapshot and the first transactions, the other nothing, when all is killed. The
 * snapshot is taken again, for the second sink; the first drops its lines, as they come before where it is. Then the log
 * begins again. A transaction between where the first sink is and the second snapshot is in the rows that the second has, and
 * must not come to it once more; to the first it must. */
int pg_start_needed(const struct pg_start *start, const struct cdc_acks *acks, uint64_t *lsn)
{
    int found = -1;
    for (size_t i = 0; acks && start->read_at.p && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        uint64_t at;
        unsigned attempt;
        if (!offset || pg_pos_is_snapshot(offset->pos, &attempt) || !pg_pos_restart_lsn(offset->pos, &at))
            continue;
        struct cdc_span source = cdc_span_text(offset->source);
        struct cdc_span read_at = source.p ? cdc_json_member(source, "read_at") : source;
        if ((found >= 0 && at >= *lsn) || same_read_at(read_at, start->read_at))
            continue;
        found = (int)i;
        *lsn = at;
    }
    return found;
}

/* A slot before our position is nothing unusual: a server that crashed has kept its state of the last checkpoint, and we
 * may have been killed before we told it. But one that was set back to an older copy of its files has such a slot, too,
 * and where its log has grown past our position since then, nothing else shows. So the server begins at the newest
 * transaction that we have read, or, where the slot is after that, at the slot: what comes is compared. */
static uint64_t first_of(const struct pg_start *start, const struct pg_slot *slot)
{
    if (!start->has_position || !slot->exists || slot->confirmed_flush >= start->lsn ||
        start->last.kind == PG_LAST_UNKNOWN)
        return start->lsn;
    if (start->last.kind == PG_LAST_COMMIT && start->last.begin > slot->confirmed_flush)
        return start->last.begin;
    return slot->confirmed_flush;
}

int pg_start_check(struct pg_start *start, const char *name, const struct pg_slot *slot, struct cdc_error *error)
{
    if (slot->exists && slot->lost)
        return pg_start_lost(name, "was invalidated by the server: its log is gone", error);
    if (start->resumes && !slot->exists)
        return pg_start_lost(name, "is gone, and a position to go on from exists", error);
    /* Of a slot that is there already somebody has read, a run before this one that kept no position for instance. After a
     * crash of the server it may stand before that, and bring his transactions, which are not those of another log. */
    if (start->last.kind == PG_LAST_NONE && !start->has_position && slot->exists)
        start->last.kind = PG_LAST_UNKNOWN;
    start->from = first_of(start, slot);
    /* We confirm only what is stored, so the slot is at our position or before it. Beyond it, the server sends from
     * there, and what lies between is lost. */
    if (!start->has_position || slot->confirmed_flush <= start->lsn)
        return 0;
    char why[240], confirmed[24], ours[24];
    pg_lsn_format(confirmed, slot->confirmed_flush);
    pg_lsn_format(ours, start->lsn);
    snprintf(why, sizeof why,
             "was confirmed up to %s, beyond our position %s: it was made anew, somebody else reads it, or a sink or "
             "our state was set back to a backup",
             confirmed, ours);
    return pg_start_lost(name, why, error);
}

/* -- the command -- */

/* 'text' for the replication grammar, where only quotes are special. Two layers: a list of identifiers in a string
 * literal, so my"pub is '"my""pub"', and a ' is doubled for the literal around. */
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

/* Protocol 1 sends whole transactions after their commit, in the order of their commits, on all servers that we
 * know; 2 and later only add transactions in progress, two-phase and parallel apply. An LSN below what the slot
 * has confirmed is raised to that by the server, silently: pg_start_check has compared them. 0/0 is wherever the
 * slot is.
 *
 * With streaming a large transaction would come while it runs, and we would have to keep its rows on our disk until COMMIT,
 * also those of subtransactions that are rolled back. pg_recvlogical, waiting while three million rows of two columns are
 * inserted, on two cores that are busy with other things:
 *
 *                   all is there   walsender's CPU   bytes     pg_replslot (of ten million)
 *      version 1    72 s later     12.9 s            100 MB    1.5 GB
 *      streaming    58 s later      8.2 s            112 MB    none
 *
 * A fifth of the wait, before we have read our disk again: not worth that a row which was undone could be written. What the
 * server's disk needs is in pg-cdc(1). */
void pg_start_statement(struct cdc_buf *out, const struct pg_settings *pg, uint64_t from, bool streams)
{
    char lsn[24];
    pg_lsn_format(lsn, from);
    cdc_buf_printf(out, "START_REPLICATION SLOT \"%s\" LOGICAL %s (proto_version '%d', publication_names ", pg->slot,
                   lsn, streams ? 2 : 1);
    append_quoted(out, pg->publication, '"', '\'');
    cdc_buf_printf(out, ", messages 'true'%s)", streams ? ", streaming 'on'" : "");
    cdc_buf_byte(out, '\0');
}

void pg_start_hint_publication(const char *publication, struct cdc_error *error)
{
    cdc_error_hint(
        error, "was publication \"%s\" dropped, or made after the slot? Then run pg-cdc --drop and take a new snapshot",
        publication);
}

void pg_start_notice(PGconn *replication, const char *publication, const PGresult *result, struct cdc_error *skipped)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (skipped->status != 0 || !severity || strcmp(severity, "WARNING") != 0 || !state || strcmp(state, "55000") != 0)
        return;
    pg_query_fail(replication, result, "the server omits changes", skipped);
    skipped->hint[0] = '\0'; /* to create it now does not help */
    pg_start_hint_publication(publication, skipped);
}
