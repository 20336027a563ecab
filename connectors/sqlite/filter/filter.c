/* SPDX-License-Identifier: MIT */
/* The step: a schema line is compiled for, a row is chosen and its columns computed; everything else stays as it is. */
#include <stdlib.h>

#include "connectors/sqlite/filter/internal.h"
#include <cdc/part.h>

#define KEPT ((size_t)1 << 20)

struct lite_filter *lite_filter_new(const struct lite_filter_settings *settings, struct cdc_error *error)
{
    struct lite_filter *filter = calloc(1, sizeof *filter);

    if (filter == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    filter->settings = *settings;
    sql_tables_init(filter);
    if (items_parse(&filter->items, settings, error) == 0 && (filter->engine = lite_engine_new(error)) != NULL)
        return filter;
    lite_filter_free(filter);
    return NULL;
}

static struct cdc_buf *const *buffers(struct lite_filter *filter, struct cdc_buf *all[7])
{
    struct cdc_buf *const list[7] = {&filter->values,    &filter->key,       &filter->before,       &filter->after,
                                     &filter->unchanged, &filter->json_null, &filter->json_null_old};

    memcpy(all, list, sizeof list);
    return all;
}

void lite_filter_free(struct lite_filter *filter)
{
    struct cdc_buf *all[7];

    if (filter == NULL)
        return;
    cdc_tables_free(&filter->tables); /* statements before their database */
    lite_engine_free(filter->engine);
    items_free(&filter->items);
    for (size_t i = 0; i < 7; i++)
        cdc_buf_free(buffers(filter, all)[i]);
    free(filter);
}

/* An unusually long line's memory is not kept. */
static void shrink(struct lite_filter *filter)
{
    struct cdc_buf *all[7];

    for (size_t i = 0; i < 7; i++) {
        buffers(filter, all)[i]->len = 0;
        cdc_buf_shrink(all[i], KEPT);
    }
}

static enum cdc_step_result take_row(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event,
                                     struct cdc_buf *out, struct cdc_error *error)
{
    struct parts parts;

    if (!table->defined) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\": a row comes before the schema line",
                      table->source.id.table);
        cdc_error_hint(error,
                       "nothing before the filter may drop schema lines: its expressions need the columns' types");
        return CDC_STEP_FAILED;
    }
    parts_of(&parts, event);
    rows_gather(filter, table, event);
    enum cdc_step_result result =
        table->n_conditions > 0 ? where_decide(filter, table, event, &parts, error) : CDC_STEP_KEPT;
    if (result == CDC_STEP_FAILED || result == CDC_STEP_DROPPED)
        return result;
    if (table->n_assignments > 0) {
        if (event->line.n > KEPT)
            shrink(filter);
        if (assign_parts(filter, table, event, &parts, error) != 0)
            return CDC_STEP_FAILED;
        result = CDC_STEP_CHANGED;
    }
    if (result == CDC_STEP_CHANGED)
        parts_append(out, event, &parts);
    return result;
}

static enum cdc_step_result take_schema(struct lite_filter *filter, const struct cdc_event *event, struct cdc_buf *out,
                                        struct cdc_error *error)
{
    struct sql_table *table;

    if (sql_tables_define(filter, event, &table, error) != 0)
        return CDC_STEP_FAILED;
    if (table->n_assignments == 0)
        return CDC_STEP_KEPT;
    assign_schema(out, table, event);
    return CDC_STEP_CHANGED;
}

/* Which rows the line is about is told by a column (cdc/part.h), whose values are computed anew: which they are then, the line does not
 * say. */
static enum cdc_step_result take_part(const struct lite_filter *filter, const struct sql_table *table,
                                      const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_part part;
    int got = cdc_part_read(&part, event, error);

    for (size_t i = 0; got == 1 && i < table->n_items; i++) {
        const struct sql_item *item = &filter->items.items[table->items[i]];
        if (item->kind != ITEM_SET || !cdc_json_raw_is(part.column, cdc_span_text(item->column)))
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "--set '%s': that column says of which table a row of \"%s\" is",
                      item->whole, table->source.id.table);
        cdc_error_hint(error, "use --add for a column of another name");
        return CDC_STEP_FAILED;
    }
    return got < 0 ? CDC_STEP_FAILED : CDC_STEP_KEPT;
}

static enum cdc_step_result take_event(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                       struct cdc_error *error)
{
    struct lite_filter *filter = state;

    if (event->table.p == NULL)
        return CDC_STEP_KEPT;
    struct sql_table *table = sql_tables_find(filter, event, error);
    if (table == NULL || (event->part.p != NULL && take_part(filter, table, event, error) == CDC_STEP_FAILED))
        return CDC_STEP_FAILED;
    if (event->op == CDC_OP_SCHEMA)
        return take_schema(filter, event, out, error);
    if (table->n_items == 0 || !cdc_event_has_row(event))
        return CDC_STEP_KEPT;
    return take_row(filter, table, event, out, error);
}

static size_t unmatched(void *state, bool more, struct cdc_buf *out)
{
    struct lite_filter *filter = state;
    size_t n = 0;

    for (size_t i = 0; i < filter->items.n; i++) {
        const struct sql_item *item = &filter->items.items[i];
        if (item->used || item->pattern == NULL)
            continue;
        cdc_buf_printf(out, "%s%s '%s'", more || n > 0 ? ", " : "", item->option, item->whole);
        n++;
    }
    return n;
}

static void say(struct cdc_buf *out, const char *what, const struct sql_item *item)
{
    cdc_buf_printf(out, "%s%s: %s", out->len > 0 ? "; " : "", what, item->text);
}

static enum cdc_step_clarity explain(void *state, const struct cdc_event *event, struct cdc_span column,
                                     struct cdc_buf *out)
{
    struct cdc_error ignored = {0};
    const struct sql_table *table = sql_tables_find(state, event, &ignored);

    if (table == NULL)
        return CDC_CLEAR_AS_BEFORE;
    for (size_t i = 0; column.p == NULL && i < table->n_conditions; i++)
        say(out, table->conditions[i].of_change ? "only changes where" : "only rows where", table->conditions[i].item);
    for (size_t i = 0; column.p != NULL && i < table->n_assignments; i++) {
        const struct sql_item *item = table->assignments[i].item;
        if (cdc_json_raw_is(column, cdc_span_text(item->column)))
            say(out, item->kind == ITEM_SET ? "set" : "added", item);
    }
    return CDC_CLEAR_AS_BEFORE;
}

struct cdc_filter_step lite_filter_step(struct lite_filter *filter)
{
    return (struct cdc_filter_step){.event = take_event, .unmatched = unmatched, .explain = explain, .state = filter};
}
