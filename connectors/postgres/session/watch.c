/* SPDX-License-Identifier: MIT */
/* Between libpq and the server, until the connection is made. */
#include "connectors/postgres/session/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SSL_REQUEST UINT32_C(80877103)
#define GSS_REQUEST UINT32_C(80877104)
#define CLEARTEXT_PASSWORD 3
#define MOST_BYTES ((size_t)16 << 20) /* of a login: certificates, settings, what somebody writes into a greeting */

static unsigned long long inode_of(int fd)
{
    struct stat file;
    return fstat(fd, &file) == 0 ? (unsigned long long)file.st_ino : 0;
}

static uint32_t number(const unsigned char *p)
{
    uint32_t n;
    memcpy(&n, p, 4);
    return ntohl(n);
}

void pg_watch_init(struct pg_watch *watch)
{
    memset(watch, 0, sizeof *watch);
    watch->server = watch->inner = -1;
}

void pg_watch_free(struct pg_watch *watch)
{
    if (watch->server >= 0)
        close(watch->server);
    if (watch->inner >= 0)
        close(watch->inner);
    pg_watch_init(watch);
}

static int failed(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot connect: %s", strerror(errno));
}

static bool is_tcp(int fd)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &n) == 0 && address.ss_family != AF_UNIX;
}

/* The socket of libpq becomes ours, and an end of a pair takes its number. */
static int go_between(struct pg_watch *watch, int fd, struct cdc_error *error)
{
    int pair[2], server = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (server < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        failed(error);
        if (server >= 0)
            close(server);
        return -1;
    }
    watch->server = server;
    watch->inner = pair[1];
    watch->other = inode_of(pair[0]);
    int result = dup3(pair[0], fd, O_CLOEXEC) < 0 ? failed(error) : 0;
    close(pair[0]);
    return result;
}

/* CONNECTION_MADE: the socket is connected, and nothing was sent. Of several hosts each has one of its own. */
int pg_watch_follow(struct pg_watch *watch, PGconn *connection, struct cdc_error *error)
{
    int fd = PQsocket(connection);
    if (PQstatus(connection) != CONNECTION_MADE || fd < 0 || (watch->other && inode_of(fd) == watch->other))
        return 0;
    pg_watch_free(watch);
    return is_tcp(fd) ? go_between(watch, fd, error) : 0;
}

void pg_watch_poll(const struct pg_watch *watch, struct pollfd fds[2])
{
    fds[0] = (struct pollfd){watch->server, POLLIN, 0};
    fds[1] = (struct pollfd){watch->inner, POLLIN, 0};
}

static int send_all(int fd, const unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        struct pollfd room = {fd, POLLOUT, 0};
        if (done < 0 && errno != EINTR && (errno != EAGAIN || poll(&room, 1, 10000) <= 0))
            return -1;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

/* The client begins: with a request for encryption, with TLS itself, or with a startup packet. */
static void see_client(struct pg_watch *watch, const unsigned char *p, size_t n)
{
    if (watch->state != PG_WATCH_SILENT)
        return;
    bool asks = n == 8 && (number(p + 4) == SSL_REQUEST || number(p + 4) == GSS_REQUEST);
    watch->state = asks ? PG_WATCH_ASKED : p[0] == 0x16 ? PG_WATCH_ENCRYPTED : PG_WATCH_MESSAGES;
}

/* A byte of a message: type, length (with itself, without the type), and for R what is asked for. */
static int see_message(struct pg_watch *watch, unsigned char byte, struct cdc_error *error)
{
    if (watch->skip > 0) {
        watch->skip--;
        return 0;
    }
    watch->head[watch->n_head++] = byte;
    if (watch->n_head < 5)
        return 0;
    uint32_t length = number(watch->head + 1);
    /* A server that cannot start a process for us says so in the form of old: E, and a text up to a zero byte. libpq takes
     * nothing else after it. */
    if (watch->head[0] == 'E' && length > 1 << 20) {
        watch->state = PG_WATCH_ENCRYPTED;
        return 0;
    }
    if (length < 4 || length > 1 << 20)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sends a damaged message while connecting");
    if (watch->head[0] == 'R' && length >= 8 && watch->n_head < 9)
        return 0;
    if (watch->n_head == 9 && number(watch->head + 5) == CLEARTEXT_PASSWORD) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "the server asks for the password in clear, and the connection is not encrypted");
        return cdc_error_hint(error, "set up TLS at the server, or scram-sha-256 in its pg_hba.conf (with libpq 16 or "
                                     "later, require_auth=password sends it all the same)");
    }
    watch->skip = length - (watch->n_head - 1);
    watch->n_head = 0;
    return 0;
}

static int see_server(struct pg_watch *watch, const unsigned char *p, size_t n, struct cdc_error *error)
{
    for (size_t i = 0; i < n && watch->state != PG_WATCH_ENCRYPTED; i++) {
        /* Before it is asked a server says nothing. Where it does, libpq could take for an answer what we do not. */
        if (watch->state == PG_WATCH_SILENT)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server answers before it was asked");
        if (watch->state == PG_WATCH_ASKED && p[i] != 'E') {
            watch->state = p[i] == 'N' ? PG_WATCH_SILENT : PG_WATCH_ENCRYPTED;
            continue;
        }
        watch->state = PG_WATCH_MESSAGES;
        if (see_message(watch, p[i], error) < 0)
            return -1;
    }
    return 0;
}

/* Either side has gone: the other one is told so by the end of the pair. */
static void hang_up(struct pg_watch *watch)
{
    unsigned long long other = watch->other;
    pg_watch_free(watch);
    watch->other = other;
}

static int pass_on(struct pg_watch *watch, bool from_server, struct cdc_error *error)
{
    unsigned char data[16384];
    ssize_t n = recv(from_server ? watch->server : watch->inner, data, sizeof data, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0) {
        hang_up(watch);
        return 0;
    }
    if (from_server && (watch->passed += (size_t)n) > MOST_BYTES)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "cannot connect: the server's greeting has no end");
    if (from_server && see_server(watch, data, (size_t)n, error) < 0)
        return -1;
    if (!from_server)
        see_client(watch, data, (size_t)n);
    if (send_all(from_server ? watch->inner : watch->server, data, (size_t)n) < 0)
        hang_up(watch);
    return 0;
}

int pg_watch_pass(struct pg_watch *watch, const struct pollfd fds[2], struct cdc_error *error)
{
    if (fds[1].revents && watch->inner >= 0 && pass_on(watch, false, error) < 0)
        return -1;
    return fds[0].revents && watch->server >= 0 ? pass_on(watch, true, error) : 0;
}

int pg_watch_end(struct pg_watch *watch, PGconn *connection, struct cdc_error *error)
{
    int unread = 0, fd = PQsocket(connection), result = 0;
    if (watch->server < 0)
        return 0;
    /* What libpq has said, and what it has not read yet: a server may send settings at any time. */
    while (recv(watch->inner, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) > 0 && watch->inner >= 0)
        if (pass_on(watch, false, error) < 0)
            return -1;
    while (result == 0 && ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
        if (!PQconsumeInput(connection))
            result = cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot connect: %s", PQerrorMessage(connection));
    if (result == 0 && dup3(watch->server, fd, O_CLOEXEC) < 0)
        result = failed(error);
    pg_watch_free(watch);
    return result;
}
