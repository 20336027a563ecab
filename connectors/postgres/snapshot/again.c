/* SPDX-License-Identifier: MIT */
/* Tables that are read again (cdc/stale.h): those that the stream has marked, with the rows as they are now, at the place W where it
 * has ended. What the sinks have of them is replaced; the log that follows from W says what becomes of the rows from then on, but for
 * what was seen here. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM "pg-cdc"
#define ENDING_MS 60000
#define ENDING_STEP_MS 100

static char *copy_member(struct cdc_span object, const char *name)
{
    struct cdc_span value = object.p ? cdc_json_member(object, name) : object;
    return value.p ? cdc_span_copy(value) : NULL;
}

/* What the boundary W tells a stream that begins after it: the lines of the round take its place. The sinks have it; without sinks
 * our stream's own file. */
static int take_boundary(struct snapshot_run *run, struct cdc_error *error)
{
    const struct cdc_offset *acked = NULL;
    struct cdc_offset own = {.pos = NULL};
    int status = 0;
    if (run->acks) {
        status = cdc_acks_read(run->acks, &acked, error);
    } else {
        char *path = cdc_state_path(run->settings->state_dir, STREAM, run->pg->name);
        status = path ? cdc_offset_read(path, run->pg->name, &own, error) : cdc_error_memory(error);
        free(path);
        acked = &own;
    }
    if (status >= 0 && acked && acked->source) {
        struct cdc_span source = cdc_span_text(acked->source);
        run->of.read_at = copy_member(source, "read_at");
        run->of.last = copy_member(source, "last");
        run->of.boundary = cdc_span_copy(source);
        status = run->of.boundary ? status : cdc_error_memory(error);
    }
    cdc_offset_free(&own);
    return status < 0 ? -1 : 0;
}

/* A commit is in the log a moment before others see it, and with synchronous standbys for as long as these take: what the stream
 * has read up to W, the rows that are read here must have. So transactions that run now are waited for, unless it shows that they
 * do not end at this moment. What a role may not see of others is NULL. */
static const char ending_sql[] =
    "SELECT current_setting('synchronous_standby_names') <> '' AS waits, EXISTS (SELECT 1 FROM pg_stat_activity WHERE "
    "wait_event = 'SyncRep') AS ending, EXISTS (SELECT 1 FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid() AND "
    "a.state IS NULL AND age(l.transactionid) > age($1::text::xid)) AS hidden";

struct ending {
    char next[24];      /* transactions from this one on do not count */
    bool waits, ending; /* commits wait for standbys, now or at a look before; some do */
};

static int ask_ending(struct snapshot_run *run, struct ending *at, struct cdc_error *error)
{
    static const char what[] = "cannot ask for transactions that are about to end";
    PGresult *result = pg_query_rows(run->sql, ending_sql, 1, (const char *const[]){at->next}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    at->waits |= pg_answer_true(&row, "waits");
    at->ending = pg_answer_true(&row, "ending") || (at->waits && pg_answer_true(&row, "hidden"));
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* One that begins to wait at the moment of the first answer is seen by the second. And one that waits no more ends a moment later
 * (the setting may be gone by then, too): so none is seen twice in a row. */
static int wait_for_commits(struct snapshot_run *run, struct cdc_error *error)
{
    struct ending at = {.waits = false};
    int quiet = 0;
    if (pg_snapshot_bound(run, at.next, sizeof at.next, error) < 0)
        return -1;
    for (int tries = 0; tries * ENDING_STEP_MS < ENDING_MS; tries++) {
        if (ask_ending(run, &at, error) < 0)
            return -1;
        quiet = at.ending ? 0 : quiet + 1;
        if (quiet > 1)
            return 0;
        if (cdc_retry_wait(ENDING_STEP_MS, run->control, "transactions that a synchronous standby has not confirmed"))
            return cdc_snapshot_stopped(error);
    }
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "transactions wait for a synchronous standby: what they have written cannot be read yet");
    return cdc_error_hint(error,
                          "a role that is a member of pg_read_all_stats sees which do, and waits for these alone");
}

static int wait_for_all(struct snapshot_run *run, const struct cdc_stale *tables, struct cdc_error *error)
{
    return pg_snapshot_wait_writers(run, tables, error) < 0 ? -1 : wait_for_commits(run, error);
}

static int begin_round(struct snapshot_run *run, const struct cdc_stale *mark, uint64_t lsn, struct cdc_round **round,
                       struct cdc_error *error)
{
    struct pg_slot slot;
    char hint[160], *read_at = NULL;
    const struct snapshot_settling settling = {wait_for_all, mark};
    snprintf(hint, sizeof hint,
             "drop slot \"%s\" (pg-cdc --drop), remove the offset files of the pipeline and the copies, and begin anew",
             run->pg->slot);
    if (pg_slot_read(run->sql, run->pg->slot, &slot, error) < 0 ||
        pg_slot_refuse_standby(run->sql, run->pg->slot, &slot, error) != 0 ||
        pg_snapshot_check_log(run, &slot, lsn, error) < 0 ||
        pg_snapshot_begin_reading(run, &settling, &read_at, error) < 0) {
        free(read_at);
        return -1;
    }
    *round = cdc_rounds_begin(&run->state.rounds, mark, lsn, run->pg->name, hint, error);
    if (!*round) {
        free(read_at);
        return -1;
    }
    (*round)->read_at = read_at;
    run->of.origin = lsn;
    run->of.number = (*round)->attempt.number;
    run->of.again = true;
    run->of.only = &(*round)->of;
    return 0;
}

static void tell_missing(const struct snapshot_run *run)
{
    const struct cdc_stale *wanted = run->of.only;
    for (size_t i = 0; i < wanted->n; i++) {
        bool found = false;
        for (size_t j = 0; j < run->n_tables && !found; j++)
            found = strcmp(run->tables[j].table->schema, wanted->tables[i].schema) == 0 &&
                    strcmp(run->tables[j].table->name, wanted->tables[i].table) == 0;
        if (!found)
            cdc_log_write(run->log, CDC_LOG_WARNING,
                          "table \"%s\".\"%s\" is not there any more, not selected, or not published: a copy keeps its "
                          "rows",
                          wanted->tables[i].schema, wanted->tables[i].table);
    }
}

static int write_beat(void *context, struct cdc_error *error)
{
    struct snapshot_run *run = context;
    run->workers[0].in_turn = true;
    pg_snapshot_commit_line(&run->workers[0], true);
    return cdc_snapshot_drain(run->writer, run->control, error);
}

static int finish_round(struct snapshot_run *run, struct cdc_round *round, struct cdc_error *error)
{
    if (cdc_attempt_end(&round->attempt, run->last_pos, run->settings->output_fd, run->acks, error) < 0 ||
        pg_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_snapshot_progress_end(&run->progress);
    run->metrics->seq = (int64_t)round->attempt.origin;
    cdc_log_write(run->log, CDC_LOG_INFO, "%zu table%s of \"%s\" %s read again: %llu rows in %.1f s", run->n_tables,
                  run->n_tables == 1 ? "" : "s", run->pg->name, run->n_tables == 1 ? "is" : "are",
                  (unsigned long long)run->progress.rows, (double)(cdc_clock_ms() - run->progress.began) / 1000.0);
    const struct cdc_snapshot_beat beat = {write_beat, run};
    if (cdc_snapshot_await(&run->progress, run->writer, run->acks, round->attempt.written, &beat, error) < 0)
        return -1;
    round->attempt.finished = true;
    return pg_snapshot_state_save(run, error);
}

static int read_again(struct snapshot_run *run, const struct cdc_stale *mark, struct cdc_error *error)
{
    struct cdc_round *round = NULL;
    uint64_t lsn;
    if (!pg_pos_restart_lsn(mark->at, &lsn))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a PostgreSQL source", mark->at);
    if (take_boundary(run, error) < 0 || pg_snapshot_connect(run, error) < 0 ||
        begin_round(run, mark, lsn, &round, error) < 0 || pg_snapshot_idle_begin(run, error) < 0 ||
        pg_snapshot_list_tables(run, error) < 0 || pg_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_log_write(run->log, CDC_LOG_INFO, "reading %zu table%s of \"%s\" again%s", run->n_tables,
                  run->n_tables == 1 ? "" : "s", run->pg->name, round->attempt.number > 1 ? ", another attempt" : "");
    tell_missing(run);
    if (pg_snapshot_read_tables(run, error) < 0)
        return -1;
    return finish_round(run, round, error);
}

int pg_snapshot_again(struct snapshot_run *run, struct cdc_error *error)
{
    struct cdc_stale mark = {.at = NULL};
    if (!run->settings->state_dir)
        return 0;
    int due = cdc_stale_load(&mark, run->settings->state_dir, STREAM, run->pg->name, error) < 0
                  ? -1
                  : cdc_rounds_due(&run->state.rounds, &mark, run->acks, error);
    int status = due < 0 ? -1 : 0;
    if (due == CDC_ROUND_EARLY)
        cdc_log_write(run->log, CDC_LOG_INFO, "tables are to be read again, once all sinks are where the stream ends");
    if (due == CDC_ROUND_DUE) {
        run->writer = cdc_writer_new(run->settings->output_fd, error);
        status = run->writer ? read_again(run, &mark, error) : -1;
    }
    cdc_stale_clear(&mark);
    return status;
}
