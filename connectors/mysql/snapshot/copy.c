/* SPDX-License-Identifier: MIT */
/* A chunk: rows in, lines out. */
#include "connectors/mysql/snapshot/internal.h"

/* After the row at hand. */
static int keep_row_checkpoint(struct my_worker *worker, const struct my_scan *scan, struct cdc_error *error)
{
    struct my_key_value key = {CDC_BUF_INIT, 0};
    int status = my_scan_key(scan, &key, error);
    if (status == 0)
        status = my_resume_keep(worker, &key, error);
    my_key_value_free(&key);
    return status;
}

/* Inside of a table that is read in one piece. */
static int end_part(struct my_worker *worker, const struct my_scan *scan, struct cdc_error *error)
{
    if (my_turns_wait(worker, error) < 0)
        return -1;
    my_lines_add_commit(worker, false);
    if (scan->key->n == 0 || !my_resume_is_due(worker->run))
        return 0;
    return my_turns_write(worker, error) < 0 ? -1 : keep_row_checkpoint(worker, scan, error);
}

static int copy_row(struct my_worker *worker, const struct my_scan *scan, struct cdc_error *error)
{
    const struct my_snapshot *run = worker->run;
    if (my_lines_add_row(worker, scan->cells, error) < 0)
        return -1;
    /* A chunk with an end has about as many rows, and ends by itself. */
    if (worker->events >= (uint64_t)run->settings->chunk_rows && worker->chunk.range.upto.n == 0 &&
        end_part(worker, scan, error) < 0)
        return -1;
    if (worker->lines.len < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    return my_turns_pass(worker, error);
}

static int copy_rows(struct my_worker *worker, struct cdc_error *error)
{
    struct my_scan scan;
    int status = my_scan_begin(&scan, worker->mysql, &my_worker_table(worker)->key, &worker->chunk.range, error);
    while (status == 0 && (status = my_scan_next(&scan, error)) > 0)
        status = copy_row(worker, &scan, error);
    if (status < 0) { /* rows may wait unread: the session goes first, and takes the statement along */
        my_guard_close(worker->run->guard, worker->mysql);
        worker->mysql = NULL;
    }
    my_scan_end(&scan);
    return status;
}

static int begin_lines(struct my_worker *worker, struct cdc_error *error)
{
    const struct my_chunk *chunk = &worker->chunk;
    worker->line = worker->events = worker->sent = 0;
    const struct my_snapshot *run = worker->run;
    if (chunk->first && run->again)
        my_lines_add_truncate(worker);
    if (chunk->first)
        my_lines_add_schema(worker, false);
    if (chunk->first && !run->again && run->state.attempt.number > 1 && chunk->range.after.n == 0)
        my_lines_add_truncate(worker);
    my_lines_begin_rows(worker);
    return worker->row_head.failed ? cdc_error_memory(error) : 0;
}

/* In turn. */
static void tell_progress(struct my_worker *worker)
{
    const struct my_chunk *chunk = &worker->chunk;
    struct cdc_snapshot_progress *progress = &worker->run->progress;
    struct cdc_snapshot_part *part = &worker->run->tables[chunk->table].part;
    uint64_t whole = (uint64_t)worker->run->settings->chunk_rows;
    if (chunk->range.upto.n > 0 && worker->sent < whole) /* the others the condition has kept */
        cdc_snapshot_progress_pass(progress, part, (double)(whole - worker->sent));
    if (chunk->last)
        cdc_snapshot_progress_done(progress, part);
}

int my_copy_chunk(struct my_worker *worker, struct cdc_error *error)
{
    const struct my_chunk *chunk = &worker->chunk;
    if (begin_lines(worker, error) < 0 || copy_rows(worker, error) < 0 || my_turns_wait(worker, error) < 0)
        return -1;
    if (chunk->last && worker->run->again)
        my_lines_add_schema(worker, true);
    /* Each chunk ends in a commit line: sinks may store what they have, and a checkpoint needs one to stand at. */
    bool keeps = my_resume_is_due(worker->run);
    if (worker->events > 0 || chunk->last || keeps)
        my_lines_add_commit(worker, false);
    if (my_turns_write(worker, error) < 0)
        return -1;
    tell_progress(worker);
    if (!keeps)
        return 0;
    return my_resume_keep(worker, chunk->last ? NULL : &chunk->range.upto, error);
}
