/* SPDX-License-Identifier: MIT */
/* The first copy of the tables, read at the slot's consistent point X. An attempt
 * that broke off is made again with a newer snapshot and the same X: the log that follows from X
 * says of each row what became of it, so that the copy is exact once the log has passed the attempt's own moment. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static int copy_all(struct snapshot_run *run, struct cdc_error *error)
{
    run->progress.began = cdc_clock_ms();
    run->progress.next = run->progress.began + 1000;
    for (size_t i = 0; i < run->n_tables; i++)
        if (pg_snapshot_read_table(run, &run->tables[i], error) < 0)
            return -1;
    pg_snapshot_commit_line(run, true);
    if (pg_snapshot_execute(run, "COMMIT", "cannot end the snapshot's transaction", error) < 0 ||
        cdc_snapshot_drain(run->writer, run->control, error) < 0)
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
    run->metrics->seq = (int64_t)state->point;
    if (pg_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is written: %llu rows of %zu tables in %.1f s%s",
            run->pg->name, (unsigned long long)run->progress.rows, run->n_tables,
            (double)(cdc_clock_ms() - run->progress.began) / 1000.0,
            run->acks ? "; finished once its sinks have stored it" : "");
    return 0;
}

static int attempt(struct snapshot_run *run, struct cdc_error *error)
{
    run->sql = pg_connect(run->pg, false, error);
    if (!run->sql)
        return -1;
    if (pg_settings_resolve(run->sql, run->pg, error) < 0)
        return -1;
    pg_source_head(&run->source_head, run->pg->name, PQdb(run->sql));
    if (run->source_head.failed)
        return cdc_error_memory(error);
    if (pg_snapshot_begin_any(run, error) < 0 || pg_snapshot_list_tables(run, error) < 0 ||
        pg_snapshot_lock_tables(run, error) < 0 || copy_all(run, error) < 0)
        return -1;
    return written(run, error);
}

static void run_free(struct snapshot_run *run)
{
    for (size_t i = 0; i < run->n_tables; i++) {
        pg_table_free(run->tables[i].table);
        free(run->tables[i].filter);
    }
    free(run->tables);
    free(run->cells);
    cdc_buf_free(&run->fixed);
    cdc_buf_free(&run->source_head);
    PQfinish(run->sql);
    cdc_writer_free(run->writer);
    pg_snapshot_state_clear(&run->state);
}

int pg_snapshot_run(const struct pg_snapshot_settings *settings, struct cdc_offset_file *offsets, struct cdc_acks *acks,
                    struct cdc_control *control, struct cdc_metrics *metrics, const struct cdc_log *log,
                    struct cdc_error *error)
{
    struct snapshot_run run = {
        .settings = settings,
        .pg = settings->settings,
        .offsets = offsets,
        .acks = acks,
        .control = control,
        .metrics = metrics,
        .log = log,
        .progress = {.log = log, .control = control, .metrics = metrics, .show = settings->progress},
    };
    int result = pg_snapshot_state_read(&run, error);
    if (result == 0)
        result = pg_snapshot_check_finished(&run, error);
    if (result == 0) {
        run.writer = cdc_writer_new(settings->output_fd, error);
        result = run.writer ? attempt(&run, error) : -1;
        if (run.writer)
            cdc_snapshot_finish_output(run.writer, control);
    }
    run_free(&run);
    return result < 0 ? -1 : 0;
}
