/* SPDX-License-Identifier: MIT */
/* Lines are read, unpacked and checked by a thread, a few blocks ahead of who takes them. */
#ifndef LOG_AHEAD_H
#define LOG_AHEAD_H

#include <cdc/buf.h>
#include <cdc/error.h>

struct log_ahead;

/* read: appends what comes next, whole lines or not. 1; 0: the end, where the last line has ended; -1. It is called by the thread alone,
 * from now on until log_ahead_free. RETURNS NEW */
struct log_ahead *log_ahead_new(int (*read)(void *context, struct cdc_buf *out, struct cdc_error *error), void *context,
                                struct cdc_error *error);
/* Ends the thread. NULL: nothing happens. */
void log_ahead_free(struct log_ahead *ahead);
/* The next line without its LF, valid until the next call. 1; 0: the end; -1: what read has said, once the lines before it are taken. */
int log_ahead_line(struct log_ahead *ahead, struct cdc_span *line, struct cdc_error *error);

#endif
