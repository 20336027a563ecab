/* SPDX-License-Identifier: MIT */
/* Any bytes as a DECIMAL of any precision and scale: the digits are those of the column, and packed again they give the same
 * bytes, or others of the same number (a zero has two signs in bytes that no server writes). */
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>

static const uint8_t bytes_of[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

static void expect(bool good)
{
    if (!good)
        abort();
}

/* One group of n digits, at the front of what is left. */
static size_t pack_group(uint8_t *to, const char *digits, unsigned n)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < n; i++)
        value = value * 10 + (uint32_t)(digits[i] - '0');
    for (unsigned i = bytes_of[n]; i-- > 0; value >>= 8)
        to[i] = (uint8_t)value;
    return bytes_of[n];
}

/* The other way, written on its own: text to bytes. */
static size_t pack(uint8_t *to, const char *text, size_t n, unsigned precision, unsigned scale)
{
    char digits[2 * MY_DECIMAL_DIGITS];
    bool negative = text[0] == '-';
    const char *point = memchr(text, '.', n), *end = point != NULL ? point : text + n;
    unsigned whole = precision - scale, written = (unsigned)(end - text) - negative;
    expect(written <= whole || (whole == 0 && written == 1 && text[negative] == '0'));
    written = whole == 0 ? 0 : written;
    memset(digits, '0', whole - written);
    memcpy(digits + whole - written, text + negative, written);
    expect((point != NULL) == (scale > 0) && (point == NULL || (size_t)(text + n - point) == scale + 1));
    if (point != NULL)
        memcpy(digits + whole, point + 1, scale);
    size_t size = pack_group(to, digits, whole % 9);
    unsigned at = whole % 9;
    for (; at < whole; at += 9)
        size += pack_group(to + size, digits + at, 9);
    for (; at + 9 <= precision; at += 9)
        size += pack_group(to + size, digits + at, 9);
    size += pack_group(to + size, digits + at, precision - at);
    for (size_t i = 0; negative && i < size; i++)
        to[i] ^= 0xff;
    to[0] ^= 0x80;
    return size;
}

static void check_value(const struct my_column *column, uint8_t format_bits, const char *text, size_t n,
                        const uint8_t *bytes, size_t size)
{
    struct cdc_value_format format = {.int64_as_string = format_bits & 1, .decimal_as_number = format_bits & 2};
    struct cdc_bytes cursor = {bytes, bytes + size, false};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    uint64_t unconvertible = 0;
    int result = my_value_append(&out, column, &cursor, &format, &unconvertible, &error);
    expect(result == 0 ? n != 0 && cursor.p == cursor.end : n == 0 && error.status != 0);
    if (result == 0 && !out.failed) {
        size_t quote = format.decimal_as_number ? 0 : 1;
        expect(cdc_json_validate(out.data, out.len, NULL) == 0);
        expect(out.len == n + 2 * quote && memcmp(out.data + quote, text, n) == 0);
    }
    cdc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MY_DECIMAL_DIGITS + 3];
    uint8_t packed[MY_DECIMAL_DIGITS];
    struct my_column column = {.type = MY_TYPE_DECIMAL};
    struct cdc_error error = {0};
    if (size < 3)
        return 0;
    unsigned precision = data[0] % 80, scale = data[1] % 45;
    size_t bytes = my_decimal_size(precision, scale);
    column.metadata = (uint16_t)(precision | scale << 8);
    bool resolved = my_column_resolve(&column, MY_FLAVOR_MYSQL, &error) == 0;
    expect(resolved == (bytes != 0));
    if (bytes == 0 || size - 3 < bytes)
        return 0;
    uint8_t *copy = exact_copy(data + 3, bytes);
    size_t n = my_decimal_text(text, copy, precision, scale);
    if (n != 0)
        expect(pack(packed, text, n, precision, scale) == bytes && memcmp(packed, copy, bytes) == 0);
    check_value(&column, data[2], text, n, copy, bytes);
    free(copy);
    return 0;
}
