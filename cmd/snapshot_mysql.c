/* SPDX-License-Identifier: MIT */
/* cdc-snapshot of MySQL and MariaDB. */
#include "connectors/mysql/mysql.h"
#include "cmd/snapshot_program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct context {
    struct program *program;
    struct my_snapshot_settings settings;
};

static int attempt(void *pointer, struct source_positions *positions, struct cdc_metrics *metrics,
                   struct cdc_error *error)
{
    struct context *context = pointer;
    struct program *program = context->program;
    return my_snapshot_run(&context->settings, positions->offsets, positions->acks, &program->control, metrics,
                           &program->log, error);
}

static int check_options(const struct snapshot_values *v, struct cdc_error *error)
{
    static const char kind[] = "MySQL and MariaDB";
    if (snapshot_refuse_option("--slot", v->slot != NULL, kind, error) < 0 ||
        snapshot_refuse_option("--publication", v->publication != NULL, kind, error) < 0)
        return -1;
    return snapshot_refuse_option("--no-create", v->no_create, kind, error);
}

static int run_selected(struct program *program, const struct snapshot_values *v, const char *url, const char *name,
                        bool named, struct cdc_error *error)
{
    struct cdc_retry retry;
    struct context context = {
        program,
        {.connection =
             {.url = url, .defaults_file = v->defaults_file, .password = getenv("MYSQL_PWD"), .tool = program->name},
         .name = name,
         .selection = v->common.selection,
         .named = named,
         .style = {strcmp(v->common.int64, "string") == 0, strcmp(v->common.decimal, "number") == 0},
         .chunk_rows = v->chunk_rows,
         .jobs = (size_t)v->jobs,
         .progress = snapshot_shows_progress(v),
         .output_fd = STDOUT_FILENO}};
    const struct snapshot_attempt attempts = {attempt, &context};
    cdc_retry_init(&retry, v->common.retry_max);
    return snapshot_attempts(program, v, name, &attempts, &retry, error);
}

static int run(struct program *program, struct snapshot_values *v, const char *text, struct cdc_error *error)
{
    struct my_url url;
    char *pattern = NULL;
    bool named = v->common.selection.include.count > 0;
    if (check_options(v, error) < 0)
        return -1;
    int result = my_url_parse(&url, text, error);
    if (result == 0)
        result = my_selection_complete(&v->common.selection, url.db, &pattern, error);
    const char *name = v->common.name ? v->common.name : url.db ? url.db : "mysql";
    if (result == 0)
        result = run_selected(program, v, text, name, named, error);
    free(pattern);
    my_url_free(&url);
    return result;
}

static const char *const schemes[] = {"mysql:", "mariadb:", NULL};
const struct snapshot_kind snapshot_of_mysql = {schemes, run};
