/* SPDX-License-Identifier: MIT */
/* A value of a rows event as JSON: how many bytes it takes depends on its column's type, how it looks on its
 * column's kind (sql/field.cc, pack and unpack, of either server). */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>

/* -- the bytes of a value --------------------------------------------------------------- */

static int unknown_precision(const struct my_column *column, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "column %s: its digits of a second are not known",
                  column->name == NULL ? "?" : column->name);
    return cdc_error_hint(error, "ALTER TABLE ... FORCE with mysql56_temporal_format=ON brings it into the newer form");
}

/* Reads over the value: its bytes, without the length before them. */
static inline int take(const struct my_column *column, struct cdc_bytes *cursor, const uint8_t **p, size_t *n,
                       struct cdc_error *error)
{
    *n = column->fixed_size;
    if (column->length_size != 0)
        *n = (size_t)cdc_bytes_le(cursor, column->length_size);
    else if (*n == 0)
        return unknown_precision(column, error);
    *p = cdc_bytes_take(cursor, *n);
    return cursor->bad ? my_column_damaged(column, error, "its value is longer than the event") : 0;
}

int my_value_skip(const struct my_column *column, struct cdc_bytes *cursor, struct cdc_error *error)
{
    const uint8_t *p;
    size_t n;
    return take(column, cursor, &p, &n, error);
}

/* -- kinds ------------------------------------------------------------------------------------ */

static void append_integer(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                           const struct cdc_value_format *format)
{
    uint64_t bits = cdc_little_endian(p, n);
    unsigned unused = 64 - 8 * (unsigned)n;
    if (!column->is_unsigned) /* the sign bit moves to the top, and its copies come down */
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    my_value_append_integer(out, bits, column->is_unsigned, format);
}

static void append_floating(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    float single;
    double value;
    uint64_t bits = cdc_little_endian(p, n);
    uint32_t half = (uint32_t)bits;
    memcpy(&single, &half, sizeof single);
    memcpy(&value, &bits, sizeof value);
    if (n == sizeof single)
        my_value_append_float(out, single);
    else
        my_value_append_double(out, value);
}

static int append_decimal(struct cdc_buf *out, const struct my_column *column, const uint8_t *p,
                          const struct cdc_value_format *format, struct cdc_error *error)
{
    char text[MY_DECIMAL_DIGITS + 3];
    size_t n = my_decimal_text(text, p, column->precision, (unsigned)column->decimals);
    if (n == 0)
        return my_column_damaged(column, error, "no decimal in the bytes of the log");
    my_value_append_decimal(out, cdc_span(text, n), format);
    return 0;
}

/* An ENUM is the number of its label, from 1 on. */
static int append_label(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                        uint64_t *unconvertible, struct cdc_error *error)
{
    uint64_t number = cdc_little_endian(p, n);
    if (number == 0) { /* what the server stores for a value that is none of the list */
        cdc_buf_lit(out, "\"\"");
        return 0;
    }
    if (number > column->n_labels)
        return my_column_damaged(column, error, "an ENUM value beyond its list");
    struct cdc_span label = column->labels[number - 1];
    my_charset_append(out, NULL, (const uint8_t *)label.p, label.n, unconvertible);
    return 0;
}

/* The labels of those bits, one after the other: bytes that are no UTF-8 are base64 as a whole. */
static void append_joined(struct cdc_buf *out, const struct my_column *column, uint64_t bits, uint64_t *unconvertible)
{
    struct cdc_buf text = CDC_BUF_INIT;
    for (size_t i = 0; i < 64 && bits >> i != 0; i++) {
        if (!(bits >> i & 1))
            continue;
        cdc_buf_text(&text, text.len ? "," : "");
        cdc_buf_span(&text, column->labels[i]);
    }
    if (text.failed)
        out->failed = true;
    else
        my_charset_append(out, NULL, (const uint8_t *)text.data, text.len, unconvertible);
    cdc_buf_free(&text);
}

/* A SET is a bit for each label: 05 of set('a','b','c') is "a,c". The server puts no comma after nothing: 03 of set('','b') is
 * "b". */
static int append_labels(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                         uint64_t *unconvertible, struct cdc_error *error)
{
    uint64_t bits = cdc_little_endian(p, n), invalid = 0;
    size_t begin = out->len;
    if (column->n_labels < 64 && bits >> column->n_labels != 0)
        return my_column_damaged(column, error, "a SET value beyond its list");
    cdc_buf_byte(out, '"');
    for (size_t i = 0; i < 64 && bits >> i != 0; i++) {
        if (!(bits >> i & 1))
            continue;
        if (out->len != begin + 1)
            cdc_buf_byte(out, ',');
        struct cdc_span label = column->labels[i];
        size_t start = out->len;
        my_charset_append(out, NULL, (const uint8_t *)label.p, label.n, &invalid);
        if (out->failed)
            return 0;
        if (invalid != 0) {
            out->len = begin;
            append_joined(out, column, bits, unconvertible);
            return 0;
        }
        /* one string of all of them: without the quotes of each */
        memmove(out->data + start, out->data + start + 1, out->len - start - 2);
        out->len -= 2;
    }
    cdc_buf_byte(out, '"');
    return 0;
}

/* Values of fixed length lose their trailing zeros in the log: ::1 has sixteen bytes, 10.0.0.0 only one. whole: room
 * for the value where zeros are put back. */
static const uint8_t *padded(uint8_t whole[16], const struct my_column *column, const uint8_t *p, size_t n)
{
    memset(whole, 0, 16);
    memcpy(whole, p, n);
    return n < column->length ? whole : p;
}

static void append_uuid(struct cdc_buf *out, const uint8_t *p)
{
    static const char hex[] = "0123456789abcdef";
    if (!cdc_buf_room(out, 38))
        return;
    char *to = out->data + out->len;
    *to++ = '"';
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[p[i] >> 4];
        *to++ = hex[p[i] & 15];
    }
    *to = '"';
    out->len += 38;
}

static void append_inet4(struct cdc_buf *out, const uint8_t *p)
{
    for (int i = 0; i < 4; i++) {
        if (i != 0)
            cdc_buf_byte(out, '.');
        cdc_buf_u64(out, p[i]);
    }
}

/* As the server prints it (sql/sql_type_inet.cc): the first of the longest runs of zeros becomes "::", even a run of
 * one, which RFC 5952 does not allow; addresses that hold one of IPv4 end in it (::ffff:10.0.0.1). */
static void append_inet6(struct cdc_buf *out, const uint8_t *p)
{
    int run = -1, run_length = 0;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && p[2 * (i + n)] == 0 && p[2 * (i + n) + 1] == 0)
            n++;
        if (n > run_length) {
            run = i;
            run_length = n;
        }
    }
    bool mapped = run == 0 && (run_length == 6 || (run_length == 5 && p[10] == 0xff && p[11] == 0xff));
    for (int i = 0; i < 8; i++) {
        if (i == run) {
            cdc_buf_lit(out, "::");
            i += run_length - 1;
            continue;
        }
        if (i != 0 && (run < 0 || i != run + run_length))
            cdc_buf_byte(out, ':');
        if (i == 6 && mapped) {
            append_inet4(out, p + 12);
            return;
        }
        cdc_buf_printf(out, "%x", (unsigned)p[2 * i] << 8 | p[2 * i + 1]);
    }
}

void my_value_append_binary(struct cdc_buf *out, const uint8_t *bytes, size_t n)
{
    cdc_buf_byte(out, '"');
    cdc_buf_base64(out, bytes, n);
    cdc_buf_byte(out, '"');
}

/* Bytes; those of BINARY(n) with the zeros that the log omits. Base64 takes three bytes at a time: `edge` are those
 * where the value ends and its zeros begin. */
static void append_binary(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n)
{
    uint8_t edge[3] = {0, 0, 0};
    if (column->type != MY_TYPE_STRING || n >= column->length) {
        my_value_append_binary(out, p, n);
        return;
    }
    size_t whole = n / 3 * 3, rest = column->length - whole;
    cdc_buf_byte(out, '"');
    cdc_buf_base64(out, p, whole);
    memcpy(edge, p + whole, n - whole);
    cdc_buf_base64(out, edge, rest < 3 ? rest : 3);
    for (size_t left = rest < 3 ? 0 : rest - 3; left > 0; left -= left < 3 ? left : 3)
        cdc_buf_base64(out, "\0\0", left < 3 ? left : 3);
    cdc_buf_byte(out, '"');
}

/* A string of MariaDB's that stands for an address. */
static int append_address(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                          struct cdc_error *error)
{
    uint8_t whole[16];
    if (n > column->length || n > sizeof whole)
        return my_column_damaged(column, error, "its value is longer than its type");
    p = padded(whole, column, p, n);
    if (column->kind == MY_KIND_UUID) {
        append_uuid(out, p);
        return 0;
    }
    cdc_buf_byte(out, '"');
    if (column->kind == MY_KIND_INET4)
        append_inet4(out, p);
    else
        append_inet6(out, p);
    cdc_buf_byte(out, '"');
    return 0;
}

void my_value_append_geometry(struct cdc_buf *out, const uint8_t *bytes, size_t n)
{
    if (n < 4) {
        cdc_buf_lit(out, "null");
        return;
    }
    cdc_buf_lit(out, "{\"srid\":");
    cdc_buf_u64(out, cdc_little_endian(bytes, 4));
    cdc_buf_lit(out, ",\"wkb\":");
    my_value_append_binary(out, bytes + 4, n - 4);
    cdc_buf_byte(out, '}');
}

/* -- a column's value ----------------------------------------------------------------------------------- */

/* The rare kinds, apart from the others so that the common path stays small. */
static int append_other(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                        uint64_t *unconvertible, struct cdc_error *error)
{
    switch (column->kind) {
    case MY_KIND_BIT: my_value_append_bits(out, p, n, column->length); return 0;
    case MY_KIND_YEAR: cdc_buf_u64(out, column->length == 2 ? *p % 100u : *p == 0 ? 0 : 1900u + *p); return 0;
    case MY_KIND_ENUM: return append_label(out, column, p, n, unconvertible, error);
    case MY_KIND_SET: return append_labels(out, column, p, n, unconvertible, error);
    case MY_KIND_JSON_TEXT: my_value_append_json_text(out, column, p, n, unconvertible); return 0;
    case MY_KIND_GEOMETRY:
        if (n != 0 && n < 4)
            return my_column_damaged(column, error, "a geometry without its SRID");
        my_value_append_geometry(out, p, n);
        return 0;
    case MY_KIND_VECTOR:
        if (n % 4 != 0)
            return my_column_damaged(column, error, "a vector that ends within a number");
        my_value_append_vector(out, p, n);
        return 0;
    case MY_KIND_UUID:
    case MY_KIND_INET4:
    case MY_KIND_INET6: return append_address(out, column, p, n, error);
    default: return my_column_damaged(column, error, "its kind is not known");
    }
}

int my_value_append(struct cdc_buf *out, const struct my_column *column, struct cdc_bytes *cursor,
                    const struct cdc_value_format *format, uint64_t *unconvertible, struct cdc_error *error)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    if (take(column, cursor, &p, &n, error) < 0)
        return -1;
    if (column->type == MY_TYPE_MARIADB_VARCHAR_COMPRESSED || column->type == MY_TYPE_MARIADB_BLOB_COMPRESSED)
        if (my_compressed_unpack(column, &p, &n, error) < 0)
            return -1;
    switch (column->kind) {
    case MY_KIND_INTEGER: append_integer(out, column, p, n, format); return 0;
    case MY_KIND_FLOAT:
    case MY_KIND_DOUBLE: append_floating(out, p, n); return 0;
    case MY_KIND_DECIMAL: return append_decimal(out, column, p, format, error);
    case MY_KIND_DATE:
    case MY_KIND_TIME:
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP:
    case MY_KIND_OLD_TEMPORAL: return my_temporal_append(out, column, p, n, error);
    case MY_KIND_TEXT: my_column_append_text(out, column, p, n, unconvertible); return 0;
    case MY_KIND_BINARY: append_binary(out, column, p, n); return 0;
    case MY_KIND_JSON: return my_json_append(out, p, n, error);
    default: return append_other(out, column, p, n, unconvertible, error);
    }
}
