/* SPDX-License-Identifier: MIT */
/* Values: the server's text form as JSON. */
#ifndef PG_TYPES_H
#define PG_TYPES_H

#include <cdc/buf.h>
#include <cdc/value_format.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pg_kind {
    PG_TEXT,
    PG_BOOL,
    PG_INTEGER,
    PG_INT8,
    PG_FLOAT,
    PG_NUMERIC,
    PG_BYTEA,
    PG_JSON,
    PG_TIMESTAMP,
    PG_TIMESTAMPTZ,
    PG_INTERVAL,
    PG_ARRAY,
    PG_COMPOSITE,
    PG_HSTORE,
    PG_VECTOR,  /* of pgvector, vector and halfvec: [1,2.5] */
    PG_GEOMETRY /* of PostGIS: EWKB in hexadecimal */
};
struct pg_composite;
#define PG_NESTED_MAX 3
struct pg_type {
    enum pg_kind kind;
    enum pg_kind element; /* of PG_ARRAY; of the innermost one, where nested */
    char delimiter;       /* of PG_ARRAY: ',' (';' for box) */
    /* Of PG_ARRAY: its elements are values of an array type themselves, by way of a domain (int[] of a domain that is int[]),
     * so many levels, and their delimiters. {{1,2}} has two dimensions of one array; {"{1,2}"} is an array of such arrays. */
    uint8_t nested;
    char nested_delimiters[PG_NESTED_MAX];
    bool inner;                           /* it is such an element */
    const struct pg_composite *composite; /* where kind or element is PG_COMPOSITE. BORROWED: the table's */
};
struct pg_field {
    struct cdc_buf name_json; /* "\"name\":" ready to append */
    uint32_t type_oid;
    int32_t typmod;
    struct pg_type type;
};
/* A composite type: its fields in the order of their values. */
struct pg_composite {
    uint32_t oid;
    size_t n;
    struct pg_field *fields;
};
void pg_composite_free(struct pg_composite *composite); /* may be NULL */
/* By type oid alone: built-in types and their arrays; unknown ones are PG_TEXT. */
struct pg_type pg_type_of(uint32_t oid);
/* A built-in type by its name in pg_catalog ("int4", "_text"): what a domain is made of. */
struct pg_type pg_type_named(const char *name);
/* Is a value of json or jsonb JSON's null, and nothing else? json keeps the blanks that it was given. */
bool pg_json_is_null(const char *text, size_t n);
/* Values that lines have in another form than their type's. */
struct pg_value_counts {
    uint64_t unconvertible; /* bytes that are not UTF-8, as base64 */
    uint64_t json_texts;    /* JSON that readers of events would refuse (a lone surrogate, too deep), as a string */
};
/* Appends the server's text form (of a session that connection.c has pinned) as JSON, as cdc-event(5) says.
 * Values that it cannot write as what they are are added to counts. */
void pg_value_append(struct cdc_buf *out, struct pg_type type, const struct cdc_value_format *format, const char *text,
                     size_t n, struct pg_value_counts *counts);

#endif
