/* SPDX-License-Identifier: MIT */
/* The bodies of MariaDB's compressed events (log_bin_compress; sql/log_event.cc, binlog_buf_compress), in zlib's
 * format. */
#include "connectors/mysql/event/compressed_body.h"

#include <zlib.h>

#define LARGEST (UINT64_C(1) << 30) /* of an event: max_allowed_packet cannot be larger */

static int not_unpacked(struct cdc_error *error, const char *how)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has a compressed event that is damaged: %s", how);
}

/* A byte: 0x80, algorithm (bits 4..6), length of the size (bits 0..2); the size, big-endian. 82 01 90 is zlib, 400
 * bytes. */
static int uncompressed_size(struct cdc_bytes *body, uint64_t *size, struct cdc_error *error)
{
    uint64_t head = cdc_bytes_le(body, 1);
    size_t n = head & 7;
    if (!body->bad && (head & 0xf8) != 0x80)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the binary log has an event compressed in an unknown way (0x%02x)", (unsigned)head);
    const uint8_t *p = n >= 1 && n <= 4 ? cdc_bytes_take(body, n) : NULL;
    if (p == NULL)
        return not_unpacked(error, "header");
    *size = 0;
    for (size_t i = 0; i < n; i++)
        *size = *size << 8 | p[i];
    return *size <= LARGEST ? 0 : not_unpacked(error, "it says that it is larger than an event can be");
}

int my_compressed_body_size(struct cdc_bytes body, uint64_t *size, struct cdc_error *error)
{
    return uncompressed_size(&body, size, error);
}

/* Unpacks all, room growing with what comes. The rest of body must be one zlib stream of exactly size bytes. */
static int inflate_all(z_stream *stream, uint64_t size, struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t got = 0;
    size_t step = (size_t)stream->avail_in * 8 + 4096;
    for (;;) {
        uint64_t room = size - got < step ? size - got : step;
        if (!cdc_buf_room(out, (size_t)room + 1)) /* one more: so that too much is seen, and the end of nothing too */
            return cdc_error_memory(error);
        stream->next_out = (Bytef *)out->data + out->len;
        stream->avail_out = (uInt)room + 1;
        int result = inflate(stream, Z_SYNC_FLUSH);
        size_t n = (size_t)room + 1 - stream->avail_out;
        got += n;
        out->len += n;
        if (got > size || (result != Z_OK && result != Z_STREAM_END))
            return not_unpacked(error, got > size ? "it holds more than it says" : "the compressed part");
        if (result == Z_STREAM_END)
            break;
        if (n == 0 && stream->avail_in == 0)
            return not_unpacked(error, "the compressed part is truncated");
        step = step < LARGEST / 2 ? step * 2 : step;
    }
    return got == size && stream->avail_in == 0 ? 0 : not_unpacked(error, "it holds less than it says");
}

int my_compressed_body_unpack(struct cdc_bytes *body, struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t size = 0;
    if (uncompressed_size(body, &size, error) < 0)
        return -1;
    size_t n = cdc_bytes_left(body);
    if (n > LARGEST)
        return not_unpacked(error, "it is larger than an event can be");
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)body->p, .avail_in = (uInt)n};
    if (inflateInit(&stream) != Z_OK)
        return cdc_error_memory(error);
    size_t before = out->len;
    int result = inflate_all(&stream, size, out, error);
    inflateEnd(&stream);
    if (result < 0)
        out->len = before;
    cdc_bytes_take(body, n);
    return result;
}
