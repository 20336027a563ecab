/* SPDX-License-Identifier: MIT */
/* The form of each table that is read, as it was seen last. */
#include "connectors/postgres/schema/shapes.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/pgoutput/visible.h"

#include <cdc/json.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* -- the list -- */

static void shape_free(struct pg_shape *shape)
{
    free(shape->schema);
    free(shape->name);
    free(shape->is);
    free(shape->was);
    free(shape->gone);
}

void pg_shapes_clear(struct pg_shapes *shapes)
{
    for (size_t i = 0; i < shapes->n; i++)
        shape_free(&shapes->items[i]);
    free(shapes->items);
    free(shapes->publication);
    free(shapes->xids);
    free(shapes->began);
    *shapes = (struct pg_shapes){.items = NULL};
}

static int compare(const struct pg_shape *shape, const char *schema, const char *name)
{
    int order = strcmp(shape->schema, schema);
    return order ? order : strcmp(shape->name, name);
}

/* Its place, or where it would be. */
static size_t place_of(const struct pg_shapes *shapes, const char *schema, const char *name, bool *there)
{
    size_t low = 0, high = shapes->n;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&shapes->items[middle], schema, name);
        *there |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pg_shape *pg_shapes_find(const struct pg_shapes *shapes, const char *schema, const char *name)
{
    bool there;
    size_t place = place_of(shapes, schema, name, &there);
    return there ? &shapes->items[place] : NULL;
}

struct pg_shape *pg_shapes_ensure(struct pg_shapes *shapes, const char *schema, const char *name,
                                  struct cdc_error *error)
{
    bool there;
    size_t place = place_of(shapes, schema, name, &there);
    if (there)
        return &shapes->items[place];
    if (shapes->n == shapes->capacity) {
        size_t capacity = shapes->capacity ? shapes->capacity * 2 : 16;
        struct pg_shape *items = realloc(shapes->items, capacity * sizeof *items);
        if (!items) {
            cdc_error_memory(error);
            return NULL;
        }
        shapes->items = items;
        shapes->capacity = capacity;
    }
    struct pg_shape shape = {.schema = strdup(schema), .name = strdup(name)};
    if (!shape.schema || !shape.name) {
        shape_free(&shape);
        cdc_error_memory(error);
        return NULL;
    }
    memmove(&shapes->items[place + 1], &shapes->items[place], (shapes->n++ - place) * sizeof shape);
    shapes->items[place] = shape;
    return &shapes->items[place];
}

int pg_shapes_set(struct pg_shape *shape, struct cdc_span is, int64_t columns, uint64_t at, bool own,
                  struct cdc_error *error)
{
    int64_t oid = 0;
    char *copy = is.p ? cdc_span_copy(is) : NULL;
    if (is.p && !copy)
        return cdc_error_memory(error);
    free(shape->is);
    free(shape->was);
    free(shape->gone);
    shape->is = copy;
    shape->was = shape->gone = NULL;
    shape->columns = columns;
    shape->oid = is.p && cdc_json_int64(cdc_json_member(is, "oid"), &oid) ? (uint32_t)oid : 0;
    shape->parted = is.p && cdc_json_type(cdc_json_member(is, "parts")) == CDC_JSON_ARRAY;
    shape->at = at;
    shape->own = own;
    return 0;
}

void pg_shapes_leave(struct pg_shape *shape, uint64_t at)
{
    free(shape->was);
    free(shape->gone);
    shape->was = shape->is;
    shape->is = shape->gone = NULL;
    shape->columns = -1;
    shape->oid = 0;
    shape->parted = false;
    shape->at = at;
    shape->own = true;
}

/* [1,"id",23,...]: the name, as it is written. */
static struct cdc_span name_of(struct cdc_span column)
{
    struct cdc_json_iter fields;
    struct cdc_span number, name = {NULL, 0};
    cdc_json_iter_begin(&fields, column);
    return cdc_json_next_element(&fields, &number) && cdc_json_next_element(&fields, &name)
               ? name
               : (struct cdc_span){NULL, 0};
}

static bool is_named(struct cdc_span form, struct cdc_span name)
{
    struct cdc_json_iter columns;
    struct cdc_span column;
    cdc_json_iter_begin(&columns, cdc_json_member(form, "cols"));
    while (cdc_json_next_element(&columns, &column))
        if (cdc_span_equal(name_of(column), name))
            return true;
    return false;
}

/* Those that were gone, and those that only `was` has: ["c","d"]. */
static void append_gone(struct cdc_buf *out, const char *gone, struct cdc_span was, struct cdc_span is)
{
    struct cdc_json_iter columns;
    struct cdc_span column, before = cdc_span_text(gone ? gone : "[]");
    cdc_buf_append(out, before.p, before.n - 1);
    cdc_json_iter_begin(&columns, cdc_json_member(was, "cols"));
    while (cdc_json_next_element(&columns, &column)) {
        struct cdc_span name = name_of(column);
        if (!name.p || is_named(is, name))
            continue;
        cdc_buf_text(out, out->len > 1 ? "," : "");
        cdc_buf_append(out, name.p, name.n);
    }
    cdc_buf_append(out, "]", 2);
}

int pg_shapes_follow(struct pg_shape *shape, struct cdc_span was, struct cdc_span is, int64_t columns, uint64_t at,
                     struct cdc_error *error)
{
    struct cdc_buf gone = CDC_BUF_INIT;
    char *copy = was.p ? cdc_span_copy(was) : strdup("{}");
    append_gone(&gone, shape->gone, was, is);
    if (!copy || gone.failed || pg_shapes_set(shape, is, columns, at, true, error) < 0) {
        if (!copy || gone.failed)
            cdc_error_memory(error);
        free(copy);
        cdc_buf_free(&gone);
        return -1;
    }
    shape->was = copy;
    if (strcmp(gone.data, "[]") != 0)
        shape->gone = strdup(gone.data);
    bool whole = shape->gone || strcmp(gone.data, "[]") == 0;
    cdc_buf_free(&gone);
    return whole ? 0 : cdc_error_memory(error);
}

/* -- as JSON -- */

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"shapes\" of the pipeline's state is damaged");
}

/* What no look could begin with would be found by none of them. */
static bool are_ids(const char *xids)
{
    struct pg_visible ended = {.json = NULL};
    struct cdc_error ignored = {0};
    bool are = xids && pg_visible_parse_xids(&ended, xids, &ignored) == 0;
    pg_visible_clear(&ended);
    return are;
}

static bool lsn_of(struct cdc_span object, const char *name, uint64_t *lsn)
{
    char text[24];
    return cdc_json_member_copy(object, name, text, sizeof text) && pg_lsn_parse(text, lsn);
}

/* As the state has it, and not as the two forms say, of which the older one may be of before another shape. */
static int keep_gone(struct pg_shape *shape, struct cdc_span gone, struct cdc_error *error)
{
    free(shape->gone);
    shape->gone = gone.p ? cdc_span_copy(gone) : NULL;
    return gone.p && !shape->gone ? cdc_error_memory(error) : 0;
}

static int read_table(struct pg_shapes *shapes, struct cdc_span item, bool own, struct cdc_error *error)
{
    struct cdc_span is = cdc_json_member(item, "is"), was = cdc_json_member(item, "was");
    struct cdc_span gone = cdc_json_member(item, "gone");
    uint64_t at = 0;
    int64_t columns = -1;
    (void)cdc_json_int64(cdc_json_member(item, "columns"), &columns);
    char *schema = cdc_json_member_text(item, "schema"), *name = cdc_json_member_text(item, "table");
    int result = 0;
    if (!schema || !name || !lsn_of(item, "at", &at) || (is.p && cdc_json_type(is) != CDC_JSON_OBJECT) ||
        (was.p && cdc_json_type(was) != CDC_JSON_OBJECT) || (gone.p && cdc_json_type(gone) != CDC_JSON_ARRAY))
        result = damaged(error);
    struct pg_shape *known = result == 0 ? pg_shapes_find(shapes, schema, name) : NULL;
    /* Seen by both at the same place of a quiet log: what was read there has all that came before. */
    bool same = known && known->at == at && known->is && is.p && cdc_span_is(is, known->is);
    if (result == 0 && !same && (!known || known->at <= at)) {
        struct pg_shape *shape = pg_shapes_ensure(shapes, schema, name, error);
        bool follows = was.p && is.p;
        result = !shape    ? -1
                 : follows ? pg_shapes_follow(shape, was, is, columns, at, error)
                           : pg_shapes_set(shape, is.p ? is : was, columns, at, own, error);
        if (result == 0 && was.p && !is.p)
            pg_shapes_leave(shape, at);
        if (result == 0)
            result = keep_gone(shape, gone, error);
    }
    free(schema);
    free(name);
    return result;
}

static int read_list(struct pg_shapes *shapes, struct cdc_span object, bool own, struct cdc_error *error)
{
    struct cdc_json_iter tables;
    struct cdc_span item;
    uint64_t at = 0;
    if (!object.p || cdc_json_is_null(object))
        return 0;
    char *publication = cdc_json_member_text(object, "publication"), *xids = cdc_json_member_text(object, "xids");
    char *began = cdc_json_member_text(object, "began");
    if (!publication || !are_ids(xids) || (began && !are_ids(began)) || !lsn_of(object, "at", &at)) {
        free(publication);
        free(xids);
        free(began);
        return damaged(error);
    }
    if (!shapes->known || shapes->at <= at) {
        free(shapes->publication);
        free(shapes->xids);
        free(shapes->began);
        shapes->began = began;
        shapes->publication = publication;
        shapes->xids = xids;
        shapes->at = at;
        shapes->own = own;
    } else {
        free(publication);
        free(xids);
        free(began);
    }
    shapes->known = true;
    cdc_json_iter_begin(&tables, cdc_json_member(object, "tables"));
    while (cdc_json_next_element(&tables, &item))
        if (read_table(shapes, item, own, error) < 0)
            return -1;
    return 0;
}

int pg_shapes_read(struct pg_shapes *shapes, struct cdc_span snapshot, struct cdc_span stream, struct cdc_error *error)
{
    pg_shapes_clear(shapes);
    if (read_list(shapes, snapshot, false, error) == 0 && read_list(shapes, stream, true, error) == 0)
        return 0;
    pg_shapes_clear(shapes);
    return -1;
}

static void append_text(struct cdc_buf *out, const char *text)
{
    cdc_json_append_text(out, text, strlen(text));
}

static void append_lsn(struct cdc_buf *out, uint64_t lsn)
{
    char text[24];
    pg_lsn_format(text, lsn);
    cdc_buf_printf(out, ",\"at\":\"%s\"", text);
}

void pg_shapes_append(struct cdc_buf *out, const struct pg_shapes *shapes, bool all)
{
    bool any = false;
    cdc_buf_lit(out, "{\"publication\":");
    append_text(out, shapes->publication ? shapes->publication : "");
    cdc_buf_lit(out, ",\"xids\":");
    append_text(out, shapes->xids ? shapes->xids : "");
    if (shapes->began) {
        cdc_buf_lit(out, ",\"began\":");
        append_text(out, shapes->began);
    }
    append_lsn(out, shapes->at);
    cdc_buf_lit(out, ",\"tables\":[");
    for (size_t i = 0; i < shapes->n; i++) {
        const struct pg_shape *shape = &shapes->items[i];
        if (!all && !shape->own)
            continue;
        cdc_buf_text(out, any ? ",{\"schema\":" : "{\"schema\":");
        any = true;
        append_text(out, shape->schema);
        cdc_buf_lit(out, ",\"table\":");
        append_text(out, shape->name);
        append_lsn(out, shape->at);
        cdc_buf_text(out, shape->is ? ",\"is\":" : "");
        cdc_buf_text(out, shape->is ? shape->is : "");
        cdc_buf_text(out, shape->was ? ",\"was\":" : "");
        cdc_buf_text(out, shape->was ? shape->was : "");
        if (shape->is && shape->columns >= 0)
            cdc_buf_printf(out, ",\"columns\":%" PRId64, shape->columns);
        cdc_buf_text(out, shape->gone ? ",\"gone\":" : "");
        cdc_buf_text(out, shape->gone ? shape->gone : "");
        cdc_buf_byte(out, '}');
    }
    cdc_buf_lit(out, "]}");
}

/* -- beside a Relation message -- */

/* [number, name, type, modifier, by, missing]. */
struct form_column {
    struct cdc_span name; /* raw */
    int64_t number, type, typmod, missing;
};

static bool next_column(struct cdc_json_iter *columns, struct form_column *column)
{
    struct cdc_span item, name = {NULL, 0}, value;
    struct cdc_json_iter fields;
    *column = (struct form_column){.missing = 0};
    if (!cdc_json_next_element(columns, &item))
        return false;
    cdc_json_iter_begin(&fields, item);
    bool good = cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &column->number) &&
                cdc_json_next_element(&fields, &name) && cdc_json_next_element(&fields, &value) &&
                cdc_json_int64(value, &column->type) && cdc_json_next_element(&fields, &value) &&
                cdc_json_int64(value, &column->typmod) && cdc_json_next_element(&fields, &value) &&
                cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &column->missing);
    column->name = cdc_json_string_raw(name);
    return good;
}

static bool is_column(const struct form_column *is, const struct pg_column *column)
{
    return cdc_json_raw_is(is->name, cdc_span_text(column->name)) && is->type == (int64_t)column->type_oid &&
           is->typmod == column->typmod;
}

static bool same_columns(struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter columns;
    struct form_column column;
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    for (size_t i = 0; i < table->n_columns; i++)
        if (!next_column(&columns, &column) || !is_column(&column, &table->columns[i]))
            return false;
    return !next_column(&columns, &column);
}

static bool has_column(struct cdc_span is, const struct pg_column *wanted)
{
    struct cdc_json_iter columns;
    struct form_column column;
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    while (next_column(&columns, &column))
        if (is_column(&column, wanted))
            return true;
    return false;
}

static bool is_table(struct cdc_span is, const struct pg_table *table)
{
    int64_t oid;
    return cdc_json_int64(cdc_json_member(is, "oid"), &oid) && oid == (int64_t)table->oid;
}

/* Do the columns come in the order that they have in the form? They keep it whatever their names. */
static bool in_order(struct cdc_span form, const struct pg_table *table)
{
    struct cdc_json_iter columns;
    struct form_column column;
    size_t next = 0;
    cdc_json_iter_begin(&columns, cdc_json_member(form, "cols"));
    while (next_column(&columns, &column)) {
        size_t i = 0;
        while (i < table->n_columns && !is_column(&column, &table->columns[i]))
            i++;
        if (i < next)
            return false;
        next = i < table->n_columns ? i + 1 : next;
    }
    return true;
}

static bool had_all_the_time(struct cdc_span was, const struct form_column *column)
{
    struct cdc_json_iter columns;
    struct form_column one;
    cdc_json_iter_begin(&columns, cdc_json_member(was, "cols"));
    while (next_column(&columns, &one))
        if (one.number == column->number)
            return cdc_span_equal(one.name, column->name);
    return false;
}

/* Has a name been another column's for a while? Then one that both forms have is missing, or they are in another order:
 *      RENAME a TO x, b TO a, x TO b; INSERT; the same once more      both names are there, for each other's values
 *      DROP b; RENAME a TO b; INSERT; RENAME b TO a                  b is one of before, and a is missing */
static bool names_moved(struct cdc_span was, struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter columns;
    struct form_column column;
    bool in_is = is_table(is, table), in_was = is_table(was, table);
    if ((in_is && !in_order(is, table)) || (in_was && !in_order(was, table)))
        return true;
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    while (in_is && in_was && next_column(&columns, &column)) {
        bool there = !had_all_the_time(was, &column);
        for (size_t i = 0; i < table->n_columns && !there; i++)
            there = cdc_json_raw_is(column.name, cdc_span_text(table->columns[i].name));
        if (!there)
            return true;
    }
    return false;
}

/* The key that the log itself marks, in the order of the columns. */
static bool same_key(struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter names;
    struct cdc_span name;
    if (!pg_key_is_marked(&table->key_facts))
        return true;
    cdc_json_iter_begin(&names, cdc_json_member(is, "key"));
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].identity &&
            (!cdc_json_next_element(&names, &name) ||
             !cdc_json_raw_is(cdc_json_string_raw(name), cdc_span_text(table->columns[i].name))))
            return false;
    return !cdc_json_next_element(&names, &name);
}

/* Have the rows that come in this form, of a table that was new then, all of their values? Not if a column was added since that has
 * a value for them. */
static bool lacks_values(struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter columns;
    struct form_column column;
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    while (next_column(&columns, &column)) {
        bool there = false;
        for (size_t i = 0; i < table->n_columns && !there; i++)
            there = is_column(&column, &table->columns[i]);
        if (!there && column.missing)
            return true;
    }
    return false;
}

/* A change from between two looks. Between the forms `was` and `is` a table may have had a third one, of which the catalogs show
 * nothing any more:
 *      ADD c; INSERT; RENAME c TO d          the line has c, and d of that row is in none
 *      CREATE t; INSERT; DROP t; CREATE t    another table */
static bool differs_between(struct cdc_span was, struct cdc_span is, const struct pg_table *table)
{
    bool is_new = !cdc_json_member(was, "oid").p;
    if (!is_table(is, table) && !is_table(was, table))
        return true;
    for (size_t i = 0; i < table->n_columns; i++)
        if (!has_column(is, &table->columns[i]) && !has_column(was, &table->columns[i]))
            return true;
    return names_moved(was, is, table) || (!same_key(is, table) && (is_new || !same_key(was, table))) ||
           (is_new && lacks_values(is, table));
}

bool pg_shapes_may_have(const struct pg_shape *shape, uint64_t lsn)
{
    return lsn < shape->at && !shape->was;
}

bool pg_shapes_differ(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn, bool read)
{
    const struct pg_shape *shape = pg_shapes_find(shapes, table->schema, table->name);
    if (!shape || (read && pg_shapes_may_have(shape, lsn)))
        return false;
    struct cdc_span is = cdc_span_text(shape->is ? shape->is : "");
    if (lsn < shape->at && shape->was)
        return differs_between(cdc_span_text(shape->was), is, table);
    return shape->oid != table->oid || !same_columns(is, table) || !same_key(is, table);
}

bool pg_shapes_has(const struct pg_shapes *shapes, const struct pg_table *table)
{
    const struct pg_shape *shape = pg_shapes_find(shapes, table->schema, table->name);
    return shape && shape->oid == table->oid;
}

/* Where the last look was that of a read, the changes of before are in its rows, and come as no lines. */
uint32_t pg_shapes_key(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn)
{
    const struct pg_shape *shape = pg_shapes_find(shapes, table->schema, table->name);
    int64_t made;
    if (!shape || !shape->is || shape->oid != table->oid || (lsn < shape->at && (shape->own || shape->was)) ||
        !cdc_json_int64(cdc_json_member(cdc_span_text(shape->is), "keyed"), &made))
        return 0;
    return (uint32_t)made;
}

bool pg_shapes_keyed(const struct pg_shapes *shapes, const struct pg_table *table)
{
    const struct pg_shape *shape = pg_shapes_find(shapes, table->schema, table->name);
    const char *form = !shape ? NULL : shape->is ? shape->is : shape->was;
    return form && cdc_json_type(cdc_json_member(cdc_span_text(form), "key")) == CDC_JSON_ARRAY;
}

/* Was it there at a change of a transaction at lsn? Where nothing is known of before, its rows were read with this form. */
static bool was_there(const struct pg_shape *shape, uint64_t lsn)
{
    struct cdc_span was = cdc_span_text(shape->was ? shape->was : "");
    int64_t oid = 0;
    return lsn >= shape->at || !cdc_json_int64(cdc_json_member(was, "oid"), &oid) || oid == (int64_t)shape->oid;
}

const struct pg_shape *pg_shapes_misnamed(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn)
{
    for (size_t i = 0; i < shapes->n; i++) {
        const struct pg_shape *shape = &shapes->items[i];
        if (shape->oid == table->oid)
            return compare(shape, table->schema, table->name) != 0 && was_there(shape, lsn) ? shape : NULL;
    }
    return NULL;
}

/* [[16390,16390,751,0],...]: each begins with its oid. */
static bool has_part(const struct pg_shape *shape, uint32_t oid)
{
    struct cdc_json_iter parts, fields;
    struct cdc_span item, value;
    int64_t part;
    cdc_json_iter_begin(&parts, cdc_json_member(cdc_span_text(shape->is ? shape->is : ""), "parts"));
    while (cdc_json_next_element(&parts, &item)) {
        cdc_json_iter_begin(&fields, item);
        if (cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &part) && part == (int64_t)oid)
            return true;
    }
    return false;
}

const struct pg_shape *pg_shapes_passed_by(const struct pg_shapes *shapes, size_t *from,
                                           const struct pg_table *partition, const struct pg_table *table, uint64_t lsn)
{
    while (*from < shapes->n) {
        const struct pg_shape *shape = &shapes->items[(*from)++];
        if (shape->oid == 0 || shape->oid == table->oid)
            continue;
        if ((shape->oid == partition->oid || (shape->parted && has_part(shape, partition->oid))) &&
            was_there(shape, lsn))
            return shape;
    }
    return NULL;
}

bool pg_shapes_lack(const struct pg_shapes *shapes, const struct pg_table *table)
{
    return shapes->known && !pg_shapes_find(shapes, table->schema, table->name);
}
