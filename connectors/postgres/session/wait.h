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
    int64_t heard; /* when the server was last heard of */
    bool stopping; /* a signal came before */
};
/* Before the first turn of a wait. */
struct pg_wait pg_wait_begin(PGconn *connection);
/* Is the server still there, after a turn in which nothing came? 0, or UNAVAILABLE. */
int pg_wait_check(PGconn *connection, struct pg_wait *wait, struct cdc_error *error);
/* Waits up to a second for input, and takes it. 1: the connection broke (PQgetResult says how); -1: the server is gone, or a
 * signal ends the wait: the second one, where a loop runs (control->waiting is set) and has a transaction in hand, or where
 * things are taken down after the first; else the first. */
int pg_wait_input(PGconn *connection, struct pg_wait *wait, struct cdc_error *error);
/* Waits for the next result of the command in hand: *result is NULL after the last one. RETURNS NEW. 0 or -1 */
int pg_wait_result(PGconn *connection, PGresult **result, struct cdc_error *error);

#endif
