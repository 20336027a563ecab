/* SPDX-License-Identifier: MIT */
/* How an attempt begins: the tables held, the transaction that it reads in, and where the log goes on. */
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/retry.h>
#include <stdlib.h>

enum { LOOKS = 10 }; /* at tables that come and go */

/* Rows of a prepared XA transaction are in the log before the consistent point, and in no snapshot: its commit would come
 * without them. Those who may not ask learn it from mysql-binlog, which stops at such a commit. */
static int check_prepared(struct my_snapshot *run, struct cdc_error *error)
{
    MYSQL_RES *result =
        mysql_query(run->sql, "XA RECOVER") == 0 ? my_session_store(run->sql, "XA RECOVER", error) : NULL;
    if (error->status)
        return -1;
    bool any = result && mysql_num_rows(result) > 0;
    mysql_free_result(result);
    if (!any)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "an XA transaction is prepared: neither rows nor log would have its changes");
    return cdc_error_hint(error, "the snapshot begins once it is committed or rolled back (XA RECOVER shows it)");
}

/* How many XA transactions were ever told to prepare. */
static int count_prepares(struct my_snapshot *run, uint64_t *count, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(run->sql, "SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_prepare'",
                                         "cannot read the server's counters", error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    *count = row && row[1] ? strtoull(row[1], NULL, 10) : 0;
    mysql_free_result(result);
    return result ? 0 : -1;
}

/* One that was prepared between the first look and the point, and is committed by now, shows in the counter alone. */
static int start_once(struct my_snapshot *run, bool *again, struct cdc_error *error)
{
    uint64_t before, after;
    if (count_prepares(run, &before, error) < 0 || check_prepared(run, error) < 0 ||
        my_consistent_point_find(run, error) < 0 || count_prepares(run, &after, error) < 0)
        return -1;
    *again = before != after;
    return 0;
}

/* RETURNS NEW */
static char *read_setting(struct my_snapshot *run, const char *sql, struct cdc_error *error)
{
    char *value = my_session_value(run->sql, sql, "cannot read the server's settings", error);
    if (!value && !error->status)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server does not answer: %s", sql);
    return value;
}

static int read_server_id(struct my_snapshot *run, struct cdc_error *error)
{
    char *id = read_setting(run, "SELECT @@GLOBAL.server_id", error);
    if (!id)
        return -1;
    run->point->server_id = (uint32_t)strtoul(id, NULL, 10);
    free(id);
    return 0;
}

/* At a point of the log that is to be found. */
static int start_anew(struct my_snapshot *run, struct cdc_error *error)
{
    bool again = true;
    for (int i = 0; again && i < LOOKS; i++)
        if (start_once(run, &again, error) < 0)
            return -1;
    /* Told to prepare before the first look, and prepared after it. */
    if (!again)
        return check_prepared(run, error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "XA transactions are prepared all the time: the snapshot finds no beginning");
    return cdc_error_hint(error,
                          "their changes before it would be in neither rows nor log; let them rest for a moment");
}

/* Some of the rows that are not read again may be of transactions that the server has lost since, in a crash. */
static int keep_what_stands(struct my_snapshot *run, struct cdc_error *error)
{
    int stands = run->kept_pos[0] ? my_consistent_point_has_seen(run, error) : 1;
    if (stands != 0)
        return stands < 0 ? -1 : 0;
    cdc_log_write(run->log, CDC_LOG_WARNING,
                  "the server has lost transactions that attempts before have seen: all tables are read again");
    my_resume_discard(run);
    return 0;
}

/* Rows that are read again are newer than the point of the first attempt, and the log that is replayed from there makes the
 * copy the same only where it finds rows by a key. Of a table without one, read after all of
 *
 *     insert (7)      it is there twice, by the table and by the log
 *     delete (8)      of two equal rows the one that is left goes as well
 *
 * So with such a table still to read, all are read again, at a point of their own. */
static int start_again(struct my_snapshot *run, struct cdc_error *error)
{
    if (my_consistent_point_check(run, error) < 0 || my_resume_begin(run, error) < 0 ||
        keep_what_stands(run, error) < 0)
        return -1;
    if (!my_resume_reads_keyless(run))
        return my_workers_start_transactions(run, error);
    return my_resume_forget(run, error) < 0 || read_server_id(run, error) < 0 ? -1 : start_anew(run, error);
}

static int start(struct my_snapshot *run, struct cdc_error *error)
{
    if (run->state.has_start && !run->again)
        return start_again(run, error);
    if (my_resume_begin(run, error) < 0)
        return -1;
    /* Of tables that are read again the log is read already: it has what is prepared, and brings it when that is committed. */
    return run->again ? my_consistent_point_find(run, error) : start_anew(run, error);
}

/* A table that was made after the tables were listed and before the point was read is in neither. */
static int is_complete(struct my_snapshot *run, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    int result = my_snapshot_tables_list(run, &names, error);
    if (result == 0)
        result = cdc_span_equal(cdc_span(names.data, names.len), cdc_span(run->names.data, run->names.len)) ? 1 : 0;
    cdc_buf_free(&names);
    return result;
}

/* First held, then the point: ALTER, TRUNCATE and DROP of these tables wait from here to the end. What was made or
 * dropped before the point shows when the tables are listed again, and all begins anew. */
static int hold_and_start(struct my_snapshot *run, struct cdc_error *error)
{
    for (int i = 0; i < LOOKS; i++) {
        if (my_snapshot_tables_hold(run, error) < 0 || start(run, error) < 0 ||
            my_snapshot_tables_hold_for_workers(run, error) < 0)
            return -1;
        int complete = is_complete(run, error);
        if (complete != 0)
            return complete < 0 ? -1 : 0;
    }
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "tables are made or dropped all the time: the snapshot finds no beginning");
    return cdc_error_hint(error, "exclude those with -t or -T");
}

/* A row that was not read comes with its next change, which must say all of it. */
static int check_where(const struct my_snapshot *run, struct cdc_error *error)
{
    if (run->whole_images || run->settings->where.count == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--where needs binlog_row_image = FULL: a row that is not read would come in parts with its next "
                  "change");
    return cdc_error_hint(error, "SET GLOBAL binlog_row_image = FULL; (sessions must reconnect), or read all rows");
}

/* Rows that are read again are newer than the log says for a while; that is put right only by whole rows in it. */
static int need_whole_images(const struct my_snapshot *run, struct cdc_error *error)
{
    if (run->whole_images)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "the snapshot of \"%s\" was begun before, and can only be begun again with binlog_row_image = FULL",
                  run->settings->name);
    return cdc_error_hint(error,
                          "start anew: SET GLOBAL binlog_row_image = FULL; (sessions must reconnect), remove the "
                          "offset files of the pipeline and the copies, and start again");
}

static int read_server(struct my_snapshot *run, struct cdc_error *error)
{
    if (my_server_read(run->sql, &run->server, error) < 0)
        return -1;
    char *image = read_setting(run, "SELECT @@GLOBAL.binlog_row_image", error);
    if (!image)
        return -1;
    run->whole_images = strcasecmp(image, "FULL") == 0 || strcasecmp(image, "FULL_NODUP") == 0;
    free(image);
    if (check_where(run, error) < 0)
        return -1;
    return run->state.has_start && !run->again ? need_whole_images(run, error) : read_server_id(run, error);
}

static int read_clock(struct my_snapshot *run, struct cdc_error *error)
{
    char *now = my_session_value(run->sql, "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)",
                                 "cannot read the server's clock", error);
    if (!now)
        return error->status ? -1 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server gives no time");
    run->ts_ms = strtoll(now, NULL, 10);
    free(now);
    return 0;
}

/* The stream compares: what is selected later, and was not here, it has to have read. */
static int keep_selection(struct my_snapshot *run, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    my_selection_append(&text, &run->settings->selection);
    cdc_buf_byte(&text, '\0');
    if (text.failed) {
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    free(run->state.selection);
    run->state.selection = text.data;
    return 0;
}

/* X, the consistent point and the attempt's number are durable before the first row, or two attempts could share a pos. What an
 * older one wrote says nothing of this one. */
static int begin_attempt(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_snapshot_state *state = &run->state;
    if (run->again)
        return my_again_begin(run, error);
    if (cdc_attempt_begin(&state->attempt, run->settings->name,
                          "remove the offset files of the pipeline and the copies, and begin anew", error) < 0)
        return -1;
    if (!state->has_start)
        /* The first number of the stream (us since 1970): a new snapshot gets a higher one than any that came
         * before, so that sinks take its rows. */
        state->attempt.origin = (uint64_t)cdc_clock_wall_ms() * 1000;
    state->has_start = true;
    if (keep_selection(run, error) < 0)
        return -1;
    if (state->attempt.number > 1)
        cdc_log_write(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" begins again, attempt %u", run->settings->name,
                      state->attempt.number);
    return my_snapshot_state_save(run, error);
}

int my_snapshot_begin(struct my_snapshot *run, struct cdc_error *error)
{
    run->sql = my_guard_connect(run->guard, &run->settings->connection, error);
    if (!run->sql || read_server(run, error) < 0 || my_workers_open(run, error) < 0 || hold_and_start(run, error) < 0 ||
        my_consistent_point_see(run, error) < 0 || read_clock(run, error) < 0)
        return -1;
    return my_lines_begin(run, error) < 0 ? -1 : begin_attempt(run, error);
}
