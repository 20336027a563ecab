/* SPDX-License-Identifier: MIT */
/* Small things of the library that a user meets at once: patterns, points in time, options, errors, lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/json.h>
#include <cdc/line.h>
#include <cdc/options.h>
#include <cdc/pattern.h>

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static bool matches(const char *pattern, const char *text)
{
    return cdc_pattern_matches(pattern, strlen(pattern), cdc_span_text(text));
}

/* The pattern before a list: its length, and whether it names a table. */
static void has_prefix(const char *text, size_t wanted, bool wanted_name)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(text, &is_name);

    check(n == wanted && is_name == wanted_name, text);
}

static void test_pattern_prefix(void)
{
    has_prefix("a", SIZE_MAX, false);
    has_prefix("a.b", SIZE_MAX, false);
    has_prefix("", SIZE_MAX, false);
    has_prefix("a:x", 1, true);
    has_prefix(":x", 0, true);
    has_prefix("s.a:x", 3, true);
    has_prefix("s.*:x", 3, false);
    has_prefix("?.a:x", 3, false);
    has_prefix("s.a:*", 3, true);
    has_prefix("\"a:b\":x", 5, true);
    has_prefix("\"a*\":x", 4, true);
    has_prefix("`s:1`.\"a\"\":b\":x:y", 13, true);
    has_prefix("\"a:b", 2, true); /* no end: a quote like any other sign */
    has_prefix("\"a\"b:c", 4, true);
    has_prefix("\"a:b\"", SIZE_MAX, false);
}

static void test_pattern(void)
{
    check(matches("t?r", "t\xc3\xbcr") && matches("???", "a\xe2\x82\xac\xf0\x9f\x98\x80"), "? is one character");
    check(!matches("t??r", "t\xc3\xbcr") && !matches("?", "") && !matches("?", "ab"), "and not two");
    check(matches("*?", "\xc3\xbc") && matches("*\xbc*", "\xc3\xbc") == false, "* steps over characters");
    check(matches("*b", "aab") && matches("a*", "a") && !matches("a*b", "ac"), "*");
}

static void test_time(void)
{
    static const char *const bad[] = {"2026-02-31T00:00:00Z", "2026-02-29T00:00:00Z",      "2026-04-31T00:00:00Z",
                                      "1900-02-29T00:00:00Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60",
                                      "2026-00-01T00:00:00Z", "2026-01-01T00:00:00"};
    int64_t ms;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check(!cdc_time_parse(bad[i], &ms), bad[i]);
    check(cdc_time_parse("2000-02-29T00:00:00Z", &ms) && ms == INT64_C(951782400000), "2000-02-29");
    check(cdc_time_parse("2024-02-29 09:28:42.5+01:00", &ms) && ms == INT64_C(1709195322500), "2024-02-29 with a zone");
    check(cdc_time_parse("2026-12-31T23:59:60Z", &ms) && ms == INT64_C(1798761600000), "a leap second");
}

struct values {
    const char *choice;
    int64_t size, open_size;
};

static bool takes(const char *argument, struct values *values)
{
    static const struct cdc_option table[] = {
        {0, "choice", CDC_OPTION_CHOICE, offsetof(struct values, choice), "X", "", 0, 0, "stop|skip"},
        {0, "size", CDC_OPTION_SIZE, offsetof(struct values, size), "SIZE", "", 1, 1 << 20, NULL},
        {0, "open-size", CDC_OPTION_SIZE, offsetof(struct values, open_size), "SIZE", "", 1, 0, NULL},
        {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL}};
    const struct cdc_option *tables[] = {table};
    void *targets[] = {values};
    char *argv[] = {(char *)"x", (char *)argument};
    struct cdc_option_list operands = {NULL, 0};
    struct cdc_error error = {0};
    int result = cdc_options_parse(tables, targets, 1, 2, argv, &operands, &error);

    check(result == 0 || error.status == CDC_EXIT_USAGE, argument);
    return result == 0;
}

static void test_options(void)
{
    struct values v = {NULL, 0, 0};

    check(takes("--choice=skip", &v) && strcmp(v.choice, "skip") == 0, "a choice");
    check(!takes("--choice=stop|skip", &v) && !takes("--choice=s", &v) && !takes("--choice=", &v), "no choice");
    check(takes("--size=1M", &v) && v.size == 1 << 20, "the largest size");
    check(!takes("--size=1025K", &v) && !takes("--size=2M", &v) && !takes("--size=9999999G", &v), "larger ones");
    check(takes("--open-size=1024G", &v) && v.open_size == INT64_C(1) << 40, "a size without a maximum");
    check(!takes("--open-size=1025G", &v) && !takes("--open-size=0", &v), "sizes out of range");
}

static void test_error(void)
{
    struct cdc_error error = {0};
    char text[sizeof error.text + 8];
    size_t n = 0;

    for (int shift = 0; shift < 3; shift++) {
        memset(text, 'a', sizeof text);
        for (n = (size_t)shift; n + 3 < sizeof text; n += 3)
            memcpy(text + n, "\xe2\x82\xac", 3);
        text[sizeof text - 1] = '\0';
        cdc_error_clear(&error);
        cdc_error_set(&error, CDC_EXIT_DATA, "%s", text);
        check(cdc_utf8_valid(error.text, strlen(error.text)) && strlen(error.text) >= sizeof error.text - 3,
              "a long message ends after a character");
        cdc_error_prefix(&error, "x%.*s", shift, "yyy");
        check(cdc_utf8_valid(error.text, strlen(error.text)), "and with a prefix");
    }
}

/* 1 KiB is the limit; the pipe holds all of it. */
static void test_long_lines(void)
{
    int ends[2];
    struct cdc_span line;
    char *text = malloc(60000);

    check(text != NULL && pipe(ends) == 0, "pipe");
    memset(text, 'x', 60000);
    memcpy(text, "first\n", 6);
    check(write(ends[1], text, 6) == 6, "write");
    struct cdc_line_reader *reader = cdc_line_reader_new(ends[0], 1024, NULL);
    check(cdc_line_reader_next(reader, &line, NULL) == CDC_LINE_OK && line.n == 5, "first line");
    memset(text, 'x', 6);
    /* The rest of a line that was too long comes later, and is no line. */
    check(write(ends[1], text, 60000) == 60000, "write");
    check(cdc_line_reader_next(reader, &line, NULL) == CDC_LINE_AGAIN, "the line has not ended");
    check(write(ends[1], "yy\nlast\n{\"torn", 14) == 14, "write");
    check(cdc_line_reader_next(reader, &line, NULL) == CDC_LINE_TOO_LONG, "it is too long");
    check(cdc_line_reader_offset(reader) == 6 && cdc_line_reader_number(reader) == 2, "where it begins");
    check(cdc_line_reader_next(reader, &line, NULL) == CDC_LINE_OK && cdc_span_is(line, "last"), "the next line");
    check(cdc_line_reader_offset(reader) == 60009 && cdc_line_reader_number(reader) == 3, "where that begins");
    close(ends[1]);
    check(cdc_line_reader_next(reader, &line, NULL) == CDC_LINE_END && cdc_line_reader_leftover(reader) == 6, "end");
    cdc_line_reader_free(reader);
    close(ends[0]);
    free(text);
}

int main(void)
{
    test_pattern();
    test_pattern_prefix();
    test_time();
    test_options();
    test_error();
    test_long_lines();
    if (failures == 0)
        printf("ok - base\n");
    return failures != 0;
}
