/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/repair/internal.h"
#include <cdc/file.h>

#define COPY_SIZE ((size_t)1 << 20)

int log_repair_copy_file_after(struct repair *repair, const char *name, struct cdc_span first, uint64_t skip,
                               uint64_t n, unsigned mode, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_buf block = CDC_BUF_INIT;
    int from = log_file_open(&repair->from, name, O_RDONLY, &ignored), result = 0;

    if (from < 0)
        return errno == ENOENT ? 0 : log_file_error(&repair->from, "open", name, error);
    int to = log_file_open(&repair->to, name, O_WRONLY | O_CREAT | O_EXCL, error);
    if (to < 0 || !cdc_buf_room(&block, COPY_SIZE))
        result = -1;
    if (result == 0 && (lseek(from, (off_t)skip, SEEK_SET) < 0 || cdc_file_write(to, first.p, first.n) != 0))
        result = log_file_error(&repair->to, "write", name, error);
    n -= skip < n ? skip : n;
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

int log_repair_copy_file(struct repair *repair, const char *name, uint64_t n, unsigned mode, struct cdc_error *error)
{
    return log_repair_copy_file_after(repair, name, cdc_span("", 0), 0, n, mode, error);
}

int log_repair_copy_part(struct repair *repair, enum log_kind kind, uint64_t byte, uint64_t n, unsigned mode,
                         struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    return log_repair_copy_file(repair, log_name_make(name, kind, byte), n, mode, error);
}
