/* SPDX-License-Identifier: MIT */
/* Reading a table in the order of its primary key: from a key on, and up to one. */
#include "connectors/mysql/scan/key.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/charset.h"

#include <stdlib.h>

/* -- which key ------------------------------------------------------------------------------ */

/* Chunks are cut by comparing with a value that was printed before; so a key serves only if what is printed is what
 * is compared, and the index has the order of the type. A FLOAT is printed rounded; an ENUM is ordered by the number
 * of its label and compared as text. */
static bool is_ordered(const struct my_column *column)
{
    switch (column->kind) {
    case MY_KIND_INTEGER:
    case MY_KIND_DECIMAL:
    case MY_KIND_DATE:
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP:
    case MY_KIND_TIME:
    case MY_KIND_UUID:
    case MY_KIND_INET4:
    case MY_KIND_INET6: return true;
    case MY_KIND_YEAR: return column->type_name && strcmp(column->type_name, "year(2)") != 0; /* 70 is 1970 */
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

/* row: COLUMN_NAME, COLLATION (A ascending, D descending), SUB_PART (of a prefix: name(10)). Descending parts, and
 * prefixes, have another order than `>` of whole values. */
static bool take_part(struct my_key *key, MYSQL_ROW row)
{
    size_t column = find_column(key->table, row[0] ? row[0] : "");
    if (column == key->table->n_columns || !row[1] || strcmp(row[1], "A") != 0 || row[2] ||
        !is_ordered(&key->table->columns[column]))
        return false;
    key->columns[key->n++] = column;
    return true;
}

int my_key_find(struct my_key *key, const struct my_table *table, MYSQL *mysql, struct cdc_error *error)
{
    *key = (struct my_key){.table = table};
    MYSQL_RES *result = my_catalog_query(
        mysql, "SELECT COLUMN_NAME, COLLATION, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ",
        " AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX", table, error);
    if (!result)
        return -1;
    key->columns = calloc((size_t)mysql_num_rows(result) + 1, sizeof *key->columns);
    bool good = key->columns != NULL;
    for (MYSQL_ROW row; good && (row = mysql_fetch_row(result)) != NULL;)
        good = take_part(key, row);
    mysql_free_result(result);
    if (!key->columns)
        return cdc_error_memory(error);
    if (!good)
        key->n = 0;
    return 0;
}

void my_key_free(struct my_key *key)
{
    free(key->columns);
    *key = (struct my_key){0};
}

/* -- its values ------------------------------------------------------------------------------ */

void my_key_value_clear(struct my_key_value *value)
{
    value->parts.len = 0;
    value->n = 0;
}

void my_key_value_free(struct my_key_value *value)
{
    cdc_buf_free(&value->parts);
    value->n = 0;
}

void my_range_free(struct my_range *range)
{
    my_key_value_free(&range->after);
    my_key_value_free(&range->upto);
}

void my_key_value_copy(struct my_key_value *to, const struct my_key_value *from)
{
    my_key_value_clear(to);
    cdc_buf_append_buf(&to->parts, &from->parts);
    to->n = from->n;
}

static bool is_string(const struct my_column *column)
{
    return column->kind == MY_KIND_TEXT || column->kind == MY_KIND_BINARY;
}

static void end_part(struct my_key_value *value)
{
    cdc_buf_byte(&value->parts, '\0');
    value->n++;
}

void my_key_value_append(struct my_key_value *value, const struct my_column *column, const void *bytes, size_t n)
{
    /* Strings as hexadecimal digits: any byte may be in them, and the parts are separated by NULs and kept in JSON. */
    const uint8_t *p = bytes;
    if (is_string(column))
        for (size_t i = 0; i < n; i++)
            cdc_buf_hex(&value->parts, p[i], 2);
    else
        cdc_buf_append(&value->parts, bytes, n);
    end_part(value);
}

/* What a line says of a number or a time, as the server would print it: "2026-11-21T09:28:42Z" has a blank inside. */
static void append_printed(struct my_key_value *value, const char *json, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (json[i] != '"' && json[i] != 'Z')
            cdc_buf_byte(&value->parts, json[i] == 'T' ? ' ' : json[i]);
    end_part(value);
}

int my_key_value_append_cell(struct my_key_value *value, const struct my_column *column, const struct my_cell *cell,
                             enum my_cell_form form, struct cdc_error *error)
{
    static const struct cdc_value_format plain = {0};
    char text[128];
    struct cdc_buf json = {text, 0, sizeof text, false};
    uint64_t unconvertible = 0;
    if (form == MY_CELL_BYTES) {
        my_key_value_append(value, column, cell->p, cell->n);
        return 0;
    }
    if (my_cell_append(&json, column, cell, &plain, &unconvertible, error) < 0)
        return -1;
    append_printed(value, json.data, json.len);
    return 0;
}

/* What was kept in the offset file goes into a statement again: no byte that could end a literal, whoever wrote the
 * file. */
bool my_key_value_restore(struct my_key_value *value, const struct my_column *column, struct cdc_span text)
{
    const char *allowed = is_string(column) ? "0123456789ABCDEF" : "0123456789abcdef-.: ";
    if (is_string(column) ? text.n % 2 != 0 : text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || !strchr(allowed, text.p[i]))
            return false;
    cdc_buf_append(&value->parts, text.p, text.n);
    end_part(value);
    return !value->parts.failed;
}

/* -- the statement ------------------------------------------------------------------------------ */

static void append_literal(struct cdc_buf *out, const struct my_column *column, const char *value)
{
    switch (column->kind) {
    case MY_KIND_INTEGER:
    case MY_KIND_YEAR: /* as a text, '0000' would be 2000 */
    case MY_KIND_DECIMAL: cdc_buf_text(out, value); return;
    case MY_KIND_TEXT:
        /* _latin1 X'E9': without the introducer the bytes would be compared as binary, in another order than the
         * column's. The column's own collation wins over that of a literal. */
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

/* (a < x OR (a = x AND (b < y OR (b = y AND c <= z)))): the optimizers know a range in that, and not in (a, b) < (x,
 * y), which would read the index from its beginning for each chunk. */
static void append_limit(struct cdc_buf *out, const struct my_key *key, const char *strictly, const char *finally,
                         const struct my_key_value *value)
{
    const char *part = value->parts.data;
    for (size_t i = 0; i < key->n; i++, part += strlen(part) + 1) {
        const struct my_column *column = my_key_column(key, i);
        bool last = i + 1 == key->n;
        cdc_buf_byte(out, '(');
        compare(out, column, last ? finally : strictly, part);
        if (last)
            break;
        cdc_buf_text(out, " OR (");
        compare(out, column, " = ", part);
        cdc_buf_text(out, " AND ");
    }
    for (size_t i = 2 * key->n - 1; i > 0; i--)
        cdc_buf_byte(out, ')');
}

void my_key_append_columns(struct cdc_buf *out, const struct my_key *key)
{
    for (size_t i = 0; i < key->n; i++) {
        cdc_buf_text(out, i ? "," : "");
        my_session_append_identifier(out, my_key_column(key, i)->name);
    }
}

static void append_next(struct cdc_buf *out, bool *any)
{
    cdc_buf_text(out, *any ? " AND " : " WHERE ");
    *any = true;
}

void my_key_append_range(struct cdc_buf *out, const struct my_key *key, const struct my_key_value *after,
                         const struct my_key_value *upto, const char *condition)
{
    bool any = false;
    /* Without it a secondary index may be taken, and all its rows sorted before the first one comes. */
    cdc_buf_text(out, key->n > 0 ? " FORCE INDEX (PRIMARY)" : "");
    if (key->n > 0 && after->n > 0) {
        append_next(out, &any);
        append_limit(out, key, " > ", " > ", after);
    }
    if (key->n > 0 && upto->n > 0) {
        append_next(out, &any);
        append_limit(out, key, " < ", " <= ", upto);
    }
    if (condition) {
        append_next(out, &any);
        cdc_buf_text(out, condition);
    }
    if (key->n > 0) {
        cdc_buf_text(out, " ORDER BY ");
        my_key_append_columns(out, key);
    }
}
