/* SPDX-License-Identifier: MIT */
/* Rows of COPY taken apart, and written as JSON: random ones, beside memory that nobody may touch. */
#include "connectors/postgres/scan/scan.h"
#include "tests/unit/guarded.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 5
#define VALUE_MAX 24

static int failures;
static uint64_t random_state = 11;

static unsigned below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static void check(bool good, const char *what)
{
    if (!good && failures++ < 10)
        printf("not ok - %s\n", what);
}

struct value {
    bool null;
    char text[VALUE_MAX];
    size_t n;
};

/* Mostly letters or digits, as long as a word, and a little more or less; now and then what COPY or JSON escape, and é. */
static void choose(struct value *value)
{
    static const char special[] = "\t\n\r\b\f\v\\\"\x01\x1f\x7f /N'0-";
    bool digits = below(2) == 0, odd = below(3) == 0;
    size_t n = below(VALUE_MAX);
    value->null = below(8) == 0;
    value->n = 0;
    while (value->n < n) {
        unsigned which = odd ? below(8) : 0;
        if (which == 1 && value->n + 2 <= n) {
            value->text[value->n++] = '\xc3';
            value->text[value->n++] = '\xa9';
        } else {
            value->text[value->n++] = which == 2 ? special[below(sizeof special - 1)]
                                      : digits   ? (char)('0' + below(10))
                                                 : (char)('a' + below(26));
        }
    }
}

static void append_field(struct cdc_buf *out, const struct value *value)
{
    static const char escaped[] = "\b\f\n\r\t\v\\", letters[] = "bfnrtv\\";
    if (value->null)
        cdc_buf_lit(out, "\\N");
    for (size_t i = 0; !value->null && i < value->n; i++) {
        const char *at = strchr(escaped, value->text[i]);
        if (at != NULL)
            cdc_buf_byte(out, '\\');
        cdc_buf_byte(out, at != NULL ? letters[at - escaped] : value->text[i]);
    }
}

static bool is_json_as_is(const struct value *value)
{
    for (size_t i = 0; i < value->n; i++) {
        unsigned char c = (unsigned char)value->text[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            return false;
    }
    return true;
}

static void compare(const struct pg_scan *scan, const struct value *values)
{
    for (size_t i = 0; i < scan->table->n_columns; i++) {
        const struct pg_cell *cell = &scan->cells[i];
        check((cell->kind == 'n') == values[i].null, "NULL");
        if (values[i].null)
            continue;
        check(cell->n == values[i].n && memcmp(cell->p, values[i].text, cell->n) == 0, "value");
        check(!cell->plain || is_json_as_is(&values[i]), "a value that JSON has as it is");
    }
}

/* As lines have it, and without what is known of the values. */
static void compare_json(struct pg_scan *scan)
{
    static const struct cdc_value_format format = {0};
    struct pg_value_counts counts = {0};
    struct cdc_buf quick = CDC_BUF_INIT, slow = CDC_BUF_INIT;
    pg_row_append(&quick, scan->table, scan->cells, PG_ROW_ALL, &format, &counts);
    for (size_t i = 0; i < scan->table->n_columns; i++)
        scan->cells[i].plain = false;
    pg_row_append(&slow, scan->table, scan->cells, PG_ROW_ALL, &format, &counts);
    check(!quick.failed && quick.len == slow.len && memcmp(quick.data, slow.data, slow.len) == 0, "JSON");
    cdc_buf_free(&quick);
    cdc_buf_free(&slow);
}

static void test_row(struct pg_scan *scan, bool at_end)
{
    struct value values[COLUMNS_MAX];
    struct cdc_buf row = CDC_BUF_INIT;
    struct cdc_error error = {0};
    for (size_t i = 0; i < scan->table->n_columns; i++) {
        choose(&values[i]);
        cdc_buf_text(&row, i > 0 ? "\t" : "");
        append_field(&row, &values[i]);
    }
    size_t n = row.len;
    cdc_buf_byte(&row, '\0');
    char *line = at_end ? guarded_end(row.data, n) : guarded_begin(row.data);
    check(pg_scan_split(scan, line, n, &error) == 0, "a row");
    compare(scan, values);
    compare_json(scan);
    cdc_buf_free(&row);
}

static void test_wrong(struct pg_scan *scan)
{
    char few[] = "a\tb", many[] = "a\tb\tc\td\te\tf";
    struct cdc_error error = {0};
    check(pg_scan_split(scan, few, strlen(few), &error) < 0 && error.status == CDC_EXIT_PROTOCOL, "too few fields");
    error = (struct cdc_error){0};
    check(pg_scan_split(scan, many, strlen(many), &error) < 0 && error.status == CDC_EXIT_PROTOCOL, "too many fields");
    check(pg_scan_split(scan, few, 0, &error) < 0, "no field");
}

int main(void)
{
    static char *const names[COLUMNS_MAX] = {"a", "a name that is longer than two words", "b", "abcdefgh", "\"q\""};
    struct pg_column columns[COLUMNS_MAX] = {{.name = NULL}};
    struct pg_table table = {.schema = "s", .name = "t", .columns = columns, .n_columns = COLUMNS_MAX};
    struct pg_scan scan;
    struct cdc_error error = {0};
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        columns[i].name = names[i];
        columns[i].type = pg_type_of(i % 2 == 0 ? 23 : 25); /* int4, text: the values are any */
    }
    if (pg_table_prepare(&table, "n", "d", &error) < 0 ||
        pg_scan_begin(&scan, NULL, &(struct pg_scan_source){.table = &table}, &error) < 0)
        return 1;
    for (int i = 0; i < 50000; i++) {
        table.n_columns = 1 + below(COLUMNS_MAX);
        test_row(&scan, i % 2 == 0);
    }
    table.n_columns = COLUMNS_MAX;
    test_wrong(&scan);
    table.n_columns = 0;
    check(pg_scan_split(&scan, (char[]){""}, 0, &error) == 0, "a row without columns");
    pg_scan_end(&scan);
    cdc_buf_free(&table.source_head);
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        cdc_buf_free(&columns[i].name_json);
    printf("%sok - rows of COPY\n", failures == 0 ? "" : "not ");
    return failures != 0;
}
