/* SPDX-License-Identifier: MIT */
/* A log as a destination. It keeps the stream itself, byte for byte, and each line once: the positions of all sources are in its commit
 * journal. */
#ifndef LOG_APPEND_H
#define LOG_APPEND_H

#include <cdc/sink.h>

struct log_append_settings {
    const char *path;
    int64_t segment_bytes;
    int64_t segment_ms;  /* how old a segment becomes; 0: any age */
    int level;           /* of zstd, for sealed segments; 0: they are not compressed */
    bool sync;           /* false: nothing is synced */
    bool exit_when_full; /* else it waits */
    bool redactable;
    const struct cdc_log *log;
    struct cdc_control *control;
    /* Called in a thread of its own after a segment was sealed, and now and then: what else is to be done (retention). NULL: nothing.
     * 0; -1: the error is told, and it is tried again later. */
    int (*maintain)(void *context, struct cdc_error *error);
    void *maintain_context;
};

/* Is there no log at that path yet, and the offset file has positions? 0, or -1 with CONFIG: it is of another log. To be asked before
 * log_append_open, which would make one. */
int log_append_check_new(const char *path, const struct cdc_offset_file *offsets, struct cdc_error *error);

struct log_append;
/* Opens or makes the log. BORROWS settings. RETURNS NEW; TEMPORARY when another process appends to it. */
struct log_append *log_append_open(const struct log_append_settings *settings, struct cdc_error *error);
void log_append_free(struct log_append *append); /* NULL: nothing happens */
/* Tells the offset file what the log has: where the two disagree, the smaller position counts. 0 or -1. */
int log_append_sync_offsets(struct log_append *append, struct cdc_offset_file *offsets, struct cdc_error *error);
/* Compresses what is sealed, to its end unless a signal comes. At the end of a run. */
void log_append_finish(struct log_append *append);

extern const struct cdc_sink_ops log_append_ops;

#endif
