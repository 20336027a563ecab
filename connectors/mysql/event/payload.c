/* SPDX-License-Identifier: MIT */
/* TRANSACTION_PAYLOAD: a transaction of MySQL whose events are compressed as one stream
 * (binlog_transaction_compression; mysql-server, libs/mysql/binlog/event/codecs). Memory follows what really comes out,
 * never what is claimed. */
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define LARGEST (UINT64_C(1) << 30) /* of an event: max_allowed_packet cannot be larger */
#define KEPT (UINT64_C(1) << 20)    /* of buffers, from one payload to the next */
#define WINDOW_LOG_MAX 27           /* zstd's at its highest level; the memory that a frame may ask for */

struct my_payload {
    ZSTD_DStream *stream;
    struct cdc_bytes input;      /* what is not unpacked yet of the part at hand */
    bool compressed, open, last; /* last: no other part is to come */
    bool frame_ended;            /* of zstd: the input may end here */
    uint64_t claimed;            /* of unpacked bytes */
    uint64_t unpacked;           /* so far */
    struct cdc_buf out;          /* from at on: not taken yet */
    size_t at;
    size_t passing; /* bytes of an event that nobody wants */
};

static int damaged(struct cdc_error *error, const char *how)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has a TRANSACTION_PAYLOAD event that is damaged: %s",
                         how);
}

struct my_payload *my_payload_new(struct cdc_error *error)
{
    struct my_payload *payload = calloc(1, sizeof *payload);
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (payload == NULL || stream == NULL) {
        free(payload);
        ZSTD_freeDStream(stream);
        cdc_error_memory(error);
        return NULL;
    }
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    payload->stream = stream;
    return payload;
}

void my_payload_free(struct my_payload *payload)
{
    if (payload == NULL)
        return;
    ZSTD_freeDStream(payload->stream);
    cdc_buf_free(&payload->out);
    free(payload);
}

/* -- header ------------------------------------------------------------------------
 * Fields of a type, a packed length and a packed value; type 0 ends it. 300 bytes that were 1000:
 *     02 01 00          compression: zstd
 *     03 03 fc e8 03    uncompressed: 1000
 *     01 03 fc 2c 01    size: 300
 *     00 */

struct payload_header {
    uint64_t size, compression, uncompressed;
    bool has_size, has_uncompressed;
};

enum { COMPRESSION_ZSTD = 0, COMPRESSION_NONE = 255 };

static int read_field(uint64_t type, struct cdc_bytes value, struct payload_header *header, struct cdc_error *error)
{
    enum { SIZE = 1, COMPRESSION = 2, UNCOMPRESSED = 3 };
    uint64_t number = my_packed_read(&value);
    switch (type) {
    case SIZE:
        header->size = number;
        header->has_size = true;
        break;
    case COMPRESSION: header->compression = number; break;
    case UNCOMPRESSED:
        header->uncompressed = number;
        header->has_uncompressed = true;
        break;
    default:
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the binary log has a TRANSACTION_PAYLOAD event with an unknown field (%lu)",
                             (unsigned long)type);
    }
    return value.bad || cdc_bytes_left(&value) != 0 ? damaged(error, "header") : 0;
}

/* size: of body and the parts to come. */
static int read_header(struct cdc_bytes *body, uint64_t size, struct payload_header *header, struct cdc_error *error)
{
    uint64_t type;
    const uint8_t *start = body->p;
    *header = (struct payload_header){.compression = COMPRESSION_NONE}; /* which is not written */
    while ((type = my_packed_read(body)) != 0) {
        uint64_t n = my_packed_read(body);
        if (body->bad || n > cdc_bytes_left(body))
            return damaged(error, "header");
        const uint8_t *p = cdc_bytes_take(body, (size_t)n);
        if (read_field(type, (struct cdc_bytes){p, p + n, false}, header, error) < 0)
            return -1;
    }
    if (body->bad || !header->has_size || header->size != size - (size_t)(body->p - start))
        return damaged(error, "header");
    if (header->compression != COMPRESSION_ZSTD && header->compression != COMPRESSION_NONE)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the binary log has a transaction compressed in an unknown way (%lu)",
                             (unsigned long)header->compression);
    if (header->compression == COMPRESSION_ZSTD && !header->has_uncompressed)
        return damaged(error, "header");
    return 0;
}

int my_payload_open(struct my_payload *payload, struct cdc_bytes part, uint64_t size, bool last,
                    struct cdc_error *error)
{
    struct payload_header header;
    payload->open = false;
    payload->out.len = payload->at = payload->passing = 0;
    cdc_buf_shrink(&payload->out, KEPT);
    if (read_header(&part, size, &header, error) < 0)
        return -1;
    payload->compressed = header.compression == COMPRESSION_ZSTD;
    payload->claimed = header.has_uncompressed ? header.uncompressed : header.size;
    if (!payload->compressed && payload->claimed != header.size)
        return damaged(error, "header");
    payload->unpacked = 0;
    payload->input = part;
    payload->last = last;
    payload->frame_ended = true;
    ZSTD_DCtx_reset(payload->stream, ZSTD_reset_session_only);
    payload->open = true;
    return 0;
}

void my_payload_feed(struct my_payload *payload, struct cdc_bytes part, bool last)
{
    payload->input = part;
    payload->last = last;
}

bool my_payload_is_whole(const struct my_payload *payload)
{
    return payload->last;
}

/* -- events ------------------------------------------------------------------------ */

static int not_zstd(size_t result, struct cdc_error *error)
{
    if (ZSTD_getErrorCode(result) != ZSTD_error_frameParameter_windowTooLarge)
        return damaged(error, ZSTD_getErrorName(result));
    return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                         "the binary log has a transaction that takes more than %d MB of memory to be unpacked",
                         1 << (WINDOW_LOG_MAX - 20));
}

/* Unpacks up to `step` bytes after those that are there; *n: how many. */
static int unpack_zstd(struct my_payload *payload, size_t step, size_t *n, struct cdc_error *error)
{
    ZSTD_inBuffer in = {payload->input.p, cdc_bytes_left(&payload->input), 0};
    ZSTD_outBuffer to = {payload->out.data + payload->out.len, step, 0};
    size_t result = ZSTD_decompressStream(payload->stream, &to, &in);
    if (ZSTD_isError(result))
        return not_zstd(result, error);
    if (in.pos == 0 && to.pos == 0)
        return damaged(error, "the compressed part is truncated");
    cdc_bytes_take(&payload->input, in.pos);
    payload->frame_ended = result == 0;
    *n = to.pos;
    return 0;
}

static int copy_plain(struct my_payload *payload, size_t step, size_t *n)
{
    size_t left = cdc_bytes_left(&payload->input);
    *n = left < step ? left : step;
    memcpy(payload->out.data + payload->out.len, cdc_bytes_take(&payload->input, *n), *n);
    return 0;
}

/* Unpacks some more. 1, 0 at the end, MY_PAYLOAD_WANTS, -1. */
static int unpack_some(struct my_payload *payload, struct cdc_error *error)
{
    struct cdc_buf *out = &payload->out;
    size_t step = ZSTD_DStreamOutSize(), n = 0;
    if (cdc_bytes_left(&payload->input) == 0 && !payload->last)
        return MY_PAYLOAD_WANTS;
    if (cdc_bytes_left(&payload->input) == 0 && payload->frame_ended)
        return 0;
    if (!cdc_buf_room(out, step))
        return cdc_error_memory(error);
    int result = payload->compressed ? unpack_zstd(payload, step, &n, error) : copy_plain(payload, step, &n);
    if (result < 0)
        return -1;
    payload->unpacked += n;
    out->len += n;
    if (payload->unpacked > payload->claimed)
        return damaged(error, "it holds more than it says");
    return 1;
}

/* Unpacks until there are n bytes from `at` on. What was taken already is dropped before. 1, 0 (there are fewer, and
 * no more to come), MY_PAYLOAD_WANTS, -1. */
static int fill(struct my_payload *payload, size_t n, struct cdc_error *error)
{
    struct cdc_buf *out = &payload->out;
    while (out->len - payload->at < n) {
        if (payload->at != 0) {
            memmove(out->data, out->data + payload->at, out->len - payload->at);
            out->len -= payload->at;
            payload->at = 0;
        }
        int result = unpack_some(payload, error);
        if (result != 1)
            return result;
    }
    return 1;
}

/* The whole size of the event that begins at header; 0: it cannot be one. */
static size_t event_size(const uint8_t *header, struct cdc_error *error)
{
    struct cdc_bytes cursor = {header + 4, header + MY_EVENT_HEADER_SIZE, false};
    uint64_t type = cdc_bytes_le(&cursor, 1);
    cdc_bytes_le(&cursor, 4);
    uint64_t size = cdc_bytes_le(&cursor, 4);
    if (size >= MY_EVENT_HEADER_SIZE && size <= LARGEST && type != MY_EVENT_TRANSACTION_PAYLOAD)
        return (size_t)size;
    damaged(error, type == MY_EVENT_TRANSACTION_PAYLOAD ? "it holds another one" : "an event in it has a wrong size");
    return 0;
}

/* What is left of an event that nobody wants. 1, MY_PAYLOAD_WANTS, -1. */
static int finish_passing(struct my_payload *payload, struct cdc_error *error)
{
    struct cdc_buf *out = &payload->out;
    for (;;) {
        size_t there = out->len - payload->at, taken = there < payload->passing ? there : payload->passing;
        payload->at += taken;
        payload->passing -= taken;
        if (payload->passing == 0)
            return 1;
        out->len = payload->at = 0;
        int result = unpack_some(payload, error);
        if (result != 1)
            return result != 0 ? result : damaged(error, "an event in it is truncated");
    }
}

static int next_event(struct my_payload *payload, const uint8_t **data, size_t *n, struct cdc_error *error)
{
    int result = finish_passing(payload, error);
    if (result == 1)
        result = fill(payload, MY_EVENT_HEADER_SIZE, error);
    if (result < 0 || result == MY_PAYLOAD_WANTS)
        return result;
    if (result == 0 && payload->out.len == payload->at)
        return payload->unpacked == payload->claimed ? 0 : damaged(error, "it holds less than it says");
    if (result == 0)
        return damaged(error, "an event in it is truncated");
    *n = event_size((const uint8_t *)payload->out.data + payload->at, error);
    if (*n == 0)
        return -1;
    /* While parts are to come, a byte of the next event must be there, too: this one may be the last, which waits
     * for the checksum. */
    result = fill(payload, payload->last ? *n : *n + 1, error);
    if (result != 1)
        return result != 0 ? result : damaged(error, "an event in it is truncated");
    *data = (const uint8_t *)payload->out.data + payload->at;
    payload->at += *n;
    return 1;
}

int my_payload_next(struct my_payload *payload, const uint8_t **data, size_t *n, struct cdc_error *error)
{
    if (!payload->open)
        return 0;
    int result = next_event(payload, data, n, error);
    payload->open = result > 0;
    return result;
}

int my_payload_large(struct my_payload *payload, const uint8_t **data, size_t *n, size_t *size, struct cdc_error *error)
{
    if (!payload->open)
        return 0;
    int result = finish_passing(payload, error);
    if (result == 1)
        result = fill(payload, MY_EVENT_HEADER_SIZE, error);
    if (result != 1)
        return result; /* 0: my_payload_next says what that means */
    *size = event_size((const uint8_t *)payload->out.data + payload->at, error);
    if (*size == 0)
        return -1;
    if (*size <= MY_EVENT_PART)
        return 0;
    result = fill(payload, MY_EVENT_PART, error);
    *data = (const uint8_t *)payload->out.data + payload->at;
    *n = MY_EVENT_PART;
    return result;
}

void my_payload_pass(struct my_payload *payload)
{
    struct cdc_error ignored = {0};
    payload->passing = event_size((const uint8_t *)payload->out.data + payload->at, &ignored);
}
