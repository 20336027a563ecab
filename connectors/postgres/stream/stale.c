/* SPDX-License-Identifier: MIT */
/* Tables whose rows of before are not the source's any more (cdc/stale.h). The catalogs are ahead of the log that we read, which does
 * no harm: all of such a table will be read again, after W, and what is known of it before is replaced. So from the moment that we
 * know, its changes are omitted, or a sink would have to take rows of a form that its table has not.
 *
 *   log      ... U t | ALTER t ... | U t ... U v |            the last commit ends at W: all other tables are whole up to there
 *   lines    ... U t                      U v    | heartbeat at W, exit 75
 *
 * So it is where the stream itself cannot read the table. Where it can (reading.c), nothing of this is needed: lines of the table wait
 * until its read begins, at the first place that is after all that any sink has, and come with its rows from there on.
 *
 * W is the first place that is after all that any sink has, since a round's lines bear its position, and sinks drop what they are
 * past; and after the rounds before it, and the snapshot, whose rows have their positions as seq. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

#define MOVE_MS 1000 /* a log that stands still is made to go on that often */

void pg_heal_clear(struct pg_heal *heal)
{
    pg_shapes_clear(&heal->shapes);
    cdc_stale_clear(&heal->mark);
    cdc_buf_free(&heal->known);
}

/* -- W -- */

/* Positions at W must come after this one. At the same LSN they do only after the end of a transaction:
 *      commit      F.FFFFFFFFFF.E    E is after F
 *      heartbeat   W.0000000000.h... or a round's: W again would have to be after that */
static void after_position(uint64_t *least, const char *pos)
{
    uint64_t lsn, begin, end;
    if (!pos || !pg_pos_restart_lsn(pos, &lsn))
        return;
    lsn += !pg_pos_is_commit(pos, &begin, &end);
    if (lsn > *least)
        *least = lsn;
}

uint64_t pg_heal_consistent_point(const struct pg_stream *stream)
{
    const char *state = stream->settings.start->snapshot;
    char text[24];
    uint64_t lsn;
    return state && cdc_json_member_copy(cdc_span_text(state), "consistent_point", text, sizeof text) &&
                   pg_lsn_parse(text, &lsn)
               ? lsn
               : 0;
}

static uint64_t least_after_all(const struct pg_stream *stream)
{
    const struct cdc_start *start = stream->settings.start;
    const struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *boundary = stream->decoder ? pgoutput_boundary(stream->decoder) : NULL;
    uint32_t xid;
    uint64_t least = stream->wal_end, open = stream->decoder ? pgoutput_transaction(stream->decoder, &xid) : 0;
    if (stream->boundary_lsn > least)
        least = stream->boundary_lsn;
    if (open != 0 && open + 1 > least)
        least = open + 1;
    after_position(&least, start->own.pos);
    after_position(&least, start->from.pos);
    after_position(&least, boundary ? boundary->pos : NULL);
    for (size_t i = 0; acks && i < cdc_acks_count(acks); i++)
        after_position(&least, cdc_acks_offset(acks, i) ? cdc_acks_offset(acks, i)->pos : NULL);
    for (size_t i = 0; i < start->rounds.n; i++) {
        after_position(&least, start->rounds.items[i].of.at);
        after_position(&least, start->rounds.items[i].attempt.written);
    }
    uint64_t point = pg_heal_consistent_point(stream);
    return point != 0 && point + 1 > least ? point + 1 : least;
}

static int set_stop(struct pg_stream *stream, uint64_t lsn, struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    struct cdc_buf pos = CDC_BUF_INIT;
    pg_pos_heartbeat(&pos, lsn, 0);
    cdc_buf_byte(&pos, '\0');
    if (pos.failed) {
        cdc_buf_free(&pos);
        return cdc_error_memory(error);
    }
    free(heal->mark.at);
    heal->mark.at = pos.data;
    heal->stop_at = lsn;
    heal->moved = cdc_clock_ms();
    return 0;
}

/* -- what is stale -- */

int pg_heal_mark(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                 struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    const char *database = stream->identity.database;
    if (cdc_stale_has(&heal->mark, database, schema, name))
        return 0;
    if (cdc_stale_add(&heal->mark, database, schema, name, why, error) < 0)
        return -1;
    cdc_log_write(stream->log, CDC_LOG_INFO, "table \"%s\".\"%s\" is to be read again: %s", schema, name, why);
    if (stream->decoder)
        pgoutput_set_stale(stream->decoder, schema, name);
    heal->unsaved = true;
    return 0;
}

/* W, once something is stale: not before where the log was when we looked. What has come by then is delivered, and who changes
 * tables all day does not keep the stream at one place. */
int pg_heal_plan(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    if (heal->mark.n == 0 || heal->stop_at != 0)
        return 0;
    uint64_t least = least_after_all(stream);
    return set_stop(stream, heal->shapes.at > least ? heal->shapes.at : least, error);
}

/* Without sinks what is written is stored: a mark says that all up to W is, and is saved once our own position says so, too. */
static bool may_save(const struct pg_stream *stream, const struct cdc_offset *entry)
{
    const struct pg_heal *heal = &stream->heal;
    if (!stream->settings.offsets)
        return false;
    return stream->settings.acks || (heal->done && entry && strcmp(entry->pos, heal->mark.at) >= 0);
}

/* The position stays as it is: it is the sinks' to move. */
static int save(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_offset_file *offsets = stream->settings.offsets;
    const char *name = stream->pg->name;
    if (pg_stream_write_state(stream, error) < 0)
        return -1;
    stream->heal.unsaved = false;
    const struct cdc_offset *entry = offsets ? cdc_offset_file_get(offsets, name) : NULL;
    if (!may_save(stream, entry))
        return 0;
    char nowhere[] = "";
    struct cdc_offset kept = {.pos = nowhere};
    if (entry)
        kept = *entry;
    kept.state = stream->state_json.data;
    struct cdc_offset copy = {.pos = NULL};
    int status = cdc_offset_copy(&copy, &kept, error);
    if (status == 0)
        status = cdc_offset_file_set(offsets, name, &copy, error);
    cdc_offset_free(&copy);
    return status < 0 ? -1 : cdc_offset_file_save(offsets, error);
}

int pg_heal_save(struct pg_stream *stream, struct cdc_error *error)
{
    return stream->heal.unsaved ? save(stream, error) : 0;
}

/* -- the start -- */

/* Is it a place where a run of ours has ended, or would have? Then no sink has passed it in the log. Where the start has put in the
 * position of the foremost sink (cdc_rounds_reopen) W is to come after that. */
static bool is_stop(const struct pg_stream *stream, const char *at, uint64_t lsn)
{
    const struct cdc_acks *acks = stream->settings.acks;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    pg_pos_heartbeat(&pos, lsn, 0);
    cdc_buf_byte(&pos, '\0');
    if (strcmp(at, text) != 0)
        return false;
    for (size_t i = 0; acks && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        uint64_t where;
        if (offset && strcmp(offset->pos, at) > 0 &&
            (!pg_pos_is_round(offset->pos) || !pg_pos_restart_lsn(offset->pos, &where) || where > lsn))
            return false;
    }
    return true;
}

/* Is it for a request alone? asked.c comes to those. */
static bool is_asked(const struct pg_stream *stream, const struct cdc_stale_table *table)
{
    const struct cdc_stale *asked = &stream->settings.start->asked;
    const struct cdc_stale_table *one = cdc_stale_find(asked, table->db, table->schema, table->table);
    return stream->settings.acks && stream->settings.state_dir && !stream->settings.until &&
           stream->settings.max_events == 0 && one && strcmp(one->why, table->why) == 0;
}

static int take_mark(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    struct pg_heal *heal = &stream->heal;
    for (size_t i = 0; i < start->stale.n; i++) {
        const struct cdc_stale_table *table = &start->stale.tables[i];
        if (is_asked(stream, table))
            continue;
        if (cdc_stale_add(&heal->mark, table->db, table->schema, table->table, table->why, error) < 0)
            return -1;
    }
    if (heal->mark.n == 0)
        return 0;
    uint64_t lsn;
    heal->unsaved = true;
    if (!start->stale.at || !pg_pos_restart_lsn(start->stale.at, &lsn))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a PostgreSQL source",
                             start->stale.at ? start->stale.at : "");
    if (!is_stop(stream, start->stale.at, lsn))
        return set_stop(stream, least_after_all(stream), error);
    int passed = cdc_acks_passed(stream->settings.acks, start->stale.at, error);
    if (passed < 0 || set_stop(stream, lsn, error) < 0)
        return -1;
    heal->done = passed > 0;
    return 0;
}

/* Where nobody acknowledges, our own position is that of W, before the round that was read there: the lines go on after it. */
static void pass_rounds(struct pg_stream *stream)
{
    const struct cdc_start *start = stream->settings.start;
    struct pg_heal *heal = &stream->heal;
    const char *pos = start->from.pos;
    for (size_t i = 0; !stream->settings.acks && i < start->rounds.n; i++) {
        const char *written = start->rounds.items[i].attempt.written;
        if (written && (!pos || strcmp(written, pos) > 0))
            pos = written;
    }
    if (pos && pg_pos_is_round(pos))
        (void)pg_pos_restart_lsn(pos, &heal->after_round);
}

int pg_heal_begin(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    struct pg_heal *heal = &stream->heal;
    if (heal->begun || !heal->on)
        return 0;
    pg_shapes_clear(&heal->shapes);
    cdc_stale_clear(&heal->mark);
    stream->wal_end = stream->boundary_lsn = stream->start.lsn;
    struct cdc_span own = {NULL, 0};
    if (start->own.state)
        own = cdc_json_member(cdc_span_text(start->own.state), "shapes");
    if (pg_shapes_read(&heal->shapes, cdc_json_member(cdc_span_text(start->snapshot), "shapes"), own, error) < 0)
        return -1;
    pass_rounds(stream);
    if (take_mark(stream, error) < 0 || pg_heal_save(stream, error) < 0)
        return -1;
    heal->begun = true;
    return 0;
}

/* -- rounds -- */

/* Rows that were read again may have more of the log in them than the lines so far. */
static int check_round(struct pg_stream *stream, const struct cdc_round *round, struct cdc_error *error)
{
    const struct pg_start *start = &stream->start;
    struct cdc_span read_at = cdc_span_text(round->read_at);
    char text[24];
    uint64_t from, seen;
    if (!round->read_at || !pg_pos_restart_lsn(round->of.at, &from) || start->lsn < from ||
        !cdc_json_member_copy(read_at, "lsn", text, sizeof text) || !pg_lsn_parse(text, &seen) || seen <= start->lsn)
        return 0;
    return pg_identity_check_log(stream->sql, stream->replication, &stream->identity, start->source, start->state,
                                 read_at, start->lsn, error);
}

int pg_heal_rounds(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_rounds *rounds = stream->settings.start ? &stream->settings.start->rounds : NULL;
    for (size_t i = 0; rounds && i < rounds->n; i++)
        if (check_round(stream, &rounds->items[i], error) < 0)
            return -1;
    struct cdc_span read = {NULL, 0};
    if (stream->settings.start && stream->settings.start->snapshot)
        read = cdc_json_member(cdc_span_text(stream->settings.start->snapshot), "read");
    if (pgoutput_set_parts(stream->decoder, read, error) < 0)
        return -1;
    return pgoutput_set_rounds(stream->decoder, rounds, stream->start.lsn, error);
}

/* -- the end of the run -- */

bool pg_heal_is_due(const struct pg_stream *stream, uint64_t lsn)
{
    return stream->heal.stop_at != 0 && !stream->heal.done && lsn >= stream->heal.stop_at;
}

void pg_heal_stop(struct pg_stream *stream, struct cdc_buf *out, int64_t now)
{
    pgoutput_stop(stream->decoder, stream->heal.stop_at, out);
    stream->last_line = now;
    stream->boundary_lsn = stream->heal.stop_at;
    stream->heal.done = stream->ended = true;
    stream->heal.unsaved = true;
}

uint64_t pg_heal_after(const struct pg_stream *stream, const char *payload, size_t n)
{
    uint64_t lsn = 0;
    if (stream->heal.stop_at == 0 || pgoutput_in_transaction(stream->decoder))
        return 0;
    if (payload[0] == 'B' && n >= 9)
        lsn = pg_status_i64(payload + 1);
    /* One that belongs to no transaction, whose line comes at the byte before its end. */
    else if (payload[0] == 'M' && n >= 10 && payload[1] == 0)
        lsn = pg_status_i64(payload + 2) - 1;
    return lsn >= stream->heal.stop_at ? lsn : 0;
}

/* A log that stands still (only what we select has changed, or a sink was set back) does not come to W by itself: the commit of
 * a transaction that does nothing makes it. On a standby its primary must write. */
static void move_log(struct pg_stream *stream, int64_t now)
{
    struct pg_heal *heal = &stream->heal;
    struct cdc_error ignored = {0};
    bool can = stream->sql && PQstatus(stream->sql) == CONNECTION_OK;
    if (!can || heal->stop_at == 0 || heal->done || stream->wal_end >= heal->stop_at || now - heal->moved < MOVE_MS ||
        stream->on_standby)
        return;
    heal->moved = now;
    PQclear(pg_query_rows(stream->sql, "SELECT pg_current_xact_id()", 0, NULL, "cannot move the log", &ignored));
}

int pg_heal_tick(struct pg_stream *stream, int64_t now, struct cdc_error *error)
{
    move_log(stream, now);
    return pg_heal_save(stream, error);
}

int pg_heal_end(void *source, struct cdc_error *error)
{
    struct pg_stream *stream = source;
    /* --idle-exit: what waits to be read withholds the lines of its table. */
    if (!stream->heal.done)
        return stream->heal.mark.n > 0       ? cdc_stale_stop(&stream->heal.mark, error)
               : stream->reading.asked.n > 0 ? cdc_stale_stop(&stream->reading.asked, error)
                                             : 0;
    if (save(stream, error) < 0)
        return -1;
    return cdc_stale_stop(&stream->heal.mark, error);
}
