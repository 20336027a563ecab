/* SPDX-License-Identifier: MIT */
/* ALTER TABLE as what it does to a list of columns, and the columns that a table had between two of them. */
#include "connectors/mysql/event/column_edits.h"
#include "connectors/mysql/schema/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/no-memory.h"

static int failures;
static const struct my_follow_table table = {"d", "t"};

static void is(const char *what, const char *want, const char *got)
{
    bool good = strcmp(want, got) == 0;
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    if (!good)
        printf("# wanted %s\n# got    %s\n", want, got);
}

/* -- one statement -- */

#define BEFORE "[[\"id\",\"int\",null,2],[\"a\",\"int\",null,1],[\"b\",\"varchar(9)\",\"latin1\",1]]"
#define ID "[\"id\",\"int\",null,2]"
#define A "[\"a\",\"int\",null,1]"
#define B "[\"b\",\"varchar(9)\",\"latin1\",1]"

/* What is left of BEFORE; "": the statement is not understood. */
static const struct {
    const char *sql, *db, *after;
} cases[] = {
    {"alter table t add c text", "d", "[" ID "," A "," B ",[\"c\"]]"},
    {"ALTER TABLE `d`.`t` ADD COLUMN c INT FIRST", "x", "[[\"c\",\"int\",null,1,\"said\"]," ID "," A "," B "]"},
    {"alter table t add c int not null after id, add e json after id", "d",
     "[" ID ",[\"e\"],[\"c\",\"int\",null,0,\"said\"]," A "," B "]"},
    {"alter table t add (c int, e date)", "d",
     "[" ID "," A "," B ",[\"c\",\"int\",null,1,\"said\"],[\"e\",\"date\",null,1,\"said\"]]"},
    {"alter table t drop a, add a bigint unsigned", "d", "[" ID "," B ",[\"a\",\"bigint unsigned\",null,1,\"said\"]]"},
    {"alter table t rename column a to b, rename column b to a", "d",
     "[" ID ",[\"b\",\"int\",null,1],[\"a\",\"varchar(9)\",\"latin1\",1]]"},
    {"alter table t rename column id to k", "d", "[[\"k\",\"int\",null,2]," A "," B "]"},
    {"alter table t change a c decimal(5) not null comment 'first, (after'", "d",
     "[" ID ",[\"c\",\"decimal(5,0)\",null,0,\"said\"]," B "]"},
    {"alter table t modify b varchar(20) first", "d", "[[\"b\"]," ID "," A "]"},
    {"alter table t modify column if exists z int, add column if not exists A int", "d", "[" ID "," A "," B "]"},
    {"alter table t engine = innodb, drop column b, algorithm = inplace", "d", "[" ID "," A "]"},
    {"alter table t add c timestamp, add e timestamp null", "d",
     "[" ID "," A "," B ",[\"c\"],[\"e\",\"timestamp\",null,1,\"said\"]]"},
    {"alter table t add c float(7,2), add e double precision, add f int zerofill, add g int as (a + 1)", "d",
     "[" ID "," A "," B ",[\"c\"],[\"e\"],[\"f\"],[\"g\"]]"},
    {"alter table t add c boolean, add e datetime(6), add f bit", "d",
     "[" ID "," A "," B ",[\"c\",\"tinyint(1)\",null,1,\"said\"],[\"e\",\"datetime(6)\",null,1,\"said\"],"
     "[\"f\",\"bit(1)\",null,1,\"said\"]]"},
    /* Another table: nothing of this one. */
    {"alter table u add t int", "d", "[" ID "," A "," B "]"},
    {"alter table d2.t add c int", "d", "[" ID "," A "," B "]"},
    {"alter table t add c int", "x", "[" ID "," A "," B "]"},
    /* What cannot be told. */
    {"alter table t add c int", NULL, ""},
    {"alter table T add c int", "d", ""},
    {"alter table t add c int", "D", ""},
    {"alter table t add c int primary key", "d", ""},
    {"alter table t add c int unique", "d", ""},
    {"alter table t add c int, add primary key (c)", "d", ""},
    {"alter table t add unique (a)", "d", ""},
    {"alter table t drop primary key", "d", ""},
    {"alter table t drop index i", "d", ""},
    {"alter table t drop id", "d", ""},
    {"alter table t modify id bigint", "d", ""},
    {"alter table t modify a int first, modify b int first", "d", ""},
    {"alter table t add c int after a, drop a", "d", ""},
    {"alter table t add c int after z", "d", ""},
    {"alter table t drop z", "d", ""},
    {"alter table t add a int", "d", ""},
    {"alter table t add c int partition by hash(id)", "d", ""},
    {"alter table t add c int after a engine = innodb", "d", ""},
    {"alter table t rename to u", "d", ""},
    {"alter table t rename u, add c int", "d", ""},
    {"alter table t convert to character set utf8mb4", "d", ""},
    {"alter table t add system versioning", "d", ""},
    {"alter table t add check (json_valid(b))", "d", ""},
    {"alter table t add c varchar(9) default 'a\\'b'", "d", ""},
    {"alter table t add \"c\" int", "d", ""},
    {"alter table t add /*!80023 c int, add */ e int", "d", ""},
    {"alter table t add c int comment 'open", "d", ""},
    {"rename table t to u", "d", ""},
    {"drop table t", "d", ""},
    {"create table t (id int)", "d", ""},
};

static void leave(const char *before, const char *sql, const char *db, char *out, size_t size)
{
    struct cdc_buf after = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int result = my_follow_statement(cdc_span_text(before), &table, cdc_span_text(sql),
                                     db ? cdc_span_text(db) : cdc_span(NULL, 0), &after, &error);
    snprintf(out, size, "%.*s", result > 0 ? (int)after.len : 0, after.data ? after.data : "");
    cdc_buf_free(&after);
}

static void test_statements(void)
{
    char got[1000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leave(BEFORE, cases[i].sql, cases[i].db, got, sizeof got);
        is(cases[i].sql, cases[i].after, got);
    }
}

/* -- several, and what the table has now -- */

static int complete(const char *derived, char **later, size_t n, const char *now, char *out, size_t size,
                    struct cdc_error *error)
{
    struct my_ddl items[4] = {{0}};
    const struct my_coord coord = {"b.1", 100};
    struct cdc_buf columns = CDC_BUF_INIT;
    char db[] = "d";
    for (size_t i = 0; i < n; i++)
        items[i] = (struct my_ddl){.sql = later[i], .n = strlen(later[i]), .db = db, .coord = {"b.1", 200 + i}};
    const struct my_ddl_list list = {.items = items, .n = n};
    int result = my_follow_complete(cdc_span_text(derived), &table, &list, &coord, cdc_span_text(now), &columns, error);
    snprintf(out, size, "%.*s", result > 0 ? (int)columns.len : 0, columns.data ? columns.data : "");
    cdc_buf_free(&columns);
    return result;
}

/* derived "": of a table with BEFORE after `add c varchar(3)`. */
static void completes(const char *what, const char *derived, const char *sql, const char *now, const char *want)
{
    char text[200], got[1000], *later[1] = {text};
    struct cdc_error error = {0};
    snprintf(text, sizeof text, "%s", sql);
    complete(derived, later, 1, now, got, sizeof got, &error);
    is(what, want, got);
}

#define C "[\"c\",\"varchar(3)\",\"utf8mb4\",1]"
#define SAID "[\"c\",\"int\",null,1,\"said\"]"
#define E "[\"e\",\"int\",null,1]"

static void test_completing(void)
{
    completes("a column is what it is by now", "[" ID "," A ",[\"c\"]]", "alter table t add e int",
              "[" ID "," A "," C "," E "]", "[" ID "," A "," C "]");
    completes("also under another name", "[" ID ",[\"c\"]]", "alter table t rename column c to f, add e int",
              "[" ID ",[\"f\",\"varchar(3)\",\"utf8mb4\",1]," E "]", "[" ID "," C "]");
    completes("what the server says is more than what a text said", "[" ID "," SAID "]", "alter table t add e int",
              "[" ID ",[\"c\",\"int(11)\",null,1]," E "]", "[" ID ",[\"c\",\"int(11)\",null,1]]");
    completes("one that has gone, by its text", "[" ID "," SAID "]", "alter table t drop c", "[" ID "]",
              "[" ID "," SAID "]");
    completes("one that is defined anew, by its text", "[" ID "," SAID "]", "alter table t modify c varchar(3)",
              "[" ID "," C "]", "[" ID "," SAID "]");
    completes("one that has gone, and no text tells", "[" ID ",[\"c\"]]", "alter table t drop c", "[" ID "]", "");
    completes("one that is defined anew, and no text tells", "[" ID ",[\"c\"]]", "alter table t modify c varchar(3)",
              "[" ID "," C "]", "");
    completes("one that goes and comes again is another one", "[" ID ",[\"c\"]]",
              "alter table t drop c, add c varchar(3)", "[" ID "," C "]", "");
    completes("the server has another column", "[" ID ",[\"c\"]]", "alter table t add e int",
              "[" ID "," C ",[\"f\",\"int\",null,1]]", "");
    completes("the server has one more", "[" ID ",[\"c\"]]", "alter table t add e int", "[" ID "," C "," E "," A "]",
              "");
    completes("the server has another order", "[" ID ",[\"c\"]]", "alter table t add e int", "[" ID "," E "," C "]",
              "");
    completes("one that was known is another one by now", "[" ID ",[\"c\"]]", "alter table t add e int",
              "[[\"id\",\"bigint\",null,2]," C "," E "]", "");
    completes("a statement that is not understood", "[" ID ",[\"c\"]]", "alter table t drop primary key",
              "[" ID "," C "]", "");
    completes("one of another table", "[" ID ",[\"c\"]]", "alter table u add t int", "[" ID "," C "]",
              "[" ID "," C "]");
}

/* Without memory nothing is understood that would not be, and nothing is kept. */
static void test_no_memory(void)
{
    char one[] = "alter table d.t drop a, change c f varchar(3), add e int after id", got[1000], *later[1] = {one};
    for (memory_fails_at = 1; MEMORY_CAN_FAIL && memory_fails_at < 200; memory_fails_at++) {
        struct cdc_error error = {0};
        memory_calls = 0;
        memory_begin();
        int result = complete("[" ID "," A "," SAID "]", later, 1,
                              "[" ID "," E ",[\"f\",\"varchar(3)\",\"utf8mb4\",1]]", got, sizeof got, &error);
        memory_end();
        bool whole = memory_calls < memory_fails_at;
        if ((result < 0) != (error.status != 0) || (whole && strcmp(got, "[" ID "," A "," SAID "]") != 0) ||
            (!whole && result > 0 && strcmp(got, "[" ID "," A "," SAID "]") != 0))
            is("without memory at one place", "the columns, nothing, or an error", got);
        if (whole)
            break;
    }
    is("all places were tried", "yes", !MEMORY_CAN_FAIL || memory_fails_at < 200 ? "yes" : "no");
    memory_fails_at = 0;
}

int main(void)
{
    test_statements();
    test_completing();
    test_no_memory();
    return failures != 0;
}
