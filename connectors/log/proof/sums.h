/* SPDX-License-Identifier: MIT */
/* The bytes of one segment, beside those who look at its lines: in a thread of its own, since each takes about as long. */
#ifndef LOG_PROOF_SUMS_H
#define LOG_PROOF_SUMS_H

#include "connectors/log/file/folder.h"

#include <pthread.h>

/* Checks the CRC of each batch, and length, SHA-256 and lines of a segment that is sealed. */
struct log_sums {
    const struct log_folder *folder;
    enum log_kind kind; /* PLAIN or PACKED */
    uint64_t start, limit;
    bool sealed;   /* it must be */
    int result;    /* 0 or -1, once joined */
    uint64_t torn; /* bytes behind the last batch of one that is not sealed */
    struct cdc_error error;
    pthread_t thread;
    bool running;
};

/* What is above result is set. 0, or -1 with INTERNAL. */
int log_sums_begin(struct log_sums *sums, struct cdc_error *error);
/* Waits for it. 0, or -1 with its error. */
int log_sums_end(struct log_sums *sums, struct cdc_error *error);

#endif
