/* SPDX-License-Identifier: MIT */
/* The thread that waits for the signal, and the sessions that it shuts down. Reads of the client library go on after
 * EINTR, so a signal does not end them; the shutdown of the socket does. */
#include "connectors/mysql/snapshot/guard.h"

#include "connectors/mysql/session/wait.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <ma_pvio.h>

enum { SILENCE_MS = 24 * 3600 * 1000 };

struct my_guard {
    pthread_t thread;
    pthread_mutex_t lock; /* of what is below */
    bool interrupted;
    size_t n_sessions;
    struct session {
        MYSQL *mysql; /* NULL: free */
        int fd;
    } * sessions;
    char *server; /* that the first of them is of; owned */
    int wake_fd, end_fd;
};

void my_guard_interrupt(struct my_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->interrupted = true;
    for (size_t i = 0; i < guard->n_sessions; i++)
        if (guard->sessions[i].mysql)
            shutdown(guard->sessions[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&guard->lock);
}

static void *wait_for_signal(void *context)
{
    struct my_guard *guard = context;
    struct pollfd fds[2] = {{guard->wake_fd, POLLIN, 0}, {guard->end_fd, POLLIN, 0}};
    while (poll(fds, 2, -1) < 0)
        ;
    if (!fds[1].revents)
        my_guard_interrupt(guard);
    return NULL;
}

struct my_guard *my_guard_new(int wake_fd, size_t sessions, struct cdc_error *error)
{
    struct my_guard *guard = calloc(1, sizeof *guard);
    struct session *all = calloc(sessions, sizeof *all);
    if (!guard || !all) {
        free(guard);
        free(all);
        cdc_error_memory(error);
        return NULL;
    }
    guard->sessions = all;
    guard->n_sessions = sessions;
    guard->wake_fd = wake_fd;
    pthread_mutex_init(&guard->lock, NULL);
    guard->end_fd = eventfd(0, EFD_CLOEXEC);
    if (guard->end_fd >= 0 && pthread_create(&guard->thread, NULL, wait_for_signal, guard) == 0)
        return guard;
    if (guard->end_fd >= 0)
        close(guard->end_fd);
    pthread_mutex_destroy(&guard->lock);
    free(guard->sessions);
    free(guard);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "cannot start a thread");
    return NULL;
}

void my_guard_free(struct my_guard *guard)
{
    if (!guard)
        return;
    (void)eventfd_write(guard->end_fd, 1);
    pthread_join(guard->thread, NULL);
    close(guard->end_fd);
    pthread_mutex_destroy(&guard->lock);
    free(guard->sessions);
    free(guard->server);
    free(guard);
}

/* The library closes a socket by itself when it breaks: a session is known by its address. */
static void watch(struct my_guard *guard, MYSQL *old, MYSQL *new)
{
    int fd = new ? (int)mysql_get_socket(new) : -1;
    pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; i < guard->n_sessions; i++)
        if (guard->sessions[i].mysql == old) {
            guard->sessions[i].mysql = new;
            guard->sessions[i].fd = fd;
            break;
        }
    /* Connected just as the signal came: the loop that shut the others down did not see it. */
    if (guard->interrupted && new)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&guard->lock);
}

/* A server may search for long before it has a row to send: that it is gone is for TCP to find out, and that it hangs for
 * my_wait_ask. With TLS the library waits within a read, without asking anybody, until its time is over: one second. */
static void allow_silence(MYSQL *mysql)
{
    int fd = (int)mysql_get_socket(mysql), on = 1, idle = 60, interval = 15, count = 8;
    struct timeval turn = {.tv_sec = 1};
    struct st_ma_pvio *pvio = mysql->net.pvio;
    if (pvio->methods->set_timeout)
        pvio->methods->set_timeout(pvio, PVIO_READ_TIMEOUT, SILENCE_MS);
    mysql->options.read_timeout = MY_WAIT_PATIENT_S;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &turn, sizeof turn);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

/* What one session finds holds for the rows of another only at the same server. */
static int stay_at_server(struct my_guard *guard, MYSQL *mysql, enum my_flavor flavor, struct cdc_error *error)
{
    pthread_mutex_lock(&guard->lock);
    const char *name = guard->server;
    if (!name)
        guard->server = my_server_name(mysql, flavor, error);
    pthread_mutex_unlock(&guard->lock);
    if (!name)
        return error->status ? -1 : 0;
    return my_server_check_name(mysql, flavor, name, error);
}

/* No setting of the server may end the session because its reader is slow, or refuse what its tables hold. */
static int set_up(struct my_guard *guard, MYSQL *mysql, struct cdc_error *error)
{
    enum my_flavor flavor;
    if (my_server_flavor(mysql, &flavor, error) < 0 || stay_at_server(guard, mysql, flavor, error) < 0)
        return -1;
    /* Sessions that hold tables are idle for as long as the rows of others take. MariaDB has a limit for each kind of
     * transaction; it ends the session, and with it what the session holds. */
    static const char limits[] = "SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0, "
                                 "idle_write_transaction_timeout = 0";
    /* A key may have a date like 2020-02-31 in it, of a time with another sql_mode; it ends a chunk all the same. */
    if (my_session_execute(mysql,
                           "SET SESSION net_write_timeout = 86400, wait_timeout = 31536000, lock_wait_timeout = 50, "
                           "sql_mode = 'ALLOW_INVALID_DATES'",
                           "cannot set up the session", error) < 0)
        return -1;
    return flavor == MY_FLAVOR_MARIADB ? my_session_execute(mysql, limits, "cannot set up the session", error) : 0;
}

MYSQL *my_guard_connect(struct my_guard *guard, const struct my_session_settings *settings, struct cdc_error *error)
{
    MYSQL *mysql = my_session_connect(settings, error);
    if (!mysql)
        return NULL;
    watch(guard, NULL, mysql);
    allow_silence(mysql);
    if (set_up(guard, mysql, error) == 0)
        return mysql;
    my_guard_close(guard, mysql);
    return NULL;
}

/* Shut down first: mysql_close would read the rows that wait. */
void my_guard_close(struct my_guard *guard, MYSQL *mysql)
{
    if (!mysql)
        return;
    int fd = (int)mysql_get_socket(mysql);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    watch(guard, mysql, NULL);
    mysql_close(mysql);
}
