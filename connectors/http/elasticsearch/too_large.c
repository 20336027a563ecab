/* SPDX-License-Identifier: MIT */
/* Requests that the server will never take, as they are too large for its memory. Some say so with 413. Others say 429, as for
 * a server that is busy; only the numbers in the reason tell one from the other:
 *
 *   rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0,
 *   coordinating_operation_bytes=62914815, max_coordinating_and_primary_bytes=53687091]       alone it is above the limit
 *
 *   rejected execution of primary operation [coordinating_and_primary_bytes=31458108, ..., primary_operation_bytes=41943100,
 *   max_primary_bytes=51897958]       with what this very request has there already, and nobody else has anything. Since release 9
 *                                     the server takes a large request part by part, and says so of some of its items
 *
 *   Request contains an operation of size [62914815] bytes, which exceeds the maximum allowed limit of [53687091] bytes
 *
 *   [parent] Data too large, data for [<http_request>] would be [521142272/497mb], which is larger than the limit of
 *   [510027366/486.3mb], real usage: [458227456/437mb], new bytes reserved: [62914815/60mb], ...    what is new, or the rest
 *
 * "durability" of a circuit breaker says by what kind of memory most is in use, and not whether the request would pass without. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/answer.h"

#define BESIDES ((size_t)64 << 10)

/* The number that comes after the mark; -1: there is none. */
static long long number_after(const char *text, const char *mark)
{
    const char *p = text != NULL ? strstr(text, mark) : NULL;
    char *end;

    if (p == NULL)
        return -1;
    p += strlen(mark);
    long long number = strtoll(p, &end, 10);
    return end > p && number >= 0 ? number : -1;
}

static bool is_above(long long number, long long limit)
{
    return number >= 0 && limit >= 0 && number > limit;
}

/* Is what the node has in hand just the request of n bytes, or the part of it that it has taken so far? Documents count there, and not
 * the lines between them, and for each a little besides. Of a document that is alone it must be all: what others have there is gone in
 * a moment, and the document is not to blame. */
static bool is_of_request(long long in_hand, size_t n, bool alone)
{
    return in_hand >= 0 && (size_t)in_hand <= n + BESIDES && (!alone || (size_t)in_hand >= n - n / 8);
}

/* What one shard may have grows with its load (shard_...): only the limits of a node stay. */
static bool is_above_pressure(const char *reason, size_t n, bool alone)
{
    const char *begin = strstr(reason, " operation [coordinating_and_primary_bytes="),
               *max = begin != NULL ? strstr(begin, ", max_") : NULL;

    if (max == NULL)
        return false;
    long long limit = number_after(max, "bytes="), in_hand = number_after(begin, "[coordinating_and_primary_bytes="),
              primary = number_after(begin, " primary_operation_bytes=");
    return is_above(number_after(begin, " coordinating_operation_bytes="), limit) || is_above(primary, limit) ||
           (primary >= 0 && is_of_request(in_hand, n, alone) && is_above(in_hand + primary, limit));
}

bool es_too_large_reason(const char *reason, size_t n, bool alone)
{
    long long breaker = number_after(reason, "which is larger than the limit of [");

    return is_above_pressure(reason, n, alone) || is_above((long long)n, breaker) ||
           is_above(number_after(reason, "new bytes reserved: ["), breaker) ||
           (strstr(reason, "exceeds the maximum allowed limit of [") != NULL &&
            strstr(reason, "contains an operation of size [") != NULL);
}

bool es_too_large(const struct http_request *request, struct cdc_span answer)
{
    char reason[600];

    es_answer_reason(answer, reason, sizeof reason);
    return es_too_large_reason(reason, request->body.n, true);
}
