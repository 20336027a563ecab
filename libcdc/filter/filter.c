/* SPDX-License-Identifier: MIT */
/* The middle stage: one event goes through what the settings ask for, in this order, as through a chain of filters that do one
 * thing each:
 *
 *   choose    tables and operations                                (plan.c)
 *   steps     of the settings, each sees what the one before left  (filter.h)
 *   columns   --columns, --drop-columns and the renames            (edits.c, columns.c)
 *   format    of the settings; where there is none the line        (filter.h)
 *
 * All but the format know tables and columns by the names of the source. A line that nothing changes is copied byte for byte. */
#include <stdlib.h>

#include "libcdc/filter/internal.h"
#include <cdc/pattern.h>

/* Bytes of the buffers that are kept from line to line. */
#define KEPT ((size_t)1 << 20)

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
            cdc_error_hint(error, "use a list of r, c, u, d, t, m, ddl");
            return cdc_error_item(error, list, (size_t)(p - list));
        }
        filter->ops[known[i].op] = true;
        p += n;
        if (*p == '\0')
            return 0;
    }
}

enum form { FORM_COLUMNS, FORM_RENAME_COLUMN, FORM_RENAME_TABLE, FORM_ROUTE };

static bool has_form(const char *item, enum form form)
{
    bool is_name;
    bool of_tables = form == FORM_RENAME_TABLE || form == FORM_ROUTE;
    size_t prefix = of_tables ? SIZE_MAX : cdc_pattern_prefix(item, &is_name);
    const char *rest = prefix == SIZE_MAX ? item : item + prefix + 1, *equals = strchr(rest, '=');

    if (prefix == 0 || (prefix != SIZE_MAX && prefix >= FILTER_PATTERN_MAX) || rest[0] == '\0')
        return false;
    if (form == FORM_ROUTE && equals != NULL && (size_t)(equals - item) >= FILTER_PATTERN_MAX)
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
            cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not valid UTF-8", option, item);
        else if (!has_form(item, form))
            cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not of the form %s", option, item,
                          form == FORM_COLUMNS ? "[TABLE:]COLUMN,COLUMN"
                          : form == FORM_ROUTE ? "PATTERN=[SCHEMA.]NAME"
                                               : "OLD=NEW");
        else
            continue;
        return cdc_error_item(error, item, 0);
    }
    return 0;
}

static int check_route_column(const struct cdc_filter_settings *settings, struct cdc_error *error)
{
    const char *column = settings->route_column;

    if (settings->routes.count == 0 && (column != NULL || settings->route_unique))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--route-column and --route-unique go with --route");
    if (column == NULL)
        return 0;
    if (settings->route_unique)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--route-unique adds no column that --route-column could name");
    return column[0] != '\0' && cdc_utf8_valid(column, strlen(column))
               ? 0
               : cdc_error_set(error, CDC_EXIT_USAGE, "--route-column: \"%s\" is no name in UTF-8", column);
}

static int take_settings(struct cdc_filter *filter, const struct cdc_filter_settings *settings, struct cdc_error *error)
{
    filter->settings = *settings;
    for (size_t i = 0; i < settings->ops.count; i++)
        if (parse_ops(filter, settings->ops.items[i], error) != 0)
            return -1;
    if (check_form("--columns", &settings->keep_columns, FORM_COLUMNS, error) != 0 ||
        check_form("--drop-columns", &settings->drop_columns, FORM_COLUMNS, error) != 0 ||
        check_form("--rename", &settings->rename_tables, FORM_RENAME_TABLE, error) != 0 ||
        check_form("--route", &settings->routes, FORM_ROUTE, error) != 0 || check_route_column(settings, error) != 0)
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
    if (take_settings(filter, settings, error) == 0) {
        filter->steps = calloc(settings->n_steps + 1, sizeof *filter->steps);
        if (filter->steps != NULL && plans_init(&filter->plans, &filter->settings) == 0)
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
    counts_free(&filter->counts);
    for (size_t i = 0; filter->steps != NULL && i < filter->settings.n_steps; i++)
        cdc_buf_free(&filter->steps[i]);
    free(filter->steps);
    cdc_buf_free(&filter->line);
    free(filter);
}

/* -- choose -------------------------------------------------------------------------- */

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
static bool passes(const struct cdc_filter *filter, const struct plan *plan, const struct cdc_event *event)
{
    enum cdc_op op = cdc_event_is_of_read(event) || cdc_event_ends_read(event) ? CDC_OP_READ : event->op;

    if (plan != NULL ? !plan->selected : is_of_no_selected_table(filter, event))
        return false;
    return op == CDC_OP_SCHEMA || !filter->ops_limited || filter->ops[op];
}

/* An unusually long line's memory is not kept. */
static void empty(struct cdc_buf *buf)
{
    buf->len = 0;
    cdc_buf_shrink(buf, KEPT);
}

/* -- format -------------------------------------------------------------------------- */

/* Whoever reads a truncate in another form empties the table. */
static int check_part(const struct cdc_filter_format *format, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->op != CDC_OP_TRUNCATE || cdc_json_is_null(event->part) || format->lacks_truncates)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "rows of one of the tables that are \"%.*s\" are to go, and --to has no line that leaves the others",
                  (int)event->table.n, event->table.p);
    return cdc_error_hint(error, "leave such lines out with --op, where the rows may stay, or write the table without "
                                 "--route");
}

static int format_lines(struct cdc_filter *filter, const struct cdc_buf *lines, struct cdc_buf *out,
                        struct cdc_error *error)
{
    const struct cdc_filter_format *format = filter->settings.format;
    const char *end = lines->data + lines->len;
    int n = 0;

    for (const char *line = lines->data, *lf; line < end; line = lf + 1) {
        struct cdc_event event;
        lf = memchr(line, '\n', (size_t)(end - line));
        if (cdc_event_parse(&event, line, (size_t)(lf - line), error) != 0 || check_part(format, &event, error) != 0)
            return -1;
        int got = format->event(format->state, &event, out, error);
        if (got < 0)
            return -1;
        n += got;
    }
    return n;
}

/* Where whole lines are appended to, before end_lines. */
static struct cdc_buf *begin_lines(struct cdc_filter *filter, struct cdc_buf *out)
{
    if (filter->settings.format == NULL)
        return out;
    empty(&filter->line);
    return &filter->line;
}

/* How many lines are in out now. */
static int end_lines(struct cdc_filter *filter, struct cdc_buf *out, int lines, struct cdc_error *error)
{
    if (out->failed || filter->line.failed)
        return cdc_error_memory(error);
    return filter->settings.format == NULL ? lines : format_lines(filter, &filter->line, out, error);
}

/* -- lines --------------------------------------------------------------------------- */

static bool is_private(const struct cdc_filter *filter)
{
    for (size_t i = 0; i < filter->settings.n_steps; i++)
        if (filter->settings.steps[i].refuses_unknown)
            return true;
    return false;
}

/* Of a newer source: what we do not know, we do not touch. */
static int pass_unknown(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                        struct cdc_error *error)
{
    if (is_private(filter))
        return cdc_error_set(error, CDC_EXIT_DATA, "the line has an op that is not known, and may hold anything");
    struct cdc_buf *lines = begin_lines(filter, out);
    cdc_buf_span(lines, event->line);
    cdc_buf_byte(lines, '\n');
    return end_lines(filter, out, 1, error);
}

static int pass_commit(struct cdc_filter *filter, struct line_count *count, const struct cdc_event *event,
                       struct cdc_buf *out, struct cdc_error *error)
{
    bool has_row = event->key.p != NULL || event->before.p != NULL || event->after.p != NULL;
    if (has_row && is_private(filter)) /* no step takes it */
        return cdc_error_set(error, CDC_EXIT_DATA, "the line is of no row, and has one");
    struct cdc_buf *lines = begin_lines(filter, out);
    counts_append_commit(&filter->counts, count, event, lines);
    cdc_buf_byte(lines, '\n');
    return end_lines(filter, out, 1, error);
}

/* Once it is sure that they leave: a line that the format refuses may be passed over. left: how many lines that made. */
static int note(struct line_count *count, const struct cdc_event *event, uint64_t lines, int left,
                struct cdc_error *error)
{
    counts_note(count, event, lines);
    return count->newest.failed ? cdc_error_memory(error) : left;
}

/* Its tables may have other names after us. */
static int pass_database(struct cdc_filter *filter, struct line_count *count, const struct cdc_event *event,
                         struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf *lines = begin_lines(filter, out);
    uint64_t n = 1;
    if (plans_append_database(&filter->plans, event, lines, &n, error) != 0)
        return -1;
    int left = end_lines(filter, out, (int)n, error);
    return left < 0 ? -1 : note(count, event, n, left, error);
}

/* It has passed the choice and the steps. */
static int pass_event(struct cdc_filter *filter, struct plan *plan, struct line_count *count,
                      const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct edit edits[EDITS_MAX];
    size_t n = 0;

    if (plan != NULL) {
        if (event->op == CDC_OP_SCHEMA &&
            ((!filter->settings.allow_unknown && columns_check_unknown(plan, event, error) != 0) ||
             columns_check_names(plan, event, error) != 0))
            return -1;
        if (plan->routed != NULL &&
            (route_check(plan, event, error) != 0 ||
             (event->op == CDC_OP_SCHEMA && route_take_schema(&filter->plans, plan, event, error) != 0)))
            return -1;
        n = edits_collect(edits, plan, event);
    }
    struct cdc_buf *lines = begin_lines(filter, out);
    edits_append(lines, plan, event, edits, n);
    cdc_buf_byte(lines, '\n');
    int left = end_lines(filter, out, 1, error);
    return left < 0 ? -1 : note(count, event, 1, left, error);
}

static int pass(struct cdc_filter *filter, struct plan *plan, struct line_count *count, const struct cdc_event *event,
                struct cdc_buf *out, struct cdc_error *error)
{
    bool of_other = plan != NULL && plan != filter->came_plan;

    if (event->op == CDC_OP_SCHEMA &&
        ((filter->came_plan != NULL &&
          plans_note_columns(&filter->plans, filter->came_plan, filter->came, event) != 0) ||
         (of_other && plans_note_columns(&filter->plans, plan, event, event) != 0)))
        return cdc_error_memory(error);
    if (cdc_event_is_of_database(event) &&
        (filter->settings.rename_tables.count > 0 || filter->settings.routes.count > 0))
        return pass_database(filter, count, event, out, error);
    return pass_event(filter, plan, count, event, out, error);
}

/* The steps may have made it one of another table. */
static int pass_made(struct cdc_filter *filter, struct line_count *count, const struct cdc_event *event,
                     struct cdc_buf *out, struct cdc_error *error)
{
    struct plan *plan = NULL;

    if (event->table.p != NULL && (plan = plans_find(&filter->plans, event, error)) == NULL)
        return -1;
    return pass(filter, plan, count, event, out, error);
}

int filter_pass_described(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                          struct cdc_error *error)
{
    const struct cdc_filter_format *format = filter->settings.format;
    struct line_count *count = counts_of(&filter->counts, event, error);

    if (count == NULL)
        return -1;
    filter->came = event;
    filter->came_plan = NULL;
    filter->settings.format = NULL;
    int lines = pass_made(filter, count, event, out, error);
    filter->settings.format = format;
    return lines;
}

/* What the line is after all steps before the one of that number goes on through the others. Returns how many lines left, -1. */
static int take_steps(struct cdc_filter *filter, size_t number, struct line_count *count, const struct cdc_event *event,
                      struct cdc_buf *out, struct cdc_error *error);

static int take_lines(struct cdc_filter *filter, size_t number, struct line_count *count, const struct cdc_buf *lines,
                      struct cdc_buf *out, struct cdc_error *error)
{
    const char *end = lines->data + lines->len;
    int n = 0;

    if (lines->failed)
        return cdc_error_memory(error);
    for (const char *line = lines->data, *lf; line < end; line = lf + 1) {
        struct cdc_event event;
        lf = memchr(line, '\n', (size_t)(end - line));
        lf = lf != NULL ? lf : end;
        int got = cdc_event_parse(&event, line, (size_t)(lf - line), error) == 0
                      ? take_steps(filter, number, count, &event, out, error)
                      : -1;
        if (got < 0)
            return -1;
        n += got;
    }
    return n;
}

static int take_steps(struct cdc_filter *filter, size_t number, struct line_count *count, const struct cdc_event *event,
                      struct cdc_buf *out, struct cdc_error *error)
{
    if (number == filter->settings.n_steps)
        return pass_made(filter, count, event, out, error);
    const struct cdc_filter_step *step = &filter->settings.steps[number];
    struct cdc_buf *lines = &filter->steps[number];

    empty(lines);
    switch (step->event(step->state, event, lines, error)) {
    case CDC_STEP_DROPPED: return note(count, event, 0, 0, error);
    case CDC_STEP_KEPT: return take_steps(filter, number + 1, count, event, out, error);
    case CDC_STEP_CHANGED: return take_lines(filter, number + 1, count, lines, out, error);
    default: return -1;
    }
}

static bool edits(const struct cdc_filter *filter, const struct plan *plan)
{
    return filter->settings.n_steps > 0 || (plan != NULL && (plan->edits_rows || plan->routed != NULL));
}

/* Of two rows of a line the last one counts, and what is edited is that one: the other would leave as it came. */
static int pass_once(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct cdc_buf line = CDC_BUF_INIT;
    struct cdc_event once;
    int result = -1;

    cdc_event_append_once(&line, event);
    if (line.failed)
        cdc_error_memory(error);
    else if (cdc_event_parse(&once, line.data, line.len, error) == 0)
        result = cdc_filter_event(filter, &once, out, error);
    cdc_buf_free(&line);
    return result;
}

int cdc_filter_event(struct cdc_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct plan *plan = NULL;

    if (event->op == CDC_OP_UNKNOWN)
        return pass_unknown(filter, event, out, error);
    struct line_count *count = counts_of(&filter->counts, event, error);
    if (count == NULL)
        return -1;
    if (event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT)
        return pass_commit(filter, count, event, out, error);
    if (event->table.p != NULL && (plan = plans_find(&filter->plans, event, error)) == NULL)
        return -1;
    if (!passes(filter, plan, event))
        return note(count, event, 0, 0, error);
    if (event->repeats && edits(filter, plan))
        return pass_once(filter, event, out, error);
    filter->came = event;
    filter->came_plan = plan;
    return filter->settings.n_steps == 0 ? pass(filter, plan, count, event, out, error)
                                         : take_steps(filter, 0, count, event, out, error);
}

void cdc_filter_skipped(struct cdc_filter *filter)
{
    filter->counts.lost = true;
}

size_t cdc_filter_unmatched(const struct cdc_filter *filter, struct cdc_buf *out)
{
    static const char *const options[LISTS] = {
        "-t", "-T", "--columns", "--drop-columns", "--rename", "--rename-column", "--route"};
    size_t n = 0;

    for (int i = 0; filter->plans.tables.n > 0 && i < LISTS; i++) {
        const struct cdc_option_list *list = plans_list(&filter->plans, (enum table_list)i);
        for (size_t k = 0; k < list->count; k++)
            if (plans_is_unmatched(&filter->plans, (enum table_list)i, k))
                cdc_buf_printf(out, "%s%s '%s'", n++ == 0 ? "" : ", ", options[i], list->items[k]);
    }
    for (size_t i = 0; filter->plans.tables.n > 0 && i < filter->settings.n_steps; i++) {
        const struct cdc_filter_step *step = &filter->settings.steps[i];
        n += step->unmatched != NULL ? step->unmatched(step->state, n > 0, out) : 0;
    }
    return n;
}
