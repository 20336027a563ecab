/* SPDX-License-Identifier: MIT */
/* What information_schema adds to a table of the log: the types' names, what is generated, and MariaDB's JSON, which is a
 * LONGTEXT with a constraint. It speaks of the table as it is now: what no longer fits is left out. */
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/stream/stream.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <stdlib.h>
#include <string.h>

static void append_literal(struct cdc_buf *out, MYSQL *mysql, const char *text)
{
    size_t n = strlen(text);
    cdc_buf_byte(out, '\'');
    if (cdc_buf_room(out, 2 * n + 1))
        out->len += mysql_real_escape_string(mysql, out->data + out->len, text, n);
    cdc_buf_byte(out, '\'');
}

MYSQL_RES *my_catalog_query(MYSQL *mysql, const char *head, const char *tail, const struct my_table *table,
                            struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    MYSQL_RES *result = NULL;
    cdc_buf_text(&text, head);
    append_literal(&text, mysql, table->db);
    cdc_buf_lit(&text, " AND TABLE_NAME = ");
    append_literal(&text, mysql, table->name);
    cdc_buf_text(&text, tail);
    cdc_buf_byte(&text, '\0');
    if (text.failed)
        cdc_error_memory(error);
    else
        result = my_session_query(mysql, text.data, "cannot read the columns of a table", error);
    cdc_buf_free(&text);
    return result;
}

static struct my_column *find(struct my_table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].name && strcmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

bool my_catalog_is_generated(const char *extra)
{
    if (!extra)
        return false;
    return strstr(extra, "VIRTUAL GENERATED") || strstr(extra, "STORED GENERATED") ||
           (strstr(extra, "GENERATED") && !strstr(extra, "DEFAULT_GENERATED"));
}

static int take_column(struct my_table *table, MYSQL_ROW row, struct cdc_error *error)
{
    struct my_column *column = find(table, row[0]);
    if (!column)
        return 0;
    column->listed = table->described = true;
    if (!my_columns_type_fits(column, row[1]))
        return 0;
    if (row[3] && strcmp(row[3], "ROW END") == 0)
        table->row_end = column;
    free(column->type_name);
    column->type_name = strdup(row[1]);
    column->generated = my_catalog_is_generated(row[2]);
    return column->type_name ? 0 : cdc_error_memory(error);
}

/* CHECK (json_valid(`column`)) makes a LONGTEXT a JSON. */
static int mark_json(struct my_table *table, const char *clause, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        struct cdc_buf text = CDC_BUF_INIT;
        if (column->type != MY_TYPE_BLOB || !column->type_name || !column->name ||
            strcmp(column->type_name, "longtext") != 0)
            continue;
        cdc_buf_printf(&text, "json_valid(`%s`)", column->name);
        cdc_buf_byte(&text, '\0');
        bool json = !text.failed && strcmp(text.data, clause) == 0;
        cdc_buf_free(&text);
        if (!json)
            continue;
        free(column->type_name);
        column->type_name = strdup("json");
        if (!column->type_name)
            return cdc_error_memory(error);
    }
    return 0;
}

static int read_columns(MYSQL *mysql, struct my_table *table, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_query(mysql,
                                         "SELECT COLUMN_NAME, COLUMN_TYPE, EXTRA, GENERATION_EXPRESSION FROM "
                                         "information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
                                         "", table, error);
    int status = result ? 0 : -1;
    for (MYSQL_ROW row; status == 0 && (row = mysql_fetch_row(result)) != NULL;)
        status = take_column(table, row, error);
    mysql_free_result(result);
    return status;
}

static int read_json(MYSQL *mysql, struct my_table *table, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_query(
        mysql, "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ", "", table,
        error);
    int status = result ? 0 : -1;
    for (MYSQL_ROW row; status == 0 && (row = mysql_fetch_row(result)) != NULL;)
        if (row[0])
            status = mark_json(table, row[0], error);
    mysql_free_result(result);
    return status;
}

int my_catalog_describe(MYSQL *mysql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error)
{
    if (read_columns(mysql, table, error) < 0)
        return -1;
    return flavor == MY_FLAVOR_MARIADB ? read_json(mysql, table, error) : 0;
}

void my_catalog_warn_omitted(const struct cdc_log *log, const struct my_table *table, const struct my_column *column)
{
    cdc_log(
        log, CDC_LOG_WARNING,
        "table %s.%s: a row was inserted without column \"%s\" (and maybe others), and its default is not in the log: "
        "such columns are named in \"unchanged\", and are NULL in a copy (said once; SET GLOBAL binlog_row_image = "
        "FULL, and let sessions reconnect)",
        table->db, table->name, column->name);
}

void my_stream_omitted(void *context, const struct my_table *table, const struct my_column *column)
{
    const struct my_stream *stream = context;
    my_catalog_warn_omitted(stream->log, table, column);
}

int my_stream_describe(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error)
{
    struct my_stream *stream = context;
    if (!table->has_names)
        return my_schema_complete(stream, table, coord, error);
    return my_stream_ensure_sql(stream, error) < 0
               ? -1
               : my_catalog_describe(stream->sql, stream->server.flavor, table, error);
}
