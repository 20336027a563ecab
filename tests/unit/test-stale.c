/* SPDX-License-Identifier: MIT */
/* Marks of stale tables, and rounds: what a start finds after each place where a pipeline may be killed. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/request.h>
#include <cdc/stale.h>
#include <cdc/start.h>

#include "tests/unit/no-memory.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static void store(const char *tool, const char *pos, const char *state)
{
    struct cdc_error error = {0};
    const struct cdc_offset offset = {.pos = (char *)(uintptr_t)pos, .state = (char *)(uintptr_t)state};
    const char *name = strncmp(tool, "cdc-sink", 8) == 0 ? NULL : "shop";
    char *path = cdc_state_path(dir, tool, name);
    struct cdc_offset_file *file = cdc_offset_file_open(path, tool, &error);
    check(file != NULL && cdc_offset_file_set(file, "shop", &offset, &error) == 0 &&
              cdc_offset_file_save(file, &error) == 0,
          error.text);
    cdc_offset_file_free(file);
    free(path);
}

/* "t1 t2" of the tables that a start finds stale, and from where on. */
static void finds(const char *at, const char *tables, const char *what)
{
    struct cdc_error error = {0};
    struct cdc_start start;
    struct cdc_buf found = CDC_BUF_INIT;
    char *path = cdc_state_path(dir, "pg-cdc", "shop");
    struct cdc_offset_file *own = cdc_offset_file_open(path, "pg-cdc", &error);
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    check(cdc_start_decide(&start, own, acks, dir, "shop", -1, &error) == 0, error.text);
    for (size_t i = 0; i < start.stale.n; i++)
        cdc_buf_printf(&found, "%s%s", i > 0 ? " " : "", start.stale.tables[i].table);
    cdc_buf_byte(&found, '\0');
    bool same = strcmp(found.data, tables) == 0 && strcmp(start.stale.at ? start.stale.at : "", at) == 0;
    if (!same)
        printf("%s: \"%s\" from %s\n", what, found.data, start.stale.at ? start.stale.at : "(none)");
    check(same, what);
    cdc_buf_free(&found);
    cdc_start_free(&start);
    cdc_acks_free(acks);
    cdc_offset_file_free(own);
    free(path);
}

static void unlink_sink(const char *tool)
{
    char *path = cdc_state_path(dir, tool, NULL);
    check(path != NULL && unlink(path) == 0, "a sink leaves");
    free(path);
}

static enum cdc_round_due due_with(const struct cdc_rounds *rounds)
{
    struct cdc_error error = {0};
    struct cdc_stale mark = {.at = NULL};
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    check(cdc_stale_load(&mark, dir, "pg-cdc", "shop", &error) == 0, error.text);
    int due = cdc_rounds_due(rounds, &mark, acks, &error);
    check(due >= 0, error.text);
    cdc_acks_free(acks);
    cdc_stale_clear(&mark);
    return (enum cdc_round_due)due;
}

static void keep_rounds(const struct cdc_rounds *rounds)
{
    struct cdc_buf state = CDC_BUF_INIT;
    cdc_buf_lit(&state, "{\"attempt\":1,\"written\":\"a1\",\"finished\":true");
    cdc_rounds_append(&state, rounds);
    cdc_buf_append(&state, "}", 2);
    store("cdc-snapshot", "a1", state.data);
    cdc_buf_free(&state);
}

static struct cdc_round *begin(struct cdc_rounds *rounds)
{
    struct cdc_error error = {0};
    struct cdc_stale mark = {.at = NULL};
    check(cdc_stale_load(&mark, dir, "pg-cdc", "shop", &error) == 0, error.text);
    struct cdc_round *round = cdc_rounds_begin(rounds, &mark, 7, "shop", "", &error);
    check(round != NULL, error.text);
    cdc_stale_clear(&mark);
    return round;
}

static void end(struct cdc_round *round, const char *pos)
{
    struct cdc_error error = {0};
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    check(cdc_attempt_end(&round->attempt, pos, -1, acks, &error) == 0, error.text);
    cdc_acks_free(acks);
}

static char *mark_of(const char *at, const char *const *tables)
{
    struct cdc_error error = {0};
    struct cdc_stale stale = {.at = strdup(at)};
    struct cdc_buf state = CDC_BUF_INIT;
    for (; *tables; tables++)
        check(cdc_stale_add(&stale, "db", "public", *tables, "a \"reason\"", &error) == 0, error.text);
    cdc_buf_lit(&state, "{\"slot\":\"x\"");
    cdc_stale_append(&state, &stale);
    cdc_buf_append(&state, "}", 2);
    cdc_stale_clear(&stale);
    return state.data;
}

/* The very first transaction of the stream made a table stale: it has no position yet. */
static void test_first(void)
{
    struct cdc_rounds rounds = {.items = NULL};
    char *mark = mark_of("a1", (const char *const[]){"t1", NULL});

    store("cdc-snapshot", "a1", "{\"attempt\":1,\"written\":\"a1\",\"finished\":true}");
    store("cdc-sink-sqlite", "a1", NULL);
    store("pg-cdc", "", mark);
    finds("a1", "t1", "a mark without a position");
    check(due_with(&rounds) == CDC_ROUND_DUE, "is found by the snapshot, too");
    free(mark);
}

static void test_life(void)
{
    struct cdc_rounds rounds = {.items = NULL};
    struct cdc_error error = {0};
    char *mark = mark_of("0000000000000005.0000000000.h00000001", (const char *const[]){"t2", "t1", "t2", NULL});

    store("cdc-snapshot", "a1", "{\"attempt\":1,\"written\":\"a1\",\"finished\":true}");
    store("cdc-sink-sqlite", "0000000000000003.0000000000.h00000001", NULL);
    store("pg-cdc", "0000000000000003.0000000000.h00000001", "{\"slot\":\"x\"}");
    finds("", "", "nothing is stale");
    check(due_with(&rounds) == CDC_ROUND_NONE, "nothing to read");
    store("pg-cdc", "0000000000000005.0000000000.h00000001", mark);
    finds("0000000000000005.0000000000.h00000001", "t1 t2", "a mark");
    check(due_with(&rounds) == CDC_ROUND_EARLY, "the sink is not there yet");
    store("cdc-sink-sqlite", "0000000000000005.0000000000.h00000001", NULL);
    check(due_with(&rounds) == CDC_ROUND_DUE, "the sink is there");
    struct cdc_round *round = begin(&rounds);
    keep_rounds(&rounds);
    finds("0000000000000005.0000000000.h00000001", "t1 t2", "killed within a round");
    check(due_with(&rounds) == CDC_ROUND_DUE, "it is read again");
    round = begin(&rounds);
    check(rounds.n == 1 && round->attempt.number == 2, "as a further attempt");
    round->read_at = strdup("{\"lsn\":\"0/1\"}");
    end(round, "0000000000000005.0000000000.r0002.1");
    keep_rounds(&rounds);
    finds("0000000000000005.0000000000.h00000001", "t1 t2", "written, not stored");
    store("cdc-sink-sqlite", "0000000000000005.0000000000.r0002.1", NULL);
    finds("", "", "stored");
    check(due_with(&rounds) == CDC_ROUND_NONE, "and done");
    char *more = mark_of("0000000000000005.0000000000.h00000001", (const char *const[]){"t1", "t2", "t9", NULL});
    store("pg-cdc", "0000000000000005.0000000000.h00000001", more);
    finds("0000000000000005.0000000000.h00000001", "t1 t2 t9", "a table that was added to the mark since");
    check(due_with(&rounds) == CDC_ROUND_DUE, "was not read");
    free(more);
    store("pg-cdc", "0000000000000005.0000000000.h00000001", mark);
    struct cdc_rounds again = {.items = NULL};
    char *state = NULL;
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "{\"x\":1");
    cdc_rounds_append(&text, &rounds);
    cdc_buf_append(&text, "}", 2);
    check(cdc_rounds_read(&again, cdc_span_text(text.data), &error) == 0 && again.n == 1 &&
              strcmp(again.items[0].read_at, "{\"lsn\":\"0/1\"}") == 0 && again.items[0].attempt.number == 2 &&
              again.items[0].attempt.origin == 7 && again.items[0].of.n == 2,
          "what is kept is read again");
    cdc_rounds_clear(&again);
    cdc_buf_free(&text);
    free(state);

    store("pg-cdc", "0000000000000009.0000000000.h00000001", "{\"slot\":\"x\"}");
    store("cdc-sink-sqlite", "0000000000000004.0000000000.h00000001", NULL);
    finds("0000000000000005.0000000000.h00000001", "t1 t2", "a sink from a backup of before the round");
    free(mark);
    mark = mark_of("0000000000000007.0000000000.h00000001", (const char *const[]){"t1", "t2", "t3", NULL});
    store("pg-cdc", "0000000000000007.0000000000.h00000001", mark);
    store("cdc-sink-sqlite", "0000000000000007.0000000000.h00000001", NULL);
    end(begin(&rounds), "0000000000000007.0000000000.r0001.1");
    keep_rounds(&rounds);
    finds("0000000000000007.0000000000.h00000001", "t1 t2 t3", "another round");
    store("cdc-sink-sqlite", "0000000000000007.0000000000.r0001.1", NULL);
    finds("", "", "is stored");

    /* A round that nobody ever wrote to its end is settled by a newer one of the same tables. */
    free(mark);
    mark = mark_of("0000000000000008.0000000000.h00000001", (const char *const[]){"t1", NULL});
    store("pg-cdc", "0000000000000008.0000000000.h00000001", mark);
    begin(&rounds);
    free(mark);
    mark = mark_of("0000000000000009.0000000000.h00000001", (const char *const[]){"t1", NULL});
    store("pg-cdc", "0000000000000009.0000000000.h00000001", mark);
    end(begin(&rounds), "0000000000000009.0000000000.r0001.1");
    keep_rounds(&rounds);
    store("cdc-sink-sqlite", "0000000000000009.0000000000.r0001.1", NULL);
    finds("", "", "an abandoned round");
    free(mark);
    cdc_rounds_clear(&rounds);
}

/* A list without end would be one of state; what is left out of it must not be forgotten. */
static void test_many(void)
{
    struct cdc_rounds rounds = {.items = NULL};
    char at[16], table[16], written[16];
    for (int i = 0; i < 100; i++) {
        snprintf(at, sizeof at, "n%03d", i);
        snprintf(table, sizeof table, "t%03d", i);
        snprintf(written, sizeof written, "n%03dr", i);
        char *mark = mark_of(at, (const char *const[]){table, NULL});
        store("pg-cdc", at, mark);
        end(begin(&rounds), written);
        free(mark);
    }
    check(rounds.n == 100, "a round for each table");
    keep_rounds(&rounds);
    store("pg-cdc", "n099", "{\"slot\":\"x\"}");
    store("cdc-sink-sqlite", "n097r", NULL);
    finds("n099", "t098 t099", "a sink that lacks the last two");
    store("cdc-sink-sqlite", "n002r", NULL);
    cdc_rounds_clear(&rounds);
    for (int i = 0; i < 200; i++) {
        snprintf(at, sizeof at, "n%03d", i);
        snprintf(written, sizeof written, "n%03dr", i);
        char *mark = mark_of(at, (const char *const[]){"t1", i % 2 ? "t2" : "t3", NULL});
        store("pg-cdc", at, mark);
        end(begin(&rounds), written);
        free(mark);
    }
    check(rounds.n == 2 && rounds.items[0].of.n == 1 && rounds.items[1].of.n == 2 &&
              rounds.items[1].attempt.number == 200,
          "a table is in the newest round that has it, and each round has a number of its own");
    keep_rounds(&rounds);
    store("pg-cdc", "n199", "{\"slot\":\"x\"}");
    finds("n199", "t1 t2 t3", "a sink that lacks all of them");
    store("cdc-sink-sqlite", "n198r", NULL);
    finds("n199", "t1 t2", "a sink that lacks the last one");
    cdc_rounds_clear(&rounds);
}

static void test_damaged(void)
{
    static const char *const states[] = {"{\"stale\":1}",
                                         "{\"stale\":{}}",
                                         "{\"stale\":{\"at\":\"\",\"tables\":[{\"table\":\"t\"}]}}",
                                         "{\"stale\":{\"at\":\"x\",\"tables\":[]}}",
                                         "{\"stale\":{\"at\":\"x\",\"tables\":[{\"table\":1}]}}",
                                         "{\"stale\":{\"at\":\"x\",\"tables\":[{\"db\":\"d\"}]}}",
                                         "{\"stale\":{\"at\":\"x\",\"tables\":[7]}}"};
    static const char *const rounds[] = {"{\"again\":{}}", "{\"again\":[1]}",
                                         "{\"again\":[{\"at\":\"x\",\"tables\":[{\"table\":\"t\"}],\"attempt\":1}]}"};
    struct cdc_error error = {0};
    struct cdc_stale stale = {.at = NULL};
    struct cdc_rounds list = {.items = NULL};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        check(cdc_stale_read(&stale, cdc_span_text(states[i]), &error) < 0 && error.status == CDC_EXIT_CONFIG,
              states[i]);
        cdc_error_clear(&error);
    }
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        check(cdc_rounds_read(&list, cdc_span_text(rounds[i]), &error) < 0 && error.status == CDC_EXIT_CONFIG,
              rounds[i]);
        cdc_error_clear(&error);
    }
    check(cdc_stale_read(&stale, cdc_span_text("{\"stale\":null}"), &error) == 0 && stale.n == 0, "null is none");
}

/* Of two sinks one was set back: the round must come where the other one has not passed yet. */
static void test_ahead(void)
{
    static const char at[] = "0000000000000005.0000000000.h00000001",
                      round_end[] = "0000000000000005.0000000000.r0001.2",
                      half[] = "0000000000000005.0000000000.r0001.1", later[] = "0000000000000009.FFFFFFFFFF.0",
                      before[] = "0000000000000004.FFFFFFFFFF.0";
    struct cdc_rounds rounds = {.items = NULL};
    char *mark = mark_of(at, (const char *const[]){"t1", NULL});

    store("pg-cdc", at, mark);
    store("cdc-sink-sqlite", at, NULL);
    store("cdc-sink-http", at, NULL);
    end(begin(&rounds), round_end);
    keep_rounds(&rounds);
    store("cdc-sink-http", half, NULL);
    finds(at, "t1", "one of two has stored half of the round");
    store("cdc-sink-http", round_end, NULL);
    finds(at, "t1", "one of two has stored the round");
    check(due_with(&rounds) == CDC_ROUND_DUE, "the other one needs it");
    store("cdc-sink-sqlite", round_end, NULL);
    finds("", "", "both have");
    store("pg-cdc", later, "{\"slot\":\"x\"}");
    store("cdc-sink-http", later, NULL);
    store("cdc-sink-sqlite", before, NULL);
    finds(later, "t1", "one was set back, the other is ahead");
    free(mark);
    mark = mark_of(at, (const char *const[]){"t1", NULL});
    store("pg-cdc", at, mark);
    store("cdc-sink-sqlite", at, NULL);
    finds(later, "t1", "a mark before the foremost sink");
    struct cdc_rounds none = {.items = NULL};
    check(due_with(&none) == CDC_ROUND_EARLY, "is not to be answered there");
    free(mark);
    cdc_rounds_clear(&rounds);
    unlink_sink("cdc-sink-http");
}

/* A line's pos has no digits for more attempts: two of them would have the same ones. */
static void test_last_attempt(void)
{
    struct cdc_rounds rounds = {.items = NULL};
    struct cdc_error error = {0};
    struct cdc_stale mark = {.at = strdup("m5")};
    check(mark.at && cdc_stale_add(&mark, "db", "public", "t1", "", &error) == 0, "a mark");
    struct cdc_round *round = cdc_rounds_begin(&rounds, &mark, 7, "shop", "start anew", &error);
    check(round != NULL && round->attempt.number == 1, "a first attempt");
    if (round != NULL)
        round->attempt.number = CDC_ATTEMPT_MAX - 1;
    round = cdc_rounds_begin(&rounds, &mark, 7, "shop", "start anew", &error);
    check(round != NULL && round->attempt.number == CDC_ATTEMPT_MAX, "the last one");
    check(cdc_rounds_begin(&rounds, &mark, 7, "shop", "start anew", &error) == NULL &&
              error.status == CDC_EXIT_CONFIG && strcmp(error.hint, "start anew") == 0,
          "and none after it");
    cdc_rounds_clear(&rounds);
    cdc_stale_clear(&mark);
}

/* "t1 t2" of what is asked for. */
static bool asked(const char *tables)
{
    struct cdc_stale found = {.at = NULL};
    struct cdc_error error = {0};
    struct cdc_buf names = CDC_BUF_INIT;
    check(cdc_request_read(&found, dir, "shop", &error) == 0, error.text);
    for (size_t i = 0; i < found.n; i++)
        cdc_buf_printf(&names, "%s%s", i > 0 ? " " : "", found.tables[i].table);
    cdc_buf_byte(&names, '\0');
    bool same = strcmp(names.data, tables) == 0;
    if (!same)
        printf("asked for: \"%s\"\n", names.data);
    cdc_buf_free(&names);
    cdc_stale_clear(&found);
    return same;
}

static void ask(const char *table)
{
    struct cdc_stale wanted = {.at = NULL};
    struct cdc_error error = {0};
    check(cdc_stale_add(&wanted, "db", "public", table, "", &error) == 0 &&
              cdc_request_add(dir, "shop", &wanted, &error) == 0,
          error.text);
    cdc_stale_clear(&wanted);
}

/* Until the clock shows another time: a request is known by it. */
static void ask_later(const char *table, const char *why)
{
    struct cdc_stale found = {.at = NULL};
    struct cdc_error error = {0};
    const struct cdc_stale_table *now;
    do {
        ask(table);
        check(cdc_request_read(&found, dir, "shop", &error) == 0, error.text);
        now = cdc_stale_find(&found, "db", "public", table);
        check(now != NULL, "is asked for");
    } while (now != NULL && strcmp(now->why, why) == 0);
    cdc_stale_clear(&found);
}

/* A mark that has what is asked for, as a stream saves it. */
static char *mark_asked(const char *at, const struct cdc_stale *tables)
{
    struct cdc_buf mark = CDC_BUF_INIT;
    struct cdc_stale placed = *tables;
    placed.at = (char *)(uintptr_t)at;
    cdc_buf_lit(&mark, "{\"slot\":\"x\"");
    cdc_stale_append(&mark, &placed);
    cdc_buf_append(&mark, "}", 2);
    check(!mark.failed, "a mark");
    return mark.data;
}

/* What people ask for, and each place where the stream that takes it may be killed. */
static void test_requests(void)
{
    static const char start[] = "000000000000000A.0000000000.a0001", before[] = "0000000000000010.0000000000.h00000000",
                      at[] = "0000000000000020.0000000000.h00000000",
                      round_end[] = "0000000000000020.0000000000.r0001.2";
    struct cdc_stale first = {.at = NULL};
    struct cdc_error error = {0};
    char *path = cdc_request_path(dir, "shop");
    store("cdc-snapshot", start, "{\"written\":\"000000000000000A.0000000000.a0001.2\",\"finished\":true}");
    store("pg-cdc", before, "{\"slot\":\"x\"}");
    store("cdc-sink-sqlite", before, NULL);
    check(asked("") && cdc_request_settle(&first, dir, "shop", &error) == 0, "nothing is asked for");
    finds("", "", "nothing is stale");
    ask("t2");
    ask("t1");
    ask("t2");
    check(asked("t1 t2"), "two are one");
    finds(before, "t1 t2", "a start finds them");

    check(cdc_request_read(&first, dir, "shop", &error) == 0, error.text);
    char *mark = mark_asked(at, &first);
    store("pg-cdc", at, mark);
    finds(at, "t1 t2", "killed after the mark, before they were taken out: the mark");
    check(asked("t1 t2"), "they are there still");
    store("cdc-sink-sqlite", round_end, NULL);
    store(
        "cdc-snapshot", start,
        "{\"written\":\"000000000000000A.0000000000.a0001.2\",\"finished\":true,\"again\":[{\"at\":"
        "\"0000000000000020.0000000000.h00000000\",\"tables\":[{\"db\":\"db\",\"schema\":\"public\",\"table\":\"t1\"},"
        "{\"db\":\"db\",\"schema\":\"public\",\"table\":\"t2\"}],\"origin\":32,\"attempt\":1,\"written\":"
        "\"0000000000000020.0000000000.r0001.2\",\"finished\":true}]}");
    finds("", "", "and read since: they are answered");
    ask_later("t1", first.n > 0 ? first.tables[0].why : "");
    finds(round_end, "t1", "but not what was asked for after that, which no round before is the answer to");
    check(cdc_request_settle(&first, dir, "shop", &error) == 0 && asked("t1"), "the later one stays");
    cdc_stale_clear(&first);
    check(cdc_request_read(&first, dir, "shop", &error) == 0 && cdc_request_settle(&first, dir, "shop", &error) == 0 &&
              asked("") && access(path, F_OK) != 0,
          "the last one takes the file with it");
    cdc_stale_clear(&first);
    free(mark);
    free(path);
}

/* Rounds of a table each, in the order in which they were begun; those of one table that is named again, again. */
static void add_rounds(struct cdc_rounds *rounds, const char *const *tables, size_t n)
{
    char at[16], written[16];
    for (size_t i = 0; i < n; i++) {
        struct cdc_error error = {0};
        struct cdc_stale mark = {.at = NULL};
        snprintf(at, sizeof at, "m%zu", i);
        snprintf(written, sizeof written, "m%zur", i);
        mark.at = strdup(at);
        check(cdc_stale_add(&mark, "d", "s", tables[i], "", &error) == 0, error.text);
        struct cdc_round *round = cdc_rounds_begin(rounds, &mark, 7, "shop", "", &error);
        check(round != NULL && (round->attempt.written = strdup(written)) != NULL, error.text);
        cdc_stale_clear(&mark);
    }
}

static void test_rounds_of_tables(void)
{
    static const char *const tables[] = {"a", "b", "c"};
    struct cdc_rounds rounds = {.items = NULL};
    struct cdc_error error = {0};
    struct cdc_stale back = {.at = NULL};
    add_rounds(&rounds, tables, 3);
    struct cdc_round *round = cdc_rounds_find(&rounds, "d", "s", "b");
    check(rounds.n == 3 && round != NULL && strcmp(round->attempt.written, "m1r") == 0, "the round of a table");
    check(cdc_rounds_find(&rounds, "d", "s", "x") == NULL && cdc_rounds_find(&rounds, "d", "x", "b") == NULL &&
              cdc_rounds_find(&rounds, "x", "s", "b") == NULL,
          "others have none");
    check(cdc_stale_add(&back, "d", "s", "c", "", &error) == 0 && cdc_stale_add(&back, "d", "s", "x", "", &error) == 0,
          "two");
    cdc_rounds_take_back(&rounds, &back);
    check(rounds.items[2].attempt.written == NULL && rounds.items[1].attempt.written != NULL &&
              rounds.items[0].attempt.written != NULL,
          "what was written of a table counts no more, of the others it does");
    cdc_stale_remove(&rounds.items[1].of, "d", "s", "x");
    check(rounds.items[1].of.n == 1, "one that it has not");
    cdc_stale_remove(&rounds.items[1].of, "d", "s", "b");
    cdc_rounds_prune(&rounds);
    check(rounds.n == 2 && strcmp(rounds.items[0].of.tables[0].table, "a") == 0 &&
              strcmp(rounds.items[1].of.tables[0].table, "c") == 0,
          "a round without a table is none");
    cdc_stale_clear(&back);
    cdc_rounds_clear(&rounds);
}

/* Lines that would be taken for ones that a sink has: at or before any place that is known. */
static void test_is_before(void)
{
    static const char *const one[] = {"a"};
    struct cdc_error error = {0};
    struct cdc_rounds rounds = {.items = NULL};
    struct cdc_start start = {.stale = {.at = NULL}};
    struct cdc_offset boundary = {.pos = (char *)(uintptr_t) "p5"};
    struct cdc_acks *none = cdc_acks_new("shop", NULL, 0, NULL, &error);
    const struct cdc_offset *newest = NULL;
    check(cdc_start_is_before(&start, none, &rounds, NULL, ""), "nothing is known");
    check(cdc_start_is_before(&start, none, &rounds, &boundary, "p6") &&
              !cdc_start_is_before(&start, none, &rounds, &boundary, "p5"),
          "after the last line");
    start.own.pos = (char *)(uintptr_t) "p6";
    check(cdc_start_is_before(&start, none, &rounds, NULL, "p7") &&
              !cdc_start_is_before(&start, none, &rounds, NULL, "p6"),
          "our own");
    start.own.pos = NULL;
    start.from.pos = (char *)(uintptr_t) "p6";
    check(cdc_start_is_before(&start, none, &rounds, NULL, "p7") &&
              !cdc_start_is_before(&start, none, &rounds, NULL, "p6"),
          "where it begins");
    start.from.pos = NULL;
    add_rounds(&rounds, one, 1);
    check(cdc_start_is_before(&start, none, &rounds, NULL, "m0s") &&
              !cdc_start_is_before(&start, none, &rounds, NULL, "m0r") &&
              !cdc_start_is_before(&start, none, &rounds, NULL, "m0"),
          "what was read again");
    free(rounds.items[0].attempt.written);
    rounds.items[0].attempt.written = NULL;
    check(cdc_start_is_before(&start, none, &rounds, NULL, "m0r") &&
              !cdc_start_is_before(&start, none, &rounds, NULL, "m0"),
          "or is to be");
    start.rounds = rounds;
    rounds = (struct cdc_rounds){.items = NULL};
    check(!cdc_start_is_before(&start, none, &rounds, NULL, "m0"), "as it was found at the start");
    cdc_rounds_clear(&start.rounds);
    unlink_sink("cdc-sink-sqlite");
    store("cdc-sink-http", "p3", NULL);
    store("cdc-sink-sqlite", "p6", NULL);
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    check(cdc_acks_read(acks, &newest, &error) == 0 && cdc_acks_count(acks) == 2, "two sinks");
    check(cdc_start_is_before(&start, acks, &rounds, NULL, "p7") &&
              !cdc_start_is_before(&start, acks, &rounds, NULL, "p5") &&
              !cdc_start_is_before(&start, acks, &rounds, NULL, "p6"),
          "the foremost sink");
    cdc_acks_free(acks);
    cdc_acks_free(none);
    unlink_sink("cdc-sink-http");
}

/* A mark and a round, read and written again. */
static int read_and_write(struct cdc_buf *out, struct cdc_error *error)
{
    static const char state[] =
        "{\"stale\":{\"at\":\"p1\",\"tables\":[{\"db\":\"d\",\"schema\":\"s\",\"table\":\"t1\",\"why\":\"w\"},"
        "{\"db\":\"d\",\"schema\":\"s\",\"table\":\"t2\"}]},\"again\":[{\"at\":\"p0\",\"tables\":[{\"db\":\"d\","
        "\"table\":\"t3\"}],"
        "\"origin\":1,\"attempt\":1,\"written\":\"p2\",\"read_at\":{\"lsn\":\"0/1\"},\"finished\":true}]}";
    struct cdc_stale stale = {.at = NULL};
    struct cdc_rounds rounds = {.items = NULL};
    memory_begin();
    int result = cdc_stale_read(&stale, cdc_span_text(state), error) == 0 &&
                         cdc_rounds_read(&rounds, cdc_span_text(state), error) == 0 &&
                         cdc_rounds_begin(&rounds, &stale, 1, "shop", "", error) != NULL
                     ? 0
                     : -1;
    memory_end();
    if (result == 0) {
        cdc_stale_append(out, &stale);
        cdc_rounds_append(out, &rounds);
    }
    cdc_stale_clear(&stale);
    cdc_rounds_clear(&rounds);
    return result;
}

static void test_without_memory(void)
{
    struct cdc_rounds none = {.items = NULL};
    struct cdc_stale mark = {.at = NULL};
    struct cdc_error error = {0};
    failures += memory_sweep("marks and rounds", read_and_write) != 0;
    check(cdc_stale_add(&mark, "d", "s", "t", "", &error) == 0 &&
              cdc_rounds_due(&none, &mark, NULL, &error) == CDC_ROUND_NONE,
          "a mark without a place is none");
    cdc_stale_clear(&mark);
}

static void test_stop(void)
{
    static const char *const tables[] = {"a", "b", "c", "e"};
    struct cdc_error error = {0};
    struct cdc_stale stale = {.at = NULL};
    check(cdc_stale_add(&stale, "d", "", "a", "altered", &error) == 0 && cdc_stale_stop(&stale, &error) < 0 &&
              error.status == CDC_EXIT_TEMPORARY && strcmp(error.text, "to be read again: table d.a (altered)") == 0,
          error.text);
    cdc_stale_clear(&stale);
    cdc_error_clear(&error);
    for (size_t i = 0; i < 4; i++)
        check(cdc_stale_add(&stale, "d", "s", tables[i], "", &error) == 0, "added");
    check(cdc_stale_stop(&stale, &error) < 0 &&
              strcmp(error.text, "to be read again: tables s.a, s.b, s.c and 1 more") == 0,
          error.text);
    cdc_stale_clear(&stale);
}

int main(void)
{
    char command[64];
    if (mkdtemp(dir) == NULL)
        return 1;
    test_first();
    test_life();
    test_many();
    test_ahead();
    test_last_attempt();
    test_rounds_of_tables();
    test_is_before();
    test_stop();
    test_without_memory();
    test_requests();
    test_damaged();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - stale tables: marks, rounds, what a start finds\n");
    return failures != 0;
}
