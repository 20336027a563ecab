/* SPDX-License-Identifier: MIT */
/* A piece of a table that is read again (pgoutput/live.h): its rows, what they have seen of the log, and their lines. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_MS 20 /* of its rows, and */
#define PIECE_BYTES ((size_t)4 << 20)
#define FETCH_ROWS 256

void pg_piece_free(struct pg_piece *piece)
{
    pg_visible_clear(&piece->visible);
    cdc_buf_free(&piece->cells);
}
/* What the piece sees of the log, and the table's form. The position is asked for after the snapshot was taken (visible.h). */
static int look(struct pg_stream *stream, struct pg_piece *piece, struct cdc_error *error)
{
    PGresult *result = pg_reading_ask_form(stream, error);
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

/* -- rows as they come: of each column its length, and its text -- */

#define NULL_CELL UINT32_MAX

static void keep_row(struct pg_piece *piece, const PGresult *row, size_t n_columns)
{
    for (size_t i = 0; i < n_columns; i++) {
        bool null = PQgetisnull(row, 0, (int)i);
        uint32_t n = null ? NULL_CELL : (uint32_t)PQgetlength(row, 0, (int)i);
        cdc_buf_append(&piece->cells, &n, sizeof n);
        if (!null)
            cdc_buf_append(&piece->cells, PQgetvalue(row, 0, (int)i), n);
    }
    piece->n++;
}

struct fetch {
    struct pg_piece *piece;
    size_t n_columns, asked, got, kept;
};

/* Rows that are larger than those before may be more than a piece: they are thrown away as they come, and the next piece reads them. */
static int take_row(void *context, const PGresult *row, struct cdc_error *error)
{
    struct fetch *fetch = context;
    struct pg_piece *piece = fetch->piece;
    if (PQnfields(row) != (int)fetch->n_columns || fetch->got == fetch->asked)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the server's answer to FETCH has other rows than were asked for");
    if (fetch->got++ == 0 && piece->rows_began == 0)
        piece->rows_began = cdc_clock_ms();
    if (piece->cells.len < PIECE_BYTES) {
        keep_row(piece, row, fetch->n_columns);
        fetch->kept++;
    }
    return piece->cells.failed ? cdc_error_memory(error) : 0;
}

static int fetch_rows(const struct pg_reading *reading, struct pg_piece *piece, struct cdc_error *error)
{
    while (!piece->last && piece->n < piece->limit && piece->cells.len < PIECE_BYTES) {
        size_t left = piece->limit - piece->n;
        struct fetch fetch = {piece, reading->table->n_columns, left < FETCH_ROWS ? left : FETCH_ROWS, 0, 0};
        char text[48];
        snprintf(text, sizeof text, "FETCH FORWARD %zu FROM piece", fetch.asked);
        if (pg_query_each(reading->sql, text, "cannot read a table again", take_row, &fetch, error) < 0)
            return -1;
        /* What was thrown away is read again: then the rows that are kept are not the last ones. */
        piece->last = fetch.got < fetch.asked && fetch.kept == fetch.got;
    }
    piece->rows_ms = piece->rows_began > 0 ? cdc_clock_ms() - piece->rows_began : 0;
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

/* The cells of the row at *at, which is moved to the next one. */
static void take_cells(const struct pg_piece *piece, size_t *at, struct pg_cell *cells, size_t n_columns)
{
    for (size_t i = 0; i < n_columns; i++) {
        uint32_t n;
        memcpy(&n, piece->cells.data + *at, sizeof n);
        *at += sizeof n;
        bool null = n == NULL_CELL;
        cells[i] = (struct pg_cell){.p = piece->cells.data + *at, .n = null ? 0 : n, .kind = null ? 'n' : 't'};
        *at += cells[i].n;
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
    pgoutput_described(stream->decoder, lines->table);
    stream->heal.after_round = lines->lsn;
    stream->last_line = cdc_clock_ms();
    if (lines->lsn > stream->boundary_lsn)
        stream->boundary_lsn = lines->lsn;
}

/* The next piece is as large as this one would have been in the time for one. */
void pg_piece_learn(struct pg_reading *reading, int64_t took, const struct pg_piece *piece)
{
    size_t most = PG_PIECE_ROWS_MAX, each = piece->n > 0 ? piece->cells.len / piece->n : 0;
    /* The statements around the rows take as long for one row as for many: from a distant or a busy server the rows may take as much
     * again, or there would be a few rows a piece in the end. */
    int64_t around = took - piece->rows_ms, most_ms = around > PIECE_MS ? around : PIECE_MS;
    if (each > 0 && PIECE_BYTES / (each + 1) < most)
        most = PIECE_BYTES / (each + 1);
    if (piece->rows_ms < most_ms / 2)
        reading->rows *= 2;
    else if (piece->rows_ms > most_ms)
        reading->rows /= 2;
    if (reading->rows > most)
        reading->rows = most;
    if (reading->rows < PG_PIECE_ROWS_FIRST)
        reading->rows = most < PG_PIECE_ROWS_FIRST ? most + 1 : PG_PIECE_ROWS_FIRST;
}

/* last: the key of the last one. */
static int write_rows(const struct pg_reading *reading, const struct pg_piece *piece, struct pg_live_lines *lines,
                      struct pg_cell *cells, struct pg_live_key *last, struct cdc_buf *out, struct cdc_error *error)
{
    size_t at = 0;
    for (size_t i = 0; i < piece->n; i++) {
        take_cells(piece, &at, cells, reading->table->n_columns);
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
    struct pg_cell *cells = calloc(reading->table->n_columns + 1, sizeof *cells);
    if (!cells)
        return cdc_error_memory(error);
    if (first)
        pg_live_begin_lines(&lines, out);
    int status = write_rows(reading, piece, &lines, cells, &last, out, error);
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
