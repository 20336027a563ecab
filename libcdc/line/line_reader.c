/* SPDX-License-Identifier: MIT */
/* Lines in over read(2), not stdio: a line may be 256 MB, and a wait must end with a signal. One buffer: lines are
 * handed out in place, without a copy; only the beginning of a line that has not come whole is moved to the front
 * before more is read. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/line.h>

#define READ_SIZE ((size_t)256 << 10)
#define KEEP_SIZE ((size_t)1 << 20) /* what the buffer keeps after an unusually long line */

struct cdc_line_reader {
    int fd;
    size_t max_line;
    struct cdc_buf buf;
    size_t start;   /* of the next line in buf */
    size_t scanned; /* bytes after start that hold no LF */
    uint64_t number, offset, next_offset;
    uint64_t long_offset;   /* where the line that was too long begins */
    bool end, passing_over; /* passing_over: inside a line that was too long */
    size_t leftover;
};

struct cdc_line_reader *cdc_line_reader_new(int fd, size_t max_line, struct cdc_error *error)
{
    struct cdc_line_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || !cdc_buf_grow(&reader->buf, READ_SIZE)) {
        free(reader);
        cdc_error_memory(error);
        return NULL;
    }
    reader->fd = fd;
    reader->max_line = max_line;
    return reader;
}

void cdc_line_reader_free(struct cdc_line_reader *reader)
{
    if (reader == NULL)
        return;
    cdc_buf_free(&reader->buf);
    free(reader);
}

/* Moves what is left to the front and makes room for a read. */
static int make_room(struct cdc_line_reader *reader, struct cdc_error *error)
{
    size_t rest = reader->buf.len - reader->start;

    if (reader->start > 0) {
        memmove(reader->buf.data, reader->buf.data + reader->start, rest);
        reader->buf.len = rest;
        reader->start = 0;
    }
    if (rest == 0)
        cdc_buf_shrink(&reader->buf, KEEP_SIZE);
    /* At least as much again as is there of the line: reads grow with it, so that a long line costs a few moves and
     * not one for each 256 KiB. */
    size_t want = rest > READ_SIZE ? rest : READ_SIZE;
    if (reader->buf.cap - reader->buf.len < want / 2 || reader->buf.cap == 0)
        if (!cdc_buf_grow(&reader->buf, want))
            return cdc_error_memory(error);
    return 0;
}

/* Reads once without blocking. 1: something came; 0: nothing now; -1: error. Sets end. */
static int fill(struct cdc_line_reader *reader, struct cdc_error *error)
{
    struct pollfd poller = {reader->fd, POLLIN, 0};

    if (make_room(reader, error) != 0)
        return -1;
    /* read(2) may block: descriptor 0 is shared with others, so it cannot be made non-blocking (line_writer.c). */
    if (poll(&poller, 1, 0) <= 0)
        return 0;
    ssize_t n = read(reader->fd, reader->buf.data + reader->buf.len, reader->buf.cap - reader->buf.len);
    if (n < 0) {
        if (errno == EINTR || errno == EAGAIN)
            return 0;
        return cdc_error_set(error, CDC_EXIT_IO, "unable to read the input: %s", strerror(errno));
    }
    if (n == 0) {
        reader->end = true;
        /* The bytes of a line that was too long are gone already; one stands for them, since only "any" is asked. */
        reader->leftover = reader->passing_over ? 1 : reader->buf.len - reader->start;
        return 1;
    }
    reader->buf.len += (size_t)n;
    return 1;
}

/* Takes n bytes and the LF after them off the buffer. */
static void take(struct cdc_line_reader *reader, size_t n)
{
    reader->offset = reader->passing_over ? reader->long_offset : reader->next_offset;
    reader->next_offset += n + 1;
    reader->number++;
    reader->start += n + 1;
    reader->scanned = 0;
}

/* A line that grew too long: its bytes are dropped, its number is kept. */
static void drop_scanned(struct cdc_line_reader *reader)
{
    if (!reader->passing_over)
        reader->long_offset = reader->next_offset;
    reader->passing_over = true;
    reader->next_offset += reader->scanned;
    reader->start += reader->scanned;
    reader->scanned = 0;
}

/* Bytes are searched for the LF once: `scanned` remembers how far, or a long line that comes in small reads would cost the
 * square of its length. */
enum cdc_line_result cdc_line_reader_next(struct cdc_line_reader *reader, struct cdc_span *line,
                                          struct cdc_error *error)
{
    for (;;) {
        const char *begin = reader->buf.data + reader->start;
        size_t rest = reader->buf.len - reader->start;
        const char *lf = rest > reader->scanned ? memchr(begin + reader->scanned, '\n', rest - reader->scanned) : NULL;
        if (lf != NULL) {
            size_t n = (size_t)(lf - begin);
            bool too_long = reader->passing_over || n > reader->max_line;
            take(reader, n);
            reader->passing_over = false;
            *line = cdc_span(begin, n);
            return too_long ? CDC_LINE_TOO_LONG : CDC_LINE_OK;
        }
        /* No LF in all that is there. */
        reader->scanned = rest;
        if (reader->scanned > reader->max_line || reader->passing_over)
            drop_scanned(reader);
        if (reader->end)
            return CDC_LINE_END;
        int got = fill(reader, error);
        if (got < 0)
            return CDC_LINE_ERROR;
        if (got == 0)
            return CDC_LINE_AGAIN;
    }
}

void cdc_line_reader_wait(struct cdc_line_reader *reader, int wake_fd, int timeout_ms)
{
    struct pollfd pollers[2] = {{reader->fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
    (void)poll(pollers, wake_fd >= 0 ? 2 : 1, timeout_ms);
}

uint64_t cdc_line_reader_number(const struct cdc_line_reader *reader)
{
    return reader->number;
}

uint64_t cdc_line_reader_offset(const struct cdc_line_reader *reader)
{
    return reader->offset;
}

size_t cdc_line_reader_leftover(const struct cdc_line_reader *reader)
{
    return reader->leftover;
}
