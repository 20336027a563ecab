/* SPDX-License-Identifier: MIT */
/* cdc-filter's other shapes: --sample, --flatten, --outbox, --unwrap and --tombstones. */
#ifndef CMD_FILTER_SHAPE_H
#define CMD_FILTER_SHAPE_H

#include <cdc/log.h>
#include <cdc/shape.h>

#include "cmd/filter/format.h"

struct shape_options {
    struct cdc_option_list sample, flatten;
    struct cdc_outbox_settings outbox;
    const char *sample_seed, *unwrap;
    bool tombstones;
    bool in_private; /* no option of its own: values must not be in messages */
};

/* at: of a struct shape_options in the program's struct. */
#define SHAPE_AT(at, member) ((at) + offsetof(struct shape_options, member))
#define OPTIONS_SHAPE(at)                                                                                              \
    OPTION_HEADING("Shape"),                                                                                           \
        OPTION_LIST(0, "sample", SHAPE_AT(at, sample), "[TABLE:]RATE",                                                 \
                    "keep such a share of the rows, as 5% or 0.05"),                                                   \
        OPTION_TEXT("sample-seed", SHAPE_AT(at, sample_seed), "TEXT", "another share of them"),                        \
        OPTION_LIST(0, "flatten", SHAPE_AT(at, flatten), "[TABLE:]A,B", "nested values as columns A_B (* for all)"),   \
        OPTION_LIST(0, "outbox", SHAPE_AT(at, outbox.tables), "PATTERN",                                               \
                    "rows of an outbox as events named by aggregatetype"),                                             \
        OPTION_LIST(0, "outbox-column", SHAPE_AT(at, outbox.columns), "A=NAME", "its column A is called so"),          \
        OPTION_TEXT("outbox-key", SHAPE_AT(at, outbox.key), "COLUMN", "key of the events (default the table's)"),      \
        OPTION_TEXT("outbox-prefix", SHAPE_AT(at, outbox.prefix), "TEXT", "before their names (outbox.event.)"),       \
        OPTION_CHOICE("unwrap", SHAPE_AT(at, unwrap), "DELETES",                                                       \
                      "write only the rows; of deletes: drop, mark, refuse", "drop|mark|refuse"),                      \
        OPTION_FLAG(0, "tombstones", SHAPE_AT(at, tombstones), "key and value, and null after a delete")
#define SHAPE_STEPS 3

/* Each may be NULL. */
struct shapes {
    struct cdc_sample *sample;
    struct cdc_flatten *flatten;
    struct cdc_outbox *outbox;
    struct cdc_unwrap *unwrap;
    struct cdc_filter_format format; /* of unwrap */
};

/* Appends the steps that are asked for to steps of the settings, and sets the settings' format. USAGE. Free it in either case. */
int shapes_open(struct shapes *shapes, const struct shape_options *options, const struct filter_format_options *format,
                struct cdc_filter_settings *settings, struct cdc_filter_step *steps, struct cdc_error *error);
/* Do they ask for anything? */
bool shapes_are_set(const struct shape_options *options);
void shapes_free(struct shapes *shapes);
void shapes_free_options(struct shape_options *options);
/* What was lost so far. */
void shapes_report(const struct shapes *shapes, const struct cdc_log *log);

#endif
