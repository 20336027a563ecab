/* SPDX-License-Identifier: MIT */
/* What waits to be sent, and under which _id. The set of ids answers one question: may this line be sent in the same
 * request as what the batch has already? Only their hashes are kept; should two ids have one hash, a batch is sent a
 * little early. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"
#include <cdc/hash.h>

int es_batch_init(struct es_batch *batch, const struct es_settings *settings, struct cdc_error *error)
{
    batch->number = 1;
    batch->plain = true;
    if (http_batch_init(&batch->lines, settings->most_lines, settings->most_bytes, error) != 0)
        return -1;
    /* At least twice as many slots as ids, of which an item has two, and two more where there is a routing: a probe is short, and
     * finds an empty slot. */
    size_t wanted = (settings->routing.count > 0 ? 8 : 4) * settings->most_lines;
    for (batch->n_seen = 64; batch->n_seen < wanted;)
        batch->n_seen *= 2;
    batch->items = malloc(settings->most_lines * sizeof *batch->items);
    batch->seen = calloc(batch->n_seen, sizeof *batch->seen);
    return batch->items != NULL && batch->seen != NULL ? 0 : cdc_error_memory(error);
}

void es_batch_free(struct es_batch *batch)
{
    http_batch_free(&batch->lines);
    cdc_buf_free(&batch->ids);
    free(batch->items);
    free(batch->seen);
}

void es_batch_clear(struct es_batch *batch)
{
    if (batch->lines.n > 0)
        memset(batch->seen, 0, batch->n_seen * sizeof *batch->seen);
    http_batch_clear(&batch->lines);
    batch->number++;
    batch->plain = true;
    batch->ids.len = 0;
    cdc_buf_shrink(&batch->ids, HTTP_BATCH_KEEP);
}

/* By table: the _id 1 is in every index. */
static uint64_t begin_hash(const struct cdc_table *table)
{
    return (uint64_t)(uintptr_t)table ^ CDC_HASH_INIT;
}

static uint64_t end_hash(uint64_t h)
{
    h ^= h >> 29;
    return h != 0 ? h : 1;
}

uint64_t es_batch_hash(const struct cdc_table *table, struct cdc_span id)
{
    return end_hash(cdc_hash_span(begin_hash(table), id));
}

/* Of an _id under whatever routing: as an address with an empty one, which there is not. */
static uint64_t hash_any(const struct cdc_table *table, struct cdc_span id)
{
    return end_hash(cdc_hash_byte(cdc_hash_span(begin_hash(table), es_routing_id(id)), 0xff));
}

static bool is_routed(const struct cdc_table *table)
{
    return ((const struct es_table *)table)->routing != NULL;
}

/* The slot of that hash, or the empty one where it belongs. The set never fills. */
static struct es_seen *slot_of(const struct es_batch *batch, uint64_t h)
{
    size_t i = h;

    while (batch->seen[i & (batch->n_seen - 1)].hash != 0 && batch->seen[i & (batch->n_seen - 1)].hash != h)
        i++;
    return &batch->seen[i & (batch->n_seen - 1)];
}

bool es_batch_has_seen(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    return slot_of(batch, es_batch_hash(table, id))->hash != 0;
}

const struct es_item *es_batch_writer(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    const struct es_seen *slot = slot_of(batch, es_batch_hash(table, id));

    if (slot->writer == 0)
        return NULL;
    const struct es_item *item = &batch->items[slot->writer - 1];
    return item->table == table && cdc_span_equal(es_batch_id(batch, item), id) ? item : NULL;
}

bool es_batch_has_seen_any(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    return is_routed(table) && slot_of(batch, hash_any(table, id))->hash != 0;
}

struct es_item *es_batch_writer_of_any(struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    const struct es_seen *slot = is_routed(table) ? slot_of(batch, hash_any(table, id)) : NULL;

    if (slot == NULL || slot->writer == 0)
        return NULL;
    struct es_item *item = &batch->items[slot->writer - 1];
    bool same = item->table == table && cdc_span_equal(es_routing_id(es_batch_id(batch, item)), es_routing_id(id));
    return same ? item : NULL;
}

bool es_batch_was_left(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    return slot_of(batch, es_batch_hash(table, id))->vacated ||
           (is_routed(table) && slot_of(batch, hash_any(table, id))->vacated);
}

struct es_seen *es_batch_seen(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    return slot_of(batch, es_batch_hash(table, id));
}

static void note_left(struct es_batch *batch, uint64_t h)
{
    *slot_of(batch, h) = (struct es_seen){.hash = h, .vacated = true};
}

static void see_left(struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    note_left(batch, es_batch_hash(table, id));
    if (is_routed(table))
        note_left(batch, hash_any(table, id));
}

static void note_written(struct es_batch *batch, const struct es_item *item, uint64_t h, size_t writer)
{
    struct es_seen *slot = slot_of(batch, h);
    /* At the end of a transaction one row has a key. */
    bool same = slot->writer != 0 && batch->items[slot->writer - 1].seq == item->seq;
    uint8_t rows = slot->writer == 0 ? 0 : same ? slot->rows : 1;
    bool counts = item->arrived ? rows < UINT8_MAX : rows == 0;

    *slot = (struct es_seen){.hash = h,
                             .writer = (uint32_t)writer,
                             .rows = counts ? rows + 1 : rows,
                             .arrived = item->arrived || (same && slot->arrived),
                             .vacated = slot->vacated};
}

static void see_written(struct es_batch *batch, const struct es_item *item, struct cdc_span id, size_t writer)
{
    note_written(batch, item, es_batch_hash(item->table, id), writer);
    if (is_routed(item->table))
        note_written(batch, item, hash_any(item->table, id), writer);
}

int es_batch_add(struct es_batch *batch, struct cdc_span line, uint64_t number, const struct es_item *item,
                 const char *ids, struct cdc_error *error)
{
    struct es_item *new = &batch->items[batch->lines.n];

    if (http_batch_add(&batch->lines, line, number, error) != 0)
        return -1;
    *new = *item;
    new->id = batch->ids.len;
    cdc_buf_append(&batch->ids, ids, item->id_n + item->old_n);
    if (batch->ids.failed)
        return cdc_error_memory(error);
    if (item->old_n > 0)
        see_left(batch, item->table, cdc_span(ids + item->id_n, item->old_n));
    if (item->kind == ES_DELETE)
        see_left(batch, item->table, cdc_span(ids, item->id_n));
    else /* http_batch_add has counted it already, so that its number is what a slot keeps: the index plus 1. */
        see_written(batch, item, cdc_span(ids, item->id_n), batch->lines.n);
    return 0;
}

struct cdc_span es_batch_id(const struct es_batch *batch, const struct es_item *item)
{
    return cdc_span(batch->ids.data + item->id, item->id_n);
}

struct cdc_span es_batch_old_id(const struct es_batch *batch, const struct es_item *item)
{
    return cdc_span(batch->ids.data + item->id + item->id_n, item->old_n);
}
