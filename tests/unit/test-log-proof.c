/* SPDX-License-Identifier: MIT */
/* Hashes, trees, signed notes and checkpoints of a log: against the published examples of signed notes and of Certificate
 * Transparency, against the recursive definition of RFC 6962, and each with any byte of it changed. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "connectors/log/proof/checkpoint.h"
#include "connectors/log/proof/tree.h"

/* By hashlib: before the first line of the log `id`, of a line without and with a salt, after each of them. Then keys, in DER. */
#define FIRST "3191e05ace35d0d5c5c96976735e0203b1e1d270c2a7ce5a64ca4f1a1677da54"
#define LEAF "c7261463ebd776f4650b6d0fe942d9cc38c925d90f77d440ab6df8d5dd258c5f"
#define SECOND "b7a0f6fc0b8d4fd3f46e33e8184624e4f7b057e77e28d6be2661046029b78772"
#define SALTED "b310e22b0596bae69afd88a2259c47295242de5eb52d89a53a1da27cd1b5dd8d"
#define THIRD "2bbdebac5396bd8cd004be1af8fe42e3576776c50eaba85c1a12bbfe38eb4dd0"
#define EXAMPLE_KEY "MCowBQYDK2VwAyEA6TJ5GubnqECkYWTJBHhkJtXngh3YspoA1hyucq/dTaQ="
#define PRIVATE_KEY "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static const char id[] = "0123456789abcdef0123456789abcdef";

static bool is_hex(const unsigned char *got, const char *hex)
{
    char text[LOG_HASH_HEX + 1];

    log_hash_print(text, got);
    return strcmp(text, hex) == 0;
}

/* -- the chain -------------------------------------------------------------------------- */

/* What sha256sum says of the same bytes. */
static void test_chain(void)
{
    struct log_chain chain;
    unsigned char salt[LOG_SALT], leaf[LOG_HASH];
    struct cdc_error error = {0};

    memset(salt, 's', sizeof salt);
    check(log_chain_open(&chain, id, &error) == 0, "init");
    check(is_hex(chain.value, FIRST), "before the first line");
    log_chain_leaf(&chain, cdc_span_text("{\"a\":1}"), NULL, leaf);
    check(is_hex(leaf, LEAF), "leaf without salt");
    log_chain_line(&chain, cdc_span_text("{\"a\":1}"), NULL);
    check(is_hex(chain.value, SECOND), "after one line");
    log_chain_leaf(&chain, cdc_span_text("{\"a\":1}"), salt, leaf);
    check(is_hex(leaf, SALTED), "leaf with salt");
    log_chain_add(&chain, leaf);
    check(is_hex(chain.value, THIRD), "after two lines");
    log_chain_free(&chain);
}

/* A purged line stands for its leaf in its own log only. */
static void test_purged(void)
{
    struct log_chain chain;
    unsigned char leaf[LOG_HASH];
    static const char own[] =
        "{\"op\":\"purged\",\"pos\":\"1\",\"leaf\":\"" LEAF "\",\"log\":\"0123456789abcdef0123456789abcdef\"}   ";
    static const char other[] =
        "{\"op\":\"purged\",\"pos\":\"1\",\"leaf\":\"" LEAF "\",\"log\":\"1123456789abcdef0123456789abcdef\"}";
    static const char torn[] = "{\"op\":\"purged\",\"leaf\":\"" LEAF "\",\"log\":\"0123456789abcdef0123456789abcdef\"";
    static const char none[] = "{\"op\":\"purged\",\"leaf\":\"x\",\"log\":\"0123456789abcdef0123456789abcdef\"}";

    log_chain_open(&chain, id, NULL);
    check(log_chain_purged(&chain, cdc_span_text(own), leaf) && is_hex(leaf, LEAF), "own");
    log_chain_line(&chain, cdc_span_text(own), NULL);
    check(is_hex(chain.value, SECOND), "it keeps the chain");
    check(!log_chain_purged(&chain, cdc_span_text(other), leaf), "another log's");
    check(!log_chain_purged(&chain, cdc_span_text(torn), leaf), "no JSON");
    check(!log_chain_purged(&chain, cdc_span_text(none), leaf), "no leaf");
    log_chain_free(&chain);
}

/* -- the tree --------------------------------------------------------------------------- */

/* The inputs and roots that tests of Certificate Transparency share. */
static const struct {
    const char *bytes;
    size_t n;
    const char *root;
} vectors[] = {
    {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"\0", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {" !", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"01", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"@ABC", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"PQRSTUVW", 8, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"`abcdefghijklmno", 16, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

static void test_tree_vectors(void)
{
    struct log_chain chain;
    struct log_tree tree;
    unsigned char root[LOG_HASH], leaf[LOG_HASH];

    log_chain_open(&chain, id, NULL);
    log_tree_init(&tree, LOG_TREE_NOBODY);
    log_tree_root(&tree, &chain, root);
    check(is_hex(root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "of nothing");
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        log_chain_leaf(&chain, cdc_span(vectors[i].bytes, vectors[i].n), NULL, leaf);
        log_tree_add(&tree, &chain, leaf);
        log_tree_root(&tree, &chain, root);
        check(is_hex(root, vectors[i].root), vectors[i].root);
    }
    log_chain_free(&chain);
}

#define MOST 70
static unsigned char leaves[MOST][LOG_HASH];

/* RFC 6962, 2.1, as it is written. */
static void root_of(struct log_chain *hash, size_t from, size_t n, unsigned char out[LOG_HASH])
{
    unsigned char left[LOG_HASH], right[LOG_HASH];
    size_t k = 1;

    if (n == 1) {
        memcpy(out, leaves[from], LOG_HASH);
        return;
    }
    while (k * 2 < n)
        k *= 2;
    root_of(hash, from, k, left);
    root_of(hash, from + k, n - k, right);
    log_chain_join(hash, 1, left, right, out);
}

static void path_leads(struct log_chain *hash, size_t at, size_t n)
{
    struct log_tree tree;
    unsigned char root[LOG_HASH], wanted[LOG_HASH], found[LOG_HASH];

    root_of(hash, 0, n, wanted);
    log_tree_init(&tree, at);
    for (size_t i = 0; i < n; i++)
        log_tree_add(&tree, hash, leaves[i]);
    log_tree_root(&tree, hash, root);
    check(memcmp(root, wanted, LOG_HASH) == 0, "root");
    const unsigned char(*path)[LOG_HASH] = (const unsigned char(*)[LOG_HASH])tree.path;
    check(1 == log_tree_follow(hash, leaves[at], at, n, path, tree.n_path, found) && memcmp(found, root, LOG_HASH) == 0,
          "path");
    check(1 != log_tree_follow(hash, leaves[at], n, n, path, tree.n_path, found), "beyond the end");
    if (n > 1) {
        size_t other = at ^ 1;
        check(1 != log_tree_follow(hash, leaves[at], other < n ? other : at - 1, n, path, tree.n_path, found) ||
                  memcmp(found, root, LOG_HASH) != 0,
              "at another place");
        check(1 != log_tree_follow(hash, leaves[at], at, n, path, tree.n_path - 1, found) ||
                  memcmp(found, root, LOG_HASH) != 0,
              "one too few");
    }
    tree.path[tree.n_path][0] = 0;
    check(1 != log_tree_follow(hash, leaves[at], at, n, path, tree.n_path + 1, found), "one too many");
}

static void test_paths(void)
{
    struct log_chain chain;

    log_chain_open(&chain, id, NULL);
    for (size_t i = 0; i < MOST; i++) {
        log_chain_leaf(&chain, cdc_span((char *)&i, sizeof i), NULL, leaves[i]);
    }
    for (size_t n = 1; n <= MOST; n++)
        for (size_t at = 0; at < n; at++)
            path_leads(&chain, at, n);
    log_chain_free(&chain);
}

/* -- notes ------------------------------------------------------------------------------ */

static const char example_key[] = "-----BEGIN PUBLIC KEY-----\n" EXAMPLE_KEY "\n-----END PUBLIC KEY-----\n";
static const char example[] =
    "This is an example message.\n\n\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

static void test_example(void)
{
    struct cdc_error error = {0};
    struct log_key *key = log_key_parse(cdc_span_text(example_key), false, "key", &error);
    struct cdc_span text = {NULL, 0};

    check(key != NULL && log_note_open(cdc_span_text(example), "example.com/foo", key, &text, &error) == 0, error.text);
    check(cdc_span_is(text, "This is an example message.\n"), "its text");
    cdc_error_clear(&error);
    check(log_note_open(cdc_span_text(example), "example.com/bar", key, &text, &error) == -1 &&
              error.status == CDC_EXIT_CONFIG,
          "another name");
    log_key_free(key);
}

/* The one of RFC 8032, 7.1, test 1. */
static const char private_key[] = "-----BEGIN PRIVATE KEY-----\n" PRIVATE_KEY "\n-----END PRIVATE KEY-----\n";

static struct log_checkpoint some_checkpoint(uint64_t start)
{
    struct log_checkpoint checkpoint = {.start = start, .lines = 12, .end = 3456};

    memcpy(checkpoint.id, id, sizeof id);
    memset(checkpoint.root, 7, LOG_HASH);
    memset(checkpoint.chain, 9, LOG_HASH);
    return checkpoint;
}

static bool same(const struct log_checkpoint *a, const struct log_checkpoint *b)
{
    return strcmp(a->id, b->id) == 0 && a->start == b->start && a->lines == b->lines && a->end == b->end &&
           memcmp(a->root, b->root, LOG_HASH) == 0 && memcmp(a->chain, b->chain, LOG_HASH) == 0;
}

/* Each byte of the note changed, and the note cut at each byte: it is refused, or says the same. */
static void damage(const struct cdc_buf *note, const struct log_checkpoint *checkpoint, const struct log_key *key)
{
    struct log_checkpoint got;
    struct cdc_error error;

    for (size_t i = 0; i < note->len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            note->data[i] ^= (char)(1 << bit);
            error = (struct cdc_error){0};
            check(log_checkpoint_open(&got, cdc_span(note->data, note->len), key, &error) == -1 &&
                      (error.status == CDC_EXIT_CONFIG || error.status == CDC_EXIT_DATA),
                  "a bit of the note is changed");
            note->data[i] ^= (char)(1 << bit);
        }
        check(log_checkpoint_open(&got, cdc_span(note->data, i), key, NULL) == -1, "the note is truncated");
    }
    check(log_checkpoint_open(&got, cdc_span(note->data, note->len), key, NULL) == 0 && same(&got, checkpoint),
          "the note as it was");
}

static void test_checkpoint(uint64_t start)
{
    struct cdc_error error = {0};
    struct log_key *key = log_key_parse(cdc_span_text(private_key), true, "key", &error);
    struct log_key *other = log_key_parse(cdc_span_text(example_key), false, "key", &error);
    struct log_checkpoint checkpoint = some_checkpoint(start), got;
    struct cdc_buf note = CDC_BUF_INIT;

    check(key != NULL && other != NULL && log_checkpoint_sign(&note, &checkpoint, key, &error) == 0, error.text);
    damage(&note, &checkpoint, key);
    check(log_checkpoint_open(&got, cdc_span(note.data, note.len), other, &error) == -1 &&
              error.status == CDC_EXIT_CONFIG,
          "another key");
    /* A witness has signed it too. */
    cdc_buf_lit(&note, "\u2014 witness.example AAAA\n");
    check(log_checkpoint_open(&got, cdc_span(note.data, note.len), key, NULL) == 0 && same(&got, &checkpoint),
          "with a witness");
    cdc_buf_lit(&note, "no signature\n");
    check(log_checkpoint_open(&got, cdc_span(note.data, note.len), key, NULL) == -1, "with a line that is none");
    cdc_buf_free(&note);
    log_key_free(key);
    log_key_free(other);
}

static void test_keys(void)
{
    struct cdc_error error = {0};
    static const char *const bad[] = {"", "x", "-----BEGIN PRIVATE KEY-----\n", example_key};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error = (struct cdc_error){0};
        check(log_key_parse(cdc_span_text(bad[i]), true, "key", &error) == NULL && error.status == CDC_EXIT_CONFIG,
              "no private key");
    }
    struct log_key *key = log_key_parse(cdc_span_text(private_key), false, "key", &error);
    check(key != NULL, "the private key has the public one");
    log_key_free(key);
}

static void test_base64(void)
{
    unsigned char out[8];
    size_t n;
    static const char *const bad[] = {"A", "AA", "AAA", "AA=A", "A===", "AB==", "AAB=", "AA-A", "AAAA\n"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check(!log_from_base64(out, &n, cdc_span_text(bad[i])), bad[i]);
    check(log_from_base64(out, &n, cdc_span_text("YWI=")) && n == 2 && memcmp(out, "ab", 2) == 0, "YWI=");
    check(log_from_base64(out, &n, cdc_span_text("")) && n == 0, "nothing");
}

/* Nobody is asked for a passphrase, and an empty one is one. */
static void test_key_with_passphrase(void)
{
    static const char *const words[] = {"", "secret"};

    for (size_t i = 0; i < 2; i++) {
        struct cdc_error error = {0};
        char *text = NULL;
        EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        BIO *bio = BIO_new(BIO_s_mem());
        check(PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_256_cbc(), words[i], (int)strlen(words[i]), NULL,
                                            NULL) == 1,
              "a key with a passphrase");
        long n = BIO_get_mem_data(bio, &text);
        check(n > 100 && log_key_parse(cdc_span(text, (size_t)n), true, "key", &error) == NULL &&
                  error.status == CDC_EXIT_CONFIG,
              "a key with a passphrase is refused");
        BIO_free(bio);
        EVP_PKEY_free(pkey);
    }
}

int main(void)
{
    test_chain();
    test_purged();
    test_tree_vectors();
    test_paths();
    test_example();
    test_checkpoint(0);
    test_checkpoint(268435456);
    test_keys();
    test_key_with_passphrase();
    test_base64();
    if (failures == 0)
        printf("ok\n");
    return failures != 0;
}
