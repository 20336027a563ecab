/* SPDX-License-Identifier: MIT */
/* pg-cdc: changes of PostgreSQL tables as lines on stdout. */
#include "cmd/program/source.h"

#include "connectors/postgres/postgres.h"

#include <cdc/retry.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    struct source_options common;
    const char *slot, *publication, *until;
    bool no_create, drop, temporary, check;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    {0, "What to read", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {'t', "table", CDC_OPTION_LIST, AT(common.selection.include), "PATTERN",
     "only tables that match (schema.table, * and ?)", 0, 0, NULL},
    {'T', "exclude-table", CDC_OPTION_LIST, AT(common.selection.exclude), "PATTERN", "but not those", 0, 0, NULL},
    {0, "name", CDC_OPTION_TEXT, AT(common.name), "NAME", "name of the pipeline (default: the database's)", 0, 0, NULL},
    {0, "slot", CDC_OPTION_TEXT, AT(slot), "NAME", "replication slot (default cdc_NAME)", 0, 0, NULL},
    {0, "publication", CDC_OPTION_TEXT, AT(publication), "NAME", "publication (default cdc_NAME)", 0, 0, NULL},
    {0, "no-create", CDC_OPTION_FLAG, AT(no_create), NULL, "create neither slot nor publication", 0, 0, NULL},
    {0, "temporary", CDC_OPTION_FLAG, AT(temporary), NULL, "a look: slot gone at the end, nothing kept", 0, 0, NULL},
    {0, "Instead of reading", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "check", CDC_OPTION_FLAG, AT(check), NULL, "say what would stop the pipe or lose rows", 0, 0, NULL},
    {0, "drop", CDC_OPTION_FLAG, AT(drop), NULL, "remove the slot, and the publication if made here", 0, 0, NULL},
    {0, "Position", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "offset-file", CDC_OPTION_TEXT, AT(common.offset_file), "FILE", "where the position is kept", 0, 0, NULL},
    {0, "state-dir", CDC_OPTION_TEXT, AT(common.state_dir), "DIR", "a pipeline's offset files (CDC_STATE_DIR)", 0, 0,
     NULL},
    {0, "ack", CDC_OPTION_LIST, AT(common.ack), "FILE", "a sink's offset file: confirm that; or stdout", 0, 0, NULL},
    {0, "until", CDC_OPTION_TEXT, AT(until), "WHEN", "end there: now, an LSN, or a time", 0, 0, NULL},
    {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL},
};

static int check_usage(const struct values *v, struct cdc_error *error)
{
    uint64_t lsn;
    int64_t ms;
    if (v->drop && v->check)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--check and --drop exclude each other");
    if (v->temporary && v->drop)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--temporary leaves nothing to --drop");
    if (v->temporary && (v->common.offset_file || v->common.state_dir || v->common.ack.count))
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--temporary keeps no position: no --offset-file, --state-dir or --ack");
    return pg_until_parse(v->until, &lsn, &ms, error);
}

/* The name decides the files: it is the database's unless given, which only the server
 * knows for sure. */
static int resolve(struct program *program, struct pg_settings *settings, int64_t retry_max, struct cdc_error *error)
{
    struct cdc_retry retry;
    cdc_retry_init(&retry, retry_max);
    for (;;) {
        PGconn *sql = pg_connect(settings, false, error);
        if (sql) {
            int result = pg_settings_resolve(sql, settings, error);
            PQfinish(sql);
            return result;
        }
        int stopped = source_program_wait(program, &retry, error);
        if (stopped != 0)
            return stopped;
    }
}

static int stream(struct program *program, const struct values *v, struct pg_settings *settings,
                  struct source_positions *p, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    int resume = source_program_has_position(p, settings->name, error);
    if (resume < 0)
        return -1;
    const struct pg_stream_settings stream_settings = {.settings = settings,
                                                       .heartbeat = v->common.heartbeat,
                                                       .until = v->until,
                                                       .max_events = v->common.max_events,
                                                       .resume_only = resume > 0,
                                                       .read_at = p->read_at};
    const struct cdc_source_settings source_settings = {.tool = program->name,
                                                        .name = settings->name,
                                                        .output_fd = STDOUT_FILENO,
                                                        .confirm = p->confirm,
                                                        .idle_exit = v->common.idle_exit,
                                                        .retry_max = v->common.retry_max,
                                                        .metrics_file = program->metrics_file};
    struct pg_stream *source = pg_stream_new(&stream_settings, &metrics, &program->log, error);
    if (!source)
        return -1;
    int result = cdc_source_run(&pg_stream_ops, source, &source_settings, p->offsets, p->acks, &program->control,
                                &metrics, &program->log, error);
    source_program_report(program, &metrics);
    pg_stream_free(source);
    return result;
}

static int drop(struct program *program, const struct pg_settings *settings, struct cdc_error *error)
{
    PGconn *sql = pg_connect(settings, false, error);
    int result = sql ? pg_drop(sql, settings, &program->log, error) : -1;
    PQfinish(sql);
    return result;
}

static int run_resolved(struct program *program, const struct values *v, struct pg_settings *settings,
                        struct cdc_error *error)
{
    struct source_positions p;
    int result = source_program_open(program, &v->common, settings->name,
                                     v->temporary ? SOURCE_KEEP_NOTHING : SOURCE_KEEP_IF_TOLD, &p, error);
    if (result == 0)
        result = stream(program, v, settings, &p, error);
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
    if (check_usage(v, error) < 0)
        return -1;
    char *url = source_program_take_url(program, operands, error);
    if (!url)
        return -1;
    struct pg_settings settings = {
        .url = url,
        .name = v->common.name,
        .slot = v->slot,
        .publication = v->publication,
        .selection = v->common.selection,
        .no_create = v->no_create,
        .temporary = v->temporary,
        .style = {strcmp(v->common.int64, "string") == 0, strcmp(v->common.decimal, "number") == 0},
        .tool = program->name,
        .log = &program->log,
        .control = &program->control};
    int result =
        v->check ? pg_check(&settings, &program->log, error) : resolve(program, &settings, v->common.retry_max, error);
    if (result > 0) { /* stopped while waiting for the server */
        cdc_error_clear(error);
        result = 0;
    } else if (result == 0 && v->drop) {
        result = drop(program, &settings, error);
    } else if (result == 0 && !v->check) {
        result = run_resolved(program, v, &settings, error);
    }
    free_unless(settings.name, v->common.name);
    free_unless(settings.slot, v->slot);
    free_unless(settings.publication, v->publication);
    free(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {0};
    struct program program = {.name = "pg-cdc",
                              .synopsis = "[options] [URL]",
                              .summary = "Writes the changes of PostgreSQL tables as lines of JSON to stdout.",
                              .options = option_table,
                              .values = &values,
                              .more_options = source_stream_options,
                              .more_values = &values.common,
                              .exit_statuses = "0 64 69 70 74 75 76 77 78 79",
                              .run = run};
    source_options_init(&values.common);
    int status = program_main(&program, argc, argv);
    source_options_free(&values.common);
    return status;
}
