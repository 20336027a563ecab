/* SPDX-License-Identifier: MIT */
#include "connectors/log/compact/key.h"
#include "connectors/log/compact/row.h"

/* The last of several counts; compared unescaped. */
static struct cdc_span member_of(struct cdc_span object, struct cdc_span name)
{
    struct cdc_span found = {NULL, 0}, one, value;
    struct cdc_json_iter iter;

    if (object.p == NULL || cdc_json_is_null(object))
        return found;
    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &one, &value);)
        if (cdc_json_raw_equal(one, name))
            found = value;
    return found;
}

static bool list_has(struct cdc_span list, struct cdc_span name)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (list.p == NULL)
        return false;
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p != NULL && cdc_json_raw_equal(raw, name))
            return true;
    }
    return false;
}

bool log_row_is_partial(const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (event->unchanged.p == NULL)
        return false;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p != NULL && member_of(event->after, raw).p == NULL && member_of(event->before, raw).p == NULL)
            return true;
    }
    return false;
}

/* The columns that a line omits, from where they are known. */
struct filled {
    struct cdc_buf members;   /* ,"photo":"..." */
    struct cdc_buf nulls;     /* ,"doc": those of them whose null is JSON's */
    struct cdc_buf unchanged; /* ,"photo": those that are nowhere */
};

static void append_name(struct cdc_buf *out, struct cdc_span raw)
{
    cdc_buf_lit(out, ",\"");
    cdc_buf_span(out, raw);
    cdc_buf_byte(out, '"');
}

static void take(struct filled *filled, struct cdc_span name, struct cdc_span value, struct cdc_span nulls)
{
    append_name(&filled->members, name);
    cdc_buf_byte(&filled->members, ':');
    cdc_json_append_compact(&filled->members, value);
    if (cdc_json_is_null(value) && list_has(nulls, name))
        append_name(&filled->nulls, name);
}

static void fill_one(struct filled *filled, const struct cdc_event *event, const struct cdc_event *older,
                     struct cdc_span name)
{
    struct cdc_span value = member_of(event->before, name);

    if (value.p != NULL) {
        take(filled, name, value, event->json_null_old);
        return;
    }
    value = older != NULL ? member_of(older->after, name) : value;
    if (value.p != NULL)
        take(filled, name, value, older->json_null);
    else
        append_name(&filled->unchanged, name);
}

static void fill(struct filled *filled, const struct cdc_event *event, const struct cdc_event *older)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (event->unchanged.p == NULL)
        return;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p != NULL && member_of(event->after, raw).p == NULL)
            fill_one(filled, event, older, raw);
    }
}

static void append_after(struct cdc_buf *out, struct cdc_span after, const struct cdc_buf *members)
{
    size_t at = out->len;

    cdc_json_append_compact(out, after);
    if (members->len == 0 || out->failed)
        return;
    out->len--; /* the closing bracket */
    bool empty = out->data[out->len - 1] == '{' && out->len - at == 1;
    cdc_buf_append(out, members->data + empty, members->len - empty);
    cdc_buf_byte(out, '}');
}

/* A list of the names that were there, which may be none, and of others (`,"a","b"`). */
static void append_list(struct cdc_buf *out, const char *name, struct cdc_span list, const struct cdc_buf *others)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool any = false;

    cdc_buf_printf(out, ",\"%s\":[", name);
    if (list.p != NULL)
        for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item); any = true) {
            cdc_buf_text(out, any ? "," : "");
            cdc_buf_span(out, item);
        }
    if (others->len > 0)
        cdc_buf_append(out, others->data + !any, others->len - !any);
    cdc_buf_byte(out, ']');
}

/* Where columns are missing, a reader must know whether the row had others before it. */
static const char *op_of(const struct cdc_event *event, const struct cdc_event *older, const struct filled *filled)
{
    if (filled->unchanged.len == 0)
        return "r";
    enum cdc_op op = older != NULL ? older->op : event->op;
    return op == CDC_OP_CREATE ? "c" : op == CDC_OP_READ ? "r" : "u";
}

static bool is_made_anew(struct cdc_span name)
{
    static const char *const names[] = {"op", "before", "after", "unchanged", "json_null", "json_null_old"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cdc_json_raw_is(name, cdc_span_text(names[i])))
            return true;
    return false;
}

static void append_member(struct cdc_buf *out, struct cdc_span name, struct cdc_span value)
{
    append_name(out, name);
    cdc_buf_byte(out, ':');
    cdc_json_append_compact(out, value);
}

/* The members that stay: up to the row, and after it. */
static void append_others(struct cdc_buf *out, struct cdc_span line, bool up_to_row)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool before_row = true;

    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);) {
        if (cdc_json_raw_is(name, cdc_span_text("before")) || cdc_json_raw_is(name, cdc_span_text("after")))
            before_row = false;
        else if (before_row == up_to_row && !is_made_anew(name))
            append_member(out, name, value);
    }
}

/* Nearly every line: only op and before become others. */
static bool append_spliced(struct cdc_buf *out, const struct cdc_event *event)
{
    const char *end = event->line.p + event->line.n, *at = event->op_text.p;

    if (event->unchanged.p != NULL || event->json_null_old.p != NULL ||
        (event->before.p != NULL && event->before.p < at))
        return false;
    cdc_buf_append(out, event->line.p, (size_t)(at - event->line.p));
    cdc_buf_byte(out, 'r');
    at += event->op_text.n;
    if (!cdc_json_is_null(event->before)) {
        cdc_buf_append(out, at, (size_t)(event->before.p - at));
        cdc_buf_lit(out, "null");
        at = event->before.p + event->before.n;
    }
    cdc_buf_append(out, at, (size_t)(end - at));
    return true;
}

static int append_filled(struct cdc_buf *out, const struct cdc_event *event, const struct cdc_event *older,
                         struct cdc_error *error)
{
    struct filled filled = {CDC_BUF_INIT, CDC_BUF_INIT, CDC_BUF_INIT};

    fill(&filled, event, older);
    cdc_buf_printf(out, "{\"op\":\"%s\"", op_of(event, older, &filled));
    append_others(out, event->line, true);
    cdc_buf_lit(out, ",\"before\":null,\"after\":");
    append_after(out, event->after, &filled.members);
    if (filled.unchanged.len > 0)
        append_list(out, "unchanged", cdc_span(NULL, 0), &filled.unchanged);
    if (event->json_null.p != NULL || filled.nulls.len > 0)
        append_list(out, "json_null", event->json_null, &filled.nulls);
    append_others(out, event->line, false);
    cdc_buf_byte(out, '}');
    out->failed |= filled.members.failed || filled.nulls.failed || filled.unchanged.failed;
    cdc_buf_free(&filled.members);
    cdc_buf_free(&filled.nulls);
    cdc_buf_free(&filled.unchanged);
    return out->failed ? cdc_error_memory(error) : 0;
}

int log_row_append(struct cdc_buf *out, const struct cdc_event *event, const struct cdc_event *older,
                   struct cdc_error *error)
{
    if (!append_spliced(out, event))
        return append_filled(out, event, older, error);
    return out->failed ? cdc_error_memory(error) : 0;
}

/* Of the names, those of columns of the key. */
static void append_key_nulls(struct cdc_buf *out, struct cdc_span key, struct cdc_span names)
{
    struct cdc_buf nulls = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (names.p == NULL)
        return;
    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p != NULL && member_of(key, raw).p != NULL)
            append_name(&nulls, raw);
    }
    if (nulls.len > 0)
        append_list(out, "json_null", cdc_span(NULL, 0), &nulls);
    out->failed |= nulls.failed;
    cdc_buf_free(&nulls);
}

void log_row_append_left(struct cdc_buf *out, const struct cdc_event *event)
{
    cdc_buf_lit(out, "{\"op\":\"d\",\"pos\":\"");
    cdc_buf_span(out, event->pos);
    cdc_buf_lit(out, ".1\"");
    if (event->has_seq) {
        cdc_buf_lit(out, ",\"seq\":");
        cdc_buf_i64(out, event->seq);
    }
    if (event->ts_ms != 0) {
        cdc_buf_lit(out, ",\"ts_ms\":");
        cdc_buf_i64(out, event->ts_ms);
    }
    if (event->source.p != NULL)
        append_member(out, cdc_span_text("source"), event->source);
    cdc_buf_lit(out, ",\"key\":");
    log_key_append_before(out, event->key, event->before);
    cdc_buf_lit(out, ",\"before\":");
    log_key_append_before(out, event->key, event->before);
    cdc_buf_lit(out, ",\"after\":null");
    append_key_nulls(out, event->key, event->json_null_old);
    cdc_buf_byte(out, '}');
}

void log_row_append_commit(struct cdc_buf *out, const struct cdc_event *event, uint64_t events)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    char before = '{';

    for (cdc_json_iter_begin(&iter, event->line); cdc_json_next_member(&iter, &name, &value); before = ',') {
        cdc_buf_byte(out, before);
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        if (cdc_json_raw_is(name, cdc_span_text("events")))
            cdc_buf_u64(out, events);
        else
            cdc_json_append_compact(out, value);
    }
    cdc_buf_byte(out, '}');
}
