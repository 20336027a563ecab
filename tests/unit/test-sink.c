/* SPDX-License-Identifier: MIT */
/* The sink loop, with a destination that keeps a diary: which lines it was given, when they had to be durable, and what it
 * had to forget. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cdc/sink.h>

#include "tests/unit/failing-calls.h"

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

/* Begins with its context, as every sink. */
struct fake {
    struct cdc_sink_context context;
    struct cdc_buf diary, input;
    struct cdc_sink_settings settings;
    struct cdc_control control;
    struct cdc_offset_file *file;
    struct cdc_error error;
    const char *fail_at; /* pos of the line that cannot be taken */
    int fail_status;     /* and why */
    bool fail_delivery;
    const struct cdc_buf *late; /* a delivery takes long, and this comes meanwhile, to late_fd */
    int late_fd;
    const char *stop_at; /* a signal comes with the line of this pos */
    const char *slow_at; /* 15 s go by with the line of this pos */
    struct cdc_buf said; /* warnings, with " / " between them */
    uint64_t skipped;
    bool verbatim; /* the destination keeps the stream itself */
};

static const char *path_of(const char *name)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* -- time, which goes by when we say so -- */

static int64_t seconds_ahead;

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, id, now);
    now->tv_sec += seconds_ahead;
    return result;
}

/* -- the destination: e(pos) a line, b a boundary, x forget, D(positions) durable -- */

static int fake_event(void *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct fake *fake = sink;
    cdc_buf_printf(&fake->diary, "e%.*s ", (int)event->pos.n, event->pos.p);
    if (fake->stop_at != NULL && cdc_span_is(event->pos, fake->stop_at))
        fake->control.stop = 1;
    if (fake->slow_at != NULL && cdc_span_is(event->pos, fake->slow_at))
        seconds_ahead += 15;
    if (fake->fail_at != NULL && cdc_span_is(event->pos, fake->fail_at))
        return cdc_error_set(error, fake->fail_status, "refused");
    return 0;
}

/* What is on the disk is what was durable before. */
static void note_saved(struct fake *fake, const char *name)
{
    struct cdc_error error = {0};
    struct cdc_offset offset;
    if (cdc_offset_read(path_of("sink.offset"), name, &offset, &error) != 1)
        return;
    cdc_buf_printf(&fake->diary, "<%s", offset.pos);
    cdc_offset_free(&offset);
}

static int fake_deliver(void *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct fake *fake = sink;
    cdc_buf_lit(&fake->diary, "D(");
    for (size_t i = 0; i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        cdc_buf_printf(&fake->diary, "%s%s", i > 0 ? "," : "", cdc_offset_file_get(offsets, name)->pos);
        note_saved(fake, name);
    }
    cdc_buf_lit(&fake->diary, ") ");
    if (fake->late != NULL) {
        check(write(fake->late_fd, fake->late->data, fake->late->len) == (ssize_t)fake->late->len, "late lines");
        fake->late = NULL;
        usleep(50000);
    }
    return fake->fail_delivery ? cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "away") : 0;
}

static void fake_discard(void *sink)
{
    cdc_buf_lit(&((struct fake *)sink)->diary, "x ");
}

static int fake_boundary(void *sink, struct cdc_error *error)
{
    (void)error;
    cdc_buf_lit(&((struct fake *)sink)->diary, "b ");
    return 0;
}

static const struct cdc_sink_ops ops = {
    .event = fake_event, .deliver = fake_deliver, .discard = fake_discard, .boundary = fake_boundary};
static const struct cdc_sink_ops verbatim_ops = {.event = fake_event,
                                                 .deliver = fake_deliver,
                                                 .discard = fake_discard,
                                                 .boundary = fake_boundary,
                                                 .history = true,
                                                 .verbatim = true};

/* -- the input -- */

static void line_of(struct fake *fake, const char *name, const char *op, const char *pos, int seq, const char *server)
{
    cdc_buf_printf(&fake->input,
                   "{\"op\":\"%s\",\"pos\":\"%s\",\"seq\":%d,\"source\":{\"connector\":\"mysql\",\"name\":\"%s\","
                   "\"db\":\"d\",\"table\":\"t\",\"server_uuid\":\"%s\"},\"key\":{\"id\":1},\"after\":{\"id\":1}}\n",
                   op, pos, seq, name, server);
}

/* "c1 c2 k3": lines of that op and pos; k a commit, h a heartbeat, ? an op of the future, s a schema, e one that ends a read, ! a bad
 * line, | half a line; with ' they are of a second source, with * of another server. seq counts commits; h< has the one before, n and
 * E, as c and e, the next one. */
static void script(struct fake *fake, const char *text)
{
    int seq[2] = {1, 1};
    for (const char *at = text; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " ")) {
        char pos[8] = {0};
        const char *op = *at == 'k'                 ? "commit"
                         : *at == 'h'               ? "heartbeat"
                         : *at == '?'               ? "future"
                         : *at == 's'               ? "schema"
                         : *at == 'e' || *at == 'E' ? "schema\",\"read\":\"end"
                                                    : "c";
        size_t n = strcspn(at, " ");
        int second = memchr(at, '\'', n) != NULL;
        strncpy(pos, at + 1, strspn(at + 1, "0123456789"));
        seq[second] += *at == 'n' || *at == 'E'; /* of the next transaction, though no line ended the last one */
        if (*at == '!')
            cdc_buf_lit(&fake->input, "{\"op\":}\n");
        else if (*at == '|')
            cdc_buf_lit(&fake->input, "{\"op\":\"c\"");
        else
            line_of(fake, second ? "west" : "east", op, pos, seq[second] - (memchr(at, '<', n) != NULL),
                    memchr(at, '*', n) != NULL ? "other" : "one");
        seq[second] += *at == 'k';
    }
}

static void prepare(struct fake *fake, const char *name)
{
    test_name = name;
    *fake = (struct fake){.control = {.wake_fd = -1, .notice_fd = -1}};
    fake->settings = (struct cdc_sink_settings){
        .max_line = 1 << 20, .batch_events = 1000, .batch_ms = 3600000, .on_error = "stop", .tool = "cdc-sink-t"};
}

static void forget(void)
{
    unlink(path_of("sink.offset"));
}

static void write_input(const struct fake *fake)
{
    int fd = open(path_of("input"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0 && write(fd, fake->input.data, fake->input.len) == (ssize_t)fake->input.len, "the input is written");
    close(fd);
}

static char warnings[2000]; /* of the newest run */

static void note_warning(void *context, enum cdc_log_level level, const char *text)
{
    struct fake *fake = context;
    if (level == CDC_LOG_WARNING)
        cdc_buf_printf(&fake->said, "%s%s", fake->said.len > 0 ? " / " : "", text);
}

/* A run over the script; its exit status. Diary and error stay until the next prepare. */
static int run(struct fake *fake, const char *text)
{
    struct cdc_log log = {note_warning, fake};
    script(fake, text);
    write_input(fake);
    fake->file = cdc_offset_file_open(path_of("sink.offset"), "cdc-sink-t", &fake->error);
    fake->settings.input_fd = open(path_of("input"), O_RDONLY | O_CLOEXEC);
    int result = fake->file == NULL ? -1
                                    : cdc_sink_run(fake->verbatim ? &verbatim_ops : &ops, fake, &fake->settings,
                                                   fake->file, &fake->control, &log, &fake->error);
    close(fake->settings.input_fd);
    cdc_offset_file_free(fake->file);
    cdc_buf_free(&fake->input);
    cdc_buf_byte(&fake->said, '\0');
    snprintf(warnings, sizeof warnings, "%s", fake->said.data);
    cdc_buf_free(&fake->said);
    return result == 0 ? 0 : fake->error.status;
}

static void diary_is(struct fake *fake, const char *expected)
{
    bool same = fake->diary.len == strlen(expected) &&
                (fake->diary.len == 0 || memcmp(fake->diary.data, expected, fake->diary.len) == 0);
    check(same, "the diary");
    if (!same)
        printf("  expected %s\n  got      %.*s\n", expected, (int)fake->diary.len, fake->diary.data);
    cdc_buf_free(&fake->diary);
}

/* What the file says of a source at the end: "pos seq lines". */
static void stored_is(const char *name, const char *expected)
{
    struct cdc_error error = {0};
    struct cdc_offset offset;
    char text[64] = "";
    if (cdc_offset_read(path_of("sink.offset"), name, &offset, &error) == 1) {
        snprintf(text, sizeof text, "%s %d %d", offset.pos, (int)offset.seq, (int)offset.lines);
        cdc_offset_free(&offset);
    }
    check(strcmp(text, expected) == 0, "what is stored");
    if (strcmp(text, expected) != 0)
        printf("  expected %s\n  got      %s\n", expected, text);
}

/* -- transactions -- */

static void test_truncated(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "the input ends inside a transaction");
    check(run(&fake, "c1 c2 k3 c4 c5") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 e2 b e4 e5 x D(3) ");
    stored_is("east", "3 1 2");
    prepare(&fake, "all of it comes again, and the rest");
    check(run(&fake, "c1 c2 k3 c4 c5 k6 c7 k8") == 0, "exit 0");
    diary_is(&fake, "e4 e5 b e7 D(8<3) ");
    stored_is("east", "8 3 5");
    prepare(&fake, "all of it once more");
    check(run(&fake, "c1 c2 k3 c4 c5 k6 c7 k8") == 0, "exit 0");
    diary_is(&fake, "");
    stored_is("east", "8 3 5");
    forget();
    prepare(&fake, "the input ends inside the first transaction");
    check(run(&fake, "c1 c2") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 e2 x ");
    stored_is("east", "");
    prepare(&fake, "the input ends inside a line");
    check(run(&fake, "c1 k2 |") == CDC_EXIT_TEMPORARY && strstr(fake.error.text, "inside a line") != NULL, "exit 75");
    diary_is(&fake, "e1 D(2) ");
    stored_is("east", "2 1 1");
}

static void test_batches(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "batches end with transactions");
    fake.settings.batch_events = 3;
    check(run(&fake, "c1 c2 k3 c4 c5 k6 c7 k8 c91 c92 c93 c94 k95") == 0, "exit 0");
    diary_is(&fake, "e1 e2 b e4 e5 D(6) e7 b e91 e92 e93 e94 D(95<6) ");
    forget();
    prepare(&fake, "--max-events");
    fake.settings.max_events = 2;
    check(run(&fake, "c1 k2 c3 c4 k5 c6 k7") == 0, "exit 0");
    diary_is(&fake, "e1 b e3 e4 D(5) ");
    stored_is("east", "5 2 3");
    forget();
    prepare(&fake, "a signal inside a transaction");
    fake.stop_at = "3";
    check(run(&fake, "c1 k2 c3 c4 k5 c6 k7") == 0, "exit 0");
    diary_is(&fake, "e1 b e3 e4 D(5) ");
    forget();
    prepare(&fake, "without commit lines, the next transaction ends the last one");
    fake.settings.batch_events = 1;
    check(run(&fake, "c1 c2 n3 c4 n5") == CDC_EXIT_TEMPORARY, "the last one is not proved complete");
    diary_is(&fake, "e1 e2 D(2) e3 e4 D(4<2) e5 x ");
    stored_is("east", "4 2 4");
    forget();
    prepare(&fake, "without commit lines, the end of a read ends the transaction before it");
    check(run(&fake, "c1 c2 E3") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 e2 b e3 x D(2) ");
    stored_is("east", "2 1 2");
}

static void test_quiet(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "heartbeats move the position");
    check(run(&fake, "c1 k2 h3 h4") == 0, "exit 0");
    diary_is(&fake, "e1 D(4) ");
    stored_is("east", "4 2 1");
    forget();
    prepare(&fake, "an older heartbeat does not end a transaction");
    check(run(&fake, "c1 k2 c3 h4< c5") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 b e3 e5 x D(2) ");
    forget();
    prepare(&fake, "an op of the future is passed over");
    check(run(&fake, "c1 ?2 k3") == 0, "exit 0");
    diary_is(&fake, "e1 D(3) ");
    stored_is("east", "3 1 1");
    prepare(&fake, "a schema line comes again each time");
    check(run(&fake, "s0 c1 k3 s0 c4 k5") == 0, "exit 0");
    diary_is(&fake, "e0 e0 e4 D(5<3) ");
}

/* -- sources -- */

/* A log gets every line once, and none that stands after the end of what is stored. */
static void test_verbatim(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "a destination that keeps the stream gets boundaries, schema lines and ops of the future");
    fake.verbatim = true;
    check(run(&fake, "s1 c2 ?3 k4 h5 s6 c7") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 e2 e3 e4 b e5 b e6 e7 x D(5) ");
    stored_is("east", "5 2 1");
    prepare(&fake, "each of them once");
    fake.verbatim = true;
    check(run(&fake, "s1 c2 ?3 k4 h5 s6 c7 k8 s9") == CDC_EXIT_TEMPORARY, "a schema line alone is no boundary");
    diary_is(&fake, "e6 e7 e8 b e9 x D(8<5) ");
    stored_is("east", "8 2 2");
}

static void test_two_sources(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "two sources in turns, truncated inside the second");
    check(run(&fake, "c1 c1' k2 c2'") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 b e1 e2 x D(2) ");
    stored_is("east", "2 1 1");
    stored_is("west", "");
    prepare(&fake, "again, whole");
    check(run(&fake, "c1 c1' k2 c2' k3' c3 k4") == 0, "exit 0");
    stored_is("east", "4 2 2");
    stored_is("west", "3 1 2");
    cdc_buf_free(&fake.diary);
    forget();
    prepare(&fake, "truncated inside the first, the second is whole");
    check(run(&fake, "c1 c1' k2' c3' k4'") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 x e1 b e3 D(4) ");
    stored_is("east", "");
    stored_is("west", "4 2 2");
    forget();
    prepare(&fake, "both have boundaries, then one is truncated");
    check(run(&fake, "c1 k2 c1' k2' c3 k4 c5 c3' k4'") == CDC_EXIT_TEMPORARY, "exit 75");
    stored_is("east", "4 2 2");
    stored_is("west", "4 2 2");
    cdc_buf_free(&fake.diary);
    forget();
    prepare(&fake, "the end of a read is not taken back with another source's transaction");
    check(run(&fake, "e1' c1 k2' c2") == CDC_EXIT_TEMPORARY, "exit 75");
    diary_is(&fake, "e1 b e1 e2 x D(2) ");
    stored_is("west", "2 1 0");
    forget();
    prepare(&fake, "the end of a read without its boundary comes again, and then is passed on without one");
    check(run(&fake, "e1' c1 k2") == CDC_EXIT_TEMPORARY, "exit 75");
    check(run(&fake, "e1' k2' e1' c3' k4'") == 0, "exit 0");
    stored_is("west", "4 2 1");
    cdc_buf_free(&fake.diary);
}

static void test_blocked(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "a source that stays inside a transaction while another one has lines");
    fake.slow_at = "2";
    check(run(&fake, "c1 c1' c2 c2' k3' k3 c4 k5 c4' k5'") == 0, "exit 0");
    check(strstr(warnings, "source \"east\" has been inside a transaction for 15 s") != NULL, "it is told");
    check(strstr(warnings, " / ") == NULL, "once");
    stored_is("east", "5 2 3");
    stored_is("west", "5 2 3");
    cdc_buf_free(&fake.diary);
    forget();
    prepare(&fake, "a long transaction that nobody waits for");
    fake.slow_at = "2";
    check(run(&fake, "c1' k2' c1 c2 c3 k4 c5 k6") == 0, "exit 0");
    check(warnings[0] == '\0', "nothing is told");
    cdc_buf_free(&fake.diary);
}

static void test_origin(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "another server under the same name");
    check(run(&fake, "c1 k2") == 0, "stored");
    cdc_buf_free(&fake.diary);
    prepare(&fake, "another server under the same name");
    check(run(&fake, "c3* k4*") == CDC_EXIT_CONFIG, "exit 78");
    diary_is(&fake, "");
    stored_is("east", "2 1 1");
    prepare(&fake, "another server, at a position that is stored");
    check(run(&fake, "c1* k2*") == CDC_EXIT_CONFIG, "not dropped as a re-delivery");
    diary_is(&fake, "");
    /* The server of a run's own lines is known as well. */
    forget();
    prepare(&fake, "lines of two servers in one run");
    check(run(&fake, "c1 k2 c1* k2*") == CDC_EXIT_CONFIG, "exit 78");
    cdc_buf_free(&fake.diary);
    stored_is("east", "2 1 1");
}

/* -- what goes wrong -- */

static void test_bad_lines(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "a bad line");
    check(run(&fake, "c1 k2 c3 ! k4") == CDC_EXIT_DATA, "exit 65");
    check(strncmp(fake.error.text, "line 4: at byte offset ", 23) == 0, "says where");
    diary_is(&fake, "e1 b e3 x D(2) ");
    stored_is("east", "2 1 1");
    prepare(&fake, "a bad line between transactions");
    check(run(&fake, "c3 k4 ! c5 k6") == CDC_EXIT_DATA, "exit 65");
    diary_is(&fake, "e3 D(4<2) ");
    prepare(&fake, "a bad line is skipped");
    fake.settings.on_error = "skip";
    check(run(&fake, "c5 ! k6") == 0, "exit 0");
    diary_is(&fake, "e5 D(6<4) ");
    prepare(&fake, "a bad line becomes a dead letter");
    char path[64];
    snprintf(path, sizeof path, "%s/dead", dir);
    fake.settings.on_error = "dead-letter";
    fake.settings.dead_letter = path;
    check(run(&fake, "c7 ! k8") == 0, "exit 0");
    diary_is(&fake, "e7 D(8<6) ");
    prepare(&fake, "a further one");
    fake.settings.on_error = "dead-letter";
    fake.settings.dead_letter = path;
    check(run(&fake, "c91 ! k92") == 0, "exit 0");
    cdc_buf_free(&fake.diary);
    FILE *file = fopen(path, "r");
    char line[1024];
    for (int i = 0; i < 2; i++)
        check(file != NULL && fgets(line, sizeof line, file) != NULL && strncmp(line, "{\"reason\":\"", 11) == 0 &&
                  strstr(line, "\"line\":\"{\\\"op\\\":}\"}\n") != NULL,
              "is in the file, escaped");
    check(file != NULL && fgets(line, sizeof line, file) == NULL, "and no more");
    if (file != NULL)
        fclose(file);
}

static void test_destination_fails(void)
{
    struct fake fake;
    forget();
    prepare(&fake, "a line that the destination does not take, for good");
    fake.fail_at = "4";
    fake.fail_status = CDC_EXIT_CONFIG;
    check(run(&fake, "c1 k2 c3 c4 k5") == CDC_EXIT_CONFIG, "its status");
    diary_is(&fake, "e1 b e3 e4 x D(2) ");
    stored_is("east", "2 1 1");
    prepare(&fake, "the first line of a transaction");
    fake.fail_at = "5";
    fake.fail_status = CDC_EXIT_PERMISSION;
    check(run(&fake, "c3 k4 c5 k6") == CDC_EXIT_PERMISSION, "its status");
    diary_is(&fake, "e3 b e5 x D(4<2) ");
    prepare(&fake, "the destination is away");
    fake.fail_at = "7";
    fake.fail_status = CDC_EXIT_UNAVAILABLE;
    check(run(&fake, "c5 k6 c7 k8") == CDC_EXIT_UNAVAILABLE, "its status");
    diary_is(&fake, "e5 b e7 ");
    stored_is("east", "4 1 2");
    prepare(&fake, "the delivery fails");
    fake.fail_delivery = true;
    check(run(&fake, "c5 k6 c7 k8") == CDC_EXIT_UNAVAILABLE, "its status");
    diary_is(&fake, "e5 b e7 D(8<4) ");
    stored_is("east", "4 1 2");
    prepare(&fake, "a schema line that cannot be used is a bad line");
    fake.fail_at = "5";
    fake.fail_status = CDC_EXIT_DATA;
    check(run(&fake, "s5 c6 k7") == CDC_EXIT_DATA && strncmp(fake.error.text, "line 1: ", 8) == 0, "exit 65");
    diary_is(&fake, "e5 ");
}

/* The input pauses, and nobody has closed it: what is complete is stored then, and nothing is taken for a line. */
static void test_pause(void)
{
    struct fake fake;
    struct cdc_log log = {0};
    int ends[2];

    forget();
    prepare(&fake, "the input pauses");
    script(&fake, "c1 c2 k3");
    check(pipe(ends) == 0 && write(ends[1], fake.input.data, fake.input.len) == (ssize_t)fake.input.len, "a pipe");
    fake.file = cdc_offset_file_open(path_of("sink.offset"), "cdc-sink-t", &fake.error);
    fake.settings.input_fd = ends[0];
    fake.settings.idle_exit = 0.01;
    (void)cdc_sink_run(&ops, &fake, &fake.settings, fake.file, &fake.control, &log, &fake.error);
    cdc_offset_file_free(fake.file);
    close(ends[0]);
    close(ends[1]);
    cdc_buf_free(&fake.input);
    diary_is(&fake, "e1 e2 D(3) ");
    stored_is("east", "3 1 2");
}

/* What comes while a delivery takes longer than --idle-exit is no silence. */
static void test_idle(void)
{
    struct fake fake, later;
    struct cdc_log log = {0};
    int ends[2];

    forget();
    prepare(&fake, "lines come while a delivery takes long");
    script(&fake, "c1 c2 k3");
    later = (struct fake){.settings = {.input_fd = -1}};
    script(&later, "n4 k5");
    check(pipe(ends) == 0 && write(ends[1], fake.input.data, fake.input.len) == (ssize_t)fake.input.len, "a pipe");
    fake.late = &later.input;
    fake.late_fd = ends[1];
    fake.file = cdc_offset_file_open(path_of("sink.offset"), "cdc-sink-t", &fake.error);
    fake.settings.input_fd = ends[0];
    fake.settings.idle_exit = 0.01;
    (void)cdc_sink_run(&ops, &fake, &fake.settings, fake.file, &fake.control, &log, &fake.error);
    cdc_offset_file_free(fake.file);
    close(ends[0]);
    close(ends[1]);
    cdc_buf_free(&fake.input);
    cdc_buf_free(&later.input);
    diary_is(&fake, "e1 e2 D(3) e4 D(5<3) ");
    stored_is("east", "5 2 3");
}

/* What comes while the sink waits for it, within --idle-exit: written once it waits. */
static struct {
    int fd;
    const char *text;
} late = {.fd = -1};

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    if (late.fd >= 0 && timeout > 0) {
        check(write(late.fd, late.text, strlen(late.text)) == (ssize_t)strlen(late.text), "more input");
        close(late.fd);
        late.fd = -1;
    }
    return (int)syscall(SYS_poll, fds, n, timeout);
}

static void test_late(void)
{
    struct fake fake;
    struct cdc_log log = {0};
    int ends[2];

    forget();
    prepare(&fake, "the input pauses for less than --idle-exit");
    script(&fake, "c1 c2 k3");
    cdc_buf_byte(&fake.input, '\0');
    late.text = fake.input.data;
    check(pipe(ends) == 0, "a pipe");
    late.fd = ends[1];
    fake.file = cdc_offset_file_open(path_of("sink.offset"), "cdc-sink-t", &fake.error);
    fake.settings.input_fd = ends[0];
    fake.settings.idle_exit = 1000;
    check(cdc_sink_run(&ops, &fake, &fake.settings, fake.file, &fake.control, &log, &fake.error) == 0, "exit 0");
    cdc_offset_file_free(fake.file);
    close(ends[0]);
    if (late.fd >= 0)
        close(late.fd);
    late.fd = -1;
    diary_is(&fake, "e1 e2 D(3) ");
    stored_is("east", "3 1 2");
    cdc_buf_free(&fake.input);
}

/* -- any one call fails: a destination that keeps what it was told to keep -- */

static struct {
    struct cdc_sink_context context;
    char taken[128], stored[512]; /* "1 2 1' ", positions */
    size_t boundary;
} keeper;

static int keeper_event(void *sink, const struct cdc_event *event, struct cdc_error *error)
{
    size_t n = strlen(keeper.taken);
    (void)sink;
    if (n + 16 > sizeof keeper.taken)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "too many lines");
    snprintf(keeper.taken + n, 16, "%.*s%s ", (int)event->pos.n, event->pos.p,
             cdc_span_is(event->name, "west") ? "'" : "");
    return 0;
}

static int keeper_deliver(void *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    (void)sink, (void)offsets, (void)error;
    size_t n = strlen(keeper.stored);
    snprintf(keeper.stored + n, sizeof keeper.stored - n, "%s", keeper.taken);
    keeper.taken[0] = '\0';
    keeper.boundary = 0;
    return 0;
}

static void keeper_discard(void *sink)
{
    (void)sink;
    keeper.taken[keeper.boundary] = '\0';
}

static int keeper_boundary(void *sink, struct cdc_error *error)
{
    (void)sink, (void)error;
    keeper.boundary = strlen(keeper.taken);
    return 0;
}

static const struct cdc_sink_ops keeper_ops = {
    .event = keeper_event, .deliver = keeper_deliver, .discard = keeper_discard, .boundary = keeper_boundary};

static void begin_keeper(void)
{
    memset(&keeper, 0, sizeof keeper);
    forget();
    unlink(path_of("dead"));
}

static int run_keeper(struct cdc_error *error)
{
    static char dead[64];
    struct fake fake;
    struct cdc_log log = {0};

    prepare(&fake, "any one call fails");
    script(&fake, "c1 c1' k2 c2' k3' ! c3 c4 k5 c6 k7 c80 c85 c88 n89 k9");
    write_input(&fake);
    snprintf(dead, sizeof dead, "%s/dead", dir);
    fake.settings.batch_events = 3;
    fake.settings.on_error = "dead-letter";
    fake.settings.dead_letter = dead;
    fake.settings.input_fd = (int)syscall(SYS_openat, AT_FDCWD, path_of("input"), O_RDONLY | O_CLOEXEC);
    keeper.taken[0] = '\0'; /* of a run that has ended */
    keeper.boundary = 0;
    memory_begin();
    struct cdc_offset_file *file = cdc_offset_file_open(path_of("sink.offset"), "cdc-sink-t", error);
    int result =
        file != NULL ? cdc_sink_run(&keeper_ops, &keeper, &fake.settings, file, &fake.control, &log, error) : -1;
    cdc_offset_file_free(file);
    memory_end();
    close(fake.settings.input_fd);
    cdc_buf_free(&fake.input);
    return result;
}

/* Each line of a source, in their order the last time that they came. */
static bool is_kept(void)
{
    static const char *const wanted[] = {"1 ", "3 ", "4 ", "6 ", "80 ", "85 ", "88 ", "89 ", NULL, "1' ", "2' ", NULL};
    const char *at = keeper.stored;
    char letter[1024] = "";
    bool good = true;

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const char *last = NULL;
        if (wanted[i] == NULL) {
            at = keeper.stored;
            continue;
        }
        for (const char *p = keeper.stored; (p = strstr(p, wanted[i])) != NULL; p++)
            last = p;
        good = good && last != NULL && last >= at;
        at = last != NULL ? last : at;
    }
    FILE *file = fopen(path_of("dead"), "r");
    good =
        good && file != NULL && fgets(letter, sizeof letter, file) != NULL && strstr(letter, "{\\\"op\\\":}") != NULL;
    if (file != NULL)
        fclose(file);
    if (!good)
        printf("# stored %s, dead %s\n", keeper.stored, letter);
    int before = failures;
    stored_is("east", "9 5 8");
    stored_is("west", "3 1 2");
    return good && failures == before;
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    test_truncated();
    test_batches();
    test_quiet();
    test_verbatim();
    test_two_sources();
    test_blocked();
    test_origin();
    test_bad_lines();
    test_destination_fails();
    test_pause();
    test_idle();
    test_late();
    failures += calls_sweep(&(struct calls_case){"the sink loop", begin_keeper, run_keeper, is_kept, NULL}) != 0;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - the sink loop\n");
    return failures != 0;
}
