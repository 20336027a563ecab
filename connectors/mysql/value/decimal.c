/* SPDX-License-Identifier: MIT */
/* DECIMAL: groups of nine digits in four bytes, big-endian, from the decimal point outwards; the digits left over at
 * both ends take fewer bytes. All bits of a negative number are inverted, and then the first bit of all: so the
 * bytes sort as the numbers do (strings/decimal.cc, decimal2bin).
 *
 * decimal(12,2), ten digits before the point and two after it, is groups of 1, 9 and 2 digits in 1, 4 and 1 bytes:
 *      1234567890.12   1 | 234567890 | 12   81 | 0d fb 38 d2 | 0c
 *     -1234567890.12                        7e | f2 04 c7 2d | f3 */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"

static const uint8_t bytes_of_digits[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
static const uint32_t limits[10] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

size_t my_decimal_size(unsigned precision, unsigned scale)
{
    if (precision == 0 || precision > MY_DECIMAL_DIGITS || scale > precision || scale > 38)
        return 0;
    unsigned whole = precision - scale;
    return whole / 9 * 4 + bytes_of_digits[whole % 9] + scale / 9 * 4 + bytes_of_digits[scale % 9];
}

/* One group of `digits` digits; returns its end, or NULL when the number in the bytes has more digits. */
static inline char *put_group(char *text, const uint8_t **p, unsigned digits, uint32_t invert)
{
    unsigned n = bytes_of_digits[digits];
    uint32_t value = 0;
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | ((*p)[i] ^ (invert & 0xff));
    *p += n;
    if (value >= limits[digits])
        return NULL;
    for (unsigned i = digits; i-- > 0; value /= 10)
        text[i] = (char)('0' + value % 10);
    return text + digits;
}

size_t my_decimal_text(char *text, const uint8_t *p, unsigned precision, unsigned scale)
{
    uint8_t first[MY_DECIMAL_DIGITS]; /* the bytes, the inverted bit put right */
    size_t size = my_decimal_size(precision, scale);
    if (size == 0 || size > sizeof first)
        return 0;
    memcpy(first, p, size);
    uint32_t invert = first[0] & 0x80 ? 0 : 0xff;
    first[0] ^= 0x80;
    p = first;

    unsigned whole = precision - scale;
    char *out = text, *digits;
    if (invert != 0)
        *out++ = '-';
    digits = out;
    if (whole % 9 != 0)
        out = put_group(out, &p, whole % 9, invert);
    for (unsigned i = 0; out != NULL && i < whole / 9; i++)
        out = put_group(out, &p, 9, invert);
    if (out == NULL)
        return 0;
    char *start = digits; /* without leading zeros, but one digit at least */
    while (start < out && *start == '0')
        start++;
    memmove(digits, start, (size_t)(out - start));
    out = digits + (out - start);
    if (out == digits)
        *out++ = '0';
    if (scale == 0)
        return (size_t)(out - text);
    *out++ = '.';
    for (unsigned i = 0; out != NULL && i < scale / 9; i++)
        out = put_group(out, &p, 9, invert);
    if (out != NULL && scale % 9 != 0)
        out = put_group(out, &p, scale % 9, invert);
    return out == NULL ? 0 : (size_t)(out - text);
}

void my_value_append_decimal(struct cdc_buf *out, struct cdc_span digits, const struct cdc_value_format *format)
{
    bool negative = digits.n != 0 && digits.p[0] == '-';
    const char *p = digits.p + negative, *end = digits.p + digits.n;
    while (end - p > 1 && p[0] == '0' && p[1] != '.') /* ZEROFILL, which the log does not know */
        p++;
    if (!cdc_buf_room(out, digits.n + 2))
        return;
    if (!format->decimal_as_number)
        cdc_buf_byte(out, '"');
    if (negative)
        cdc_buf_byte(out, '-');
    cdc_buf_append(out, p, (size_t)(end - p));
    if (!format->decimal_as_number)
        cdc_buf_byte(out, '"');
}
