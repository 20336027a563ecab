/* SPDX-License-Identifier: MIT */
/* Tables that are read again while the stream goes on (decoder/live.h): what people ask for, and what is stale, where the table's key
 * allows it. All others wait for no longer than it takes to read one piece. An example of what is kept of it, in our own state, before
 * its first line leaves, and after its last one:
 *
 *      "again":[{"at":"POS of the first line","tables":[{"db":"shop","table":"t"}],"attempt":3,"written":null}]
 *      ...                                                                    "written":"POS of the last commit"
 *
 * So it is with tables that are stale, or come to the pipeline: they are in that list from the statement (or the start) on, with a
 * position that no line has, and nothing of them comes until their read begins (withheld.c). What form they have there in the log does
 * not matter: what counts is that of the place where the first piece goes out, after that, and the server is asked for it in such a way
 * that it is this one, or the read begins anew (reading_table.c).
 *
 *   log      ... u | ALTER t | t u | ALTER t | t u |      | t u       the first piece is of here: ^
 *   lines    ... u | ddl     |   u | ddl     |   u | r r r | t u
 *
 * Where it turns out that a table cannot be read so, it is marked there, with all others of which that is true, and the stream ends:
 * what cdc-snapshot reads replaces all that is missing.
 *
 * A start that finds one which not all sinks have stored begins it anew, after the position of the foremost sink, and withholds the
 * table's changes until then: sinks may be anywhere in it, and take the table as it comes from the new first line on. */
#include "connectors/mysql/schema/schema.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/request.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STEP_MS 100
#define EARLY_MS 5
#define RETRY_MS 5000
#define PATIENCE_MS 60000
enum { ROWS_FIRST = 16, RESTARTS_MAX = 5, SPOILED_MAX = 3 };

/* -- what is kept ------------------------------------------------------------------------------------------ */

static bool is_possible(const struct my_stream *stream)
{
    return my_stale_is_kept(stream) && stream->settings.acks && stream->settings.state_dir;
}

int my_reading_load(struct my_stream *stream, struct cdc_error *error)
{
    if (stream->reading.loaded || !is_possible(stream))
        return 0;
    const struct cdc_offset *entry = cdc_offset_file_get(stream->settings.offsets, stream->settings.name);
    stream->reading.loaded = true;
    return cdc_rounds_read(&stream->reading.rounds, cdc_span_text(entry ? entry->state : NULL), error);
}

/* A run with an end may come to that before a table is read; and what conditions a snapshot was taken with is its command line's
 * to say. */
static bool is_left_to_snapshot(const struct my_stream *stream)
{
    struct cdc_span snapshot = cdc_span_text(stream->settings.start->snapshot);
    return stream->settings.until || stream->settings.max_events > 0 ||
           (snapshot.p && cdc_json_member(snapshot, "partial").p);
}

/* What a run before has begun, cdc-snapshot reads: it is in the mark of this start. */
static int hand_over(struct my_stream *stream, const struct cdc_stale *tables, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    struct cdc_stale *mark = &stream->stale.open;
    for (size_t i = 0; i < tables->n; i++)
        if (cdc_stale_add(mark, tables->tables[i].db, "", tables->tables[i].table, tables->tables[i].why, error) < 0)
            return -1;
    if (cdc_rounds_mark(&start->rounds, mark, start->from.pos, stream->settings.acks, error) < 0 ||
        cdc_rounds_mark(&stream->reading.rounds, mark, NULL, NULL, error) < 0)
        return -1;
    for (size_t i = 0; i < tables->n; i++)
        my_reading_leave(stream, tables->tables[i].db, tables->tables[i].table);
    stream->stale.changed = true; /* saved before the first line */
    return 0;
}

static int keep_open(struct my_stream *stream, const struct cdc_stale *tables, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        if (cdc_stale_has(&stream->stale.open, table->db, "", table->table))
            continue;
        if (cdc_stale_add(&reading->asked, table->db, "", table->table, table->why, error) < 0 ||
            cdc_stale_add(&reading->open, table->db, "", table->table, table->why, error) < 0)
            return -1;
    }
    /* With lines that come before a table is begun, a sink may pass the end of the read that it has not stored. */
    cdc_rounds_take_back(&reading->rounds, tables);
    stream->stale.changed = true;
    return 0;
}

/* Positions of rounds at one place share the numbers of their attempts, ours and cdc-snapshot's: ours is above them all. */
static unsigned next_attempt(const struct my_stream *stream)
{
    const struct cdc_rounds *all[2] = {&stream->reading.rounds, &stream->settings.start->rounds};
    unsigned most = 0;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < all[k]->n; i++)
            if (all[k]->items[i].attempt.number > most)
                most = all[k]->items[i].attempt.number;
    return most < CDC_ATTEMPT_MAX ? most + 1 : 1;
}

int my_reading_begin(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_stale none = {.at = NULL};
    bool left = is_left_to_snapshot(stream);
    if (reading->begun || stream->has_start || !is_possible(stream))
        return 0;
    reading->attempt = next_attempt(stream);
    if (cdc_rounds_reopen(&reading->rounds, &none, stream->settings.acks, error) < 0)
        return -1;
    int result = none.n == 0 ? 0 : left ? hand_over(stream, &none, error) : keep_open(stream, &none, error);
    cdc_stale_clear(&none);
    reading->begun = !left;
    return result;
}

/* Begins anew, from the table's first row. What the log brings of it meanwhile does not come, if lines are out. */
static void restart(struct my_stream *stream, const char *why)
{
    struct my_reading *reading = &stream->reading;
    struct my_live *live = &reading->live;
    cdc_log_write(stream->log, CDC_LOG_INFO, "table %s.%s is read again from its beginning: %s", reading->db,
                  reading->name, why);
    live->hidden |= live->begun;
    live->begun = live->all_done = live->has_done = false;
    live->why = NULL;
    live->n_key = 0; /* whose names go with the table */
    my_live_forget_touched(live);
    my_piece_clear(&reading->piece);
    my_key_value_clear(&reading->after);
    my_reading_free_table(reading);
    reading->phase = MY_READING_NONE;
    reading->due = cdc_clock_ms() + STEP_MS;
    reading->took_up = 0;
    reading->restarts++;
}

void my_reading_disconnected(struct my_stream *stream)
{
    struct my_reading *reading = &stream->reading;
    if (reading->sql)
        mysql_close(reading->sql);
    reading->sql = NULL;
    reading->heard = (struct my_coord){.file = ""};
    if (reading->name && reading->phase != MY_READING_NONE)
        restart(stream, "the connection broke");
}

void my_reading_attach(struct my_stream *stream)
{
    my_decoder_set_live(stream->decoder, stream->reading.name ? &stream->reading.live : NULL);
}

/* -- which tables can be --------------------------------------------------------------------------------------- */

static int take_current(struct my_reading *reading, const struct cdc_stale_table *table, struct cdc_error *error)
{
    reading->db = strdup(table->db);
    reading->name = strdup(table->table);
    reading->live.db = reading->db;
    reading->live.name = reading->name;
    return reading->db && reading->name ? 0 : cdc_error_memory(error);
}

int my_reading_ask(struct my_stream *stream, const struct cdc_stale_table *table, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    const struct cdc_stale_table *asked = cdc_stale_find(&reading->asked, table->db, "", table->table);
    if (!reading->begun || stream->stale.open.n > 0 || stream->stale.found.n > 0)
        return 0;
    if (asked && (strcmp(asked->why, table->why) == 0 ||
                  (my_reading_is_current(reading, table->db, table->table) && reading->live.begun)))
        return 1; /* a later request for one that has begun waits for its end */
    if (asked)
        cdc_stale_remove(&reading->asked, table->db, "", table->table);
    return cdc_stale_add(&reading->asked, table->db, "", table->table, table->why, error) < 0 ? -1 : 1;
}

/* -- lines ------------------------------------------------------------------------------------------------------- */

static struct my_piece_lines lines_of(struct my_stream *stream)
{
    const struct my_reading *reading = &stream->reading;
    return (struct my_piece_lines){.decoder = stream->decoder,
                                   .table = reading->table,
                                   .attempt = reading->attempt,
                                   .since = reading->since,
                                   .ts_ms = cdc_clock_wall_ms()};
}

/* The request is ours from here on. */
static int settle(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_reading *reading = &stream->reading;
    const struct cdc_stale_table *table = cdc_stale_find(&reading->asked, reading->db, "", reading->name);
    struct cdc_stale one = {.at = NULL};
    int result = table ? cdc_stale_add(&one, table->db, "", table->table, table->why, error) : 0;
    if (result == 0)
        result = cdc_request_settle(&one, stream->settings.state_dir, stream->settings.name, error);
    cdc_stale_clear(&one);
    return result;
}

static int save(struct my_stream *stream, struct cdc_error *error)
{
    stream->stale.changed = true;
    return my_stale_save(stream, error);
}

/* Before the first line: a start that finds this begins anew. */
static int note_begin(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    my_piece_append_pos(stream->decoder, reading->attempt, &pos);
    cdc_buf_byte(&pos, '\0');
    if (my_reading_note(stream, reading->db, reading->name, text, my_piece_seq(stream->decoder), error) < 0)
        return -1;
    return save(stream, error) < 0 ? -1 : settle(stream, error);
}

static int note_end(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_round *round = cdc_rounds_find(&reading->rounds, reading->db, "", reading->name);
    if (cdc_stale_add(&reading->ended, reading->db, "", reading->name, "", error) < 0)
        return -1;
    free(round->attempt.written);
    round->attempt.written = strdup(my_decoder_boundary(stream->decoder)->pos);
    if (!round->attempt.written)
        return cdc_error_memory(error);
    if (save(stream, error) == 0)
        return 0;
    free(round->attempt.written);
    round->attempt.written = NULL;
    stream->stale.changed = true; /* before another line leaves it is saved that there is no end */
    return -1;
}

/* Its lines come after all that any sink has. */
static int is_after_all(struct my_stream *stream, struct cdc_error *error)
{
    struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *ignored;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    if (cdc_acks_read(acks, &ignored, error) < 0)
        return -1;
    my_piece_append_pos(stream->decoder, stream->reading.attempt, &pos);
    cdc_buf_byte(&pos, '\0');
    return cdc_start_is_before(stream->settings.start, acks, &stream->reading.rounds,
                               my_decoder_boundary(stream->decoder), text);
}

/* -- a piece goes out ------------------------------------------------------------------------------------------ */

static struct cdc_span key_at(const struct my_piece *piece, size_t row)
{
    size_t begin = row > 0 ? piece->ends[row - 1].key : 0;
    return cdc_span(piece->keys.data + begin, piece->ends[row].key - begin);
}

/* How many of its rows are, for sure, what they are at this place of the log. They are in order. */
static size_t count_sure(struct my_reading *reading)
{
    const struct my_piece *piece = &reading->piece;
    struct my_live *live = &reading->live;
    size_t from = 0, to = piece->n;
    if (!live->touched)
        return piece->n;
    const struct cdc_span least = cdc_span(live->least.data ? live->least.data : "", live->least.len);
    live->asked = 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (my_live_compare(live, key_at(piece, middle), least) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool has_come(const struct my_stream *stream)
{
    const struct my_reading *reading = &stream->reading;
    const struct my_coord *at = my_decoder_coord(stream->decoder);
    return (at->file[0] && my_coord_compare(at, &reading->piece.upto) >= 0) ||
           (reading->heard.file[0] && my_coord_compare(&reading->heard, &reading->piece.upto) >= 0);
}

/* From the first line on: what the log brings of the table is of this form. */
static int begin_table(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    const struct cdc_span columns = {reading->columns.data, reading->columns.len};
    reading->since = my_piece_seq(stream->decoder);
    if (note_begin(stream, error) < 0)
        return -1;
    cdc_stale_remove(&reading->open, reading->db, "", reading->name);
    reading->live.hidden = false;
    reading->live.begun = true;
    my_decoder_forget_table(stream->decoder, reading->db, reading->name);
    return my_schema_is_needed(&stream->session.server)
               ? my_schema_know(stream->schema, reading->db, reading->name, my_decoder_point(stream->decoder), columns,
                                error)
               : 0;
}

/* Rows up to that one are out. */
static int move_on(struct my_reading *reading, size_t n, bool all, struct cdc_error *error)
{
    const struct my_piece *piece = &reading->piece;
    struct my_live *live = &reading->live;
    live->all_done = all;
    if (n > 0) {
        struct cdc_span key = key_at(piece, n - 1);
        size_t begin = n > 1 ? piece->ends[n - 2].value : 0;
        live->done.len = 0;
        cdc_buf_span(&live->done, key);
        live->has_done = true;
        my_key_value_clear(&reading->after);
        cdc_buf_append(&reading->after.parts, piece->values.data + begin, piece->ends[n - 1].value - begin);
        reading->after.n = reading->key.n;
    }
    return live->done.failed || reading->after.parts.failed ? cdc_error_memory(error) : 0;
}

/* Its last lines are in out. */
static int end_table(struct my_stream *stream, const struct cdc_buf *out, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    if (out->failed)
        return cdc_error_memory(error);
    if (my_stale_was_read(stream, reading->db, reading->name, error) < 0 || note_end(stream, error) < 0)
        return -1;
    cdc_log_write(stream->log, CDC_LOG_INFO, "table %s.%s is read again: %llu rows in %.1f s, while the log went on",
                  reading->db, reading->name, (unsigned long long)reading->total,
                  (double)(cdc_clock_ms() - reading->began) / 1000.0);
    cdc_stale_remove(&reading->asked, reading->db, "", reading->name);
    my_reading_forget(stream);
    return 0;
}

/* Its end may be saved by now, and is saved no more before another line leaves. */
void my_reading_take_back(struct my_stream *stream)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_error ignored = {0};
    for (size_t i = 0; i < reading->ended.n; i++) {
        const struct cdc_stale_table *table = &reading->ended.tables[i];
        struct cdc_round *round = cdc_rounds_find(&reading->rounds, table->db, "", table->table);
        if (!round)
            continue;
        free(round->attempt.written);
        round->attempt.written = NULL;
        stream->stale.changed = true;
    }
    (void)keep_open(stream, &reading->ended, &ignored);
    cdc_stale_clear(&reading->ended);
}

/* A table that is not there: no row is left of it at this place. */
static int write_gone(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    if (note_begin(stream, error) < 0)
        return -1;
    cdc_stale_remove(&reading->open, reading->db, "", reading->name);
    struct my_piece_lines lines = lines_of(stream);
    my_piece_gone(&lines, out);
    my_piece_commit(&lines, out);
    stream->last_line = cdc_clock_ms();
    return end_table(stream, out, error);
}

static int write_piece(struct my_stream *stream, size_t n, bool all, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct my_piece *piece = &reading->piece;
    bool first = !reading->live.begun;
    if (first && begin_table(stream, error) < 0)
        return -1;
    struct my_piece_lines lines = lines_of(stream);
    if (first)
        my_piece_begin(&lines, out);
    for (size_t i = 0; i < n; i++) {
        size_t from = i > 0 ? piece->ends[i - 1].line : 0;
        my_piece_row(&lines, cdc_span(piece->lines.data + from, piece->ends[i].line - from), out);
    }
    reading->total += n;
    stream->last_line = cdc_clock_ms();
    if (move_on(reading, n, all, error) < 0)
        return -1;
    my_piece_clear(piece);
    if (all)
        my_piece_end(&lines, out);
    my_piece_commit(&lines, out);
    return all ? end_table(stream, out, error) : out->failed ? cdc_error_memory(error) : 0;
}

int my_reading_pass(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct my_live *live = &reading->live;
    if (reading->phase != MY_READING_WAITS || stream->stale.found.n > 0 || stream->more ||
        my_decoder_in_transaction(stream->decoder))
        return 0;
    if (live->why) {
        restart(stream, live->why);
        return 1;
    }
    if (!has_come(stream))
        return 0;
    size_t n = count_sure(reading);
    if (live->why) {
        restart(stream, live->why);
        return 1;
    }
    bool all = reading->piece.last && !live->touched;
    my_live_forget_touched(live);
    reading->phase = MY_READING_READS;
    reading->due = 0;
    if (n == 0 && !all) {
        my_piece_clear(&reading->piece);
        reading->spoiled++;
        return 1;
    }
    reading->spoiled = 0;
    size_t before = out->len;
    if ((reading->gone ? write_gone(stream, out, error) : write_piece(stream, n, all, out, error)) == 0)
        return 1;
    out->len = before;
    my_decoder_forget_boundary(stream->decoder);
    return -1;
}

/* -- the steps ----------------------------------------------------------------------------------------------------- */

/* The next table, or the one that is to begin anew. 1: it is to be read; 0: it cannot be read so; -1. */
static int first_step(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    if (!reading->name && take_current(reading, &reading->asked.tables[0], error) < 0)
        return -1;
    if (my_reading_session(stream, error) < 0)
        return -1;
    if (reading->restarts > RESTARTS_MAX)
        return 0;
    int can = my_reading_describe(stream, error);
    if (can <= 0)
        return can;
    if (cdc_stale_has(&reading->open, reading->db, "", reading->name))
        reading->live.hidden = true;
    reading->live.why = NULL;
    my_reading_attach(stream);
    reading->rows = ROWS_FIRST;
    reading->total = 0;
    reading->spoiled = 0;
    reading->began = reading->took_up = cdc_clock_ms();
    reading->phase = MY_READING_READS;
    return 1;
}

/* The stream ends, and cdc-snapshot reads it. */
static int give_up(struct my_stream *stream, const char *why, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    const struct cdc_stale_table *table = cdc_stale_find(&reading->asked, reading->db, "", reading->name);
    char asked[160];
    snprintf(asked, sizeof asked, "%s", table ? table->why : "it was asked for");
    cdc_log_write(stream->log, CDC_LOG_INFO, "table %s.%s is not read while the log goes on: %s", reading->db,
                  reading->name, why);
    return my_stale_take(stream, reading->db, reading->name, asked, error);
}

static const char cannot_be[] =
    "it has no primary key that it can be read by, its engine is not InnoDB, or it is not selected any more";

/* A migration is seldom of one table: those that cannot be read either go with it, instead of one run for each. One that the server
 * does not let us look at now stays. */
static int give_up_others(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    for (size_t i = 0; i < reading->asked.n; i++) {
        const struct cdc_stale_table *table = &reading->asked.tables[i];
        struct cdc_error ignored = {0};
        if (cdc_stale_has(&stream->stale.found, table->db, "", table->table))
            continue;
        my_reading_forget(stream);
        if (take_current(reading, table, error) < 0)
            return -1;
        if (my_reading_describe(stream, &ignored) == 0 && give_up(stream, cannot_be, error) < 0)
            return -1;
    }
    return 0;
}

/* A round of cdc-snapshot's that was read at another server: the log of this one may bring what it has seen later on, and then without
 * this table. */
static bool has_round_of_another(const struct my_stream *stream)
{
    const struct my_stale *stale = &stream->stale;
    for (size_t i = 0; i < stale->n_rounds; i++)
        if (!stale->rounds[i].here && !stale->rounds[i].passed &&
            cdc_stale_has(&stale->rounds[i].at.tables, stream->reading.db, "", stream->reading.name))
            return true;
    return false;
}

static int read_step(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    int64_t now = cdc_clock_ms();
    if (reading->live.why) {
        restart(stream, reading->live.why);
        return 0;
    }
    if (my_reading_session(stream, error) < 0)
        return -1;
    int after = reading->live.begun ? 1 : has_round_of_another(stream) ? 0 : is_after_all(stream, error);
    int got = after > 0 ? my_piece_read(stream, reading->spoiled >= SPOILED_MAX, error) : after;
    if (got < 0)
        return -1;
    if (got == 0) {
        reading->due = now + EARLY_MS;
        if (now - reading->took_up > PATIENCE_MS)
            return give_up(stream, "what sinks have, or what the log has brought, is not there yet", error);
        return 0;
    }
    my_live_forget_touched(&reading->live);
    reading->took_up = now;
    reading->phase = MY_READING_WAITS;
    return 1;
}

static int step(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    int did = reading->phase == MY_READING_NONE ? first_step(stream, error) : 1;
    if (did > 0)
        return read_step(stream, error);
    if (did < 0)
        return -1;
    return give_up(stream,
                   reading->restarts > RESTARTS_MAX ? "it was altered, or the connection broke, again and again"
                                                    : cannot_be,
                   error) < 0
               ? -1
               : give_up_others(stream, error);
}

/* The rows have another form than was described, or are gone. The log is about to tell, unless the whole database was dropped, which
 * names no table. */
static void await_statement(struct my_stream *stream)
{
    struct my_reading *reading = &stream->reading;
    int64_t now = cdc_clock_ms();
    reading->due = now + STEP_MS;
    if (now - reading->took_up > RETRY_MS)
        restart(stream, "it has become another one");
}

/* What the server does not let us read now, it may let us read later, but for what a person must change. */
static int wait_and_retry(struct my_stream *stream, const struct cdc_error *failed, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    int64_t now = cdc_clock_ms();
    if (failed->status == CDC_EXIT_TEMPORARY && reading->phase != MY_READING_NONE) {
        await_statement(stream);
        return 0;
    }
    cdc_log_write(stream->log, CDC_LOG_WARNING, "a table that is to be read again waits: %s%s%s", failed->text,
                  failed->hint[0] ? "; " : "", failed->hint);
    if (reading->sql)
        mysql_close(reading->sql);
    reading->sql = NULL;
    reading->due = now + RETRY_MS;
    if (reading->took_up == 0)
        reading->took_up = now;
    if (!reading->name)
        return 0;
    if (failed->status == CDC_EXIT_PERMISSION || failed->status == CDC_EXIT_CONFIG)
        return give_up(stream, failed->text, error);
    return now - reading->took_up > PATIENCE_MS
               ? give_up(stream, "the server did not let it be read for a minute", error)
               : 0;
}

int my_reading_step(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_error failed = {0};
    if (reading->asked.n == 0 || stream->ended || stream->stale.open.n > 0 || stream->stale.found.n > 0 ||
        cdc_clock_ms() < reading->due || stream->more || my_decoder_in_transaction(stream->decoder))
        return 0;
    if (reading->phase != MY_READING_WAITS) {
        int did = step(stream, &failed);
        if (did <= 0)
            return did == 0                             ? 0
                   : failed.status == CDC_EXIT_INTERNAL ? (*error = failed, -1)
                                                        : wait_and_retry(stream, &failed, error);
    }
    return my_reading_pass(stream, out, error);
}
