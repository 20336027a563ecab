/* SPDX-License-Identifier: MIT */
/* A closed segment whose journal is lost or damaged. The journal of the next one begins with the hash chain after it, so that its lines prove
 * themselves: where they lead from the one value to the other, none of them is missing, changed or moved. */
#ifndef LOG_REMAKE_H
#define LOG_REMAKE_H

#include "connectors/log/file/folder.h"

struct log_remake {
    const struct log_folder *from, *to; /* to: has all segments before it */
    const struct log_segment *segment;  /* its start and forms */
    uint64_t before;                    /* where the one before it starts, in `to`; UINT64_MAX: it is the first one */
    uint64_t next;                      /* where the next one starts */
    uint64_t schemas;                   /* lines of its .schemas file */
};

/* Writes its lines to `to`, uncompressed, and a journal of one commit and a seal. 1; 0: nothing proves them, and nothing is left; -1. *n:
 * how many lines these are; chain: after them. */
int log_remake_segment(const struct log_remake *remake, uint64_t *n, unsigned char chain[LOG_HASH],
                       struct cdc_error *error);

#endif
