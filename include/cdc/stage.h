/* SPDX-License-Identifier: MIT */
/* The loop of a stage in the middle of a pipeline: lines in, lines out. Written once; what a stage makes of a line is
 * one operation. Back-pressure is the pipe: while output waits, nothing is read. */
#ifndef CDC_STAGE_H
#define CDC_STAGE_H

#include <cdc/control.h>
#include <cdc/event.h>
#include <cdc/log.h>

struct cdc_stage_ops {
    /* Appends the event lines that a line of another form is (each with its LF), or none; NULL: the input has event lines. A
     * line of no bytes (p NULL) is the end of the input. 0, or -1 with what `event` has. */
    int (*convert)(void *stage, struct cdc_span line, struct cdc_buf *events, struct cdc_error *error);
    /* Appends what becomes of the event to out: whole lines, or nothing. Returns how many, or -1: what was appended
     * for it is taken back. With DATA the line is refused, and skip_errors decides; any other error ends the run. The
     * event's bytes are valid during the call only. */
    int (*event)(void *stage, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
    /* With the statistics that SIGUSR1 asks for, and at the end: what else is to be said. May be NULL. */
    void (*report)(void *stage, const struct cdc_log *log);
    /* A line was passed over (skip_errors): one that is no event, or that `event` has refused. May be NULL. */
    void (*skipped)(void *stage);
    /* Before lines are written, and when the input pauses: what they need must be there. -1 ends the run, and they are not
     * written. May be NULL. */
    int (*before_write)(void *stage, struct cdc_error *error);
};

struct cdc_stage_settings {
    int input_fd, output_fd;
    size_t max_line;          /* bytes */
    bool skip_errors;         /* a line that cannot be taken is passed over with a warning; else it ends the run */
    const char *dead_letter;  /* with skip_errors: the file that such lines are kept in; NULL: they are lost */
    bool redact;              /* there without any value of a row */
    const char *metrics_file; /* NULL: none */
    const char *tool;
};

/* Runs until the end of input, a stop (at the end of the transaction in hand, waited for 5 s), or an error. Lines are
 * written when 64 KiB are there, and whenever the input pauses. 0 when all that came was written; -1 with error
 * (TEMPORARY when the input ended inside a line; the lines before an error were written). BORROWS everything. */
int cdc_stage_run(const struct cdc_stage_ops *ops, void *stage, const struct cdc_stage_settings *settings,
                  struct cdc_control *control, const struct cdc_log *log, struct cdc_error *error);

#endif
