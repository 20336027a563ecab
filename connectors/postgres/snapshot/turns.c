/* SPDX-License-Identifier: MIT */
/* The order of writing. However many sessions read, lines leave in the order of tables and blocks, so that one place says how far
 * the whole snapshot is. Chunk 1 is read by session A, 2 by B, 3 by A again: A's rows become lines as they come; B keeps its own, up
 * to a limit, until A has ended chunk 1. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/retry.h>
#include <string.h>
#include <unistd.h>

void pg_snapshot_fail(struct snapshot_worker *worker, const struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    cdc_turns_fail(&run->turns, error);
    /* The others may wait for the server. The byte is never taken. */
    (void)!write(run->failed_fd, &(uint64_t){1}, sizeof(uint64_t));
}

int pg_snapshot_take_turn(struct snapshot_worker *worker, bool wait, struct cdc_error *error)
{
    if (worker->in_turn)
        return 1;
    int turn = cdc_turns_take(&worker->run->turns, worker->chunk.number, wait, error);
    worker->in_turn = turn > 0;
    return turn;
}

static void count(struct snapshot_worker *worker)
{
    struct snapshot_run *run = worker->run;
    if (worker->chunk.table < run->n_tables)
        cdc_snapshot_progress_at(&run->progress, &run->tables[worker->chunk.table].part);
    run->progress.rows += worker->rows;
    run->metrics->changes += worker->changes;
    run->metrics->lines_out += worker->n_lines;
    run->metrics->commits += worker->commits;
    run->metrics->unconvertible += worker->unconvertible;
    run->metrics->json_texts += worker->json_texts;
    worker->rows = worker->changes = worker->n_lines = worker->commits = 0;
    worker->unconvertible = worker->json_texts = 0;
}

int pg_snapshot_pass(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    if (cdc_writer_buf(run->writer)->failed)
        return cdc_error_memory(error);
    count(worker);
    return cdc_snapshot_write(&run->progress, run->writer, error);
}

int pg_snapshot_end_turn(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    /* A chunk of a few rows need not be a write of its own. */
    bool whole = worker->chunk.table >= run->n_tables || run->n_workers == 1;
    if (!whole && cdc_writer_pending(run->writer) < CDC_SNAPSHOT_FLUSH_BYTES)
        count(worker);
    else if (pg_snapshot_pass(worker, error) < 0)
        return -1;
    if (worker->chunk.table < run->n_tables && worker->chunk.last && !run->tables[worker->chunk.table].part.done)
        cdc_snapshot_progress_done(&run->progress, &run->tables[worker->chunk.table].part);
    worker->in_turn = false;
    cdc_turns_pass(&run->turns);
    return 0;
}
