/* SPDX-License-Identifier: MIT */
/* The layout of MySQL's binary JSON, for the files that print a document and those that change one (mysql-server,
 * sql-common/json_binary.h, has the grammar). {"a":[1,2]} as a small object, offsets in two bytes:
 *
 *     00                 type of the document: small object
 *     01 00  16 00       one member; 22 bytes, counted from here on, as all offsets are
 *     0b 00  01 00       its key is at 11, one byte long
 *     02  0c 00          its value is a small array, at 12
 *     61                 "a"
 *     02 00  0a 00       two elements; 10 bytes, counted from here
 *     05 01 00           int16 1, inline: it fits where an offset would be
 *     05 02 00           int16 2
 *
 * Large containers are the same with four bytes for counts, sizes and offsets. Keys are sorted by length, then
 * bytes. */
#ifndef MY_JSON_INTERNAL_H
#define MY_JSON_INTERNAL_H

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

enum my_json_type {
    MY_JSON_SMALL_OBJECT,
    MY_JSON_LARGE_OBJECT,
    MY_JSON_SMALL_ARRAY,
    MY_JSON_LARGE_ARRAY,
    MY_JSON_LITERAL, /* null, true, false: 0, 1, 2 */
    MY_JSON_INT16,
    MY_JSON_UINT16,
    MY_JSON_INT32,
    MY_JSON_UINT32,
    MY_JSON_INT64,
    MY_JSON_UINT64,
    MY_JSON_DOUBLE,
    MY_JSON_STRING,
    MY_JSON_OPAQUE = 15 /* a value of an SQL type that JSON does not have: DECIMAL, DATETIME, BLOB, ... */
};

enum { MY_JSON_DEPTH = 100 }; /* of containers in each other: the server's own limit */

/* A value within a document: its type, and the bytes from its first to the end of what is around it. */
struct my_json_value {
    uint8_t type; /* enum my_json_type, if the document is sound */
    const uint8_t *p;
    size_t n;
};

/* In a damaged document two values could share bytes, so that a small one would unfold without end. So whatever is
 * printed, or unfolded, spends its bytes of a budget, and a document that wants more than it has is damaged. */
struct my_json_printer {
    struct cdc_buf *out;
    size_t budget; /* bytes of the document that are not spent */
};
static inline bool my_json_spend(size_t *budget, size_t n)
{
    if (*budget < n)
        return false;
    *budget -= n;
    return true;
}

/* -- json_binary.c */
/* Sets the error; -1. */
int my_json_damaged(struct cdc_error *error);
/* depth: of the value itself if it is a container, the document's being 1. False when it is damaged. */
bool my_json_print(struct my_json_printer *printer, const struct my_json_value *value, int depth);
/* A JSON string of the bytes; false when they are not UTF-8. */
bool my_json_print_text(struct cdc_buf *out, const uint8_t *p, size_t n);

/* -- containers: inline, for each member of each document goes through these */
struct my_json_container {
    const uint8_t *p;
    size_t size, count, width, values; /* width: of an offset; values: where the value entries begin */
    bool object;
};

static inline bool my_json_is_container(uint8_t type)
{
    return type <= MY_JSON_LARGE_ARRAY;
}

/* False when its entries would not fit into it. */
static inline bool my_json_open(struct my_json_container *c, const struct my_json_value *value)
{
    c->p = value->p;
    c->object = value->type == MY_JSON_SMALL_OBJECT || value->type == MY_JSON_LARGE_OBJECT;
    c->width = value->type == MY_JSON_LARGE_OBJECT || value->type == MY_JSON_LARGE_ARRAY ? 4 : 2;
    if (value->n < 2 * c->width)
        return false;
    c->count = (size_t)cdc_little_endian(c->p, c->width);
    c->size = (size_t)cdc_little_endian(c->p + c->width, c->width);
    c->values = 2 * c->width + (c->object ? c->count * (c->width + 2) : 0);
    return c->size <= value->n && c->count < c->size && c->values + c->count * (c->width + 1) <= c->size;
}

/* The i-th key (i < count), BORROWED; false when it is not within the container. */
static inline bool my_json_key_at(const struct my_json_container *c, size_t i, struct cdc_span *key)
{
    const uint8_t *entry = c->p + 2 * c->width + i * (c->width + 2);
    size_t offset = (size_t)cdc_little_endian(entry, c->width);
    size_t n = (size_t)cdc_little_endian(entry + c->width, 2);
    if (offset > c->size || n > c->size - offset)
        return false;
    *key = cdc_span((const char *)c->p + offset, n);
    return true;
}

/* The i-th value (i < count), BORROWED; false when it is not within the container. */
static inline bool my_json_value_at(const struct my_json_container *c, size_t i, struct my_json_value *value)
{
    const uint8_t *entry = c->p + c->values + i * (c->width + 1);
    value->type = entry[0];
    bool is_inline = value->type == MY_JSON_LITERAL || value->type == MY_JSON_INT16 || value->type == MY_JSON_UINT16 ||
                     ((value->type == MY_JSON_INT32 || value->type == MY_JSON_UINT32) && c->width == 4);
    if (is_inline) {
        value->p = entry + 1;
        value->n = c->width;
        return true;
    }
    size_t offset = (size_t)cdc_little_endian(entry + 1, c->width);
    if (offset < c->values || offset >= c->size) /* always forward: no value holds itself */
        return false;
    value->p = c->p + offset;
    value->n = c->size - offset;
    return true;
}

#endif
