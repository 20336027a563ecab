/* SPDX-License-Identifier: MIT */
/* A table that is read again. Between two lines come all of its rows, in any number of deliveries and runs:
 *
 *   {"op":"t",...,"read":"begin"}         a row in cdc_reads: the table's name belongs to it from here on
 *   {"op":"schema",...}                   the form of the rows that come
 *   {"op":"r",...} {"op":"commit",...}    into the table cdc_read_7, beside the one that readers see as it was
 *   {"op":"schema",...,"read":"end"}      its rows replace the others in one transaction (replace.c), and it goes
 *
 * While the stream itself reads the table ("read":"live") the log goes on with it in between, and what that brings is for
 * cdc_read_7, too.
 *
 * All of it moves in the transaction of the offset, so that a kill at any place leaves the old table, a part of the read, and
 * the offset that belongs to that part. An attempt that begins again drops what the one before has read. */
#include "connectors/sqlite/sink/internal.h"

static int drop_side(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    lite_table_forget_statements(table); /* they are for it */
    table->side_fits = false;
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "DROP TABLE IF EXISTS ");
    lite_database_quote(&sink->db.sql, table->side);
    return lite_database_exec_made(&sink->db, error);
}

#define NEWEST "SELECT max(number) FROM (SELECT number FROM cdc_reads UNION ALL SELECT number FROM cdc_part_reads)"

int lite_read_begin(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    bool again = lite_reads_is_open(table);
    int there = lite_table_exists(sink, table->source.target, error);
    int64_t last;

    if (there < 0)
        return -1;
    if (there && (!table->source.owned || (again && table->part == NULL && table->read_new)))
        return lite_table_is_foreign(sink, table, error);
    if (lite_sql_begin(sink, error) != 0 || (again && drop_side(sink, table, error) != 0) ||
        lite_database_number(&sink->db, NEWEST, &last, error) != 0)
        return -1;
    if (there && table->part != NULL && lite_parts_check_column(sink, table, table->part_column, error) != 0)
        return -1;
    if (table->part == NULL)
        table->read_new = !there;
    lite_table_forget_statements(table); /* they are for the table that readers see */
    const char *state = cdc_span_is(event->read, "live") ? "live" : "open";
    if (lite_reads_note(sink, table, state, event->pos, last + 1, error) != 0)
        return -1;
    cdc_log_write(sink->db.log, CDC_LOG_DEBUG, "table \"%s\" is being read again", table->source.target);
    /* The table may be made before a part of it has been read: rows of other parts come. */
    return table->part == NULL ? cdc_tables_claim(&sink->tables, &table->source, error) : 0;
}

int lite_read_empty(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    return lite_sql_begin(sink, error) == 0 ? drop_side(sink, table, error) : -1;
}

static bool side_has(const struct lite_sink *sink, const struct lite_table *table, const char *column)
{
    return sqlite3_table_column_metadata(sink->db.handle, "main", table->side, column, NULL, NULL, NULL, NULL, NULL) ==
           SQLITE_OK;
}

static int add_to_side(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    for (size_t i = 0; i < table->source.n_columns; i++) {
        const char *name = table->source.columns[i].name;
        if (side_has(sink, table, name))
            continue;
        lite_table_forget_statements(table);
        sql->len = 0;
        cdc_buf_lit(sql, "ALTER TABLE ");
        lite_database_quote(sql, table->side);
        cdc_buf_lit(sql, " ADD COLUMN ");
        lite_database_quote(sql, name);
        cdc_buf_byte(sql, ' ');
        cdc_buf_text(sql, lite_value_declared(table->kinds[i], false));
        if (lite_database_exec_made(&sink->db, error) != 0)
            return -1;
    }
    return 0;
}

/* Rows that were read before a column of another kind came may have other values in it than NULL at the source. */
static bool lacks_optional_only(const struct lite_sink *sink, const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (!table->source.columns[i].optional && !side_has(sink, table, table->source.columns[i].name))
            return false;
    return true;
}

/* Tables that make one have each their columns, and the definition has those of all that have come so far in this run. So a side
 * of a part gets what it lacks, and may have more. */
static int fit_side(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if ((table->part != NULL || lacks_optional_only(sink, table)) && add_to_side(sink, table, error) != 0)
        return -1;
    enum lite_fit fit = table->part != NULL ? LITE_FIT_WHOLE : lite_table_compare(sink, table, table->side, error);
    if (fit == LITE_FIT_ERROR)
        return -1;
    table->side_fits = fit == LITE_FIT_WHOLE;
    if (table->side_fits)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "table \"%s\" has other columns now than when its read began",
                  table->source.target);
    return cdc_error_hint(error, "start the same line again: the read begins again");
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
    return fit_side(sink, table, error);
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
    if (!lite_reads_is_open(table) || cdc_span_compare(event->pos, cdc_span_text(table->read_pos)) <= 0)
        return end_without_begin(sink, table, event, error);
    if (lite_sql_begin(sink, error) != 0 || lite_read_settle(sink, table, error) != 0 ||
        lite_replace_rows(sink, table, error) != 0 || drop_side(sink, table, error) != 0)
        return -1;
    if (table->part == NULL)
        table->read_new = false;
    return lite_reads_note(sink, table, "ended", event->pos, 0, error);
}

int lite_read_break_off(struct lite_sink *sink, struct lite_table *table, bool emptied, struct cdc_error *error)
{
    bool is_new = table->part == NULL && table->read_new, kept = !emptied && !is_new;

    if (lite_sql_begin(sink, error) != 0 || drop_side(sink, table, error) != 0 ||
        lite_reads_note(sink, table, kept ? "broken" : "ended", cdc_span_text(table->read_pos), 0, error) != 0)
        return -1;
    if (kept)
        cdc_log_write(
            sink->db.log, CDC_LOG_WARNING,
            "table \"%s\": the log goes on before its read has ended; what was read is dropped, and rows may be "
            "old until the table is read again",
            table->source.target);
    sink->missing |= table->missing;
    if (!is_new)
        return 0;
    table->read_new = false;
    return lite_state_unclaim(sink, table, error);
}
