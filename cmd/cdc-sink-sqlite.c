/* SPDX-License-Identifier: MIT */
/* cdc-sink-sqlite: change events from stdin into an SQLite database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/sqlite/sqlite.h"
#include "cmd/program/options.h"
#include "cmd/program/program.h"

struct options {
    const char *table_name;
    struct cdc_option_list fts;
    struct sink_options sink;
};

#define AT(member) offsetof(struct options, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("Options"),
    OPTION_LIST(0, "fts", AT(fts), "TABLE:COLUMNS", "keep a full-text index TABLE_fts of these columns"),
    OPTION_TEXT("table-name", AT(table_name), "PATTERN",
                "name of tables: {db} {schema} {table} {name} (default {table})"),
    OPTION_END,
};

static int run_with(struct program *program, const struct options *options, const char *path, const char *offset_path,
                    struct cdc_error *error)
{
    struct lite_settings settings = {path,          options->table_name, options->fts,
                                     &program->log, &program->control,   options->sink.retry_max};
    int result = -1;

    /* The lock of the offset file comes first: a second copy must not touch the database. */
    struct cdc_offset_file *offsets = sink_program_open_offsets(program, &options->sink, offset_path, error);
    struct lite_sink *sink = offsets != NULL ? lite_sink_open(&settings, error) : NULL;
    /* The database is asked for its offsets before the first line: killed between its commit and the save of the
     * offset file, it is ahead of the file, and lines that it has would be applied again. */
    if (sink != NULL && lite_sink_sync_offsets(sink, offsets, error) == 0)
        result = sink_program_loop(program, &options->sink, offsets, &lite_sink_ops, sink, error);
    if (result == 0)
        lite_sink_report(sink);
    lite_sink_free(sink);
    cdc_offset_file_free(offsets);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct options *options = program->values;
    char *offset_path = NULL;
    int result;

    if (operands.count != 1) {
        result = cdc_error_set(error, CDC_EXIT_USAGE,
                               operands.count == 0 ? "the database file is missing"
                                                   : "one database file is expected, not \"%s\" too",
                               operands.count == 0 ? "" : operands.items[1]);
        /* SQLite would make both a database that is gone at the end, with an offset file that says everything is stored. */
    } else if (operands.items[0][0] == '\0' || strcmp(operands.items[0], ":memory:") == 0) {
        result = cdc_error_set(error, CDC_EXIT_USAGE, "the database must be a file");
    } else {
        result = program_beside(&offset_path, operands.items[0], ".offset", error);
        if (result == 0)
            result = run_with(program, options, operands.items[0], offset_path, error);
        free(offset_path);
    }
    free(options->fts.items);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {.table_name = "{table}"};
    struct program program = {
        .name = "cdc-sink-sqlite",
        .synopsis = "[options] DATABASE < events",
        .summary = "Applies change events to an SQLite database, each exactly once.",
        .options = option_table,
        .values = &options,
        .more_options = sink_option_table,
        .more_values = &options.sink,
        .exit_statuses = "0 64 65 69 70 74 75 77 78",
        .run = run,
    };

    sink_options_init(&options.sink);
    return program_main(&program, argc, argv);
}
