/* SPDX-License-Identifier: MIT */
/* Walking, reading and writing JSON text. Values are spans of the text that came, from their first byte to their
 * last: a number such as 1.10 or 12345678901234567890 is never turned into a double, so it leaves as it came. */
#include <stdlib.h>

#include "libcdc/json/json_scan.h"
#include <cdc/hash.h>

static int validate(const char *p, size_t n, int depth, struct cdc_error *error)
{
    struct json_fault fault = {NULL, NULL};
    const char *end = p + n;
    const char *after = json_scan_value(json_skip_space(p, end), end, depth, &fault);

    if (after == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "bad JSON at byte %zu: %s", (size_t)(fault.where - p), fault.why);
    after = json_skip_space(after, end);
    if (after != end)
        return cdc_error_set(error, CDC_EXIT_DATA, "bad JSON at byte %zu: text after the value", (size_t)(after - p));
    return 0;
}

int cdc_json_validate(const char *p, size_t n, struct cdc_error *error)
{
    return validate(p, n, 0, error);
}

int cdc_json_validate_envelope(const char *p, size_t n, struct cdc_error *error)
{
    return validate(p, n, -CDC_JSON_ENVELOPE, error);
}

/* A whole line may have space around it. */
static struct cdc_span without_space(struct cdc_span value)
{
    const char *end = value.p + value.n, *p = json_skip_space(value.p, end);

    while (end > p && (unsigned char)end[-1] <= ' ')
        end--;
    return cdc_span(p, (size_t)(end - p));
}

enum cdc_json_type cdc_json_type(struct cdc_span value)
{
    if (value.p == NULL || value.n == 0)
        return CDC_JSON_NONE;
    const char *first = json_skip_space(value.p, value.p + value.n - 1);
    switch (*first) {
    case '{': return CDC_JSON_OBJECT;
    case '[': return CDC_JSON_ARRAY;
    case '"': return CDC_JSON_STRING;
    case 'n': return CDC_JSON_NULL;
    case 't':
    case 'f': return CDC_JSON_BOOL;
    /* In valid text nothing else is left. */
    default: return CDC_JSON_NUMBER;
    }
}

bool cdc_json_is_null(struct cdc_span value)
{
    return value.p == NULL || cdc_json_type(value) == CDC_JSON_NULL;
}

void cdc_json_iter_begin(struct cdc_json_iter *iter, struct cdc_span container)
{
    enum cdc_json_type type = cdc_json_type(container);

    iter->pair = iter->pairs_end = NULL;
    if (type != CDC_JSON_OBJECT && type != CDC_JSON_ARRAY) {
        iter->p = iter->end = container.p;
        return;
    }
    /* Without the brackets. The closing one is just after iter->end, and is what the look-ahead below may read. */
    container = without_space(container);
    iter->p = container.p + 1;
    iter->end = container.p + container.n - 1;
}

/* To the first byte of the next thing in the container; false at its end. */
static bool next_start(struct cdc_json_iter *iter)
{
    while (iter->p < iter->end && (*iter->p == ',' || (unsigned char)*iter->p <= ' '))
        iter->p++;
    return iter->p < iter->end;
}

size_t cdc_json_count_members(struct cdc_span object)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t n = 0;

    if (cdc_json_type(object) != CDC_JSON_OBJECT)
        return 0;
    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        n++;
    return n;
}

/* Commas and space before an element are skipped as one: the text is valid, so between two elements there is exactly
 * one comma. */
bool cdc_json_next_element(struct cdc_json_iter *iter, struct cdc_span *value)
{
    if (!next_start(iter))
        return false;
    value->p = iter->p;
    iter->p = json_skip_value(iter->p, iter->end);
    value->n = (size_t)(iter->p - value->p);
    /* A member's name: an object has no elements. At the end stands the closing bracket. */
    return *value->p != '"' || *json_skip_space(iter->p, iter->end) != ':';
}

bool cdc_json_next_member(struct cdc_json_iter *iter, struct cdc_span *name, struct cdc_span *value)
{
    if (iter->pair != NULL) {
        if (iter->pair == iter->pairs_end)
            return false;
        *name = iter->pair->name;
        *value = iter->pair->value;
        iter->pair++;
        return true;
    }
    if (!next_start(iter))
        return false;
    const char *start = iter->p;
    if (*start != '"') /* an element: an array has no members */
        return false;
    const char *after = json_skip_string(start + 1, iter->end);
    /* after is past the closing quote: both quotes go. */
    *name = cdc_span(start + 1, (size_t)(after - start) - 2);
    after = json_skip_space(after, iter->end);
    if (*after != ':') /* at the end it is the closing bracket */
        return false;
    iter->p = json_skip_space(after + 1, iter->end); /* the colon */
    value->p = iter->p;
    /* Most values of a row are strings: straight to their end, without the switch of json_skip_value. */
    iter->p = iter->p < iter->end && *iter->p == '"' ? json_skip_string(iter->p + 1, iter->end)
                                                     : json_skip_value(iter->p, iter->end);
    value->n = (size_t)(iter->p - value->p);
    return true;
}

/* No early end at the first hit: of a name that comes twice the last one counts, as in cdc_event_parse and jansson. */
struct cdc_span cdc_json_member(struct cdc_span object, const char *name)
{
    struct cdc_json_iter iter;
    struct cdc_span member, value, found = {NULL, 0};

    if (cdc_json_type(object) != CDC_JSON_OBJECT)
        return found;
    cdc_json_iter_begin(&iter, object);
    while (cdc_json_next_member(&iter, &member, &value))
        if (cdc_json_raw_is(member, cdc_span_text(name)))
            found = value;
    return found;
}

struct cdc_span cdc_json_string_raw(struct cdc_span value)
{
    if (cdc_json_type(value) != CDC_JSON_STRING)
        return cdc_span(NULL, 0);
    return cdc_span(value.p + 1, value.n - 2);
}

struct cdc_span cdc_json_member_raw(struct cdc_span object, const char *name)
{
    return cdc_json_string_raw(cdc_json_member(object, name));
}

char *cdc_json_member_text(struct cdc_span object, const char *name)
{
    struct cdc_span raw = cdc_json_member_raw(object, name);
    size_t n = 0;
    char *text = raw.p != NULL ? cdc_json_text(raw, &n) : NULL;

    /* A NUL (\u0000 in the text) would end it early for whoever takes it as a C string: "a\u0000b" must not pass as
     * "a". */
    if (text != NULL && strlen(text) == n)
        return text;
    free(text);
    return NULL;
}

bool cdc_json_member_copy(struct cdc_span object, const char *name, char *to, size_t size)
{
    struct cdc_span raw = cdc_json_member_raw(object, name);
    char *text = NULL;
    bool plain = raw.p != NULL && memchr(raw.p, '\\', raw.n) == NULL; /* nearly always, and needs no memory */
    size_t n = plain ? raw.n : (text = cdc_json_member_text(object, name)) != NULL ? strlen(text) : size;

    *to = '\0';
    if (n < size) {
        memcpy(to, plain ? raw.p : text, n);
        to[n] = '\0';
    }
    free(text);
    return n < size;
}

bool cdc_json_member_is(struct cdc_span object, const char *name, const char *text)
{
    return cdc_json_raw_is(cdc_json_member_raw(object, name), cdc_span_text(text));
}

/* Four hexadecimal digits that were validated. */
static unsigned quad(const char *p)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* Writes code point c as UTF-8 (RFC 3629); returns the length. */
static size_t utf8_encode(char out[4], unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* Decodes the valid escape at p into out; returns the bytes it takes in the text, *n the bytes in out: of \n 2 and 1, of
 * \u00e9 6 and 2, of \ud83d\ude00 (a surrogate pair) 12 and 4. */
static size_t decode_escape(const char *p, char out[4], size_t *n)
{
    *n = 1;
    switch (p[1]) {
    case 'b': out[0] = '\b'; return 2;
    case 'f': out[0] = '\f'; return 2;
    case 'n': out[0] = '\n'; return 2;
    case 'r': out[0] = '\r'; return 2;
    case 't': out[0] = '\t'; return 2;
    case 'u': break;
    /* The quote, the backslash and the slash stand for themselves. */
    default: out[0] = p[1]; return 2;
    }
    unsigned c = quad(p + 2);
    if (c < 0xd800 || c > 0xdfff) {
        *n = utf8_encode(out, c);
        return 6;
    }
    /* A surrogate pair has 10 bits of the code point in each half, less 0x10000. */
    *n = utf8_encode(out, 0x10000 + ((c - 0xd800) << 10) + (quad(p + 8) - 0xdc00));
    return 12;
}

void cdc_json_unescape(struct cdc_buf *out, struct cdc_span raw)
{
    if (raw.n == 0) /* maybe absent, without any text */
        return;
    const char *p = raw.p, *end = raw.p + raw.n;

    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        if (backslash == NULL)
            backslash = end;
        cdc_buf_append(out, p, (size_t)(backslash - p));
        p = backslash;
        if (p < end) {
            char bytes[4];
            size_t n;
            p += decode_escape(p, bytes, &n);
            cdc_buf_append(out, bytes, n);
        }
    }
}

char *cdc_json_text(struct cdc_span raw, size_t *n)
{
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_json_unescape(&text, raw);
    if (n != NULL)
        *n = text.len;
    /* It is kept, one for each table or column: the rest of the buffer's first 256 bytes would be most of it. */
    char *exact = text.failed ? NULL : cdc_span_copy(cdc_span(text.data, text.len));
    cdc_buf_free(&text);
    return exact;
}

bool cdc_json_raw_is(struct cdc_span raw, struct cdc_span text)
{
    /* An escape is longer than what it stands for: at the same length both are the same bytes and hold none. */
    if (raw.n <= text.n)
        return cdc_span_equal(raw, text) && (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL);
    /* Longer and without an escape: more bytes than text has. */
    if (memchr(raw.p, '\\', raw.n) == NULL)
        return false;
    const char *p = raw.p, *end = raw.p + raw.n;
    size_t at = 0;
    while (p < end) {
        char bytes[4] = {*p, 0, 0, 0};
        size_t n = 1;
        p += *p == '\\' ? decode_escape(p, bytes, &n) : 1;
        if (text.n - at < n || memcmp(text.p + at, bytes, n) != 0)
            return false;
        at += n;
    }
    return at == text.n;
}

/* A text with escapes, read piece by piece: a byte, or what an escape stands for. */
struct pieces {
    const char *p, *end;
    char bytes[4];
    size_t at, n;
};

static bool next_byte(struct pieces *pieces, char *byte)
{
    if (pieces->at == pieces->n) {
        if (pieces->p == pieces->end)
            return false;
        pieces->at = 0;
        pieces->n = 1;
        pieces->bytes[0] = *pieces->p;
        pieces->p += *pieces->p == '\\' ? decode_escape(pieces->p, pieces->bytes, &pieces->n) : 1;
    }
    *byte = pieces->bytes[pieces->at++];
    return true;
}

bool cdc_json_raw_equal(struct cdc_span a, struct cdc_span b)
{
    if (cdc_span_equal(a, b))
        return true;
    if (a.n == 0 || b.n == 0) /* maybe absent, without any text */
        return false;
    struct pieces one = {.p = a.p, .end = a.p + a.n}, other = {.p = b.p, .end = b.p + b.n};
    char x = 0, y = 0;
    if (memchr(a.p, '\\', a.n) == NULL)
        return b.n > a.n && cdc_json_raw_is(b, a);
    for (;;) {
        bool more = next_byte(&one, &x);
        if (next_byte(&other, &y) != more)
            return false;
        if (!more)
            return true;
        if (x != y)
            return false;
    }
}

uint64_t cdc_json_hash(uint64_t hash, struct cdc_span raw)
{
    char byte = 0;

    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL) /* maybe absent, and nearly always as it is */
        return cdc_hash_span(hash, raw);
    struct pieces pieces = {.p = raw.p, .end = raw.p + raw.n};
    while (next_byte(&pieces, &byte))
        hash = cdc_hash_byte(hash, (uint8_t)byte);
    return hash;
}

bool cdc_json_int64(struct cdc_span value, int64_t *result)
{
    uint64_t v = 0;

    if (value.p == NULL || value.n == 0)
        return false;
    const char *p = value.p, *end = p + value.n;
    bool negative = *p == '-';
    p += negative;
    if (p == end)
        return false;
    const char *safe = end - p <= 18 ? end : p + 18; /* 18 digits always fit */
    for (; p < safe; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9)
            return false;
        v = v * 10 + digit;
    }
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    /* One more fits below zero. */
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *result = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* The short form where JSON has one, else \u001f: the same bytes as most other writers produce. */
static void append_escape(struct cdc_buf *out, unsigned char c)
{
    char text[6] = {'\\', (char)c, 0, 0, 0, 0};
    size_t n = 2;

    switch (c) {
    case '"':
    case '\\': break;
    case '\b': text[1] = 'b'; break;
    case '\f': text[1] = 'f'; break;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    default:
        memcpy(text + 1, "u00", 3);
        text[4] = "0123456789abcdef"[c >> 4];
        text[5] = "0123456789abcdef"[c & 15];
        n = 6;
    }
    cdc_buf_append(out, text, n);
}

/* First byte of p..end that JSON must escape: below 0x20, the quote or the backslash. 8 bytes at once: x - 0x01
 * borrows into the highest bit of a byte that was 0 (a quote, once the text is combined with quotes by XOR), x - 0x20
 * into that of a byte below 0x20. Bytes above 0x7f have that bit anyway: ~word takes them out. */
static const char *skip_unescaped(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;

    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t hit = ((word - ones * 0x20) | (quote - ones) | (backslash - ones)) & ~word & highs;
        /* quote and backslash are below 0x80, so ~word keeps them; a false hit only costs the slow loop. */
        if (hit != 0)
            break;
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
        p++;
    return p;
}

void cdc_json_append_string(struct cdc_buf *out, const char *p, size_t n)
{
    const char *end = n > 0 ? p + n : p; /* p may be NULL then */

    /* Text that needs no escape, nearly all of it, fits without growing again. */
    if (!cdc_buf_room(out, n + 2))
        return;
    out->data[out->len++] = '"';
    while (p < end) {
        const char *stop = skip_unescaped(p, end);
        cdc_buf_append(out, p, (size_t)(stop - p));
        p = stop;
        if (p < end)
            append_escape(out, (unsigned char)*p++);
    }
    cdc_buf_byte(out, '"');
}

void cdc_json_append_message(struct cdc_buf *out, const char *text)
{
    struct cdc_buf plain = CDC_BUF_INIT;
    size_t n = strlen(text);

    if (cdc_utf8_valid(text, n)) {
        cdc_json_append_string(out, text, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x80)
            cdc_buf_byte(&plain, text[i]);
        else
            cdc_buf_printf(&plain, "\\x%02x", (unsigned char)text[i]);
    cdc_json_append_string(out, plain.failed ? "" : plain.data, plain.failed ? 0 : plain.len);
    cdc_buf_free(&plain);
}

bool cdc_json_append_text(struct cdc_buf *out, const char *p, size_t n)
{
    if (cdc_utf8_valid(p, n)) {
        cdc_json_append_string(out, p, n);
        return true;
    }
    cdc_buf_lit(out, "{\"base64\":\"");
    cdc_buf_base64(out, p, n);
    cdc_buf_lit(out, "\"}");
    return false;
}

void cdc_json_append_compact(struct cdc_buf *out, struct cdc_span value)
{
    const char *p = value.p, *end = value.p + value.n;

    while (p < end) {
        const char *start = p;
        while (p < end && *p != '"' && (unsigned char)*p > ' ')
            p++;
        /* Space within a string is content. */
        if (p < end && *p == '"')
            p = json_skip_value(p, end);
        cdc_buf_append(out, start, (size_t)(p - start));
        while (p < end && (unsigned char)*p <= ' ')
            p++;
    }
}
