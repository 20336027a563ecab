/* SPDX-License-Identifier: MIT */
/* The table that is read while the stream goes on (reading.c): is it there, can it be read so, and what form has it? What the server
 * says of it is of now, and the rows go out at a place of the log; so it is asked under a lock that keeps statements on the table away:
 *
 *   the log        ... ALTER t | ...         ALTER t came by; the server's session has it locked until it is done
 *   the question             ^ waits for that lock, and shows the form after it
 *
 * So the form is that of all statements that have come by, and maybe of later ones; those come by with the log, and have it asked for
 * anew (my_live_spoil). The same goes for a table that is not there. */
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/stream/internal.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char what[] = "cannot look at a table that is to be read again";

/* Its rows can be seen as they are at one moment, and be held with the gaps between them. 1; 0: it is of another kind, or not there;
 * -1. */
static int is_innodb(struct my_reading *reading, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_query(
        reading->sql,
        "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND "
        "TABLE_SCHEMA = ",
        "", reading->table, error);
    if (!result)
        return -1;
    MYSQL_ROW row = mysql_fetch_row(result);
    bool innodb = row && row[0] && strcasecmp(row[0], "InnoDB") == 0;
    mysql_free_result(result);
    return innodb;
}

/* Names of the key's columns belong to the table. */
static bool take_key(struct my_reading *reading)
{
    const struct my_table *table = reading->table;
    struct my_live *live = &reading->live;
    size_t keys = 0;
    live->n_key = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        keys += table->columns[i].key;
        if (table->columns[i].period)
            return false;
    }
    if (reading->key.n == 0 || reading->key.n > MY_LIVE_KEY_MAX || reading->key.n != keys || table->row_end)
        return false;
    for (size_t i = 0; i < reading->key.n; i++) {
        const struct my_column *column = my_key_column(&reading->key, i);
        if (!(my_live_is_ordered(column) || my_live_is_asked(column)) || !column->key)
            return false;
        live->kind[live->n_key] = column;
        live->column[live->n_key++] = column->name;
    }
    return true;
}

/* Until the transaction's end nobody alters it. 1; 0: there is none of that name; -1. */
static int hold(struct my_reading *reading, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (my_session_execute(reading->sql, "START TRANSACTION", what, error) < 0)
        return -1;
    cdc_buf_lit(&text, "SELECT 1 FROM ");
    my_session_append_table(&text, reading->db, reading->name);
    cdc_buf_append(&text, " LIMIT 0", sizeof " LIMIT 0");
    int status = text.failed ? cdc_error_memory(error) : my_session_execute(reading->sql, text.data, what, error);
    cdc_buf_free(&text);
    if (status == 0)
        return 1;
    unsigned number = mysql_errno(reading->sql);
    if (number != ER_NO_SUCH_TABLE && number != ER_BAD_DB_ERROR)
        return -1;
    cdc_error_clear(error);
    return 0;
}

/* As described by its columns, which are held. 1; 0: it cannot be read so; -1. */
static int describe_columns(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    enum my_flavor flavor = stream->session.server.flavor;
    int found = is_innodb(reading, error);
    if (found > 0)
        found = my_catalog_columns(reading->sql, flavor, reading->table, &reading->columns, error);
    if (found <= 0)
        return found;
    struct cdc_selection selection = stream->settings.selection;
    selection.any_case = stream->session.server.lower_case_names;
    if (my_catalog_make(reading->sql, flavor, reading->table, error) < 0 ||
        my_table_prepare(reading->table, flavor, stream->settings.name, &selection, error) < 0)
        return -1;
    my_table_drop_hidden(reading->table);
    if (my_key_find(&reading->key, reading->table, reading->sql, error) < 0)
        return -1;
    return take_key(reading) ? my_key_order_begin(stream, error) : 0;
}

static int name_table(struct my_reading *reading, struct cdc_error *error)
{
    my_reading_free_table(reading);
    reading->gone = false;
    reading->table = calloc(1, sizeof *reading->table);
    if (!reading->table)
        return cdc_error_memory(error);
    reading->table->db = strdup(reading->db);
    reading->table->name = strdup(reading->name);
    return reading->table->db && reading->table->name ? 0 : cdc_error_memory(error);
}

/* Names of the catalog are UTF-8, texts of rows are as they are stored. */
static int set_results(struct my_reading *reading, const char *charset, struct cdc_error *error)
{
    char text[80];
    snprintf(text, sizeof text, "SET SESSION character_set_results = %s", charset);
    return my_session_execute(reading->sql, text, what, error);
}

static int describe(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_error ignored = {0};
    int result = hold(reading, error);
    reading->gone = result == 0;
    if (reading->gone)
        my_table_source_head(&reading->table->source_head, stream->session.server.flavor, stream->settings.name,
                             reading->db, reading->name);
    else if (result > 0)
        result = describe_columns(stream, error);
    if (my_session_execute(reading->sql, "ROLLBACK", what, &ignored) < 0 && result >= 0)
        *error = ignored;
    return error->status ? -1 : result > 0 || reading->gone;
}

int my_reading_describe(struct my_stream *stream, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct cdc_error ignored = {0};
    if (name_table(reading, error) < 0)
        return -1;
    if (!cdc_selection_has_table(&stream->settings.selection, reading->db, reading->name))
        return 0; /* a run before has chosen it, and begun it */
    int result = set_results(reading, "utf8mb4", error) < 0 ? -1 : describe(stream, error);
    if (set_results(reading, "NULL", &ignored) < 0 && result >= 0)
        *error = ignored;
    return error->status ? -1 : result;
}
