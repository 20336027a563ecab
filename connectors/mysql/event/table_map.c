/* SPDX-License-Identifier: MIT */
/* TABLE_MAP up to its optional metadata: "MySQL Internals: Table_map_event", mysql-server's rows_event.h. */
#include "connectors/mysql/event/table_map.h"
#include "connectors/mysql/event/internal.h"
#include "connectors/mysql/value/packed.h"

/* Length (one byte), text, NUL. */
static struct cdc_span name(struct cdc_bytes *body)
{
    size_t n = (size_t)cdc_bytes_le(body, 1);
    const uint8_t *p = cdc_bytes_take(body, n);
    body->bad |= cdc_bytes_le(body, 1) != 0;
    return cdc_span((const char *)p, p != NULL ? n : 0);
}

/* A packed length and so many bytes. */
static struct cdc_span packed_span(struct cdc_bytes *body)
{
    uint64_t n = my_packed_read(body);
    const uint8_t *p = n <= cdc_bytes_left(body) ? cdc_bytes_take(body, (size_t)n) : NULL;
    body->bad |= p == NULL;
    return cdc_span((const char *)p, p != NULL ? (size_t)n : 0);
}

/* Each field is a type, a packed length and a value. Only their lengths are checked here: unknown ones may come. */
static struct cdc_span optional_fields(struct cdc_bytes *body)
{
    const uint8_t *start = body->p;
    while (cdc_bytes_left(body) != 0) {
        cdc_bytes_le(body, 1); /* type */
        packed_span(body);
    }
    return cdc_span((const char *)start, (size_t)(body->p - start));
}

int my_table_map_parse(struct cdc_bytes body, struct my_table_map *map, struct cdc_error *error)
{
    map->table_id = cdc_bytes_le(&body, 6);
    map->flags = (uint16_t)cdc_bytes_le(&body, 2);
    map->db = name(&body);
    map->table = name(&body);
    map->n_columns = my_event_column_count(&body);
    map->types = cdc_bytes_take(&body, map->n_columns);
    map->metadata = packed_span(&body);
    map->null_bits = cdc_bytes_take(&body, my_event_bitmap_size(map->n_columns));
    map->optional = optional_fields(&body);
    return body.bad || map->n_columns == 0 ? my_event_damaged(error, "TABLE_MAP") : 0;
}
