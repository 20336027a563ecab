/* SPDX-License-Identifier: MIT */
/* Retention by time: clocks that were set back or ahead remove nothing early, and keep nothing for ever. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/base.h"
#include "connectors/log/file/names.h"
#include "connectors/log/log.h"
#include "connectors/log/proof/audit.h"

#define DAY INT64_C(86400000)
#define APPENDED INT64_C(1763717327123) /* what log_writer.py says */

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";
static char path[64];

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - log trim: %s\n", what);
        failures++;
    }
}

static void make_log(void)
{
    struct log_compact_settings settings = {.path = path, .memory = 1 << 20, .level = 1};
    struct log_fold_counts counts;
    struct cdc_error error = {0};
    char command[256];
    uint64_t byte;
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(command, sizeof command, "rm -rf %s && python3 tests/lib/log_writer.py %s --segments 4 >/dev/null", path,
             path);
    check(system(command) == 0, "a log is made");
    check(log_compact(&settings, &byte, &counts, &error) == 1 && counts.rows == 7, "a base is made");
}

/* How many segments go. */
static uint64_t trimmed(int64_t retain_ms, int64_t now)
{
    struct log_trim_settings settings = {
        .path = path, .retain_ms = retain_ms, .retain_bytes = -1, .retain_hard = -1, .now = now};
    struct log_trim_counts counts;
    struct cdc_error error = {0};
    check(log_trim(&settings, &counts, &error) == 0, error.text);
    return counts.segments;
}

/* All files were written at that time. */
static void touch(int64_t ms)
{
    const struct timespec times[2] = {{ms / 1000, 0}, {ms / 1000, 0}};
    char pattern[80];
    glob_t files;
    snprintf(pattern, sizeof pattern, "%s/*.idx", path);
    check(glob(pattern, 0, NULL, &files) == 0, "files");
    for (size_t i = 0; i < files.gl_pathc; i++)
        check(utimensat(AT_FDCWD, files.gl_pathv[i], times, 0) == 0, "a time");
    globfree(&files);
}

/* A base may be larger than memory: it comes in parts, each of whole lines. */
static void test_base_in_parts(void)
{
    struct log_compact_settings settings = {.path = path, .memory = 1 << 20, .level = 1};
    struct log_fold_counts counts;
    struct log_folder folder;
    struct cdc_error error = {0};
    struct cdc_buf part = CDC_BUF_INIT;
    char command[256];
    uint64_t byte;
    size_t parts = 0, lines = 0, longest = 0;
    int more = 1;
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(command, sizeof command,
             "rm -rf %s && python3 tests/lib/log_writer.py %s --segments 2 --rows 1000 --people 9000 >/dev/null", path,
             path);
    check(system(command) == 0 && log_compact(&settings, &byte, &counts, &error) == 1, "a base is made");
    check(log_folder_open(&folder, path, &error) == 0 && log_folder_list(&folder, &error) == 0 && folder.n_bases == 1,
          "which is there");
    struct log_base_reader *reader = log_base_open(&folder, folder.bases[0], &error);
    while (reader != NULL && (more = log_base_read(reader, &part, &error)) > 0) {
        check(part.len > 0 && part.data[part.len - 1] == '\n', "a part ends with a line");
        for (size_t i = 0; i < part.len; i++)
            lines += part.data[i] == '\n';
        longest = part.len > longest ? part.len : longest;
        parts++;
        part.len = 0;
    }
    check(more == 0 && parts > 2 && lines > counts.rows && longest < 3 << 19, "it comes in parts");
    log_base_close(reader);
    cdc_buf_free(&part);
    log_folder_close(&folder);
}

/* Retention takes some of the files of the second segment, in any order, while the first one is read. */
static int remove_some(void *context, struct log_audit *audit, const struct log_line *line, struct cdc_error *error)
{
    static const enum log_kind kinds[] = {LOG_PLAIN, LOG_INDEX, LOG_SALTS, LOG_SCHEMAS};
    unsigned some = *(unsigned *)context;
    char name[LOG_NAME_SIZE];
    if (line->number != 0)
        return 0;
    for (size_t i = 0; i < 4; i++)
        if (some >> i & 1)
            (void)unlinkat(audit->folder->fd, log_name_make(name, kinds[i], audit->folder->segments[1].start), 0);
    return log_begin_write(audit->folder, audit->folder->segments[2].start, error);
}

static void test_trimmed_while_verified(void)
{
    for (unsigned some = 0; some < 16; some++) {
        struct log_folder folder;
        struct cdc_error error = {0};
        make_log();
        struct log_audit audit = {.folder = &folder, .line = remove_some, .context = &some};
        log_tree_init(&audit.state.tree, LOG_TREE_NOBODY);
        check(log_folder_open(&folder, path, &error) == 0 && log_folder_list(&folder, &error) == 0, "a log is opened");
        int result = log_audit_run(&audit, &error);
        bool readable = (some & 3) == 0;
        check(readable ? result == 0 : result == -1 && error.status == CDC_EXIT_TEMPORARY,
              "a segment that retention removes meanwhile is no damage");
        log_audit_free(&audit);
        log_folder_close(&folder);
    }
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    test_base_in_parts();
    test_trimmed_while_verified();
    make_log();
    check(trimmed(7 * DAY, APPENDED + 6 * DAY) == 0, "nothing is that old");
    touch(APPENDED);
    check(trimmed(7 * DAY, APPENDED - 400 * DAY) == 0, "a clock that was set back makes nothing old");
    touch(APPENDED - 1000 * DAY);
    check(trimmed(7 * DAY, APPENDED + 6 * DAY) == 0,
          "the time of the file does not count where the journal's has come");
    touch(APPENDED - 366 * DAY);
    check(trimmed(7 * DAY, APPENDED - 365 * DAY) == 0, "lines of a clock a year ahead stay as long as others");
    check(trimmed(7 * DAY, APPENDED - 358 * DAY) == 3, "and no longer");
    make_log();
    check(trimmed(7 * DAY, APPENDED + 8 * DAY) == 3, "all that is old goes, but for the newest segment");
    check(trimmed(7 * DAY, APPENDED + 80 * DAY) == 0, "which stays");
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - log trim: clocks, and a log that is read meanwhile\n");
    return failures != 0;
}
