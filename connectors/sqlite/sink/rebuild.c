/* SPDX-License-Identifier: MIT */
/* A table with another key or other types: made anew, filled from the old one, put in its place, all within the
 * transaction in hand. SQLite's ALTER TABLE can change neither a key nor a type. Killed anywhere, the old table is
 * there, and the same schema line starts it again. */
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

#define NEW_TABLE "cdc_rebuild"

/* What the new table is made of, and what is copied into it. */
struct parts {
    struct cdc_buf definitions;   /* `"a" TYPE, "b" TYPE`, in the database's order */
    struct cdc_buf names;         /* `"a", "b"`, without those that are computed */
    struct cdc_buf dependents;    /* SQL of indexes and triggers, one NUL-terminated text after the other */
    bool hides[LITE_ROWID_NAMES]; /* a column has that name of the rowid */
};

/* The text of its CREATE TABLE. RETURNS NEW; NULL with the error. */
static char *table_sql(struct lite_sink *sink, const char *table, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db, "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE", error);
    char *sql = NULL;

    if (statement == NULL)
        return NULL;
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_database_error(&sink->db, code, "cannot read the schema", error);
    else if (text == NULL || (sql = strdup(text)) == NULL)
        cdc_error_memory(error);
    sqlite3_finalize(statement);
    return sql;
}

/* Columns that only the database has stay, as they are declared. */
static void append_definition(struct cdc_buf *out, const struct lite_table *table, sqlite3_stmt *info, const char *sql)
{
    const char *name = (const char *)sqlite3_column_text(info, 1);
    struct cdc_span theirs =
        sqlite3_column_int(info, 5) > 0 /* of the old key */ ? cdc_span(NULL, 0) : lite_declaration_of(sql, name);

    cdc_buf_text(out, out->len > 0 ? ", " : "");
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (sqlite3_stricmp(table->source.columns[i].name, name) == 0) {
            lite_database_quote(out, name);
            cdc_buf_byte(out, ' ');
            cdc_buf_text(out, lite_sql_declared(table, i));
            return;
        }
    if (theirs.n > 0) {
        cdc_buf_span(out, theirs);
        return;
    }
    lite_database_quote(out, name);
    cdc_buf_byte(out, ' ');
    cdc_buf_text(out, (const char *)sqlite3_column_text(info, 2));
}

static void take_column(struct parts *parts, const struct lite_table *table, sqlite3_stmt *info, const char *sql)
{
    const char *name = (const char *)sqlite3_column_text(info, 1);

    append_definition(&parts->definitions, table, info, sql);
    for (size_t i = 0; i < LITE_ROWID_NAMES; i++)
        parts->hides[i] |= sqlite3_stricmp(name, lite_rowid_names[i]) == 0;
    if (sqlite3_column_int(info, 6) != 0) /* GENERATED: SQLite computes it */
        return;
    cdc_buf_text(&parts->names, parts->names.len > 0 ? ", " : "");
    lite_database_quote(&parts->names, name);
}

static int collect_columns(struct lite_sink *sink, const struct lite_table *table, struct parts *parts,
                           struct cdc_error *error)
{
    char *sql = table_sql(sink, table->source.target, error);
    int code = SQLITE_ERROR;

    if (sql == NULL)
        return -1;
    cdc_buf_lit(&sink->db.sql, "PRAGMA table_xinfo("); /* table_info omits columns that are computed */
    lite_database_quote(&sink->db.sql, table->source.target);
    cdc_buf_byte(&sink->db.sql, ')');
    sqlite3_stmt *info = lite_database_prepare_made(&sink->db, false, error);
    while (info != NULL && (code = sqlite3_step(info)) == SQLITE_ROW)
        take_column(parts, table, info, sql);
    sqlite3_finalize(info);
    free(sql);
    if (info == NULL)
        return -1;
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the columns", error);
    return parts->definitions.failed || parts->names.failed ? cdc_error_memory(error) : 0;
}

/* Indexes and triggers go with the table that is dropped. */
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

/* A statement at the source has changed rows without a line for each. */
static int key_does_not_fit(const struct lite_sink *sink, const struct lite_table *table, const char *why,
                            struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has a new key at the source, and %s", table->source.target,
                  why);
    return cdc_error_hint(error, "read the table again: remove %s and its offset file, and take a new snapshot",
                          sink->db.path);
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
    return key_does_not_fit(sink, table, "rows that are here already lack a column of it", error);
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

/* A name by which the rows' ids are copied; NULL: the new key is the rowid, no name reaches it, or there is none (WITHOUT
 * ROWID, where somebody has made the table). */
static const char *rowid_to_copy(const struct lite_sink *sink, const struct lite_table *table,
                                 const struct parts *parts)
{
    size_t i = 0;

    if (table->source.n_key == 1 && strcmp(lite_sql_declared(table, table->source.key[0]), "INTEGER") == 0)
        return NULL;
    while (i < LITE_ROWID_NAMES && parts->hides[i])
        i++;
    return i < LITE_ROWID_NAMES &&
                   sqlite3_table_column_metadata(sink->db.handle, "main", table->source.target, lite_rowid_names[i],
                                                 NULL, NULL, NULL, NULL, NULL) == SQLITE_OK
               ? lite_rowid_names[i]
               : NULL;
}

static void append_copied(struct cdc_buf *sql, const char *rowid, const struct parts *parts)
{
    if (rowid != NULL)
        cdc_buf_printf(sql, "%s, ", rowid);
    cdc_buf_append_buf(sql, &parts->names);
}

/* Rows that are one under the new key are no reason to lose one of them. */
static int copy_rows(struct lite_sink *sink, const struct lite_table *table, const struct parts *parts,
                     struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;
    const char *rowid = rowid_to_copy(sink, table, parts);

    cdc_buf_lit(sql, "INSERT INTO " NEW_TABLE " (");
    append_copied(sql, rowid, parts);
    cdc_buf_lit(sql, ") SELECT ");
    append_copied(sql, rowid, parts);
    cdc_buf_lit(sql, " FROM ");
    lite_database_quote(sql, table->source.target);
    if (lite_database_exec_made(&sink->db, error) == 0)
        return 0;
    int code = sqlite3_extended_errcode(sink->db.handle);
    if (code != SQLITE_CONSTRAINT_PRIMARYKEY && code != SQLITE_CONSTRAINT_UNIQUE)
        return -1;
    cdc_error_clear(error); /* what SQLite says names a table that nobody knows */
    return key_does_not_fit(sink, table, "several of the rows that are here already have one and the same", error);
}

static int move_rows(struct lite_sink *sink, const struct lite_table *table, const struct parts *parts,
                     struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    if (copy_rows(sink, table, parts, error) != 0)
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
    struct parts parts = {CDC_BUF_INIT, CDC_BUF_INIT, CDC_BUF_INIT, {false, false, false}};
    int result = -1;

    cdc_log_write(sink->db.log, CDC_LOG_INFO, "table \"%s\" is made anew: its key or types changed at the source",
                  table->source.target);
    /* Views may name the table while it is away. */
    if (check_keys(sink, table, error) == 0 &&
        lite_database_exec(&sink->db, "PRAGMA legacy_alter_table=ON", error) == 0 &&
        collect_columns(sink, table, &parts, error) == 0 &&
        collect_dependents(sink, table, &parts.dependents, error) == 0 &&
        make_new(sink, table, &parts.definitions, error) == 0 && move_rows(sink, table, &parts, error) == 0 &&
        restore_dependents(sink, &parts.dependents, error) == 0 &&
        lite_database_exec(&sink->db, "PRAGMA legacy_alter_table=OFF", error) == 0)
        result = lite_fts_rebuild(sink, table->source.target, error);
    cdc_buf_free(&parts.definitions);
    cdc_buf_free(&parts.names);
    cdc_buf_free(&parts.dependents);
    return result;
}
