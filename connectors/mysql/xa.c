/* SPDX-License-Identifier: MIT */
/* XA transactions: the log has their rows when they are prepared, and only later, maybe after days and restarts, whether
 * they were committed. Until then their events wait in a file each, <folder>/<hash of the id>: records of a length (u32)
 * and bytes, the first one the id, the others events without checksum. A file goes when its outcome has been confirmed, so
 * that a log that is read again finds it. */
#include "connectors/mysql/xa.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX ((uint32_t)1 << 30)
#define WRITE_BYTES ((size_t)64 << 10)

struct binlog_xa_done {
    char name[17];
    uint64_t number;
};

struct binlog_xa {
    char *folder;
    int fd;             /* of the transaction being written; -1 */
    struct cdc_buf out; /* not written yet */
    FILE *in;           /* of the one being read; NULL */
    struct cdc_buf record;
    struct binlog_xa_done *done; /* outcomes that are not confirmed */
    size_t n_done;
};

struct binlog_xa *binlog_xa_new(const char *folder, struct cdc_error *error)
{
    struct binlog_xa *xa = calloc(1, sizeof *xa);
    char *copy = xa ? strdup(folder) : NULL;
    if (!copy) {
        free(xa);
        cdc_error_memory(error);
        return NULL;
    }
    xa->folder = copy;
    xa->fd = -1;
    return xa;
}

void binlog_xa_free(struct binlog_xa *xa)
{
    if (!xa)
        return;
    binlog_xa_abandon(xa);
    free(xa->folder);
    free(xa->done);
    cdc_buf_free(&xa->out);
    cdc_buf_free(&xa->record);
    free(xa);
}

void binlog_xa_abandon(struct binlog_xa *xa)
{
    if (xa->fd >= 0)
        close(xa->fd);
    if (xa->in)
        fclose(xa->in);
    xa->fd = -1;
    xa->in = NULL;
    xa->out.len = 0;
}

static int io_error(const char *what, const char *path, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_IO, "unable to %s file %s: %s", what, path, strerror(errno));
}

/* folder/name; RETURNS NEW. */
static char *path_of(const struct binlog_xa *xa, const char *name, struct cdc_error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", xa->folder, name) >= 0)
        return path;
    cdc_error_memory(error);
    return NULL;
}

static void name_of(struct cdc_span xid, char name[17])
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < xid.n; i++)
        hash = (hash ^ (unsigned char)xid.p[i]) * UINT64_C(1099511628211);
    snprintf(name, 17, "%016llx", (unsigned long long)hash);
}

/* -- writing ------------------------------------------------------------------------------ */

static int write_out(struct binlog_xa *xa, struct cdc_error *error)
{
    for (size_t at = 0; at < xa->out.len;) {
        ssize_t n = write(xa->fd, xa->out.data + at, xa->out.len - at);
        if (n < 0 && errno != EINTR)
            return io_error("write", xa->folder, error);
        at += n > 0 ? (size_t)n : 0;
    }
    xa->out.len = 0;
    return 0;
}

static int put_record(struct binlog_xa *xa, const void *data, size_t n, struct cdc_error *error)
{
    uint32_t length = (uint32_t)n;
    cdc_buf_append(&xa->out, &length, sizeof length);
    cdc_buf_append(&xa->out, data, n);
    if (xa->out.failed)
        return cdc_error_memory(error);
    return xa->out.len >= WRITE_BYTES ? write_out(xa, error) : 0;
}

int binlog_xa_begin(struct binlog_xa *xa, struct cdc_error *error)
{
    binlog_xa_abandon(xa);
    if (mkdir(xa->folder, 0700) != 0 && errno != EEXIST)
        return io_error("make", xa->folder, error);
    char *path = path_of(xa, "new", error);
    if (!path)
        return -1;
    xa->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int result = xa->fd >= 0 ? 0 : io_error("create", path, error);
    free(path);
    return result;
}

bool binlog_xa_is_open(const struct binlog_xa *xa)
{
    return xa->fd >= 0;
}

int binlog_xa_add(struct binlog_xa *xa, const struct binlog_header *header, struct binlog_reader body,
                  struct cdc_error *error)
{
    uint8_t head[BINLOG_HEADER_SIZE] = {0};
    size_t n = binlog_left(&body), size = n + sizeof head;
    uint32_t length = (uint32_t)size;
    head[4] = header->type;
    for (int i = 0; i < 4; i++)
        head[9 + i] = (uint8_t)(size >> (8 * i));
    cdc_buf_append(&xa->out, &length, sizeof length);
    cdc_buf_append(&xa->out, head, sizeof head);
    cdc_buf_append(&xa->out, body.p, n);
    if (xa->out.failed)
        return cdc_error_memory(error);
    return xa->out.len >= WRITE_BYTES ? write_out(xa, error) : 0;
}

static int sync_folder(const struct binlog_xa *xa, struct cdc_error *error)
{
    int fd = open(xa->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 && fsync(fd) == 0 ? 0 : io_error("sync", xa->folder, error);
    if (fd >= 0)
        close(fd);
    return result;
}

/* The id comes last, when the file is complete: it is the record that makes it one. */
int binlog_xa_prepare(struct binlog_xa *xa, struct cdc_span xid, struct cdc_error *error)
{
    char name[17];
    name_of(xid, name);
    char *from = path_of(xa, "new", error), *to = path_of(xa, name, error);
    int result = from && to ? 0 : -1;
    if (result == 0)
        result = put_record(xa, xid.p, xid.n, error) < 0 || write_out(xa, error) < 0 ? -1 : 0;
    if (result == 0 && (fsync(xa->fd) != 0 || rename(from, to) != 0))
        result = io_error("store", to, error);
    if (result == 0)
        result = sync_folder(xa, error);
    binlog_xa_abandon(xa);
    free(from);
    free(to);
    return result;
}

/* -- reading -------------------------------------------------------------------------------- */

int binlog_xa_open(struct binlog_xa *xa, struct cdc_span xid, struct cdc_error *error)
{
    char name[17];
    name_of(xid, name);
    char *path = path_of(xa, name, error);
    if (!path)
        return -1;
    binlog_xa_abandon(xa);
    xa->in = fopen(path, "re");
    int result = xa->in ? 1 : errno == ENOENT ? 0 : io_error("open", path, error);
    free(path);
    return result;
}

static int damaged(const struct binlog_xa *xa, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a file of a prepared transaction in %s is damaged", xa->folder);
}

int binlog_xa_next(struct binlog_xa *xa, const uint8_t **data, size_t *n, struct cdc_error *error)
{
    uint32_t length;
    size_t got = fread(&length, 1, sizeof length, xa->in);
    if (got != sizeof length || length > RECORD_MAX)
        return damaged(xa, error);
    xa->record.len = 0;
    if (!cdc_buf_room(&xa->record, length ? length : 1))
        return cdc_error_memory(error);
    if (fread(xa->record.data, 1, length, xa->in) != length)
        return damaged(xa, error);
    xa->record.len = length;
    int next = getc(xa->in);
    if (next != EOF)
        ungetc(next, xa->in);
    *data = (const uint8_t *)xa->record.data;
    *n = length;
    return next == EOF ? 0 : 1;
}

/* -- the end --------------------------------------------------------------------------------- */

int binlog_xa_finish(struct binlog_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error)
{
    struct binlog_xa_done *done = realloc(xa->done, (xa->n_done + 1) * sizeof *done);
    if (!done)
        return cdc_error_memory(error);
    xa->done = done;
    name_of(xid, done[xa->n_done].name);
    done[xa->n_done++].number = number;
    return 0;
}

void binlog_xa_confirm(struct binlog_xa *xa, uint64_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < xa->n_done; i++) {
        if (xa->done[i].number > number) {
            xa->done[kept++] = xa->done[i];
            continue;
        }
        char *path = path_of(xa, xa->done[i].name, NULL);
        if (path)
            unlink(path);
        free(path);
    }
    xa->n_done = kept;
}
