/* SPDX-License-Identifier: MIT */
/* The statements of a table. Each is made for the set of columns that a line carries, and kept: most lines of a table
 * carry the same ones, and preparing a statement costs more than running it. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

/* -- their text ------------------------------------------------------------------ */

/* The waiting rows' table (waiting.c) has the same columns by other names, so that none hides its rowid. */
static void append_column(struct cdc_buf *sql, const struct lite_table *table, bool waiting, size_t column)
{
    if (waiting)
        lite_sql_append_waiting_column(sql, table->source.columns[column].name);
    else
        lite_database_quote(sql, table->source.columns[column].name);
}

static void append_table(struct cdc_buf *sql, const struct lite_table *table, bool waiting)
{
    if (waiting)
        lite_sql_append_waiting(sql, table);
    else
        lite_sql_append_table(sql, table);
}

/* With the table's name. Without it SQLite takes "id" for the text id where there is no such column any more, since somebody has
 * renamed it, say: a delete would find no row, and nobody would know. */
static void append_place(struct cdc_buf *sql, const struct lite_table *table, bool waiting, size_t column)
{
    append_table(sql, table, waiting);
    cdc_buf_byte(sql, '.');
    append_column(sql, table, waiting, column);
}

static void append_columns(struct cdc_buf *sql, const struct lite_table *table, bool waiting)
{
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (i > 0)
            cdc_buf_lit(sql, ", ");
        append_column(sql, table, waiting, i);
    }
}

static void append_places(struct cdc_buf *sql, const struct lite_table *table, bool waiting)
{
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (i > 0)
            cdc_buf_lit(sql, ", ");
        append_place(sql, table, waiting, i);
    }
}

static void append_key_match(struct cdc_buf *sql, const struct lite_table *table, bool waiting, size_t *parameter)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        if (i > 0)
            cdc_buf_lit(sql, " AND ");
        append_place(sql, table, waiting, table->source.key[i]);
        cdc_buf_printf(sql, "=?%zu", ++*parameter);
    }
}

/* SQLite's expressions are at most 1000 deep, and a chain of ANDs is as deep as it is long: a table may have 2000
 * columns. */
#define MATCHES_DEEP 400

/* One row that has these values, not all of them: there may be several that are equal, and the source changed one. IS
 * and not =, which is never true for NULL. */
static void append_row_match(struct cdc_buf *sql, const struct lite_table *table, bool waiting, size_t *parameter)
{
    const char *rowid = waiting ? "rowid" : table->rowid;
    size_t n = 0;

    cdc_buf_printf(sql, "%s=(SELECT %s FROM ", rowid, rowid);
    append_table(sql, table, waiting);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!lite_mask_has(table->before_mask, i))
            continue;
        bool opens = n % MATCHES_DEEP == 0;
        cdc_buf_text(sql, n == 0 ? " WHERE (" : opens ? ") AND (" : " AND ");
        n++;
        append_place(sql, table, waiting, i);
        cdc_buf_printf(sql, " IS ?%zu", ++*parameter);
    }
    cdc_buf_text(sql, n > 0 ? ") LIMIT 1)" : " LIMIT 1)");
}

static void append_set(struct cdc_buf *sql, const struct lite_table *table, bool waiting, size_t *parameter)
{
    const unsigned char *mask = table->after_mask;
    bool first = true;

    cdc_buf_lit(sql, "UPDATE ");
    append_table(sql, table, waiting);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!lite_mask_has(mask, i))
            continue;
        cdc_buf_text(sql, first ? " SET " : ", ");
        first = false;
        append_column(sql, table, waiting, i);
        cdc_buf_printf(sql, "=?%zu", ++*parameter);
    }
    cdc_buf_lit(sql, " WHERE ");
}

/* Only columns that the line carries are set: those that the log omitted keep what they have. A row that comes again
 * is the same row, not a conflict. */
static void append_conflict(struct cdc_buf *sql, const struct lite_table *table)
{
    const unsigned char *mask = table->after_mask;
    bool first = true;

    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i == 0 ? " ON CONFLICT(" : ", ");
        lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
    }
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!lite_mask_has(mask, i) || table->source.columns[i].key)
            continue;
        cdc_buf_text(sql, first ? ") DO UPDATE SET " : ", ");
        first = false;
        lite_database_quote(sql, table->source.columns[i].name);
        cdc_buf_lit(sql, "=excluded.");
        lite_database_quote(sql, table->source.columns[i].name);
    }
    if (first)
        cdc_buf_lit(sql, ") DO NOTHING");
}

static void append_insert(struct cdc_buf *sql, const struct lite_table *table)
{
    const unsigned char *mask = table->after_mask;
    size_t parameter = 0;

    cdc_buf_lit(sql, "INSERT INTO ");
    lite_sql_append_table(sql, table);
    cdc_buf_lit(sql, " AS cdc_here"); /* or a table that is called excluded would hide the row that comes */
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!lite_mask_has(mask, i))
            continue;
        cdc_buf_text(sql, parameter++ == 0 ? " (" : ", ");
        lite_database_quote(sql, table->source.columns[i].name);
    }
    if (parameter == 0)
        cdc_buf_lit(sql, " DEFAULT VALUES");
    for (size_t i = 1; i <= parameter; i++)
        cdc_buf_printf(sql, i == 1 ? ") VALUES (?%zu" : ", ?%zu", i);
    if (parameter > 0)
        cdc_buf_byte(sql, ')');
}

static void append_delete(struct cdc_buf *sql, const struct lite_table *table, bool waiting)
{
    cdc_buf_lit(sql, "DELETE FROM ");
    append_table(sql, table, waiting);
    cdc_buf_lit(sql, " WHERE ");
}

/* The waiting row of the key that came first; for a statement that takes it, and one that removes it. */
static void append_first_waiting(struct cdc_buf *sql, const struct lite_table *table, size_t *parameter)
{
    cdc_buf_lit(sql, "rowid=(SELECT min(rowid) FROM ");
    append_table(sql, table, true);
    cdc_buf_lit(sql, " WHERE ");
    append_key_match(sql, table, true, parameter);
    cdc_buf_byte(sql, ')');
}

/* Between the table and that of its waiting rows. */
static void append_copy(struct cdc_buf *sql, const struct lite_table *table, bool to_waiting)
{
    cdc_buf_lit(sql, "INSERT INTO ");
    append_table(sql, table, to_waiting);
    cdc_buf_lit(sql, " (");
    append_columns(sql, table, to_waiting);
    cdc_buf_lit(sql, ") SELECT ");
    append_places(sql, table, !to_waiting);
    cdc_buf_lit(sql, " FROM ");
    append_table(sql, table, !to_waiting);
    cdc_buf_lit(sql, " WHERE ");
}

static void append_waiting(struct cdc_buf *sql, const struct lite_table *table, enum lite_what what)
{
    size_t parameter = 0;

    if (what == LITE_WAIT || what == LITE_RETURN)
        append_copy(sql, table, what == LITE_WAIT);
    else if (what == LITE_UPDATE_WAITING)
        append_set(sql, table, true, &parameter);
    else
        append_delete(sql, table, true);
    if (what == LITE_WAIT)
        append_key_match(sql, table, false, &parameter);
    else if (what == LITE_RETURN || what == LITE_DELETE_RETURNED)
        append_first_waiting(sql, table, &parameter);
    else
        append_row_match(sql, table, true, &parameter);
}

static void append_statement(struct cdc_buf *sql, const struct lite_table *table, enum lite_what what)
{
    size_t parameter = 0;

    switch (what) {
    case LITE_INSERT: append_insert(sql, table); break;
    case LITE_UPSERT:
        append_insert(sql, table);
        append_conflict(sql, table);
        break;
    case LITE_UPDATE_KEY:
        append_set(sql, table, false, &parameter);
        append_key_match(sql, table, false, &parameter);
        break;
    case LITE_DELETE_KEY:
        append_delete(sql, table, false);
        append_key_match(sql, table, false, &parameter);
        break;
    case LITE_FIND_KEY:
        cdc_buf_lit(sql, "SELECT 1 FROM ");
        append_table(sql, table, false);
        cdc_buf_lit(sql, " WHERE ");
        append_key_match(sql, table, false, &parameter);
        break;
    case LITE_UPDATE_ROW:
        append_set(sql, table, false, &parameter);
        append_row_match(sql, table, false, &parameter);
        break;
    case LITE_DELETE_ROW:
        append_delete(sql, table, false);
        append_row_match(sql, table, false, &parameter);
        break;
    default: append_waiting(sql, table, what); break;
    }
}

/* -- kept ones -------------------------------------------------------------------- */

/* What of a line plays a part in a statement, in the order of its parameters. */
static bool takes_after(enum lite_what what)
{
    return what == LITE_INSERT || what == LITE_UPSERT || what == LITE_UPDATE_KEY || what == LITE_UPDATE_ROW ||
           what == LITE_UPDATE_WAITING;
}

static bool takes_before(enum lite_what what)
{
    return what == LITE_UPDATE_ROW || what == LITE_DELETE_ROW || what == LITE_UPDATE_WAITING ||
           what == LITE_DELETE_WAITING;
}

static bool takes_key(enum lite_what what)
{
    return !takes_before(what) && what != LITE_INSERT && what != LITE_UPSERT;
}

/* Both masks tell statements apart (they lie side by side); where one plays no part it is zeroed for the comparison. */
static void shape_mask(const struct lite_table *table, enum lite_what what, unsigned char *mask)
{
    memset(mask, 0, 2 * table->mask_n);
    if (takes_after(what))
        memcpy(mask, table->after_mask, table->mask_n);
    if (takes_before(what))
        memcpy(mask + table->mask_n, table->before_mask, table->mask_n);
}

static bool is_shape(const struct lite_table *table, const struct lite_shape *shape, enum lite_what what)
{
    if (shape->statement == NULL || shape->what != (int)what || shape->part != table->part)
        return false;
    return (!takes_after(what) || memcmp(shape->mask, table->after_mask, table->mask_n) == 0) &&
           (!takes_before(what) || memcmp(shape->mask + table->mask_n, table->before_mask, table->mask_n) == 0);
}

static sqlite3_stmt *statement_for(struct lite_sink *sink, struct lite_table *table, enum lite_what what,
                                   struct cdc_error *error)
{
    for (size_t i = 0; i < LITE_SHAPES; i++)
        if (is_shape(table, &table->shapes[i], what))
            return table->shapes[i].statement;
    /* In turn: which one is used least is not worth counting. */
    struct lite_shape *shape = &table->shapes[table->next_shape++ % LITE_SHAPES];
    sqlite3_finalize(shape->statement);
    shape->statement = NULL;
    if (shape->mask == NULL && (shape->mask = malloc(2 * table->mask_n)) == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    shape_mask(table, what, shape->mask);
    shape->what = (int)what;
    shape->part = table->part;
    sink->db.sql.len = 0;
    append_statement(&sink->db.sql, table, what);
    if (!table->prepared) {
        table->prepared = true;
        table->next_prepared = sink->prepared;
        sink->prepared = table;
    }
    return shape->statement = lite_database_prepare_made(&sink->db, true, error);
}

/* -- running them ------------------------------------------------------------------ */

int lite_statement_refuse(struct lite_outcome *outcome, const char *table, const char *column, const char *why)
{
    outcome->refused = true;
    snprintf(outcome->reason, sizeof outcome->reason, "table \"%.80s\"%s%.80s%s %s", table,
             column != NULL ? ": column \"" : ":", column != NULL ? column : "", column != NULL ? "\"" : "", why);
    return -1;
}

static int bind_one(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement, int *index,
                    size_t column, struct cdc_span value, struct lite_outcome *outcome, struct cdc_error *error)
{
    const char *reason = NULL;
    int code = lite_value_bind(&sink->scratch, statement, ++*index, table->kinds[column], value, &reason);

    if (reason != NULL)
        return lite_statement_refuse(outcome, table->source.target, table->source.columns[column].name, reason);
    if (lite_database_is_value_error(code))
        return lite_statement_refuse(outcome, table->source.target, table->source.columns[column].name,
                                     sqlite3_errstr(code));
    return code == SQLITE_OK ? 0 : lite_database_error(&sink->db, code, "cannot bind a value", error);
}

static int bind_masked(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement, int *index,
                       const struct cdc_span *spans, const unsigned char *mask, struct lite_outcome *outcome,
                       struct cdc_error *error)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (lite_mask_has(mask, i) && bind_one(sink, table, statement, index, i, spans[i], outcome, error) != 0)
            return -1;
    return 0;
}

static int bind_key(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement, int *index,
                    const struct cdc_span *key, struct lite_outcome *outcome, struct cdc_error *error)
{
    for (size_t i = 0; i < table->source.n_key; i++)
        if (bind_one(sink, table, statement, index, table->source.key[i], key[i], outcome, error) != 0)
            return -1;
    return 0;
}

static int bind_all(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement,
                    enum lite_what what, const struct cdc_span *key, struct lite_outcome *outcome,
                    struct cdc_error *error)
{
    int index = 0;

    if (takes_after(what) &&
        bind_masked(sink, table, statement, &index, table->after, table->after_mask, outcome, error) != 0)
        return -1;
    if (takes_before(what) &&
        bind_masked(sink, table, statement, &index, table->before, table->before_mask, outcome, error) != 0)
        return -1;
    return !takes_key(what) ? 0 : bind_key(sink, table, statement, &index, key, outcome, error);
}

int lite_statement_run(struct lite_sink *sink, struct lite_table *table, enum lite_what what,
                       const struct cdc_span *key, struct lite_outcome *outcome, struct cdc_error *error)
{
    sqlite3_stmt *statement = statement_for(sink, table, what, error);

    if (statement == NULL)
        return -1;
    sink->scratch.len = 0;
    if (bind_all(sink, table, statement, what, key, outcome, error) != 0)
        return -1;
    int code = sqlite3_step(statement);
    outcome->rows = code == SQLITE_ROW                             ? 1
                    : code == SQLITE_DONE && what != LITE_FIND_KEY ? sqlite3_changes64(sink->db.handle)
                                                                   : 0;
    /* SQLite undoes the statement (ABORT), and the transaction goes on; but a trigger with RAISE(ROLLBACK) ends it, and with
     * it goes what complete transactions before this line had written. An offset stored after that would lose them. */
    if (lite_database_is_value_error(code)) {
        sqlite3_reset(statement);
        if (sqlite3_get_autocommit(sink->db.handle))
            return lite_database_lost_transaction(&sink->db, table->source.target, error);
        return lite_statement_refuse(outcome, table->source.target, NULL, sqlite3_errmsg(sink->db.handle));
    }
    int result = code == SQLITE_DONE || code == SQLITE_ROW
                     ? 0
                     : lite_database_error(&sink->db, code, table->source.target, error);
    sqlite3_reset(statement);
    return result;
}
