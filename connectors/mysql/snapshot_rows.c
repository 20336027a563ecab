/* SPDX-License-Identifier: MIT */
/* Rows in, lines out. A prepared statement gives the values in their binary form; its rows are taken from the packets as
 * they come, one at a time, so that nothing piles up and nothing is allocated for a row. */
#include "connectors/mysql/snapshot.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>

/* -- lines ------------------------------------------------------------------------------ */

static void append_pos(struct snapshot_run *run, struct cdc_buf *out)
{
    binlog_pos_snapshot(out, run->state.number, run->state.attempt, ++run->lines);
}

static void numbers(const struct snapshot_run *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, run->state.number);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

static void schema_line(struct snapshot_run *run, const struct binlog_table *table)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    size_t n = run->tail.len;
    append_pos(run, &pos);
    cdc_buf_lit(&run->tail, "\"true\"}");
    binlog_table_schema_line(cdc_writer_buf(run->writer), table, cdc_span(text, pos.len), run->state.number, run->ts_ms,
                             cdc_span(run->tail.data, run->tail.len));
    run->tail.len = n;
    run->metrics->lines_out++;
}

void binlog_snapshot_commit_line(struct snapshot_run *run, bool last)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(run, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    numbers(run, out);
    binlog_snapshot_append_source(run, out, last ? "last" : "true");
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, run->chunk);
    cdc_buf_lit(out, "}\n");
    run->chunk = 0;
    run->metrics->commits++;
    run->metrics->lines_out++;
}

/* `","seq":N,"ts_ms":N,"source":{...}` */
static void table_head(const struct snapshot_run *run, const struct binlog_table *table, struct cdc_buf *out)
{
    numbers(run, out);
    cdc_buf_append(out, table->source_head.data, table->source_head.len);
    cdc_buf_append(out, run->tail.data, run->tail.len);
    cdc_buf_lit(out, "\"true\"}");
}

/* Attempts before this one may have left rows that are no more: the copy begins empty. */
static void truncate_line(struct snapshot_run *run, const struct binlog_table *table)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(run, out);
    table_head(run, table, out);
    cdc_buf_lit(out, "}\n");
    run->chunk++;
    run->metrics->lines_out++;
}

static void prepare_rows(struct snapshot_run *run, const struct binlog_table *table)
{
    run->fixed.len = 0;
    table_head(run, table, &run->fixed);
    cdc_buf_text(&run->fixed, table->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

static int append_row(struct snapshot_run *run, const struct binlog_table *table, bool key_only, struct cdc_buf *out,
                      struct cdc_error *error)
{
    char separator = '{';
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct binlog_column *column = &table->columns[i];
        if (key_only && !column->key)
            continue;
        cdc_buf_byte(out, separator);
        separator = ',';
        cdc_buf_append(out, column->name_json.data, column->name_json.len);
        if (run->cells[i].null)
            cdc_buf_lit(out, "null");
        else if (binlog_snapshot_value_append(out, column, &run->cells[i], &run->settings->style,
                                              &run->metrics->unconvertible, error) < 0)
            return cdc_error_prefix(error, "table %s.%s", table->db, table->name);
    }
    cdc_buf_byte(out, '}');
    return 0;
}

/* A line that failed half way is taken back: lines leave whole or not at all. */
static int row_line(struct snapshot_run *run, const struct binlog_table *table, struct cdc_error *error)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    size_t start = out->len;
    int status = 0;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(run, out);
    cdc_buf_append(out, run->fixed.data, run->fixed.len);
    if (table->has_key) {
        status = append_row(run, table, true, out, error);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    if (status == 0)
        status = append_row(run, table, false, out, error);
    if (status < 0) {
        out->len = start;
        return -1;
    }
    cdc_buf_lit(out, "}\n");
    run->progress.rows++;
    run->chunk++;
    run->metrics->changes++;
    run->metrics->lines_out++;
    return out->failed ? cdc_error_memory(error) : 0;
}

/* -- packets ------------------------------------------------------------------------------ */

static size_t value_size(struct binlog_reader *reader, uint8_t wire)
{
    uint64_t n;
    switch (wire) {
    case SNAPSHOT_WIRE_1: return 1;
    case SNAPSHOT_WIRE_2: return 2;
    case SNAPSHOT_WIRE_4: return 4;
    case SNAPSHOT_WIRE_8: return 8;
    case SNAPSHOT_WIRE_CLOCK: return (size_t)binlog_uint(reader, 1);
    default: n = binlog_packed(reader); return n <= binlog_left(reader) ? (size_t)n : SIZE_MAX;
    }
}

/* A byte of 0, a bitmap of NULLs whose first two bits are not used, the values. */
static int split_row(struct snapshot_run *run, const struct binlog_table *table, const uint8_t *data, size_t n,
                     struct cdc_error *error)
{
    struct binlog_reader reader = {data, data + n, false};
    uint64_t head = binlog_uint(&reader, 1);
    const uint8_t *nulls = binlog_bytes(&reader, (table->n_columns + 9) / 8);
    for (size_t i = 0; i < table->n_columns && !reader.bad; i++) {
        struct binlog_cell *cell = &run->cells[i];
        cell->null = nulls[(i + 2) / 8] >> ((i + 2) % 8) & 1;
        if (cell->null)
            continue;
        size_t size = value_size(&reader, run->wires[i]);
        cell->p = binlog_bytes(&reader, size);
        cell->n = (uint32_t)size;
    }
    if (!reader.bad && head == 0 && reader.p == reader.end)
        return 0;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row that cannot be read", table->db,
                         table->name);
}

static int take_row(struct snapshot_run *run, const struct binlog_table *table, const uint8_t *data, size_t n,
                    struct cdc_error *error)
{
    if (split_row(run, table, data, n, error) < 0 || row_line(run, table, error) < 0)
        return -1;
    if (run->chunk >= (uint64_t)run->settings->chunk_rows)
        binlog_snapshot_commit_line(run, false);
    if (cdc_writer_pending(run->writer) < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    cdc_snapshot_look_around(&run->progress, run->writer, table->db, table->name);
    return cdc_snapshot_drain(run->writer, run->control, error);
}

static int read_rows(struct snapshot_run *run, const struct binlog_table *table, const char *what,
                     struct cdc_error *error)
{
    for (;;) {
        unsigned long n = mysql_net_read_packet(run->reader);
        if (n == packet_error)
            return binlog_snapshot_error(run->reader, what, error);
        const uint8_t *data = run->reader->net.read_pos;
        if (n > 0 && data[0] == 0xFE) { /* no row begins so */
            run->reader->status = MYSQL_STATUS_READY;
            return 0;
        }
        if (take_row(run, table, data, n, error) < 0)
            return -1;
    }
}

/* -- the statement --------------------------------------------------------------------------- */

static int prepare_columns(struct snapshot_run *run, const struct binlog_table *table, MYSQL_STMT *statement,
                           struct cdc_error *error)
{
    MYSQL_RES *result = mysql_stmt_result_metadata(statement);
    if (!result || mysql_num_fields(result) != table->n_columns) {
        mysql_free_result(result);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server does not describe the rows", table->db,
                             table->name);
    }
    int wire = 0;
    for (size_t i = 0; wire >= 0 && i < table->n_columns; i++) {
        wire = binlog_snapshot_wire(&table->columns[i], mysql_fetch_field_direct(result, (unsigned)i)->type, error);
        run->wires[i] = (uint8_t)wire;
    }
    mysql_free_result(result);
    return wire < 0 ? cdc_error_prefix(error, "table %s.%s", table->db, table->name) : 0;
}

static void select_statement(struct cdc_buf *out, const struct binlog_table *table)
{
    cdc_buf_lit(out, "SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        binlog_append_identifier(out, table->columns[i].name);
    }
    cdc_buf_lit(out, " FROM ");
    binlog_snapshot_append_name(out, table->db, table->name);
}

static int room(struct snapshot_run *run, size_t n, struct cdc_error *error)
{
    free(run->cells);
    free(run->wires);
    run->cells = calloc(n + 1, sizeof *run->cells);
    run->wires = calloc(n + 1, sizeof *run->wires);
    return run->cells && run->wires ? 0 : cdc_error_memory(error);
}

static int select_rows(struct snapshot_run *run, const struct binlog_table *table, MYSQL_STMT *statement,
                       const struct cdc_buf *sql, struct cdc_error *error)
{
    char what[200];
    snprintf(what, sizeof what, "cannot read table %.64s.%.64s", table->db, table->name);
    if (mysql_stmt_prepare(statement, sql->data, sql->len) != 0)
        return binlog_snapshot_error(run->reader, what, error);
    if (prepare_columns(run, table, statement, error) < 0 || cdc_writer_flush(run->writer, error) < 0)
        return -1;
    if (mysql_stmt_execute(statement) != 0)
        return binlog_snapshot_error(run->reader, what, error);
    return read_rows(run, table, what, error);
}

int binlog_snapshot_read_table(struct snapshot_run *run, const struct snapshot_table *source, struct cdc_error *error)
{
    const struct binlog_table *table = source->table;
    struct cdc_buf sql = CDC_BUF_INIT;
    select_statement(&sql, table);
    prepare_rows(run, table);
    schema_line(run, table);
    if (run->state.attempt > 1)
        truncate_line(run, table);
    MYSQL_STMT *statement = mysql_stmt_init(run->reader);
    int status =
        statement && !sql.failed && !run->fixed.failed ? room(run, table->n_columns, error) : cdc_error_memory(error);
    if (status == 0)
        status = select_rows(run, table, statement, &sql, error);
    cdc_buf_free(&sql);
    if (status < 0 &&
        statement) { /* rows may wait unread: the session is closed first, and takes the statement along */
        binlog_snapshot_close(run, run->reader);
        run->reader = NULL;
    }
    if (statement)
        mysql_stmt_close(statement);
    if (status < 0)
        return -1;
    cdc_snapshot_look_around(&run->progress, run->writer, table->db, table->name);
    binlog_snapshot_commit_line(run, false);
    return 0;
}
