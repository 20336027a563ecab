/* SPDX-License-Identifier: MIT */
/* Texts that are numbers. */
#ifndef PG_NUMBER_H
#define PG_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

static inline bool pg_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline size_t pg_digits(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && pg_is_digit(p[i]))
        i++;
    return i;
}

/* Any JSON number; NaN and Infinity are none. */
static inline bool pg_is_number(const char *p, size_t n)
{
    const char *end = p + n;
    if (p < end && *p == '-')
        p++;
    size_t run = pg_digits(p, (size_t)(end - p));
    if (run == 0 || (run > 1 && *p == '0'))
        return false;
    p += run;
    if (p < end && *p == '.') {
        p++;
        run = pg_digits(p, (size_t)(end - p));
        if (run == 0)
            return false;
        p += run;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        run = pg_digits(p, (size_t)(end - p));
        if (run == 0)
            return false;
        p += run;
    }
    return p == end;
}

#endif
