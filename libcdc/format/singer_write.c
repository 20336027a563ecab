/* SPDX-License-Identifier: MIT */
/* Singer's messages, as taps write them. A stream is "schema-table"; a delete is a record with _sdc_deleted_at; a truncate is a
 * new version of the table; a STATE stands at the end of each transaction. */
#include "libcdc/format/internal.h"

static const char *const parts[] = {NULL};

struct line {
    struct cdc_format_writer *writer;
    struct writer_stream *stream;
    struct format_table *table;
    const struct cdc_event *event;
    struct cdc_buf *out;
};

/* -- schemas ------------------------------------------------------------------------- */

static const char *json_type(const struct value_type *type)
{
    switch (type->value) {
    case VALUE_BOOL: return "\"boolean\"]";
    case VALUE_INT:
    case VALUE_YEAR: return "\"integer\"]";
    case VALUE_DECIMAL:
    case VALUE_FLOAT: return "\"number\"]";
    case VALUE_BYTES: return "\"string\"],\"contentEncoding\":\"base64\"";
    case VALUE_DATE: return "\"string\"],\"format\":\"date\"";
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: return "\"string\"],\"format\":\"date-time\"";
    case VALUE_HSTORE:
    case VALUE_GEOMETRY: return "\"object\"]";
    case VALUE_ARRAY:
    case VALUE_VECTOR: return "\"array\"]";
    default: return "\"string\"]";
    }
}

static void append_stream_name(struct cdc_buf *out, const struct format_table *table)
{
    if (table->schema.p != NULL || table->db.p != NULL) {
        cdc_buf_span(out, table->schema.p != NULL ? table->schema : table->db);
        cdc_buf_byte(out, '-');
    }
    cdc_buf_span(out, table->table);
}

static void append_stream(struct line *line)
{
    cdc_buf_lit(line->out, ",\"stream\":\"");
    append_stream_name(line->out, line->table);
    cdc_buf_byte(line->out, '"');
}

/* "a-b" has a table "c", and "a" one "b-c": as one stream, either would take the other's rows away. */
static int check_stream(struct line *line, struct cdc_error *error)
{
    const struct format_tables *tables = &line->writer->tables;
    struct cdc_buf *names = &line->writer->scratch;

    names->len = 0;
    append_stream_name(names, line->table);
    size_t n = names->len;
    for (size_t i = 0; i < tables->n && !names->failed; i++) {
        const struct format_table *other = tables->items[i];
        if (other->version == 0 ||
            cdc_json_raw_equal(other->table, line->table->table)) /* of another partition, maybe */
            continue;
        names->len = n;
        append_stream_name(names, other);
        if (!names->failed && cdc_json_raw_equal(cdc_span(names->data, n), cdc_span(names->data + n, names->len - n)))
            return cdc_error_set(error, CDC_EXIT_CONFIG, "--to singer: two tables would be one stream, \"%.*s\"",
                                 (int)(n > 128 ? 128 : n), names->data);
    }
    return names->failed ? cdc_error_memory(error) : 0;
}

/* "x-source", and each property's "x-source-type", say what the rest does not. */
static void append_source(struct line *line)
{
    const struct format_table *table = line->table;
    const struct {
        const char *name;
        struct cdc_span raw;
    } members[] = {
        {"connector", line->event->connector}, {"db", table->db}, {"schema", table->schema}, {"table", table->table}};
    char separator = '{';

    cdc_buf_lit(line->out, "},\"x-source\":");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i].raw.p == NULL)
            continue;
        cdc_buf_byte(line->out, separator);
        separator = ',';
        cdc_buf_printf(line->out, "\"%s\":", members[i].name);
        format_append_raw(line->out, members[i].raw);
    }
    cdc_buf_byte(line->out, '}');
}

static int activate(struct line *line)
{
    cdc_buf_lit(line->out, "{\"type\":\"ACTIVATE_VERSION\"");
    append_stream(line);
    cdc_buf_printf(line->out, ",\"version\":%lld}\n", (long long)line->table->version);
    return 1;
}

static int write_schema(struct line *line, struct cdc_error *error)
{
    struct format_table *table = line->table;
    struct cdc_buf *out = line->out;

    if (table == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "a schema line names no table");
    if (table->version == 0) {
        if (check_stream(line, error) != 0)
            return -1;
        table->version = 1;
    }
    cdc_buf_lit(out, "{\"type\":\"SCHEMA\"");
    append_stream(line);
    cdc_buf_lit(out, ",\"schema\":{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < table->n; i++) {
        const struct format_column *column = &table->columns[i];
        format_append_raw(out, column->name);
        cdc_buf_text(out, column->key ? ":{\"type\":[" : ":{\"type\":[\"null\",");
        cdc_buf_text(out, json_type(&column->value));
        cdc_buf_lit(out, ",\"x-source-type\":");
        format_append_raw(out, column->type);
        cdc_buf_lit(out, "},");
    }
    cdc_buf_lit(out, "\"_sdc_deleted_at\":{\"type\":[\"null\",\"string\"],\"format\":\"date-time\"}");
    append_source(line);
    cdc_buf_lit(out, "},\"key_properties\":[");
    format_append_key_names(out, table);
    cdc_buf_lit(out, "]}\n");
    /* The rows of a read that begins again have a version of their own, which is the table's now. */
    return cdc_span_is(line->event->read, "end") ? 1 + activate(line) : 1;
}

/* -- records ------------------------------------------------------------------------- */

static void append_value(struct line *line, const struct format_column *column, struct cdc_span value,
                         struct cdc_span json_null)
{
    struct losses *losses = &line->writer->losses;
    struct cdc_span raw = cdc_json_string_raw(value);
    struct cdc_buf *out = line->out;
    int64_t ignored;

    switch (column->value.value) {
    case VALUE_JSON:
        if (*value.p == 'n' && !writer_is_json_null(column, value, json_null))
            break;
        value_append_json_text(out, value);
        return;
    case VALUE_INT:
    case VALUE_DECIMAL:
    case VALUE_FLOAT:
        if (raw.p == NULL)
            break;
        losses->n[LOSS_NAN] += !format_is_number(raw);
        cdc_buf_span(out, format_is_number(raw) ? raw : cdc_span("null", 4));
        return;
    case VALUE_DATE:
        if (raw.p == NULL || (temporal_days(raw, &ignored) && raw.n == 10)) /* neither BC nor beyond 9999 */
            break;
        losses->n[LOSS_NO_DATE]++;
        cdc_buf_lit(out, "null");
        return;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        if (raw.p == NULL)
            break;
        if (column->value.value == VALUE_TIMESTAMP ? !temporal_timestamp(raw, &ignored) || raw.p[10] != 'T'
                                                   : raw.p[raw.n - 1] != 'Z') {
            losses->n[LOSS_NO_DATE]++;
            cdc_buf_lit(out, "null");
            return;
        }
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, raw);
        cdc_buf_text(out, column->value.value == VALUE_TIMESTAMP ? "+00:00\"" : "\"");
        return;
    case VALUE_TEXT: losses->n[LOSS_BYTES_TEXT] += *value.p == '{' && format_is_bytes_text(value); break;
    default: break;
    }
    cdc_buf_span(out, value);
}

static void append_time(struct cdc_buf *out, int64_t ms)
{
    cdc_buf_byte(out, '"');
    temporal_append_timestamp(out, ms < INT64_MAX / 1000 && ms > INT64_MIN / 1000 ? ms * 1000 : 0, 3, true, 'T');
    cdc_buf_lit(out, "Z\"");
}

/* "x-op" says what the change was, which no message of Singer does. */
static void append_record(struct line *line, struct cdc_span row, struct cdc_span json_null, const char *op)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    int64_t ms = line->event->ts_ms;

    cdc_buf_lit(line->out, "{\"type\":\"RECORD\"");
    append_stream(line);
    cdc_buf_lit(line->out, ",\"record\":{");
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        const struct format_column *column = format_column_of(line->table, &next, name);
        if (column == NULL)
            continue;
        format_append_raw(line->out, name);
        cdc_buf_byte(line->out, ':');
        append_value(line, column, value, json_null);
        cdc_buf_byte(line->out, ',');
    }
    cdc_buf_lit(line->out, "\"_sdc_deleted_at\":");
    (void)cdc_json_int64(cdc_json_member(line->event->source, "ts_ms"), &ms);
    if (*op == 'd')
        append_time(line->out, ms);
    else
        cdc_buf_lit(line->out, "null");
    cdc_buf_lit(line->out, "},\"time_extracted\":");
    append_time(line->out, line->event->ts_ms);
    cdc_buf_printf(line->out, ",\"version\":%lld,\"x-op\":\"%s\"}\n", (long long)line->table->version, op);
}

/* Does the old row have to be taken away? Where the key moves, and where nothing but the whole row tells which it was. */
static bool replaces_old(const struct line *line)
{
    const struct cdc_event *event = line->event;

    return event->op == CDC_OP_UPDATE && !cdc_json_is_null(event->before) &&
           (line->table->n_key == 0 || format_key_moves(line->table, event));
}

static int write_row(struct line *line, struct cdc_error *error)
{
    static const char *const ops[] = {[CDC_OP_READ] = "r", [CDC_OP_CREATE] = "c", [CDC_OP_UPDATE] = "u"};
    const struct cdc_event *event = line->event;
    bool moves = replaces_old(line);

    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    line->writer->losses.n[LOSS_UNCHANGED] += event->unchanged.n > 2;
    if (event->op == CDC_OP_DELETE || moves)
        append_record(line, event->before, moves ? event->json_null_old : event->json_null, "d");
    if (event->op != CDC_OP_DELETE)
        append_record(line, event->after, event->json_null, moves ? "c" : ops[event->op]);
    return moves ? 2 : 1;
}

/* -- other lines ---------------------------------------------------------------------- */

/* Versions are times: one that comes later is larger, also after a restart. Of a table that is read again, the new one
 * becomes the table's at the end of the read. */
static int write_truncate(struct line *line, struct cdc_error *error)
{
    int64_t version = line->event->ts_ms;

    if (line->table == NULL) {
        line->writer->losses.n[LOSS_TRUNCATE]++;
        return 0;
    }
    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    line->table->version = version > line->table->version ? version : line->table->version + 1;
    return line->event->read.p != NULL ? 0 : activate(line);
}

/* {"bookmarks":{"shop":{"pos":"...","seq":27440072}}} */
static int write_state(struct line *line)
{
    cdc_buf_lit(line->out, "{\"type\":\"STATE\",\"value\":{\"bookmarks\":{");
    format_append_raw(line->out, line->stream->name);
    cdc_buf_lit(line->out, ":{\"pos\":");
    format_append_raw(line->out, line->event->pos.p != NULL ? line->event->pos : cdc_span("", 0));
    cdc_buf_lit(line->out, ",\"seq\":");
    cdc_buf_i64(line->out, line->event->seq);
    cdc_buf_lit(line->out, "}}}}\n");
    writer_commit(line->stream);
    return 1;
}

static int write_event(struct cdc_format_writer *writer, struct writer_stream *stream, struct format_table *table,
                       const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct line line = {writer, stream, table, event, out};

    switch (event->op) {
    case CDC_OP_SCHEMA: return write_schema(&line, error);
    case CDC_OP_COMMIT: return write_state(&line);
    case CDC_OP_HEARTBEAT: return stream->open ? 0 : write_state(&line);
    case CDC_OP_TRUNCATE: return write_truncate(&line, error);
    case CDC_OP_DDL: writer->losses.n[LOSS_DDL]++; return 0;
    case CDC_OP_MESSAGE: writer->losses.n[LOSS_MESSAGE]++; return 0;
    default: return write_row(&line, error);
    }
}

const struct writer_ops singer_writer = {"singer", parts, write_event, false};
