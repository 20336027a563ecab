/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "connectors/log/file/batches.h"
#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/lines.h"

#define READ_SIZE ((size_t)1 << 20)
#define SALTS_SIZE ((size_t)4096 * LOG_SALT)

int log_batches_open(struct log_batches *batches, const struct log_folder *folder, uint64_t start, uint64_t head,
                     struct cdc_error *error)
{
    *batches =
        (struct log_batches){.folder = folder, .start = start, .head = head, .data = -1, .salts = -1, .begin = start};
    if (log_chain_open(&batches->chain, folder->id, error) != 0)
        return -1;
    batches->data = log_part_open(folder, LOG_PLAIN, start, O_RDONLY, error);
    if (batches->data < 0 || !folder->redactable)
        return batches->data < 0 ? -1 : 0;
    struct cdc_error why = {0};
    batches->salts = log_part_open(folder, LOG_SALTS, start, O_RDONLY, &why);
    if (batches->salts >= 0 || errno == ENOENT) /* no line has a salt then */
        return 0;
    if (error != NULL)
        *error = why;
    return -1;
}

void log_batches_close(struct log_batches *batches)
{
    if (batches->data >= 0)
        close(batches->data);
    if (batches->salts >= 0)
        close(batches->salts);
    log_chain_free(&batches->chain);
    cdc_buf_free(&batches->block);
    cdc_buf_free(&batches->line);
    cdc_buf_free(&batches->salt);
}

/* The salt of that line of the segment. 1: *salt, valid until the next call; 0: it is not there; -1. */
static int salt_of(struct log_batches *batches, uint64_t line, const unsigned char **salt, struct cdc_error *error)
{
    struct cdc_buf *block = &batches->salt;

    if (line < batches->first_salt || (line - batches->first_salt + 1) * LOG_SALT > block->len) {
        block->len = 0;
        batches->first_salt = line;
        if (!cdc_buf_room(block, SALTS_SIZE))
            return cdc_error_memory(error);
        ssize_t got = batches->salts < 0 ? 0 : pread(batches->salts, block->data, SALTS_SIZE, (off_t)(line * LOG_SALT));
        if (got < 0)
            return log_file_error(batches->folder, "read", "the salts of the active segment", error);
        block->len = (size_t)got;
    }
    if (block->len < LOG_SALT)
        return 0;
    *salt = (const unsigned char *)block->data + (line - batches->first_salt) * LOG_SALT;
    return 1;
}

/* A whole line. 0; 1: it has no salt; -1. */
static int chain_line(void *context, struct cdc_span line, struct cdc_error *error)
{
    struct log_batches *batches = context;
    const unsigned char *salt = NULL;
    int found = salt_of(batches, batches->lines, &salt, error);

    if (found == 1 && log_chain_line(&batches->chain, line, salt) != 0)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
    batches->lines++;
    return found < 0 ? -1 : !found;
}

/* 1, 0, -1. */
static int is_good(struct log_batches *batches, const struct log_commit *commit, struct cdc_error *error)
{
    bool salted = batches->folder->redactable && commit->end > batches->head;
    uint32_t crc = 0;
    int good = commit->end > batches->begin;

    batches->line.len = 0;
    for (uint64_t at = batches->begin; good == 1 && at < commit->end;) {
        size_t n = commit->end - at < READ_SIZE ? (size_t)(commit->end - at) : READ_SIZE;
        if (!cdc_buf_room(&batches->block, READ_SIZE))
            return cdc_error_memory(error);
        ssize_t got = pread(batches->data, batches->block.data, n, (off_t)(at - batches->start));
        if (got < 0)
            return log_file_error(batches->folder, "read", "the active segment", error);
        if (got == 0)
            return 0;
        crc = log_crc32c(crc, batches->block.data, (size_t)got);
        int lacks = salted ? log_lines_each(&batches->line, cdc_span(batches->block.data, (size_t)got), chain_line,
                                            batches, error)
                           : 0;
        good = lacks < 0 ? -1 : !lacks;
        at += (uint64_t)got;
    }
    if (good != 1 || !log_commit_crc_is(commit, crc))
        return good < 0 ? -1 : 0;
    return !salted || memcmp(batches->chain.value, commit->chain, LOG_HASH) == 0;
}

int log_batches_next(struct log_batches *batches, const struct log_commit *commit, struct cdc_error *error)
{
    uint64_t lines = batches->lines;
    int good = commit->kind == LOG_COMMIT_LINE ? is_good(batches, commit, error) : 1;

    batches->lines = commit->kind == LOG_COMMIT_LINE ? lines + commit->n : lines;
    batches->begin = commit->end;
    memcpy(batches->chain.value, commit->chain, LOG_HASH);
    return good;
}

int log_batches_good_follows(struct log_batches *batches, struct log_index *index, struct cdc_error *error)
{
    struct log_commit commit;
    int found, good = 0;

    while (good == 0 && (found = log_index_next(index, &commit, error)) != 0) {
        if (found < 0)
            return -1;
        good = log_batches_next(batches, &commit, error);
    }
    return good;
}

/* 1; 0: a torn end follows; -1. */
static int find_end(struct log_batches *batches, struct log_index *index, uint64_t *end, struct cdc_error *error)
{
    struct log_commit commit;
    int found, good = 1;

    while ((found = log_index_next(index, &commit, error)) == 1) {
        /* head answers for what is before it. */
        if (commit.end <= batches->head) {
            batches->lines += commit.kind == LOG_COMMIT_LINE ? commit.n : 0;
            batches->begin = commit.end;
            memcpy(batches->chain.value, commit.chain, LOG_HASH);
        } else {
            good = log_batches_next(batches, &commit, error);
        }
        if (good != 1)
            break;
        *end = commit.end;
    }
    if (found < 0 || good < 0)
        return -1;
    int follows = good == 0 ? log_batches_good_follows(batches, index, error) : 0;
    if (follows == 1)
        *end = batches->begin;
    return follows < 0 ? -1 : good == 1 || follows == 1;
}

int log_batches_end(const struct log_folder *folder, uint64_t start, uint64_t head, uint64_t *end, bool *torn,
                    struct cdc_error *error)
{
    struct log_batches batches;
    struct log_index index = {.fd = -1};
    int result = log_batches_open(&batches, folder, start, head, error);

    *end = start;
    *torn = false;
    if (result == 0)
        result = log_index_open(&index, folder, LOG_INDEX, start, error);
    if (result == 0) {
        int whole = find_end(&batches, &index, end, error);
        *torn = whole == 0;
        result = whole < 0 ? -1 : 0;
        errno = 0; /* whatever it is, the files are there */
    }
    int number = errno;
    log_index_close(&index);
    log_batches_close(&batches);
    errno = number;
    return result;
}
