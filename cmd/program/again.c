/* SPDX-License-Identifier: MIT */
/* What --again asks for goes through a file in the state folder (cdc/request.h). All that can be wrong is found here, where somebody
 * reads the message, and not by a stream that would have to stop, or to leave it out. */
#include "cmd/program/again.h"

#include <cdc/request.h>
#include <cdc/buf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wanted {
    const struct cdc_selection *selection;
    bool *found;             /* of each pattern of -t: it names a table that can be read again */
    struct cdc_error *wrong; /* of each: why one that it names cannot */
    struct cdc_stale tables;
};

static int take_table(void *context, const struct cdc_database_table *table, struct cdc_error *error)
{
    struct wanted *wanted = context;
    struct cdc_selection selection = *wanted->selection;
    const char *outer = table->schema[0] ? table->schema : table->db;
    selection.any_case = table->any_case;
    if (!cdc_selection_has_table(&selection, outer, table->table))
        return 0;
    for (size_t i = 0; i < selection.include.count; i++) {
        if (!cdc_selection_matches(&selection, selection.include.items[i], cdc_span_text(outer),
                                   cdc_span_text(table->table)))
            continue;
        wanted->found[i] |= !table->why_not;
        if (table->why_not && wanted->wrong[i].status == 0)
            cdc_error_set(&wanted->wrong[i], CDC_EXIT_CONFIG, "table %s.%s cannot be read again: %s", outer,
                          table->table, table->why_not);
    }
    return table->why_not ? 0 : cdc_stale_add(&wanted->tables, table->db, table->schema, table->table, "", error);
}

static int check_patterns(const struct wanted *wanted, struct cdc_error *error)
{
    const struct cdc_option_list *patterns = &wanted->selection->include;
    for (size_t i = 0; i < patterns->count; i++) {
        if (wanted->found[i])
            continue;
        if (wanted->wrong[i].status != 0) {
            *error = wanted->wrong[i];
            return -1;
        }
        cdc_error_set(error, CDC_EXIT_CONFIG, "no table that the user may see matches '%s'", patterns->items[i]);
        return cdc_error_hint(error, "a pattern is schema.table (on MySQL and MariaDB database.table) with * and ?, "
                                     "and case matters");
    }
    return 0;
}

static void tell(const struct program *program, const struct cdc_database *kind, const struct cdc_stale *tables)
{
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        cdc_log_write(&program->log, CDC_LOG_INFO, "table %s.%s is to be read again",
                      table->schema[0] ? table->schema : table->db, table->table);
    }
    cdc_log_write(&program->log, CDC_LOG_INFO,
                  "%s takes that up within a second or two where it runs, else once it is started: it %s75 at its next "
                  "boundary, and the same line started again reads what it has named",
                  kind->stream, kind->reads_on ? "reads while it goes on, or ends with " : "ends with ");
}

static int find(struct wanted *wanted, const struct cdc_database *kind, void *database, const char *state_dir,
                struct cdc_error *error)
{
    size_t n = wanted->selection->include.count;
    wanted->found = calloc(n, sizeof *wanted->found);
    wanted->wrong = calloc(n, sizeof *wanted->wrong);
    if (!wanted->found || !wanted->wrong)
        return cdc_error_memory(error);
    return kind->tables(database, state_dir, take_table, wanted, error) < 0 ? -1 : check_patterns(wanted, error);
}

/* The lock that each start makes, and one that is refused takes along (cdc/offset.h). */
static int has_started(const struct source_positions *positions, const struct program *program, const char *name,
                       struct cdc_error *error)
{
    struct cdc_buf lock = CDC_BUF_INIT;
    char *path = cdc_state_path(positions->state_dir, program->name, name);
    if (path)
        cdc_buf_text(&lock, path);
    cdc_buf_append(&lock, ".lock", sizeof ".lock");
    int result = !path || lock.failed ? cdc_error_memory(error) : access(lock.data, F_OK) == 0;
    cdc_buf_free(&lock);
    free(path);
    return result;
}

static int check_pipeline(const struct source_positions *positions, const struct program *program, const char *name,
                          struct cdc_error *error)
{
    if (cdc_offset_file_get(positions->offsets, name))
        return 0;
    int started = has_started(positions, program, name, error);
    if (started < 0)
        return -1;
    if (started) {
        /* It may have its view of the tables already, which is older than what is asked for. */
        cdc_error_set(error, CDC_EXIT_TEMPORARY,
                      "the snapshot of \"%s\" in \"%s\" has been started, and has no position yet", name,
                      positions->state_dir);
        return cdc_error_hint(error, "ask again once it has");
    }
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "there is no snapshot of \"%s\" in \"%s\": no row was read that could be stale", name,
                  positions->state_dir);
    return cdc_error_hint(error, "give the --name, the --state-dir and the URL of the pipeline");
}

int again_ask(struct program *program, const struct source_options *options, const struct cdc_database *kind,
              void *database, struct cdc_error *error)
{
    struct wanted wanted = {.selection = &options->selection};
    struct source_positions positions = {.state_dir = NULL};
    if (options->selection.include.count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--again needs -t: the tables that are to be read again");
    if (options->offset_file || !program_default(options->state_dir, "CDC_STATE_DIR", NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--again goes through the pipeline's --state-dir, and with no --offset-file");
    const char *name = kind->name(database, error);
    int result = name ? source_program_look(program, options, name, SOURCE_KEEP_HERE, &positions, error) : -1;
    if (result == 0)
        result = check_pipeline(&positions, program, name, error);
    if (result == 0)
        result = find(&wanted, kind, database, positions.state_dir, error);
    if (result == 0)
        result = cdc_request_add(positions.state_dir, name, &wanted.tables, error);
    if (result == 0)
        tell(program, kind, &wanted.tables);
    cdc_stale_clear(&wanted.tables);
    free(wanted.found);
    free(wanted.wrong);
    source_program_close(&positions);
    return result;
}
