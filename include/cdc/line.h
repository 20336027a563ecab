/* SPDX-License-Identifier: MIT */
/* Lines in over read(2), lines out over write(2). */
#ifndef CDC_LINE_H
#define CDC_LINE_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>

#define CDC_LINE_MAX_DEFAULT ((size_t)256 << 20)

/* -- reader -- */
struct cdc_line_reader;
enum cdc_line_result {
    CDC_LINE_ERROR = -1,
    CDC_LINE_END = 0,
    CDC_LINE_OK = 1,
    CDC_LINE_AGAIN = 2,
    CDC_LINE_TOO_LONG = 3
};

/* Reads fd (BORROWS it). max_line: longest line in bytes that is accepted.
 * RETURNS NEW (cdc_line_reader_free); NULL when out of memory. */
struct cdc_line_reader *cdc_line_reader_new(int fd, size_t max_line, struct cdc_error *error);
void cdc_line_reader_free(struct cdc_line_reader *reader);
/* The next whole line without its LF, valid until the next call. Never blocks:
 * AGAIN when no whole line is there now (cdc_line_reader_wait, then call
 * again). TOO_LONG: the line was longer than max_line; it is passed over up to
 * its LF, and reading can go on. END: end of input. */
enum cdc_line_result cdc_line_reader_next(struct cdc_line_reader *reader, struct cdc_span *line,
                                          struct cdc_error *error);
/* Waits until fd is readable, wake_fd (or -1) is readable, or timeout_ms (-1: for ever) passed. */
void cdc_line_reader_wait(struct cdc_line_reader *reader, int wake_fd, int timeout_ms);
/* Number of the line last returned (1 is the first), and where it began, in bytes. */
uint64_t cdc_line_reader_number(const struct cdc_line_reader *reader);
uint64_t cdc_line_reader_offset(const struct cdc_line_reader *reader);
/* After END: bytes of a last line without LF, which was not returned. */
size_t cdc_line_reader_leftover(const struct cdc_line_reader *reader);

/* -- writer -- */
struct cdc_writer;
/* Writes to fd (BORROWS it). On a pipe it never blocks, without touching the
 * flags that other processes share; the pipe is enlarged where allowed. A
 * file that is appended to and ends inside a line, as after a kill, loses that
 * torn line: it was never confirmed and comes again. What is whole, or does not
 * begin like a line, gets the LF that it lacks.
 * RETURNS NEW (cdc_writer_free). */
struct cdc_writer *cdc_writer_new(int fd, struct cdc_error *error);
void cdc_writer_free(struct cdc_writer *writer);
/* How many bytes of a torn last line were removed; whoever has a log says so. */
size_t cdc_writer_removed(const struct cdc_writer *writer);
/* Append whole lines here. */
struct cdc_buf *cdc_writer_buf(struct cdc_writer *writer);
/* Bytes that are not written yet. */
size_t cdc_writer_pending(const struct cdc_writer *writer);
/* Bytes written so far. */
uint64_t cdc_writer_written(const struct cdc_writer *writer);
/* The descriptor to poll for POLLOUT. */
int cdc_writer_fd(const struct cdc_writer *writer);
/* True when stdout is a regular file (so that sync makes lines durable) / a pipe or socket. */
bool cdc_writer_is_file(const struct cdc_writer *writer);
bool cdc_writer_is_pipe(const struct cdc_writer *writer);
/* Writes what can be written now. 0, or -1: CDC_EXIT_IO; error->text is empty when the reader went away (EPIPE): leave
 * without a word. */
int cdc_writer_flush(struct cdc_writer *writer, struct cdc_error *error);
/* The same of what stands before `end` in the buffer, which stays as it is: whoever is appending to it may take back what comes after. */
int cdc_writer_flush_part(struct cdc_writer *writer, size_t end, struct cdc_error *error);
/* Writes everything, waiting for the reader; returns 1 when a signal to stop came before that, else 0 or -1. */
int cdc_writer_drain(struct cdc_writer *writer, const struct cdc_control *control, struct cdc_error *error);
/* Writes what is left for at most `ms` milliseconds (-1: as long as it takes): 0; 1 when time was over, or a second
 * signal came, before all was out; -1. */
int cdc_writer_finish(struct cdc_writer *writer, const struct cdc_control *control, int64_t ms,
                      struct cdc_error *error);
/* fsync where stdout is a regular file; else nothing. IO also when that file has been removed since cdc_writer_new. */
int cdc_writer_sync(struct cdc_writer *writer, struct cdc_error *error);

#endif
