/* SPDX-License-Identifier: MIT */
/* A table with another key or other types: made anew, filled from the old one,
 * put in its place, all within the transaction in hand. */
#include <stdlib.h>

#include "connectors/sqlite/internal.h"

#define NEW_TABLE "cdc_rebuild"

/* Columns that only the database has stay, as they are declared. */
static const struct sqlite_column *wanted_column(const struct sqlite_table *table, const char *name)
{
    for (size_t i = 0; i < table->n; i++)
        if (sqlite3_stricmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

/* Appends `"a" TYPE, "b" TYPE` to sql and `"a", "b"` to names, in the database's order. */
static int collect_columns(struct sqlite_sink *sink, const struct sqlite_table *table, struct cdc_buf *definitions,
                           struct cdc_buf *names, struct cdc_error *error)
{
    int code;

    cdc_buf_lit(&sink->sql, "PRAGMA table_info(");
    sqlite_quote(&sink->sql, table->name);
    cdc_buf_byte(&sink->sql, ')');
    sqlite3_stmt *info = sqlite_prepare(sink, false, error);
    if (info == NULL)
        return -1;
    while ((code = sqlite3_step(info)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(info, 1);
        const char *type = (const char *)sqlite3_column_text(info, 2);
        const struct sqlite_column *column = wanted_column(table, name);
        if (names->len > 0) {
            cdc_buf_lit(names, ", ");
            cdc_buf_lit(definitions, ", ");
        }
        sqlite_quote(names, name);
        sqlite_quote(definitions, name);
        cdc_buf_byte(definitions, ' ');
        cdc_buf_text(definitions, column != NULL ? sqlite_declared(column, column->key && table->n_keys == 1) : type);
    }
    sqlite3_finalize(info);
    if (code != SQLITE_DONE)
        return sqlite_db_error(sink, code, "cannot read the columns", error);
    return definitions->failed || names->failed ? cdc_error_memory(error) : 0;
}

/* Indexes and triggers go with the table that is dropped: their SQL, one NUL-terminated text after the other. */
static int collect_dependents(struct sqlite_sink *sink, const struct sqlite_table *table, struct cdc_buf *out,
                              struct cdc_error *error)
{
    sqlite3_stmt *statement = sqlite_prepare_text(sink,
                                                  "SELECT sql FROM sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE "
                                                  "AND type IN ('index','trigger') AND sql IS NOT NULL",
                                                  error);
    int code;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        cdc_buf_text(out, (const char *)sqlite3_column_text(statement, 0));
        cdc_buf_byte(out, '\0');
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        return sqlite_db_error(sink, code, "cannot read the schema", error);
    return out->failed ? cdc_error_memory(error) : 0;
}

static int make_new(struct sqlite_sink *sink, const struct sqlite_table *table, const struct cdc_buf *definitions,
                    struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->sql;

    cdc_buf_lit(sql, "CREATE TABLE " NEW_TABLE " (");
    cdc_buf_append(sql, definitions->data, definitions->len);
    for (size_t i = 0; i < table->n_keys; i++) {
        cdc_buf_text(sql, i == 0 ? ", PRIMARY KEY (" : ", ");
        sqlite_quote(sql, table->columns[table->keys[i]].name);
    }
    cdc_buf_text(sql, table->n_keys > 0 ? "))" : ")");
    return sqlite_exec_buffer(sink, error);
}

static int move_rows(struct sqlite_sink *sink, const struct sqlite_table *table, const struct cdc_buf *names,
                     struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->sql;

    cdc_buf_lit(sql, "INSERT OR REPLACE INTO " NEW_TABLE " (");
    cdc_buf_append(sql, names->data, names->len);
    cdc_buf_lit(sql, ") SELECT ");
    cdc_buf_append(sql, names->data, names->len);
    cdc_buf_lit(sql, " FROM ");
    sqlite_quote(sql, table->name);
    if (sqlite_exec_buffer(sink, error) != 0)
        return -1;
    cdc_buf_lit(sql, "DROP TABLE ");
    sqlite_quote(sql, table->name);
    if (sqlite_exec_buffer(sink, error) != 0)
        return -1;
    cdc_buf_lit(sql, "ALTER TABLE " NEW_TABLE " RENAME TO ");
    sqlite_quote(sql, table->name);
    return sqlite_exec_buffer(sink, error);
}

static int restore_dependents(struct sqlite_sink *sink, const struct cdc_buf *dependents, struct cdc_error *error)
{
    for (size_t at = 0; at < dependents->len; at += strlen(dependents->data + at) + 1)
        if (sqlite_exec(sink, dependents->data + at, error) != 0)
            return -1;
    return 0;
}

int sqlite_table_rebuild(struct sqlite_sink *sink, struct sqlite_table *table, struct cdc_error *error)
{
    struct cdc_buf definitions = CDC_BUF_INIT, names = CDC_BUF_INIT, dependents = CDC_BUF_INIT;
    int result = -1;

    cdc_log(sink->log, CDC_LOG_INFO, "table \"%s\" is made anew: its key or types changed at the source", table->name);
    /* Views may name the table while it is away. */
    if (sqlite_exec(sink, "PRAGMA legacy_alter_table=ON", error) == 0 &&
        collect_columns(sink, table, &definitions, &names, error) == 0 &&
        collect_dependents(sink, table, &dependents, error) == 0 && make_new(sink, table, &definitions, error) == 0 &&
        move_rows(sink, table, &names, error) == 0 && restore_dependents(sink, &dependents, error) == 0 &&
        sqlite_exec(sink, "PRAGMA legacy_alter_table=OFF", error) == 0)
        result = sqlite_fts_rebuild(sink, table->name, error);
    cdc_buf_free(&definitions);
    cdc_buf_free(&names);
    cdc_buf_free(&dependents);
    return result;
}
