/* SPDX-License-Identifier: MIT */
/* The source loop between a source whose descriptor only reports news, and a reader that is slow. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/source.h>

#define LINES 60000
#define LINE_SIZE 128

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* All of its lines are there from the beginning, so nothing is ever announced: `news` stays silent, as an eventfd does
 * that was read before the output got full. The reader of the pipe takes what is in it when the loop waits, no
 * sooner. */
struct fake {
    int news[2], pipe[2];
    unsigned written, read, blocked_waits, wrong_waits;
    char part[LINE_SIZE]; /* of a line that the reader has not whole yet */
    size_t n_part;
    const struct cdc_control *control;
};

static int fake_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    (void)source, (void)from, (void)error;
    return 0;
}

static void fake_disconnect(void *source)
{
    (void)source;
}

static void line_of(unsigned number, char line[LINE_SIZE + 1])
{
    snprintf(line, LINE_SIZE + 1, "%0*u\n", LINE_SIZE - 1, number);
}

static void take_line(struct fake *fake)
{
    char line[LINE_SIZE + 1];
    line_of(fake->read++, line);
    check(memcmp(fake->part, line, LINE_SIZE) == 0, "lines arrive whole and in order");
    fake->n_part = 0;
}

static void read_pipe(struct fake *fake)
{
    ssize_t n;
    while ((n = read(fake->pipe[0], fake->part + fake->n_part, LINE_SIZE - fake->n_part)) > 0)
        if ((fake->n_part += (size_t)n) == LINE_SIZE)
            take_line(fake);
}

/* Asked for before each wait, and only then. */
static int fake_descriptor(void *source, short *events)
{
    struct fake *fake = source;
    struct pollfd poller = {fake->pipe[1], POLLOUT, 0};
    if (poll(&poller, 1, 0) > 0)
        fake->wrong_waits += fake->written < LINES;
    else
        fake->blocked_waits++;
    read_pipe(fake);
    *events = POLLIN;
    return fake->news[0];
}

/* A line that is not to be, since what it was to have cannot be asked for: by its place, which the wait must leave where it is. */
static void take_back(struct fake *fake, struct cdc_buf *out, const char *line)
{
    size_t start = out->len;
    cdc_buf_append(out, line, LINE_SIZE / 2);
    cdc_control_waiting(fake->control, "an answer");
    out->len = start;
}

static enum cdc_source_result fake_read(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct fake *fake = source;
    char line[LINE_SIZE + 1];
    (void)error;
    for (; fake->written < LINES && out->len < limit; fake->written++) {
        line_of(fake->written, line);
        take_back(fake, out, line);
        cdc_buf_append(out, line, LINE_SIZE);
    }
    return fake->written < LINES ? CDC_SOURCE_MORE : CDC_SOURCE_END;
}

/* After the end there is no wait for the source any more, only for the reader. */
static int fake_tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    struct fake *fake = source;
    (void)out, (void)blocked, (void)error;
    if (fake->written == LINES)
        read_pipe(fake);
    return 0;
}

static int fake_confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    (void)source, (void)offset, (void)error;
    return 0;
}

static const struct cdc_offset *fake_boundary(void *source)
{
    (void)source;
    return NULL;
}

static bool fake_between(void *source)
{
    (void)source;
    return true;
}

static const struct cdc_source_ops fake_ops = {fake_connect,
                                               fake_disconnect,
                                               fake_descriptor,
                                               fake_read,
                                               fake_tick,
                                               fake_confirm,
                                               fake_boundary,
                                               fake_between,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL};

static void run_fake(struct fake *fake)
{
    const struct cdc_start start = {.kind = CDC_START_FIRST};
    const struct cdc_source_settings settings = {
        .tool = "t", .name = "shop", .output_fd = fake->pipe[1], .confirm = CDC_CONFIRM_WRITTEN, .start = &start};
    struct cdc_error error = {0};
    struct cdc_metrics metrics = {0};
    struct cdc_log log = {0};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_offset_file *file = cdc_offset_file_memory("t", &error);
    fake->control = &control;
    check(file != NULL && cdc_source_run(&fake_ops, fake, &settings, file, NULL, &control, &metrics, &log, &error) == 0,
          "the loop runs to the end");
    cdc_offset_file_free(file);
}

static void test_blocked_then_room(void)
{
    struct fake fake = {0};
    check(pipe2(fake.news, O_CLOEXEC) == 0 && pipe2(fake.pipe, O_CLOEXEC) == 0 &&
              fcntl(fake.pipe[0], F_SETFL, O_NONBLOCK) == 0,
          "pipes are made");
    run_fake(&fake);
    read_pipe(&fake);
    check(fake.read == LINES && fake.n_part == 0, "all lines arrive");
    check(fake.blocked_waits > 2, "the reader was slower than the source");
    check(fake.wrong_waits == 0, "with room in the output, the source is asked before the loop waits for its news");
    for (int i = 0; i < 2; i++) {
        close(fake.news[i]);
        close(fake.pipe[i]);
    }
}

int main(void)
{
    test_blocked_then_room();
    if (failures == 0)
        printf("ok\n");
    return failures != 0;
}
