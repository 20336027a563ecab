/* SPDX-License-Identifier: MIT */
/* Values: bytes in, JSON out, the same bytes from the log and from a table that is read. cdc-event(5) says what each type
 * becomes. */
#ifndef MY_VALUE_H
#define MY_VALUE_H

#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* Appends the value at reader as JSON (cdc-event(5)) and steps over it. PROTOCOL when the bytes do not fit, CONFIG when an
 * old temporal's digits are not known: what was appended until then is the caller's to take back. */
int my_value_append(struct cdc_buf *out, const struct my_column *column, struct cdc_bytes *cursor,
                    const struct cdc_value_format *style, uint64_t *unconvertible, struct cdc_error *error);
/* Steps over it. */
int my_value_skip(const struct my_column *column, struct cdc_bytes *cursor, struct cdc_error *error);
/* A value of a partial JSON update: diffs (their bytes) applied to before (the binary JSON of the before image). Appends
 * the whole new document. 1; 0 when before is not there (before.p NULL): nothing appended, the column is unchanged-unknown. */
int my_value_apply_json(struct cdc_buf *out, struct cdc_span before, struct cdc_span diffs, struct cdc_error *error);

/* The parts, for the snapshot, whose values must be the same bytes as the log's. */
struct my_time {
    bool negative;
    uint32_t year, month, day, hour, minute, second, microsecond;
};
/* kind DATE, TIME, DATETIME, TIMESTAMP; decimals 0..6. Zero and partial dates are written as the server does. */
void my_value_append_time(struct cdc_buf *out, enum my_kind kind, const struct my_time *time, int decimals);
void my_value_append_float(struct cdc_buf *out, float value); /* shortest that reads back the same */
void my_value_append_double(struct cdc_buf *out, double value);
void my_value_append_integer(struct cdc_buf *out, uint64_t bits, bool is_unsigned,
                             const struct cdc_value_format *style);
/* Digits as the server prints them. */
void my_value_append_decimal(struct cdc_buf *out, struct cdc_span digits, const struct cdc_value_format *style);
void my_value_append_bits(struct cdc_buf *out, const uint8_t *bytes, size_t n, unsigned bits); /* big-endian */
void my_value_append_geometry(struct cdc_buf *out, const uint8_t *bytes, size_t n); /* SRID u32, WKB; "" is null */
void my_value_append_vector(struct cdc_buf *out, const uint8_t *bytes, size_t n);   /* float32s */
void my_value_append_binary(struct cdc_buf *out, const uint8_t *bytes, size_t n);   /* base64 string */
/* MySQL's JSON as the server prints it ({"a": 1}), on one line without white space, the very bytes that
 * my_value_append writes for the binary form. */
void my_value_append_json_text(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible);

#endif
