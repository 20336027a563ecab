/* SPDX-License-Identifier: MIT */
/* A table with another key or other types: made anew, filled from the old one, put in its place, all within the
 * transaction in hand. SQLite's ALTER TABLE can change neither a key nor a type. Killed anywhere, the old table is
 * there, and the same schema line starts it again. */
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

#define NEW_TABLE "cdc_rebuild"

/* Columns that only the database has stay, as they are declared. */
static const char *declared(const struct lite_table *table, const char *name, const char *as_it_is)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (sqlite3_stricmp(table->source.columns[i].name, name) == 0)
            return lite_sql_declared(table, i);
    return as_it_is;
}

/* Appends `"a" TYPE, "b" TYPE` to sql and `"a", "b"` to names, in the database's order. */
static int collect_columns(struct lite_sink *sink, const struct lite_table *table, struct cdc_buf *definitions,
                           struct cdc_buf *names, struct cdc_error *error)
{
    int code;

    sqlite3_stmt *info = lite_sql_table_info(sink, table->source.target, error);
    if (info == NULL)
        return -1;
    while ((code = sqlite3_step(info)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(info, 1);
        const char *type = (const char *)sqlite3_column_text(info, 2);
        if (names->len > 0) {
            cdc_buf_lit(names, ", ");
            cdc_buf_lit(definitions, ", ");
        }
        lite_database_quote(names, name);
        lite_database_quote(definitions, name);
        cdc_buf_byte(definitions, ' ');
        cdc_buf_text(definitions, declared(table, name, type));
    }
    sqlite3_finalize(info);
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the columns", error);
    return definitions->failed || names->failed ? cdc_error_memory(error) : 0;
}

/* Indexes and triggers go with the table that is dropped: their SQL, one NUL-terminated text after the other. */
static int collect_dependents(struct lite_sink *sink, const struct lite_table *table, struct cdc_buf *out,
                              struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(&sink->db,
                                                    "SELECT sql FROM sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE "
                                                    "AND type IN ('index','trigger') AND sql IS NOT NULL",
                                                    error);
    int code;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->source.target, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        cdc_buf_text(out, (const char *)sqlite3_column_text(statement, 0));
        cdc_buf_byte(out, '\0');
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the schema", error);
    return out->failed ? cdc_error_memory(error) : 0;
}

/* Rows that lack a column of the new key: no later line would find them, and SQLite would give them ids of its own. */
static int check_keys(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    if (table->source.n_key == 0)
        return 0;
    sql->len = 0;
    cdc_buf_lit(sql, "SELECT 1 FROM ");
    lite_database_quote(sql, table->source.target);
    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i == 0 ? " WHERE " : " OR ");
        lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
        cdc_buf_lit(sql, " IS NULL");
    }
    cdc_buf_lit(sql, " LIMIT 1");
    sqlite3_stmt *statement = lite_database_prepare_made(&sink->db, false, error);
    if (statement == NULL)
        return -1;
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code == SQLITE_DONE)
        return 0;
    if (code != SQLITE_ROW)
        return lite_database_error(&sink->db, code, "cannot read the rows", error);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\" has a new key at the source, and rows that are here already lack a column of it",
                  table->source.target);
    return cdc_error_hint(error, "read the table again: remove %s and its offset file, and take a new snapshot",
                          sink->db.path);
}

static int make_new(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *definitions,
                    struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    cdc_buf_lit(sql, "CREATE TABLE " NEW_TABLE " (");
    cdc_buf_append_buf(sql, definitions);
    lite_sql_append_key(sql, table);
    return lite_database_exec_made(&sink->db, error);
}

static int move_rows(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *names,
                     struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    /* REPLACE: under a new key two old rows may be one. */
    cdc_buf_lit(sql, "INSERT OR REPLACE INTO " NEW_TABLE " (");
    cdc_buf_append_buf(sql, names);
    cdc_buf_lit(sql, ") SELECT ");
    cdc_buf_append_buf(sql, names);
    cdc_buf_lit(sql, " FROM ");
    lite_database_quote(sql, table->source.target);
    if (lite_database_exec_made(&sink->db, error) != 0)
        return -1;
    cdc_buf_lit(sql, "DROP TABLE ");
    lite_database_quote(sql, table->source.target);
    if (lite_database_exec_made(&sink->db, error) != 0)
        return -1;
    cdc_buf_lit(sql, "ALTER TABLE " NEW_TABLE " RENAME TO ");
    lite_database_quote(sql, table->source.target);
    return lite_database_exec_made(&sink->db, error);
}

static int restore_dependents(struct lite_sink *sink, const struct cdc_buf *dependents, struct cdc_error *error)
{
    for (size_t at = 0; at < dependents->len; at += strlen(dependents->data + at) + 1)
        if (lite_database_exec(&sink->db, dependents->data + at, error) != 0)
            return -1;
    return 0;
}

int lite_rebuild_table(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf definitions = CDC_BUF_INIT, names = CDC_BUF_INIT, dependents = CDC_BUF_INIT;
    int result = -1;

    cdc_log_write(sink->db.log, CDC_LOG_INFO, "table \"%s\" is made anew: its key or types changed at the source",
                  table->source.target);
    /* Views may name the table while it is away. */
    if (check_keys(sink, table, error) == 0 &&
        lite_database_exec(&sink->db, "PRAGMA legacy_alter_table=ON", error) == 0 &&
        collect_columns(sink, table, &definitions, &names, error) == 0 &&
        collect_dependents(sink, table, &dependents, error) == 0 && make_new(sink, table, &definitions, error) == 0 &&
        move_rows(sink, table, &names, error) == 0 && restore_dependents(sink, &dependents, error) == 0 &&
        lite_database_exec(&sink->db, "PRAGMA legacy_alter_table=OFF", error) == 0)
        result = lite_fts_rebuild(sink, table->source.target, error);
    cdc_buf_free(&definitions);
    cdc_buf_free(&names);
    cdc_buf_free(&dependents);
    return result;
}
