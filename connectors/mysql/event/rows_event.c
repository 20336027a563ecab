/* SPDX-License-Identifier: MIT */
/* Events of rows, up to the rows: "MySQL Internals: Rows_event", mysql-server's rows_event.h; the compressed ones:
 * MariaDB's log_event.h. */
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/event/compressed_body.h"
#include "connectors/mysql/event/internal.h"

/* By type of event: what it does, and what is in it. */
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

bool my_rows_event_is(const struct my_event_header *header)
{
    return layouts[header->type].known;
}

/* Version 2: partitions and the like, after a length that counts itself. None of it says what a row holds. */
static void skip_extra(struct cdc_bytes *body)
{
    uint64_t n = cdc_bytes_le(body, 2);
    if (n < 2)
        body->bad = true;
    else
        cdc_bytes_take(body, (size_t)n - 2);
}

int my_rows_event_unpack(struct my_rows_event *rows, struct cdc_buf *scratch, struct cdc_error *error)
{
    if (!rows->packed)
        return 0;
    scratch->len = 0;
    if (my_compressed_body_unpack(&rows->images, scratch, error) < 0)
        return -1;
    const uint8_t *p = (const uint8_t *)scratch->data;
    rows->images = (struct cdc_bytes){p, p + scratch->len, false};
    rows->packed = false;
    return 0;
}

int my_rows_event_open(const struct my_event_header *header, struct cdc_bytes body, struct my_rows_event *rows,
                       struct cdc_error *error)
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
    rows->n_columns = my_event_column_count(&body);
    rows->present = cdc_bytes_take(&body, my_event_bitmap_size(rows->n_columns));
    rows->present_after =
        rows->kind == MY_ROWS_UPDATE ? cdc_bytes_take(&body, my_event_bitmap_size(rows->n_columns)) : NULL;
    if (body.bad || rows->n_columns == 0)
        return my_event_damaged(error, "ROWS");
    rows->images = body;
    rows->packed = layout->compressed;
    rows->size = cdc_bytes_left(&body);
    return layout->compressed ? my_compressed_body_size(body, &rows->size, error) : 0;
}

int my_rows_event_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                        struct my_rows_event *rows, struct cdc_error *error)
{
    return my_rows_event_open(header, body, rows, error) < 0 ? -1 : my_rows_event_unpack(rows, scratch, error);
}
