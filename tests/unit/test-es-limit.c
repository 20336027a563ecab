/* SPDX-License-Identifier: MIT */
/* How large requests are against a server with a limit that nobody says, and that may change. */
#include <stdio.h>

#include "connectors/http/elasticsearch/limit.h"

static int failures;

static void is(const char *what, bool right, const struct es_limit *limit)
{
    if (right)
        return;
    printf("%s: %zu bytes now\n", what, limit->now);
    failures++;
}

/* A second each: as much as may be is sent to a server with that limit. Returns how many were refused. */
static int send(struct es_limit *limit, size_t most, int requests, int64_t *now_ms)
{
    int refused = 0;

    for (int i = 0; i < requests; i++, *now_ms += 1000) {
        if (limit->now > most) {
            es_limit_refused(limit, limit->now, *now_ms);
            refused++;
        } else {
            (void)es_limit_taken(limit, limit->now, *now_ms);
        }
    }
    return refused;
}

/* A limit that stays, whatever it is: some refused requests at first, then few an hour, and of about its size. */
static void stays(size_t most)
{
    struct es_limit limit;
    int64_t now_ms = 1;

    es_limit_init(&limit, 5 << 20);
    is("at first", send(&limit, most, 200, &now_ms) <= 16, &limit);
    is("near the limit", limit.now <= most && limit.now >= most / 2, &limit);
    is("in an hour", send(&limit, most, 3600, &now_ms) <= 8, &limit);
    is("in the hour after", send(&limit, most, 3600, &now_ms) <= 3, &limit);
    is("in a day", send(&limit, most, 24 * 3600, &now_ms) <= 26, &limit);
    is("near the limit after a day", limit.now <= most && limit.now >= most / 4, &limit);
}

/* It has gone: the full size again, which is told once, and all is as at the start. */
static void goes(void)
{
    struct es_limit limit;
    int64_t now_ms = 1;
    int told = 0;

    es_limit_init(&limit, 5 << 20);
    send(&limit, 100000, 100, &now_ms);
    is("small", limit.now <= 100000, &limit);
    for (int i = 0; i < 3600; i++, now_ms += 1000)
        told += es_limit_taken(&limit, limit.now, now_ms);
    is("told once", told == 1, &limit);
    is("the full size", limit.now == 5 << 20, &limit);
}

int main(void)
{
    struct es_limit limit;

    stays(1000);
    stays(300 << 10);
    stays((5 << 20) - 1);
    goes();

    /* Several under way: what was larger than those of today says nothing new. */
    es_limit_init(&limit, 1000);
    es_limit_refused(&limit, 1000, 1);
    es_limit_refused(&limit, 400, 1);
    es_limit_refused(&limit, 900, 1);
    is("the smallest", limit.now == 200, &limit);
    /* Small requests are no proof. */
    for (int i = 0; i < 100; i++)
        (void)es_limit_taken(&limit, 10, 2);
    is("not by small ones", limit.now == 200, &limit);
    return failures != 0;
}
