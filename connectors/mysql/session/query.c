/* SPDX-License-Identifier: MIT */
/* Statements on a connection, and names and texts in them. */
#include "connectors/mysql/session/session.h"

#include <stdlib.h>
#include <string.h>

MYSQL_RES *my_session_query(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    if (mysql_query(mysql, sql) != 0) {
        my_session_error(mysql, what, error);
        return NULL;
    }
    MYSQL_RES *result = mysql_store_result(mysql);
    if (!result && mysql_errno(mysql) != 0)
        my_session_error(mysql, what, error);
    return result;
}

int my_session_execute(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    if (mysql_query(mysql, sql) != 0)
        return my_session_error(mysql, what, error);
    MYSQL_RES *result = mysql_store_result(mysql);
    mysql_free_result(result);
    return 0;
}

char *my_session_value(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(mysql, sql, what, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    char *value = row && row[0] ? strdup(row[0]) : NULL;
    mysql_free_result(result);
    return value;
}

void my_session_append_identifier(struct cdc_buf *out, const char *name)
{
    cdc_buf_byte(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            cdc_buf_byte(out, '`');
        cdc_buf_byte(out, *name);
    }
    cdc_buf_byte(out, '`');
}

void my_session_append_literal(struct cdc_buf *out, MYSQL *mysql, const char *text)
{
    size_t n = strlen(text);
    cdc_buf_byte(out, '\'');
    /* At worst each byte gets a backslash, and a NUL follows. */
    if (cdc_buf_room(out, 2 * n + 1))
        out->len += mysql_real_escape_string(mysql, out->data + out->len, text, n);
    cdc_buf_byte(out, '\'');
}

void my_session_append_table(struct cdc_buf *out, const char *db, const char *table)
{
    my_session_append_identifier(out, db);
    cdc_buf_byte(out, '.');
    my_session_append_identifier(out, table);
}
