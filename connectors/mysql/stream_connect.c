/* SPDX-License-Identifier: MIT */
/* Connecting: where to begin, whether the server still has it, and the dump command. */
#include "connectors/mysql/stream.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COM_BINLOG_DUMP 18
#define COM_BINLOG_DUMP_GTID 30
#define DUMP_NON_BLOCK 1
#define LOOK_BACK (UINT64_C(128) << 20) /* bytes of a file that are read again at a start */

int binlog_stream_ensure_sql(struct binlog_stream *stream, struct cdc_error *error)
{
    if (stream->sql && mysql_ping(stream->sql) == 0)
        return 0;
    if (stream->sql)
        mysql_close(stream->sql);
    stream->sql = binlog_connect(&stream->settings.connection, error);
    return stream->sql ? 0 : -1;
}

/* -- where to begin -------------------------------------------------------------------------- */

static int copy_member(struct cdc_span source, const char *name, char *to, size_t size)
{
    struct cdc_span raw = cdc_json_string_raw(cdc_json_member(source, name));
    struct cdc_buf text = CDC_BUF_INIT;
    to[0] = '\0';
    if (!raw.p)
        return 0;
    cdc_json_unescape(&text, raw);
    bool fits = !text.failed && text.len < size;
    if (fits && text.len > 0)
        memcpy(to, text.data, text.len);
    to[fits ? text.len : 0] = '\0';
    cdc_buf_free(&text);
    return fits ? 0 : -1;
}

/* From a commit's pos and source object, as the sinks' offset files have them. */
static int start_from(struct binlog_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    struct stream_start *start = &stream->start;
    struct cdc_span source = cdc_span_text(from->source ? from->source : "{}");
    struct cdc_span gtids = cdc_json_string_raw(cdc_json_member(source, "gtids"));
    int64_t position = 0;
    free(start->gtids);
    start->gtids = cdc_span_copy(gtids.p ? gtids : cdc_span("", 0)); /* nothing in it is ever escaped */
    if (!start->gtids)
        return cdc_error_memory(error);
    if (!binlog_pos_number(from->pos, &start->number) || !from->source)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a MySQL or MariaDB source", from->pos);
    cdc_json_int64(cdc_json_member(source, "pos"), &position);
    start->place.position = position > 0 ? (uint64_t)position : 4;
    if (copy_member(source, "file", start->place.file, sizeof start->place.file) < 0 ||
        copy_member(source, "server_uuid", start->server_uuid, sizeof start->server_uuid) < 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of position '%.80s' is damaged", from->pos);
    return 0;
}

static int take_gtids(struct binlog_stream *stream, const char *text, struct cdc_error *error)
{
    struct binlog_gtid_set *set = binlog_gtid_set_new(stream->server.flavor, error);
    int result = set ? binlog_gtid_set_parse(set, cdc_span_text(text), error) : -1;
    binlog_gtid_set_free(set);
    stream->start.gtids = result == 0 ? strdup(text) : NULL;
    if (result == 0 && !stream->start.gtids)
        return cdc_error_memory(error);
    return result;
}

/* The very first start: C begins at the wall clock, see decoder.h. */
static int start_fresh(struct binlog_stream *stream, struct cdc_error *error)
{
    const char *text = stream->settings.start ? stream->settings.start : "now";
    struct stream_start *start = &stream->start;
    stream->announce = true;
    free(start->gtids);
    start->gtids = NULL;
    start->number = (uint64_t)cdc_clock_wall_ms() * 1000;
    snprintf(start->server_uuid, sizeof start->server_uuid, "%s", stream->server.uuid);
    if (strcmp(text, "now") == 0)
        return binlog_server_end(stream->sql, &stream->server, &start->place, &start->gtids, error);
    if (strcmp(text, "oldest") == 0) {
        if (binlog_server_oldest(stream->sql, &stream->server, &start->place, &start->gtids, error) < 0)
            return -1;
        if (stream->server.flavor == BINLOG_MYSQL)
            return 0;
        free(start->gtids);
        return binlog_gtids_at(stream, &start->place, &start->gtids, error);
    }
    if (binlog_stream_place_parse(text, &start->place))
        return binlog_gtids_at(stream, &start->place, &start->gtids, error);
    memset(&start->place, 0, sizeof start->place);
    return take_gtids(stream, text, error);
}

static int settle_start(struct binlog_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    if (from && from->pos && *from->pos)
        return start_from(stream, from, error);
    if (stream->has_start)
        return 0;
    if (stream->settings.snapshot)
        return start_from(stream, stream->settings.snapshot, error);
    if (stream->settings.resume_only)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the pipeline has a position, but it cannot be read");
    return start_fresh(stream, error);
}

/* -- does the server still have it? --------------------------------------------------------------- */

static int lost(struct cdc_error *error, const char *why)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the position is not in the server's log: %s", why);
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (remove the pipeline's offset files, and "
                                 "begin with cdc-snapshot)");
}

/* SELECT GTID_SUBSET(a, b); 1, 0 or -1. */
static int is_subset(struct binlog_stream *stream, const char *a, const char *b, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_printf(&sql, "SELECT GTID_SUBSET(%s, %s)", a, b);
    cdc_buf_byte(&sql, '\0');
    char *value = sql.failed ? NULL : binlog_query_value(stream->sql, sql.data, "cannot compare GTID sets", error);
    cdc_buf_free(&sql);
    if (!value)
        return error->status ? -1 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server does not compare GTID sets");
    int result = strcmp(value, "1") == 0;
    free(value);
    return result;
}

/* -- places and files -- */

/* How a place stands to the files that the server has. */
enum standing { STANDS_IN_FILE, STANDS_BEFORE, STANDS_NOWHERE };

static int find_file(struct binlog_stream *stream, enum standing *standing, struct cdc_error *error)
{
    const struct binlog_place *place = &stream->start.place;
    struct binlog_place file = {"", 0};
    bool first = true;
    MYSQL_RES *result = binlog_query(stream->sql, "SHOW BINARY LOGS", "cannot list the log's files", error);
    if (!result)
        return -1;
    *standing = STANDS_NOWHERE;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL; first = false) {
        snprintf(file.file, sizeof file.file, "%s", row[0]);
        file.position = strtoull(row[1], NULL, 10);
        bool same = strcmp(row[0], place->file) == 0;
        if (same && file.position >= place->position)
            *standing = STANDS_IN_FILE;
        else if (!same && first && binlog_place_compare(place, &file) < 0)
            *standing = STANDS_BEFORE;
    }
    mysql_free_result(result);
    return 0;
}

/* Names of log files come again after a RESET: the server's identity and the file's existence are the least. */
static int check_file(struct binlog_stream *stream, struct cdc_error *error)
{
    const struct stream_start *start = &stream->start;
    enum standing standing;
    if (stream->server.flavor == BINLOG_MYSQL && start->server_uuid[0] &&
        strcmp(start->server_uuid, stream->server.uuid) != 0)
        return lost(error, "it is a file and an offset of another server");
    if (find_file(stream, &standing, error) < 0)
        return -1;
    return standing == STANDS_IN_FILE ? 0 : lost(error, "its file was purged, or is shorter now");
}

/* The same GTIDs in the same order? Both as the server writes them. */
static int same_gtids(struct binlog_stream *stream, const char *text, struct cdc_error *error)
{
    struct binlog_gtid_set *set = binlog_gtid_set_new(stream->server.flavor, error);
    struct cdc_buf ours = CDC_BUF_INIT, theirs = CDC_BUF_INIT;
    int result = set ? binlog_gtid_set_parse(set, cdc_span_text(stream->start.gtids), error) : -1;
    if (result == 0) {
        binlog_gtid_set_append(&ours, set);
        result = binlog_gtid_set_parse(set, cdc_span_text(text), error);
        binlog_gtid_set_append(&theirs, set);
    }
    if (result == 0)
        result = cdc_span_equal(cdc_span(ours.data, ours.len), cdc_span(theirs.data, theirs.len));
    binlog_gtid_set_free(set);
    cdc_buf_free(&ours);
    cdc_buf_free(&theirs);
    return result;
}

/* MariaDB numbers its transactions from 1 again after a RESET, and knows a GTID that came again from the first one no
 * more than we do. On the same server the place of the position tells. */
static int check_mariadb_place(struct binlog_stream *stream, struct cdc_error *error)
{
    const struct stream_start *start = &stream->start;
    enum standing standing;
    char *gtids = NULL;
    if (!start->place.file[0] || strcmp(start->server_uuid, stream->server.uuid) != 0)
        return 0; /* another server: it looks for the GTID itself */
    if (find_file(stream, &standing, error) < 0)
        return -1;
    if (standing == STANDS_BEFORE)
        return 0; /* purged: the server says whether anything is missing */
    if (standing == STANDS_NOWHERE)
        return lost(error, "the server's log ends before it: it was reset");
    if (binlog_gtids_at(stream, &start->place, &gtids, error) < 0)
        return -1;
    int same = same_gtids(stream, gtids, error);
    free(gtids);
    return same < 0 ? -1 : same ? 0 : lost(error, "other transactions are in its place: the log was reset");
}

/* A RESET numbers transactions anew, too: what the same server has before our place must be known to us. Looked at where
 * that is not long. */
static int check_mysql_place(struct binlog_stream *stream, struct cdc_error *error)
{
    const struct stream_start *start = &stream->start;
    struct cdc_buf here = CDC_BUF_INIT, ours = CDC_BUF_INIT;
    enum standing standing;
    char *gtids = NULL;
    if (!start->place.file[0])
        return 0;
    if (find_file(stream, &standing, error) < 0)
        return -1;
    if (standing == STANDS_NOWHERE)
        return lost(error, "the server's log ends before it: it was reset");
    if (standing == STANDS_BEFORE || start->place.position > LOOK_BACK)
        return 0;
    if (binlog_gtids_at(stream, &start->place, &gtids, error) < 0)
        return -1;
    cdc_buf_printf(&here, "'%s'", gtids);
    cdc_buf_byte(&here, '\0');
    cdc_buf_printf(&ours, "'%s'", start->gtids);
    cdc_buf_byte(&ours, '\0');
    free(gtids);
    int known = here.failed || ours.failed ? cdc_error_memory(error) : is_subset(stream, here.data, ours.data, error);
    cdc_buf_free(&here);
    cdc_buf_free(&ours);
    return known < 0 ? -1 : known ? 0 : lost(error, "other transactions are in its place: the log was reset");
}

static int check_mysql_gtids(struct binlog_stream *stream, struct cdc_error *error)
{
    struct cdc_buf quoted = CDC_BUF_INIT;
    cdc_buf_printf(&quoted, "'%s'", stream->start.gtids); /* hexadecimal digits, names of tags, ':', ',' and '-' */
    cdc_buf_byte(&quoted, '\0');
    if (quoted.failed)
        return cdc_error_memory(error);
    int kept = is_subset(stream, "@@GLOBAL.gtid_purged", quoted.data, error);
    int known = kept < 0 ? -1 : is_subset(stream, quoted.data, "@@GLOBAL.gtid_executed", error);
    cdc_buf_free(&quoted);
    if (kept < 0 || known < 0)
        return -1;
    if (!kept)
        return lost(error, "transactions that were not read yet were purged");
    if (known && strcmp(stream->start.server_uuid, stream->server.uuid) == 0)
        return check_mysql_place(stream, error);
    return known ? 0
                 : lost(error, "the server does not know all transactions that were read: it lost some, was reset, or "
                               "is another one");
}

static bool by_gtid(const struct binlog_stream *stream)
{
    if (stream->server.flavor == BINLOG_MARIADB)
        return stream->start.gtids[0] != '\0' || !stream->start.place.file[0];
    return stream->server.gtid && (stream->start.gtids[0] != '\0' || !stream->start.place.file[0]);
}

static int check_start(struct binlog_stream *stream, struct cdc_error *error)
{
    if (!by_gtid(stream))
        return check_file(stream, error);
    return stream->server.flavor == BINLOG_MYSQL ? check_mysql_gtids(stream, error)
                                                 : check_mariadb_place(stream, error);
}

/* -- the dump ------------------------------------------------------------------------------------- */

/* Unique among the readers of the server's log, the same for the same pipeline. */
static uint32_t server_id(const struct binlog_stream *stream)
{
    char host[256] = "";
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    if (stream->settings.server_id != 0)
        return stream->settings.server_id;
    gethostname(host, sizeof host - 1);
    const char *parts[] = {host, "/", stream->settings.name};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (const char *p = parts[i]; *p; p++)
            hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
    return (uint32_t)(hash ^ hash >> 32) | UINT32_C(0x80000000);
}

static int session(struct binlog_stream *stream, MYSQL *mysql, struct cdc_error *error)
{
    char sql[400];
    uint32_t id = server_id(stream);
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
    cdc_buf_printf(&state, "SET @slave_connect_state = '%s'", by_gtid(stream) ? stream->start.gtids : "");
    cdc_buf_byte(&state, '\0');
    int result = state.failed ? cdc_error_memory(error) : 0;
    if (result == 0 && by_gtid(stream))
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

static int send_dump(struct binlog_stream *stream, MYSQL *mysql, struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    const struct binlog_place nowhere = {"", 4};
    bool gtid = by_gtid(stream), mariadb = stream->server.flavor == BINLOG_MARIADB;
    uint16_t flags = stream->until_now ? DUMP_NON_BLOCK : 0;
    int code = COM_BINLOG_DUMP;
    if (!gtid && stream->start.place.position > UINT32_MAX)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "offset %llu of file %s does not fit into the protocol: positions by GTID are needed",
                             (unsigned long long)stream->start.place.position, stream->start.place.file);
    if (gtid && !mariadb) {
        code = COM_BINLOG_DUMP_GTID;
        dump_by_set(&command, flags, server_id(stream), binlog_gtids(stream->decoder));
    } else {
        dump_by_place(&command, flags, server_id(stream), gtid ? &nowhere : &stream->start.place);
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
    if (session(stream, mysql, error) < 0 || send_dump(stream, mysql, error) < 0) {
        mysql_close(mysql);
        return -1;
    }
    stream->packets = binlog_packets_new(mysql, error);
    return stream->packets ? 0 : -1;
}

MYSQL *binlog_stream_dump(struct binlog_stream *stream, const struct binlog_place *from, struct cdc_error *error)
{
    struct cdc_buf command = CDC_BUF_INIT;
    MYSQL *mysql = binlog_connect(&stream->settings.connection, error);
    char sql[200];
    const char *checksum = stream->server.checksums ? "CRC32" : "NONE";
    snprintf(sql, sizeof sql,
             "SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s', @mariadb_slave_capability = 4",
             checksum, checksum);
    dump_by_place(&command, DUMP_NON_BLOCK, server_id(stream) ^ UINT32_C(0x40000000), from);
    int result = !mysql ? -1 : command.failed ? cdc_error_memory(error) : 0;
    if (result == 0)
        result = binlog_execute(mysql, sql, "cannot set up the search", error);
    if (result == 0 && mysql->methods->db_command(mysql, (enum enum_server_command)COM_BINLOG_DUMP, command.data,
                                                  command.len, 1, NULL) != 0)
        result = binlog_mysql_error(mysql, "cannot ask for the log", error);
    cdc_buf_free(&command);
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
                                                     .context = stream,
                                                     .xa_folder = s->xa_folder};
    if (!stream->decoder)
        stream->decoder = binlog_decoder_new(&settings, error);
    if (!stream->decoder)
        return -1;
    binlog_decoder_set_server(stream->decoder, stream->server.uuid);
    if (binlog_decoder_start(stream->decoder, stream->start.number, stream->start.gtids, &stream->start.place, error) <
        0)
        return -1;
    binlog_decoder_set_checksums(stream->decoder, stream->server.checksums);
    return 0;
}

static int settle_until(struct binlog_stream *stream, struct cdc_error *error)
{
    char *gtids = NULL;
    if (!stream->until_now || stream->has_until_place)
        return 0;
    if (binlog_server_end(stream->sql, &stream->server, &stream->until_place, &gtids, error) < 0)
        return -1;
    free(gtids);
    stream->has_until_place = true;
    return 0;
}

int binlog_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct binlog_stream *stream = source;
    binlog_stream_disconnect(stream);
    stream->more = false;
    if (binlog_stream_ensure_sql(stream, error) < 0 || binlog_server_read(stream->sql, &stream->server, error) < 0 ||
        settle_start(stream, from, error) < 0 || check_start(stream, error) < 0 || settle_until(stream, error) < 0 ||
        ensure_decoder(stream, error) < 0 || start_dump(stream, error) < 0) {
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
