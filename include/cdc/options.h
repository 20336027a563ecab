/* SPDX-License-Identifier: MIT */
/* Options as a table: parsing, bounds and --help come from the same rows. */
#ifndef CDC_OPTIONS_H
#define CDC_OPTIONS_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* -- options: libcdc/base/options.c -- */
enum cdc_option_kind {
    CDC_OPTION_HEADING, /* help only: name is the heading */
    CDC_OPTION_FLAG,    /* bool */
    CDC_OPTION_TEXT,    /* const char *, BORROWED from argv */
    CDC_OPTION_LIST,    /* struct cdc_option_list, grows with each use */
    CDC_OPTION_INTEGER, /* int64_t within minimum..maximum */
    CDC_OPTION_SECONDS, /* double, 0 or more; suffixes ms s m h */
    CDC_OPTION_SIZE,    /* int64_t bytes; suffixes K M G */
    CDC_OPTION_CHOICE   /* const char *, one of the words in choices ("a|b|c") */
};

struct cdc_option {
    char letter;      /* 0: none */
    const char *name; /* long name; NULL ends the table */
    enum cdc_option_kind kind;
    size_t offset;        /* of the value in the caller's struct: offsetof() */
    const char *argument; /* name of the argument for help, upper case; NULL for flags */
    const char *help;     /* one line */
    int64_t minimum, maximum;
    const char *choices;
};

struct cdc_option_list {
    const char **items; /* BORROWED strings; free items alone */
    size_t count;
};

/* Adds a text, which is BORROWED. 0, or -1 without memory. */
int cdc_option_list_add(struct cdc_option_list *list, const char *text, struct cdc_error *error);
/* Parses argv[1..] (getopt_long rules, operands may stand anywhere, "--" ends). tables: up to n tables searched
 * in turn; values[i] is the struct of tables[i]. Operands land in *operands. Errors: CDC_EXIT_USAGE. */
int cdc_options_parse(const struct cdc_option *const *tables, void *const *values, size_t n, int argc, char **argv,
                      struct cdc_option_list *operands, struct cdc_error *error);
/* The row of that long name, of n bytes; NULL: there is none. */
const struct cdc_option *cdc_options_find(const struct cdc_option *table, const char *name, size_t n);
/* Sets a value as the command line does: text is BORROWED, and NULL for a flag. USAGE */
int cdc_option_set(const struct cdc_option *option, void *values, const char *text, struct cdc_error *error);
/* values, parsed with defaults as they were before, get beneath them what `under` has of the same table: its lists come first, its
 * other values where values has the default still. The lists of `under` are empty after. 0, or -1 without memory. */
int cdc_options_put_under(const struct cdc_option *table, void *values, void *under, const void *defaults,
                          struct cdc_error *error);
/* Appends the help lines of a table, at most 80 columns. */
void cdc_options_help(struct cdc_buf *out, const struct cdc_option *table);

/* -- times: libcdc/base/time.c -- */
/* RFC 3339: 2026-11-21T09:28:42[.123][Z|+01:00] in ms since 1970; false when it is none. */
bool cdc_time_parse(const char *text, int64_t *ms);

#endif
