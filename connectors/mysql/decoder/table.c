/* SPDX-License-Identifier: MIT */
/* A table from its TABLE_MAP on: made, completed, compared. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/decoder/row_key.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

struct my_table *my_table_new(struct cdc_bytes body, enum my_flavor flavor, struct cdc_error *error)
{
    struct my_table_map map;
    struct my_table *table = calloc(1, sizeof *table);
    if (!table) {
        cdc_error_memory(error);
        return NULL;
    }
    if (my_table_map_parse(body, &map, error) < 0)
        goto failed;
    if (!my_metadata_is_name(map.db) || !my_metadata_is_name(map.table)) {
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is damaged: name");
        goto failed;
    }
    table->id = map.table_id;
    table->db = cdc_span_copy(map.db);
    table->name = cdc_span_copy(map.table);
    table->columns = calloc(map.n_columns ? map.n_columns : 1, sizeof *table->columns);
    /* my_tables_take_map compares the next TABLE_MAP with it. */
    cdc_buf_append(&table->body, body.p, cdc_bytes_left(&body));
    if (!table->db || !table->name || !table->columns || table->body.failed) {
        cdc_error_memory(error);
        goto failed;
    }
    table->n_columns = map.n_columns;
    if (my_metadata_read(table, &map, flavor, error) == 0)
        return table;
failed:
    my_table_free(table);
    return NULL;
}

void my_table_free(struct my_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->n_columns; i++)
        my_column_free(&table->columns[i]);
    free(table->columns);
    free(table->db);
    free(table->name);
    cdc_buf_free(&table->body);
    cdc_buf_free(&table->source_head);
    free(table);
}

/* What a column needs for its values and for schema lines. */
static int prepare_column(struct my_column *column, enum my_flavor flavor, struct cdc_error *error)
{
    if (my_column_resolve(column, flavor, error) < 0)
        return -1;
    if (!column->type_name) {
        struct cdc_buf text = CDC_BUF_INIT;
        my_type_name_append(&text, column);
        cdc_buf_byte(&text, '\0');
        if (text.failed)
            return cdc_error_memory(error);
        column->type_name = text.data;
    }
    column->name_json.len = 0;
    cdc_json_append_text(&column->name_json, column->name, strlen(column->name));
    cdc_buf_byte(&column->name_json, ':');
    return column->name_json.failed ? cdc_error_memory(error) : 0;
}

static bool is_ambiguous(const struct my_column *column)
{
    for (size_t i = 0; i < column->n_labels; i++)
        if (column->labels[i].n == 0)
            return true;
    return column->n_labels == 0 && my_row_key_is_ambiguous(column->type_name);
}

static int check_key(const struct my_table *table, const struct my_column *column, struct cdc_error *error)
{
    if (!column->key || !is_ambiguous(column))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table %.100s.%.100s: column %.64s of its key has a label '', which reads like a value that is none "
                  "of its labels: two rows could have one key",
                  table->db, table->name, column->name);
    return cdc_error_hint(error, "give that label a name, or exclude the table (-T '%.100s.%.100s')", table->db,
                          table->name);
}

/* -- columns that are selected (--columns) -- */

static struct my_column *find_column(struct my_table *table, struct cdc_span name)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].name && cdc_span_is(name, table->columns[i].name))
            return &table->columns[i];
    return NULL;
}

static int refuse_column(const struct my_table *table, struct cdc_span name, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table %.100s.%.100s has no column \"%.*s\" that could be in the lines (--columns)", table->db,
                  table->name, (int)name.n, name.p);
    return cdc_error_hint(error, "fix --columns of cdc-snapshot and mysql-binlog; case matters. Where the column was "
                                 "renamed, name it as it is called now");
}

static int check_selected(struct my_table *table, const struct cdc_selection *selection, struct cdc_error *error)
{
    struct cdc_selection_walk walk = {0};
    struct cdc_span name;
    while (cdc_selection_next_column(selection, table->db, table->name, &walk, &name)) {
        const struct my_column *column = find_column(table, name);
        if (!column || column->hidden)
            return refuse_column(table, name, error);
    }
    return 0;
}

/* A sink finds rows by their key. */
static int select_columns(struct my_table *table, const struct cdc_selection *selection, struct cdc_error *error)
{
    if (!cdc_selection_names_columns(selection, table->db, table->name))
        return 0;
    if (check_selected(table, selection, error) < 0)
        return -1;
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        if (!column->name || cdc_selection_has_column(selection, table->db, table->name, column->name))
            continue;
        column->hidden = true;
        if (!column->key)
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "table %.100s.%.100s: --columns leaves out \"%.100s\", which is of its key", table->db,
                      table->name, column->name);
        return cdc_error_hint(error, "name the columns of the key, too: sinks find rows by it");
    }
    return 0;
}

void my_table_drop_hidden(struct my_table *table)
{
    size_t n = 0, row_end = table->row_end ? (size_t)(table->row_end - table->columns) : SIZE_MAX;
    table->row_end = NULL;
    for (size_t i = 0; i < table->n_columns; i++) {
        if (table->columns[i].hidden) {
            my_column_free(&table->columns[i]);
            continue;
        }
        if (n != i)
            table->columns[n] = table->columns[i];
        if (i == row_end)
            table->row_end = &table->columns[n];
        n++;
    }
    table->n_columns = n;
}

/* -- all of it -- */

int my_table_prepare(struct my_table *table, enum my_flavor flavor, const char *pipeline,
                     const struct cdc_selection *selection, struct cdc_error *error)
{
    if (my_table_hide(table, flavor, error) < 0)
        return -1;
    my_row_key_settle(table);
    if (select_columns(table, selection, error) < 0)
        return -1;
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        if (!column->name) {
            cdc_error_set(error, CDC_EXIT_CONFIG, "the log does not name the columns of table %s.%s", table->db,
                          table->name);
            return cdc_error_hint(error,
                                  "SET GLOBAL binlog_row_metadata = FULL; names stand in what is logged after it");
        }
        if (prepare_column(column, flavor, error) < 0) {
            return cdc_error_prefix(error, "table %.100s.%.100s, column %.64s", table->db, table->name, column->name);
        }
        if (check_key(table, column, error) < 0)
            return -1;
    }
    table->source_head.len = 0;
    my_table_source_head(&table->source_head, flavor, pipeline, table->db, table->name);
    return table->source_head.failed ? cdc_error_memory(error) : 0;
}

/* All that a schema line tells of a column, and its kind, which decides how values look. */
static bool same_column(const struct my_column *a, const struct my_column *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->type_name, b->type_name) == 0 && a->kind == b->kind &&
           a->key == b->key && a->nullable == b->nullable && a->generated == b->generated && a->hidden == b->hidden;
}

bool my_table_same_schema(const struct my_table *a, const struct my_table *b)
{
    if (a->n_columns != b->n_columns || strcmp(a->db, b->db) != 0 || strcmp(a->name, b->name) != 0)
        return false;
    for (size_t i = 0; i < a->n_columns; i++)
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    return true;
}
