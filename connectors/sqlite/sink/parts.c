/* SPDX-License-Identifier: MIT */
/* A table that was put together from several (cdc/part.h). What a line says of all rows of one of them is done to its rows alone:
 *
 *   {"op":"t",...,"part":{"column":"source_table","value":"shop1.orders"}}   DELETE ... WHERE "source_table" = 'shop1.orders'
 *
 * Each part is read again by itself, two of them at once if it comes so, and has a row in cdc_part_reads and a table beside the
 * one that readers see, as a whole table has in cdc_reads (reads.c). While a line of a part is in hand, the table's members on
 * reads are those of the part. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

/* -- which part -------------------------------------------------------------------------- */

static struct lite_part *find(const struct lite_table *table, const char *value)
{
    struct lite_part *part = table->parts;
    while (part != NULL && strcmp(part->value, value) != 0)
        part = part->next;
    return part;
}

static struct lite_part *add(struct lite_table *table, const char *value)
{
    struct lite_part *part = calloc(1, sizeof *part);

    if (part == NULL || (part->value = strdup(value)) == NULL) {
        free(part);
        return NULL;
    }
    part->next = table->parts;
    table->parts = part;
    return part;
}

static void exchange(struct lite_table *table, struct lite_part *part)
{
    char side[LITE_SIDE_SIZE];
    char *pos = table->read_pos;
    bool live = table->read_live, fits = table->side_fits;

    memcpy(side, table->side, sizeof side);
    memcpy(table->side, part->side, sizeof side);
    memcpy(part->side, side, sizeof side);
    table->read_pos = part->pos;
    table->read_live = part->live;
    table->side_fits = part->side_fits;
    part->pos = pos;
    part->live = live;
    part->side_fits = fits;
}

static void enter(struct lite_table *table, struct lite_part *part)
{
    exchange(table, part);
    table->part = part;
    table->part_value = part->value;
}

void lite_parts_leave(struct lite_table *table)
{
    if (table->part == NULL)
        return;
    exchange(table, table->part);
    table->part = NULL;
    table->part_value = NULL;
}

void lite_parts_return(struct lite_table *table, struct lite_part *part)
{
    enter(table, part);
}

void lite_parts_forget(struct lite_table *table)
{
    lite_parts_leave(table);
    for (struct lite_part *part = table->parts, *next; part != NULL; part = next) {
        next = part->next;
        free(part->value);
        free(part->pos);
        free(part);
    }
    table->parts = NULL;
    free(table->part_column);
    table->part_column = NULL;
}

int lite_parts_enter(struct lite_table *table, const struct cdc_part *which, struct cdc_error *error)
{
    char *column = cdc_json_text(which->column, NULL), *value = cdc_json_text(which->value, NULL);
    struct lite_part *part = NULL;

    if (column != NULL && value != NULL && (part = find(table, value)) == NULL)
        part = add(table, value);
    free(value);
    if (part == NULL) {
        free(column);
        return cdc_error_memory(error);
    }
    free(table->part_column);
    table->part_column = column;
    enter(table, part);
    return 0;
}

void lite_parts_enter_row(struct lite_table *table, const struct cdc_event *event)
{
    if (table->parts == NULL || table->part_column == NULL)
        return;
    struct cdc_span raw = cdc_json_string_raw(cdc_part_of_row(event, table->part_column));
    for (struct lite_part *part = table->parts; raw.p != NULL && part != NULL; part = part->next)
        if (part->side[0] != '\0' && cdc_json_raw_is(raw, cdc_span_text(part->value))) {
            enter(table, part);
            return;
        }
}

void lite_parts_unfit(struct lite_table *table)
{
    table->side_fits = false;
    for (struct lite_part *part = table->parts; part != NULL; part = part->next)
        part->side_fits = false;
}

/* -- what the database keeps ------------------------------------------------------------- */

static int take(struct lite_table *table, sqlite3_stmt *statement, struct cdc_error *error)
{
    const char *value = (const char *)sqlite3_column_text(statement, 0),
               *state = (const char *)sqlite3_column_text(statement, 1),
               *pos = (const char *)sqlite3_column_text(statement, 2),
               *column = (const char *)sqlite3_column_text(statement, 4);
    struct lite_part *part = value != NULL && state != NULL && pos != NULL ? add(table, value) : NULL;

    if (part == NULL || (part->pos = strdup(pos)) == NULL)
        return cdc_error_memory(error);
    part->live = strcmp(state, "live") == 0;
    if (part->live || strcmp(state, "open") == 0)
        snprintf(part->side, sizeof part->side, "cdc_read_%lld", (long long)sqlite3_column_int64(statement, 3));
    if (table->part_column == NULL && column != NULL && (table->part_column = strdup(column)) == NULL)
        return cdc_error_memory(error);
    return 0;
}

int lite_parts_look(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db, "SELECT part, state, pos, number, part_column FROM cdc_part_reads WHERE table_name = ?1", error);
    int code, result = 0;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->source.target, -1, SQLITE_STATIC);
    while (result == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE)
        result = code == SQLITE_ROW ? take(table, statement, error)
                                    : lite_database_error(&sink->db, code, "cannot read cdc_part_reads", error);
    sqlite3_finalize(statement);
    return result;
}

int lite_parts_note(struct lite_sink *sink, const struct lite_table *table, const char *state, int64_t number,
                    struct cdc_error *error)
{
    sqlite3_stmt *statement =
        lite_database_prepare(&sink->db, "INSERT OR REPLACE INTO cdc_part_reads VALUES(?1, ?2, ?3, ?4, ?5, ?6)", error);

    if (statement != NULL) {
        sqlite3_bind_text(statement, 2, table->part_value, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, table->part_column, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 4, state, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 5, table->read_pos, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 6, number);
    }
    return lite_sql_run(sink, statement, table->source.target, error);
}

/* -- rows of a part --------------------------------------------------------------------- */

int lite_parts_check_column(struct lite_sink *sink, const struct lite_table *table, const char *column,
                            struct cdc_error *error)
{
    if (sqlite3_table_column_metadata(sink->db.handle, "main", table->source.target, column, NULL, NULL, NULL, NULL,
                                      NULL) == SQLITE_OK)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\" has no column \"%s\", which says of which table at the source a row is",
                  table->source.target, column);
    return cdc_error_hint(error, "fill it anew: remove the database and its offset file, and take a new snapshot");
}

void lite_parts_append_condition(struct cdc_buf *sql, const struct lite_table *table)
{
    lite_database_quote(sql, table->source.target);
    cdc_buf_byte(sql, '.');
    lite_database_quote(sql, table->part_column);
    cdc_buf_byte(sql, '=');
    lite_database_quote_text(sql, table->part_value);
}
