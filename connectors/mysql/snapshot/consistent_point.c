/* SPDX-License-Identifier: MIT */
/* Where the log goes on after the rows. What SHOW MASTER STATUS and SHOW BINARY LOG STATUS show is ahead of what a
 * transaction that begins then can see, since the log is written before the engines commit; so they are never asked.
 *
 * MariaDB keeps the position that belongs to a consistent snapshot, exactly.
 *
 * MySQL's gtid_executed and log_status change after the engines' commit: read before the transaction begins, they may name
 * changes again that it sees, but miss none:
 *
 *     writer      the log gets A     engine commits A     log_status shows A
 *     snapshot    ^ log_status: before A                  ^ the transaction begins: it sees A
 *
 * A is in the rows, and again in the log after them. That does no harm where A's rows are whole and have a key; else no
 * writer may come between the two, which FLUSH TABLES WITH READ LOCK sees to. It is also what helps where the place may be that of a
 * commit which the engine does not have yet (session/commits.h). */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/commits.h"
#include "connectors/mysql/session/log_read.h"

#include <mysqld_error.h>
#include <stdlib.h>

enum { TRIES = 20 }; /* at transactions that begin together */

char *my_consistent_point_canonical(enum my_flavor flavor, const char *gtids, struct cdc_error *error)
{
    struct my_gtid_set *set = my_gtid_set_new(flavor, error);
    struct cdc_buf text = CDC_BUF_INIT;
    if (!set || my_gtid_set_parse(set, cdc_span_text(gtids), error) < 0) {
        my_gtid_set_free(set);
        cdc_error_prefix(error, "the server's GTIDs cannot be read");
        return NULL;
    }
    my_gtid_set_append(&text, set);
    cdc_buf_byte(&text, '\0');
    my_gtid_set_free(set);
    if (!text.failed)
        return text.data;
    cdc_buf_free(&text);
    cdc_error_memory(error);
    return NULL;
}

static int keep_gtids(struct my_snapshot *run, const char *text, struct cdc_error *error)
{
    char *gtids = my_consistent_point_canonical(run->server.flavor, text, error);
    if (!gtids)
        return -1;
    free(run->point->gtids);
    run->point->gtids = gtids;
    return 0;
}

static int keep_coord(struct my_snapshot *run, const char *file, size_t n, const char *position,
                      struct cdc_error *error)
{
    struct my_coord *coord = &run->point->coord;
    if (n == 0 || n >= sizeof coord->file)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server gives no proper name of its log file");
    memcpy(coord->file, file, n);
    coord->file[n] = '\0';
    coord->position = strtoull(position, NULL, 10);
    return coord->position >= 4 ? 0
                                : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server gives no position in its log");
}

/* -- MySQL ---------------------------------------------------------------------------- */

/* 1: file and position are kept; 0: the user may not see them (which the server answers with no row); -1. */
static int read_log_status(struct my_snapshot *run, struct cdc_error *error)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(run->sql, "SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), "
                              "JSON_EXTRACT(LOCAL, '$.binary_log_position') FROM performance_schema.log_status") == 0)
        result = my_session_store(run->sql, "cannot read the position of the log", error);
    if (!result) {
        unsigned number = mysql_errno(run->sql);
        if (number == ER_TABLEACCESS_DENIED_ERROR || number == ER_SPECIFIC_ACCESS_DENIED_ERROR ||
            number == ER_DBACCESS_DENIED_ERROR || number == ER_NO_SUCH_TABLE || number == ER_BAD_DB_ERROR) {
            cdc_error_clear(error); /* a right that lacks may show only where the row is read */
            return 0;
        }
        return my_session_error(run->sql, "cannot read the position of the log", error);
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    int status = row && row[0] && row[1] ? 1 : 0;
    if (status > 0 && keep_coord(run, row[0], strlen(row[0]), row[1], error) < 0)
        status = -1;
    mysql_free_result(result);
    return status;
}

static uint32_t dump_id(const struct my_snapshot *run)
{
    return my_replica_id(0, run->settings->name) ^ UINT32_C(0x20000000);
}

int my_consistent_point_file_created(struct my_snapshot *run, const char *file, uint32_t *created,
                                     struct cdc_error *error)
{
    struct cdc_error asked = {0};
    MYSQL *dump = my_guard_connect(run->guard, &run->settings->connection, error);
    if (!dump)
        return -1;
    int status = my_log_file_created(dump, &run->server, dump_id(run), file, created, &asked);
    my_guard_close(run->guard, dump);
    if (status == 0)
        return 0;
    *created = 0;
    if (asked.status == CDC_EXIT_PERMISSION || asked.status == CDC_EXIT_LOST)
        return 0;
    *error = asked;
    return -1;
}

int my_consistent_point_gtids_at(struct my_snapshot *run, MYSQL *sql, const struct my_coord *coord, char **gtids,
                                 struct cdc_error *error)
{
    int found = my_server_gtids_at(sql, coord, gtids, error);
    if (found != 0)
        return found;
    MYSQL *dump = my_guard_connect(run->guard, &run->settings->connection, error);
    if (!dump)
        return -1;
    found = my_log_gtids_by_dump(dump, &run->server, dump_id(run), coord, gtids, error);
    my_guard_close(run->guard, dump);
    return found;
}

/* As read_log_status. When the file was begun is read before the position is, so a RESET between the two shows later: the
 * position then belongs to a file that was begun later. */
static int read_file_and_coord(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_consistent_point *from = run->point;
    for (;;) {
        const struct my_coord before = from->coord;
        int found = read_log_status(run, error);
        if (found <= 0 || strcmp(before.file, from->coord.file) == 0)
            return found;
        if (my_consistent_point_file_created(run, from->coord.file, &from->file_created, error) < 0)
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

static void report(const struct my_snapshot *run, const char *way)
{
    const struct my_consistent_point *from = run->point;
    char where[560] = "";
    struct cdc_buf text = {where, 0, sizeof where, false};
    if (from->coord.file[0])
        cdc_buf_printf(&text, "%s:%llu, ", from->coord.file, (unsigned long long)from->coord.position);
    cdc_buf_byte(&text, '\0');
    cdc_log_write(run->log, CDC_LOG_INFO, "%s %sGTIDs \"%.400s\" (%s)",
                  run->again ? "rows are read at" : "the log goes on from", where, from->gtids, way);
}

static int read_coord(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_consistent_point *from = run->point;
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
        cdc_log_write(
            run->log, CDC_LOG_WARNING,
            "when the log's file was begun is not known, so that a RESET would not be noticed: GRANT REPLICATION "
            "SLAVE ON *.* to the user");
    /* After log_status: the set never lacks what lies before the position, and the rows lack nothing of either. */
    return run->server.gtid ? read_executed(run, error) : keep_gtids(run, "", error);
}

static int find_mysql(struct my_snapshot *run, struct cdc_error *error)
{
    if (read_coord(run, error) < 0 || my_workers_start_transactions(run, error) < 0)
        return -1;
    report(run, run->server.gtid ? "gtid_executed before the snapshot: what lies between is read twice"
                                 : "log_status before the snapshot: what lies between is read twice");
    return 0;
}

/* See the top of the file: what is read twice must be whole in the log, and have a key. */
static bool must_be_exact(const struct my_snapshot *run)
{
    for (size_t i = 0; i < run->n_tables; i++)
        if (!run->tables[i].table->has_key)
            return true;
    return !run->whole_images;
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

/* Where in the log the transaction of that worker is. */
static int read_snapshot_coord(struct my_snapshot *run, MYSQL *mysql, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(mysql, "SHOW SESSION STATUS LIKE 'binlog\\_snapshot\\_%'",
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
    int found = my_consistent_point_gtids_at(run, run->workers[0].mysql, &run->point->coord, &gtids, error);
    if (found == 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server knows no GTIDs at %s:%llu of its log",
                             run->point->coord.file, (unsigned long long)run->point->coord.position);
    int status = found > 0 ? keep_gtids(run, gtids, error) : -1;
    free(gtids);
    return status;
}

/* 1 when all workers are at one point of the log; 0 when not. Kept is that of the first, which is not after another's. */
static int start_together(struct my_snapshot *run, struct cdc_error *error)
{
    if (my_workers_start_transactions(run, error) < 0)
        return -1;
    bool together = true;
    /* Transactions began one after another, the first worker's first. Its point is the oldest, and from there the
     * log has all that the others see more; so it is read last, and stays. */
    for (size_t i = run->n_workers; i-- > 0;) {
        struct my_coord before = run->point->coord;
        if (read_snapshot_coord(run, run->workers[i].mysql, error) < 0)
            return -1;
        if (i + 1 < run->n_workers)
            together = together && before.position == run->point->coord.position &&
                       strcmp(before.file, run->point->coord.file) == 0;
    }
    return together;
}

static int begin_mariadb(struct my_snapshot *run, int *together, struct cdc_error *error)
{
    bool exact = must_be_exact(run);
    *together = 0;
    for (int i = 0; *together == 0 && i < (exact ? TRIES : 1); i++)
        *together = start_together(run, error);
    if (*together == 0 && exact) {
        cdc_log_write(
            run->log, CDC_LOG_WARNING,
            "the server is too busy for sessions to begin together, and binlog_row_image is not FULL or a table "
            "has no key: one reads alone");
        my_workers_close(run, 1);
    }
    return *together < 0 ? -1 : 0;
}

static int keep_mariadb(struct my_snapshot *run, int together, struct cdc_error *error)
{
    struct my_consistent_point *from = run->point;
    memcpy(from->server_uuid, run->server.uuid, sizeof from->server_uuid);
    if (read_snapshot_gtids(run, error) < 0 ||
        my_consistent_point_file_created(run, from->coord.file, &from->file_created, error) < 0)
        return -1;
    report(run, together || run->n_workers == 1
                    ? "of the snapshot itself: exact"
                    : "of the first of the sessions: what the others see more is read twice");
    return 0;
}

static int find_mariadb(struct my_snapshot *run, struct cdc_error *error)
{
    int together;
    return begin_mariadb(run, &together, error) < 0 ? -1 : keep_mariadb(run, together, error);
}

/* -- while writers wait ------------------------------------------------------------------ */

static const char *cure_of(const struct my_snapshot *run)
{
    if (my_commits_are_doubtful(&run->server))
        return "GRANT RELOAD ON *.* to the user; or set gtid_mode = ON, and binlog_row_image = FULL and a key for each "
               "table, which "
               "needs no lock";
    return must_be_exact(run)
               ? "GRANT RELOAD ON *.* to the user; or SET GLOBAL binlog_row_image = FULL and a key for each table, "
                 "which needs no lock"
               : "GRANT RELOAD ON *.* to the user; or let XA transactions rest for a moment";
}

static int no_lock(const struct my_snapshot *run, MYSQL *lock, struct cdc_error *error)
{
    unsigned number = mysql_errno(lock);
    bool denied = number == ER_SPECIFIC_ACCESS_DENIED_ERROR || number == ER_ACCESS_DENIED_ERROR;
    cdc_error_set(error, denied ? CDC_EXIT_PERMISSION : CDC_EXIT_TEMPORARY,
                  "FLUSH TABLES WITH READ LOCK, for the moment in which the snapshot begins: %s", mysql_error(lock));
    return cdc_error_hint(error, "%s%s", denied ? "" : "a long statement is in the way; ", cure_of(run));
}

static int begin_locked(struct my_snapshot *run, int *together, struct cdc_error *error)
{
    if (run->server.flavor == MY_FLAVOR_MARIADB)
        return begin_mariadb(run, together, error);
    return read_coord(run, error) < 0 ? -1 : my_workers_start_transactions(run, error);
}

/* Writers wait while the transactions begin, and for 5 seconds at most while statements that run keep the lock away. */
static int find_locked(struct my_snapshot *run, struct cdc_error *error)
{
    int together = 0;
    bool mysql = run->server.flavor == MY_FLAVOR_MYSQL;
    if (mysql && read_file_and_coord(run, error) < 0) /* here, where nobody waits */
        return -1;
    MYSQL *lock = my_guard_connect(run->guard, &run->settings->connection, error);
    if (!lock)
        return -1;
    int status = my_session_execute(lock, "SET SESSION lock_wait_timeout = 5", "cannot set up the session", error);
    if (status == 0 && mysql_query(lock, "FLUSH TABLES WITH READ LOCK") != 0)
        status = no_lock(run, lock, error);
    if (status == 0)
        status = begin_locked(run, &together, error);
    my_guard_close(run->guard, lock);
    if (status == 0 && mysql)
        report(run, "under FLUSH TABLES WITH READ LOCK, which is released: exact");
    return status < 0 || mysql ? status : keep_mariadb(run, together, error);
}

/* Tables without a key, and a user who may not lock: better rows that may be there twice, and said so, than no snapshot. */
static int find_exactly(struct my_snapshot *run, struct cdc_error *error)
{
    int status = find_locked(run, error);
    if (status == 0 || !run->whole_images || error->status != CDC_EXIT_PERMISSION)
        return status;
    cdc_log_write(
        run->log, CDC_LOG_WARNING,
        "rows of tables without a key that are written while the snapshot begins may come twice (hint: GRANT RELOAD "
        "ON *.* to the user, for FLUSH TABLES WITH READ LOCK in that moment)");
    cdc_error_clear(error);
    return find_mysql(run, error);
}

static int find_unlocked(struct my_snapshot *run, struct cdc_error *error)
{
    if (run->server.flavor == MY_FLAVOR_MARIADB)
        return find_mariadb(run, error);
    return must_be_exact(run) ? find_exactly(run, error) : find_mysql(run, error);
}

int my_consistent_point_find(struct my_snapshot *run, struct cdc_error *error)
{
    uint64_t told;
    int shown = my_commits_look(run->sql, &run->server, &told, error);
    if (shown > 0)
        shown = find_unlocked(run, error) < 0 ? -1 : my_commits_are_shown(run->sql, &run->server, told, error);
    if (shown != 0)
        return shown < 0 ? -1 : 0;
    int status = find_locked(run, error);
    if (status < 0 && error->status == CDC_EXIT_PERMISSION && !my_commits_are_doubtful(&run->server) &&
        (run->whole_images || run->server.flavor == MY_FLAVOR_MARIADB))
        error->status = CDC_EXIT_TEMPORARY; /* XA transactions may rest */
    return status;
}
