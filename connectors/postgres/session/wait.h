/* SPDX-License-Identifier: MIT */
/* Waits for the server's answers. */
#ifndef PG_WAIT_H
#define PG_WAIT_H

#include <cdc/control.h>
#include <cdc/error.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* What a wait on a connection obeys, kept by the connection itself, so that whoever asks needs no more than that. */
struct pg_waiter {
    const struct cdc_control *control; /* BORROWED; NULL: no signals */
    /* Does the server answer anybody? Asked when this connection has been silent for a while: a server that is frozen, or
     * cut off, is not waited for; one that has a lock to wait for, or much to sort, is. */
    bool (*answers)(const void *context);
    const void *context; /* BORROWED */
};
/* 0 or -1 (no memory). */
int pg_wait_attach(PGconn *connection, const struct pg_waiter *waiter, struct cdc_error *error);

struct pg_wait {
    int64_t heard;   /* when the server was last heard of */
    bool stopping;   /* a signal came before */
    bool endless;    /* the rows of a COPY: each is taken as it comes, and as much as there is may come */
    uint64_t before; /* bytes that had come on the connection by then */
    uint64_t taken;  /* since, at the least, where the system does not count them: on a Unix socket */
};
/* Before the first turn of a wait: for one answer, with all its results, notices and settings. */
struct pg_wait pg_wait_begin(PGconn *connection);
/* Is the server still there, after a turn in which nothing came? 0, or UNAVAILABLE. */
int pg_wait_check(PGconn *connection, struct pg_wait *wait, struct cdc_error *error);
/* Takes what has come. 1: the connection broke (PQgetResult says how); PROTOCOL: so much has come since the wait began that
 * the answer has no end (256 MiB; libpq keeps all of it). The connection is of no more use then. */
int pg_wait_take(PGconn *connection, struct pg_wait *wait, struct cdc_error *error);
/* Waits up to a second for input, and takes it. 1: the connection broke; -1: the server is gone, its answer has no end, or a
 * signal ends the wait: the second one, where a loop runs (control->waiting is set) and has a transaction in hand, or where
 * things are taken down after the first; else the first. */
int pg_wait_input(PGconn *connection, struct pg_wait *wait, struct cdc_error *error);
/* Waits for the next result of the command in hand: *result is NULL after the last one. RETURNS NEW. 0 or -1 */
int pg_wait_result(PGconn *connection, struct pg_wait *wait, PGresult **result, struct cdc_error *error);
/* Waits for the last result, and throws all of them away. PROTOCOL where a COPY comes. 0 or -1 */
int pg_wait_discard(PGconn *connection, struct cdc_error *error);
/* A COPY has begun: PQgetResult would say so again and again. */
bool pg_wait_is_copy(const PGresult *result);

#endif
