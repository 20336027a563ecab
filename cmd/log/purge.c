/* SPDX-License-Identifier: MIT */
/* cdc-log purge. */
#include <stdlib.h>

#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

static struct {
    struct cdc_option_list keys;
    const char *table, *name;
    bool force_unsalted, dry_run;
} values;

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Options of purge"),
    OPTION_TEXT("table", AT(table), "PATTERN", "tables that match (schema.table or db.table, * and ?)"),
    OPTION_LIST(0, "key", AT(keys), "JSON", "rows with these columns: {\"id\":42}; any number"),
    OPTION_TEXT("name", AT(name), "NAME", "of this source alone"),
    OPTION_FLAG('n', "dry-run", AT(dry_run), "count the lines, and change nothing"),
    OPTION_FLAG(0, "force-unsalted", AT(force_unsalted), "also where the hashes that stay can be guessed"),
    OPTION_END,
};

static int purge(struct program *program, const char *path, struct cdc_error *error)
{
    struct cdc_buf report = CDC_BUF_INIT;
    struct log_purge_settings settings = {path,          values.table,          values.name,
                                          &values.keys,  values.force_unsalted, values.dry_run,
                                          &program->log, &program->control};

    int result = log_purge(&settings, &report, error);
    /* The counts are right as well where some lines could not be reached. */
    if (report.len > 0 && program_write(&report, error) != 0)
        result = -1;
    cdc_buf_free(&report);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *path = log_command_folder(operands, error);
    int result = -1;

    if (path != NULL && (values.table == NULL || values.keys.count == 0))
        cdc_error_set(error, CDC_EXIT_USAGE, "--table and --key are missing: which rows?");
    else if (path != NULL)
        result = purge(program, path, error);
    free(values.keys.items);
    return result;
}

const struct log_command log_command_purge = {
    .name = "purge",
    .synopsis = "[options] DIR",
    .summary = "Takes the rows of a person out of a log, which proves the rest of it still.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 65 70 74 75 77 78",
    .run = run,
};
