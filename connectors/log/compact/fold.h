/* SPDX-License-Identifier: MIT */
/* Lines of cdc-event(5) become fewer lines that leave a sink with the same rows: of each row the newest line, as r; what says that rows
 * are gone, for readers that have them still; what describes the tables. Lines go in and come out by calls: nothing here knows
 * of files of a log.
 *
 *   schema t, r 1, r 2, commit, u 1, d 2, c 3, commit     becomes     schema t, r 1 (of the u line), d 2, r 3, commit
 *
 * Each line keeps its position. They come out by source, in their order, and each source ends with its last commit.
 * Memory is what the settings say, and the longest line a few times. */
#ifndef LOG_FOLD_H
#define LOG_FOLD_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>

#include <stdint.h>

/* The lines: whole transactions of all sources. They are read two or three times, and once more for each further source. */
struct log_fold_input {
    int (*rewind)(void *context, struct cdc_error *error);
    /* 1: *line, without its LF, valid until the next call; 0: the end; -1 */
    int (*next)(void *context, struct cdc_span *line, struct cdc_error *error);
    void *context;
};

/* Up to this position of that source, what says that rows are gone is left out. */
struct log_gone {
    const char *name, *pos;
};

struct log_fold_settings {
    const char *folder; /* for temporary files, which have no names */
    size_t memory;      /* bytes */
    const struct log_gone *gone;
    size_t n_gone;
    bool keep_messages, keep_ddl; /* lines of op m and ddl */
    bool unkeyed_fails;           /* rows without a key are CONFIG; else all lines of their tables are kept */
    struct cdc_control *control;  /* TEMPORARY after a signal; may be NULL */
};

struct log_fold_counts {
    uint64_t lines, out;  /* lines that were read, and written */
    uint64_t rows, marks; /* rows there are; lines that say that rows are gone */
    uint64_t verbatim;    /* lines of tables whose rows nobody can tell apart */
    uint64_t tables;
};

/* out: takes a line, without its LF. 0, or -1: DATA for a line that is no event, IO, MEMORY. */
int log_fold(const struct log_fold_settings *settings, const struct log_fold_input *input,
             int (*out)(void *context, struct cdc_span line, struct cdc_error *error), void *context,
             struct log_fold_counts *counts, struct cdc_error *error);

#endif
