/* SPDX-License-Identifier: MIT */
/* Integers, bits and floating point numbers as JSON. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* -- integers -------------------------------------------------------------------- */

/* Two digits at a time: half as many divisions. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* Writes value so that it ends before end; returns where it begins. */
static inline char *put_back(char *end, uint64_t value)
{
    while (value >= 100) {
        end -= 2;
        memcpy(end, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, pairs + value * 2, 2);
    } else {
        *--end = (char)('0' + value);
    }
    return end;
}

void my_value_append_integer(struct cdc_buf *out, uint64_t bits, bool is_unsigned,
                             const struct cdc_value_format *format)
{
    bool negative = !is_unsigned && (int64_t)bits < 0;
    uint64_t value = negative ? 0 - bits : bits;
    char text[24], *end = text + sizeof text, *p = put_back(end, value);
    if (negative)
        *--p = '-';
    bool quoted = format->int64_as_string && value > UINT64_C(1) << 53;
    if (!quoted) {
        cdc_buf_append(out, p, (size_t)(end - p));
        return;
    }
    cdc_buf_byte(out, '"');
    cdc_buf_append(out, p, (size_t)(end - p));
    cdc_buf_byte(out, '"');
}

void my_value_append_bits(struct cdc_buf *out, const uint8_t *bytes, size_t n, unsigned bits)
{
    if (bits == 1) {
        if (n != 0 && bytes[n - 1] & 1)
            cdc_buf_lit(out, "true");
        else
            cdc_buf_lit(out, "false");
        return;
    }
    if (!cdc_buf_room(out, (size_t)bits + 2))
        return;
    char *p = out->data + out->len;
    *p++ = '"';
    for (unsigned bit = bits; bit-- > 0;) {
        size_t from_end = bit / 8 + 1;
        *p++ = from_end <= n && bytes[n - from_end] >> bit % 8 & 1 ? '1' : '0';
    }
    *p++ = '"';
    out->len = (size_t)(p - out->data);
}

/* -- shortest digits --------------------------------------------------------------- The fewest digits that read
 * back as the same number, as the server prints it: 0.1, not 0.1000000000000000055. Of several the nearest. The
 * number is 0.d1d2d3... * 10^point: 1, 2, 5 and point -1 are 0.0125. */
struct digits {
    char text[20];
    int n, point;
};

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* value * 10^exponent, without zeros at its end. */
static void digits_of(struct digits *digits, uint64_t value, int exponent)
{
    char text[24], *end = text + sizeof text, *p = put_back(end, value);
    digits->point = (int)(end - p) + exponent;
    while (end > p + 1 && end[-1] == '0')
        end--;
    digits->n = (int)(end - p);
    memcpy(digits->text, p, (size_t)digits->n);
}

/* Digits before the decimal point, for 1e-7 <= value < 1e22; 0 and less for what is below one. */
static int magnitude(double value)
{
    int n = 0;
    if (value >= 1) {
        while (n < 22 && value >= powers[n])
            n++;
        return n;
    }
    while (value * powers[n + 1] < 1)
        n++;
    return -n;
}

/* Numbers of few digits, which most are, without trial and error: value * 10^k is a whole number m below 10^15, and
 * m / 10^k, both exact, divides to value. Decimals of 15 digits are all told apart by doubles, so no other is as
 * short. */
static bool few_digits(struct digits *digits, double value)
{
    if (value < 1e-7 || value >= 1e15)
        return false;
    int k = DBL_DIG - magnitude(value);
    double whole = nearbyint(value * powers[k]);
    if (whole / powers[k] != value)
        return false;
    digits_of(digits, (uint64_t)whole, -k);
    return true;
}

/* The digits of "%.*e", whatever the locale puts for the point. */
static void scan_digits(struct digits *digits, const char *text)
{
    uint64_t value = 0;
    int n = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') {
            value = value * 10 + (uint64_t)(*text - '0');
            n++;
        }
    digits_of(digits, value, atoi(text + 1) - (n - 1));
}

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* The decimal one unit of its last digit above text. Only needed where the gap between numbers is wider above than
 * below (powers of two), so that the nearest decimal below may fail and the one above still be right. */
static void increment(char *text)
{
    char *last = strchr(text, 'e') - 1;
    while (last > text && (*last == '9' || *last < '0' || *last > '9')) {
        if (*last == '9')
            *last = '0';
        last--;
    }
    if (*last != '9')
        ++*last;
}

/* The slow way: as many digits as are needed, tried one after the other. */
static void shortest(struct digits *digits, double value, bool single)
{
    char text[40];
    int exponent;
    bool power_of_two = frexp(value, &exponent) == 0.5;
    if (!single && few_digits(digits, value))
        return;
    for (int n = 1; n <= 17; n++) {
        if (n == 1 && value >= (single ? (double)FLT_MIN : DBL_MIN)) /* the smallest of all have fewer sure digits */
            n = single ? FLT_DIG : DBL_DIG;
        snprintf(text, sizeof text, "%.*e", n - 1, value);
        if (reads_back(text, value, single))
            break;
        if (power_of_two) {
            increment(text);
            if (reads_back(text, value, single))
                break;
        }
    }
    scan_digits(digits, text);
}

/* float32: as few_digits does it, but with up to nine digits. A quotient right between two floats could be rounded
 * twice: left to the slow way, like powers of two of more digits than are always sure. */
static void shortest_single(struct digits *digits, float single)
{
    double value = (double)single;
    int before = value >= 1e-7 && value < 1e6 ? magnitude(value) : FLT_DIG + 1, exponent;
    for (int n = FLT_DIG; n <= FLT_DIG + 3 && before <= FLT_DIG; n++) {
        double whole = nearbyint(value * powers[n - before]), back = whole / powers[n - before];
        uint64_t bits;
        memcpy(&bits, &back, sizeof bits);
        if ((bits & 0x1fffffff) == 0x10000000)
            break;
        if ((float)back == single) {
            digits_of(digits, (uint64_t)whole, before - n);
            return;
        }
        if (frexp(value, &exponent) == 0.5)
            break;
    }
    shortest(digits, value, true);
}

/* -- layout ------------------------------------------------------------------------- */

/* As my_gcvt (strings/dtoa.cc) lays digits out: plain from 1e-15 to 15 places before the point, else with an exponent
 * without plus sign and leading zeros. */
static void append_digits(struct cdc_buf *out, const struct digits *digits, bool negative, bool with_point)
{
    int n = digits->n, point = digits->point;
    if (!cdc_buf_room(out, 64))
        return;
    char *p = out->data + out->len;
    if (negative)
        *p++ = '-';
    if (point < -14 || (point > DBL_DIG && n <= point)) {
        *p++ = digits->text[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits->text + 1, (size_t)n - 1);
            p += n - 1;
        }
        p += sprintf(p, "e%d", point - 1);
    } else if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', (size_t)-point);
        p += -point;
        memcpy(p, digits->text, (size_t)n);
        p += n;
    } else {
        int whole = n < point ? n : point;
        memcpy(p, digits->text, (size_t)whole);
        p += whole;
        memset(p, '0', (size_t)(point - whole));
        p += point - whole;
        if (n > point) {
            *p++ = '.';
            memcpy(p, digits->text + point, (size_t)(n - point));
            p += n - point;
        } else if (with_point) {
            *p++ = '.';
            *p++ = '0';
        }
    }
    out->len = (size_t)(p - out->data);
}

/* NaN, infinities and zero have no digits. False: none of them. */
static bool append_special(struct cdc_buf *out, double value, bool with_point)
{
    if (isnan(value))
        cdc_buf_lit(out, "\"NaN\"");
    else if (isinf(value))
        cdc_buf_text(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else if (value == 0)
        cdc_buf_text(out, signbit(value) ? (with_point ? "-0.0" : "-0") : (with_point ? "0.0" : "0"));
    else
        return false;
    return true;
}

static void append_double(struct cdc_buf *out, double value, bool with_point)
{
    struct digits digits;
    if (append_special(out, value, with_point))
        return;
    shortest(&digits, fabs(value), false);
    append_digits(out, &digits, value < 0, with_point);
}

void my_value_append_double(struct cdc_buf *out, double value)
{
    append_double(out, value, false);
}

void my_number_append_json_double(struct cdc_buf *out, double value)
{
    append_double(out, value, true);
}

void my_value_append_float(struct cdc_buf *out, float value)
{
    struct digits digits;
    if (append_special(out, (double)value, false))
        return;
    shortest_single(&digits, fabsf(value));
    append_digits(out, &digits, value < 0, false);
}

void my_value_append_vector(struct cdc_buf *out, const uint8_t *bytes, size_t n)
{
    cdc_buf_byte(out, '[');
    for (size_t i = 0; i + 4 <= n; i += 4) {
        uint32_t bits = (uint32_t)cdc_little_endian(bytes + i, 4);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (i != 0)
            cdc_buf_byte(out, ',');
        my_value_append_float(out, value);
    }
    cdc_buf_byte(out, ']');
}
