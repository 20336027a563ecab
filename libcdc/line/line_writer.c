/* SPDX-License-Identifier: MIT */
/* Lines out over write(2). A source must answer its server while the reader of the pipe is slow, so a write may not
 * block. But O_NONBLOCK set on descriptor 1 would hold for every process that shares it (the shell, a second tool on
 * the same terminal), and outlive us. So a pipe is opened a second time through /proc: an open file description of
 * our own, with flags of our own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/json.h>
#include <cdc/line.h>
#include <cdc/retry.h>

/* Bytes: as much as an unprivileged process may ask for. The usual 64 KiB would mean a switch between the tools every
 * few hundred lines. LOOK_MS: how soon a signal is noticed. KEEP_SIZE: what the buffer keeps after an unusually long
 * line. */
#define PIPE_SIZE (1 << 20)
#define LOOK_MS 100
#define KEEP_SIZE ((size_t)1 << 20)

struct cdc_writer {
    int fd, own_fd; /* own_fd: our own description of the same pipe, or -1 */
    bool file, pipe;
    bool has_name; /* the file; a temporary one may have none from the start */
    struct cdc_buf buf;
    size_t start; /* of what is not written yet */
    uint64_t written;
    size_t removed; /* bytes of a partial last line */
};

/* Are the n bytes at `at` the beginning of an object? Not what is one JSON value: nothing is missing of it but its LF. 1, 0;
 * -1 where they cannot be read. */
static int is_torn_line(int fd, off_t at, off_t n)
{
    char first;

    if (pread(fd, &first, 1, at) != 1)
        return -1;
    if (first != '{' || n > (off_t)CDC_LINE_MAX_DEFAULT)
        return first == '{';
    char *text = malloc((size_t)n);
    int result = text != NULL && pread(fd, text, (size_t)n, at) == (ssize_t)n
                     ? cdc_json_validate(text, (size_t)n, NULL) != 0
                     : -1;
    free(text);
    return result;
}

/* `>> file` after a kill: the file may end inside a line. It was never confirmed and comes again; what is left of it
 * goes, or the next line would be glued to it. Only the beginning of an object is removed; what is whole, or never was
 * a line of ours, gets the LF that it lacks. */
static int remove_partial_line(struct cdc_writer *writer, off_t size, struct cdc_error *error)
{
    char path[32];
    int fd = writer->fd, flags = fcntl(fd, F_GETFL), torn = 0;

    /* Without O_APPEND (`> file`, or `1<>file`) the place where we write need not be the end of the file. */
    if (size == 0 || flags < 0 || (flags & O_APPEND) == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0 && (errno == EACCES || errno == EPERM || errno == ENOENT))
        return 0; /* a file that we may write and not read, or no /proc: its end stays unknown */
    /* `killed while writing` looks like this: ...}\n{"op":"c","pos":"00000000016B3 and no LF. */
    off_t end = reader >= 0 ? cdc_file_last_line_end(reader, size) : -1;
    if (end >= 0 && end < size)
        torn = is_torn_line(reader, end, size - end);
    int saved = errno;
    if (reader >= 0)
        close(reader);
    errno = saved;
    /* What cannot be read may be half a line, which the next one would be glued to. */
    if (end < 0 || torn < 0 || (torn ? ftruncate(fd, end) != 0 : end < size && cdc_file_write(fd, "\n", 1) != 0))
        return cdc_error_set(error, CDC_EXIT_IO, "unable to repair the partial last line of the output: %s",
                             strerror(errno));
    writer->removed = torn ? (size_t)(size - end) : 0;
    return 0;
}

size_t cdc_writer_removed(const struct cdc_writer *writer)
{
    return writer->removed;
}

struct cdc_writer *cdc_writer_new(int fd, struct cdc_error *error)
{
    struct stat status;
    struct cdc_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    writer->fd = fd;
    writer->own_fd = -1;
    if (fstat(fd, &status) != 0) {
        cdc_error_set(error, CDC_EXIT_IO, "unable to look at the output: %s", strerror(errno));
        free(writer);
        return NULL;
    }
    writer->file = S_ISREG(status.st_mode);
    writer->has_name = status.st_nlink > 0;
    if (writer->file && remove_partial_line(writer, status.st_size, error) != 0) {
        free(writer);
        return NULL;
    }
    writer->pipe = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode);
    if (S_ISFIFO(status.st_mode)) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        /* It may fail: no /proc, or a pipe of another user. Then writes of at most PIPE_BUF bytes after a poll do not
         * block either (see write_limit). A socket cannot be opened this way. */
        writer->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); /* not allowed: the size stays */
    }
    return writer;
}

void cdc_writer_free(struct cdc_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->own_fd >= 0)
        close(writer->own_fd);
    cdc_buf_free(&writer->buf);
    free(writer);
}

struct cdc_buf *cdc_writer_buf(struct cdc_writer *writer)
{
    return &writer->buf;
}

size_t cdc_writer_pending(const struct cdc_writer *writer)
{
    return writer->buf.len - writer->start;
}

uint64_t cdc_writer_written(const struct cdc_writer *writer)
{
    return writer->written;
}

int cdc_writer_fd(const struct cdc_writer *writer)
{
    return writer->own_fd >= 0 ? writer->own_fd : writer->fd;
}

bool cdc_writer_is_file(const struct cdc_writer *writer)
{
    return writer->file;
}

bool cdc_writer_is_pipe(const struct cdc_writer *writer)
{
    return writer->pipe;
}

static int write_error(struct cdc_error *error)
{
    if (errno == EPIPE) {
        /* The reader went away, as `head` does: no message. */
        cdc_error_set(error, CDC_EXIT_IO, "%s", "");
        return -1;
    }
    return cdc_error_set(error, CDC_EXIT_IO, "unable to write the output: %s", strerror(errno));
}

/* How much one write may take without blocking: all of it, but for a pipe or socket that we could not open anew.
 * There, POLLOUT means that a page (PIPE_BUF bytes) is free, and a longer write would block for the rest. */
static size_t write_limit(const struct cdc_writer *writer, size_t n)
{
    return writer->pipe && writer->own_fd < 0 && n > PIPE_BUF ? PIPE_BUF : n;
}

/* What is written leaves the buffer now and then, or it would grow for as long as the reader is a little slower than
 * we are. Only once the part that is written is the larger one: so each byte is moved at most once on average. */
static void compact(struct cdc_writer *writer)
{
    size_t rest = writer->buf.len - writer->start;

    if (writer->start < rest)
        return;
    if (rest > 0)
        memmove(writer->buf.data, writer->buf.data + writer->start, rest);
    writer->buf.len = rest;
    writer->start = 0;
    cdc_buf_shrink(&writer->buf, KEEP_SIZE);
}

int cdc_writer_flush_part(struct cdc_writer *writer, size_t end, struct cdc_error *error)
{
    if (writer->buf.failed)
        return cdc_error_memory(error);
    while (writer->start < end) {
        size_t n = write_limit(writer, end - writer->start);
        /* A descriptor that may block: asked first. A file never makes us wait for a reader. */
        if (writer->own_fd < 0 && !writer->file) {
            struct pollfd poller = {.fd = writer->fd, .events = POLLOUT};
            if (poll(&poller, 1, 0) <= 0)
                break;
        }
        ssize_t done = write(cdc_writer_fd(writer), writer->buf.data + writer->start, n);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            /* The pipe is full, not an error: the rest stays, and waits for the next call. */
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                break;
            return write_error(error);
        }
        writer->start += (size_t)done;
        writer->written += (uint64_t)done;
    }
    return 0;
}

int cdc_writer_flush(struct cdc_writer *writer, struct cdc_error *error)
{
    if (cdc_writer_flush_part(writer, writer->buf.len, error) != 0)
        return -1;
    compact(writer);
    return 0;
}

int cdc_writer_drain(struct cdc_writer *writer, const struct cdc_control *control, struct cdc_error *error)
{
    int wake_fd = control->wake_fd;

    for (;;) {
        if (cdc_writer_flush(writer, error) != 0)
            return -1;
        if (cdc_writer_pending(writer) == 0)
            return 0;
        struct pollfd pollers[2] = {{.fd = cdc_writer_fd(writer), .events = POLLOUT},
                                    {.fd = wake_fd, .events = POLLIN}};
        int ready = poll(pollers, wake_fd >= 0 ? 2 : 1, LOOK_MS);
        cdc_control_waiting(control, "the reader of the output");
        /* Both ready: writing goes first, since a wake_fd that stays readable would keep us from ever writing the
         * rest. */
        if (ready > 0 && wake_fd >= 0 && pollers[1].revents != 0 && pollers[0].revents == 0)
            return 1;
    }
}

int cdc_writer_finish(struct cdc_writer *writer, const struct cdc_control *control, int64_t ms, struct cdc_error *error)
{
    int64_t deadline = cdc_clock_ms() + ms;

    for (;;) {
        if (cdc_writer_flush(writer, error) != 0)
            return -1;
        if (cdc_writer_pending(writer) == 0)
            return 0;
        /* The deadline is of no meaning for ms < 0. */
        int64_t left = ms < 0 ? LOOK_MS : deadline - cdc_clock_ms();
        if (left <= 0 || control->stop >= 2)
            return 1;
        cdc_control_waiting(control, "the reader of the output");
        /* A signal handler sets control->stop, and need not end the poll. */
        struct pollfd poller = {.fd = cdc_writer_fd(writer), .events = POLLOUT};
        (void)poll(&poller, 1, (int)(left < LOOK_MS ? left : LOOK_MS));
    }
}

/* Only a regular file: what a pipe has taken is the business of who reads it. A file that was removed meanwhile takes all
 * that is written, and is gone when we close it. */
int cdc_writer_sync(struct cdc_writer *writer, struct cdc_error *error)
{
    struct stat status;

    if (!writer->file)
        return 0;
    if (fsync(writer->fd) != 0 || fstat(writer->fd, &status) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to make the output durable: %s", strerror(errno));
    if (!writer->has_name || status.st_nlink > 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_IO, "the output file was removed while it was written");
    return cdc_error_hint(error, "start again: what was not stored comes again");
}
