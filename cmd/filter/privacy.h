/* SPDX-License-Identifier: MIT */
/* What cdc-filter does besides filtering where something must not leave: keys of subjects are made and destroyed, and the process
 * keeps what it knows to itself. */
#ifndef CMD_FILTER_PRIVACY_H
#define CMD_FILTER_PRIVACY_H

#include "cmd/program/program.h"

#include <cdc/privacy.h>

struct privacy_options {
    struct cdc_privacy_settings settings;
    const char *make_key_store; /* NULL, or where one is made */
    bool forget;
};

/* at: of a struct privacy_options in the program's struct. */
#define PRIVACY_AT(at, member) ((at) + offsetof(struct privacy_options, member))
#define OPTIONS_PRIVACY(at)                                                                                            \
    OPTION_HEADING("Privacy"),                                                                                         \
        OPTION_LIST(0, "only", PRIVACY_AT(at, settings.only), "[TABLE:]A,B",                                           \
                    "let only these tables and columns leave (repeatable)"),                                           \
        OPTION_LIST(0, "mask", PRIVACY_AT(at, settings.mask), "[TABLE:]A,B=KIND",                                      \
                    "replace values: null, redact, partial or hash"),                                                  \
        OPTION_LIST(0, "tokenize", PRIVACY_AT(at, settings.tokenize), "[TABLE:]A,B",                                   \
                    "replace by tokens of the same form"),                                                             \
        OPTION_TEXT("mask-key", PRIVACY_AT(at, settings.mask_key), "FILE", "key of hash and --tokenize"),              \
        OPTION_LIST(0, "encrypt", PRIVACY_AT(at, settings.encrypt), "[TABLE:]A,B", "encrypt for the row's subject"),   \
        OPTION_LIST(0, "subject", PRIVACY_AT(at, settings.subject), "[TABLE:]COLUMN",                                  \
                    "whose key --encrypt takes: the value of COLUMN"),                                                 \
        OPTION_TEXT("key-store", PRIVACY_AT(at, settings.key_store), "DIR", "folder of the keys of subjects"),         \
        OPTION_FLAG(0, "decrypt", PRIVACY_AT(at, settings.decrypt), "read back what --encrypt made"),                  \
        OPTION_FLAG(0, "forget", PRIVACY_AT(at, forget), "destroy the keys of the subjects on stdin"),                 \
        OPTION_TEXT("make-key-store", PRIVACY_AT(at, make_key_store), "DIR", "make an empty key store, and end")

/* 1: there was something else to do than filtering, and it is done; 0: there was not; -1. */
int privacy_other_work(struct program *program, const struct privacy_options *options, struct cdc_error *error);
/* From here on no core file of this process is written, and no other process of the user can look into it. */
int privacy_protect(struct cdc_error *error);
void privacy_free_options(struct privacy_options *options);

#endif
