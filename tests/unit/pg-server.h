/* SPDX-License-Identifier: MIT */
/* What the programs have in common that run a PostgreSQL tool with a server that is a table of answers, as PostgreSQL 15 gave them:
 * answers, settings, and what is looked at: lines, what was said for them, messages, and what becomes of all that when one
 * command, connection, message or allocation fails, or an answer is another one. Included by one file of a program. */
#ifndef PG_SERVER_H
#define PG_SERVER_H

#include "connectors/postgres/postgres.h"
#include "tests/unit/fake-postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- the server -- */

#define CATALOG                                                                                                        \
    "oid|schema|name|root_schema|root|kind|persistence|listed|published|via_root|under_root|owned|readable|hidden|"    \
    "estimate|filter|columns|lists_columns|hole|partial|large|columnless|detaching|nullable_key|inserts_only|unsent|"  \
    "is_18|"                                                                                                           \
    "replica_"                                                                                                         \
    "identity|partitioned|primary_exists|primary_is_immediate|index_exists|unlike\n"
#define PUBLISHED                                                                                                      \
    CATALOG                                                                                                            \
    "16384|public|t|~|~|r|p|t|t|t|f|t|t|f|5|~|{id,v}|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~\n16391|public|u|~|~|r|p|t|t|"     \
    "t|f|t|t|f|7|~|{a,b}|f|~|f|f|f|~|~|f|f|f|d|f|f|f|f|~"
#define SLOT "plugin|other_database|active|pid|confirmed|restart|lost|synced|two_phase"
#define WAYS "table_oid|target|schema|name|target_schema|target_name|by_another|way|lsn"
#define MEMBERS                                                                                                        \
    "publication|written|is|whole|newest|ids|via_root|kind|of|row"                                                     \
    "|schema|name|partitioned|root_schema|root\n"                                                                      \
    "16396|725|10 f t t t t t|725 1 5|4294967299|5|t|s|2200|16397|public|t|f|~|~\n"                                    \
    "16396|725|10 f t t t t t|725 1 5|4294967299|5|t|s|2200|16397|public|u|f|~|~"
#define SYSTEM "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543F48|postgres"
#define TYPES "name|base_name|base|leaf|delimiters|leaf_is\ninteger|~|23|23||\ntext|~|25|25||"

#define HAD "{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t t\",\"has\":\"s2200:16397\"}"

/* -- runs -- */

/* Time passes: what is due now and then is due whenever somebody looks. */
static time_t seconds, step;
int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += seconds += step;
    return (int)result;
}

static struct cdc_buf logged;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    (void)context, (void)level;
    bool counts = memory_counts;
    memory_counts = false;
    cdc_buf_printf(&logged, "%s\n", message);
    memory_counts = counts;
}
static const struct cdc_log log_to = {.write = keep_message};

static bool has(const struct cdc_buf *text, const char *part)
{
    return text->len > 0 && memmem(text->data, text->len, part, strlen(part)) != NULL;
}

static const char *pattern[] = {"public.*"};
static size_t n_patterns = 1;
static bool no_create;

static struct pg_settings settings_of(const struct fake_answer *answers, const struct fake_copy *copies)
{
    fake.answers = answers;
    fake.copies = copies;
    fake.connections = fake.open = 0;
    fake.said.len = fake.sent.len = logged.len = 0;
    memset(fake.given, 0, sizeof fake.given);
    memset(fake_failures, 0, sizeof fake_failures);
    return (struct pg_settings){.url = "postgresql:///postgres",
                                .name = "p",
                                .slot = "cdc_p",
                                .publication = "cdc_p",
                                .publication_by_name = true,
                                .slot_by_name = true,
                                .no_create = no_create,
                                .allow_refused = true,
                                .selection = {.include = {.items = pattern, .count = n_patterns}},
                                .tool = "test",
                                .log = &log_to};
}

static int left_open(int result, struct cdc_error *error)
{
    return fake.open == 0 ? result : cdc_error_set(error, CDC_EXIT_INTERNAL, "%u connections are left open", fake.open);
}

/* -- what comes out, and what is said for it -- */

/* Long commands without their middle. */
static void append_short(struct cdc_buf *out)
{
    for (const char *p = fake.said.data, *end = p + fake.said.len; p < end;) {
        size_t n = strcspn(p, "\n");
        if (n > 130)
            cdc_buf_printf(out, "%.70s ... %.*s\n", p, 50, p + n - 50);
        else
            cdc_buf_printf(out, "%.*s\n", (int)n, p);
        p += n + 1;
    }
}

static void same(const char *what, const char *part, const struct cdc_buf *got, const char *want)
{
    char line[100];
    bool good = cdc_span_is(cdc_span(got->data, got->len), want);
    snprintf(line, sizeof line, "%s: %s", what, part);
    check(good, line);
    if (!good)
        printf("got:\n%.*s\nwanted:\n%s\n", (int)got->len, got->data, want);
}

struct run {
    const char *what, *name;
    memory_scenario *scenario;
    const char *lines, *said, *logged;
};

static void test_run(const struct run *run)
{
    struct cdc_buf out = CDC_BUF_INIT, said = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int result = run->scenario(&out, &error);
    append_short(&said);
    if (getenv("SHOW"))
        printf("@@ %s %d %s\n<<lines\n%.*s\n>>\n<<said\n%.*s>>\n<<logged\n%.*s>>\n", run->name, result, error.text,
               (int)out.len, out.data, (int)said.len, said.data, (int)logged.len, logged.data);
    check(result == 0, run->what);
    same(run->what, "lines", &out, run->lines);
    same(run->what, "what is said", &said, run->said);
    same(run->what, "messages", &logged, run->logged);
    cdc_buf_free(&out);
    cdc_buf_free(&said);
    failures += fake_sweep(run->what, run->scenario);
    failures += memory_sweep(run->what, run->scenario);
}

/* -- other answers -- */

#define A(to, rows)                                                                                                    \
    {                                                                                                                  \
        to, rows, false                                                                                                \
    }
struct other {
    memory_scenario *scenario;
    struct fake_answer answers[5]; /* and an end */
    int status;
    const char *says; /* part of the error, its hint, a message, the lines or what was said */
};

/* after: other answers that come after those; NULL: none. */
static void check_other(const struct other *other, const struct fake_answer *after)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char line[240];
    struct fake_answer all[16];
    size_t n = 0;
    for (; other->answers[n].to; n++)
        all[n] = other->answers[n];
    for (size_t i = 0; after && after[i].to; i++)
        all[n++] = after[i];
    all[n] = (struct fake_answer){0};
    fake.first = all;
    int result = other->scenario(&out, &error);
    fake.first = NULL;
    cdc_buf_printf(&out, "%s (hint: %s)", error.text, error.hint);
    cdc_buf_append_buf(&out, &logged);
    cdc_buf_append_buf(&out, &fake.said);
    snprintf(line, sizeof line, "%.60s|%.60s: %s", other->answers[0].to,
             other->answers[0].rows ? other->answers[0].rows : "", other->says);
    bool good = error.status == other->status && (result == 0) == (other->status == 0) && has(&out, other->says);
    check(good, line);
    if (!good)
        printf("# status %d: %.*s\n", error.status, (int)out.len, out.data);
    cdc_buf_free(&out);
}

#endif
