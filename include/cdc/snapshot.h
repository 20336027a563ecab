/* SPDX-License-Identifier: MIT */
/* What the snapshots of all databases share: when one is finished, how it stops, and what it shows meanwhile. */
#ifndef CDC_SNAPSHOT_H
#define CDC_SNAPSHOT_H

#include <cdc/attempt.h>
#include <cdc/control.h>
#include <cdc/line.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <pthread.h>

/* So much output is gathered before it is written. */
#define CDC_SNAPSHOT_FLUSH_BYTES ((size_t)64 << 10)

/* How a snapshot tells how far it is. BORROWS everything. */
struct cdc_snapshot_report {
    int64_t every_ms; /* between two messages; 0: none */
    /* One line of a terminal that is written over, of at most columns() columns; "": it is cleared. NULL: messages instead. */
    void (*rewrite)(void *context, const char *text);
    size_t (*columns)(void *context);
    void *context;
    const char *metrics_file; /* kept as --metrics-file says; NULL: none */
    const char *tool, *name;  /* labels in it */
};

/* What all databases take. */
struct cdc_snapshot_settings {
    int64_t chunk_rows; /* a commit line after so many rows */
    const struct cdc_snapshot_report *progress;
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

/* -- how far it is (progress.c) -------------------------------------------------------------------------------------
 * Rows are counted as they leave. What they are set against are estimates of the server, so that a table may have more or fewer:
 * per cent and time left are told only where they make sense, and what is done counts with what it really had.
 *
 *     estimate += each table's             before begin
 *     begin(&progress, writer)
 *     at(&progress, &t)                    lines of table t leave from now on
 *     rows += ...; write(&progress, ...)   as often as lines are written
 *     done(&progress, &t)
 *     end(&progress) */

/* A table that is read. */
struct cdc_snapshot_part {
    const char *schema, *table; /* BORROWED */
    double estimate;            /* rows; 0: not known */
    double passed; /* rows that were read, whether a condition let them leave or not, also by an attempt before */
    bool done;
};

/* Set the first group, and add to estimate and rows. */
struct cdc_snapshot_progress {
    const struct cdc_log *log;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_snapshot_report *show; /* NULL: only the statistics that a signal asks for */
    size_t tables;                          /* to be read */
    double estimate;                        /* rows in all */
    uint64_t rows;                          /* that have left */
    /* from here on its own */
    double passed; /* rows in all, as of parts */
    uint64_t counted;
    size_t done;
    struct cdc_snapshot_part *at; /* NULL: none yet */
    const struct cdc_writer *writer;
    int64_t began, next, next_save, sampled; /* cdc_clock_ms */
    double sampled_passed, rate;             /* rows a second, lately */
    uint64_t sampled_bytes;
    double byte_rate;
    bool shown; /* a line that is written over */
    pthread_t watcher;
    bool crowded;                         /* several threads read: whoever writes looks around, and nobody else */
    struct cdc_snapshot_progress *before; /* who was watching until then */
};
/* From now on, until unwatch, this thread looks around in all its waits that tell the control, unless it is crowded. One may watch
 * within the time of another one. */
void cdc_snapshot_watch(struct cdc_snapshot_progress *progress);
void cdc_snapshot_unwatch(struct cdc_snapshot_progress *progress);
void cdc_snapshot_progress_begin(struct cdc_snapshot_progress *progress, const struct cdc_writer *writer);
void cdc_snapshot_progress_at(struct cdc_snapshot_progress *progress, struct cdc_snapshot_part *part);
/* Of that part so many more rows are passed, which did not leave now: a condition kept them, or an attempt before has them. */
void cdc_snapshot_progress_pass(struct cdc_snapshot_progress *progress, struct cdc_snapshot_part *part, double rows);
void cdc_snapshot_progress_done(struct cdc_snapshot_progress *progress, struct cdc_snapshot_part *part);
/* Now and then: statistics that were asked for, progress, the metrics file. */
void cdc_snapshot_look_around(struct cdc_snapshot_progress *progress);
/* cdc_snapshot_drain, with a look around before it and while the reader is slow. */
int cdc_snapshot_write(struct cdc_snapshot_progress *progress, struct cdc_writer *writer, struct cdc_error *error);
/* cdc_snapshot_wait_stored, in the same way. */
int cdc_snapshot_await(struct cdc_snapshot_progress *progress, const struct cdc_writer *writer, struct cdc_acks *acks,
                       const char *pos, const struct cdc_snapshot_beat *beat, struct cdc_error *error);
/* The last figures; nothing of the others is used after it. May be called twice. */
void cdc_snapshot_progress_end(struct cdc_snapshot_progress *progress);

#endif
