/* SPDX-License-Identifier: MIT */
/* SQL that several files need: the transaction, and what a table is declared as. */
#include "connectors/sqlite/sink/internal.h"

int lite_sql_begin(struct lite_sink *sink, struct cdc_error *error)
{
    const struct cdc_sink_context *context = &sink->context;
    const struct lite_patience patience = {context->settings->retry_max, context->control, &context->metrics->retries};

    if (sink->db.in_transaction)
        return 0;
    if (lite_database_begin(&sink->db, &patience, error) != 0)
        return -1;
    sink->plain.looked = false;
    /* Before the first change of the transaction: the triggers would write into an index whose rowids are no longer
     * right. */
    return lite_fts_after_vacuum(sink, error);
}

sqlite3_stmt *lite_sql_table_info(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "PRAGMA table_info(");
    lite_database_quote(&sink->db.sql, name);
    cdc_buf_byte(&sink->db.sql, ')');
    return lite_database_prepare_made(&sink->db, false, error);
}

void lite_sql_append_table(struct cdc_buf *sql, const struct lite_table *table)
{
    lite_database_quote(sql, lite_reads_is_open(table) ? table->side : table->source.target);
}

void lite_sql_append_columns(struct cdc_buf *sql, const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_columns; i++) {
        cdc_buf_text(sql, i > 0 ? ", " : "");
        lite_database_quote(sql, table->source.columns[i].name);
    }
}

int lite_sql_run(struct lite_sink *sink, sqlite3_stmt *statement, const char *text, struct cdc_error *error)
{
    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : lite_database_error(&sink->db, code, "cannot write the state", error);
}

const char *lite_sql_declared(const struct lite_table *table, size_t column)
{
    return lite_value_declared(table->kinds[column], table->source.columns[column].key && table->source.n_key == 1);
}

void lite_sql_append_key(struct cdc_buf *sql, const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i == 0 ? ", PRIMARY KEY (" : ", ");
        lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
    }
    cdc_buf_text(sql, table->source.n_key > 0 ? "))" : ")");
}

void lite_sql_append_waiting(struct cdc_buf *sql, const struct lite_table *table)
{
    cdc_buf_printf(sql, "temp.cdc_waiting_%zu", table->number);
}

void lite_sql_append_waiting_column(struct cdc_buf *sql, const char *column)
{
    cdc_buf_lit(sql, "\"c");
    for (; *column != '\0'; column++) {
        if (*column == '"')
            cdc_buf_byte(sql, '"');
        cdc_buf_byte(sql, *column);
    }
    cdc_buf_byte(sql, '"');
}
