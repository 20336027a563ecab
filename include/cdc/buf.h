/* SPDX-License-Identifier: MIT */
/* A growing byte buffer. Appending never fails visibly: when memory runs out
 * the buffer turns `failed`, and what is in it is void, so that hot paths
 * check once a line instead of once a byte. */
#ifndef CDC_BUF_H
#define CDC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cdc_buf {
    char *data;
    size_t len;
    size_t cap;
    bool failed;
};

#define CDC_BUF_INIT                                                                                                   \
    {                                                                                                                  \
        NULL, 0, 0, false                                                                                              \
    }

/* A borrowed run of bytes; p is NULL where something is absent. */
struct cdc_span {
    const char *p;
    size_t n;
};

void cdc_buf_free(struct cdc_buf *buf);
/* Room for n more bytes; false when out of memory. */
bool cdc_buf_grow(struct cdc_buf *buf, size_t n);
/* Gives memory above `keep` bytes back; for after an unusually long line. The buffer must be empty. */
void cdc_buf_shrink(struct cdc_buf *buf, size_t keep);
void cdc_buf_u64(struct cdc_buf *buf, uint64_t value);
void cdc_buf_i64(struct cdc_buf *buf, int64_t value);
/* value as `digits` upper-case hexadecimal digits with leading zeros (digits <= 16). */
void cdc_buf_hex(struct cdc_buf *buf, uint64_t value, unsigned digits);
/* Base64 (RFC 4648, with padding, no line breaks). */
void cdc_buf_base64(struct cdc_buf *buf, const void *data, size_t n);
void cdc_buf_printf(struct cdc_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool cdc_buf_room(struct cdc_buf *buf, size_t n)
{
    return buf->cap - buf->len >= n || cdc_buf_grow(buf, n);
}

static inline void cdc_buf_append(struct cdc_buf *buf, const void *data, size_t n)
{
    if (n != 0 && cdc_buf_room(buf, n)) {
        memcpy(buf->data + buf->len, data, n);
        buf->len += n;
    }
}
/* Of another buffer: what could not be put into that one is missing here as well. */
static inline void cdc_buf_append_buf(struct cdc_buf *buf, const struct cdc_buf *from)
{
    buf->failed |= from->failed;
    cdc_buf_append(buf, from->data, from->len);
}

static inline void cdc_buf_byte(struct cdc_buf *buf, char c)
{
    if (cdc_buf_room(buf, 1))
        buf->data[buf->len++] = c;
}

static inline void cdc_buf_span(struct cdc_buf *buf, struct cdc_span span)
{
    cdc_buf_append(buf, span.p, span.n);
}

static inline void cdc_buf_text(struct cdc_buf *buf, const char *text)
{
    cdc_buf_append(buf, text, strlen(text));
}

/* A string literal. */
#define cdc_buf_lit(buf, literal) cdc_buf_append((buf), "" literal, sizeof(literal) - 1)

static inline struct cdc_span cdc_span(const char *p, size_t n)
{
    struct cdc_span s = {p, n};
    return s;
}

static inline struct cdc_span cdc_span_text(const char *text)
{
    return cdc_span(text, text ? strlen(text) : 0);
}

static inline bool cdc_span_equal(struct cdc_span a, struct cdc_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool cdc_span_is(struct cdc_span a, const char *text)
{
    return cdc_span_equal(a, cdc_span_text(text));
}

/* Byte-wise order, as positions are compared: <0, 0, >0. */
int cdc_span_compare(struct cdc_span a, struct cdc_span b);
/* RETURNS NEW (free), NUL-terminated; NULL when out of memory. */
char *cdc_span_copy(struct cdc_span span);

#endif
