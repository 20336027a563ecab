/* SPDX-License-Identifier: MIT */
/* The rows of a chunk, by COPY, as lines. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/retry.h>
#include <stdio.h>

static int take_row(struct snapshot_worker *worker, const struct pg_scan *scan, struct cdc_error *error)
{
    const struct snapshot_run *run = worker->run;
    if (pg_row_check_key(scan->table, scan->cells, error) < 0)
        return -1;
    pg_snapshot_row_line(worker, scan->table, scan->cells);
    /* A sink keeps what comes until a commit line: without them a large table would be one transaction. */
    if (worker->events >= (uint64_t)run->settings->chunk_rows)
        pg_snapshot_commit_line(worker, false);
    size_t waiting = worker->in_turn ? cdc_writer_pending(run->writer) : worker->lines.len;
    if (waiting < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    return pg_snapshot_pass(worker, error);
}

static int read_rows(struct snapshot_worker *worker, const struct pg_scan_source *source, struct cdc_error *error)
{
    struct pg_scan scan;
    int result = pg_scan_begin(&scan, worker->sql, source, error);
    worker->wait.endless = true;
    while (result == 0) {
        enum pg_scan_result next = pg_scan_next(&scan, error);
        if (next == PG_SCAN_END)
            break;
        if (next == PG_SCAN_ROW) {
            result = take_row(worker, &scan, error);
            continue;
        }
        result = next == PG_SCAN_WAIT ? pg_snapshot_wait_input(worker, error) : -1;
    }
    pg_scan_end(&scan);
    return result;
}

/* As a condition; nothing: the whole table. A row of block 7 has a ctid of (7,1) or more. */
static void append_range(struct cdc_buf *out, const struct snapshot_run *run, const struct snapshot_chunk *chunk)
{
    if (!chunk->ranged)
        return;
    cdc_buf_printf(out, "ctid >= '(%llu,0)'::tid", (unsigned long long)chunk->from);
    if (chunk->upto != UINT64_MAX)
        cdc_buf_printf(out, " AND ctid < '(%llu,0)'::tid", (unsigned long long)chunk->upto);
    if (chunk->changed)
        pg_snapshot_parts_condition(run, &run->tables[chunk->table], out);
    cdc_buf_byte(out, '\0');
}

static void begin_lines(struct snapshot_worker *worker)
{
    const struct snapshot_run *run = worker->run;
    const struct pg_table *table = snapshot_worker_table(worker);
    pg_snapshot_prepare_rows(worker, table);
    if (!worker->chunk.first)
        return;
    if (run->of.again)
        pg_snapshot_truncate_line(worker, table);
    pg_snapshot_schema_line(worker, table, false);
    if (!run->of.again && run->of.number > 1 && !run->tables[worker->chunk.table].kept)
        pg_snapshot_truncate_line(worker, table);
}

static int send(struct snapshot_worker *worker, const struct pg_scan_source *source, const char *what,
                struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT, range = CDC_BUF_INIT;
    PGresult *result = NULL;
    append_range(&range, worker->run, &worker->chunk);
    pg_scan_statement(&text, source, range.data);
    if (range.failed || text.failed || worker->fixed.failed)
        cdc_error_memory(error);
    else
        result = pg_snapshot_command(worker, text.data, PGRES_COPY_OUT, what, error);
    cdc_buf_free(&text);
    cdc_buf_free(&range);
    PQclear(result);
    return result ? 0 : -1;
}

int pg_snapshot_copy_chunk(struct snapshot_worker *worker, struct cdc_error *error)
{
    const struct snapshot_run *run = worker->run;
    const struct pg_table *table = snapshot_worker_table(worker);
    struct pg_scan_source source = run->tables[worker->chunk.table].source;
    char what[160];
    snprintf(what, sizeof what, "cannot read table %s.%s", table->schema, table->name);
    source.encoding = worker->converts ? &worker->encoding : NULL;
    worker->events = worker->chunk_rows = 0;
    begin_lines(worker);
    if (send(worker, &source, what, error) < 0 || read_rows(worker, &source, error) < 0 ||
        pg_snapshot_finish_command(worker, what, error) < 0 || pg_snapshot_wait_turn(worker, error) < 0)
        return -1;
    if (worker->chunk.last && run->of.again)
        pg_snapshot_schema_line(worker, table, true);
    if (worker->events > 0 || worker->chunk.last)
        pg_snapshot_commit_line(worker, false);
    pg_snapshot_measure(worker);
    if (pg_snapshot_parts_keep(worker, error) < 0)
        return -1;
    return pg_snapshot_end_turn(worker, error);
}
