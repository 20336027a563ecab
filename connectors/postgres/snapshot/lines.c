/* SPDX-License-Identifier: MIT */
/* The lines of a snapshot. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"

#include <string.h>

#define NUMBER_DIGITS 12

int pg_snapshot_prepare_lines(struct snapshot_run *run, struct cdc_error *error)
{
    struct cdc_buf pos = {run->pos_head, 0, sizeof run->pos_head, false};
    if (run->of.again)
        pg_pos_round(&pos, run->of.origin, run->of.number, 0);
    else
        pg_pos_snapshot(&pos, run->of.origin, run->of.number, 0);
    pos.len -= NUMBER_DIGITS;
    cdc_buf_byte(&pos, '\0');
    return pos.failed ? cdc_error_memory(error) : 0;
}

/* All lines count, schema and commit lines too: no two have the same pos. */
static void append_pos(struct snapshot_run *run, struct cdc_buf *out)
{
    cdc_buf_append(out, run->pos_head, strlen(run->pos_head));
    cdc_buf_hex(out, ++run->lines, NUMBER_DIGITS);
}

void pg_snapshot_schema_line(struct snapshot_worker *worker, const struct pg_table *table, bool end)
{
    struct snapshot_run *run = worker->run;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false}, *out = cdc_writer_buf(run->writer);
    append_pos(run, &pos);
    pg_table_schema_line(out, table, cdc_span(text, pos.len), run->of.origin, run->ts_ms);
    if (end && !out->failed) {
        out->len -= 2; /* the closing brace, and the line's end */
        cdc_buf_lit(out, ",\"read\":\"end\"}\n");
    }
    worker->n_lines++;
}

static void numbers(const struct snapshot_run *run, struct cdc_buf *out)
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

void pg_snapshot_commit_line(struct snapshot_worker *worker, bool last)
{
    struct snapshot_run *run = worker->run;
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
    cdc_buf_u64(out, worker->events);
    cdc_buf_lit(out, "}\n");
    worker->events = 0;
    worker->commits++;
    worker->n_lines++;
}

void pg_snapshot_truncate_line(struct snapshot_worker *worker, const struct pg_table *table)
{
    struct snapshot_run *run = worker->run;
    struct cdc_buf *out = cdc_writer_buf(worker->run->writer);
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(worker->run, out);
    numbers(run, out);
    cdc_buf_append_buf(out, &table->source_head);
    pg_source_tail(out, run->ts_ms, 0, run->of.origin, "true");
    cdc_buf_text(out, run->of.again ? ",\"read\":\"begin\"}\n" : "}\n");
    worker->events++;
    worker->n_lines++;
}

/* Of a row only its number and its values differ from the row before: all between them is made once a table. */
void pg_snapshot_prepare_rows(struct snapshot_worker *worker, const struct pg_table *table)
{
    struct snapshot_run *run = worker->run;
    struct cdc_buf *head = &worker->head, *fixed = &worker->fixed;
    head->len = fixed->len = 0;
    cdc_buf_lit(head, "{\"op\":\"r\",\"pos\":\"");
    cdc_buf_text(head, run->pos_head);
    numbers(run, fixed);
    cdc_buf_append_buf(fixed, &table->source_head);
    pg_source_tail(fixed, run->ts_ms, 0, run->of.origin, "true");
    cdc_buf_text(fixed, table->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

void pg_snapshot_row_line(struct snapshot_worker *worker, const struct pg_table *table, const struct pg_cell *cells)
{
    struct cdc_buf *out = cdc_writer_buf(worker->run->writer);
    const struct cdc_value_format *format = &worker->run->pg->format;
    struct pg_value_counts counts = {0};
    cdc_buf_append_buf(out, &worker->head);
    cdc_buf_hex(out, ++worker->run->lines, NUMBER_DIGITS);
    cdc_buf_append_buf(out, &worker->fixed);
    if (table->has_key) {
        pg_row_append(out, table, cells, PG_ROW_KEY, format, &counts);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    pg_row_append(out, table, cells, PG_ROW_ALL, format, &counts);
    if (table->has_json)
        pg_row_append_json_null(out, table, cells, "json_null");
    cdc_buf_lit(out, "}\n");
    worker->rows++;
    worker->chunk_rows++;
    worker->events++;
    worker->changes++;
    worker->unconvertible += counts.unconvertible;
    worker->json_texts += counts.json_texts;
    worker->n_lines++;
}
