/* SPDX-License-Identifier: MIT */
/* TABLE_MAP: what a table is that rows events refer to by its id. */
#ifndef MY_TABLE_MAP_H
#define MY_TABLE_MAP_H

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* As it stands in the event, BORROWED from it. What types, metadata and the optional part mean is decoder/metadata.c's.
 * Of `create table d.t (a int)`, without header and checksum:
 *     12 00 00 00 00 00  01 00       id 18, flags
 *     01 64 00  01 74 00             "d", "t", each with its length before it and NUL after it
 *     01  03                         one column, of type LONG
 *     00                             no metadata: a packed length, and so many bytes
 *     02                             bitmap: may be NULL
 *     04 02 01 61                    optional: field 4 (names), 2 bytes, "a" with its length */
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
/* 0 or -1: PROTOCOL. */
int my_table_map_parse(struct cdc_bytes body, struct my_table_map *map, struct cdc_error *error);

#endif
