/* SPDX-License-Identifier: MIT */
/* The source loop: read, decode, flush, confirm. Back-pressure is the pipe:
 * while output waits, nothing is read, but the connection is kept alive. */
#ifndef CDC_SOURCE_H
#define CDC_SOURCE_H

#include <cdc/control.h>
#include <cdc/line.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/start.h>

enum cdc_source_result { CDC_SOURCE_ERROR = -1, CDC_SOURCE_IDLE = 0, CDC_SOURCE_MORE = 1, CDC_SOURCE_END = 2 };

struct cdc_source_ops {
    /* Connects, and begins after `from`: the newest boundary that this run has written, before one the confirmed offset.
     * NULL where there is neither: settings.start says where to begin. Called again after each transient error;
     * positions that this run has written may come again. 0 or -1. */
    int (*connect)(void *source, const struct cdc_offset *from, struct cdc_error *error);
    void (*disconnect)(void *source);
    /* Descriptor to poll, and *events (POLLIN, POLLOUT). */
    int (*descriptor)(void *source, short *events);
    /* Decodes what is there without blocking and appends whole lines to out until out holds `limit` bytes. MORE: call
     * again at once; IDLE: wait for the descriptor; END: the requested end was reached. */
    enum cdc_source_result (*read)(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error);
    /* Every 100 ms to 1 s and while blocked: keep-alive. blocked: the output is full, so only answer, append nothing.
     * Else it may append heartbeats. 0 or -1. */
    int (*tick)(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error);
    /* Everything up to offset is stored: the database may forget it. Must not block. 0 or -1. */
    int (*confirm)(void *source, const struct cdc_offset *offset, struct cdc_error *error);
    /* The boundary (commit or heartbeat) of the newest line appended to out that ends a transaction; NULL if none yet.
     * BORROWED. Its lines are wholly in out. */
    const struct cdc_offset *(*boundary)(void *source);
    /* True between transactions: a stop here leaves no transaction half written. */
    bool (*between)(void *source);
    /* What the connector keeps beside a position (cdc_offset.state) where no boundary tells it yet: from connect on it goes
     * with the place where reading began. BORROWED; NULL: nothing. May be NULL itself. */
    const char *(*state)(void *source);
    /* After END, or idle_exit, once all lines are written: 0, or -1 and why the run ends so all the same (tables are stale,
     * stale.h). May be NULL itself. */
    int (*end)(void *source, struct cdc_error *error);
    /* Has it read all that was there when the connection was made? A database may be silent for long before the first change
     * of a large transaction, so idle_exit counts from then on. May be NULL itself: always. */
    bool (*caught_up)(void *source);
    /* Of a source whose lines are those of others (relay.h), with CDC_CONFIRM_ACKS: the newest of its own positions up to which the
     * sinks have stored everything, BORROWED until the next call; NULL: none that was not told before. cdc_source_run is given no acks
     * then. May be NULL itself. 0 or -1. */
    int (*acked)(void *source, const struct cdc_offset **offset, struct cdc_error *error);
    /* While read or tick waits for the server: how much of out, from its beginning, are whole lines that it will not take back.
     * May be NULL itself: what was there when it was called. */
    size_t (*whole)(void *source);
};

enum cdc_confirm_mode {
    CDC_CONFIRM_ACKS,   /* by the sinks' offset files */
    CDC_CONFIRM_WRITTEN /* once written (and synced where stdout is a file) */
};

struct cdc_source_settings {
    const char *tool, *name;
    int output_fd;
    enum cdc_confirm_mode confirm;
    const struct cdc_start *start; /* where to begin; what the connector needs of it, it was given before */
    double idle_exit;              /* seconds without a change line; 0: never */
    int64_t retry_max;             /* -1: for ever */
    const char *metrics_file;
};

/* Runs until END, a stop or an error. offsets: the source's own file; it is saved before anything is confirmed. acks
 * may be NULL with CDC_CONFIRM_WRITTEN. metrics is filled by loop and source together. */
int cdc_source_run(const struct cdc_source_ops *ops, void *source, const struct cdc_source_settings *settings,
                   struct cdc_offset_file *offsets, struct cdc_acks *acks, struct cdc_control *control,
                   struct cdc_metrics *metrics, const struct cdc_log *log, struct cdc_error *error);

#endif
