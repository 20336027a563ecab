/* SPDX-License-Identifier: MIT */
/* Columns from a TABLE_MAP: types with their metadata (value/column.c has examples), and the optional part, which
 * says with binlog_row_metadata=FULL almost all that information_schema would (MySQL source documentation,
 * "Table_map_event"; MariaDB writes the same). Fields of a type, a packed length and a value. Of
 *     create table t (id int unsigned primary key, s varchar(9) character set latin1, e enum('a','b'), b blob)
 *
 *     01 01 80        signedness, a bit for each number, the highest first: id is unsigned
 *     03 02 08 3f     charset of each text: 8 (latin1), 63 (binary)
 *     04 09 02 69 64 01 73 01 65 01 62   names
 *     0a 01 2d        charset of ENUM and SET: 45 (utf8mb4)
 *     06 05 02 01 61 01 62               labels of each ENUM: two, "a", "b"
 *     08 01 00        key: column 0
 *
 * Charsets are written as all, one after the other (03, 0b), or as a common one and exceptions (02, 0a): 02 03 08 01 3f
 * is 8, but 63 for text 1. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_VAR_STRING 253
#define MAX_LABELS 65535 /* of an ENUM */

enum optional_type {
    OPTIONAL_SIGNEDNESS = 1,
    OPTIONAL_DEFAULT_CHARSET = 2,
    OPTIONAL_CHARSETS = 3,
    OPTIONAL_NAMES = 4,
    OPTIONAL_SET_LABELS = 5,
    OPTIONAL_ENUM_LABELS = 6,
    OPTIONAL_KEY = 8,
    OPTIONAL_KEY_WITH_PREFIX = 9,
    OPTIONAL_LABEL_DEFAULT_CHARSET = 10,
    OPTIONAL_LABEL_CHARSETS = 11,
    OPTIONAL_VISIBILITY = 12
};

static int damaged(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is damaged: %s", what);
}

/* -- types and their metadata ---------------------------------------------------- */

/* Bytes of metadata that a type has. */
static int metadata_size(uint8_t type)
{
    switch (type) {
    case MY_TYPE_FLOAT:
    case MY_TYPE_DOUBLE:
    case MY_TYPE_BLOB:
    case MY_TYPE_GEOMETRY:
    case MY_TYPE_JSON:
    case MY_TYPE_VECTOR:
    case MY_TYPE_TIMESTAMP2:
    case MY_TYPE_DATETIME2:
    case MY_TYPE_TIME2:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: return 1;
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED:
    case MY_TYPE_BIT:
    case MY_TYPE_DECIMAL:
    case TYPE_VAR_STRING:
    case MY_TYPE_STRING:
    case MY_TYPE_ENUM:
    case MY_TYPE_SET: return 2;
    default: return 0;
    }
}

/* STRING stands for CHAR, BINARY, ENUM and SET: the first byte has the real type, and, in two of its bits, inverted,
 * the high bits of a length above 255. fe 50 is char(20) of utf8mb4, ce fc char(255) (0x3fc bytes), f7 01 an ENUM of
 * one byte. */
static void resolve_string(struct my_column *column, uint8_t first, uint8_t second)
{
    if ((first & 0x30) != 0x30) {
        column->metadata = (uint16_t)(second + (((first & 0x30) ^ 0x30) << 4));
        return;
    }
    column->metadata = second;
    if (first == MY_TYPE_ENUM || first == MY_TYPE_SET)
        column->type = first;
}

static int read_types(struct my_table *table, const struct my_table_map *map, struct cdc_error *error)
{
    struct cdc_bytes meta = {(const uint8_t *)map->metadata.p, (const uint8_t *)map->metadata.p + map->metadata.n,
                             false};
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        int size = metadata_size(map->types[i]);
        column->type = map->types[i];
        column->decimals = -1;
        column->nullable = map->null_bits[i / 8] >> (i % 8) & 1;
        const uint8_t *bytes = cdc_bytes_take(&meta, (size_t)size);
        if (!bytes)
            return damaged(error, "metadata of its columns");
        column->metadata = size == 0 ? 0 : size == 1 ? bytes[0] : (uint16_t)(bytes[0] | bytes[1] << 8);
        if (column->type == MY_TYPE_STRING)
            resolve_string(column, bytes[0], bytes[1]);
        else if (column->type == TYPE_VAR_STRING)
            column->type = MY_TYPE_VARCHAR;
        table->n_json += column->type == MY_TYPE_JSON;
    }
    return meta.p == meta.end ? 0 : damaged(error, "metadata of its columns");
}

/* -- the optional part -------------------------------------------------------------- */

static bool is_numeric(const struct my_column *column)
{
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_SHORT:
    case MY_TYPE_INT24:
    case MY_TYPE_LONG:
    case MY_TYPE_LONGLONG:
    case MY_TYPE_DECIMAL:
    case MY_TYPE_FLOAT:
    case MY_TYPE_DOUBLE:
    case MY_TYPE_YEAR: return true; /* both servers count YEAR */
    default: return false;
    }
}

static bool is_label(const struct my_column *column)
{
    return column->type == MY_TYPE_ENUM || column->type == MY_TYPE_SET;
}

static bool is_text(const struct my_column *column, enum my_flavor flavor)
{
    switch (column->type) {
    case MY_TYPE_VARCHAR:
    case MY_TYPE_STRING:
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: return true;
    case MY_TYPE_VECTOR: return flavor == MY_FLAVOR_MYSQL;
    case MY_TYPE_GEOMETRY: return flavor == MY_FLAVOR_MARIADB;
    default: return false;
    }
}

/* Bits are counted from the highest of each byte. */
static bool next_bit(struct cdc_bytes *cursor, unsigned *bit)
{
    if (cdc_bytes_left(cursor) == 0) {
        cursor->bad = true;
        return false;
    }
    bool set = *cursor->p >> (7 - *bit) & 1;
    if (++*bit == 8) {
        *bit = 0;
        cursor->p++;
    }
    return set;
}

static void read_signedness(struct my_table *table, struct cdc_bytes *cursor)
{
    unsigned bit = 0;
    for (size_t i = 0; i < table->n_columns; i++)
        if (is_numeric(&table->columns[i]))
            table->columns[i].is_unsigned = next_bit(cursor, &bit);
}

static void read_visibility(struct my_table *table, struct cdc_bytes *cursor)
{
    unsigned bit = 0;
    for (size_t i = 0; i < table->n_columns; i++)
        table->columns[i].invisible = !next_bit(cursor, &bit);
}

/* One charset for all columns that count, and exceptions: their index among them, and their charset. */
static void read_default_charset(struct my_table *table, enum my_flavor flavor, bool labels, struct cdc_bytes *cursor)
{
    const struct my_charset *common = my_charset_of((unsigned)my_packed_read(cursor));
    uint64_t exception = UINT64_MAX, index = 0;
    if (cdc_bytes_left(cursor) > 0)
        exception = my_packed_read(cursor);
    for (size_t i = 0; i < table->n_columns && !cursor->bad; i++) {
        struct my_column *column = &table->columns[i];
        if (labels ? !is_label(column) : !is_text(column, flavor))
            continue;
        column->charset = common;
        if (index++ == exception) {
            column->charset = my_charset_of((unsigned)my_packed_read(cursor));
            exception = cdc_bytes_left(cursor) > 0 ? my_packed_read(cursor) : UINT64_MAX;
        }
    }
}

static void read_charsets(struct my_table *table, enum my_flavor flavor, bool labels, struct cdc_bytes *cursor)
{
    for (size_t i = 0; i < table->n_columns && !cursor->bad; i++) {
        struct my_column *column = &table->columns[i];
        if (labels ? is_label(column) : is_text(column, flavor))
            column->charset = my_charset_of((unsigned)my_packed_read(cursor));
    }
}

/* A string with its length before it, as it stands. */
static struct cdc_span read_string(struct cdc_bytes *cursor)
{
    uint64_t n = my_packed_read(cursor);
    const uint8_t *p = n <= cdc_bytes_left(cursor) ? cdc_bytes_take(cursor, (size_t)n) : NULL;
    if (!p)
        cursor->bad = true;
    return cdc_span(p ? (const char *)p : "", p ? (size_t)n : 0);
}

bool my_metadata_is_name(struct cdc_span name)
{
    return cdc_utf8_valid(name.p, name.n) && memchr(name.p, '\0', name.n) == NULL;
}

static int read_names(struct my_table *table, struct cdc_bytes *cursor, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        struct cdc_span name = read_string(cursor);
        if (!my_metadata_is_name(name))
            return damaged(error, "names of its columns");
        free(table->columns[i].name);
        table->columns[i].name = cdc_span_copy(name);
        if (!table->columns[i].name)
            return cdc_error_memory(error);
    }
    table->has_names = !cursor->bad;
    return 0;
}

/* One label, from the column's charset; bytes that are not valid in it stay as they are. It may have a NUL in it: after CONVERT TO
 * CHARACTER SET from utf16 the server keeps the bytes of a label as they were, 00 61 for a. */
static int take_label(struct my_column *column, struct cdc_span raw, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (!my_charset_convert(&text, column->charset, (const uint8_t *)raw.p, raw.n)) {
        text.len = 0;
        cdc_buf_append(&text, raw.p, raw.n);
    }
    return my_column_add_label(column, &text, error);
}

/* The first releases of MySQL 8.0 do not tell the charset of labels, and without it their bytes may mean anything: the
 * column counts as one that the log does not name. */
static void skip_labels(struct my_table *table, struct my_column *column, uint64_t n, struct cdc_bytes *cursor)
{
    while (n-- > 0)
        (void)read_string(cursor);
    free(column->name);
    column->name = NULL;
    table->has_names = false;
}

static int read_labels(struct my_table *table, uint8_t type, struct cdc_bytes *cursor, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns && !cursor->bad; i++) {
        struct my_column *column = &table->columns[i];
        if (column->type != type || column->labels)
            continue;
        uint64_t n = my_packed_read(cursor);
        if (n > MAX_LABELS || n > cdc_bytes_left(cursor)) /* a label has a byte at least: its length */
            return damaged(error, "labels of ENUM or SET");
        if (!column->charset) {
            skip_labels(table, column, n, cursor);
            continue;
        }
        column->labels = calloc((size_t)n + 1, sizeof *column->labels);
        if (!column->labels)
            return cdc_error_memory(error);
        while (column->n_labels < n)
            if (take_label(column, read_string(cursor), error) < 0)
                return -1;
    }
    return 0;
}

static void read_key(struct my_table *table, bool prefixes, struct cdc_bytes *cursor)
{
    while (cdc_bytes_left(cursor) > 0 && !cursor->bad) {
        uint64_t index = my_packed_read(cursor);
        if (prefixes)
            (void)my_packed_read(cursor);
        if (index >= table->n_columns)
            cursor->bad = true;
        else
            table->columns[index].logged_key = true;
    }
}

static int read_optional(struct my_table *table, enum my_flavor flavor, uint8_t type, struct cdc_bytes *value,
                         struct cdc_error *error)
{
    switch (type) {
    case OPTIONAL_SIGNEDNESS:
        read_signedness(table, value);
        table->has_signs = true;
        return 0;
    case OPTIONAL_DEFAULT_CHARSET: read_default_charset(table, flavor, false, value); return 0;
    case OPTIONAL_CHARSETS: read_charsets(table, flavor, false, value); return 0;
    case OPTIONAL_NAMES: return read_names(table, value, error);
    case OPTIONAL_SET_LABELS: return read_labels(table, MY_TYPE_SET, value, error);
    case OPTIONAL_ENUM_LABELS: return read_labels(table, MY_TYPE_ENUM, value, error);
    case OPTIONAL_KEY: read_key(table, false, value); return 0;
    case OPTIONAL_KEY_WITH_PREFIX: read_key(table, true, value); return 0;
    case OPTIONAL_LABEL_DEFAULT_CHARSET: read_default_charset(table, flavor, true, value); return 0;
    case OPTIONAL_LABEL_CHARSETS: read_charsets(table, flavor, true, value); return 0;
    case OPTIONAL_VISIBILITY: read_visibility(table, value); return 0;
    default: return 0; /* newer servers may say more of a table; none of it changes how rows are written */
    }
}

/* Labels are in a charset that may come after them: they are read when all else is. */
static int read_fields(struct my_table *table, enum my_flavor flavor, struct cdc_span optional, bool labels,
                       struct cdc_error *error)
{
    struct cdc_bytes cursor = {(const uint8_t *)optional.p, (const uint8_t *)optional.p + optional.n, false};
    while (cdc_bytes_left(&cursor) > 0) {
        uint8_t type = (uint8_t)cdc_bytes_le(&cursor, 1);
        struct cdc_span value = read_string(&cursor);
        struct cdc_bytes inner = {(const uint8_t *)value.p, (const uint8_t *)value.p + value.n, false};
        if (cursor.bad)
            return damaged(error, "optional metadata");
        if ((type == OPTIONAL_SET_LABELS || type == OPTIONAL_ENUM_LABELS) != labels)
            continue;
        if (read_optional(table, flavor, type, &inner, error) < 0)
            return -1;
        if (inner.bad)
            return damaged(error, "optional metadata");
    }
    return 0;
}

int my_metadata_read(struct my_table *table, const struct my_table_map *map, enum my_flavor flavor,
                     struct cdc_error *error)
{
    if (read_types(table, map, error) < 0 || read_fields(table, flavor, map->optional, false, error) < 0)
        return -1;
    table->has_key_told = table->has_names; /* FULL tells both, and says nothing of a key that is not there */
    return read_fields(table, flavor, map->optional, true, error);
}
