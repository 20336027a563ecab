/* SPDX-License-Identifier: MIT */
/* A commit journal, read line by line. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/index.h"

#define READ_SIZE ((size_t)64 << 10)

int log_index_open(struct log_index *index, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                   struct cdc_error *error)
{
    *index = (struct log_index){.fd = log_part_open(folder, kind, start, O_RDONLY, error), .start = start};
    return index->fd >= 0 ? 0 : -1;
}

void log_index_close(struct log_index *index)
{
    if (index->fd >= 0)
        close(index->fd);
    index->fd = -1;
    cdc_buf_free(&index->text);
    index->at = 0;
}

void log_index_forget(struct log_index *index)
{
    index->text.len = index->at = 0;
}

void log_index_unread(struct log_index *index)
{
    index->offset -= index->last;
    index->last = 0;
    log_index_forget(index);
}

/* More of the file behind what is there. 1, 0 at its end, -1. */
static int fill(struct log_index *index, struct cdc_error *error)
{
    struct cdc_buf *text = &index->text;

    if (index->at > 0) {
        text->len -= index->at;
        memmove(text->data, text->data + index->at, text->len);
        index->at = 0;
    }
    if (!cdc_buf_room(text, READ_SIZE))
        return cdc_error_memory(error);
    ssize_t n = pread(index->fd, text->data + text->len, READ_SIZE, (off_t)(index->offset + text->len));
    if (n < 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to read the commit journal of segment %llu: %s",
                             (unsigned long long)index->start, strerror(errno));
    text->len += (size_t)n;
    return n > 0;
}

/* A whole line from `from` on in the text. 1: *line; 0: there is none; -1. */
static int whole_line(struct log_index *index, size_t from, struct cdc_span *line, struct cdc_error *error)
{
    for (size_t looked = from;;) {
        const char *p = index->text.data;
        const char *end = index->text.len > looked ? memchr(p + looked, '\n', index->text.len - looked) : NULL;
        if (end != NULL) {
            *line = cdc_span(p + from, (size_t)(end - p) - from);
            return 1;
        }
        size_t behind = from - index->at;
        looked = index->text.len - index->at;
        int more = fill(index, error);
        if (more <= 0)
            return more;
        from = behind;
    }
}

/* After a line that is damaged: does a valid one follow? Then it is not the rest of a write that did not end. 1, 0, -1. */
static int valid_follows(struct log_index *index, size_t from, struct cdc_error *error)
{
    struct cdc_span line;
    struct log_commit commit;
    int found;

    while ((found = whole_line(index, from, &line, error)) == 1) {
        from = (size_t)(line.p + line.n + 1 - index->text.data);
        if (log_commit_parse(&commit, line, NULL) == 0)
            return 1;
    }
    return found;
}

int log_index_next(struct log_index *index, struct log_commit *commit, struct cdc_error *error)
{
    struct cdc_span line;
    int found = whole_line(index, index->at, &line, error);

    index->torn = found == 0 && index->text.len > index->at;
    if (found <= 0)
        return found;
    if (log_commit_parse(commit, line, NULL) == 0) {
        index->at += line.n + 1;
        index->offset += line.n + 1;
        index->last = line.n + 1;
        return 1;
    }
    int follows = valid_follows(index, index->at + line.n + 1, error);
    index->torn = follows == 0;
    if (follows <= 0)
        return follows;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the commit journal of segment %llu is damaged at its byte %llu",
                  (unsigned long long)index->start, (unsigned long long)index->offset);
    return cdc_error_hint(error, "\"cdc-log repair\" writes what is good before it into a new folder");
}

bool log_index_is_replaced(const struct log_index *index, const struct log_folder *folder)
{
    struct stat ours, named;
    char name[LOG_NAME_SIZE];

    log_name_make(name, LOG_INDEX, index->start);
    return fstat(index->fd, &ours) == 0 && (fstatat(folder->fd, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
                                            ours.st_ino != named.st_ino || ours.st_dev != named.st_dev);
}

/* -- the last line ------------------------------------------------------------- */

/* Of the whole lines in text the last that is valid. */
static bool last_in(const struct cdc_buf *text, struct log_commit *commit)
{
    size_t end = text->len;

    while (end > 0) {
        while (end > 0 && text->data[end - 1] != '\n')
            end--;
        if (end == 0)
            return false;
        size_t begin = end - 1;
        while (begin > 0 && text->data[begin - 1] != '\n')
            begin--;
        /* The first line of the text may have begun before it: then it is no valid one. */
        if (log_commit_parse(commit, cdc_span(text->data + begin, end - 1 - begin), NULL) == 0)
            return true;
        end = begin;
    }
    return false;
}

static int read_last(int fd, off_t size, struct cdc_buf *text, struct log_commit *commit, struct cdc_error *error)
{
    for (size_t n = READ_SIZE;; n *= 4) {
        bool whole = (off_t)n >= size;
        n = whole ? (size_t)size : n;
        text->len = 0;
        if (!cdc_buf_room(text, n + 1))
            return cdc_error_memory(error);
        ssize_t got = pread(fd, text->data, n, size - (off_t)n);
        if (got < 0)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read a commit journal: %s", strerror(errno));
        text->len = (size_t)got;
        if (last_in(text, commit))
            return 1;
        if (whole)
            return 0;
    }
}

int log_index_last(const struct log_folder *folder, uint64_t start, struct cdc_buf *text, struct log_commit *commit,
                   struct cdc_error *error)
{
    struct stat file;
    int fd = log_part_open(folder, LOG_INDEX, start, O_RDONLY, error);

    if (fd < 0)
        return -1;
    int result = fstat(fd, &file) != 0
                     ? cdc_error_set(error, CDC_EXIT_IO, "unable to read a commit journal: %s", strerror(errno))
                     : read_last(fd, file.st_size, text, commit, error);
    close(fd);
    return result;
}
