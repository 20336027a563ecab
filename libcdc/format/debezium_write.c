/* SPDX-License-Identifier: MIT */
/* Debezium's change events, one a line: the value of its message, without schemas and key unless they are asked for. An update
 * of a key is a delete and a create, as Debezium has it. */
#include "libcdc/format/debezium_value.h"
#include <cdc/version.h>

enum part { PART_SCHEMAS = 1, PART_KEY = 2, PART_TOMBSTONES = 4, PART_BARE = 8 };
static const char *const parts[] = {"schemas", "key", "tombstones", "bare", NULL};

/* What each line of a table repeats. */
enum text { TEXT_VALUE, TEXT_KEY };

struct line {
    struct cdc_format_writer *writer;
    struct writer_stream *stream;
    struct format_table *table;
    const struct cdc_event *event;
    struct cdc_buf *out;
    bool is_postgres;
};

/* -- schemas --------------------------------------------------------------------- */

/* Of the row in the table's columns: "name":"shop.public.t.Value". */
static void append_struct_name(struct cdc_buf *out, const struct format_table *table, const char *what)
{
    struct cdc_span group = table->schema.p != NULL ? table->schema : table->db;

    cdc_buf_lit(out, "\"name\":\"");
    cdc_buf_span(out, table->name);
    cdc_buf_byte(out, '.');
    cdc_buf_span(out, group);
    cdc_buf_byte(out, '.');
    cdc_buf_span(out, table->table);
    cdc_buf_byte(out, '.');
    cdc_buf_text(out, what);
    cdc_buf_byte(out, '"');
}

/* is_old: of the row before, of which the log may have the key alone. */
static void append_row_schema(struct cdc_buf *out, const struct format_table *table, const char *field, bool is_old)
{
    cdc_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
    for (size_t i = 0; i < table->n; i++) {
        struct format_column column = table->columns[i];
        column.nullable |= is_old && !column.key;
        if (i > 0)
            cdc_buf_byte(out, ',');
        debezium_append_field(out, &column);
    }
    cdc_buf_lit(out, "],\"optional\":true,");
    append_struct_name(out, table, "Value");
    cdc_buf_printf(out, ",\"field\":\"%s\"}", field);
}

static void append_fields(struct cdc_buf *out, const char *const (*fields)[3])
{
    for (size_t i = 0; fields[i][0] != NULL; i++)
        cdc_buf_printf(out, "%s{\"type\":\"%s\",\"optional\":%s,\"field\":\"%s\"}", i > 0 ? "," : "", fields[i][1],
                       fields[i][2], fields[i][0]);
}

static void append_source_schema(struct cdc_buf *out, bool is_postgres)
{
    static const char *const common[][3] = {{"version", "string", "false"}, {"connector", "string", "false"},
                                            {"name", "string", "false"},    {"ts_ms", "int64", "false"},
                                            {"snapshot", "string", "true"}, {"db", "string", "false"},
                                            {"sequence", "string", "true"}, {"ts_us", "int64", "true"},
                                            {"ts_ns", "int64", "true"},     {NULL, NULL, NULL}};
    static const char *const postgres[][3] = {{"schema", "string", "false"}, {"table", "string", "false"},
                                              {"txId", "int64", "true"},     {"lsn", "int64", "true"},
                                              {"xmin", "int64", "true"},     {NULL, NULL, NULL}};
    static const char *const mysql[][3] = {
        {"table", "string", "true"}, {"server_id", "int64", "true"}, {"gtid", "string", "true"},
        {"file", "string", "true"},  {"pos", "int64", "true"},       {"row", "int32", "true"},
        {"thread", "int64", "true"}, {"query", "string", "true"},    {NULL, NULL, NULL}};

    cdc_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
    append_fields(out, common);
    cdc_buf_byte(out, ',');
    append_fields(out, is_postgres ? postgres : mysql);
    cdc_buf_printf(out, "],\"optional\":false,\"name\":\"io.debezium.connector.%s.Source\",\"field\":\"source\"}",
                   is_postgres ? "postgresql" : "mysql");
}

static void make_value_schema(struct cdc_buf *out, const struct format_table *table, bool is_postgres)
{
    static const char *const times[][3] = {{"op", "string", "false"},
                                           {"ts_ms", "int64", "true"},
                                           {"ts_us", "int64", "true"},
                                           {"ts_ns", "int64", "true"},
                                           {NULL, NULL, NULL}};

    cdc_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
    append_row_schema(out, table, "before", true);
    cdc_buf_byte(out, ',');
    append_row_schema(out, table, "after", false);
    cdc_buf_byte(out, ',');
    append_source_schema(out, is_postgres);
    cdc_buf_lit(out, ",{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},"
                     "{\"type\":\"int64\",\"optional\":false,\"field\":\"total_order\"},"
                     "{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}],"
                     "\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"},");
    append_fields(out, times);
    cdc_buf_lit(out, "],\"optional\":false,");
    append_struct_name(out, table, "Envelope");
    cdc_buf_lit(out, ",\"version\":2}");
}

static void make_key_schema(struct cdc_buf *out, const struct format_table *table)
{
    cdc_buf_lit(out, "{\"type\":\"struct\",\"fields\":[");
    for (size_t i = 0; i < table->n_key; i++) {
        if (i > 0)
            cdc_buf_byte(out, ',');
        debezium_append_field(out, &table->columns[table->key[i]]);
    }
    cdc_buf_lit(out, "],\"optional\":false,");
    append_struct_name(out, table, "Key");
    cdc_buf_byte(out, '}');
}

static int prepare_table(struct line *line, struct cdc_error *error)
{
    struct format_table *table = line->table;

    table->plain = true;
    for (size_t i = 0; i < table->n; i++) {
        debezium_set_wire(&table->columns[i]);
        int wire = table->columns[i].wire;
        table->plain &= wire == DEBEZIUM_BYTES || wire == DEBEZIUM_PLAIN ||
                        (wire == DEBEZIUM_INT && table->columns[i].value.bytes < 8);
    }
    if (!(line->writer->parts & PART_SCHEMAS))
        return 0;
    table->text[TEXT_VALUE].len = table->text[TEXT_KEY].len = 0;
    make_value_schema(&table->text[TEXT_VALUE], table, line->is_postgres);
    make_key_schema(&table->text[TEXT_KEY], table);
    return table->text[TEXT_VALUE].failed || table->text[TEXT_KEY].failed ? cdc_error_memory(error) : 0;
}

/* -- frames ---------------------------------------------------------------------- */

static void append_row(struct line *line, struct cdc_span row, struct cdc_span unchanged, struct cdc_span json_null)
{
    struct cdc_buf *out = line->out;
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    char separator = '{';

    /* Nothing of it is another value in Debezium's form; texts that are objects are to be counted. */
    if (line->table->plain && unchanged.p == NULL && memmem(row.p, row.n, "{\"base64\":", 10) == NULL) {
        cdc_buf_span(out, row);
        return;
    }
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value); separator = ',') {
        const struct format_column *column = format_column_of(line->table, &next, name);
        cdc_buf_byte(out, separator);
        format_append_raw(out, name);
        cdc_buf_byte(out, ':');
        if (column != NULL)
            debezium_append_value(out, column, value, json_null, &line->writer->losses, &line->writer->scratch);
        else
            cdc_buf_span(out, value);
    }
    for (cdc_json_iter_begin(&iter, unchanged); cdc_json_next_element(&iter, &value); separator = ',') {
        const struct format_column *column = format_column_of(line->table, &next, cdc_json_string_raw(value));
        if (column == NULL)
            continue;
        cdc_buf_byte(out, separator);
        format_append_raw(out, column->name);
        cdc_buf_byte(out, ':');
        debezium_append_unavailable(out, column);
    }
    cdc_buf_text(out, separator == '{' ? "{}" : "}");
}

/* The key of a row: of the old one where there is one. */
static void append_key_row(struct line *line, struct cdc_span row)
{
    struct cdc_buf *out = line->out;
    const struct format_table *table = line->table;

    cdc_buf_byte(out, '{');
    for (size_t i = 0; i < table->n_key; i++) {
        const struct format_column *column = &table->columns[table->key[i]];
        struct cdc_span value = format_row_value(row, column->name);
        if (i > 0)
            cdc_buf_byte(out, ',');
        format_append_raw(out, column->name);
        cdc_buf_byte(out, ':');
        if (value.p == NULL)
            cdc_buf_lit(out, "null");
        else
            debezium_append_value(out, column, value, cdc_span(NULL, 0), &line->writer->losses, &line->writer->scratch);
    }
    cdc_buf_byte(out, '}');
}

/* What comes before the value of the message. row: p NULL where the message has no key. */
static void begin_message(struct line *line, struct cdc_span row)
{
    struct cdc_buf *out = line->out;
    unsigned asked = line->writer->parts;
    bool schemas = asked & PART_SCHEMAS, keyed = row.p != NULL && line->table->n_key > 0;

    if (!(asked & (PART_KEY | PART_TOMBSTONES)))
        return;
    cdc_buf_lit(out, "{\"key\":");
    if (!keyed) {
        cdc_buf_lit(out, "null");
    } else if (schemas) {
        cdc_buf_lit(out, "{\"schema\":");
        cdc_buf_append_buf(out, &line->table->text[TEXT_KEY]);
        cdc_buf_lit(out, ",\"payload\":");
        append_key_row(line, row);
        cdc_buf_byte(out, '}');
    } else {
        append_key_row(line, row);
    }
    cdc_buf_lit(out, ",\"value\":");
}

static void begin_value(struct line *line, bool of_table)
{
    if (!(line->writer->parts & PART_SCHEMAS))
        return;
    cdc_buf_lit(line->out, "{\"schema\":");
    if (of_table)
        cdc_buf_append_buf(line->out, &line->table->text[TEXT_VALUE]);
    else
        cdc_buf_lit(line->out, "null");
    cdc_buf_lit(line->out, ",\"payload\":");
}

static void end_message(struct line *line)
{
    if (line->writer->parts & PART_SCHEMAS)
        cdc_buf_byte(line->out, '}');
    if (line->writer->parts & (PART_KEY | PART_TOMBSTONES))
        cdc_buf_byte(line->out, '}');
    cdc_buf_byte(line->out, '\n');
}

/* -- source, transaction, times --------------------------------------------------- */

/* ms and so many zeros; of 0 that would be no number. */
static void append_finer(struct cdc_buf *out, const char *name, int64_t ms, const char *zeros)
{
    cdc_buf_text(out, name);
    cdc_buf_i64(out, ms);
    if (ms != 0)
        cdc_buf_text(out, zeros);
}

static void append_times(struct cdc_buf *out, int64_t ms)
{
    append_finer(out, ",\"ts_us\":", ms, "000");
    append_finer(out, ",\"ts_ns\":", ms, "000000");
}

/* In one pass: what Debezium has besides is made of these. */
struct source_parts {
    int64_t ts_ms;
    struct cdc_span lsn, tx_id, gtid, file, pos;
};

static struct source_parts read_source(struct cdc_span source)
{
    struct source_parts read = {0};
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, source); cdc_json_next_member(&iter, &name, &value);) {
        if (cdc_span_is(name, "ts_ms"))
            (void)cdc_json_int64(value, &read.ts_ms);
        else if (cdc_span_is(name, "lsn"))
            read.lsn = value;
        else if (cdc_span_is(name, "txId"))
            read.tx_id = value;
        else if (cdc_span_is(name, "gtid"))
            read.gtid = cdc_json_string_raw(value);
        else if (cdc_span_is(name, "file"))
            read.file = cdc_json_string_raw(value);
        else if (cdc_span_is(name, "pos"))
            read.pos = value;
    }
    return read;
}

static void append_source(struct line *line, const struct source_parts *read)
{
    struct cdc_buf *out = line->out;
    struct cdc_span source = line->event->source;

    cdc_buf_lit(out, "{\"version\":\"" CDC_VERSION "\"");
    if (source.n > 2) {
        cdc_buf_byte(out, ',');
        cdc_buf_append(out, source.p + 1, source.n - 2);
    }
    append_times(out, read->ts_ms);
    if (line->is_postgres) {
        cdc_buf_lit(out, ",\"sequence\":\"[\\\"");
        cdc_buf_i64(out, line->event->seq);
        cdc_buf_lit(out, "\\\",");
        if (read->lsn.p != NULL) {
            cdc_buf_lit(out, "\\\"");
            cdc_buf_span(out, read->lsn);
            cdc_buf_lit(out, "\\\"]\",\"xmin\":null}");
        } else {
            cdc_buf_lit(out, "null]\",\"xmin\":null}");
        }
    } else {
        cdc_buf_lit(out, ",\"sequence\":null,\"thread\":null,\"query\":null}");
    }
}

/* "745:27440072" of PostgreSQL; else the GTID, else "file=binlog.000007,pos=154". Chunks of a snapshot, which have all of that in common, are
 * "snapshot:POS". */
static void make_id(struct line *line, const struct source_parts *read)
{
    struct cdc_buf *id = &line->stream->id;

    if (line->stream->open)
        return;
    id->len = 0;
    if (line->stream->chunk.len > 0) {
        cdc_buf_lit(id, DEBEZIUM_CHUNK);
        cdc_buf_append_buf(id, &line->stream->chunk);
    } else if (read->tx_id.p != NULL) {
        cdc_buf_span(id, read->tx_id);
        cdc_buf_byte(id, ':');
        cdc_buf_i64(id, line->event->seq);
    } else if (read->gtid.p != NULL) {
        cdc_buf_span(id, read->gtid);
    } else if (read->file.p != NULL) {
        cdc_buf_lit(id, "file=");
        cdc_buf_span(id, read->file);
        cdc_buf_lit(id, ",pos=");
        cdc_buf_span(id, read->pos);
    } else {
        cdc_buf_lit(id, "0:");
        cdc_buf_i64(id, line->event->seq);
    }
}

static void append_status(struct line *line, const char *status, int64_t ts_ms)
{
    begin_message(line, cdc_span(NULL, 0));
    begin_value(line, false);
    cdc_buf_lit(line->out, "{\"status\":\"");
    cdc_buf_text(line->out, status);
    cdc_buf_lit(line->out, "\",\"id\":\"");
    cdc_buf_append_buf(line->out, &line->stream->id);
    cdc_buf_lit(line->out, "\",\"ts_ms\":");
    cdc_buf_i64(line->out, ts_ms);
}

/* Of the lines of a transaction, the first one begins it: how many lines that is. */
static int begin_transaction(struct line *line, const struct source_parts *read)
{
    bool first = !line->stream->open;

    make_id(line, read);
    if (!first || line->writer->parts & PART_BARE)
        return 0;
    append_status(line, "BEGIN", read->ts_ms);
    cdc_buf_lit(line->out, ",\"event_count\":null,\"data_collections\":null}");
    end_message(line);
    return 1;
}

static void append_transaction(struct line *line)
{
    struct cdc_buf *out = line->out;

    if (line->writer->parts & PART_BARE) {
        cdc_buf_lit(out, ",\"transaction\":null");
        return;
    }
    cdc_buf_lit(out, ",\"transaction\":{\"id\":\"");
    cdc_buf_append_buf(out, &line->stream->id);
    cdc_buf_lit(out, "\",\"total_order\":");
    cdc_buf_u64(out, line->stream->lines);
    cdc_buf_lit(out, ",\"data_collection_order\":");
    cdc_buf_u64(out, line->table != NULL ? line->table->tx_lines : 1);
    cdc_buf_byte(out, '}');
}

static void append_tail(struct line *line, const char *op)
{
    cdc_buf_lit(line->out, ",\"op\":\"");
    cdc_buf_text(line->out, op);
    cdc_buf_lit(line->out, "\",\"ts_ms\":");
    cdc_buf_i64(line->out, line->event->ts_ms);
    append_times(line->out, line->event->ts_ms);
    cdc_buf_byte(line->out, '}');
    end_message(line);
}

static int write_commit(struct line *line)
{
    struct writer_stream *stream = line->stream;
    int lines = 0;

    if (stream->open && !(line->writer->parts & PART_BARE)) {
        struct source_parts read = read_source(line->event->source);
        append_status(line, "END", read.ts_ms);
        cdc_buf_lit(line->out, ",\"event_count\":");
        cdc_buf_u64(line->out, stream->lines);
        cdc_buf_lit(line->out, ",\"data_collections\":[");
        for (size_t i = 0; i < stream->n_touched; i++) {
            const struct format_table *table = stream->touched[i];
            cdc_buf_text(line->out, i > 0 ? ",{\"data_collection\":\"" : "{\"data_collection\":\"");
            cdc_buf_span(line->out, table->schema.p != NULL ? table->schema : table->db);
            cdc_buf_byte(line->out, '.');
            cdc_buf_span(line->out, table->table);
            cdc_buf_lit(line->out, "\",\"event_count\":");
            cdc_buf_u64(line->out, table->tx_lines);
            cdc_buf_byte(line->out, '}');
        }
        cdc_buf_lit(line->out, "]}");
        end_message(line);
        lines = 1;
    }
    writer_commit(stream);
    return lines;
}

/* -- rows ------------------------------------------------------------------------ */

static int write_row(struct line *line, const struct source_parts *read, const char *op, bool old, bool new,
                     struct cdc_error *error)
{
    const struct cdc_event *event = line->event;
    struct cdc_span row = new ? event->after : event->before;
    /* json_null is of the row that the line is about. */
    struct cdc_span old_nulls = event->op == CDC_OP_DELETE ? event->json_null : event->json_null_old;

    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    begin_message(line, row);
    begin_value(line, true);
    cdc_buf_lit(line->out, "{\"before\":");
    if (old && !cdc_json_is_null(event->before))
        append_row(line, event->before, cdc_span(NULL, 0), old_nulls);
    else
        cdc_buf_lit(line->out, "null");
    cdc_buf_lit(line->out, ",\"after\":");
    if (new && !cdc_json_is_null(event->after))
        append_row(line, event->after, event->unchanged, event->json_null);
    else
        cdc_buf_lit(line->out, "null");
    cdc_buf_lit(line->out, ",\"source\":");
    append_source(line, read);
    append_transaction(line);
    append_tail(line, op);
    if (new || !(line->writer->parts & PART_TOMBSTONES))
        return 1;
    begin_message(line, row);
    cdc_buf_lit(line->out, "null}\n");
    return 2;
}

static int write_change(struct line *line, struct cdc_error *error)
{
    struct source_parts read = read_source(line->event->source);
    int lines = begin_transaction(line, &read), more;

    if (format_key_moves(line->table, line->event)) {
        /* Its value went with the old key. */
        line->writer->losses.n[LOSS_MOVED] += line->event->unchanged.n > 2;
        more = write_row(line, &read, "d", true, false, error);
        if (more < 0)
            return -1;
        lines += more;
        more = write_row(line, &read, "c", false, true, error);
    } else {
        static const char *const ops[] = {
            [CDC_OP_READ] = "r", [CDC_OP_CREATE] = "c", [CDC_OP_UPDATE] = "u", [CDC_OP_DELETE] = "d"};
        more = write_row(line, &read, ops[line->event->op], line->event->op >= CDC_OP_UPDATE,
                         line->event->op != CDC_OP_DELETE, error);
    }
    return more < 0 ? -1 : lines + more;
}

/* -- other lines ----------------------------------------------------------------- */

static int write_truncate(struct line *line, struct cdc_error *error)
{
    struct source_parts read = read_source(line->event->source);
    int lines = begin_transaction(line, &read);
    struct cdc_span except = cdc_json_member(line->event->line, "except");

    line->writer->losses.n[LOSS_READ] += line->event->read.p != NULL;
    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    begin_message(line, cdc_span(NULL, 0));
    begin_value(line, line->table != NULL && line->table->defined);
    cdc_buf_lit(line->out, "{\"before\":null,\"after\":null,\"source\":");
    append_source(line, &read);
    if (except.p != NULL) {
        cdc_buf_lit(line->out, ",\"except\":");
        cdc_buf_span(line->out, except);
    }
    append_transaction(line);
    append_tail(line, "t");
    return lines + 1;
}

/* The bytes of a text or of {"base64":...}, in base64. */
static void append_content(struct cdc_buf *out, struct cdc_span content, struct cdc_buf *scratch)
{
    struct cdc_span raw = cdc_json_string_raw(content);

    cdc_buf_byte(out, '"');
    if (raw.p != NULL) {
        scratch->len = 0;
        cdc_json_unescape(scratch, raw);
        cdc_buf_base64(out, scratch->data, scratch->len);
    } else {
        cdc_buf_span(out, cdc_json_member_raw(content, "base64"));
    }
    cdc_buf_byte(out, '"');
}

static int write_message(struct line *line, struct cdc_error *error)
{
    struct source_parts read = read_source(line->event->source);
    struct cdc_span message = line->event->message, prefix = cdc_json_member(message, "prefix");
    int lines = begin_transaction(line, &read);

    line->writer->losses.n[LOSS_MESSAGE_KIND] += cdc_span_is(cdc_json_member(message, "transactional"), "false");
    if (writer_touch(line->stream, NULL, error) != 0)
        return -1;
    begin_message(line, cdc_span(NULL, 0));
    begin_value(line, false);
    cdc_buf_lit(line->out, "{\"source\":");
    append_source(line, &read);
    append_transaction(line);
    cdc_buf_lit(line->out, ",\"message\":{\"prefix\":");
    cdc_buf_span(line->out, prefix.p != NULL ? prefix : cdc_span("\"\"", 2));
    cdc_buf_lit(line->out, ",\"content\":");
    append_content(line->out, cdc_json_member(message, "content"), &line->writer->scratch);
    cdc_buf_byte(line->out, '}');
    append_tail(line, "m");
    return lines + 1;
}

/* {"source":...,"ts_ms":...,"databaseName":...,"schemaName":...,"ddl":...,"tableChanges":[ */
static void begin_schema_change(struct line *line, struct cdc_span ddl)
{
    struct source_parts read = read_source(line->event->source);
    struct cdc_buf *out = line->out;

    begin_message(line, cdc_span(NULL, 0));
    begin_value(line, false);
    cdc_buf_lit(out, "{\"source\":");
    append_source(line, &read);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, line->event->ts_ms);
    cdc_buf_lit(out, ",\"databaseName\":");
    format_append_raw(out, line->event->db);
    cdc_buf_lit(out, ",\"schemaName\":");
    if (line->event->schema.p != NULL)
        format_append_raw(out, line->event->schema);
    else
        cdc_buf_lit(out, "null");
    cdc_buf_lit(out, ",\"ddl\":");
    if (ddl.p != NULL)
        cdc_buf_span(out, ddl);
    else
        cdc_buf_lit(out, "null");
    cdc_buf_lit(out, ",\"tableChanges\":[");
}

static int write_ddl(struct line *line, struct cdc_error *error)
{
    if (line->writer->parts & PART_BARE) {
        line->writer->losses.n[LOSS_DDL]++;
        return 0;
    }
    struct source_parts read = read_source(line->event->source);
    int lines = begin_transaction(line, &read);
    if (writer_touch(line->stream, NULL, error) != 0)
        return -1;
    begin_schema_change(line, cdc_json_member(line->event->line, "ddl"));
    cdc_buf_lit(line->out, "]}");
    end_message(line);
    return lines + 1;
}

/* In quotes, which are doubled within. */
static void append_id_part(struct cdc_buf *out, struct cdc_span raw)
{
    cdc_buf_lit(out, "\\\"");
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\' && i + 1 < raw.n) {
            if (raw.p[i + 1] == '"')
                cdc_buf_lit(out, "\\\"");
            cdc_buf_byte(out, raw.p[i++]);
        }
        cdc_buf_byte(out, raw.p[i]);
    }
    cdc_buf_lit(out, "\\\"");
}

static void append_table_change(struct cdc_buf *out, const struct format_table *table)
{
    cdc_buf_lit(out, "{\"type\":\"CREATE\",\"id\":\"");
    append_id_part(out, table->db);
    if (table->schema.p != NULL) {
        cdc_buf_byte(out, '.');
        append_id_part(out, table->schema);
    }
    cdc_buf_byte(out, '.');
    append_id_part(out, table->table);
    cdc_buf_lit(out, "\",\"table\":{\"defaultCharsetName\":null,\"primaryKeyColumnNames\":[");
    format_append_key_names(out, table);
    cdc_buf_lit(out, "],\"columns\":[");
    for (size_t i = 0; i < table->n; i++) {
        const struct format_column *column = &table->columns[i];
        cdc_buf_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        format_append_raw(out, column->name);
        cdc_buf_lit(out, ",\"jdbcType\":1111,\"nativeType\":null,\"typeName\":");
        format_append_raw(out, column->type);
        cdc_buf_lit(out, ",\"typeExpression\":");
        format_append_raw(out, column->type);
        cdc_buf_printf(out,
                       ",\"charsetName\":null,\"length\":null,\"scale\":null,\"position\":%zu,\"optional\":%s,"
                       "\"autoIncremented\":false,\"generated\":false}",
                       i + 1, column->nullable ? "true" : "false");
    }
    cdc_buf_lit(out, "],\"attributes\":[]}}");
}

static int write_schema(struct line *line, struct cdc_error *error)
{
    if (line->table == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "a schema line names no table");
    line->writer->losses.n[LOSS_READ] += line->event->read.p != NULL;
    if (prepare_table(line, error) != 0)
        return -1;
    if (line->writer->parts & PART_BARE)
        return 0;
    begin_schema_change(line, cdc_span(NULL, 0));
    append_table_change(line->out, line->table);
    cdc_buf_lit(line->out, "]}");
    end_message(line);
    return 1;
}

static int write_event(struct cdc_format_writer *writer, struct writer_stream *stream, struct format_table *table,
                       const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct line line = {writer, stream, table,
                        event,  out,    cdc_json_raw_is(event->connector, cdc_span_text("postgresql"))};

    switch (event->op) {
    case CDC_OP_SCHEMA: return write_schema(&line, error);
    case CDC_OP_TRUNCATE: return write_truncate(&line, error);
    case CDC_OP_MESSAGE: return write_message(&line, error);
    case CDC_OP_DDL: return write_ddl(&line, error);
    case CDC_OP_COMMIT: return write_commit(&line);
    case CDC_OP_HEARTBEAT: return 0;
    default: return write_change(&line, error);
    }
}

const struct writer_ops debezium_writer = {"debezium", parts, write_event, true};
