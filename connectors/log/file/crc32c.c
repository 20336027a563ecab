/* SPDX-License-Identifier: MIT */
/* CRC-32C: by the processor's instruction where it has one, else by a table of eight bytes a step. */
#include <pthread.h>
#include <string.h>

#include "connectors/log/file/crc32c.h"

#define POLYNOMIAL UINT32_C(0x82F63B78)
#define LONG ((size_t)32 << 10) /* from there on to join parts costs less than to wait for the instruction */

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xFF];
}

static uint32_t load32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t by_table(uint32_t crc, const unsigned char *p, size_t n)
{
    pthread_once(&once, fill_table);
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t a = crc ^ load32(p), b = load32(p + 4);
        crc = table[7][a & 0xFF] ^ table[6][a >> 8 & 0xFF] ^ table[5][a >> 16 & 0xFF] ^ table[4][a >> 24] ^
              table[3][b & 0xFF] ^ table[2][b >> 8 & 0xFF] ^ table[1][b >> 16 & 0xFF] ^ table[0][b >> 24];
    }
    for (; n > 0; n--)
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t value = crc;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        value = __builtin_ia32_crc32di(value, word);
    }
    crc = (uint32_t)value;
    for (; n > 0; n--)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}

/* Of three parts that follow each other, n words each: the instruction takes three clocks, and one may begin with each. crc[0]: of what is
 * before them. */
__attribute__((target("sse4.2"))) static void three_by_instruction(uint32_t crc[3], const unsigned char *p, size_t n)
{
    uint64_t a = crc[0], b = crc[1], c = crc[2];

    for (const unsigned char *end = p + 8 * n; p < end; p += 8) {
        uint64_t word[3];
        memcpy(&word[0], p, 8);
        memcpy(&word[1], p + 8 * n, 8);
        memcpy(&word[2], p + 16 * n, 8);
        a = __builtin_ia32_crc32di(a, word[0]);
        b = __builtin_ia32_crc32di(b, word[1]);
        c = __builtin_ia32_crc32di(c, word[2]);
    }
    crc[0] = (uint32_t)a;
    crc[1] = (uint32_t)b;
    crc[2] = (uint32_t)c;
}

static uint32_t in_three_parts(uint32_t crc, const unsigned char *p, size_t n)
{
    uint32_t parts[3] = {~crc, ~UINT32_C(0), ~UINT32_C(0)};
    size_t words = n / 24, each = 8 * words;

    three_by_instruction(parts, p, words);
    crc = log_crc32c_join(log_crc32c_join(~parts[0], ~parts[1], each), ~parts[2], each);
    return ~by_instruction(~crc, p + 3 * each, n - 3 * each);
}
#endif

uint32_t log_crc32c(uint32_t crc, const void *data, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") && n >= LONG)
        return in_three_parts(crc, data, n);
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(~crc, data, n);
#endif
    return ~by_table(~crc, data, n);
}

/* -- joining ------------------------------------------------------------------- */

/* a * b modulo the polynomial, with bits reflected as in the CRC: the highest bit is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
    }
    return product;
}

/* n more bytes multiply what is before them by x^(8n). */
uint32_t log_crc32c_join(uint32_t a, uint32_t b, uint64_t n)
{
    uint32_t power = UINT32_C(1) << 23; /* x^8 */

    for (; n > 0; n >>= 1) {
        if (n & 1)
            a = multiply(a, power);
        power = multiply(power, power);
    }
    return a ^ b;
}
