/* SPDX-License-Identifier: MIT */
/* Waits for the server's answers: signals, statistics, and a server that has gone are noticed meanwhile. */
#include "connectors/postgres/session/wait.h"

#include <cdc/retry.h>
#include <libpq-events.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SILENT_MS 10000 /* after that it is asked whether the server is there */
#define TURN_MS 1000
#define MOST_BYTES (UINT64_C(256) << 20) /* of an answer: those to our questions are far smaller */
#define READ_BYTES 8192                  /* libpq has room for as many at each read, or makes it */

/* -- what a connection's waits obey -- */

static int event(PGEventId id, void *info, void *context)
{
    (void)context;
    if (id == PGEVT_CONNDESTROY) {
        PGconn *connection = ((PGEventConnDestroy *)info)->conn;
        free(PQinstanceData(connection, event));
        PQsetInstanceData(connection, event, NULL);
    }
    return 1;
}

int pg_wait_attach(PGconn *connection, const struct pg_waiter *waiter, struct cdc_error *error)
{
    struct pg_waiter *own = malloc(sizeof *own);
    if (!own || !PQregisterEventProc(connection, event, "cdc", NULL)) {
        free(own);
        return cdc_error_memory(error);
    }
    *own = *waiter;
    PQsetInstanceData(connection, event, own);
    return 0;
}

static const struct pg_waiter *waiter_of(const PGconn *connection)
{
    static const struct pg_waiter nobody = {NULL, NULL, NULL};
    const struct pg_waiter *waiter = PQinstanceData(connection, event);
    return waiter ? waiter : &nobody;
}

/* -- how much has come -- */

/* libpq does not say how much it has read, but the system does for TCP, encrypted or not. */
static bool is_counted(PGconn *connection, uint64_t *bytes)
{
    struct tcp_info info;
    socklen_t n = sizeof info;
    if (getsockopt(PQsocket(connection), IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return false;
    *bytes = info.tcpi_bytes_received;
    return true;
}

static bool has_no_end(PGconn *connection, struct pg_wait *wait)
{
    uint64_t bytes;
    int unread = 0;
    if (wait->endless)
        return false;
    if (is_counted(connection, &bytes))
        return bytes - wait->before > MOST_BYTES;
    if (ioctl(PQsocket(connection), FIONREAD, &unread) == 0 && unread > 0)
        wait->taken += unread < READ_BYTES ? (unsigned)unread : READ_BYTES;
    return wait->taken > MOST_BYTES;
}

/* -- waits -- */

struct pg_wait pg_wait_begin(PGconn *connection)
{
    const struct cdc_control *control = waiter_of(connection)->control;
    struct pg_wait wait = {.heard = cdc_clock_ms(), .stopping = control && control->stop};
    (void)is_counted(connection, &wait.before);
    return wait;
}

static bool must_leave(const struct cdc_control *control, const struct pg_wait *wait)
{
    return control && control->stop >= (control->waiting || wait->stopping ? 2 : 1);
}

int pg_wait_check(PGconn *connection, struct pg_wait *wait, struct cdc_error *error)
{
    const struct pg_waiter *waiter = waiter_of(connection);
    int64_t silent = cdc_clock_ms() - wait->heard;
    if (silent < SILENT_MS || !waiter->answers)
        return 0;
    if (must_leave(waiter->control, wait))
        return 0;
    if (!waiter->answers(waiter->context))
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                             "no answer from the server for %d s, and it takes no new connection",
                             (int)((cdc_clock_ms() - wait->heard) / 1000));
    wait->heard = cdc_clock_ms();
    return 0;
}

int pg_wait_take(PGconn *connection, struct pg_wait *wait, struct cdc_error *error)
{
    wait->heard = cdc_clock_ms();
    if (has_no_end(connection, wait)) {
        shutdown(PQsocket(connection), SHUT_RDWR);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server's answer has no end");
    }
    return PQconsumeInput(connection) ? 0 : 1;
}

int pg_wait_input(PGconn *connection, struct pg_wait *wait, struct cdc_error *error)
{
    const struct cdc_control *control = waiter_of(connection)->control;
    bool stopping = control && control->stop;
    /* Once it has stopped us wake_fd stays readable: the second signal is looked for by the clock. */
    struct pollfd fds[3] = {{PQsocket(connection), POLLIN, 0},
                            {control && !stopping ? control->wake_fd : -1, POLLIN, 0},
                            {control && control->waiting ? control->notice_fd : -1, POLLIN, 0}};
    int n = poll(fds, 3, stopping ? TURN_MS / 10 : TURN_MS);
    if (control)
        cdc_control_waiting(control, "an answer of the server");
    if (must_leave(control, wait))
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "left by a signal while waiting for an answer of the server");
    if (n <= 0 || !fds[0].revents)
        return pg_wait_check(connection, wait, error);
    return pg_wait_take(connection, wait, error);
}

int pg_wait_result(PGconn *connection, struct pg_wait *wait, PGresult **result, struct cdc_error *error)
{
    *result = NULL;
    int status = 0;
    while (status == 0 && PQisBusy(connection))
        if ((status = pg_wait_input(connection, wait, error)) < 0)
            return -1;
    /* Of a connection that broke it has what the server said last, and libpq's own error after that. */
    *result = PQgetResult(connection);
    return 0;
}

bool pg_wait_is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH;
}

int pg_wait_discard(PGconn *connection, struct cdc_error *error)
{
    struct pg_wait wait = pg_wait_begin(connection);
    for (PGresult *result;; PQclear(result)) {
        if (pg_wait_result(connection, &wait, &result, error) < 0)
            return -1;
        if (!result)
            return 0;
        if (pg_wait_is_copy(result)) {
            PQclear(result);
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server began a COPY that it was not asked for");
        }
    }
}
