/* SPDX-License-Identifier: MIT */
/* Columns that are computed, in every place where a column lives. All expressions see the row as it came, as in SQL's UPDATE. Of
 *
 *   --set "email = NULL" --add "total = price * qty"
 *   {"op":"u",...,"before":null,"after":{"id":1,"email":"a@b","price":"1.10","qty":2}}
 *
 * comes  "after":{"id":1,"email":null,"price":"1.10","qty":2,"total":"2.20"}.  A value that lacks what it is made of is left out
 * of `before`; of `after` it is unchanged where all that it is made of is. */
#include "connectors/sqlite/filter/internal.h"
#include "connectors/sqlite/session/value.h"

/* -- values ----------------------------------------------------------------------------------- */

static struct cdc_span copied(const struct assignment *assignment, const struct lite_input *input)
{
    size_t n;
    const struct parameter *parameter = lite_program_parameters(assignment->program, &n);
    const struct cdc_span *values = parameter->kind == PARAMETER_ROW ? input->row : input->old;

    return values != NULL && values[parameter->column].p != NULL ? values[parameter->column] : cdc_span("null", 4);
}

static int append_value(struct lite_filter *filter, struct assignment *assignment, const struct lite_input *input,
                        bool *json_null, struct cdc_error *error)
{
    if (assignment->is_copy) {
        struct cdc_span value = copied(assignment, input);
        *json_null = value.p == lite_json_null.p;
        cdc_buf_span(&filter->values, value);
        return filter->values.failed ? cdc_error_memory(error) : 0;
    }
    assignment->output.decimals_are_numbers = filter->decimals_are_numbers;
    assignment->output.integers_are_texts = filter->integers_are_texts;
    if (lite_program_run(assignment->program, input, error) != 0)
        return -1;
    return lite_program_append(assignment->program, &assignment->output, &filter->values, json_null, error);
}

static int make_after(struct lite_filter *filter, struct assignment *assignment, const struct lite_input *input,
                      struct cdc_error *error)
{
    assignment->after.start = filter->values.len;
    if (append_value(filter, assignment, input, &assignment->after.json_null, error) != 0)
        return -1;
    assignment->after.n = filter->values.len - assignment->after.start;
    assignment->after.made = true;
    return 0;
}

static int make_before(struct lite_filter *filter, struct assignment *assignment, const struct lite_input *input,
                       struct cdc_error *error)
{
    assignment->before.start = filter->values.len;
    if (append_value(filter, assignment, input, &assignment->before.json_null, error) != 0)
        return -1;
    assignment->before.n = filter->values.len - assignment->before.start;
    assignment->before.made = true;
    return 0;
}

/* Is all that it is made of unchanged in this update? */
static bool is_unchanged(const struct sql_table *table, const struct assignment *assignment)
{
    size_t n;
    const struct parameter *parameters = lite_program_parameters(assignment->program, &n);

    if (assignment->of_event || assignment->of_old)
        return false;
    for (size_t i = 0; i < n; i++)
        if (parameters[i].kind == PARAMETER_ROW && table->row[parameters[i].column].p != NULL)
            return false;
    return true;
}

static int refuse(const struct sql_table *table, const struct assignment *assignment, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "%s \"%.100s\": table \"%s\": a row comes without some of the columns that it is made of",
                  assignment->item->option, assignment->item->whole, table->source.id.table);
    return cdc_error_hint(error, "let the log have old rows whole: REPLICA IDENTITY FULL (PostgreSQL), "
                                 "binlog_row_image=FULL (MySQL, MariaDB)");
}

static int compute_one(struct lite_filter *filter, struct sql_table *table, struct assignment *assignment,
                       const struct cdc_event *event, const struct parts *parts, struct cdc_error *error)
{
    bool updates = event->op == CDC_OP_UPDATE;
    const struct lite_input now = {table->row, table->old, event}, then = {table->old, NULL, event};

    assignment->after.made = assignment->before.made = assignment->unchanged = false;
    assignment->after.json_null = assignment->before.json_null = false;
    if (!cdc_json_is_null(parts->after)) {
        if (rows_have_all(assignment->program, table->row, updates ? table->old : NULL)) {
            if (make_after(filter, assignment, &now, error) != 0)
                return -1;
        } else if (is_unchanged(table, assignment)) {
            assignment->unchanged = true;
        } else {
            return refuse(table, assignment, error);
        }
    }
    if (!cdc_json_is_null(parts->before) && !assignment->of_event && !assignment->of_old &&
        rows_have_all(assignment->program, table->old, NULL))
        return make_before(filter, assignment, &then, error);
    return 0;
}

/* -- rows and lists ----------------------------------------------------------------------------- */

static struct assignment *find(struct sql_table *table, struct cdc_span name)
{
    size_t i = name.p != NULL ? cdc_names_find(&table->assigned, name) : SIZE_MAX;

    return i != SIZE_MAX ? &table->assignments[i] : NULL;
}

static void append_separator(struct cdc_buf *out, bool *first)
{
    if (!*first)
        cdc_buf_byte(out, ',');
    *first = false;
}

static void append_name(struct cdc_buf *out, const struct assignment *assignment)
{
    const char *name = assignment->item->column;

    cdc_json_append_string(out, name, strlen(name));
}

struct made {
    bool made;
    struct cdc_span value;
};

static struct made made_of(const struct lite_filter *filter, const struct assignment *assignment, bool before)
{
    bool made = before ? assignment->before.made : assignment->after.made;

    return (struct made){made,
                         cdc_span(filter->values.data + (before ? assignment->before.start : assignment->after.start),
                                  before ? assignment->before.n : assignment->after.n)};
}

static struct cdc_span make_row(struct cdc_buf *out, const struct lite_filter *filter, struct sql_table *table,
                                struct cdc_span row, bool before)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool first = true;

    out->len = 0;
    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        const struct assignment *assignment = find(table, name);
        struct made made = {true, value};
        if (assignment != NULL)
            made = made_of(filter, assignment, before);
        if (!made.made)
            continue;
        append_separator(out, &first);
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        cdc_buf_span(out, made.value);
    }
    for (size_t i = 0; i < table->n_assignments; i++) {
        const struct assignment *assignment = &table->assignments[i];
        struct made made = made_of(filter, assignment, before);
        /* A column of the table that was unchanged, and is no more, is added as well. */
        if (!made.made ||
            (assignment->column != SIZE_MAX && (before ? table->old : table->row)[assignment->column].p != NULL))
            continue;
        if (before && assignment->column != SIZE_MAX) /* the old row did not have it */
            continue;
        append_separator(out, &first);
        append_name(out, assignment);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, made.value);
    }
    cdc_buf_byte(out, '}');
    return cdc_span(out->data, out->len);
}

enum list_kind { LIST_UNCHANGED, LIST_NULL_AFTER, LIST_NULL_BEFORE };

static bool is_in_list(const struct assignment *assignment, enum list_kind kind)
{
    return kind == LIST_UNCHANGED    ? assignment->unchanged
           : kind == LIST_NULL_AFTER ? assignment->after.made && assignment->after.json_null
                                     : assignment->before.made && assignment->before.json_null;
}

/* The list without columns that are made, and with those of them that belong there. Absent where it is empty. */
static struct cdc_span make_list(struct cdc_buf *out, struct sql_table *table, struct cdc_span list,
                                 enum list_kind kind)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    bool first = true, same = true;

    out->len = 0;
    cdc_buf_byte(out, '[');
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &value);) {
        if (find(table, cdc_json_string_raw(value)) != NULL) {
            same = false;
            continue;
        }
        append_separator(out, &first);
        cdc_buf_span(out, value);
    }
    for (size_t i = 0; i < table->n_assignments; i++) {
        if (!is_in_list(&table->assignments[i], kind))
            continue;
        append_separator(out, &first);
        append_name(out, &table->assignments[i]);
        same = false;
    }
    cdc_buf_byte(out, ']');
    return same ? list : first ? cdc_span(NULL, 0) : cdc_span(out->data, out->len);
}

int assign_parts(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event,
                 struct parts *parts, struct cdc_error *error)
{
    filter->values.len = 0;
    for (size_t i = 0; i < table->n_assignments; i++)
        if (compute_one(filter, table, &table->assignments[i], event, parts, error) != 0)
            return -1;
    bool has_before = !cdc_json_is_null(parts->before), deletes = parts->op == CDC_OP_DELETE;
    if (!cdc_json_is_null(parts->after))
        parts->after = make_row(&filter->after, filter, table, parts->after, false);
    if (has_before)
        parts->before = make_row(&filter->before, filter, table, parts->before, true);
    parts->unchanged = make_list(&filter->unchanged, table, parts->unchanged, LIST_UNCHANGED);
    parts->json_null =
        make_list(&filter->json_null, table, parts->json_null, deletes ? LIST_NULL_BEFORE : LIST_NULL_AFTER);
    if (!deletes)
        parts->json_null_old = make_list(&filter->json_null_old, table, parts->json_null_old, LIST_NULL_BEFORE);
    if (filter->after.failed || filter->before.failed || filter->unchanged.failed || filter->json_null.failed ||
        filter->json_null_old.failed)
        return cdc_error_memory(error);
    return 0;
}

/* -- the schema line ------------------------------------------------------------------------------ */

/* What an expression makes may be NULL. */
static void append_nullable(struct cdc_buf *out, struct cdc_span column)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool first = true;

    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, column); cdc_json_next_member(&iter, &name, &value);) {
        append_separator(out, &first);
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        cdc_buf_span(out, cdc_span_is(name, "nullable") ? cdc_span("true", 4) : value);
    }
    cdc_buf_byte(out, '}');
}

static void append_columns(struct cdc_buf *out, struct sql_table *table, struct cdc_span columns)
{
    struct cdc_json_iter iter;
    struct cdc_span column;
    bool first = true;

    cdc_buf_byte(out, '[');
    for (cdc_json_iter_begin(&iter, columns); cdc_json_next_element(&iter, &column);) {
        append_separator(out, &first);
        if (find(table, cdc_json_member_raw(column, "name")) != NULL)
            append_nullable(out, column);
        else
            cdc_buf_span(out, column);
    }
    for (size_t i = 0; i < table->n_assignments; i++) {
        const struct assignment *assignment = &table->assignments[i];
        if (assignment->column != SIZE_MAX)
            continue;
        append_separator(out, &first);
        cdc_buf_lit(out, "{\"name\":");
        append_name(out, assignment);
        cdc_buf_lit(out, ",\"type\":");
        cdc_json_append_string(out, assignment->type, strlen(assignment->type));
        cdc_buf_lit(out, ",\"nullable\":true,\"generated\":false}");
    }
    cdc_buf_byte(out, ']');
}

void assign_schema(struct cdc_buf *out, const struct sql_table *table, const struct cdc_event *event)
{
    const char *end = event->line.p + event->line.n, *after = event->columns.p + event->columns.n;

    cdc_buf_append(out, event->line.p, (size_t)(event->columns.p - event->line.p));
    append_columns(out, (struct sql_table *)table, event->columns);
    cdc_buf_append(out, after, (size_t)(end - after));
}
