/* SPDX-License-Identifier: MIT */
/* The order of writing. However many workers read, lines leave in the order of tables and keys, so that one key says how
 * far the whole snapshot is. Chunk 1 is read by worker A, 2 by B, 3 by A again: A's lines go out as they come; B keeps
 * its own, up to a limit, until A has ended chunk 1. */
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/retry.h>

/* Lines that a worker keeps before its turn: bytes. */
#define KEPT_MAX ((size_t)4 << 20)

/* The first error is the one that is reported; sessions that are interrupted for it have others. */
void my_turns_fail(struct my_worker *worker, const struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    pthread_mutex_lock(&run->turns);
    if (!run->failed)
        run->error = *error;
    run->failed = true;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->turns);
    /* The others may be in a long read, where they look at nothing: their sockets are shut down. */
    if (run->n_workers > 1)
        my_guard_interrupt(run->guard);
}

/* 1: it is, 0: not yet, -1: another one failed, which is reported elsewhere. */
static int is_turn(struct my_worker *worker, bool wait)
{
    struct my_snapshot *run = worker->run;
    pthread_mutex_lock(&run->turns);
    while (wait && !run->failed && run->turn != worker->chunk.number)
        pthread_cond_wait(&run->turned, &run->turns);
    int result = run->failed ? -1 : run->turn == worker->chunk.number;
    pthread_mutex_unlock(&run->turns);
    return result;
}

void my_turns_end(struct my_worker *worker)
{
    struct my_snapshot *run = worker->run;
    pthread_mutex_lock(&run->turns);
    run->turn++;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->turns);
}

static int another_failed(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "another session of the snapshot failed");
}

int my_turns_wait(struct my_worker *worker, struct cdc_error *error)
{
    return is_turn(worker, true) < 0 ? another_failed(error) : 0;
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
    int turn = is_turn(worker, worker->lines.len >= KEPT_MAX);
    if (turn < 0)
        return another_failed(error);
    if (turn > 0)
        return my_turns_write(worker, error);
    return worker->run->control->stop ? cdc_snapshot_stopped(error) : 0;
}
