/* SPDX-License-Identifier: MIT */
/* Key ranges of a table: the statement that reads one, and keys that are kept in between. And the list of checkpoints. */
#include "connectors/mysql/scan/key.h"
#include "connectors/mysql/snapshot/checkpoint.h"
#include "connectors/mysql/value/charset.h"

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
static const struct my_key key = {&table, order, 3};

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
    my_key_append_range(&sql, of, &range->after, &range->upto);
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
    const struct my_key none = {&table, NULL, 0};
    struct my_range of = {.after = {CDC_BUF_INIT, 0}, .upto = {CDC_BUF_INIT, 0}};
    range("a table without an order", &none, &of, "");
    range("no limit", &key, &of, " FORCE INDEX (PRIMARY)" ORDER);
    fill(&of.after, "7", "a'", "2026-11-21 09:28:42");
    range("after a key", &key, &of, " FORCE INDEX (PRIMARY) WHERE " AFTER ORDER);
    fill(&of.upto, "-1", "", "2026-11-22");
    range("between two keys", &key, &of, " FORCE INDEX (PRIMARY) WHERE " AFTER " AND " UPTO ORDER);
    my_key_value_clear(&of.after);
    range("up to a key", &key, &of, " FORCE INDEX (PRIMARY) WHERE " UPTO ORDER);
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
    checkpoints();
    return failures > 0;
}
