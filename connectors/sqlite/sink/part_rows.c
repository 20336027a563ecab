/* SPDX-License-Identifier: MIT */
/* Rows of one of several tables that are one here go, and nothing of the others (parts.c). */
#include <stdlib.h>
#include <string.h>

#include "connectors/sqlite/sink/internal.h"

static void append_texts(struct cdc_buf *sql, struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    struct cdc_buf text = CDC_BUF_INIT;

    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);) {
        text.len = 0;
        cdc_json_unescape(&text, cdc_json_string_raw(item));
        cdc_buf_byte(&text, '\0');
        if (sql->data[sql->len - 1] != '(')
            cdc_buf_byte(sql, ',');
        if (!text.failed)
            lite_database_quote_text(sql, text.data);
        sql->failed |= text.failed;
    }
    cdc_buf_free(&text);
}

/* Appends `(source_table = 'a.b')` or `(substr(source_table, 1, 2) = 'a.' AND source_table NOT IN ('a.c'))`. */
static int append_which(struct cdc_buf *sql, const char *column, bool waiting, const struct cdc_part *part,
                        struct cdc_error *error)
{
    char *text = cdc_json_text(part->value.p != NULL ? part->value : part->prefix, NULL);
    struct cdc_buf name = CDC_BUF_INIT;

    if (text == NULL)
        return cdc_error_memory(error);
    if (waiting)
        lite_sql_append_waiting_column(&name, column);
    else
        lite_database_quote(&name, column);
    if (part->value.p != NULL) {
        cdc_buf_append_buf(sql, &name);
        cdc_buf_byte(sql, '=');
        lite_database_quote_text(sql, text);
    } else {
        cdc_buf_lit(sql, "(substr(");
        cdc_buf_append_buf(sql, &name);
        cdc_buf_lit(sql, ",1,length(");
        lite_database_quote_text(sql, text);
        cdc_buf_lit(sql, "))=");
        lite_database_quote_text(sql, text);
        cdc_buf_lit(sql, " AND ");
        cdc_buf_append_buf(sql, &name);
        cdc_buf_lit(sql, " NOT IN (");
        append_texts(sql, part->except);
        cdc_buf_lit(sql, "))");
    }
    sql->failed |= name.failed;
    cdc_buf_free(&name);
    free(text);
    return 0;
}

/* Rows that wait for their keys (waiting.c) are of the part as well. */
static int delete_waiting(struct lite_sink *sink, const struct lite_table *table, const char *column,
                          const struct cdc_part *part, struct cdc_error *error)
{
    if (table->waiting == 0)
        return 0;
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "DELETE FROM ");
    lite_sql_append_waiting(&sink->db.sql, table);
    cdc_buf_lit(&sink->db.sql, " WHERE ");
    return append_which(&sink->db.sql, column, true, part, error) == 0 ? lite_database_exec_made(&sink->db, error) : -1;
}

static int delete_rows(struct lite_sink *sink, const struct lite_table *table, const char *column,
                       const struct cdc_part *part, struct cdc_error *error)
{
    if (lite_parts_check_column(sink, table, column, error) != 0)
        return -1;
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "DELETE FROM ");
    lite_database_quote(&sink->db.sql, table->source.target);
    cdc_buf_lit(&sink->db.sql, " WHERE ");
    return append_which(&sink->db.sql, column, false, part, error) == 0 ? lite_database_exec_made(&sink->db, error)
                                                                        : -1;
}

/* The reads of parts that a prefix names; NULL: of all. Nothing of them is to be kept. */
static int break_off(struct lite_sink *sink, struct lite_table *table, const struct cdc_part *which,
                     struct cdc_error *error)
{
    int result = 0;

    lite_parts_leave(table);
    for (struct lite_part *part = table->parts; result == 0 && part != NULL; part = part->next) {
        if (part->side[0] == '\0' || (which != NULL && !cdc_part_has(which, cdc_span_text(part->value))))
            continue;
        lite_parts_return(table, part);
        result = lite_read_break_off(sink, table, true, error);
        lite_parts_leave(table);
    }
    return result;
}

int lite_parts_break_off_all(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    return break_off(sink, table, NULL, error);
}

/* While the log goes on with its read, which will end: what was read of it goes. 1: it was so, 0, -1. */
static int empty_live(struct lite_sink *sink, struct lite_table *table, const struct cdc_part *which,
                      const char *column, struct cdc_error *error)
{
    struct lite_part *part = table->parts;

    while (part != NULL && (which->value.p == NULL || !part->live || part->side[0] == '\0' ||
                            !cdc_json_raw_is(which->value, cdc_span_text(part->value))))
        part = part->next;
    if (part == NULL)
        return 0;
    lite_parts_return(table, part);
    int result = lite_sql_begin(sink, error) == 0 && delete_waiting(sink, table, column, which, error) == 0
                     ? lite_read_empty(sink, table, error)
                     : -1;
    lite_parts_leave(table);
    return result == 0 ? 1 : -1;
}

int lite_parts_empty(struct lite_sink *sink, struct lite_table *table, const struct cdc_part *part, bool dropped,
                     struct cdc_error *error)
{
    char *column = cdc_json_text(part->column, NULL);
    int result = column != NULL ? 0 : cdc_error_memory(error),
        live = result != 0 ? -1
               : dropped   ? 0
                           : empty_live(sink, table, part, column, error);

    if (live != 0) {
        free(column);
        return live > 0 ? 0 : -1;
    }
    if (result == 0 && break_off(sink, table, part, error) != 0)
        result = -1;
    /* Otherwise nothing of it is here. */
    if (result == 0 && table->source.owned)
        result = lite_sql_begin(sink, error) == 0 && delete_waiting(sink, table, column, part, error) == 0
                     ? delete_rows(sink, table, column, part, error)
                     : -1;
    free(column);
    return result;
}
