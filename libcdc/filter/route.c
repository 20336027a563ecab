/* SPDX-License-Identifier: MIT */
/* Several tables under one name (--route). With --route 'shop*.orders=all.orders', of
 *
 *   {"op":"c",...,"source":{...,"db":"shop1","table":"orders"},"key":{"id":1},"before":null,"after":{"id":1,"note":"x"}}
 *   {"op":"t",...,"source":{...,"db":"shop2","table":"orders"}}
 *
 * comes
 *
 *   {"op":"c",...,"source":{...,"db":"all","table":"orders"},"key":{"source_table":"shop1.orders","id":1},"before":null,
 *    "after":{"id":1,"note":"x","source_table":"shop1.orders"}}
 *   {"op":"t",...,"source":{...,"db":"all","table":"orders"},"part":{"column":"source_table","value":"shop2.orders"}}
 *
 * so that two rows with one key stay two, and a line about all rows of one table touches none of another. With --route-unique no
 * column is added, and such a line has to be refused.
 *
 * To a sink it is one table: its columns are those of all tables that have come so far. */
#include <stdlib.h>

#include "libcdc/filter/internal.h"
#include <cdc/pattern.h>

/* -- settings ------------------------------------------------------------------------ */

const char *route_column(const struct cdc_filter_settings *settings)
{
    return settings->route_column != NULL ? settings->route_column : "source_table";
}

/* Does the pattern of "PATTERN=[schema.]NAME" match the table? */
bool plans_item_routes(const char *item, struct cdc_span schema, struct cdc_span table)
{
    char pattern[FILTER_PATTERN_MAX];
    size_t n = (size_t)(strchr(item, '=') - item);

    memcpy(pattern, item, n); /* filter.c has looked at its length */
    pattern[n] = '\0';
    return cdc_pattern_matches_table(pattern, schema, table, false);
}

/* A name with a dot in quotes: no two tables have one text. */
static void append_half(struct cdc_buf *out, struct cdc_span name)
{
    bool quoted = name.n > 0 && (memchr(name.p, '.', name.n) != NULL || memchr(name.p, '"', name.n) != NULL);

    if (!quoted) {
        cdc_buf_span(out, name);
        return;
    }
    cdc_buf_byte(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            cdc_buf_byte(out, '"');
        cdc_buf_byte(out, name.p[i]);
    }
    cdc_buf_byte(out, '"');
}

void route_append_schema(struct cdc_buf *out, struct cdc_span schema)
{
    append_half(out, schema);
    cdc_buf_byte(out, '.');
}

void route_append_name(struct cdc_buf *out, struct cdc_span schema, struct cdc_span table)
{
    route_append_schema(out, schema);
    append_half(out, table);
}

static int make_texts(struct plan *plan, const char *column)
{
    struct cdc_buf name = CDC_BUF_INIT;
    struct routed *routed = plan->routed;

    route_append_name(&name, plan->names.plain_schema, plan->names.plain_table);
    cdc_json_append_string(&routed->member, column, strlen(column));
    cdc_buf_byte(&routed->member, ':');
    cdc_json_append_string(&routed->member, name.data, name.len);
    cdc_buf_lit(&routed->part, ",\"part\":{\"column\":");
    cdc_json_append_string(&routed->part, column, strlen(column));
    cdc_buf_lit(&routed->part, ",\"value\":");
    cdc_json_append_string(&routed->part, name.data, name.len);
    cdc_buf_byte(&routed->part, '}');
    bool failed = name.failed || routed->member.failed || routed->part.failed;
    cdc_buf_free(&name);
    return failed ? -1 : 0;
}

int route_plan(const struct cdc_filter_settings *settings, struct plan *plan)
{
    const char *found = NULL;

    for (size_t i = 0; i < settings->routes.count; i++) /* the last one counts, as of --rename */
        if (plans_item_routes(settings->routes.items[i], plan->names.plain_schema, plan->names.plain_table))
            found = settings->routes.items[i];
    if (found == NULL || plan->new_table != NULL) /* a table that --rename names is no shard */
        return 0;
    const char *to = strchr(found, '=') + 1, *dot = strchr(to, '.');
    plan->routed = calloc(1, sizeof *plan->routed);
    plan->new_table = strdup(dot != NULL ? dot + 1 : to);
    plan->new_schema = dot != NULL ? cdc_span_copy(cdc_span(to, (size_t)(dot - to))) : NULL;
    if (plan->routed == NULL || plan->new_table == NULL || (dot != NULL && plan->new_schema == NULL))
        return -1;
    plan->routed->unique = settings->route_unique;
    plan->routed->column = route_column(settings);
    return make_texts(plan, plan->routed->column);
}

void route_free(struct routed *routed)
{
    if (routed == NULL)
        return;
    struct cdc_buf *const buffers[] = {&routed->member,  &routed->part, &routed->name,    &routed->db,
                                       &routed->columns, &routed->keys, &routed->together};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        cdc_buf_free(buffers[i]);
    free(routed);
}

/* -- lines ------------------------------------------------------------------------------ */

void route_append_columns(struct cdc_buf *out, const struct plan *plan)
{
    const struct routed *routed = plan->routed;

    cdc_buf_byte(out, '[');
    cdc_buf_append_buf(out, &routed->together);
    if (!routed->unique) {
        cdc_buf_text(out, routed->together.len == 0 ? "{\"name\":" : ",{\"name\":");
        cdc_json_append_string(out, routed->column, strlen(routed->column));
        cdc_buf_lit(out, ",\"type\":\"text\",\"nullable\":false,\"generated\":false}");
    }
    cdc_buf_byte(out, ']');
}

/* First in the key: a table's rows lie together. A table without a key has none after it. */
void route_append_keys(struct cdc_buf *out, const struct plan *plan)
{
    const struct routed *routed = plan->routed;

    if (routed->unique || routed->keys.len <= 2) {
        cdc_buf_append_buf(out, &routed->keys);
        return;
    }
    cdc_buf_byte(out, '[');
    cdc_json_append_string(out, routed->column, strlen(routed->column));
    cdc_buf_byte(out, ',');
    cdc_buf_append(out, routed->keys.data + 1, routed->keys.len - 1);
}

/* Is it about all rows of the table? */
static bool is_of_whole(const struct cdc_event *event)
{
    return event->op == CDC_OP_TRUNCATE || (event->op == CDC_OP_SCHEMA && event->read.p != NULL);
}

static bool is_of_source(const struct routed *routed, const struct cdc_event *event)
{
    struct cdc_span name = cdc_span(routed->name.data, routed->name.len),
                    db = cdc_span(routed->db.data, routed->db.len);

    if (!cdc_json_raw_equal(name, event->name))
        return false;
    /* Where there are schemas, the database is the source's; else it is one of the names that the table is told by. */
    return event->schema.p == NULL || cdc_json_raw_equal(db, event->db);
}

/* Tables of two sources may have one name, and so would the parts. */
static int check_source(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    struct routed *routed = plan->routed;

    if (routed->name.len == 0 && routed->db.len == 0) {
        cdc_buf_span(&routed->name, event->name);
        cdc_buf_span(&routed->db, event->db);
        return routed->name.failed || routed->db.failed ? cdc_error_memory(error) : 0;
    }
    if (is_of_source(routed, event))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--route: table %.*s.%.*s comes from two sources, and nothing would tell their rows apart",
                  (int)plan->names.plain_schema.n, plan->names.plain_schema.p, (int)plan->names.plain_table.n,
                  plan->names.plain_table.p);
    return cdc_error_hint(error, "--route brings tables of one source together: filter each source by itself");
}

static int check_unique(const struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    if (!is_of_whole(event))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--route-unique: table %.*s.%.*s %s, and nothing tells its rows in \"%s\" from those of other tables",
                  (int)plan->names.plain_schema.n, plan->names.plain_schema.p, (int)plan->names.plain_table.n,
                  plan->names.plain_table.p,
                  event->op == CDC_OP_SCHEMA || event->read.p != NULL ? "is read again" : "was emptied",
                  plan->new_table);
    return cdc_error_hint(error, "leave --route-unique away and fill the destination anew; or, where the rows may stay "
                                 "there, leave such lines out with --op");
}

int route_check(struct plan *plan, const struct cdc_event *event, struct cdc_error *error)
{
    if (!cdc_json_is_null(event->part)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "--route: table \"%.*s\" was put together from several already",
                      (int)plan->names.plain_table.n, plan->names.plain_table.p);
        return cdc_error_hint(error, "route all of its tables in one place, or use --rename here");
    }
    if (check_source(plan, event, error) != 0 || (plan->routed->unique && check_unique(plan, event, error) != 0))
        return -1;
    if (plan->routed->columns.len > 0 || !cdc_event_has_row(event))
        return 0;
    cdc_error_set(error, CDC_EXIT_DATA,
                  "--route: a row of table \"%.*s\" comes before the schema line that says what columns there are",
                  (int)plan->names.plain_table.n, plan->names.plain_table.p);
    return cdc_error_hint(error, "nothing before the filter may drop schema lines");
}
