/* SPDX-License-Identifier: MIT */
/* Segments of the end of a log: begun, sealed, followed by the next one.
 *
 *   NAME.idx     thinned and with its seal: written beside, synced, renamed       killed before that: it goes on as it is
 *   NEXT.idx     with its first line: written beside, synced, renamed             killed here: the next start goes on from here
 *   NEXT.ndjson  made anew, and the folder synced before anything in it counts */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/append/writer.h"
#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/index.h"
#include <cdc/file.h>
#include <cdc/retry.h>

#define THIN ((uint64_t)64 << 10)

/* Writes NAME of the folder anew, durably. 0, 1: the disk is full, -1. */
static int replace_file(struct log_writer *writer, const char *name, const struct cdc_buf *text, unsigned mode,
                        struct cdc_error *error)
{
    char temporary[LOG_NAME_SIZE + 8];

    if (text->failed)
        return cdc_error_memory(error);
    snprintf(temporary, sizeof temporary, "%s.tmp", name);
    if (unlinkat(writer->folder.fd, temporary, 0) != 0 && errno != ENOENT)
        return log_file_error(&writer->folder, "remove", temporary, error);
    int fd = openat(writer->folder.fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && cdc_file_write(fd, text->data, text->len) == 0 && fchmod(fd, mode) == 0 &&
                (!writer->settings->sync || fsync(fd) == 0);
    int number = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        number = errno;
    }
    if (good)
        return log_file_rename(&writer->folder, temporary, name, error);
    (void)unlinkat(writer->folder.fd, temporary, 0);
    errno = number;
    if (number == ENOSPC || number == EDQUOT)
        return 1;
    return log_file_error(&writer->folder, "write", temporary, error);
}

static int replace_when_room(struct log_writer *writer, const char *name, const struct cdc_buf *text, unsigned mode,
                             struct cdc_error *error)
{
    int64_t told = 0;
    int result;

    while ((result = replace_file(writer, name, text, mode, error)) == 1)
        if (log_writer_wait_for_room(writer, "the commit journal", &told, error) != 0)
            return -1;
    return result;
}

/* -- opening ------------------------------------------------------------------- */

void log_writer_close_segment(struct log_writer *writer)
{
    int *files[] = {&writer->data, &writer->index, &writer->salts};

    for (size_t i = 0; i < 3; i++) {
        if (*files[i] >= 0)
            close(*files[i]);
        *files[i] = -1;
    }
}

/* Opens the files of the active segment for writing; what is missing of the lines is made. */
int log_writer_open_segment(struct log_writer *writer, struct cdc_error *error)
{
    writer->index = log_part_open(&writer->folder, LOG_INDEX, writer->start, O_RDWR, error);
    if (writer->index >= 0)
        writer->data = log_part_open(&writer->folder, LOG_PLAIN, writer->start, O_RDWR | O_CREAT, error);
    if (writer->data >= 0 && writer->folder.redactable)
        writer->salts = log_part_open(&writer->folder, LOG_SALTS, writer->start, O_RDWR | O_CREAT, error);
    bool good = writer->data >= 0 && (!writer->folder.redactable || writer->salts >= 0);
    return good ? log_folder_sync(&writer->folder, error) : -1;
}

/* Before the segment itself is there, so that it is never without them. */
static int save_schemas(struct log_writer *writer, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    char name[LOG_NAME_SIZE];
    int result = 0;

    log_schemas_append_file(&text, &writer->schemas);
    if (writer->schemas.n > 0)
        result = replace_when_room(writer, log_name_make(name, LOG_SCHEMAS, writer->end), &text, 0400, error);
    cdc_buf_free(&text);
    return result;
}

int log_writer_new_segment(struct log_writer *writer, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit first = {.kind = LOG_SEGMENT_LINE,
                               .end = writer->end,
                               .log = cdc_span_text(writer->folder.id),
                               .schemas = writer->schemas.n,
                               .at = cdc_span(writer->at.data, writer->at.len)};

    memcpy(first.chain, writer->committed.chain, LOG_HASH);
    log_commit_append(&text, &first);
    writer->start = writer->end;
    writer->index_size = text.len;
    writer->first_ts = 0;
    writer->opened = cdc_clock_ms();
    int result = save_schemas(writer, error);
    if (result == 0)
        result = replace_when_room(writer, log_name_make(name, LOG_INDEX, writer->start), &text, 0600, error);
    cdc_buf_free(&text);
    if (result != 0 || log_writer_sums_begin(&writer->committed, error) != 0)
        return -1;
    writer->committed.end = writer->end;
    if (log_writer_sums_copy(&writer->now, &writer->committed, error) != 0)
        return -1;
    return log_writer_open_segment(writer, error);
}

/* -- sealing ------------------------------------------------------------------- */

/* A journal with one line per THIN bytes. */
struct thinned {
    struct cdc_buf text;
    struct log_commit open; /* lines that were put together so far */
    struct cdc_buf at;      /* its positions */
    uint64_t begin;         /* where it begins */
    bool has_open;
};

static void flush_thinned(struct thinned *thinned)
{
    if (!thinned->has_open)
        return;
    thinned->open.at = cdc_span(thinned->at.data, thinned->at.len);
    log_commit_append(&thinned->text, &thinned->open);
    thinned->begin = thinned->open.end;
    thinned->has_open = false;
}

static void add_thinned(struct thinned *thinned, const struct log_commit *commit)
{
    struct log_commit joined = *commit;

    if (thinned->has_open) {
        joined.crc = log_crc32c_join(thinned->open.crc, commit->crc, commit->end - thinned->open.end);
        joined.n += thinned->open.n;
    }
    thinned->at.len = 0;
    cdc_buf_span(&thinned->at, commit->at);
    thinned->open = joined;
    thinned->has_open = true;
    if (joined.end - thinned->begin >= THIN)
        flush_thinned(thinned);
}

static int thin(struct log_writer *writer, struct thinned *thinned, struct cdc_error *error)
{
    struct log_index index;
    struct log_commit commit;
    int found = log_index_open(&index, &writer->folder, LOG_INDEX, writer->start, error) == 0 ? 1 : -1;

    while (found == 1 && (found = log_index_next(&index, &commit, error)) == 1) {
        if (commit.kind == LOG_SEGMENT_LINE)
            log_commit_append(&thinned->text, &commit);
        else if (commit.kind == LOG_COMMIT_LINE)
            add_thinned(thinned, &commit);
    }
    flush_thinned(thinned);
    log_index_close(&index);
    return found;
}

static int sum_of_segment(struct log_writer *writer, unsigned char sum[LOG_HASH], struct cdc_error *error)
{
    return EVP_DigestFinal_ex(writer->now.sha256, sum, NULL) == 1
               ? 0
               : cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
}

static int write_seal(struct log_writer *writer, struct thinned *thinned, struct cdc_error *error)
{
    unsigned char sum[LOG_HASH];
    char hex[2 * LOG_HASH + 1], name[LOG_NAME_SIZE];

    if (sum_of_segment(writer, sum, error) != 0)
        return -1;
    log_hash_print(hex, sum);
    struct log_commit seal = {.kind = LOG_SEAL_LINE,
                              .end = writer->end,
                              .len = writer->end - writer->start,
                              .n = writer->committed.lines,
                              .ts = writer->ts,
                              .sha256 = cdc_span_text(hex),
                              .at = cdc_span(writer->at.data, writer->at.len)};
    memcpy(seal.chain, writer->committed.chain, LOG_HASH);
    log_commit_append(&thinned->text, &seal);
    return replace_when_room(writer, log_name_make(name, LOG_INDEX, writer->start), &thinned->text, 0400, error);
}

int log_writer_seal(struct log_writer *writer, struct cdc_error *error)
{
    struct thinned thinned = {.begin = writer->start};

    if (ftruncate(writer->data, (off_t)(writer->end - writer->start)) != 0)
        return log_file_error(&writer->folder, "seal", "the active segment", error);
    if (writer->settings->sync && fsync(writer->data) != 0)
        return log_writer_sync_failed(writer, error);
    int result = thin(writer, &thinned, error);
    if (result == 0)
        result = write_seal(writer, &thinned, error);
    /* Not before there is the seal: killed between the two, the next start has to write to it. */
    if (result == 0)
        (void)!fchmod(writer->data, 0400);
    cdc_buf_free(&thinned.text);
    cdc_buf_free(&thinned.at);
    return result;
}

static bool is_due(const struct log_writer *writer)
{
    const struct log_append_settings *settings = writer->settings;
    uint64_t size = writer->end - writer->start;

    if (size == 0)
        return false;
    return size >= (uint64_t)settings->segment_bytes ||
           (settings->segment_ms > 0 && cdc_clock_ms() - writer->opened >= settings->segment_ms);
}

int log_writer_roll(struct log_writer *writer, struct cdc_error *error)
{
    if (!is_due(writer))
        return 0;
    if (log_writer_seal(writer, error) != 0)
        return -1;
    log_writer_close_segment(writer);
    if (log_writer_new_segment(writer, error) != 0)
        return -1;
    if (writer->sealed != NULL)
        writer->sealed(writer->sealed_context);
    return 0;
}
