/* SPDX-License-Identifier: MIT */
/* What a server copies from others. */
#ifndef MY_REPLICATION_H
#define MY_REPLICATION_H

#include "connectors/mysql/session/server.h"

enum my_replication {
    MY_REPLICATION_NONE, /* it copies nothing now, or the user may not know */
    MY_REPLICATION_RUNS, /* what it has not, may still come */
    MY_REPLICATION_TAKEN /* it has taken the transactions, and not applied all of them: they come once it does */
};
/* Of the transactions `gtids`, not all of which the server has in its log. A replica that does not log what it copies is NONE. */
int my_replication_of(MYSQL *mysql, const struct my_server *server, const char *gtids, enum my_replication *replication,
                      struct cdc_error *error);

/* A replica that has not yet what was read at another server. It may take over before it has applied all that it has taken, and one of
 * several behind a balancer is always a little behind another:
 *     the server that was read   10 a   11 b   12 c
 *     this one                   10 a   11 b              12 c is in its relay log, or on its way
 * Nothing is lost then: it is tried again. What it has taken, it will have; for what it has not, a minute is enough to say that it
 * does not come, as where the server that had it is gone. Several places are looked for at each try, of which it may have all but the
 * last one: how long it has been behind, only a try as a whole tells, and a server that was away has had no time to catch up. */
struct my_behind {
    int64_t since; /* cdc_clock_ms of the first try in a row that found it so; 0: the last one did not */
    bool is;       /* the try at hand has */
};
void my_behind_begin_try(struct my_behind *behind);
void my_behind_end_try(struct my_behind *behind);
/* It lacks `gtids`, which were read at the server of that name: UNAVAILABLE where they may come; 0 where they do not; -1 */
int my_behind_wait(struct my_behind *behind, MYSQL *mysql, const struct my_server *server, const char *server_uuid,
                   const char *gtids, struct cdc_error *error);

#endif
