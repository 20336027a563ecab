/* SPDX-License-Identifier: MIT */
/* What the database keeps of tables that are read again (read.c): cdc_reads. A row of it is
 *
 *   open     pos is that of the line which began it; is_new: there was no such table then
 *   live     the same, of a read during which the log goes on with the table
 *   ended    pos is that of the line which ended it: one that comes again is told from one whose begin is missing
 *   broken   the log went on with the table: rows may be old until another read ends */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

void lite_reads_forget(struct lite_table *table)
{
    lite_parts_forget(table);
    free(table->read_pos);
    table->read_pos = NULL;
    table->side[0] = '\0';
    table->read_known = table->read_new = table->read_live = table->side_fits = false;
}

static void name_side(struct lite_table *table, int64_t number)
{
    snprintf(table->side, sizeof table->side, "cdc_read_%lld", (long long)number);
}

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
    table->read_live = state != NULL && strcmp(state, "live") == 0;
    if (state != NULL && (strcmp(state, "open") == 0 || table->read_live))
        name_side(table, sqlite3_column_int64(statement, 2));
    table->read_new = sqlite3_column_int(statement, 3) != 0;
    return 0;
}

int lite_reads_look(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (table->read_known)
        return 0;
    if (sink->n_reads < 0 &&
        lite_database_number(&sink->db,
                             "SELECT (SELECT count(*) FROM cdc_reads) + (SELECT count(*) FROM cdc_part_reads)",
                             &sink->n_reads, error) != 0)
        return -1;
    if (sink->n_reads > 0) {
        sqlite3_stmt *statement = lite_database_prepare(
            &sink->db, "SELECT state, pos, number, is_new FROM cdc_reads WHERE table_name = ?1", error);
        if (statement == NULL)
            return -1;
        sqlite3_bind_text(statement, 1, table->source.target, -1, SQLITE_STATIC);
        int result = take_read(sink, table, statement, error);
        sqlite3_finalize(statement);
        if (result != 0 || lite_parts_look(sink, table, error) != 0)
            return -1;
    }
    table->read_known = true;
    return 0;
}

int lite_reads_report(struct lite_sink *sink, struct cdc_error *error)
{
    sqlite3_stmt *statement =
        lite_database_prepare(&sink->db,
                              "SELECT table_name FROM cdc_reads WHERE state = 'broken' UNION SELECT table_name FROM "
                              "cdc_part_reads WHERE state = 'broken'",
                              error);
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

int lite_reads_note(struct lite_sink *sink, struct lite_table *table, const char *state, struct cdc_span pos,
                    int64_t number, struct cdc_error *error)
{
    char *copy = cdc_span_copy(pos);

    if (copy == NULL)
        return cdc_error_memory(error);
    free(table->read_pos);
    table->read_pos = copy;
    table->side[0] = '\0';
    table->read_live = strcmp(state, "live") == 0;
    if (strcmp(state, "open") == 0 || table->read_live)
        name_side(table, number);
    sink->n_reads = 1; /* at least */
    if (table->part != NULL)
        return lite_parts_note(sink, table, state, number, error);
    sqlite3_stmt *statement =
        lite_database_prepare(&sink->db, "INSERT OR REPLACE INTO cdc_reads VALUES(?1, ?2, ?3, ?4, ?5)", error);
    if (statement != NULL) {
        sqlite3_bind_text(statement, 2, state, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, copy, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, number);
        sqlite3_bind_int(statement, 5, table->read_new);
    }
    return lite_sql_run(sink, statement, table->source.target, error);
}
