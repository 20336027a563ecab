/* SPDX-License-Identifier: MIT */
/* The sink loop: read lines, hand events over, deliver at transaction ends,
 * advance the offset only after that. Written once; a destination is a table
 * of operations. */
#ifndef CDC_SINK_H
#define CDC_SINK_H

#include <cdc/control.h>
#include <cdc/event.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>

struct cdc_sink_loop;

struct cdc_sink_ops {
    /* Takes one event in: r c u d t m, schema, ddl. Lines at or before the offset never arrive here, but schema
     * lines always do (they describe the rows that follow). The event's bytes are valid during the call only.
     * Transient errors: the sink retries by itself (cdc_sink_backoff). 0 or -1. */
    int (*event)(void *sink, const struct cdc_event *event, struct cdc_error *error);
    /* Makes everything taken in so far durable. Called only at the end of a transaction (or chunk), with `offsets`
     * holding the positions that this delivery reaches: a destination with transactions stores them in the same one. 0
     * or -1. */
    int (*deliver)(void *sink, const struct cdc_offset_file *offsets, struct cdc_error *error);
    /* The input ended inside a transaction, or a line could not be taken: forgets what was taken in since the last
     * boundary, or the last deliver. NULL: the destination may have lines twice, so having some early does no harm. */
    void (*discard)(void *sink);
    /* Everything taken in so far is complete, and more is to come before the next deliver: discard comes back to here.
     * May be NULL where discard is. 0 or -1. */
    int (*boundary)(void *sink, struct cdc_error *error);
};

struct cdc_sink_settings {
    int input_fd;
    size_t max_line;
    int64_t batch_events;    /* deliver at the latest after that many change lines, at a transaction's end */
    int64_t batch_ms;        /* and after that time */
    int64_t max_events;      /* stop after that many change lines, at a transaction's end; 0: never */
    double idle_exit;        /* seconds without input; 0: never */
    const char *on_error;    /* "stop", "skip" or "dead-letter" */
    const char *dead_letter; /* file for rejected lines; NULL unless on_error is dead-letter */
    int64_t retry_max;       /* -1: for ever */
    const char *metrics_file;
    const char *tool;
};

/* Runs until end of input, a stop, or an error. 0 when everything complete was stored; -1 with error (TEMPORARY when
 * the input ended inside a line or a transaction). BORROWS everything. */
int cdc_sink_run(const struct cdc_sink_ops *ops, void *sink, const struct cdc_sink_settings *settings,
                 struct cdc_offset_file *offsets, struct cdc_control *control, const struct cdc_log *log,
                 struct cdc_error *error);

/* For use by a sink's operations. The loop that is running: */
struct cdc_sink_context {
    const struct cdc_sink_settings *settings;
    struct cdc_control *control;
    const struct cdc_log *log;
    struct cdc_metrics *metrics;
    struct cdc_sink_loop *loop;
};
/* Every sink embeds one as its FIRST member; cdc_sink_run fills it before the first call. */

/* A line that the destination refuses for good. With on_error=stop: -1 and the error (DATA) stands. Else the line is
 * counted, written to the dead-letter file (line and reason; made durable before the offset moves), and 0 returned. */
int cdc_sink_reject(struct cdc_sink_context *context, struct cdc_span line, const char *reason,
                    struct cdc_error *error);

#endif
