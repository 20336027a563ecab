/* SPDX-License-Identifier: MIT */
/* What is kept of a table's columns, as JSON text: [["name","type","collation",FLAGS],...] */
#ifndef MY_COLUMNS_H
#define MY_COLUMNS_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/error.h>

enum {
    MY_COLUMNS_NULLABLE = 1,
    MY_COLUMNS_KEY = 2, /* listed_key */
    MY_COLUMNS_GENERATED = 4,
    MY_COLUMNS_ROW_END = 8, /* see struct my_table */
    MY_COLUMNS_PERIOD = 16
};
void my_columns_add(struct cdc_buf *columns, const char *name, const char *type, const char *collation, unsigned flags);
void my_columns_end(struct cdc_buf *columns);
/* Compares them with what the log tells of the table (count, names, types, lengths, signs, charsets, NULL), and completes
 * it. 1; 0: they do not fit, *why says in what, and a table that the log names columns of stays as it was;
 * -1. */
int my_columns_apply(struct cdc_span columns, struct my_table *table, enum my_flavor flavor, const char **why,
                     struct cdc_error *error);
/* A *why that holds whenever the server is asked. */
extern const char my_columns_hidden_label[];
/* The type of the column of that very name. RETURNS NEW; NULL where there is none that is not generated, and without memory. */
char *my_columns_type_of(struct cdc_span columns, const char *name, bool *nullable);
/* Of the texts of MariaDB that both lists have, are the same ones JSON? Letters of their names may differ in case. before may have less of
 * some than their type (see follow.h), and be {NULL, 0}: then it is as where_unknown says for those. 1; 0; -1. */
int my_columns_keep_json(struct cdc_span before, struct cdc_span now, bool where_unknown, struct cdc_error *error);
/* Could a column of that type's name have been logged with this type? Only what matters for values is looked at. */
bool my_columns_type_fits(const struct my_column *column, const char *type);

#endif
