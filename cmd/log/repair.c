/* SPDX-License-Identifier: MIT */
/* cdc-log repair: what is good of a damaged log, as a new one. */
#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    if (operands.count != 2)
        return cdc_error_set(error, CDC_EXIT_USAGE, "two folders are expected: the log, and a new one");
    const struct log_repair_settings settings = {operands.items[0], operands.items[1], &program->log, &program->control,
                                                 NULL};
    return log_repair(&settings, error);
}

const struct log_command log_command_repair = {
    .name = "repair",
    .synopsis = "DIR NEWDIR",
    .summary = "Copies what is good of a damaged log, up to the damage, into a new one.",
    .exit_statuses = "0 64 70 74 75 77 78",
    .run = run,
};
