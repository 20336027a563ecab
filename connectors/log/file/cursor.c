/* SPDX-License-Identifier: MIT */
/* Reads a log forward. A segment may change its form at any time:
 *
 *   NAME.ndjson is there        read through its descriptor, also after it was removed
 *   NAME.ndjson.zst instead     it was compressed meanwhile
 *   NAME.idx is another file    it was thinned when it was sealed, or rewritten by a purge: the batches have other bounds, and the one
 *                               that we are in is read from its begin again, as its CRC is of the whole */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/cursor.h"
#include "connectors/log/file/frames.h"

#define FIT_TRIES 1000
#define FIT_PAUSE_NS 10000000L

static void close_data(struct log_cursor *cursor)
{
    if (cursor->fd >= 0)
        close(cursor->fd);
    cursor->fd = -1;
    log_unpacker_free(cursor->unpacker);
    cursor->unpacker = NULL;
}

static void close_segment(struct log_cursor *cursor)
{
    close_data(cursor);
    log_index_close(&cursor->index);
    cursor->has_batch = cursor->sealed_seen = false;
}

void log_cursor_close(struct log_cursor *cursor)
{
    close_segment(cursor);
    cdc_buf_free(&cursor->lines);
}

void log_cursor_limit(struct log_cursor *cursor, uint64_t limit)
{
    if (cursor->limit != limit && !cursor->has_batch)
        log_index_forget(&cursor->index);
    cursor->limit = limit;
}

/* -- errors -------------------------------------------------------------------- */

static int gone(const struct log_cursor *cursor, struct cdc_error *error)
{
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_LOST,
                  "byte %" PRIu64 " of the log \"%s\" was removed by retention: it begins at %" PRIu64, cursor->at,
                  cursor->folder->path, log_folder_begin(cursor->folder));
    return cdc_error_hint(error,
                          "begin anew with --from=base, which has the newest line of each row; a registered reader "
                          "(--reader) is waited for");
}

static int damaged(const struct log_cursor *cursor, const char *why, struct cdc_error *error)
{
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_CONFIG, "the log \"%s\" is damaged: %s, at byte %" PRIu64 " (segment %020" PRIu64 ")",
                  cursor->folder->path, why, cursor->batch_begin, cursor->segment);
    return cdc_error_hint(
        error, "restore the segment from a copy; \"cdc-log repair\" writes what is good before it into a new folder");
}

/* -- files --------------------------------------------------------------------- */

/* Opens the lines of the segment, in whatever form. 0, or -1 with errno. */
static int open_data(struct log_cursor *cursor, struct cdc_error *error)
{
    struct cdc_error why = {0};

    /* Compressed between the two looks, it has the second form; the other way round does not happen. */
    int fd = log_part_open(cursor->folder, LOG_PLAIN, cursor->segment, O_RDONLY, &why);
    if (fd >= 0) {
        cursor->fd = fd;
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return 0;
    }
    if (errno == ENOENT) {
        cdc_error_clear(&why);
        fd = log_part_open(cursor->folder, LOG_PACKED, cursor->segment, O_RDONLY, &why);
    }
    if (fd < 0) {
        int number = errno;
        if (error != NULL)
            *error = why;
        errno = number;
        return -1;
    }
    cursor->unpacker = cursor->without_table ? log_unpacker_new_without_table(fd, error) : log_unpacker_new(fd, error);
    errno = EINVAL;
    return cursor->unpacker != NULL ? 0 : -1;
}

/* Up to n bytes of the segment from that logical byte on: as many as are there. -1 */
static ssize_t read_data(struct log_cursor *cursor, void *data, size_t n, uint64_t at, struct cdc_error *error)
{
    if (cursor->unpacker != NULL)
        return log_unpacker_read(cursor->unpacker, data, n, error);
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(cursor->fd, (char *)data + done, n - done, (off_t)(at - cursor->segment + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read segment %020" PRIu64 " of \"%s\": %s",
                                 cursor->segment, cursor->folder->path, strerror(errno));
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* The CRC of the part of the batch that was given before. 0 or -1. */
static int skip_to_place(struct log_cursor *cursor, struct cdc_error *error)
{
    char block[16384];
    uint64_t at = cursor->batch_begin;

    if (cursor->unpacker != NULL && log_unpacker_seek(cursor->unpacker, at - cursor->segment, error) != 0)
        return -1;
    cursor->crc = 0;
    while (at < cursor->at) {
        size_t n = cursor->at - at < sizeof block ? (size_t)(cursor->at - at) : sizeof block;
        ssize_t got = read_data(cursor, block, n, at, error);
        if (got < 0)
            return -1;
        if ((size_t)got < n)
            return damaged(cursor, "its lines end too early", error);
        cursor->crc = log_crc32c(cursor->crc, block, n);
        at += n;
    }
    return 0;
}

/* -- segments ------------------------------------------------------------------ */

/* The segment is not there. 1: the place is in another one, which is; 0: not yet; -1: it never will be. */
static int not_there(struct log_cursor *cursor, struct cdc_error *error)
{
    if (log_folder_list(cursor->folder, error) != 0)
        return -1;
    if (cursor->at < log_folder_begin(cursor->folder))
        return gone(cursor, error);
    const struct log_segment *segment = log_folder_find(cursor->folder, cursor->at);
    if (segment == NULL && log_folder_end(cursor->folder) != cursor->at) {
        cursor->batch_begin = cursor->at;
        return damaged(cursor, "a segment is missing", error);
    }
    /* The end of a closed segment whose successor a crash has left to the next start. */
    bool at_end = segment != NULL && segment->start < cursor->at && segment->end == cursor->at;
    if (segment == NULL || segment->start == cursor->segment || at_end)
        return 0;
    cursor->segment = segment->start;
    return 1;
}

/* 1: it is open, or another one is to be opened; 0: it is not there yet; -1. */
static int open_segment(struct log_cursor *cursor, uint64_t start, struct cdc_error *error)
{
    struct cdc_error why = {0};

    close_segment(cursor);
    cursor->segment = cursor->batch_begin = start;
    if (log_index_open(&cursor->index, cursor->folder, LOG_INDEX, start, &why) == 0)
        return 1;
    if (errno == ENOENT)
        return not_there(cursor, error);
    if (error != NULL)
        *error = why;
    return -1;
}

/* The lines of the segment, once there is a batch of them. 0 or -1. */
static int enter_batch(struct log_cursor *cursor, struct cdc_error *error)
{
    bool opened = cursor->fd < 0 && cursor->unpacker == NULL;

    if (opened && open_data(cursor, error) != 0) {
        if (errno != ENOENT)
            return -1;
        return not_there(cursor, error) < 0 ? -1 : damaged(cursor, "the lines of a segment are missing", error);
    }
    if (opened || cursor->batch_begin < cursor->at)
        return skip_to_place(cursor, error);
    cursor->crc = 0;
    return 0;
}

/* The journal was read to its end. 1: look again; 0: nothing more is there now; -1. */
static int at_index_end(struct log_cursor *cursor, struct cdc_error *error)
{
    if (cursor->sealed_seen)
        return open_segment(cursor, cursor->at, error);
    if (!log_index_is_replaced(&cursor->index, cursor->folder))
        return 0;
    return open_segment(cursor, cursor->segment, error);
}

static int take_seal(struct log_cursor *cursor, struct cdc_error *error)
{
    cursor->sealed_seen = true;
    return cursor->commit.end == cursor->at ? 0 : damaged(cursor, "its journal does not reach its end", error);
}

/* Finds the batch that `at` is in. 1, 0: none yet, -1. */
static int next_batch(struct log_cursor *cursor, struct cdc_error *error)
{
    for (;;) {
        int found = cursor->index.fd < 0 ? open_segment(cursor, cursor->segment, error) : 1;
        if (found <= 0)
            return found;
        if (cursor->index.fd < 0)
            continue;
        found = cursor->sealed_seen ? 0 : log_index_next(&cursor->index, &cursor->commit, error);
        if (found == 0)
            found = at_index_end(cursor, error);
        else if (found == 1 && cursor->commit.kind == LOG_SEAL_LINE && take_seal(cursor, error) != 0)
            return -1;
        else if (found == 1 && cursor->commit.kind == LOG_COMMIT_LINE && cursor->commit.end > cursor->at)
            return 1;
        else if (found == 1 && cursor->commit.kind == LOG_COMMIT_LINE)
            cursor->batch_begin = cursor->commit.end;
        if (found <= 0)
            return found;
    }
}

void log_cursor_open_segment(struct log_cursor *cursor, struct log_folder *folder, uint64_t start)
{
    *cursor = (struct log_cursor){
        .folder = folder, .at = start, .segment = start, .limit = UINT64_MAX, .fd = -1, .index = {.fd = -1}};
}

int log_cursor_open(struct log_cursor *cursor, struct log_folder *folder, uint64_t at, struct cdc_error *error)
{
    log_cursor_open_segment(cursor, folder, at);
    if (folder->n == 0 && at == 0)
        return 0;
    if (at < log_folder_begin(folder))
        return gone(cursor, error);
    const struct log_segment *segment = log_folder_find(folder, at);
    if (segment == NULL)
        return cdc_error_set(error, CDC_EXIT_LOST,
                             "byte %" PRIu64 " is after the end of the log \"%s\", which is %" PRIu64, at, folder->path,
                             log_folder_end(folder));
    cursor->segment = segment->start;
    return 0;
}

/* -- reading ------------------------------------------------------------------- */

/* Of a segment that a purge rewrites, journal and lines are replaced one after the other: between the two they do not fit. */
static bool may_fit_later(struct log_cursor *cursor)
{
    bool maintained = log_lock_is_held(cursor->folder, LOG_LOCK_MAINTAIN, NULL) == 1;

    if (cursor->tries++ >= (maintained ? FIT_TRIES : 1))
        return false;
    nanosleep(&(struct timespec){.tv_nsec = FIT_PAUSE_NS}, NULL);
    close_segment(cursor);
    return true;
}

/* A batch to read from. 1, 0: none yet, -1. */
static int begin_batch(struct log_cursor *cursor, struct cdc_error *error)
{
    int found = next_batch(cursor, error);

    if (found <= 0)
        return found;
    if (cursor->commit.end > cursor->limit) {
        log_index_unread(&cursor->index);
        return 0;
    }
    if (enter_batch(cursor, error) != 0)
        return -1;
    cursor->has_batch = true;
    return 1;
}

/* What comes next of the batch. 1; 0: its lines are not those that the journal has the CRC of; -1. */
static int read_batch(struct log_cursor *cursor, struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t left = cursor->commit.end - cursor->at;
    size_t n = left < LOG_BLOCK ? (size_t)left : LOG_BLOCK;

    if (!cdc_buf_room(out, n))
        return cdc_error_memory(error);
    ssize_t got = read_data(cursor, out->data + out->len, n, cursor->at, error);
    if (got < 0)
        return -1;
    if ((size_t)got < n)
        return damaged(cursor, "its lines end too early", error);
    cursor->crc = log_crc32c(cursor->crc, out->data + out->len, n);
    if (n == left && !log_commit_crc_is(&cursor->commit, cursor->crc))
        return 0;
    out->len += n;
    cursor->at += n;
    cursor->ended_batch = n == left;
    return 1;
}

int log_cursor_read(struct log_cursor *cursor, struct cdc_buf *out, struct cdc_error *error)
{
    cursor->ended_batch = false;
    for (;;) {
        int got = cursor->has_batch ? 1 : begin_batch(cursor, error);
        if (got <= 0)
            return got;
        got = read_batch(cursor, out, error);
        if (got < 0)
            return -1;
        if (got > 0)
            break;
        if (!may_fit_later(cursor))
            return damaged(cursor, "the lines are not those that its journal has the CRC of", error);
    }
    if (cursor->ended_batch) {
        cursor->has_batch = false;
        cursor->batch_begin = cursor->at;
        cursor->tries = 0;
    }
    return 1;
}

int log_cursor_line(struct log_cursor *cursor, struct cdc_span *line, uint64_t *at, struct cdc_error *error)
{
    struct cdc_buf *lines = &cursor->lines;
    size_t looked = cursor->line_at;

    for (;;) {
        const char *p = lines->data;
        const char *end = lines->len > looked ? memchr(p + looked, '\n', lines->len - looked) : NULL;
        if (end != NULL) {
            *line = cdc_span(p + cursor->line_at, (size_t)(end - p) - cursor->line_at);
            *at = cursor->at - (lines->len - cursor->line_at);
            cursor->line_at = (size_t)(end - p) + 1;
            return 1;
        }
        looked = lines->len - cursor->line_at;
        if (cursor->line_at > 0 && looked > 0)
            memmove(lines->data, lines->data + cursor->line_at, looked);
        lines->len = looked;
        cursor->line_at = 0;
        int more = log_cursor_read(cursor, lines, error);
        if (more <= 0)
            return more;
    }
}
