/* SPDX-License-Identifier: MIT */
/* The columns of a table as information_schema tells them, in the text that is kept of them (history.h). */
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/value/flavor.h"

#include <stdio.h>

/* MariaDB's JSON is a LONGTEXT with the constraint json_valid(`column`). */
static int read_json(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, struct cdc_buf *clauses,
                     struct cdc_error *error)
{
    if (flavor != MY_FLAVOR_MARIADB)
        return 0;
    MYSQL_RES *result = my_catalog_query(
        sql, "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ", "", table,
        error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        if (row[0])
            cdc_buf_append(clauses, row[0], strlen(row[0]) + 1);
    mysql_free_result(result);
    return clauses->failed ? cdc_error_memory(error) : 0;
}

static bool is_json(const struct cdc_buf *clauses, const char *column)
{
    char expected[300];
    int n = snprintf(expected, sizeof expected, "json_valid(`%s`)", column);
    for (size_t at = 0; n > 0 && at < clauses->len; at += strlen(clauses->data + at) + 1)
        if (strcmp(clauses->data + at, expected) == 0)
            return true;
    return false;
}

/* row: COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, COLUMN_KEY, EXTRA, GENERATION_EXPRESSION */
static void add_column(struct cdc_buf *columns, MYSQL_ROW row, const struct cdc_buf *clauses)
{
    const char *name = row[0] ? row[0] : "", *type = row[1] ? row[1] : "";
    unsigned flags = (row[3] && strcmp(row[3], "YES") == 0 ? MY_COLUMNS_NULLABLE : 0) |
                     (row[4] && strcmp(row[4], "PRI") == 0 ? MY_COLUMNS_KEY : 0) |
                     (my_catalog_is_generated(row[5]) ? MY_COLUMNS_GENERATED : 0) |
                     (row[6] && strcmp(row[6], "ROW END") == 0 ? MY_COLUMNS_ROW_END : 0);
    if (strcmp(type, "longtext") == 0 && is_json(clauses, name))
        type = "json";
    my_columns_add(columns, name, type, row[2], flags);
}

int my_catalog_columns(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, struct cdc_buf *columns,
                       struct cdc_error *error)
{
    struct cdc_buf clauses = CDC_BUF_INIT;
    MYSQL_RES *result = NULL;
    if (read_json(sql, flavor, table, &clauses, error) == 0)
        result = my_catalog_query(sql,
                                  "SELECT COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, COLUMN_KEY, EXTRA, "
                                  "GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
                                  " ORDER BY ORDINAL_POSITION", table, error);
    columns->len = 0;
    for (MYSQL_ROW row; result && (row = mysql_fetch_row(result)) != NULL;)
        add_column(columns, row, &clauses);
    bool any = columns->len > 0;
    my_columns_end(columns);
    cdc_buf_free(&clauses);
    mysql_free_result(result);
    if (!result)
        return -1;
    return columns->failed ? cdc_error_memory(error) : any;
}
