/* SPDX-License-Identifier: MIT */
/* What a column is, from its type in the log, the metadata beside it, its charset, and the name that the database
 * gives its type: worked out once for a table, so that a value needs one switch on the kind and no look at the
 * metadata.
 *
 * What metadata means is a matter of the type (the table in mysql-server's sql/rpl_utility.h, and each field's
 * save_field_metadata). Two bytes, the first in the lower half:
 *     decimal(12,2)   0c 02   precision, scale
 *     bit(12)         04 01   bits above whole bytes, whole bytes
 *     datetime(6)     06      digits of a second
 *     varchar(40)     a0 00   longest in bytes, here of utf8mb4; above 255 a value has two bytes of length
 *     blob, json      02      bytes of the length before a value */
#include "connectors/mysql/value/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

int my_column_damaged(const struct my_column *column, struct cdc_error *error, const char *why)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: %s", column->name == NULL ? "?" : column->name, why);
}

int my_column_add_label(struct my_column *column, struct cdc_buf *text, struct cdc_error *error)
{
    cdc_buf_byte(text, '\0'); /* so that there is something, also of an empty one */
    if (text->failed) {
        cdc_buf_free(text);
        return cdc_error_memory(error);
    }
    column->labels[column->n_labels++] = cdc_span(text->data, text->len - 1);
    return 0;
}

void my_column_free(struct my_column *column)
{
    free(column->name);
    free(column->type_name);
    cdc_buf_free(&column->name_json);
    for (size_t i = 0; i < column->n_labels; i++)
        free((void *)(uintptr_t)column->labels[i].p);
    free(column->labels);
    *column = (struct my_column){0};
}

/* Is that the type's name, whatever stands in parentheses or after it? */
static bool type_is(const struct my_column *column, const char *name)
{
    size_t n = strlen(name);
    return column->type_name != NULL && strncasecmp(column->type_name, name, n) == 0 &&
           !isalnum((unsigned char)column->type_name[n]);
}

/* The number in the parentheses of "datetime(3)"; 0 when there are none. */
static unsigned type_argument(const struct my_column *column)
{
    const char *open = column->type_name == NULL ? NULL : strchr(column->type_name, '(');
    unsigned long value = open == NULL ? 0 : strtoul(open + 1, NULL, 10);
    return value > UINT16_MAX ? UINT16_MAX : (unsigned)value;
}

/* The log names no charset where binlog_row_metadata is not FULL: then the name of the type decides. */
static bool is_binary(const struct my_column *column)
{
    static const char *const names[] = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"};
    if (column->charset != NULL)
        return my_charset_is_binary(column->charset);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (type_is(column, names[i]))
            return true;
    return false;
}

/* MariaDB's own types are strings in the log; only the name of the type tells them apart. */
static enum my_kind string_kind(struct my_column *column, enum my_flavor flavor)
{
    bool fixed = column->type == MY_TYPE_STRING;
    if (flavor == MY_FLAVOR_MARIADB) {
        if (fixed && type_is(column, "uuid") && column->length == 16)
            return MY_KIND_UUID;
        if (fixed && type_is(column, "inet6") && column->length == 16)
            return MY_KIND_INET6;
        if (fixed && type_is(column, "inet4") && column->length == 4)
            return MY_KIND_INET4;
        if (type_is(column, "json"))
            return MY_KIND_JSON_TEXT;
        if (column->type == MY_TYPE_VARCHAR && type_is(column, "vector")) {
            column->length /= 4;
            return MY_KIND_VECTOR;
        }
    }
    return is_binary(column) ? MY_KIND_BINARY : MY_KIND_TEXT;
}

static int resolve_decimal(struct my_column *column, struct cdc_error *error)
{
    unsigned precision = column->metadata & 0xff, scale = column->metadata >> 8;
    if (my_decimal_size(precision, scale) == 0)
        return my_column_damaged(column, error, "precision and scale that no decimal has");
    column->kind = MY_KIND_DECIMAL;
    column->precision = (uint8_t)precision;
    column->decimals = (int8_t)scale;
    return 0;
}

/* BIT(12): 4 bits, and 1 whole byte. */
static int resolve_bits(struct my_column *column, struct cdc_error *error)
{
    unsigned bits = (column->metadata & 0xffu) + 8u * (column->metadata >> 8);
    if (bits == 0 || bits > 64 || (column->metadata & 0xff) > 7)
        return my_column_damaged(column, error, "more bits than the server allows");
    column->kind = MY_KIND_BIT;
    column->length = bits;
    return 0;
}

static int resolve_temporal(struct my_column *column, enum my_kind kind, struct cdc_error *error)
{
    column->kind = kind;
    column->decimals = (int8_t)(column->metadata <= 6 ? column->metadata : 7);
    return column->decimals <= 6 ? 0 : my_column_damaged(column, error, "more than six digits of a second");
}

/* Of before MySQL 5.6. In MariaDB these codes may also have fractions, and the log does not say which. */
static void resolve_old_temporal(struct my_column *column, enum my_kind kind, enum my_flavor flavor)
{
    column->kind = flavor == MY_FLAVOR_MYSQL ? kind : MY_KIND_OLD_TEMPORAL;
    column->decimals = 0;
    if (flavor == MY_FLAVOR_MARIADB) {
        unsigned digits = type_argument(column);
        column->decimals = (int8_t)(column->type_name == NULL || digits > 6 ? -1 : (int)digits);
    }
}

/* Metadata is a number of bytes, 1 to most: of the length before a value, of an ENUM's number, of a SET's bits. */
static int resolve_sized(struct my_column *column, enum my_kind kind, unsigned most, struct cdc_error *error)
{
    column->kind = kind;
    if (column->metadata >= 1 && column->metadata <= most)
        return 0;
    return my_column_damaged(column, error, "a length of so many bytes is not known");
}

/* Bytes of the length before a value; 0: its size is fixed. */
static size_t prefix_size(const struct my_column *column)
{
    switch (column->type) {
    case MY_TYPE_STRING:
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED: return column->metadata > 255 ? 2 : 1;
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED:
    case MY_TYPE_JSON:
    case MY_TYPE_GEOMETRY:
    case MY_TYPE_VECTOR: return column->metadata;
    default: return 0;
    }
}

/* 0: not known. */
static size_t fixed_size(const struct my_column *column)
{
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_YEAR: return 1;
    case MY_TYPE_SHORT: return 2;
    case MY_TYPE_INT24: return 3;
    case MY_TYPE_LONG:
    case MY_TYPE_FLOAT: return 4;
    case MY_TYPE_LONGLONG:
    case MY_TYPE_DOUBLE: return 8;
    case MY_TYPE_DECIMAL: return my_decimal_size(column->precision, (unsigned)column->decimals);
    case MY_TYPE_BIT: return (column->length + 7) / 8;
    case MY_TYPE_ENUM:
    case MY_TYPE_SET: return column->metadata;
    default: return my_temporal_size(column);
    }
}

static int resolve_kind(struct my_column *column, enum my_flavor flavor, struct cdc_error *error)
{
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_SHORT:
    case MY_TYPE_INT24:
    case MY_TYPE_LONG:
    case MY_TYPE_LONGLONG: column->kind = MY_KIND_INTEGER; return 0;
    case MY_TYPE_FLOAT: column->kind = MY_KIND_FLOAT; return 0;
    case MY_TYPE_DOUBLE: column->kind = MY_KIND_DOUBLE; return 0;
    case MY_TYPE_YEAR:
        column->kind = MY_KIND_YEAR;
        column->length = column->type_name && strcmp(column->type_name, "year(2)") == 0 ? 2 : 4;
        return 0;
    case MY_TYPE_DATE:
        column->kind = MY_KIND_DATE;
        column->decimals = 0;
        return 0;
    case MY_TYPE_DECIMAL: return resolve_decimal(column, error);
    case MY_TYPE_BIT: return resolve_bits(column, error);
    case MY_TYPE_TIME2: return resolve_temporal(column, MY_KIND_TIME, error);
    case MY_TYPE_DATETIME2: return resolve_temporal(column, MY_KIND_DATETIME, error);
    case MY_TYPE_TIMESTAMP2: return resolve_temporal(column, MY_KIND_TIMESTAMP, error);
    case MY_TYPE_TIME: resolve_old_temporal(column, MY_KIND_TIME, flavor); return 0;
    case MY_TYPE_DATETIME: resolve_old_temporal(column, MY_KIND_DATETIME, flavor); return 0;
    case MY_TYPE_TIMESTAMP: resolve_old_temporal(column, MY_KIND_TIMESTAMP, flavor); return 0;
    case MY_TYPE_STRING:
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED:
        column->length = column->metadata;
        column->kind = string_kind(column, flavor);
        return 0;
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: return resolve_sized(column, string_kind(column, flavor), 4, error);
    case MY_TYPE_ENUM: return resolve_sized(column, MY_KIND_ENUM, 2, error);
    case MY_TYPE_SET: return resolve_sized(column, MY_KIND_SET, 8, error);
    case MY_TYPE_JSON: return resolve_sized(column, MY_KIND_JSON, 4, error);
    case MY_TYPE_GEOMETRY: return resolve_sized(column, MY_KIND_GEOMETRY, 4, error);
    case MY_TYPE_VECTOR: return resolve_sized(column, MY_KIND_VECTOR, 4, error);
    default:
        return cdc_error_set(error, CDC_EXIT_CONFIG, "column %s: its type (%u in the log) is not known",
                             column->name == NULL ? "?" : column->name, column->type);
    }
}

int my_column_resolve(struct my_column *column, enum my_flavor flavor, struct cdc_error *error)
{
    if (resolve_kind(column, flavor, error) < 0)
        return -1;
    column->length_size = (uint8_t)prefix_size(column);
    column->fixed_size = column->length_size ? 0 : (uint16_t)fixed_size(column);
    return 0;
}
