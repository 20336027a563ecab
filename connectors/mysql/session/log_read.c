/* SPDX-License-Identifier: MIT */
/* A part of the log read beside the stream, event by event, by a dump of its own. */
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/session/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct binlog_format format;
    struct binlog_parts parts; /* of a TRANSACTION_PAYLOAD */
    struct binlog_place place;
    binlog_visit *visit;
    void *context;
};

static int take_rotate(struct walk *walk, struct binlog_reader body, struct cdc_error *error)
{
    struct binlog_rotate rotate;
    if (binlog_rotate_parse(body, &rotate, error) < 0)
        return -1;
    if (rotate.file.n >= sizeof walk->place.file)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server named a log file of %zu bytes", rotate.file.n);
    memcpy(walk->place.file, rotate.file.p, rotate.file.n);
    walk->place.file[rotate.file.n] = '\0';
    walk->place.position = rotate.position;
    return 0;
}

/* Nobody asks what is in a TRANSACTION_PAYLOAD: it is visited, without its body, when its last part has come. */
static int take_payload(struct walk *walk, const struct binlog_part *part, struct cdc_error *error)
{
    struct binlog_parts *parts = &walk->parts;
    struct binlog_reader body;
    if ((part->first ? binlog_parts_begin(parts, &walk->format, part->data, part->n, &body, error)
                     : binlog_parts_next(parts, part->data, part->n, &body, error)) < 0)
        return -1;
    if (parts->taken < parts->header.size)
        return 0;
    if (parts->header.next_position != 0)
        walk->place.position = parts->header.next_position;
    return walk->visit(walk->context, &parts->header, (struct binlog_reader){0}, &walk->place, error);
}

static int take_event(struct walk *walk, const struct binlog_part *part, struct cdc_error *error)
{
    struct binlog_header header;
    struct binlog_reader body;
    if (!part->first || (part->n > 4 && part->data[4] == BINLOG_TRANSACTION_PAYLOAD))
        return take_payload(walk, part, error);
    if (binlog_header_parse(part->data, part->n, &header, error) < 0 ||
        binlog_body(&walk->format, &header, part->data, part->n, &body, error) < 0)
        return -1;
    if (header.type == BINLOG_ROTATE)
        return take_rotate(walk, body, error);
    if (header.next_position != 0 && !(header.flags & BINLOG_FLAG_ARTIFICIAL) && header.type != BINLOG_HEARTBEAT &&
        header.type != BINLOG_HEARTBEAT_V2)
        walk->place.position = header.next_position;
    if (header.type == BINLOG_FORMAT)
        return binlog_format_parse(&header, body, &walk->format, error);
    return walk->visit(walk->context, &header, body, &walk->place, error);
}

static int take_packets(struct walk *walk, MYSQL *dump, const struct binlog_place *to, struct cdc_error *error)
{
    struct binlog_part part;
    struct binlog_wire *wire = binlog_wire_new(dump, error);
    int got = wire ? 1 : -1;
    while (got == 1 && (!to || binlog_place_compare(&walk->place, to) < 0)) {
        got = binlog_wire_read(wire, &part, error);
        if (got < 0)
            cdc_error_prefix(error, "cannot search the log");
        int taken = got == 1 ? take_event(walk, &part, error) : 0;
        if (taken != 0)
            got = taken;
    }
    binlog_wire_free(wire);
    return got < 0 ? -1 : 0;
}

/* From walk's place, or behind the GTIDs of the start where that is none. 1 when there is more in another file: behind one
 * that a crash has cut off. */
static int walk_on(struct binlog_stream *stream, struct walk *walk, const struct binlog_place *to,
                   struct cdc_error *error)
{
    struct cdc_error own = {0};
    struct binlog_place from = walk->place, next;
    MYSQL *dump = binlog_stream_dump(stream, from.file[0] ? &from : NULL, &own);
    int result = dump ? take_packets(walk, dump, to, &own) : -1;
    if (dump)
        mysql_close(dump);
    if (result == 0)
        return 0;
    if (stream->server.flavor == BINLOG_MARIADB && binlog_is_cut_off(&own)) {
        if (binlog_next_file(stream, walk->place.file, &next, error) < 0)
            return -1;
        if (next.file[0]) {
            walk->place = next;
            return !to || binlog_place_compare(&next, to) < 0;
        }
    }
    *error = own;
    return -1;
}

int binlog_walk(struct binlog_stream *stream, const struct binlog_place *from, const struct binlog_place *to,
                binlog_visit *visit, void *context, struct binlog_place *end, struct cdc_error *error)
{
    struct walk walk = {.place = *from, .visit = visit, .context = context};
    binlog_format_default(&walk.format);
    walk.format.checksums = stream->server.checksums;
    if (binlog_place_compare(from, to) >= 0)
        return 0;
    int result = 1;
    while (result == 1)
        result = walk_on(stream, &walk, to, error);
    if (end)
        *end = walk.place;
    return result;
}

int binlog_walk_behind_start(struct binlog_stream *stream, binlog_visit *visit, void *context, struct cdc_error *error)
{
    struct walk walk = {.visit = visit, .context = context};
    int result = 1;
    binlog_format_default(&walk.format);
    walk.format.checksums = stream->server.checksums;
    while (result == 1)
        result = walk_on(stream, &walk, NULL, error);
    return result;
}

static int ignore(void *context, const struct binlog_header *header, struct binlog_reader body,
                  const struct binlog_place *place, struct cdc_error *error)
{
    (void)context, (void)header, (void)body, (void)place, (void)error;
    return 0;
}

int binlog_file_created(MYSQL *mysql, const struct binlog_server *server, uint32_t reader_id, const char *file,
                        uint32_t *created, struct cdc_error *error)
{
    struct walk walk = {.visit = ignore};
    snprintf(walk.place.file, sizeof walk.place.file, "%s", file);
    walk.place.position = 4;
    struct binlog_place from = walk.place, to = walk.place;
    to.position++; /* the file's first event */
    binlog_format_default(&walk.format);
    walk.format.checksums = server->checksums;
    int result = binlog_dump(mysql, server, reader_id, &from, error);
    if (result == 0)
        result = take_packets(&walk, mysql, &to, error);
    *created = walk.format.created;
    return result;
}

/* The bytes are not told right here: the server leaves out what was not asked for. */
int binlog_stream_look_ahead(void *context, const struct binlog_place *from, uint64_t bytes, binlog_visit *visit,
                             void *visitor, struct cdc_error *error)
{
    (void)bytes;
    const struct binlog_header rotate = {.type = BINLOG_ROTATE};
    struct binlog_stream *stream = context;
    struct binlog_place to = *from, end = *from;
    to.position = UINT64_MAX;
    if (from->position > UINT32_MAX) /* the protocol has no more */
        return 0;
    if (binlog_walk(stream, from, &to, visit, visitor, &end, error) < 0)
        return -1;
    bool rotated = strcmp(end.file, from->file) != 0;
    return rotated && visit(visitor, &rotate, (struct binlog_reader){0}, &end, error) < 0 ? -1 : 0;
}

/* -- the set at a place ------------------------------------------------------------------- */

struct gathering {
    struct binlog_gtid_set *set;
    struct binlog_gtid gtid; /* of the transaction that is open */
    bool open, begun;
    struct cdc_buf scratch;
};

static int close_gtid(struct gathering *gathering, struct cdc_error *error)
{
    gathering->open = false;
    return binlog_gtid_set_add(gathering->set, &gathering->gtid, error);
}

/* A transaction counts once its end was read. */
static int gather_statement(struct gathering *gathering, const struct binlog_header *header, struct binlog_reader body,
                            struct cdc_error *error)
{
    struct binlog_query query;
    struct binlog_statement statement = {0};
    if (binlog_query_parse(header, body, &gathering->scratch, &query, error) < 0)
        return -1;
    binlog_statement_parse(&statement, query.sql);
    enum binlog_statement_kind kind = statement.kind;
    binlog_statement_free(&statement);
    if (kind == BINLOG_STATEMENT_BEGIN || kind == BINLOG_STATEMENT_XA_START)
        gathering->begun = true;
    bool end = kind == BINLOG_STATEMENT_COMMIT || kind == BINLOG_STATEMENT_ROLLBACK || !gathering->begun;
    return end ? close_gtid(gathering, error) : 0;
}

static int gather(void *context, const struct binlog_header *header, struct binlog_reader body,
                  const struct binlog_place *place, struct cdc_error *error)
{
    struct gathering *gathering = context;
    (void)place;
    switch (header->type) {
    case BINLOG_PREVIOUS_GTIDS: return binlog_gtid_set_decode(gathering->set, body, error);
    case BINLOG_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_ANONYMOUS_GTID:
        gathering->open = true;
        gathering->begun = false;
        return binlog_gtid_parse(header, body, &gathering->gtid, error);
    case BINLOG_XID:
    case BINLOG_XA_PREPARE:
    case BINLOG_TRANSACTION_PAYLOAD: return gathering->open ? close_gtid(gathering, error) : 0;
    case BINLOG_QUERY: return gathering->open ? gather_statement(gathering, header, body, error) : 0;
    default: return 0;
    }
}

/* MySQL: what stands at the file's head, and every transaction between it and the place. */
static int walk_to(struct binlog_stream *stream, const struct binlog_place *place, char **gtids,
                   struct cdc_error *error)
{
    struct binlog_place head = *place;
    struct cdc_buf text = CDC_BUF_INIT;
    struct gathering gathering = {.set = binlog_gtid_set_new(BINLOG_MYSQL, error)};
    head.position = 4;
    /* One event more when the place is the head itself: its set is the answer. */
    struct binlog_place to = *place, end = head;
    to.position = to.position > 4 ? to.position : 5;
    int result = gathering.set ? binlog_walk(stream, &head, &to, gather, &gathering, &end, error) : -1;
    if (result == 0 && place->position > 4 && (gathering.open || binlog_place_compare(&end, place) != 0))
        result = cdc_error_set(error, CDC_EXIT_LOST, "%s:%llu is not where a transaction begins", place->file,
                               (unsigned long long)place->position);
    if (result == 0) {
        binlog_gtid_set_append(&text, gathering.set);
        cdc_buf_byte(&text, '\0');
        result = text.failed ? cdc_error_memory(error) : 0;
    }
    binlog_gtid_set_free(gathering.set);
    cdc_buf_free(&gathering.scratch);
    *gtids = text.data;
    if (result == 0)
        return 0;
    cdc_buf_free(&text);
    *gtids = NULL;
    return -1;
}

static int ask_for(struct binlog_stream *stream, const struct binlog_place *place, char **gtids,
                   struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    char file[2 * sizeof place->file + 1];
    mysql_real_escape_string(stream->sql, file, place->file, strlen(place->file));
    cdc_buf_printf(&sql, "SELECT BINLOG_GTID_POS('%s', %llu)", file, (unsigned long long)place->position);
    cdc_buf_byte(&sql, '\0');
    *gtids = sql.failed ? NULL : binlog_query_value(stream->sql, sql.data, "cannot ask for the GTID of a place", error);
    cdc_buf_free(&sql);
    if (*gtids)
        return 0;
    return error->status ? -1
                         : cdc_error_set(error, CDC_EXIT_LOST, "there is no place %s:%llu in the server's log",
                                         place->file, (unsigned long long)place->position);
}

int binlog_gtids_at(struct binlog_stream *stream, const struct binlog_place *place, char **gtids,
                    struct cdc_error *error)
{
    if (stream->server.flavor == BINLOG_MARIADB)
        return ask_for(stream, place, gtids, error);
    if (stream->server.gtid && place->position <= UINT32_MAX)
        return walk_to(stream, place, gtids, error);
    *gtids = strdup("");
    return *gtids ? 0 : cdc_error_memory(error);
}
