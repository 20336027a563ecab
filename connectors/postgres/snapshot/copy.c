/* SPDX-License-Identifier: MIT */
/* The rows of a chunk, by COPY, as lines. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <string.h>

#define KEPT_MAX ((size_t)4 << 20) /* bytes of rows that a session keeps before its turn */
#define LOOK_BYTES ((size_t)64 << 10)

static int take_row(struct snapshot_worker *worker, const struct pg_scan *scan, struct cdc_error *error)
{
    const struct snapshot_run *run = worker->run;
    if (pg_row_check_key(scan->table, scan->cells, error) < 0)
        return -1;
    pg_snapshot_row_line(worker, scan->table, scan->cells);
    /* A sink keeps what comes until a commit line: without them a large table would be one transaction. */
    if (worker->events >= (uint64_t)run->settings->chunk_rows)
        pg_snapshot_commit_line(worker, false);
    if (cdc_writer_pending(run->writer) < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    return pg_snapshot_pass(worker, error);
}

static void begin_lines(struct snapshot_worker *worker)
{
    const struct snapshot_run *run = worker->run;
    const struct pg_table *table = snapshot_worker_table(worker);
    if (!worker->chunk.first)
        return;
    if (run->of.again)
        pg_snapshot_truncate_line(worker, table);
    pg_snapshot_schema_line(worker, table, false);
    if (!run->of.again && run->of.number > 1 && !run->tables[worker->chunk.table].kept)
        pg_snapshot_truncate_line(worker, table);
}

/* -- rows before their turn ---------------------------------------------------------------- */

static int keep_row(struct snapshot_worker *worker, const struct pg_scan *scan, struct cdc_error *error)
{
    cdc_buf_append(&worker->kept, &scan->length, sizeof scan->length);
    cdc_buf_append(&worker->kept, scan->line, scan->length);
    return worker->kept.failed ? cdc_error_memory(error) : 0;
}

/* It is the worker's turn: the lines that begin a table, and those of the rows that were kept. */
static int begin_turn(struct snapshot_worker *worker, struct pg_scan *scan, struct cdc_error *error)
{
    struct cdc_buf *kept = &worker->kept;
    int status = 0;
    begin_lines(worker);
    for (size_t at = 0, n; status == 0 && at < kept->len; at += sizeof n + n) {
        memcpy(&n, kept->data + at, sizeof n);
        status = pg_scan_split(scan, kept->data + at + sizeof n, n, error) < 0 ? -1 : take_row(worker, scan, error);
    }
    kept->len = 0;
    cdc_buf_shrink(kept, 2 * KEPT_MAX); /* after an unusually long row */
    return status;
}

static int look_for_turn(struct snapshot_worker *worker, struct pg_scan *scan, bool wait, struct cdc_error *error)
{
    if (worker->in_turn)
        return 0;
    int turn = pg_snapshot_take_turn(worker, wait, error);
    if (turn < 0)
        return -1;
    if (turn > 0)
        return begin_turn(worker, scan, error);
    return worker->run->control->stop ? cdc_snapshot_stopped(error) : 0;
}

/* Whose turn it is, is asked now and then. */
static int take_or_keep(struct snapshot_worker *worker, struct pg_scan *scan, struct cdc_error *error)
{
    worker->received += scan->length;
    if (worker->in_turn)
        return pg_scan_split(scan, scan->line, scan->length, error) < 0 ? -1 : take_row(worker, scan, error);
    size_t before = worker->kept.len;
    if (keep_row(worker, scan, error) < 0)
        return -1;
    size_t now = worker->kept.len;
    return before / LOOK_BYTES == now / LOOK_BYTES ? 0 : look_for_turn(worker, scan, now >= KEPT_MAX, error);
}

static int read_rows(struct snapshot_worker *worker, struct pg_scan *scan, struct cdc_error *error)
{
    worker->wait.endless = true;
    for (;;) {
        enum pg_scan_result next = pg_scan_fetch(scan, error);
        if (next == PG_SCAN_END)
            return 0;
        int status = next == PG_SCAN_ROW    ? take_or_keep(worker, scan, error)
                     : next == PG_SCAN_WAIT ? pg_snapshot_wait_input(worker, error)
                                            : -1;
        if (status == 0 && next == PG_SCAN_WAIT)
            status = look_for_turn(worker, scan, false, error);
        if (status < 0)
            return -1;
    }
}

/* -- a chunk ------------------------------------------------------------------------------- */

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

static int send(struct snapshot_worker *worker, const struct pg_scan_source *source, const char *what,
                struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT, range = CDC_BUF_INIT;
    PGresult *result = NULL;
    append_range(&range, worker->run, &worker->chunk);
    pg_scan_statement(&text, source, range.data);
    if (range.failed || text.failed || worker->head.failed || worker->fixed.failed)
        cdc_error_memory(error);
    else
        result = pg_snapshot_command(worker, text.data, PGRES_COPY_OUT, what, error);
    cdc_buf_free(&text);
    cdc_buf_free(&range);
    PQclear(result);
    return result ? 0 : -1;
}

static int read_chunk(struct snapshot_worker *worker, const struct pg_scan_source *source, struct pg_scan *scan,
                      struct cdc_error *error)
{
    char what[160];
    snprintf(what, sizeof what, "cannot read table %s.%s", source->table->schema, source->table->name);
    /* What begins a table is there before the server has found its first row. */
    if (look_for_turn(worker, scan, false, error) < 0 || send(worker, source, what, error) < 0 ||
        read_rows(worker, scan, error) < 0 || pg_snapshot_finish_command(worker, what, error) < 0)
        return -1;
    return look_for_turn(worker, scan, true, error);
}

int pg_snapshot_copy_chunk(struct snapshot_worker *worker, struct cdc_error *error)
{
    const struct snapshot_run *run = worker->run;
    const struct pg_table *table = snapshot_worker_table(worker);
    struct pg_scan_source source = run->tables[worker->chunk.table].source;
    struct pg_scan scan;
    source.encoding = worker->converts ? &worker->encoding : NULL;
    worker->events = worker->received = worker->chunk_rows = 0;
    pg_snapshot_prepare_rows(worker, table);
    int status = pg_scan_begin(&scan, worker->sql, &source, error);
    if (status == 0)
        status = read_chunk(worker, &source, &scan, error);
    pg_scan_end(&scan);
    if (status < 0)
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
