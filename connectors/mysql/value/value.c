/* SPDX-License-Identifier: MIT */
/* A value of a rows event as JSON: how many bytes it takes is its type's business, how it looks its column's kind's
 * (sql/field.cc, pack and unpack; the table in sql/rpl_utility.h of what metadata says). */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

static int bad_value(const struct my_column *column, struct cdc_error *error, const char *why)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: %s", column->name == NULL ? "?" : column->name, why);
}

void my_column_free(struct my_column *column)
{
    free(column->name);
    free(column->type_name);
    cdc_buf_free(&column->name_json);
    for (size_t i = 0; i < column->n_labels; i++)
        free(column->labels[i]);
    free(column->labels);
    *column = (struct my_column){0};
}

/* -- what a column is ---------------------------------------------------------------- */

/* Is that the type's name, whatever stands in parentheses or behind it? */
static bool type_is(const struct my_column *column, const char *name)
{
    size_t n = strlen(name);
    return column->type_name != NULL && strncasecmp(column->type_name, name, n) == 0 &&
           !isalnum((unsigned char)column->type_name[n]);
}

/* The number in the parentheses of "datetime(3)"; 0 when there is none. */
static unsigned type_argument(const struct my_column *column)
{
    const char *open = column->type_name == NULL ? NULL : strchr(column->type_name, '(');
    unsigned long value = open == NULL ? 0 : strtoul(open + 1, NULL, 10);
    return value > UINT16_MAX ? UINT16_MAX : (unsigned)value;
}

static bool is_binary(const struct my_column *column)
{
    static const char *const names[] = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"};
    if (column->charset != NULL)
        return my_charset_is_binary(column->charset);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (type_is(column, names[i]))
            return true;
    return false;
}

/* MariaDB's own types hide behind strings in the log. */
static enum my_kind string_kind(struct my_column *column, enum my_flavor flavor)
{
    bool fixed = column->type == MY_TYPE_STRING;
    if (flavor == MY_FLAVOR_MARIADB) {
        if (fixed && type_is(column, "uuid") && column->length == 16)
            return MY_KIND_UUID;
        if (fixed && type_is(column, "inet6") && column->length == 16)
            return MY_KIND_INET6;
        if (fixed && type_is(column, "inet4") && column->length == 4)
            return MY_KIND_INET4;
        if (type_is(column, "json"))
            return MY_KIND_JSON_TEXT;
        if (column->type == MY_TYPE_VARCHAR && type_is(column, "vector")) {
            column->length /= 4;
            return MY_KIND_VECTOR;
        }
    }
    return is_binary(column) ? MY_KIND_BINARY : MY_KIND_TEXT;
}

static int settle_decimal(struct my_column *column, struct cdc_error *error)
{
    unsigned precision = column->metadata & 0xff, scale = column->metadata >> 8;
    if (my_decimal_size(precision, scale) == 0)
        return bad_value(column, error, "precision and scale that no decimal has");
    column->kind = MY_KIND_DECIMAL;
    column->precision = (uint8_t)precision;
    column->decimals = (int8_t)scale;
    return 0;
}

static int settle_bits(struct my_column *column, struct cdc_error *error)
{
    unsigned bits = (column->metadata & 0xffu) + 8u * (column->metadata >> 8);
    if (bits == 0 || bits > 64 || (column->metadata & 0xff) > 7)
        return bad_value(column, error, "more bits than the server allows");
    column->kind = MY_KIND_BIT;
    column->length = bits;
    return 0;
}

static int settle_temporal(struct my_column *column, enum my_kind kind, struct cdc_error *error)
{
    column->kind = kind;
    column->decimals = (int8_t)(column->metadata <= 6 ? column->metadata : 7);
    return column->decimals <= 6 ? 0 : bad_value(column, error, "more than six digits of a second");
}

/* Of before MySQL 5.6. In MariaDB these codes may also have fractions, and the log does not say which. */
static void settle_old_temporal(struct my_column *column, enum my_kind kind, enum my_flavor flavor)
{
    column->kind = flavor == MY_FLAVOR_MYSQL ? kind : MY_KIND_OLD_TEMPORAL;
    column->decimals = 0;
    if (flavor == MY_FLAVOR_MARIADB) {
        unsigned digits = type_argument(column);
        column->decimals = (int8_t)(column->type_name == NULL || digits > 6 ? -1 : (int)digits);
    }
}

/* most: bytes of a length, an ENUM's number or a SET's bits. */
static int settle_sized(struct my_column *column, enum my_kind kind, unsigned most, struct cdc_error *error)
{
    column->kind = kind;
    if (column->metadata >= 1 && column->metadata <= most)
        return 0;
    return bad_value(column, error, "a length of so many bytes is not known");
}

/* Bytes of the length before a value; 0: its size is fixed. */
static size_t prefix_size(const struct my_column *column)
{
    switch (column->type) {
    case MY_TYPE_STRING:
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED: return column->metadata > 255 ? 2 : 1;
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED:
    case MY_TYPE_JSON:
    case MY_TYPE_GEOMETRY:
    case MY_TYPE_VECTOR: return column->metadata;
    default: return 0;
    }
}

/* 0: not known. */
static size_t fixed_size(const struct my_column *column)
{
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_YEAR: return 1;
    case MY_TYPE_SHORT: return 2;
    case MY_TYPE_INT24: return 3;
    case MY_TYPE_LONG:
    case MY_TYPE_FLOAT: return 4;
    case MY_TYPE_LONGLONG:
    case MY_TYPE_DOUBLE: return 8;
    case MY_TYPE_DECIMAL: return my_decimal_size(column->precision, (unsigned)column->decimals);
    case MY_TYPE_BIT: return (column->length + 7) / 8;
    case MY_TYPE_ENUM:
    case MY_TYPE_SET: return column->metadata;
    default: return my_temporal_size(column);
    }
}

static int settle_kind(struct my_column *column, enum my_flavor flavor, struct cdc_error *error)
{
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_SHORT:
    case MY_TYPE_INT24:
    case MY_TYPE_LONG:
    case MY_TYPE_LONGLONG: column->kind = MY_KIND_INTEGER; return 0;
    case MY_TYPE_FLOAT: column->kind = MY_KIND_FLOAT; return 0;
    case MY_TYPE_DOUBLE: column->kind = MY_KIND_DOUBLE; return 0;
    case MY_TYPE_YEAR:
        column->kind = MY_KIND_YEAR;
        column->length = column->type_name && strcmp(column->type_name, "year(2)") == 0 ? 2 : 4;
        return 0;
    case MY_TYPE_DATE:
        column->kind = MY_KIND_DATE;
        column->decimals = 0;
        return 0;
    case MY_TYPE_DECIMAL: return settle_decimal(column, error);
    case MY_TYPE_BIT: return settle_bits(column, error);
    case MY_TYPE_TIME2: return settle_temporal(column, MY_KIND_TIME, error);
    case MY_TYPE_DATETIME2: return settle_temporal(column, MY_KIND_DATETIME, error);
    case MY_TYPE_TIMESTAMP2: return settle_temporal(column, MY_KIND_TIMESTAMP, error);
    case MY_TYPE_TIME: settle_old_temporal(column, MY_KIND_TIME, flavor); return 0;
    case MY_TYPE_DATETIME: settle_old_temporal(column, MY_KIND_DATETIME, flavor); return 0;
    case MY_TYPE_TIMESTAMP: settle_old_temporal(column, MY_KIND_TIMESTAMP, flavor); return 0;
    case MY_TYPE_STRING:
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED:
        column->length = column->metadata;
        column->kind = string_kind(column, flavor);
        return 0;
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: return settle_sized(column, string_kind(column, flavor), 4, error);
    case MY_TYPE_ENUM: return settle_sized(column, MY_KIND_ENUM, 2, error);
    case MY_TYPE_SET: return settle_sized(column, MY_KIND_SET, 8, error);
    case MY_TYPE_JSON: return settle_sized(column, MY_KIND_JSON, 4, error);
    case MY_TYPE_GEOMETRY: return settle_sized(column, MY_KIND_GEOMETRY, 4, error);
    case MY_TYPE_VECTOR: return settle_sized(column, MY_KIND_VECTOR, 4, error);
    default:
        return cdc_error_set(error, CDC_EXIT_CONFIG, "column %s: its type (%u in the log) is not known",
                             column->name == NULL ? "?" : column->name, column->type);
    }
}

int my_column_settle(struct my_column *column, enum my_flavor flavor, struct cdc_error *error)
{
    if (settle_kind(column, flavor, error) < 0)
        return -1;
    column->length_size = (uint8_t)prefix_size(column);
    column->fixed_size = column->length_size ? 0 : (uint16_t)fixed_size(column);
    return 0;
}

/* -- the bytes of a value --------------------------------------------------------------- */

static int unknown_precision(const struct my_column *column, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "column %s: its digits of a second are not known",
                  column->name == NULL ? "?" : column->name);
    return cdc_error_hint(error, "ALTER TABLE ... FORCE with mysql56_temporal_format=ON brings it into the newer form");
}

/* Steps over the value: its bytes, without the length before them. */
static inline int take(const struct my_column *column, struct cdc_bytes *cursor, const uint8_t **p, size_t *n,
                       struct cdc_error *error)
{
    *n = column->fixed_size;
    if (column->length_size != 0)
        *n = (size_t)cdc_bytes_le(cursor, column->length_size);
    else if (*n == 0)
        return unknown_precision(column, error);
    *p = cdc_bytes_take(cursor, *n);
    return cursor->bad ? bad_value(column, error, "its value is longer than the event") : 0;
}

int my_value_skip(const struct my_column *column, struct cdc_bytes *cursor, struct cdc_error *error)
{
    const uint8_t *p;
    size_t n;
    return take(column, cursor, &p, &n, error);
}

/* -- compressed strings of MariaDB ---------------------------------------------------------- */

/* The stream and its result are kept: one allocation for many values. */
static int inflate_value(struct cdc_buf *plain, const uint8_t *p, size_t n, size_t size, bool raw)
{
    static _Thread_local z_stream stream;
    static _Thread_local bool ready;
    int bits = raw ? -MAX_WBITS : MAX_WBITS;
    if (size > UINT32_MAX || n > UINT32_MAX || !cdc_buf_room(plain, size + 1))
        return Z_MEM_ERROR;
    int result = ready ? inflateReset2(&stream, bits) : inflateInit2(&stream, bits);
    if (result != Z_OK)
        return result;
    ready = true;
    stream.next_in = (Bytef *)(uintptr_t)p; /* zlib only reads it */
    stream.avail_in = (uInt)n;
    stream.next_out = (Bytef *)plain->data + plain->len;
    stream.avail_out = (uInt)size + (size < UINT32_MAX); /* one more, so that too much is seen */
    result = inflate(&stream, Z_FINISH);
    if (result == Z_STREAM_END && stream.total_out == size) {
        plain->len += size;
        return Z_OK;
    }
    return result == Z_MEM_ERROR ? result : Z_DATA_ERROR;
}

/* sql/field_comp.cc: a byte of 0 before plain bytes, else 0x80 + the bytes of the size that follows big-endian, + 8 when
 * the deflate stream has no header. Replaces p and n; what they then point to holds until the next call. */
static int unpack_value(const struct my_column *column, const uint8_t **p, size_t *n, struct cdc_error *error)
{
    static _Thread_local struct cdc_buf plain;
    if (*n == 0)
        return 0;
    uint8_t head = **p;
    size_t size_bytes = head & 7;
    ++*p;
    --*n;
    if (head == 0)
        return 0;
    if (head >> 4 != 8 || size_bytes == 0 || size_bytes > 4 || *n < size_bytes)
        return bad_value(column, error, "compressed in a way that is not known");
    size_t size = (size_t)cdc_big_endian(*p, size_bytes);
    *p += size_bytes;
    *n -= size_bytes;
    if (size / 1040 > *n) /* deflate never gains more than 1 : 1032 */
        return bad_value(column, error, "damaged compressed value");
    plain.len = 0;
    plain.failed = false;
    cdc_buf_shrink(&plain, 1 << 20);
    int result = inflate_value(&plain, *p, *n, size, head & 8);
    if (result == Z_MEM_ERROR)
        return cdc_error_memory(error);
    if (result != Z_OK)
        return bad_value(column, error, "damaged compressed value");
    *p = (const uint8_t *)plain.data;
    *n = plain.len;
    return 0;
}

/* -- kinds ------------------------------------------------------------------------------------ */

static void append_integer(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                           const struct cdc_value_format *style)
{
    uint64_t bits = cdc_little_endian(p, n);
    unsigned unused = 64 - 8 * (unsigned)n;
    if (!column->is_unsigned)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    my_value_append_integer(out, bits, column->is_unsigned, style);
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
                          const struct cdc_value_format *style, struct cdc_error *error)
{
    char text[MY_DECIMAL_DIGITS + 3];
    size_t n = my_decimal_text(text, p, column->precision, (unsigned)column->decimals);
    if (n == 0)
        return bad_value(column, error, "no decimal in the bytes of the log");
    my_value_append_decimal(out, cdc_span(text, n), style);
    return 0;
}

static int append_label(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                        struct cdc_error *error)
{
    uint64_t number = cdc_little_endian(p, n), invalid = 0;
    if (number == 0) { /* what the server stores for a value that is none of the list */
        cdc_buf_lit(out, "\"\"");
        return 0;
    }
    if (number > column->n_labels)
        return bad_value(column, error, "an ENUM value beyond its list");
    const char *label = column->labels[number - 1];
    my_charset_append(out, NULL, (const uint8_t *)label, strlen(label), &invalid);
    return 0;
}

static int append_labels(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                         struct cdc_error *error)
{
    uint64_t bits = cdc_little_endian(p, n), invalid = 0;
    bool first = true;
    if (column->n_labels < 64 && bits >> column->n_labels != 0)
        return bad_value(column, error, "a SET value beyond its list");
    cdc_buf_byte(out, '"');
    for (size_t i = 0; i < 64 && bits >> i != 0; i++) {
        if (!(bits >> i & 1))
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        const char *label = column->labels[i];
        size_t start = out->len;
        my_charset_append(out, NULL, (const uint8_t *)label, strlen(label), &invalid);
        if (out->failed)
            return 0;
        if (invalid != 0)
            return bad_value(column, error, "a label that is not UTF-8");
        /* one string of all of them: without the quotes of each */
        memmove(out->data + start, out->data + start + 1, out->len - start - 2);
        out->len -= 2;
    }
    cdc_buf_byte(out, '"');
    return 0;
}

/* Trailing zeros are not in the log. */
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

/* As the server prints it (sql/sql_type_inet.cc): the first of the longest runs of zeros is left out, even a run of one,
 * other than RFC 5952 has it; the addresses that hold one of IPv4 end in it. */
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

/* Bytes; those of BINARY(n) with the zeros that the log leaves out. */
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
        return bad_value(column, error, "its value is longer than its type");
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

/* -- dispatch ----------------------------------------------------------------------------------- */

/* The kinds that are seldom. */
static int append_other(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                        uint64_t *unconvertible, struct cdc_error *error)
{
    switch (column->kind) {
    case MY_KIND_BIT: my_value_append_bits(out, p, n, column->length); return 0;
    case MY_KIND_YEAR: cdc_buf_u64(out, column->length == 2 ? *p % 100u : *p == 0 ? 0 : 1900u + *p); return 0;
    case MY_KIND_ENUM: return append_label(out, column, p, n, error);
    case MY_KIND_SET: return append_labels(out, column, p, n, error);
    case MY_KIND_JSON_TEXT: my_value_append_json_text(out, (const char *)p, n, unconvertible); return 0;
    case MY_KIND_GEOMETRY:
        if (n != 0 && n < 4)
            return bad_value(column, error, "a geometry without its SRID");
        my_value_append_geometry(out, p, n);
        return 0;
    case MY_KIND_VECTOR:
        if (n % 4 != 0)
            return bad_value(column, error, "a vector that ends within a number");
        my_value_append_vector(out, p, n);
        return 0;
    case MY_KIND_UUID:
    case MY_KIND_INET4:
    case MY_KIND_INET6: return append_address(out, column, p, n, error);
    default: return bad_value(column, error, "its kind was not settled");
    }
}

int my_value_append(struct cdc_buf *out, const struct my_column *column, struct cdc_bytes *cursor,
                    const struct cdc_value_format *style, uint64_t *unconvertible, struct cdc_error *error)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    if (take(column, cursor, &p, &n, error) < 0)
        return -1;
    if (column->type == MY_TYPE_MARIADB_VARCHAR_COMPRESSED || column->type == MY_TYPE_MARIADB_BLOB_COMPRESSED)
        if (unpack_value(column, &p, &n, error) < 0)
            return -1;
    switch (column->kind) {
    case MY_KIND_INTEGER: append_integer(out, column, p, n, style); return 0;
    case MY_KIND_FLOAT:
    case MY_KIND_DOUBLE: append_floating(out, p, n); return 0;
    case MY_KIND_DECIMAL: return append_decimal(out, column, p, style, error);
    case MY_KIND_DATE:
    case MY_KIND_TIME:
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP:
    case MY_KIND_OLD_TEMPORAL: return my_temporal_append(out, column, p, n, error);
    case MY_KIND_TEXT: my_column_text_append(out, column, p, n, unconvertible); return 0;
    case MY_KIND_BINARY: append_binary(out, column, p, n); return 0;
    case MY_KIND_JSON: return my_json_append(out, p, n, error);
    default: return append_other(out, column, p, n, unconvertible, error);
    }
}
