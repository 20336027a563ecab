/* SPDX-License-Identifier: MIT */
/* The sessions that read, each in a thread of its own. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/value/charset.h"

#include <stdlib.h>

static void worker_free(struct my_worker *worker)
{
    my_guard_close(worker->run->guard, worker->mysql);
    my_range_free(&worker->chunk.range);
    cdc_buf_free(&worker->row_head);
    cdc_buf_free(&worker->json_null);
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
        worker->mysql = my_guard_connect(run->guard, &run->settings->connection, error);
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

int my_workers_start_transactions(struct my_snapshot *run, struct cdc_error *error)
{
    static const char what[] = "cannot begin the snapshot's transaction";
    for (size_t i = 0; i < run->n_workers; i++)
        if (my_session_execute(run->workers[i].mysql, "ROLLBACK", what, error) < 0 ||
            my_session_execute(run->workers[i].mysql, "START TRANSACTION WITH CONSISTENT SNAPSHOT", what, error) < 0)
            return -1;
    return 0;
}

/* -- all of them ------------------------------------------------------------------------------ */

static void copy_chunks(struct my_worker *worker)
{
    struct cdc_error error = {0};
    int status;
    while ((status = my_chunk_claim(worker, &error)) > 0) {
        status = my_copy_chunk(worker, &error);
        if (status < 0)
            break;
        my_turns_end(worker);
    }
    if (status < 0)
        my_turns_fail(worker, &error);
}

static void *worker_thread(void *context)
{
    copy_chunks(context);
    my_charset_release();
    return NULL;
}

int my_workers_run(struct my_snapshot *run, struct cdc_error *error)
{
    size_t n = 1;
    run->turns.turn = run->next.number;
    run->progress.crowded = run->n_workers > 1;
    while (n < run->n_workers && pthread_create(&run->workers[n].thread, NULL, worker_thread, &run->workers[n]) == 0)
        n++;
    if (n < run->n_workers)
        cdc_log_write(run->log, CDC_LOG_WARNING, "only %zu of %zu threads could be started", n, run->n_workers);
    copy_chunks(&run->workers[0]);
    for (size_t i = 1; i < n; i++)
        pthread_join(run->workers[i].thread, NULL);
    run->progress.crowded = false;
    if (!run->turns.failed)
        return 0;
    *error = run->turns.error;
    return -1;
}
