/* SPDX-License-Identifier: MIT */
/* Lines made of a line: what is not replaced stays byte for byte. */
#include "libcdc/shape/internal.h"

void shape_append_edited(struct cdc_buf *out, struct cdc_span line, struct shape_edit *edits, size_t n)
{
    const char *at = line.p, *end = line.p + line.n;

    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && edits[j - 1].at.p > edits[j].at.p; j--) {
            struct shape_edit edit = edits[j];
            edits[j] = edits[j - 1];
            edits[j - 1] = edit;
        }
    for (size_t i = 0; i < n; i++) {
        cdc_buf_append(out, at, (size_t)(edits[i].at.p - at));
        cdc_buf_span(out, edits[i].text);
        at = edits[i].at.p + edits[i].at.n;
    }
    cdc_buf_append(out, at, (size_t)(end - at));
}

static void append_member(struct cdc_buf *out, const struct cdc_event *event, const char *name)
{
    struct cdc_span value = cdc_json_member(event->line, name);

    if (value.p == NULL)
        return;
    cdc_buf_printf(out, ",\"%s\":", name);
    cdc_buf_span(out, value);
}

void shape_append_schema(struct cdc_buf *out, const struct cdc_event *event, const char *suffix,
                         struct cdc_span columns, struct cdc_span keys)
{
    cdc_buf_lit(out, "{\"op\":\"schema\",\"pos\":\"");
    cdc_buf_span(out, event->pos);
    cdc_buf_text(out, suffix);
    cdc_buf_byte(out, '"');
    append_member(out, event, "seq");
    append_member(out, event, "ts_ms");
    append_member(out, event, "source");
    cdc_buf_lit(out, ",\"columns\":");
    cdc_buf_span(out, columns);
    cdc_buf_lit(out, ",\"key_columns\":");
    cdc_buf_span(out, keys);
    cdc_buf_byte(out, '}');
}

bool shape_has_nul(struct cdc_span raw)
{
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] == '\\' && ++i + 5 <= raw.n && memcmp(raw.p + i, "u0000", 5) == 0)
            return true;
    return false;
}

struct cdc_span shape_member(struct cdc_span row, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value, found = {NULL, 0};

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_equal(name, raw))
            found = value;
    return found;
}

bool shape_has_name(struct cdc_span names, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);)
        if (cdc_json_type(item) == CDC_JSON_STRING && cdc_json_raw_equal(cdc_json_string_raw(item), raw))
            return true;
    return false;
}

bool shape_key_changed(const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (event->op != CDC_OP_UPDATE || cdc_json_is_null(event->before))
        return false;
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span old = shape_member(event->before, name);
        if (old.p != NULL && !cdc_span_equal(old, value))
            return true;
    }
    return false;
}
