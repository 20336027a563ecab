/* SPDX-License-Identifier: MIT */
/* The subcommands of cdc-log: one file each, and one row in cmd/cdc-log.c. */
#ifndef CMD_LOG_H
#define CMD_LOG_H

#include "cmd/program/program.h"

struct log_command {
    const char *name;     /* "append" */
    const char *tool;     /* "cdc-log-append", of its offset file; NULL: it keeps none */
    const char *synopsis; /* after the name: "[options] DIR < events" */
    const char *summary;  /* one sentence */
    const struct cdc_option *options;
    void *values;
    const struct cdc_option *more_options; /* as of struct program */
    void *more_values;
    const char *exit_statuses;
    void (*init)(void); /* sets defaults; NULL: none but those that are there */
    int (*run)(struct program *program, struct cdc_option_list operands, struct cdc_error *error);
};

/* The one operand, which is the log's folder. NULL with USAGE. */
const char *log_command_folder(struct cdc_option_list operands, struct cdc_error *error);

extern const struct log_command log_command_append, log_command_read, log_command_compact, log_command_trim,
    log_command_stat, log_command_verify, log_command_prove, log_command_purge, log_command_repair;

#endif
