/* SPDX-License-Identifier: MIT */
/* cdc-snapshot --again: asks a pipeline, running or not, to read tables again. */
#ifndef CMD_AGAIN_H
#define CMD_AGAIN_H

#include "cmd/program/source.h"

#include <cdc/database.h>

/* The tables that -t names, each of which must be one of the pipeline's. Reads nothing itself, and locks nothing that the pipeline
 * holds. CONFIG, naming the pattern or the table, when one cannot be read again; USAGE without -t, or without a folder. */
int again_ask(struct program *program, const struct source_options *options, const struct cdc_database *kind,
              void *database, struct cdc_error *error);

#endif
