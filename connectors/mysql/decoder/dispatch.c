/* SPDX-License-Identifier: MIT */
/* Events in, lines out. A group (GTID ... XID or COMMIT, or a single statement) is a transaction; the log has only what was
 * committed, so its lines go out as they come. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_MAX ((size_t)512 << 10) /* bytes of lines */

static int set_file(struct my_decoder *decoder, struct cdc_span file, uint64_t position, struct cdc_error *error)
{
    if (file.n == 0 || file.n >= sizeof decoder->coord.file || memchr(file.p, 0, file.n))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server named a log file of %zu bytes", file.n);
    memcpy(decoder->coord.file, file.p, file.n);
    decoder->coord.file[file.n] = '\0';
    decoder->coord.position = position;
    return 0;
}

static int rotate_event(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error)
{
    struct my_event_rotate rotate;
    if (my_event_rotate_parse(body, &rotate, error) < 0)
        return -1;
    decoder->format.created = 0; /* until the file's first event */
    return set_file(decoder, rotate.file, rotate.position, error);
}

static int gtid_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    struct my_gtid gtid;
    if (my_gtid_parse(header, body, &gtid, error) < 0)
        return -1;
    if (my_transaction_start(decoder, header, &gtid, out, error) < 0)
        return -1;
    bool prepares = gtid.kind == MY_GTID_OF_MARIADB && (gtid.flags & MY_GTID_PREPARED_XA);
    return prepares ? my_decoder_begin_xa(decoder, error) : 0;
}

/* What is complete where a file begins: of use when reading begins there, and nothing else is known. */
static int gtid_list(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error)
{
    if (decoder->transaction.open || !my_gtid_set_is_empty(decoder->gtids))
        return 0;
    return my_gtid_set_decode(decoder->gtids, body, error);
}

static int unknown_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_error *error)
{
    if (header->flags & MY_EVENT_FLAG_IGNORABLE) {
        decoder->counts.ignored_events++;
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s at %llu: event type %u is not known", decoder->coord.file,
                  (unsigned long long)decoder->event_position, header->type);
    return cdc_error_hint(error, "the server is newer than this program");
}

static bool is_preparing(const struct my_decoder *decoder)
{
    return decoder->xa && !decoder->in_xa && my_xa_is_open(decoder->xa);
}

/* One event, of the log itself, out of a payload or of a prepared transaction: 0, 1 when a prepared transaction is to be
 * read now, -1. */
static int take_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    switch (header->type) {
    case MY_EVENT_ROTATE: return rotate_event(decoder, body, error);
    case MY_EVENT_GTID:
    case MY_EVENT_ANONYMOUS_GTID:
    case MY_EVENT_GTID_TAGGED:
    case MY_EVENT_MARIADB_GTID: return gtid_event(decoder, header, body, out, error);
    case MY_EVENT_QUERY:
    case MY_EVENT_MARIADB_QUERY_COMPRESSED: return my_decoder_query_event(decoder, header, body, out, error);
    case MY_EVENT_TABLE_MAP:
        return is_preparing(decoder) ? my_xa_add(decoder->xa, header, body, error)
                                     : my_decoder_table_map(decoder, body, error);
    case MY_EVENT_WRITE_ROWS_V1:
    case MY_EVENT_UPDATE_ROWS_V1:
    case MY_EVENT_DELETE_ROWS_V1:
    case MY_EVENT_WRITE_ROWS:
    case MY_EVENT_UPDATE_ROWS:
    case MY_EVENT_DELETE_ROWS:
    case MY_EVENT_PARTIAL_UPDATE_ROWS:
    case MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1:
    case MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1:
    case MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1:
    case MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED:
    case MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED:
    case MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED:
        return is_preparing(decoder) ? my_xa_add(decoder->xa, header, body, error)
                                     : my_decoder_rows_event(decoder, header, body, out, error);
    case MY_EVENT_XID: return decoder->transaction.open ? my_transaction_end(decoder, out, error) : 0;
    case MY_EVENT_XA_PREPARE: return my_decoder_xa_prepared(decoder, body, out, error);
    case MY_EVENT_INCIDENT:
        cdc_error_set(error, CDC_EXIT_LOST, "%s at %llu: the server tells of an incident: changes are not in its log",
                      decoder->coord.file, (unsigned long long)decoder->event_position);
        return cdc_error_hint(error, "take a new snapshot");
    case MY_EVENT_PREVIOUS_GTIDS:
    case MY_EVENT_MARIADB_GTID_LIST: return gtid_list(decoder, body, error);
    case MY_EVENT_STOP:
    case MY_EVENT_INTVAR:
    case MY_EVENT_RAND:
    case MY_EVENT_USER_VAR: /* they belong to a statement, which is an error itself when it changes rows */
    case MY_EVENT_IGNORABLE:
    case MY_EVENT_ROWS_QUERY:
    case MY_EVENT_TRANSACTION_CONTEXT:
    case MY_EVENT_VIEW_CHANGE:
    case MY_EVENT_HEARTBEAT:
    case MY_EVENT_HEARTBEAT_V2:
    case MY_EVENT_MARIADB_ANNOTATE_ROWS:
    case MY_EVENT_MARIADB_CHECKPOINT:
    case MY_EVENT_MARIADB_START_ENCRYPTION: return 0;
    default: return unknown_event(decoder, header, error);
    }
}

/* What was held back goes out. */
static void release(struct my_decoder *decoder, struct cdc_buf *out)
{
    cdc_buf_append(out, decoder->held.data, decoder->held.len);
    out->failed |= decoder->held.failed;
    decoder->held.len = 0;
}

static int dispatch(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                    struct cdc_buf *out, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    transaction->index += my_decoder_indexes(header->type);
    transaction->bytes += header->size;
    bool hold = decoder->flavor == MY_FLAVOR_MARIADB && !(transaction->open && transaction->released);
    int result = take_event(decoder, header, body, hold ? &decoder->held : out, error);
    if (result < 0)
        decoder->held.len = 0; /* of a transaction that is not complete */
    if (!hold || (transaction->open && decoder->held.len < HOLD_MAX))
        return result;
    if (transaction->open && my_decoder_look_ahead(decoder, error) < 0) {
        decoder->held.len = 0;
        return -1;
    }
    transaction->released = transaction->open;
    release(decoder, out);
    return result;
}

/* next_position has 32 bits and never falls within a file but when they overflow: the place is counted on. Events that
 * are not of the file tell nothing of it. */
static void advance(struct my_decoder *decoder, const struct my_event_header *header)
{
    if ((header->flags & (MY_EVENT_FLAG_ARTIFICIAL | MY_EVENT_FLAG_RELAY_LOG)) || header->next_position == 0 ||
        header->type == MY_EVENT_ROTATE || header->type == MY_EVENT_HEARTBEAT || header->type == MY_EVENT_HEARTBEAT_V2)
        return;
    uint64_t next = (decoder->coord.position & ~UINT64_C(0xFFFFFFFF)) | header->next_position;
    if (next < decoder->coord.position)
        next += UINT64_C(1) << 32;
    decoder->coord.position = next;
}

/* A file says whose it is. */
static int take_flavor(struct my_decoder *decoder, struct cdc_error *error)
{
    if (decoder->flavor == decoder->format.flavor)
        return 0;
    decoder->flavor = decoder->format.flavor;
    if (!my_gtid_set_is_empty(decoder->gtids))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the log goes on with files of another kind of server");
    my_gtid_set_free(decoder->gtids);
    decoder->gtids = my_gtid_set_new(decoder->flavor, error);
    return decoder->gtids ? 0 : -1;
}

/* The place where the event ends, and from it the one where it begins. */
static void step_over(struct my_decoder *decoder, const struct my_event_header *header)
{
    uint64_t before = decoder->coord.position;
    advance(decoder, header);
    /* The server may have passed over what comes before: the end tells the beginning. */
    decoder->event_position =
        decoder->coord.position >= before + header->size ? decoder->coord.position - header->size : before;
}

/* It may be no more than the first part. */
static int open_payload(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error)
{
    struct my_event_parts *parts = &decoder->parts;
    struct cdc_bytes body;
    if (my_event_parts_begin(parts, &decoder->format, data, n, &body, error) < 0)
        return -1;
    step_over(decoder, &parts->header);
    size_t size = parts->header.size - MY_EVENT_HEADER_SIZE - (parts->checksums ? 4 : 0);
    if (my_payload_open(decoder->payload, body, size, parts->taken == parts->header.size, error) < 0)
        return -1;
    decoder->in_payload = true;
    return 1;
}

int my_decoder_take_part(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error)
{
    struct my_event_parts *parts = &decoder->parts;
    struct cdc_bytes body;
    if (!decoder->in_payload)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a part of an event came that nobody asked for");
    if (my_event_parts_next(parts, data, n, &body, error) < 0)
        return -1;
    my_payload_feed(decoder->payload, body, parts->taken == parts->header.size);
    return 1;
}

int my_decoder_take(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                    struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes body;
    if (n > 4 && data[4] == MY_EVENT_TRANSACTION_PAYLOAD)
        return open_payload(decoder, data, n, error);
    if (my_event_header_parse(data, n, &header, error) < 0 ||
        my_event_body(&decoder->format, &header, data, n, &body, error) < 0)
        return -1;
    if (header.type == MY_EVENT_FORMAT) {
        if (my_event_format_parse(&header, body, &decoder->format, error) < 0)
            return -1;
        advance(decoder, &header);
        return take_flavor(decoder, error);
    }
    step_over(decoder, &header);
    return dispatch(decoder, &header, body, out, error);
}

static int next_of_payload(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    struct my_event_header header;
    int got = my_payload_next(decoder->payload, &data, &n, error);
    if (got == MY_PAYLOAD_WANTS)
        return got;
    if (got <= 0) {
        decoder->in_payload = false;
        return got;
    }
    if (my_event_header_parse(data, n, &header, error) < 0)
        return -1;
    struct cdc_bytes body = {data + MY_EVENT_HEADER_SIZE, data + n, false};
    return dispatch(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

static int next_of_xa(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    struct my_event_header header;
    int got = my_xa_next(decoder->xa, &data, &n, error);
    if (got < 0)
        return -1;
    if (got == 0) {
        struct cdc_span xid = my_decoder_xid_of(decoder);
        decoder->in_xa = false;
        if (n != xid.n || memcmp(data, xid.p, n) != 0)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "the file of a prepared transaction belongs to another one");
        my_xa_abandon(decoder->xa);
        release(decoder, out);
        return my_xa_finish(decoder->xa, xid, decoder->number, error) < 0 || my_transaction_end(decoder, out, error) < 0
                   ? -1
                   : 1;
    }
    if (my_event_header_parse(data, n, &header, error) < 0)
        return -1;
    struct cdc_bytes body = {data + MY_EVENT_HEADER_SIZE, data + n, false};
    return dispatch(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

int my_decoder_more(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->in_xa)
        return next_of_xa(decoder, out, error);
    return decoder->in_payload ? next_of_payload(decoder, out, error) : 0;
}

enum my_flavor my_decoder_flavor(const struct my_decoder *decoder)
{
    return decoder->flavor;
}

void my_decoder_confirm(struct my_decoder *decoder, uint64_t number)
{
    if (decoder->xa)
        my_xa_confirm(decoder->xa, number);
    my_numbering_confirm(&decoder->numbering, number);
}

struct my_decoder *my_decoder_new(const struct my_decoder_settings *settings, struct cdc_error *error)
{
    struct my_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        cdc_error_memory(error);
        return NULL;
    }
    decoder->settings = *settings;
    decoder->flavor = settings->flavor;
    decoder->payload = my_payload_new(error);
    decoder->gtids = my_gtid_set_new(settings->flavor, error);
    my_event_format_default(&decoder->format);
    if (settings->xa_folder && (decoder->xa = my_xa_new(settings->xa_folder, error)) == NULL) {
        my_decoder_free(decoder);
        return NULL;
    }
    if (decoder->payload && decoder->gtids && my_decoder_rehash(decoder, 64, error) == 0)
        return decoder;
    my_decoder_free(decoder);
    return NULL;
}

void my_decoder_free(struct my_decoder *decoder)
{
    if (!decoder)
        return;
    my_decoder_forget_tables(decoder);
    free(decoder->tables);
    free(decoder->before);
    free(decoder->after);
    my_payload_free(decoder->payload);
    my_xa_free(decoder->xa);
    cdc_buf_free(&decoder->xid);
    my_gtid_set_free(decoder->gtids);
    cdc_buf_free(&decoder->transaction.numbers);
    cdc_buf_free(&decoder->transaction.tail);
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

int my_decoder_start(struct my_decoder *decoder, uint64_t number, const char *gtids, const struct my_coord *coord,
                     struct cdc_error *error)
{
    my_decoder_forget_tables(decoder);
    decoder->transaction.open = false;
    decoder->transaction.gtid.kind = MY_GTID_NONE;
    decoder->in_payload = decoder->in_xa = false;
    decoder->held.len = 0;
    decoder->number = number;
    decoder->numbering.n = 0;
    decoder->coord = decoder->settled = *coord;
    decoder->settled_created = 0;
    my_event_format_default(&decoder->format);
    if (decoder->xa && my_xa_start(decoder->xa, number, error) < 0)
        return -1;
    return my_gtid_set_parse(decoder->gtids, cdc_span_text(gtids ? gtids : ""), error);
}

void my_decoder_set_checksums(struct my_decoder *decoder, bool checksums)
{
    decoder->format.checksums = checksums;
}

void my_decoder_set_heartbeats(struct my_decoder *decoder, uint32_t heartbeats)
{
    if (decoder->heartbeats < heartbeats)
        decoder->heartbeats = heartbeats;
}

void my_decoder_set_by_gtid(struct my_decoder *decoder, bool by_gtid)
{
    decoder->by_gtid = by_gtid;
}

void my_decoder_set_numbering(struct my_decoder *decoder, const struct my_numbering *numbering)
{
    decoder->numbering = *numbering;
}

void my_decoder_set_lower_case(struct my_decoder *decoder, bool lower_case)
{
    decoder->lower_case = lower_case;
}

bool my_decoder_in_transaction(const struct my_decoder *decoder)
{
    return decoder->transaction.open;
}

uint64_t my_decoder_truncated(const struct my_decoder *decoder)
{
    const struct my_transaction *transaction = &decoder->transaction;
    bool out =
        transaction->open && transaction->events > 0 && (decoder->flavor == MY_FLAVOR_MYSQL || transaction->released);
    return out ? decoder->number : 0;
}

const struct cdc_offset *my_decoder_boundary(const struct my_decoder *decoder)
{
    return decoder->has_boundary ? &decoder->boundary : NULL;
}

const struct my_coord *my_decoder_coord(const struct my_decoder *decoder)
{
    return &decoder->coord;
}

struct my_point my_decoder_point(const struct my_decoder *decoder)
{
    if (decoder->transaction.open)
        return (struct my_point){decoder->number, decoder->transaction.statements};
    return (struct my_point){my_numbering_after(&decoder->numbering, decoder->number), 0};
}

const struct my_gtid_set *my_decoder_gtids(const struct my_decoder *decoder)
{
    return decoder->gtids;
}

const struct my_counts *my_decoder_counts(const struct my_decoder *decoder)
{
    return &decoder->counts;
}

void my_decoder_set_server(struct my_decoder *decoder, const char *server_uuid)
{
    size_t n = strnlen(server_uuid, sizeof decoder->server_uuid - 1);
    memcpy(decoder->server_uuid, server_uuid, n);
    decoder->server_uuid[n] = '\0';
}

int my_decoder_body(const struct my_decoder *decoder, const uint8_t *data, size_t n, struct my_event_header *header,
                    struct cdc_bytes *body, struct cdc_error *error)
{
    return my_event_header_parse(data, n, header, error) < 0 ||
                   my_event_body(&decoder->format, header, data, n, body, error) < 0
               ? -1
               : 0;
}
