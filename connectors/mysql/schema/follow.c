/* SPDX-License-Identifier: MIT */
#include "connectors/mysql/schema/follow.h"
#include "connectors/mysql/event/column_edits.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/schema/columns.h"

#include <cdc/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- lists of columns -- */

struct column {
    char *name;
    struct cdc_span rest; /* what stands after the name, BORROWED: ,"int",null,2]    NULL: not known */
    char *said;           /* the same by a statement's text alone: ,"int",null,2,"said"] */
    size_t origin;        /* its place in the list that was read; SIZE_MAX: it came since */
};
static const char said_mark[] = ",\"said\"]";
struct list {
    struct column *items;
    size_t n;
};

static void column_free(struct column *column)
{
    free(column->name);
    free(column->said);
}

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->n; i++)
        column_free(&list->items[i]);
    free(list->items);
    *list = (struct list){0};
}

/* TAKES what the column owns; one without a name is one that there was no memory for. 0 or -1 */
static int insert(struct list *list, size_t at, struct column column, struct cdc_error *error)
{
    struct column *items = column.name ? realloc(list->items, (list->n + 1) * sizeof *items) : NULL;
    if (!items) {
        column_free(&column);
        return cdc_error_memory(error);
    }
    list->items = items;
    memmove(items + at + 1, items + at, (list->n - at) * sizeof *items);
    items[at] = column;
    list->n++;
    return 0;
}

/* What a statement's text says of a column; NULL: nothing that is enough, or no memory. */
static char *said_of(const struct my_column_edit *edit)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (!edit->type)
        return NULL;
    cdc_buf_printf(&text, ",\"%s\",null,%u%s", edit->type, edit->nullable ? MY_COLUMNS_NULLABLE : 0, said_mark);
    char *said = text.failed ? NULL : cdc_span_copy(cdc_span(text.data, text.len));
    cdc_buf_free(&text);
    return said;
}

static void take_out(struct list *list, size_t at)
{
    list->n--;
    memmove(list->items + at, list->items + at + 1, (list->n - at) * sizeof *list->items);
}

/* 1; 0: it is no such list; -1 */
static int read_list(struct cdc_span text, struct list *list, struct cdc_error *error)
{
    struct cdc_json_iter columns, parts;
    struct cdc_span column, name;
    if (cdc_json_type(text) != CDC_JSON_ARRAY)
        return 0;
    cdc_json_iter_begin(&columns, text);
    while (cdc_json_next_element(&columns, &column)) {
        if (cdc_json_type(column) != CDC_JSON_ARRAY)
            return 0;
        cdc_json_iter_begin(&parts, column);
        if (!cdc_json_next_element(&parts, &name) || cdc_json_type(name) != CDC_JSON_STRING)
            return 0;
        struct cdc_span rest = {name.p + name.n, (size_t)(column.p + column.n - (name.p + name.n))};
        struct column taken = {.name = cdc_json_text(cdc_json_string_raw(name), NULL), .origin = list->n};
        size_t mark = sizeof said_mark - 1;
        if (rest.n > mark && memcmp(rest.p + rest.n - mark, said_mark, mark) == 0)
            taken.said = cdc_span_copy(rest);
        else if (rest.n > 1)
            taken.rest = rest;
        if (insert(list, list->n, taken, error) < 0)
            return -1;
    }
    return 1;
}

static void append_column(struct cdc_buf *out, const struct column *column)
{
    cdc_buf_text(out, out->len ? ",[" : "[[");
    cdc_json_append_text(out, column->name, strlen(column->name));
    if (column->rest.p)
        cdc_buf_span(out, column->rest);
    else
        cdc_buf_text(out, column->said ? column->said : "]");
}

/* The name's letters may differ in case, as in the statement; SIZE_MAX: there is none. */
static size_t find(const struct list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcasecmp(list->items[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* ,"int",null,6] */
static bool is_of_key(const struct column *column)
{
    size_t i = column->rest.n;
    while (i > 0 && column->rest.p[i - 1] != ',')
        i--;
    return column->rest.p && (strtoul(column->rest.p + i, NULL, 10) & MY_COLUMNS_KEY) != 0;
}

/* -- edits: each 1; 0: it cannot be followed; -1 -- */

/* Where a column with that place comes; SIZE_MAX: that cannot be told. */
static size_t place_of(const struct list *list, const struct my_column_edit *edit, size_t otherwise)
{
    if (edit->first)
        return 0;
    if (!edit->after)
        return otherwise;
    size_t at = find(list, edit->after);
    return at == SIZE_MAX ? SIZE_MAX : at + 1;
}

static bool is_placed(const struct my_column_edit *edit)
{
    return edit->first || edit->after;
}

static int move(struct list *list, size_t at, const struct my_column_edit *edit, struct cdc_error *error)
{
    struct column moved = list->items[at];
    take_out(list, at);
    at = place_of(list, edit, SIZE_MAX);
    if (at != SIZE_MAX)
        return insert(list, at, moved, error) < 0 ? -1 : 1;
    column_free(&moved);
    return 0;
}

/* By the names of before, of which `old` has them all; what it becomes goes into list. */
static int change(struct list *list, const struct list *old, const struct my_column_edit *edit, struct cdc_error *error)
{
    size_t was = find(old, edit->name), at = 0;
    if (was == SIZE_MAX)
        return edit->conditional;
    while (at < list->n && list->items[at].origin != was)
        at++;
    if (at == list->n || (edit->defined && is_of_key(&list->items[at])))
        return 0;
    char *name = strdup(edit->new_name);
    if (!name)
        return cdc_error_memory(error);
    struct column *column = &list->items[at];
    free(column->name);
    column->name = name;
    if (!edit->defined)
        return 1;
    /* Not the one of before any more: what it is by now is not what it was. */
    free(column->said);
    *column = (struct column){.name = name, .said = said_of(edit), .origin = SIZE_MAX};
    return is_placed(edit) ? move(list, at, edit, error) : 1;
}

static int drop(struct list *list, const struct list *old, const struct my_column_edit *edit)
{
    size_t was = find(old, edit->name);
    if (was == SIZE_MAX)
        return edit->conditional;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].origin == was) {
            if (is_of_key(&list->items[i]))
                return 0;
            column_free(&list->items[i]);
            take_out(list, i);
            return 1;
        }
    return 0;
}

static int add(struct list *list, const struct my_column_edit *edit, struct cdc_error *error)
{
    if (find(list, edit->name) != SIZE_MAX)
        return edit->conditional;
    size_t at = place_of(list, edit, list->n);
    if (at == SIZE_MAX)
        return 0;
    const struct column column = {.name = strdup(edit->name), .said = said_of(edit), .origin = SIZE_MAX};
    return insert(list, at, column, error) < 0 ? -1 : 1;
}

/* Servers differ in where a column comes that is moved beside others that are changed, and in what AFTER means by a name that the statement
 * gives or takes away. */
static bool is_certain(const struct my_column_edits *edits)
{
    for (size_t i = 0; i < edits->n; i++) {
        const struct my_column_edit *edit = &edits->items[i];
        if (edit->kind == MY_COLUMN_CHANGE && is_placed(edit) && edits->n > 1)
            return false;
        for (size_t k = 0; k < edits->n; k++) {
            const struct my_column_edit *other = &edits->items[k];
            if (k == i)
                continue;
            if (edit->after && (strcasecmp(edit->after, other->name) == 0 ||
                                (other->new_name && strcasecmp(edit->after, other->new_name) == 0)))
                return false;
            if (edit->conditional && (strcasecmp(edit->name, other->name) == 0 ||
                                      (other->new_name && strcasecmp(edit->name, other->new_name) == 0)))
                return false;
        }
    }
    return true;
}

static bool has_double(const struct list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (find(list, list->items[i].name) != i)
            return true;
    return false;
}

/* A list like it, with what is where in it as origins. */
static int copy_list(const struct list *from, struct list *to, struct cdc_error *error)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct column *column = &from->items[i];
        struct column copy = {.name = strdup(column->name), .rest = column->rest, .origin = i};
        copy.said = column->said ? strdup(column->said) : NULL;
        if (insert(to, i, copy, error) < 0)
            return -1;
    }
    return 0;
}

static int edit_list(struct list *list, const struct list *old, const struct my_column_edits *edits,
                     struct cdc_error *error)
{
    int result = is_certain(edits);
    for (size_t i = 0; result > 0 && i < edits->n; i++)
        if (edits->items[i].kind != MY_COLUMN_ADD)
            result = edits->items[i].kind == MY_COLUMN_DROP ? drop(list, old, &edits->items[i])
                                                            : change(list, old, &edits->items[i], error);
    for (size_t i = 0; result > 0 && i < edits->n; i++)
        if (edits->items[i].kind == MY_COLUMN_ADD)
            result = add(list, &edits->items[i], error);
    return result > 0 ? !has_double(list) : result;
}

/* The list after the statement. */
static int alter_list(struct list *list, const struct my_column_edits *edits, struct cdc_error *error)
{
    struct list altered = {0};
    int result = copy_list(list, &altered, error) < 0 ? -1 : edit_list(&altered, list, edits, error);
    if (result > 0) {
        for (size_t i = 0; i < altered.n; i++)
            if (altered.items[i].origin != SIZE_MAX)
                altered.items[i].origin = list->items[altered.items[i].origin].origin;
        struct list before = *list;
        *list = altered;
        altered = before;
    }
    list_free(&altered);
    return result;
}

/* 1: it is of this table; 0: of another one; -2: that cannot be told. Names may differ in case, which says nothing at some servers. */
static int is_of(const struct my_column_edits *edits, const struct my_follow_table *table, struct cdc_span db)
{
    struct cdc_span said = edits->db ? cdc_span_text(edits->db) : db;
    if (strcasecmp(edits->table, table->name) != 0)
        return 0;
    if (!said.p || strcmp(edits->table, table->name) != 0)
        return -2;
    if (cdc_span_is(said, table->db))
        return 1;
    return said.n == strlen(table->db) && strncasecmp(said.p, table->db, said.n) == 0 ? -2 : 0;
}

static int follow(struct list *list, const struct my_follow_table *table, struct cdc_span sql, struct cdc_span db,
                  struct cdc_error *error)
{
    struct my_column_edits edits;
    int result = my_column_edits_read(&edits, sql, error);
    if (result > 0) {
        int ours = is_of(&edits, table, db);
        result = ours == 1 ? alter_list(list, &edits, error) : ours == 0;
    }
    my_column_edits_free(&edits);
    return result;
}

/* -- the interface -- */

int my_follow_statement(struct cdc_span before, const struct my_follow_table *table, struct cdc_span sql,
                        struct cdc_span db, struct cdc_buf *after, struct cdc_error *error)
{
    struct list list = {0};
    int result = read_list(before, &list, error);
    if (result > 0)
        result = follow(&list, table, sql, db, error);
    for (size_t i = 0; result > 0 && i < list.n; i++)
        append_column(after, &list.items[i]);
    my_columns_end(after);
    list_free(&list);
    return after->failed ? cdc_error_memory(error) : result;
}

/* The end of the list by the statements is the server's; columns that are not known in derived are what they are there. */
static int complete(struct list *derived, const struct list *end, const struct list *now)
{
    if (end->n != now->n)
        return 0;
    for (size_t i = 0; i < end->n; i++) {
        const struct column *column = &end->items[i], *is = &now->items[i];
        if (strcmp(column->name, is->name) != 0 || !is->rest.p ||
            (column->rest.p && !cdc_span_equal(column->rest, is->rest)))
            return 0;
        if (column->origin != SIZE_MAX && !derived->items[column->origin].rest.p && !column->rest.p)
            derived->items[column->origin].rest = is->rest;
    }
    return 1;
}

/* One that a later statement defines anew has another definition by now: it is of no use for the one of then. */
static int follow_all(struct list *list, const struct my_follow_table *table, const struct my_ddl_list *later,
                      const struct my_coord *coord, struct cdc_error *error)
{
    int result = 1;
    for (size_t i = 0; result > 0 && i < later->n; i++) {
        const struct my_ddl *ddl = &later->items[i];
        struct cdc_span sql = cdc_span(ddl->sql, ddl->n);
        if (!ddl->keeps_columns && my_coord_compare(&ddl->coord, coord) > 0 &&
            my_statement_names(sql, cdc_span_text(table->name)))
            result = follow(list, table, sql, ddl->db ? cdc_span_text(ddl->db) : cdc_span(NULL, 0), error);
    }
    return result;
}

int my_follow_complete(struct cdc_span derived, const struct my_follow_table *table, const struct my_ddl_list *later,
                       const struct my_coord *coord, struct cdc_span now, struct cdc_buf *columns,
                       struct cdc_error *error)
{
    struct list then = {0}, end = {0}, is = {0};
    int result = read_list(derived, &then, error);
    if (result > 0)
        result = copy_list(&then, &end, error) < 0 ? -1 : follow_all(&end, table, later, coord, error);
    if (result > 0)
        result = read_list(now, &is, error);
    if (result > 0)
        result = complete(&then, &end, &is);
    for (size_t i = 0; result > 0 && i < then.n; i++) {
        result = then.items[i].rest.p || then.items[i].said;
        append_column(columns, &then.items[i]);
    }
    my_columns_end(columns);
    list_free(&then);
    list_free(&end);
    list_free(&is);
    return columns->failed ? cdc_error_memory(error) : result;
}
