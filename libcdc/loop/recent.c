/* SPDX-License-Identifier: MIT */
/* A table of fixed size. A row has its place in a few slots from where its hash says, and takes that of the oldest line there when all are
 * taken: of that row nobody knows any more. So the newest line that was put out so is kept, too. What a destination has in hand is a
 * small part of the table, and is hardly ever put out. */
#include "libcdc/loop/recent.h"

#include <stdlib.h>

#include <cdc/hash.h>

#define BITS 18
#define SLOTS ((size_t)1 << BITS)
#define PROBES 8
#define STEPS ((size_t)1 << 16) /* lines behind the newest one of which it is known which one was before them */

struct slot {
    uint64_t key;
    struct recent_line line; /* number 0: empty */
};
/* A line, and the one of its row right before it. */
struct step {
    uint64_t key, number, before;
};
struct recent {
    struct slot slots[SLOTS];
    struct step steps[STEPS]; /* by the number of the line */
    uint64_t put_out;         /* the newest number */
};

struct recent *recent_new(void)
{
    return calloc(1, sizeof(struct recent));
}

void recent_free(struct recent *recent)
{
    free(recent);
}

static size_t slot_of(uint64_t key, size_t i)
{
    return (cdc_hash_fold(key) + i) & (SLOTS - 1);
}

/* What is known of the row, and one more line of it. */
static void merge(struct recent_line *known, const struct recent_line *line)
{
    uint64_t away = line->away > known->away ? line->away : known->away, previous = known->number;

    if (line->number > known->number) {
        *known = *line;
        known->previous = previous;
    } else if (line->number < known->number && line->number > known->previous) { /* one that was held */
        known->previous = line->number;
    }
    known->away = away;
}

static struct step *step_of(struct recent *recent, uint64_t number)
{
    return &recent->steps[number & (STEPS - 1)];
}

/* A line that was held comes after newer ones: what was before these is not told any more. */
static void note_step(struct recent *recent, uint64_t key, const struct recent_line *known,
                      const struct recent_line *line)
{
    if (line->number > known->number) {
        *step_of(recent, line->number) = (struct step){key, line->number, known->number};
    } else {
        step_of(recent, known->number)->number = 0;
        step_of(recent, known->previous)->number = 0;
    }
}

uint64_t recent_before(const struct recent *recent, uint64_t key, uint64_t number)
{
    const struct step *step = &recent->steps[number & (STEPS - 1)];

    return step->number == number && step->key == key ? step->before : 0;
}

void recent_note(struct recent *recent, uint64_t key, const struct recent_line *line)
{
    struct slot *oldest = NULL;

    for (size_t i = 0; i < PROBES; i++) {
        struct slot *slot = &recent->slots[slot_of(key, i)];
        if (slot->line.number != 0 && slot->key == key) {
            note_step(recent, key, &slot->line, line);
            merge(&slot->line, line);
            return;
        }
        if (oldest == NULL || slot->line.number < oldest->line.number)
            oldest = slot;
    }
    if (oldest->line.number > recent->put_out)
        recent->put_out = oldest->line.number;
    *oldest = (struct slot){key, *line};
}

int recent_find(const struct recent *recent, uint64_t key, uint64_t number, struct recent_line *line)
{
    for (size_t i = 0; i < PROBES; i++) {
        const struct slot *slot = &recent->slots[slot_of(key, i)];
        if (slot->line.number == 0 || slot->key != key)
            continue;
        *line = slot->line;
        return slot->line.number > number;
    }
    return recent->put_out > number ? -1 : 0;
}
