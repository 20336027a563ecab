/* SPDX-License-Identifier: MIT */
/* The lines of a snapshot. */
#include "connectors/mysql/snapshot/internal.h"

static void append_pos(struct snapshot_reader *reader, struct cdc_buf *out)
{
    const struct snapshot_state *state = &reader->run->state;
    binlog_pos_snapshot(out, state->number, state->attempt, reader->chunk.number, ++reader->line);
}

static const struct binlog_table *table_of(const struct snapshot_reader *reader)
{
    return reader->run->tables[reader->chunk.table].table;
}

static void numbers(const struct snapshot_run *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, run->state.number);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

void binlog_snapshot_schema_line(struct snapshot_reader *reader)
{
    const struct snapshot_run *run = reader->run;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(reader, &pos);
    reader->fixed.len = 0;
    cdc_buf_append(&reader->fixed, run->tail.data, run->tail.len);
    cdc_buf_lit(&reader->fixed, "\"true\"}");
    binlog_table_schema_line(&reader->lines, table_of(reader), cdc_span(text, pos.len), run->state.number, run->ts_ms,
                             cdc_span(reader->fixed.data, reader->fixed.len));
    reader->n_lines++;
}

void binlog_snapshot_commit_line(struct snapshot_reader *reader, bool last)
{
    struct snapshot_run *run = reader->run;
    struct cdc_buf *out = &reader->lines;
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(reader, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    numbers(run, out);
    binlog_snapshot_append_source(run, out, last ? "last" : "true");
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, reader->events);
    cdc_buf_lit(out, "}\n");
    reader->events = 0;
    reader->commits++;
    reader->n_lines++;
}

/* `","seq":N,"ts_ms":N,"source":{...}` */
static void table_head(const struct snapshot_reader *reader, struct cdc_buf *out)
{
    const struct snapshot_run *run = reader->run;
    const struct binlog_table *table = table_of(reader);
    numbers(run, out);
    cdc_buf_append(out, table->source_head.data, table->source_head.len);
    cdc_buf_append(out, run->tail.data, run->tail.len);
    cdc_buf_lit(out, "\"true\"}");
}

void binlog_snapshot_truncate_line(struct snapshot_reader *reader)
{
    struct cdc_buf *out = &reader->lines;
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(reader, out);
    table_head(reader, out);
    cdc_buf_lit(out, "}\n");
    reader->events++;
    reader->n_lines++;
}

void binlog_snapshot_prepare_rows(struct snapshot_reader *reader)
{
    reader->fixed.len = 0;
    table_head(reader, &reader->fixed);
    cdc_buf_text(&reader->fixed, table_of(reader)->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

static int append_row(struct snapshot_reader *reader, bool key_only, struct cdc_error *error)
{
    const struct binlog_table *table = table_of(reader);
    struct cdc_buf *out = &reader->lines;
    char separator = '{';
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct binlog_column *column = &table->columns[i];
        if (key_only && !column->key)
            continue;
        cdc_buf_byte(out, separator);
        separator = ',';
        cdc_buf_append(out, column->name_json.data, column->name_json.len);
        if (reader->cells[i].null)
            cdc_buf_lit(out, "null");
        else if (binlog_snapshot_value_append(out, column, &reader->cells[i], &reader->run->settings->style,
                                              &reader->unconvertible, error) < 0)
            return cdc_error_prefix(error, "table %s.%s", table->db, table->name);
    }
    cdc_buf_byte(out, '}');
    return 0;
}

/* A line that failed half way is taken back: lines leave whole or not at all. */
int binlog_snapshot_row_line(struct snapshot_reader *reader, struct cdc_error *error)
{
    struct cdc_buf *out = &reader->lines;
    size_t start = out->len;
    int status = 0;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(reader, out);
    cdc_buf_append(out, reader->fixed.data, reader->fixed.len);
    if (table_of(reader)->has_key) {
        status = append_row(reader, true, error);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    if (status == 0)
        status = append_row(reader, false, error);
    if (status < 0) {
        out->len = start;
        return -1;
    }
    cdc_buf_lit(out, "}\n");
    reader->rows++;
    reader->events++;
    reader->n_lines++;
    return out->failed ? cdc_error_memory(error) : 0;
}
