/* SPDX-License-Identifier: MIT */
/* Of tables that are read again while the stream goes on (reading.c): which changes do not come. Of one that is stale that begins at
 * its statement, in the middle of a transaction maybe; what it has brought before is replaced anyway. */
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/stream/internal.h"

#include <stdlib.h>
#include <string.h>

enum { WITHHELD_MAX = 64 }; /* at a time: where all tables are, one round for all of them costs less */

void my_reading_free_table(struct my_reading *reading)
{
    my_key_free(&reading->key);
    for (size_t i = 0; i < MY_LIVE_KEY_MAX; i++) {
        free(reading->collations[i]);
        reading->collations[i] = NULL;
    }
    my_table_free(reading->table);
    reading->table = NULL;
    reading->columns.len = 0;
}

void my_reading_clear(struct my_reading *reading)
{
    cdc_stale_clear(&reading->asked);
    cdc_stale_clear(&reading->open);
    cdc_stale_clear(&reading->ended);
    cdc_rounds_clear(&reading->rounds);
    my_live_clear(&reading->live);
    my_piece_clear(&reading->piece);
    my_key_value_free(&reading->after);
    my_reading_free_table(reading);
    cdc_buf_free(&reading->columns);
    free(reading->db);
    free(reading->name);
    if (reading->sql)
        mysql_close(reading->sql);
    *reading = (struct my_reading){.phase = MY_READING_NONE};
}

static void remove_rounds(struct cdc_rounds *rounds, const char *db, const char *name)
{
    for (size_t i = 0; i < rounds->n; i++)
        cdc_stale_remove(&rounds->items[i].of, db, "", name);
    cdc_rounds_prune(rounds);
}

bool my_reading_is_current(const struct my_reading *reading, const char *db, const char *table)
{
    return reading->name && strcmp(reading->name, table) == 0 && strcmp(reading->db, db) == 0;
}

bool my_reading_omits(const struct my_stream *stream, const char *db, const char *table)
{
    const struct my_reading *reading = &stream->reading;
    return cdc_stale_has(&reading->open, db, "", table) ||
           (reading->live.hidden && my_reading_is_current(reading, db, table));
}

void my_reading_begins(struct my_stream *stream, const struct my_gtid *gtid, const struct my_coord *coord)
{
    struct my_reading *reading = &stream->reading;
    reading->live.unsure = reading->phase == MY_READING_WAITS && !my_piece_shows(&reading->piece, gtid, coord);
}

/* The table is another one's to read from here on, or was read. */
void my_reading_forget(struct my_stream *stream)
{
    struct my_reading *reading = &stream->reading;
    if (stream->decoder)
        my_decoder_set_live(stream->decoder, NULL);
    my_live_clear(&reading->live);
    my_piece_clear(&reading->piece);
    my_key_value_clear(&reading->after);
    my_reading_free_table(reading);
    free(reading->db);
    free(reading->name);
    reading->db = reading->name = NULL;
    reading->restarts = reading->spoiled = 0;
    reading->took_up = 0;
    reading->gone = false;
    reading->phase = MY_READING_NONE;
}

void my_reading_leave(struct my_stream *stream, const char *db, const char *table)
{
    struct my_reading *reading = &stream->reading;
    bool current = my_reading_is_current(reading, db, table);
    cdc_stale_remove(&reading->asked, db, "", table);
    cdc_stale_remove(&reading->open, db, "", table);
    remove_rounds(&reading->rounds, db, table);
    if (current)
        my_reading_forget(stream);
}

/* -- what is kept of them ------------------------------------------------------------------------------------ */

int my_reading_note(struct my_stream *stream, const char *db, const char *table, const char *pos, uint64_t number,
                    struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_stale mark = {.at = strdup(pos)};
    int result = mark.at ? cdc_stale_add(&mark, db, "", table, "", error) : cdc_error_memory(error);
    struct cdc_round *round =
        result == 0 ? cdc_rounds_begin(&reading->rounds, &mark, number, stream->settings.name, "", error) : NULL;
    cdc_stale_clear(&mark);
    if (!round)
        return -1;
    round->attempt.number = reading->attempt;
    stream->stale.changed = true;
    return 0;
}

/* -- tables that are stale ----------------------------------------------------------------------------------- */

/* Its position is before all lines of this place, and no line has it. */
static int note_stale(struct my_stream *stream, const char *db, const char *table, struct cdc_error *error)
{
    uint64_t number = stream->decoder ? my_piece_seq(stream->decoder) - 1 : stream->start.number;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    my_pos_round(&pos, number, stream->reading.attempt, 0, 0);
    cdc_buf_byte(&pos, '\0');
    return my_reading_note(stream, db, table, text, number, error);
}

/* What is read of it now is not of this form any more. */
static void withhold_current(struct my_reading *reading)
{
    my_live_spoil(&reading->live, "it is stale");
    reading->live.hidden = true;
}

int my_reading_withhold(struct my_stream *stream, const char *db, const char *table, const char *why,
                        struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    if (!reading->begun || stream->stale.open.n > 0 || stream->stale.found.n > 0)
        return 0;
    if (my_reading_omits(stream, db, table))
        return 1;
    if (reading->asked.n >= WITHHELD_MAX && !cdc_stale_has(&reading->asked, db, "", table))
        return 0;
    if (cdc_stale_add(&reading->asked, db, "", table, why, error) < 0 ||
        cdc_stale_add(&reading->open, db, "", table, why, error) < 0 || note_stale(stream, db, table, error) < 0)
        return -1;
    if (my_reading_is_current(reading, db, table))
        withhold_current(reading);
    if (stream->decoder)
        my_decoder_forget_table(stream->decoder, db, table);
    cdc_log_write(stream->log, CDC_LOG_INFO, "table %s.%s is to be read again: %s", db, table, why);
    return 1;
}
