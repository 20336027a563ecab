/* SPDX-License-Identifier: MIT */
/* The middle stage: keeps tables, operations and columns, renames, and copies
 * everything that it does not touch byte for byte. */
#ifndef CDC_FILTER_H
#define CDC_FILTER_H

#include <cdc/event.h>
#include <cdc/selection.h>

enum cdc_step_result {
    CDC_STEP_FAILED = -1, /* with error: DATA refuses the line, any other ends the run */
    CDC_STEP_DROPPED,     /* the line does not leave */
    CDC_STEP_KEPT,        /* it stays as it is */
    CDC_STEP_CHANGED /* an event of the same source and pos was appended to out, without LF, and takes its place; or several, with LF between
                      * them, that have the pos POS.1, POS.2 ... each time that the line comes */
};

/* How much of a column's values can be read in what leaves. */
enum cdc_step_clarity { CDC_CLEAR_AS_BEFORE, CDC_CLEAR_IN_PART, CDC_CLEAR_NOT };

/* What is done to an event beyond choosing and renaming. A step sees the lines of chosen tables in their order, schema lines before rows, and ddl
 * and message lines: not those of commit and heartbeat, nor those with an unknown op. */
struct cdc_filter_step {
    /* out is empty before. The event's bytes are valid during the call only. */
    enum cdc_step_result (*event)(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                  struct cdc_error *error);
    /* Appends the settings that name a table of which no line has come, with ", " between them (before the first one, too, where
     * `more` is true): how many. NULL: there are none. */
    size_t (*unmatched)(void *state, bool more, struct cdc_buf *out);
    /* Lines with an unknown op, into which it cannot look, must not pass: they are refused (DATA). */
    bool refuses_unknown;
    void *state;
    /* Of a schema line that `event` has just taken: appends in words what is done to the values of a column, named as it stands
     * between its quotes, or (p NULL) to the rows; several with "; " between them, nothing where it does nothing. May be NULL. */
    enum cdc_step_clarity (*explain)(void *state, const struct cdc_event *event, struct cdc_span column,
                                     struct cdc_buf *out);
    /* Of a schema line that `event` has just dropped: appends that of what rows of its table become, without LF, with a pattern where
     * their tables' names are not known; nothing where they become nothing. May be NULL. */
    void (*becomes)(void *state, const struct cdc_event *event, struct cdc_buf *out);
};

/* What every line that leaves is written as, with the names that it then has. */
struct cdc_filter_format {
    /* Appends whole lines: how many (0: this format has nothing for it), or -1. Sees every line. */
    int (*event)(void *state, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
    void *state;
    const char *words; /* what it does to rows, for --explain */
    bool
        lacks_truncates; /* it has no line for one, also of one of several tables that are under one name: none is refused */
};

struct cdc_filter_settings {
    struct cdc_selection selection;
    struct cdc_option_list ops;                        /* lists such as "c,u,d" */
    struct cdc_option_list keep_columns, drop_columns; /* "[TABLE:]a,b" */
    struct cdc_option_list rename_tables;              /* "schema.table=schema.table" or "table=table" */
    struct cdc_option_list rename_columns;             /* "[TABLE:]old=new" */
    /* "PATTERN=[schema.]NAME": tables that match get that name, several of them one. Of two that match the last one counts; a table that
     * rename_tables names is none of them. */
    struct cdc_option_list routes;
    const char *route_column; /* that tells their rows apart; NULL: source_table */
    bool route_unique;        /* no two rows of them have one key: no column is added */
    /* A column named with its TABLE that the table does not have is fine; else it is an error: of a typo in
     * drop_columns the column that must not leave would leave. */
    bool allow_unknown;
    const struct cdc_filter_step *steps; /* in this order, after tables and operations, before columns and names */
    size_t n_steps;
    const struct cdc_filter_format *format; /* NULL: cdc-event(5) */
};

struct cdc_filter;

/* Checks the settings (CDC_EXIT_USAGE), and BORROWS their lists, texts, steps and format until cdc_filter_free. RETURNS NEW. */
struct cdc_filter *cdc_filter_new(const struct cdc_filter_settings *settings, struct cdc_error *error);
void cdc_filter_free(struct cdc_filter *filter);

/* Appends the line with its LF to out, changed or not, or drops it: how many lines were appended, 0 dropped, -1 error (CONFIG when two
 * tables or columns would get one name, or a table lacks a column that the settings name). commit, heartbeat and schema lines of
 * kept tables, and lines with an unknown op always pass; ddl lines of databases in which no table can be selected do not. Columns of the key are never dropped: sinks find rows by them.
 * The t line before the rows of a table that is read again, and the schema line after them (`read`), pass where op r does.
 * The `events` of a commit line becomes the number of lines that passed. */
int cdc_filter_event(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                     struct cdc_error *error);
/* What becomes of the table of a schema line and of its columns, as one JSON object (cdc-filter(1), --explain), appended to out. Errors
 * are those of cdc_filter_event for that line. 0 or -1. */
int cdc_filter_explain(struct cdc_filter *filter, const struct cdc_event *schema, struct cdc_buf *out,
                       struct cdc_error *error);
/* A line was passed over that cdc_filter_event has not seen, or has refused: from here on each `events` is counted anew. */
void cdc_filter_skipped(struct cdc_filter *filter);
/* Appends the settings that name a table, or a pattern, of which no line has come so far: "-t 'ordesr', --rename 'a=b'".
 * Returns how many; 0 before the first table. */
size_t cdc_filter_unmatched(const struct cdc_filter *filter, struct cdc_buf *out);

#endif
