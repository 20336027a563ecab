/* SPDX-License-Identifier: MIT */
/* PostgreSQL, for programs that take any database. */
#include "connectors/postgres/postgres.h"

#include <stdlib.h>

struct database {
    const struct cdc_database_settings *given;
    struct pg_settings settings;
};

static void close_database(void *pointer)
{
    struct database *database = pointer;
    if (!database)
        return;
    pg_names_free(&database->settings);
    free(database);
}

static void *open_database(const struct cdc_database_settings *given, struct cdc_error *error)
{
    if (cdc_database_refuse(&pg_database, "--defaults-file", given->defaults_file != NULL, error) < 0)
        return NULL;
    struct database *database = calloc(1, sizeof *database);
    if (!database) {
        cdc_error_memory(error);
        return NULL;
    }
    database->given = given;
    database->settings = (struct pg_settings){.url = given->url,
                                              .selection = given->selection,
                                              .no_create = given->no_create,
                                              .allow_refused = given->allow_refused,
                                              .format = given->format,
                                              .tool = given->tool,
                                              .log = given->log,
                                              .control = given->control};
    if (pg_names_set(&database->settings, given->name, given->slot, given->publication, error) == 0)
        return database;
    close_database(database);
    return NULL;
}

/* Where the name is given the server is not asked: a finished snapshot needs none. */
static const char *name_of(void *pointer, struct cdc_error *error)
{
    struct pg_settings *settings = &((struct database *)pointer)->settings;
    if (settings->name)
        return pg_names_fill(settings, NULL, error) == 0 ? settings->name : NULL;
    PGconn *sql = pg_connect(settings, false, error);
    int result = sql ? pg_names_fill(settings, sql, error) : -1;
    PQfinish(sql);
    return result == 0 ? settings->name : NULL;
}

static int visit_tables(void *pointer, const char *state_dir, cdc_database_visit *visit, void *context,
                        struct cdc_error *error)
{
    return pg_snapshot_visit_tables(&((struct database *)pointer)->settings, state_dir, visit, context, error);
}

static int snapshot(void *pointer, const struct cdc_snapshot_settings *settings, struct cdc_offset_file *offsets,
                    struct cdc_acks *acks, struct cdc_metrics *metrics, struct cdc_error *error)
{
    struct database *database = pointer;
    const struct pg_snapshot_settings run = {.settings = &database->settings,
                                             .chunk_rows = settings->chunk_rows,
                                             .jobs = database->given->jobs,
                                             .where = &database->given->where,
                                             .progress = settings->progress,
                                             .output_fd = settings->output_fd,
                                             .state_dir = settings->state_dir};
    return pg_snapshot_run(&run, offsets, acks, database->given->control, metrics, database->given->log, error);
}

/* A slot that is gone ends a snapshot that was begun as it ends the stream. */
static int check(void *pointer, const struct cdc_offset *position, struct cdc_findings *report, struct cdc_error *error)
{
    struct database *database = pointer;
    const struct pg_check_known known = {.start = {.kind = position ? CDC_START_RESUME : CDC_START_FIRST},
                                         .reads_rows = true,
                                         .where = &database->given->where,
                                         .report = report};
    return pg_check(&database->settings, &known, database->given->log, error);
}

static const char *const schemes[] = {"postgresql:", "postgres:", NULL};
const struct cdc_database pg_database = {.kind = "PostgreSQL",
                                         .stream = "pg-cdc",
                                         .reads_on = true,
                                         .schemes = schemes,
                                         .open = open_database,
                                         .close = close_database,
                                         .name = name_of,
                                         .check = check,
                                         .tables = visit_tables,
                                         .snapshot = snapshot};
