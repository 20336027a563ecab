/* SPDX-License-Identifier: MIT */
/* Rows in, lines out. A prepared statement gives the values in their binary form; its rows are taken from the packets as
 * they come, one at a time, so that nothing piles up and nothing is allocated for a row. */
#include "connectors/mysql/snapshot/internal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct snapshot_table *source_of(const struct snapshot_reader *reader)
{
    return &reader->run->tables[reader->chunk.table];
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
static int split_row(struct snapshot_reader *rows, const uint8_t *data, size_t n, struct cdc_error *error)
{
    const struct binlog_table *table = source_of(rows)->table;
    struct binlog_reader reader = {data, data + n, false};
    uint64_t head = binlog_uint(&reader, 1);
    const uint8_t *nulls = binlog_bytes(&reader, (table->n_columns + 9) / 8);
    for (size_t i = 0; i < table->n_columns && !reader.bad; i++) {
        struct binlog_cell *cell = &rows->cells[i];
        cell->null = nulls[(i + 2) / 8] >> ((i + 2) % 8) & 1;
        if (cell->null)
            continue;
        size_t size = value_size(&reader, rows->wires[i]);
        cell->p = binlog_bytes(&reader, size);
        cell->n = (uint32_t)size;
    }
    if (!reader.bad && head == 0 && reader.p == reader.end)
        return 0;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row that cannot be read", table->db,
                         table->name);
}

/* Behind the row that was read last. */
static int keep_row_point(struct snapshot_reader *reader, struct cdc_error *error)
{
    const struct snapshot_table *source = source_of(reader);
    struct snapshot_key key = {CDC_BUF_INIT, 0};
    int status = 0;
    for (size_t i = 0; status == 0 && i < source->n_key; i++)
        status = binlog_snapshot_key_append_cell(&key, &source->table->columns[source->key[i]],
                                                 &reader->cells[source->key[i]], reader->wires[source->key[i]], error);
    if (status == 0)
        status = binlog_snapshot_keep_point(reader, &key, error);
    binlog_snapshot_key_free(&key);
    return status;
}

static int end_part(struct snapshot_reader *reader, struct cdc_error *error)
{
    if (binlog_snapshot_wait_turn(reader, error) < 0)
        return -1;
    binlog_snapshot_commit_line(reader, false);
    if (source_of(reader)->n_key == 0 || !binlog_snapshot_point_is_due(reader->run))
        return 0;
    return binlog_snapshot_write_lines(reader, error) < 0 ? -1 : keep_row_point(reader, error);
}

static int take_row(struct snapshot_reader *reader, const uint8_t *data, size_t n, struct cdc_error *error)
{
    const struct snapshot_run *run = reader->run;
    if (split_row(reader, data, n, error) < 0 || binlog_snapshot_row_line(reader, error) < 0)
        return -1;
    if (reader->events >= (uint64_t)run->settings->chunk_rows && reader->chunk.upto.n == 0 &&
        end_part(reader, error) < 0)
        return -1;
    if (reader->lines.len < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    return binlog_snapshot_pass_lines(reader, error);
}

static int read_rows(struct snapshot_reader *reader, const char *what, struct cdc_error *error)
{
    for (;;) {
        unsigned long n = mysql_net_read_packet(reader->mysql);
        if (n == packet_error)
            return binlog_snapshot_error(reader->mysql, what, error);
        const uint8_t *data = reader->mysql->net.read_pos;
        if (n > 0 && data[0] == 0xFE) { /* no row begins so */
            reader->mysql->status = MYSQL_STATUS_READY;
            return 0;
        }
        if (take_row(reader, data, n, error) < 0)
            return -1;
    }
}

/* -- the statement --------------------------------------------------------------------------- */

static int prepare_columns(struct snapshot_reader *reader, MYSQL_STMT *statement, struct cdc_error *error)
{
    const struct binlog_table *table = source_of(reader)->table;
    MYSQL_RES *result = mysql_stmt_result_metadata(statement);
    if (!result || mysql_num_fields(result) != table->n_columns) {
        mysql_free_result(result);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server does not describe the rows", table->db,
                             table->name);
    }
    int wire = 0;
    for (size_t i = 0; wire >= 0 && i < table->n_columns; i++) {
        wire = binlog_snapshot_wire(&table->columns[i], mysql_fetch_field_direct(result, (unsigned)i)->type, error);
        reader->wires[i] = (uint8_t)wire;
    }
    mysql_free_result(result);
    return wire < 0 ? cdc_error_prefix(error, "table %s.%s", table->db, table->name) : 0;
}

static void select_statement(struct cdc_buf *out, const struct snapshot_reader *reader)
{
    const struct snapshot_table *source = source_of(reader);
    const struct binlog_table *table = source->table;
    cdc_buf_lit(out, "SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        binlog_append_identifier(out, table->columns[i].name);
    }
    cdc_buf_lit(out, " FROM ");
    binlog_snapshot_append_name(out, table->db, table->name);
    binlog_snapshot_key_clause(out, source, &reader->chunk.after, &reader->chunk.upto);
}

static int room(struct snapshot_reader *reader, size_t n, struct cdc_error *error)
{
    free(reader->cells);
    free(reader->wires);
    reader->cells = calloc(n + 1, sizeof *reader->cells);
    reader->wires = calloc(n + 1, sizeof *reader->wires);
    return reader->cells && reader->wires ? 0 : cdc_error_memory(error);
}

static int select_rows(struct snapshot_reader *reader, MYSQL_STMT *statement, const struct cdc_buf *sql,
                       struct cdc_error *error)
{
    const struct binlog_table *table = source_of(reader)->table;
    char what[200];
    snprintf(what, sizeof what, "cannot read table %.64s.%.64s", table->db, table->name);
    if (mysql_stmt_prepare(statement, sql->data, sql->len) != 0)
        return binlog_snapshot_error(reader->mysql, what, error);
    if (prepare_columns(reader, statement, error) < 0)
        return -1;
    if (mysql_stmt_execute(statement) != 0)
        return binlog_snapshot_error(reader->mysql, what, error);
    return read_rows(reader, what, error);
}

static int run_statement(struct snapshot_reader *reader, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    select_statement(&sql, reader);
    MYSQL_STMT *statement = mysql_stmt_init(reader->mysql);
    int status = statement && !sql.failed && !reader->fixed.failed
                     ? room(reader, source_of(reader)->table->n_columns, error)
                     : cdc_error_memory(error);
    if (status == 0)
        status = select_rows(reader, statement, &sql, error);
    cdc_buf_free(&sql);
    if (status < 0 && statement) { /* rows may wait unread: the session goes first, and takes the statement along */
        binlog_snapshot_close(reader->run, reader->mysql);
        reader->mysql = NULL;
    }
    if (statement)
        mysql_stmt_close(statement);
    return status;
}

int binlog_snapshot_read_chunk(struct snapshot_reader *reader, struct cdc_error *error)
{
    const struct snapshot_chunk *chunk = &reader->chunk;
    reader->line = reader->events = 0;
    if (chunk->first)
        binlog_snapshot_schema_line(reader);
    if (chunk->first && reader->run->state.attempt > 1 && chunk->after.n == 0)
        binlog_snapshot_truncate_line(reader);
    binlog_snapshot_prepare_rows(reader);
    if (run_statement(reader, error) < 0 || binlog_snapshot_wait_turn(reader, error) < 0)
        return -1;
    if (reader->events > 0 || chunk->last)
        binlog_snapshot_commit_line(reader, false);
    if (binlog_snapshot_write_lines(reader, error) < 0)
        return -1;
    if (!binlog_snapshot_point_is_due(reader->run))
        return 0;
    return binlog_snapshot_keep_point(reader, chunk->last ? NULL : &chunk->upto, error);
}
