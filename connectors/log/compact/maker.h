/* SPDX-License-Identifier: MIT */
/* Writing a base. Killed at any step, the log is as it was, or has the new base as well:
 *
 *   base-N.ndjson.zst.tmp   written, synced, read again and compared
 *   base-N.ndjson.zst       renamed; without its index it is none yet
 *   base-N.idx              renamed, the folder synced: from here on it is the base */
#ifndef LOG_MAKER_H
#define LOG_MAKER_H

#include "connectors/log/file/base.h"

struct log_maker;

/* BORROWS folder. RETURNS NEW */
struct log_maker *log_maker_new(const struct log_folder *folder, uint64_t end, int level, struct cdc_error *error);
/* What was written goes, unless it has become the base. */
void log_maker_free(struct log_maker *maker);
/* line: without its LF. 0 or -1. */
int log_maker_line(struct log_maker *maker, struct cdc_span line, struct cdc_error *error);
/* base: all but what tells the lines. 0 or -1. */
int log_maker_finish(struct log_maker *maker, struct log_base *base, struct cdc_error *error);

/* Removes what is none of a base, or of an older one than `newest` (0: there is none). Nobody else may maintain the log. 0 or -1 */
int log_maker_clean(const struct log_folder *folder, uint64_t newest, struct cdc_error *error);

#endif
