/* SPDX-License-Identifier: MIT */
/* The middle stage. What a table needs is worked out once and kept in a plan;
 * a line is then copied with a few of its members replaced. */
#include <stdlib.h>

#include <cdc/filter.h>
#include <cdc/hash.h>
#include <cdc/pattern.h>

struct name_list {
    struct cdc_span *names; /* BORROWED from the settings' strings */
    size_t n;
};

struct rename {
    struct cdc_span from, to;
};

/* What happens to the lines of one table. */
struct plan {
    struct cdc_span schema, table; /* owned copies, as they stand in the lines */
    bool selected, edits_rows;
    bool keeps_some; /* a --columns list applies */
    struct name_list keep, drop;
    struct rename *renames;
    size_t n_renames;
    char *new_schema, *new_table; /* NULL: unchanged */
};

struct cdc_filter {
    struct cdc_filter_settings settings; /* BORROWED lists */
    bool ops_limited;
    bool ops[CDC_OP_HEARTBEAT + 1];
    struct plan **plans; /* open addressing by hash of the names */
    size_t n_plans, capacity;
    struct plan *last;
    uint64_t passed; /* change lines since the last commit line */
    bool dropped;
};

/* -- settings ------------------------------------------------------------------ */

static int parse_ops(struct cdc_filter *filter, const char *list, struct cdc_error *error)
{
    static const struct {
        const char *name;
        enum cdc_op op;
    } known[] = {{"r", CDC_OP_READ},     {"c", CDC_OP_CREATE},  {"u", CDC_OP_UPDATE}, {"d", CDC_OP_DELETE},
                 {"t", CDC_OP_TRUNCATE}, {"m", CDC_OP_MESSAGE}, {"ddl", CDC_OP_DDL}};

    filter->ops_limited = true;
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ","), i = 0;
        while (i < sizeof known / sizeof known[0] && !cdc_span_is(cdc_span(p, n), known[i].name))
            i++;
        if (i == sizeof known / sizeof known[0]) {
            cdc_error_set(error, CDC_EXIT_USAGE, "--op: \"%.*s\" is not an operation", (int)(n > 64 ? 64 : n), p);
            return cdc_error_hint(error, "use a list of r, c, u, d, t, m, ddl");
        }
        filter->ops[known[i].op] = true;
        p += n;
        if (*p == '\0')
            return 0;
    }
}

static int check_form(const char *option, const struct cdc_option_list *list, bool assignment, struct cdc_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i], *colon = strchr(item, ':'), *equals = strchr(item, '=');
        bool ok = item[0] != '\0' && (colon == NULL || (colon != item && colon[1] != '\0'));
        if (assignment)
            ok = ok && equals != NULL && equals != item && equals[1] != '\0' && equals[-1] != ':' &&
                 strchr(equals + 1, '=') == NULL;
        if (!ok)
            return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not of the form %s", option, item,
                                 assignment ? "OLD=NEW" : "[TABLE:]COLUMN,COLUMN");
    }
    return 0;
}

static int take_settings(struct cdc_filter *filter, const struct cdc_filter_settings *settings, struct cdc_error *error)
{
    filter->settings = *settings;
    for (size_t i = 0; i < settings->ops.count; i++)
        if (parse_ops(filter, settings->ops.items[i], error) != 0)
            return -1;
    if (check_form("--columns", &settings->keep_columns, false, error) != 0 ||
        check_form("--drop-columns", &settings->drop_columns, false, error) != 0 ||
        check_form("--rename", &settings->rename_tables, true, error) != 0)
        return -1;
    return check_form("--rename-column", &settings->rename_columns, true, error);
}

struct cdc_filter *cdc_filter_new(const struct cdc_filter_settings *settings, struct cdc_error *error)
{
    struct cdc_filter *filter = calloc(1, sizeof *filter);

    if (filter == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    filter->capacity = 64;
    filter->plans = calloc(filter->capacity, sizeof *filter->plans);
    if (filter->plans == NULL || take_settings(filter, settings, error) != 0) {
        cdc_error_memory(error);
        cdc_filter_free(filter);
        return NULL;
    }
    return filter;
}

static void free_plan(struct plan *plan)
{
    if (plan == NULL)
        return;
    free((char *)plan->schema.p);
    free((char *)plan->table.p);
    free(plan->keep.names);
    free(plan->drop.names);
    free(plan->renames);
    free(plan->new_schema);
    free(plan->new_table);
    free(plan);
}

void cdc_filter_free(struct cdc_filter *filter)
{
    if (filter == NULL)
        return;
    for (size_t i = 0; filter->plans != NULL && i < filter->capacity; i++)
        free_plan(filter->plans[i]);
    free(filter->plans);
    free(filter);
}

/* -- plans ------------------------------------------------------------------------ */

/* The part of "[TABLE:]rest" behind the table when it applies to this table, else NULL. */
static const char *applies(const char *item, struct cdc_span schema, struct cdc_span table)
{
    const char *colon = strchr(item, ':');
    char pattern[512];

    if (colon == NULL)
        return item;
    size_t n = (size_t)(colon - item);
    if (n >= sizeof pattern)
        return NULL;
    memcpy(pattern, item, n);
    pattern[n] = '\0';
    return cdc_pattern_matches_table(pattern, schema, table) ? colon + 1 : NULL;
}

static int add_names(struct name_list *list, const char *text)
{
    for (;;) {
        size_t n = strcspn(text, ",");
        struct cdc_span *names = realloc(list->names, (list->n + 1) * sizeof *names);
        if (names == NULL)
            return -1;
        list->names = names;
        names[list->n++] = cdc_span(text, n);
        if (text[n] == '\0')
            return 0;
        text += n + 1;
    }
}

static int add_rename(struct plan *plan, const char *text)
{
    const char *equals = strchr(text, '=');
    struct rename *renames = realloc(plan->renames, (plan->n_renames + 1) * sizeof *renames);

    if (renames == NULL)
        return -1;
    plan->renames = renames;
    renames[plan->n_renames++] = (struct rename){cdc_span(text, (size_t)(equals - text)), cdc_span_text(equals + 1)};
    return 0;
}

/* "schema.table=schema.table", the schema optional on both sides. */
static int plan_table_rename(struct plan *plan, const char *text, struct cdc_span schema, struct cdc_span table)
{
    const char *equals = strchr(text, '='), *to = equals + 1;
    struct cdc_span from = cdc_span(text, (size_t)(equals - text));
    const char *dot = memchr(from.p, '.', from.n), *to_dot = strchr(to, '.');

    if (dot != NULL) {
        if (!cdc_span_equal(cdc_span(from.p, (size_t)(dot - from.p)), schema))
            return 0;
        from = cdc_span(dot + 1, from.n - (size_t)(dot + 1 - from.p));
    }
    if (!cdc_span_equal(from, table))
        return 0;
    free(plan->new_schema);
    free(plan->new_table);
    plan->new_schema = to_dot != NULL ? cdc_span_copy(cdc_span(to, (size_t)(to_dot - to))) : NULL;
    plan->new_table = strdup(to_dot != NULL ? to_dot + 1 : to);
    return plan->new_table == NULL || (to_dot != NULL && plan->new_schema == NULL) ? -1 : 0;
}

/* schema and table: unescaped. */
static int fill_plan(const struct cdc_filter *filter, struct plan *plan, struct cdc_span schema, struct cdc_span table)
{
    const struct cdc_filter_settings *s = &filter->settings;
    const char *rest;

    plan->selected = cdc_selection_has(&s->selection, schema, table);
    for (size_t i = 0; i < s->keep_columns.count; i++)
        if ((rest = applies(s->keep_columns.items[i], schema, table)) != NULL && add_names(&plan->keep, rest) != 0)
            return -1;
    for (size_t i = 0; i < s->drop_columns.count; i++)
        if ((rest = applies(s->drop_columns.items[i], schema, table)) != NULL && add_names(&plan->drop, rest) != 0)
            return -1;
    for (size_t i = 0; i < s->rename_columns.count; i++)
        if ((rest = applies(s->rename_columns.items[i], schema, table)) != NULL && add_rename(plan, rest) != 0)
            return -1;
    for (size_t i = 0; i < s->rename_tables.count; i++)
        if (plan_table_rename(plan, s->rename_tables.items[i], schema, table) != 0)
            return -1;
    plan->keeps_some = plan->keep.n > 0;
    plan->edits_rows = plan->keeps_some || plan->drop.n > 0 || plan->n_renames > 0;
    return 0;
}

static struct plan *new_plan(const struct cdc_filter *filter, struct cdc_span schema, struct cdc_span table)
{
    struct plan *plan = calloc(1, sizeof *plan);
    struct cdc_buf plain_schema = CDC_BUF_INIT, plain_table = CDC_BUF_INIT;

    if (plan == NULL)
        return NULL;
    plan->schema = cdc_span(cdc_span_copy(schema), schema.n);
    plan->table = cdc_span(cdc_span_copy(table), table.n);
    cdc_json_unescape(&plain_schema, schema);
    cdc_json_unescape(&plain_table, table);
    bool ok = plan->schema.p != NULL && plan->table.p != NULL && !plain_schema.failed && !plain_table.failed &&
              fill_plan(filter, plan, cdc_span(plain_schema.data, plain_schema.len),
                        cdc_span(plain_table.data, plain_table.len)) == 0;
    cdc_buf_free(&plain_schema);
    cdc_buf_free(&plain_table);
    if (!ok) {
        free_plan(plan);
        return NULL;
    }
    return plan;
}

static size_t hash_names(struct cdc_span schema, struct cdc_span table)
{
    uint64_t hash = cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, schema), 0xff);
    hash = cdc_hash_span(hash, table);
    return (size_t)(hash ^ hash >> 32);
}

static bool is_plan_of(const struct plan *plan, struct cdc_span schema, struct cdc_span table)
{
    return cdc_span_equal(plan->table, table) && cdc_span_equal(plan->schema, schema);
}

static struct plan **find_slot(struct plan **plans, size_t capacity, struct cdc_span schema, struct cdc_span table)
{
    size_t i = hash_names(schema, table) & (capacity - 1);
    while (plans[i] != NULL && !is_plan_of(plans[i], schema, table))
        i = (i + 1) & (capacity - 1);
    return &plans[i];
}

static int grow_plans(struct cdc_filter *filter)
{
    size_t capacity = filter->capacity * 2;
    struct plan **plans = calloc(capacity, sizeof *plans);

    if (plans == NULL)
        return -1;
    for (size_t i = 0; i < filter->capacity; i++)
        if (filter->plans[i] != NULL)
            *find_slot(plans, capacity, filter->plans[i]->schema, filter->plans[i]->table) = filter->plans[i];
    free(filter->plans);
    filter->plans = plans;
    filter->capacity = capacity;
    return 0;
}

static struct plan *find_plan(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_error *error)
{
    /* MySQL has databases where PostgreSQL has schemas. */
    struct cdc_span schema = event->schema.p != NULL ? event->schema : event->db;

    if (filter->last != NULL && is_plan_of(filter->last, schema, event->table))
        return filter->last;
    struct plan **slot = find_slot(filter->plans, filter->capacity, schema, event->table);
    if (*slot == NULL) {
        if (filter->n_plans * 2 >= filter->capacity) {
            if (grow_plans(filter) != 0) {
                cdc_error_memory(error);
                return NULL;
            }
            slot = find_slot(filter->plans, filter->capacity, schema, event->table);
        }
        *slot = new_plan(filter, schema, event->table);
        if (*slot == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        filter->n_plans++;
    }
    filter->last = *slot;
    return *slot;
}

/* -- columns ------------------------------------------------------------------------ */

static bool has_name(const struct name_list *list, struct cdc_span raw)
{
    /* An escape is longer than what it stands for: a name of the same length is the same bytes or another name. */
    for (size_t i = 0; i < list->n; i++)
        if (raw.n >= list->names[i].n && (raw.n > list->names[i].n || raw.p[0] == list->names[i].p[0]) &&
            cdc_json_raw_is(raw, list->names[i]))
            return true;
    return false;
}

static bool in_key(const struct cdc_event *event, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (event->op == CDC_OP_SCHEMA) {
        cdc_json_iter(&iter, event->key_columns);
        while (cdc_json_next_element(&iter, &value))
            if (cdc_span_equal(cdc_json_string_raw(value), raw))
                return true;
        return false;
    }
    cdc_json_iter(&iter, event->key);
    while (cdc_json_next_member(&iter, &name, &value))
        if (cdc_span_equal(name, raw))
            return true;
    return false;
}

static bool keeps(const struct plan *plan, const struct cdc_event *event, struct cdc_span raw)
{
    if (has_name(&plan->drop, raw) || (plan->keeps_some && !has_name(&plan->keep, raw)))
        return in_key(event, raw);
    return true;
}

static void append_column_name(struct cdc_buf *out, const struct plan *plan, struct cdc_span raw)
{
    for (size_t i = 0; i < plan->n_renames; i++) {
        if (cdc_json_raw_is(raw, plan->renames[i].from)) {
            cdc_json_append_string(out, plan->renames[i].to.p, plan->renames[i].to.n);
            return;
        }
    }
    cdc_buf_byte(out, '"');
    cdc_buf_span(out, raw);
    cdc_buf_byte(out, '"');
}

static void append_row(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event, struct cdc_span row)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool first = true;

    if (cdc_json_type(row) != CDC_JSON_OBJECT) {
        cdc_buf_span(out, row);
        return;
    }
    cdc_buf_byte(out, '{');
    cdc_json_iter(&iter, row);
    while (cdc_json_next_member(&iter, &name, &value)) {
        if (!keeps(plan, event, name))
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        append_column_name(out, plan, name);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
    }
    cdc_buf_byte(out, '}');
}

static void append_names(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                         struct cdc_span names)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    bool first = true;

    cdc_buf_byte(out, '[');
    cdc_json_iter(&iter, names);
    while (cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        if (raw.p == NULL || !keeps(plan, event, raw))
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        append_column_name(out, plan, raw);
    }
    cdc_buf_byte(out, ']');
}

/* One column of a schema line: its name is replaced, the rest copied. */
static void append_column(struct cdc_buf *out, const struct plan *plan, struct cdc_span column, struct cdc_span name)
{
    cdc_buf_append(out, column.p, (size_t)(name.p - 1 - column.p));
    append_column_name(out, plan, name);
    const char *rest = name.p + name.n + 1;
    cdc_buf_append(out, rest, (size_t)(column.p + column.n - rest));
}

static void append_columns(struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span column;
    bool first = true;

    cdc_buf_byte(out, '[');
    cdc_json_iter(&iter, event->columns);
    while (cdc_json_next_element(&iter, &column)) {
        struct cdc_span name = cdc_json_string_raw(cdc_json_member(column, "name"));
        if (name.p != NULL && !keeps(plan, event, name))
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

/* The name that a column of a schema line ends up with, unescaped, in out. */
static struct cdc_span final_name(struct cdc_buf *out, const struct plan *plan, struct cdc_span column)
{
    struct cdc_span raw = cdc_json_string_raw(cdc_json_member(column, "name"));

    out->len = 0;
    for (size_t i = 0; raw.p != NULL && i < plan->n_renames; i++)
        if (cdc_json_raw_is(raw, plan->renames[i].from))
            return plan->renames[i].to;
    if (raw.p != NULL)
        cdc_json_unescape(out, raw);
    return cdc_span(out->data, out->len);
}

/* Two columns of one name would lose one of them in every reader. */
static int check_collisions(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter, inner;
    struct cdc_span column, other;
    struct cdc_buf one = CDC_BUF_INIT, two = CDC_BUF_INIT;
    int result = 0;

    if (plan->n_renames == 0)
        return 0;
    cdc_json_iter(&iter, event->columns);
    while (result == 0 && cdc_json_next_element(&iter, &column)) {
        struct cdc_span name = final_name(&one, plan, column);
        inner = iter;
        while (result == 0 && cdc_json_next_element(&inner, &other)) {
            struct cdc_span raw = cdc_json_string_raw(cdc_json_member(other, "name"));
            if (raw.p == NULL || !keeps(plan, event, raw) || !cdc_span_equal(name, final_name(&two, plan, other)))
                continue;
            result = cdc_error_set(error, CDC_EXIT_CONFIG,
                                   "--rename-column gives two columns of table \"%.*s\" the name \"%.*s\"",
                                   (int)event->table.n, event->table.p, (int)name.n, name.p);
        }
    }
    cdc_buf_free(&one);
    cdc_buf_free(&two);
    return result;
}

/* -- lines -------------------------------------------------------------------------- */

enum edit_kind { EDIT_ROW, EDIT_NAMES, EDIT_COLUMNS, EDIT_TEXT, EDIT_EVENTS };
struct edit {
    struct cdc_span at;
    enum edit_kind kind;
    const char *text;
};

static void add_edit(struct edit *edits, size_t *n, struct cdc_span at, enum edit_kind kind, const char *text)
{
    size_t i = *n;

    if (at.p == NULL)
        return;
    for (; i > 0 && edits[i - 1].at.p > at.p; i--) /* few: kept in the order of the line */
        edits[i] = edits[i - 1];
    edits[i] = (struct edit){at, kind, text};
    (*n)++;
}

static size_t collect_edits(struct edit *edits, const struct plan *plan, const struct cdc_event *event)
{
    size_t n = 0;

    if (plan->edits_rows) {
        add_edit(edits, &n, event->key, EDIT_ROW, NULL);
        add_edit(edits, &n, event->before, EDIT_ROW, NULL);
        add_edit(edits, &n, event->after, EDIT_ROW, NULL);
        add_edit(edits, &n, event->unchanged, EDIT_NAMES, NULL);
        add_edit(edits, &n, event->key_columns, EDIT_NAMES, NULL);
        add_edit(edits, &n, event->columns, EDIT_COLUMNS, NULL);
    }
    if (plan->new_table != NULL)
        add_edit(edits, &n, event->table, EDIT_TEXT, plan->new_table);
    if (plan->new_schema != NULL)
        add_edit(edits, &n, event->schema.p != NULL ? event->schema : event->db, EDIT_TEXT, plan->new_schema);
    return n;
}

static void append_edit(struct cdc_filter *filter, struct cdc_buf *out, const struct plan *plan,
                        const struct cdc_event *event, const struct edit *edit)
{
    switch (edit->kind) {
    case EDIT_ROW: append_row(out, plan, event, edit->at); break;
    case EDIT_NAMES: append_names(out, plan, event, edit->at); break;
    case EDIT_COLUMNS: append_columns(out, plan, event); break;
    case EDIT_EVENTS: cdc_buf_u64(out, filter->passed); break;
    case EDIT_TEXT: {
        /* The quotes stand around the place already. */
        size_t start = out->len;
        cdc_json_append_string(out, edit->text, strlen(edit->text));
        if (!out->failed) {
            memmove(out->data + start, out->data + start + 1, out->len - start - 2);
            out->len -= 2;
        }
    }
    }
}

static void append_line(struct cdc_filter *filter, struct cdc_buf *out, const struct plan *plan,
                        const struct cdc_event *event, const struct edit *edits, size_t n)
{
    const char *at = event->line.p, *end = event->line.p + event->line.n;

    if (!cdc_buf_room(out, event->line.n + 1))
        return;
    for (size_t i = 0; i < n; i++) {
        cdc_buf_append(out, at, (size_t)(edits[i].at.p - at));
        append_edit(filter, out, plan, event, &edits[i]);
        at = edits[i].at.p + edits[i].at.n;
    }
    cdc_buf_append(out, at, (size_t)(end - at));
    cdc_buf_byte(out, '\n');
}

static bool passes(const struct cdc_filter *filter, const struct plan *plan, enum cdc_op op)
{
    if (plan != NULL && !plan->selected)
        return false;
    return op == CDC_OP_SCHEMA || !filter->ops_limited || filter->ops[op];
}

static void pass_commit(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out)
{
    struct edit edits[1];
    size_t n = 0;

    if (filter->dropped)
        add_edit(edits, &n, event->events, EDIT_EVENTS, NULL);
    append_line(filter, out, NULL, event, edits, n);
    if (event->op == CDC_OP_COMMIT) {
        filter->passed = 0;
        filter->dropped = false;
    }
}

int cdc_filter_event(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct edit edits[8] = {{{NULL, 0}, EDIT_ROW, NULL}};
    struct plan *plan = NULL;
    size_t n = 0;

    if (event->op == CDC_OP_UNKNOWN) {
        append_line(filter, out, NULL, event, edits, 0);
        return out->failed ? cdc_error_memory(error) : 1;
    }
    if (event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT) {
        pass_commit(filter, event, out);
        return out->failed ? cdc_error_memory(error) : 1;
    }
    if (event->table.p != NULL && (plan = find_plan(filter, event, error)) == NULL)
        return -1;
    if (!passes(filter, plan, event->op)) {
        filter->dropped |= event->op != CDC_OP_SCHEMA;
        return 0;
    }
    if (plan != NULL) {
        if (event->op == CDC_OP_SCHEMA && check_collisions(plan, event, error) != 0)
            return -1;
        n = collect_edits(edits, plan, event);
    }
    append_line(filter, out, plan, event, edits, n);
    filter->passed += event->op != CDC_OP_SCHEMA;
    return out->failed ? cdc_error_memory(error) : 1;
}
