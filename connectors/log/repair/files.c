/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/repair/internal.h"
#include <cdc/file.h>

#define COPY_SIZE ((size_t)1 << 20)
#define READERS "readers"
#define SUFFIX ".offset"

int log_repair_copy_file(struct repair *repair, const char *name, uint64_t n, unsigned mode, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_buf block = CDC_BUF_INIT;
    int from = log_file_open(&repair->from, name, O_RDONLY, &ignored), result = 0;

    if (from < 0)
        return errno == ENOENT ? 0 : log_file_error(&repair->from, "open", name, error);
    int to = log_file_open(&repair->to, name, O_WRONLY | O_CREAT | O_EXCL, error);
    if (to < 0 || !cdc_buf_room(&block, COPY_SIZE))
        result = -1;
    while (result == 0 && n > 0) {
        ssize_t got = read(from, block.data, n < COPY_SIZE ? (size_t)n : COPY_SIZE);
        if (got < 0)
            result = log_file_error(&repair->from, "read", name, error);
        if (got <= 0)
            break;
        if (cdc_file_write(to, block.data, (size_t)got) != 0)
            result = log_file_error(&repair->to, "write", name, error);
        n -= (uint64_t)got;
    }
    if (result == 0 && (fchmod(to, mode) != 0 || fsync(to) != 0))
        result = log_file_error(&repair->to, "write", name, error);
    if (to >= 0)
        close(to);
    close(from);
    cdc_buf_free(&block);
    return result;
}

int log_repair_copy_part(struct repair *repair, enum log_kind kind, uint64_t byte, uint64_t n, unsigned mode,
                         struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    return log_repair_copy_file(repair, log_name_make(name, kind, byte), n, mode, error);
}

/* The one of a reader that is ahead of the copy as well: whether it goes on, the hash chain tells. */
int log_repair_copy_readers(struct repair *repair, struct cdc_error *error)
{
    char name[NAME_MAX + sizeof READERS];
    int fd = openat(repair->from.fd, READERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const char *reader;
    int result = 0, more;

    if (dir == NULL)
        return errno == ENOENT ? 0 : log_file_error(&repair->from, "read", READERS, error);
    if (mkdirat(repair->to.fd, READERS, 0700) != 0)
        result = log_file_error(&repair->to, "make", READERS, error);
    while (result == 0 && (more = log_folder_next(&repair->from, dir, &reader, error)) != 0) {
        size_t n = more > 0 ? strlen(reader) : 0;
        result = more < 0 ? -1 : 0;
        if (n <= strlen(SUFFIX) || strcmp(reader + n - strlen(SUFFIX), SUFFIX) != 0)
            continue;
        snprintf(name, sizeof name, READERS "/%s", reader);
        result = log_repair_copy_file(repair, name, UINT64_MAX, 0600, error);
    }
    closedir(dir);
    return result;
}
