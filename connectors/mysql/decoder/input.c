/* SPDX-License-Identifier: MIT */
/* Where events come from: the log itself, one at a time; a TRANSACTION_PAYLOAD, which may come in parts; the file of a
 * prepared XA transaction that is committed now. All end in my_dispatch_event. */
#include "connectors/mysql/decoder/internal.h"

#include <string.h>

/* next_position has 32 bits, and within a file it only falls when they overflow, from which the upper bits are
 * known: ff ff ff f0 and then 00 00 00 1f are 4294967280 and 4294967327. Events that are not of the file tell
 * nothing of it. */
static bool is_of_file(const struct my_event_header *header)
{
    return !(header->flags & (MY_EVENT_FLAG_ARTIFICIAL | MY_EVENT_FLAG_RELAY_LOG)) && header->next_position != 0 &&
           header->type != MY_EVENT_ROTATE && header->type != MY_EVENT_HEARTBEAT &&
           header->type != MY_EVENT_HEARTBEAT_V2;
}

static void advance(struct my_decoder *decoder, const struct my_event_header *header)
{
    if (!is_of_file(header))
        return;
    decoder->seal.sum = 0;
    uint64_t next = (decoder->coord.position & ~UINT64_C(0xFFFFFFFF)) | header->next_position;
    if (next < decoder->coord.position)
        next += UINT64_C(1) << 32;
    decoder->coord.position = next;
}

/* A FORMAT_DESCRIPTION tells whose the log is: of a file nothing else does. */
static int set_flavor(struct my_decoder *decoder, struct cdc_error *error)
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

/* Where the event ends, and from it where it begins. */
static void advance_over(struct my_decoder *decoder, const struct my_event_header *header)
{
    uint64_t before = decoder->coord.position;
    advance(decoder, header);
    /* The server may have omitted events before this one: the end tells the beginning. */
    decoder->event_position =
        decoder->coord.position >= before + header->size ? decoder->coord.position - header->size : before;
}

/* Not of a FORMAT_DESCRIPTION: the server changes it when the file is complete. */
static void seal_event(struct my_decoder *decoder, const struct my_event_header *header, const uint8_t *data, size_t n)
{
    if (!is_of_file(header) || !decoder->format.checksums)
        return;
    struct cdc_bytes sum = {data + n - 4, data + n, false};
    decoder->seal = (struct my_seal){decoder->event_position, (uint32_t)cdc_bytes_le(&sum, 4)};
}

/* data may be no more than the first part of the event. */
static int open_payload(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error)
{
    struct my_event_parts *parts = &decoder->parts;
    struct cdc_bytes body;
    if (my_event_parts_begin(parts, &decoder->format, data, n, &body, error) < 0)
        return -1;
    advance_over(decoder, &parts->header);
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

static int take_next(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes body;
    if (n > 4 && data[4] == MY_EVENT_TRANSACTION_PAYLOAD) /* its type, at a fixed offset */
        return open_payload(decoder, data, n, error);
    if (my_event_header_parse(data, n, &header, error) < 0 ||
        my_event_body(&decoder->format, &header, data, n, &body, error) < 0)
        return -1;
    if (header.type == MY_EVENT_FORMAT) {
        if (my_event_format_parse(&header, body, &decoder->format, error) < 0)
            return -1;
        if (decoder->format.server_began)
            my_temporaries_clear(&decoder->temporaries);
        advance(decoder, &header);
        return set_flavor(decoder, error);
    }
    advance_over(decoder, &header);
    seal_event(decoder, &header, data, n);
    return my_dispatch_event(decoder, &header, body, out, error);
}

int my_decoder_take(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                    struct cdc_error *error)
{
    bool was_decrypted_first = decoder->decrypts;
    decoder->decrypts = n > 4 && data[4] == MY_EVENT_MARIADB_START_ENCRYPTION;
    int result = take_next(decoder, data, n, out, error);
    return result < 0 && was_decrypted_first && error->status == CDC_EXIT_PROTOCOL ? my_event_undecrypted(error)
                                                                                   : result;
}

/* An event without checksum, out of a payload or a file: 1 or -1. */
static int decode_inner(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                        struct cdc_error *error)
{
    struct my_event_header header;
    if (my_event_header_parse(data, n, &header, error) < 0)
        return -1;
    struct cdc_bytes body = {data + MY_EVENT_HEADER_SIZE, data + n, false};
    return my_dispatch_event(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

/* A large event of rows that no line is to have. 1: it is passed over; 0: there is none; MY_PAYLOAD_WANTS; -1. */
static int pass_large(struct my_decoder *decoder, struct cdc_error *error)
{
    struct my_event_header header;
    const uint8_t *data;
    size_t n, size;
    int got = my_payload_large(decoder->payload, &data, &n, &size, error);
    if (got != 1)
        return got;
    if (my_event_header_begin(data, n, &header, error) < 0)
        return -1;
    const struct cdc_bytes body = {data + MY_EVENT_HEADER_SIZE, data + n, false};
    if (!my_rows_pass(decoder, &header, body, size - n))
        return 0;
    my_payload_pass(decoder->payload);
    return 1;
}

static int next_of_payload(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    int got = pass_large(decoder, error);
    if (got != 0)
        return got;
    got = my_payload_next(decoder->payload, &data, &n, error);
    if (got == MY_PAYLOAD_WANTS)
        return got;
    if (got <= 0) {
        decoder->in_payload = false;
        return got;
    }
    return decode_inner(decoder, data, n, out, error);
}

/* The last record of the file is the id, data[0..n), which must be the one that was asked for: names of files have
 * only its hash. Then the transaction that committed it ends. */
static int end_xa(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                  struct cdc_error *error)
{
    struct cdc_span xid = my_prepared_xid(decoder);
    decoder->in_xa = false;
    if (n != xid.n || memcmp(data, xid.p, n) != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the file of a prepared transaction belongs to another one");
    my_xa_abandon(decoder->xa);
    my_dispatch_flush(decoder, out);
    if (my_xa_finish(decoder->xa, xid, decoder->number, error) < 0)
        return -1;
    return my_transaction_end(decoder, out, error) < 0 ? -1 : 1;
}

static int next_of_xa(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    int got = my_xa_next(decoder->xa, &data, &n, error);
    if (got < 0)
        return -1;
    return got == 0 ? end_xa(decoder, data, n, out, error) : decode_inner(decoder, data, n, out, error);
}

int my_decoder_more(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->in_xa)
        return next_of_xa(decoder, out, error);
    return decoder->in_payload ? next_of_payload(decoder, out, error) : 0;
}
