/* SPDX-License-Identifier: MIT */
/* A part of the log read beside the stream, event by event, by a dump of its own. */
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/session/wire.h"
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/stream/stream.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/bytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct my_event_format format;
    struct my_event_parts parts; /* of a TRANSACTION_PAYLOAD */
    struct my_coord coord;
    my_log_visit *visit;
    void *context;
};

static int take_rotate(struct walk *walk, struct cdc_bytes body, struct cdc_error *error)
{
    struct my_event_rotate rotate;
    if (my_event_rotate_parse(body, &rotate, error) < 0)
        return -1;
    if (rotate.file.n >= sizeof walk->coord.file)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server named a log file of %zu bytes", rotate.file.n);
    memcpy(walk->coord.file, rotate.file.p, rotate.file.n);
    walk->coord.file[rotate.file.n] = '\0';
    walk->coord.position = rotate.position;
    return 0;
}

/* Nobody asks what is in a TRANSACTION_PAYLOAD: it is visited, without its body, when its last part has come. */
static int take_payload(struct walk *walk, const struct my_wire_part *part, struct cdc_error *error)
{
    struct my_event_parts *parts = &walk->parts;
    struct cdc_bytes body;
    if ((part->first ? my_event_parts_begin(parts, &walk->format, part->data, part->n, &body, error)
                     : my_event_parts_next(parts, part->data, part->n, &body, error)) < 0)
        return -1;
    if (parts->taken < parts->header.size)
        return 0;
    if (parts->header.next_position != 0)
        walk->coord.position = parts->header.next_position;
    return walk->visit(walk->context, &parts->header, (struct cdc_bytes){0}, &walk->coord, error);
}

static int take_event(struct walk *walk, const struct my_wire_part *part, struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes body;
    if (!part->first || (part->n > 4 && part->data[4] == MY_EVENT_TRANSACTION_PAYLOAD))
        return take_payload(walk, part, error);
    if (my_event_header_parse(part->data, part->n, &header, error) < 0 ||
        my_event_body(&walk->format, &header, part->data, part->n, &body, error) < 0)
        return -1;
    if (header.type == MY_EVENT_ROTATE)
        return take_rotate(walk, body, error);
    if (header.next_position != 0 && !(header.flags & MY_EVENT_FLAG_ARTIFICIAL) && header.type != MY_EVENT_HEARTBEAT &&
        header.type != MY_EVENT_HEARTBEAT_V2)
        walk->coord.position = header.next_position;
    if (header.type == MY_EVENT_FORMAT)
        return my_event_format_parse(&header, body, &walk->format, error);
    return walk->visit(walk->context, &header, body, &walk->coord, error);
}

static int take_packets(struct walk *walk, MYSQL *dump, const struct my_coord *to, struct cdc_error *error)
{
    struct my_wire_part part;
    struct my_wire *wire = my_wire_new(dump, error);
    int got = wire ? 1 : -1;
    while (got == 1 && (!to || my_coord_compare(&walk->coord, to) < 0)) {
        got = my_wire_read(wire, &part, error);
        if (got < 0)
            cdc_error_prefix(error, "cannot search the log");
        int taken = got == 1 ? take_event(walk, &part, error) : 0;
        if (taken != 0)
            got = taken;
    }
    my_wire_free(wire);
    return got < 0 ? -1 : 0;
}

/* From walk's place, or behind the GTIDs of the start where that is none. 1 when there is more in another file: behind one
 * that a crash has cut off. */
static int walk_on(struct my_stream *stream, struct walk *walk, const struct my_coord *to, struct cdc_error *error)
{
    struct cdc_error own = {0};
    struct my_coord from = walk->coord, next;
    MYSQL *dump = my_stream_dump(stream, from.file[0] ? &from : NULL, &own);
    int result = dump ? take_packets(walk, dump, to, &own) : -1;
    if (dump)
        mysql_close(dump);
    if (result == 0)
        return 0;
    if (stream->server.flavor == MY_FLAVOR_MARIADB && my_torn_file_is(&own)) {
        if (my_torn_file_next(stream, walk->coord.file, &next, error) < 0)
            return -1;
        if (next.file[0]) {
            walk->coord = next;
            return !to || my_coord_compare(&next, to) < 0;
        }
    }
    *error = own;
    return -1;
}

int my_log_read(struct my_stream *stream, const struct my_coord *from, const struct my_coord *to, my_log_visit *visit,
                void *context, struct my_coord *end, struct cdc_error *error)
{
    struct walk walk = {.coord = *from, .visit = visit, .context = context};
    my_event_format_default(&walk.format);
    walk.format.checksums = stream->server.checksums;
    if (my_coord_compare(from, to) >= 0)
        return 0;
    int result = 1;
    while (result == 1)
        result = walk_on(stream, &walk, to, error);
    if (end)
        *end = walk.coord;
    return result;
}

int my_log_read_after_start(struct my_stream *stream, my_log_visit *visit, void *context, struct cdc_error *error)
{
    struct walk walk = {.visit = visit, .context = context};
    int result = 1;
    my_event_format_default(&walk.format);
    walk.format.checksums = stream->server.checksums;
    while (result == 1)
        result = walk_on(stream, &walk, NULL, error);
    return result;
}

static int ignore(void *context, const struct my_event_header *header, struct cdc_bytes body,
                  const struct my_coord *coord, struct cdc_error *error)
{
    (void)context, (void)header, (void)body, (void)coord, (void)error;
    return 0;
}

int my_dump_file_created(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const char *file,
                         uint32_t *created, struct cdc_error *error)
{
    struct walk walk = {.visit = ignore};
    snprintf(walk.coord.file, sizeof walk.coord.file, "%s", file);
    walk.coord.position = 4;
    struct my_coord from = walk.coord, to = walk.coord;
    to.position++; /* the file's first event */
    my_event_format_default(&walk.format);
    walk.format.checksums = server->checksums;
    int result = my_dump_begin(mysql, server, replica_id, &from, error);
    if (result == 0)
        result = take_packets(&walk, mysql, &to, error);
    *created = walk.format.created;
    return result;
}

/* The bytes are not told right here: the server leaves out what was not asked for. */
int my_stream_look_ahead(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                         struct cdc_error *error)
{
    (void)bytes;
    const struct my_event_header rotate = {.type = MY_EVENT_ROTATE};
    struct my_stream *stream = context;
    struct my_coord to = *from, end = *from;
    to.position = UINT64_MAX;
    if (from->position > UINT32_MAX) /* the protocol has no more */
        return 0;
    if (my_log_read(stream, from, &to, visit, visitor, &end, error) < 0)
        return -1;
    bool rotated = strcmp(end.file, from->file) != 0;
    return rotated && visit(visitor, &rotate, (struct cdc_bytes){0}, &end, error) < 0 ? -1 : 0;
}

/* -- the set at a place ------------------------------------------------------------------- */

struct gathering {
    struct my_gtid_set *set;
    struct my_gtid gtid; /* of the transaction that is open */
    bool open, begun;
    struct cdc_buf scratch;
};

static int close_gtid(struct gathering *gathering, struct cdc_error *error)
{
    gathering->open = false;
    return my_gtid_set_add(gathering->set, &gathering->gtid, error);
}

/* A transaction counts once its end was read. */
static int gather_statement(struct gathering *gathering, const struct my_event_header *header, struct cdc_bytes body,
                            struct cdc_error *error)
{
    struct my_event_query query;
    struct my_statement statement = {0};
    if (my_event_query_parse(header, body, &gathering->scratch, &query, error) < 0)
        return -1;
    my_statement_parse(&statement, query.sql);
    enum my_statement_kind kind = statement.kind;
    my_statement_free(&statement);
    if (kind == MY_STATEMENT_BEGIN || kind == MY_STATEMENT_XA_START)
        gathering->begun = true;
    bool end = kind == MY_STATEMENT_COMMIT || kind == MY_STATEMENT_ROLLBACK || !gathering->begun;
    return end ? close_gtid(gathering, error) : 0;
}

static int gather(void *context, const struct my_event_header *header, struct cdc_bytes body,
                  const struct my_coord *coord, struct cdc_error *error)
{
    struct gathering *gathering = context;
    (void)coord;
    switch (header->type) {
    case MY_EVENT_PREVIOUS_GTIDS: return my_gtid_set_decode(gathering->set, body, error);
    case MY_EVENT_GTID:
    case MY_EVENT_GTID_TAGGED:
    case MY_EVENT_ANONYMOUS_GTID:
        gathering->open = true;
        gathering->begun = false;
        return my_gtid_parse(header, body, &gathering->gtid, error);
    case MY_EVENT_XID:
    case MY_EVENT_XA_PREPARE:
    case MY_EVENT_TRANSACTION_PAYLOAD: return gathering->open ? close_gtid(gathering, error) : 0;
    case MY_EVENT_QUERY: return gathering->open ? gather_statement(gathering, header, body, error) : 0;
    default: return 0;
    }
}

/* MySQL: what stands at the file's head, and every transaction between it and the place. */
static int walk_to(struct my_stream *stream, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    struct my_coord head = *coord;
    struct cdc_buf text = CDC_BUF_INIT;
    struct gathering gathering = {.set = my_gtid_set_new(MY_FLAVOR_MYSQL, error)};
    head.position = 4;
    /* One event more when the place is the head itself: its set is the answer. */
    struct my_coord to = *coord, end = head;
    to.position = to.position > 4 ? to.position : 5;
    int result = gathering.set ? my_log_read(stream, &head, &to, gather, &gathering, &end, error) : -1;
    if (result == 0 && coord->position > 4 && (gathering.open || my_coord_compare(&end, coord) != 0))
        result = cdc_error_set(error, CDC_EXIT_LOST, "%s:%llu is not where a transaction begins", coord->file,
                               (unsigned long long)coord->position);
    if (result == 0) {
        my_gtid_set_append(&text, gathering.set);
        cdc_buf_byte(&text, '\0');
        result = text.failed ? cdc_error_memory(error) : 0;
    }
    my_gtid_set_free(gathering.set);
    cdc_buf_free(&gathering.scratch);
    *gtids = text.data;
    if (result == 0)
        return 0;
    cdc_buf_free(&text);
    *gtids = NULL;
    return -1;
}

static int ask_for(struct my_stream *stream, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    char file[2 * sizeof coord->file + 1];
    mysql_real_escape_string(stream->sql, file, coord->file, strlen(coord->file));
    cdc_buf_printf(&sql, "SELECT BINLOG_GTID_POS('%s', %llu)", file, (unsigned long long)coord->position);
    cdc_buf_byte(&sql, '\0');
    *gtids = sql.failed ? NULL : my_session_value(stream->sql, sql.data, "cannot ask for the GTID of a place", error);
    cdc_buf_free(&sql);
    if (*gtids)
        return 0;
    return error->status ? -1
                         : cdc_error_set(error, CDC_EXIT_LOST, "there is no place %s:%llu in the server's log",
                                         coord->file, (unsigned long long)coord->position);
}

int my_log_gtids_at(struct my_stream *stream, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    if (stream->server.flavor == MY_FLAVOR_MARIADB)
        return ask_for(stream, coord, gtids, error);
    if (stream->server.gtid && coord->position <= UINT32_MAX)
        return walk_to(stream, coord, gtids, error);
    *gtids = strdup("");
    return *gtids ? 0 : cdc_error_memory(error);
}
