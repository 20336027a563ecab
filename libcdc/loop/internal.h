/* SPDX-License-Identifier: MIT */
/* What the loops share among themselves. */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/event.h>
#include <cdc/json.h>
#include <cdc/line.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>

/* -- report.c: statistics on request, and the metrics file; BORROWS everything -- */
struct loop_report {
    const char *metrics_file; /* NULL: none */
    const char *tool, *name;  /* labels in it */
    const struct cdc_metrics *metrics;
    struct cdc_control *control;
    const struct cdc_log *log;
    int64_t next_save;
    int64_t stop_seen;                                    /* when a signal to stop was first noticed; 0: not yet */
    char told[128];                                       /* what a stop was said to wait for */
    void (*more)(void *stage, const struct cdc_log *log); /* said with the statistics; NULL: nothing */
    void *stage;
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

/* -- dead_letter.c: a file of refused lines, one JSON object each: {"reason":"...","line":"..."}; NULL where a file is
 * expected: there is none, and nothing is written -- */
struct dead_letter;
/* Appends to a file that is there. path NULL: *result becomes NULL. *result RETURNS NEW (dead_letter_close). */
int dead_letter_open(struct dead_letter **result, const char *path, struct cdc_error *error);
int dead_letter_write(struct dead_letter *file, struct cdc_span line, const char *reason, struct cdc_error *error);
/* The same without the line: of an event its op, pos and table ("of"). */
int dead_letter_write_redacted(struct dead_letter *file, struct cdc_span line, const char *reason,
                               struct cdc_error *error);
int dead_letter_sync(struct dead_letter *file, struct cdc_error *error);
void dead_letter_close(struct dead_letter *file);

/* -- streams.c: the sources that write into one stream of lines, each with its own position -- */
/* What a stream was at the last boundary of all streams that is not delivered yet: where a discard returns to. */
struct rollback_point {
    struct cdc_buf pos, source;
    int64_t seq;
    uint64_t lines;
    bool set;
};
struct sink_stream {
    struct cdc_buf raw_name;             /* as it stands in the lines */
    struct cdc_buf name;                 /* unescaped, NUL-terminated */
    struct cdc_buf pos;                  /* of the newest line taken in */
    struct cdc_buf source;               /* of the newest line or boundary */
    struct cdc_buf origin;               /* of the boundary that is stored: which server's lines these are */
    struct cdc_buf server;               /* the id of that server in boundaries of this run; empty: they have none */
    bool line_checked, boundary_checked; /* one of this run is of the same server */
    int64_t seq;
    uint64_t lines;      /* change lines delivered or in hand, ever */
    uint64_t open_lines; /* since its last boundary */
    bool moved;          /* a boundary came since the last delivery */
    bool held;           /* lines of it wait (held.c) */
    struct rollback_point back;
};
struct streams {
    struct cdc_offset_file *offsets; /* BORROWED */
    struct sink_stream *items;
    size_t n;
};
void streams_free(struct streams *streams);
/* The stream of that name, with the position of the offset file when it is new. BORROWED until the next call; NULL with the
 * error. */
struct sink_stream *streams_find(struct streams *streams, struct cdc_span raw_name, struct cdc_error *error);
/* Is every source that has lines in hand at a boundary? Only then does a delivery leave no transaction half stored. */
bool streams_at_boundary(const struct streams *streams);
bool streams_nothing_open(const struct streams *streams);
/* Puts the positions of those that have moved into the offset file, which is not saved yet; *seq becomes that of the last. */
int streams_set_offsets(struct streams *streams, int64_t *seq, struct cdc_error *error);
void streams_delivered(struct streams *streams);
/* The next line goes beyond a boundary that is not delivered yet: input that ends after it, inside a transaction, comes
 * back to here. */
int streams_set_rollback_point(struct streams *streams, struct cdc_error *error);
/* Back to it. A stream that has none had nothing complete to deliver: its members stay as they are, and it is not in the
 * delivery, since it has not moved. */
int streams_go_back(struct streams *streams, struct cdc_error *error);
void stream_close_boundary(struct sink_stream *stream);
int stream_remember(struct sink_stream *stream, const struct cdc_event *event, struct cdc_error *error);
/* CONFIG when the line is not of the server that the stored ones are of. again: it is at or before the position. */
int stream_check_origin(struct sink_stream *stream, const struct cdc_event *event, bool again, struct cdc_error *error);

/* -- held.c: lines that wait until another source's transaction is at its end -- */
struct held_line {
    struct cdc_span text;
    uint64_t number, offset; /* where it stood in the input */
};
struct held_lines {
    struct cdc_buf bytes; /* of each line a struct held_line without its text, then its length, then its text */
};
int held_add(struct held_lines *lines, const struct held_line *line, struct cdc_error *error);
/* The line at *at, which moves on; 0 is the first. BORROWED. false: no more. */
bool held_next(const struct held_lines *lines, size_t *at, struct held_line *line);

#endif
