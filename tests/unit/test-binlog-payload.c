/* SPDX-License-Identifier: MIT */
/* TRANSACTION_PAYLOAD: the events in it. */
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/payload.h"
#include "tests/unit/binlog-events.h"

#include <cdc/bytes.h>
#include <zstd.h>

/* -- TRANSACTION_PAYLOAD -- */

static struct my_payload *payload;

static void append_event(struct cdc_buf *events, uint8_t type, size_t size)
{
    struct cdc_buf kept = body;
    body = (struct cdc_buf)CDC_BUF_INIT;
    put(1, 4);
    put(type, 1);
    put(7, 4);
    put(size, 4);
    put(0, 6);
    while (body.len < size)
        put(body.len * 2654435761u >> 16, 1);
    cdc_buf_append(events, body.data, body.len);
    cdc_buf_free(&body);
    body = kept;
}

static void put_field(uint64_t type, uint64_t value)
{
    put(type, 1);
    put(9, 1);
    put(0xfe, 1);
    put(value, 8);
}

/* cut: of the compressed bytes, so many are missing. */
static void put_payload_truncated(const struct cdc_buf *events, uint64_t compression, int64_t too_much, size_t missing)
{
    struct cdc_buf packed = CDC_BUF_INIT;
    size_t n = events->len;
    cdc_buf_room(&packed, ZSTD_compressBound(n));
    if (compression == 0)
        n = ZSTD_compress(packed.data, packed.cap, events->data, n, 3);
    else
        memcpy(packed.data, events->data, n);
    n -= missing;
    start();
    put_field(2, compression);
    put_field(3, (uint64_t)((int64_t)events->len + too_much));
    put_field(1, n);
    put(0, 1);
    cdc_buf_append(&body, packed.data, n);
    cdc_buf_free(&packed);
}

static void put_payload(const struct cdc_buf *events, uint64_t compression, int64_t too_much)
{
    put_payload_truncated(events, compression, too_much, 0);
}

/* All inner events, each as its type and size. */
static int payload_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    int result;
    text.len = 0;
    if (my_payload_open(payload, cursor, cdc_bytes_left(&cursor), true, error) < 0)
        return -1;
    while ((result = my_payload_next(payload, &data, &n, error)) == 1) {
        struct my_event_header header;
        if (my_event_header_parse(data, n, &header, error) < 0)
            return -1;
        cdc_buf_printf(&text, "%u:%zu ", header.type, n);
        for (size_t i = MY_EVENT_HEADER_SIZE; i < n; i++)
            if (data[i] != (uint8_t)(i * 2654435761u >> 16))
                return -1;
    }
    return result;
}

/* The same, a few bytes at a time. */
static int payload_in_parts(size_t step)
{
    const uint8_t *p = (const uint8_t *)body.data, *end = p + body.len, *data;
    size_t n, first = body.len < 40 + step ? body.len : 40 + step; /* its header is in the first part */
    text.len = 0;
    int result = my_payload_open(payload, (struct cdc_bytes){p, p + first, false}, body.len, first == body.len, NULL);
    p += first;
    while (result == 0 && (result = my_payload_next(payload, &data, &n, NULL)) > 0) {
        if (result == MY_PAYLOAD_WANTS) {
            n = (size_t)(end - p) < step ? (size_t)(end - p) : step;
            if (my_payload_is_whole(payload))
                return -1;
            my_payload_feed(payload, (struct cdc_bytes){p, p + n, false}, n == 0); /* the last one is empty */
            p += n;
        } else {
            cdc_buf_printf(&text, "%u:%zu ", data[4], n);
            if (data[4] == MY_EVENT_XID && !my_payload_is_whole(payload))
                return -1;
        }
        result = 0;
    }
    return result;
}

/* Large events are passed over. */
static int payload_without_large(size_t step)
{
    const uint8_t *p = (const uint8_t *)body.data, *end = p + body.len, *data;
    size_t n, size, first = body.len < 40 + step ? body.len : 40 + step;
    text.len = 0;
    int result = my_payload_open(payload, (struct cdc_bytes){p, p + first, false}, body.len, first == body.len, NULL);
    p += first;
    for (result = result == 0 ? 1 : -1; result > 0;) {
        result = my_payload_large(payload, &data, &n, &size, NULL);
        if (result == 1) {
            cdc_buf_printf(&text, "(%u:%zu of %zu) ", data[4], n, size);
            my_payload_pass(payload);
            continue;
        }
        if (result == 0)
            result = my_payload_next(payload, &data, &n, NULL);
        if (result == MY_PAYLOAD_WANTS) {
            n = (size_t)(end - p) < step ? (size_t)(end - p) : step;
            my_payload_feed(payload, (struct cdc_bytes){p, p + n, false}, n == 0);
            p += n;
        } else if (result == 1) {
            cdc_buf_printf(&text, "%u:%zu ", data[4], n);
        }
    }
    return result;
}

static void test_payload_passes(void)
{
    static const uint64_t ways[] = {0, 255};
    struct cdc_buf events = CDC_BUF_INIT;
    payload = my_payload_new(NULL);
    append_event(&events, MY_EVENT_QUERY, 60);
    append_event(&events, MY_EVENT_WRITE_ROWS, 900000);
    append_event(&events, MY_EVENT_WRITE_ROWS, (uint32_t)MY_EVENT_PART);
    append_event(&events, MY_EVENT_WRITE_ROWS, (uint32_t)MY_EVENT_PART + 1);
    append_event(&events, MY_EVENT_XID, 27);
    for (size_t way = 0; way < 2; way++)
        for (size_t step = 7; step < 2000000; step = step * 5 + 1) {
            put_payload(&events, ways[way], 0);
            check(payload_without_large(step) == 0, "a payload without its large events");
            check_text("the others", text_of(&text),
                       "2:60 (30:262144 of 900000) 30:262144 (30:262144 of 262145) 16:27 ");
            put_payload(&events, ways[way], 1);
            check(payload_without_large(step) == -1, "one that holds less than it says");
        }
    cdc_buf_free(&events);
    my_payload_free(payload);
}

static void test_payload_in_parts(void)
{
    struct cdc_buf events = CDC_BUF_INIT;
    payload = my_payload_new(NULL);
    append_event(&events, MY_EVENT_QUERY, 60);
    append_event(&events, MY_EVENT_WRITE_ROWS, 300000);
    append_event(&events, MY_EVENT_TABLE_MAP, 19);
    append_event(&events, MY_EVENT_XID, 27);
    for (uint64_t compression = 0; compression <= 255; compression += 255)
        for (size_t step = 1; step < 400000; step = step * 3 / 2 + 1) {
            put_payload(&events, compression, 0);
            if (payload_in_parts(step) != 0 || !cdc_span_is(text_of(&text), "2:60 30:300000 19:19 16:27 "))
                check(false, "a payload in parts");
            put_payload(&events, compression, 1);
            if (payload_in_parts(step) != -1)
                check(false, "one in parts that holds less than it says");
        }
    check(true, "payloads in parts");
    cdc_buf_free(&events);
    my_payload_free(payload);
}

/* An event with a checksum, in parts of any size: is it taken? text: its body. */
static bool event_in_parts(size_t first, size_t step)
{
    struct my_event_format format;
    struct my_event_parts parts;
    struct cdc_bytes part;
    const uint8_t *p = (const uint8_t *)body.data, *end = p + body.len;
    my_event_format_default(&format);
    format.checksums = true;
    text.len = 0;
    if (my_event_parts_begin(&parts, &format, p, first, &part, NULL) < 0)
        return false;
    cdc_buf_append(&text, part.p, cdc_bytes_left(&part));
    for (p += first; p < end; p += step) {
        step = (size_t)(end - p) < step ? (size_t)(end - p) : step;
        if (my_event_parts_next(&parts, p, step, &part, NULL) < 0)
            return false;
        cdc_buf_append(&text, part.p, cdc_bytes_left(&part));
    }
    return parts.taken == parts.header.size;
}

static void test_parts(void)
{
    struct cdc_buf event = CDC_BUF_INIT;
    append_event(&event, MY_EVENT_TRANSACTION_PAYLOAD, MY_EVENT_HEADER_SIZE);
    cdc_buf_lit(&event, "what is inside");
    event.data[9] = (char)(event.len + 4);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)event.data, (uInt)event.len);
    start();
    cdc_buf_append(&body, event.data, event.len);
    put(crc, 4);
    for (size_t first = MY_EVENT_HEADER_SIZE; first <= body.len; first++)
        for (size_t step = 1; step < body.len; step++) {
            if (!event_in_parts(first, step) || !cdc_span_is(text_of(&text), "what is inside"))
                check(false, "an event in parts");
            body.data[body.len - 1] ^= 1;
            if (event_in_parts(first, step))
                check(false, "an event in parts whose checksum is wrong");
            body.data[body.len - 1] ^= 1;
        }
    check(!event_in_parts(MY_EVENT_HEADER_SIZE - 1, 1), "a first part without the whole header");
    put(0, 1);
    check(!event_in_parts(MY_EVENT_HEADER_SIZE, 7), "an event that goes on after its end");
    cdc_buf_free(&event);
}

static void test_payload(void)
{
    struct cdc_buf events = CDC_BUF_INIT;
    payload = my_payload_new(NULL);
    append_event(&events, MY_EVENT_QUERY, 60);
    append_event(&events, MY_EVENT_TABLE_MAP, 19);
    append_event(&events, MY_EVENT_XID, 27);
    for (uint64_t compression = 0; compression <= 255; compression += 255) {
        put_payload(&events, compression, 0);
        check(payload_body(whole(), NULL) == 0, compression ? "a plain payload" : "a payload of zstd");
        check_text("its events", text_of(&text), "2:60 19:19 16:27 ");
        check_truncated("truncated", payload_body, NULL, 0);
        check_event_truncated(MY_EVENT_TRANSACTION_PAYLOAD);
        for (size_t missing = 1; missing < 40; missing++) {
            put_payload_truncated(&events, compression, compression ? -(int64_t)missing : 0, missing);
            if (payload_body(whole(), NULL) == 0 &&
                !(compression && missing == 27)) /* then the last event is missing */
                check(false, "a payload whose inside is truncated");
        }
        put_payload(&events, compression, 1);
        check(payload_body(whole(), NULL) < 0, "holds less than it says");
        put_payload(&events, compression, -1);
        check(payload_body(whole(), NULL) < 0, "holds more than it says");
    }
    put_payload(&events, 0, 0);
    body.data[body.len - 40] ^= 0x7f;
    body.data[34] ^= 0x7f;
    check(payload_body(whole(), NULL) < 0, "bytes that are not zstd");
    put_payload(&events, 1, 0);
    check(payload_body(whole(), NULL) < 0, "another compression");
    start();
    put_field(4, 0);
    put_hex("00");
    check(payload_body(whole(), NULL) < 0, "an unknown field");
    put_payload(&events, 0, 0);
    body.len = (size_t)(memmem(body.data, body.len, "\x28\xb5\x2f\xfd", 4) ? 34 : 0);
    check(payload_body(whole(), NULL) < 0, "the size of what follows is false");
    append_event(&events, MY_EVENT_WRITE_ROWS, 5000000);
    append_event(&events, MY_EVENT_WRITE_ROWS, 20);
    append_event(&events, MY_EVENT_WRITE_ROWS, 700000);
    put_payload(&events, 0, 0);
    check(payload_body(whole(), NULL) == 0, "large events, the same payload");
    check_text("its events", text_of(&text), "2:60 19:19 16:27 30:5000000 30:20 30:700000 ");
    append_event(&events, MY_EVENT_TRANSACTION_PAYLOAD, 30);
    put_payload(&events, 0, 0);
    check(payload_body(whole(), NULL) < 0, "a payload in a payload");
    events.len = 0;
    append_event(&events, MY_EVENT_XID, 27);
    events.data[9] = 18;
    put_payload(&events, 0, 0);
    check(payload_body(whole(), NULL) < 0, "an inner event that cannot be");
    events.data[9] = 28;
    put_payload(&events, 255, 0);
    check(payload_body(whole(), NULL) < 0, "an inner event that is truncated");
    cdc_buf_free(&events);
    my_payload_free(payload);
    my_payload_free(NULL);
}

int main(void)
{
    test_payload();
    test_payload_in_parts();
    test_payload_passes();
    test_parts();
    return finish();
}
