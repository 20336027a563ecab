/* SPDX-License-Identifier: MIT */
/* cdc-log trim. */
#include <inttypes.h>

#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

static struct {
    double retain_time;
    int64_t retain_bytes, retain_hard;
} values = {.retain_time = -1, .retain_bytes = -1, .retain_hard = -1};

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Which segments go"),
    OPTION_SECONDS("retain-time", AT(retain_time), "those that were appended that long ago"),
    OPTION_SIZE("retain-bytes", AT(retain_bytes), "the oldest, as long as there are more bytes", INT64_MAX),
    OPTION_SIZE("retain-hard", AT(retain_hard), "the same, also those that a reader needs", INT64_MAX),
    OPTION_END,
};

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *path = log_command_folder(operands, error);
    struct log_trim_counts counts;

    if (path == NULL)
        return -1;
    if (values.retain_time < 0 && values.retain_bytes < 0 && values.retain_hard < 0)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--retain-time, --retain-bytes or --retain-hard is missing: what is to be kept?");
    struct log_trim_settings settings = {.path = path,
                                         .retain_ms =
                                             values.retain_time < 0 ? -1 : (int64_t)(values.retain_time * 1000),
                                         .retain_bytes = values.retain_bytes,
                                         .retain_hard = values.retain_hard,
                                         .log = &program->log};
    if (log_trim(&settings, &counts, error) != 0)
        return -1;
    cdc_log_write(&program->log, CDC_LOG_INFO,
                  "removed %" PRIu64 " segments of %" PRIu64 " bytes; %" PRIu64 " of %" PRIu64 " bytes are kept for a "
                  "reader or a base",
                  counts.segments, counts.bytes, counts.held_segments, counts.held_bytes);
    return 0;
}

const struct log_command log_command_trim = {
    .name = "trim",
    .synopsis = "[options] DIR",
    .summary = "Removes the oldest segments of a log, but for those that somebody needs.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 70 74 75 77 78",
    .run = run,
};
