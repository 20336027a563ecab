/* SPDX-License-Identifier: MIT */
/* The middle stage: a line is copied with a few of its members replaced, as the plan of its table says. With
 * --drop-columns note and --rename items=things, of
 *
 *   {"op":"c",...,"source":{...,"table":"items",...},"key":{"id":1},"after":{"id":1,"note":"x"}}
 *
 * the edits are, in the order of the line, the text items, the row of key and the row of after; every byte between them is
 * copied. No value is ever decoded, so that none can change. */
#include <stdlib.h>

#include "libcdc/filter/internal.h"
#include <cdc/pattern.h>

/* Change lines of a source since its last commit line. */
struct count {
    struct cdc_span name;  /* as it stands in the lines; owned */
    struct cdc_buf newest; /* pos of the last one, empty: none */
    uint64_t passed;
    bool dropped;
};

struct cdc_filter {
    struct cdc_filter_settings settings; /* BORROWED lists */
    bool ops_limited;
    /* The last op of the enum, so that every op has its place. */
    bool ops[CDC_OP_HEARTBEAT + 1];
    struct plans plans;
    struct count *counts; /* one a source: their lines may come in turns */
    size_t n_counts, last_count;
    bool lost; /* lines that are in no count were passed over */
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

enum form { FORM_COLUMNS, FORM_RENAME_COLUMN, FORM_RENAME_TABLE };

static bool has_form(const char *item, enum form form)
{
    bool is_name;
    size_t prefix = form == FORM_RENAME_TABLE ? SIZE_MAX : cdc_pattern_prefix(item, &is_name);
    const char *rest = prefix == SIZE_MAX ? item : item + prefix + 1, *equals = strchr(rest, '=');

    if (prefix == 0 || (prefix != SIZE_MAX && prefix >= FILTER_PATTERN_MAX) || rest[0] == '\0')
        return false;
    return form == FORM_COLUMNS ||
           (equals != NULL && equals != rest && equals[1] != '\0' && strchr(equals + 1, '=') == NULL);
}

static int check_form(const char *option, const struct cdc_option_list *list, enum form form, struct cdc_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        /* What is written into lines must be UTF-8, and what is not would match no name. */
        if (!cdc_utf8_valid(item, strlen(item)))
            return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not valid UTF-8", option, item);
        if (!has_form(item, form))
            return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not of the form %s", option, item,
                                 form == FORM_COLUMNS ? "[TABLE:]COLUMN,COLUMN" : "OLD=NEW");
    }
    return 0;
}

static int take_settings(struct cdc_filter *filter, const struct cdc_filter_settings *settings, struct cdc_error *error)
{
    filter->settings = *settings;
    for (size_t i = 0; i < settings->ops.count; i++)
        if (parse_ops(filter, settings->ops.items[i], error) != 0)
            return -1;
    if (check_form("--columns", &settings->keep_columns, FORM_COLUMNS, error) != 0 ||
        check_form("--drop-columns", &settings->drop_columns, FORM_COLUMNS, error) != 0 ||
        check_form("--rename", &settings->rename_tables, FORM_RENAME_TABLE, error) != 0)
        return -1;
    return check_form("--rename-column", &settings->rename_columns, FORM_RENAME_COLUMN, error);
}

struct cdc_filter *cdc_filter_new(const struct cdc_filter_settings *settings, struct cdc_error *error)
{
    struct cdc_filter *filter = calloc(1, sizeof *filter);

    if (filter == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    filter->plans.settings = &filter->settings;
    if (take_settings(filter, settings, error) == 0) {
        if (plans_init(&filter->plans) == 0)
            return filter;
        cdc_error_memory(error);
    }
    cdc_filter_free(filter);
    return NULL;
}

void cdc_filter_free(struct cdc_filter *filter)
{
    if (filter == NULL)
        return;
    plans_free(&filter->plans);
    for (size_t i = 0; i < filter->n_counts; i++) {
        free((char *)filter->counts[i].name.p);
        cdc_buf_free(&filter->counts[i].newest);
    }
    free(filter->counts);
    free(filter);
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
    cdc_json_iter_begin(&iter, event->key);
    while (cdc_json_next_member(&iter, &name, &value))
        if (cdc_json_raw_equal(name, raw))
            return true;
    return false;
}

static bool keeps(const struct plan *plan, const struct cdc_event *event, struct cdc_span raw)
{
    /* --drop-columns wins over --columns; the key wins over both. */
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

    /* null, as "before" of an insert. */
    if (cdc_json_type(row) != CDC_JSON_OBJECT) {
        cdc_buf_span(out, row);
        return;
    }
    cdc_buf_byte(out, '{');
    cdc_json_iter_begin(&iter, row);
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
    cdc_json_iter_begin(&iter, names);
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
    /* name is between the quotes: one byte less before it, one more after it, since append_column_name writes quotes
     * of its own. */
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
    cdc_json_iter_begin(&iter, event->columns);
    while (cdc_json_next_element(&iter, &column)) {
        struct cdc_span name = cdc_json_member_raw(column, "name");
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
    struct cdc_span raw = cdc_json_member_raw(column, "name");

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

    /* The source's own names differ. */
    if (plan->n_renames == 0)
        return 0;
    cdc_json_iter_begin(&iter, event->columns);
    while (result == 0 && cdc_json_next_element(&iter, &column)) {
        struct cdc_span mine = cdc_json_member_raw(column, "name");
        if (mine.p == NULL || !keeps(plan, event, mine))
            continue;
        struct cdc_span name = final_name(&one, plan, column);
        /* From the next column on: each pair is compared once. */
        inner = iter;
        while (result == 0 && cdc_json_next_element(&inner, &other)) {
            struct cdc_span raw = cdc_json_member_raw(other, "name");
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

static bool has_column(const struct cdc_event *event, struct cdc_span plain)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = cdc_json_member_raw(column, "name");
        if (raw.p != NULL && cdc_json_raw_is(raw, plain))
            return true;
    }
    return false;
}

/* Of a typo in --drop-columns, the column that must not leave would leave. */
static int check_unknown(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    for (size_t i = 0; event->columns.p != NULL && i < plan->wanted.n; i++) {
        struct cdc_span name = plan->wanted.names[i];
        if (has_column(event, name))
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%.*s\" has no column \"%.*s\"", (int)event->table.n,
                      event->table.p, (int)name.n, name.p);
        return cdc_error_hint(error, "correct the name, or use --allow-unknown if the column may be missing");
    }
    return 0;
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

/* All members of the line that this table's plan changes. A line without any is copied whole. */
static size_t collect_edits(struct edit *edits, const struct plan *plan, const struct cdc_event *event)
{
    size_t n = 0;

    if (plan->edits_rows) {
        add_edit(edits, &n, event->key, EDIT_ROW, NULL);
        add_edit(edits, &n, event->before, EDIT_ROW, NULL);
        add_edit(edits, &n, event->after, EDIT_ROW, NULL);
        add_edit(edits, &n, event->unchanged, EDIT_NAMES, NULL);
        add_edit(edits, &n, event->json_null, EDIT_NAMES, NULL);
        add_edit(edits, &n, event->json_null_old, EDIT_NAMES, NULL);
        add_edit(edits, &n, event->key_columns, EDIT_NAMES, NULL);
        add_edit(edits, &n, event->columns, EDIT_COLUMNS, NULL);
    }
    if (plan->new_table != NULL)
        add_edit(edits, &n, event->table, EDIT_TEXT, plan->new_table);
    if (plan->new_schema != NULL)
        add_edit(edits, &n, event->schema.p != NULL ? event->schema : event->db, EDIT_TEXT, plan->new_schema);
    return n;
}

static void append_edit(uint64_t passed, struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                        const struct edit *edit)
{
    switch (edit->kind) {
    case EDIT_ROW: append_row(out, plan, event, edit->at); break;
    case EDIT_NAMES: append_names(out, plan, event, edit->at); break;
    case EDIT_COLUMNS: append_columns(out, plan, event); break;
    case EDIT_EVENTS: cdc_buf_u64(out, passed); break;
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
static void append_line(uint64_t passed, struct cdc_buf *out, const struct plan *plan, const struct cdc_event *event,
                        const struct edit *edits, size_t n)
{
    const char *at = event->line.p, *end = event->line.p + event->line.n;

    if (!cdc_buf_room(out, event->line.n + 1))
        return;
    for (size_t i = 0; i < n; i++) {
        cdc_buf_append(out, at, (size_t)(edits[i].at.p - at));
        append_edit(passed, out, plan, event, &edits[i]);
        at = edits[i].at.p + edits[i].at.n;
    }
    cdc_buf_append(out, at, (size_t)(end - at));
    cdc_buf_byte(out, '\n');
}

/* A statement is in no table, but in a database: it passes with one that has selected tables, or may have. */
static bool is_of_no_selected_table(const struct cdc_filter *filter, const struct cdc_event *event)
{
    if ((event->op != CDC_OP_DDL && !cdc_event_is_of_database(event)) || event->db.n == 0)
        return false;
    char *db = cdc_json_text(event->db, NULL);
    bool selected = db == NULL || cdc_selection_has_some_of(&filter->settings.selection, db);
    free(db);
    return !selected;
}

/* A truncate line of a snapshot is a part of it: the table's rows come again, and those of the attempt before, of which some
 * are no more, must not stay beside them. So is the line after the rows of a table that is read again. They go with these
 * rows: to a sink that had the end and no row, every document would be one of before. */
static bool is_of_a_read(const struct cdc_event *event)
{
    struct cdc_span snapshot = cdc_json_string_raw(event->snapshot);

    return (event->op == CDC_OP_TRUNCATE && (cdc_span_is(event->read, "begin") || cdc_span_is(event->read, "live") ||
                                             (snapshot.n > 0 && !cdc_span_is(snapshot, "false")))) ||
           (event->op == CDC_OP_SCHEMA && cdc_span_is(event->read, "end"));
}

static bool passes(const struct cdc_filter *filter, const struct plan *plan, const struct cdc_event *event)
{
    enum cdc_op op = is_of_a_read(event) ? CDC_OP_READ : event->op;

    if (plan != NULL ? !plan->selected : is_of_no_selected_table(filter, event))
        return false;
    return op == CDC_OP_SCHEMA || !filter->ops_limited || filter->ops[op];
}

/* "events" must be what the sink gets to see, or it would take the transaction for incomplete: of a commit line with
 * "events":5, two of whose lines were dropped, "events":3 leaves. A commit whose lines all passed is copied byte for
 * byte. */
static void pass_commit(const struct cdc_filter *filter, struct count *count, const struct cdc_event *event,
                        struct cdc_buf *out)
{
    struct edit edits[1];
    size_t n = 0;

    if (count->dropped || filter->lost)
        add_edit(edits, &n, event->events, EDIT_EVENTS, NULL);
    append_line(count->passed, out, NULL, event, edits, n);
    if (event->op == CDC_OP_COMMIT) {
        count->passed = count->newest.len = 0;
        count->dropped = false;
    }
}

/* A change line that passes, or does not. One that does not come after the one before begins the transaction again: the source
 * has a new connection, and the lines of the old one are not to be counted twice. */
static void note_change(struct count *count, const struct cdc_event *event, bool passed)
{
    if (event->op == CDC_OP_SCHEMA) /* counted by nobody */
        return;
    if (count->newest.len > 0 && cdc_span_compare(event->pos, cdc_span(count->newest.data, count->newest.len)) <= 0) {
        count->passed = 0;
        count->dropped = false;
    }
    count->newest.len = 0;
    cdc_buf_span(&count->newest, event->pos);
    count->passed += passed;
    count->dropped |= !passed;
}

/* Its tables may have other names after us. */
static int pass_database(const struct cdc_filter *filter, struct count *count, const struct cdc_event *event,
                         struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t lines = 1;
    if (plans_append_database(&filter->plans, event, out, &lines, error) != 0)
        return -1;
    note_change(count, event, true);
    count->passed += lines - 1;
    count->dropped |= lines > 1; /* others than came: the commit line is to say how many */
    return out->failed || count->newest.failed ? cdc_error_memory(error) : 1;
}

static bool is_count_of(const struct cdc_filter *filter, size_t i, const struct cdc_event *event)
{
    return i < filter->n_counts && cdc_json_raw_equal(filter->counts[i].name, event->name);
}

/* That of the event's source; NULL without memory. */
static struct count *count_of(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_error *error)
{
    size_t i = filter->last_count;

    for (i = is_count_of(filter, i, event) ? i : 0; i < filter->n_counts && !is_count_of(filter, i, event);)
        i++;
    if (i == filter->n_counts) {
        struct count *counts = realloc(filter->counts, (i + 1) * sizeof *counts);
        if (counts != NULL)
            filter->counts = counts;
        char *name = counts != NULL ? cdc_span_copy(event->name.p != NULL ? event->name : cdc_span("", 0)) : NULL;
        if (name == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        counts[filter->n_counts++] = (struct count){.name = {name, event->name.n}};
    }
    filter->last_count = i;
    return &filter->counts[i];
}

int cdc_filter_event(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct edit edits[10] = {{{NULL, 0}, EDIT_ROW, NULL}};
    struct plan *plan = NULL;
    size_t n = 0;

    /* Of a newer source: what we do not know, we do not touch. */
    if (event->op == CDC_OP_UNKNOWN) {
        append_line(0, out, NULL, event, edits, 0);
        return out->failed ? cdc_error_memory(error) : 1;
    }
    struct count *count = count_of(filter, event, error);
    if (count == NULL)
        return -1;
    if (event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT) {
        pass_commit(filter, count, event, out);
        return out->failed ? cdc_error_memory(error) : 1;
    }
    if (event->table.p != NULL && (plan = plans_find(&filter->plans, event, error)) == NULL)
        return -1;
    if (!passes(filter, plan, event)) {
        note_change(count, event, false);
        return count->newest.failed ? cdc_error_memory(error) : 0;
    }
    if (cdc_event_is_of_database(event) && filter->settings.rename_tables.count > 0)
        return pass_database(filter, count, event, out, error);
    if (plan != NULL) {
        if (event->op == CDC_OP_SCHEMA &&
            ((!filter->settings.allow_unknown && check_unknown(plan, event, error) != 0) ||
             check_collisions(plan, event, error) != 0))
            return -1;
        n = collect_edits(edits, plan, event);
    }
    append_line(0, out, plan, event, edits, n);
    note_change(count, event, true);
    return out->failed || count->newest.failed ? cdc_error_memory(error) : 1;
}

void cdc_filter_skipped(struct cdc_filter *filter)
{
    filter->lost = true;
}

size_t cdc_filter_unmatched(const struct cdc_filter *filter, struct cdc_buf *out)
{
    static const char *const options[LISTS] = {
        "-t", "-T", "--columns", "--drop-columns", "--rename", "--rename-column"};
    size_t n = 0;

    for (int i = 0; filter->plans.n > 0 && i < LISTS; i++) {
        const struct cdc_option_list *list = plans_list(&filter->plans, (enum table_list)i);
        for (size_t k = 0; k < list->count; k++)
            if (!filter->plans.used[i][k])
                cdc_buf_printf(out, "%s%s '%s'", n++ == 0 ? "" : ", ", options[i], list->items[k]);
    }
    return n;
}
