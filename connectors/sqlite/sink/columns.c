/* SPDX-License-Identifier: MIT */
/* Which columns of a table come from the source. A column that the source has dropped stays in the copy, and nobody can tell
 * from the table alone whether it was one of the source's or is one that somebody has added to the copy:
 *
 *   CREATE TABLE "t" ("id" INTEGER, "old" TEXT, note TEXT, PRIMARY KEY ("id"))     cdc_columns: ["id","old"]
 *
 * When the table is read again without old, that column goes with the old rows; note stays. */
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

/* Appends the list that is kept, a JSON array; nothing where there is none. */
static int read_names(struct lite_sink *sink, const char *target, struct cdc_buf *out, struct cdc_error *error)
{
    sqlite3_stmt *statement =
        lite_sql_keep(sink, LITE_KEPT_NAMES, "SELECT names FROM cdc_columns WHERE table_name = ?1", error);

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, target, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    const char *names = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (names != NULL && cdc_json_validate(names, strlen(names), NULL) == 0)
        cdc_buf_text(out, names);
    sqlite3_reset(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read cdc_columns", error);
    return out->failed ? cdc_error_memory(error) : 0;
}

/* Asked for a column called oid, SQLite answers for the rowid where there is none; PRAGMA table_xinfo does not. */
static bool is_there(struct lite_sink *sink, const char *table, const char *column)
{
    bool hidden[LITE_ROWID_NAMES] = {false, false, false};
    struct cdc_error ignored = {0};

    if (sqlite3_table_column_metadata(sink->db.handle, "main", table, column, NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK)
        return false;
    for (size_t i = 0; i < LITE_ROWID_NAMES; i++)
        if (sqlite3_stricmp(column, lite_rowid_names[i]) == 0)
            return lite_rowid_find_hidden(sink, table, hidden, &ignored) != 0 || hidden[i];
    return true;
}

static bool is_wanted(const struct lite_table *table, const char *name)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (sqlite3_stricmp(table->source.columns[i].name, name) == 0)
            return true;
    return false;
}

/* The next name of the list that the source does not have any more, and the table still has. RETURNS NEW; NULL at the end, or
 * with *failed. */
static char *next_gone(struct lite_sink *sink, const struct lite_table *table, struct cdc_json_iter *iter, bool *failed)
{
    struct cdc_span item;

    while (cdc_json_next_element(iter, &item)) {
        struct cdc_span raw = cdc_json_string_raw(item);
        char *name = raw.p != NULL ? cdc_json_text(raw, NULL) : NULL;
        *failed |= raw.p != NULL && name == NULL;
        if (name != NULL && !is_wanted(table, name) && is_there(sink, table->source.target, name))
            return name;
        free(name);
    }
    return NULL;
}

int lite_columns_gone(struct lite_sink *sink, const struct lite_table *table, struct cdc_buf *out,
                      struct cdc_error *error)
{
    struct cdc_buf old = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    bool failed = false;
    int result = read_names(sink, table->source.target, &old, error);

    cdc_json_iter_begin(&iter, cdc_span(old.data, old.len));
    for (char *name; result == 0 && (name = next_gone(sink, table, &iter, &failed)) != NULL; free(name))
        cdc_buf_append(out, name, strlen(name) + 1);
    cdc_buf_free(&old);
    return result == 0 && (failed || out->failed) ? cdc_error_memory(error) : result;
}

static bool has_text(const struct cdc_buf *texts, const char *text)
{
    for (size_t at = 0; at < texts->len; at += strlen(texts->data + at) + 1)
        if (sqlite3_stricmp(texts->data + at, text) == 0)
            return true;
    return false;
}

int lite_columns_own(struct lite_sink *sink, const struct lite_table *table, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct cdc_buf gone = CDC_BUF_INIT;
    int code = SQLITE_DONE, result = lite_columns_gone(sink, table, &gone, error);
    sqlite3_stmt *info = result == 0 ? lite_sql_table_info(sink, table->source.target, error) : NULL;

    while (info != NULL && (code = sqlite3_step(info)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(info, 1);
        if (name != NULL && !is_wanted(table, name) && !has_text(&gone, name))
            cdc_buf_append(out, name, strlen(name) + 1);
    }
    sqlite3_finalize(info);
    cdc_buf_free(&gone);
    if (info == NULL)
        return -1;
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the columns", error);
    return out->failed ? cdc_error_memory(error) : 0;
}

/* 1, 0 or -1. */
static int is_listed(const struct cdc_buf *names, const char *column, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, cdc_span(names->data, names->len)); cdc_json_next_element(&iter, &item);) {
        char *name = cdc_json_text(cdc_json_string_raw(item), NULL);
        if (name == NULL)
            return cdc_error_memory(error);
        bool same = sqlite3_stricmp(name, column) == 0;
        free(name);
        if (same)
            return 1;
    }
    return 0;
}

static int is_own(const struct lite_sink *sink, const struct lite_table *table, const char *column,
                  struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\": the source has a column \"%s\" now, and somebody has added one of that name here",
                  table->source.target, column);
    return cdc_error_hint(error, "ALTER TABLE ... RENAME COLUMN or DROP COLUMN in %s, and start again", sink->db.path);
}

/* Made again it would be NULL in the rows that are here, whatever they have at the source. */
static int is_missing(const struct lite_sink *sink, const struct lite_table *table, const char *column,
                      struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\": somebody has dropped column \"%s\" here, which the source has, with its values",
                  table->source.target, column);
    return cdc_error_hint(error,
                          "leave it out with cdc-filter --drop-columns; or ALTER TABLE ... ADD COLUMN in %s, and read "
                          "the table again (cdc-snapshot --again)",
                          sink->db.path);
}

/* Has the list a name that neither the source has any more nor the table? Should the source get a column of that name again, it is a new one. */
static bool has_forgotten(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *names)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool found = false;

    for (cdc_json_iter_begin(&iter, cdc_span(names->data, names->len));
         !found && cdc_json_next_element(&iter, &item);) {
        char *name = cdc_json_text(cdc_json_string_raw(item), NULL);
        found = name != NULL && !is_wanted(table, name) && !is_there(sink, table->source.target, name);
        free(name);
    }
    return found;
}

int lite_columns_check(struct lite_sink *sink, const struct lite_table *table, const unsigned char *there,
                       struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    int result = read_names(sink, table->source.target, &names, error);

    /* A copy of an earlier version may have no list. The end of a read brings all values. */
    for (size_t i = 0; result == 0 && names.len > 0 && i < table->source.n_columns; i++) {
        const char *column = table->source.columns[i].name;
        int listed = is_listed(&names, column, error);
        if (listed < 0)
            result = -1;
        else if (there[i] && listed == 0)
            result = is_own(sink, table, column, error);
        else if (!there[i] && listed == 1 && !lite_reads_is_open(table))
            result = is_missing(sink, table, column, error);
    }
    if (result == 0 && names.len > 0 && has_forgotten(sink, table, &names))
        result = lite_columns_remember(sink, table, error);
    cdc_buf_free(&names);
    return result;
}

static void append_name(struct cdc_buf *out, const char *name)
{
    cdc_buf_byte(out, out->len > 0 ? ',' : '[');
    cdc_json_append_string(out, name, strlen(name));
}

static int write_names(struct lite_sink *sink, const char *target, struct cdc_buf *names, struct cdc_error *error)
{
    cdc_buf_lit(names, "]\0");
    if (names->failed)
        return cdc_error_memory(error);
    sqlite3_stmt *statement =
        lite_sql_keep(sink, LITE_KEPT_REMEMBER, "INSERT OR REPLACE INTO cdc_columns VALUES(?1, ?2)", error);
    if (statement != NULL)
        sqlite3_bind_text(statement, 2, names->data, -1, SQLITE_STATIC);
    return lite_sql_run_kept(sink, statement, target, error);
}

int lite_columns_remember(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf old = CDC_BUF_INIT, names = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    bool failed = false;
    int result = read_names(sink, table->source.target, &old, error);

    for (size_t i = 0; i < table->source.n_columns; i++)
        append_name(&names, table->source.columns[i].name);
    cdc_json_iter_begin(&iter, cdc_span(old.data, old.len));
    for (char *name; result == 0 && (name = next_gone(sink, table, &iter, &failed)) != NULL; free(name))
        append_name(&names, name);
    if (result == 0)
        result = failed ? cdc_error_memory(error) : write_names(sink, table->source.target, &names, error);
    cdc_buf_free(&old);
    cdc_buf_free(&names);
    return result;
}

/* An index, a trigger or a view of somebody's may name it, and SQLite drops no such column. */
static int drop_or_clear(struct lite_sink *sink, const struct lite_table *table, const char *name,
                         struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "ALTER TABLE ");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " DROP COLUMN ");
    lite_database_quote(sql, name);
    if (lite_database_exec(&sink->db, "SAVEPOINT gone", error) != 0)
        return -1;
    if (lite_database_exec_made(&sink->db, error) == 0)
        return lite_database_exec(&sink->db, "RELEASE gone", error);
    if ((sqlite3_errcode(sink->db.handle) & 0xff) != SQLITE_ERROR)
        return -1;
    cdc_error_clear(error);
    cdc_log_write(
        sink->db.log, CDC_LOG_WARNING,
        "table \"%s\": column \"%s\" is gone at the source; it stays, as NULL, since something here uses it: %s",
        table->source.target, name, sqlite3_errmsg(sink->db.handle));
    cdc_buf_lit(sql, "ROLLBACK TO gone; RELEASE gone; UPDATE ");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " SET ");
    lite_database_quote(sql, name);
    cdc_buf_lit(sql, "=NULL WHERE ");
    lite_database_quote(sql, name);
    cdc_buf_lit(sql, " IS NOT NULL");
    return lite_database_exec_made(&sink->db, error);
}

int lite_columns_drop_gone(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf old = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    bool failed = false;
    int result = read_names(sink, table->source.target, &old, error);

    cdc_json_iter_begin(&iter, cdc_span(old.data, old.len));
    for (char *name; result == 0 && (name = next_gone(sink, table, &iter, &failed)) != NULL; free(name))
        result = drop_or_clear(sink, table, name, error);
    cdc_buf_free(&old);
    if (result != 0 || failed)
        return failed ? cdc_error_memory(error) : -1;
    return lite_columns_remember(sink, table, error);
}
