/* SPDX-License-Identifier: MIT */
/* FF1, format-preserving encryption of NIST SP 800-38G: ten Feistel rounds over the two halves of a string of numerals, with AES
 * as CBC-MAC in between. The halves are kept as numbers, A of u numerals and B of v, and a round is
 *
 *   A, B = B, (A + the first d bytes of what AES makes of round and B) mod radix^m        m: u in even rounds, v in odd ones
 *
 * Numbers of up to 64 bits, which nearly all are, are machine words; larger ones are libcrypto's. */
#include <openssl/bn.h>
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

#define ROUNDS 10

struct ff1 {
    struct aes *aes;
    BN_CTX *numbers;
    struct cdc_buf mac; /* P and Q of the standard, one after the other */
    struct cdc_buf stream;
};

/* What is the same in all rounds of one string. */
struct rounds {
    struct ff1 *ff1;
    struct cdc_span tweak;
    uint32_t radix;
    size_t n, u, v;
    size_t b, d;    /* bytes of a half's number, and of what is added to it */
    size_t padding; /* zeros after the tweak */
};

struct ff1 *ff1_new(const unsigned char *key, size_t n, struct cdc_error *error)
{
    struct ff1 *ff1 = calloc(1, sizeof *ff1);

    if (ff1 == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    ff1->aes = aes_new(key, n, error);
    ff1->numbers = BN_CTX_secure_new();
    if (ff1->aes != NULL && ff1->numbers != NULL)
        return ff1;
    cdc_error_memory(error); /* unless there is an error already */
    ff1_free(ff1);
    return NULL;
}

/* Both have had values in them. */
static void free_wiped(struct cdc_buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    cdc_buf_free(buf);
}

void ff1_free(struct ff1 *ff1)
{
    if (ff1 == NULL)
        return;
    aes_free(ff1->aes);
    BN_CTX_free(ff1->numbers);
    free_wiped(&ff1->mac);
    free_wiped(&ff1->stream);
    free(ff1);
}

static void append_number(struct cdc_buf *out, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        cdc_buf_byte(out, (char)(value >> (8 * bytes)));
}

/* bits: of the largest number of v numerals. */
static void begin_rounds(struct rounds *rounds, size_t bits)
{
    struct cdc_buf *mac = &rounds->ff1->mac;

    rounds->b = (bits + 7) / 8;
    rounds->d = 4 * ((rounds->b + 3) / 4) + 4;
    rounds->padding = (16 - (rounds->tweak.n + rounds->b + 1) % 16) % 16;
    mac->len = 0;
    append_number(mac, 0x010201, 3);
    append_number(mac, rounds->radix, 3);
    append_number(mac, ROUNDS, 1);
    append_number(mac, rounds->u % 256, 1);
    append_number(mac, rounds->n, 4);
    append_number(mac, rounds->tweak.n, 4);
    cdc_buf_span(mac, rounds->tweak);
    for (size_t i = 0; i < rounds->padding; i++)
        cdc_buf_byte(mac, '\0');
}

/* The d bytes of a round, in ff1->stream: B's number was appended to mac after the round's. */
static int make_stream(struct rounds *rounds)
{
    struct cdc_buf *mac = &rounds->ff1->mac, *stream = &rounds->ff1->stream;
    unsigned char sum[BLOCK_SIZE] = {0}, block[BLOCK_SIZE];

    stream->len = 0;
    if (mac->failed || !cdc_buf_room(stream, rounds->d + BLOCK_SIZE))
        return -1;
    for (size_t i = 0; i < mac->len; i += BLOCK_SIZE) {
        for (size_t k = 0; k < BLOCK_SIZE; k++)
            sum[k] ^= (unsigned char)mac->data[i + k];
        if (aes_encrypt(rounds->ff1->aes, sum, sum) != 0)
            return -1;
    }
    cdc_buf_append(stream, sum, BLOCK_SIZE);
    for (uint32_t j = 1; stream->len < rounds->d; j++) {
        memcpy(block, sum, BLOCK_SIZE);
        for (unsigned k = 0; k < 4; k++)
            block[BLOCK_SIZE - 1 - k] ^= (unsigned char)(j >> (8 * k));
        if (aes_encrypt(rounds->ff1->aes, block, block) != 0)
            return -1;
        cdc_buf_append(stream, block, BLOCK_SIZE);
    }
    return stream->failed ? -1 : 0;
}

/* -- numbers of up to 64 bits -------------------------------------------------------- */

static int round_small(struct rounds *rounds, unsigned i, uint64_t *a, uint64_t *b, unsigned __int128 modulus)
{
    struct cdc_buf *mac = &rounds->ff1->mac;
    size_t begin = mac->len;
    unsigned __int128 y = 0;

    append_number(mac, i, 1);
    append_number(mac, *b, (unsigned)rounds->b);
    if (make_stream(rounds) != 0)
        return -1;
    mac->len = begin;
    /* d is 12 at most: the sum fits in 128 bits. */
    for (size_t k = 0; k < rounds->d; k++)
        y = y << 8 | (unsigned char)rounds->ff1->stream.data[k];
    uint64_t c = (uint64_t)((*a + y) % modulus);
    *a = *b;
    *b = c;
    return 0;
}

/* radix^n, or 0 where that is more than 2^64. */
static unsigned __int128 power(uint32_t radix, size_t n)
{
    unsigned __int128 result = 1, most = (unsigned __int128)1 << 64;

    for (; n > 0; n--) {
        result *= radix;
        if (result > most)
            return 0;
    }
    return result;
}

static uint64_t number_of(const uint16_t *numerals, size_t n, uint32_t radix)
{
    uint64_t result = 0;

    for (size_t i = 0; i < n; i++)
        result = result * radix + numerals[i];
    return result;
}

static void to_numerals(uint16_t *numerals, size_t n, uint32_t radix, uint64_t number)
{
    while (n-- > 0) {
        numerals[n] = (uint16_t)(number % radix);
        number /= radix;
    }
}

static int encrypt_small(struct rounds *rounds, uint16_t *numerals, unsigned __int128 u_modulus,
                         unsigned __int128 v_modulus)
{
    uint64_t a = number_of(numerals, rounds->u, rounds->radix);
    uint64_t b = number_of(numerals + rounds->u, rounds->v, rounds->radix), largest = (uint64_t)(v_modulus - 1);

    begin_rounds(rounds, 64 - (size_t)__builtin_clzll(largest));
    for (unsigned i = 0; i < ROUNDS; i++)
        if (round_small(rounds, i, &a, &b, i % 2 == 0 ? u_modulus : v_modulus) != 0)
            return -1;
    to_numerals(numerals, rounds->u, rounds->radix, a);
    to_numerals(numerals + rounds->u, rounds->v, rounds->radix, b);
    return 0;
}

/* -- larger ones --------------------------------------------------------------------- */

struct large {
    BIGNUM *a, *b, *u_modulus, *v_modulus, *y;
};

static bool large_number_of(BIGNUM *result, const uint16_t *numerals, size_t n, uint32_t radix)
{
    BN_zero(result);
    for (size_t i = 0; i < n; i++)
        if (!BN_mul_word(result, radix) || !BN_add_word(result, numerals[i]))
            return false;
    return true;
}

static bool large_to_numerals(uint16_t *numerals, size_t n, uint32_t radix, BIGNUM *number)
{
    while (n-- > 0) {
        BN_ULONG numeral = BN_div_word(number, radix);
        if (numeral == (BN_ULONG)-1)
            return false;
        numerals[n] = (uint16_t)numeral;
    }
    return true;
}

static bool large_power(BIGNUM *result, uint32_t radix, size_t n)
{
    if (!BN_one(result))
        return false;
    for (; n > 0; n--)
        if (!BN_mul_word(result, radix))
            return false;
    return true;
}

static bool round_large(struct rounds *rounds, unsigned i, struct large *large)
{
    struct ff1 *ff1 = rounds->ff1;
    size_t begin = ff1->mac.len;

    append_number(&ff1->mac, i, 1);
    if (!cdc_buf_room(&ff1->mac, rounds->b) ||
        BN_bn2binpad(large->b, (unsigned char *)ff1->mac.data + ff1->mac.len, (int)rounds->b) < 0)
        return false;
    ff1->mac.len += rounds->b;
    if (make_stream(rounds) != 0)
        return false;
    ff1->mac.len = begin;
    if (BN_bin2bn((const unsigned char *)ff1->stream.data, (int)rounds->d, large->y) == NULL ||
        !BN_add(large->a, large->a, large->y) ||
        !BN_mod(large->a, large->a, i % 2 == 0 ? large->u_modulus : large->v_modulus, ff1->numbers))
        return false;
    BIGNUM *c = large->a;
    large->a = large->b;
    large->b = c;
    return true;
}

static bool rounds_large(struct rounds *rounds, struct large *large, uint16_t *numerals)
{
    uint32_t radix = rounds->radix;

    if (!large_power(large->u_modulus, radix, rounds->u) || !large_power(large->v_modulus, radix, rounds->v) ||
        !large_number_of(large->a, numerals, rounds->u, radix) ||
        !large_number_of(large->b, numerals + rounds->u, rounds->v, radix) ||
        BN_copy(large->y, large->v_modulus) == NULL || !BN_sub_word(large->y, 1))
        return false;
    begin_rounds(rounds, (size_t)BN_num_bits(large->y));
    for (unsigned i = 0; i < ROUNDS; i++)
        if (!round_large(rounds, i, large))
            return false;
    return large_to_numerals(numerals, rounds->u, radix, large->a) &&
           large_to_numerals(numerals + rounds->u, rounds->v, radix, large->b);
}

static int encrypt_large(struct rounds *rounds, uint16_t *numerals)
{
    BN_CTX *numbers = rounds->ff1->numbers;
    struct large large;

    BN_CTX_start(numbers);
    large.a = BN_CTX_get(numbers);
    large.b = BN_CTX_get(numbers);
    large.u_modulus = BN_CTX_get(numbers);
    large.v_modulus = BN_CTX_get(numbers);
    large.y = BN_CTX_get(numbers); /* once one of them fails, the last does */
    bool good = large.y != NULL && rounds_large(rounds, &large, numerals);
    BN_CTX_end(numbers);
    return good ? 0 : -1;
}

/* -- both ---------------------------------------------------------------------------- */

static int encrypt(struct ff1 *ff1, struct cdc_span tweak, uint32_t radix, uint16_t *numerals, size_t n, bool small,
                   struct cdc_error *error)
{
    struct rounds rounds = {.ff1 = ff1, .tweak = tweak, .radix = radix, .n = n, .u = n / 2, .v = n - n / 2};
    unsigned __int128 v_modulus = small ? power(radix, rounds.v) : 0;
    int result = v_modulus != 0 ? encrypt_small(&rounds, numerals, power(radix, rounds.u), v_modulus)
                                : encrypt_large(&rounds, numerals);

    return result == 0 ? 0 : cdc_error_memory(error);
}

int ff1_encrypt(struct ff1 *ff1, struct cdc_span tweak, uint32_t radix, uint16_t *numerals, size_t n,
                struct cdc_error *error)
{
    return encrypt(ff1, tweak, radix, numerals, n, true, error);
}

int ff1_encrypt_large(struct ff1 *ff1, struct cdc_span tweak, uint32_t radix, uint16_t *numerals, size_t n,
                      struct cdc_error *error)
{
    return encrypt(ff1, tweak, radix, numerals, n, false, error);
}
