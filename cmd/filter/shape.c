/* SPDX-License-Identifier: MIT */
#include "cmd/filter/shape.h"

#include <stdlib.h>
#include <string.h>

static int check_together(const struct shape_options *options, const struct filter_format_options *format,
                          struct cdc_error *error)
{
    const struct cdc_outbox_settings *outbox = &options->outbox;

    if (options->unwrap != NULL && format->to != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--unwrap and --to are two forms of one line");
    if (options->tombstones && options->unwrap == NULL) {
        cdc_error_set(error, CDC_EXIT_USAGE,
                      "--tombstones goes with --unwrap: a line of cdc-event(5) says itself that a row "
                      "was deleted");
        return cdc_error_hint(error, "for Debezium's form use --to debezium,tombstones");
    }
    if (options->sample_seed != NULL && options->sample.count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--sample-seed goes with --sample");
    if (outbox->tables.count == 0 && (outbox->columns.count > 0 || outbox->prefix != NULL || outbox->key != NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--outbox-column, --outbox-prefix and --outbox-key go with --outbox");
    return 0;
}

static enum cdc_unwrap_deletes deletes_of(const char *text)
{
    return strcmp(text, "drop") == 0   ? CDC_UNWRAP_DROP
           : strcmp(text, "mark") == 0 ? CDC_UNWRAP_MARK
                                       : CDC_UNWRAP_REFUSE;
}

static int open_steps(struct shapes *shapes, const struct shape_options *options, struct cdc_filter_settings *settings,
                      struct cdc_filter_step *steps, struct cdc_error *error)
{
    if (options->sample.count > 0) {
        if ((shapes->sample = cdc_sample_new(&options->sample, options->sample_seed, error)) == NULL)
            return -1;
        steps[settings->n_steps++] = cdc_sample_step(shapes->sample);
    }
    if (options->flatten.count > 0) {
        if ((shapes->flatten =
                 cdc_flatten_new(&options->flatten, settings->allow_unknown, options->in_private, error)) == NULL)
            return -1;
        steps[settings->n_steps++] = cdc_flatten_step(shapes->flatten);
    }
    if (options->outbox.tables.count > 0) {
        if ((shapes->outbox = cdc_outbox_new(&options->outbox, error)) == NULL)
            return -1;
        steps[settings->n_steps++] = cdc_outbox_step(shapes->outbox);
    }
    return 0;
}

int shapes_open(struct shapes *shapes, const struct shape_options *options, const struct filter_format_options *format,
                struct cdc_filter_settings *settings, struct cdc_filter_step *steps, struct cdc_error *error)
{
    if (check_together(options, format, error) != 0 || open_steps(shapes, options, settings, steps, error) != 0)
        return -1;
    if (options->unwrap == NULL)
        return 0;
    if ((shapes->unwrap = cdc_unwrap_new(deletes_of(options->unwrap), options->tombstones, error)) == NULL)
        return -1;
    shapes->format = cdc_unwrap_format(shapes->unwrap);
    settings->format = &shapes->format;
    return 0;
}

bool shapes_are_set(const struct shape_options *options)
{
    return options->sample.count + options->flatten.count + options->outbox.tables.count > 0 || options->unwrap != NULL;
}

void shapes_free(struct shapes *shapes)
{
    cdc_sample_free(shapes->sample);
    cdc_flatten_free(shapes->flatten);
    cdc_outbox_free(shapes->outbox);
    cdc_unwrap_free(shapes->unwrap);
}

void shapes_free_options(struct shape_options *options)
{
    free(options->sample.items);
    free(options->flatten.items);
    free(options->outbox.tables.items);
    free(options->outbox.columns.items);
}

void shapes_report(const struct shapes *shapes, const struct cdc_log *log)
{
    struct cdc_buf text = CDC_BUF_INIT;
    uint64_t updates = shapes->outbox != NULL ? cdc_outbox_updates(shapes->outbox) : 0;

    if (updates > 0)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "--outbox: %llu updates of rows were passed over, as an event is never changed",
                      (unsigned long long)updates);
    if (shapes->unwrap != NULL && cdc_unwrap_losses(shapes->unwrap, &text) > 0 && !text.failed)
        cdc_log_write(log, CDC_LOG_WARNING, "--unwrap: %.*s", (int)text.len, text.data);
    cdc_buf_free(&text);
}
