/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>

#include "connectors/log/compact/maker.h"
#include "connectors/log/file/chain.h"
#include "connectors/log/file/frames.h"

#define BLOCK ((size_t)1 << 19)
#define SEALED 0400

struct log_maker {
    const struct log_folder *folder;
    uint64_t end, len, n;
    char name[LOG_NAME_SIZE], index[LOG_NAME_SIZE];
    char temporary[LOG_NAME_SIZE + 8], index_temporary[LOG_NAME_SIZE + 8];
    int fd;
    struct log_packer *packer;
    EVP_MD_CTX *sha256;
    struct cdc_buf block;
    bool finished;
    /* Blocks are compressed in a thread of their own, one behind the other. */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct cdc_buf handed; /* to the thread, as long as `has` */
    bool running, has, leaving;
    struct cdc_error why; /* of the thread; status 0: none */
};

static int create(const struct log_folder *folder, const char *name, struct cdc_error *error)
{
    if (unlinkat(folder->fd, name, 0) != 0 && errno != ENOENT)
        return log_file_error(folder, "remove", name, error);
    return log_file_open(folder, name, O_RDWR | O_CREAT | O_EXCL, error);
}

static bool start_hash(struct log_maker *maker)
{
    return EVP_DigestInit_ex(maker->sha256, EVP_sha256(), NULL) == 1;
}

/* -- the thread ------------------------------------------------------------------------- */

static void *pack_blocks(void *context)
{
    struct log_maker *maker = context;

    pthread_mutex_lock(&maker->mutex);
    while (maker->has || !maker->leaving) {
        if (!maker->has) {
            pthread_cond_wait(&maker->changed, &maker->mutex);
            continue;
        }
        pthread_mutex_unlock(&maker->mutex);
        EVP_DigestUpdate(maker->sha256, maker->handed.data, maker->handed.len);
        if (maker->why.status == 0)
            (void)log_packer_write(maker->packer, maker->handed.data, maker->handed.len, &maker->why);
        pthread_mutex_lock(&maker->mutex);
        maker->has = false;
        pthread_cond_signal(&maker->changed);
    }
    pthread_mutex_unlock(&maker->mutex);
    return NULL;
}

/* Signals are for the thread that reads. */
static int start_thread(struct log_maker *maker, struct cdc_error *error)
{
    sigset_t all, before;

    pthread_mutex_init(&maker->mutex, NULL);
    pthread_cond_init(&maker->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&maker->thread, NULL, pack_blocks, maker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    maker->running = number == 0;
    return number == 0 ? 0 : cdc_error_set(error, CDC_EXIT_INTERNAL, "cannot start a thread: %s", strerror(number));
}

/* Waits until all that was handed over is done. */
static void end_thread(struct log_maker *maker)
{
    if (!maker->running)
        return;
    pthread_mutex_lock(&maker->mutex);
    maker->leaving = true;
    pthread_cond_signal(&maker->changed);
    pthread_mutex_unlock(&maker->mutex);
    pthread_join(maker->thread, NULL);
    pthread_cond_destroy(&maker->changed);
    pthread_mutex_destroy(&maker->mutex);
    maker->running = false;
}

/* -- making it ---------------------------------------------------------------------------- */

struct log_maker *log_maker_new(const struct log_folder *folder, uint64_t end, int level, struct cdc_error *error)
{
    struct log_maker *maker = calloc(1, sizeof *maker);

    if (maker == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    maker->folder = folder;
    maker->end = end;
    maker->sha256 = EVP_MD_CTX_new();
    snprintf(maker->temporary, sizeof maker->temporary, "%s.tmp", log_name_make(maker->name, LOG_BASE, end));
    snprintf(maker->index_temporary, sizeof maker->index_temporary, "%s.tmp",
             log_name_make(maker->index, LOG_BASE_INDEX, end));
    maker->fd = create(folder, maker->temporary, error);
    if (maker->fd >= 0)
        maker->packer = log_packer_new(maker->fd, level, error);
    if (maker->packer == NULL || maker->sha256 == NULL || !start_hash(maker) || start_thread(maker, error) != 0) {
        cdc_error_memory(error);
        log_maker_free(maker);
        return NULL;
    }
    return maker;
}

void log_maker_free(struct log_maker *maker)
{
    if (maker == NULL)
        return;
    end_thread(maker);
    log_packer_free(maker->packer);
    EVP_MD_CTX_free(maker->sha256);
    if (maker->fd >= 0)
        close(maker->fd);
    if (!maker->finished) {
        unlinkat(maker->folder->fd, maker->temporary, 0);
        unlinkat(maker->folder->fd, maker->index_temporary, 0);
    }
    cdc_buf_free(&maker->block);
    cdc_buf_free(&maker->handed);
    free(maker);
}

static int write_block(struct log_maker *maker, struct cdc_error *error)
{
    if (maker->block.failed)
        return cdc_error_memory(error);
    pthread_mutex_lock(&maker->mutex);
    while (maker->has)
        pthread_cond_wait(&maker->changed, &maker->mutex);
    struct cdc_buf swap = maker->handed;
    maker->handed = maker->block;
    maker->block = swap;
    maker->has = maker->why.status == 0;
    bool failed = !maker->has;
    pthread_cond_signal(&maker->changed);
    pthread_mutex_unlock(&maker->mutex);
    maker->len += maker->handed.len;
    maker->block.len = 0;
    if (failed && error != NULL)
        *error = maker->why;
    return failed ? -1 : 0;
}

int log_maker_line(struct log_maker *maker, struct cdc_span line, struct cdc_error *error)
{
    cdc_buf_span(&maker->block, line);
    cdc_buf_byte(&maker->block, '\n');
    maker->n++;
    return maker->block.len >= BLOCK || maker->block.failed ? write_block(maker, error) : 0;
}

static int sync_file(const struct log_maker *maker, int fd, const char *name, struct cdc_error *error)
{
    if (fchmod(fd, SEALED) != 0 || fsync(fd) != 0)
        return log_file_error(maker->folder, "sync", name, error);
    return 0;
}

/* What the disk has is what was meant. */
static int verify(struct log_maker *maker, const unsigned char wanted[LOG_HASH], struct cdc_error *error)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    int fd = log_file_open(maker->folder, maker->temporary, O_RDONLY, error);
    struct log_unpacker *unpacker = fd >= 0 ? log_unpacker_new(fd, error) : NULL;
    ssize_t n = unpacker != NULL ? 1 : -1;
    uint64_t len = 0;

    if (!cdc_buf_room(&maker->block, BLOCK) || !start_hash(maker))
        n = cdc_error_memory(error);
    while (n > 0 && (n = log_unpacker_read(unpacker, maker->block.data, BLOCK, error)) > 0) {
        EVP_DigestUpdate(maker->sha256, maker->block.data, (size_t)n);
        len += (uint64_t)n;
    }
    log_unpacker_free(unpacker);
    if (n < 0)
        return -1;
    if (len == maker->len && EVP_DigestFinal_ex(maker->sha256, digest, NULL) == 1 &&
        memcmp(digest, wanted, LOG_HASH) == 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_IO, "\"%s/%s\" reads other than it was written", maker->folder->path,
                         maker->temporary);
}

static int write_index(struct log_maker *maker, const struct log_base *base, struct cdc_error *error)
{
    struct cdc_buf line = CDC_BUF_INIT;
    int fd = create(maker->folder, maker->index_temporary, error), result = fd >= 0 ? 0 : -1;

    log_base_append(&line, base);
    if (line.failed)
        result = cdc_error_memory(error);
    if (result == 0 && cdc_file_write(fd, line.data, line.len) != 0)
        result = log_file_error(maker->folder, "write", maker->index_temporary, error);
    if (result == 0)
        result = sync_file(maker, fd, maker->index_temporary, error);
    if (fd >= 0)
        close(fd);
    cdc_buf_free(&line);
    return result;
}

int log_maker_finish(struct log_maker *maker, struct log_base *base, struct cdc_error *error)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * LOG_HASH + 1];

    if (write_block(maker, error) != 0)
        return -1;
    end_thread(maker);
    if (maker->why.status != 0) {
        *error = maker->why;
        return -1;
    }
    if (log_packer_finish(maker->packer, error) != 0 || sync_file(maker, maker->fd, maker->temporary, error) != 0)
        return -1;
    if (EVP_DigestFinal_ex(maker->sha256, digest, NULL) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto: cannot compute SHA-256");
    log_hash_print(text, digest);
    base->end = maker->end;
    base->len = maker->len;
    base->n = maker->n;
    base->sha256 = cdc_span(text, sizeof text - 1);
    base->log = cdc_span_text(maker->folder->id);
    if (verify(maker, digest, error) != 0 || write_index(maker, base, error) != 0 ||
        log_file_rename(maker->folder, maker->temporary, maker->name, error) != 0 ||
        log_file_rename(maker->folder, maker->index_temporary, maker->index, error) != 0)
        return -1;
    maker->finished = true;
    return 0;
}

/* -- what is left over ------------------------------------------------------------------------ */

static bool is_rest(const struct log_folder *folder, const char *name, uint64_t newest)
{
    char other[LOG_NAME_SIZE];
    uint64_t end;
    size_t n = strlen(name);

    if (strncmp(name, "base-", 5) == 0 && n > 4 && strcmp(name + n - 4, ".tmp") == 0)
        return true;
    switch (log_name_parse(name, &end)) {
    case LOG_BASE_INDEX: return end < newest;
    case LOG_BASE:
        return end < newest || faccessat(folder->fd, log_name_make(other, LOG_BASE_INDEX, end), F_OK, 0) != 0;
    default: return false;
    }
}

/* The index of a base goes before its lines, so that none has lost them. */
static int remove_rests(const struct log_folder *folder, uint64_t newest, bool indexes, struct cdc_error *error)
{
    DIR *dir = opendir(folder->path);
    const char *name;
    int more, result = dir != NULL ? 0 : log_file_error(folder, "read", ".", error);

    while (result == 0 && (more = log_folder_next(folder, dir, &name, error)) != 0) {
        uint64_t end;
        if (more < 0)
            result = -1;
        else if ((log_name_parse(name, &end) == LOG_BASE_INDEX) == indexes && is_rest(folder, name, newest) &&
                 unlinkat(folder->fd, name, 0) != 0 && errno != ENOENT)
            result = log_file_error(folder, "remove", name, error);
    }
    if (dir != NULL)
        closedir(dir);
    return result;
}

int log_maker_clean(const struct log_folder *folder, uint64_t newest, struct cdc_error *error)
{
    if (remove_rests(folder, newest, true, error) != 0)
        return -1;
    return remove_rests(folder, newest, false, error);
}
