/* SPDX-License-Identifier: MIT */
#include <openssl/evp.h>

#include "connectors/log/file/base.h"
#include "connectors/log/proof/bases.h"
#include "connectors/log/proof/output.h"
#include "connectors/log/proof/purged.h"

#define FLUSH ((size_t)1 << 20)

struct pass {
    const struct log_folder *folder;
    uint64_t end, n; /* n: lines that match */
    const struct log_match *match;
    struct log_base_reader *reader;
    struct log_output data, index;
    EVP_MD_CTX *sha256;
    bool has_was;
    char old[LOG_HASH_HEX + 1], new[LOG_HASH_HEX + 1]; /* SHA-256, where data is written */
};

static int no_hash(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
}

static int take_line(struct pass *pass, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_buf *out = &pass->data.text;
    size_t begin = out->len;
    int wanted = log_match_line(pass->match, line, error);

    if (wanted < 0)
        return -1;
    pass->n += (uint64_t)wanted;
    if (pass->data.fd < 0)
        return 0;
    if (wanted > 0 && log_purged_append(out, line, pass->folder->id, NULL, error) != 0)
        return -1;
    if (wanted == 0)
        cdc_buf_span(out, line);
    cdc_buf_byte(out, '\n');
    if (out->failed)
        return cdc_error_memory(error);
    if (EVP_DigestUpdate(pass->sha256, out->data + begin, out->len - begin) != 1)
        return no_hash(error);
    return log_output_flush(&pass->data, FLUSH, error);
}

static int read_all(struct pass *pass, struct cdc_error *error)
{
    struct cdc_span line;
    int more;

    pass->reader = log_base_open(pass->folder, pass->end, error);
    if (pass->reader == NULL)
        return -1;
    pass->has_was = log_base_of(pass->reader)->sha256_was.p != NULL;
    while ((more = log_base_line(pass->reader, &line, error)) > 0)
        if (take_line(pass, line, error) != 0)
            return -1;
    return more;
}

static int put_index(struct pass *pass, const char *sha256, const char *was, struct cdc_error *error)
{
    struct log_base base = *log_base_of(pass->reader);

    base.sha256 = cdc_span_text(sha256);
    base.sha256_was = cdc_span_text(was);
    pass->index.fd = -1;
    if (log_output_open(&pass->index, pass->folder, LOG_BASE_INDEX, pass->end, error) != 0)
        return -1;
    log_base_append(&pass->index.text, &base);
    int result = log_output_finish(&pass->index, error) == 0 ? log_output_put(&pass->index, error) : -1;
    log_output_close(&pass->index);
    return result;
}

/* The SHA-256 of what is there now: of two that its line has, which one? */
static int hash_of(struct pass *pass, struct cdc_error *error)
{
    unsigned char digest[LOG_HASH];
    struct cdc_buf block = CDC_BUF_INIT;
    int more = 1;

    if (EVP_DigestInit_ex(pass->sha256, EVP_sha256(), NULL) != 1 || log_base_rewind(pass->reader, error) != 0)
        more = -1;
    while (more > 0) {
        block.len = 0;
        more = log_base_read(pass->reader, &block, error);
        if (more > 0 && EVP_DigestUpdate(pass->sha256, block.data, block.len) != 1)
            more = no_hash(error);
    }
    cdc_buf_free(&block);
    if (more < 0 || EVP_DigestFinal_ex(pass->sha256, digest, NULL) != 1)
        return more < 0 ? -1 : no_hash(error);
    log_hash_print(pass->old, digest);
    return 0;
}

/* Writes the new base, then line, base and line again take their places. */
static int replace(struct pass *pass, struct cdc_error *error)
{
    unsigned char digest[LOG_HASH];

    if (hash_of(pass, error) != 0)
        return -1;
    log_base_close(pass->reader);
    pass->reader = NULL;
    pass->n = 0;
    if (EVP_DigestInit_ex(pass->sha256, EVP_sha256(), NULL) != 1)
        return no_hash(error);
    if (log_output_open(&pass->data, pass->folder, LOG_BASE, pass->end, error) != 0 || read_all(pass, error) != 0)
        return -1;
    if (EVP_DigestFinal_ex(pass->sha256, digest, NULL) != 1)
        return no_hash(error);
    log_hash_print(pass->new, digest);
    if (log_output_finish(&pass->data, error) != 0 || put_index(pass, pass->new, pass->old, error) != 0 ||
        log_output_put(&pass->data, error) != 0)
        return -1;
    return put_index(pass, pass->new, NULL, error);
}

int log_base_purge(const struct log_folder *folder, uint64_t end, const struct log_match *match, bool only_look,
                   uint64_t *n, struct cdc_error *error)
{
    struct pass pass = {.folder = folder, .end = end, .match = match, .data = {.fd = -1}, .index = {.fd = -1}};

    pass.sha256 = EVP_MD_CTX_new();
    int result = pass.sha256 == NULL ? cdc_error_memory(error) : read_all(&pass, error);
    *n = pass.n;
    if (result == 0 && !only_look && pass.n > 0)
        result = replace(&pass, error);
    else if (result == 0 && !only_look && pass.has_was)
        result = hash_of(&pass, error) == 0 ? put_index(&pass, pass.old, NULL, error) : -1;
    log_output_close(&pass.data);
    log_base_close(pass.reader);
    EVP_MD_CTX_free(pass.sha256);
    return result;
}
