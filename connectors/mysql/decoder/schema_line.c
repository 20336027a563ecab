/* SPDX-License-Identifier: MIT */
/* The schema line of a table, and what the source object of all its lines begins with. */
#include "connectors/mysql/decoder/table.h"

#include <cdc/json.h>
#include <string.h>

static void append_member(struct cdc_buf *out, const char *name, const char *value)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, value, strlen(value));
}

void my_table_source_head(struct cdc_buf *out, enum my_flavor flavor, const char *pipeline, const char *db,
                          const char *table)
{
    cdc_buf_text(out, flavor == MY_FLAVOR_MARIADB ? "{\"connector\":\"mariadb\"" : "{\"connector\":\"mysql\"");
    append_member(out, ",\"name\":", pipeline);
    if (db)
        append_member(out, ",\"db\":", db);
    if (table)
        append_member(out, ",\"table\":", table);
}

/* Columns in the table's order, and the names of those of the key. name_json has a colon at its end. */
static void append_columns(struct cdc_buf *out, const struct my_table *table)
{
    const char *separator = "";
    cdc_buf_lit(out, ",\"columns\":[");
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct my_column *column = &table->columns[i];
        if (column->hidden)
            continue;
        cdc_buf_text(out, separator);
        separator = ",";
        cdc_buf_lit(out, "{\"name\":");
        cdc_buf_append(out, column->name_json.data, column->name_json.len - 1);
        append_member(out, ",\"type\":", column->type_name);
        cdc_buf_text(out, column->nullable ? ",\"nullable\":true" : ",\"nullable\":false");
        cdc_buf_text(out, column->generated ? ",\"generated\":true}" : ",\"generated\":false}");
    }
    cdc_buf_lit(out, "],\"key_columns\":[");
    separator = "";
    for (size_t i = 0; i < table->n_columns; i++) {
        if (!table->columns[i].key)
            continue;
        cdc_buf_text(out, separator);
        separator = ",";
        cdc_buf_append(out, table->columns[i].name_json.data, table->columns[i].name_json.len - 1);
    }
    cdc_buf_byte(out, ']');
}

void my_table_schema_line(struct cdc_buf *out, const struct my_table *table, struct cdc_span pos, uint64_t seq,
                          int64_t ts_ms, struct cdc_span source_tail)
{
    cdc_buf_lit(out, "{\"op\":\"schema\",\"pos\":\"");
    cdc_buf_span(out, pos);
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    cdc_buf_append_buf(out, &table->source_head);
    cdc_buf_span(out, source_tail);
    append_columns(out, table);
    cdc_buf_lit(out, "}\n");
}
