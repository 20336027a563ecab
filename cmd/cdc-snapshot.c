/* SPDX-License-Identifier: MIT */
/* cdc-snapshot: the rows that are there already, as lines on stdout, and the position from which the log goes on. */
#include "cmd/snapshot_program.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(member) offsetof(struct snapshot_values, member)
static const struct cdc_option option_table[] = {
    {0, "What to read", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {'t', "table", CDC_OPTION_LIST, AT(common.selection.include), "PATTERN",
     "only tables that match (schema.table, * and ?)", 0, 0, NULL},
    {'T', "exclude-table", CDC_OPTION_LIST, AT(common.selection.exclude), "PATTERN", "but not those", 0, 0, NULL},
    {0, "name", CDC_OPTION_TEXT, AT(common.name), "NAME", "name of the pipeline (default: the database's)", 0, 0, NULL},
    {0, "slot", CDC_OPTION_TEXT, AT(slot), "NAME", "PostgreSQL: replication slot (default cdc_NAME)", 0, 0, NULL},
    {0, "publication", CDC_OPTION_TEXT, AT(publication), "NAME", "PostgreSQL: publication (default cdc_NAME)", 0, 0,
     NULL},
    {0, "no-create", CDC_OPTION_FLAG, AT(no_create), NULL, "PostgreSQL: create neither of them", 0, 0, NULL},
    {0, "defaults-file", CDC_OPTION_TEXT, AT(defaults_file), "FILE", "MySQL, MariaDB: option file with user, host ...",
     0, 0, NULL},
    {0, "login-path", CDC_OPTION_TEXT, AT(common.login_path), "NAME", "refused: says what to do instead", 0, 0, NULL},
    {0, "Position", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "offset-file", CDC_OPTION_TEXT, AT(common.offset_file), "FILE", "state (default ./cdc-snapshot-NAME.offset)", 0,
     0, NULL},
    {0, "state-dir", CDC_OPTION_TEXT, AT(common.state_dir), "DIR", "a pipeline's offset files (CDC_STATE_DIR)", 0, 0,
     NULL},
    {0, "ack", CDC_OPTION_LIST, AT(common.ack), "FILE", "a sink's offset file: wait for that; or stdout", 0, 0, NULL},
    {0, "chunk-rows", CDC_OPTION_INTEGER, AT(chunk_rows), "N", "a commit line after N rows (default 10000)", 1,
     INT64_C(1) << 40, NULL},
    {'j', "jobs", CDC_OPTION_INTEGER, AT(jobs), "N", "MySQL, MariaDB: read with N sessions (default 1)", 1, 64, NULL},
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

/* The first is taken where no URL says which. */
static const struct snapshot_kind *const kinds[] = {
#ifdef WITH_POSTGRES
    &snapshot_of_postgres,
#endif
#ifdef WITH_MYSQL
    &snapshot_of_mysql,
#endif
    NULL,
};

static bool has_scheme(const struct snapshot_kind *kind, const char *url)
{
    for (size_t i = 0; kind->schemes[i]; i++)
        if (strncmp(url, kind->schemes[i], strlen(kind->schemes[i])) == 0)
            return true;
    return false;
}

/* NULL when the URL is of a kind that was left out. */
static const struct snapshot_kind *kind_of(const char *url)
{
    static const char *const all[] = {"postgresql:", "postgres:", "mysql:", "mariadb:"};
    for (size_t i = 0; kinds[i]; i++)
        if (has_scheme(kinds[i], url))
            return kinds[i];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strncmp(url, all[i], strlen(all[i])) == 0)
            return NULL;
    return kinds[0]; /* key=value text of libpq, and nothing at all */
}

/* Success would let `cdc-snapshot && exec pg-cdc` go on without the rows. */
static int stopped(struct cdc_error *error)
{
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal: the snapshot is incomplete");
    return cdc_error_hint(error, "start the same command again");
}

int snapshot_wait_retry(struct program *program, struct cdc_retry *retry, struct cdc_error *error)
{
    if (program->control.stop && error->status == CDC_EXIT_TEMPORARY)
        return -1;
    int waited = source_program_wait(program, retry, error);
    return waited > 0 ? stopped(error) : waited;
}

bool snapshot_shows_progress(const struct snapshot_values *values)
{
    return strcmp(values->progress, "always") == 0 || (strcmp(values->progress, "auto") == 0 && isatty(STDERR_FILENO));
}

int snapshot_refuse_option(const char *option, bool given, const char *kind, struct cdc_error *error)
{
    return given ? cdc_error_set(error, CDC_EXIT_USAGE, "%s has no meaning for %s", option, kind) : 0;
}

static int make_attempts(struct program *program, const char *name, const struct snapshot_attempt *attempt,
                         struct source_positions *positions, struct cdc_retry *retry, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    int result;
    while ((result = attempt->run(attempt->context, positions, &metrics, error)) < 0) {
        metrics.errors++;
        if (snapshot_wait_retry(program, retry, error) < 0)
            break;
        metrics.retries++;
    }
    if (program->metrics_file && cdc_metrics_save(program->metrics_file, &metrics, program->name, name, error) < 0)
        return -1;
    source_program_report(program, &metrics);
    return result;
}

int snapshot_attempts(struct program *program, const struct snapshot_values *values, const char *name,
                      const struct snapshot_attempt *attempt, struct cdc_retry *retry, struct cdc_error *error)
{
    struct source_positions positions;
    int result = source_program_open(program, &values->common, name, SOURCE_KEEP_HERE, &positions, error);
    if (result == 0)
        result = make_attempts(program, name, attempt, &positions, retry, error);
    source_program_close(&positions);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct snapshot_values *v = program->values;
    if (source_program_check_login(&v->common, error) < 0)
        return -1;
    char *url = source_program_take_url(program, operands, error);
    if (!url)
        return -1;
    const struct snapshot_kind *kind = kind_of(url);
    int result =
        kind ? kind->run(program, program->values, url, error)
             : cdc_error_set(error, CDC_EXIT_USAGE, "this cdc-snapshot was built without databases of that kind");
    explicit_bzero(url, strlen(url));
    free(url);
    return result;
}

int main(int argc, char **argv)
{
    struct snapshot_values values = {.progress = "auto", .chunk_rows = 10000, .jobs = 1};
    struct program program = {
        .name = "cdc-snapshot",
        .synopsis = "[options] [URL]",
        .summary = "Writes the rows of tables as lines of JSON; pg-cdc or mysql-binlog goes on.",
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
