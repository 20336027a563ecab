/* SPDX-License-Identifier: MIT */
/* Connecting: the plain session, and the dump. */
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COM_BINLOG_DUMP 18
#define COM_BINLOG_DUMP_GTID 30
#define DUMP_NON_BLOCK 1

int binlog_stream_ensure_sql(struct binlog_stream *stream, struct cdc_error *error)
{
    if (stream->sql && mysql_ping(stream->sql) == 0)
        return 0;
    if (stream->sql)
        mysql_close(stream->sql);
    stream->sql = binlog_connect(&stream->settings.connection, error);
    return stream->sql ? 0 : -1;
}

/* -- the dump ------------------------------------------------------------------------------------- */

static int session(struct binlog_stream *stream, MYSQL *mysql, const struct binlog_place *detour,
                   struct cdc_error *error)
{
    char sql[400];
    uint32_t id = binlog_reader_id(stream->settings.server_id, stream->settings.name);
    bool mariadb = stream->server.flavor == BINLOG_MARIADB;
    const char *checksum = stream->server.checksums ? "CRC32" : "NONE";
    snprintf(sql, sizeof sql,
             "SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s', "
             "@master_heartbeat_period = 1000000000, @source_heartbeat_period = 1000000000, "
             "@slave_uuid = '%08x-0000-4000-8000-%012x', @replica_uuid = '%08x-0000-4000-8000-%012x'",
             checksum, checksum, id, id, id, id);
    if (binlog_execute(mysql, sql, "cannot set up the dump", error) < 0 ||
        binlog_execute(mysql, "SET SESSION net_write_timeout = 86400", "cannot set up the dump", error) < 0)
        return -1;
    if (!mariadb)
        return 0;
    if (binlog_execute(mysql,
                       "SET @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1, "
                       "@slave_gtid_ignore_duplicates = 0",
                       "cannot set up the dump", error) < 0)
        return -1;
    struct cdc_buf state = CDC_BUF_INIT;
    bool gtid = binlog_stream_by_gtid(stream) && !detour;
    cdc_buf_printf(&state, "SET @slave_connect_state = '%s'", gtid ? stream->start.gtids : "");
    cdc_buf_byte(&state, '\0');
    int result = state.failed ? cdc_error_memory(error) : 0;
    if (result == 0 && gtid)
        result = binlog_execute(mysql, state.data, "cannot set up the dump", error);
    cdc_buf_free(&state);
    return result;
}

static void put(struct cdc_buf *out, uint64_t value, unsigned n)
{
    for (; n > 0; n--, value >>= 8)
        cdc_buf_byte(out, (char)(value & 0xff));
}

static void dump_by_set(struct cdc_buf *out, uint16_t flags, uint32_t id, const struct binlog_gtid_set *set)
{
    struct cdc_buf data = CDC_BUF_INIT;
    binlog_gtid_set_encode(&data, set);
    put(out, flags, 2);
    put(out, id, 4);
    put(out, 0, 4); /* no file name */
    put(out, 4, 8);
    put(out, data.len, 4);
    cdc_buf_append(out, data.data, data.len);
    out->failed |= data.failed;
    cdc_buf_free(&data);
}

static void dump_by_place(struct cdc_buf *out, uint16_t flags, uint32_t id, const struct binlog_place *place)
{
    put(out, place->file[0] ? place->position : 4, 4);
    put(out, flags, 2);
    put(out, id, 4);
    cdc_buf_text(out, place->file);
}

static int send_dump(struct binlog_stream *stream, MYSQL *mysql, const struct binlog_place *detour,
                     struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    const struct binlog_place nowhere = {"", 4};
    const struct binlog_place *place = detour ? detour : &stream->start.place;
    bool gtid = binlog_stream_by_gtid(stream) && !detour;
    bool mariadb = stream->server.flavor == BINLOG_MARIADB;
    uint16_t flags = stream->ends ? DUMP_NON_BLOCK : 0;
    int code = COM_BINLOG_DUMP;
    if (!gtid && place->position > UINT32_MAX)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "offset %llu of file %s does not fit into the protocol: positions by GTID are needed",
                             (unsigned long long)place->position, place->file);
    if (gtid && !mariadb) {
        code = COM_BINLOG_DUMP_GTID;
        dump_by_set(&command, flags, binlog_reader_id(stream->settings.server_id, stream->settings.name),
                    binlog_gtids(stream->decoder));
    } else {
        dump_by_place(&command, flags, binlog_reader_id(stream->settings.server_id, stream->settings.name),
                      gtid ? &nowhere : place);
    }
    int result = command.failed ? cdc_error_memory(error) : 0;
    if (result == 0 &&
        mysql->methods->db_command(mysql, (enum enum_server_command)code, command.data, command.len, 1, NULL) != 0)
        result = binlog_mysql_error(mysql, "cannot ask for the log", error);
    cdc_buf_free(&command);
    return result;
}

static int start_dump(struct binlog_stream *stream, struct cdc_error *error)
{
    MYSQL *mysql = binlog_connect(&stream->settings.connection, error);
    if (!mysql)
        return -1;
    const struct binlog_place *detour = binlog_stream_take_detour(stream);
    if (session(stream, mysql, detour, error) < 0 || send_dump(stream, mysql, detour, error) < 0) {
        mysql_close(mysql);
        return -1;
    }
    stream->packets = binlog_packets_new(mysql, error);
    return stream->packets ? 0 : -1;
}

/* As session(), for a search: what is beside the stream is no replica. gtids: MariaDB, to begin behind them; or NULL. */
static int search_session(MYSQL *mysql, const struct binlog_server *server, const char *gtids, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    const char *checksum = server->checksums ? "CRC32" : "NONE";
    cdc_buf_printf(&sql,
                   "SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s', @mariadb_slave_capability = 4",
                   checksum, checksum);
    if (gtids && server->flavor == BINLOG_MARIADB)
        cdc_buf_printf(&sql, ", @slave_gtid_strict_mode = 1, @slave_connect_state = '%s'", gtids);
    cdc_buf_byte(&sql, '\0');
    int result =
        sql.failed ? cdc_error_memory(error) : binlog_execute(mysql, sql.data, "cannot set up the search", error);
    cdc_buf_free(&sql);
    return result;
}

/* TAKES what the command holds. */
static int send_search(MYSQL *mysql, int code, struct cdc_buf *command, struct cdc_error *error)
{
    int result = command->failed ? cdc_error_memory(error) : 0;
    if (result == 0 &&
        mysql->methods->db_command(mysql, (enum enum_server_command)code, command->data, command->len, 1, NULL) != 0)
        result = binlog_mysql_error(mysql, "cannot ask for the log", error);
    cdc_buf_free(command);
    return result;
}

int binlog_dump(MYSQL *mysql, const struct binlog_server *server, uint32_t reader_id, const struct binlog_place *from,
                struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    if (search_session(mysql, server, NULL, error) < 0)
        return -1;
    dump_by_place(&command, DUMP_NON_BLOCK, reader_id, from);
    return send_search(mysql, COM_BINLOG_DUMP, &command, error);
}

uint32_t binlog_stream_other_id(const struct binlog_stream *stream)
{
    return binlog_reader_id(stream->settings.server_id, stream->settings.name) ^ UINT32_C(0x40000000);
}

static int dump_behind_start(struct binlog_stream *stream, MYSQL *mysql, struct cdc_error *error)
{
    const struct binlog_place nowhere = {"", 4};
    struct cdc_buf command = CDC_BUF_INIT;
    uint32_t id = binlog_stream_other_id(stream);
    if (search_session(mysql, &stream->server, stream->start.gtids, error) < 0)
        return -1;
    if (stream->server.flavor == BINLOG_MARIADB) {
        dump_by_place(&command, DUMP_NON_BLOCK, id, &nowhere);
        return send_search(mysql, COM_BINLOG_DUMP, &command, error);
    }
    struct binlog_gtid_set *set = binlog_gtid_set_new(BINLOG_MYSQL, error);
    int result = set ? binlog_gtid_set_parse(set, cdc_span_text(stream->start.gtids), error) : -1;
    if (result == 0)
        dump_by_set(&command, DUMP_NON_BLOCK, id, set);
    binlog_gtid_set_free(set);
    return result < 0 ? -1 : send_search(mysql, COM_BINLOG_DUMP_GTID, &command, error);
}

MYSQL *binlog_stream_dump(struct binlog_stream *stream, const struct binlog_place *from, struct cdc_error *error)
{
    MYSQL *mysql = binlog_connect(&stream->settings.connection, error);
    int result = !mysql ? -1
                 : from ? binlog_dump(mysql, &stream->server, binlog_stream_other_id(stream), from, error)
                        : dump_behind_start(stream, mysql, error);
    if (result == 0 || !mysql)
        return mysql;
    mysql_close(mysql);
    return NULL;
}

static int ensure_decoder(struct binlog_stream *stream, struct cdc_error *error)
{
    const struct binlog_stream_settings *s = &stream->settings;
    const struct binlog_decoder_settings settings = {.pipeline = s->name,
                                                     .flavor = stream->server.flavor,
                                                     .style = s->style,
                                                     .include = s->include,
                                                     .n_include = s->n_include,
                                                     .exclude = s->exclude,
                                                     .n_exclude = s->n_exclude,
                                                     .describe = binlog_stream_describe,
                                                     .look_ahead = binlog_stream_look_ahead,
                                                     .altered = binlog_schema_altered,
                                                     .left_out = binlog_stream_left_out,
                                                     .context = stream,
                                                     .xa_folder = s->xa_folder};
    if (!stream->decoder) {
        stream->decoder = binlog_decoder_new(&settings, error);
        if (!stream->decoder)
            return -1;
        binlog_decoder_confirm(stream->decoder, stream->start.confirmed);
    }
    binlog_decoder_set_server(stream->decoder, stream->server.uuid);
    binlog_decoder_set_lower_case(stream->decoder, stream->server.lower_case_names);
    if (binlog_decoder_start(stream->decoder, stream->start.number, stream->start.gtids, &stream->start.place, error) <
        0)
        return -1;
    binlog_decoder_set_numbering(stream->decoder, &stream->start.numbering);
    binlog_decoder_set_by_gtid(stream->decoder, binlog_stream_by_gtid(stream));
    binlog_decoder_set_checksums(stream->decoder, stream->server.checksums);
    binlog_decoder_set_heartbeats(stream->decoder, stream->start.heartbeats);
    return 0;
}

static int settle_until(struct binlog_stream *stream, struct cdc_error *error)
{
    char *gtids = NULL;
    struct binlog_place end;
    if (stream->until_ms != 0)
        stream->ends = cdc_clock_wall_ms() >= stream->until_ms;
    if (stream->ends || stream->until_ms != 0 || !stream->settings.until)
        return 0;
    if (binlog_server_end(stream->sql, &stream->server, &end, &gtids, error) < 0)
        return -1;
    free(gtids);
    if (stream->until_now)
        stream->until_place = end;
    stream->has_until_place = true;
    stream->ends = binlog_place_compare(&stream->until_place, &end) <= 0;
    return 0;
}

int binlog_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct binlog_stream *stream = source;
    binlog_stream_disconnect(stream);
    stream->more = false;
    if (binlog_stream_ensure_sql(stream, error) < 0 || binlog_server_read(stream->sql, &stream->server, error) < 0 ||
        binlog_stream_start(stream, from, error) < 0 || settle_until(stream, error) < 0 ||
        ensure_decoder(stream, error) < 0 ||
        binlog_schema_connect(stream, from && from->pos && *from->pos, error) < 0 ||
        binlog_schema_save(stream, error) < 0 || start_dump(stream, error) < 0) {
        binlog_stream_disconnect(stream);
        return -1;
    }
    if (!stream->has_start) {
        const struct binlog_stream_settings *settings = &stream->settings;
        const struct binlog_patterns patterns = {settings->include, settings->exclude, settings->n_include,
                                                 settings->n_exclude};
        struct cdc_error ignored = {0}; /* a warning that cannot be given is no reason to stop */
        (void)binlog_warn_of_cascades(stream->sql, &stream->server, &patterns, stream->log, &ignored);
    }
    stream->has_start = true;
    stream->last_receive = stream->last_line = cdc_clock_ms();
    return 0;
}
