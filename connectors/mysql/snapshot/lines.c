/* SPDX-License-Identifier: MIT */
/* The lines of a snapshot. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/decoder/position.h"

static void append_pos(struct my_worker *worker, struct cdc_buf *out)
{
    const struct my_snapshot_state *state = &worker->run->state;
    my_pos_snapshot(out, state->number, state->attempt, worker->chunk.number, ++worker->line);
}

static const struct my_table *table_of(const struct my_worker *worker)
{
    return worker->run->tables[worker->chunk.table].table;
}

static void numbers(const struct my_snapshot *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, run->state.number);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

void my_lines_schema(struct my_worker *worker)
{
    const struct my_snapshot *run = worker->run;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(worker, &pos);
    worker->fixed.len = 0;
    cdc_buf_append(&worker->fixed, run->tail.data, run->tail.len);
    cdc_buf_lit(&worker->fixed, "\"true\"}");
    my_table_schema_line(&worker->lines, table_of(worker), cdc_span(text, pos.len), run->state.number, run->ts_ms,
                         cdc_span(worker->fixed.data, worker->fixed.len));
    worker->n_lines++;
}

void my_lines_commit(struct my_worker *worker, bool last)
{
    struct my_snapshot *run = worker->run;
    struct cdc_buf *out = &worker->lines;
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(worker, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    numbers(run, out);
    my_snapshot_append_source(run, out, last ? "last" : "true");
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, worker->events);
    cdc_buf_lit(out, "}\n");
    worker->events = 0;
    worker->commits++;
    worker->n_lines++;
}

/* `","seq":N,"ts_ms":N,"source":{...}` */
static void table_head(const struct my_worker *worker, struct cdc_buf *out)
{
    const struct my_snapshot *run = worker->run;
    const struct my_table *table = table_of(worker);
    numbers(run, out);
    cdc_buf_append(out, table->source_head.data, table->source_head.len);
    cdc_buf_append(out, run->tail.data, run->tail.len);
    cdc_buf_lit(out, "\"true\"}");
}

void my_lines_truncate(struct my_worker *worker)
{
    struct cdc_buf *out = &worker->lines;
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(worker, out);
    table_head(worker, out);
    cdc_buf_lit(out, "}\n");
    worker->events++;
    worker->n_lines++;
}

void my_lines_prepare_rows(struct my_worker *worker)
{
    worker->fixed.len = 0;
    table_head(worker, &worker->fixed);
    cdc_buf_text(&worker->fixed, table_of(worker)->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

static int append_row(struct my_worker *worker, bool key_only, struct cdc_error *error)
{
    const struct my_table *table = table_of(worker);
    struct cdc_buf *out = &worker->lines;
    char separator = '{';
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct my_column *column = &table->columns[i];
        if (key_only && !column->key)
            continue;
        cdc_buf_byte(out, separator);
        separator = ',';
        cdc_buf_append(out, column->name_json.data, column->name_json.len);
        if (worker->cells[i].null)
            cdc_buf_lit(out, "null");
        else if (my_cell_append(out, column, &worker->cells[i], &worker->run->settings->style, &worker->unconvertible,
                                error) < 0)
            return cdc_error_prefix(error, "table %s.%s", table->db, table->name);
    }
    cdc_buf_byte(out, '}');
    return 0;
}

/* A line that failed half way is taken back: lines leave whole or not at all. */
int my_lines_row(struct my_worker *worker, struct cdc_error *error)
{
    struct cdc_buf *out = &worker->lines;
    size_t start = out->len;
    int status = 0;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(worker, out);
    cdc_buf_append(out, worker->fixed.data, worker->fixed.len);
    if (table_of(worker)->has_key) {
        status = append_row(worker, true, error);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    if (status == 0)
        status = append_row(worker, false, error);
    if (status < 0) {
        out->len = start;
        return -1;
    }
    cdc_buf_lit(out, "}\n");
    worker->rows++;
    worker->events++;
    worker->n_lines++;
    return out->failed ? cdc_error_memory(error) : 0;
}
