/* SPDX-License-Identifier: MIT */
/* The end of a log as a crash has left it. What was committed is there, or the log is damaged; what was not is cut off, since no one was
 * told of it, and it comes again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/append/writer.h"
#include "connectors/log/file/batches.h"
#include <cdc/file.h>
#include <cdc/retry.h>

#define READ_SIZE ((size_t)1 << 20)

/* What is good of the active segment. */
struct log_good {
    uint64_t end, lines, index_size;
    int64_t ts, first_ts;
    unsigned char chain[LOG_HASH];
    uint64_t known; /* what comes after it, nobody has seen synced */
    struct {
        uint64_t end, lines, index_size;
    } synced; /* the last commit up to there */
};

static int damaged(const struct log_writer *writer, uint64_t byte, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the log \"%s\" is damaged at byte %" PRIu64 ": %s", writer->folder.path,
                  byte, why);
    return cdc_error_hint(error,
                          "\"cdc-log repair\" writes what is good before it into a new folder; the lines after it "
                          "have to come from a copy");
}

static int take(struct log_writer *writer, struct log_good *good, const struct log_index *index,
                const struct log_commit *commit, struct cdc_error *error)
{
    good->end = commit->end;
    good->lines += commit->n;
    good->index_size = index->offset;
    good->ts = commit->ts;
    if (good->first_ts == 0)
        good->first_ts = commit->ts;
    memcpy(good->chain, commit->chain, LOG_HASH);
    if (good->end <= good->known) {
        good->synced.end = good->end;
        good->synced.lines = good->lines;
        good->synced.index_size = good->index_size;
    }
    writer->at.len = 0;
    cdc_buf_span(&writer->at, commit->at);
    return writer->at.failed ? cdc_error_memory(error) : 0;
}

static int find_in(struct log_writer *writer, struct log_batches *batches, struct log_index *index,
                   struct log_good *good, struct cdc_error *error)
{
    struct log_commit commit;
    int found, is_good = 1;

    while ((found = log_index_next(index, &commit, error)) == 1) {
        is_good = log_batches_next(batches, &commit, error);
        if (is_good != 1)
            break;
        commit.n = commit.kind == LOG_COMMIT_LINE ? commit.n : 0;
        if (take(writer, good, index, &commit, error) != 0)
            return -1;
        if (commit.kind == LOG_SEGMENT_LINE)
            good->first_ts = good->ts = 0;
    }
    if (found < 0 || is_good < 0)
        return -1;
    int follows = is_good == 0 ? log_batches_good_follows(batches, index, error) : 0;
    return follows == 1
               ? damaged(writer, good->end, "lines are not those that its journal has the CRC and the chain of", error)
               : follows;
}

static int find_good(struct log_writer *writer, struct log_good *good, struct cdc_error *error)
{
    struct log_batches batches;
    struct log_index index = {.fd = -1};
    uint64_t head;
    int result = log_head_read(&writer->folder, &head, error) < 0 ? -1 : 0;

    *good = (struct log_good){.end = writer->start,
                              .known = log_head_is_doubted(&writer->folder) ? writer->start : head,
                              .synced.end = writer->start};
    if (log_batches_open(&batches, &writer->folder, writer->start, head, error) != 0 ||
        (result == 0 && log_index_open(&index, &writer->folder, LOG_INDEX, writer->start, error) != 0))
        result = -1;
    if (result == 0)
        result = find_in(writer, &batches, &index, good, error);
    log_index_close(&index);
    log_batches_close(&batches);
    return result;
}

/* The hash of the segment so far. */
static int sum_segment(struct log_writer *writer, const struct log_good *good, struct cdc_error *error)
{
    unsigned char chain[LOG_HASH];
    struct cdc_buf block = CDC_BUF_INIT;
    int result = log_writer_sums_begin(&writer->committed, error);

    memcpy(chain, good->chain, LOG_HASH);
    for (uint64_t at = writer->start; result == 0 && at < good->end;) {
        size_t n = good->end - at < READ_SIZE ? (size_t)(good->end - at) : READ_SIZE;
        ssize_t got =
            cdc_buf_room(&block, READ_SIZE) ? pread(writer->data, block.data, n, (off_t)(at - writer->start)) : -1;
        if (got <= 0)
            result = log_file_error(&writer->folder, "read", "the active segment", error);
        else
            result = log_writer_sums_hash(&writer->committed, block.data, (size_t)got, error);
        at += got > 0 ? (uint64_t)got : 0;
    }
    cdc_buf_free(&block);
    writer->committed.end = good->end;
    writer->committed.lines = good->lines;
    memcpy(writer->committed.chain, chain, LOG_HASH);
    return result == 0 ? log_writer_sums_copy(&writer->now, &writer->committed, error) : -1;
}

/* Cut to its length, a file that is shorter would get zeros, as of purged lines. */
static int check_salts(struct log_writer *writer, const struct log_good *good, struct cdc_error *error)
{
    struct stat salts;

    if (writer->salts < 0)
        return 0;
    if (fstat(writer->salts, &salts) != 0)
        return log_file_error(&writer->folder, "look at", "the salts of the active segment", error);
    return (uint64_t)salts.st_size >= good->lines * LOG_SALT
               ? 0
               : damaged(writer, writer->start, "salts of its lines are missing", error);
}

/* It may be in the cache alone: a start before this one has met the error of its sync, or was killed there. */
static bool write_again(struct log_writer *writer, const struct log_good *good)
{
    return cdc_file_write_again(writer->data, (off_t)(good->synced.end - writer->start),
                                (off_t)(good->end - writer->start)) == 0 &&
           cdc_file_write_again(writer->index, (off_t)good->synced.index_size, (off_t)good->index_size) == 0 &&
           (writer->salts < 0 || cdc_file_write_again(writer->salts, (off_t)(good->synced.lines * LOG_SALT),
                                                      (off_t)(good->lines * LOG_SALT)) == 0);
}

static int cut(struct log_writer *writer, const struct log_good *good, struct cdc_error *error)
{
    struct stat data, index;

    if (fstat(writer->data, &data) != 0 || fstat(writer->index, &index) != 0)
        return log_file_error(&writer->folder, "look at", "the active segment", error);
    uint64_t more = (uint64_t)data.st_size - (good->end - writer->start);
    if (more > 0)
        cdc_log_write(writer->settings->log, CDC_LOG_INFO,
                      "%" PRIu64 " bytes at the end of \"%s\" were not committed, and were removed: they come again",
                      more, writer->folder.path);
    if ((more > 0 && ftruncate(writer->data, (off_t)(good->end - writer->start)) != 0) ||
        ((uint64_t)index.st_size != good->index_size && ftruncate(writer->index, (off_t)good->index_size) != 0) ||
        (writer->salts >= 0 && ftruncate(writer->salts, (off_t)(good->lines * LOG_SALT)) != 0))
        return log_file_error(&writer->folder, "cut", "the active segment", error);
    if (!write_again(writer, good))
        return log_file_error(&writer->folder, "write", "the active segment", error);
    if (fsync(writer->data) != 0 || fsync(writer->index) != 0 || (writer->salts >= 0 && fsync(writer->salts) != 0))
        return log_file_error(&writer->folder, "sync", "the active segment", error);
    return 0;
}

/* What was durable once is not cut: then it is lost, and not only torn. */
static int check_head(struct log_writer *writer, uint64_t end, struct cdc_error *error)
{
    uint64_t head;
    int found = log_head_read(&writer->folder, &head, error);

    if (found < 0)
        return -1;
    if (!found || head <= end)
        return 0;
    damaged(writer, end, "what comes after it was stored, and is gone", error);
    return cdc_error_hint(error, "in a copy that was made while the log was written, remove the file \"head\"");
}

/* The segment that goes on. */
static int resume(struct log_writer *writer, const struct log_segment *segment, struct cdc_error *error)
{
    struct log_good good;

    writer->start = segment->start;
    if (segment->packed && !segment->plain)
        return damaged(writer, segment->start, "the segment is compressed, and its journal has no seal", error);
    if (log_writer_open_segment(writer, error) != 0 || find_good(writer, &good, error) != 0 ||
        check_head(writer, good.end, error) != 0 || check_salts(writer, &good, error) != 0 ||
        cut(writer, &good, error) != 0)
        return -1;
    writer->end = good.end;
    writer->index_size = good.index_size;
    writer->first_ts = good.first_ts;
    if (good.ts > writer->ts)
        writer->ts = good.ts;
    int64_t age = cdc_clock_wall_ms() - good.first_ts;
    writer->opened = cdc_clock_ms() - (good.first_ts != 0 && age > 0 ? age : 0);
    return sum_segment(writer, &good, error) == 0 && log_folder_list(&writer->folder, error) == 0
               ? log_schemas_before(&writer->schemas, &writer->folder, good.end, error)
               : -1;
}

/* The last segment is sealed: the next one begins. */
static int follow(struct log_writer *writer, const struct log_commit *seal, struct cdc_error *error)
{
    writer->end = seal->end;
    writer->ts = seal->ts;
    writer->at.len = 0;
    cdc_buf_span(&writer->at, seal->at);
    memcpy(writer->committed.chain, seal->chain, LOG_HASH);
    if (writer->at.failed)
        return cdc_error_memory(error);
    return check_head(writer, writer->end, error) == 0 ? log_writer_new_segment(writer, error) : -1;
}

static int begin_log(struct log_writer *writer, struct cdc_error *error)
{
    memcpy(writer->committed.chain, writer->chain.value, LOG_HASH);
    return check_head(writer, 0, error) == 0 ? log_writer_new_segment(writer, error) : -1;
}

/* Before the last segment: its time, chain and positions. */
static int read_before(struct log_writer *writer, struct cdc_buf *text, struct log_commit *seal,
                       struct cdc_error *error)
{
    const struct log_folder *folder = &writer->folder;

    *seal = (struct log_commit){.at = cdc_span_text("{}")};
    memcpy(seal->chain, writer->chain.value, LOG_HASH);
    if (folder->n < 2)
        return 0;
    int found = log_index_last(folder, folder->segments[folder->n - 2].start, text, seal, error);
    return found < 0 ? -1 : 0;
}

static int recover_last(struct log_writer *writer, struct cdc_error *error)
{
    struct log_segment *last = &writer->folder.segments[writer->folder.n - 1];
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit seal;
    int result = read_before(writer, &text, &seal, error);

    if (result == 0 && !last->indexed) {
        if (writer->folder.n == 1 && last->start > 0)
            result = damaged(writer, last->start, "the commit journal of its only segment is missing", error);
        else
            result = log_writer_rebuild(writer, last, seal.at, seal.chain, error);
    }
    /* Before the end of the last segment: where it was rebuilt, it is listed anew. */
    if (result == 0 && log_folder_list(&writer->folder, error) == 0) {
        last = &writer->folder.segments[writer->folder.n - 1];
        result = last->sealed ? log_schemas_before(&writer->schemas, &writer->folder, last->end, error) : 0;
    } else {
        result = -1;
    }
    if (result == 0 && last->sealed) {
        result =
            log_index_last(&writer->folder, last->start, &text, &seal, error) == 1 ? follow(writer, &seal, error) : -1;
    } else if (result == 0) {
        writer->ts = seal.ts;
        result = resume(writer, last, error);
    }
    cdc_buf_free(&text);
    return result;
}

int log_writer_recover(struct log_writer *writer, struct cdc_error *error)
{
    if (log_folder_list(&writer->folder, error) != 0)
        return -1;
    int result = writer->folder.n == 0 ? begin_log(writer, error) : recover_last(writer, error);
    if (result != 0 || log_folder_sync(&writer->folder, error) != 0)
        return -1;
    writer->head = log_file_open(&writer->folder, "head", O_RDWR | O_CREAT, error);
    if (writer->head < 0)
        return -1;
    /* Without syncs (--sync none) head says nothing of what is on the disk. */
    if (!writer->settings->sync)
        log_head_doubt(writer->head);
    return log_head_write(writer->head, writer->end) == 0 &&
                   (!writer->settings->sync || log_head_trust(writer->head) == 0)
               ? 0
               : log_file_error(&writer->folder, "write", "head", error);
}
