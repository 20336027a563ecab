/* SPDX-License-Identifier: MIT */
/* The middle stage: keeps tables, operations and columns, renames, and copies
 * everything that it does not touch byte for byte. */
#ifndef CDC_FILTER_H
#define CDC_FILTER_H

#include <cdc/event.h>
#include <cdc/selection.h>

struct cdc_filter_settings {
    struct cdc_selection selection;
    struct cdc_option_list ops;                        /* lists such as "c,u,d" */
    struct cdc_option_list keep_columns, drop_columns; /* "[TABLE:]a,b" */
    struct cdc_option_list rename_tables;              /* "schema.table=schema.table" or "table=table" */
    struct cdc_option_list rename_columns;             /* "[TABLE:]old=new" */
    /* A column named with its TABLE that the table does not have is fine; else it is an error: of a typo in
     * drop_columns the column that must not leave would leave. */
    bool allow_unknown;
};

struct cdc_filter;

/* Checks the settings (CDC_EXIT_USAGE), and BORROWS their lists and texts until cdc_filter_free. RETURNS NEW. */
struct cdc_filter *cdc_filter_new(const struct cdc_filter_settings *settings, struct cdc_error *error);
void cdc_filter_free(struct cdc_filter *filter);

/* Appends the line with its LF to out, changed or not, or drops it: 1 passed, 0 dropped, -1 error (CONFIG when two
 * columns would get one name, or a table lacks a column that the settings name). commit, heartbeat and schema lines of
 * kept tables, and lines with an unknown op always pass; ddl lines of databases in which no table can be selected do not. Columns of the key are never dropped: sinks find rows by them.
 * The t line before the rows of a table that is read again, and the schema line after them (`read`), pass where op r does.
 * The `events` of a commit line becomes the number of lines that passed. */
int cdc_filter_event(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                     struct cdc_error *error);
/* A line was passed over that cdc_filter_event has not seen, or has refused: from here on each `events` is counted anew. */
void cdc_filter_skipped(struct cdc_filter *filter);
/* Appends the settings that name a table, or a pattern, of which no line has come so far: "-t 'ordesr', --rename 'a=b'".
 * Returns how many; 0 before the first table. */
size_t cdc_filter_unmatched(const struct cdc_filter *filter, struct cdc_buf *out);

#endif
