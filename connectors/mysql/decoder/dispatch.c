/* SPDX-License-Identifier: MIT */
/* Events in, lines out. A group (GTID ... XID or COMMIT, or a single statement) is a transaction; the log has only what was
 * committed, so its lines go out as they come. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/json.h>
#include <cdc/pattern.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_MAX ((size_t)512 << 10) /* bytes of lines */

static int set_file(struct binlog_decoder *decoder, struct cdc_span file, uint64_t position, struct cdc_error *error)
{
    if (file.n == 0 || file.n >= sizeof decoder->place.file || memchr(file.p, 0, file.n))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server named a log file of %zu bytes", file.n);
    memcpy(decoder->place.file, file.p, file.n);
    decoder->place.file[file.n] = '\0';
    decoder->place.position = position;
    return 0;
}

static int rotate_event(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error)
{
    struct binlog_rotate rotate;
    if (binlog_rotate_parse(body, &rotate, error) < 0)
        return -1;
    decoder->format.created = 0; /* until the file's first event */
    return set_file(decoder, rotate.file, rotate.position, error);
}

static int gtid_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    struct binlog_gtid gtid;
    if (binlog_gtid_parse(header, body, &gtid, error) < 0)
        return -1;
    if (decoder_start_of_group(decoder, header, &gtid, out, error) < 0)
        return -1;
    bool prepares = gtid.kind == BINLOG_GTID_OF_MARIADB && (gtid.flags & BINLOG_MARIADB_GTID_PREPARED_XA);
    return prepares ? decoder_begin_xa(decoder, error) : 0;
}

/* What is complete where a file begins: of use when reading begins there, and nothing else is known. */
static int gtid_list(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error)
{
    if (decoder->group.open || !binlog_gtid_set_is_empty(decoder->gtids))
        return 0;
    return binlog_gtid_set_decode(decoder->gtids, body, error);
}

static int unknown_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct cdc_error *error)
{
    if (header->flags & BINLOG_FLAG_IGNORABLE) {
        decoder->counts.ignored_events++;
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s at %llu: event type %u is not known", decoder->place.file,
                  (unsigned long long)decoder->event_position, header->type);
    return cdc_error_hint(error, "the server is newer than this program");
}

static bool is_preparing(const struct binlog_decoder *decoder)
{
    return decoder->xa && !decoder->in_xa && binlog_xa_is_open(decoder->xa);
}

/* One event, of the log itself, out of a payload or of a prepared transaction: 0, 1 when a prepared transaction is to be
 * read now, -1. */
static int take_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    switch (header->type) {
    case BINLOG_ROTATE: return rotate_event(decoder, body, error);
    case BINLOG_GTID:
    case BINLOG_ANONYMOUS_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_MARIADB_GTID: return gtid_event(decoder, header, body, out, error);
    case BINLOG_QUERY:
    case BINLOG_MARIADB_QUERY_COMPRESSED: return decoder_query_event(decoder, header, body, out, error);
    case BINLOG_TABLE_MAP:
        return is_preparing(decoder) ? binlog_xa_add(decoder->xa, header, body, error)
                                     : decoder_table_map(decoder, body, error);
    case BINLOG_WRITE_ROWS_V1:
    case BINLOG_UPDATE_ROWS_V1:
    case BINLOG_DELETE_ROWS_V1:
    case BINLOG_WRITE_ROWS:
    case BINLOG_UPDATE_ROWS:
    case BINLOG_DELETE_ROWS:
    case BINLOG_PARTIAL_UPDATE_ROWS:
    case BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_DELETE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_WRITE_ROWS_COMPRESSED:
    case BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED:
    case BINLOG_MARIADB_DELETE_ROWS_COMPRESSED:
        return is_preparing(decoder) ? binlog_xa_add(decoder->xa, header, body, error)
                                     : decoder_rows_event(decoder, header, body, out, error);
    case BINLOG_XID: return decoder->group.open ? decoder_end_group(decoder, out, error) : 0;
    case BINLOG_XA_PREPARE: return decoder_xa_prepared(decoder, body, out, error);
    case BINLOG_INCIDENT:
        cdc_error_set(error, CDC_EXIT_LOST, "%s at %llu: the server tells of an incident: changes are not in its log",
                      decoder->place.file, (unsigned long long)decoder->event_position);
        return cdc_error_hint(error, "take a new snapshot");
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_MARIADB_GTID_LIST: return gtid_list(decoder, body, error);
    case BINLOG_STOP:
    case BINLOG_INTVAR:
    case BINLOG_RAND:
    case BINLOG_USER_VAR: /* they belong to a statement, which is an error itself when it changes rows */
    case BINLOG_IGNORABLE:
    case BINLOG_ROWS_QUERY:
    case BINLOG_TRANSACTION_CONTEXT:
    case BINLOG_VIEW_CHANGE:
    case BINLOG_HEARTBEAT:
    case BINLOG_HEARTBEAT_V2:
    case BINLOG_MARIADB_ANNOTATE_ROWS:
    case BINLOG_MARIADB_CHECKPOINT:
    case BINLOG_MARIADB_START_ENCRYPTION: return 0;
    default: return unknown_event(decoder, header, error);
    }
}

/* What was held back goes out. */
static void release(struct binlog_decoder *decoder, struct cdc_buf *out)
{
    cdc_buf_append(out, decoder->held.data, decoder->held.len);
    out->failed |= decoder->held.failed;
    decoder->held.len = 0;
}

static int dispatch(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                    struct cdc_buf *out, struct cdc_error *error)
{
    struct group *group = &decoder->group;
    group->index += decoder_indexes(header->type);
    group->bytes += header->size;
    bool hold = decoder->flavor == BINLOG_MARIADB && !(group->open && group->released);
    int result = take_event(decoder, header, body, hold ? &decoder->held : out, error);
    if (result < 0)
        decoder->held.len = 0; /* of a transaction that is not complete */
    if (!hold || (group->open && decoder->held.len < HOLD_MAX))
        return result;
    if (group->open && decoder_look_ahead(decoder, error) < 0) {
        decoder->held.len = 0;
        return -1;
    }
    group->released = group->open;
    release(decoder, out);
    return result;
}

/* next_position has 32 bits and never falls within a file but when they overflow: the place is counted on. Events that
 * are not of the file tell nothing of it. */
static void advance(struct binlog_decoder *decoder, const struct binlog_header *header)
{
    if ((header->flags & (BINLOG_FLAG_ARTIFICIAL | BINLOG_FLAG_RELAY_LOG)) || header->next_position == 0 ||
        header->type == BINLOG_ROTATE || header->type == BINLOG_HEARTBEAT || header->type == BINLOG_HEARTBEAT_V2)
        return;
    uint64_t next = (decoder->place.position & ~UINT64_C(0xFFFFFFFF)) | header->next_position;
    if (next < decoder->place.position)
        next += UINT64_C(1) << 32;
    decoder->place.position = next;
}

/* A file says whose it is. */
static int take_flavor(struct binlog_decoder *decoder, struct cdc_error *error)
{
    if (decoder->flavor == decoder->format.flavor)
        return 0;
    decoder->flavor = decoder->format.flavor;
    if (!binlog_gtid_set_is_empty(decoder->gtids))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the log goes on with files of another kind of server");
    binlog_gtid_set_free(decoder->gtids);
    decoder->gtids = binlog_gtid_set_new(decoder->flavor, error);
    return decoder->gtids ? 0 : -1;
}

/* The place where the event ends, and from it the one where it begins. */
static void step_over(struct binlog_decoder *decoder, const struct binlog_header *header)
{
    uint64_t before = decoder->place.position;
    advance(decoder, header);
    /* The server may have passed over what comes before: the end tells the beginning. */
    decoder->event_position =
        decoder->place.position >= before + header->size ? decoder->place.position - header->size : before;
}

/* It may be no more than the first part. */
static int open_payload(struct binlog_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error)
{
    struct binlog_parts *parts = &decoder->parts;
    struct binlog_reader body;
    if (binlog_parts_begin(parts, &decoder->format, data, n, &body, error) < 0)
        return -1;
    step_over(decoder, &parts->header);
    size_t size = parts->header.size - BINLOG_HEADER_SIZE - (parts->checksums ? 4 : 0);
    if (binlog_payload_open(decoder->payload, body, size, parts->taken == parts->header.size, error) < 0)
        return -1;
    decoder->in_payload = true;
    return 1;
}

int binlog_decode_part(struct binlog_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error)
{
    struct binlog_parts *parts = &decoder->parts;
    struct binlog_reader body;
    if (!decoder->in_payload)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a part of an event came that nobody asked for");
    if (binlog_parts_next(parts, data, n, &body, error) < 0)
        return -1;
    binlog_payload_feed(decoder->payload, body, parts->taken == parts->header.size);
    return 1;
}

int binlog_decode(struct binlog_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                  struct cdc_error *error)
{
    struct binlog_header header;
    struct binlog_reader body;
    if (n > 4 && data[4] == BINLOG_TRANSACTION_PAYLOAD)
        return open_payload(decoder, data, n, error);
    if (binlog_header_parse(data, n, &header, error) < 0 ||
        binlog_body(&decoder->format, &header, data, n, &body, error) < 0)
        return -1;
    if (header.type == BINLOG_FORMAT) {
        if (binlog_format_parse(&header, body, &decoder->format, error) < 0)
            return -1;
        advance(decoder, &header);
        return take_flavor(decoder, error);
    }
    step_over(decoder, &header);
    return dispatch(decoder, &header, body, out, error);
}

static int next_of_payload(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    struct binlog_header header;
    int got = binlog_payload_next(decoder->payload, &data, &n, error);
    if (got == BINLOG_WANTS)
        return got;
    if (got <= 0) {
        decoder->in_payload = false;
        return got;
    }
    if (binlog_header_parse(data, n, &header, error) < 0)
        return -1;
    struct binlog_reader body = {data + BINLOG_HEADER_SIZE, data + n, false};
    return dispatch(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

static int next_of_xa(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    struct binlog_header header;
    int got = binlog_xa_next(decoder->xa, &data, &n, error);
    if (got < 0)
        return -1;
    if (got == 0) {
        struct cdc_span xid = decoder_xid_of(decoder);
        decoder->in_xa = false;
        if (n != xid.n || memcmp(data, xid.p, n) != 0)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "the file of a prepared transaction belongs to another one");
        binlog_xa_abandon(decoder->xa);
        release(decoder, out);
        return binlog_xa_finish(decoder->xa, xid, decoder->number, error) < 0 ||
                       decoder_end_group(decoder, out, error) < 0
                   ? -1
                   : 1;
    }
    if (binlog_header_parse(data, n, &header, error) < 0)
        return -1;
    struct binlog_reader body = {data + BINLOG_HEADER_SIZE, data + n, false};
    return dispatch(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

int binlog_decode_more(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->in_xa)
        return next_of_xa(decoder, out, error);
    return decoder->in_payload ? next_of_payload(decoder, out, error) : 0;
}

enum binlog_flavor binlog_decoder_flavor(const struct binlog_decoder *decoder)
{
    return decoder->flavor;
}

void binlog_decoder_confirm(struct binlog_decoder *decoder, uint64_t number)
{
    if (decoder->xa)
        binlog_xa_confirm(decoder->xa, number);
    binlog_numbering_confirm(&decoder->numbering, number);
}

struct binlog_decoder *binlog_decoder_new(const struct binlog_decoder_settings *settings, struct cdc_error *error)
{
    struct binlog_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        cdc_error_memory(error);
        return NULL;
    }
    decoder->settings = *settings;
    decoder->flavor = settings->flavor;
    decoder->payload = binlog_payload_new(error);
    decoder->gtids = binlog_gtid_set_new(settings->flavor, error);
    binlog_format_default(&decoder->format);
    if (settings->xa_folder && (decoder->xa = binlog_xa_new(settings->xa_folder, error)) == NULL) {
        binlog_decoder_free(decoder);
        return NULL;
    }
    if (decoder->payload && decoder->gtids && decoder_rehash(decoder, 64, error) == 0)
        return decoder;
    binlog_decoder_free(decoder);
    return NULL;
}

void binlog_decoder_free(struct binlog_decoder *decoder)
{
    if (!decoder)
        return;
    decoder_forget_tables(decoder);
    free(decoder->tables);
    free(decoder->before);
    free(decoder->after);
    binlog_payload_free(decoder->payload);
    binlog_xa_free(decoder->xa);
    cdc_buf_free(&decoder->xid);
    binlog_gtid_set_free(decoder->gtids);
    cdc_buf_free(&decoder->group.numbers);
    cdc_buf_free(&decoder->group.tail);
    cdc_buf_free(&decoder->query_scratch);
    cdc_buf_free(&decoder->statement_text);
    cdc_buf_free(&decoder->rows_scratch);
    cdc_buf_free(&decoder->held);
    free(decoder->savepoints);
    free(decoder->undone);
    cdc_buf_free(&decoder->event_tail);
    cdc_buf_free(&decoder->boundary_pos);
    cdc_buf_free(&decoder->boundary_source);
    free(decoder);
}

int binlog_decoder_start(struct binlog_decoder *decoder, uint64_t number, const char *gtids,
                         const struct binlog_place *place, struct cdc_error *error)
{
    decoder_forget_tables(decoder);
    decoder->group.open = false;
    decoder->group.gtid.kind = BINLOG_GTID_NONE;
    decoder->in_payload = decoder->in_xa = false;
    decoder->held.len = 0;
    decoder->number = number;
    decoder->numbering.n = 0;
    decoder->place = decoder->settled = *place;
    decoder->settled_created = 0;
    binlog_format_default(&decoder->format);
    if (decoder->xa && binlog_xa_start(decoder->xa, number, error) < 0)
        return -1;
    return binlog_gtid_set_parse(decoder->gtids, cdc_span_text(gtids ? gtids : ""), error);
}

void binlog_decoder_set_checksums(struct binlog_decoder *decoder, bool checksums)
{
    decoder->format.checksums = checksums;
}

void binlog_decoder_set_heartbeats(struct binlog_decoder *decoder, uint32_t heartbeats)
{
    if (decoder->heartbeats < heartbeats)
        decoder->heartbeats = heartbeats;
}

void binlog_decoder_set_by_gtid(struct binlog_decoder *decoder, bool by_gtid)
{
    decoder->by_gtid = by_gtid;
}

void binlog_decoder_set_numbering(struct binlog_decoder *decoder, const struct binlog_numbering *numbering)
{
    decoder->numbering = *numbering;
}

void binlog_decoder_set_lower_case(struct binlog_decoder *decoder, bool lower_case)
{
    decoder->lower_case = lower_case;
}

bool binlog_in_transaction(const struct binlog_decoder *decoder)
{
    return decoder->group.open;
}

uint64_t binlog_decoder_cut(const struct binlog_decoder *decoder)
{
    const struct group *group = &decoder->group;
    bool out = group->open && group->events > 0 && (decoder->flavor == BINLOG_MYSQL || group->released);
    return out ? decoder->number : 0;
}

const struct cdc_offset *binlog_boundary(const struct binlog_decoder *decoder)
{
    return decoder->has_boundary ? &decoder->boundary : NULL;
}

const struct binlog_place *binlog_place(const struct binlog_decoder *decoder)
{
    return &decoder->place;
}

struct binlog_moment binlog_decoder_moment(const struct binlog_decoder *decoder)
{
    if (decoder->group.open)
        return (struct binlog_moment){decoder->number, decoder->group.statements};
    return (struct binlog_moment){binlog_number_after(&decoder->numbering, decoder->number), 0};
}

const struct binlog_gtid_set *binlog_gtids(const struct binlog_decoder *decoder)
{
    return decoder->gtids;
}

const struct binlog_counts *binlog_counts(const struct binlog_decoder *decoder)
{
    return &decoder->counts;
}

void binlog_decoder_set_server(struct binlog_decoder *decoder, const char *server_uuid)
{
    size_t n = strnlen(server_uuid, sizeof decoder->server_uuid - 1);
    memcpy(decoder->server_uuid, server_uuid, n);
    decoder->server_uuid[n] = '\0';
}

int binlog_decoder_body(const struct binlog_decoder *decoder, const uint8_t *data, size_t n,
                        struct binlog_header *header, struct binlog_reader *body, struct cdc_error *error)
{
    return binlog_header_parse(data, n, header, error) < 0 ||
                   binlog_body(&decoder->format, header, data, n, body, error) < 0
               ? -1
               : 0;
}
