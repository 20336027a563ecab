/* SPDX-License-Identifier: MIT */
/* What the main() functions of sources and of the snapshot share. */
#include "cmd/program/source.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(member) offsetof(struct source_options, member)
const struct cdc_option source_stream_options[] = {
    {0, "max-events", CDC_OPTION_INTEGER, AT(max_events), "N", "end after N changes, at a commit", 1, INT64_MAX, NULL},
    {0, "idle-exit", CDC_OPTION_SECONDS, AT(idle_exit), "SEC", "end after SEC seconds without a change", 0, 0, NULL},
    {0, "heartbeat", CDC_OPTION_SECONDS, AT(heartbeat), "SEC", "a line when nothing happens (default 10; 0: none)", 0,
     0, NULL},
    {0, "retry-max", CDC_OPTION_INTEGER, AT(retry_max), "N", "attempts after an error (default: for ever)", 0,
     INT64_MAX, NULL},
    {0, "Values", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "int64", CDC_OPTION_CHOICE, AT(int64), "FORM", "number, or string beyond 2^53 (default number)", 0, 0,
     "number|string"},
    {0, "decimal", CDC_OPTION_CHOICE, AT(decimal), "FORM", "string (default) or number", 0, 0, "string|number"},
    {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL},
};

void source_options_init(struct source_options *options)
{
    *options = (struct source_options){.int64 = "number", .decimal = "string", .retry_max = -1, .heartbeat = 10};
}

void source_options_free(struct source_options *options)
{
    cdc_selection_free(&options->selection);
    free(options->ack.items);
}

int source_program_check_login(const struct source_options *options, struct cdc_error *error)
{
    if (!options->login_path)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--login-path is not read here: give --defaults-file FILE");
    return cdc_error_hint(
        error, "my_print_defaults -s --login-path=NAME NAME prints what goes into FILE, see mysql-binlog(1)");
}

char *source_program_copy_url(struct program *program, const char *given, struct cdc_error *error)
{
    char *url = strdup(given);
    if (!url) {
        cdc_error_memory(error);
        return NULL;
    }
    const char *at = strrchr(given, '@'), *scheme = strstr(given, "://");
    bool secret = strstr(given, "password") ||
                  (at && scheme && at > scheme + 3 && memchr(scheme + 3, ':', (size_t)(at - scheme - 3)));
    for (int i = 1; secret && i < program->argc; i++) {
        size_t n = strlen(program->argv[i]); /* the text may be the end of --option=TEXT */
        if (given >= program->argv[i] && given < program->argv[i] + n)
            program_wipe_argument(program->argv[i] + (given - program->argv[i]));
    }
    return url;
}

char *source_program_take_url(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    if (operands.count <= 1)
        return source_program_copy_url(program, operands.count ? operands.items[0] : "", error);
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
    char *path = cdc_state_path(folder, program->name, name);
    if (!path)
        return cdc_error_memory(error);
    p->offsets = cdc_offset_file_open(path, program->name, error);
    free(path);
    return p->offsets ? 0 : -1;
}

static int open_offsets(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *p, struct cdc_error *error)
{
    if (options->offset_file)
        p->offsets = cdc_offset_file_open(options->offset_file, program->name, error);
    else if (!p->state_dir && keep == SOURCE_KEEP_HERE)
        return open_in_folder(program, ".", name, p, error);
    else if (!p->state_dir)
        p->offsets = cdc_offset_file_memory(program->name, error);
    else if (mkdir(p->state_dir, 0700) != 0 && errno != EEXIST)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to make folder \"%s\": %s", p->state_dir, strerror(errno));
    else
        return open_in_folder(program, p->state_dir, name, p, error);
    return p->offsets ? 0 : -1;
}

/* With sinks it is their files that count. Without: what is written, and where stdout is a pipe the reader owns what it
 * has read; that is said. */
static int open_acks(struct program *program, const char *name, enum source_keep keep, struct source_positions *p,
                     struct cdc_error *error)
{
    const char *dir = p->ack_stdout ? NULL : p->state_dir;
    p->confirm = CDC_CONFIRM_WRITTEN;
    if (p->n_files > 0 || dir) {
        const struct cdc_offset *ignored;
        p->acks = cdc_acks_new(name, p->files, p->n_files, dir, error);
        if (!p->acks || cdc_acks_read(p->acks, &ignored, error) < 0)
            return -1;
        /* `> file` with a state folder and no sink in it: the file is the sink. */
        if (p->n_files > 0 || cdc_acks_count(p->acks) > 0 || !stdout_is(S_IFREG)) {
            p->confirm = CDC_CONFIRM_ACKS;
            return 0;
        }
        cdc_acks_free(p->acks);
        p->acks = NULL;
    }
    if (!p->ack_stdout && !dir && keep != SOURCE_KEEP_NOTHING && (stdout_is(S_IFIFO) || stdout_is(S_IFSOCK)))
        cdc_log(&program->log, CDC_LOG_INFO,
                "no --ack or --state-dir: what the pipe has taken counts as stored, and is not sent again if the "
                "reader loses it");
    return 0;
}

int source_program_open(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *positions, struct cdc_error *error)
{
    *positions = (struct source_positions){
        .state_dir = keep == SOURCE_KEEP_NOTHING ? NULL : program_default(options->state_dir, "CDC_STATE_DIR", NULL)};
    if (split_acks(&options->ack, positions, error) < 0 ||
        open_offsets(program, options, name, keep, positions, error) < 0)
        return -1;
    return open_acks(program, name, keep, positions, error);
}

void source_program_close(struct source_positions *positions)
{
    cdc_acks_free(positions->acks);
    cdc_offset_file_free(positions->offsets);
    free(positions->files);
    free(positions->read_at);
    if (positions->has_snapshot)
        cdc_offset_free(&positions->snapshot);
}

static int check_snapshot(const struct cdc_offset *snapshot, const char *name, struct cdc_error *error)
{
    struct cdc_span state = cdc_span_text(snapshot->state);

    if (cdc_span_is(cdc_json_member(state, "finished"), "true") || cdc_json_member(state, "written").p != NULL)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the snapshot of \"%s\" was begun and is not complete", name);
    return cdc_error_hint(error, "run cdc-snapshot with the same arguments to its end first");
}

/* 1, 0, or -1. */
static int has_snapshot(struct source_positions *positions, const char *name, struct cdc_error *error)
{
    struct cdc_offset snapshot;
    char *path = cdc_state_path(positions->state_dir, "cdc-snapshot", name);
    if (!path)
        return cdc_error_memory(error);
    int found = cdc_offset_read(path, name, &snapshot, error);
    free(path);
    if (found <= 0)
        return found;
    int complete = check_snapshot(&snapshot, name, error);
    struct cdc_span read_at = cdc_json_member(cdc_span_text(snapshot.state), "read_at");
    if (read_at.p != NULL && positions->read_at == NULL)
        positions->read_at = cdc_span_copy(read_at);
    if (complete < 0 || positions->has_snapshot) {
        cdc_offset_free(&snapshot);
        return complete < 0 ? -1 : 1;
    }
    positions->snapshot = snapshot;
    positions->has_snapshot = true;
    return 1;
}

int source_program_has_position(struct source_positions *positions, const char *name, struct cdc_error *error)
{
    const struct cdc_offset *own = cdc_offset_file_get(positions->offsets, name), *acked = NULL;
    int found = positions->state_dir ? has_snapshot(positions, name, error) : 0;
    if (found != 0)
        return found;
    if (own && *own->pos)
        return 1;
    if (positions->acks && cdc_acks_read(positions->acks, &acked, error) < 0)
        return -1;
    return acked != NULL;
}

void source_program_report(const struct program *program, const struct cdc_metrics *metrics)
{
    if (metrics->unconvertible > 0)
        cdc_log(&program->log, CDC_LOG_WARNING,
                "%llu texts cannot be said exactly in Unicode, or are not valid in their charset: written as base64",
                (unsigned long long)metrics->unconvertible);
}

int source_program_wait(struct program *program, struct cdc_retry *retry, struct cdc_error *error)
{
    if (program->control.stop)
        return 1;
    int64_t wait = cdc_error_is_transient(error) ? cdc_retry_next(retry) : -1;
    if (wait < 0)
        return -1;
    cdc_log(&program->log, CDC_LOG_WARNING, "%s; trying again in %.1f s", error->text, (double)wait / 1000);
    if (cdc_retry_wait(wait, program->control.wake_fd))
        return 1;
    cdc_error_clear(error);
    return 0;
}
