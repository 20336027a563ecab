/* SPDX-License-Identifier: MIT */
/* How far a log may be read. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "connectors/log/file/batches.h"

#define LOOKS 100

/* What a writer that died has not synced: as valid as the rest, and durable from now on. But where a sync has failed before, of that
 * writer or another reader, the kernel has told it once, and takes what is in its cache alone for written: so the cache lets go of it,
 * and what is read next is what the disk has. */
static int sync_tail(struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    static const enum log_kind kinds[] = {LOG_PLAIN, LOG_SALTS, LOG_INDEX};

    for (size_t i = 0; i < 3; i++) {
        struct cdc_error ignored = {0};
        char name[LOG_NAME_SIZE];
        int fd = log_file_open(folder, log_name_make(name, kinds[i], start), O_RDONLY, &ignored);
        if (fd < 0 && errno == ENOENT)
            continue; /* sealed and compressed meanwhile: then it was synced; or a log without salts */
        if (fd < 0)
            return log_file_error(folder, "open", name, error);
        int result = fsync(fd) == 0 ? 0 : log_file_error(folder, "sync", name, error);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
        if (result != 0)
            return -1;
    }
    return log_folder_sync(folder, error);
}

/* 1; 0: there is none, or no journal; -1: nobody knows, and the log would seem to end before it. */
static int last_commit(const struct log_folder *folder, uint64_t start, struct cdc_buf *text, struct log_commit *last,
                       struct cdc_error *error)
{
    struct cdc_error why = {0};
    int found = log_index_last(folder, start, text, last, &why);

    if (found >= 0 || errno == ENOENT)
        return found > 0;
    if (error != NULL)
        *error = why;
    return -1;
}

/* The end of the journal of the newest segment: another one may have been begun since the folder was listed. 1; 0: there is none; -1. */
static int newest(struct log_folder *folder, uint64_t *start, struct log_commit *last, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    char name[LOG_NAME_SIZE];
    int found = 0;

    for (int look = 0; look < 2; look++) {
        if (look > 0 && log_folder_list(folder, error) != 0)
            found = -1;
        if (found < 0 || folder->n == 0)
            continue;
        *start = folder->segments[folder->n - 1].start;
        *last = (struct log_commit){.kind = LOG_SEGMENT_LINE, .end = *start};
        found = last_commit(folder, *start, &text, last, error);
        if (found < 0)
            break;
        bool more = found == 0 || (last->kind == LOG_SEAL_LINE &&
                                   faccessat(folder->fd, log_name_make(name, LOG_INDEX, last->end), F_OK, 0) == 0);
        if (!more)
            break;
    }
    cdc_buf_free(&text);
    return found < 0 ? -1 : folder->n > 0;
}

/* Two looks must find the same end torn: lines that are purged are replaced one file after the other. 1; 0: look again; -1. */
static int whole_end(const struct log_folder *folder, uint64_t start, uint64_t head, uint64_t *end,
                     struct cdc_error *error)
{
    uint64_t before = 0;
    bool torn = true, was_torn = false;

    for (int look = 0; look < 2 && torn; look++) {
        struct cdc_error why = {0};
        before = *end;
        was_torn = look > 0;
        if (log_batches_end(folder, start, head, end, &torn, &why) == 0)
            continue;
        if (errno == ENOENT)
            return 0;
        if (error != NULL)
            *error = why;
        return -1;
    }
    return !torn || (was_torn && before == *end);
}

/* What is whole, and durable from now on. 1; 0: look again; -1. */
static int durable_end(struct log_folder *folder, uint64_t head, uint64_t *end, struct cdc_error *error)
{
    struct log_commit last;
    /* After a sync has failed, or without syncs, head says nothing of what is on the disk. */
    uint64_t start = 0, trusted = log_head_is_doubted(folder) ? 0 : head;
    uint64_t known = trusted > folder->synced ? trusted : folder->synced;
    int found = newest(folder, &start, &last, error);

    *end = found > 0 ? last.end : 0;
    if (found <= 0 || last.end == start || last.end <= known)
        return found < 0 ? -1 : 1;
    if (last.kind != LOG_SEAL_LINE)
        found = whole_end(folder, start, known, end, error);
    if (found != 1 || *end <= known)
        return found;
    if (sync_tail(folder, start, error) != 0)
        return -1;
    if (last.kind != LOG_SEAL_LINE)
        found = whole_end(folder, start, known, end, error);
    if (found == 1)
        folder->synced = *end;
    return found;
}

/* head is read before the lock is asked: a writer that ends between the two has moved it on, and no further. One that has come meanwhile
 * may cut off what nobody has synced. */
int log_folder_limit(struct log_folder *folder, uint64_t *limit, uint64_t *head, struct cdc_error *error)
{
    for (int look = 1;; look++) {
        int found = log_head_read(folder, head, error);
        int held = found >= 0 ? log_lock_is_held(folder, LOG_LOCK_APPEND, error) : -1;
        if (held < 0)
            return -1;
        folder->written = held;
        *limit = *head; /* none: a new log, of which nothing is durable yet */
        if (held)
            return 0;
        found = durable_end(folder, *head, limit, error);
        if (found < 0)
            return -1;
        held = log_lock_is_held(folder, LOG_LOCK_APPEND, error);
        if (held < 0 || (!held && (found == 1 || look == LOOKS)))
            return held < 0 ? -1 : 0;
    }
}
