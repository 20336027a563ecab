/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/log/file/base.h"
#include "connectors/log/file/chain.h"
#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/frames.h"
#include <cdc/json.h>

#define MARK ",\"c\":\""
#define MARK_SIZE (sizeof MARK - 1)
#define TAIL_SIZE (MARK_SIZE + 8 + 2) /* ,"c":"8 digits"} */
#define BLOCK ((size_t)1 << 20)
#define LINE_MAX_SIZE ((size_t)1 << 30) /* of an index */

/* -- its line --------------------------------------------------------------------------- */

static int damaged(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "a base of the log is damaged");
    return cdc_error_hint(error, "remove it, and make a new one (cdc-log compact), as long as all segments are there");
}

static bool take_count(struct cdc_span line, const char *name, uint64_t *value)
{
    int64_t number = -1;
    bool ok = cdc_json_int64(cdc_json_member(line, name), &number) && number >= 0;

    *value = ok ? (uint64_t)number : 0;
    return ok;
}

static bool crc_is_right(struct cdc_span line)
{
    char wanted[9];

    if (line.n <= TAIL_SIZE || memcmp(line.p + line.n - TAIL_SIZE, MARK, MARK_SIZE) != 0)
        return false;
    snprintf(wanted, sizeof wanted, "%08" PRIx32, log_crc32c(0, line.p, line.n - TAIL_SIZE));
    return memcmp(line.p + line.n - 10, wanted, 8) == 0;
}

int log_base_parse(struct log_base *base, struct cdc_span line, struct cdc_error *error)
{
    if (!crc_is_right(line) || cdc_json_validate(line.p, line.n, NULL) != 0)
        return damaged(error);
    *base = (struct log_base){.sha256 = cdc_json_member_raw(line, "sha256"),
                              .sha256_was = cdc_json_member_raw(line, "was"),
                              .log = cdc_json_member_raw(line, "log"),
                              .at = cdc_json_member(line, "at"),
                              .gone = cdc_json_member(line, "gone"),
                              .marks = cdc_json_member(line, "marks")};
    bool ok = take_count(line, "base", &base->end) && take_count(line, "len", &base->len) &&
              take_count(line, "n", &base->n) && cdc_json_int64(cdc_json_member(line, "ts"), &base->ts) &&
              base->sha256.n == (size_t)2 * LOG_HASH && base->log.p != NULL &&
              cdc_json_type(base->at) == CDC_JSON_OBJECT && cdc_json_type(base->gone) == CDC_JSON_OBJECT &&
              cdc_json_type(base->marks) == CDC_JSON_ARRAY;
    return ok ? 0 : damaged(error);
}

void log_base_append(struct cdc_buf *out, const struct log_base *base)
{
    size_t begin = out->len;

    cdc_buf_printf(out, "{\"base\":%" PRIu64 ",\"len\":%" PRIu64 ",\"n\":%" PRIu64 ",\"ts\":%" PRId64 ",\"sha256\":\"",
                   base->end, base->len, base->n, base->ts);
    cdc_buf_span(out, base->sha256);
    if (base->sha256_was.p != NULL) {
        cdc_buf_lit(out, "\",\"was\":\"");
        cdc_buf_span(out, base->sha256_was);
    }
    cdc_buf_lit(out, "\",\"log\":\"");
    cdc_buf_span(out, base->log);
    cdc_buf_lit(out, "\",\"at\":");
    cdc_buf_span(out, base->at);
    cdc_buf_lit(out, ",\"gone\":");
    cdc_buf_span(out, base->gone);
    cdc_buf_lit(out, ",\"marks\":");
    cdc_buf_span(out, base->marks);
    uint32_t crc = out->failed ? 0 : log_crc32c(0, out->data + begin, out->len - begin);
    cdc_buf_printf(out, MARK "%08" PRIx32 "\"}\n", crc);
}

static int read_all(const struct log_folder *folder, uint64_t end, struct cdc_buf *text, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    int fd = log_part_open(folder, LOG_BASE_INDEX, end, O_RDONLY, error);
    ssize_t n = fd >= 0 ? 1 : -1;

    if (fd < 0 && errno == ENOENT && error != NULL)
        error->status = CDC_EXIT_LOST; /* a newer one has come */
    text->len = 0;
    while (n > 0 && text->len < LINE_MAX_SIZE) {
        if (!cdc_buf_room(text, BLOCK / 16)) {
            n = -1;
            cdc_error_memory(error);
            break;
        }
        n = read(fd, text->data + text->len, text->cap - text->len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            log_file_error(folder, "read", log_name_make(name, LOG_BASE_INDEX, end), error);
        else
            text->len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return n < 0 ? -1 : 0;
}

int log_base_load(const struct log_folder *folder, uint64_t end, struct cdc_buf *text, struct log_base *base,
                  struct cdc_error *error)
{
    if (read_all(folder, end, text, error) != 0)
        return -1;
    if (text->len == 0 || text->data[text->len - 1] != '\n')
        return damaged(error);
    if (log_base_parse(base, cdc_span(text->data, text->len - 1), error) != 0)
        return -1;
    if (base->end != end || !cdc_span_is(base->log, folder->id))
        return damaged(error);
    return 0;
}

int log_base_admits(const struct log_base *base, const char *name, const char *pos, struct cdc_error *error)
{
    char *gone = cdc_json_member_text(base->gone, name);
    bool lost = gone != NULL && *pos != '\0' && cdc_span_compare(cdc_span_text(pos), cdc_span_text(gone)) < 0;

    if (lost) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "source \"%s\": the position %s is older than deletes that the base does not tell any more "
                      "(up to %s)",
                      name, pos, gone);
        cdc_error_hint(error, "begin with an empty destination and no offset file");
    }
    free(gone);
    return lost ? -1 : 0;
}

/* -- its lines --------------------------------------------------------------------------- */

struct log_base_reader {
    const struct log_folder *folder;
    uint64_t end;
    struct cdc_buf text; /* of the index */
    struct log_base base;
    struct log_unpacker *unpacker;
    EVP_MD_CTX *sha256;
    uint64_t given, lines;
    bool checked;
    struct cdc_buf rest; /* read, and not given yet */
    struct cdc_buf lines_buf;
    size_t line_at;
};

void log_base_close(struct log_base_reader *reader)
{
    if (reader == NULL)
        return;
    log_unpacker_free(reader->unpacker);
    EVP_MD_CTX_free(reader->sha256);
    cdc_buf_free(&reader->text);
    cdc_buf_free(&reader->rest);
    cdc_buf_free(&reader->lines_buf);
    free(reader);
}

static int begin(struct log_base_reader *reader, struct cdc_error *error)
{
    reader->given = reader->lines = reader->line_at = 0;
    reader->rest.len = reader->lines_buf.len = 0;
    reader->checked = false;
    return EVP_DigestInit_ex(reader->sha256, EVP_sha256(), NULL) == 1
               ? 0
               : cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto: cannot compute SHA-256");
}

struct log_base_reader *log_base_open(const struct log_folder *folder, uint64_t end, struct cdc_error *error)
{
    struct log_base_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL || (reader->sha256 = EVP_MD_CTX_new()) == NULL) {
        log_base_close(reader);
        cdc_error_memory(error);
        return NULL;
    }
    reader->folder = folder;
    reader->end = end;
    int fd = log_part_open(folder, LOG_BASE, end, O_RDONLY, error);
    if (fd < 0 && errno == ENOENT && error != NULL)
        error->status = CDC_EXIT_LOST;
    reader->unpacker = fd >= 0 ? log_unpacker_new(fd, error) : NULL;
    if (reader->unpacker == NULL || log_base_load(folder, end, &reader->text, &reader->base, error) != 0 ||
        begin(reader, error) != 0) {
        log_base_close(reader);
        return NULL;
    }
    return reader;
}

const struct log_base *log_base_of(const struct log_base_reader *reader)
{
    return &reader->base;
}

int log_base_rewind(struct log_base_reader *reader, struct cdc_error *error)
{
    return log_unpacker_seek(reader->unpacker, 0, error) == 0 ? begin(reader, error) : -1;
}

static int check(struct log_base_reader *reader, struct cdc_error *error)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * LOG_HASH + 1];

    if (EVP_DigestFinal_ex(reader->sha256, digest, NULL) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto: cannot compute SHA-256");
    reader->checked = true;
    log_hash_print(text, digest);
    return reader->given == reader->base.len && reader->lines == reader->base.n &&
                   (cdc_span_is(reader->base.sha256, text) || cdc_span_is(reader->base.sha256_was, text))
               ? 0
               : damaged(error);
}

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t lines = 0;

    for (const char *lf; (lf = memchr(p, '\n', n)) != NULL; lines++) {
        n -= (size_t)(lf + 1 - p);
        p = lf + 1;
    }
    return lines;
}

/* One block is read ahead, so that the last lines are given after the check. */
static ssize_t read_block(struct log_base_reader *reader, struct cdc_error *error)
{
    struct cdc_buf *rest = &reader->rest;

    if (!cdc_buf_room(rest, BLOCK))
        return cdc_error_memory(error);
    ssize_t n = log_unpacker_read(reader->unpacker, rest->data + rest->len, BLOCK, error);
    if (n <= 0)
        return n;
    EVP_DigestUpdate(reader->sha256, rest->data + rest->len, (size_t)n);
    reader->given += (uint64_t)n;
    reader->lines += count_lines(rest->data + rest->len, (size_t)n);
    rest->len += (size_t)n;
    return n;
}

int log_base_read(struct log_base_reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf *rest = &reader->rest;
    ssize_t n = 1;
    size_t end = 0;

    while (n > 0 && end == 0) {
        size_t before = rest->len;
        n = read_block(reader, error);
        const char *lf = n > 0 && before > 0 ? memrchr(rest->data, '\n', before) : NULL;
        end = lf != NULL ? (size_t)(lf + 1 - rest->data) : 0;
    }
    if (n < 0 || (n == 0 && !reader->checked && check(reader, error) != 0))
        return -1;
    if (n == 0)
        end = rest->len;
    cdc_buf_append(out, rest->data, end);
    if (out->failed)
        return cdc_error_memory(error);
    rest->len -= end;
    if (end > 0)
        memmove(rest->data, rest->data + end, rest->len);
    return end > 0;
}

int log_base_line(struct log_base_reader *reader, struct cdc_span *line, struct cdc_error *error)
{
    struct cdc_buf *lines = &reader->lines_buf;

    if (reader->line_at == lines->len) {
        lines->len = reader->line_at = 0;
        int more = log_base_read(reader, lines, error);
        if (more <= 0)
            return more;
    }
    const char *p = lines->data + reader->line_at, *lf = memchr(p, '\n', lines->len - reader->line_at);
    if (lf == NULL)
        return damaged(error);
    *line = cdc_span(p, (size_t)(lf - p));
    reader->line_at += line->n + 1;
    return 1;
}

int log_base_check(const struct log_folder *folder, uint64_t end, struct cdc_error *error)
{
    struct log_base_reader *reader = log_base_open(folder, end, error);
    struct cdc_buf block = CDC_BUF_INIT;
    int more = reader != NULL ? 1 : -1;

    while (more > 0) {
        block.len = 0;
        more = log_base_read(reader, &block, error);
    }
    cdc_buf_free(&block);
    log_base_close(reader);
    return more;
}
