/* SPDX-License-Identifier: MIT */
/* cdc-snapshot of PostgreSQL. */
#include "cmd/snapshot_program.h"

#include "connectors/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        if (snapshot_wait_retry(program, retry, error) < 0)
            return -1;
    }
    return 0;
}

struct context {
    struct program *program;
    struct pg_snapshot_settings settings;
};

static int attempt(void *pointer, struct source_positions *positions, struct cdc_metrics *metrics,
                   struct cdc_error *error)
{
    struct context *context = pointer;
    struct program *program = context->program;
    return pg_snapshot_run(&context->settings, positions->offsets, positions->acks, &program->control, metrics,
                           &program->log, error);
}

/* What pg_settings_resolve filled in is ours, what the user gave is argv's. */
static void free_unless(const char *text, const char *given)
{
    if (text != given)
        free((void *)text);
}

static int run(struct program *program, struct snapshot_values *v, const char *url, struct cdc_error *error)
{
    struct cdc_retry retry;
    struct pg_settings settings = {
        .url = url,
        .name = v->common.name,
        .slot = v->slot,
        .publication = v->publication,
        .selection = v->common.selection,
        .no_create = v->no_create,
        .style = {strcmp(v->common.int64, "string") == 0, strcmp(v->common.decimal, "number") == 0},
        .tool = program->name,
        .log = &program->log,
        .control = &program->control,
    };
    struct context context = {program,
                              {.settings = &settings,
                               .chunk_rows = v->chunk_rows,
                               .progress = snapshot_shows_progress(v),
                               .output_fd = STDOUT_FILENO}};
    const struct snapshot_attempt attempts = {attempt, &context};
    if (snapshot_refuse_option("--defaults-file", v->defaults_file != NULL, "PostgreSQL", error) < 0 ||
        snapshot_refuse_option("--jobs", v->jobs > 1, "PostgreSQL", error) < 0)
        return -1;
    cdc_retry_init(&retry, v->common.retry_max);
    int result = resolve(program, &settings, &retry, error);
    if (result == 0)
        result = snapshot_attempts(program, v, settings.name, &attempts, &retry, error);
    free_unless(settings.name, v->common.name);
    free_unless(settings.slot, v->slot);
    free_unless(settings.publication, v->publication);
    return result;
}

static const char *const schemes[] = {"postgresql:", "postgres:", NULL};
const struct snapshot_kind snapshot_of_postgres = {schemes, run};
