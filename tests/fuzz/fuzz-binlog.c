/* SPDX-License-Identifier: MIT */
/* Any bytes as events of a binary log. The first byte says what the rest is: one body for a parser, or whole events.
 * Nothing may be read beyond the end, every refusal has a reason, and what is said of a text or a set says the same when
 * it is read again. */
#include "connectors/mysql/binlog.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static struct cdc_buf scratch, text;
static struct binlog_payload *payload;
static struct binlog_statement statement;
static volatile unsigned sum;

static void expect(bool good)
{
    if (!good)
        abort();
}

/* Refused means: with a reason. */
static bool taken(int result, const struct cdc_error *error)
{
    expect(result >= 0 || error->status != 0);
    return result >= 0;
}

/* Reads all of what was found, so that spans beyond the end are seen. */
static void touch(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum += ((const uint8_t *)p)[i];
}

static void touch_span(struct cdc_span span)
{
    touch(span.p, span.n);
}

/* -- statements -- */

static void one_statement(struct cdc_span sql)
{
    binlog_statement_parse(&statement, sql);
    touch_span(statement.xid);
    binlog_statement_is_of_accounts(sql);
    if (statement.kind != BINLOG_STATEMENT_TRUNCATE)
        return;
    expect(statement.table.len != 0);
    if (!memchr(statement.table.data, '\\', statement.table.len)) /* it is read from the text, so it stands there */
        expect(binlog_statement_names(sql, cdc_span(statement.table.data, statement.table.len)));
}

static void names_in_statement(struct binlog_reader body)
{
    size_t n = (size_t)binlog_uint(&body, 1);
    const uint8_t *name = binlog_bytes(&body, n);
    if (name != NULL)
        binlog_statement_names(cdc_span((const char *)body.p, binlog_left(&body)), cdc_span((const char *)name, n));
}

/* -- GTIDs -- */

static void same_again(struct binlog_gtid_set *set)
{
    struct cdc_buf first = CDC_BUF_INIT;
    binlog_gtid_set_append(&first, set);
    scratch.len = text.len = 0;
    expect(binlog_gtid_set_parse(set, cdc_span(first.data, first.len), NULL) == 0);
    binlog_gtid_set_append(&text, set);
    expect(cdc_span_equal(cdc_span(text.data, text.len), cdc_span(first.data, first.len)));
    binlog_gtid_set_encode(&scratch, set);
    struct binlog_reader body = {(uint8_t *)scratch.data, (uint8_t *)scratch.data + scratch.len, false};
    expect(binlog_gtid_set_decode(set, body, NULL) == 0);
    text.len = 0;
    binlog_gtid_set_append(&text, set);
    expect(cdc_span_equal(cdc_span(text.data, text.len), cdc_span(first.data, first.len)));
    expect(binlog_gtid_set_is_empty(set) == (first.len == 0));
    cdc_buf_free(&first);
}

static void one_set(struct binlog_reader body, enum binlog_flavor flavor, bool binary)
{
    struct cdc_error error = {0};
    struct binlog_gtid_set *set = binlog_gtid_set_new(flavor, NULL);
    if (set == NULL)
        return;
    int result = binary ? binlog_gtid_set_decode(set, body, &error)
                        : binlog_gtid_set_parse(set, cdc_span((const char *)body.p, binlog_left(&body)), &error);
    if (taken(result, &error))
        same_again(set);
    binlog_gtid_set_free(set);
}

/* Two bytes each: a number to add. */
static void add_numbers(struct binlog_reader body)
{
    struct binlog_gtid_set *set = binlog_gtid_set_new(BINLOG_MYSQL, NULL);
    if (set == NULL)
        return;
    while (binlog_left(&body) >= 2) {
        struct binlog_gtid gtid = {.kind = BINLOG_GTID_OF_MYSQL};
        gtid.uuid[0] = (uint8_t)binlog_uint(&body, 1) & 3;
        gtid.number = 1 + binlog_uint(&body, 1);
        expect(binlog_gtid_set_add(set, &gtid, NULL) == 0 && binlog_gtid_set_contains(set, &gtid));
    }
    same_again(set);
    binlog_gtid_set_free(set);
}

static void one_gtid(const struct binlog_header *header, struct binlog_reader body)
{
    struct binlog_gtid gtid;
    struct cdc_error error = {0};
    if (!taken(binlog_gtid_parse(header, body, &gtid, &error), &error))
        return;
    struct binlog_gtid_set *set =
        binlog_gtid_set_new(gtid.kind == BINLOG_GTID_OF_MARIADB ? BINLOG_MARIADB : BINLOG_MYSQL, NULL);
    text.len = 0;
    binlog_gtid_append(&text, &gtid);
    if (set != NULL && gtid.kind != BINLOG_GTID_NONE) {
        expect(binlog_gtid_set_parse(set, cdc_span(text.data, text.len), NULL) == 0);
        expect(binlog_gtid_set_contains(set, &gtid));
    }
    binlog_gtid_set_free(set);
}

/* -- events -- */

static void one_query(const struct binlog_header *header, struct binlog_reader body)
{
    struct binlog_query query;
    struct cdc_error error = {0};
    if (!taken(binlog_query_parse(header, body, &scratch, &query, &error), &error))
        return;
    touch_span(query.db);
    one_statement(query.sql);
}

static void one_map(struct binlog_reader body)
{
    struct binlog_table_map map;
    struct cdc_error error = {0};
    if (!taken(binlog_table_map_parse(body, &map, &error), &error))
        return;
    touch_span(map.db);
    touch_span(map.table);
    touch(map.types, map.n_columns);
    touch_span(map.metadata);
    touch(map.null_bits, (map.n_columns + 7) / 8);
    touch_span(map.optional);
}

static void some_rows(const struct binlog_header *header, struct binlog_reader body)
{
    struct binlog_rows rows;
    struct cdc_error error = {0};
    if (!taken(binlog_rows_parse(header, body, &scratch, &rows, &error), &error))
        return;
    touch(rows.present, (rows.n_columns + 7) / 8);
    if (rows.present_after != NULL)
        touch(rows.present_after, (rows.n_columns + 7) / 8);
    touch(rows.images.p, binlog_left(&rows.images));
}

static void one_payload(struct binlog_reader body)
{
    struct cdc_error error = {0};
    const uint8_t *data;
    size_t n;
    int result = binlog_payload_open(payload, body, binlog_left(&body), true, &error);
    while (result == 0 && (result = binlog_payload_next(payload, &data, &n, &error)) == 1) {
        struct binlog_header header;
        expect(binlog_header_parse(data, n, &header, &error) == 0);
        touch(data, n);
        result = 0;
    }
    taken(result, &error);
    expect(binlog_payload_next(payload, &data, &n, &error) == 0); /* it is over */
}

/* The same in parts, as long as the first byte says. */
static void payload_in_parts(struct binlog_reader body)
{
    struct cdc_error error = {0};
    const uint8_t *data;
    size_t n, step = 1 + (size_t)binlog_uint(&body, 1), size = binlog_left(&body);
    struct binlog_reader part = {body.p, body.p + (step < size ? step : size), false};
    binlog_bytes(&body, binlog_left(&part));
    int result = binlog_payload_open(payload, part, size, binlog_left(&body) == 0, &error);
    while (result == 0 && (result = binlog_payload_next(payload, &data, &n, &error)) > 0) {
        if (result == BINLOG_WANTS) {
            n = step < binlog_left(&body) ? step : binlog_left(&body);
            part = (struct binlog_reader){body.p, body.p + n, false};
            binlog_bytes(&body, n);
            binlog_payload_feed(payload, part, binlog_left(&body) == 0);
        } else {
            touch(data, n);
        }
        result = 0;
    }
    taken(result, &error);
}

static void one_body(const struct binlog_header *header, struct binlog_reader body)
{
    struct cdc_error error = {0};
    struct binlog_rotate rotate;
    struct binlog_format format;
    bool one_phase;
    switch (header->type) {
    case BINLOG_FORMAT: taken(binlog_format_parse(header, body, &format, &error), &error); break;
    case BINLOG_QUERY:
    case BINLOG_MARIADB_QUERY_COMPRESSED: one_query(header, body); break;
    case BINLOG_GTID:
    case BINLOG_ANONYMOUS_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_MARIADB_GTID: one_gtid(header, body); break;
    case BINLOG_TABLE_MAP: one_map(body); break;
    case BINLOG_TRANSACTION_PAYLOAD: one_payload(body); break;
    case BINLOG_PREVIOUS_GTIDS: one_set(body, BINLOG_MYSQL, true); break;
    case BINLOG_MARIADB_GTID_LIST: one_set(body, BINLOG_MARIADB, true); break;
    case BINLOG_ROTATE:
        if (taken(binlog_rotate_parse(body, &rotate, &error), &error))
            touch_span(rotate.file);
        break;
    case BINLOG_HEARTBEAT:
    case BINLOG_HEARTBEAT_V2:
        if (taken(binlog_heartbeat_parse(header, body, &rotate, &error), &error))
            touch_span(rotate.file);
        break;
    case BINLOG_XA_PREPARE:
        text.len = 0;
        taken(binlog_xa_prepare_parse(body, &one_phase, &text, &error), &error);
        break;
    default: some_rows(header, body); break;
    }
}

/* Events one after the other, as a file has them. */
static void events(struct binlog_reader body)
{
    struct binlog_format format;
    binlog_format_default(&format);
    while (binlog_left(&body) >= BINLOG_HEADER_SIZE) {
        struct cdc_error error = {0};
        struct binlog_header header;
        struct binlog_reader inside;
        struct binlog_reader sizes = {body.p + 9, body.p + 13, false};
        size_t n = (size_t)binlog_uint(&sizes, 4);
        n = n < BINLOG_HEADER_SIZE || n > binlog_left(&body) ? binlog_left(&body) : n;
        const uint8_t *event = binlog_bytes(&body, n);
        if (!taken(binlog_header_parse(event, n, &header, &error), &error) ||
            !taken(binlog_body(&format, &header, event, n, &inside, &error), &error))
            return;
        if (header.type == BINLOG_FORMAT)
            taken(binlog_format_parse(&header, inside, &format, &error), &error);
        one_body(&header, inside);
    }
}

static void dispatch(uint8_t what, struct binlog_reader body)
{
    struct cdc_error error = {0};
    struct binlog_header header = {.type = what, .server_id = 3};
    switch (what) { /* numbers that are no events' */
    case 200: events(body); break;
    case 201: one_set(body, BINLOG_MYSQL, false); break;
    case 202: one_set(body, BINLOG_MARIADB, false); break;
    case 203: add_numbers(body); break;
    case 204: one_statement(cdc_span((const char *)body.p, binlog_left(&body))); break;
    case 205: names_in_statement(body); break;
    case 206:
        scratch.len = 0;
        taken(binlog_uncompress(&body, &scratch, &error), &error);
        break;
    case 207: payload_in_parts(body); break;
    default: one_body(&header, body); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (payload == NULL)
        payload = binlog_payload_new(NULL);
    if (size == 0 || payload == NULL)
        return 0;
    uint8_t *copy = exact_copy(data + 1, size - 1);
    dispatch(data[0], (struct binlog_reader){copy, copy + size - 1, false});
    free(copy);
    return 0;
}
