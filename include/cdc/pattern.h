/* SPDX-License-Identifier: MIT */
/* Table patterns: `schema.table` (or `db.table`), shell wildcards * and ? in
 * each half; without a dot the pattern names a table in any schema. A half in
 * double quotes or backticks is a name as it stands, a doubled quote in it as
 * one: "my.db".* is every table of my.db, `a*b`.t only that. */
#ifndef CDC_PATTERN_H
#define CDC_PATTERN_H

#include <cdc/buf.h>

/* schema may be empty. any_case: A to Z match as a to z. */
bool cdc_pattern_matches_table(const char *pattern, struct cdc_span schema, struct cdc_span table, bool any_case);
/* Of "PATTERN:rest" the length of PATTERN, a colon within quotes being part of it; SIZE_MAX: there is no such colon.
 * *is_name: it has no wildcard, so that it names one table (or one in each schema). */
size_t cdc_pattern_prefix(const char *text, bool *is_name);
/* Could it match some table of that schema; does it match all that there can be? */
bool cdc_pattern_matches_some_of(const char *pattern, struct cdc_span schema, bool any_case);
bool cdc_pattern_matches_all_of(const char *pattern, struct cdc_span schema, bool any_case);
/* Appends the name in quotes, as the half of a pattern that matches it alone. */
void cdc_pattern_append_quoted(struct cdc_buf *out, const char *name);
/* One wildcard pattern against one text. Case matters. */
bool cdc_pattern_matches(const char *pattern, size_t n, struct cdc_span text);

#endif
