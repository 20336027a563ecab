/* SPDX-License-Identifier: MIT */
/* Texts of a few bytes, which is what most values are: looked at and copied in words, without a call. Nothing is read before or
 * after the n bytes; a word that ends with the text takes in some of the one before. */
#ifndef PG_SHORT_H
#define PG_SHORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void pg_short_copy(char *to, const char *from, size_t n)
{
    if (n > 16) {
        memcpy(to, from, n);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else if (n > 0) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

/* '0' to '9' are 0x30 to 0x39: no other byte is 0x3? and still is when 6 is added. */
static inline bool pg_short_digits_of(uint64_t word, uint64_t ones)
{
    return (((word ^ ones * 0x30) | ((word + ones * 6) ^ ones * 0x30)) & ones * 0xf0) == 0;
}

static inline bool pg_short_digits(const char *p, size_t n)
{
    const uint64_t eight = UINT64_C(0x0101010101010101), four = 0x01010101;
    uint64_t first, last;
    uint32_t head, tail;

    if (n > 16 || n == 0)
        return false;
    if (n >= 8) {
        memcpy(&first, p, 8);
        memcpy(&last, p + n - 8, 8);
        return pg_short_digits_of(first, eight) && pg_short_digits_of(last, eight);
    }
    if (n >= 4) {
        memcpy(&head, p, 4);
        memcpy(&tail, p + n - 4, 4);
        return pg_short_digits_of(head, four) && pg_short_digits_of(tail, four);
    }
    unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[n / 2] - '0'), c = (unsigned)(p[n - 1] - '0');
    return a < 10 && b < 10 && c < 10;
}

#endif
