/* SPDX-License-Identifier: MIT */
/* The keys of subjects, a file each, so that destroying one makes unreadable all that was ever encrypted for that subject, in every
 * copy. The folder has
 *
 *   store          cdc-key-store 1 KEY CHECK      a key for HMAC, which makes names of subjects: a name says nothing of its subject
 *   ab/abcd...     cdc-key 1 KEY CHECK            of the subject whose name is abcd...; forgotten, all digits are zero
 *
 * KEY is 64 hexadecimal digits. CHECK is the begin of the SHA-256 of the file's name and the key: a key that was damaged, or has
 * another's name, would make values that nobody can read again. A forgotten subject keeps its file, or the next line that
 * has it, maybe one of before that comes again, would make it a new key. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcdc/privacy/store.h"
#include <cdc/file.h>
#include <cdc/retry.h>

/* -- the store ------------------------------------------------------------------------ */

void cdc_key_store_close(struct cdc_key_store *store)
{
    if (store == NULL)
        return;
    if (store->lock >= 0)
        close(store->lock);
    mac_free(store->names);
    secret_free(store->secrets, sizeof *store->secrets);
    free(store->path);
    free(store->file);
    free(store);
}

static struct cdc_key_store *new_store(const char *path, struct cdc_error *error)
{
    struct cdc_key_store *store = calloc(1, sizeof *store);

    if (store != NULL) {
        store->lock = -1;
        store->file_size = strlen(path) + NAME_HEX + 16;
        store->path = strdup(path);
        store->file = malloc(store->file_size);
        store->secrets = secret_new(sizeof *store->secrets);
        if (store->path != NULL && store->file != NULL && store->secrets != NULL)
            return store;
    }
    cdc_key_store_close(store);
    cdc_error_memory(error);
    return NULL;
}

static int check_folder(const char *path, struct cdc_error *error)
{
    struct stat folder;

    if (lstat(path, &folder) != 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to open key store \"%s\": %s", path, strerror(errno));
    if (!S_ISDIR(folder.st_mode))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "key store \"%s\" is no folder", path);
    if ((folder.st_mode & 077) == 0 && (folder.st_uid == geteuid() || folder.st_uid == 0))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "key store \"%s\" is open to others (mode %03o), or belongs to one", path,
                  (unsigned)folder.st_mode & 0777);
    return cdc_error_hint(error, "it must belong to the user that runs this, with mode 700");
}

struct cdc_key_store *cdc_key_store_open(const char *path, struct cdc_error *error)
{
    static const char what[] = "key store";
    struct cdc_key_store *store = check_folder(path, error) == 0 ? new_store(path, error) : NULL;
    unsigned char key[SECRET_KEY];

    if (store == NULL)
        return NULL;
    snprintf(store->file, store->file_size, "%s/store", path);
    enum store_result result = key_file_read(store->secrets, store->file, STORE_HEAD, "store", what, key, error);
    if (result == STORE_FOUND)
        store->names = mac_new(key, sizeof key, error);
    else if (result == STORE_FORGOTTEN)
        key_file_damaged(store->file, what, error);
    else if (result == STORE_MISSING) {
        /* Never made here: keys anew would be others for the same subjects. */
        cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is no key store: it has no file \"store\"", path);
        cdc_error_hint(error, "is the right disk mounted? A new one is made by cdc-filter --make-key-store DIR");
    }
    explicit_bzero(key, sizeof key);
    if (store->names != NULL)
        return store;
    cdc_key_store_close(store);
    return NULL;
}

static int make_store_file(struct cdc_key_store *store, struct cdc_error *error)
{
    unsigned char key[SECRET_KEY];

    if (random_bytes(key, sizeof key, error) != 0)
        return -1;
    size_t n = key_file_text(store->secrets, STORE_HEAD, "store", key);
    int result = key_file_make(store->file, store->secrets->text, n);
    explicit_bzero(key, sizeof key);
    explicit_bzero(store->secrets->text, sizeof store->secrets->text);
    if (result == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is a key store already", store->path);
    return result < 0 ? key_file_not_written(store->file, error) : 0;
}

int cdc_key_store_make(const char *path, struct cdc_error *error)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to make key store \"%s\": %s", path, strerror(errno));
    if (check_folder(path, error) != 0)
        return -1;
    struct cdc_key_store *store = new_store(path, error);
    if (store == NULL)
        return -1;
    snprintf(store->file, store->file_size, "%s/store", path);
    int result = make_store_file(store, error);
    if (result == 0 && cdc_file_sync_folder(path) != 0) /* the folder that holds it */
        result = key_file_not_written(path, error);
    cdc_key_store_close(store);
    return result;
}

/* -- keys ------------------------------------------------------------------------------ */

int store_kid(struct cdc_key_store *store, struct cdc_span subject, bool is_null, struct kid *kid,
              struct cdc_error *error)
{
    unsigned char mac[MAC_SIZE];

    if (mac_of(store->names, cdc_span(is_null ? "n" : "s", 1), subject, mac, error) != 0)
        return -1;
    memcpy(kid->bytes, mac, KID_SIZE);
    return 0;
}

/* Of a subject that is forgotten before it had a key: the lock is held. */
static int make_zeros(struct cdc_key_store *store, const struct kid *kid, const char *name, struct cdc_error *error)
{
    struct secrets *secrets = store->secrets;
    unsigned char key[SECRET_KEY] = {0};

    if (pending_make_folder(store, kid, error) != 0)
        return -1;
    size_t n = key_file_text(secrets, KEY_HEAD, name, key);
    key_file_zeros(secrets->text + sizeof KEY_HEAD - 1);
    int result = key_file_make(store->file, secrets->text, n);
    explicit_bzero(secrets->text, sizeof secrets->text);
    return result < 0 ? key_file_not_written(store->file, error) : 0;
}

static enum store_result read_key(struct cdc_key_store *store, const char *name, unsigned char key[SECRET_KEY],
                                  struct cdc_error *error)
{
    return key_file_read(store->secrets, store->file, KEY_HEAD, name, "key", key, error);
}

/* A key that another run has made, and was killed before it had waited for the folder. */
static int settle_name(struct cdc_key_store *store, const struct kid *kid, struct cdc_error *error)
{
    bool *durable = &store->entries[kid->bytes[0]];

    if (*durable)
        return 0;
    if (pending_make_folder(store, kid, error) != 0)
        return -1;
    if (cdc_file_sync_folder(store->file) != 0)
        return key_file_not_written(store->file, error);
    *durable = true;
    return 0;
}

/* Where no key was there: under the lock, as another program may have made it meanwhile. */
static enum store_result make_key(struct cdc_key_store *store, const struct kid *kid, unsigned char key[SECRET_KEY],
                                  struct cdc_error *error)
{
    const char *name;

    if (pending_lock(store, error) != 0)
        return STORE_FAILED;
    key_file_name(store, kid, &name);
    enum store_result result = read_key(store, name, key, error);
    if (result == STORE_MISSING) {
        result = pending_add(store, kid, error) == 0 ? STORE_FOUND : STORE_FAILED;
        if (result == STORE_FOUND)
            memcpy(key, pending_find(store, kid), SECRET_KEY);
    } else if (result == STORE_FOUND && settle_name(store, kid, error) != 0) {
        result = STORE_FAILED;
    }
    pending_unlock(store);
    return result;
}

/* A key for a line that is to leave: the one that is there, or a new one. */
static enum store_result key_to_use(struct cdc_key_store *store, const struct kid *kid, const char *name,
                                    unsigned char key[SECRET_KEY], struct cdc_error *error)
{
    const unsigned char *pending = pending_find(store, kid);

    if (pending != NULL) {
        memcpy(key, pending, SECRET_KEY);
        return STORE_FOUND;
    }
    enum store_result result = read_key(store, name, key, error);
    if (result == STORE_MISSING)
        return make_key(store, kid, key, error);
    return result == STORE_FOUND && settle_name(store, kid, error) != 0 ? STORE_FAILED : result;
}

enum store_result store_key(struct cdc_key_store *store, const struct kid *kid, bool make, const unsigned char **key,
                            struct cdc_error *error)
{
    struct cached *cached = &store->secrets->cached[(kid->bytes[0] | kid->bytes[1] << 8) % CACHED];
    int64_t now = cdc_clock_ms();
    const char *name;

    *key = cached->key;
    if (cached->there && memcmp(&cached->kid, kid, sizeof *kid) == 0 && now - cached->read_ms < TRUSTED_MS)
        return cached->forgotten ? STORE_FORGOTTEN : STORE_FOUND;
    cached->there = false;
    key_file_name(store, kid, &name);
    enum store_result result =
        make ? key_to_use(store, kid, name, cached->key, error) : read_key(store, name, cached->key, error);
    if (result == STORE_FOUND || result == STORE_FORGOTTEN) {
        cached->kid = *kid;
        cached->there = true;
        cached->forgotten = result == STORE_FORGOTTEN;
        cached->read_ms = now;
    }
    return result;
}

/* -- forgetting ------------------------------------------------------------------------ */

/* In place: in a new file the old digits would stay on the disk. A run that breaks off leaves a key that is whole, or one that is
 * refused as damaged until this is done again. */
static int overwrite(const char *path, int fd, struct cdc_error *error)
{
    char zeros[KEY_HEX + 1 + CHECK_HEX];
    size_t n = key_file_zeros(zeros);

    if (pwrite(fd, zeros, n, (off_t)(sizeof KEY_HEAD - 1)) == (ssize_t)n && fsync(fd) == 0)
        return 0;
    return key_file_not_written(path, error);
}

static int forget_locked(struct cdc_key_store *store, struct cdc_span subject, bool *had_key, struct cdc_error *error)
{
    struct kid kid;
    const char *name;
    struct cdc_error why = {0};

    if (store_kid(store, subject, false, &kid, error) != 0)
        return -1;
    key_file_name(store, &kid, &name);
    int fd = secret_open(store->file, O_RDWR, "key", &why);
    if (fd < 0 && errno == ENOENT) {
        if (make_zeros(store, &kid, name, error) != 0)
            return -1;
        cdc_error_clear(&why);
        fd = secret_open(store->file, O_RDWR, "key", &why);
    }
    if (fd < 0)
        return cdc_error_set(error, why.status, "%s", why.text);
    unsigned char key[SECRET_KEY];
    cdc_error_clear(&why);
    *had_key = read_key(store, name, key, &why) != STORE_FORGOTTEN;
    explicit_bzero(key, sizeof key);
    int result = overwrite(store->file, fd, error);
    close(fd);
    return result;
}

int cdc_key_store_forget(struct cdc_key_store *store, struct cdc_span subject, bool *had_key, struct cdc_error *error)
{
    *had_key = false;
    if (pending_lock(store, error) != 0)
        return -1;
    int result = forget_locked(store, subject, had_key, error);
    pending_unlock(store);
    return result;
}
