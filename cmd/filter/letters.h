/* SPDX-License-Identifier: MIT */
/* cdc-filter's own dead letters, and --dead-letters, which looks through those of all tools. */
#ifndef CMD_FILTER_LETTERS_H
#define CMD_FILTER_LETTERS_H

#include "cmd/program/program.h"

#include <cdc/filter.h>

struct letter_options {
    const char *on_error, *dead_letter, *lines; /* of those that are written */
    const char *file, *reason;                  /* of those that are looked through */
    bool reasons;
};

/* at: of a struct letter_options in the program's struct. */
#define LETTERS_AT(at, member) ((at) + offsetof(struct letter_options, member))
#define OPTIONS_LETTERS(at)                                                                                            \
    OPTION_CHOICE("on-error", LETTERS_AT(at, on_error), "ACTION", "what to do with bad lines (default stop)",          \
                  "stop|skip|dead-letter"),                                                                            \
        OPTION_TEXT("dead-letter", LETTERS_AT(at, dead_letter), "FILE", "file for bad lines"),                         \
        OPTION_CHOICE("dead-letter-lines", LETTERS_AT(at, lines), "HOW",                                               \
                      "with options for privacy: what the file gets of them", "whole|redacted"),                       \
        OPTION_TEXT("dead-letters", LETTERS_AT(at, file), "FILE", "write the lines of a file of dead letters"),        \
        OPTION_TEXT("reason", LETTERS_AT(at, reason), "TEXT", "--dead-letters: only those with this in their reason"), \
        OPTION_FLAG(0, "reasons", LETTERS_AT(at, reasons), "--dead-letters: write the letters, with their reasons")

/* USAGE. is_private: values of the lines must not be seen. */
int letters_check(const struct letter_options *options, bool is_private, struct cdc_error *error);
/* Looks through the file. filter: what is written of lines that are events; chooses: it chooses tables or operations, so that what is no event is left
 * out. 0 or -1 */
int letters_show(struct program *program, const struct letter_options *options, struct cdc_filter *filter, bool chooses,
                 size_t max_line, struct cdc_error *error);

#endif
