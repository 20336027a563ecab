/* SPDX-License-Identifier: MIT */
/* --check: what would make the pipe stop or lose rows, each finding with its cure. */
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/internal.h"
#include "connectors/mysql/scan/condition.h"
#include "connectors/mysql/schema/cascades.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/logged.h"
#include "connectors/mysql/schema/unmatched.h"
#include "connectors/mysql/session/grants.h"
#include "connectors/mysql/session/replication.h"
#include "connectors/mysql/session/session.h"

#include <cdc/json.h>
#include <cdc/table_texts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_SECONDS 86400
#define MAX_TABLES_NAMED 50

struct check {
    struct cdc_selection selection;
    const struct cdc_log *log;
    MYSQL *mysql;
    struct my_server server;
    uint32_t replica_id;
    const struct cdc_option_list *where; /* of a snapshot; NULL */
    bool snapshot;                       /* is the snapshot checked, or the stream? */
    bool whole_images;                   /* binlog_row_image=FULL */
    int partial;                         /* tables that are read in part, without whole images */
    struct cdc_findings *report;
    int problems; /* that stop the pipe or lose rows */
    bool log_off;
    int status; /* the exit status: that of the worst one */
};

/* -- what is found ------------------------------------------------------------------------- */

/* What stops the pipe or loses rows is an error, and counts; other findings are warnings, or what could not be known. code: see
 * cdc/findings.h. */
static void finding(struct check *check, enum cdc_log_level level, const char *code, const char *cure,
                    const char *format, ...) CDC_PRINTF(5, 6);
static void finding(struct check *check, enum cdc_log_level level, const char *code, const char *cure,
                    const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    check->problems += level == CDC_LOG_ERROR;
    if (level == CDC_LOG_ERROR && check->status < CDC_EXIT_CONFIG)
        check->status = CDC_EXIT_CONFIG;
    cdc_log_write(check->log, level, "%s (hint: %s)", text, cure);
    cdc_findings_add(check->report, level, code, NULL, text, cure);
}

/* RETURNS NEW; "" where the server has no such variable; NULL where it cannot be asked. */
static char *variable(struct check *check, const char *name)
{
    struct cdc_error ignored = {0};
    return my_server_variable(check->mysql, name, &ignored);
}

static int64_t number_of(struct check *check, const char *name)
{
    char *value = variable(check, name);
    int64_t number = value && *value ? (int64_t)strtod(value, NULL) : -1;
    free(value);
    return number;
}

/* SHOW REPLICA STATUS and the like were named SHOW SLAVE STATUS once. */
static bool is_since(const struct check *check, unsigned version)
{
    return check->server.flavor == MY_FLAVOR_MYSQL && check->server.version >= version;
}

/* -- settings -------------------------------------------------------------------------- */

static const struct setting {
    const char *name, *good; /* "" of good: must be empty; a variable that the server has not is good */
    enum cdc_log_level level;
    const char *why, *cure;
} settings[] = {
    {"log_bin", "ON", CDC_LOG_ERROR, "the server writes no binary log",
     "put log_bin and server_id into its configuration, [mysqld], and start it again"},
    {"binlog_format", "ROW", CDC_LOG_ERROR, "changes are logged as statements",
     "SET GLOBAL binlog_format = ROW; and in the configuration; sessions must reconnect"},
    {"binlog_row_image", "FULL", CDC_LOG_WARNING,
     "rows are logged in part: the rest comes as \"unchanged\", old rows lack it, and defaults of new ones may be "
     "missing",
     "SET GLOBAL binlog_row_image = FULL;"},
    {"binlog_row_metadata", "FULL", CDC_LOG_WARNING,
     "the log does not name columns: they are taken from information_schema where that is safe, else the reader stops",
     "SET GLOBAL binlog_row_metadata = FULL; and in the configuration"},
    {"gtid_mode", "ON", CDC_LOG_WARNING, "positions are file and offset: they do not survive a failover",
     "SET GLOBAL gtid_mode = ON, by the steps of the manual"},
    {"sync_binlog", "1", CDC_LOG_WARNING,
     "a crash of the server's machine may take transactions from the log that the tables still have: they would not "
     "come",
     "SET GLOBAL sync_binlog = 1; and in the configuration"},
    {"innodb_flush_log_at_trx_commit", "1", CDC_LOG_WARNING,
     "a crash of the server's machine may take transactions from the tables that the log still has: they would have "
     "come",
     "SET GLOBAL innodb_flush_log_at_trx_commit = 1; and in the configuration"},
};

static void check_setting(struct check *check, const struct setting *setting)
{
    struct cdc_error error = {0};
    char *value = my_server_variable(check->mysql, setting->name, &error);
    if (!value)
        finding(check, CDC_LOG_ERROR, setting->name, "see the message", "%s", error.text);
    else if (*value && strcasecmp(value, setting->good) == 0)
        cdc_log_write(check->log, CDC_LOG_INFO, "ok: %s is %s", setting->name, value);
    else if (*value)
        finding(check, setting->level, setting->name, setting->cure, "%s is %s: %s", setting->name, value,
                setting->why);
    free(value);
}

static void check_settings(struct check *check)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        check_setting(check, &settings[i]);
}

static void check_log(struct check *check)
{
    struct cdc_error off = {0};
    char *on = check->log_off ? variable(check, "log_bin") : NULL;
    bool off_by_itself = on && strcasecmp(on, "ON") == 0;
    free(on);
    if (!off_by_itself)
        return;
    my_session_log_off_error(&off, CDC_EXIT_CONFIG);
    finding(check, CDC_LOG_ERROR, "log_off", "its error log says why; start the server again, and take a new snapshot",
            "%s", off.text);
}

static void check_cluster(struct check *check)
{
    struct cdc_error ignored = {0};
    enum my_cluster cluster = MY_CLUSTER_NONE;
    if (check->server.flavor == MY_FLAVOR_MARIADB && my_server_cluster(check->mysql, &cluster, &ignored) == 0 &&
        cluster == MY_CLUSTER_OWN_GTIDS)
        finding(check, CDC_LOG_WARNING, "wsrep_gtid_mode",
                "SET GLOBAL wsrep_gtid_mode = ON; and in the configuration, on all nodes, with one "
                "wsrep_gtid_domain_id",
                "wsrep_gtid_mode is OFF: each node of the Galera cluster has GTIDs of its own, and a position of one "
                "is of no use at another");
}

/* By size, whatever the time: max_binlog_total_size is MariaDB's since 11.4. Files that a connected reader is at are spared. */
static bool is_kept_by_size(struct check *check)
{
    int64_t bytes = number_of(check, "max_binlog_total_size");
    if (bytes > 0)
        finding(check, CDC_LOG_WARNING, "retention",
                "SET GLOBAL max_binlog_total_size = 0; or more than is logged while the pipe may stand still",
                "the log is kept up to %lld bytes: a pipe that stands still while more is written loses its position",
                (long long)bytes);
    return bytes > 0;
}

static void check_retention(struct check *check)
{
    int64_t seconds = number_of(check, "binlog_expire_logs_seconds"), days = number_of(check, "expire_logs_days");
    int64_t kept = seconds > 0 ? seconds : days > 0 ? days * DAY_SECONDS : 0;
    bool by_size = is_kept_by_size(check);
    if (kept != 0 && kept < DAY_SECONDS)
        finding(check, CDC_LOG_WARNING, "retention", "SET GLOBAL binlog_expire_logs_seconds = 604800;",
                "the log is kept for %lld s: a pipe that stands still for longer loses its position", (long long)kept);
    else if (kept != 0)
        cdc_log_write(check->log, CDC_LOG_INFO, "ok: the log is kept for %lld days", (long long)(kept / DAY_SECONDS));
    else if (!by_size)
        cdc_log_write(check->log, CDC_LOG_INFO, "ok: the log is kept until it is purged by hand");
}

static void check_logged(struct check *check)
{
    struct cdc_error error = {0}, warning;
    if (my_logged_check(check->mysql, &check->server, &check->selection, &warning, &error) < 0)
        finding(check, CDC_LOG_ERROR, "not_logged", error.hint[0] ? error.hint : "see the message", "%s", error.text);
    else if (warning.status != 0)
        finding(check, CDC_LOG_WARNING, "logged_by_session", warning.hint, "%s", warning.text);
}

/* Documents are put together again from the old row, when it has them. */
static void check_partial_json(struct check *check)
{
    static const char cure[] =
        "SET GLOBAL binlog_row_value_options = ''; and in the configuration; sessions must reconnect";
    char *options = variable(check, "binlog_row_value_options"), *image = variable(check, "binlog_row_image");
    bool partial = options && image && strstr(options, "PARTIAL_JSON");
    if (partial && strcasecmp(image, "FULL") != 0)
        finding(check, CDC_LOG_ERROR, "partial_json", cure,
                "binlog_row_value_options is PARTIAL_JSON, and old rows lack the documents: the first such update "
                "stops the reader");
    else if (partial)
        finding(check, CDC_LOG_WARNING, "partial_json", cure,
                "binlog_row_value_options is PARTIAL_JSON: a session with another binlog_row_image stops the reader");
    free(options);
    free(image);
}

/* -- our server_id --------------------------------------------------------------------------- */

/* How many replicas are listed, and how many of them under our server_id; -1 when that may not be asked, which is said. */
static int count_replicas(struct check *check, int *same)
{
    struct cdc_error error = {0};
    int listed = 0;
    MYSQL_RES *result = my_session_query(check->mysql, is_since(check, 80022) ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS",
                                         "cannot ask for the replicas' server_id", &error);
    if (!result) {
        bool mariadb = check->server.flavor == MY_FLAVOR_MARIADB;
        finding(check, CDC_LOG_INFO, "replicas",
                mariadb ? "GRANT REPLICATION MASTER ADMIN ON *.* TO the user"
                        : "GRANT REPLICATION SLAVE ON *.* TO the user",
                "%s", error.text);
        return -1;
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL; listed++)
        *same += row[0] && strtoul(row[0], NULL, 10) == check->replica_id;
    mysql_free_result(result);
    return listed;
}

/* Of two replicas with one server_id the server sends the older away. Those that do not register, as mysql-binlog does
 * not, are not listed anywhere. */
static void check_replica_id(struct check *check)
{
    char cure[128];
    int same = 0;
    /* Some other number, the same at each call; not 0, which is none. */
    uint32_t another = (check->replica_id ^ UINT32_C(0x10000)) | 1;
    snprintf(cure, sizeof cure, "--server-id %u", another);
    if (number_of(check, "server_id") == (int64_t)check->replica_id)
        finding(check, CDC_LOG_WARNING, "server_id", cure, "the server itself has server_id %u", check->replica_id);
    int listed = count_replicas(check, &same);
    snprintf(cure, sizeof cure, "--server-id %u, or another that SHOW %s does not list", another,
             is_since(check, 80022) ? "REPLICAS" : "SLAVE HOSTS");
    if (same > 0)
        finding(check, CDC_LOG_ERROR, "server_id", cure,
                "a replica of the server has server_id %u: of two the server sends the older away", check->replica_id);
    else if (listed >= 0)
        cdc_log_write(check->log, CDC_LOG_INFO,
                      "ok: none of %d replicas has server_id %u; readers that do not register are not listed", listed,
                      check->replica_id);
}

/* -- privileges ------------------------------------------------------------------------- */

static void check_privileges(struct check *check)
{
    struct my_grants grants;
    struct cdc_error error = {0};
    bool mariadb = check->server.flavor == MY_FLAVOR_MARIADB;
    /* MariaDB 10.5 gave REPLICATION CLIENT another name, and GRANT with the old one still works. */
    const char *monitor = mariadb ? "BINLOG MONITOR" : "REPLICATION CLIENT";
    const char *cure = mariadb ? "GRANT REPLICATION SLAVE, BINLOG MONITOR, SELECT ON *.* TO the user"
                               : "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO the user";
    if (my_grants_read(check->mysql, &grants, &error) < 0)
        finding(check, CDC_LOG_ERROR, "privileges", "see the message", "%s", error.text);
    else if (!my_grants_have(&grants, "REPLICATION SLAVE") && !my_grants_have(&grants, "REPLICATION REPLICA"))
        finding(check, CDC_LOG_ERROR, "privileges", cure, "the user lacks REPLICATION SLAVE: the log cannot be read");
    else if (!my_grants_have(&grants, monitor) && !my_grants_have(&grants, "SUPER"))
        finding(check, CDC_LOG_ERROR, "privileges", cure, "the user lacks %s: the end of the log cannot be asked for",
                monitor);
    else
        cdc_log_write(check->log, CDC_LOG_INFO, "ok: the user may read the log");
    my_grants_free(&grants);
}

/* -- tables ------------------------------------------------------------------------------ */

/* What others say of their own, as "TEXT (hint: CURE)", or without a cure. */
struct told {
    struct check *check;
    const char *code;
};

static void take_told(void *context, enum cdc_log_level level, const char *text)
{
    static const char hint[] = " (hint: ";
    const struct told *told = context;
    const char *at = strstr(text, hint);
    cdc_log_write(told->check->log, level, "%s", text);
    char *what = at ? strndup(text, (size_t)(at - text)) : NULL;
    char *cure = what && at[sizeof hint - 1] ? strndup(at + sizeof hint - 1, strlen(at) - sizeof hint) : NULL;
    cdc_findings_add(told->check->report, level, told->code, NULL, what ? what : text, cure);
    free(what);
    free(cure);
}

static void check_cascades(struct check *check)
{
    struct cdc_error error = {0};
    struct told told = {check, "cascades"};
    const struct cdc_log log = {take_told, &told};
    int n = my_cascades_list(check->mysql, &check->server, &check->selection, &log, CDC_LOG_ERROR, &error);
    if (n < 0)
        finding(check, CDC_LOG_ERROR, "cascades", "see the message", "%s", error.text);
    else
        check->problems += n;
    if (n > 0 && check->status < CDC_EXIT_CONFIG)
        check->status = CDC_EXIT_CONFIG;
}

struct tables {
    struct check *check;
    int selected, keyless;
    struct cdc_buf readable; /* `"d"."t"`, in backticks, each with a NUL: selected, with no column known to be hidden */
    struct cdc_buf names;    /* "Kd\0t\0": the same ones, where there are conditions; K: "k", they have a key, or "-" */
};

/* The first ones, and how many there are in all is said at the end. */
static bool is_named(int *n)
{
    return ++*n <= MAX_TABLES_NAMED;
}

/* See check_engine of the snapshot. */
static void check_engine(struct check *check, const struct my_catalog_table *table)
{
    enum cdc_log_level level = check->snapshot ? CDC_LOG_ERROR : CDC_LOG_WARNING;
    enum my_engine engine = my_catalog_engine(table->engine);
    if (engine == MY_ENGINE_ELSEWHERE)
        finding(check, level, "engine", "exclude it with -T",
                "table %s.%s: the rows of engine %s are not the table's own, and change without a line in the log: "
                "cdc-snapshot refuses it",
                table->db, table->name, table->engine);
    if (engine == MY_ENGINE_LIVE && (!table->has_key || !check->whole_images))
        finding(check, level, "engine", "ALTER TABLE ... ENGINE=InnoDB, or exclude it with -T",
                "table %s.%s: engine %s has no transactions, and %s: cdc-snapshot cannot copy it exactly, and refuses "
                "it",
                table->db, table->name, table->engine,
                table->has_key ? "binlog_row_image is not FULL" : "the table has no key");
}

static void hidden_columns(struct check *check, const char *db, const char *name)
{
    finding(
        check, check->snapshot ? CDC_LOG_ERROR : CDC_LOG_WARNING, "hidden_columns",
        "GRANT SELECT on the whole table to the user, or exclude it with -T",
        "table %s%s%s: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns come as "
        "the log has them",
        db, *db ? "." : "", name);
}

/* A column that the user may not read is not in information_schema: the last ones leave no gap there. The server refuses all
 * columns then, as it does to the snapshot. */
static void check_last_columns(struct check *check, const struct cdc_buf *names)
{
    static const char quick[] = "SET SESSION lock_wait_timeout = 1"; /* who holds a table locked is no finding */
    struct cdc_error ignored = {0};
    if (my_session_execute(check->mysql, quick, "", &ignored) < 0)
        return;
    for (const char *name = names->data; name && name < names->data + names->len; name += strlen(name) + 1) {
        struct cdc_buf sql = CDC_BUF_INIT;
        cdc_buf_lit(&sql, "SELECT * FROM ");
        cdc_buf_text(&sql, name);
        cdc_buf_append(&sql, " LIMIT 0", sizeof " LIMIT 0");
        cdc_error_clear(&ignored);
        if (!sql.failed && my_session_execute(check->mysql, sql.data, "", &ignored) < 0 &&
            ignored.status == CDC_EXIT_PERMISSION)
            hidden_columns(check, "", name);
        cdc_buf_free(&sql);
    }
}

static void check_condition(struct check *check, const char *db, const char *name, bool has_key)
{
    const struct my_table table = {.db = (char *)(uintptr_t)db, .name = (char *)(uintptr_t)name, .has_key = has_key};
    struct cdc_error error = {0};
    char *condition = NULL;
    if (my_condition_make(check->mysql, check->where, &check->selection, &table, &condition, &error) < 0)
        finding(check, CDC_LOG_ERROR, "where", error.hint[0] ? error.hint : "see the message", "%s", error.text);
    else if (condition && !check->whole_images && is_named(&check->partial))
        finding(check, CDC_LOG_ERROR, "where",
                "SET GLOBAL binlog_row_image = FULL; (sessions must reconnect), or read all rows",
                "table %s.%s: --where needs binlog_row_image = FULL: a row that is not read would come in parts with "
                "its next change",
                db, name);
    free(condition);
}

/* See the snapshot's own check_conditions. */
static void check_conditions(struct check *check, const struct cdc_buf *names)
{
    for (size_t i = 0; check->where && i < check->where->count; i++) {
        const struct cdc_option_list one = {&check->where->items[i], 1};
        size_t at = 0;
        bool found = false;
        for (const char *db = names->data; !found && db && db < names->data + names->len; at = 0) {
            const char *name = db + strlen(db) + 1;
            found = cdc_table_texts_next(&one, &at, &check->selection, db + 1, name);
            db = name + strlen(name) + 1;
        }
        if (!found)
            finding(check, cdc_table_texts_is_name(one.items[0]) ? CDC_LOG_ERROR : CDC_LOG_WARNING, "where",
                    "TABLE is database.table, or a table in any database, as with -t",
                    "no table that is read matches --where '%.200s'", one.items[0]);
    }
    for (const char *db = names->data; db && db < names->data + names->len;) {
        const char *name = db + strlen(db) + 1;
        check_condition(check, db + 1, name, *db == 'k');
        db = name + strlen(name) + 1;
    }
}

static void check_columns_of(struct check *check, const char *db, const char *name)
{
    struct cdc_error error = {0};
    struct my_table *table = calloc(1, sizeof *table);
    if (table) {
        table->db = strdup(db);
        table->name = strdup(name);
    }
    if (!table || !table->db || !table->name)
        cdc_error_memory(&error);
    else if (my_catalog_make(check->mysql, check->server.flavor, table, &error) == 0)
        (void)my_table_prepare(table, check->server.flavor, "", &check->selection, &error);
    if (error.status != 0)
        finding(check, CDC_LOG_ERROR, "columns", error.hint[0] ? error.hint : "see the message", "%s", error.text);
    my_table_free(table);
}

/* As snapshot and stream would take the table. */
static void check_columns(struct check *check, const struct cdc_buf *names)
{
    struct cdc_error error = {0};
    struct told told = {check, "columns"};
    const struct cdc_log log = {take_told, &told};
    if (my_unmatched_columns(check->mysql, &check->selection, true, &log, &error) < 0)
        finding(check, CDC_LOG_ERROR, "columns", error.hint[0] ? error.hint : "see the message", "%s", error.text);
    for (const char *db = names->data; db && db < names->data + names->len;) {
        const char *name = db + strlen(db) + 1;
        if (cdc_selection_names_columns(&check->selection, db + 1, name))
            check_columns_of(check, db + 1, name);
        db = name + strlen(name) + 1;
    }
}

static void check_table(void *context, const struct my_catalog_table *table)
{
    struct tables *tables = context;
    struct check *check = tables->check;
    /* -T cannot exclude such a table, since the log does not tell which tables a statement changes. */
    if (table->versions_by_transaction)
        finding(check, CDC_LOG_ERROR, "versions",
                "give it a period of two TIMESTAMP(6) columns; leaving it out with -T does not help",
                "table %s.%s: its versions are told apart by transactions, and its changes logged as statements",
                table->db, table->name);
    if (!cdc_selection_has_table(&check->selection, table->db, table->name))
        return;
    tables->selected++;
    my_facts_table(check->report, table);
    if (!table->has_key && is_named(&tables->keyless))
        finding(check, CDC_LOG_WARNING, "no_key", "ALTER TABLE ... ADD PRIMARY KEY",
                "table %s.%s has no key: sinks cannot find its rows again", table->db, table->name);
    if (table->ambiguous_key)
        finding(check, CDC_LOG_ERROR, "ambiguous_key", "give that label a name, or exclude the table with -T",
                "table %s.%s: a column of its key has a label '', which reads like a value that is none of its labels",
                table->db, table->name);
    check_engine(check, table);
    if (table->hidden)
        hidden_columns(check, table->db, table->name);
    else
        my_session_append_table(&tables->readable, table->db, table->name);
    if (!table->hidden)
        cdc_buf_byte(&tables->readable, '\0');
    if (!table->hidden && ((check->where && check->where->count > 0) || check->selection.columns.count > 0)) {
        cdc_buf_byte(&tables->names, table->has_key ? 'k' : '-');
        cdc_buf_append(&tables->names, table->db, strlen(table->db) + 1);
        cdc_buf_append(&tables->names, table->name, strlen(table->name) + 1);
    }
    if (table->partitioned && !check->snapshot)
        finding(
            check, CDC_LOG_WARNING, "partitions",
            "a pipeline that began with cdc-snapshot heals by itself; for others, exclude it with -T",
            "table %s.%s is partitioned: after an ALTER TABLE ... DROP, TRUNCATE or EXCHANGE PARTITION, which changes "
            "rows "
            "that are not in the log, the table is read again, or the reader ends with 78 where there is no snapshot",
            table->db, table->name);
    if (table->omits)
        finding(check, CDC_LOG_WARNING, "generated_columns", "let the copy compute them",
                "table %s.%s: its generated columns are in no line, for MariaDB does not log what becomes of them",
                table->db, table->name);
}

static void check_tables(struct check *check)
{
    struct tables tables = {.check = check};
    char *image = variable(check, "binlog_row_image");
    check->whole_images = image && (strcasecmp(image, "FULL") == 0 || strcasecmp(image, "FULL_NODUP") == 0);
    free(image);
    struct cdc_error error = {0};
    struct told told = {check, "pattern"};
    const struct cdc_log log = {take_told, &told};
    if (my_unmatched_report(check->mysql, &check->selection, &log, NULL, &error) < 0 ||
        my_catalog_each(check->mysql, check->server.flavor, check_table, &tables, &error) < 0)
        finding(check, CDC_LOG_ERROR, "tables", "see the message", "%s", error.text);
    else if (tables.selected == 0)
        finding(check, CDC_LOG_ERROR, "tables", "look at -t, -T, the URL's database, and the user's privileges",
                "no table is selected");
    else
        cdc_log_write(check->log, CDC_LOG_INFO, "ok: %d table%s selected, %d without a key", tables.selected,
                      tables.selected == 1 ? "" : "s", tables.keyless);
    /* After an answer that could not be read, what comes next may be the rest of it. */
    if (error.status == 0)
        check_last_columns(check, &tables.readable);
    if (error.status == 0 && check->where && check->where->count > 0)
        check_conditions(check, &tables.names);
    if (error.status == 0 && check->selection.columns.count > 0)
        check_columns(check, &tables.names);
    cdc_buf_free(&tables.readable);
    cdc_buf_free(&tables.names);
}

/* -- the position that the pipeline keeps ---------------------------------------------------- */

static bool is_same_server(const struct check *check, struct cdc_span source)
{
    return cdc_json_member_is(source, "server_uuid", check->server.uuid);
}

/* MySQL's GTIDs tell it. A server that lost transactions, or was reset, does not know them all, and a replica may not know them yet.
 * 1, 0, -1 */
static int has_gtids(struct check *check, struct cdc_span source, const char *gtids, struct cdc_error *error)
{
    enum my_replication replication;
    int kept = my_server_is_subset(check->mysql, "@@GLOBAL.gtid_purged", gtids, error);
    int known = kept > 0 ? my_server_is_subset(check->mysql, gtids, "@@GLOBAL.gtid_executed", error) : kept;
    if (kept <= 0 || known != 0 || is_same_server(check, source))
        return known;
    if (my_replication_of(check->mysql, &check->server, gtids, &replication, error) < 0)
        return -1;
    return replication == MY_REPLICATION_NONE ? 0 : -1;
}

/* Of a log whose file was purged: does what is left begin with the transactions that were read? 1, 0, -1 */
static int begins_after(struct check *check, struct cdc_span source, struct cdc_error *error)
{
    struct my_coord oldest;
    char *gtids = NULL, *head = NULL;
    if (check->server.flavor != MY_FLAVOR_MARIADB)
        return 0;
    int found = my_server_oldest(check->mysql, &check->server, &oldest, &gtids, error);
    if (found == 0)
        found = my_server_gtids_at(check->mysql, &oldest, &head, error);
    char *ours = found > 0 ? cdc_json_member_text(source, "gtids") : NULL;
    int result = ours ? my_gtid_set_same(check->server.flavor, ours, head, error) : -1;
    free(gtids);
    free(head);
    free(ours);
    return result;
}

/* 1: the log still has what comes after it; 0; -1 where that cannot be said from here: at the start it is looked into. */
static int is_in_log(struct check *check, struct cdc_span source, struct cdc_error *error)
{
    struct my_coord coord = {.file = ""};
    enum my_standing standing;
    int64_t at = 0;
    int kept = -1;
    if (check->server.flavor == MY_FLAVOR_MYSQL && check->server.gtid) {
        char *gtids = cdc_json_member_text(source, "gtids");
        kept = gtids && *gtids ? has_gtids(check, source, gtids, error) : -1;
        free(gtids);
    }
    if (kept == 0 || !is_same_server(check, source) ||
        !cdc_json_member_copy(source, "file", coord.file, sizeof coord.file) ||
        !cdc_json_int64(cdc_json_member(source, "pos"), &at) ||
        (coord.position = (uint64_t)at, my_server_find(check->mysql, &coord, &standing, error) < 0))
        return kept;
    if (kept > 0) /* GTIDs come again where a crash, or a RESET, has taken back what had them */
        return standing != MY_STANDS_NOWHERE;
    return standing == MY_STANDS_BEFORE ? begins_after(check, source, error) : standing == MY_STANDS_IN_FILE;
}

static bool stands(struct check *check, const struct cdc_offset *position)
{
    struct cdc_error ignored = {0};
    return is_in_log(check, cdc_span_text(position->source ? position->source : "{}"), &ignored) != 0;
}

static const char anew[] =
    "take a new snapshot: remove the offset files of the pipeline and the copies, and start again";

/* Others may be ahead of the smallest one, with what a crash, or a failover, has taken back. */
static void check_sinks(struct check *check, const struct cdc_acks *acks, const char *smallest)
{
    for (size_t i = 0; acks && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *sink = cdc_acks_offset(acks, i);
        if (!sink || !sink->pos || strcmp(sink->pos, smallest) <= 0 || stands(check, sink))
            continue;
        finding(check, CDC_LOG_ERROR, "position", anew,
                "the sink of \"%.200s\" has stored transactions that the server does not have (up to %.80s)",
                cdc_acks_path(acks, i), sink->pos);
        check->status = CDC_EXIT_LOST;
    }
}

static void check_position(struct check *check, const struct my_check_known *known)
{
    const struct cdc_offset *position = &known->position;
    if (stands(check, position)) {
        check_sinks(check, known->acks, position->pos);
        return;
    }
    finding(check, CDC_LOG_ERROR, "position", anew,
            "the log no longer has what comes after the position that the pipeline keeps (%.80s)", position->pos);
    check->status = CDC_EXIT_LOST;
}

/* The start would end with that. */
static void refuse_start(struct check *check, const struct cdc_error *why)
{
    finding(check, CDC_LOG_ERROR, "position", why->hint[0] ? why->hint : "see the message", "%s", why->text);
    if (why->status > check->status || cdc_error_is_transient(why))
        check->status = why->status;
}

/* -- all of it ----------------------------------------------------------------------------- */

static void (*const checks[])(struct check *) = {
    check_settings, check_log,          check_cluster,    check_privileges, check_retention,
    check_logged,   check_partial_json, check_replica_id, check_cascades,   check_tables,
};

int my_check(const struct my_session_settings *connection, const struct cdc_selection *selection,
             const struct my_check_known *known, const struct cdc_log *log, struct cdc_error *error)
{
    struct check check = {.selection = *selection,
                          .snapshot = known->where != NULL,
                          .where = known->where,
                          .log = log,
                          .replica_id = known->replica_id,
                          .report = known->report};
    struct cdc_error unreadable = {0};
    check.mysql = my_session_connect(connection, error);
    if (!check.mysql)
        return -1;
    (void)my_server_read(check.mysql, &check.server, &unreadable); /* what is wrong is found below, by name */
    check.selection.any_case = check.server.lower_case_names;
    check.log_off = my_facts_server(check.report, check.mysql, &check.server, known);
    if (known->error.status != 0)
        refuse_start(&check, &known->error);
    else if (known->position.pos)
        check_position(&check, known);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](&check);
    mysql_close(check.mysql);
    if (check.problems == 0)
        return 0;
    return cdc_error_set(error, check.status, "%d finding%s would stop the pipe or lose rows", check.problems,
                         check.problems == 1 ? "" : "s");
}
