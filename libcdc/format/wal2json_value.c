/* SPDX-License-Identifier: MIT */
/* Values as wal2json has them. */
#include "libcdc/format/wal2json.h"

/* In JSON, an array of several dimensions and one of arrays are the same: where the elements may be arrays, as JSON or of a
 * type of the database's own, such a one stays the server's text. The server has six dimensions at most. */
static bool may_be_of_arrays(const struct format_column *column)
{
    enum value_class element = column->value.element;

    return element == VALUE_JSON || element == VALUE_VECTOR || memchr(column->type.p, '.', column->type.n) != NULL;
}

static bool is_nested(struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, array); cdc_json_next_element(&iter, &item);)
        if (cdc_json_type(item) == CDC_JSON_ARRAY)
            return true;
    return false;
}

/* -- there ------------------------------------------------------------------------- */

static void append_bytes(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!format_decode_base64(scratch, raw)) {
        format_append_raw(out, raw);
        return;
    }
    cdc_buf_byte(out, '"');
    format_append_hex(out, scratch->data, scratch->len);
    cdc_buf_byte(out, '"');
}

static void append_text(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                        struct losses *losses, struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    switch (column->value.value) {
    case VALUE_INT:
    case VALUE_DECIMAL:
    case VALUE_FLOAT:
        if (format_is_number(raw)) {
            cdc_buf_span(out, raw);
        } else {
            losses->n[LOSS_NAN]++;
            cdc_buf_lit(out, "null");
        }
        return;
    case VALUE_BYTES: append_bytes(out, raw, scratch); return;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: value_append_spaced(out, raw, "+00"); return;
    default: cdc_buf_span(out, value);
    }
}

void wal2json_append_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                           struct cdc_span json_null, struct losses *losses, struct cdc_buf *scratch)
{
    enum value_class class = column->value.value;

    if (*value.p == 'n') {
        cdc_buf_text(out, writer_is_json_null(column, value, json_null) ? "\"null\"" : "null");
    } else if (class == VALUE_JSON) {
        value_append_json_text(out, value);
    } else if (*value.p == '"') {
        append_text(out, column, value, losses, scratch);
    } else if (*value.p == '[' || *value.p == '{') {
        scratch->len = 0;
        bool is_clear = class == VALUE_ARRAY &&
                        (column->value.element == VALUE_JSON || !may_be_of_arrays(column) || !is_nested(value));
        if (is_clear && wal2json_append_array(scratch, &column->value, value)) {
            cdc_json_append_string(out, scratch->data, scratch->len);
        } else if (class == VALUE_VECTOR) {
            cdc_json_append_string(out, value.p, value.n);
        } else {
            /* hstore, composites, geometry, arrays of arrays: the server's text is another one. */
            losses->n[format_is_bytes_text(value) ? LOSS_BYTES_TEXT : LOSS_TYPE]++;
            cdc_buf_span(out, value);
        }
    } else {
        cdc_buf_span(out, value);
    }
}

/* -- back -------------------------------------------------------------------------- */

static bool is_date(struct cdc_span text)
{
    int64_t ignored;

    return temporal_days(text, &ignored) || cdc_span_is(text, "infinity") || cdc_span_is(text, "-infinity");
}

static bool read_bytes(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!format_decode_hex(scratch, raw))
        return false;
    cdc_buf_byte(out, '"');
    cdc_buf_base64(out, scratch->data, scratch->len);
    cdc_buf_byte(out, '"');
    return true;
}

static bool read_array(struct cdc_buf *out, const struct format_column *column, struct cdc_span raw,
                       struct cdc_buf *scratch)
{
    bool of_arrays = may_be_of_arrays(column);
    struct cdc_buf array = CDC_BUF_INIT;

    scratch->len = 0;
    cdc_json_unescape(scratch, raw);
    bool good = !scratch->failed &&
                wal2json_read_array(&array, &column->value, of_arrays ? 1 : 6, cdc_span(scratch->data, scratch->len));
    if (good)
        cdc_buf_append_buf(out, &array);
    cdc_buf_free(&array);
    return good;
}

/* Dates and times are known in the style ISO only: what another DateStyle has made stays, and is counted. */
static bool read_text(struct cdc_buf *out, const struct format_column *column, struct cdc_span raw, bool *json_null,
                      struct cdc_buf *scratch)
{
    size_t at = out->len;

    switch (column->value.value) {
    case VALUE_BYTES: return read_bytes(out, raw, scratch);
    case VALUE_JSON:
        if (!value_read_json_text(out, raw, scratch))
            return false;
        *json_null = cdc_span_is(cdc_span(out->data + at, out->len - at), "null");
        return true;
    case VALUE_DATE: format_append_raw(out, raw); return is_date(raw);
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        value_append_iso(out, raw, column->value.value == VALUE_TIMESTAMPTZ);
        return memchr(raw.p, ' ', raw.n) == NULL || memmem(raw.p, raw.n, " BC", 3) != NULL ||
               memchr(out->data + at, ' ', out->len - at) == NULL;
    case VALUE_ARRAY:
        /* One that does not begin at 1 stays the server's text. */
        if (raw.n == 0 || *raw.p != '{')
            break;
        return read_array(out, column, raw, scratch);
    case VALUE_VECTOR: return value_read_json_text(out, raw, scratch);
    default: break;
    }
    format_append_raw(out, raw);
    return true;
}

void wal2json_read_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                         bool *json_null, struct losses *losses, struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(value);
    size_t at = out->len;

    *json_null = false;
    if (raw.p == NULL) {
        if (column->value.value == VALUE_DECIMAL && cdc_json_type(value) == CDC_JSON_NUMBER)
            format_append_raw(out, value);
        else
            cdc_json_append_compact(out, value);
        return;
    }
    if (read_text(out, column, raw, json_null, scratch))
        return;
    losses->n[LOSS_TYPE]++;
    out->len = at;
    cdc_buf_span(out, value);
}
