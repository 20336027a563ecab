/* SPDX-License-Identifier: MIT */
/* What every main() shares: options common to all, messages on stderr,
 * signals, exit status. The library below neither prints nor exits. */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/options.h>
#include <cdc/sink.h>

struct program {
    const char *name;                      /* "pg-cdc" */
    const char *tool;                      /* of its files and figures, where it is another: "cdc-log-append"; NULL */
    const char *synopsis;                  /* "[options] URL": after the name in usage */
    const char *summary;                   /* one sentence */
    const struct cdc_option *options;      /* own table; may be NULL */
    void *values;                          /* own struct */
    const struct cdc_option *more_options; /* a second shared table (sinks); may be NULL */
    void *more_values;
    const char *exit_statuses;              /* one line for --help, e.g. "0 64 65 69 70 74 75 76 77 78 79" */
    void (*more_help)(struct cdc_buf *out); /* appends to --help before the common options; NULL: nothing */
    /* Operands are checked by run. Returns 0, or -1 with error. */
    int (*run)(struct program *program, struct cdc_option_list operands, struct cdc_error *error);
    /* filled by program_main before run: */
    struct cdc_log log;
    struct cdc_control control;
    const char *metrics_file; /* --metrics-file */
    const char *made_folder;  /* what run made for its files: it goes again when it is left empty */
    bool quiet;               /* -q */
    int argc;
    char **argv; /* copies: what may be secret is wiped from the originals (secrets.h) */
};

/* The whole life of a process: descriptors 0-2 open, options, --help/--version, signals, run, message, exit status. */
int program_main(struct program *program, int argc, char **argv);

/* -- a line of the terminal that is written over; messages go above it -- */
/* Is stderr a terminal, and would a message be shown there as text? */
bool program_has_status(void);
/* "": it is cleared. context: none. */
void program_show_status(void *context, const char *text);
/* Its longest text, now. */
size_t program_status_columns(void *context);
/* Writes what is no line of the pipe (--help, --check) to stdout, and frees it. 0 or -1 */
int program_write(struct cdc_buf *out, struct cdc_error *error);

/* What its files and figures are called. */
const char *program_tool(const struct program *program);
/* An environment variable as default: value if set, else getenv(variable), else fallback. */
const char *program_default(const char *value, const char *variable, const char *fallback);

/* USAGE for a name that is empty, as of a variable that a script has not set. Both may be NULL. */
int program_check_places(const char *offset_file, const char *state_dir, struct cdc_error *error);
/* What names a pipeline, a sink or its topic is text in lines and in offset files: UTF-8, or USAGE. */
int program_check_name(const char *name, struct cdc_error *error);

/* Makes the folder unless it is there. BORROWS path for the life of the program. */
int program_make_folder(struct program *program, const char *path, struct cdc_error *error);

/* The path of a file beside another one: path and suffix. *result RETURNS NEW (free); NULL where path is NULL. 0 or -1.
 */
int program_beside(char **result, const char *path, const char *suffix, struct cdc_error *error);

/* -- options of all sinks: --offset-file --state-dir --on-error --dead-letter --max-line --batch-events --batch-time
 * --max-events --idle-exit --retry-max -- */
struct sink_options {
    const char *offset_file, *state_dir, *on_error, *dead_letter, *replay;
    int64_t max_line, batch_events, max_events, retry_max;
    int64_t batch_bytes, offset_ms; /* of struct cdc_sink_settings, for sinks that have such options; 0 */
    double batch_time, idle_exit;
    bool destination_keeps; /* the position, whatever file there is */
};
extern const struct cdc_option sink_option_table[];
void sink_options_init(struct sink_options *options); /* defaults */
/* USAGE for options that do not go together; sink_program_open_offsets asks by itself. */
int sink_program_check(const struct sink_options *options, struct cdc_error *error);
/* Opens the offset file by --offset-file or --state-dir (CDC_STATE_DIR), else default_path (may be NULL: memory): before the
 * destination is touched, since its lock keeps a second copy away. RETURNS NEW */
struct cdc_offset_file *sink_program_open_offsets(struct program *program, const struct sink_options *options,
                                                  const char *default_path, struct cdc_error *error);
/* Is the offset file of --offset-file or --state-dir there already? */
bool sink_program_has_offsets(struct program *program, const struct sink_options *options);
/* Then the loop, once the destination is open, and has told of the offsets that it keeps itself. 0 or -1. */
int sink_program_loop(struct program *program, const struct sink_options *options, struct cdc_offset_file *offsets,
                      const struct cdc_sink_ops *ops, void *sink, struct cdc_error *error);

#endif
