/* SPDX-License-Identifier: MIT */
/* cdc-log stat: what a log has, and where its readers are. */
#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

static struct {
    bool json;
} values;

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Options of stat"),
    OPTION_FLAG(0, "json", AT(json), "one JSON object"),
    OPTION_END,
};

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *path = log_command_folder(operands, error);
    struct cdc_buf out = CDC_BUF_INIT;

    (void)program;
    int result = path != NULL ? log_stat(path, values.json, &out, error) : -1;
    if (result == 0)
        return program_write(&out, error);
    cdc_buf_free(&out);
    return result;
}

const struct log_command log_command_stat = {
    .name = "stat",
    .synopsis = "[options] DIR",
    .summary = "Shows what a log has, and where its readers are.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 70 74 77 78",
    .run = run,
};
