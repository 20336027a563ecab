/* SPDX-License-Identifier: MIT */
/* Transactions as lines: what is undone, what is DDL. */
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/no-memory.h"

/* -- transactions that are undone -- */

static int decode(struct my_decoder *decoder, uint8_t type, struct cdc_error *error)
{
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, false);
    cdc_buf_free(&content);
    return my_decoder_take(decoder, (const uint8_t *)body.data, body.len, &text, error);
}

static void put_gtid(uint8_t flags, uint8_t more_flags)
{
    start();
    put(77, 8);
    put(0, 4);
    put(flags, 1);
    put(more_flags, 1);
    put(76, 8);
}

/* A log, a letter an event: R a row, D a statement, E COMMIT, X ROLLBACK, G another transaction; others a SAVEPOINT of that
 * name or, after '<', ROLLBACK TO it. */
static const char *log_start;
static bool ahead;                /* may the decoder look ahead? */
static size_t reaches = SIZE_MAX; /* how many events the log has then */

/* The next event, in body; its type. */
static uint8_t put_next(const char **log)
{
    char sql[40];
    char c = *(*log)++;
    snprintf(sql, sizeof sql, "SAVEPOINT `%c`", c);
    start();
    if (c == 'R')
        put_hex("120000000000010001ff0005000000");
    if (c == 'G')
        put_gtid(MY_GTID_TRANSACTIONAL, 0);
    if (c == 'R' || c == 'G')
        return c == 'R' ? MY_EVENT_WRITE_ROWS_V1 : MY_EVENT_MARIADB_GTID;
    if (c == '<')
        snprintf(sql, sizeof sql, "ROLLBACK TO `%c`", *(*log)++);
    put_query("", "d", c == 'D' ? "DROP TEMPORARY TABLE t" : c == 'E' ? "COMMIT" : c == 'X' ? "ROLLBACK" : sql);
    return MY_EVENT_QUERY;
}

static int look_ahead(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                      struct cdc_error *error)
{
    int result = 0;
    (void)context;
    (void)bytes;
    size_t n = 0;
    for (const char *p = log_start; *p && result == 0 && n++ < reaches;) {
        struct my_event_header header = {.type = put_next(&p)};
        result = visit(visitor, &header, whole(), from, error);
    }
    return result < 0 ? -1 : 0;
}

static struct my_decoder *new_decoder(void)
{
    struct my_decoder_settings settings = {
        .pipeline = "p", .flavor = MY_FLAVOR_MARIADB, .allow_unlogged = true, .look_ahead = ahead ? look_ahead : NULL};
    struct my_coord coord = {"binlog.000001", 4};
    struct my_decoder *decoder = my_decoder_new(&settings, NULL);
    if (!decoder || my_decoder_start(decoder, 1, "", &coord, NULL) < 0)
        abort();
    text.len = 0;
    return decoder;
}

/* A row of t(a int). */
static int decode_map(struct my_decoder *decoder)
{
    start();
    put_hex("12000000000001000164000174000103000004020161");
    return decode(decoder, MY_EVENT_TABLE_MAP, NULL);
}

static int decode_row(struct my_decoder *decoder)
{
    int result = decode_map(decoder);
    start();
    put_hex("120000000000010001ff0005000000");
    return result == 0 ? decode(decoder, MY_EVENT_WRITE_ROWS_V1, NULL) : result;
}

/* t(a int), a is the key: 5, and then NULL, which no server lets in. */
static void test_null_key(void)
{
    struct my_decoder *decoder = new_decoder();
    struct cdc_error error = {0};
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    start();
    put_hex("12000000000001000164000174000103000004020161080100");
    result = result == 0 ? decode(decoder, MY_EVENT_TABLE_MAP, NULL) : result;
    start();
    put_hex("120000000000010001ff0005000000");
    result = result == 0 ? decode(decoder, MY_EVENT_WRITE_ROWS_V1, NULL) : result;
    check(result == 0, "a key");
    start();
    put_hex("120000000000010001ff01");
    check(decode(decoder, MY_EVENT_WRITE_ROWS_V1, &error) < 0 && error.status == CDC_EXIT_PROTOCOL &&
              strstr(error.text, "has NULL in its key column \"a\""),
          "NULL is no key");
    my_decoder_free(decoder);
}

/* Decodes those events in a transaction, and COMMIT. */
static int savepoints(const char *log, struct cdc_error *error)
{
    struct my_decoder *decoder = new_decoder();
    struct cdc_buf all = CDC_BUF_INIT;
    for (; *log; log++) /* B: many rows */
        for (int i = 0; i < (*log == 'B' ? 3000 : 1); i++)
            cdc_buf_byte(&all, *log == 'B' ? 'R' : *log);
    if (!strchr("EX", all.data[all.len - 1]))
        cdc_buf_byte(&all, 'E');
    cdc_buf_byte(&all, '\0');
    log_start = all.data;
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    for (const char *p = all.data; *p && result == 0;) {
        if (*p == 'R')
            result = decode_map(decoder);
        uint8_t type = put_next(&p);
        result = result == 0 ? decode(decoder, type, error) : result;
    }
    my_decoder_free(decoder);
    cdc_buf_free(&all);
    cdc_buf_byte(&text, '\0');
    return result;
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *p = text.data; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void savepoints_leave(const char *log, size_t rows)
{
    char events[30];
    snprintf(events, sizeof events, "\"events\":%zu}", rows);
    bool good = savepoints(log, NULL) == 0 && count("{\"op\":\"c\"") == rows && strstr(text.data, events) &&
                count("{\"op\":\"schema\"") == (rows > 0);
    printf("# savepoints: %s\n", log);
    check(good, "what a rollback to a savepoint leaves");
}

static void savepoints_stop(const char *log)
{
    struct cdc_error error = {0};
    int result = savepoints(log, &error);
    printf("# savepoints: %s: %s\n", log, error.text);
    check(result < 0 && error.status == CDC_EXIT_CONFIG, "a rollback to a savepoint that stops");
}

/* Transactions that are larger than what is buffered. */
static void test_look_ahead(void)
{
    ahead = true;
    savepoints_leave("BsB<sR", 3001);
    savepoints_leave("RsBR<sB", 3001); /* what is buffered is truncated, too */
    savepoints_leave("sB<s", 0);
    savepoints_leave("BaBbB<bR<aRcR<cR", 3002);
    savepoints_leave("RaRbB<bR<aB", 3001);
    savepoints_leave("RaRbBcR<aR", 2);
    savepoints_leave("BX", 0);
    savepoints_leave("BsB<sX", 0);
    savepoints_leave("BGRE", 1); /* a crash */
    savepoints_stop("BsRsR<s");
    savepoints_stop("BsRDR<s");
    savepoints_stop("BDX");
    /* The log ends, for now, before the rollback: nothing is known of it, and lines are out. */
    reaches = 3001;
    savepoints_leave("BsR", 3001);
    savepoints_stop("BsR<s");
    savepoints_stop("BsRX");
    reaches = 0;
    savepoints_stop("BsR<s");
    reaches = SIZE_MAX;
    ahead = false;
    savepoints_stop("BX");
    savepoints_stop("BsR<s");
}

static void test_savepoints(void)
{
    savepoints_leave("Rs<s", 1);
    savepoints_leave("<s", 0); /* of a savepoint before anything was logged */
    savepoints_leave("RsRR<s", 1);
    savepoints_leave("sRR<s", 0);
    savepoints_leave("sRR<sR", 1); /* the schema line comes again */
    savepoints_leave("RsRR<sRR<sR", 2);
    savepoints_leave("RaRbRcR<bR<aR", 2);
    savepoints_leave("RaRbRcR<cRR", 5);
    savepoints_leave("RaRbR<aRbR<b", 2); /* b was gone, and is another one */
    savepoints_leave("RssR<S", 1);
    savepoints_stop("RsRsR<s"); /* the first may be meant, when the second was made by a trigger */
    savepoints_stop("RsRS<S");  /* the same name */
    savepoints_stop("RsRDR<s");
    savepoints_stop("Rs\xe9R<s");
    savepoints_stop("R<s");
    savepoints_stop("RsR<t");
}

/* Behind BEGIN: `DROP TABLE`, with_row: a row of t(a int), then ROLLBACK. Its result. */
static int roll_back(bool with_row, struct cdc_error *error)
{
    struct my_decoder *decoder = new_decoder();
    put_gtid(MY_GTID_TRANSACTIONAL | MY_GTID_DDL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    put_query("", "d", "DROP TABLE IF EXISTS `d`.`t`/* Generated to handle failed CREATE OR REPLACE */");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
    if (with_row)
        result = result == 0 ? decode_row(decoder) : result;
    put_query("", "d", "ROLLBACK");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, error) : -2;
    my_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    return result;
}

/* A row twice, in two transactions; the first ends in ROLLBACK, or has no end, as after a crash. */
static int roll_back_row(bool rollback)
{
    struct my_decoder *decoder = new_decoder();
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    result = result == 0 ? decode_row(decoder) : result;
    if (rollback) {
        put_query("", "d", "ROLLBACK");
    } else {
        put_gtid(MY_GTID_TRANSACTIONAL, 0);
        result = result == 0 ? decode(decoder, MY_EVENT_MARIADB_GTID, NULL) : result;
        result = result == 0 ? decode_row(decoder) : result;
        put_query("", "d", "COMMIT");
    }
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : -2;
    my_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    return result;
}

static void test_rollback(void)
{
    struct cdc_error error = {0};
    check(roll_back(false, NULL) == 0 && strstr(text.data, "{\"op\":\"ddl\"") && strstr(text.data, "{\"op\":\"t\"") &&
              strstr(text.data, "{\"op\":\"commit\"") && strstr(text.data, "\"events\":2}"),
          "a statement stays when its transaction is rolled back");
    check(roll_back(true, &error) == -1 && error.status == CDC_EXIT_CONFIG && !strstr(text.data, "{\"op\":\"c\""),
          "a statement and a row before a rollback are an error, and the row does not go out");
    check(roll_back_row(true) == 0 && !strstr(text.data, "{\"op\":\"c\"") && !strstr(text.data, "\"schema\"") &&
              strstr(text.data, "\"events\":0}"),
          "rows that are rolled back leave nothing");
    check(roll_back_row(false) == 0 && strstr(text.data, "\"schema\"") && strstr(text.data, "{\"op\":\"c\"") &&
              strstr(text.data, "\"events\":1}"),
          "the same without a rollback are there");
}

static const char *alter(uint8_t more_flags)
{
    struct my_decoder *decoder = new_decoder();
    put_gtid(MY_GTID_STANDALONE | MY_GTID_DDL, more_flags);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    put_query("", "d", "ALTER TABLE t ADD b INT");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
    my_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    return result == 0 ? text.data : "";
}

static void test_alter(void)
{
    static const uint8_t commit = 4;
    check(strstr(alter(0), "\"ddl\":\"ALTER") && strstr(alter(commit), "\"ddl\":\"ALTER"), "an ALTER that is done");
    check(!strstr(alter(MY_GTID_START_ALTER), "\"ddl\"") && strstr(text.data, "\"events\":0}"), "one that begins");
    check(!strstr(alter(MY_GTID_ROLLBACK_ALTER), "\"ddl\"") && strstr(text.data, "\"events\":0}"), "one that failed");
}

/* Which table a TRUNCATE of a client with latin1 empties. */
static void test_truncate_charset(void)
{
    struct cdc_error error = {0};
    struct my_decoder *decoder = new_decoder();
    put_gtid(MY_GTID_STANDALONE | MY_GTID_DDL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    put_query("0408000800e000", "d", "TRUNCATE `t\xe4`");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
    cdc_buf_byte(&text, '\0');
    check(result == 0 && strstr(text.data, "\"op\":\"t\"") && strstr(text.data, "\"table\":\"t\xc3\xa4\""),
          "TRUNCATE in latin1");
    put_gtid(MY_GTID_STANDALONE | MY_GTID_DDL, 0);
    result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    put_query("", "d", "TRUNCATE `t\xe4`");
    check(result == 0 && decode(decoder, MY_EVENT_QUERY, &error) < 0 && error.status == CDC_EXIT_PROTOCOL,
          "TRUNCATE of what cannot be read");
    my_decoder_free(decoder);
}

/* lower_case_table_names=1 */
static void test_truncate_lower_case(void)
{
    for (int lower = 0; lower < 2; lower++) {
        struct my_decoder *decoder = new_decoder();
        my_decoder_set_lower_case(decoder, lower);
        put_gtid(MY_GTID_STANDALONE | MY_GTID_DDL, 0);
        int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
        put_query("", "d", "TRUNCATE Shop.`TAB`");
        result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
        cdc_buf_byte(&text, '\0');
        check(result == 0 &&
                  strstr(text.data, lower ? "\"db\":\"shop\",\"table\":\"tab\"" : "\"db\":\"Shop\",\"table\":\"TAB\""),
              "the case of names");
        my_decoder_free(decoder);
    }
}

/* Two rows of one table: what each line's pos is, the table's description before its first row. */
static void test_positions(void)
{
    static const char *const expected[] = {
        "schema\",\"pos\":\"0000000000000002.0000000001.0\"", "c\",\"pos\":\"0000000000000002.0000000001.1\"",
        "c\",\"pos\":\"0000000000000002.0000000002.1\"", "commit\",\"pos\":\"0000000000000002.FFFFFFFFFF.0\""};
    struct my_decoder *decoder = new_decoder();
    const char *at = NULL;
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    result = result == 0 ? decode_map(decoder) : result;
    start();
    put_hex("120000000000010001ff00050000000006000000");
    result = result == 0 ? decode(decoder, MY_EVENT_WRITE_ROWS_V1, NULL) : result;
    put_query("", "d", "COMMIT");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
    my_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    at = text.data;
    for (size_t i = 0; result == 0 && i < sizeof expected / sizeof *expected; i++) {
        const char *found = at ? strstr(at, expected[i]) : NULL;
        check(found != NULL && strstr(at, "{\"op\":\"") + 7 == found, expected[i]);
        at = found;
    }
    check(result == 0, "two rows");
}

/* Rows of a table that was not described, and rows outside of a transaction: there is no line that would be right for them. */
static void test_rows_of_nothing(void)
{
    for (int open = 0; open < 2; open++) {
        struct my_decoder *decoder = new_decoder();
        struct cdc_error error = {0};
        int result = 0;
        if (open) {
            put_gtid(MY_GTID_TRANSACTIONAL, 0);
            result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
        } else {
            result = decode_map(decoder);
        }
        start();
        put_hex("120000000000010001ff0005000000");
        check(result == 0 && decode(decoder, MY_EVENT_WRITE_ROWS_V1, &error) < 0 && error.status == CDC_EXIT_PROTOCOL &&
                  text.len == 0,
              open ? "rows without a table" : "rows without a transaction");
        my_decoder_free(decoder);
    }
}

/* No two lines share a pos, however short the rows are: those of a table with NULLs only take a byte each. */
static void test_short_rows(void)
{
    struct my_decoder *decoder = new_decoder();
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    for (int i = 0; i < 3; i++) {
        result = result == 0 ? decode_map(decoder) : result;
        start();
        put_hex("120000000000010001ff010101"); /* three rows, each of them a bitmap that says NULL */
        result = result == 0 ? decode(decoder, MY_EVENT_WRITE_ROWS_V1, NULL) : result;
    }
    put_query("", "d", "COMMIT");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
    my_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    const char *before = "";
    size_t lines = 0, out_of_order = 0;
    for (const char *p = text.data; (p = strstr(p, "\"pos\":\"")) != NULL; lines++) {
        p += 7;
        out_of_order += strncmp(before, p, 29) >= 0; /* 16 digits, a point, 10 digits, ".1" */
        before = p;
        p = strchr(p, '\n');
    }
    check(result == 0 && lines == 11 && out_of_order == 0, "each row has a pos of its own, after those before it");
}

/* The name of the next file: n letters, and bytes after them. Its result. */
static int rotate(size_t n, const char *more, size_t n_more)
{
    struct my_decoder *decoder = new_decoder();
    struct cdc_error error = {0};
    start();
    put(4, 8);
    for (size_t i = 0; i < n; i++)
        put('b', 1);
    cdc_buf_append(&body, more, n_more);
    int result = decode(decoder, MY_EVENT_ROTATE, &error);
    bool good = result == 0 ? strlen(my_decoder_coord(decoder)->file) == n + n_more
                            : error.status == CDC_EXIT_PROTOCOL && strlen(my_decoder_coord(decoder)->file) == 13;
    my_decoder_free(decoder);
    return good ? result : -2;
}

static void test_file_names(void)
{
    const size_t most = sizeof((struct my_coord *)NULL)->file - 1;
    check(rotate(13, "", 0) == 0 && rotate(most, "", 0) == 0, "names of files");
    check(rotate(most + 1, "", 0) == -1 && rotate(60000, "", 0) == -1, "too long for one");
    check(rotate(0, "", 0) == -1 && rotate(5, "\0b", 2) == -1, "none, or one that ends early");
}

static void test_numbers(void)
{
    uint64_t number;
    check(my_pos_number("0000000000000002.FFFFFFFFFF.0", &number) && number == 2, "the number of a pos");
    check(my_pos_number("0000000000000002.0000000000.a0001.000001.0000000001", &number) && number == 2,
          "a snapshot's: it is complete before the transaction that follows");
    check(my_pos_number("0000000000000002.0000000000.r0001.000001.0000000001", &number) && number == 1,
          "a round's: so is the transaction before");
    check(my_pos_number("7FFFFFFFFFFFFFFF.0000000001.1", &number) && number == INT64_MAX, "the largest one");
    check(!my_pos_number("8000000000000000.0000000001.1", &number) && !my_pos_number("", &number) &&
              !my_pos_number("0000000000000002", &number) && !my_pos_number("0000000000000002-", &number) &&
              !my_pos_number("000000000000000x.0000000001.1", &number) && !my_pos_number("2.1.1", &number),
          "none of ours");
}

/* -- what carries secrets -- */

/* Is there a line that shows the statement? One ends its transaction in any case: -1 when none does. */
static int shown(const char *sql)
{
    struct my_decoder *decoder = new_decoder();
    put_gtid(MY_GTID_STANDALONE | MY_GTID_DDL, 0);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, NULL);
    put_query("", "d", sql);
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, NULL) : result;
    my_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    if (result < 0 || !strstr(text.data, "\"op\":\"commit\""))
        return -1;
    return strstr(text.data, "\"op\":\"ddl\"") != NULL;
}

static void test_accounts(void)
{
    static const char *const secret[] = {
        "CREATE USER u IDENTIFIED BY 'p'",
        "create user if not exists u identified by 'p'",
        "CREATE OR REPLACE USER u IDENTIFIED BY 'p'",
        "ALTER USER u IDENTIFIED BY 'p'",
        "DROP USER u",
        "RENAME USER u TO v",
        "CREATE ROLE r",
        "CREATE OR REPLACE ROLE r",
        "GRANT ALL ON *.* TO u IDENTIFIED BY 'p'",
        "REVOKE ALL ON *.* FROM u",
        "SET PASSWORD FOR u = 'p'",
        "SET DEFAULT ROLE r FOR u",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (PASSWORD 'p')",
        "CREATE OR REPLACE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (PASSWORD 'p')",
        "ALTER SERVER s OPTIONS (PASSWORD 'p')",
        /* comments between the words */
        "/* a */ CREATE /* TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE -- TABLE\n USER u IDENTIFIED BY 'p'",
        "CREATE # TABLE\nUSER u IDENTIFIED BY 'p'",
        "ALTER/**/USER/**/u IDENTIFIED BY 'p'",
        "SET/**/PASSWORD = 'p'",
        /* executable comments: run */
        "CREATE /*!50000 USER */ u IDENTIFIED BY 'p'",
        "CREATE /*! USER u */ IDENTIFIED BY 'p'",
        "/*!50000 CREATE */ /*!50000 USER u IDENTIFIED BY 'p' */",
        "CREATE /*!50000 OR REPLACE */ USER u IDENTIFIED BY 'p'",
        "/*M!100100 CREATE USER u IDENTIFIED BY 'p' */",
        "CREATE /*!80021 USER*/ u IDENTIFIED BY 'p'",
        "CREATE /*!50000 /* TABLE */ USER */ u IDENTIFIED BY 'p'",
        /* or not: it is not known which server wrote it */
        "CREATE /*!99999 TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE /*!999999 TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE /*!50701 TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE /*M! TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE /*M!100100 TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE /*!99999 TABLE */ /*!50701 USER */ u IDENTIFIED BY 'p'",
        "/*!50000 /*!50000 CREATE */ */ USER u IDENTIFIED BY 'p'",
        "CREATE /*!99999 ' */ USER u IDENTIFIED BY 'p'",
        "CREATE /*!999999 TABLE /* x */ */ USER u IDENTIFIED BY 'p'",
        "/*!999999 ALTER TABLE */ GRANT ALL ON *.* TO u IDENTIFIED BY 'p'",
        "CREATE /*!500001 TABLE */ USER u IDENTIFIED BY 'p'",
        "CREATE /*!100100USER*/ u IDENTIFIED BY 'p'",
        /* MariaDB */
        "SET STATEMENT max_statement_time = 1 FOR CREATE USER u IDENTIFIED BY 'p'",
        "SET STATEMENT max_statement_time = 1 FOR GRANT ALL ON *.* TO u IDENTIFIED BY 'p'",
        "SET STATEMENT a = 1 FOR SET STATEMENT b = 2 FOR SET PASSWORD = 'p'",
        "/*!50000 SET STATEMENT a = 1 */ FOR ALTER /*!50000 USER */ u IDENTIFIED BY 'p'",
        "SET STATEMENT a = '\\' FOR CREATE USER u IDENTIFIED BY ' FOR ALTER TABLE t'",
        "SET STATEMENT a = 1",
    };
    static const char *const plain[] = {
        "ALTER TABLE user ADD x INT",
        "ALTER /*!50000 TABLE */ user ADD x INT",
        "ALTER /*! TABLE */ user ADD x INT",
        "CREATE/*!50503 TABLE*/role (i INT)",
        "/*!40000 ALTER TABLE `user` DISABLE KEYS */",
        "/*!50000 DROP */ /*!50000 TABLE */ server",
        "CREATE OR REPLACE TABLE user (i INT)",
        "ALTER TABLE /*!80000 user */ ADD x INT",
        "CREATE TABLE user (i INT) /*!50100 PARTITION BY KEY (i) */",
        "CREATE /*!80016 TABLE */ t (i INT)",
        "CREATE /*M!100100 OR REPLACE */ TABLE t (i INT)",
        "CREATE DEFINER=`u`@`%` TRIGGER user BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "ALTER -- x\n TABLE user ADD x INT",
        "DROP TABLE role",
        "RENAME TABLE user TO server",
        "TRUNCATE user",
        "TRUNCATE TABLE role",
        "CREATE TABLE users (i INT)",
        "DROP users",
        "CREATE DATABASE user",
        "SET STATEMENT max_statement_time = 1 FOR ALTER TABLE user ADD x INT",
    };
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        check(shown(secret[i]) == 0, secret[i]);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        check(shown(plain[i]) == 1, plain[i]);
}

/* -- without memory -- */

/* The event in body, as decode() does it. */
static int take(struct my_decoder *decoder, uint8_t type, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, false);
    cdc_buf_free(&content);
    memory_begin();
    int result = my_decoder_take(decoder, (const uint8_t *)body.data, body.len, out, error);
    memory_end();
    return result;
}

static int take_statement(struct my_decoder *decoder, const char *sql, struct cdc_buf *out, struct cdc_error *error)
{
    put_query("", "d", sql);
    return take(decoder, MY_EVENT_QUERY, out, error);
}

static int take_row(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    start();
    put_hex("12000000000001000164000174000103000004020161080100"); /* a is the key */
    if (take(decoder, MY_EVENT_TABLE_MAP, out, error) < 0)
        return -1;
    start();
    put_hex("120000000000010001ff00050000000006000000");
    return take(decoder, MY_EVENT_WRITE_ROWS_V1, out, error);
}

static int begin(struct my_decoder *decoder, uint8_t flags, struct cdc_buf *out, struct cdc_error *error)
{
    put_gtid(flags, 0);
    return take(decoder, MY_EVENT_MARIADB_GTID, out, error);
}

/* Rows and savepoints, an ALTER, an emptied table, a transaction that is rolled back, a new file of the log. */
static int statements_of_all_kinds(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (begin(decoder, MY_GTID_TRANSACTIONAL, out, error) < 0 || take_row(decoder, out, error) < 0 ||
        take_statement(decoder, "SAVEPOINT `a`", out, error) < 0 || take_row(decoder, out, error) < 0 ||
        take_statement(decoder, "ROLLBACK TO `a`", out, error) < 0 || take_row(decoder, out, error) < 0 ||
        take_statement(decoder, "COMMIT", out, error) < 0)
        return -1;
    if (begin(decoder, MY_GTID_STANDALONE | MY_GTID_DDL, out, error) < 0 ||
        take_statement(decoder, "ALTER TABLE t ADD b INT", out, error) < 0 ||
        begin(decoder, MY_GTID_STANDALONE | MY_GTID_DDL, out, error) < 0 ||
        take_statement(decoder, "TRUNCATE TABLE u", out, error) < 0)
        return -1;
    start();
    put(4, 8);
    put_text("binlog.000002");
    if (take(decoder, MY_EVENT_ROTATE, out, error) < 0 || begin(decoder, MY_GTID_TRANSACTIONAL, out, error) < 0 ||
        take_row(decoder, out, error) < 0)
        return -1;
    return take_statement(decoder, "ROLLBACK", out, error);
}

static int log_of_all_kinds(struct cdc_buf *out, struct cdc_error *error)
{
    struct my_decoder_settings settings = {.pipeline = "p", .flavor = MY_FLAVOR_MARIADB};
    struct my_coord coord = {"binlog.000001", 4};
    memory_begin();
    struct my_decoder *decoder = my_decoder_new(&settings, error);
    int result = decoder ? my_decoder_start(decoder, 1, "0-1-75", &coord, error) : -1;
    memory_end();
    result = result < 0 ? -1 : statements_of_all_kinds(decoder, out, error);
    if (result == 0 && !out->failed) {
        const struct cdc_offset *boundary = my_decoder_boundary(decoder);
        if (boundary == NULL) /* it is not confirmed: the lines come again */
            result = cdc_error_memory(error);
        else
            cdc_buf_printf(out, "%s %lld %s", boundary->pos, (long long)boundary->seq, boundary->source);
    }
    my_decoder_free(decoder);
    return result;
}

/* -- what a table is, once -- */

static unsigned described;

static int count_described(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error)
{
    (void)context, (void)table, (void)coord, (void)error;
    described++;
    return 0;
}

/* How often it is asked for when t comes so, after what came before. */
static void asks(struct my_decoder *decoder, const char *map, unsigned want, const char *what)
{
    described = 0;
    start();
    put_hex(map);
    check(decode(decoder, MY_EVENT_TABLE_MAP, NULL) == 0 && described == want, what);
}

/* A table comes before each of its rows: the server is asked once, and again when it may be another. */
static void test_described(void)
{
    static const char as_it_was[] = "12000000000001000164000174000103000004020161",
                      other_id[] = "13000000000001000164000174000103000004020161",
                      other_name[] = "12000000000001000164000175000103000004020161",
                      other_column[] = "12000000000001000164000174000103000004020162",
                      longer[] = "120000000000010001640001740001030000040201610c0180";
    const struct my_decoder_settings settings = {
        .pipeline = "p", .flavor = MY_FLAVOR_MARIADB, .allow_unlogged = true, .describe = count_described};
    struct my_coord coord = {"binlog.000001", 4};
    struct my_decoder *decoder = my_decoder_new(&settings, NULL);
    check(decoder && my_decoder_start(decoder, 1, "", &coord, NULL) == 0, "a decoder");
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    check(decode(decoder, MY_EVENT_MARIADB_GTID, NULL) == 0, "a transaction");
    asks(decoder, as_it_was, 1, "a table");
    asks(decoder, as_it_was, 0, "as it was");
    asks(decoder, other_name, 1, "another table with its id");
    asks(decoder, as_it_was, 1, "the first one again");
    asks(decoder, other_column, 1, "with another column");
    asks(decoder, longer, 1, "with more that is said of it");
    asks(decoder, as_it_was, 1, "with less");
    asks(decoder, other_id, 1, "with another id");
    asks(decoder, other_id, 0, "and that again");
    put_query("", "d", "COMMIT");
    check(decode(decoder, MY_EVENT_QUERY, NULL) == 0, "its end");
    put_gtid(MY_GTID_STANDALONE | MY_GTID_DDL, 0);
    check(decode(decoder, MY_EVENT_MARIADB_GTID, NULL) == 0, "a statement");
    put_query("", "d", "ALTER TABLE t ADD b INT");
    check(decode(decoder, MY_EVENT_QUERY, NULL) == 0, "that may change it");
    put_gtid(MY_GTID_TRANSACTIONAL, 0);
    check(decode(decoder, MY_EVENT_MARIADB_GTID, NULL) == 0, "another transaction");
    asks(decoder, other_id, 1, "after which it is asked for");
    my_decoder_free(decoder);
}

int main(void)
{
    test_null_key();
    test_described();
    test_positions();
    test_short_rows();
    test_rows_of_nothing();
    test_file_names();
    test_numbers();
    test_accounts();
    test_rollback();
    test_savepoints();
    test_look_ahead();
    test_alter();
    test_truncate_charset();
    test_truncate_lower_case();
    failures += memory_sweep("a log of all kinds", log_of_all_kinds) != 0;
    return finish();
}
