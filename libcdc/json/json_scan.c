/* SPDX-License-Identifier: MIT */
/* One pass over JSON text: grammar (RFC 8259), UTF-8 (RFC 3629), escapes and depth are checked while plain strings
 * are passed 16 bytes at a time. After it, the text is known to be valid, and everything else in this library walks
 * over it without checks: what slips through here is read beyond its end there. */
#include <stdint.h>

#include "libcdc/json/json_scan.h"

static const char *fail(struct json_fault *fault, const char *why, const char *where)
{
    fault->why = why;
    fault->where = where;
    return NULL;
}

/* Length of the well-formed UTF-8 sequence (of two bytes or more) at p, 0 if there is none. By the table of RFC 3629:
 *
 *   c2..df           80..bf                    c0 and c1 would be overlong forms of ASCII
 *   e0..ef           80..bf, 80..bf            but e0 80..9f is overlong, ed a0..bf a surrogate
 *   f0..f4           80..bf three times        but f0 80..8f is overlong, f4 90.. is beyond U+10FFFF */
static inline unsigned utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t n = (size_t)(end - p);
    unsigned c = p[0];

#define TAIL(i) ((p[i] & 0xc0) == 0x80)
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return n >= 2 && TAIL(1) ? 2 : 0;
    if (c < 0xf0) {
        if (n < 3 || !TAIL(1) || !TAIL(2))
            return 0;
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
            return 0; /* overlong, surrogate */
        return 3;
    }
    if (c > 0xf4 || n < 4 || !TAIL(1) || !TAIL(2) || !TAIL(3))
        return 0;
    if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return 4;
#undef TAIL
}

bool cdc_utf8_valid(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text, *end = n > 0 ? p + n : p; /* text may be NULL then */

    while (p < end) {
        /* 8 bytes at once: none with its highest bit set, so all of them ASCII. */
        if (end - p >= 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                p += 8;
                continue;
            }
        }
        if (*p < 0x80) {
            p++;
            continue;
        }
        unsigned length = utf8_sequence(p, end);
        if (length == 0)
            return false;
        p += length;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    /* Upper case to lower; what was no letter becomes no letter between a and f either. */
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits at p, or -1. */
static int hex_quad(const char *p, const char *end)
{
    int value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* p: at the backslash. Returns the byte after the escape. */
static const char *scan_escape(const char *p, const char *end, struct json_fault *fault)
{
    if (end - p < 2)
        return fail(fault, "unfinished escape", p);
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return p + 2;
    case 'u': break;
    default: return fail(fault, "unknown escape", p);
    }
    /* Beyond U+FFFF a character is two escapes, a surrogate pair: \ud83d\ude00 is U+1F600. One half alone is no
     * character, and could not be written as UTF-8 by whoever unescapes it. */
    int unit = hex_quad(p + 2, end);
    if (unit < 0)
        return fail(fault, "bad \\u escape", p);
    if (unit < 0xd800 || unit > 0xdfff)
        return p + 6;
    if (unit > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return fail(fault, "lone surrogate", p);
    int low = hex_quad(p + 8, end);
    /* This also catches -1, no digits. */
    if (low < 0xdc00 || low > 0xdfff)
        return fail(fault, "lone surrogate", p);
    return p + 12;
}

const char *json_scan_odd_string(const char *p, const char *end, struct json_fault *fault)
{
    for (;;) {
        p = json_skip_plain(p, end);
        if (p == end)
            return fail(fault, "unfinished string", end);
        if (*p == '"')
            return p + 1;
        if (*p == '\\') {
            p = scan_escape(p, end, fault);
            if (p == NULL)
                return NULL;
            continue;
        }
        if ((unsigned char)*p < 0x20)
            return fail(fault, "control character in a string", p);
        /* A run of them, as in Russian or Chinese text, without going back to the search for plain ASCII after each
         * character. */
        while (p < end && (unsigned char)*p >= 0x80) {
            unsigned length = utf8_sequence((const unsigned char *)p, (const unsigned char *)end);
            if (length == 0)
                return fail(fault, "invalid UTF-8", p);
            p += length;
        }
    }
}

/* -? (0 | 1-9 digits) (. digits)? (e +-? digits)?   so 01, 1., .5, +1 and NaN are refused. */
static inline const char *scan_number(const char *p, const char *end, struct json_fault *fault)
{
    const char *start = p;

    if (*p == '-')
        p++;
    const char *digits = p;
    p = json_skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return fail(fault, "bad number", start);
    if (p < end && *p == '.') {
        digits = ++p;
        p = json_skip_digits(p, end);
        if (p == digits)
            return fail(fault, "bad number", start);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = json_skip_digits(p, end);
        if (p == digits)
            return fail(fault, "bad number", start);
    }
    return p;
}

static const char *scan_word(const char *p, const char *end, const char *word, size_t n, struct json_fault *fault)
{
    if ((size_t)(end - p) < n || memcmp(p, word, n) != 0)
        return fail(fault, "unknown word", p);
    return p + n;
}

static inline const char *scan_scalar(const char *p, const char *end, struct json_fault *fault)
{
    switch (*p) {
    case '"': return json_scan_string(p + 1, end, fault);
    case 't': return scan_word(p, end, "true", 4, fault);
    case 'f': return scan_word(p, end, "false", 5, fault);
    case 'n': return scan_word(p, end, "null", 4, fault);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return scan_number(p, end, fault);
    default: return fail(fault, "a value was expected", p);
    }
}

/* `"name":` and the space around; returns the first byte of the value. */
static inline const char *scan_name(const char *p, const char *end, struct json_fault *fault)
{
    if (p == end || *p != '"')
        return fail(fault, "a member name was expected", p);
    p = json_scan_string(p + 1, end, fault);
    if (p == NULL)
        return NULL;
    p = json_skip_space(p, end);
    if (p == end || *p != ':')
        return fail(fault, "':' was expected", p);
    return json_skip_space(p + 1, end);
}

/* No recursion: a line of 256 MB with nothing but [ must not exhaust the stack. Of each container that is open only
 * its kind must be known, to tell which bracket ends it: one bit (1: object), so as many bits as levels in all. p < end.
 */
static const char *scan_container(const char *p, const char *end, int depth, struct json_fault *fault)
{
    uint64_t kinds[(CDC_JSON_DEPTH + CDC_JSON_ENVELOPE + 63) / 64] = {0};
    int open = 0;

    for (;;) {
        if (p == end)
            return fail(fault, "unfinished value", end);
        if (*p == '{' || *p == '[') {
            bool object = *p == '{';
            if (depth + open >= CDC_JSON_DEPTH)
                return fail(fault, "nested too deep", p);
            /* An empty container is a complete value, and opens no level. */
            p = json_skip_space(p + 1, end);
            if (p < end && *p == (object ? '}' : ']')) {
                p++;
            } else {
                uint64_t bit = UINT64_C(1) << (open & 63);
                kinds[open >> 6] = object ? kinds[open >> 6] | bit : kinds[open >> 6] & ~bit;
                open++;
                if (object && (p = scan_name(p, end, fault)) == NULL)
                    return NULL;
                continue;
            }
        } else {
            p = scan_scalar(p, end, fault);
            if (p == NULL)
                return NULL;
        }
        /* A comma leads to the next value; a closing bracket makes the container a value that is complete itself, so
         * that we are "after a value" again, one level up. */
        for (;;) { /* after a value */
            if (open == 0)
                return p;
            bool object = kinds[(open - 1) >> 6] >> ((open - 1) & 63) & 1;
            p = json_skip_space(p, end);
            if (p == end)
                return fail(fault, "unfinished value", end);
            if (*p == ',') {
                p = json_skip_space(p + 1, end);
                if (object && (p = scan_name(p, end, fault)) == NULL)
                    return NULL;
                break;
            }
            if (*p != (object ? '}' : ']'))
                return fail(fault, object ? "',' or '}' was expected" : "',' or ']' was expected", p);
            p++;
            open--;
        }
    }
}

const char *json_scan_value(const char *p, const char *end, int depth, struct json_fault *fault)
{
    if (p == end)
        return fail(fault, "unfinished value", end);
    return *p == '{' || *p == '[' ? scan_container(p, end, depth, fault) : scan_scalar(p, end, fault);
}

/* Valid text only: brackets are counted, nothing is checked, and what is within strings is passed over, brackets in
 * them included. A scalar at level 0 is the whole value. */
const char *json_skip_value(const char *p, const char *end)
{
    unsigned open = 0;

    while (p < end) {
        switch (*p) {
        case '"': p = json_skip_string(p + 1, end); break;
        case '{':
        case '[':
            open++;
            p++;
            continue;
        case '}':
        case ']':
            if (open > 0)
                open--;
            p++;
            break;
        case ',':
        case ':':
        case ' ':
        case '\t':
        case '\n':
        case '\r': p++; continue;
        default: /* a number or a word */
            while (p < end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
                p++;
        }
        if (open == 0)
            return p;
    }
    return end;
}
