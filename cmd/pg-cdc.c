/* SPDX-License-Identifier: MIT */
/* pg-cdc: changes of PostgreSQL tables as lines on stdout. The main of a source: options, usage, then
 * source_program_stream, which knows nothing of PostgreSQL; open_stream hands it the connector. */
#include "cmd/program/options.h"
#include "cmd/program/source.h"

#include "connectors/postgres/postgres.h"

#include <cdc/retry.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    struct source_options common;
    const char *slot, *publication, *until, *spool;
    bool no_create, allow_refused, allow_republished, drop, temporary, check, json;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("What to read"),
    OPTIONS_TABLES(AT(common.selection.include), AT(common.selection.exclude), AT(common.name), "schema.table"),
    OPTION_COLUMNS(AT(common.selection.columns)),
    OPTION_TEXT("slot", AT(slot), "NAME", "replication slot (default cdc_NAME)"),
    OPTION_TEXT("publication", AT(publication), "NAME", "publication (default cdc_NAME)"),
    OPTION_FLAG(0, "no-create", AT(no_create), "create neither slot nor publication"),
    OPTION_FLAG(0, "allow-refused", AT(allow_refused), "publish tables whose UPDATE the server will refuse"),
    OPTION_FLAG(0, "allow-republished", AT(allow_republished), "go on where tables were out of the publication"),
    OPTION_COMPOSITE(AT(common.composite), ""),
    OPTION_TEXT("spool", AT(spool), "FOLDER", "take large transactions while they are open"),
    OPTION_FLAG(0, "temporary", AT(temporary), "a look: slot gone at the end, nothing kept"),
    OPTION_HEADING("Instead of reading"),
    OPTION_FLAG(0, "check", AT(check), "say what would stop the pipe or lose rows"),
    OPTION_FLAG(0, "json", AT(json), "with --check: all of it as one JSON object"),
    OPTION_FLAG(0, "drop", AT(drop), "remove the slot, and the publication if made here"),
    OPTION_HEADING("Position"),
    OPTION_TEXT("offset-file", AT(common.offset_file), "FILE", "where the position is kept"),
    OPTION_STATE_DIR(AT(common.state_dir)),
    OPTION_LIST(0, "ack", AT(common.ack), "FILE", "a sink's offset file: confirm that; or stdout"),
    OPTION_TEXT("until", AT(until), "WHEN", "end there: now, an LSN, or a time"),
    OPTION_END,
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

struct context {
    const struct values *values;
    struct pg_settings *settings;
};

static void *open_stream(void *pointer, struct source_run *run, struct cdc_error *error)
{
    const struct context *context = pointer;
    const struct values *v = context->values;
    const struct pg_stream_settings settings = {.settings = context->settings,
                                                .heartbeat = v->common.heartbeat,
                                                .until = v->until,
                                                .max_events = v->common.max_events,
                                                .start = &run->start,
                                                .acks = run->positions.acks,
                                                .state_dir = run->positions.state_dir,
                                                .offsets = v->common.offset_file ? NULL : run->positions.offsets};
    return pg_stream_new(&settings, &run->metrics, &run->program->log, error);
}

static void close_stream(void *stream)
{
    pg_stream_free(stream);
}

static int run_stream(struct program *program, const struct values *v, struct pg_settings *settings,
                      struct cdc_error *error)
{
    static const struct source_kind kind = {&pg_stream_ops, open_stream, close_stream, false};
    struct context context = {v, settings};
    return source_program_stream(program, &v->common, settings->name,
                                 v->temporary ? SOURCE_KEEP_NOTHING : SOURCE_KEEP_IF_GIVEN, &kind, &context, error);
}

static int check(struct program *program, const struct values *v, struct pg_settings *settings,
                 struct cdc_findings *findings, struct cdc_error *error)
{
    struct source_positions p;
    struct pg_check_known known = {.start = {.kind = CDC_START_FIRST}, .report = findings};
    /* What keeps it from being decided is a finding, beside the others. */
    if (source_program_look(program, &v->common, settings->name, SOURCE_KEEP_IF_GIVEN, &p, &known.error) == 0)
        (void)cdc_start_decide(&known.start, p.offsets, p.acks, p.state_dir, settings->name, -1, &known.error);
    known.start.heals = known.start.heals && !v->common.offset_file; /* as open_stream has it */
    known.acks = p.acks;
    int result = pg_check(settings, &known, &program->log, error);
    cdc_start_free(&known.start);
    source_program_close(&p);
    return result;
}

/* The name decides the files: it is the database's unless given, which only the server knows for sure. */
static int act(struct program *program, const struct values *v, struct pg_settings *settings, struct cdc_error *error)
{
    if (pg_names_set(settings, v->common.name, v->slot, v->publication, error) < 0)
        return -1;
    /* --check makes one attempt: a person waits for the answer. */
    struct cdc_findings findings = {.rows = NULL};
    int result = pg_names_resolve(settings, v->check ? 0 : v->common.retry_max, error);
    if (result <= 0 && v->check) {
        result = result < 0 ? -1 : check(program, v, settings, &findings, error);
        return source_program_check_end(program, &findings, settings->name, v->json, result, error);
    }
    if (result > 0) { /* stopped while waiting for the server */
        cdc_error_clear(error);
        return 0;
    }
    if (result < 0)
        return -1;
    return v->drop ? pg_drop(settings, &program->log, error) : run_stream(program, v, settings, error);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct values *v = program->values;
    if (source_program_check_options(&v->common, error) < 0 || check_usage(v, error) < 0 ||
        source_program_check_json(program, v->check, v->json, error) < 0)
        return -1;
    char *url = source_program_take_url(operands, error);
    if (!url)
        return -1;
    struct pg_settings settings = {.url = url,
                                   .selection = v->common.selection,
                                   .no_create = v->no_create,
                                   .allow_refused = v->allow_refused,
                                   .allow_republished = v->allow_republished,
                                   .temporary = v->temporary,
                                   .spool = v->spool,
                                   .format = source_options_format(&v->common),
                                   .tool = program->name,
                                   .log = &program->log,
                                   .control = &program->control};
    int result = act(program, v, &settings, error);
    pg_names_free(&settings);
    source_program_free_url(url);
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
