/* SPDX-License-Identifier: MIT */
/* What the tests of the binary log's events share: events of real servers in hexadecimal, others built byte by byte. Every
 * body is read from a copy of its exact size, so that the address sanitizer sees each read beyond it. */
#ifndef MY_EVENTS_H
#define MY_EVENTS_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static int failures;

static inline void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static inline void check_text(const char *what, struct cdc_span got, const char *want)
{
    bool good = cdc_span_is(got, want);
    check(good, what);
    if (!good)
        printf("#  got %.*s\n# want %s\n", (int)got.n, got.p, want);
}

static inline struct cdc_span text_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

/* -- bytes -- */

static struct cdc_buf body, scratch, text;

static inline void put(uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        cdc_buf_byte(&body, (char)(value >> (8 * i)));
}

static inline void put_text(const char *value)
{
    cdc_buf_text(&body, value);
}

static inline int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static inline void put_hex(const char *hex)
{
    for (; *hex; hex += 2)
        put((uint64_t)(digit(hex[0]) << 4 | digit(hex[1])), 1);
}

static inline void start(void)
{
    body.len = 0;
}

/* The body of an event as a server sent it: the checksum at its end is omitted. */
static inline void vector(const char *hex)
{
    start();
    put_hex(hex);
    body.len -= 4;
}

static uint8_t *copy; /* of the exact size */

static inline struct cdc_bytes cursor_of(size_t n)
{
    free(copy);
    copy = malloc(n ? n : 1);
    if (copy == NULL)
        abort();
    if (n != 0)
        memcpy(copy, body.data, n);
    return (struct cdc_bytes){copy, copy + n, false};
}

static inline struct cdc_bytes whole(void)
{
    return cursor_of(body.len);
}

/* Cuts what is in body at every length: bad(n) says whether it may be taken then. */
typedef int parse_function(struct cdc_bytes cursor, struct cdc_error *error);

static inline void check_truncated(const char *what, parse_function *parse, const size_t *good, size_t n_good)
{
    size_t taken = 0, silent = 0;
    for (size_t n = 0; n < body.len; n++) {
        struct cdc_error error = {0};
        bool may = false;
        for (size_t i = 0; i < n_good; i++)
            may |= good[i] == n;
        int result = parse(cursor_of(n), &error);
        taken += result == 0 && !may;
        silent += result != 0 && error.status != CDC_EXIT_PROTOCOL;
    }
    check(taken == 0 && silent == 0, what);
}

/* -- events -- */

static inline uint32_t crc_of(const struct cdc_buf *bytes)
{
    return (uint32_t)crc32(0, (const Bytef *)bytes->data, (uInt)bytes->len);
}

/* An event around content, into body. */
static inline void build(uint8_t type, const char *content, size_t n, uint16_t flags, bool checksum)
{
    start();
    put(1700000000, 4);
    put(type, 1);
    put(7, 4);
    put(MY_EVENT_HEADER_SIZE + n + (checksum ? 4 : 0), 4);
    put(1234, 4);
    put(flags, 2);
    cdc_buf_append(&body, content, n);
    if (checksum)
        put(crc_of(&body), 4);
}

static inline void put_query(const char *variables, const char *db, const char *sql)
{
    start();
    put(11, 4);
    put(0, 4);
    put(strlen(db), 1);
    put(1062, 2);
    put(strlen(variables) / 2, 2);
    put_hex(variables);
    put_text(db);
    put(0, 1);
    put_text(sql);
}

static inline int parse_event(struct cdc_bytes event, const struct my_event_format *format,
                              struct my_event_header *header, struct cdc_bytes *inside, struct cdc_error *error)
{
    size_t n = cdc_bytes_left(&event);
    if (my_event_header_parse(event.p, n, header, error) < 0)
        return -1;
    return my_event_body(format, header, event.p, n, inside, error);
}

static inline bool is_refused(const struct my_event_format *format)
{
    struct cdc_error error = {0};
    struct my_event_header header;
    struct cdc_bytes inside;
    return parse_event(whole(), format, &header, &inside, &error) < 0 && error.status == CDC_EXIT_PROTOCOL;
}

/* What is in body as a whole event, truncated at every byte. */
static inline void check_event_truncated(uint8_t type)
{
    struct my_event_format format;
    struct cdc_buf content = CDC_BUF_INIT;
    my_event_format_default(&format);
    format.checksums = true;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, true);
    size_t refused = 0, size = body.len;
    check(!is_refused(&format), "the whole event");
    for (body.len = 0; body.len < size; body.len++)
        refused += is_refused(&format);
    size_t wrong_sum = 0; /* the size in the header fits, the checksum does not */
    for (size_t n = MY_EVENT_HEADER_SIZE; n < size; n++) {
        body.len = 9;
        put(n, 4);
        body.len = n;
        wrong_sum += is_refused(&format);
    }
    check(refused == size && wrong_sum == size - MY_EVENT_HEADER_SIZE, "an event that is truncated is refused");
    start();
    cdc_buf_append(&body, content.data, content.len);
    cdc_buf_free(&content);
}

static inline void put_zlib(const char *data, size_t n, uint8_t head, uint64_t claimed)
{
    uLongf size = compressBound((uLong)n);
    Bytef *packed = malloc(size);
    if (packed == NULL || compress(packed, &size, (const Bytef *)data, (uLong)n) != Z_OK)
        abort();
    put(head, 1);
    for (int i = (head & 7) - 1; i >= 0; i--)
        put(claimed >> (8 * i) & 0xff, 1);
    cdc_buf_append(&body, packed, size);
    free(packed);
}

/* At the end of a program: its exit status. */
static inline int finish(void)
{
    free(copy);
    cdc_buf_free(&body);
    cdc_buf_free(&scratch);
    cdc_buf_free(&text);
    return failures ? 1 : 0;
}

#endif
