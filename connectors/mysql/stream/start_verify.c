/* SPDX-License-Identifier: MIT */
/* Whether the server still has what follows a start. Neither file names nor GTIDs tell it alone: a RESET begins both anew. */
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/stream/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_BACK (UINT64_C(128) << 20) /* bytes of a file that are read again at a start */

int my_start_lost(struct cdc_error *error, const char *why)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the position is not in the server's log: %s", why);
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (remove the offset files of the pipeline "
                                 "and the copies, and begin with cdc-snapshot)");
}

/* 1: the coordinates are in a file of the log; 0: their file was purged; -1: LOST, or it could not be found out. */
static int find_coord(struct my_stream *stream, struct cdc_error *error)
{
    enum my_standing standing;
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || my_server_find(sql, &stream->start.coord, &standing, error) < 0)
        return -1;
    if (standing == MY_STANDS_NOWHERE)
        return my_start_lost(error, "the server's log ends before it: it was reset");
    return standing == MY_STANDS_IN_FILE;
}

static int is_subset(struct my_stream *stream, const char *a, const char *b, struct cdc_error *error)
{
    MYSQL *sql = my_session_sql(&stream->session, error);
    return sql ? my_server_is_subset(sql, a, b, error) : -1;
}

/* Is that file the one that was read then? A RESET begins one of the same name. 1, 0 or -1; not known is yes. Of MariaDB's it is always
 * looked at: with a wrong key the server reads other transactions in it than there are. */
static int same_file(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    uint32_t created = 0;
    if (start->file_created == 0 && stream->session.server.flavor != MY_FLAVOR_MARIADB)
        return 1;
    MYSQL *dump = my_session_beside(&stream->session, error);
    int result = dump ? my_log_file_created(dump, &stream->session.server, my_log_replica_id(&stream->session),
                                            start->coord.file, &created, error)
                      : -1;
    if (dump)
        mysql_close(dump);
    if (result < 0)
        return -1;
    return created == 0 || start->file_created == 0 || created == start->file_created;
}

/* Does the event that we read last stand there still? A server that was set back to a copy of itself goes on in the same file,
 * with the same GTIDs, and other transactions. */
static int check_last_event(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    struct my_coord from = start->coord;
    uint32_t sum = 0;
    if (start->event_sum == 0 || start->event < 4 || start->event >= UINT32_MAX ||
        (uint64_t)start->event >= start->coord.position)
        return 0;
    from.position = (uint64_t)start->event;
    if (my_log_event_sum(&stream->session, &from, &start->coord, &sum, error) < 0)
        return -1;
    return sum == start->event_sum ? 0
                                   : my_start_lost(error, "another event is in its place: the server was set back to a "
                                                          "copy, its log was reset, or it is another server");
}

static int check_same_file(struct my_stream *stream, struct cdc_error *error)
{
    int same = same_file(stream, error);
    if (same < 0)
        return -1;
    return same ? check_last_event(stream, error) : my_start_lost(error, "its file was begun anew: the log was reset");
}

/* Names of log files come again after a RESET. */
static int check_file(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    enum my_standing standing;
    if (stream->session.server.flavor == MY_FLAVOR_MYSQL && start->server_uuid[0] &&
        strcmp(start->server_uuid, stream->session.server.uuid) != 0)
        return my_start_lost(error, "it is a file and an offset of another server");
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || my_server_find(sql, &start->coord, &standing, error) < 0)
        return -1;
    if (standing != MY_STANDS_IN_FILE)
        return my_start_lost(error, "its file was purged, or is shorter now");
    return check_same_file(stream, error);
}

/* Are they the GTIDs of the start? A MariaDB may have forgotten domains of them since. */
static int same_gtids(const struct my_stream *stream, const char *text, struct cdc_error *error)
{
    return my_gtid_set_same(stream->session.server.flavor, stream->start.gtids, text, error);
}

static int other_transactions(struct cdc_error *error)
{
    return my_start_lost(error, "other transactions are in its place: the log was reset");
}

/* MariaDB numbers its transactions from 1 again after a RESET, and knows a GTID that came again from the first one no
 * more than we do. The coordinates tell: a file of that name, begun in that second, with the same transactions up to there.
 * 1: they are ours; 0: the file was purged; -1 and LOST: another log. */
static int compare_mariadb_log(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    char *gtids = NULL;
    int found = find_coord(stream, error);
    if (found <= 0)
        return found;
    if (check_same_file(stream, error) < 0)
        return -1;
    if (my_log_gtids_at(&stream->session, &start->coord, &gtids, error) < 0) {
        if (error->status != CDC_EXIT_LOST)
            return -1;
        cdc_error_clear(error); /* no transaction ends there */
        return other_transactions(error);
    }
    int same = same_gtids(stream, gtids, error);
    free(gtids);
    return same < 0 ? -1 : same ? 1 : other_transactions(error);
}

/* The position's file was purged. What is left of the log begins with the very transactions that we have, or it is not ours: one
 * with fewer never had our position in an earlier file, and in one with more some are missing. A foreign log may begin so by
 * chance; nothing can tell that any more. 0, and reading begins at its head; -1 and LOST. */
static int compare_purged_log(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct my_coord oldest;
    char *gtids = NULL;
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || my_server_oldest(sql, &stream->session.server, &oldest, &gtids, error) < 0)
        return -1;
    free(gtids);
    gtids = NULL;
    if (my_log_gtids_at(&stream->session, &oldest, &gtids, error) < 0)
        return -1;
    int same = same_gtids(stream, gtids, error);
    free(gtids);
    if (same < 0)
        return -1;
    if (!same)
        return my_start_lost(error,
                             "its file was purged, and the log begins with other transactions than those that follow "
                             "it: some are missing, or it is another log");
    cdc_log_write(stream->log, CDC_LOG_WARNING,
                  "the position's file %s was purged: that this is the same log, its GTIDs alone tell",
                  start->coord.file);
    start->coord = oldest;
    start->file_created = start->event = start->event_sum = 0;
    return 0;
}

static int find_cluster(struct my_stream *stream, enum my_cluster *cluster, struct cdc_error *error)
{
    MYSQL *sql = my_session_sql(&stream->session, error);
    return sql ? my_server_cluster(sql, cluster, error) : -1;
}

/* A node of a Galera cluster numbers the transactions of the cluster by itself where wsrep_gtid_mode is OFF, which is the default:
 *     one node    0-1-5 a   0-2-6 b   0-2-7 c
 *     another     0-1-3 a   0-2-4 b   0-2-5 c   0-1-6 d        what follows 0-1-5 is not found here, or is d alone */
static int check_other_server(struct my_stream *stream, struct cdc_error *error)
{
    enum my_cluster cluster = MY_CLUSTER_NONE;
    if (stream->start.server_uuid[0] && find_cluster(stream, &cluster, error) < 0)
        return -1;
    if (cluster != MY_CLUSTER_OWN_GTIDS)
        return 0; /* it looks for the GTID itself */
    cdc_error_set(
        error, CDC_EXIT_LOST,
        "the position is of server %s, and this is %s, a node of a Galera cluster whose wsrep_gtid_mode is OFF: "
        "each node has its own GTIDs",
        stream->start.server_uuid, stream->session.server.uuid);
    return cdc_error_hint(error, "go on at the node that was read before; or take a new snapshot (remove the "
                                 "offset files of the pipeline and the copies, and begin with cdc-snapshot), once all "
                                 "nodes have wsrep_gtid_mode = ON");
}

/* With wsrep_gtid_mode all nodes of a Galera cluster may have the same server_id: a log that is not ours is then another node's,
 * which looks for the GTID itself. */
static int pass_other_node(struct my_stream *stream, struct cdc_error *error)
{
    enum my_cluster cluster;
    struct cdc_error other = {0};
    if (error->status != CDC_EXIT_LOST || strcmp(stream->start.server_uuid, stream->session.server.uuid) == 0)
        return -1;
    if (find_cluster(stream, &cluster, &other) < 0) {
        *error = other;
        return -1;
    }
    if (cluster != MY_CLUSTER_SAME_GTIDS)
        return -1;
    cdc_error_clear(error);
    return 0;
}

static int compare_log(struct my_stream *stream, struct cdc_error *error)
{
    int same = compare_mariadb_log(stream, error);
    return same != 0 ? same : compare_purged_log(stream, error);
}

/* A MariaDB names itself server_id/host:port, and comes back under another name when it moves or its container is made
 * anew:     3/db-a:3306     and then     3/db-b:3306
 * Those that replicate from each other have different server_ids. So one with the same is that server, where its log is ours,
 * and goes by the name that it had; else it is a foreign or a restored one, whatever GTIDs it has. */
static int recognize_mariadb(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct my_server *server = &stream->session.server;
    if (!start->coord.file[0] || strncmp(start->server_uuid, server->uuid, strcspn(server->uuid, "/") + 1) != 0)
        return check_other_server(stream, error);
    if (compare_log(stream, error) < 0)
        return pass_other_node(stream, error);
    start->coord_stands = true;
    if (strcmp(start->server_uuid, server->uuid) == 0)
        return 0;
    cdc_log_write(stream->log, CDC_LOG_INFO, "the log is that of server %s, which is %s now", start->server_uuid,
                  server->uuid);
    snprintf(server->uuid, sizeof server->uuid, "%s", start->server_uuid);
    return 0;
}

/* A file that has transactions without GTIDs before our position, too, is not sent from its beginning while gtid_mode is ON. */
static int compare_mysql_log(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    char *gtids = NULL;
    if (my_log_gtids_at(&stream->session, &start->coord, &gtids, error) < 0) {
        if (error->status != CDC_EXIT_CONFIG)
            return -1;
        cdc_error_clear(error);
        return 0;
    }
    int known = is_subset(stream, gtids, start->gtids, error);
    free(gtids);
    return known < 0 ? -1 : known ? 0 : other_transactions(error);
}

/* A RESET numbers transactions anew, too: what the same server has before our coordinates must be known to us. Looked at
 * where that is not long, and where GTIDs and coordinates were complete together; in any case the file must be the one that it was. */
static int check_mysql_coord(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    int found = start->coord.file[0] ? find_coord(stream, error) : 0;
    if (found <= 0)
        return found;
    if (check_same_file(stream, error) < 0)
        return -1;
    if (my_anonymous_check(stream, error) < 0)
        return -1;
    bool same_file_is_enough = start->gtids_lag && start->file_created != 0;
    return same_file_is_enough || start->coord.position > LOOK_BACK ? 0 : compare_mysql_log(stream, error);
}

static int check_mysql_gtids(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    int kept = is_subset(stream, "@@GLOBAL.gtid_purged", start->gtids, error);
    int known = kept < 0 ? -1 : is_subset(stream, start->gtids, "@@GLOBAL.gtid_executed", error);
    if (kept < 0 || known < 0)
        return -1;
    if (!kept)
        return my_start_lost(error, "transactions that were not read yet were purged");
    if (!known)
        return my_start_lost(error,
                             "the server does not know all transactions that were read: it lost some, was reset, or "
                             "is another one");
    return strcmp(start->server_uuid, stream->session.server.uuid) == 0 ? check_mysql_coord(stream, error) : 0;
}

bool my_start_by_gtid(const struct my_stream *stream)
{
    if (stream->session.server.flavor == MY_FLAVOR_MARIADB)
        return stream->start.gtids[0] != '\0' || !stream->start.coord.file[0];
    return stream->session.server.gtid && (stream->start.gtids[0] != '\0' || !stream->start.coord.file[0]);
}

static int verify(struct my_stream *stream, struct cdc_error *error)
{
    if (!my_start_by_gtid(stream))
        return check_file(stream, error);
    return stream->session.server.flavor == MY_FLAVOR_MYSQL ? check_mysql_gtids(stream, error)
                                                            : recognize_mariadb(stream, error);
}

int my_start_verify(struct my_stream *stream, struct cdc_error *error)
{
    stream->start.coord_stands = false;
    if (verify(stream, error) < 0)
        return -1;
    stream->start.after_refusal = stream->refused;
    stream->refused = false;
    return 0;
}

int my_start_stands(struct my_stream *stream, const struct my_start *other, bool *coord_stands, struct cdc_error *error)
{
    const struct my_start kept = stream->start;
    const struct my_server server = stream->session.server;
    stream->start = *other;
    stream->start.gtids_lag = true;
    int result = my_start_verify(stream, error);
    *coord_stands = stream->start.coord_stands;
    stream->start = kept;
    stream->session.server = server;
    if (result < 0 && error->status == CDC_EXIT_LOST) {
        cdc_error_clear(error);
        return 0;
    }
    return result < 0 ? -1 : 1;
}

/* File and offset of another server say nothing here. A snapshot of MariaDB does not tell whose they are: the GTIDs do. */
int my_start_leave_old_coord(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct cdc_error gone = {0};
    char *gtids = NULL;
    bool known = start->server_uuid[0] || stream->session.server.flavor == MY_FLAVOR_MYSQL;
    if (!my_start_by_gtid(stream) || !start->coord.file[0] ||
        strcmp(start->server_uuid, stream->session.server.uuid) == 0)
        return 0;
    int same = known || my_log_gtids_at(&stream->session, &start->coord, &gtids, &gone) < 0
                   ? 0
                   : same_gtids(stream, gtids, error);
    free(gtids);
    if (cdc_error_is_transient(&gone))
        return cdc_error_set(error, gone.status, "%s", gone.text);
    if (same == 0)
        memset(&start->coord, 0, sizeof start->coord);
    start->coord_stands = same > 0;
    return same < 0 ? -1 : 0;
}
