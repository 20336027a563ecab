/* SPDX-License-Identifier: MIT */
/* What an ALTER TABLE does to the list of a table's columns: names and order, not types. An example:
 *     ALTER TABLE t DROP a, CHANGE b c BIGINT, ADD d INT AFTER id     DROP a; CHANGE b to c; ADD d after id */
#ifndef MY_COLUMN_EDITS_H
#define MY_COLUMN_EDITS_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stdbool.h>
#include <stddef.h>

enum my_column_edit_kind { MY_COLUMN_ADD, MY_COLUMN_DROP, MY_COLUMN_CHANGE };
struct my_column_edit {
    enum my_column_edit_kind kind;
    bool conditional; /* IF EXISTS, IF NOT EXISTS */
    bool defined;     /* CHANGE: the column has another definition, not only another name */
    bool first;
    char *name;     /* ADD: of the new column; else what it was */
    char *new_name; /* CHANGE; it may be the same */
    char *after;    /* the column that it comes after; NULL: none is said */
    char *
        type; /* of ADD and CHANGE, as information_schema has it, but for display widths: int unsigned, decimal(10,2), datetime(6);
                       NULL: another definition than of a plain number, date or time */
    bool nullable; /* where there is a type */
};
/* In the statement's order. A server drops and changes first, by the names of before, and then adds, one after the other. */
struct my_column_edits {
    char *db; /* NULL when not said */
    char *table;
    struct my_column_edit *items;
    size_t n;
};
/* sql in UTF-8. 1: the statement is an ALTER TABLE, and that is all it does to columns and to the primary key; 0: it is not, or cannot be
 * told without the session's SQL mode; -1: out of memory. To be freed in any case. */
int my_column_edits_read(struct my_column_edits *edits, struct cdc_span sql, struct cdc_error *error);
void my_column_edits_free(struct my_column_edits *edits);

#endif
