/* SPDX-License-Identifier: MIT */
/* What the files that print values share; nobody else includes this. */
#ifndef MY_VALUE_INTERNAL_H
#define MY_VALUE_INTERNAL_H

#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/error.h>

/* -- column.c */
/* Sets the error of a column whose bytes in the log make no sense; why: "no decimal in the bytes". Always -1. */
int my_column_damaged(const struct my_column *column, struct cdc_error *error, const char *why);

/* -- number.c */
/* A double as the server writes it into JSON: 1.0 for 1. Infinities and NaN, which JSON does not have, as strings. */
void my_number_append_json_double(struct cdc_buf *out, double value);

/* -- decimal.c */
#define MY_DECIMAL_DIGITS 65 /* the server's limit */
/* Bytes of a DECIMAL; 0 when the server has no such type. */
size_t my_decimal_size(unsigned precision, unsigned scale);
/* The digits of the my_decimal_size bytes at p, as the server prints them, without NUL; text has room for
 * MY_DECIMAL_DIGITS + 3. Returns the length; 0 when the bytes are no decimal of that type. */
size_t my_decimal_text(char *text, const uint8_t *p, unsigned precision, unsigned scale);

/* -- temporal.c */
/* The value bytes p[0..n) of a column of a temporal type, n as my_temporal_size says. PROTOCOL when they are no
 * time. */
int my_temporal_append(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                       struct cdc_error *error);
/* Bytes of a value; 0: the precision is not known. */
size_t my_temporal_size(const struct my_column *column);
/* The 8-byte packed form that JSON documents have, as the text in them, without quotes; false when it is no time. */
bool my_temporal_append_packed(struct cdc_buf *out, enum my_kind kind, int64_t packed);

/* -- compressed.c */
/* *p, *n: the bytes of a value of a COMPRESSED column; afterwards those that they stand for, BORROWED until the
 * thread's next call. PROTOCOL when they are damaged, MEMORY. */
int my_compressed_unpack(const struct my_column *column, const uint8_t **p, size_t *n, struct cdc_error *error);

/* -- json_binary.c */
/* The binary document p[0..n) as JSON text; n = 0 is null. PROTOCOL when it is damaged: then nothing is appended. */
int my_json_append(struct cdc_buf *out, const uint8_t *p, size_t n, struct cdc_error *error);

#endif
