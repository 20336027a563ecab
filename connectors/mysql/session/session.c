/* SPDX-License-Identifier: MIT */
/* One session for questions, which comes back when it is lost. */
#include "connectors/mysql/session/session.h"

#include <string.h>

void my_session_init(struct my_session *session, const struct my_session_settings *settings, uint32_t replica_id)
{
    memset(session, 0, sizeof *session);
    session->settings = *settings;
    session->replica_id = replica_id;
}

MYSQL *my_session_beside(const struct my_session *session, struct cdc_error *error)
{
    const struct my_server *server = &session->server;
    MYSQL *mysql = my_session_connect(&session->settings, error);
    if (!mysql || !server->own_name[0] || my_server_check_name(mysql, server->flavor, server->own_name, error) == 0)
        return mysql;
    mysql_close(mysql);
    return NULL;
}

MYSQL *my_session_sql(struct my_session *session, struct cdc_error *error)
{
    if (session->sql && mysql_ping(session->sql) == 0)
        return session->sql;
    my_session_close(session);
    session->sql = my_session_beside(session, error);
    return session->sql;
}

int my_session_read_server(struct my_session *session, struct cdc_error *error)
{
    session->server.own_name[0] = '\0';
    MYSQL *sql = my_session_sql(session, error);
    return sql ? my_server_read(sql, &session->server, error) : -1;
}

void my_session_close(struct my_session *session)
{
    if (session->sql)
        mysql_close(session->sql);
    session->sql = NULL;
}
