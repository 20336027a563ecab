/* SPDX-License-Identifier: MIT */
/* --where, --set and --add as a step of the filter (cdc/filter.h): rows are chosen and columns computed by SQL expressions. */
#ifndef LITE_FILTER_H
#define LITE_FILTER_H

#include <cdc/filter.h>
#include <cdc/log.h>

struct lite_filter_settings {
    struct cdc_option_list where; /* "[TABLE:]EXPR": several for one table must all be true */
    struct cdc_option_list set;   /* "[TABLE:]column = EXPR" */
    struct cdc_option_list add;   /* "[TABLE:]name [TYPE] = EXPR" */
    const char
        *before; /* what an old row counts as of which the log does not have what --where names: match, same, require */
    bool allow_unknown; /* a column of --set that is named with its TABLE may be missing */
    const struct cdc_log *log;
};

struct lite_filter;
/* Parses all expressions (CDC_EXIT_USAGE), and BORROWS the lists and the log. RETURNS NEW. */
struct lite_filter *lite_filter_new(const struct lite_filter_settings *settings, struct cdc_error *error);
void lite_filter_free(struct lite_filter *filter);
/* The step, whose state is BORROWED. */
struct cdc_filter_step lite_filter_step(struct lite_filter *filter);

#endif
