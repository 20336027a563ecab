/* SPDX-License-Identifier: MIT */
/* Threads that read side by side what leaves in one order: chunk 1 is read by A, 2 by B, 3 by A again. Whoever has the turn writes;
 * the others keep what they have read. What belongs to the turn needs no lock of its own. */
#ifndef CDC_TURNS_H
#define CDC_TURNS_H

#include <cdc/error.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct cdc_turns {
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    uint64_t turn; /* number of a chunk */
    bool failed;
    struct cdc_error error; /* why */
};

void cdc_turns_init(struct cdc_turns *turns);
void cdc_turns_destroy(struct cdc_turns *turns);
/* Is it the turn of that number? wait: until it is. 1; 0: not yet; -1: another one has failed, and error says no more than that:
 * why is in turns->error. */
int cdc_turns_take(struct cdc_turns *turns, uint64_t number, bool wait, struct cdc_error *error);
/* The next number's turn. */
void cdc_turns_pass(struct cdc_turns *turns);
/* The first error is the one that is kept; threads that are interrupted for it have others. */
void cdc_turns_fail(struct cdc_turns *turns, const struct cdc_error *error);
/* What the others report: TEMPORARY. Always -1 */
int cdc_turns_another_failed(struct cdc_error *error);

#endif
