/* SPDX-License-Identifier: MIT */
/* cdc-filter: the middle stage of a pipeline. */
#include "cmd/program/program.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/filter.h>
#include <cdc/line.h>
#include <cdc/metrics.h>
#include <cdc/retry.h>

#define BLOCK ((size_t)64 << 10)
#define STOP_GRACE_MS 5000 /* how long a stop waits for the end of the transaction in hand */
#define METRICS_MS 5000

struct options {
    struct cdc_filter_settings filter;
    const char *on_error;
    int64_t max_line;
};

#define AT(member) offsetof(struct options, member)
static const struct cdc_option option_table[] = {
    {0, "Options", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {'t', "table", CDC_OPTION_LIST, AT(filter.selection.include), "PATTERN", "keep only tables that match (repeatable)",
     0, 0, NULL},
    {'T', "exclude-table", CDC_OPTION_LIST, AT(filter.selection.exclude), "PATTERN",
     "drop tables that match (repeatable)", 0, 0, NULL},
    {0, "op", CDC_OPTION_LIST, AT(filter.ops), "LIST", "keep only these of r,c,u,d,t,m,ddl", 0, 0, NULL},
    {0, "columns", CDC_OPTION_LIST, AT(filter.keep_columns), "[TABLE:]A,B",
     "keep only these columns and the key (repeatable)", 0, 0, NULL},
    {0, "drop-columns", CDC_OPTION_LIST, AT(filter.drop_columns), "[TABLE:]A,B",
     "drop these columns, never the key's (repeatable)", 0, 0, NULL},
    {0, "rename", CDC_OPTION_LIST, AT(filter.rename_tables), "OLD=NEW", "rename a table, [schema.]table on both sides",
     0, 0, NULL},
    {0, "rename-column", CDC_OPTION_LIST, AT(filter.rename_columns), "[TABLE:]OLD=NEW", "rename a column", 0, 0, NULL},
    {0, "on-error", CDC_OPTION_CHOICE, AT(on_error), "ACTION", "what to do with bad lines (default stop)", 0, 0,
     "stop|skip"},
    {0, "max-line", CDC_OPTION_SIZE, AT(max_line), "SIZE", "longest line that is accepted (default 256M)", 0, 0, NULL},
    {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL},
};

struct stage {
    struct program *program;
    const struct options *options;
    struct cdc_filter *filter;
    struct cdc_line_reader *reader;
    struct cdc_writer *writer;
    struct cdc_metrics metrics;
    int64_t stop_deadline, next_save;
    bool between; /* the newest line ended a transaction */
};

static int bad_line(struct stage *stage, const char *reason, struct cdc_error *error)
{
    unsigned long long number = cdc_line_reader_number(stage->reader);
    unsigned long long offset = cdc_line_reader_offset(stage->reader);

    if (strcmp(stage->options->on_error, "skip") != 0)
        return cdc_error_set(error, CDC_EXIT_DATA, "line %llu at byte offset %llu of the input: %s", number, offset,
                             reason);
    stage->metrics.skipped++;
    cdc_log(&stage->program->log, CDC_LOG_WARNING, "line %llu at byte offset %llu skipped: %s", number, offset, reason);
    return 0;
}

static int take_line(struct stage *stage, struct cdc_span line, bool too_long, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_error why = {0};

    stage->metrics.lines_in++;
    stage->metrics.bytes_in += line.n + 1;
    if (too_long)
        return bad_line(stage, "the line is longer than --max-line", error);
    if (cdc_event_parse(&event, line.p, line.n, &why) != 0)
        return bad_line(stage, why.text, error);
    int passed = cdc_filter_event(stage->filter, &event, cdc_writer_buf(stage->writer), error);
    if (passed < 0)
        return -1;
    stage->metrics.lines_out += (uint64_t)passed;
    stage->between = event.op == CDC_OP_COMMIT || event.op == CDC_OP_HEARTBEAT;
    return 0;
}

/* Writes all, waiting for the reader; a second signal ends the wait. */
static int drain(struct stage *stage, struct cdc_error *error)
{
    for (;;) {
        if (cdc_writer_flush(stage->writer, error) != 0)
            return -1;
        stage->metrics.bytes_out = cdc_writer_written(stage->writer);
        if (cdc_writer_pending(stage->writer) == 0 || stage->program->control.stop >= 2)
            return 0;
        struct pollfd poller = {cdc_writer_fd(stage->writer), POLLOUT, 0};
        (void)poll(&poller, 1, 1000);
    }
}

static void report(struct stage *stage, bool last)
{
    struct cdc_error error = {0};
    int64_t now;

    if (stage->program->control.statistics) {
        struct cdc_buf line = CDC_BUF_INIT;
        stage->program->control.statistics = 0;
        cdc_metrics_line(&line, &stage->metrics);
        cdc_log(&stage->program->log, CDC_LOG_INFO, "%.*s", (int)line.len, line.data != NULL ? line.data : "");
        cdc_buf_free(&line);
    }
    if (stage->program->metrics_file == NULL || (!last && (now = cdc_clock_ms()) < stage->next_save))
        return;
    stage->next_save = cdc_clock_ms() + METRICS_MS;
    if (cdc_metrics_save(stage->program->metrics_file, &stage->metrics, stage->program->name, "", &error) != 0)
        cdc_log(&stage->program->log, CDC_LOG_WARNING, "%s", error.text);
}

/* No whole line is there now: what we have goes out, then we wait. True when it is time to leave. */
static bool wait_for_input(struct stage *stage)
{
    const struct cdc_control *control = &stage->program->control;

    if (control->stop) {
        int64_t now = cdc_clock_ms();
        if (stage->stop_deadline == 0)
            stage->stop_deadline = now + STOP_GRACE_MS;
        if (control->stop >= 2 || now >= stage->stop_deadline)
            return true;
    }
    struct cdc_line_reader *reader = stage->reader;
    cdc_line_reader_wait(reader, control->stop ? -1 : control->wake_fd, control->stop ? 50 : 1000);
    return false;
}

static int finish(struct stage *stage, struct cdc_error *error)
{
    if (drain(stage, error) != 0 || cdc_writer_sync(stage->writer, error) != 0)
        return -1;
    if (cdc_line_reader_leftover(stage->reader) == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "the input ended inside a line, which is discarded");
    return cdc_error_hint(error, "start the same pipeline again: the rest comes again");
}

static int pass_lines(struct stage *stage, struct cdc_error *error)
{
    for (;;) {
        struct cdc_span line;
        if (stage->program->control.stop && stage->between)
            return finish(stage, error);
        enum cdc_line_result got = cdc_line_reader_next(stage->reader, &line, error);
        if (got == CDC_LINE_ERROR)
            return -1;
        if (got == CDC_LINE_END)
            return finish(stage, error);
        if (got == CDC_LINE_AGAIN) {
            if (drain(stage, error) != 0)
                return -1;
            report(stage, false);
            if (wait_for_input(stage))
                return finish(stage, error);
            continue;
        }
        if (take_line(stage, line, got == CDC_LINE_TOO_LONG, error) != 0) {
            struct cdc_error ignored = {0};
            (void)drain(stage, &ignored); /* what came before the bad line is good */
            return -1;
        }
        if (cdc_writer_pending(stage->writer) >= BLOCK) {
            if (drain(stage, error) != 0)
                return -1;
            report(stage, false);
        }
    }
}

static void free_settings(struct cdc_filter_settings *settings)
{
    cdc_selection_free(&settings->selection);
    free(settings->ops.items);
    free(settings->keep_columns.items);
    free(settings->drop_columns.items);
    free(settings->rename_tables.items);
    free(settings->rename_columns.items);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct options *options = program->values;
    struct stage stage = {.program = program, .options = options, .between = true};
    int result = -1;

    stage.metrics.lag_bytes = stage.metrics.lag_ms = -1;
    if (operands.count != 0)
        cdc_error_set(error, CDC_EXIT_USAGE, "unexpected operand \"%s\"", operands.items[0]);
    else if ((stage.filter = cdc_filter_new(&options->filter, error)) != NULL &&
             (stage.reader = cdc_line_reader_new(STDIN_FILENO, (size_t)options->max_line, error)) != NULL &&
             (stage.writer = cdc_writer_new(STDOUT_FILENO, error)) != NULL)
        result = pass_lines(&stage, error);
    report(&stage, true);
    cdc_writer_free(stage.writer);
    cdc_line_reader_free(stage.reader);
    cdc_filter_free(stage.filter);
    free_settings(&options->filter);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {.on_error = "stop", .max_line = (int64_t)CDC_LINE_MAX_DEFAULT};
    struct program program = {
        .name = "cdc-filter",
        .synopsis = "[options] < events > events",
        .summary = "Keeps tables, operations and columns of change events, and renames them.",
        .options = option_table,
        .values = &options,
        .exit_statuses = "0 64 65 70 74 75 78",
        .run = run,
    };
    return program_main(&program, argc, argv);
}
