/* SPDX-License-Identifier: MIT */
/* What is good of a damaged log, as a new folder. Segments that are whole are copied as they are, or anew where the table of a compressed
 * one is damaged, or a journal that the lines and the next one can do without (remake.h); the one with the damage up to the last batch
 * before it, and nothing after it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/base.h"
#include "connectors/log/file/cursor.h"
#include "connectors/log/repair/internal.h"
#include "connectors/log/repair/remake.h"
#include <cdc/file.h>

/* What is good of a segment. */
struct good {
    uint64_t end, lines;           /* after the last batch; lines of all */
    uint64_t journal;              /* bytes of the journal up to the line of the last one */
    unsigned char chain[LOG_HASH]; /* after it */
    char sha256[LOG_HASH_HEX + 1]; /* of all its bytes */
    bool any, sealed;
    bool whole; /* all that the journal tells of */
};

static int find_damage(struct repair *repair, const char *why, uint64_t start)
{
    return cdc_error_set(&repair->why, CDC_EXIT_CONFIG, "segment %020" PRIu64 " %s", start, why);
}

/* Readers believe it, so that it must be what the commits before it say. */
static void check_seal(struct repair *repair, uint64_t start, const struct log_commit *seal, const struct good *good)
{
    if (good->any && memcmp(seal->chain, good->chain, LOG_HASH) != 0)
        find_damage(repair, "has a seal that is not of its lines: the hash chain is another", start);
    else if (seal->end != good->end || seal->len != good->end - start || seal->n != good->lines)
        find_damage(repair, "has a seal that is not of its lines: their length or number is another", start);
    else if (!cdc_span_is(seal->sha256, good->sha256) &&
             !(seal->has_was && cdc_span_is(seal->sha256_was, good->sha256)))
        find_damage(repair, "has a seal that is not of its lines: the SHA-256 is another", start);
}

/* A batch that was read to its end, or a part of one. */
static void count_block(struct good *good, const struct log_cursor *cursor)
{
    if (!cursor->ended_batch)
        return;
    good->any = true;
    good->end = cursor->at;
    good->journal = cursor->index.offset;
    good->lines += cursor->commit.n;
    memcpy(good->chain, cursor->commit.chain, LOG_HASH);
}

/* All batches up to the damage, or to stop. *found: 1, or what the cursor ended with, repair->why says it. 0 or -1 */
static int read_batches(struct repair *repair, struct log_cursor *cursor, uint64_t stop, int plain, struct good *good,
                        int *found, struct cdc_error *error)
{
    EVP_MD_CTX *sha256 = EVP_MD_CTX_new();
    struct cdc_buf block = CDC_BUF_INIT;
    unsigned char digest[LOG_HASH];
    int result = sha256 != NULL && EVP_DigestInit_ex2(sha256, EVP_sha256(), NULL) == 1 ? 0 : cdc_error_memory(error);

    while (*found == 1 && result == 0 && cursor->at < stop) {
        block.len = 0;
        *found = log_cursor_read(cursor, &block, &repair->why);
        if (*found == 1 && EVP_DigestUpdate(sha256, block.data, block.len) != 1)
            result = cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
        if (*found == 1 && plain >= 0 && cdc_file_write(plain, block.data, block.len) != 0)
            result = log_file_error(&repair->to, "write", "a segment", error);
        if (*found == 1)
            count_block(good, cursor);
    }
    if (result == 0 && EVP_DigestFinal_ex(sha256, digest, NULL) == 1)
        log_hash_print(good->sha256, digest);
    EVP_MD_CTX_free(sha256);
    cdc_buf_free(&block);
    return result;
}

/* The good batches of a segment, into its plain form unless plain is -1. Then they may be more than others can read: of a packed form
 * its table does not count. */
static int take_batches(struct repair *repair, uint64_t start, int plain, struct good *good, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit last = {.end = start};
    struct log_cursor cursor;
    int found = log_index_last(&repair->from, start, &text, &last, &repair->why);

    *good = (struct good){.end = start, .sealed = found == 1 && last.kind == LOG_SEAL_LINE};
    log_cursor_open_segment(&cursor, &repair->from, start);
    cursor.without_table = plain >= 0;
    int result = read_batches(repair, &cursor, last.end, plain, good, &found, error);
    if (found <= 0 && repair->why.status == 0)
        find_damage(repair, "has no journal that is valid", start);
    else if (found == 1 && last.end < start)
        find_damage(repair, "has a journal that ends before it begins", start);
    if (found == 1 && good->sealed)
        check_seal(repair, start, &last, good);
    good->whole = repair->why.status == 0;
    log_cursor_close(&cursor);
    cdc_buf_free(&text);
    return result;
}

/* Of lines that are whole nothing is left out because of salts that are damaged, or a purge that was not ended well. */
static int prove_lines(struct repair *repair, uint64_t start, const struct good *good, bool without_table,
                       struct cdc_error *error)
{
    struct log_proved what = {start, good->end, good->chain, without_table};
    int proved = good->any ? log_repair_prove(&repair->from, &what, error) : 1;

    if (proved != 0)
        return proved > 0 ? 0 : -1;
    repair->unproved = true;
    cdc_log_write(repair->settings->log, CDC_LOG_WARNING,
                  "segment %020" PRIu64
                  ": its lines, or their salts, are not those that the hash chain is of; they are in "
                  "the copy as they are, and \"cdc-log verify\" does not call it whole",
                  start);
    return 0;
}

/* After a segment that is good as a whole. */
static void go_on_after(struct repair *repair, const struct good *good)
{
    repair->end = good->end;
    if (good->any)
        memcpy(repair->chain, good->chain, LOG_HASH);
    repair->has_chain |= good->any;
}

/* The segment is not good as it is. Its good lines in their plain form. 0 or -1 */
static int write_plain(struct repair *repair, uint64_t start, struct good *good, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    int fd = log_file_open(&repair->to, log_name_make(name, LOG_PLAIN, start), O_RDWR | O_CREAT | O_EXCL, error);

    if (fd < 0)
        return -1;
    int result = take_batches(repair, start, fd, good, error);
    if (result == 0 && good->whole)
        log_repair_check_journal(&repair->from, start, &repair->why);
    good->whole = repair->why.status == 0 && good->sealed;
    if (result == 0 &&
        (ftruncate(fd, (off_t)(good->end - start)) != 0 || (good->whole && fchmod(fd, 0400) != 0) || fsync(fd) != 0))
        result = log_file_error(&repair->to, "write", name, error);
    close(fd);
    if (!good->any) /* nothing of it is good */
        (void)unlinkat(repair->to.fd, name, 0);
    return result;
}

/* Something was damaged, and cost no line. */
static void tell_made(struct repair *repair, const char *how)
{
    cdc_log_write(repair->settings->log, CDC_LOG_WARNING, "%s: %s", repair->why.text, how);
    cdc_error_clear(&repair->why);
    repair->made = true;
}

/* Of a journal whose lines are in the copy in their plain form. */
static int copy_beside(struct repair *repair, uint64_t start, const struct good *good, bool whole,
                       struct cdc_error *error)
{
    unsigned mode = whole ? 0400 : 0600;

    return log_repair_copy_journal(repair, start, whole ? UINT64_MAX : good->journal, mode, error) == 0
               ? log_repair_copy_part(repair, LOG_SALTS, start, good->lines * LOG_SALT, mode, error)
               : -1;
}

/* All of a segment that is damaged in how it is compressed alone. 1: it is in the copy; 0: there is more; -1 */
static int copy_unpacked(struct repair *repair, const struct log_segment *segment, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    struct cdc_error why = repair->why;
    struct good good;

    if (segment->plain || !segment->packed)
        return 0;
    cdc_error_clear(&repair->why);
    int result = write_plain(repair, segment->start, &good, error);
    repair->why = why;
    if (result != 0)
        return -1;
    if (!good.whole || !good.any) {
        (void)unlinkat(repair->to.fd, log_name_make(name, LOG_PLAIN, segment->start), 0);
        return 0;
    }
    go_on_after(repair, &good);
    tell_made(repair, "all lines are there, and are written uncompressed");
    return prove_lines(repair, segment->start, &good, true, error) == 0 &&
                   copy_beside(repair, segment->start, &good, true, error) == 0
               ? 1
               : -1;
}

/* Up to the damage: plain lines, and the journal as far as it is of them. */
static int copy_good_part(struct repair *repair, const struct log_segment *segment, struct cdc_error *error)
{
    struct cdc_error why = repair->why;
    struct good good;
    int result = write_plain(repair, segment->start, &good, error);

    repair->why = why;
    repair->end = good.end;
    if (result != 0 || !good.any)
        return result;
    return prove_lines(repair, segment->start, &good, true, error) == 0
               ? copy_beside(repair, segment->start, &good, false, error)
               : -1;
}

/* A closed file that is longer than what its seal is of. */
static int tell_excess(struct repair *repair, uint64_t start, enum log_kind kind, uint64_t size,
                       struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    struct stat file;

    log_name_make(name, kind, start);
    if (fstatat(repair->from.fd, name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : log_file_error(&repair->from, "look at", name, error);
    if ((uint64_t)file.st_size <= size)
        return 0;
    cdc_log_write(repair->settings->log, CDC_LOG_WARNING,
                  "\"%s\" has %" PRIu64 " bytes behind what the seal of the segment is of: they are left out", name,
                  (uint64_t)file.st_size - size);
    repair->made = true;
    return 0;
}

/* Of two forms of the lines, the one that was read: the other one may be damaged. */
static int copy_whole(struct repair *repair, const struct log_segment *segment, const struct good *good, bool newest,
                      struct cdc_error *error)
{
    unsigned mode = newest ? 0600 : 0400;
    enum log_kind kind = segment->plain ? LOG_PLAIN : LOG_PACKED;
    /* Of the one that is written to, more may be there than was committed, which the next append removes, and says so. */
    uint64_t size = good->sealed && segment->plain ? good->end - segment->start : UINT64_MAX;
    uint64_t salts = good->sealed ? good->lines * LOG_SALT : UINT64_MAX;

    if (tell_excess(repair, segment->start, kind, size, error) != 0 ||
        tell_excess(repair, segment->start, LOG_SALTS, salts, error) != 0 ||
        log_repair_copy_part(repair, kind, segment->start, size, mode, error) != 0 ||
        log_repair_copy_part(repair, LOG_SALTS, segment->start, salts, mode, error) != 0)
        return -1;
    return log_repair_copy_journal(repair, segment->start, UINT64_MAX, mode, error);
}

/* 0; 1: repair->why says what is wrong in it, and what is good was not copied; -1. With 0 and why nothing of it is good. */
static int copy_segment(struct repair *repair, const struct log_segment *segment, bool newest, struct cdc_error *error)
{
    struct good good;

    if (!segment->indexed && newest && segment->plain && !repair->from.redactable) /* whoever appends makes it again */
        return repair->lacks_journal = true,
               log_repair_copy_part(repair, LOG_PLAIN, segment->start, UINT64_MAX, 0600, error);
    if (!segment->indexed)
        return find_damage(repair, "has no journal", segment->start), 0;
    if (log_folder_check_first(&repair->from, segment, repair->has_chain ? repair->chain : NULL, &repair->why) != 0)
        return 0;
    if (take_batches(repair, segment->start, -1, &good, error) != 0)
        return -1;
    if (repair->why.status == 0)
        log_repair_check_journal(&repair->from, segment->start, &repair->why);
    if (repair->why.status == 0 && !good.sealed && !newest)
        find_damage(repair, "is not sealed, though another one follows", segment->start);
    /* Lines are added to the plain form alone. */
    if (repair->why.status == 0 && !good.sealed && segment->packed)
        find_damage(repair, "is compressed, and has no seal", segment->start);
    if (repair->why.status != 0)
        return 1;
    if (prove_lines(repair, segment->start, &good, false, error) != 0)
        return -1;
    go_on_after(repair, &good);
    return copy_whole(repair, segment, &good, newest, error);
}

/* -- a segment that is proved by the next one's journal ------------------------------------- */

/* 1: it is in the copy; 0: nothing proves it; -1 */
static int remake(struct repair *repair, size_t i, const struct log_segment *segment, struct cdc_error *error)
{
    const struct log_folder *from = &repair->from;
    struct log_remake remake = {.from = from,
                                .to = &repair->to,
                                .segment = segment,
                                .before = i > 0 ? from->segments[i - 1].start : UINT64_MAX};
    uint64_t lines;

    if (i + 1 == from->n || from->segments[i + 1].start <= segment->start)
        return 0;
    remake.next = from->segments[i + 1].start;
    if (log_repair_count_schemas(repair, i, &remake.schemas, error) != 0)
        return -1;
    int result = log_remake_segment(&remake, &lines, repair->chain, error);
    return result > 0 && log_repair_copy_part(repair, LOG_SALTS, segment->start, lines * LOG_SALT, 0400, error) != 0
               ? -1
               : result;
}

/* As it is, or anew, or what is good of it. */
static int take_segment(struct repair *repair, size_t i, struct cdc_error *error)
{
    const struct log_segment segment =
        repair->from.segments[i]; /* whoever meets a missing file lists the folder anew */
    bool newest = i + 1 == repair->from.n;
    int copied = log_repair_schemas(repair, i, error) == 0 ? copy_segment(repair, &segment, newest, error) : -1;

    if (copied < 0 || repair->why.status == 0)
        return copied;
    int made = copied > 0 ? copy_unpacked(repair, &segment, error) : 0;
    if (made != 0)
        return made > 0 ? 0 : -1;
    made = remake(repair, i, &segment, error);
    if (made > 0) {
        repair->has_chain = true;
        repair->end = repair->from.segments[i + 1].start;
        tell_made(repair, "its lines are what the hash chain says, and its journal is made again from them");
        return 0;
    }
    return made == 0 && copied > 0 ? copy_good_part(repair, &segment, error) : made;
}

static int copy_segments(struct repair *repair, struct cdc_error *error)
{
    struct log_folder *from = &repair->from;

    repair->end = log_folder_begin(from);
    for (size_t i = 0; i < from->n && repair->why.status == 0; i++) {
        if (repair->settings->control->stop)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped; \"%s\" is not complete", repair->to.path);
        if (from->segments[i].start != repair->end)
            return cdc_error_set(&repair->why, CDC_EXIT_CONFIG, "the segment at byte %" PRIu64 " is missing",
                                 repair->end),
                   0;
        if (take_segment(repair, i, error) != 0)
            return -1;
    }
    return 0;
}

static void leave_out(struct repair *repair, uint64_t base, const char *why)
{
    repair->left_out = true;
    cdc_log_write(repair->settings->log, CDC_LOG_WARNING, "base-%020" PRIu64 " is left out: %s", base, why);
}

/* The log ended after that once. 0 or -1 */
static int check_head(struct repair *repair, struct cdc_error *error)
{
    uint64_t head;
    int found = repair->why.status == 0 && !repair->lacks_journal ? log_head_read(&repair->from, &head, error) : 0;

    if (found == 1 && head > repair->end)
        cdc_error_set(&repair->why, CDC_EXIT_CONFIG,
                      "what was stored reached byte %" PRIu64 ", and the journal tells of no more", head);
    return found < 0 ? -1 : 0;
}

static int copy_base(struct repair *repair, uint64_t end, struct cdc_error *error)
{
    struct cdc_error why = {0};

    if (end > repair->end)
        return leave_out(repair, end, "it is of lines after what is good"), 0;
    if (log_base_check(&repair->from, end, &why) != 0)
        return leave_out(repair, end, why.text), 0;
    repair->has_base |= end >= log_folder_begin(&repair->from);
    return log_repair_copy_part(repair, LOG_BASE, end, UINT64_MAX, 0400, error) == 0
               ? log_repair_copy_part(repair, LOG_BASE_INDEX, end, UINT64_MAX, 0400, error)
               : -1;
}

static int copy_bases(struct repair *repair, struct cdc_error *error)
{
    uint64_t begin = log_folder_begin(&repair->from); /* lines before it were trimmed, or are lost */

    for (size_t i = 0; i < repair->from.n_bases; i++)
        if (copy_base(repair, repair->from.bases[i], error) != 0)
            return -1;
    if (!repair->has_base && begin > 0)
        cdc_log_write(repair->settings->log, CDC_LOG_WARNING,
                      "no base in the copy stands for the lines before byte %" PRIu64
                      ": \"cdc-log compact\" cannot make one, and who begins with the copy lacks their rows",
                      begin);
    return 0;
}

/* All that is no line of it: what log it is, who reads it, what was purged. */
static int copy_rest(struct repair *repair, struct cdc_error *error)
{
    return log_repair_copy_readers(repair, error) == 0 &&
                   log_repair_copy_file(repair, "purges.ndjson", UINT64_MAX, 0600, error) == 0
               ? log_repair_copy_file(repair, "meta.json", UINT64_MAX, 0600, error)
               : -1;
}

/* Up to there all is in the copy: whoever appends need not find it out. */
static int set_head(struct repair *repair, struct cdc_error *error)
{
    int fd = log_file_open(&repair->to, "head", O_RDWR | O_CREAT, error);

    if (fd < 0)
        return -1;
    int result = log_head_write(fd, repair->end) == 0 && fsync(fd) == 0
                     ? 0
                     : log_file_error(&repair->to, "write", "head", error);
    close(fd);
    return result;
}

/* Its first segment is not taken for one that follows a missing one. */
static int set_begin(struct repair *repair, struct cdc_error *error)
{
    uint64_t begin = repair->from.n > 0 ? repair->from.segments[0].start : 0;

    return begin > 0 ? log_begin_write(&repair->to, begin, error) : 0;
}

/* The copy begins with the first segment that is there. */
static void tell_begin(struct repair *repair)
{
    repair->made = true;
    cdc_log_write(repair->settings->log, CDC_LOG_WARNING,
                  "no segment is where the log \"%s\" is to begin: the copy begins with byte %" PRIu64
                  ", as if what was before it had been trimmed",
                  repair->from.path, repair->from.segments[0].start);
}

/* Segments that a trim was removing when it was killed are none of the log; a place that is damaged, or has no segment, says nothing. */
static int leave_removed(struct repair *repair, struct cdc_error *error)
{
    struct log_folder *from = &repair->from;
    struct cdc_error why = {0};
    uint64_t begin;
    size_t i = 0;

    bool known = log_begin_read(from, &begin, &why) == 0;
    if (!known && why.status != CDC_EXIT_CONFIG)
        return *error = why, -1;
    while (i < from->n && (!known || from->segments[i].start != begin))
        i++;
    if (i < from->n)
        return log_folder_set_begin(from, begin, error);
    if (from->n > 0)
        tell_begin(repair);
    return 0;
}

/* Lines that come after others, which are trimmed, have no place in a log that has none of those in between. */
static int something_is_good(const struct repair *repair, struct cdc_error *error)
{
    if (repair->why.status == 0 || repair->end == 0 || repair->end > log_folder_begin(&repair->from))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "nothing of \"%s\" is good: %s", repair->settings->path, repair->why.text);
    return cdc_error_hint(error, "begin a new log; its lines have to come from a copy, or from the source");
}

static int copy(struct repair *repair, struct cdc_error *error)
{
    int lock = -1;

    if (log_folder_names(&repair->from, error) != 0 || leave_removed(repair, error) != 0 ||
        log_folder_begin_copy(&repair->to, repair->settings->to, &lock, error) != 0)
        return -1;
    int result = copy_segments(repair, error) == 0 && check_head(repair, error) == 0 &&
                         something_is_good(repair, error) == 0 && copy_bases(repair, error) == 0
                     ? copy_rest(repair, error)
                     : -1;
    if (result == 0)
        result = set_head(repair, error) == 0 ? set_begin(repair, error) : -1;
    if (result == 0)
        result = log_folder_sync(&repair->to, error);
    close(lock);
    return result;
}

/* Nobody writes to the log, or maintains it, while it is copied: what changed meanwhile would pass for damage, or be half of it. */
static int run(struct repair *repair, struct cdc_error *error)
{
    int append = -1, maintain = -1;
    int result = log_folder_open(&repair->from, repair->settings->path, error) == 0 &&
                         log_lock_share(&repair->from, LOG_LOCK_APPEND, &append, error) == 0 &&
                         log_lock_share(&repair->from, LOG_LOCK_MAINTAIN, &maintain, error) == 0
                     ? copy(repair, error)
                     : -1;

    if (append >= 0)
        close(append);
    if (maintain >= 0)
        close(maintain);
    return result;
}

int log_repair(const struct log_repair_settings *settings, struct cdc_error *error)
{
    struct repair repair = {.settings = settings, .from = {.fd = -1}, .to = {.fd = -1}};
    int result = run(&repair, error);

    if (result == 0 && repair.why.status != 0)
        cdc_log_write(settings->log, CDC_LOG_WARNING, "what is good ends at byte %" PRIu64 ": %s", repair.end,
                      repair.why.text);
    else if (result == 0)
        cdc_log_write(settings->log, CDC_LOG_INFO, "%s; \"%s\" is a copy",
                      repair.made || repair.unproved || repair.left_out ? "no line is lost" : "no damage was found",
                      settings->to);
    if (settings->proved != NULL)
        *settings->proved = !repair.unproved;
    log_folder_close(&repair.from);
    log_folder_close(&repair.to);
    return result;
}
