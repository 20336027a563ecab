/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/cursor.h"
#include "connectors/log/file/frames.h"
#include "connectors/log/repair/remake.h"
#include <cdc/file.h>
#include <cdc/retry.h>

#define LINE_MAX_SIZE ((size_t)1 << 29) /* what is longer is no line */

/* What journals beside it say. */
struct known {
    unsigned char before[LOG_HASH], after[LOG_HASH]; /* the chain */
    struct cdc_buf at_before, at;                    /* positions */
    int64_t ts;                                      /* of its last line: nobody knows more than that it was no later */
};

struct work {
    const struct log_remake *remake;
    struct known known;
    int in, salts, out;            /* in: -1 where unpacker is */
    struct log_unpacker *unpacker; /* without its table */
    struct log_chain chain;
    EVP_MD_CTX *sha256;
    struct cdc_buf block; /* the rest of a line, and what comes after it */
    uint64_t size, lines; /* bytes and lines so far */
    uint32_t crc;
};

/* -- journals beside it --------------------------------------------------------------- */

/* The first line of a segment's journal, and when the first batch after it was appended. 1; 0: it is not good; -1 */
static int read_first(const struct log_folder *folder, uint64_t start, unsigned char chain[LOG_HASH],
                      struct cdc_buf *at, int64_t *ts, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct log_index index;
    struct log_commit line;
    bool good = false;

    if (log_index_open(&index, folder, LOG_INDEX, start, &why) != 0)
        return 0;
    if (log_index_next(&index, &line, &why) == 1 && line.kind == LOG_SEGMENT_LINE && line.end == start &&
        cdc_span_is(line.log, folder->id)) {
        good = true;
        memcpy(chain, line.chain, LOG_HASH);
        at->len = 0;
        cdc_buf_span(at, line.at);
        *ts = log_index_next(&index, &line, &why) == 1 ? line.ts : cdc_clock_wall_ms();
    }
    log_index_close(&index);
    return at->failed ? cdc_error_memory(error) : good;
}

/* How the segment before it ended, which is in the copy. 1 or -1 */
static int read_before(const struct log_remake *remake, struct known *known, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit last;
    int found = log_index_last(remake->to, remake->before, &text, &last, error);

    if (found > 0) {
        memcpy(known->before, last.chain, LOG_HASH);
        cdc_buf_span(&known->at_before, last.at);
    }
    cdc_buf_free(&text);
    return known->at_before.failed ? cdc_error_memory(error) : found;
}

static int begin_of_log(const struct log_remake *remake, struct known *known, struct cdc_error *error)
{
    struct log_chain chain;
    int result = log_chain_open(&chain, remake->from->id, error);

    memcpy(known->before, chain.value, LOG_HASH);
    log_chain_free(&chain);
    cdc_buf_lit(&known->at_before, "{}");
    return result < 0 ? -1 : known->at_before.failed ? cdc_error_memory(error) : 1;
}

/* 1; 0: something is not known; -1 */
static int know(const struct log_remake *remake, struct known *known, struct cdc_error *error)
{
    int64_t ts;
    int result = remake->before != UINT64_MAX ? read_before(remake, known, error)
                 : remake->segment->start == 0
                     ? begin_of_log(remake, known, error)
                     : read_first(remake->from, remake->segment->start, known->before, &known->at_before, &ts, error);

    return result > 0 ? read_first(remake->from, remake->next, known->after, &known->at, &known->ts, error) : result;
}

/* -- its lines -------------------------------------------------------------------------- */

/* 1; 0: what is needed is not there, or damaged; -1 */
static int open_files(struct work *work, struct cdc_error *error)
{
    const struct log_remake *remake = work->remake;
    struct cdc_error why = {0};
    char name[LOG_NAME_SIZE];
    int fd = log_part_open(remake->from, remake->segment->plain ? LOG_PLAIN : LOG_PACKED, remake->segment->start,
                           O_RDONLY, &why);

    if (fd < 0)
        return 0;
    if (remake->segment->plain)
        work->in = fd;
    else if ((work->unpacker = log_unpacker_new_without_table(fd, &why)) == NULL)
        return 0;
    if (remake->from->redactable &&
        (work->salts = log_part_open(remake->from, LOG_SALTS, remake->segment->start, O_RDONLY, &why)) < 0)
        return 0;
    if (log_chain_open(&work->chain, remake->from->id, error) != 0)
        return -1;
    memcpy(work->chain.value, work->known.before, LOG_HASH);
    work->sha256 = EVP_MD_CTX_new();
    if (work->sha256 == NULL || EVP_DigestInit_ex2(work->sha256, EVP_sha256(), NULL) != 1)
        return cdc_error_memory(error);
    work->out = log_file_open(remake->to, log_name_make(name, LOG_PLAIN, remake->segment->start),
                              O_WRONLY | O_CREAT | O_EXCL, error);
    return work->out < 0 ? -1 : 1;
}

static void close_files(struct work *work)
{
    int *files[] = {&work->in, &work->salts, &work->out};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (*files[i] >= 0)
            close(*files[i]);
    log_unpacker_free(work->unpacker);
    log_chain_free(&work->chain);
    EVP_MD_CTX_free(work->sha256);
    cdc_buf_free(&work->block);
    cdc_buf_free(&work->known.at_before);
    cdc_buf_free(&work->known.at);
}

/* More of the lines, into the block. 1; 0: no more can be read; -1 */
static int fill(struct work *work, struct cdc_error *error)
{
    struct cdc_error why = {0};

    if (work->block.len > LINE_MAX_SIZE)
        return 0;
    if (!cdc_buf_room(&work->block, LOG_BLOCK))
        return cdc_error_memory(error);
    char *to = work->block.data + work->block.len;
    ssize_t got =
        work->unpacker != NULL ? log_unpacker_read(work->unpacker, to, LOG_BLOCK, &why) : read(work->in, to, LOG_BLOCK);
    if (got <= 0)
        return 0;
    work->block.len += (size_t)got;
    return 1;
}

/* The whole lines of the block. 1; 0: there is no salt for one; -1 */
static int take_lines(struct work *work, struct cdc_error *error)
{
    const char *p = work->block.data, *begin = p, *end = p + work->block.len, *lf;
    unsigned char salt[LOG_SALT];

    for (; (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1) {
        if (work->salts >= 0 && pread(work->salts, salt, LOG_SALT, (off_t)(work->lines * LOG_SALT)) != LOG_SALT)
            return 0;
        if (log_chain_line(&work->chain, cdc_span(p, (size_t)(lf - p)), work->salts >= 0 ? salt : NULL) != 0)
            return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
        work->lines++;
    }
    size_t n = (size_t)(p - begin);
    work->crc = log_crc32c(work->crc, begin, n);
    work->size += n;
    if (EVP_DigestUpdate(work->sha256, begin, n) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
    if (cdc_file_write(work->out, begin, n) != 0)
        return log_file_error(work->remake->to, "write", "a segment", error);
    work->block.len -= n;
    memmove(work->block.data, work->block.data + n, work->block.len);
    return 1;
}

/* 1: the lines are those that the chain is of; 0; -1 */
static int prove(struct work *work, struct cdc_error *error)
{
    const struct log_remake *remake = work->remake;
    uint64_t size = remake->next - remake->segment->start;
    int result = 1;

    while (result > 0 && work->size < size && (result = fill(work, error)) > 0)
        result = take_lines(work, error);
    return result <= 0 ? result
                       : work->size == size && work->block.len == 0 &&
                             memcmp(work->chain.value, work->known.after, LOG_HASH) == 0;
}

/* -- its journal ------------------------------------------------------------------------ */

static void append_journal(struct cdc_buf *out, const struct work *work, const char *sha256)
{
    const struct log_remake *remake = work->remake;
    struct log_commit first = {.kind = LOG_SEGMENT_LINE,
                               .end = remake->segment->start,
                               .log = cdc_span_text(remake->from->id),
                               .schemas = remake->schemas,
                               .at = cdc_span(work->known.at_before.data, work->known.at_before.len)};
    struct log_commit commit = {.kind = LOG_COMMIT_LINE,
                                .end = remake->next,
                                .n = work->lines,
                                .len = work->size,
                                .ts = work->known.ts,
                                .crc = work->crc,
                                .sha256 = cdc_span_text(sha256),
                                .at = cdc_span(work->known.at.data, work->known.at.len)};

    memcpy(first.chain, work->known.before, LOG_HASH);
    memcpy(commit.chain, work->known.after, LOG_HASH);
    log_commit_append(out, &first);
    log_commit_append(out, &commit);
    commit.kind = LOG_SEAL_LINE;
    log_commit_append(out, &commit);
}

static int write_journal(struct work *work, struct cdc_error *error)
{
    const struct log_folder *to = work->remake->to;
    char name[LOG_NAME_SIZE], text[LOG_HASH_HEX + 1];
    unsigned char sum[LOG_HASH];
    struct cdc_buf journal = CDC_BUF_INIT;

    if (EVP_DigestFinal_ex(work->sha256, sum, NULL) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
    log_hash_print(text, sum);
    append_journal(&journal, work, text);
    int fd = journal.failed ? cdc_error_memory(error)
                            : log_file_open(to, log_name_make(name, LOG_INDEX, work->remake->segment->start),
                                            O_WRONLY | O_CREAT | O_EXCL, error);
    int result = fd < 0 ? -1 : 0;
    if (fd >= 0 && (cdc_file_write(fd, journal.data, journal.len) != 0 || fchmod(fd, 0400) != 0 || fsync(fd) != 0))
        result = log_file_error(to, "write", name, error);
    if (fd >= 0)
        close(fd);
    cdc_buf_free(&journal);
    return result;
}

int log_remake_segment(const struct log_remake *remake, uint64_t *n, unsigned char chain[LOG_HASH],
                       struct cdc_error *error)
{
    struct work work = {.remake = remake, .in = -1, .salts = -1, .out = -1};
    char name[LOG_NAME_SIZE];
    int result = know(remake, &work.known, error);

    if (result > 0)
        result = open_files(&work, error);
    if (result > 0)
        result = prove(&work, error);
    if (result > 0 && (fchmod(work.out, 0400) != 0 || fsync(work.out) != 0))
        result = log_file_error(remake->to, "write", "a segment", error);
    if (result > 0)
        result = write_journal(&work, error) == 0 ? 1 : -1;
    if (result == 0 && work.out >= 0)
        (void)unlinkat(remake->to->fd, log_name_make(name, LOG_PLAIN, remake->segment->start), 0);
    *n = work.lines;
    if (result > 0)
        memcpy(chain, work.known.after, LOG_HASH);
    close_files(&work);
    return result;
}
