/* SPDX-License-Identifier: MIT */
/* A statement about all rows of a table that is read again, run for some thousands of them after the others. */
#include "connectors/sqlite/sink/internal.h"

void lite_pieces_append(struct cdc_buf *sql, const struct lite_pieces *pieces)
{
    cdc_buf_lit(sql, " WHERE ");
    if (pieces->rowid == NULL) {
        cdc_buf_byte(sql, '1');
        return;
    }
    lite_database_quote(sql, pieces->table);
    cdc_buf_printf(sql, ".%s BETWEEN ?1 AND ?2", pieces->rowid);
}

static sqlite3_stmt *prepare_last(struct lite_sink *sink, const struct lite_pieces *pieces, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_printf(sql, "SELECT max(last) FROM (SELECT %s AS last FROM ", pieces->rowid);
    lite_database_quote(sql, pieces->table);
    cdc_buf_printf(sql, " WHERE %s >= ?1 ORDER BY %s LIMIT %d)", pieces->rowid, pieces->rowid, LITE_PIECE);
    return lite_database_prepare_made(&sink->db, true, error);
}

/* A trigger of somebody's may end the whole transaction. */
static int step(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement,
                struct cdc_error *error)
{
    int code = sqlite3_step(statement);

    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        lite_database_error(&sink->db, code, table->source.target, error);
        if (sqlite3_get_autocommit(sink->db.handle)) {
            cdc_error_clear(error);
            lite_database_lost_transaction(&sink->db, table->source.target, error);
        }
        return -1;
    }
    return 0;
}

static int check_stop(const struct lite_sink *sink, struct cdc_error *error)
{
    const struct cdc_control *control = sink->context.control;

    if (control->stop)
        cdc_control_waiting(control, "the rows of a table to be replaced");
    return control->stop < 2
               ? 0
               : cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while the rows of a table were replaced");
}

static int run_pieces(struct lite_sink *sink, const struct lite_table *table, const struct lite_pieces *pieces,
                      sqlite3_stmt *last, struct cdc_error *error)
{
    for (int64_t from = INT64_MIN, to;; from = to + 1) {
        sqlite3_bind_int64(last, 1, from);
        if (check_stop(sink, error) != 0 || step(sink, table, last, error) != 0)
            return -1;
        bool more = sqlite3_column_type(last, 0) != SQLITE_NULL;
        to = sqlite3_column_int64(last, 0);
        sqlite3_reset(last);
        if (!more)
            return 0;
        sqlite3_bind_int64(pieces->statement, 1, from);
        sqlite3_bind_int64(pieces->statement, 2, to);
        if (step(sink, table, pieces->statement, error) != 0)
            return -1;
        sqlite3_reset(pieces->statement);
        if (to == INT64_MAX)
            return 0;
    }
}

int lite_pieces_run(struct lite_sink *sink, const struct lite_table *table, struct lite_pieces *pieces,
                    struct cdc_error *error)
{
    int result = -1;

    pieces->statement = lite_database_prepare_made(&sink->db, true, error);
    if (pieces->statement != NULL && pieces->rowid == NULL) {
        result = step(sink, table, pieces->statement, error);
    } else if (pieces->statement != NULL) {
        sqlite3_stmt *last = prepare_last(sink, pieces, error);
        result = last != NULL ? run_pieces(sink, table, pieces, last, error) : -1;
        sqlite3_finalize(last);
    }
    sqlite3_finalize(pieces->statement);
    return result;
}

struct lite_pieces lite_pieces_of_side(const struct lite_table *table)
{
    return (struct lite_pieces){table->side, lite_rowid_visible(&table->source), NULL};
}

void lite_pieces_append_part(struct cdc_buf *sql, const struct lite_table *table)
{
    if (table->part == NULL)
        return;
    cdc_buf_lit(sql, " AND ");
    lite_parts_append_condition(sql, table);
}
