/* SPDX-License-Identifier: MIT */
/* What the settings mean for one table. Patterns are matched once for each table and not for each line: a hundred
 * patterns cost a stream no more than one. New settings need a new process, so a plan never changes. */
#include <stdlib.h>

#include "libcdc/filter/internal.h"
#include <cdc/pattern.h>

/* The part of "[TABLE:]rest" after the table, when it applies to this table, else NULL. */
static const char *applies(const char *item, struct cdc_span schema, struct cdc_span table)
{
    char pattern[FILTER_PATTERN_MAX];
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    /* Without a table: for all of them. */
    if (n == SIZE_MAX)
        return item;
    memcpy(pattern, item, n); /* filter.c has looked at its length */
    pattern[n] = '\0';
    return cdc_pattern_matches_table(pattern, schema, table, false) ? item + n + 1 : NULL;
}

/* "people:ssn" says that people has such a column, "*:ssn" and "ssn" do not. */
static bool names_table(const char *item)
{
    bool is_name;

    (void)cdc_pattern_prefix(item, &is_name);
    return is_name;
}

static int add_name(struct name_list *list, struct cdc_span name)
{
    struct cdc_span *names = realloc(list->names, (list->n + 1) * sizeof *names);

    if (names == NULL)
        return -1;
    list->names = names;
    names[list->n] = name;
    return cdc_names_add(&list->index, name, list->n++);
}

static int add_names(struct name_list *list, const char *text)
{
    for (;;) {
        size_t n = strcspn(text, ",");
        if (add_name(list, cdc_span(text, n)) != 0)
            return -1;
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
    struct cdc_span from = cdc_span(text, (size_t)(equals - text));
    renames[plan->n_renames] = (struct rename){from, cdc_span_text(equals + 1)};
    return cdc_names_add(&plan->renamed, from, plan->n_renames++);
}

/* Is the table the left side of "schema.table=schema.table", the schema optional on both sides? Names, not patterns: two tables
 * renamed to one would become one at the destination. */
bool plans_item_renames(const char *text, struct cdc_span schema, struct cdc_span table)
{
    struct cdc_span from = cdc_span(text, (size_t)(strchr(text, '=') - text));
    const char *dot = memchr(from.p, '.', from.n);

    if (dot == NULL)
        return cdc_span_equal(from, table);
    return cdc_span_equal(cdc_span(from.p, (size_t)(dot - from.p)), schema) &&
           cdc_span_equal(cdc_span(dot + 1, from.n - (size_t)(dot + 1 - from.p)), table);
}

static int plan_table_rename(struct plan *plan, const char *text, struct cdc_span schema, struct cdc_span table)
{
    const char *to = strchr(text, '=') + 1, *to_dot = strchr(to, '.');

    if (!plans_item_renames(text, schema, table))
        return 0;
    /* Several renames of one table: the last one counts. */
    free(plan->new_schema);
    free(plan->new_table);
    plan->new_schema = to_dot != NULL ? cdc_span_copy(cdc_span(to, (size_t)(to_dot - to))) : NULL;
    plan->new_table = strdup(to_dot != NULL ? to_dot + 1 : to);
    return plan->new_table == NULL || (to_dot != NULL && plan->new_schema == NULL) ? -1 : 0;
}

static int add_lists(struct plan *plan, struct name_list *list, const struct cdc_option_list *items,
                     struct cdc_span schema, struct cdc_span table)
{
    for (size_t i = 0; i < items->count; i++) {
        const char *rest = applies(items->items[i], schema, table);
        if (rest != NULL &&
            (add_names(list, rest) != 0 || (names_table(items->items[i]) && add_names(&plan->wanted, rest) != 0)))
            return -1;
    }
    return 0;
}

/* After add_rename. */
static int want_renamed(struct plan *plan, const char *item)
{
    return names_table(item) ? add_name(&plan->wanted, plan->renames[plan->n_renames - 1].from) : 0;
}

/* -- which settings name any table ------------------------------------------------ */

const struct cdc_option_list *plans_list(const struct plans *plans, enum table_list which)
{
    const struct cdc_filter_settings *s = plans->settings;
    const struct cdc_option_list *const lists[LISTS] = {
        &s->selection.include, &s->selection.exclude, &s->keep_columns, &s->drop_columns,
        &s->rename_tables,     &s->rename_columns,    &s->routes};

    return lists[which];
}

static bool names_columns(enum table_list which)
{
    return which == LIST_COLUMNS || which == LIST_DROP || which == LIST_RENAME_COLUMN;
}

/* The next name of a list of them, or the old one of a rename; *text is "" after the last one. */
static struct cdc_span next_name(enum table_list which, const char **text)
{
    size_t n = strcspn(*text, which == LIST_RENAME_COLUMN ? "=" : ",");
    struct cdc_span name = cdc_span(*text, n);

    *text = which == LIST_RENAME_COLUMN || (*text)[n] == '\0' ? "" : *text + n + 1;
    return name;
}

static size_t count_names(enum table_list which, const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; n++)
        (void)next_name(which, &text);
    return n;
}

/* After TABLE. */
static const char *names_of(const char *item)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    return n == SIZE_MAX ? item : item + n + 1;
}

static int init_list(struct plans *plans, enum table_list which)
{
    const struct cdc_option_list *list = plans_list(plans, which);

    plans->used[which] = calloc(list->count + 1, sizeof(bool));
    if (!names_columns(which))
        return plans->used[which] != NULL ? 0 : -1;
    plans->described[which] = calloc(list->count + 1, sizeof(bool));
    plans->seen[which] = calloc(list->count + 1, sizeof(bool *));
    if (plans->used[which] == NULL || plans->described[which] == NULL || plans->seen[which] == NULL)
        return -1;
    for (size_t k = 0; k < list->count; k++)
        if ((plans->seen[which][k] = calloc(count_names(which, names_of(list->items[k])) + 1, sizeof(bool))) == NULL)
            return -1;
    return 0;
}

static void note_names(struct plans *plans, enum table_list which, size_t item, const char *names,
                       const struct cdc_names *came, const struct cdc_names *made)
{
    plans->described[which][item] = true;
    for (size_t n = 0; *names != '\0'; n++) {
        struct cdc_span name = next_name(which, &names);
        plans->seen[which][item][n] = plans->seen[which][item][n] || cdc_names_find_in_raw(came, name) != SIZE_MAX ||
                                      cdc_names_find_in_raw(made, name) != SIZE_MAX;
    }
}

int plans_note_columns(struct plans *plans, const struct plan *plan, const struct cdc_event *came,
                       const struct cdc_event *made)
{
    struct cdc_names of_came = {0}, of_made = {0};
    int result = columns_index(&of_came, came) != 0 || columns_index(&of_made, made) != 0 ? -1 : 0;

    for (int i = 0; result == 0 && came->columns.p != NULL && i < LISTS; i++) {
        const struct cdc_option_list *list = plans_list(plans, (enum table_list)i);
        for (size_t k = 0; names_columns((enum table_list)i) && k < list->count; k++) {
            const char *rest = applies(list->items[k], plan->names.plain_schema, plan->names.plain_table);
            if (rest != NULL)
                note_names(plans, (enum table_list)i, k, rest, &of_came, &of_made);
        }
    }
    cdc_names_free(&of_came);
    cdc_names_free(&of_made);
    return result;
}

bool plans_is_unmatched(const struct plans *plans, enum table_list which, size_t item)
{
    if (!plans->used[which][item])
        return true;
    if (!names_columns(which) || !plans->described[which][item])
        return false;
    size_t n = count_names(which, names_of(plans_list(plans, which)->items[item]));
    for (size_t i = 0; i < n; i++)
        if (!plans->seen[which][item][i])
            return true;
    return false;
}

static bool names(const struct cdc_filter_settings *s, enum table_list which, const char *item, const struct plan *plan)
{
    if (which == LIST_TABLE || which == LIST_EXCLUDE)
        return cdc_selection_matches(&s->selection, item, plan->names.plain_schema, plan->names.plain_table);
    if (which == LIST_RENAME)
        return plans_item_renames(item, plan->names.plain_schema, plan->names.plain_table);
    if (which == LIST_ROUTE)
        return plans_item_routes(item, plan->names.plain_schema, plan->names.plain_table);
    return applies(item, plan->names.plain_schema, plan->names.plain_table) != NULL;
}

static void mark_used(struct plans *plans, const struct plan *plan)
{
    for (int i = 0; i < LISTS; i++) {
        const struct cdc_option_list *list = plans_list(plans, (enum table_list)i);
        for (size_t k = 0; k < list->count; k++)
            plans->used[i][k] = plans->used[i][k] || names(plans->settings, (enum table_list)i, list->items[k], plan);
    }
}

/* schema and table: unescaped. */
static int fill_plan(const struct cdc_filter_settings *s, struct plan *plan, struct cdc_span schema,
                     struct cdc_span table)
{
    const char *rest;

    plan->selected = cdc_selection_has(&s->selection, schema, table);
    if (add_lists(plan, &plan->keep, &s->keep_columns, schema, table) != 0 ||
        add_lists(plan, &plan->drop, &s->drop_columns, schema, table) != 0)
        return -1;
    for (size_t i = 0; i < s->rename_columns.count; i++)
        if ((rest = applies(s->rename_columns.items[i], schema, table)) != NULL &&
            (add_rename(plan, rest) != 0 || want_renamed(plan, s->rename_columns.items[i]) != 0))
            return -1;
    for (size_t i = 0; i < s->rename_tables.count; i++)
        if (plan_table_rename(plan, s->rename_tables.items[i], schema, table) != 0)
            return -1;
    if (route_plan(s, plan) != 0)
        return -1;
    /* A table that no --columns names keeps all of its columns. */
    plan->keeps_some = plan->keep.n > 0;
    plan->edits_rows = plan->keeps_some || plan->drop.n > 0 || plan->n_renames > 0;
    plan->chosen = calloc(CDC_EVENT_ROWS, sizeof *plan->chosen);
    return plan->chosen != NULL ? 0 : -1;
}

static void name_list_free(struct name_list *list)
{
    free(list->names);
    cdc_names_free(&list->index);
}

static void release(struct line_table *names)
{
    struct plan *plan = (struct plan *)names;

    name_list_free(&plan->keep);
    name_list_free(&plan->drop);
    name_list_free(&plan->wanted);
    free(plan->renames);
    cdc_names_free(&plan->renamed);
    free(plan->new_schema);
    free(plan->new_table);
    route_free(plan->routed);
    free(plan->chosen);
}

/* -- two tables with one name ---------------------------------------------------- */

static struct cdc_span schema_after(const struct plan *plan)
{
    return plan->new_schema != NULL ? cdc_span_text(plan->new_schema) : plan->names.plain_schema;
}

static struct cdc_span table_after(const struct plan *plan)
{
    return plan->new_table != NULL ? cdc_span_text(plan->new_table) : plan->names.plain_table;
}

bool plans_are_one_table(const struct plan *a, const struct plan *b)
{
    return cdc_span_equal(a->names.plain_table, b->names.plain_table) &&
           cdc_span_equal(a->names.plain_schema, b->names.plain_schema);
}

bool plans_get_one_name(const struct plan *a, const struct plan *b)
{
    return cdc_span_equal(table_after(a), table_after(b)) && cdc_span_equal(schema_after(a), schema_after(b));
}

/* Two tables of one name are one to every sink: rows with the same key go over each other, a TRUNCATE of one empties both. */
static int check_name(const struct plans *plans, const struct plan *plan, struct cdc_error *error)
{
    /* The source's own names differ. */
    if ((plans->settings->rename_tables.count == 0 && plans->settings->routes.count == 0) || !plan->selected)
        return 0;
    for (size_t i = 0; i < plans->tables.capacity; i++) {
        const struct plan *other = plans_at(plans, i);
        if (other == NULL || !other->selected || (other->new_table == NULL && plan->new_table == NULL) ||
            plans_are_one_table(other, plan) || !plans_get_one_name(other, plan) ||
            (other->routed != NULL && plan->routed != NULL))
            continue;
        struct cdc_span name = table_after(plan), one = other->names.plain_table, two = plan->names.plain_table;
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s gives tables \"%.*s\" and \"%.*s\" one name, \"%.*s\"",
                      plan->routed != NULL || other->routed != NULL ? "--route" : "--rename", (int)one.n, one.p,
                      (int)two.n, two.p, (int)name.n, name.p);
        return cdc_error_hint(error, "give them two names, leave one of them out with -T, or name both with --route, "
                                     "which brings several tables into one");
    }
    return 0;
}

/* -- finding --------------------------------------------------------------------- */

static int fill(void *context, struct line_table *names, struct cdc_error *error)
{
    struct plans *plans = context;
    struct plan *plan = (struct plan *)names;

    if (fill_plan(plans->settings, plan, names->plain_schema, names->plain_table) != 0)
        return cdc_error_memory(error);
    if (check_name(plans, plan, error) != 0)
        return -1;
    mark_used(plans, plan);
    return 0;
}

int plans_init(struct plans *plans, const struct cdc_filter_settings *settings)
{
    plans->settings = settings;
    plans->tables =
        (struct line_tables){.size = sizeof(struct plan), .release = release, .fill = fill, .context = plans};
    for (int i = 0; i < LISTS; i++)
        if (init_list(plans, (enum table_list)i) != 0)
            return -1;
    return 0;
}

struct plan *plans_find(struct plans *plans, const struct cdc_event *event, struct cdc_error *error)
{
    return line_table_of(&plans->tables, event, NULL, error);
}

void plans_free(struct plans *plans)
{
    line_tables_free(&plans->tables);
    for (int i = 0; i < LISTS; i++) {
        for (size_t k = 0; plans->seen[i] != NULL && k < plans_list(plans, (enum table_list)i)->count; k++)
            free(plans->seen[i][k]);
        free(plans->used[i]);
        free(plans->described[i]);
        free(plans->seen[i]);
    }
}
