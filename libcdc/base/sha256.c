/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4), of bytes that are in memory as a whole. Our own 60 lines rather than a crypto library: it
 * only makes long keys short (an _id of a search index), and guards no secret. */
#include <stdint.h>
#include <string.h>

#include <cdc/bytes.h>
#include <cdc/sha256.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes; the state begins with those of the
 * square roots of the first 8. */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void block(uint32_t state[8], const unsigned char *p)
{
    uint32_t w[64], s[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)cdc_big_endian(p + 4 * (size_t)i, 4);
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
               (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                     k[i] + w[i];
        uint32_t b =
            (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        /* The eight variables a..h of the standard move on by one place: h = g, g = f, ..., b = a. */
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += a;
        s[0] = a + b;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void cdc_sha256_hex(const void *data, size_t n, char out[65])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const unsigned char *p = data;
    unsigned char tail[128] = {0};
    size_t left = n, tail_n;

    for (; left >= 64; left -= 64, p += 64)
        block(state, p);
    if (left > 0)
        memcpy(tail, p, left);
    /* The padding: one bit 1, zeros, and the length in bits in the last 8 bytes, big-endian. Where fewer than 9 bytes
     * of the last block are free (left >= 56), it takes one block more. */
    tail[left] = 0x80;
    tail_n = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++)
        tail[tail_n - 1 - (size_t)i] = (unsigned char)((uint64_t)n * 8 >> 8 * i);
    block(state, tail);
    if (tail_n == 128)
        block(state, tail + 64);
    for (int i = 0; i < 64; i++)
        out[i] = "0123456789abcdef"[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = '\0';
}
