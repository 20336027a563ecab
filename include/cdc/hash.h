/* SPDX-License-Identifier: MIT */
/* FNV-1a in 64 bits: fast on short names, and the same on every machine, since files are named by it. It is no defence
 * against names chosen to collide: who finds by hash compares the names as well. */
#ifndef CDC_HASH_H
#define CDC_HASH_H

#include <cdc/buf.h>

/* Where a hash begins. Several parts go into one hash each after the other, with a byte between them that none can
 * hold: else "ab" + "c" and "a" + "bc" would be the same. */
#define CDC_HASH_INIT UINT64_C(0xCBF29CE484222325)

/* The hash of what `hash` stands for and one more byte. */
static inline uint64_t cdc_hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001B3);
}

/* The same for n more bytes. */
static inline uint64_t cdc_hash_bytes(uint64_t hash, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++)
        hash = cdc_hash_byte(hash, p[i]);
    return hash;
}

static inline uint64_t cdc_hash_span(uint64_t hash, struct cdc_span span)
{
    return cdc_hash_bytes(hash, span.p, span.n);
}

/* A text without its NUL. */
static inline uint64_t cdc_hash_text(uint64_t hash, const char *text)
{
    return cdc_hash_bytes(hash, text, strlen(text));
}

/* In 32 bits, all of the 64 in them. */
static inline uint32_t cdc_hash_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
