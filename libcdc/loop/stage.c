/* SPDX-License-Identifier: MIT */
/* The loop of a middle stage: lines in, lines out. It keeps no position: what is in its buffers when it is killed was
 * confirmed by no sink, so the source sends it again. */
#include <stdio.h>

#include "libcdc/loop/internal.h"
#include <cdc/line.h>
#include <cdc/retry.h>
#include <cdc/stage.h>

#define KEPT ((size_t)1 << 20)   /* bytes of the buffer for the events of one line that are kept */
#define BLOCK ((size_t)64 << 10) /* written in blocks of at least this while the input does not pause */

struct stage_loop {
    const struct cdc_stage_ops *ops;
    void *stage;
    const struct cdc_stage_settings *settings;
    struct cdc_control *control;
    const struct cdc_log *log;
    struct cdc_line_reader *reader;
    struct cdc_event_parser *parser;
    struct cdc_writer *writer;
    struct dead_letter *dead_letter;
    struct cdc_metrics metrics;
    struct loop_report report;
    int64_t stop_deadline;
    struct cdc_buf converted; /* the events of the newest line */
    bool between;             /* the newest line ended a transaction: a stop here leaves none half written */
};

/* -- one line ---------------------------------------------------------------- */

/* What is there of the line in that file; p NULL: its bytes are gone. */
static int keep(struct stage_loop *loop, struct cdc_span line, const struct cdc_error *why, struct cdc_error *error)
{
    char reason[1200];

    snprintf(reason, sizeof reason, "line %llu at byte offset %llu of the input: %s",
             (unsigned long long)cdc_line_reader_number(loop->reader),
             (unsigned long long)cdc_line_reader_offset(loop->reader), why->text);
    return loop->settings->redact ? dead_letter_write_redacted(loop->dead_letter, line, reason, error)
                                  : dead_letter_write(loop->dead_letter, line, reason, error);
}

/* to_keep: the file of dead letters has not got the line yet. */
static int refuse(struct stage_loop *loop, struct cdc_span line, bool to_keep, const struct cdc_error *why,
                  struct cdc_error *error)
{
    unsigned long long number = cdc_line_reader_number(loop->reader);
    unsigned long long offset = cdc_line_reader_offset(loop->reader);

    bool lost = line.p == NULL && loop->dead_letter != NULL;
    if (!loop->settings->skip_errors || lost) {
        cdc_error_set(error, CDC_EXIT_DATA, "line %llu at byte offset %llu of the input: %s", number, offset,
                      why->text);
        if (lost)
            cdc_error_hint(error, "a dead letter has the line, and this one's bytes are gone: raise --max-line");
        return why->hint[0] != '\0' ? cdc_error_hint(error, "%s", why->hint) : -1;
    }
    loop->metrics.skipped++;
    if (loop->ops->skipped != NULL)
        loop->ops->skipped(loop->stage);
    cdc_log_write(loop->log, CDC_LOG_WARNING, "line %llu at byte offset %llu skipped: %s", number, offset, why->text);
    return loop->dead_letter != NULL && to_keep ? keep(loop, line, why, error) : 0;
}

/* What the stage says of a line that it cannot take. */
static int judge(struct stage_loop *loop, struct cdc_span line, bool to_keep, const struct cdc_error *why,
                 struct cdc_error *error)
{
    if (why->status == CDC_EXIT_DATA)
        return refuse(loop, line, to_keep, why, error);
    if (error != NULL && error->status == 0)
        *error = *why;
    return -1;
}

static int take_event(struct stage_loop *loop, const struct cdc_event *event, struct cdc_buf *out,
                      struct cdc_error *error)
{
    int lines = loop->ops->event(loop->stage, event, out, error);

    if (lines < 0)
        return -1;
    loop->metrics.lines_out += (uint64_t)lines;
    loop->between = event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;
    return 0;
}

/* Does it say something that lines to come need, and later ones do not repeat? */
static bool is_of_stream(const struct cdc_event *event)
{
    return event->op == CDC_OP_SCHEMA || event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;
}

/* One of the events that a line is. Of one that is refused, or ends the run, nothing must leave that was appended for it. */
static int take_text(struct stage_loop *loop, struct cdc_span text, bool only_of_stream, struct cdc_error *why)
{
    struct cdc_buf *out = cdc_writer_buf(loop->writer);
    size_t before = out->len;
    struct cdc_event event;

    if (cdc_event_parser_next(loop->parser, &event, text.p, text.n, why) != 0)
        return -1;
    if ((only_of_stream && !is_of_stream(&event)) || take_event(loop, &event, out, why) == 0)
        return 0;
    out->len = before;
    return -1;
}

/* A line of another form, or the end of the input. It may be several rows, which are refused one by one; and it may be the first to say
 * what columns a table has, or that the transaction before it is complete, which is so whatever becomes of its rows. Where the line
 * cannot be read, no row of it leaves. */
static int take_converted(struct stage_loop *loop, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_buf *events = &loop->converted;
    struct cdc_error why = {0};

    events->len = 0;
    cdc_buf_shrink(events, KEPT);
    bool good = loop->ops->convert(loop->stage, line, events, &why) == 0, kept = !good;
    if (events->failed)
        return cdc_error_memory(error);
    if (!good && judge(loop, line, true, &why, error) != 0)
        return -1;
    const char *end = events->data + events->len;
    for (const char *p = events->data, *lf; p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1) {
        why = (struct cdc_error){0};
        if (take_text(loop, cdc_span(p, (size_t)(lf - p)), !good, &why) == 0)
            continue;
        if (judge(loop, line, !kept, &why, error) != 0)
            return -1;
        kept = true;
    }
    return 0;
}

static int take_whole(struct stage_loop *loop, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_buf *out = cdc_writer_buf(loop->writer);
    size_t before = out->len;
    uint64_t lines_out = loop->metrics.lines_out;
    struct cdc_error why;

    cdc_error_clear(&why);
    if (loop->ops->convert == NULL)
        return take_text(loop, line, false, &why) == 0 ? 0 : judge(loop, line, true, &why, error);
    if (take_converted(loop, line, error) == 0)
        return 0;
    out->len = before;
    loop->metrics.lines_out = lines_out;
    return -1;
}

static int take_line(struct stage_loop *loop, struct cdc_span line, bool too_long, struct cdc_error *error)
{
    static const struct cdc_error why = {.text = "the line is longer than --max-line"};

    loop->metrics.lines_in++;
    loop->metrics.bytes_in += line.n + 1;
    return too_long ? refuse(loop, cdc_span(NULL, 0), true, &why, error) : take_whole(loop, line, error);
}

/* -- the loop ------------------------------------------------------------------ */

/* Writes all, waiting for the reader; a second signal ends the wait. What was refused is durable before anything that came after it
 * leaves: a sink that has stored that lets the source forget both. */
static int write_all(struct stage_loop *loop, struct cdc_error *error)
{
    if (dead_letter_sync(loop->dead_letter, error) != 0 ||
        (loop->ops->before_write != NULL && loop->ops->before_write(loop->stage, error) != 0))
        return -1;
    int left = cdc_writer_finish(loop->writer, loop->control, -1, error);

    loop->metrics.bytes_out = cdc_writer_written(loop->writer);
    loop_report_turn(&loop->report, false);
    if (left > 0) /* exit 0 would say that the reader has every line */
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "left at a second signal; %zu bytes were not written",
                             cdc_writer_pending(loop->writer));
    return left;
}

/* No whole line is there now. */
static void wait_for_input(struct stage_loop *loop)
{
    bool stop = loop->control->stop != 0;

    loop_report_waiting(&loop->report, "the end of the transaction in hand");
    /* Once it has stopped us, wake_fd stays readable: no wait would end there. */
    cdc_line_reader_wait(loop->reader, stop ? -1 : loop->control->wake_fd, stop ? 50 : 1000);
}

static int finish(struct stage_loop *loop, struct cdc_error *error)
{
    if (write_all(loop, error) != 0 || cdc_writer_sync(loop->writer, error) != 0)
        return -1;
    /* No LF at the end of the input: whoever wrote this line was killed meanwhile. It is not passed on, whatever it
     * looks like: it comes again whole. */
    if (cdc_line_reader_leftover(loop->reader) == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "the input ended inside a line, which is discarded");
    return cdc_error_hint(error, "start the same pipeline again: the rest comes again");
}

/* What another form says by ending there; not where a line is torn. */
static int finish_input(struct stage_loop *loop, struct cdc_error *error)
{
    if (loop->ops->convert != NULL && cdc_line_reader_leftover(loop->reader) == 0 &&
        take_whole(loop, cdc_span(NULL, 0), error) != 0)
        return -1;
    return finish(loop, error);
}

/* A second signal, or the end of the transaction does not come: its lines that wait before us were not handed on. */
static int leave_early(struct stage_loop *loop, struct cdc_error *error)
{
    if (finish(loop, error) != 0)
        return -1;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "left by a signal inside a transaction; the rest comes again");
}

static int run(struct stage_loop *loop, struct cdc_error *error)
{
    for (;;) {
        struct cdc_span line;
        if (loop->control->stop && loop->between)
            return finish(loop, error);
        /* Here and not only where the input pauses, which it may never do. */
        if (stop_is_due(loop->control, &loop->stop_deadline))
            return leave_early(loop, error);
        enum cdc_line_result got = cdc_line_reader_next(loop->reader, &line, error);
        if (got == CDC_LINE_ERROR)
            return -1;
        if (got == CDC_LINE_END)
            return finish_input(loop, error);
        /* The input pauses: everything goes out, so that a single row is not held back. */
        if (got == CDC_LINE_AGAIN) {
            if (write_all(loop, error) != 0)
                return -1;
            wait_for_input(loop);
            continue;
        }
        if (take_line(loop, line, got == CDC_LINE_TOO_LONG, error) != 0) {
            struct cdc_error ignored = {0};
            (void)write_all(loop, &ignored); /* what came before the bad line is good */
            return -1;
        }
        if (cdc_writer_pending(loop->writer) >= BLOCK && write_all(loop, error) != 0)
            return -1;
    }
}

int cdc_stage_run(const struct cdc_stage_ops *ops, void *stage, const struct cdc_stage_settings *settings,
                  struct cdc_control *control, const struct cdc_log *log, struct cdc_error *error)
{
    struct stage_loop loop = {.ops = ops,
                              .stage = stage,
                              .settings = settings,
                              .control = control,
                              .log = log,
                              .metrics = {.lag_bytes = -1, .lag_ms = -1},
                              .between = true};
    int result = -1;

    loop.report = (struct loop_report){.metrics_file = settings->metrics_file,
                                       .tool = settings->tool,
                                       .name = "",
                                       .metrics = &loop.metrics,
                                       .control = control,
                                       .log = log,
                                       .more = ops->report,
                                       .stage = stage};
    control->waiting = loop_report_waiting;
    /* cppcheck-suppress autoVariables ; for as long as the loop runs */
    control->context = &loop.report;
    loop.reader = cdc_line_reader_new(settings->input_fd, settings->max_line, error);
    loop.parser = loop.reader != NULL ? cdc_event_parser_new(error) : NULL;
    if (loop.parser != NULL && dead_letter_open(&loop.dead_letter, settings->dead_letter, error) == 0 &&
        (loop.writer = cdc_writer_new(settings->output_fd, error)) != NULL) {
        loop_report_removed(log, loop.writer);
        result = run(&loop, error);
    }
    control->waiting = NULL;
    loop_report_turn(&loop.report, true);
    if (ops->report != NULL)
        ops->report(stage, log);
    cdc_writer_free(loop.writer);
    dead_letter_close(loop.dead_letter);
    cdc_event_parser_free(loop.parser);
    cdc_line_reader_free(loop.reader);
    cdc_buf_free(&loop.converted);
    return result;
}
