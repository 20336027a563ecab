/* SPDX-License-Identifier: MIT */
/* The files of prepared XA transactions. Each is
 *     <folder>/<hash of the id>.<number of the transaction that prepared it>
 * and, once its outcome is known, <the same>.<number of its outcome>, all of 16 hexadecimal digits. In it are
 * records of a length (u32) and bytes: events without checksum, and last the id. What is written first is called
 * "new".
 *
 * Why names have numbers: an id may be used again, and the log be read again from where it meant another
 * transaction. So an outcome belongs to the latest file before it (or of it: in one phase), and a file goes when its
 * outcome has been confirmed by all sinks. Where reading begins again, names tell nothing of what comes after: at
 * another server it may have other numbers. So files of later transactions go, and outcomes of later ones are taken
 * back (my_xa_start). */
#include "connectors/mysql/decoder/xa.h"

#include <cdc/bytes.h>
#include <cdc/file.h>
#include <cdc/hash.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX ((uint32_t)1 << 30)
#define WRITE_BYTES ((size_t)64 << 10)

enum { NAME_SIZE = 3 * 17 };

/* What a name says. */
struct file_name {
    uint64_t hash, prepared, outcome; /* outcome: 0 where it is not known */
};

struct my_xa {
    char *folder;
    int fd;             /* of the transaction being written; -1 */
    struct cdc_buf out; /* not written yet */
    FILE *in;           /* of the one being read; NULL */
    struct cdc_buf record;
    uint64_t first_outcome; /* of the files that are there, the least; 0: they were not looked at */
};

struct my_xa *my_xa_new(const char *folder, struct cdc_error *error)
{
    struct my_xa *xa = calloc(1, sizeof *xa);
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

void my_xa_free(struct my_xa *xa)
{
    if (!xa)
        return;
    my_xa_abandon(xa);
    free(xa->folder);
    cdc_buf_free(&xa->out);
    cdc_buf_free(&xa->record);
    free(xa);
}

void my_xa_abandon(struct my_xa *xa)
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
    return cdc_error_set(error, cdc_file_exit(errno), "unable to %s file %s: %s", what, path, strerror(errno));
}

/* folder/name; RETURNS NEW. */
static char *path_of(const struct my_xa *xa, const char *name, struct cdc_error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", xa->folder, name) >= 0)
        return path;
    cdc_error_memory(error);
    return NULL;
}

static uint64_t hash_of(struct cdc_span xid)
{
    return cdc_hash_span(CDC_HASH_INIT, xid);
}

static void put_name(char text[NAME_SIZE], const struct file_name *name)
{
    int n = snprintf(text, NAME_SIZE, "%016llx.%016llx", (unsigned long long)name->hash,
                     (unsigned long long)name->prepared);
    if (name->outcome)
        snprintf(text + n, NAME_SIZE - (size_t)n, ".%016llx", (unsigned long long)name->outcome);
}

/* False when it is the name of no file of ours. */
static bool read_name(const char *text, struct file_name *name)
{
    char again[NAME_SIZE];
    size_t n = strlen(text);
    if (n != 33 && n != 50)
        return false;
    name->hash = strtoull(text, NULL, 16);
    name->prepared = strtoull(text + 17, NULL, 16);
    name->outcome = n == 50 ? strtoull(text + 34, NULL, 16) : 0;
    put_name(again, name);
    return strcmp(text, again) == 0;
}

/* The next file of the folder: 1; 0: there are no more; -1 with errno: there may be. */
static int next_file(DIR *folder, struct file_name *name)
{
    for (struct dirent *entry; (errno = 0, entry = readdir(folder)) != NULL;)
        if (read_name(entry->d_name, name))
            return 1;
    return errno != 0 ? -1 : 0;
}

/* -- writing ------------------------------------------------------------------------------ */

static int write_out(struct my_xa *xa, struct cdc_error *error)
{
    if (cdc_file_write(xa->fd, xa->out.data, xa->out.len) < 0)
        return io_error("write", xa->folder, error);
    xa->out.len = 0;
    return 0;
}

static int put_record(struct my_xa *xa, const void *data, size_t n, struct cdc_error *error)
{
    uint32_t length = (uint32_t)n;
    cdc_buf_append(&xa->out, &length, sizeof length);
    cdc_buf_append(&xa->out, data, n);
    if (xa->out.failed)
        return cdc_error_memory(error);
    return xa->out.len >= WRITE_BYTES ? write_out(xa, error) : 0;
}

int my_xa_begin(struct my_xa *xa, struct cdc_error *error)
{
    my_xa_abandon(xa);
    if (mkdir(xa->folder, 0700) != 0 && errno != EEXIST)
        return io_error("make", xa->folder, error);
    char *path = path_of(xa, "new", error);
    if (!path)
        return -1;
    xa->fd = cdc_file_create(path, 0600);
    int result = xa->fd >= 0 ? 0 : io_error("create", path, error);
    free(path);
    return result;
}

bool my_xa_is_open(const struct my_xa *xa)
{
    return xa->fd >= 0;
}

int my_xa_add(struct my_xa *xa, const struct my_event_header *header, struct cdc_bytes body, struct cdc_error *error)
{
    uint8_t head[MY_EVENT_HEADER_SIZE] = {0};
    size_t n = cdc_bytes_left(&body), size = n + sizeof head;
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

static int sync_folder(const struct my_xa *xa, struct cdc_error *error)
{
    int fd = open(xa->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 && fsync(fd) == 0 ? 0 : io_error("sync", xa->folder, error);
    if (fd >= 0)
        close(fd);
    return result;
}

/* The id comes last, when the file is complete: it is the record that makes it one. */
int my_xa_prepare(struct my_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error)
{
    char name[NAME_SIZE];
    put_name(name, &(struct file_name){hash_of(xid), number, 0});
    char *from = path_of(xa, "new", error), *to = path_of(xa, name, error);
    int result = from && to ? 0 : -1;
    if (result == 0)
        result = put_record(xa, xid.p, xid.n, error) < 0 || write_out(xa, error) < 0 ? -1 : 0;
    if (result == 0 && (fsync(xa->fd) != 0 || rename(from, to) != 0))
        result = io_error("store", to, error);
    if (result == 0)
        result = sync_folder(xa, error);
    my_xa_abandon(xa);
    free(from);
    free(to);
    return result;
}

/* -- reading -------------------------------------------------------------------------------- */

/* The latest of that hash that was prepared by `number` or before: 1, 0 when there is none, or -1. */
static int find_latest(const struct my_xa *xa, uint64_t hash, uint64_t number, struct file_name *latest,
                       struct cdc_error *error)
{
    struct file_name name;
    DIR *folder = opendir(xa->folder);
    int found = 0, more;
    if (!folder)
        return errno == ENOENT ? 0 : io_error("open", xa->folder, error);
    while ((more = next_file(folder, &name)) > 0)
        if (name.hash == hash && name.prepared <= number &&
            (!found || name.prepared > latest->prepared ||
             (name.prepared == latest->prepared &&
              !name.outcome))) { /* read again: it takes the place of the old one */
            *latest = name;
            found = 1;
        }
    if (more < 0) /* its rows would be those of no transaction */
        found = io_error("list", xa->folder, error);
    closedir(folder);
    return found;
}

int my_xa_open(struct my_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error)
{
    struct file_name latest;
    char name[NAME_SIZE];
    my_xa_abandon(xa);
    int found = find_latest(xa, hash_of(xid), number, &latest, error);
    if (found <= 0)
        return found;
    put_name(name, &latest);
    char *path = path_of(xa, name, error);
    if (!path)
        return -1;
    int fd = cdc_file_open(path, O_RDONLY, 0, "file of a prepared transaction", error);
    xa->in = fd >= 0 ? fdopen(fd, "r") : NULL;
    int result = xa->in ? 1 : fd >= 0 ? io_error("open", path, error) : -1;
    free(path);
    return result;
}

static int damaged(const struct my_xa *xa, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a file of a prepared transaction in %s is damaged", xa->folder);
}

int my_xa_next(struct my_xa *xa, const uint8_t **data, size_t *n, struct cdc_error *error)
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

/* Its name tells the outcome from now on, so that it goes also when that is confirmed after a restart. */
int my_xa_finish(struct my_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error)
{
    struct file_name latest;
    char from[NAME_SIZE], to[NAME_SIZE];
    int found = find_latest(xa, hash_of(xid), number, &latest, error);
    if (found <= 0 || latest.outcome)
        return found < 0 ? -1 : 0;
    put_name(from, &latest);
    latest.outcome = number;
    put_name(to, &latest);
    int folder = open(xa->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = folder >= 0 && renameat(folder, from, folder, to) == 0 ? 0 : io_error("rename in", xa->folder, error);
    if (folder >= 0)
        close(folder);
    if (number < xa->first_outcome)
        xa->first_outcome = number;
    return result;
}

void my_xa_confirm(struct my_xa *xa, uint64_t number)
{
    struct file_name name;
    char text[NAME_SIZE];
    if (number < xa->first_outcome)
        return;
    xa->first_outcome = UINT64_MAX;
    DIR *folder = opendir(xa->folder);
    if (!folder)
        return;
    int more;
    while ((more = next_file(folder, &name)) > 0) {
        put_name(text, &name);
        if (name.outcome && name.outcome <= number)
            (void)unlinkat(dirfd(folder), text, 0);
        else if (name.outcome && name.outcome < xa->first_outcome)
            xa->first_outcome = name.outcome;
    }
    if (more < 0) /* there may be others: it is looked again the next time */
        xa->first_outcome = 0;
    closedir(folder);
}

/* -- reading again ------------------------------------------------------------------------------ */

static int forget_later(int folder, const struct file_name *name, uint64_t number)
{
    char from[NAME_SIZE], to[NAME_SIZE];
    put_name(from, name);
    put_name(to, &(struct file_name){name->hash, name->prepared, 0});
    if (name->prepared > number)
        return unlinkat(folder, from, 0);
    return name->outcome > number ? renameat(folder, from, folder, to) : 0;
}

int my_xa_start(struct my_xa *xa, uint64_t number, struct cdc_error *error)
{
    struct file_name name;
    int result = 0, more;
    my_xa_abandon(xa);
    DIR *folder = opendir(xa->folder);
    if (!folder)
        return errno == ENOENT ? 0 : io_error("open", xa->folder, error);
    while (result == 0 && (more = next_file(folder, &name)) != 0)
        if (more < 0)
            result = io_error("list", xa->folder, error);
        else if (forget_later(dirfd(folder), &name, number) != 0 && errno != ENOENT)
            result = io_error("rename in", xa->folder, error);
    closedir(folder);
    return result;
}
