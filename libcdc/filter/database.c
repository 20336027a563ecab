/* SPDX-License-Identifier: MIT */
/* The line of a database that is dropped names no table but those in "except", which keep their rows. After it, tables have the
 * names that --rename gives them:
 *
 *     --rename shop.a=b        "except":["a"]   ->   "except":["b"]
 *     --rename other.a=shop.x  is no table of shop: "except":[...,"x"]
 *     --rename shop.a=web.a    a line more, of that table alone: POS.1 */
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

#include "libcdc/filter/internal.h"

struct dropped {
    const struct cdc_filter_settings *settings;
    const struct cdc_event *event;
    char *db;
    struct cdc_span list;  /* "except" of the line; p NULL: none */
    struct cdc_buf except; /* of the line that leaves: names as JSON, with commas between */
    struct cdc_buf more;   /* lines */
    int lines;
};

/* The names in --rename: `schema.table` or `table`. */
struct name {
    struct cdc_span schema, table; /* schema.p NULL: any */
};

static struct name name_of(const char *text, size_t n)
{
    const char *dot = memchr(text, '.', n);
    if (dot == NULL)
        return (struct name){cdc_span(NULL, 0), cdc_span(text, n)};
    return (struct name){cdc_span(text, (size_t)(dot - text)), cdc_span(dot + 1, n - (size_t)(dot + 1 - text))};
}

static int except(struct dropped *dropped, struct cdc_span table)
{
    if (dropped->except.len > 0)
        cdc_buf_byte(&dropped->except, ',');
    cdc_json_append_text(&dropped->except, table.p, table.n);
    return 0;
}

static bool is_excepted(const struct dropped *dropped, struct cdc_span table)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool found = false;

    for (cdc_json_iter_begin(&iter, dropped->list); !found && cdc_json_next_element(&iter, &item);) {
        char *name = cdc_json_text(cdc_json_string_raw(item), NULL);
        found = name != NULL && cdc_span_is(table, name);
        free(name);
    }
    return found;
}

/* Those of the line, under the names that they have after us. */
static int translate(struct dropped *dropped)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    int result = 0;

    for (cdc_json_iter_begin(&iter, dropped->list); result == 0 && cdc_json_next_element(&iter, &item);) {
        char *schema = NULL, *table = NULL, *name = cdc_json_text(cdc_json_string_raw(item), NULL);
        result = name != NULL ? plans_renamed(dropped->settings, cdc_span_text(dropped->db), cdc_span_text(name),
                                              &schema, &table)
                              : -1;
        if (result == 0 && (schema == NULL || strcmp(schema, dropped->db) == 0))
            result = except(dropped, cdc_span_text(table != NULL ? table : name));
        free(name);
        free(schema);
        free(table);
    }
    return result;
}

/* The line, of one table of another database. */
static int add_line(struct dropped *dropped, struct name table)
{
    const struct cdc_event *event = dropped->event;
    struct cdc_buf *out = &dropped->more;
    const char *db = event->db.p - 1, *pos_end = event->pos.p + event->pos.n; /* db with its quotes */

    for (const char *at = event->line.p; at < event->line.p + event->line.n;) {
        if (at == db) {
            cdc_json_append_text(out, table.schema.p, table.schema.n);
            cdc_buf_lit(out, ",\"table\":");
            cdc_json_append_text(out, table.table.p, table.table.n);
            at += event->db.n + 2;
            continue;
        }
        if (at == pos_end)
            cdc_buf_printf(out, ".%d", dropped->lines++);
        cdc_buf_byte(out, *at++);
    }
    cdc_buf_byte(out, '\n');
    return 0;
}

static int refuse(const char *rename, const struct dropped *dropped, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "database \"%s\" was dropped, and whether its tables are meant by --rename '%s' is not known",
                  dropped->db, rename);
    return cdc_error_hint(error, "name the database of the table that is renamed: DATABASE.TABLE=...");
}

/* The table has the name `target` now, of which database it is with `of`. */
static int place(struct dropped *dropped, const char *rename, bool names_db, struct name of, struct name target,
                 struct cdc_error *error)
{
    const struct cdc_span db = cdc_span_text(dropped->db);
    bool in_db = cdc_span_equal(target.schema, db);

    bool comes = cdc_selection_has(&dropped->settings->selection, of.schema, of.table);
    if (!names_db && comes)
        return refuse(rename, dropped, error);
    if (names_db && !comes)
        return 0;
    if (names_db && cdc_span_equal(of.schema, db))
        return in_db || is_excepted(dropped, of.table) ? 0 : add_line(dropped, target);
    return in_db ? except(dropped, target.table) : 0;
}

/* What a rename has to do with the database, if it is the one that counts for its table. */
static int apply(struct dropped *dropped, const char *rename, struct cdc_error *error)
{
    const char *equals = strchr(rename, '=');
    const struct name from = name_of(rename, (size_t)(equals - rename)),
                      target = name_of(equals + 1, strlen(equals + 1));
    const bool names_db = from.schema.p != NULL;
    const struct name of = {names_db ? from.schema : cdc_span_text(dropped->db), from.table};
    char *schema = NULL, *table = NULL;

    if (target.schema.p == NULL) /* it stays in its database */
        return 0;
    int result = plans_renamed(dropped->settings, of.schema, of.table, &schema, &table);
    if (result < 0)
        cdc_error_memory(error);
    else if (schema != NULL && cdc_span_is(target.schema, schema) && cdc_span_is(target.table, table))
        result = place(dropped, rename, names_db, of, target, error);
    free(schema);
    free(table);
    return result;
}

/* The line itself, with its new list. */
static void append_first(const struct dropped *dropped, struct cdc_buf *out)
{
    const char *p = dropped->event->line.p, *end = p + dropped->event->line.n, *at = end;

    if (dropped->list.p != NULL) {
        cdc_buf_append(out, p, (size_t)(dropped->list.p - p));
        cdc_buf_byte(out, '[');
        cdc_buf_append_buf(out, &dropped->except);
        cdc_buf_byte(out, ']');
        at = dropped->list.p + dropped->list.n;
    } else if (dropped->except.len > 0) {
        while (at[-1] != '}')
            at--;
        at--;
        cdc_buf_append(out, p, (size_t)(at - p));
        cdc_buf_lit(out, ",\"except\":[");
        cdc_buf_append_buf(out, &dropped->except);
        cdc_buf_byte(out, ']');
    } else {
        at = p;
    }
    cdc_buf_append(out, at, (size_t)(end - at));
    cdc_buf_byte(out, '\n');
}

int filter_append_database(const struct cdc_filter_settings *settings, const struct cdc_event *event,
                           struct cdc_buf *out, struct cdc_error *error)
{
    struct dropped dropped = {.settings = settings, .event = event, .lines = 1};
    const struct cdc_span list = cdc_json_member(event->line, "except");

    if (list.p != NULL && cdc_json_type(list) == CDC_JSON_ARRAY)
        dropped.list = list;
    dropped.db = cdc_json_text(event->db, NULL);
    int result = dropped.db == NULL || translate(&dropped) < 0 ? cdc_error_memory(error) : 0;
    for (size_t i = 0; result == 0 && i < settings->rename_tables.count; i++)
        result = apply(&dropped, settings->rename_tables.items[i], error);
    if (result == 0) {
        append_first(&dropped, out);
        cdc_buf_append_buf(out, &dropped.more);
        out->failed |= dropped.except.failed || dropped.more.failed;
    }
    free(dropped.db);
    cdc_buf_free(&dropped.except);
    cdc_buf_free(&dropped.more);
    return result < 0 ? -1 : dropped.lines;
}
