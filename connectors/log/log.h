/* SPDX-License-Identifier: MIT */
/* A log of plain files, as the programs see it. */
#ifndef LOG_CONNECTOR_H
#define LOG_CONNECTOR_H

#include "connectors/log/append/append.h"
#include "connectors/log/compact/compact.h"
#include "connectors/log/proof/proof.h"
#include "connectors/log/read/read.h"

/* What a log has, and where its readers are, appended as text or as one JSON object. 0 or -1. */
int log_stat(const char *path, bool json, struct cdc_buf *out, struct cdc_error *error);

struct log_repair_settings {
    const char *path, *to; /* to: a folder that is empty, or is not there */
    const struct cdc_log *log;
    const struct cdc_control *control;
};
/* Copies what is good of a damaged log, from its begin up to the damage, and says where that is. It is the same log, with its id: readers
 * go on. 0 or -1. */
int log_repair(const struct log_repair_settings *settings, struct cdc_error *error);

#endif
