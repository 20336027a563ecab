/* SPDX-License-Identifier: MIT */
/* The table has places alone, each with some bits of the hash. A key that finds no free slot near its own is not known, and so are all
 * of its records until the table is emptied: no slot gets free before that. */
#include <stdlib.h>
#include <string.h>

#include "connectors/log/compact/latest.h"

#define WAITING 16 /* a power of two */
#define LOOKED_UP 8
#define PROBES 16
#define LEAST_SLOTS 16
#define UNIT 8 /* bytes: records begin at multiples */

struct slot {
    uint32_t tag;
    uint32_t place; /* in units, plus 1; 0: free */
};

struct log_latest {
    log_sorter_newer *newer;
    void *context;
    struct slot *slots;
    size_t n;                     /* a power of two */
    size_t added, settled, bytes; /* records so far; bytes of those between */
    uint64_t waiting[WAITING][LOG_LATEST_RECORD / 8];
};

struct log_latest *log_latest_new(size_t memory, log_sorter_newer *newer, void *context)
{
    struct log_latest *latest = calloc(1, sizeof *latest);
    size_t n = LEAST_SLOTS;

    if (latest == NULL)
        return NULL;
    while (2 * n * sizeof *latest->slots <= memory)
        n *= 2;
    *latest = (struct log_latest){.newer = newer, .context = context, .n = n};
    latest->slots = log_large_new(n * sizeof *latest->slots);
    if (latest->slots == NULL) {
        free(latest);
        return NULL;
    }
    log_latest_forget(latest);
    return latest;
}

void log_latest_free(struct log_latest *latest)
{
    if (latest == NULL)
        return;
    free(latest->slots);
    free(latest);
}

void log_latest_forget(struct log_latest *latest)
{
    memset(latest->slots, 0, latest->n * sizeof *latest->slots);
}

size_t log_latest_bytes(const struct log_latest *latest)
{
    return latest->bytes;
}

size_t log_latest_waiting(const struct log_latest *latest)
{
    return latest->added - latest->settled;
}

bool log_latest_is_full(const struct log_latest *latest)
{
    return latest->added - latest->settled == WAITING;
}

/* -- the table --------------------------------------------------------------------------- */

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static struct slot *slot_of(const struct log_latest *latest, uint64_t hash, size_t probe)
{
    return &latest->slots[(hash + probe) & (latest->n - 1)];
}

static bool is_same_key(const struct log_header *a, const struct log_header *b)
{
    return a->first == b->first && a->key_n == b->key_n && a->data_n == b->data_n &&
           memcmp(a + 1, b + 1, a->key_n) == 0;
}

static size_t place_of(const struct slot *slot)
{
    return (size_t)(slot->place - 1) * UNIT;
}

/* The slot of the key, or a free one for it; NULL: there is none. */
static struct slot *find(const struct log_latest *latest, const struct log_header *header, const char *block)
{
    for (size_t probe = 0; probe < PROBES; probe++) {
        struct slot *slot = slot_of(latest, header->first, probe);
        if (slot->place == 0 ||
            (slot->tag == tag_of(header->first) && is_same_key(header, log_header_at(block, place_of(slot)))))
            return slot;
    }
    return NULL;
}

/* Its record will be read soon. */
static void fetch_record(const struct log_latest *latest, const struct log_header *header, const char *block)
{
    for (size_t probe = 0; probe < PROBES; probe++) {
        const struct slot *slot = slot_of(latest, header->first, probe);
        if (slot->place == 0)
            return;
        if (slot->tag == tag_of(header->first)) {
            __builtin_prefetch(block + place_of(slot));
            __builtin_prefetch(block + place_of(slot) + sizeof *header + header->key_n + header->data_n - 1);
            return;
        }
    }
}

/* -- waiting -------------------------------------------------------------------------------- */

static struct log_header *waiting_at(struct log_latest *latest, size_t i)
{
    return (struct log_header *)(void *)latest->waiting[i % WAITING];
}

void log_latest_wait(struct log_latest *latest, const struct log_record *record, const char *block)
{
    latest->bytes += log_header_put((char *)waiting_at(latest, latest->added), record);
    __builtin_prefetch(slot_of(latest, record->first, 0));
    latest->added++;
    if (latest->added - latest->settled > LOOKED_UP)
        fetch_record(latest, waiting_at(latest, latest->added - 1 - LOOKED_UP), block);
}

const struct log_header *log_latest_settle(struct log_latest *latest, char *block, size_t at)
{
    struct log_header *header = waiting_at(latest, latest->settled++);
    struct slot *slot = find(latest, header, block);
    bool known = slot != NULL && slot->place != 0;
    char *data = (char *)(header + 1) + header->key_n;

    latest->bytes -= log_header_size(header);
    const struct log_header *older = known ? log_header_at(block, place_of(slot)) : NULL;
    if (latest->newer(latest->context, header->second, known ? (const char *)(older + 1) + older->key_n : NULL, data)) {
        memcpy(block + place_of(slot), header, log_header_size(header));
        return NULL;
    }
    if (slot != NULL && at / UNIT < UINT32_MAX - 1)
        *slot = (struct slot){tag_of(header->first), (uint32_t)(at / UNIT) + 1};
    return header;
}
