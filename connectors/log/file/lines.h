/* SPDX-License-Identifier: MIT */
/* The lines of a log that is read block by block. */
#ifndef LOG_LINES_H
#define LOG_LINES_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* The lines of a block, each without its LF. rest: of a line that the block before ended in, and then of this one's. The first answer of
 * `take` that is not 0 ends it, and is the result; 0: all were taken; -1 without memory. */
int log_lines_each(struct cdc_buf *rest, struct cdc_span block,
                   int (*take)(void *context, struct cdc_span line, struct cdc_error *error), void *context,
                   struct cdc_error *error);

#endif
