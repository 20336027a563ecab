/* SPDX-License-Identifier: MIT */
/* What the main() functions of sources and of the snapshot share: the URL, where positions are kept, and which sinks
 * confirm them (cdc(7), "What a confirmation means"). */
#ifndef CMD_SOURCE_PROGRAM_H
#define CMD_SOURCE_PROGRAM_H

#include "cmd/program/program.h"

#include <cdc/findings.h>
#include <cdc/offset.h>
#include <cdc/retry.h>
#include <cdc/selection.h>
#include <cdc/source.h>
#include <cdc/value_format.h>

/* The options that all sources have. */
struct source_options {
    struct cdc_selection selection;
    struct cdc_option_list ack;
    const char *name, *offset_file, *state_dir, *int64, *decimal, *composite;
    const char *login_path; /* of MySQL */
    int64_t retry_max;
    int64_t max_events; /* these three: of streams */
    double idle_exit, heartbeat;
};
/* The options after a stream's own: of struct source_options. */
extern const struct cdc_option source_stream_options[];
void source_options_init(struct source_options *options); /* defaults */
void source_options_free(struct source_options *options);
struct cdc_value_format source_options_format(const struct source_options *options);

/* USAGE for files and folders without a name, and for --login-path: its file hides passwords from the eye only, and nothing that is linked reads it. */
int source_program_check_options(const struct source_options *options, struct cdc_error *error);
/* Copies an argument that is a URL. RETURNS NEW (source_program_free_url). */
char *source_program_copy_url(const char *given, struct cdc_error *error);
/* Frees such a copy, and leaves no password in memory. NULL: nothing happens. */
void source_program_free_url(char *url);
/* Copies the operand; "" without one. USAGE when there are several. RETURNS NEW (source_program_free_url). */
char *source_program_take_url(struct cdc_option_list operands, struct cdc_error *error);

/* Where positions are kept, and which ones count. */
struct source_positions {
    const char *state_dir; /* NULL: none */
    bool ack_stdout;
    const char **files; /* --ack, without stdout */
    size_t n_files;
    enum cdc_confirm_mode confirm;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks; /* NULL: what is written counts as stored */
};
enum source_keep {
    SOURCE_KEEP_NOTHING,  /* --temporary: no file, no word about it */
    SOURCE_KEEP_IF_GIVEN, /* in memory unless a file or a folder is given */
    SOURCE_KEEP_HERE      /* in the current folder unless one is given */
};
/* Opens files and acks by the options (and CDC_STATE_DIR). *positions is to be closed in any case. */
int source_program_open(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *positions, struct cdc_error *error);
/* The same for --check: reads what is there, and makes and locks nothing. */
int source_program_look(struct program *program, const struct source_options *options, const char *name,
                        enum source_keep keep, struct source_positions *positions, struct cdc_error *error);
void source_program_close(struct source_positions *positions);
/* A run of a stream, as far as it is known when the connector's source is made. */
struct source_run {
    struct program *program;
    const char *name; /* of the pipeline */
    struct source_positions positions;
    struct cdc_start start;
    struct cdc_metrics metrics;
};
struct source_kind {
    const struct cdc_source_ops *ops;
    /* Makes the source; it may BORROW run and context until close. RETURNS NEW; NULL with error. */
    void *(*open)(void *context, struct source_run *run, struct cdc_error *error);
    void (*close)(void *source); /* NULL: nothing happens */
    /* Its lines are those of other sources, under whose names the sinks acknowledge them (cdc/relay.h): positions.acks is NULL for
     * it, and confirm says all the same whether sinks are asked. */
    bool relay;
};
/* The whole stream of the pipeline `name`: opens what it keeps, decides where to begin, runs to the end, and reports.
 */
int source_program_stream(struct program *program, const struct source_options *options, const char *name,
                          enum source_keep keep, const struct source_kind *kind, void *context,
                          struct cdc_error *error);

/* --check: of its options. USAGE where json is given without check. Messages are silent from then on with it: all that they say is
 * in the object. 0 or -1 */
int source_program_check_json(struct program *program, bool check, bool json, struct cdc_error *error);
/* Its end: writes the facts to stdout, as one JSON object or as a table (not with -q), and frees them. result: of the check, as is
 * its error. Returns result, or -1 where stdout fails. */
int source_program_check_end(struct program *program, struct cdc_findings *findings, const char *name, bool json,
                             int result, struct cdc_error *error);

/* At the end: what the reader of the lines may stumble over. */
void source_program_report(const struct program *program, const struct cdc_metrics *metrics);

#endif
