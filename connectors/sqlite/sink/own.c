/* SPDX-License-Identifier: MIT */
/* Columns that somebody has added to the copy, when all rows of the table go and come again. Of
 *
 *   "id" INTEGER, "mail" TEXT, note TEXT       note is somebody's
 *
 * temp.cdc_kept has k0, the ids, and o0, the notes. Rows whose id comes again get theirs back. */
#include "connectors/sqlite/sink/internal.h"

static void append_kept(struct cdc_buf *sql, const char *separator, const char *prefix, char letter, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cdc_buf_printf(sql, "%s%s%c%zu", i > 0 ? separator : "", prefix, letter, i);
}

static size_t append_own(struct cdc_buf *sql, const struct cdc_buf *own, const char *table)
{
    size_t n = 0;

    for (size_t at = 0; at < own->len; at += strlen(own->data + at) + 1, n++) {
        cdc_buf_lit(sql, ", ");
        if (table != NULL) {
            lite_database_quote(sql, table);
            cdc_buf_byte(sql, '.');
        }
        lite_database_quote(sql, own->data + at);
    }
    return n;
}

static size_t count_own(const struct cdc_buf *own)
{
    size_t n = 0;

    for (size_t at = 0; at < own->len; at += strlen(own->data + at) + 1)
        n++;
    return n;
}

static void append_key_of(struct cdc_buf *sql, const struct lite_table *table, const char *of, size_t i)
{
    lite_database_quote(sql, of);
    cdc_buf_byte(sql, '.');
    lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
}

int lite_own_keep(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *own,
                  struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;
    size_t n = count_own(own);

    sql->len = 0;
    cdc_buf_lit(sql, "CREATE TEMP TABLE cdc_kept (");
    append_kept(sql, ", ", "", 'k', table->source.n_key);
    cdc_buf_lit(sql, ", ");
    append_kept(sql, ", ", "", 'o', n);
    cdc_buf_lit(sql, ", PRIMARY KEY (");
    append_kept(sql, ", ", "", 'k', table->source.n_key);
    cdc_buf_lit(sql, ")) WITHOUT ROWID; INSERT INTO temp.cdc_kept SELECT ");
    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i > 0 ? ", " : "");
        append_key_of(sql, table, table->source.target, i);
    }
    append_own(sql, own, table->source.target);
    cdc_buf_lit(sql, " FROM main.");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " WHERE 1");
    lite_pieces_append_part(sql, table);
    return lite_database_exec_made(&sink->db, error);
}

/* Appends `"cdc_read_7"."id"=cdc_kept.k0 AND ...`. */
static void append_is_kept(struct cdc_buf *sql, const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i > 0 ? " AND " : "");
        append_key_of(sql, table, table->side, i);
        cdc_buf_printf(sql, "=cdc_kept.k%zu", i);
    }
}

int lite_own_insert(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *own, bool known,
                    struct cdc_error *error)
{
    struct lite_pieces pieces = lite_pieces_of_side(table);
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "INSERT INTO main.");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " (");
    lite_sql_append_columns(sql, table);
    size_t n = known ? append_own(sql, own, NULL) : 0;
    cdc_buf_lit(sql, ") SELECT ");
    for (size_t i = 0; i < table->source.n_columns; i++) {
        cdc_buf_printf(sql, "%s%s.", i > 0 ? ", " : "", table->side);
        lite_database_quote(sql, table->source.columns[i].name);
    }
    cdc_buf_text(sql, n > 0 ? ", " : "");
    append_kept(sql, ", ", "cdc_kept.", 'o', n);
    cdc_buf_printf(sql, " FROM %s%s", table->side, known ? " JOIN temp.cdc_kept ON " : "");
    if (known)
        append_is_kept(sql, table);
    lite_pieces_append(sql, &pieces);
    if (!known) {
        cdc_buf_lit(sql, " AND NOT EXISTS (SELECT 1 FROM temp.cdc_kept WHERE ");
        append_is_kept(sql, table);
        cdc_buf_byte(sql, ')');
    }
    return lite_pieces_run(sink, table, &pieces, error);
}
