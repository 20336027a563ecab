/* SPDX-License-Identifier: MIT */
/* One change event as a view into its line (cdc-event(5)): no copy, no tree.
 * A view is valid as long as the line's bytes are. */
#ifndef CDC_EVENT_H
#define CDC_EVENT_H

#include <cdc/json.h>

struct cdc_buf;
struct cdc_error;

enum cdc_op {
    CDC_OP_UNKNOWN,
    CDC_OP_READ,     /* "r" */
    CDC_OP_CREATE,   /* "c" */
    CDC_OP_UPDATE,   /* "u" */
    CDC_OP_DELETE,   /* "d" */
    CDC_OP_TRUNCATE, /* "t" */
    CDC_OP_MESSAGE,  /* "m" */
    CDC_OP_SCHEMA,   /* "schema" */
    CDC_OP_DDL,      /* "ddl" */
    CDC_OP_COMMIT,   /* "commit" */
    CDC_OP_HEARTBEAT /* "heartbeat" */
};

/* The members of a row, found while it was validated. There is no white space in such a row. */
struct cdc_event_row {
    const char *p; /* its brace; NULL: the members were not found */
    const struct cdc_json_pair *pairs;
    size_t n;
    uint64_t shape; /* rows of one shape, of this process, have the same names in the same order; 0: unknown */
};
#define CDC_EVENT_ROWS 3 /* key, before and after */

struct cdc_event {
    enum cdc_op op;
    struct cdc_span line;    /* the whole line, without its LF */
    struct cdc_span op_text; /* between the quotes */
    struct cdc_span pos;     /* between the quotes; p is NULL when absent */
    bool has_seq;
    int64_t seq;
    int64_t ts_ms; /* 0 when absent */
    struct cdc_span source, key, before, after,
        unchanged; /* whole values; p is NULL when absent; JSON null stays the text null */
    struct cdc_span columns, key_columns, message, events; /* of schema, m and commit lines */
    /* members of source, between the quotes (escapes as they stand), p NULL when absent */
    struct cdc_span connector, name, db, schema, table, snapshot, tx_id;
    /* Names of columns whose null is JSON's and not SQL's: of the row (key and after; before in a delete), and of before in
     * an update. Whole values, p NULL when absent. */
    struct cdc_span json_null, json_null_old;
    /* Between the quotes, p NULL when absent: "begin" in the t line before the rows of a table that is read again (stale.h), or
     * "live" where the log goes on with it meanwhile; "end" in the schema line after them. */
    struct cdc_span read;
    /* Of a t or schema line of a table that was put together from several (part.h): which of its rows the line is about. A whole
     * value, p NULL when absent: all of them. */
    struct cdc_span part;
    bool
        repeats; /* the line has a row or a list twice: whoever edits the one that counts, cdc_event_append_once first */
    const struct cdc_event_row *rows; /* CDC_EVENT_ROWS, BORROWED from the parser, for cdc_event_row_of; NULL: none */
};

/* Parses and fully validates one line (without LF). Unknown fields and an
 * unknown op are fine (op UNKNOWN; its fields may be of any type). Of a
 * repeated field the last one counts. A field that is null is absent.
 * -1 with CDC_EXIT_DATA: not JSON, not an object, invalid UTF-8, too deep, or
 * a known field of the wrong type. */
int cdc_event_parse(struct cdc_event *event, const char *line, size_t n, struct cdc_error *error);
/* For whoever parses line after line: with the same result, and several times as fast where lines are like those before them. The event
 * is valid until the next line is parsed. RETURNS NEW; NULL without memory. */
struct cdc_event_parser;
struct cdc_event_parser *cdc_event_parser_new(struct cdc_error *error);
void cdc_event_parser_free(struct cdc_event_parser *parser);
int cdc_event_parser_next(struct cdc_event_parser *parser, struct cdc_event *event, const char *line, size_t n,
                          struct cdc_error *error);
/* Appends the line, of whose rows and lists only those stay that count, without LF. */
void cdc_event_append_once(struct cdc_buf *out, const struct cdc_event *event);
/* What is known of key, before or after of this event, BORROWED; NULL: nothing, or it is another value. */
const struct cdc_event_row *cdc_event_row_of(const struct cdc_event *event, struct cdc_span row);
/* Begins to walk the members of key, before or after of this event; any other value as cdc_json_iter_begin does. */
void cdc_event_iter_begin(struct cdc_json_iter *iter, const struct cdc_event *event, struct cdc_span row);

/* True for r c u d: lines that carry a row. */
bool cdc_event_has_row(const struct cdc_event *event);

/* True for a t line that begins the rows of a table, of a snapshot or where it is read again, and for the schema line that ends these. */
bool cdc_event_is_of_read(const struct cdc_event *event);
/* A t line of a table that has gone while it was read again: no end of that read comes. */
bool cdc_event_ends_read(const struct cdc_event *event);

/* True for a t line whose source names a database and no table: all tables of it are gone (MySQL's DROP DATABASE). */
bool cdc_event_is_of_database(const struct cdc_event *event);
/* The same line for one table of that database, whose names are given as they are. 1: *one is that event, with its names in scratch; 0: the line
 * excepts that table; -1: MEMORY. */
int cdc_event_of_table(const struct cdc_event *event, const char *schema, const char *table, struct cdc_buf *scratch,
                       struct cdc_event *one, struct cdc_error *error);

/* What names of tables and indexes are made of: is {db}, {schema} (where there are none, as in MySQL: the database),
 * {table} or {name} at p? Its length, and *raw is the event's value (between the quotes); 0: no. event may be NULL. */
size_t cdc_event_placeholder(const char *p, const struct cdc_event *event, struct cdc_span *raw);

#endif
