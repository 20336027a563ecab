/* SPDX-License-Identifier: MIT */
/* cdc-filter's --check and --explain: what the settings are worth, and what they do, before a line leaves. */
#ifndef CMD_FILTER_LOOK_H
#define CMD_FILTER_LOOK_H

#include "cmd/filter/rules.h"
#include "cmd/program/program.h"

#include <cdc/filter.h>
#include <cdc/findings.h>

/* What --check has found. */
struct look_errors {
    struct cdc_buf out;           /* as text */
    struct cdc_findings findings; /* as JSON */
    size_t n;
    bool of_schemas; /* one is of a schema line */
    int status;      /* USAGE where the options are wrong, CONFIG where they do not fit the schema lines; 0 */
    const struct filter_rules *rules;
};

struct filter_look {
    struct program *program;
    const struct cdc_option *table; /* of the options; values is the struct */
    void *values;
    struct cdc_option_list files; /* with schema lines; empty: standard input */
    size_t max_line;
    bool json, allow_unknown;
    /* Makes a filter of the options as they are, and all that it needs; `close` takes it down, also after an error. */
    struct cdc_filter *(*open)(void *context, struct cdc_error *error);
    void (*close)(void *context);
    /* Appends the event lines of a line of another form; NULL: the input has event lines. */
    int (*convert)(void *context, struct cdc_span line, struct cdc_buf *events, struct cdc_error *error);
    void *context;
};

/* For filter_rules.report; context is the struct look_errors. */
void look_note_rule(void *errors, const char *path, const struct rule_place *place, struct cdc_error *why);
/* Finds all that is wrong, adds it to what was found in the files, and writes it to standard output. Frees errors. 0; -1: the status says what
 * kind of errors there are, or that no output could be written. */
int look_check(const struct filter_look *look, struct look_errors *errors, struct cdc_error *error);
/* Writes what becomes of each table. 0 or -1 */
int look_explain(const struct filter_look *look, struct cdc_error *error);

#endif
