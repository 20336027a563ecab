/* SPDX-License-Identifier: MIT */
/* Values of the binary protocol (MySQL source documentation, "Binary Protocol Value") as the JSON that the log's values
 * become. */
#include "connectors/mysql/snapshot/internal.h"

static int bad_value(const struct binlog_column *column, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: the server sent a value that its type cannot have",
                         column->name);
}

static int wire_of(unsigned type)
{
    switch (type) {
    case MYSQL_TYPE_TINY: return SNAPSHOT_WIRE_1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR: return SNAPSHOT_WIRE_2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT: return SNAPSHOT_WIRE_4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE: return SNAPSHOT_WIRE_8;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: return SNAPSHOT_WIRE_CLOCK;
    default: return SNAPSHOT_WIRE_BYTES;
    }
}

static bool is_expected(enum binlog_kind kind, unsigned type, int wire)
{
    switch (kind) {
    case BINLOG_KIND_INTEGER:
        return wire >= SNAPSHOT_WIRE_1 && type != MYSQL_TYPE_FLOAT && type != MYSQL_TYPE_DOUBLE &&
               type != MYSQL_TYPE_YEAR;
    case BINLOG_KIND_FLOAT: return type == MYSQL_TYPE_FLOAT;
    case BINLOG_KIND_DOUBLE: return type == MYSQL_TYPE_DOUBLE;
    case BINLOG_KIND_YEAR: return type == MYSQL_TYPE_YEAR;
    case BINLOG_KIND_DATE: return type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_NEWDATE;
    case BINLOG_KIND_TIME: return type == MYSQL_TYPE_TIME;
    case BINLOG_KIND_DATETIME: return type == MYSQL_TYPE_DATETIME;
    case BINLOG_KIND_TIMESTAMP: return type == MYSQL_TYPE_TIMESTAMP;
    default: return wire == SNAPSHOT_WIRE_BYTES;
    }
}

int binlog_snapshot_wire(const struct binlog_column *column, unsigned type, struct cdc_error *error)
{
    int wire = wire_of(type);
    if (is_expected(column->kind, type, wire))
        return wire;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: the server sends type %u for %s", column->name, type,
                         column->type_name);
}

static uint64_t little_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | p[n];
    return value;
}

static void append_integer(struct cdc_buf *out, const struct binlog_column *column, const struct binlog_cell *cell,
                           const struct binlog_value_style *style)
{
    uint64_t bits = little_endian(cell->p, cell->n);
    unsigned unused = 64 - 8 * (unsigned)cell->n;
    if (!column->is_unsigned)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    binlog_integer_append(out, bits, column->is_unsigned, style);
}

static void append_floating(struct cdc_buf *out, const struct binlog_cell *cell)
{
    uint64_t bits = little_endian(cell->p, cell->n);
    uint32_t half = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &half, sizeof single);
    memcpy(&value, &bits, sizeof value);
    if (cell->n == sizeof single)
        binlog_float_append(out, single);
    else
        binlog_double_append(out, value);
}

static void read_clock(struct binlog_time *time, const uint8_t *p, size_t n)
{
    time->hour += p[0];
    time->minute = p[1];
    time->second = p[2];
    if (n >= 7)
        time->microsecond = (uint32_t)little_endian(p + 3, 4);
}

/* What is zero is left out from the end: 0, 4 or 7 bytes and the fraction; of TIME 0, 8 and the fraction. */
static int append_time(struct cdc_buf *out, const struct binlog_column *column, const struct binlog_cell *cell,
                       struct cdc_error *error)
{
    struct binlog_time time = {0};
    const uint8_t *p = cell->p;
    bool clock = column->kind == BINLOG_KIND_TIME;
    if (clock && (cell->n == 8 || cell->n == 12)) {
        uint64_t days = little_endian(p + 1, 4);
        time.negative = p[0] != 0;
        time.hour = days <= 34 ? (uint32_t)days * 24 : 10000;
        read_clock(&time, p + 5, cell->n - 5u);
    } else if (!clock && (cell->n == 4 || cell->n == 7 || cell->n == 11)) {
        time.year = (uint32_t)little_endian(p, 2);
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
    binlog_time_append(out, column->kind, &time, column->decimals);
    return 0;
}

/* ZEROFILL pads the text; the number is the same without. */
static int append_decimal(struct cdc_buf *out, const struct binlog_column *column, const struct binlog_cell *cell,
                          const struct binlog_value_style *style, struct cdc_error *error)
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
    binlog_decimal_append(out, cdc_span(p, (size_t)(end - p)), style);
    return 0;
}

/* The names of labels come in the column's charset. */
static void append_labels(struct cdc_buf *out, const struct binlog_column *column, const struct binlog_cell *cell,
                          uint64_t *unconvertible)
{
    bool binary = column->charset && binlog_charset_is_binary(column->charset);
    binlog_text_append(out, binary ? NULL : column->charset, cell->p, cell->n, unconvertible);
}

/* The first releases of MySQL 8.0 do not escape the line breaks in the base64 of a value that JSON has no type for; there
 * are no others in what the server prints. */
static void append_json(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible)
{
    if (!memchr(text, '\n', n)) {
        binlog_json_text_append(out, text, n, unconvertible);
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
        binlog_json_text_append(out, escaped.data, escaped.len, unconvertible);
    cdc_buf_free(&escaped);
}

static int append_other(struct cdc_buf *out, const struct binlog_column *column, const struct binlog_cell *cell,
                        uint64_t *unconvertible, struct cdc_error *error)
{
    switch (column->kind) {
    case BINLOG_KIND_BIT:
        if (cell->n != (column->length + 7) / 8)
            return bad_value(column, error);
        binlog_bits_append(out, cell->p, cell->n, column->length);
        return 0;
    case BINLOG_KIND_YEAR: cdc_buf_u64(out, little_endian(cell->p, cell->n)); return 0;
    case BINLOG_KIND_ENUM:
    case BINLOG_KIND_SET: append_labels(out, column, cell, unconvertible); return 0;
    case BINLOG_KIND_JSON: append_json(out, (const char *)cell->p, cell->n, unconvertible); return 0;
    case BINLOG_KIND_JSON_TEXT: binlog_json_text_append(out, (const char *)cell->p, cell->n, unconvertible); return 0;
    case BINLOG_KIND_GEOMETRY:
        if (cell->n != 0 && cell->n < 4)
            return bad_value(column, error);
        binlog_geometry_append(out, cell->p, cell->n);
        return 0;
    case BINLOG_KIND_VECTOR:
        if (cell->n % 4 != 0)
            return bad_value(column, error);
        binlog_vector_append(out, cell->p, cell->n);
        return 0;
    case BINLOG_KIND_UUID: /* the server prints them */
    case BINLOG_KIND_INET4:
    case BINLOG_KIND_INET6: binlog_text_append(out, NULL, cell->p, cell->n, unconvertible); return 0;
    default: return bad_value(column, error);
    }
}

int binlog_snapshot_value_append(struct cdc_buf *out, const struct binlog_column *column,
                                 const struct binlog_cell *cell, const struct binlog_value_style *style,
                                 uint64_t *unconvertible, struct cdc_error *error)
{
    switch (column->kind) {
    case BINLOG_KIND_INTEGER: append_integer(out, column, cell, style); return 0;
    case BINLOG_KIND_FLOAT:
    case BINLOG_KIND_DOUBLE: append_floating(out, cell); return 0;
    case BINLOG_KIND_DECIMAL: return append_decimal(out, column, cell, style, error);
    case BINLOG_KIND_DATE:
    case BINLOG_KIND_TIME:
    case BINLOG_KIND_DATETIME:
    case BINLOG_KIND_TIMESTAMP: return append_time(out, column, cell, error);
    case BINLOG_KIND_TEXT: binlog_column_text_append(out, column, cell->p, cell->n, unconvertible); return 0;
    case BINLOG_KIND_BINARY: binlog_binary_append(out, cell->p, cell->n); return 0;
    default: return append_other(out, column, cell, unconvertible, error);
    }
}
