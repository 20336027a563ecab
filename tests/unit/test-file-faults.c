/* SPDX-License-Identifier: MIT */
/* Files of the library where any one call fails: offset files, acknowledgements, the start that they decide, dead letters, the
 * end of an output file, figures. */
#include <stdlib.h>

#include <cdc/file.h>
#include <cdc/line.h>
#include <cdc/metrics.h>
#include <cdc/start.h>

#include "libcdc/loop/internal.h"
#include "tests/unit/failing-calls.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static const char *path_of(const char *name)
{
    static char path[4][64];
    static unsigned next;
    char *one = path[next++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", dir, name);
    return one;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    check(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "a file is written");
}

static bool file_is(const char *name, const char *text)
{
    char found[4096];
    FILE *file = fopen(path_of(name), "r");
    size_t n = file != NULL ? fread(found, 1, sizeof found - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    found[n] = '\0';
    if (strcmp(found, text) != 0)
        printf("# wanted %s# found %s\n", text, found);
    return strcmp(found, text) == 0;
}

/* -- an offset file is moved on -- */

static void begin_offset(void)
{
    struct cdc_error error = {0};
    struct cdc_offset a = {(char *)(uintptr_t) "0A", 5, 7, (char *)(uintptr_t) "{\"lsn\":1}",
                           (char *)(uintptr_t) "{\"s\":[]}"};
    unlink(path_of("n.offset"));
    struct cdc_offset_file *file = cdc_offset_file_open(path_of("n.offset"), "t", &error);
    check(file != NULL && cdc_offset_file_set(file, "a", &a, &error) == 0 &&
              cdc_offset_file_set(file, "b", &a, &error) == 0 && cdc_offset_file_save(file, &error) == 0,
          "an offset file");
    cdc_offset_file_free(file);
}

static int run_offset(struct cdc_error *error)
{
    struct cdc_offset next = {(char *)(uintptr_t) "0B", 6, 8, (char *)(uintptr_t) "{\"lsn\":2}", NULL};
    memory_begin();
    struct cdc_offset_file *file = cdc_offset_file_open(path_of("n.offset"), "t", error);
    int result =
        file != NULL && cdc_offset_file_set(file, "a", &next, error) == 0 ? cdc_offset_file_save(file, error) : -1;
    cdc_offset_file_free(file);
    memory_end();
    return result;
}

static bool offset_is(const char *name, const char *expected)
{
    struct cdc_error error = {0};
    struct cdc_offset found = {0};
    char text[256] = "none";
    if (cdc_offset_read(path_of("n.offset"), name, &found, &error) == 1)
        snprintf(text, sizeof text, "%s %d %d %s %s", found.pos, (int)found.seq, (int)found.lines, found.source,
                 found.state);
    cdc_offset_free(&found);
    if (strcmp(text, expected) != 0)
        printf("# wanted %s, found %s %s\n", expected, text, error.text);
    return strcmp(text, expected) == 0;
}

static bool offset_is_moved(void)
{
    struct stat status;
    return offset_is("a", "0B 6 8 {\"lsn\":2} {\"s\":[]}") && offset_is("b", "0A 5 7 {\"lsn\":1} {\"s\":[]}") &&
           stat(path_of("n.offset"), &status) == 0 && (status.st_mode & 07777) == 0600;
}

/* -- where a source begins, by its own file, a snapshot's and those of its sinks -- */

#define OFFSET(tool, pos, more)                                                                                        \
    "{\"format\":1,\"tool\":\"" tool "\",\"offsets\":{\"shop\":{\"pos\":\"" pos "\",\"seq\":4,\"lines\":2" more "}}}"  \
    "\n"
static char began[256];

static void begin_start(void)
{
    write_file("cdc-sink-a.offset", OFFSET("cdc-sink-a", "0C", ",\"source\":{\"lsn\":3}"));
    write_file("cdc-sink-b.offset", OFFSET("cdc-sink-b", "09", ",\"source\":{\"lsn\":1}"));
    write_file("cdc-snapshot-shop.offset",
               OFFSET("cdc-snapshot", "01", ",\"state\":{\"written\":\"02\",\"read_at\":{\"x\":1}}"));
    write_file("pg-cdc-shop.offset", OFFSET("pg-cdc", "0B", ",\"state\":{\"slot\":\"s\"}"));
    began[0] = '\0';
}

static int run_start(struct cdc_error *error)
{
    struct cdc_start start = {0};
    memory_begin();
    struct cdc_offset_file *own = cdc_offset_file_open(path_of("pg-cdc-shop.offset"), "pg-cdc", error);
    struct cdc_acks *acks = own != NULL ? cdc_acks_new("shop", NULL, 0, dir, error) : NULL;
    int result = acks != NULL ? cdc_start_decide(&start, own, acks, dir, "shop", -1, error) : -1;
    memory_end();
    if (result == 0)
        snprintf(began, sizeof began, "%d %s %s %s own %s sinks %d visible %s", (int)start.kind, start.from.pos,
                 start.from.source, start.from.state, start.own.pos, (int)start.sinks, start.visible);
    cdc_start_free(&start);
    cdc_acks_free(acks);
    cdc_offset_file_free(own);
    return result;
}

static bool begins_at_the_slowest(void)
{
    bool same = strcmp(began, "2 09 {\"lsn\":1} {\"slot\":\"s\"} own 0B sinks 2 visible {\"x\":1}") == 0;
    if (!same)
        printf("# %s\n", began);
    return same;
}

static void begin_snapshot(void)
{
    begin_start();
    unlink(path_of("cdc-sink-a.offset"));
    unlink(path_of("cdc-sink-b.offset"));
    unlink(path_of("pg-cdc-shop.offset"));
}

static bool begins_at_the_snapshot(void)
{
    bool same =
        strcmp(began, "1 01 (null) {\"written\":\"02\",\"read_at\":{\"x\":1}} own (null) sinks 0 visible {\"x\":1}") ==
        0;
    if (!same)
        printf("# %s\n", began);
    return same;
}

/* -- dead letters after one that was torn -- */

#define LETTER "{\"reason\":\"why\",\"line\":\"{}\"}\n"

static void begin_letter(void)
{
    write_file("dead", LETTER "{\"reason\":\"torn\",\"li");
}

static int run_letter(struct cdc_error *error)
{
    struct dead_letter *file = NULL;
    memory_begin();
    int result = dead_letter_open(&file, path_of("dead"), error) == 0 &&
                         dead_letter_write(file, cdc_span("{}", 2), "why", error) == 0 &&
                         dead_letter_sync(file, error) == 0
                     ? 0
                     : -1;
    dead_letter_close(file);
    memory_end();
    return result;
}

/* Once more where it was written and could not be synced. */
static bool letter_is_there(void)
{
    char found[512];
    FILE *file = fopen(path_of("dead"), "r");
    size_t n = file != NULL ? fread(found, 1, sizeof found - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    found[n] = '\0';
    bool good = strcmp(found, LETTER LETTER) == 0 || strcmp(found, LETTER LETTER LETTER) == 0;
    if (!good)
        printf("# %s\n", found);
    return good;
}

/* A file of dead letters that is removed meanwhile. */
static int run_removed_letter(struct cdc_error *error)
{
    struct dead_letter *file = NULL;
    memory_begin();
    int result = dead_letter_open(&file, path_of("dead"), error);
    unlink(path_of("dead"));
    if (result == 0)
        result = dead_letter_write(file, cdc_span("{}", 2), "why", error) == 0 ? dead_letter_sync(file, error) : -1;
    dead_letter_close(file);
    memory_end();
    return result;
}

static bool one_letter(void)
{
    return file_is("dead", LETTER);
}

/* The disk was full when another sink wrote its letter, and has room again. */
static void check_torn_by_another(void)
{
    struct cdc_error error = {0};
    struct dead_letter *file = NULL;
    unlink(path_of("dead"));
    check(dead_letter_open(&file, path_of("dead"), &error) == 0 &&
              dead_letter_write(file, cdc_span("{}", 2), "why", &error) == 0,
          "a letter is written");
    FILE *other = fopen(path_of("dead"), "a");
    check(other != NULL && fputs("{\"reason\":\"torn\",\"li", other) >= 0 && fclose(other) == 0,
          "half a letter is written");
    check(dead_letter_write(file, cdc_span("{}", 2), "why", &error) == 0 && dead_letter_sync(file, &error) == 0,
          "a letter is written after half a one");
    check(file_is("dead", LETTER "{\"reason\":\"torn\",\"li\n" LETTER), "a letter is no part of a torn one");
    dead_letter_close(file);
}

/* -- a line after what a kill has left of one -- */

static void begin_torn(void)
{
    write_file("out", "{\"a\":1}\n{\"b\":");
}

static void begin_without_lf(void)
{
    write_file("out", "{\"a\":1}");
}

static int run_writer(struct cdc_error *error)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path_of("out"), O_WRONLY | O_APPEND | O_CLOEXEC);
    memory_begin();
    struct cdc_writer *writer = cdc_writer_new(fd, error);
    if (writer != NULL)
        cdc_buf_lit(cdc_writer_buf(writer), "{\"c\":2}\n");
    int result = writer != NULL && cdc_writer_flush(writer, error) == 0 ? cdc_writer_sync(writer, error) : -1;
    cdc_writer_free(writer);
    memory_end();
    close(fd);
    return result;
}

static bool is_written(void)
{
    char found[128];
    FILE *file = fopen(path_of("out"), "r");
    size_t n = file != NULL ? fread(found, 1, sizeof found - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    found[n] = '\0';
    bool good = strcmp(found, "{\"a\":1}\n{\"c\":2}\n") == 0 || strcmp(found, "{\"a\":1}\n{\"c\":2}\n{\"c\":2}\n") == 0;
    if (!good)
        printf("# %s\n", found);
    return good;
}

/* -- lines are read -- */

static char lines[128];

static void begin_lines(void)
{
    write_file("in", "one\ntwo\nthree");
    lines[0] = '\0';
}

static int run_reader(struct cdc_error *error)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path_of("in"), O_RDONLY | O_CLOEXEC);
    struct cdc_span line;
    enum cdc_line_result got = CDC_LINE_ERROR;
    size_t n = 0;
    memory_begin();
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, 1000, error);
    while (reader != NULL && (got = cdc_line_reader_next(reader, &line, error)) == CDC_LINE_OK)
        n += (size_t)snprintf(lines + n, sizeof lines - n, "%.*s ", (int)line.n, line.p);
    if (got == CDC_LINE_END)
        snprintf(lines + n, sizeof lines - n, "%zu", cdc_line_reader_leftover(reader));
    cdc_line_reader_free(reader);
    memory_end();
    close(fd);
    return got == CDC_LINE_END ? 0 : -1;
}

static bool lines_are_read(void)
{
    return strcmp(lines, "one two 5") == 0;
}

/* -- figures -- */

static void begin_figures(void)
{
    write_file("m", "old\n");
}

static int run_figures(struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lines_in = 3};
    memory_begin();
    int result = cdc_metrics_save(path_of("m"), &metrics, "t", "a\"b\\c\nd", error);
    memory_end();
    return result;
}

static bool figures_are_there(void)
{
    char found[8192];
    struct stat status;
    FILE *file = fopen(path_of("m"), "r");
    size_t n = file != NULL ? fread(found, 1, sizeof found - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    found[n] = '\0';
    return strstr(found, "\ncdc_lines_in_total{tool=\"t\",name=\"a\\\"b\\\\c\\nd\"} 3\n") != NULL &&
           found[n - 1] == '\n' && access(path_of("m.tmp"), F_OK) != 0 && stat(path_of("m"), &status) == 0 &&
           (status.st_mode & 07777) == 0644;
}

/* A file that was made, and no line stored since: that is no position. */
static void test_no_position(void)
{
    struct cdc_error error = {0};
    struct cdc_offset none = {(char *)(uintptr_t) "", 0, 0, NULL, NULL};
    struct cdc_start start = {0};
    struct cdc_offset_file *own = cdc_offset_file_memory("pg-cdc", &error);
    check(cdc_offset_file_set(own, "shop", &none, &error) == 0 &&
              cdc_start_decide(&start, own, NULL, NULL, "shop", -1, &error) == 0 && start.kind == CDC_START_FIRST &&
              start.own.pos == NULL,
          "a first start");
    cdc_start_free(&start);
    cdc_offset_file_free(own);
}

int main(void)
{
    static const struct calls_case cases[] = {
        {"an offset file", begin_offset, run_offset, offset_is_moved, NULL},
        {"where a source begins, with sinks", begin_start, run_start, begins_at_the_slowest, NULL},
        {"where a source begins, after a snapshot", begin_snapshot, run_start, begins_at_the_snapshot, NULL},
        {"dead letters", begin_letter, run_letter, letter_is_there, NULL},
        {"dead letters that are removed", begin_letter, run_removed_letter, one_letter, NULL},
        {"a torn line", begin_torn, run_writer, is_written, NULL},
        {"a line without its end", begin_without_lf, run_writer, is_written, NULL},
        {"lines", begin_lines, run_reader, lines_are_read, NULL},
        {"figures", begin_figures, run_figures, figures_are_there, NULL},
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    umask(077);
    test_no_position();
    check_torn_by_another();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failures += calls_sweep(&cases[i]) != 0;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - files\n");
    return failures != 0;
}
