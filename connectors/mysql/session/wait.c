/* SPDX-License-Identifier: MIT */
/* Waits that a signal ends. */
#include "connectors/mysql/session/wait.h"

#include <cdc/lookup.h>
#include <cdc/retry.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

/* After the first signal the descriptor stays readable, and another thread may get the second one. */
enum { QUIET_MS = 1000, STOPPING_MS = 100 };
enum { SILENT_MS = 10000, PATIENT_MS = MY_WAIT_PATIENT_S * 1000, DAY_MS = 24 * 3600 * 1000 };

static struct {
    const struct cdc_control *control;
    int stop_at;
    bool reports;
    pthread_t reporter;
} obeyed;

static struct {
    bool (*answers)(void *context);
    void *context;
} peer;

void my_wait_ask(bool (*answers)(void *context), void *context)
{
    peer.answers = answers;
    peer.context = context;
}

void my_wait_obey(const struct cdc_control *control, int stop_at)
{
    obeyed.control = control;
    obeyed.stop_at = stop_at;
}

void my_wait_report(bool on)
{
    obeyed.reporter = pthread_self();
    obeyed.reports = on;
}

static int stop(void)
{
    return obeyed.control ? obeyed.control->stop : 0;
}

static bool must_leave(void)
{
    return obeyed.control && stop() >= obeyed.stop_at;
}

static void report(const char *what)
{
    if (obeyed.control && obeyed.reports && pthread_equal(obeyed.reporter, pthread_self()))
        cdc_control_waiting(obeyed.control, what);
}

/* A server that hangs, stopped or without a disk, has a system that answers for it: TCP finds nothing amiss. */
static bool is_dead(int64_t *heard)
{
    if (cdc_clock_ms() - *heard < SILENT_MS)
        return false;
    bool answers = peer.answers(peer.context);
    *heard = cdc_clock_ms();
    return !answers;
}

/* 1: ready; 0: the time is over (ms, negative: there is none); -1: to be left. */
static int wait_for(int fd, short events, int ms, const char *what)
{
    bool asks = ms >= PATIENT_MS && peer.answers;
    int64_t heard = cdc_clock_ms(), deadline = heard + (asks ? DAY_MS : ms);
    for (;;) {
        int64_t left = ms < 0 ? QUIET_MS : deadline - cdc_clock_ms(), slice = stop() ? STOPPING_MS : QUIET_MS;
        int wake_fd = obeyed.control && !stop() ? obeyed.control->wake_fd : -1; /* poll passes over a negative one */
        struct pollfd fds[2] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
        if (must_leave()) {
            errno = ECANCELED;
            return -1;
        }
        left = left < 0 ? 0 : left;
        int n = poll(fds, 2, (int)(left < slice ? left : slice));
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0 && fds[0].revents)
            return 1;
        if ((asks && is_dead(&heard)) || (ms >= 0 && cdc_clock_ms() >= deadline)) {
            errno = ETIMEDOUT;
            return 0;
        }
        report(what);
    }
}

/* As the library's own. With TLS it hands on the options as they are, in seconds, where a signal has ended a read: 60 would be
 * over at once. The times that connection.c sets are whole seconds. */
static int wait_for_server(my_socket fd, my_bool is_read, int ms)
{
    if (ms > 0 && ms < 1000)
        ms *= 1000;
    return wait_for((int)fd, is_read ? POLLIN : POLLOUT, ms, "the server");
}

void my_wait_options(MYSQL *mysql)
{
    mysql_options(mysql, MARIADB_OPT_IO_WAIT, wait_for_server);
}

/* -- names ------------------------------------------------------------------------------------------ */

static bool is_name(const char *host)
{
    struct in6_addr address;
    return host && *host && !strchr(host, ',') && strcmp(host, "localhost") != 0 &&
           inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1;
}

int my_wait_lookup(const char *host, struct cdc_error *error)
{
    struct cdc_lookup *lookup = obeyed.control && is_name(host) ? cdc_lookup_ask(host) : NULL;
    int status = 0;
    if (!lookup)
        return 0;
    if (wait_for(cdc_lookup_fd(lookup), POLLIN, -1, "the name server") < 0)
        status = cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                               "unable to connect to %.120s: stopped while its name was looked up", host);
    else if (cdc_lookup_done(lookup) && cdc_lookup_answer(lookup, NULL) != 0)
        status = cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "unable to connect to %.120s: %s", host,
                               gai_strerror(cdc_lookup_answer(lookup, NULL)));
    cdc_lookup_leave(lookup);
    return status;
}
