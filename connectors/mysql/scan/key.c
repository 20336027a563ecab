/* SPDX-License-Identifier: MIT */
/* Reading a table in the order of its primary key: from a key on, and up to one. */
#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/column.h"

#include <stdlib.h>

/* -- which key ------------------------------------------------------------------------------ */

/* Of these, what is compared is what is printed, and the order of the index is the order of the type. */
static bool is_ordered(const struct my_column *column)
{
    switch (column->kind) {
    case MY_KIND_INTEGER:
    case MY_KIND_DECIMAL:
    case MY_KIND_DATE:
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP: return true;
    case MY_KIND_TEXT: return column->charset && !my_charset_is_binary(column->charset);
    case MY_KIND_BINARY: return true;
    default: return false;
    }
}

static size_t find_column(const struct my_table *table, const char *name)
{
    size_t i = 0;
    while (i < table->n_columns && strcmp(table->columns[i].name, name) != 0)
        i++;
    return i;
}

/* row: COLUMN_NAME, COLLATION, SUB_PART. Descending parts, and prefixes, have another order. */
static bool take_part(struct my_snapshot_table *source, MYSQL_ROW row)
{
    size_t column = find_column(source->table, row[0] ? row[0] : "");
    if (column == source->table->n_columns || !row[1] || strcmp(row[1], "A") != 0 || row[2] ||
        !is_ordered(&source->table->columns[column]))
        return false;
    source->key[source->n_key++] = column;
    return true;
}

int my_key_find(struct my_snapshot *run, struct my_snapshot_table *source, struct cdc_error *error)
{
    if (!source->frozen)
        return 0;
    MYSQL_RES *result = my_catalog_query(
        run->sql, "SELECT COLUMN_NAME, COLLATION, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ",
        " AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX", source->table, error);
    if (!result)
        return -1;
    source->key = calloc((size_t)mysql_num_rows(result) + 1, sizeof *source->key);
    bool good = source->key != NULL;
    for (MYSQL_ROW row; good && (row = mysql_fetch_row(result)) != NULL;)
        good = take_part(source, row);
    mysql_free_result(result);
    if (!source->key)
        return cdc_error_memory(error);
    if (!good)
        source->n_key = 0;
    return 0;
}

/* -- its values ------------------------------------------------------------------------------ */

void my_key_clear(struct snapshot_key *key)
{
    key->values.len = 0;
    key->n = 0;
}

void my_key_free(struct snapshot_key *key)
{
    cdc_buf_free(&key->values);
    key->n = 0;
}

static bool is_string(const struct my_column *column)
{
    return column->kind == MY_KIND_TEXT || column->kind == MY_KIND_BINARY;
}

void my_key_append(struct snapshot_key *key, const struct my_column *column, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    if (is_string(column))
        for (size_t i = 0; i < n; i++)
            cdc_buf_hex(&key->values, p[i], 2);
    else
        cdc_buf_append(&key->values, bytes, n);
    cdc_buf_byte(&key->values, '\0');
    key->n++;
}

/* What a line says of a number or a time, as the server would print it: "2026-11-21T09:28:42Z" has a blank inside. */
static void append_printed(struct snapshot_key *key, const char *json, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (json[i] != '"' && json[i] != 'Z')
            cdc_buf_byte(&key->values, json[i] == 'T' ? ' ' : json[i]);
    cdc_buf_byte(&key->values, '\0');
    key->n++;
}

int my_key_append_cell(struct snapshot_key *key, const struct my_column *column, const struct my_cell *cell,
                       uint8_t wire, struct cdc_error *error)
{
    static const struct cdc_value_format plain = {0};
    char text[128];
    struct cdc_buf json = {text, 0, sizeof text, false};
    uint64_t unconvertible = 0;
    if (wire == MY_CELL_BYTES) {
        my_key_append(key, column, cell->p, cell->n);
        return 0;
    }
    if (my_cell_append(&json, column, cell, &plain, &unconvertible, error) < 0)
        return -1;
    append_printed(key, json.data, json.len);
    return 0;
}

bool my_key_restore(struct snapshot_key *key, const struct my_column *column, struct cdc_span value)
{
    const char *digits = is_string(column) ? "0123456789ABCDEF" : "0123456789-.: ";
    if (is_string(column) ? value.n % 2 != 0 : value.n == 0)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == '\0' || !strchr(digits, value.p[i]))
            return false;
    cdc_buf_append(&key->values, value.p, value.n);
    cdc_buf_byte(&key->values, '\0');
    key->n++;
    return !key->values.failed;
}

/* -- the statement ------------------------------------------------------------------------------ */

static void append_literal(struct cdc_buf *out, const struct my_column *column, const char *value)
{
    switch (column->kind) {
    case MY_KIND_INTEGER:
    case MY_KIND_DECIMAL: cdc_buf_text(out, value); return;
    case MY_KIND_TEXT:
        cdc_buf_byte(out, '_');
        cdc_buf_text(out, my_charset_name(column->charset));
        cdc_buf_byte(out, ' ');
        break;
    case MY_KIND_BINARY: break;
    default: cdc_buf_printf(out, "'%s'", value); return;
    }
    cdc_buf_printf(out, "X'");
    cdc_buf_text(out, value);
    cdc_buf_byte(out, '\'');
}

static void compare(struct cdc_buf *out, const struct my_column *column, const char *how, const char *value)
{
    my_session_append_identifier(out, column->name);
    cdc_buf_text(out, how);
    append_literal(out, column, value);
}

/* (a < x OR (a = x AND (b < y OR (b = y AND c <= z)))): the optimizers know a range in that, and not in (a, b) < (x, y). */
static void append_range(struct cdc_buf *out, const struct my_snapshot_table *source, const char *strictly,
                         const char *finally, const struct snapshot_key *key)
{
    const char *value = key->values.data;
    for (size_t i = 0; i < source->n_key; i++, value += strlen(value) + 1) {
        const struct my_column *column = &source->table->columns[source->key[i]];
        bool last = i + 1 == source->n_key;
        cdc_buf_byte(out, '(');
        compare(out, column, last ? finally : strictly, value);
        if (last)
            break;
        cdc_buf_text(out, " OR (");
        compare(out, column, " = ", value);
        cdc_buf_text(out, " AND ");
    }
    for (size_t i = 2 * source->n_key - 1; i > 0; i--)
        cdc_buf_byte(out, ')');
}

void my_key_clause(struct cdc_buf *out, const struct my_snapshot_table *source, const struct snapshot_key *after,
                   const struct snapshot_key *upto)
{
    if (source->n_key == 0)
        return;
    cdc_buf_text(out, " FORCE INDEX (PRIMARY)");
    if (after->n > 0) {
        cdc_buf_text(out, " WHERE ");
        append_range(out, source, " > ", " > ", after);
    }
    if (upto->n > 0) {
        cdc_buf_text(out, after->n > 0 ? " AND " : " WHERE ");
        append_range(out, source, " < ", " <= ", upto);
    }
    cdc_buf_text(out, " ORDER BY ");
    for (size_t i = 0; i < source->n_key; i++) {
        cdc_buf_text(out, i ? "," : "");
        my_session_append_identifier(out, source->table->columns[source->key[i]].name);
    }
}
