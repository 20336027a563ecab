/* SPDX-License-Identifier: MIT */
/* Nested values as columns (--flatten doc). Of
 *
 *   {"op":"u","pos":"7",...,"before":{"id":1,"doc":{"a":1,"b":[2,3]}},"after":{"id":1,"doc":{"a":1,"b":[4],"c":null}}}
 *
 * comes, where doc_c is new,
 *
 *   {"op":"schema","pos":"7.1",...,"columns":[{"name":"id",...},{"name":"doc","type":"json",...},{"name":"doc_a","type":"json",...},...]}
 *   {"op":"u","pos":"7.2",...,"before":{"id":1,"doc_a":1,"doc_b_0":2,"doc_b_1":3},
 *    "after":{"id":1,"doc_a":1,"doc_b_0":4,"doc_c":null,"doc_b_1":null},"json_null":["doc_c"]}
 *
 * Values are copied, and each column has the type json: a member may be a number here and a text there. A value that is no object and no
 * array, or an empty one, stays under the column's own name. What was there before and is no more becomes NULL: so an update must say
 * what was. Nothing is kept from run to run, as each line says all that a sink needs. */
#include <stdlib.h>

#include "libcdc/shape/internal.h"

#define COLUMNS_MAX 1000 /* of a table that are made */

struct flattened {
    struct line_table table; /* FIRST */
    bool touched;            /* a column of it may be named */
    bool described;
    struct cdc_buf columns, keys; /* of its newest schema line, as they stood */
    struct cdc_buf names;         /* of the columns that are flattened, as in a list: "doc","more" */
    struct cdc_buf made;          /* of those that were made since that line, the same */
    size_t n_made;
};

struct cdc_flatten {
    const struct cdc_option_list *items;
    bool allow_unknown, in_private;
    bool *used;
    struct line_tables tables;
    struct cdc_buf rows[2], nulls[2], leaves[2]; /* of before and after: objects, lists of names without brackets */
    struct cdc_buf name, list;
    bool grown; /* the line in hand has new columns */
};
enum { OLD, NEW };

/* -- settings --------------------------------------------------------------------------------- */

static void release(struct line_table *table)
{
    struct flattened *flattened = (struct flattened *)table;

    cdc_buf_free(&flattened->columns);
    cdc_buf_free(&flattened->keys);
    cdc_buf_free(&flattened->names);
    cdc_buf_free(&flattened->made);
}

struct cdc_flatten *cdc_flatten_new(const struct cdc_option_list *columns, bool allow_unknown, bool in_private,
                                    struct cdc_error *error)
{
    for (size_t i = 0; i < columns->count; i++)
        if (shape_item_check("--flatten", columns->items[i], error) != 0)
            return NULL;
    struct cdc_flatten *flatten = calloc(1, sizeof *flatten);
    if (flatten == NULL || (flatten->used = calloc(columns->count + 1, sizeof *flatten->used)) == NULL) {
        free(flatten);
        cdc_error_memory(error);
        return NULL;
    }
    flatten->items = columns;
    flatten->allow_unknown = allow_unknown;
    flatten->in_private = in_private;
    flatten->tables.size = sizeof(struct flattened);
    flatten->tables.of_source = true;
    flatten->tables.release = release;
    return flatten;
}

void cdc_flatten_free(struct cdc_flatten *flatten)
{
    if (flatten == NULL)
        return;
    line_tables_free(&flatten->tables);
    for (int i = OLD; i <= NEW; i++) {
        cdc_buf_free(&flatten->rows[i]);
        cdc_buf_free(&flatten->nulls[i]);
        cdc_buf_free(&flatten->leaves[i]);
    }
    cdc_buf_free(&flatten->name);
    cdc_buf_free(&flatten->list);
    free(flatten->used);
    free(flatten);
}

/* -- lists of names: "a","b" ------------------------------------------------------------------- */

static bool is_listed(struct cdc_buf *scratch, const struct cdc_buf *names, struct cdc_span raw)
{
    if (names->len == 0)
        return false;
    scratch->len = 0;
    cdc_buf_byte(scratch, '[');
    cdc_buf_append_buf(scratch, names);
    cdc_buf_byte(scratch, ']');
    return !scratch->failed && shape_has_name(cdc_span(scratch->data, scratch->len), raw);
}

static void list(struct cdc_buf *names, struct cdc_span raw)
{
    cdc_buf_text(names, names->len > 0 ? ",\"" : "\"");
    cdc_buf_span(names, raw);
    cdc_buf_byte(names, '"');
}

/* -- schema lines -------------------------------------------------------------------------------- */

static int refuse(const struct flattened *table, struct cdc_span raw, int status, const char *what, const char *hint,
                  struct cdc_error *error)
{
    cdc_error_set(error, status, "--flatten: column \"%.*s\" of table \"%.*s\" %s", (int)(raw.n < 100 ? raw.n : 100),
                  raw.p, (int)table->table.plain_table.n, table->table.plain_table.p, what);
    return hint != NULL ? cdc_error_hint(error, "%s", hint) : -1;
}

/* A composite or an array that came as text stays under its own name. What is encrypted is an object that only stays whole. */
static bool nests(struct cdc_span column)
{
    struct cdc_span type = cdc_json_member_raw(column, "base_type");

    if (cdc_json_member(column, "encrypted").p != NULL)
        return false;
    if (type.n == 0)
        type = cdc_json_member_raw(column, "type");
    return cdc_span_is(type, "json") || cdc_span_is(type, "jsonb") || cdc_span_is(type, "hstore") ||
           (type.n > 2 && memcmp(type.p + type.n - 2, "[]", 2) == 0);
}

/* *by_star: only because it may be any. */
static bool is_named(const char *rest, struct cdc_span raw, bool *by_star)
{
    *by_star = false;
    for (size_t n; *rest != '\0'; rest += n + (rest[n] == ',')) {
        n = strcspn(rest, ",");
        if (n == 1 && *rest == '*')
            *by_star = true;
        else if (cdc_json_raw_is(raw, cdc_span(rest, n))) {
            *by_star = false;
            return true;
        }
    }
    return *by_star;
}

/* By * such a column is not meant. */
static bool is_meant(const struct cdc_event *event, struct cdc_span column, struct cdc_span raw)
{
    return nests(column) && !shape_has_name(event->key_columns, raw);
}

static int take_column(const struct flattened *table, const struct cdc_event *event, struct cdc_span column,
                       struct cdc_buf *names, struct cdc_error *error)
{
    struct cdc_span raw = cdc_json_member_raw(column, "name");

    if (!nests(column))
        return refuse(table, raw, CDC_EXIT_CONFIG, "is of no type that nests",
                      "json, jsonb, hstore and arrays can be flattened", error);
    if (shape_has_name(event->key_columns, raw))
        return refuse(table, raw, CDC_EXIT_CONFIG, "is of the key, by which rows are found", NULL, error);
    list(names, raw);
    return 0;
}

static int take_item(struct cdc_flatten *flatten, struct flattened *table, const struct cdc_event *event,
                     const char *item, struct cdc_error *error)
{
    const char *rest = shape_item_rest(item, &table->table);
    struct cdc_json_iter iter;
    struct cdc_span column;
    size_t found = 0;
    bool by_star;

    if (rest == NULL)
        return 0;
    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = cdc_json_member_raw(column, "name");
        if (raw.p == NULL || !is_named(rest, raw, &by_star) || (by_star && !is_meant(event, column, raw)))
            continue;
        found++;
        if (!is_listed(&flatten->list, &table->names, raw) &&
            take_column(table, event, column, &table->names, error) != 0)
            return -1;
    }
    if (found > 0 || flatten->allow_unknown || !shape_item_is_of_one(item) || strcmp(rest, "*") == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%.*s\" has no column that --flatten '%s' names",
                  (int)table->table.plain_table.n, table->table.plain_table.p, item);
    return cdc_error_hint(error, "correct the name, or use --allow-unknown if the column may be missing");
}

/* With what was made of it: its columns as they are but for the type of those that are flattened, and those that were made. */
static void append_columns(struct cdc_flatten *flatten, const struct flattened *table, struct cdc_buf *out)
{
    struct cdc_json_iter iter;
    struct cdc_span column, item;
    const char *comma = "";

    cdc_buf_byte(out, '[');
    cdc_json_iter_begin(&iter, cdc_span(table->columns.data, table->columns.len));
    for (; cdc_json_next_element(&iter, &column); comma = ",") {
        struct cdc_span raw = cdc_json_member_raw(column, "name");
        cdc_buf_text(out, comma);
        if (raw.p == NULL || !is_listed(&flatten->list, &table->names, raw)) {
            cdc_buf_span(out, column);
            continue;
        }
        cdc_buf_lit(out, "{\"name\":\"");
        cdc_buf_span(out, raw);
        cdc_buf_lit(out, "\",\"type\":\"json\",\"nullable\":true,\"generated\":false,\"optional\":true}");
    }
    flatten->list.len = 0;
    cdc_buf_byte(&flatten->list, '[');
    cdc_buf_append_buf(&flatten->list, &table->made);
    cdc_buf_byte(&flatten->list, ']');
    cdc_json_iter_begin(&iter, cdc_span(flatten->list.data, flatten->list.len));
    for (; cdc_json_next_element(&iter, &item); comma = ",") {
        cdc_buf_text(out, comma);
        cdc_buf_lit(out, "{\"name\":");
        cdc_buf_span(out, item);
        cdc_buf_lit(out, ",\"type\":\"json\",\"nullable\":true,\"generated\":false,\"optional\":true}");
    }
    cdc_buf_byte(out, ']');
}

/* A read that ends says which columns there are: those that its rows had. */
static enum cdc_step_result take_schema(struct cdc_flatten *flatten, struct flattened *table,
                                        const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct shape_edit edit = {event->columns, {NULL, 0}};
    struct cdc_buf columns = CDC_BUF_INIT;

    table->columns.len = table->keys.len = table->names.len = 0;
    cdc_buf_span(&table->columns, event->columns.p != NULL ? event->columns : cdc_span("[]", 2));
    cdc_buf_span(&table->keys, event->key_columns.p != NULL ? event->key_columns : cdc_span("[]", 2));
    for (size_t i = 0; i < flatten->items->count; i++)
        if (take_item(flatten, table, event, flatten->items->items[i], error) != 0)
            return CDC_STEP_FAILED;
    table->described = true;
    if (table->columns.failed || table->keys.failed || table->names.failed || flatten->list.failed) {
        cdc_error_memory(error);
        return CDC_STEP_FAILED;
    }
    if (event->columns.p == NULL || table->names.len == 0)
        return CDC_STEP_KEPT;
    append_columns(flatten, table, &columns);
    edit.text = cdc_span(columns.data, columns.len);
    shape_append_edited(out, event->line, &edit, 1);
    out->failed |= columns.failed || flatten->list.failed;
    cdc_buf_free(&columns);
    return CDC_STEP_CHANGED;
}

/* -- rows ---------------------------------------------------------------------------------------- */

/* What the row in hand becomes. */
struct pass {
    struct cdc_flatten *flatten;
    struct flattened *table;
    const struct cdc_event *event;
    struct cdc_error *error;
    int side;
    struct cdc_span column; /* that is flattened, as it stands */
};

/* A name that is made has words of the value in it. */
static int refuse_made(const struct pass *pass, struct cdc_span name, int status, const char *what, const char *hint)
{
    static const char private[] = "has a member, as which it cannot be a column of its own";

    return pass->flatten->in_private ? refuse(pass->table, pass->column, status, private, hint, pass->error)
                                     : refuse(pass->table, name, status, what, hint, pass->error);
}

/* flatten->name is the name of a column that is made, whose value that is; NULL: SQL's. */
static int append_leaf(struct pass *pass, struct cdc_span value, bool json_null, bool own)
{
    struct cdc_flatten *flatten = pass->flatten;
    struct flattened *table = pass->table;
    struct cdc_buf *row = &flatten->rows[pass->side];
    struct cdc_span name = cdc_span(flatten->name.data, flatten->name.len);

    if (flatten->name.failed)
        return cdc_error_memory(pass->error);
    if (is_listed(&flatten->list, &flatten->leaves[pass->side], name))
        return refuse_made(pass, name, CDC_EXIT_DATA, "would be made of two values", "use --add for one of them");
    list(&flatten->leaves[pass->side], name);
    if (!own && !is_listed(&flatten->list, &table->made, name)) {
        struct cdc_json_iter iter;
        struct cdc_span column;
        cdc_json_iter_begin(&iter, cdc_span(table->columns.data, table->columns.len));
        while (cdc_json_next_element(&iter, &column))
            if (cdc_json_raw_equal(cdc_json_member_raw(column, "name"), name))
                return refuse_made(pass, name, CDC_EXIT_DATA, "is one of the table's own",
                                   "use --add with another name");
        if (shape_has_nul(name))
            return refuse_made(pass, name, CDC_EXIT_DATA, "would have a NUL in its name", NULL);
        if (++table->n_made > COLUMNS_MAX)
            return refuse_made(pass, name, CDC_EXIT_CONFIG, "would be one too many that is made of nested values",
                               "name with --add what is needed of it");
        list(&table->made, name);
        flatten->grown = true;
    }
    cdc_buf_text(row, row->len > 1 ? ",\"" : "\"");
    cdc_buf_span(row, name);
    cdc_buf_lit(row, "\":");
    cdc_buf_span(row, value);
    if (json_null)
        list(&flatten->nulls[pass->side], name);
    return 0;
}

/* Nesting is bounded by what an event may have. */
static int append_nested(struct pass *pass, struct cdc_span value, bool json_null, bool own)
{
    struct cdc_buf *path = &pass->flatten->name;
    enum cdc_json_type type = cdc_json_type(value);
    size_t length = path->len, n = 0;
    struct cdc_json_iter iter;
    struct cdc_span name, item;

    cdc_json_iter_begin(&iter, value);
    for (; type == CDC_JSON_OBJECT && cdc_json_next_member(&iter, &name, &item); path->len = length, n++) {
        cdc_buf_byte(path, '_');
        cdc_buf_span(path, name);
        if (append_nested(pass, item, cdc_json_is_null(item), false) != 0)
            return -1;
    }
    for (; type == CDC_JSON_ARRAY && cdc_json_next_element(&iter, &item); path->len = length, n++) {
        cdc_buf_byte(path, '_');
        cdc_buf_u64(path, n);
        if (append_nested(pass, item, cdc_json_is_null(item), false) != 0)
            return -1;
    }
    return n > 0 ? 0 : append_leaf(pass, value, json_null, own);
}

static int append_row(struct pass *pass, struct cdc_span row, struct cdc_span nulls)
{
    struct cdc_flatten *flatten = pass->flatten;
    struct cdc_buf *out = &flatten->rows[pass->side];
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    out->len = flatten->nulls[pass->side].len = flatten->leaves[pass->side].len = 0;
    if (cdc_json_type(row) != CDC_JSON_OBJECT) {
        cdc_buf_span(out, row);
        return 0;
    }
    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        bool json_null = shape_has_name(nulls, name);
        if (!is_listed(&flatten->list, &pass->table->names, name)) {
            cdc_buf_text(out, out->len > 1 ? ",\"" : "\"");
            cdc_buf_span(out, name);
            cdc_buf_lit(out, "\":");
            cdc_buf_span(out, value);
            if (json_null)
                list(&flatten->nulls[pass->side], name);
            continue;
        }
        flatten->name.len = 0;
        cdc_buf_span(&flatten->name, name);
        pass->column = name;
        if (append_nested(pass, value, json_null, true) != 0)
            return -1;
    }
    return 0;
}

/* What the old row had and the new one has not is NULL from now on. */
static void append_gone(struct cdc_flatten *flatten)
{
    struct cdc_buf old = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span item;

    cdc_buf_byte(&old, '[');
    cdc_buf_append_buf(&old, &flatten->leaves[OLD]);
    cdc_buf_byte(&old, ']');
    for (cdc_json_iter_begin(&iter, cdc_span(old.data, old.len)); !old.failed && cdc_json_next_element(&iter, &item);) {
        if (is_listed(&flatten->list, &flatten->leaves[NEW], cdc_json_string_raw(item)))
            continue;
        cdc_buf_text(&flatten->rows[NEW], flatten->rows[NEW].len > 1 ? "," : "");
        cdc_buf_span(&flatten->rows[NEW], item);
        cdc_buf_lit(&flatten->rows[NEW], ":null");
    }
    flatten->rows[NEW].failed |= old.failed;
    cdc_buf_free(&old);
}

/* An update must have each such column twice, or what is to become NULL is not known. */
static int check_old(const struct flattened *table, const struct cdc_event *event, struct cdc_buf *scratch,
                     struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (event->op != CDC_OP_UPDATE)
        return 0;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &value);)
        if (is_listed(scratch, &table->names, cdc_json_string_raw(value)))
            return refuse(table, cdc_json_string_raw(value), CDC_EXIT_CONFIG,
                          "is not in the line, as it was not changed",
                          "the log must have whole rows: REPLICA IDENTITY FULL, or binlog_row_image=FULL", error);
    for (cdc_json_iter_begin(&iter, event->after); cdc_json_next_member(&iter, &name, &value);)
        if (is_listed(scratch, &table->names, name) && shape_member(event->before, name).p == NULL)
            return refuse(table, name, CDC_EXIT_CONFIG, "was changed, and the line does not say what it was",
                          "the log must have whole rows: REPLICA IDENTITY FULL, or binlog_row_image=FULL", error);
    return 0;
}

static bool is_null_list(struct cdc_span name)
{
    return cdc_json_raw_is(name, cdc_span_text("json_null")) || cdc_json_raw_is(name, cdc_span_text("json_null_old"));
}

static void append_nulls(struct cdc_buf *out, const char *name, const struct cdc_buf *nulls)
{
    if (nulls->len == 0)
        return;
    cdc_buf_printf(out, ",\"%s\":[", name);
    cdc_buf_append_buf(out, nulls);
    cdc_buf_byte(out, ']');
}

static void append_line(struct cdc_flatten *flatten, const struct cdc_event *event, struct cdc_buf *out)
{
    struct cdc_json_iter iter;
    struct cdc_span line = event->line, name, value;
    const char *comma = "";

    while (line.n > 0 && *line.p != '{')
        line = cdc_span(line.p + 1, line.n - 1);
    while (line.n > 0 && line.p[line.n - 1] != '}')
        line.n--;
    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);) {
        if (is_null_list(name))
            continue;
        cdc_buf_text(out, comma);
        cdc_buf_append(out, name.p - 1, name.n + 2);
        cdc_buf_byte(out, ':');
        comma = ",";
        if (value.p == event->before.p)
            cdc_buf_append_buf(out, &flatten->rows[OLD]);
        else if (value.p == event->after.p)
            cdc_buf_append_buf(out, &flatten->rows[NEW]);
        else if (value.p + 1 == event->pos.p) {
            cdc_buf_append(out, value.p, value.n - 1);
            cdc_buf_lit(out, ".2\"");
        } else
            cdc_buf_span(out, value);
    }
    /* json_null is of the row that the line is about */
    append_nulls(out, "json_null", &flatten->nulls[event->op == CDC_OP_DELETE ? OLD : NEW]);
    if (event->op == CDC_OP_UPDATE)
        append_nulls(out, "json_null_old", &flatten->nulls[OLD]);
    cdc_buf_byte(out, '}');
}

static int append_rows(struct cdc_flatten *flatten, struct flattened *table, const struct cdc_event *event,
                       struct cdc_error *error)
{
    struct pass pass = {flatten, table, event, error, OLD, {NULL, 0}};
    bool is_delete = event->op == CDC_OP_DELETE;

    if (append_row(&pass, event->before, is_delete ? event->json_null : event->json_null_old) != 0)
        return -1;
    pass.side = NEW;
    if (append_row(&pass, event->after, is_delete ? cdc_span(NULL, 0) : event->json_null) != 0)
        return -1;
    if (cdc_json_type(event->before) == CDC_JSON_OBJECT)
        cdc_buf_byte(&flatten->rows[OLD], '}');
    if (cdc_json_type(event->after) == CDC_JSON_OBJECT) {
        append_gone(flatten);
        cdc_buf_byte(&flatten->rows[NEW], '}');
    }
    return 0;
}

static enum cdc_step_result take_row(struct cdc_flatten *flatten, struct flattened *table,
                                     const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf columns = CDC_BUF_INIT;
    size_t length = table->made.len, n_made = table->n_made;

    flatten->grown = false;
    if (check_old(table, event, &flatten->list, error) != 0)
        return CDC_STEP_FAILED;
    if (append_rows(flatten, table, event, error) != 0) { /* a line that may be passed over has brought no columns */
        table->made.len = length;
        table->n_made = n_made;
        return CDC_STEP_FAILED;
    }
    if (flatten->grown) {
        append_columns(flatten, table, &columns);
        shape_append_schema(out, event, ".1", cdc_span(columns.data, columns.len),
                            cdc_span(table->keys.data, table->keys.len));
        cdc_buf_byte(out, '\n');
    }
    append_line(flatten, event, out);
    out->failed |= columns.failed || table->made.failed || flatten->list.failed;
    for (int i = OLD; i <= NEW; i++)
        out->failed |= flatten->rows[i].failed || flatten->nulls[i].failed || flatten->leaves[i].failed;
    cdc_buf_free(&columns);
    return CDC_STEP_CHANGED;
}

static enum cdc_step_result take_event(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                       struct cdc_error *error)
{
    struct cdc_flatten *flatten = state;
    bool is_new;

    if (event->table.p == NULL)
        return CDC_STEP_KEPT;
    struct flattened *table = line_table_of(&flatten->tables, event, &is_new, error);
    if (table == NULL)
        return CDC_STEP_FAILED;
    for (size_t i = 0; is_new && i < flatten->items->count; i++)
        if (shape_item_rest(flatten->items->items[i], &table->table) != NULL)
            table->touched = flatten->used[i] = true;
    if (!table->touched)
        return CDC_STEP_KEPT;
    if (event->op == CDC_OP_SCHEMA)
        return take_schema(flatten, table, event, out, error);
    /* Of no row from here on, also where it is read again; of one of several tables under this name the others' rows stay. */
    if (event->op == CDC_OP_TRUNCATE && cdc_json_is_null(event->part))
        table->made.len = table->n_made = 0;
    if (!cdc_event_has_row(event))
        return CDC_STEP_KEPT;
    if (event->pos.p == NULL) {
        cdc_error_set(error, CDC_EXIT_DATA, "--flatten: the line has no \"pos\"");
        return CDC_STEP_FAILED;
    }
    if (!table->described) {
        cdc_error_set(
            error, CDC_EXIT_DATA,
            "--flatten: a row of table \"%.*s\" comes before the schema line that says what columns there are",
            (int)table->table.plain_table.n, table->table.plain_table.p);
        cdc_error_hint(error, "nothing before the filter may drop schema lines");
        return CDC_STEP_FAILED;
    }
    return table->names.len > 0 ? take_row(flatten, table, event, out, error) : CDC_STEP_KEPT;
}

static size_t unmatched(void *state, bool more, struct cdc_buf *out)
{
    const struct cdc_flatten *flatten = state;
    size_t n = 0;

    for (size_t i = 0; i < flatten->items->count; i++)
        if (!flatten->used[i])
            cdc_buf_printf(out, "%s--flatten '%s'", more || n > 0 ? ", " : "", flatten->items->items[i]), n++;
    return n;
}

static enum cdc_step_clarity explain(void *state, const struct cdc_event *event, struct cdc_span column,
                                     struct cdc_buf *out)
{
    struct cdc_flatten *flatten = state;
    struct cdc_error ignored = {0};
    bool is_new = false;
    const struct flattened *table = line_table_of(&flatten->tables, event, &is_new, &ignored);

    if (column.p != NULL && table != NULL && is_listed(&flatten->list, &table->names, column))
        cdc_buf_lit(out, "what is in objects and arrays becomes columns of their own");
    return CDC_CLEAR_AS_BEFORE;
}

struct cdc_filter_step cdc_flatten_step(struct cdc_flatten *flatten)
{
    return (struct cdc_filter_step){.event = take_event, .unmatched = unmatched, .explain = explain, .state = flatten};
}
