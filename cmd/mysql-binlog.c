/* SPDX-License-Identifier: MIT */
/* mysql-binlog: changes of MySQL and MariaDB tables as lines on stdout, from a server or (--file) from files of its
 * log. Files are a single pass over what is there: no acks, no position, no waiting. */
#include "connectors/mysql/mysql.h"
#include "cmd/program/options.h"
#include "cmd/program/source.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    struct source_options common;
    struct cdc_option_list files;
    const char *start, *until, *defaults_file, *schema_from;
    bool check, json, allow_unlogged;
    int64_t server_id;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("What to read"),
    OPTIONS_TABLES(AT(common.selection.include), AT(common.selection.exclude), AT(common.name), "db.table"),
    OPTION_COLUMNS(AT(common.selection.columns)),
    OPTION_LIST(0, "file", AT(files), "FILE", "a file of the log instead of a server (repeatable)"),
    OPTION_TEXT("schema-from", AT(schema_from), "URL", "a server that knows the files' columns"),
    OPTION_INTEGER(0, "server-id", AT(server_id), "N", "among the server's replicas (default: a hash)", 1, UINT32_MAX),
    OPTION_TEXT("defaults-file", AT(defaults_file), "FILE", "option file with user, password, host ..."),
    OPTION_LOGIN_PATH(AT(common.login_path)),
    OPTION_FLAG(0, "allow-unlogged", AT(allow_unlogged), "go on where DDL changes rows that are not in the log"),
    OPTION_HEADING("Instead of reading"),
    OPTION_FLAG(0, "check", AT(check), "say what would stop the pipe or lose rows"),
    OPTION_FLAG(0, "json", AT(json), "with --check: all of it as one JSON object"),
    OPTION_HEADING("Position"),
    OPTION_TEXT("start", AT(start), "WHERE", "first start: now, oldest, FILE:POSITION, GTIDs"),
    OPTION_TEXT("offset-file", AT(common.offset_file), "FILE", "where the position is kept"),
    OPTION_STATE_DIR(AT(common.state_dir)),
    OPTION_LIST(0, "ack", AT(common.ack), "FILE", "a sink's offset file: confirm that; or stdout"),
    OPTION_TEXT("until", AT(until), "WHEN", "end there: now, FILE:POSITION, or a time"),
    OPTION_END,
};

/* BORROWS url, the values and the environment. */
static struct my_session_settings connection_to(const struct program *program, const struct values *v, const char *url)
{
    return (struct my_session_settings){.url = url,
                                        .defaults_file = v->defaults_file,
                                        .password = program_default(NULL, "MYSQL_PWD", NULL),
                                        .tool = program->name,
                                        .control = &program->control,
                                        .stop_at = 2};
}

struct context {
    const struct values *values;
    const char *url;
    char *xa_folder, *schema_file; /* beside the offset file */
};

static void *open_stream(void *pointer, struct source_run *run, struct cdc_error *error)
{
    struct context *context = pointer;
    const struct values *v = context->values;
    const char *path = cdc_offset_file_path(run->positions.offsets);
    /* Both are NULL where the position is kept in memory only: then nothing else outlives the run either. */
    if (program_beside(&context->xa_folder, path, ".xa", error) < 0 ||
        program_beside(&context->schema_file, path, ".schema", error) < 0)
        return NULL;
    const struct my_stream_settings settings = {
        .connection = connection_to(run->program, v, context->url),
        .name = run->name,
        .selection = v->common.selection,
        .value_format = source_options_format(&v->common),
        .start = &run->start,
        .first = v->start,
        .until = v->until,
        .heartbeat = v->common.heartbeat,
        .max_events = v->common.max_events,
        .server_id = (uint32_t)v->server_id,
        .xa_folder = context->xa_folder,
        .schema_file = context->schema_file,
        .allow_unlogged = v->allow_unlogged,
        .acks = run->positions.acks,
        .offsets = run->positions.offsets,
        .state_dir = run->positions.state_dir,
        .marks = !v->common.offset_file,
    };
    return my_stream_new(&settings, &run->metrics, &run->program->log, error);
}

static void close_stream(void *stream)
{
    my_stream_free(stream);
}

static int run_stream(struct program *program, const struct values *v, const char *url, const char *name,
                      struct cdc_error *error)
{
    static const struct source_kind kind = {&my_stream_ops, open_stream, close_stream, false};
    struct context context = {.values = v, .url = url};
    int result = source_program_stream(program, &v->common, name, SOURCE_KEEP_IF_GIVEN, &kind, &context, error);
    free(context.xa_folder);
    free(context.schema_file);
    return result;
}

/* Files are read in one run, with no offset file to keep anything beside. RETURNS NEW; NULL: none can be made. */
static char *make_xa_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/mysql-binlog.XXXXXX", parent && *parent ? parent : "/tmp") < 0)
        return NULL;
    if (mkdtemp(path))
        return path;
    free(path);
    return NULL;
}

/* What is in it has no end in the files. */
static void remove_xa_folder(char *path, bool whole, const struct cdc_log *log)
{
    unsigned n = 0;
    DIR *folder = path ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        /* HASH.NUMBER; where the outcome is known, another number follows */
        if (unlinkat(dirfd(folder), entry->d_name, 0) == 0 && strlen(entry->d_name) == 33)
            n++;
    if (folder)
        closedir(folder);
    if (path)
        (void)rmdir(path);
    free(path);
    if (n > 0 && whole)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "%u XA transaction%s in the files %s prepared, with no end there: no line has %s rows", n,
                      n == 1 ? "" : "s", n == 1 ? "is" : "are", n == 1 ? "its" : "their");
}

static int run_files(struct program *program, const struct values *v, const char *schema_from, const char *name,
                     struct cdc_error *error)
{
    const struct my_session_settings server = connection_to(program, v, schema_from);
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    char *xa_folder = make_xa_folder();
    const struct my_file_settings settings = {.files = v->files.items,
                                              .n_files = v->files.count,
                                              .name = name,
                                              .selection = v->common.selection,
                                              .value_format = source_options_format(&v->common),
                                              .max_events = v->common.max_events,
                                              .allow_unlogged = v->allow_unlogged,
                                              .output_fd = STDOUT_FILENO,
                                              .xa_folder = xa_folder,
                                              .schema_from = schema_from ? &server : NULL};
    int result = my_file_run(&settings, &program->control, &metrics, &program->log, error);
    remove_xa_folder(xa_folder, result == 0, &program->log);
    source_program_report(program, &metrics);
    struct cdc_error figures = {0};
    /* Worth a warning: the lines are written. */
    if (program->metrics_file && cdc_metrics_save(program->metrics_file, &metrics, program->name, name, &figures) < 0)
        cdc_log_write(&program->log, CDC_LOG_WARNING, "%s", figures.text);
    return result;
}

/* The server of --schema-from knows columns only: it chooses neither tables nor name. */
static int run_all_files(struct program *program, struct values *v, struct cdc_error *error)
{
    char *pattern = NULL;
    const char *name = v->common.name ? v->common.name : "mysql";
    char *schema_from = v->schema_from ? source_program_copy_url(v->schema_from, error) : NULL;
    int result = (v->schema_from && !schema_from) || program_check_name(name, error) < 0
                     ? -1
                     : my_selection_complete(&v->common.selection, NULL, &pattern, error);
    if (result == 0)
        result = run_files(program, v, schema_from, name, error);
    free(pattern);
    source_program_free_url(schema_from);
    return result;
}

static int check(struct program *program, const struct values *v, const struct my_session_settings *connection,
                 const char *name, struct cdc_error *error)
{
    struct cdc_findings findings = {.rows = NULL};
    struct source_positions p;
    struct cdc_start start = {.kind = CDC_START_FIRST};
    struct my_check_known known = {.replica_id = my_replica_id((uint32_t)v->server_id, name), .report = &findings};
    /* What keeps it from being decided is a finding, beside the others. */
    if (source_program_look(program, &v->common, name, SOURCE_KEEP_IF_GIVEN, &p, &known.error) == 0)
        (void)cdc_start_decide(&start, p.offsets, p.acks, p.state_dir, name, -1, &known.error);
    known.position = start.from;
    known.acks = p.acks;
    int result = my_check(connection, &v->common.selection, &known, &program->log, error);
    result = source_program_check_end(program, &findings, name, v->json, result, error);
    cdc_start_free(&start);
    source_program_close(&p);
    return result;
}

static int run_url(struct program *program, struct values *v, const char *text, struct cdc_error *error)
{
    struct my_url url;
    char *pattern = NULL;
    const struct my_session_settings connection = connection_to(program, v, text);
    int result = my_url_parse(&url, text, error);
    if (result == 0)
        result = my_selection_complete(&v->common.selection, url.db, &pattern, error);
    /* Unlike PostgreSQL's, the server need not be asked: a URL without a database means all of them. */
    const char *name = v->common.name ? v->common.name : url.db ? url.db : "mysql";
    if (result == 0 && v->check)
        result = check(program, v, &connection, name, error);
    else if (result == 0)
        result = run_stream(program, v, text, name, error);
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
        /* Else it would be a file that does not exist, and the message no help. */
        if (strstr(operands.items[i], "://"))
            return cdc_error_set(error, CDC_EXIT_USAGE, "--file reads no server: no URL with it (but --schema-from)");
        files[v->files.count++] = operands.items[i];
    }
    return 0;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct values *v = program->values;
    if (source_program_check_options(&v->common, error) < 0 ||
        source_program_check_json(program, v->check, v->json, error) < 0)
        return -1;
    if (v->schema_from && v->files.count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--schema-from is for --file");
    if (v->files.count > 0 && (v->check || v->start || v->common.ack.count))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--file reads no server: no --check, --start or --ack with it");
    if (v->files.count > 0 && take_files(v, operands, error) < 0)
        return -1;
    if (v->files.count > 0)
        return run_all_files(program, v, error);
    char *url = source_program_take_url(operands, error);
    int result = url ? run_url(program, v, url, error) : -1;
    source_program_free_url(url);
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
