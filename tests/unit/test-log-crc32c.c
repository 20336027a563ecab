/* SPDX-License-Identifier: MIT */
/* CRC-32C of any length, from any place: in parts that are joined, by the instruction and bit by bit, it is the same. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/log/file/crc32c.h"

#define MOST ((size_t)300 << 10)

static int failures;

static void check(bool ok, const char *what, size_t n)
{
    if (!ok) {
        printf("not ok - log crc32c: %s, %zu bytes\n", what, n);
        failures++;
    }
}

static uint32_t bit_by_bit(uint32_t crc, const unsigned char *p, size_t n)
{
    crc = ~crc;
    for (; n > 0; n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82F63B78) : 0);
    }
    return ~crc;
}

int main(void)
{
    static const size_t lengths[] = {0,     1,     7,     8,     23,    24,    25,    100,    4095,
                                     32767, 32768, 32769, 32791, 32792, 65536, 99999, 262144, MOST - 16};
    unsigned char *data = malloc(MOST);

    if (data == NULL)
        return 1;
    srand(7);
    for (size_t i = 0; i < MOST; i++)
        data[i] = (unsigned char)(rand() >> 7);
    check(log_crc32c(0, "123456789", 9) == UINT32_C(0xE3069283), "of the digits", 9);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = lengths[i], part = n > 0 ? (size_t)rand() % n : 0;
        const unsigned char *p = data + i % 9;
        uint32_t crc = log_crc32c(0, p, n);
        check(crc == bit_by_bit(0, p, n), "at once", n);
        check(crc == log_crc32c(log_crc32c(0, p, part), p + part, n - part), "after another", n);
        check(crc == log_crc32c_join(log_crc32c(0, p, part), log_crc32c(0, p + part, n - part), n - part), "joined", n);
    }
    free(data);
    if (failures == 0)
        printf("ok - log crc32c\n");
    return failures > 0;
}
