/* SPDX-License-Identifier: MIT */
/* Files of rules (-f): the options that shape events, one a line, each value with the place where it stands. */
#ifndef CMD_FILTER_RULES_H
#define CMD_FILTER_RULES_H

#include <cdc/options.h>

/* From that byte of a value on, up to the next one, it stands there in the file. */
struct rule_place {
    size_t at;
    unsigned line, column; /* from 1; the column in characters */
};

struct filter_rule {
    const char *file; /* BORROWED */
    const struct cdc_option *option;
    struct cdc_buf value; /* with a NUL */
    struct rule_place *places;
    size_t n_places;
    unsigned line, column; /* of its name */
};

struct rule_file {
    const char *path; /* BORROWED */
    struct cdc_buf text;
};

struct filter_rules {
    struct filter_rule **items;
    size_t n;
    struct rule_file *files;
    size_t n_files;
    /* Where it is set, it is called for each error of a file, without its place in the text, and reading goes on. */
    void (*report)(void *context, const char *path, const struct rule_place *place, struct cdc_error *why);
    void *context;
};

/* Reads a file into values, a struct of the table's, which BORROW the rules' texts. The status is USAGE, with FILE:LINE:COLUMN, where the file is wrong;
 * of a file that cannot be read that of cdc_file_exit. */
int filter_rules_read(struct filter_rules *rules, const char *path, const struct cdc_option *table, void *values,
                      struct cdc_error *error);
void filter_rules_free(struct filter_rules *rules);
/* Of an error in a text of the rules (error->item): the rule and where it is. NULL: it is not of them. BORROWED */
const struct filter_rule *filter_rules_find(const struct filter_rules *rules, const struct cdc_error *error,
                                            struct rule_place *place);
/* A line of such a file, without its LF; p NULL: it has none of that number. BORROWED */
struct cdc_span filter_rules_line(const struct filter_rules *rules, const char *path, unsigned line);
/* Puts FILE:LINE:COLUMN before the text of such an error. */
void filter_rules_locate(const struct filter_rules *rules, struct cdc_error *error);

#endif
