/* SPDX-License-Identifier: MIT */
/* What --check has found out: an object that is written as it is found, and a table of it. */
#include <cdc/findings.h>
#include <cdc/json.h>

#include <stdio.h>
#include <string.h>

#define MAX_COLUMNS 32
#define KIB 1024

void cdc_findings_free(struct cdc_findings *findings)
{
    cdc_buf_free(&findings->facts);
    cdc_buf_free(&findings->list);
}

/* -- as JSON -- */

static void close_object(struct cdc_findings *findings, const char *next_rows)
{
    if (findings->in_object)
        cdc_buf_byte(&findings->facts, '}');
    findings->in_object = false;
    if (findings->rows && (!next_rows || strcmp(findings->rows, next_rows) != 0)) {
        cdc_buf_byte(&findings->facts, ']');
        findings->rows = NULL;
    }
}

static void begin_member(struct cdc_findings *findings, const char *name)
{
    cdc_buf_text(&findings->facts, findings->facts.len > 0 ? ",\"" : "\"");
    cdc_buf_text(&findings->facts, name);
    cdc_buf_lit(&findings->facts, "\":");
}

static void begin_object(struct cdc_findings *findings)
{
    cdc_buf_byte(&findings->facts, '{');
    findings->in_object = findings->empty = true;
}

void cdc_findings_object(struct cdc_findings *findings, const char *name)
{
    if (!findings)
        return;
    close_object(findings, NULL);
    begin_member(findings, name);
    begin_object(findings);
}

void cdc_findings_row(struct cdc_findings *findings, const char *name)
{
    if (!findings)
        return;
    close_object(findings, name);
    if (findings->rows) {
        cdc_buf_byte(&findings->facts, ',');
    } else {
        begin_member(findings, name);
        cdc_buf_byte(&findings->facts, '[');
        findings->rows = name;
    }
    begin_object(findings);
}

static void append_name(struct cdc_findings *findings, const char *name)
{
    cdc_buf_text(&findings->facts, findings->empty ? "\"" : ",\"");
    cdc_buf_text(&findings->facts, name);
    cdc_buf_lit(&findings->facts, "\":");
    findings->empty = false;
}

static void append_text(struct cdc_buf *out, const char *text)
{
    if (text)
        cdc_json_append_message(out, text);
    else
        cdc_buf_lit(out, "null");
}

void cdc_findings_text(struct cdc_findings *findings, const char *name, const char *value)
{
    if (!findings)
        return;
    append_name(findings, name);
    append_text(&findings->facts, value);
}

void cdc_findings_number(struct cdc_findings *findings, const char *name, int64_t value)
{
    if (!findings)
        return;
    append_name(findings, name);
    cdc_buf_i64(&findings->facts, value);
}

void cdc_findings_flag(struct cdc_findings *findings, const char *name, bool value)
{
    if (!findings)
        return;
    append_name(findings, name);
    cdc_buf_text(&findings->facts, value ? "true" : "false");
}

void cdc_findings_json(struct cdc_findings *findings, const char *name, struct cdc_span value)
{
    if (!findings)
        return;
    append_name(findings, name);
    cdc_json_append_compact(&findings->facts, value);
}

void cdc_findings_add(struct cdc_findings *findings, enum cdc_log_level level, const char *code, const char *table,
                      const char *text, const char *cure)
{
    static const char *const severities[] = {"error", "warning", "info", "info"};
    if (!findings)
        return;
    struct cdc_buf *out = &findings->list;
    cdc_buf_text(out, out->len > 0 ? ",{\"code\":" : "{\"code\":");
    append_text(out, code);
    cdc_buf_printf(out, ",\"severity\":\"%s\",\"table\":", severities[level]);
    append_text(out, table);
    cdc_buf_lit(out, ",\"text\":");
    append_text(out, text);
    cdc_buf_lit(out, ",\"cure\":");
    append_text(out, cure && *cure ? cure : NULL);
    cdc_buf_byte(out, '}');
}

bool cdc_findings_have_error(const struct cdc_findings *findings)
{
    static const char severity[] = "\"severity\":\"error\"";
    const struct cdc_buf *list = findings != NULL ? &findings->list : NULL;
    return list != NULL && list->len > 0 && memmem(list->data, list->len, severity, sizeof severity - 1) != NULL;
}

int cdc_findings_end(struct cdc_findings *findings, const char *tool, const char *name, const struct cdc_error *error,
                     struct cdc_buf *out)
{
    close_object(findings, NULL);
    if (error->status != 0 && !cdc_findings_have_error(findings))
        cdc_findings_add(findings, CDC_LOG_ERROR, "check", NULL, error->text, error->hint);
    cdc_buf_lit(out, "{\"tool\":");
    append_text(out, tool);
    cdc_buf_lit(out, ",\"name\":");
    append_text(out, name);
    cdc_buf_printf(out, ",\"exit_status\":%d%s", error->status, findings->facts.len > 0 ? "," : "");
    cdc_buf_append_buf(out, &findings->facts);
    cdc_buf_lit(out, ",\"findings\":[");
    cdc_buf_append_buf(out, &findings->list);
    cdc_buf_lit(out, "]}");
    return out->failed ? -1 : 0;
}

/* -- as a table -- */

/* 16777216 (16 MiB) */
static void append_bytes(struct cdc_buf *out, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    if (bytes < KIB)
        return;
    for (value /= KIB; value >= KIB && unit < 4; unit++)
        value /= KIB;
    cdc_buf_printf(out, " (%.*f %s)", value < 10 ? 1 : 0, value, units[unit]);
}

static bool is_bytes(struct cdc_span name)
{
    return name.n > 6 && memcmp(name.p + name.n - 6, "_bytes", 6) == 0;
}

/* The text between the quotes of JSON has no controls but DEL and those from U+0080 to U+009F. */
static void append_raw(struct cdc_buf *out, struct cdc_span raw)
{
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i], next = i + 1 < raw.n ? (unsigned char)raw.p[i + 1] : 0;
        if (c == '\\' && (next == '"' || next == '\\'))
            cdc_buf_byte(out, raw.p[++i]);
        else if (c == 0x7f)
            cdc_buf_lit(out, "\\u007f");
        else if (c == 0xc2 && next < 0xa0 && next >= 0x80)
            cdc_buf_printf(out, "\\u00%02x", (unsigned char)raw.p[++i]);
        else
            cdc_buf_byte(out, (char)c);
    }
}

static void append_value(struct cdc_buf *out, struct cdc_span name, struct cdc_span value)
{
    struct cdc_json_iter elements;
    struct cdc_span element;
    int64_t number;
    bool first = true;
    switch (cdc_json_type(value)) {
    case CDC_JSON_NONE:
    case CDC_JSON_NULL: cdc_buf_byte(out, '-'); break;
    case CDC_JSON_BOOL: cdc_buf_text(out, *value.p == 't' ? "yes" : "no"); break;
    case CDC_JSON_STRING: append_raw(out, cdc_json_string_raw(value)); break;
    case CDC_JSON_ARRAY:
        for (cdc_json_iter_begin(&elements, value); cdc_json_next_element(&elements, &element); first = false) {
            cdc_buf_text(out, first ? "" : ",");
            append_value(out, name, element);
        }
        if (first)
            cdc_buf_byte(out, '-');
        break;
    default:
        cdc_buf_span(out, value);
        if (is_bytes(name) && cdc_json_int64(value, &number))
            append_bytes(out, number);
    }
}

/* Of characters, not of bytes. */
static size_t width_of(const char *p, size_t n)
{
    size_t width = 0;
    for (size_t i = 0; i < n; i++)
        width += ((unsigned char)p[i] & 0xc0) != 0x80;
    return width;
}

static void pad(struct cdc_buf *out, size_t from, size_t width)
{
    for (size_t n = width_of(out->data + from, out->len - from); n < width && !out->failed; n++)
        cdc_buf_byte(out, ' ');
}

static void append_object(struct cdc_buf *out, struct cdc_span object)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;
    size_t width = 0;
    for (cdc_json_iter_begin(&members, object); cdc_json_next_member(&members, &name, &value);)
        width = name.n > width ? name.n : width;
    for (cdc_json_iter_begin(&members, object); cdc_json_next_member(&members, &name, &value);) {
        cdc_buf_lit(out, "  ");
        size_t from = out->len;
        cdc_buf_span(out, name);
        pad(out, from, width + 2);
        append_value(out, name, value);
        cdc_buf_byte(out, '\n');
    }
}

/* names NULL: the heads, else the values. widths grow. */
static void measure(size_t *widths, struct cdc_span object, bool heads)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;
    struct cdc_buf cell = CDC_BUF_INIT;
    size_t i = 0;
    for (cdc_json_iter_begin(&members, object); i < MAX_COLUMNS && cdc_json_next_member(&members, &name, &value); i++) {
        cell.len = 0;
        if (heads)
            cdc_buf_span(&cell, name);
        else
            append_value(&cell, name, value);
        size_t width = width_of(cell.data, cell.len);
        widths[i] = width > widths[i] ? width : widths[i];
    }
    cdc_buf_free(&cell);
}

static void append_row(struct cdc_buf *out, const size_t *widths, struct cdc_span object, bool heads)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;
    size_t i = 0, after = out->len;
    for (cdc_json_iter_begin(&members, object); i < MAX_COLUMNS && cdc_json_next_member(&members, &name, &value); i++) {
        cdc_buf_lit(out, "  ");
        size_t from = out->len;
        if (heads)
            cdc_buf_span(out, name);
        else
            append_value(out, name, value);
        after = out->len;
        pad(out, from, widths[i]);
    }
    out->len = after; /* without spaces at the end */
    cdc_buf_byte(out, '\n');
}

static void append_rows(struct cdc_buf *out, struct cdc_span array)
{
    struct cdc_json_iter rows;
    struct cdc_span row, first = {NULL, 0};
    size_t widths[MAX_COLUMNS] = {0};
    for (cdc_json_iter_begin(&rows, array); cdc_json_next_element(&rows, &row);) {
        first = first.p ? first : row;
        measure(widths, row, false);
    }
    if (!first.p)
        return;
    measure(widths, first, true);
    append_row(out, widths, first, true);
    for (cdc_json_iter_begin(&rows, array); cdc_json_next_element(&rows, &row);)
        append_row(out, widths, row, false);
}

void cdc_findings_table(struct cdc_buf *out, struct cdc_span object)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;
    for (cdc_json_iter_begin(&members, object); cdc_json_next_member(&members, &name, &value);) {
        enum cdc_json_type type = cdc_json_type(value);
        if ((type != CDC_JSON_OBJECT && type != CDC_JSON_ARRAY) || cdc_span_is(name, "findings"))
            continue;
        cdc_buf_span(out, name);
        cdc_buf_byte(out, '\n');
        if (type == CDC_JSON_OBJECT)
            append_object(out, value);
        else
            append_rows(out, value);
    }
}
