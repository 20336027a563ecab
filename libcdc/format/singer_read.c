/* SPDX-License-Identifier: MIT */
/* Singer's messages. They have no place in a log, so their lines are numbered (--from-position). A STATE says that what came
 * before it is complete. */
#include "libcdc/format/internal.h"

static const char *const parts[] = {NULL};

enum text { TEXT_SCHEMA }; /* the message that the columns were taken from */

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

/* -- schemas -------------------------------------------------------------------------- */

static bool has_type(struct cdc_span property, const char *name)
{
    struct cdc_span type = cdc_json_member(property, "type"), item;
    struct cdc_json_iter iter;

    if (cdc_json_type(type) == CDC_JSON_STRING)
        return cdc_json_raw_is(cdc_json_string_raw(type), cdc_span_text(name));
    for (cdc_json_iter_begin(&iter, type); cdc_json_next_element(&iter, &item);)
        if (cdc_json_raw_is(cdc_json_string_raw(item), cdc_span_text(name)))
            return true;
    return false;
}

static struct cdc_span type_of(struct cdc_span property)
{
    static const struct {
        const char *json, *member, *value, *type;
    } types[] = {
        {"string", "format", "date-time", "timestamp with time zone"},
        {"string", "format", "date", "date"},
        {"string", "format", "time", "time without time zone"},
        {"string", "format", "uuid", "uuid"},
        {"string", "format", "x-singer.decimal", "numeric"},
        {"string", "format", "singer.decimal", "numeric"},
        {"string", "contentEncoding", "base64", "bytea"},
        {"string", NULL, NULL, "text"},
        {"integer", NULL, NULL, "bigint"},
        {"number", NULL, NULL, "numeric"},
        {"boolean", NULL, NULL, "boolean"},
        {"object", NULL, NULL, "jsonb"},
        {"array", NULL, NULL, "jsonb"},
    };
    struct cdc_span source = cdc_json_member_raw(property, "x-source-type");

    if (source.n > 0)
        return source;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (has_type(property, types[i].json) &&
            (types[i].member == NULL || cdc_json_member_is(property, types[i].member, types[i].value)))
            return cdc_span_text(types[i].type);
    return cdc_span_text("unknown");
}

/* A stream is a table of that name, and what a message of ours says of where it lives goes into its lines. */
static struct format_table *table_of(struct cdc_format_reader *reader, struct reader_stream *stream,
                                     struct cdc_span line, struct cdc_error *error)
{
    struct cdc_span name = cdc_json_member_raw(line, "stream");

    if (name.n == 0) {
        reader_bad("the message names no \"stream\"", error);
        return NULL;
    }
    return format_table_of(&reader->tables, stream->name, cdc_span(NULL, 0), cdc_span(NULL, 0), name, error);
}

static int take_columns(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span line,
                        bool postgres, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, property;

    cdc_json_iter_begin(&iter, cdc_json_member(cdc_json_member(line, "schema"), "properties"));
    while (cdc_json_next_member(&iter, &name, &property))
        if (!cdc_span_is(name, "_sdc_deleted_at") &&
            format_table_add(table, name, type_of(property), postgres, error) == NULL)
            return -1;
    table->defined = true;
    if (format_table_set_key(table, cdc_json_member(line, "key_properties"), error) != 0)
        return -1;
    return reader_settle_key(reader, table, error);
}

static int read_schema(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span line,
                       struct cdc_error *error)
{
    struct cdc_span source = cdc_json_member(cdc_json_member(line, "schema"), "x-source");
    struct cdc_buf *known = &table->text[TEXT_SCHEMA];

    if (cdc_span_equal(span_of(known), line))
        return 0;
    format_table_reset(table);
    known->len = 0;
    cdc_buf_span(known, line);
    if (known->failed)
        return cdc_error_memory(error);
    bool postgres = source.p == NULL || cdc_json_member_is(source, "connector", "postgresql");
    return take_columns(reader, table, span_of(known), postgres, error);
}

/* -- values --------------------------------------------------------------------------- */

static void append_value(struct cdc_format_reader *reader, const struct format_column *column, struct cdc_span value)
{
    struct cdc_buf *out = &reader->after;
    struct cdc_span raw = cdc_json_string_raw(value);
    size_t at = out->len;

    switch (column->value.value) {
    case VALUE_DECIMAL:
        if (cdc_json_type(value) != CDC_JSON_NUMBER)
            break;
        format_append_raw(out, value);
        return;
    case VALUE_TIMESTAMP:
        if (raw.p == NULL)
            break;
        if (raw.n > 6 && memcmp(raw.p + raw.n - 6, "+00:00", 6) == 0)
            raw.n -= 6;
        value_append_iso(out, raw, false);
        return;
    case VALUE_TIMESTAMPTZ:
        if (raw.p == NULL)
            break;
        value_append_iso(out, raw, true);
        return;
    case VALUE_JSON:
        /* Text that is not JSON is a JSON string. */
        if (raw.p == NULL || !value_read_json_text(out, raw, &reader->scratch))
            break;
        if (cdc_span_is(cdc_span(out->data + at, out->len - at), "null"))
            reader_list_add(&reader->json_null, column->name);
        return;
    default: break;
    }
    cdc_json_append_compact(out, value);
}

static int read_record(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span record,
                       bool *deleted, bool postgres, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    char separator = '{';

    for (cdc_json_iter_begin(&iter, record); cdc_json_next_member(&iter, &name, &value);) {
        if (cdc_span_is(name, "_sdc_deleted_at")) {
            *deleted = !cdc_json_is_null(value);
            continue;
        }
        struct format_column *column = format_column_of(table, &next, name);
        if (column == NULL && (column = reader_untyped(reader, table, name, postgres, error)) == NULL)
            return -1;
        column->seen = true;
        cdc_buf_byte(&reader->after, separator);
        separator = ',';
        format_append_raw(&reader->after, name);
        cdc_buf_byte(&reader->after, ':');
        append_value(reader, column, value);
    }
    cdc_buf_text(&reader->after, separator == '{' ? "{}" : "}");
    for (size_t i = 0; i < table->n; i++) {
        if (!table->columns[i].seen)
            reader_list_add(&reader->unchanged, table->columns[i].name);
        table->columns[i].seen = false;
    }
    return 0;
}

/* -- lines ---------------------------------------------------------------------------- */

static int place(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_error *error)
{
    return reader_place(reader, stream, cdc_span(NULL, 0), 0, "Singer's messages have none", error);
}

/* The source of a message of ours; of another tap, what there is. */
static void set_source(struct cdc_format_reader *reader, const struct format_table *table, struct reader_stream *stream,
                       struct reader_change *change)
{
    struct cdc_span source = cdc_json_member(cdc_json_member(span_of(&table->text[TEXT_SCHEMA]), "schema"), "x-source");
    struct cdc_span raw;
    struct cdc_buf *out = &reader->place;

    change->connector = "singer";
    if (source.p == NULL)
        return;
    change->connector = cdc_json_member_is(source, "connector", "postgresql") ? "postgresql"
                        : cdc_json_member_is(source, "connector", "mariadb")  ? "mariadb"
                                                                              : "mysql";
    out->len = 0;
    cdc_buf_printf(out, "{\"connector\":\"%s\",\"name\":", change->connector);
    format_append_raw(out, stream->name);
    static const char *const names[] = {"db", "schema", "table"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((raw = cdc_json_member_raw(source, names[i])).p != NULL) {
            cdc_buf_printf(out, ",\"%s\":", names[i]);
            format_append_raw(out, raw);
        }
    cdc_buf_printf(out, ",\"ts_ms\":%lld,\"snapshot\":\"false\"}", (long long)change->ts_ms);
    change->source = span_of(out);
}

/* All rows that are there have another version: the table is empty. */
static int empty_table(struct cdc_format_reader *reader, struct reader_stream *stream, struct format_table *table,
                       struct cdc_buf *out, struct cdc_error *error)
{
    struct reader_change change = {.op = "t", .table = table};

    if (place(reader, stream, error) != 0)
        return -1;
    set_source(reader, table, stream, &change);
    return reader_append(reader, stream, &change, out, error);
}

/* The version of a record is a newer one than that of the records before: a new copy of the table begins. With an older one begins
 * another run of a writer that knows no more which version it had (ours), and the rows stay. */
static int take_version(struct cdc_format_reader *reader, struct reader_stream *stream, struct format_table *table,
                        struct cdc_span line, struct cdc_buf *out, struct cdc_error *error)
{
    int64_t version;

    if (!cdc_json_int64(cdc_json_member(line, "version"), &version) || version == table->version)
        return 0;
    bool is_newer = table->version != 0 && version > table->version;
    table->version = version;
    return is_newer ? empty_table(reader, stream, table, out, error) : 0;
}

/* A record of which it is not said may be a new row or a newer one: it takes the place of what is there. */
static const char *op_of(const struct format_table *table, struct cdc_span line)
{
    static const char *const ops[] = {"r", "c", "u"};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (cdc_json_member_is(line, "x-op", ops[i]))
            return ops[i];
    return table->n_key > 0 ? "u" : "c";
}

static int append_record(struct cdc_format_reader *reader, struct reader_stream *stream, struct format_table *table,
                         struct cdc_span line, struct cdc_span record, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span extracted = cdc_json_member(line, "time_extracted");
    struct reader_change change = {.table = table};
    char text[64];
    bool deleted = false;

    if (take_version(reader, stream, table, line, out, error) != 0)
        return -1;
    if (extracted.p != NULL && cdc_json_member_copy(line, "time_extracted", text, sizeof text))
        (void)cdc_time_parse(text, &change.ts_ms);
    set_source(reader, table, stream, &change);
    bool postgres = strcmp(change.connector, "mysql") != 0 && strcmp(change.connector, "mariadb") != 0;
    if (place(reader, stream, error) != 0 || read_record(reader, table, record, &deleted, postgres, error) != 0)
        return -1;
    change.json_null = span_of(&reader->json_null);
    if (deleted) {
        change.op = "d";
        change.before = span_of(&reader->after);
    } else {
        change.op = op_of(table, line);
        change.after = span_of(&reader->after);
        change.unchanged = span_of(&reader->unchanged);
    }
    return reader_append(reader, stream, &change, out, error);
}

static int read_record_line(struct cdc_format_reader *reader, struct reader_stream *stream, struct format_table *table,
                            struct cdc_span line, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span record = cdc_json_member(line, "record");
    int64_t version = table->version;

    if (cdc_json_type(record) != CDC_JSON_OBJECT)
        return reader_bad("the message has no \"record\"", error);
    if (!table->defined)
        return reader_bad("a RECORD before the SCHEMA of its stream", error);
    if (append_record(reader, stream, table, line, record, out, error) == 0)
        return 0;
    table->version = version; /* what is refused empties no table: the next one of that version does */
    return -1;
}

/* Rows of other versions go. At the first version of a run it is not known which rows those are. */
static int read_activate(struct cdc_format_reader *reader, struct reader_stream *stream, struct format_table *table,
                         struct cdc_span line, struct cdc_buf *out, struct cdc_error *error)
{
    int64_t version;

    if (!cdc_json_int64(cdc_json_member(line, "version"), &version))
        return reader_bad("an ACTIVATE_VERSION has no version", error);
    reader->losses.n[LOSS_VERSION] += table->version == 0;
    return take_version(reader, stream, table, line, out, error);
}

static int read_line(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct cdc_span type = cdc_json_member_raw(line, "type");
    struct reader_stream *stream = reader_only_stream(reader, error);
    struct format_table *table;

    if (stream == NULL)
        return -1;
    if (cdc_span_is(type, "STATE"))
        return reader_commit(stream, out, error);
    if (!cdc_span_is(type, "SCHEMA") && !cdc_span_is(type, "RECORD") && !cdc_span_is(type, "ACTIVATE_VERSION"))
        return reader_bad("the line is none of Singer's: its \"type\" is not known", error);
    table = table_of(reader, stream, line, error);
    if (table == NULL)
        return -1;
    return cdc_span_is(type, "SCHEMA")   ? read_schema(reader, table, line, error)
           : cdc_span_is(type, "RECORD") ? read_record_line(reader, stream, table, line, out, error)
                                         : read_activate(reader, stream, table, line, out, error);
}

const struct reader_ops singer_reader = {"singer", parts, read_line, false};
