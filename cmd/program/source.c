/* SPDX-License-Identifier: MIT */
/* What the main() functions of sources and of the snapshot share. The order of things, which matters:
 *
 *   the offset file is locked       a second copy stops here, and touches no slot
 *   the acks are read               they decide how lines are confirmed
 *   the start is decided            from files alone, before the server is asked
 *   the stream runs */
#include "cmd/program/options.h"
#include "cmd/program/source.h"

#include <cdc/retry.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(member) offsetof(struct source_options, member)
const struct cdc_option source_stream_options[] = {
    OPTION_INTEGER(0, "max-events", AT(max_events), "N", "end after N changes, at a commit", 1, INT64_MAX),
    OPTION_SECONDS("idle-exit", AT(idle_exit), "end after SEC seconds without a change"),
    OPTION_SECONDS("heartbeat", AT(heartbeat), "a line when nothing happens (default 10; 0: none)"),
    OPTION_RETRY_MAX(AT(retry_max)),
    OPTIONS_VALUES(AT(int64), AT(decimal)),
    OPTION_END,
};

void source_options_init(struct source_options *options)
{
    *options = (struct source_options){
        .int64 = "number", .decimal = "string", .composite = "object", .retry_max = -1, .heartbeat = 10};
}

void source_options_free(struct source_options *options)
{
    cdc_selection_free(&options->selection);
    free(options->ack.items);
}

struct cdc_value_format source_options_format(const struct source_options *options)
{
    return (struct cdc_value_format){.int64_as_string = strcmp(options->int64, "string") == 0,
                                     .decimal_as_number = strcmp(options->decimal, "number") == 0,
                                     .objects_as_text = strcmp(options->composite, "text") == 0};
}

int source_program_check_options(const struct source_options *options, struct cdc_error *error)
{
    if (program_check_places(options->offset_file, options->state_dir, error) < 0 ||
        (options->name && program_check_name(options->name, error) < 0))
        return -1;
    if (cdc_selection_check_columns(&options->selection.columns, error) < 0)
        return -1;
    if (!options->login_path)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--login-path is not read here: give --defaults-file FILE");
    return cdc_error_hint(
        error, "my_print_defaults -s --login-path=NAME NAME prints what goes into FILE, see mysql-binlog(1)");
}

char *source_program_copy_url(const char *given, struct cdc_error *error)
{
    char *url = strdup(given);
    if (!url)
        cdc_error_memory(error);
    return url;
}

void source_program_free_url(char *url)
{
    /* A core file or swap would show the password. */
    if (url)
        explicit_bzero(url, strlen(url));
    free(url);
}

char *source_program_take_url(struct cdc_option_list operands, struct cdc_error *error)
{
    if (operands.count <= 1)
        return source_program_copy_url(operands.count ? operands.items[0] : "", error);
    cdc_error_set(error, CDC_EXIT_USAGE, "one URL is enough: '%.80s' is left over", operands.items[1]);
    return NULL;
}

static bool stdout_is(mode_t kind)
{
    struct stat status;
    return fstat(STDOUT_FILENO, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

static int split_acks(const struct cdc_option_list *ack, struct source_positions *p, struct cdc_error *error)
{
    /* One more: no --ack at all is no error of calloc(0). */
    p->files = calloc(ack->count + 1, sizeof *p->files);
    if (!p->files)
        return cdc_error_memory(error);
    for (size_t i = 0; i < ack->count; i++) {
        if (strcmp(ack->items[i], "stdout") == 0)
            p->ack_stdout = true;
        else
            p->files[p->n_files++] = ack->items[i];
    }
    if (p->ack_stdout && p->n_files > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--ack=stdout and --ack=FILE exclude each other");
    return 0;
}

static int open_in_folder(struct program *program, const char *folder, const char *name, struct source_positions *p,
                          struct cdc_error *error)
{
    char *path = cdc_state_path(folder, program_tool(program), name);
    if (!path)
        return cdc_error_memory(error);
    p->offsets = cdc_offset_file_open(path, program_tool(program), error);
    free(path);
    return p->offsets ? 0 : -1;
}

static int open_offsets(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *p, struct cdc_error *error)
{
    if (options->offset_file)
        p->offsets = cdc_offset_file_open(options->offset_file, program_tool(program), error);
    /* A snapshot's state is worth a file even if nobody asked: without it, an interrupted one could not be told from
     * none. */
    else if (!p->state_dir && keep == SOURCE_KEEP_HERE)
        return open_in_folder(program, ".", name, p, error);
    else if (!p->state_dir)
        p->offsets = cdc_offset_file_memory(program_tool(program), error);
    else if (program_make_folder(program, p->state_dir, error) < 0)
        return -1;
    else
        return open_in_folder(program, p->state_dir, name, p, error);
    return p->offsets ? 0 : -1;
}

/* With sinks it is their files that count. Without: what is written, and where stdout is a pipe the reader owns what it
 * has read; that is reported. */
static int open_acks(struct program *program, const char *name, enum source_keep keep, struct source_positions *p,
                     struct cdc_error *error)
{
    /* --ack=stdout: the folder holds our own file, but the sinks' files in it are not asked. */
    const char *dir = p->ack_stdout ? NULL : p->state_dir;
    p->confirm = CDC_CONFIRM_WRITTEN;
    if (p->n_files > 0 || dir) {
        const struct cdc_offset *ignored;
        p->acks = cdc_acks_new(name, p->files, p->n_files, dir, error);
        if (!p->acks || cdc_acks_read(p->acks, &ignored, error) < 0)
            return -1;
        /* `> file` with a state folder and no sink in it: the file is the sink. */
        /* A pipe without a sink's file yet: the sink will come up and make one, so nothing is confirmed until then. */
        if (p->n_files > 0 || cdc_acks_count(p->acks) > 0 || !stdout_is(S_IFREG)) {
            p->confirm = CDC_CONFIRM_ACKS;
            return 0;
        }
        cdc_acks_free(p->acks);
        p->acks = NULL;
    }
    if (!p->ack_stdout && !dir && keep != SOURCE_KEEP_NOTHING && (stdout_is(S_IFIFO) || stdout_is(S_IFSOCK)))
        cdc_log_write(&program->log, CDC_LOG_INFO,
                      "no --ack or --state-dir: what the pipe has taken counts as stored, and is not sent again if the "
                      "reader loses it");
    return 0;
}

/* One that was mistaken for another may well begin where rows come twice, or, with --from, where some are passed over. */
static void tell_other_names(struct program *program, const struct source_options *options, const char *name,
                             const struct cdc_offset_file *offsets)
{
    if (options->offset_file && cdc_offset_file_count(offsets) > 0 && !cdc_offset_file_get(offsets, name))
        cdc_log_write(&program->log, CDC_LOG_WARNING,
                      "offset file \"%s\" has the position of \"%s\", and none of \"%s\", which is begun anew",
                      options->offset_file, cdc_offset_file_name(offsets, 0), name);
}

int source_program_open(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *positions, struct cdc_error *error)
{
    *positions = (struct source_positions){
        .state_dir = keep == SOURCE_KEEP_NOTHING ? NULL : program_default(options->state_dir, "CDC_STATE_DIR", NULL)};
    if (program_check_name(name, error) < 0 || split_acks(&options->ack, positions, error) < 0 ||
        open_offsets(program, options, name, keep, positions, error) < 0)
        return -1;
    tell_other_names(program, options, name, positions->offsets);
    return open_acks(program, name, keep, positions, error);
}

/* The position in PATH, which may not exist. */
static int look_at(const char *path, const char *name, struct source_positions *p, struct cdc_error *error)
{
    struct cdc_offset offset = {.pos = NULL};
    int found = cdc_offset_read(path, name, &offset, error);
    if (found > 0)
        found = cdc_offset_file_set(p->offsets, name, &offset, error);
    cdc_offset_free(&offset);
    return found < 0 ? -1 : 0;
}

int source_program_look(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *p, struct cdc_error *error)
{
    const struct cdc_offset *ignored;
    *p = (struct source_positions){.state_dir = program_default(options->state_dir, "CDC_STATE_DIR", NULL)};
    p->offsets = cdc_offset_file_memory(program_tool(program), error);
    if (!p->offsets || program_check_name(name, error) < 0 || split_acks(&options->ack, p, error) < 0)
        return -1;
    const char *folder = p->state_dir ? p->state_dir : keep == SOURCE_KEEP_HERE ? "." : NULL;
    char *path = !options->offset_file && folder ? cdc_state_path(folder, program_tool(program), name) : NULL;
    int result = 0;
    if (!options->offset_file && folder && !path)
        result = cdc_error_memory(error);
    else if (options->offset_file || path)
        result = look_at(path ? path : options->offset_file, name, p, error);
    free(path);
    if (result < 0 || p->ack_stdout || (p->n_files == 0 && (!p->state_dir || access(p->state_dir, F_OK) != 0)))
        return result;
    p->acks = cdc_acks_new(name, p->files, p->n_files, p->state_dir, error);
    if (!p->acks || cdc_acks_read(p->acks, &ignored, error) < 0)
        return -1;
    if (p->n_files == 0 && cdc_acks_count(p->acks) == 0) { /* no sink has been there yet */
        cdc_acks_free(p->acks);
        p->acks = NULL;
    }
    return 0;
}

int source_program_check_json(struct program *program, bool check, bool json, struct cdc_error *error)
{
    if (json && !check)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--json is for --check");
    if (json)
        program->log.write = NULL;
    return 0;
}

int source_program_check_end(struct program *program, struct cdc_findings *findings, const char *name, bool json,
                             int result, struct cdc_error *error)
{
    struct cdc_buf object = CDC_BUF_INIT, out = CDC_BUF_INIT;
    struct cdc_error failed = {0};
    int status =
        cdc_findings_end(findings, program_tool(program), name, error, &object) < 0 ? cdc_error_memory(&failed) : 0;
    cdc_findings_free(findings);
    if (status == 0 && json)
        cdc_buf_append_buf(&out, &object);
    else if (status == 0 && !program->quiet)
        cdc_findings_table(&out, cdc_span(object.data, object.len));
    if (json)
        cdc_buf_byte(&out, '\n');
    cdc_buf_free(&object);
    if (status == 0)
        status = program_write(&out, &failed);
    else
        cdc_buf_free(&out);
    if (status == 0)
        return result;
    *error = failed;
    return -1;
}

void source_program_close(struct source_positions *positions)
{
    cdc_acks_free(positions->acks);
    cdc_offset_file_free(positions->offsets);
    free(positions->files);
}

void source_program_report(const struct program *program, const struct cdc_metrics *metrics)
{
    if (metrics->unconvertible > 0)
        cdc_log_write(&program->log, CDC_LOG_WARNING,
                      "%llu texts have no exact form in Unicode, or are not valid in their charset: written as base64",
                      (unsigned long long)metrics->unconvertible);
    if (metrics->json_texts > 0)
        cdc_log_write(
            &program->log, CDC_LOG_WARNING,
            "%llu JSON documents are written as strings: readers of JSON would refuse them (a lone surrogate, or "
            "nested too deep)",
            (unsigned long long)metrics->json_texts);
}

static int run_stream(struct source_run *run, const struct source_options *options, const struct source_kind *kind,
                      void *context, struct cdc_error *error)
{
    struct program *program = run->program;
    const struct cdc_source_settings settings = {.tool = program_tool(program),
                                                 .name = run->name,
                                                 .output_fd = STDOUT_FILENO,
                                                 .confirm = run->positions.confirm,
                                                 .start = &run->start,
                                                 .idle_exit = options->idle_exit,
                                                 .retry_max = options->retry_max,
                                                 .metrics_file = program->metrics_file};
    void *source = kind->open(context, run, error);
    if (!source)
        return -1;
    int result = cdc_source_run(kind->ops, source, &settings, run->positions.offsets, run->positions.acks,
                                &program->control, &run->metrics, &program->log, error);
    source_program_report(program, &run->metrics);
    kind->close(source);
    return result;
}

/* Sinks of the same pipeline start at this moment. One whose file was removed may find its position in its destination
 * (cdc-sink-sqlite), and tells it before its first line; without, the start would be refused as one that loses rows. */
#define SINKS_MS 5000
#define LOOK_MS 20

/* 0; 1: a signal came. -1. */
static int wait_for_sinks(struct program *program, const struct source_positions *p, const char *name,
                          struct cdc_error *error)
{
    const struct cdc_offset *acked = NULL;
    int64_t end = cdc_clock_ms() + SINKS_MS;
    bool told = false;

    if (!p->acks || !(stdout_is(S_IFIFO) || stdout_is(S_IFSOCK)))
        return 0;
    int needed = cdc_start_needs_sinks(p->offsets, p->state_dir, name, STDOUT_FILENO, error);
    if (needed <= 0)
        return needed;
    for (;;) {
        if (cdc_acks_read(p->acks, &acked, error) < 0)
            return -1;
        if (acked || cdc_clock_ms() >= end)
            return 0;
        if (!told)
            cdc_log_write(&program->log, CDC_LOG_INFO, "a sink has no position yet: waiting %d s for it",
                          SINKS_MS / 1000);
        told = true;
        if (cdc_retry_wait(LOOK_MS, &program->control, "a sink's position"))
            return 1;
    }
}

int source_program_stream(struct program *program, const struct source_options *options, const char *name,
                          enum source_keep keep, const struct source_kind *kind, void *context, struct cdc_error *error)
{
    struct source_run run = {.program = program, .name = name, .metrics = {.lag_bytes = -1, .lag_ms = -1}};
    struct source_positions *p = &run.positions;
    int result = source_program_open(program, options, name, keep, p, error);
    if (kind->relay) {
        cdc_acks_free(p->acks);
        p->acks = NULL;
    }
    int stopped = result == 0 ? wait_for_sinks(program, p, name, error) : 0;
    if (result == 0)
        result = stopped < 0 ? -1 : 0;
    if (result == 0 && stopped == 0)
        result = cdc_start_decide(&run.start, p->offsets, p->acks, kind->relay ? NULL : p->state_dir, name,
                                  STDOUT_FILENO, error);
    if (result == 0 && stopped == 0)
        result = run_stream(&run, options, kind, context, error);
    /* After the stream: the connector BORROWS what the start has (visible, own). */
    cdc_start_free(&run.start);
    source_program_close(p);
    return result;
}
