/* SPDX-License-Identifier: MIT */
/* 2026-11-21T09:28:42.5Z becomes 2|0002026-11-21T09:28:42.5, 2026-11-21 becomes 2|0002026-11-21T00:00:00, and the year 44 BC
 * 1|9999955: what comes earlier is smaller, byte by byte. */
#include <stdio.h>

#include "connectors/sqlite/syntax/moment.h"

struct cursor {
    const char *p, *end;
};

static bool take(struct cursor *at, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(at->end - at->p) < n || memcmp(at->p, text, n) != 0)
        return false;
    at->p += n;
    return true;
}

/* From least to most digits. */
static bool take_number(struct cursor *at, size_t least, size_t most, long *number)
{
    const char *start = at->p;

    for (*number = 0; at->p < at->end && *at->p >= '0' && *at->p <= '9' && (size_t)(at->p - start) < most; at->p++)
        *number = *number * 10 + (*at->p - '0');
    return (size_t)(at->p - start) >= least;
}

struct clock {
    long year, month, day, hour, minute, second;
    struct cdc_span fraction;
};

static void take_fraction(struct cursor *at, struct cdc_span *fraction)
{
    if (!take(at, "."))
        return;
    const char *start = at->p, *last = at->p;
    for (; at->p < at->end && *at->p >= '0' && *at->p <= '9'; at->p++)
        if (*at->p != '0')
            last = at->p + 1;
    *fraction = cdc_span(start, (size_t)(last - start)); /* 42.500 is 42.5 */
}

/* What comes after the day. */
static bool take_time(struct cursor *at, struct clock *clock)
{
    if (at->p == at->end || !(*at->p == 'T' || (*at->p == ' ' && at->end - at->p > 1 && at->p[1] != 'B')))
        return true;
    at->p++;
    if (!take_number(at, 2, 2, &clock->hour) || !take(at, ":") || !take_number(at, 2, 2, &clock->minute))
        return false;
    if (take(at, ":")) {
        if (!take_number(at, 2, 2, &clock->second))
            return false;
        take_fraction(at, &clock->fraction);
    }
    (void)(take(at, "Z") || take(at, "+00:00") || take(at, "+00"));
    return true;
}

bool moment_key(char out[MOMENT_MAX], struct cdc_span text)
{
    struct cursor at = {text.p, text.p + text.n};
    struct clock clock = {0};

    if (cdc_span_is(text, "infinity") || cdc_span_is(text, "-infinity")) {
        snprintf(out, MOMENT_MAX, "%s", text.p[0] == '-' ? "0" : "3");
        return true;
    }
    if (!take_number(&at, 4, 7, &clock.year) || !take(&at, "-") || !take_number(&at, 2, 2, &clock.month) ||
        !take(&at, "-") || !take_number(&at, 2, 2, &clock.day) || !take_time(&at, &clock) || clock.fraction.n > 9)
        return false;
    bool before = take(&at, " BC");
    snprintf(out, MOMENT_MAX, "%s|%07ld-%02ld-%02ldT%02ld:%02ld:%02ld%s%.*s", before ? "1" : "2",
             before ? 9999999 - clock.year : clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second,
             clock.fraction.n > 0 ? "." : "", (int)clock.fraction.n, clock.fraction.n > 0 ? clock.fraction.p : "");
    return at.p == at.end;
}
