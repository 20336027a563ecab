/* SPDX-License-Identifier: MIT */
/* Rows events become lines: each row of an INSERT or a DELETE is one image, each of an UPDATE two, before and after. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <stdlib.h>

#define NO_TABLE UINT64_C(0xFFFFFF) /* a rows event that only ends a statement */

static int append_image(struct my_decoder *decoder, const struct my_table *table, const struct my_cell *cells,
                        bool key_only, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf *json_null = &decoder->json_null[cells == decoder->after];
    const struct my_cell *before = cells == decoder->after ? decoder->before : NULL;
    return my_image_append_row(out, table, cells, before, key_only, &decoder->settings.value_format,
                               &decoder->counts.unconvertible, key_only ? NULL : json_null, error);
}

/* A line without its whole key, or with NULL in it, would hit the wrong row of a sink. */
static int check_key(const struct my_table *table, const struct my_cell *cells, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].key && (!cells[i].p || cells[i].null))
            return cdc_error_set(error, cells[i].p ? CDC_EXIT_PROTOCOL : CDC_EXIT_CONFIG,
                                 "table %s.%s: a row in the log %s its key column \"%s\"", table->db, table->name,
                                 cells[i].p ? "has NULL in" : "lacks", table->columns[i].name);
    return 0;
}

/* Does an image before have columns that a MINIMAL one has not? */
static bool is_whole(const struct my_table *table, const struct my_cell *before)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (before[i].p && !table->columns[i].key && !table->columns[i].hidden)
            return true;
    return false;
}

static bool is_blob(const struct my_column *column)
{
    return column->type == MY_TYPE_BLOB || column->type == MY_TYPE_MARIADB_BLOB_COMPRESSED ||
           column->type == MY_TYPE_GEOMETRY;
}

/* MariaDB's log may omit a column because it is generated (hidden.c), and then it may well have changed. The catalog tells
 * which ones are, but not of a table that is no more, or that the user may not see. There, what an image omits that is
 * not MINIMAL, nor a blob's in a NOBLOB one, is generated; of other images it cannot be told. */
static int check_unchanged(struct my_decoder *decoder, const struct my_table *table, const struct my_column *column,
                           struct cdc_error *error)
{
    if (is_whole(table, decoder->before) && !is_blob(column)) {
        if (my_copies_are_kept(decoder))
            return my_copies_stop(decoder, table->db, table->name,
                                  "which of its columns were generated is not known any more", error);
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "table %s.%s: an update in the log lacks column \"%s\", as it lacks generated columns; what "
                      "became of it is not known",
                      table->db, table->name, column->name);
        return cdc_error_hint(
            error,
            "lines omit generated columns where a server tells which ones they are: GRANT SELECT on the "
            "table to the user, name a server with --schema-from where files are read, or exclude the "
            "table (-T '%s.%s')",
            table->db, table->name);
    }
    if (!decoder->maybe_generated)
        cdc_log_write(decoder->settings.log, CDC_LOG_WARNING,
                      "table %s.%s is not known to the server as it is in the log: column \"%s\" counts as unchanged "
                      "where an update in the log lacks it, and is not if it was a generated one (said once)",
                      table->db, table->name, column->name);
    decoder->maybe_generated = true;
    return 0;
}

/* Columns that were not in the log, which a sink leaves as they are. */
static int append_unchanged(struct my_decoder *decoder, const struct my_table *table, bool update, struct cdc_buf *out,
                            struct cdc_error *error)
{
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct my_column *column = &table->columns[i];
        if (decoder->after[i].p || column->hidden)
            continue;
        if (update && decoder->flavor == MY_FLAVOR_MARIADB && !column->listed &&
            check_unchanged(decoder, table, column, error) < 0)
            return -1;
        cdc_buf_text(out, any ? "," : ",\"unchanged\":[");
        cdc_buf_append(out, column->name_json.data, column->name_json.len - 1);
        any = true;
    }
    if (any)
        cdc_buf_byte(out, ']');
    return 0;
}

/* An update that omits a column did not change it, an insert gave it the default, which is not in the log. */
static void warn_omitted(struct my_decoder *decoder, const struct my_table *table)
{
    for (size_t i = 0; i < table->n_columns && !decoder->omitted; i++) {
        const struct my_column *column = &table->columns[i];
        if (decoder->after[i].p || column->hidden || column->generated)
            continue;
        decoder->omitted = true;
        cdc_log_write(
            decoder->settings.log, CDC_LOG_WARNING,
            "table %s.%s: a row was inserted without column \"%s\" (and maybe others), and its default is not "
            "in the log: such columns are named in \"unchanged\", and are NULL in a copy (said once; SET GLOBAL "
            "binlog_row_image = FULL, and let sessions reconnect)",
            table->db, table->name, column->name);
    }
}

/* What an image omits and the one before has, did not change (binlog_row_image=MINIMAL). */
static void fill_after(struct my_decoder *decoder, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!decoder->after[i].p)
            decoder->after[i] = decoder->before[i];
}

/* The line's members after its head; cells are read. */
static int row_members(struct my_decoder *decoder, const struct my_table *table, enum my_rows_kind kind,
                       struct cdc_buf *out, struct cdc_error *error)
{
    const struct my_cell *row = kind == MY_ROWS_DELETE ? decoder->before : decoder->after;
    if (table->has_key) {
        cdc_buf_lit(out, ",\"key\":");
        if (check_key(table, row, error) < 0 || append_image(decoder, table, row, true, out, error) < 0)
            return -1;
    }
    cdc_buf_lit(out, ",\"before\":");
    if (kind == MY_ROWS_WRITE)
        cdc_buf_lit(out, "null");
    else if (append_image(decoder, table, decoder->before, false, out, error) < 0)
        return -1;
    cdc_buf_lit(out, ",\"after\":");
    if (kind == MY_ROWS_DELETE) {
        cdc_buf_lit(out, "null");
    } else {
        if (append_image(decoder, table, decoder->after, false, out, error) < 0 ||
            append_unchanged(decoder, table, kind == MY_ROWS_UPDATE, out, error) < 0)
            return -1;
        if (kind == MY_ROWS_WRITE)
            warn_omitted(decoder, table);
    }
    my_image_append_json_null(out, "json_null", &decoder->json_null[kind != MY_ROWS_DELETE]);
    if (kind == MY_ROWS_UPDATE)
        my_image_append_json_null(out, "json_null_old", &decoder->json_null[0]);
    cdc_buf_lit(out, "}\n");
    return 0;
}

/* The bitmap of a PARTIAL_UPDATE_ROWS after image: which JSON columns come as differences. */
static int read_partial_bits(const struct my_table *table, struct cdc_bytes *cursor, const uint8_t **bits,
                             struct cdc_error *error)
{
    uint64_t options = my_packed_read(cursor);
    *bits = NULL;
    if (options & 1)
        *bits = cdc_bytes_take(cursor, (table->n_json + 7) / 8);
    if (cursor->bad || (options & ~UINT64_C(1)) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a partial update of table %s.%s is damaged", table->db,
                             table->name);
    return 0;
}

static int read_images(struct my_decoder *decoder, const struct my_table *table, struct my_rows_event *rows,
                       struct cdc_error *error)
{
    struct cdc_bytes *cursor = &rows->images;
    const uint8_t *partial = NULL;
    struct my_cell *first = rows->kind == MY_ROWS_WRITE ? decoder->after : decoder->before;
    if (my_image_read(table, cursor, rows->present, NULL, first, error) < 0)
        return -1;
    if (rows->kind != MY_ROWS_UPDATE)
        return 0;
    if (rows->partial_json && read_partial_bits(table, cursor, &partial, error) < 0)
        return -1;
    if (my_image_read(table, cursor, rows->present_after, partial, decoder->after, error) < 0)
        return -1;
    fill_after(decoder, table->n_columns);
    return 0;
}

/* What a change is to the current rows of a system-versioned table; false: none of them changes. */
static bool is_of_current(const struct my_decoder *decoder, const struct my_table *table, enum my_rows_kind *kind)
{
    size_t i = (size_t)(table->row_end - table->columns);
    bool before = *kind != MY_ROWS_WRITE && my_image_is_current(&decoder->before[i]);
    bool after = *kind != MY_ROWS_DELETE && my_image_is_current(&decoder->after[i]);
    *kind = before && after ? MY_ROWS_UPDATE : after ? MY_ROWS_WRITE : MY_ROWS_DELETE;
    return before || after;
}

static int write_rows(struct my_decoder *decoder, struct my_table *table, struct my_rows_event *rows, uint64_t ordinal,
                      struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const ops[] = {"c", "u", "d"};
    struct my_live *live = decoder->live ? my_live_of(decoder, table->db, table->name) : NULL;
    my_line_begin_event(decoder);
    if (!table->schema_written && !(live && live->hidden))
        my_line_schema(decoder, table, ordinal + 1, out);
    for (uint64_t row = 0; cdc_bytes_left(&rows->images) > 0; row++) {
        const uint8_t *start = rows->images.p;
        enum my_rows_kind kind = rows->kind;
        size_t line = out->len;
        if (read_images(decoder, table, rows, error) < 0)
            return -1;
        if (rows->images.p == start)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a row of table %s.%s is empty", table->db, table->name);
        ordinal++;
        if (table->row_end && !is_of_current(decoder, table, &kind))
            continue; /* its ordinal is used all the same */
        if (live && !my_live_takes(decoder, live, table, &kind))
            continue;
        my_line_begin_change(decoder, &table->source_head, ops[kind], ordinal, row, out);
        if (row_members(decoder, table, kind, out, error) < 0) {
            out->len = line; /* whole or not at all */
            return -1;
        }
        decoder->transaction.rows++;
    }
    return 0;
}

/* Room for n cells of both images. */
static int room_for_cells(struct my_decoder *decoder, size_t n, struct cdc_error *error)
{
    if (n <= decoder->n_cells)
        return 0;
    struct my_cell *before = calloc(n, sizeof *before), *after = calloc(n, sizeof *after);
    if (!before || !after) {
        free(before);
        free(after);
        return cdc_error_memory(error);
    }
    free(decoder->before);
    free(decoder->after);
    decoder->before = before;
    decoder->after = after;
    decoder->n_cells = n;
    return 0;
}

/* The table of the rows; NULL: there are none, or *error says what is wrong. */
static struct my_table *table_of(struct my_decoder *decoder, const struct my_rows_event *rows, struct cdc_error *error)
{
    struct my_table *table = decoder->last && decoder->last->id == rows->table_id
                                 ? decoder->last
                                 : decoder->tables[my_tables_slot(decoder, rows->table_id)];
    decoder->last = table;
    if (!table && rows->table_id == NO_TABLE && rows->size == 0)
        return NULL;
    if (!table || !decoder->transaction.open)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "rows of a table that the log did not describe (%s at %llu)",
                      decoder->coord.file, (unsigned long long)decoder->event_position);
    else if (rows->n_columns != table->n_columns)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "rows of table %s.%s have %zu columns, the table has %zu", table->db,
                      table->name, rows->n_columns, table->n_columns);
    else
        return table;
    return NULL;
}

bool my_rows_pass(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                  size_t omitted)
{
    struct my_rows_event rows;
    struct cdc_error own = {0};
    if (!my_rows_event_is(header) || my_rows_event_open(header, body, &rows, &own) < 0)
        return false; /* the whole event tells more */
    struct my_table *table = rows.packed ? NULL : table_of(decoder, &rows, &own);
    if (!table || table->selected)
        return false;
    if (decoder->live)
        my_live_pass(decoder, table);
    decoder->transaction.ordinal += rows.size + omitted + 1;
    decoder->transaction.bytes += header->size;
    return true;
}

int my_rows_decode(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                   struct cdc_buf *out, struct cdc_error *error)
{
    struct my_rows_event rows;
    struct cdc_error own = {0};
    if (my_rows_event_open(header, body, &rows, error) < 0)
        return -1;
    struct my_table *table = table_of(decoder, &rows, error ? error : &own);
    if (!table)
        return (error ? error : &own)->status ? -1 : 0;
    /* Ordinals must not depend on what -t selects, but rows of other tables are not read to be counted. A row takes
     * a byte at least, so the bytes of the event are as many ordinals as it can need. */
    uint64_t ordinal = decoder->transaction.ordinal;
    decoder->transaction.ordinal += rows.size + 1;
    if (decoder->live && !table->selected)
        my_live_pass(decoder, table);
    if (!table->selected || my_lookahead_is_undone(decoder))
        return 0;
    if (my_rows_event_unpack(&rows, &decoder->rows_scratch, error) < 0 ||
        room_for_cells(decoder, table->n_columns, error) < 0)
        return -1;
    return write_rows(decoder, table, &rows, ordinal, out, error);
}
