/* SPDX-License-Identifier: MIT */
/* Events of rows, up to the rows themselves: those are decoder/image.h's. */
#ifndef MY_ROWS_EVENT_H
#define MY_ROWS_EVENT_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* A rows event, all versions of both servers; PARTIAL_UPDATE_ROWS too. All pointers are BORROWED from the event, or
 * from scratch. */
enum my_rows_kind { MY_ROWS_WRITE, MY_ROWS_UPDATE, MY_ROWS_DELETE };
#define MY_ROWS_STATEMENT_END 0x01
struct my_rows_event {
    enum my_rows_kind kind;
    bool partial_json; /* PARTIAL_UPDATE_ROWS */
    bool packed;       /* images are compressed still */
    uint64_t table_id;
    uint16_t flags;
    size_t n_columns;
    const uint8_t *present;       /* bitmap of the (only, or before) image's columns */
    const uint8_t *present_after; /* of the after image of an UPDATE; else NULL */
    struct cdc_bytes images;      /* the rows one after the other, each one or two images; of a compressed event in
                                     scratch, replacing what it holds */
    uint64_t size;                /* of them, unpacked */
};
/* Is it one? */
bool my_rows_event_is(const struct my_event_header *header);
/* Without unpacking, so that rows which nobody wants take no memory: one of a gigabyte may come in an event of a megabyte.
 * 0 or -1: PROTOCOL. */
int my_rows_event_open(const struct my_event_header *header, struct cdc_bytes body, struct my_rows_event *rows,
                       struct cdc_error *error);
/* What is packed. 0 or -1: PROTOCOL, MEMORY. */
int my_rows_event_unpack(struct my_rows_event *rows, struct cdc_buf *scratch, struct cdc_error *error);
/* Both. 0 or -1: PROTOCOL, MEMORY (of a compressed one). */
int my_rows_event_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                        struct my_rows_event *rows, struct cdc_error *error);

#endif
