/* SPDX-License-Identifier: MIT */
/* What the sinks' main() functions share. A sink makes its offset file before it reads its first line: a source with
 * the same state folder finds it there, and knows that there is somebody to wait for. */
#include "cmd/program/options.h"
#include "cmd/program/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/line.h>

#define AT(member) offsetof(struct sink_options, member)
const struct cdc_option sink_option_table[] = {
    OPTION_HEADING("Sink options"),
    OPTION_TEXT("offset-file", AT(offset_file), "FILE", "where the position is kept"),
    OPTION_STATE_DIR(AT(state_dir)),
    OPTION_CHOICE("on-error", AT(on_error), "ACTION", "what to do with bad or refused lines (default stop)",
                  "stop|skip|dead-letter"),
    OPTION_TEXT("dead-letter", AT(dead_letter), "FILE", "file for refused lines"),
    OPTION_TEXT("replay", AT(replay), "FILE", "take in again the refused lines of such a file, and end"),
    OPTION_MAX_LINE(AT(max_line)),
    OPTION_INTEGER(0, "batch-events", AT(batch_events), "N", "store at the latest after N change lines (default 10000)",
                   1, 10000000),
    OPTION_SECONDS("batch-time", AT(batch_time), "and at the latest after SEC seconds (default 1)"),
    OPTION_INTEGER(0, "max-events", AT(max_events), "N", "end after N change lines, at a transaction's end", 1,
                   INT64_MAX),
    OPTION_SECONDS("idle-exit", AT(idle_exit), "end after SEC seconds without input"),
    OPTION_RETRY_MAX(AT(retry_max)),
    OPTION_END,
};

void sink_options_init(struct sink_options *options)
{
    *options = (struct sink_options){
        .on_error = "stop",
        .max_line = (int64_t)CDC_LINE_MAX_DEFAULT,
        .batch_events = 10000,
        .batch_time = 1,
        .retry_max = -1,
    };
}

/* Before any file is made: a usage error leaves nothing behind. */
int sink_program_check(const struct sink_options *options, struct cdc_error *error)
{
    bool dead_letter = strcmp(options->on_error, "dead-letter") == 0;

    /* Either alone would be a surprise: a file that never gets a line, or refused lines that are nowhere. */
    if (dead_letter != (options->dead_letter != NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--on-error=dead-letter and --dead-letter FILE go together");
    if (options->replay != NULL && dead_letter)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--replay leaves what is refused again in its file: it takes no --dead-letter");
    return program_check_places(options->offset_file, options->state_dir, error);
}

static bool same_folder(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* A source with that folder as its state folder takes the files in it by their names (acks.c). One that it does not see holds
 * nothing back: what this sink has not stored is confirmed by the others, and after a crash it does not come again. */
static void report_unseen(const struct program *program, const char *path, const char *dir)
{
    static const char end[] = ".offset";
    size_t n = strlen(path), m = sizeof end - 1;
    char *folder = strdup(path), *slash = folder != NULL ? strrchr(folder, '/') : NULL;

    if (slash != NULL)
        slash[slash == folder] = '\0';
    bool there = folder == NULL || same_folder(slash != NULL ? folder : ".", dir);
    if (!there || n <= m || strcmp(path + n - m, end) != 0)
        cdc_log_write(&program->log, CDC_LOG_WARNING,
                      "offset file \"%s\" is not one that a source finds in state folder \"%s\": it does not wait for "
                      "this sink (hint: give the file a name in that folder that ends in .offset, or give it to the "
                      "source with --ack)",
                      path, dir);
    free(folder);
}

/* The path of --offset-file or --state-dir. A sink learns the pipeline's name from the lines only, and may take those of several: it is
 * not in the path. RETURNS NEW; NULL: neither was given, or without memory (then *error has it). */
static char *path_given(struct program *program, const struct sink_options *options, const char *dir,
                        struct cdc_error *error)
{
    if (options->offset_file == NULL && dir == NULL)
        return NULL;
    char *path =
        options->offset_file != NULL ? strdup(options->offset_file) : cdc_state_path(dir, program_tool(program), NULL);
    if (path == NULL)
        cdc_error_memory(error);
    return path;
}

bool sink_program_has_offsets(struct program *program, const struct sink_options *options)
{
    struct cdc_error ignored = {0};
    char *path = path_given(program, options, program_default(options->state_dir, "CDC_STATE_DIR", NULL), &ignored);
    bool there = path != NULL && access(path, F_OK) == 0;

    free(path);
    return there;
}

/* --offset-file names the file; --state-dir a folder where the source looks for its sinks; else the sink's own default. */
struct cdc_offset_file *sink_program_open_offsets(struct program *program, const struct sink_options *options,
                                                  const char *default_path, struct cdc_error *error)
{
    const char *dir = program_default(options->state_dir, "CDC_STATE_DIR", NULL);

    if (sink_program_check(options, error) != 0)
        return NULL;
    if (options->offset_file != NULL && dir != NULL)
        report_unseen(program, options->offset_file, dir);
    if (options->offset_file == NULL && dir != NULL && program_make_folder(program, dir, error) != 0)
        return NULL;
    if (options->offset_file != NULL || dir != NULL) {
        char *path = path_given(program, options, dir, error);
        struct cdc_offset_file *file = path != NULL ? cdc_offset_file_open(path, program_tool(program), error) : NULL;
        free(path);
        return file;
    }
    if (default_path != NULL)
        return cdc_offset_file_open(default_path, program_tool(program), error);
    cdc_log_write(
        &program->log, CDC_LOG_WARNING,
        options->destination_keeps
            ? "no --offset-file or --state-dir: a source does not find what is stored, and does not wait for it"
            : "no --offset-file or --state-dir: the position is not kept, a restart takes in again what it is "
              "given");
    return cdc_offset_file_memory(program_tool(program), error);
}

int sink_program_loop(struct program *program, const struct sink_options *options, struct cdc_offset_file *offsets,
                      const struct cdc_sink_ops *ops, void *sink, struct cdc_error *error)
{
    struct cdc_sink_settings settings = {
        .input_fd = STDIN_FILENO,
        .max_line = (size_t)options->max_line,
        .batch_events = options->batch_events,
        .batch_ms = (int64_t)(options->batch_time * 1000),
        .batch_bytes = options->batch_bytes,
        .offset_ms = options->offset_ms,
        .max_events = options->max_events,
        .idle_exit = options->idle_exit,
        .on_error = options->on_error,
        .dead_letter = options->dead_letter,
        .replay = options->replay,
        .retry_max = options->retry_max,
        .metrics_file = program->metrics_file,
        .tool = program_tool(program),
    };
    return cdc_sink_run(ops, sink, &settings, offsets, &program->control, &program->log, error);
}
