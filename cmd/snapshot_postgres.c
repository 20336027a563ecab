/* SPDX-License-Identifier: MIT */
/* cdc-snapshot of PostgreSQL. */
#include "cmd/snapshot_program.h"

#include "connectors/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct waiting {
    struct program *program;
    struct cdc_retry *retry;
};

static int wait_for_server(void *context, struct cdc_error *error)
{
    struct waiting *waiting = context;
    return snapshot_wait_retry(waiting->program, waiting->retry, error);
}

/* The name decides the files: it is the database's unless given, which only the server knows for sure. Where it is given
 * the server is not asked: a finished snapshot needs none. */
static int resolve(struct program *program, const struct snapshot_values *v, struct pg_settings *settings,
                   struct cdc_retry *retry, struct cdc_error *error)
{
    struct waiting waiting = {program, retry};
    if (pg_names_set(settings, v->common.name, v->slot, v->publication, error) < 0)
        return -1;
    if (settings->name)
        return pg_names_fill(settings, NULL, error);
    int result = pg_names_resolve(settings, wait_for_server, &waiting, error);
    if (result == 0)
        cdc_retry_success(retry);
    return result;
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

static int run(struct program *program, struct snapshot_values *v, const char *url, struct cdc_error *error)
{
    struct cdc_retry retry;
    struct pg_settings settings = {
        .url = url,
        .selection = v->common.selection,
        .no_create = v->no_create,
        .format = {strcmp(v->common.int64, "string") == 0, strcmp(v->common.decimal, "number") == 0},
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
    int result = resolve(program, v, &settings, &retry, error);
    if (result == 0)
        result = snapshot_attempts(program, v, settings.name, &attempts, &retry, error);
    pg_names_free(&settings);
    return result;
}

static const char *const schemes[] = {"postgresql:", "postgres:", NULL};
const struct snapshot_kind snapshot_of_postgres = {schemes, run};
