/* SPDX-License-Identifier: MIT */
/* The list of what sinks may have stored (parts.c), and as the offset file keeps it. For instance
 *      "read":{"views":[{"xids":"750:760:755"},{"lsn":"0/16B3748","xids":"771:771:"}],"parts":[{"schema":"public","table":"t",
 *       "form":"7EE4E0573FE7E96E","base":0,"edge":1,"upto":7616,"pos":"..."}],"sinks":["/var/lib/shop/cdc-sink-sqlite.offset"]} */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/json.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void pg_snapshot_part_free(struct snapshot_part *part)
{
    free(part->schema);
    free(part->table);
}

void pg_snapshot_parts_clear(struct snapshot_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++)
        pg_snapshot_part_free(&parts->items[i]);
    for (size_t i = 0; i < parts->n_views; i++)
        free(parts->views[i]);
    free(parts->items);
    free(parts->views);
    free(parts->sinks);
    *parts = (struct snapshot_parts){.n = 0};
}

struct snapshot_part *pg_snapshot_parts_add(struct snapshot_parts *parts)
{
    if (parts->n == parts->capacity) {
        size_t capacity = parts->capacity ? parts->capacity * 2 : 16;
        struct snapshot_part *items = realloc(parts->items, capacity * sizeof *items);
        if (!items)
            return NULL;
        parts->items = items;
        parts->capacity = capacity;
    }
    struct snapshot_part *part = &parts->items[parts->n++];
    *part = (struct snapshot_part){.schema = NULL};
    return part;
}

size_t pg_snapshot_parts_add_view(struct snapshot_parts *parts, char *view)
{
    char **views = view ? realloc(parts->views, (parts->n_views + 1) * sizeof *views) : NULL;
    if (!views) {
        free(view);
        return 0;
    }
    parts->views = views;
    views[parts->n_views++] = view;
    return parts->n_views;
}

static bool read_part(struct snapshot_parts *parts, struct cdc_span object)
{
    struct snapshot_part *part = pg_snapshot_parts_add(parts);
    int64_t base = -1, edge = -1, upto = -1;
    if (!part)
        return false;
    struct cdc_span blocks = cdc_json_member(object, "upto");
    part->schema = cdc_json_member_text(object, "schema");
    part->table = cdc_json_member_text(object, "table");
    part->whole = !blocks.p;
    bool good = part->schema && part->table && cdc_json_member_copy(object, "form", part->form, sizeof part->form) &&
                cdc_json_member_copy(object, "pos", part->pos, sizeof part->pos) &&
                cdc_json_int64(cdc_json_member(object, "base"), &base) &&
                cdc_json_int64(cdc_json_member(object, "edge"), &edge) &&
                (part->whole || cdc_json_int64(blocks, &upto));
    part->base = (size_t)base;
    part->edge = (size_t)edge;
    part->upto = (uint64_t)upto;
    return good && part->base < parts->n_views && part->edge < parts->n_views;
}

bool pg_snapshot_parts_read(struct snapshot_parts *parts, struct cdc_span read)
{
    struct cdc_json_iter iter;
    struct cdc_span value, sinks = read.p ? cdc_json_member(read, "sinks") : read;
    pg_snapshot_parts_clear(parts);
    if (!read.p)
        return true;
    if (sinks.p && !(parts->sinks = cdc_span_copy(sinks)))
        return false;
    cdc_json_iter_begin(&iter, cdc_json_member(read, "views"));
    while (cdc_json_next_element(&iter, &value))
        if (pg_snapshot_parts_add_view(parts, cdc_span_copy(value)) == 0)
            return false;
    cdc_json_iter_begin(&iter, cdc_json_member(read, "parts"));
    while (cdc_json_next_element(&iter, &value))
        if (!read_part(parts, value))
            return false;
    return true;
}

static void append_text(struct cdc_buf *out, const char *name, const char *text)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, text, strlen(text));
}

/* Once all is stored the stream needs to know of those alone that were not read whole in the last attempt. */
void pg_snapshot_parts_append(struct cdc_buf *out, const struct snapshot_parts *parts, bool finished)
{
    bool any = false;
    for (size_t i = 0; i < parts->n; i++)
        any |= !finished || parts->items[i].base + 1 != parts->n_views;
    if (!any)
        return;
    cdc_buf_lit(out, ",\"read\":{\"views\":[");
    for (size_t i = 0; i < parts->n_views; i++) {
        cdc_buf_text(out, i ? "," : "");
        cdc_buf_text(out, parts->views[i]);
    }
    cdc_buf_lit(out, "],\"parts\":[");
    bool first = true;
    for (size_t i = 0; i < parts->n; i++) {
        const struct snapshot_part *part = &parts->items[i];
        if (finished && part->base + 1 == parts->n_views)
            continue;
        append_text(out, first ? "{\"schema\":" : ",{\"schema\":", part->schema);
        append_text(out, ",\"table\":", part->table);
        cdc_buf_printf(out, ",\"form\":\"%s\",\"base\":%zu,\"edge\":%zu", part->form, part->base, part->edge);
        if (!part->whole)
            cdc_buf_printf(out, ",\"upto\":%" PRIu64, part->upto);
        cdc_buf_printf(out, ",\"pos\":\"%s\"}", part->pos);
        first = false;
    }
    cdc_buf_lit(out, "]");
    if (parts->sinks)
        cdc_buf_printf(out, ",\"sinks\":%s", parts->sinks);
    cdc_buf_lit(out, "}");
}

bool pg_snapshot_parts_lack_sink(const struct snapshot_run *run)
{
    return run->state.parts.sinks && cdc_acks_have_other(run->acks, run->state.parts.sinks);
}
