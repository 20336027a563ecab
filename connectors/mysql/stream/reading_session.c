/* SPDX-License-Identifier: MIT */
/* The session in which a table is read again while the stream goes on. */
#include "connectors/mysql/stream/internal.h"

#include <stdlib.h>

int my_reading_session(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    char *gtids = NULL;
    if (reading->sql && mysql_ping(reading->sql) == 0)
        return 0;
    if (reading->sql)
        mysql_close(reading->sql);
    reading->sql = my_session_beside(&stream->session, error);
    /* Texts of rows come as they are stored, in the charset of their column. */
    if (!reading->sql ||
        my_session_execute(reading->sql,
                           "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', lock_wait_timeout = 1, "
                           "innodb_lock_wait_timeout = 1, character_set_results = NULL",
                           "cannot set up the session", error) < 0 ||
        my_session_execute(reading->sql, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                           "cannot set up the session", error) < 0 ||
        my_server_end(reading->sql, &stream->session.server, &reading->least, &gtids, error) < 0)
        return -1;
    free(gtids);
    return 0;
}
