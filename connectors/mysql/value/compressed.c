/* SPDX-License-Identifier: MIT */
/* VARCHAR and BLOB columns that MariaDB keeps COMPRESSED are compressed in the log, too. */
#include "connectors/mysql/value/internal.h"

#include <cdc/bytes.h>
#include <zlib.h>

/* Appends the size bytes that the deflate stream p[0..n) holds to plain; zlib's error when there are more or less. The
 * stream's memory is kept: one allocation for many values. */
static int inflate_value(struct cdc_buf *plain, const uint8_t *p, size_t n, size_t size, bool raw)
{
    static _Thread_local z_stream stream;
    static _Thread_local bool ready;
    int bits = raw ? -MAX_WBITS : MAX_WBITS;
    if (size > UINT32_MAX || n > UINT32_MAX || !cdc_buf_room(plain, size + 1))
        return Z_MEM_ERROR;
    int result = ready ? inflateReset2(&stream, bits) : inflateInit2(&stream, bits);
    if (result != Z_OK)
        return result;
    ready = true;
    stream.next_in = (Bytef *)(uintptr_t)p; /* zlib only reads it */
    stream.avail_in = (uInt)n;
    stream.next_out = (Bytef *)plain->data + plain->len;
    stream.avail_out = (uInt)size + (size < UINT32_MAX); /* one more, so that too much is seen */
    result = inflate(&stream, Z_FINISH);
    if (result == Z_STREAM_END && stream.total_out == size) {
        plain->len += size;
        return Z_OK;
    }
    return result == Z_MEM_ERROR ? result : Z_DATA_ERROR;
}

/* sql/field_comp.cc: a byte of 0 before plain bytes; else 0x80, plus the number of bytes of the size that follows
 * big-endian, plus 8 when the deflate stream has no header. 82 01 90 ... is a value of 400 bytes, as zlib wrote it. */
int my_compressed_unpack(const struct my_column *column, const uint8_t **p, size_t *n, struct cdc_error *error)
{
    static _Thread_local struct cdc_buf plain;
    if (*n == 0)
        return 0;
    uint8_t head = **p;
    size_t size_bytes = head & 7;
    ++*p;
    --*n;
    if (head == 0)
        return 0;
    if (head >> 4 != 8 || size_bytes == 0 || size_bytes > 4 || *n < size_bytes)
        return my_column_damaged(column, error, "compressed in a way that is not known");
    size_t size = (size_t)cdc_big_endian(*p, size_bytes);
    *p += size_bytes;
    *n -= size_bytes;
    if (size / 1040 > *n) /* deflate never gains more than 1 : 1032 */
        return my_column_damaged(column, error, "damaged compressed value");
    plain.len = 0;
    plain.failed = false;
    cdc_buf_shrink(&plain, 1 << 20);
    int result = inflate_value(&plain, *p, *n, size, head & 8);
    if (result == Z_MEM_ERROR)
        return cdc_error_memory(error);
    if (result != Z_OK)
        return my_column_damaged(column, error, "damaged compressed value");
    *p = (const uint8_t *)plain.data;
    *n = plain.len;
    return 0;
}
