/* SPDX-License-Identifier: MIT */
/* The source loop: read, decode, flush, confirm. A position makes this way, and the database may forget it at the end only:
 *
 *   read -> buffer -> pipe -> sink stores the rows -> sink's offset file -> cdc_acks_read -> our offset file -> confirm
 *
 * Whatever is killed anywhere on it, the log still has all lines that are not stored: they come again, and the sink knows
 * them by their pos. */
#include <poll.h>
#include <stdlib.h>

#include "libcdc/loop/internal.h"
#include <cdc/retry.h>
#include <cdc/source.h>

#define BLOCK ((size_t)64 << 10)       /* written in blocks of at least this while busy */
#define HIGH_WATER ((size_t)256 << 10) /* no reading above this much output */
#define TICK_MS 100
#define CONFIRM_MS 200
#define NO_SINK_WARNING_MS 60000
#define REST_MS 5000
#define INSIDE_MS 5000 /* how long a transaction is given to end, after a signal */
#define SOUND_MS 10000 /* a connection that lasts that long is one, though no data came */

/* A boundary whose lines may still be in the buffer: it counts once `end` bytes were written. */
struct candidate {
    struct cdc_offset offset; /* pos NULL: none */
    uint64_t end;
};

struct source_loop {
    const struct cdc_source_ops *ops;
    void *source;
    const struct cdc_source_settings *settings;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct cdc_writer *writer;
    /* confirmed: durable in our own file, and told to the database. resume: where a broken connection goes on, which
     * may be far ahead of it, since lines that are in the pipe need not be read again in this run. */
    struct cdc_offset confirmed; /* pos NULL: nothing yet */
    struct cdc_offset resume;    /* newest boundary whose lines are in the pipe or before it */
    struct candidate candidate;
    char *seen_pos;          /* of the boundary last looked at */
    bool inside;             /* the connection broke inside a transaction, of which the reader has a part */
    uint64_t inside_commits; /* as many had ended by then */
    int64_t next_tick, next_confirm, next_warning, last_change;
    uint64_t seen_changes;
    struct cdc_retry retry;
    int64_t connected; /* when the connection was made */
    int64_t stopped;   /* when the signal to stop was seen; 0: none */
    struct loop_report report;
    bool start_confirmed; /* the position that the run starts at is in our own file, and told */
    bool ended;           /* the source said so (END), or nothing came for long (idle_exit) */
    bool appending;       /* the source may be: */
    size_t held;          /* what was in the buffer before */
};

static int copy_text(char **target, const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    if (text != NULL && copy == NULL)
        return -1;
    free(*target);
    *target = copy;
    return 0;
}

static bool after(const struct cdc_offset *offset, const struct cdc_offset *other)
{
    return other->pos == NULL || strcmp(offset->pos, other->pos) > 0;
}

/* -- confirming ------------------------------------------------------------- */

/* Our own file, and only then the database: it may never forget what we could still need. */
static int save_and_tell(struct source_loop *loop, struct cdc_error *error)
{
    if (cdc_offset_file_set(loop->offsets, loop->settings->name, &loop->confirmed, error) != 0 ||
        cdc_offset_file_save(loop->offsets, error) != 0)
        return -1;
    return loop->ops->confirm(loop->source, &loop->confirmed, error);
}

/* NULL: nothing is kept beside positions, or it is not known yet. */
static const char *state_of(const struct source_loop *loop)
{
    const struct cdc_offset *boundary = loop->ops->boundary(loop->source);

    /* Of a relay the state is the position itself: each has its own. */
    if (loop->ops->acked != NULL)
        return NULL;
    if (boundary != NULL && boundary->state != NULL)
        return boundary->state;
    return loop->ops->state != NULL ? loop->ops->state(loop->source) : NULL;
}

/* Where the run starts is stored already, by the sinks, and may be told once the server is known to have the log from
 * there. Where our own file has nothing yet, it takes it first: else a pipeline whose sinks lost their files would look
 * like one that never began, and what was confirmed by then would be missing from the new copy. One that has a position
 * keeps it until a boundary of this run has passed, unless the connector has what it keeps beside this one (state): runs
 * that end before their sinks have stored anything (--until) would else never store it. */
static int confirm_start(struct source_loop *loop, struct cdc_error *error)
{
    const struct cdc_start *start = loop->settings->start;

    if (start->kind != CDC_START_RESUME || loop->start_confirmed)
        return 0;
    loop->start_confirmed = true;
    const char *state = start->own.pos == NULL || !after(&start->own, &loop->confirmed) ? state_of(loop) : NULL;
    if (state != NULL && copy_text(&loop->confirmed.state, state) != 0)
        return cdc_error_memory(error);
    return start->own.pos == NULL || state != NULL ? save_and_tell(loop, error)
                                                   : loop->ops->confirm(loop->source, &loop->confirmed, error);
}

static int confirm(struct source_loop *loop, const struct cdc_offset *offset, struct cdc_error *error)
{
    /* A sink that went back (its file was restored) takes nothing back: the database may have forgotten that part of
     * its log. */
    if (!after(offset, &loop->confirmed))
        return 0;
    /* Killed before this: the lines may not be on the disk, but nothing was confirmed either. Killed after it, before
     * our file is saved: they come again, and a reader drops them by their pos. */
    if (loop->settings->confirm == CDC_CONFIRM_WRITTEN && cdc_writer_sync(loop->writer, error) != 0)
        return -1;
    if (cdc_offset_copy(&loop->confirmed, offset, error) != 0)
        return -1;
    const char *state = state_of(loop);
    if (state != NULL && copy_text(&loop->confirmed.state, state) != 0)
        return cdc_error_memory(error);
    loop->metrics->seq = loop->confirmed.seq;
    return save_and_tell(loop, error);
}

/* Without sinks to ask. A boundary counts once all bytes up to it have left: the pipe, or the file, has them. */
static int confirm_written(struct source_loop *loop, struct cdc_error *error)
{
    if (loop->candidate.offset.pos == NULL || cdc_writer_written(loop->writer) < loop->candidate.end)
        return 0;
    int result = confirm(loop, &loop->candidate.offset, error);
    cdc_offset_free(&loop->candidate.offset);
    return result;
}

/* What was not read in this run, nor stored before it, waits until it was: only then is it known to be of this log. */
static bool was_read(const struct source_loop *loop, const struct cdc_offset *acked)
{
    const struct cdc_start *start = loop->settings->start;

    return (loop->resume.pos != NULL && !after(acked, &loop->resume)) ||
           (start->kind == CDC_START_SNAPSHOT && !after(acked, &start->from));
}

/* The same, told by the source itself. */
static int confirm_relayed(struct source_loop *loop, struct cdc_error *error)
{
    const struct cdc_offset *acked = NULL;

    if (loop->ops->acked(loop->source, &acked, error) != 0)
        return -1;
    return acked != NULL ? confirm(loop, acked, error) : 0;
}

/* The sinks decide: what the slowest of them has stored may be forgotten by the database. */
static int confirm_acked(struct source_loop *loop, int64_t now, struct cdc_error *error)
{
    const struct cdc_offset *acked;

    if (cdc_acks_read(loop->acks, &acked, error) != 0)
        return -1;
    /* Those that begin with the pipeline may come up later than the source, but not in a later run. */
    if (loop->settings->start->sinks > 0 && cdc_acks_count(loop->acks) > loop->settings->start->sinks)
        return cdc_start_lost_sink(loop->settings->name, error);
    if (cdc_acks_check_origin(loop->acks, loop->settings->name, &loop->resume, error) != 0)
        return -1;
    if (acked != NULL)
        return was_read(loop, acked) ? confirm(loop, acked, error) : 0;
    if (now >= loop->next_warning) {
        /* Not at the first look: sinks of the same pipeline come up at the same time as we do. */
        if (loop->next_warning != 0)
            cdc_log_write(
                loop->log, CDC_LOG_WARNING,
                "nothing is confirmed: no sink has acknowledged a position yet, so the database keeps its log");
        loop->next_warning = now + NO_SINK_WARNING_MS;
    }
    return 0;
}

/* Takes note of a boundary that has come up since the last look. */
static int note_boundary(struct source_loop *loop, struct cdc_error *error)
{
    const struct cdc_offset *boundary = loop->ops->boundary(loop->source);

    if (boundary == NULL || (loop->seen_pos != NULL && strcmp(boundary->pos, loop->seen_pos) == 0))
        return 0;
    if (copy_text(&loop->seen_pos, boundary->pos) != 0 || cdc_offset_copy(&loop->resume, boundary, error) != 0)
        return cdc_error_memory(error);
    /* One candidate at a time: the next is noted once this one has left, so at least something is confirmed while the
     * pipe never runs empty. The newest one would move away again and again. */
    if (loop->settings->confirm != CDC_CONFIRM_WRITTEN || loop->candidate.offset.pos != NULL)
        return 0;
    /* More than the boundary needs, since lines after it may be in the buffer already; at the worst it is confirmed a
     * little later. */
    loop->candidate.end = cdc_writer_written(loop->writer) + cdc_writer_pending(loop->writer);
    return cdc_offset_copy(&loop->candidate.offset, boundary, error);
}

static int confirm_step(struct source_loop *loop, bool last, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();

    if (!last && now < loop->next_confirm)
        return 0;
    loop->next_confirm = now + CONFIRM_MS;
    if (loop->settings->confirm == CDC_CONFIRM_ACKS)
        return loop->ops->acked != NULL ? confirm_relayed(loop, error) : confirm_acked(loop, now, error);
    if (confirm_written(loop, error) != 0)
        return -1;
    if (cdc_writer_pending(loop->writer) == 0 && loop->resume.pos != NULL && after(&loop->resume, &loop->confirmed))
        return confirm(loop, &loop->resume, error); /* all is written: the newest boundary counts */
    return 0;
}

/* -- connecting ------------------------------------------------------------- */

/* A pipe whose reader is gone is noticed while idle, and between two attempts to connect, too. */
static int check_reader(struct source_loop *loop, struct cdc_error *error)
{
    struct pollfd poller = {cdc_writer_fd(loop->writer), 0, 0};

    /* A file or a terminal has no reader that could go. */
    if (cdc_writer_is_pipe(loop->writer) && poll(&poller, 1, 0) > 0 && (poller.revents & (POLLERR | POLLHUP)) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "%s", "");
    return 0;
}

/* What the source waits for may fail, and then it takes back what it has appended last, by its place in the buffer. */
static size_t whole_lines(const struct source_loop *loop)
{
    return loop->ops->whole != NULL ? loop->ops->whole(loop->source) : loop->held;
}

static void begin_appending(struct source_loop *loop)
{
    loop->appending = true;
    loop->held = cdc_writer_buf(loop->writer)->len;
}

/* control->waiting: lines that were read before the connection broke are whole, and the reader gets them meanwhile. What
 * fails here fails at the next flush as well, and is told there. */
static void waiting(void *context, const char *what)
{
    struct source_loop *loop = context;
    struct cdc_error ignored = {0};

    if (loop->writer != NULL && !cdc_writer_buf(loop->writer)->failed)
        (void)(loop->appending ? cdc_writer_flush_part(loop->writer, whole_lines(loop), &ignored)
                               : cdc_writer_flush(loop->writer, &ignored));
    loop->metrics->bytes_out = loop->writer != NULL ? cdc_writer_written(loop->writer) : 0;
    loop_report_waiting(&loop->report, what);
}

/* Connects with backoff. 0; 1: stopped while waiting; -1. */
static int reconnect(struct source_loop *loop, struct cdc_error *error)
{
    for (;;) {
        /* resume and not confirmed: what is in the pipe is not read a second time. If we are killed, the next run
         * begins at the sinks' position. */
        const struct cdc_offset *from = loop->resume.pos != NULL      ? &loop->resume
                                        : loop->confirmed.pos != NULL ? &loop->confirmed
                                                                      : NULL;
        if (error->status == 0 && loop->ops->connect(loop->source, from, error) == 0)
            return 0;
        loop->ops->disconnect(loop->source);
        int fd = cdc_writer_is_pipe(loop->writer) ? cdc_writer_fd(loop->writer) : -1;
        int waited = cdc_retry_sleep(&loop->retry, loop->control, fd, loop->log, error);
        if (waited != 0)
            return waited;
        loop->metrics->retries++;
    }
}

/* -- one turn ----------------------------------------------------------------- */

static int poll_timeout(const struct source_loop *loop)
{
    int64_t wait = loop->next_tick - cdc_clock_ms();
    return wait < 0 ? 0 : wait > TICK_MS ? TICK_MS : (int)wait;
}

static void wait_for_work(struct source_loop *loop, bool blocked)
{
    loop_report_waiting(&loop->report, blocked ? "the reader of the output" : "the end of the transaction in hand");
    short events = 0;
    struct pollfd pollers[4];
    nfds_t n = 0;
    int fd = loop->ops->descriptor(loop->source, &events);

    if (blocked)
        events &= (short)~POLLIN; /* back-pressure: the data stays where it is */
    if (fd >= 0 && events != 0)
        pollers[n++] = (struct pollfd){fd, events, 0};
    /* Without POLLOUT wanted, the poll still reports a reader that went away (POLLERR). */
    pollers[n++] = (struct pollfd){cdc_writer_fd(loop->writer), cdc_writer_pending(loop->writer) > 0 ? POLLOUT : 0, 0};
    /* Once it has stopped us, wake_fd stays readable, and no poll would wait. */
    if (loop->control->stop == 0 && loop->control->wake_fd >= 0)
        pollers[n++] = (struct pollfd){.fd = loop->control->wake_fd, .events = POLLIN};
    if (loop->control->notice_fd >= 0)
        pollers[n++] = (struct pollfd){.fd = loop->control->notice_fd, .events = POLLIN};
    (void)poll(pollers, n, poll_timeout(loop));
}

static int tick(struct source_loop *loop, bool blocked, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();

    if (now < loop->next_tick)
        return 0;
    loop->next_tick = now + TICK_MS;
    if (now - loop->connected >= SOUND_MS)
        cdc_retry_success(&loop->retry);
    if (check_reader(loop, error) != 0)
        return -1;
    begin_appending(loop);
    int result = loop->ops->tick(loop->source, cdc_writer_buf(loop->writer), blocked, error);
    loop->appending = false;
    return result;
}

/* --idle-exit: only between transactions, and when all is written, so that the end is a clean one. */
static bool idle_too_long(struct source_loop *loop)
{
    int64_t now = cdc_clock_ms();

    if (loop->settings->idle_exit <= 0)
        return false;
    bool behind = loop->ops->caught_up != NULL && !loop->ops->caught_up(loop->source);
    if (loop->metrics->changes != loop->seen_changes || loop->last_change == 0 || behind) {
        loop->seen_changes = loop->metrics->changes;
        loop->last_change = now;
    }
    return now - loop->last_change >= (int64_t)(loop->settings->idle_exit * 1000) &&
           cdc_writer_pending(loop->writer) == 0 && loop->ops->between(loop->source);
}

/* Whether to wait after a turn. `asked`: the source was read in it; then only IDLE says that nothing is there. A turn
 * that was blocked says nothing of the source: once its flush has made room, the source is asked first. Its descriptor
 * may only report news (an eventfd, or a socket whose bytes libpq has taken already), and would be silent about what
 * has come before:
 *
 *   turn 1: output full, nothing is read; the wait ends when the reader takes 1 MiB
 *   turn 2: flush writes all; what the source has by now announced itself before turn 1 */
static bool must_wait(const struct source_loop *loop, bool asked, enum cdc_source_result got)
{
    bool blocked = cdc_writer_pending(loop->writer) >= HIGH_WATER;

    return asked ? got == CDC_SOURCE_IDLE : blocked;
}

/* An error in a turn that has read transactions before it: their lines are whole and stay in the buffer, so that a new
 * connection goes on after them, and whoever writes the rest confirms them. Always -1. */
static int leave_stream(struct source_loop *loop)
{
    struct cdc_error ignored = {0};

    (void)note_boundary(loop, &ignored); /* without memory for it, the lines come again */
    return -1;
}

/* A stop inside a transaction goes on to its end: the sinks get it whole. But not for as long as one of ten million rows takes:
 * it comes again whole. A second signal does not wait for that. */
static bool must_leave(struct source_loop *loop)
{
    if (!loop->control->stop)
        return false;
    if (loop->stopped == 0)
        loop->stopped = cdc_clock_ms();
    return loop->control->stop >= 2 || loop->ops->between(loop->source) || cdc_clock_ms() - loop->stopped >= INSIDE_MS;
}

/* One connection's life. 0: end reached or stopped; -1: error. */
static int stream(struct source_loop *loop, struct cdc_error *error)
{
    loop->connected = cdc_clock_ms();
    loop->last_change = 0; /* what came while we were away is still to be read */
    for (;;) {
        struct cdc_buf *out = cdc_writer_buf(loop->writer);
        bool blocked = cdc_writer_pending(loop->writer) >= HIGH_WATER;
        enum cdc_source_result got = CDC_SOURCE_IDLE;
        size_t before = out->len;
        if (must_leave(loop))
            return 0;
        if (!blocked) {
            /* At least a block a turn: decoding goes on while the pipe takes its time, up to the high-water mark. */
            size_t limit = out->len - cdc_writer_pending(loop->writer) + HIGH_WATER + BLOCK;
            limit = limit < out->len + BLOCK ? out->len + BLOCK : limit;
            begin_appending(loop);
            got = loop->ops->read(loop->source, out, limit, error);
            loop->appending = false;
            /* Only data proves that the connection is good: a server that takes connections and drops them at once is
             * not asked every 100 ms. */
            if (got == CDC_SOURCE_MORE)
                cdc_retry_success(&loop->retry);
        }
        if (got == CDC_SOURCE_ERROR || out->failed || tick(loop, blocked, error) != 0)
            return out->failed ? cdc_error_memory(error) : leave_stream(loop);
        /* After tick, which may have appended a heartbeat, and before the flush: candidate.end counts what is still
         * in the buffer. */
        if (note_boundary(loop, error) != 0)
            return -1;
        /* While more is there at once, blocks; at a pause, or where no line comes of it, everything, so that a single row does not
         * wait for 64 KiB to come together. */
        if (got != CDC_SOURCE_MORE || out->len == before || cdc_writer_pending(loop->writer) >= BLOCK)
            if (cdc_writer_flush(loop->writer, error) != 0)
                return -1;
        if (confirm_step(loop, false, error) != 0)
            return -1;
        loop->metrics->bytes_out = cdc_writer_written(loop->writer);
        loop_report_turn(&loop->report, false);
        loop->ended = got == CDC_SOURCE_END || idle_too_long(loop);
        if (loop->ended)
            return 0;
        if (must_wait(loop, !blocked, got))
            wait_for_work(loop, cdc_writer_pending(loop->writer) >= HIGH_WATER);
    }
}

/* Writes what is left, keeping the connection alive meanwhile. */
static int drain(struct source_loop *loop, struct cdc_error *error)
{
    int left;

    while ((left = cdc_writer_finish(loop->writer, loop->control, TICK_MS, error)) > 0 && loop->control->stop < 2)
        if (tick(loop, true, error) != 0)
            return -1;
    if (left < 0 || confirm_step(loop, true, error) != 0)
        return -1;
    return 0;
}

/* After an error that ends the run: the whole lines before it are good. Given up when the reader takes nothing for a while. */
static int write_what_goes(struct source_loop *loop)
{
    struct cdc_error ignored = {0};
    size_t before;
    int left;

    do {
        before = cdc_writer_pending(loop->writer);
        left = cdc_writer_finish(loop->writer, loop->control, REST_MS, &ignored);
    } while (left > 0 && loop->control->stop < 2 && cdc_writer_pending(loop->writer) < before);
    return left;
}

static void write_rest(struct source_loop *loop)
{
    struct cdc_error ignored = {0};

    if (write_what_goes(loop) >= 0)
        (void)confirm_step(loop, true, &ignored);
}

/* Exit 0 would say that the reader has every line, and whole transactions. */
static int left_early(const struct source_loop *loop, struct cdc_error *error)
{
    if (cdc_writer_pending(loop->writer) == 0)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "left by a signal inside a transaction; it comes again whole");
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "left by a signal; %zu bytes were not written",
                         cdc_writer_pending(loop->writer));
}

/* After a connection that ended early, broken or by a signal. What the reader has a part of stays so over further ones, until
 * a transaction has ended. */
static void note_inside(struct source_loop *loop, bool early)
{
    bool inside = early && !loop->ops->between(loop->source);

    if (inside || loop->metrics->commits != loop->inside_commits)
        loop->inside = inside;
    loop->inside_commits = loop->metrics->commits;
}

/* Only a connection that broke is made again; lines in the buffer stay, they are whole. */
static int run(struct source_loop *loop, struct cdc_error *error)
{
    cdc_retry_init(&loop->retry, loop->settings->retry_max);
    for (;;) {
        int connected = reconnect(loop, error);
        if (connected != 0) {
            if (connected < 0)
                return -1;
            /* Stopped while there is no connection: lines of before may still wait for the reader. */
            cdc_error_clear(error);
            return write_what_goes(loop) > 0 || loop->inside ? left_early(loop, error) : 0;
        }
        int result = confirm_start(loop, error);
        if (result == 0) {
            result = stream(loop, error);
            note_inside(loop, result != 0 || loop->control->stop);
        }
        /* What is left of a transaction that we leave is worth no waiting for the reader. */
        if (result == 0 && loop->inside && loop->control->stop)
            write_rest(loop);
        else if (result == 0)
            result = drain(loop, error);
        bool ended = result == 0 && loop->ended && loop->ops->end != NULL;
        if (ended)
            result = loop->ops->end(loop->source, error);
        if (result == 0 || ended || !cdc_error_is_transient(error)) {
            if (result != 0 && !cdc_writer_buf(loop->writer)->failed)
                write_rest(loop);
            loop->ops->disconnect(loop->source);
            bool early = cdc_writer_pending(loop->writer) > 0 || loop->inside;
            return result == 0 && early ? left_early(loop, error) : result;
        }
        loop->metrics->errors++;
    }
}

int cdc_source_run(const struct cdc_source_ops *ops, void *source, const struct cdc_source_settings *settings,
                   struct cdc_offset_file *offsets, struct cdc_acks *acks, struct cdc_control *control,
                   struct cdc_metrics *metrics, const struct cdc_log *log, struct cdc_error *error)
{
    struct source_loop loop = {
        .ops = ops,
        .source = source,
        .settings = settings,
        .offsets = offsets,
        .acks = acks,
        .control = control,
        .metrics = metrics,
        .log = log,
        .report = {.metrics_file = settings->metrics_file,
                   .tool = settings->tool,
                   .name = settings->name,
                   .metrics = metrics,
                   .control = control,
                   .log = log},
    };
    int result = -1;

    control->waiting = waiting;
    /* cppcheck-suppress autoVariables ; for as long as the loop runs */
    control->context = &loop;
    loop.writer = cdc_writer_new(settings->output_fd, error);
    /* After a snapshot (CDC_START_SNAPSHOT) the connector knows where to begin; nothing of the stream is confirmed
     * yet. */
    bool ready = loop.writer != NULL && (settings->start->kind != CDC_START_RESUME ||
                                         cdc_offset_copy(&loop.confirmed, &settings->start->from, error) == 0);
    if (ready) {
        loop_report_removed(log, loop.writer);
        result = run(&loop, error);
    }
    control->waiting = NULL;
    loop_report_turn(&loop.report, true);
    cdc_writer_free(loop.writer);
    cdc_offset_free(&loop.confirmed);
    cdc_offset_free(&loop.resume);
    cdc_offset_free(&loop.candidate.offset);
    free(loop.seen_pos);
    return result;
}
