/* SPDX-License-Identifier: MIT */
/* What the files that print values share; nobody else includes this. */
#ifndef MY_VALUE_INTERNAL_H
#define MY_VALUE_INTERNAL_H

#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/error.h>

#define MY_DECIMAL_DIGITS 65 /* the server's limit */

/* Two digits at p; returns the place behind them. value < 100. */
static inline char *my_put2(char *p, uint32_t value)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
    return p + 2;
}

/* -- number.c */
/* A double as the server writes it into JSON: 1.0 for 1. Infinities and NaN, which JSON has not, as strings. */
void my_json_double_append(struct cdc_buf *out, double value);

/* -- decimal.c */
/* Bytes of a DECIMAL; 0 when the server has no such type. */
size_t my_decimal_size(unsigned precision, unsigned scale);
/* The digits of the my_decimal_size bytes at p, as the server prints them; text has room for
 * MY_DECIMAL_DIGITS + 3. Returns the length; 0 when the bytes are none. */
size_t my_decimal_text(char *text, const uint8_t *p, unsigned precision, unsigned scale);

/* -- temporal.c */
/* The value bytes p[0..n) of a column of a temporal type, n as my_temporal_size says. */
int my_temporal_append(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                       struct cdc_error *error);
/* Bytes of a value; 0: the precision is not known. */
size_t my_temporal_size(const struct my_column *column);
/* The server's packed form (of JSON's opaque values) to the text in it, without quotes; false when it is none. */
bool my_packed_time_append(struct cdc_buf *out, enum my_kind kind, int64_t packed);

/* -- json_binary.c */
/* The binary document p[0..n) as JSON text. */
int my_json_append(struct cdc_buf *out, const uint8_t *p, size_t n, struct cdc_error *error);

#endif
