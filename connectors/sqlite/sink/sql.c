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
    lite_aside_begin(sink);
    /* Before the first change of the transaction: the triggers would write into an index whose rowids are no longer
     * right. */
    return lite_fts_after_vacuum(sink, error);
}

static sqlite3_stmt *ask_columns(struct lite_sink *sink, const char *pragma, const char *name, struct cdc_error *error)
{
    sink->db.sql.len = 0;
    cdc_buf_text(&sink->db.sql, pragma);
    lite_database_quote(&sink->db.sql, name);
    cdc_buf_byte(&sink->db.sql, ')');
    return lite_database_prepare_made(&sink->db, false, error);
}

sqlite3_stmt *lite_sql_table_info(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    return ask_columns(sink, "PRAGMA table_info(", name, error);
}

sqlite3_stmt *lite_sql_table_xinfo(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    return ask_columns(sink, "PRAGMA table_xinfo(", name, error);
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

sqlite3_stmt *lite_sql_keep(struct lite_sink *sink, enum lite_kept which, const char *sql, struct cdc_error *error)
{
    if (sink->kept[which] == NULL)
        sink->kept[which] = lite_database_prepare(&sink->db, sql, error);
    return sink->kept[which];
}

void lite_sql_free_kept(struct lite_sink *sink)
{
    for (size_t i = 0; i < LITE_KEPT_N; i++)
        sqlite3_finalize(sink->kept[i]);
}

int lite_sql_run_kept(struct lite_sink *sink, sqlite3_stmt *statement, const char *text, struct cdc_error *error)
{
    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    int result = code == SQLITE_DONE ? 0 : lite_database_error(&sink->db, code, "cannot write the state", error);
    sqlite3_reset(statement);
    return result;
}

int lite_sql_run(struct lite_sink *sink, sqlite3_stmt *statement, const char *text, struct cdc_error *error)
{
    int result = lite_sql_run_kept(sink, statement, text, error);

    sqlite3_finalize(statement);
    return result;
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
