/* SPDX-License-Identifier: MIT */
/* The first copy of the tables, read at the slot's consistent point X. An attempt that broke off is made again with a newer
 * snapshot and the same X: the log that follows from X says of each row what became of it, so that the copy is exact once
 * the log has passed the attempt's own snapshot. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>

/* Killed before the state is saved: the next start takes another attempt, whose lines come after all of this one. */
static int written(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    if (cdc_attempt_end(&state->attempt, run->last_pos, run->settings->output_fd, run->acks, error) < 0)
        return -1;
    cdc_snapshot_progress_end(&run->progress);
    run->metrics->seq = (int64_t)state->attempt.origin;
    if (pg_snapshot_state_save(run, error) < 0)
        return -1;
    if (run->progress.rows == 0 && run->n_tables > 0)
        cdc_log_write(run->log, CDC_LOG_WARNING, "the snapshot of \"%s\" is empty: no row in %zu table%s",
                      run->pg->name, run->n_tables, run->n_tables == 1 ? "" : "s");
    cdc_log_write(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is written: %llu rows of %zu table%s in %.1f s%s",
                  run->pg->name, (unsigned long long)run->progress.rows, run->n_tables, run->n_tables == 1 ? "" : "s",
                  (double)(cdc_clock_ms() - run->progress.began) / 1000.0,
                  run->acks ? "; finished once its sinks have stored it" : "");
    return 0;
}

static int write_beat(void *context, struct cdc_error *error)
{
    struct snapshot_run *run = context;
    run->workers[0].in_turn = true;
    pg_snapshot_commit_line(&run->workers[0], true);
    return cdc_snapshot_drain(run->writer, run->control, error);
}

/* A sink that reads from this pipe for the first time lacks the tables that were not read again, and may tell of itself (its offset
 * file) only when it has read something: all are waited for, which they would be anyway before the end of the pipe. */
static int wait_for_new_sinks(struct snapshot_run *run, struct cdc_error *error)
{
    const struct cdc_snapshot_beat beat = {write_beat, run};
    char last[sizeof run->last_pos];
    if (!run->state.parts.sinks)
        return 0;
    memcpy(last, run->last_pos, sizeof last);
    if (cdc_writer_is_pipe(run->writer) &&
        cdc_snapshot_wait_stored(run->writer, run->control, run->acks, last, &beat, run->log, error) < 0)
        return -1;
    return pg_snapshot_parts_check_sinks(run, error);
}

/* The tables' form is saved with the attempt's number, before its first line. */
static int attempt(struct snapshot_run *run, struct cdc_error *error)
{
    if (pg_snapshot_connect(run, error) < 0 || pg_snapshot_begin_any(run, error) < 0 ||
        pg_snapshot_idle_begin(run, error) < 0)
        return -1;
    run->of.origin = run->state.attempt.origin;
    run->of.number = run->state.attempt.number;
    if (pg_snapshot_list_tables(run, error) < 0 || pg_snapshot_parts_begin(run, error) < 0 ||
        pg_snapshot_state_save(run, error) < 0 || pg_snapshot_read_tables(run, error) < 0 ||
        wait_for_new_sinks(run, error) < 0)
        return -1;
    return written(run, error);
}

/* 1, 0 or -1 */
static int has_stream_begun(const struct pg_snapshot_settings *settings, struct cdc_error *error)
{
    struct cdc_offset offset = {.pos = NULL};
    if (!settings->state_dir)
        return 0;
    char *path = cdc_state_path(settings->state_dir, "pg-cdc", settings->settings->name);
    int found = path ? cdc_offset_read(path, settings->settings->name, &offset, error) : cdc_error_memory(error);
    cdc_offset_free(&offset);
    free(path);
    return found;
}

static void run_free(struct snapshot_run *run)
{
    cdc_snapshot_progress_end(&run->progress);
    pg_snapshot_idle_end(run);
    pg_snapshot_close_workers(run);
    for (size_t i = 0; i < run->n_tables; i++) {
        pg_table_free(run->tables[i].table);
        free(run->tables[i].filter);
        free(run->tables[i].where);
        free(run->tables[i].blocks);
    }
    free(run->tables);
    cdc_buf_free(&run->source_head);
    free(run->xids);
    free(run->of.boundary);
    free(run->of.read_at);
    free(run->of.last);
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
    pthread_mutex_init(&run.claims, NULL);
    cdc_turns_init(&run.turns);
    cdc_snapshot_watch(&run.progress);
    int result = pg_snapshot_state_read(&run, error);
    if (result == 0)
        result = pg_snapshot_check_finished(&run, error);
    int begun = result == 0 ? has_stream_begun(settings, error) : 0;
    run.stream_began = begun > 0;
    if (begun < 0)
        result = -1;
    if (result == 0)
        run.writer = cdc_writer_new(settings->output_fd, error);
    if (result == 0)
        result = run.writer ? attempt(&run, error) : -1;
    else if (result > 0)
        result = pg_snapshot_again(&run, error);
    if (run.writer)
        cdc_snapshot_finish_output(run.writer, control);
    if (result < 0 && run.keeps_parts) {
        struct cdc_error ignored = {0};
        (void)pg_snapshot_state_save(&run, &ignored); /* what was written until then need not be read again */
    }
    cdc_snapshot_unwatch(&run.progress);
    run_free(&run);
    pthread_mutex_destroy(&run.claims);
    cdc_turns_destroy(&run.turns);
    return result < 0 ? -1 : 0;
}
