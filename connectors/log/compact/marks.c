/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "connectors/log/compact/marks.h"
#include <cdc/json.h>

#define MOST 256 /* bases that are told apart: of more, the older ones count as the next one */

void log_marks_free(struct log_marks *marks)
{
    for (size_t i = 0; i < marks->n; i++) {
        free((char *)marks->items[i].name);
        free((char *)marks->items[i].pos);
    }
    free(marks->items);
    cdc_buf_free(&marks->gone);
    cdc_buf_free(&marks->marks);
    *marks = (struct log_marks){.n = 0};
}

static int add_gone(struct log_marks *marks, struct cdc_span raw_name, struct cdc_span raw_pos, struct cdc_error *error)
{
    struct log_gone *larger = realloc(marks->items, (marks->n + 1) * sizeof *larger);

    if (larger == NULL)
        return cdc_error_memory(error);
    marks->items = larger;
    char *name = cdc_json_text(raw_name, NULL), *pos = cdc_json_text(raw_pos, NULL);
    if (name == NULL || pos == NULL) {
        free(name);
        free(pos);
        return cdc_error_memory(error);
    }
    marks->items[marks->n++] = (struct log_gone){name, pos};
    return 0;
}

/* positions: {"NAME":"POS"}; in place of those that there are. */
static int replace_gone(struct log_marks *marks, struct cdc_span positions, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    int result = 0;

    for (size_t i = 0; i < marks->n; i++) {
        free((char *)marks->items[i].name);
        free((char *)marks->items[i].pos);
    }
    marks->n = 0;
    marks->gone.len = 0;
    cdc_json_append_compact(&marks->gone, positions);
    for (cdc_json_iter_begin(&iter, positions); result == 0 && cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span raw = cdc_json_string_raw(value);
        if (raw.p != NULL)
            result = add_gone(marks, name, raw, error);
    }
    return result;
}

/* Of {"NAME":{"pos":"…",…}}, {"NAME":"…"}. */
static void append_positions(struct cdc_buf *out, struct cdc_span at)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    const char *before = "{\"";

    for (cdc_json_iter_begin(&iter, at); cdc_json_next_member(&iter, &name, &value); before = ",\"") {
        cdc_buf_text(out, before);
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":\"");
        cdc_buf_span(out, cdc_json_member_raw(value, "pos"));
        cdc_buf_byte(out, '"');
    }
    cdc_buf_text(out, *before == '{' ? "{}" : "}");
}

static size_t count(struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);)
        n++;
    return n;
}

/* The bases of before whose time is over move `gone`, the others stay in the list. */
static int take_previous(struct log_marks *marks, const struct log_base *previous, int64_t until,
                         struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    size_t n = count(previous->marks), i = 0;
    int result = replace_gone(marks, previous->gone, error);

    for (cdc_json_iter_begin(&iter, previous->marks); result == 0 && cdc_json_next_element(&iter, &item); i++) {
        int64_t ts = INT64_MAX;
        if (!cdc_json_int64(cdc_json_member(item, "ts"), &ts))
            continue;
        if (ts <= until) {
            result = replace_gone(marks, cdc_json_member(item, "at"), error);
        } else if (n - i < MOST) {
            cdc_buf_text(&marks->marks, marks->marks.len > 1 ? "," : "");
            cdc_json_append_compact(&marks->marks, item);
        }
    }
    return result;
}

int log_marks_make(struct log_marks *marks, const struct log_base *previous, struct cdc_span at, int64_t now,
                   int64_t retention_ms, struct cdc_error *error)
{
    *marks = (struct log_marks){.n = 0};
    cdc_buf_lit(&marks->marks, "[");
    cdc_buf_lit(&marks->gone, "{}");
    if (previous != NULL && take_previous(marks, previous, now - retention_ms, error) != 0)
        return -1;
    cdc_buf_printf(&marks->marks, "%s{\"ts\":%" PRId64 ",\"at\":", marks->marks.len > 1 ? "," : "", now);
    append_positions(&marks->marks, at);
    cdc_buf_lit(&marks->marks, "}]");
    return marks->marks.failed || marks->gone.failed ? cdc_error_memory(error) : 0;
}
