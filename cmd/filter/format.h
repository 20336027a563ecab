/* SPDX-License-Identifier: MIT */
/* cdc-filter's --to and --from. */
#ifndef CMD_FILTER_FORMAT_H
#define CMD_FILTER_FORMAT_H

#include <cdc/filter.h>
#include <cdc/format.h>
#include <cdc/log.h>

struct filter_format_options {
    const char *to, *from, *name, *position;
    struct cdc_option_list keys;
};

/* The rows of the option table; at(member) is the member's offset. */
#define FILTER_FORMAT_OPTIONS(at)                                                                                      \
    OPTION_HEADING("Formats of other tools"), OPTION_TEXT("to", at(to), "FORMAT", "write " FILTER_FORMATS),            \
        OPTION_TEXT("from", at(from), "FORMAT", "read lines of such a format"),                                        \
        OPTION_TEXT("name", at(name), "NAME", "--from: source.name where lines have none"),                            \
        OPTION_LIST(0, "key", at(keys), "[TABLE:]A,B", "--from: key columns where lines do not tell"),                 \
        OPTION_CHOICE("from-position", at(position), "HOW", "--from: positions by log (default), line, run",           \
                      "log|line|run")
#define FILTER_FORMATS "debezium, maxwell, wal2json, canal, singer"

/* Both directions; either may be NULL. */
struct filter_formats {
    struct cdc_format_writer *writer;
    struct cdc_format_reader *reader;
    struct cdc_filter_format format; /* of the writer, for the filter's settings */
};

/* USAGE where an option is none. Free it in either case. */
int filter_formats_open(struct filter_formats *formats, const struct filter_format_options *options,
                        struct cdc_error *error);
void filter_formats_free(struct filter_formats *formats);
/* What was lost so far. */
void filter_formats_report(const struct filter_formats *formats, const struct cdc_log *log);

#endif
