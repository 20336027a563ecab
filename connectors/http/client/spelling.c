/* SPDX-License-Identifier: MIT */
#include "connectors/http/client/spelling.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A character, and how many bytes of the text it takes; taken 0: none is spelled here. */
struct spelled {
    size_t taken, n;
    char bytes[4];
};

static struct spelled utf8(uint32_t code, size_t taken)
{
    struct spelled it = {.taken = taken};

    if (code < 0x80) {
        it.bytes[it.n++] = (char)code;
    } else if (code < 0x800) {
        it.bytes[it.n++] = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        it.bytes[it.n++] = (char)(0xE0 | code >> 12);
        it.bytes[it.n++] = (char)(0x80 | (code >> 6 & 0x3F));
    } else {
        it.bytes[it.n++] = (char)(0xF0 | (code >> 18 & 0x07));
        it.bytes[it.n++] = (char)(0x80 | (code >> 12 & 0x3F));
        it.bytes[it.n++] = (char)(0x80 | (code >> 6 & 0x3F));
    }
    if (code >= 0x80)
        it.bytes[it.n++] = (char)(0x80 | (code & 0x3F));
    return it;
}

/* Digits at p, at most `most`: how many there are. */
static size_t digits(const char *p, const char *end, unsigned base, size_t most, uint32_t *value)
{
    static const char all[] = "0123456789abcdef";
    size_t n = 0;

    for (*value = 0; n < most && p + n < end; n++) {
        int c = tolower((unsigned char)p[n]);
        const char *known = c != '\0' ? strchr(all, c) : NULL;
        if (known == NULL || known - all >= (ptrdiff_t)base)
            break;
        *value = *value * base + (uint32_t)(known - all);
    }
    return n;
}

/* \u00e9, a pair of them, \n, \/ */
static struct spelled in_json(const char *p, const char *end)
{
    static const char short_ones[] = "b\bf\fn\nr\rt\t";
    uint32_t code, low;

    if (end - p < 2)
        return (struct spelled){0};
    if (p[1] != 'u') {
        const char *known = strchr(short_ones, p[1]);
        bool is_short = known != NULL && (known - short_ones) % 2 == 0 && p[1] != '\0';
        return (struct spelled){2, 1, {is_short ? known[1] : p[1]}};
    }
    if (digits(p + 2, end, 16, 4, &code) < 4)
        return (struct spelled){0};
    if (code >= 0xD800 && code < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' &&
        digits(p + 8, end, 16, 4, &low) == 4 && low >= 0xDC00 && low < 0xE000)
        return utf8(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), 12);
    return utf8(code, 6);
}

static struct spelled in_url(const char *p, const char *end)
{
    uint32_t code;

    return digits(p + 1, end, 16, 2, &code) == 2 ? (struct spelled){3, 1, {(char)code}} : (struct spelled){0};
}

/* &amp; &#39; &#x27; */
static struct spelled in_html(const char *p, const char *end)
{
    static const struct {
        const char *name;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    uint32_t code;

    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if ((size_t)(end - p) >= strlen(named[i].name) && memcmp(p, named[i].name, strlen(named[i].name)) == 0)
            return (struct spelled){strlen(named[i].name), 1, {named[i].c}};
    if (end - p < 4 || p[1] != '#')
        return (struct spelled){0};
    bool is_hex = p[2] == 'x' || p[2] == 'X';
    const char *from = p + (is_hex ? 3 : 2);
    size_t n = digits(from, end, is_hex ? 16 : 10, 6, &code);
    return n > 0 && from + n < end && from[n] == ';' && code < 0x110000 ? utf8(code, (size_t)(from - p) + n + 1)
                                                                        : (struct spelled){0};
}

static struct spelled read_escape(const char *p, const char *end)
{
    switch (*p) {
    case '\\': return in_json(p, end);
    case '%': return in_url(p, end);
    case '&': return in_html(p, end);
    default: return (struct spelled){0};
    }
}

/* escaped_first: a mark of an escape begins one, and does not stand for itself. */
static size_t match(const char *p, const char *end, const char *word, size_t length, bool escaped_first)
{
    const char *begin = p;

    for (size_t i = 0; i < length;) {
        if (p >= end)
            return 0;
        if (!escaped_first && *p == word[i]) {
            p++, i++;
            continue;
        }
        struct spelled it = read_escape(p, end);
        if (it.taken > 0 && it.n <= length - i && memcmp(it.bytes, word + i, it.n) == 0) {
            p += it.taken;
            i += it.n;
        } else if (*p == word[i]) {
            p++, i++;
        } else {
            return 0;
        }
    }
    return (size_t)(p - begin);
}

size_t http_spelling_match(const char *p, const char *end, const char *word, size_t length)
{
    char plain[1024];
    size_t n = 0, taken = match(p, end, word, length, false);

    if (taken == 0)
        taken = match(p, end, word, length, true);
    if (taken > 0 || length > sizeof plain || memchr(word, '%', length) == NULL)
        return taken;
    for (size_t i = 0; i < length;) { /* the word of a URL, which the peer has read */
        struct spelled it = word[i] == '%' ? in_url(word + i, word + length) : (struct spelled){0};
        plain[n++] = it.taken > 0 ? it.bytes[0] : word[i];
        i += it.taken > 0 ? it.taken : 1;
    }
    taken = match(p, end, plain, n, false);
    return taken > 0 ? taken : match(p, end, plain, n, true);
}
