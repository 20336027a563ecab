/* SPDX-License-Identifier: MIT */
/* What a DDL statement does to rows. The log has no rows of it, only the text:
 *     ALTER TABLE t DROP PARTITION p      some rows of t are gone, the text does not say which
 *     RENAME TABLE t TO old, new TO t     other rows are in t
 *     DROP TABLE t                        no row is in t
 * TRUNCATE TABLE is not among them (see statement.h), unless its table cannot be read. */
#ifndef MY_EFFECT_H
#define MY_EFFECT_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>
#include <cdc/error.h>

enum my_effect_kind {
    MY_EFFECT_EMPTIES,        /* no row is left under that name */
    MY_EFFECT_ROWS,           /* rows came or went, and nothing says which */
    MY_EFFECT_VALUES,         /* rows that are there may have other values, or another key */
    MY_EFFECT_KEYS,           /* the table has other indexes: one of them may be its key */
    MY_EFFECT_CHECKS,         /* the table has other constraints: by json_valid(c) MariaDB's text is JSON */
    MY_EFFECT_COLUMN_ADDED,   /* all rows have NULL in it */
    MY_EFFECT_COLUMN_DROPPED, /* or renamed */
    MY_EFFECT_COLUMN_CHANGED, /* it has another definition, and may have other values */
    MY_EFFECT_CREATED,        /* it is new, and has no row */
    MY_EFFECT_MADE,           /* a temporary table */
    MY_EFFECT_DROPPED,        /* a temporary table */
    MY_EFFECT_DATABASE,       /* the tables of db are gone; table is empty */
    MY_EFFECT_UNREADABLE,     /* the statement is about tables, and their names cannot be read; both are empty */
    MY_EFFECT_CASCADES        /* a foreign key may change its rows from here on: ON DELETE CASCADE and the like */
};
enum my_effect_statement {
    MY_EFFECT_BY_OTHER, /* which of a temporary table says so: see MADE and DROPPED; what it says else is of others */
    MY_EFFECT_BY_ALTER, /* ALTER TABLE and RENAME TABLE are the same text of a temporary table and of another one */
    MY_EFFECT_BY_RENAME
};
struct my_effect {
    enum my_effect_kind kind;
    enum my_effect_statement by;
    bool renames;                        /* what was `subject` is named `table` from here on */
    const char *what;                    /* for messages: "ALTER TABLE ... DROP PARTITION removed rows of" */
    struct cdc_span db, table;           /* unquoted, BORROWED; db empty when not said */
    struct cdc_span column;              /* of the last three: unquoted, BORROWED */
    struct cdc_span definition;          /* CHANGED: what follows the name, as it stands in the text */
    struct cdc_span subject_db, subject; /* the table that is altered or renamed; of other statements as db and table */
};
/* 0: go on; -1. */
typedef int my_effect_visit(void *context, const struct my_effect *effect, struct cdc_error *error);
/* Calls visit for each effect of the statement, in their order. Of a temporary table, which nobody else sees, where
 * the statement says so, it is made or dropped; for others see `by`. 0, or -1: what visit returned, MEMORY. */
int my_effects_of(const struct my_event_query *query, my_effect_visit *visit, void *context, struct cdc_error *error);

#endif
