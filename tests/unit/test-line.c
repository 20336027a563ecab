/* SPDX-License-Identifier: MIT */
/* Lines in and out: where a line ends, the longest one, and what the end of an output file becomes. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/line.h>

static int failures;
static char path[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static void write_file(const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    check(fd >= 0 && write(fd, text, n) == (ssize_t)n, "the file is written");
    close(fd);
}

/* -- writer -- */

/* Opens the file with what is in it, and writes the line NEW; `removed`: bytes of a torn line. */
static void becomes(const char *before, int flags, const char *after, size_t removed)
{
    struct cdc_error error = {0};
    char got[256] = {0};
    write_file(before, strlen(before));
    int fd = open(path, O_RDWR | O_CLOEXEC | flags);
    if ((flags & O_APPEND) == 0)
        (void)lseek(fd, 0, SEEK_END);
    struct cdc_writer *writer = cdc_writer_new(fd, &error);
    check(writer != NULL && cdc_writer_removed(writer) == removed, "how much is removed");
    cdc_buf_lit(cdc_writer_buf(writer), "NEW\n");
    check(cdc_writer_pending(writer) == 4 && cdc_writer_written(writer) == 0, "waits in the buffer");
    check(cdc_writer_flush(writer, &error) == 0 && cdc_writer_pending(writer) == 0 && cdc_writer_written(writer) == 4,
          "is written");
    check(cdc_writer_is_file(writer) && !cdc_writer_is_pipe(writer) && cdc_writer_sync(writer, &error) == 0,
          "to a file");
    check(pread(fd, got, sizeof got - 1, 0) >= 0 && strcmp(got, after) == 0, "what the file becomes");
    if (strcmp(got, after) != 0)
        printf("  of      %s\n  wanted  %s\n  got     %s\n", before, after, got);
    cdc_writer_free(writer);
    close(fd);
}

static void test_end_of_file(void)
{
    becomes("", O_APPEND, "NEW\n", 0);
    becomes("{\"a\":1}\n", O_APPEND, "{\"a\":1}\nNEW\n", 0);
    becomes("{\"a\":1}\n{\"torn", O_APPEND, "{\"a\":1}\nNEW\n", 6);
    becomes("{\"torn", O_APPEND, "NEW\n", 6);
    becomes("{", O_APPEND, "NEW\n", 1);
    becomes("{\"a\":1}\n{\"b\":2}", O_APPEND, "{\"a\":1}\n{\"b\":2}\nNEW\n", 0);
    becomes("{\"a\":1}\nno line of ours", O_APPEND, "{\"a\":1}\nno line of ours\nNEW\n", 0);
    becomes("x", O_APPEND, "x\nNEW\n", 0);
    /* Somebody else's, who may be in the middle of it: { printf '{"torn'; cdc-filter; } >file */
    becomes("{\"torn", 0, "{\"tornNEW\n", 0);
}

static struct cdc_writer *writer_of(int fd, const char *line)
{
    struct cdc_error error = {0};
    struct cdc_writer *writer = cdc_writer_new(fd, &error);
    check(writer != NULL, "a writer");
    cdc_buf_text(cdc_writer_buf(writer), line);
    return writer;
}

static void test_errors(void)
{
    struct cdc_error error = {0};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct cdc_writer *writer = writer_of(fd, "x\n");
    close(fd);
    check(cdc_writer_sync(writer, &error) == -1 && error.status == CDC_EXIT_IO && error.text[0] != '\0',
          "what cannot be made durable");
    cdc_writer_free(writer);
    error = (struct cdc_error){0};
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    writer = writer_of(fd, "x\n");
    check(cdc_writer_flush(writer, &error) == -1 && error.status == CDC_EXIT_IO && error.text[0] != '\0',
          "a full disk");
    check(cdc_writer_pending(writer) == 2 && cdc_writer_written(writer) == 0, "nothing of it counts as written");
    check(cdc_writer_sync(writer, &error) == 0, "only files are synced");
    cdc_writer_free(writer);
    close(fd);
    /* Removed while it is written; one that never had a name is somebody's own affair. */
    char other[] = "/tmp/cdc-unit-line-XXXXXX";
    for (int named = 1; named >= 0; named--) {
        error = (struct cdc_error){0};
        strcpy(strrchr(other, '-'), "-XXXXXX");
        fd = mkostemp(other, O_CLOEXEC);
        check(fd >= 0 && (named || unlink(other) == 0), "a file");
        writer = writer_of(fd, "x\n");
        check(cdc_writer_flush(writer, &error) == 0 && cdc_writer_sync(writer, &error) == 0, "it is there");
        check(!named || unlink(other) == 0, "it is removed");
        check(cdc_writer_sync(writer, &error) == -named && (error.status == CDC_EXIT_IO) == named, "no longer stored");
        cdc_writer_free(writer);
        close(fd);
    }
    int ends[2];
    error = (struct cdc_error){0};
    check(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
    writer = writer_of(ends[1], "x\n");
    close(ends[0]);
    check(cdc_writer_finish(writer, &control, 1000, &error) == -1 && error.status == CDC_EXIT_IO &&
              error.text[0] == '\0',
          "a reader that is gone: without a word");
    cdc_writer_free(writer);
    close(ends[1]);
    writer = writer_of(1, "");
    cdc_writer_buf(writer)->failed = true;
    check(cdc_writer_flush(writer, &error) == -1, "without memory, lines may be missing");
    cdc_writer_free(writer);
}

/* A reader that takes nothing, and then some: what is written, and what waits, is all that there was. */
static void test_full_pipe(void)
{
    enum { SIZE = 3 << 20 };
    struct cdc_error error = {0};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    int ends[2];
    static char block[65536];
    check(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, "a pipe");
    struct cdc_writer *writer = writer_of(ends[1], "");
    for (uint32_t i = 0; i < SIZE / sizeof i; i++)
        cdc_buf_append(cdc_writer_buf(writer), &i, sizeof i);
    check(cdc_writer_is_pipe(writer) && cdc_writer_flush(writer, &error) == 0, "does not wait");
    check(cdc_writer_written(writer) > 0 && cdc_writer_pending(writer) + cdc_writer_written(writer) == SIZE, "a part");
    check(cdc_writer_finish(writer, &control, 1, &error) == 1, "the time is over");
    control.stop = 2;
    check(cdc_writer_finish(writer, &control, -1, &error) == 1, "a second signal");
    uint32_t next = 0;
    bool same = true;
    for (ssize_t n; (n = read(ends[0], block, sizeof block)) > 0; check(cdc_writer_flush(writer, &error) == 0, "more"))
        for (ssize_t i = 0; i < n; i += (ssize_t)sizeof next, next++)
            same &= memcmp(block + i, &next, sizeof next) == 0;
    check(same && next == SIZE / sizeof next && cdc_writer_pending(writer) == 0, "each byte, once and in order");
    check(cdc_writer_written(writer) == SIZE && cdc_writer_finish(writer, &control, -1, &error) == 0, "all is out");
    cdc_writer_free(writer);
    close(ends[0]);
    close(ends[1]);
}

/* -- reader -- */

static enum cdc_line_result next(struct cdc_line_reader *reader, struct cdc_span *line)
{
    struct cdc_error error = {0};
    return cdc_line_reader_next(reader, line, &error);
}

/* Of a file with lines of max - 1, max and max + 1 bytes, and a last one without LF. */
static void test_longest(size_t max)
{
    char *text = malloc(3 * max + 16), *at = text;
    struct cdc_span line;
    for (int i = 0; i < 3; i++) {
        memset(at, 'a' + i, max - 1 + (size_t)i);
        at += max - 1 + (size_t)i;
        *at++ = '\n';
    }
    memcpy(at, "\nlast\nrest", 10);
    write_file(text, (size_t)(at - text) + 10);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, max, NULL);
    check(next(reader, &line) == CDC_LINE_OK && line.n == max - 1 && line.p[0] == 'a', "one byte less than the most");
    check(next(reader, &line) == CDC_LINE_OK && line.n == max && line.p[max - 1] == 'b', "the longest line");
    check(cdc_line_reader_offset(reader) == max && cdc_line_reader_number(reader) == 2, "where it is");
    check(next(reader, &line) == CDC_LINE_TOO_LONG, "one byte more");
    check(cdc_line_reader_offset(reader) == 2 * max + 1 && cdc_line_reader_number(reader) == 3, "where it is");
    check(next(reader, &line) == CDC_LINE_OK && line.n == 0, "an empty line");
    check(next(reader, &line) == CDC_LINE_OK && cdc_span_is(line, "last"), "the last one");
    check(cdc_line_reader_offset(reader) == 3 * max + 4 && cdc_line_reader_number(reader) == 5, "where it is");
    check(next(reader, &line) == CDC_LINE_END && cdc_line_reader_leftover(reader) == 4, "and what is no line");
    check(next(reader, &line) == CDC_LINE_END, "the end stays the end");
    cdc_line_reader_free(reader);
    close(fd);
    free(text);
}

/* The rest of a line that was too long, at the end of the input: no line, but something is left. */
static void test_too_long_at_end(void)
{
    int ends[2];
    struct cdc_span line;
    char text[5000];
    memset(text, 'x', sizeof text);
    check(pipe(ends) == 0 && write(ends[1], text, sizeof text) == (ssize_t)sizeof text, "a pipe");
    struct cdc_line_reader *reader = cdc_line_reader_new(ends[0], 1024, NULL);
    check(next(reader, &line) == CDC_LINE_AGAIN, "it may end yet");
    close(ends[1]);
    check(next(reader, &line) == CDC_LINE_END && cdc_line_reader_leftover(reader) > 0, "it has not");
    cdc_line_reader_free(reader);
    close(ends[0]);
}

/* Bytes that malloc has given out; 0 where it is another one's. */
static size_t in_use(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

/* A line of that size comes in and goes out: once it is through, neither side keeps its memory. */
static void test_memory(size_t size)
{
    struct cdc_error error = {0};
    struct cdc_span line;
    char *text = malloc(size + 7);
    size_t before = in_use();

    memset(text, 'x', size);
    memcpy(text + size, "\nshort\n", 7);
    write_file(text, size + 7);
    int fd = open(path, O_RDWR | O_CLOEXEC), out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, size, &error);
    struct cdc_writer *writer = cdc_writer_new(out, &error);
    check(next(reader, &line) == CDC_LINE_OK && line.n == size, "a long line");
    cdc_buf_span(cdc_writer_buf(writer), line);
    check(in_use() == 0 || in_use() > before + 2 * size, "it is in memory twice");
    check(cdc_writer_flush(writer, &error) == 0 && cdc_writer_pending(writer) == 0, "it is out");
    check(next(reader, &line) == CDC_LINE_OK && line.n == 5, "another one");
    check(next(reader, &line) == CDC_LINE_END && in_use() <= before + (3 << 20), "its memory is given back");
    cdc_line_reader_free(reader);
    cdc_writer_free(writer);
    close(fd);
    close(out);
    free(text);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    (void)signal(SIGPIPE, SIG_IGN);
    test_end_of_file();
    test_errors();
    test_full_pipe();
    test_longest(10);
    test_longest(4096);
    test_longest(300000); /* more than one read */
    test_too_long_at_end();
    test_memory(8 << 20);
    unlink(path);
    if (failures == 0)
        printf("ok - lines\n");
    return failures != 0;
}
