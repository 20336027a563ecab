/* SPDX-License-Identifier: MIT */
/* Checked reading of bytes that came from outside: no length in them is trusted. */
#ifndef CDC_BYTES_H
#define CDC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A read beyond the end yields 0 (or NULL), takes all that is left, and sets bad: so a whole structure is read, and bad
 * is checked once, before anything of it is used. Start with {p, end, false}. BORROWS the bytes. */
struct cdc_bytes {
    const uint8_t *p, *end;
    bool bad;
};

/* n (1..8) bytes, big-endian. */
static inline uint64_t cdc_big_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

/* n (1..8) bytes, little-endian. */
static inline uint64_t cdc_little_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | p[n];
    return value;
}

static inline size_t cdc_bytes_left(const struct cdc_bytes *bytes)
{
    return (size_t)(bytes->end - bytes->p);
}

/* Steps over n bytes, and returns where they begin (BORROWED); NULL when there are fewer. */
static inline const uint8_t *cdc_bytes_take(struct cdc_bytes *bytes, size_t n)
{
    if (cdc_bytes_left(bytes) < n) {
        bytes->bad = true;
        bytes->p = bytes->end;
        return NULL;
    }
    const uint8_t *p = bytes->p;
    bytes->p += n;
    return p;
}

/* An integer of n (1..8) bytes, little-endian as in MySQL's protocols. */
static inline uint64_t cdc_bytes_le(struct cdc_bytes *bytes, size_t n)
{
    const uint8_t *p = cdc_bytes_take(bytes, n);
    return p == NULL ? 0 : cdc_little_endian(p, n);
}

/* The same, big-endian as in PostgreSQL's. */
static inline uint64_t cdc_bytes_be(struct cdc_bytes *bytes, size_t n)
{
    const uint8_t *p = cdc_bytes_take(bytes, n);
    return p == NULL ? 0 : cdc_big_endian(p, n);
}

#endif
