/* SPDX-License-Identifier: MIT */
/* An external merge sort of records within a given memory: what does not fit is written to files that nobody else sees, in sorted
 * runs, and merged. Records are ordered by `first`, then by the bytes of `key`, then by `second`; equal ones stay in the
 * order in which they were added. */
#ifndef LOG_SORTER_H
#define LOG_SORTER_H

#include <cdc/buf.h>
#include <cdc/error.h>

struct log_record {
    uint64_t first, second;
    struct cdc_span key, data; /* BORROWED */
};

struct log_sorter;

/* Records of one `first` and `key`, by `second`, about to be written to a run. */
struct log_group;
size_t log_group_size(const struct log_group *group);
struct log_record log_group_at(const struct log_group *group, size_t i);
void log_group_drop(struct log_group *group, size_t i);

/* folder: where the files are made, which have no name there. memory: bytes, of which the sorter takes no more but for a record
 * that is longer. thin: may drop records of a group, though it sees only those of one run; may be NULL. RETURNS NEW
 * (log_sorter_free). */
struct log_sorter *log_sorter_new(const char *folder, size_t memory,
                                  void (*thin)(void *context, struct log_group *group), void *context,
                                  struct cdc_error *error);
void log_sorter_free(struct log_sorter *sorter);
/* To be called before the first record is added. newer: of each record that is added, in their order, with `second` and its data, which may
 * be changed; older: the data of the one that was added last with its `first`, key and size of data, if that is known (NULL). true: that one is
 * of no use any more, and the new one takes its place. A part of the sorter's memory is for that. 0, or -1 without memory. */
typedef bool log_sorter_newer(void *context, uint64_t second, const void *older, void *data);
int log_sorter_replace(struct log_sorter *sorter, log_sorter_newer *newer, void *context, struct cdc_error *error);
/* Adds a record, which is copied. 0, or -1 with IO or MEMORY. */
int log_sorter_add(struct log_sorter *sorter, const struct log_record *record, struct cdc_error *error);
/* No more are added. 0 or -1. */
int log_sorter_end(struct log_sorter *sorter, struct cdc_error *error);
/* The next record in order, valid until the next call. 1; 0: there are no more; -1. */
int log_sorter_next(struct log_sorter *sorter, struct log_record *record, struct cdc_error *error);
/* How many times memory was full; within thin, the present time is counted. */
uint64_t log_sorter_spills(const struct log_sorter *sorter);
/* How many records were added. */
uint64_t log_sorter_added(const struct log_sorter *sorter);

/* A file without a name in that folder, for what is only of use until the process ends. The descriptor, or -1 (IO). */
int log_scratch_open(const char *folder, struct cdc_error *error);

#endif
