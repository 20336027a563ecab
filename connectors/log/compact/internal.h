/* SPDX-License-Identifier: MIT */
/* What the steps of a fold share: take.c reads the lines, choose.c finds out what is done with each, write.c does it. */
#ifndef LOG_COMPACT_INTERNAL_H
#define LOG_COMPACT_INTERNAL_H

#include "connectors/log/compact/fold.h"
#include "connectors/log/compact/history.h"
#include "connectors/log/compact/key.h"
#include "connectors/log/compact/plan.h"
#include "connectors/log/compact/tables.h"

#define LOG_STAYS 0x80000000u   /* in place of a key: with the generation */
#define LOG_NO_TABLE UINT32_MAX /* such lines are kept in any case */
#define LOG_SORT_SHARE(memory) ((memory) / 8 * 5)
#define LOG_SMALL_SHARE(memory) ((memory) / 8)

struct log_fold_state {
    const struct log_fold_settings *settings;
    const struct log_fold_input *input;
    struct log_fold_counts *counts;
    struct log_tables tables;
    struct log_sorter *entries; /* struct log_entry by key */
    uint64_t spills;            /* of it, as seen last */
    uint64_t runs,
        run_from; /* the same when an entry was added, and the number of the first one after that; 0: all are in memory */
    struct cdc_event_parser *parser;
    struct log_sorter *needs; /* first: a line, second: the line whose columns it completes */
    struct log_sorter *older; /* first: such a line, with its source; data: the lines that complete it */
    struct log_plan *plan;
    uint64_t *dropped; /* t lines of whole databases, each with its source */
    size_t n_dropped, dropped_capacity;
    struct log_key key, old;
    struct cdc_buf bytes; /* of a record's key */
};

/* Before the bytes of a row's key. */
struct log_group_key {
    uint32_t table, generation;
};

/* 1: a line, 0: the end, -1. */
static inline int log_fold_line(const struct log_fold_state *fold, struct cdc_span *line, struct cdc_error *error)
{
    if (fold->settings->control != NULL && fold->settings->control->stop > 0)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal: nothing has changed");
    return fold->input->next(fold->input->context, line, error);
}

/* All lines once: tables, entries. */
int log_fold_take(struct log_fold_state *fold, struct cdc_error *error);
/* What is done with each line (plan), and which lines others need (needs). */
int log_fold_choose(struct log_fold_state *fold, struct cdc_error *error);
/* Is the entry that the sorter has of no use? (log_sorter_replace) */
bool log_fold_newer(void *context, uint64_t number, const void *older, void *newer);
/* Drops records of a run that come to nothing. */
void log_fold_thin(void *context, struct log_group *group);
int log_fold_write(struct log_fold_state *fold,
                   int (*out)(void *context, struct cdc_span line, struct cdc_error *error), void *context,
                   struct cdc_error *error);

#endif
