/* SPDX-License-Identifier: MIT */
/* The folder of a log with any files in it: stat, verify, a cursor, bases and repair end, with the status of a damaged log where they do
 * not like it. What verify calls whole can be read, as many lines as it has said; what repair leaves is whole,
 * but for a journal that whoever appends makes again, and for lines that it has said it cannot prove.
 *
 * An input is a byte of flags, and files: "NAME LENGTH\n" and so many bytes. A length of too much is what is left. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cdc/exit.h>

#include "connectors/log/file/base.h"
#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/cursor.h"
#include "connectors/log/log.h"

#define RENEWED 1 /* each line of a journal gets a CRC that fits, so that what comes after it is reached */

static char work[64];

/* Who meets damage looks again after a moment, in case it is being written: nobody writes here. */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)wanted, (void)left;
    return 0;
}
static const struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    (void)rmdir(path);
}

/* The lines with the CRC that each has to have. */
static void renew(struct cdc_buf *out, struct cdc_span text)
{
    static const char mark[] = ",\"c\":\"";

    while (text.n > 0) {
        const char *lf = memchr(text.p, '\n', text.n);
        size_t n = lf != NULL ? (size_t)(lf - text.p) + 1 : text.n;
        const char *end = n > 17 ? text.p + n - 17 : NULL;
        if (lf != NULL && end != NULL && memcmp(end, mark, sizeof mark - 1) == 0) {
            cdc_buf_append(out, text.p, n - 17);
            cdc_buf_printf(out, "%s%08x\"}\n", mark, log_crc32c(0, text.p, n - 17));
        } else {
            cdc_buf_append(out, text.p, n);
        }
        text = cdc_span(text.p + n, text.n - n);
    }
}

static void write_file(const char *folder, const char *name, struct cdc_span data, bool renewed)
{
    struct cdc_buf renewed_data = CDC_BUF_INIT;
    char path[160];
    size_t n = strlen(name);

    if (renewed && n > 4 && strcmp(name + n - 4, ".idx") == 0) {
        renew(&renewed_data, data);
        data = cdc_span(renewed_data.data, renewed_data.len);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || (data.n > 0 && write(fd, data.p, data.n) != (ssize_t)data.n))
        exit(1);
    close(fd);
    cdc_buf_free(&renewed_data);
}

static void make_folder(const char *folder, const char *data, size_t n, bool renewed)
{
    char name[48], header[96];

    if (mkdir(folder, 0700) != 0)
        exit(1);
    while (n > 0) {
        const char *lf = memchr(data, '\n', n < sizeof header ? n : sizeof header);
        unsigned length;
        if (lf == NULL)
            return;
        size_t of_header = (size_t)(lf - data);
        memcpy(header, data, of_header);
        header[of_header] = '\0';
        data = lf + 1;
        n -= of_header + 1;
        if (sscanf(header, "%47[a-z0-9.-] %u", name, &length) != 2 || name[0] == '.')
            return;
        size_t take = length < n ? length : n;
        write_file(folder, name, cdc_span(data, take), renewed);
        data += take;
        n -= take;
    }
}

static void wrong(const char *what, const struct cdc_error *error)
{
    fprintf(stderr, "%s: %d: %s\n", what, error->status, error->text);
    abort();
}

/* What a damaged log may end with: nothing that a supervisor would try again for ever. */
static void damaged(const struct cdc_error *error)
{
    if (error->status != CDC_EXIT_CONFIG && error->status != CDC_EXIT_LOST && error->status != CDC_EXIT_DATA)
        wrong("damage", error);
}

/* All lines up to the limit. 0 or -1 */
static int read_lines(const char *path, uint64_t *lines, struct cdc_error *error)
{
    struct log_folder folder = {.fd = -1};
    struct log_cursor cursor;
    struct cdc_span line;
    uint64_t limit, head, at;
    int got = -1;

    *lines = 0;
    if (log_folder_open(&folder, path, error) == 0 && log_folder_list(&folder, error) == 0 &&
        log_folder_limit(&folder, &limit, &head, error) == 0) {
        got = log_cursor_open(&cursor, &folder, log_folder_begin(&folder), error) == 0 ? 1 : -1;
        log_cursor_limit(&cursor, limit);
        while (got > 0 && (got = log_cursor_line(&cursor, &line, &at, error)) > 0)
            ++*lines;
        log_cursor_close(&cursor);
    }
    log_folder_close(&folder);
    return got;
}

static void read_bases(const char *path)
{
    struct log_folder folder = {.fd = -1};
    struct cdc_error error = {0};
    struct cdc_span line;

    if (log_folder_open(&folder, path, &error) == 0 && log_folder_names(&folder, &error) == 0)
        for (size_t i = 0; i < folder.n_bases; i++) {
            struct log_base_reader *reader = log_base_open(&folder, folder.bases[i], &error);
            int got = reader != NULL ? 1 : -1;
            while (got > 0)
                got = log_base_line(reader, &line, &error);
            if (got < 0)
                damaged(&error);
            log_base_close(reader);
        }
    log_folder_close(&folder);
}

/* What verify says; it and a reader agree. */
static bool is_whole(const char *path, struct cdc_error *error)
{
    struct log_verify_settings settings = {.path = path, .control = &control};
    struct cdc_buf report = CDC_BUF_INIT;
    uint64_t lines;
    bool whole = log_verify(&settings, &report, error) == 0;

    if (whole) {
        cdc_buf_byte(&report, '\0');
        const char *told = strstr(report.data, "\"lines\":");
        if (read_lines(path, &lines, error) != 0 || told == NULL || strtoull(told + 8, NULL, 10) != lines)
            wrong("what is whole", error);
    }
    cdc_buf_free(&report);
    return whole;
}

static void verify(const char *path)
{
    struct cdc_error error = {0};

    if (!is_whole(path, &error))
        damaged(&error);
}

static void repair(const char *path, const char *copy)
{
    bool proved;
    struct log_repair_settings settings = {.path = path, .to = copy, .control = &control, .proved = &proved};
    struct cdc_error error = {0};
    uint64_t lines;

    if (log_repair(&settings, &error) != 0)
        damaged(&error);
    else if (read_lines(copy, &lines, &error) != 0)
        wrong("the copy", &error);
    else if (proved && !is_whole(copy, &error) && strstr(error.text, "has no commit journal") == NULL)
        wrong("the copy", &error);
}

static void remove_work(void)
{
    (void)rmdir(work);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)argc, (void)argv;
    snprintf(work, sizeof work, "%s/fuzz-log-folder-XXXXXX", folder);
    if (mkdtemp(work) == NULL || atexit(remove_work) != 0)
        exit(1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[96], copy[96];
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    uint64_t lines;

    if (n == 0)
        return 0;
    snprintf(path, sizeof path, "%s/log", work);
    snprintf(copy, sizeof copy, "%s/copy", work);
    make_folder(path, (const char *)data + 1, n - 1, data[0] & RENEWED);
    if (log_stat(path, true, &out, &error) != 0)
        damaged(&error);
    if (read_lines(path, &lines, &error) != 0)
        damaged(&error);
    verify(path);
    read_bases(path);
    repair(path, copy);
    cdc_buf_free(&out);
    remove_folder(path);
    remove_folder(copy);
    return 0;
}
