/* SPDX-License-Identifier: MIT */
/* A snapshot of a server that is a table of answers: its lines, what is said to the server for them, and what becomes of it when
 * one command, answer, packet or allocation fails. */
#include "connectors/mysql/snapshot/snapshot.h"
#include "tests/unit/fake-mysql.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- the servers -- */

#define COLUMNS_OF_T                                                                                                   \
    "id|int|int(11)|~|~|~|10|0|~|NO|PRI||~|select|1\n"                                                                 \
    "v|varchar|varchar(20)|utf8mb4|utf8mb4_general_ci|80|~|~|~|YES|||~|select|2"
#define COLUMNS_OF_U                                                                                                   \
    "a|int|int(11)|~|~|~|10|0|~|YES|||~|select|1\nb|varchar|varchar(20)|utf8mb4|utf8mb4_general_ci|80|~|~|~|YES|||~|"  \
    "select|2"
#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"

/* Which rows and settings the servers differ in. */
#define COMMON(columns_of_t)                                                                                           \
    {"'log_bin'", 2, "log_bin|ON", false}, {"'binlog_format'", 2, "binlog_format|ROW", false},                         \
        {"'binlog_row_metadata'", 2, "binlog_row_metadata|FULL", false},                                               \
        {"'binlog_checksum'", 2, "binlog_checksum|NONE", false},                                                       \
        {"'lower_case_table_names'", 2, "lower_case_table_names|0", false},                                            \
        {"@@GLOBAL.binlog_row_image", 1, "FULL", false}, {"@@GLOBAL.server_id", 1, "7", false},                        \
        {"SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS", 6, "d|t|2|InnoDB|2026-11-21|", false},                         \
        {"SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES", 2, "d|t", false},                           \
        {"FROM information_schema.COLUMNS", 15, columns_of_t, false},                                                  \
        {"FROM information_schema.STATISTICS", 3, "id|A|~", false},                                                    \
        {"SHOW GRANTS", 1, "GRANT SELECT ON *.* TO u", false},                                                         \
        {"'log_slave_updates'", 2, "log_slave_updates|ON", true}, {"SHOW MASTER STATUS", 4, "b.000007|567||", true},   \
        {"XA RECOVER", 4, "", true}, {"Com\\_xa\\_prepare", 2, "Com_xa_prepare|3", false},                             \
        {"Com\\_xa\\_commit", 2, "Com_xa_commit|3", false}, {"USER_PRIVILEGES", 1, "1", false},                        \
        {"UNIX_TIMESTAMP", 1, "1764000000123", false}, {"SELECT * FROM", 2, "", false}, {"SET ", 0, NULL, false},      \
        {"START TRANSACTION", 0, NULL, false}, {"ROLLBACK", 0, NULL, false},                                           \
        {"FLUSH TABLES WITH READ LOCK", 0, NULL, false},                                                               \
    {                                                                                                                  \
        NULL, 0, NULL, false                                                                                           \
    }

#define MARIADB                                                                                                        \
    {"VERSION()", 1, "10.11.6-MariaDB", false}, {"'gtid_domain_id'", 2, "gtid_domain_id|0", false},                    \
        {"CONCAT(@@server_id", 1, "1/host:3306", false}, {"CHECK_CONSTRAINTS", 1, "json_valid(`x`)", false},           \
        {"gtid_binlog_pos", 1, "0-1-5", false},                                                                        \
        {"binlog\\_snapshot", 2, "binlog_snapshot_file|b.000007\nbinlog_snapshot_position|567", false},                \
    {                                                                                                                  \
        "BINLOG_GTID_POS", 1, "0-1-5", false                                                                           \
    }
#define MYSQL8                                                                                                         \
    {"VERSION()", 1, "8.0.35", false}, {"'gtid_domain_id'", 2, "", false},                                             \
        {"'server_uuid'", 2, "server_uuid|" UUID, false}, {"performance_schema.log_status", 2, "b.000007|567", false}, \
        {"GTID_SUBSET(", 1, "1", false}, {"@@GLOBAL.gtid_executed", 1, UUID ":1-5", false},                            \
    {                                                                                                                  \
        "SHOW BINARY LOGS", 2, "b.000006|100\nb.000007|900", false                                                     \
    }

static const struct fake_answer mariadb[] = {MARIADB, COMMON(COLUMNS_OF_T)};
static const struct fake_answer mysql_with_gtids[] = {
    {"'gtid_mode'", 2, "gtid_mode|ON", false}, MYSQL8, COMMON(COLUMNS_OF_T)};
static const struct fake_answer mysql_without[] = {
    {"'gtid_mode'", 2, "gtid_mode|OFF", false}, MYSQL8, COMMON(COLUMNS_OF_T)};
/* Without a key: under a lock. */
static const struct fake_answer mysql_keyless[] = {{"'gtid_mode'", 2, "gtid_mode|ON", false},
                                                   {"FROM information_schema.STATISTICS", 3, "", false},
                                                   MYSQL8,
                                                   COMMON(COLUMNS_OF_U)};

static const unsigned types[] = {MYSQL_TYPE_LONG, MYSQL_TYPE_VAR_STRING};
static const uint8_t row_1[] = {0, 0, 1, 0, 0, 0, 1, 'a'}, row_2[] = {0, 8, 2, 0, 0, 0};
static const struct fake_packet rows[] = {{row_1, sizeof row_1}, {row_2, sizeof row_2}};
/* 00, and a FORMAT_DESCRIPTION of 1700000000 (6553f100) that ends at 256: what it says of events is of no matter here. */
static uint8_t format[1 + 19 + 2 + 50 + 4 + 1 + 164 + 1 + 4] = {0, 0x00, 0xf1, 0x53, 0x65, 15, 7, 0, 0,
                                                                0, 245,  0,    0,    0,    0,  1, 0, 0};
static const struct fake_packet dump[] = {{format, sizeof format}};

static void use(const struct fake_answer *answers)
{
    format[20] = 4;
    strcpy((char *)format + 22, answers == mariadb ? "10.11.6-MariaDB" : "8.0.35");
    format[20 + 2 + 50 + 4] = 19;
    fake.answers = answers;
    fake.types = types;
    fake.n_types = 2;
    fake.rows = rows;
    fake.n_rows = 2;
    fake.dump = dump;
    fake.n_dump = 1;
}

/* -- one run -- */

/* The attempt's number is the time: in its place NNNN, so that runs can be compared. */
static void append_masked(struct cdc_buf *out, const char *text, size_t n)
{
    const char *seq = memmem(text, n, "\"seq\":", 6);
    char decimal[24] = "", hex[20] = "";
    if (seq) {
        snprintf(decimal, sizeof decimal, "%.*s", (int)strspn(seq + 6, "0123456789"), seq + 6);
        snprintf(hex, sizeof hex, "%016llX", strtoull(decimal, NULL, 10));
    }
    for (size_t i = 0; i < n;) {
        size_t d = strlen(decimal), left = n - i;
        if (d > 0 && left >= d && memcmp(text + i, decimal, d) == 0) {
            cdc_buf_lit(out, "N");
            i += d;
        } else if (d > 0 && left >= 16 && memcmp(text + i, hex, 16) == 0) {
            cdc_buf_lit(out, "X");
            i += 16;
        } else {
            cdc_buf_byte(out, text[i++]);
        }
    }
}

/* Time passes: a checkpoint is due whenever somebody looks. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static time_t seconds;
    long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += seconds += 2;
    return (int)result;
}

/* The number of a replica comes from it. */
int gethostname(char *name, size_t size)
{
    snprintf(name, size, "host");
    return 0;
}

static struct cdc_buf logged;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    (void)context, (void)level;
    bool counts = memory_counts;
    memory_counts = false;
    cdc_buf_printf(&logged, "%s\n", message);
    memory_counts = counts;
}

static bool has(const struct cdc_buf *text, const char *part)
{
    return text->len > 0 && memmem(text->data, text->len, part, strlen(part)) != NULL;
}

static const char *pattern[] = {"d.*", "d.s"};
static size_t n_patterns = 1;
static bool named = true;

/* One attempt. Appends its lines, and where the stream is to begin. */
static int attempt(struct cdc_offset_file *file, struct cdc_buf *out, struct cdc_error *error)
{
    char text[8192];
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_metrics metrics = {0};
    const struct cdc_log log = {.write = keep_message};
    struct my_behind behind = {0};
    const struct my_snapshot_settings settings = {
        .behind = &behind,
        .connection = {.url = "mysql://u:p@127.0.0.1/d?ssl-mode=DISABLED", .tool = "cdc-snapshot"},
        .name = "p",
        .selection = {.include = {.items = pattern, .count = n_patterns}},
        .named = named,
        .chunk_rows = 1,
        .jobs = 1,
        .output_fd = memfd_create("lines", MFD_CLOEXEC)};
    fake.sessions = 0;
    fake.said.len = logged.len = 0;
    memset(fake_sessions, 0, sizeof fake_sessions);
    memory_begin();
    int result = my_snapshot_run(&settings, file, NULL, &control, &metrics, &log, error);
    memory_end();
    ssize_t n = pread(settings.output_fd, text, sizeof text, 0);
    append_masked(out, text, n > 0 ? (size_t)n : 0);
    const struct cdc_offset *offset = cdc_offset_file_get(file, "p");
    if (result == 0 && offset && offset->source)
        cdc_buf_text(out, offset->source);
    close(settings.output_fd);
    for (size_t i = 0; i < sizeof fake_sessions / sizeof *fake_sessions; i++)
        if (fake_sessions[i].mysql)
            result = cdc_error_set(error, CDC_EXIT_INTERNAL, "session %u is left open", fake_sessions[i].number);
    return result;
}

static int first_attempt(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_offset_file *file = cdc_offset_file_memory("cdc-snapshot", error);
    int result = attempt(file, out, error);
    cdc_offset_file_free(file);
    return result;
}

/* After one that was broken off at the second row, or at that packet. */
static unsigned broken_at;

static int second_attempt(struct cdc_buf *out, struct cdc_error *error)
{
    static const uint8_t bad[] = {0};
    static const struct fake_packet broken[] = {{row_1, sizeof row_1}, {bad, sizeof bad}};
    struct cdc_error first = {0};
    struct cdc_buf ignored = CDC_BUF_INIT;
    struct cdc_offset_file *file = cdc_offset_file_memory("cdc-snapshot", error);
    const struct fake_answer *changed = fake.first;
    unsigned fault = fake.fault;
    long place = memory_fails_at, calls = memory_calls;
    fake.fault = FAKE_SOUND;
    memory_fails_at = 0;
    unsigned at = fake.fault_at, met = fake.met;
    fake.first = NULL;
    fake.rows = broken_at > 0 ? rows : broken;
    if (broken_at > 0)
        fake.fault = FAKE_NO_PACKET;
    fake.fault_at = broken_at;
    fake.met = 0;
    int result = attempt(file, &ignored, &first);
    if (result == 0)
        abort();
    fake.fault = fault;
    fake.fault_at = at;
    fake.met = met;
    memory_fails_at = place;
    memory_calls = calls;
    fake.first = changed;
    fake.rows = rows + 1;
    fake.n_rows = 1;
    result = attempt(file, out, error);
    fake.rows = rows;
    fake.n_rows = 2;
    cdc_offset_file_free(file);
    cdc_buf_free(&ignored);
    return result;
}

/* -- what is said --------------------------------------------------------------------------------- */

/* Long statements without their middle. */
static void append_short(struct cdc_buf *out, const struct cdc_buf *said)
{
    for (const char *p = said->data, *end = p + said->len; p < end;) {
        size_t n = strcspn(p, "\n");
        if (n > 110)
            cdc_buf_printf(out, "%.60s ... %.*s\n", p, 40, p + n - 40);
        else
            cdc_buf_printf(out, "%.*s\n", (int)n, p);
        p += n + 1;
    }
}

static void check_said(const char *what, const char *want)
{
    struct cdc_buf got = CDC_BUF_INIT;
    append_short(&got, &fake.said);
    bool good = cdc_span_is(cdc_span(got.data, got.len), want);
    check(good, what);
    if (!good)
        printf("got:\n%.*s\nwanted:\n%s\n", (int)got.len, got.data, want);
    cdc_buf_free(&got);
}

/* How every session begins: is it the server of the first one? And two limits on idle ones that only MariaDB has. */
#define OPENED(session, asks)                                                                                          \
    session                                                                                                            \
        " connects\n" session " SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time ... "                       \
        "eate_table_and_information_schema = ON*/\n" session " SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n" session  \
        " " asks "\n" session                                                                                          \
        " SET SESSION net_write_timeout = 86400, wait_timeout = 3153 ... t = 50, sql_mode = 'ALLOW_INVALID_DATES'\n"
#define OPENED_MYSQL(session) OPENED(session, "SHOW GLOBAL VARIABLES LIKE 'server_uuid'")
#define OPENED_MARIADB(session)                                                                                        \
    OPENED(session, "SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)")                                        \
    session " SET SESSION idle_transaction_timeout = 0, idle_readonly_tr ...  = 0, idle_write_transaction_timeout = "  \
            "0\n"

#define HEAD(op, number)                                                                                               \
    "{\"op\":\"" op "\",\"pos\":\"X.0000000000.a0001." number "\",\"seq\":N,\"ts_ms\":1764000000123,\"source\":"
#define SOURCE(table, snapshot)                                                                                        \
    "{\"connector\":\"mariadb\",\"name\":\"p\"," table                                                                 \
    "\"ts_ms\":1764000000123,\"server_id\":7,\"file\":\"b.000007\",\"pos\":567,\"row\":0,\"snapshot\":\"" snapshot     \
    "\""
#define OF_T SOURCE("\"db\":\"d\",\"table\":\"t\",", "true") "}"
#define OF_COMMIT(snapshot)                                                                                            \
    SOURCE("", snapshot) ",\"gtids\":\"0-1-5\",\"server_uuid\":\"1/host:3306\",\"file_created\":1700000000}"
static const char lines[] = HEAD("schema", "000001.0000000001") OF_T
    ",\"columns\":[{\"name\":\"id\",\"type\":\"int(11)\",\"nullable\":false,\"generated\":false},{\"name\":\"v\","
    "\"type\":\"varchar(20)\",\"nullable\":true,\"generated\":false}],\"key_columns\":[\"id\"]}\n" HEAD(
        "r", "000001.0000000002") OF_T
    ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"v\":\"a\"}}\n" HEAD("commit", "000001.0000000003")
        OF_COMMIT("true") ",\"events\":1}\n" HEAD("r", "000001.0000000004") OF_T
    ",\"key\":{\"id\":2},\"before\":null,\"after\":{\"id\":2,\"v\":null}}\n" HEAD("commit", "000001.0000000005")
        OF_COMMIT("true") ",\"events\":1}\n" HEAD("commit", "000001.0000000006")
            OF_COMMIT("true") ",\"events\":0}\n" HEAD("commit", "000002.0000000001")
                OF_COMMIT("last") ",\"events\":0}\n" OF_COMMIT("last");

static void test_said(void)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    use(mariadb);
    check(first_attempt(&out, &error) == 0 && cdc_span_is(cdc_span(out.data, out.len), lines), "a snapshot of MariaDB");
    check_said(
        "what is said for it",
        OPENED_MARIADB(
            "1") "1 SELECT VERSION()\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names'\n"
                 "1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
                 "1 SELECT @@GLOBAL.binlog_row_image\n"
                 "1 SELECT @@GLOBAL.server_id\n" OPENED_MARIADB(
                     "2") "2 SET SESSION character_set_results = NULL\n"
                          "2 SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ\n"
                          "1 ROLLBACK\n"
                          "1 SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED\n"
                          "1 START TRANSACTION\n"
                          "1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE ... A AS BINARY), "
                          "CAST(TABLE_NAME AS BINARY)\n"
                          "1 SELECT * FROM `d`.`t` LIMIT 0\n"
                          "1 SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAI ... TRAINT_SCHEMA = 'd' AND "
                          "TABLE_NAME = 't'\n"
                          "1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_ ... BLE_NAME = 't' ORDER BY "
                          "ORDINAL_POSITION\n"
                          "1 SELECT COLUMN_NAME, COLLATION, SUB_PART FROM information_s ... X_NAME = 'PRIMARY' ORDER "
                          "BY SEQ_IN_INDEX\n"
                          "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TA ... A AS BINARY), "
                          "CAST(TABLE_NAME AS BINARY)\n"
                          "1 SHOW GRANTS\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'log_slave_updates'\n"
                          "1 SHOW MASTER STATUS\n"
                          "1 SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVI ... ELECT' AND DATABASE() LIKE "
                          "TABLE_SCHEMA)\n"
                          "1 SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_prepare'\n"
                          "1 XA RECOVER\n"
                          "1 SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_commit'\n"
                          "1 XA RECOVER\n"
                          "2 ROLLBACK\n"
                          "2 START TRANSACTION WITH CONSISTENT SNAPSHOT\n"
                          "2 SHOW SESSION STATUS LIKE 'binlog\\_snapshot\\_%'\n"
                          "2 SELECT BINLOG_GTID_POS('b.000007', 567)\n" OPENED_MARIADB(
                              "3") "3 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', "
                                   "@mariadb_slave_capability = 4\n"
                                   "3 dump from coordinates\n"
                                   "3 040000000100649ee790622e303030303037\n"
                                   "1 SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_commit'\n"
                                   "1 SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_prepare'\n"
                                   "1 XA RECOVER\n"
                                   "2 SET SESSION lock_wait_timeout = 5\n"
                                   "2 SELECT * FROM `d`.`t` LIMIT 0\n"
                                   "2 SET SESSION lock_wait_timeout = 50\n"
                                   "1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE ... A AS BINARY), "
                                   "CAST(TABLE_NAME AS BINARY)\n"
                                   "1 SELECT @@GLOBAL.gtid_binlog_pos\n"
                                   "1 SHOW MASTER STATUS\n"
                                   "1 SELECT BINLOG_GTID_POS('b.000007', 567)\n"
                                   "1 SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)\n"
                                   "2 prepare SELECT `id`,`v` FROM `d`.`t` FORCE INDEX (PRIMARY) ORDER BY `id`\n");
    use(mysql_keyless);
    check(first_attempt(&out, &error) == 0, "a snapshot of MySQL under a lock");
    check_said(
        "what is said for it",
        OPENED_MYSQL("1") "1 SELECT VERSION()\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names'\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
                          "1 SELECT @@GLOBAL.binlog_row_image\n"
                          "1 SELECT @@GLOBAL.server_id\n" OPENED_MYSQL(
                              "2") "2 SET SESSION character_set_results = NULL\n"
                                   "2 SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ\n"
                                   "1 ROLLBACK\n"
                                   "1 SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED\n"
                                   "1 START TRANSACTION\n"
                                   "1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE ... A AS BINARY), "
                                   "CAST(TABLE_NAME AS BINARY)\n"
                                   "1 SELECT * FROM `d`.`t` LIMIT 0\n"
                                   "1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_ ... BLE_NAME = 't' "
                                   "ORDER BY ORDINAL_POSITION\n"
                                   "1 SELECT COLUMN_NAME, COLLATION, SUB_PART FROM information_s ... X_NAME = "
                                   "'PRIMARY' ORDER BY SEQ_IN_INDEX\n"
                                   "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TA ... A AS BINARY), "
                                   "CAST(TABLE_NAME AS BINARY)\n"
                                   "1 SHOW GRANTS\n"
                                   "1 SHOW GLOBAL VARIABLES LIKE 'log_slave_updates'\n"
                                   "1 SHOW MASTER STATUS\n"
                                   "1 SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVI ... ELECT' AND "
                                   "DATABASE() LIKE TABLE_SCHEMA)\n"
                                   "1 SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_prepare'\n"
                                   "1 XA RECOVER\n"
                                   "1 SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file ... ion') FROM "
                                   "performance_schema.log_status\n" OPENED_MYSQL(
                                       "3") "3 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = "
                                            "'NONE', @mariadb_slave_capability = 4\n"
                                            "3 dump from coordinates\n"
                                            "3 040000000100649ee790622e303030303037\n"
                                            "1 SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file ... ion') "
                                            "FROM performance_schema.log_status\n" OPENED_MYSQL(
                                                "4") "4 SET SESSION lock_wait_timeout = 5\n"
                                                     "4 FLUSH TABLES WITH READ LOCK\n"
                                                     "1 SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file "
                                                     "... ion') FROM performance_schema.log_status\n"
                                                     "1 SELECT @@GLOBAL.gtid_executed\n"
                                                     "2 ROLLBACK\n"
                                                     "2 START TRANSACTION WITH CONSISTENT SNAPSHOT\n"
                                                     "1 SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_prepare'\n"
                                                     "1 XA RECOVER\n"
                                                     "2 SET SESSION lock_wait_timeout = 5\n"
                                                     "2 SELECT * FROM `d`.`t` LIMIT 0\n"
                                                     "2 SET SESSION lock_wait_timeout = 50\n"
                                                     "1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE "
                                                     "... A AS BINARY), CAST(TABLE_NAME AS BINARY)\n"
                                                     "1 SELECT @@GLOBAL.gtid_executed\n"
                                                     "1 SHOW MASTER STATUS\n"
                                                     "1 SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)\n"
                                                     "2 prepare SELECT `a`,`b` FROM `d`.`t`\n");
    use(mysql_with_gtids);
    check(second_attempt(&out, &error) == 0, "a second attempt");
    check_said(
        "what is said for it",
        OPENED_MYSQL(
            "1") "1 SELECT VERSION()\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'gtid_mode'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names'\n"
                 "1 SHOW GLOBAL VARIABLES LIKE 'server_uuid'\n"
                 "1 SELECT @@GLOBAL.binlog_row_image\n" OPENED_MYSQL(
                     "2") "2 SET SESSION character_set_results = NULL\n"
                          "2 SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ\n"
                          "1 ROLLBACK\n"
                          "1 SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED\n"
                          "1 START TRANSACTION\n"
                          "1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE ... A AS BINARY), "
                          "CAST(TABLE_NAME AS BINARY)\n"
                          "1 SELECT * FROM `d`.`t` LIMIT 0\n"
                          "1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_ ... BLE_NAME = 't' ORDER BY "
                          "ORDINAL_POSITION\n"
                          "1 SELECT COLUMN_NAME, COLLATION, SUB_PART FROM information_s ... X_NAME = 'PRIMARY' "
                          "ORDER BY SEQ_IN_INDEX\n"
                          "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TA ... A AS BINARY), "
                          "CAST(TABLE_NAME AS BINARY)\n"
                          "1 SHOW GRANTS\n"
                          "1 SHOW GLOBAL VARIABLES LIKE 'log_slave_updates'\n"
                          "1 SHOW MASTER STATUS\n"
                          "1 SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVI ... ELECT' AND DATABASE() "
                          "LIKE TABLE_SCHEMA)\n"
                          "1 SELECT GTID_SUBSET(@@GLOBAL.gtid_purged, '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5')\n"
                          "1 SELECT GTID_SUBSET('3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5', "
                          "@@GLOBAL.gtid_executed)\n"
                          "1 SHOW BINARY LOGS\n" OPENED_MYSQL(
                              "3") "3 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', "
                                   "@mariadb_slave_capability = 4\n"
                                   "3 dump from coordinates\n"
                                   "3 040000000100649ee790622e303030303037\n"
                                   "2 ROLLBACK\n"
                                   "2 START TRANSACTION WITH CONSISTENT SNAPSHOT\n"
                                   "2 SET SESSION lock_wait_timeout = 5\n"
                                   "2 SELECT * FROM `d`.`t` LIMIT 0\n"
                                   "2 SET SESSION lock_wait_timeout = 50\n"
                                   "1 SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE ... A AS BINARY), "
                                   "CAST(TABLE_NAME AS BINARY)\n"
                                   "1 SELECT @@GLOBAL.gtid_executed\n"
                                   "1 SHOW MASTER STATUS\n"
                                   "1 SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)\n"
                                   "2 prepare SELECT `id`,`v` FROM `d`.`t` FORCE INDEX (PRIMARY) WHERE (`id` > 1) "
                                   "ORDER BY `id`\n");
    cdc_buf_free(&out);
}

/* -- other answers ---------------------------------------------------------------------------------- */

struct other {
    const struct fake_answer *server;
    struct fake_answer answers[5]; /* and an end */
    int status;
    const char *says; /* part of the error, its hint, a message or the lines */
};

static void check_other(const struct other *other, memory_scenario *scenario, const char *what)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char line[200];
    use(other->server);
    fake.first = other->answers;
    int result = scenario(&out, &error);
    fake.first = NULL;
    cdc_buf_printf(&out, "%s (hint: %s)", error.text, error.hint);
    cdc_buf_append_buf(&out, &logged);
    cdc_buf_append_buf(&out, &fake.said);
    snprintf(line, sizeof line, "%s: %s|%s: %s", what, other->answers[0].to,
             other->answers[0].rows ? other->answers[0].rows : "", other->says);
    bool good = error.status == other->status && (result == 0) == (other->status == 0) && has(&out, other->says);
    check(good, line);
    if (!good)
        printf("# status %d: %.*s\n", error.status, (int)out.len, out.data);
    cdc_buf_free(&out);
}

#define A(to, columns, rows)                                                                                           \
    {                                                                                                                  \
        to, columns, rows, false                                                                                       \
    }

/* Of the server. */
static const struct other first[] = {
    {mariadb, {A("'log_bin'", 2, "log_bin|OFF")}, CDC_EXIT_CONFIG, "the server writes no binary log"},
    {mariadb, {A("'binlog_format'", 2, "binlog_format|MIXED")}, CDC_EXIT_CONFIG, "binlog_format is not ROW"},
    {mariadb, {A("VERSION()", 1, "~")}, CDC_EXIT_PROTOCOL, "the server tells no version"},
    {mariadb, {A("CONCAT(@@server_id", 1, "~")}, CDC_EXIT_PROTOCOL, "does not tell which it is"},
    {mariadb, {A("CONCAT(@@server_id", 1, "")}, CDC_EXIT_PROTOCOL, "answer is empty"},
    {mysql_with_gtids, {A("'server_uuid'", 2, "")}, CDC_EXIT_PROTOCOL, "does not tell which it is"},
    {mariadb,
     {A("CONCAT(@@server_id", 1, "?/host:3306")},
     CDC_EXIT_UNAVAILABLE,
     "another server answers than a moment ago"},
    {mysql_with_gtids,
     {A("'server_uuid'", 2, "server_uuid|?")},
     CDC_EXIT_UNAVAILABLE,
     "another server answers than a moment ago"},
    {mariadb,
     {A("binlog_row_image", 1, "~")},
     CDC_EXIT_PROTOCOL,
     "the server does not answer: SELECT @@GLOBAL.binlog_row_image"},
    {mariadb,
     {A("@@GLOBAL.server_id", 1, "~")},
     CDC_EXIT_PROTOCOL,
     "the server does not answer: SELECT @@GLOBAL.server_id"},
    {mariadb, {A("UNIX_TIMESTAMP", 1, "~")}, CDC_EXIT_PROTOCOL, "the server gives no time"},
    /* the point */
    {mariadb, {A("binlog\\_snapshot", 2, "")}, CDC_EXIT_PROTOCOL, "no proper name of its log file"},
    {mariadb,
     {A("binlog\\_snapshot", 2, "binlog_snapshot_file|b.000007\nbinlog_snapshot_position|3")},
     CDC_EXIT_PROTOCOL,
     "no position in its log"},
    {mariadb,
     {A("binlog\\_snapshot", 2, "BINLOG_SNAPSHOT_FILE|b.1\nother|~\n~|x\nBinlog_snapshot_position|4")},
     0,
     "\"file\":\"b.1\",\"pos\":4,"},
    {mariadb, {A("BINLOG_GTID_POS", 1, "~")}, CDC_EXIT_PROTOCOL, "the server knows no GTIDs at b.000007:567"},
    {mariadb, {A("BINLOG_GTID_POS", 1, "0-1-x")}, CDC_EXIT_CONFIG, "the server's GTIDs cannot be read"},
    {mysql_with_gtids, {A("log_status", 2, "")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "~|567")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "b.1|~")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "b.1|3")}, CDC_EXIT_PROTOCOL, "no position in its log"},
    {mysql_with_gtids, {A("log_status", 2, "!1142 no")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "!1227 no")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "!1044 no")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "!1146 no")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids, {A("log_status", 2, "!1049 no")}, 0, "\"file\":\"\",\"pos\":4,"},
    {mysql_with_gtids,
     {A("log_status", 2, "!1064 syntax")},
     CDC_EXIT_PROTOCOL,
     "cannot read the position of the log: syntax"},
    {mysql_without,
     {A("log_status", 2, "")},
     CDC_EXIT_PERMISSION,
     "gtid_mode is not ON, and performance_schema.log_status shows"},
    {mysql_without, {A("log_status", 2, "!1142 no")}, CDC_EXIT_PERMISSION, "GRANT BACKUP_ADMIN"},
    {mysql_with_gtids, {A("gtid_executed", 1, "~")}, 0, "\"gtids\":\"\","},
    {mysql_with_gtids, {A("gtid_executed", 1, "x")}, CDC_EXIT_CONFIG, "the server's GTIDs cannot be read"},
    {mysql_keyless, {A("FLUSH TABLES", 0, "!1227 no")}, 0, "may come twice (hint: GRANT RELOAD"},
    {mysql_keyless, {A("FLUSH TABLES", 0, "!1045 no")}, 0, "may come twice (hint: GRANT RELOAD"},
    {mysql_keyless, {A("FLUSH TABLES", 0, "!1205 waited")}, CDC_EXIT_TEMPORARY, "a long statement is in the way"},
    {mysql_keyless,
     {A("FLUSH TABLES", 0, "!1227 no"), A("binlog_row_image", 1, "MINIMAL")},
     CDC_EXIT_PERMISSION,
     "GRANT RELOAD ON *.* to the user; or"},
    {mysql_with_gtids, {A("binlog_row_image", 1, "MINIMAL")}, 0, "under FLUSH TABLES WITH READ LOCK"},
    {mysql_with_gtids, {A("binlog_row_image", 1, "full_nodup")}, 0, "before the snapshot: what lies between"},
    /* XA */
    {mariadb, {A("XA RECOVER", 4, "1|1|0|x")}, CDC_EXIT_TEMPORARY, "an XA transaction is prepared"},
    {mariadb, {A("XA RECOVER", 4, "!1227 no")}, 0, "is written: 2 rows"},
    {mariadb,
     {A("xa\\_prepare", 2, "Com_xa_prepare|?")},
     CDC_EXIT_TEMPORARY,
     "XA transactions are prepared all the time"},
    /* tables */
    {mariadb,
     {A("TABLE_ROWS", 6, "d|t?|2|InnoDB|2026-11-21|")},
     CDC_EXIT_TEMPORARY,
     "tables are made or dropped all the time"},
    {mariadb, {A("TABLE_ROWS", 6, "d|t|2|MyISAM||")}, 0, "has an engine without transactions: writers wait"},
    {mysql_keyless,
     {A("TABLE_ROWS", 6, "d|t|2|MyISAM||")},
     CDC_EXIT_CONFIG,
     "engine MyISAM has no transactions, and the table has no key"},
    {mariadb,
     {A("TABLE_ROWS", 6, "d|t|2|MyISAM||"), A("binlog_row_image", 1, "MINIMAL")},
     CDC_EXIT_CONFIG,
     "and binlog_row_image is not FULL"},
    {mariadb,
     {A("TABLE_ROWS", 6, "d|t|2|FEDERATED||")},
     CDC_EXIT_CONFIG,
     "the rows of engine FEDERATED are not the table's own"},
    {mariadb,
     {A("TABLE_ROWS", 6, "e|t|2|InnoDB||")},
     CDC_EXIT_CONFIG,
     "no table that the user may see matches the patterns"},
    {mariadb,
     {A("TABLE_ROWS", 6, ""), A("SHOW GRANTS", 1, "~\nGRANT INSERT ON *.* TO u\nGRANT USAGE ON `d`.* TO u")},
     CDC_EXIT_PERMISSION,
     "the user may not SELECT"},
    {mariadb,
     {A("information_schema.COLUMNS", 15, "id|int|int(11)|~|~|~|10|0|~|NO|PRI||~|insert|1")},
     CDC_EXIT_PERMISSION,
     "may not read all columns of table d.t"},
    {mariadb,
     {A("information_schema.COLUMNS", 15, "id|int|int(11)|~|~|~|10|0|~|NO|PRI||~|select|2")},
     CDC_EXIT_PERMISSION,
     "may not read all columns of table d.t"},
    {mariadb, {A("information_schema.COLUMNS", 15, "")}, CDC_EXIT_PERMISSION, "may not read all columns of table d.t"},
    {mariadb,
     {A("information_schema.COLUMNS", 15, "id|row|row|~|~|~|10|0|~|NO|PRI||~|select|1")},
     CDC_EXIT_CONFIG,
     "column id: its type row is not known"},
    {mariadb,
     {A("information_schema.COLUMNS", 15,
        "id|int|int(11)|~|~|~|10|0|~|NO|PRI||~|select|1\nx|longtext|longtext|utf8mb4|utf8mb4_bin|~|~|~|~|YES|||~|"
        "select|"
        "2")},
     0,
     "\"name\":\"x\",\"type\":\"json\""},
    {mariadb, {A("STATISTICS", 3, "id|D|~")}, 0, "FROM `d`.`t`\n"},
    {mariadb, {A("STATISTICS", 3, "id|A|3")}, 0, "FROM `d`.`t`\n"},
    {mariadb, {A("STATISTICS", 3, "id|A|~\nv|A|~")}, 0, "ORDER BY `id`,`v`\n"},
    {mariadb,
     {A("STATISTICS", 3, "id|A|~\nv|A|~"), A("information_schema.COLUMNS", 15,
                                             "id|int|int(11)|~|~|~|10|0|~|NO|PRI||~|select|1\nv|enum|enum('a')|utf8mb4|"
                                             "utf8mb4_general_ci|4|~|~|~|YES|||~|select|2")},
     0,
     "FROM `d`.`t`\n"},
    {mariadb, {A("TABLE_ROWS", 6, "d|~|2|InnoDB||\n~|t|2|InnoDB||\nd|t|~|InnoDB||")}, 0, "\"table\":\"t\""},
    {mariadb, {A("SELECT TABLE_SCHEMA, TABLE_NAME FROM", 2, "~|t\nd|~\nd|t")}, 0, "is written"},
    {mariadb, {A("STATISTICS", 3, "x|A|~")}, 0, "FROM `d`.`t`\n"},
    {mariadb, {A("USER_PRIVILEGES", 1, "0")}, 0, "is written"},
    {mariadb, {A("SELECT * FROM", 2, "!1146 gone")}, CDC_EXIT_TEMPORARY, "cannot read table d.t: gone"},
    {mariadb, {A("SELECT * FROM", 2, "!1142 denied")}, CDC_EXIT_PERMISSION, "GRANT SELECT on the whole table"},
    {mariadb, {A("SELECT * FROM", 2, "!1194 crashed")}, CDC_EXIT_CONFIG, "repair or drop it, or exclude it (-T 'd.t')"},
    {mariadb, {A("prepare SELECT", 0, "!1412 changed")}, CDC_EXIT_TEMPORARY, "the table was changed while it was read"},
    {mariadb, {A("prepare SELECT", 0, "!1143 denied")}, CDC_EXIT_PERMISSION, "cannot read table d.t: denied"},
    {mariadb, {A("prepare SELECT", 0, "!1054 no column")}, CDC_EXIT_TEMPORARY, "reading begins again"},
    /* what is not in the log */
    {mariadb,
     {A("'log_slave_updates'", 2, "x|OFF"), A("SHOW SLAVE STATUS", 3, "1|2|3")},
     CDC_EXIT_CONFIG,
     "does not log what it replicates"},
    {mariadb,
     {A("'log_slave_updates'", 2, "x|OFF"), A("SHOW SLAVE STATUS", 3, ""),
      A("'Slaves_running'", 2, "Slaves_running|1")},
     CDC_EXIT_CONFIG,
     "does not log what it replicates"},
    {mariadb,
     {A("'log_slave_updates'", 2, "x|OFF"), A("SHOW SLAVE STATUS", 3, ""),
      A("'Slaves_running'", 2, "Slaves_running|0")},
     0,
     "is written"},
    {mariadb,
     {A("'log_slave_updates'", 2, "x|OFF"), A("SHOW SLAVE STATUS", 3, "!1227 no"), A("'Slaves_running'", 2, "")},
     0,
     "is written"},
    {mysql_with_gtids,
     {A("'log_slave_updates'", 2, ""), A("'log_replica_updates'", 2, "x|OFF"), A("SHOW REPLICA STATUS", 3, "1|2|3")},
     CDC_EXIT_CONFIG,
     "does not log what it replicates"},
    {mariadb,
     {A("SHOW MASTER STATUS", 4, "b.000007|900|e|")},
     CDC_EXIT_CONFIG,
     "table d.t is selected, and binlog_do_db leaves"},
    {mariadb, {A("SHOW MASTER STATUS", 4, "b.000007|900|e,d,dd|d")}, 0, "is written"},
    {mariadb,
     {A("SHOW MASTER STATUS", 4, "b.000007|900||dd,d")},
     CDC_EXIT_CONFIG,
     "binlog_ignore_db leaves its changes out"},
    {mariadb, {A("SHOW MASTER STATUS", 4, "b.000007|900||dd,e")}, 0, "is written"},
    {mariadb, {A("SHOW MASTER STATUS", 3, "b.000007|900|e")}, 0, "is written"},
};

/* When it begins again. */
static const struct other second[] = {
    {mariadb, {A("nothing", 0, NULL)}, 0, "goes on inside of table d.t"},
    {mariadb, {A("nothing", 0, NULL)}, 0, "FORCE INDEX (PRIMARY) WHERE (`id` > 1) ORDER BY `id`"},
    {mariadb, {A("TABLE_ROWS", 6, "d|t|2|InnoDB|2026-11-22|")}, 0, "tables were altered or chosen otherwise"},
    {mariadb,
     {A("TABLE_ROWS", 6, "d|t|2|InnoDB|2026-11-22|")},
     0,
     "{\"op\":\"t\",\"pos\":\"X.0000000000.a0002.000001.0000000002\""},
    {mariadb, {A("STATISTICS", 3, "")}, 0, "tables were altered or chosen otherwise"},
    {mariadb,
     {A("TABLE_ROWS", 6, "d|a|2|InnoDB||\nd|t|2|InnoDB|2026-11-21|")},
     0,
     "tables were altered or chosen otherwise"},
    {mariadb,
     {A("binlog_row_image", 1, "MINIMAL")},
     CDC_EXIT_CONFIG,
     "can only be begun again with binlog_row_image = FULL"},
    {mariadb, {A("BINLOG_GTID_POS", 1, "~")}, CDC_EXIT_LOST, "was purged, or the server is another one"},
    {mariadb, {A("BINLOG_GTID_POS", 1, "0-1-4")}, CDC_EXIT_LOST, "is not the one of its first attempt"},
    {mariadb, {A("BINLOG_GTID_POS", 1, "x")}, CDC_EXIT_CONFIG, "GTIDs cannot be read"},
    {mysql_with_gtids,
     {A("GTID_SUBSET(@@GLOBAL.gtid_purged, '" UUID ":1-5')", 1, "0")},
     CDC_EXIT_LOST,
     "since its first attempt was purged"},
    {mysql_with_gtids,
     {A("GTID_SUBSET('" UUID ":1-5', @@GLOBAL.gtid_executed)", 1, "0")},
     CDC_EXIT_LOST,
     "lost transactions since its first attempt"},
    {mysql_with_gtids, {A("GTID_SUBSET(", 1, "~")}, CDC_EXIT_PROTOCOL, "does not compare GTID sets"},
    {mysql_without,
     {A("'server_uuid'", 2, "server_uuid|4" UUID)},
     CDC_EXIT_LOST,
     "its first attempt was at another server"},
    {mysql_without, {A("SHOW BINARY LOGS", 2, "b.000007|566")}, CDC_EXIT_LOST, "since its first attempt was purged"},
    {mysql_without, {A("SHOW BINARY LOGS", 2, "b.000007|567")}, 0, "goes on inside of table d.t"},
    /* Of an encrypted file the size is 512 bytes more than its end. */
    {mysql_without,
     {A("SHOW BINARY LOGS", 3, "b.000007|1078|Yes")},
     CDC_EXIT_LOST,
     "since its first attempt was purged"},
    {mysql_without, {A("SHOW BINARY LOGS", 3, "b.000007|1079|Yes")}, 0, "goes on inside of table d.t"},
    {mysql_without, {A("SHOW BINARY LOGS", 3, "b.000007|567|No")}, 0, "goes on inside of table d.t"},
    {mysql_without, {A("SHOW BINARY LOGS", 2, "b.000008|900")}, CDC_EXIT_LOST, "since its first attempt was purged"},
    {mysql_without,
     {A("SHOW BINARY LOGS", 2, "b.000007|0")},
     CDC_EXIT_UNAVAILABLE,
     "the server cannot open its log file b.000007"},
    {mysql_without, {A("SHOW BINARY LOGS", 2, "b.000007|~")}, CDC_EXIT_PROTOCOL, "has gaps"},
    {mysql_without,
     {A("'gtid_domain_id'", 2, "gtid_domain_id|0"), A("CONCAT(@@server_id", 1, "1/host:3306"),
      A("CHECK_CONSTRAINTS", 1, "")},
     CDC_EXIT_LOST,
     "at another kind of server"},
    {mariadb,
     {A("'gtid_domain_id'", 2, ""), A("'server_uuid'", 2, "server_uuid|" UUID), A("'gtid_mode'", 2, "gtid_mode|ON"),
      A("SHOW BINARY LOG STATUS", 4, "")},
     CDC_EXIT_LOST,
     "at another kind of server"},
};

/* Of two tables, of which the first is read. */
static void test_tables(void)
{
    static const struct fake_answer two[] = {A("TABLE_ROWS", 6, "d|t|2|InnoDB|2026-11-21|\nd|u|2|InnoDB|2026-11-21|"),
                                             A("SELECT TABLE_SCHEMA, TABLE_NAME FROM", 2, "d|t\nd|u"), MARIADB,
                                             COMMON(COLUMNS_OF_T)};
    static const struct other after[] = {
        {two, {A("nothing", 0, NULL)}, 0, "goes on after table d.t\n"},
        {two,
         {A("nothing", 0, NULL)},
         0,
         "{\"op\":\"schema\",\"pos\":\"X.0000000000.a0002.000001.0000000001\",\"seq\":N,\"ts_ms\":1764000000123,"
         "\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"db\":\"d\",\"table\":\"u\""},
        {two,
         {A("nothing", 0, NULL)},
         0,
         "\"table\":\"u\",\"ts_ms\":1764000000123,\"server_id\":7,\"file\":\"b.000007\",\"pos\":567,\"row\":0,"
         "\"snapshot\":\"true\"},\"key\":{\"id\":2}"},
        {two,
         {A("TABLE_ROWS", 6, "d|t|2|InnoDB|2026-11-21|\nd|u|2|InnoDB|2026-11-22|")},
         0,
         "goes on after table d.t\n"},
    };
    static const struct other changed = {two,
                                         {A("TABLE_ROWS", 6, "d|t|2|InnoDB|2026-11-22|\nd|u|2|InnoDB|2026-11-21|")},
                                         0,
                                         "tables were altered or chosen otherwise"};
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    broken_at = 6; /* the log's and its end, two rows of t and their end */
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        check_other(&after[i], second_attempt, "after a table");
    check_other(&changed, second_attempt, "after a table");
    use(two);
    check(second_attempt(&out, &error) == 0 && !has(&out, "\"table\":\"t\""), "what was read is not read again");
    use(two);
    failures += fake_sweep("two tables", second_attempt);
    failures += memory_sweep("two tables", second_attempt);
    broken_at = 0;
    cdc_buf_free(&out);
}

/* Rows that are none. */
static void test_rows(void)
{
    static const uint8_t head[] = {1, 0, 1, 0, 0, 0, 1, 'a'}, longer[] = {0, 0, 1, 0, 0, 0, 1, 'a', 0},
                         beyond[] = {0, 0, 1, 0, 0, 0, 2, 'a'}, shorter[] = {0, 0, 1, 0, 0}, none[] = {0};
    static const struct fake_packet bad[] = {{head, sizeof head},     {longer, sizeof longer},
                                             {beyond, sizeof beyond}, {shorter, sizeof shorter},
                                             {none, sizeof none},     {none, 0}};
    static const unsigned other_types[] = {MYSQL_TYPE_DOUBLE, MYSQL_TYPE_VAR_STRING};
    const struct other other = {mariadb, {A("nothing", 0, NULL)}, CDC_EXIT_PROTOCOL, "table d.t: "};
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        use(mariadb);
        fake.rows = &bad[i];
        fake.n_rows = 1;
        error.status = 0;
        check(first_attempt(&out, &error) < 0 && error.status == CDC_EXIT_PROTOCOL &&
                  strstr(error.text, "table d.t: the server sent a row that cannot be read"),
              "a row that is none");
    }
    /* 2026-13-21 */
    static const uint8_t month_13[] = {0, 0, 1, 0, 0, 0, 4, 0xea, 7, 13, 21};
    static const struct fake_packet no_date[] = {{month_13, sizeof month_13}};
    static const unsigned date_types[] = {MYSQL_TYPE_LONG, MYSQL_TYPE_DATETIME};
    static const struct fake_answer dated[] = {
        A("information_schema.COLUMNS", 15,
          "id|int|int(11)|~|~|~|10|0|~|NO|PRI||~|select|1\nv|datetime|datetime|~|~|~|~|~|0|YES|||~|select|2"),
        A(NULL, 0, NULL)};
    use(mariadb);
    fake.first = dated;
    fake.rows = no_date;
    fake.n_rows = 1;
    fake.types = date_types;
    error.status = 0;
    check(first_attempt(&out, &error) < 0 &&
              strcmp(error.text, "table d.t: column v: the server sent a value that its type cannot have") == 0,
          "a value that is none");
    fake.first = NULL;
    use(mariadb);
    fake.types = other_types;
    error.status = 0;
    check(first_attempt(&out, &error) < 0 &&
              strcmp(error.text, "table d.t: column id: the server sends type 5 for int(11)") == 0,
          "another type");
    fake.types = types;
    fake.n_types = 1;
    error.status = 0;
    check(first_attempt(&out, &error) < 0 && strstr(error.text, "table d.t: the server does not describe the rows"),
          "a column less");
    (void)other;
    cdc_buf_free(&out);
}

/* A line's pos has no digits for more attempts: two of them would have the same ones. */
static void test_last_attempt(void)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT, state = CDC_BUF_INIT;
    struct cdc_offset_file *file = cdc_offset_file_memory("cdc-snapshot", &error);
    static const uint8_t bad[] = {0};
    static const struct fake_packet broken[] = {{row_1, sizeof row_1}, {bad, sizeof bad}};
    use(mariadb);
    fake.rows = broken;
    bool broken_off = attempt(file, &out, &error) < 0;
    fake.rows = rows;
    const struct cdc_offset *kept = cdc_offset_file_get(file, "p");
    const char *number = kept ? strstr(kept->state, "\"attempt\":1,") : NULL;
    check(broken_off && number, "a first attempt is kept");
    if (!number)
        abort();
    cdc_buf_printf(&state, "%.*s\"attempt\":65535%s", (int)(number - kept->state), kept->state,
                   number + strlen("\"attempt\":1"));
    struct cdc_offset changed = *kept;
    changed.state = state.data;
    out.len = 0;
    memset(&error, 0, sizeof error);
    check(cdc_offset_file_set(file, "p", &changed, &error) == 0 && attempt(file, &out, &error) < 0 &&
              error.status == CDC_EXIT_CONFIG &&
              strstr(error.text, "65535 attempts at the snapshot of \"p\" have failed"),
          "no attempt after the last one");
    check(out.len == 0 && strcmp(cdc_offset_file_get(file, "p")->state, state.data) == 0, "writes nothing");
    cdc_offset_file_free(file);
    cdc_buf_free(&state);
    cdc_buf_free(&out);
}

static void test_others(void)
{
    static const struct other unselected = {mariadb,
                                            {A("TABLE_ROWS", 6, "d|t|2|InnoDB||")},
                                            CDC_EXIT_CONFIG,
                                            "no table that the user may see matches 'd.s'"};
    static const struct other hidden = {
        mariadb, {A("USER_PRIVILEGES", 1, "0")}, 0, "the user has no SELECT on the whole database"};
    static const struct other empty = {mariadb, {A("TABLE_ROWS", 6, "")}, 0, "the snapshot is empty"};
    static const struct other ignored = {
        mariadb, {A("SHOW MASTER STATUS", 4, "b.000007|900||d")}, 0, "binlog_ignore_db leaves its changes out"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        check_other(&first[i], first_attempt, "first");
    for (size_t i = 0; i < sizeof second / sizeof *second; i++)
        check_other(&second[i], second_attempt, "second");
    named = false;
    check_other(&hidden, first_attempt, "all that may be seen");
    check_other(&empty, first_attempt, "all that may be seen");
    check_other(&ignored, first_attempt, "all that may be seen");
    named = true;
    n_patterns = 2;
    check_other(&unselected, first_attempt, "one table");
    n_patterns = 1;
    test_rows();
    test_tables();
}

int main(void)
{
    static const struct {
        const char *what;
        const struct fake_answer *answers;
    } servers[] = {{"MariaDB", mariadb},
                   {"MySQL with GTIDs", mysql_with_gtids},
                   {"MySQL without GTIDs", mysql_without},
                   {"MySQL, a table without a key", mysql_keyless}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        use(servers[i].answers);
        failures += fake_sweep(servers[i].what, first_attempt);
        failures += memory_sweep(servers[i].what, first_attempt);
        if (servers[i].answers == mysql_keyless)
            continue;
        printf("# a second attempt\n");
        failures += fake_sweep(servers[i].what, second_attempt);
        failures += memory_sweep(servers[i].what, second_attempt);
    }
    test_said();
    test_others();
    test_last_attempt();
    cdc_buf_free(&fake.said);
    cdc_buf_free(&logged);
    return failures ? 1 : 0;
}
