/* SPDX-License-Identifier: MIT */
/* cdc-snapshot: the rows that are there already, as lines on stdout, and the position from which the log goes on. */
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
    const char *name, *slot, *publication, *offset_file, *state_dir, *int64, *decimal, *progress;
    bool no_create;
    int64_t chunk_rows, retry_max;
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
    {0, "Position", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "offset-file", CDC_OPTION_TEXT, AT(offset_file), "FILE", "state (default ./cdc-snapshot-NAME.offset)", 0, 0,
     NULL},
    {0, "state-dir", CDC_OPTION_TEXT, AT(state_dir), "DIR", "a pipeline's offset files (CDC_STATE_DIR)", 0, 0, NULL},
    {0, "ack", CDC_OPTION_LIST, AT(ack), "FILE", "a sink's offset file: wait for that; or stdout", 0, 0, NULL},
    {0, "chunk-rows", CDC_OPTION_INTEGER, AT(chunk_rows), "N", "a commit line after N rows (default 10000)", 1,
     INT64_C(1) << 40, NULL},
    {0, "retry-max", CDC_OPTION_INTEGER, AT(retry_max), "N", "attempts after an error (default: for ever)", 0,
     INT64_MAX, NULL},
    {0, "Values", CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL},
    {0, "int64", CDC_OPTION_CHOICE, AT(int64), "FORM", "number, or string beyond 2^53 (default number)", 0, 0,
     "number|string"},
    {0, "decimal", CDC_OPTION_CHOICE, AT(decimal), "FORM", "string (default) or number", 0, 0, "string|number"},
    {0, "progress", CDC_OPTION_CHOICE, AT(progress), "WHEN", "show progress (default auto: on a terminal)", 0, 0,
     "auto|always|never"},
    {0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL},
};

/* Where positions are kept, and which ones count. */
struct positions {
    const char *state_dir;
    bool ack_stdout;
    const char **files; /* --ack, without stdout */
    size_t n_files;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks; /* NULL: what is written counts as stored */
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int check_usage(struct cdc_option_list operands, struct cdc_error *error)
{
    if (operands.count > 1)
        return cdc_error_set(error, CDC_EXIT_USAGE, "one URL is enough: '%.80s' is left over", operands.items[1]);
    if (operands.count == 1 &&
        (starts_with(operands.items[0], "mysql:") || starts_with(operands.items[0], "mariadb:"))) {
        cdc_error_set(error, CDC_EXIT_USAGE, "snapshots of MySQL and MariaDB are not built yet");
        return cdc_error_hint(error, "the URL of a PostgreSQL database begins with postgresql://");
    }
    return 0;
}

/* Copies the URL and wipes the original where it holds a password, so that ps shows none. */
static char *take_url(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *given = operands.count ? operands.items[0] : "";
    char *url = strdup(given);
    if (!url) {
        cdc_error_memory(error);
        return NULL;
    }
    const char *at = strrchr(given, '@'), *scheme = strstr(given, "://");
    bool secret = strstr(given, "password") ||
                  (at && scheme && at > scheme && memchr(scheme + 3, ':', (size_t)(at - scheme - 3)));
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

/* Success would let `cdc-snapshot && exec pg-cdc` go on without the rows. */
static int stopped(struct cdc_error *error)
{
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal: the snapshot is incomplete");
    return cdc_error_hint(error, "start the same command again");
}

/* Waits before another try; -1 with the error when there is none. */
static int wait_retry(struct program *program, struct cdc_retry *retry, struct cdc_error *error)
{
    if (program->control.stop)
        return error->status == CDC_EXIT_TEMPORARY ? -1 : stopped(error);
    int64_t wait = cdc_error_is_transient(error) ? cdc_retry_next(retry) : -1;
    if (wait < 0)
        return -1;
    cdc_log(&program->log, CDC_LOG_WARNING, "%s; trying again in %.1f s", error->text, (double)wait / 1000);
    if (cdc_retry_wait(wait, program->control.wake_fd))
        return stopped(error);
    cdc_error_clear(error);
    return 0;
}

/* The name decides the files: it is the database's unless given, which only the server knows for sure. */
static int resolve(struct program *program, struct pg_settings *settings, struct cdc_retry *retry,
                   struct cdc_error *error)
{
    while (!settings->name) {
        PGconn *sql = pg_connect(settings, false, error);
        if (sql) {
            int result = pg_settings_resolve(sql, settings, error);
            PQfinish(sql);
            cdc_retry_success(retry);
            return result;
        }
        if (wait_retry(program, retry, error) < 0)
            return -1;
    }
    return 0;
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

static int open_offsets(struct program *program, const struct values *v, struct positions *p, const char *name,
                        struct cdc_error *error)
{
    if (v->offset_file) {
        p->offsets = cdc_offset_file_open(v->offset_file, program->name, error);
        return p->offsets ? 0 : -1;
    }
    if (p->state_dir && mkdir(p->state_dir, 0700) != 0 && errno != EEXIST)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to make folder \"%s\": %s", p->state_dir, strerror(errno));
    char *path = cdc_state_path(p->state_dir ? p->state_dir : ".", program->name, name);
    if (!path)
        return cdc_error_memory(error);
    p->offsets = cdc_offset_file_open(path, program->name, error);
    free(path);
    return p->offsets ? 0 : -1;
}

/* With sinks it is their files that count; without, what is written. `> file` with a state folder and no sink in it:
 * the file is the sink. */
static int open_acks(struct program *program, struct positions *p, const char *name, struct cdc_error *error)
{
    const struct cdc_offset *ignored;
    const char *dir = p->ack_stdout ? NULL : p->state_dir;
    if (p->n_files > 0 || dir) {
        p->acks = cdc_acks_new(name, p->files, p->n_files, dir, error);
        if (!p->acks || cdc_acks_read(p->acks, &ignored, error) < 0)
            return -1;
        if (p->n_files == 0 && cdc_acks_count(p->acks) == 0 && stdout_is(S_IFREG)) {
            cdc_acks_free(p->acks);
            p->acks = NULL;
        }
        return 0;
    }
    if (!p->ack_stdout && (stdout_is(S_IFIFO) || stdout_is(S_IFSOCK)))
        cdc_log(&program->log, CDC_LOG_INFO,
                "no --ack or --state-dir: what the pipe has taken counts as stored, and is not sent again if the "
                "reader loses it");
    return 0;
}

static int snapshot(struct program *program, const struct values *v, struct pg_settings *settings, struct positions *p,
                    struct cdc_retry *retry, struct cdc_error *error)
{
    struct cdc_metrics metrics = {.lag_bytes = -1, .lag_ms = -1};
    bool progress = strcmp(v->progress, "always") == 0 || (strcmp(v->progress, "auto") == 0 && isatty(STDERR_FILENO));
    const struct pg_snapshot_settings snapshot_settings = {
        .settings = settings, .chunk_rows = v->chunk_rows, .progress = progress, .output_fd = STDOUT_FILENO};
    int result;
    while ((result = pg_snapshot_run(&snapshot_settings, p->offsets, p->acks, &program->control, &metrics,
                                     &program->log, error)) < 0) {
        metrics.errors++;
        if (wait_retry(program, retry, error) < 0)
            break;
        metrics.retries++;
    }
    if (program->metrics_file &&
        cdc_metrics_save(program->metrics_file, &metrics, program->name, settings->name, error) < 0)
        return -1;
    if (metrics.unconvertible > 0)
        cdc_log(&program->log, CDC_LOG_WARNING, "%llu values were not valid UTF-8 and were written as base64",
                (unsigned long long)metrics.unconvertible);
    return result;
}

static int run_resolved(struct program *program, const struct values *v, struct pg_settings *settings,
                        struct cdc_retry *retry, struct cdc_error *error)
{
    struct positions p = {.state_dir = program_default(v->state_dir, "CDC_STATE_DIR", NULL)};
    int result = -1;
    if (split_acks(v, &p, error) == 0 && open_offsets(program, v, &p, settings->name, error) == 0 &&
        open_acks(program, &p, settings->name, error) == 0)
        result = snapshot(program, v, settings, &p, retry, error);
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
    struct cdc_retry retry;
    if (check_usage(operands, error) < 0)
        return -1;
    char *url = take_url(program, operands, error);
    if (!url)
        return -1;
    struct pg_settings settings = {
        .url = url,
        .name = v->name,
        .slot = v->slot,
        .publication = v->publication,
        .tables = v->tables,
        .exclude = v->exclude,
        .no_create = v->no_create,
        .style = {strcmp(v->int64, "string") == 0, strcmp(v->decimal, "number") == 0},
        .tool = program->name,
        .log = &program->log,
        .control = &program->control,
    };
    cdc_retry_init(&retry, v->retry_max);
    int result = resolve(program, &settings, &retry, error);
    if (result == 0)
        result = run_resolved(program, v, &settings, &retry, error);
    free_unless(settings.name, v->name);
    free_unless(settings.slot, v->slot);
    free_unless(settings.publication, v->publication);
    free(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {
        .int64 = "number", .decimal = "string", .progress = "auto", .chunk_rows = 10000, .retry_max = -1};
    struct program program = {
        .name = "cdc-snapshot",
        .synopsis = "[options] [URL]",
        .summary = "Writes the rows of PostgreSQL tables as lines of JSON, for pg-cdc to go on from.",
        .options = option_table,
        .values = &values,
        .exit_statuses = "0 64 69 70 74 75 76 77 78 79",
        .run = run,
    };
    int status = program_main(&program, argc, argv);
    free(values.tables.items);
    free(values.exclude.items);
    free(values.ack.items);
    return status;
}
