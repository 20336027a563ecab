/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/base.h"
#include "connectors/log/file/lines.h"
#include "connectors/log/file/schemas.h"
#include "connectors/log/proof/audit.h"
#include "connectors/log/proof/bases.h"
#include "connectors/log/proof/salts.h"
#include "connectors/log/proof/scan.h"
#include "connectors/log/proof/sums.h"
#include <cdc/retry.h>

#define ATTEMPTS 10 /* at a segment that is replaced again and again while it is read */

/* The lines of a segment. */
struct pass {
    struct log_audit *audit;
    struct log_audit_state *state;
    struct log_scan scan;
    struct log_salts salts;
    struct cdc_buf rest; /* of a line that the block before ended in */
    uint64_t in_batch;   /* lines of the batch in hand */
    uint64_t in_segment; /* lines before it */
};

static int no_hash(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do SHA-256");
}

/* -- the kept checkpoint ---------------------------------------------------------------- */

/* Called wherever a line ends, and before the first one. */
static int meet_kept(struct log_audit *audit, struct cdc_error *error)
{
    const struct log_checkpoint *kept = audit->kept;
    struct log_audit_state *state = &audit->state;
    unsigned char root[LOG_HASH];

    if (kept == NULL || state->at != kept->end)
        return 0;
    state->met = true;
    if (memcmp(kept->chain, audit->chain.value, LOG_HASH) != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "the lines before byte %" PRIu64 " are not those of the checkpoint: the log was rewritten",
                             kept->end);
    /* Trimmed since, the log has another tree; the chain has gone on. */
    if (!audit->with_tree || kept->start != state->begin)
        return 0;
    if (log_tree_root(&state->tree, &audit->chain, root) != 0)
        return no_hash(error);
    if (kept->lines != state->lines || memcmp(kept->root, root, LOG_HASH) != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "the checkpoint has another tree than the lines before byte %" PRIu64, kept->end);
    return 0;
}

static int must_have_met(const struct log_audit *audit, struct cdc_error *error)
{
    const struct log_checkpoint *kept = audit->kept;

    if (kept == NULL || audit->state.met)
        return 0;
    if (kept->end > audit->state.at)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "the log ends at byte %" PRIu64 ", before the checkpoint at byte %" PRIu64
                             ": it was cut back",
                             audit->state.at, kept->end);
    return cdc_error_set(error, CDC_EXIT_CONFIG,
                         "no line ends at byte %" PRIu64 ", as it did at the checkpoint: the log was rewritten",
                         kept->end);
}

/* Before a line is read. */
static int kept_is_ours(const struct log_audit *audit, struct cdc_error *error)
{
    const struct log_checkpoint *kept = audit->kept;

    if (kept == NULL)
        return 0;
    if (strcmp(kept->id, audit->folder->id) != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the checkpoint is of log %s, and this is log %s", kept->id,
                             audit->folder->id);
    if (kept->end < audit->state.begin) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the log begins at byte %" PRIu64 ", behind the checkpoint at byte %" PRIu64, audit->state.begin,
                      kept->end);
        return cdc_error_hint(error, "those lines were trimmed; make a new checkpoint");
    }
    return 0;
}

/* -- lines ------------------------------------------------------------------------------ */

static bool is_zero(const unsigned char *salt)
{
    static const unsigned char zeros[LOG_SALT];

    return salt == NULL || memcmp(salt, zeros, LOG_SALT) == 0;
}

static int add_leaf(struct log_audit *audit, const unsigned char *leaf, struct cdc_error *error)
{
    bool in_tree = audit->with_tree && !(audit->only_to_kept && audit->state.met);

    if (log_chain_add(&audit->chain, leaf) != 0 ||
        (in_tree && log_tree_add(&audit->state.tree, &audit->chain, leaf) != 0))
        return no_hash(error);
    return 0;
}

static int take_line(void *context, struct cdc_span text, struct cdc_error *error)
{
    struct pass *pass = context;
    struct log_audit *audit = pass->audit;
    struct log_audit_state *state = pass->state;
    unsigned char leaf[LOG_HASH];
    struct log_line line = {.text = text, .at = state->at, .number = state->lines, .leaf = leaf};
    int salted = log_salts_next(&pass->salts, &line.salt, error);

    if (salted <= 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the line at byte %" PRIu64 " has no salt", line.at);
        return log_scan_error(&pass->scan, error);
    }
    line.purged = log_chain_purged(&audit->chain, text, leaf);
    if (!line.purged && log_chain_leaf(&audit->chain, text, line.salt, leaf) != 0)
        return no_hash(error);
    if (audit->line != NULL && audit->line(audit->context, audit, &line, error) != 0)
        return -1;
    state->purged += line.purged;
    state->salted += line.purged && !is_zero(line.salt);
    if (add_leaf(audit, leaf, error) != 0)
        return -1;
    state->lines++;
    state->at += text.n + 1;
    pass->in_batch++;
    return meet_kept(audit, error);
}

static int end_batch(struct pass *pass, struct cdc_error *error)
{
    const struct log_commit *commit = &pass->scan.commit;
    uint64_t first = pass->in_segment + 1, last = pass->in_segment + pass->in_batch;
    const char *what = pass->rest.len > 0            ? "end inside a line"
                       : commit->n != pass->in_batch ? "have another number of lines than was appended"
                       : memcmp(commit->chain, pass->audit->chain.value, LOG_HASH) != 0
                           ? "do not lead to the chain's value behind them: one of them was changed, removed or added"
                           : NULL;

    if (what != NULL) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "lines %" PRIu64 " to %" PRIu64 " %s", first, last, what);
        return log_scan_error(&pass->scan, error);
    }
    pass->in_segment += pass->in_batch;
    pass->in_batch = 0;
    return 0;
}

static int take_block(struct pass *pass, struct cdc_span block, struct cdc_error *error)
{
    if (log_lines_each(&pass->rest, block, take_line, pass, error) != 0)
        return -1;
    return pass->scan.at == pass->scan.commit.end ? end_batch(pass, error) : 0;
}

/* The first line of its journal says what the chain was before it. */
static int join_segments(struct pass *pass, struct cdc_error *error)
{
    struct log_audit *audit = pass->audit;
    const unsigned char *prev = pass->scan.first.chain;
    /* Of the first one that is there nobody knows, unless it is the first of all. */
    bool known = audit->segments > 0 || pass->scan.start == 0;

    if (known && memcmp(prev, audit->chain.value, LOG_HASH) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "it does not go on where the lines before it end");
        return log_scan_error(&pass->scan, error);
    }
    memcpy(audit->chain.value, prev, LOG_HASH);
    return audit->segments == 0 ? meet_kept(audit, error) : 0;
}

static int stopped(const struct log_audit *audit, struct cdc_error *error)
{
    if (audit->control == NULL || !audit->control->stop)
        return 0;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                         "stopped at byte %" PRIu64 ": what comes after that was not looked at", audit->state.at);
}

static int read_lines(struct pass *pass, struct cdc_error *error)
{
    struct cdc_span block;
    int more;

    if (join_segments(pass, error) != 0)
        return -1;
    while ((more = log_scan_next(&pass->scan, &block, error)) > 0)
        if (stopped(pass->audit, error) != 0 || take_block(pass, block, error) != 0)
            return -1;
    if (more == 0 && pass->scan.sealed && memcmp(pass->scan.commit.chain, pass->audit->chain.value, LOG_HASH) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "its seal has another value of the chain than its last commit");
        return log_scan_error(&pass->scan, error);
    }
    if (more == 0 && pass->scan.sealed && !log_salts_ended(&pass->salts)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "it has more salts than lines");
        return log_scan_error(&pass->scan, error);
    }
    return more;
}

/* -- segments --------------------------------------------------------------------------- */

/* All of a sealed segment is durable, and its batches are larger than those that the limit was one of. */
static int read_form(struct log_audit *audit, const struct log_segment *segment, enum log_kind kind, uint64_t limit,
                     struct cdc_error *error)
{
    limit = segment->sealed ? UINT64_MAX : limit;
    struct log_sums sums = {audit->folder, kind, segment->start, limit, segment->sealed, .torn = 0};
    struct pass pass = {.audit = audit, .state = &audit->state, .salts = {.fd = -1}};
    int result = -1;

    if (log_scan_open(&pass.scan, audit->folder, kind, segment->start, limit, error) == 0 &&
        log_salts_open(&pass.salts, audit->folder, segment->start, error) == 0 && log_sums_begin(&sums, error) == 0) {
        struct cdc_error of_lines = {0};
        result = read_lines(&pass, &of_lines);
        /* The CRC is wrong as well where bytes were damaged, and says where more closely. */
        if (log_sums_end(&sums, error) != 0 || result != 0) {
            cdc_error_set(error, of_lines.status, "%s", of_lines.text);
            cdc_error_hint(error, "%s", of_lines.hint);
            result = -1;
        }
        audit->torn = sums.torn;
    }
    log_salts_close(&pass.salts);
    log_scan_close(&pass.scan);
    cdc_buf_free(&pass.rest);
    return result;
}

/* The files of a segment, so that one can tell whether they were replaced: as it is compressed, thinned or purged. */
struct files {
    ino_t inodes[4];
};

static struct files files_of(const struct log_folder *folder, uint64_t start)
{
    static const enum log_kind kinds[] = {LOG_PLAIN, LOG_PACKED, LOG_INDEX, LOG_SALTS};
    struct files files = {{0}};
    char name[LOG_NAME_SIZE];
    struct stat status;

    for (size_t i = 0; i < 4; i++)
        if (fstatat(folder->fd, log_name_make(name, kinds[i], start), &status, AT_SYMLINK_NOFOLLOW) == 0)
            files.inodes[i] = status.st_ino;
    return files;
}

static bool same_files(const struct files *a, const struct files *b)
{
    return memcmp(a->inodes, b->inodes, sizeof a->inodes) == 0;
}

static int read_forms(struct log_audit *audit, const struct log_segment *segment, const struct files *files,
                      uint64_t limit, struct cdc_error *error)
{
    struct log_audit_state before = audit->state;

    if (files->inodes[0] == 0 && files->inodes[1] == 0 && segment->end == segment->start)
        return log_scan_journal(audit->folder, segment->start, error); /* one that was just begun */
    if (files->inodes[0] == 0 && files->inodes[1] == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "segment %020" PRIu64 " is missing", segment->start);
    if (files->inodes[1] != 0 && read_form(audit, segment, LOG_PACKED, limit, error) != 0)
        return -1;
    if (files->inodes[0] == 0)
        return 0;
    /* Both, where compressing it was cut off: each must be right. */
    audit->state = before;
    memcpy(audit->chain.value, before.value, LOG_HASH);
    return read_form(audit, segment, LOG_PLAIN, limit, error);
}

/* Is it sealed now? 1, 0, -1. */
static int look_at_seal(const struct log_folder *folder, struct log_segment *segment, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit last;
    int found = log_index_last(folder, segment->start, &text, &last, error);

    segment->sealed = found == 1 && last.kind == LOG_SEAL_LINE;
    cdc_buf_free(&text);
    return found < 0 ? -1 : segment->sealed;
}

static bool is_trimmed(const struct log_folder *folder, uint64_t start)
{
    uint64_t begin;

    return log_begin_read(folder, &begin, NULL) == 0 && start < begin;
}

static int gone(uint64_t start, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "segment %020" PRIu64 " was removed before it was read", start);
    return cdc_error_hint(error, "start again, or while nothing trims the log");
}

/* From its first line. 1: all of it; 0: it was sealed meanwhile, or has other files now; -1. */
static int try_segment(struct log_audit *audit, struct log_segment *segment, uint64_t limit, struct cdc_error *error)
{
    struct files files = files_of(audit->folder, segment->start), after;
    struct cdc_error why = {0};

    if (read_forms(audit, segment, &files, limit, &why) == 0) {
        if (segment->sealed || audit->state.at >= limit)
            return 1;
        int sealed = look_at_seal(audit->folder, segment, error);
        return sealed < 0 ? -1 : !sealed;
    }
    /* Of a segment that retention removes, its files go in any order. */
    if (why.status != CDC_EXIT_TEMPORARY && is_trimmed(audit->folder, segment->start))
        return gone(segment->start, error);
    after = files_of(audit->folder, segment->start);
    cdc_error_set(error, why.status, "%s", why.text);
    cdc_error_hint(error, "%s", why.hint);
    if (same_files(&files, &after) || why.status == CDC_EXIT_TEMPORARY)
        return -1;
    return look_at_seal(audit->folder, segment, &why) < 0 ? -1 : 0;
}

static int read_segment(struct log_audit *audit, const struct log_segment *listed, uint64_t limit,
                        struct cdc_error *error)
{
    struct log_audit_state before = audit->state;
    struct log_segment segment = *listed;
    int result = 0;

    memcpy(before.value, audit->chain.value, LOG_HASH);
    for (int attempt = 0; attempt < ATTEMPTS && result == 0; attempt++) {
        cdc_error_clear(error);
        audit->state = before;
        memcpy(audit->chain.value, before.value, LOG_HASH);
        result = try_segment(audit, &segment, limit, error);
    }
    return result == 1 ? 0 : -1;
}

/* The schema lines of before it. 0; -1. */
static int check_schemas(const struct log_audit *audit, uint64_t start, struct cdc_error *error)
{
    struct log_schemas schemas = {.items = NULL};
    struct cdc_error why = {0};
    int result = log_schemas_load(&schemas, audit->folder, start, &why);

    log_schemas_free(&schemas);
    if (result == 0)
        return 0;
    cdc_error_set(error, why.status, "%s", why.text);
    return cdc_error_hint(error, "%s", why.hint);
}

static int read_segments(struct log_audit *audit, uint64_t limit, struct cdc_error *error)
{
    int64_t told = cdc_clock_ms();

    for (size_t i = 0; i < audit->folder->n; i++) {
        const struct log_segment *segment = &audit->folder->segments[i];
        if (segment->start > limit || (audit->only_to_kept && audit->state.met))
            break;
        if (!segment->indexed)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "segment %020" PRIu64 " has no commit journal",
                                 segment->start);
        if (read_segment(audit, segment, limit, error) != 0 || check_schemas(audit, segment->start, error) != 0)
            return -1;
        audit->segments++;
        if (cdc_clock_ms() - told >= 30000) {
            told = cdc_clock_ms();
            cdc_log_write(audit->log, CDC_LOG_INFO, "%" PRIu64 " of %" PRIu64 " bytes are verified",
                          audit->state.at - audit->state.begin, log_folder_end(audit->folder) - audit->state.begin);
        }
    }
    return 0;
}

/* One that is gone was replaced by a newer one. */
static int read_bases(struct log_audit *audit, struct cdc_error *error)
{
    for (size_t i = 0; i < audit->folder->n_bases && !audit->only_to_kept; i++) {
        struct cdc_error why = {0};
        if (log_base_check(audit->folder, audit->folder->bases[i], &why) == 0 || why.status == CDC_EXIT_LOST)
            continue;
        cdc_error_set(error, why.status, "base-%020" PRIu64 ": %s", audit->folder->bases[i], why.text);
        return cdc_error_hint(error, "%s", why.hint);
    }
    return 0;
}

int log_audit_run(struct log_audit *audit, struct cdc_error *error)
{
    uint64_t limit, head;

    /* The folder is listed after its head was read: what is below that is in it then. */
    if (log_chain_open(&audit->chain, audit->folder->id, error) != 0 ||
        log_folder_limit(audit->folder, &limit, &head, error) != 0 || log_folder_list(audit->folder, error) != 0)
        return -1;
    audit->state.begin = audit->state.at = log_folder_begin(audit->folder);
    if (limit > log_folder_end(audit->folder))
        limit = log_folder_end(audit->folder);
    if (kept_is_ours(audit, error) != 0)
        return -1;
    if (audit->folder->n == 0 && meet_kept(audit, error) != 0)
        return -1;
    if (read_segments(audit, limit, error) != 0)
        return -1;
    if (audit->state.at < head && !audit->only_to_kept)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "the log ends at byte %" PRIu64 ", but what was written reached byte %" PRIu64
                             ": it was cut back",
                             audit->state.at, head);
    return must_have_met(audit, error) == 0 ? read_bases(audit, error) : -1;
}

void log_audit_free(struct log_audit *audit)
{
    log_chain_free(&audit->chain);
}

int log_audit_checkpoint(struct log_audit *audit, struct log_checkpoint *checkpoint, struct cdc_error *error)
{
    struct log_audit_state *state = &audit->state;

    *checkpoint = (struct log_checkpoint){.start = state->begin, .lines = state->lines, .end = state->at};
    memcpy(checkpoint->id, audit->folder->id, sizeof checkpoint->id);
    memcpy(checkpoint->chain, audit->chain.value, LOG_HASH);
    return log_tree_root(&state->tree, &audit->chain, checkpoint->root) == 0 ? 0 : no_hash(error);
}
