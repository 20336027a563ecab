/* SPDX-License-Identifier: MIT */
/* Connecting: the plain session, and the dump. */
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/schema/cascades.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COM_BINLOG_DUMP 18
#define COM_BINLOG_DUMP_GTID 30
#define DUMP_NON_BLOCK 1

int my_stream_ensure_sql(struct my_stream *stream, struct cdc_error *error)
{
    if (stream->sql && mysql_ping(stream->sql) == 0)
        return 0;
    if (stream->sql)
        mysql_close(stream->sql);
    stream->sql = my_session_connect(&stream->settings.connection, error);
    return stream->sql ? 0 : -1;
}

/* -- the dump ------------------------------------------------------------------------------------- */

static int session(struct my_stream *stream, MYSQL *mysql, const struct my_coord *detour, struct cdc_error *error)
{
    char sql[400];
    uint32_t id = my_replica_id(stream->settings.server_id, stream->settings.name);
    bool mariadb = stream->server.flavor == MY_FLAVOR_MARIADB;
    const char *checksum = stream->server.checksums ? "CRC32" : "NONE";
    snprintf(sql, sizeof sql,
             "SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s', "
             "@master_heartbeat_period = 1000000000, @source_heartbeat_period = 1000000000, "
             "@slave_uuid = '%08x-0000-4000-8000-%012x', @replica_uuid = '%08x-0000-4000-8000-%012x'",
             checksum, checksum, id, id, id, id);
    if (my_session_execute(mysql, sql, "cannot set up the dump", error) < 0 ||
        my_session_execute(mysql, "SET SESSION net_write_timeout = 86400", "cannot set up the dump", error) < 0)
        return -1;
    if (!mariadb)
        return 0;
    if (my_session_execute(mysql,
                           "SET @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1, "
                           "@slave_gtid_ignore_duplicates = 0",
                           "cannot set up the dump", error) < 0)
        return -1;
    struct cdc_buf state = CDC_BUF_INIT;
    bool gtid = my_start_by_gtid(stream) && !detour;
    cdc_buf_printf(&state, "SET @slave_connect_state = '%s'", gtid ? stream->start.gtids : "");
    cdc_buf_byte(&state, '\0');
    int result = state.failed ? cdc_error_memory(error) : 0;
    if (result == 0 && gtid)
        result = my_session_execute(mysql, state.data, "cannot set up the dump", error);
    cdc_buf_free(&state);
    return result;
}

static void put(struct cdc_buf *out, uint64_t value, unsigned n)
{
    for (; n > 0; n--, value >>= 8)
        cdc_buf_byte(out, (char)(value & 0xff));
}

static void dump_by_set(struct cdc_buf *out, uint16_t flags, uint32_t id, const struct my_gtid_set *set)
{
    struct cdc_buf data = CDC_BUF_INIT;
    my_gtid_set_encode(&data, set);
    put(out, flags, 2);
    put(out, id, 4);
    put(out, 0, 4); /* no file name */
    put(out, 4, 8);
    put(out, data.len, 4);
    cdc_buf_append(out, data.data, data.len);
    out->failed |= data.failed;
    cdc_buf_free(&data);
}

static void dump_by_coord(struct cdc_buf *out, uint16_t flags, uint32_t id, const struct my_coord *coord)
{
    put(out, coord->file[0] ? coord->position : 4, 4);
    put(out, flags, 2);
    put(out, id, 4);
    cdc_buf_text(out, coord->file);
}

static int send_dump(struct my_stream *stream, MYSQL *mysql, const struct my_coord *detour, struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    const struct my_coord nowhere = {"", 4};
    const struct my_coord *coord = detour ? detour : &stream->start.coord;
    bool gtid = my_start_by_gtid(stream) && !detour;
    bool mariadb = stream->server.flavor == MY_FLAVOR_MARIADB;
    uint16_t flags = stream->ends ? DUMP_NON_BLOCK : 0;
    int code = COM_BINLOG_DUMP;
    if (!gtid && coord->position > UINT32_MAX)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "offset %llu of file %s does not fit into the protocol: positions by GTID are needed",
                             (unsigned long long)coord->position, coord->file);
    if (gtid && !mariadb) {
        code = COM_BINLOG_DUMP_GTID;
        dump_by_set(&command, flags, my_replica_id(stream->settings.server_id, stream->settings.name),
                    my_decoder_gtids(stream->decoder));
    } else {
        dump_by_coord(&command, flags, my_replica_id(stream->settings.server_id, stream->settings.name),
                      gtid ? &nowhere : coord);
    }
    int result = command.failed ? cdc_error_memory(error) : 0;
    if (result == 0 &&
        mysql->methods->db_command(mysql, (enum enum_server_command)code, command.data, command.len, 1, NULL) != 0)
        result = my_session_error(mysql, "cannot ask for the log", error);
    cdc_buf_free(&command);
    return result;
}

static int start_dump(struct my_stream *stream, struct cdc_error *error)
{
    MYSQL *mysql = my_session_connect(&stream->settings.connection, error);
    if (!mysql)
        return -1;
    const struct my_coord *detour = my_torn_file_take(stream);
    if (session(stream, mysql, detour, error) < 0 || send_dump(stream, mysql, detour, error) < 0) {
        mysql_close(mysql);
        return -1;
    }
    stream->packets = my_packets_new(mysql, error);
    return stream->packets ? 0 : -1;
}

/* As session(), for a search: what is beside the stream is no replica. gtids: MariaDB, to begin behind them; or NULL. */
static int search_session(MYSQL *mysql, const struct my_server *server, const char *gtids, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    const char *checksum = server->checksums ? "CRC32" : "NONE";
    cdc_buf_printf(&sql,
                   "SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s', @mariadb_slave_capability = 4",
                   checksum, checksum);
    if (gtids && server->flavor == MY_FLAVOR_MARIADB)
        cdc_buf_printf(&sql, ", @slave_gtid_strict_mode = 1, @slave_connect_state = '%s'", gtids);
    cdc_buf_byte(&sql, '\0');
    int result =
        sql.failed ? cdc_error_memory(error) : my_session_execute(mysql, sql.data, "cannot set up the search", error);
    cdc_buf_free(&sql);
    return result;
}

/* TAKES what the command holds. */
static int send_search(MYSQL *mysql, int code, struct cdc_buf *command, struct cdc_error *error)
{
    int result = command->failed ? cdc_error_memory(error) : 0;
    if (result == 0 &&
        mysql->methods->db_command(mysql, (enum enum_server_command)code, command->data, command->len, 1, NULL) != 0)
        result = my_session_error(mysql, "cannot ask for the log", error);
    cdc_buf_free(command);
    return result;
}

int my_dump_begin(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const struct my_coord *from,
                  struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    if (search_session(mysql, server, NULL, error) < 0)
        return -1;
    dump_by_coord(&command, DUMP_NON_BLOCK, replica_id, from);
    return send_search(mysql, COM_BINLOG_DUMP, &command, error);
}

uint32_t my_stream_other_id(const struct my_stream *stream)
{
    return my_replica_id(stream->settings.server_id, stream->settings.name) ^ UINT32_C(0x40000000);
}

static int dump_behind_start(struct my_stream *stream, MYSQL *mysql, struct cdc_error *error)
{
    const struct my_coord nowhere = {"", 4};
    struct cdc_buf command = CDC_BUF_INIT;
    uint32_t id = my_stream_other_id(stream);
    if (search_session(mysql, &stream->server, stream->start.gtids, error) < 0)
        return -1;
    if (stream->server.flavor == MY_FLAVOR_MARIADB) {
        dump_by_coord(&command, DUMP_NON_BLOCK, id, &nowhere);
        return send_search(mysql, COM_BINLOG_DUMP, &command, error);
    }
    struct my_gtid_set *set = my_gtid_set_new(MY_FLAVOR_MYSQL, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(stream->start.gtids), error) : -1;
    if (result == 0)
        dump_by_set(&command, DUMP_NON_BLOCK, id, set);
    my_gtid_set_free(set);
    return result < 0 ? -1 : send_search(mysql, COM_BINLOG_DUMP_GTID, &command, error);
}

MYSQL *my_stream_dump(struct my_stream *stream, const struct my_coord *from, struct cdc_error *error)
{
    MYSQL *mysql = my_session_connect(&stream->settings.connection, error);
    int result = !mysql ? -1
                 : from ? my_dump_begin(mysql, &stream->server, my_stream_other_id(stream), from, error)
                        : dump_behind_start(stream, mysql, error);
    if (result == 0 || !mysql)
        return mysql;
    mysql_close(mysql);
    return NULL;
}

static int ensure_decoder(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_stream_settings *s = &stream->settings;
    const struct my_decoder_settings settings = {.pipeline = s->name,
                                                 .flavor = stream->server.flavor,
                                                 .value_format = s->style,
                                                 .selection = s->selection,
                                                 .describe = my_stream_describe,
                                                 .look_ahead = my_stream_look_ahead,
                                                 .altered = my_schema_altered,
                                                 .omitted = my_stream_omitted,
                                                 .context = stream,
                                                 .xa_folder = s->xa_folder};
    if (!stream->decoder) {
        stream->decoder = my_decoder_new(&settings, error);
        if (!stream->decoder)
            return -1;
        my_decoder_confirm(stream->decoder, stream->start.confirmed);
    }
    my_decoder_set_server(stream->decoder, stream->server.uuid);
    my_decoder_set_lower_case(stream->decoder, stream->server.lower_case_names);
    if (my_decoder_start(stream->decoder, stream->start.number, stream->start.gtids, &stream->start.coord, error) < 0)
        return -1;
    my_decoder_set_numbering(stream->decoder, &stream->start.numbering);
    my_decoder_set_by_gtid(stream->decoder, my_start_by_gtid(stream));
    my_decoder_set_checksums(stream->decoder, stream->server.checksums);
    my_decoder_set_heartbeats(stream->decoder, stream->start.heartbeats);
    return 0;
}

static int settle_until(struct my_stream *stream, struct cdc_error *error)
{
    char *gtids = NULL;
    struct my_coord end;
    if (stream->until_ms != 0)
        stream->ends = cdc_clock_wall_ms() >= stream->until_ms;
    if (stream->ends || stream->until_ms != 0 || !stream->settings.until)
        return 0;
    if (my_server_end(stream->sql, &stream->server, &end, &gtids, error) < 0)
        return -1;
    free(gtids);
    if (stream->until_now)
        stream->until_coord = end;
    stream->has_until_coord = true;
    stream->ends = my_coord_compare(&stream->until_coord, &end) <= 0;
    return 0;
}

int my_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct my_stream *stream = source;
    my_stream_disconnect(stream);
    stream->more = false;
    if (my_stream_ensure_sql(stream, error) < 0 || my_server_read(stream->sql, &stream->server, error) < 0 ||
        my_start_find(stream, from, error) < 0 || settle_until(stream, error) < 0 ||
        ensure_decoder(stream, error) < 0 || my_schema_connect(stream, from && from->pos && *from->pos, error) < 0 ||
        my_schema_save(stream, error) < 0 || start_dump(stream, error) < 0) {
        my_stream_disconnect(stream);
        return -1;
    }
    if (!stream->has_start) {
        struct cdc_error ignored = {0}; /* a warning that cannot be given is no reason to stop */
        (void)my_cascades_list(stream->sql, &stream->server, &stream->settings.selection, stream->log,
                                 CDC_LOG_WARNING, &ignored);
    }
    stream->has_start = true;
    stream->last_receive = stream->last_line = cdc_clock_ms();
    return 0;
}
