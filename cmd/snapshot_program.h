/* SPDX-License-Identifier: MIT */
/* What cdc-snapshot does differently for each kind of database. */
#ifndef CMD_SNAPSHOT_PROGRAM_H
#define CMD_SNAPSHOT_PROGRAM_H

#include "cmd/program/source.h"

#include <cdc/retry.h>

struct snapshot_values {
    struct source_options common;
    const char *slot, *publication, *progress, *defaults_file;
    bool no_create;
    int64_t chunk_rows, jobs;
};

/* One kind of database, chosen by the URL's scheme. */
struct snapshot_kind {
    const char *const *schemes; /* NULL-terminated: "mysql:" */
    /* The whole run; url is the operand, "" without one. 0 or -1. */
    int (*run)(struct program *program, struct snapshot_values *values, const char *url, struct cdc_error *error);
};
extern const struct snapshot_kind snapshot_of_postgres, snapshot_of_mysql;

/* Waits before another try; -1 with the error when there is none. */
int snapshot_wait_retry(struct program *program, struct cdc_retry *retry, struct cdc_error *error);
bool snapshot_shows_progress(const struct snapshot_values *values);
/* USAGE when an option is given that databases of that kind have no use for. */
int snapshot_refuse_option(const char *option, bool given, const char *kind, struct cdc_error *error);

/* One attempt at the whole snapshot. */
struct snapshot_attempt {
    int (*run)(void *context, struct source_positions *positions, struct cdc_metrics *metrics, struct cdc_error *error);
    void *context;
};
/* Opens what the pipeline `name` keeps, and makes attempts until one succeeds or no other may be made. */
int snapshot_attempts(struct program *program, const struct snapshot_values *values, const char *name,
                      const struct snapshot_attempt *attempt, struct cdc_retry *retry, struct cdc_error *error);

#endif
