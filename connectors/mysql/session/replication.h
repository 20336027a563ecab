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

#endif
