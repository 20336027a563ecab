/* SPDX-License-Identifier: MIT */
/* The life of a process around its run: what is on stdout and stderr, the exit status, signals, descriptors 0-2; each time in a
 * process of its own, and with each of its calls failing once. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "cmd/program/options.h"
#include "cmd/program/program.h"
#include "tests/unit/failing-calls.h"

#include <cdc/version.h>

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";
static char path[4][64]; /* out, err, figures, a folder */

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

#if MEMORY_CAN_FAIL
int pipe2(int ends[2], int flags)
{
    return FAILS(EMFILE) ? -1 : (int)syscall(SYS_pipe2, ends, flags);
}

int mkdir(const char *name, mode_t mode)
{
    return FAILS(EACCES) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
}

int poll(struct pollfd *pollers, nfds_t n, int timeout_ms)
{
    return FAILS(EINTR) ? -1 : (int)syscall(SYS_poll, pollers, n, timeout_ms);
}
#endif

/* -- a program -- */

static struct {
    const char *text;
    bool more;
} values;

static const struct cdc_option options[] = {
    OPTION_HEADING("Own"),
    {0, "text", CDC_OPTION_TEXT, 0, "TEXT", "a text", 0, 0, NULL},
    OPTION_END,
};

static const struct cdc_option more_options[] = {
    {'m', "more", CDC_OPTION_FLAG, 0, NULL, "more", 0, 0, NULL},
    OPTION_END,
};

#define HELP                                                                                                           \
    "usage: tool [options] X\nDoes it.\n\n"                                                                            \
    "Own:\n"                                                                                                           \
    "      --text TEXT             a text\n"                                                                           \
    "  -m, --more                  more\n\n"                                                                           \
    "Common options:\n"                                                                                                \
    "  -v, --verbose               say more on stderr\n"                                                               \
    "  -q, --quiet                 say only warnings and errors\n"                                                     \
    "      --log-format=text|json  form of messages\n"                                                                 \
    "      --metrics-file FILE     write counters as Prometheus text, every 5\n"                                       \
    "                              seconds\n"                                                                          \
    "  -h, --help                  show this help\n"                                                                   \
    "  -V, --version               show the version\n\n"                                                               \
    "Exit status: 0 64; see tool(1).\n"

static int run_output(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    char line[256];
    int n = snprintf(line, sizeof line, "%s %d %zu %s %s\n", values.text != NULL ? values.text : "-", values.more,
                     operands.count, operands.count > 0 ? operands.items[operands.count - 1] : "-",
                     program->metrics_file != NULL ? program->metrics_file : "-");
    if (syscall(SYS_write, 1, line, n) != n)
        return cdc_error_set(error, CDC_EXIT_IO, "no output");
    return 0;
}

static int run_messages(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)operands, (void)error;
    cdc_log_write(&program->log, CDC_LOG_ERROR, "an error");
    cdc_log_write(&program->log, CDC_LOG_WARNING, "a \"warning\"");
    cdc_log_write(&program->log, CDC_LOG_INFO, "\x1b[2J\x7f \xc2\x9f\xc2\x80 \xc2\xa0\xc3\x9f\t\xc3\xbc");
    cdc_log_write(&program->log, CDC_LOG_DEBUG, "torn \xc3\xbc\xc3");
    return 0;
}

static int run_hint(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)program, (void)operands;
    cdc_error_set(error, CDC_EXIT_CONFIG, "a cause, postgresql://u:secret@h");
    return cdc_error_hint(error, "a cure");
}

static int run_usage(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)program, (void)operands;
    cdc_error_set(error, CDC_EXIT_USAGE, "used wrong");
    return cdc_error_hint(error, "right");
}

static int run_silent(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)program, (void)operands;
    return cdc_error_set(error, CDC_EXIT_IO, "%s", "");
}

static int run_without_error(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)program, (void)operands, (void)error;
    return -1;
}

static int run_refused(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)operands;
    return program_make_folder(program, path[3], error) != 0 ? -1 : cdc_error_set(error, CDC_EXIT_CONFIG, "refused");
}

static int run_folder(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    char name[80];
    (void)operands;
    if (program_make_folder(program, path[3], error) != 0)
        return -1;
    snprintf(name, sizeof name, "%s/file", path[3]);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_CREAT | O_WRONLY, 0600);
    return fd < 0 || program_make_folder(program, path[3], error) != 0 ? -1 : 0;
}

/* What holds while a tool runs. A condition that does not is written into the output. */
#define HOLDS(condition) ((condition) ? (void)0 : (void)!syscall(SYS_write, 1, #condition "\n", strlen(#condition) + 1))

static short readable(int fd)
{
    struct pollfd poller = {fd, POLLIN, 0};
    return syscall(SYS_poll, &poller, 1, 0) == 1 ? poller.revents : 0;
}

static int run_signals(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct cdc_control *control = &program->control;
    int full[2];
    (void)operands, (void)error;

    HOLDS(control->stop == 0 && control->statistics == 0 && !readable(control->wake_fd));
    HOLDS((fcntl(control->wake_fd, F_GETFL) & O_NONBLOCK) != 0 &&
          (fcntl(control->notice_fd, F_GETFL) & O_NONBLOCK) != 0);
    HOLDS(fcntl(control->wake_fd, F_GETFD) == FD_CLOEXEC && fcntl(control->notice_fd, F_GETFD) == FD_CLOEXEC);
    /* More than a pipe holds: a handler never waits. */
    for (int i = 0; i < 70000; i++)
        raise(SIGUSR1);
    HOLDS(control->statistics == 1 && control->stop == 0 && readable(control->notice_fd) &&
          !readable(control->wake_fd));
    errno = EDOM;
    raise(SIGUSR1);
    HOLDS(errno == EDOM);
    raise(SIGTERM);
    HOLDS(control->stop == 1 && readable(control->wake_fd));
    raise(SIGINT);
    HOLDS(control->stop == 2);
    for (int i = 0; i < 70000; i++)
        raise(SIGTERM);
    errno = EDOM;
    raise(SIGTERM);
    HOLDS(control->stop == 2 && errno == EDOM);
    raise(SIGPIPE);
    raise(SIGXFSZ);
    /* Nobody reads our messages, and a second signal has come. */
    HOLDS(syscall(SYS_pipe2, full, O_NONBLOCK) == 0);
    while (syscall(SYS_write, full[1], "", 1) == 1)
        continue;
    HOLDS(dup2(full[1], 2) == 2 && fcntl(2, F_SETFL, 0) == 0);
    cdc_log_write(&program->log, CDC_LOG_ERROR, "held by nobody");
    return 0;
}

static int run_closed(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    char byte = 0;
    (void)program, (void)operands;
    bool good = fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0 &&
                syscall(SYS_read, 0, &byte, 1) == -1 && errno == EBADF && syscall(SYS_write, 1, &byte, 1) == -1 &&
                errno == EBADF && syscall(SYS_write, 2, &byte, 1) == -1 && errno == EBADF;
    return good ? 0 : cdc_error_set(error, CDC_EXIT_DATA, "descriptors");
}

/* -- its processes -- */

struct life {
    const char *arguments; /* words */
    int (*run)(struct program *program, struct cdc_option_list operands, struct cdc_error *error);
    int status;
    const char *out, *err;
};

static const struct life lives[] = {
    {"", run_output, 0, "- 0 0 - -\n", ""},
    {"--text a -m b c --metrics-file=m d", run_output, 0, "a 1 3 d m\n", ""},
    {"-V", run_output, 0, "tool " CDC_VERSION "\n", ""},
    {"x --help y", run_output, 0, HELP, ""},
    {"--absent", run_output, 64, "", NULL},
    {"", run_messages, 0, "",
     "tool: error: an error\ntool: warning: a \"warning\"\ntool: info: \\x1b[2J\\x7f \\xc2\x9f\\xc2\x80 "
     "\xc2\xa0\xc3\x9f\\x09\xc3\xbc\n"},
    {"-q", run_messages, 0, "", "tool: error: an error\ntool: warning: a \"warning\"\n"},
    {"-v", run_messages, 0, "",
     "tool: error: an error\ntool: warning: a \"warning\"\ntool: info: \\x1b[2J\\x7f \\xc2\x9f\\xc2\x80 "
     "\xc2\xa0\xc3\x9f\\x09\xc3\xbc\ntool: debug: torn \\xc3\\xbc\\xc3\n"},
    {"--log-format json -q", run_messages, 0, "",
     "{\"ts_ms\":N,\"tool\":\"tool\",\"level\":\"error\",\"message\":\"an error\"}\n"
     "{\"ts_ms\":N,\"tool\":\"tool\",\"level\":\"warning\",\"message\":\"a \\\"warning\\\"\"}\n"},
    {"postgresql://u:secret@h", run_hint, 78, "", "tool: error: a cause, postgresql://u:***@h (hint: a cure)\n"},
    {"", run_usage, 64, "", "tool: error: used wrong (hint: right); try \"tool --help\"\n"},
    {"--log-format=json", run_usage, 64, "",
     "{\"ts_ms\":N,\"tool\":\"tool\",\"level\":\"error\",\"message\":\"used wrong (hint: right); try \\\"tool "
     "--help\\\"\"}\n"},
    {"", run_silent, 74, "", ""},
    {"", run_without_error, 70, "", ""},
    {"", run_refused, 78, "", "tool: error: refused\n"},
    {"", run_folder, 0, "", ""},
    {"", run_signals, 0, "", ""},
};

static long *places; /* how many calls the child made */

/* The texts that a process leaves; stamps become N. */
static void read_back(const char *name, char *text, size_t size)
{
    FILE *file = fopen(name, "r");
    size_t n = file != NULL ? fread(text, 1, size - 1, file) : 0;
    text[n] = '\0';
    if (file != NULL)
        fclose(file);
    static const char stamp[] = "\"ts_ms\":";
    for (char *at = text; (at = strstr(at, stamp)) != NULL;) {
        at += strlen(stamp);
        size_t digits = strspn(at, "0123456789");
        if (digits == 13) {
            *at = 'N';
            memmove(at + 1, at + digits, strlen(at + digits) + 1);
        }
    }
}

/* argv in memory of its own, since secrets are wiped from it. */
static int split(const char *arguments, char **argv)
{
    int argc = 1;
    argv[0] = strdup("tool");
    for (char *word = strtok(strdup(arguments), " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = strdup(word);
    argv[argc] = NULL;
    return argc;
}

static _Noreturn void child(const struct life *life, long place, bool closed)
{
    char *argv[16];
    int argc = split(life->arguments, argv);
    struct program program = {.name = "tool",
                              .synopsis = "[options] X",
                              .summary = "Does it.",
                              .options = options,
                              .values = &values.text,
                              .more_options = more_options,
                              .more_values = &values.more,
                              .exit_statuses = "0 64",
                              .run = life->run};
    for (int fd = 1; fd <= 2; fd++)
        dup2((int)syscall(SYS_openat, AT_FDCWD, path[fd - 1], O_CREAT | O_WRONLY | O_TRUNC, 0600), fd);
    for (int fd = 0; closed && fd <= 2; fd++)
        close(fd);
    memory_calls = 0;
    memory_fails_at = place;
    calls_fail = true;
    memory_begin();
    int status = program_main(&program, argc, argv);
    memory_end();
    *places = memory_calls;
    _exit(status);
}

/* Its exit status; -1: it was killed. */
static int live(const struct life *life, long place, bool closed, char *out, char *err, size_t size)
{
    char command[96];
    int status = -1;
    snprintf(command, sizeof command, "rm -rf %s", path[3]);
    check(system(command) == 0, "a folder goes");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        child(life, place, closed);
    check(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
    read_back(path[0], out, size);
    read_back(path[1], err, size);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool folder_is_there(void)
{
    return access(path[3], F_OK) == 0;
}

/* Where a call fails, it is the same run, maybe without a message, or one that failed and says so. */
static void test_faults(const struct life *life, const char *wanted)
{
    char out[4096], err[4096];
    long most = life->run == run_signals ? 0 : *places; /* it is long */
    for (long place = 1; MEMORY_CAN_FAIL && place <= most; place++) {
        int status = live(life, place, false, out, err, sizeof out);
        bool same = status == life->status && strcmp(out, wanted) == 0;
        bool failed = (status == CDC_EXIT_INTERNAL || status == CDC_EXIT_IO || status == CDC_EXIT_PERMISSION) &&
                      strncmp(out, wanted, strlen(out)) == 0;
        if (same || (failed && (err[0] != '\0' || status == CDC_EXIT_INTERNAL)))
            continue;
        printf("not ok - %s: call %ld of %ld fails: status %d, %s%s\n", life->arguments, place, most, status, out, err);
        failures++;
    }
}

static void test_lives(void)
{
    char out[4096], err[4096];
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        const struct life *life = &lives[i];
        int status = live(life, 0, false, out, err, sizeof out);
        bool good = status == life->status && strcmp(out, life->out) == 0 &&
                    (life->err == NULL ? strncmp(err, "tool: error: ", 13) == 0 && strstr(err, "--absent") != NULL
                                       : strcmp(err, life->err) == 0);
        if (!good)
            printf("not ok - %zu %s: status %d\n%s%s", i, life->arguments, status, out, err);
        failures += !good;
        check(folder_is_there() == (life->run == run_folder), "a folder stays if something is in it");
        char wanted[4096];
        strcpy(wanted, out);
        test_faults(life, wanted);
    }
    check(live(&(struct life){"", run_closed, 0, "", ""}, 0, true, out, err, sizeof out) == 0,
          "descriptors that were closed are there, and of no use");
}

/* -- without a process -- */

static void test_defaults(void)
{
    struct cdc_error error = {0};
    char *beside;
    setenv("CDC_TEST", "set", 1);
    check(strcmp(program_default("given", "CDC_TEST", "other"), "given") == 0, "what is given");
    check(strcmp(program_default("", "CDC_TEST", "other"), "") == 0, "and be it empty");
    check(strcmp(program_default(NULL, "CDC_TEST", "other"), "set") == 0, "of the environment");
    setenv("CDC_TEST", "", 1);
    check(strcmp(program_default(NULL, "CDC_TEST", "other"), "other") == 0, "an empty one counts as unset");
    unsetenv("CDC_TEST");
    check(strcmp(program_default(NULL, "CDC_TEST", "other"), "other") == 0, "without");
    check(program_beside(&beside, "a", ".b", &error) == 0 && strcmp(beside, "a.b") == 0, "a file beside another");
    free(beside);
    check(program_beside(&beside, NULL, ".b", &error) == 0 && beside == NULL, "beside none");
    check(program_check_places(NULL, NULL, &error) == 0 && program_check_places("a", "b", &error) == 0, "places");
    check(program_check_places("", "b", &error) == -1 && error.status == CDC_EXIT_USAGE &&
              strstr(error.text, "--offset-file") != NULL,
          "a file without a name");
    error = (struct cdc_error){0};
    check(program_check_places("a", "", &error) == -1 && error.status == CDC_EXIT_USAGE &&
              strstr(error.text, "--state-dir") != NULL,
          "a folder without a name");
}

int main(void)
{
    static const char *const names[] = {"out", "err", "figures", "folder"};
    if (mkdtemp(dir) == NULL)
        return 1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", dir, names[i]);
    places = mmap(NULL, sizeof *places, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    test_lives();
    test_defaults();
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - the life of a process\n");
    return failures != 0;
}
