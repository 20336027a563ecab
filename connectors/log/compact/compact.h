/* SPDX-License-Identifier: MIT */
/* compact and trim: what makes a log shorter. */
#ifndef LOG_COMPACT_H
#define LOG_COMPACT_H

#include "connectors/log/compact/fold.h"

#include <cdc/log.h>

struct log_compact_settings {
    const char *path;
    int64_t delete_retention_ms; /* how long a base says that a row is gone, from the first one that says so */
    size_t memory;
    int level; /* of zstd */
    bool keep_messages, keep_ddl, unkeyed_fails;
    const struct cdc_log *log;
    struct cdc_control *control;
};

/* Makes a base of all that is durable in the log, out of the newest one and the lines after it, and removes older ones. *made: the byte that it
 * goes up to. 1; 0: there is nothing to do; -1: TEMPORARY while another process maintains the log, or a signal came. */
int log_compact(const struct log_compact_settings *settings, uint64_t *made, struct log_fold_counts *counts,
                struct cdc_error *error);

struct log_trim_settings {
    const char *path;
    int64_t retain_ms;    /* segments whose newest line was appended that long ago go; -1: at no age */
    int64_t retain_bytes; /* of lines, in segments; more than that goes, the oldest first; -1: any number */
    int64_t retain_hard;  /* more than that goes in any case; -1: never */
    const struct cdc_log *log;
    int64_t now; /* ms since 1970; 0: the clock's */
};
struct log_trim_counts {
    uint64_t segments, bytes;           /* that went */
    uint64_t held_segments, held_bytes; /* that would have gone */
};

/* Removes old segments, but for those that a reader has not read (readers/NAME.offset), or that no base stands for. 0 or -1. */
int log_trim(const struct log_trim_settings *settings, struct log_trim_counts *counts, struct cdc_error *error);

#endif
