/* SPDX-License-Identifier: MIT */
/* A replica that has not yet what was read at another server. It may take over before it has applied all that it has taken, and one of
 * several behind a balancer is always a little behind another:
 *     the server that was read   10 a   11 b   12 c
 *     this one                   10 a   11 b              12 c is in its relay log, or on its way
 * Nothing is lost then: it is tried again. What it has taken, it will have; for what it has not, a minute is enough to say that it
 * does not come, as where the server that had it is gone. */
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/replication.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000

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
    enum my_replication replication = MY_REPLICATION_NONE;
    const struct my_server *server = &stream->session.server;
    if (!gtids || !*gtids || !server->gtid || !*server_uuid || strcmp(server_uuid, server->uuid) == 0)
        return 0;
    MYSQL *sql = my_session_sql(&stream->session, error);
    int known = sql ? has(stream, sql, gtids, error) : -1;
    if (known > 0)
        stream->behind_since = 0;
    if (known != 0)
        return known < 0 ? -1 : 0;
    if (my_replication_of(sql, server, gtids, &replication, error) < 0)
        return -1;
    if (stream->behind_since == 0)
        stream->behind_since = cdc_clock_ms();
    if (replication == MY_REPLICATION_NONE ||
        (replication == MY_REPLICATION_RUNS && cdc_clock_ms() - stream->behind_since > WAIT_MS))
        return 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "the server is a replica that has not yet what was read at %.120s: %s", server_uuid,
                         replication == MY_REPLICATION_TAKEN ? "it has taken that, and not applied it"
                                                             : "it may still come");
}
