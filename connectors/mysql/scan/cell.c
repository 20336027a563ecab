/* SPDX-License-Identifier: MIT */
/* Values of the binary protocol (MySQL source documentation, "Binary Protocol Value") as the JSON that the log's values
 * become. */
#include "connectors/mysql/scan/cell.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>
#include <mysql.h>

static int bad_value(const struct my_column *column, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: the server sent a value that its type cannot have",
                         column->name);
}

static int form_of(unsigned type)
{
    switch (type) {
    case MYSQL_TYPE_TINY: return MY_CELL_1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR: return MY_CELL_2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT: return MY_CELL_4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE: return MY_CELL_8;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: return MY_CELL_CLOCK;
    default: return MY_CELL_BYTES;
    }
}

/* A table that was altered between the catalog's answer and this statement would be read by the wrong types. */
static bool is_expected(enum my_kind kind, unsigned type, int form)
{
    switch (kind) {
    case MY_KIND_INTEGER:
        return form >= MY_CELL_1 && type != MYSQL_TYPE_FLOAT && type != MYSQL_TYPE_DOUBLE && type != MYSQL_TYPE_YEAR;
    case MY_KIND_FLOAT: return type == MYSQL_TYPE_FLOAT;
    case MY_KIND_DOUBLE: return type == MYSQL_TYPE_DOUBLE;
    case MY_KIND_YEAR: return type == MYSQL_TYPE_YEAR;
    case MY_KIND_DATE: return type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_NEWDATE;
    case MY_KIND_TIME: return type == MYSQL_TYPE_TIME;
    case MY_KIND_DATETIME: return type == MYSQL_TYPE_DATETIME;
    case MY_KIND_TIMESTAMP: return type == MYSQL_TYPE_TIMESTAMP;
    default: return form == MY_CELL_BYTES;
    }
}

int my_cell_form_of(const struct my_column *column, unsigned type, struct cdc_error *error)
{
    int form = form_of(type);
    if (is_expected(column->kind, type, form))
        return form;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: the server sends type %u for %s", column->name, type,
                         column->type_name);
}

static void append_integer(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                           const struct cdc_value_format *format)
{
    uint64_t bits = cdc_little_endian(cell->p, cell->n);
    /* TINY -5 is FB: shifted up to the top and arithmetically down again, its sign fills the rest. */
    unsigned unused = 64 - 8 * (unsigned)cell->n;
    if (!column->is_unsigned)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    my_value_append_integer(out, bits, column->is_unsigned, format);
}

static void append_floating(struct cdc_buf *out, const struct my_cell *cell)
{
    uint64_t bits = cdc_little_endian(cell->p, cell->n);
    uint32_t half = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &half, sizeof single);
    memcpy(&value, &bits, sizeof value);
    if (cell->n == sizeof single)
        my_value_append_float(out, single);
    else
        my_value_append_double(out, value);
}

static void read_clock(struct my_time *time, const uint8_t *p, size_t n)
{
    time->hour += p[0];
    time->minute = p[1];
    time->second = p[2];
    if (n >= 7)
        time->microsecond = (uint32_t)cdc_little_endian(p + 3, 4);
}

/* Zeros at the end are not sent. Of dates come 0 bytes, 4 (year in two, month, day), 7 (and hour, minute, second) or 11
 * (and the fraction in four); of TIME 0, 8 (sign, days in four, hour, minute, second) or 12. */
static int append_time(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                       struct cdc_error *error)
{
    struct my_time time = {0};
    const uint8_t *p = cell->p;
    bool clock = column->kind == MY_KIND_TIME;
    if (clock && (cell->n == 8 || cell->n == 12)) {
        uint64_t days = cdc_little_endian(p + 1, 4);
        time.negative = p[0] != 0;
        /* TIME goes up to 838:59:59, which is 34 days and 22 hours. 10000 is refused below. */
        time.hour = days <= 34 ? (uint32_t)days * 24 : 10000;
        read_clock(&time, p + 5, cell->n - 5u);
    } else if (!clock && (cell->n == 4 || cell->n == 7 || cell->n == 11)) {
        time.year = (uint32_t)cdc_little_endian(p, 2);
        time.month = p[2];
        time.day = p[3];
        if (cell->n >= 7)
            read_clock(&time, p + 4, cell->n - 4u);
    } else if (cell->n != 0) {
        return bad_value(column, error);
    }
    if (time.year > 9999 || time.month > 12 || time.day > 31 || time.hour > (clock ? 838 : 23) || time.minute > 59 ||
        time.second > 59 || time.microsecond > 999999)
        return bad_value(column, error);
    my_value_append_time(out, column->kind, &time, column->decimals);
    return 0;
}

/* ZEROFILL pads the text; the number is the same without. */
static int append_decimal(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                          const struct cdc_value_format *format, struct cdc_error *error)
{
    const char *p = (const char *)cell->p, *end = p + cell->n;
    bool negative = p < end && *p == '-';
    for (const char *c = p + negative; c < end; c++)
        if ((*c < '0' || *c > '9') && *c != '.')
            return bad_value(column, error);
    if (cell->n == 0 || cell->n > 128)
        return bad_value(column, error);
    while (!negative && end - p > 1 && p[0] == '0' && p[1] != '.')
        p++;
    my_value_append_decimal(out, cdc_span(p, (size_t)(end - p)), format);
    return 0;
}

/* The names of labels come in the column's charset. */
static void append_labels(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                          uint64_t *unconvertible)
{
    bool binary = column->charset && my_charset_is_binary(column->charset);
    my_charset_append(out, binary ? NULL : column->charset, cell->p, cell->n, unconvertible);
}

/* The first releases of MySQL 8.0 do not escape the line breaks in the base64 of a value that JSON has no type for; there
 * are no others in what the server prints. */
static void append_json(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible)
{
    if (!memchr(text, '\n', n)) {
        my_value_append_json(out, text, n, unconvertible);
        return;
    }
    struct cdc_buf escaped = CDC_BUF_INIT;
    const char *end = text + n, *line;
    while ((line = memchr(text, '\n', (size_t)(end - text)))) {
        cdc_buf_append(&escaped, text, (size_t)(line - text));
        cdc_buf_lit(&escaped, "\\n");
        text = line + 1;
    }
    cdc_buf_append(&escaped, text, (size_t)(end - text));
    if (escaped.failed)
        out->failed = true;
    else
        my_value_append_json(out, escaped.data, escaped.len, unconvertible);
    cdc_buf_free(&escaped);
}

static int append_other(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                        uint64_t *unconvertible, struct cdc_error *error)
{
    switch (column->kind) {
    case MY_KIND_BIT:
        if (cell->n != (column->length + 7) / 8)
            return bad_value(column, error);
        my_value_append_bits(out, cell->p, cell->n, column->length);
        return 0;
    case MY_KIND_YEAR: cdc_buf_u64(out, cdc_little_endian(cell->p, cell->n)); return 0;
    case MY_KIND_ENUM:
    case MY_KIND_SET: append_labels(out, column, cell, unconvertible); return 0;
    case MY_KIND_JSON: append_json(out, (const char *)cell->p, cell->n, unconvertible); return 0;
    case MY_KIND_JSON_TEXT: my_value_append_json_text(out, column, cell->p, cell->n, unconvertible); return 0;
    case MY_KIND_GEOMETRY:
        /* Four bytes of SRID, then WKB. */
        if (cell->n != 0 && cell->n < 4)
            return bad_value(column, error);
        my_value_append_geometry(out, cell->p, cell->n);
        return 0;
    case MY_KIND_VECTOR:
        if (cell->n % 4 != 0)
            return bad_value(column, error);
        my_value_append_vector(out, cell->p, cell->n);
        return 0;
    case MY_KIND_UUID: /* the server prints them */
    case MY_KIND_INET4:
    case MY_KIND_INET6: my_charset_append(out, NULL, cell->p, cell->n, unconvertible); return 0;
    default: return bad_value(column, error);
    }
}

int my_cell_append(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                   const struct cdc_value_format *format, uint64_t *unconvertible, struct cdc_error *error)
{
    switch (column->kind) {
    case MY_KIND_INTEGER: append_integer(out, column, cell, format); return 0;
    case MY_KIND_FLOAT:
    case MY_KIND_DOUBLE: append_floating(out, cell); return 0;
    case MY_KIND_DECIMAL: return append_decimal(out, column, cell, format, error);
    case MY_KIND_DATE:
    case MY_KIND_TIME:
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP: return append_time(out, column, cell, error);
    case MY_KIND_TEXT: my_column_append_text(out, column, cell->p, cell->n, unconvertible); return 0;
    case MY_KIND_BINARY: my_value_append_binary(out, cell->p, cell->n); return 0;
    default: return append_other(out, column, cell, unconvertible, error);
    }
}
