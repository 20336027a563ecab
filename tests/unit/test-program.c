/* SPDX-License-Identifier: MIT */
/* What the programs share: secrets in arguments; where a source keeps its positions, and whom it asks. */
#include <stdlib.h>
#include <sys/wait.h>

#include "cmd/program/secrets.h"
#include "cmd/program/source.h"
#include "tests/unit/failing-calls.h"
#include "tests/unit/guarded.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* -- secrets -- */

/* An argument, and what ps shows of it. */
static const struct {
    const char *given, *shown;
} arguments[] = {
    {"u:first@h", "u:first@h"}, /* the program's name is no secret */
    {"postgresql://u:pw@h/db", "postgresql://u:**@h/db"},
    {"postgresql://h/db?a=1", "postgresql://h/db?a=1"},
    {"mysql://u@h:3306/db", "mysql://u@h:3306/db"},
    {"mysql://u:p@q:r@h", "mysql://u:*****@h"},
    {"mysql:///u:pw@h", "mysql:///u:**@h"},
    {"postgresql:/u:secret@host", "postgresql:/u:******@host"},
    {"u:pw@h", "u:**@h"},
    {"@h:1", "@h:1"},
    {"postgresql://h/db?password=x&a=b", "postgresql://h/db?password=*****"},
    {"host=h password=s3", "host=h password=**"},
    {"host=h PassWd: s3", "host=h PassWd:***"},
    {"http://h/secret", "http://h/******"},
    {"HTTPS://h:9200/a?b", "HTTPS://h:9200/***"},
    {"http://h?token", "http://h?*****"},
    {"http://h#x", "http://h#*"},
    {"http://h", "http://h"},
    {"http://u:pw@h/p", "http://u:******"},
    {"http://u@h/p", "http://u@h/*"},
    {"--url=https://h/p", "--url=https://h/*"},
    {"--header", "--header"},
    {"Authorization: Bearer t", "Authorization:*********"},
    {"Authorization: Bearer t", "Authorization: Bearer t"}, /* as an operand */
    {"--header=X-Key: k", "--header=X-Key:**"},
    {"--header=X k", "--header=X *"},
    {"--headers=X: k", "--headers=X: k"},
    {"--user=me:pw", "--user=me:**"},
    {"--user", "--user"},
    {"me", "me"},
    {"--user=http://u:x@h/p", "--user=http:*********"},
    {"-o", "-o"},
    {"a=b", "a=b"},
    {"", ""},
};
#define N_ARGUMENTS (sizeof arguments / sizeof arguments[0])

static char **copy_arguments(void)
{
    char **argv = calloc(N_ARGUMENTS + 1, sizeof *argv);
    for (size_t i = 0; i < N_ARGUMENTS; i++)
        argv[i] = strdup(arguments[i].given);
    return argv;
}

static void redacts(const char *message, const char *expected)
{
    struct cdc_buf out = CDC_BUF_INIT;
    secrets_redact(&out, guarded_begin(message));
    check(!out.failed && strcmp(out.data, expected) == 0, message);
    if (strcmp(out.data, expected) != 0)
        printf("  wanted  %s\n  got     %s\n", expected, out.data);
    cdc_buf_free(&out);
}

static void test_secrets(void)
{
    char **argv = copy_arguments(), **copies = secrets_hide(N_ARGUMENTS, argv);

    for (size_t i = 0; i < N_ARGUMENTS; i++) {
        check(strcmp(copies[i], arguments[i].given) == 0, "we have it as it was given");
        check(strcmp(argv[i], arguments[i].shown) == 0, arguments[i].given);
        if (strcmp(argv[i], arguments[i].shown) != 0)
            printf("  wanted  %s\n  got     %s\n", arguments[i].shown, argv[i]);
    }
    for (size_t i = 0; i < N_ARGUMENTS; i++)
        free(argv[i]);
    free(argv);
    redacts("no secret", "no secret");
    redacts("", "");
    redacts("to postgresql://u:pw@h/db: refused", "to postgresql://u:***@h/db: refused");
    redacts("postgresql://u:pw@h/db", "postgresql://u:***@h/db");
    redacts("truncated: postgresql://u:p", "truncated: postgresql://u:***");
    redacts("truncated: postgresql://u:", "truncated: postgresql://u:");
    redacts("pw alone, u:", "pw alone, u:");
    redacts("http://h/secret, http://h/sec", "http://h/***, http://h/***");
    redacts("http://h/other", "http://h/other");
    redacts("host=h password=s3 host=h password=s3", "host=h password=*** host=h password=***");
}

/* Without memory for one of its copies, nothing is half hidden: the program ends. */
static void test_secrets_without_memory(void)
{
    int status = 0;
    for (long place = 1; MEMORY_CAN_FAIL && status == 0; place++) {
        pid_t pid = fork();
        if (pid == 0) {
            char **argv = copy_arguments();
            memory_calls = 0;
            memory_fails_at = place;
            memory_begin();
            char **copies = secrets_hide(N_ARGUMENTS, argv);
            memory_end();
            _exit(memory_calls < place ? (copies != NULL ? 7 : 1) : copies == NULL ? 0 : 1);
        }
        check(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
    }
    check(!MEMORY_CAN_FAIL || (WIFEXITED(status) && WEXITSTATUS(status) == 7), "no memory for arguments");
}

/* -- a source's positions -- */

static const char *path_of(const char *name)
{
    static char path[4][64];
    static unsigned next;
    char *one = path[next++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", dir, name);
    return one;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    check(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "a file is written");
}

#define OFFSET(tool, pos)                                                                                              \
    "{\"format\":1,\"tool\":\"" tool "\",\"offsets\":{\"shop\":{\"pos\":\"" pos "\",\"seq\":4,\"lines\":2}}}\n"

static void begin(void)
{
    write_file("pg-cdc-shop.offset", OFFSET("pg-cdc", "05"));
    write_file("cdc-sink-a.offset", OFFSET("cdc-sink-a", "04"));
    write_file("cdc-sink-b.offset", OFFSET("cdc-sink-b", "06"));
    write_file("out", "");
}

static char state[64], ack[64];
static struct source_options options;
static struct program program = {.name = "pg-cdc", .control = {.wake_fd = -1, .notice_fd = -1}};
static char outcome[256];

static void note(const struct source_positions *p)
{
    const struct cdc_offset *acked = NULL, *own = p->offsets != NULL ? cdc_offset_file_get(p->offsets, "shop") : NULL;
    struct cdc_error error = {0};
    if (p->acks != NULL)
        (void)cdc_acks_read(p->acks, &acked, &error);
    snprintf(outcome, sizeof outcome, "confirm %s own %s acks %s of %d files %d stdout %d",
             p->confirm == CDC_CONFIRM_ACKS ? "acks" : "written", own != NULL ? own->pos : "-",
             acked != NULL ? acked->pos : "-", p->acks != NULL ? (int)cdc_acks_count(p->acks) : -1, (int)p->n_files,
             p->ack_stdout);
}

static int run_open(struct cdc_error *error)
{
    struct source_positions positions;
    outcome[0] = '\0';
    memory_begin();
    int result = source_program_open(&program, &options, "shop", SOURCE_KEEP_IF_GIVEN, &positions, error);
    memory_end();
    if (result == 0)
        note(&positions);
    source_program_close(&positions);
    return result;
}

static int run_look(struct cdc_error *error)
{
    struct source_positions positions;
    outcome[0] = '\0';
    memory_begin();
    int result = source_program_look(&program, &options, "shop", SOURCE_KEEP_IF_GIVEN, &positions, error);
    memory_end();
    if (result == 0)
        note(&positions);
    source_program_close(&positions);
    return result;
}

static const char *wanted;

static bool is_outcome(void)
{
    if (strcmp(outcome, wanted) != 0)
        printf("# wanted %s\n# found  %s\n", wanted, outcome);
    return strcmp(outcome, wanted) == 0;
}

static void sweep_positions(const char *what, int run(struct cdc_error *error), const char *expected)
{
    wanted = expected;
    failures += calls_sweep(&(struct calls_case){what, begin, run, is_outcome, NULL}) != 0;
}

static void test_positions(void)
{
    const char *files[] = {ack, "stdout"};

    snprintf(state, sizeof state, "%s", dir);
    snprintf(ack, sizeof ack, "%s/cdc-sink-b.offset", dir);
    source_options_init(&options);
    options.state_dir = state;
    sweep_positions("a folder", run_open, "confirm acks own 05 acks 04 of 2 files 0 stdout 0");
    sweep_positions("a folder, looked at", run_look, "confirm acks own 05 acks 04 of 2 files 0 stdout 0");
    options.state_dir = NULL;
    options.ack = (struct cdc_option_list){files, 1};
    sweep_positions("a sink's file", run_open, "confirm acks own - acks 06 of 1 files 1 stdout 0");
    sweep_positions("a sink's file, looked at", run_look, "confirm acks own - acks 06 of 1 files 1 stdout 0");
    options.state_dir = state;
    options.ack = (struct cdc_option_list){files + 1, 1};
    sweep_positions("a folder, and no sink", run_open, "confirm written own 05 acks - of -1 files 0 stdout 1");
    sweep_positions("a folder, and no sink, looked at", run_look, "confirm acks own 05 acks - of -1 files 0 stdout 1");
    struct cdc_error error = {0};
    options.ack = (struct cdc_option_list){files, 2};
    check(run_open(&error) != 0 && error.status == CDC_EXIT_USAGE, "a sink's file and stdout exclude each other");
    options.ack.count = 0;
}

/* -- a stream -- */

static char from[32];
static struct cdc_offset boundary = {(char *)(uintptr_t) "07", 5, 1, NULL, NULL};

static int fake_connect(void *source, const struct cdc_offset *start, struct cdc_error *error)
{
    (void)source, (void)error;
    snprintf(from, sizeof from, "%s", start != NULL ? start->pos : "nothing");
    return 0;
}
static void fake_disconnect(void *source)
{
    (void)source;
}
static int fake_descriptor(void *source, short *events)
{
    (void)source;
    *events = 0;
    return -1;
}
static enum cdc_source_result fake_read(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    (void)source, (void)limit, (void)error;
    cdc_buf_lit(out, "{\"op\":\"commit\"}\n");
    return CDC_SOURCE_END;
}
static int fake_tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    (void)source, (void)out, (void)blocked, (void)error;
    return 0;
}
static int fake_confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    (void)source, (void)offset, (void)error;
    return 0;
}
static const struct cdc_offset *fake_boundary(void *source)
{
    (void)source;
    return &boundary;
}
static bool fake_between(void *source)
{
    (void)source;
    return true;
}
static const struct cdc_source_ops fake_ops = {fake_connect,
                                               fake_disconnect,
                                               fake_descriptor,
                                               fake_read,
                                               fake_tick,
                                               fake_confirm,
                                               fake_boundary,
                                               fake_between,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL};

static int opened;
static void *fake_open(void *context, struct source_run *run, struct cdc_error *error)
{
    void *source = malloc(1);
    (void)context, (void)run;
    if (source == NULL)
        cdc_error_memory(error);
    opened += source != NULL;
    return source;
}
static void fake_close(void *source)
{
    opened--;
    free(source);
}

static const struct source_kind kind = {&fake_ops, fake_open, fake_close, false};

/* Standard output is a file for as long as it runs. */
static int run_stream(struct cdc_error *error)
{
    int kept = dup(1), out = (int)syscall(SYS_openat, AT_FDCWD, path_of("out"), O_WRONLY | O_APPEND | O_CLOEXEC);
    from[0] = '\0';
    fflush(stdout);
    dup2(out, 1);
    memory_begin();
    int result = source_program_stream(&program, &options, "shop", SOURCE_KEEP_IF_GIVEN, &kind, NULL, error);
    memory_end();
    dup2(kept, 1);
    close(kept);
    close(out);
    return result;
}

static bool is_streamed(void)
{
    char found[256];
    FILE *file = fopen(path_of("out"), "r");
    size_t n = file != NULL ? fread(found, 1, sizeof found - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    found[n] = '\0';
    bool good = n > 0 && n % 16 == 0 && memcmp(found, "{\"op\":\"commit\"}\n", 16) == 0 && strcmp(from, wanted) == 0 &&
                opened == 0;
    if (!good)
        printf("# %s, from %s, opened %d\n", found, from, opened);
    return good;
}

static void test_stream(void)
{
    options.state_dir = state;
    wanted = "04";
    failures += calls_sweep(&(struct calls_case){"a stream", begin, run_stream, is_streamed, NULL}) != 0;
    options.state_dir = NULL;
    wanted = "nothing";
    failures += calls_sweep(&(struct calls_case){"a stream without files", begin, run_stream, is_streamed, NULL}) != 0;
}

/* A sink that has no position yet is waited for, where a pipeline has begun before; not once a signal has come. */
static void test_wait(void)
{
    struct cdc_error error = {0};
    int ends[2], kept = dup(1);

    begin();
    write_file("cdc-sink-a.offset", "{\"format\":1,\"tool\":\"cdc-sink-a\",\"offsets\":{}}\n");
    write_file("cdc-sink-b.offset", "{\"format\":1,\"tool\":\"cdc-sink-b\",\"offsets\":{}}\n");
    options.state_dir = state;
    program.control.stop = 1;
    from[0] = '\0';
    fflush(stdout);
    check(pipe(ends) == 0 && dup2(ends[1], 1) == 1, "a pipe");
    int result = source_program_stream(&program, &options, "shop", SOURCE_KEEP_IF_GIVEN, &kind, NULL, &error);
    dup2(kept, 1);
    check(result == 0 && error.status == 0 && from[0] == '\0' && opened == 0, "nothing begins after a signal");
    program.control.stop = 0;
    options.state_dir = NULL;
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

static void test_urls(void)
{
    const char *operands[] = {"mysql://u:p@h", "b"};
    struct cdc_error error = {0};
    char *url = source_program_take_url((struct cdc_option_list){operands, 1}, &error);
    check(url != NULL && strcmp(url, operands[0]) == 0, "a URL is taken");
    source_program_free_url(url);
    url = source_program_take_url((struct cdc_option_list){operands, 0}, &error);
    check(url != NULL && url[0] == '\0', "none is the empty one");
    source_program_free_url(url);
    check(source_program_take_url((struct cdc_option_list){operands, 2}, &error) == NULL &&
              error.status == CDC_EXIT_USAGE,
          "two are too many");
    source_program_free_url(NULL);
    if (!MEMORY_CAN_FAIL)
        return;
    for (size_t n = 0; n < 2; n++) {
        error = (struct cdc_error){0};
        memory_calls = 0;
        memory_fails_at = 1;
        memory_begin();
        check(source_program_take_url((struct cdc_option_list){operands, n}, &error) == NULL &&
                  error.status == CDC_EXIT_INTERNAL,
              "no memory for a URL");
        memory_end();
        memory_fails_at = 0;
    }
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    unsetenv("CDC_STATE_DIR");
    test_secrets_without_memory();
    test_secrets();
    test_urls();
    test_positions();
    test_stream();
    test_wait();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - programs\n");
    return failures != 0;
}
