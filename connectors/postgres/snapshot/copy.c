/* SPDX-License-Identifier: MIT */
/* COPY in, lines out. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static void append_pos(struct snapshot_run *run, struct cdc_buf *out)
{
    pg_pos_snapshot(out, run->state.point, run->state.attempt, ++run->lines);
}

static void schema_line(struct snapshot_run *run, const struct pg_table *table)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(run, &pos);
    pg_table_schema_line(cdc_writer_buf(run->writer), table, cdc_span(text, pos.len), run->state.point, run->ts_ms);
    run->metrics->lines_out++;
}

static void numbers(struct snapshot_run *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, run->state.point);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

/* last: the very last line of the attempt. */
void pg_snapshot_commit_line(struct snapshot_run *run, bool last)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(run, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    numbers(run, out);
    cdc_buf_append(out, run->source_head.data, run->source_head.len);
    pg_source_tail(out, run->ts_ms, 0, run->state.point, last ? "last" : "true");
    if (run->state.read_at && !out->failed) {
        out->len--; /* the closing brace */
        cdc_buf_lit(out, ",\"read_at\":");
        cdc_buf_text(out, run->state.read_at);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, run->chunk);
    cdc_buf_lit(out, "}\n");
    run->chunk = 0;
    run->metrics->commits++;
    run->metrics->lines_out++;
}

/* Attempts before this one may have left rows that are no more: the copy begins empty. */
static void truncate_line(struct snapshot_run *run, const struct pg_table *table)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(run, out);
    numbers(run, out);
    cdc_buf_append(out, table->source_head.data, table->source_head.len);
    pg_source_tail(out, run->ts_ms, 0, run->state.point, "true");
    cdc_buf_lit(out, "}\n");
    run->chunk++;
    run->metrics->lines_out++;
}

static void prepare_rows(struct snapshot_run *run, const struct pg_table *table)
{
    struct cdc_buf *fixed = &run->fixed;
    fixed->len = 0;
    numbers(run, fixed);
    cdc_buf_append(fixed, table->source_head.data, table->source_head.len);
    pg_source_tail(fixed, run->ts_ms, 0, run->state.point, "true");
    cdc_buf_text(fixed, table->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

static void row_line(struct snapshot_run *run, const struct pg_table *table)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    const struct cdc_value_format *style = &run->pg->style;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(run, out);
    cdc_buf_append(out, run->fixed.data, run->fixed.len);
    if (table->has_key) {
        pg_row_append(out, table, run->cells, PG_ROW_KEY, style, &run->metrics->unconvertible);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    pg_row_append(out, table, run->cells, PG_ROW_ALL, style, &run->metrics->unconvertible);
    cdc_buf_lit(out, "}\n");
    run->progress.rows++;
    run->chunk++;
    run->metrics->changes++;
    run->metrics->lines_out++;
}

/* -- COPY ------------------------------------------------------------------ */

static int octal(const char *p, const char *end, char *c)
{
    int n = 0, value = 0;
    for (; n < 3 && p + n < end && p[n] >= '0' && p[n] <= '7'; n++)
        value = value * 8 + p[n] - '0';
    *c = (char)value;
    return n;
}

/* COPY's escapes, in place: what comes out is never longer. Returns its length. */
static size_t unescape(char *field, size_t n)
{
    static const char letters[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v";
    char *to = field;
    const char *p = field, *end = field + n;
    while (p < end) {
        if (*p != '\\' || p + 1 >= end) {
            *to++ = *p++;
            continue;
        }
        p++;
        const char *letter = memchr(letters, *p, sizeof letters - 1);
        if (letter) {
            *to++ = meanings[letter - letters];
            p++;
        } else if (*p >= '0' && *p <= '7') {
            p += octal(p, end, to);
            to++;
        } else {
            *to++ = *p++;
        }
    }
    return (size_t)(to - field);
}

static int split_row(struct snapshot_run *run, const struct pg_table *table, char *row, size_t n,
                     struct cdc_error *error)
{
    bool escapes = memchr(row, '\\', n) != NULL;
    char *p = row, *end = row + n;
    size_t found = 0;
    for (; found < table->n_columns && p <= end; found++) {
        struct pg_cell *cell = &run->cells[found];
        char *tab = memchr(p, '\t', (size_t)(end - p));
        size_t length = (size_t)((tab ? tab : end) - p);
        cell->p = p;
        cell->kind = escapes && length == 2 && p[0] == '\\' && p[1] == 'N' ? 'n' : 't';
        cell->n = (uint32_t)(escapes ? unescape(p, length) : length);
        p += length + 1;
    }
    if (found == table->n_columns && (p == end + 1 || (found == 0 && n == 0)))
        return 0;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row with another number of columns",
                         table->schema, table->name);
}

static int take_row(struct snapshot_run *run, const struct pg_table *table, char *row, int n, struct cdc_error *error)
{
    if (n > 0 && row[n - 1] == '\n')
        n--;
    if (split_row(run, table, row, (size_t)n, error) < 0)
        return -1;
    row_line(run, table);
    if (run->chunk >= (uint64_t)run->settings->chunk_rows)
        pg_snapshot_commit_line(run, false);
    if (cdc_writer_pending(run->writer) < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    cdc_snapshot_look_around(&run->progress, run->writer, table->schema, table->name);
    return cdc_snapshot_drain(run->writer, run->control, error);
}

static int read_rows(struct snapshot_run *run, const struct pg_table *table, struct cdc_error *error)
{
    for (;;) {
        char *row = NULL;
        int n = PQgetCopyData(run->sql, &row, 1);
        if (n == -1)
            return 0;
        if (n < -1)
            return pg_result_error(run->sql, NULL, "reading the rows of a table failed", error);
        int result = n == 0 ? pg_snapshot_wait_input(run, error) : take_row(run, table, row, n, error);
        PQfreemem(row);
        if (n == 0)
            cdc_snapshot_look_around(&run->progress, run->writer, table->schema, table->name);
        if (result < 0)
            return -1;
    }
}

/* The short form is the faster one; it takes neither filters nor partitions nor generated columns. */
static void copy_statement(struct snapshot_run *run, struct cdc_buf *out, const struct snapshot_table *source)
{
    const struct pg_table *table = source->table;
    bool simple = source->kind == 'r' && !source->filter && !source->generated && table->n_columns != 0;
    cdc_buf_lit(out, "COPY ");
    if (simple)
        pg_snapshot_append_table(run, out, source, false);
    cdc_buf_text(out, simple ? " (" : "(SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        pg_snapshot_append_identifier(run, out, table->columns[i].name);
    }
    if (!simple) {
        cdc_buf_lit(out, " FROM ");
        pg_snapshot_append_table(run, out, source, true);
    }
    if (source->filter) {
        cdc_buf_lit(out, " WHERE ");
        cdc_buf_text(out, source->filter);
    }
    cdc_buf_append(out, ") TO STDOUT", sizeof ") TO STDOUT");
}

int pg_snapshot_read_table(struct snapshot_run *run, const struct snapshot_table *source, struct cdc_error *error)
{
    const struct pg_table *table = source->table;
    struct cdc_buf text = CDC_BUF_INIT;
    char what[160];
    snprintf(what, sizeof what, "cannot read table %s.%s", table->schema, table->name);
    free(run->cells);
    run->cells = calloc(table->n_columns + 1, sizeof *run->cells);
    copy_statement(run, &text, source);
    prepare_rows(run, table);
    schema_line(run, table);
    if (run->state.attempt > 1)
        truncate_line(run, table);
    PGresult *result = NULL;
    if (!run->cells || text.failed || run->fixed.failed)
        cdc_error_memory(error);
    else
        result = pg_snapshot_command(run, text.data, PGRES_COPY_OUT, what, error);
    cdc_buf_free(&text);
    if (!result)
        return -1;
    PQclear(result);
    if (read_rows(run, table, error) < 0 || pg_snapshot_finish_command(run, what, error) < 0)
        return -1;
    pg_snapshot_commit_line(run, false);
    return 0;
}
