/* SPDX-License-Identifier: MIT */
/* What the filter does to a table, worked out once and kept in a plan. */
#ifndef FILTER_INTERNAL_H
#define FILTER_INTERNAL_H

#include <cdc/filter.h>

/* The lists of settings that name tables. */
enum table_list { LIST_TABLE, LIST_EXCLUDE, LIST_COLUMNS, LIST_DROP, LIST_RENAME, LIST_RENAME_COLUMN, LISTS };

/* Bytes of a pattern before a list of columns, with its NUL: more than two names of any database in quotes. */
#define FILTER_PATTERN_MAX 1024

struct name_list {
    struct cdc_span *names; /* BORROWED from the settings' strings */
    size_t n;
};

struct rename {
    struct cdc_span from, to; /* BORROWED too */
};

/* What happens to the lines of one table. */
struct plan {
    struct cdc_span schema, table; /* owned copies, as they stand in the lines */
    bool selected, edits_rows;
    bool keeps_some; /* a --columns list applies */
    struct name_list keep, drop;
    struct name_list wanted; /* columns that settings name for this very table: it must have them */
    struct rename *renames;
    size_t n_renames;
    char *new_schema, *new_table;              /* NULL: unchanged */
    struct cdc_span plain_schema, plain_table; /* the table's own names, unescaped; owned */
};

/* The plans of all tables that came so far: a hash table with open addressing. Begin with {settings}, which is BORROWED. */
struct plans {
    const struct cdc_filter_settings *settings;
    struct plan **slots; /* NULL: free */
    size_t n, capacity;  /* a power of two */
    struct plan *last;   /* lines of one table come in runs */
    bool *used[LISTS];   /* of each item: a table has come that it names */
};
/* Room for `used`. 0 or -1 without memory. */
int plans_init(struct plans *plans);
const struct cdc_option_list *plans_list(const struct plans *plans, enum table_list which);
/* The plan of the event's table, made at its first line. BORROWED; NULL without memory, or CONFIG when --rename gives the
 * table the name that another one has. */
struct plan *plans_find(struct plans *plans, const struct cdc_event *event, struct cdc_error *error);
void plans_free(struct plans *plans); /* what is in it */
/* Is that table, its names unescaped, the left side of an item of --rename? */
bool plans_item_renames(const char *text, struct cdc_span schema, struct cdc_span table);

/* -- database.c -- */
/* Appends a line of a database that was dropped as it is with the tables' new names: `except` follows --rename, and a table that it
 * moved to another database gets a line of its own. *lines: how many. CONFIG when nobody can say of which database a table was. */
int plans_append_database(const struct plans *plans, const struct cdc_event *event, struct cdc_buf *out,
                          uint64_t *lines, struct cdc_error *error);

#endif
