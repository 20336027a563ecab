/* SPDX-License-Identifier: MIT */
/* The lines of a snapshot. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/decoder/position.h"

/* -- source -------------------------------------------------------------------------------- */

int my_lines_begin(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = run->point;
    struct cdc_buf *tail = &run->source_tail;
    tail->len = 0;
    cdc_buf_printf(tail, ",\"ts_ms\":%lld,\"server_id\":%u,\"file\":", (long long)run->ts_ms,
                   (unsigned)from->server_id);
    cdc_json_append_text(tail, from->coord.file, strlen(from->coord.file));
    cdc_buf_printf(tail, ",\"pos\":%llu,\"row\":0,\"snapshot\":", (unsigned long long)from->coord.position);
    return tail->failed ? cdc_error_memory(error) : 0;
}

/* The source of the boundary that the sinks have, but for "snapshot" and "seen". */
static void append_boundary(struct cdc_buf *out, const struct my_again *again, const char *snapshot)
{
    struct cdc_buf source = CDC_BUF_INIT;
    my_seen_append_into(&source, cdc_span_text(again->source), &again->seen);
    struct cdc_span whole = cdc_span(source.data, source.len);
    struct cdc_span value = source.failed ? cdc_span(NULL, 0) : cdc_json_member(whole, "snapshot");
    size_t before = value.p ? (size_t)(value.p - whole.p) : whole.n - 1;
    if (!source.failed) {
        cdc_buf_append(out, whole.p, before);
        my_snapshot_append_member(out, value.p ? "" : ",\"snapshot\":", snapshot);
        cdc_buf_append(out, whole.p + before + value.n, whole.n - before - value.n);
    }
    out->failed |= source.failed;
    cdc_buf_free(&source);
}

void my_lines_append_source(struct cdc_buf *out, const struct my_snapshot *run, const char *snapshot)
{
    if (run->again) {
        append_boundary(out, run->again, snapshot);
        return;
    }
    const struct my_consistent_point *from = run->point;
    my_table_source_head(out, run->server.flavor, run->settings->name, NULL, NULL);
    cdc_buf_append_buf(out, &run->source_tail);
    my_snapshot_append_member(out, "", snapshot);
    my_snapshot_append_member(out, ",\"gtids\":", from->gtids);
    if (from->server_uuid[0])
        my_snapshot_append_member(out, ",\"server_uuid\":", from->server_uuid);
    if (from->file_created)
        cdc_buf_printf(out, ",\"file_created\":%u", (unsigned)from->file_created);
    my_seen_append(out, &run->state.seen);
    cdc_buf_byte(out, '}');
}

static uint64_t origin_of(const struct my_snapshot *run)
{
    return run->again ? run->again->origin : run->state.attempt.origin;
}

/* -- lines --------------------------------------------------------------------------------- */

static void append_pos(struct my_worker *worker, struct cdc_buf *out)
{
    const struct cdc_attempt *attempt = &worker->run->state.attempt;
    const struct my_again *again = worker->run->again;
    if (again)
        my_pos_round(out, again->origin, again->attempt, worker->chunk.number, ++worker->line);
    else
        my_pos_snapshot(out, attempt->origin, attempt->number, worker->chunk.number, ++worker->line);
}

static const struct my_table *table_of(const struct my_worker *worker)
{
    return my_worker_table(worker)->table;
}

static void append_numbers(const struct my_snapshot *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, origin_of(run));
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

void my_lines_add_schema(struct my_worker *worker, bool end)
{
    const struct my_snapshot *run = worker->run;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(worker, &pos);
    worker->row_head.len = 0;
    cdc_buf_append_buf(&worker->row_head, &run->source_tail);
    cdc_buf_lit(&worker->row_head, "\"true\"}");
    my_table_schema_line(&worker->lines, table_of(worker), cdc_span(text, pos.len), origin_of(run), run->ts_ms,
                         cdc_span(worker->row_head.data, worker->row_head.len));
    worker->n_lines++;
    if (!end || worker->lines.failed)
        return;
    worker->lines.len -= 2;
    cdc_buf_lit(&worker->lines, ",\"read\":\"end\"}\n");
}

void my_lines_add_commit(struct my_worker *worker, bool last)
{
    struct my_snapshot *run = worker->run;
    struct cdc_buf *out = &worker->lines;
    /* last_pos is the run's: only the worker whose turn it is may write it, and commit lines are made in turn. */
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(worker, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    append_numbers(run, out);
    my_lines_append_source(out, run, last ? "last" : "true");
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, worker->events);
    cdc_buf_lit(out, "}\n");
    worker->events = 0;
    worker->commits++;
    worker->n_lines++;
}

int my_lines_write_beat(void *context, struct cdc_error *error)
{
    struct my_snapshot *run = context;
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    struct my_worker worker = {.run = run, .line = ++run->beats};
    worker.chunk.number = run->next.number; /* as end_lines has it */
    my_lines_add_commit(&worker, true);
    cdc_buf_append_buf(out, &worker.lines);
    cdc_buf_free(&worker.lines);
    return out->failed ? cdc_error_memory(error) : cdc_snapshot_drain(run->writer, run->control, error);
}

/* `","seq":N,"ts_ms":N,"source":{...}` */
static void append_table_head(const struct my_worker *worker, struct cdc_buf *out)
{
    const struct my_snapshot *run = worker->run;
    const struct my_table *table = table_of(worker);
    append_numbers(run, out);
    cdc_buf_append_buf(out, &table->source_head);
    cdc_buf_append_buf(out, &run->source_tail);
    cdc_buf_lit(out, "\"true\"}");
}

void my_lines_add_truncate(struct my_worker *worker)
{
    struct cdc_buf *out = &worker->lines;
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(worker, out);
    append_table_head(worker, out);
    cdc_buf_text(out, worker->run->again ? ",\"read\":\"begin\"}\n" : "}\n");
    worker->events++;
    worker->n_lines++;
}

void my_lines_add_gone(struct my_worker *worker, const char *db, const char *table)
{
    const struct my_snapshot *run = worker->run;
    struct cdc_buf *out = &worker->lines;
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(worker, out);
    append_numbers(run, out);
    my_table_source_head(out, run->server.flavor, run->settings->name, db, table);
    cdc_buf_append_buf(out, &run->source_tail);
    cdc_buf_lit(out, "\"true\"}}\n");
    worker->events++;
    worker->n_lines++;
}

void my_lines_begin_rows(struct my_worker *worker)
{
    worker->row_head.len = 0;
    append_table_head(worker, &worker->row_head);
    cdc_buf_text(&worker->row_head, table_of(worker)->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

static int append_row(struct my_worker *worker, const struct my_cell *cells, bool key_only, struct cdc_error *error)
{
    const struct my_table *table = table_of(worker);
    struct cdc_buf *out = &worker->lines;
    char separator = '{';
    worker->json_null.len = 0;
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
        if (my_cell_append(out, column, &cells[i], &worker->run->settings->value_format, &worker->unconvertible,
                           error) < 0)
            return cdc_error_prefix(error, "table %s.%s", table->db, table->name);
        my_image_note_json_null(&worker->json_null, column, out, start);
    }
    cdc_buf_byte(out, '}');
    return 0;
}

/* A line that failed half way is taken back: lines leave whole or not at all. */
int my_lines_add_row(struct my_worker *worker, const struct my_cell *cells, struct cdc_error *error)
{
    struct cdc_buf *out = &worker->lines;
    size_t start = out->len;
    int status = 0;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(worker, out);
    cdc_buf_append_buf(out, &worker->row_head);
    if (table_of(worker)->has_key) {
        status = append_row(worker, cells, true, error);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    if (status == 0)
        status = append_row(worker, cells, false, error);
    if (status < 0) {
        out->len = start;
        return -1;
    }
    my_image_append_json_null(out, "json_null", &worker->json_null);
    cdc_buf_lit(out, "}\n");
    worker->rows++;
    worker->sent++;
    worker->events++;
    worker->n_lines++;
    return out->failed ? cdc_error_memory(error) : 0;
}
