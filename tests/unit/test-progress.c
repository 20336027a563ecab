/* SPDX-License-Identifier: MIT */
/* How far a snapshot is, by a clock of ours: in words, on a terminal of any width, and in the metrics file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cdc/snapshot.h>

static int failures;
static int64_t now = 1000, step; /* each look at the clock takes so long */

/* In place of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *result)
{
    (void)clock;
    now += step;
    *result = (struct timespec){now / 1000, now % 1000 * 1000000};
    return 0;
}

static void check(bool ok, const char *what)
{
    printf("%sok - %s\n", ok ? "" : "not ", what);
    failures += !ok;
}

static char said[1024];
static int drained = -1; /* a pipe that is emptied once something is said */

static void write_log(void *context, enum cdc_log_level level, const char *text)
{
    static char bytes[1 << 16];
    (void)context;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%d %s|", (int)level, text);
    while (drained >= 0 && read(drained, bytes, sizeof bytes) > 0)
        continue;
}
static const struct cdc_log to_said = {write_log, NULL};

static void says(const char *expected, const char *what)
{
    check(strcmp(said, expected) == 0, what);
    if (strcmp(said, expected) != 0)
        printf("  wanted  %s\n  got     %s\n", expected, said);
    said[0] = '\0';
}

static char shown[1024];
static size_t width = 200;
static void show(void *context, const char *text)
{
    (void)context;
    snprintf(shown, sizeof shown, "%s", text);
}
static size_t columns(void *context)
{
    (void)context;
    return width;
}

static struct cdc_metrics metrics;
static struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};

static struct cdc_snapshot_progress begin(const struct cdc_snapshot_report *report, size_t tables, double estimate,
                                          struct cdc_writer *writer)
{
    struct cdc_snapshot_progress progress = {.log = &to_said,
                                             .control = &control,
                                             .metrics = &metrics,
                                             .show = report,
                                             .tables = tables,
                                             .estimate = estimate};
    memset(&metrics, 0, sizeof metrics);
    now = 1000;
    cdc_snapshot_progress_begin(&progress, writer);
    return progress;
}

static void look(struct cdc_snapshot_progress *progress, int64_t at, uint64_t rows)
{
    now = at;
    progress->rows += rows;
    cdc_snapshot_look_around(progress);
}

static void test_one_table(struct cdc_writer *writer)
{
    const struct cdc_snapshot_report report = {.every_ms = 1000};
    struct cdc_snapshot_part t = {.schema = "s", .table = "t", .estimate = 120};
    struct cdc_snapshot_progress progress = begin(&report, 1, 120, writer);

    cdc_snapshot_progress_at(&progress, &t);
    look(&progress, 1500, 5);
    says("", "not at once");
    look(&progress, 4000, 25);
    says("2 s.t: 30 of about 120 rows, 25 %, 0 B, 10 rows/s, 0 B/s, 9 s left|", "how far it is");
    /* As many looks as there are: rates are of whole seconds, not of moments in which nothing has come. */
    look(&progress, 4000, 0);
    look(&progress, 4999, 0);
    says("", "once a second");
    look(&progress, 5000, 89);
    says("2 s.t: 119 of about 120 rows, 99 %, 0 B, 30 rows/s, 0 B/s, 0 s left|", "almost");
    look(&progress, 6000, 1);
    says("2 s.t: 120 of about 120 rows, 99 %, 0 B, 24 rows/s, 0 B/s, 0 s left|", "100 % is only where all is read");
    look(&progress, 7000, 80);
    says("2 s.t: 200 of about 200 rows, 99 %, 0 B, 33 rows/s, 0 B/s, 0 s left|", "beyond the estimate");
    cdc_snapshot_progress_done(&progress, &t);
    look(&progress, 8000, 0);
    says("2 s.t: 200 of about 200 rows, 100 %, 0 B, 29 rows/s, 0 B/s, 0 s left|", "the end");
    cdc_snapshot_progress_end(&progress);
    look(&progress, 90000, 0);
    says("", "nothing after it");
}

static void test_tables(struct cdc_writer *writer)
{
    const struct cdc_snapshot_report report = {.every_ms = 30000};
    struct cdc_snapshot_part a = {.schema = "s", .table = "a", .estimate = 100},
                             b = {.schema = "s", .table = "b", .estimate = 1000},
                             c = {.schema = "s", .table = "c", .estimate = 1000};
    struct cdc_snapshot_progress progress = begin(&report, 3, 2100, writer);

    cdc_snapshot_progress_at(&progress, &a);
    look(&progress, 20999, 300);
    cdc_snapshot_progress_done(&progress, &a);
    check(progress.estimate == 2300, "a table that is read counts with the rows that it had");
    cdc_snapshot_progress_at(&progress, &b);
    look(&progress, 31000, 600);
    says("2 s.b: 600 of about 1000 rows, 60 %, 10 s left; in all 1 of 3 tables, 900 of about 2300 rows, 39 %, 0 B, 37 "
         "rows/s, "
         "0 B/s, 37 s left|",
         "of several tables: the one that is read, and all");
    look(&progress, 61000, 900);
    says("2 s.b: 1500 rows; in all 1 of 3 tables, 1800 of about 2800 rows, 64 %, 0 B, 30 rows/s, 0 B/s, 33 s left|",
         "a table beyond its estimate has no time left, all have");
    cdc_snapshot_progress_done(&progress, &b);
    cdc_snapshot_progress_at(&progress, &c);
    look(&progress, 62000, 0);
    cdc_snapshot_progress_done(&progress, &c);
    check(progress.estimate == 1800, "an estimate that was too high");
    cdc_snapshot_progress_end(&progress);
    check(metrics.snapshot_rows == 1800 && metrics.snapshot_rows_expected == 1800 && metrics.snapshot_tables == 3 &&
              metrics.snapshot_tables_done == 3,
          "figures");
    progress = begin(&report, 2, 0, writer);
    a = (struct cdc_snapshot_part){.schema = "s", .table = "a"};
    cdc_snapshot_progress_at(&progress, &a);
    look(&progress, 40000, 7);
    says("2 s.a: 7 rows; in all 0 of 2 tables, 7 rows, 0 B, 0 rows/s, 0 B/s|", "without estimates");
    a.estimate = progress.estimate = 1000;
    cdc_snapshot_progress_pass(&progress, &a, 500); /* a condition kept them */
    look(&progress, 80000, 0);
    check(strstr(said, "s.a: 507 of about 1000 rows, 50 %") && strstr(said, " 12 rows/s"),
          "rows that are passed count");
    said[0] = '\0';
    progress.estimate = 0;
    cdc_snapshot_progress_end(&progress);
    check(metrics.snapshot_seconds_left == -1 && metrics.snapshot_rows_expected == 0, "nor figures of them");
}

/* Columns of a terminal: what is not ASCII takes two here, as in append_name. */
static size_t columns_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += (unsigned char)*text < 0x80 ? 1 : ((unsigned char)*text & 0xc0) == 0xc0 ? 2 : 0;
    return n;
}

static void test_terminal(struct cdc_writer *writer)
{
    const struct cdc_snapshot_report report = {.every_ms = 500, .rewrite = show, .columns = columns};
    struct cdc_snapshot_part t = {.schema = "shop", .table = "orders_of_the_last_decade", .estimate = 2700000},
                             odd = {.schema = "\xe5\xba\x97",
                                    .table = "a\033[2J\xc2\x9b\xe5\xba\x97\xe5\xba\x97",
                                    .estimate = 7};
    struct cdc_snapshot_progress progress = begin(&report, 12, 25000000, writer);
    bool fits = true, tells = true;

    cdc_snapshot_progress_at(&progress, &t);
    look(&progress, 31000, 1200000);
    check(strcmp(shown,
                 "shop.orders_of_the_last_decade 44 % 1.2M of 2.7M rows; 0 of 12 tables 4 % 1.2M of 25M rows 0 B "
                 "40000 rows/s 9 min 55 s left") == 0,
          "a wide terminal");
    for (width = 0; width < 200; width++) {
        look(&progress, now + 1000, 0);
        fits = fits && columns_of(shown) <= width && strlen(shown) == columns_of(shown);
        tells = tells &&
                (width < 40 || (strstr(shown, " 4 %") && strstr(shown, " left") && strncmp(shown, "shop.", 5) == 0));
    }
    check(fits, "no width makes it wrap");
    check(tells, "the most important is told in 40 columns");
    width = 79;
    look(&progress, now + 1000, 0);
    check(strncmp(shown, "shop.orders_", 12) == 0 && strstr(shown, " left") && columns_of(shown) >= 60, "80 columns");
    cdc_snapshot_progress_at(&progress, &odd);
    for (fits = true, width = 0; width < 140; width++) {
        look(&progress, now + 1000, 0);
        fits = fits && columns_of(shown) <= width && !strchr(shown, '\033') && !strstr(shown, "\xc2\x9b") &&
               (width < 100 || strstr(shown, "\xe5\xba\x97.a?[2J?\xe5\xba\x97\xe5\xba\x97 "));
    }
    check(fits, "a name steers no terminal, and wide characters count");
    says("", "without a message");
    cdc_snapshot_progress_end(&progress);
    check(shown[0] == '\0', "it is cleared");
}

/* Both the words and the metrics file go on while the reader of the output is slow. */
static void test_slow_reader(void)
{
    char dir[] = "/tmp/cdc-unit-XXXXXX", path[64];
    int ends[2];
    struct cdc_error error = {0};
    struct cdc_snapshot_part t = {.schema = "s", .table = "t", .estimate = 120};

    check(mkdtemp(dir) && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "a pipe");
    snprintf(path, sizeof path, "%s/m", dir);
    const struct cdc_snapshot_report report = {.every_ms = 30000, .metrics_file = path, .tool = "t", .name = "n"};
    struct cdc_writer *writer = cdc_writer_new(ends[1], &error);
    struct cdc_snapshot_progress progress = begin(&report, 1, 120, writer);
    cdc_snapshot_progress_at(&progress, &t);
    progress.rows = 30;
    for (size_t i = 0; i < 3000000; i++)
        cdc_buf_byte(cdc_writer_buf(writer), 'x');
    step = 31000;
    drained = ends[0];
    check(cdc_snapshot_write(&progress, writer, &error) == 0, "all is written in the end");
    drained = -1;
    step = 0;
    check(strncmp(said, "2 s.t: 30 of about 120 rows, 25 %, ", 35) == 0, "and said meanwhile");
    said[0] = '\0';
    char *text = NULL;
    size_t n = 0;
    FILE *file = fopen(path, "r");
    check(file && getdelim(&text, &n, '\0', file) > 0 &&
              strstr(text, "cdc_snapshot_rows{tool=\"t\",name=\"n\"} 30\n") &&
              strstr(text, "cdc_snapshot_expected_rows{tool=\"t\",name=\"n\"} 120\n"),
          "and kept in the metrics file");
    free(text);
    if (file)
        fclose(file);
    unlink(path);
    rmdir(dir);
    cdc_writer_free(writer);
    close(ends[0]);
    close(ends[1]);
}

static void test_statistics(struct cdc_writer *writer)
{
    struct cdc_snapshot_part t = {.schema = "s", .table = "t", .estimate = 0};
    struct cdc_snapshot_progress progress = {.log = &to_said, .control = &control, .metrics = &metrics};

    control.statistics = 1;
    cdc_snapshot_look_around(&progress);
    check(strncmp(said, "2 lines in ", 11) == 0 && control.statistics == 0, "a signal, before the first row");
    said[0] = '\0';
    progress = begin(NULL, 1, 0, writer);
    cdc_snapshot_progress_at(&progress, &t);
    look(&progress, 100000, 3);
    says("", "only where somebody looks");
    control.statistics = 1;
    look(&progress, 100000, 0);
    check(strncmp(said, "2 lines in ", 11) == 0 && strstr(said, "|2 s.t: 3 rows, 0 B, "),
          "a signal asks how far it is");
    said[0] = '\0';
}

int main(void)
{
    struct cdc_error error = {0};
    struct cdc_writer *writer = cdc_writer_new(2, &error);

    test_one_table(writer);
    test_tables(writer);
    test_terminal(writer);
    test_slow_reader();
    test_statistics(writer);
    cdc_writer_free(writer);
    return failures != 0;
}
