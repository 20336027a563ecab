/* SPDX-License-Identifier: MIT */
/* Values in Debezium's encodings, there and back. */
#include "libcdc/format/debezium_value.h"

/* -- there ----------------------------------------------------------------------- */

static void lose(struct losses *losses, enum loss loss, struct cdc_buf *out)
{
    losses->n[loss]++;
    cdc_buf_lit(out, "null");
}

static bool is_plain(struct cdc_span raw)
{
    return raw.p != NULL && memchr(raw.p, '\\', raw.n) == NULL;
}

static void append_date(struct cdc_buf *out, struct cdc_span text, struct losses *losses)
{
    int64_t days;

    if (temporal_days(text, &days) && days >= INT32_MIN && days <= INT32_MAX)
        cdc_buf_i64(out, days);
    else
        lose(losses, LOSS_NO_DATE, out);
}

static void append_time(struct cdc_buf *out, struct cdc_span text, int wire, struct losses *losses)
{
    int64_t micros;

    if (temporal_time(text, &micros))
        cdc_buf_i64(out, wire == DEBEZIUM_TIME_MS ? micros / 1000 : micros);
    else
        lose(losses, LOSS_NO_DATE, out);
}

static void append_timestamp(struct cdc_buf *out, struct cdc_span text, int wire, struct losses *losses)
{
    int64_t micros;

    if (temporal_timestamp(text, &micros))
        cdc_buf_i64(out, wire == DEBEZIUM_TIMESTAMP_MS ? micros / 1000 : micros);
    else if (cdc_span_is(text, "infinity"))
        cdc_buf_i64(out, DEBEZIUM_INFINITY);
    else if (cdc_span_is(text, "-infinity"))
        cdc_buf_i64(out, DEBEZIUM_MINUS_INFINITY);
    else
        lose(losses, LOSS_NO_DATE, out);
}

/* 12:00:00+02 is 12:00:00+02:00 in ISO 8601. */
static void append_timetz(struct cdc_buf *out, struct cdc_span text)
{
    cdc_buf_byte(out, '"');
    if (text.n > 3 && memcmp(text.p + text.n - 3, "+00", 3) == 0) {
        cdc_buf_append(out, text.p, text.n - 3);
        cdc_buf_byte(out, 'Z');
    } else {
        cdc_buf_span(out, text);
        if (text.n > 3 && (text.p[text.n - 3] == '+' || text.p[text.n - 3] == '-'))
            cdc_buf_lit(out, ":00");
    }
    cdc_buf_byte(out, '"');
}

/* "0000000100000010" is the bytes 02 01. */
static void append_bits(struct cdc_buf *out, struct cdc_span text, struct cdc_buf *scratch)
{
    scratch->len = 0;
    for (size_t end = text.n; end > 0; end -= end < 8 ? end : 8) {
        unsigned byte = 0;
        for (size_t i = end < 8 ? 0 : end - 8; i < end; i++)
            byte = byte << 1 | (text.p[i] == '1');
        cdc_buf_byte(scratch, (char)byte);
    }
    cdc_buf_byte(out, '"');
    cdc_buf_base64(out, scratch->data, scratch->len);
    cdc_buf_byte(out, '"');
}

static void append_scalar(struct cdc_buf *out, int wire, struct cdc_span value, struct losses *losses,
                          struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    switch (wire) {
    case DEBEZIUM_JSON: value_append_json_text(out, value); return;
    case DEBEZIUM_TEXT_NUMBER:
        if (raw.p != NULL)
            break;
        format_append_raw(out, value);
        return;
    case DEBEZIUM_INT:
        if (raw.p == NULL || !format_is_number(raw))
            break;
        cdc_buf_span(out, raw);
        return;
    default: break;
    }
    if (!is_plain(raw)) {
        cdc_buf_span(out, value);
        return;
    }
    switch (wire) {
    case DEBEZIUM_BIT: cdc_buf_text(out, cdc_span_is(raw, "1") ? "true" : "false"); return;
    case DEBEZIUM_BITS: append_bits(out, raw, scratch); return;
    case DEBEZIUM_DATE: append_date(out, raw, losses); return;
    case DEBEZIUM_TIME_MS:
    case DEBEZIUM_TIME_US: append_time(out, raw, wire, losses); return;
    case DEBEZIUM_TIMESTAMP_MS:
    case DEBEZIUM_TIMESTAMP_US: append_timestamp(out, raw, wire, losses); return;
    case DEBEZIUM_TIMETZ: append_timetz(out, raw); return;
    default: cdc_buf_span(out, value);
    }
}

static void append_array(struct cdc_buf *out, int wire, struct cdc_span value, struct losses *losses,
                         struct cdc_buf *scratch)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    const char *separator = "";

    if (cdc_json_type(value) != CDC_JSON_ARRAY || wire == DEBEZIUM_PLAIN) {
        cdc_buf_span(out, value);
        return;
    }
    cdc_buf_byte(out, '[');
    for (cdc_json_iter_begin(&iter, value); cdc_json_next_element(&iter, &item); separator = ",") {
        cdc_buf_text(out, separator);
        if (cdc_json_type(item) == CDC_JSON_ARRAY && wire != DEBEZIUM_JSON)
            append_array(out, wire, item, losses, scratch); /* nested at most as deep as JSON may be */
        else if (*item.p == 'n')
            cdc_buf_span(out, item);
        else
            append_scalar(out, wire, item, losses, scratch);
    }
    cdc_buf_byte(out, ']');
}

static bool is_above_int64(struct cdc_span value)
{
    return value.n >= 19 && (value.n > 19 || memcmp(value.p, "9223372036854775807", 19) > 0) && *value.p != '-' &&
           *value.p != '"';
}

void debezium_append_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                           struct cdc_span json_null, struct losses *losses, struct cdc_buf *scratch)
{
    if (*value.p == 'n') {
        bool json = column->wire == DEBEZIUM_JSON && writer_is_json_null(column, value, json_null);
        cdc_buf_text(out, json ? "\"null\"" : "null");
        return;
    }
    if (column->wire == DEBEZIUM_INT && column->value.is_unsigned && is_above_int64(value))
        losses->n[LOSS_BIG_UNSIGNED]++;
    if (column->wire == DEBEZIUM_ARRAY)
        append_array(out, column->wire_element, value, losses, scratch);
    else if (column->wire == DEBEZIUM_PLAIN) {
        losses->n[LOSS_BYTES_TEXT] += *value.p == '{' && format_is_bytes_text(value);
        cdc_buf_span(out, value);
    } else
        append_scalar(out, column->wire, value, losses, scratch);
}

void debezium_append_unavailable(struct cdc_buf *out, const struct format_column *column)
{
    if (column->wire == DEBEZIUM_BYTES)
        cdc_buf_lit(out, "\"" DEBEZIUM_UNAVAILABLE_BYTES "\"");
    else if (column->wire == DEBEZIUM_ARRAY)
        cdc_buf_lit(out, "[\"" DEBEZIUM_UNAVAILABLE "\"]");
    else
        cdc_buf_lit(out, "\"" DEBEZIUM_UNAVAILABLE "\"");
}

/* -- back ------------------------------------------------------------------------ */

bool debezium_is_unavailable(const struct format_column *column, struct cdc_span value)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    if (raw.p == NULL)
        return cdc_json_type(value) == CDC_JSON_ARRAY && cdc_span_is(value, "[\"" DEBEZIUM_UNAVAILABLE "\"]");
    return cdc_span_is(raw, DEBEZIUM_UNAVAILABLE) ||
           ((column->wire == DEBEZIUM_BYTES || column->wire == DEBEZIUM_PLAIN) &&
            cdc_span_is(raw, DEBEZIUM_UNAVAILABLE_BYTES));
}

static void read_timestamp(struct cdc_buf *out, int wire, int64_t number, const struct format_column *column)
{
    bool pad = !column->value.is_postgres;
    int64_t micros = number;

    if (number == DEBEZIUM_INFINITY || number == DEBEZIUM_MINUS_INFINITY) {
        cdc_buf_text(out, number > 0 ? "\"infinity\"" : "\"-infinity\"");
        return;
    }
    if (wire == DEBEZIUM_TIMESTAMP_MS && __builtin_mul_overflow(number, 1000, &micros)) {
        cdc_buf_i64(out, number);
        return;
    }
    if (wire == DEBEZIUM_TIMESTAMP_NS)
        micros = number / 1000 - (number % 1000 < 0);
    cdc_buf_byte(out, '"');
    temporal_append_timestamp(out, micros, column->value.digits, pad, 'T');
    cdc_buf_byte(out, '"');
}

static void read_time(struct cdc_buf *out, int wire, int64_t number, const struct format_column *column)
{
    int64_t micros = wire == DEBEZIUM_TIME_NS ? number / 1000 : number;

    if (wire == DEBEZIUM_TIME_MS && __builtin_mul_overflow(number, 1000, &micros)) {
        cdc_buf_i64(out, number);
        return;
    }
    if (micros == INT64_MIN)
        micros++;
    cdc_buf_byte(out, '"');
    temporal_append_time(out, micros, column->value.digits, !column->value.is_postgres);
    cdc_buf_byte(out, '"');
}

static void read_timetz(struct cdc_buf *out, struct cdc_span text)
{
    cdc_buf_byte(out, '"');
    if (text.n > 0 && text.p[text.n - 1] == 'Z') {
        cdc_buf_append(out, text.p, text.n - 1);
        cdc_buf_lit(out, "+00");
    } else if (text.n > 6 && memcmp(text.p + text.n - 3, ":00", 3) == 0 &&
               (text.p[text.n - 6] == '+' || text.p[text.n - 6] == '-')) {
        cdc_buf_append(out, text.p, text.n - 3);
    } else {
        cdc_buf_span(out, text);
    }
    cdc_buf_byte(out, '"');
}

static bool read_bits(struct cdc_buf *out, struct cdc_span text, int length, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!format_decode_base64(scratch, text))
        return false;
    size_t bits = length > 0 ? (size_t)length : scratch->len * 8;
    if (bits > (size_t)1 << 20)
        return false;
    cdc_buf_byte(out, '"');
    for (size_t i = bits; i-- > 0;)
        cdc_buf_byte(out, i / 8 < scratch->len && ((unsigned char)scratch->data[i / 8] >> i % 8 & 1) ? '1' : '0');
    cdc_buf_byte(out, '"');
    return true;
}

/* The digits of an integer of n bytes, big-endian, two's complement. Divided by ten until nothing is left. */
static void append_integer(struct cdc_buf *digits, struct cdc_buf *bytes, bool *negative)
{
    unsigned char *p = (unsigned char *)bytes->data;
    size_t n = bytes->len;

    *negative = n > 0 && p[0] >= 0x80;
    for (size_t i = n, carry = 1; *negative && i-- > 0;) {
        carry += (unsigned char)~p[i];
        p[i] = (unsigned char)carry;
        carry >>= 8;
    }
    for (size_t first = 0; first < n;) {
        unsigned rest = 0;
        for (size_t i = first; i < n; i++) {
            rest = rest << 8 | p[i];
            p[i] = (unsigned char)(rest / 10);
            rest %= 10;
        }
        cdc_buf_byte(digits, (char)('0' + rest));
        while (first < n && p[first] == 0)
            first++;
    }
    if (digits->len == 0)
        cdc_buf_byte(digits, '0');
}

/* "BNI=" with scale 2 is "12.34". */
static bool read_decimal(struct cdc_buf *out, struct cdc_span text, int64_t scale, struct cdc_buf *scratch)
{
    struct cdc_buf digits = CDC_BUF_INIT; /* the last one first */
    bool negative;

    scratch->len = 0;
    /* No database has more; nor is time to be lost on a million digits. */
    if (!format_decode_base64(scratch, text) || scratch->len == 0 || scratch->len > 65536 || scale < -131072 ||
        scale > 131072)
        return false;
    append_integer(&digits, scratch, &negative);
    for (; scale < 0 && !(digits.len == 1 && digits.data[0] == '0'); scale++) {
        cdc_buf_byte(&digits, '0');
        memmove(digits.data + 1, digits.data, digits.len - 1);
        digits.data[0] = '0';
    }
    while (scale > 0 && digits.len <= (size_t)scale)
        cdc_buf_byte(&digits, '0');
    cdc_buf_text(out, negative ? "\"-" : "\"");
    for (size_t i = digits.len; i-- > 0;) {
        cdc_buf_byte(out, digits.data[i]);
        if (scale > 0 && i == (size_t)scale)
            cdc_buf_byte(out, '.');
    }
    cdc_buf_byte(out, '"');
    out->failed |= digits.failed;
    cdc_buf_free(&digits);
    return true;
}

static bool read_variable(struct cdc_buf *out, struct cdc_span value, struct cdc_buf *scratch)
{
    int64_t scale;
    struct cdc_span digits = cdc_json_member_raw(value, "value");

    return digits.p != NULL && cdc_json_int64(cdc_json_member(value, "scale"), &scale) &&
           read_decimal(out, digits, scale, scratch);
}

static bool read_number(struct cdc_buf *out, const struct format_column *column, int wire, int64_t number)
{
    switch (wire) {
    case DEBEZIUM_DATE:
        if (number < INT32_MIN || number > INT32_MAX)
            return false;
        cdc_buf_byte(out, '"');
        temporal_append_date(out, number);
        cdc_buf_byte(out, '"');
        return true;
    case DEBEZIUM_TIME_MS:
    case DEBEZIUM_TIME_US:
    case DEBEZIUM_TIME_NS: read_time(out, wire, number, column); return true;
    case DEBEZIUM_TIMESTAMP_MS:
    case DEBEZIUM_TIMESTAMP_US:
    case DEBEZIUM_TIMESTAMP_NS: read_timestamp(out, wire, number, column); return true;
    default: return false;
    }
}

static bool read_text(struct cdc_buf *out, const struct format_column *column, int wire, struct cdc_span raw,
                      struct cdc_buf *scratch)
{
    switch (wire) {
    case DEBEZIUM_JSON: return value_read_json_text(out, raw, scratch);
    case DEBEZIUM_TIMETZ: read_timetz(out, raw); return true;
    case DEBEZIUM_BITS: return read_bits(out, raw, column->wire_digits, scratch);
    case DEBEZIUM_DECIMAL: return read_decimal(out, raw, column->wire_digits, scratch);
    case DEBEZIUM_ISO:
        format_append_raw(out, raw.n > 0 && raw.p[raw.n - 1] == 'Z' ? cdc_span(raw.p, raw.n - 1) : raw);
        return true;
    default: return false;
    }
}

static void read_scalar(struct cdc_buf *out, const struct format_column *column, int wire, struct cdc_span value,
                        struct losses *losses, struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(value);
    int64_t number;
    bool known = true;

    if (wire == DEBEZIUM_PLAIN || wire == DEBEZIUM_INT || wire == DEBEZIUM_BYTES || *value.p == 'n')
        cdc_json_append_compact(out, value);
    else if (wire == DEBEZIUM_TEXT_NUMBER)
        raw.p != NULL ? cdc_buf_span(out, value) : format_append_raw(out, value);
    else if (wire == DEBEZIUM_BIT)
        cdc_buf_text(out, *value.p == 't' ? "\"1\"" : "\"0\"");
    else if (wire == DEBEZIUM_VARIABLE)
        known = read_variable(out, value, scratch);
    else if (raw.p != NULL)
        known = read_text(out, column, wire, raw, scratch);
    else
        known = cdc_json_int64(value, &number) && read_number(out, column, wire, number);
    if (known)
        return;
    losses->n[LOSS_TYPE]++;
    cdc_json_append_compact(out, value);
}

void debezium_read_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                         struct losses *losses, struct cdc_buf *scratch)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    const char *separator = "";

    if (column->wire != DEBEZIUM_ARRAY || cdc_json_type(value) != CDC_JSON_ARRAY) {
        read_scalar(out, column, column->wire == DEBEZIUM_ARRAY ? DEBEZIUM_PLAIN : column->wire, value, losses,
                    scratch);
        return;
    }
    cdc_buf_byte(out, '[');
    for (cdc_json_iter_begin(&iter, value); cdc_json_next_element(&iter, &item); separator = ",") {
        cdc_buf_text(out, separator);
        if (cdc_json_type(item) == CDC_JSON_ARRAY)
            debezium_read_value(out, column, item, losses, scratch);
        else
            read_scalar(out, column, column->wire_element, item, losses, scratch);
    }
    cdc_buf_byte(out, ']');
}
