/* SPDX-License-Identifier: MIT */
/* Several workers of a snapshot: which chunk each one takes, and that lines go out in the order of chunks whoever is first. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/value/column.h"
#include "tests/unit/fake-mysql.h"

#include <cdc/line.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- a run: table t with a key, table u without -- */

static struct my_column id = {.name = "id", .type = 3, .kind = MY_KIND_INTEGER};
static struct my_table t = {.db = "d", .name = "t", .columns = &id, .n_columns = 1}, u = {.db = "d", .name = "u"};
static size_t key_columns[] = {0};
static struct my_snapshot_table tables[] = {{.table = &t, .key = {&t, key_columns, 1, NULL}},
                                            {.table = &u, .key = {&u, NULL, 0, NULL}}};
static struct my_worker workers[3];
static struct cdc_control control;
static struct cdc_metrics metrics;
static struct my_snapshot_settings settings = {.chunk_rows = 2, .jobs = 3};
static struct my_snapshot run;
static int fd;

static void begin(size_t n_workers)
{
    struct cdc_error error = {0};
    fd = memfd_create("lines", MFD_CLOEXEC);
    control = (struct cdc_control){.wake_fd = -1, .notice_fd = -1};
    memset(&metrics, 0, sizeof metrics);
    memset(workers, 0, sizeof workers);
    run = (struct my_snapshot){.settings = &settings,
                               .control = &control,
                               .metrics = &metrics,
                               .workers = workers,
                               .n_workers = n_workers,
                               .tables = tables,
                               .n_tables = 2,
                               .claims = PTHREAD_MUTEX_INITIALIZER,
                               .next = {.number = 1, .first = true},
                               .point = &run.state.from,
                               .writer = cdc_writer_new(fd, &error),
                               .progress = {.control = &control, .metrics = &metrics}};
    cdc_turns_init(&run.turns);
    for (size_t i = 0; i < 3; i++)
        workers[i].run = &run;
}

static void end(void)
{
    for (size_t i = 0; i < 3; i++) {
        my_range_free(&workers[i].chunk.range);
        cdc_buf_free(&workers[i].lines);
    }
    my_key_value_free(&run.next.range.after);
    cdc_writer_free(run.writer);
    close(fd);
}

/* -- chunks -- */

static const struct fake_answer answers[] = {{"id` > 4", 1, "", false},
                                             {"id` > 2", 1, "4", false},
                                             {"SELECT `id` FROM `d`.`t`", 1, "2", false},
                                             {NULL, 0, NULL, false}};

static bool is_value(const struct my_key_value *value, const char *text)
{
    return text ? value->n == 1 && strcmp(value->parts.data, text) == 0 : value->n == 0;
}

static void claims(struct my_worker *worker, uint64_t number, size_t table, const char *after, const char *upto,
                   bool first, bool last)
{
    struct cdc_error error = {0};
    const struct my_chunk *chunk = &worker->chunk;
    check(my_chunk_claim(worker, &error) == 1 && chunk->number == number && chunk->table == table &&
              chunk->first == first && chunk->last == last && is_value(&chunk->range.after, after) &&
              is_value(&chunk->range.upto, upto),
          "a chunk");
}

static MYSQL *connected(void)
{
    MYSQL *mysql = mysql_init(NULL);
    return mysql_real_connect(mysql, "h", "u", "p", NULL, 0, NULL, 0);
}

static void test_chunks(void)
{
    struct cdc_error error = {0};
    MYSQL *mysql = connected();
    fake.answers = answers;
    begin(3);
    for (size_t i = 0; i < 3; i++)
        workers[i].mysql = mysql;
    fake.said.len = 0;
    claims(&workers[0], 1, 0, NULL, "2", true, false);
    claims(&workers[1], 2, 0, "2", "4", false, false);
    claims(&workers[2], 3, 0, "4", NULL, false, true);
    claims(&workers[0], 4, 1, NULL, NULL, true, true);
    check(my_chunk_claim(&workers[1], &error) == 0 && run.next.number == 5, "there is no other");
    check(cdc_span_is(cdc_span(fake.said.data, fake.said.len),
                      "1 SELECT `id` FROM `d`.`t` FORCE INDEX (PRIMARY) ORDER BY `id` LIMIT 1 OFFSET 1\n"
                      "1 SELECT `id` FROM `d`.`t` FORCE INDEX (PRIMARY) WHERE (`id` > 2) ORDER BY `id` LIMIT 1 OFFSET "
                      "1\n"
                      "1 SELECT `id` FROM `d`.`t` FORCE INDEX (PRIMARY) WHERE (`id` > 4) ORDER BY `id` LIMIT 1 OFFSET "
                      "1\n"),
          "what is asked for them");
    end();
    /* One worker takes each table as it is. */
    begin(1);
    workers[0].mysql = mysql;
    fake.said.len = 0;
    claims(&workers[0], 1, 0, NULL, NULL, true, true);
    claims(&workers[0], 2, 1, NULL, NULL, true, true);
    check(my_chunk_claim(&workers[0], &error) == 0 && fake.said.len == 0, "and asks nothing");
    end();
    static const struct {
        struct fake_answer answer[2];
        int status;
    } wrong[] = {{{{"SELECT `id`", 1, "!1142 denied", false}}, CDC_EXIT_PERMISSION},
                 {{{"SELECT `id`", 2, "1|2", false}}, CDC_EXIT_PROTOCOL},
                 {{{"SELECT `id`", 1, "~", false}}, CDC_EXIT_PROTOCOL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin(2);
        workers[0].mysql = mysql;
        fake.answers = wrong[i].answer;
        error = (struct cdc_error){0};
        check(my_chunk_claim(&workers[0], &error) == -1 && error.status == wrong[i].status, wrong[i].answer[0].rows);
        end();
    }
    mysql_close(mysql);
}

/* -- turns -- */

static bool written(const char *text)
{
    char got[64];
    ssize_t n = pread(fd, got, sizeof got, 0);
    return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static void add(struct my_worker *worker, uint64_t number, const char *text)
{
    worker->chunk.number = number;
    cdc_buf_text(&worker->lines, text);
}

static void test_turns(void)
{
    struct cdc_error error = {0};
    begin(3);
    add(&workers[1], 2, "b\n");
    check(my_turns_pass(&workers[1], &error) == 0 && written("") && workers[1].lines.len == 2, "not its turn");
    add(&workers[0], 1, "a\n");
    workers[0].rows = 1;
    workers[0].n_lines = 2;
    workers[0].commits = 3;
    workers[0].unconvertible = 4;
    check(my_turns_pass(&workers[0], &error) == 0 && written("a\n") && workers[0].lines.len == 0, "its turn");
    check(run.progress.rows == 1 && metrics.changes == 1 && metrics.lines_out == 2 && metrics.commits == 3 &&
              metrics.unconvertible == 4,
          "what is counted");
    add(&workers[0], 1, "A\n");
    check(my_turns_pass(&workers[0], &error) == 0 && written("a\nA\n") && metrics.changes == 1 &&
              metrics.lines_out == 2 && metrics.commits == 3 && metrics.unconvertible == 4,
          "and once");
    my_turns_end(&workers[0]);
    check(run.turns.turn == 2 && my_turns_pass(&workers[1], &error) == 0 && written("a\nA\nb\n"),
          "the next one's turn");
    add(&workers[2], 3, "c\n");
    control.stop = 1;
    check(my_turns_pass(&workers[2], &error) == -1 && error.status != 0 && written("a\nA\nb\n"),
          "a signal while it is not its turn");
    control.stop = 0;
    /* A table that is not there any more: the last lines of the run. */
    my_turns_end(&workers[1]);
    workers[2].chunk.table = 2;
    error = (struct cdc_error){0};
    check(my_turns_wait(&workers[2], &error) == 0 && my_turns_write(&workers[2], &error) == 0 &&
              written("a\nA\nb\nc\n"),
          "after the last table");
    workers[2].lines.failed = true;
    check(my_turns_write(&workers[2], &error) == -1 && error.status == CDC_EXIT_INTERNAL, "lines without memory");
    end();
}

static int passed;
static void *passes(void *worker)
{
    struct cdc_error error = {0};
    passed = my_turns_pass(worker, &error);
    return NULL;
}

/* 4 MiB are kept, and no more: then it waits for its turn. */
static void test_kept(void)
{
    struct cdc_error error = {0};
    pthread_t thread;
    for (size_t less = 0; less < 2; less++) {
        size_t n = ((size_t)4 << 20) - less;
        begin(3);
        workers[1].chunk.number = 2;
        if (!cdc_buf_room(&workers[1].lines, n))
            abort();
        memset(workers[1].lines.data, 'b', n);
        workers[1].lines.len = n;
        workers[1].lines.data[n - 1] = '\n';
        if (pthread_create(&thread, NULL, passes, &workers[1]) != 0)
            abort();
        if (less == 1)
            pthread_join(thread, NULL);
        add(&workers[0], 1, "a\n");
        bool good = my_turns_pass(&workers[0], &error) == 0;
        my_turns_end(&workers[0]);
        if (less == 0)
            pthread_join(thread, NULL);
        char first[3] = "";
        check(good && passed == 0 && pread(fd, first, 3, 0) >= 2 && memcmp(first, "a\n", 2) == 0 &&
                  workers[1].lines.len == (less ? n : 0),
              less ? "lines that are kept" : "lines that wait");
        end();
    }
}

static void test_failure(void)
{
    struct cdc_error error = {0}, a = {0}, b = {0};
    begin(1);
    cdc_error_set(&a, CDC_EXIT_CONFIG, "a");
    cdc_error_set(&b, CDC_EXIT_LOST, "b");
    my_turns_fail(&workers[0], &a);
    my_turns_fail(&workers[0], &b);
    check(run.turns.failed && run.turns.error.status == CDC_EXIT_CONFIG, "the first error counts");
    add(&workers[0], 1, "a\n");
    check(my_turns_pass(&workers[0], &error) == -1 && error.status == CDC_EXIT_TEMPORARY && written(""),
          "nothing is written after it");
    error = (struct cdc_error){0};
    check(my_turns_wait(&workers[0], &error) == -1 && error.status == CDC_EXIT_TEMPORARY, "nor waited for");
    end();
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_chunks();
    test_turns();
    test_kept();
    test_failure();
    cdc_buf_free(&fake.said);
    return failures ? 1 : 0;
}
