/* SPDX-License-Identifier: MIT */
#include "cmd/filter/privacy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cdc/line.h>

#define SUBJECT_MAX ((size_t)1 << 20) /* bytes */

struct forgotten {
    uint64_t all, had_key;
};

/* One a line, so that none stands in the process list or in a shell's history. */
static int forget_lines(struct program *program, struct cdc_key_store *store, struct cdc_line_reader *reader,
                        struct forgotten *forgotten, struct cdc_error *error)
{
    for (;;) {
        struct cdc_span line;
        bool had_key;
        enum cdc_line_result got = cdc_line_reader_next(reader, &line, error);
        if (got == CDC_LINE_ERROR)
            return -1;
        if (got == CDC_LINE_END || program->control.stop)
            break;
        if (got == CDC_LINE_AGAIN) {
            cdc_line_reader_wait(reader, program->control.wake_fd, 1000);
            continue;
        }
        if (got == CDC_LINE_TOO_LONG || line.n == 0 || !cdc_utf8_valid(line.p, line.n))
            return cdc_error_set(error, CDC_EXIT_DATA, "line %" PRIu64 " of the input is no subject",
                                 cdc_line_reader_number(reader));
        if (cdc_key_store_forget(store, line, &had_key, error) != 0)
            return -1;
        forgotten->all++;
        forgotten->had_key += had_key;
    }
    if (program->control.stop)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal before the end of the input");
    if (cdc_line_reader_leftover(reader) > 0)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "the input ended inside a line, which was not taken");
    return 0;
}

static int forget(struct program *program, const char *path, struct cdc_error *error)
{
    struct forgotten forgotten = {0, 0};
    struct cdc_key_store *store = cdc_key_store_open(path, error);
    struct cdc_line_reader *reader = store != NULL ? cdc_line_reader_new(STDIN_FILENO, SUBJECT_MAX, error) : NULL;
    int result = reader != NULL ? forget_lines(program, store, reader, &forgotten, error) : -1;

    if (store != NULL)
        cdc_log_write(&program->log, CDC_LOG_INFO, "%" PRIu64 " subjects are forgotten; %" PRIu64 " of them had a key",
                      forgotten.all, forgotten.had_key);
    cdc_line_reader_free(reader);
    cdc_key_store_close(store);
    return result;
}

int privacy_protect(struct cdc_error *error)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "unable to forbid core files: %s", strerror(errno));
}

int privacy_other_work(struct program *program, const struct privacy_options *options, struct cdc_error *error)
{
    struct cdc_privacy_settings others = options->settings;

    if (options->make_key_store == NULL && !options->forget)
        return 0;
    if (options->forget)
        others.key_store = NULL;
    if (cdc_privacy_is_set(&others) || (options->forget && options->make_key_store != NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--make-key-store and --forget do nothing else: give them alone");
    if (privacy_protect(error) != 0)
        return -1;
    if (options->make_key_store != NULL)
        return cdc_key_store_make(options->make_key_store, error) == 0 ? 1 : -1;
    if (options->settings.key_store == NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--forget needs --key-store DIR");
    return forget(program, options->settings.key_store, error) == 0 ? 1 : -1;
}

void privacy_free_options(struct privacy_options *options)
{
    free(options->settings.mask.items);
    free(options->settings.tokenize.items);
    free(options->settings.encrypt.items);
    free(options->settings.subject.items);
    free(options->settings.only.items);
}
