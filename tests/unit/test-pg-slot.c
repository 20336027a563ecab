/* SPDX-License-Identifier: MIT */
/* A pipeline's names, and its slot, which may be long in the making. The clock stands still but for the waits. */
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/slot.h"
#include "tests/unit/fake-postgres.h"

#include <poll.h>
#include <time.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

static int64_t now_ms, stop_at;
static struct cdc_control control;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000};
    return 0;
}

/* Under a name of its own: of poll's a compiler knows that it reads nothing. */
int our_poll(struct pollfd *fds, nfds_t n, int ms) __asm__("poll");
int our_poll(struct pollfd *fds, nfds_t n, int ms)
{
    bool connects = n == 5;
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = (short)(i == 0 && connects ? fds[i].events : 0);
    now_ms += connects ? 0 : ms;
    if (stop_at && now_ms >= stop_at)
        control.stop = 1;
    return connects;
}

static struct cdc_buf logged;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    (void)context, (void)level;
    cdc_buf_printf(&logged, "%ld %s\n", (long)now_ms, message);
}
static const struct cdc_log log_to = {.write = keep_message};

/* -- a slot in the making -- */

#define MADE "slot_name|consistent_point|snapshot_name|output_plugin\nb|0/1543DD0|00000004-1|pgoutput"
static struct fake_answer answers[] = {{"SET ", NULL, false},
                                       {"CREATE_REPLICATION_SLOT", MADE, false},
                                       {"AS waits_for", "waits_for\npid 7", false},
                                       {"SELECT 1 FROM pg_publication", "?column?", false},
                                       {NULL, NULL, false}};

/* turns: so many seconds the server is busy. */
static int create(int turns, bool temporary, bool exports, uint64_t *lsn, char snapshot[64], struct cdc_error *error)
{
    const struct pg_settings settings = {.url = "postgresql:///postgres",
                                         .slot = "s",
                                         .temporary = temporary,
                                         .tool = "test",
                                         .log = &log_to,
                                         .control = &control};
    *error = (struct cdc_error){0};
    control = (struct cdc_control){.wake_fd = -1, .notice_fd = -1};
    now_ms = 0;
    fake.answers = answers;
    fake.connections = fake.open = 0;
    fake.said.len = logged.len = 0;
    fake.busy = 0;
    memset(fake.given, 0, sizeof fake.given);
    memset(fake_failures, 0, sizeof fake_failures);
    PGconn *replication = pg_connect(&settings, true, error);
    fake.busy_at = 1;
    fake.busy = turns;
    int result = pg_slot_create(replication, &settings, lsn, exports ? snapshot : NULL, error);
    fake.busy = 0;
    PQfinish(replication);
    check(fake.open == 0, "no connection is left");
    return result;
}

static bool told(const char *want)
{
    return logged.len == strlen(want) && memcmp(logged.data ? logged.data : "", want, logged.len) == 0;
}

#define WAITS " the new slot \"s\" waits for older transactions to end: pid 7\n"

static void test_making(void)
{
    struct cdc_error error;
    uint64_t lsn = 0;
    char snapshot[64] = "";
    check(create(0, false, true, &lsn, snapshot, &error) == 0 && lsn == 0x1543DD0 &&
              strcmp(snapshot, "00000004-1") == 0 && told("") &&
              strstr(fake.said.data, "1 CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput EXPORT_SNAPSHOT\n"),
          "a slot with a snapshot");
    check(create(0, true, false, &lsn, snapshot, &error) == 0 &&
              strstr(fake.said.data, "1 CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT\n"),
          "a temporary one without");
    check(create(4, false, true, &lsn, snapshot, &error) == 0 && now_ms == 4000 && told("") && fake.connections == 1,
          "after 4 s");
    check(create(5, false, true, &lsn, snapshot, &error) == 0 && now_ms == 5000 && told("5000" WAITS), "after 5 s");
    check(create(34, false, true, &lsn, snapshot, &error) == 0 && told("5000" WAITS), "after 34 s");
    check(create(35, false, true, &lsn, snapshot, &error) == 0 && told("5000" WAITS "35000" WAITS), "after 35 s");
    answers[2].rows = "waits_for\n~";
    check(create(5, false, true, &lsn, snapshot, &error) == 0 && told("") && fake.connections == 2, "nobody knows");
    answers[2].rows = "!42501 denied";
    check(create(5, false, true, &lsn, snapshot, &error) == 0 && told("") && fake.connections == 2, "nobody says");
    answers[2].rows = "waits_for\npid 7";
    check(create(600, false, true, &lsn, snapshot, &error) == 0, "after 10 minutes");
    check(create(601, false, true, &lsn, snapshot, &error) == 0, "and a second");
    check(create(602, false, true, &lsn, snapshot, &error) == -1 && error.status == CDC_EXIT_TEMPORARY &&
              now_ms == 601000 && strstr(error.text, "older transactions are still running"),
          "no longer");
    stop_at = 3000;
    check(create(10, false, true, &lsn, snapshot, &error) == -1 && error.status == CDC_EXIT_TEMPORARY && now_ms == 3000,
          "a signal");
    stop_at = 0;
    static const struct {
        const char *rows;
        int status;
        const char *text, *hint;
    } wrong[] = {
        {"!53400 all in use", CDC_EXIT_CONFIG, "cannot create slot \"s\": all in use", "drop slots that nobody needs"},
        {"!42501 denied", CDC_EXIT_PERMISSION, "cannot create slot \"s\": denied", NULL},
        {"!42710 exists", CDC_EXIT_CONFIG, "cannot create slot \"s\": exists", NULL},
        {"slot_name|consistent_point\ns|0/1", CDC_EXIT_PROTOCOL, "cannot create the slot", NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        answers[1].rows = wrong[i].rows;
        check(create(0, false, true, &lsn, snapshot, &error) == -1 && error.status == wrong[i].status &&
                  strstr(error.text, wrong[i].text) &&
                  (wrong[i].hint ? strstr(error.hint, wrong[i].hint) != NULL : !error.hint[0]),
              wrong[i].text);
        if (error.status != wrong[i].status || error.hint[0])
            printf("# %d %s (%s)\n", error.status, error.text, error.hint);
    }
    answers[1].rows = MADE;
    fake.fault = FAKE_BREAKS;
    fake.fault_at = 2;
    fake.met = 0;
    check(create(0, false, true, &lsn, snapshot, &error) == -1 && cdc_error_is_transient(&error),
          "a connection that breaks");
    fake.fault = FAKE_SOUND;
}

/* -- names -- */

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const struct names {
    const char *name, *slot, *publication; /* as given */
    bool temporary, exists;                /* the publication */
    int status;
    const char *got_slot, *got_publication; /* %: the number of the process at the end */
    bool publication_by_name, slot_by_name;
} names[] = {
    {"p", NULL, NULL, false, false, 0, "cdc_p", "cdc_p", true, true},
    {"Shop-1 z9aA", NULL, NULL, false, false, 0, "cdc_shop_1_z9aa", "cdc_shop_1_z9aa", true, true},
    {"@[`{/:", NULL, NULL, false, false, 0, "cdc_______", "cdc_______", true, true},
    {NULL, NULL, NULL, false, false, 0, "cdc_postgres", "cdc_postgres", true, true},
    {SIXTY "abc", NULL, NULL, false, false, 0, "cdc_" SIXTY, NULL, true, true},
    {"p", "given", NULL, false, false, 0, "given", "cdc_p", true, false},
    {"p", NULL, "Given", false, false, 0, "cdc_p", "Given", false, true},
    {"p", "a", "b", false, false, 0, "a", "b", false, false},
    {"p", "A", NULL, false, false, CDC_EXIT_USAGE, NULL, NULL, true, false},
    {"p", "a-b", NULL, false, false, CDC_EXIT_USAGE, NULL, NULL, true, false},
    {"p", "", NULL, false, false, CDC_EXIT_USAGE, NULL, NULL, true, false},
    {"p", SIXTY "abc", NULL, false, false, 0, SIXTY "abc", "cdc_p", true, false},
    {"p", SIXTY "abcd", NULL, false, false, CDC_EXIT_USAGE, NULL, NULL, true, false},
    {"p", NULL, SIXTY "abc", false, false, 0, "cdc_p", SIXTY "abc", false, true},
    {"p", NULL, SIXTY "abcd", false, false, CDC_EXIT_USAGE, NULL, NULL, false, true},
    {"p", NULL, NULL, true, false, 0, "cdc_p_%", "cdc_p_%", false, false},
    {"p", NULL, NULL, true, true, 0, "cdc_p_%", "cdc_p", false, false},
    {"p", "given", NULL, true, true, 0, "given", "cdc_p", false, false},
    {"p", NULL, "given", true, false, 0, "cdc_p_%", "given", false, false},
    {SIXTY, NULL, NULL, true, false, 0, "cdc_" TEN TEN TEN TEN "_%", NULL, false, false},
};

static bool is_name(const char *got, const char *want)
{
    char text[100];
    size_t n = want ? strlen(want) : 0;
    if (!want)
        return true;
    if (want[n - 1] == '%')
        snprintf(text, sizeof text, "%.*s%ld", (int)n - 1, want, (long)getpid());
    else
        snprintf(text, sizeof text, "%s", want);
    return got && strncmp(got, text, 63) == 0 && strlen(got) == (strlen(text) > 63 ? 63 : strlen(text));
}

static void test_names(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int again = 0; again < 2; again++) {
            const struct names *one = &names[i];
            struct cdc_error error = {0};
            struct pg_settings settings = {
                .url = "postgresql:///postgres", .temporary = one->temporary, .tool = "test"};
            answers[3].rows = one->exists ? "?column?\n1" : "?column?";
            fake.answers = answers;
            memset(fake.given, 0, sizeof fake.given);
            PGconn *sql = pg_connect(&settings, false, &error);
            int result = pg_names_set(&settings, one->name, one->slot, one->publication, &error);
            if (result == 0)
                result = pg_names_fill(&settings, sql, &error);
            /* What is filled in stays: at each connection it is asked for. */
            bool by_name = settings.publication_by_name, slot_by_name = settings.slot_by_name;
            if (result == 0 && again)
                result = pg_names_fill(&settings, sql, &error);
            bool good = error.status == one->status && (result == 0) == (one->status == 0) &&
                        settings.publication_by_name == by_name && settings.slot_by_name == slot_by_name &&
                        by_name == one->publication_by_name && slot_by_name == one->slot_by_name &&
                        (result < 0 || (is_name(settings.slot, one->got_slot) &&
                                        is_name(settings.publication, one->got_publication)));
            check(good, one->got_slot ? one->got_slot : one->slot ? one->slot : one->publication);
            if (!good)
                printf("# %d %s: %s, %s, %d %d\n", error.status, error.text, settings.slot, settings.publication,
                       by_name, slot_by_name);
            pg_names_free(&settings);
            check(!settings.name && !settings.slot && !settings.publication, "all are freed");
            PQfinish(sql);
        }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_making();
    test_names();
    cdc_buf_free(&logged);
    cdc_buf_free(&fake.said);
    return failures ? 1 : 0;
}
