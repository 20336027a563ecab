/* SPDX-License-Identifier: MIT */
/* Lines of a base, made of lines of the log. What nobody here understands in a line stays as it came. */
#ifndef LOG_ROW_H
#define LOG_ROW_H

#include <cdc/event.h>

/* Does the line omit columns that `before` does not have either? */
bool log_row_is_partial(const struct cdc_event *event);
/* Appends the row that the line, an r c or u, leaves behind: op r, without `before`. Columns that it omits (`unchanged`) come from
 * its own `before`, then from older, a line made so or one of the log; NULL: none is known. Where some are nowhere the line says
 * so still, and stays what it is: c, or u. No LF. 0, or -1 without memory. */
int log_row_append(struct cdc_buf *out, const struct cdc_event *event, const struct cdc_event *older,
                   struct cdc_error *error);
/* Appends what says that the row has left its old key, of a u line: a d line of that key with the position POS.1. */
void log_row_append_left(struct cdc_buf *out, const struct cdc_event *event);
/* Appends the line, a commit, with that number of events. */
void log_row_append_commit(struct cdc_buf *out, const struct cdc_event *event, uint64_t events);

#endif
