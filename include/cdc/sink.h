/* SPDX-License-Identifier: MIT */
/* The sink loop: read lines, hand events over, deliver at transaction ends, advance the offset only after that. Written
 * once; a destination is a table of operations.
 *
 * Whoever writes a sink NAME begins with connectors/sqlite/sink/sink.c as an example, and needs:
 *   struct cdc_sink_ops     below: what happens to an event, and when it is durable
 *   cdc/table.h             the source tables: columns and keys, from the schema lines
 *   cdc/target.h            what a table is named at the destination, and who owns that name
 *   connectors/NAME/        its sources; programs see connectors/NAME/NAME.h alone
 *   cmd/cdc-sink-NAME.c     main: options, then sink_program_* (cmd/program/program.h). The tool's name begins with
 *                           cdc-sink-, or sources do not find its offset file in a state folder (cdc_acks_new)
 *   Makefile                NAME in PARTS, WITH_NAME, TOOLS, objects and flags, a rule that links
 *   tests/floors.rooms      its rooms; tests/packages: what it needs, with the part NAME
 *   man/cdc-sink-NAME.1     its page, named in PAGES of tests/docs.bats as well; a row in README's table;
 *                           tests/sink-NAME.bats */
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
     * lines always do (they describe the rows that follow), also one that is the end of a table's read: it must do no
     * harm a second time, and is inside a transaction up to the next boundary line, as it replaces rows. The event's bytes are valid during the call only.
     * Transient errors: the sink tries again by itself (cdc_retry_next and cdc_retry_wait). 0 or -1. */
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
    /* The input pauses within a transaction. May be NULL. 0 or -1. */
    int (*pause)(void *sink, struct cdc_error *error);
    /* Each line that was taken in is at the destination when this returns, or was refused (cdc_sink_reject_line); it need not be durable.
     * NULL: it is so after each event. 0 or -1. */
    int (*settle)(void *sink, struct cdc_error *error);
    /* Each line is kept beside those before it, and takes the place of none: a refused one may be taken in after newer ones of its row. */
    bool history;
    /* It keeps the stream itself, byte for byte: event is given commits, heartbeats and lines of an unknown op as well, in their order,
     * and schema lines like all others: not again when they are at or before the offset, and as a part of the transaction that they
     * stand in. */
    bool verbatim;
    /* event is given commits and heartbeats as well, in their order; all else is as without it. */
    bool boundaries;
};

struct cdc_sink_settings {
    int input_fd;
    size_t max_line;
    int64_t batch_events; /* deliver at the latest after that many change lines, at a transaction's end */
    int64_t batch_ms;     /* and after that time */
    /* The destination knows by itself how far it is, and tells it at the start (cdc_offset_file_know): then the offset file is for the
     * sources alone, and is written this often at most. 0: at each delivery. */
    int64_t offset_ms;
    int64_t batch_bytes;     /* and after so many bytes of lines; 0: any number */
    int64_t max_events;      /* stop after that many change lines, at a transaction's end; 0: never */
    double idle_exit;        /* seconds without input; 0: never */
    const char *on_error;    /* "stop", "skip" or "dead-letter" */
    const char *dead_letter; /* file for rejected lines; NULL unless on_error is dead-letter */
    const char *replay; /* NULL; else such a file is read in place of the input, and positions stay (refused lines are
                                taken in again where no newer line of their row was) */
    int64_t retry_max;  /* -1: for ever */
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
/* The same of a line that was taken in before: its number is what cdc_sink_line_number was then. */
int cdc_sink_reject_line(struct cdc_sink_context *context, struct cdc_span line, uint64_t number, const char *reason,
                         struct cdc_error *error);
/* Of the line that is being taken in; 1 is the first of the input. */
uint64_t cdc_sink_line_number(const struct cdc_sink_context *context);

#endif
