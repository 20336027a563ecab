/* SPDX-License-Identifier: MIT */
/* The lines of a commit journal (DIR/<20 digits>.idx, cdc-log(5)). What has no valid line there does not exist:
 *
 *   {"segment":0,"prev":"…","log":"…","schemas":N,"at":{…},"c":"…"}         the first one
 *   {"end":N,"n":N,"ts":ms,"crc":"…","chain":"…","at":{…},"c":"…"}          a group commit
 *   {"seal":N,"len":N,"n":N,"ts":ms,"sha256":"…","chain":"…","at":{…},"c":"…"}      the last one, once no more comes
 *
 * "c" is the CRC-32C of the line before its `,"c":`. While lines are purged, a commit has the old crc after the new one, and a seal the
 * old sha256, as "was": the journal is replaced before the data, and both are right until the data is, too. */
#ifndef LOG_COMMIT_H
#define LOG_COMMIT_H

#include "connectors/log/file/chain.h"

#include <cdc/offset.h>
#include <stdint.h>

enum log_commit_kind { LOG_SEGMENT_LINE, LOG_COMMIT_LINE, LOG_SEAL_LINE };

struct log_commit {
    enum log_commit_kind kind;
    uint64_t end; /* logical byte after the batch; of a segment line: where the segment begins */
    uint64_t n;   /* lines of the batch; of a seal: of the segment */
    uint64_t len; /* of a seal: bytes of the segment, uncompressed */
    int64_t ts;   /* ms since 1970 when it was appended; of a seal: of its last batch */
    uint32_t crc; /* of a commit: CRC-32C of the batch's bytes */
    bool has_was; /* and the old ones, of data that is not purged yet: */
    uint32_t crc_was;
    unsigned char chain[LOG_HASH]; /* after the batch; of a segment line: before it */
    struct cdc_span sha256;        /* of a seal: of the plain bytes, 64 digits */
    struct cdc_span sha256_was;
    struct cdc_span log; /* of a segment line: the log's id */
    uint64_t
        schemas; /* of a segment line: how many lines its .schemas file has, 0: there is none, or nothing says it */
    struct cdc_span at; /* {"NAME":{"pos":…,"seq":…,"lines":…,"source":{…}}} of every source so far */
};

/* The spans BORROW the line, which is without its LF. 0, or -1 with CONFIG when it is damaged. */
int log_commit_parse(struct log_commit *commit, struct cdc_span line, struct cdc_error *error);
/* Is it the CRC of the batch's bytes, or was it, while lines of it are purged? */
bool log_commit_crc_is(const struct log_commit *commit, uint32_t crc);
/* Appends the line with its LF. */
void log_commit_append(struct cdc_buf *out, const struct log_commit *commit);
/* The position of source `name` in `at`: 1 and *offset (cdc_offset_free); 0: it has none; -1: without memory, or damaged. */
int log_at_get(struct cdc_span at, const char *name, struct cdc_offset *offset, struct cdc_error *error);
/* All of them, each told in turn; the first that does not return 0 ends it, and is returned. */
int log_at_each(struct cdc_span at,
                int (*tell)(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error),
                void *context, struct cdc_error *error);
/* The same object made of what an offset file has. */
void log_at_append(struct cdc_buf *out, const struct cdc_offset_file *offsets);

#endif
