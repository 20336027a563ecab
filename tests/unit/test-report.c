/* SPDX-License-Identifier: MIT */
/* What a loop says of itself and when, by a clock of ours: figures, what a stop waits for, and for how long. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "libcdc/loop/internal.h"

static int failures;
static int64_t now = 1000;

/* In place of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *result)
{
    (void)clock;
    *result = (struct timespec){now / 1000, now % 1000 * 1000000};
    return 0;
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static char said[512];

static void write_log(void *context, enum cdc_log_level level, const char *text)
{
    (void)context;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%d %.60s|", (int)level, text);
}

static const struct cdc_log to_said = {write_log, NULL};

static void says(const char *expected, const char *what)
{
    check(strcmp(said, expected) == 0, what);
    if (strcmp(said, expected) != 0)
        printf("  wanted  %s\n  got     %s\n", expected, said);
    said[0] = '\0';
}

static void test_waiting(void)
{
    struct cdc_metrics metrics = {0};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct loop_report report = {.metrics = &metrics, .control = &control, .log = &to_said};

    now = 1000;
    loop_report_waiting(&report, "a reader");
    now = 9000;
    loop_report_waiting(&report, "a reader");
    says("", "without a stop, a wait needs no word");
    control.stop = 1;
    loop_report_waiting(&report, "a reader");
    now += 1000;
    loop_report_waiting(&report, "a reader");
    now += 999;
    loop_report_waiting(&report, "a reader");
    says("", "nor do the first two seconds of one");
    now += 1;
    loop_report_waiting(&report, "a reader");
    says("2 a signal came, still waiting for a reader; a second one leav|", "after that, what it waits for");
    now += 60000;
    loop_report_waiting(&report, "a reader");
    says("", "once");
    loop_report_waiting(&report, "a peer");
    says("2 a signal came, still waiting for a peer; a second one leaves|", "and what it waits for then");
}

static void more(void *stage, const struct cdc_log *log)
{
    cdc_log_write(log, CDC_LOG_DEBUG, "more of %s", (const char *)stage);
}

static void test_statistics(void)
{
    struct cdc_metrics metrics = {.lines_in = 7};
    int ends[2];
    char byte;

    check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "a pipe");
    struct cdc_control control = {.wake_fd = -1, .notice_fd = ends[0]};
    struct loop_report report = {
        .metrics = &metrics, .control = &control, .log = &to_said, .more = more, .stage = (void *)(uintptr_t) "it"};
    check(write(ends[1], "0123456789012345678901234567890", 31) == 31, "a signal handler writes");
    loop_report_turn(&report, true);
    says("", "no statistics unless they are asked for");
    control.statistics = 1;
    loop_report_turn(&report, false);
    says("2 lines in 7, lines out 0, bytes in 0, bytes out 0, changes 0,|3 more of it|", "once they are");
    check(control.statistics == 0 && read(ends[0], &byte, 1) < 0, "what woke us is taken");
    loop_report_turn(&report, false);
    says("", "once for each signal");
    control.notice_fd = -1;
    control.statistics = 1;
    report.more = NULL;
    loop_report_waiting(&report, "x");
    says("2 lines in 7, lines out 0, bytes in 0, bytes out 0, changes 0,|", "within a wait, too");
    close(ends[0]);
    close(ends[1]);
}

static void test_metrics_file(void)
{
    char dir[] = "/tmp/cdc-unit-XXXXXX", path[64];
    struct cdc_metrics metrics = {0};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct loop_report report = {
        .metrics = &metrics, .control = &control, .log = &to_said, .metrics_file = path, .tool = "t", .name = "n"};

    check(mkdtemp(dir) != NULL, "a folder");
    snprintf(path, sizeof path, "%s/m", dir);
    now = 5000;
    loop_report_turn(&report, false);
    check(unlink(path) == 0, "the figures are written at the first turn");
    now += 4999;
    loop_report_turn(&report, false);
    check(unlink(path) != 0, "not each time");
    loop_report_turn(&report, true);
    check(unlink(path) == 0, "at the end");
    now += 4999;
    loop_report_turn(&report, false);
    check(unlink(path) != 0, "not within five seconds of that");
    now += 1;
    loop_report_turn(&report, false);
    check(unlink(path) == 0 && rmdir(dir) == 0, "every five seconds");
    says("", "without a word");
    loop_report_turn(&report, true);
    check(said[0] == '1', "what cannot be written is a warning");
    said[0] = '\0';
}

static void test_stop(void)
{
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    int64_t deadline = 0;

    now = 5000;
    check(!stop_is_due(&control, &deadline) && deadline == 0, "no stop");
    control.stop = 1;
    check(!stop_is_due(&control, &deadline), "a stop");
    now += 4999;
    check(!stop_is_due(&control, &deadline), "waits for the transaction in hand");
    now += 1;
    check(stop_is_due(&control, &deadline), "for five seconds");
    control.stop = 2;
    deadline = 0;
    check(stop_is_due(&control, &deadline), "a second one waits for nothing");
}

int main(void)
{
    test_waiting();
    test_statistics();
    test_metrics_file();
    test_stop();
    if (failures == 0)
        printf("ok - reports\n");
    return failures != 0;
}
