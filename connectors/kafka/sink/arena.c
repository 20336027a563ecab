/* SPDX-License-Identifier: MIT */
/* Memory of a batch. The client sends from it without copying, so nothing in it moves; all of it is given up at once. */
#include <stdlib.h>

#include "connectors/kafka/sink/internal.h"

#define CHUNK ((size_t)1 << 20)

static void free_chunks(struct kafka_chunk *chunk)
{
    while (chunk != NULL) {
        struct kafka_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void kafka_arena_free(struct kafka_arena *arena)
{
    free_chunks(arena->first);
    free_chunks(arena->spare);
    *arena = (struct kafka_arena){NULL, NULL, NULL};
}

static struct kafka_chunk *new_chunk(struct kafka_arena *arena, size_t n)
{
    struct kafka_chunk *chunk = arena->spare;

    if (n <= CHUNK && chunk != NULL) {
        arena->spare = chunk->next;
    } else {
        size_t size = n > CHUNK ? n : CHUNK;
        chunk = malloc(sizeof *chunk + size);
        if (chunk == NULL)
            return NULL;
        chunk->size = size;
    }
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
        if (chunk->size == CHUNK) {
            chunk->next = arena->spare;
            arena->spare = chunk;
        } else {
            free(chunk);
        }
        chunk = next;
    }
    arena->last = mark.last;
    if (mark.last != NULL) {
        mark.last->next = NULL;
        mark.last->n = mark.n;
    } else {
        arena->first = NULL;
    }
}
