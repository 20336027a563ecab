/* SPDX-License-Identifier: MIT */
#include <openssl/evp.h>

#include "connectors/log/file/crc32c.h"
#include "connectors/log/proof/scan.h"
#include "connectors/log/proof/sums.h"

struct pass {
    struct log_scan scan;
    EVP_MD_CTX *sha256;
    uint32_t crc;
    uint64_t n; /* lines of the batches so far */
};

static int differs(struct pass *pass, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s", what);
    return log_scan_error(&pass->scan, error);
}

static int take_block(struct pass *pass, struct cdc_span block, struct cdc_error *error)
{
    if (pass->sha256 != NULL && EVP_DigestUpdate(pass->sha256, block.p, block.n) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
    pass->crc = log_crc32c(pass->crc, block.p, block.n);
    if (pass->scan.at < pass->scan.commit.end)
        return 0;
    if (!log_commit_crc_is(&pass->scan.commit, pass->crc))
        return differs(pass, "they are not what was appended (CRC)", error);
    pass->n += pass->scan.commit.n;
    pass->crc = 0;
    return 0;
}

static int check_seal(struct pass *pass, struct cdc_error *error)
{
    const struct log_commit *seal = &pass->scan.commit;
    unsigned char digest[LOG_HASH];
    char text[LOG_HASH_HEX + 1];

    if (EVP_DigestFinal_ex(pass->sha256, digest, NULL) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
    log_hash_print(text, digest);
    if (seal->len != seal->end - pass->scan.start || seal->n != pass->n)
        return differs(pass, "its seal has another length, or number of lines, than its commits", error);
    if (!cdc_span_is(seal->sha256, text) && !(seal->has_was && cdc_span_is(seal->sha256_was, text)))
        return differs(pass, "its SHA-256 is not that of its seal", error);
    return 0;
}

static int run(struct log_sums *sums, struct pass *pass, struct cdc_error *error)
{
    struct cdc_span block;
    int more;

    if (log_scan_open(&pass->scan, sums->folder, sums->kind, sums->start, sums->limit, error) != 0 ||
        (sums->sealed && EVP_DigestInit_ex(pass->sha256, EVP_sha256(), NULL) != 1))
        return -1;
    while ((more = log_scan_next(&pass->scan, &block, error)) > 0)
        if (take_block(pass, block, error) != 0)
            return -1;
    int64_t leftover = more < 0 ? -1 : log_scan_leftover(&pass->scan, error);
    if (leftover < 0)
        return -1;
    sums->torn = (uint64_t)leftover;
    if (!sums->sealed)
        return 0;
    if (!pass->scan.sealed)
        return differs(pass, "its commit journal has no seal", error);
    if (leftover > 0)
        return differs(pass, "there are bytes behind its seal", error);
    return check_seal(pass, error);
}

static void *work(void *context)
{
    struct log_sums *sums = context;
    struct pass pass = {.sha256 = sums->sealed ? EVP_MD_CTX_new() : NULL};

    pass.scan.index.fd = pass.scan.content.fd = -1;
    sums->result =
        sums->sealed && pass.sha256 == NULL ? cdc_error_memory(&sums->error) : run(sums, &pass, &sums->error);
    log_scan_close(&pass.scan);
    EVP_MD_CTX_free(pass.sha256);
    return NULL;
}

int log_sums_begin(struct log_sums *sums, struct cdc_error *error)
{
    sums->error = (struct cdc_error){0};
    sums->running = pthread_create(&sums->thread, NULL, work, sums) == 0;
    return sums->running ? 0 : cdc_error_set(error, CDC_EXIT_INTERNAL, "unable to start a thread");
}

int log_sums_end(struct log_sums *sums, struct cdc_error *error)
{
    if (!sums->running)
        return -1;
    pthread_join(sums->thread, NULL);
    sums->running = false;
    if (sums->result != 0) {
        cdc_error_set(error, sums->error.status, "%s", sums->error.text);
        cdc_error_hint(error, "%s", sums->error.hint);
    }
    return sums->result;
}
