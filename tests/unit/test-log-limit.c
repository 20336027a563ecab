/* SPDX-License-Identifier: MIT */
/* Where a log ends that nobody appends to: what a writer left that had not synced it is found whole, or torn, and any one call may fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
        printf("not ok - log limit: %s\n", what);
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

/* Of one segment, three batches, redactable. Nothing says what of it is durable. */
static void make_log(void)
{
    struct stat status;
    char command[256], name[128];
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(command, sizeof command,
             "rm -rf %s && python3 tests/lib/log_writer.py %s --segments 1 --batches 3 --rows 5 --redactable >/dev/null",
             path, path);
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
    make_log();
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

int main(void)
{
    static const struct calls_case cases[] = {
        {"the end of a log", begin, find_end, end_is_found, NULL},
        {"how far a log may be read", begin, find_limit, limit_is_found, NULL},
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    make_log();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failures += calls_sweep(&cases[i]) != 0;
    check_torn();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - log limit\n");
    return failures != 0;
}
