/* SPDX-License-Identifier: MIT */
/* The order of writing. However many workers read, lines leave in the order of tables and keys, so that one key says how
 * far the whole snapshot is. Chunk 1 is read by worker A, 2 by B, 3 by A again: A's lines go out as they come; B keeps
 * its own, up to a limit, until A has ended chunk 1. */
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/retry.h>

/* Lines that a worker keeps before its turn: bytes. */
#define KEPT_MAX ((size_t)4 << 20)

void my_turns_fail(struct my_worker *worker, const struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    cdc_turns_fail(&run->turns, error);
    /* The others may be in a long read, where they look at nothing: their sockets are shut down. */
    if (run->n_workers > 1)
        my_guard_interrupt(run->guard);
}

void my_turns_end(struct my_worker *worker)
{
    cdc_turns_pass(&worker->run->turns);
}

int my_turns_wait(struct my_worker *worker, struct cdc_error *error)
{
    return cdc_turns_take(&worker->run->turns, worker->chunk.number, true, error) < 0 ? -1 : 0;
}

static void count(struct my_worker *worker)
{
    struct my_snapshot *run = worker->run;
    run->progress.rows += worker->rows;
    run->metrics->changes += worker->rows;
    run->metrics->lines_out += worker->n_lines;
    run->metrics->commits += worker->commits;
    run->metrics->unconvertible += worker->unconvertible;
    worker->rows = worker->n_lines = worker->commits = worker->unconvertible = 0;
}

int my_turns_write(struct my_worker *worker, struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    if (worker->lines.failed)
        return cdc_error_memory(error);
    cdc_buf_append_buf(out, &worker->lines);
    worker->lines.len = 0;
    if (out->failed)
        return cdc_error_memory(error);
    if (worker->chunk.table < run->n_tables)
        cdc_snapshot_progress_at(&run->progress, &run->tables[worker->chunk.table].part);
    count(worker);
    return cdc_snapshot_write(&run->progress, run->writer, error);
}

int my_turns_pass(struct my_worker *worker, struct cdc_error *error)
{
    bool full = worker->lines.len >= KEPT_MAX;
    int turn = cdc_turns_take(&worker->run->turns, worker->chunk.number, full, error);
    if (turn < 0)
        return -1;
    if (turn > 0)
        return my_turns_write(worker, error);
    return worker->run->control->stop ? cdc_snapshot_stopped(error) : 0;
}
