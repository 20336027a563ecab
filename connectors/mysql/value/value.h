/* SPDX-License-Identifier: MIT */
/* Values: bytes in, JSON out, the same bytes from the log and from a table that is read. cdc-event(5) says what each
 * type becomes. Where a type is decoded:
 *     column.c        what a column is: its kind, and how many bytes a value has
 *     value.c         from there to each kind; ENUM, SET, binary strings, geometries, addresses
 *     number.c        integers, bits, floating point, vectors
 *     decimal.c       DECIMAL
 *     temporal.c      DATE, TIME, DATETIME, TIMESTAMP
 *     charset.c       texts
 *     json_*.c        JSON: binary, its partial updates, and as text
 *     compressed.c    COMPRESSED columns of MariaDB
 *
 * All functions that append leave memory errors to the buffer's `failed`. */
#ifndef MY_VALUE_H
#define MY_VALUE_H

#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/value_format.h>
#include <cdc/error.h>

/* Appends the value at cursor as JSON and reads over it. column: resolved (my_column_resolve). *unconvertible counts
 * texts that came out as base64. 0 or -1: PROTOCOL when the bytes do not fit, CONFIG when an old temporal's digits
 * are not known; then the caller takes back what was appended. */
int my_value_append(struct cdc_buf *out, const struct my_column *column, struct cdc_bytes *cursor,
                    const struct cdc_value_format *format, uint64_t *unconvertible, struct cdc_error *error);
/* Reads over it, with the same errors for its length; its content is not looked at. */
int my_value_skip(const struct my_column *column, struct cdc_bytes *cursor, struct cdc_error *error);
/* A value of a partial JSON update: diffs (as in the log) applied to before (the binary JSON of the before image).
 * Appends the whole new document. 1; 0 when there is no document before it (before.p NULL), so that nothing is
 * known: nothing is appended; -1: PROTOCOL when one of both is damaged, or they do not fit together. */
int my_value_apply_json_diffs(struct cdc_buf *out, struct cdc_span before, struct cdc_span diffs,
                              struct cdc_error *error);

/* -- parts: the snapshot has values from a result set, which must become the same bytes as the log's ------------- */

struct my_time {
    bool negative; /* of TIME */
    uint32_t year, month, day, hour, minute, second, microsecond;
};
/* kind DATE, TIME, DATETIME, TIMESTAMP (in UTC); decimals 0..6. Zero and partial dates are written as the server
 * does. */
void my_value_append_time(struct cdc_buf *out, enum my_kind kind, const struct my_time *time, int decimals);
/* The shortest digits that read back the same; infinities and NaN as strings. */
void my_value_append_float(struct cdc_buf *out, float value);
void my_value_append_double(struct cdc_buf *out, double value);
/* bits: of a signed number in two's complement, 64 of them. */
void my_value_append_integer(struct cdc_buf *out, uint64_t bits, bool is_unsigned,
                             const struct cdc_value_format *format);
/* Digits as the server prints them; leading zeros (ZEROFILL) are dropped. */
void my_value_append_decimal(struct cdc_buf *out, struct cdc_span digits, const struct cdc_value_format *format);
/* The lowest `bits` bits of a big-endian number. */
void my_value_append_bits(struct cdc_buf *out, const uint8_t *bytes, size_t n, unsigned bits);
/* SRID as a little-endian u32, then WKB; fewer than 4 bytes are null. */
void my_value_append_geometry(struct cdc_buf *out, const uint8_t *bytes, size_t n);
/* float32s, little-endian. */
void my_value_append_vector(struct cdc_buf *out, const uint8_t *bytes, size_t n);
/* A base64 string. */
void my_value_append_binary(struct cdc_buf *out, const uint8_t *bytes, size_t n);
/* JSON as the server prints it ({"a": 1}), on one line without white space: the very bytes that my_value_append writes
 * for the binary form. What is no JSON, or too deep for readers of lines, becomes a string. */
void my_value_append_json(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible);
/* The same for the bytes of a column of kind JSON_TEXT, which are in its charset. */
void my_value_append_json_text(struct cdc_buf *out, const struct my_column *column, const uint8_t *bytes, size_t n,
                               uint64_t *unconvertible);

#endif
