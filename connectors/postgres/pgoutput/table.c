/* SPDX-License-Identifier: MIT */
/* What is known of a table, and the parts of its lines that never change. */
#include "connectors/postgres/pgoutput/table.h"

#include <cdc/json.h>
#include <stdlib.h>

void pg_table_free(struct pg_table *table)
{
    if (!table)
        return;
    pg_table_drop_columns(table);
    free(table->schema);
    free(table->name);
    cdc_buf_free(&table->source_head);
    free(table);
}

void pg_table_drop_columns(struct pg_table *table)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        free(table->columns[i].name);
        free(table->columns[i].type_name);
        free(table->columns[i].base_type_name);
        cdc_buf_free(&table->columns[i].name_json);
    }
    free(table->columns);
    table->columns = NULL;
    table->n_columns = 0;
    pg_table_drop_composites(table);
}

void pg_table_drop_composites(struct pg_table *table)
{
    for (size_t i = 0; i < table->n_composites; i++)
        pg_composite_free(table->composites[i]);
    free(table->composites);
    table->composites = NULL;
    table->n_composites = 0;
}

struct pg_composite *pg_table_composite(struct pg_table *table, uint32_t oid)
{
    enum { MOST = 256 };
    for (size_t i = 0; i < table->n_composites; i++)
        if (table->composites[i]->oid == oid)
            return table->composites[i];
    if (!table->composites)
        table->composites = calloc(MOST, sizeof *table->composites);
    struct pg_composite *composite =
        table->composites && table->n_composites < MOST ? calloc(1, sizeof *composite) : NULL;
    if (!composite)
        return NULL;
    composite->oid = oid;
    table->composites[table->n_composites++] = composite;
    return composite;
}

static int bad_name(const struct pg_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "table with oid %u: a name in it is not valid UTF-8", table->oid);
    return cdc_error_hint(error, "rename the table or the column, or exclude the table from the publication");
}

static bool append_name(struct cdc_buf *out, const char *name)
{
    size_t n = strlen(name);
    if (!cdc_utf8_valid(name, n))
        return false;
    cdc_json_append_string(out, name, n);
    return true;
}

static bool prepare_head(struct pg_table *table, const char *pipeline, const char *database)
{
    struct cdc_buf *head = &table->source_head;
    head->len = 0;
    pg_source_head(head, pipeline, database);
    cdc_buf_lit(head, ",\"schema\":");
    bool good = append_name(head, table->schema);
    cdc_buf_lit(head, ",\"table\":");
    return append_name(head, table->name) && good;
}

/* What every line of the table repeats is made into JSON once. Names that are not UTF-8 (a SQL_ASCII database has
 * them) could not be written in JSON at all. */
int pg_table_prepare(struct pg_table *table, const char *pipeline, const char *database, struct cdc_error *error)
{
    pg_key_settle(table, &table->key_facts);
    if (!prepare_head(table, pipeline, database))
        return bad_name(table, error);
    bool failed = table->source_head.failed;
    table->has_json = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        struct pg_column *column = &table->columns[i];
        /* Neither a primary key nor the index of a replica identity may have NULL. The catalogs cannot say so of a table
         * that was dropped since. */
        column->nullable = column->nullable && !column->key;
        table->has_json = table->has_json || column->type.kind == PG_JSON;
        column->name_json.len = 0;
        if (!append_name(&column->name_json, column->name))
            return bad_name(table, error);
        cdc_buf_byte(&column->name_json, ':');
        failed = failed || column->name_json.failed;
    }
    return failed ? cdc_error_memory(error) : 0;
}

void pg_source_head(struct cdc_buf *out, const char *pipeline, const char *database)
{
    cdc_buf_lit(out, "{\"connector\":\"postgresql\",\"name\":");
    cdc_json_append_text(out, pipeline, strlen(pipeline));
    cdc_buf_lit(out, ",\"db\":");
    cdc_json_append_text(out, database, strlen(database));
}

void pg_source_tail(struct cdc_buf *out, int64_t ts_ms, uint32_t tx_id, uint64_t lsn, const char *snapshot)
{
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    if (tx_id != 0) {
        cdc_buf_lit(out, ",\"txId\":");
        cdc_buf_u64(out, tx_id);
    }
    cdc_buf_lit(out, ",\"lsn\":");
    cdc_buf_u64(out, lsn);
    cdc_buf_lit(out, ",\"snapshot\":\"");
    cdc_buf_text(out, snapshot);
    cdc_buf_lit(out, "\"}");
}

void pg_source_server(struct cdc_buf *out, const char *system_id, int64_t timeline)
{
    if (out->failed)
        return;
    out->len--; /* the closing brace */
    cdc_buf_lit(out, ",\"system_id\":");
    cdc_json_append_text(out, system_id, strlen(system_id));
    cdc_buf_lit(out, ",\"timeline\":");
    cdc_buf_i64(out, timeline);
    cdc_buf_byte(out, '}');
}

static void append_flag(struct cdc_buf *out, bool flag)
{
    cdc_buf_text(out, flag ? "true" : "false");
}

static void append_columns(struct cdc_buf *out, const struct pg_table *table)
{
    cdc_buf_lit(out, ",\"columns\":[");
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct pg_column *column = &table->columns[i];
        const char *type = column->type_name ? column->type_name : "";
        cdc_buf_text(out, i ? ",{\"name\":" : "{\"name\":");
        cdc_buf_append(out, column->name_json.data, column->name_json.len - 1);
        cdc_buf_lit(out, ",\"type\":");
        cdc_json_append_text(out, type, strlen(type));
        if (column->base_type_name) {
            cdc_buf_lit(out, ",\"base_type\":");
            cdc_json_append_text(out, column->base_type_name, strlen(column->base_type_name));
        }
        cdc_buf_lit(out, ",\"nullable\":");
        append_flag(out, column->nullable);
        cdc_buf_lit(out, ",\"generated\":");
        append_flag(out, column->generated);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_lit(out, "],\"key_columns\":[");
    const char *separator = "";
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct pg_column *column = &table->columns[i];
        if (!column->key)
            continue;
        cdc_buf_text(out, separator);
        separator = ",";
        cdc_buf_append(out, column->name_json.data, column->name_json.len - 1);
    }
    cdc_buf_byte(out, ']');
}

/* "XXXXXXXXXXXXXXXX.0000000000.a...": a snapshot's; r: a round's. */
static bool of_snapshot(struct cdc_span pos)
{
    return pos.n > 28 && (pos.p[28] == 'a' || pos.p[28] == 'r');
}

void pg_table_schema_line(struct cdc_buf *out, const struct pg_table *table, struct cdc_span pos, uint64_t seq,
                          int64_t ts_ms)
{
    cdc_buf_lit(out, "{\"op\":\"schema\",\"pos\":\"");
    cdc_buf_span(out, pos);
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    cdc_buf_append_buf(out, &table->source_head);
    pg_source_tail(out, ts_ms, 0, seq, of_snapshot(pos) ? "true" : "false");
    append_columns(out, table);
    cdc_buf_lit(out, "}\n");
}

void pg_row_append_json_null(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells,
                             const char *member)
{
    bool any = false;
    for (size_t i = 0; table->has_json && i < table->n_columns; i++) {
        const struct pg_column *column = &table->columns[i];
        if (column->type.kind != PG_JSON || cells[i].kind != 't' || !pg_json_is_null(cells[i].p, cells[i].n))
            continue;
        cdc_buf_text(out, any ? "," : ",\"");
        if (!any) {
            cdc_buf_text(out, member);
            cdc_buf_lit(out, "\":[");
        }
        cdc_buf_append(out, column->name_json.data, column->name_json.len - 1);
        any = true;
    }
    if (any)
        cdc_buf_byte(out, ']');
}

/* A sink that overwrites by key would take all rows with NULL in it for the same one. */
int pg_row_check_key(const struct pg_table *table, const struct pg_cell *cells, struct cdc_error *error)
{
    for (size_t i = 0; i < table->key_end; i++) {
        if (!table->columns[i].key || cells[i].kind == 't')
            continue;
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the log has a row %s its key column \"%s\"",
                      table->schema, table->name, cells[i].kind == 'n' ? "with NULL in" : "without",
                      table->columns[i].name);
        return cells[i].kind == 'n'
                   ? cdc_error_hint(error,
                                    "was the key made later than the row? Exclude the table, or take a new snapshot")
                   : cdc_error_hint(error,
                                    "update the server to its newest minor release, or set REPLICA IDENTITY FULL");
    }
    return 0;
}
