/* SPDX-License-Identifier: MIT */
/* What the snapshots of all databases share: when one is finished, how it stops, and what it shows meanwhile. */
#ifndef CDC_SNAPSHOT_H
#define CDC_SNAPSHOT_H

#include <cdc/attempt.h>
#include <cdc/control.h>
#include <cdc/line.h>
#include <cdc/log.h>
#include <cdc/metrics.h>

/* So much output is gathered before it is written. */
#define CDC_SNAPSHOT_FLUSH_BYTES ((size_t)64 << 10)

/* What all databases take. */
struct cdc_snapshot_settings {
    int64_t chunk_rows; /* a commit line after so many rows */
    bool progress;      /* shown once a second */
    int output_fd;
    const char *state_dir; /* where the stream of the pipeline may have left a mark (stale.h); NULL: nowhere */
};

/* Sets the error of a snapshot that a signal ended: TEMPORARY, since success would let the next program go on without
 * the rows. Always -1. */
int cdc_snapshot_stopped(struct cdc_error *error);
/* Lines leave whole: after an error too, and for a while after a signal. */
void cdc_snapshot_finish_output(struct cdc_writer *writer, const struct cdc_control *control);
/* Writes all that waits; -1 when a signal came (cdc_snapshot_stopped) or the output failed. */
int cdc_snapshot_drain(struct cdc_writer *writer, const struct cdc_control *control, struct cdc_error *error);

/* Waits until all sinks have stored pos, or (TEMPORARY) a signal comes or the reader of the output is gone; now and then says what
 * it waits for. acks: NULL where what is written counts as stored. All is written (cdc_snapshot_drain).
 * beat: writes one more commit line, after pos and before whatever comes next, every ten seconds: a reader that passes lines on to
 * several sinks (tee) learns only from a line that one of them is gone. */
struct cdc_snapshot_beat {
    int (*write)(void *context, struct cdc_error *error);
    void *context;
};
int cdc_snapshot_wait_stored(const struct cdc_writer *writer, struct cdc_control *control, struct cdc_acks *acks,
                             const char *pos, const struct cdc_snapshot_beat *beat, const struct cdc_log *log,
                             struct cdc_error *error);

/* Set all but next; BORROWS. */
struct cdc_snapshot_progress {
    const struct cdc_log *log;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    bool show;       /* a line a second */
    double estimate; /* rows in all; 0: not known */
    uint64_t rows;
    int64_t began, next; /* cdc_clock_ms */
};
/* Now and then: statistics that were asked for, and progress. */
void cdc_snapshot_look_around(struct cdc_snapshot_progress *progress, const struct cdc_writer *writer,
                              const char *schema, const char *table);

#endif
