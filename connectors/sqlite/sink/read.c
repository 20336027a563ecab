/* SPDX-License-Identifier: MIT */
/* A table that is read again. Between two lines come all of its rows, in any number of deliveries and runs:
 *
 *   {"op":"t",...,"read":"begin"}         a row in cdc_reads: the table's name belongs to it from here on
 *   {"op":"schema",...}                   the form of the rows that come
 *   {"op":"r",...} {"op":"commit",...}    into the table cdc_read_7, beside the one that readers see as it was
 *   {"op":"schema",...,"read":"end"}      its rows replace the others in one transaction (replace.c), and it goes
 *
 * All of it moves in the transaction of the offset, so that a kill at any place leaves the old table, a part of the read, and
 * the offset that belongs to that part. An attempt that begins again drops what the one before has read.
 *
 * A row of cdc_reads is
 *   open     pos is that of the line which began it; is_new: there was no such table then
 *   ended    pos is that of the line which ended it: one that comes again is told from one whose begin is missing
 *   broken   the log went on with the table: rows may be old until another read ends */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

const char *const lite_read_table = "CREATE TABLE IF NOT EXISTS cdc_reads(table_name TEXT PRIMARY KEY COLLATE NOCASE, "
                                    "state TEXT NOT NULL, pos TEXT NOT "
                                    "NULL, number INTEGER NOT NULL, is_new INTEGER NOT NULL)";

void lite_read_forget(struct lite_table *table)
{
    free(table->read_pos);
    table->read_pos = NULL;
    table->side[0] = '\0';
    table->read_known = table->read_new = table->side_fits = false;
}

static void name_side(struct lite_table *table, int64_t number)
{
    snprintf(table->side, sizeof table->side, "cdc_read_%lld", (long long)number);
}

/* -- what the database has ------------------------------------------------------- */

static int take_read(struct lite_sink *sink, struct lite_table *table, sqlite3_stmt *statement, struct cdc_error *error)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_DONE)
        return 0;
    if (code != SQLITE_ROW)
        return lite_database_error(&sink->db, code, "cannot read cdc_reads", error);
    const char *pos = (const char *)sqlite3_column_text(statement, 1);
    if (pos == NULL || (table->read_pos = strdup(pos)) == NULL)
        return cdc_error_memory(error);
    const char *state = (const char *)sqlite3_column_text(statement, 0);
    if (state != NULL && strcmp(state, "open") == 0)
        name_side(table, sqlite3_column_int64(statement, 2));
    table->read_new = sqlite3_column_int(statement, 3) != 0;
    return 0;
}

int lite_read_look(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (table->read_known)
        return 0;
    if (sink->n_reads < 0 &&
        lite_database_number(&sink->db, "SELECT count(*) FROM cdc_reads", &sink->n_reads, error) != 0)
        return -1;
    /* Of a table that nobody owns there is none. */
    if (sink->n_reads > 0 && table->source.owned) {
        sqlite3_stmt *statement = lite_database_prepare(
            &sink->db, "SELECT state, pos, number, is_new FROM cdc_reads WHERE table_name = ?1", error);
        if (statement == NULL)
            return -1;
        sqlite3_bind_text(statement, 1, table->source.target, -1, SQLITE_STATIC);
        int result = take_read(sink, table, statement, error);
        sqlite3_finalize(statement);
        if (result != 0)
            return -1;
    }
    table->read_known = true;
    return 0;
}

int lite_read_report(struct lite_sink *sink, struct cdc_error *error)
{
    sqlite3_stmt *statement =
        lite_database_prepare(&sink->db, "SELECT table_name FROM cdc_reads WHERE state = 'broken'", error);
    int code;

    if (statement == NULL)
        return -1;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        cdc_log_write(sink->db.log, CDC_LOG_WARNING,
                      "table \"%s\" may have old rows: a read of it was broken off; it must be read again",
                      (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : lite_database_error(&sink->db, code, "cannot read cdc_reads", error);
}

/* -- what it gets ------------------------------------------------------------------ */

static int drop_side(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    lite_table_forget_statements(table); /* they are for it */
    table->side_fits = false;
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "DROP TABLE IF EXISTS ");
    lite_database_quote(&sink->db.sql, table->side);
    return lite_database_exec_made(&sink->db, error);
}

/* The read of the table is in that state from now on; number, of an open one, names its side. */
static int note(struct lite_sink *sink, struct lite_table *table, const char *state, struct cdc_span pos,
                int64_t number, struct cdc_error *error)
{
    char *copy = cdc_span_copy(pos);

    if (copy == NULL)
        return cdc_error_memory(error);
    free(table->read_pos);
    table->read_pos = copy;
    table->side[0] = '\0';
    if (strcmp(state, "open") == 0)
        name_side(table, number);
    sqlite3_stmt *statement =
        lite_database_prepare(&sink->db, "INSERT OR REPLACE INTO cdc_reads VALUES(?1, ?2, ?3, ?4, ?5)", error);
    if (statement != NULL) {
        sqlite3_bind_text(statement, 2, state, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, copy, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, number);
        sqlite3_bind_int(statement, 5, table->read_new);
    }
    sink->n_reads = -1;
    return lite_sql_run(sink, statement, table->source.target, error);
}

int lite_read_begin(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    bool again = lite_read_is_open(table);
    int there = lite_table_exists(sink, table->source.target, error);
    int64_t last;

    if (there < 0)
        return -1;
    if (there && (!table->source.owned || (again && table->read_new)))
        return lite_table_is_foreign(sink, table, error);
    if (lite_sql_begin(sink, error) != 0 || (again && drop_side(sink, table, error) != 0) ||
        lite_database_number(&sink->db, "SELECT max(number) FROM cdc_reads", &last, error) != 0)
        return -1;
    table->read_new = !there;
    lite_table_forget_statements(table); /* they are for the table that readers see */
    if (note(sink, table, "open", event->pos, last + 1, error) != 0)
        return -1;
    cdc_log_write(sink->db.log, CDC_LOG_DEBUG, "table \"%s\" is being read again", table->source.target);
    return cdc_tables_claim(&sink->tables, &table->source, error);
}

int lite_read_settle(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (table->side_fits)
        return 0;
    if (sqlite3_table_column_metadata(sink->db.handle, "main", table->side, NULL, NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK) {
        if (lite_table_make(sink, table, table->side, error) != 0)
            return -1;
        table->side_fits = true;
        return 0;
    }
    enum lite_fit fit = lite_table_compare(sink, table, table->side, error);
    if (fit == LITE_FIT_ERROR)
        return -1;
    table->side_fits = fit == LITE_FIT_WHOLE;
    if (table->side_fits)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "table \"%s\" has other columns now than when its read began",
                  table->source.target);
    return cdc_error_hint(error, "start the same line again: the read begins again");
}

/* One that comes again has been done; the one that ends an earlier attempt counts no more. */
static int end_without_begin(const struct lite_sink *sink, const struct lite_table *table,
                             const struct cdc_event *event, struct cdc_error *error)
{
    if ((table->read_pos != NULL && cdc_span_compare(event->pos, cdc_span_text(table->read_pos)) <= 0) ||
        lite_state_is_stored(sink, table->source.id.name, event->pos))
        return 0;
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "table \"%s\" was read again, and the line that begins its read (op t) did not come: rows that are gone "
        "at the source would stay",
        table->source.target);
    return cdc_error_hint(error, "keep the lines with op t in all stages before, and start the same line again");
}

int lite_read_end(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                  struct cdc_error *error)
{
    if (!lite_read_is_open(table) || cdc_span_compare(event->pos, cdc_span_text(table->read_pos)) <= 0)
        return end_without_begin(sink, table, event, error);
    if (lite_sql_begin(sink, error) != 0 || lite_read_settle(sink, table, error) != 0 ||
        lite_replace_rows(sink, table, error) != 0 || drop_side(sink, table, error) != 0)
        return -1;
    table->read_new = false;
    return note(sink, table, "ended", event->pos, 0, error);
}

int lite_read_break_off(struct lite_sink *sink, struct lite_table *table, bool emptied, struct cdc_error *error)
{
    bool kept = !emptied && !table->read_new;

    if (lite_sql_begin(sink, error) != 0 || drop_side(sink, table, error) != 0 ||
        note(sink, table, kept ? "broken" : "ended", cdc_span_text(table->read_pos), 0, error) != 0)
        return -1;
    if (kept)
        cdc_log_write(
            sink->db.log, CDC_LOG_WARNING,
            "table \"%s\": the log goes on before its read has ended; what was read is dropped, and rows may be "
            "old until the table is read again",
            table->source.target);
    sink->missing |= table->missing;
    if (!table->read_new)
        return 0;
    table->read_new = false;
    return lite_state_unclaim(sink, table, error);
}
