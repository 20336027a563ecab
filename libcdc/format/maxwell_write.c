/* SPDX-License-Identifier: MIT */
/* Maxwell's lines. The last row of a transaction says "commit":true, so each row waits for the line after it. */
#include "libcdc/format/internal.h"

enum part { PART_BARE = 1 };
static const char *const parts[] = {"bare", NULL};

enum text { TEXT_DEFINITION }; /* what the table's last definition was */

struct line {
    struct cdc_format_writer *writer;
    struct writer_stream *stream;
    struct format_table *table;
    const struct cdc_event *event;
    struct cdc_buf *out;
};

/* -- values ------------------------------------------------------------------------ */

static void append_set(struct cdc_buf *out, struct cdc_span raw)
{
    cdc_buf_byte(out, '[');
    while (raw.n > 0) {
        const char *comma = memchr(raw.p, ',', raw.n);
        size_t n = comma != NULL ? (size_t)(comma - raw.p) : raw.n;
        format_append_raw(out, cdc_span(raw.p, n));
        n += comma != NULL;
        raw = cdc_span(raw.p + n, raw.n - n);
        if (comma != NULL)
            cdc_buf_byte(out, ',');
    }
    cdc_buf_byte(out, ']');
}

static void append_value(struct line *line, const struct format_column *column, struct cdc_span value,
                         struct cdc_span json_null)
{
    struct losses *losses = &line->writer->losses;
    struct cdc_span raw = cdc_json_string_raw(value);
    enum value_class class = column->value.value;

    if (class == VALUE_BOOL && !column->value.is_postgres && *value.p != 'n' && raw.p == NULL) {
        cdc_buf_text(line->out, cdc_span_is(value, "true") ? "1" : "0"); /* a bit is a number */
        return;
    }
    if (*value.p == 'n' || raw.p == NULL) {
        losses->n[LOSS_JSON_NULL] += writer_is_json_null(column, value, json_null);
        losses->n[LOSS_BYTES_TEXT] += class == VALUE_TEXT && *value.p == '{' && format_is_bytes_text(value);
        losses->n[LOSS_TYPE] += class == VALUE_GEOMETRY && *value.p == '{';
        cdc_buf_span(line->out, value);
        return;
    }
    switch (class) {
    case VALUE_INT:
    case VALUE_DECIMAL:
    case VALUE_FLOAT:
        if (format_is_number(raw)) {
            cdc_buf_span(line->out, raw);
        } else {
            losses->n[LOSS_NAN]++;
            cdc_buf_lit(line->out, "null");
        }
        return;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: value_append_spaced(line->out, raw, ""); return;
    case VALUE_SET: append_set(line->out, raw); return;
    case VALUE_BITS:
        if (column->value.is_fixed_bits && format_is_mysql_type(column) && value_append_bits_number(line->out, raw))
            return;
        break;
    default: break;
    }
    cdc_buf_span(line->out, value);
}

static void append_row(struct line *line, struct cdc_span row, struct cdc_span json_null)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    char separator = '{';

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value); separator = ',') {
        const struct format_column *column = format_column_of(line->table, &next, name);
        cdc_buf_byte(line->out, separator);
        format_append_raw(line->out, name);
        cdc_buf_byte(line->out, ':');
        if (column != NULL)
            append_value(line, column, value, json_null);
        else
            cdc_buf_span(line->out, value);
    }
    cdc_buf_text(line->out, separator == '{' ? "{}" : "}");
}

/* The columns that have changed, with their old values. */
static void append_old(struct line *line)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    struct format_row after;
    size_t next = 0;
    char separator = '{';

    line->writer->losses.n[LOSS_OLD_ROW] += writer_lacks_old(line->event);
    if (cdc_json_is_null(line->event->before))
        return;
    format_row_begin(&after, line->event->after);
    for (cdc_json_iter_begin(&iter, line->event->before); cdc_json_next_member(&iter, &name, &value);) {
        const struct format_column *column = format_column_of(line->table, &next, name);
        struct cdc_span new = format_row_find(&after, name);
        if (column == NULL || new.p == NULL || format_values_equal(new, value))
            continue;
        if (separator == '{')
            cdc_buf_lit(line->out, ",\"old\":");
        cdc_buf_byte(line->out, separator);
        format_append_raw(line->out, name);
        cdc_buf_byte(line->out, ':');
        append_value(line, column, value, line->event->json_null_old);
        separator = ',';
    }
    format_row_end(&after);
    if (separator == '{')
        return;
    cdc_buf_byte(line->out, '}');
    if (writer_lacks_old(line->event))
        cdc_buf_lit(line->out, ",\"" FORMAT_OLD_LACKS "\":true");
}

/* -- lines ------------------------------------------------------------------------- */

/* "binlog.000007:154"; of PostgreSQL, which has no files, "wal:27440072", where the transaction committed. */
static void append_position(struct line *line)
{
    struct cdc_span file = cdc_json_member_raw(line->event->source, "file");

    cdc_buf_lit(line->out, ",\"position\":\"");
    if (file.n > 0) {
        cdc_buf_span(line->out, file);
        cdc_buf_byte(line->out, ':');
        cdc_buf_span(line->out, cdc_json_member(line->event->source, "pos"));
    } else {
        cdc_buf_lit(line->out, "wal:");
        cdc_buf_i64(line->out, line->event->seq);
    }
    cdc_buf_byte(line->out, '"');
}

static void append_names(struct line *line)
{
    cdc_buf_lit(line->out, "\"database\":");
    format_append_raw(line->out, line->event->schema.p != NULL ? line->event->schema : line->event->db);
    cdc_buf_lit(line->out, ",\"table\":");
    format_append_raw(line->out, line->event->table);
}

/* The definitions that have waited after a row: how many. */
static int release_later(struct writer_stream *stream, struct cdc_buf *out)
{
    int lines = stream->n_later;

    cdc_buf_append_buf(out, &stream->later);
    out->failed |= stream->later.failed;
    stream->later.len = 0;
    stream->n_later = 0;
    return lines;
}

/* The row that waits, now that it is known whether it is the last one, and what comes after it: how many lines left. */
static int release(struct line *line, struct cdc_buf *out, bool is_last)
{
    struct writer_stream *stream = line->stream;

    if (stream->held.len == 0)
        return release_later(stream, out);
    cdc_buf_append(out, stream->held.data, stream->held_at);
    if (is_last) {
        cdc_buf_lit(out, ",\"commit\":true");
    } else {
        cdc_buf_lit(out, ",\"xoffset\":");
        cdc_buf_u64(out, stream->lines - 1);
    }
    cdc_buf_append(out, stream->held.data + stream->held_at, stream->held.len - stream->held_at);
    out->failed |= stream->held.failed;
    stream->held.len = 0;
    cdc_buf_shrink(&stream->held, (size_t)1 << 20);
    return 1 + release_later(stream, out);
}

static int write_row(struct line *line, struct cdc_error *error)
{
    static const char *const types[] = {[CDC_OP_READ] = "bootstrap-insert",
                                        [CDC_OP_CREATE] = "insert",
                                        [CDC_OP_UPDATE] = "update",
                                        [CDC_OP_DELETE] = "delete"};
    const struct cdc_event *event = line->event;
    int lines = release(line, line->out, false);
    int64_t ts_ms = event->ts_ms;
    bool is_delete = event->op == CDC_OP_DELETE;

    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    line->out = &line->stream->held;
    (void)cdc_json_int64(cdc_json_member(event->source, "ts_ms"), &ts_ms);
    cdc_buf_byte(line->out, '{');
    append_names(line);
    cdc_buf_lit(line->out, ",\"type\":\"");
    cdc_buf_text(line->out, types[event->op]);
    cdc_buf_lit(line->out, "\",\"ts\":");
    cdc_buf_i64(line->out, ts_ms / 1000);
    cdc_buf_lit(line->out, ",\"xid\":");
    cdc_buf_i64(line->out, event->seq);
    line->stream->held_at = line->out->len;
    append_position(line);
    struct cdc_span server = cdc_json_member(event->source, "server_id");
    if (server.p != NULL) {
        cdc_buf_lit(line->out, ",\"server_id\":");
        cdc_buf_span(line->out, server);
    }
    /* Not Maxwell's: where the row stands among those of a snapshot, which have one position. */
    if (line->stream->chunk.len > 0) {
        cdc_buf_lit(line->out, ",\"pos\":");
        format_append_raw(line->out, event->pos);
    }
    if (line->table->n_key > 0) {
        cdc_buf_lit(line->out, ",\"primary_key_columns\":[");
        format_append_key_names(line->out, line->table);
        cdc_buf_byte(line->out, ']');
    }
    cdc_buf_lit(line->out, ",\"data\":");
    append_row(line, is_delete ? event->before : event->after, event->json_null);
    if (event->op == CDC_OP_UPDATE)
        append_old(line);
    cdc_buf_lit(line->out, "}\n");
    return lines;
}

/* -- definitions ------------------------------------------------------------------- */

static void append_labels(struct cdc_buf *out, struct cdc_span type)
{
    struct cdc_buf label = CDC_BUF_INIT;

    cdc_buf_lit(out, ",\"enum-values\":[");
    for (size_t i = 0; value_label(type, i, &label); i++, label.len = 0) {
        if (i > 0)
            cdc_buf_byte(out, ',');
        format_append_raw(out, cdc_span(label.data, label.len));
    }
    cdc_buf_byte(out, ']');
    out->failed |= label.failed;
    cdc_buf_free(&label);
}

/* "column-type", which is not Maxwell's, is the whole type. */
static void append_column(struct cdc_buf *out, const struct format_column *column)
{
    const struct value_type *type = &column->value;
    struct cdc_span name = format_mysql_type(column);
    size_t n = 0;

    while (n < name.n && name.p[n] != '(' && name.p[n] != ' ')
        n++;
    /* "double precision" and the like are names of several words. */
    if (type->is_postgres)
        n = name.n;
    cdc_buf_lit(out, "{\"type\":");
    format_append_raw(out, cdc_span(name.p, n));
    cdc_buf_lit(out, ",\"name\":");
    format_append_raw(out, column->name);
    if (type->value == VALUE_INT)
        cdc_buf_text(out, type->is_unsigned ? ",\"signed\":false" : ",\"signed\":true");
    if (type->value == VALUE_TIME || type->value == VALUE_TIMESTAMP || type->value == VALUE_TIMESTAMPTZ)
        cdc_buf_printf(out, ",\"column-length\":%d", type->digits);
    if (type->value == VALUE_ENUM || type->value == VALUE_SET)
        append_labels(out, column->type);
    cdc_buf_lit(out, ",\"column-type\":");
    format_append_raw(out, name);
    cdc_buf_byte(out, '}');
}

static void append_definition(struct line *line, struct cdc_buf *out)
{
    struct line to = *line;

    to.out = out;
    cdc_buf_byte(out, '{');
    append_names(&to);
    cdc_buf_lit(out, ",\"charset\":\"utf8mb4\",\"columns\":[");
    for (size_t i = 0; i < line->table->n; i++) {
        if (i > 0)
            cdc_buf_byte(out, ',');
        append_column(out, &line->table->columns[i]);
    }
    cdc_buf_lit(out, "],\"primary-key\":[");
    format_append_key_names(out, line->table);
    cdc_buf_lit(out, "]}");
}

static int write_schema(struct line *line, struct cdc_error *error)
{
    struct cdc_buf *last = line->table != NULL ? &line->table->text[TEXT_DEFINITION] : NULL, *new;

    if (line->table == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "a schema line names no table");
    line->writer->losses.n[LOSS_READ] += line->event->read.p != NULL;
    if (line->writer->parts & PART_BARE)
        return 0;
    new = &line->writer->scratch;
    new->len = 0;
    append_definition(line, new);
    if (new->failed)
        return cdc_error_memory(error);
    if (cdc_span_equal(cdc_span(last->data, last->len), cdc_span(new->data, new->len)))
        return 0;
    /* The row before it may be the last one of its transaction still. */
    bool waits = line->stream->held.len > 0;
    int lines = waits ? 0 : release(line, line->out, false) + 1;
    if (waits) {
        line->out = &line->stream->later;
        line->stream->n_later++;
    }
    cdc_buf_text(line->out, last->len > 0 ? "{\"type\":\"table-alter\"," : "{\"type\":\"table-create\",");
    append_names(line);
    if (last->len > 0) {
        cdc_buf_lit(line->out, ",\"old\":");
        cdc_buf_append_buf(line->out, last);
    }
    cdc_buf_lit(line->out, ",\"def\":");
    cdc_buf_append_buf(line->out, new);
    cdc_buf_lit(line->out, ",\"ts\":");
    cdc_buf_i64(line->out, line->event->ts_ms);
    cdc_buf_lit(line->out, ",\"sql\":\"\"");
    append_position(line);
    cdc_buf_lit(line->out, "}\n");
    last->len = 0;
    cdc_buf_append_buf(last, new);
    return last->failed || line->out->failed ? cdc_error_memory(error) : lines;
}

static int write_event(struct cdc_format_writer *writer, struct writer_stream *stream, struct format_table *table,
                       const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct line line = {writer, stream, table, event, out};
    int lines;

    switch (event->op) {
    case CDC_OP_SCHEMA: return write_schema(&line, error);
    case CDC_OP_COMMIT:
        lines = release(&line, out, true);
        writer_commit(stream);
        return lines;
    case CDC_OP_TRUNCATE: writer->losses.n[LOSS_TRUNCATE]++; return 0;
    case CDC_OP_MESSAGE: writer->losses.n[LOSS_MESSAGE]++; return 0;
    case CDC_OP_DDL: writer->losses.n[LOSS_DDL]++; return 0;
    case CDC_OP_HEARTBEAT: return 0;
    default: return write_row(&line, error);
    }
}

const struct writer_ops maxwell_writer = {"maxwell", parts, write_event, false};
