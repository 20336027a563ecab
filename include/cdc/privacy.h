/* SPDX-License-Identifier: MIT */
/* What must not leave: a step of the filter (filter.h) that masks, tokenizes or encrypts values of columns, or lets through only what is
 * listed; and the keys that encryption of each subject needs. */
#ifndef CDC_PRIVACY_H
#define CDC_PRIVACY_H

#include <cdc/filter.h>
#include <cdc/options.h>

struct cdc_privacy_settings {
    struct cdc_option_list mask;     /* "[TABLE:]a,b=null|redact|partial|hash" */
    struct cdc_option_list tokenize; /* "[TABLE:]a,b" */
    struct cdc_option_list encrypt;  /* "[TABLE:]a,b" */
    struct cdc_option_list subject;  /* "[TABLE:]column": whose value says whose key encrypts */
    struct cdc_option_list only;     /* "[TABLE:]a,b": nothing else leaves */
    bool decrypt;                    /* what schema lines say is encrypted is read back */
    bool allow_unknown;              /* as in struct cdc_filter_settings */
    /* A later step finds rows of tables that match by that column (--outbox-key), which must stay one that does; NULL: none. */
    struct cdc_option_list keyed_tables;
    const char *key_column;
    const char *mask_key;  /* path of the key of hash and tokenize */
    const char *key_store; /* path of the folder of subjects' keys */
};

/* Is there anything to do? */
bool cdc_privacy_is_set(const struct cdc_privacy_settings *settings);

struct cdc_privacy;

/* Checks the settings (USAGE), reads the key and opens the store (CONFIG, PERMISSION, IO); BORROWS the lists and their texts until
 * cdc_privacy_free. RETURNS NEW; NULL with error. */
struct cdc_privacy *cdc_privacy_new(const struct cdc_privacy_settings *settings, struct cdc_error *error);
/* Wipes the keys. */
void cdc_privacy_free(struct cdc_privacy *privacy);
/* For cdc_filter_settings; it BORROWS privacy. Errors name tables and columns, and have no value in them. */
struct cdc_filter_step cdc_privacy_step(struct cdc_privacy *privacy);
/* Brings new keys of --encrypt to the disk: to be called before any line that the step has changed leaves. 0 or -1. */
int cdc_privacy_settle(struct cdc_privacy *privacy, struct cdc_error *error);
/* What was left out so far because nobody can say what is in it: logical messages, and texts of statements. */
void cdc_privacy_left_out(const struct cdc_privacy *privacy, uint64_t *messages, uint64_t *statements);

/* -- keys of subjects -- */
struct cdc_key_store;

/* Makes the folder, and a store in it; CONFIG when there is one. 0 or -1. */
int cdc_key_store_make(const char *path, struct cdc_error *error);
/* RETURNS NEW; NULL with error. */
struct cdc_key_store *cdc_key_store_open(const char *path, struct cdc_error *error);
void cdc_key_store_close(struct cdc_key_store *store);
/* Destroys the key of a subject, for good once this returns 0: what was encrypted for it is readable to nobody, and its further
 * values become null. subject: the text of the column, the digits of a number. -1 with error. */
int cdc_key_store_forget(struct cdc_key_store *store, struct cdc_span subject, bool *had_key, struct cdc_error *error);

#endif
