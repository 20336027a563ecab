/* SPDX-License-Identifier: MIT */
/* A table of few rows among many tables gets its new columns by being made again. ALTER TABLE has SQLite read the whole schema anew
 * each time, which 5,000 tables that change together feel: 8 ms a table of 5,000, 85 ms of 20,000. Its CREATE and DROP take
 * a thirtieth of that. So, within the transaction in hand:
 *
 *   CREATE TEMP TABLE cdc_remake       its rows, with their rowids
 *   DROP TABLE "t"
 *   CREATE TABLE "t" ("id" INTEGER, "v" TEXT, "w" TEXT, PRIMARY KEY ("id"))
 *   INSERT INTO "t" ... SELECT         the rows come back
 *
 * Only where nothing is lost by it: a table that says no more than ours do, without indexes and triggers of somebody's. All others
 * are left to ALTER TABLE. */
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

#define MANY 200         /* tables; with fewer ALTER TABLE is fast enough */
#define TABLES_PER_ROW 8 /* moving a row there and back takes as long as reading the schema of so many */

/* -- which tables are plain ------------------------------------------------------------ */

static bool is_plain_word(const char *word, size_t n)
{
    static const char *const words[] = {"CREATE", "TABLE", "INTEGER", "INT", "REAL", "TEXT", "BLOB", "PRIMARY", "KEY"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == n && sqlite3_strnicmp(words[i], word, (int)n) == 0)
            return true;
    return false;
}

/* Does the text of a CREATE TABLE say nothing but names, in double quotes, our types, and a key? */
static bool is_plain(const char *sql)
{
    while (*sql != '\0') {
        size_t n = strcspn(sql, " \t\n(),\"");
        if (n > 0 && !is_plain_word(sql, n))
            return false;
        sql += n;
        if (*sql == '"') {
            const char *end = strchr(sql + 1, '"'); /* "" within a name is taken for two names: as good */
            if (end == NULL)
                return false;
            sql = end;
        }
        sql += *sql != '\0';
    }
    return true;
}

/* Looked at once in a transaction: nobody else changes the schema meanwhile, and what we make is plain. */
static int look(struct lite_sink *sink, struct cdc_error *error)
{
    struct lite_plain *plain = &sink->plain;
    sqlite3_stmt *statement = lite_database_prepare(&sink->db, "SELECT type, tbl_name, sql FROM sqlite_master", error);
    int code;

    plain->others.len = plain->tables = 0;
    plain->dependents = false;
    if (statement == NULL)
        return -1;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        const char *sql = (const char *)sqlite3_column_text(statement, 2);
        bool is_table = type != NULL && strcmp(type, "table") == 0;
        plain->tables += is_table;
        plain->dependents |= type != NULL && (strcmp(type, "view") == 0 || strcmp(type, "trigger") == 0);
        /* Indexes that SQLite makes for keys have no text. */
        bool is_other = is_table ? !(sql != NULL && is_plain(sql)) : sql != NULL;
        if (name != NULL && is_other)
            cdc_buf_append(&plain->others, name, strlen(name) + 1);
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the schema", error);
    plain->looked = true;
    return plain->others.failed ? cdc_error_memory(error) : 0;
}

static bool is_other(const struct lite_plain *plain, const char *name)
{
    for (size_t at = 0; at < plain->others.len; at += strlen(plain->others.data + at) + 1)
        if (sqlite3_stricmp(plain->others.data + at, name) == 0)
            return true;
    return false;
}

/* Has it so few rows that moving them is quick? 1, 0, -1. */
static int is_small(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;
    int64_t rows;

    sql->len = 0;
    cdc_buf_lit(sql, "SELECT count(*) FROM (SELECT 1 FROM ");
    lite_database_quote(sql, name);
    cdc_buf_printf(sql, " LIMIT %zu)", sink->plain.tables / TABLES_PER_ROW + 1);
    cdc_buf_byte(sql, '\0');
    if (sql->failed)
        return cdc_error_memory(error);
    if (lite_database_number(&sink->db, sql->data, &rows, error) != 0)
        return -1;
    return (size_t)rows <= sink->plain.tables / TABLES_PER_ROW;
}

/* drops: are there columns that go? */
static int is_worth_it(struct lite_sink *sink, const struct lite_table *table, bool drops, struct cdc_error *error)
{
    if (sink->settings->fts.count > 0)
        return 0; /* their triggers may be of this very transaction */
    if (!sink->plain.looked && look(sink, error) != 0)
        return -1;
    if (drops && sink->plain.dependents)
        return 0; /* ALTER TABLE knows whether one of them uses the column, which then stays */
    return sink->plain.tables >= MANY && !is_other(&sink->plain, table->source.target)
               ? is_small(sink, table->source.target, error)
               : 0;
}

/* -- its columns -------------------------------------------------------------------------- */

struct parts {
    struct cdc_buf definitions; /* `"a" TEXT, "b" INT`: those that stay, in the table's order, then the new ones */
    struct cdc_buf kept;        /* `, "a", "b"`: of those that stay */
    struct cdc_buf places;      /* `, c0, c1`: the same in cdc_remake */
    size_t n_kept;
    bool possible;
};

static bool is_named(const struct cdc_buf *names, const char *name)
{
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1)
        if (sqlite3_stricmp(names->data + at, name) == 0)
            return true;
    return false;
}

static void append_definition(struct cdc_buf *out, const char *name, const char *type)
{
    cdc_buf_text(out, out->len > 0 ? ", " : "");
    lite_database_quote(out, name);
    cdc_buf_byte(out, ' ');
    cdc_buf_text(out, type);
}

static void keep_column(struct parts *parts, const char *name, const char *type)
{
    parts->possible &= type != NULL && is_plain_word(type, strlen(type));
    append_definition(&parts->definitions, name, type != NULL ? type : "");
    cdc_buf_lit(&parts->kept, ", ");
    lite_database_quote(&parts->kept, name);
    cdc_buf_printf(&parts->places, ", c%zu", parts->n_kept++);
}

/* The rowid is reached by a name that neither the columns of now hide nor those to come. */
static bool can_reach_rowid(const struct lite_table *table)
{
    for (size_t i = 0; table->rowid != NULL && i < table->source.n_columns; i++)
        if (sqlite3_stricmp(table->source.columns[i].name, table->rowid) == 0)
            return false;
    return table->rowid != NULL;
}

/* there: a byte for each column of the definition, as compared. gone: names that the source has no more. */
static int collect(struct lite_sink *sink, const struct lite_table *table, const unsigned char *there,
                   const struct cdc_buf *gone, struct parts *parts, struct cdc_error *error)
{
    sqlite3_stmt *info = lite_sql_table_info(sink, table->source.target, error);
    int code = SQLITE_ERROR, limit = sqlite3_limit(sink->db.handle, SQLITE_LIMIT_COLUMN, -1);

    parts->possible = can_reach_rowid(table);
    while (info != NULL && (code = sqlite3_step(info)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(info, 1);
        if (name != NULL && !is_named(gone, name))
            keep_column(parts, name, (const char *)sqlite3_column_text(info, 2));
    }
    sqlite3_finalize(info);
    if (info == NULL)
        return -1;
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the columns", error);
    parts->possible &= (int)parts->n_kept < limit; /* and the rowid beside them */
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (!there[i])
            append_definition(&parts->definitions, table->source.columns[i].name, lite_sql_declared(table, i));
    return parts->definitions.failed || parts->kept.failed || parts->places.failed ? cdc_error_memory(error) : 0;
}

/* -- made again ----------------------------------------------------------------------------- */

/* Columns without a type: what is stored stays as it is. */
static int save_rows(struct lite_sink *sink, const struct lite_table *table, const struct parts *parts,
                     struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "CREATE TEMP TABLE cdc_remake (id INTEGER PRIMARY KEY");
    cdc_buf_append_buf(sql, &parts->places);
    cdc_buf_printf(sql, "); INSERT INTO temp.cdc_remake SELECT %s", table->rowid);
    cdc_buf_append_buf(sql, &parts->kept);
    cdc_buf_lit(sql, " FROM main.");
    lite_database_quote(sql, table->source.target);
    return lite_database_exec_made(&sink->db, error);
}

static int make_again(struct lite_sink *sink, const struct lite_table *table, const struct parts *parts,
                      struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    cdc_buf_lit(sql, "DROP TABLE main.");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, "; CREATE TABLE main.");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " (");
    cdc_buf_append_buf(sql, &parts->definitions);
    lite_sql_append_key(sql, table);
    return lite_database_exec_made(&sink->db, error);
}

static int return_rows(struct lite_sink *sink, const struct lite_table *table, const struct parts *parts,
                       struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    cdc_buf_lit(sql, "INSERT INTO main.");
    lite_database_quote(sql, table->source.target);
    cdc_buf_printf(sql, " (%s", table->rowid);
    cdc_buf_append_buf(sql, &parts->kept);
    cdc_buf_lit(sql, ") SELECT id");
    cdc_buf_append_buf(sql, &parts->places);
    cdc_buf_lit(sql, " FROM temp.cdc_remake ORDER BY id; DROP TABLE temp.cdc_remake");
    return lite_database_exec_made(&sink->db, error);
}

static int make_whole(struct lite_sink *sink, const struct lite_table *table, const struct parts *parts,
                      struct cdc_error *error)
{
    cdc_log_write(sink->db.log, CDC_LOG_DEBUG,
                  "table \"%s\" is made again with its rows: among %zu tables that is faster than ALTER TABLE",
                  table->source.target, sink->plain.tables);
    return save_rows(sink, table, parts, error) == 0 && make_again(sink, table, parts, error) == 0
               ? return_rows(sink, table, parts, error)
               : -1;
}

static int remake(struct lite_sink *sink, struct lite_table *table, const unsigned char *there,
                  const struct cdc_buf *gone, struct cdc_error *error)
{
    struct parts parts = {CDC_BUF_INIT, CDC_BUF_INIT, CDC_BUF_INIT, 0, false};
    int result =
        lite_rowid_choose(sink, table, NULL, error) == 0 ? collect(sink, table, there, gone, &parts, error) : -1;

    if (result == 0 && parts.possible)
        result = make_whole(sink, table, &parts, error) == 0 ? 1 : -1;
    cdc_buf_free(&parts.definitions);
    cdc_buf_free(&parts.kept);
    cdc_buf_free(&parts.places);
    return result;
}

static bool lacks_column(const struct lite_table *table, const unsigned char *there)
{
    return memchr(there, 0, table->source.n_columns) != NULL;
}

int lite_remake_table(struct lite_sink *sink, struct lite_table *table, const unsigned char *there,
                      struct cdc_error *error)
{
    struct cdc_buf gone = CDC_BUF_INIT;
    int result = lite_reads_is_open(table) ? lite_columns_gone(sink, table, &gone, error) : 0;

    if (result == 0 && (gone.len > 0 || lacks_column(table, there)))
        result = is_worth_it(sink, table, gone.len > 0, error);
    if (result > 0)
        result = remake(sink, table, there, &gone, error);
    cdc_buf_free(&gone);
    return result;
}
