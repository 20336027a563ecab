/* SPDX-License-Identifier: MIT */
/* Small things of the library that a user meets at once: patterns, points in time, options, errors, lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/json.h>
#include <cdc/line.h>
#include <cdc/log.h>
#include <cdc/options.h>
#include <cdc/pattern.h>
#include <cdc/table_texts.h>
#include <cdc/retry.h>
#include <cdc/selection.h>
#include <cdc/sha256.h>

#include "libcdc/loop/internal.h"

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
    check(cdc_time_parse("2024-02-28t23:28:42.0129z", &ms) && ms == INT64_C(1709162922012), "thousandths");
    check(cdc_time_parse("2024-02-28T23:28:42-00:32", &ms) && ms == INT64_C(1709164842000), "a zone behind UTC");
    check(cdc_time_parse("1970-01-01T00:00:00Z", &ms) && ms == 0 && cdc_time_parse("1969-12-31T23:59:59Z", &ms) &&
              ms == -1000,
          "the beginning");
    int64_t before = INT64_C(1767225600000) - 86400000; /* 2025-12-31 */
    for (int month = 1; month <= 12; month++) {
        char text[48];
        int days = month == 2 ? 28 : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
        for (int day = 0; day <= days + 1; day++) {
            snprintf(text, sizeof text, "2026-%02d-%02dT00:00:00Z", month, day);
            bool good = cdc_time_parse(text, &ms);
            check(good == (day >= 1 && day <= days) && (!good || ms == before + 86400000), text);
            before = good ? ms : before;
        }
    }
    static const char *const worse[] = {
        "2026-13-01T00:00:00Z",      "2026-01-01T24:00:00Z",      "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",      "2026-01-01T00:00:00Zx",     "202a-01-01T00:00:00Z",
        "2026/01-01T00:00:00Z",      "2026-01/01T00:00:00Z",      "2026-01-01x00:00:00Z",
        "2026-01-01T00-00:00Z",      "2026-01-01T00:00-00Z",      "2026-0a-01T00:00:00Z",
        "2026-01-0aT00:00:00Z",      "2026-01-01T0a:00:00Z",      "2026-01-01T00:0a:00Z",
        "2026-01-01T00:00:0aZ",      "2026-01-01T00:00:00+0a:00", "2026-01-01T00:00:00+00-00",
        "2026-01-01T00:00:00+00:0a", "2026-01-01T00:00:00/00:00", "2026-01-01"};
    for (size_t i = 0; i < sizeof worse / sizeof worse[0]; i++)
        check(!cdc_time_parse(worse[i], &ms), worse[i]);
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

    cdc_error_prefix(&error, "x");
    check(error.status == 0 && error.text[0] == '\0', "no error, no text");
    static const char *const characters[] = {"\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (int shift = 0; shift < 12; shift++) {
        const char *character = characters[shift / 4];
        size_t width = strlen(character);
        memset(text, 'a', sizeof text);
        for (n = (size_t)shift % 4; n + width < sizeof text; n += width)
            memcpy(text + n, character, width);
        text[sizeof text - 1] = '\0';
        cdc_error_clear(&error);
        cdc_error_set(&error, CDC_EXIT_DATA, "%s", text);
        check(cdc_utf8_valid(error.text, strlen(error.text)) && strlen(error.text) >= sizeof error.text - width,
              "a long message ends after a character");
        cdc_error_prefix(&error, "x%.*s", shift % 4, "yyy");
        check(cdc_utf8_valid(error.text, strlen(error.text)), "and with a prefix");
    }
}

/* Whoever fails returns what these do: -1, whether or not the error was recorded before. */
static void test_error_first(void)
{
    struct cdc_error error = {0};

    check(cdc_error_set(&error, CDC_EXIT_DATA, "one") == -1 && cdc_error_hint(&error, "do %s", "this") == -1 &&
              cdc_error_item(&error, "item", 3) == -1,
          "an error");
    check(cdc_error_set(&error, CDC_EXIT_IO, "two") == -1 && cdc_error_hint(&error, "do that") == -1 &&
              cdc_error_item(&error, "other", 4) == -1 && cdc_error_memory(&error) == -1,
          "errors after it");
    check(error.status == CDC_EXIT_DATA && strcmp(error.text, "one") == 0 && strcmp(error.hint, "do this") == 0 &&
              strcmp(error.item, "item") == 0 && error.at == 3,
          "the first one counts");
    check(cdc_error_prefix(&error, "in %d", 7) == -1 && strcmp(error.text, "in 7: one") == 0, "with a prefix");
    check(cdc_error_set(NULL, CDC_EXIT_IO, "x") == -1 && cdc_error_hint(NULL, "x") == -1 &&
              cdc_error_prefix(NULL, "x") == -1 && cdc_error_item(NULL, "x", 1) == -1,
          "without a place for it");
    cdc_error_clear(&error);
    check(error.status == 0 && error.hint[0] == '\0' && error.item == NULL, "forgotten");
    check(cdc_error_hint(&error, "stale") == -1 && cdc_error_set(&error, CDC_EXIT_IO, "new") == -1 &&
              error.hint[0] == '\0',
          "a hint belongs to the error before it");
}

/* "0 TEXT", or the status. */
static void secret_is(const char *path, size_t most, const char *want)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char got[64];
    int result = cdc_file_read_secret(path, most, "key", &text, &error);

    snprintf(got, sizeof got, "%d %.*s", error.status, result == 0 ? (int)text.len : 0, text.data ? text.data : "");
    check(strcmp(got, want) == 0 && (result == 0) == (error.status == 0), want);
    cdc_file_free_secret(&text);
    check(text.data == NULL && text.len == 0, "and it is gone");
}

static void test_secret(void)
{
    char path[] = "/tmp/cdc-unit-XXXXXX";
    int fd = mkstemp(path);

    check(fd >= 0 && write(fd, "secret", 6) == 6, "a file");
    secret_is(path, 6, "0 secret");
    secret_is(path, 1000, "0 secret");
    secret_is(path, 5, "78 ");
    static const mode_t open_to_others[] = {0640, 0604, 0620, 0602, 0610, 0601};
    for (size_t i = 0; i < sizeof open_to_others / sizeof open_to_others[0]; i++) {
        check(fchmod(fd, open_to_others[i]) == 0, "a mode");
        secret_is(path, 1000, "77 ");
    }
    check(fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0, "a mode");
    secret_is(path, 1000, "0 ");
    close(fd);
    unlink(path);
    secret_is(path, 1000, "78 ");
}

/* -- whole command lines -- */

struct line_values {
    bool flag, other;
    const char *text;
    struct cdc_option_list list;
    int64_t number;
    double seconds;
};

/* What "prog ARGUMENTS" comes to; the arguments are parted by blanks, _ is an empty one. */
static void means(const char *arguments, const char *expected)
{
    static const struct cdc_option first[] = {
        {0, "heading", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
        {'f', "flag", CDC_OPTION_FLAG, offsetof(struct line_values, flag), NULL, "", 0, 0, NULL},
        {'t', "text", CDC_OPTION_TEXT, offsetof(struct line_values, text), "T", "", 0, 0, NULL},
        {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL}};
    static const struct cdc_option second[] = {
        {'o', "other", CDC_OPTION_FLAG, offsetof(struct line_values, other), NULL, "", 0, 0, NULL},
        {'l', "list", CDC_OPTION_LIST, offsetof(struct line_values, list), "L", "", 0, 0, NULL},
        {'n', "number", CDC_OPTION_INTEGER, offsetof(struct line_values, number), "N", "", -2, 9, NULL},
        {0, "seconds", CDC_OPTION_SECONDS, offsetof(struct line_values, seconds), "S", "", 0, 0, NULL},
        {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL}};
    const struct cdc_option *tables[] = {first, second};
    struct line_values v = {.number = -9};
    void *targets[] = {&v, &v};
    char copy[128], *argv[16] = {copy};
    int argc = 1;
    struct cdc_option_list operands = {NULL, 0};
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;

    snprintf(copy, sizeof copy, "%s", arguments);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    if (cdc_options_parse(tables, targets, 2, argc, argv, &operands, &error) != 0) {
        check(error.status == CDC_EXIT_USAGE, "a wrong line is wrong usage");
        cdc_buf_printf(&out, "error %s", error.text);
    } else {
        cdc_buf_printf(&out, "%s%s", v.flag ? "f " : "", v.other ? "o " : "");
        if (v.text != NULL)
            cdc_buf_printf(&out, "t:%s ", v.text);
        for (size_t i = 0; i < v.list.count; i++)
            cdc_buf_printf(&out, "l:%s ", v.list.items[i]);
        if (v.number != -9)
            cdc_buf_printf(&out, "n:%d ", (int)v.number);
        if (v.seconds != 0)
            cdc_buf_printf(&out, "s:%g ", v.seconds);
        for (size_t i = 0; i < operands.count; i++)
            cdc_buf_printf(&out, "%s ", operands.items[i]);
    }
    cdc_buf_byte(&out, '\0');
    /* Of an error the beginning. */
    check(strncmp(expected, "error", 5) == 0 ? strncmp(out.data, expected, strlen(expected)) == 0
                                             : strcmp(out.data, expected) == 0,
          arguments);
    if (strncmp(out.data, expected, strlen(expected)) != 0)
        printf("  wanted  %s\n  got     %s\n", expected, out.data);
    cdc_buf_free(&out);
    free(operands.items);
    free(v.list.items);
}

/* A file of rules is below the command line: what that leaves alone is as the file says; lists have both, the file's first. */
static void test_options_under(void)
{
    static const struct cdc_option table[] = {
        {0, "heading", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
        {'f', "flag", CDC_OPTION_FLAG, offsetof(struct line_values, flag), NULL, "", 0, 0, NULL},
        {'o', "other", CDC_OPTION_FLAG, offsetof(struct line_values, other), NULL, "", 0, 0, NULL},
        {'t', "text", CDC_OPTION_TEXT, offsetof(struct line_values, text), "T", "", 0, 0, NULL},
        {'l', "list", CDC_OPTION_LIST, offsetof(struct line_values, list), "L", "", 0, 0, NULL},
        {'n', "number", CDC_OPTION_INTEGER, offsetof(struct line_values, number), "N", "", -2, 9, NULL},
        {0, "seconds", CDC_OPTION_SECONDS, offsetof(struct line_values, seconds), "S", "", 0, 0, NULL},
        {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL}};
    const struct line_values defaults = {.number = -9, .seconds = 2.5};
    struct line_values line = defaults, file = {.flag = true, .text = "file", .number = 3, .seconds = 7.25};
    struct cdc_error error = {0};

    line.other = true;
    line.number = 4;
    check(cdc_option_list_add(&line.list, "line", &error) == 0 &&
              cdc_option_list_add(&file.list, "first", &error) == 0 &&
              cdc_option_list_add(&file.list, "second", &error) == 0,
          "lists");
    check(cdc_options_put_under(table, &line, &file, &defaults, &error) == 0 && line.flag && line.other &&
              strcmp(line.text, "file") == 0 && line.number == 4 && line.seconds == 7.25,
          "what the line leaves alone is the file's");
    check(line.list.count == 3 && strcmp(line.list.items[0], "first") == 0 &&
              strcmp(line.list.items[1], "second") == 0 && strcmp(line.list.items[2], "line") == 0 &&
              file.list.count == 0,
          "the file's items come first");
    free(line.list.items);
    check(cdc_options_find(table, "textual", 4) == &table[3] && cdc_options_find(table, "textual", 5) == NULL &&
              cdc_options_find(table, "heading", 7) == NULL && cdc_options_find(table, "te", 2) == NULL,
          "an option by its name");
}

static void test_lines(void)
{
    means("", "");
    means("a -f b --other c", "f o a b c ");
    means("-fo -t x", "f o t:x ");
    means("-ftx -ly", "f t:x l:y ");
    means("-fl x y -l z", "f l:x l:z y ");
    means("-t -f a", "t:-f a ");
    means("--text -- a", "t:-- a ");
    means("--text= a", "t: a ");
    means("--text=a=b --list c --list=d e", "t:a=b l:c l:d e ");
    means("-- -f --text", "-f --text ");
    means("- -f", "f - ");
    means("_ a", " a ");
    means("--number -2 --seconds 90s", "n:-2 s:90 ");
    means("--number=9 --seconds=500ms", "n:9 s:0.5 ");
    means("-n7 --seconds 2m", "n:7 s:120 ");
    means("--seconds 1.5h", "s:5400 ");
    means("--seconds=0", "");
    means("-n 10", "error --number: \"10\" is not a whole number of -2..9");
    means("-n -3", "error --number: \"-3\" is not");
    means("-n 1x", "error --number: \"1x\" is not");
    means("-n _", "error --number: \"\" is not");
    means("-n 99999999999999999999", "error --number: \"99999999999999999999\" is not");
    means("--seconds=-1", "error --seconds: \"-1\" is not a time");
    means("--seconds=1d", "error --seconds: \"1d\" is not");
    means("--seconds=m", "error --seconds: \"m\" is not");
    means("--seconds=nan", "error --seconds: \"nan\" is not");
    means("--seconds=1e10", "error --seconds: \"1e10\" is not");
    means("a -t", "error -t needs an argument: T");
    means("a --text", "error --text needs an argument: T");
    means("-f -x", "error unknown option -x");
    means("-fx", "error unknown option -x");
    means("--tex a", "error unknown option --tex");
    means("--texts=a", "error unknown option --texts");
    means("--=a", "error unknown option --");
    means("--heading", "error unknown option --heading");
    means("--flag=1", "error --flag takes no argument");
}

/* -- a line of messages -- */

static char logged[64];
static void write_log(void *context, enum cdc_log_level level, const char *text)
{
    snprintf(logged, sizeof logged, "%s %d %s", (const char *)context, (int)level, text);
}

static void test_log(void)
{
    const struct cdc_log log = {write_log, (void *)(uintptr_t) "here"}, silent = {NULL, NULL};
    cdc_log_write(&log, CDC_LOG_WARNING, "%d of %s", 7, "x");
    check(strcmp(logged, "here 1 7 of x") == 0, "a message is formatted");
    cdc_log_write(&silent, CDC_LOG_ERROR, "none");
    cdc_log_write(NULL, CDC_LOG_ERROR, "none");
    check(strcmp(logged, "here 1 7 of x") == 0, "no log is silent");
}

static void test_buf(void)
{
    struct cdc_buf buf = CDC_BUF_INIT;
    cdc_buf_lit(&buf, "a");
    check(!cdc_buf_grow(&buf, SIZE_MAX / 2) && buf.failed, "more than there can be");
    cdc_buf_lit(&buf, "bc");
    check(!cdc_buf_grow(&buf, 10) && buf.failed, "what has failed stays so");
    cdc_buf_free(&buf);
    check(!buf.failed && cdc_buf_grow(&buf, 10) && buf.cap == 256, "until it is freed");
    buf.len = 256;
    check(cdc_buf_grow(&buf, 0) && buf.cap == 256 && cdc_buf_grow(&buf, 1) && buf.cap == 512, "doubled");
    buf.len = 0;
    cdc_buf_shrink(&buf, 512);
    check(buf.cap == 512, "no larger than what is kept");
    buf.len = 1;
    cdc_buf_shrink(&buf, 100);
    check(buf.cap == 512, "in use");
    buf.len = 0;
    cdc_buf_shrink(&buf, 511);
    check(buf.cap == 0 && buf.data == NULL, "larger, and not in use");
}

static void test_retry(void)
{
    struct cdc_retry retry;
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_error error = {0};
    int64_t longest = 100;

    cdc_retry_init(&retry, 12);
    for (int i = 0; i < 12; i++) {
        int64_t wait = cdc_retry_next(&retry);
        check(wait >= longest / 2 && wait <= longest && retry.attempts == i + 1, "half of it, or more");
        longest = longest * 2 > 30000 ? 30000 : longest * 2;
    }
    check(cdc_retry_next(&retry) == -1 && retry.attempts == 12, "twelve, and no more");
    cdc_retry_success(&retry);
    check(cdc_retry_next(&retry) <= 100, "from the beginning again");
    cdc_retry_init(&retry, 0);
    check(cdc_retry_next(&retry) == -1, "none");
    cdc_retry_init(&retry, -1);
    for (int i = 0; i < 100; i++)
        check(cdc_retry_next(&retry) >= 50, "for ever");
    int64_t begun = cdc_clock_ms();
    check(!cdc_retry_wait(30, &control, "x") && cdc_clock_ms() - begun >= 30, "it waits");
    control.stop = 1;
    check(cdc_retry_wait(3600000, &control, "x"), "not once it is to stop");
    cdc_retry_init(&retry, 1);
    cdc_error_set(&error, CDC_EXIT_UNAVAILABLE, "away");
    check(cdc_retry_sleep(&retry, &control, -1, NULL, &error) == 1 && error.status != 0, "stopped");
    control.stop = 0;
    check(cdc_retry_sleep(&retry, &control, -1, NULL, &error) == 0 && error.status == 0, "once more");
    cdc_error_set(&error, CDC_EXIT_UNAVAILABLE, "away");
    check(cdc_retry_sleep(&retry, &control, -1, NULL, &error) == -1 && error.status == CDC_EXIT_UNAVAILABLE, "used up");
    cdc_error_clear(&error);
    cdc_retry_init(&retry, -1);
    cdc_error_set(&error, CDC_EXIT_CONFIG, "wrong");
    check(cdc_retry_sleep(&retry, &control, -1, NULL, &error) == -1 && error.status == CDC_EXIT_CONFIG,
          "not by waiting");
    int ends[2];
    check(pipe(ends) == 0 && close(ends[0]) == 0, "a pipe whose reader is gone");
    cdc_error_clear(&error);
    cdc_error_set(&error, CDC_EXIT_TEMPORARY, "away");
    retry.attempts = 9; /* half a minute */
    check(cdc_retry_sleep(&retry, &control, ends[1], NULL, &error) == -1 && error.status == CDC_EXIT_IO &&
              error.text[0] == '\0',
          "a reader that is gone ends a wait, without a word");
    close(ends[1]);
}

static void test_selection(void)
{
    const char *include[] = {"app.*", "other.One"}, *exclude[] = {"app.not"};
    struct cdc_selection all = {.any_case = false}, some = {.include = {include, 2}, .exclude = {exclude, 1}}, copy;
    struct cdc_error error = {0};

    check(cdc_selection_copy(&copy, &some, &error) == 0 && copy.include.count == 2 && copy.exclude.count == 1 &&
              copy.include.items[1] == include[1] && copy.exclude.items[0] == exclude[0],
          "a copy");
    for (int i = 0; i < 3; i++) {
        const struct cdc_selection *one = i == 0 ? &some : &copy;
        copy.any_case = i == 2;
        check(cdc_selection_has_table(one, "app", "x") && cdc_selection_has_table(one, "other", "One"), "included");
        check(!cdc_selection_has_table(one, "app", "not") && !cdc_selection_has_table(one, "third", "x"),
              "not included");
        check(cdc_selection_has_table(one, "other", "one") == (i == 2) &&
                  cdc_selection_has_table(one, "APP", "x") == (i == 2) &&
                  cdc_selection_has_table(one, "app", "NOT") != (i == 2),
              "in any case");
        check(cdc_selection_has_some_of(one, "app") && cdc_selection_has_some_of(one, "other") &&
                  !cdc_selection_has_some_of(one, "third"),
              "schemas");
    }
    check(cdc_selection_has_table(&all, "a", "b") && cdc_selection_has_some_of(&all, "a"), "everything");
    all.exclude = (struct cdc_option_list){include, 1};
    check(!cdc_selection_has_some_of(&all, "app") && cdc_selection_has_some_of(&all, "b"), "all of a schema");
    cdc_selection_free(&copy);
}

static void test_columns(void)
{
    const char *items[] = {"app.t:id,v", "t:w,id", "\"a:b\":x"}, *bad[] = {"t", "t:", ":id", "t:a,,b", "t:a,", "t:,a"};
    const struct cdc_selection some = {.columns = {items, 3}};
    struct cdc_selection_walk walk = {0};
    struct cdc_error error = {0};
    struct cdc_span name;
    char all[64] = "";

    check(cdc_selection_check_columns(&some.columns, &error) == 0, "the form");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct cdc_option_list one = {&bad[i], 1};
        struct cdc_error said = {0};
        check(cdc_selection_check_columns(&one, &said) < 0 && said.status == CDC_EXIT_USAGE, bad[i]);
    }
    while (cdc_selection_next_column(&some, "app", "t", &walk, &name))
        snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s ", (int)name.n, name.p);
    check(strcmp(all, "id v w id ") == 0, "the columns of all items that match");
    check(cdc_selection_has_column(&some, "app", "t", "w") && !cdc_selection_has_column(&some, "app", "t", "i") &&
              !cdc_selection_has_column(&some, "other", "t", "v") && cdc_selection_has_column(&some, "x", "a:b", "x") &&
              !cdc_selection_has_column(&some, "x", "a:b", "y"),
          "of a table that is named");
    check(!cdc_selection_names_columns(&some, "app", "u") && cdc_selection_has_column(&some, "app", "u", "any"),
          "of any other");
}

/* -- lines of two servers -- */

static void origin(const char *known, const char *source, bool again, bool good)
{
    struct cdc_error error = {0};
    int result = cdc_origin_check("shop", cdc_span_text(known), cdc_span_text(source), again, &error);
    check((result == 0) == good && error.status == (good ? 0 : CDC_EXIT_CONFIG), source);
}

#define MY(uuid, gtids) "{\"connector\":\"mysql\",\"gtids\":\"" gtids "\",\"server_uuid\":\"" uuid "\"}"
#define MARIA(uuid, gtids) "{\"connector\":\"mariadb\",\"gtids\":\"" gtids "\",\"server_uuid\":\"" uuid "\"}"

static void test_origin(void)
{
    for (int again = 0; again < 2; again++) {
        origin("{\"connector\":\"mysql\"}", "{\"connector\":\"postgresql\"}", again, false);
        origin("{\"connector\":\"mysql\"}", "{\"connector\":\"mysql\"}", again, true);
        origin("{\"system_id\":\"1\"}", "{\"system_id\":\"2\"}", again, false);
        origin("{\"system_id\":\"1\"}", "{\"system_id\":\"1\"}", again, true);
        origin("{\"system_id\":\"1\"}", "{}", again, true);
        origin("{}", "{\"system_id\":\"1\"}", again, true);
        origin(MY("a", "a:1"), MY("a", "a:1-5"), again, true);
        origin(MY("a", "a:1"), MY("b", "b:1"), again, false);
        origin(MY("a", ""), MY("b", "b:1"), again, false);
        origin(MY("a", ":1"), MY("b", "b:1"), again, false);
        origin(MY("a", "a:1-3"), MY("b", "a:1-5,b:1"), again, true);
        origin(MY("a", "c:1,a:1-3"), MY("b", "a:1-5,b:1"), again, true);
        origin(MARIA("1/x:1", "0-1-5"), MARIA("1/x:1", "0-1-3"), again, true);
    }
    origin(MARIA("1/x:1", "0-1-5"), MARIA("2/y:1", "0-2-6"), false, true);
    origin(MARIA("1/x:1", "0-1-5"), MARIA("2/y:1", "0-1-5"), false, true);
    origin(MARIA("1/x:1", "0-1-5"), MARIA("2/y:1", "0-2-4"), false, false);
    origin(MARIA("1/x:1", "0-1-5"), MARIA("2/y:1", "0-2-4"), true, true);
    origin(MARIA("1/x:1", "0-1-5"), MARIA("1/y:1", "0-1-6"), false, false);
    origin(MARIA("1/x:1", "0-1-5"), MARIA("12/x:1", "0-1-6"), false, true);
    origin(MARIA("1/x:1", "0-1-5,7-1-3"), MARIA("2/y:1", "7-2-3,9-1-1"), false, true);
    origin(MARIA("1/x:1", "0-1-5,7-1-3"), MARIA("2/y:1", "7-2-2,9-1-1"), false, false);
    origin(MARIA("1/x:1", "0-1-5"), MARIA("2/y:1", "1-2-9"), false, false);
    origin(MARIA("1/x:1", ""), MARIA("2/y:1", "1-2-9"), false, true);
}

static void test_sha256(void)
{
    unsigned char data[300];
    struct cdc_buf all = CDC_BUF_INIT;
    char digest[65];

    for (size_t n = 0; n < sizeof data; n++)
        data[n] = (unsigned char)((n * 7 + 1) % 251);
    for (size_t n = 0; n < sizeof data;
         n++) { /* each in memory of its own, so that a sanitizer sees a read beyond it */
        unsigned char *part = malloc(n + 1);
        memcpy(part, data, n);
        cdc_sha256_hex(part, n, digest);
        check(memcmp(part, data, n) == 0, "what is read stays");
        cdc_buf_append(&all, digest, 64);
        free(part);
    }
    cdc_sha256_hex(all.data, all.len, digest); /* by Python's hashlib */
    check(strcmp(digest, "a52713e33bf0f38e655c9acf6baffc38d54f304e554dbc3d6b14c11f376b6e59") == 0,
          "SHA-256 of each length");
    cdc_buf_free(&all);
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

static void test_table_texts(void)
{
    static const char *const bad[] = {"a", "a:", "a: \n", ":x", "\xff:x"};
    const char *items[] = {"s.a:x > 1", "b:y", "s.*:z OR ':'", "\"a:b\":q"};
    const struct cdc_option_list list = {items, 4};
    const struct cdc_selection selection = {.any_case = false};
    size_t at = 0;

    check(cdc_table_texts_check("--where", "T:C", &list, NULL) == 0, "TABLE:TEXT");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *item = bad[i];
        struct cdc_error error = {0};
        check(cdc_table_texts_check("--where", "T:C", &(struct cdc_option_list){&item, 1}, &error) < 0 &&
                  error.status == CDC_EXIT_USAGE,
              item);
    }
    const char *text = cdc_table_texts_next(&list, &at, &selection, "s", "a");
    check(text && strcmp(text, "x > 1") == 0, "the first that matches");
    text = cdc_table_texts_next(&list, &at, &selection, "s", "a");
    check(text && strcmp(text, "z OR ':'") == 0, "the next one, colons in it");
    check(!cdc_table_texts_next(&list, &at, &selection, "s", "a"), "no other");
    at = 0;
    text = cdc_table_texts_next(&list, &at, &selection, "t", "a:b");
    check(text && strcmp(text, "q") == 0, "a name in quotes");
    check(cdc_table_texts_is_name(items[0]) && !cdc_table_texts_is_name(items[2]), "names and wildcards");
}

int main(void)
{
    test_table_texts();
    test_pattern();
    test_pattern_prefix();
    test_time();
    test_options();
    test_options_under();
    test_error();
    test_error_first();
    test_secret();
    test_long_lines();
    test_lines();
    test_log();
    test_buf();
    test_retry();
    test_selection();
    test_columns();
    test_origin();
    test_sha256();
    if (failures == 0)
        printf("ok - base\n");
    return failures != 0;
}
