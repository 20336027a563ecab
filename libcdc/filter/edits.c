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

/* Before the brace that ends an object. */
static void add_member(struct edit *edits, size_t *n, struct cdc_span object)
{
    if (!cdc_json_is_null(object))
        edits_add(edits, n, (struct edit){cdc_span(object.p + object.n - 1, 0), EDIT_MEMBER, NULL, 0});
}

/* What a line of a routed table gets besides (route.c). Rows that are written anew get their member there. */
static void collect_routed(struct edit *edits, size_t *n, const struct plan *plan, const struct cdc_event *event)
{
    bool unique = plan->routed->unique;
    struct cdc_span line = event->line;

    if (event->op == CDC_OP_SCHEMA) {
        edits_add(edits, n, (struct edit){event->columns, EDIT_ROUTED_COLUMNS, NULL, 0});
        edits_add(edits, n, (struct edit){event->key_columns, EDIT_ROUTED_KEYS, NULL, 0});
    } else if (!unique && !plan->edits_rows) {
        add_member(edits, n, event->key);
        add_member(edits, n, event->before);
        add_member(edits, n, event->after);
    }
    if (unique || cdc_event_has_row(event))
        return;
    while (line.n > 0 && line.p[line.n - 1] != '}')
        line.n--;
    edits_add(edits, n, (struct edit){cdc_span(line.p + line.n - 1, 0), EDIT_PART, NULL, 0});
}

/* The column that tells the rows of a part apart is called so from here on. */
static void rename_part(struct edit *edits, size_t *n, const struct plan *plan, const struct cdc_event *event)
{
    struct cdc_span raw = cdc_json_member_raw(event->part, "column");
    const struct rename *rename = raw.p != NULL ? columns_rename(plan, raw) : NULL;

    if (rename != NULL)
        edits_add(edits, n, (struct edit){raw, EDIT_TEXT, rename->to.p, 0});
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
        if (plan->routed == NULL || event->op != CDC_OP_SCHEMA) {
            edits_add(edits, &n, (struct edit){event->key_columns, EDIT_NAMES, NULL, 0});
            edits_add(edits, &n, (struct edit){event->columns, EDIT_COLUMNS, NULL, 0});
        }
        if (event->part.p != NULL)
            rename_part(edits, &n, plan, event);
    }
    if (plan->routed != NULL)
        collect_routed(edits, &n, plan, event);
    if (plan->new_table != NULL)
        edits_add(edits, &n, (struct edit){event->table, EDIT_TEXT, plan->new_table, 0});
    if (plan->new_schema != NULL)
        edits_add(edits, &n,
                  (struct edit){event->schema.p != NULL ? event->schema : event->db, EDIT_TEXT, plan->new_schema, 0});
    return n;
}

/* Between a member and one before it, if there is one. */
static void append_mark(struct cdc_buf *out)
{
    size_t n = out->len;

    while (n > 0 && strchr(" \t\r\n", out->data[n - 1]) != NULL)
        n--;
    if (n > 0 && out->data[n - 1] != '{')
        cdc_buf_byte(out, ',');
}

static void append_edit(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                        const struct edit *edit)
{
    switch (edit->kind) {
    case EDIT_ROW: columns_append_row(out, plan, event, edit->at); break;
    case EDIT_NAMES: columns_append_names(out, plan, event, edit->at); break;
    case EDIT_COLUMNS: columns_append_list(out, plan, event); break;
    case EDIT_EVENTS: cdc_buf_u64(out, edit->number); break;
    case EDIT_MEMBER:
        append_mark(out);
        cdc_buf_append_buf(out, &plan->routed->member);
        break;
    case EDIT_ROUTED_COLUMNS: route_append_columns(out, plan); break;
    case EDIT_ROUTED_KEYS: route_append_keys(out, plan); break;
    case EDIT_PART: cdc_buf_append_buf(out, &plan->routed->part); break;
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
