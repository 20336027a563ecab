/* SPDX-License-Identifier: MIT */
/* What each event does, and where its lines go. The log has only what was committed, so the lines of a transaction
 * go out as they come. MariaDB alone logs more, see transactions.c: there they are buffered until its end, up to
 * BUFFER_MAX. */
#include "connectors/mysql/decoder/internal.h"

#include <string.h>

#define BUFFER_MAX ((size_t)512 << 10) /* bytes of lines */

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
    if (my_transaction_begin(decoder, header, &gtid, out, error) < 0)
        return -1;
    bool prepares = gtid.kind == MY_GTID_OF_MARIADB && (gtid.flags & MY_GTID_PREPARED_XA);
    return prepares ? my_prepared_begin(decoder, error) : 0;
}

/* PREVIOUS_GTIDS or GTID_LIST: what is complete where a file begins. Only of use when reading begins there, and nothing
 * else is known. */
static int gtid_list(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error)
{
    if (decoder->transaction.open || !my_gtid_set_is_empty(decoder->gtids))
        return 0;
    return my_gtid_set_decode(decoder->gtids, body, error);
}

/* The server says of an unknown type whether it may be skipped. */
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

/* The rows at hand are those of an XA transaction that is being prepared: they wait in a file. */
static bool is_preparing(const struct my_decoder *decoder)
{
    return decoder->xa && !decoder->in_xa && my_xa_is_open(decoder->xa);
}

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
    case MY_EVENT_MARIADB_QUERY_COMPRESSED: return my_query_decode(decoder, header, body, out, error);
    case MY_EVENT_TABLE_MAP:
        return is_preparing(decoder) ? my_xa_add(decoder->xa, header, body, error)
                                     : my_tables_take_map(decoder, body, error);
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
                                     : my_rows_decode(decoder, header, body, out, error);
    case MY_EVENT_XID: return decoder->transaction.open ? my_transaction_end(decoder, out, error) : 0;
    case MY_EVENT_BEGIN_LOAD_QUERY:
    case MY_EVENT_EXECUTE_LOAD_QUERY: return my_query_refuse(decoder, cdc_span_text("LOAD DATA"), error);
    case MY_EVENT_XA_PREPARE: return my_prepared_store(decoder, body, out, error);
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

void my_dispatch_flush(struct my_decoder *decoder, struct cdc_buf *out)
{
    cdc_buf_append_buf(out, &decoder->buffered);
    out->failed |= decoder->buffered.failed;
    decoder->buffered.len = 0;
}

int my_dispatch_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    transaction->index += my_lookahead_counts(header->type);
    transaction->bytes += header->size;
    /* A transaction that ends with this event is no longer open below, and then all of it goes out at once. */
    bool buffers = decoder->flavor == MY_FLAVOR_MARIADB && !(transaction->open && transaction->flushed);
    int result = take_event(decoder, header, body, buffers ? &decoder->buffered : out, error);
    if (result < 0)
        decoder->buffered.len = 0; /* of a transaction that is not complete */
    if (!buffers || (transaction->open && decoder->buffered.len < BUFFER_MAX))
        return result;
    /* The buffer is full. */
    if (transaction->open && my_lookahead_run(decoder, error) < 0) {
        decoder->buffered.len = 0;
        return -1;
    }
    transaction->flushed = transaction->open;
    my_dispatch_flush(decoder, out);
    return result;
}
