/* SPDX-License-Identifier: MIT */
/* The filter, line by line: what each setting makes of a line, and that each of many tables keeps its own plan. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cdc/filter.h>

#include "tests/unit/no-memory.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static int filter_line(struct cdc_filter *filter, const char *line, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_event event;
    if (cdc_event_parse(&event, line, strlen(line), error) != 0)
        return -2;
    out->len = 0;
    return cdc_filter_event(filter, &event, out, error);
}

#define LIST(...)                                                                                                      \
    {                                                                                                                  \
        (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                          \
    }

/* expected: without its LF; NULL: dropped; "78": an error with that status. */
static void becomes(const struct cdc_filter_settings *settings, const char *line, const char *expected)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_filter *filter = cdc_filter_new(settings, &error);
    int result = filter != NULL ? filter_line(filter, line, &out, &error) : -2;
    bool good = expected == NULL ? result == 0 && out.len == 0
                : strcmp(expected, "78") == 0
                    ? result == -1 && error.status == CDC_EXIT_CONFIG
                    : result == 1 && out.len == strlen(expected) + 1 && memcmp(out.data, expected, out.len - 1) == 0 &&
                          out.data[out.len - 1] == '\n';
    check(good, line);
    if (!good)
        printf("  wanted  %s\n  got     %d %.*s%s\n", expected != NULL ? expected : "nothing", result, (int)out.len,
               out.len > 0 ? out.data : "", error.text);
    cdc_filter_free(filter);
    cdc_buf_free(&out);
}

#define HEAD(op)                                                                                                       \
    "{\"op\":\"" op "\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"t\"},"
#define COLUMN(name) "{\"name\":\"" name "\",\"type\":\"text\"}"

static void test_columns(void)
{
    static const char row[] =
        HEAD("u") "\"key\":{\"id\":1},\"before\":{\"id\":1,\"a\":2,\"b\":3},\"after\":{\"id\":1,\"b\":3},"
                  "\"unchanged\":[\"a\"],\"json_null\":[\"b\"]}";
    static const char schema[] =
        HEAD("schema") "\"columns\":[" COLUMN("id") "," COLUMN("a") "," COLUMN("b") "],\"key_columns\":[\"id\"]}";
    struct cdc_filter_settings keep = {.keep_columns = LIST("app.t:a")};
    becomes(&keep, row,
            HEAD("u") "\"key\":{\"id\":1},\"before\":{\"id\":1,\"a\":2},\"after\":{\"id\":1},\"unchanged\":[\"a\"],"
                      "\"json_null\":[]}");
    becomes(&keep, schema, HEAD("schema") "\"columns\":[" COLUMN("id") "," COLUMN("a") "],\"key_columns\":[\"id\"]}");
    struct cdc_filter_settings drop = {.drop_columns = LIST("id,a")};
    becomes(&drop, row,
            HEAD("u") "\"key\":{\"id\":1},\"before\":{\"id\":1,\"b\":3},\"after\":{\"id\":1,\"b\":3},\"unchanged\":[],"
                      "\"json_null\":[\"b\"]}");
    becomes(&drop, schema, HEAD("schema") "\"columns\":[" COLUMN("id") "," COLUMN("b") "],\"key_columns\":[\"id\"]}");
    struct cdc_filter_settings rename = {.rename_columns = LIST("app.t:id=no", "*.t:b=c", "other:a=x")};
    becomes(&rename, row,
            HEAD("u") "\"key\":{\"no\":1},\"before\":{\"no\":1,\"a\":2,\"c\":3},\"after\":{\"no\":1,\"c\":3},"
                      "\"unchanged\":[\"a\"],\"json_null\":[\"c\"]}");
    becomes(&rename, schema,
            HEAD("schema") "\"columns\":[" COLUMN("no") "," COLUMN("a") "," COLUMN("c") "],\"key_columns\":[\"no\"]}");
    struct cdc_filter_settings other = {.drop_columns = LIST("app.u:a"), .keep_columns = LIST("west.*:b")};
    becomes(&other, row, row);
    /* Two columns would become one. */
    struct cdc_filter_settings collision = {.rename_columns = LIST("t:a=id")};
    becomes(&collision, schema, "78");
    struct cdc_filter_settings swap = {.rename_columns = LIST("t:a=b", "t:b=a")};
    becomes(&swap, schema,
            HEAD("schema") "\"columns\":[" COLUMN("id") "," COLUMN("b") "," COLUMN("a") "],\"key_columns\":[\"id\"]}");
    struct cdc_filter_settings freed = {.drop_columns = LIST("a"), .rename_columns = LIST("b=a")};
    becomes(&freed, schema, HEAD("schema") "\"columns\":[" COLUMN("id") "," COLUMN("a") "],\"key_columns\":[\"id\"]}");
    /* A typo must not let a column out. */
    struct cdc_filter_settings typo = {.drop_columns = LIST("app.t:aa")};
    becomes(&typo, schema, "78");
    typo.allow_unknown = true;
    becomes(&typo, schema, schema);
    struct cdc_filter_settings pattern = {.drop_columns = LIST("*.t:aa")};
    becomes(&pattern, schema, schema);
}

#define TRUNCATE(snapshot)                                                                                             \
    "{\"op\":\"t\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"t\","             \
    "\"snapshot\":\"" snapshot "\"}}"

static void test_selection(void)
{
    static const char row[] = HEAD("c") "\"key\":null,\"before\":null,\"after\":{\"a\":1}}";
    static const char message[] = "{\"op\":\"m\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\"},\"message\":{}}";
    struct cdc_filter_settings settings = {.selection = {.include = LIST("app.t")}};
    becomes(&settings, row, row);
    settings.selection = (struct cdc_selection){.include = LIST("t")};
    becomes(&settings, row, row);
    settings.selection = (struct cdc_selection){.include = LIST("west.t", "app.u")};
    becomes(&settings, row, NULL);
    becomes(&settings, message, message);
    settings.selection = (struct cdc_selection){.include = LIST("app.*"), .exclude = LIST("*.t")};
    becomes(&settings, row, NULL);
    struct cdc_filter_settings ops = {.ops = LIST("u,d")};
    becomes(&ops, row, NULL);
    becomes(&ops, message, NULL);
    becomes(&ops, HEAD("d") "\"key\":null}", HEAD("d") "\"key\":null}");
    becomes(&ops, HEAD("new") "\"key\":null}", HEAD("new") "\"key\":null}");
    /* A table whose rows a snapshot reads again is emptied before them. */
    struct cdc_filter_settings rows = {.ops = LIST("r,c,u,d")}, truncates = {.ops = LIST("t,c,u,d")};
    becomes(&rows, TRUNCATE("true"), TRUNCATE("true"));
    becomes(&rows, TRUNCATE("first"), TRUNCATE("first"));
    becomes(&rows, TRUNCATE("false"), NULL);
    becomes(&rows, HEAD("t") "\"more\":1}", NULL);
    becomes(&truncates, TRUNCATE("true"), NULL);
    becomes(&truncates, TRUNCATE("false"), TRUNCATE("false"));
    struct cdc_filter_settings rename = {.rename_tables = LIST("app.t=west.u", "other=x")};
    becomes(&rename, row,
            "{\"op\":\"c\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"west\",\"table\":\"u\"},"
            "\"key\":null,\"before\":null,\"after\":{\"a\":1}}");
    rename.rename_tables = (struct cdc_option_list)LIST("west.t=app.u");
    becomes(&rename, row, row);
    rename.rename_tables = (struct cdc_option_list)LIST("t=u", "t=v");
    becomes(&rename, row,
            "{\"op\":\"c\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"v\"},"
            "\"key\":null,\"before\":null,\"after\":{\"a\":1}}");
}

/* The lines around the rows of a table that is read again go with these rows. */
static void test_reads(void)
{
    static const char begin[] = HEAD("t") "\"read\":\"begin\"}", truncate[] = HEAD("t") "\"x\":1}";
#define ENDING(key) HEAD("schema") "\"columns\":[" COLUMN(key) "],\"key_columns\":[\"" key "\"],\"read\":\"end\"}"
    struct cdc_filter_settings settings = {.ops = LIST("c,u,d,r")};
    becomes(&settings, begin, begin);
    becomes(&settings, ENDING("id"), ENDING("id"));
    becomes(&settings, truncate, NULL);
    settings.ops = (struct cdc_option_list)LIST("c,u,d,t");
    becomes(&settings, begin, NULL);
    becomes(&settings, ENDING("id"), NULL);
    becomes(&settings, truncate, truncate);
    becomes(&settings, HEAD("schema") "\"columns\":[]}", HEAD("schema") "\"columns\":[]}");
    struct cdc_filter_settings other = {.selection = {.include = LIST("app.u")}};
    becomes(&other, begin, NULL);
    becomes(&other, ENDING("id"), NULL);
    struct cdc_filter_settings rename = {.rename_columns = LIST("id=no")};
    becomes(&rename, begin, begin);
    becomes(&rename, ENDING("id"), ENDING("no"));
#undef ENDING
}

static void test_commit(void)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_filter_settings settings = {.ops = LIST("c,u,d,r,t")};
    settings.selection = (struct cdc_selection){.include = LIST("app.t")};
    struct cdc_filter *filter = cdc_filter_new(&settings, &error);
    static const char truncate[] =
        "{\"op\":\"t\",\"pos\":\"1.1\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"t\"}}";
    static const char other[] = "{\"op\":\"c\",\"pos\":\"1.2\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\","
                                "\"table\":\"u\"},\"after\":{}}";
    static const char *const input[] = {HEAD("c") "\"after\":{}}", HEAD("schema") "\"columns\":[]}", truncate, other};
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < sizeof input / sizeof input[0]; i++)
            check(filter_line(filter, input[i], &out, &error) == (i < 3), input[i]);
        check(filter_line(filter,
                          "{\"op\":\"commit\",\"pos\":\"2\",\"seq\":1,\"source\":{\"name\":\"n\"},\"events\":17}", &out,
                          &error) == 1 &&
                  memmem(out.data, out.len, "\"events\":2}\n", 12) != NULL,
              "a commit counts what passed, since the last one");
    }
    cdc_filter_free(filter);
    cdc_buf_free(&out);
}

/* More than the table of plans has room for at first; those of two schemas have one name. */
static void test_many_tables(void)
{
    enum { TABLES = 300 };
    static char items[TABLES][32];
    const char *texts[TABLES];
    struct cdc_filter_settings settings = {.allow_unknown = true};
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    for (int i = 0; i < TABLES; i++) {
        snprintf(items[i], sizeof items[i], "east.t%d:c%d", i, i % 7);
        texts[i] = items[i];
    }
    settings.drop_columns = (struct cdc_option_list){texts, TABLES};
    struct cdc_filter *filter = cdc_filter_new(&settings, &error);
    for (int i = 0; i < 3 * TABLES; i++) {
        int table = i * 7 % TABLES; /* 7 and 300 have no common divisor */
        for (int west = 0; west < 2; west++) {
            char line[256], column[16];
            snprintf(
                line, sizeof line,
                "{\"op\":\"c\",\"pos\":\"1\",\"seq\":1,\"source\":{\"schema\":\"%s\",\"table\":\"t%d\"},\"after\":{"
                "\"c0\":0,\"c1\":1,\"c2\":2,\"c3\":3,\"c4\":4,\"c5\":5,\"c6\":6}}",
                west ? "west" : "east", table);
            snprintf(column, sizeof column, "\"c%d\":", table % 7);
            check(filter_line(filter, line, &out, &error) == 1, "passes");
            bool there = memmem(out.data, out.len, column, strlen(column)) != NULL;
            check(there == west, "a table's own column goes, and no other's");
            check(out.len == strlen(line) + 1 - (west ? 0 : 7), "and nothing else");
        }
    }
    cdc_filter_free(filter);
    cdc_buf_free(&out);
}

/* Every kind of edit, and lines that pass as they are. */
static int filter_all(struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const lines[] = {
        HEAD("schema") "\"columns\":[" COLUMN("id") "," COLUMN("a") "," COLUMN("b") "],\"key_columns\":[\"id\"]}",
        HEAD("u") "\"key\":{\"id\":1},\"before\":{\"id\":1,\"a\":2,\"b\":3},\"after\":{\"id\":1,\"b\":3},"
                  "\"unchanged\":[\"a\"],\"json_null\":[\"b\"]}",
        HEAD("d") "\"key\":{\"id\":1},\"before\":null,\"after\":null}", HEAD("?") "\"x\":1}",
        "{\"op\":\"commit\",\"pos\":\"2\",\"seq\":1,\"source\":{\"name\":\"n\"},\"events\":2}"};
    struct cdc_filter_settings settings = {
        .drop_columns = LIST("app.t:a"), .rename_columns = LIST("t:b=\"c\""), .rename_tables = LIST("app.t=west.u")};
    struct cdc_buf line = CDC_BUF_INIT;
    int result = 0;

    memory_begin();
    struct cdc_filter *filter = cdc_filter_new(&settings, error);
    memory_end();
    for (size_t i = 0; filter != NULL && result >= 0 && i < sizeof lines / sizeof *lines; i++) {
        cdc_buf_free(&line);
        memory_begin();
        result = filter_line(filter, lines[i], &line, error);
        memory_end();
        if (result == 1)
            cdc_buf_append_buf(out, &line);
    }
    cdc_buf_free(&line);
    cdc_filter_free(filter);
    return filter == NULL || result < 0 ? -1 : 0;
}

/* A line is at its end wherever the buffer grows: within the new name of the table, too. */
static int filter_lengths(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_filter_settings settings = {.rename_tables = LIST("app.t=west.other_table_with_a_long_name")};
    struct cdc_filter *filter = cdc_filter_new(&settings, error);
    struct cdc_buf line = CDC_BUF_INIT;
    char text[400];
    int result = 0;

    for (int n = 100; result >= 0 && n < 240; n += 5) {
        snprintf(text, sizeof text,
                 "{\"op\":\"c\",\"pos\":\"1\",\"seq\":1,\"pad\":\"%0*d\",\"source\":{\"name\":\"n\",\"schema\":\"app\","
                 "\"table\":\"t\"},"
                 "\"after\":{\"id\":1}}",
                 n, 0);
        cdc_buf_free(&line);
        memory_begin();
        result = filter_line(filter, text, &line, error);
        memory_end();
        if (result == 1)
            cdc_buf_append_buf(out, &line);
    }
    cdc_buf_free(&line);
    cdc_filter_free(filter);
    return result < 0 ? -1 : 0;
}

/* Each list has its form; one item that has not is wrong usage. */
static void refuses(struct cdc_filter_settings settings, const char *what)
{
    struct cdc_error error = {0};
    struct cdc_filter *filter = cdc_filter_new(&settings, &error);
    check(filter == NULL && error.status == CDC_EXIT_USAGE, what);
    cdc_filter_free(filter);
}

static void test_forms(void)
{
    static const char *const columns[] = {"", ":a", "t:", "a\xff"};
    static const char *const pairs[] = {"a", "=b", "a=", "a=b=c", "", "a=\xff"};

    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        refuses((struct cdc_filter_settings){.keep_columns = LIST("a", columns[i])}, columns[i]);
        refuses((struct cdc_filter_settings){.drop_columns = LIST("a", columns[i])}, columns[i]);
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        refuses((struct cdc_filter_settings){.rename_tables = LIST("a=b", pairs[i])}, pairs[i]);
        refuses((struct cdc_filter_settings){.rename_columns = LIST("a=b", pairs[i])}, pairs[i]);
    }
    refuses((struct cdc_filter_settings){.rename_columns = LIST("t:a")}, "t:a");
    refuses((struct cdc_filter_settings){.ops = LIST("c", "c,x")}, "an op");
    refuses((struct cdc_filter_settings){.ops = LIST("")}, "no op");
}

int main(void)
{
    test_forms();
    failures += memory_sweep("lines of all lengths", filter_lengths) != 0;
    failures += memory_sweep("filter", filter_all) != 0;
    test_columns();
    test_selection();
    test_reads();
    test_commit();
    test_many_tables();
    if (failures == 0)
        printf("ok - filter\n");
    return failures != 0;
}
