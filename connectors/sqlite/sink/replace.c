/* SPDX-License-Identifier: MIT */
/* The rows of a table are replaced by those that were read, in the transaction in hand. Of a table with the same key only what
 * differs is changed:
 *
 *   here          read          done
 *   1 a note      1 a           nothing: column, rowid and what somebody has noted there stay
 *   2 b           2 c           an update
 *   3 d                         a delete
 *                 4 e           an insert
 *
 * so that triggers of somebody's see the changes there are, and full-text indexes follow. With another key, or none, no row here
 * can be told to be one of those read: all go, and all come. In pieces, as SQLite keeps what a statement with triggers is
 * going to delete in memory. */
#include "connectors/sqlite/sink/internal.h"

static struct lite_pieces pieces_here(const struct lite_table *table)
{
    return (struct lite_pieces){table->source.target, table->rowid, NULL};
}

/* -- what differs -------------------------------------------------------------------- */

static int delete_gone(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    struct lite_pieces pieces = pieces_here(table);
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "DELETE FROM ");
    lite_database_quote(sql, table->source.target);
    lite_pieces_append(sql, &pieces);
    cdc_buf_printf(sql, " AND NOT EXISTS (SELECT 1 FROM %s WHERE ", table->side);
    for (size_t i = 0; i < table->source.n_key; i++) {
        const char *name = table->source.columns[table->source.key[i]].name;
        cdc_buf_printf(sql, "%s%s.", i > 0 ? " AND " : "", table->side);
        lite_database_quote(sql, name);
        cdc_buf_byte(sql, '=');
        lite_database_quote(sql, table->source.target);
        cdc_buf_byte(sql, '.');
        lite_database_quote(sql, name);
    }
    cdc_buf_byte(sql, ')');
    lite_pieces_append_part(sql, table);
    return lite_pieces_run(sink, table, &pieces, error);
}

/* Appends `"a", "old"` of the columns that are no key and of those that are gone (append_update), each after prefix; gone_value: in
 * place of each that is gone, or NULL. */
static void append_others(struct cdc_buf *sql, const struct lite_table *table, const struct cdc_buf *gone,
                          const char *prefix, const char *gone_value)
{
    size_t n = 0;

    for (size_t i = 0; i < table->source.n_columns; i++)
        if (!table->source.columns[i].key) {
            cdc_buf_printf(sql, "%s%s", n++ > 0 ? ", " : "", prefix);
            lite_database_quote(sql, table->source.columns[i].name);
        }
    for (size_t at = 0; at < gone->len; at += strlen(gone->data + at) + 1) {
        cdc_buf_printf(sql, "%s%s", n++ > 0 ? ", " : "", gone_value != NULL ? gone_value : prefix);
        if (gone_value == NULL)
            lite_database_quote(sql, gone->data + at);
    }
}

/* Where the key is here already: the other columns become those that were read, unless they are the same. One comparison of two
 * rows and not a chain of ORs, which would be too deep for SQLite. gone: columns of the source's that no row of this read has. */
static void append_update(struct cdc_buf *sql, const struct lite_table *table, const struct cdc_buf *gone)
{
    cdc_buf_lit(sql, " ON CONFLICT (");
    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i > 0 ? ", " : "");
        lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
    }
    if (table->source.n_key == table->source.n_columns && gone->len == 0) {
        cdc_buf_lit(sql, ") DO NOTHING");
        return;
    }
    cdc_buf_lit(sql, ") DO UPDATE SET (");
    append_others(sql, table, gone, "", NULL);
    cdc_buf_lit(sql, ")=(");
    append_others(sql, table, gone, "excluded.", "NULL");
    cdc_buf_lit(sql, ") WHERE (");
    append_others(sql, table, gone, "cdc_here.", NULL);
    cdc_buf_lit(sql, ") IS NOT (");
    append_others(sql, table, gone, "excluded.", "NULL");
    cdc_buf_byte(sql, ')');
}

/* gone: NULL where no key is here already, else as append_update takes it. With an alias, or a table that is called excluded would hide
 * the rows that come. */
static int insert_read(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *gone,
                       struct cdc_error *error)
{
    struct lite_pieces pieces = lite_pieces_of_side(table);
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "INSERT INTO ");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " AS cdc_here (");
    lite_sql_append_columns(sql, table);
    cdc_buf_lit(sql, ") SELECT ");
    lite_sql_append_columns(sql, table);
    cdc_buf_printf(sql, " FROM %s", table->side);
    lite_pieces_append(sql, &pieces);
    if (gone != NULL)
        append_update(sql, table, gone);
    return lite_pieces_run(sink, table, &pieces, error);
}

/* -- the whole -------------------------------------------------------------------------- */

/* 1, 0, -1: has the table more rows than one piece, and triggers? The second is asked only then: it takes longer with every
 * table of the database. */
static int needs_pieces(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    int64_t more;

    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "SELECT EXISTS (SELECT 1 FROM ");
    lite_database_quote(&sink->db.sql, table->source.target);
    cdc_buf_printf(&sink->db.sql,
                   " LIMIT 1 OFFSET %d) AND EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ",
                   LITE_PIECE);
    lite_database_quote_text(&sink->db.sql, table->source.target);
    cdc_buf_lit(&sink->db.sql, " COLLATE NOCASE)");
    sqlite3_stmt *statement = lite_database_prepare_made(&sink->db, false, error);
    if (statement == NULL)
        return -1;
    int code = sqlite3_step(statement);
    more = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? more != 0 : lite_database_error(&sink->db, code, "cannot read the schema", error);
}

static int empty(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct lite_pieces pieces = pieces_here(table);
    int in_pieces = needs_pieces(sink, table, error);

    if (in_pieces < 0)
        return -1;
    if (!in_pieces)
        pieces.rowid = NULL;
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "DELETE FROM ");
    lite_database_quote(&sink->db.sql, table->source.target);
    if (in_pieces || table->part != NULL)
        lite_pieces_append(&sink->db.sql, &pieces);
    lite_pieces_append_part(&sink->db.sql, table);
    return lite_pieces_run(sink, table, &pieces, error);
}

/* The form comes first, so that a column which is gone takes no old value along. */
static int change_form(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    /* A part has not all columns of the table, and does not say of any that it is gone. */
    if (table->part != NULL)
        return lite_rowid_choose(sink, table, NULL, error);
    return lite_table_fit(sink, table, error) == 0 && lite_columns_drop_gone(sink, table, error) == 0
               ? lite_rowid_choose(sink, table, NULL, error)
               : -1;
}

static int replace_all(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    return lite_rowid_choose(sink, table, NULL, error) == 0 && empty(sink, table, error) == 0 &&
                   change_form(sink, table, error) == 0
               ? insert_read(sink, table, NULL, error)
               : -1;
}

static int replace_all_but_own(struct lite_sink *sink, struct lite_table *table, const struct cdc_buf *own,
                               struct cdc_error *error)
{
    return lite_own_keep(sink, table, own, error) == 0 && lite_rowid_choose(sink, table, NULL, error) == 0 &&
                   empty(sink, table, error) == 0 && change_form(sink, table, error) == 0 &&
                   lite_own_insert(sink, table, own, true, error) == 0 &&
                   lite_own_insert(sink, table, own, false, error) == 0
               ? lite_database_exec(&sink->db, "DROP TABLE temp.cdc_kept", error)
               : -1;
}

static int replace_all_with_key(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf own = CDC_BUF_INIT;
    int result = lite_columns_own(sink, table, &own, error);

    if (result == 0)
        result = own.len > 0 ? replace_all_but_own(sink, table, &own, error) : replace_all(sink, table, error);
    cdc_buf_free(&own);
    return result;
}

/* A column that no schema line of this run has named is not in the definition, and may still be one of another part's: it stays, and
 * the rows that were read without it must not keep their old values. Of a whole table such columns are gone by now. */
static int update_read(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf gone = CDC_BUF_INIT;
    int result = table->part != NULL ? lite_columns_gone(sink, table, &gone, error) : 0;

    if (result == 0)
        result = insert_read(sink, table, &gone, error);
    cdc_buf_free(&gone);
    return result;
}

/* A unique index of somebody's may be in the way of rows that exchange their values: then all go first. */
static int replace_by_key(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (lite_database_exec(&sink->db, "SAVEPOINT rows_here", error) != 0)
        return -1;
    if (change_form(sink, table, error) == 0 && delete_gone(sink, table, error) == 0 &&
        update_read(sink, table, error) == 0)
        return lite_database_exec(&sink->db, "RELEASE rows_here", error);
    if ((sqlite3_errcode(sink->db.handle) & 0xff) != SQLITE_CONSTRAINT || !sink->db.in_transaction)
        return -1;
    cdc_error_clear(error);
    lite_table_forget_statements(table);
    return lite_database_exec(&sink->db, "ROLLBACK TO rows_here; RELEASE rows_here", error) == 0
               ? replace_all_with_key(sink, table, error)
               : -1;
}

/* 1, 0, -1: are the side's columns where those of the table are? Optional ones may have come at its end. */
static int same_order(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    sqlite3_stmt *info = lite_sql_table_info(sink, table->side, error);
    bool same = true;
    int code;

    if (info == NULL)
        return -1;
    for (size_t i = 0; (code = sqlite3_step(info)) == SQLITE_ROW; i++)
        same = same && i < table->source.n_columns &&
               sqlite3_stricmp((const char *)sqlite3_column_text(info, 1), table->source.columns[i].name) == 0;
    sqlite3_finalize(info);
    return code == SQLITE_DONE ? same : lite_database_error(&sink->db, code, "cannot read the columns", error);
}

/* Of columns in the same order SQLite copies whole pages. */
static int copy_side(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;
    int same = same_order(sink, table, error);

    if (same < 0)
        return -1;
    sql->len = 0;
    cdc_buf_lit(sql, "INSERT INTO ");
    lite_database_quote(sql, table->source.target);
    if (!same) {
        cdc_buf_lit(sql, " (");
        lite_sql_append_columns(sql, table);
        cdc_buf_byte(sql, ')');
    }
    cdc_buf_lit(sql, " SELECT ");
    if (same)
        cdc_buf_byte(sql, '*');
    else
        lite_sql_append_columns(sql, table);
    cdc_buf_printf(sql, " FROM %s", table->side);
    return lite_database_exec_made(&sink->db, error);
}

/* The table appears with its rows; a full-text index is filled once they are there. */
static int make_whole(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (lite_table_make(sink, table, table->source.target, error) != 0 ||
        cdc_tables_claim(&sink->tables, &table->source, error) != 0 || lite_columns_remember(sink, table, error) != 0 ||
        copy_side(sink, table, error) != 0 || lite_rowid_choose(sink, table, NULL, error) != 0)
        return -1;
    cdc_log_write(sink->db.log, CDC_LOG_INFO, "created table \"%s\" in %s", table->source.target, sink->db.path);
    return lite_fts_ensure(sink, table, error);
}

/* The table is made, or gets its columns, as before any row of it. */
static int replace_part(struct lite_sink *sink, struct lite_table *table, struct lite_part *part,
                        struct cdc_error *error)
{
    lite_parts_leave(table);
    int result = lite_table_settle(sink, table, error);
    lite_parts_return(table, part);
    if (result != 0)
        return -1;
    return table->source.n_key > 0 ? replace_by_key(sink, table, error) : replace_all(sink, table, error);
}

static int replace(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (table->part != NULL)
        return replace_part(sink, table, table->part, error);

    int there = lite_table_exists(sink, table->source.target, error);

    if (there <= 0)
        return there < 0 ? -1 : make_whole(sink, table, error);
    if (table->read_new)
        return lite_table_is_foreign(sink, table, error);
    enum lite_fit fit = lite_table_compare(sink, table, table->source.target, error);
    if (fit == LITE_FIT_ERROR)
        return -1;
    return fit == LITE_FIT_NOT || table->source.n_key == 0 ? replace_all(sink, table, error)
                                                           : replace_by_key(sink, table, error);
}

int lite_replace_rows(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (table->part != NULL)
        cdc_log_write(sink->db.log, CDC_LOG_INFO, "table \"%s\": the rows of %s were read again and are replaced",
                      table->source.target, table->part_value);
    else
        cdc_log_write(sink->db.log, CDC_LOG_INFO, "table \"%s\" was read again: its rows are replaced",
                      table->source.target);
    if (replace(sink, table, error) != 0)
        return -1;
    table->pending = table->missing = false;
    return 0;
}
