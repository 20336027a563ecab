/* SPDX-License-Identifier: MIT */
/* --check of a server that is a table of answers: each finding, with its weight and cure, and nothing else. */
#include "connectors/mysql/mysql.h"
#include "tests/unit/difference.h"
#include "tests/unit/fake-mysql.h"

static size_t failures;

#define V(name, value)                                                                                                 \
    {                                                                                                                  \
        "'" name "'", 2, name "|" value, false                                                                         \
    }
#define A(to, columns, rows)                                                                                           \
    {                                                                                                                  \
        to, columns, rows, false                                                                                       \
    }
#define TABLES(rows) A("TABLE_ROWS", 6, rows)
#define NAMES(rows) A("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES", 2, rows)
/* Of one table, with one column. */
#define COLUMNS_OF(name, type, key, extra, rights, ordinal, table)                                                     \
    A("TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS", 17,                                                  \
      name "|" type "|" type "|~|~|~|10|0|~|NO|" key "|" extra "|~|" rights "|" ordinal "|d|" table)
#define TABLE_T "d|t|2|InnoDB|2026-11-21|"

static const struct fake_answer mariadb[] = {A("VERSION()", 1, "10.11.6-MariaDB"),
                                             V("gtid_domain_id", "0"),
                                             A("CONCAT(@@server_id", 1, "1/host:3306"),
                                             A("Slaves_running", 2, "Slaves_running|0"),
                                             {NULL, 0, NULL, false}};
static const struct fake_answer mysql8[] = {A("VERSION()", 1, "8.0.35"),
                                            V("gtid_mode", "ON"),
                                            A("'gtid_domain_id'", 2, ""),
                                            V("server_uuid", "u"),
                                            {NULL, 0, NULL, false}};
static const struct fake_answer mysql9[] = {A("VERSION()", 1, "9.7.0"),
                                            V("gtid_mode", "ON"),
                                            A("'gtid_domain_id'", 2, ""),
                                            V("server_uuid", "u"),
                                            {NULL, 0, NULL, false}};
static const struct fake_answer common[] = {V("log_bin", "ON"),
                                            V("binlog_format", "ROW"),
                                            V("binlog_row_image", "FULL"),
                                            V("binlog_row_metadata", "FULL"),
                                            V("sync_binlog", "1"),
                                            V("innodb_flush_log_at_trx_commit", "1"),
                                            V("binlog_checksum", "NONE"),
                                            V("lower_case_table_names", "0"),
                                            V("binlog_expire_logs_seconds", "2592000"),
                                            V("server_id", "7"),
                                            V("log_slave_updates", "ON"),
                                            A("SHOW GLOBAL VARIABLES", 2, ""),
                                            A("SHOW GRANTS", 1, "GRANT ALL PRIVILEGES ON *.* TO u"),
                                            A("SHOW MASTER STATUS", 4, "b.000007|900||"),
                                            A("SHOW BINARY LOG STATUS", 4, "b.000007|900||"),
                                            A("SHOW SLAVE STATUS", 3, ""),
                                            A("SHOW REPLICA STATUS", 3, ""),
                                            A("SHOW SLAVE HOSTS", 3, "8|x|x"),
                                            A("SHOW REPLICAS", 3, "8|x|x"),
                                            A("SHOW CREATE TABLE", 2, "t|CREATE TABLE t"),
                                            TABLES(TABLE_T),
                                            NAMES("d|t"),
                                            COLUMNS_OF("id", "int", "PRI", "", "select", "1", "t"),
                                            A("SELECT * FROM", 2, ""),
                                            A("SET ", 0, NULL),
                                            {NULL, 0, NULL, false}};

static struct cdc_buf told;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    static const char *const names[] = {
        [CDC_LOG_ERROR] = "error", [CDC_LOG_WARNING] = "warning", [CDC_LOG_INFO] = "info", [CDC_LOG_DEBUG] = "debug"};
    (void)context;
    cdc_buf_printf(&told, "#%s: %s\n", names[level], message);
}
static const struct cdc_log log_to = {.write = keep_message};

struct run {
    const char *options;
    struct fake_answer answers[4]; /* and an end */
    const char *want;              /* what is another message, question or result */
};

static bool opts(const struct run *run, const char *word)
{
    return strstr(run->options, word) != NULL;
}

static const char *patterns[] = {"d.*", "d.none"}, *others[] = {"d.x*"};

static void work(const struct run *run, struct cdc_buf *out)
{
    struct cdc_error error = {0};
    struct fake_answer all[64];
    const struct fake_answer *flavor = opts(run, "mysql8") ? mysql8 : opts(run, "mysql9") ? mysql9 : mariadb;
    size_t n = 0;
    for (size_t i = 0; flavor[i].to; i++)
        all[n++] = flavor[i];
    for (size_t i = 0; common[i].to; i++)
        all[n++] = common[i];
    all[n] = (struct fake_answer){0};
    fake.answers = all;
    fake.first = run->answers;
    fake.sessions = 0;
    fake.said.len = told.len = 0;
    fake.fault = opts(run, "unreachable") ? FAKE_REFUSES : FAKE_SOUND;
    fake.fault_at = 1;
    fake.met = 0;
    const struct my_session_settings settings = {.url = "mysql://u:p@127.0.0.1/d", .tool = "test"};
    const struct cdc_selection selection = {.include = {.items = patterns, .count = opts(run, "-t") ? 2 : 1},
                                            .exclude = {.items = others, .count = opts(run, "-T") ? 1 : 0}};
    static const struct cdc_option_list no_where = {NULL, 0};
    const struct my_check_known known = {.where = opts(run, "snapshot") ? &no_where : NULL,
                                         .replica_id = opts(run, "same")    ? 7
                                                       : opts(run, "eight") ? 8
                                                                            : 5};
    int result = my_check(&settings, &selection, &known, &log_to, &error);
    cdc_buf_append_buf(out, &told);
    cdc_buf_printf(out, "#%d: %d %s (%s)\n", result, error.status, error.text, error.hint);
    cdc_buf_append_buf(out, &fake.said);
    for (size_t i = 0; i < sizeof fake_sessions / sizeof *fake_sessions; i++)
        if (fake_sessions[i].mysql)
            cdc_buf_printf(out, "#session %u is left open\n", fake_sessions[i].number);
}

static void check_run(const struct run *run, const struct cdc_buf *base, size_t number)
{
    struct cdc_buf out = CDC_BUF_INIT, got = CDC_BUF_INIT;
    work(run, &out);
    text_difference(&got, base, &out);
    bool good = cdc_span_is(cdc_span(got.data, got.len), run->want);
    failures += !good;
    printf("%sok - %zu: %s|%s|%s\n", good ? "" : "not ", number, run->options,
           run->answers[0].to ? run->answers[0].to : "", run->answers[0].rows ? run->answers[0].rows : "");
    if (!good)
        printf("@@%zu\n%.*s@@\n", number, (int)got.len, got.data ? got.data : "");
    cdc_buf_free(&out);
    cdc_buf_free(&got);
}

static const struct run runs[] = {
    {"",
     {},
     "+#info: ok: log_bin is ON\n"
     "+#info: ok: binlog_format is ROW\n"
     "+#info: ok: binlog_row_image is FULL\n"
     "+#info: ok: binlog_row_metadata is FULL\n"
     "+#info: ok: sync_binlog is 1\n"
     "+#info: ok: innodb_flush_log_at_trx_commit is 1\n"
     "+#info: ok: the user may read the log\n"
     "+#info: ok: the log is kept for 30 days\n"
     "+#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#info: ok: 1 table selected, 0 without a key\n"
     "+#0: 0  ()\n"
     "+1 connects\n"
     "+1 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SE ... gipk_in_create_table_and_information_schema = ON*/\n"
     "+1 SELECT VERSION()\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names'\n"
     "+1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_image'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'sync_binlog'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'innodb_flush_log_at_trx_commit'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "+1 SHOW GRANTS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_expire_logs_seconds'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'expire_logs_days'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'max_binlog_total_size'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'log_slave_updates'\n"
     "+1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_value_options'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_image'\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_id'\n"
     "+1 SHOW SLAVE HOSTS\n"
     "+1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "+1 SHOW CREATE TABLE `d`.`t`\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_image'\n"
     "+1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "+1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFN ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "+1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHAR ... ARY), CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION\n"
     "+1 SET SESSION lock_wait_timeout = 1\n"
     "+1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"mysql8",
     {},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"mysql9",
     {},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW SLAVE HOSTS\n"
     "-1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "-1 more\n"
     "+1 SHOW REPLICAS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'\n"},
    {"unreachable",
     {},
     "-#info: ok: log_bin is ON\n"
     "-#info: ok: binlog_format is ROW\n"
     "-9 more\n"
     "+#-1: 69 unable to connect to 127.0.0.1:3306: refused by the test ()\n"
     "-1 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SE ... gipk_in_create_table_and_information_schema = ON*/\n"
     "-1 SELECT VERSION()\n"
     "-34 more\n"},
    /* settings */
    {"",
     {V("log_bin", "OFF"), V("binlog_format", "MIXED"), V("binlog_row_image", "MINIMAL")},
     "-#info: ok: log_bin is ON\n"
     "-#info: ok: binlog_format is ROW\n"
     "-1 more\n"
     "+#error: log_bin is OFF: the server writes no binary log (hint: put log_bin and server_id into its "
     "configuration, [mysqld], and start it again)\n"
     "+#error: binlog_format is MIXED: changes are logged as statements (hint: SET GLOBAL binlog_format = ROW; and in "
     "the configuration; sessions must reconnect)\n"
     "+#warning: binlog_row_image is MINIMAL: rows are logged in part: the rest comes as \"unchanged\", old rows lack "
     "it, and defaults of new ones may be missing (hint: SET GLOBAL binlog_row_image = FULL;)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
     "-3 more\n"},
    {"",
     {V("binlog_row_metadata", "MINIMAL"), V("sync_binlog", "0"), V("innodb_flush_log_at_trx_commit", "2")},
     "-#info: ok: binlog_row_metadata is FULL\n"
     "-#info: ok: sync_binlog is 1\n"
     "-1 more\n"
     "+#warning: binlog_row_metadata is MINIMAL: the log does not name columns: they are taken from information_schema "
     "where that is safe, else the reader stops (hint: SET GLOBAL binlog_row_metadata = FULL; and in the "
     "configuration)\n"
     "+#warning: sync_binlog is 0: a crash of the server's machine may take transactions from the log that the tables "
     "still have: they would not come (hint: SET GLOBAL sync_binlog = 1; and in the configuration)\n"
     "+#warning: innodb_flush_log_at_trx_commit is 2: a crash of the server's machine may take transactions from the "
     "tables that the log still has: they would have come (hint: SET GLOBAL innodb_flush_log_at_trx_commit = 1; and in "
     "the configuration)\n"},
    {"mysql8",
     {V("gtid_mode", "OFF_PERMISSIVE")},
     "+#warning: gtid_mode is OFF_PERMISSIVE: positions are file and offset: they do not survive a failover (hint: SET "
     "GLOBAL gtid_mode = ON, by the steps of the manual)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"",
     {A("'sync_binlog'", 2, "!1227 denied")},
     "-#info: ok: sync_binlog is 1\n"
     "+#error: cannot read the server's settings: denied (hint: see the message)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", {A("'sync_binlog'", 2, "")}, "-#info: ok: sync_binlog is 1\n"},
    {"",
     {V("log_bin", "on")},
     "-#info: ok: log_bin is ON\n"
     "+#info: ok: log_bin is on\n"},
    {"",
     {V("binlog_expire_logs_seconds", "86400")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#info: ok: the log is kept for 1 days\n"},
    {"",
     {V("binlog_expire_logs_seconds", "86399")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#warning: the log is kept for 86399 s: a pipe that stands still for longer loses its position (hint: SET GLOBAL "
     "binlog_expire_logs_seconds = 604800;)\n"},
    {"",
     {V("binlog_expire_logs_seconds", "172800"), V("expire_logs_days", "3")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#info: ok: the log is kept for 2 days\n"},
    {"",
     {V("binlog_expire_logs_seconds", "0")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#info: ok: the log is kept until it is purged by hand\n"},
    {"",
     {V("binlog_expire_logs_seconds", "1")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#warning: the log is kept for 1 s: a pipe that stands still for longer loses its position (hint: SET GLOBAL "
     "binlog_expire_logs_seconds = 604800;)\n"},
    {"",
     {V("binlog_expire_logs_seconds", "0"), V("max_binlog_total_size", "4096")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#warning: the log is kept up to 4096 bytes: a pipe that stands still while more is written loses its position "
     "(hint: "
     "SET GLOBAL max_binlog_total_size = 0; or more than is logged while the pipe may stand still)\n"},
    {"",
     {V("max_binlog_total_size", "1")},
     "+#warning: the log is kept up to 1 bytes: a pipe that stands still while more is written loses its position "
     "(hint: "
     "SET GLOBAL max_binlog_total_size = 0; or more than is logged while the pipe may stand still)\n"},
    {"",
     {V("binlog_expire_logs_seconds", "0"), A("'expire_logs_days'", 2, "x|10")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#info: ok: the log is kept for 10 days\n"},
    {"",
     {A("'binlog_expire_logs_seconds'", 2, ""), A("'expire_logs_days'", 2, "x|0.000000")},
     "-#info: ok: the log is kept for 30 days\n"
     "+#info: ok: the log is kept until it is purged by hand\n"},
    {"",
     {A("'binlog_row_value_options'", 2, "x|PARTIAL_JSON")},
     "+#warning: binlog_row_value_options is PARTIAL_JSON: a session with another binlog_row_image stops the reader "
     "(hint: SET GLOBAL binlog_row_value_options = ''; and in the configuration; sessions must reconnect)\n"},
    {"",
     {A("'binlog_row_value_options'", 2, "x|PARTIAL_JSON"), V("binlog_row_image", "NOBLOB")},
     "-#info: ok: binlog_row_image is FULL\n"
     "+#warning: binlog_row_image is NOBLOB: rows are logged in part: the rest comes as \"unchanged\", old rows lack "
     "it, and defaults of new ones may be missing (hint: SET GLOBAL binlog_row_image = FULL;)\n"
     "+#error: binlog_row_value_options is PARTIAL_JSON, and old rows lack the documents: the first such update stops "
     "the reader (hint: SET GLOBAL binlog_row_value_options = ''; and in the configuration; sessions must reconnect)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {A("'binlog_row_value_options'", 2, "x|"), V("binlog_row_image", "NOBLOB")},
     "-#info: ok: binlog_row_image is FULL\n"
     "+#warning: binlog_row_image is NOBLOB: rows are logged in part: the rest comes as \"unchanged\", old rows lack "
     "it, and defaults of new ones may be missing (hint: SET GLOBAL binlog_row_image = FULL;)\n"},
    {"", {A("'binlog_row_value_options'", 2, "!1227 denied")}, ""},
    {"",
     {A("'log_slave_updates'", 2, "x|OFF"), A("SHOW SLAVE STATUS", 3, "1|2|3")},
     "+#error: the server is a replica and does not log what it replicates (hint: put log_replica_updates "
     "(log_slave_updates) into its configuration, and start it again)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW SLAVE STATUS\n"},
    {"",
     {A("SHOW MASTER STATUS", 4, "b.1|4||d")},
     "+#error: table d.t is selected, and binlog_ignore_db leaves its changes out of the log (hint: take it out of the "
     "server's configuration, or select only what is logged)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"},
    /* the reader's number */
    {"same",
     {},
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#warning: the server itself has server_id 7 (hint: --server-id 65543)\n"
     "+#info: ok: none of 1 replicas has server_id 7; readers that do not register are not listed\n"},
    {"eight",
     {},
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#error: a replica of the server has server_id 8: of two the server sends the older away (hint: --server-id "
     "65545, or another that SHOW SLAVE HOSTS does not list)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"eight mysql8",
     {},
     "+#info: ok: gtid_mode is ON\n"
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#error: a replica of the server has server_id 8: of two the server sends the older away (hint: --server-id "
     "65545, or another that SHOW REPLICAS does not list)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"eight",
     {A("SHOW SLAVE HOSTS", 3, "8|x|x\n~|x|x\n9|x|x")},
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#error: a replica of the server has server_id 8: of two the server sends the older away (hint: --server-id "
     "65545, or another that SHOW SLAVE HOSTS does not list)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {A("SHOW SLAVE HOSTS", 3, "!1227 denied")},
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#info: cannot ask for the replicas' server_id: denied (hint: GRANT REPLICATION MASTER ADMIN ON *.* TO the "
     "user)\n"},
    {"mysql8",
     {A("SHOW REPLICAS", 3, "!1227 denied")},
     "+#info: ok: gtid_mode is ON\n"
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#info: cannot ask for the replicas' server_id: denied (hint: GRANT REPLICATION SLAVE ON *.* TO the user)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"mysql8",
     {A("VERSION()", 1, "8.0.21")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"},
    {"mysql8",
     {A("VERSION()", 1, "8.0.22")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"",
     {A("SHOW SLAVE HOSTS", 3, "")},
     "-#info: ok: none of 1 replicas has server_id 5; readers that do not register are not listed\n"
     "+#info: ok: none of 0 replicas has server_id 5; readers that do not register are not listed\n"},
    /* rights */
    {"",
     {A("SHOW GRANTS", 1, "GRANT SELECT ON *.* TO u")},
     "-#info: ok: the user may read the log\n"
     "+#error: the user lacks REPLICATION SLAVE: the log cannot be read (hint: GRANT REPLICATION SLAVE, BINLOG "
     "MONITOR, SELECT ON *.* TO the user)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"mysql8",
     {A("SHOW GRANTS", 1, "GRANT SELECT ON *.* TO u")},
     "+#info: ok: gtid_mode is ON\n"
     "-#info: ok: the user may read the log\n"
     "+#error: the user lacks REPLICATION SLAVE: the log cannot be read (hint: GRANT REPLICATION SLAVE, REPLICATION "
     "CLIENT, SELECT ON *.* TO the user)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"",
     {A("SHOW GRANTS", 1, "GRANT REPLICATION SLAVE ON *.* TO u")},
     "-#info: ok: the user may read the log\n"
     "+#error: the user lacks BINLOG MONITOR: the end of the log cannot be asked for (hint: GRANT REPLICATION SLAVE, "
     "BINLOG MONITOR, SELECT ON *.* TO the user)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"mysql8",
     {A("SHOW GRANTS", 1, "GRANT REPLICATION SLAVE ON *.* TO u")},
     "+#info: ok: gtid_mode is ON\n"
     "-#info: ok: the user may read the log\n"
     "+#error: the user lacks REPLICATION CLIENT: the end of the log cannot be asked for (hint: GRANT REPLICATION "
     "SLAVE, REPLICATION CLIENT, SELECT ON *.* TO the user)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"mysql8",
     {A("SHOW GRANTS", 1, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO u")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"", {A("SHOW GRANTS", 1, "GRANT REPLICATION REPLICA, BINLOG MONITOR ON *.* TO u")}, ""},
    {"", {A("SHOW GRANTS", 1, "GRANT REPLICATION SLAVE, SUPER ON *.* TO u")}, ""},
    {"",
     {A("SHOW GRANTS", 1, "GRANT REPLICATION SLAVE, BINLOG MONITOR ON `d`.* TO u")},
     "-#info: ok: the user may read the log\n"
     "+#error: the user lacks REPLICATION SLAVE: the log cannot be read (hint: GRANT REPLICATION SLAVE, BINLOG "
     "MONITOR, SELECT ON *.* TO the user)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {A("SHOW GRANTS", 1, "!1141 no such grant")},
     "-#info: ok: the user may read the log\n"
     "+#error: cannot read the user's privileges: no such grant (the server's error 1141) (hint: see the message)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    /* tables */
    {"",
     {TABLES(""), NAMES("")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "-#0: 0  ()\n"
     "+#warning: pattern 'd.*' matches no table that the user may see (hint: fix it, it is database.table; or GRANT "
     "SELECT on the table to the user; one that is made later is captured from its first row on)\n"
     "+#error: no table is selected (hint: look at -t, -T, the URL's database, and the user's privileges)\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SHOW CREATE TABLE `d`.`t`\n"
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"-t -T",
     {},
     "+#warning: pattern 'd.none' matches no table that the user may see (hint: fix it, it is database.table; or GRANT "
     "SELECT on the table to the user; one that is made later is captured from its first row on)\n"
     "+#warning: -T, pattern 'd.x*' matches no table that the user may see (hint: fix it, it is database.table; or "
     "GRANT SELECT on the table to the user; one that is made later is captured from its first row on)\n"},
    {"-T", {TABLES(TABLE_T "\nd|x1|2|InnoDB||"), NAMES("d|t\nd|x1")}, ""},
    {"",
     {TABLES(TABLE_T "\nd|u|2|InnoDB||\ne|t|2|InnoDB||"), COLUMNS_OF("id", "int", "PRI", "", "select", "1", "t")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "+#warning: table d.u has no key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD PRIMARY KEY)\n"
     "+#warning: table d.u: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns come "
     "as the log has them (hint: GRANT SELECT on the whole table to the user, or exclude it with -T)\n"
     "+#info: ok: 2 tables selected, 1 without a key\n"},
    {"",
     {COLUMNS_OF("id", "int", "", "", "select", "1", "t")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "+#warning: table d.t has no key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD PRIMARY KEY)\n"
     "+#info: ok: 1 table selected, 1 without a key\n"},
    {"",
     {COLUMNS_OF("id", "enum('')", "PRI", "", "select", "1", "t")},
     "+#error: table d.t: a column of its key has a label '', which reads like a value that is none of its labels "
     "(hint: give that label a name, or exclude the table with -T)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {COLUMNS_OF("id", "enum('')", "", "", "select", "1", "t")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "+#warning: table d.t has no key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD PRIMARY KEY)\n"
     "+#info: ok: 1 table selected, 1 without a key\n"},
    {"",
     {COLUMNS_OF("id", "int", "PRI", "", "insert", "1", "t")},
     "+#warning: table d.t: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns come "
     "as the log has them (hint: GRANT SELECT on the whole table to the user, or exclude it with -T)\n"
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"snapshot",
     {COLUMNS_OF("id", "int", "PRI", "", "select", "2", "t")},
     "+#error: table d.t: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns come as "
     "the log has them (hint: GRANT SELECT on the whole table to the user, or exclude it with -T)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"",
     {COLUMNS_OF("id", "int", "PRI", "VIRTUAL GENERATED", "select", "1", "t")},
     "+#warning: table d.t: its generated columns are in no line, for MariaDB does not log what becomes of them (hint: "
     "let the copy compute them)\n"},
    {"mysql8",
     {COLUMNS_OF("id", "int", "PRI", "VIRTUAL GENERATED", "select", "1", "t")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"",
     {COLUMNS_OF("id", "bigint", "PRI", "STORED GENERATED", "select", "1", "t")},
     "+#warning: table d.t: its generated columns are in no line, for MariaDB does not log what becomes of them (hint: "
     "let the copy compute them)\n"},
    {"",
     {COLUMNS_OF("id", "int", "PRI", "", "select", "1", "a")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "+#warning: table d.t has no key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD PRIMARY KEY)\n"
     "+#warning: table d.t: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns come "
     "as the log has them (hint: GRANT SELECT on the whole table to the user, or exclude it with -T)\n"
     "+#info: ok: 1 table selected, 1 without a key\n"
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"",
     {A("TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS", 16, "")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "-#0: 0  ()\n"
     "+#error: the server answered with fewer columns than were asked for (hint: see the message)\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SET SESSION lock_wait_timeout = 1\n"
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"",
     {A("TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS", 17, "!1142 denied")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "-#0: 0  ()\n"
     "+#error: cannot read the tables' columns: denied (hint: see the message)\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SET SESSION lock_wait_timeout = 1\n"
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    {"",
     {TABLES("!1142 denied")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "-#0: 0  ()\n"
     "+#error: cannot list the tables: denied (hint: see the message)\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHAR ... ARY), CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION\n"
     "-1 SET SESSION lock_wait_timeout = 1\n"
     "-1 more\n"},
    {"",
     {NAMES("!1142 denied")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "-#0: 0  ()\n"
     "+#error: cannot list the tables: denied (hint: see the message)\n"
     "+#error: cannot list the tables: denied (hint: see the message)\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"
     "-1 SHOW CREATE TABLE `d`.`t`\n"
     "-1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFN ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "-1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHAR ... ARY), CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION\n"
     "-2 more\n"},
    {"",
     {TABLES("d|t|2|MyISAM||partitioned")},
     "+#warning: table d.t is partitioned: after an ALTER TABLE ... DROP, TRUNCATE or EXCHANGE PARTITION, which "
     "changes "
     "rows that are not in the log, the table is read again, or the reader ends with 78 where there is no snapshot "
     "(hint: "
     "a pipeline that began with cdc-snapshot heals by itself; for others, exclude it with -T)\n"},
    {"snapshot", {TABLES("d|t|2|MyISAM||partitioned")}, ""},
    {"",
     {TABLES("d|t|2|MyISAM||"), V("binlog_row_image", "MINIMAL")},
     "-#info: ok: binlog_row_image is FULL\n"
     "+#warning: binlog_row_image is MINIMAL: rows are logged in part: the rest comes as \"unchanged\", old rows lack "
     "it, and defaults of new ones may be missing (hint: SET GLOBAL binlog_row_image = FULL;)\n"
     "+#warning: table d.t: engine MyISAM has no transactions, and binlog_row_image is not FULL: cdc-snapshot cannot "
     "copy it exactly, and refuses it (hint: ALTER TABLE ... ENGINE=InnoDB, or exclude it with -T)\n"},
    {"",
     {TABLES("d|t|2|MyISAM||"), V("binlog_row_image", "FULL_NODUP")},
     "-#info: ok: binlog_row_image is FULL\n"
     "+#warning: binlog_row_image is FULL_NODUP: rows are logged in part: the rest comes as \"unchanged\", old rows "
     "lack it, and defaults of new ones may be missing (hint: SET GLOBAL binlog_row_image = FULL;)\n"},
    {"",
     {TABLES("d|t|2|MyISAM||"), COLUMNS_OF("id", "int", "", "", "select", "1", "t")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "+#warning: table d.t has no key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD PRIMARY KEY)\n"
     "+#warning: table d.t: engine MyISAM has no transactions, and the table has no key: cdc-snapshot cannot copy it "
     "exactly, and refuses it (hint: ALTER TABLE ... ENGINE=InnoDB, or exclude it with -T)\n"
     "+#info: ok: 1 table selected, 1 without a key\n"},
    {"snapshot",
     {TABLES("d|t|2|MyISAM||"), COLUMNS_OF("id", "int", "", "", "select", "1", "t")},
     "-#info: ok: 1 table selected, 0 without a key\n"
     "-#0: 0  ()\n"
     "+#warning: table d.t has no key: sinks cannot find its rows again (hint: ALTER TABLE ... ADD PRIMARY KEY)\n"
     "+#error: table d.t: engine MyISAM has no transactions, and the table has no key: cdc-snapshot cannot copy it "
     "exactly, and refuses it (hint: ALTER TABLE ... ENGINE=InnoDB, or exclude it with -T)\n"
     "+#info: ok: 1 table selected, 1 without a key\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {TABLES("d|t|2|FEDERATED||")},
     "+#warning: table d.t: the rows of engine FEDERATED are not the table's own, and change without a line in the "
     "log: cdc-snapshot refuses it (hint: exclude it with -T)\n"},
    {"snapshot",
     {TABLES("d|t|2|FEDERATED||")},
     "+#error: table d.t: the rows of engine FEDERATED are not the table's own, and change without a line in the log: "
     "cdc-snapshot refuses it (hint: exclude it with -T)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"snapshot", {TABLES("d|t|2|InnoDB||row_format=DYNAMIC partitioned")}, ""},
    {"",
     {A("SELECT * FROM", 2, "!1142 denied")},
     "+#warning: table `d`.`t`: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns "
     "come as the log has them (hint: GRANT SELECT on the whole table to the user, or exclude it with -T)\n"},
    {"snapshot",
     {A("SELECT * FROM", 2, "!1143 denied")},
     "-#0: 0  ()\n"
     "+#error: table `d`.`t`: the user may not SELECT all of it: cdc-snapshot refuses it, and types of its columns "
     "come as the log has them (hint: GRANT SELECT on the whole table to the user, or exclude it with -T)\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", {A("SELECT * FROM", 2, "!1205 waited")}, ""},
    {"",
     {A("lock_wait_timeout = 1", 0, "!1227 denied"), A("SELECT * FROM", 2, "!1142 denied")},
     "-1 SELECT * FROM `d`.`t` LIMIT 0\n"},
    /* rows that the server changes by itself */
    {"",
     {A("SHOW CREATE TABLE", 2, "t|CONSTRAINT a FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#error: table d.t: the server does not log the rows that this changes: CONSTRAINT a FOREIGN KEY (a) ON DELETE "
     "CASCADE (hint: delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {A("SHOW CREATE TABLE", 2, "t|CONSTRAINT a FOREIGN KEY (a) ON DELETE SET NULL")},
     "+#error: table d.t: the server does not log the rows that this changes: CONSTRAINT a FOREIGN KEY (a) ON DELETE "
     "SET NULL (hint: delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {A("SHOW CREATE TABLE", 2, "t|CONSTRAINT a FOREIGN KEY (a) ON UPDATE CASCADE")},
     "+#error: table d.t: the server does not log the rows that this changes: CONSTRAINT a FOREIGN KEY (a) ON UPDATE "
     "CASCADE (hint: delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     {A("SHOW CREATE TABLE", 2, "t|CONSTRAINT a FOREIGN KEY (a) ON UPDATE SET NULL")},
     "+#error: table d.t: the server does not log the rows that this changes: CONSTRAINT a FOREIGN KEY (a) ON UPDATE "
     "SET NULL (hint: delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", {A("SHOW CREATE TABLE", 2, "t|CONSTRAINT a FOREIGN KEY (a) ON UPDATE RESTRICT")}, ""},
    {"", {A("SHOW CREATE TABLE", 2, "t|c text COMMENT ON DELETE CASCADE")}, ""},
    {"", {A("SHOW CREATE TABLE", 1, "t")}, ""},
    {"", {A("SHOW CREATE TABLE", 2, "!1142 denied")}, ""},
    {"mysql9",
     {A("SHOW CREATE TABLE", 2, "t|FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW SLAVE HOSTS\n"
     "-1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "-1 more\n"
     "+1 SHOW REPLICAS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'\n"},
    {"mysql9",
     {V("innodb_native_foreign_keys", "OFF"), A("SHOW CREATE TABLE", 2, "t|FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW SLAVE HOSTS\n"
     "-1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "-1 more\n"
     "+1 SHOW REPLICAS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'\n"},
    {"mysql9",
     {V("innodb_native_foreign_keys", "on"), A("SHOW CREATE TABLE", 2, "t|FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#info: ok: gtid_mode is ON\n"
     "+#error: table d.t: the server does not log the rows that this changes: FOREIGN KEY (a) ON DELETE CASCADE (hint: "
     "delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'\n"},
    {"mysql9",
     {A("VERSION()", 1, "9.5.9"), A("SHOW CREATE TABLE", 2, "t|FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#info: ok: gtid_mode is ON\n"
     "+#error: table d.t: the server does not log the rows that this changes: FOREIGN KEY (a) ON DELETE CASCADE (hint: "
     "delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW SLAVE HOSTS\n"
     "+1 SHOW REPLICAS\n"},
    {"mysql9",
     {A("VERSION()", 1, "9.6.0"), A("SHOW CREATE TABLE", 2, "t|FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#info: ok: gtid_mode is ON\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
     "-1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW GLOBAL VARIABLES LIKE 'wsrep_on'\n"
     "-1 SHOW MASTER STATUS\n"
     "+1 SHOW BINARY LOG STATUS\n"
     "-1 SHOW SLAVE HOSTS\n"
     "-1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information ... ABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
     "-1 more\n"
     "+1 SHOW REPLICAS\n"
     "+1 SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'\n"},
    {"",
     {NAMES("d|t\nd|~\n~|t\ne|t\nd|u"), A("SHOW CREATE TABLE", 2, "t|FOREIGN KEY (a) ON DELETE CASCADE")},
     "+#error: table d.t: the server does not log the rows that this changes: FOREIGN KEY (a) ON DELETE CASCADE (hint: "
     "delete and update child rows in the application or by triggers)\n"
     "+#error: table d.u: the server does not log the rows that this changes: FOREIGN KEY (a) ON DELETE CASCADE (hint: "
     "delete and update child rows in the application or by triggers)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"
     "+1 SHOW CREATE TABLE `d`.`u`\n"},
};

int main(void)
{
    struct cdc_buf base = CDC_BUF_INIT, nothing = CDC_BUF_INIT;
    setvbuf(stdout, NULL, _IOLBF, 0);
    check_run(&runs[0], &nothing, 0);
    work(&runs[0], &base);
    for (size_t i = 1; i < sizeof runs / sizeof *runs; i++)
        check_run(&runs[i], &base, i);
    cdc_buf_free(&base);
    cdc_buf_free(&told);
    cdc_buf_free(&fake.said);
    return failures ? 1 : 0;
}
