/* SPDX-License-Identifier: MIT */
/* Purging one segment. Each step leaves a log that is right, whenever it is killed:
 *
 *   NAME.ndjson.tmp, NAME.idx.tmp    made, synced
 *   NAME.idx                         replaced: it has the CRCs of the new lines, and those of the old ones as "was"
 *   NAME.ndjson (.zst)               replaced: it is purged
 *   NAME.salt                        replaced: the salts of purged lines are zero
 *   NAME.idx                         replaced: without "was"
 *
 * What was left undone is done by the next purge, whatever that is for. */
#ifndef LOG_PROOF_REWRITE_H
#define LOG_PROOF_REWRITE_H

#include "connectors/log/file/folder.h"
#include "connectors/log/proof/match.h"

#include <cdc/control.h>

struct log_found {
    uint64_t lines;     /* that match */
    uint64_t salted;    /* purged ones with their salt still */
    uint64_t too_short; /* of those that match: byte of the first that has no room for its leaf, and 1; 0: none */
    uint64_t leftover;  /* bytes behind the last commit */
    bool has_was;       /* its journal has old CRCs */
    bool has_matter;    /* something is to be done */
};

/* Looks through a segment, and changes nothing. limit: batches that begin at it or after it are not looked at. sealed: it is. 0 or -1. */
int log_rewrite_look(const struct log_folder *folder, const struct log_segment *segment, uint64_t limit,
                     const struct log_match *match, const struct cdc_control *control, struct log_found *found,
                     struct cdc_error *error);
/* Then does it, and leaves out batches that begin at limit or after it. Nobody may write to the segment, or compress it, meanwhile. 0 or -1. */
int log_rewrite_purge(const struct log_folder *folder, const struct log_segment *segment, uint64_t limit,
                      const struct log_match *match, const struct log_found *found, struct cdc_error *error);

#endif
