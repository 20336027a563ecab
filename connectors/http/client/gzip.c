/* SPDX-License-Identifier: MIT */
/* zlib, piece by piece into a buffer that grows with what comes out, and not with what that could be at the worst. */
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "connectors/http/client/gzip.h"

#define PIECE ((size_t)64 << 10)
#define LEVEL 1             /* documents have the same names over and over: the fastest one finds them */
#define GZIP_WINDOW 15 + 16 /* the largest window; 16: with the header and trailer of gzip */
#define MEMORY_LEVEL 8      /* zlib's default */

static z_stream *open_stream(struct http_gzip *gzip)
{
    z_stream *stream = gzip->stream;

    if (stream != NULL)
        return deflateReset(stream) == Z_OK ? stream : NULL;
    stream = calloc(1, sizeof *stream);
    if (stream == NULL ||
        deflateInit2(stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(stream);
        return NULL;
    }
    gzip->stream = stream;
    return stream;
}

int http_gzip_pack(struct http_gzip *gzip, struct cdc_span body, struct cdc_buf *out, struct cdc_error *error)
{
    z_stream *stream = open_stream(gzip);
    int result = Z_OK;

    if (stream == NULL)
        return cdc_error_memory(error);
    out->len = 0;
    stream->next_in = (Bytef *)body.p; /* zlib does not write there */
    stream->avail_in = 0;
    while (result == Z_OK) {
        size_t taken = (size_t)((const char *)stream->next_in - body.p), left = body.n - taken;
        stream->avail_in = left < UINT_MAX ? (uInt)left : UINT_MAX;
        if (!cdc_buf_room(out, PIECE))
            return cdc_error_memory(error);
        stream->next_out = (Bytef *)out->data + out->len;
        stream->avail_out = PIECE;
        result = deflate(stream, stream->avail_in == left ? Z_FINISH : Z_NO_FLUSH);
        out->len += PIECE - stream->avail_out;
    }
    return result == Z_STREAM_END ? 0 : cdc_error_memory(error);
}

void http_gzip_free(struct http_gzip *gzip)
{
    if (gzip->stream != NULL)
        deflateEnd(gzip->stream);
    free(gzip->stream);
    gzip->stream = NULL;
}
