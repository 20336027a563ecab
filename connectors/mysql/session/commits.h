/* SPDX-License-Identifier: MIT */
/* The log has a commit a moment before the engine has it. Where the server names a place of its log that belongs to a snapshot, or
 * lies before it, does the snapshot show all that was committed before that place?
 *
 *   MySQL, gtid_mode=ON    always: a GTID is in gtid_executed once the engine has committed
 *   MySQL before 9         never for sure: log_status names places that engines have not come to
 *   MySQL, MariaDB         but for XA COMMIT, the engine's part of which may come any time after that place
 *
 * An XA transaction is in XA RECOVER until the engine has committed it. So the snapshot shows all if nothing was prepared just before
 * it, and nobody has told the server to commit one since: what is told after that look is logged after it, too. */
#ifndef MY_COMMITS_H
#define MY_COMMITS_H

#include "connectors/mysql/session/server.h"

/* Before the place is asked for, and the snapshot begins: 1 where it will show all, if *told is the same afterwards. 0: it may not;
 * what holds the engine's rows or commits (FLUSH TABLES WITH READ LOCK, FOR SHARE) must help. -1 */
int my_commits_look(MYSQL *sql, const struct my_server *server, uint64_t *told, struct cdc_error *error);
/* Afterwards: was it so? 1, 0, -1 */
int my_commits_are_shown(MYSQL *sql, const struct my_server *server, uint64_t told, struct cdc_error *error);
/* Can it never be known there? */
bool my_commits_are_doubtful(const struct my_server *server);

#endif
