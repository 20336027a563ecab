/* SPDX-License-Identifier: MIT */
/* canal's flat messages, one row each. `id`, which is that of a batch there, is the same for all rows of a transaction. */
#include <strings.h>

#include "libcdc/format/canal.h"

static const char *const parts[] = {NULL};

enum text { TEXT_TYPES, TEXT_KEY }; /* what each message of a table repeats */

struct line {
    struct cdc_format_writer *writer;
    struct writer_stream *stream;
    struct format_table *table;
    const struct cdc_event *event;
    struct cdc_buf *out;
};

/* -- tables ------------------------------------------------------------------------- */

/* Of java.sql.Types; what is unsigned is of the next larger kind. */
static int java_type(const struct value_type *type)
{
    static const int integers[] = {-6, 5, 4, 4, -5, 3}; /* TINYINT SMALLINT INTEGER INTEGER BIGINT DECIMAL */
    static const int bytes[] = {1, 2, 3, 4, 8};

    switch (type->value) {
    case VALUE_INT:
        for (size_t i = 0; i < 5; i++)
            if (type->bytes == bytes[i])
                return integers[i + (type->is_unsigned && i != 2)];
        return -5;
    case VALUE_BOOL:
    case VALUE_BITS:
    case VALUE_SET: return -7;
    case VALUE_DECIMAL: return 3;
    case VALUE_FLOAT: return type->bytes == 4 ? 7 : 8;
    case VALUE_BYTES: return 2004;
    case VALUE_DATE: return 91;
    case VALUE_TIME: return 92;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: return 93;
    case VALUE_ENUM: return 4;
    case VALUE_GEOMETRY: return -2;
    default: return 12;
    }
}

static int write_schema(struct line *line, struct cdc_error *error)
{
    struct format_table *table = line->table;

    if (table == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "a schema line names no table");
    line->writer->losses.n[LOSS_READ] += line->event->read.p != NULL;
    struct cdc_buf *types = &table->text[TEXT_TYPES], *key = &table->text[TEXT_KEY];
    types->len = key->len = 0;
    cdc_buf_lit(types, "\"mysqlType\":{");
    cdc_buf_lit(key, "\"pkNames\":[");
    format_append_key_names(key, table);
    cdc_buf_lit(key, "],\"sql\":\"\",\"sqlType\":{");
    for (size_t i = 0; i < table->n; i++) {
        const struct format_column *column = &table->columns[i];
        if (i > 0) {
            cdc_buf_byte(types, ',');
            cdc_buf_byte(key, ',');
        }
        format_append_raw(types, column->name);
        cdc_buf_byte(types, ':');
        format_append_raw(types, format_mysql_type(column));
        format_append_raw(key, column->name);
        cdc_buf_printf(key, ":%d", java_type(&column->value));
    }
    cdc_buf_byte(types, '}');
    cdc_buf_byte(key, '}');
    return types->failed || key->failed ? cdc_error_memory(error) : 0;
}

/* -- rows --------------------------------------------------------------------------- */

static void append_row(struct line *line, struct cdc_span row, struct cdc_span json_null)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    char separator = '{';

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        const struct format_column *column = format_column_of(line->table, &next, name);
        if (column == NULL)
            continue;
        cdc_buf_byte(line->out, separator);
        separator = ',';
        format_append_raw(line->out, name);
        cdc_buf_byte(line->out, ':');
        canal_append_value(line->out, column, value, json_null, &line->writer->losses, &line->writer->scratch);
    }
    cdc_buf_text(line->out, separator == '{' ? "{}" : "}");
}

static void append_old(struct line *line)
{
    const struct cdc_event *event = line->event;
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    struct format_row after;
    size_t next = 0;
    char separator = '{';

    line->writer->losses.n[LOSS_OLD_ROW] += event->op == CDC_OP_UPDATE && writer_lacks_old(event);
    if (event->op != CDC_OP_UPDATE || cdc_json_is_null(event->before)) {
        cdc_buf_lit(line->out, "null");
        return;
    }
    cdc_buf_byte(line->out, '[');
    format_row_begin(&after, event->after);
    for (cdc_json_iter_begin(&iter, event->before); cdc_json_next_member(&iter, &name, &value);) {
        const struct format_column *column = format_column_of(line->table, &next, name);
        struct cdc_span new = format_row_find(&after, name);
        if (column == NULL || new.p == NULL || writer_is_same(column, event, value, new))
            continue;
        cdc_buf_byte(line->out, separator);
        separator = ',';
        format_append_raw(line->out, name);
        cdc_buf_byte(line->out, ':');
        canal_append_value(line->out, column, value, event->json_null_old, &line->writer->losses,
                           &line->writer->scratch);
    }
    format_row_end(&after);
    cdc_buf_text(line->out, separator == '{' ? "{}]" : "}]");
}

/* "database":...,"es":...,"gtid":...,"id":...,"isDdl":... */
static void append_frame(struct line *line, bool is_ddl)
{
    const struct cdc_event *event = line->event;
    struct cdc_span gtid = cdc_json_member_raw(event->source, "gtid");
    int64_t es = event->ts_ms;

    (void)cdc_json_int64(cdc_json_member(event->source, "ts_ms"), &es);
    cdc_buf_lit(line->out, ",\"database\":");
    format_append_raw(line->out, event->schema.p != NULL ? event->schema : event->db);
    cdc_buf_lit(line->out, ",\"es\":");
    cdc_buf_i64(line->out, es);
    cdc_buf_lit(line->out, ",\"gtid\":");
    format_append_raw(line->out, gtid.p != NULL ? gtid : cdc_span("", 0));
    cdc_buf_lit(line->out, ",\"id\":");
    cdc_buf_i64(line->out, event->seq);
    cdc_buf_text(line->out, is_ddl ? ",\"isDdl\":true," : ",\"isDdl\":false,");
}

static void append_tail(struct line *line, const char *type)
{
    cdc_buf_lit(line->out, ",\"table\":");
    format_append_raw(line->out, line->event->table.p != NULL ? line->event->table : cdc_span("", 0));
    cdc_buf_lit(line->out, ",\"ts\":");
    cdc_buf_i64(line->out, line->event->ts_ms);
    cdc_buf_lit(line->out, ",\"type\":\"");
    cdc_buf_text(line->out, type);
    cdc_buf_lit(line->out, "\"}\n");
}

static int write_row(struct line *line, struct cdc_error *error)
{
    static const char *const types[] = {
        [CDC_OP_READ] = "INSERT", [CDC_OP_CREATE] = "INSERT", [CDC_OP_UPDATE] = "UPDATE", [CDC_OP_DELETE] = "DELETE"};
    const struct cdc_event *event = line->event;

    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    cdc_buf_lit(line->out, "{\"data\":[");
    append_row(line, event->op == CDC_OP_DELETE ? event->before : event->after, event->json_null);
    cdc_buf_byte(line->out, ']');
    append_frame(line, false);
    cdc_buf_append_buf(line->out, &line->table->text[TEXT_TYPES]);
    cdc_buf_lit(line->out, ",\"old\":");
    append_old(line);
    if (event->op == CDC_OP_UPDATE && !cdc_json_is_null(event->before) && writer_lacks_old(event))
        cdc_buf_lit(line->out, ",\"" FORMAT_OLD_LACKS "\":true");
    cdc_buf_byte(line->out, ',');
    cdc_buf_append_buf(line->out, &line->table->text[TEXT_KEY]);
    append_tail(line, types[event->op]);
    return 1;
}

/* -- DDL ----------------------------------------------------------------------------- */

static void write_statement(struct line *line, const char *type, struct cdc_span sql)
{
    cdc_buf_lit(line->out, "{\"data\":null");
    append_frame(line, true);
    cdc_buf_lit(line->out, "\"mysqlType\":null,\"old\":null,\"pkNames\":null,\"sql\":");
    cdc_buf_span(line->out, sql.p != NULL ? sql : cdc_span("\"\"", 2));
    cdc_buf_lit(line->out, ",\"sqlType\":null");
    append_tail(line, type);
}

static bool begins_with(struct cdc_span raw, const char *word)
{
    while (raw.n > 0 && *raw.p == ' ') {
        raw.p++;
        raw.n--;
    }
    return raw.n > strlen(word) && strncasecmp(raw.p, word, strlen(word)) == 0;
}

static int write_ddl(struct line *line, struct cdc_error *error)
{
    static const char *const types[][2] = {
        {"CREATE", "CREATE"}, {"ALTER", "ALTER"}, {"DROP", "ERASE"}, {"RENAME", "RENAME"}};
    struct cdc_span sql = cdc_json_member(line->event->line, "ddl"), raw = cdc_json_string_raw(sql);
    const char *type = "QUERY";

    /* Its t line says the same. */
    if (begins_with(raw, "TRUNCATE"))
        return 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (begins_with(raw, types[i][0]))
            type = types[i][1];
    if (writer_touch(line->stream, NULL, error) != 0)
        return -1;
    write_statement(line, type, sql);
    return 1;
}

static int write_truncate(struct line *line, struct cdc_error *error)
{
    struct cdc_buf *sql = &line->writer->scratch;

    line->writer->losses.n[LOSS_READ] += line->event->read.p != NULL;
    if (line->table == NULL) {
        line->writer->losses.n[LOSS_TRUNCATE]++;
        return 0;
    }
    if (writer_touch(line->stream, line->table, error) != 0)
        return -1;
    sql->len = 0;
    cdc_buf_lit(sql, "\"TRUNCATE TABLE `");
    cdc_buf_span(sql, line->event->table);
    cdc_buf_lit(sql, "`\"");
    write_statement(line, "TRUNCATE", cdc_span(sql->data, sql->len));
    return 1;
}

static int write_event(struct cdc_format_writer *writer, struct writer_stream *stream, struct format_table *table,
                       const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct line line = {writer, stream, table, event, out};

    switch (event->op) {
    case CDC_OP_SCHEMA: return write_schema(&line, error);
    case CDC_OP_COMMIT: writer_commit(stream); return 0;
    case CDC_OP_TRUNCATE: return write_truncate(&line, error);
    case CDC_OP_DDL: return write_ddl(&line, error);
    case CDC_OP_MESSAGE: writer->losses.n[LOSS_MESSAGE]++; return 0;
    case CDC_OP_HEARTBEAT: return 0;
    default: return write_row(&line, error);
    }
}

const struct writer_ops canal_writer = {"canal", parts, write_event, false};
