/* SPDX-License-Identifier: MIT */
/* Compresses sealed segments. There is always exactly one form that is whole:
 *
 *   NAME.ndjson.zst.tmp   written, synced, and compared with the plain form    killed: made anew
 *   NAME.ndjson.zst       renamed, the folder synced                           killed: both are there, and are the same
 *   NAME.ndjson           removed */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/append/pack.h"
#include "connectors/log/file/folder.h"
#include "connectors/log/file/frames.h"

#define READ_SIZE ((size_t)1 << 20)
#define AGAIN_SECONDS 30 /* after a failure, and where another process maintains the log */

/* A segment that is being compressed. It is done by the block, so that whoever waits at the end of a run goes on with it: the thread's
 * low priority would have it take minutes on a busy machine. */
struct job {
    uint64_t start;
    int plain, packed; /* descriptors; -1: there is none */
    struct log_packer *packer;
    struct log_unpacker *unpacker; /* it is written, and compared now; has packed */
    off_t at;
    char name[LOG_NAME_SIZE], temporary[LOG_NAME_SIZE + 8];
};

struct log_keeper {
    const struct log_append_settings *settings;
    struct log_folder folder; /* an own one: the writer's is used by its thread */
    struct job job;
    struct cdc_buf one, other; /* blocks of it */
    int lock;                  /* -1: not held */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool running, work;
    atomic_bool leaving; /* the thread ends at once */
};

/* -- one segment ----------------------------------------------------------------- */

static int failed(const struct log_keeper *keeper, const char *what, struct cdc_error *error)
{
    return log_file_error(&keeper->folder, what, keeper->job.name, error);
}

static bool has_job(const struct log_keeper *keeper)
{
    return keeper->job.plain >= 0;
}

static void end_job(struct log_keeper *keeper)
{
    struct job *job = &keeper->job;

    log_packer_free(job->packer);
    log_unpacker_free(job->unpacker);
    if (job->packed >= 0)
        close(job->packed);
    if (job->plain >= 0)
        close(job->plain);
    cdc_buf_free(&keeper->one);
    cdc_buf_free(&keeper->other);
    *job = (struct job){.plain = -1, .packed = -1};
}

/* What is written so far is of no use. */
static void give_up_job(struct log_keeper *keeper)
{
    if (has_job(keeper))
        (void)unlinkat(keeper->folder.fd, keeper->job.temporary, 0);
    end_job(keeper);
}

static int begin_job(struct log_keeper *keeper, uint64_t start, struct cdc_error *error)
{
    struct job *job = &keeper->job;
    char packed[LOG_NAME_SIZE];

    job->start = start;
    log_name_make(job->name, LOG_PLAIN, start);
    snprintf(job->temporary, sizeof job->temporary, "%s.tmp", log_name_make(packed, LOG_PACKED, start));
    if (!cdc_buf_room(&keeper->one, READ_SIZE) || !cdc_buf_room(&keeper->other, READ_SIZE))
        return cdc_error_memory(error);
    job->plain = log_file_open(&keeper->folder, job->name, O_RDONLY, error);
    if (job->plain < 0)
        return -1;
    if (unlinkat(keeper->folder.fd, job->temporary, 0) != 0 && errno != ENOENT)
        return log_file_error(&keeper->folder, "remove", job->temporary, error);
    job->packed = log_file_open(&keeper->folder, job->temporary, O_RDWR | O_CREAT | O_EXCL, error);
    if (job->packed >= 0)
        job->packer = log_packer_new(job->packed, keeper->settings->level, error);
    return job->packer != NULL ? 0 : -1;
}

/* Written whole: synced, and opened for comparing. */
static int begin_comparing(struct log_keeper *keeper, struct cdc_error *error)
{
    struct job *job = &keeper->job;

    if (log_packer_finish(job->packer, error) != 0)
        return -1;
    log_packer_free(job->packer);
    job->packer = NULL;
    if (fchmod(job->packed, 0400) != 0 || fsync(job->packed) != 0)
        return log_file_error(&keeper->folder, "write", job->temporary, error);
    job->unpacker = log_unpacker_new(job->packed, error);
    job->packed = -1;
    job->at = 0;
    return job->unpacker != NULL ? 1 : -1;
}

/* Is what was written what was read? 1: so far; 0: to the end; -1. */
static int compare_block(struct log_keeper *keeper, ssize_t n, struct cdc_error *error)
{
    struct job *job = &keeper->job;
    ssize_t m = log_unpacker_read(job->unpacker, keeper->other.data, n > 0 ? (size_t)n : 1, error);

    if (m < 0)
        return -1;
    if (m != n || memcmp(keeper->one.data, keeper->other.data, (size_t)n) != 0)
        return cdc_error_set(error, CDC_EXIT_IO,
                             "\"%s/%s\" cannot be compressed: what was written reads back otherwise",
                             keeper->folder.path, job->name);
    return n > 0 ? 1 : 0;
}

/* The next block. 1: there is more to do; 0: the compressed form is whole; -1. */
static int step_job(struct log_keeper *keeper, struct cdc_error *error)
{
    struct job *job = &keeper->job;
    ssize_t n = pread(job->plain, keeper->one.data, READ_SIZE, job->at);

    if (n < 0)
        return failed(keeper, "read", error);
    job->at += n;
    if (job->unpacker != NULL)
        return compare_block(keeper, n, error);
    if (n == 0)
        return begin_comparing(keeper, error);
    return log_packer_write(job->packer, keeper->one.data, (size_t)n, error) == 0 ? 1 : -1;
}

/* The compressed form takes the place of the plain one. 0 or -1. */
static int replace_form(struct log_keeper *keeper, struct cdc_error *error)
{
    struct log_folder *folder = &keeper->folder;
    char packed[LOG_NAME_SIZE];

    if (log_file_rename(folder, keeper->job.temporary, log_name_make(packed, LOG_PACKED, keeper->job.start), error) !=
        0)
        return -1;
    if (unlinkat(folder->fd, keeper->job.name, 0) != 0 && errno != ENOENT)
        return failed(keeper, "remove", error);
    return 0;
}

static bool is_left(const struct log_keeper *keeper, bool in_thread)
{
    return in_thread ? keeper->leaving : keeper->settings->control->stop != 0;
}

/* Begins with the segment, or goes on with it. 0; 1: it is left as it is; -1: it is given up. */
static int pack(struct log_keeper *keeper, uint64_t start, bool in_thread, struct cdc_error *error)
{
    int result = 1;

    if (has_job(keeper) && keeper->job.start != start)
        give_up_job(keeper);
    if (!has_job(keeper) && begin_job(keeper, start, error) != 0)
        result = -1;
    while (result == 1 && (result = step_job(keeper, error)) == 1)
        if (is_left(keeper, in_thread))
            return 1;
    if (result == 0)
        result = replace_form(keeper, error);
    if (result == 0)
        end_job(keeper);
    else
        give_up_job(keeper);
    return result;
}

/* -- the thread -------------------------------------------------------------------- */

/* What is sealed and plain: the second form is made, or was made before a crash. 0; 1: left; -1. */
static int pack_all(struct log_keeper *keeper, bool in_thread, struct cdc_error *error)
{
    struct log_folder *folder = &keeper->folder;
    int result = keeper->settings->level > 0 ? log_folder_list(folder, error) : 0;

    for (size_t i = 0; result == 0 && keeper->settings->level > 0 && i < folder->n; i++) {
        const struct log_segment *segment = &folder->segments[i];
        char name[LOG_NAME_SIZE];
        if (is_left(keeper, in_thread))
            return 1;
        if (segment->sealed && segment->plain && segment->packed)
            (void)unlinkat(folder->fd, log_name_make(name, LOG_PLAIN, segment->start), 0);
        else if (segment->sealed && segment->plain)
            result = pack(keeper, segment->start, in_thread, error);
    }
    return result;
}

/* By the thread; or by whoever waits for the end, once the thread has ended. The lock is kept with a segment that is left. */
static int work(struct log_keeper *keeper, bool in_thread, struct cdc_error *error)
{
    if (keeper->lock < 0)
        keeper->lock = log_lock(&keeper->folder, LOG_LOCK_MAINTAIN, error);
    if (keeper->lock < 0)
        return -1;
    int result = pack_all(keeper, in_thread, error);
    if (result != 1) {
        close(keeper->lock);
        keeper->lock = -1;
    }
    if (result == 0 && keeper->settings->maintain != NULL)
        result = keeper->settings->maintain(keeper->settings->maintain_context, error);
    return result;
}

static int work_and_tell(struct log_keeper *keeper, bool in_thread)
{
    struct cdc_error error = {0};
    int result = work(keeper, in_thread, &error);

    if (result < 0)
        cdc_log_write(keeper->settings->log, error.status == CDC_EXIT_TEMPORARY ? CDC_LOG_DEBUG : CDC_LOG_WARNING,
                      "%s; tried again later", error.text);
    return result;
}

static void *keep(void *context)
{
    struct log_keeper *keeper = context;

    /* Whoever appends and reads goes first. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    pthread_mutex_lock(&keeper->mutex);
    while (!keeper->leaving) {
        if (!keeper->work) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += AGAIN_SECONDS;
            keeper->work |= pthread_cond_timedwait(&keeper->changed, &keeper->mutex, &until) == ETIMEDOUT;
            continue;
        }
        keeper->work = false;
        pthread_mutex_unlock(&keeper->mutex);
        int result = work_and_tell(keeper, true);
        pthread_mutex_lock(&keeper->mutex);
        keeper->work |= result == 1;
    }
    pthread_mutex_unlock(&keeper->mutex);
    return NULL;
}

struct log_keeper *log_keeper_new(const struct log_append_settings *settings, struct cdc_error *error)
{
    struct log_keeper *keeper = calloc(1, sizeof *keeper);
    sigset_t all, before;

    if (keeper == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    keeper->settings = settings;
    keeper->job = (struct job){.plain = -1, .packed = -1};
    keeper->lock = -1;
    keeper->work = true;
    pthread_mutex_init(&keeper->mutex, NULL);
    pthread_cond_init(&keeper->changed, NULL);
    if (log_folder_open(&keeper->folder, settings->path, error) != 0) {
        log_keeper_free(keeper);
        return NULL;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the thread that reads */
    int number = pthread_create(&keeper->thread, NULL, keep, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keeper->running = number == 0;
    if (number == 0)
        return keeper;
    cdc_error_set(error, CDC_EXIT_INTERNAL, "unable to start a thread: %s", strerror(number));
    log_keeper_free(keeper);
    return NULL;
}

static void end_thread(struct log_keeper *keeper)
{
    if (!keeper->running)
        return;
    pthread_mutex_lock(&keeper->mutex);
    keeper->leaving = true;
    pthread_cond_broadcast(&keeper->changed);
    pthread_mutex_unlock(&keeper->mutex);
    pthread_join(keeper->thread, NULL);
    keeper->running = false;
}

void log_keeper_free(struct log_keeper *keeper)
{
    if (keeper == NULL)
        return;
    end_thread(keeper);
    give_up_job(keeper);
    if (keeper->lock >= 0)
        close(keeper->lock);
    pthread_mutex_destroy(&keeper->mutex);
    pthread_cond_destroy(&keeper->changed);
    log_folder_close(&keeper->folder);
    free(keeper);
}

void log_keeper_wake(void *context)
{
    struct log_keeper *keeper = context;

    pthread_mutex_lock(&keeper->mutex);
    keeper->work = true;
    pthread_cond_broadcast(&keeper->changed);
    pthread_mutex_unlock(&keeper->mutex);
}

void log_keeper_finish(struct log_keeper *keeper)
{
    end_thread(keeper);
    if (keeper->work && !keeper->settings->control->stop)
        (void)work_and_tell(keeper, false);
}
