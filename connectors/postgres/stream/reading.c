/* SPDX-License-Identifier: MIT */
/* Tables that are read again while the stream goes on (pgoutput/live.h): what people ask for. All others wait for no longer than it
 * takes to read one piece; which is the whole table where its key is of another kind (whole.c). An example of what is kept of it, in our
 * own state, before its first
 * line leaves, and after its last one:
 *
 *      "again":[{"at":"POS of the first line","tables":[{"db":"shop","schema":"public","table":"t"}],"attempt":3,"written":null}]
 *      ...                                                                                              "written":"POS of the last commit"
 *
 * So it is with tables that are stale: they are in that list from the moment that this is known, with a position that no line has, and
 * their changes are withheld until their read begins. No order of the log is lost by that: the first piece is read once all
 * transactions have ended that were open or over when it was the table's turn, so it shows whatever was withheld before, and those that
 * come between are noted as for any piece. Nothing is held back in memory. The form that the catalogs show in the
 * transaction of the first piece is taken for the copy's with its lines; until all sinks have the last line the list says that the
 * copy has another one.
 *
 * A start that finds one which not all sinks have stored begins it anew, after the position of the foremost sink, and withholds the
 * table's changes until then: sinks may be anywhere in it, and take the table as it comes from the new first line on. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 100
#define ASKED_MAX 64 /* stale at a time: where all tables are, one round for all of them costs less */

/* -- what is kept ------------------------------------------------------------------------------------------ */

void pg_reading_clear(struct pg_reading *reading)
{
    cdc_stale_clear(&reading->asked);
    cdc_stale_clear(&reading->open);
    cdc_rounds_clear(&reading->rounds);
    pg_live_clear(&reading->live);
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    pg_shapes_clear(&reading->taken);
    free(reading->schema);
    free(reading->name);
    free(reading->form);
    free(reading->question);
    PQfinish(reading->sql);
    *reading = (struct pg_reading){.phase = PG_READING_NONE};
}

static bool is_possible(const struct pg_stream *stream)
{
    return stream->heal.on && stream->settings.acks && stream->settings.state_dir;
}

int pg_reading_load(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->reading.loaded || !is_possible(stream))
        return 0;
    const struct cdc_offset *entry = cdc_offset_file_get(stream->settings.offsets, stream->pg->name);
    stream->reading.loaded = true;
    return cdc_rounds_read(&stream->reading.rounds, cdc_span_text(entry ? entry->state : NULL), error);
}

static void remove_rounds(struct cdc_rounds *rounds, const char *db, const char *schema, const char *name)
{
    for (size_t i = 0; i < rounds->n; i++)
        cdc_stale_remove(&rounds->items[i].of, db, schema, name);
    cdc_rounds_prune(rounds);
}

/* What a run before has begun, cdc-snapshot reads. */
static int hand_over(struct pg_stream *stream, const struct cdc_stale *tables, struct cdc_error *error)
{
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        if (pg_heal_mark(stream, table->schema, table->table, table->why, error) < 0)
            return -1;
        remove_rounds(&stream->reading.rounds, table->db, table->schema, table->table);
    }
    return pg_heal_plan(stream, error) < 0 ? -1 : pg_heal_save(stream, error);
}

/* A run with an end may come to that before a table is read; and what conditions a snapshot was taken with is its command line's
 * to say. */
static bool is_left_to_snapshot(const struct pg_stream *stream)
{
    struct cdc_span snapshot = cdc_span_text(stream->settings.start->snapshot);
    return stream->settings.until || stream->settings.max_events > 0 ||
           (snapshot.p && cdc_json_member(snapshot, "partial").p);
}

static int keep_open(struct pg_stream *stream, const struct cdc_stale *tables, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        if (cdc_stale_has(&stream->heal.mark, table->db, table->schema, table->table))
            continue;
        if (cdc_stale_add(&reading->asked, table->db, table->schema, table->table, table->why, error) < 0 ||
            cdc_stale_add(&reading->open, table->db, table->schema, table->table, table->why, error) < 0)
            return -1;
    }
    /* With lines that come before a table is begun, a sink may pass the end of the read that it has not stored. */
    cdc_rounds_take_back(&reading->rounds, tables);
    stream->heal.unsaved = true;
    return pg_heal_save(stream, error);
}

int pg_reading_begin(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale none = {.at = NULL};
    bool left = is_left_to_snapshot(stream);
    if (reading->begun || !is_possible(stream))
        return 0;
    for (size_t i = 0; i < reading->rounds.n; i++)
        if (reading->rounds.items[i].attempt.number > reading->attempt)
            reading->attempt = reading->rounds.items[i].attempt.number;
    reading->attempt = reading->attempt < CDC_ATTEMPT_MAX ? reading->attempt + 1 : 1;
    if (cdc_rounds_reopen(&reading->rounds, &none, stream->settings.acks, error) < 0)
        return -1;
    int result = none.n == 0 ? 0 : left ? hand_over(stream, &none, error) : keep_open(stream, &none, error);
    cdc_stale_clear(&none);
    reading->begun = !left;
    return result;
}

void pg_reading_attach(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    if (stream->decoder)
        pgoutput_set_live(stream->decoder, reading->name ? &reading->live : NULL, &reading->open);
}

/* The table is another one's to read from here on, or was read. */
void pg_reading_forget(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    if (stream->decoder)
        pgoutput_set_live(stream->decoder, NULL, &reading->open);
    pg_live_clear(&reading->live);
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    reading->table = NULL;
    free(reading->schema);
    free(reading->name);
    free(reading->form);
    reading->schema = reading->name = reading->form = NULL;
    reading->restarts = 0;
    reading->phase = PG_READING_NONE;
}

/* Begins anew, from the table's first row. What the log brings of it meanwhile does not come, if lines are out. */
void pg_reading_restart(struct pg_stream *stream, const char *why)
{
    struct pg_reading *reading = &stream->reading;
    cdc_log_write(stream->log, CDC_LOG_INFO, "table \"%s\".\"%s\" is read again from its beginning: %s",
                  reading->schema, reading->name, why);
    reading->live.broken = reading->live.begun || reading->live.broken ? why : NULL;
    reading->live.begun = reading->live.all_read = reading->live.has_done = reading->live.has_read = false;
    pg_visible_clear(&reading->live.visible);
    pg_whole_clear(reading);
    if (reading->phase == PG_READING_ROWS) { /* in the middle of a COPY */
        PQfinish(reading->sql);
        reading->sql = NULL;
    }
    pg_table_free(reading->table);
    reading->table = NULL;
    free(reading->form);
    reading->form = NULL;
    reading->phase = PG_READING_NONE;
    reading->due = cdc_clock_ms() + STEP_MS;
    reading->restarts++;
}

/* The session goes, too: it may be one with a server that the log does not come from any more. */
void pg_reading_disconnected(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->name && reading->phase != PG_READING_NONE)
        pg_reading_restart(stream, "the connection broke");
    PQfinish(reading->sql);
    reading->sql = NULL;
}

/* What is stale in another way is read once the stream has ended. */
void pg_reading_leave(struct pg_stream *stream, const char *schema, const char *name)
{
    struct pg_reading *reading = &stream->reading;
    const char *db = stream->identity.database;
    cdc_stale_remove(&reading->asked, db, schema, name);
    cdc_stale_remove(&reading->open, db, schema, name);
    remove_rounds(&reading->rounds, db, schema, name);
    if (reading->name && strcmp(reading->name, name) == 0 && strcmp(reading->schema, schema) == 0)
        pg_reading_forget(stream);
}

int pg_reading_ask(struct pg_stream *stream, const struct cdc_stale_table *table, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    const struct cdc_stale_table *asked = cdc_stale_find(&reading->asked, table->db, table->schema, table->table);
    if (!reading->begun || stream->on_standby || stream->converts || stream->heal.mark.n > 0)
        return 0;
    if (asked && (strcmp(asked->why, table->why) == 0 || (reading->name && reading->live.begun)))
        return 1; /* a later request for one that has begun waits for its end */
    if (asked)
        cdc_stale_remove(&reading->asked, table->db, table->schema, table->table);
    return cdc_stale_add(&reading->asked, table->db, table->schema, table->table, table->why, error) < 0 ? -1 : 1;
}

uint64_t pg_reading_place(const struct pg_stream *stream)
{
    return stream->wal_end > stream->boundary_lsn ? stream->wal_end : stream->boundary_lsn;
}

/* -- tables that are stale ------------------------------------------------------------------------------------------ */

/* It is in our state from now on, as one that not all sinks have. line: of its position, which no other round has. */
int pg_reading_note(struct pg_stream *stream, const char *schema, const char *name, uint64_t line,
                    struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale mark = {.at = NULL};
    struct cdc_buf pos = CDC_BUF_INIT;
    pg_pos_round(&pos, pg_reading_place(stream), reading->attempt, line);
    cdc_buf_byte(&pos, '\0');
    mark.at = pos.data;
    int result =
        pos.failed ? cdc_error_memory(error) : cdc_stale_add(&mark, stream->identity.database, schema, name, "", error);
    struct cdc_round *round =
        result == 0 ? cdc_rounds_begin(&reading->rounds, &mark, pg_reading_place(stream), stream->pg->name, "", error)
                    : NULL;
    cdc_stale_clear(&mark);
    if (!round)
        return -1;
    round->attempt.number = reading->attempt;
    stream->heal.unsaved = true;
    return 0;
}

static bool is_current(const struct pg_reading *reading, const char *schema, const char *name)
{
    return reading->name && strcmp(reading->name, name) == 0 && strcmp(reading->schema, schema) == 0;
}

bool pg_reading_withholds(const struct pg_stream *stream, const char *schema, const char *name)
{
    const struct pg_reading *reading = &stream->reading;
    return cdc_stale_has(&reading->open, stream->identity.database, schema, name) ||
           (is_current(reading, schema, name) && reading->live.broken);
}

static int withhold(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                    struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    const char *db = stream->identity.database;
    if (cdc_stale_add(&reading->asked, db, schema, name, why, error) < 0 ||
        cdc_stale_add(&reading->open, db, schema, name, why, error) < 0 ||
        pg_reading_note(stream, schema, name, ++reading->line, error) < 0)
        return -1;
    if (is_current(reading, schema, name))
        reading->live.broken = "it was altered";
    cdc_log_write(stream->log, CDC_LOG_INFO, "table \"%s\".\"%s\" is to be read again: %s", schema, name, why);
    pg_reading_attach(stream);
    return 1;
}

int pg_reading_take(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                    struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (!reading->begun || stream->on_standby || stream->converts || stream->heal.mark.n > 0)
        return 0;
    if (pg_reading_withholds(stream, schema, name))
        return 1;
    if (is_current(reading, schema, name) && reading->live.begun) {
        pg_reading_restart(stream, why);
        return 1;
    }
    return reading->asked.n < ASKED_MAX ? withhold(stream, schema, name, why, error) : 0;
}
