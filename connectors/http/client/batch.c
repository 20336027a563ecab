/* SPDX-License-Identifier: MIT */
/* What waits to be sent: copies of the lines, so that a refused one can be
 * handed back as it came, and what is to be done with each. */
#include <stdlib.h>

#include "connectors/http/internal.h"
#include <cdc/hash.h>

#define KEEP ((size_t)16 << 20)

int batch_init(struct batch *batch, size_t max_items, struct cdc_error *error)
{
    batch->cap = max_items;
    for (batch->seen_n = 64; batch->seen_n < 4 * max_items;)
        batch->seen_n *= 2;
    batch->items = malloc(max_items * sizeof *batch->items);
    batch->seen = calloc(batch->seen_n, sizeof *batch->seen);
    return batch->items != NULL && batch->seen != NULL ? 0 : cdc_error_memory(error);
}

void batch_free(struct batch *batch)
{
    cdc_buf_free(&batch->lines);
    cdc_buf_free(&batch->ids);
    free(batch->items);
    free(batch->seen);
}

void batch_clear(struct batch *batch)
{
    if (batch->n > 0)
        memset(batch->seen, 0, batch->seen_n * sizeof *batch->seen);
    batch->n = 0;
    batch->lines.len = batch->ids.len = 0;
    cdc_buf_shrink(&batch->lines, KEEP);
    cdc_buf_shrink(&batch->ids, KEEP);
}

struct item *batch_add(struct batch *batch, enum item_kind kind, struct cdc_span line)
{
    struct item *item = &batch->items[batch->n];

    memset(item, 0, sizeof *item);
    item->kind = kind;
    item->line = batch->lines.len;
    item->line_n = line.n;
    cdc_buf_span(&batch->lines, line);
    cdc_buf_byte(&batch->lines, '\n');
    if (batch->lines.failed)
        return NULL;
    batch->n++;
    return item;
}

struct cdc_span batch_line(const struct batch *batch, const struct item *item)
{
    return cdc_span(batch->lines.data + item->line, item->line_n);
}

static uint64_t hash(const struct es_table *table, struct cdc_span id)
{
    uint64_t h = cdc_hash_span((uint64_t)(uintptr_t)table ^ CDC_HASH_INIT, id);

    h ^= h >> 29;
    return h != 0 ? h : 1;
}

bool batch_seen(const struct batch *batch, const struct es_table *table, struct cdc_span id)
{
    uint64_t h = hash(table, id);

    for (size_t i = h; batch->seen[i & (batch->seen_n - 1)] != 0; i++)
        if (batch->seen[i & (batch->seen_n - 1)] == h)
            return true;
    return false;
}

/* At most two ids an item: the set never fills. */
void batch_see(struct batch *batch, const struct es_table *table, struct cdc_span id)
{
    uint64_t h = hash(table, id);
    size_t i = h;

    while (batch->seen[i & (batch->seen_n - 1)] != 0 && batch->seen[i & (batch->seen_n - 1)] != h)
        i++;
    batch->seen[i & (batch->seen_n - 1)] = h;
}
