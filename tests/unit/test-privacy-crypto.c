/* SPDX-License-Identifier: MIT */
/* The algorithms against published vectors: RFC 4231 (HMAC-SHA-256), RFC 5869 (HKDF), NIST SP 800-38G (FF1), McGrew and Viega
 * (AES-GCM); tokens: their form, that two texts never get one, that they stay the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcdc/privacy/internal.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* Hexadecimal digits as bytes; how many. */
static size_t bytes_of(unsigned char *out, const char *hex)
{
    size_t n = strlen(hex) / 2;
    check(secret_from_hex(out, hex, n), hex);
    return n;
}

static bool is_hex(const unsigned char *got, const char *hex)
{
    unsigned char wanted[256];
    size_t n = bytes_of(wanted, hex);
    return memcmp(got, wanted, n) == 0;
}

/* -- HMAC and HKDF --------------------------------------------------------------------- */

static void mac_is(const unsigned char *key, size_t n, struct cdc_span text, const char *wanted)
{
    struct cdc_error error = {0};
    unsigned char out[MAC_SIZE];
    struct mac *mac = mac_new(key, n, &error);

    for (size_t cut = 0; cut <= text.n; cut += text.n / 2 + 1) /* in two parts too, and the key again */
        check(mac != NULL &&
                  mac_of(mac, cdc_span(text.p, cut), cdc_span(text.p + cut, text.n - cut), out, &error) == 0 &&
                  is_hex(out, wanted),
              wanted);
    mac_free(mac);
}

static void test_mac(void)
{
    unsigned char key[131];
    char text[50];

    memset(key, 0x0b, 20);
    mac_is(key, 20, cdc_span_text("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    mac_is((const unsigned char *)"Jefe", 4, cdc_span_text("what do ya want for nothing?"),
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(text, 0xdd, sizeof text);
    mac_is(key, 20, cdc_span(text, 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    mac_is(key, 131, cdc_span_text("Test Using Larger Than Block-Size Key - Hash Key First"),
           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    mac_is(key, 131,
           cdc_span_text("This is a test using a larger than block-size key and a larger than block-size data. The key "
                         "needs to be hashed before being used by the HMAC algorithm."),
           "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    memset(text, 0xcd, sizeof text);
    mac_is(key, bytes_of(key, "0102030405060708090a0b0c0d0e0f10111213141516171819"), cdc_span(text, 50),
           "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    memset(key, 0x0b, 22);
    unsigned char out[SECRET_KEY];
    check(hkdf_key(out, key, 22, "", NULL) == 0 &&
              is_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
          "HKDF, RFC 5869, case 3");
}

/* -- GCM ------------------------------------------------------------------------------- */

static void seal_is(const char *key_hex, const char *nonce_hex, const char *bound_hex, const char *text_hex,
                    const char *wanted)
{
    unsigned char key[32], nonce[SEAL_NONCE], bound[64], text[128], out[160], back[160];
    size_t bound_n = bytes_of(bound, bound_hex), n = bytes_of(text, text_hex);
    struct seal *seal = seal_new(NULL);
    struct cdc_span bound_to = cdc_span((char *)bound, bound_n);

    bytes_of(key, key_hex);
    bytes_of(nonce, nonce_hex);
    for (int again = 0; again < 2; again++) {
        check(seal != NULL && seal_close(seal, key, nonce, bound_to, cdc_span((char *)text, n), out, NULL) == 0 &&
                  is_hex(out, wanted),
              wanted);
        check(seal_open(seal, key, nonce, bound_to, out, n + SEAL_TAG, back, NULL) == 1 && memcmp(back, text, n) == 0,
              "opened");
        for (size_t i = 0; i < n + SEAL_TAG; i++) {
            out[i] ^= 1;
            check(seal_open(seal, key, nonce, bound_to, out, n + SEAL_TAG, back, NULL) == 0, "changed: not opened");
            out[i] ^= 1;
        }
        check(seal_open(seal, key, nonce, cdc_span_text("other"), out, n + SEAL_TAG, back, NULL) == 0,
              "bound to something else: not opened");
        check(seal_open(seal, key, nonce, bound_to, out, SEAL_TAG - 1, back, NULL) == 0, "too short");
    }
    seal_free(seal);
}

static void test_seal(void)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

    seal_is(zeros, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b");
    seal_is(zeros, "000000000000000000000000", "", "00000000000000000000000000000000",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    seal_is("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5"
            "aa0de657ba637b39",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e63"
            "93ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
}

/* -- FF1 ------------------------------------------------------------------------------- */

static const char numeral_digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static void ff1_is(const char *key_hex, size_t key_n, const char *tweak_hex, uint32_t radix, const char *text,
                   const char *wanted)
{
    unsigned char key[32], tweak[32];
    size_t n = strlen(text), tweak_n = bytes_of(tweak, tweak_hex);
    uint16_t numerals[64];
    char got[64] = {0};

    secret_from_hex(key, key_hex, key_n);
    struct ff1 *ff1 = ff1_new(key, key_n, NULL);
    for (int large = 0; large < 2; large++) {
        for (size_t i = 0; i < n; i++)
            numerals[i] = (uint16_t)(strchr(numeral_digits, text[i]) - numeral_digits);
        check((large ? ff1_encrypt_large : ff1_encrypt)(ff1, cdc_span((char *)tweak, tweak_n), radix, numerals, n,
                                                        NULL) == 0,
              "FF1");
        for (size_t i = 0; i < n; i++)
            got[i] = numeral_digits[numerals[i]];
        check(strcmp(got, wanted) == 0, wanted);
    }
    ff1_free(ff1);
}

static void test_ff1(void)
{
    static const char key[] = "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94";
    static const char *const wanted[3][3] = {{"2433477484", "6124200773", "a9tv40mll9kdu509eum"},
                                             {"2830668132", "2496655549", "xbj3kv35jrawxv32ysr"},
                                             {"6657667009", "1001623463", "xs8a0azh2avyalyzuwd"}};

    for (size_t i = 0; i < 3; i++) {
        ff1_is(key, 16 + 8 * i, "", 10, "0123456789", wanted[i][0]);
        ff1_is(key, 16 + 8 * i, "39383736353433323130", 10, "0123456789", wanted[i][1]);
        ff1_is(key, 16 + 8 * i, "3737373770717273373737", 36, "0123456789abcdefghi", wanted[i][2]);
    }
}

/* Words of the machine and libcrypto's numbers say the same, whatever the radix and the length. */
static void test_sizes(void)
{
    static const uint32_t radixes[] = {2, 10, 26, 36, 255, 256, 257, 20992, 65536};
    unsigned char key[32] = {7};
    struct ff1 *ff1 = ff1_new(key, sizeof key, NULL);
    unsigned state = 1;

    for (size_t r = 0; r < sizeof radixes / sizeof radixes[0]; r++)
        for (size_t n = 20; n < 140; n += 7) {
            uint16_t one[140], two[140];
            char tweak[140] = "tweak";
            for (size_t i = 0; i < n; i++)
                one[i] = two[i] = (uint16_t)((state = state * 1103515245 + 12345) >> 8) % radixes[r];
            check(ff1_encrypt(ff1, cdc_span(tweak, n % 33), radixes[r], one, n, NULL) == 0 &&
                      ff1_encrypt_large(ff1, cdc_span(tweak, n % 33), radixes[r], two, n, NULL) == 0 &&
                      memcmp(one, two, n * sizeof *one) == 0,
                  "FF1 of small and of large numbers");
        }
    ff1_free(ff1);
}

/* -- tokens ------------------------------------------------------------------------------ */

static struct ff1 *token_ff1(void)
{
    unsigned char key[32] = {1, 2, 3};
    return ff1_new(key, sizeof key, NULL);
}

static bool same_kind(char a, char b)
{
    bool digits = a >= '0' && a <= '9', small = a >= 'a' && a <= 'z', capital = a >= 'A' && a <= 'Z';
    return digits ? b >= '0' && b <= '9' : small ? b >= 'a' && b <= 'z' : capital ? b >= 'A' && b <= 'Z' : a == b;
}

static void token_has_form(struct ff1 *ff1, const char *text)
{
    struct cdc_buf one = CDC_BUF_INIT, two = CDC_BUF_INIT;
    size_t n = strlen(text);
    bool good = token_append(&one, ff1, cdc_span(text, n), NULL) == 0 && one.len == n + 2 &&
                token_append(&two, ff1, cdc_span(text, n), NULL) == 0 &&
                cdc_span_equal(cdc_span(one.data, one.len), cdc_span(two.data, two.len)) &&
                memcmp(one.data + 1, text, n) != 0;

    for (size_t i = 0; good && i < n; i++)
        good = same_kind(text[i], one.data[1 + i]);
    check(good, text);
    cdc_buf_free(&one);
    cdc_buf_free(&two);
}

static void token_is_refused(struct ff1 *ff1, const char *text)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;

    check(token_append(&out, ff1, cdc_span_text(text), &error) == -1 && error.status == CDC_EXIT_DATA &&
              (*text == '\0' || strstr(error.text, text) == NULL) && out.len == 0,
          text);
    cdc_buf_free(&out);
}

/* All texts of a format have tokens of that format, each another one: the smallest domain that is allowed, every text of it. */
static void test_permutation(struct ff1 *ff1)
{
    unsigned char *seen = calloc(1000000, 1);
    struct cdc_buf out = CDC_BUF_INIT;
    size_t twice = 0;

    for (int i = 0; i < 1000000; i++) {
        char text[12];
        snprintf(text, sizeof text, "%06d", i);
        out.len = 0;
        if (token_append(&out, ff1, cdc_span(text, 6), NULL) != 0)
            break;
        out.data[7] = '\0';
        twice += seen[atoi(out.data + 1)]++;
    }
    check(twice == 0, "no two numbers have one token");
    check(memchr(seen, 0, 1000000) == NULL, "each number is a token");
    free(seen);
    cdc_buf_free(&out);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}

/* The same of texts of several alphabets, of which there are 6,760,000: the first of them. */
static void test_mixed(struct ff1 *ff1)
{
    enum { N = 200000 };
    char(*tokens)[8] = calloc(N, 8);
    struct cdc_buf out = CDC_BUF_INIT;
    bool good = true, twice = false;

    for (int i = 0; i < N; i++) {
        char text[24];
        snprintf(text, sizeof text, "%c%c-%04d", 'A' + i / 10000 % 26, 'a' + i / 260000, i % 10000);
        out.len = 0;
        good &= token_append(&out, ff1, cdc_span(text, 7), NULL) == 0 && out.len == 9;
        memcpy(tokens[i], out.data + 1, 7);
    }
    qsort(tokens, N, 8, compare);
    for (int i = 1; i < N; i++)
        twice |= memcmp(tokens[i - 1], tokens[i], 8) == 0;
    check(good, "all have tokens");
    check(!twice, "no two mixed texts have one token");
    free(tokens);
    cdc_buf_free(&out);
}

static void test_alphabets(struct ff1 *ff1)
{
    struct cdc_buf out = CDC_BUF_INIT;

    check(token_append(&out, ff1, cdc_span_text("Привет, мир \xe6\xbc\xa2\xe5\xad\x97"), NULL) == 0 &&
              cdc_utf8_valid(out.data, out.len) && out.len == strlen("Привет, мир \xe6\xbc\xa2\xe5\xad\x97") + 2,
          "letters of other alphabets");
    check(memcmp(out.data + 1, "П", 2) != 0 && memmem(out.data, out.len, "ривет", 10) == NULL, "are not kept");
    cdc_buf_free(&out);
}

static void test_tokens(void)
{
    static const char *const texts[] = {"123456",
                                        "4111-1111-1111-1111",
                                        "AB-1234 x",
                                        "zoe@example.com",
                                        "-1234567.80",
                                        "Donaudampfschifffahrtsgesellschaftskapitaen",
                                        "00000000000000000000000000000000000000000000000000000000000000",
                                        "\"a\\bcdefgh"};
    static const char *const refused[] = {"12345", "abcd", "---", "\xf0\x9f\x98\x80 123456789", "1-2-3"};
    struct ff1 *ff1 = token_ff1();
    char long_text[1026];

    for (size_t i = 0; i + 1 < sizeof texts / sizeof texts[0]; i++)
        token_has_form(ff1, texts[i]);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        token_is_refused(ff1, refused[i]);
    memset(long_text, 'a', sizeof long_text);
    long_text[1025] = '\0';
    token_is_refused(ff1, long_text);
    long_text[1000] = '7';
    long_text[1024] = '\0';
    token_has_form(ff1, long_text);
    test_alphabets(ff1);
    test_permutation(ff1);
    test_mixed(ff1);
    ff1_free(ff1);
}

int main(void)
{
    test_mac();
    test_seal();
    test_ff1();
    test_sizes();
    test_tokens();
    if (failures == 0)
        printf("ok - privacy, the algorithms\n");
    return failures != 0;
}
