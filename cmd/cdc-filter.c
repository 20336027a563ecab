/* SPDX-License-Identifier: MIT */
/* cdc-filter: the middle stage of a pipeline. It keeps no position, so it needs no file and can be put anywhere
 * between a source and its sinks; the loop is cdc_stage_run, what becomes of a line is cdc_filter_event. */
#include "cmd/filter/format.h"
#include "cmd/filter/letters.h"
#include "cmd/filter/look.h"
#include "cmd/filter/privacy.h"
#include "cmd/filter/rules.h"
#include "cmd/filter/shape.h"
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

#define STEPS_MAX (2 + SHAPE_STEPS)

struct options {
    struct cdc_filter_settings filter;
    struct filter_format_options format;
    struct privacy_options privacy;
    struct shape_options shape;
#ifdef WITH_SQLITE
    struct lite_filter_settings sql;
#endif
    struct letter_options letters;
    struct cdc_option_list rules;
    bool check, explain, json;
    int64_t max_line;
};

static const struct options defaults = {
    .letters.on_error = "stop",
    .max_line = (int64_t)CDC_LINE_MAX_DEFAULT,
#ifdef WITH_SQLITE
    .sql.before = "match",
#endif
};

/* What the loop knows as the stage. */
struct stage {
    struct cdc_filter *filter;
    struct filter_formats formats;
#ifdef WITH_SQLITE
    struct lite_filter *sql; /* NULL: there are no expressions */
    struct cdc_filter_step sql_step;
#endif
    struct cdc_privacy *privacy; /* NULL: everything may leave */
    struct shapes shapes;
    struct cdc_filter_step steps[STEPS_MAX];
};

#define AT(member) offsetof(struct options, member)
#define AT_FORMAT(member) AT(format.member)
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
    OPTION_LIST(0, "route", AT(filter.routes), "PATTERN=NAME",
                "tables that match get one name, [schema.]table (repeatable)"),
    OPTION_TEXT("route-column", AT(filter.route_column), "NAME", "column with their own names (default source_table)"),
    OPTION_FLAG(0, "route-unique", AT(filter.route_unique), "no two rows of them have one key: add no column"),
    OPTION_FLAG(0, "allow-unknown", AT(filter.allow_unknown), "TABLE:COLUMN may be a column that the table lacks"),
#ifdef WITH_SQLITE
    OPTION_HEADING("Rows and columns, in SQL"),
    OPTION_LIST(0, "where", AT(sql.where), "[TABLE:]EXPR", "keep only rows of which it is true (repeatable)"),
    OPTION_CHOICE("where-before", AT(sql.before), "HOW", "an old row that the log lacks counts so (match)",
                  "match|same|require"),
    OPTION_LIST(0, "set", AT(sql.set), "[TABLE:]A=EXPR", "compute a column (repeatable)"),
    OPTION_LIST(0, "add", AT(sql.add), "[TABLE:]A=EXPR", "add a column, A or \"A TYPE\" (repeatable)"),
#endif
    OPTIONS_PRIVACY(AT(privacy)),
    OPTIONS_SHAPE(AT(shape)),
    OPTION_HEADING("Running"),
    OPTION_LIST('f', "rules", AT(rules), "FILE", "further options from a file, one a line (repeatable)"),
    OPTION_FLAG(0, "check", AT(check), "say what is wrong with the options, and end"),
    OPTION_FLAG(0, "explain", AT(explain), "say what becomes of tables and columns, and end"),
    OPTION_FLAG(0, "json", AT(json), "--check and --explain as JSON"),
    OPTIONS_LETTERS(AT(letters)),
    OPTION_MAX_LINE(AT(max_line)),
    FILTER_FORMAT_OPTIONS(AT_FORMAT),
    OPTION_END,
};

static int convert(void *state, struct cdc_span line, struct cdc_buf *events, struct cdc_error *error)
{
    struct stage *stage = state;
    return cdc_format_read(stage->formats.reader, line, events, error);
}

static int filter_event(void *state, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct stage *stage = state;
    return cdc_filter_event(stage->filter, event, out, error);
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
static void report(void *state, const struct cdc_log *log)
{
    const struct stage *stage = state;
    struct cdc_buf names = CDC_BUF_INIT;

    filter_formats_report(&stage->formats, log);
    shapes_report(&stage->shapes, log);
    if (stage->privacy != NULL)
        report_left_out(stage->privacy, log);
    if (cdc_filter_unmatched(stage->filter, &names) > 0 && !names.failed)
        cdc_log_write(log, CDC_LOG_WARNING, "no table of this run is the one that is named by %.*s", (int)names.len,
                      names.data);
    cdc_buf_free(&names);
}

static void skipped(void *state)
{
    struct stage *stage = state;
    cdc_filter_skipped(stage->filter);
}

static int settle(void *state, struct cdc_error *error)
{
    struct stage *stage = state;
    return stage->privacy != NULL ? cdc_privacy_settle(stage->privacy, error) : 0;
}

static void free_settings(struct cdc_filter_settings *settings)
{
    cdc_selection_free(&settings->selection);
    free(settings->ops.items);
    free(settings->keep_columns.items);
    free(settings->drop_columns.items);
    free(settings->rename_tables.items);
    free(settings->rename_columns.items);
    free(settings->routes.items);
}

static int run_loop(struct program *program, struct stage *stage, struct cdc_error *error)
{
    const struct options *options = program->values;
    const struct cdc_stage_ops ops = {options->format.from != NULL ? convert : NULL, filter_event, report, skipped,
                                      settle};
    const struct cdc_stage_settings settings = {
        .input_fd = STDIN_FILENO,
        .output_fd = STDOUT_FILENO,
        .max_line = (size_t)options->max_line,
        .skip_errors = strcmp(options->letters.on_error, "stop") != 0,
        .dead_letter = options->letters.dead_letter,
        .redact = options->letters.lines != NULL && strcmp(options->letters.lines, "redacted") == 0,
        .metrics_file = program->metrics_file,
        .tool = program->name,
    };
    return cdc_stage_run(&ops, stage, &settings, &program->control, &program->log, error);
}

#ifdef WITH_SQLITE
/* The message of an expression that fails may have a value of the row in it: not where values must not leave. */
static enum cdc_step_result compute_in_private(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                               struct cdc_error *error)
{
    const struct cdc_filter_step *step = &((struct stage *)state)->sql_step;
    enum cdc_step_result result = step->event(step->state, event, out, error);

    if (result == CDC_STEP_FAILED && error->status == CDC_EXIT_DATA) {
        *error = (struct cdc_error){0};
        cdc_error_set(error, CDC_EXIT_DATA, "an expression of --where, --set or --add cannot be computed for the row");
    }
    return result;
}

static size_t unmatched_in_private(void *state, bool more, struct cdc_buf *out)
{
    const struct cdc_filter_step *step = &((struct stage *)state)->sql_step;
    return step->unmatched != NULL ? step->unmatched(step->state, more, out) : 0;
}

static enum cdc_step_clarity explain_in_private(void *state, const struct cdc_event *event, struct cdc_span column,
                                                struct cdc_buf *out)
{
    const struct cdc_filter_step *step = &((struct stage *)state)->sql_step;
    return step->explain(step->state, event, column, out);
}

static int add_sql(struct program *program, struct stage *stage, struct options *options, struct cdc_error *error)
{
    struct lite_filter_settings *sql = &options->sql;

    if (sql->where.count + sql->set.count + sql->add.count == 0)
        return 0;
    sql->allow_unknown = options->filter.allow_unknown;
    sql->log = &program->log;
    if ((stage->sql = lite_filter_new(sql, error)) == NULL)
        return -1;
    stage->sql_step = lite_filter_step(stage->sql);
    stage->steps[options->filter.n_steps] = stage->sql_step;
    if (cdc_privacy_is_set(&options->privacy.settings)) {
        stage->steps[options->filter.n_steps].event = compute_in_private;
        stage->steps[options->filter.n_steps].unmatched = unmatched_in_private;
        stage->steps[options->filter.n_steps].explain = explain_in_private;
        stage->steps[options->filter.n_steps].state = stage;
    }
    options->filter.n_steps++;
    return 0;
}

static void free_sql(struct lite_filter_settings *sql)
{
    free(sql->where.items);
    free(sql->set.items);
    free(sql->add.items);
}
#endif

/* Encrypted values are bound to the names of their table and column. */
static int check_renames(const struct options *options, struct cdc_error *error)
{
    const struct cdc_filter_settings *filter = &options->filter;
    size_t names = filter->rename_tables.count + filter->rename_columns.count + filter->routes.count +
                   options->shape.outbox.tables.count;

    if (options->privacy.settings.encrypt.count == 0 || names == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE,
                  "--encrypt and --rename, --route or --outbox together: under other names nothing can be decrypted");
    return cdc_error_hint(error, "rename behind --decrypt");
}

static int add_privacy(struct stage *stage, struct options *options, struct cdc_error *error)
{
    struct cdc_privacy_settings *privacy = &options->privacy.settings;

    if (!cdc_privacy_is_set(privacy))
        return 0;
    privacy->allow_unknown = options->filter.allow_unknown;
    privacy->keyed_tables = options->shape.outbox.tables;
    privacy->key_column = options->shape.outbox.key;
    if (check_renames(options, error) != 0 || privacy_protect(error) != 0 ||
        (stage->privacy = cdc_privacy_new(privacy, error)) == NULL)
        return -1;
    stage->steps[options->filter.n_steps++] = cdc_privacy_step(stage->privacy);
    return 0;
}

/* In the order in which an event goes through them. */
static int add_steps(struct program *program, struct stage *stage, struct options *options, struct cdc_error *error)
{
    options->filter.steps = stage->steps;
#ifdef WITH_SQLITE
    if (add_sql(program, stage, options, error) != 0)
        return -1;
#endif
    options->shape.outbox.log = &program->log;
    options->shape.in_private = cdc_privacy_is_set(&options->privacy.settings);
    return add_privacy(stage, options, error) == 0
               ? shapes_open(&stage->shapes, &options->shape, &options->format, &options->filter, stage->steps, error)
               : -1;
}

static void free_stage(struct stage *stage)
{
    cdc_filter_free(stage->filter);
    filter_formats_free(&stage->formats);
    shapes_free(&stage->shapes);
#ifdef WITH_SQLITE
    lite_filter_free(stage->sql);
#endif
    cdc_privacy_free(stage->privacy);
}

/* Makes what the options ask for. */
static int open_stage(struct program *program, struct stage *stage, struct cdc_error *error)
{
    struct options *options = program->values;

    options->filter.n_steps = 0;
    options->filter.format = NULL;
    if (filter_formats_open(&stage->formats, &options->format, error) != 0)
        return -1;
    if (stage->formats.writer != NULL)
        options->filter.format = &stage->formats.format;
    if (add_steps(program, stage, options, error) != 0)
        return -1;
    stage->filter = cdc_filter_new(&options->filter, error);
    return stage->filter != NULL ? 0 : -1;
}

static int filter_lines(struct program *program, struct cdc_error *error)
{
    struct stage stage = {0};
    int result = open_stage(program, &stage, error);

    if (result == 0)
        result = run_loop(program, &stage, error);
    free_stage(&stage);
    return result;
}

/* -- --check and --explain -------------------------------------------------------------------- */

struct trial {
    struct program *program;
    struct stage stage;
    struct filter_formats input; /* --from, of the schema lines; opened at the first one */
};

static struct cdc_filter *open_trial(void *context, struct cdc_error *error)
{
    struct trial *trial = context;
    return open_stage(trial->program, &trial->stage, error) == 0 ? trial->stage.filter : NULL;
}

static void close_trial(void *context)
{
    struct trial *trial = context;
    free_stage(&trial->stage);
    trial->stage = (struct stage){0};
}

static int convert_trial(void *context, struct cdc_span line, struct cdc_buf *events, struct cdc_error *error)
{
    struct trial *trial = context;
    struct filter_format_options options = ((struct options *)trial->program->values)->format;

    options.to = NULL;
    if (trial->input.reader == NULL && filter_formats_open(&trial->input, &options, error) != 0)
        return -1;
    return cdc_format_read(trial->input.reader, line, events, error);
}

static int try_options(struct program *program, struct cdc_option_list files, struct look_errors *errors,
                       struct cdc_error *error)
{
    struct options *options = program->values;
    struct trial trial = {.program = program};
    const struct filter_look look = {.program = program,
                                     .table = option_table,
                                     .values = options,
                                     .files = files,
                                     .max_line = (size_t)options->max_line,
                                     .json = options->json,
                                     .allow_unknown = options->filter.allow_unknown,
                                     .open = open_trial,
                                     .close = close_trial,
                                     .convert = options->format.from != NULL ? convert_trial : NULL,
                                     .context = &trial};
    int result = options->check ? look_check(&look, errors, error) : look_explain(&look, error);

    filter_formats_free(&trial.input);
    return result;
}

/* -- what is to be done ------------------------------------------------------------------------- */

/* Lines of dead letters have lost the schema lines before them: only what needs none is done to them. */
static int show_letters(struct program *program, struct cdc_error *error)
{
    struct options *options = program->values;
    const struct cdc_filter_settings *filter = &options->filter;
    bool chooses = filter->selection.include.count + filter->selection.exclude.count + filter->ops.count +
                       filter->keep_columns.count + filter->drop_columns.count >
                   0;
    struct cdc_filter *made = cdc_filter_new(filter, error);
    int result =
        made != NULL ? letters_show(program, &options->letters, made, chooses, (size_t)options->max_line, error) : -1;

    cdc_filter_free(made);
    return result;
}

/* Of what is done to the lines of a stream, that to lines which stand alone: the rest would be passed over in silence. */
static bool needs_a_stream(const struct options *options)
{
    bool sql = false;

#ifdef WITH_SQLITE
    sql = options->sql.where.count + options->sql.set.count + options->sql.add.count > 0;
#endif
    return sql || cdc_privacy_is_set(&options->privacy.settings) || shapes_are_set(&options->shape) ||
           options->filter.routes.count > 0 || options->format.to != NULL || options->format.from != NULL;
}

static int check_modes(const struct options *options, struct cdc_option_list operands, struct cdc_error *error)
{
    bool looks = options->check || options->explain;

    if (options->check + options->explain + (options->letters.file != NULL) > 1)
        return cdc_error_set(error, CDC_EXIT_USAGE, "one of --check, --explain and --dead-letters at a time");
    if (options->letters.file != NULL && needs_a_stream(options)) {
        cdc_error_set(
            error, CDC_EXIT_USAGE,
            "--dead-letters: letters have no schema lines before them, so nothing is computed, masked, brought "
            "together or written in another form");
        return cdc_error_hint(error, "it takes -t, -T, --op, --columns, --drop-columns and the renames");
    }
    if (options->json && !looks)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--json goes with --check or --explain");
    if (operands.count != 0 && !looks)
        return cdc_error_set(error, CDC_EXIT_USAGE, "unexpected operand \"%s\"", operands.items[0]);
    return 0;
}

/* Those of files stand before those of the command line. */
static int read_rules(struct program *program, struct filter_rules *rules, struct cdc_error *error)
{
    struct options *options = program->values, under = defaults;
    int result = 0;

    for (size_t i = 0; result == 0 && i < options->rules.count; i++)
        result = filter_rules_read(rules, options->rules.items[i], option_table, &under, error);
    /* Also after an error: whatever was read is freed with the options. */
    if (cdc_options_put_under(option_table, options, &under, &defaults, error) != 0)
        return -1;
    return result;
}

static int run_options(struct program *program, struct cdc_option_list operands, struct look_errors *errors,
                       struct cdc_error *error)
{
    struct options *options = program->values;
    bool is_private = cdc_privacy_is_set(&options->privacy.settings) && !options->privacy.settings.decrypt;

    if (check_modes(options, operands, error) != 0 || letters_check(&options->letters, is_private, error) != 0)
        return -1;
    if (options->check || options->explain)
        return try_options(program, operands, errors, error);
    if (options->letters.file != NULL)
        return show_letters(program, error);
    int done = privacy_other_work(program, &options->privacy, error);
    return done != 0 ? (done > 0 ? 0 : -1) : filter_lines(program, error);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct options *options = program->values;
    struct filter_rules rules = {.n = 0};
    struct look_errors errors = {.rules = &rules};

    if (options->check) {
        rules.report = look_note_rule;
        rules.context = &errors;
    }
    int result = read_rules(program, &rules, error);
    if (result == 0)
        result = run_options(program, operands, &errors, error);
    if (result != 0)
        filter_rules_locate(&rules, error);
    filter_rules_free(&rules);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = defaults;
    struct program program = {
        .name = "cdc-filter",
        .synopsis = "[options] < events > events",
        .summary = "Chooses, computes, renames and masks tables, rows and columns of change events.",
        .options = option_table,
        .values = &options,
        .exit_statuses = "0 64 65 70 74 75 77 78",
        .run = run,
    };
    int status = program_main(&program, argc, argv);
    free_settings(&options.filter);
    free(options.rules.items);
    free(options.format.keys.items);
    privacy_free_options(&options.privacy);
    shapes_free_options(&options.shape);
#ifdef WITH_SQLITE
    free_sql(&options.sql);
#endif
    return status;
}
