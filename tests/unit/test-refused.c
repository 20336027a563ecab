/* SPDX-License-Identifier: MIT */
/* Refused lines, and what becomes of each by the lines after it: what --replay may store, and what it must not. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/exit.h>

#include "libcdc/loop/refused.h"
#include "tests/unit/no-memory.h"

static int failures;
static char path[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* -- lines: what happens to table t(id, v), one a letter or two, pos by their place:
 *      c1 u1 d1    a row with that key      m12    one that moves from key 1 to 2
 *      x1          as u1, without v: the log does not have it
 *      s S         a schema line, one with another column more
 *      t           a truncate
 *    a ! before it: it is refused -- */

#define SOURCE "\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"s\",\"table\":\"t\"}"

static size_t put_line(char *out, size_t size, const char *what, unsigned place)
{
    char op = what[0], from = what[1], to = op == 'm' ? what[2] : from;
    int n = snprintf(out, size, "{\"op\":\"%s\",\"pos\":\"%04u\",\"seq\":%u," SOURCE,
                     op == 's' || op == 'S'   ? "schema"
                     : op == 'm' || op == 'x' ? "u"
                     : op == 'c'              ? "c"
                     : op == 'd'              ? "d"
                     : op == 't'              ? "t"
                                              : "u",
                     place, place);
    char *p = out + n;
    size_t left = size - (size_t)n;
    if (op == 's' || op == 'S')
        snprintf(p, left,
                 ",\"columns\":[{\"name\":\"id\",\"type\":\"integer\",\"nullable\":false,\"generated\":false},{"
                 "\"name\":\"v\","
                 "\"type\":\"text\",\"nullable\":true,\"generated\":false}%s],\"key_columns\":[\"id\"]}",
                 op == 'S' ? ",{\"name\":\"w\",\"type\":\"text\",\"nullable\":true,\"generated\":false}" : "");
    else if (op == 't')
        snprintf(p, left, "}");
    else if (op == 'd')
        snprintf(p, left, ",\"key\":{\"id\":%c},\"before\":{\"id\":%c},\"after\":null}", from, from);
    else if (op == 'm')
        snprintf(p, left, ",\"key\":{\"id\":%c},\"before\":{\"id\":%c},\"after\":{\"id\":%c,\"v\":\"x\"}}", to, from,
                 to);
    else if (op == 'x')
        snprintf(p, left, ",\"key\":{\"id\":%c},\"before\":null,\"after\":{\"id\":%c},\"unchanged\":[\"v\"]}", to, to);
    else
        snprintf(p, left, ",\"key\":{\"id\":%c},\"before\":null,\"after\":{\"id\":%c,\"v\":\"x\"}}", to, to);
    return strlen(out);
}

static void event_of(struct cdc_event *event, char *line, const char *what, unsigned place)
{
    struct cdc_error error = {0};
    size_t n = put_line(line, 1024, what, place);
    check(cdc_event_parse(event, line, n, &error) == 0, error.text);
}

static struct refused *opened(bool keeps)
{
    struct refused *refused = NULL;
    struct cdc_error error = {0};
    check(refused_open(&refused, path, &(struct refused_settings){.keeps = keeps}, &error) == 0, error.text);
    return refused;
}

static int take_all(struct refused *refused, const char *script, struct cdc_error *error)
{
    char line[1024];
    unsigned place = 0;
    int result = 0;
    for (const char *p = script; *p && result == 0; p += strcspn(p, " "), p += *p == ' ') {
        struct cdc_event event;
        bool bad = *p == '!';
        event_of(&event, line, p + bad, ++place);
        memory_begin();
        result = refused_touch(refused, &event, place, error);
        if (result == 0 && bad)
            result = refused_note(refused, event.line, place, error);
        memory_end();
    }
    return result;
}

/* The destination says of all of them after it has taken all in. */
static int take_at_once(struct refused *refused, const char *script, struct cdc_error *error)
{
    char line[1024];
    int result = 0;
    for (int answers = 0; answers < 2 && result == 0; answers++) {
        unsigned place = 0;
        for (const char *p = script; *p && result == 0; p += strcspn(p, " "), p += *p == ' ') {
            struct cdc_event event;
            bool bad = *p == '!';
            event_of(&event, line, p + bad, ++place);
            if (answers == 0)
                result = refused_touch(refused, &event, place, error);
            else if (bad)
                result = refused_note(refused, event.line, place, error);
        }
    }
    return result;
}

/* W, N, C, R, L or - of each refused line. */
static void append_states(struct cdc_buf *out, struct refused *refused, const char *script)
{
    char line[1024];
    unsigned place = 0;
    for (const char *p = script; *p; p += strcspn(p, " "), p += *p == ' ') {
        struct cdc_event event;
        struct cdc_span schema;
        size_t entry;
        place++;
        if (*p != '!')
            continue;
        event_of(&event, line, p + 1, place);
        cdc_buf_byte(out, "-WNCRL"[refused_look(refused, &event, &entry, &schema)]);
    }
}

static void becomes_of(int (*take)(struct refused *, const char *, struct cdc_error *), const char *what,
                       const char *script, const char *want)
{
    struct cdc_error error = {0};
    struct cdc_buf got = CDC_BUF_INIT, again = CDC_BUF_INIT;
    unlink(path);
    struct refused *refused = opened(true);
    check(take(refused, script, &error) == 0 && refused_sync(refused, &error) == 0, error.text);
    append_states(&got, refused, script);
    refused_free(refused);
    refused = opened(false);
    append_states(&again, refused, script);
    refused_free(refused);
    if (!cdc_span_is(cdc_span(got.data, got.len), want)) {
        printf("not ok - %s: %s: got %.*s, wanted %s\n", what, script, (int)got.len, got.data, want);
        failures++;
    }
    check(got.len == again.len && memcmp(got.data, again.data, got.len) == 0, "the same in a later run");
    cdc_buf_free(&got);
    cdc_buf_free(&again);
}

static void becomes(const char *what, const char *script, const char *want)
{
    becomes_of(take_all, what, script, want);
}

/* Lines that are on their way together: any number of them waits, as long as each is refused. */
static void test_at_once(void)
{
    static const struct {
        const char *what, *script, *want;
    } cases[] = {{"two", "s !c1 !u1", "WW"},
                 {"three", "s !c1 !u1 !u1", "WWW"},
                 {"six, among others", "s !u1 u2 !u1 !u1 !u2 !u1 u3 !u1 !u1", "WWWWWWW"},
                 {"the last one is stored", "s !u1 !u1 !u1 u1", "NNN"},
                 {"one between is stored", "s !u1 u1 !u1 !u1", "NWW"},
                 {"one between others is", "s !u1 !u1 u1 !u1 !u1 !u1", "NNWWW"},
                 {"the first one lacks a column", "s !x1 !u1 !u1", "WWW"},
                 {"the last one lacks a column", "s !u1 !u1 !x1", "WWW"},
                 {"a stored one lacks a column", "s !u1 !u1 x1", "LL"},
                 {"one of them takes the row away", "s !u1 !u1 !m12", "NNW"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        becomes_of(take_at_once, cases[i].what, cases[i].script, cases[i].want);
}

/* What ends all waits of a row ends those that went on, too. */
static void test_ended_at_once(void)
{
    struct cdc_error error = {0};
    char line[1024];
    struct cdc_event event;
    unlink(path);
    struct refused *refused = opened(true);
    check(take_at_once(refused, "s !u1 !u1 !u1", &error) == 0, error.text);
    event_of(&event, line, "u1", 5);
    check(refused_touch(refused, &event, 5, &error) == 0, error.text);
    for (unsigned place = 2; place <= 4; place++) {
        struct cdc_span schema;
        size_t entry;
        event_of(&event, line, "u1", place);
        check(refused_look(refused, &event, &entry, &schema) == REFUSED_NEWER, "a newer line ends the wait of all");
    }
    refused_free(refused);
}

static size_t entry_of(struct refused *refused, const char *what, unsigned place, enum refused_state wanted)
{
    char line[1024];
    struct cdc_event event;
    struct cdc_span schema = {NULL, 0};
    size_t entry = SIZE_MAX;
    event_of(&event, line, what, place);
    check(refused_look(refused, &event, &entry, &schema) == wanted, what);
    check(wanted == REFUSED_UNKNOWN ? schema.p == NULL
                                    : schema.n > 0 && memmem(schema.p, schema.n, "\"columns\"", 9) != NULL,
          "the schema line of its table");
    return entry;
}

/* What is stored by a replay ends the wait of older lines of its row, and of no others. */
static void test_replayed(void)
{
    struct cdc_error error = {0};
    unlink(path);
    struct refused *refused = opened(true);
    check(take_all(refused, "s !u1 !u1 !u2 !u1", &error) == 0, error.text);
    size_t first = entry_of(refused, "u1", 2, REFUSED_WAITING), second = entry_of(refused, "u1", 3, REFUSED_WAITING),
           other = entry_of(refused, "u2", 4, REFUSED_WAITING), last = entry_of(refused, "u1", 5, REFUSED_WAITING);
    check(refused_is_behind(refused, first, second) && refused_is_behind(refused, first, last) &&
              !refused_is_behind(refused, second, first) && !refused_is_behind(refused, first, first) &&
              !refused_is_behind(refused, first, other) && !refused_is_behind(refused, other, last),
          "which line is behind which");
    check(refused_replayed(refused, second, &error) == 0, "the second one is stored");
    for (int i = 0; i < 2; i++) {
        entry_of(refused, "u1", 2, REFUSED_NEWER);
        entry_of(refused, "u1", 3, REFUSED_REPLAYED);
        entry_of(refused, "u2", 4, REFUSED_WAITING);
        entry_of(refused, "u1", 5, REFUSED_WAITING);
        check(refused_sync(refused, &error) == 0, error.text);
        refused_free(refused);
        refused = opened(false);
    }
    entry_of(refused, "u1", 6, REFUSED_UNKNOWN);
    entry_of(refused, "u2", 3, REFUSED_UNKNOWN); /* another row with that pos */
    refused_free(refused);
    /* One that lacks a column leaves what it lacks open. */
    unlink(path);
    refused = opened(true);
    check(take_all(refused, "s !u1 !x1", &error) == 0, error.text);
    check(refused_replayed(refused, entry_of(refused, "x1", 3, REFUSED_WAITING), &error) == 0, error.text);
    entry_of(refused, "u1", 2, REFUSED_LACKING);
    refused_free(refused);
}

/* More than is read at a time. */
static void test_large(void)
{
    struct cdc_error error = {0};
    struct cdc_buf script = CDC_BUF_INIT;
    char line[1024];
    cdc_buf_text(&script, "s");
    for (int i = 0; i < 700; i++)
        cdc_buf_printf(&script, " !c%d", 1 + i % 9);
    cdc_buf_byte(&script, '\0');
    unlink(path);
    struct refused *refused = opened(true);
    check(take_all(refused, script.data, &error) == 0 && refused_sync(refused, &error) == 0, error.text);
    refused_free(refused);
    refused = opened(false);
    size_t found = 0;
    for (unsigned place = 2; place <= 701; place++) {
        struct cdc_event event;
        struct cdc_span schema;
        size_t entry;
        char what[4] = {'c', (char)('1' + (place - 2) % 9)};
        event_of(&event, line, what, place);
        found += refused_look(refused, &event, &entry, &schema) == REFUSED_WAITING;
    }
    check(found == 700, "all of a large file");
    refused_free(refused);
    cdc_buf_free(&script);
}

static size_t lines_of_file(void)
{
    FILE *file = fopen(path, "r");
    size_t n = 0;
    for (int c; file && (c = getc(file)) != EOF;)
        n += c == '\n';
    check(file && fclose(file) == 0, "a file");
    return n;
}

/* A run with more of them than are known: its file does not grow with each of them. */
static void test_many(void)
{
    enum { MANY = 35000, KNOWN = 10000 };
    struct cdc_error error = {0};
    char line[1024];
    unlink(path);
    struct refused *refused = opened(true);
    check(take_all(refused, "s", &error) == 0, error.text);
    for (unsigned place = 2; place <= MANY + 1; place++) {
        size_t n = put_line(line, sizeof line, "c1", place);
        check(refused_note(refused, cdc_span(line, n), place, &error) == 0, error.text);
    }
    check(refused_sync(refused, &error) == 0, error.text);
    refused_free(refused);
    check(lines_of_file() < MANY, "the file is written anew");
    for (int i = 0; i < 2; i++) {
        refused = opened(true);
        entry_of(refused, "c1", 2, REFUSED_UNKNOWN);
        entry_of(refused, "c1", MANY + 2 - KNOWN, REFUSED_WAITING);
        entry_of(refused, "c1", MANY + 1, REFUSED_WAITING);
        refused_free(refused);
    }
}

/* What a power cut may leave behind what was durable. */
static void test_unwritten(void)
{
    static const char tail[] = "\0\0\0\n{\"letter\":\"0002\",\"name\":\"n\",\"state\":2}\n\0\0";
    struct cdc_error error = {0};
    unlink(path);
    struct refused *refused = opened(true);
    check(take_all(refused, "s !c1 !c2", &error) == 0 && refused_sync(refused, &error) == 0, error.text);
    refused_free(refused);
    FILE *file = fopen(path, "a");
    check(file && fwrite(tail, 1, sizeof tail - 1, file) == sizeof tail - 1 && fclose(file) == 0, "a file");
    for (int i = 0; i < 2; i++) {
        refused = opened(true);
        entry_of(refused, "c1", 2, REFUSED_WAITING);
        entry_of(refused, "c2", 3, REFUSED_WAITING);
        refused_free(refused);
    }
}

static void test_damaged(void)
{
    static const char *const texts[] = {"{}\n", "x\n", "[]\n", "{\"line\":1}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct refused *refused = NULL;
        struct cdc_error error = {0};
        FILE *file = fopen(path, "w");
        check(file != NULL && fputs(texts[i], file) >= 0 && fclose(file) == 0, "a file");
        check(refused_open(&refused, path, &(struct refused_settings){.keeps = true}, &error) != 0 &&
                  error.status == CDC_EXIT_CONFIG,
              texts[i]);
        refused_free(refused);
    }
}

static int run_without_memory(struct cdc_buf *out, struct cdc_error *error)
{
    static const char script[] = "s !c1 !u2 !m34 x2 u1 c3";
    struct refused *refused = NULL;
    unlink(path);
    memory_begin();
    int result = refused_open(&refused, path, &(struct refused_settings){.keeps = true}, error);
    memory_end();
    if (result == 0)
        result = take_all(refused, script, error);
    memory_begin();
    if (result == 0)
        result = refused_sync(refused, error);
    refused_free(refused);
    refused = NULL;
    if (result == 0)
        result = refused_open(&refused, path, &(struct refused_settings){.keeps = false}, error);
    memory_end();
    if (result == 0)
        append_states(out, refused, script);
    refused_free(refused);
    return result;
}

int main(void)
{
    int fd = mkstemp(path);
    close(fd);
    becomes("nothing came after it", "s !c1", "W");
    becomes("another row did", "s !c1 c2", "W");
    becomes("its row did", "s !c1 u1", "N");
    becomes("its row went", "s !u1 d1", "N");
    becomes("newer lines that are refused as well", "s !u1 !u1", "WW");
    becomes("until one is not", "s !u1 !u1 u1", "NN");
    becomes("all rows went", "s !c1 t", "N");
    becomes("a newer line lacks a column of it", "s !u1 x1", "L");
    becomes("which it lacks, too", "s !x1 x1", "N");
    becomes("or has more", "s !x1 u1", "N");
    becomes("its row has moved away", "s !u1 m12", "N");
    becomes("it moves a row", "s !m12", "W");
    becomes("and another row takes the key that it left", "s !m12 c1", "L");
    becomes("by a move of its own", "s !m12 m31", "L");
    becomes("or the one that it has is changed", "s !m12 u2", "N");
    becomes("a line of its row under the next key, which the move to it did not get through", "s !u1 !m12 u2", "NN");
    becomes("or the one after that", "s !c1 !m12 !m23 u3", "NNN");
    becomes("or a delete there", "s !u1 !m12 d2", "NN");
    becomes("one that lacks a column there", "s !u1 !m12 x2", "LL");
    becomes("which is refused as well", "s !u1 !m12 !d2", "NWW");
    becomes("the move alone waits", "s !u1 !m12", "NW");
    becomes("of another row under that key", "s !m12 !u2 !u1 d2", "NNW");
    becomes("the table is described anew", "s !c1 s", "W");
    becomes("it has other columns", "s !c1 S", "C");
    becomes("it was not described", "!c1", "W");
    becomes("lines of the run before it", "s c1 u1 !u1", "W");
    test_at_once();
    test_ended_at_once();
    test_replayed();
    test_large();
    test_many();
    test_unwritten();
    test_damaged();
    failures += memory_sweep("refused lines", run_without_memory) != 0;
    unlink(path);
    return failures ? 1 : 0;
}
