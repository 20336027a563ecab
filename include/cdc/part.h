/* SPDX-License-Identifier: MIT */
/* A table may have been put together from several (cdc-filter --route). A line that is about all rows of one of these says which:
 *
 *   "part":{"column":"source_table","value":"shop1.orders"}       rows with that text in that column
 *   "part":{"column":"source_table","prefix":"shop1.","except":["shop1.old"]}   with a text that begins so, but for these
 *
 * Who takes it for a line about the whole table deletes rows of the others. */
#ifndef CDC_PART_H
#define CDC_PART_H

#include <cdc/error.h>
#include <cdc/event.h>

struct cdc_part {
    struct cdc_span column;        /* raw, between the quotes, as all of these */
    struct cdc_span value, prefix; /* one of them; p of the other is NULL */
    struct cdc_span except;        /* an array of strings, p NULL when absent */
};

/* 1: the line is about a part; 0: it is about the whole table; -1: DATA, nobody can tell. No text of it has a NUL. */
int cdc_part_read(struct cdc_part *part, const struct cdc_event *event, struct cdc_error *error);
/* Does a row with that text in the column, which is unescaped, belong to it? */
bool cdc_part_has(const struct cdc_part *part, struct cdc_span text);
/* What the row of the event has in the column of that name, which is unescaped: whole, p NULL when it has none. */
struct cdc_span cdc_part_of_row(const struct cdc_event *event, const char *column);

#endif
