/* SPDX-License-Identifier: MIT */
/* What there is to do for a table that is read again (reading.c), between transactions: it is taken up, waits for transactions that
 * run, is read piece by piece, each of which the log has to pass, and ends. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/query.h"

#include <cdc/request.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 60000 /* for transactions that were open when the table was asked for */
#define STEP_MS 100
#define RETRY_MS 5000
#define ASK_MS 5 /* for the end of the log, while a piece is to be passed */
#define RESTARTS_MAX 5

/* The request is ours from here on. */
static int settle(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_reading *reading = &stream->reading;
    const struct cdc_stale_table *table =
        cdc_stale_find(&reading->asked, stream->identity.database, reading->schema, reading->name);
    struct cdc_stale one = {.at = NULL};
    int result = table ? cdc_stale_add(&one, table->db, table->schema, table->table, table->why, error) : 0;
    if (result == 0)
        result = cdc_request_settle(&one, stream->settings.state_dir, stream->pg->name, error);
    cdc_stale_clear(&one);
    return result;
}

/* Before the first line: a start that finds this begins anew. */
static int note_begin(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_reading *reading = &stream->reading;
    if (pg_reading_note(stream, reading->schema, reading->name, reading->line + 1, error) < 0)
        return -1;
    return pg_heal_save(stream, error) < 0 ? -1 : settle(stream, error);
}

static int note_end(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_round *round =
        cdc_rounds_find(&reading->rounds, stream->identity.database, reading->schema, reading->name);
    free(round->attempt.written);
    round->attempt.written = strdup(pgoutput_boundary(stream->decoder)->pos);
    if (!round->attempt.written)
        return cdc_error_memory(error);
    stream->heal.unsaved = true;
    return pg_heal_save(stream, error);
}

/* Its lines come after all that any sink has, and after the rows of the snapshot. */
static int is_after_all(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *ignored;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    uint64_t point = pg_heal_consistent_point(stream);
    if (cdc_acks_read(acks, &ignored, error) < 0)
        return -1;
    pg_pos_round(&pos, pg_reading_place(stream), stream->reading.attempt, stream->reading.line + 1);
    cdc_buf_byte(&pos, '\0');
    return pg_reading_place(stream) > point &&
           cdc_start_is_before(stream->settings.start, acks, &stream->reading.rounds,
                               pgoutput_boundary(stream->decoder), text);
}

/* A table in one piece: its rows come in the steps after this one. */
static void begin_rows(struct pg_stream *stream, struct pg_piece *piece, struct cdc_buf *out)
{
    struct pg_live_lines lines = pg_piece_lines(stream);
    pg_live_begin_lines(&lines, out);
    pg_live_commit_line(&lines, out);
    pg_piece_lines_are_out(stream, &lines);
    pg_live_take_piece(&stream->reading.live, NULL, &piece->visible);
    stream->reading.phase = PG_READING_ROWS;
}

static int ask_end(struct pg_stream *stream, struct cdc_error *error)
{
    stream->reading.phase = PG_READING_PASSES;
    (void)poll(NULL, 0, 2); /* the walsender comes to our commit meanwhile, and then says so at once */
    stream->reading.asked_at = cdc_clock_ms();
    return pg_status_send(stream, true, error);
}

/* With the first lines of a table all that comes of it is for what they begin. Not before they are out: a copy that still has rows of
 * another form must get no line, should the read fail until then. */
static int write_piece(struct pg_stream *stream, struct pg_piece *piece, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    bool first = !reading->live.begun;
    if (reading->live.whole)
        begin_rows(stream, piece, out);
    else if (pg_piece_write(stream, piece, first, out, error) < 0)
        return -1;
    if (!first)
        return 0;
    reading->live.broken = NULL;
    cdc_stale_remove(&reading->open, stream->identity.database, reading->schema, reading->name);
    return pg_reading_keep_shape(stream, error);
}

static int piece_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    int64_t began = cdc_clock_ms();
    bool first = !reading->live.begun;
    struct pg_piece piece = {.limit = reading->rows};
    int got = pg_piece_read(stream, &piece, error);
    if (got <= 0)
        pg_piece_end(reading);
    if (got == 0 && piece.is_other)
        pg_reading_restart(stream, "its form has changed");
    else if (got == 0 && first && !reading->table)
        pg_reading_restart(stream, "it has become another one");
    if (got == 0)
        reading->due = cdc_clock_ms() + STEP_MS / 2;
    if (got > 0 && first) {
        reading->since = pg_reading_place(stream);
        got = note_begin(stream, error) < 0 ? -1 : 1;
    }
    int64_t came = cdc_clock_ms();
    if (got > 0)
        got = write_piece(stream, &piece, out, error) < 0 ? -1 : 1;
    piece.rows_ms += cdc_clock_ms() - came;
    if (got > 0 && !reading->live.whole) {
        pg_piece_learn(reading, cdc_clock_ms() - began, &piece);
        got = ask_end(stream, error);
    }
    pg_piece_free(&piece);
    return got < 0 ? -1 : 0;
}

static int end_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live_lines lines = pg_piece_lines(stream);
    pg_live_end_line(&lines, out);
    pg_live_commit_line(&lines, out);
    pg_piece_lines_are_out(stream, &lines);
    if (note_end(stream, error) < 0)
        return -1;
    cdc_log_write(stream->log, CDC_LOG_INFO,
                  "table \"%s\".\"%s\" is read again: %llu rows in %.1f s, while the log went on", reading->schema,
                  reading->name, (unsigned long long)reading->total,
                  (double)(cdc_clock_ms() - reading->began) / 1000.0);
    cdc_stale_remove(&reading->asked, stream->identity.database, reading->schema, reading->name);
    pg_reading_forget(stream);
    return 0;
}

/* A new transaction's id is greater than all that there are by now. (xmax of a snapshot is not: it comes after the last one that has
 * ended, and one that waits for a standby may be later.) */
static int take_bound(struct pg_reading *reading, struct cdc_error *error)
{
    PGresult *result =
        pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, "cannot ask for transactions", error);
    if (!result)
        return -1;
    snprintf(reading->until, sizeof reading->until, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return 0;
}

/* 1: all transactions that were open then have ended. */
static int has_settled(struct pg_reading *reading, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(reading->sql, "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8",
                                     1, (const char *const[]){reading->until}, "cannot ask for transactions", error);
    if (!result)
        return -1;
    bool settled = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return settled;
}

/* What is withheld stays so until it begins, also where a step before that fails and it waits to be taken up once more. */
static int take_current(struct pg_stream *stream, const char *schema, const char *name, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (pg_reading_withholds(stream, schema, name))
        reading->live.broken = "not all sinks have what was read";
    reading->schema = strdup(schema);
    reading->name = strdup(name);
    reading->live.schema = reading->schema;
    reading->live.name = reading->name;
    return reading->schema && reading->name ? 0 : cdc_error_memory(error);
}

/* The next table, or the one that is to begin anew. 1: it cannot be read so. */
static int first_step(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (!reading->name &&
        take_current(stream, reading->asked.tables[0].schema, reading->asked.tables[0].table, error) < 0)
        return -1;
    if (pg_reading_open_session(stream, error) < 0)
        return -1;
    if (reading->restarts > RESTARTS_MAX || stream->converts || stream->on_standby)
        return 1;
    /* What the publication has is looked at after the form was taken: an alteration after that shows in the form. */
    int can = pg_reading_take_form(stream, error) < 0 || pg_stream_ensure_sql(stream, error) < 0 ||
                      pg_stream_look_at_members(stream, error) < 0
                  ? -1
                  : pg_reading_describe(stream, false, error);
    if (can <= 0)
        return can < 0 ? -1 : 1;
    /* From where on the fields of a composite are what they are now, a round tells. */
    if (reading->table->n_composites > 0 && pg_reading_withholds(stream, reading->schema, reading->name))
        return 1;
    pg_reading_attach(stream);
    reading->rows = PG_PIECE_ROWS_FIRST;
    reading->total = 0;
    reading->began = cdc_clock_ms();
    reading->phase = PG_READING_SETTLES;
    return take_bound(reading, error);
}

int pg_reading_give_up(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                       struct cdc_error *error)
{
    char *of = strdup(schema), *table = strdup(name), *cause = strdup(why); /* they may be ours */
    int result = of && table && cause ? pg_heal_mark(stream, of, table, cause, error) : cdc_error_memory(error);
    if (result == 0)
        pg_reading_leave(stream, of, table);
    free(of);
    free(table);
    free(cause);
    return result < 0 || pg_heal_plan(stream, error) < 0 ? -1 : pg_heal_save(stream, error);
}

/* The stream ends, and cdc-snapshot reads it. */
static int give_up(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_reading *reading = &stream->reading;
    const struct cdc_stale_table *table =
        cdc_stale_find(&reading->asked, stream->identity.database, reading->schema, reading->name);
    return pg_reading_give_up(stream, reading->schema, reading->name, table ? table->why : "it was asked for", error);
}

static int settle_step(struct pg_stream *stream, struct cdc_buf *out, int64_t now, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    reading->due = now + STEP_MS;
    int settled = has_settled(reading, error);
    bool older = settled > 0 && pg_stream_is_older(stream);
    settled = older ? 0 : settled;
    if (older) {
        struct cdc_error ignored = {0};
        PQclear(pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, "", &ignored)); /* as below */
    }
    if (settled == 0 && now - reading->began > SETTLE_MS)
        return give_up(stream, error);
    if (settled <= 0)
        return settled;
    int after = is_after_all(stream, error);
    if (after <= 0) {
        struct cdc_error ignored = {0};
        if (after == 0) /* a log that stands still comes no further by itself */
            PQclear(pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, "", &ignored));
        return after;
    }
    return piece_step(stream, out, error);
}

static int pass_step(struct pg_stream *stream, struct cdc_buf *out, int64_t now, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->live.broken) {
        pg_reading_restart(stream, reading->live.broken);
        return 0;
    }
    if (!pg_live_passed(&reading->live, pg_reading_place(stream))) {
        if (now - reading->asked_at < ASK_MS)
            return 0;
        reading->asked_at = now;
        return pg_status_send(stream, true, error);
    }
    return reading->live.all_read ? end_step(stream, out, error) : piece_step(stream, out, error);
}

static int step(struct pg_stream *stream, struct cdc_buf *out, int64_t now, struct cdc_error *error)
{
    switch (stream->reading.phase) {
    case PG_READING_SETTLES: return settle_step(stream, out, now, error);
    case PG_READING_PASSES: return pass_step(stream, out, now, error);
    case PG_READING_ROWS: return 0;
    case PG_READING_NONE: break;
    }
    int can = first_step(stream, error);
    return can > 0 ? give_up(stream, error) : can;
}

/* The run ends at W: what is in the mark is read after it, all else is begun anew; the log, which has to come to W, waits for no
 * rows. */
static int leave_all(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_stale *mark = &stream->heal.mark;
    size_t n = stream->reading.asked.n;
    for (size_t i = 0; n > 0 && i < mark->n; i++)
        pg_reading_leave(stream, mark->tables[i].schema, mark->tables[i].table);
    if (stream->reading.phase == PG_READING_ROWS)
        pg_reading_restart(stream, "the stream ends for other tables");
    if (stream->reading.asked.n == n)
        return 0;
    stream->heal.unsaved = true;
    return pg_heal_save(stream, error);
}

/* What was appended is whole; then it is what is kept that failed. */
static int take_failure(struct pg_stream *stream, const struct cdc_error *failed, bool appended,
                        struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (failed->status == CDC_EXIT_INTERNAL || appended) {
        *error = *failed;
        return -1;
    }
    cdc_log_write(stream->log, CDC_LOG_WARNING, "a table that is to be read again waits: %s", failed->text);
    if (reading->name)
        pg_reading_restart(stream, "it could not be read");
    PQfinish(reading->sql);
    reading->sql = NULL;
    reading->due = cdc_clock_ms() + RETRY_MS;
    return 0;
}

int pg_reading_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_error failed = {0};
    int64_t now = cdc_clock_ms();
    if (stream->heal.mark.n > 0)
        return leave_all(stream, error);
    if ((reading->asked.n == 0 && reading->phase == PG_READING_NONE) || stream->ended || now < reading->due ||
        pgoutput_in_transaction(stream->decoder) || pgoutput_is_expecting(stream->decoder))
        return 0;
    size_t before = out->len;
    if (step(stream, out, now, &failed) == 0)
        return 0;
    return take_failure(stream, &failed, out->len != before, error);
}

bool pg_reading_has_rows(const struct pg_stream *stream)
{
    return stream->reading.phase == PG_READING_ROWS && !stream->ended && !stream->heal.done;
}

int pg_reading_rows(struct pg_stream *stream, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live_lines lines = pg_piece_lines(stream);
    struct cdc_error failed = {0};
    size_t before = out->len;
    if (stream->heal.mark.n > 0)
        return leave_all(stream, error) < 0 ? -1 : 1;
    int last = pg_whole_rows(reading, &lines, out, limit, &failed);
    stream->last_receive = cdc_clock_ms(); /* we do not listen */
    if (last < 0) {
        out->len = before;
        return take_failure(stream, &failed, false, error) < 0 ? -1 : 1;
    }
    reading->total += lines.events;
    if (lines.events > 0)
        pg_live_commit_line(&lines, out);
    pg_piece_lines_are_out(stream, &lines);
    return last > 0 && ask_end(stream, error) < 0 ? -1 : 1;
}
