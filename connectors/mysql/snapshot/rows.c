/* SPDX-License-Identifier: MIT */
/* Rows in, lines out. A prepared statement gives the values in their binary form; its rows are taken from the packets as
 * they come, one at a time, so that nothing piles up and nothing is allocated for a row. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct my_snapshot_table *source_of(const struct my_worker *worker)
{
    return &worker->run->tables[worker->chunk.table];
}

/* -- packets ------------------------------------------------------------------------------ */

static size_t value_size(struct cdc_bytes *worker, uint8_t wire)
{
    uint64_t n;
    switch (wire) {
    case MY_CELL_1: return 1;
    case MY_CELL_2: return 2;
    case MY_CELL_4: return 4;
    case MY_CELL_8: return 8;
    case MY_CELL_CLOCK: return (size_t)cdc_bytes_le(worker, 1);
    default: n = my_packed_read(worker); return n <= cdc_bytes_left(worker) ? (size_t)n : SIZE_MAX;
    }
}

/* A byte of 0, a bitmap of NULLs whose first two bits are not used, the values. */
static int split_row(struct my_worker *rows, const uint8_t *data, size_t n, struct cdc_error *error)
{
    const struct my_table *table = source_of(rows)->table;
    struct cdc_bytes worker = {data, data + n, false};
    uint64_t head = cdc_bytes_le(&worker, 1);
    const uint8_t *nulls = cdc_bytes_take(&worker, (table->n_columns + 9) / 8);
    for (size_t i = 0; i < table->n_columns && !worker.bad; i++) {
        struct my_cell *cell = &rows->cells[i];
        cell->null = nulls[(i + 2) / 8] >> ((i + 2) % 8) & 1;
        if (cell->null)
            continue;
        size_t size = value_size(&worker, rows->wires[i]);
        cell->p = cdc_bytes_take(&worker, size);
        cell->n = (uint32_t)size;
    }
    if (!worker.bad && head == 0 && worker.p == worker.end)
        return 0;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row that cannot be read", table->db,
                         table->name);
}

/* Behind the row that was read last. */
static int keep_row_checkpoint(struct my_worker *worker, struct cdc_error *error)
{
    const struct my_snapshot_table *source = source_of(worker);
    struct snapshot_key key = {CDC_BUF_INIT, 0};
    int status = 0;
    for (size_t i = 0; status == 0 && i < source->n_key; i++)
        status = my_key_append_cell(&key, &source->table->columns[source->key[i]], &worker->cells[source->key[i]],
                                    worker->wires[source->key[i]], error);
    if (status == 0)
        status = my_checkpoint_keep(worker, &key, error);
    my_key_free(&key);
    return status;
}

static int end_part(struct my_worker *worker, struct cdc_error *error)
{
    if (my_worker_wait_turn(worker, error) < 0)
        return -1;
    my_lines_commit(worker, false);
    if (source_of(worker)->n_key == 0 || !my_checkpoint_is_due(worker->run))
        return 0;
    return my_worker_write_lines(worker, error) < 0 ? -1 : keep_row_checkpoint(worker, error);
}

static int take_row(struct my_worker *worker, const uint8_t *data, size_t n, struct cdc_error *error)
{
    const struct my_snapshot *run = worker->run;
    if (split_row(worker, data, n, error) < 0 || my_lines_row(worker, error) < 0)
        return -1;
    if (worker->events >= (uint64_t)run->settings->chunk_rows && worker->chunk.upto.n == 0 &&
        end_part(worker, error) < 0)
        return -1;
    if (worker->lines.len < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    return my_worker_pass_lines(worker, error);
}

static int read_rows(struct my_worker *worker, const char *what, struct cdc_error *error)
{
    for (;;) {
        unsigned long n = mysql_net_read_packet(worker->mysql);
        if (n == packet_error)
            return my_snapshot_error(worker->mysql, what, error);
        const uint8_t *data = worker->mysql->net.read_pos;
        if (n > 0 && data[0] == 0xFE) { /* no row begins so */
            worker->mysql->status = MYSQL_STATUS_READY;
            return 0;
        }
        if (take_row(worker, data, n, error) < 0)
            return -1;
    }
}

/* -- the statement --------------------------------------------------------------------------- */

static int prepare_columns(struct my_worker *worker, MYSQL_STMT *statement, struct cdc_error *error)
{
    const struct my_table *table = source_of(worker)->table;
    MYSQL_RES *result = mysql_stmt_result_metadata(statement);
    if (!result || mysql_num_fields(result) != table->n_columns) {
        mysql_free_result(result);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server does not describe the rows", table->db,
                             table->name);
    }
    int wire = 0;
    for (size_t i = 0; wire >= 0 && i < table->n_columns; i++) {
        wire = my_cell_form_of(&table->columns[i], mysql_fetch_field_direct(result, (unsigned)i)->type, error);
        worker->wires[i] = (uint8_t)wire;
    }
    mysql_free_result(result);
    return wire < 0 ? cdc_error_prefix(error, "table %s.%s", table->db, table->name) : 0;
}

static void select_statement(struct cdc_buf *out, const struct my_worker *worker)
{
    const struct my_snapshot_table *source = source_of(worker);
    const struct my_table *table = source->table;
    cdc_buf_lit(out, "SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        my_session_append_identifier(out, table->columns[i].name);
    }
    cdc_buf_lit(out, " FROM ");
    my_snapshot_append_name(out, table->db, table->name);
    my_key_clause(out, source, &worker->chunk.after, &worker->chunk.upto);
}

static int room(struct my_worker *worker, size_t n, struct cdc_error *error)
{
    free(worker->cells);
    free(worker->wires);
    worker->cells = calloc(n + 1, sizeof *worker->cells);
    worker->wires = calloc(n + 1, sizeof *worker->wires);
    return worker->cells && worker->wires ? 0 : cdc_error_memory(error);
}

static int select_rows(struct my_worker *worker, MYSQL_STMT *statement, const struct cdc_buf *sql,
                       struct cdc_error *error)
{
    const struct my_table *table = source_of(worker)->table;
    char what[200];
    snprintf(what, sizeof what, "cannot read table %.64s.%.64s", table->db, table->name);
    if (mysql_stmt_prepare(statement, sql->data, sql->len) != 0)
        return my_snapshot_error(worker->mysql, what, error);
    if (prepare_columns(worker, statement, error) < 0)
        return -1;
    if (mysql_stmt_execute(statement) != 0)
        return my_snapshot_error(worker->mysql, what, error);
    return read_rows(worker, what, error);
}

static int run_statement(struct my_worker *worker, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    select_statement(&sql, worker);
    MYSQL_STMT *statement = mysql_stmt_init(worker->mysql);
    int status = statement && !sql.failed && !worker->fixed.failed
                     ? room(worker, source_of(worker)->table->n_columns, error)
                     : cdc_error_memory(error);
    if (status == 0)
        status = select_rows(worker, statement, &sql, error);
    cdc_buf_free(&sql);
    if (status < 0 && statement) { /* rows may wait unread: the session goes first, and takes the statement along */
        my_snapshot_close(worker->run, worker->mysql);
        worker->mysql = NULL;
    }
    if (statement)
        mysql_stmt_close(statement);
    return status;
}

int my_chunk_read(struct my_worker *worker, struct cdc_error *error)
{
    const struct my_chunk *chunk = &worker->chunk;
    worker->line = worker->events = 0;
    if (chunk->first)
        my_lines_schema(worker);
    if (chunk->first && worker->run->state.attempt > 1 && chunk->after.n == 0)
        my_lines_truncate(worker);
    my_lines_prepare_rows(worker);
    if (run_statement(worker, error) < 0 || my_worker_wait_turn(worker, error) < 0)
        return -1;
    if (worker->events > 0 || chunk->last)
        my_lines_commit(worker, false);
    if (my_worker_write_lines(worker, error) < 0)
        return -1;
    if (!my_checkpoint_is_due(worker->run))
        return 0;
    return my_checkpoint_keep(worker, chunk->last ? NULL : &chunk->upto, error);
}
