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
    /* At least twice as many slots as ids, of which an item has two: a probe is short, and finds an empty slot. */
    for (batch->n_seen = 64; batch->n_seen < 4 * settings->most_lines;)
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

uint64_t es_batch_hash(const struct cdc_table *table, struct cdc_span id)
{
    /* By table: the _id 1 is in every index. */
    uint64_t h = cdc_hash_span((uint64_t)(uintptr_t)table ^ CDC_HASH_INIT, id);

    h ^= h >> 29;
    return h != 0 ? h : 1;
}

/* The slot of that hash, or the empty one where it belongs. At most two ids an item: the set never fills. */
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

struct es_seen *es_batch_seen(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    return slot_of(batch, es_batch_hash(table, id));
}

static void see_left(struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    uint64_t h = es_batch_hash(table, id);
    *slot_of(batch, h) = (struct es_seen){.hash = h, .vacated = true};
}

static void see_written(struct es_batch *batch, const struct es_item *item, struct cdc_span id, size_t writer)
{
    uint64_t h = es_batch_hash(item->table, id);
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
