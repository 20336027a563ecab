/* SPDX-License-Identifier: MIT */
/* What the parts of the step know of each other. */
#ifndef LITE_FILTER_INTERNAL_H
#define LITE_FILTER_INTERNAL_H

#include "connectors/sqlite/expression/expression.h"
#include "connectors/sqlite/filter/filter.h"
#include <cdc/names.h>

/* -- items.c: the options' texts -- */
enum item_kind { ITEM_WHERE, ITEM_SET, ITEM_ADD };
struct sql_item {
    enum item_kind kind;
    const char *option, *whole; /* "--set", and all of its text; BORROWED */
    char *pattern;              /* NULL: every table */
    bool is_name;               /* of one table: it must have the column */
    char *column;               /* of SET and ADD; unquoted */
    char *type;                 /* of ADD; NULL: what the expression says */
    const char *text;           /* the expression; BORROWED */
    struct tree tree;
    bool used; /* a table has come that it names */
};
struct sql_items {
    struct sql_item *items;
    size_t n;
};
/* USAGE. Freed by items_free, also after an error. */
int items_parse(struct sql_items *items, const struct lite_filter_settings *settings, struct cdc_error *error);
void items_free(struct sql_items *items);
bool items_apply(const struct sql_item *item, struct cdc_span schema, struct cdc_span table);

/* -- table.c -- */
struct condition {
    struct lite_program *program;
    const struct sql_item *item;
    bool of_change; /* it names old.column: it chooses lines, and not rows */
};
struct assignment {
    struct lite_program *program;
    const struct sql_item *item;
    size_t column; /* of SET: its index; SIZE_MAX: ADD */
    char *type;    /* of ADD: as the schema line has it */
    struct lite_output output;
    bool of_event; /* it names op or ts: what it made of the row before, nobody knows */
    bool of_old;   /* it names old.column */
    bool is_copy;  /* it is a column of the same type, whose value is copied byte for byte */
    /* Of the line in hand: */
    struct {
        size_t start, n; /* in lite_filter.values */
        bool made, json_null;
    } after, before;
    bool unchanged; /* all that it is made of is unchanged, so it is, too */
};
struct sql_table {
    struct cdc_table source; /* FIRST */
    bool looked_up;          /* `items` are known */
    size_t *items, n_items;  /* indexes of those that apply */
    bool defined;            /* a schema line has come */
    bool told;               /* that old rows lack columns */
    struct condition *conditions;
    struct assignment *assignments;
    size_t n_conditions, n_assignments;
    struct cdc_names assigned; /* the columns of the assignments */
    size_t *wanted, n_wanted;  /* columns whose values are looked for, */
    size_t n_named;            /* of which so many are named by expressions, the rest is the key */
    struct cdc_names wanted_by_name;
    struct cdc_span *row, *old; /* their values in the line in hand, by column; p NULL: it has none */
};

struct lite_filter {
    struct lite_filter_settings settings;
    struct sql_items items;
    struct lite_engine *engine;
    struct cdc_tables tables;
    size_t n_names;                                /* of tables, see table.c */
    bool decimals_are_numbers, integers_are_texts; /* as lines so far have them */
    struct cdc_buf values, key, before, after, unchanged, json_null, json_null_old;
};

void sql_tables_init(struct lite_filter *filter);
/* The event's table; BORROWED. */
struct sql_table *sql_tables_find(struct lite_filter *filter, const struct cdc_event *event, struct cdc_error *error);
/* Of a schema line: compiles what applies to the table. CONFIG where it does not fit. */
int sql_tables_define(struct lite_filter *filter, const struct cdc_event *event, struct sql_table **table,
                      struct cdc_error *error);

/* -- line.c: the parts of a row's line that may become others -- */
struct parts {
    enum cdc_op op;
    struct cdc_span key, before, after, unchanged, json_null, json_null_old; /* p NULL: absent */
};
void parts_of(struct parts *parts, const struct cdc_event *event);
/* Appends the event's line with these parts in place of its own: the rest byte for byte. */
void parts_append(struct cdc_buf *out, const struct cdc_event *event, const struct parts *parts);

/* -- rows.c -- */
/* Finds the values of the columns that are named, of `row` and `old` of the table. */
void rows_gather(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event);
/* Has the row all that the program names of it; `old`: it is the old row, and what is named as old is not looked at. */
bool rows_have_all(const struct lite_program *program, const struct cdc_span *row, const struct cdc_span *old);

/* -- where.c -- */
/* KEPT, DROPPED, CHANGED with the parts made anew, or FAILED. rows_gather comes first. */
enum cdc_step_result where_decide(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event,
                                  struct parts *parts, struct cdc_error *error);

/* -- assign.c -- */
/* Puts what --set and --add make into the parts. */
int assign_parts(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event,
                 struct parts *parts, struct cdc_error *error);
/* Appends the schema line with what they make of its columns. */
void assign_schema(struct cdc_buf *out, const struct sql_table *table, const struct cdc_event *event);

#endif
