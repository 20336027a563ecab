/* SPDX-License-Identifier: MIT */
/* What the parts of the key store know of each other: store.c finds and destroys keys, pending.c makes them. */
#ifndef PRIVACY_STORE_H
#define PRIVACY_STORE_H

#include "libcdc/privacy/internal.h"

#define KEY_HEX (2 * SECRET_KEY)
#define CHECK_HEX 16
#define NAME_HEX (2 * KID_SIZE)

/* Keys that were used lately. One that somebody destroys meanwhile must not be used for long. */
#define CACHED 1024
#define TRUSTED_MS 1000
struct cached {
    struct kid kid;
    unsigned char key[SECRET_KEY];
    int64_t read_ms;
    bool there, forgotten;
};
/* Keys that are in no file yet. */
#define PENDING_MAX 128
struct pending {
    struct kid kid;
    unsigned char key[SECRET_KEY];
};
struct secrets {
    struct cached cached[CACHED];
    struct pending pending[PENDING_MAX];
    char text[128]; /* of a file */
    char digest[65];
    unsigned char hashed[NAME_HEX + SECRET_KEY];
};

struct cdc_key_store {
    char *path;
    struct mac *names;
    struct secrets *secrets;
    size_t n_pending;
    int lock; /* held while there are pending keys, or one is destroyed; -1 */
    bool failed;
    char *file; /* room for PATH/ab/NAME.tmp.PID */
    size_t file_size;
    bool folders[256]; /* ab is on the disk for sure, */
    bool entries[256]; /* and so are the names that were in it when this run first looked */
};

/* -- key_file.c -- */
#define STORE_HEAD "cdc-key-store 1 "
#define KEY_HEAD "cdc-key 1 "
/* Sets store->file; *name is the last part of it. */
void key_file_name(struct cdc_key_store *store, const struct kid *kid, const char **name);
/* The text of a file, in secrets->text: its length. */
size_t key_file_text(struct secrets *secrets, const char *head, const char *name, const unsigned char key[SECRET_KEY]);
/* What comes after the head where the key is forgotten: its length. */
size_t key_file_zeros(char *text);
enum store_result key_file_read(struct secrets *secrets, const char *path, const char *head, const char *name,
                                const char *what, unsigned char key[SECRET_KEY], struct cdc_error *error);
/* A file that is not there yet, whole and durable or not at all. 1; 0: somebody else has made it meanwhile; -1 with errno. */
int key_file_make(const char *path, const char *text, size_t n);
/* Both set the error. -1 */
int key_file_not_written(const char *path, struct cdc_error *error);
int key_file_damaged(const char *path, const char *what, struct cdc_error *error);

/* -- pending.c -- */
/* One program at a time makes and destroys keys, so that two never make one for the same subject. TEMPORARY: another one does
 * not let go. */
int pending_lock(struct cdc_key_store *store, struct cdc_error *error);
/* Once nothing is pending. */
void pending_unlock(struct cdc_key_store *store);
/* NULL: there is none. */
const unsigned char *pending_find(const struct cdc_key_store *store, const struct kid *kid);
/* Makes a key; the lock is held, and there is no file of it. */
int pending_add(struct cdc_key_store *store, const struct kid *kid, struct cdc_error *error);
/* The folder of store->file, which is that of the key. */
int pending_make_folder(struct cdc_key_store *store, const struct kid *kid, struct cdc_error *error);

#endif
