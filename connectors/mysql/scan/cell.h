/* SPDX-License-Identifier: MIT */
/* A value of the binary protocol, as rows of a prepared statement have it. Its JSON is the same as of the log's value. */
#ifndef MY_CELL_H
#define MY_CELL_H

#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/value_format.h>

/* How a value stands in a row. Its bytes, without a length before them, are what a struct my_cell points to. */
enum my_cell_form {
    MY_CELL_BYTES, /* after their packed length */
    MY_CELL_CLOCK, /* parts of a date or time, after a length of one byte */
    MY_CELL_1,     /* a number of 1, 2, 4 or 8 bytes, little-endian */
    MY_CELL_2,
    MY_CELL_4,
    MY_CELL_8
};

/* The form of a column that the server announces with that type (MYSQL_TYPE_...). -1: the column cannot have it, PROTOCOL. */
int my_cell_form_of(const struct my_column *column, unsigned type, struct cdc_error *error);
/* Appends the JSON of a value that is not NULL. Adds to *unconvertible the characters that UTF-8 has no place for. -1:
 * bytes that its type cannot have, PROTOCOL. */
int my_cell_append(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                   const struct cdc_value_format *format, uint64_t *unconvertible, struct cdc_error *error);

#endif
