/* SPDX-License-Identifier: MIT */
/* A line is copied with a few of its members replaced, as the plan of its table says. With --drop-columns note and
 * --rename items=things, of
 *
 *   {"op":"c",...,"source":{...,"table":"items",...},"key":{"id":1},"after":{"id":1,"note":"x"}}
 *
 * the edits are, in the order of the line, the text items, the row of key and the row of after; every byte between them is
 * copied. */
#include "libcdc/filter/internal.h"

void edits_add(struct edit *edits, size_t *n, struct edit edit)
{
    size_t i = *n;

    if (edit.at.p == NULL)
        return;
    for (; i > 0 && edits[i - 1].at.p > edit.at.p; i--) /* few: kept in the order of the line */
        edits[i] = edits[i - 1];
    edits[i] = edit;
    (*n)++;
}

/* All members of the line that this table's plan changes. A line without any is copied whole. */
size_t edits_collect(struct edit *edits, const struct plan *plan, const struct cdc_event *event)
{
    size_t n = 0;

    if (plan->edits_rows) {
        edits_add(edits, &n, (struct edit){event->key, EDIT_ROW, NULL, 0});
        edits_add(edits, &n, (struct edit){event->before, EDIT_ROW, NULL, 0});
        edits_add(edits, &n, (struct edit){event->after, EDIT_ROW, NULL, 0});
        edits_add(edits, &n, (struct edit){event->unchanged, EDIT_NAMES, NULL, 0});
        edits_add(edits, &n, (struct edit){event->json_null, EDIT_NAMES, NULL, 0});
        edits_add(edits, &n, (struct edit){event->json_null_old, EDIT_NAMES, NULL, 0});
        edits_add(edits, &n, (struct edit){event->key_columns, EDIT_NAMES, NULL, 0});
        edits_add(edits, &n, (struct edit){event->columns, EDIT_COLUMNS, NULL, 0});
    }
    if (plan->new_table != NULL)
        edits_add(edits, &n, (struct edit){event->table, EDIT_TEXT, plan->new_table, 0});
    if (plan->new_schema != NULL)
        edits_add(edits, &n,
                  (struct edit){event->schema.p != NULL ? event->schema : event->db, EDIT_TEXT, plan->new_schema, 0});
    return n;
}

static void append_edit(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                        const struct edit *edit)
{
    switch (edit->kind) {
    case EDIT_ROW: columns_append_row(out, plan, event, edit->at); break;
    case EDIT_NAMES: columns_append_names(out, plan, event, edit->at); break;
    case EDIT_COLUMNS: columns_append_list(out, plan, event); break;
    case EDIT_EVENTS: cdc_buf_u64(out, edit->number); break;
    case EDIT_TEXT: {
        /* The line has its quotes already. */
        size_t start = out->len;
        cdc_json_append_string(out, edit->text, strlen(edit->text));
        if (!out->failed) {
            memmove(out->data + start, out->data + start + 1, out->len - start - 2);
            out->len -= 2;
        }
    }
    }
}

/* Copies the line up to the first edit, then the edit, then up to the next one: what no edit touches stays as it was, byte
 * for byte. */
void edits_append(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event, const struct edit *edits,
                  size_t n)
{
    const char *at = event->line.p, *end = event->line.p + event->line.n;

    if (!cdc_buf_room(out, event->line.n + 1))
        return;
    for (size_t i = 0; i < n; i++) {
        cdc_buf_append(out, at, (size_t)(edits[i].at.p - at));
        append_edit(out, plan, event, &edits[i]);
        at = edits[i].at.p + edits[i].at.n;
    }
    cdc_buf_append(out, at, (size_t)(end - at));
}
