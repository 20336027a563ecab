/* SPDX-License-Identifier: MIT */
/* What every main() shares: the life of a process around run(). Only here, and in the mains, does anything print or
 * exit; the library below hands errors up as values. */
#include "cmd/program/options.h"
#include "cmd/program/program.h"
#include "cmd/program/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/json.h>
#include <cdc/retry.h>
#include <cdc/version.h>

#define LOOK_MS 100 /* how soon a second signal is seen */

struct common_options {
    bool help, version, verbose, quiet;
    const char *log_format, *metrics_file;
};

static const struct cdc_option common_table[] = {
    OPTION_HEADING("Common options"),
    OPTION_FLAG('v', "verbose", offsetof(struct common_options, verbose), "say more on stderr"),
    OPTION_FLAG('q', "quiet", offsetof(struct common_options, quiet), "say only warnings and errors"),
    OPTION_CHOICE("log-format", offsetof(struct common_options, log_format), "FORMAT", "form of messages", "text|json"),
    OPTION_TEXT("metrics-file", offsetof(struct common_options, metrics_file), "FILE",
                "write counters as Prometheus text, every 5 seconds"),
    OPTION_FLAG('h', "help", offsetof(struct common_options, help), "show this help"),
    OPTION_FLAG('V', "version", offsetof(struct common_options, version), "show the version"),
    OPTION_END,
};

/* -- messages --------------------------------------------------------------- */

/* Of the process; NULL until its signals are caught. */
static struct cdc_control *controlled;

/* The log's callback has no state of its own (context is NULL): a process has one stderr. */
static struct {
    const char *name;
    enum cdc_log_level level;
    bool json;
} message_style = {"cdc", CDC_LOG_INFO, false};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* Bytes from data or a server must not steer a terminal. */
static void append_escaped(struct cdc_buf *out, const char *text)
{
    /* An error text is truncated at a fixed length, maybe inside a character; then all bytes above 0x7f are shown as
     * \xNN. */
    bool utf8 = cdc_utf8_valid(text, strlen(text));

    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        /* C1 controls are 0xc2 0x80..0x9f in UTF-8. */
        bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
        if (control || (*p >= 0x80 && !utf8))
            cdc_buf_printf(out, "\\x%02x", *p);
        else
            cdc_buf_byte(out, (char)*p);
    }
}

/* A terminal that was stopped, or a pipe whose reader does nothing, takes no more: a message waits for it, but not once a second
 * signal has come. A failed poll leaves it to the write. */
static bool stderr_takes_more(void)
{
    struct pollfd poller = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n;

    do {
        bool leave = controlled != NULL && controlled->stop >= 2;
        n = poll(&poller, 1, leave ? 0 : LOOK_MS);
        if (n == 0 && leave)
            return false;
    } while (n == 0 || (n < 0 && errno == EINTR));
    return true;
}

static void write_stderr(const struct cdc_buf *line)
{
    if (line->failed || !stderr_takes_more())
        return;
    ssize_t n = write(STDERR_FILENO, line->data, line->len); /* one write: lines of several tools do not mix */
    (void)n;
}

static atomic_bool status_is_shown;
#define CLEAR_STATUS "\r\033[K"

bool program_has_status(void)
{
    return isatty(STDERR_FILENO) && !message_style.json && message_style.level >= CDC_LOG_INFO;
}

size_t program_status_columns(void *context)
{
    struct winsize size;
    (void)context;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        size.ws_col = 80;
    return size.ws_col - 1u; /* a character in the last column makes some terminals begin a new line */
}

/* Without waiting for a terminal that was stopped: the next one says more. */
void program_show_status(void *context, const char *text)
{
    struct cdc_buf line = CDC_BUF_INIT;
    struct pollfd poller = {.fd = STDERR_FILENO, .events = POLLOUT};

    (void)context;
    if (poll(&poller, 1, 0) > 0 && (*text != '\0' || status_is_shown)) {
        cdc_buf_lit(&line, CLEAR_STATUS);
        append_escaped(&line, text);
        write_stderr(&line);
        status_is_shown = *text != '\0';
    }
    cdc_buf_free(&line);
}

static void write_message(void *context, enum cdc_log_level level, const char *message)
{
    struct cdc_buf line = CDC_BUF_INIT, shown = CDC_BUF_INIT;

    (void)context;
    if (level > message_style.level)
        return;
    secrets_redact(&shown, message);
    const char *text = shown.failed ? "out of memory" : shown.data;
    if (atomic_exchange(&status_is_shown, false))
        cdc_buf_lit(&line, CLEAR_STATUS);
    if (message_style.json) {
        cdc_buf_printf(&line,
                       "{\"ts_ms\":%lld,\"tool\":\"%s\",\"level\":\"%s\",\"message\":", (long long)cdc_clock_wall_ms(),
                       message_style.name, level_names[level]);
        cdc_json_append_message(&line, text);
        cdc_buf_byte(&line, '}');
    } else {
        cdc_buf_printf(&line, "%s: %s: ", message_style.name, level_names[level]);
        append_escaped(&line, text);
    }
    cdc_buf_byte(&line, '\n');
    write_stderr(&line);
    cdc_buf_free(&line);
    cdc_buf_free(&shown);
}

/* -- signals ------------------------------------------------------------------ */

static int wake_pipe[2] = {-1, -1}, notice_pipe[2] = {-1, -1};

/* The handlers only count, and write a byte into a pipe that never blocks: every poll of a loop has its other end.
 * Without it, a signal that comes after the test of control->stop and before the poll would be noticed only when the
 * poll ends by itself, which may be never. errno is the interrupted code's: it must not see another one. */
static void on_stop(int number)
{
    int saved = errno;
    (void)number;
    if (controlled->stop < 2)
        controlled->stop = controlled->stop + 1;
    ssize_t n = write(wake_pipe[1], "", 1);
    (void)n;
    errno = saved;
}

static void on_statistics(int number)
{
    int saved = errno;
    (void)number;
    controlled->statistics = 1;
    ssize_t n = write(notice_pipe[1], "", 1);
    (void)n;
    errno = saved;
}

static void catch_signal(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    /* A read or write that was interrupted goes on: whoever waits is woken by the pipe. poll returns EINTR in any
     * case. */
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static int install_signals(struct program *program, struct cdc_error *error)
{
    /* Non-blocking at both ends: a full pipe must not stop a handler, and notice_fd is read until it is empty. */
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(notice_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to make a pipe: %s", strerror(errno));
    controlled = &program->control;
    program->control.wake_fd = wake_pipe[0];
    program->control.notice_fd = notice_pipe[0];
    catch_signal(SIGPIPE, SIG_IGN); /* seen as EPIPE where it happens */
    catch_signal(SIGINT, on_stop);
    catch_signal(SIGTERM, on_stop);
    catch_signal(SIGUSR1, on_statistics);
    return 0;
}

/* A descriptor 0-2 that is closed would be given to the next file that is opened: with `pg-cdc >&-`, lines would be
 * written into the offset file. Opened the wrong way round, so that using it is an error and not silence. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* so that using it is an error */
}

/* -- help ------------------------------------------------------------------------ */

int program_write(struct cdc_buf *text, struct cdc_error *error)
{
    int result = 0;

    if (text->failed)
        result = cdc_error_memory(error);
    else if (cdc_file_write(STDOUT_FILENO, text->data, text->len) != 0)
        result =
            cdc_error_set(error, CDC_EXIT_IO, "%s%s",
                          errno == EPIPE ? "" : "unable to write the output: ", errno == EPIPE ? "" : strerror(errno));
    cdc_buf_free(text);
    return result;
}

static int show_help(const struct program *program, struct cdc_error *error)
{
    struct cdc_buf out = CDC_BUF_INIT;

    cdc_buf_printf(&out, "usage: %s %s\n%s\n", program->name, program->synopsis, program->summary);
    cdc_options_help(&out, program->options);
    cdc_options_help(&out, program->more_options);
    if (program->more_help != NULL)
        program->more_help(&out);
    cdc_options_help(&out, common_table);
    cdc_buf_printf(&out, "\nExit status: %s; see %s(1).\n", program->exit_statuses, program->name);
    return program_write(&out, error);
}

static int show_version(const struct program *program, struct cdc_error *error)
{
    struct cdc_buf out = CDC_BUF_INIT;
    cdc_buf_printf(&out, "%s %s\n", program->name, cdc_version());
    return program_write(&out, error);
}

/* -- the life of a process -------------------------------------------------------- */

/* --help and --version win over operands, and need no signals: `pg-cdc --help | head` ends as any other program does.
 */
static int parse_and_run(struct program *program, struct cdc_error *error)
{
    struct common_options common = {.log_format = "text"};
    const struct cdc_option *tables[] = {program->options, program->more_options, common_table};
    void *values[] = {program->values, program->more_values, &common};
    struct cdc_option_list operands = {NULL, 0};
    int result;

    /* Own options first: the tables are searched in turn. */
    if (cdc_options_parse(tables, values, 3, program->argc, program->argv, &operands, error) != 0) {
        free(operands.items);
        return -1;
    }
    message_style.json = strcmp(common.log_format, "json") == 0;
    message_style.level = common.quiet ? CDC_LOG_WARNING : common.verbose ? CDC_LOG_DEBUG : CDC_LOG_INFO;
    program->metrics_file = common.metrics_file;
    program->quiet = common.quiet;
    if (common.help)
        result = show_help(program, error);
    else if (common.version)
        result = show_version(program, error);
    else
        result = install_signals(program, error) == 0 ? program->run(program, operands, error) : -1;
    /* A start that was refused has made no file in it. */
    if (program->made_folder != NULL)
        rmdir(program->made_folder);
    free(operands.items);
    return result;
}

static void show_error(const struct program *program, const struct cdc_error *error)
{
    struct cdc_buf line = CDC_BUF_INIT;

    if (error->text[0] == '\0')
        return; /* the reader of stdout went away: without a word */
    cdc_buf_text(&line, error->text);
    if (error->hint[0] != '\0')
        cdc_buf_printf(&line, " (hint: %s)", error->hint);
    if (error->status == CDC_EXIT_USAGE)
        cdc_buf_printf(&line, "; try \"%s --help\"", program->name);
    cdc_buf_byte(&line, '\0');
    /* One message with its hint: in a log of several tools, two lines could be torn apart. */
    write_message(NULL, CDC_LOG_ERROR, line.failed ? error->text : line.data);
    cdc_buf_free(&line);
}

int program_main(struct program *program, int argc, char **argv)
{
    struct cdc_error error = {0};
    char **arguments = secrets_hide(argc, argv);

    open_standard_descriptors();
    message_style.name = program->name;
    if (arguments == NULL) {
        cdc_error_memory(&error);
        show_error(program, &error);
        return error.status;
    }
    program->argc = argc;
    program->argv = arguments;
    program->log = (struct cdc_log){write_message, NULL};
    catch_signal(SIGPIPE, SIG_IGN);
    catch_signal(
        SIGXFSZ,
        SIG_IGN); /* a file that may not grow (ulimit -f) is EFBIG where it happens, as a full disk is an error */
    if (parse_and_run(program, &error) == 0)
        return CDC_EXIT_OK;
    show_error(program, &error);
    /* A run that failed without an error would be a bug; it must not end with 0. */
    return error.status != 0 ? error.status : CDC_EXIT_INTERNAL;
}

const char *program_tool(const struct program *program)
{
    return program->tool != NULL ? program->tool : program->name;
}

const char *program_default(const char *value, const char *variable, const char *fallback)
{
    if (value != NULL)
        return value;
    value = getenv(variable);
    /* An empty variable counts as unset: `CDC_STATE_DIR= pg-cdc` means no folder. */
    return value != NULL && value[0] != '\0' ? value : fallback;
}

int program_check_name(const char *name, struct cdc_error *error)
{
    if (cdc_utf8_valid(name, strlen(name)))
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "the name \"%s\" is not UTF-8, and no line can have it", name);
    return cdc_error_hint(error, "give another one with --name");
}

int program_check_places(const char *offset_file, const char *state_dir, struct cdc_error *error)
{
    if (offset_file != NULL && offset_file[0] == '\0')
        return cdc_error_set(error, CDC_EXIT_USAGE, "--offset-file needs the name of a file");
    if (state_dir != NULL && state_dir[0] == '\0')
        return cdc_error_set(error, CDC_EXIT_USAGE, "--state-dir needs the name of a folder");
    return 0;
}

int program_make_folder(struct program *program, const char *path, struct cdc_error *error)
{
    /* 0700: offset files name hosts and tables. Whichever tool of the pipeline starts first makes the folder. */
    if (mkdir(path, 0700) == 0)
        program->made_folder = path;
    else if (errno != EEXIST)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to make folder \"%s\": %s", path, strerror(errno));
    return 0;
}

int program_beside(char **result, const char *path, const char *suffix, struct cdc_error *error)
{
    *result = NULL;
    if (path == NULL || asprintf(result, "%s%s", path, suffix) >= 0)
        return 0;
    *result = NULL;
    return cdc_error_memory(error);
}
