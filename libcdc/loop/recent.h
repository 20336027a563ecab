/* SPDX-License-Identifier: MIT */
/* Which rows have gone to the destination lately, in which line of the input: a destination may refuse a line long after it took it in,
 * when newer ones of the same row are on their way already. */
#ifndef LOOP_RECENT_H
#define LOOP_RECENT_H

#include <stdint.h>

struct recent;
struct recent_line {
    uint64_t number, lacks; /* lacks: a hash of the columns that it does not have; 0: it has all */
    uint64_t away;          /* the newest line that took the row to another key, and did not have all of it; 0: none */
    uint64_t previous;      /* the line of the row before this one; 0: none is known. It is filled in by recent_note */
};

/* RETURNS NEW; NULL: no memory. */
struct recent *recent_new(void);
void recent_free(struct recent *recent);
/* The line is the newest one of the row with that key, by its hash. */
void recent_note(struct recent *recent, uint64_t key, const struct recent_line *line);
/* The newest line of that row after the line of that number. 1; 0: there is none; -1: nobody knows any more. */
int recent_find(const struct recent *recent, uint64_t key, uint64_t number, struct recent_line *line);
/* The line of that row right before the one of that number; 0: there is none, or nobody knows any more. Of lines that take the row to
 * another key nothing is known here. */
uint64_t recent_before(const struct recent *recent, uint64_t key, uint64_t number);

#endif
