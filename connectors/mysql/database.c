/* SPDX-License-Identifier: MIT */
/* MySQL and MariaDB, for programs that take any database. */
#include "connectors/mysql/mysql.h"

#include <stdlib.h>

struct database {
    const struct cdc_database_settings *settings;
    struct my_url url;
    struct cdc_selection selection;
    char *pattern; /* of the URL's database, in the selection */
    struct my_behind behind;
};

static int refuse_options(const struct cdc_database_settings *settings, struct cdc_error *error)
{
    if (cdc_database_refuse(&my_database, "--slot", settings->slot != NULL, error) < 0 ||
        cdc_database_refuse(&my_database, "--publication", settings->publication != NULL, error) < 0)
        return -1;
    if (cdc_database_refuse(&my_database, "--allow-refused", settings->allow_refused, error) < 0)
        return -1;
    return cdc_database_refuse(&my_database, "--no-create", settings->no_create, error);
}

static void close_database(void *pointer)
{
    struct database *database = pointer;
    if (!database)
        return;
    my_url_free(&database->url);
    cdc_selection_free(&database->selection);
    free(database->pattern);
    free(database);
}

static void *open_database(const struct cdc_database_settings *settings, struct cdc_error *error)
{
    if (refuse_options(settings, error) < 0)
        return NULL;
    struct database *database = calloc(1, sizeof *database);
    if (!database) {
        cdc_error_memory(error);
        return NULL;
    }
    database->settings = settings;
    if (my_url_parse(&database->url, settings->url, error) < 0 ||
        cdc_selection_copy(&database->selection, &settings->selection, error) < 0 ||
        my_selection_complete(&database->selection, database->url.db, &database->pattern, error) < 0) {
        close_database(database);
        return NULL;
    }
    return database;
}

static const char *name_of(void *pointer, struct cdc_error *error)
{
    const struct database *database = pointer;
    (void)error;
    return database->settings->name ? database->settings->name : database->url.db ? database->url.db : "mysql";
}

static struct my_session_settings connection_of(const struct database *database)
{
    const struct cdc_database_settings *given = database->settings;
    return (struct my_session_settings){.url = given->url,
                                        .defaults_file = given->defaults_file,
                                        .password = given->password,
                                        .tool = given->tool,
                                        .control = given->control,
                                        .stop_at = 1};
}

static int visit_tables(void *pointer, const char *state_dir, cdc_database_visit *visit, void *context,
                        struct cdc_error *error)
{
    const struct database *database = pointer;
    const struct my_snapshot_settings of = {
        .connection = connection_of(database), .name = name_of(pointer, error), .state_dir = state_dir};
    return my_snapshot_visit_tables(&of, visit, context, error);
}

static int snapshot(void *pointer, const struct cdc_snapshot_settings *settings, struct cdc_offset_file *offsets,
                    struct cdc_acks *acks, struct cdc_metrics *metrics, struct cdc_error *error)
{
    struct database *database = pointer;
    const struct cdc_database_settings *given = database->settings;
    const struct my_snapshot_settings run = {.connection = connection_of(database),
                                             .name = name_of(pointer, error),
                                             .selection = database->selection,
                                             .named = given->selection.include.count > 0,
                                             .value_format = given->format,
                                             .where = given->where,
                                             .chunk_rows = settings->chunk_rows,
                                             .jobs = (size_t)given->jobs,
                                             .progress = settings->progress,
                                             .output_fd = settings->output_fd,
                                             .state_dir = settings->state_dir,
                                             .behind = &database->behind};
    return my_snapshot_run(&run, offsets, acks, given->control, metrics, given->log, error);
}

static int check(void *pointer, const struct cdc_offset *position, struct cdc_findings *report, struct cdc_error *error)
{
    const struct database *database = pointer;
    const struct cdc_database_settings *given = database->settings;
    const struct my_session_settings connection = connection_of(database);
    /* The place where a snapshot began is no position that the log is read from: it is judged by the stream. */
    (void)position;
    const struct my_check_known known = {
        .where = &given->where, .replica_id = my_replica_id(0, name_of(pointer, error)), .report = report};
    return my_check(&connection, &database->selection, &known, given->log, error);
}

static const char *const schemes[] = {"mysql:", "mariadb:", NULL};
const struct cdc_database my_database = {.kind = "MySQL and MariaDB",
                                         .stream = "mysql-binlog",
                                         .schemes = schemes,
                                         .open = open_database,
                                         .close = close_database,
                                         .name = name_of,
                                         .check = check,
                                         .tables = visit_tables,
                                         .snapshot = snapshot};
