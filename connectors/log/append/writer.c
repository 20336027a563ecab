/* SPDX-License-Identifier: MIT */
/* The end of a log that is written. A commit, in this order:
 *
 *   lines written            by the thread; killed here: the next start cuts them off, and they come again
 *   journal line written     it has the CRC of the lines, so any order on the disk will do
 *   both synced
 *   head                     readers may see them now
 *   (offset file)            and only then the source may forget them */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "connectors/log/append/writer.h"
#include <cdc/file.h>
#include <cdc/retry.h>

#define ROOM ((uint64_t)1 << 20)

/* -- the thread ----------------------------------------------------------------- */

static int write_block(struct log_writer *writer, struct cdc_error *error)
{
    struct cdc_buf *block = &writer->writing;
    struct cdc_buf salts = CDC_BUF_INIT;
    uint64_t at = writer->now.end, lines = writer->now.lines;

    int result =
        log_writer_sums_add(writer, &writer->now, block->data, block->len, writer->salts >= 0 ? &salts : NULL, error);
    if (result == 0)
        result = log_writer_write_at(writer, writer->data, block->data, block->len, at - writer->start, "lines", error);
    if (result == 0 && salts.len > 0)
        result = log_writer_write_at(writer, writer->salts, salts.data, salts.len, lines * LOG_SALT, "salts", error);
    /* The disk begins now, so that there is less to wait for at the commit. */
    if (result == 0 && writer->settings->sync)
        (void)sync_file_range(writer->data, (off_t)(at - writer->start), (off_t)block->len, SYNC_FILE_RANGE_WRITE);
    cdc_buf_free(&salts);
    return result;
}

/* 0, or the errno. */
static int sync_lines(const struct log_writer *writer)
{
    return fdatasync(writer->data) == 0 && (writer->salts < 0 || fdatasync(writer->salts) == 0) ? 0 : errno;
}

static void *write_blocks(void *context)
{
    struct log_writer *writer = context;

    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (!writer->busy && !writer->leaving)
            pthread_cond_wait(&writer->changed, &writer->mutex);
        if (!writer->busy)
            break;
        bool good = writer->error.status == 0, syncing = writer->syncing;
        pthread_mutex_unlock(&writer->mutex);
        struct cdc_error error = {0};
        int sync_error = syncing ? sync_lines(writer) : 0;
        if (good && !syncing)
            (void)write_block(writer, &error);
        pthread_mutex_lock(&writer->mutex);
        if (good)
            writer->error = error;
        writer->sync_error = sync_error;
        writer->writing.len = 0;
        writer->busy = writer->syncing = false;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

static int start_thread(struct log_writer *writer, struct cdc_error *error)
{
    sigset_t all, before;

    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the thread that reads */
    int number = pthread_create(&writer->thread, NULL, write_blocks, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    writer->running = number == 0;
    return number == 0 ? 0 : cdc_error_set(error, CDC_EXIT_INTERNAL, "unable to start a thread: %s", strerror(number));
}

/* Waits until the thread has nothing in hand. 0, or -1 with its error. */
static int settle(struct log_writer *writer, struct cdc_error *error)
{
    struct timespec until;

    pthread_mutex_lock(&writer->mutex);
    while (writer->busy) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        if (pthread_cond_timedwait(&writer->changed, &writer->mutex, &until) == ETIMEDOUT)
            cdc_control_waiting(writer->settings->control, "room on the disk");
    }
    bool good = writer->error.status == 0;
    if (!good && error != NULL)
        *error = writer->error;
    pthread_mutex_unlock(&writer->mutex);
    return good ? 0 : -1;
}

static bool is_busy(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    bool busy = writer->busy;
    pthread_mutex_unlock(&writer->mutex);
    return busy;
}

static int hand_over(struct log_writer *writer, struct cdc_error *error)
{
    writer->next_look = WRITER_BLOCK;
    if (writer->filling.failed)
        return cdc_error_memory(error);
    /* Two hashes of each byte are what takes the time here: this one is taken while the thread works on the lines before. */
    if (log_writer_sums_hash(&writer->now, writer->filling.data, writer->filling.len, error) != 0 ||
        settle(writer, error) != 0)
        return -1;
    if (writer->filling.len == 0)
        return 0;
    pthread_mutex_lock(&writer->mutex);
    struct cdc_buf full = writer->filling;
    writer->filling = writer->writing;
    writer->writing = full;
    writer->busy = true;
    writer->taken += full.len;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
    cdc_buf_shrink(&writer->filling, 2 * WRITER_HOLD);
    return 0;
}

/* -- lines ---------------------------------------------------------------------- */

int log_writer_line(struct log_writer *writer, const struct cdc_event *event, struct cdc_error *error)
{
    if (log_schemas_note(&writer->schemas, event, error) != 0)
        return -1;
    cdc_buf_span(&writer->filling, event->line);
    cdc_buf_byte(&writer->filling, '\n');
    if (writer->filling.len < writer->next_look && !writer->filling.failed)
        return 0;
    /* While the thread is busy, more is collected: a switch between the two costs more than a copy, on a machine with much to do. */
    if (writer->filling.len < WRITER_HOLD && is_busy(writer)) {
        writer->next_look = writer->filling.len + WRITER_BLOCK;
        return 0;
    }
    return hand_over(writer, error);
}

/* The thread's own count moves while it works, so it is not asked here. */
uint64_t log_writer_place(const struct log_writer *writer)
{
    return writer->taken + writer->filling.len;
}

/* -- committing ------------------------------------------------------------------ */

static int64_t time_of_commit(struct log_writer *writer)
{
    int64_t now = cdc_clock_wall_ms();

    return now > writer->ts ? now : writer->ts; /* a clock that was set back: time stands still */
}

/* Both at the same time: a file system with a journal has one commit to make of them, and not two. */
static int sync_files(struct log_writer *writer, struct cdc_error *error)
{
    if (!writer->settings->sync)
        return 0;
    pthread_mutex_lock(&writer->mutex);
    writer->busy = writer->syncing = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
    int number = fdatasync(writer->index) == 0 ? 0 : errno;
    if (settle(writer, error) != 0)
        return -1;
    errno = writer->sync_error != 0 ? writer->sync_error : number;
    return errno == 0 ? 0 : log_writer_sync_failed(writer, error);
}

static int write_commit(struct log_writer *writer, const struct log_commit *commit, struct cdc_error *error)
{
    struct cdc_buf line = CDC_BUF_INIT;

    log_commit_append(&line, commit);
    int result = line.failed ? cdc_error_memory(error)
                             : log_writer_write_at(writer, writer->index, line.data, line.len, writer->index_size,
                                                   "the commit journal", error);
    /* Half of one would be there when the run goes on after all. */
    if (result != 0)
        (void)!ftruncate(writer->index, (off_t)writer->index_size);
    if (result == 0)
        result = sync_files(writer, error);
    if (result == 0)
        writer->index_size += line.len;
    cdc_buf_free(&line);
    return result;
}

/* The offset file is written next, and cannot wait by itself. */
static int wait_for_offset_file(struct log_writer *writer, const struct cdc_offset_file *offsets,
                                struct cdc_error *error)
{
    const char *path = cdc_offset_file_path(offsets);
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    char *folder = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    struct statvfs disk;
    int64_t told = 0;
    int result = folder == NULL ? cdc_error_memory(error) : 0;

    while (result == 0 && path != NULL && statvfs(folder, &disk) == 0 && disk.f_blocks > 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < ROOM / 4) {
        errno = ENOSPC;
        result = log_writer_wait_for_room(writer, "the offset file", &told, error);
        cdc_control_waiting(writer->settings->control, "room on the disk");
    }
    free(folder);
    return result;
}

int log_writer_commit(struct log_writer *writer, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    if (writer->failed)
        return cdc_error_set(error, CDC_EXIT_IO, "the disk has failed under \"%s\"", writer->folder.path);
    if (hand_over(writer, error) != 0 || settle(writer, error) != 0)
        return -1;
    if (writer->now.end == writer->end)
        return 0;
    if (cdc_file_check_there(writer->lock, LOG_LOCK_APPEND, "lock file", error) != 0 ||
        log_folder_check_there(&writer->folder, error) != 0)
        return -1;
    writer->at.len = 0;
    log_at_append(&writer->at, offsets);
    struct log_commit commit = {.kind = LOG_COMMIT_LINE,
                                .end = writer->now.end,
                                .n = writer->now.n,
                                .ts = time_of_commit(writer),
                                .crc = writer->now.crc,
                                .at = cdc_span(writer->at.data, writer->at.len)};
    memcpy(commit.chain, writer->now.chain, LOG_HASH);
    if (writer->at.failed)
        return cdc_error_memory(error);
    if (write_commit(writer, &commit, error) != 0)
        return -1;
    if (log_head_write(writer->head, commit.end) != 0)
        return log_file_error(&writer->folder, "write", "head", error);
    writer->end = commit.end;
    writer->ts = commit.ts;
    if (writer->first_ts == 0)
        writer->first_ts = commit.ts;
    writer->now.n = 0;
    writer->now.crc = 0;
    if (log_writer_sums_copy(&writer->committed, &writer->now, error) != 0 || log_writer_roll(writer, error) != 0)
        return -1;
    return wait_for_offset_file(writer, offsets, error);
}

/* What is kept of the lines in hand is read again: it is rare, and they are few. */
static int sum_again(struct log_writer *writer, uint64_t place, struct cdc_error *error)
{
    struct cdc_buf bytes = CDC_BUF_INIT, salts = CDC_BUF_INIT;
    size_t n = (size_t)(place - writer->end);
    uint64_t lines = writer->committed.lines;
    int result = log_writer_sums_copy(&writer->now, &writer->committed, error);

    if (result == 0 && !cdc_buf_room(&bytes, n + 1))
        result = cdc_error_memory(error);
    while (result == 0 && bytes.len < n) {
        ssize_t got = pread(writer->data, bytes.data + bytes.len, n - bytes.len,
                            (off_t)(writer->end - writer->start + bytes.len));
        if (got <= 0)
            result = log_file_error(&writer->folder, "read", "the active segment", error);
        else
            bytes.len += (size_t)got;
    }
    if (result == 0)
        result = log_writer_sums_hash(&writer->now, bytes.data, n, error);
    if (result == 0 && n > 0)
        result = log_writer_sums_add(writer, &writer->now, bytes.data, n, writer->salts >= 0 ? &salts : NULL, error);
    if (result == 0 && salts.len > 0)
        result = log_writer_write_at(writer, writer->salts, salts.data, salts.len, lines * LOG_SALT, "salts", error);
    cdc_buf_free(&bytes);
    cdc_buf_free(&salts);
    return result;
}

int log_writer_cut(struct log_writer *writer, uint64_t place, struct cdc_error *error)
{
    if (place > writer->taken && settle(writer, error) == 0) { /* all of it is in hand still */
        writer->filling.len = (size_t)(place - writer->taken);
        return 0;
    }
    writer->filling.len = 0;
    if (settle(writer, error) != 0)
        return -1;
    if (ftruncate(writer->data, (off_t)(place - writer->start)) != 0)
        return log_file_error(&writer->folder, "cut", "the active segment", error);
    writer->taken = place;
    if (sum_again(writer, place, error) != 0)
        return -1;
    if (writer->salts >= 0 && ftruncate(writer->salts, (off_t)(writer->now.lines * LOG_SALT)) != 0)
        return log_file_error(&writer->folder, "cut", "the salts of the active segment", error);
    return 0;
}

/* -- opening --------------------------------------------------------------------- */

int log_writer_open(struct log_writer *writer, const struct log_append_settings *settings, struct cdc_error *error)
{
    *writer = (struct log_writer){.settings = settings, .lock = -1, .head = -1, .data = -1, .index = -1, .salts = -1};
    if (log_folder_make(&writer->folder, settings->path, settings->redactable, &writer->lock, error) != 0 ||
        log_chain_open(&writer->chain, writer->folder.id, error) != 0 || log_writer_recover(writer, error) != 0)
        return -1;
    writer->taken = writer->end;
    return start_thread(writer, error);
}

void log_writer_close(struct log_writer *writer)
{
    if (writer->running) {
        pthread_mutex_lock(&writer->mutex);
        writer->leaving = true;
        pthread_cond_broadcast(&writer->changed);
        pthread_mutex_unlock(&writer->mutex);
        pthread_join(writer->thread, NULL);
        pthread_mutex_destroy(&writer->mutex);
        pthread_cond_destroy(&writer->changed);
    }
    /* What was not committed has no journal line: it does not exist. But where the start was refused, nobody knows what was. */
    if (writer->running && writer->data >= 0 && !writer->failed)
        (void)!ftruncate(writer->data, (off_t)(writer->end - writer->start));
    log_writer_close_segment(writer);
    if (writer->head >= 0)
        close(writer->head);
    log_writer_sums_free(&writer->now);
    log_writer_sums_free(&writer->committed);
    log_chain_free(&writer->chain);
    log_schemas_free(&writer->schemas);
    cdc_buf_free(&writer->at);
    cdc_buf_free(&writer->filling);
    cdc_buf_free(&writer->writing);
    log_folder_close(&writer->folder);
    if (writer->lock >= 0)
        close(writer->lock);
}
