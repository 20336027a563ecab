/* SPDX-License-Identifier: MIT */
/* cdc-log read: the events of a log to stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

#include <cdc/retry.h>
#include <cdc/start.h>

static struct {
    const char *from, *until, *reader, *offset_file, *state_dir;
    struct cdc_option_list ack;
    bool follow;
    int64_t max_events;
    double idle_exit;
} values;

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Options of read"),
    OPTION_TEXT("from", AT(from), "PLACE", "earliest (default), latest, base, POS, TIME or @BYTE"),
    OPTION_FLAG('f', "follow", AT(follow), "go on at the end, as lines come"),
    OPTION_TEXT("until", AT(until), "PLACE", "end at now (default), POS or TIME, at a commit"),
    OPTION_TEXT("reader", AT(reader), "NAME", "keep the position in the log, which waits for it"),
    OPTION_TEXT("offset-file", AT(offset_file), "FILE", "where the position is kept"),
    OPTION_STATE_DIR(AT(state_dir)),
    OPTION_LIST(0, "ack", AT(ack), "FILE", "a sink's offset file that confirms, or stdout"),
    OPTION_INTEGER(0, "max-events", AT(max_events), "N", "end after N changes, at a commit", 1, INT64_MAX),
    OPTION_SECONDS("idle-exit", AT(idle_exit), "end after SEC seconds without a change"),
    OPTION_END,
};

static bool stdout_is_file(void)
{
    struct stat status;
    return fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
}

/* A name in the folder "readers", which somebody else may list: no path. */
static bool is_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strlen(name) <= 100 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

static int check(const struct log_read_settings *settings, struct cdc_error *error)
{
    if (values.reader != NULL && !is_name(values.reader))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--reader needs a name of letters, digits, '.', '_' and '-'");
    if (values.reader != NULL && values.offset_file != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--reader and --offset-file exclude each other");
    if (program_check_places(values.offset_file, values.state_dir, error) != 0)
        return -1;
    return log_read_check(settings, error);
}

static struct cdc_offset_file *open_file(struct program *program, char *path, struct cdc_error *error)
{
    struct cdc_offset_file *file = path != NULL ? cdc_offset_file_open(path, program_tool(program), error) : NULL;

    if (path == NULL)
        cdc_error_memory(error);
    free(path);
    return file;
}

static struct cdc_offset_file *open_reader(struct program *program, const char *folder, struct cdc_error *error)
{
    char *readers = NULL, *path = NULL;
    struct stat log;

    if (stat(folder, &log) != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "there is no log \"%s\"", folder), NULL;
    if (program_beside(&readers, folder, "/readers", error) != 0)
        return NULL;
    bool good = mkdir(readers, 0700) == 0 || access(readers, F_OK) == 0;
    if (!good)
        (void)program_make_folder(program, readers, error);
    if (good && asprintf(&path, "%s/%s.offset", readers, values.reader) < 0)
        path = NULL;
    free(readers);
    return good ? open_file(program, path, error) : NULL;
}

static struct cdc_offset_file *open_offsets(struct program *program, const char *folder, const char *state_dir,
                                            struct cdc_error *error)
{
    if (values.reader != NULL)
        return open_reader(program, folder, error);
    if (values.offset_file != NULL)
        return cdc_offset_file_open(values.offset_file, program_tool(program), error);
    if (state_dir == NULL)
        return cdc_offset_file_memory(program_tool(program), error);
    if (program_make_folder(program, state_dir, error) != 0)
        return NULL;
    return open_file(program, cdc_state_path(state_dir, program_tool(program), NULL), error);
}

static int run_source(struct program *program, struct log_read_settings *settings, struct cdc_metrics *metrics,
                      struct cdc_error *error)
{
    struct cdc_start start = {.kind = CDC_START_FIRST};
    struct log_read *read = log_read_open(settings, error);
    int result = -1;

    if (read != NULL &&
        cdc_start_decide(&start, settings->offsets, NULL, NULL, LOG_READ_NAME, STDOUT_FILENO, error) == 0) {
        const struct cdc_source_settings source = {.tool = program_tool(program),
                                                   .name = LOG_READ_NAME,
                                                   .output_fd = STDOUT_FILENO,
                                                   .confirm = settings->acks ? CDC_CONFIRM_ACKS : CDC_CONFIRM_WRITTEN,
                                                   .start = &start,
                                                   .idle_exit = values.idle_exit,
                                                   .retry_max = -1,
                                                   .metrics_file = program->metrics_file};
        result = cdc_source_run(&log_read_ops, read, &source, settings->offsets, NULL, &program->control, metrics,
                                &program->log, error);
    }
    cdc_start_free(&start);
    log_read_close(read);
    return result;
}

/* --ack: files, and "stdout". */
static int split_acks(const char **files, size_t *n, bool *written, struct cdc_error *error)
{
    for (size_t i = 0; i < values.ack.count; i++) {
        if (strcmp(values.ack.items[i], "stdout") == 0)
            *written = true;
        else
            files[(*n)++] = values.ack.items[i];
    }
    return *written && *n > 0 ? cdc_error_set(error, CDC_EXIT_USAGE, "--ack=stdout and --ack=FILE exclude each other")
                              : 0;
}

/* What append has stored would be taken for what the sinks of this reader have: its place would move on, and they lose what is before it. */
static int refuse_append(const char *state_dir, struct cdc_error *error)
{
    char *path = cdc_state_path(state_dir, "cdc-log-append", NULL);
    bool there = path != NULL && access(path, F_OK) == 0;

    if (path == NULL)
        return cdc_error_memory(error);
    free(path);
    if (!there)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "\"%s\" is the state folder of cdc-log append, which would pass for a sink of what is read",
                  state_dir);
    return cdc_error_hint(error,
                          "give each reader a --state-dir of its own, or name its sinks' offset files with --ack");
}

static int run_with(struct program *program, const char *path, const char **files, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    const char *state_dir = program_default(values.state_dir, "CDC_STATE_DIR", NULL);
    struct log_read_settings settings = {.path = path,
                                         .from = values.from,
                                         .until = values.until,
                                         .follow = values.follow,
                                         .max_events = values.max_events,
                                         .registered = values.reader != NULL,
                                         .ack_files = files,
                                         .state_dir = state_dir,
                                         .metrics = &metrics,
                                         .log = &program->log,
                                         .control = &program->control};
    bool written = false;

    if (check(&settings, error) != 0 || split_acks(files, &settings.n_ack_files, &written, error) != 0)
        return -1;
    settings.acks = settings.n_ack_files > 0 || (state_dir != NULL && !written && !stdout_is_file());
    if (state_dir != NULL && settings.acks && refuse_append(state_dir, error) != 0)
        return -1;
    settings.offsets = open_offsets(program, path, state_dir, error);
    int result = settings.offsets != NULL ? run_source(program, &settings, &metrics, error) : -1;
    cdc_offset_file_free(settings.offsets);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *path = log_command_folder(operands, error);
    const char **files = calloc(values.ack.count + 1, sizeof *files);
    int result = files == NULL ? cdc_error_memory(error) : path == NULL ? -1 : run_with(program, path, files, error);

    free(files);
    free(values.ack.items);
    return result;
}

const struct log_command log_command_read = {
    .name = "read",
    .tool = "cdc-log-read",
    .synopsis = "[options] DIR > events",
    .summary = "Writes the change events of a log, byte for byte.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 70 74 75 77 78 79",
    .run = run,
};
