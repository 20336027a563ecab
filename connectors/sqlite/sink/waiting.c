/* SPDX-License-Identifier: MIT */
/* Rows that wait: under a key that is unique only at the end of a transaction (DEFERRABLE), two rows may have one key for a
 * while. UPDATE t SET id = id + 1 comes as
 *
 *   id 1 becomes 2     the row that has 2 waits in a temporary table
 *   id 2 becomes 3     `before` is that of the waiting row: it leaves there and arrives at 3, where another one waits now
 *   id 3 becomes 4     the same
 *
 * Which of the rows with one key a line speaks of is told by its `before`; it is whole where such keys are (REPLICA
 * IDENTITY FULL). When the other one leaves, the waiting row comes back. At the end of a transaction none waits at the source.
 * One that still does here is what a snapshot, or an earlier run, had put in that place: the transaction replaced it. */
#include "connectors/sqlite/sink/internal.h"

void lite_waiting_begin_line(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event)
{
    if (table->seq == event->seq && table->transaction == sink->transaction)
        return;
    table->seq = event->seq;
    table->transaction = sink->transaction;
    table->waiting = 0;
}

/* Rows of the transaction before may still be in it. */
static int make_empty(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "CREATE TABLE IF NOT EXISTS ");
    lite_sql_append_waiting(sql, table);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        cdc_buf_text(sql, i == 0 ? " (" : ", ");
        lite_sql_append_waiting_column(sql, table->source.columns[i].name);
        cdc_buf_byte(sql, ' ');
        cdc_buf_text(sql, lite_value_declared(table->kinds[i], false));
    }
    cdc_buf_lit(sql, "); DELETE FROM ");
    lite_sql_append_waiting(sql, table);
    return lite_database_exec_made(&sink->db, error);
}

/* Appends `"cid", "cname"` to names: the columns of the waiting rows' table of that number which the definition has still. */
static int common_columns(struct lite_sink *sink, const struct lite_table *table, size_t number, struct cdc_buf *names,
                          struct cdc_error *error)
{
    int code;

    sink->db.sql.len = 0;
    cdc_buf_printf(&sink->db.sql, "PRAGMA temp.table_info(cdc_waiting_%zu)", number);
    sqlite3_stmt *info = lite_database_prepare_made(&sink->db, false, error);
    if (info == NULL)
        return -1;
    while ((code = sqlite3_step(info)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(info, 1) + 1;
        for (size_t i = 0; i < table->source.n_columns; i++)
            if (sqlite3_stricmp(table->source.columns[i].name, name) == 0) {
                cdc_buf_text(names, names->len > 0 ? ", " : "");
                lite_sql_append_waiting_column(names, name);
            }
    }
    sqlite3_finalize(info);
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the columns", error);
    return names->failed ? cdc_error_memory(error) : 0;
}

/* As the rows of the table itself (table.c, rebuild.c): columns that are gone go, new ones are NULL. */
static int carry(struct lite_sink *sink, struct lite_table *table, size_t before, const struct cdc_buf *names,
                 struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    if (make_empty(sink, table, error) != 0)
        return -1;
    cdc_buf_lit(sql, "INSERT INTO ");
    lite_sql_append_waiting(sql, table);
    cdc_buf_printf(sql, " (%.*s) SELECT %.*s FROM temp.cdc_waiting_%zu ORDER BY rowid", (int)names->len, names->data,
                   (int)names->len, names->data, before);
    return lite_database_exec_made(&sink->db, error);
}

int lite_waiting_redefine(struct lite_sink *sink, struct lite_table *table, size_t before, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    int result;

    if (table->transaction != sink->transaction)
        table->waiting = 0;
    if (table->waiting == 0)
        return 0;
    /* No server lets a key go while its check is pending, and without one nothing would bring these rows back. */
    if (table->source.n_key == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG,
                             "table \"%s\" loses its key inside a transaction in which rows have exchanged keys",
                             table->source.target);
    result = common_columns(sink, table, before, &names, error);
    if (result == 0 && names.len > 0)
        result = carry(sink, table, before, &names, error);
    cdc_buf_free(&names);
    return result;
}

int lite_waiting_add(struct lite_sink *sink, struct lite_table *table, const struct cdc_span *key,
                     struct lite_outcome *outcome, struct cdc_error *error)
{
    if (table->waiting == 0 && make_empty(sink, table, error) != 0)
        return -1;
    table->waiting++;
    return lite_statement_run(sink, table, LITE_WAIT, key, outcome, error);
}

/* `before` with the key alone (REPLICA IDENTITY DEFAULT) tells no two rows of one key apart, and there are none then: such a
 * key is unique at any time. */
static bool tells_apart(const struct lite_table *table)
{
    size_t n = 0;

    for (size_t i = 0; i < table->source.n_columns; i++)
        n += lite_mask_has(table->before_mask, i);
    return n > table->source.n_key || n == table->source.n_columns;
}

int lite_waiting_remove(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                        struct cdc_error *error)
{
    outcome->rows = 0;
    if (table->waiting == 0 || !tells_apart(table))
        return 0;
    if (lite_statement_run(sink, table, LITE_DELETE_WAITING, NULL, outcome, error) != 0)
        return -1;
    table->waiting -= outcome->rows > 0;
    return 0;
}

int lite_waiting_update(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                        struct cdc_error *error)
{
    outcome->rows = 0;
    if (table->waiting == 0 || !tells_apart(table))
        return 0;
    return lite_statement_run(sink, table, LITE_UPDATE_WAITING, NULL, outcome, error);
}

int lite_waiting_return(struct lite_sink *sink, struct lite_table *table, const struct cdc_span *key,
                        struct lite_outcome *outcome, struct cdc_error *error)
{
    if (table->waiting == 0 || !tells_apart(table))
        return 0;
    if (lite_statement_run(sink, table, LITE_RETURN, key, outcome, error) != 0)
        return -1;
    if (outcome->rows == 0)
        return 0;
    table->waiting--;
    return lite_statement_run(sink, table, LITE_DELETE_RETURNED, key, outcome, error);
}
