/* SPDX-License-Identifier: MIT */
/* Reads a log forward from a logical byte, over segments in whatever form they are in, while they are appended to, sealed, compressed,
 * rewritten or removed. What it gives was checked against the commit journal: the end of a batch is given only once the CRC of the whole
 * batch is right, so nobody gets the boundary line of a damaged one. */
#ifndef LOG_CURSOR_H
#define LOG_CURSOR_H

#include "connectors/log/file/index.h"

#define LOG_BLOCK ((size_t)1 << 20)

struct log_unpacker;

struct log_cursor {
    struct log_folder *folder;
    uint64_t at;      /* of the next byte that is given */
    uint64_t limit;   /* batches that end after it are not given: UINT64_MAX, or set by the caller at any time */
    uint64_t segment; /* where the one that is read starts */
    /* Of the batch in hand. */
    struct log_commit commit;    /* BORROWED from the index, valid until the next call */
    bool has_batch, ended_batch; /* ended_batch: what was given last ends one, and `commit` is its */
    uint64_t batch_begin;
    uint32_t crc;
    /* Files. */
    struct log_index index;
    int fd;                        /* plain form; -1: closed */
    struct log_unpacker *unpacker; /* packed form */
    bool without_table;            /* of a packed form whose table of frames is not to be trusted */
    struct cdc_buf lines;          /* of log_cursor_line */
    size_t line_at;
    bool sealed_seen; /* the index has ended: the next segment follows */
    int tries;        /* of this batch, whose CRC was wrong */
};

/* Begins at that byte, which is the start of a line (not checked), of a log that was listed. BORROWS folder, and lists it again where
 * it must. To be closed in any case. LOST: that part of the log is not there any more; CONFIG: nor was it ever. */
int log_cursor_open(struct log_cursor *cursor, struct log_folder *folder, uint64_t at, struct cdc_error *error);
/* The same at the start of a segment, of a log that is not whole. */
void log_cursor_open_segment(struct log_cursor *cursor, struct log_folder *folder, uint64_t start);
void log_cursor_close(struct log_cursor *cursor);
/* UINT64_MAX at first. What is beyond it may be written anew by another writer, so nothing of it is kept. */
void log_cursor_limit(struct log_cursor *cursor, uint64_t limit);
/* Appends to out what comes next of the batch in hand: all of it, or LOG_BLOCK bytes of a longer one. 1; 0: there is no more now (more may
 * have come when it is called again); -1: CONFIG when something is damaged or missing, LOST when it was removed meanwhile. What was
 * appended to out before that is good. */
int log_cursor_read(struct log_cursor *cursor, struct cdc_buf *out, struct cdc_error *error);
/* The next line without its LF, valid until the next call, in place of log_cursor_read. *at: where it begins. 1, 0, -1. */
int log_cursor_line(struct log_cursor *cursor, struct cdc_span *line, uint64_t *at, struct cdc_error *error);

#endif
