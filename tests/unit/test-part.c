/* SPDX-License-Identifier: MIT */
/* Which rows of a table that was put together a line is about, and which column types two tables may have for one column. */
#include <stdio.h>
#include <string.h>

#include <cdc/part.h>

#include "libcdc/filter/internal.h"

static int failures;

static void check(bool ok, const char *what, const char *text)
{
    if (!ok) {
        printf("not ok - %s: %s\n", what, text);
        failures++;
    }
}

static int read_part(struct cdc_part *part, char *line, size_t size, const char *text, struct cdc_event *event)
{
    struct cdc_error error = {0};

    snprintf(line, size, "{\"op\":\"t\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\",\"table\":\"t\"}%s%s}",
             text[0] != '\0' ? ",\"part\":" : "", text);
    if (cdc_event_parse(event, line, strlen(line), &error) != 0)
        return -2;
    int result = cdc_part_read(part, event, &error);
    return result == -1 && error.status != CDC_EXIT_DATA ? -3 : result;
}

static void reads(const char *text, int expected)
{
    struct cdc_event event;
    struct cdc_part part;
    char line[1024];

    check(read_part(&part, line, sizeof line, text, &event) == expected, "read", text);
}

static void test_reading(void)
{
    reads("", 0);
    reads("null", 0);
    reads("{\"column\":\"c\",\"value\":\"a.b\"}", 1);
    reads("{\"column\":\"c\",\"prefix\":\"a.\"}", 1);
    reads("{\"column\":\"c\",\"prefix\":\"a.\",\"except\":[]}", 1);
    /* nobody can tell */
    static const char *const senseless[] = {"{}",
                                            "{\"column\":\"c\"}",
                                            "{\"value\":\"a\"}",
                                            "{\"column\":\"\",\"value\":\"a\"}",
                                            "{\"column\":\"c\",\"value\":\"\"}",
                                            "{\"column\":\"c\",\"prefix\":\"\"}",
                                            "{\"column\":1,\"value\":\"a\"}",
                                            "{\"column\":\"c\",\"value\":1}",
                                            "{\"column\":\"c\",\"value\":\"a\",\"prefix\":\"a\"}",
                                            "{\"column\":\"c\",\"prefix\":\"a\",\"except\":{}}",
                                            "{\"column\":\"c\",\"prefix\":\"a\",\"except\":[1]}",
                                            "{\"column\":\"c\",\"value\":\"a\\u0000b\"}",
                                            "{\"column\":\"c\\u0000\",\"value\":\"a\"}"};
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++)
        reads(senseless[i], -1);
    reads("{\"column\":\"c\",\"value\":\"a\\\\u0000b\"}", 1); /* a backslash and u0000 */
    reads("\"all\"", -2);
}

static void has(const char *text, const char *value, bool expected)
{
    struct cdc_event event;
    struct cdc_part part;
    char line[1024];

    check(read_part(&part, line, sizeof line, text, &event) == 1 &&
              cdc_part_has(&part, cdc_span_text(value)) == expected,
          text, value);
}

static void test_belonging(void)
{
    const char *value = "{\"column\":\"c\",\"value\":\"caf\\u00e9.orders\"}";
    has(value, "café.orders", true);
    has(value, "café.order", false);
    has(value, "café.orders2", false);
    has(value, "", false);
    const char *prefix = "{\"column\":\"c\",\"prefix\":\"sh\\u006fp1.\",\"except\":[\"shop1.\\u006fld\"]}";
    has(prefix, "shop1.orders", true);
    has(prefix, "shop1.", true);
    has(prefix, "shop1.old", false);
    has(prefix, "shop1.old2", true);
    has(prefix, "shop10.orders", false);
    has(prefix, "shop1", false);
    has(prefix, "", false);
}

static void test_row(void)
{
    static const char line[] = "{\"op\":\"u\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\"},\"key\":{\"id\":1},"
                               "\"before\":{\"p\":\"old\"},\"after\":{\"id\":1,\"p\":\"new\"}}";
    struct cdc_event event;

    check(cdc_event_parse(&event, line, sizeof line - 1, NULL) == 0, "parse", line);
    check(cdc_span_is(cdc_part_of_row(&event, "p"), "\"new\""), "part of a row", line);
    check(cdc_part_of_row(&event, "q").p == NULL, "no part of a row", line);
}

/* expected: the first (1), the second (2), neither (0). */
static void wider(const char *one, const char *two, int expected)
{
    char a[256], b[256];

    snprintf(a, sizeof a, "{\"name\":\"c\",\"type\":\"%s\"}", one);
    snprintf(b, sizeof b, "{\"name\":\"c\",\"type\":\"%s\"}", two);
    struct cdc_span first = cdc_span_text(a), second = cdc_span_text(b), got = route_wider_type(first, second);
    int which = got.p == a ? 1 : got.p == b ? 2 : 0;
    check(which == expected, one, two);
}

static void test_types(void)
{
    wider("integer", "integer", 1);
    wider("integer", "bigint", 2);
    wider("bigint", "integer", 1);
    wider("int(11)", "int", 1);
    wider("int(10) unsigned", "int unsigned", 1);
    wider("int unsigned", "bigint", 2);
    wider("bigint", "int(10) unsigned zerofill", 1);
    wider("int", "int unsigned", 0);
    wider("bigint unsigned", "bigint", 0);
    wider("character varying(10)", "character varying(200)", 1);
    wider("character varying(10)", "text", 2);
    wider("varchar(10)", "longtext", 2);
    wider("numeric(10,2)", "numeric(12,3)", 1);
    wider("timestamp(3) without time zone", "timestamp without time zone", 1);
    wider("timestamp without time zone", "timestamp with time zone", 0);
    wider("integer", "numeric", 0);
    wider("integer", "text", 0);
    wider("text", "bytea", 0);
    wider("real", "double precision", 2);
    wider("varbinary(10)", "varchar(10)", 0);
    wider("enum('a','b')", "enum('a','c')", 1);
    wider("", "text", 0);
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    wider(longer, "text", 0);
    wider("text", longer, 0);
}

int main(void)
{
    test_reading();
    test_belonging();
    test_row();
    test_types();
    return failures != 0;
}
