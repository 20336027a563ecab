/* SPDX-License-Identifier: MIT */
/* --check: what would make the pipe stop or lose rows, each finding with its cure. */
#include "connectors/mysql/mysql.h"
#include "connectors/mysql/schema/cascades.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/flavor.h"

#include <stdlib.h>
#include <string.h>

#define DAY_SECONDS 86400
#define MAX_TABLES_NAMED 50

struct check {
    const struct cdc_selection *selection;
    const struct cdc_log *log;
    MYSQL *mysql;
    struct my_server server;
    uint32_t replica_id;
    int problems; /* that stop the pipe or lose rows */
};

static void problem(struct check *check, const char *text, const char *cure)
{
    check->problems++;
    cdc_log(check->log, CDC_LOG_ERROR, "%s (hint: %s)", text, cure);
}

/* NULL when the question could not be asked: itself a finding. */
static MYSQL_RES *ask(struct check *check, const char *sql)
{
    struct cdc_error error = {0};
    MYSQL_RES *result = my_session_query(check->mysql, sql, "cannot check", &error);
    if (result)
        return result;
    check->problems++;
    cdc_log(check->log, CDC_LOG_ERROR, "%s", error.text);
    return NULL;
}

/* -- settings -------------------------------------------------------------------------- */

enum weight { STOPS, WARNS };
struct setting {
    const char *name, *good; /* "" of good: must be empty; a variable that the server has not is good */
    enum weight weight;
    const char *why, *cure;
};

static const struct setting settings[] = {
    {"log_bin", "ON", STOPS, "the server writes no binary log",
     "put log_bin and server_id into its configuration, [mysqld], and start it again"},
    {"binlog_format", "ROW", STOPS, "changes are logged as statements",
     "SET GLOBAL binlog_format = ROW; and in the configuration; sessions must reconnect"},
    {"binlog_row_image", "FULL", WARNS,
     "rows are logged in part: the rest comes as \"unchanged\", old rows lack it, and defaults of new ones may be "
     "missing",
     "SET GLOBAL binlog_row_image = FULL;"},
    {"binlog_row_metadata", "FULL", WARNS,
     "the log does not name columns: they are taken from information_schema where that is safe, else the reader stops",
     "SET GLOBAL binlog_row_metadata = FULL; and in the configuration"},
    {"gtid_mode", "ON", WARNS, "positions are file and offset: they do not survive a failover",
     "SET GLOBAL gtid_mode = ON, by the steps of the manual"},
    {"sync_binlog", "1", WARNS,
     "a crash of the server's machine may take transactions from the log that the tables still have: they would not "
     "come",
     "SET GLOBAL sync_binlog = 1; and in the configuration"},
    {"innodb_flush_log_at_trx_commit", "1", WARNS,
     "a crash of the server's machine may take transactions from the tables that the log still has: they would have "
     "come",
     "SET GLOBAL innodb_flush_log_at_trx_commit = 1; and in the configuration"},
};

static void check_setting(struct check *check, const struct setting *setting)
{
    struct cdc_error error = {0};
    char *value = my_server_variable(check->mysql, setting->name, &error);
    if (!value) {
        problem(check, error.text, "see the message");
        return;
    }
    if (!*value || strcasecmp(value, setting->good) == 0) {
        if (*value)
            cdc_log(check->log, CDC_LOG_INFO, "ok: %s is %s", setting->name, value);
    } else {
        check->problems += setting->weight == STOPS;
        cdc_log(check->log, setting->weight == STOPS ? CDC_LOG_ERROR : CDC_LOG_WARNING, "%s is %s: %s (hint: %s)",
                setting->name, value, setting->why, setting->cure);
    }
    free(value);
}

static int64_t number_of(struct check *check, const char *name)
{
    struct cdc_error error = {0};
    char *value = my_server_variable(check->mysql, name, &error);
    int64_t number = value && *value ? (int64_t)strtod(value, NULL) : -1;
    free(value);
    return number;
}

static void check_retention(struct check *check)
{
    int64_t seconds = number_of(check, "binlog_expire_logs_seconds"), days = number_of(check, "expire_logs_days");
    int64_t kept = seconds > 0 ? seconds : days > 0 ? days * DAY_SECONDS : 0;
    if (kept == 0)
        cdc_log(check->log, CDC_LOG_INFO, "ok: the log is kept until it is purged by hand");
    else if (kept < DAY_SECONDS)
        cdc_log(check->log, CDC_LOG_WARNING,
                "the log is kept for %lld s: a pipe that stands still for longer loses its place (hint: SET GLOBAL "
                "binlog_expire_logs_seconds = 604800;)",
                (long long)kept);
    else
        cdc_log(check->log, CDC_LOG_INFO, "ok: the log is kept for %lld days", (long long)(kept / DAY_SECONDS));
}

static void check_filters(struct check *check)
{
    bool renamed = check->server.flavor == MY_FLAVOR_MYSQL && check->server.version >= 80200;
    MYSQL_RES *result = ask(check, renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (row && mysql_num_fields(result) >= 4 && ((row[2] && *row[2]) || (row[3] && *row[3])))
        problem(check, "binlog_do_db or binlog_ignore_db leave changes out of the log",
                "take them out of the server's configuration, or read only databases that are logged");
    mysql_free_result(result);
}

/* A replica logs what it replicates only when told so. */
static void check_replica(struct check *check)
{
    bool renamed = check->server.flavor == MY_FLAVOR_MYSQL && check->server.version >= 80022;
    struct cdc_error error = {0};
    MYSQL_RES *result =
        my_session_query(check->mysql, renamed ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS", "", &error);
    bool replica = result && mysql_num_rows(result) > 0;
    mysql_free_result(result);
    char *logged = my_server_variable(check->mysql, "log_slave_updates", &error);
    if (logged && !*logged) {
        free(logged);
        logged = my_server_variable(check->mysql, "log_replica_updates", &error);
    }
    if (replica && logged && strcasecmp(logged, "ON") != 0)
        problem(check, "the server is a replica and does not log what it replicates",
                "put log_replica_updates (log_slave_updates) into its configuration, and start it again");
    free(logged);
}

/* Documents are put together again from the old row, when it has them. */
static void check_partial_json(struct check *check)
{
    static const char cure[] =
        "SET GLOBAL binlog_row_value_options = ''; and in the configuration; sessions must reconnect";
    struct cdc_error error = {0};
    char *options = my_server_variable(check->mysql, "binlog_row_value_options", &error);
    char *image = my_server_variable(check->mysql, "binlog_row_image", &error);
    if (options && image && strstr(options, "PARTIAL_JSON")) {
        if (strcasecmp(image, "FULL") != 0)
            problem(check,
                    "binlog_row_value_options is PARTIAL_JSON, and old rows lack the documents: the first such "
                    "update stops the reader",
                    cure);
        else
            cdc_log(check->log, CDC_LOG_WARNING,
                    "binlog_row_value_options is PARTIAL_JSON: a session with another binlog_row_image stops the "
                    "reader (hint: %s)",
                    cure);
    }
    free(options);
    free(image);
}

/* Of two readers with one number the server sends the older away. Those that do not register, as mysql-binlog does not,
 * are not listed anywhere with their number. */
static void check_reader_id(struct check *check)
{
    bool renamed = check->server.flavor == MY_FLAVOR_MYSQL && check->server.version >= 80022;
    struct cdc_error error = {0};
    int listed = 0, same = 0;
    uint32_t another = (check->replica_id ^ UINT32_C(0x10000)) | 1;
    if (number_of(check, "server_id") == (int64_t)check->replica_id)
        cdc_log(check->log, CDC_LOG_WARNING, "the server itself has server_id %u (hint: --server-id %u)",
                check->replica_id, another);
    MYSQL_RES *result = my_session_query(check->mysql, renamed ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS",
                                         "cannot ask for the replicas' server_id", &error);
    for (MYSQL_ROW row; result && (row = mysql_fetch_row(result)) != NULL; listed++)
        same += row[0] && strtoul(row[0], NULL, 10) == check->replica_id;
    if (!result)
        cdc_log(check->log, CDC_LOG_INFO, "%s (hint: GRANT REPLICATION %s ON *.* TO the user)", error.text,
                check->server.flavor == MY_FLAVOR_MARIADB ? "MASTER ADMIN" : "SLAVE");
    else if (same > 0) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "a replica of the server has server_id %u: of two the server sends the older away (hint: --server-id "
                "%u, or another that SHOW %s does not list)",
                check->replica_id, another, renamed ? "REPLICAS" : "SLAVE HOSTS");
    } else
        cdc_log(check->log, CDC_LOG_INFO,
                "ok: none of %d replicas has server_id %u; readers that do not register are not listed", listed,
                check->replica_id);
    mysql_free_result(result);
}

/* -- privileges ------------------------------------------------------------------------- */

/* Do the grants on *.* hold one of the names? */
static bool granted(char *const *grants, size_t n, const char *a, const char *b)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(grants[i], " ON *.* ") &&
            (strstr(grants[i], "ALL PRIVILEGES") || strstr(grants[i], a) || (b && strstr(grants[i], b))))
            return true;
    return false;
}

static void check_grants(struct check *check, char *const *grants, size_t n)
{
    bool mariadb = check->server.flavor == MY_FLAVOR_MARIADB;
    const char *cure = mariadb ? "GRANT REPLICATION SLAVE, BINLOG MONITOR, SELECT ON *.* TO the user"
                               : "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO the user";
    if (!granted(grants, n, "REPLICATION SLAVE", "REPLICATION REPLICA"))
        problem(check, "the user lacks REPLICATION SLAVE: the log cannot be read", cure);
    else if (!granted(grants, n, mariadb ? "BINLOG MONITOR" : "REPLICATION CLIENT", "SUPER"))
        problem(check,
                mariadb ? "the user lacks BINLOG MONITOR: the end of the log cannot be asked for"
                        : "the user lacks REPLICATION CLIENT: the end of the log cannot be asked for",
                cure);
    else
        cdc_log(check->log, CDC_LOG_INFO, "ok: the user may read the log");
}

static void check_privileges(struct check *check)
{
    MYSQL_RES *result = ask(check, "SHOW GRANTS");
    if (!result)
        return;
    size_t n = 0, room = (size_t)mysql_num_rows(result);
    char **grants = calloc(room + 1, sizeof *grants);
    for (MYSQL_ROW row; grants && n < room && (row = mysql_fetch_row(result)) != NULL;)
        if (row[0] && (grants[n] = strdup(row[0])) != NULL)
            n++;
    if (grants)
        check_grants(check, grants, n);
    for (size_t i = 0; i < n; i++)
        free(grants[i]);
    free(grants);
    mysql_free_result(result);
}

/* -- tables ------------------------------------------------------------------------------ */

static bool is_selected(const struct cdc_selection *selection, const char *db, const char *table)
{
    return db && table && cdc_selection_has_table(selection, db, table);
}

static void check_cascades(struct check *check)
{
    struct cdc_error error = {0};
    int n = my_cascades_list(check->mysql, &check->server, check->selection, check->log, CDC_LOG_ERROR, &error);
    if (n < 0)
        problem(check, error.text, "see the message");
    else
        check->problems += n;
}

static void check_keys(struct check *check)
{
    /* Not by TABLE_CONSTRAINTS: it hides tables on which one may only SELECT. */
    MYSQL_RES *result = ask(check, "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, (SELECT count(*) FROM "
                                   "information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND "
                                   "c.TABLE_NAME = t.TABLE_NAME AND c.COLUMN_KEY = 'PRI') FROM "
                                   "information_schema.TABLES t WHERE t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM "
                                   "VERSIONED') ORDER BY 1, 2");
    int selected = 0, keyless = 0;
    for (MYSQL_ROW row; result && (row = mysql_fetch_row(result)) != NULL;) {
        if (!is_selected(check->selection, row[0], row[1]))
            continue;
        selected++;
        if (row[2] && strcmp(row[2], "0") == 0 && ++keyless <= MAX_TABLES_NAMED)
            cdc_log(check->log, CDC_LOG_WARNING,
                    "table %s.%s has no primary key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD "
                    "PRIMARY KEY)",
                    row[0], row[1]);
    }
    if (result && selected == 0)
        problem(check, "no table is selected", "look at -t, -T, the URL's database, and the user's privileges");
    else if (result)
        cdc_log(check->log, CDC_LOG_INFO, "ok: %d tables selected, %d without a primary key", selected, keyless);
    mysql_free_result(result);
}

/* MariaDB: changes of such a table, which -T cannot leave out, are logged as statements. */
static void check_versions(struct check *check)
{
    if (check->server.flavor != MY_FLAVOR_MARIADB)
        return;
    MYSQL_RES *result = ask(check, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS WHERE "
                                   "GENERATION_EXPRESSION = 'ROW END' AND DATA_TYPE = 'bigint' ORDER BY 1, 2");
    for (MYSQL_ROW row; result && (row = mysql_fetch_row(result)) != NULL;) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "table %s.%s: its versions are told apart by transactions, and its changes logged as statements (hint: "
                "give it a period of two TIMESTAMP(6) columns; leaving it out with -T does not help)",
                row[0], row[1]);
    }
    mysql_free_result(result);
}

/* -- all of it ----------------------------------------------------------------------------- */

static void check_all(struct check *check)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        check_setting(check, &settings[i]);
    check_privileges(check);
    check_retention(check);
    check_filters(check);
    check_replica(check);
    check_partial_json(check);
    check_reader_id(check);
    check_cascades(check);
    check_versions(check);
    check_keys(check);
}

int my_check(const struct my_session_settings *connection, const struct cdc_selection *selection, uint32_t replica_id,
             const struct cdc_log *log, struct cdc_error *error)
{
    struct check check = {.selection = selection, .log = log, .replica_id = replica_id};
    struct cdc_error unreadable = {0};
    check.mysql = my_session_connect(connection, error);
    if (!check.mysql)
        return -1;
    (void)my_server_read(check.mysql, &check.server, &unreadable); /* what is wrong is found below, by name */
    check_all(&check);
    mysql_close(check.mysql);
    if (check.problems == 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "%d finding%s would stop the pipe or lose rows", check.problems,
                         check.problems == 1 ? "" : "s");
}
