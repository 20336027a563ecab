/* SPDX-License-Identifier: MIT */
/* What we use of libcrypto, each algorithm fetched once. Its contexts are wiped when they are freed. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

static int broken(const char *what, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do %s (out of memory, or not in this build of it)",
                         what);
}

/* -- HMAC ---------------------------------------------------------------------------- */

struct mac {
    EVP_MAC_CTX *ctx;
};

struct mac *mac_new(const unsigned char *key, size_t n, struct cdc_error *error)
{
    struct mac *mac = calloc(1, sizeof *mac);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);

    if (mac != NULL && algorithm != NULL && (mac->ctx = EVP_MAC_CTX_new(algorithm)) != NULL &&
        EVP_MAC_init(mac->ctx, key, n, params)) {
        EVP_MAC_free(algorithm);
        return mac;
    }
    EVP_MAC_free(algorithm);
    mac_free(mac);
    broken("HMAC-SHA-256", error);
    return NULL;
}

void mac_free(struct mac *mac)
{
    if (mac == NULL)
        return;
    EVP_MAC_CTX_free(mac->ctx);
    free(mac);
}

int mac_of(struct mac *mac, struct cdc_span prefix, struct cdc_span text, unsigned char out[MAC_SIZE],
           struct cdc_error *error)
{
    size_t n = 0;

    /* Without a key, init begins anew with the one that it has. */
    if (EVP_MAC_init(mac->ctx, NULL, 0, NULL) &&
        (prefix.n == 0 || EVP_MAC_update(mac->ctx, (const unsigned char *)prefix.p, prefix.n)) &&
        (text.n == 0 || EVP_MAC_update(mac->ctx, (const unsigned char *)text.p, text.n)) &&
        EVP_MAC_final(mac->ctx, out, &n, MAC_SIZE) && n == MAC_SIZE)
        return 0;
    return broken("HMAC-SHA-256", error);
}

int hkdf_key(unsigned char out[SECRET_KEY], const unsigned char *key, size_t n, const char *purpose,
             struct cdc_error *error)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)purpose, strlen(purpose)),
        OSSL_PARAM_construct_end()};
    EVP_KDF *algorithm = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = algorithm != NULL ? EVP_KDF_CTX_new(algorithm) : NULL;
    bool good = ctx != NULL && EVP_KDF_derive(ctx, out, SECRET_KEY, params) > 0;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(algorithm);
    return good ? 0 : broken("HKDF", error);
}

/* -- AES ----------------------------------------------------------------------------- */

struct aes {
    EVP_CIPHER_CTX *ctx;
};

struct aes *aes_new(const unsigned char *key, size_t n, struct cdc_error *error)
{
    struct aes *aes = calloc(1, sizeof *aes);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL,
                                          n == 16   ? "AES-128-ECB"
                                          : n == 24 ? "AES-192-ECB"
                                                    : "AES-256-ECB",
                                          NULL);

    if (aes != NULL && cipher != NULL && (aes->ctx = EVP_CIPHER_CTX_new()) != NULL &&
        EVP_EncryptInit_ex2(aes->ctx, cipher, key, NULL, NULL) && EVP_CIPHER_CTX_set_padding(aes->ctx, 0)) {
        EVP_CIPHER_free(cipher);
        return aes;
    }
    EVP_CIPHER_free(cipher);
    aes_free(aes);
    broken("AES", error);
    return NULL;
}

void aes_free(struct aes *aes)
{
    if (aes == NULL)
        return;
    EVP_CIPHER_CTX_free(aes->ctx);
    free(aes);
}

int aes_encrypt(struct aes *aes, unsigned char out[BLOCK_SIZE], const unsigned char in[BLOCK_SIZE])
{
    int n;

    return EVP_EncryptUpdate(aes->ctx, out, &n, in, BLOCK_SIZE) && n == BLOCK_SIZE ? 0 : -1;
}

/* -- AES-256-GCM --------------------------------------------------------------------- */

struct seal {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
};

struct seal *seal_new(struct cdc_error *error)
{
    struct seal *seal = calloc(1, sizeof *seal);

    if (seal != NULL && (seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL)) != NULL &&
        (seal->ctx = EVP_CIPHER_CTX_new()) != NULL)
        return seal;
    seal_free(seal);
    broken("AES-256-GCM", error);
    return NULL;
}

void seal_free(struct seal *seal)
{
    if (seal == NULL)
        return;
    EVP_CIPHER_CTX_free(seal->ctx);
    EVP_CIPHER_free(seal->cipher);
    free(seal);
}

/* libcrypto counts in int. No line is that long. */
static bool fits(size_t n)
{
    return n < ((size_t)1 << 30);
}

int seal_close(struct seal *seal, const unsigned char key[SECRET_KEY], const unsigned char nonce[SEAL_NONCE],
               struct cdc_span bound, struct cdc_span text, unsigned char *out, struct cdc_error *error)
{
    int n = 0, rest = 0;

    if (fits(bound.n) && fits(text.n) && EVP_EncryptInit_ex2(seal->ctx, seal->cipher, key, nonce, NULL) &&
        EVP_EncryptUpdate(seal->ctx, NULL, &n, (const unsigned char *)bound.p, (int)bound.n) &&
        EVP_EncryptUpdate(seal->ctx, out, &n, (const unsigned char *)text.p, (int)text.n) &&
        EVP_EncryptFinal_ex(seal->ctx, out + n, &rest) && (size_t)n + (size_t)rest == text.n &&
        EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, out + text.n))
        return 0;
    return broken("AES-256-GCM", error);
}

int seal_open(struct seal *seal, const unsigned char key[SECRET_KEY], const unsigned char nonce[SEAL_NONCE],
              struct cdc_span bound, const unsigned char *in, size_t n, unsigned char *out, struct cdc_error *error)
{
    int done = 0, rest = 0;

    if (n < SEAL_TAG || !fits(n) || !fits(bound.n))
        return 0;
    size_t text = n - SEAL_TAG;
    unsigned char tag[SEAL_TAG];
    memcpy(tag, in + text, SEAL_TAG);
    if (!EVP_DecryptInit_ex2(seal->ctx, seal->cipher, key, nonce, NULL) ||
        !EVP_DecryptUpdate(seal->ctx, NULL, &done, (const unsigned char *)bound.p, (int)bound.n) ||
        !EVP_DecryptUpdate(seal->ctx, out, &done, in, (int)text) ||
        !EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag))
        return broken("AES-256-GCM", error);
    return EVP_DecryptFinal_ex(seal->ctx, out + done, &rest) > 0;
}

int random_bytes(unsigned char *out, size_t n, struct cdc_error *error)
{
    return RAND_bytes(out, (int)n) == 1 ? 0 : broken("random numbers", error);
}
