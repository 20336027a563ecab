/* SPDX-License-Identifier: MIT */
/* Changes of a table that is selected come under a name that is not, while the log shows it: for a while, or for good. Where a copy
 * heals itself it is read again (form.c); else they are in no line:
 *
 *      ALTER SCHEMA s RENAME TO x; INSERT INTO x.t; ALTER SCHEMA x RENAME TO s
 *      ALTER PUBLICATION c ADD TABLE p; INSERT INTO p_1 ...; ALTER PUBLICATION c DROP TABLE p      (publish_via_partition_root) */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/retry.h>
#include <stdio.h>

#define UNSEEN_MS 5000 /* for a commit that others do not see yet */
#define UNSEEN_STEP_MS 20

/* 1 0 -1. The server has the whole id, of which the log says a half. */
static int is_seen(struct pg_stream *stream, uint32_t xid, struct cdc_error *error)
{
    static const char what[] = "cannot ask whether a transaction can be seen";
    char text[16];
    snprintf(text, sizeof text, "%lu", (unsigned long)xid);
    if (pg_stream_ensure_sql(stream, error) < 0 || pg_watch_await(stream, error) < 0)
        return -1;
    PGresult *result =
        pg_query_rows(stream->sql,
                      "SELECT pg_visible_in_snapshot((m - 2147483648 + ($1::numeric - m + 2147483648 + 4294967296 * "
                      "(1 + div(m, 4294967296))) % 4294967296)::text::xid8, pg_current_snapshot()) AS seen FROM "
                      "(SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric AS m) q",
                      1, (const char *const[]){text}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    bool seen = pg_answer_true(&row, "seen");
    PQclear(result);
    return pg_answer_good(&row, what, error) < 0 ? -1 : seen;
}

/* A commit is in the log before others see it: a moment, or until synchronous standbys have it. */
static int look_when_seen(struct pg_stream *stream, uint32_t xid, struct cdc_error *error)
{
    int seen;
    for (int waited = 0; (seen = is_seen(stream, xid, error)) == 0; waited += UNSEEN_STEP_MS)
        if (waited >= UNSEEN_MS ||
            cdc_retry_wait(UNSEEN_STEP_MS, stream->pg->control, "a commit that others do not see yet"))
            return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                 "others cannot see transaction %lu yet, which is in the log", (unsigned long)xid);
    return seen < 0 ? -1 : pg_stream_look_at_members(stream, error);
}

/* Of a table that has another name to this day it is told, once: whoever writes to it so goes on. */
static int judge(struct pg_stream *stream, uint32_t oid, const char *whose, const struct pg_table *as,
                 struct cdc_error *error)
{
    const struct pg_way *way = pg_ways_find(&stream->members.ways, oid, UINT64_MAX);
    if (!way)
        return 0;
    bool gone = way->gone;
    if (gone || stream->pg->allow_republished) {
        cdc_log_write(stream->log, CDC_LOG_WARNING,
                      "changes of %s %s under the name \"%s\".\"%s\", which is not selected: they are not seen", whose,
                      gone ? "come" : "came for a while", as->schema, as->name);
        pg_ways_tell(&stream->members.ways, oid);
        return pg_stream_write_state(stream, error);
    }
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "changes of %s came for a while under the name \"%s\".\"%s\", which is not selected: they were not "
                  "seen",
                  whose, as->schema, as->name);
    return cdc_error_hint(error, "take a new snapshot (run pg-cdc --drop, remove the offset files of the pipeline and "
                                 "the copies, and begin with cdc-snapshot); or, if nothing changed meanwhile, give "
                                 "--allow-republished once");
}

static bool is_selected(const struct pg_stream *stream, const struct pg_table *table)
{
    return cdc_selection_has_table(&stream->pg->selection, table->schema, table->name);
}

/* Was it selected under another name before this transaction? Its id, else 0. */
static uint32_t was_ours(const struct pg_stream *stream, uint32_t oid, const struct pg_table *as)
{
    uint32_t xid = 0;
    uint64_t lsn = stream->decoder ? pgoutput_transaction(stream->decoder, &xid) : 0;
    return lsn != 0 && !is_selected(stream, as) && pg_ways_find(&stream->members.ways, oid, lsn) ? xid : 0;
}

int pg_away_announced(struct pg_stream *stream, const struct pg_table *table, struct cdc_error *error)
{
    const struct pg_way *way = pg_ways_find(&stream->members.ways, table->oid, UINT64_MAX);
    bool bears_own = way && way->target == table->oid;
    uint32_t xid = bears_own ? was_ours(stream, table->oid, table) : 0;
    if (xid == 0)
        return 0;
    return look_when_seen(stream, xid, error) < 0 ? -1 : judge(stream, table->oid, "a selected table", table, error);
}

int pg_away_passed_by(struct pg_stream *stream, const struct pg_table *partition, const struct pg_table *table,
                      struct cdc_error *error)
{
    char whose[200];
    uint32_t xid = was_ours(stream, partition->oid, table);
    if (xid == 0)
        return 0;
    snprintf(whose, sizeof whose, "partition \"%s\".\"%s\"", partition->schema, partition->name);
    return look_when_seen(stream, xid, error) < 0 ? -1 : judge(stream, partition->oid, whose, table, error);
}
