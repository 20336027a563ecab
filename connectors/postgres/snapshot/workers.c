/* SPDX-License-Identifier: MIT */
/* The sessions that read, each in a thread of its own. The first one has the snapshot, and a lock on every table; the others take
 * both from it. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/slot.h"

#include <cdc/retry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void worker_free(struct snapshot_worker *worker)
{
    pg_encoding_free(&worker->encoding);
    PQfinish(worker->sql);
    cdc_buf_free(&worker->head);
    cdc_buf_free(&worker->fixed);
    cdc_buf_free(&worker->kept);
}

void pg_snapshot_close_workers(struct snapshot_run *run)
{
    while (run->n_workers > 0)
        worker_free(&run->workers[--run->n_workers]);
    free(run->workers);
    run->workers = NULL;
    run->sql = NULL;
    if (run->failed_fd > 0)
        close(run->failed_fd);
}

static int take_connection(struct snapshot_worker *worker, PGconn *sql, struct cdc_error *error)
{
    worker->sql = sql;
    int converts = pg_encoding_ask(sql, worker->run->pg, &worker->encoding, error);
    worker->converts = converts > 0;
    return converts < 0 ? -1 : 0;
}

static size_t wanted_sessions(const struct snapshot_run *run)
{
    return run->settings->jobs > 1 ? (size_t)run->settings->jobs : 1;
}

/* A standby without the slot may not be where one can be made. */
static int suits(void *context, PGconn *sql, struct cdc_error *error)
{
    const struct snapshot_run *run = context;
    struct pg_slot slot;
    if (!pg_is_standby(sql))
        return 1;
    if (pg_slot_read(sql, run->pg->slot, &slot, error) < 0 || (slot.exists && !slot.synced))
        return slot.exists && !slot.synced;
    return PQserverVersion(sql) >= 160000 && run->state.attempt.origin == 0
               ? pg_names_publication_exists(sql, run->pg->publication, error)
               : 0;
}

int pg_snapshot_connect(struct snapshot_run *run, struct cdc_error *error)
{
    size_t jobs = wanted_sessions(run);
    run->workers = calloc(jobs, sizeof *run->workers);
    if (!run->workers)
        return cdc_error_memory(error);
    run->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->failed_fd < 0)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot make an event: %s", strerror(errno));
    for (size_t i = 0; i < jobs; i++)
        run->workers[i] = (struct snapshot_worker){.run = run,
                                                   .locked = SIZE_MAX,
                                                   .head = CDC_BUF_INIT,
                                                   .fixed = CDC_BUF_INIT,
                                                   .kept = CDC_BUF_INIT,
                                                   .in_turn = i == 0};
    run->n_workers = 1;
    run->sql = pg_connect_suited(run->pg, suits, run, error);
    if (!run->sql || take_connection(&run->workers[0], run->sql, error) < 0)
        return -1;
    pg_source_head(&run->source_head, run->pg->name, pg_database_name(run->sql));
    return run->source_head.failed ? cdc_error_memory(error) : 0;
}

/* 1; 0: the server has none left for us; -1 */
static int connect_worker(struct snapshot_run *run, const char *snapshot, struct cdc_error *error)
{
    struct snapshot_worker *worker = &run->workers[run->n_workers];
    struct cdc_error own = {0};
    bool full = false;
    PGconn *sql = pg_connect_beside(run->pg, run->sql, &full, &own);
    if (!sql && full)
        return 0;
    if (!sql) {
        *error = own;
        return -1;
    }
    run->n_workers++;
    worker->in_turn = false;
    if (take_connection(worker, sql, error) < 0 ||
        pg_snapshot_execute(worker, PG_SNAPSHOT_OPENING, "cannot begin the snapshot's transaction", error) < 0 ||
        pg_snapshot_import(worker, snapshot, error) < 0)
        return -1;
    return 1;
}

/* The others, which read in the first one's transaction; fewer where the server has not so many left. */
static int connect_workers(struct snapshot_run *run, struct cdc_error *error)
{
    static const char what[] = "cannot export the snapshot";
    size_t wanted = wanted_sessions(run);
    if (wanted < 2)
        return 0;
    PGresult *result = pg_query_rows(run->sql, "SELECT pg_export_snapshot() AS snapshot", 0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int status = 1;
    while (status > 0 && run->n_workers < wanted)
        status = connect_worker(run, pg_answer_text(&row, "snapshot"), error);
    if (status == 0)
        cdc_log_write(run->log, CDC_LOG_WARNING, "the server has connections for %zu of %zu sessions", run->n_workers,
                      wanted);
    PQclear(result);
    return status < 0 ? -1 : 0;
}

/* -- all of them ------------------------------------------------------------------------------ */

static void copy_chunks(struct snapshot_worker *worker)
{
    struct cdc_error error = {0};
    int status;
    worker->in_turn = false;
    while ((status = pg_snapshot_claim(worker, &error)) > 0) {
        status = pg_snapshot_copy_chunk(worker, &error);
        if (status < 0)
            break;
    }
    if (status < 0)
        pg_snapshot_fail(worker, &error);
}

static void *worker_thread(void *context)
{
    copy_chunks(context);
    return NULL;
}

static int run_workers(struct snapshot_run *run, struct cdc_error *error)
{
    size_t n = 1;
    run->next = (struct snapshot_chunk){.number = 1, .first = true};
    run->turns.turn = 1;
    run->progress.crowded = run->n_workers > 1;
    while (n < run->n_workers && pthread_create(&run->workers[n].thread, NULL, worker_thread, &run->workers[n]) == 0)
        n++;
    if (n < run->n_workers)
        cdc_log_write(run->log, CDC_LOG_WARNING, "only %zu of %zu threads could be started", n, run->n_workers);
    copy_chunks(&run->workers[0]);
    for (size_t i = 1; i < n; i++)
        pthread_join(run->workers[i].thread, NULL);
    run->progress.crowded = false;
    run->workers[0].chunk.table = run->n_tables;
    if (!run->turns.failed)
        return 0;
    *error = run->turns.error;
    return -1;
}

static int copy_all(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_worker *first = &run->workers[0];
    cdc_snapshot_progress_begin(&run->progress, run->writer);
    if (pg_snapshot_prepare_lines(run, error) < 0 || run_workers(run, error) < 0)
        return -1;
    /* The very last line, also where no table has a row: the snapshot is finished when sinks have passed it. */
    first->in_turn = true;
    pg_snapshot_commit_line(first, true);
    if (pg_snapshot_execute(first, "COMMIT", "cannot end the snapshot's transaction", error) < 0 ||
        pg_snapshot_end_turn(first, error) < 0)
        return -1;
    return cdc_writer_sync(run->writer, error);
}

int pg_snapshot_read_tables(struct snapshot_run *run, struct cdc_error *error)
{
    if (pg_snapshot_lock_tables(run, error) < 0 || pg_snapshot_measure_tables(run, error) < 0 ||
        connect_workers(run, error) < 0)
        return -1;
    return copy_all(run, error);
}
