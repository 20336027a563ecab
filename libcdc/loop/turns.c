/* SPDX-License-Identifier: MIT */
/* Whose turn it is to write. */
#include <cdc/turns.h>

void cdc_turns_init(struct cdc_turns *turns)
{
    *turns = (struct cdc_turns){.turn = 1};
    pthread_mutex_init(&turns->mutex, NULL);
    pthread_cond_init(&turns->turned, NULL);
}

void cdc_turns_destroy(struct cdc_turns *turns)
{
    pthread_mutex_destroy(&turns->mutex);
    pthread_cond_destroy(&turns->turned);
}

int cdc_turns_another_failed(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "another session of the snapshot failed");
}

int cdc_turns_take(struct cdc_turns *turns, uint64_t number, bool wait, struct cdc_error *error)
{
    pthread_mutex_lock(&turns->mutex);
    while (wait && !turns->failed && turns->turn != number)
        pthread_cond_wait(&turns->turned, &turns->mutex);
    bool failed = turns->failed;
    int result = turns->turn == number;
    pthread_mutex_unlock(&turns->mutex);
    return failed ? cdc_turns_another_failed(error) : result;
}

void cdc_turns_pass(struct cdc_turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    turns->turn++;
    pthread_cond_broadcast(&turns->turned);
    pthread_mutex_unlock(&turns->mutex);
}

void cdc_turns_fail(struct cdc_turns *turns, const struct cdc_error *error)
{
    pthread_mutex_lock(&turns->mutex);
    if (!turns->failed)
        turns->error = *error;
    turns->failed = true;
    pthread_cond_broadcast(&turns->turned);
    pthread_mutex_unlock(&turns->mutex);
}
