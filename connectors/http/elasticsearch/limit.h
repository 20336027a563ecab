/* SPDX-License-Identifier: MIT */
/* How large a request may be, where a server or a proxy before it refuses large ones (413, or 429 with too_large.c). Nobody says
 * what the limit is, and it may change: a proxy is set up anew, a server has its memory back.
 *
 *   refused     what was refused is the ceiling, and requests are half of it at the most
 *   taken       eight requests in a row, none of them small: an eighth more, up to seven eighths of the ceiling, so that what was
 *               refused is not sent again and again
 *   forgotten   after five minutes the ceiling counts no more, and sizes grow on, up to --batch-bytes. The next refusal makes a
 *               new ceiling, which is remembered for twice as long, an hour at the most
 *
 * So a limit that stays costs a few refused requests at first, and one an hour then; one that has gone is noticed. */
#ifndef ES_LIMIT_H
#define ES_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_limit {
    size_t now; /* bytes that a body may have, unless it is of one item */
    /* limit.c's own */
    size_t most;         /* of --batch-bytes */
    size_t ceiling;      /* 0: none */
    unsigned taken;      /* requests of that size since it changed */
    int64_t remember_ms; /* how long the ceiling counts */
    int64_t forget_at;   /* on the monotonic clock */
};

void es_limit_init(struct es_limit *limit, size_t most);
/* A request of n bytes, with more than one item, was refused. now_ms: of the monotonic clock. */
void es_limit_refused(struct es_limit *limit, size_t n, int64_t now_ms);
/* A request of n bytes was taken. Returns 1 when requests have their full size again by that, else 0. */
int es_limit_taken(struct es_limit *limit, size_t n, int64_t now_ms);

#endif
