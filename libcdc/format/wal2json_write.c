/* SPDX-License-Identifier: MIT */
/* wal2json's format-version 2, with include-xids, include-timestamp, include-lsn and include-pk. */
#include "libcdc/format/wal2json.h"

static const char *const parts[] = {NULL};

struct line {
    struct cdc_format_writer *writer;
    struct writer_stream *stream;
    struct format_table *table;
    const struct cdc_event *event;
    struct cdc_buf *out;
};

/* -- the frame ---------------------------------------------------------------------- */

static void append_lsn(struct cdc_buf *out, const char *name, uint64_t lsn)
{
    cdc_buf_printf(out, ",\"%s\":\"%X/%X\"", name, (unsigned)(lsn >> 32), (unsigned)lsn);
}

/* "2019-12-29 04:58:34.806671+00" */
static void append_timestamp(struct line *line)
{
    int64_t ms;

    if (!cdc_json_int64(cdc_json_member(line->event->source, "ts_ms"), &ms) || ms > INT64_MAX / 1000 ||
        ms < INT64_MIN / 1000)
        return;
    cdc_buf_lit(line->out, ",\"timestamp\":\"");
    temporal_append_timestamp(line->out, ms * 1000, 6, false, ' ');
    cdc_buf_lit(line->out, "+00\"");
}

static void begin_line(struct line *line, const char *action)
{
    cdc_buf_lit(line->out, "{\"action\":\"");
    cdc_buf_text(line->out, action);
    cdc_buf_byte(line->out, '"');
    if (line->event->tx_id.p != NULL) {
        cdc_buf_lit(line->out, ",\"xid\":");
        cdc_buf_span(line->out, line->event->tx_id);
    }
    append_timestamp(line);
}

/* The transaction's place is where it committed, which `seq` is. */
static int begin_transaction(struct line *line, struct cdc_error *error)
{
    bool first = !line->stream->open;

    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    if (!first)
        return 0;
    begin_line(line, "B");
    append_lsn(line->out, "lsn", (uint64_t)line->event->seq);
    /* Not wal2json's: which chunk of a snapshot it is, as these have one place in the log. */
    if (line->stream->chunk.len > 0) {
        cdc_buf_lit(line->out, ",\"pos\":");
        format_append_raw(line->out, cdc_span(line->stream->chunk.data, line->stream->chunk.len));
    }
    cdc_buf_lit(line->out, "}\n");
    return 1;
}

static int write_commit(struct line *line)
{
    int64_t next = line->event->seq;
    int lines = line->stream->open;

    if (lines > 0) {
        (void)cdc_json_int64(cdc_json_member(line->event->source, "lsn"), &next);
        begin_line(line, "C");
        append_lsn(line->out, "lsn", (uint64_t)line->event->seq);
        append_lsn(line->out, "nextlsn", (uint64_t)next);
        cdc_buf_lit(line->out, "}\n");
    }
    writer_commit(line->stream);
    return lines;
}

/* -- rows --------------------------------------------------------------------------- */

/* MySQL's timestamp is a point in time, which PostgreSQL's of that name is not. */
static void append_type(struct cdc_buf *out, const struct format_column *column)
{
    if (column->value.value == VALUE_TIMESTAMPTZ && !column->value.is_postgres)
        cdc_buf_printf(out, "\"timestamp(%d) with time zone\"", column->value.digits);
    else
        format_append_raw(out, column->type);
}

static void append_cell(struct line *line, const struct format_column *column, struct cdc_span value,
                        struct cdc_span json_null)
{
    struct cdc_buf *out = line->out;

    cdc_buf_lit(out, "{\"name\":");
    format_append_raw(out, column->name);
    cdc_buf_lit(out, ",\"type\":");
    append_type(out, column);
    cdc_buf_lit(out, ",\"value\":");
    wal2json_append_value(out, column, value, json_null, &line->writer->losses, &line->writer->scratch);
    cdc_buf_byte(out, '}');
}

/* keys: of these columns alone. */
static void append_cells(struct line *line, const char *name, struct cdc_span row, struct cdc_span json_null, bool keys)
{
    struct cdc_json_iter iter;
    struct cdc_span member, value;
    size_t next = 0;
    char separator = '[';

    cdc_buf_lit(line->out, ",\"");
    cdc_buf_text(line->out, name);
    cdc_buf_lit(line->out, "\":");
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &member, &value);) {
        const struct format_column *column = format_column_of(line->table, &next, member);
        if (column == NULL || (keys && !column->key))
            continue;
        cdc_buf_byte(line->out, separator);
        append_cell(line, column, value, json_null);
        separator = ',';
    }
    cdc_buf_text(line->out, separator == '[' ? "[]" : "]");
}

static void append_names(struct line *line)
{
    struct cdc_span schema = line->event->schema.p != NULL ? line->event->schema : line->event->db;
    int64_t lsn = line->event->seq;

    (void)cdc_json_int64(cdc_json_member(line->event->source, "lsn"), &lsn);
    append_lsn(line->out, "lsn", (uint64_t)lsn);
    cdc_buf_lit(line->out, ",\"schema\":");
    format_append_raw(line->out, schema);
    cdc_buf_lit(line->out, ",\"table\":");
    format_append_raw(line->out, line->event->table);
}

static void append_pk(struct line *line)
{
    const struct format_table *table = line->table;

    cdc_buf_lit(line->out, ",\"pk\":[");
    for (size_t i = 0; i < table->n_key; i++) {
        const struct format_column *column = &table->columns[table->key[i]];
        cdc_buf_text(line->out, i > 0 ? ",{\"name\":" : "{\"name\":");
        format_append_raw(line->out, column->name);
        cdc_buf_lit(line->out, ",\"type\":");
        append_type(line->out, column);
        cdc_buf_byte(line->out, '}');
    }
    cdc_buf_byte(line->out, ']');
}

static int write_row(struct line *line, struct cdc_error *error)
{
    static const char *const actions[] = {
        [CDC_OP_READ] = "I", [CDC_OP_CREATE] = "I", [CDC_OP_UPDATE] = "U", [CDC_OP_DELETE] = "D"};
    const struct cdc_event *event = line->event;
    bool has_old = !cdc_json_is_null(event->before);
    int lines = begin_transaction(line, error);

    if (lines < 0)
        return -1;
    begin_line(line, actions[event->op]);
    append_names(line);
    if (event->op != CDC_OP_DELETE)
        append_cells(line, "columns", event->after, event->json_null, false);
    if (event->op == CDC_OP_DELETE)
        append_cells(line, "identity", event->before, event->json_null, false);
    else if (event->op == CDC_OP_UPDATE && has_old)
        append_cells(line, "identity", event->before, event->json_null_old, false);
    else if (event->op == CDC_OP_UPDATE && line->table->n_key > 0)
        append_cells(line, "identity", event->after, cdc_span(NULL, 0), true);
    append_pk(line);
    cdc_buf_lit(line->out, "}\n");
    return lines + 1;
}

/* -- other lines --------------------------------------------------------------------- */

static int write_truncate(struct line *line, struct cdc_error *error)
{
    line->writer->losses.n[LOSS_READ] += line->event->read.p != NULL;
    if (line->table == NULL) {
        line->writer->losses.n[LOSS_TRUNCATE]++;
        return 0;
    }
    int lines = begin_transaction(line, error);
    if (lines < 0)
        return -1;
    begin_line(line, "T");
    append_names(line);
    cdc_buf_lit(line->out, "}\n");
    return lines + 1;
}

static int write_message(struct line *line, struct cdc_error *error)
{
    struct cdc_span prefix = cdc_json_member(line->event->message, "prefix");
    struct cdc_span content = cdc_json_member(line->event->message, "content");
    bool transactional = !cdc_span_is(cdc_json_member(line->event->message, "transactional"), "false");

    if (cdc_json_type(content) != CDC_JSON_STRING || cdc_json_type(prefix) != CDC_JSON_STRING) {
        line->writer->losses.n[LOSS_MESSAGE]++;
        return 0;
    }
    int lines = begin_transaction(line, error);
    if (lines < 0)
        return -1;
    begin_line(line, "M");
    append_lsn(line->out, "lsn", (uint64_t)line->event->seq);
    cdc_buf_text(line->out,
                 transactional ? ",\"transactional\":true,\"prefix\":" : ",\"transactional\":false,\"prefix\":");
    cdc_buf_span(line->out, prefix);
    cdc_buf_lit(line->out, ",\"content\":");
    cdc_buf_span(line->out, content);
    cdc_buf_lit(line->out, "}\n");
    return lines + 1;
}

static int write_event(struct cdc_format_writer *writer, struct writer_stream *stream, struct format_table *table,
                       const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct line line = {writer, stream, table, event, out};

    switch (event->op) {
    case CDC_OP_COMMIT: return write_commit(&line);
    case CDC_OP_TRUNCATE: return write_truncate(&line, error);
    case CDC_OP_MESSAGE: return write_message(&line, error);
    case CDC_OP_DDL: writer->losses.n[LOSS_DDL]++; return 0;
    case CDC_OP_SCHEMA: writer->losses.n[LOSS_READ] += event->read.p != NULL; return 0;
    case CDC_OP_HEARTBEAT: return 0;
    default: return write_row(&line, error);
    }
}

const struct writer_ops wal2json_writer = {"wal2json", parts, write_event, false};
