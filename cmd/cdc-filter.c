/* SPDX-License-Identifier: MIT */
/* cdc-filter: the middle stage of a pipeline. It keeps no position, so it needs no file and can be put anywhere
 * between a source and its sinks; the loop is cdc_stage_run, what becomes of a line is cdc_filter_event. */
#include "cmd/filter/privacy.h"
#include "cmd/program/options.h"
#include "cmd/program/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/filter.h>
#include <cdc/line.h>
#include <cdc/stage.h>

struct options {
    struct cdc_filter_settings filter;
    struct privacy_options privacy;
    const char *on_error;
    int64_t max_line;
};

#define AT(member) offsetof(struct options, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("Options"),
    OPTION_LIST('t', "table", AT(filter.selection.include), "PATTERN", "keep only tables that match (repeatable)"),
    OPTION_LIST('T', "exclude-table", AT(filter.selection.exclude), "PATTERN", "drop tables that match (repeatable)"),
    OPTION_LIST(0, "op", AT(filter.ops), "LIST", "keep only these of r,c,u,d,t,m,ddl"),
    OPTION_LIST(0, "columns", AT(filter.keep_columns), "[TABLE:]A,B",
                "keep only these columns and the key (repeatable)"),
    OPTION_LIST(0, "drop-columns", AT(filter.drop_columns), "[TABLE:]A,B",
                "drop these columns, never the key's (repeatable)"),
    OPTION_LIST(0, "rename", AT(filter.rename_tables), "OLD=NEW", "rename a table, [schema.]table on both sides"),
    OPTION_LIST(0, "rename-column", AT(filter.rename_columns), "[TABLE:]OLD=NEW", "rename a column"),
    OPTION_FLAG(0, "allow-unknown", AT(filter.allow_unknown), "TABLE:COLUMN may be a column that the table lacks"),
    OPTION_CHOICE("on-error", AT(on_error), "ACTION", "what to do with bad lines (default stop)", "stop|skip"),
    OPTION_MAX_LINE(AT(max_line)),
    OPTIONS_PRIVACY(AT(privacy)),
    OPTION_END,
};

/* What the loop runs. */
struct filter {
    struct cdc_filter *lines;
    struct cdc_privacy *privacy; /* NULL: everything may leave */
};

static int filter_event(void *filter, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    return cdc_filter_event(((struct filter *)filter)->lines, event, out, error);
}

/* What is left out without having been named is told. */
static void report_left_out(const struct cdc_privacy *privacy, const struct cdc_log *log)
{
    uint64_t messages, statements;

    cdc_privacy_left_out(privacy, &messages, &statements);
    if (messages > 0 || statements > 0)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "%llu messages (op m) and the texts of %llu statements (op ddl) were left out, as nobody can say "
                      "what is in them",
                      (unsigned long long)messages, (unsigned long long)statements);
}

/* A misspelt -t is an empty copy, a misspelt --drop-columns lets through what must not leave. */
static void report(void *stage, const struct cdc_log *log)
{
    const struct filter *filter = stage;
    struct cdc_buf names = CDC_BUF_INIT;

    if (filter->privacy != NULL)
        report_left_out(filter->privacy, log);
    if (cdc_filter_unmatched(filter->lines, &names) > 0 && !names.failed)
        cdc_log_write(log, CDC_LOG_WARNING, "no table of this run is the one that is named by %.*s", (int)names.len,
                      names.data);
    cdc_buf_free(&names);
}

static void skipped(void *filter)
{
    cdc_filter_skipped(((struct filter *)filter)->lines);
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

static int run_loop(struct program *program, struct filter *filter, struct cdc_error *error)
{
    static const struct cdc_stage_ops ops = {filter_event, report, skipped};
    const struct options *options = program->values;
    const struct cdc_stage_settings settings = {
        .input_fd = STDIN_FILENO,
        .output_fd = STDOUT_FILENO,
        .max_line = (size_t)options->max_line,
        .skip_errors = strcmp(options->on_error, "skip") == 0,
        .metrics_file = program->metrics_file,
        .tool = program->name,
    };
    return cdc_stage_run(&ops, filter, &settings, &program->control, &program->log, error);
}

/* Encrypted values are bound to the names of their table and column. */
static int check_renames(const struct options *options, struct cdc_error *error)
{
    if (options->privacy.settings.encrypt.count == 0 ||
        options->filter.rename_tables.count + options->filter.rename_columns.count == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--encrypt and --rename together: under other names nothing can be decrypted");
    return cdc_error_hint(error, "rename behind --decrypt");
}

/* Makes what the options ask for, in the order of the steps, and runs it. */
static int filter_lines(struct program *program, struct options *options, struct cdc_error *error)
{
    struct filter filter = {.privacy = NULL};
    struct cdc_filter_step steps[1];
    struct cdc_privacy_settings privacy = options->privacy.settings;
    int result = -1;

    privacy.allow_unknown = options->filter.allow_unknown;
    options->filter.steps = steps;
    if (cdc_privacy_is_set(&privacy)) {
        if (check_renames(options, error) != 0 || privacy_protect(error) != 0 ||
            (filter.privacy = cdc_privacy_new(&privacy, error)) == NULL)
            return -1;
        steps[options->filter.n_steps++] = cdc_privacy_step(filter.privacy);
    }
    filter.lines = cdc_filter_new(&options->filter, error);
    if (filter.lines != NULL)
        result = run_loop(program, &filter, error);
    cdc_filter_free(filter.lines);
    cdc_privacy_free(filter.privacy);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct options *options = program->values;

    if (operands.count != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "unexpected operand \"%s\"", operands.items[0]);
    int done = privacy_other_work(program, &options->privacy, error);
    return done != 0 ? (done > 0 ? 0 : -1) : filter_lines(program, options, error);
}

int main(int argc, char **argv)
{
    struct options options = {.on_error = "stop", .max_line = (int64_t)CDC_LINE_MAX_DEFAULT};
    struct program program = {
        .name = "cdc-filter",
        .synopsis = "[options] < events > events",
        .summary = "Keeps tables, operations and columns of change events, renames and masks them.",
        .options = option_table,
        .values = &options,
        .exit_statuses = "0 64 65 70 74 75 77 78",
        .run = run,
    };
    int status = program_main(&program, argc, argv);
    free_settings(&options.filter);
    privacy_free_options(&options.privacy);
    return status;
}
