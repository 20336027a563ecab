/* SPDX-License-Identifier: MIT */
/* What is known of the bytes that were written: CRC of the batch, chain of the log, hash of the segment. */
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "connectors/log/append/writer.h"
#include "connectors/log/file/crc32c.h"

static int no_hash(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256, or no memory for it");
}

int log_writer_sums_begin(struct log_sums *sums, struct cdc_error *error)
{
    if (sums->sha256 == NULL)
        sums->sha256 = EVP_MD_CTX_new();
    sums->n = sums->lines = 0;
    sums->crc = 0;
    return sums->sha256 != NULL && EVP_DigestInit_ex2(sums->sha256, EVP_sha256(), NULL) == 1 ? 0 : no_hash(error);
}

int log_writer_sums_copy(struct log_sums *to, const struct log_sums *from, struct cdc_error *error)
{
    void *context = to->sha256;

    if (context == NULL)
        context = EVP_MD_CTX_new();
    if (context == NULL || EVP_MD_CTX_copy_ex(context, from->sha256) != 1) {
        to->sha256 = context;
        return no_hash(error);
    }
    *to = *from;
    to->sha256 = context;
    return 0;
}

void log_writer_sums_free(struct log_sums *sums)
{
    EVP_MD_CTX_free(sums->sha256);
    sums->sha256 = NULL;
}

int log_writer_sums_hash(struct log_sums *sums, const void *data, size_t n, struct cdc_error *error)
{
    return EVP_DigestUpdate(sums->sha256, data, n) == 1 ? 0 : no_hash(error);
}

int log_writer_sums_add(struct log_writer *writer, struct log_sums *sums, const char *p, size_t n,
                        struct cdc_buf *salts, struct cdc_error *error)
{
    const char *end = p + n;
    unsigned char salt[LOG_SALT];

    sums->crc = log_crc32c(sums->crc, p, n);
    sums->end += n;
    memcpy(writer->chain.value, sums->chain, LOG_HASH);
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (lf == NULL)
            return cdc_error_set(error, CDC_EXIT_INTERNAL, "a line without an end is to be written");
        if (salts != NULL && RAND_bytes(salt, sizeof salt) != 1)
            return no_hash(error);
        if (log_chain_line(&writer->chain, cdc_span(p, (size_t)(lf - p)), salts != NULL ? salt : NULL) != 0)
            return no_hash(error);
        if (salts != NULL)
            cdc_buf_append(salts, salt, sizeof salt);
        sums->n++;
        sums->lines++;
        p = lf + 1;
    }
    memcpy(sums->chain, writer->chain.value, LOG_HASH);
    return salts != NULL && salts->failed ? cdc_error_memory(error) : 0;
}
