/* SPDX-License-Identifier: MIT */
/* What the subcommands share. */
#include "cmd/log/log.h"

const char *log_command_folder(struct cdc_option_list operands, struct cdc_error *error)
{
    if (operands.count == 1 && operands.items[0][0] != '\0')
        return operands.items[0];
    cdc_error_set(error, CDC_EXIT_USAGE,
                  operands.count > 1 ? "one folder is expected, not \"%.80s\" too" : "the log's folder is missing%s",
                  operands.count > 1 ? operands.items[1] : "");
    return NULL;
}
