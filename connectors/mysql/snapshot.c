/* SPDX-License-Identifier: MIT */
/* The first copy of the tables. The log that follows from the place of the first attempt says of each row what became of
 * it: where rows were read later than that place, the copy is exact once the log has passed the moment of reading, since
 * its rows are whole. */
#include "connectors/mysql/snapshot.h"

#include <cdc/retry.h>
#include <stdlib.h>

static int copy_all(struct snapshot_run *run, struct cdc_error *error)
{
    run->progress.began = cdc_clock_ms();
    run->progress.next = run->progress.began + 1000;
    for (size_t i = 0; i < run->n_tables; i++)
        if (binlog_snapshot_read_table(run, &run->tables[i], error) < 0)
            return -1;
    binlog_snapshot_commit_line(run, true);
    if (cdc_snapshot_drain(run->writer, run->control, error) < 0)
        return -1;
    return cdc_writer_sync(run->writer, error);
}

static int written(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    state->written = strdup(run->last_pos);
    if (!state->written)
        return cdc_error_memory(error);
    state->finished = run->acks == NULL;
    run->metrics->seq = (int64_t)state->number;
    if (binlog_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is written: %llu rows of %zu tables in %.1f s%s",
            run->settings->name, (unsigned long long)run->progress.rows, run->n_tables,
            (double)(cdc_clock_ms() - run->progress.began) / 1000.0,
            run->acks ? "; finished once its sinks have stored it" : "");
    return 0;
}

static int attempt(struct snapshot_run *run, struct cdc_error *error)
{
    run->guard = binlog_snapshot_guard_new(run->control->wake_fd, error);
    if (!run->guard || binlog_snapshot_begin(run, error) < 0 || copy_all(run, error) < 0)
        return -1;
    return written(run, error);
}

/* Sessions that a signal cut say that the server is gone. */
static void tell_signal(const struct snapshot_run *run, struct cdc_error *error)
{
    if (!run->control->stop || error->status != CDC_EXIT_UNAVAILABLE)
        return;
    cdc_error_clear(error);
    cdc_snapshot_stopped(error);
}

static void run_free(struct snapshot_run *run)
{
    if (run->guard) {
        binlog_snapshot_close(run, run->reader);
        binlog_snapshot_close(run, run->sql);
    }
    binlog_snapshot_guard_free(run->guard);
    binlog_snapshot_forget_tables(run);
    free(run->cells);
    free(run->wires);
    cdc_buf_free(&run->names);
    cdc_buf_free(&run->tail);
    cdc_buf_free(&run->fixed);
    cdc_writer_free(run->writer);
    binlog_snapshot_state_clear(&run->state);
}

int binlog_snapshot_run(const struct binlog_snapshot_settings *settings, struct cdc_offset_file *offsets,
                        struct cdc_acks *acks, struct cdc_control *control, struct cdc_metrics *metrics,
                        const struct cdc_log *log, struct cdc_error *error)
{
    struct snapshot_run run = {
        .settings = settings,
        .offsets = offsets,
        .acks = acks,
        .control = control,
        .metrics = metrics,
        .log = log,
        .progress = {.log = log, .control = control, .metrics = metrics, .show = settings->progress},
    };
    int result = binlog_snapshot_state_read(&run, error);
    if (result == 0)
        result = binlog_snapshot_check_finished(&run, error);
    if (result == 0) {
        run.writer = cdc_writer_new(settings->output_fd, error);
        result = run.writer ? attempt(&run, error) : -1;
        if (result < 0)
            tell_signal(&run, error);
        if (run.writer)
            cdc_snapshot_finish_output(run.writer, control);
    }
    run_free(&run);
    return result < 0 ? -1 : 0;
}
