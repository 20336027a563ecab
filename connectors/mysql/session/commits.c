/* SPDX-License-Identifier: MIT */
#include "connectors/mysql/session/commits.h"
#include "connectors/mysql/session/session.h"

#include <stdlib.h>

static bool is_exact(const struct my_server *server)
{
    return server->flavor == MY_FLAVOR_MYSQL && server->gtid;
}

bool my_commits_are_doubtful(const struct my_server *server)
{
    return server->flavor == MY_FLAVOR_MYSQL && !server->gtid && server->version < 90000;
}

/* How many XA transactions the server was ever told to commit, also by a replica's applier. */
static int count_told(MYSQL *sql, uint64_t *told, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(sql, "SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_commit'",
                                         "cannot read the server's counters", error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    *told = row && row[1] ? strtoull(row[1], NULL, 10) : 0;
    mysql_free_result(result);
    return result ? 0 : -1;
}

/* MySQL tells that only those with XA_RECOVER_ADMIN: to others any may be, once there was one. 1, 0, -1 */
static int is_any_prepared(MYSQL *sql, uint64_t told, struct cdc_error *error)
{
    if (mysql_query(sql, "XA RECOVER") != 0)
        return told > 0;
    MYSQL_RES *result = my_session_store(sql, "XA RECOVER", error);
    int any = result && mysql_num_rows(result) > 0;
    mysql_free_result(result);
    return error->status ? -1 : any;
}

int my_commits_look(MYSQL *sql, const struct my_server *server, uint64_t *told, struct cdc_error *error)
{
    *told = 0;
    if (is_exact(server))
        return 1;
    if (my_commits_are_doubtful(server))
        return 0;
    if (count_told(sql, told, error) < 0)
        return -1;
    int any = is_any_prepared(sql, *told, error);
    return any < 0 ? -1 : !any;
}

int my_commits_are_shown(MYSQL *sql, const struct my_server *server, uint64_t told, struct cdc_error *error)
{
    uint64_t now;
    if (is_exact(server))
        return 1;
    return count_told(sql, &now, error) < 0 ? -1 : now == told;
}
