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

#include "libcdc/privacy/internal.h"
#include <cdc/file.h>
#include <cdc/retry.h>
#include <cdc/sha256.h>

#define KEY_HEX (2 * SECRET_KEY)
#define CHECK_HEX 16
#define NAME_HEX (2 * KID_SIZE)
static const char store_head[] = "cdc-key-store 1 ", key_head[] = "cdc-key 1 ";
/* head, KEY, a space, CHECK, LF */
#define FILE_MAX (sizeof store_head - 1 + KEY_HEX + 1 + CHECK_HEX + 1)

/* Keys that were used lately. One that somebody destroys meanwhile must not be used for long. */
#define CACHED 1024
#define TRUSTED_MS 1000
struct cached {
    struct kid kid;
    unsigned char key[SECRET_KEY];
    int64_t read_ms;
    bool there, forgotten;
};
struct secrets {
    struct cached cached[CACHED];
    char text[128]; /* of a file */
    char digest[65];
    unsigned char hashed[NAME_HEX + SECRET_KEY];
};

struct cdc_key_store {
    char *path;
    struct mac *names;
    struct secrets *secrets;
    char *file; /* room for PATH/ab/NAME.tmp.PID */
    size_t file_size;
    bool durable[256]; /* folders ab that are on the disk for sure */
};

/* -- one file ------------------------------------------------------------------------- */

/* CHECK of a key in a file of that name. */
static void check_of(struct secrets *secrets, const char *name, const unsigned char key[SECRET_KEY],
                     char check[CHECK_HEX])
{
    size_t n = strlen(name);

    memcpy(secrets->hashed, name, n);
    memcpy(secrets->hashed + n, key, SECRET_KEY);
    cdc_sha256_hex(secrets->hashed, n + SECRET_KEY, secrets->digest);
    memcpy(check, secrets->digest, CHECK_HEX);
}

/* The text of a file, in secrets->text: its length. */
static size_t write_text(struct secrets *secrets, const char *head, const char *name,
                         const unsigned char key[SECRET_KEY])
{
    size_t n = strlen(head);
    char *text = secrets->text;

    memcpy(text, head, n);
    secret_to_hex(text + n, key, SECRET_KEY);
    text[n + KEY_HEX] = ' ';
    check_of(secrets, name, key, text + n + KEY_HEX + 1);
    text[n + KEY_HEX + 1 + CHECK_HEX] = '\n';
    return n + KEY_HEX + 1 + CHECK_HEX + 1;
}

/* What comes after the head where the key is forgotten. */
static size_t write_zeros(char *text)
{
    memset(text, '0', KEY_HEX + 1 + CHECK_HEX);
    text[KEY_HEX] = ' ';
    return KEY_HEX + 1 + CHECK_HEX;
}

static int damaged(const char *path, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" is damaged, or of another name", what, path);
    return cdc_error_hint(error, "bring it back from a backup of the key store");
}

/* Takes the key out of secrets->text, which has n bytes. */
static enum store_result parse_text(struct secrets *secrets, size_t n, const char *head, const char *name,
                                    unsigned char key[SECRET_KEY], const char *path, const char *what,
                                    struct cdc_error *error)
{
    size_t head_n = strlen(head);
    const char *rest = secrets->text + head_n;
    char zeros[KEY_HEX + 1 + CHECK_HEX], check[CHECK_HEX];

    if (n != head_n + KEY_HEX + 1 + CHECK_HEX + 1 || memcmp(secrets->text, head, head_n) != 0)
        return damaged(path, what, error), STORE_FAILED;
    size_t n_zeros = write_zeros(zeros);
    if (memcmp(rest, zeros, n_zeros) == 0)
        return STORE_FORGOTTEN;
    if (!secret_from_hex(key, rest, SECRET_KEY))
        return damaged(path, what, error), STORE_FAILED;
    check_of(secrets, name, key, check);
    if (rest[KEY_HEX] != ' ' || memcmp(check, rest + KEY_HEX + 1, CHECK_HEX) != 0 ||
        rest[KEY_HEX + 1 + CHECK_HEX] != '\n')
        return damaged(path, what, error), STORE_FAILED;
    return STORE_FOUND;
}

static enum store_result read_file(struct secrets *secrets, const char *path, const char *head, const char *name,
                                   const char *what, unsigned char key[SECRET_KEY], struct cdc_error *error)
{
    struct cdc_error why = {0};
    int fd = secret_open(path, O_RDONLY, what, &why);

    if (fd < 0 && errno == ENOENT)
        return STORE_MISSING;
    if (fd < 0) {
        cdc_error_set(error, why.status, "%s", why.text);
        return cdc_error_hint(error, "%s", why.hint), STORE_FAILED;
    }
    int n = secret_read(fd, secrets->text, FILE_MAX, path, what, error);
    close(fd);
    enum store_result result =
        n < 0 ? STORE_FAILED : parse_text(secrets, (size_t)n, head, name, key, path, what, error);
    explicit_bzero(secrets->text, sizeof secrets->text);
    return result;
}

static int not_written(const char *path, struct cdc_error *error)
{
    return cdc_error_set(error, cdc_file_exit(errno), "unable to write key \"%s\": %s", path, strerror(errno));
}

static int write_new(const char *path, const char *text, size_t n)
{
    int fd = cdc_file_create(path, 0600);
    if (fd < 0)
        return -1;
    bool good = fchmod(fd, 0600) == 0 && cdc_file_write(fd, text, n) == 0 && fsync(fd) == 0;
    int saved = errno;
    if (close(fd) != 0 && good) {
        good = false;
        saved = errno;
    }
    if (!good)
        unlink(path);
    errno = saved;
    return good ? 0 : -1;
}

/* A file that is not there yet, whole and durable or not at all. 1; 0: somebody else has made it meanwhile; -1 with errno. */
static int make_file(const char *path, const char *text, size_t n)
{
    char *temporary = NULL;

    if (asprintf(&temporary, "%s.tmp.%ld", path, (long)getpid()) < 0)
        return errno = ENOMEM, -1;
    int result = write_new(temporary, text, n);
    if (result == 0) {
        /* And not rename: two that make one subject's key at once must end with the same. */
        result = link(temporary, path) == 0 ? 1 : errno == EEXIST ? 0 : -1;
        int saved = errno;
        unlink(temporary);
        errno = saved;
    }
    if (result >= 0 && cdc_file_sync_folder(path) != 0)
        result = -1;
    free(temporary);
    return result;
}

/* -- the store ------------------------------------------------------------------------ */

void cdc_key_store_close(struct cdc_key_store *store)
{
    if (store == NULL)
        return;
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
    enum store_result result = read_file(store->secrets, store->file, store_head, "store", what, key, error);
    if (result == STORE_FOUND)
        store->names = mac_new(key, sizeof key, error);
    else if (result == STORE_FORGOTTEN)
        damaged(store->file, what, error);
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
    size_t n = write_text(store->secrets, store_head, "store", key);
    int result = make_file(store->file, store->secrets->text, n);
    explicit_bzero(key, sizeof key);
    explicit_bzero(store->secrets->text, sizeof store->secrets->text);
    if (result == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is a key store already", store->path);
    return result < 0 ? not_written(store->file, error) : 0;
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
        result = not_written(path, error);
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

/* Sets store->file; *name is the last part of it. */
static void name_file(struct cdc_key_store *store, const struct kid *kid, const char **name)
{
    char hex[NAME_HEX + 1] = {0};

    secret_to_hex(hex, kid->bytes, KID_SIZE);
    int n = snprintf(store->file, store->file_size, "%s/%.2s/%s", store->path, hex, hex);
    *name = store->file + n - NAME_HEX;
}

/* The folder of a file of a new key. One that is there may be another's, who has not brought it to the disk yet. */
static int make_folder(struct cdc_key_store *store, const struct kid *kid, struct cdc_error *error)
{
    char *slash = strrchr(store->file, '/');
    bool *durable = &store->durable[kid->bytes[0]];

    if (*durable)
        return 0;
    *slash = '\0';
    int result = mkdir(store->file, 0700);
    if ((result != 0 && errno != EEXIST) || cdc_file_sync_folder(store->file) != 0)
        result = not_written(store->file, error);
    else
        result = 0;
    *durable = result == 0;
    *slash = '/';
    return result;
}

/* zeros: of a subject that is forgotten before it had a key. */
static int make_key(struct cdc_key_store *store, const struct kid *kid, const char *name, bool zeros,
                    struct cdc_error *error)
{
    struct secrets *secrets = store->secrets;
    unsigned char key[SECRET_KEY];

    if (make_folder(store, kid, error) != 0 || random_bytes(key, sizeof key, error) != 0)
        return -1;
    size_t n = write_text(secrets, key_head, name, key);
    if (zeros)
        write_zeros(secrets->text + sizeof key_head - 1);
    int result = make_file(store->file, secrets->text, n);
    explicit_bzero(key, sizeof key);
    explicit_bzero(secrets->text, sizeof secrets->text);
    return result < 0 ? not_written(store->file, error) : 0;
}

static enum store_result read_key(struct cdc_key_store *store, const char *name, unsigned char key[SECRET_KEY],
                                  struct cdc_error *error)
{
    return read_file(store->secrets, store->file, key_head, name, "key", key, error);
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
    name_file(store, kid, &name);
    cached->there = false;
    enum store_result result = read_key(store, name, cached->key, error);
    if (result == STORE_MISSING && make) {
        /* Read back: it may be another's, who was first. */
        result =
            make_key(store, kid, name, false, error) == 0 ? read_key(store, name, cached->key, error) : STORE_FAILED;
        if (result == STORE_MISSING)
            result = cdc_error_set(error, CDC_EXIT_IO, "key \"%s\" was removed as soon as it was made", store->file);
    }
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
    size_t n = write_zeros(zeros);

    if (pwrite(fd, zeros, n, (off_t)(sizeof key_head - 1)) == (ssize_t)n && fsync(fd) == 0)
        return 0;
    return not_written(path, error);
}

int cdc_key_store_forget(struct cdc_key_store *store, struct cdc_span subject, bool *had_key, struct cdc_error *error)
{
    struct kid kid;
    const char *name;
    struct cdc_error why = {0};

    *had_key = false;
    if (store_kid(store, subject, false, &kid, error) != 0)
        return -1;
    name_file(store, &kid, &name);
    int fd = secret_open(store->file, O_RDWR, "key", &why);
    if (fd < 0 && errno == ENOENT) {
        if (make_key(store, &kid, name, true, error) != 0)
            return -1;
        /* Another process may have been first, with a key. */
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
