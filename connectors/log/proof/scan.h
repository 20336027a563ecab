/* SPDX-License-Identifier: MIT */
/* One segment, read strictly from its first to its last batch: what the commit journal says of it, and the bytes beside that, in one
 * of the forms that it is in. Nothing is judged here but where the one ends before the other. */
#ifndef LOG_PROOF_SCAN_H
#define LOG_PROOF_SCAN_H

#include "connectors/log/file/cursor.h"
#include "connectors/log/file/frames.h"

/* Bytes of a file of lines, packed or not. */
struct log_content {
    int fd;                        /* plain; -1: none */
    struct log_unpacker *unpacker; /* packed */
};

/* 0, or -1 with errno and an error, ENOENT: it is not there. To be closed in any case. */
int log_content_open(struct log_content *content, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                     struct cdc_error *error);
void log_content_close(struct log_content *content);
/* Up to n bytes, fewer only at the end. Their number, or -1. */
ssize_t log_content_read(struct log_content *content, void *data, size_t n, struct cdc_error *error);

struct log_scan {
    const struct log_folder *folder;
    enum log_kind kind; /* PLAIN or PACKED */
    uint64_t start, limit;
    struct log_index index;
    struct log_content content;
    struct log_commit first; /* the segment line; its spans are void */
    /* commit: of the batch in hand, or the seal once all were read. BORROWED, valid until the next call. */
    struct log_commit commit;
    bool sealed, ended; /* ended: no batch follows, or it begins at limit or after it */
    uint64_t at, begin; /* byte after what was given last; where the batch in hand begins */
    char *block;
};

/* limit: the end of a batch; those after it are not given. One that goes on beyond it is: its segment was closed since, and its journal
 * thinned, so that all of it is durable. To be closed in any case. 0; -1 with an error, and errno ENOENT where a file is
 * missing (else it is another). */
int log_scan_open(struct log_scan *scan, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                  uint64_t limit, struct cdc_error *error);
void log_scan_close(struct log_scan *scan);
/* A segment that was begun, and has no file of lines: is its journal whole, and of this log? 0 or -1 */
int log_scan_journal(const struct log_folder *folder, uint64_t start, struct cdc_error *error);
/* 1: *block is what comes next of a batch (BORROWED, valid until the next call); scan->at == scan->commit.end: it is the rest of it.
 * 0: all were given. -1. */
int log_scan_next(struct log_scan *scan, struct cdc_span *block, struct cdc_error *error);
/* After 0: bytes that come behind the last batch. -1 on errors. */
int64_t log_scan_leftover(struct log_scan *scan, struct cdc_error *error);
/* "segment NAME: bytes A to B: " before the error, of the batch in hand. Always -1. */
int log_scan_error(const struct log_scan *scan, struct cdc_error *error);

#endif
