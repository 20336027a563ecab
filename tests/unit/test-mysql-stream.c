/* SPDX-License-Identifier: MIT */
/* The stream of a server that is a table of answers, and has a log of a few events: its lines, and what becomes of it when one
 * command, answer, packet or allocation fails, or an answer is another one. */
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/schema/files.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/stream/stream.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/fake-mysql.h"

#include <cdc/start.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- the log -- */

static struct fake_packet dump[16];
static size_t n_dump;

/* What is in body as an event that ends there, after the byte 00 of a packet. */
static void add_event(uint8_t type, uint32_t end, uint16_t flags)
{
    static uint8_t kept[16][400];
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, flags, false);
    for (int i = 0; i < 4; i++)
        body.data[13 + i] = (char)(end >> (8 * i));
    kept[n_dump][0] = 0;
    memcpy(kept[n_dump] + 1, body.data, body.len);
    dump[n_dump] = (struct fake_packet){kept[n_dump], body.len + 1};
    n_dump++;
    cdc_buf_free(&content);
}

static void add_format_of(unsigned format, const char *version)
{
    start();
    put(format, 2);
    put_text(version);
    while (body.len < 52)
        put(0, 1);
    put(0, 4);
    put(19, 1);
    for (int type = 1; type <= 164; type++)
        put(type == 2 ? 13 : type == 19 ? 8 : type == 15 ? 221 : type >= 23 && type <= 25 ? 8 : 0, 1);
    put(0, 1);
    put(0, 4);
    add_event(MY_EVENT_FORMAT, 256, 0);
}

static void add_format(const char *version)
{
    add_format_of(4, version);
}

/* A row 5 of t(a int), of which the log has the name, or has not. */
static void make_log(bool names)
{
    n_dump = 0;
    start();
    put(4, 8);
    put_text("b.000007");
    add_event(MY_EVENT_ROTATE, 0, MY_EVENT_FLAG_ARTIFICIAL);
    add_format("10.11.6-MariaDB");
    start();
    put(6, 8);
    put(0, 4);
    put(4, 1); /* transactional */
    put(0, 6);
    add_event(MY_EVENT_MARIADB_GTID, 610, 0);
    start();
    put_hex(names ? "12000000000001000164000174000103000004020161080100" : "120000000000010001640001740001030000");
    add_event(MY_EVENT_TABLE_MAP, 660, 0);
    start();
    put_hex("120000000000010001ff0005000000");
    add_event(MY_EVENT_WRITE_ROWS_V1, 700, 0);
    start();
    put(42, 8);
    add_event(MY_EVENT_XID, 731, 0);
}

/* -- the server -- */

static const struct fake_answer server[] = {
    {"VERSION()", 1, "10.11.6-MariaDB", false},
    {"'gtid_domain_id'", 2, "gtid_domain_id|0", false},
    {"CONCAT(@@server_id", 1, "1/host:3306", false},
    {"'log_bin'", 2, "log_bin|ON", false},
    {"'binlog_format'", 2, "binlog_format|ROW", false},
    {"'binlog_row_metadata'", 2, "binlog_row_metadata|FULL", false},
    {"'binlog_checksum'", 2, "binlog_checksum|NONE", false},
    {"'lower_case_table_names'", 2, "lower_case_table_names|0", false},
    {"SHOW BINARY LOG STATUS", 4, "b.000007|731||", true},
    {"SHOW BINARY LOGS", 2, "b.000006|100\nb.000007|900", false},
    {"BINLOG_GTID_POS", 1, "0-1-5", false},
    {"@@GLOBAL.gtid_binlog_pos", 1, "0-1-6", false},
    {"SHOW MASTER STATUS", 4, "b.000007|731||", true},
    {"CHECK_CONSTRAINTS", 1, "", true},
    {"FROM information_schema.COLUMNS", 15, "a|int|int(11)|~|~|~|10|0|~|NO|PRI||~|select|1", true},
    {"SHOW CREATE TABLE", 2, "t|CREATE TABLE `t` (`a` int(11) NOT NULL, PRIMARY KEY (`a`))", true},
    {"TABLE_TYPE FROM information_schema.TABLES", 1, "BASE TABLE", false},
    {"SELECT TABLE_SCHEMA, TABLE_NAME", 2, "d|t", true},
    {"FROM information_schema", 3, "", true},
    {"GTID_SUBSET(", 1, "1", false},
    {"@@GLOBAL.gtid_executed", 1, "\n", false},
    {"innodb_native_foreign_keys", 2, "", true},
    {"'log_slave_updates'", 2, "log_slave_updates|ON", true},
    {"'wsrep_on'", 2, "wsrep_on|OFF", false},
    {"SET ", 0, NULL, false},
    {"START TRANSACTION", 0, NULL, false},
    {"ROLLBACK", 0, NULL, true},
    {"COMMIT", 0, NULL, false},
    {"SELECT 1 FROM `d`.`t` LIMIT 0", 1, "", false},
    {NULL, 0, NULL, false}};

/* -- one run -- */

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
static const struct cdc_log log_to = {.write = keep_message};

#define SOURCE                                                                                                         \
    "{\"connector\":\"mariadb\",\"name\":\"p\",\"ts_ms\":1,\"server_id\":7,\"file\":\"b.000007\",\"pos\":567,\"row\":" \
    "0,\"gtids\":\"0-1-5\",\"server_uuid\":\"1/host:3306\",\"file_created\":1700000000}"
#define POS "0006450000000000.FFFFFFFFFF"
static const char *source = SOURCE, *start_pos = POS, *first;
static const char *schema_file;
static bool tells_boundary; /* without memory for it there is none, and reading begins again at the one before */

static int read_all(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    for (int i = 0; i < 50; i++) {
        short wanted;
        enum cdc_source_result got = my_stream_ops.read(stream, out, out->len + 1, error);
        if (got == CDC_SOURCE_ERROR || got == CDC_SOURCE_END)
            return got == CDC_SOURCE_END ? 0 : -1;
        if (my_stream_ops.tick(stream, out, false, error) < 0)
            return -1;
        struct pollfd fd = {my_stream_ops.descriptor(stream, &wanted), POLLIN, 0};
        if (got == CDC_SOURCE_IDLE)
            poll(&fd, 1, 10000);
    }
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "the stream does not end");
}

static int stream(struct cdc_buf *out, struct cdc_error *error)
{
    static const char *pattern[] = {"d.*"};
    struct cdc_metrics metrics = {0};
    struct cdc_offset from = {.pos = (char *)start_pos, .source = (char *)source};
    const struct cdc_start decided = {.kind = first ? CDC_START_FIRST : CDC_START_RESUME,
                                      .from = first ? (struct cdc_offset){0} : from};
    const struct my_stream_settings settings = {
        .connection = {.url = "mysql://u:p@127.0.0.1/d?ssl-mode=DISABLED", .tool = "mysql-binlog"},
        .name = "p",
        .selection = {.include = {.items = pattern, .count = 1}},
        .start = &decided,
        .first = first,
        .schema_file = schema_file,
        .until = "now"};
    fake.answers = server;
    fake.dump = dump;
    fake.n_dump = n_dump;
    fake.sessions = 0;
    fake.said.len = logged.len = 0;
    memset(fake_sessions, 0, sizeof fake_sessions);
    memory_begin();
    struct my_stream *made = my_stream_new(&settings, &metrics, &log_to, error);
    int result =
        made && my_stream_ops.connect(made, first ? NULL : &from, error) == 0 ? read_all(made, out, error) : -1;
    const struct cdc_offset *boundary = result == 0 ? my_stream_ops.boundary(made) : NULL;
    memory_end();
    if (boundary && tells_boundary)
        cdc_buf_printf(out, "%s %s", boundary->pos, boundary->source);
    my_stream_free(made);
    for (size_t i = 0; i < sizeof fake_sessions / sizeof *fake_sessions; i++)
        if (fake_sessions[i].mysql)
            result = cdc_error_set(error, CDC_EXIT_INTERNAL, "session %u is left open", fake_sessions[i].number);
    return result;
}

/* -- what comes out, and what is said for it ---------------------------------------------------- */

/* Long statements without their middle. */
static void append_short(struct cdc_buf *out)
{
    for (const char *p = fake.said.data, *end = p + fake.said.len; p < end;) {
        size_t n = strcspn(p, "\n");
        if (n > 130)
            cdc_buf_printf(out, "%.70s ... %.*s\n", p, 50, p + n - 50);
        else
            cdc_buf_printf(out, "%.*s\n", (int)n, p);
        p += n + 1;
    }
}

static const struct run {
    const char *what, *name;
    bool names;
    const char *lines, *said;
} runs[] = {{"the log names columns", "named", true,
             "{\"op\":\"schema\",\"pos\":\"0006450000000001.0000000001.0\",\"seq\":1764716162580481,\"ts_ms\":"
             "1700000000000,\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"db\":\"d\",\"table\":\"t\",\"ts_"
             "ms\":1700000000000,\"gtid\":\"0-7-6\",\"server_id\":7,\"file\":\"b.000007\",\"pos\":666,\"row\":0,"
             "\"snapshot\":\"false\"},\"columns\":[{\"name\":\"a\",\"type\":\"int(11)\",\"nullable\":false,"
             "\"generated\":false}],\"key_columns\":[\"a\"]}\n"
             "{\"op\":\"c\",\"pos\":\"0006450000000001.0000000001.1\",\"seq\":1764716162580481,\"ts_ms\":1700000000000,"
             "\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"db\":\"d\",\"table\":\"t\",\"ts_ms\":"
             "1700000000000,\"gtid\":\"0-7-6\",\"server_id\":7,\"file\":\"b.000007\",\"pos\":666,\"row\":0,"
             "\"snapshot\":\"false\"},\"key\":{\"a\":5},\"before\":null,\"after\":{\"a\":5}}\n"
             "{\"op\":\"commit\",\"pos\":\"0006450000000001.FFFFFFFFFF.0\",\"seq\":1764716162580481,\"ts_ms\":"
             "1700000000000,\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"ts_ms\":1700000000000,\"gtid\":\"0-"
             "7-6\",\"server_id\":7,\"file\":\"b.000007\",\"pos\":731,\"row\":0,\"snapshot\":\"false\",\"gtids\":\"0-7-"
             "6\",\"server_uuid\":\"1/host:3306\",\"file_created\":1700000000},\"events\":1}\n"
             "0006450000000001.FFFFFFFFFF.0 "
             "{\"connector\":\"mariadb\",\"name\":\"p\",\"ts_ms\":1700000000000,\"gtid\":\"0-7-6\",\"server_id\":7,"
             "\"file\":\"b.000007\",\"pos\":731,\"row\":0,\"snapshot\":\"false\",\"gtids\":\"0-7-6\",\"server_uuid\":"
             "\"1/host:3306\",\"file_created\":1700000000}",
             "1 connects\n"
             "1 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "1 SELECT VERSION()\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names'\n"
             "1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "1 SHOW BINARY LOGS\n"
             "2 connects\n"
             "2 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "2 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "2 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', @mariadb_slave_capability = 4\n"
             "2 dump from coordinates\n"
             "2 040000000100649ee7f0622e303030303037\n"
             "1 SELECT BINLOG_GTID_POS('b.000007', 567)\n"
             "1 SELECT @@GLOBAL.gtid_binlog_pos\n"
             "1 SHOW MASTER STATUS\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'log_slave_updates'\n"
             "1 SHOW MASTER STATUS\n"
             "1 SET SESSION lock_wait_timeout = 1\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... ABLE_SCHEMA AS BINARY), "
             "CAST(TABLE_NAME AS BINARY)\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... NAME LIKE 'DB\\_ROW\\_HASH%') "
             "AND TABLE_SCHEMA = 'd'\n"
             "3 connects\n"
             "3 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "3 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "3 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NON ... lica_uuid = "
             "'b0e79e64-0000-4000-8000-0000b0e79e64'\n"
             "3 SET SESSION net_write_timeout = 86400\n"
             "3 dump from coordinates\n"
             "3 370200000100649ee7b0622e303030303037\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... ABLE_SCHEMA AS BINARY), "
             "CAST(TABLE_NAME AS BINARY)\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... ABLE_SCHEMA AS BINARY), "
             "CAST(TABLE_NAME AS BINARY)\n"
             "1 SHOW CREATE TABLE `d`.`t`\n"
             "1 SET SESSION lock_wait_timeout = 5\n"
             "1 START TRANSACTION\n"
             "1 SELECT 1 FROM `d`.`t` LIMIT 0\n"
             "1 SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'd' AND "
             "TABLE_NAME = 't'\n"
             "1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLL ... 'd' AND TABLE_NAME = 't' "
             "ORDER BY ORDINAL_POSITION\n"
             "1 SELECT @@GLOBAL.gtid_binlog_pos\n"
             "1 SHOW MASTER STATUS\n"
             "1 ROLLBACK\n"
             "4 connects\n"
             "4 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "4 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "4 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', @mariadb_slave_capability = 4\n"
             "4 dump from coordinates\n"
             "4 940200000100649ee7f0622e303030303037\n"},
            {"the catalog names columns", "unnamed", false,
             "{\"op\":\"schema\",\"pos\":\"0006450000000001.0000000001.0\",\"seq\":1764716162580481,\"ts_ms\":"
             "1700000000000,\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"db\":\"d\",\"table\":\"t\",\"ts_"
             "ms\":1700000000000,\"gtid\":\"0-7-6\",\"server_id\":7,\"file\":\"b.000007\",\"pos\":666,\"row\":0,"
             "\"snapshot\":\"false\"},\"columns\":[{\"name\":\"a\",\"type\":\"int(11)\",\"nullable\":false,"
             "\"generated\":false}],\"key_columns\":[\"a\"]}\n"
             "{\"op\":\"c\",\"pos\":\"0006450000000001.0000000001.1\",\"seq\":1764716162580481,\"ts_ms\":1700000000000,"
             "\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"db\":\"d\",\"table\":\"t\",\"ts_ms\":"
             "1700000000000,\"gtid\":\"0-7-6\",\"server_id\":7,\"file\":\"b.000007\",\"pos\":666,\"row\":0,"
             "\"snapshot\":\"false\"},\"key\":{\"a\":5},\"before\":null,\"after\":{\"a\":5}}\n"
             "{\"op\":\"commit\",\"pos\":\"0006450000000001.FFFFFFFFFF.0\",\"seq\":1764716162580481,\"ts_ms\":"
             "1700000000000,\"source\":{\"connector\":\"mariadb\",\"name\":\"p\",\"ts_ms\":1700000000000,\"gtid\":\"0-"
             "7-6\",\"server_id\":7,\"file\":\"b.000007\",\"pos\":731,\"row\":0,\"snapshot\":\"false\",\"gtids\":\"0-7-"
             "6\",\"server_uuid\":\"1/host:3306\",\"file_created\":1700000000},\"events\":1}\n"
             "0006450000000001.FFFFFFFFFF.0 "
             "{\"connector\":\"mariadb\",\"name\":\"p\",\"ts_ms\":1700000000000,\"gtid\":\"0-7-6\",\"server_id\":7,"
             "\"file\":\"b.000007\",\"pos\":731,\"row\":0,\"snapshot\":\"false\",\"gtids\":\"0-7-6\",\"server_uuid\":"
             "\"1/host:3306\",\"file_created\":1700000000}",
             "1 connects\n"
             "1 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "1 SELECT VERSION()\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'log_bin'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'binlog_format'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names'\n"
             "1 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "1 SHOW BINARY LOGS\n"
             "2 connects\n"
             "2 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "2 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "2 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', @mariadb_slave_capability = 4\n"
             "2 dump from coordinates\n"
             "2 040000000100649ee7f0622e303030303037\n"
             "1 SELECT BINLOG_GTID_POS('b.000007', 567)\n"
             "1 SELECT @@GLOBAL.gtid_binlog_pos\n"
             "1 SHOW MASTER STATUS\n"
             "1 SHOW GLOBAL VARIABLES LIKE 'log_slave_updates'\n"
             "1 SHOW MASTER STATUS\n"
             "1 SET SESSION lock_wait_timeout = 1\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... ABLE_SCHEMA AS BINARY), "
             "CAST(TABLE_NAME AS BINARY)\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... NAME LIKE 'DB\\_ROW\\_HASH%') "
             "AND TABLE_SCHEMA = 'd'\n"
             "3 connects\n"
             "3 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "3 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "3 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NON ... lica_uuid = "
             "'b0e79e64-0000-4000-8000-0000b0e79e64'\n"
             "3 SET SESSION net_write_timeout = 86400\n"
             "3 dump from coordinates\n"
             "3 370200000100649ee7b0622e303030303037\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... ABLE_SCHEMA AS BINARY), "
             "CAST(TABLE_NAME AS BINARY)\n"
             "1 SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ... ABLE_SCHEMA AS BINARY), "
             "CAST(TABLE_NAME AS BINARY)\n"
             "1 SHOW CREATE TABLE `d`.`t`\n"
             "1 SET SESSION lock_wait_timeout = 5\n"
             "1 START TRANSACTION\n"
             "1 SELECT 1 FROM `d`.`t` LIMIT 0\n"
             "1 SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'd' AND "
             "TABLE_NAME = 't'\n"
             "1 SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLL ... 'd' AND TABLE_NAME = 't' "
             "ORDER BY ORDINAL_POSITION\n"
             "1 SELECT @@GLOBAL.gtid_binlog_pos\n"
             "1 SHOW MASTER STATUS\n"
             "1 ROLLBACK\n"
             "4 connects\n"
             "4 SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+ ... "
             "gipk_in_create_table_and_information_schema = ON*/\n"
             "4 SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)\n"
             "4 SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', @mariadb_slave_capability = 4\n"
             "4 dump from coordinates\n"
             "4 940200000100649ee7f0622e303030303037\n"}};

static size_t wrong;

static void test_run(const struct run *run)
{
    struct cdc_buf out = CDC_BUF_INIT, said = CDC_BUF_INIT;
    struct cdc_error error = {0};
    make_log(run->names);
    tells_boundary = true;
    int result = stream(&out, &error);
    append_short(&said);
    check(result == 0, run->what);
    check_text("lines", text_of(&out), run->lines);
    check_text("what is said", text_of(&said), run->said);
    if (getenv("SHOW"))
        printf("@@ %s %d %s\n<<lines\n%.*s\n>>\n<<said\n%.*s>>\n%.*s\n", run->name, result, error.text, (int)out.len,
               out.data, (int)said.len, said.data, (int)logged.len, logged.data);
    cdc_buf_free(&out);
    cdc_buf_free(&said);
    wrong += fake_sweep(run->what, stream);
    tells_boundary = false;
    wrong += memory_sweep(run->what, stream);
}

/* -- other answers, and other positions ------------------------------------------------------------- */

#define A(to, columns, rows)                                                                                           \
    {                                                                                                                  \
        to, columns, rows, false                                                                                       \
    }
struct other {
    const char *source, *first;    /* NULL: SOURCE; no first start */
    struct fake_answer answers[5]; /* and an end */
    int status;
    const char *says; /* part of the error, its hint, a message, the lines or what was said */
};

static bool has(const struct cdc_buf *where, const char *part)
{
    return where->len > 0 && memmem(where->data, where->len, part, strlen(part)) != NULL;
}

static void check_other(const struct other *other)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char line[240];
    fake.first = other->answers;
    first = other->first;
    source = other->source ? other->source : SOURCE;
    int result = stream(&out, &error);
    first = NULL;
    source = SOURCE;
    fake.first = NULL;
    cdc_buf_printf(&out, "%s (hint: %s)", error.text, error.hint);
    cdc_buf_append_buf(&out, &logged);
    cdc_buf_append_buf(&out, &fake.said);
    snprintf(line, sizeof line, "%.60s|%.60s: %s", other->answers[0].to,
             other->answers[0].rows ? other->answers[0].rows : "", other->says);
    bool good = error.status == other->status && (result == 0) == (other->status == 0) && has(&out, other->says);
    check(good, line);
    if (!good)
        printf("# status %d: %.*s\n", error.status, (int)out.len, out.data);
    cdc_buf_free(&out);
}

#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define SOURCE_OF(file, pos, gtids, uuid, created)                                                                     \
    "{\"connector\":\"mysql\",\"name\":\"p\",\"ts_ms\":1,\"server_id\":7,\"file\":\"" file "\",\"pos\":" pos           \
    ",\"row\":0,\"gtids\":\"" gtids "\",\"server_uuid\":\"" uuid "\",\"file_created\":" created "}"
#define MYSQL8(gtid)                                                                                                   \
    A("'gtid_domain_id'", 2, ""), A("'gtid_mode'", 2, "gtid_mode|" gtid), A("'server_uuid'", 2, "server_uuid|" UUID)

static const struct other others[] = {
    /* MariaDB: is it the log of the position? */
    {NULL,
     NULL,
     {A("SHOW BINARY LOGS", 2, "b.000001|100")},
     CDC_EXIT_LOST,
     "the server's log ends before it: it was reset"},
    {NULL,
     NULL,
     {A("SHOW BINARY LOGS", 2, "b.000007|566")},
     CDC_EXIT_LOST,
     "the server's log ends before it: it was reset"},
    {NULL, NULL, {A("SHOW BINARY LOGS", 2, "b.000007|567")}, 0, "\"after\":{\"a\":5}"},
    {NULL, NULL, {A("SHOW BINARY LOGS", 2, "b.000007|0")}, CDC_EXIT_UNAVAILABLE, "cannot open its log file b.000007"},
    {NULL,
     NULL,
     {A("SHOW BINARY LOGS", 2, "b.000008|100")},
     0,
     "the position's file b.000007 was purged: that this is the same log, its GTIDs alone tell"},
    {NULL,
     NULL,
     {A("SHOW BINARY LOGS", 2, "b.000008|100"), A("BINLOG_GTID_POS('b.000008', 4)", 1, "0-1-4")},
     CDC_EXIT_LOST,
     "its file was purged, and the log begins with other transactions"},
    {NULL,
     NULL,
     {A("BINLOG_GTID_POS", 1, "0-1-4")},
     CDC_EXIT_LOST,
     "other transactions are in its place: the log was reset"},
    {NULL,
     NULL,
     {A("BINLOG_GTID_POS", 1, "~")},
     CDC_EXIT_LOST,
     "other transactions are in its place: the log was reset"},
    {NULL, NULL, {A("BINLOG_GTID_POS", 1, "!1045 no")}, CDC_EXIT_PERMISSION, "cannot read the server's GTIDs: no"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/host:3306", "1700000001"),
     NULL,
     {A("nothing", 0, NULL)},
     CDC_EXIT_LOST,
     "its file was begun anew: the log was reset"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/other:3306", "1700000000"),
     NULL,
     {A("nothing", 0, NULL)},
     0,
     "the log is that of server 1/other:3306, which is 1/host:3306 now"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "2/other:3306", "1700000000"),
     NULL,
     {A("nothing", 0, NULL)},
     0,
     "the log goes on at another server (1/host:3306 instead of 2/other:3306)"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/other:3306", "1700000001"),
     NULL,
     {A("nothing", 0, NULL)},
     CDC_EXIT_LOST,
     "its file was begun anew: the log was reset"},
    /* nodes of Galera: with GTIDs of their own, and with the cluster's */
    {SOURCE_OF("b.000007", "567", "0-1-5", "2/other:3306", "1700000000"),
     NULL,
     {A("'wsrep_on'", 2, "wsrep_on|ON"), A("'wsrep_gtid_mode'", 2, "wsrep_gtid_mode|OFF")},
     CDC_EXIT_LOST,
     "the position is of server 2/other:3306, and this is 1/host:3306"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "2/other:3306", "1700000000"),
     NULL,
     {A("'wsrep_on'", 2, "wsrep_on|ON"), A("'wsrep_gtid_mode'", 2, "wsrep_gtid_mode|ON")},
     0,
     "the log goes on at another server (1/host:3306 instead of 2/other:3306)"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/other:3306", "1700000001"),
     NULL,
     {A("'wsrep_on'", 2, "wsrep_on|ON"), A("'wsrep_gtid_mode'", 2, "wsrep_gtid_mode|OFF")},
     CDC_EXIT_LOST,
     "its file was begun anew: the log was reset"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/other:3306", "1700000001"),
     NULL,
     {A("'wsrep_on'", 2, "wsrep_on|ON"), A("'wsrep_gtid_mode'", 2, "wsrep_gtid_mode|ON")},
     0,
     "the log goes on at another server (1/host:3306 instead of 1/other:3306)"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/host:3306", "1700000001"),
     NULL,
     {A("'wsrep_on'", 2, "wsrep_on|ON"), A("'wsrep_gtid_mode'", 2, "wsrep_gtid_mode|ON")},
     CDC_EXIT_LOST,
     "its file was begun anew: the log was reset"},
    {SOURCE_OF("b.000007", "567", "0-1-5", "1/other:3306", "1700000001"),
     NULL,
     {A("'wsrep_on'", 2, "!1045 no")},
     CDC_EXIT_PERMISSION,
     "cannot read the server's settings: no"},
    /* the position's file was purged: what is left is read from its head */
    {NULL,
     NULL,
     {A("SHOW BINARY LOGS", 2, "b.000008|100")},
     0,
     "\n2 dump from coordinates\n2 040000000100649ee7b0622e303030303038"},
    {SOURCE_OF("b.000007", "567", "0-1-x", "1/host:3306", "1700000000"),
     NULL,
     {A("nothing", 0, NULL)},
     CDC_EXIT_CONFIG,
     "0-1-x"},
    {"{}", NULL, {A("nothing", 0, NULL)}, 0, "3 connects"},
    /* MySQL by coordinates */
    {SOURCE_OF("b.000007", "567", "", UUID, "1700000000"),
     NULL,
     {MYSQL8("OFF"), A("SHOW BINARY LOGS", 2, "b.000007|900")},
     0,
     "\n3 dump from coordinates\n3 37020000"},
    {SOURCE_OF("b.000007", "567", "", "4" UUID, "1700000000"),
     NULL,
     {MYSQL8("OFF")},
     CDC_EXIT_LOST,
     "it is a file and an offset of another server"},
    {SOURCE_OF("b.000007", "567", "", UUID, "1700000001"),
     NULL,
     {MYSQL8("OFF")},
     CDC_EXIT_LOST,
     "its file was begun anew: the log was reset"},
    {SOURCE_OF("b.000007", "567", "", UUID, "1700000000"),
     NULL,
     {MYSQL8("OFF"), A("SHOW BINARY LOGS", 2, "b.000008|900")},
     CDC_EXIT_LOST,
     "its file was purged, or is shorter now"},
    /* MySQL by GTIDs */
    {SOURCE_OF("b.000007", "567", UUID ":1-5", "4" UUID, "0"),
     NULL,
     {MYSQL8("ON"), A("GTID_SUBSET(@@GLOBAL.gtid_purged, '" UUID ":1-5')", 1, "0")},
     CDC_EXIT_LOST,
     "transactions that were not read yet were purged"},
    {SOURCE_OF("b.000007", "567", UUID ":1-5", "4" UUID, "0"),
     NULL,
     {MYSQL8("ON"), A("GTID_SUBSET(@@GLOBAL", 1, "~")},
     CDC_EXIT_PROTOCOL,
     "does not compare GTID sets"},
    /* flags, id, no file, offset 4, and 64 bytes: of one server 1 to 5 and 7. The log is MariaDB's: no line comes of it. */
    {SOURCE_OF("b.000007", "567", UUID ":1-5:7", "4" UUID, "0"),
     NULL,
     {MYSQL8("ON")},
     CDC_EXIT_PROTOCOL,
     "\n2 dump from GTIDs\n2 "
     "0100649ee7b00000000004000000000000004000000001000000000000003e11fa4771ca11e19e33c80aa9429562"
     "02000000000000000100000000000000060000000000000007000000000000000800000000000000\n"},
    /* a first start */
    {NULL, "now", {A("BINLOG_GTID_POS", 1, "~")}, 0, "\"after\":{\"a\":5}"}, /* its file is read */
    {NULL, "now", {A("SHOW MASTER STATUS", 4, "")}, CDC_EXIT_CONFIG, "the server has turned its binary log off"},
    {NULL, "oldest", {A("SHOW BINARY LOGS", 2, "b.000007|900")}, 0, "\"after\":{\"a\":5}"},
    {NULL, "b.000007:567", {A("nothing", 0, NULL)}, 0, "SELECT BINLOG_GTID_POS('b.000007', 567)"},
    {NULL, "0-1-5", {A("nothing", 0, NULL)}, 0, "\"after\":{\"a\":5}"},
    {NULL, "0-1-5,", {A("nothing", 0, NULL)}, CDC_EXIT_USAGE, "is neither now, oldest, FILE:POSITION nor GTIDs"},
    {NULL,
     "now",
     {A("'log_slave_updates'", 2, "x|OFF"), A("SHOW SLAVE STATUS", 3, "1|2|3")},
     CDC_EXIT_CONFIG,
     "does not log what it replicates"},
    {NULL, NULL, {A("'log_bin'", 2, "log_bin|OFF")}, CDC_EXIT_CONFIG, "the server writes no binary log"},
    {NULL,
     NULL,
     {A("CONCAT(@@server_id", 1, "?/host:3306")},
     CDC_EXIT_UNAVAILABLE,
     "another server answers than a moment ago"},
};

/* The clock was set back since, or the other server's host has an earlier one: numbers go on from the last one all the same. */
static void test_clock_behind(void)
{
    static const struct other moved = {
        SOURCE_OF("b.000007", "567", "0-1-5", "2/other:3306", "1700000000"),
        NULL,
        {A("nothing", 0, NULL)},
        0,
        "{\"op\":\"schema\",\"pos\":\"00F0000005F5E100.0000000001.0\",\"seq\":67553994510557440,"};
    start_pos = "00F0000000000000.FFFFFFFFFF";
    check_other(&moved);
    start_pos = POS;
}

static unsigned renames, rename_fails_at; /* 0: never */
int rename(const char *from, const char *to)
{
    if (++renames == rename_fails_at) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_rename, from, to);
}

/* Columns that cannot be kept: nothing is read, or no line of what follows goes out. */
static void test_kept(void)
{
    static const struct fake_answer ambiguous[] = {A("UNION SELECT", 2, "d|t"), A(NULL, 0, NULL)};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    make_log(false);
    fake.first = ambiguous;
    schema_file = "/nowhere/at/all";
    check(stream(&out, &error) < 0 && error.status == CDC_EXIT_CONFIG && !has(&fake.said, "net_write_timeout"),
          "columns that cannot be kept");
    char folder[] = "/tmp/cdc-unit-XXXXXX", path[64];
    snprintf(path, sizeof path, "%s/columns", mkdtemp(folder) ? folder : "/nowhere");
    schema_file = path;
    renames = rename_fails_at = 0;
    error = (struct cdc_error){0};
    check(stream(&out, &error) == 0, "columns that are kept");
    unsigned all = renames;
    check(all > 0, "they are kept");
    for (unsigned at = 1; at <= all; at++) {
        out.len = 0;
        error = (struct cdc_error){0};
        unlink(path);
        renames = 0;
        rename_fails_at = at;
        check(stream(&out, &error) < 0 && error.status == CDC_EXIT_IO, "a file that cannot be replaced");
    }
    rename_fails_at = 0;
    unlink(path);
    rmdir(folder);
    schema_file = NULL;
    fake.first = NULL;
    cdc_buf_free(&out);
}

/* -- which GTIDs are complete at coordinates ------------------------------------------------------------- */

#define SID "3e11fa4771ca11e19e33c80aa9429562"

static void add_gtid(uint64_t number, uint32_t end)
{
    start();
    put(0, 1);
    put_hex(SID);
    put(number, 8);
    add_event(MY_EVENT_GTID, end, 0);
}

static void add_query(const char *sql, uint32_t end)
{
    put_query("", "d", sql);
    add_event(MY_EVENT_QUERY, end, 0);
}

/* 1 to 3 at the head, 4 a transaction, 5 a DDL statement, 6 two statements without an end yet. */
static void make_mysql_log(unsigned format)
{
    n_dump = 0;
    add_format_of(format, "8.0.35");
    start();
    put(1, 8);
    put_hex(SID);
    put(1, 8);
    put(1, 8);
    put(4, 8);
    add_event(MY_EVENT_PREVIOUS_GTIDS, 300, 0);
    add_gtid(4, 350);
    add_query("BEGIN", 400);
    add_query("SAVEPOINT a", 420);
    start();
    put(42, 8);
    add_event(MY_EVENT_XID, 450, 0);
    add_gtid(5, 500);
    add_query("alter table t add x int", 550);
    add_gtid(6, 600);
    add_query("BEGIN", 650);
    add_query("ROLLBACK", 700);
}

static void begin_session(struct my_session *session, bool gtid_mode)
{
    static const struct my_session_settings settings = {.url = "mysql://u:p@127.0.0.1/d?ssl-mode=DISABLED",
                                                        .tool = "mysql-binlog"};
    fake.answers = server;
    fake.dump = dump;
    fake.n_dump = n_dump;
    memset(fake_sessions, 0, sizeof fake_sessions);
    my_session_init(session, &settings, 7);
    session->server = (struct my_server){.flavor = MY_FLAVOR_MYSQL, .gtid = gtid_mode};
}

static void gtids_are(const char *what, uint64_t position, bool gtid_mode, const char *want)
{
    struct my_session session;
    const struct my_coord coord = {"b.000007", position};
    struct cdc_error error = {0};
    struct cdc_buf got = CDC_BUF_INIT;
    char *gtids = NULL;
    begin_session(&session, gtid_mode);
    if (my_log_gtids_at(&session, &coord, &gtids, &error) < 0)
        cdc_buf_printf(&got, "%d %s", error.status, error.text);
    else
        cdc_buf_text(&got, gtids);
    check_text(what, text_of(&got), want);
    free(gtids);
    cdc_buf_free(&got);
    my_session_close(&session);
}

/* 0: the log was read; else the status. */
static int look_at_event(uint64_t from, uint64_t to, const struct fake_answer *answers)
{
    struct my_session session;
    const struct my_coord begin = {"b.000007", from}, end = {"b.000007", to};
    struct cdc_error error = {0};
    uint32_t sum;
    begin_session(&session, true);
    fake.first = answers;
    int result = my_log_event_sum(&session, &begin, &end, &sum, &error);
    fake.first = NULL;
    my_session_close(&session);
    return result < 0 ? error.status : 0;
}

/* A server that cannot be asked has not said that no such event stands there. */
static void test_event_sum(void)
{
    static const struct fake_answer away[] = {A("SET ", 0, "!1053 Server shutdown in progress"), {0}};
    make_mysql_log(4);
    check(look_at_event(400, 420, NULL) == 0, "an event is looked at");
    check(look_at_event(401, 420, NULL) == 0, "none is there");
    check(look_at_event(400, 420, away) == CDC_EXIT_UNAVAILABLE, "the server cannot be asked for it");
    make_mysql_log(3);
    check(look_at_event(400, 420, NULL) == 0, "what is there is no log");
}

static void test_gtids_at(void)
{
    make_mysql_log(3);
    gtids_are("a format that nobody knows", 450, true, "76 the binary log has version 3, header size 19: not known");
    make_mysql_log(4);
    gtids_are("at the head", 4, true, UUID ":1-3");
    gtids_are("before a transaction", 300, true, UUID ":1-3");
    gtids_are("after its GTID", 350, true, "79 b.000007:350 is not where a transaction begins");
    gtids_are("inside of it", 420, true, "79 b.000007:420 is not where a transaction begins");
    gtids_are("at its end", 450, true, UUID ":1-4");
    gtids_are("after a DDL statement", 550, true, UUID ":1-5");
    gtids_are("inside of an event", 549, true, "79 b.000007:549 is not where a transaction begins");
    gtids_are("after a rollback", 700, true, UUID ":1-6");
    gtids_are("without GTIDs", 549, false, "");
    gtids_are("beyond what the protocol has", UINT64_C(1) << 32, true, "");
}

/* -- columns for files -------------------------------------------------------------------------------------- */

static void show_column(struct cdc_buf *out, const struct my_column *column)
{
    cdc_buf_printf(out, "%s %s", column->name ? column->name : "", column->type_name ? column->type_name : "");
}

static void column_of(const char *what, struct my_files_schema *schema, enum my_flavor flavor, uint64_t offset,
                      const struct fake_answer *other, const char *want)
{
    struct my_column column = {.type = MY_TYPE_LONG};
    struct my_table table = {.db = "d", .name = "t", .columns = &column, .n_columns = 1};
    struct cdc_error error = {0};
    struct cdc_buf got = CDC_BUF_INIT;
    fake.first = other;
    if (my_files_schema_complete(schema, flavor, 0, offset, &table, &error) < 0)
        cdc_buf_printf(&got, "%d %s|%s", error.status, strstr(error.text, ": ") ? strstr(error.text, ": ") : "",
                       error.hint[0] ? "hint" : "");
    else
        show_column(&got, &column);
    fake.first = NULL;
    check_text(what, text_of(&got), want);
    free(column.name);
    free(column.type_name);
    cdc_buf_free(&got);
}

static void test_files(void)
{
    static const struct fake_answer none[] = {A("FROM information_schema.COLUMNS", 15, ""), A(NULL, 0, NULL)};
    static const struct fake_answer other[] = {
        A("FROM information_schema.COLUMNS", 15, "a|bigint|bigint(20)|~|~|~|10|0|~|NO|PRI||~|select|1"),
        A(NULL, 0, NULL)};
    const struct my_session_settings settings = {.url = "mysql://u:p@127.0.0.1/d?ssl-mode=DISABLED",
                                                 .tool = "mysql-binlog"};
    char path[] = "/tmp/cdc-unit-XXXXXX";
    const char *const files[] = {path};
    struct cdc_error error = {0};
    FILE *file = fdopen(mkstemp(path), "w");
    uint64_t end = 4;
    make_mysql_log(4);
    fwrite("\xfe"
           "bin",
           1, 4, file);
    for (size_t i = 0; i < n_dump; i++) {
        fwrite(dump[i].data + 1, 1, dump[i].n - 1, file);
        end += i < 8 ? dump[i].n - 1 : 0; /* with the ALTER TABLE */
    }
    fclose(file);
    fake.answers = server;
    memset(fake_sessions, 0, sizeof fake_sessions);
    struct my_files_schema *schema = my_files_schema_new(&settings, files, 1, &error);
    check(schema != NULL, "the statements of a file");
    if (schema) {
        column_of("after the statement", schema, MY_FLAVOR_MARIADB, end, NULL, "a int(11)");
        column_of("before it", schema, MY_FLAVOR_MARIADB, end - 1, NULL,
                  "78 : a later statement in the files changes it|hint");
        column_of("no such table", schema, MY_FLAVOR_MARIADB, end, none,
                  "78 : the server has no such table, or does not show it|hint");
        column_of("another kind of server", schema, MY_FLAVOR_MYSQL, end, NULL,
                  "78 : the files are of MySQL and the server is MariaDB, or the other way round|hint");
        column_of("other columns", schema, MY_FLAVOR_MARIADB, end, other, "78 : they have other types there|hint");
    }
    my_files_schema_free(schema);
    unlink(path);
    check(!my_files_schema_new(&settings, files, 1, &error) && error.status == CDC_EXIT_CONFIG, "no file");
    error = (struct cdc_error){0};
    check(!my_files_schema_new(&settings, (const char *const[]){"/tmp"}, 1, &error) && error.status == CDC_EXIT_CONFIG,
          "a folder");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_gtids_at();
    test_event_sum();
    test_files();
    test_kept();
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        test_run(&runs[i]);
    make_log(true);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check_other(&others[i]);
    test_clock_behind();
    cdc_buf_free(&logged);
    cdc_buf_free(&fake.said);
    return finish() || wrong > 0;
}
