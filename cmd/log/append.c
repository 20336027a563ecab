/* SPDX-License-Identifier: MIT */
/* cdc-log append: events from stdin into a log. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

#define PIPE_SIZE (1 << 20)

static struct {
    int64_t segment_bytes, batch_bytes;
    double segment_age;
    const char *compress, *sync, *on_full;
    bool redactable;
    double retain_time;
    int64_t retain_bytes, retain_hard;
    struct sink_options sink;
} values;

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Options of append"),
    OPTION_SIZE("segment-bytes", AT(segment_bytes), "begin a new file at that size (default 256M)", 0),
    OPTION_SECONDS("segment-age", AT(segment_age), "and at that age (default 24h; 0: none)"),
    OPTION_TEXT("compress", AT(compress), "FORM", "zstd:LEVEL of closed files (default zstd:3), none"),
    OPTION_CHOICE("sync", AT(sync), "WHEN", "commit (default), none: nothing is durable", "commit|none"),
    OPTION_CHOICE("on-full", AT(on_full), "ACTION", "on a full disk: wait (default), or exit", "wait|exit"),
    OPTION_FLAG(0, "redactable", AT(redactable), "a new log has salts, so that lines can be purged"),
    OPTION_SECONDS("retain-time", AT(retain_time), "remove files that were appended that long ago"),
    OPTION_SIZE("retain-bytes", AT(retain_bytes), "and the oldest, while there are more bytes", 0),
    OPTION_SIZE("retain-hard", AT(retain_hard), "the same, also those that a reader needs", 0),
    OPTION_SIZE("batch-bytes", AT(batch_bytes), "store at the latest after that much (default 16M)", 0),
    OPTION_END,
};

static void init(void)
{
    values.segment_bytes = (int64_t)256 << 20;
    values.batch_bytes = (int64_t)16 << 20;
    values.segment_age = 24 * 3600.0;
    values.compress = "zstd:3";
    values.sync = "commit";
    values.on_full = "wait";
    values.retain_time = values.retain_bytes = values.retain_hard = -1;
    sink_options_init(&values.sink);
    values.sink.batch_events = 10000000;
    values.sink.batch_time = 0.1;
    values.sink.offset_ms = 200;
}

static int level_of(const char *text, struct cdc_error *error)
{
    char *end = NULL;
    long level = strncmp(text, "zstd:", 5) == 0 ? strtol(text + 5, &end, 10) : 0;

    if (strcmp(text, "none") == 0)
        return 0;
    if (strcmp(text, "zstd") == 0)
        return 3;
    if (end != NULL && *end == '\0' && level >= 1 && level <= 19)
        return (int)level;
    return cdc_error_set(error, CDC_EXIT_USAGE, "--compress is zstd:1 to zstd:19, or none, not \"%.80s\"", text);
}

static int run_with(struct program *program, const struct log_append_settings *settings, const char *offset_path,
                    struct cdc_error *error)
{
    int result = sink_program_check(&values.sink, error);
    struct log_append *append = NULL;
    struct cdc_offset_file *offsets = NULL;

    /* A path that is mistyped, or not mounted, is no new log: it would be an empty one that readers take for all there is. */
    if (result == 0 && sink_program_has_offsets(program, &values.sink)) {
        offsets = sink_program_open_offsets(program, &values.sink, offset_path, error);
        result = offsets != NULL ? log_append_check_new(settings->path, offsets, error) : -1;
    }
    /* Else the log's own lock comes first: its folder is made by it, and the offset file may be in there. */
    if (result == 0)
        append = log_append_open(settings, error);
    if (append != NULL && offsets == NULL)
        offsets = sink_program_open_offsets(program, &values.sink, offset_path, error);
    result = append != NULL && offsets != NULL && log_append_sync_offsets(append, offsets, error) == 0
                 ? sink_program_loop(program, &values.sink, offsets, &log_append_ops, append, error)
                 : -1;
    if (result == 0)
        log_append_finish(append);
    log_append_free(append);
    cdc_offset_file_free(offsets);
    return result;
}

static int trim(void *context, struct cdc_error *error)
{
    struct log_trim_counts counts;

    return log_trim(context, &counts, error);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *path = log_command_folder(operands, error);
    int level = path != NULL ? level_of(values.compress, error) : -1;
    char *offset_path = NULL;

    if (level < 0)
        return -1;
    /* A pause of the input is a commit: a larger pipe makes fewer of them while much comes. */
    (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    struct log_append_settings settings = {.path = path,
                                           .segment_bytes = values.segment_bytes,
                                           .segment_ms = (int64_t)(values.segment_age * 1000),
                                           .level = level,
                                           .sync = strcmp(values.sync, "none") != 0,
                                           .exit_when_full = strcmp(values.on_full, "exit") == 0,
                                           .redactable = values.redactable,
                                           .log = &program->log,
                                           .control = &program->control};
    struct log_trim_settings retention = {.path = path,
                                          .retain_ms =
                                              values.retain_time < 0 ? -1 : (int64_t)(values.retain_time * 1000),
                                          .retain_bytes = values.retain_bytes,
                                          .retain_hard = values.retain_hard,
                                          .log = &program->log};
    if (values.retain_time >= 0 || values.retain_bytes >= 0 || values.retain_hard >= 0) {
        settings.maintain = trim;
        settings.maintain_context = &retention;
    }
    values.sink.batch_bytes = values.batch_bytes;
    int result = program_beside(&offset_path, path, "/append.offset", error);
    if (result == 0)
        result = run_with(program, &settings, offset_path, error);
    free(offset_path);
    return result;
}

const struct log_command log_command_append = {
    .name = "append",
    .tool = "cdc-log-append",
    .synopsis = "[options] DIR < events",
    .summary = "Appends change events to a log, each exactly once.",
    .options = table,
    .values = &values,
    .more_options = sink_option_table,
    .more_values = &values.sink,
    .exit_statuses = "0 64 65 70 74 75 77 78",
    .init = init,
    .run = run,
};
