/* SPDX-License-Identifier: MIT */
/* Which columns of a row, of a list of names and of a schema line stay, and what they are called. No value is ever decoded, so
 * that none can change. */
#include "libcdc/filter/internal.h"

static bool has_name(const struct name_list *list, struct cdc_span raw)
{
    return cdc_names_find(&list->index, raw) != SIZE_MAX;
}

/* A schema line names the key's columns in key_columns, a change has them in key. */
static bool in_key(const struct cdc_event *event, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (event->op == CDC_OP_SCHEMA) {
        cdc_json_iter_begin(&iter, event->key_columns);
        while (cdc_json_next_element(&iter, &value))
            if (cdc_json_type(value) == CDC_JSON_STRING && cdc_json_raw_equal(cdc_json_string_raw(value), raw))
                return true;
        return false;
    }
    cdc_event_iter_begin(&iter, event, event->key);
    while (cdc_json_next_member(&iter, &name, &value))
        if (cdc_json_raw_equal(name, raw))
            return true;
    return false;
}

bool columns_keep(const struct plan *plan, const struct cdc_event *event, struct cdc_span raw)
{
    /* --drop-columns wins over --columns; the key wins over both. */
    if (has_name(&plan->drop, raw) || (plan->keeps_some && !has_name(&plan->keep, raw)))
        return in_key(event, raw);
    return true;
}

const struct rename *columns_rename(const struct plan *plan, struct cdc_span raw)
{
    size_t i = cdc_names_find(&plan->renamed, raw);

    return i != SIZE_MAX ? &plan->renames[i] : NULL;
}

void columns_append_name(struct cdc_buf *out, const struct plan *plan, struct cdc_span raw)
{
    const struct rename *rename = columns_rename(plan, raw);

    if (rename != NULL) {
        cdc_json_append_string(out, rename->to.p, rename->to.n);
        return;
    }
    cdc_buf_byte(out, '"');
    cdc_buf_span(out, raw);
    cdc_buf_byte(out, '"');
}

/* What columns_keep says of each member. Rows of one shape have the same names, so with the names of the key being the same, too, this is
 * asked for the first of them alone. NULL: for this row, member by member. */
static const struct row_choice *choice_of(const struct plan *plan, const struct cdc_event *event,
                                          const struct cdc_event_row *row)
{
    const struct cdc_event_row *key = cdc_event_row_of(event, event->key);
    uint64_t key_shape = key != NULL ? key->shape : cdc_json_is_null(event->key) ? UINT64_MAX : 0;

    if (row->shape == 0 || key_shape == 0 || row->n > ROW_CHOICE_MAX || event->op == CDC_OP_SCHEMA)
        return NULL;
    struct row_choice *choice = &plan->chosen[row - event->rows];
    if (choice->shape == row->shape && choice->key_shape == key_shape)
        return choice;
    *choice = (struct row_choice){row->shape, key_shape, 0, 0};
    for (size_t i = 0; i < row->n; i++) {
        choice->stays |= (uint64_t)columns_keep(plan, event, row->pairs[i].name) << i;
        choice->renamed |= (uint64_t)(columns_rename(plan, row->pairs[i].name) != NULL) << i;
    }
    return choice;
}

/* Members that stay as they are and stand side by side are copied at once. */
static void append_chosen(struct cdc_buf *out, const struct plan *plan, const struct cdc_event_row *row,
                          const struct row_choice *choice)
{
    uint64_t as_is = choice->stays & ~choice->renamed;
    bool first = true;

    for (size_t i = 0, last; i < row->n; i = last + 1) {
        const struct cdc_json_pair *member = &row->pairs[last = i];
        if ((choice->stays >> i & 1) == 0)
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        if ((as_is >> i & 1) == 0) {
            columns_append_name(out, plan, member->name);
            cdc_buf_byte(out, ':');
            cdc_buf_span(out, member->value);
            continue;
        }
        while (last + 1 < row->n && (as_is >> (last + 1) & 1) != 0)
            last++;
        const char *begin = member->name.p - 1, *end = row->pairs[last].value.p + row->pairs[last].value.n;
        cdc_buf_append(out, begin, (size_t)(end - begin));
    }
}

static void append_members(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                           struct cdc_span row)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool first = true;

    cdc_event_iter_begin(&iter, event, row);
    while (cdc_json_next_member(&iter, &name, &value)) {
        if (!columns_keep(plan, event, name))
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        columns_append_name(out, plan, name);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
    }
}

void columns_append_row(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                        struct cdc_span row)
{
    /* null, as "before" of an insert. */
    if (cdc_json_type(row) != CDC_JSON_OBJECT) {
        cdc_buf_span(out, row);
        return;
    }
    cdc_buf_byte(out, '{');
    size_t begin = out->len;
    const struct cdc_event_row *known = cdc_event_row_of(event, row);
    const struct row_choice *choice = known != NULL ? choice_of(plan, event, known) : NULL;
    if (choice != NULL)
        append_chosen(out, plan, known, choice);
    else
        append_members(out, plan, event, row);
    if (plan->routed != NULL && !plan->routed->unique) {
        cdc_buf_text(out, out->len == begin ? "" : ",");
        cdc_buf_append_buf(out, &plan->routed->member);
    }
    cdc_buf_byte(out, '}');
}

void columns_append_names(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                          struct cdc_span names)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    bool first = true;

    cdc_buf_byte(out, '[');
    cdc_json_iter_begin(&iter, names);
    while (cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        if (raw.p == NULL || !columns_keep(plan, event, raw))
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        columns_append_name(out, plan, raw);
    }
    cdc_buf_byte(out, ']');
}

/* One column of a schema line: its name is replaced, the rest copied. */
static void append_column(struct cdc_buf *out, const struct plan *plan, struct cdc_span column, struct cdc_span name)
{
    /* name is between the quotes: one byte less before it, one more after it, since append_column_name writes quotes
     * of its own. */
    cdc_buf_append(out, column.p, (size_t)(name.p - 1 - column.p));
    columns_append_name(out, plan, name);
    const char *rest = name.p + name.n + 1;
    cdc_buf_append(out, rest, (size_t)(column.p + column.n - rest));
}

void columns_append_list(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span column;
    bool first = true;

    cdc_buf_byte(out, '[');
    cdc_json_iter_begin(&iter, event->columns);
    while (cdc_json_next_element(&iter, &column)) {
        struct cdc_span name = cdc_json_member_raw(column, "name");
        if (name.p != NULL && !columns_keep(plan, event, name))
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        if (name.p != NULL)
            append_column(out, plan, column, name);
        else
            cdc_buf_span(out, column);
    }
    cdc_buf_byte(out, ']');
}

/* Appends the name that a column of a schema line ends up with, unescaped. */
static void append_final_name(struct cdc_buf *out, const struct plan *plan, struct cdc_span raw)
{
    const struct rename *rename = columns_rename(plan, raw);

    if (rename != NULL)
        cdc_buf_span(out, rename->to);
    else
        cdc_json_unescape(out, raw);
}

/* All of them, a number after each: where the next one begins. */
static void append_final_names(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = cdc_json_member_raw(column, "name");
        size_t start = out->len;
        if (raw.p == NULL || !columns_keep(plan, event, raw))
            continue;
        cdc_buf_append(out, (const char *)&start, sizeof start); /* room for the length */
        append_final_name(out, plan, raw);
        if (out->failed)
            return;
        size_t n = out->len - start - sizeof start;
        memcpy(out->data + start, &n, sizeof n);
    }
}

static int check_final_names(struct cdc_span names, const struct cdc_event *event, struct cdc_names *seen,
                             struct cdc_error *error)
{
    size_t n, count = 0;

    for (const char *p = names.p, *end = p + names.n; p < end; p += n) {
        memcpy(&n, p, sizeof n);
        p += sizeof n;
        if (cdc_names_add(seen, cdc_span(p, n), 0) != 0)
            return cdc_error_memory(error);
        if (seen->n == count)
            return cdc_error_set(error, CDC_EXIT_CONFIG,
                                 "--rename-column gives two columns of table \"%.*s\" the name \"%.*s\"",
                                 (int)event->table.n, event->table.p, (int)n, p);
        count = seen->n;
    }
    return 0;
}

/* Two columns of one name would lose one of them in every reader. */
int columns_check_names(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    struct cdc_names seen = {0};

    /* The source's own names differ. */
    if (plan->n_renames == 0)
        return 0;
    append_final_names(&names, plan, event);
    int result = names.failed     ? cdc_error_memory(error)
                 : names.len == 0 ? 0
                                  : check_final_names(cdc_span(names.data, names.len), event, &seen, error);
    cdc_names_free(&seen);
    cdc_buf_free(&names);
    return result;
}

int columns_index(struct cdc_names *names, const struct cdc_event *schema)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, schema->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = cdc_json_member_raw(column, "name");
        if (raw.p != NULL && cdc_names_add_raw(names, raw, 0) != 0)
            return -1;
    }
    return 0;
}

/* Of a typo in --drop-columns, the column that must not leave would leave. */
int columns_check_unknown(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_names columns = {0};
    int result = 0;

    if (event->columns.p == NULL || plan->wanted.n == 0)
        return 0;
    if (columns_index(&columns, event) != 0)
        result = cdc_error_memory(error);
    for (size_t i = 0; result == 0 && i < plan->wanted.n; i++) {
        struct cdc_span name = plan->wanted.names[i];
        if (cdc_names_find_in_raw(&columns, name) != SIZE_MAX)
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%.*s\" has no column \"%.*s\"", (int)event->table.n,
                      event->table.p, (int)name.n, name.p);
        cdc_error_hint(error, "correct the name, or use --allow-unknown if the column may be missing");
        result = cdc_error_item(error, name.p, 0);
    }
    cdc_names_free(&columns);
    return result;
}
