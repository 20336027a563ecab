/* SPDX-License-Identifier: MIT */
/* Where a log ends that nobody appends to: what a writer left that had not synced it is found whole, or torn, and any one call may fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/append/append.h"
#include "connectors/log/compact/readers.h"
#include "connectors/log/file/batches.h"
#include "tests/unit/failing-calls.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";
static char path[64];
static uint64_t size, end, limit; /* of the lines; as found */
static bool torn;
static int salts_opened;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - log end: %s\n", what);
        failures++;
    }
}

#if MEMORY_CAN_FAIL
int openat(int at, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    if (FAILS(EMFILE))
        return -1;
    salts_opened += strstr(name, ".salt") != NULL;
    return (int)syscall(SYS_openat, at, name, flags, mode);
}
#endif

/* Of one segment and three batches. Nothing says what of it is durable. */
static void make_log(const char *kind)
{
    struct stat status;
    char command[256], name[128];
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(command, sizeof command,
             "rm -rf %s && python3 tests/lib/log_writer.py %s --segments 1 --batches 3 --rows 5 %s >/dev/null", path,
             path, kind);
    snprintf(name, sizeof name, "%s/head", path);
    check(system(command) == 0 && unlink(name) == 0, "a log is made");
    snprintf(name, sizeof name, "%s/00000000000000000000.ndjson", path);
    check(stat(name, &status) == 0, "lines");
    size = (uint64_t)status.st_size;
}

static void begin(void)
{
    end = limit = 0;
    torn = true;
    salts_opened = 0;
}

static int find_end(struct cdc_error *error)
{
    struct log_folder folder;
    memory_begin();
    int result = log_folder_open(&folder, path, error);
    if (result == 0)
        result = log_batches_end(&folder, 0, 0, &end, &torn, error);
    log_folder_close(&folder);
    memory_end();
    return result;
}

/* A salt that could not be read for want of memory is none that is missing: a batch would be taken for torn. */
static bool end_is_found(void)
{
    return end == size && !torn;
}

static int find_limit(struct cdc_error *error)
{
    struct log_folder folder;
    uint64_t head;
    memory_begin();
    int result = log_folder_open(&folder, path, error);
    if (result == 0 && (result = log_folder_list(&folder, error)) == 0)
        result = log_folder_limit(&folder, &limit, &head, error);
    log_folder_close(&folder);
    memory_end();
    return result;
}

/* Once to hold the batches against them, and once to sync them. */
static bool limit_is_found(void)
{
    return limit == size && (!MEMORY_CAN_FAIL || salts_opened >= 2);
}

/* The journal was on the disk, and the end of the lines was not. */
static void check_torn(void)
{
    struct cdc_error error = {0};
    make_log("--redactable");
    char lines[128];
    snprintf(lines, sizeof lines, "%s/00000000000000000000.ndjson", path);
    check(truncate(lines, (off_t)size - 1) == 0, "cut");
    begin();
    check(find_end(&error) == 0 && torn && end > 0 && end < size, "a byte is missing: its batch is torn");
    uint64_t whole = end;
    check(truncate(lines, (off_t)whole) == 0, "cut");
    begin();
    check(find_end(&error) == 0 && torn && end == whole, "no byte of a batch is there: it is torn");
    check(truncate(lines, 0) == 0, "cut");
    begin();
    check(find_end(&error) == 0 && torn && end == 0 && error.status == 0, "no byte at all is there");
}

/* -- a journal that is made again from the lines -- */

static void begin_without_journal(void)
{
    char command[4 * sizeof path + 64];
    snprintf(command, sizeof command, "rm -rf %s && cp -r %s.whole %s && rm %s/*.idx", path, path, path, path);
    check(system(command) == 0, "no journal");
    begin();
}

static void ignore(void *context, enum cdc_log_level level, const char *text)
{
    (void)context, (void)level, (void)text;
}

static int append_nothing(struct cdc_error *error)
{
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    const struct cdc_log log = {.write = ignore};
    struct log_append_settings settings = {
        .path = path, .segment_bytes = 1 << 20, .sync = true, .log = &log, .control = &control};
    memory_begin();
    struct log_append *append = log_append_open(&settings, error);
    log_append_free(append);
    memory_end();
    return append != NULL ? 0 : -1;
}

/* A line that could not be read is not where the log ends: those behind it would be cut off, which somebody has been told are stored. */
static bool no_line_is_lost(void)
{
    char name[128];
    struct stat status;
    struct cdc_error error = {0};
    snprintf(name, sizeof name, "%s/00000000000000000000.ndjson", path);
    bool good =
        stat(name, &status) == 0 && (uint64_t)status.st_size == size && find_limit(&error) == 0 && limit == size;
    if (!good)
        printf("# %lu of %lu bytes, the log ends at %lu\n", (unsigned long)status.st_size, (unsigned long)size,
               (unsigned long)limit);
    return good;
}

/* -- lines that are appended -- */

static char made[80]; /* the log that is made of them */

#define SOURCE "\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"s\",\"table\":\"t\"}"
static const char *const appended[] = {
    ("{\"op\":\"schema\",\"pos\":\"1\",\"seq\":1,\"ts_ms\":1," SOURCE
     ",\"columns\":[{\"name\":\"id\",\"type\":\"integer\"}],\"key_columns\":[\"id\"]}"),
    ("{\"op\":\"c\",\"pos\":\"2\",\"seq\":1,\"ts_ms\":1," SOURCE
     ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1}}"),
    ("{\"op\":\"commit\",\"pos\":\"3\",\"seq\":1,\"ts_ms\":1,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\"},"
     "\"events\":1}")};

static void begin_lines_of_log(void)
{
    char command[128];
    snprintf(made, sizeof made, "%s/made", dir);
    snprintf(command, sizeof command, "rm -rf %s", made);
    check(system(command) == 0, "no log");
}

static int append_lines(struct cdc_error *error)
{
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    const struct cdc_log log = {.write = ignore};
    struct log_append_settings settings = {
        .path = made, .segment_bytes = 1 << 20, .sync = true, .log = &log, .control = &control};
    struct cdc_offset offset = {(char *)(uintptr_t) "3", 1, 3, NULL, NULL};
    struct cdc_event event;
    struct cdc_offset_file *offsets = cdc_offset_file_memory("cdc-log-append", NULL);
    check(cdc_offset_file_set(offsets, "n", &offset, NULL) == 0, "a position");
    memory_begin();
    struct log_append *append = log_append_open(&settings, error);
    int result = append != NULL ? 0 : -1;
    for (size_t i = 0; result == 0 && i < sizeof appended / sizeof *appended; i++) {
        result = cdc_event_parse(&event, appended[i], strlen(appended[i]), error);
        if (result == 0)
            result = log_append_ops.event(append, &event, error);
    }
    if (result == 0)
        result = log_append_ops.deliver(append, offsets, error);
    log_append_free(append);
    memory_end();
    cdc_offset_file_free(offsets);
    return result;
}

/* Once more where they were stored, and a call after that failed. */
static bool lines_are_there(void)
{
    char name[128], found[4096], once[2048];
    int n = snprintf(once, sizeof once, "%s\n%s\n%s\n", appended[0], appended[1], appended[2]);
    snprintf(name, sizeof name, "%s/00000000000000000000.ndjson", made);
    FILE *file = fopen(name, "r");
    size_t got = file != NULL ? fread(found, 1, sizeof found - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    bool good = (got == (size_t)n || got == 2 * (size_t)n) && memcmp(found, once, (size_t)n) == 0 &&
                memcmp(found + got - n, once, (size_t)n) == 0;
    if (!good)
        printf("# %.*s\n", (int)got, found);
    return good;
}

/* -- readers -- */

static size_t n_readers;

static void begin_readers(void)
{
    n_readers = 0;
}

static int list_readers(struct cdc_error *error)
{
    struct log_folder folder;
    struct log_readers readers = {NULL, 0};
    memory_begin();
    int result = log_folder_open(&folder, path, error);
    if (result == 0)
        result = log_readers_list(&readers, &folder, error);
    n_readers = readers.n;
    log_readers_free(&readers);
    log_folder_close(&folder);
    memory_end();
    return result;
}

/* Lines that one still needs would go. */
static bool all_are_listed(void)
{
    return n_readers == 2;
}

static void make_readers(void)
{
    char name[128];
    snprintf(name, sizeof name, "%s/readers", path);
    check(mkdir(name, 0700) == 0, "a folder of readers");
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/readers/r%d.offset", path, i);
        FILE *file = fopen(name, "w");
        check(file != NULL && fputs("{\"format\":1,\"tool\":\"cdc-log-read\",\"offsets\":{}}\n", file) >= 0 &&
                  fclose(file) == 0,
              "a reader");
    }
}

int main(void)
{
    static const struct calls_case cases[] = {
        {"the end of a log", begin, find_end, end_is_found, NULL},
        {"how far a log may be read", begin, find_limit, limit_is_found, NULL},
        {"readers", begin_readers, list_readers, all_are_listed, NULL},
        {"lines are appended", begin_lines_of_log, append_lines, lines_are_there, NULL},
        {"a journal made again", begin_without_journal, append_nothing, no_line_is_lost, NULL},
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    disk_is_slow = true;
    make_log("--redactable");
    make_readers();
    for (size_t i = 0; i < 4; i++)
        failures += calls_sweep(&cases[i]) != 0;
    check_torn();
    make_log("");
    char command[256];
    snprintf(command, sizeof command, "mv %s %s.whole", path, path);
    check(system(command) == 0, "a log without salts");
    failures += calls_sweep(&cases[4]) != 0;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - log end\n");
    return failures != 0;
}
