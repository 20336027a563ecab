/* SPDX-License-Identifier: MIT */
/* Sessions whose waits for the server end when a signal comes, or when another one failed. The client library blocks: so
 * a thread waits for the signal, and shuts the connections down. */
#ifndef MY_GUARD_H
#define MY_GUARD_H

#include "connectors/mysql/session/session.h"

#include <cdc/error.h>
#include <mysql.h>

struct my_guard;
/* wake_fd: readable once a signal has come; sessions: so many at most. RETURNS NEW; NULL on errors. */
struct my_guard *my_guard_new(int wake_fd, size_t sessions, struct cdc_error *error);
/* Once all sessions are closed. */
void my_guard_free(struct my_guard *guard);
/* Shuts all connections down, as a signal does: whoever waits gets an error, and so do those that connect later. */
void my_guard_interrupt(struct my_guard *guard);
/* Connects, and sets up what long reading needs; UNAVAILABLE when it leads to another server than the first session. Any thread. RETURNS NEW (my_guard_close) */
MYSQL *my_guard_connect(struct my_guard *guard, const struct my_session_settings *settings, struct cdc_error *error);
/* Rows that wait unread are not waited for. NULL is no session. */
void my_guard_close(struct my_guard *guard, MYSQL *mysql);

#endif
