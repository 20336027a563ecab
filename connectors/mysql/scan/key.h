/* SPDX-License-Identifier: MIT */
/* A table's primary key as the order in which it is read, and ranges in that order. */
#ifndef MY_KEY_H
#define MY_KEY_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/scan/cell.h"
#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/json.h>
#include <mysql.h>

struct my_key {
    const struct my_table *table; /* BORROWED */
    size_t *columns;              /* of the table, in the key's order; owned */
    size_t n;                     /* 0: the table has no order, and is read in one piece */
    const char *condition;        /* of the rows that are read (condition.h); NULL: all are; BORROWED */
};

/* Where a row stands in that order: its values, as text that a statement and an offset file can hold. Those of strings are
 * in hexadecimal, others as the server prints them: of PRIMARY KEY (id INT, name VARCHAR(9)) 7 and 'ab' are "7\0" "6162\0". */
struct my_key_value {
    struct cdc_buf parts; /* with NUL after each; owned */
    size_t n;             /* 0: no row */
};

/* The rows above after, and not above upto. Where one has no values there is no limit. */
struct my_range {
    struct my_key_value after, upto;
    size_t limit; /* rows, 0: all */
    const char *
        share; /* " FOR SHARE", as the server calls it: they, and the gaps between them, are held until the transaction ends; NULL */
};

/* Finds the primary key, which must be one whose order we can follow; else key->n is 0. The table has its columns. */
int my_key_find(struct my_key *key, const struct my_table *table, MYSQL *mysql, struct cdc_error *error);
void my_key_free(struct my_key *key);
static inline const struct my_column *my_key_column(const struct my_key *key, size_t i)
{
    return &key->table->columns[key->columns[i]];
}

void my_key_value_clear(struct my_key_value *value);
void my_key_value_free(struct my_key_value *value);
/* Memory that is missing shows in to->parts.failed, as for all that append. */
void my_key_value_copy(struct my_key_value *to, const struct my_key_value *from);
/* Appends the next column's value as the server sent it in text form. */
void my_key_value_append(struct my_key_value *value, const struct my_column *column, const void *bytes, size_t n);
/* The same from a row of a prepared statement. */
int my_key_value_append_cell(struct my_key_value *value, const struct my_column *column, const struct my_cell *cell,
                             enum my_cell_form form, struct cdc_error *error);
/* Appends a value that was kept in its text; false when no such column can have it. */
bool my_key_value_restore(struct my_key_value *value, const struct my_column *column, struct cdc_span text);
void my_range_free(struct my_range *range);

/* Appends `a`,`b`. */
void my_key_append_columns(struct cdc_buf *out, const struct my_key *key);
/* Appends ` FORCE INDEX (PRIMARY) WHERE ... ORDER BY ...`, where the table has an order, and the condition; NULL: none. */
void my_key_append_range(struct cdc_buf *out, const struct my_key *key, const struct my_key_value *after,
                         const struct my_key_value *upto, const char *condition);

#endif
