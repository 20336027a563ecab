/* SPDX-License-Identifier: MIT */
/* What the loops share among themselves. */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/json.h>
#include <cdc/line.h>
#include <cdc/log.h>
#include <cdc/metrics.h>

/* -- report.c: statistics on request, and the metrics file; BORROWS everything -- */
struct loop_report {
    const char *metrics_file; /* NULL: none */
    const char *tool, *name;  /* labels in it */
    const struct cdc_metrics *metrics;
    struct cdc_control *control;
    const struct cdc_log *log;
    int64_t next_save;
    int64_t stop_seen; /* when a signal to stop was first noticed; 0: not yet */
    char told[128];    /* what a stop was said to wait for */
};
/* Called once a turn: statistics that SIGUSR1 asked for, and the metrics file every 5 s (or when last). */
void loop_report_turn(struct loop_report *report, bool last);
/* Within a wait: the same, and after two seconds of a stop a word on what it waits for. context is a struct loop_report:
 * for control->waiting, from where it is taken back when the loop ends. */
void loop_report_waiting(void *context, const char *what);
/* What the writer has removed of the end of the output file. */
void loop_report_removed(const struct cdc_log *log, const struct cdc_writer *writer);
/* The statistics alone, if they were asked for. */
void loop_report_statistics(const struct loop_report *report);

/* After a stop was asked for, the transaction in hand may come to its end, but for 5 s and no longer, nor after a second
 * signal. *deadline: 0 at first. True when it is time to leave. */
bool stop_is_due(const struct cdc_control *control, int64_t *deadline);

/* -- origin.c -- */
/* known, source: `source` objects of two lines of that name, those of boundaries say most; the second is the later one, but
 * `again`, when it was stored before. CONFIG when they are of two servers. */
int origin_check(const char *name, struct cdc_span known, struct cdc_span source, bool again, struct cdc_error *error);

/* -- dead_letter.c: a file of refused lines, one JSON object each: {"reason":"...","line":"..."}; NULL where a file is
 * expected: there is none, and nothing is written -- */
struct dead_letter;
/* Appends to a file that is there. path NULL: *result becomes NULL. *result RETURNS NEW (dead_letter_close). */
int dead_letter_open(struct dead_letter **result, const char *path, struct cdc_error *error);
int dead_letter_write(struct dead_letter *file, struct cdc_span line, const char *reason, struct cdc_error *error);
int dead_letter_sync(struct dead_letter *file, struct cdc_error *error);
void dead_letter_close(struct dead_letter *file);

#endif
