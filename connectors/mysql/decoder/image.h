/* SPDX-License-Identifier: MIT */
/* Row images: which bytes are which column's, and their JSON. */
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
/* Reads one image: present and null bitmaps, cells[n_columns]. partial: bitmap over the table's JSON columns, or NULL. */
int my_image_read(const struct my_table *table, struct cdc_bytes *cursor, const uint8_t *present,
                  const uint8_t *partial, struct my_cell *cells, struct cdc_error *error);
/* Is the row that the cell of row_end belongs to the table's row of now? */
bool my_image_is_current(const struct my_cell *row_end);
/* Appends {"column":value,...} of the columns that are there; key_only: of the key's. before: for partial JSON; may be
 * NULL. */
int my_image_append_row(struct cdc_buf *out, const struct my_table *table, const struct my_cell *cells,
                        const struct my_cell *before, bool key_only, const struct cdc_value_format *style,
                        uint64_t *unconvertible, struct cdc_error *error);

#endif
