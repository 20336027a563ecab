/* SPDX-License-Identifier: MIT */
/* Texts of keys: no two of them may look the same, whatever their charset. */
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/name_case.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 200000

static int failures;

struct text {
    char json[40];
    uint32_t code;
};

static int by_json(const void *a, const void *b)
{
    return strcmp(((const struct text *)a)->json, ((const struct text *)b)->json);
}

/* The codes from first to last, of so many bytes: those that are one character of the charset. */
static size_t collect(struct text *texts, size_t n, const struct my_charset *charset, uint32_t first, uint32_t last,
                      size_t bytes, uint64_t *in_base64)
{
    for (uint32_t code = first; code <= last && n < MOST; code++) {
        uint8_t p[4];
        struct cdc_buf out = CDC_BUF_INIT;
        uint64_t before = *in_base64;
        for (size_t i = 0; i < bytes; i++)
            p[i] = (uint8_t)(code >> 8 * (bytes - 1 - i));
        my_charset_append_key(&out, charset, p, bytes, in_base64);
        if (out.len < sizeof texts->json) {
            memcpy(texts[n].json, out.data, out.len);
            texts[n].json[out.len] = '\0';
            texts[n++].code = code;
        }
        struct cdc_buf plain = CDC_BUF_INIT; /* bytes that are not valid do not count */
        if (!my_charset_convert(&plain, charset, p, bytes))
            *in_base64 = before;
        cdc_buf_free(&plain);
        cdc_buf_free(&out);
    }
    return n;
}

static void no_two_alike(const char *name, uint64_t twins)
{
    const struct my_charset *charset = my_charset_named(name);
    struct text *texts = calloc(MOST, sizeof *texts);
    uint64_t in_base64 = 0;
    if (!charset || !texts)
        exit(1);
    size_t n = collect(texts, 0, charset, 0, 0xff, 1, &in_base64), alike = 0;
    if (my_charset_longest(charset) > 1)
        n = collect(texts, n, charset, 0x8000, 0xffff, 2, &in_base64);
    if (my_charset_longest(charset) == 3)
        n = collect(texts, n, charset, 0x8fa0a0, 0x8fffff, 3, &in_base64);
    qsort(texts, n, sizeof *texts, by_json);
    for (size_t i = 1; i < n; i++)
        if (strcmp(texts[i - 1].json, texts[i].json) == 0 && ++alike <= 5)
            printf("# %s: %x and %x are both %s\n", name, texts[i - 1].code, texts[i].code, texts[i].json);
    bool good = alike == 0 && in_base64 == twins && n < MOST;
    printf("%s - keys in %s (%zu texts, %llu in base64)\n", good ? "ok" : "not ok", name, n,
           (unsigned long long)in_base64);
    failures += !good;
    free(texts);
}

static void is(const char *what, const char *charset, bool key, const char *bytes, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t counted = 0;
    (key ? my_charset_append_key : my_charset_append)(&out, my_charset_named(charset), (const uint8_t *)bytes,
                                                      strlen(bytes), &counted);
    bool good = out.len == strlen(want) && memcmp(out.data, want, out.len) == 0 && counted == (want[0] == '{');
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    failures += !good;
    cdc_buf_free(&out);
}

/* -- several threads, as cdc-snapshot -j has them -- */

#define THREADS 4

/* All of a charset's first and second bytes, each pair a text; `out` has one line for each. */
static void convert_all(struct cdc_buf *out, const struct my_charset *charset)
{
    uint64_t unconvertible = 0;
    for (unsigned code = 0; code <= 0xffff; code++) {
        const uint8_t p[4] = {(uint8_t)(code >> 8), (uint8_t)code, 'a', 'b'};
        my_charset_append(out, charset, p, sizeof p, &unconvertible);
        cdc_buf_byte(out, '\n');
    }
}

struct job {
    const struct my_charset *charset;
    pthread_barrier_t *start;
    struct cdc_buf out;
};

static void *convert_in_thread(void *context)
{
    struct job *job = context;
    pthread_barrier_wait(job->start);
    convert_all(&job->out, job->charset);
    my_charset_release();
    return NULL;
}

static void threads_agree(const char *name)
{
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    struct job jobs[THREADS];
    struct cdc_buf want = CDC_BUF_INIT;
    convert_all(&want, my_charset_named(name));
    pthread_barrier_init(&start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){my_charset_named(name), &start, CDC_BUF_INIT};
        if (pthread_create(&threads[i], NULL, convert_in_thread, &jobs[i]) != 0)
            exit(1);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        bool same = jobs[i].out.len == want.len && memcmp(jobs[i].out.data, want.data, want.len) == 0;
        if (!same)
            printf("not ok - %s: texts that a thread converts are as in one alone\n", name);
        failures += !same;
        cdc_buf_free(&jobs[i].out);
    }
    pthread_barrier_destroy(&start);
    cdc_buf_free(&want);
}

/* What of UTF-16 and UTF-32 is a character, at each border. */
static void borders(void)
{
    static const struct {
        const char *charset, *bytes;
        size_t n;
        const char *want; /* NULL: not valid */
    } texts[] = {{"utf32", "\x00\x10\xff\xff", 4, "\xf4\x8f\xbf\xbf"},
                 {"utf32", "\x00\x11\x00\x00", 4, NULL},
                 {"utf32", "\x00\x00\x00\x7f", 4, "\x7f"},
                 {"utf32", "\x00\x00\x00\x80", 4, "\xc2\x80"},
                 {"utf32", "\x00\x00\x07\xff", 4, "\xdf\xbf"},
                 {"utf32", "\x00\x00\x08\x00", 4, "\xe0\xa0\x80"},
                 {"utf32", "\x00\x00\xff\xff", 4, "\xef\xbf\xbf"},
                 {"utf32", "\x00\x01\x00\x00", 4, "\xf0\x90\x80\x80"},
                 {"utf32", "\x00\x00\xd7\xff", 4, "\xed\x9f\xbf"},
                 {"utf32", "\x00\x00\xd8\x00", 4, NULL},
                 {"utf32", "\x00\x00\xdf\xff", 4, NULL},
                 {"utf32", "\x00\x00\xe0\x00", 4, "\xee\x80\x80"},
                 {"utf32", "\x00\x00\x00", 3, NULL},
                 {"utf16", "\xdb\xff\xdf\xff", 4, "\xf4\x8f\xbf\xbf"},
                 {"utf16", "\xd8\x00\xdc\x00", 4, "\xf0\x90\x80\x80"},
                 {"utf16", "\xd8\x00", 2, NULL},
                 {"utf16", "\xdc\x00\xd8\x00", 4, NULL},
                 {"utf16", "\xd8\x00\xe0\x00", 4, NULL},
                 {"utf16", "\xe0\x00", 2, "\xee\x80\x80"},
                 {"utf16le", "\xff\xdb\xff\xdf", 4, "\xf4\x8f\xbf\xbf"},
                 {"ucs2", "\xff\xff", 2, "\xef\xbf\xbf"},
                 {"ucs2", "\xff", 1, NULL},
                 {"utf8mb4", "\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"},
                 {"utf8mb4", "\xf4\x90\x80\x80", 4, NULL},
                 {"utf8mb4", "\xed\xa0\x80", 3, NULL}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cdc_buf out = CDC_BUF_INIT;
        bool valid =
            my_charset_convert(&out, my_charset_named(texts[i].charset), (const uint8_t *)texts[i].bytes, texts[i].n);
        bool good = texts[i].want == NULL ? !valid : valid && cdc_span_is(cdc_span(out.data, out.len), texts[i].want);
        if (!good)
            printf("not ok - %s, text %zu: %s %.*s\n", texts[i].charset, i, valid ? "valid" : "not valid", (int)out.len,
                   out.data);
        failures += !good;
        cdc_buf_free(&out);
    }
}

/* Every byte of swe7, which no table has: ten signs of ASCII are letters, and there is nothing from 7f on. */
static void swedish(void)
{
    static const char signs[] = "@[\\]^`{|}~";
    static const char *const letters[] = {
        "\xc3\x89", "\xc3\x84", "\xc3\x96", "\xc3\x85", "\xc3\x9c",  /* E', A:, O:, AA, U: */
        "\xc3\xa9", "\xc3\xa4", "\xc3\xb6", "\xc3\xa5", "\xc3\xbc"}; /* e', a:, o:, aa, u: */
    size_t wrong = 0;
    for (unsigned code = 0; code <= 0xff; code++) {
        const uint8_t byte = (uint8_t)code;
        const char *sign = code == 0 ? NULL : strchr(signs, (int)code);
        struct cdc_buf out = CDC_BUF_INIT;
        bool valid = my_charset_convert(&out, my_charset_named("swe7"), &byte, 1);
        bool good = code >= 0x7f ? !valid
                    : sign       ? valid && cdc_span_is(cdc_span(out.data, out.len), letters[sign - signs])
                                 : valid && out.len == 1 && out.data[0] == (char)code;
        if (!good)
            printf("# swe7: %x is %.*s\n", code, valid ? (int)out.len : 0, out.data);
        wrong += !good;
        cdc_buf_free(&out);
    }
    printf("%s - swe7\n", wrong == 0 ? "ok" : "not ok");
    failures += wrong != 0;
}

static struct cdc_buf lower_of(const char *name, size_t n)
{
    struct cdc_buf out = CDC_BUF_INIT;
    my_name_append_lower(&out, cdc_span(name, n));
    return out;
}

/* Names in lower case: as many letters change as the servers' charset has, and each of them to one that does not. */
static void test_lower(void)
{
    size_t changed = 0, again = 0;
    for (unsigned c = 0x80; c < 0x10000; c++) {
        char text[3] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))};
        if (c < 0x800)
            text[0] = (char)(0xc0 | c >> 6), text[1] = (char)(0x80 | (c & 63));
        size_t n = c < 0x800 ? 2 : 3;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        struct cdc_buf lower = lower_of(text, n), twice = lower_of(lower.data, lower.len);
        changed += !cdc_span_equal(cdc_span(text, n), cdc_span(lower.data, lower.len));
        again += !cdc_span_equal(cdc_span(lower.data, lower.len), cdc_span(twice.data, twice.len));
        cdc_buf_free(&lower);
        cdc_buf_free(&twice);
    }
    if (changed != 670 || again != 0) {
        printf("not ok - lower case: %zu letters change, %zu of them twice\n", changed, again);
        failures++;
    }
    struct cdc_buf ascii = lower_of("AZ@[az\xf0\x90\x90\x80", 10);
    if (!cdc_span_is(cdc_span(ascii.data, ascii.len), "az@[az\xf0\x90\x90\x80")) {
        printf("not ok - lower case of %.*s\n", (int)ascii.len, ascii.data);
        failures++;
    }
    cdc_buf_free(&ascii);
}

int main(void)
{
    test_lower();
    borders();
    swedish();
    static const char *const several_bytes[] = {"sjis",    "cp932",   "ujis",    "eucjpms", "gb2312", "gbk",
                                                "gb18030", "big5",    "euckr",   "ucs2",    "utf16",  "utf16le",
                                                "utf32",   "utf8mb3", "utf8mb4", "latin1",  "swe7"};
    static const struct {
        const char *name;
        uint64_t twins;
    } charsets[] = {{"sjis", 1},     {"cp932", 398}, {"ujis", 25},   {"eucjpms", 24}, {"big5", 12},   {"armscii8", 6},
                    {"gb2312", 0},   {"gbk", 0},     {"gb18030", 0}, {"euckr", 0},    {"latin1", 0},  {"latin2", 0},
                    {"latin5", 0},   {"latin7", 0},  {"cp1250", 0},  {"cp1251", 0},   {"cp1256", 0},  {"cp1257", 0},
                    {"cp850", 0},    {"cp852", 0},   {"cp866", 0},   {"dec8", 0},     {"geostd8", 0}, {"greek", 0},
                    {"hebrew", 0},   {"hp8", 0},     {"keybcs2", 0}, {"koi8r", 0},    {"koi8u", 0},   {"macce", 0},
                    {"macroman", 0}, {"tis620", 0},  {"swe7", 0}};
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
        no_two_alike(charsets[i].name, charsets[i].twins);
    is("a key with the character that Unicode turns back into", "cp932", true, "\xfb\xfc", "\"\xe9\xab\x99\"");
    is("a key with its twin", "cp932", true, "a\xee\xe0", "{\"base64\":\"Ye7g\"}");
    is("no key", "cp932", false, "a\xee\xe0", "\"a\xe9\xab\x99\"");
    is("its bytes inside of other characters", "cp932", true, "\x88\xee\xe0\x40", "\"\xe7\xa8\xb2\xe6\xbc\xbe\"");
    is("bytes that are not valid", "ujis", true, "\xad", "{\"base64\":\"rQ==\"}");
    for (size_t i = 0; i < sizeof several_bytes / sizeof *several_bytes; i++)
        threads_agree(several_bytes[i]);
    my_charset_release();
    return failures ? 1 : 0;
}
