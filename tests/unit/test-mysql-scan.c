/* SPDX-License-Identifier: MIT */
/* Key ranges of a table: the statement that reads one, and keys that are kept in between. Values of the binary protocol. And
 * the list of checkpoints. */
#include "connectors/mysql/scan/cell.h"
#include "connectors/mysql/scan/key.h"
#include "connectors/mysql/snapshot/checkpoint.h"
#include "connectors/mysql/value/charset.h"

#include <mysql.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *what, const char *got, const char *want)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    if (!good)
        printf("#  got %s\n# want %s\n", got, want);
}

static void same(const char *what, const struct cdc_buf *got, const char *want)
{
    check(cdc_span_is(cdc_span(got->data, got->len), want), what, got->data, want);
}

/* -- ranges: PRIMARY KEY (id, name, at) of (name, id, at) ------------------------------------- */

static struct my_column columns[] = {{.name = "name", .kind = MY_KIND_TEXT},
                                     {.name = "i`d", .kind = MY_KIND_INTEGER},
                                     {.name = "at", .kind = MY_KIND_DATETIME}};
static const struct my_table table = {.db = "shop", .name = "t", .columns = columns, .n_columns = 3};
static size_t order[] = {1, 0, 2};
static const struct my_key key = {&table, order, 3, NULL};

static void fill(struct my_key_value *value, const char *id, const char *name, const char *at)
{
    my_key_value_clear(value);
    my_key_value_append(value, &columns[1], id, strlen(id));
    my_key_value_append(value, &columns[0], name, strlen(name));
    my_key_value_append(value, &columns[2], at, strlen(at));
}

static void range(const char *what, const struct my_key *of, const struct my_range *range, const char *want)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    my_key_append_range(&sql, of, &range->after, &range->upto, of->condition);
    cdc_buf_byte(&sql, '\0');
    sql.len--;
    same(what, &sql, want);
    cdc_buf_free(&sql);
}

static void ranges(void)
{
#define ORDER " ORDER BY `i``d`,`name`,`at`"
#define AFTER                                                                                                          \
    "(`i``d` > 7 OR (`i``d` = 7 AND (`name` > _utf8mb4 X'6127' OR (`name` = _utf8mb4 X'6127' AND (`at` > '2026-11-21 " \
    "09:28:42')))))"
#define UPTO                                                                                                           \
    "(`i``d` < -1 OR (`i``d` = -1 AND (`name` < _utf8mb4 X'' OR (`name` = _utf8mb4 X'' AND (`at` <= '2026-11-22')))))"
    const struct my_key none = {&table, NULL, 0, NULL};
    struct my_range of = {.after = {CDC_BUF_INIT, 0}, .upto = {CDC_BUF_INIT, 0}};
    range("a table without an order", &none, &of, "");
    range("no limit", &key, &of, " FORCE INDEX (PRIMARY)" ORDER);
    fill(&of.after, "7", "a'", "2026-11-21 09:28:42");
    range("after a key", &key, &of, " FORCE INDEX (PRIMARY) WHERE " AFTER ORDER);
    fill(&of.upto, "-1", "", "2026-11-22");
    range("between two keys", &key, &of, " FORCE INDEX (PRIMARY) WHERE " AFTER " AND " UPTO ORDER);
    my_key_value_clear(&of.after);
    range("up to a key", &key, &of, " FORCE INDEX (PRIMARY) WHERE " UPTO ORDER);
    const struct my_key some = {&table, order, 3, "(a # b\n)"}, rest = {&table, NULL, 0, "(a)"};
    range("a condition", &some, &of, " FORCE INDEX (PRIMARY) WHERE " UPTO " AND (a # b\n)" ORDER);
    my_key_value_clear(&of.upto);
    range("a condition alone", &some, &of, " FORCE INDEX (PRIMARY) WHERE (a # b\n)" ORDER);
    range("a condition without an order", &rest, &of, " WHERE (a)");
    my_range_free(&of);
}

/* -- keys --------------------------------------------------------------------------------------- */

static void cell(const char *what, const struct my_column *column, const char *bytes, size_t n, enum my_cell_form form,
                 const char *want)
{
    struct cdc_error error = {0};
    struct my_cell of = {.p = (const uint8_t *)bytes, .n = (uint32_t)n};
    struct my_key_value value = {CDC_BUF_INIT, 0};
    bool good = my_key_value_append_cell(&value, column, &of, form, &error) == 0 && value.n == 1 &&
                strcmp(value.parts.data, want) == 0;
    check(good, what, value.parts.data ? value.parts.data : error.text, want);
    my_key_value_free(&value);
}

static void restored(const char *what, const struct my_column *column, const char *text, size_t n, bool want)
{
    struct my_key_value value = {CDC_BUF_INIT, 0};
    check(my_key_value_restore(&value, column, cdc_span(text, n)) == want, what, want ? "refused" : "taken", text);
    my_key_value_free(&value);
}

static void keys(void)
{
    cell("a number's cell", &columns[1], "\xF9\xFF\xFF\xFF", 4, MY_CELL_4, "-7");
    cell("a text's cell", &columns[0], "a'", 2, MY_CELL_BYTES, "6127");
    cell("a time's cell", &columns[2], "\xEA\x07\x0B\x15\x09\x1C\x2A", 7, MY_CELL_CLOCK, "2026-11-21 09:28:42");
    restored("a number", &columns[1], "-7", 2, true);
    restored("no number", &columns[1], "", 0, false);
    restored("a number that would end a statement", &columns[1], "7;", 2, false);
    restored("a number with a NUL", &columns[1], "7\0", 2, false);
    restored("a text in hexadecimal", &columns[0], "6127", 4, true);
    restored("an empty text", &columns[0], "", 0, true);
    restored("half a byte", &columns[0], "612", 3, false);
    restored("a text as it is", &columns[0], "a'", 2, false);
    restored("a time", &columns[2], "2026-11-21 09:28:42", 19, true);
    restored("a time that would end its literal", &columns[2], "2026'", 5, false);
}

/* -- values --------------------------------------------------------------------------------------- */

/* want is the JSON; NULL: the server cannot mean these bytes. */
static void value(const char *what, enum my_kind kind, unsigned length, const char *bytes, size_t n, const char *want)
{
    struct my_column column = {.name = "v", .kind = kind, .length = length, .decimals = 6};
    struct my_cell of = {.p = (const uint8_t *)bytes, .n = (uint32_t)n};
    struct cdc_value_format format = {0};
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    int result = my_cell_append(&out, &column, &of, &format, &unconvertible, &error);
    cdc_buf_byte(&out, '\0');
    if (want == NULL)
        check(result == -1 && error.status == CDC_EXIT_PROTOCOL, what, result == -1 ? error.text : out.data,
              "refused, 76");
    else
        check(result == 0 && strcmp(out.data, want) == 0, what, result == 0 ? out.data : error.text, want);
    cdc_buf_free(&out);
}
#define VALUE(what, kind, length, bytes, want) value(what, MY_KIND_##kind, length, bytes, sizeof bytes - 1, want)

/* Each part at its last value, and one more. */
static void clocks(void)
{
    VALUE("a zero date", DATE, 0, "", "\"0000-00-00\"");
    VALUE("the last date", DATE, 0, "\x0F\x27\x0C\x1F", "\"9999-12-31\"");
    VALUE("year 10000", DATE, 0, "\x10\x27\x0C\x1F", NULL);
    VALUE("month 13", DATE, 0, "\xEA\x07\x0D\x1F", NULL);
    VALUE("day 32", DATE, 0, "\xEA\x07\x0C\x20", NULL);
    VALUE("a date of five bytes", DATE, 0, "\xEA\x07\x0C\x01\x01", NULL);
    VALUE("the last second", DATETIME, 0, "\xEA\x07\x0C\x1F\x17\x3B\x3B\x3F\x42\x0F\x00",
          "\"2026-12-31T23:59:59.999999\"");
    VALUE("a million microseconds", DATETIME, 0, "\xEA\x07\x0C\x1F\x17\x3B\x3B\x40\x42\x0F\x00", NULL);
    VALUE("hour 24", DATETIME, 0, "\xEA\x07\x0C\x1F\x18\x00\x00", NULL);
    VALUE("minute 60", DATETIME, 0, "\xEA\x07\x0C\x1F\x17\x3C\x00", NULL);
    VALUE("second 60", DATETIME, 0, "\xEA\x07\x0C\x1F\x17\x00\x3C", NULL);
    VALUE("a time of day where a date belongs", DATETIME, 0, "\x00\x00\x00\x00\x00\x09\x1C\x2A", NULL);
    VALUE("no time", TIME, 0, "", "\"00:00:00.000000\"");
    VALUE("the longest time", TIME, 0, "\x01\x22\x00\x00\x00\x16\x3B\x3B", "\"-838:59:59.000000\"");
    VALUE("839 hours", TIME, 0, "\x00\x22\x00\x00\x00\x17\x00\x00", NULL);
    VALUE("35 days", TIME, 0, "\x00\x23\x00\x00\x00\x00\x00\x00", NULL);
    VALUE("a microsecond", TIME, 0, "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", "\"00:00:00.000001\"");
    VALUE("a date where a time belongs", TIME, 0, "\xEA\x07\x0C\x1F", NULL);
}

static void values(void)
{
    char digits[130];
    memset(digits, '9', sizeof digits);
    clocks();
    VALUE("ZEROFILL", DECIMAL, 0, "00012.50", "\"12.50\"");
    VALUE("a zero before the point", DECIMAL, 0, "000.50", "\"0.50\"");
    VALUE("less than nothing", DECIMAL, 0, "-0.50", "\"-0.50\"");
    VALUE("no digit", DECIMAL, 0, "", NULL);
    VALUE("a letter in a number", DECIMAL, 0, "1e5", NULL);
    VALUE("a NUL in a number", DECIMAL, 0, "1\0", NULL);
    value("a number that is too long", MY_KIND_DECIMAL, 0, digits, 129, NULL);
    VALUE("nine bits", BIT, 9, "\x01\x02", "\"100000010\"");
    VALUE("nine bits in a byte", BIT, 9, "\x01", NULL);
    VALUE("eight bits in two", BIT, 8, "\x01\x02", NULL);
    VALUE("a vector", VECTOR, 2, "\x00\x00\x80\x3F\x00\x00\x00\x40", "[1,2]");
    VALUE("a vector and a half", VECTOR, 2, "\x00\x00\x80\x3F\x00\x00", NULL);
    VALUE("a geometry without its SRID", GEOMETRY, 0, "\x01\x02\x03", NULL);
    VALUE("a year", YEAR, 0, "\xEA\x07", "2026");
}

static void form(const char *what, enum my_kind kind, unsigned type, int want)
{
    struct my_column column = {.name = "v", .kind = kind, .type_name = "as in the catalog"};
    struct cdc_error error = {0};
    int got = my_cell_form_of(&column, type, &error);
    check(got == want && (want >= 0 || error.status == CDC_EXIT_PROTOCOL), what, got >= 0 ? "another form" : error.text,
          want >= 0 ? "its form" : "refused, 76");
}

/* Of a table that was altered after the catalog was asked, the server announces other types: never read by the old ones. */
static void forms(void)
{
    static const struct {
        unsigned type;
        enum my_kind kind;
        int form;
    } right[] = {
        {MYSQL_TYPE_TINY, MY_KIND_INTEGER, MY_CELL_1},        {MYSQL_TYPE_SHORT, MY_KIND_INTEGER, MY_CELL_2},
        {MYSQL_TYPE_INT24, MY_KIND_INTEGER, MY_CELL_4},       {MYSQL_TYPE_LONG, MY_KIND_INTEGER, MY_CELL_4},
        {MYSQL_TYPE_LONGLONG, MY_KIND_INTEGER, MY_CELL_8},    {MYSQL_TYPE_FLOAT, MY_KIND_FLOAT, MY_CELL_4},
        {MYSQL_TYPE_DOUBLE, MY_KIND_DOUBLE, MY_CELL_8},       {MYSQL_TYPE_YEAR, MY_KIND_YEAR, MY_CELL_2},
        {MYSQL_TYPE_DATE, MY_KIND_DATE, MY_CELL_CLOCK},       {MYSQL_TYPE_NEWDATE, MY_KIND_DATE, MY_CELL_CLOCK},
        {MYSQL_TYPE_TIME, MY_KIND_TIME, MY_CELL_CLOCK},       {MYSQL_TYPE_DATETIME, MY_KIND_DATETIME, MY_CELL_CLOCK},
        {MYSQL_TYPE_BLOB, MY_KIND_BINARY, MY_CELL_BYTES},     {MYSQL_TYPE_TIMESTAMP, MY_KIND_TIMESTAMP, MY_CELL_CLOCK},
        {MYSQL_TYPE_VAR_STRING, MY_KIND_TEXT, MY_CELL_BYTES},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        char what[64];
        snprintf(what, sizeof what, "type %u as what it is", right[i].type);
        form(what, right[i].kind, right[i].type, right[i].form);
        for (size_t k = 0; k < sizeof right / sizeof *right; k++) {
            snprintf(what, sizeof what, "type %u as type %u", right[i].type, right[k].type);
            if (right[k].kind != right[i].kind && !(right[k].form == MY_CELL_BYTES && right[i].form == MY_CELL_BYTES))
                form(what, right[k].kind, right[i].type, -1);
        }
    }
}

/* -- checkpoints -------------------------------------------------------------------------------- */

static void listed(const char *what, const struct my_checkpoints *checkpoints, const char *want)
{
    struct cdc_buf json = CDC_BUF_INIT;
    my_checkpoints_append(&json, checkpoints);
    cdc_buf_byte(&json, '\0');
    json.len--;
    same(what, &json, want);
    cdc_buf_free(&json);
}

static void checkpoints(void)
{
    static const char three[] = "[{\"pos\":\"1\"},{\"pos\":\"2\",\"x\":[]},{\"pos\":\"3\"}]";
    struct my_checkpoints of = {.n = 0};
    check(my_checkpoints_read(&of, cdc_span_text(three)) && of.n == 3 && strcmp(of.items[1].pos, "2") == 0,
          "checkpoints are read", of.items[1].pos, "2");
    listed("checkpoints are written as they were", &of, three);
    my_checkpoints_drop_first(&of);
    listed("the first is dropped", &of, "[{\"pos\":\"2\",\"x\":[]},{\"pos\":\"3\"}]");
    my_checkpoints_drop_but(&of, &of.items[1]);
    listed("all but one are dropped", &of, "[{\"pos\":\"3\"}]");
    my_checkpoints_drop_but(&of, NULL);
    for (unsigned i = 0; i < MY_CHECKPOINTS + 1; i++)
        cdc_buf_printf(&my_checkpoints_add(&of)->json, "%u", i);
    listed("a full list keeps every other one, and the newest", &of, "[1,3,5,7,9,11,13,15,16]");
    my_checkpoints_drop_but(&of, NULL);
    check(!my_checkpoints_read(&of, cdc_span_text("[{\"pos\":1}]")), "a checkpoint without a pos is damage", "taken",
          "");
    my_checkpoints_drop_but(&of, NULL);
}

int main(void)
{
    columns[0].charset = my_charset_named("utf8mb4");
    ranges();
    keys();
    values();
    forms();
    checkpoints();
    return failures > 0;
}
