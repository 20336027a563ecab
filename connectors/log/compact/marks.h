/* SPDX-License-Identifier: MIT */
/* How long bases say that rows are gone. What says so is kept for a time from the first base in which it is, and not from the row's own
 * time: readers had no base to go by before. So each base knows of those before it what positions they came to, and when. */
#ifndef LOG_MARKS_H
#define LOG_MARKS_H

#include "connectors/log/compact/fold.h"
#include "connectors/log/file/base.h"

struct log_marks {
    struct cdc_buf gone, marks; /* members of the new base's line */
    struct log_gone *items;     /* gone, for the fold */
    size_t n;
};

/* previous: NULL: there is none. at: positions where the new base ends. now: ms since 1970, no earlier than previous->ts. 0 or -1. */
int log_marks_make(struct log_marks *marks, const struct log_base *previous, struct cdc_span at, int64_t now,
                   int64_t retention_ms, struct cdc_error *error);
void log_marks_free(struct log_marks *marks);

#endif
