/* SPDX-License-Identifier: MIT */
/* A commit journal, read line by line: it may be longer than memory, and grow while it is read. */
#ifndef LOG_INDEX_H
#define LOG_INDEX_H

#include "connectors/log/file/commit.h"
#include "connectors/log/file/folder.h"

struct log_index {
    int fd; /* -1: closed */
    uint64_t start;
    struct cdc_buf text; /* read, and not given yet from `at` on */
    size_t at;
    uint64_t offset; /* in the file, of text.data[at]: up to here all lines are valid */
    size_t last;     /* length of the line that was given last, with its LF */
    bool torn;       /* what comes after offset is the rest of a write that did not end, or is still going on */
};

/* kind: INDEX or BASE_INDEX. 0, or -1 with errno (ENOENT: it is not there). */
int log_index_open(struct log_index *index, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                   struct cdc_error *error);
void log_index_close(struct log_index *index);
/* The next line. 1: *commit, which BORROWS until the next call; 0: there is no further one now, more may come; -1: CONFIG, a line is
 * damaged that others follow. */
int log_index_next(struct log_index *index, struct log_commit *commit, struct cdc_error *error);
/* The line that was given last is given again. */
void log_index_unread(struct log_index *index);
/* What was read and not given is forgotten, and read again: it may be written anew. */
void log_index_forget(struct log_index *index);
/* Is the file that is open no longer the one of that name, as it was thinned or rewritten meanwhile? */
bool log_index_is_replaced(const struct log_index *index, const struct log_folder *folder);

/* The last valid line of a journal: 1, *commit, which BORROWS text; 0: it has none; -1. Reads the end alone. */
int log_index_last(const struct log_folder *folder, uint64_t start, struct cdc_buf *text, struct log_commit *commit,
                   struct cdc_error *error);

/* The first commit of the whole log with its end after the byte: *segment is where its segment starts. It is what `at` and `ts` are of:
 * *text keeps the line that *commit BORROWS. 1, 0: none, -1. */
int log_find_byte(const struct log_folder *folder, uint64_t byte, struct cdc_buf *text, struct log_commit *commit,
                  struct cdc_error *error);
/* Where the batch begins that the byte is in; the end of the log where it is that. 1, 0: there is none, and *begin is the byte; -1. */
int log_find_batch(const struct log_folder *folder, uint64_t byte, uint64_t *begin, struct cdc_error *error);
/* The first commit that was appended at that time or later: *begin is where its batch begins. 1, 0: all are older, -1. */
int log_find_time(const struct log_folder *folder, int64_t ts, uint64_t *begin, struct cdc_error *error);
/* The first commit with a position of that source after pos: *begin is where its batch begins, so all lines after pos come after that.
 * 1, 0: there is none (yet), -1. */
int log_find_pos(const struct log_folder *folder, const char *name, const char *pos, uint64_t *begin,
                 struct cdc_error *error);
/* The positions of all sources at the end of a batch. *at: an object that BORROWS text, {} where nothing is before it. 1, 0: nothing says
 * it, -1. */
int log_find_positions(const struct log_folder *folder, uint64_t byte, struct cdc_buf *text, struct cdc_span *at,
                       struct cdc_error *error);

#endif
