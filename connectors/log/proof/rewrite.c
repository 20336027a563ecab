/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/lines.h"
#include "connectors/log/proof/output.h"
#include "connectors/log/proof/purged.h"
#include "connectors/log/proof/rewrite.h"
#include "connectors/log/proof/salts.h"
#include "connectors/log/proof/scan.h"
#include <cdc/file.h>

#define FLUSH ((size_t)1 << 20)

/* -- one pass over a segment --------------------------------------------------------------- */

struct pass {
    const struct log_match *match; /* lines of it are purged, or only counted where data.fd is -1; NULL: none */
    const struct cdc_control *control;
    struct log_found *found;
    struct log_scan scan;
    struct log_salts salts;
    struct log_chain chain; /* makes the leaves */
    struct cdc_buf rest;    /* of a line that the block before ended in */
    struct log_output data, index, salt;
    struct cdc_buf purged; /* a line, before it goes out */
    uint32_t crc, crc_new; /* of the batch */
    EVP_MD_CTX *sha256, *sha256_new;
    bool keep_old; /* the old CRCs stay as "was" */
};

static int sum(struct pass *pass, struct cdc_span old, struct cdc_span new, struct cdc_error *error)
{
    pass->crc = log_crc32c(pass->crc, old.p, old.n);
    pass->crc_new = log_crc32c(pass->crc_new, new.p, new.n);
    if (EVP_DigestUpdate(pass->sha256, old.p, old.n) != 1 || EVP_DigestUpdate(pass->sha256_new, new.p, new.n) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
    if (pass->data.fd < 0)
        return 0;
    cdc_buf_span(&pass->data.text, new);
    return log_output_flush(&pass->data, FLUSH, error);
}

/* The line is to be purged: *put is what stands in its place. */
static int replace(struct pass *pass, struct cdc_span line, const unsigned char *salt, struct cdc_span *put,
                   struct cdc_error *error)
{
    unsigned char leaf[LOG_HASH];
    struct cdc_error why = {0};

    pass->purged.len = 0;
    pass->found->lines++;
    if (log_chain_leaf(&pass->chain, line, salt, leaf) != 0)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
    if (log_purged_append(&pass->purged, line, pass->chain.id, leaf, &why) == 0) {
        *put = cdc_span(pass->purged.data, pass->purged.len);
        return 0;
    }
    if (why.status != CDC_EXIT_CONFIG || pass->data.fd >= 0)
        return cdc_error_set(error, why.status, "%s", why.text);
    if (pass->found->too_short == 0)
        pass->found->too_short = 1 + pass->scan.begin;
    return 0;
}

static int is_wanted(struct pass *pass, struct cdc_span line, struct cdc_error *error)
{
    int result = pass->match == NULL ? 0 : log_match_line(pass->match, line, error);

    return result < 0 ? log_scan_error(&pass->scan, error) : result;
}

static int take_line(void *context, struct cdc_span line, struct cdc_error *error)
{
    struct pass *pass = context;
    static const unsigned char zeros[LOG_SALT];
    const unsigned char *salt;
    unsigned char leaf[LOG_HASH];
    struct cdc_span put = line;
    int salted = log_salts_next(&pass->salts, &salt, error);

    if (salted == 0)
        cdc_error_set(error, CDC_EXIT_CONFIG, "a line has no salt");
    if (salted <= 0)
        return log_scan_error(&pass->scan, error);
    bool purged = log_chain_purged(&pass->chain, line, leaf);
    pass->found->salted += purged && salt != NULL && memcmp(salt, zeros, LOG_SALT) != 0;
    int wanted = purged ? 0 : is_wanted(pass, line, error);
    if (wanted < 0 || (wanted > 0 && replace(pass, line, salt, &put, error) != 0))
        return -1;
    if (sum(pass, line, put, error) != 0 || sum(pass, cdc_span("\n", 1), cdc_span("\n", 1), error) != 0)
        return -1;
    if (pass->salt.fd < 0)
        return 0;
    cdc_buf_append(&pass->salt.text, purged ? zeros : salt, LOG_SALT);
    return log_output_flush(&pass->salt, FLUSH, error);
}

static int put_commit(struct pass *pass, const struct log_commit *commit, struct cdc_error *error)
{
    if (pass->index.fd < 0)
        return 0;
    log_commit_append(&pass->index.text, commit);
    return log_output_flush(&pass->index, FLUSH, error);
}

static int end_batch(struct pass *pass, struct cdc_error *error)
{
    struct log_commit commit = pass->scan.commit;

    if (pass->rest.len > 0 || !log_commit_crc_is(&commit, pass->crc)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "they are not what was appended (CRC)");
        return log_scan_error(&pass->scan, error);
    }
    pass->found->has_was |= commit.has_was;
    commit.crc = pass->crc_new;
    commit.crc_was = pass->crc;
    commit.has_was = pass->keep_old && pass->crc != pass->crc_new;
    pass->crc = pass->crc_new = 0;
    return put_commit(pass, &commit, error);
}

static int take_block(struct pass *pass, struct cdc_span block, struct cdc_error *error)
{
    if (pass->control != NULL && pass->control->stop)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped before anything of this segment was changed");
    if (log_lines_each(&pass->rest, block, take_line, pass, error) != 0)
        return -1;
    return pass->scan.at == pass->scan.commit.end ? end_batch(pass, error) : 0;
}

static int put_seal(struct pass *pass, struct cdc_error *error)
{
    struct log_commit seal = pass->scan.commit;
    unsigned char digest[LOG_HASH];
    char old[LOG_HASH_HEX + 1], new[LOG_HASH_HEX + 1];

    if (EVP_DigestFinal_ex(pass->sha256, digest, NULL) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
    log_hash_print(old, digest);
    if (EVP_DigestFinal_ex(pass->sha256_new, digest, NULL) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
    log_hash_print(new, digest);
    if (!cdc_span_is(seal.sha256, old) && !(seal.has_was && cdc_span_is(seal.sha256_was, old))) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "its SHA-256 is not that of its seal");
        return log_scan_error(&pass->scan, error);
    }
    pass->found->has_was |= seal.has_was;
    seal.has_was = pass->keep_old && strcmp(old, new) != 0;
    seal.sha256 = cdc_span_text(new);
    seal.sha256_was = cdc_span_text(old);
    return put_commit(pass, &seal, error);
}

/* The first line of the journal goes over as it is. */
static int put_first(struct pass *pass, struct cdc_error *error)
{
    struct log_index index;
    struct log_commit first;

    if (pass->index.fd < 0)
        return 0;
    int got = log_index_open(&index, pass->scan.folder, LOG_INDEX, pass->scan.start, error);
    if (got == 0)
        got = log_index_next(&index, &first, error) == 1 ? put_commit(pass, &first, error)
                                                         : cdc_error_set(error, CDC_EXIT_CONFIG, "no first line");
    log_index_close(&index);
    return got;
}

static int read_all(struct pass *pass, struct cdc_error *error)
{
    struct cdc_span block;
    int more;

    if (put_first(pass, error) != 0)
        return -1;
    while ((more = log_scan_next(&pass->scan, &block, error)) > 0)
        if (take_block(pass, block, error) != 0)
            return -1;
    if (more < 0 || (pass->scan.sealed && put_seal(pass, error) != 0))
        return -1;
    int64_t leftover = log_scan_leftover(&pass->scan, error);
    pass->found->leftover = leftover > 0 ? (uint64_t)leftover : 0;
    return leftover < 0 ? -1 : 0;
}

static int begin(struct pass *pass, const struct log_folder *folder, enum log_kind kind, uint64_t start, uint64_t limit,
                 struct cdc_error *error)
{
    pass->sha256 = EVP_MD_CTX_new();
    pass->sha256_new = EVP_MD_CTX_new();
    if (pass->sha256 == NULL || pass->sha256_new == NULL || EVP_DigestInit_ex(pass->sha256, EVP_sha256(), NULL) != 1 ||
        EVP_DigestInit_ex(pass->sha256_new, EVP_sha256(), NULL) != 1)
        return cdc_error_memory(error);
    if (log_chain_open(&pass->chain, folder->id, error) != 0 ||
        log_scan_open(&pass->scan, folder, kind, start, limit, error) != 0)
        return -1;
    return log_salts_open(&pass->salts, folder, start, error);
}

static struct pass no_pass(struct log_found *found)
{
    struct pass pass = {
        .found = found, .salts = {.fd = -1}, .data = {.fd = -1}, .index = {.fd = -1}, .salt = {.fd = -1}};

    pass.scan.index.fd = pass.scan.content.fd = -1;
    *found = (struct log_found){.lines = 0};
    return pass;
}

static void end(struct pass *pass)
{
    log_output_close(&pass->data);
    log_output_close(&pass->index);
    log_output_close(&pass->salt);
    log_salts_close(&pass->salts);
    log_scan_close(&pass->scan);
    log_chain_free(&pass->chain);
    EVP_MD_CTX_free(pass->sha256);
    EVP_MD_CTX_free(pass->sha256_new);
    cdc_buf_free(&pass->rest);
    cdc_buf_free(&pass->purged);
}

/* -- the steps ------------------------------------------------------------------------------ */

/* The form that is read: packed, it is complete wherever it has that name, and a plain one beside it is about to go. */
static enum log_kind form_of(const struct log_segment *segment)
{
    return segment->packed ? LOG_PACKED : LOG_PLAIN;
}

int log_rewrite_look(const struct log_folder *folder, const struct log_segment *segment, uint64_t limit,
                     const struct log_match *match, const struct cdc_control *control, struct log_found *found,
                     struct cdc_error *error)
{
    struct pass pass = no_pass(found);

    pass.match = match;
    pass.control = control;
    int result = begin(&pass, folder, form_of(segment), segment->start, limit, error);
    if (result == 0)
        result = read_all(&pass, error);
    end(&pass);
    found->has_matter = found->lines > 0 || found->salted > 0 || found->has_was;
    return result;
}

static int replace_lines(const struct log_folder *folder, const struct log_segment *segment, uint64_t limit,
                         const struct log_match *match, struct cdc_error *error)
{
    struct log_found found;
    struct pass pass = no_pass(&found);
    enum log_kind kind = form_of(segment);

    pass.match = match;
    pass.keep_old = true;
    int result = begin(&pass, folder, kind, segment->start, limit, error);
    if (result == 0 && log_output_open(&pass.data, folder, kind, segment->start, error) == 0 &&
        log_output_open(&pass.index, folder, LOG_INDEX, segment->start, error) == 0 && read_all(&pass, error) == 0 &&
        log_output_finish(&pass.data, error) == 0 && log_output_finish(&pass.index, error) == 0 &&
        log_output_put(&pass.index, error) == 0)
        result = log_output_put(&pass.data, error);
    else
        result = -1;
    end(&pass);
    return result;
}

static int clean_up(const struct log_folder *folder, const struct log_segment *segment, uint64_t limit,
                    struct cdc_error *error)
{
    struct log_found found;
    struct pass pass = no_pass(&found);

    int result = begin(&pass, folder, form_of(segment), segment->start, limit, error);
    if (result == 0 &&
        (!folder->redactable || log_output_open(&pass.salt, folder, LOG_SALTS, segment->start, error) == 0) &&
        log_output_open(&pass.index, folder, LOG_INDEX, segment->start, error) == 0 && read_all(&pass, error) == 0 &&
        (!folder->redactable ||
         (log_output_finish(&pass.salt, error) == 0 && log_output_put(&pass.salt, error) == 0)) &&
        log_output_finish(&pass.index, error) == 0)
        result = log_output_put(&pass.index, error);
    else
        result = -1;
    end(&pass);
    return result;
}

/* A compression that was cut off has left the plain form behind. */
static int drop_plain(const struct log_folder *folder, const struct log_segment *segment, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];

    if (!segment->packed || !segment->plain)
        return 0;
    log_name_make(name, LOG_PLAIN, segment->start);
    if (unlinkat(folder->fd, name, 0) != 0 && errno != ENOENT)
        return log_file_error(folder, "remove", name, error);
    return log_folder_sync(folder, error);
}

int log_rewrite_purge(const struct log_folder *folder, const struct log_segment *segment, uint64_t limit,
                      const struct log_match *match, const struct log_found *found, struct cdc_error *error)
{
    bool rewrite = found->lines > 0 || (!segment->sealed && found->leftover > 0);

    if (drop_plain(folder, segment, error) != 0 ||
        (rewrite && replace_lines(folder, segment, limit, match, error) != 0))
        return -1;
    return clean_up(folder, segment, limit, error);
}
