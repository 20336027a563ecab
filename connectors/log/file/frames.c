/* SPDX-License-Identifier: MIT */
/* Lines as zstd frames with a seek table:
 *
 *   frame  frame  frame  0x184D2A5E size  { packed size, plain size } ...  frames 0 0x8F92EAB1
 *
 * A frame is packed and unpacked whole, so memory is that of two frames: of 1 MiB, or of the longest line. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "connectors/log/file/frames.h"
#include <cdc/bytes.h>
#include <cdc/file.h>

#define SKIPPABLE UINT32_C(0x184D2A5E)
#define SEEKABLE UINT32_C(0x8F92EAB1)
#define HEADER_SIZE 8
#define FOOTER_SIZE 9
#define ENTRY_SIZE 8
#define FRAMES_MAX ((uint64_t)1 << 27)

/* -- writing ------------------------------------------------------------------- */

struct log_packer {
    int fd;
    ZSTD_CCtx *zstd;
    struct cdc_buf plain, packed, table;
    uint32_t frames;
};

static int zstd_failed(size_t code, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "zstd: %s", ZSTD_getErrorName(code));
}

static void put32(struct cdc_buf *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        cdc_buf_byte(out, (char)(value >> (8 * i)));
}

struct log_packer *log_packer_new(int fd, int level, struct cdc_error *error)
{
    struct log_packer *packer = calloc(1, sizeof *packer);

    if (packer != NULL)
        *packer = (struct log_packer){.fd = fd, .zstd = ZSTD_createCCtx()};
    if (packer == NULL || packer->zstd == NULL) {
        free(packer);
        cdc_error_memory(error);
        return NULL;
    }
    ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_checksumFlag, 1);
    return packer;
}

void log_packer_free(struct log_packer *packer)
{
    if (packer == NULL)
        return;
    ZSTD_freeCCtx(packer->zstd);
    cdc_buf_free(&packer->plain);
    cdc_buf_free(&packer->packed);
    cdc_buf_free(&packer->table);
    free(packer);
}

static int write_packed(struct log_packer *packer, struct cdc_error *error)
{
    if (packer->packed.failed || packer->table.failed)
        return cdc_error_memory(error);
    if (cdc_file_write(packer->fd, packer->packed.data, packer->packed.len) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to write a compressed file: %s", strerror(errno));
    packer->packed.len = 0;
    return 0;
}

static int pack(struct log_packer *packer, const char *p, size_t n, struct cdc_error *error)
{
    if (n > UINT32_MAX)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "a line is too long for a frame");
    if (!cdc_buf_room(&packer->packed, ZSTD_compressBound(n)))
        return cdc_error_memory(error);
    size_t size = ZSTD_compress2(packer->zstd, packer->packed.data, packer->packed.cap, p, n);
    if (ZSTD_isError(size))
        return zstd_failed(size, error);
    packer->packed.len = size;
    put32(&packer->table, (uint32_t)size);
    put32(&packer->table, (uint32_t)n);
    packer->frames++;
    return write_packed(packer, error);
}

/* Where the frame at p ends: after the last line that ends within LOG_FRAME bytes, else after the first one. 0: not there yet. */
static size_t frame_end(const char *p, size_t n)
{
    const char *end = n > LOG_FRAME ? memrchr(p, '\n', LOG_FRAME) : NULL;

    if (end == NULL && n > LOG_FRAME)
        end = memchr(p + LOG_FRAME, '\n', n - LOG_FRAME);
    return end != NULL ? (size_t)(end + 1 - p) : 0;
}

int log_packer_write(struct log_packer *packer, const void *data, size_t n, struct cdc_error *error)
{
    struct cdc_buf *plain = &packer->plain;
    size_t at = 0, end;

    cdc_buf_append(plain, data, n);
    if (plain->failed)
        return cdc_error_memory(error);
    while ((end = frame_end(plain->data + at, plain->len - at)) > 0) {
        if (pack(packer, plain->data + at, end, error) != 0)
            return -1;
        at += end;
    }
    plain->len -= at;
    if (at > 0)
        memmove(plain->data, plain->data + at, plain->len);
    return 0;
}

int log_packer_finish(struct log_packer *packer, struct cdc_error *error)
{
    if (packer->plain.len > 0 && pack(packer, packer->plain.data, packer->plain.len, error) != 0)
        return -1;
    packer->plain.len = 0;
    put32(&packer->packed, SKIPPABLE);
    put32(&packer->packed, (uint32_t)(packer->table.len + FOOTER_SIZE));
    cdc_buf_append_buf(&packer->packed, &packer->table);
    put32(&packer->packed, packer->frames);
    cdc_buf_byte(&packer->packed, '\0');
    put32(&packer->packed, SEEKABLE);
    return write_packed(packer, error);
}

/* -- reading ------------------------------------------------------------------- */

struct frame {
    uint64_t packed_at, plain_at;
    uint32_t packed, plain;
};

struct log_unpacker {
    int fd;
    ZSTD_DCtx *zstd;
    struct frame *frames;
    size_t n, next; /* next: the frame after the one in plain */
    uint64_t size;
    struct cdc_buf packed, plain;
    size_t at; /* in plain */
};

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a compressed segment is damaged");
}

static int read_at(int fd, void *data, size_t n, uint64_t at, struct cdc_error *error)
{
    for (char *p = data; n > 0;) {
        ssize_t got = pread(fd, p, n, (off_t)at);
        if (got < 0 && errno != EINTR)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read a compressed segment: %s", strerror(errno));
        if (got == 0)
            return damaged(error);
        if (got > 0) {
            p += got;
            at += (uint64_t)got;
            n -= (size_t)got;
        }
    }
    return 0;
}

static int take_table(struct log_unpacker *unpacker, const struct cdc_buf *table, uint64_t table_at,
                      struct cdc_error *error)
{
    struct cdc_bytes bytes = {(const uint8_t *)table->data, (const uint8_t *)table->data + table->len, false};
    uint64_t packed_at = 0;

    if (cdc_bytes_le(&bytes, 4) != SKIPPABLE || cdc_bytes_le(&bytes, 4) != table->len - HEADER_SIZE)
        return damaged(error);
    for (size_t i = 0; i < unpacker->n; i++) {
        struct frame *frame = &unpacker->frames[i];
        *frame = (struct frame){packed_at, unpacker->size, (uint32_t)cdc_bytes_le(&bytes, 4),
                                (uint32_t)cdc_bytes_le(&bytes, 4)};
        packed_at += frame->packed;
        unpacker->size += frame->plain;
    }
    return packed_at == table_at ? 0 : damaged(error);
}

static int read_table(struct log_unpacker *unpacker, struct cdc_error *error)
{
    struct stat file;
    uint8_t footer[FOOTER_SIZE];

    if (fstat(unpacker->fd, &file) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to read a compressed segment: %s", strerror(errno));
    uint64_t size = (uint64_t)file.st_size;
    if (size < HEADER_SIZE + FOOTER_SIZE)
        return damaged(error);
    if (read_at(unpacker->fd, footer, sizeof footer, size - FOOTER_SIZE, error) != 0)
        return -1;
    uint64_t n = cdc_little_endian(footer, 4), length = HEADER_SIZE + n * ENTRY_SIZE + FOOTER_SIZE;
    if (cdc_little_endian(footer + 5, 4) != SEEKABLE || footer[4] != 0 || n > FRAMES_MAX || length > size)
        return damaged(error);
    struct cdc_buf table = CDC_BUF_INIT;
    unpacker->n = n;
    unpacker->frames = calloc(n + 1, sizeof *unpacker->frames);
    int result = unpacker->frames == NULL || !cdc_buf_room(&table, length) ? cdc_error_memory(error) : 0;
    if (result == 0)
        result = read_at(unpacker->fd, table.data, length, size - length, error);
    table.len = length;
    if (result == 0)
        result = take_table(unpacker, &table, size - length, error);
    cdc_buf_free(&table);
    return result;
}

/* -- without the table: each frame says how long it is ------------------------- */

/* The frame at `at`, as much of the file as it takes in unpacker->packed. Its size, 0 where no good one begins, or -1. */
static ssize_t find_frame(struct log_unpacker *unpacker, uint64_t at, uint64_t end, struct cdc_error *error)
{
    struct cdc_buf *packed = &unpacker->packed;
    size_t wanted = ZSTD_compressBound(LOG_FRAME);

    for (packed->len = 0; packed->len < end - at; wanted = 2 * packed->len) {
        size_t n = end - at < wanted ? (size_t)(end - at) : wanted;
        if (!cdc_buf_room(packed, n - packed->len))
            return cdc_error_memory(error);
        if (read_at(unpacker->fd, packed->data + packed->len, n - packed->len, at + packed->len, error) != 0)
            return -1;
        packed->len = n;
        size_t size = ZSTD_findFrameCompressedSize(packed->data, packed->len);
        if (!ZSTD_isError(size))
            return (ssize_t)size;
        if (ZSTD_getErrorCode(size) != ZSTD_error_srcSize_wrong)
            return 0;
    }
    return 0;
}

static int add_frame(struct log_unpacker *unpacker, uint64_t at, size_t packed, uint64_t plain, struct cdc_error *error)
{
    if ((unpacker->n & (unpacker->n - 1)) == 0) {
        struct frame *frames = realloc(unpacker->frames, (2 * unpacker->n + 1) * sizeof *frames);
        if (frames == NULL)
            return cdc_error_memory(error);
        unpacker->frames = frames;
    }
    unpacker->frames[unpacker->n++] = (struct frame){at, unpacker->size, (uint32_t)packed, (uint32_t)plain};
    unpacker->size += plain;
    return 0;
}

static int find_frames(struct log_unpacker *unpacker, struct cdc_error *error)
{
    struct stat file;
    uint64_t at = 0;
    ssize_t size = 1;

    if (fstat(unpacker->fd, &file) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to read a compressed segment: %s", strerror(errno));
    while (size > 0 && (size = find_frame(unpacker, at, (uint64_t)file.st_size, error)) > 0) {
        uint64_t plain = ZSTD_getFrameContentSize(unpacker->packed.data, unpacker->packed.len);
        if (plain == 0 /* the table */ || plain > UINT32_MAX || size > UINT32_MAX || unpacker->n == FRAMES_MAX)
            break;
        if (add_frame(unpacker, at, (size_t)size, plain, error) != 0)
            return -1;
        at += (uint64_t)size;
    }
    return size < 0 ? -1 : 0;
}

/* -- opening ------------------------------------------------------------------- */

static struct log_unpacker *open_unpacker(int fd, int (*frames)(struct log_unpacker *, struct cdc_error *),
                                          struct cdc_error *error)
{
    struct log_unpacker *unpacker = calloc(1, sizeof *unpacker);

    if (unpacker == NULL) {
        close(fd);
        cdc_error_memory(error);
        return NULL;
    }
    *unpacker = (struct log_unpacker){.fd = fd, .zstd = ZSTD_createDCtx()};
    if ((unpacker->zstd == NULL ? cdc_error_memory(error) : frames(unpacker, error)) == 0)
        return unpacker;
    log_unpacker_free(unpacker);
    return NULL;
}

struct log_unpacker *log_unpacker_new(int fd, struct cdc_error *error)
{
    return open_unpacker(fd, read_table, error);
}

struct log_unpacker *log_unpacker_new_without_table(int fd, struct cdc_error *error)
{
    return open_unpacker(fd, find_frames, error);
}

void log_unpacker_free(struct log_unpacker *unpacker)
{
    if (unpacker == NULL)
        return;
    close(unpacker->fd);
    ZSTD_freeDCtx(unpacker->zstd);
    free(unpacker->frames);
    cdc_buf_free(&unpacker->packed);
    cdc_buf_free(&unpacker->plain);
    free(unpacker);
}

uint64_t log_unpacker_size(const struct log_unpacker *unpacker)
{
    return unpacker->size;
}

/* The sizes are those of the table, which may be damaged: no more memory is taken than the frame says that it needs as well. */
static int unpack(struct log_unpacker *unpacker, struct cdc_error *error)
{
    const struct frame *frame = &unpacker->frames[unpacker->next++];

    unpacker->plain.len = unpacker->packed.len = unpacker->at = 0;
    if (!cdc_buf_room(&unpacker->packed, frame->packed))
        return cdc_error_memory(error);
    if (read_at(unpacker->fd, unpacker->packed.data, frame->packed, frame->packed_at, error) != 0)
        return -1;
    if (ZSTD_getFrameContentSize(unpacker->packed.data, frame->packed) != frame->plain)
        return damaged(error);
    if (!cdc_buf_room(&unpacker->plain, (size_t)frame->plain + 1))
        return cdc_error_memory(error);
    size_t size =
        ZSTD_decompressDCtx(unpacker->zstd, unpacker->plain.data, frame->plain, unpacker->packed.data, frame->packed);
    if (ZSTD_isError(size) || size != frame->plain)
        return damaged(error);
    unpacker->plain.len = size;
    return 0;
}

int log_unpacker_seek(struct log_unpacker *unpacker, uint64_t at, struct cdc_error *error)
{
    size_t low = 0, high = unpacker->n;

    while (low < high) { /* the first frame that ends after `at` */
        size_t middle = low + (high - low) / 2;
        if (unpacker->frames[middle].plain_at + unpacker->frames[middle].plain <= at)
            low = middle + 1;
        else
            high = middle;
    }
    unpacker->next = low;
    unpacker->plain.len = unpacker->at = 0;
    if (low == unpacker->n)
        return 0;
    if (unpack(unpacker, error) != 0)
        return -1;
    unpacker->at = (size_t)(at - unpacker->frames[low].plain_at);
    return 0;
}

ssize_t log_unpacker_read(struct log_unpacker *unpacker, void *data, size_t n, struct cdc_error *error)
{
    size_t done = 0;

    while (done < n) {
        size_t left = unpacker->plain.len - unpacker->at;
        if (left == 0) {
            if (unpacker->next == unpacker->n)
                break;
            if (unpack(unpacker, error) != 0)
                return -1;
            continue;
        }
        size_t part = left < n - done ? left : n - done;
        memcpy((char *)data + done, unpacker->plain.data + unpacker->at, part);
        unpacker->at += part;
        done += part;
    }
    return (ssize_t)done;
}
