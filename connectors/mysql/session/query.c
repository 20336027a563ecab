/* SPDX-License-Identifier: MIT */
/* Statements on a connection, and names and texts in them. */
#include "connectors/mysql/session/session.h"

#include <errmsg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST_BYTES ((size_t)512 << 20) /* of an answer: those to our questions are far smaller */
#define LEAST_COLUMNS 32               /* more than any question of ours has */

/* A row as the library keeps it: texts one after the other, each with a NUL; after the last column's a pointer to their
 * end, by which it tells lengths. After it NULLs, so that a column that was asked for and is not there reads as NULL. */
static size_t keep_row(MYSQL_DATA *data, MYSQL_ROWS ***end, MYSQL_ROW row, const unsigned long *lengths, unsigned n)
{
    size_t pointers = (n < LEAST_COLUMNS ? LEAST_COLUMNS : n) + 1, bytes = 1;
    for (unsigned i = 0; i < n; i++)
        bytes += row[i] ? lengths[i] + 1 : 0;
    bytes += sizeof(MA_USED_MEM) + sizeof(MYSQL_ROWS) + pointers * sizeof(char *);
    MA_USED_MEM *block = calloc(1, bytes);
    if (!block)
        return 0;
    block->next = data->alloc.used; /* mysql_free_result frees the list */
    data->alloc.used = block;
    MYSQL_ROWS *kept = (MYSQL_ROWS *)(block + 1);
    kept->data = (MYSQL_ROW)(kept + 1);
    char *to = (char *)(kept->data + pointers);
    for (unsigned i = 0; i < n; i++) {
        kept->data[i] = row[i] ? to : NULL;
        if (row[i]) {
            memcpy(to, row[i], lengths[i]);
            to += lengths[i] + 1;
        }
    }
    kept->data[n] = to;
    **end = kept;
    *end = &kept->next;
    data->rows++;
    return bytes;
}

/* The library tells lengths by where texts begin, which of a row that is damaged say anything. */
static bool has_lengths(MYSQL_ROW row, const unsigned long *lengths, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (row[i] && lengths[i] > MOST_BYTES)
            return false;
    return true;
}

/* After an answer that the library cannot read, nobody knows where the next one begins: a statement would wait for what may never
 * come. */
static int unreadable(MYSQL *mysql, const char *what, struct cdc_error *error)
{
    unsigned number = mysql_errno(mysql);
    if (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR)
        shutdown(mysql_get_socket(mysql), SHUT_RDWR);
    if (number == CR_UNKNOWN_ERROR || number == CR_MALFORMED_PACKET)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the server's answer cannot be read (%s)", what,
                             mysql_error(mysql));
    return my_session_error(mysql, what, error);
}

/* Reads all rows. On errors the connection is of no more use: what the server still sends is not read. */
static int keep_rows(MYSQL *mysql, MYSQL_RES *result, MYSQL_DATA *data, const char *what, struct cdc_error *error)
{
    MYSQL_ROWS **end = &data->data;
    size_t left = MOST_BYTES;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        if (!has_lengths(row, lengths, result->field_count)) {
            shutdown(mysql_get_socket(mysql), SHUT_RDWR);
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: a row of the server's answer is damaged", what);
        }
        size_t n = keep_row(data, &end, row, lengths, result->field_count);
        if (n > 0 && n <= left) {
            left -= n;
            continue;
        }
        shutdown(mysql_get_socket(mysql), SHUT_RDWR);
        return n == 0 ? cdc_error_memory(error)
                      : cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the server's answer has no end", what);
    }
    return mysql_errno(mysql) ? unreadable(mysql, what, error) : 0;
}

MYSQL_RES *my_session_store(MYSQL *mysql, const char *what, struct cdc_error *error)
{
    MYSQL_RES *result = mysql_use_result(mysql);
    if (!result && mysql_errno(mysql) != 0)
        unreadable(mysql, what, error);
    if (!result)
        return NULL;
    MYSQL_DATA *data = calloc(1, sizeof *data);
    int status = data ? keep_rows(mysql, result, data, what, error) : cdc_error_memory(error);
    if (data) {
        data->fields = result->field_count;
        result->row_count = data->rows;
        result->data_cursor = data->data;
    }
    result->data = data;
    if (status == 0)
        return result;
    mysql_free_result(result);
    return NULL;
}

MYSQL_RES *my_session_query(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    if (mysql_query(mysql, sql) != 0) {
        unreadable(mysql, what, error);
        return NULL;
    }
    return my_session_store(mysql, what, error);
}

int my_session_execute(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    if (mysql_query(mysql, sql) != 0)
        return unreadable(mysql, what, error);
    MYSQL_RES *result = my_session_store(mysql, what, error);
    mysql_free_result(result);
    return error->status ? -1 : 0;
}

char *my_session_value(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(mysql, sql, what, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    char *value = row && row[0] ? strdup(row[0]) : NULL;
    if (row && row[0] && !value)
        cdc_error_memory(error);
    if (!row && error->status == 0)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the server's answer is empty", what);
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
