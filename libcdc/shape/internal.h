/* SPDX-License-Identifier: MIT */
/* What the shapes share. */
#ifndef SHAPE_INTERNAL_H
#define SHAPE_INTERNAL_H

#include <cdc/shape.h>

/* -- tables.c: what a step knows of each table -- */
struct shape_table {
    struct cdc_span schema, table;             /* as they stand in the lines; owned */
    struct cdc_span plain_schema, plain_table; /* unescaped; owned */
};
/* Begin with {.size, .release}: size of the step's own struct, whose first member is a struct shape_table and the rest zero. */
struct shape_tables {
    size_t size;
    void (*release)(struct shape_table *table); /* what is in it, not itself; may be NULL */
    struct shape_table **slots;                 /* open addressing */
    size_t n, capacity;
    struct shape_table *last;
};
/* That of the event, which has one, a new one at its first line: *is_new. BORROWED; NULL without memory. */
void *shape_table_of(struct shape_tables *tables, const struct cdc_event *event, bool *is_new, struct cdc_error *error);
void shape_tables_free(struct shape_tables *tables);

/* "[TABLE:]rest" */
#define SHAPE_PATTERN_MAX 1024
/* USAGE where the pattern is too long or the rest is empty. */
int shape_item_check(const char *option, const char *item, struct cdc_error *error);
/* The rest, where the item is for that table; else NULL. */
const char *shape_item_rest(const char *item, const struct shape_table *table);
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
bool shape_has_name(struct cdc_span names, struct cdc_span raw);
/* Did the key change? *old is the object that has its columns' old values: before, or else key. */
bool shape_key_changed(const struct cdc_event *event);

#endif
