/* SPDX-License-Identifier: MIT */
/* The end of a log that is written: the active segment, its journal, head. Lines are chained and written by a thread while the caller
 * collects the next ones and has the hash of the segment go on, so that parsing, the two hashes and the disk overlap. */
#ifndef LOG_WRITER_H
#define LOG_WRITER_H

#include "connectors/log/append/append.h"
#include "connectors/log/file/commit.h"
#include "connectors/log/file/folder.h"
#include "connectors/log/file/schemas.h"

#include <pthread.h>

#define WRITER_BLOCK ((size_t)256 << 10) /* handed to the thread when it has nothing to do */
#define WRITER_HOLD ((size_t)4 << 20)    /* and so much is collected for it at most */

/* What is known of the bytes of the active segment up to some place. */
struct log_sums {
    uint64_t end;   /* logical byte */
    uint64_t n;     /* lines since the last commit */
    uint64_t lines; /* of the segment */
    uint32_t crc;   /* of the bytes since the last commit */
    unsigned char chain[LOG_HASH];
    void *sha256; /* EVP_MD_CTX of the segment's bytes; of `now`, the caller's also while the thread is busy */
};

struct log_writer {
    const struct log_append_settings *settings;
    struct log_folder folder;
    int lock, head, data, index, salts; /* descriptors; -1: closed */
    uint64_t start;                     /* of the active segment */
    uint64_t end;                       /* the last commit: durable, unless settings->sync is off */
    uint64_t taken;                     /* after what was handed to the thread */
    uint64_t index_size;
    int64_t ts, first_ts;          /* of the last commit, and of the segment's first one; 0: none */
    int64_t opened;                /* when the segment was begun, by the monotonic clock */
    bool failed;                   /* fsync has failed: nothing is written any more */
    struct cdc_buf at;             /* positions at the end */
    void (*sealed)(void *context); /* told of each seal; NULL: nobody */
    void *sealed_context;
    struct log_sums committed, now;
    struct log_chain chain;
    struct log_schemas schemas; /* of all tables, at the end */
    /* -- shared with the thread -- */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool running, leaving, busy;
    bool syncing;                    /* it is to sync the lines, and not to write any */
    int sync_error;                  /* errno of that, 0 */
    size_t next_look;                /* whether it has, at that length of filling */
    struct cdc_buf filling, writing; /* filling: the caller's; writing: the thread's while busy */
    struct cdc_error error;          /* of the thread */
};

/* Opens the log at its end, mends what a crash has left, and takes its lock. 0 or -1; to be closed in any case. */
int log_writer_open(struct log_writer *writer, const struct log_append_settings *settings, struct cdc_error *error);
void log_writer_close(struct log_writer *writer);
/* After a sync that has failed, with its errno: nothing more is written, and the next start writes the segment again. -1. */
int log_writer_sync_failed(struct log_writer *writer, struct cdc_error *error);
/* One more line, which may not be written yet. 0 or -1. */
int log_writer_line(struct log_writer *writer, const struct cdc_event *event, struct cdc_error *error);
/* Where the next line goes. */
uint64_t log_writer_place(const struct log_writer *writer);
/* Makes all lines so far durable, with these positions. 0 or -1; nothing to write is no commit. */
int log_writer_commit(struct log_writer *writer, const struct cdc_offset_file *offsets, struct cdc_error *error);
/* Forgets the lines from that place on, which is not before the last commit. 0 or -1. */
int log_writer_cut(struct log_writer *writer, uint64_t place, struct cdc_error *error);
/* Seals the segment and begins the next one, if it is due. 0 or -1. */
int log_writer_roll(struct log_writer *writer, struct cdc_error *error);

/* -- parts of it: files.c, seal.c, recover.c, rebuild.c -- */
int log_writer_sums_copy(struct log_sums *to, const struct log_sums *from, struct cdc_error *error);
int log_writer_sums_begin(struct log_sums *sums, struct cdc_error *error); /* of a new segment; the chain stays */
void log_writer_sums_free(struct log_sums *sums);
/* The hash of the segment alone. */
int log_writer_sums_hash(struct log_sums *sums, const void *data, size_t n, struct cdc_error *error);
/* n bytes of whole lines: all but the hash of the segment. */
int log_writer_sums_add(struct log_writer *writer, struct log_sums *sums, const char *p, size_t n,
                        struct cdc_buf *salts, struct cdc_error *error);
/* All bytes at that place of a file; waits while the disk is full. 0, -1. */
int log_writer_write_at(struct log_writer *writer, int fd, const void *data, size_t n, uint64_t at, const char *name,
                        struct cdc_error *error);
/* Begins the segment at writer->end. */
int log_writer_new_segment(struct log_writer *writer, struct cdc_error *error);
int log_writer_open_segment(struct log_writer *writer, struct cdc_error *error);
void log_writer_close_segment(struct log_writer *writer);
int log_writer_seal(struct log_writer *writer, struct cdc_error *error);
int log_writer_recover(struct log_writer *writer, struct cdc_error *error);
/* Makes the journal of the last segment from its lines. before: the positions there, and the chain. 0 or -1. */
int log_writer_rebuild(struct log_writer *writer, const struct log_segment *segment, struct cdc_span before,
                       const unsigned char chain[LOG_HASH], struct cdc_error *error);
/* Waits as long as the disk is full. what: for the message. 0: try again; -1: the run ends, with the error. */
int log_writer_wait_for_room(struct log_writer *writer, const char *what, int64_t *told, struct cdc_error *error);

#endif
