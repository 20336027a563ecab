/* SPDX-License-Identifier: MIT */
/* TABLE_MAP and the events of rows, up to the rows themselves. */
#ifndef MY_ROWS_EVENT_H
#define MY_ROWS_EVENT_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* TABLE_MAP, as it stands in the event. */
struct my_table_map {
    uint64_t table_id;
    uint16_t flags;
    struct cdc_span db, table;
    size_t n_columns;
    const uint8_t *types;     /* n_columns */
    struct cdc_span metadata; /* of all columns */
    const uint8_t *null_bits; /* (n_columns + 7) / 8 */
    struct cdc_span optional; /* type, packed length, value ...: checked to be well-formed */
};
int my_rows_event_table_map(struct cdc_bytes body, struct my_table_map *map, struct cdc_error *error);

/* A rows event, all versions of both servers; PARTIAL_UPDATE_ROWS too. */
enum my_rows_kind { MY_ROWS_WRITE, MY_ROWS_UPDATE, MY_ROWS_DELETE };
#define MY_ROWS_STATEMENT_END 0x01
struct my_rows_event {
    enum my_rows_kind kind;
    bool partial_json; /* PARTIAL_UPDATE_ROWS */
    uint64_t table_id;
    uint16_t flags;
    size_t n_columns;
    const uint8_t *present;       /* bitmap of the (only, or before) image's columns */
    const uint8_t *present_after; /* of the after image of an UPDATE; else NULL */
    struct cdc_bytes images;      /* the rows; of a compressed event in scratch, replacing what it holds */
};
int my_rows_event_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                        struct my_rows_event *rows, struct cdc_error *error);

#endif
