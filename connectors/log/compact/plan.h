/* SPDX-License-Identifier: MIT */
/* What is done with each line, by its number: nothing with most of them. Half a byte a line, in memory as far as that goes, and
 * else noted in files, of which each is a window of the numbers. */
#ifndef LOG_PLAN_H
#define LOG_PLAN_H

#include <cdc/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_action {
    LOG_ACTION_DROP = 0,
    LOG_ACTION_KEEP = 1,   /* as it is */
    LOG_ACTION_ROW = 2,    /* the row that it leaves behind */
    LOG_ACTION_FILLED = 3, /* the same, with what older lines have */
    LOG_ACTION_COMMIT = 4, /* the commit that ends what is of its source */
    LOG_ACTION_LEFT = 8    /* besides these: that the row has left its old key */
};

struct log_plan;

/* lines: how many there are; their numbers are 1 to `lines`. RETURNS NEW */
struct log_plan *log_plan_new(const char *folder, size_t memory, uint64_t lines, struct cdc_error *error);
void log_plan_free(struct log_plan *plan);
/* Adds to what is done. 0 or -1 (IO). */
int log_plan_set(struct log_plan *plan, uint64_t number, unsigned action, struct cdc_error *error);
/* Of numbers that only grow, or begin with 1 again. -1: IO. */
int log_plan_get(struct log_plan *plan, uint64_t number, struct cdc_error *error);

#endif
