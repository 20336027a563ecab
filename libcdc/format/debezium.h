/* SPDX-License-Identifier: MIT */
/* Debezium's encodings, which its writer and its reader share. */
#ifndef FORMAT_DEBEZIUM_H
#define FORMAT_DEBEZIUM_H

#include "libcdc/format/internal.h"

/* How a value stands in the line. */
enum debezium_wire {
    DEBEZIUM_PLAIN,
    DEBEZIUM_INT,
    DEBEZIUM_TEXT_NUMBER, /* a decimal's digits in a string */
    DEBEZIUM_BIT,         /* bit(1) of PostgreSQL: true or false */
    DEBEZIUM_BITS,        /* base64, the last byte first */
    DEBEZIUM_DATE,        /* days */
    DEBEZIUM_TIME_MS,
    DEBEZIUM_TIME_US,
    DEBEZIUM_TIME_NS,
    DEBEZIUM_TIMESTAMP_MS,
    DEBEZIUM_TIMESTAMP_US,
    DEBEZIUM_TIMESTAMP_NS,
    DEBEZIUM_TIMETZ,
    DEBEZIUM_ISO,  /* a text with a Z that says nothing */
    DEBEZIUM_JSON, /* JSON in a string */
    DEBEZIUM_BYTES,
    DEBEZIUM_DECIMAL,  /* base64 of the digits as an integer; the scale is in the schema */
    DEBEZIUM_VARIABLE, /* {"scale":2,"value":"BNI="} */
    DEBEZIUM_ARRAY
};

#define DEBEZIUM_CHUNK "snapshot:" /* a transaction's id that begins so is that of a chunk of a snapshot */
#define DEBEZIUM_UNAVAILABLE "__debezium_unavailable_value"
#define DEBEZIUM_UNAVAILABLE_BYTES "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==" /* the same in base64 */
#define DEBEZIUM_INFINITY INT64_C(9223372036825200000)
#define DEBEZIUM_MINUS_INFINITY INT64_C(-9223372036832400000)

/* With Debezium's defaults, but decimals and intervals as strings. */
void debezium_set_wire(struct format_column *column);
/* Appends the column's schema in Kafka Connect's JSON. */
void debezium_append_field(struct cdc_buf *out, const struct format_column *column);
/* The wire that a field of such a schema says. */
void debezium_take_field(struct format_column *column, struct cdc_span field);
/* The type as a database would name it, of a field whose schema does not name it. */
const char *debezium_type_of(struct cdc_span field, bool postgres);

#endif
