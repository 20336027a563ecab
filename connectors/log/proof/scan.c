/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/proof/scan.h"

/* -- bytes ------------------------------------------------------------------------------ */

int log_content_open(struct log_content *content, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                     struct cdc_error *error)
{
    int fd = log_part_open(folder, kind, start, O_RDONLY, error);

    *content = (struct log_content){.fd = -1};
    if (fd < 0)
        return -1;
    if (kind == LOG_PLAIN) {
        content->fd = fd;
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return 0;
    }
    content->unpacker = log_unpacker_new(fd, error);
    errno = content->unpacker == NULL ? EIO : errno; /* whatever it is, the file is there */
    return content->unpacker == NULL ? -1 : 0;
}

void log_content_close(struct log_content *content)
{
    log_unpacker_free(content->unpacker);
    if (content->fd >= 0)
        close(content->fd);
    *content = (struct log_content){.fd = -1};
}

ssize_t log_content_read(struct log_content *content, void *data, size_t n, struct cdc_error *error)
{
    size_t done = 0;

    if (content->unpacker != NULL)
        return log_unpacker_read(content->unpacker, data, n, error);
    while (done < n) {
        ssize_t got = read(content->fd, (char *)data + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read: %s", strerror(errno));
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* -- a segment -------------------------------------------------------------------------- */

int log_scan_error(const struct log_scan *scan, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];

    if (scan->begin < scan->commit.end)
        cdc_error_prefix(error, "bytes %" PRIu64 " to %" PRIu64, scan->begin, scan->commit.end);
    return cdc_error_prefix(error, "segment %s", log_name_make(name, scan->kind, scan->start));
}

static int bad(const struct log_scan *scan, struct cdc_error *error, const char *what)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s", what);
    return log_scan_error(scan, error);
}

static int read_head(struct log_scan *scan, struct cdc_error *error)
{
    int got = log_index_next(&scan->index, &scan->first, error);

    if (got < 0)
        return log_scan_error(scan, error);
    if (got == 0 || scan->first.kind != LOG_SEGMENT_LINE)
        return bad(scan, error, "its commit journal has no first line");
    if (scan->first.end != scan->start || !cdc_span_is(scan->first.log, scan->folder->id))
        return bad(scan, error, "its commit journal is that of another segment, or of another log");
    scan->first.log = scan->first.at = cdc_span(NULL, 0);
    return 0;
}

int log_scan_open(struct log_scan *scan, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                  uint64_t limit, struct cdc_error *error)
{
    *scan = (struct log_scan){.folder = folder, .kind = kind, .start = start, .limit = limit, .at = start};
    scan->begin = scan->commit.end = start;
    scan->index.fd = scan->content.fd = -1;
    scan->block = malloc(LOG_BLOCK);
    if (scan->block == NULL)
        return cdc_error_memory(error);
    if (log_index_open(&scan->index, folder, LOG_INDEX, start, error) != 0 ||
        log_content_open(&scan->content, folder, kind, start, error) != 0)
        return -1;
    errno = 0;
    return read_head(scan, error);
}

void log_scan_close(struct log_scan *scan)
{
    log_index_close(&scan->index);
    log_content_close(&scan->content);
    free(scan->block);
    scan->block = NULL;
}

int log_scan_journal(const struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    struct log_scan scan = {.folder = folder, .kind = LOG_INDEX, .start = start, .begin = start};
    struct log_commit commit = {.end = start};
    int result = log_index_open(&scan.index, folder, LOG_INDEX, start, error);

    if (result == 0)
        result = read_head(&scan, error);
    /* A batch has come meanwhile, or none has. */
    if (result == 0 && log_index_next(&scan.index, &commit, error) < 0)
        result = log_scan_error(&scan, error);
    log_index_close(&scan.index);
    return result;
}

/* After the seal. It stays the line in hand, whose spans are in what was read: the file itself is asked. 0 or -1 */
static int end_journal(struct log_scan *scan, struct cdc_error *error)
{
    struct stat journal;

    if (fstat(scan->index.fd, &journal) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to look at a commit journal: %s", strerror(errno));
    return (uint64_t)journal.st_size == scan->index.offset
               ? 0
               : bad(scan, error, "its commit journal goes on after its seal");
}

/* The next batch. 1, 0: there is none, -1. */
static int next_batch(struct log_scan *scan, struct cdc_error *error)
{
    if (scan->ended)
        return 0;
    int got = log_index_next(&scan->index, &scan->commit, error);
    if (got < 0)
        return log_scan_error(scan, error);
    scan->begin = scan->at;
    scan->ended = got == 0 || scan->commit.kind == LOG_SEAL_LINE || scan->at >= scan->limit;
    if (got == 0 || (scan->commit.kind == LOG_COMMIT_LINE && scan->ended)) {
        scan->commit.end = scan->at;
        return 0;
    }
    if (scan->commit.kind == LOG_SEAL_LINE) {
        scan->sealed = true;
        return scan->commit.end == scan->at ? end_journal(scan, error)
                                            : bad(scan, error, "it is sealed at another byte than its last commit");
    }
    if (scan->commit.kind != LOG_COMMIT_LINE || scan->commit.end <= scan->at)
        return bad(scan, error, "a line of its commit journal is out of order");
    return 1;
}

int log_scan_next(struct log_scan *scan, struct cdc_span *block, struct cdc_error *error)
{
    int more = scan->at < scan->commit.end ? 1 : next_batch(scan, error);
    if (more <= 0)
        return more;
    uint64_t left = scan->commit.end - scan->at;
    size_t n = left < LOG_BLOCK ? (size_t)left : LOG_BLOCK;
    ssize_t got = log_content_read(&scan->content, scan->block, n, error);
    if (got < 0)
        return log_scan_error(scan, error);
    if ((size_t)got < n)
        return bad(scan, error, "the file ends before them");
    scan->at += n;
    *block = cdc_span(scan->block, n);
    return 1;
}

int64_t log_scan_leftover(struct log_scan *scan, struct cdc_error *error)
{
    int64_t n = 0;

    for (;;) {
        ssize_t got = log_content_read(&scan->content, scan->block, LOG_BLOCK, error);
        if (got < 0)
            return log_scan_error(scan, error);
        if (got == 0)
            return n;
        n += got;
    }
}
