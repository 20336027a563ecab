/* SPDX-License-Identifier: MIT */
/* What the parts of the filter know of each other. */
#ifndef FILTER_INTERNAL_H
#define FILTER_INTERNAL_H

#include "libcdc/event/line_tables.h"
#include <cdc/filter.h>
#include <cdc/names.h>

/* The lists of settings that name tables. */
enum table_list {
    LIST_TABLE,
    LIST_EXCLUDE,
    LIST_COLUMNS,
    LIST_DROP,
    LIST_RENAME,
    LIST_RENAME_COLUMN,
    LIST_ROUTE,
    LISTS
};

/* Bytes of a pattern before a list of columns, with its NUL: more than two names of any database in quotes. */
#define FILTER_PATTERN_MAX 1024

struct name_list {
    struct cdc_span *names; /* BORROWED from the settings' strings */
    size_t n;
    struct cdc_names index;
};

struct rename {
    struct cdc_span from, to; /* BORROWED too */
};

/* Of a table that --route brings under a name with others. */
struct routed {
    bool unique;                 /* no column is added */
    const char *column;          /* BORROWED */
    struct cdc_buf member, part; /* `"source_table":"shop1.orders"`; `,"part":{...}` */
    struct cdc_buf name, db;     /* of its source, as they stood in its first line */
    struct cdc_buf columns,
        keys;                /* as it would leave alone, of its newest schema line; without the column that is added */
    struct cdc_buf together; /* the columns of all tables of that name, without brackets, its own first */
};

/* Which members of a row stay, by their names and those of the key, each a bit. */
struct row_choice {
    uint64_t shape, key_shape; /* cdc/event.h; 0: nothing was chosen yet */
    uint64_t stays, renamed;
};
#define ROW_CHOICE_MAX 64 /* members */

/* What happens to the lines of one table. */
struct plan {
    struct line_table names; /* FIRST */
    bool selected, edits_rows;
    bool keeps_some; /* a --columns list applies */
    struct name_list keep, drop;
    struct name_list wanted; /* columns that settings name for this very table: it must have them */
    struct rename *renames;
    size_t n_renames;
    struct cdc_names renamed;     /* the old name of each */
    char *new_schema, *new_table; /* NULL: unchanged */
    struct routed *routed;        /* NULL: --route does not name it */
    struct row_choice *chosen;    /* of the newest key, before and after; owned */
};

/* The plans of all tables that came so far. */
struct plans {
    const struct cdc_filter_settings *settings; /* BORROWED */
    struct line_tables tables;
    bool *used[LISTS]; /* of each item: a table has come that it names */
    /* Of each item of a list that names columns: a schema line of such a table has come, and of each name whether one had it. */
    bool *described[LISTS], **seen[LISTS];
};
/* 0 or -1 without memory. */
int plans_init(struct plans *plans, const struct cdc_filter_settings *settings);
/* Those that came, at 0 to plans->tables.capacity - 1; NULL: none there. */
static inline const struct plan *plans_at(const struct plans *plans, size_t i)
{
    return (const struct plan *)plans->tables.slots[i];
}
const struct cdc_option_list *plans_list(const struct plans *plans, enum table_list which);
/* The plan of the event's table, made at its first line. BORROWED; NULL without memory, or CONFIG when --rename gives the
 * table the name that another one has. */
struct plan *plans_find(struct plans *plans, const struct cdc_event *event, struct cdc_error *error);
/* A schema line has come, as the source has written it and as the steps have left it. */
int plans_note_columns(struct plans *plans, const struct plan *plan, const struct cdc_event *came,
                       const struct cdc_event *made); /* 0, or -1 without memory */
/* Is there a name in the item that no table, or no table that it is for, has had? */
bool plans_is_unmatched(const struct plans *plans, enum table_list which, size_t item);
void plans_free(struct plans *plans); /* what is in it */
/* Is that table, its names unescaped, the left side of an item of --rename? */
bool plans_item_renames(const char *text, struct cdc_span schema, struct cdc_span table);
/* A table may have two plans, where its name is spelled in two ways. */
bool plans_are_one_table(const struct plan *a, const struct plan *b);
/* Do both leave under one name? */
bool plans_get_one_name(const struct plan *a, const struct plan *b);

/* -- route.c -- */
const char *route_column(const struct cdc_filter_settings *settings);
/* Does an item of --route name that table, whose names are unescaped? */
bool plans_item_routes(const char *item, struct cdc_span schema, struct cdc_span table);
/* Gives a plan its name, unless --rename has. 0 or -1 without memory. */
int route_plan(const struct cdc_filter_settings *settings, struct plan *plan);
void route_free(struct routed *routed);
/* Appends `shop1.` and `shop1.orders`, the texts of the column that is added. */
void route_append_schema(struct cdc_buf *out, struct cdc_span schema);
void route_append_name(struct cdc_buf *out, struct cdc_span schema, struct cdc_span table);
/* Before the line of a routed table leaves. CONFIG where a sink would take it for a line about rows of other tables, DATA for a row
 * that comes before the schema line. */
int route_check(struct plan *plan, const struct cdc_event *event, struct cdc_error *error);
/* After route_take_schema: append the lists that the line gets. */
void route_append_columns(struct cdc_buf *out, const struct plan *plan);
void route_append_keys(struct cdc_buf *out, const struct plan *plan);

/* -- route_schema.c -- */
/* Of a schema line. CONFIG where its columns and those of other tables of that name cannot be one table's. */
int route_take_schema(const struct plans *plans, struct plan *plan, const struct cdc_event *event,
                      struct cdc_error *error);

/* -- route_type.c -- */
/* Of two columns of a schema line that are to be one, that whose type holds the values of both; p NULL: neither's does. */
struct cdc_span route_wider_type(struct cdc_span one, struct cdc_span two);

/* -- columns.c: what a plan says of columns -- */
/* Append a row, a list of names, and the columns of the schema line. */
void columns_append_row(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                        struct cdc_span row);
void columns_append_names(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                          struct cdc_span names);
void columns_append_list(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event);
/* Does the column leave? raw: as it stands in the line. */
bool columns_keep(const struct plan *plan, const struct cdc_event *event, struct cdc_span raw);
/* What --rename-column makes of the column; NULL: it keeps its name. BORROWED. */
const struct rename *columns_rename(const struct plan *plan, struct cdc_span raw);
/* Its name after us, as a JSON string. */
void columns_append_name(struct cdc_buf *out, const struct plan *plan, struct cdc_span raw);
/* The names of a schema line's columns. 0, or -1 without memory. */
int columns_index(struct cdc_names *names, const struct cdc_event *schema);
/* Of a schema line: CONFIG when it lacks a column that is named for this very table; when two columns get one name. */
int columns_check_unknown(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error);
int columns_check_names(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error);

/* -- edits.c -- */
enum edit_kind {
    EDIT_ROW,
    EDIT_NAMES,
    EDIT_COLUMNS,
    EDIT_TEXT,
    EDIT_EVENTS,
    EDIT_MEMBER, /* of a routed table: the member that is added to an object, before its brace */
    EDIT_ROUTED_COLUMNS,
    EDIT_ROUTED_KEYS,
    EDIT_PART
};
struct edit {
    struct cdc_span at; /* in the line */
    enum edit_kind kind;
    const char *text; /* of EDIT_TEXT */
    uint64_t number;  /* of EDIT_EVENTS */
};
#define EDITS_MAX 16
/* Adds one where there is such a member (at.p is not NULL). There must be room. */
void edits_add(struct edit *edits, size_t *n, struct edit edit);
/* All of the line that its table's plan changes, at most EDITS_MAX: how many. */
size_t edits_collect(struct edit *edits, const struct plan *plan, const struct cdc_event *event);
/* Appends the line without LF: what no edit touches stays as it was, byte for byte. */
void edits_append(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event, const struct edit *edits,
                  size_t n);

/* -- counts.c -- */
/* Change lines of a source since its last commit line. */
struct line_count {
    struct cdc_span name;  /* as it stands in the lines; owned */
    struct cdc_buf newest; /* pos of the last one, empty: none */
    uint64_t passed;
    bool differs; /* from how many came */
};
struct counts {
    struct line_count *items; /* one a source: their lines may come in turns */
    size_t n, last;
    bool lost; /* lines that are in no count were passed over: each `events` is counted anew */
};
/* That of the event's source, BORROWED; NULL without memory. */
struct line_count *counts_of(struct counts *counts, const struct cdc_event *event, struct cdc_error *error);
/* A change line of which so many lines passed. One that does not come after the one before begins the transaction again: the source
 * has a new connection, and the lines of the old one are not to be counted twice. newest.failed: without memory. */
void counts_note(struct line_count *count, const struct cdc_event *event, uint64_t lines);
/* Appends a commit or heartbeat line without LF. One whose lines all passed is copied byte for byte. */
void counts_append_commit(const struct counts *counts, struct line_count *count, const struct cdc_event *event,
                          struct cdc_buf *out);
void counts_free(struct counts *counts); /* what is in it */

/* -- database.c -- */
/* Appends a line of a database that was dropped as it is with the tables' new names: `except` follows --rename, and a table that it
 * moved to another database gets a line of its own. *lines: how many. CONFIG when nobody can say of which database a table was. */
int plans_append_database(const struct plans *plans, const struct cdc_event *event, struct cdc_buf *out,
                          uint64_t *lines, struct cdc_error *error);

/* -- the filter -- */
struct cdc_filter {
    struct cdc_filter_settings settings; /* BORROWED lists */
    bool ops_limited;
    /* The last op of the enum, so that every op has its place. */
    bool ops[CDC_OP_HEARTBEAT + 1];
    struct plans plans;
    struct counts counts;
    struct cdc_buf *steps; /* what each of the settings' steps has made of the event */
    struct cdc_buf line;   /* the last of all, for the format */
    /* The line in hand, before all steps, and the plan of its table. BORROWED for the call. */
    const struct cdc_event *came;
    const struct plan *came_plan;
};
/* Appends what a schema line that has passed all steps leaves as, with its LF and without the format: how many lines, or -1. */
int filter_pass_described(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                          struct cdc_error *error);

#endif
