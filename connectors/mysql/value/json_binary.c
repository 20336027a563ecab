/* SPDX-License-Identifier: MIT */
/* MySQL's binary JSON as the text that the server prints for it, without the white space. json_internal.h has the
 * layout, with an example. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/json_internal.h"
#include "connectors/mysql/value/value.h"

int my_json_damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "damaged binary JSON in the log");
}

/* -- scalars ------------------------------------------------------------------------ */

/* Numbers in a document are JSON's own, whatever the options say of those in columns. */
static const struct cdc_value_format numbers = {.int64_as_string = false, .decimal_as_number = true};

/* A length of seven bits a byte, least first, the highest bit set where another byte follows: ac 02 is 300. False
 * when it does not end, or is longer than what is left. */
static bool take_length(struct my_json_value *value, size_t *length)
{
    *length = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (value->n == 0)
            return false;
        uint8_t byte = *value->p++;
        value->n--;
        *length |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return *length <= value->n;
    }
    return false;
}

static bool print_literal(struct my_json_printer *printer, const struct my_json_value *value)
{
    if (value->n < 1 || value->p[0] > 2)
        return false;
    cdc_buf_text(printer->out, value->p[0] == 0 ? "null" : value->p[0] == 1 ? "true" : "false");
    return true;
}

/* The type tells size and sign: INT16, UINT16, INT32, UINT32, INT64, UINT64 in this order. */
static bool print_integer(struct my_json_printer *printer, const struct my_json_value *value)
{
    size_t size = value->type >= MY_JSON_INT64 ? 8 : value->type >= MY_JSON_INT32 ? 4 : 2;
    bool is_unsigned = value->type == MY_JSON_UINT16 || value->type == MY_JSON_UINT32 || value->type == MY_JSON_UINT64;
    if (value->n < size || !my_json_spend(&printer->budget, size))
        return false;
    uint64_t bits = cdc_little_endian(value->p, size);
    unsigned unused = 64 - 8 * (unsigned)size;
    if (!is_unsigned)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    my_value_append_integer(printer->out, bits, is_unsigned, &numbers);
    return true;
}

static bool print_double(struct my_json_printer *printer, const struct my_json_value *value)
{
    double number;
    if (value->n < 8 || !my_json_spend(&printer->budget, 8))
        return false;
    uint64_t bits = cdc_little_endian(value->p, 8);
    memcpy(&number, &bits, sizeof number);
    my_number_append_json_double(printer->out, number);
    return true;
}

bool my_json_print_text(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    uint64_t invalid = 0;
    my_charset_append(out, NULL, p, n, &invalid);
    return invalid == 0;
}

static bool print_string(struct my_json_printer *printer, struct my_json_value value)
{
    size_t n;
    return take_length(&value, &n) && my_json_spend(&printer->budget, n + 1) &&
           my_json_print_text(printer->out, value.p, n);
}

/* A DECIMAL in an opaque value: precision, scale, its bytes as decimal.c reads them. */
static bool print_decimal(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    char text[MY_DECIMAL_DIGITS + 3];
    if (n < 2 || my_decimal_size(p[0], p[1]) != n - 2)
        return false;
    n = my_decimal_text(text, p + 2, p[0], p[1]);
    cdc_buf_append(out, text, n);
    return n != 0;
}

/* What the server prints for other types, "base64:type15:YWJj": with a line break after each 76 characters, as its
 * base64_encode has it, here escaped. */
static void print_base64(struct cdc_buf *out, unsigned type, const uint8_t *p, size_t n)
{
    const size_t line = 76 / 4 * 3;
    cdc_buf_lit(out, "\"base64:type");
    cdc_buf_u64(out, type);
    cdc_buf_byte(out, ':');
    for (; n > line; p += line, n -= line) {
        cdc_buf_base64(out, p, line);
        cdc_buf_lit(out, "\\n");
    }
    cdc_buf_base64(out, p, n);
    cdc_buf_byte(out, '"');
}

static bool print_time(struct cdc_buf *out, enum my_kind kind, const uint8_t *p, size_t n)
{
    if (n != 8)
        return false;
    cdc_buf_byte(out, '"');
    bool good = my_temporal_append_packed(out, kind, (int64_t)cdc_little_endian(p, 8));
    cdc_buf_byte(out, '"');
    return good || out->failed;
}

/* The SQL type, a length, and the value, dates and times in the packed form of my_temporal_append_packed. */
static bool print_opaque(struct my_json_printer *printer, struct my_json_value value)
{
    size_t n;
    if (value.n == 0)
        return false;
    uint8_t type = *value.p++;
    value.n--;
    if (!take_length(&value, &n) || !my_json_spend(&printer->budget, n + 2))
        return false;
    switch (type) {
    case MY_TYPE_DECIMAL: return print_decimal(printer->out, value.p, n);
    case MY_TYPE_DATE: return print_time(printer->out, MY_KIND_DATE, value.p, n);
    case MY_TYPE_TIME: return print_time(printer->out, MY_KIND_TIME, value.p, n);
    case MY_TYPE_TIMESTAMP:
    case MY_TYPE_DATETIME: return print_time(printer->out, MY_KIND_DATETIME, value.p, n);
    default: print_base64(printer->out, type, value.p, n); return true;
    }
}

/* -- documents ------------------------------------------------------------------------ */

static bool print_value(struct my_json_printer *printer, const struct my_json_value *value, int depth);

static bool print_container(struct my_json_printer *printer, const struct my_json_value *value, int depth)
{
    struct my_json_container c;
    struct cdc_span key;
    struct my_json_value inner;
    if (depth > MY_JSON_DEPTH || !my_json_open(&c, value))
        return false;
    cdc_buf_byte(printer->out, c.object ? '{' : '[');
    for (size_t i = 0; i < c.count; i++) {
        if (!my_json_spend(&printer->budget, c.width + 1) || !my_json_value_at(&c, i, &inner))
            return false;
        if (i != 0)
            cdc_buf_byte(printer->out, ',');
        if (c.object) {
            if (!my_json_key_at(&c, i, &key) || !my_json_spend(&printer->budget, c.width + 2 + key.n) ||
                !my_json_print_text(printer->out, (const uint8_t *)key.p, key.n))
                return false;
            cdc_buf_byte(printer->out, ':');
        }
        if (!print_value(printer, &inner, depth + 1))
            return false;
    }
    cdc_buf_byte(printer->out, c.object ? '}' : ']');
    return true;
}

/* depth: of the value itself, if it is a container. */
static bool print_value(struct my_json_printer *printer, const struct my_json_value *value, int depth)
{
    switch (value->type) {
    case MY_JSON_SMALL_OBJECT:
    case MY_JSON_LARGE_OBJECT:
    case MY_JSON_SMALL_ARRAY:
    case MY_JSON_LARGE_ARRAY: return print_container(printer, value, depth);
    case MY_JSON_LITERAL: return print_literal(printer, value);
    case MY_JSON_INT16:
    case MY_JSON_UINT16:
    case MY_JSON_INT32:
    case MY_JSON_UINT32:
    case MY_JSON_INT64:
    case MY_JSON_UINT64: return print_integer(printer, value);
    case MY_JSON_DOUBLE: return print_double(printer, value);
    case MY_JSON_STRING: return print_string(printer, *value);
    case MY_JSON_OPAQUE: return print_opaque(printer, *value);
    default: return false;
    }
}

bool my_json_print(struct my_json_printer *printer, const struct my_json_value *value, int depth)
{
    return print_value(printer, value, depth);
}

int my_json_append(struct cdc_buf *out, const uint8_t *p, size_t n, struct cdc_error *error)
{
    /* Inline numbers are spent twice, with their entry and as numbers: hence the factor. */
    struct my_json_printer printer = {out, n < SIZE_MAX / 2 ? 2 * n : n};
    size_t start = out->len;
    if (n == 0) { /* what INSERT IGNORE may leave: the server takes it for null */
        cdc_buf_lit(out, "null");
        return 0;
    }
    struct my_json_value value = {p[0], p + 1, n - 1};
    if (print_value(&printer, &value, 1))
        return 0;
    out->len = start;
    return my_json_damaged(error);
}
