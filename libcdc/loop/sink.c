/* SPDX-License-Identifier: MIT */
/* The sink loop: read lines, hand events over, deliver at transaction ends, advance the offset. An example, of a batch that
 * is not full yet when the input ends:
 *
 *   c c commit     taken in, complete: a boundary
 *   c              the rollback points are set to that boundary before this line is taken in
 *   c (end)        the transaction is not whole: discard, back to the rollback points, deliver what is before them
 *
 * The two last lines come again with the next run, since the offset stands at the commit. */
#include <stdio.h>
#include <stdlib.h>

#include "libcdc/loop/internal.h"
#include "libcdc/loop/replay.h"
#include <cdc/line.h>
#include <cdc/retry.h>
#include <cdc/sink.h>

/* Lines of other sources are held while a transaction is open, up to so many bytes. Beyond them the transactions are taken as
 * one, which ends where none of the sources is inside a transaction. */
#define HELD_MAX ((size_t)64 << 20)
#define HELD_TELL_MS 10000 /* they wait for so long: said, and again when it has become three times as long */

struct cdc_sink_loop {
    const struct cdc_sink_ops *ops;
    void *sink;
    const struct cdc_sink_settings *settings;
    struct cdc_offset_file *offsets;
    struct cdc_control *control;
    const struct cdc_log *log;
    struct cdc_metrics metrics;
    struct cdc_line_reader *reader;
    struct cdc_event_parser *parser;
    uint64_t number, offset; /* of the line that is being taken in */
    struct streams streams;
    struct dead_letter *dead_letter;
    struct refused *refused;
    struct replay *replay; /* NULL: lines come from the input */
    uint64_t batch_changes, batch_bytes, run_changes, dropped;
    int64_t batch_start, stop_deadline;
    int64_t next_offset; /* when the offset file may be written again */
    bool offset_waits;   /* it is behind the destination */
    int64_t idle_since;  /* nothing was there to read, and nothing else to do; 0: the newest turn had something */
    bool reported_unknown, finished, delivery_failed;
    bool leaving;  /* a change was left for the next run: so is all that comes after it */
    bool in_event; /* the destination failed within a line, and may have done a part of it */
    bool stored;   /* the destination has something of this run, or may have */
    struct held_lines held;
    bool mixing;                         /* too many were held: sources are taken in as the lines come */
    size_t blocker;                      /* the source that the others wait for */
    int64_t blocked_since, blocked_told; /* 0: nobody waits; when it is to be said next */
    struct loop_report report;
};

/* -- delivering ------------------------------------------------------------- */

static int sync_refused(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    return dead_letter_sync(loop->dead_letter, error) == 0 ? refused_sync(loop->refused, error) : -1;
}

/* Of a delivery, unless it was written a moment ago: then a pause or the end does it. */
static int save_offsets(struct cdc_sink_loop *loop, bool now, struct cdc_error *error)
{
    int64_t clock = loop->settings->offset_ms > 0 ? cdc_clock_ms() : 0;

    loop->offset_waits = !now && clock < loop->next_offset;
    if (loop->offset_waits)
        return 0;
    loop->next_offset = clock + loop->settings->offset_ms;
    return cdc_offset_file_save(loop->offsets, error);
}

/* The order is the guarantee: destination durable, refused lines durable (a delivery may refuse some), then the offset.
 * A destination that holds the offset itself moves it in its own delivery, so what was refused before that is durable
 * first. */
static int deliver(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (streams_set_offsets(&loop->streams, &loop->metrics.seq, error) != 0)
        return -1;
    loop->delivery_failed = loop->stored = true;
    if (sync_refused(loop, error) != 0 || loop->ops->deliver(loop->sink, loop->offsets, error) != 0 ||
        sync_refused(loop, error) != 0 || save_offsets(loop, false, error) != 0)
        return -1;
    loop->delivery_failed = false;
    streams_delivered(&loop->streams);
    loop->batch_changes = loop->batch_bytes = 0;
    loop->batch_start = 0;
    return 0;
}

static bool at_boundary(const struct cdc_sink_loop *loop)
{
    return streams_at_boundary(&loop->streams);
}

static bool nothing_open(const struct cdc_sink_loop *loop)
{
    return streams_nothing_open(&loop->streams);
}

static int set_rollback_point(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (streams_set_rollback_point(&loop->streams, error) != 0)
        return -1;
    return loop->ops->boundary != NULL ? loop->ops->boundary(loop->sink, error) : 0;
}

/* Forgets what came after the last rollback point. */
static int go_back(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (loop->ops->discard != NULL)
        loop->ops->discard(loop->sink);
    loop->in_event = false;
    return streams_go_back(&loop->streams, error);
}

/* Full by number or by time; at a stop, and at the end of --max-events, whatever is complete goes out. */
static bool batch_is_full(const struct cdc_sink_loop *loop)
{
    return loop->batch_changes >= (uint64_t)loop->settings->batch_events ||
           (loop->settings->batch_bytes > 0 && loop->batch_bytes >= (uint64_t)loop->settings->batch_bytes) ||
           (loop->batch_start != 0 && cdc_clock_ms() - loop->batch_start >= loop->settings->batch_ms) ||
           loop->control->stop || loop->finished;
}

/* -- one line ----------------------------------------------------------------- */

uint64_t cdc_sink_line_number(const struct cdc_sink_context *context)
{
    return context->loop->number;
}

int cdc_sink_reject(struct cdc_sink_context *context, struct cdc_span line, const char *reason, struct cdc_error *error)
{
    return cdc_sink_reject_line(context, line, cdc_sink_line_number(context), reason, error);
}

int cdc_sink_reject_line(struct cdc_sink_context *context, struct cdc_span line, uint64_t number, const char *reason,
                         struct cdc_error *error)
{
    struct cdc_sink_loop *loop = context->loop;

    if (loop->replay != NULL) {
        replay_refuse(loop->replay, number, reason);
        return 0;
    }
    /* The line is not taken in, and the offset stays before its transaction: with the cause fixed, it comes again. */
    if (strcmp(loop->settings->on_error, "stop") == 0) {
        cdc_error_set(error, CDC_EXIT_DATA, "line %llu: %s", (unsigned long long)number, reason);
        return cdc_error_hint(
            error, "fix the cause and start again, or use --on-error=dead-letter to go on without such lines");
    }
    loop->metrics.skipped++;
    cdc_log_write(loop->log, CDC_LOG_WARNING, "line %llu skipped: %s", (unsigned long long)number, reason);
    if (dead_letter_write(loop->dead_letter, line, reason, error) != 0)
        return -1;
    return loop->dead_letter != NULL ? refused_note(loop->refused, line, number, error) : 0;
}

static int bad_line(struct cdc_sink_loop *loop, struct cdc_span line, const char *reason, struct cdc_error *error)
{
    struct cdc_sink_context context = {.loop = loop};
    char text[1200];

    snprintf(text, sizeof text, "at byte offset %llu of the input: %s", (unsigned long long)loop->offset, reason);
    return cdc_sink_reject(&context, line, text, error);
}

/* A higher seq proves the transaction before complete, where a stage before us dropped its commit line (jq
 * 'select(.op=="c")'). Without this, nothing would ever be delivered there. */
static int implied_boundary(struct cdc_sink_loop *loop, struct sink_stream *stream, const struct cdc_event *event,
                            struct cdc_error *error)
{
    if (stream->open_lines == 0 || !event->has_seq || event->seq <= stream->seq)
        return 0;
    stream_close_boundary(stream);
    return at_boundary(loop) && batch_is_full(loop) ? deliver(loop, error) : 0;
}

/* A destination may have lines in hand that it refuses: which ones is known before a line that is about all rows of a table. */
static int settle_refused(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    return loop->ops->settle != NULL && refused_ends_others(loop->refused, event) ? loop->ops->settle(loop->sink, error)
                                                                                  : 0;
}

/* A line goes to the destination. What is complete before it stays apart: of a line that fails, a part may be done. */
static int hand_over(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    if ((at_boundary(loop) && set_rollback_point(loop, error) != 0) || settle_refused(loop, event, error) != 0 ||
        refused_touch(loop->refused, event, loop->number, error) != 0)
        return -1;
    loop->in_event = true;
    if (loop->ops->event(loop->sink, event, error) != 0)
        return -1;
    loop->in_event = false;
    return 0;
}

static int take_change(struct cdc_sink_loop *loop, struct sink_stream *stream, const struct cdc_event *event,
                       struct cdc_error *error)
{
    if (implied_boundary(loop, stream, event, error) != 0)
        return -1;
    /* The transaction before it was the last one: it comes again, and so does its commit line. */
    loop->leaving = (loop->control->stop || loop->finished) && nothing_open(loop);
    if (loop->leaving)
        return 0;
    if (hand_over(loop, event, error) != 0 || stream_remember(stream, event, error) != 0)
        return -1;
    loop->stored |= loop->ops->discard == NULL; /* a part may be out before the delivery */
    stream->open_lines++;
    loop->batch_changes++;
    loop->batch_bytes += event->line.n + 1;
    if (loop->batch_start == 0)
        loop->batch_start = cdc_clock_ms();
    if (event->op == CDC_OP_SCHEMA || event->op == CDC_OP_UNKNOWN)
        return 0;
    stream->lines++;
    loop->run_changes++;
    loop->metrics.changes++;
    return 0;
}

/* Of a newer source. Not refused, whatever is in it: an old sink goes on with what it knows. Its pos is not remembered,
 * as nothing was done for it. */
static int pass_over_unknown(struct cdc_sink_loop *loop)
{
    if (!loop->reported_unknown)
        cdc_log_write(loop->log, CDC_LOG_WARNING, "line %llu has an unknown op; such lines are ignored",
                      (unsigned long long)loop->number);
    loop->reported_unknown = true;
    return 0;
}

/* It describes the lines after it, whether we had it before or not. One that cannot be used is a bad line: 1. */
static int give_schema(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_error why = {0};

    if (hand_over(loop, event, &why) == 0)
        return 0;
    loop->in_event &= why.status != CDC_EXIT_DATA; /* looked at before anything is done */
    if (why.status == CDC_EXIT_DATA)
        return bad_line(loop, event->line, why.text, error) == 0 ? 1 : -1;
    if (error != NULL)
        *error = why;
    return -1;
}

/* The line after the rows of a table that was read again replaces these rows. So it is inside a transaction, up to the next
 * boundary: what another source has to take back must not take the replacing with it, and leave the boundary. */
static int take_schema(struct cdc_sink_loop *loop, struct sink_stream *stream, const struct cdc_event *event,
                       bool again, struct cdc_error *error)
{
    bool opens = !again && cdc_span_is(event->read, "end");

    if (opens && implied_boundary(loop, stream, event, error) != 0)
        return -1;
    int result = give_schema(loop, event, error);
    if (result != 0 || !opens)
        return result < 0 ? -1 : 0;
    loop->stored |= loop->ops->discard == NULL;
    stream->open_lines++;
    return stream_remember(stream, event, error);
}

/* A heartbeat is a boundary as well: in a quiet database it is what moves the offset, so that the server can drop its
 * log. But one with a smaller seq than the lines in hand, of another writer, does not say that their transaction is
 * complete. */
static int take_boundary(struct cdc_sink_loop *loop, struct sink_stream *stream, const struct cdc_event *event,
                         struct cdc_error *error)
{
    bool of_another =
        event->op == CDC_OP_HEARTBEAT && stream->open_lines > 0 && (!event->has_seq || event->seq < stream->seq);
    if ((loop->ops->verbatim || loop->ops->boundaries) && hand_over(loop, event, error) != 0)
        return -1;
    if (of_another)
        return 0;
    loop->metrics.commits++;
    stream_close_boundary(stream);
    return stream_remember(stream, event, error);
}

/* Must the line wait, since another source is inside a transaction? (held.c) */
static bool must_wait(const struct cdc_sink_loop *loop, const struct sink_stream *stream)
{
    if (loop->streams.n == 1 || loop->mixing)
        return false;
    if (stream->held)
        return true;
    for (size_t i = 0; i < loop->streams.n; i++)
        if (&loop->streams.items[i] != stream && loop->streams.items[i].open_lines > 0)
            return true;
    return false;
}

static int hold(struct cdc_sink_loop *loop, struct sink_stream *stream, struct cdc_span line, struct cdc_error *error)
{
    stream->held = true;
    return held_add(&loop->held, &(struct held_line){line, loop->number, loop->offset}, error);
}

static int take_event(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    if (loop->leaving)
        return 0;
    if (event->op == CDC_OP_UNKNOWN && (!loop->ops->verbatim || event->pos.n == 0))
        return pass_over_unknown(loop);
    if (event->pos.p == NULL || event->pos.n == 0)
        return bad_line(loop, event->line, "the line has no \"pos\"", error);
    const char *why = cdc_offset_why_not_kept(event->source, event->name);
    if (why != NULL)
        return bad_line(loop, event->line, why, error);
    struct sink_stream *stream = streams_find(&loop->streams, event->name, error);
    if (stream == NULL)
        return -1;
    if (must_wait(loop, stream))
        return hold(loop, stream, event->line, error);
    /* Against what was taken in, not what was delivered: a source that reconnects in this run sends lines again that
     * are in hand. */
    bool again = cdc_span_compare(event->pos, cdc_span(stream->pos.data, stream->pos.len)) <= 0;
    if (stream_check_origin(stream, event, again, error) != 0)
        return -1;
    if (event->op == CDC_OP_SCHEMA && !loop->ops->verbatim)
        return take_schema(loop, stream, event, again, error);
    if (again) {
        loop->metrics.duplicates++;
        loop->dropped += cdc_event_has_row(event) || event->op == CDC_OP_TRUNCATE;
        return 0;
    }
    if (event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT)
        return take_boundary(loop, stream, event, error);
    return take_change(loop, stream, event, error);
}

/* Its bytes are gone, so no file can keep them: only a stop, or an explicit skip, is honest. */
static int refuse_too_long(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (loop->dead_letter == NULL)
        return bad_line(loop, cdc_span(NULL, 0), "the line is longer than --max-line", error);
    cdc_error_set(error, CDC_EXIT_DATA,
                  "line %llu: at byte offset %llu of the input: the line is longer than --max-line, too long for the "
                  "dead-letter file",
                  (unsigned long long)loop->number, (unsigned long long)loop->offset);
    return cdc_error_hint(error, "raise --max-line, or use --on-error=skip to lose such lines");
}

static int take_line(struct cdc_sink_loop *loop, struct cdc_span line, bool too_long, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_error why;

    cdc_error_clear(&why);
    loop->number = cdc_line_reader_number(loop->reader);
    loop->offset = cdc_line_reader_offset(loop->reader);
    loop->metrics.lines_in++;
    loop->metrics.bytes_in += line.n + 1;
    if (too_long)
        return refuse_too_long(loop, error);
    if (cdc_event_parser_next(loop->parser, &event, line.p, line.n, &why) != 0)
        return bad_line(loop, line, why.text, error);
    return take_event(loop, &event, error);
}

/* The lines that were held, in order; those that must wait still are held again. */
static int take_held_once(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    struct held_lines lines = loop->held;
    struct held_line line;
    struct cdc_event event;
    int result = 0;

    loop->held = (struct held_lines){CDC_BUF_INIT};
    for (size_t i = 0; i < loop->streams.n; i++)
        loop->streams.items[i].held = false;
    for (size_t at = 0; result == 0 && held_next(&lines, &at, &line);) {
        loop->number = line.number;
        loop->offset = line.offset;
        result = cdc_event_parse(&event, line.text.p, line.text.n, error); /* it was parsed before */
        if (result == 0)
            result = take_event(loop, &event, error);
    }
    cdc_buf_free(&lines.bytes);
    return result;
}

/* After each line: what can go on goes on. */
static int take_held(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (loop->held.bytes.len > HELD_MAX) {
        loop->mixing = true;
        if (take_held_once(loop, error) != 0)
            return -1;
    }
    loop->mixing &= !nothing_open(loop);
    while (loop->held.bytes.len > 0 && nothing_open(loop))
        if (take_held_once(loop, error) != 0)
            return -1;
    return 0;
}

/* The source whose transaction has been open for longest. At most one is open, unless they are mixed. */
static size_t find_blocker(const struct cdc_sink_loop *loop)
{
    if (loop->blocked_since != 0 && loop->streams.items[loop->blocker].open_lines > 0)
        return loop->blocker;
    for (size_t i = 0; i < loop->streams.n; i++)
        if (loop->streams.items[i].open_lines > 0)
            return i;
    return loop->streams.n;
}

/* One that has died within a transaction holds up all others, and nobody would know why. */
static void tell_of_blocker(struct cdc_sink_loop *loop)
{
    size_t blocker = loop->held.bytes.len > 0 || loop->mixing ? find_blocker(loop) : loop->streams.n;

    if (blocker == loop->streams.n) {
        loop->blocked_since = 0;
        return;
    }
    int64_t now = cdc_clock_ms();
    if (loop->blocked_since == 0 || blocker != loop->blocker) {
        loop->blocker = blocker;
        loop->blocked_since = now;
        loop->blocked_told = now + HELD_TELL_MS;
    }
    if (now < loop->blocked_told)
        return;
    loop->blocked_told = now + 2 * (now - loop->blocked_since);
    cdc_log_write(
        loop->log, CDC_LOG_WARNING,
        "source \"%s\" has been inside a transaction for %lld s: until it ends, nothing of any source is stored; "
        "if it has gone, start it again",
        loop->streams.items[blocker].name.data, (long long)(now - loop->blocked_since) / 1000);
}

/* -- the loop ------------------------------------------------------------------ */

/* Nothing to read now. Returns true when it is time to leave. */
static bool wait_for_input(struct cdc_sink_loop *loop)
{
    int64_t now = cdc_clock_ms(), wait = 1000;

    loop_report_waiting(&loop->report, "the end of the transaction in hand");
    /* A signal came, but the transaction in hand is not at its end: looked at often, until the grace time is over.
     * wake_fd stays readable now, so it is left out of the wait below. */
    if (loop->control->stop)
        wait = 50;
    if (loop->settings->idle_exit > 0) {
        /* From here on, however long the destination took: something may have come meanwhile. */
        if (loop->idle_since == 0)
            loop->idle_since = now;
        int64_t left = loop->idle_since + (int64_t)(loop->settings->idle_exit * 1000) - now;
        if (left <= 0)
            return true;
        wait = left < wait ? left : wait;
    }
    if (loop->offset_waits) {
        int64_t left = loop->next_offset - now;
        wait = left <= 0 ? 0 : left < wait ? left : wait;
    }
    cdc_line_reader_wait(loop->reader, loop->control->stop ? -1 : loop->control->wake_fd, (int)wait);
    return false;
}

/* Complete transactions are stored, and what is inside one is forgotten. What other sources have after a transaction that is
 * not whole may be whole. */
static int keep_what_is_complete(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    for (bool open = loop->in_event || !nothing_open(loop); open; open = !nothing_open(loop))
        if (go_back(loop, error) != 0 || take_held(loop, error) != 0)
            return -1;
    return at_boundary(loop) ? deliver(loop, error) : 0;
}

/* What is left at the end: complete transactions are stored, the rest comes again. */
static int finish(struct cdc_sink_loop *loop, bool end_of_input, struct cdc_error *error)
{
    bool partial_line = end_of_input && cdc_line_reader_leftover(loop->reader) > 0;
    bool partial_transaction = !nothing_open(loop);

    if (keep_what_is_complete(loop, error) != 0 || (loop->offset_waits && save_offsets(loop, true, error) != 0))
        return -1;
    if (!end_of_input || (!partial_line && !partial_transaction))
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "the input ended inside a %s; what was complete is stored",
                  partial_line ? "line" : "transaction");
    return cdc_error_hint(error, "start the same pipeline again: the rest comes again");
}

/* A line that cannot be taken, of which the line itself, a setting or a privilege is the cause: the transactions before it
 * are good, or the same line would stop them every time. */
static int stop_at_bad_line(struct cdc_sink_loop *loop, const struct cdc_error *error)
{
    struct cdc_error other = {0};
    bool of_the_line =
        error->status == CDC_EXIT_DATA || error->status == CDC_EXIT_CONFIG || error->status == CDC_EXIT_PERMISSION;

    /* With a second one among the lines that wait, what was complete before both. */
    if (of_the_line && !loop->delivery_failed && keep_what_is_complete(loop, &other) != 0 && !loop->delivery_failed &&
        go_back(loop, &other) == 0 && at_boundary(loop))
        (void)deliver(loop, &other);
    if (loop->offset_waits)
        (void)save_offsets(loop, true, &other);
    return -1;
}

static int pause_input(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    return loop->ops->pause != NULL ? loop->ops->pause(loop->sink, error) : 0;
}

static int run(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    for (;;) {
        struct cdc_span line;
        loop_report_turn(&loop->report, false);
        tell_of_blocker(loop);
        /* Here and not only where the input pauses, which it may never do. */
        if (stop_is_due(loop->control, &loop->stop_deadline))
            return finish(loop, false, error);
        /* Checked before the delivery: the last batch of --max-events need not be full. */
        if (loop->settings->max_events > 0 && loop->run_changes >= (uint64_t)loop->settings->max_events)
            loop->finished = true;
        if (at_boundary(loop) && batch_is_full(loop) && deliver(loop, error) != 0)
            return -1;
        if ((loop->control->stop || loop->finished) && nothing_open(loop))
            return finish(loop, false, error);
        enum cdc_line_result got = cdc_line_reader_next(loop->reader, &line, error);
        if (got == CDC_LINE_ERROR)
            return -1;
        if (got == CDC_LINE_END)
            return finish(loop, true, error);
        /* A pause in the input: what is complete goes out now, however small the batch. A row is stored within
         * milliseconds while little happens, and in batches of --batch-events while much does. */
        if (got == CDC_LINE_AGAIN) {
            if ((at_boundary(loop) ? deliver(loop, error) : pause_input(loop, error)) != 0 ||
                (loop->offset_waits && save_offsets(loop, false, error) != 0))
                return -1;
            if (wait_for_input(loop))
                return finish(loop, false, error);
            continue;
        }
        loop->idle_since = 0;
        if (take_line(loop, line, got == CDC_LINE_TOO_LONG, error) != 0 || take_held(loop, error) != 0)
            return stop_at_bad_line(loop, error);
    }
}

/* After a restart some lines come again. When there was nothing else, they may be new to whoever sent them: a snapshot that
 * was taken anew under the same name, say. */
static void report_dropped(const struct cdc_sink_loop *loop)
{
    bool all = loop->run_changes == 0;

    if (loop->dropped > 0)
        cdc_log_write(loop->log, all ? CDC_LOG_WARNING : CDC_LOG_INFO,
                      "%s%llu change lines were dropped as re-deliveries: they are at or before the stored position%s",
                      all ? "all " : "", (unsigned long long)loop->dropped,
                      all ? "; a snapshot taken anew needs another --name or an empty destination" : "");
}

/* A source that looks for its sinks before the first line must find that there is one. */
static int show_that_we_are_there(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    return cdc_offset_file_is_new(loop->offsets) ? cdc_offset_file_save(loop->offsets, error) : 0;
}

/* A first start that is refused leaves nothing behind: the next one is a first start, too. */
static void withdraw_if_refused(struct cdc_sink_loop *loop, int result, const struct cdc_error *error)
{
    bool refused =
        result != 0 && error != NULL && (error->status == CDC_EXIT_CONFIG || error->status == CDC_EXIT_USAGE);

    for (size_t i = 0; refused && i < cdc_offset_file_count(loop->offsets); i++)
        refused = !cdc_offset_file_owns(loop->offsets, cdc_offset_file_name(loop->offsets, i));
    if (refused && !loop->stored)
        cdc_offset_file_withdraw(loop->offsets);
}

/* The file of refused lines, beside the offset file; it is looked at in every run that has such a file. */
static int open_refused(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    const char *offsets = cdc_offset_file_path(loop->offsets);
    struct cdc_buf path = CDC_BUF_INIT;

    if (offsets == NULL)
        return 0;
    cdc_buf_text(&path, offsets);
    cdc_buf_text(&path, ".refused");
    cdc_buf_byte(&path, '\0');
    struct refused_settings settings = {.anew = cdc_offset_file_is_new(loop->offsets),
                                        .keeps = loop->dead_letter != NULL,
                                        .history = loop->ops->history};
    int result = path.failed ? cdc_error_memory(error) : refused_open(&loop->refused, path.data, &settings, error);
    cdc_buf_free(&path);
    return result;
}

static int run_replay(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    struct replay replay = {.ops = loop->ops,
                            .sink = loop->sink,
                            .settings = loop->settings,
                            .offsets = loop->offsets,
                            .control = loop->control,
                            .log = loop->log,
                            .metrics = &loop->metrics,
                            .report = &loop->report,
                            .number = &loop->number};

    if (cdc_offset_file_is_new(loop->offsets))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "nothing was refused so far with this offset file");
    if (open_refused(loop, error) != 0)
        return -1;
    replay.refused = loop->refused;
    if (loop->refused == NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--replay needs the offset file of the sink that refused the lines");
    loop->replay = &replay;
    int result = replay_run(&replay, error);
    loop->replay = NULL;
    return result;
}

static int run_input(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    loop->reader = cdc_line_reader_new(loop->settings->input_fd, loop->settings->max_line, error);
    loop->parser = cdc_event_parser_new(error);
    if (loop->reader == NULL || loop->parser == NULL ||
        dead_letter_open(&loop->dead_letter, loop->settings->dead_letter, error) != 0 ||
        open_refused(loop, error) != 0 || show_that_we_are_there(loop, error) != 0)
        return -1;
    return run(loop, error);
}

int cdc_sink_run(const struct cdc_sink_ops *ops, void *sink, const struct cdc_sink_settings *settings,
                 struct cdc_offset_file *offsets, struct cdc_control *control, const struct cdc_log *log,
                 struct cdc_error *error)
{
    struct cdc_sink_loop loop = {.ops = ops,
                                 .sink = sink,
                                 .settings = settings,
                                 .offsets = offsets,
                                 .control = control,
                                 .log = log,
                                 .streams = {.offsets = offsets}};
    /* Every sink begins with its context (cdc/sink.h), so a pointer to the one is a pointer to the other. */
    struct cdc_sink_context *context = sink;
    loop.metrics.lag_bytes = loop.metrics.lag_ms = -1;
    loop.report = (struct loop_report){.metrics_file = settings->metrics_file,
                                       .tool = settings->tool,
                                       .name = "",
                                       .metrics = &loop.metrics,
                                       .control = control,
                                       .log = log};
    control->waiting = loop_report_waiting;
    /* cppcheck-suppress autoVariables ; for as long as the loop runs */
    control->context = &loop.report;
    *context = (struct cdc_sink_context){settings, control, log, &loop.metrics, &loop};
    /* Of a line that is refused again, no part stays. */
    struct cdc_sink_settings replaying = *settings;
    if (settings->replay != NULL) {
        replaying.on_error = "skip";
        /* cppcheck-suppress autoVariables ; for as long as the loop runs */
        context->settings = &replaying;
    }
    int result = settings->replay != NULL ? run_replay(&loop, error) : run_input(&loop, error);
    withdraw_if_refused(&loop, result, error);
    /* An error without a text is none to speak of (the reader of the output is gone), and stays. So does that of a replay: what is
     * left of its file does not come again by itself. */
    if (result != 0 && control->stop && settings->replay == NULL && cdc_error_is_transient(error) &&
        error->text[0] != '\0') {
        /* Asked to stop while the destination was away: nothing is lost, the lines come again. */
        cdc_log_write(log, CDC_LOG_INFO, "stopped while waiting: %s", error->text);
        cdc_error_clear(error);
        result = 0;
    }
    report_dropped(&loop);
    control->waiting = NULL;
    loop_report_turn(&loop.report, true);
    dead_letter_close(loop.dead_letter);
    refused_free(loop.refused);
    cdc_event_parser_free(loop.parser);
    cdc_line_reader_free(loop.reader);
    cdc_buf_free(&loop.held.bytes);
    streams_free(&loop.streams);
    return result;
}
