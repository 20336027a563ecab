/* SPDX-License-Identifier: MIT */
#include "cmd/filter/letters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/line.h>

int letters_check(const struct letter_options *options, bool is_private, struct cdc_error *error)
{
    bool kept = strcmp(options->on_error, "dead-letter") == 0;

    if (options->file == NULL && (options->reason != NULL || options->reasons))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--reason and --reasons go with --dead-letters FILE");
    if (kept != (options->dead_letter != NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--on-error=dead-letter and --dead-letter FILE go together");
    if (kept && is_private && options->lines == NULL) {
        cdc_error_set(error, CDC_EXIT_USAGE, "a dead letter is the line as it came, with what must not leave");
        return cdc_error_hint(error,
                              "say --dead-letter-lines=redacted, which keeps what line it was and loses the row, "
                              "or =whole where the file may hold everything");
    }
    if (options->lines != NULL && !(kept && is_private))
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--dead-letter-lines goes with --dead-letter and with options for privacy");
    return 0;
}

struct showing {
    const struct letter_options *options;
    struct cdc_filter *filter;
    bool chooses;
    struct cdc_writer *writer;
    struct cdc_buf line; /* of the letter in hand */
    struct cdc_buf reason;
    struct cdc_buf dropped;
    uint64_t redacted, no_letters;
};

/* Is it what was asked for? What is no event is in no table. */
static bool is_chosen(struct showing *showing, struct cdc_span text, struct cdc_buf *out)
{
    struct cdc_event event;
    struct cdc_error ignored = {0};

    if (text.p == NULL || cdc_event_parse(&event, text.p, text.n, &ignored) != 0)
        return !showing->chooses;
    out->len = 0;
    return cdc_filter_event(showing->filter, &event, out, &ignored) > 0;
}

/* The line as text, in showing->line; p NULL: the letter has none. */
static struct cdc_span line_of(struct showing *showing, struct cdc_span letter)
{
    struct cdc_span raw = cdc_json_member_raw(letter, "line");

    showing->line.len = 0;
    if (raw.p == NULL)
        return cdc_span(NULL, 0);
    cdc_json_unescape(&showing->line, raw);
    return cdc_span(showing->line.data != NULL ? showing->line.data : "", showing->line.len);
}

static bool has_reason(struct showing *showing, struct cdc_span letter)
{
    const char *wanted = showing->options->reason;

    if (wanted == NULL)
        return true;
    showing->reason.len = 0;
    cdc_json_unescape(&showing->reason, cdc_json_member_raw(letter, "reason"));
    cdc_buf_byte(&showing->reason, '\0');
    return !showing->reason.failed && strstr(showing->reason.data, wanted) != NULL;
}

static void show(struct showing *showing, struct cdc_span letter)
{
    struct cdc_buf *out = cdc_writer_buf(showing->writer);
    struct cdc_span text = line_of(showing, letter), of = cdc_json_member(letter, "of");
    bool whole = text.p != NULL;

    if (!has_reason(showing, letter) || !is_chosen(showing, whole ? text : of, &showing->dropped))
        return;
    if (!whole && !showing->options->reasons) {
        showing->redacted++;
        return;
    }
    /* As it came, but for the columns that the filter leaves out. */
    if (showing->options->reasons)
        cdc_buf_span(out, letter);
    else if (showing->dropped.len > 0)
        cdc_buf_append(out, showing->dropped.data, showing->dropped.len - 1);
    else
        cdc_buf_span(out, text);
    cdc_buf_byte(out, '\n');
}

static int show_all(struct program *program, struct showing *showing, struct cdc_line_reader *reader,
                    struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_span line;

    while (!program->control.stop) {
        enum cdc_line_result got = cdc_line_reader_next(reader, &line, error);
        if (got == CDC_LINE_ERROR)
            return -1;
        if (got == CDC_LINE_END)
            break;
        if (got == CDC_LINE_AGAIN) {
            cdc_line_reader_wait(reader, program->control.wake_fd, 1000);
            continue;
        }
        ignored = (struct cdc_error){0};
        showing->dropped.len = 0;
        if (got == CDC_LINE_TOO_LONG || cdc_json_validate(line.p, line.n, &ignored) != 0 ||
            cdc_json_member_raw(line, "reason").p == NULL)
            showing->no_letters++;
        else
            show(showing, line);
        if (showing->line.failed || showing->dropped.failed)
            return cdc_error_memory(error);
        if (cdc_writer_pending(showing->writer) > 64 << 10 &&
            cdc_writer_finish(showing->writer, &program->control, -1, error) != 0)
            return -1;
    }
    return cdc_writer_finish(showing->writer, &program->control, -1, error) == 0 ? 0 : -1;
}

static int report(const struct program *program, const struct showing *showing, struct cdc_error *error)
{
    if (showing->redacted > 0)
        cdc_log_write(&program->log, CDC_LOG_WARNING, "%" PRIu64 " letters have no line (redacted): see --reasons",
                      showing->redacted);
    return showing->no_letters == 0
               ? 0
               : cdc_error_set(error, CDC_EXIT_DATA, "%" PRIu64 " lines of \"%s\" are no dead letters",
                               showing->no_letters, showing->options->file);
}

int letters_show(struct program *program, const struct letter_options *options, struct cdc_filter *filter, bool chooses,
                 size_t max_line, struct cdc_error *error)
{
    struct showing showing = {.options = options, .filter = filter, .chooses = chooses};
    int fd = open(options->file, O_RDONLY | O_CLOEXEC), result = -1;

    if (fd < 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to read \"%s\": %s", options->file, strerror(errno));
    /* A line has at most six bytes for one in a letter. */
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, max_line * 6 + 4096, error);
    if (reader != NULL && (showing.writer = cdc_writer_new(STDOUT_FILENO, error)) != NULL)
        result = show_all(program, &showing, reader, error);
    if (result == 0)
        result = report(program, &showing, error);
    cdc_writer_free(showing.writer);
    cdc_line_reader_free(reader);
    close(fd);
    cdc_buf_free(&showing.line);
    cdc_buf_free(&showing.reason);
    cdc_buf_free(&showing.dropped);
    return result;
}
