/* SPDX-License-Identifier: MIT */
/* Keys that were made and are in no file yet. Each must be on the disk before the first line that needs it leaves, and lines leave
 * many at a time: so keys are brought there together, just before. The disk is waited for twice, for the files of all and for
 * their names, where one key after the other takes two waits each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "libcdc/privacy/store.h"
#include <cdc/file.h>

#define LOCK_TRIES                                                                                                     \
    3000 /* of 10 ms: another program has the lock for as long as it takes to read and write a few lines */

/* -- the lock --------------------------------------------------------------------------- */

static int take_lock(int fd, struct cdc_error *error)
{
    const struct timespec pause = {0, 10000000};

    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to lock the key store: %s", strerror(errno));
        (void)nanosleep(&pause, NULL);
    }
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "another program makes keys in this store, and does not end");
}

int pending_lock(struct cdc_key_store *store, struct cdc_error *error)
{
    if (store->lock >= 0)
        return 0;
    snprintf(store->file, store->file_size, "%s/store", store->path);
    int fd = secret_open(store->file, O_RDWR, "key store", error);
    if (fd < 0)
        return -1;
    if (take_lock(fd, error) != 0) {
        close(fd);
        return -1;
    }
    store->lock = fd;
    return 0;
}

void pending_unlock(struct cdc_key_store *store)
{
    if (store->lock < 0 || store->n_pending > 0)
        return;
    close(store->lock);
    store->lock = -1;
}

/* -- one key ------------------------------------------------------------------------------- */

const unsigned char *pending_find(const struct cdc_key_store *store, const struct kid *kid)
{
    const struct secrets *secrets = store->secrets;

    for (size_t i = 0; i < store->n_pending; i++)
        if (memcmp(&secrets->pending[i].kid, kid, sizeof *kid) == 0)
            return secrets->pending[i].key;
    return NULL;
}

int pending_make_folder(struct cdc_key_store *store, const struct kid *kid, struct cdc_error *error)
{
    char *slash = strrchr(store->file, '/');
    bool *durable = &store->folders[kid->bytes[0]];
    int result = 0;

    if (*durable)
        return 0;
    *slash = '\0';
    /* One that is there may be another's, who has not brought it to the disk. */
    if ((mkdir(store->file, 0700) != 0 && errno != EEXIST) || cdc_file_sync_folder(store->file) != 0)
        result = key_file_not_written(store->file, error);
    *durable = result == 0;
    *slash = '/';
    return result;
}

/* -- the disk ------------------------------------------------------------------------------ */

/* With more keys than that, all that the file system has is written rather than each file: others may write there, too. */
#define APART_MAX 4
#define FUSE_MAGIC 0x65735546 /* its syncfs does not ask the program behind it */

static bool is_apart(const struct cdc_key_store *store)
{
    struct statfs system;

    return store->n_pending <= APART_MAX || fstatfs(store->lock, &system) != 0 || system.f_type == FUSE_MAGIC;
}

static int sync_all(struct cdc_key_store *store, struct cdc_error *error)
{
    return syncfs(store->lock) == 0 ? 0 : key_file_not_written(store->path, error);
}

/* -- all of them --------------------------------------------------------------------------- */

struct file {
    char *path, *temporary;
    int fd;
};

static int write_file(struct cdc_key_store *store, const struct pending *pending, struct file *file,
                      struct cdc_error *error)
{
    const char *name;

    key_file_name(store, &pending->kid, &name);
    if (pending_make_folder(store, &pending->kid, error) != 0)
        return -1;
    if ((file->path = strdup(store->file)) == NULL)
        return cdc_error_memory(error);
    if (asprintf(&file->temporary, "%s.tmp.%ld", file->path, (long)getpid()) < 0) {
        file->temporary = NULL;
        return cdc_error_memory(error);
    }
    if ((file->fd = cdc_file_create(file->temporary, 0600)) < 0)
        return key_file_not_written(file->path, error);
    size_t n = key_file_text(store->secrets, KEY_HEAD, name, pending->key);
    bool good = fchmod(file->fd, 0600) == 0 && cdc_file_write(file->fd, store->secrets->text, n) == 0;
    explicit_bzero(store->secrets->text, sizeof store->secrets->text);
    return good ? 0 : key_file_not_written(file->path, error);
}

static int close_file(struct file *file, bool apart, struct cdc_error *error)
{
    bool good = !apart || fsync(file->fd) == 0;
    int saved = errno;

    if (close(file->fd) != 0 && good) {
        good = false;
        saved = errno;
    }
    file->fd = -1;
    errno = saved;
    return good ? 0 : key_file_not_written(file->path, error);
}

/* And not rename: a key that is there, whoever made it without the lock, must stay. */
static int name_file(struct file *file, struct cdc_error *error)
{
    return link(file->temporary, file->path) == 0 ? 0 : key_file_not_written(file->path, error);
}

static int sync_folders(struct cdc_key_store *store, const struct file *files, bool apart, struct cdc_error *error)
{
    bool done[256] = {false};

    for (size_t i = 0; i < store->n_pending; i++) {
        unsigned char folder = store->secrets->pending[i].kid.bytes[0];
        if (apart && !done[folder] && cdc_file_sync_folder(files[i].path) != 0)
            return key_file_not_written(files[i].path, error);
        done[folder] = store->entries[folder] = true;
    }
    return 0;
}

static int write_files(struct cdc_key_store *store, struct file *files, struct cdc_error *error)
{
    size_t n = store->n_pending;
    bool apart = is_apart(store);

    for (size_t i = 0; i < n; i++)
        if (write_file(store, &store->secrets->pending[i], &files[i], error) != 0)
            return -1;
    for (size_t i = 0; i < n; i++)
        if (close_file(&files[i], apart, error) != 0)
            return -1;
    if (!apart && sync_all(store, error) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (name_file(&files[i], error) != 0)
            return -1;
    return !apart && sync_all(store, error) != 0 ? -1 : sync_folders(store, files, apart, error);
}

static void free_files(struct file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (files[i].fd >= 0)
            close(files[i].fd);
        if (files[i].temporary != NULL)
            unlink(files[i].temporary);
        free(files[i].temporary);
        free(files[i].path);
    }
}

/* Keeps the lock. */
static int write_all(struct cdc_key_store *store, struct cdc_error *error)
{
    struct file files[PENDING_MAX];
    size_t n = store->n_pending;

    if (store->failed)
        return cdc_error_set(error, CDC_EXIT_IO, "keys were not written before");
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        files[i] = (struct file){NULL, NULL, -1};
    int result = write_files(store, files, error);
    free_files(files, n);
    store->failed = result != 0;
    if (result != 0)
        return -1;
    explicit_bzero(store->secrets->pending, sizeof store->secrets->pending);
    store->n_pending = 0;
    return 0;
}

int pending_add(struct cdc_key_store *store, const struct kid *kid, struct cdc_error *error)
{
    if (store->n_pending == PENDING_MAX && write_all(store, error) != 0)
        return -1;
    struct pending *pending = &store->secrets->pending[store->n_pending];
    if (random_bytes(pending->key, sizeof pending->key, error) != 0)
        return -1;
    pending->kid = *kid;
    store->n_pending++;
    return 0;
}

int store_settle(struct cdc_key_store *store, struct cdc_error *error)
{
    if (write_all(store, error) != 0)
        return -1;
    pending_unlock(store);
    return 0;
}
