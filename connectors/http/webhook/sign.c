/* SPDX-License-Identifier: MIT */
/* Signatures as Standard Webhooks 1.0.0 has them, symmetric: the keys are base64 after "whsec_", 24 to 64 bytes, and while a key
 * is replaced by another one, a request is signed with both. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/http/webhook/internal.h"
#include <cdc/file.h>

#define KEYS_MAX 8
#define KEY_MIN 24
#define KEY_MAX 64
#define FILE_BYTES 4096

struct webhook_keys {
    struct {
        unsigned char bytes[KEY_MAX + 3];
        size_t n;
    } items[KEYS_MAX];
    size_t n;
};

/* 0, or -1: it is none. */
static int take_key(struct webhook_keys *keys, const char *text, size_t n)
{
    static const char prefix[] = "whsec_";
    int got, padding = 0;

    if (keys->n == KEYS_MAX || n <= sizeof prefix - 1 || memcmp(text, prefix, sizeof prefix - 1) != 0)
        return -1;
    text += sizeof prefix - 1;
    n -= sizeof prefix - 1;
    if (n % 4 != 0 || n / 4 * 3 > sizeof keys->items[0].bytes)
        return -1;
    got = EVP_DecodeBlock(keys->items[keys->n].bytes, (const unsigned char *)text, (int)n);
    while (padding < 2 && text[n - 1 - (size_t)padding] == '=')
        padding++;
    if (got - padding < KEY_MIN || got - padding > KEY_MAX)
        return -1;
    keys->items[keys->n++].n = (size_t)(got - padding);
    return 0;
}

static int take_lines(struct webhook_keys *keys, const char *path, const char *text, size_t n, struct cdc_error *error)
{
    int number = 0;

    for (size_t at = 0, end; at < n; at = end + 1) {
        const char *lf = memchr(text + at, '\n', n - at);
        end = lf != NULL ? (size_t)(lf - text) : n;
        size_t length = end - at - (end > at && text[end - 1] == '\r');
        number++;
        if (length == 0 || text[at] == '#' || take_key(keys, text + at, length) == 0)
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "line %d of \"%s\" is no key to sign with", number, path);
        return cdc_error_hint(error, "a key is whsec_ and base64 of %d to %d bytes; one a line, %d at most", KEY_MIN,
                              KEY_MAX, KEYS_MAX);
    }
    return keys->n > 0 ? 0 : cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" has no key to sign with", path);
}

struct webhook_keys *webhook_keys_read(const char *path, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct webhook_keys *keys = NULL;

    if (cdc_file_read_secret(path, FILE_BYTES, "the file of keys", &text, error) == 0) {
        keys = calloc(1, sizeof *keys);
        if (keys == NULL)
            cdc_error_memory(error);
        else if (take_lines(keys, path, text.data, text.len, error) != 0) {
            webhook_keys_free(keys);
            keys = NULL;
        }
    }
    cdc_file_free_secret(&text);
    return keys;
}

void webhook_keys_free(struct webhook_keys *keys)
{
    if (keys != NULL)
        explicit_bzero(keys, sizeof *keys);
    free(keys);
}

/* The body is not copied: it may have megabytes. false: no memory. */
static bool digest(const unsigned char *key, size_t n, const char *head, struct cdc_span body, unsigned char out[32])
{
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    size_t got = 0;
    bool ok = context != NULL && EVP_MAC_init(context, key, n, params) == 1 &&
              EVP_MAC_update(context, (const unsigned char *)head, strlen(head)) == 1 &&
              EVP_MAC_update(context, (const unsigned char *)body.p, body.n) == 1 &&
              EVP_MAC_final(context, out, &got, 32) == 1 && got == 32;

    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return ok;
}

int webhook_sign(const struct webhook_keys *keys, const char *id, int64_t timestamp, struct cdc_span body,
                 struct cdc_buf *out, struct cdc_error *error)
{
    char *head = NULL;

    if (asprintf(&head, "%s.%lld.", id, (long long)timestamp) < 0)
        return cdc_error_memory(error);
    for (size_t i = 0; i < keys->n; i++) {
        unsigned char signature[32];
        if (!digest(keys->items[i].bytes, keys->items[i].n, head, body, signature)) {
            free(head);
            return cdc_error_memory(error);
        }
        cdc_buf_text(out, i > 0 ? " v1," : "v1,");
        cdc_buf_base64(out, signature, sizeof signature);
    }
    free(head);
    return out->failed ? cdc_error_memory(error) : 0;
}
