/* SPDX-License-Identifier: MIT */
/* Which ids were written by the open transaction in requests before this one. A set of fixed size that may say yes wrongly, and
 * never no: each id sets four of eight million bits. After a million ids one of forty others passes for written; then a document
 * is looked at in vain. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"
#include <cdc/retry.h>

#define BITS ((uint64_t)1 << 23)
#define PROBES 4
#define PAGE_BYTES (BITS / 8 / ES_WRITTEN_PAGES)

int es_written_init(struct es_written *written, struct cdc_error *error)
{
    written->bits = calloc(BITS / 8, 1);
    /* Of each run its own: a wrong answer is not given again. */
    written->seed = (uint64_t)cdc_clock_wall_ms() * UINT64_C(0x9E3779B97F4A7C15);
    return written->bits != NULL ? 0 : cdc_error_memory(error);
}

void es_written_free(struct es_written *written)
{
    free(written->bits);
}

static void clear(struct es_written *written)
{
    for (size_t i = 0; i < ES_WRITTEN_PAGES; i++)
        if (written->pages[i])
            memset(written->bits + i * PAGE_BYTES, 0, PAGE_BYTES);
    memset(written->pages, 0, sizeof written->pages);
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return h ^ h >> 32;
}

static void add(struct es_written *written, uint64_t hash)
{
    for (uint64_t h = mix(hash ^ written->seed), step = mix(h) | 1, i = 0; i < PROBES; i++, h += step) {
        uint64_t bit = h & (BITS - 1);
        written->bits[bit / 8] |= (uint8_t)(1 << bit % 8);
        written->pages[bit / 8 / PAGE_BYTES] = true;
    }
}

void es_written_note(struct es_written *written, const struct es_batch *batch)
{
    if (batch->lines.n == 0)
        return;
    int64_t seq = batch->items[batch->lines.n - 1].seq; /* the others are complete */
    if (written->seq != seq)
        clear(written);
    written->seq = seq;
    for (size_t i = batch->lines.n; i-- > 0 && batch->items[i].seq == seq;)
        if (batch->items[i].kind != ES_DELETE)
            add(written, es_batch_hash(batch->items[i].table, es_batch_id(batch, &batch->items[i])));
}

bool es_written_has(const struct es_written *written, const struct cdc_table *table, struct cdc_span id, int64_t seq)
{
    if (written->seq != seq)
        return false;
    uint64_t h = mix(es_batch_hash(table, id) ^ written->seed), step = mix(h) | 1;
    for (int i = 0; i < PROBES; i++, h += step) {
        uint64_t bit = h & (BITS - 1);
        if (!(written->bits[bit / 8] & 1 << bit % 8))
            return false;
    }
    return true;
}
