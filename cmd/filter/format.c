/* SPDX-License-Identifier: MIT */
#include "cmd/filter/format.h"

#include <string.h>
#include <time.h>

static enum cdc_format_position position_of(const char *text)
{
    return text == NULL || strcmp(text, "log") == 0 ? CDC_FORMAT_POSITION_LOG
           : strcmp(text, "line") == 0              ? CDC_FORMAT_POSITION_LINE
                                                    : CDC_FORMAT_POSITION_RUN;
}

int filter_formats_open(struct filter_formats *formats, const struct filter_format_options *options,
                        struct cdc_error *error)
{
    struct timespec now;

    if (options->from == NULL && (options->name != NULL || options->keys.count > 0 || options->position != NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--name, --key and --from-position go with --from");
    if (options->to != NULL) {
        formats->writer = cdc_format_writer_new(options->to, error);
        if (formats->writer == NULL)
            return -1;
        formats->format =
            (struct cdc_filter_format){cdc_format_write, formats->writer, "in another form (--to)", false};
    }
    if (options->from == NULL)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    const struct cdc_format_reader_settings settings = {
        .spec = options->from,
        .name = options->name,
        .keys = options->keys,
        .position = position_of(options->position),
        .now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
    };
    formats->reader = cdc_format_reader_new(&settings, error);
    return formats->reader != NULL ? 0 : -1;
}

void filter_formats_free(struct filter_formats *formats)
{
    cdc_format_writer_free(formats->writer);
    cdc_format_reader_free(formats->reader);
}

void filter_formats_report(const struct filter_formats *formats, const struct cdc_log *log)
{
    struct cdc_buf text = CDC_BUF_INIT;

    if (formats->reader != NULL && cdc_format_reader_losses(formats->reader, &text) > 0 && !text.failed)
        cdc_log_write(log, CDC_LOG_WARNING, "--from: %.*s", (int)text.len, text.data);
    text.len = 0;
    if (formats->writer != NULL && cdc_format_writer_losses(formats->writer, &text) > 0 && !text.failed)
        cdc_log_write(log, CDC_LOG_WARNING, "--to: %.*s", (int)text.len, text.data);
    cdc_buf_free(&text);
}
