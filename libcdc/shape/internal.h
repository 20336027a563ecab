/* SPDX-License-Identifier: MIT */
/* What the shapes share. */
#ifndef SHAPE_INTERNAL_H
#define SHAPE_INTERNAL_H

#include "libcdc/event/line_tables.h"
#include <cdc/shape.h>

/* -- items.c -- */
/* "[TABLE:]rest" */
#define SHAPE_PATTERN_MAX 1024
/* USAGE where the pattern is too long or the rest is empty. */
int shape_item_check(const char *option, const char *item, struct cdc_error *error);
/* The rest, where the item is for that table; else NULL. */
const char *shape_item_rest(const char *item, const struct line_table *table);
bool shape_item_is_of_one(const char *item); /* it names one table */

/* -- lines.c -- */
/* The line with the spans of `at` replaced, which lie in it, in any order: without LF. */
struct shape_edit {
    struct cdc_span at, text;
};
#define SHAPE_EDITS 12
void shape_append_edited(struct cdc_buf *out, struct cdc_span line, struct shape_edit *edits, size_t n);
/* From {"columns":[...],"key_columns":[...]} of `columns` and `keys` a schema line in the place of the event: with its source and times, and with the
 * suffix at its pos. */
void shape_append_schema(struct cdc_buf *out, const struct cdc_event *event, const char *suffix,
                         struct cdc_span columns, struct cdc_span keys);
/* The member of that name, which is between quotes in a line; p NULL: there is none. */
struct cdc_span shape_member(struct cdc_span row, struct cdc_span raw);
/* Has a text, as it stands between quotes, a NUL in it? One that reads \\u0000 has none. */
bool shape_has_nul(struct cdc_span raw);
bool shape_has_name(struct cdc_span names, struct cdc_span raw);
/* Did the key change? *old is the object that has its columns' old values: before, or else key. */
bool shape_key_changed(const struct cdc_event *event);

#endif
