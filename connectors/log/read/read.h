/* SPDX-License-Identifier: MIT */
/* A log as a source: its lines, byte for byte. */
#ifndef LOG_READ_H
#define LOG_READ_H

#include <cdc/source.h>

struct log_read_settings {
    const char *path;
    const char *from;  /* earliest, latest, base, @BYTE, a time, or a position of a source; NULL: earliest */
    const char *until; /* now, a time, or a position; NULL: the end that the log has at the start, unless follow */
    bool follow;
    int64_t max_events; /* 0: any number */
    bool registered;    /* retention waits for this reader: it is told where it begins */
    struct cdc_offset_file *offsets;
    bool acks; /* what the sinks have stored counts: */
    const char *const *ack_files;
    size_t n_ack_files;
    const char *state_dir; /* NULL: none */
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct cdc_control *control;
};

#define LOG_READ_NAME "log" /* of its entry in the offset file */

struct log_read;
/* USAGE when from or until is none of the forms. 0 or -1. */
int log_read_check(const struct log_read_settings *settings, struct cdc_error *error);
/* Opens the log, and checks that it is whole before a line is given. BORROWS settings. RETURNS NEW */
struct log_read *log_read_open(const struct log_read_settings *settings, struct cdc_error *error);
void log_read_close(void *read); /* NULL: nothing happens */

extern const struct cdc_source_ops log_read_ops;

#endif
