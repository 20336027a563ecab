/* SPDX-License-Identifier: MIT */
/* Which lines are of a person's rows. */
#ifndef LOG_PROOF_MATCH_H
#define LOG_PROOF_MATCH_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/options.h>

struct log_match {
    const char *table;                  /* a pattern (pattern.h) */
    const char *name;                   /* of the source; NULL: any */
    const struct cdc_option_list *keys; /* JSON objects: columns with their values */
};

/* Are the keys objects with a column at least, each with a value that is text, number or boolean? 0, or -1 with USAGE. */
int log_match_check(const struct log_match *match, struct cdc_error *error);
/* Is the line of that table, with some object in it (key, before, after, or what a filter has added) that has all columns of one of the
 * keys with these values? A number and its text are the same. 1, 0; -1: DATA, it is no line of cdc-event(5). */
int log_match_line(const struct log_match *match, struct cdc_span line, struct cdc_error *error);

#endif
