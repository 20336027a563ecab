/* SPDX-License-Identifier: MIT */
/* mysql-binlog: changes of MySQL and MariaDB tables as lines on stdout. */
#include "connectors/mysql/mysql.h"
#include "cmd/program/source.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    struct source_options common;
    struct cdc_option_list files;
    const char *start, *until, *defaults_file, *schema_from;
    bool check;
    int64_t server_id;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    {0, "What to read", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {'t', "table", CDC_OPTION_LIST, AT(common.selection.include), "PATTERN",
     "only tables that match (db.table, * and ?)", 0, 0, NULL},
    {'T', "exclude-table", CDC_OPTION_LIST, AT(common.selection.exclude), "PATTERN", "but not those", 0, 0, NULL},
    {0, "name", CDC_OPTION_TEXT, AT(common.name), "NAME", "name of the pipeline (default: the database's)", 0, 0, NULL},
    {0, "file", CDC_OPTION_LIST, AT(files), "FILE", "a file of the log instead of a server (repeatable)", 0, 0, NULL},
    {0, "schema-from", CDC_OPTION_TEXT, AT(schema_from), "URL", "a server that knows the files' columns", 0, 0, NULL},
    {0, "server-id", CDC_OPTION_INTEGER, AT(server_id), "N", "among the server's replicas (default: a hash)", 1,
     UINT32_MAX, NULL},
    {0, "defaults-file", CDC_OPTION_TEXT, AT(defaults_file), "FILE", "option file with user, password, host ...", 0, 0,
     NULL},
    {0, "login-path", CDC_OPTION_TEXT, AT(common.login_path), "NAME", "refused: says what to do instead", 0, 0, NULL},
    {0, "Instead of reading", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "check", CDC_OPTION_FLAG, AT(check), NULL, "say what would stop the pipe or lose rows", 0, 0, NULL},
    {0, "Position", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "start", CDC_OPTION_TEXT, AT(start), "WHERE", "first start: now, oldest, FILE:POSITION, GTIDs", 0, 0, NULL},
    {0, "offset-file", CDC_OPTION_TEXT, AT(common.offset_file), "FILE", "where the position is kept", 0, 0, NULL},
    {0, "state-dir", CDC_OPTION_TEXT, AT(common.state_dir), "DIR", "a pipeline's offset files (CDC_STATE_DIR)", 0, 0,
     NULL},
    {0, "ack", CDC_OPTION_LIST, AT(common.ack), "FILE", "a sink's offset file: confirm that; or stdout", 0, 0, NULL},
    {0, "until", CDC_OPTION_TEXT, AT(until), "WHEN", "end there: now, FILE:POSITION, or a time", 0, 0, NULL},
    {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL},
};

static struct cdc_value_format style_of(const struct values *v)
{
    return (struct cdc_value_format){strcmp(v->common.int64, "string") == 0, strcmp(v->common.decimal, "number") == 0};
}

static const char *password(void)
{
    return program_default(NULL, "MYSQL_PWD", NULL);
}

static int stream(struct program *program, const struct values *v, const char *url, const char *name,
                  struct source_positions *p, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    int resume = source_program_has_position(p, name, error);
    const char *path = cdc_offset_file_path(p->offsets);
    char *xa_folder = NULL, *schema_file = NULL;
    if (resume < 0)
        return -1;
    if (path && asprintf(&xa_folder, "%s.xa", path) < 0)
        return cdc_error_memory(error);
    if (path && asprintf(&schema_file, "%s.schema", path) < 0) {
        free(xa_folder);
        return cdc_error_memory(error);
    }
    const struct my_stream_settings stream_settings = {
        .connection = {.url = url, .defaults_file = v->defaults_file, .password = password(), .tool = program->name},
        .name = name,
        .selection = v->common.selection,
        .style = style_of(v),
        .start = v->start,
        .until = v->until,
        .heartbeat = v->common.heartbeat,
        .max_events = v->common.max_events,
        .server_id = (uint32_t)v->server_id,
        .xa_folder = xa_folder,
        .schema_file = schema_file,
        .own = cdc_offset_file_get(p->offsets, name),
        .acks = p->acks,
        .resume_only = resume > 0,
        .snapshot = p->has_snapshot ? &p->snapshot : NULL,
    };
    const struct cdc_source_settings source_settings = {.tool = program->name,
                                                        .name = name,
                                                        .output_fd = STDOUT_FILENO,
                                                        .confirm = p->confirm,
                                                        .idle_exit = v->common.idle_exit,
                                                        .retry_max = v->common.retry_max,
                                                        .metrics_file = program->metrics_file};
    struct my_stream *source = my_stream_new(&stream_settings, &metrics, &program->log, error);
    int result = source ? cdc_source_run(&my_stream_ops, source, &source_settings, p->offsets, p->acks,
                                         &program->control, &metrics, &program->log, error)
                        : -1;
    if (source)
        source_program_report(program, &metrics);
    my_stream_free(source);
    free(xa_folder);
    free(schema_file);
    return result;
}

static int run_server(struct program *program, const struct values *v, const char *url, const char *name,
                      struct cdc_error *error)
{
    struct source_positions p;
    int result = source_program_open(program, &v->common, name, SOURCE_KEEP_IF_TOLD, &p, error);
    if (result == 0)
        result = stream(program, v, url, name, &p, error);
    source_program_close(&p);
    return result;
}

static int run_files(struct program *program, const struct values *v, const char *schema_from, const char *name,
                     struct cdc_error *error)
{
    const struct my_session_settings server = {
        .url = schema_from, .defaults_file = v->defaults_file, .password = password(), .tool = program->name};
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    const struct my_file_settings settings = {.files = v->files.items,
                                              .n_files = v->files.count,
                                              .name = name,
                                              .selection = v->common.selection,
                                              .style = style_of(v),
                                              .max_events = v->common.max_events,
                                              .output_fd = STDOUT_FILENO,
                                              .schema_from = schema_from ? &server : NULL};
    int result = my_file_run(&settings, &program->control, &metrics, &program->log, error);
    source_program_report(program, &metrics);
    if (program->metrics_file &&
        cdc_metrics_save(program->metrics_file, &metrics, program->name, name, result == 0 ? error : NULL) < 0)
        return -1;
    return result;
}

/* Nothing of the server that tells the columns chooses tables or name. */
static int run_all_files(struct program *program, struct values *v, struct cdc_error *error)
{
    char *pattern = NULL;
    const char *name = v->common.name ? v->common.name : "mysql";
    char *schema_from = v->schema_from ? source_program_copy_url(program, v->schema_from, error) : NULL;
    int result =
        v->schema_from && !schema_from ? -1 : my_selection_complete(&v->common.selection, NULL, &pattern, error);
    if (result == 0)
        result = run_files(program, v, schema_from, name, error);
    free(pattern);
    if (schema_from)
        explicit_bzero(schema_from, strlen(schema_from));
    free(schema_from);
    return result;
}

static int run_url(struct program *program, struct values *v, const char *text, struct cdc_error *error)
{
    struct my_url url;
    char *pattern = NULL;
    const struct my_session_settings connection = {
        .url = text, .defaults_file = v->defaults_file, .password = password(), .tool = program->name};
    int result = my_url_parse(&url, text, error);
    if (result == 0)
        result = my_selection_complete(&v->common.selection, url.db, &pattern, error);
    const char *name = v->common.name ? v->common.name : url.db ? url.db : "mysql";
    if (result == 0 && v->check)
        result = my_check(&connection, &v->common.selection, my_replica_id((uint32_t)v->server_id, name), &program->log,
                          error);
    else if (result == 0)
        result = run_server(program, v, text, name, error);
    free(pattern);
    my_url_free(&url);
    return result;
}

/* As the shell makes them of `--file binlog.0*`. */
static int take_files(struct values *v, struct cdc_option_list operands, struct cdc_error *error)
{
    const char **files = realloc(v->files.items, (v->files.count + operands.count) * sizeof *files);
    if (!files)
        return cdc_error_memory(error);
    v->files.items = files;
    for (size_t i = 0; i < operands.count; i++) {
        if (strstr(operands.items[i], "://"))
            return cdc_error_set(error, CDC_EXIT_USAGE, "--file reads no server: no URL with it (but --schema-from)");
        files[v->files.count++] = operands.items[i];
    }
    return 0;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct values *v = program->values;
    if (source_program_check_login(&v->common, error) < 0)
        return -1;
    if (v->schema_from && v->files.count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--schema-from is for --file");
    if (v->files.count > 0 && (v->check || v->start || v->common.ack.count))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--file reads no server: no --check, --start or --ack with it");
    if (v->files.count > 0 && take_files(v, operands, error) < 0)
        return -1;
    if (v->files.count > 0)
        return run_all_files(program, v, error);
    char *url = source_program_take_url(program, operands, error);
    int result = url ? run_url(program, v, url, error) : -1;
    if (url)
        explicit_bzero(url, strlen(url));
    free(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {0};
    struct program program = {.name = "mysql-binlog",
                              .synopsis = "[options] [URL]",
                              .summary = "Writes the changes of MySQL and MariaDB tables as lines of JSON to stdout.",
                              .options = option_table,
                              .values = &values,
                              .more_options = source_stream_options,
                              .more_values = &values.common,
                              .exit_statuses = "0 64 65 69 70 74 75 76 77 78 79",
                              .run = run};
    source_options_init(&values.common);
    int status = program_main(&program, argc, argv);
    source_options_free(&values.common);
    free(values.files.items);
    return status;
}
