/* SPDX-License-Identifier: MIT */
/* Watches what a server asks for while a connection is made. */
#ifndef PG_WATCH_H
#define PG_WATCH_H

#include <cdc/error.h>
#include <libpq-fe.h>
#include <poll.h>

/* libpq hands the password to whoever asks for it in clear, encrypted or not, and before release 16 (require_auth) cannot
 * be told otherwise. So while a connection over TCP is made, libpq talks to us, and we to the server: an
 * AuthenticationCleartextPassword that comes without TLS or GSS encryption is not passed on.
 *
 *      libpq  <-- socket pair -->  watch  <-- TCP -->  server
 *
 * Once the connection is made, libpq gets the server's socket back, under the number that it knows it by. */
struct pg_watch {
    int server, inner;        /* the server's socket, our end of the pair; -1: not now */
    unsigned long long other; /* libpq's end: its inode */
    size_t passed;            /* bytes of the server */
    enum {
        PG_WATCH_SILENT,
        PG_WATCH_ASKED,
        PG_WATCH_MESSAGES,
        PG_WATCH_ENCRYPTED /* or what is no message: passed on as it is */
    } state;
    unsigned char head[9]; /* of the message that comes in: type, length, and what an R asks for */
    unsigned n_head;
    unsigned skip; /* bytes of it that are still to come */
};
void pg_watch_init(struct pg_watch *watch);
/* To be called before each wait: goes between as soon as libpq has a socket of TCP. */
int pg_watch_follow(struct pg_watch *watch, PGconn *connection, struct cdc_error *error);
/* What to wait for besides: two descriptors. */
void pg_watch_poll(const struct pg_watch *watch, struct pollfd fds[2]);
/* Passes on what has come. CONFIG: the server asks for the password in clear; PROTOCOL: what it sends has no end. */
int pg_watch_pass(struct pg_watch *watch, const struct pollfd fds[2], struct cdc_error *error);
/* The connection is made: libpq gets the server's socket. */
int pg_watch_end(struct pg_watch *watch, PGconn *connection, struct cdc_error *error);
/* After errors too. */
void pg_watch_free(struct pg_watch *watch);

#endif
