/* SPDX-License-Identifier: MIT */
/* The loop of a middle stage: which lines leave it, whatever goes wrong with one of them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/stage.h>

#include "tests/unit/failing-calls.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* Passes lines on by their pos; of the one of `fail_at` only a part, with that status. "twice" comes twice, "none" not. */
struct fake {
    const char *fail_at;
    int fail_status;
    const char *stop_at;   /* a signal comes with that line */
    const char *remove_at; /* the output file is removed then */
    struct cdc_control control;
};

static int fake_event(void *stage, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct fake *fake = stage;
    if (fake->stop_at != NULL && cdc_span_is(event->pos, fake->stop_at))
        fake->control.stop = 1;
    if (fake->remove_at != NULL && cdc_span_is(event->pos, fake->remove_at)) {
        char path[64];
        snprintf(path, sizeof path, "%s/out", dir);
        unlink(path);
    }
    if (fake->fail_at != NULL && cdc_span_is(event->pos, fake->fail_at)) {
        cdc_buf_lit(out, "half a li");
        cdc_error_set(error, fake->fail_status, "refused");
        return cdc_error_hint(error, "try another");
    }
    int lines = cdc_span_is(event->pos, "none") ? 0 : cdc_span_is(event->pos, "twice") ? 2 : 1;
    for (int i = 0; i < lines; i++) {
        cdc_buf_span(out, event->pos);
        cdc_buf_byte(out, '\n');
    }
    return lines;
}

/* words: a line for each, its pos; an upper case one is a commit, ! no JSON, ... a very long one, a last / no LF. */
static size_t write_input(const char *path, const char *words)
{
    FILE *file = fopen(path, "w");
    size_t size = 0;
    for (const char *at = words; file != NULL && *at != '\0' && *at != '/'; at += strcspn(at, " "), at += *at == ' ') {
        int n = (int)strcspn(at, " ");
        if (*at == '!')
            size += (size_t)fprintf(file, "{\"op\n");
        else if (*at == '.')
            size += (size_t)fprintf(file, "%0*d\n", 2000, 0);
        else
            size += (size_t)fprintf(file, "{\"op\":\"%s\",\"pos\":\"%.*s\"}\n",
                                    *at >= 'A' && *at <= 'Z' ? "commit" : "c", n, at);
    }
    if (file != NULL && strchr(words, '/') != NULL)
        fputs("{\"op\":\"c\",\"pos\":\"last\"}", file);
    check(file != NULL && fclose(file) == 0, "the input");
    return size;
}

/* A run over the words leaves these lines, and ends with that status. */
static void leaves(struct fake fake, bool skip, const char *words, const char *expected, int status, const char *says)
{
    static const struct cdc_stage_ops ops = {.event = fake_event};
    char in[64], out[64], got[512] = {0};
    struct cdc_error error = {0};
    struct cdc_log log = {0};
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    write_input(in, words);
    fake.control.wake_fd = fake.control.notice_fd = -1;
    struct cdc_stage_settings settings = {.tool = "t",
                                          .input_fd = open(in, O_RDONLY | O_CLOEXEC),
                                          .output_fd = open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
                                          .max_line = 1000,
                                          .skip_errors = skip};
    int result = cdc_stage_run(&ops, &fake, &settings, &fake.control, &log, &error);
    check(pread(settings.output_fd, got, sizeof got - 1, 0) >= 0 && strcmp(got, expected) == 0, words);
    if (strcmp(got, expected) != 0)
        printf("  wanted:\n%s  got:\n%s\n", expected, got);
    check((result == 0 ? 0 : error.status) == status && strstr(error.text, says) != NULL, words);
    if (strstr(error.text, says) == NULL)
        printf("  wanted: %s\n  got: %s\n", says, error.text);
    check(status != CDC_EXIT_CONFIG || strcmp(error.hint, "try another") == 0, "the hint");
    close(settings.input_fd);
    close(settings.output_fd);
}

/* -- any one call fails -- */

static void begin_stage(void)
{
    char in[64];
    snprintf(in, sizeof in, "%s/in", dir);
    write_input(in, "a b none twice C d");
}

static int run_stage(struct cdc_error *error)
{
    static const struct cdc_stage_ops ops = {.event = fake_event};
    struct fake fake = {.control = {.wake_fd = -1, .notice_fd = -1}};
    struct cdc_log log = {0};
    char in[64], out[64];
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    struct cdc_stage_settings settings = {
        .tool = "t",
        .input_fd = (int)syscall(SYS_openat, AT_FDCWD, in, O_RDONLY | O_CLOEXEC),
        .output_fd = (int)syscall(SYS_openat, AT_FDCWD, out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
        .max_line = 1000};
    memory_begin();
    int result = cdc_stage_run(&ops, &fake, &settings, &fake.control, &log, error);
    memory_end();
    close(settings.input_fd);
    close(settings.output_fd);
    return result;
}

static bool is_passed_on(void)
{
    char out[64], got[512] = {0};
    snprintf(out, sizeof out, "%s/out", dir);
    FILE *file = fopen(out, "r");
    if (file != NULL)
        got[fread(got, 1, sizeof got - 1, file)] = '\0', fclose(file);
    return strcmp(got, "a\nb\ntwice\ntwice\nC\nd\n") == 0;
}

int main(void)
{
    char command[64];
    if (mkdtemp(dir) == NULL)
        return 1;
    leaves((struct fake){0}, false, "a b none twice C", "a\nb\ntwice\ntwice\nC\n", 0, "");
    leaves((struct fake){0}, false, "", "", 0, "");
    leaves((struct fake){0}, false, "a B c /", "a\nB\nc\n", CDC_EXIT_TEMPORARY, "inside a line");
    leaves((struct fake){0}, false, "a ! b", "a\n", CDC_EXIT_DATA, "line 2 at byte offset 21 of the input: ");
    leaves((struct fake){0}, true, "a ! b", "a\nb\n", 0, "");
    leaves((struct fake){0}, false, "a ... b", "a\n", CDC_EXIT_DATA, "longer than --max-line");
    leaves((struct fake){0}, true, "a ... b", "a\nb\n", 0, "");
    for (int i = 0; i < 2; i++) {
        struct fake refuses = {.fail_at = "b", .fail_status = i == 0 ? CDC_EXIT_DATA : CDC_EXIT_CONFIG};
        leaves(refuses, false, "a b c", "a\n", refuses.fail_status, "refused");
        /* Only what is wrong with a line is passed over. */
        leaves(refuses, true, "a b c", i == 0 ? "a\nc\n" : "a\n", i == 0 ? 0 : CDC_EXIT_CONFIG,
               i == 0 ? "" : "refused");
    }
    leaves((struct fake){.stop_at = "b"}, false, "a b c D e F", "a\nb\nc\nD\n", 0, "");
    leaves((struct fake){.stop_at = "B"}, false, "a B c D", "a\nB\n", 0, "");
    leaves((struct fake){.remove_at = "b"}, false, "a b C", "a\nb\nC\n", CDC_EXIT_IO, "was removed");
    failures += calls_sweep(&(struct calls_case){"a stage", begin_stage, run_stage, is_passed_on, NULL}) != 0;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - a stage\n");
    return failures != 0;
}
