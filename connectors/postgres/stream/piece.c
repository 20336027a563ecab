/* SPDX-License-Identifier: MIT */
/* A piece of a table that is read again (pgoutput/live.h): its rows, what they have seen of the log, and their lines. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_MS 20 /* of time, and */
#define PIECE_BYTES ((size_t)4 << 20)

void pg_piece_free(struct pg_piece *piece)
{
    pg_visible_clear(&piece->visible);
    for (size_t i = 0; i < piece->n_fetched; i++)
        PQclear(piece->rows[i]);
}
/* What the piece sees of the log, and the table's form. The position is asked for after the snapshot was taken (visible.h). */
static int look(struct pg_stream *stream, struct pg_piece *piece, struct cdc_error *error)
{
    PGresult *result = pg_reading_ask_form(&stream->reading, error);
    if (!result)
        return -1;
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "{\"lsn\":");
    cdc_json_append_text(&text, PQgetvalue(result, 0, 1), strlen(PQgetvalue(result, 0, 1)));
    cdc_buf_lit(&text, ",\"xids\":");
    cdc_json_append_text(&text, PQgetvalue(result, 0, 0), strlen(PQgetvalue(result, 0, 0)));
    cdc_buf_byte(&text, '}');
    piece->is_other = strcmp(stream->reading.form, PQgetvalue(result, 0, 2)) != 0;
    int status =
        text.failed ? cdc_error_memory(error) : pg_visible_parse(&piece->visible, cdc_span(text.data, text.len), error);
    cdc_buf_free(&text);
    PQclear(result);
    return status;
}

static void append_key(struct cdc_buf *out, const struct pg_live *live)
{
    for (size_t i = 0; i < live->n_key; i++) {
        cdc_buf_text(out, i ? "," : "");
        pg_query_identifier(out, live->column[i]);
    }
}

static void append_words(struct cdc_buf *out, const struct pg_live *live, size_t i)
{
    const uint64_t *words = &live->read.words[2 * i];
    if (live->is_uuid[i])
        cdc_buf_printf(out, "'%016llx%016llx'", (unsigned long long)words[0], (unsigned long long)words[1]);
    else
        cdc_buf_printf(out, "'%lld'", (long long)(words[0] ^ (UINT64_C(1) << 63)));
}

/* As a text that is not known to be of any type, it is of the column's, and is compared by the column's collation. */
static const char *append_text(struct cdc_buf *out, PGconn *sql, const char *text)
{
    char *literal = PQescapeLiteral(sql, text, strlen(text));
    cdc_buf_text(out, literal ? literal : "");
    out->failed |= !literal;
    PQfreemem(literal);
    return text + strlen(text) + 1;
}

static void append_bound(struct cdc_buf *out, const struct pg_reading *reading)
{
    const struct pg_live *live = &reading->live;
    if (!live->has_read)
        return;
    cdc_buf_lit(out, " WHERE (");
    append_key(out, live);
    cdc_buf_lit(out, ") > (");
    const char *text = live->read.text.data;
    for (size_t i = 0; i < live->n_key; i++) {
        cdc_buf_text(out, i ? "," : "");
        if (live->order)
            text = append_text(out, reading->sql, text);
        else
            append_words(out, live, i);
    }
    cdc_buf_byte(out, ')');
}

static int open_rows(struct pg_reading *reading, const struct pg_piece *piece, struct cdc_error *error)
{
    const struct pg_table *table = reading->table;
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "DECLARE piece NO SCROLL CURSOR FOR SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(&text, i ? "," : "");
        pg_query_identifier(&text, table->columns[i].name);
    }
    cdc_buf_lit(&text, " FROM ONLY ");
    pg_query_table(&text, table->schema, table->name);
    append_bound(&text, reading);
    cdc_buf_lit(&text, " ORDER BY ");
    append_key(&text, &reading->live);
    cdc_buf_printf(&text, " LIMIT %zu", piece->limit);
    cdc_buf_byte(&text, '\0');
    int status = text.failed ? cdc_error_memory(error)
                             : pg_query_run(reading->sql, text.data, "cannot read a table again", error);
    cdc_buf_free(&text);
    return status;
}

static size_t bytes_of(const PGresult *rows)
{
    size_t bytes = 0;
    for (int row = 0; row < PQntuples(rows); row++)
        for (int i = 0; i < PQnfields(rows); i++)
            bytes += (size_t)PQgetlength(rows, row, i);
    return bytes;
}

static int fetch_rows(const struct pg_reading *reading, struct pg_piece *piece, struct cdc_error *error)
{
    while (!piece->last && piece->n < piece->limit && piece->bytes < PIECE_BYTES) {
        size_t most = piece->limit - piece->n < PG_PIECE_FETCH ? piece->limit - piece->n : PG_PIECE_FETCH;
        char text[48];
        snprintf(text, sizeof text, "FETCH FORWARD %zu FROM piece", most);
        PGresult *rows = pg_query_rows(reading->sql, text, 0, NULL, "cannot read a table again", error);
        if (!rows)
            return -1;
        piece->rows[piece->n_fetched++] = rows;
        piece->n += (size_t)PQntuples(rows);
        piece->bytes += bytes_of(rows);
        piece->last = (size_t)PQntuples(rows) < most;
    }
    return 0;
}

void pg_piece_end(struct pg_reading *reading)
{
    struct cdc_error ignored = {0};
    if (reading->sql && PQstatus(reading->sql) == CONNECTION_OK)
        (void)pg_query_run(reading->sql, "ROLLBACK", "", &ignored);
}

/* All that is read of a piece, with a commit record of our own after it in the log, so that the log comes to what it has seen. 1;
 * 0: it is too early, or the table has another form; -1. */
int pg_piece_read(struct pg_stream *stream, struct pg_piece *piece, struct cdc_error *error)
{
    static const char what[] = "cannot read a table again";
    struct pg_reading *reading = &stream->reading;
    bool first = !reading->live.begun;
    struct cdc_buf lock = CDC_BUF_INIT;
    cdc_buf_lit(&lock, "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = 200; LOCK TABLE ");
    cdc_buf_text(&lock, reading->source.partitioned ? "" : "ONLY ");
    pg_query_table(&lock, reading->schema, reading->name);
    cdc_buf_append(&lock, " IN ACCESS SHARE MODE", sizeof " IN ACCESS SHARE MODE");
    int status = lock.failed ? cdc_error_memory(error) : pg_query_run(reading->sql, lock.data, what, error);
    cdc_buf_free(&lock);
    if (status < 0 || look(stream, piece, error) < 0)
        return -1;
    if (piece->is_other || !pg_live_is_whole(&reading->live, &piece->visible))
        return 0;
    /* It may have been altered since it was looked at: the lock keeps it as it is now. */
    int can = first ? pg_reading_describe(stream, true, error) : 1;
    if (can <= 0) {
        reading->live.broken = can == 0 ? "it has become another one" : reading->live.broken;
        return can;
    }
    if (reading->live.whole)
        return pg_whole_begin(reading, error) < 0 ? -1 : 1;
    if (open_rows(reading, piece, error) < 0 || fetch_rows(reading, piece, error) < 0)
        return -1;
    PGresult *result = pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, what, error);
    PQclear(result);
    return result && pg_query_run(reading->sql, "COMMIT", what, error) == 0 ? 1 : -1;
}

static void take_cells(const struct pg_table *table, const PGresult *rows, int row, struct pg_cell *cells)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        bool null = PQgetisnull(rows, row, (int)i);
        cells[i] = (struct pg_cell){.p = PQgetvalue(rows, row, (int)i),
                                    .n = (uint32_t)PQgetlength(rows, row, (int)i),
                                    .kind = null ? 'n' : 't'};
    }
}

struct pg_live_lines pg_piece_lines(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    return (struct pg_live_lines){.decoder = stream->decoder,
                                  .table = reading->table,
                                  .lsn = pg_reading_place(stream),
                                  .since = reading->since,
                                  .attempt = reading->attempt,
                                  .line = &reading->line,
                                  .ts_ms = cdc_clock_wall_ms()};
}

void pg_piece_lines_are_out(struct pg_stream *stream, const struct pg_live_lines *lines)
{
    stream->heal.after_round = lines->lsn;
    stream->last_line = cdc_clock_ms();
    if (lines->lsn > stream->boundary_lsn)
        stream->boundary_lsn = lines->lsn;
}

/* The next piece is as large as this one would have been in the time for one. */
void pg_piece_learn(struct pg_reading *reading, int64_t took, const struct pg_piece *piece)
{
    size_t most = PG_PIECE_ROWS_MAX, each = piece->n > 0 ? piece->bytes / piece->n : 0;
    if (each > 0 && PIECE_BYTES / (each + 1) < most)
        most = PIECE_BYTES / (each + 1);
    if (took < PIECE_MS / 2)
        reading->rows *= 2;
    else if (took > PIECE_MS)
        reading->rows /= 2;
    if (reading->rows > most)
        reading->rows = most;
    if (reading->rows < PG_PIECE_ROWS_FIRST)
        reading->rows = most < PG_PIECE_ROWS_FIRST ? most + 1 : PG_PIECE_ROWS_FIRST;
}

/* last: the key of the last one. */
static int write_rows(const struct pg_reading *reading, const PGresult *rows, struct pg_live_lines *lines,
                      struct pg_cell *cells, struct pg_live_key *last, struct cdc_buf *out, struct cdc_error *error)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        take_cells(reading->table, rows, i, cells);
        if (!pg_live_key_of(&reading->live, reading->table, cells, last))
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a row of table \"%s\".\"%s\" has no key", reading->schema,
                                 reading->name);
        pg_live_row_line(lines, cells, out);
    }
    return 0;
}

int pg_piece_write(struct pg_stream *stream, struct pg_piece *piece, bool first, struct cdc_buf *out,
                   struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live_lines lines = pg_piece_lines(stream);
    struct pg_live_key last = {.text = CDC_BUF_INIT};
    size_t before = out->len;
    int status = 0;
    struct pg_cell *cells = calloc(reading->table->n_columns + 1, sizeof *cells);
    if (!cells)
        return cdc_error_memory(error);
    if (first)
        pg_live_begin_lines(&lines, out);
    for (size_t i = 0; status == 0 && i < piece->n_fetched; i++)
        status = write_rows(reading, piece->rows[i], &lines, cells, &last, out, error);
    free(cells);
    if (status == 0) {
        pg_live_commit_line(&lines, out);
        pg_piece_lines_are_out(stream, &lines);
        pg_live_take_piece(&reading->live, piece->last ? NULL : &last, &piece->visible);
        reading->total += piece->n;
    } else {
        out->len = before;
    }
    pg_live_key_free(&last);
    return status;
}
