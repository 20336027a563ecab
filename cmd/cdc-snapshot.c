/* SPDX-License-Identifier: MIT */
/* cdc-snapshot: the rows that are there already, as lines on stdout, and the position from which the log goes on.
 * Which databases it knows is decided when it is built; the rest of the program asks through struct cdc_database
 * alone. */
#include "cmd/program/again.h"
#include "cmd/program/options.h"
#include "cmd/program/source.h"
#ifdef WITH_POSTGRES
#include "connectors/postgres/postgres.h"
#endif
#ifdef WITH_MYSQL
#include "connectors/mysql/mysql.h"
#endif

#include <cdc/database.h>
#include <cdc/table_texts.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REWRITE_MS = 500, ALWAYS_MS = 1000, LINE_MS = 30000 }; /* between two words on progress */

struct values {
    struct source_options common;
    const char *slot, *publication, *progress, *defaults_file;
    bool no_create, allow_refused, check, json, again;
    int64_t chunk_rows, jobs;
    struct cdc_option_list where;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("What to read"),
    OPTIONS_TABLES(AT(common.selection.include), AT(common.selection.exclude), AT(common.name), "schema.table"),
    OPTION_COLUMNS(AT(common.selection.columns)),
    OPTION_LIST(0, "where", AT(where), "TABLE:CONDITION", "read only rows for which that SQL is true"),
    OPTION_TEXT("slot", AT(slot), "NAME", "PostgreSQL: replication slot (default cdc_NAME)"),
    OPTION_TEXT("publication", AT(publication), "NAME", "PostgreSQL: publication (default cdc_NAME)"),
    OPTION_FLAG(0, "no-create", AT(no_create), "PostgreSQL: create neither of them"),
    OPTION_FLAG(0, "allow-refused", AT(allow_refused), "PostgreSQL: publish tables that then refuse UPDATE"),
    OPTION_TEXT("defaults-file", AT(defaults_file), "FILE", "MySQL, MariaDB: option file with user, host ..."),
    OPTION_LOGIN_PATH(AT(common.login_path)),
    OPTION_HEADING("Instead of reading"),
    OPTION_FLAG(0, "check", AT(check), "say what would stop the snapshot or lose rows"),
    OPTION_FLAG(0, "json", AT(json), "with --check: all of it as one JSON object"),
    OPTION_FLAG(0, "again", AT(again), "ask the pipeline to read the tables of -t again"),
    OPTION_HEADING("Position"),
    OPTION_TEXT("offset-file", AT(common.offset_file), "FILE", "state (default ./cdc-snapshot-NAME.offset)"),
    OPTION_STATE_DIR(AT(common.state_dir)),
    OPTION_LIST(0, "ack", AT(common.ack), "FILE", "a sink's offset file: wait for that; or stdout"),
    OPTION_INTEGER(0, "chunk-rows", AT(chunk_rows), "N", "a commit line after N rows (default 10000)", 1,
                   INT64_C(1) << 40),
    OPTION_INTEGER('j', "jobs", AT(jobs), "N", "read with N sessions (default 1)", 1, 64),
    OPTION_RETRY_MAX(AT(common.retry_max)),
    OPTIONS_VALUES(AT(common.int64), AT(common.decimal)),
    OPTION_COMPOSITE(AT(common.composite), "PostgreSQL: "),
    OPTION_CHOICE("progress", AT(progress), "WHEN", "show progress (default auto)", "auto|always|never"),
    OPTION_END,
};

/* The first is taken where no URL names one. */
static const struct cdc_database *const kinds[] = {
#ifdef WITH_POSTGRES
    &pg_database,
#endif
#ifdef WITH_MYSQL
    &my_database,
#endif
    NULL,
};
/* All that any build knows: "mysql:" in a build without MySQL is refused, and not taken for a text that libpq
 * understands. */
static const char *const all_schemes[] = {"postgresql:", "postgres:", "mysql:", "mariadb:", NULL};

/* Waits before another try. Stopped is an error: success would let `cdc-snapshot && exec pg-cdc` go on without the rows. */
static int wait_to_retry(struct program *program, struct cdc_retry *retry, struct cdc_error *error)
{
    /* cdc_snapshot_stopped said so already: its text and hint stay. */
    if (program->control.stop && error->status == CDC_EXIT_TEMPORARY)
        return -1;
    /* -1: no pipe is watched; a reader that is gone shows when the next attempt writes. */
    int waited = cdc_retry_sleep(retry, &program->control, -1, &program->log, error);
    if (waited <= 0)
        return waited;
    cdc_error_clear(error);
    return cdc_snapshot_stopped(error);
}

/* What an attempt has written stays written; the next one's lines have a higher number in pos, so that sinks take them. */
static int make_attempts(struct program *program, const struct cdc_database *kind, void *database,
                         const struct cdc_snapshot_settings *settings, struct source_positions *p,
                         struct cdc_retry *retry, struct cdc_metrics *metrics, struct cdc_error *error)
{
    int result;
    while ((result = kind->snapshot(database, settings, p->offsets, p->acks, metrics, error)) < 0) {
        metrics->errors++;
        if (wait_to_retry(program, retry, error) < 0)
            break;
        metrics->retries++;
    }
    return result;
}

/* Of a terminal that takes both messages and lines, none is written over. */
static struct cdc_snapshot_report report_of(const struct program *program, const char *name)
{
    const struct values *v = program->values;
    struct cdc_snapshot_report report = {
        .every_ms = LINE_MS, .metrics_file = program->metrics_file, .tool = program->name, .name = name};
    if (strcmp(v->progress, "never") == 0)
        report.every_ms = 0;
    else if (program_has_status() && !isatty(STDOUT_FILENO))
        report.every_ms = REWRITE_MS, report.rewrite = program_show_status, report.columns = program_status_columns;
    else if (strcmp(v->progress, "always") == 0)
        report.every_ms = ALWAYS_MS;
    return report;
}

static int check(struct program *program, const struct cdc_database *kind, void *database, struct cdc_error *error)
{
    const struct values *v = program->values;
    struct source_positions p = {.state_dir = NULL};
    struct cdc_findings findings = {.rows = NULL};
    const char *name = kind->name(database, error);
    int result = name ? source_program_look(program, &v->common, name, SOURCE_KEEP_HERE, &p, error) : -1;
    const struct cdc_offset *own = result == 0 ? cdc_offset_file_get(p.offsets, name) : NULL;
    if (result == 0)
        result = kind->check(database, own && own->pos[0] ? own : NULL, &findings, error);
    result = source_program_check_end(program, &findings, name, v->json, result, error);
    source_program_close(&p);
    return result;
}

static int run_name(struct program *program, const struct cdc_database *kind, void *database, const char *name,
                    struct cdc_retry *retry, struct cdc_metrics *metrics, struct cdc_error *error)
{
    const struct values *v = program->values;
    struct cdc_snapshot_settings settings = {.chunk_rows = v->chunk_rows, .output_fd = STDOUT_FILENO};
    struct source_positions positions;
    int result = source_program_open(program, &v->common, name, SOURCE_KEEP_HERE, &positions, error);
    const struct cdc_snapshot_report report = report_of(program, name);
    settings.progress = &report;
    settings.state_dir = positions.state_dir;
    if (result == 0) {
        result = make_attempts(program, kind, database, &settings, &positions, retry, metrics, error);
        source_program_report(program, metrics);
        struct cdc_error figures = {0};
        /* Worth a warning: the rows are written. */
        if (program->metrics_file &&
            cdc_metrics_save(program->metrics_file, metrics, program->name, name, &figures) < 0)
            cdc_log_write(&program->log, CDC_LOG_WARNING, "%s", figures.text);
    }
    source_program_close(&positions);
    return result;
}

static int run_kind(struct program *program, const struct cdc_database *kind, void *database, struct cdc_error *error)
{
    const struct values *v = program->values;
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    /* Statistics that a signal asks for between the attempts, each of which has a progress of its own. */
    struct cdc_snapshot_progress idle = {.log = &program->log, .control = &program->control, .metrics = &metrics};
    struct cdc_retry retry;
    const char *name;
    int result = 0;

    cdc_retry_init(&retry, v->common.retry_max);
    cdc_snapshot_watch(&idle);
    /* The name decides which files are opened, so it is needed before any attempt; a server that is starting is
     * waited for. */
    while (result == 0 && (name = kind->name(database, error)) == NULL)
        result = wait_to_retry(program, &retry, error);
    if (result == 0) {
        /* The attempts at the rows are counted anew. */
        cdc_retry_success(&retry);
        result = run_name(program, kind, database, name, &retry, &metrics, error);
    }
    cdc_snapshot_unwatch(&idle);
    return result;
}

static int run_url(struct program *program, const char *url, struct cdc_error *error)
{
    const struct values *v = program->values;
    const struct cdc_database *kind = cdc_database_find(kinds, all_schemes, url);
    const struct cdc_database_settings settings = {.url = url,
                                                   .name = v->common.name,
                                                   .selection = v->common.selection,
                                                   .format = source_options_format(&v->common),
                                                   .where = v->where,
                                                   .jobs = v->jobs,
                                                   .slot = v->slot,
                                                   .publication = v->publication,
                                                   .no_create = v->no_create,
                                                   .allow_refused = v->allow_refused,
                                                   .defaults_file = v->defaults_file,
                                                   .password = getenv("MYSQL_PWD"),
                                                   .tool = program->name,
                                                   .log = &program->log,
                                                   .control = &program->control};
    if (!kind)
        return cdc_error_set(error, CDC_EXIT_USAGE, "this cdc-snapshot was built without databases of that kind");
    void *database = kind->open(&settings, error);
    int result = !database  ? -1
                 : v->again ? again_ask(program, &v->common, kind, database, error)
                 : v->check ? check(program, kind, database, error)
                            : run_kind(program, kind, database, error);
    kind->close(database);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct values *v = program->values;
    if (source_program_check_options(&v->common, error) < 0 ||
        cdc_table_texts_check("--where", "TABLE:CONDITION", &v->where, error) < 0 ||
        source_program_check_json(program, v->check, v->json, error) < 0)
        return -1;
    if (v->again && v->check)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--again and --check exclude each other");
    char *url = source_program_take_url(operands, error);
    int result = url ? run_url(program, url, error) : -1;
    source_program_free_url(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {.progress = "auto", .chunk_rows = 10000, .jobs = 1};
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
    free(values.where.items);
    return status;
}
