/* SPDX-License-Identifier: MIT */
/* What the copy of a table is told of a statement that no line can tell: what becomes of its rows, columns and key; and what lines
 * there are. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/no-memory.h"

#include <string.h>

/* -- a copy, and what it is told -- */

static struct cdc_buf told;

static struct {
    const char *omitted; /* a table */
    const char *dropped; /* a column that the copy keeps */
    const char *type;    /* of any column; NULL: not known */
    int in_place, key, json, computes, bytes;
    const char *cannot;       /* an operation that fails */
    const char *not_in_place; /* a table */
} copy_is = {.json = 1};

static int say(const char *what, const char *db, const char *table, const char *more, int result,
               struct cdc_error *error)
{
    bool counts = memory_counts;
    memory_counts = false;
    cdc_buf_printf(&told, "%s %s.%s%s%s;", what, db, table, more ? " " : "", more ? more : "");
    memory_counts = counts;
    if (copy_is.cannot && strcmp(copy_is.cannot, what) == 0)
        return cdc_error_set(error, CDC_EXIT_IO, "it cannot");
    return result;
}

static int stale_all(void *context, const char *why, struct cdc_error *error)
{
    (void)context;
    return say("all", "", "", why, 1, error);
}

static int begins(void *context, const struct my_gtid *gtid, const struct my_coord *coord, struct cdc_error *error)
{
    (void)context, (void)gtid, (void)coord, (void)error;
    return 0;
}

static bool is_omitted(void *context, const char *db, const char *table)
{
    (void)context, (void)db;
    return copy_is.omitted && strcmp(copy_is.omitted, table) == 0;
}

static void omitted_of(void *context, const char *db, struct cdc_buf *out)
{
    (void)context, (void)db;
    if (copy_is.omitted)
        cdc_buf_printf(out, "\"%s\"", copy_is.omitted);
}

static int withhold(void *context, const char *db, const char *table, const char *why, struct cdc_error *error)
{
    (void)context;
    bool ends = copy_is.not_in_place && strcmp(copy_is.not_in_place, table) == 0;
    return say("withhold", db, table, why, ends ? 0 : copy_is.in_place, error);
}

static int stale(void *context, const char *db, const char *table, const char *why, struct cdc_error *error)
{
    (void)context, (void)why;
    return say("stale", db, table, NULL, 0, error);
}

static int drop_column(void *context, const char *db, const char *table, const char *column, struct cdc_error *error)
{
    (void)context;
    return say("drop", db, table, column, 0, error);
}

static bool was_dropped(void *context, const char *db, const char *table, const char *column)
{
    (void)context, (void)db, (void)table;
    return copy_is.dropped && strcmp(copy_is.dropped, column) == 0;
}

static int empty(void *context, const char *db, const char *table, struct cdc_error *error)
{
    (void)context;
    return say("empty", db, table, NULL, 0, error);
}

static int keeps_key(void *context, const char *db, const char *table, struct cdc_error *error)
{
    (void)context;
    return say("key", db, table, NULL, copy_is.key, error);
}

static int keeps_json(void *context, const char *db, const char *table, bool where_unknown, struct cdc_error *error)
{
    (void)context;
    return say(where_unknown ? "json?" : "json", db, table, NULL, copy_is.json, error);
}

static int computes(void *context, const char *db, const char *table, struct cdc_error *error)
{
    (void)context;
    return say("computes", db, table, NULL, copy_is.computes, error);
}

static int may_be_bytes(void *context, const char *db, const char *table, const char *column, struct cdc_error *error)
{
    (void)context;
    return say("bytes", db, table, column, copy_is.bytes, error);
}

static char *type_of(void *context, const char *db, const char *table, const char *column, bool *nullable)
{
    (void)context;
    struct cdc_error ignored = {0};
    say("type", db, table, column, 0, &ignored);
    *nullable = true;
    return copy_is.type ? strdup(copy_is.type) : NULL;
}

static const struct my_copy_ops ops = {stale_all,   begins, is_omitted, omitted_of, withhold, stale,        drop_column,
                                       was_dropped, empty,  keeps_key,  keeps_json, computes, may_be_bytes, type_of};

/* -- a decoder -- */

static struct my_decoder *decoder;
static bool kept = true;
static enum my_flavor flavor = MY_FLAVOR_MARIADB;

static void fresh(void)
{
    static const char *excluded[] = {"other.*"};
    struct my_decoder_settings settings = {.pipeline = "p", .flavor = flavor, .copy = kept ? &ops : NULL};
    struct my_coord coord = {"binlog.000001", 4};
    settings.selection.exclude = (struct cdc_option_list){.items = excluded, .count = 1};
    my_decoder_free(decoder);
    decoder = my_decoder_new(&settings, NULL);
    if (!decoder || my_decoder_start(decoder, 1, "", &coord, NULL) < 0)
        abort();
}

static uint16_t flags;  /* of events */
static bool has_failed; /* has the statement? */

static int decode(uint8_t type, struct cdc_error *error)
{
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, flags, false);
    cdc_buf_free(&content);
    memory_begin();
    int result = my_decoder_take(decoder, (const uint8_t *)body.data, body.len, &text, error);
    memory_end();
    return result;
}

static int take_statement(const char *sql, struct cdc_error *error)
{
    text.len = told.len = 0;
    start();
    if (flavor == MY_FLAVOR_MARIADB) {
        put(77, 8);
        put(0, 4);
        put(1, 1); /* a statement by itself */
        put(0, 1);
        put(76, 8);
        if (decode(MY_EVENT_MARIADB_GTID, error) < 0)
            return -1;
    }
    put_query("010000600000000000", "d", sql); /* sql_mode: STRICT_TRANS_TABLES and STRICT_ALL_TABLES */
    if (!has_failed)
        body.data[9] = body.data[10] = 0;
    return decode(MY_EVENT_QUERY, error);
}

/* "what the copy is told|op table, op table|status", without ddl and commit lines. */
static void append_lines(struct cdc_buf *out)
{
    cdc_buf_byte(&text, '\0');
    for (char *p = text.data, *end; *p; p = end + 1) {
        end = strchr(p, '\n');
        *end = '\0';
        const char *table = strstr(p, "\"table\":\""), *except = strstr(p, "\"except\":");
        if (strncmp(p + 7, "t\"", 2) == 0)
            cdc_buf_printf(out, "t %.*s%s", table ? (int)strcspn(table + 9, "\"") : 1, table ? table + 9 : "*",
                           except ? except : "");
    }
    text.len = 0;
}

static void is_told(const char *sql, const char *want)
{
    struct cdc_error error = {0};
    int result = take_statement(sql, &error);
    struct cdc_buf got = CDC_BUF_INIT;
    cdc_buf_append_buf(&got, &told);
    cdc_buf_byte(&got, '|');
    append_lines(&got);
    if (result < 0)
        cdc_buf_printf(&got, "|%d", error.status);
    check_text(sql, cdc_span(got.data, got.len), want);
    cdc_buf_free(&got);
    if (result < 0)
        fresh();
}

#define AT "binlog.000001 at 1234: "
#define MARKED(table, why) "withhold d." table " " AT why " it;stale d." table ";"

#define CHANGED "ALTER TABLE may have changed values in rows of"
#define OF_MYSQL(table, why) "withhold d." table " binlog.000001 at 1157: " why " it;stale d." table ";"

static void test_effects(void)
{
    fresh();
    is_told("alter table t drop partition p", MARKED("t", "ALTER TABLE ... DROP PARTITION removed rows of") "||75");
    is_told("drop table t", "empty d.t;|t t");
    is_told("drop database d", "|t *");
    is_told("rename table t to u", "empty d.t;" MARKED("u", "RENAME TABLE gave other rows to") "||75");
    is_told("alter table t add c int default 7",
            MARKED("t", "ALTER TABLE ... ADD COLUMN gave values to rows of") "||75");
    is_told("alter table t add c int", "|");
    is_told("alter table t drop c", "drop d.t c;json? d.t;|");
    is_told("alter table t change `C` x int",
            "drop d.t c;json? d.t;type d.t C;" MARKED("t", "ALTER TABLE renamed a column of")
                MARKED("t", "ALTER TABLE may have changed values in rows of") "||75");
    is_told("alter table t drop primary key", MARKED("t", "ALTER TABLE may have changed the key of") "||75");
    is_told("alter table t drop index i", "key d.t;" MARKED("t", "ALTER TABLE may have changed the key of") "||75");
    is_told("truncate table t", "|t t");
    is_told("alter table other.t drop partition p", "|");
    is_told("alter table t drop partition p, add c int",
            MARKED("t", "ALTER TABLE ... DROP PARTITION removed rows of") "||75");
    copy_is.in_place = 1;
    is_told("alter table t drop partition p", "withhold d.t " AT "ALTER TABLE ... DROP PARTITION removed rows of it;|");
    is_told("rename table t to tmp, u to t, tmp to u",
            "empty d.t;empty d.u;empty d.tmp;withhold d.t " AT "RENAME TABLE gave other rows to it;withhold d.u " AT
            "RENAME TABLE gave other rows to it;|t tt ut tmp");
    copy_is.not_in_place = "t"; /* the first of two */
    is_told("rename table t to tmp, u to t, tmp to u",
            "empty d.t;empty d.u;empty d.tmp;" MARKED(
                "t", "RENAME TABLE gave other rows to") "withhold d.u " AT "RENAME TABLE gave other rows to it;||75");
    copy_is.not_in_place = NULL;
    copy_is.in_place = -1;
    is_told("alter table t drop partition p",
            "withhold d.t " AT "ALTER TABLE ... DROP PARTITION removed rows of it;||0");
    copy_is.in_place = 0;
    copy_is.key = 1;
    is_told("alter table t drop index i", "key d.t;|");
    copy_is.key = 0;
    copy_is.omitted = "t";
    is_told("alter table t drop partition p", "|");
    is_told("drop table t", "|");
    is_told("drop table u", "empty d.u;|t u");
    is_told("alter table t drop c", "drop d.t c;|");
    is_told("drop database d", "|t *\"except\":[\"t\"]}");
    copy_is.omitted = NULL;
}

static void test_columns(void)
{
    fresh();
    copy_is.dropped = "c";
    is_told("alter table t add `C` int", MARKED("t", "ALTER TABLE ... ADD COLUMN brought back a column of") "||75");
    is_told("alter table t add x int", "|");
    copy_is.dropped = NULL;
    copy_is.type = "int(11)";
    is_told("alter table t modify c bigint", "type d.t c;json? d.t;|");
    is_told("alter table t modify c bigint not null", "type d.t c;key d.t;" MARKED("t", CHANGED) "||75");
    copy_is.key = 1;
    is_told("alter table t modify c bigint not null", "type d.t c;key d.t;json? d.t;|");
    copy_is.key = -1;
    is_told("alter table t modify c bigint not null", "type d.t c;key d.t;||0");
    copy_is.key = 0;
    is_told("alter table t modify c varchar(9)", "type d.t c;" MARKED("t", CHANGED) "||75");
    copy_is.type = "varchar(20)";
    copy_is.bytes = 1;
    is_told("alter table t modify c varchar(50)", "type d.t c;bytes d.t c;" MARKED("t", CHANGED) "||75");
    is_told("alter table t modify c varchar(50) charset latin1", "type d.t c;json? d.t;|");
    copy_is.bytes = -1;
    is_told("alter table t modify c varchar(50)", "type d.t c;bytes d.t c;||0");
    copy_is.bytes = 0;
    copy_is.computes = 1; /* MariaDB has the values of such columns in no line */
    is_told("alter table t modify c varchar(50)", "type d.t c;bytes d.t c;json? d.t;|");
    flavor = MY_FLAVOR_MYSQL;
    fresh();
    is_told("alter table t modify c varchar(50)", "type d.t c;bytes d.t c;computes d.t;" OF_MYSQL("t", CHANGED) "||75");
    copy_is.computes = -1;
    is_told("alter table t modify c varchar(50)", "type d.t c;bytes d.t c;computes d.t;||0");
    copy_is.computes = 0;
    is_told("alter table t modify c varchar(50)", "type d.t c;bytes d.t c;computes d.t;|");
    copy_is.type = "enum('a')";
    is_told("alter table t modify c enum('a','b')", "type d.t c;bytes d.t c;computes d.t;|");
    copy_is.type = "set('a')";
    is_told("alter table t modify c set('a','b')", "type d.t c;bytes d.t c;computes d.t;|");
    copy_is.type = "int";
    is_told("alter table t modify c bigint", "type d.t c;|");
    flavor = MY_FLAVOR_MARIADB;
    copy_is.type = NULL;
}

#define JSON "ALTER TABLE made JSON of texts, or texts of JSON, in"

/* By constraints alone a text of MariaDB is JSON, and none any more. */
static void test_json(void)
{
    fresh();
    copy_is.key = 1;
    is_told("alter table t add check (json_valid(a))", "json d.t;|");
    is_told("alter table t drop constraint a", "key d.t;json d.t;|");
    copy_is.json = 0;
    is_told("alter table t add constraint x check (json_valid(a))", "json d.t;" MARKED("t", JSON) "||75");
    is_told("alter table t drop constraint x", "key d.t;json d.t;" MARKED("t", JSON) "||75");
    is_told("alter table t drop x", "drop d.t x;json? d.t;" MARKED("t", JSON) "||75");
    copy_is.type = "longtext";
    is_told("alter table t modify c longtext", "type d.t c;bytes d.t c;json? d.t;" MARKED("t", CHANGED) "||75");
    copy_is.omitted = "t";
    is_told("alter table t drop x", "drop d.t x;|");
    copy_is.omitted = NULL;
    is_told("create table u (a longtext, x int)", "|");
    is_told("alter table u add check (json_valid(a)), drop x", "drop d.u x;|");
    copy_is.json = -1;
    is_told("alter table t add check (json_valid(a))", "json d.t;||0");
    flavor = MY_FLAVOR_MYSQL;
    fresh();
    is_told("alter table t add check (json_valid(a)), drop x", "drop d.t x;|");
    flavor = MY_FLAVOR_MARIADB;
    copy_is.type = NULL;
    copy_is.key = 0;
    copy_is.json = 1;
}

static void test_fresh(void)
{
    fresh();
    is_told("create table t like u", "|");
    is_told("alter table t add c int default 7", "|");
    is_told("alter table t modify c bigint", "|");
    is_told("alter table u add c int default 7",
            MARKED("u", "ALTER TABLE ... ADD COLUMN gave values to rows of") "||75");
    is_told("create table a (x int)", "|");
    is_told("create table b (x int)", "|");
    is_told("create table c (x int)", "|");
    is_told("drop table b", "empty d.b;|t b");
    is_told("drop table c", "empty d.c;|t c");
    is_told("alter table c add c int default 7",
            MARKED("c", "ALTER TABLE ... ADD COLUMN gave values to rows of") "||75");
    is_told("create table a (x int)", "|");
    is_told("create table b (x int)", "|");
    is_told("create table c (x int)", "|");
    is_told("drop table b", "empty d.b;|t b");
    is_told("alter table a add c int default 7", "|");
    is_told("alter table c add c int default 7", "|");
    is_told("alter table b add c int default 7",
            MARKED("b", "ALTER TABLE ... ADD COLUMN gave values to rows of") "||75");
}

#define OF_SESSION 4 /* the flag of a statement that a temporary table is in */
#define VALUES_GIVEN "ALTER TABLE ... ADD COLUMN gave values to rows of"

/* Nobody else sees a temporary table, which hides another one of its name. */
static void test_temporary(void)
{
    fresh();
    is_told("create temporary table t (a int)", "|");
    is_told("alter table t add c int default 7", MARKED("t", VALUES_GIVEN) "||75");
    is_told("create temporary table t (a int)", "|");
    flags = OF_SESSION;
    is_told("alter table t add c int default 7", "|");
    is_told("alter table u add c int default 7", MARKED("u", VALUES_GIVEN) "||75");
    is_told("create temporary table t (a int)", "|");
    is_told("alter table u drop partition p, add c int default 7",
            MARKED("u", "ALTER TABLE ... DROP PARTITION removed rows of") MARKED("u", VALUES_GIVEN) "||75");
    is_told("create temporary table t (a int)", "|");
    is_told("alter table t rename u, add c int default 7", "|");
    is_told("alter table u add d int default 7", "|");
    is_told("rename table u to v", "|");
    is_told("alter table v add e int default 7", "|");
    is_told("drop table v", "empty d.v;|t v"); /* the server logs it with TEMPORARY where it is of such a table */
    is_told("alter table v add f int default 7", "|");
    is_told("drop temporary table v", "|");
    is_told("alter table v add e int default 7", MARKED("v", VALUES_GIVEN) "||75");
    is_told("create temporary table t (a int)", "|");
    is_told("drop temporary table t", "|");
    is_told("alter table t add c int default 7", MARKED("t", VALUES_GIVEN) "||75");
    is_told("create temporary table t (a int)", "|");
    is_told("alter table t rename u", "|");
    is_told("alter table t add c int default 7", MARKED("t", VALUES_GIVEN) "||75");
    has_failed = true;
    is_told("create temporary table t (a int)", "|");
    has_failed = false;
    is_told("alter table t add c int default 7", MARKED("t", VALUES_GIVEN) "||75");
    flavor = MY_FLAVOR_MYSQL; /* whose RENAME TABLE knows no temporary table */
    fresh();
    is_told("create temporary table t (a int)", "|");
    is_told("rename table t to u", "empty d.t;" MARKED("u", "RENAME TABLE gave other rows to") "||75");
    flavor = MY_FLAVOR_MARIADB;
    flags = 0;
}

static void test_cannot(void)
{
    static const char *const what[][2] = {{"empty", "drop table t"},
                                          {"drop", "alter table t drop c"},
                                          {"key", "alter table t drop index i"},
                                          {"withhold", "alter table t drop partition p"},
                                          {"stale", "alter table t drop partition p"}};
    fresh();
    for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
        struct cdc_error error = {0};
        copy_is.cannot = what[i][0];
        check(take_statement(what[i][1], &error) < 0 && error.status == CDC_EXIT_IO, what[i][0]);
        fresh();
    }
    copy_is.cannot = NULL;
}

static void test_none_is_kept(void)
{
    kept = false;
    fresh();
    is_told("alter table t drop partition p", "||78");
    is_told("rename table t to u", "||78");
    is_told("alter table other.t drop partition p", "|");
    is_told("drop table t", "|t t");
    is_told("drop database d", "|t *");
    is_told("alter table t add c int default 7", "|");
    is_told("alter table t drop index i", "|");
    kept = true;
}

static struct my_table table_of(struct my_column *columns, size_t n)
{
    return (struct my_table){.columns = columns, .n_columns = n};
}

static void test_difference(void)
{
    struct my_column old[] = {{.name = (char *)(uintptr_t) "a", .kind = MY_KIND_INTEGER, .key = true},
                              {.name = (char *)(uintptr_t) "b", .kind = MY_KIND_TEXT},
                              {.name = NULL, .kind = MY_KIND_INTEGER, .hidden = true}};
    struct my_column now[] = {old[1], old[0], {.name = (char *)(uintptr_t) "c", .kind = MY_KIND_TEXT}};
    const struct my_table before = table_of(old, 3), after = table_of(now, 3);
    check(!my_copies_difference(&before, &after), "another order, and one column more");
    now[0].kind = MY_KIND_INTEGER;
    check(my_copies_difference(&before, &after) && strstr(my_copies_difference(&before, &after), "type"),
          "another type");
    now[0].kind = MY_KIND_TEXT;
    now[2].key = true;
    check(my_copies_difference(&before, &after) && strstr(my_copies_difference(&before, &after), "key"),
          "a longer key");
    now[1].key = false;
    check(my_copies_difference(&before, &after) && strstr(my_copies_difference(&before, &after), "key"), "another key");
    const struct my_table shorter = table_of(now, 1);
    check(my_copies_difference(&before, &shorter) && strstr(my_copies_difference(&before, &shorter), "key"), "none");
    /* As the log names them, with the bytes of the first TABLE_MAP while no statement has named the table. */
    struct my_column named[] = {old[0], old[1]};
    struct my_table was = table_of(named, 2), is = table_of(now, 2);
    now[0] = old[0];
    now[1] = old[1];
    was.has_names = is.has_names = true;
    was.body.len = 1;
    check(!my_copies_difference(&was, &is), "the same columns");
    now[1].name = (char *)(uintptr_t) "c";
    check(my_copies_difference(&was, &is) && strstr(my_copies_difference(&was, &is), "not in the log"), "another name");
    is.n_columns = 1;
    check(my_copies_difference(&was, &is) && strstr(my_copies_difference(&was, &is), "not in the log"), "one less");
    was.body.len = 0;
    check(!my_copies_difference(&was, &is), "a statement has named the table");
}

/* No MODIFY among them: where there is no memory for its column's name, the table is taken for changed. */
static int statements(struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const all[] = {"create table a (x int)",
                                      "alter table t add c int default 7",
                                      "rename table t to tmp, u to t, tmp to u",
                                      "drop table t",
                                      "alter table t drop c",
                                      "drop database d"};
    int result = 0;
    fresh();
    copy_is.in_place = 1;
    copy_is.dropped = "c";
    for (size_t i = 0; result == 0 && i < sizeof all / sizeof *all; i++) {
        result = take_statement(all[i], error);
        cdc_buf_append_buf(out, &told);
        cdc_buf_append_buf(out, &text);
        if (result == 0 && text.failed)
            result = cdc_error_memory(error);
    }
    my_decoder_free(decoder);
    decoder = NULL;
    text.failed = false;
    copy_is.in_place = 0;
    copy_is.dropped = NULL;
    return result;
}

int main(void)
{
    test_none_is_kept();
    test_difference();
    failures += memory_sweep("statements", statements) != 0;
    test_effects();
    test_columns();
    test_json();
    test_fresh();
    test_temporary();
    test_cannot();
    my_decoder_free(decoder);
    cdc_buf_free(&told);
    return finish();
}
