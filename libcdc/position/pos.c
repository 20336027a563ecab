/* SPDX-License-Identifier: MIT */
/* Positions of lines: what those of all databases have in common. */
#include <cdc/pos.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; /* only upper case: 'a' sorts after 'F' and is no digit of ours */
}

bool cdc_pos_hex(const char *p, size_t digits, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint64_t)digit;
    }
    return true;
}

const char *cdc_pos_parse(const char *pos, uint64_t *number, uint64_t *ordinal)
{
    /* Each test stops at a NUL, so that the next one reads nothing beyond it. */
    if (!cdc_pos_hex(pos, CDC_POS_NUMBER_DIGITS, number) || pos[CDC_POS_NUMBER_DIGITS] != '.')
        return NULL;
    pos += CDC_POS_NUMBER_DIGITS + 1;
    if (!cdc_pos_hex(pos, CDC_POS_ORDINAL_DIGITS, ordinal) || pos[CDC_POS_ORDINAL_DIGITS] != '.')
        return NULL;
    pos += CDC_POS_ORDINAL_DIGITS + 1;
    return *pos != '\0' ? pos : NULL;
}
