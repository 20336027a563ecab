/* SPDX-License-Identifier: MIT */
/* Tables of a copy that is complete, read again because mysql-binlog has found them stale (cdc/stale.h). It works as the first
 * copy does, with three differences: every attempt reads all of them, at a point of its own; its lines sort after the last
 * transaction that the sinks have, and before the next one; and their commits say where the log goes on, which is there, and
 * not at the point of the read: other tables have changed since.
 *
 *     sinks     ... 41 |
 *     the log          | 42 43 44 45 46 ...
 *     the read           of t, at the end of 43: pos 42.0000000000.r..., seq 42; mysql-binlog goes on with 42, without t up to 43 */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/read_at.h"
#include "connectors/mysql/schema/schema.h"
#include "connectors/mysql/snapshot/internal.h"

#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

/* -- whether there is something to do ------------------------------------------------------------------ */

/* The furthest position that a sink has: all of them are at the mark's, or a heartbeat after it. */
static const struct cdc_offset *furthest(const struct cdc_acks *acks)
{
    const struct cdc_offset *found = NULL;
    for (size_t i = 0; i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *sink = cdc_acks_offset(acks, i);
        if (sink && sink->pos && (!found || strcmp(sink->pos, found->pos) > 0))
            found = sink;
    }
    return found;
}

/* What was written is stored: the stream's own position counts, and before it has one the snapshot's. 0 or -1; *offset is to
 * be freed. */
static int read_own(const struct my_snapshot *run, struct cdc_offset *offset, struct cdc_error *error)
{
    const struct cdc_offset *snapshot = cdc_offset_file_get(run->offsets, run->settings->name);
    char *path = cdc_state_path(run->settings->state_dir, "mysql-binlog", run->settings->name);
    int found = path ? cdc_offset_read(path, run->settings->name, offset, error) : cdc_error_memory(error);
    free(path);
    if (found < 0)
        return -1;
    return found > 0 && offset->pos[0] ? 0 : cdc_offset_copy(offset, snapshot, error);
}

/* 1: they are all right at the mark; 0: one is further than its tables' rows would sort (another one was set back, and the log
 * goes first for it, which moves the mark); -1. */
static int take_boundary(struct my_snapshot *run, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct my_again *again = run->again;
    uint64_t at = 0, number = 0;
    if (!offset || !offset->source || !my_pos_number(offset->pos, &number) || !my_pos_number(again->mark.at, &at))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a MySQL or MariaDB source",
                             offset ? offset->pos : "");
    again->origin = number + 1;
    again->source = strdup(offset->source);
    return again->source ? number <= at : cdc_error_memory(error);
}

static int find_boundary(struct my_snapshot *run, struct cdc_error *error)
{
    struct cdc_offset own = {.pos = NULL};
    if (run->acks)
        return take_boundary(run, furthest(run->acks), error);
    int result = read_own(run, &own, error);
    if (result == 0)
        result = take_boundary(run, &own, error);
    cdc_offset_free(&own);
    return result;
}

/* What an attempt before was to read, too. */
static int take_tables_of_before(struct my_snapshot *run, struct cdc_error *error)
{
    struct cdc_stale *mark = &run->again->mark;
    for (size_t i = 0; i < run->state.rounds.n; i++) {
        const struct cdc_stale *of = &run->state.rounds.items[i].of;
        for (size_t t = 0; strcmp(of->at, mark->at) == 0 && t < of->n; t++)
            if (cdc_stale_add(mark, of->tables[t].db, of->tables[t].schema, of->tables[t].table, "", error) < 0)
                return -1;
    }
    return 0;
}

static void report_early(const struct my_snapshot *run)
{
    cdc_log_write(run->log, CDC_LOG_INFO,
                  "tables are to be read again once all sinks are at %s: mysql-binlog goes first", run->again->mark.at);
}

int my_again_open(struct my_snapshot *run, struct cdc_error *error)
{
    const char *state_dir = run->settings->state_dir;
    struct my_again *again = state_dir ? calloc(1, sizeof *again) : NULL;
    if (!again)
        return state_dir ? cdc_error_memory(error) : 0;
    run->again = again;
    if (cdc_stale_load(&again->mark, state_dir, "mysql-binlog", run->settings->name, error) < 0)
        return -1;
    int due = cdc_rounds_due(&run->state.rounds, &again->mark, run->acks, error);
    if (due == CDC_ROUND_EARLY)
        report_early(run);
    if (due != CDC_ROUND_DUE)
        return due < 0 ? -1 : 0;
    due = find_boundary(run, error);
    if (due == 0)
        report_early(run);
    if (due <= 0)
        return due;
    run->point = &again->point;
    return take_tables_of_before(run, error) < 0 ? -1 : 1;
}

void my_again_close(struct my_snapshot *run)
{
    struct my_again *again = run->again;
    if (!again)
        return;
    cdc_stale_clear(&again->mark);
    free(again->point.gtids);
    my_seen_clear(&again->seen);
    free(again->source);
    cdc_buf_free(&again->gone);
    free(again);
    run->again = NULL;
    run->point = &run->state.from;
}

/* -- tables that are no more ---------------------------------------------------------------------------- */

static bool is_found(const struct my_snapshot *run, const struct cdc_stale_table *wanted)
{
    for (size_t i = 0; i < run->n_tables; i++)
        if (strcmp(run->tables[i].table->name, wanted->table) == 0 && strcmp(run->tables[i].table->db, wanted->db) == 0)
            return true;
    return false;
}

/* A view of that name is no table; what the user may not see, the catalog does not show, but the server says so. */
static int check_gone(struct my_snapshot *run, const struct cdc_stale_table *wanted, struct cdc_error *error)
{
    const struct my_table table = {.db = wanted->db, .name = wanted->table};
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT 1 FROM ");
    my_session_append_table(&sql, wanted->db, wanted->table);
    cdc_buf_append(&sql, " LIMIT 0", sizeof " LIMIT 0");
    int failed = sql.failed ? cdc_error_memory(error) : mysql_query(run->sql, sql.data);
    cdc_buf_free(&sql);
    if (failed < 0)
        return -1;
    if (!failed)
        mysql_free_result(my_session_store(run->sql, "cannot look for the table", error));
    else if (mysql_errno(run->sql) != ER_NO_SUCH_TABLE && mysql_errno(run->sql) != ER_BAD_DB_ERROR)
        return my_scan_error(run->sql, &table, error);
    return error->status ? -1 : 0;
}

int my_again_find_gone(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_again *again = run->again;
    struct cdc_selection selection = run->settings->selection;
    selection.any_case = run->server.lower_case_names;
    again->gone.len = 0;
    for (size_t i = 0; i < again->mark.n; i++) {
        const struct cdc_stale_table *wanted = &again->mark.tables[i];
        if (!cdc_selection_has_table(&selection, wanted->db, wanted->table) || is_found(run, wanted))
            continue;
        if (check_gone(run, wanted, error) < 0)
            return -1;
        cdc_buf_append(&again->gone, wanted->db, strlen(wanted->db) + 1);
        cdc_buf_append(&again->gone, wanted->table, strlen(wanted->table) + 1);
    }
    return again->gone.failed ? cdc_error_memory(error) : 0;
}

/* -- an attempt ------------------------------------------------------------------------------------------- */

static int lost(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST,
                  "the server does not have what the sinks have stored: it lost that, or is another one");
    return cdc_error_hint(
        error, "take a new snapshot: remove the offset files of the pipeline and the copies, and start again");
}

/* The server that the sinks' position is of: a commit is in its log a moment before the engine has it. Where the log itself ends before
 * the position, a crash has taken back what is between. */
static int behind_itself(struct my_snapshot *run, const struct my_coord *coord, struct cdc_error *error)
{
    enum my_standing standing = MY_STANDS_IN_FILE;
    if (coord->file[0] && my_server_find(run->sql, coord, &standing, error) < 0 && error->status != CDC_EXIT_PERMISSION)
        return -1;
    cdc_error_clear(error);
    if (standing == MY_STANDS_NOWHERE)
        return lost(error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "the server has not yet what the sinks have stored: its rows would be older than theirs");
    return cdc_error_hint(error, "it has it in a moment; start the same line again");
}

static int behind(struct my_snapshot *run, bool here, const struct my_coord *coord, struct cdc_span gtids,
                  struct cdc_error *error)
{
    char uuid[128] = "", *text = here ? NULL : cdc_span_copy(gtids);
    if (here)
        return behind_itself(run, coord, error);
    if (!text)
        return cdc_error_memory(error);
    cdc_json_member_copy(cdc_span_text(run->again->source), "server_uuid", uuid, sizeof uuid);
    int result = my_behind_wait(run->settings->behind, run->sql, &run->server, uuid, text, error);
    free(text);
    return result < 0 ? -1 : lost(error);
}

/* Does it have all transactions that the sinks have? 1, 0, -1 */
static int has_gtids(const struct my_snapshot *run, struct cdc_span gtids, struct cdc_error *error)
{
    struct my_gtid_set *ours = my_gtid_set_new(run->server.flavor, error);
    struct my_gtid_set *theirs = ours ? my_gtid_set_new(run->server.flavor, error) : NULL;
    int result = -1;
    if (theirs && my_gtid_set_parse(ours, cdc_span_text(run->point->gtids), error) == 0 &&
        my_gtid_set_parse(theirs, gtids, error) == 0)
        result = my_gtid_set_includes(ours, theirs);
    my_gtid_set_free(ours);
    my_gtid_set_free(theirs);
    return result;
}

/* The point of the read is not before the boundary: else the log would go on without what lies between. */
static int check_point(struct my_snapshot *run, struct cdc_error *error)
{
    struct cdc_span source = cdc_span_text(run->again->source), gtids = cdc_json_member_raw(source, "gtids");
    struct my_coord coord = {.file = ""};
    int64_t position = 0;
    bool here = cdc_json_member_is(source, "server_uuid", run->server.uuid);
    bool by_gtid = run->server.flavor == MY_FLAVOR_MYSQL && gtids.n > 0 && run->point->gtids[0];
    bool known = cdc_json_member_copy(source, "file", coord.file, sizeof coord.file) && coord.file[0] &&
                 cdc_json_int64(cdc_json_member(source, "pos"), &position) && position >= 0;
    coord.position = (uint64_t)position;
    int has = 1;
    if (here && !by_gtid && known && run->point->coord.file[0])
        has = my_coord_compare(&run->point->coord, &coord) >= 0;
    else if (gtids.n > 0)
        has = has_gtids(run, gtids, error);
    return has < 0 ? -1 : has > 0 ? 0 : behind(run, here, &coord, gtids, error);
}

/* Of those that are there, where the log leaves their columns open. They are held: nobody alters them. */
static int append_tables(struct my_snapshot *run, struct cdc_buf *out, struct cdc_error *error)
{
    const struct cdc_stale *mark = &run->again->mark;
    struct cdc_buf columns = CDC_BUF_INIT;
    int status = 0;
    for (size_t i = 0; status >= 0 && i < mark->n; i++) {
        struct my_table table = {.db = mark->tables[i].db, .name = mark->tables[i].table};
        bool named = my_schema_is_needed(&run->server) && is_found(run, &mark->tables[i]);
        if (named)
            status = my_catalog_columns(run->sql, run->server.flavor, &table, &columns, error);
        my_read_at_append_table(out, i == 0, table.db, table.name, named ? &columns : NULL);
    }
    cdc_buf_free(&columns);
    return status < 0 ? -1 : 0;
}

static int keep_read_at(struct my_snapshot *run, struct cdc_round *round, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    my_read_at_append(&text, &run->point->coord, run->point->gtids, run->point->server_uuid);
    int result = append_tables(run, &text, error);
    cdc_buf_append(&text, "]}", 3);
    if (result == 0 && !text.failed) {
        round->read_at = text.data;
        return 0;
    }
    cdc_buf_free(&text);
    return result < 0 ? -1 : cdc_error_memory(error);
}

int my_again_begin(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_again *again = run->again;
    static const char hint[] = "remove the pipeline's offset files and the copies, and begin anew";
    if (check_point(run, error) < 0)
        return -1;
    struct cdc_round *round =
        cdc_rounds_begin(&run->state.rounds, &again->mark, again->origin, run->settings->name, hint, error);
    if (!round || keep_read_at(run, round, error) < 0)
        return -1;
    again->attempt = round->attempt.number;
    for (size_t i = 0; i < again->mark.n; i++)
        cdc_log_write(run->log, CDC_LOG_INFO, "table %s.%s is read again%s%s", again->mark.tables[i].db,
                      again->mark.tables[i].table, again->mark.tables[i].why[0] ? ": " : "", again->mark.tables[i].why);
    return my_snapshot_state_save(run, error);
}

static struct cdc_round *newest(struct my_snapshot *run)
{
    struct cdc_rounds *rounds = &run->state.rounds;
    for (size_t i = 0; i < rounds->n; i++)
        if (strcmp(rounds->items[i].of.at, run->again->mark.at) == 0)
            return &rounds->items[i];
    return NULL;
}

int my_again_end(struct my_snapshot *run, struct cdc_error *error)
{
    struct cdc_round *round = newest(run);
    cdc_snapshot_progress_end(&run->progress);
    if (cdc_attempt_end(&round->attempt, run->last_pos, run->settings->output_fd, run->acks, error) < 0 ||
        my_snapshot_state_save(run, error) < 0)
        return -1;
    run->metrics->seq = (int64_t)run->again->origin;
    cdc_log_write(run->log, CDC_LOG_INFO, "what was read again is written: %llu rows of %zu table%s",
                  (unsigned long long)run->progress.rows, run->n_tables, run->n_tables == 1 ? "" : "s");
    /* Nobody waits for the sinks with us: whoever wants to alter the tables may. */
    my_workers_close(run, 0);
    my_guard_close(run->guard, run->sql);
    run->sql = NULL;
    if (round->attempt.finished)
        return 0;
    const struct cdc_snapshot_beat beat = {my_lines_write_beat, run};
    if (cdc_snapshot_await(&run->progress, run->writer, run->acks, round->attempt.written, &beat, error) < 0)
        return -1;
    round->attempt.finished = true;
    return my_snapshot_state_save(run, error);
}
