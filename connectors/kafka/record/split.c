/* SPDX-License-Identifier: MIT */
/* A row that changes its key is two rows for whoever reads by key: the old one goes, the new one comes. */
#include "connectors/kafka/record/record.h"

int kafka_key_moves(struct cdc_buf *old_key, const char *const *names, size_t n, const struct cdc_event *event,
                    struct cdc_span new_key, struct cdc_error *error)
{
    size_t from = old_key->len;

    if (event->op != CDC_OP_UPDATE || cdc_json_type(event->before) != CDC_JSON_OBJECT)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (cdc_json_is_null(cdc_json_member(event->before, names[i])))
            return 0; /* what the log does not tell has not changed */
    if (kafka_key_append(old_key, names, n, event->before, false, error) != 0)
        return -1;
    return !cdc_span_equal(cdc_span(old_key->data + from, old_key->len - from), new_key);
}

/* One member after the other of an object that is being written. */
static void begin_member(struct cdc_buf *out, struct cdc_span name)
{
    if (out->len > 0 && out->data[out->len - 1] != '{')
        cdc_buf_byte(out, ',');
    cdc_buf_byte(out, '"');
    cdc_buf_span(out, name);
    cdc_buf_lit(out, "\":");
}

static void member(struct cdc_buf *out, const char *name, struct cdc_span value)
{
    begin_member(out, cdc_span_text(name));
    cdc_buf_span(out, value);
}

static void append_delete(struct cdc_buf *out, const struct cdc_event *event, struct cdc_span old_key)
{
    cdc_buf_lit(out, "{\"op\":\"d\",\"pos\":\"");
    cdc_buf_span(out, event->pos);
    cdc_buf_byte(out, '"');
    if (event->has_seq) {
        cdc_buf_lit(out, ",\"seq\":");
        cdc_buf_i64(out, event->seq);
    }
    if (event->ts_ms != 0) {
        cdc_buf_lit(out, ",\"ts_ms\":");
        cdc_buf_i64(out, event->ts_ms);
    }
    member(out, "source", event->source);
    member(out, "key", old_key);
    member(out, "before", event->before);
    cdc_buf_lit(out, ",\"after\":null");
    if (event->json_null_old.p != NULL)
        member(out, "json_null", event->json_null_old);
    cdc_buf_byte(out, '}');
}

static bool list_has(struct cdc_span list, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span element;

    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &element);)
        if (cdc_json_raw_equal(cdc_json_string_raw(element), raw))
            return true;
    return false;
}

/* The new row, and what the log did not carry of it from the old one. How many columns the old one has not, either. */
static size_t append_after(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t asked = 0, found = 0;

    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, event->after); cdc_json_next_member(&iter, &name, &value);) {
        begin_member(out, name);
        cdc_buf_span(out, value);
    }
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &value);)
        asked++;
    for (cdc_json_iter_begin(&iter, event->before); asked > 0 && cdc_json_next_member(&iter, &name, &value);) {
        if (!list_has(event->unchanged, name))
            continue;
        found++;
        begin_member(out, name);
        cdc_buf_span(out, value);
    }
    cdc_buf_byte(out, '}');
    return asked - found;
}

static bool is_one_of_ours(struct cdc_span name)
{
    static const char *const names[] = {"op", "pos", "before", "after", "unchanged", "json_null_old", "json_null"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (cdc_json_raw_is(name, cdc_span_text(names[i])))
            return true;
    return false;
}

/* JSON's nulls of the new row, and of the columns that were taken from the old one. */
static void append_nulls(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, event->json_null); cdc_json_next_element(&iter, &value); n++) {
        cdc_buf_text(out, n == 0 ? ",\"json_null\":[" : ",");
        cdc_buf_span(out, value);
    }
    for (cdc_json_iter_begin(&iter, event->json_null_old); cdc_json_next_element(&iter, &value);) {
        if (!list_has(event->unchanged, cdc_json_string_raw(value)))
            continue;
        cdc_buf_text(out, n++ == 0 ? ",\"json_null\":[" : ",");
        cdc_buf_span(out, value);
    }
    if (n > 0)
        cdc_buf_byte(out, ']');
}

static void append_missing(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &value);) {
        struct cdc_json_iter old;
        struct cdc_span name, ignored;
        bool found = false;
        for (cdc_json_iter_begin(&old, event->before); !found && cdc_json_next_member(&old, &name, &ignored);)
            found = cdc_json_raw_equal(name, cdc_json_string_raw(value));
        if (found)
            continue;
        cdc_buf_text(out, n++ == 0 ? ",\"unchanged\":[" : ",");
        cdc_buf_span(out, value);
    }
    if (n > 0)
        cdc_buf_byte(out, ']');
}

bool kafka_split_update(struct cdc_buf *out, const struct cdc_event *event, struct cdc_span old_key, size_t *n_delete)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t from = out->len;

    append_delete(out, event, old_key);
    *n_delete = out->len - from;
    cdc_buf_lit(out, "{\"op\":\"c\",\"pos\":\"");
    cdc_buf_span(out, event->pos);
    cdc_buf_lit(out, ".1\"");
    for (cdc_json_iter_begin(&iter, event->line); cdc_json_next_member(&iter, &name, &value);) {
        if (is_one_of_ours(name))
            continue;
        begin_member(out, name);
        cdc_buf_span(out, value);
    }
    cdc_buf_lit(out, ",\"before\":null,\"after\":");
    size_t missing = append_after(out, event);
    append_missing(out, event);
    append_nulls(out, event);
    cdc_buf_byte(out, '}');
    return missing == 0;
}
