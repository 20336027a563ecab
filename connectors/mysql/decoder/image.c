/* SPDX-License-Identifier: MIT */
/* Row images: image.h has an example. Reading finds where the values are, and only those that are written are
 * decoded. */
#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>

static inline bool bit(const uint8_t *bitmap, size_t i)
{
    return bitmap[i / 8] >> (i % 8) & 1;
}

static int damaged(const struct my_table *table, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a row of table %s.%s is damaged", table->db, table->name);
}

/* Differences of a document: their length in four bytes, whatever the column's is. */
static int read_partial(const struct my_table *table, struct cdc_bytes *cursor, struct my_cell *cell,
                        struct cdc_error *error)
{
    uint32_t n = (uint32_t)cdc_bytes_le(cursor, 4);
    cell->p = cdc_bytes_take(cursor, n);
    cell->n = n;
    cell->partial = true;
    return cursor->bad ? damaged(table, error) : 0;
}

/* p..n: the value with its length, as my_value_append wants it. */
static int read_value(const struct my_table *table, size_t i, struct cdc_bytes *cursor, struct my_cell *cell,
                      struct cdc_error *error)
{
    cell->p = cursor->p;
    if (my_value_skip(&table->columns[i], cursor, error) < 0)
        return -1;
    cell->n = (uint32_t)(cursor->p - cell->p);
    return 0;
}

int my_image_read(const struct my_table *table, struct cdc_bytes *cursor, const uint8_t *present,
                  const uint8_t *partial, struct my_cell *cells, struct cdc_error *error)
{
    size_t n_present = 0, at = 0, json = 0;
    for (size_t i = 0; i < table->n_columns; i++)
        n_present += bit(present, i);
    const uint8_t *nulls = cdc_bytes_take(cursor, (n_present + 7) / 8);
    if (!nulls)
        return damaged(table, error);
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_cell *cell = &cells[i];
        bool is_partial = partial && table->columns[i].type == MY_TYPE_JSON && bit(partial, json++);
        *cell = (struct my_cell){NULL, 0, false, false};
        if (!bit(present, i))
            continue;
        cell->null = bit(nulls, at++);
        if (cell->null)
            cell->p = cursor->p;
        else if ((is_partial ? read_partial(table, cursor, cell, error) : read_value(table, i, cursor, cell, error)) <
                 0)
            return -1;
    }
    return 0;
}

static int append_partial(struct cdc_buf *out, const struct my_table *table, const struct my_cell *cell,
                          const struct my_cell *before, const struct my_column *column, struct cdc_error *error)
{
    struct cdc_span old = {NULL, 0}; /* without its length, of so many bytes as the metadata says */
    if (before && before->p && !before->null && !before->partial && before->n >= column->metadata)
        old = cdc_span((const char *)before->p + column->metadata, before->n - column->metadata);
    if (old.p == NULL) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "table %s.%s: the log has only the changed parts of JSON column \"%s\", without the document",
                      table->db, table->name, column->name);
        return cdc_error_hint(error, "SET GLOBAL binlog_row_image = FULL; or SET GLOBAL binlog_row_value_options = ''");
    }
    return my_value_apply_json_diffs(out, old, cdc_span((const char *)cell->p, cell->n), error) < 0 ? -1 : 0;
}

void my_image_note_json_null(struct cdc_buf *names, const struct my_column *column, const struct cdc_buf *out,
                             size_t start)
{
    bool json = column->kind == MY_KIND_JSON || column->kind == MY_KIND_JSON_TEXT;
    if (!json || out->len != start + 4 || memcmp(out->data + start, "null", 4) != 0)
        return;
    cdc_buf_byte(names, ',');
    cdc_buf_append(names, column->name_json.data, column->name_json.len - 1);
}

void my_image_append_json_null(struct cdc_buf *out, const char *member, const struct cdc_buf *names)
{
    if (names->failed)
        out->failed = true;
    if (names->len == 0)
        return;
    cdc_buf_lit(out, ",\"");
    cdc_buf_text(out, member);
    cdc_buf_lit(out, "\":[");
    cdc_buf_append(out, names->data + 1, names->len - 1);
    cdc_buf_byte(out, ']');
}

int my_image_append_row(struct cdc_buf *out, const struct my_table *table, const struct my_cell *cells,
                        const struct my_cell *before, bool key_only, const struct cdc_value_format *format,
                        uint64_t *unconvertible, struct cdc_buf *json_null, struct cdc_error *error)
{
    char separator = '{';
    if (json_null)
        json_null->len = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct my_column *column = &table->columns[i];
        const struct my_cell *cell = &cells[i];
        if (!cell->p || column->hidden || (key_only && !column->key))
            continue;
        cdc_buf_byte(out, separator);
        separator = ',';
        cdc_buf_append_buf(out, &column->name_json);
        size_t start = out->len;
        if (cell->null) {
            cdc_buf_lit(out, "null");
        } else if (cell->partial) {
            if (append_partial(out, table, cell, before ? &before[i] : NULL, column, error) < 0)
                return -1;
        } else {
            struct cdc_bytes cursor = {cell->p, cell->p + cell->n, false};
            if (my_value_append(out, column, &cursor, format, unconvertible, error) < 0)
                return -1;
        }
        if (json_null && !cell->null)
            my_image_note_json_null(json_null, column, out, start);
    }
    if (separator == '{') /* no column at all: {} */
        cdc_buf_byte(out, '{');
    cdc_buf_byte(out, '}');
    return 0;
}
