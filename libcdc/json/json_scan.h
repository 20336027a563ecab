/* SPDX-License-Identifier: MIT */
/* The validating scanner, shared by json.c and event.c. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <cdc/json.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Each takes the first byte of the thing and the end of the text, and returns the byte after it, or NULL; then
 * *why is what is wrong, and *where the byte. */
struct json_fault {
    const char *why, *where;
};
/* The rest of a string that holds more than plain ASCII. */
const char *json_scan_odd_string(const char *p, const char *end, struct json_fault *fault);
/* depth: containers that are open around the value. Below zero, down to -CDC_JSON_ENVELOPE: so many more are accepted. */
const char *json_scan_value(const char *p, const char *end, int depth, struct json_fault *fault);
/* Steps over one value that was validated before. */
const char *json_skip_value(const char *p, const char *end);

static inline const char *json_skip_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

#if defined(__SSE2__)
/* A bit for each of the 16 bytes at p that is not plain ASCII text within a string. */
static inline unsigned json_odd_mask(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

    /* A signed compare finds controls and bytes above 0x7f at once. */
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(odd, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20))));
}
#endif

/* First byte in p..end that is not plain ASCII text within a string: a quote, a
 * backslash, a control or a byte above 0x7f; end if there is none. */
static inline const char *json_skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const char *start = p;
    for (; end - p >= 16; p += 16) {
        unsigned mask = json_odd_mask(p);
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
    /* After 16 bytes or more, the rest is the end of 16 that can be read. */
    if (p != start && p < end) {
        unsigned mask = json_odd_mask(end - 16) >> (16 - (end - p));
        return mask != 0 ? p + __builtin_ctz(mask) : end;
    }
#endif
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* First byte in p..end that is no digit. */
static inline const char *json_skip_digits(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('0'));
        /* Unsigned, what is no digit is above 9. */
        unsigned digits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v));
        if (digits != 0xffff)
            return p + __builtin_ctz(~digits);
    }
#endif
    while (p < end && (unsigned char)(*p - '0') <= 9)
        p++;
    return p;
}

/* The end of a positive integer at p, as most numbers are; NULL where it is another value, or may be. What comes after it must be looked
 * at: a point or an exponent makes it another number. */
static inline const char *json_skip_integer(const char *p, const char *end)
{
    return p < end && *p >= '1' && *p <= '9' ? json_skip_digits(p + 1, end) : NULL;
}

/* p: after the opening quote; returns after the closing one. Nearly every string is plain ASCII up to it. */
static inline const char *json_scan_string(const char *p, const char *end, struct json_fault *fault)
{
    p = json_skip_plain(p, end);
    if (p < end && *p == '"')
        return p + 1;
    return json_scan_odd_string(p, end, fault);
}

/* The same for a string that was validated before. */
static inline const char *json_skip_string(const char *p, const char *end)
{
    for (;;) {
        p = json_skip_plain(p, end);
        if (p >= end)
            return end;
        if (*p == '"')
            return p + 1;
        p += *p == '\\' ? 2 : 1;
    }
}

#endif
