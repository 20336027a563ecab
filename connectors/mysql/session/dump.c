/* SPDX-License-Identifier: MIT */
/* Asking for a dump: variables of the session first, then the command. */
#include "connectors/mysql/session/dump.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/session.h"

#include <string.h>

#define COM_BINLOG_DUMP 18
#define COM_BINLOG_DUMP_GTID 30
#define DUMP_NON_BLOCK 1

/* Each server reads the variables whose names it knows, and leaves the others alone: "master" and "slave" are of
 * MariaDB and of old MySQL, "source" and "replica" of MySQL from 8.0.26 on. Without the checksum variable both
 * refuse (1236: the replica cannot handle checksums). Without capability 4 MariaDB puts dummy QUERY events in the
 * place of GTID and GTID_LIST, and transactions have no beginning. Heartbeats (period in ns) are off by default, and
 * an idle server could not be told from a dead one. Of two readers with one uuid MySQL ends the older, so it comes
 * from the id, too. */
static void append_variables(struct cdc_buf *sql, const struct my_server *server, uint32_t id,
                             const struct my_dump_request *request)
{
    const char *checksum = server->checksums ? "CRC32" : "NONE";
    cdc_buf_printf(sql,
                   "SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s', @mariadb_slave_capability = 4",
                   checksum, checksum);
    if (request->as_replica)
        cdc_buf_printf(sql,
                       ", @master_heartbeat_period = 1000000000, @source_heartbeat_period = 1000000000"
                       ", @slave_uuid = '%08x-0000-4000-8000-%012x', @replica_uuid = '%08x-0000-4000-8000-%012x'",
                       id, id, id, id);
    /* MariaDB begins after these GTIDs where they are set, and at the coordinates of the command else. */
    if (server->flavor == MY_FLAVOR_MARIADB && !request->from)
        cdc_buf_printf(sql,
                       ", @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0, @slave_connect_state = '%s'",
                       request->gtids);
    cdc_buf_byte(sql, '\0');
}

static int set_up(MYSQL *mysql, const struct my_server *server, uint32_t id, const struct my_dump_request *request,
                  struct cdc_error *error)
{
    const char *what = request->as_replica ? "cannot set up the dump" : "cannot set up the search";
    struct cdc_buf sql = CDC_BUF_INIT;
    append_variables(&sql, server, id, request);
    int result = sql.failed ? cdc_error_memory(error) : my_session_execute(mysql, sql.data, what, error);
    cdc_buf_free(&sql);
    /* A stream may stand still for long: whoever takes its lines is slow. After net_write_timeout (60 s by default)
     * in which we read nothing the server would end the dump. */
    if (result == 0 && request->as_replica)
        result = my_session_execute(mysql, "SET SESSION net_write_timeout = 86400", what, error);
    return result;
}

static void put(struct cdc_buf *out, uint64_t value, unsigned n)
{
    for (; n > 0; n--, value >>= 8)
        cdc_buf_byte(out, (char)(value & 0xff));
}

/* COM_BINLOG_DUMP_GTID: flags, id, length of a file's name (none), offset, length of the set, the set as bytes. */
static int command_by_set(struct cdc_buf *out, uint16_t flags, uint32_t id, const char *gtids, struct cdc_error *error)
{
    struct cdc_buf data = CDC_BUF_INIT;
    struct my_gtid_set *set = my_gtid_set_new(MY_FLAVOR_MYSQL, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(gtids), error) : -1;
    if (result == 0) {
        my_gtid_set_encode(&data, set);
        put(out, flags, 2);
        put(out, id, 4);
        put(out, 0, 4);
        put(out, 4, 8);
        put(out, data.len, 4);
        cdc_buf_append_buf(out, &data);
        out->failed |= data.failed;
    }
    my_gtid_set_free(set);
    cdc_buf_free(&data);
    return result;
}

/* COM_BINLOG_DUMP: offset, flags, id, the file's name up to the packet's end, little-endian. The offset has four
 * bytes, although a file that one huge transaction fills may be larger. */
static int command_by_coord(struct cdc_buf *out, uint16_t flags, uint32_t id, const struct my_coord *coord,
                            struct cdc_error *error)
{
    if (coord->position > UINT32_MAX)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "offset %llu of file %s does not fit into the protocol: positions by GTID are needed",
                             (unsigned long long)coord->position, coord->file);
    put(out, coord->file[0] ? coord->position : 4, 4);
    put(out, flags, 2);
    put(out, id, 4);
    cdc_buf_text(out, coord->file);
    return 0;
}

int my_dump_begin(MYSQL *mysql, const struct my_server *server, uint32_t replica_id,
                  const struct my_dump_request *request, struct cdc_error *error)
{
    static const struct my_coord nowhere = {"", 4};
    bool by_set = !request->from && server->flavor == MY_FLAVOR_MYSQL;
    uint16_t flags = request->to_end ? DUMP_NON_BLOCK : 0;
    struct cdc_buf command = CDC_BUF_INIT;
    int result = set_up(mysql, server, replica_id, request, error);
    if (result == 0)
        result = by_set
                     ? command_by_set(&command, flags, replica_id, request->gtids, error)
                     : command_by_coord(&command, flags, replica_id, request->from ? request->from : &nowhere, error);
    if (result == 0 && command.failed)
        result = cdc_error_memory(error);
    if (result == 0 &&
        mysql->methods->db_command(mysql, (enum enum_server_command)(by_set ? COM_BINLOG_DUMP_GTID : COM_BINLOG_DUMP),
                                   command.data, command.len, 1, NULL) != 0)
        result = my_session_error(mysql, "cannot ask for the log", error);
    cdc_buf_free(&command);
    return result;
}
