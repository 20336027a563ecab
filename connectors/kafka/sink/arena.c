/* SPDX-License-Identifier: MIT */
/* Memory of a batch. The client sends from it without copying, so nothing in it moves; all of it is given up at once. */
#include <stdlib.h>
#include <sys/mman.h>

#include "connectors/kafka/sink/internal.h"

#define CHUNK ((size_t)1 << 20)
#define HEAP ((size_t)16 << 20) /* with a spool: no more than that in memory */
#define PAGES ((size_t)1 << 16) /* a multiple of any page's size */

static size_t size_of(const struct kafka_chunk *chunk)
{
    return sizeof *chunk + chunk->size;
}

static void free_chunk(struct kafka_arena *arena, struct kafka_chunk *chunk)
{
    if (chunk->mapped) {
        munmap(chunk, size_of(chunk));
    } else {
        arena->heap -= chunk->size;
        free(chunk);
    }
}

static void free_chunks(struct kafka_arena *arena, struct kafka_chunk *chunk)
{
    while (chunk != NULL) {
        struct kafka_chunk *next = chunk->next;
        free_chunk(arena, chunk);
        chunk = next;
    }
}

void kafka_arena_free(struct kafka_arena *arena)
{
    free_chunks(arena, arena->first);
    free_chunks(arena, arena->spare);
    kafka_spool_close(&arena->spool);
    *arena = (struct kafka_arena){NULL, NULL, NULL, 0, {.folder = NULL}};
}

static struct kafka_chunk *map_chunk(struct kafka_arena *arena, size_t n)
{
    size_t size = (sizeof(struct kafka_chunk) + n + PAGES - 1) / PAGES * PAGES;
    struct kafka_chunk *chunk = kafka_spool_map(&arena->spool, size);

    if (chunk == NULL)
        return NULL;
    chunk->size = size - sizeof *chunk;
    chunk->mapped = true;
    if (arena->last != NULL && arena->last->mapped) /* it is full */
        kafka_spool_let_go(arena->last, size_of(arena->last));
    return chunk;
}

static struct kafka_chunk *allocate_chunk(struct kafka_arena *arena, size_t n)
{
    size_t size = n > CHUNK ? n : CHUNK;

    if (arena->spool.folder != NULL && arena->heap + size > HEAP)
        return map_chunk(arena, size);
    struct kafka_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    chunk->mapped = false;
    arena->heap += size;
    return chunk;
}

static struct kafka_chunk *new_chunk(struct kafka_arena *arena, size_t n)
{
    struct kafka_chunk *chunk = arena->spare;

    if (n <= CHUNK && chunk != NULL)
        arena->spare = chunk->next;
    else if ((chunk = allocate_chunk(arena, n)) == NULL)
        return NULL;
    chunk->n = 0;
    chunk->next = NULL;
    return chunk;
}

const char *kafka_arena_put(struct kafka_arena *arena, const void *data, size_t n)
{
    struct kafka_chunk *chunk = arena->last;
    size_t room = (n + 7) & ~(size_t)7; /* what comes next is aligned */

    if (chunk == NULL || chunk->size - chunk->n < room) {
        chunk = new_chunk(arena, room > 0 ? room : 8);
        if (chunk == NULL)
            return NULL;
        if (arena->last != NULL)
            arena->last->next = chunk;
        else
            arena->first = chunk;
        arena->last = chunk;
    }
    char *at = chunk->data + chunk->n;
    if (n > 0)
        memcpy(at, data, n);
    chunk->n += room;
    return at;
}

struct kafka_arena_mark kafka_arena_here(const struct kafka_arena *arena)
{
    return (struct kafka_arena_mark){arena->last, arena->last != NULL ? arena->last->n : 0};
}

void kafka_arena_rewind(struct kafka_arena *arena, struct kafka_arena_mark mark)
{
    struct kafka_chunk *chunk = mark.last != NULL ? mark.last->next : arena->first;

    while (chunk != NULL) {
        struct kafka_chunk *next = chunk->next;
        if (!chunk->mapped && chunk->size == CHUNK) {
            chunk->next = arena->spare;
            arena->spare = chunk;
        } else {
            free_chunk(arena, chunk);
        }
        chunk = next;
    }
    arena->last = mark.last;
    if (mark.last != NULL) {
        mark.last->next = NULL;
        mark.last->n = mark.n;
    } else {
        arena->first = NULL;
        kafka_spool_empty(&arena->spool);
    }
}

void kafka_arena_let_go(struct kafka_arena *arena)
{
    for (struct kafka_chunk *chunk = arena->first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        if (chunk->mapped)
            kafka_spool_let_go(chunk, size_of(chunk));
    }
}
