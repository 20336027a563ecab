/* SPDX-License-Identifier: MIT */
/* Tokens that look like the text that they stand for: a digit is a digit, a small letter a small letter, and what is neither
 * stays where it is.
 *
 *   AB-1234 x   ->   QM-8250 e
 *
 * Each character that varies is a numeral of its own alphabet. Where all are of one alphabet their string goes through FF1 in that
 * radix. Else the string is numbered among all of its format (rank-then-encipher), the number, in as many bits as there are
 * such strings, goes through FF1 in radix 2, and again while no string has that number (cycle walking). The format is the tweak. */
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

#define LENGTH_MAX 1024 /* characters that vary */

/* Ranges of code points, each one alphabet with those beside it that have the same number. All code points are assigned. */
static const struct range {
    uint32_t first, last;
    unsigned alphabet;
} ranges[] = {
    {'0', '9', 0},        {'A', 'Z', 1},        {'a', 'z', 2},        {0xc0, 0xd6, 3},
    {0xd8, 0xde, 3},      {0xdf, 0xf6, 4},      {0xf8, 0xff, 4},                         /* Latin-1 */
    {0x100, 0x17f, 5},    {0x180, 0x24f, 6},    {0x1e00, 0x1eff, 7},                     /* more Latin */
    {0x386, 0x386, 8},    {0x388, 0x38a, 8},    {0x38c, 0x38c, 8},    {0x38e, 0x38f, 8}, /* Greek */
    {0x391, 0x3a1, 8},    {0x3a3, 0x3ab, 8},    {0x3ac, 0x3ce, 9},    {0x400, 0x42f, 10},
    {0x430, 0x45f, 11},                                                                   /* Cyrillic */
    {0x531, 0x556, 12},   {0x561, 0x586, 13},   {0x10d0, 0x10fa, 14},                     /* Armenian, Georgian */
    {0x5d0, 0x5ea, 15},   {0x620, 0x63a, 16},   {0x641, 0x64a, 16},   {0x671, 0x6d3, 16}, /* Hebrew, Arabic */
    {0x660, 0x669, 17},   {0x6f0, 0x6f9, 18},   {0x905, 0x939, 19},   {0x93e, 0x94d, 20},
    {0x966, 0x96f, 21},                                                                   /* Devanagari */
    {0xe01, 0xe30, 22},   {0xe31, 0xe3a, 23},   {0xe40, 0xe4e, 24},   {0xe50, 0xe59, 25}, /* Thai */
    {0x3041, 0x3096, 26}, {0x30a1, 0x30fa, 27},                                           /* Japanese */
    {0xac00, 0xd7a3, 28}, {0x4e00, 0x9fff, 29}, {0x3400, 0x4dbf, 30},                     /* Hangul, Chinese */
};
#define RANGES (sizeof ranges / sizeof ranges[0])
/* Punctuation, symbols and marks: they are the format. So is all of ASCII that has no range. */
static const struct {
    uint32_t first, last;
} kept[] = {{0, 0x7f},      {0xa0, 0xbf},     {0xd7, 0xd7},     {0xf7, 0xf7},
            {0x300, 0x36f}, {0x2000, 0x206f}, {0x20a0, 0x20c0}, {0x3000, 0x3020}};

/* A character of the text. */
struct character {
    uint32_t code;
    uint32_t radix; /* 0: it stays */
    unsigned alphabet;
    uint16_t numeral;
};

/* -- characters ---------------------------------------------------------------------- */

/* The character at *p, which moves on; the text is valid UTF-8. */
static uint32_t next_code(const char **p)
{
    const unsigned char *c = (const unsigned char *)*p;
    unsigned n = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    uint32_t code = n == 1 ? c[0] : c[0] & (0x7fu >> n);

    for (unsigned i = 1; i < n; i++)
        code = code << 6 | (c[i] & 0x3f);
    *p += n;
    return code;
}

static void append_code(struct cdc_buf *out, uint32_t code)
{
    if (code < 0x80) {
        cdc_buf_byte(out, (char)code);
        return;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    cdc_buf_byte(out, (char)(0xff00u >> (more + 1) | code >> (6 * more)));
    while (more-- > 0)
        cdc_buf_byte(out, (char)(0x80 | (code >> (6 * more) & 0x3f)));
}

/* Its place in its alphabet. false: it has none, and is not the format either. */
static bool look_up(struct character *character)
{
    uint32_t code = character->code;
    size_t at = 0;

    while (at < RANGES && (code < ranges[at].first || code > ranges[at].last))
        at++;
    if (at == RANGES) {
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
            if (code >= kept[i].first && code <= kept[i].last)
                return true;
        return false;
    }
    character->alphabet = ranges[at].alphabet;
    for (size_t i = 0; i < RANGES; i++)
        if (ranges[i].alphabet == character->alphabet) {
            uint32_t before = character->radix;
            character->radix += ranges[i].last - ranges[i].first + 1;
            if (i == at)
                character->numeral = (uint16_t)(before + code - ranges[i].first);
        }
    return true;
}

static uint32_t code_of(unsigned alphabet, uint32_t numeral)
{
    for (size_t i = 0; i < RANGES; i++) {
        uint32_t n = ranges[i].last - ranges[i].first + 1;
        if (ranges[i].alphabet != alphabet)
            continue;
        if (numeral < n)
            return ranges[i].first + numeral;
        numeral -= n;
    }
    return '?';
}

/* -- numbers of strings of several alphabets ----------------------------------------- */

/* A number of limbs of 32 bits, the lowest first. */
struct number {
    uint32_t *limbs;
    size_t n; /* those above are zero */
};

/* number * factor + more. There is room. */
static void multiply_add(struct number *number, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;

    for (size_t i = 0; i < number->n; i++) {
        carry += (uint64_t)number->limbs[i] * factor;
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0)
        number->limbs[number->n++] = (uint32_t)carry;
}

static uint32_t divide(struct number *number, uint32_t divisor)
{
    uint64_t rest = 0;

    for (size_t i = number->n; i-- > 0;) {
        rest = rest << 32 | number->limbs[i];
        number->limbs[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    while (number->n > 0 && number->limbs[number->n - 1] == 0)
        number->n--;
    return (uint32_t)rest;
}

static bool is_below(const struct number *number, const struct number *limit)
{
    if (number->n != limit->n)
        return number->n < limit->n;
    for (size_t i = number->n; i-- > 0;)
        if (number->limbs[i] != limit->limbs[i])
            return number->limbs[i] < limit->limbs[i];
    return false;
}

/* How many bits the numbers below the limit have. */
static size_t bits_below(const struct number *limit)
{
    size_t zeros = 0;
    while (limit->limbs[zeros] == 0)
        zeros++;
    uint32_t top = limit->limbs[limit->n - 1];
    size_t bits = 32 * limit->n - (size_t)__builtin_clz(top);
    /* Of 2^k they have k. */
    bool power = zeros == limit->n - 1 && (top & (top - 1)) == 0;
    return power ? bits - 1 : bits;
}

static void to_bits(uint16_t *bits, size_t n, const struct number *number)
{
    for (size_t i = 0; i < n; i++) {
        size_t limb = i / 32;
        bits[n - 1 - i] = limb < number->n ? number->limbs[limb] >> i % 32 & 1 : 0;
    }
}

static void from_bits(struct number *number, const uint16_t *bits, size_t n)
{
    number->n = (n + 31) / 32;
    memset(number->limbs, 0, number->n * sizeof *number->limbs);
    for (size_t i = 0; i < n; i++)
        number->limbs[i / 32] |= (uint32_t)bits[n - 1 - i] << i % 32;
    while (number->n > 0 && number->limbs[number->n - 1] == 0)
        number->n--;
}

/* -- the text ------------------------------------------------------------------------- */

struct text {
    struct character *characters;
    size_t n, varying;
    bool is_mixed;
    uint32_t radix; /* of all, unless it is mixed */
    struct number rank, limit;
    uint16_t *numerals; /* or bits */
    struct cdc_buf tweak;
    void *memory;
    size_t size;
};

/* In one piece, which is wiped at the end. */
static int make_room(struct text *text, size_t bytes)
{
    size_t characters = bytes, varying = bytes < LENGTH_MAX ? bytes : LENGTH_MAX, limbs = varying / 2 + 2;

    text->size =
        characters * sizeof *text->characters + 2 * limbs * sizeof(uint32_t) + (varying * 16 + 32) * sizeof(uint16_t);
    char *memory = text->memory = calloc(1, text->size);
    if (memory == NULL)
        return -1;
    text->characters = text->memory;
    memory += characters * sizeof *text->characters;
    text->rank.limbs = (uint32_t *)(void *)memory;
    text->limit.limbs = text->rank.limbs + limbs;
    text->numerals = (uint16_t *)(void *)(text->limit.limbs + limbs);
    return 0;
}

static void free_text(struct text *text)
{
    if (text->memory != NULL)
        explicit_bzero(text->memory, text->size);
    free(text->memory);
    cdc_buf_free(&text->tweak);
}

static int read_characters(struct text *text, struct cdc_span from, struct cdc_error *error)
{
    unsigned alphabet = 0;

    for (const char *p = from.p, *end = from.p + from.n; p < end;) {
        struct character *character = &text->characters[text->n++];
        character->code = next_code(&p);
        if (!look_up(character))
            return cdc_error_set(error, CDC_EXIT_DATA,
                                 "it has a character of an alphabet for which there are no tokens");
        append_code(&text->tweak, character->radix > 0 ? code_of(character->alphabet, 0) : character->code);
        if (character->radix == 0)
            continue;
        if (++text->varying > LENGTH_MAX)
            return cdc_error_set(error, CDC_EXIT_DATA, "it has more than %d letters and digits", LENGTH_MAX);
        text->is_mixed |= text->varying > 1 && character->alphabet != alphabet;
        alphabet = character->alphabet;
        text->radix = character->radix;
    }
    return text->tweak.failed ? cdc_error_memory(error) : 0;
}

/* How many texts have this format; which of them it is. */
static void number_text(struct text *text)
{
    text->limit.limbs[0] = 1;
    text->limit.n = 1;
    for (size_t i = 0; i < text->n; i++)
        if (text->characters[i].radix > 0) {
            multiply_add(&text->limit, text->characters[i].radix, 0);
            multiply_add(&text->rank, text->characters[i].radix, text->characters[i].numeral);
        }
}

static int encipher_mixed(struct ff1 *ff1, struct text *text, struct cdc_error *error)
{
    size_t n = bits_below(&text->limit);

    do {
        to_bits(text->numerals, n, &text->rank);
        if (ff1_encrypt(ff1, cdc_span(text->tweak.data, text->tweak.len), 2, text->numerals, n, error) != 0)
            return -1;
        from_bits(&text->rank, text->numerals, n);
    } while (!is_below(&text->rank, &text->limit));
    for (size_t i = text->n; i-- > 0;)
        if (text->characters[i].radix > 0)
            text->characters[i].numeral = (uint16_t)divide(&text->rank, text->characters[i].radix);
    return 0;
}

static int encipher_uniform(struct ff1 *ff1, struct text *text, struct cdc_error *error)
{
    size_t n = 0;

    for (size_t i = 0; i < text->n; i++)
        if (text->characters[i].radix > 0)
            text->numerals[n++] = text->characters[i].numeral;
    if (ff1_encrypt(ff1, cdc_span(text->tweak.data, text->tweak.len), text->radix, text->numerals, n, error) != 0)
        return -1;
    n = 0;
    for (size_t i = 0; i < text->n; i++)
        if (text->characters[i].radix > 0)
            text->characters[i].numeral = text->numerals[n++];
    return 0;
}

static int encipher(struct ff1 *ff1, struct text *text, struct cdc_span from, struct cdc_error *error)
{
    if (read_characters(text, from, error) != 0)
        return -1;
    number_text(text);
    if (text->limit.n == 1 && text->limit.limbs[0] < FF1_DOMAIN)
        return cdc_error_set(error, CDC_EXIT_DATA,
                             "it is too short: fewer than %d texts have its format, so that a token could be guessed",
                             FF1_DOMAIN);
    return text->is_mixed ? encipher_mixed(ff1, text, error) : encipher_uniform(ff1, text, error);
}

int token_append(struct cdc_buf *out, struct ff1 *ff1, struct cdc_span from, struct cdc_error *error)
{
    struct text text = {.characters = NULL};
    struct cdc_buf token = CDC_BUF_INIT;

    if (make_room(&text, from.n) != 0)
        return cdc_error_memory(error);
    int result = encipher(ff1, &text, from, error);
    for (size_t i = 0; result == 0 && i < text.n; i++) {
        const struct character *character = &text.characters[i];
        append_code(&token, character->radix > 0 ? code_of(character->alphabet, character->numeral) : character->code);
    }
    if (result == 0)
        cdc_json_append_string(out, token.data, token.len);
    out->failed |= token.failed;
    cdc_buf_free(&token);
    free_text(&text);
    return result;
}
