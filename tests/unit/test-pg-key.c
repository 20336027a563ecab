/* SPDX-License-Identifier: MIT */
/* What identifies a row, and the statement that reads rows. */
#include "connectors/postgres/pgoutput/table.h"
#include "connectors/postgres/scan/scan.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *what, const char *detail)
{
    failures += !good;
    printf("%sok - %s: %s\n", good ? "" : "not ", what, detail);
}

/* Columns a, b, c: marks is which of them are of the replica identity, primary which of the primary key. */
static const struct {
    struct pg_key_facts
        facts; /* identity, partitioned, primary exists, is immediate, index exists, incomplete, inserts only, unsent, refused */
    const char *marks, *primary;
    enum pg_key_kind kind;
    const char *key;
    bool changes;
    const char *what;
} cases[] = {
    {{'d', 0, 1, 1, 0, 0, 0, 0, 0}, "a", "a", PG_KEY_PRIMARY, "a", true, "the primary key"},
    {{'d', 0, 1, 0, 0, 0, 0, 0, 0}, "", "a", PG_KEY_NONE, "", false, "a deferrable primary key"},
    {{'d', 0, 0, 0, 0, 0, 0, 0, 0}, "", "", PG_KEY_NONE, "", false, "no primary key"},
    {{'d', 0, 1, 1, 0, 1, 0, 0, 0}, "a", "ab", PG_KEY_NONE, "", true, "half a primary key"},
    {{'d', 1, 0, 0, 0, 0, 0, 0, 0}, "", "", PG_KEY_NONE, "", true, "a partitioned table: its partitions say"},
    {{'n', 0, 1, 1, 0, 0, 0, 0, 0}, "", "a", PG_KEY_PRIMARY, "a", false, "nothing, with a primary key"},
    {{'n', 0, 1, 0, 0, 0, 0, 0, 0}, "", "a", PG_KEY_NONE, "", false, "nothing, with a deferrable primary key"},
    {{'f', 0, 1, 1, 0, 0, 0, 0, 0}, "abc", "ac", PG_KEY_PRIMARY, "ac", true, "full, with a primary key"},
    {{'f', 0, 1, 0, 0, 0, 0, 0, 0}, "abc", "a", PG_KEY_FULL, "", true, "full, with a deferrable primary key"},
    {{'f', 0, 0, 0, 0, 0, 0, 0, 0}, "abc", "", PG_KEY_FULL, "", true, "full, without a key"},
    {{'f', 0, 1, 1, 0, 1, 0, 0, 0}, "abc", "ab", PG_KEY_FULL, "", true, "full, with half a primary key"},
    {{'i', 0, 1, 1, 1, 0, 0, 0, 0}, "bc", "a", PG_KEY_INDEX, "bc", true, "an index, not the primary key"},
    {{'i', 0, 1, 0, 1, 0, 0, 0, 0}, "b", "a", PG_KEY_INDEX, "b", true, "an index beside a deferrable primary key"},
    {{'i', 0, 1, 1, 0, 0, 0, 0, 0}, "", "a", PG_KEY_PRIMARY, "a", false, "a dropped index, with a primary key"},
    {{'i', 0, 0, 0, 0, 0, 0, 0, 0}, "", "", PG_KEY_NONE, "", false, "a dropped index"},
    {{'i', 0, 1, 1, 1, 1, 0, 0, 0}, "b", "a", PG_KEY_NONE, "", true, "half an index"},
    {{'d', 0, 1, 0, 0, 0, 1, 0, 0}, "", "a", PG_KEY_NONE, "", true, "a deferrable primary key, and inserts only"},
    {{'d', 0, 1, 1, 0, 1, 0, 1, 0}, "a", "ab", PG_KEY_NONE, "", false, "a primary key with a generated column"},
    {{'f', 0, 1, 1, 0, 0, 0, 1, 1}, "abc", "a", PG_KEY_PRIMARY, "a", false, "full, and a generated column, since 18"},
    {{'d', 0, 1, 1, 0, 1, 1, 1, 0}, "a", "ab", PG_KEY_NONE, "", true, "a generated column, and inserts only"},
};

static void test_key(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_column columns[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
        struct pg_table table = {.columns = columns, .n_columns = 3};
        char key[4] = "";
        for (size_t c = 0; c < 3; c++) {
            columns[c].identity = strchr(cases[i].marks, columns[c].name[0]) != NULL;
            columns[c].primary = strchr(cases[i].primary, columns[c].name[0]) != NULL;
        }
        enum pg_key_kind kind = pg_key_settle(&table, &cases[i].facts);
        for (size_t c = 0; c < 3; c++)
            if (columns[c].key)
                strcat(key, columns[c].name);
        check(kind == cases[i].kind && strcmp(key, cases[i].key) == 0 && table.has_key == (*key != '\0'), "key",
              cases[i].what);
        check(pg_key_allows_changes(&cases[i].facts) == cases[i].changes, "changes", cases[i].what);
    }
}

static void test_values_of_key(void)
{
    static const struct {
        const char *kinds;
        bool good;
    } rows[] = {{"ttn", true}, {"ttu", true}, {"tnt", false}, {"tut", false}, {"ntt", false}};
    struct pg_column columns[3] = {{.name = "a", .identity = true}, {.name = "b", .identity = true}, {.name = "c"}};
    struct pg_table table = {.columns = columns, .n_columns = 3, .schema = "s", .name = "t"};
    pg_key_settle(
        &table, &(struct pg_key_facts){.replica_identity = 'd', .primary_exists = true, .primary_is_immediate = true});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pg_cell cells[3] = {{"1", 1, rows[i].kinds[0], false, false},
                                   {"2", 1, rows[i].kinds[1], false, false},
                                   {"3", 1, rows[i].kinds[2], false, false}};
        struct cdc_error error = {0};
        int result = pg_row_check_key(&table, cells, &error);
        check(rows[i].good ? result == 0 : result < 0 && error.status == CDC_EXIT_PROTOCOL, "values of the key",
              rows[i].kinds);
    }
}

static void test_statement(void)
{
    static const struct {
        bool partitioned;
        const char *filter;
        bool generated;
        const char *range, *want;
        bool converts;
    } statements[] = {
        {false, NULL, false, NULL, "COPY \"s\".\"t\"\"x\" (\"id\",\"v\") TO STDOUT", false},
        {false, NULL, false, NULL, "COPY \"s\".\"t\"\"x\" (\"id\",\"v\") TO STDOUT (ENCODING 'SQL_ASCII')", true},
        {false, NULL, true, NULL, "COPY (SELECT \"id\",\"v\" FROM ONLY \"s\".\"t\"\"x\") TO STDOUT", false},
        {true, NULL, false, NULL, "COPY (SELECT \"id\",\"v\" FROM \"s\".\"t\"\"x\") TO STDOUT", false},
        {false, "id > 1 OR v IS NULL", false, NULL,
         "COPY (SELECT \"id\",\"v\" FROM ONLY \"s\".\"t\"\"x\" WHERE (id > 1 OR v IS NULL)) TO STDOUT", false},
        {false, "id > 1 OR v IS NULL", false, "id <= 9",
         "COPY (SELECT \"id\",\"v\" FROM ONLY \"s\".\"t\"\"x\" WHERE (id > 1 OR v IS NULL) AND (id <= 9)) TO STDOUT",
         false},
        {false, NULL, false, "id <= 9",
         "COPY (SELECT \"id\",\"v\" FROM ONLY \"s\".\"t\"\"x\" WHERE (id <= 9)) TO STDOUT", false},
    };
    struct pg_column columns[2] = {{.name = "id"}, {.name = "v"}};
    static const struct pg_encoding encoding;
    const struct pg_table table = {.schema = "s", .name = "t\"x", .columns = columns, .n_columns = 2};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        struct cdc_buf out = CDC_BUF_INIT;
        const struct pg_scan_source source = {
            &table, statements[i].partitioned, statements[i].filter,
            NULL,   statements[i].generated,   statements[i].converts ? &encoding : NULL};
        pg_scan_statement(&out, &source, statements[i].range);
        check(!out.failed && strcmp(out.data, statements[i].want) == 0, "statement", statements[i].want);
        cdc_buf_free(&out);
    }
}

/* A row of COPY's text form becomes these cells, each in brackets; NULL is a bare N. NULL: it is an error. */
static void test_split(void)
{
    static const struct {
        const char *row, *want;
    } rows[] = {
        {"1\ta", "(1)(a)"},
        {"1\t\\N", "(1)N"},
        {"\t", "()()"},
        {"1\t\\\\N", "(1)(\\N)"},
        {"1\ta\\tb\\nc\\\\d\\x", "(1)(a\tb\nc\\dx)"},
        {"\\b\\f\\r\\v\t\\", "(\b\f\r\v)(\\)"},
        {"\\101\\60\\1018\t\\1\\18\\1/\\1:", "(A0A8)(\1\0018\1/\1:)"},
        {"1", NULL},
        {"1\t2\t3", NULL},
        {"", NULL},
    };
    struct pg_column columns[2] = {{.name = "id"}, {.name = "v"}};
    const struct pg_table table = {.schema = "s", .name = "t", .columns = columns, .n_columns = 2};
    struct pg_cell cells[2];
    struct pg_scan scan = {.table = &table, .cells = cells};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cdc_error error = {0};
        struct cdc_buf row = CDC_BUF_INIT, got = CDC_BUF_INIT;
        cdc_buf_text(&row, rows[i].row); /* of its size alone: a look beyond its end is seen by the address sanitizer */
        int result = pg_scan_split(&scan, row.data, row.len, &error);
        for (size_t k = 0; result == 0 && k < 2; k++) {
            cdc_buf_text(&got, cells[k].kind == 'n' ? "N" : "(");
            if (cells[k].kind == 't') {
                cdc_buf_append(&got, cells[k].p, cells[k].n);
                cdc_buf_byte(&got, ')');
            }
        }
        cdc_buf_byte(&got, '\0');
        check(rows[i].want ? result == 0 && strcmp(got.data, rows[i].want) == 0
                           : result < 0 && error.status == CDC_EXIT_PROTOCOL,
              "a row of COPY", rows[i].row);
        cdc_buf_free(&row);
        cdc_buf_free(&got);
    }
}

int main(void)
{
    test_key();
    test_values_of_key();
    test_statement();
    test_split();
    return failures != 0;
}
