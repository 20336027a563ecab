/* SPDX-License-Identifier: MIT */
/* canal's values: every one a string, as MySQL's log has it: enums and sets as numbers, bytes as characters of ISO 8859-1. */
#include "libcdc/format/canal.h"

/* -- there ------------------------------------------------------------------------- */

/* Each byte is the character with that number. */
static void append_latin1(struct cdc_buf *out, const char *p, size_t n)
{
    cdc_buf_byte(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
            cdc_buf_printf(out, "\\u%04x", c);
        else if (c < 0x80)
            cdc_buf_byte(out, (char)c);
        else {
            cdc_buf_byte(out, (char)(0xc0 | c >> 6));
            cdc_buf_byte(out, (char)(0x80 | (c & 63)));
        }
    }
    cdc_buf_byte(out, '"');
}

static bool append_bytes(struct cdc_buf *out, struct cdc_span base64, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!format_decode_base64(scratch, base64))
        return false;
    append_latin1(out, scratch->data, scratch->len);
    return true;
}

/* As MySQL keeps it: the SRID in four bytes, then the WKB. */
static bool append_geometry(struct cdc_buf *out, struct cdc_span value, struct cdc_buf *scratch)
{
    int64_t srid = 0;

    (void)cdc_json_int64(cdc_json_member(value, "srid"), &srid);
    scratch->len = 0;
    for (int i = 0; i < 4; i++)
        cdc_buf_byte(scratch, (char)((uint64_t)srid >> 8 * i & 0xff));
    if (!format_decode_base64(scratch, cdc_json_member_raw(value, "wkb")))
        return false;
    append_latin1(out, scratch->data, scratch->len);
    return true;
}

static bool append_enum(struct cdc_buf *out, struct cdc_span type, struct cdc_span raw)
{
    size_t index = raw.n == 0 ? 0 : value_label_index(type, raw, out);

    if (index == SIZE_MAX)
        return false;
    cdc_buf_printf(out, "\"%zu\"", raw.n == 0 ? 0 : index + 1);
    return true;
}

static bool append_set(struct cdc_buf *out, struct cdc_span type, struct cdc_span raw)
{
    uint64_t bits = 0;

    while (raw.n > 0) {
        const char *comma = memchr(raw.p, ',', raw.n);
        size_t n = comma != NULL ? (size_t)(comma - raw.p) : raw.n,
               index = value_label_index(type, cdc_span(raw.p, n), out);
        if (index >= 64)
            return false;
        bits |= UINT64_C(1) << index;
        n += comma != NULL;
        raw = cdc_span(raw.p + n, raw.n - n);
    }
    cdc_buf_byte(out, '"');
    cdc_buf_u64(out, bits);
    cdc_buf_byte(out, '"');
    return true;
}

static bool append_bits(struct cdc_buf *out, struct cdc_span raw)
{
    size_t at = out->len;

    cdc_buf_byte(out, '"');
    if (!value_append_bits_number(out, raw)) {
        out->len = at;
        return false;
    }
    cdc_buf_byte(out, '"');
    return true;
}

/* True when it was written in the form of its type. */
static bool append_typed(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                         struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    switch (column->value.value) {
    case VALUE_JSON:
    case VALUE_HSTORE: value_append_json_text(out, value); return true;
    case VALUE_BYTES: return raw.p != NULL && append_bytes(out, raw, scratch);
    case VALUE_ENUM: return raw.p != NULL && !column->value.is_postgres && append_enum(out, column->type, raw);
    case VALUE_SET: return raw.p != NULL && append_set(out, column->type, raw);
    case VALUE_BITS:
        return raw.p != NULL && column->value.is_fixed_bits && format_is_mysql_type(column) && append_bits(out, raw);
    case VALUE_GEOMETRY: return *value.p == '{' && !column->value.is_postgres && append_geometry(out, value, scratch);
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        if (raw.p == NULL)
            return false;
        value_append_spaced(out, raw, "");
        return true;
    default: return false;
    }
}

void canal_append_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                        struct cdc_span json_null, struct losses *losses, struct cdc_buf *scratch)
{
    enum value_class class = column->value.value;

    if (*value.p == 'n') {
        cdc_buf_text(out, writer_is_json_null(column, value, json_null) ? "\"null\"" : "null");
        return;
    }
    if (append_typed(out, column, value, scratch))
        return;
    if (class == VALUE_ENUM || class == VALUE_SET)
        losses->n[LOSS_EMPTY_SET] += !column->value.is_postgres;
    if (*value.p == '"') {
        cdc_buf_span(out, value);
    } else if (cdc_json_type(value) == CDC_JSON_BOOL && !column->value.is_postgres) {
        cdc_buf_text(out, *value.p == 't' ? "\"1\"" : "\"0\"");
    } else {
        losses->n[LOSS_BYTES_TEXT] += format_is_bytes_text(value);
        losses->n[LOSS_OBJECT] +=
            (*value.p == '{' || *value.p == '[') && class == VALUE_TEXT && !format_is_bytes_text(value);
        cdc_json_append_string(out, value.p, value.n);
    }
}

/* -- back -------------------------------------------------------------------------- */

/* Characters of ISO 8859-1 are bytes again. */
static bool take_latin1(struct cdc_buf *bytes, struct cdc_span raw)
{
    size_t at = bytes->len, to = at;

    cdc_json_unescape(bytes, raw);
    if (bytes->failed)
        return true;
    for (size_t i = at; i < bytes->len; i++) {
        unsigned char c = (unsigned char)bytes->data[i];
        if (c < 0x80) {
            bytes->data[to++] = (char)c;
        } else if ((c == 0xc2 || c == 0xc3) && i + 1 < bytes->len) {
            bytes->data[to++] = (char)((c & 3) << 6 | ((unsigned char)bytes->data[i + 1] & 63));
            i++;
        } else {
            return false;
        }
    }
    bytes->len = to;
    return true;
}

static bool read_bytes(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!take_latin1(scratch, raw))
        return false;
    cdc_buf_byte(out, '"');
    cdc_buf_base64(out, scratch->data, scratch->len);
    cdc_buf_byte(out, '"');
    return true;
}

static bool read_geometry(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    uint32_t srid = 0;

    scratch->len = 0;
    if (!take_latin1(scratch, raw) || scratch->failed || scratch->len < 5)
        return false;
    for (int i = 3; i >= 0; i--)
        srid = srid << 8 | (unsigned char)scratch->data[i];
    cdc_buf_printf(out, "{\"srid\":%u,\"wkb\":\"", srid);
    cdc_buf_base64(out, scratch->data + 4, scratch->len - 4);
    cdc_buf_lit(out, "\"}");
    return true;
}

static bool take_number(struct cdc_span raw, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] < '0' || raw.p[i] > '9' || __builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(raw.p[i] - '0'), number))
            return false;
    return raw.n > 0;
}

static bool read_enum(struct cdc_buf *out, struct cdc_span type, struct cdc_span raw, struct cdc_buf *scratch)
{
    uint64_t number;

    scratch->len = 0;
    if (!take_number(raw, &number) || (number > 0 && !value_label(type, (size_t)number - 1, scratch)))
        return false;
    format_append_raw(out, cdc_span(scratch->data != NULL ? scratch->data : "", scratch->len));
    return true;
}

static bool read_set(struct cdc_buf *out, struct cdc_span type, struct cdc_span raw, struct cdc_buf *scratch)
{
    uint64_t bits;
    bool any = false;

    scratch->len = 0;
    if (!take_number(raw, &bits))
        return false;
    for (size_t i = 0; i < 64; i++) {
        if (!(bits >> i & 1))
            continue;
        if (any)
            cdc_buf_byte(scratch, ',');
        if (!value_label(type, i, scratch))
            return false;
        any = true;
    }
    format_append_raw(out, cdc_span(scratch->data != NULL ? scratch->data : "", scratch->len));
    return true;
}

static bool read_typed(struct cdc_buf *out, const struct format_column *column, struct cdc_span raw, bool *json_null,
                       struct cdc_buf *scratch)
{
    size_t at = out->len;

    switch (column->value.value) {
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_YEAR:
        if (!format_is_number(raw))
            return false;
        cdc_buf_span(out, raw);
        return true;
    case VALUE_BOOL:
        cdc_buf_text(out, cdc_span_is(raw, "1") || cdc_span_is(raw, "true") ? "true" : "false");
        return true;
    case VALUE_BITS:
        if (column->value.is_fixed_bits)
            return value_read_bits_number(out, raw, column->value.length);
        format_append_raw(out, raw);
        return true;
    case VALUE_BYTES: return read_bytes(out, raw, scratch);
    case VALUE_GEOMETRY: return read_geometry(out, raw, scratch);
    case VALUE_ENUM: return read_enum(out, column->type, raw, scratch);
    case VALUE_SET: return read_set(out, column->type, raw, scratch);
    case VALUE_JSON:
    case VALUE_HSTORE:
    case VALUE_ARRAY:
    case VALUE_VECTOR:
        if (!value_read_json_text(out, raw, scratch))
            return false;
        *json_null = cdc_span_is(cdc_span(out->data + at, out->len - at), "null");
        return true;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: value_append_iso(out, raw, column->value.value == VALUE_TIMESTAMPTZ); return true;
    default: format_append_raw(out, raw); return true;
    }
}

void canal_read_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value, bool *json_null,
                      struct losses *losses, struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(value);
    size_t at = out->len;

    *json_null = false;
    if (raw.p != NULL && read_typed(out, column, raw, json_null, scratch))
        return;
    losses->n[LOSS_TYPE] += raw.p != NULL;
    out->len = at;
    cdc_json_append_compact(out, value);
}
