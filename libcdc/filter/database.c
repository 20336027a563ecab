/* SPDX-License-Identifier: MIT */
/* A database that was dropped is one line without a table (cdc-event(5)), and sinks know its tables by the names that --rename
 * gave them. With --rename shop.a=web.a --rename old.b=shop.b --rename shop.c=shop.d, of
 *
 *   {"op":"t","pos":"7",...,"source":{...,"db":"shop"},"except":["c"]}      the rows of shop.c were read again since
 *
 * come
 *
 *   {"op":"t","pos":"7",...,"source":{...,"db":"shop"},"except":["d","b"]}  b is of a database that is still there
 *   {"op":"t","pos":"7.1",...,"source":{...,"db":"web","table":"a"},"except":[]} */
#include <stdlib.h>
#include <string.h>

#include "libcdc/filter/internal.h"
#include <cdc/pattern.h>

struct dropped {
    const struct plans *plans;
    const struct cdc_event *event;
    struct cdc_span db;     /* unescaped */
    struct cdc_span except; /* the list of the line; p is NULL where there is none */
    struct cdc_buf names,
        moved,    /* the list to come, without brackets; `"web","table":"a"` and a NUL for each further line */
        routed;   /* the same of names that --route gives, of whose rows only those of this database go */
    bool changed; /* the list differs */
};

/* "schema.table" or "table". */
struct half {
    struct cdc_span schema, table; /* schema.p NULL: none */
};

static struct half half_of(const char *p, size_t n)
{
    const char *dot = memchr(p, '.', n);
    if (dot == NULL)
        return (struct half){cdc_span(NULL, 0), cdc_span(p, n)};
    return (struct half){cdc_span(p, (size_t)(dot - p)), cdc_span(dot + 1, n - (size_t)(dot + 1 - p))};
}

static struct half old_of(const char *item)
{
    return half_of(item, (size_t)(strchr(item, '=') - item));
}

static struct half new_of(const char *item)
{
    const char *text = strchr(item, '=') + 1;
    return half_of(text, strlen(text));
}

/* The item that counts for that table; NULL: none. */
static const char *item_of(const struct dropped *dropped, struct cdc_span schema, struct cdc_span table)
{
    const struct cdc_option_list *items = plans_list(dropped->plans, LIST_RENAME);
    const char *found = NULL;
    for (size_t i = 0; i < items->count; i++)
        if (plans_item_renames(items->items[i], schema, table))
            found = items->items[i];
    return found;
}

static bool is_selected(const struct dropped *dropped, struct cdc_span schema, struct cdc_span table)
{
    return cdc_selection_has(&dropped->plans->settings->selection, schema, table);
}

static bool is_excepted(const struct dropped *dropped, struct cdc_span table)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool found = false;
    if (dropped->except.p == NULL)
        return false;
    for (cdc_json_iter_begin(&iter, dropped->except); !found && cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        found = raw.p != NULL && cdc_json_raw_is(raw, table);
    }
    return found;
}

static void except(struct dropped *dropped, struct cdc_span name)
{
    cdc_buf_text(&dropped->names, dropped->names.len > 0 ? "," : "");
    cdc_json_append_string(&dropped->names, name.p, name.n);
}

/* The item of --route that counts for that table; NULL: none. */
static const char *route_of(const struct dropped *dropped, struct cdc_span table)
{
    const struct cdc_option_list *items = plans_list(dropped->plans, LIST_ROUTE);
    const char *found = NULL;
    for (size_t i = 0; i < items->count; i++)
        if (plans_item_routes(items->items[i], dropped->db, table))
            found = items->items[i];
    return found;
}

/* Those that the line excepts, by their new names. One that is in another database by now is none of this line. */
static int take_excepted(struct dropped *dropped, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span element;
    if (dropped->except.p == NULL)
        return 0;
    for (cdc_json_iter_begin(&iter, dropped->except); cdc_json_next_element(&iter, &element);) {
        struct cdc_span raw = cdc_json_string_raw(element);
        char *name = raw.p != NULL ? cdc_json_text(raw, NULL) : NULL;
        if (name == NULL)
            return cdc_error_memory(error);
        const char *item = item_of(dropped, dropped->db, cdc_span_text(name));
        struct half to = item != NULL ? new_of(item) : (struct half){cdc_span(NULL, 0), cdc_span_text(name)};
        bool routed = item == NULL && route_of(dropped, cdc_span_text(name)) != NULL; /* take_routes has them */
        if (!routed && (to.schema.p == NULL || cdc_span_equal(to.schema, dropped->db)))
            except(dropped, to.table);
        dropped->changed |= item != NULL || routed;
        free(name);
    }
    return 0;
}

/* The database of the table that an item renames, as it says itself or lines have shown; p is NULL where neither does. */
static struct cdc_span database_of(const struct dropped *dropped, const char *item)
{
    struct half old = old_of(item);
    struct cdc_span found = old.schema;
    for (size_t i = 0; found.p == NULL && i < dropped->plans->tables.capacity; i++) {
        const struct plan *plan = plans_at(dropped->plans, i);
        if (plan != NULL && plan->selected && cdc_span_equal(plan->names.plain_table, old.table) &&
            item_of(dropped, plan->names.plain_schema, old.table) == item)
            found = plan->names.plain_schema;
    }
    return found;
}

static int nobody_knows(const struct dropped *dropped, const char *item, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "database \"%.*s\" was dropped, and by --rename '%s' it is not certain whether that table was in it",
                  (int)dropped->db.n, dropped->db.p, item);
    return cdc_error_hint(error, "name the table's database there too: DATABASE.%s", item);
}

static void append_table(struct cdc_buf *out, struct half name)
{
    cdc_json_append_string(out, name.schema.p, name.schema.n);
    cdc_buf_lit(out, ",\"table\":");
    cdc_json_append_string(out, name.table.p, name.table.n);
    cdc_buf_byte(out, '\0');
}

/* What that item moves out of the database, or into it. */
static int take_item(struct dropped *dropped, const char *item, struct cdc_error *error)
{
    struct half old = old_of(item), to = new_of(item);
    struct cdc_span from = to.schema.p != NULL ? database_of(dropped, item) : cdc_span(NULL, 0);

    if (to.schema.p == NULL) /* a name of the same database */
        return 0;
    if (from.p == NULL && item_of(dropped, dropped->db, old.table) == item &&
        is_selected(dropped, dropped->db, old.table))
        return nobody_knows(dropped, item, error);
    if (from.p == NULL && cdc_span_equal(to.schema, dropped->db)) { /* of whichever database, not of this one */
        except(dropped, to.table);
        dropped->changed = true;
    }
    if (from.p == NULL)
        return 0;
    if (item_of(dropped, from, old.table) != item || !is_selected(dropped, from, old.table))
        return 0;
    bool from_here = cdc_span_equal(from, dropped->db), to_here = cdc_span_equal(to.schema, dropped->db);
    if (to_here && !from_here) {
        except(dropped, to.table);
        dropped->changed = true;
    } else if (from_here && !to_here && !is_excepted(dropped, old.table)) {
        append_table(&dropped->moved, to);
    }
    return 0;
}

/* -- tables that --route brings under one name --------------------------------------- */

static bool has_before(const struct cdc_buf *lines, const struct cdc_buf *text)
{
    for (const char *p = lines->data; p != NULL && p < lines->data + lines->len; p += strlen(p) + 1)
        if (strcmp(p, text->data) == 0)
            return true;
    return false;
}

static int refuse_unique(const struct dropped *dropped, const char *item, struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "--route-unique: database \"%.*s\" was dropped, and nothing tells the rows of its tables from those of "
        "others under --route '%s'",
        (int)dropped->db.n, dropped->db.p, item);
    return cdc_error_hint(error, "leave --route-unique away and fill the destination anew");
}

static int take_route(struct dropped *dropped, const char *item, struct cdc_error *error)
{
    char pattern[FILTER_PATTERN_MAX];
    size_t n = (size_t)(strchr(item, '=') - item);
    struct half to = new_of(item);
    struct cdc_buf text = CDC_BUF_INIT;

    memcpy(pattern, item, n); /* filter.c has looked at its length */
    pattern[n] = '\0';
    if (!cdc_pattern_matches_some_of(pattern, dropped->db, false))
        return 0;
    if (dropped->plans->settings->route_unique)
        return refuse_unique(dropped, item, error);
    if (to.schema.p == NULL)
        to.schema = dropped->db;
    append_table(&text, to);
    if (!text.failed && !has_before(&dropped->routed, &text)) {
        cdc_buf_append_buf(&dropped->routed, &text);
        if (cdc_span_equal(to.schema, dropped->db)) { /* rows of other databases stay in it */
            except(dropped, to.table);
            dropped->changed = true;
        }
    }
    dropped->routed.failed |= text.failed;
    cdc_buf_free(&text);
    return 0;
}

/* The rows of this database's tables are told by their text in the column that was added, but for those that the line excepts. */
static void append_part(const struct dropped *dropped, struct cdc_buf *out)
{
    const char *column = route_column(dropped->plans->settings);
    struct cdc_buf name = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool first = true;

    cdc_buf_lit(out, ",\"part\":{\"column\":");
    cdc_json_append_string(out, column, strlen(column));
    cdc_buf_lit(out, ",\"prefix\":");
    route_append_schema(&name, dropped->db);
    cdc_json_append_string(out, name.data, name.len);
    cdc_buf_lit(out, ",\"except\":[");
    if (dropped->except.p != NULL)
        for (cdc_json_iter_begin(&iter, dropped->except); cdc_json_next_element(&iter, &item);) {
            struct cdc_buf plain = CDC_BUF_INIT;
            cdc_json_unescape(&plain, cdc_json_string_raw(item));
            name.len = 0;
            route_append_name(&name, dropped->db, cdc_span(plain.data, plain.len));
            cdc_buf_text(out, first ? "" : ",");
            first = false;
            cdc_json_append_string(out, name.data, name.len);
            out->failed |= plain.failed;
            cdc_buf_free(&plain);
        }
    cdc_buf_lit(out, "]}");
    out->failed |= name.failed;
    cdc_buf_free(&name);
}

/* -- lines ------------------------------------------------------------------------ */

struct piece {
    struct cdc_span at; /* of the line; of no bytes: put in there */
    struct cdc_span text;
};

static void append_pieces(struct cdc_buf *out, struct cdc_span line, struct piece *pieces, size_t n)
{
    const char *p = line.p, *end = line.p + line.n;
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && pieces[j - 1].at.p > pieces[j].at.p; j--) {
            struct piece piece = pieces[j];
            pieces[j] = pieces[j - 1];
            pieces[j - 1] = piece;
        }
    for (size_t i = 0; i < n; p = pieces[i].at.p + pieces[i].at.n, i++) {
        cdc_buf_append(out, p, (size_t)(pieces[i].at.p - p));
        cdc_buf_span(out, pieces[i].text);
    }
    cdc_buf_append(out, p, (size_t)(end - p));
    cdc_buf_byte(out, '\n');
}

static struct cdc_span before_last_brace(struct cdc_span line)
{
    const char *p = line.p + line.n - 1;
    while (*p != '}')
        p--;
    return cdc_span(p, 0);
}

static void append_database(struct dropped *dropped, struct cdc_buf *out)
{
    struct cdc_span line = dropped->event->line;
    struct cdc_buf list = CDC_BUF_INIT;
    struct piece piece = {dropped->except, cdc_span(NULL, 0)};

    cdc_buf_text(&list, dropped->except.p != NULL ? "[" : ",\"except\":[");
    cdc_buf_append_buf(&list, &dropped->names);
    cdc_buf_byte(&list, ']');
    piece.text = cdc_span(list.data, list.len);
    if (dropped->except.p == NULL)
        piece.at = before_last_brace(line);
    append_pieces(out, line, &piece, dropped->changed ? 1 : 0);
    out->failed |= list.failed;
    cdc_buf_free(&list);
}

/* A line for each table of the list, after n others. part: that it gets. */
static uint64_t append_tables(const struct dropped *dropped, const struct cdc_buf *tables, struct cdc_span part,
                              uint64_t n, struct cdc_buf *out)
{
    const struct cdc_event *event = dropped->event;

    for (const char *text = tables->data; text != NULL && text < tables->data + tables->len; text += strlen(text) + 1) {
        struct cdc_buf number = CDC_BUF_INIT;
        cdc_buf_byte(&number, '.');
        cdc_buf_u64(&number, ++n);
        struct piece pieces[] = {{cdc_span(event->pos.p + event->pos.n, 0), cdc_span(number.data, number.len)},
                                 {cdc_span(event->db.p - 1, event->db.n + 2), cdc_span_text(text)},
                                 {before_last_brace(event->line), part},
                                 {dropped->except, cdc_span("[]", 2)}};
        append_pieces(out, event->line, pieces, dropped->except.p != NULL ? 4 : 3);
        out->failed |= number.failed;
        cdc_buf_free(&number);
    }
    return n;
}

static uint64_t append_others(const struct dropped *dropped, struct cdc_buf *out)
{
    struct cdc_buf part = CDC_BUF_INIT;
    uint64_t n = append_tables(dropped, &dropped->moved, cdc_span("", 0), 0, out);

    append_part(dropped, &part);
    n = append_tables(dropped, &dropped->routed, cdc_span(part.data, part.len), n, out);
    out->failed |= part.failed;
    cdc_buf_free(&part);
    return n;
}

static int take_items(struct dropped *dropped, struct cdc_error *error)
{
    const struct cdc_option_list *routes = plans_list(dropped->plans, LIST_ROUTE);
    const struct cdc_option_list *items = plans_list(dropped->plans, LIST_RENAME);
    for (size_t i = 0; i < items->count; i++)
        if (take_item(dropped, items->items[i], error) != 0)
            return -1;
    for (size_t i = 0; i < routes->count; i++)
        if (take_route(dropped, routes->items[i], error) != 0)
            return -1;
    return dropped->names.failed || dropped->moved.failed || dropped->routed.failed ? cdc_error_memory(error) : 0;
}

int plans_append_database(const struct plans *plans, const struct cdc_event *event, struct cdc_buf *out,
                          uint64_t *lines, struct cdc_error *error)
{
    struct dropped dropped = {plans,        event,        {NULL, 0},    cdc_json_member(event->line, "except"),
                              CDC_BUF_INIT, CDC_BUF_INIT, CDC_BUF_INIT, false};
    char *db = cdc_json_text(event->db, NULL);
    int result = db != NULL ? 0 : cdc_error_memory(error);

    if (dropped.except.p != NULL && cdc_json_type(dropped.except) != CDC_JSON_ARRAY)
        dropped.except = cdc_span(NULL, 0);
    dropped.db = cdc_span_text(db != NULL ? db : "");
    if (result == 0 && (take_excepted(&dropped, error) != 0 || take_items(&dropped, error) != 0))
        result = -1;
    if (result == 0 && event->pos.p == NULL && dropped.moved.len + dropped.routed.len > 0)
        result = cdc_error_set(error, CDC_EXIT_DATA, "the line has no \"pos\", and several are to be made of it");
    if (result == 0) {
        append_database(&dropped, out);
        *lines = 1 + append_others(&dropped, out);
    }
    cdc_buf_free(&dropped.names);
    cdc_buf_free(&dropped.moved);
    cdc_buf_free(&dropped.routed);
    free(db);
    return result;
}
