/* SPDX-License-Identifier: MIT */
/* The sessions that read. Each claims a chunk, and gathers its lines; those whose turn it is go out at once, the others
 * wait, up to a limit: so lines leave in the order of tables and keys however many read, and one key says how far all are. */
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/retry.h>
#include <stdlib.h>

/* Lines that a reader gathers before its turn: bytes. */
#define GATHERED_MAX ((size_t)4 << 20)

/* -- turns ------------------------------------------------------------------------------ */

/* The first error is the one that is told; sessions that are cut for it have others. */
static void fail(struct my_worker *worker, const struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    pthread_mutex_lock(&run->turns);
    if (!run->failed)
        run->error = *error;
    run->failed = true;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->turns);
    if (run->n_workers > 1)
        my_guard_cut(run->guard);
}

/* 1: it is, 0: not yet, -1: another one failed, which is told elsewhere. */
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

static void end_turn(struct my_worker *worker)
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

int my_worker_wait_turn(struct my_worker *worker, struct cdc_error *error)
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

int my_worker_write_lines(struct my_worker *worker, struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    if (worker->lines.failed)
        return cdc_error_memory(error);
    cdc_buf_append(out, worker->lines.data, worker->lines.len);
    worker->lines.len = 0;
    if (out->failed)
        return cdc_error_memory(error);
    count(worker);
    if (worker->chunk.table < run->n_tables) {
        const struct my_table *table = run->tables[worker->chunk.table].table;
        cdc_snapshot_look_around(&run->progress, run->writer, table->db, table->name);
    }
    return cdc_snapshot_drain(run->writer, run->control, error);
}

int my_worker_pass_lines(struct my_worker *worker, struct cdc_error *error)
{
    int turn = is_turn(worker, worker->lines.len >= GATHERED_MAX);
    if (turn < 0)
        return another_failed(error);
    if (turn > 0)
        return my_worker_write_lines(worker, error);
    return worker->run->control->stop ? cdc_snapshot_stopped(error) : 0;
}

/* -- sessions ------------------------------------------------------------------------------ */

static void worker_free(struct my_worker *worker)
{
    my_snapshot_close(worker->run, worker->mysql);
    my_chunk_free(&worker->chunk);
    free(worker->cells);
    free(worker->wires);
    cdc_buf_free(&worker->fixed);
    cdc_buf_free(&worker->lines);
}

void my_workers_close(struct my_snapshot *run, size_t left)
{
    while (run->n_workers > left)
        worker_free(&run->workers[--run->n_workers]);
    if (left > 0)
        return;
    free(run->workers);
    run->workers = NULL;
}

int my_workers_open(struct my_snapshot *run, struct cdc_error *error)
{
    static const char what[] = "cannot set up the snapshot's session";
    run->workers = calloc(run->settings->jobs, sizeof *run->workers);
    if (!run->workers)
        return cdc_error_memory(error);
    while (run->n_workers < run->settings->jobs) {
        struct my_worker *worker = &run->workers[run->n_workers];
        worker->run = run;
        worker->mysql = my_snapshot_open(run, error);
        if (!worker->mysql)
            return -1;
        run->n_workers++;
        /* Texts come as they are stored, in the charset of their column. */
        if (my_session_execute(worker->mysql, "SET SESSION character_set_results = NULL", what, error) < 0 ||
            my_session_execute(worker->mysql, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", what, error) <
                0)
            return -1;
    }
    return 0;
}

/* -- all of them ------------------------------------------------------------------------------ */

static void read_chunks(struct my_worker *worker)
{
    struct cdc_error error = {0};
    int status;
    while ((status = my_chunk_claim(worker, &error)) > 0) {
        status = my_chunk_read(worker, &error);
        if (status < 0)
            break;
        end_turn(worker);
    }
    if (status < 0)
        fail(worker, &error);
}

static void *worker_thread(void *context)
{
    read_chunks(context);
    my_charset_release();
    return NULL;
}

int my_workers_run(struct my_snapshot *run, struct cdc_error *error)
{
    size_t n = 1;
    run->turn = run->next.number;
    while (n < run->n_workers && pthread_create(&run->workers[n].thread, NULL, worker_thread, &run->workers[n]) == 0)
        n++;
    if (n < run->n_workers)
        cdc_log(run->log, CDC_LOG_WARNING, "only %zu of %zu threads could be started", n, run->n_workers);
    read_chunks(&run->workers[0]);
    for (size_t i = 1; i < n; i++)
        pthread_join(run->workers[i].thread, NULL);
    if (!run->failed)
        return 0;
    *error = run->error;
    return -1;
}
