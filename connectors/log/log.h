/* SPDX-License-Identifier: MIT */
/* A log of plain files, as the programs see it. */
#ifndef LOG_CONNECTOR_H
#define LOG_CONNECTOR_H

#include "connectors/log/append/append.h"
#include "connectors/log/compact/compact.h"
#include "connectors/log/proof/proof.h"
#include "connectors/log/read/read.h"
#include "connectors/log/repair/repair.h"

/* What a log has, and where its readers are, appended as text or as one JSON object. 0 or -1. */
int log_stat(const char *path, bool json, struct cdc_buf *out, struct cdc_error *error);

#endif
