/* SPDX-License-Identifier: MIT */
/* The lines of a commit journal. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "connectors/log/file/commit.h"
#include "connectors/log/file/crc32c.h"
#include <cdc/json.h>

#define MARK ",\"c\":\""
#define MARK_SIZE (sizeof MARK - 1)
#define TAIL_SIZE (MARK_SIZE + 8 + 2) /* ,"c":"8 digits"} */

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a line of the commit journal is damaged");
}

static bool parse_hex32(struct cdc_span text, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
    }
    return text.p != NULL && text.n == 8;
}

/* An integer of 0 and more. */
static bool parse_count(struct cdc_span object, const char *name, uint64_t *value)
{
    int64_t number = -1;
    bool ok = cdc_json_int64(cdc_json_member(object, name), &number) && number >= 0;

    *value = ok ? (uint64_t)number : 0;
    return ok;
}

static bool parse_segment(struct log_commit *commit, struct cdc_span line)
{
    commit->kind = LOG_SEGMENT_LINE;
    commit->log = cdc_json_member_raw(line, "log");
    if (cdc_json_member(line, "schemas").p != NULL && !parse_count(line, "schemas", &commit->schemas))
        return false;
    return parse_count(line, "segment", &commit->end) && commit->log.p != NULL &&
           log_hash_parse(commit->chain, cdc_json_member_raw(line, "prev"));
}

static bool parse_seal(struct log_commit *commit, struct cdc_span line)
{
    commit->kind = LOG_SEAL_LINE;
    struct cdc_span was = cdc_json_member_raw(line, "was");

    commit->sha256 = cdc_json_member_raw(line, "sha256");
    commit->has_was = was.p != NULL;
    commit->sha256_was = commit->has_was ? was : commit->sha256;
    return parse_count(line, "seal", &commit->end) && parse_count(line, "len", &commit->len) &&
           parse_count(line, "n", &commit->n) && commit->sha256.n == LOG_HASH_HEX &&
           commit->sha256_was.n == LOG_HASH_HEX && cdc_json_int64(cdc_json_member(line, "ts"), &commit->ts) &&
           log_hash_parse(commit->chain, cdc_json_member_raw(line, "chain"));
}

static bool parse_batch(struct log_commit *commit, struct cdc_span line)
{
    struct cdc_span was = cdc_json_member_raw(line, "was");

    commit->kind = LOG_COMMIT_LINE;
    commit->has_was = was.p != NULL;
    return parse_count(line, "end", &commit->end) && parse_count(line, "n", &commit->n) &&
           cdc_json_int64(cdc_json_member(line, "ts"), &commit->ts) &&
           parse_hex32(cdc_json_member_raw(line, "crc"), &commit->crc) &&
           (!commit->has_was || parse_hex32(was, &commit->crc_was)) &&
           log_hash_parse(commit->chain, cdc_json_member_raw(line, "chain"));
}

static bool crc_is_right(struct cdc_span line)
{
    uint32_t crc;

    if (line.n <= TAIL_SIZE)
        return false;
    const char *mark = line.p + line.n - TAIL_SIZE;
    return memcmp(mark, MARK, MARK_SIZE) == 0 && memcmp(line.p + line.n - 2, "\"}", 2) == 0 &&
           parse_hex32(cdc_span(mark + MARK_SIZE, 8), &crc) && crc == log_crc32c(0, line.p, (size_t)(mark - line.p));
}

int log_commit_parse(struct log_commit *commit, struct cdc_span line, struct cdc_error *error)
{
    *commit = (struct log_commit){.kind = LOG_COMMIT_LINE};
    if (!crc_is_right(line) || cdc_json_validate(line.p, line.n, NULL) != 0)
        return damaged(error);
    commit->at = cdc_json_member(line, "at");
    if (cdc_json_type(commit->at) != CDC_JSON_OBJECT)
        return damaged(error);
    bool ok = cdc_json_member(line, "end").p != NULL    ? parse_batch(commit, line)
              : cdc_json_member(line, "seal").p != NULL ? parse_seal(commit, line)
                                                        : parse_segment(commit, line);
    return ok ? 0 : damaged(error);
}

static void append_hash(struct cdc_buf *out, const unsigned char hash[LOG_HASH])
{
    char text[2 * LOG_HASH + 1];

    log_hash_print(text, hash);
    cdc_buf_text(out, text);
}

static void append_batch(struct cdc_buf *out, const struct log_commit *commit)
{
    cdc_buf_printf(out, "{\"end\":%" PRIu64 ",\"n\":%" PRIu64 ",\"ts\":%" PRId64 ",\"crc\":\"%08" PRIx32, commit->end,
                   commit->n, commit->ts, commit->crc);
    if (commit->has_was)
        cdc_buf_printf(out, "\",\"was\":\"%08" PRIx32, commit->crc_was);
    cdc_buf_lit(out, "\",\"chain\":\"");
}

static void append_seal(struct cdc_buf *out, const struct log_commit *commit)
{
    cdc_buf_printf(out, "{\"seal\":%" PRIu64 ",\"len\":%" PRIu64 ",\"n\":%" PRIu64 ",\"ts\":%" PRId64 ",\"sha256\":\"",
                   commit->end, commit->len, commit->n, commit->ts);
    cdc_buf_span(out, commit->sha256);
    if (commit->has_was) {
        cdc_buf_lit(out, "\",\"was\":\"");
        cdc_buf_span(out, commit->sha256_was);
    }
    cdc_buf_lit(out, "\",\"chain\":\"");
}

static void append_head(struct cdc_buf *out, const struct log_commit *commit)
{
    switch (commit->kind) {
    case LOG_SEGMENT_LINE: cdc_buf_printf(out, "{\"segment\":%" PRIu64 ",\"prev\":\"", commit->end); break;
    case LOG_COMMIT_LINE: append_batch(out, commit); break;
    case LOG_SEAL_LINE: append_seal(out, commit); break;
    }
    append_hash(out, commit->chain);
    if (commit->kind == LOG_SEGMENT_LINE) {
        cdc_buf_lit(out, "\",\"log\":\"");
        cdc_buf_span(out, commit->log);
        if (commit->schemas > 0)
            cdc_buf_printf(out, "\",\"schemas\":%" PRIu64, commit->schemas);
    }
}

bool log_commit_crc_is(const struct log_commit *commit, uint32_t crc)
{
    return crc == commit->crc || (commit->has_was && crc == commit->crc_was);
}

void log_commit_append(struct cdc_buf *out, const struct log_commit *commit)
{
    size_t begin = out->len;

    append_head(out, commit);
    cdc_buf_text(out, commit->kind == LOG_SEGMENT_LINE && commit->schemas > 0 ? ",\"at\":" : "\",\"at\":");
    if (commit->at.n > 0)
        cdc_buf_span(out, commit->at);
    else
        cdc_buf_lit(out, "{}");
    uint32_t crc = out->failed ? 0 : log_crc32c(0, out->data + begin, out->len - begin);
    cdc_buf_printf(out, MARK "%08" PRIx32 "\"}\n", crc);
}

/* -- positions --------------------------------------------------------------------- */

static int offset_of(struct cdc_span value, struct cdc_offset *offset, struct cdc_error *error)
{
    uint64_t seq = 0;
    struct cdc_span source = cdc_json_member(value, "source");

    *offset = (struct cdc_offset){.pos = NULL};
    errno = 0;
    bool ok = parse_count(value, "seq", &seq) && parse_count(value, "lines", &offset->lines);
    offset->seq = (int64_t)seq;
    offset->pos = ok ? cdc_json_member_text(value, "pos") : NULL;
    bool has_source = offset->pos != NULL && cdc_json_type(source) == CDC_JSON_OBJECT;
    if (has_source)
        offset->source = cdc_span_copy(source);
    if (offset->pos != NULL && (!has_source || offset->source != NULL))
        return 0;
    bool memory = errno == ENOMEM || offset->pos != NULL;
    cdc_offset_free(offset);
    return memory ? cdc_error_memory(error) : damaged(error);
}

int log_at_each(struct cdc_span at,
                int (*tell)(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error),
                void *context, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span raw, value;
    int result = 0;

    cdc_json_iter_begin(&iter, at);
    while (result == 0 && cdc_json_next_member(&iter, &raw, &value)) {
        struct cdc_offset offset = {.pos = NULL};
        char *name = cdc_json_text(raw, NULL);
        result = name == NULL ? cdc_error_memory(error) : offset_of(value, &offset, error);
        if (result == 0)
            result = tell(context, name, &offset, error);
        cdc_offset_free(&offset);
        free(name);
    }
    return result;
}

int log_at_get(struct cdc_span at, const char *name, struct cdc_offset *offset, struct cdc_error *error)
{
    struct cdc_span value = cdc_json_member(at, name);

    if (value.p == NULL)
        return 0;
    return offset_of(value, offset, error) == 0 ? 1 : -1;
}

void log_at_append(struct cdc_buf *out, const struct cdc_offset_file *offsets)
{
    cdc_buf_byte(out, '{');
    for (size_t i = 0; i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);
        if (i > 0)
            cdc_buf_byte(out, ',');
        cdc_json_append_string(out, name, strlen(name));
        cdc_buf_lit(out, ":{\"pos\":");
        cdc_json_append_string(out, offset->pos, strlen(offset->pos));
        cdc_buf_printf(out, ",\"seq\":%" PRId64 ",\"lines\":%" PRIu64, offset->seq, offset->lines);
        if (offset->source != NULL) {
            cdc_buf_lit(out, ",\"source\":");
            cdc_buf_text(out, offset->source);
        }
        cdc_buf_byte(out, '}');
    }
    cdc_buf_byte(out, '}');
}
