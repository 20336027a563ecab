/* SPDX-License-Identifier: MIT */
/* Values that several formats write in the same other way. */
#include <stdio.h>
#include <stdlib.h>

#include "libcdc/format/internal.h"

/* -- times ------------------------------------------------------------------------- */

void value_append_spaced(struct cdc_buf *out, struct cdc_span raw, const char *zone)
{
    const char *t = memchr(raw.p, 'T', raw.n);

    if (t == NULL || t == raw.p || t[-1] < '0' || t[-1] > '9') {
        format_append_raw(out, raw);
        return;
    }
    size_t n = (size_t)(t - raw.p);
    bool utc = raw.p[raw.n - 1] == 'Z';
    cdc_buf_byte(out, '"');
    cdc_buf_append(out, raw.p, n);
    cdc_buf_byte(out, ' ');
    cdc_buf_append(out, t + 1, raw.n - n - 1 - utc);
    if (utc)
        cdc_buf_text(out, zone);
    cdc_buf_byte(out, '"');
}

static bool take_utc(struct cdc_span *text)
{
    static const char *const zones[] = {"+00:00", "+00", "Z", "-00", ""};

    for (size_t i = 0; zones[i][0] != '\0'; i++) {
        size_t n = strlen(zones[i]);
        if (text->n > n && memcmp(text->p + text->n - n, zones[i], n) == 0) {
            text->n -= n;
            return true;
        }
    }
    return false;
}

void value_append_iso(struct cdc_buf *out, struct cdc_span raw, bool zone)
{
    struct cdc_span text = raw;
    int64_t micros;
    const char *blank;

    if (zone)
        (void)take_utc(&text);
    bool bc = text.n > 3 && memcmp(text.p + text.n - 3, " BC", 3) == 0;
    blank = memchr(text.p, ' ', text.n);
    /* ISO 8601 has four digits of a year: other ones stay the server's text. */
    if (bc || (text.n > 10 && text.p[10] != 'T' && text.p[10] != ' ') || !temporal_timestamp(text, &micros)) {
        format_append_raw(out, raw);
        return;
    }
    cdc_buf_byte(out, '"');
    if (blank != NULL) {
        size_t n = (size_t)(blank - text.p);
        cdc_buf_append(out, text.p, n);
        cdc_buf_byte(out, 'T');
        cdc_buf_append(out, blank + 1, text.n - n - 1);
    } else {
        cdc_buf_span(out, text);
    }
    cdc_buf_text(out, zone ? "Z\"" : "\"");
}

/* -- bits -------------------------------------------------------------------------- */

bool value_append_bits_number(struct cdc_buf *out, struct cdc_span raw)
{
    uint64_t number = 0;

    if (raw.n == 0 || raw.n > 64)
        return false;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '0' && raw.p[i] != '1')
            return false;
        number = number << 1 | (uint64_t)(raw.p[i] == '1');
    }
    cdc_buf_u64(out, number);
    return true;
}

bool value_read_bits_number(struct cdc_buf *out, struct cdc_span number, int length)
{
    uint64_t bits = 0;

    if (number.n == 0 || length < 1 || length > 64)
        return false;
    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] < '0' || number.p[i] > '9' || __builtin_mul_overflow(bits, 10, &bits) ||
            __builtin_add_overflow(bits, (uint64_t)(number.p[i] - '0'), &bits))
            return false;
    if (length < 64 && bits >> length != 0)
        return false;
    cdc_buf_byte(out, '"');
    while (length-- > 0)
        cdc_buf_byte(out, bits >> length & 1 ? '1' : '0');
    cdc_buf_byte(out, '"');
    return true;
}

/* -- labels ------------------------------------------------------------------------ */

/* Appends the next label without its quotes, a doubled one as one; false at the end. */
static bool next_label(struct cdc_span *type, struct cdc_buf *label)
{
    const char *p = memchr(type->p, '\'', type->n), *end = type->p + type->n;

    if (p == NULL)
        return false;
    for (p++; p < end; p++) {
        if (*p == '\'' && (p + 1 == end || p[1] != '\''))
            break;
        if (*p == '\'')
            p++;
        if (label != NULL)
            cdc_buf_byte(label, *p);
    }
    p += p < end;
    *type = cdc_span(p, (size_t)(end - p));
    return true;
}

bool value_label(struct cdc_span type, size_t index, struct cdc_buf *label)
{
    for (; index > 0; index--)
        if (!next_label(&type, NULL))
            return false;
    return next_label(&type, label);
}

size_t value_label_index(struct cdc_span type, struct cdc_span raw, struct cdc_buf *out)
{
    struct cdc_buf label = CDC_BUF_INIT;
    size_t found = SIZE_MAX;

    for (size_t i = 0; found == SIZE_MAX && next_label(&type, &label); i++) {
        if (!label.failed && cdc_json_raw_equal(cdc_span(label.data != NULL ? label.data : "", label.len), raw))
            found = i;
        label.len = 0;
    }
    out->failed |= label.failed;
    cdc_buf_free(&label);
    return found;
}

/* -- JSON -------------------------------------------------------------------------- */

void value_append_json_text(struct cdc_buf *out, struct cdc_span value)
{
    cdc_json_append_string(out, value.p, value.n);
}

bool value_read_json_text(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    struct cdc_error ignored = {0};

    scratch->len = 0;
    cdc_json_unescape(scratch, raw);
    if (scratch->failed || cdc_json_validate(scratch->data, scratch->len, &ignored) != 0)
        return false;
    cdc_json_append_compact(out, cdc_span(scratch->data, scratch->len));
    return true;
}
