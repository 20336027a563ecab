/* SPDX-License-Identifier: MIT */
/* Any bytes as events of a binary log. The first byte says what the rest is: one body for a parser, or whole events.
 * Nothing may be read beyond the end, every refusal has a reason, and what is said of a text or a set says the same when
 * it is read again. */
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/column_edits.h"
#include "connectors/mysql/event/compressed_body.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/event/table_map.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/bytes.h>
#include <stdlib.h>
#include <string.h>

static struct cdc_buf scratch, text;
static struct my_payload *payload;
static struct my_statement statement;
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

static void touch_text(const char *text)
{
    if (text != NULL)
        touch(text, strlen(text));
}

/* What is understood has names, and all that an edit of its kind has. */
static void one_alter(struct cdc_span sql)
{
    struct my_column_edits edits;
    struct cdc_error error = {0};
    int result = my_column_edits_read(&edits, sql, &error);
    expect(taken(result, &error));
    expect(result == 0 || edits.table != NULL);
    for (size_t i = 0; i < edits.n; i++) {
        const struct my_column_edit *edit = &edits.items[i];
        expect(result == 0 || (edit->name != NULL && (edit->new_name != NULL) == (edit->kind == MY_COLUMN_CHANGE)));
        touch_text(edit->name);
        touch_text(edit->after);
        touch_text(edit->type);
    }
    my_column_edits_free(&edits);
}

static void one_statement(struct cdc_span sql)
{
    const struct my_event_query query = {.sql = sql, .sql_mode = sql.n % 2 ? MY_SQL_MODE_ANSI_QUOTES : 0};
    my_statement_parse(&statement, &query, NULL);
    touch_span(statement.xid);
    my_statement_is_of_accounts(sql);
    one_alter(sql);
    if (statement.kind != MY_STATEMENT_TRUNCATE)
        return;
    expect(statement.table.len != 0);
    if (!memchr(statement.table.data, '\\', statement.table.len)) /* it is read from the text, so it stands there */
        expect(my_statement_names(sql, cdc_span(statement.table.data, statement.table.len)));
}

static void names_in_statement(struct cdc_bytes body)
{
    size_t n = (size_t)cdc_bytes_le(&body, 1);
    const uint8_t *name = cdc_bytes_take(&body, n);
    if (name != NULL)
        my_statement_names(cdc_span((const char *)body.p, cdc_bytes_left(&body)), cdc_span((const char *)name, n));
}

/* -- GTIDs -- */

static void same_again(struct my_gtid_set *set)
{
    struct cdc_buf first = CDC_BUF_INIT;
    my_gtid_set_append(&first, set);
    scratch.len = text.len = 0;
    expect(my_gtid_set_parse(set, cdc_span(first.data, first.len), NULL) == 0);
    my_gtid_set_append(&text, set);
    expect(cdc_span_equal(cdc_span(text.data, text.len), cdc_span(first.data, first.len)));
    my_gtid_set_encode(&scratch, set);
    struct cdc_bytes body = {(uint8_t *)scratch.data, (uint8_t *)scratch.data + scratch.len, false};
    expect(my_gtid_set_decode(set, body, NULL) == 0);
    text.len = 0;
    my_gtid_set_append(&text, set);
    expect(cdc_span_equal(cdc_span(text.data, text.len), cdc_span(first.data, first.len)));
    expect(my_gtid_set_is_empty(set) == (first.len == 0));
    cdc_buf_free(&first);
}

static void one_set(struct cdc_bytes body, enum my_flavor flavor, bool binary)
{
    struct cdc_error error = {0};
    struct my_gtid_set *set = my_gtid_set_new(flavor, NULL);
    if (set == NULL)
        return;
    int result = binary ? my_gtid_set_decode(set, body, &error)
                        : my_gtid_set_parse(set, cdc_span((const char *)body.p, cdc_bytes_left(&body)), &error);
    if (taken(result, &error))
        same_again(set);
    my_gtid_set_free(set);
}

/* Two bytes each: a number to add. */
static void add_numbers(struct cdc_bytes body)
{
    struct my_gtid_set *set = my_gtid_set_new(MY_FLAVOR_MYSQL, NULL);
    if (set == NULL)
        return;
    while (cdc_bytes_left(&body) >= 2) {
        struct my_gtid gtid = {.kind = MY_GTID_OF_MYSQL};
        gtid.uuid[0] = (uint8_t)cdc_bytes_le(&body, 1) & 3;
        gtid.number = 1 + cdc_bytes_le(&body, 1);
        expect(my_gtid_set_add(set, &gtid, NULL) == 0 && my_gtid_set_contains(set, &gtid));
    }
    same_again(set);
    my_gtid_set_free(set);
}

static void one_gtid(const struct my_event_header *header, struct cdc_bytes body)
{
    struct my_gtid gtid;
    struct cdc_error error = {0};
    if (!taken(my_gtid_parse(header, body, &gtid, &error), &error))
        return;
    struct my_gtid_set *set =
        my_gtid_set_new(gtid.kind == MY_GTID_OF_MARIADB ? MY_FLAVOR_MARIADB : MY_FLAVOR_MYSQL, NULL);
    text.len = 0;
    my_gtid_append(&text, &gtid);
    if (set != NULL && gtid.kind != MY_GTID_NONE) {
        expect(my_gtid_set_parse(set, cdc_span(text.data, text.len), NULL) == 0);
        expect(my_gtid_set_contains(set, &gtid));
    }
    my_gtid_set_free(set);
}

/* -- events -- */

static void one_query(const struct my_event_header *header, struct cdc_bytes body)
{
    struct my_event_query query;
    struct cdc_error error = {0};
    if (!taken(my_event_query_parse(header, body, &scratch, &query, &error), &error))
        return;
    touch_span(query.db);
    one_statement(query.sql);
}

static void one_map(struct cdc_bytes body)
{
    struct my_table_map map;
    struct cdc_error error = {0};
    if (!taken(my_table_map_parse(body, &map, &error), &error))
        return;
    touch_span(map.db);
    touch_span(map.table);
    touch(map.types, map.n_columns);
    touch_span(map.metadata);
    touch(map.null_bits, (map.n_columns + 7) / 8);
    touch_span(map.optional);
}

static void some_rows(const struct my_event_header *header, struct cdc_bytes body)
{
    struct my_rows_event rows;
    struct cdc_error error = {0};
    if (!taken(my_rows_event_parse(header, body, &scratch, &rows, &error), &error))
        return;
    touch(rows.present, (rows.n_columns + 7) / 8);
    if (rows.present_after != NULL)
        touch(rows.present_after, (rows.n_columns + 7) / 8);
    touch(rows.images.p, cdc_bytes_left(&rows.images));
}

static void one_payload(struct cdc_bytes body)
{
    struct cdc_error error = {0};
    const uint8_t *data;
    size_t n;
    int result = my_payload_open(payload, body, cdc_bytes_left(&body), true, &error);
    while (result == 0 && (result = my_payload_next(payload, &data, &n, &error)) == 1) {
        struct my_event_header header;
        expect(my_event_header_parse(data, n, &header, &error) == 0);
        touch(data, n);
        result = 0;
    }
    taken(result, &error);
    expect(my_payload_next(payload, &data, &n, &error) == 0); /* it is over */
}

/* The same in parts, as long as the first byte says. */
static void payload_in_parts(struct cdc_bytes body)
{
    struct cdc_error error = {0};
    const uint8_t *data;
    size_t n, step = 1 + (size_t)cdc_bytes_le(&body, 1), size = cdc_bytes_left(&body);
    struct cdc_bytes part = {body.p, body.p + (step < size ? step : size), false};
    cdc_bytes_take(&body, cdc_bytes_left(&part));
    int result = my_payload_open(payload, part, size, cdc_bytes_left(&body) == 0, &error);
    while (result == 0 && (result = my_payload_next(payload, &data, &n, &error)) > 0) {
        if (result == MY_PAYLOAD_WANTS) {
            n = step < cdc_bytes_left(&body) ? step : cdc_bytes_left(&body);
            part = (struct cdc_bytes){body.p, body.p + n, false};
            cdc_bytes_take(&body, n);
            my_payload_feed(payload, part, cdc_bytes_left(&body) == 0);
        } else {
            touch(data, n);
        }
        result = 0;
    }
    taken(result, &error);
}

static void one_body(const struct my_event_header *header, struct cdc_bytes body)
{
    struct cdc_error error = {0};
    struct my_event_rotate rotate;
    struct my_event_format format;
    bool one_phase;
    switch (header->type) {
    case MY_EVENT_FORMAT: taken(my_event_format_parse(header, body, &format, &error), &error); break;
    case MY_EVENT_QUERY:
    case MY_EVENT_MARIADB_QUERY_COMPRESSED: one_query(header, body); break;
    case MY_EVENT_GTID:
    case MY_EVENT_ANONYMOUS_GTID:
    case MY_EVENT_GTID_TAGGED:
    case MY_EVENT_MARIADB_GTID: one_gtid(header, body); break;
    case MY_EVENT_TABLE_MAP: one_map(body); break;
    case MY_EVENT_TRANSACTION_PAYLOAD: one_payload(body); break;
    case MY_EVENT_PREVIOUS_GTIDS: one_set(body, MY_FLAVOR_MYSQL, true); break;
    case MY_EVENT_MARIADB_GTID_LIST: one_set(body, MY_FLAVOR_MARIADB, true); break;
    case MY_EVENT_ROTATE:
        if (taken(my_event_rotate_parse(body, &rotate, &error), &error))
            touch_span(rotate.file);
        break;
    case MY_EVENT_HEARTBEAT:
    case MY_EVENT_HEARTBEAT_V2:
        if (taken(my_event_heartbeat_parse(header, body, &rotate, &error), &error))
            touch_span(rotate.file);
        break;
    case MY_EVENT_XA_PREPARE:
        text.len = 0;
        taken(my_event_xa_prepare_parse(body, &one_phase, &text, &error), &error);
        break;
    default: some_rows(header, body); break;
    }
}

/* Events one after the other, as a file has them. */
static void events(struct cdc_bytes body)
{
    struct my_event_format format;
    my_event_format_default(&format);
    while (cdc_bytes_left(&body) >= MY_EVENT_HEADER_SIZE) {
        struct cdc_error error = {0};
        struct my_event_header header;
        struct cdc_bytes inside;
        struct cdc_bytes sizes = {body.p + 9, body.p + 13, false};
        size_t n = (size_t)cdc_bytes_le(&sizes, 4);
        n = n < MY_EVENT_HEADER_SIZE || n > cdc_bytes_left(&body) ? cdc_bytes_left(&body) : n;
        const uint8_t *event = cdc_bytes_take(&body, n);
        if (!taken(my_event_header_parse(event, n, &header, &error), &error) ||
            !taken(my_event_body(&format, &header, event, n, &inside, &error), &error))
            return;
        if (header.type == MY_EVENT_FORMAT)
            taken(my_event_format_parse(&header, inside, &format, &error), &error);
        one_body(&header, inside);
    }
}

static void dispatch(uint8_t what, struct cdc_bytes body)
{
    struct cdc_error error = {0};
    struct my_event_header header = {.type = what, .server_id = 3};
    switch (what) { /* numbers that are no events' */
    case 200: events(body); break;
    case 201: one_set(body, MY_FLAVOR_MYSQL, false); break;
    case 202: one_set(body, MY_FLAVOR_MARIADB, false); break;
    case 203: add_numbers(body); break;
    case 204: one_statement(cdc_span((const char *)body.p, cdc_bytes_left(&body))); break;
    case 205: names_in_statement(body); break;
    case 206:
        scratch.len = 0;
        taken(my_compressed_body_unpack(&body, &scratch, &error), &error);
        break;
    case 207: payload_in_parts(body); break;
    default: one_body(&header, body); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (payload == NULL)
        payload = my_payload_new(NULL);
    if (size == 0 || payload == NULL)
        return 0;
    uint8_t *copy = exact_copy(data + 1, size - 1);
    dispatch(data[0], (struct cdc_bytes){copy, copy + size - 1, false});
    free(copy);
    return 0;
}
