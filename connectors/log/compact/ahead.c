/* SPDX-License-Identifier: MIT */
/* A ring of blocks of whole lines: the thread fills them, and gets each back once the one after it is taken. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/log/compact/ahead.h"

#define BLOCKS 4
#define BLOCK ((size_t)1 << 19) /* so much is gathered, or one line that is longer */

struct block {
    struct cdc_buf text;
    size_t whole; /* bytes of whole lines: the next block begins with what is behind them */
    int result;   /* of the last read; 0 and -1: no block comes after it */
};

struct log_ahead {
    int (*read)(void *context, struct cdc_buf *out, struct cdc_error *error);
    void *context;
    struct block blocks[BLOCKS];
    struct cdc_error why; /* of the last block */
    /* Of who takes lines. */
    const struct block *block; /* in hand; NULL: none yet */
    size_t at;
    /* Of both. */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t filled, given_back; /* blocks so far */
    bool leaving;
};

/* -- the thread ------------------------------------------------------------------------- */

static void fill(struct log_ahead *ahead, struct block *block)
{
    struct cdc_buf *text = &block->text;

    block->whole = 0;
    do {
        size_t before = text->len;
        block->result = ahead->read(ahead->context, text, &ahead->why);
        const char *lf = text->len > before ? memrchr(text->data + before, '\n', text->len - before) : NULL;
        if (lf != NULL)
            block->whole = (size_t)(lf + 1 - text->data);
    } while (block->result > 0 && (block->whole == 0 || text->len < BLOCK));
    if (block->result == 0 && block->whole < text->len)
        block->result = cdc_error_set(&ahead->why, CDC_EXIT_CONFIG, "the last line has no end");
}

static bool may_fill(struct log_ahead *ahead)
{
    pthread_mutex_lock(&ahead->mutex);
    while (!ahead->leaving && ahead->filled - ahead->given_back == BLOCKS)
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    bool may = !ahead->leaving;
    pthread_mutex_unlock(&ahead->mutex);
    return may;
}

static void hand_over(struct log_ahead *ahead)
{
    pthread_mutex_lock(&ahead->mutex);
    ahead->filled++;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
}

static void *fill_blocks(void *context)
{
    struct log_ahead *ahead = context;
    static const struct block none = {.result = 1};
    const struct block *last = &none;

    for (size_t i = 0; last->result > 0 && may_fill(ahead); i++) {
        struct block *block = &ahead->blocks[i % BLOCKS];
        block->text.len = 0;
        if (last->text.len > last->whole)
            cdc_buf_append(&block->text, last->text.data + last->whole, last->text.len - last->whole);
        fill(ahead, block);
        if (block->text.failed)
            block->result = cdc_error_memory(&ahead->why);
        last = block;
        hand_over(ahead);
    }
    return NULL;
}

/* Signals are for the thread that takes. */
static int start(struct log_ahead *ahead, struct cdc_error *error)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&ahead->thread, NULL, fill_blocks, ahead);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number == 0 ? 0 : cdc_error_set(error, CDC_EXIT_INTERNAL, "cannot start a thread: %s", strerror(number));
}

struct log_ahead *log_ahead_new(int (*read)(void *context, struct cdc_buf *out, struct cdc_error *error), void *context,
                                struct cdc_error *error)
{
    struct log_ahead *ahead = calloc(1, sizeof *ahead);

    if (ahead == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    ahead->read = read;
    ahead->context = context;
    pthread_mutex_init(&ahead->mutex, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    if (start(ahead, error) == 0)
        return ahead;
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->mutex);
    free(ahead);
    return NULL;
}

void log_ahead_free(struct log_ahead *ahead)
{
    if (ahead == NULL)
        return;
    pthread_mutex_lock(&ahead->mutex);
    ahead->leaving = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
    pthread_join(ahead->thread, NULL);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->mutex);
    for (size_t i = 0; i < BLOCKS; i++)
        cdc_buf_free(&ahead->blocks[i].text);
    free(ahead);
}

/* -- taking ---------------------------------------------------------------------------------- */

/* 1; 0: the end; -1. */
static int next_block(struct log_ahead *ahead, struct cdc_error *error)
{
    const struct block *before = ahead->block;

    if (before != NULL && before->result < 0 && error != NULL)
        *error = ahead->why;
    if (before != NULL && before->result <= 0)
        return before->result;
    pthread_mutex_lock(&ahead->mutex);
    if (before != NULL) {
        ahead->given_back++;
        pthread_cond_signal(&ahead->changed);
    }
    while (ahead->filled == ahead->given_back)
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    ahead->block = &ahead->blocks[ahead->given_back % BLOCKS];
    pthread_mutex_unlock(&ahead->mutex);
    ahead->at = 0;
    return 1;
}

int log_ahead_line(struct log_ahead *ahead, struct cdc_span *line, struct cdc_error *error)
{
    while (ahead->block == NULL || ahead->at == ahead->block->whole) {
        int more = next_block(ahead, error);
        if (more <= 0)
            return more;
    }
    const char *p = ahead->block->text.data + ahead->at;
    const char *lf = memchr(p, '\n', ahead->block->whole - ahead->at);
    *line = cdc_span(p, (size_t)(lf - p));
    ahead->at += line->n + 1;
    return 1;
}
