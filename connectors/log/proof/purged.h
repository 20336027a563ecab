/* SPDX-License-Identifier: MIT */
/* What stands in the place of a line that was purged. */
#ifndef LOG_PROOF_PURGED_H
#define LOG_PROOF_PURGED_H

#include "connectors/log/file/chain.h"

/* Appends it, of the same length as the line, without LF: its pos, seq and source name, where there is room for them, and the leaf that
 * the line had (NULL: in a base, which has no chain). 0; -1: CONFIG, the line is shorter than its leaf. */
int log_purged_append(struct cdc_buf *out, struct cdc_span line, const char *log, const unsigned char *leaf,
                      struct cdc_error *error);

#endif
