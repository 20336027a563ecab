/* SPDX-License-Identifier: MIT */
/* Tables that --route brings under one name are one to a sink: its columns are those of all that have come so far. Each schema
 * line has its own table's first and then those that only others have, so that rows of all fit. What cannot be one table's is refused. */
#include "libcdc/filter/internal.h"

/* The column of that name in a list of columns; p NULL: none. */
static struct cdc_span find_column(struct cdc_span columns, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, columns); cdc_json_next_element(&iter, &column);)
        if (cdc_json_raw_equal(cdc_json_member_raw(column, "name"), raw))
            return column;
    return cdc_span(NULL, 0);
}

static int refuse_type(const struct plan *plan, const struct plan *other, struct cdc_span raw, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--route: column \"%.*s\" has one type in table %.*s.%.*s and another one in %.*s.%.*s",
                  (int)(raw.n < 64 ? raw.n : 64), raw.p, (int)plan->names.plain_schema.n, plan->names.plain_schema.p,
                  (int)plan->names.plain_table.n, plan->names.plain_table.p, (int)other->names.plain_schema.n,
                  other->names.plain_schema.p, (int)other->names.plain_table.n, other->names.plain_table.p);
    return cdc_error_hint(error, "give both one type, as with --set 'TABLE:COLUMN = CAST(COLUMN AS TEXT)', rename the "
                                 "column (--rename-column), or name one of the tables with --rename");
}

static int refuse_key(const struct plan *plan, const struct plan *other, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "--route: tables %.*s.%.*s and %.*s.%.*s have different keys",
                  (int)plan->names.plain_schema.n, plan->names.plain_schema.p, (int)plan->names.plain_table.n,
                  plan->names.plain_table.p, (int)other->names.plain_schema.n, other->names.plain_schema.p,
                  (int)other->names.plain_table.n, other->names.plain_table.p);
    return cdc_error_hint(error, "give one of them a name of its own (--rename)");
}

static bool same_names(struct cdc_span one, struct cdc_span two)
{
    struct cdc_json_iter a, b;
    struct cdc_span x, y;
    bool more_a, more_b;

    cdc_json_iter_begin(&a, one);
    cdc_json_iter_begin(&b, two);
    for (;;) {
        more_a = cdc_json_next_element(&a, &x);
        more_b = cdc_json_next_element(&b, &y);
        if (!more_a || !more_b)
            return more_a == more_b;
        if (!cdc_json_raw_equal(cdc_json_string_raw(x), cdc_json_string_raw(y)))
            return false;
    }
}

/* Does that plan's table go into the one of `plan` as well? */
static bool is_other(const struct plan *other, const struct plan *plan)
{
    return other != NULL && other != plan && other->routed != NULL && other->routed->columns.len > 0 &&
           !plans_are_one_table(other, plan) && plans_get_one_name(other, plan);
}

static struct cdc_span columns_of(const struct plan *plan)
{
    return cdc_span(plan->routed->columns.data, plan->routed->columns.len);
}

/* What all of the tables make of a column of one. */
struct merged {
    struct cdc_span type; /* the column that has the type of all */
    bool nullable;        /* in one of them, or one of them has not got it */
};

static int merge_column(const struct plans *plans, const struct plan *plan, struct cdc_span column,
                        struct merged *merged, struct cdc_error *error)
{
    struct cdc_span raw = cdc_json_member_raw(column, "name");

    merged->type = column;
    merged->nullable = cdc_span_is(cdc_json_member(column, "nullable"), "true");
    for (size_t i = 0; i < plans->tables.capacity; i++) {
        const struct plan *other = plans_at(plans, i);
        if (!is_other(other, plan))
            continue;
        struct cdc_span found = find_column(columns_of(other), raw);
        if (found.p == NULL || cdc_span_is(cdc_json_member(found, "nullable"), "true"))
            merged->nullable = true;
        if (found.p == NULL)
            continue;
        merged->type = route_wider_type(merged->type, found);
        if (merged->type.p == NULL)
            return refuse_type(plan, other, raw, error);
    }
    return 0;
}

static void append_member(struct cdc_buf *out, const char *name, struct cdc_span value)
{
    if (value.p == NULL)
        return;
    cdc_buf_printf(out, ",\"%s\":", name);
    cdc_buf_span(out, value);
}

/* The column as it is for all of them. of_other: no row of this table has it. */
static void append_column(struct cdc_buf *out, struct cdc_span column, const struct merged *merged, bool of_other)
{
    cdc_buf_text(out, out->len > 0 ? "," : "");
    if (!of_other && merged->type.p == column.p &&
        merged->nullable == cdc_span_is(cdc_json_member(column, "nullable"), "true")) {
        cdc_buf_span(out, column);
        return;
    }
    cdc_buf_lit(out, "{\"name\":");
    cdc_buf_span(out, cdc_json_member(column, "name"));
    append_member(out, "type", cdc_json_member(merged->type, "type"));
    append_member(out, "base_type", cdc_json_member(merged->type, "base_type"));
    cdc_buf_text(out, merged->nullable ? ",\"nullable\":true" : ",\"nullable\":false");
    append_member(out, "generated", of_other ? cdc_span("false", 5) : cdc_json_member(column, "generated"));
    append_member(out, "encrypted", cdc_json_member(column, "encrypted"));
    cdc_buf_byte(out, '}');
}

static int append_own(const struct plans *plans, struct plan *plan, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, columns_of(plan)); cdc_json_next_element(&iter, &column);) {
        struct merged merged;
        if (merge_column(plans, plan, column, &merged, error) != 0)
            return -1;
        append_column(&plan->routed->together, column, &merged, false);
    }
    return 0;
}

/* Has one of the tables before that one in the list of plans brought the column? */
static bool was_brought(const struct plans *plans, const struct plan *plan, size_t end, struct cdc_span raw)
{
    for (size_t i = 0; i < end; i++)
        if (is_other(plans_at(plans, i), plan) && find_column(columns_of(plans_at(plans, i)), raw).p != NULL)
            return true;
    return false;
}

static int append_others(const struct plans *plans, struct plan *plan, size_t at, struct cdc_error *error)
{
    const struct plan *other = plans_at(plans, at);
    struct cdc_json_iter iter;
    struct cdc_span column;

    if (!same_names(cdc_span(plan->routed->keys.data, plan->routed->keys.len),
                    cdc_span(other->routed->keys.data, other->routed->keys.len)))
        return refuse_key(plan, other, error);
    for (cdc_json_iter_begin(&iter, columns_of(other)); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = cdc_json_member_raw(column, "name");
        struct merged merged;
        if (raw.p == NULL || find_column(columns_of(plan), raw).p != NULL || was_brought(plans, plan, at, raw))
            continue;
        if (merge_column(plans, plan, column, &merged, error) != 0)
            return -1;
        merged.nullable = true;
        append_column(&plan->routed->together, column, &merged, true);
    }
    return 0;
}

static int check_column(const struct plan *plan, struct cdc_error *error)
{
    const struct routed *routed = plan->routed;
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, cdc_span(routed->columns.data, routed->columns.len));
         cdc_json_next_element(&iter, &column);)
        if (!routed->unique && cdc_json_raw_is(cdc_json_member_raw(column, "name"), cdc_span_text(routed->column))) {
            cdc_error_set(error, CDC_EXIT_CONFIG, "--route: table \"%.*s\" has a column \"%s\" already",
                          (int)plan->names.plain_table.n, plan->names.plain_table.p, routed->column);
            return cdc_error_hint(error, "name the column that tells rows of several tables apart with --route-column");
        }
    return 0;
}

int route_take_schema(const struct plans *plans, struct plan *plan, const struct cdc_event *event,
                      struct cdc_error *error)
{
    struct routed *routed = plan->routed;

    routed->columns.len = routed->keys.len = routed->together.len = 0;
    columns_append_list(&routed->columns, plan, event);
    columns_append_names(&routed->keys, plan, event, event->key_columns);
    if (routed->columns.failed || routed->keys.failed)
        return cdc_error_memory(error);
    if (check_column(plan, error) != 0 || append_own(plans, plan, error) != 0)
        return -1;
    for (size_t i = 0; i < plans->tables.capacity; i++)
        if (is_other(plans_at(plans, i), plan) && append_others(plans, plan, i, error) != 0)
            return -1;
    return routed->together.failed ? cdc_error_memory(error) : 0;
}
