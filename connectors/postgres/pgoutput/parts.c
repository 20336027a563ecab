/* SPDX-License-Identifier: MIT */
/* Tables that an attempt at the snapshot has not read again, or not whole, since sinks had stored what an earlier one had read
 * (snapshot/parts.c has the whole argument). Of them the log says what became of the rows from their own base on:
 *
 *   X ... V1 ... V2      base V1, edge V2: rows were read at V1, some of them at V2
 *     T1     T2     T3   T1 is in the rows, and omitted; T2 comes, and what it did to rows of V2 it does once more; T3 comes
 *
 * What T2 does is right in the end for each row that it has whole. A row that moves to another key and leaves out large values is not:
 * a reader takes these from the row with the old key, which may be another one by then. Such a table is to be read again. */
#include "connectors/postgres/pgoutput/internal.h"

#include <cdc/json.h>
#include <errno.h>
#include <stdlib.h>

void pg_parts_free(struct pgoutput *decoder)
{
    struct pg_parts *parts = &decoder->parts;
    for (size_t i = 0; i < parts->n_views; i++)
        pg_visible_clear(&parts->views[i].visible);
    for (size_t i = 0; i < parts->n; i++) {
        free(parts->items[i].schema);
        free(parts->items[i].table);
    }
    free(parts->views);
    free(parts->items);
    *parts = (struct pg_parts){.n = 0};
}

static size_t length_of(struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    size_t n = 0;
    cdc_json_iter_begin(&iter, array);
    while (array.p && cdc_json_next_element(&iter, &value))
        n++;
    return n;
}

static int read_views(struct pg_parts *parts, struct cdc_span array, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    parts->views = calloc(length_of(array) + 1, sizeof *parts->views);
    if (!parts->views)
        return cdc_error_memory(error);
    cdc_json_iter_begin(&iter, array);
    while (array.p && cdc_json_next_element(&iter, &value)) {
        struct pg_visible *visible = &parts->views[parts->n_views++].visible;
        /* Without a position it is the slot's own snapshot, and has seen nothing of the log. */
        if (cdc_json_member(value, "lsn").p && pg_visible_parse(visible, value, error) < 0)
            return -1;
    }
    return 0;
}

static bool read_item(struct pg_parts *parts, struct cdc_span object)
{
    struct pg_part *part = &parts->items[parts->n];
    int64_t base = -1, edge = -1;
    *part = (struct pg_part){.schema = cdc_json_member_text(object, "schema"),
                             .table = cdc_json_member_text(object, "table")};
    parts->n++;
    (void)cdc_json_int64(cdc_json_member(object, "base"), &base);
    (void)cdc_json_int64(cdc_json_member(object, "edge"), &edge);
    part->base = (size_t)base;
    part->edge = (size_t)edge;
    return part->schema && part->table && part->base < parts->n_views && part->edge < parts->n_views;
}

int pgoutput_set_parts(struct pgoutput *decoder, struct cdc_span read, struct cdc_error *error)
{
    struct pg_parts *parts = &decoder->parts;
    struct cdc_span array = read.p ? cdc_json_member(read, "parts") : read;
    struct cdc_json_iter iter;
    struct cdc_span object;
    pg_parts_free(decoder);
    if (!array.p)
        return 0;
    if (read_views(parts, cdc_json_member(read, "views"), error) < 0)
        return -1;
    parts->items = calloc(length_of(array) + 1, sizeof *parts->items);
    if (!parts->items)
        return cdc_error_memory(error);
    cdc_json_iter_begin(&iter, array);
    errno = 0;
    while (cdc_json_next_element(&iter, &object))
        if (!read_item(parts, object))
            return errno == ENOMEM
                       ? cdc_error_memory(error)
                       : cdc_error_set(error, CDC_EXIT_CONFIG, "what the snapshot keeps of the tables is damaged");
    return 0;
}

void pg_parts_begin(struct pgoutput *decoder)
{
    struct pg_parts *parts = &decoder->parts;
    for (size_t i = 0; i < parts->n_views; i++)
        parts->views[i].seen = pg_visible_has(&parts->views[i].visible, decoder->tx.final_lsn, decoder->tx.xid);
}

/* Of several of one table the last one holds. */
size_t pg_parts_of(const struct pgoutput *decoder, const struct pg_table *table)
{
    const struct pg_parts *parts = &decoder->parts;
    for (size_t i = parts->n; i > 0; i--)
        if (strcmp(parts->items[i - 1].table, table->name) == 0 &&
            strcmp(parts->items[i - 1].schema, table->schema) == 0)
            return i;
    return 0;
}

bool pg_parts_have(const struct pgoutput *decoder, const struct pg_table *table)
{
    const struct pg_parts *parts = &decoder->parts;
    if (table->part == 0)
        return decoder->tx.seen;
    return parts->views[parts->items[table->part - 1].base].seen;
}

bool pg_parts_may_lack(const struct pgoutput *decoder, const struct pg_table *table, char old_kind)
{
    const struct pg_parts *parts = &decoder->parts;
    if (table->part == 0 || old_kind == PG_OLD_NONE || old_kind == PG_OLD_WHOLE ||
        !parts->views[parts->items[table->part - 1].edge].seen)
        return false;
    for (size_t i = 0; i < table->n_columns; i++)
        if (decoder->cells[0][i].kind == 'u')
            return true;
    return false;
}
