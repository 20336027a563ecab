/* SPDX-License-Identifier: MIT */
/* No clock and no request: all that it goes by is given to it. */
#include "connectors/http/elasticsearch/limit.h"

#define IN_A_ROW 8
#define REMEMBER_MS ((int64_t)5 * 60 * 1000)
#define REMEMBER_MOST_MS ((int64_t)60 * 60 * 1000)

void es_limit_init(struct es_limit *limit, size_t most)
{
    *limit = (struct es_limit){.now = most, .most = most, .remember_ms = REMEMBER_MS};
}

void es_limit_refused(struct es_limit *limit, size_t n, int64_t now_ms)
{
    /* Not of what was under way when a smaller one was refused. */
    if (limit->ceiling != 0 && now_ms >= limit->forget_at) {
        limit->remember_ms = 2 * limit->remember_ms < REMEMBER_MOST_MS ? 2 * limit->remember_ms : REMEMBER_MOST_MS;
        limit->ceiling = 0;
    }
    if (limit->ceiling == 0 || n < limit->ceiling)
        limit->ceiling = n;
    limit->forget_at = now_ms + limit->remember_ms;
    if (n / 2 < limit->now)
        limit->now = n / 2;
    limit->taken = 0;
}

int es_limit_taken(struct es_limit *limit, size_t n, int64_t now_ms)
{
    if (limit->ceiling != 0 && n >= limit->ceiling) { /* it is no limit any more */
        limit->ceiling = 0;
        limit->remember_ms = REMEMBER_MS;
    }
    /* A small one says nothing about larger ones. With several under way they are cut by the length of their lines, of which the
     * documents are a part. */
    if (limit->now >= limit->most || n < limit->now / 4 || ++limit->taken < IN_A_ROW)
        return 0;
    bool counts = limit->ceiling != 0 && now_ms < limit->forget_at;
    size_t top = counts ? limit->ceiling / 8 * 7 : limit->most, next = limit->now + limit->now / 8 + 1;

    limit->taken = 0;
    if (next > top)
        next = top;
    if (next > limit->now)
        limit->now = next;
    return limit->now >= limit->most;
}
