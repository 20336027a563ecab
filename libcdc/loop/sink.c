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
#include <cdc/line.h>
#include <cdc/retry.h>
#include <cdc/sink.h>

/* Lines of other sources are held while a transaction is open, up to so many bytes. Beyond them the transactions are taken as
 * one, which ends where none of the sources is inside a transaction. */
#define HELD_MAX ((size_t)64 << 20)

/* What a stream was at the last boundary of all streams that is not delivered yet: where a discard returns to. */
struct rollback_point {
    struct cdc_buf pos, source;
    int64_t seq;
    uint64_t lines;
    bool set;
};

/* One source that writes into this stream. */
struct stream {
    struct cdc_buf raw_name;             /* as it stands in the lines */
    struct cdc_buf name;                 /* unescaped, NUL-terminated */
    struct cdc_buf pos;                  /* of the newest line taken in */
    struct cdc_buf source;               /* of the newest line or boundary */
    struct cdc_buf origin;               /* of the boundary that is stored: which server's lines these are */
    bool line_checked, boundary_checked; /* one of this run is of the same server */
    int64_t seq;
    uint64_t lines;      /* change lines delivered or in hand, ever */
    uint64_t open_lines; /* since its last boundary */
    bool moved;          /* a boundary came since the last delivery */
    bool held;           /* lines of it wait (hold) */
    struct rollback_point back;
};

struct cdc_sink_loop {
    const struct cdc_sink_ops *ops;
    void *sink;
    const struct cdc_sink_settings *settings;
    struct cdc_offset_file *offsets;
    struct cdc_control *control;
    const struct cdc_log *log;
    struct cdc_metrics metrics;
    struct cdc_line_reader *reader;
    struct stream *streams;
    size_t n_streams;
    struct dead_letter *dead_letter;
    uint64_t batch_changes, run_changes, dropped;
    int64_t batch_start, last_input, stop_deadline;
    bool reported_unknown, finished, delivery_failed;
    bool in_event;       /* the destination failed within a line, and may have done a part of it */
    struct cdc_buf held; /* lines that wait, each with its LF */
    bool mixing;         /* they were too many: sources are taken in as the lines come */
    struct loop_report report;
};

/* -- streams ---------------------------------------------------------------- */

static int keep(struct cdc_buf *buf, struct cdc_span text, bool terminate, struct cdc_error *error)
{
    buf->len = 0;
    cdc_buf_span(buf, text);
    if (terminate)
        cdc_buf_byte(buf, '\0');
    return buf->failed ? cdc_error_memory(error) : 0;
}

static struct stream *add_stream(struct cdc_sink_loop *loop, struct cdc_span raw_name, struct cdc_error *error)
{
    struct stream *streams = realloc(loop->streams, (loop->n_streams + 1) * sizeof *streams);
    if (streams == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    loop->streams = streams;
    struct stream *stream = &streams[loop->n_streams++];
    memset(stream, 0, sizeof *stream);
    cdc_json_unescape(&stream->name, raw_name);
    cdc_buf_byte(&stream->name, '\0');
    if (stream->name.failed || keep(&stream->raw_name, raw_name, false, error) != 0) {
        cdc_error_memory(error);
        return NULL;
    }
    const struct cdc_offset *offset = cdc_offset_file_get(loop->offsets, stream->name.data);
    /* Lines at or before this position are dropped as re-deliveries (take_event): a restarted source begins at the
     * smallest position of all sinks, and ours may be ahead of it. */
    if (offset != NULL) {
        stream->seq = offset->seq;
        stream->lines = offset->lines;
        if (keep(&stream->pos, cdc_span_text(offset->pos), false, error) != 0 ||
            keep(&stream->origin, cdc_span_text(offset->source != NULL ? offset->source : ""), false, error) != 0)
            return NULL;
        /* The destination had it and our file did not: killed between the two. The source waits for the file. */
        if (!cdc_offset_file_owns(loop->offsets, stream->name.data) &&
            (cdc_offset_file_set(loop->offsets, stream->name.data, offset, error) != 0 ||
             cdc_offset_file_save(loop->offsets, error) != 0))
            return NULL;
    }
    return stream;
}

/* Nearly always there is one source, so a list is searched. */
static struct stream *find_stream(struct cdc_sink_loop *loop, struct cdc_span raw_name, struct cdc_error *error)
{
    for (size_t i = 0; i < loop->n_streams; i++)
        if (cdc_span_equal(cdc_span(loop->streams[i].raw_name.data, loop->streams[i].raw_name.len), raw_name))
            return &loop->streams[i];
    return add_stream(loop, raw_name, error);
}

static void free_streams(struct cdc_sink_loop *loop)
{
    for (size_t i = 0; i < loop->n_streams; i++) {
        cdc_buf_free(&loop->streams[i].raw_name);
        cdc_buf_free(&loop->streams[i].name);
        cdc_buf_free(&loop->streams[i].pos);
        cdc_buf_free(&loop->streams[i].source);
        cdc_buf_free(&loop->streams[i].origin);
        cdc_buf_free(&loop->streams[i].back.pos);
        cdc_buf_free(&loop->streams[i].back.source);
    }
    free(loop->streams);
}

/* -- delivering ------------------------------------------------------------- */

/* Is every source that has lines in hand at a boundary? Only then does a delivery leave no transaction half stored. */
static bool at_boundary(const struct cdc_sink_loop *loop)
{
    bool moved = false;

    for (size_t i = 0; i < loop->n_streams; i++) {
        if (loop->streams[i].open_lines > 0)
            return false;
        moved |= loop->streams[i].moved;
    }
    return moved;
}

static bool nothing_open(const struct cdc_sink_loop *loop)
{
    for (size_t i = 0; i < loop->n_streams; i++)
        if (loop->streams[i].open_lines > 0)
            return false;
    return true;
}

/* pos and source keep a NUL after their end for this call only; len says where they end. */
static int set_offset(struct cdc_sink_loop *loop, struct stream *stream, struct cdc_error *error)
{
    cdc_buf_byte(&stream->pos, '\0');
    cdc_buf_byte(&stream->source, '\0');
    if (stream->pos.failed || stream->source.failed)
        return cdc_error_memory(error);
    stream->pos.len--;
    stream->source.len--;
    struct cdc_offset offset = {.pos = stream->pos.data,
                                .seq = stream->seq,
                                .lines = stream->lines,
                                .source = stream->source.len > 0 ? stream->source.data : NULL,
                                .state = NULL};
    loop->metrics.seq = stream->seq;
    return cdc_offset_file_set(loop->offsets, stream->name.data, &offset, error);
}

/* The order is the guarantee: destination durable, refused lines durable (a delivery may refuse some), then the offset.
 * A destination that holds the offset itself moves it in its own delivery, so what was refused before that is durable
 * first. */
static int deliver(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    for (size_t i = 0; i < loop->n_streams; i++)
        if (loop->streams[i].moved && set_offset(loop, &loop->streams[i], error) != 0)
            return -1;
    loop->delivery_failed = true;
    if (dead_letter_sync(loop->dead_letter, error) != 0 || loop->ops->deliver(loop->sink, loop->offsets, error) != 0 ||
        dead_letter_sync(loop->dead_letter, error) != 0 || cdc_offset_file_save(loop->offsets, error) != 0)
        return -1;
    loop->delivery_failed = false;
    for (size_t i = 0; i < loop->n_streams; i++)
        loop->streams[i].moved = loop->streams[i].back.set = false;
    loop->batch_changes = 0;
    loop->batch_start = 0;
    return 0;
}

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

/* The next line goes beyond a boundary that is not delivered yet: input that ends after it, inside a transaction, comes
 * back to here. */
static int set_rollback_point(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    for (size_t i = 0; i < loop->n_streams; i++) {
        struct stream *stream = &loop->streams[i];
        if (!stream->moved)
            continue;
        if (keep(&stream->back.pos, span_of(&stream->pos), false, error) != 0 ||
            keep(&stream->back.source, span_of(&stream->source), false, error) != 0)
            return -1;
        stream->back.seq = stream->seq;
        stream->back.lines = stream->lines;
        stream->back.set = true;
    }
    return loop->ops->boundary != NULL ? loop->ops->boundary(loop->sink, error) : 0;
}

/* Forgets what came after the last rollback point. A stream that has none had nothing complete to deliver: its
 * members stay as they are, and it is not in the delivery, since it has not moved. */
static int go_back(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (loop->ops->discard != NULL)
        loop->ops->discard(loop->sink);
    for (size_t i = 0; i < loop->n_streams; i++) {
        struct stream *stream = &loop->streams[i];
        stream->open_lines = 0;
        stream->moved = stream->back.set;
        if (!stream->back.set)
            continue;
        if (keep(&stream->pos, span_of(&stream->back.pos), false, error) != 0 ||
            keep(&stream->source, span_of(&stream->back.source), false, error) != 0)
            return -1;
        stream->seq = stream->back.seq;
        stream->lines = stream->back.lines;
    }
    return 0;
}

/* Full by number or by time; at a stop, and at the end of --max-events, whatever is complete goes out. */
static bool batch_is_full(const struct cdc_sink_loop *loop)
{
    return loop->batch_changes >= (uint64_t)loop->settings->batch_events ||
           (loop->batch_start != 0 && cdc_clock_ms() - loop->batch_start >= loop->settings->batch_ms) ||
           loop->control->stop || loop->finished;
}

/* -- one line ----------------------------------------------------------------- */

uint64_t cdc_sink_line_number(const struct cdc_sink_context *context)
{
    return cdc_line_reader_number(context->loop->reader);
}

int cdc_sink_reject(struct cdc_sink_context *context, struct cdc_span line, const char *reason, struct cdc_error *error)
{
    return cdc_sink_reject_line(context, line, cdc_sink_line_number(context), reason, error);
}

int cdc_sink_reject_line(struct cdc_sink_context *context, struct cdc_span line, uint64_t number, const char *reason,
                         struct cdc_error *error)
{
    struct cdc_sink_loop *loop = context->loop;

    /* The line is not taken in, and the offset stays before its transaction: with the cause fixed, it comes again. */
    if (strcmp(loop->settings->on_error, "stop") == 0) {
        cdc_error_set(error, CDC_EXIT_DATA, "line %llu: %s", (unsigned long long)number, reason);
        return cdc_error_hint(
            error, "fix the cause and start again, or use --on-error=dead-letter to go on without such lines");
    }
    loop->metrics.skipped++;
    cdc_log_write(loop->log, CDC_LOG_WARNING, "line %llu skipped: %s", (unsigned long long)number, reason);
    return dead_letter_write(loop->dead_letter, line, reason, error);
}

static int bad_line(struct cdc_sink_loop *loop, struct cdc_span line, const char *reason, struct cdc_error *error)
{
    struct cdc_sink_context context = {.loop = loop};
    char text[1200];

    snprintf(text, sizeof text, "at byte offset %llu of the input: %s",
             (unsigned long long)cdc_line_reader_offset(loop->reader), reason);
    return cdc_sink_reject(&context, line, text, error);
}

static void close_boundary(struct stream *stream)
{
    stream->open_lines = 0;
    stream->moved = true;
}

/* A higher seq proves the transaction before complete, where a stage before us dropped its commit line (jq
 * 'select(.op=="c")'). Without this, nothing would ever be delivered there. */
static int implied_boundary(struct cdc_sink_loop *loop, struct stream *stream, const struct cdc_event *event,
                            struct cdc_error *error)
{
    if (stream->open_lines == 0 || !event->has_seq || event->seq <= stream->seq)
        return 0;
    close_boundary(stream);
    return at_boundary(loop) && batch_is_full(loop) ? deliver(loop, error) : 0;
}

static int remember(struct stream *stream, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->has_seq && event->seq > stream->seq)
        stream->seq = event->seq;
    if (keep(&stream->pos, event->pos, false, error) != 0)
        return -1;
    return keep(&stream->source, event->source, false, error);
}

/* A line goes to the destination. What is complete before it stays apart: of a line that fails, a part may be done. */
static int hand_over(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    if (at_boundary(loop) && set_rollback_point(loop, error) != 0)
        return -1;
    loop->in_event = true;
    if (loop->ops->event(loop->sink, event, error) != 0)
        return -1;
    loop->in_event = false;
    return 0;
}

static int take_change(struct cdc_sink_loop *loop, struct stream *stream, const struct cdc_event *event,
                       struct cdc_error *error)
{
    if (implied_boundary(loop, stream, event, error) != 0)
        return -1;
    /* The line proved a transaction complete, and that was the last one: it comes again. */
    if ((loop->control->stop || loop->finished) && nothing_open(loop))
        return 0;
    if (hand_over(loop, event, error) != 0 || remember(stream, event, error) != 0)
        return -1;
    stream->open_lines++;
    stream->lines++;
    loop->run_changes++;
    loop->metrics.changes++;
    loop->batch_changes++;
    if (loop->batch_start == 0)
        loop->batch_start = cdc_clock_ms();
    return 0;
}

/* Of a newer source. Not refused, whatever is in it: an old sink goes on with what it knows. Its pos is not remembered,
 * as nothing was done for it. */
static int pass_over_unknown(struct cdc_sink_loop *loop)
{
    if (!loop->reported_unknown)
        cdc_log_write(loop->log, CDC_LOG_WARNING, "line %llu has an unknown op; such lines are ignored",
                      (unsigned long long)cdc_line_reader_number(loop->reader));
    loop->reported_unknown = true;
    return 0;
}

/* It describes the lines after it, whether we had it before or not. One that cannot be used is a bad line. */
static int take_schema(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_error why = {0};

    if (hand_over(loop, event, &why) == 0)
        return 0;
    loop->in_event &= why.status != CDC_EXIT_DATA; /* looked at before anything is done */
    if (why.status == CDC_EXIT_DATA)
        return bad_line(loop, event->line, why.text, error);
    if (error != NULL)
        *error = why;
    return -1;
}

/* A heartbeat is a boundary as well: in a quiet database it is what moves the offset, so that the server can drop its
 * log. But one with a smaller seq than the lines in hand, of another writer, does not say that their transaction is
 * complete. */
static int take_boundary(struct cdc_sink_loop *loop, struct stream *stream, const struct cdc_event *event,
                         struct cdc_error *error)
{
    if (event->op == CDC_OP_HEARTBEAT && stream->open_lines > 0 && (!event->has_seq || event->seq < stream->seq))
        return 0;
    loop->metrics.commits++;
    close_boundary(stream);
    return remember(stream, event, error);
}

/* The first line of a run tells the connector, the first boundary whether the lines are of the server that the stored ones
 * are of. So does each boundary that would be dropped. */
static int check_origin(struct stream *stream, const struct cdc_event *event, bool again, struct cdc_error *error)
{
    bool boundary = event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;
    struct cdc_span known = {stream->origin.data, stream->origin.len};

    if (boundary ? stream->boundary_checked && !again : stream->line_checked)
        return 0;
    stream->line_checked = true;
    if (known.n > 0 && event->source.n > 0 && origin_check(stream->name.data, known, event->source, again, error) != 0)
        return -1;
    if (!boundary || again)
        return 0;
    stream->boundary_checked = true;
    return keep(&stream->origin, event->source, false, error);
}

/* Must the line wait, since another source is inside a transaction? With sources whose lines come in turns, there might never
 * be a place where all of them are at a boundary, and nothing would ever be stored. */
static bool must_wait(const struct cdc_sink_loop *loop, const struct stream *stream)
{
    if (loop->n_streams == 1 || loop->mixing)
        return false;
    if (stream->held)
        return true;
    for (size_t i = 0; i < loop->n_streams; i++)
        if (&loop->streams[i] != stream && loop->streams[i].open_lines > 0)
            return true;
    return false;
}

static int hold(struct cdc_sink_loop *loop, struct stream *stream, struct cdc_span line, struct cdc_error *error)
{
    stream->held = true;
    cdc_buf_span(&loop->held, line);
    cdc_buf_byte(&loop->held, '\n');
    return loop->held.failed ? cdc_error_memory(error) : 0;
}

static int take_event(struct cdc_sink_loop *loop, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->op == CDC_OP_UNKNOWN)
        return pass_over_unknown(loop);
    if (event->pos.p == NULL || event->pos.n == 0)
        return bad_line(loop, event->line, "the line has no \"pos\"", error);
    struct stream *stream = find_stream(loop, event->name, error);
    if (stream == NULL)
        return -1;
    if (must_wait(loop, stream))
        return hold(loop, stream, event->line, error);
    /* Against what was taken in, not what was delivered: a source that reconnects in this run sends lines again that
     * are in hand. */
    bool again = cdc_span_compare(event->pos, cdc_span(stream->pos.data, stream->pos.len)) <= 0;
    if (check_origin(stream, event, again, error) != 0)
        return -1;
    if (event->op == CDC_OP_SCHEMA)
        return take_schema(loop, event, error);
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
                  (unsigned long long)cdc_line_reader_number(loop->reader),
                  (unsigned long long)cdc_line_reader_offset(loop->reader));
    return cdc_error_hint(error, "raise --max-line, or use --on-error=skip to lose such lines");
}

static int take_line(struct cdc_sink_loop *loop, struct cdc_span line, bool too_long, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_error why = {0};

    loop->metrics.lines_in++;
    loop->metrics.bytes_in += line.n + 1;
    if (too_long)
        return refuse_too_long(loop, error);
    if (cdc_event_parse(&event, line.p, line.n, &why) != 0)
        return bad_line(loop, line, why.text, error);
    return take_event(loop, &event, error);
}

/* The lines that were held, in order; those that must wait still are held again. */
static int take_held_once(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    struct cdc_buf lines = loop->held;
    struct cdc_event event;
    int result = 0;

    loop->held = (struct cdc_buf)CDC_BUF_INIT;
    for (size_t i = 0; i < loop->n_streams; i++)
        loop->streams[i].held = false;
    for (size_t at = 0; result == 0 && at < lines.len;) {
        const char *end = memchr(lines.data + at, '\n', lines.len - at);
        size_t n = (size_t)(end - lines.data) - at;
        result = cdc_event_parse(&event, lines.data + at, n, error); /* it was parsed before */
        if (result == 0)
            result = take_event(loop, &event, error);
        at += n + 1;
    }
    cdc_buf_free(&lines);
    return result;
}

/* After each line: what can go on goes on. */
static int take_held(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    if (loop->held.len > HELD_MAX) {
        loop->mixing = true;
        if (take_held_once(loop, error) != 0)
            return -1;
    }
    loop->mixing &= !nothing_open(loop);
    while (loop->held.len > 0 && nothing_open(loop))
        if (take_held_once(loop, error) != 0)
            return -1;
    return 0;
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
        int64_t left = loop->last_input + (int64_t)(loop->settings->idle_exit * 1000) - now;
        if (left <= 0)
            return true;
        wait = left < wait ? left : wait;
    }
    cdc_line_reader_wait(loop->reader, loop->control->stop ? -1 : loop->control->wake_fd, (int)wait);
    return false;
}

/* What is left at the end: complete transactions are stored, the rest comes again. */
static int finish(struct cdc_sink_loop *loop, bool end_of_input, struct cdc_error *error)
{
    bool partial_line = end_of_input && cdc_line_reader_leftover(loop->reader) > 0;
    bool partial_transaction = !nothing_open(loop);

    /* What other sources have after a transaction that is not whole may be whole. */
    for (bool open = partial_transaction; open; open = !nothing_open(loop))
        if (go_back(loop, error) != 0 || take_held(loop, error) != 0)
            return -1;
    if ((at_boundary(loop) && deliver(loop, error) != 0))
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

    if (of_the_line && !loop->delivery_failed &&
        ((nothing_open(loop) && !loop->in_event) || go_back(loop, &other) == 0) && at_boundary(loop))
        (void)deliver(loop, &other);
    return -1;
}

static int run(struct cdc_sink_loop *loop, struct cdc_error *error)
{
    loop->last_input = cdc_clock_ms();
    for (;;) {
        struct cdc_span line;
        loop_report_turn(&loop->report, false);
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
            if (at_boundary(loop) && deliver(loop, error) != 0)
                return -1;
            if (wait_for_input(loop))
                return finish(loop, false, error);
            continue;
        }
        loop->last_input = cdc_clock_ms();
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

int cdc_sink_run(const struct cdc_sink_ops *ops, void *sink, const struct cdc_sink_settings *settings,
                 struct cdc_offset_file *offsets, struct cdc_control *control, const struct cdc_log *log,
                 struct cdc_error *error)
{
    struct cdc_sink_loop loop = {
        .ops = ops, .sink = sink, .settings = settings, .offsets = offsets, .control = control, .log = log};
    /* Every sink begins with its context (cdc/sink.h), so a pointer to the one is a pointer to the other. */
    struct cdc_sink_context *context = sink;
    int result = -1;

    loop.metrics.lag_bytes = loop.metrics.lag_ms = -1;
    loop.report = (struct loop_report){.metrics_file = settings->metrics_file,
                                       .tool = settings->tool,
                                       .name = "",
                                       .metrics = &loop.metrics,
                                       .control = control,
                                       .log = log};
    control->waiting = loop_report_waiting;
    control->context = &loop.report;
    *context = (struct cdc_sink_context){settings, control, log, &loop.metrics, &loop};
    loop.reader = cdc_line_reader_new(settings->input_fd, settings->max_line, error);
    if (loop.reader != NULL && dead_letter_open(&loop.dead_letter, settings->dead_letter, error) == 0)
        result = run(&loop, error);
    /* An error without a text is none to speak of (the reader of the output is gone), and stays. */
    if (result != 0 && control->stop && cdc_error_is_transient(error) && error->text[0] != '\0') {
        /* Asked to stop while the destination was away: nothing is lost, the lines come again. */
        cdc_log_write(log, CDC_LOG_INFO, "stopped while waiting: %s", error->text);
        cdc_error_clear(error);
        result = 0;
    }
    report_dropped(&loop);
    control->waiting = NULL;
    loop_report_turn(&loop.report, true);
    dead_letter_close(loop.dead_letter);
    cdc_line_reader_free(loop.reader);
    cdc_buf_free(&loop.held);
    free_streams(&loop);
    return result;
}
