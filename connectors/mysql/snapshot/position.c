/* SPDX-License-Identifier: MIT */
/* Where the log goes on after the rows. What SHOW MASTER STATUS and SHOW BINARY LOG STATUS tell is ahead of what a
 * transaction that begins then can see, since the log is written before the engines commit; so they are never asked.
 * MariaDB keeps the place that belongs to a consistent snapshot, exactly. MySQL's gtid_executed and log_status lie behind
 * the engines' commit: read before the transaction begins, they may name changes again that it sees, but miss none. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/session/log_read.h"

#include <cdc/json.h>
#include <mysqld_error.h>
#include <stdlib.h>

static int keep_gtids(struct my_snapshot *run, const char *text, struct cdc_error *error)
{
    struct my_gtid_set *set = my_gtid_set_new(run->server.flavor, error);
    struct cdc_buf canonical = CDC_BUF_INIT;
    if (!set || my_gtid_set_parse(set, cdc_span_text(text), error) < 0) {
        my_gtid_set_free(set);
        return cdc_error_prefix(error, "the server's GTIDs cannot be read");
    }
    my_gtid_set_append(&canonical, set);
    cdc_buf_byte(&canonical, '\0');
    my_gtid_set_free(set);
    if (canonical.failed)
        return cdc_error_memory(error);
    free(run->state.from.gtids);
    run->state.from.gtids = canonical.data;
    return 0;
}

static int keep_coord(struct my_snapshot *run, const char *file, size_t n, const char *position,
                      struct cdc_error *error)
{
    struct my_coord *coord = &run->state.from.coord;
    if (n == 0 || n >= sizeof coord->file)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server tells no proper name of its log file");
    memcpy(coord->file, file, n);
    coord->file[n] = '\0';
    coord->position = strtoull(position, NULL, 10);
    return coord->position >= 4 ? 0
                                : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server tells no position in its log");
}

/* -- MySQL ---------------------------------------------------------------------------- */

/* 1: file and position are kept; 0: the user may not see them (which the server answers with no row); -1. */
static int read_log_status(struct my_snapshot *run, struct cdc_error *error)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(run->sql, "SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), "
                              "JSON_EXTRACT(LOCAL, '$.binary_log_position') FROM performance_schema.log_status") == 0)
        result = mysql_store_result(run->sql);
    if (!result) {
        unsigned number = mysql_errno(run->sql);
        if (number == ER_TABLEACCESS_DENIED_ERROR || number == ER_SPECIFIC_ACCESS_DENIED_ERROR ||
            number == ER_DBACCESS_DENIED_ERROR || number == ER_NO_SUCH_TABLE || number == ER_BAD_DB_ERROR)
            return 0;
        return my_session_error(run->sql, "cannot read the position of the log", error);
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    int status = row && row[0] && row[1] ? 1 : 0;
    if (status > 0 && keep_coord(run, row[0], strlen(row[0]), row[1], error) < 0)
        status = -1;
    mysql_free_result(result);
    return status;
}

/* When that file of the log was begun; 0 when the user may not read the log, or the file is gone. */
static int read_created(struct my_snapshot *run, const char *file, uint32_t *created, struct cdc_error *error)
{
    struct cdc_error asked = {0};
    uint32_t replica_id = my_replica_id(0, run->settings->name) ^ UINT32_C(0x20000000);
    MYSQL *dump = my_snapshot_open(run, error);
    if (!dump)
        return -1;
    int status = my_log_file_created(dump, &run->server, replica_id, file, created, &asked);
    my_snapshot_close(run, dump);
    if (status == 0)
        return 0;
    *created = 0;
    if (asked.status == CDC_EXIT_PERMISSION || asked.status == CDC_EXIT_LOST)
        return 0;
    *error = asked;
    return -1;
}

/* As read_log_status. The file's beginning is read before the place is: a RESET that came between the two is seen later,
 * since the place then belongs to a file that was begun later. */
static int read_file_and_coord(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_consistent_point *from = &run->state.from;
    for (;;) {
        const struct my_coord before = from->coord;
        int found = read_log_status(run, error);
        if (found <= 0 || strcmp(before.file, from->coord.file) == 0)
            return found;
        if (read_created(run, from->coord.file, &from->file_created, error) < 0)
            return -1;
    }
}

static int no_position(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_PERMISSION,
                  "gtid_mode is not ON, and performance_schema.log_status shows the user no position of the log");
    return cdc_error_hint(error,
                          "GRANT BACKUP_ADMIN ON *.* to the user, and SELECT ON performance_schema.log_status; or "
                          "set gtid_mode = ON (log_status needs MySQL 8.0.11 or later)");
}

static int read_executed(struct my_snapshot *run, struct cdc_error *error)
{
    char *executed =
        my_session_value(run->sql, "SELECT @@GLOBAL.gtid_executed", "cannot read the server's GTIDs", error);
    if (!executed && error->status)
        return -1;
    int status = keep_gtids(run, executed ? executed : "", error);
    free(executed);
    return status;
}

static void say(const struct my_snapshot *run, const char *way)
{
    const struct my_consistent_point *from = &run->state.from;
    char where[560] = "";
    struct cdc_buf text = {where, 0, sizeof where, false};
    if (from->coord.file[0])
        cdc_buf_printf(&text, "%s:%llu, ", from->coord.file, (unsigned long long)from->coord.position);
    cdc_buf_byte(&text, '\0');
    cdc_log(run->log, CDC_LOG_INFO, "the log goes on from %sGTIDs \"%.400s\" (%s)", where, from->gtids, way);
}

static int read_coord(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_consistent_point *from = &run->state.from;
    memcpy(from->server_uuid, run->server.uuid, sizeof from->server_uuid);
    int found = read_file_and_coord(run, error);
    if (found < 0)
        return -1;
    if (!found && !run->server.gtid)
        return no_position(error);
    if (!found) {
        from->coord = (struct my_coord){"", 4};
        from->file_created = 0;
    }
    if (!run->server.gtid && from->file_created == 0)
        cdc_log(run->log, CDC_LOG_WARNING,
                "when the log's file was begun is not known, so that a RESET would not be noticed: GRANT REPLICATION "
                "SLAVE ON *.* to the user");
    /* After log_status: the set is never behind the place, and the rows are behind neither. */
    return run->server.gtid ? read_executed(run, error) : keep_gtids(run, "", error);
}

static int coord_mysql(struct my_snapshot *run, struct cdc_error *error)
{
    if (read_coord(run, error) < 0 || my_workers_start_transactions(run, error) < 0)
        return -1;
    say(run, run->server.gtid ? "gtid_executed before the snapshot: what lies between is read twice"
                              : "log_status before the snapshot: what lies between is read twice");
    return 0;
}

/* What is read twice must be whole in the log, and have a key. Where it is not so, no writer may come between place and
 * snapshot. */
static bool must_be_exact(const struct my_snapshot *run)
{
    for (size_t i = 0; i < run->n_tables; i++)
        if (!run->tables[i].table->has_key)
            return true;
    return !run->whole_images;
}

static int no_lock(MYSQL *lock, struct cdc_error *error)
{
    unsigned number = mysql_errno(lock);
    bool denied = number == ER_SPECIFIC_ACCESS_DENIED_ERROR || number == ER_ACCESS_DENIED_ERROR;
    cdc_error_set(error, denied ? CDC_EXIT_PERMISSION : CDC_EXIT_TEMPORARY,
                  "FLUSH TABLES WITH READ LOCK, for the moment in which the snapshot begins: %s", mysql_error(lock));
    return cdc_error_hint(error, denied ? "GRANT RELOAD ON *.* to the user; or SET GLOBAL binlog_row_image = FULL and "
                                          "a key for each table, which needs no lock"
                                        : "a long statement is in the way; SET GLOBAL binlog_row_image = FULL and a "
                                          "key for each table needs no lock");
}

/* Writers wait while the transactions begin, and for 5 seconds at most while statements that run keep the lock away. */
static int coord_locked(struct my_snapshot *run, struct cdc_error *error)
{
    if (read_file_and_coord(run, error) < 0) /* here, where nobody waits */
        return -1;
    MYSQL *lock = my_snapshot_open(run, error);
    if (!lock)
        return -1;
    int status = my_session_execute(lock, "SET SESSION lock_wait_timeout = 5", "cannot set up the session", error);
    if (status == 0 && mysql_query(lock, "FLUSH TABLES WITH READ LOCK") != 0)
        status = no_lock(lock, error);
    if (status == 0)
        status = read_coord(run, error) < 0 ? -1 : my_workers_start_transactions(run, error);
    my_snapshot_close(run, lock);
    if (status == 0)
        say(run, "under FLUSH TABLES WITH READ LOCK, which is released: exact");
    return status;
}

/* Tables without a key, and a user who may not lock: better rows that may be there twice, and said so, than no snapshot. */
static int coord_exactly(struct my_snapshot *run, struct cdc_error *error)
{
    int status = coord_locked(run, error);
    if (status == 0 || !run->whole_images || error->status != CDC_EXIT_PERMISSION)
        return status;
    cdc_log(
        run->log, CDC_LOG_WARNING,
        "rows of tables without a key that are written while the snapshot begins may come twice (hint: GRANT RELOAD "
        "ON *.* to the user, for FLUSH TABLES WITH READ LOCK in that moment)");
    cdc_error_clear(error);
    return coord_mysql(run, error);
}

/* -- MariaDB ---------------------------------------------------------------------------- */

static int take_status(struct my_snapshot *run, MYSQL_RES *result, struct cdc_error *error)
{
    char file[512] = "", position[24] = "";
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        if (!row[0] || !row[1])
            continue;
        if (strcasecmp(row[0], "binlog_snapshot_file") == 0 && strlen(row[1]) < sizeof file)
            strcpy(file, row[1]);
        else if (strcasecmp(row[0], "binlog_snapshot_position") == 0 && strlen(row[1]) < sizeof position)
            strcpy(position, row[1]);
    }
    return keep_coord(run, file, strlen(file), position, error);
}

/* The set at a place of the log: 1, or 0 when there is no such place. */
static int gtids_at(struct my_snapshot *run, MYSQL *mysql, const struct my_coord *coord, char **gtids,
                    struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT BINLOG_GTID_POS('");
    if (cdc_buf_room(&sql, 2 * sizeof coord->file + 1))
        sql.len += mysql_real_escape_string(run->sql, sql.data + sql.len, coord->file, strlen(coord->file));
    cdc_buf_printf(&sql, "', %llu)", (unsigned long long)coord->position);
    cdc_buf_byte(&sql, '\0');
    *gtids = sql.failed ? NULL : my_session_value(mysql, sql.data, "cannot read the server's GTIDs", error);
    if (sql.failed)
        cdc_error_memory(error);
    cdc_buf_free(&sql);
    return *gtids ? 1 : error->status ? -1 : 0;
}

/* Where in the log the transaction of that reader is. */
static int read_snapshot_coord(struct my_snapshot *run, MYSQL *worker, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(worker, "SHOW SESSION STATUS LIKE 'binlog\\_snapshot\\_%'",
                                         "cannot read the snapshot's position", error);
    if (!result)
        return -1;
    int status = take_status(run, result, error);
    mysql_free_result(result);
    return status;
}

static int read_snapshot_gtids(struct my_snapshot *run, struct cdc_error *error)
{
    char *gtids;
    int found = gtids_at(run, run->workers[0].mysql, &run->state.from.coord, &gtids, error);
    if (found == 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server knows no GTIDs at %s:%llu of its log",
                             run->state.from.coord.file, (unsigned long long)run->state.from.coord.position);
    int status = found > 0 ? keep_gtids(run, gtids, error) : -1;
    free(gtids);
    return status;
}

/* 1 when all readers are at one place, which is kept in any case: of the first, that is behind none. */
static int start_together(struct my_snapshot *run, struct cdc_error *error)
{
    if (my_workers_start_transactions(run, error) < 0)
        return -1;
    bool together = true;
    for (size_t i = run->n_workers; i-- > 0;) {
        struct my_coord before = run->state.from.coord;
        if (read_snapshot_coord(run, run->workers[i].mysql, error) < 0)
            return -1;
        if (i + 1 < run->n_workers)
            together = together && before.position == run->state.from.coord.position &&
                       strcmp(before.file, run->state.from.coord.file) == 0;
    }
    return together;
}

enum { TRIES = 20 };

static int coord_mariadb(struct my_snapshot *run, struct cdc_error *error)
{
    bool exact = must_be_exact(run);
    int together = 0;
    for (int i = 0; together == 0 && i < (exact ? TRIES : 1); i++)
        together = start_together(run, error);
    if (together < 0)
        return -1;
    if (!together && exact) {
        cdc_log(run->log, CDC_LOG_WARNING,
                "the server is too busy for sessions to begin together, and binlog_row_image is not FULL or a table "
                "has no key: one reads alone");
        my_workers_close(run, 1);
    }
    if (read_snapshot_gtids(run, error) < 0)
        return -1;
    say(run, together || run->n_workers == 1 ? "of the snapshot itself: exact"
                                             : "of the first of the sessions: what the others see more is read twice");
    return 0;
}

int my_consistent_point_find(struct my_snapshot *run, struct cdc_error *error)
{
    if (run->server.flavor == MY_FLAVOR_MARIADB)
        return coord_mariadb(run, error);
    return must_be_exact(run) ? coord_exactly(run, error) : coord_mysql(run, error);
}

/* -- is it still there? --------------------------------------------------------------------- */

static int lost(const struct my_snapshot *run, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the snapshot of \"%s\" cannot be completed: %s", run->settings->name, why);
    return cdc_error_hint(error, "take a new one: remove the offset files of the pipeline, and start again");
}

/* SELECT GTID_SUBSET(...); 1, 0 or -1. */
static int is_subset(struct my_snapshot *run, const char *format, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_text(&sql, "SELECT GTID_SUBSET(");
    for (const char *p = format; *p; p++) {
        if (*p == '?')
            cdc_buf_printf(&sql, "'%s'", run->state.from.gtids); /* canonical: nothing in it needs an escape */
        else
            cdc_buf_byte(&sql, *p);
    }
    cdc_buf_append(&sql, ")", 2);
    if (sql.failed) {
        cdc_buf_free(&sql);
        return cdc_error_memory(error);
    }
    char *value = my_session_value(run->sql, sql.data, "cannot compare GTID sets", error);
    cdc_buf_free(&sql);
    if (!value)
        return error->status ? -1 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server does not compare GTID sets");
    int result = strcmp(value, "1") == 0;
    free(value);
    return result;
}

/* A RESET begins a file of the same name, and numbers transactions anew. */
static int check_created(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = &run->state.from;
    uint32_t created = 0;
    if (from->file_created == 0 || strcmp(from->server_uuid, run->server.uuid) != 0)
        return 0;
    if (read_created(run, from->coord.file, &created, error) < 0)
        return -1;
    if (created == 0 || created == from->file_created)
        return 0;
    return lost(run, "the log was begun anew since its first attempt: it was reset", error);
}

static int check_sets(struct my_snapshot *run, struct cdc_error *error)
{
    int kept = is_subset(run, "@@GLOBAL.gtid_purged, ?", error);
    int known = kept < 0 ? -1 : is_subset(run, "?, @@GLOBAL.gtid_executed", error);
    if (kept < 0 || known < 0)
        return -1;
    if (!kept)
        return lost(run, "the log since its first attempt was purged", error);
    return known ? check_created(run, error)
                 : lost(run, "the server lost transactions since its first attempt, or is another one", error);
}

/* File names come again after a RESET. */
static int check_file(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = &run->state.from;
    bool found = false;
    if (strcmp(from->server_uuid, run->server.uuid) != 0)
        return lost(run, "its first attempt was at another server", error);
    MYSQL_RES *result = my_session_query(run->sql, "SHOW BINARY LOGS", "cannot list the log's files", error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; !found && (row = mysql_fetch_row(result)) != NULL;)
        found = row[0] && row[1] && strcmp(row[0], from->coord.file) == 0 &&
                strtoull(row[1], NULL, 10) >= from->coord.position;
    mysql_free_result(result);
    return found ? check_created(run, error) : lost(run, "the log since its first attempt was purged", error);
}

/* The same transactions lie before the place as did then: it is the same log. */
static int check_mariadb(struct my_snapshot *run, struct cdc_error *error)
{
    char *gtids;
    struct my_gtid_set *set = NULL;
    struct cdc_buf now = CDC_BUF_INIT;
    int found = gtids_at(run, run->sql, &run->state.from.coord, &gtids, error);
    if (found < 0)
        return -1;
    if (found == 0)
        return lost(run, "the log since its first attempt was purged, or the server is another one", error);
    set = my_gtid_set_new(run->server.flavor, error);
    int status = set ? my_gtid_set_parse(set, cdc_span_text(gtids), error) : -1;
    free(gtids);
    if (status == 0)
        my_gtid_set_append(&now, set);
    my_gtid_set_free(set);
    if (status == 0 && !cdc_span_is(cdc_span(now.data, now.len), run->state.from.gtids))
        status = lost(run, "the server's log is not the one of its first attempt", error);
    cdc_buf_free(&now);
    return status;
}

int my_consistent_point_check(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = &run->state.from;
    bool mariadb = run->server.flavor == MY_FLAVOR_MARIADB;
    if (mariadb != (from->server_uuid[0] == '\0'))
        return lost(run, "its first attempt was at another kind of server", error);
    if (mariadb)
        return check_mariadb(run, error);
    return run->server.gtid && (from->gtids[0] || !from->coord.file[0]) ? check_sets(run, error)
                                                                        : check_file(run, error);
}
