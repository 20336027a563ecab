/* SPDX-License-Identifier: MIT */
/* What becomes of a table. Its schema line goes through the chain as any other does, and after each part of the chain the columns
 * that came are compared with those that leave; a step adds in words what it does to values. So what is said is what is done:
 *
 *   {"name":"shop","schema":"public","table":"users","leaves":true,"rows":[],"becomes":{"schema":"public","table":"people"},
 *    "columns":[{"column":"mail","type":"text","key":false,"how":["masked: hash"],"becomes":"email","type_after":"text","clear":"no"}]} */
#include <stdlib.h>
#include <string.h>

#include "libcdc/filter/internal.h"

struct track {
    struct cdc_buf source, type; /* as they stand in the line as it came; empty: it was added */
    struct cdc_buf name;         /* after the parts so far, as it stands */
    struct cdc_buf how;          /* JSON strings with commas between them */
    struct cdc_buf after;        /* its name in what leaves, a JSON string */
    struct cdc_buf type_after;
    bool key, gone, computed;
    enum cdc_step_clarity clarity;
};

struct tracks {
    struct track *items;
    size_t n;
    struct cdc_buf rows; /* of the table, as `how` */
};

static void free_tracks(struct tracks *tracks)
{
    for (size_t i = 0; i < tracks->n; i++) {
        cdc_buf_free(&tracks->items[i].source);
        cdc_buf_free(&tracks->items[i].type);
        cdc_buf_free(&tracks->items[i].name);
        cdc_buf_free(&tracks->items[i].how);
        cdc_buf_free(&tracks->items[i].after);
        cdc_buf_free(&tracks->items[i].type_after);
    }
    free(tracks->items);
    cdc_buf_free(&tracks->rows);
}

static struct track *add_track(struct tracks *tracks)
{
    struct track *items = realloc(tracks->items, (tracks->n + 1) * sizeof *items);

    if (items == NULL)
        return NULL;
    tracks->items = items;
    items[tracks->n] = (struct track){.gone = false};
    return &items[tracks->n++];
}

static struct cdc_span of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data != NULL ? buf->data : "", buf->len);
}

/* Those that are there still, by the names that they have so far, or with which they leave. 0, or -1 without memory. */
static int index_tracks(struct cdc_names *names, const struct tracks *tracks, bool leaving)
{
    for (size_t i = 0; i < tracks->n; i++) {
        const struct track *track = &tracks->items[i];
        struct cdc_span name = leaving ? cdc_json_string_raw(of(&track->after)) : of(&track->name);
        if (!track->gone && cdc_names_add_raw(names, name, i) != 0)
            return -1;
    }
    return 0;
}

static struct track *find_track(struct tracks *tracks, const struct cdc_names *names, struct cdc_span raw)
{
    size_t i = cdc_names_find_raw(names, raw);

    return i != SIZE_MAX ? &tracks->items[i] : NULL;
}

static void replace(struct cdc_buf *buf, struct cdc_span text)
{
    buf->len = 0;
    cdc_buf_span(buf, text);
}

static void add_words(struct cdc_buf *list, struct cdc_span words)
{
    if (words.n == 0)
        return;
    if (list->len > 0)
        cdc_buf_byte(list, ',');
    cdc_json_append_string(list, words.p, words.n);
}

static bool is_key(const struct cdc_event *event, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span value;

    for (cdc_json_iter_begin(&iter, event->key_columns); cdc_json_next_element(&iter, &value);)
        if (cdc_json_type(value) == CDC_JSON_STRING && cdc_json_raw_equal(cdc_json_string_raw(value), raw))
            return true;
    return false;
}

/* -- the parts of the chain ---------------------------------------------------------------- */

static int take_named(struct tracks *tracks, struct cdc_names *names, const struct cdc_event *event, bool first)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span name = cdc_json_member_raw(column, "name"), type = cdc_json_member_raw(column, "type");
        struct track *track = name.p != NULL ? find_track(tracks, names, name) : NULL;
        if (name.p == NULL)
            continue;
        if (track == NULL) {
            if (cdc_names_add_raw(names, name, tracks->n) != 0 || (track = add_track(tracks)) == NULL)
                return -1;
            replace(&track->name, name);
            track->computed = !first;
        }
        if (first) {
            replace(&track->source, name);
            replace(&track->type, type);
        }
        replace(&track->type_after, type);
        track->key = is_key(event, name);
    }
    return 0;
}

/* The columns of the line as it came, or after a step: those that are new get a track. */
static int take_columns(struct tracks *tracks, const struct cdc_event *event, bool first, struct cdc_error *error)
{
    struct cdc_names names = {0};
    int result = index_tracks(&names, tracks, false) == 0 ? take_named(tracks, &names, event, first) : -1;

    cdc_names_free(&names);
    return result == 0 ? 0 : cdc_error_memory(error);
}

static int note_step(struct tracks *tracks, const struct cdc_filter_step *step, const struct cdc_event *before,
                     const struct cdc_event *after)
{
    struct cdc_buf words = CDC_BUF_INIT;
    struct cdc_names names = {0};

    if (columns_index(&names, after) != 0) {
        cdc_names_free(&names);
        return -1;
    }
    for (size_t i = 0; i < tracks->n; i++) {
        struct track *track = &tracks->items[i];
        words.len = 0;
        if (track->gone)
            continue;
        if (step->explain != NULL) {
            enum cdc_step_clarity clarity = step->explain(step->state, before, of(&track->name), &words);
            if (clarity > track->clarity)
                track->clarity = clarity;
        }
        track->gone = cdc_names_find_raw(&names, of(&track->name)) == SIZE_MAX;
        if (words.len == 0 && track->gone)
            cdc_buf_lit(&words, "left out");
        add_words(&track->how, of(&words));
    }
    words.len = 0;
    if (step->explain != NULL)
        (void)step->explain(step->state, before, cdc_span(NULL, 0), &words);
    add_words(&tracks->rows, of(&words));
    cdc_buf_free(&words);
    cdc_names_free(&names);
    return 0;
}

/* A step may make several lines of one. */
static int parse_first(struct cdc_event *event, const struct cdc_buf *lines, struct cdc_error *error)
{
    const char *lf = lines->len > 0 ? memchr(lines->data, '\n', lines->len) : NULL;

    return cdc_event_parse(event, lines->data, lf != NULL ? (size_t)(lf - lines->data) : lines->len, error);
}

/* 1; 0: a step has dropped it; -1. */
static int follow_steps(struct cdc_filter *filter, struct tracks *tracks, struct cdc_event *event,
                        struct cdc_error *error)
{
    for (size_t i = 0; i < filter->settings.n_steps; i++) {
        const struct cdc_filter_step *step = &filter->settings.steps[i];
        struct cdc_buf *out = &filter->steps[i];
        struct cdc_event before = *event;
        out->len = 0;
        enum cdc_step_result result = step->event(step->state, event, out, error);
        if (result == CDC_STEP_FAILED)
            return -1;
        if (result == CDC_STEP_DROPPED && step->becomes != NULL)
            step->becomes(step->state, event, out);
        if (result == CDC_STEP_DROPPED && out->len == 0)
            return 0;
        if (result != CDC_STEP_KEPT) {
            if (out->failed)
                return cdc_error_memory(error);
            if (parse_first(event, out, error) != 0 || take_columns(tracks, event, false, error) != 0)
                return -1;
        }
        if (note_step(tracks, step, &before, event) != 0)
            return cdc_error_memory(error);
    }
    return 1;
}

static void follow_columns(struct tracks *tracks, const struct plan *plan, const struct cdc_event *event)
{
    for (size_t i = 0; i < tracks->n; i++) {
        struct track *track = &tracks->items[i];
        if (track->gone)
            continue;
        if (!columns_keep(plan, event, of(&track->name))) {
            track->gone = true;
            add_words(&track->how, cdc_span_text("left out"));
            continue;
        }
        columns_append_name(&track->after, plan, of(&track->name));
    }
}

static bool is_route_column(const struct plan *plan, struct cdc_span raw)
{
    return !plan->routed->unique && cdc_json_raw_is(raw, cdc_span_text(plan->routed->column));
}

static int take_left_named(struct tracks *tracks, const struct cdc_names *names, const struct plan *plan,
                           const struct cdc_event *after)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, after->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span name = cdc_json_member(column, "name"), raw = cdc_json_string_raw(name);
        struct track *track = raw.p != NULL ? find_track(tracks, names, raw) : NULL;
        if (raw.p == NULL)
            continue;
        if (track == NULL) {
            if ((track = add_track(tracks)) == NULL)
                return -1;
            replace(&track->after, name);
            track->key = is_key(after, raw);
            add_words(&track->how, cdc_span_text(plan->routed != NULL && is_route_column(plan, raw)
                                                     ? "the table's own name"
                                                     : "of other tables that are brought together with it"));
        }
        replace(&track->type_after, cdc_json_member_raw(column, "type"));
    }
    return 0;
}

/* Of the line that leaves: a type may have become that of several tables. */
static int take_left(struct tracks *tracks, const struct plan *plan, const struct cdc_event *after,
                     struct cdc_error *error)
{
    struct cdc_names names = {0};
    int result = index_tracks(&names, tracks, true) == 0 ? take_left_named(tracks, &names, plan, after) : -1;

    cdc_names_free(&names);
    return result == 0 ? 0 : cdc_error_memory(error);
}

/* -- words --------------------------------------------------------------------------------- */

static void append_raw(struct cdc_buf *out, const char *name, struct cdc_span raw)
{
    cdc_buf_printf(out, "\"%s\":\"", name);
    cdc_buf_span(out, raw);
    cdc_buf_byte(out, '"');
}

static void append_track(struct cdc_buf *out, const struct track *track)
{
    static const char *const clear[] = {"yes", "in part", "no"};

    cdc_buf_lit(out, "{\"column\":");
    if (track->source.len > 0) {
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, of(&track->source));
        cdc_buf_byte(out, '"');
    } else {
        cdc_buf_lit(out, "null");
    }
    cdc_buf_byte(out, ',');
    append_raw(out, "type", of(&track->type));
    cdc_buf_printf(out, ",\"key\":%s,\"how\":[", track->key ? "true" : "false");
    cdc_buf_span(out, of(&track->how));
    cdc_buf_lit(out, "],\"becomes\":");
    if (track->gone) {
        cdc_buf_lit(out, "null,\"clear\":\"no\"}");
        return;
    }
    cdc_buf_span(out, of(&track->after));
    cdc_buf_byte(out, ',');
    append_raw(out, "type_after", of(&track->type_after));
    cdc_buf_printf(out, ",\"clear\":\"%s\"}", clear[track->clarity]);
}

static void append_names(struct cdc_buf *out, const struct cdc_event *event)
{
    if (event->db.p != NULL) {
        append_raw(out, "db", event->db);
        cdc_buf_byte(out, ',');
    }
    if (event->schema.p != NULL) {
        append_raw(out, "schema", event->schema);
        cdc_buf_byte(out, ',');
    }
    append_raw(out, "table", event->table);
}

static int append_table(struct cdc_buf *out, const struct cdc_event *event, const struct tracks *tracks,
                        const struct cdc_event *after, struct cdc_error *error)
{
    cdc_buf_byte(out, '{');
    if (event->name.p != NULL) {
        append_raw(out, "name", event->name);
        cdc_buf_byte(out, ',');
    }
    append_names(out, event);
    cdc_buf_printf(out, ",\"leaves\":%s,\"rows\":[", after != NULL ? "true" : "false");
    cdc_buf_span(out, of(&tracks->rows));
    cdc_buf_lit(out, "],\"becomes\":");
    if (after != NULL) {
        cdc_buf_byte(out, '{');
        append_names(out, after);
        cdc_buf_byte(out, '}');
    } else {
        cdc_buf_lit(out, "null");
    }
    cdc_buf_lit(out, ",\"columns\":[");
    for (size_t i = 0; after != NULL && i < tracks->n; i++) {
        if (i > 0)
            cdc_buf_byte(out, ',');
        append_track(out, &tracks->items[i]);
    }
    cdc_buf_lit(out, "]}");
    return out->failed ? cdc_error_memory(error) : 0;
}

/* What the line leaves as, from that itself. */
static int follow_whole(struct cdc_filter *filter, struct tracks *tracks, struct cdc_event *event, struct cdc_buf *line,
                        struct cdc_event *after, struct cdc_error *error)
{
    /* A step may have made it one of another table. */
    struct plan *plan = plans_find(&filter->plans, event, error);

    if (plan == NULL || filter_pass_described(filter, event, line, error) < 0 || parse_first(after, line, error) != 0)
        return -1;
    follow_columns(tracks, plan, event);
    if (plan->routed != NULL)
        add_words(&tracks->rows, cdc_span_text("with the rows of other tables (--route)"));
    return take_left(tracks, plan, after, error);
}

/* 1; 0: the table does not leave; -1. */
static int follow(struct cdc_filter *filter, const struct plan *plan, struct tracks *tracks,
                  const struct cdc_event *schema, struct cdc_buf *line, struct cdc_event *after,
                  struct cdc_error *error)
{
    struct cdc_event event = *schema;

    if (!plan->selected)
        return 0;
    int left = take_columns(tracks, schema, true, error) == 0 ? follow_steps(filter, tracks, &event, error) : -1;
    return left > 0 && follow_whole(filter, tracks, &event, line, after, error) != 0 ? -1 : left;
}

static void add_settings(const struct cdc_filter_settings *settings, struct tracks *tracks)
{
    struct cdc_buf words = CDC_BUF_INIT;

    for (size_t i = 0; i < settings->ops.count; i++) {
        words.len = 0;
        cdc_buf_printf(&words, "op %s", settings->ops.items[i]);
        add_words(&tracks->rows, of(&words));
    }
    if (settings->format != NULL && settings->format->words != NULL)
        add_words(&tracks->rows, cdc_span_text(settings->format->words));
    cdc_buf_free(&words);
}

int cdc_filter_explain(struct cdc_filter *filter, const struct cdc_event *schema, struct cdc_buf *out,
                       struct cdc_error *error)
{
    struct tracks tracks = {.n = 0};
    struct cdc_buf line = CDC_BUF_INIT;
    struct cdc_event after;
    const struct plan *plan = plans_find(&filter->plans, schema, error);
    int left = plan != NULL ? follow(filter, plan, &tracks, schema, &line, &after, error) : -1;

    if (left == 0)
        add_words(&tracks.rows, cdc_span_text(plan->selected ? "a step lets nothing of it leave" : "not chosen"));
    if (left > 0)
        add_settings(&filter->settings, &tracks);
    int result = left < 0 ? -1 : append_table(out, schema, &tracks, left > 0 ? &after : NULL, error);
    free_tracks(&tracks);
    cdc_buf_free(&line);
    return result;
}
