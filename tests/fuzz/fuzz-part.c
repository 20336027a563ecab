/* SPDX-License-Identifier: MIT */
/* Which rows a line is about: from any `part`, and whether any text belongs to it, is said as a second reader says it. What the filter
 * makes of several tables is a line that says it so. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include <cdc/filter.h>
#include <cdc/part.h>

static bool begins_with(const struct cdc_buf *text, const struct cdc_buf *prefix)
{
    return text->len >= prefix->len && memcmp(text->data, prefix->data, prefix->len) == 0;
}

static void unescape(struct cdc_buf *text, struct cdc_span raw)
{
    text->len = 0;
    cdc_json_unescape(text, raw);
    cdc_buf_byte(text, '\0');
    text->len--;
}

static bool belongs(const struct cdc_part *part, const struct cdc_buf *text)
{
    struct cdc_buf other = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span item;

    unescape(&other, part->value.p != NULL ? part->value : part->prefix);
    bool result = begins_with(text, &other) && (part->value.p == NULL || text->len == other.len);
    if (part->prefix.p != NULL && part->except.p != NULL)
        for (cdc_json_iter_begin(&iter, part->except); cdc_json_next_element(&iter, &item);) {
            unescape(&other, cdc_json_string_raw(item));
            if (other.len == text->len && memcmp(other.data, text->data, text->len) == 0)
                result = false;
        }
    cdc_buf_free(&other);
    return result;
}

static void compare(const struct cdc_part *part, struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    unescape(&text, raw);
    if (cdc_part_has(part, cdc_span(text.data, text.len)) != belongs(part, &text))
        abort();
    cdc_buf_free(&text);
}

static void route(const struct cdc_event *event)
{
    const char *routes[] = {"*.*=all.t"};
    struct cdc_filter_settings settings = {.routes = {routes, 1}};
    struct cdc_filter *filter = cdc_filter_new(&settings, NULL);
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_event made;
    struct cdc_part part;

    if (cdc_filter_event(filter, event, &out, NULL) == 1 && event->table.p != NULL && event->op == CDC_OP_TRUNCATE) {
        if (cdc_event_parse(&made, out.data, out.len - 1, NULL) != 0)
            abort();
        /* No table of a database has a NUL in its name. */
        if (cdc_part_read(&part, &made, NULL) != 1 && memmem(event->line.p, event->line.n, "\\u0000", 6) == NULL)
            abort();
    }
    cdc_buf_free(&out);
    cdc_filter_free(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cdc_event event;
    struct cdc_part part;

    if (cdc_event_parse(&event, (const char *)data, size, NULL) != 0)
        return 0;
    route(&event);
    if (cdc_part_read(&part, &event, NULL) != 1)
        return 0;
    const struct cdc_span texts[] = {part.column, part.value, part.prefix, event.table, event.schema, event.db};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].p != NULL)
            compare(&part, texts[i]);
    return 0;
}
