/* SPDX-License-Identifier: MIT */
#include <cdc/part.h>

/* Whoever takes the text for one that ends there takes rows of another part for those of this one. */
static bool has_nul(struct cdc_span raw)
{
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] == '\\' && ++i + 5 <= raw.n && memcmp(raw.p + i, "u0000", 5) == 0)
            return true;
    return false;
}

static bool is_name(struct cdc_span raw)
{
    return raw.n > 0 && !has_nul(raw);
}

static bool are_names(struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (list.p == NULL)
        return true;
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return false;
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);)
        if (!is_name(cdc_json_string_raw(item)))
            return false;
    return true;
}

int cdc_part_read(struct cdc_part *part, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->part.p == NULL || cdc_json_is_null(event->part))
        return 0;
    *part = (struct cdc_part){.column = cdc_json_member_raw(event->part, "column"),
                              .value = cdc_json_member_raw(event->part, "value"),
                              .prefix = cdc_json_member_raw(event->part, "prefix"),
                              .except = cdc_json_member(event->part, "except")};
    bool one = (part->value.p != NULL) != (part->prefix.p != NULL);
    return one && is_name(part->column) && is_name(part->value.p != NULL ? part->value : part->prefix) &&
                   are_names(part->except)
               ? 1
               : cdc_error_set(error, CDC_EXIT_DATA, "\"part\" does not say which rows of the table the line is about");
}

/* The raw text stands for at most as many bytes as it has. */
static bool begins_with(struct cdc_span text, struct cdc_span raw)
{
    for (size_t n = raw.n < text.n ? raw.n : text.n; n > 0; n--)
        if (cdc_json_raw_is(raw, cdc_span(text.p, n)))
            return true;
    return false;
}

bool cdc_part_has(const struct cdc_part *part, struct cdc_span text)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (part->value.p != NULL)
        return cdc_json_raw_is(part->value, text);
    if (!begins_with(text, part->prefix))
        return false;
    if (part->except.p == NULL)
        return true;
    for (cdc_json_iter_begin(&iter, part->except); cdc_json_next_element(&iter, &item);)
        if (cdc_json_raw_is(cdc_json_string_raw(item), text))
            return false;
    return true;
}

struct cdc_span cdc_part_of_row(const struct cdc_event *event, const char *column)
{
    const struct cdc_span rows[] = {event->key, event->after, event->before};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!cdc_json_is_null(rows[i])) {
            struct cdc_span value = cdc_json_member(rows[i], column);
            if (value.p != NULL)
                return value;
        }
    return cdc_span(NULL, 0);
}
