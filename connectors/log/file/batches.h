/* SPDX-License-Identifier: MIT */
/* The batches of an active segment, held against its journal: a power cut may have taken any of the files that a commit is in. */
#ifndef LOG_BATCHES_H
#define LOG_BATCHES_H

#include "connectors/log/file/index.h"

struct log_batches {
    const struct log_folder *folder;
    uint64_t start, head;
    int data, salts;        /* salts -1: there are none */
    uint64_t begin, lines;  /* after the batch that was looked at last; lines of the segment before that */
    struct log_chain chain; /* there, as the journal says */
    struct cdc_buf block, line, salt;
    uint64_t first_salt; /* number of the one that salt.data begins with */
};

/* head: what was durable once; a torn batch ends after it. Opens the plain form of the segment. To be closed in any case. 0, or -1 with
 * errno (ENOENT: a file is not there). */
int log_batches_open(struct log_batches *batches, const struct log_folder *folder, uint64_t start, uint64_t head,
                     struct cdc_error *error);
void log_batches_close(struct log_batches *batches);
/* Each line of the journal in turn. Are the bytes those of the commit, and where head does not answer for them, the salts as well?
 * 1, 0, -1; it goes on behind the batch in either case. */
int log_batches_next(struct log_batches *batches, const struct log_commit *commit, struct cdc_error *error);
/* After a bad one: does a good one follow in the journal? Then the bad one is damage, and no torn end. 1, 0, -1. */
int log_batches_good_follows(struct log_batches *batches, struct log_index *index, struct cdc_error *error);

/* *end: where the segment, which nobody appends to and which is not sealed, ends. That is before what is torn; where there is damage
 * before a good batch, it is behind that one, and the damage is for who reads it. 0 or -1 with errno, as above. */
int log_batches_end(const struct log_folder *folder, uint64_t start, uint64_t head, uint64_t *end, bool *torn,
                    struct cdc_error *error);

#endif
