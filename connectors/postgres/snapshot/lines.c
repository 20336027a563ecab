/* SPDX-License-Identifier: MIT */
/* The lines of a snapshot. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"

/* All lines count, schema and commit lines too: no two have the same pos. */
static void append_pos(struct snapshot_run *run, struct cdc_buf *out)
{
    if (run->of.again)
        pg_pos_round(out, run->of.origin, run->of.number, ++run->lines);
    else
        pg_pos_snapshot(out, run->of.origin, run->of.number, ++run->lines);
}

void pg_snapshot_schema_line(struct snapshot_run *run, const struct pg_table *table, bool end)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false}, *out = cdc_writer_buf(run->writer);
    append_pos(run, &pos);
    pg_table_schema_line(out, table, cdc_span(text, pos.len), run->of.origin, run->ts_ms);
    if (end && !out->failed) {
        out->len -= 2; /* the closing brace, and the line's end */
        cdc_buf_lit(out, ",\"read\":\"end\"}\n");
    }
    run->metrics->lines_out++;
}

static void numbers(struct snapshot_run *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, run->of.origin);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

/* Into the object that ends out. */
static void append_member(struct cdc_buf *out, const char *name, const char *value)
{
    if (!value || out->failed)
        return;
    out->len--; /* the closing brace */
    cdc_buf_text(out, name);
    cdc_buf_text(out, value);
    cdc_buf_byte(out, '}');
}

void pg_snapshot_commit_line(struct snapshot_run *run, bool last)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(run, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    numbers(run, out);
    cdc_buf_append_buf(out, &run->source_head);
    pg_source_tail(out, run->ts_ms, 0, run->of.origin, last ? "last" : "true");
    pg_source_server(out, run->identity.system_identifier, run->identity.timeline);
    /* A stream that begins after this line finds here what the snapshot has seen of the log. */
    append_member(out, ",\"read_at\":", run->of.again ? run->of.read_at : run->state.read_at);
    append_member(out, ",\"last\":", run->of.last);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, run->chunk);
    cdc_buf_lit(out, "}\n");
    run->chunk = 0;
    run->metrics->commits++;
    run->metrics->lines_out++;
}

void pg_snapshot_truncate_line(struct snapshot_run *run, const struct pg_table *table)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(run, out);
    numbers(run, out);
    cdc_buf_append_buf(out, &table->source_head);
    pg_source_tail(out, run->ts_ms, 0, run->of.origin, "true");
    cdc_buf_text(out, run->of.again ? ",\"read\":\"begin\"}\n" : "}\n");
    run->chunk++;
    run->metrics->lines_out++;
}

/* Of a row only its number and its values differ from the row before: all between them is made once a table. */
void pg_snapshot_prepare_rows(struct snapshot_run *run, const struct pg_table *table)
{
    struct cdc_buf *fixed = &run->fixed;
    fixed->len = 0;
    numbers(run, fixed);
    cdc_buf_append_buf(fixed, &table->source_head);
    pg_source_tail(fixed, run->ts_ms, 0, run->of.origin, "true");
    cdc_buf_text(fixed, table->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

void pg_snapshot_row_line(struct snapshot_run *run, const struct pg_table *table, const struct pg_cell *cells)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    const struct cdc_value_format *format = &run->pg->format;
    struct pg_value_counts counts = {0};
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(run, out);
    cdc_buf_append_buf(out, &run->fixed);
    if (table->has_key) {
        pg_row_append(out, table, cells, PG_ROW_KEY, format, &counts);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    pg_row_append(out, table, cells, PG_ROW_ALL, format, &counts);
    pg_row_append_json_null(out, table, cells, "json_null");
    cdc_buf_lit(out, "}\n");
    run->progress.rows++;
    run->chunk++;
    run->metrics->changes++;
    run->metrics->unconvertible += counts.unconvertible;
    run->metrics->json_texts += counts.json_texts;
    run->metrics->lines_out++;
}
