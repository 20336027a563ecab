/* SPDX-License-Identifier: MIT */
/* What is good of a damaged log. */
#ifndef LOG_REPAIR_H
#define LOG_REPAIR_H

#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <stdbool.h>

struct log_repair_settings {
    const char *path, *to; /* to: a folder that is empty, or is not there */
    const struct cdc_log *log;
    const struct cdc_control *control;
    bool *proved; /* NULL, or set: false where lines are in the copy that nothing proves, which a warning has said */
};
/* Copies what is good of a damaged log, from its begin up to the damage, and says where that is. It is the same log, with its id: readers
 * go on. 0 or -1. */
int log_repair(const struct log_repair_settings *settings, struct cdc_error *error);

#endif
