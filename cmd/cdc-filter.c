/* SPDX-License-Identifier: MIT */
/* cdc-filter: the middle stage of a pipeline. It keeps no position, so it needs no file and can be put anywhere
 * between a source and its sinks; the loop is cdc_stage_run, what becomes of a line is cdc_filter_event. */
#include "cmd/program/options.h"
#include "cmd/program/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/filter.h>
#include <cdc/line.h>
#include <cdc/stage.h>

#ifdef WITH_SQLITE
#include "connectors/sqlite/sqlite.h"
#endif

struct options {
    struct cdc_filter_settings filter;
#ifdef WITH_SQLITE
    struct lite_filter_settings sql;
#endif
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
#ifdef WITH_SQLITE
    OPTION_HEADING("Rows and columns, in SQL"),
    OPTION_LIST(0, "where", AT(sql.where), "[TABLE:]EXPR", "keep only rows of which it is true (repeatable)"),
    OPTION_CHOICE("where-before", AT(sql.before), "HOW", "an old row that the log lacks counts so (match)",
                  "match|same|require"),
    OPTION_LIST(0, "set", AT(sql.set), "[TABLE:]A=EXPR", "compute a column (repeatable)"),
    OPTION_LIST(0, "add", AT(sql.add), "[TABLE:]A=EXPR", "add a column, A or \"A TYPE\" (repeatable)"),
    OPTION_HEADING("Running"),
#endif
    OPTION_CHOICE("on-error", AT(on_error), "ACTION", "what to do with bad lines (default stop)", "stop|skip"),
    OPTION_MAX_LINE(AT(max_line)),
    OPTION_END,
};

static int filter_event(void *filter, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    return cdc_filter_event(filter, event, out, error);
}

/* A misspelt -t is an empty copy, a misspelt --drop-columns lets through what must not leave. */
static void report(void *filter, const struct cdc_log *log)
{
    struct cdc_buf names = CDC_BUF_INIT;

    if (cdc_filter_unmatched(filter, &names) > 0 && !names.failed)
        cdc_log_write(log, CDC_LOG_WARNING, "no table of this run is the one that is named by %.*s", (int)names.len,
                      names.data);
    cdc_buf_free(&names);
}

static void skipped(void *filter)
{
    cdc_filter_skipped(filter);
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

static int run_stage(struct program *program, const struct cdc_filter_settings *settings,
                     const struct cdc_stage_settings *stage, struct cdc_error *error)
{
    static const struct cdc_stage_ops ops = {filter_event, report, skipped};
    struct cdc_filter *filter = cdc_filter_new(settings, error);

    if (filter == NULL)
        return -1;
    int result = cdc_stage_run(&ops, filter, stage, &program->control, &program->log, error);
    cdc_filter_free(filter);
    return result;
}

#ifdef WITH_SQLITE
static bool has_sql(const struct lite_filter_settings *sql)
{
    return sql->where.count + sql->set.count + sql->add.count > 0;
}

/* Runs the stage with the SQL step, where there is one. */
static int run_steps(struct program *program, const struct cdc_stage_settings *stage, struct cdc_error *error)
{
    struct options *options = program->values;
    struct cdc_filter_settings filter = options->filter;
    struct lite_filter *sql = NULL;
    struct cdc_filter_step step;

    if (has_sql(&options->sql)) {
        options->sql.allow_unknown = filter.allow_unknown;
        options->sql.log = &program->log;
        if ((sql = lite_filter_new(&options->sql, error)) == NULL)
            return -1;
        step = lite_filter_step(sql);
        filter.steps = &step;
        filter.n_steps = 1;
    }
    int result = run_stage(program, &filter, stage, error);
    lite_filter_free(sql);
    return result;
}

static void free_sql(struct lite_filter_settings *sql)
{
    free(sql->where.items);
    free(sql->set.items);
    free(sql->add.items);
}
#endif

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct options *options = program->values;
    const struct cdc_stage_settings settings = {
        .input_fd = STDIN_FILENO,
        .output_fd = STDOUT_FILENO,
        .max_line = (size_t)options->max_line,
        .skip_errors = strcmp(options->on_error, "skip") == 0,
        .metrics_file = program->metrics_file,
        .tool = program->name,
    };
    if (operands.count != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "unexpected operand \"%s\"", operands.items[0]);
#ifdef WITH_SQLITE
    return run_steps(program, &settings, error);
#else
    return run_stage(program, &options->filter, &settings, error);
#endif
}

int main(int argc, char **argv)
{
    struct options options = {.on_error = "stop", .max_line = (int64_t)CDC_LINE_MAX_DEFAULT};
#ifdef WITH_SQLITE
    options.sql.before = "match";
#endif
    struct program program = {
        .name = "cdc-filter",
        .synopsis = "[options] < events > events",
        .summary = "Keeps tables, operations and columns of change events, and renames them.",
        .options = option_table,
        .values = &options,
        .exit_statuses = "0 64 65 70 74 75 78",
        .run = run,
    };
    int status = program_main(&program, argc, argv);
    free_settings(&options.filter);
#ifdef WITH_SQLITE
    free_sql(&options.sql);
#endif
    return status;
}
