/* SPDX-License-Identifier: MIT */
/* TABLE_MAP and the events of rows, up to the rows: "MySQL Internals: Table_map_event, Rows_event", mysql-server's
 * rows_event.h; the compressed ones: MariaDB's log_event.h. */
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>

#define MOST_COLUMNS 4096 /* of a table, for both servers */

static int damaged(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has a %s event that is damaged", what);
}

static size_t bitmap_size(size_t n_columns)
{
    return (n_columns + 7) / 8;
}

/* Length (one byte), text, NUL. */
static struct cdc_span name(struct cdc_bytes *body)
{
    size_t n = (size_t)cdc_bytes_le(body, 1);
    const uint8_t *p = cdc_bytes_take(body, n);
    body->bad |= cdc_bytes_le(body, 1) != 0;
    return cdc_span((const char *)p, p != NULL ? n : 0);
}

/* Packed; not more than there can be. */
static size_t column_count(struct cdc_bytes *body)
{
    uint64_t n = my_packed_read(body);
    body->bad |= n > MOST_COLUMNS;
    return body->bad ? 0 : (size_t)n;
}

/* A packed length and so many bytes. */
static struct cdc_span packed_span(struct cdc_bytes *body)
{
    uint64_t n = my_packed_read(body);
    const uint8_t *p = n <= cdc_bytes_left(body) ? cdc_bytes_take(body, (size_t)n) : NULL;
    body->bad |= p == NULL;
    return cdc_span((const char *)p, p != NULL ? (size_t)n : 0);
}

/* -- TABLE_MAP ------------------------------------------------------------------ */

/* Fields that are not known are the reader's to pass over: here only their lengths must fit. */
static struct cdc_span optional_fields(struct cdc_bytes *body)
{
    const uint8_t *start = body->p;
    while (cdc_bytes_left(body) != 0) {
        cdc_bytes_le(body, 1); /* type */
        packed_span(body);
    }
    return cdc_span((const char *)start, (size_t)(body->p - start));
}

int my_rows_event_table_map(struct cdc_bytes body, struct my_table_map *map, struct cdc_error *error)
{
    map->table_id = cdc_bytes_le(&body, 6);
    map->flags = (uint16_t)cdc_bytes_le(&body, 2);
    map->db = name(&body);
    map->table = name(&body);
    map->n_columns = column_count(&body);
    map->types = cdc_bytes_take(&body, map->n_columns);
    map->metadata = packed_span(&body);
    map->null_bits = cdc_bytes_take(&body, bitmap_size(map->n_columns));
    map->optional = optional_fields(&body);
    return body.bad || map->n_columns == 0 ? damaged(error, "TABLE_MAP") : 0;
}

/* -- rows ------------------------------------------------------------------------ */

struct layout {
    uint8_t kind; /* enum my_rows_kind */
    bool known, extra, compressed, partial_json;
};

#define LAYOUT(rows_kind, ...)                                                                                         \
    {                                                                                                                  \
        .known = true, .kind = MY_ROWS_##rows_kind, __VA_ARGS__                                                        \
    }

static const struct layout layouts[256] = {
    [MY_EVENT_WRITE_ROWS_V1] = LAYOUT(WRITE, .extra = false),
    [MY_EVENT_UPDATE_ROWS_V1] = LAYOUT(UPDATE, .extra = false),
    [MY_EVENT_DELETE_ROWS_V1] = LAYOUT(DELETE, .extra = false),
    [MY_EVENT_WRITE_ROWS] = LAYOUT(WRITE, .extra = true),
    [MY_EVENT_UPDATE_ROWS] = LAYOUT(UPDATE, .extra = true),
    [MY_EVENT_DELETE_ROWS] = LAYOUT(DELETE, .extra = true),
    [MY_EVENT_PARTIAL_UPDATE_ROWS] = LAYOUT(UPDATE, .extra = true, .partial_json = true),
    [MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1] = LAYOUT(WRITE, .compressed = true),
    [MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1] = LAYOUT(UPDATE, .compressed = true),
    [MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1] = LAYOUT(DELETE, .compressed = true),
    [MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED] = LAYOUT(WRITE, .extra = true, .compressed = true),
    [MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED] = LAYOUT(UPDATE, .extra = true, .compressed = true),
    [MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED] = LAYOUT(DELETE, .extra = true, .compressed = true),
};

/* Version 2: partitions and the like, behind a length that counts itself. None of it says what a row holds. */
static void skip_extra(struct cdc_bytes *body)
{
    uint64_t n = cdc_bytes_le(body, 2);
    if (n < 2)
        body->bad = true;
    else
        cdc_bytes_take(body, (size_t)n - 2);
}

static int unpack(struct cdc_bytes *images, struct cdc_buf *scratch, struct cdc_error *error)
{
    scratch->len = 0;
    if (my_payload_uncompress(images, scratch, error) < 0)
        return -1;
    const uint8_t *p = (const uint8_t *)scratch->data;
    *images = (struct cdc_bytes){p, p + scratch->len, false};
    return 0;
}

int my_rows_event_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                        struct my_rows_event *rows, struct cdc_error *error)
{
    const struct layout *layout = &layouts[header->type];
    if (!layout->known)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "an event of type %u is not one of rows", header->type);
    rows->kind = (enum my_rows_kind)layout->kind;
    rows->partial_json = layout->partial_json;
    rows->table_id = cdc_bytes_le(&body, 6);
    rows->flags = (uint16_t)cdc_bytes_le(&body, 2);
    if (layout->extra)
        skip_extra(&body);
    rows->n_columns = column_count(&body);
    rows->present = cdc_bytes_take(&body, bitmap_size(rows->n_columns));
    rows->present_after = rows->kind == MY_ROWS_UPDATE ? cdc_bytes_take(&body, bitmap_size(rows->n_columns)) : NULL;
    if (body.bad || rows->n_columns == 0)
        return damaged(error, "ROWS");
    rows->images = body;
    return layout->compressed ? unpack(&rows->images, scratch, error) : 0;
}
