/* SPDX-License-Identifier: MIT */
/* Columns of MariaDB that are not in the lines, and sequences, which are in none: the log has an insert for each time that
 * one has reserved numbers, into a table of one row.
 *
 * Generated columns, since its log has their new values only now and then. Of (id int primary key, a int, v int as (a * 2)),
 * insert into t (id, a) values (1, 1), update t set a = 2, with binlog_row_image=FULL:
 *     10.11   WRITE_ROWS (1, 1, 2)   UPDATE_ROWS (1, 1, 2) to (1, 2, 4)    with MINIMAL: (1) to (2), though v is another
 *     11.8    WRITE_ROWS (1, 1, 2)   UPDATE_ROWS (1, 1) to (1, 2)          stored ones, too; sometimes also in WRITE_ROWS
 * An image does not say why a column is not in it, so that the old value would pass for the new one. MySQL logs each that
 * has changed, and its lines have them. No key has one: MariaDB allows that neither for a primary key nor takes another
 * that may be NULL for one. The two columns of a row's time count as generated, and are always logged.
 *
 * Columns that MariaDB keeps for itself. Its log has them, after all others, and its clients do not see them: the
 * hashes of unique keys on TEXT and BLOB (which take NULL where a column of theirs does), and the time of each row in a
 * system-versioned table that does not name columns for it.
 *
 * A system-versioned table is more than what a client sees in it: an UPDATE keeps the old row with the time of its
 * end, a DELETE only writes that time. The lines tell of the current rows, as SELECT does: under the key that was
 * declared, to which the server adds the end of the row's time, and without the rows of the past:
 *     INSERT           WRITE_ROWS (1, 'a', row_end 2038-01-19 ...)                    "op":"c"
 *     UPDATE           UPDATE_ROWS (1, 'a', 2038) to (1, 'b', 2038)                   "op":"u"
 *                      WRITE_ROWS (1, 'a', row_end now)                               of the past: no line
 *     DELETE           UPDATE_ROWS (1, 'b', 2038) to (1, 'b', row_end now)            "op":"d" */
#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_hash(const struct my_column *column, const char *name)
{
    return !column->listed && column->type == MY_TYPE_LONGLONG && column->is_unsigned && column->name &&
           strcmp(column->name, name) == 0;
}

/* The name of the next hash: the server counts them from 1, and passes over names that columns before them bear. */
static void next_hash(const struct my_table *table, size_t before, size_t *number, char name[40])
{
    size_t i;
    do {
        snprintf(name, 40, "DB_ROW_HASH_%zu", ++*number);
        for (i = 0; i < before && !(table->columns[i].name && strcmp(table->columns[i].name, name) == 0); i++)
            ;
    } while (i < before);
}

static bool ends_in_hashes(const struct my_table *table, size_t n)
{
    size_t before = table->n_columns - n, number = 0;
    char name[40];
    for (size_t i = before; i < table->n_columns; i++) {
        next_hash(table, before, &number, name);
        if (!is_hash(&table->columns[i], name))
            return false;
    }
    return true;
}

/* How many hashes the table ends in. A DB_ROW_HASH_9 alone is the user's own. */
static size_t count_hashes(const struct my_table *table)
{
    size_t most = 0;
    while (most + 1 < table->n_columns && table->columns[table->n_columns - 1 - most].type == MY_TYPE_LONGLONG)
        most++;
    while (most > 0 && !ends_in_hashes(table, most))
        most--;
    return most;
}

static bool has_period_type(const struct my_column *column)
{
    return column->type == MY_TYPE_TIMESTAMP2 && column->metadata == 6 && !column->nullable;
}

static bool is_period(const struct my_column *column, const char *name)
{
    return !column->listed && has_period_type(column) && column->name && strcmp(column->name, name) == 0;
}

static bool logs_key(const struct my_table *table)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].logged_key)
            return true;
    return false;
}

/* n: how many there are before the hashes. The server puts the end into each key. */
static bool has_hidden_period(const struct my_table *table, size_t n)
{
    return n > 2 && is_period(&table->columns[n - 2], "row_start") && is_period(&table->columns[n - 1], "row_end") &&
           (!logs_key(table) || table->columns[n - 1].logged_key);
}

static int check_period(const struct my_table *table, struct cdc_error *error)
{
    if (has_period_type(table->row_end))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "table %s.%s: its versions are told apart by transactions, not by time",
                  table->db, table->name);
    return cdc_error_hint(error, "the server logs such a table's changes as statements, which cannot be read: give it "
                                 "a period of two TIMESTAMP(6) columns");
}

bool my_table_may_be_sequence(const struct my_table *table, enum my_flavor flavor)
{
    static const char *const names[] = {"next_not_cached_value", "minimum_value", "maximum_value",
                                        "start_value",           "increment",     "cache_size",
                                        "cycle_option",          "cycle_count"};
    enum { N = sizeof names / sizeof *names, CYCLE_OPTION = 6 };
    if (flavor != MY_FLAVOR_MARIADB || table->n_columns != N)
        return false;
    bool may = table->columns[CYCLE_OPTION].type == MY_TYPE_TINY && table->columns[N - 1].type == MY_TYPE_LONGLONG;
    for (size_t i = 0; i < N; i++) {
        const struct my_column *column = &table->columns[i];
        may = may && !column->nullable && (!column->name || strcmp(column->name, names[i]) == 0);
    }
    return may;
}

bool my_column_is_omitted(const struct my_column *column, enum my_flavor flavor)
{
    return flavor == MY_FLAVOR_MARIADB && column->generated && !column->period;
}

void my_table_report_omits(const struct my_table *table, bool *reported, const struct cdc_log *log)
{
    if (!table->omits || *reported)
        return;
    *reported = true;
    cdc_log_write(
        log, CDC_LOG_WARNING,
        "table %s.%s: its generated columns are not in the lines, for MariaDB does not log what becomes of them "
        "(said once; --check names all such tables; a copy can compute them itself)",
        table->db, table->name);
}

int my_table_hide(struct my_table *table, enum my_flavor flavor, struct cdc_error *error)
{
    if (flavor != MY_FLAVOR_MARIADB)
        return 0;
    for (size_t i = 0; i < table->n_columns; i++)
        table->omits |= table->columns[i].hidden = my_column_is_omitted(&table->columns[i], flavor);
    size_t n = table->n_columns - count_hashes(table);
    for (size_t i = n; i < table->n_columns; i++)
        table->columns[i].hidden = true;
    /* Without the server's word, two columns of these names may as well be the user's own. */
    if (table->described && !table->row_end && has_hidden_period(table, n)) {
        table->columns[n - 2].hidden = table->columns[n - 1].hidden = true;
        table->row_end = &table->columns[n - 1];
    }
    return table->row_end ? check_period(table, error) : 0;
}

/* A column that could end a row's time: the server would have put it into each key. */
static bool may_be_row_end(const struct my_table *table, const struct my_column *column)
{
    return has_period_type(column) && (!logs_key(table) || column->logged_key);
}

static bool may_be_other_type(const struct my_column *column)
{
    bool binary = !column->charset || my_charset_is_binary(column->charset);
    switch (column->type) {
    case MY_TYPE_STRING: return binary && (column->metadata == 16 || column->metadata == 4);  /* uuid, inet6; inet4 */
    case MY_TYPE_VARCHAR: return binary && column->metadata % 4 == 0 && column->metadata > 0; /* vector: of floats */
    case MY_TYPE_BLOB: return !binary && column->metadata == 4;                               /* json */
    default: return false;
    }
}

bool my_table_is_ambiguous(const struct my_table *table, enum my_flavor flavor)
{
    if (flavor != MY_FLAVOR_MARIADB)
        return false;
    for (size_t i = 0; i < table->n_columns; i++)
        if (may_be_other_type(&table->columns[i]) || may_be_row_end(table, &table->columns[i]))
            return true;
    return count_hashes(table) > 0;
}

static bool give_name(const struct my_table *table, struct my_column *column, const char *name, struct cdc_error *error)
{
    if (table->has_names)
        return column->name && strcmp(column->name, name) == 0;
    free(column->name);
    column->name = strdup(name);
    if (!column->name)
        cdc_error_memory(error);
    return column->name != NULL;
}

bool my_table_name_hidden(struct my_table *table, size_t from, struct cdc_error *error)
{
    size_t i = from, n = table->n_columns;
    char name[40];
    if (n - i >= 2 && has_period_type(&table->columns[i]) && has_period_type(&table->columns[i + 1])) {
        if (!give_name(table, &table->columns[i], "row_start", error) ||
            !give_name(table, &table->columns[i + 1], "row_end", error))
            return false;
        i += 2;
    }
    size_t first = i, number = 0;
    for (; i < n && table->columns[i].type == MY_TYPE_LONGLONG; i++) {
        if (table->has_signs && !table->columns[i].is_unsigned) /* a BIGINT of the user's, which is there no more */
            return false;
        next_hash(table, first, &number, name);
        table->columns[i].is_unsigned = true; /* which the log need not tell */
        if (!give_name(table, &table->columns[i], name, error))
            return false;
    }
    return i == n;
}

/* Rows that are not ended have the last time that the server knows: of 31 bits, or of 32 from 11.5 on, in seconds. What
 * an image lacks was not changed. */
bool my_image_is_current(const struct my_cell *row_end)
{
    static const uint8_t last[][7] = {{0x7F, 0xFF, 0xFF, 0xFF, 0x0F, 0x42, 0x3F},
                                      {0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x42, 0x3F}};
    return !row_end->p || row_end->null ||
           (row_end->n == sizeof last[0] &&
            (memcmp(row_end->p, last[0], sizeof last[0]) == 0 || memcmp(row_end->p, last[1], sizeof last[1]) == 0));
}
