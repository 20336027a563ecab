/* SPDX-License-Identifier: MIT */
/* cdc-snapshot: the rows that are there already, as lines on stdout, and the position from which the log goes on. */
#include "source_program.h"

#include "connectors/postgres/postgres.h"

#include <cdc/retry.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    struct source_options common;
    const char *slot, *publication, *progress;
    bool no_create;
    int64_t chunk_rows;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    {0, "What to read", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {'t', "table", CDC_OPTION_LIST, AT(common.tables), "PATTERN", "only tables that match (schema.table, * and ?)", 0,
     0, NULL},
    {'T', "exclude-table", CDC_OPTION_LIST, AT(common.exclude), "PATTERN", "but not those", 0, 0, NULL},
    {0, "name", CDC_OPTION_TEXT, AT(common.name), "NAME", "name of the pipeline (default: the database's)", 0, 0, NULL},
    {0, "slot", CDC_OPTION_TEXT, AT(slot), "NAME", "replication slot (default cdc_NAME)", 0, 0, NULL},
    {0, "publication", CDC_OPTION_TEXT, AT(publication), "NAME", "publication (default cdc_NAME)", 0, 0, NULL},
    {0, "no-create", CDC_OPTION_FLAG, AT(no_create), NULL, "create neither slot nor publication", 0, 0, NULL},
    {0, "Position", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "offset-file", CDC_OPTION_TEXT, AT(common.offset_file), "FILE", "state (default ./cdc-snapshot-NAME.offset)", 0,
     0, NULL},
    {0, "state-dir", CDC_OPTION_TEXT, AT(common.state_dir), "DIR", "a pipeline's offset files (CDC_STATE_DIR)", 0, 0,
     NULL},
    {0, "ack", CDC_OPTION_LIST, AT(common.ack), "FILE", "a sink's offset file: wait for that; or stdout", 0, 0, NULL},
    {0, "chunk-rows", CDC_OPTION_INTEGER, AT(chunk_rows), "N", "a commit line after N rows (default 10000)", 1,
     INT64_C(1) << 40, NULL},
    {0, "retry-max", CDC_OPTION_INTEGER, AT(common.retry_max), "N", "attempts after an error (default: for ever)", 0,
     INT64_MAX, NULL},
    {0, "Values", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "int64", CDC_OPTION_CHOICE, AT(common.int64), "FORM", "number, or string beyond 2^53 (default number)", 0, 0,
     "number|string"},
    {0, "decimal", CDC_OPTION_CHOICE, AT(common.decimal), "FORM", "string (default) or number", 0, 0, "string|number"},
    {0, "progress", CDC_OPTION_CHOICE, AT(progress), "WHEN", "show progress (default auto: on a terminal)", 0, 0,
     "auto|always|never"},
    {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL},
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int check_usage(struct cdc_option_list operands, struct cdc_error *error)
{
    if (operands.count == 1 &&
        (starts_with(operands.items[0], "mysql:") || starts_with(operands.items[0], "mariadb:"))) {
        cdc_error_set(error, CDC_EXIT_USAGE, "snapshots of MySQL and MariaDB are not built yet");
        return cdc_error_hint(error, "the URL of a PostgreSQL database begins with postgresql://");
    }
    return 0;
}

/* Success would let `cdc-snapshot && exec pg-cdc` go on without the rows. */
static int stopped(struct cdc_error *error)
{
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal: the snapshot is incomplete");
    return cdc_error_hint(error, "start the same command again");
}

/* Waits before another try; -1 with the error when there is none. */
static int wait_retry(struct program *program, struct cdc_retry *retry, struct cdc_error *error)
{
    if (program->control.stop && error->status == CDC_EXIT_TEMPORARY)
        return -1;
    int waited = source_program_wait(program, retry, error);
    return waited > 0 ? stopped(error) : waited;
}

/* The name decides the files: it is the database's unless given, which only the server knows for sure. */
static int resolve(struct program *program, struct pg_settings *settings, struct cdc_retry *retry,
                   struct cdc_error *error)
{
    while (!settings->name) {
        PGconn *sql = pg_connect(settings, false, error);
        if (sql) {
            int result = pg_settings_resolve(sql, settings, error);
            PQfinish(sql);
            cdc_retry_success(retry);
            return result;
        }
        if (wait_retry(program, retry, error) < 0)
            return -1;
    }
    return 0;
}

static int snapshot(struct program *program, const struct values *v, struct pg_settings *settings,
                    struct source_positions *p, struct cdc_retry *retry, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    bool progress = strcmp(v->progress, "always") == 0 || (strcmp(v->progress, "auto") == 0 && isatty(STDERR_FILENO));
    const struct pg_snapshot_settings snapshot_settings = {
        .settings = settings, .chunk_rows = v->chunk_rows, .progress = progress, .output_fd = STDOUT_FILENO};
    int result;
    while ((result = pg_snapshot_run(&snapshot_settings, p->offsets, p->acks, &program->control, &metrics,
                                     &program->log, error)) < 0) {
        metrics.errors++;
        if (wait_retry(program, retry, error) < 0)
            break;
        metrics.retries++;
    }
    if (program->metrics_file &&
        cdc_metrics_save(program->metrics_file, &metrics, program->name, settings->name, error) < 0)
        return -1;
    if (metrics.unconvertible > 0)
        cdc_log(&program->log, CDC_LOG_WARNING, "%llu values were not valid UTF-8 and were written as base64",
                (unsigned long long)metrics.unconvertible);
    return result;
}

static int run_resolved(struct program *program, const struct values *v, struct pg_settings *settings,
                        struct cdc_retry *retry, struct cdc_error *error)
{
    struct source_positions p;
    int result = source_program_open(program, &v->common, settings->name, SOURCE_KEEP_HERE, &p, error);
    if (result == 0)
        result = snapshot(program, v, settings, &p, retry, error);
    source_program_close(&p);
    return result;
}

/* What pg_settings_resolve filled in is ours, what the user gave is argv's. */
static void free_unless(const char *text, const char *given)
{
    if (text != given)
        free((void *)text);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct values *v = program->values;
    struct cdc_retry retry;
    if (check_usage(operands, error) < 0)
        return -1;
    char *url = source_program_take_url(program, operands, error);
    if (!url)
        return -1;
    struct pg_settings settings = {
        .url = url,
        .name = v->common.name,
        .slot = v->slot,
        .publication = v->publication,
        .tables = v->common.tables,
        .exclude = v->common.exclude,
        .no_create = v->no_create,
        .style = {strcmp(v->common.int64, "string") == 0, strcmp(v->common.decimal, "number") == 0},
        .tool = program->name,
        .log = &program->log,
        .control = &program->control,
    };
    cdc_retry_init(&retry, v->common.retry_max);
    int result = resolve(program, &settings, &retry, error);
    if (result == 0)
        result = run_resolved(program, v, &settings, &retry, error);
    free_unless(settings.name, v->common.name);
    free_unless(settings.slot, v->slot);
    free_unless(settings.publication, v->publication);
    free(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {.progress = "auto", .chunk_rows = 10000};
    struct program program = {
        .name = "cdc-snapshot",
        .synopsis = "[options] [URL]",
        .summary = "Writes the rows of PostgreSQL tables as lines of JSON, for pg-cdc to go on from.",
        .options = option_table,
        .values = &values,
        .exit_statuses = "0 64 69 70 74 75 76 77 78 79",
        .run = run,
    };
    source_options_init(&values.common);
    int status = program_main(&program, argc, argv);
    source_options_free(&values.common);
    return status;
}
