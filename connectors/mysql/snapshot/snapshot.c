/* SPDX-License-Identifier: MIT */
/* The first copy of the tables. The log that follows from the consistent point of the first attempt says of each row what
 * became of it: where rows were read later than that point, the copy is exact once the log has passed the moment of
 * reading, since its rows are whole. */
#include "connectors/mysql/session/wait.h"
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/retry.h>
#include <stdlib.h>

/* The last line says that all is there. */
static int end_lines(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_worker *worker = &run->workers[0];
    worker->chunk.number = run->next.number;
    worker->chunk.table = run->n_tables;
    worker->line = worker->events = 0;
    my_lines_add_commit(worker, true);
    return my_turns_write(worker, error) < 0 ? -1 : cdc_writer_sync(run->writer, error);
}

/* Before all others. */
static int write_gone(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_worker *worker = &run->workers[0];
    const struct cdc_buf *gone = &run->again->gone;
    worker->chunk.number = 0;
    worker->chunk.table = run->n_tables;
    worker->line = worker->events = 0;
    for (const char *db = gone->data; gone->len > 0 && db < gone->data + gone->len;) {
        const char *table = db + strlen(db) + 1;
        my_lines_add_gone(worker, db, table);
        db = table + strlen(table) + 1;
    }
    if (worker->events > 0)
        my_lines_add_commit(worker, false);
    return my_turns_write(worker, error);
}

static int copy_all(struct my_snapshot *run, struct cdc_error *error)
{
    run->saved = cdc_clock_ms();
    cdc_snapshot_progress_begin(&run->progress, run->writer);
    if (run->again && write_gone(run, error) < 0)
        return -1;
    return my_workers_run(run, error) < 0 ? -1 : end_lines(run, error);
}

/* A sink that reads from this pipe for the first time lacks the tables that were not read again, and may tell of itself (its offset
 * file) only when it has read something: all are waited for, which they would be anyway before the end of the pipe. Whoever wants to
 * alter the tables need not wait with us. */
static int wait_for_new_sinks(struct my_snapshot *run, struct cdc_error *error)
{
    const struct cdc_snapshot_beat beat = {my_lines_write_beat, run};
    char last[sizeof run->last_pos];
    if (!run->state.sinks)
        return 0;
    memcpy(last, run->last_pos, sizeof last);
    if (cdc_writer_is_pipe(run->writer)) {
        my_workers_close(run, 0);
        my_guard_close(run->guard, run->sql);
        run->sql = NULL;
        if (cdc_snapshot_await(&run->progress, run->writer, run->acks, last, &beat, error) < 0)
            return -1;
    }
    return my_resume_check_sinks(run, error);
}

static int written(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_snapshot_state *state = &run->state;
    if (run->again)
        return my_again_end(run, error);
    if (wait_for_new_sinks(run, error) < 0)
        return -1;
    cdc_snapshot_progress_end(&run->progress);
    if (cdc_attempt_end(&state->attempt, run->last_pos, run->settings->output_fd, run->acks, error) < 0)
        return -1;
    my_checkpoints_drop_but(&state->checkpoints, NULL);
    free(state->sinks);
    state->sinks = NULL;
    run->metrics->seq = (int64_t)state->attempt.origin;
    if (my_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_log_write(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is written: %llu rows of %zu table%s in %.1f s%s",
                  run->settings->name, (unsigned long long)run->progress.rows, run->n_tables,
                  run->n_tables == 1 ? "" : "s", (double)(cdc_clock_ms() - run->progress.began) / 1000.0,
                  run->acks ? "; finished once its sinks have stored it" : "");
    return 0;
}

static bool server_answers(void *context)
{
    return my_session_answers(context);
}

static int attempt(struct my_snapshot *run, struct cdc_error *error)
{
    my_wait_ask(server_answers, (void *)&run->settings->connection);
    run->guard = my_guard_new(run->control->wake_fd, run->settings->jobs + MY_OTHER_SESSIONS, error);
    if (!run->guard || my_snapshot_begin(run, error) < 0 || copy_all(run, error) < 0)
        return -1;
    return written(run, error);
}

/* Sessions that a signal interrupted say that the server is gone. */
static void report_signal(const struct my_snapshot *run, struct cdc_error *error)
{
    if (!run->control->stop || error->status != CDC_EXIT_UNAVAILABLE)
        return;
    cdc_error_clear(error);
    cdc_snapshot_stopped(error);
}

static void run_free(struct my_snapshot *run)
{
    cdc_snapshot_progress_end(&run->progress);
    if (run->guard) {
        my_workers_close(run, 0);
        my_guard_close(run->guard, run->sql);
    }
    my_guard_free(run->guard);
    my_wait_ask(NULL, NULL);
    my_snapshot_tables_free(run);
    my_range_free(&run->next.range);
    cdc_buf_free(&run->names);
    cdc_buf_free(&run->source_tail);
    cdc_writer_free(run->writer);
    my_again_close(run);
    my_snapshot_state_clear(&run->state);
}

int my_snapshot_run(const struct my_snapshot_settings *settings, struct cdc_offset_file *offsets, struct cdc_acks *acks,
                    struct cdc_control *control, struct cdc_metrics *metrics, const struct cdc_log *log,
                    struct cdc_error *error)
{
    struct my_snapshot run = {
        .settings = settings,
        .offsets = offsets,
        .acks = acks,
        .control = control,
        .metrics = metrics,
        .log = log,
        .progress = {.log = log, .control = control, .metrics = metrics, .show = settings->progress},
    };
    run.point = &run.state.from;
    pthread_mutex_init(&run.claims, NULL);
    cdc_turns_init(&run.turns);
    cdc_snapshot_watch(&run.progress);
    my_wait_report(true);
    int result = my_snapshot_state_read(&run, error);
    if (result == 0)
        result = my_snapshot_state_is_finished(&run, error);
    bool due = result == 0;
    if (result > 0 && my_snapshot_state_keep_columns(&run, error) < 0)
        result = -1;
    if (result > 0) {
        result = my_again_open(&run, error);
        due = result > 0;
    }
    if (due) {
        run.writer = cdc_writer_new(settings->output_fd, error);
        my_behind_begin_try(settings->behind);
        result = run.writer ? attempt(&run, error) : -1;
        my_behind_end_try(settings->behind);
        if (result < 0)
            report_signal(&run, error);
        if (run.writer)
            cdc_snapshot_finish_output(run.writer, control);
    }
    my_wait_report(false);
    cdc_snapshot_unwatch(&run.progress);
    run_free(&run);
    pthread_mutex_destroy(&run.claims);
    cdc_turns_destroy(&run.turns);
    return result < 0 ? -1 : 0;
}
