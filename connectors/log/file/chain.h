/* SPDX-License-Identifier: MIT */
/* The hash chain over the lines of a log:
 *
 *   leaf  = SHA-256(0x00, salt, line without its LF)       salt: 16 bytes of a log that is redactable, else none
 *   chain = SHA-256(chain before, leaf)
 *   the first value before all lines = SHA-256("cdc-log ", id of the log)
 *
 * Over leaves, and not over the lines themselves: a line that is purged stands for the leaf that it had, which it names itself
 * (log_chain_purged). */
#ifndef LOG_CHAIN_H
#define LOG_CHAIN_H

#include <cdc/buf.h>
#include <cdc/error.h>

#define LOG_HASH 32
#define LOG_HASH_HEX 64
#define LOG_SALT 16
#define LOG_ID_HEX 32 /* digits of a log's id */

struct log_chain {
    unsigned char value[LOG_HASH];
    char id[LOG_ID_HEX + 1]; /* of the log */
    void *context;           /* of libcrypto, made once */
};

/* The chain of a log before its first line. To be freed in any case (log_chain_free). 0 or -1. */
int log_chain_open(struct log_chain *chain, const char *id, struct cdc_error *error);
void log_chain_free(struct log_chain *chain);
/* The leaf of a line without its LF. salt: LOG_SALT bytes, or NULL. 0, or -1 when libcrypto fails. */
int log_chain_leaf(struct log_chain *chain, struct cdc_span line, const unsigned char *salt,
                   unsigned char leaf[LOG_HASH]);
/* One more line whose leaf is known. 0 or -1. */
int log_chain_add(struct log_chain *chain, const unsigned char leaf[LOG_HASH]);
/* One more line. 0 or -1. */
int log_chain_line(struct log_chain *chain, struct cdc_span line, const unsigned char *salt);
/* The leaf that a purged line of this log stands for. false: it is any other line, also one that was purged in another log and then
 * read from there. So whatever a stream brings, whoever appends and whoever verifies come to the same. */
bool log_chain_purged(const struct log_chain *chain, struct cdc_span line, unsigned char leaf[LOG_HASH]);
/* SHA-256 of a byte and two hashes, of which out may be one: the node of a Merkle tree. 0 or -1 */
int log_chain_join(struct log_chain *chain, unsigned char first, const unsigned char left[LOG_HASH],
                   const unsigned char right[LOG_HASH], unsigned char out[LOG_HASH]);
/* As 64 lower-case digits with a NUL, and back: false when the text is none of that. */
void log_hash_print(char out[LOG_HASH_HEX + 1], const unsigned char value[LOG_HASH]);
bool log_hash_parse(unsigned char value[LOG_HASH], struct cdc_span text);

#endif
