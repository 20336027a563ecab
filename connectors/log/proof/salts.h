/* SPDX-License-Identifier: MIT */
/* The salts of a segment, one for each of its lines, in order. */
#ifndef LOG_PROOF_SALTS_H
#define LOG_PROOF_SALTS_H

#include "connectors/log/file/folder.h"
#include "connectors/log/file/chain.h"

#define LOG_SALTS_BLOCK ((size_t)4096 * LOG_SALT)

struct log_salts {
    int fd;    /* -1: it is not there */
    bool none; /* the log has none */
    uint64_t start;
    size_t n, at; /* bytes in block, and of them given */
    unsigned char *block;
};

/* Of a log that is not redactable: nothing is opened. A file that is not there is as an empty one: a writer makes it after that of the
 * lines. To be closed in any case. 0 or -1 */
int log_salts_open(struct log_salts *salts, const struct log_folder *folder, uint64_t start, struct cdc_error *error);
void log_salts_close(struct log_salts *salts);
/* The next one: 1, *salt (BORROWED until the next call), NULL of a log that has none; 0: there are no more; -1. */
int log_salts_next(struct log_salts *salts, const unsigned char **salt, struct cdc_error *error);
/* After the last line: is there not a byte more? */
bool log_salts_ended(const struct log_salts *salts);

#endif
