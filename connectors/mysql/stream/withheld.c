/* SPDX-License-Identifier: MIT */
/* Of tables that are read again while the stream goes on (reading.c): which changes do not come. */
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/stream/internal.h"

#include <stdlib.h>
#include <string.h>

void my_reading_free_table(struct my_reading *reading)
{
    my_key_free(&reading->key);
    my_table_free(reading->table);
    reading->table = NULL;
    reading->columns.len = 0;
}

void my_reading_clear(struct my_reading *reading)
{
    cdc_stale_clear(&reading->asked);
    cdc_stale_clear(&reading->open);
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
