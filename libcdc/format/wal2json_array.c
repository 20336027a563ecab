/* SPDX-License-Identifier: MIT */
/* PostgreSQL's text of arrays: {1,2}, {{a,b},{NULL,"c, \"d\""}}. */
#include "libcdc/format/wal2json.h"

/* -- there ------------------------------------------------------------------------- */

static void append_quoted(struct cdc_buf *out, struct cdc_span text)
{
    cdc_buf_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            cdc_buf_byte(out, '\\');
        cdc_buf_byte(out, text.p[i]);
    }
    cdc_buf_byte(out, '"');
}

/* The server quotes an element only where it must. */
static bool needs_quotes(struct cdc_span text, char delimiter)
{
    if (text.n == 0 || (text.n == 4 && strncasecmp(text.p, "null", 4) == 0))
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == delimiter || strchr("{}\"\\ \t\n\r\v\f", text.p[i]) != NULL)
            return true;
    return false;
}

/* The element's text as the server would print it, unescaped. */
static bool append_element(struct cdc_buf *out, const struct value_type *type, struct cdc_span value)
{
    struct cdc_buf text = CDC_BUF_INIT, bytes = CDC_BUF_INIT;
    struct cdc_span raw = cdc_json_string_raw(value);
    enum value_class element = type->element;
    bool good = true;

    /* JSON's own comes in no array but in the server's text of it. */
    if (*value.p == 'n') {
        cdc_buf_lit(out, "NULL");
        return true;
    }
    if (element == VALUE_JSON) {
        cdc_buf_span(&text, value);
    } else if (element == VALUE_BYTES && raw.p != NULL) {
        good = format_decode_base64(&bytes, raw);
        cdc_buf_lit(&text, "\\x");
        format_append_hex(&text, bytes.data, bytes.len);
    } else if (raw.p != NULL) {
        if (element == VALUE_TIMESTAMP || element == VALUE_TIMESTAMPTZ) {
            value_append_spaced(&bytes, raw, "+00");
            if (!bytes.failed)
                cdc_json_unescape(&text, cdc_span(bytes.data + 1, bytes.len - 2));
        } else {
            cdc_json_unescape(&text, raw);
        }
    } else if (cdc_json_type(value) == CDC_JSON_BOOL) {
        cdc_buf_byte(&text, *value.p);
    } else {
        cdc_buf_span(&text, value);
        good = cdc_json_type(value) == CDC_JSON_NUMBER;
    }
    struct cdc_span whole = {text.data != NULL ? text.data : "", text.len};
    if (needs_quotes(whole, type->delimiter))
        append_quoted(out, whole);
    else
        cdc_buf_span(out, whole);
    out->failed |= text.failed || bytes.failed;
    cdc_buf_free(&text);
    cdc_buf_free(&bytes);
    return good;
}

bool wal2json_append_array(struct cdc_buf *out, const struct value_type *type, struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    char separator = '{';
    bool good = cdc_json_type(array) == CDC_JSON_ARRAY;

    for (cdc_json_iter_begin(&iter, array); good && cdc_json_next_element(&iter, &item); separator = type->delimiter) {
        cdc_buf_byte(out, separator);
        good = cdc_json_type(item) == CDC_JSON_ARRAY && type->element != VALUE_JSON
                   ? wal2json_append_array(out, type, item)
                   : append_element(out, type, item);
    }
    cdc_buf_text(out, separator == '{' ? "{}" : "}");
    return good;
}

/* -- back -------------------------------------------------------------------------- */

static bool read_element(struct cdc_buf *out, enum value_class element, struct cdc_span text)
{
    struct cdc_buf bytes = CDC_BUF_INIT;
    struct cdc_error ignored = {0};
    bool good = true;

    switch (element) {
    case VALUE_INT:
    case VALUE_FLOAT:
        if (format_is_number(text))
            cdc_buf_span(out, text);
        else
            (void)cdc_json_append_text(out, text.p, text.n);
        break;
    case VALUE_BOOL: cdc_buf_text(out, cdc_span_is(text, "t") ? "true" : "false"); break;
    case VALUE_BYTES:
        good =
            text.n >= 2 && memcmp(text.p, "\\x", 2) == 0 && format_decode_hex(&bytes, cdc_span(text.p + 2, text.n - 2));
        cdc_buf_byte(out, '"');
        cdc_buf_base64(out, bytes.data, bytes.len);
        cdc_buf_byte(out, '"');
        break;
    case VALUE_JSON:
        /* JSON's null would be SQL's. */
        good = cdc_json_validate(text.p, text.n, &ignored) == 0 && !cdc_span_is(text, "null");
        if (good)
            cdc_json_append_compact(out, text);
        break;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: value_append_iso(out, text, element == VALUE_TIMESTAMPTZ); break;
    default: (void)cdc_json_append_text(out, text.p, text.n);
    }
    out->failed |= bytes.failed;
    cdc_buf_free(&bytes);
    return good;
}

/* Takes an element off the front: NULL, a text in quotes, or what is before the next delimiter or brace. */
static bool take_element(struct cdc_buf *out, const struct value_type *type, const char **p, const char *end)
{
    struct cdc_buf text = CDC_BUF_INIT;
    bool quoted = *p < end && **p == '"', good;

    for (*p += quoted; *p < end; ++*p) {
        if (quoted ? **p == '"' : **p == type->delimiter || **p == '}')
            break;
        if (**p == '\\' && *p + 1 < end)
            ++*p;
        cdc_buf_byte(&text, **p);
    }
    good = *p < end;
    *p += quoted && good;
    struct cdc_span whole = {text.data != NULL ? text.data : "", text.len};
    if (!quoted && cdc_span_is(whole, "NULL"))
        cdc_buf_lit(out, "null");
    else
        good = good && read_element(out, type->element, whole);
    out->failed |= text.failed;
    cdc_buf_free(&text);
    return good;
}

static bool take_array(struct cdc_buf *out, const struct value_type *type, const char **p, const char *end, int left)
{
    const char *separator = "";

    if (left == 0 || *p == end || **p != '{')
        return false;
    ++*p;
    cdc_buf_byte(out, '[');
    for (; *p < end && **p != '}'; separator = ",") {
        if (*separator != '\0' && *(*p)++ != type->delimiter)
            return false;
        if (*p == end)
            return false;
        cdc_buf_text(out, separator);
        if (**p == '{' ? !take_array(out, type, p, end, left - 1) : !take_element(out, type, p, end))
            return false;
    }
    if (*p == end)
        return false;
    ++*p;
    cdc_buf_byte(out, ']');
    return true;
}

bool wal2json_read_array(struct cdc_buf *out, const struct value_type *type, int dimensions, struct cdc_span text)
{
    const char *p = text.p, *end = text.p + text.n;

    return take_array(out, type, &p, end, dimensions) && p == end;
}
