/* SPDX-License-Identifier: MIT */
/* The columns of a table from information_schema, in the terms of the log: so that types and values read the same. */
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <stdlib.h>

enum row_field {
    FIELD_NAME,
    FIELD_TYPE,      /* int, varchar, ... */
    FIELD_FULL_TYPE, /* int(10) unsigned */
    FIELD_CHARSET,
    FIELD_OCTETS,
    FIELD_PRECISION,
    FIELD_SCALE,
    FIELD_FRACTION,
    FIELD_NULLABLE,
    FIELD_KEY,
    FIELD_PRIVILEGES,
    FIELD_ORDINAL
};

static const struct type {
    const char *name;
    uint8_t type;
    uint8_t metadata; /* of types that have always the same; of blobs: bytes of the length */
} types[] = {
    {"tinyint", MY_TYPE_TINY, 0},
    {"smallint", MY_TYPE_SHORT, 0},
    {"mediumint", MY_TYPE_INT24, 0},
    {"int", MY_TYPE_LONG, 0},
    {"bigint", MY_TYPE_LONGLONG, 0},
    {"decimal", MY_TYPE_DECIMAL, 0},
    {"float", MY_TYPE_FLOAT, 4},
    {"double", MY_TYPE_DOUBLE, 8},
    {"bit", MY_TYPE_BIT, 0},
    {"year", MY_TYPE_YEAR, 0},
    {"date", MY_TYPE_DATE, 0},
    {"time", MY_TYPE_TIME2, 0},
    {"datetime", MY_TYPE_DATETIME2, 0},
    {"timestamp", MY_TYPE_TIMESTAMP2, 0},
    {"char", MY_TYPE_STRING, 0},
    {"binary", MY_TYPE_STRING, 0},
    {"varchar", MY_TYPE_VARCHAR, 0},
    {"varbinary", MY_TYPE_VARCHAR, 0},
    {"uuid", MY_TYPE_STRING, 16},
    {"inet6", MY_TYPE_STRING, 16},
    {"inet4", MY_TYPE_STRING, 4},
    {"enum", MY_TYPE_ENUM, 2},
    {"set", MY_TYPE_SET, 8},
    {"tinytext", MY_TYPE_BLOB, 1},
    {"text", MY_TYPE_BLOB, 2},
    {"mediumtext", MY_TYPE_BLOB, 3},
    {"longtext", MY_TYPE_BLOB, 4},
    {"tinyblob", MY_TYPE_BLOB, 1},
    {"blob", MY_TYPE_BLOB, 2},
    {"mediumblob", MY_TYPE_BLOB, 3},
    {"longblob", MY_TYPE_BLOB, 4},
    {"json", MY_TYPE_JSON, 4},
    {"geometry", MY_TYPE_GEOMETRY, 4},
    {"point", MY_TYPE_GEOMETRY, 4},
    {"linestring", MY_TYPE_GEOMETRY, 4},
    {"polygon", MY_TYPE_GEOMETRY, 4},
    {"multipoint", MY_TYPE_GEOMETRY, 4},
    {"multilinestring", MY_TYPE_GEOMETRY, 4},
    {"multipolygon", MY_TYPE_GEOMETRY, 4},
    {"geometrycollection", MY_TYPE_GEOMETRY, 4},
    {"geomcollection", MY_TYPE_GEOMETRY, 4},
    {"vector", MY_TYPE_VECTOR, 4},
};

static uint64_t number_of(const char *text, uint64_t most)
{
    uint64_t value = text ? strtoull(text, NULL, 10) : 0;
    return value < most ? value : most;
}

/* As TABLE_MAP would have it. */
static void settle_metadata(struct my_column *column, enum my_flavor flavor, MYSQL_ROW row)
{
    unsigned octets = (unsigned)number_of(row[FIELD_OCTETS], UINT16_MAX);
    unsigned precision = (unsigned)number_of(row[FIELD_PRECISION], 255),
             scale = (unsigned)number_of(row[FIELD_SCALE], 255);
    switch (column->type) {
    case MY_TYPE_DECIMAL: column->metadata = (uint16_t)(precision | scale << 8); break;
    case MY_TYPE_BIT: column->metadata = (uint16_t)(precision % 8 | precision / 8 << 8); break;
    case MY_TYPE_TIME2:
    case MY_TYPE_DATETIME2:
    case MY_TYPE_TIMESTAMP2: column->metadata = (uint16_t)number_of(row[FIELD_FRACTION], 255); break;
    case MY_TYPE_STRING:
        if (column->metadata == 0)
            column->metadata = (uint16_t)octets;
        break;
    case MY_TYPE_VARCHAR: column->metadata = (uint16_t)octets; break;
    case MY_TYPE_VECTOR:
        if (flavor == MY_FLAVOR_MARIADB) {
            column->type = MY_TYPE_VARCHAR;
            column->metadata = (uint16_t)octets;
        }
        break;
    default: break;
    }
}

static int take_column(enum my_flavor flavor, const struct my_table *table, struct my_column *column, MYSQL_ROW row,
                       struct cdc_error *error)
{
    const char *name = row[FIELD_NAME] ? row[FIELD_NAME] : "", *type = row[FIELD_TYPE] ? row[FIELD_TYPE] : "";
    const struct type *found = NULL;
    for (size_t i = 0; !found && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(types[i].name, type) == 0)
            found = &types[i];
    if (!found)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "table %s.%s, column %s: its type %s is not known", table->db,
                             table->name, name, type);
    column->name = strdup(name);
    column->type = found->type;
    column->metadata = found->metadata;
    column->decimals = -1;
    column->is_unsigned = row[FIELD_FULL_TYPE] && strstr(row[FIELD_FULL_TYPE], " unsigned");
    column->charset = my_charset_named(row[FIELD_CHARSET] ? row[FIELD_CHARSET] : "binary");
    column->nullable = row[FIELD_NULLABLE] && strcmp(row[FIELD_NULLABLE], "YES") == 0;
    column->key = row[FIELD_KEY] && strcmp(row[FIELD_KEY], "PRI") == 0;
    settle_metadata(column, flavor, row);
    return column->name ? 0 : cdc_error_memory(error);
}

static int hidden(const struct my_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_PERMISSION, "the user may not read all columns of table %s.%s", table->db,
                  table->name);
    return cdc_error_hint(error, "GRANT SELECT on the whole table, or leave it out with -T");
}

static int take_columns(enum my_flavor flavor, struct my_table *table, MYSQL_RES *result, struct cdc_error *error)
{
    size_t n = (size_t)mysql_num_rows(result);
    table->columns = calloc(n + 1, sizeof *table->columns);
    if (!table->columns)
        return cdc_error_memory(error);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL && table->n_columns < n;) {
        struct my_column *column = &table->columns[table->n_columns++];
        /* What may not be read is not shown at all, unless another privilege shows it. */
        if (!row[FIELD_PRIVILEGES] || !strstr(row[FIELD_PRIVILEGES], "select") ||
            number_of(row[FIELD_ORDINAL], UINT64_MAX) != table->n_columns)
            return hidden(table, error);
        if (take_column(flavor, table, column, row, error) < 0)
            return -1;
    }
    return n > 0 ? 0 : hidden(table, error);
}

int my_catalog_make(MYSQL *mysql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_query(
        mysql,
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, "
        "NUMERIC_SCALE, DATETIME_PRECISION, IS_NULLABLE, COLUMN_KEY, PRIVILEGES, ORDINAL_POSITION FROM "
        "information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
        " ORDER BY ORDINAL_POSITION", table, error);
    if (!result)
        return -1;
    int status = take_columns(flavor, table, result, error);
    mysql_free_result(result);
    return status < 0 ? -1 : my_catalog_describe(mysql, flavor, table, error);
}
