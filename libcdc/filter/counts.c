/* SPDX-License-Identifier: MIT */
/* How many lines of each transaction have passed. "events" of a commit line must be what the sink gets to see, or it would take
 * the transaction for incomplete: of a commit line with "events":5, two of whose lines were dropped, "events":3 leaves. */
#include <stdlib.h>

#include "libcdc/filter/internal.h"

static bool is_count_of(const struct counts *counts, size_t i, const struct cdc_event *event)
{
    return i < counts->n && cdc_span_equal(counts->items[i].name, event->name);
}

/* Spelled in another way, perhaps. */
static bool is_named_so(const struct counts *counts, size_t i, const struct cdc_event *event)
{
    return cdc_json_raw_equal(counts->items[i].name, event->name);
}

struct line_count *counts_of(struct counts *counts, const struct cdc_event *event, struct cdc_error *error)
{
    size_t i = counts->last;

    if (is_count_of(counts, i, event))
        return &counts->items[i];
    for (i = 0; i < counts->n && !is_named_so(counts, i, event);)
        i++;
    if (i == counts->n) {
        struct line_count *items = realloc(counts->items, (i + 1) * sizeof *items);
        if (items != NULL)
            counts->items = items;
        char *name = items != NULL ? cdc_span_copy(event->name.p != NULL ? event->name : cdc_span("", 0)) : NULL;
        if (name == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        items[counts->n++] = (struct line_count){.name = {name, event->name.n}};
    }
    counts->last = i;
    return &counts->items[i];
}

void counts_note(struct line_count *count, const struct cdc_event *event, uint64_t lines)
{
    if (event->op == CDC_OP_SCHEMA) /* counted by nobody */
        return;
    if (count->newest.len > 0 && cdc_span_compare(event->pos, cdc_span(count->newest.data, count->newest.len)) <= 0) {
        count->passed = 0;
        count->differs = false;
    }
    count->newest.len = 0;
    cdc_buf_span(&count->newest, event->pos);
    count->passed += lines;
    count->differs |= lines != 1;
}

void counts_append_commit(const struct counts *counts, struct line_count *count, const struct cdc_event *event,
                          struct cdc_buf *out)
{
    struct edit edits[1];
    size_t n = 0;

    if (count->differs || counts->lost)
        edits_add(edits, &n, (struct edit){event->events, EDIT_EVENTS, NULL, count->passed});
    edits_append(out, NULL, event, edits, n);
    if (event->op == CDC_OP_COMMIT) {
        count->passed = count->newest.len = 0;
        count->differs = false;
    }
}

void counts_free(struct counts *counts)
{
    for (size_t i = 0; i < counts->n; i++) {
        free((char *)counts->items[i].name.p);
        cdc_buf_free(&counts->items[i].newest);
    }
    free(counts->items);
}
