/* SPDX-License-Identifier: MIT */
/* Waits of the MySQL client library, and those for a name server: what they wait for, how long, and what ends them. The clock
 * stands still but for the waits. */
#include "connectors/mysql/session/wait.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
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

/* -- the clock, and waits that take their time of it -- */

static int64_t now_ms;
static struct pollfd asked[2];
static int waits[8], n_waits;
static int ready, fails, stops_at; /* the descriptor that is ready; errors before; the wait in which a signal comes */
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
    if (n != 2)
        return (int)syscall(SYS_poll, fds, n, ms);
    asked[0] = fds[0];
    asked[1] = fds[1];
    if (n_waits < 8)
        waits[n_waits] = ms;
    n_waits++;
    if (fails) {
        errno = fails;
        fails = 0;
        return -1;
    }
    if (fds[0].fd >= 100 || ready >= 0) { /* those of the library, and those that are to end */
        fds[0].revents = (short)(ready == fds[0].fd ? POLLIN : 0);
        fds[1].revents = (short)(ready == fds[1].fd ? POLLIN : 0);
        now_ms += ready >= 0 ? 0 : ms;
        if (n_waits == stops_at)
            control.stop++;
        return ready >= 0;
    }
    return (int)syscall(SYS_poll, fds, n, ms);
}

/* -- the library's waits -- */

static int (*wait_for_server)(my_socket fd, my_bool is_read, int ms);

int mysql_options(MYSQL *mysql, enum mysql_option option, const void *value)
{
    (void)mysql;
    if (option == MARIADB_OPT_IO_WAIT)
        memcpy(&wait_for_server, &value, sizeof wait_for_server);
    return 0;
}

static const char *told;
static int n_told;
static void waiting(void *context, const char *what)
{
    (void)context;
    told = what;
    n_told++;
}

static void begin(int stop_at, bool obeys)
{
    control = (struct cdc_control){.wake_fd = 71, .notice_fd = 72, .waiting = waiting};
    my_wait_obey(obeys ? &control : NULL, stop_at);
    my_wait_report(true);
    n_waits = n_told = fails = stops_at = 0;
    ready = -1;
    told = NULL;
    errno = 0;
}

static bool asks(int i, int fd, short events)
{
    return asked[i].fd == fd && (fd < 0 || asked[i].events == events);
}

static void *waits_elsewhere(void *result)
{
    *(int *)result = wait_for_server(100, 1, 1500);
    return NULL;
}

static void test_waits(void)
{
    my_wait_options(NULL);
    begin(1, true);
    ready = 100;
    check(wait_for_server(100, 1, 2500) == 1 && n_waits == 1 && asks(0, 100, POLLIN) && asks(1, 71, POLLIN) &&
              waits[0] == 1000,
          "something to read");
    check(wait_for_server(100, 0, 1000) == 1 && n_waits == 2 && asks(0, 100, POLLOUT) && waits[1] == 1000 &&
              n_told == 0,
          "room to write");
    begin(1, true);
    int64_t began = now_ms;
    check(wait_for_server(100, 1, 2500) == 0 && errno == ETIMEDOUT && n_waits == 3 && waits[0] == 1000 &&
              waits[1] == 1000 && waits[2] == 500 && now_ms == began + 2500,
          "the time is over");
    check(n_told == 2 && strcmp(told, "the server") == 0, "it is told each second");
    begin(1, true);
    began = now_ms;
    check(wait_for_server(100, 1, 2) == 0 && now_ms == began + 2000, "TLS: seconds");
    begin(1, true);
    check(wait_for_server(100, 1, 0) == 0 && n_waits == 1 && waits[0] == 0, "no time");
    begin(1, true);
    stops_at = 3;
    check(wait_for_server(100, 1, -1) == -1 && errno == ECANCELED && n_waits == 3 && waits[2] == 1000,
          "a signal ends a wait without an end");
    check(wait_for_server(100, 1, -1) == -1 && n_waits == 3, "and each one after it");
    begin(2, true);
    stops_at = 1;
    check(wait_for_server(100, 1, 1250) == 0 && waits[0] == 1000 && waits[1] == 100 && waits[2] == 100 &&
              waits[3] == 50 && asks(1, -1, 0),
          "after the first signal the second one is looked for");
    control.stop = 2;
    check(wait_for_server(100, 1, 1000) == -1, "which ends it");
    begin(1, true);
    ready = 71;
    stops_at = 1;
    check(wait_for_server(100, 1, 1000) == -1 && n_waits == 1, "a signal is no answer");
    begin(1, true);
    fails = EINTR;
    check(wait_for_server(100, 1, 1000) == 0 && n_waits == 2, "an interruption");
    begin(1, true);
    fails = EBADF;
    check(wait_for_server(100, 1, 1000) == -1 && errno == EBADF && n_waits == 1, "an error");
    begin(1, false);
    control.stop = 2;
    check(wait_for_server(100, 1, 1500) == 0 && n_waits == 2 && asks(1, -1, 0) && n_told == 0, "nobody to obey");
    begin(1, true);
    my_wait_report(false);
    check(wait_for_server(100, 1, 1500) == 0 && n_told == 0, "nobody is told");
    begin(1, true);
    pthread_t thread;
    int result = -2;
    check(pthread_create(&thread, NULL, waits_elsewhere, &result) == 0 && pthread_join(thread, NULL) == 0 &&
              result == 0 && n_told == 0 && n_waits == 2,
          "another thread tells nobody");
}

static int n_asked, dies_at; /* the question that the server does not answer */

static bool answers(void *context)
{
    (*(int *)context)++;
    now_ms += 50;
    return *(int *)context != dies_at;
}

static void test_asks(void)
{
    my_wait_ask(answers, &n_asked);
    begin(1, true);
    dies_at = 3;
    int64_t began = now_ms;
    check(wait_for_server(100, 1, 24 * 3600 * 1000) == 0 && errno == ETIMEDOUT && n_asked == 3 &&
              now_ms == began + 30150,
          "a server that hangs is left once it answers nobody else");
    begin(1, true);
    n_asked = dies_at = 0;
    began = now_ms;
    n_waits = 0;
    stops_at = 2000;
    check(wait_for_server(100, 1, MY_WAIT_PATIENT_S) == -1 && errno == ECANCELED && n_asked > 150 &&
              now_ms > began + MY_WAIT_PATIENT_S * 1000,
          "one that answers others is waited for, with TLS too");
    begin(1, true);
    began = now_ms;
    check(wait_for_server(100, 1, MY_WAIT_PATIENT_S) == 0 && errno == ETIMEDOUT && now_ms - began >= 24 * 3600 * 1000 &&
              now_ms - began < 25 * 3600 * 1000,
          "for a day");
    begin(1, true);
    n_asked = 0;
    check(wait_for_server(100, 1, 60000) == 0 && n_asked == 0, "a wait with an end of its own asks nobody");
    begin(1, true);
    ready = 100;
    check(wait_for_server(100, 1, 24 * 3600 * 1000) == 1 && n_asked == 0, "nobody is asked about what has come");
    my_wait_ask(NULL, NULL);
    begin(1, true);
    began = now_ms;
    check(wait_for_server(100, 1, 1000000) == 0 && now_ms == began + 1000000,
          "where nobody can be asked the time counts");
}

/* -- names -- */

static char looked_up[64];
static int status_of_names, held = -1;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    snprintf(looked_up, sizeof looked_up, "%s%s", name, service || hints->ai_socktype != SOCK_STREAM ? "?" : "");
    eventfd_t value;
    if (held >= 0)
        (void)eventfd_read(held, &value);
    *found = NULL;
    return status_of_names;
}

void freeaddrinfo(struct addrinfo *found)
{
    (void)found;
}

static void test_names(void)
{
    static const char *const plain[] = {"127.0.0.1", "::1", "localhost", "", "a,b"};
    struct cdc_error error = {0};
    begin(1, true);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        check(my_wait_lookup(plain[i], &error) == 0 && !looked_up[0], plain[i]);
    check(my_wait_lookup(NULL, &error) == 0 && !looked_up[0], "no name");
    begin(1, false);
    check(my_wait_lookup("db.example", &error) == 0 && !looked_up[0], "the library looks it up where nobody waits");
    begin(1, true);
    control.wake_fd = -1;
    check(my_wait_lookup("db.example", &error) == 0 && strcmp(looked_up, "db.example") == 0 && error.status == 0,
          "a name");
    status_of_names = EAI_NONAME;
    check(my_wait_lookup("no.example", &error) == -1 && error.status == CDC_EXIT_UNAVAILABLE &&
              strstr(error.text, "unable to connect to no.example: "),
          "a name that there is not");
    /* The name server says nothing. */
    held = eventfd(0, EFD_CLOEXEC);
    begin(1, true);
    ready = 71;
    stops_at = 2;
    error = (struct cdc_error){0};
    check(my_wait_lookup("db.example", &error) == -1 && error.status == CDC_EXIT_UNAVAILABLE &&
              strstr(error.text, "stopped while its name was looked up") && n_told >= 1 &&
              strcmp(told, "the name server") == 0,
          "a signal");
    (void)eventfd_write(held, 1);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_waits();
    test_asks();
    test_names();
    return failures ? 1 : 0;
}
