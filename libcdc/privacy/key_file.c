/* SPDX-License-Identifier: MIT */
/* The file of one key: its name, its text, and how it comes to the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcdc/privacy/store.h"
#include <cdc/file.h>
#include <cdc/sha256.h>

/* head, KEY, a space, CHECK, LF */
#define FILE_MAX (sizeof STORE_HEAD - 1 + KEY_HEX + 1 + CHECK_HEX + 1)

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

size_t key_file_text(struct secrets *secrets, const char *head, const char *name, const unsigned char key[SECRET_KEY])
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

size_t key_file_zeros(char *text)
{
    memset(text, '0', KEY_HEX + 1 + CHECK_HEX);
    text[KEY_HEX] = ' ';
    return KEY_HEX + 1 + CHECK_HEX;
}

int key_file_damaged(const char *path, const char *what, struct cdc_error *error)
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
        return key_file_damaged(path, what, error), STORE_FAILED;
    size_t n_zeros = key_file_zeros(zeros);
    if (memcmp(rest, zeros, n_zeros) == 0)
        return STORE_FORGOTTEN;
    if (!secret_from_hex(key, rest, SECRET_KEY))
        return key_file_damaged(path, what, error), STORE_FAILED;
    check_of(secrets, name, key, check);
    if (rest[KEY_HEX] != ' ' || memcmp(check, rest + KEY_HEX + 1, CHECK_HEX) != 0 ||
        rest[KEY_HEX + 1 + CHECK_HEX] != '\n')
        return key_file_damaged(path, what, error), STORE_FAILED;
    return STORE_FOUND;
}

enum store_result key_file_read(struct secrets *secrets, const char *path, const char *head, const char *name,
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

int key_file_not_written(const char *path, struct cdc_error *error)
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

int key_file_make(const char *path, const char *text, size_t n)
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

void key_file_name(struct cdc_key_store *store, const struct kid *kid, const char **name)
{
    char hex[NAME_HEX + 1] = {0};

    secret_to_hex(hex, kid->bytes, KID_SIZE);
    int n = snprintf(store->file, store->file_size, "%s/%.2s/%s", store->path, hex, hex);
    *name = store->file + n - NAME_HEX;
}
