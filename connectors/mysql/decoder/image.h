/* SPDX-License-Identifier: MIT */
/* Row images: which bytes are which column's, and their JSON. A row (1, NULL, 'ab') of t (a int, b int, c
 * varchar(9)), all columns present:
 *     02             bitmap: the second is NULL, and has no bytes
 *     01 00 00 00    a
 *     02 61 62       c, with its length */
#ifndef MY_IMAGE_H
#define MY_IMAGE_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <cdc/value_format.h>

/* One column of an image. */
struct my_cell {
    const uint8_t *p; /* NULL: not in the image */
    uint32_t n;
    bool null;
    bool partial; /* p..n are the diffs of a JSON document */
};
/* Reads one image into cells[n_columns], which BORROW from it. present: bitmap of the columns that the image has;
 * partial: bitmap over the table's JSON columns that come as differences, or NULL. 0 or -1: PROTOCOL, CONFIG as
 * my_value_skip. */
int my_image_read(const struct my_table *table, struct cdc_bytes *cursor, const uint8_t *present,
                  const uint8_t *partial, struct my_cell *cells, struct cdc_error *error);
/* System-versioned tables of MariaDB: is the row with that row_end a current one, and not of the past? */
bool my_image_is_current(const struct my_cell *row_end);
/* JSON's null is a value, and prints as SQL's NULL does. To be called after a value was appended to out at start: where
 * it is one, appends `,"column"` to names. */
void my_image_note_json_null(struct cdc_buf *names, const struct my_column *column, const struct cdc_buf *out,
                             size_t start);
/* Appends `,"MEMBER":["column",...]`; nothing without names. */
void my_image_append_json_null(struct cdc_buf *out, const char *member, const struct cdc_buf *names);
/* Appends {"column":value,...} of the columns that are there; key_only: of the key's. before: the image before, for
 * partial JSON; may be NULL. json_null: as my_image_note_json_null, emptied first; NULL: not asked for. 0 or -1: as
 * my_value_append; CONFIG when a document is partial, and the one before is not there. */
int my_image_append_row(struct cdc_buf *out, const struct my_table *table, const struct my_cell *cells,
                        const struct my_cell *before, bool key_only, const struct cdc_value_format *format,
                        uint64_t *unconvertible, struct cdc_buf *json_null, struct cdc_error *error);

#endif
