/* SPDX-License-Identifier: MIT */
/* What is between libpq and the server while a connection is made, and waits for answers: on real sockets, with a libpq that is
 * made up, and a clock that stands still but for the waits. */
#include "connectors/postgres/session/wait.h"
#include "connectors/postgres/session/watch.h"

#include <cdc/buf.h>
#include <cdc/retry.h>
#include <arpa/inet.h>
#include <errno.h>
#include <libpq-events.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- libpq -- */

static struct {
    int fd;
    ConnStatusType status;
    struct cdc_buf got; /* what libpq has read */
    void *instance;
    PGEventProc event;
    int busy; /* as often */
    bool broken, refuses_events;
    PGresult *results[4]; /* that come, and NULL */
    size_t next;
} pq;
#define CONNECTION ((PGconn *)&pq)

int PQsocket(const PGconn *connection)
{
    (void)connection;
    return pq.fd;
}
ConnStatusType PQstatus(const PGconn *connection)
{
    (void)connection;
    return pq.status;
}
char *PQerrorMessage(const PGconn *connection)
{
    (void)connection;
    return "broken";
}
int PQconsumeInput(PGconn *connection)
{
    static char data[1 << 18];
    ssize_t n = recv(pq.fd, data, sizeof data, MSG_DONTWAIT);
    (void)connection;
    if (n > 0)
        cdc_buf_append(&pq.got, data, (size_t)n);
    return !pq.broken;
}
int PQisBusy(PGconn *connection)
{
    (void)connection;
    return pq.busy > 0 ? pq.busy-- : 0;
}
PGresult *PQgetResult(PGconn *connection)
{
    (void)connection;
    return pq.results[pq.next] ? pq.results[pq.next++] : NULL;
}
int PQregisterEventProc(PGconn *connection, PGEventProc event, const char *name, void *context)
{
    (void)connection, (void)name, (void)context;
    pq.event = event;
    return !pq.refuses_events;
}
int PQsetInstanceData(PGconn *connection, PGEventProc event, void *data)
{
    (void)connection, (void)event;
    pq.instance = data;
    return 1;
}
void *PQinstanceData(const PGconn *connection, PGEventProc event)
{
    (void)connection, (void)event;
    return pq.instance;
}

/* -- the clock, and waits that take their time of it -- */

static int64_t now_ms;
static bool waits_are_ours;
static struct pollfd asked[5];
static int asked_ms, ready;
static struct cdc_control control;
static int stop_after_wait;

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
    if (!waits_are_ours)
        return (int)syscall(SYS_poll, fds, n, ms);
    asked_ms = ms;
    for (nfds_t i = 0; i < n; i++) {
        asked[i] = fds[i];
        fds[i].revents = (short)(i == (nfds_t)ready ? POLLIN : 0);
    }
    if (ready < 0)
        now_ms += ms;
    if (stop_after_wait)
        control.stop = stop_after_wait;
    return ready >= 0;
}

/* -- a server -- */

/* Two ends of a TCP connection on this machine. */
static void connect_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listening < 0 || ends[0] < 0 || bind(listening, (struct sockaddr *)&address, n) != 0 ||
        listen(listening, 1) != 0 || getsockname(listening, (struct sockaddr *)&address, &n) != 0 ||
        connect(ends[0], (struct sockaddr *)&address, n) != 0)
        abort();
    ends[1] = accept(listening, NULL, NULL);
    close(listening);
}

static bool arrived(int fd)
{
    struct pollfd readable = {fd, POLLIN, 0};
    return poll(&readable, 1, 5000) > 0;
}

/* Is that, and nothing else, what can be read? */
static bool reads(int fd, const char *data, size_t n)
{
    char got[70000];
    size_t has = 0;
    while (has < n && arrived(fd)) {
        ssize_t more = recv(fd, got + has, sizeof got - has, MSG_DONTWAIT);
        if (more <= 0)
            break;
        has += (size_t)more;
    }
    return has == n && memcmp(got, data, n) == 0 && recv(fd, got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool has_ended(int fd)
{
    char byte;
    return arrived(fd) && recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Passes on what there is; 0 or -1. */
static int pass(struct pg_watch *watch, struct cdc_error *error)
{
    struct pollfd fds[2];
    pg_watch_poll(watch, fds);
    return syscall(SYS_poll, fds, 2, 0) > 0 ? pg_watch_pass(watch, fds, error) : 0;
}

/* -- what is asked for in clear -- */

#define SSL "\0\0\0\x08\x04\xd2\x16\x2f"
#define GSS "\0\0\0\x08\x04\xd2\x16\x30"
#define START "\0\0\0\x0c\0\x03\0\0u\0u\0"
#define TLS "\x16\x03\x01\0"
#define OK_ "R\0\0\0\x08\0\0\0\0"
#define CLEAR "R\0\0\0\x08\0\0\0\x03"
#define MD5 "R\0\0\0\x0c\0\0\0\x05salt"
#define SETTING                                                                                                        \
    "S\0\0\0\x09"                                                                                                      \
    "a\0b\0\0"
#define B(text)                                                                                                        \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }

static const struct talk {
    const char *what;
    struct said {
        const char *data;
        size_t n;
    } client, server, then, answer; /* in turn */
    int status;
} talks[] = {
    {"a password that is hashed", B(START), B(MD5), B("p"), B(OK_ SETTING), 0},
    {"a password in clear", B(START), B(CLEAR), B(""), B(""), CDC_EXIT_CONFIG},
    {"a password in clear, after another message", B(START), B(SETTING CLEAR), B(""), B(""), CDC_EXIT_CONFIG},
    {"after one without a body", B(START), B("n\0\0\0\x04" CLEAR), B(""), B(""), CDC_EXIT_CONFIG},
    {"after one that asks for something else", B(START), B(MD5), B("p"), B(CLEAR), CDC_EXIT_CONFIG},
    {"one that looks like it in another message", B(START), B("S\0\0\0\x0d" CLEAR), B(""), B(""), 0},
    {"one in another word", B(START), B("R\0\0\0\x0c\0\0\0\x0a\0\0\0\x03"), B(""), B(""), 0},
    {"a request without what it is for", B(START), B("R\0\0\0\x07\0\0\0" OK_), B(""), B(""), 0},
    {"no encryption, and in clear", B(SSL), B("N"), B(START), B(CLEAR), CDC_EXIT_CONFIG},
    {"no encryption, and not in clear", B(SSL), B("N"), B(START), B(MD5), 0},
    {"no encryption, and encryption", B(GSS), B("N"), B(SSL), B("S" CLEAR), 0},
    {"encryption", B(SSL), B("S"), B(TLS), B(CLEAR), 0},
    {"encryption of the other kind", B(GSS), B("G"), B("x"), B(CLEAR), 0},
    {"encryption from the beginning", B(TLS), B(CLEAR), B(""), B(""), 0},
    {"an error in place of encryption", B(SSL), B("E\0\0\0\x05x"), B(""), B(""), 0},
    {"an error, and in clear", B(SSL), B("E\0\0\0\x05x" CLEAR), B(""), B(""), CDC_EXIT_CONFIG},
    {"an error of old", B(START), B("Ecannot fork\n\0"), B(""), B(CLEAR), 0},
    {"an error of old in place of encryption", B(SSL), B("Ecannot fork\n\0"), B(""), B(""), 0},
    {"a request of eight bytes that is none", B("\0\0\0\x08\x04\xd2\x16\x31"), B(CLEAR), B(""), B(""), CDC_EXIT_CONFIG},
    {"a longer one", B(SSL "x"), B("S\0\0\0\x04" CLEAR), B(""), B(""), CDC_EXIT_CONFIG},
    {"a server that speaks first", B(""), B(OK_), B(""), B(""), CDC_EXIT_PROTOCOL},
    {"and again before it is asked anew", B(SSL), B("N" OK_), B(""), B(""), CDC_EXIT_PROTOCOL},
    {"a message that is too short", B(START), B("S\0\0\0\x03"), B(""), B(""), CDC_EXIT_PROTOCOL},
    {"a message that is too long", B(START), B("S\0\x10\0\x01"), B(""), B(""), CDC_EXIT_PROTOCOL},
    {"one that is not", B(START), B("S\0\x10\0\0" CLEAR), B(""), B(""), 0},
    {"an error that is not", B(START), B("E\0\x10\0\0" CLEAR), B(""), B(""), 0},
};

/* Byte by byte, or as much at once as there is: the same. */
static bool speaks(struct pg_watch *watch, int from, int to, const struct said *said, size_t at_once, bool *passed,
                   struct cdc_error *error)
{
    for (size_t i = 0; i < said->n; i += at_once) {
        size_t n = said->n - i < at_once ? said->n - i : at_once;
        if (send(from, said->data + i, n, MSG_NOSIGNAL) != (ssize_t)n)
            abort();
        if (!arrived(from == pq.fd ? watch->inner : watch->server))
            abort();
        if (pass(watch, error) < 0)
            return false;
        *passed = *passed && reads(to, said->data + i, n);
    }
    return true;
}

static void talk(const struct talk *talk, size_t at_once, bool client_too)
{
    struct pg_watch watch;
    struct cdc_error error = {0};
    int ends[2];
    bool passed = true;
    char line[120];
    connect_pair(ends);
    pq.fd = ends[0];
    pq.status = CONNECTION_MADE;
    pg_watch_init(&watch);
    bool good = pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server >= 0 && watch.inner >= 0;
    const struct said *parts[] = {&talk->client, &talk->server, &talk->then, &talk->answer};
    bool went = true;
    for (size_t i = 0; i < 4 && went; i++)
        went = speaks(&watch, i % 2 ? ends[1] : pq.fd, i % 2 ? pq.fd : ends[1], parts[i],
                      i % 2 || client_too ? at_once : 1000, &passed, &error);
    snprintf(line, sizeof line, "%s, %zu bytes at a time", talk->what, at_once);
    check(good && passed && went == (talk->status == 0) && error.status == talk->status, line);
    if (went) {
        /* What the server says until libpq gets its socket comes to libpq, and what comes after that, too. */
        good = pg_watch_end(&watch, CONNECTION, &error) == 0 && watch.server == -1 && watch.inner == -1 &&
               send(ends[1], "after", 5, 0) == 5 && reads(pq.fd, "after", 5) && send(pq.fd, "before", 6, 0) == 6 &&
               reads(ends[1], "before", 6);
        check(good, "libpq has the server's socket");
    }
    pg_watch_free(&watch);
    close(pq.fd);
    close(ends[1]);
}

static void test_talks(void)
{
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++)
        for (size_t at_once = 1; at_once < 2000; at_once = at_once * 3 + 1)
            talk(&talks[i], at_once, at_once > 8);
}

/* -- which sockets, and their ends -- */

static void test_sockets(void)
{
    struct pg_watch watch;
    struct cdc_error error = {0};
    int ends[2], others[2];
    pg_watch_init(&watch);
    connect_pair(ends);
    pq.fd = ends[0];
    pq.status = CONNECTION_STARTED;
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server == -1, "a connection that is not made");
    pq.status = CONNECTION_MADE;
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server >= 0, "one that is made");
    int server = watch.server, inner = watch.inner;
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server == server && watch.inner == inner,
          "the same one");
    /* What libpq has said, and not been passed on, when the connection is made. */
    send(pq.fd, START, sizeof START - 1, 0);
    check(arrived(watch.inner) && pg_watch_end(&watch, CONNECTION, &error) == 0 &&
              reads(ends[1], START, sizeof START - 1),
          "what libpq has said last");
    check(pg_watch_end(&watch, CONNECTION, &error) == 0, "an end after the end");
    pg_watch_free(&watch);
    /* What libpq has not read by then. */
    pq.got.len = 0;
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && send(pq.fd, TLS, 4, 0) == 4 && arrived(watch.inner) &&
              pass(&watch, &error) == 0 && reads(ends[1], TLS, 4) && send(ends[1], "unread", 6, 0) == 6 &&
              arrived(watch.server) && pass(&watch, &error) == 0 && pg_watch_end(&watch, CONNECTION, &error) == 0 &&
              cdc_span_is(cdc_span(pq.got.data, pq.got.len), "unread"),
          "what libpq has not read");
    /* And libpq cannot. */
    pq.broken = true;
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && send(pq.fd, TLS, 4, 0) == 4 && arrived(watch.inner) &&
              pass(&watch, &error) == 0 && send(ends[1], "unread", 6, 0) == 6 && arrived(watch.server) &&
              pass(&watch, &error) == 0 && pg_watch_end(&watch, CONNECTION, &error) == -1 &&
              error.status == CDC_EXIT_UNAVAILABLE && watch.server == -1,
          "libpq has an error");
    pq.broken = false;
    close(pq.fd);
    close(ends[1]);
    /* The next host has a socket of its own. */
    error = (struct cdc_error){0};
    connect_pair(ends);
    connect_pair(others);
    pq.fd = ends[0];
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0, "a host");
    pq.fd = others[0];
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && has_ended(ends[1]) && send(pq.fd, TLS, 4, 0) == 4 &&
              arrived(watch.inner) && pass(&watch, &error) == 0 && reads(others[1], TLS, 4),
          "another host");
    /* Either side goes, and the other one is told so. */
    close(others[1]);
    check(arrived(watch.server) && pass(&watch, &error) == 0 && has_ended(pq.fd) && watch.server == -1,
          "the server goes");
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server == -1, "it has gone");
    pg_watch_free(&watch);
    close(pq.fd);
    close(ends[0]);
    connect_pair(ends);
    pq.fd = ends[0];
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && close(pq.fd) == 0 && arrived(watch.inner) &&
              pass(&watch, &error) == 0 && has_ended(ends[1]),
          "libpq goes");
    pg_watch_free(&watch);
    close(ends[1]);
    /* A Unix socket is let alone. */
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    pq.fd = ends[0];
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server == -1 && watch.inner == -1, "a Unix socket");
    pg_watch_free(&watch);
    close(ends[0]);
    close(ends[1]);
    pq.fd = -1;
    check(pg_watch_follow(&watch, CONNECTION, &error) == 0 && watch.server == -1, "no socket");
}

/* 16 MiB of a greeting, and no more. */
static void test_endless_greeting(void)
{
    static char data[16384];
    struct pg_watch watch;
    struct cdc_error error = {0};
    int ends[2];
    connect_pair(ends);
    pq.fd = ends[0];
    pg_watch_init(&watch);
    pg_watch_follow(&watch, CONNECTION, &error);
    send(pq.fd, TLS, 4, 0);
    bool good = arrived(watch.inner) && pass(&watch, &error) == 0;
    for (size_t passed = 0; good && passed < (size_t)16 << 20; passed += 16384) {
        good = send(ends[1], data, 16384, 0) == 16384;
        for (size_t got = 0; good && got < 16384;) {
            good = arrived(watch.server) && pass(&watch, &error) == 0;
            for (ssize_t n; (n = recv(pq.fd, data, sizeof data, MSG_DONTWAIT)) > 0;)
                got += (size_t)n;
        }
    }
    check(good, "a greeting of 16 MiB");
    check(send(ends[1], data, 1, 0) == 1 && arrived(watch.server) && pass(&watch, &error) == -1 &&
              error.status == CDC_EXIT_PROTOCOL,
          "and a byte");
    pg_watch_free(&watch);
    close(pq.fd);
    close(ends[1]);
}

/* -- waits -- */

static bool server_answers;
static int answers_asked;
static char context;

static bool answers(const void *given)
{
    answers_asked++;
    return given == &context && server_answers;
}

static int waiting_told;
static void waiting(void *which, const char *what)
{
    waiting_told += which == &context && strcmp(what, "an answer of the server") == 0;
}

static void attach(bool with_control)
{
    struct cdc_error error = {0};
    const struct pg_waiter waiter = {with_control ? &control : NULL, answers, &context};
    control = (struct cdc_control){.wake_fd = 71, .notice_fd = 72, .context = &context};
    stop_after_wait = 0;
    answers_asked = waiting_told = 0;
    server_answers = true;
    check(pg_wait_attach(CONNECTION, &waiter, &error) == 0 && pq.instance, "attached");
}

static void detach(void)
{
    PGEventConnDestroy gone = {CONNECTION};
    check(pq.event(PGEVT_RESULTCREATE, NULL, NULL) == 1 && pq.instance, "other events are of no matter");
    check(pq.event(PGEVT_CONNDESTROY, &gone, NULL) == 1 && !pq.instance, "detached");
}

static bool asks(int i, int fd)
{
    return asked[i].fd == fd && asked[i].events == POLLIN;
}

static void test_signals(void)
{
    struct cdc_error error = {0};
    struct pg_wait wait;
    waits_are_ours = true;
    ready = -1;
    pq.fd = 70;
    /* nobody to obey */
    pq.instance = NULL;
    wait = pg_wait_begin(CONNECTION);
    check(pg_wait_input(CONNECTION, &wait, &error) == 0 && asks(0, 70) && asked[1].fd == -1 && asked[2].fd == -1 &&
              asked_ms == 1000,
          "a wait that nothing ends");
    attach(true);
    wait = pg_wait_begin(CONNECTION);
    check(!wait.stopping && wait.heard == now_ms, "the beginning of a wait");
    check(pg_wait_input(CONNECTION, &wait, &error) == 0 && asks(1, 71) && asked[2].fd == -1 && asked_ms == 1000,
          "a wait that a signal ends");
    control.stop = 1;
    check(pg_wait_input(CONNECTION, &wait, &error) == -1 && error.status == CDC_EXIT_TEMPORARY, "a signal");
    control.stop = 0;
    stop_after_wait = 1;
    error = (struct cdc_error){0};
    check(pg_wait_input(CONNECTION, &wait, &error) == -1 && error.status == CDC_EXIT_TEMPORARY, "a signal meanwhile");
    /* after the first signal the second one ends it, which is looked for by the clock */
    stop_after_wait = 0;
    control.stop = 1;
    error = (struct cdc_error){0};
    wait = pg_wait_begin(CONNECTION);
    check(wait.stopping && pg_wait_input(CONNECTION, &wait, &error) == 0 && asked[1].fd == -1 && asked_ms == 100,
          "after a signal");
    stop_after_wait = 2;
    check(pg_wait_input(CONNECTION, &wait, &error) == -1, "the second one");
    detach();
    attach(true);
    control.waiting = waiting;
    error = (struct cdc_error){0};
    wait = pg_wait_begin(CONNECTION);
    check(pg_wait_input(CONNECTION, &wait, &error) == 0 && asks(1, 71) && asks(2, 72) && waiting_told == 1,
          "where a loop runs");
    control.stop = 1;
    check(pg_wait_input(CONNECTION, &wait, &error) == 0, "a loop has the first signal");
    control.stop = 2;
    check(pg_wait_input(CONNECTION, &wait, &error) == -1 && waiting_told == 3, "and not the second one");
    detach();
    waits_are_ours = false;
}

/* After 10 s without a word it is asked whether the server is there. */
static void test_silence(void)
{
    struct cdc_error error = {0};
    waits_are_ours = true;
    ready = -1;
    attach(true);
    struct pg_wait wait = pg_wait_begin(CONNECTION);
    int64_t begin = now_ms;
    for (int i = 0; i < 9; i++)
        if (pg_wait_input(CONNECTION, &wait, &error) != 0)
            abort();
    check(answers_asked == 0 && now_ms == begin + 9000, "9 s");
    check(pg_wait_input(CONNECTION, &wait, &error) == 0 && answers_asked == 1 && wait.heard == now_ms, "10 s");
    for (int i = 0; i < 9; i++)
        if (pg_wait_input(CONNECTION, &wait, &error) != 0)
            abort();
    server_answers = false;
    check(answers_asked == 1 && pg_wait_input(CONNECTION, &wait, &error) == -1 &&
              error.status == CDC_EXIT_UNAVAILABLE && strstr(error.text, "for 10 s"),
          "10 s, and nobody is there");
    error = (struct cdc_error){0};
    now_ms++;
    control.waiting = waiting;
    control.stop = 2;
    check(pg_wait_check(CONNECTION, &wait, &error) == 0 && answers_asked == 2, "who leaves does not ask");
    control.stop = 0;
    pq.busy = 1;
    ready = 1;
    check(pg_wait_input(CONNECTION, &wait, &error) == -1, "another descriptor is no answer");
    detach();
    waits_are_ours = false;
    pq.busy = 0;
}

/* Of one answer there are 256 MiB at the most: as the system counts for TCP, and else as they are read. */
static void test_endless_answers(void)
{
    static char data[1 << 20];
    struct cdc_error error = {0};
    int ends[2], kinds[] = {AF_INET, AF_UNIX};
    for (size_t kind = 0; kind < 2; kind++)
        for (int endless = 0; endless < (kinds[kind] == AF_INET ? 2 : 1); endless++) {
            if (kinds[kind] == AF_INET)
                connect_pair(ends);
            else if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
                abort();
            pq.fd = ends[0];
            error = (struct cdc_error){0};
            send(ends[1], data, 1000, 0);
            while (recv(pq.fd, data, 1000, 0) < 1)
                continue;
            struct pg_wait wait = pg_wait_begin(CONNECTION);
            wait.endless = endless;
            int result = 0;
            size_t sent = 0;
            while (result == 0 && sent < (size_t)257 << 20) {
                ssize_t n = send(ends[1], data, kinds[kind] == AF_INET ? 1 << 18 : 8192, MSG_DONTWAIT);
                sent += n > 0 ? (size_t)n : 0;
                pq.got.len = 0;
                result = arrived(pq.fd) ? pg_wait_take(CONNECTION, &wait, &error) : 1;
            }
            check(endless ? result == 0 : result == -1 && error.status == CDC_EXIT_PROTOCOL && sent >> 20 == 256,
                  endless ? "rows without an end" : "an answer without an end");
            check(endless || (recv(ends[1], data, 1, 0) <= 0), endless ? "are taken" : "is not waited for");
            close(ends[0]);
            close(ends[1]);
        }
}

static void results(ExecStatusType a, ExecStatusType b)
{
    memset(pq.results, 0, sizeof pq.results);
    pq.next = 0;
    pq.results[0] = a == PGRES_EMPTY_QUERY ? NULL : PQmakeEmptyPGresult(NULL, a);
    pq.results[1] = b == PGRES_EMPTY_QUERY ? NULL : PQmakeEmptyPGresult(NULL, b);
}

static void test_results(void)
{
    struct cdc_error error = {0};
    PGresult *result;
    attach(true);
    waits_are_ours = true;
    ready = 0;
    pq.fd = -1;
    struct pg_wait wait = pg_wait_begin(CONNECTION);
    now_ms += 500;
    pq.busy = 3;
    results(PGRES_TUPLES_OK, PGRES_EMPTY_QUERY);
    check(pg_wait_result(CONNECTION, &wait, &result, &error) == 0 && PQresultStatus(result) == PGRES_TUPLES_OK &&
              pq.busy == 0 && wait.heard == now_ms,
          "a result that is waited for");
    PQclear(result);
    check(pg_wait_result(CONNECTION, &wait, &result, &error) == 0 && !result, "there is no other");
    pq.busy = 3;
    pq.broken = true;
    results(PGRES_FATAL_ERROR, PGRES_EMPTY_QUERY);
    check(pg_wait_result(CONNECTION, &wait, &result, &error) == 0 && PQresultStatus(result) == PGRES_FATAL_ERROR &&
              pq.busy == 2,
          "a connection that broke has its result at once");
    PQclear(result);
    pq.broken = false;
    pq.busy = 1;
    control.stop = 1;
    results(PGRES_TUPLES_OK, PGRES_EMPTY_QUERY);
    check(pg_wait_result(CONNECTION, &wait, &result, &error) == -1 && !result && pq.next == 0, "a signal");
    PQclear(pq.results[0]);
    control.stop = 0;
    error = (struct cdc_error){0};
    results(PGRES_TUPLES_OK, PGRES_FATAL_ERROR);
    check(pg_wait_discard(CONNECTION, &error) == 0 && pq.next == 2 && error.status == 0, "all results are thrown away");
    static const ExecStatusType copies[] = {PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH};
    for (size_t i = 0; i < 3; i++) {
        results(PGRES_TUPLES_OK, copies[i]);
        check(pg_wait_is_copy(pq.results[1]) && !pg_wait_is_copy(pq.results[0]) && !pg_wait_is_copy(NULL), "a COPY");
        error = (struct cdc_error){0};
        check(pg_wait_discard(CONNECTION, &error) == -1 && error.status == CDC_EXIT_PROTOCOL && pq.next == 2,
              "that nobody asked for");
    }
    pq.busy = 1;
    control.stop = 1;
    error = (struct cdc_error){0};
    check(pg_wait_discard(CONNECTION, &error) == 0, "after a signal they are waited for");
    pq.busy = 1;
    control.stop = 2;
    check(pg_wait_discard(CONNECTION, &error) == -1, "but not after two");
    pq.busy = 0;
    detach();
    pq.refuses_events = true;
    const struct pg_waiter waiter = {NULL, NULL, NULL};
    check(pg_wait_attach(CONNECTION, &waiter, &error) == -1 && !pq.instance, "no memory for what a wait obeys");
    waits_are_ours = false;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_talks();
    test_sockets();
    test_endless_greeting();
    test_signals();
    test_silence();
    test_endless_answers();
    test_results();
    cdc_buf_free(&pq.got);
    return failures ? 1 : 0;
}
