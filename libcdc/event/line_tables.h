/* SPDX-License-Identifier: MIT */
/* What a step between source and sink keeps of each table that has come, found by the names as they stand in the lines. A name
 * may be spelled in two ways (escapes), and be there twice then; plain names tell. */
#ifndef LINE_TABLES_H
#define LINE_TABLES_H

#include <cdc/event.h>

struct line_table {
    struct cdc_span schema,
        table; /* as they stand in the lines; MySQL has databases where PostgreSQL has schemas; owned */
    struct cdc_span plain_schema, plain_table; /* unescaped; owned */
    struct cdc_span name, db; /* of the source, as they stood in its first line; owned. Empty without of_source */
    struct line_table *next;  /* whose line came after one of this table, the last time */
};

/* Begin with {.size, .of_source, .release, .fill, .context}: the size of the step's own struct, whose first member is a struct line_table
 * and the rest zero. */
struct line_tables {
    size_t size;
    bool
        of_source; /* what is kept is of the lines of one source: those of several may come in turns, with tables of one name */
    void (*release)(struct line_table *table); /* what is in it, not itself; may be NULL */
    /* At the table's first line, before it is kept: 0, or -1 with error, and then it is released and not kept. May be NULL. */
    int (*fill)(void *context, struct line_table *table, struct cdc_error *error);
    void *context;             /* BORROWED */
    struct line_table **slots; /* NULL: free */
    size_t n, capacity;        /* capacity is a power of two */
    struct line_table *last;
};

/* That of the event, which has one, a new one at its first line: *is_new, which may be NULL. BORROWED; NULL with error. */
void *line_table_of(struct line_tables *tables, const struct cdc_event *event, bool *is_new, struct cdc_error *error);
void line_tables_free(struct line_tables *tables);

#endif
