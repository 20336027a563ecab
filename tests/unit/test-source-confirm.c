/* SPDX-License-Identifier: MIT */
/* What the source loop confirms, and when: with a source that does what a script says, and keeps a diary of what the loop
 * asked of it. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cdc/retry.h>
#include <cdc/source.h>

#define MIB ((size_t)1 << 20)
#define DEADLINE_MS 20000

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";
static const char *test_name;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s: %s\n", test_name, what);
        failures++;
    }
}

/* One run of the loop. Boundaries are p1 to p9; end[i]: as many bytes must have left for pi to be written. */
struct fake {
    enum cdc_source_result (*read)(struct fake *fake, struct cdc_buf *out, struct cdc_error *error);
    void (*tick)(struct fake *fake, struct cdc_buf *out);
    int pipe[2];
    atomic_bool silent_reader; /* nothing is taken out of the pipe */
    atomic_size_t taken;
    size_t appended, end[10];
    pthread_t reader;
    int confirm_status; /* not 0: confirm fails with it */
    unsigned turn, ticks, blocked_ticks, blocked_reads, refusals;
    bool inside, was_blocked;
    char pos[4], state[24];
    struct cdc_offset boundary;
    int64_t begun, behind_until;
    struct cdc_buf diary;
    struct cdc_source_settings settings;
    struct cdc_start start;
    struct cdc_control control;
    struct cdc_metrics metrics;
    struct cdc_acks *acks;
    struct cdc_offset_file *file;
    struct cdc_error error;
};

static void take(struct fake *fake)
{
    static char block[65536];
    ssize_t n;
    while (!fake->silent_reader && (n = read(fake->pipe[0], block, sizeof block)) > 0)
        fake->taken += (size_t)n;
}

static bool late(const struct fake *fake)
{
    return cdc_clock_ms() - fake->begun > DEADLINE_MS;
}

static bool says(const struct fake *fake, const char *text)
{
    return memmem(fake->diary.data, fake->diary.len, text, strlen(text)) != NULL;
}

static void diary_is(const struct fake *fake, const char *expected)
{
    bool same = fake->diary.len == strlen(expected) && memcmp(fake->diary.data, expected, fake->diary.len) == 0;
    check(same, "the diary");
    if (!same)
        printf("  expected %s\n  got      %.*s\n", expected, (int)fake->diary.len, fake->diary.data);
}

/* -- what the loop calls -- */

static int fake_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct fake *fake = source;
    cdc_buf_printf(&fake->diary, "connect(%s) ", from != NULL ? from->pos : "");
    return fake->refusals > 0 && fake->refusals-- > 0 ? cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "away") : 0;
}

static void fake_disconnect(void *source)
{
    struct fake *fake = source;
    cdc_buf_lit(&fake->diary, "disconnect ");
}

static int fake_descriptor(void *source, short *events)
{
    take(source);
    *events = 0;
    return -1;
}

static enum cdc_source_result fake_read(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct fake *fake = source;
    (void)limit;
    fake->blocked_reads += fake->appended - fake->taken > 3 * MIB / 2 && fake->silent_reader;
    if (late(fake))
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "what the script waits for does not come");
    fake->turn++;
    return fake->read(fake, out, error);
}

static int fake_tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    struct fake *fake = source;
    (void)error;
    fake->ticks++;
    fake->blocked_ticks += blocked;
    take(fake);
    if (fake->tick != NULL)
        fake->tick(fake, out);
    return 0;
}

/* Whatever is confirmed is in our own file by then; and without sinks, all lines up to it have left. */
static int fake_confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct fake *fake = source;
    struct cdc_offset saved;
    int in_pipe = 0;
    (void)ioctl(fake->pipe[0], FIONREAD, &in_pipe);
    cdc_buf_printf(&fake->diary, "confirm(%s) ", offset->pos);
    if (fake->settings.confirm == CDC_CONFIRM_WRITTEN)
        check(fake->taken + (size_t)in_pipe >= fake->end[offset->pos[1] - '0'], "confirmed, but not written yet");
    if (cdc_offset_read(cdc_offset_file_path(fake->file), "shop", &saved, error) != 1)
        cdc_buf_lit(&fake->diary, "unsaved ");
    else {
        if (strcmp(saved.pos, offset->pos) != 0)
            cdc_buf_printf(&fake->diary, "saved(%s) ", saved.pos);
        cdc_offset_free(&saved);
    }
    return fake->confirm_status != 0 ? cdc_error_set(error, fake->confirm_status, "not confirmed") : 0;
}

static const struct cdc_offset *fake_boundary(void *source)
{
    struct fake *fake = source;
    return fake->boundary.pos != NULL ? &fake->boundary : NULL;
}

static bool fake_between(void *source)
{
    return !((struct fake *)source)->inside;
}

static bool fake_caught_up(void *source)
{
    const struct fake *fake = source;
    return cdc_clock_ms() >= fake->behind_until;
}

static const struct cdc_source_ops ops = {fake_connect,  fake_disconnect, fake_descriptor,
                                          fake_read,     fake_tick,       fake_confirm,
                                          fake_boundary, fake_between,    NULL,
                                          NULL,          fake_caught_up,  NULL,
                                          NULL};

/* -- what a script does -- */

/* n bytes of lines of a transaction. */
static void rows(struct fake *fake, struct cdc_buf *out, size_t n)
{
    static char line[1024];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (size_t done = 0; done < n; done += sizeof line)
        cdc_buf_append(out, line, sizeof line);
    fake->appended += (n + sizeof line - 1) / sizeof line * sizeof line;
    fake->metrics.changes++;
    fake->inside = true;
}

/* The end of it: boundary p1 is number 1. */
static void commit(struct fake *fake, struct cdc_buf *out, int number)
{
    cdc_buf_lit(out, "commit\n");
    fake->appended += 7;
    fake->end[number] = fake->appended;
    snprintf(fake->pos, sizeof fake->pos, "p%d", number % 10);
    snprintf(fake->state, sizeof fake->state, "{\"s\":%d}", number);
    fake->boundary =
        (struct cdc_offset){fake->pos, number, (uint64_t)number, (char *)(uintptr_t) "{\"of\":\"us\"}", fake->state};
    fake->metrics.commits++;
    fake->inside = false;
}

static void prepare(struct fake *fake, const char *name, enum cdc_confirm_mode mode)
{
    char path[64];
    test_name = name;
    *fake = (struct fake){.control = {.wake_fd = -1, .notice_fd = -1}, .begun = cdc_clock_ms()};
    check(pipe2(fake->pipe, O_CLOEXEC) == 0 && fcntl(fake->pipe[0], F_SETFL, O_NONBLOCK) == 0, "a pipe");
    snprintf(path, sizeof path, "%s/own", dir);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/own/source.offset", dir);
    unlink(path);
    fake->file = cdc_offset_file_open(path, "t", &fake->error);
    check(fake->file != NULL, "an offset file");
    fake->settings =
        (struct cdc_source_settings){.tool = "t", .name = "shop", .output_fd = fake->pipe[1], .confirm = mode};
}

static int run(struct fake *fake)
{
    struct cdc_log log = {0};
    fake->settings.start = &fake->start;
    return cdc_source_run(&ops, fake, &fake->settings, fake->file, fake->acks, &fake->control, &fake->metrics, &log,
                          &fake->error);
}

static void finish(struct fake *fake)
{
    fake->silent_reader = false;
    take(fake);
    cdc_offset_file_free(fake->file);
    cdc_acks_free(fake->acks);
    cdc_buf_free(&fake->diary);
    close(fake->pipe[0]);
    close(fake->pipe[1]);
}

/* -- what is written -- */

/* Three MiB, of which the pipe takes one. */
static enum cdc_source_result read_large(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    if (fake->turn > 1)
        return CDC_SOURCE_END;
    rows(fake, out, 3 * MIB);
    commit(fake, out, 1);
    return CDC_SOURCE_IDLE;
}

/* The reader sleeps for longer than it takes to confirm something. */
static void tick_reader_wakes(struct fake *fake, struct cdc_buf *out)
{
    (void)out;
    fake->silent_reader = fake->ticks < 4;
}

static void test_not_before_written(void)
{
    struct fake fake;
    prepare(&fake, "a boundary of which a part is in the buffer", CDC_CONFIRM_WRITTEN);
    fake.silent_reader = true;
    fake.read = read_large;
    fake.tick = tick_reader_wakes;
    check(run(&fake) == 0, "ends well");
    take(&fake);
    check(fake.taken == fake.appended, "all arrives");
    check(fake.blocked_ticks >= 3 && fake.blocked_reads == 0, "kept alive and not read while the output is full");
    diary_is(&fake, "connect() confirm(p1) disconnect ");
    finish(&fake);
}

static enum cdc_source_result read_all(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    rows(fake, out, 3 * MIB);
    commit(fake, out, 1);
    return CDC_SOURCE_END;
}

/* Two signals; a third one for a loop that does not leave after them. */
static void tick_signals(struct fake *fake, struct cdc_buf *out)
{
    (void)out;
    fake->control.stop = late(fake) ? 3 : fake->ticks < 2 ? 1 : 2;
}

static void test_second_signal_at_the_end(void)
{
    struct fake fake;
    prepare(&fake, "two signals at the end, the reader takes nothing", CDC_CONFIRM_WRITTEN);
    fake.silent_reader = true;
    fake.read = read_all;
    fake.tick = tick_signals;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_TEMPORARY, "not exit 0");
    check(fake.control.stop == 2, "it leaves at once");
    check(strstr(fake.error.text, "bytes were not written") != NULL, fake.error.text);
    check(!says(&fake, "confirm"), "nothing is confirmed");
    finish(&fake);
}

static void *take_all(void *argument)
{
    struct fake *fake = argument;
    struct pollfd poller = {fake->pipe[0], POLLIN, 0};
    fake->silent_reader = false;
    while (fake->taken < fake->appended && poll(&poller, 1, DEADLINE_MS) > 0)
        take(fake);
    return NULL;
}

/* Two transactions fill the pipe and wait in the buffer; at the error, the reader wakes. */
static enum cdc_source_result read_two(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    if (fake->turn == 1) {
        rows(fake, out, MIB + MIB / 16);
        commit(fake, out, 1);
        return CDC_SOURCE_MORE;
    }
    if (fake->turn == 2) {
        rows(fake, out, MIB / 16);
        commit(fake, out, 2);
        rows(fake, out, 1);
    }
    if (fake->ticks < 4) /* time enough to confirm something */
        return CDC_SOURCE_IDLE;
    check(pthread_create(&fake->reader, NULL, take_all, fake) == 0, "a thread that reads");
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "damaged");
}

static void test_rest_at_error(void)
{
    struct fake fake;
    prepare(&fake, "two boundaries in the buffer, and an error", CDC_CONFIRM_WRITTEN);
    fake.silent_reader = true;
    fake.read = read_two;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_PROTOCOL, "the error stands");
    pthread_join(fake.reader, NULL);
    check(fake.taken == fake.appended, "whole lines before the error are written");
    diary_is(&fake, "connect() confirm(p1) confirm(p2) disconnect ");
    finish(&fake);
}

/* The pipe never runs empty: each time that the reader takes something there is more. */
static enum cdc_source_result read_steadily(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    rows(fake, out, MIB / 8);
    commit(fake, out, 1 + (int)(fake->turn - 1) % 9);
    if (fake->turn > 9)
        fake->end[1 + (fake->turn - 1) % 9] = 0; /* numbers come again: no place is known */
    return says(fake, "confirm(") ? CDC_SOURCE_END : CDC_SOURCE_MORE;
}

static void tick_takes_little(struct fake *fake, struct cdc_buf *out)
{
    static char block[4096];
    (void)out;
    for (int i = 0; i < 128; i++) {
        ssize_t n = read(fake->pipe[0], block, sizeof block);
        fake->taken += n > 0 ? (size_t)n : 0;
    }
    fake->silent_reader = !says(fake, "confirm(");
}

static void test_while_never_empty(void)
{
    struct fake fake;
    prepare(&fake, "a pipe that never runs empty", CDC_CONFIRM_WRITTEN);
    fake.silent_reader = true;
    fake.read = read_steadily;
    fake.tick = tick_takes_little;
    check(run(&fake) == 0, "something is confirmed meanwhile");
    check(says(&fake, "connect() confirm(p1) "), "the first boundary, once it has left");
    finish(&fake);
}

static enum cdc_source_result read_nine(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    rows(fake, out, MIB / 16); /* as much as is written at once */
    commit(fake, out, (int)fake->turn);
    return fake->turn == 9 ? CDC_SOURCE_END : CDC_SOURCE_MORE;
}

/* Each confirmation syncs files: two every 200 ms, the one that was waited for and the newest, are enough. */
static void test_not_each_boundary(void)
{
    struct fake fake;
    prepare(&fake, "many boundaries", CDC_CONFIRM_WRITTEN);
    fake.read = read_nine;
    check(run(&fake) == 0 && says(&fake, "confirm(p9)"), "the last one is confirmed");
    int64_t confirmed = 0, most = 2 * ((cdc_clock_ms() - fake.begun) / 200 + 2);
    for (size_t i = 0; i + 8 <= fake.diary.len; i++)
        confirmed += memcmp(fake.diary.data + i, "confirm(", 8) == 0;
    check(confirmed <= most, "and not each");
    finish(&fake);
}

/* -- what sinks have -- */

static const char *sink_source = "{\"of\":\"sink\"}";

static void sink_has(const char *tool, const char *pos)
{
    struct cdc_error error = {0};
    char *path = cdc_state_path(dir, tool, NULL);
    struct cdc_offset_file *file = cdc_offset_file_open(path, tool, &error);
    struct cdc_offset offset = {(char *)(uintptr_t)pos, 5, 7, (char *)(uintptr_t)sink_source, NULL};
    check(file != NULL && (pos == NULL || cdc_offset_file_set(file, "shop", &offset, &error) == 0) &&
              cdc_offset_file_save(file, &error) == 0,
          "a sink stores its position");
    cdc_offset_file_free(file);
    free(path);
}

static void no_sinks(void)
{
    static const char *const tools[] = {"cdc-sink-a", "cdc-sink-b"};
    for (int i = 0; i < 2; i++) {
        char *path = cdc_state_path(dir, tools[i], NULL);
        unlink(path);
        free(path);
    }
}

static void prepare_acks(struct fake *fake, const char *name)
{
    prepare(fake, name, CDC_CONFIRM_ACKS);
    fake->acks = cdc_acks_new("shop", NULL, 0, dir, &fake->error);
    no_sinks();
}

static enum cdc_source_result read_and_store(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    if (fake->turn == 1) {
        commit(fake, out, 5);
        return CDC_SOURCE_IDLE;
    }
    if (fake->ticks < 4) /* no sink yet: nothing may be confirmed */
        return CDC_SOURCE_IDLE;
    if (!says(fake, "confirm(p1)")) {
        sink_has("cdc-sink-a", "p1");
        return CDC_SOURCE_IDLE;
    }
    if (!says(fake, "confirm(p2)")) {
        sink_has("cdc-sink-a", "p2");
        return CDC_SOURCE_IDLE;
    }
    sink_has("cdc-sink-a", "p1"); /* its file was set back */
    return CDC_SOURCE_END;
}

static void test_sinks_decide(void)
{
    struct fake fake;
    struct cdc_offset saved;
    prepare_acks(&fake, "sinks decide");
    fake.read = read_and_store;
    check(run(&fake) == 0, "ends well");
    diary_is(&fake, "connect() confirm(p1) confirm(p2) disconnect ");
    check(cdc_offset_read(cdc_offset_file_path(fake.file), "shop", &saved, &fake.error) == 1 &&
              strcmp(saved.pos, "p2") == 0 && saved.seq == 5 && strcmp(saved.source, "{\"of\":\"sink\"}") == 0 &&
              strcmp(saved.state, "{\"s\":5}") == 0,
          "our own file has the sink's position and whose log it is, with our state");
    cdc_offset_free(&saved);
    check(fake.metrics.seq == 5, "and the metrics");
    finish(&fake);
}

static enum cdc_source_result read_end(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    commit(fake, out, 5);
    return CDC_SOURCE_END;
}

static enum cdc_source_result read_twice(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    if (fake->turn == 1)
        commit(fake, out, 3);
    if (fake->ticks == 6)
        commit(fake, out, 5);
    check(fake->ticks >= 6 || !says(fake, "confirm"), "not before it was read");
    return says(fake, "confirm(p4)") ? CDC_SOURCE_END : CDC_SOURCE_IDLE;
}

static void test_before_it_was_read(void)
{
    struct fake fake;
    prepare_acks(&fake, "a sink's position that is after what was read");
    sink_has("cdc-sink-a", "p4");
    fake.read = read_twice;
    check(run(&fake) == 0, fake.error.text);
    diary_is(&fake, "connect() confirm(p4) disconnect ");
    finish(&fake);
}

static enum cdc_source_result read_of_our_server(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    enum cdc_source_result result = read_twice(fake, out, error);
    fake->boundary.source = (char *)(uintptr_t) "{\"connector\":\"postgresql\",\"system_id\":\"1\"}";
    return result;
}

static void test_sink_of_another_server(void)
{
    struct fake fake;
    prepare_acks(&fake, "a sink with another server's position");
    sink_source = "{\"connector\":\"postgresql\",\"system_id\":\"2\"}";
    sink_has("cdc-sink-a", "p2");
    sink_source = "{\"of\":\"sink\"}";
    sink_has("cdc-sink-b", "p1");
    fake.read = read_of_our_server;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_CONFIG, "a matter of configuration");
    check(strstr(fake.error.text, "cdc-sink-a.offset\" has the lines of another server under the name \"shop\"") !=
              NULL,
          fake.error.text);
    check(!says(&fake, "confirm"), "nothing is confirmed");
    finish(&fake);
}

static void test_slower_sink(void)
{
    struct fake fake;
    prepare_acks(&fake, "the slower of two sinks");
    sink_has("cdc-sink-a", "p4");
    sink_has("cdc-sink-b", "p3");
    fake.read = read_end;
    check(run(&fake) == 0, "ends well");
    diary_is(&fake, "connect() confirm(p3) disconnect ");
    finish(&fake);
    prepare_acks(&fake, "one of two sinks has nothing");
    sink_has("cdc-sink-a", "p4");
    sink_has("cdc-sink-b", NULL);
    fake.read = read_end;
    check(run(&fake) == 0, "ends well");
    diary_is(&fake, "connect() disconnect ");
    finish(&fake);
    /* In a later run it is one that has lost its position. */
    prepare_acks(&fake, "a sink that comes in a later run");
    sink_has("cdc-sink-a", "p4");
    fake.start = (struct cdc_start){.kind = CDC_START_FIRST, .sinks = 1};
    fake.read = read_end;
    check(run(&fake) == 0, "as many as there were");
    finish(&fake);
    prepare_acks(&fake, "a sink that comes in a later run");
    sink_has("cdc-sink-a", "p4");
    sink_has("cdc-sink-b", "p4");
    fake.start = (struct cdc_start){.kind = CDC_START_FIRST, .sinks = 1};
    fake.read = read_end;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_LOST, "is missing what was confirmed before");
    check(!says(&fake, "confirm"), "and nothing is confirmed");
    finish(&fake);
}

/* -- starts and broken connections -- */

static void start_after(struct fake *fake, const char *from, const char *own)
{
    fake->start = (struct cdc_start){
        .kind = CDC_START_RESUME, .from = {.pos = (char *)(uintptr_t)from}, .own = {.pos = (char *)(uintptr_t)own}};
}

static enum cdc_source_result read_nothing(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)fake, (void)out, (void)error;
    return CDC_SOURCE_END;
}

static void test_start_is_told(void)
{
    struct fake fake;
    struct cdc_offset own = {.pos = (char *)(uintptr_t) "p1"};
    prepare(&fake, "a start after what sinks have, our file has nothing", CDC_CONFIRM_ACKS);
    no_sinks();
    fake.acks = cdc_acks_new("shop", NULL, 0, dir, &fake.error);
    start_after(&fake, "p2", NULL);
    fake.read = read_nothing;
    check(run(&fake) == 0, "ends well");
    diary_is(&fake, "connect(p2) confirm(p2) disconnect ");
    finish(&fake);

    prepare(&fake, "a start, our file has a position", CDC_CONFIRM_WRITTEN);
    check(cdc_offset_file_set(fake.file, "shop", &own, &fake.error) == 0 &&
              cdc_offset_file_save(fake.file, &fake.error) == 0,
          "saved");
    start_after(&fake, "p2", "p1");
    fake.read = read_nothing;
    check(run(&fake) == 0, "ends well");
    diary_is(&fake, "connect(p2) confirm(p2) saved(p1) disconnect ");
    finish(&fake);

    prepare(&fake, "the first start", CDC_CONFIRM_WRITTEN);
    fake.start = (struct cdc_start){.kind = CDC_START_SNAPSHOT, .from = {.pos = (char *)(uintptr_t) "p2"}};
    fake.read = read_nothing;
    check(run(&fake) == 0, "ends well");
    diary_is(&fake, "connect() disconnect ");
    finish(&fake);
}

static enum cdc_source_result read_breaks(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    switch (fake->turn) {
    case 1: return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "broken"); /* before anything came */
    case 2:
        rows(fake, out, 1);
        commit(fake, out, 3);
        return CDC_SOURCE_MORE;
    case 3: return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "broken"); /* its lines are in the buffer */
    case 4: /* after a transaction that was read whole in the same turn */
        rows(fake, out, 1);
        commit(fake, out, 4);
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "broken");
    default: return CDC_SOURCE_END;
    }
}

static void test_reconnect(void)
{
    struct fake fake;
    prepare(&fake, "broken connections", CDC_CONFIRM_WRITTEN);
    start_after(&fake, "p2", "p2");
    fake.settings.retry_max = -1;
    fake.refusals = 1;
    fake.read = read_breaks;
    check(run(&fake) == 0, "ends well");
    check(memmem(fake.diary.data, fake.diary.len, "connect(p2) disconnect connect(p2) confirm(p2)", 46) ==
              (void *)fake.diary.data,
          "the start is told once the server has taken the connection");
    check(says(&fake, "disconnect connect(p3)"), "after what is written, not after what is confirmed");
    check(says(&fake, "disconnect connect(p4)"), "also after what the last turn has read");
    check(!says(&fake, "confirm(p2) unsaved disconnect connect(p2) confirm(p2)"), "and only once");
    take(&fake);
    check(fake.taken == fake.appended, "lines of the broken connection arrive once");
    check(fake.metrics.errors == 3 && fake.metrics.retries == 4, "counted");
    finish(&fake);
    prepare(&fake, "no attempts left", CDC_CONFIRM_WRITTEN);
    fake.refusals = 1;
    fake.read = read_nothing;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_UNAVAILABLE, "ends with the server's error");
    finish(&fake);
}

/* -- ends -- */

static enum cdc_source_result read_stopped(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    if (fake->turn == 1) {
        rows(fake, out, 1);
        fake->control.stop = (int)fake->settings.idle_exit + 1;
        return CDC_SOURCE_IDLE;
    }
    commit(fake, out, 1);
    return CDC_SOURCE_IDLE;
}

static void test_stop(void)
{
    struct fake fake;
    prepare(&fake, "a signal inside a transaction", CDC_CONFIRM_WRITTEN);
    fake.read = read_stopped;
    check(run(&fake) == 0 && fake.turn == 2, "goes on to its end");
    check(says(&fake, "confirm(p1)"), "which is confirmed");
    finish(&fake);
    prepare(&fake, "two signals inside a transaction", CDC_CONFIRM_WRITTEN);
    fake.settings.idle_exit = 1; /* for the script: as many signals more */
    fake.read = read_stopped;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_TEMPORARY && fake.turn == 1, "not exit 0");
    finish(&fake);
}

static enum cdc_source_result read_broken_inside(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    rows(fake, out, 1);
    fake->control.stop = 1;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "broken");
}

static enum cdc_source_result read_broken_between(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    rows(fake, out, 1);
    commit(fake, out, 1);
    fake->control.stop = 1;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "broken");
}

static void test_stop_while_away(void)
{
    struct fake fake;
    prepare(&fake, "stopped without a connection that broke inside a transaction", CDC_CONFIRM_WRITTEN);
    fake.settings.retry_max = -1;
    fake.read = read_broken_inside;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_TEMPORARY, "not exit 0");
    finish(&fake);
    prepare(&fake, "stopped without a connection that broke between transactions", CDC_CONFIRM_WRITTEN);
    fake.settings.retry_max = -1;
    fake.read = read_broken_between;
    check(run(&fake) == 0, "exit 0");
    take(&fake);
    check(fake.taken == fake.appended, "the lines arrive");
    finish(&fake);
}

/* Changes come for a while, then none inside a transaction, then none at all. */
static enum cdc_source_result read_idle(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    if (fake->ticks < 5 && fake->turn % 2 == 1)
        rows(fake, out, 1);
    if (fake->ticks == 8 && fake->inside)
        commit(fake, out, 1);
    return CDC_SOURCE_IDLE;
}

static void test_idle_exit(void)
{
    struct fake fake;
    prepare(&fake, "--idle-exit", CDC_CONFIRM_WRITTEN);
    fake.settings.idle_exit = 0.15;
    fake.read = read_idle;
    check(run(&fake) == 0 && fake.ticks >= 8 && says(&fake, "confirm(p1)"), "only after the end of a transaction");
    finish(&fake);
}

/* The database is away for longer than that, and has something when it is back. */
static enum cdc_source_result read_after_outage(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    if (fake->turn == 2) {
        fake->refusals = 2;
        cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "away");
        return CDC_SOURCE_ERROR;
    }
    if (fake->turn == 4) {
        rows(fake, out, 1);
        commit(fake, out, 1);
    }
    return CDC_SOURCE_IDLE;
}

static void test_idle_after_outage(void)
{
    struct fake fake;
    prepare(&fake, "--idle-exit, and an outage", CDC_CONFIRM_WRITTEN);
    fake.settings.idle_exit = 0.15;
    fake.settings.retry_max = -1;
    fake.read = read_after_outage;
    check(run(&fake) == 0 && says(&fake, "confirm(p1)"), "what came meanwhile is read");
    finish(&fake);
}

/* It is silent before that. */
static enum cdc_source_result read_when_caught_up(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    if (!fake->boundary.pos && cdc_clock_ms() >= fake->behind_until) {
        rows(fake, out, 1);
        commit(fake, out, 1);
    }
    return CDC_SOURCE_IDLE;
}

static void test_idle_caught_up(void)
{
    struct fake fake;
    prepare(&fake, "--idle-exit, and a large transaction", CDC_CONFIRM_WRITTEN);
    fake.settings.idle_exit = 0.15;
    fake.behind_until = cdc_clock_ms() + 500;
    fake.read = read_when_caught_up;
    check(run(&fake) == 0 && says(&fake, "confirm(p1)"), "what is there is waited for");
    finish(&fake);
}

static enum cdc_source_result read_idly(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)out, (void)error;
    if (fake->turn == 2) {
        close(fake->pipe[0]);
        fake->pipe[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return CDC_SOURCE_IDLE;
}

static void test_reader_goes(void)
{
    struct fake fake;
    prepare(&fake, "the reader goes while nothing comes", CDC_CONFIRM_WRITTEN);
    fake.read = read_idly;
    check(run(&fake) == -1 && fake.error.status == CDC_EXIT_IO && fake.error.text[0] == '\0', "without a word");
    finish(&fake);
}

/* Nothing is told to the database that is not in our own file. */
static enum cdc_source_result read_file_goes(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    char command[80];
    (void)error;
    rows(fake, out, 1);
    commit(fake, out, 1);
    if (fake->confirm_status == 0) {
        snprintf(command, sizeof command, "rm -r %s/own", dir);
        check(system(command) == 0, "the folder of our own file goes");
    }
    return CDC_SOURCE_IDLE;
}

static void test_confirm_fails(void)
{
    for (int acked = 0; acked < 2; acked++)
        for (int status = 0; status <= CDC_EXIT_PROTOCOL; status += CDC_EXIT_PROTOCOL) {
            struct fake fake;
            if (acked)
                prepare_acks(&fake, "confirming fails, with a sink");
            else
                prepare(&fake, "confirming fails", CDC_CONFIRM_WRITTEN);
            if (acked)
                sink_has("cdc-sink-a", "p1");
            fake.read = read_file_goes;
            fake.confirm_status = status;
            check(run(&fake) == -1 && fake.error.status == (status != 0 ? status : CDC_EXIT_CONFIG), "ends with why");
            check(says(&fake, "confirm") == (status != 0), "told only when saved");
            finish(&fake);
        }
}

static enum cdc_source_result read_without_memory(struct fake *fake, struct cdc_buf *out, struct cdc_error *error)
{
    (void)error;
    rows(fake, out, 1);
    commit(fake, out, 1);
    out->failed = true;
    return CDC_SOURCE_END;
}

static void test_no_memory(void)
{
    struct fake fake;
    prepare(&fake, "no memory for the lines", CDC_CONFIRM_WRITTEN);
    fake.read = read_without_memory;
    check(run(&fake) == -1 && !says(&fake, "confirm"), "nothing is confirmed");
    finish(&fake);
}

/* Most of the time is spent waiting, so they run side by side: each with a folder of its own. */
static void (*const tests[])(void) = {test_second_signal_at_the_end,
                                      test_not_before_written,
                                      test_rest_at_error,
                                      test_while_never_empty,
                                      test_not_each_boundary,
                                      test_sinks_decide,
                                      test_before_it_was_read,
                                      test_sink_of_another_server,
                                      test_slower_sink,
                                      test_start_is_told,
                                      test_reconnect,
                                      test_stop,
                                      test_stop_while_away,
                                      test_idle_exit,
                                      test_idle_after_outage,
                                      test_idle_caught_up,
                                      test_reader_goes,
                                      test_confirm_fails,
                                      test_no_memory};
#define TESTS (sizeof tests / sizeof *tests)

static void run_test(void (*test)(void))
{
    char command[64];
    check(mkdtemp(dir) != NULL, "a folder");
    test();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
}

int main(void)
{
    pid_t children[TESTS];
    for (size_t i = 0; i < TESTS; i++)
        if ((children[i] = fork()) == 0) {
            run_test(tests[i]);
            exit(failures != 0);
        }
    for (size_t i = 0; i < TESTS; i++) {
        int status = 1;
        if (children[i] < 0 || waitpid(children[i], &status, 0) < 0 || status != 0) {
            printf("not ok - test %zu\n", i + 1);
            failures++;
        }
    }
    if (failures == 0)
        printf("ok - what is confirmed\n");
    return failures != 0;
}
