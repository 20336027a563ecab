/* SPDX-License-Identifier: MIT */
/* pg-cdc: changes of PostgreSQL tables as lines on stdout. */
#include "program.h"

#include "connectors/postgres/postgres.h"

#include <cdc/retry.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct values {
    struct cdc_option_list tables, exclude, ack;
    const char *name, *slot, *publication, *offset_file, *state_dir, *until, *int64, *decimal;
    bool no_create, drop, temporary, check;
    int64_t max_events, retry_max;
    double idle_exit, heartbeat;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    {0, "What to read", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {'t', "table", CDC_OPTION_LIST, AT(tables), "PATTERN", "only tables that match (schema.table, * and ?)", 0, 0,
     NULL},
    {'T', "exclude-table", CDC_OPTION_LIST, AT(exclude), "PATTERN", "but not those", 0, 0, NULL},
    {0, "name", CDC_OPTION_TEXT, AT(name), "NAME", "name of the pipeline (default: the database's)", 0, 0, NULL},
    {0, "slot", CDC_OPTION_TEXT, AT(slot), "NAME", "replication slot (default cdc_NAME)", 0, 0, NULL},
    {0, "publication", CDC_OPTION_TEXT, AT(publication), "NAME", "publication (default cdc_NAME)", 0, 0, NULL},
    {0, "no-create", CDC_OPTION_FLAG, AT(no_create), NULL, "create neither slot nor publication", 0, 0, NULL},
    {0, "temporary", CDC_OPTION_FLAG, AT(temporary), NULL, "a look: slot gone at the end, nothing kept", 0, 0, NULL},
    {0, "Instead of reading", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "check", CDC_OPTION_FLAG, AT(check), NULL, "say what would stop the pipe or lose rows", 0, 0, NULL},
    {0, "drop", CDC_OPTION_FLAG, AT(drop), NULL, "remove the slot, and the publication if made here", 0, 0, NULL},
    {0, "Position", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "offset-file", CDC_OPTION_TEXT, AT(offset_file), "FILE", "where the position is kept", 0, 0, NULL},
    {0, "state-dir", CDC_OPTION_TEXT, AT(state_dir), "DIR", "a pipeline's offset files (CDC_STATE_DIR)", 0, 0, NULL},
    {0, "ack", CDC_OPTION_LIST, AT(ack), "FILE", "a sink's offset file: confirm that; or stdout", 0, 0, NULL},
    {0, "until", CDC_OPTION_TEXT, AT(until), "WHEN", "end there: now, an LSN, or a time", 0, 0, NULL},
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

/* How positions are kept and what confirms them; see cdc(7), "Acknowledgement". */
struct positions {
    const char *state_dir;
    bool ack_stdout;
    const char **files; /* --ack, without stdout */
    size_t n_files;
    enum cdc_confirm_mode confirm;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
};

static int check_usage(const struct values *v, struct cdc_option_list operands, struct cdc_error *error)
{
    uint64_t lsn;
    int64_t ms;
    if (operands.count > 1)
        return cdc_error_set(error, CDC_EXIT_USAGE, "one URL is enough: '%.80s' is left over", operands.items[1]);
    if (v->drop && v->check)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--check and --drop exclude each other");
    if (v->temporary && v->drop)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--temporary leaves nothing to --drop");
    if (v->temporary && (v->offset_file || v->state_dir || v->ack.count))
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--temporary keeps no position: no --offset-file, --state-dir or --ack");
    return pg_until_parse(v->until, &lsn, &ms, error);
}

/* Copies the URL and wipes the original where it holds a password, so that ps shows none.
 */
static char *take_url(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *given = operands.count ? operands.items[0] : "";
    char *url = strdup(given);
    if (!url) {
        cdc_error_memory(error);
        return NULL;
    }
    const char *at = strrchr(given, '@'), *scheme = strstr(given, "://");
    bool secret = strstr(given, "password") || (at && scheme && memchr(scheme + 3, ':', (size_t)(at - scheme)));
    for (int i = 1; secret && i < program->argc; i++)
        if (program->argv[i] == given)
            program_wipe_argument(program->argv[i]);
    return url;
}

static bool stdout_is(mode_t kind)
{
    struct stat status;
    return fstat(STDOUT_FILENO, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

/* The name decides the files: it is the database's unless given, which only the server
 * knows for sure. */
static int resolve(struct program *program, struct pg_settings *settings, int64_t retry_max, struct cdc_error *error)
{
    struct cdc_retry retry;
    cdc_retry_init(&retry, retry_max);
    for (;;) {
        PGconn *sql = pg_connect(settings, false, error);
        if (sql) {
            int result = pg_settings_resolve(sql, settings, error);
            PQfinish(sql);
            return result;
        }
        if (program->control.stop)
            return 1;
        int64_t wait = cdc_error_is_transient(error) ? cdc_retry_next(&retry) : -1;
        if (wait < 0)
            return -1;
        cdc_log(&program->log, CDC_LOG_WARNING, "%s; trying again in %.1f s", error->text, (double)wait / 1000);
        if (cdc_retry_wait(wait, program->control.wake_fd))
            return 1;
        cdc_error_clear(error);
    }
}

static int split_acks(const struct values *v, struct positions *p, struct cdc_error *error)
{
    p->files = calloc(v->ack.count + 1, sizeof *p->files);
    if (!p->files)
        return cdc_error_memory(error);
    for (size_t i = 0; i < v->ack.count; i++) {
        if (strcmp(v->ack.items[i], "stdout") == 0)
            p->ack_stdout = true;
        else
            p->files[p->n_files++] = v->ack.items[i];
    }
    if (p->ack_stdout && p->n_files > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--ack=stdout and --ack=FILE exclude each other");
    return 0;
}

static int make_folder(const char *path, struct cdc_error *error)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to make folder \"%s\": %s", path, strerror(errno));
    return 0;
}

static int open_offsets(struct program *program, const struct values *v, struct positions *p, const char *name,
                        struct cdc_error *error)
{
    if (v->offset_file) {
        p->offsets = cdc_offset_file_open(v->offset_file, program->name, error);
    } else if (p->state_dir) {
        if (make_folder(p->state_dir, error) < 0)
            return -1;
        char *path = cdc_state_path(p->state_dir, program->name, name);
        p->offsets = path ? cdc_offset_file_open(path, program->name, error) : NULL;
        if (!path)
            cdc_error_memory(error);
        free(path);
    } else {
        p->offsets = cdc_offset_file_memory(program->name, error);
    }
    return p->offsets ? 0 : -1;
}

/* With sinks it is their files that count. Without: what is written, and where stdout is
 * a pipe the reader owns what it has read; that is said. */
static int open_acks(struct program *program, const struct values *v, struct positions *p, const char *name,
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
        if (p->n_files > 0 || cdc_acks_count(p->acks) > 0 || !stdout_is(S_IFREG))
            p->confirm = CDC_CONFIRM_ACKS;
    }
    if (p->confirm == CDC_CONFIRM_WRITTEN && !p->ack_stdout && !v->temporary &&
        (stdout_is(S_IFIFO) || stdout_is(S_IFSOCK)))
        cdc_log(&program->log, CDC_LOG_INFO,
                "no --ack or --state-dir: what the pipe has taken counts as stored, and "
                "is not sent again if the reader "
                "loses it");
    return 0;
}

/* Streaming over half a snapshot would move the sinks past the rows that are still
 * missing, for ever. */
static int check_snapshot(const struct cdc_offset *snapshot, const char *name, struct cdc_error *error)
{
    struct cdc_span state = cdc_span_text(snapshot->state);

    if (cdc_span_is(cdc_json_member(state, "finished"), "true") || cdc_json_member(state, "written").p != NULL)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the snapshot of \"%s\" was begun and is not complete", name);
    return cdc_error_hint(error, "run cdc-snapshot with the same arguments to its end first");
}

/* Has any part of the pipeline a position? Then nothing is ever created again. 1, 0 or
 * -1. */
static int has_position(struct positions *p, const char *name, struct cdc_error *error)
{
    const struct cdc_offset *own = cdc_offset_file_get(p->offsets, name), *acked = NULL;

    if (p->state_dir) {
        struct cdc_offset snapshot;
        char *path = cdc_state_path(p->state_dir, "cdc-snapshot", name);
        if (!path)
            return cdc_error_memory(error);
        int found = cdc_offset_read(path, name, &snapshot, error);
        free(path);
        if (found < 0)
            return -1;
        if (found > 0) {
            int complete = check_snapshot(&snapshot, name, error);
            cdc_offset_free(&snapshot);
            return complete < 0 ? -1 : 1;
        }
    }
    if (own && *own->pos)
        return 1;
    if (p->acks && cdc_acks_read(p->acks, &acked, error) < 0)
        return -1;
    return acked != NULL;
}

static int stream(struct program *program, const struct values *v, struct pg_settings *settings, struct positions *p,
                  struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    int resume = has_position(p, settings->name, error);
    if (resume < 0)
        return -1;
    const struct pg_stream_settings stream_settings = {.settings = settings,
                                                       .heartbeat = v->heartbeat,
                                                       .until = v->until,
                                                       .max_events = v->max_events,
                                                       .resume_only = resume > 0};
    const struct cdc_source_settings source_settings = {.tool = program->name,
                                                        .name = settings->name,
                                                        .output_fd = STDOUT_FILENO,
                                                        .confirm = p->confirm,
                                                        .idle_exit = v->idle_exit,
                                                        .retry_max = v->retry_max,
                                                        .metrics_file = program->metrics_file};
    struct pg_stream *source = pg_stream_new(&stream_settings, &metrics, &program->log, error);
    if (!source)
        return -1;
    int result = cdc_source_run(&pg_stream_ops, source, &source_settings, p->offsets, p->acks, &program->control,
                                &metrics, &program->log, error);
    pg_stream_free(source);
    return result;
}

static int drop(struct program *program, const struct pg_settings *settings, struct cdc_error *error)
{
    PGconn *sql = pg_connect(settings, false, error);
    int result = sql ? pg_drop(sql, settings, &program->log, error) : -1;
    PQfinish(sql);
    return result;
}

static int run_resolved(struct program *program, const struct values *v, struct pg_settings *settings,
                        struct cdc_error *error)
{
    struct positions p = {.state_dir = v->temporary ? NULL : program_default(v->state_dir, "CDC_STATE_DIR", NULL)};
    int result = -1;
    if (split_acks(v, &p, error) == 0 && open_offsets(program, v, &p, settings->name, error) == 0 &&
        open_acks(program, v, &p, settings->name, error) == 0)
        result = stream(program, v, settings, &p, error);
    cdc_acks_free(p.acks);
    cdc_offset_file_free(p.offsets);
    free(p.files);
    return result;
}

/* What pg_settings_resolve filled in is ours, what the user gave is argv's. */
static void free_unless(const char *text, const char *given)
{
    if (text != given)
        free((void *)text);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const struct values *v = program->values;
    if (check_usage(v, operands, error) < 0)
        return -1;
    char *url = take_url(program, operands, error);
    if (!url)
        return -1;
    struct pg_settings settings = {.url = url,
                                   .name = v->name,
                                   .slot = v->slot,
                                   .publication = v->publication,
                                   .tables = v->tables,
                                   .exclude = v->exclude,
                                   .no_create = v->no_create,
                                   .temporary = v->temporary,
                                   .style = {strcmp(v->int64, "string") == 0, strcmp(v->decimal, "number") == 0},
                                   .tool = program->name,
                                   .log = &program->log,
                                   .control = &program->control};
    int result =
        v->check ? pg_check(&settings, &program->log, error) : resolve(program, &settings, v->retry_max, error);
    if (result > 0) { /* stopped while waiting for the server */
        cdc_error_clear(error);
        result = 0;
    } else if (result == 0 && v->drop) {
        result = drop(program, &settings, error);
    } else if (result == 0 && !v->check) {
        result = run_resolved(program, v, &settings, error);
    }
    free_unless(settings.name, v->name);
    free_unless(settings.slot, v->slot);
    free_unless(settings.publication, v->publication);
    free(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {.int64 = "number", .decimal = "string", .heartbeat = 10, .retry_max = -1};
    struct program program = {.name = "pg-cdc",
                              .synopsis = "[options] [URL]",
                              .summary = "Writes the changes of PostgreSQL tables as lines of JSON to stdout.",
                              .options = option_table,
                              .values = &values,
                              .exit_statuses = "0 64 69 70 74 75 76 77 78 79",
                              .run = run};
    int status = program_main(&program, argc, argv);
    free(values.tables.items);
    free(values.exclude.items);
    free(values.ack.items);
    return status;
}
