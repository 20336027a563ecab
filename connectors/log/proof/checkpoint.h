/* SPDX-License-Identifier: MIT */
/* A checkpoint says what a log was at one time, signed (c2sp.org/tlog-checkpoint):
 *
 *   cdc-log/ID             the origin, and the name of the key. Once the log was trimmed: cdc-log/ID/START
 *   7                      lines
 *   BASE64                 root of the Merkle tree over their leaves
 *   byte 1234              where the last of them ends
 *   chain BASE64           the chain's value there
 *
 * A tree begins with the first line that is there, so one that begins elsewhere is another tree, and has another origin. The chain
 * goes on across what was trimmed. */
#ifndef LOG_PROOF_CHECKPOINT_H
#define LOG_PROOF_CHECKPOINT_H

#include "connectors/log/file/chain.h"
#include "connectors/log/proof/note.h"

#define LOG_ORIGIN_MAX 96

struct log_checkpoint {
    char id[LOG_ID_HEX + 1]; /* of the log */
    uint64_t start;          /* byte of the first line */
    uint64_t lines;          /* from there on */
    uint64_t end;            /* byte after the last one */
    unsigned char root[LOG_HASH], chain[LOG_HASH];
};

/* Appends it as a signed note. 0 or -1. */
int log_checkpoint_sign(struct cdc_buf *out, const struct log_checkpoint *checkpoint, const struct log_key *key,
                        struct cdc_error *error);
/* Takes it out of a note that the key has signed. 0, or -1: DATA (none of ours), CONFIG (not signed by that key). key NULL: the
 * signature is not looked at. */
int log_checkpoint_open(struct log_checkpoint *checkpoint, struct cdc_span note, const struct log_key *key,
                        struct cdc_error *error);

#endif
