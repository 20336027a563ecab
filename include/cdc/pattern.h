/* SPDX-License-Identifier: MIT */
/* Table patterns: `schema.table` (or `db.table`), shell wildcards * and ? in
 * each half; without a dot the pattern names a table in any schema. */
#ifndef CDC_PATTERN_H
#define CDC_PATTERN_H

#include <cdc/buf.h>

/* Case matters. schema may be empty. */
bool cdc_pattern_matches_table(const char *pattern, struct cdc_span schema, struct cdc_span table);
/* One wildcard pattern against one text. */
bool cdc_pattern_matches(const char *pattern, size_t n, struct cdc_span text);

#endif
