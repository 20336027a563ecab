/* SPDX-License-Identifier: MIT */
/* A growing byte buffer: where all lines are built. What is done for each byte is inline in the header; here is what
 * is seldom. */
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cdc/buf.h>

void cdc_buf_free(struct cdc_buf *buf)
{
    free(buf->data);
    *buf = (struct cdc_buf)CDC_BUF_INIT;
}

/* The one place where a buffer gets memory. A failure is remembered in the buffer, until it is freed: a line is built
 * without a test after each byte, and `failed` is looked at once, when the line is whole. What was appended after a
 * failure is void, since a line with a hole in it must never be written. */
bool cdc_buf_grow(struct cdc_buf *buf, size_t n)
{
    /* A failed buffer fails for ever, until it is freed: a line with a hole in it must never be written. */
    if (buf->failed || n > SIZE_MAX / 2 - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + n;
    size_t cap = buf->cap < 256 ? 256 : buf->cap;
    /* Doubled, so that a line of n bytes costs at most 2n bytes of copying; from 16 MiB on by a quarter, since a
     * double of 200 MB could be what does not fit. */
    while (cap < need)
        cap += cap < (16u << 20) ? cap : cap / 4; /* large lines: less slack */
    char *data = realloc(buf->data, cap);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

/* Freed and not made smaller: the next line decides how much is needed. */
void cdc_buf_shrink(struct cdc_buf *buf, size_t keep)
{
    if (buf->len != 0 || buf->cap <= keep)
        return;
    cdc_buf_free(buf);
}

/* Two digits at a time: half the divisions. Numbers are what most lines are made of. */
static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                  "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

void cdc_buf_u64(struct cdc_buf *buf, uint64_t value)
{
    char text[20];
    char *p = text + sizeof text;

    while (value >= 100) {
        p -= 2;
        memcpy(p, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    /* At most two digits are left; without this test 7 would become "07". */
    if (value >= 10) {
        p -= 2;
        memcpy(p, digit_pairs + value * 2, 2);
    } else {
        *--p = (char)('0' + value);
    }
    cdc_buf_append(buf, p, (size_t)(text + sizeof text - p));
}

void cdc_buf_i64(struct cdc_buf *buf, int64_t value)
{
    /* The negative is taken as unsigned: -INT64_MIN fits no int64_t. */
    if (value < 0)
        cdc_buf_byte(buf, '-');
    cdc_buf_u64(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* Eight digits at once: 4 bits of the value into each byte, the highest first in memory; above 9, 7 more lead from '0' to
 * 'A'. */
static void put_eight_digits(char *to, uint32_t value)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = value;

    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & (ones * 0x0f);
    x += ones * '0' + ((x + ones * 6) >> 4 & ones) * 7;
    x = htobe64(x);
    memcpy(to, &x, 8);
}

void cdc_buf_hex(struct cdc_buf *buf, uint64_t value, unsigned digits)
{
    char all[16];

    if (!cdc_buf_room(buf, digits))
        return;
    put_eight_digits(all, (uint32_t)(value >> 32));
    put_eight_digits(all + 8, (uint32_t)value);
    memcpy(buf->data + buf->len, all + sizeof all - digits, digits);
    buf->len += digits;
}

void cdc_buf_base64(struct cdc_buf *buf, const void *data, size_t n)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;

    /* Room for the whole text at once, so that the loop needs no test. */
    if (n > SIZE_MAX / 2 || !cdc_buf_room(buf, (n + 2) / 3 * 4)) {
        buf->failed = true;
        return;
    }
    char *out = buf->data + buf->len;
    /* 3 bytes are 24 bits are 4 digits. What is left, 1 or 2 bytes, is filled with zero bits, and padded: "M" ->
     * "TQ==", "Ma" -> "TWE=", "Man" -> "TWFu". */
    for (; n >= 3; p += 3, n -= 3) {
        unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (n > 0) {
        unsigned v = (unsigned)p[0] << 16 | (n == 2 ? (unsigned)p[1] << 8 : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = n == 2 ? alphabet[v >> 6 & 63] : '=';
        *out++ = '=';
    }
    buf->len = (size_t)(out - buf->data);
}

void cdc_buf_printf(struct cdc_buf *buf, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    if (n < 0)
        buf->failed = true;
    /* One byte more for the NUL of vsnprintf, which is then left outside of len. */
    else if (cdc_buf_room(buf, (size_t)n + 1)) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, format, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    va_end(arguments);
}

int cdc_span_compare(struct cdc_span a, struct cdc_span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    /* memcmp may not be given a NULL, even for no bytes. */
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order != 0)
        return order;
    return a.n < b.n ? -1 : a.n > b.n;
}

char *cdc_span_copy(struct cdc_span span)
{
    char *copy = malloc(span.n + 1);
    if (copy != NULL) {
        if (span.n != 0)
            memcpy(copy, span.p, span.n);
        copy[span.n] = '\0';
    }
    return copy;
}
