/* SPDX-License-Identifier: MIT */
/* Does the server have yet what was read at another one? See session/replication.h. */
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/stream/internal.h"

#include <stdlib.h>
#include <string.h>

/* Are they in its log? 1, 0, -1 */
static int has(struct my_stream *stream, MYSQL *sql, const char *gtids, struct cdc_error *error)
{
    if (stream->session.server.flavor == MY_FLAVOR_MYSQL)
        return my_server_is_subset(sql, gtids, "@@GLOBAL.gtid_executed", error);
    char *end = my_session_value(sql, "SELECT @@GLOBAL.gtid_binlog_pos", "cannot read the server's GTIDs", error);
    if (!end && error->status)
        return -1;
    struct my_gtid_set *all = my_gtid_set_new(MY_FLAVOR_MARIADB, error);
    struct my_gtid_set *part = all ? my_gtid_set_new(MY_FLAVOR_MARIADB, error) : NULL;
    int result = -1;
    if (part && my_gtid_set_parse(all, cdc_span_text(end ? end : ""), error) == 0 &&
        my_gtid_set_parse(part, cdc_span_text(gtids), error) == 0)
        result = my_gtid_set_includes(all, part);
    my_gtid_set_free(all);
    my_gtid_set_free(part);
    free(end);
    return result;
}

int my_behind_check(struct my_stream *stream, const char *server_uuid, const char *gtids, struct cdc_error *error)
{
    const struct my_server *server = &stream->session.server;
    if (!gtids || !*gtids || !server->gtid || !*server_uuid || strcmp(server_uuid, server->uuid) == 0)
        return 0;
    MYSQL *sql = my_session_sql(&stream->session, error);
    int known = sql ? has(stream, sql, gtids, error) : -1;
    if (known != 0)
        return known < 0 ? -1 : 0;
    return my_behind_wait(&stream->behind, sql, server, server_uuid, gtids, error);
}
