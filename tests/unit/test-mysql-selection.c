/* SPDX-License-Identifier: MIT */
/* Which tables of MySQL are read, and what a state keeps of that: a later run compares the two, and reads again what is selected
 * only now. */
#include "connectors/mysql/session/session.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/no-memory.h"

#include <string.h>

#define LIST(name, ...)                                                                                                \
    static const char *name##_items[] = {__VA_ARGS__};                                                                 \
    static const struct cdc_option_list name = {.items = name##_items,                                                 \
                                                .count = sizeof name##_items / sizeof *name##_items}

LIST(included, "shop.a", "we\"ird.*");
LIST(excluded, "shop.b");
LIST(columns, "shop.a:id,v", "we*:x");

static const char *kept_of(const struct cdc_selection *selection)
{
    text.len = 0;
    my_selection_append(&text, selection);
    cdc_buf_byte(&text, '\0');
    return text.data;
}

static void test_append(void)
{
    check_text("nothing", cdc_span_text(kept_of(&(struct cdc_selection){0})), "{\"include\":[],\"exclude\":[]}");
    check_text(
        "all that there is", cdc_span_text(kept_of(&(struct cdc_selection){included, excluded, false, columns})),
        "{\"include\":[\"shop.a\",\"we\\\"ird.*\"],\"exclude\":[\"shop.b\"],\"columns\":[\"shop.a:id,v\",\"we*:x\"]}");
}

static void append_list(struct cdc_buf *out, char name, const struct cdc_option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        cdc_buf_printf(out, "%c=%s;", name, list->items[i]);
}

static int read_back(struct cdc_buf *out, const char *object, struct cdc_error *error)
{
    struct my_kept_selection kept;
    int result = my_selection_read(&kept, cdc_span_text(object), error);
    if (result == 0) {
        append_list(out, 'i', &kept.selection.include);
        append_list(out, 'x', &kept.selection.exclude);
        append_list(out, 'c', &kept.selection.columns);
    }
    my_selection_free_kept(&kept);
    return result;
}

static void read_is(const char *object, const char *want)
{
    struct cdc_buf got = CDC_BUF_INIT;
    struct cdc_error error = {0};
    if (read_back(&got, object, &error) < 0)
        cdc_buf_printf(&got, "%d %s", error.status, error.text);
    check_text(object, text_of(&got), want);
    cdc_buf_free(&got);
}

static void test_read(void)
{
    static const char damaged[] = "78 \"selection\" of the pipeline's state is damaged";
    read_is(kept_of(&(struct cdc_selection){included, excluded, false, columns}),
            "i=shop.a;i=we\"ird.*;x=shop.b;c=shop.a:id,v;c=we*:x;");
    read_is("{\"include\":[\"a.*\"],\"exclude\":[]}", "i=a.*;");
    read_is("{\"include\":[],\"exclude\":[\"\\u0061.b\",\"c.*\"]}", "x=a.b;x=c.*;");
    read_is("{\"include\":[\"a.*\"]}", damaged);
    read_is("{\"exclude\":[\"a.*\"]}", damaged);
    read_is("{\"include\":\"a.*\",\"exclude\":[]}", damaged);
    read_is("{\"include\":[],\"exclude\":[],\"columns\":{}}", damaged);
    read_is("{\"include\":[],\"exclude\":[],\"columns\":[\"a\"]}", damaged);
}

static int read_without_memory(struct cdc_buf *out, struct cdc_error *error)
{
    memory_begin();
    int result = read_back(out, "{\"include\":[\"a.*\"],\"exclude\":[\"b.*\"],\"columns\":[\"c.d:e\"]}", error);
    memory_end();
    return result;
}

static void test_columns(void)
{
    const struct cdc_selection some = {.columns = columns}, none = {.include = included};
    const struct cdc_span with = cdc_span_text("{\"columns\":[\"shop.a:id,v\",\"we*:x\"]}"),
                          other = cdc_span_text("{\"columns\":[\"we*:x\",\"shop.a:id,v\"]}"),
                          without = cdc_span_text("{\"a\":1}");
    check(my_selection_has_columns(with, &some) && my_selection_has_columns(without, &none), "the same columns");
    check(!my_selection_has_columns(other, &some) && !my_selection_has_columns(without, &some) &&
              !my_selection_has_columns(with, &none),
          "others, none, and some where there were none");
}

static bool selects(const struct cdc_selection *selection, const char *db, const char *table)
{
    return cdc_selection_has_table(selection, db, table);
}

static int complete(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_selection selection = {0};
    char *pattern;
    memory_begin();
    int result = my_selection_complete(&selection, "a.*b", &pattern, error);
    memory_end();
    if (result == 0)
        cdc_buf_text(out, selects(&selection, "a.*b", "t") && !selects(&selection, "a.xb", "t") ? "it" : "others");
    cdc_selection_free(&selection);
    free(pattern);
    return result;
}

static void test_complete(void)
{
    struct cdc_selection all = {0}, given = {.include = included};
    struct cdc_error error = {0};
    char *pattern = NULL;
    check(my_selection_complete(&given, "d", &pattern, &error) == 0 && !pattern && given.include.count == 2 &&
              given.exclude.count == 0,
          "patterns that are given");
    check(my_selection_complete(&all, NULL, &pattern, &error) == 0 && !pattern && selects(&all, "d", "t") &&
              selects(&all, "mysqlx", "user") && !selects(&all, "mysql", "user") && !selects(&all, "sys", "x") &&
              !selects(&all, "performance_schema", "threads") && !selects(&all, "information_schema", "TABLES"),
          "all but the server's own");
    size_t own = 0;
    for (size_t i = 0; i < all.exclude.count; i++)
        own += my_selection_is_own(all.exclude.items[i]);
    check(own == 4 && all.exclude.count == 4 && !my_selection_is_own("shop.a"), "which nobody has typed");
    cdc_selection_free(&all);
    struct cdc_buf got = CDC_BUF_INIT;
    check(complete(&got, &error) == 0 && cdc_span_is(text_of(&got), "it"), "the URL's database, by its very name");
    cdc_buf_free(&got);
}

int main(void)
{
    test_append();
    test_read();
    test_columns();
    test_complete();
    failures += (int)memory_sweep("a kept selection", read_without_memory);
    failures += (int)memory_sweep("the URL's database", complete);
    return finish();
}
