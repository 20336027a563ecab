/* SPDX-License-Identifier: MIT */
/* What the parts of the privacy step know of each other. No message of any of them has a value of a row in it, or a key. */
#ifndef PRIVACY_INTERNAL_H
#define PRIVACY_INTERNAL_H

#include "libcdc/event/line_tables.h"
#include <cdc/names.h>
#include <cdc/privacy.h>

/* -- secret.c: memory that is in no core file and not swapped out where the system allows that, and files with a secret -- */
/* Zeroed. RETURNS NEW (secret_free); NULL without memory. */
void *secret_new(size_t n);
/* Wipes it. */
void secret_free(void *memory, size_t n);
/* Opens a file with a secret: a regular one, no link, for its owner alone (CONFIG), who is this user or root. flags: O_RDONLY
 * or O_RDWR. The descriptor, or -1 with the error and errno (ENOENT: there is none). */
int secret_open(const char *path, int flags, const char *what, struct cdc_error *error);
/* Reads a file that has n bytes or fewer: how many, -1 with the error. */
int secret_read(int fd, void *data, size_t n, const char *path, const char *what, struct cdc_error *error);
/* 2n hexadecimal digits of either case. false: they are none. */
bool secret_from_hex(unsigned char *out, const char *hex, size_t n);
void secret_to_hex(char *hex, const unsigned char *data, size_t n); /* lower case, no NUL */

#define SECRET_KEY 32 /* bytes of every key */

/* Reads the file of --mask-key: 64 hexadecimal digits, and nothing else but white space at the end. */
int secret_read_key(unsigned char key[SECRET_KEY], const char *path, struct cdc_error *error);

/* -- crypto.c: what we use of libcrypto; -1 is INTERNAL, as only a lack of memory or a broken library is left -- */
struct mac; /* HMAC-SHA-256 (FIPS 198-1) with one key */
#define MAC_SIZE 32
struct mac *mac_new(const unsigned char *key, size_t n, struct cdc_error *error); /* RETURNS NEW; NULL with error */
void mac_free(struct mac *mac);
int mac_of(struct mac *mac, struct cdc_span prefix, struct cdc_span text, unsigned char out[MAC_SIZE],
           struct cdc_error *error); /* of prefix and text, one after the other */
/* HKDF-SHA-256 (RFC 5869) without salt: a key for one purpose from a key. */
int hkdf_key(unsigned char out[SECRET_KEY], const unsigned char *key, size_t n, const char *purpose,
             struct cdc_error *error);

struct aes; /* AES on single blocks */
#define BLOCK_SIZE 16
struct aes *aes_new(const unsigned char *key, size_t n, struct cdc_error *error); /* 16, 24 or 32 bytes */
void aes_free(struct aes *aes);
int aes_encrypt(struct aes *aes, unsigned char out[BLOCK_SIZE], const unsigned char in[BLOCK_SIZE]);

struct seal; /* AES-256-GCM */
#define SEAL_NONCE 12
#define SEAL_TAG 16
struct seal *seal_new(struct cdc_error *error);
void seal_free(struct seal *seal);
/* out has room for text.n + SEAL_TAG bytes: the ciphertext and its tag. */
int seal_close(struct seal *seal, const unsigned char key[SECRET_KEY], const unsigned char nonce[SEAL_NONCE],
               struct cdc_span bound, struct cdc_span text, unsigned char *out, struct cdc_error *error);
/* The other way: out has room for n - SEAL_TAG bytes. 1; 0: it was not made with this key, nonce and bound; -1. */
int seal_open(struct seal *seal, const unsigned char key[SECRET_KEY], const unsigned char nonce[SEAL_NONCE],
              struct cdc_span bound, const unsigned char *in, size_t n, unsigned char *out, struct cdc_error *error);
int random_bytes(unsigned char *out, size_t n, struct cdc_error *error);

/* -- ff1.c: FF1 of NIST SP 800-38G -- */
struct ff1;
/* key: of AES, 16, 24 or 32 bytes. RETURNS NEW; NULL with error. */
struct ff1 *ff1_new(const unsigned char *key, size_t n, struct cdc_error *error);
void ff1_free(struct ff1 *ff1);
/* Enciphers n numerals below radix in place; radix^n must be FF1_DOMAIN at least, and radix 65536 at most. */
#define FF1_DOMAIN 1000000 /* of SP 800-38G Revision 1 */
int ff1_encrypt(struct ff1 *ff1, struct cdc_span tweak, uint32_t radix, uint16_t *numerals, size_t n,
                struct cdc_error *error);
/* The same with numbers of any size even where small ones would do: for tests. */
int ff1_encrypt_large(struct ff1 *ff1, struct cdc_span tweak, uint32_t radix, uint16_t *numerals, size_t n,
                      struct cdc_error *error);

/* -- token.c -- */
/* Appends the token of a text (UTF-8) as a JSON string. DATA: it cannot have one (why is in the error, the text is not). */
int token_append(struct cdc_buf *out, struct ff1 *ff1, struct cdc_span text, struct cdc_error *error);

/* -- store.c: the keys of subjects -- */
#define KID_SIZE 16
struct kid {
    unsigned char bytes[KID_SIZE];
};
enum store_result { STORE_FAILED = -1, STORE_MISSING, STORE_FORGOTTEN, STORE_FOUND };
/* The name of a subject's key. is_null: the one of rows without a subject. */
int store_kid(struct cdc_key_store *store, struct cdc_span subject, bool is_null, struct kid *kid,
              struct cdc_error *error);
/* *key is BORROWED until the next call. make: one is made where there is none, which is durable once store_settle has returned. */
enum store_result store_key(struct cdc_key_store *store, const struct kid *kid, bool make, const unsigned char **key,
                            struct cdc_error *error);

/* -- pending.c -- */
/* Brings all keys that were made to the disk. Once it has failed, it fails again. */
int store_settle(struct cdc_key_store *store, struct cdc_error *error);

/* -- rules.c: the settings, taken apart -- */
enum action {
    ACTION_NONE,
    ACTION_NULL,
    ACTION_REDACT,
    ACTION_PARTIAL,
    ACTION_HASH,
    ACTION_TOKENIZE,
    ACTION_ENCRYPT,
    ACTION_SUBJECT, /* not of a value: by this column the key is chosen */
    ACTION_ONLY     /* it may leave */
};
struct rule {
    enum action action;
    const char *option, *item; /* as it was given; BORROWED */
    char *pattern;             /* of tables; NULL: all */
    bool is_name;              /* pattern has no wildcard */
    struct cdc_span names;     /* of columns, with commas between them */
    bool *seen;                /* of each name: a table that it is for has had such a column */
    size_t n_names;
};
struct rules {
    struct rule *items;
    size_t n;
    bool limited; /* --only was given */
};
int rules_take(struct rules *rules, const struct cdc_privacy_settings *settings, struct cdc_error *error);
void rules_free(struct rules *rules);
bool rule_applies(const struct rule *rule, struct cdc_span schema, struct cdc_span table);
/* The next name of a list, from {list} on; false at the end. */
bool rule_next_name(struct cdc_span *rest, struct cdc_span *name);
/* Could a table of that database be listed by --only? */
bool rules_have_some_of(const struct rules *rules, struct cdc_span db);
size_t rules_unmatched(const struct rules *rules, bool more, struct cdc_buf *out);

/* -- tables.c: what the rules mean for one table -- */
struct column {
    struct cdc_span name; /* unescaped; BORROWED from its rule */
    enum action action;
    struct rule *rule;
    size_t index; /* of the name in its rule */
    bool seen;    /* a schema line of this table had it */
};
struct table {
    struct line_table names; /* FIRST */
    struct column *columns;  /* those of an action on values */
    size_t n_columns;
    struct column *allowed; /* of --only */
    size_t n_allowed;
    struct cdc_names by_name, allowed_by_name; /* the first of each name in them */
    bool is_listed;                            /* by --only */
    struct cdc_span subject;                   /* the column's name; p NULL: none */
    struct rule *subject_rule;
    bool is_described;      /* its schema line has come */
    bool encrypts;          /* the newest one has columns that are encrypted */
    struct cdc_buf *opened; /* with --decrypt: names of the columns that the schema line says are encrypted; owned */
    size_t n_opened;
    struct cdc_names opened_by_name;
    struct cdc_buf bound_name, bound; /* source.name as it stood, and what values are bound to of it and of the table */
};
struct tables {
    struct rules *rules; /* BORROWED */
    struct line_tables by_name;
};
void tables_init(struct tables *tables, struct rules *rules);
/* BORROWED; NULL with error. */
struct table *tables_find(struct tables *tables, const struct cdc_event *event, struct cdc_error *error);
void tables_free(struct tables *tables);
/* Does anything of the settings concern its rows? */
bool table_is_touched(const struct tables *tables, const struct table *table, bool decrypt);
struct column *table_column(const struct table *table, struct cdc_span raw); /* NULL: no action on it */
bool table_allows(const struct tables *tables, const struct table *table, struct cdc_span raw);
/* With --decrypt: is the column encrypted? Said anew by each schema line. */
bool table_opens(const struct table *table, struct cdc_span raw);
void table_forget_opened(struct table *table);
int table_add_opened(struct table *table, struct cdc_span raw); /* -1 without memory */

/* -- the step -- */
struct cdc_privacy {
    struct cdc_privacy_settings settings; /* BORROWED lists */
    struct rules rules;
    struct tables tables;
    struct mac *mac; /* of --mask-key; NULL: none */
    struct ff1 *ff1;
    struct cdc_key_store *store;
    struct seal *seal;
    uint64_t messages, statements;
    struct cdc_buf text, bytes, bound; /* kept from value to value */
};

/* -- value.c -- */
/* What the value is once unescaped, in *text (it may be in scratch): of a string its text, of a number its digits, of others
 * their JSON with a byte before it that no text has, so that no two are the same. */
int value_text(struct cdc_buf *scratch, struct cdc_span value, struct cdc_span *text, struct cdc_error *error);
/* Appends what takes the place of a value. subject: the value of that column in this row, p NULL where there is none. */
int value_append(struct cdc_privacy *privacy, struct cdc_buf *out, const struct cdc_event *event, struct table *table,
                 const struct column *column, struct cdc_span value, struct cdc_span subject, bool is_json_null,
                 struct cdc_error *error);
/* The other way round. *json_null: it is JSON's null. */
int value_open(struct cdc_privacy *privacy, struct cdc_buf *out, const struct cdc_event *event, struct table *table,
               struct cdc_span name, struct cdc_span value, bool *json_null, struct cdc_error *error);

/* -- schema.c -- */
/* Looks whether a schema line and the settings fit (CONFIG), and remembers what it says. */
int schema_take(struct cdc_privacy *privacy, struct table *table, const struct cdc_event *event,
                struct cdc_error *error);
/* May a column of a key have it? */
bool action_keeps_identity(enum action action);
/* CONFIG. column: what has that action; NULL: it is not in --only. */
int key_is_lost(const struct table *table, struct cdc_span raw, const struct column *column, struct cdc_error *error);
void schema_append_columns(const struct cdc_privacy *privacy, const struct table *table, struct cdc_span columns,
                           struct cdc_buf *out);

/* -- line.c -- */
/* Appends the line with only what the settings let through. */
int line_append(struct cdc_privacy *privacy, struct table *table, const struct cdc_event *event, struct cdc_buf *out,
                struct cdc_error *error);

#endif
