/* SPDX-License-Identifier: MIT */
/* The order of a table's keys, as the server tells it (live.h): two values are compared there as a piece's statement compares a column
 * with a value (scan/key.h), by the column's own collation. */
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/stream/internal.h"

#include <errmsg.h>
#include <stdlib.h>
#include <string.h>

static const char what[] = "cannot compare two keys of a table that is read again";

/* What is kept of a log's value goes into a statement. */
static bool is_plain(struct cdc_span text, const char *allowed)
{
    size_t i = 0;
    while (i < text.n && text.p[i] != '\0' && strchr(allowed, text.p[i]))
        i++;
    return i == text.n;
}

static bool append_value(struct cdc_buf *out, const struct my_reading *reading, size_t k, struct cdc_span value)
{
    const struct my_column *column = reading->live.kind[k];
    const char *close = "'";
    switch (column->kind) {
    case MY_KIND_TEXT:
        cdc_buf_printf(out, "_%s X'", my_charset_name(column->charset));
        cdc_buf_span(out, value);
        cdc_buf_printf(out, "' COLLATE %s", reading->collations[k]);
        return is_plain(value, "0123456789ABCDEFabcdef");
    case MY_KIND_DECIMAL: close = ""; break;
    case MY_KIND_TIME: cdc_buf_lit(out, "TIME'"); break;
    case MY_KIND_UUID: cdc_buf_lit(out, "CAST('"), close = "' AS UUID)"; break;
    case MY_KIND_INET4: cdc_buf_lit(out, "CAST('"), close = "' AS INET4)"; break;
    default: cdc_buf_lit(out, "CAST('"), close = "' AS INET6)"; break;
    }
    cdc_buf_span(out, value);
    cdc_buf_text(out, close);
    return is_plain(value, "0123456789ABCDEFabcdef.:-");
}

/* SELECT a > b, a < b */
static bool append_question(struct cdc_buf *out, const struct my_reading *reading, size_t k, struct cdc_span a,
                            struct cdc_span b)
{
    bool good = true;
    cdc_buf_lit(out, "SELECT ");
    for (int i = 0; i < 2; i++) {
        good = good && append_value(out, reading, k, a);
        cdc_buf_text(out, i == 0 ? " > " : " < ");
        good = good && append_value(out, reading, k, b);
        cdc_buf_text(out, i == 0 ? ", " : "");
    }
    cdc_buf_byte(out, '\0');
    return good && !out->failed;
}

static bool ask(MYSQL *sql, const char *question, int *order, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(sql, question, what, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    bool good = row && row[0] && row[1];
    if (good)
        *order = (row[0][0] == '1') - (row[1][0] == '1');
    mysql_free_result(result);
    return good;
}

/* A session that nobody has used for a while may be gone. */
static bool order_of(void *context, size_t k, struct cdc_span a, struct cdc_span b, int *order)
{
    struct my_stream *stream = context;
    struct my_reading *reading = &stream->reading;
    struct cdc_buf question = CDC_BUF_INIT;
    struct cdc_error error = {0};
    bool good = append_question(&question, reading, k, a, b);
    if (good && !(reading->sql && ask(reading->sql, question.data, order, &error))) {
        cdc_error_clear(&error);
        good = my_reading_session(stream, &error) == 0 && ask(reading->sql, question.data, order, &error);
    }
    if (!good && error.status)
        cdc_log_write(stream->log, CDC_LOG_DEBUG, "%s", error.text);
    cdc_buf_free(&question);
    return good;
}

static int keep_collation(struct my_reading *reading, size_t k, const char *name, struct cdc_error *error)
{
    if (!name || !name[0] ||
        !is_plain(cdc_span_text(name), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
        return 0;
    reading->collations[k] = strdup(name);
    return reading->collations[k] ? 1 : cdc_error_memory(error);
}

/* row: COLUMN_NAME, COLLATION_NAME */
static int keep_collations(struct my_reading *reading, MYSQL_RES *result, struct cdc_error *error)
{
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        for (size_t k = 0; k < reading->live.n_key; k++)
            if (row[0] && !reading->collations[k] && strcmp(row[0], reading->live.column[k]) == 0 &&
                keep_collation(reading, k, row[1], error) < 0)
                return -1;
    for (size_t k = 0; k < reading->live.n_key; k++)
        if (reading->live.kind[k]->kind == MY_KIND_TEXT && !reading->collations[k])
            return 0;
    return 1;
}

int my_key_order_begin(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct my_live *live = &reading->live;
    bool any = false;
    for (size_t k = 0; k < live->n_key; k++)
        any |= my_live_is_asked(live->kind[k]);
    live->order = any ? order_of : NULL;
    live->context = stream;
    if (!any)
        return 1;
    MYSQL_RES *result = my_catalog_query(
        reading->sql, "SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ", "",
        reading->table, error);
    if (!result)
        return -1;
    int status = keep_collations(reading, result, error);
    mysql_free_result(result);
    return status;
}
