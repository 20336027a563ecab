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
static void fail(struct snapshot_reader *reader, const struct cdc_error *error)
{
    struct snapshot_run *run = reader->run;
    pthread_mutex_lock(&run->turns);
    if (!run->failed)
        run->error = *error;
    run->failed = true;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->turns);
    if (run->n_readers > 1)
        binlog_snapshot_guard_cut(run->guard);
}

/* 1: it is, 0: not yet, -1: another one failed, which is told elsewhere. */
static int is_turn(struct snapshot_reader *reader, bool wait)
{
    struct snapshot_run *run = reader->run;
    pthread_mutex_lock(&run->turns);
    while (wait && !run->failed && run->turn != reader->chunk.number)
        pthread_cond_wait(&run->turned, &run->turns);
    int result = run->failed ? -1 : run->turn == reader->chunk.number;
    pthread_mutex_unlock(&run->turns);
    return result;
}

static void end_turn(struct snapshot_reader *reader)
{
    struct snapshot_run *run = reader->run;
    pthread_mutex_lock(&run->turns);
    run->turn++;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->turns);
}

static int another_failed(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "another session of the snapshot failed");
}

int binlog_snapshot_wait_turn(struct snapshot_reader *reader, struct cdc_error *error)
{
    return is_turn(reader, true) < 0 ? another_failed(error) : 0;
}

static void count(struct snapshot_reader *reader)
{
    struct snapshot_run *run = reader->run;
    run->progress.rows += reader->rows;
    run->metrics->changes += reader->rows;
    run->metrics->lines_out += reader->n_lines;
    run->metrics->commits += reader->commits;
    run->metrics->unconvertible += reader->unconvertible;
    reader->rows = reader->n_lines = reader->commits = reader->unconvertible = 0;
}

int binlog_snapshot_write_lines(struct snapshot_reader *reader, struct cdc_error *error)
{
    struct snapshot_run *run = reader->run;
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    if (reader->lines.failed)
        return cdc_error_memory(error);
    cdc_buf_append(out, reader->lines.data, reader->lines.len);
    reader->lines.len = 0;
    if (out->failed)
        return cdc_error_memory(error);
    count(reader);
    if (reader->chunk.table < run->n_tables) {
        const struct binlog_table *table = run->tables[reader->chunk.table].table;
        cdc_snapshot_look_around(&run->progress, run->writer, table->db, table->name);
    }
    return cdc_snapshot_drain(run->writer, run->control, error);
}

int binlog_snapshot_pass_lines(struct snapshot_reader *reader, struct cdc_error *error)
{
    int turn = is_turn(reader, reader->lines.len >= GATHERED_MAX);
    if (turn < 0)
        return another_failed(error);
    if (turn > 0)
        return binlog_snapshot_write_lines(reader, error);
    return reader->run->control->stop ? cdc_snapshot_stopped(error) : 0;
}

/* -- sessions ------------------------------------------------------------------------------ */

static void reader_free(struct snapshot_reader *reader)
{
    binlog_snapshot_close(reader->run, reader->mysql);
    binlog_snapshot_chunk_free(&reader->chunk);
    free(reader->cells);
    free(reader->wires);
    cdc_buf_free(&reader->fixed);
    cdc_buf_free(&reader->lines);
}

void binlog_snapshot_close_readers(struct snapshot_run *run, size_t left)
{
    while (run->n_readers > left)
        reader_free(&run->readers[--run->n_readers]);
    if (left > 0)
        return;
    free(run->readers);
    run->readers = NULL;
}

int binlog_snapshot_open_readers(struct snapshot_run *run, struct cdc_error *error)
{
    static const char what[] = "cannot set up the snapshot's session";
    run->readers = calloc(run->settings->jobs, sizeof *run->readers);
    if (!run->readers)
        return cdc_error_memory(error);
    while (run->n_readers < run->settings->jobs) {
        struct snapshot_reader *reader = &run->readers[run->n_readers];
        reader->run = run;
        reader->mysql = binlog_snapshot_open(run, error);
        if (!reader->mysql)
            return -1;
        run->n_readers++;
        /* Texts come as they are stored, in the charset of their column. */
        if (binlog_execute(reader->mysql, "SET SESSION character_set_results = NULL", what, error) < 0 ||
            binlog_execute(reader->mysql, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", what, error) < 0)
            return -1;
    }
    return 0;
}

/* -- all of them ------------------------------------------------------------------------------ */

static void read_chunks(struct snapshot_reader *reader)
{
    struct cdc_error error = {0};
    int status;
    while ((status = binlog_snapshot_claim(reader, &error)) > 0) {
        status = binlog_snapshot_read_chunk(reader, &error);
        if (status < 0)
            break;
        end_turn(reader);
    }
    if (status < 0)
        fail(reader, &error);
}

static void *reader_thread(void *context)
{
    read_chunks(context);
    binlog_text_release();
    return NULL;
}

int binlog_snapshot_read_all(struct snapshot_run *run, struct cdc_error *error)
{
    size_t n = 1;
    run->turn = run->next.number;
    while (n < run->n_readers && pthread_create(&run->readers[n].thread, NULL, reader_thread, &run->readers[n]) == 0)
        n++;
    if (n < run->n_readers)
        cdc_log(run->log, CDC_LOG_WARNING, "only %zu of %zu threads could be started", n, run->n_readers);
    read_chunks(&run->readers[0]);
    for (size_t i = 1; i < n; i++)
        pthread_join(run->readers[i].thread, NULL);
    if (!run->failed)
        return 0;
    *error = run->error;
    return -1;
}
