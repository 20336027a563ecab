/* SPDX-License-Identifier: MIT */
/* The rows of a prepared statement, whose values come in their binary form. They are taken from the packets as those come,
 * one at a time, so that nothing piles up and nothing is allocated for a row. */
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/scan/condition.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

/* The table is there, and no further attempt will open it. By number, since not both servers have all the names. */
static bool is_broken(unsigned number)
{
    switch (number) {
    case 1033: /* incorrect information in file */
    case 1034: /* incorrect key file */
    case 1035: /* old key file */
    case 1168: /* tables of a MERGE table that are none of its kind, or not there */
    case 1194: /* marked as crashed */
    case 1195: /* marked as crashed, and the last repair failed */
    case 1286: /* unknown storage engine */
    case 1459: /* table upgrade required */
    case 1707: /* table rebuild required */
    case 1712: /* index is corrupted */
    case 1812: /* tablespace is missing */
    case 1814: /* tablespace has been discarded */
    case 1877: /* table is corrupted */
    case 1932: /* table does not exist in its engine */ return true;
    default: return false;
    }
}

int my_scan_error(MYSQL *mysql, const struct my_table *table, struct cdc_error *error)
{
    char what[200];
    snprintf(what, sizeof what, "cannot read table %.64s.%.64s", table->db, table->name);
    if (is_broken(mysql_errno(mysql))) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, mysql_error(mysql));
        return cdc_error_hint(error, "repair or drop it, or exclude it (-T '%.64s.%.64s')", table->db, table->name);
    }
    switch (mysql_errno(mysql)) {
    /* ER_TABLE_DEF_CHANGED: the table was altered or truncated after the transaction's snapshot, in which its new
     * form does not exist. Another attempt has another snapshot. */
    case ER_NO_SUCH_TABLE:
    case ER_BAD_DB_ERROR:
    case ER_BAD_FIELD_ERROR:
    case ER_TABLE_DEF_CHANGED:
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: %s", what, mysql_error(mysql));
        return cdc_error_hint(error, "the table was changed while it was read; reading begins again");
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
        cdc_error_set(error, CDC_EXIT_PERMISSION, "%s: %s", what, mysql_error(mysql));
        return cdc_error_hint(error, "GRANT SELECT on the whole table to the user, or exclude it with -T");
    default: return my_session_error(mysql, what, error);
    }
}

/* -- a row -------------------------------------------------------------------------------- */

static size_t value_size(struct cdc_bytes *cursor, uint8_t form)
{
    uint64_t n;
    switch (form) {
    case MY_CELL_1: return 1;
    case MY_CELL_2: return 2;
    case MY_CELL_4: return 4;
    case MY_CELL_8: return 8;
    case MY_CELL_CLOCK: return (size_t)cdc_bytes_le(cursor, 1);
    default: n = my_packed_read(cursor); return n <= cdc_bytes_left(cursor) ? (size_t)n : SIZE_MAX;
    }
}

/* A byte of 0, a bitmap of NULLs whose first two bits are not used, the values. The row (7, NULL, 'ab') of an INT, an INT
 * and a VARCHAR: 00 | 08 (bit 3: the second column) | 07 00 00 00 | 02 61 62. */
static int split_row(struct my_scan *scan, const uint8_t *data, size_t n, struct cdc_error *error)
{
    const struct my_table *table = scan->key->table;
    struct cdc_bytes cursor = {data, data + n, false};
    uint64_t head = cdc_bytes_le(&cursor, 1);
    const uint8_t *nulls = cdc_bytes_take(&cursor, (table->n_columns + 9) / 8);
    for (size_t i = 0; i < table->n_columns && !cursor.bad; i++) {
        struct my_cell *cell = &scan->cells[i];
        cell->null = nulls[(i + 2) / 8] >> ((i + 2) % 8) & 1;
        if (cell->null)
            continue;
        size_t size = value_size(&cursor, scan->forms[i]);
        cell->p = cdc_bytes_take(&cursor, size);
        cell->n = (uint32_t)size;
    }
    if (!cursor.bad && head == 0 && cursor.p == cursor.end)
        return 1;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row that cannot be read", table->db,
                         table->name);
}

static int read_error(const struct my_scan *scan, struct cdc_error *error)
{
    const struct my_table *table = scan->key->table;
    if (scan->key->condition && my_condition_error(scan->mysql, table, error) < 0)
        return -1;
    return my_scan_error(scan->mysql, table, error);
}

int my_scan_next(struct my_scan *scan, struct cdc_error *error)
{
    unsigned long n = mysql_net_read_packet(scan->mysql);
    if (n == packet_error)
        return read_error(scan, error);
    const uint8_t *data = scan->mysql->net.read_pos;
    if (n == 0 || data[0] != 0xFE) /* no row begins so */
        return split_row(scan, data, n, error);
    /* The library did not see that all rows were read: without this it takes no further statement ("commands out of
     * sync"). */
    scan->mysql->status = MYSQL_STATUS_READY;
    return 0;
}

int my_scan_key(const struct my_scan *scan, struct my_key_value *value, struct cdc_error *error)
{
    const struct my_key *key = scan->key;
    int status = 0;
    for (size_t i = 0; status == 0 && i < key->n; i++)
        status = my_key_value_append_cell(value, my_key_column(key, i), &scan->cells[key->columns[i]],
                                          scan->forms[key->columns[i]], error);
    return status;
}

int my_scan_append_row(struct cdc_buf *out, const struct my_table *table, const struct my_cell *cells, bool key_only,
                       const struct cdc_value_format *format, uint64_t *unconvertible, struct cdc_buf *json_null,
                       struct cdc_error *error)
{
    char separator = '{';
    json_null->len = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct my_column *column = &table->columns[i];
        if (key_only && !column->key)
            continue;
        cdc_buf_byte(out, separator);
        separator = ',';
        cdc_buf_append_buf(out, &column->name_json);
        size_t start = out->len;
        if (cells[i].null) {
            cdc_buf_lit(out, "null");
            continue;
        }
        if (my_cell_append(out, column, &cells[i], format, unconvertible, error) < 0)
            return cdc_error_prefix(error, "table %s.%s", table->db, table->name);
        my_image_note_json_null(json_null, column, out, start);
    }
    cdc_buf_byte(out, '}');
    return 0;
}

/* -- the statement --------------------------------------------------------------------------- */

static int read_forms(struct my_scan *scan, struct cdc_error *error)
{
    const struct my_table *table = scan->key->table;
    MYSQL_RES *result = mysql_stmt_result_metadata(scan->statement);
    if (!result || mysql_num_fields(result) != table->n_columns) {
        mysql_free_result(result);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server does not describe the rows", table->db,
                             table->name);
    }
    int form = 0;
    for (size_t i = 0; form >= 0 && i < table->n_columns; i++) {
        form = my_cell_form_of(&table->columns[i], mysql_fetch_field_direct(result, (unsigned)i)->type, error);
        scan->forms[i] = (uint8_t)form;
    }
    mysql_free_result(result);
    return form < 0 ? cdc_error_prefix(error, "table %s.%s", table->db, table->name) : 0;
}

static void append_select(struct cdc_buf *out, const struct my_table *table)
{
    cdc_buf_lit(out, "SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        my_session_append_identifier(out, table->columns[i].name);
    }
    cdc_buf_lit(out, " FROM ");
    my_session_append_table(out, table->db, table->name);
}

static int run_statement(struct my_scan *scan, const struct cdc_buf *sql, struct cdc_error *error)
{
    const struct my_table *table = scan->key->table;
    if (mysql_stmt_prepare(scan->statement, sql->data, sql->len) != 0)
        return my_scan_error(scan->mysql, table, error);
    if (read_forms(scan, error) < 0)
        return -1;
    return mysql_stmt_execute(scan->statement) == 0 ? 0 : read_error(scan, error);
}

int my_scan_begin(struct my_scan *scan, MYSQL *mysql, const struct my_key *key, const struct my_range *range,
                  struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    size_t n = key->table->n_columns;
    *scan = (struct my_scan){.mysql = mysql, .key = key};
    scan->cells = calloc(n + 1, sizeof *scan->cells);
    scan->forms = calloc(n + 1, sizeof *scan->forms);
    scan->statement = mysql_stmt_init(mysql);
    append_select(&sql, key->table);
    my_key_append_range(&sql, key, &range->after, &range->upto, key->condition);
    if (range->limit > 0)
        cdc_buf_printf(&sql, " LIMIT %zu", range->limit);
    cdc_buf_text(&sql, range->share ? range->share : "");
    int status = sql.failed || !scan->cells || !scan->forms || !scan->statement ? cdc_error_memory(error)
                                                                                : run_statement(scan, &sql, error);
    cdc_buf_free(&sql);
    return status;
}

void my_scan_end(struct my_scan *scan)
{
    if (scan->statement)
        mysql_stmt_close(scan->statement);
    free(scan->cells);
    free(scan->forms);
}

/* -- one key -------------------------------------------------------------------------------- */

static int take_key(struct my_key_value *found, const struct my_key *key, MYSQL_RES *result, struct cdc_error *error)
{
    MYSQL_ROW row = mysql_fetch_row(result);
    const unsigned long *sizes = row ? mysql_fetch_lengths(result) : NULL;
    for (size_t i = 0; row && i < key->n; i++) {
        if (!row[i])
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a primary key that is NULL",
                                 key->table->db, key->table->name);
        my_key_value_append(found, my_key_column(key, i), row[i], sizes[i]);
    }
    return found->parts.failed ? cdc_error_memory(error) : 0;
}

int my_scan_find_key(MYSQL *mysql, const struct my_key *key, const struct my_key_value *after, int64_t n,
                     struct my_key_value *found, struct cdc_error *error)
{
    static const struct my_key_value none = {CDC_BUF_INIT, 0};
    struct cdc_buf sql = CDC_BUF_INIT;
    my_key_value_clear(found);
    cdc_buf_lit(&sql, "SELECT ");
    my_key_append_columns(&sql, key);
    cdc_buf_lit(&sql, " FROM ");
    my_session_append_table(&sql, key->table->db, key->table->name);
    /* Of all rows, whatever the condition: so the end is found in the index alone. */
    my_key_append_range(&sql, key, after, &none, NULL);
    /* The n-th key after `after` ends the chunk. Fewer are left: no row, and the chunk is the rest of the table. */
    cdc_buf_printf(&sql, " LIMIT 1 OFFSET %lld", (long long)n - 1);
    cdc_buf_byte(&sql, '\0');
    MYSQL_RES *result = NULL;
    int status = sql.failed ? cdc_error_memory(error) : 0;
    if (status == 0 && mysql_query(mysql, sql.data) == 0)
        result = my_session_store(mysql, "cannot find where a chunk ends", error);
    cdc_buf_free(&sql);
    if (result && mysql_num_fields(result) != key->n)
        status = cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server's answer lacks columns of the key");
    if (status == 0)
        status = result ? take_key(found, key, result, error) : my_scan_error(mysql, key->table, error);
    mysql_free_result(result);
    return status;
}
