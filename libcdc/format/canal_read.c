/* SPDX-License-Identifier: MIT */
/* canal's flat messages. They have no place in the log, so their lines are numbered (--from-position). Rows of one GTID, or
 * without that of one `id`, are taken as one transaction. */
#include "libcdc/format/canal.h"

static const char *const parts[] = {NULL};

enum text { TEXT_TYPES }; /* mysqlType, from which the columns were taken */

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

/* -- tables ------------------------------------------------------------------------- */

static int define(struct format_table *table, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_span types = cdc_json_member(line, "mysqlType"), name, value;
    struct cdc_buf *known = &table->text[TEXT_TYPES];
    struct cdc_json_iter iter;

    if (cdc_json_type(types) != CDC_JSON_OBJECT || cdc_span_equal(span_of(known), types))
        return 0;
    format_table_reset(table);
    for (cdc_json_iter_begin(&iter, types); cdc_json_next_member(&iter, &name, &value);)
        if (format_table_add(table, name, cdc_json_string_raw(value), false, error) == NULL)
            return -1;
    table->defined = true;
    known->len = 0;
    cdc_buf_span(known, types);
    return known->failed ? cdc_error_memory(error) : 0;
}

/* -- rows --------------------------------------------------------------------------- */

static int append_row(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span row,
                      const struct format_row *over, struct cdc_buf *out, struct cdc_buf *nulls,
                      struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    char separator = '{';
    bool json_null;

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value); separator = ',') {
        struct format_column *column = format_column_of(table, &next, name);
        if (column == NULL && (column = reader_untyped(reader, table, name, false, error)) == NULL)
            return -1;
        column->seen = true;
        struct cdc_span other = over->row.p != NULL ? format_row_find(over, name) : over->row;
        cdc_buf_byte(out, separator);
        format_append_raw(out, name);
        cdc_buf_byte(out, ':');
        canal_read_value(out, column, other.p != NULL ? other : value, &json_null, &reader->losses, &reader->scratch);
        if (json_null)
            reader_list_add(nulls, name);
    }
    cdc_buf_text(out, separator == '{' ? "{}" : "}");
    return 0;
}

/* The row, with the values of `over` where that has any. */
static int read_row(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span row,
                    struct cdc_span over, struct cdc_buf *out, struct cdc_buf *nulls, struct cdc_error *error)
{
    struct format_row of_over;

    format_row_begin(&of_over, over);
    int result = append_row(reader, table, row, &of_over, out, nulls, error);
    format_row_end(&of_over);
    return result;
}

static int take_row(struct cdc_format_reader *reader, struct reader_stream *stream, struct reader_change *change,
                    struct cdc_span row, struct cdc_span old, bool old_lacks, struct cdc_buf *out,
                    struct cdc_error *error)
{
    bool is_update = *change->op == 'u', is_delete = *change->op == 'd';

    reader->before.len = reader->after.len = reader->json_null.len = reader->json_null_old.len = 0;
    reader->unchanged.len = 0;
    if (cdc_json_type(row) != CDC_JSON_OBJECT)
        return reader_bad("an element of \"data\" is no row", error);
    if (read_row(reader, change->table, row, cdc_span(NULL, 0), &reader->after, &reader->json_null, error) != 0)
        return -1;
    reader_name_unchanged(reader, change->table, is_update);
    change->after = change->before = cdc_span(NULL, 0);
    if (is_update && (cdc_json_type(old) == CDC_JSON_OBJECT || change->table->n_key == 0)) {
        if (read_row(reader, change->table, row, old, &reader->before, &reader->json_null_old, error) != 0)
            return -1;
        reader_name_unchanged(reader, change->table, false);
        if (old_lacks && reader_keep_old(reader, change->table, old, error) != 0)
            return -1;
        change->before = span_of(&reader->before);
    }
    *(is_delete ? &change->before : &change->after) = span_of(&reader->after);
    change->unchanged = span_of(&reader->unchanged);
    change->json_null = span_of(&reader->json_null);
    change->json_null_old = span_of(&reader->json_null_old);
    return reader_append(reader, stream, change, out, error);
}

static int place(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_error *error)
{
    return reader_place(reader, stream, cdc_span(NULL, 0), 0, "canal's messages have none", error);
}

static int read_rows(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line,
                     struct reader_change *change, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_json_iter data, olds;
    struct cdc_span row, old;
    bool old_lacks = cdc_span_is(cdc_json_member(line, FORMAT_OLD_LACKS), "true");

    if (define(change->table, line, error) != 0 ||
        reader_take_key(reader, change->table, cdc_json_member(line, "pkNames"), error) != 0)
        return -1;
    cdc_json_iter_begin(&olds, cdc_json_member(line, "old"));
    for (cdc_json_iter_begin(&data, cdc_json_member(line, "data")); cdc_json_next_element(&data, &row);) {
        if (olds.p == NULL || !cdc_json_next_element(&olds, &old))
            old = cdc_span(NULL, 0);
        if (place(reader, stream, error) != 0 || take_row(reader, stream, change, row, old, old_lacks, out, error) != 0)
            return -1;
    }
    return 0;
}

/* -- lines -------------------------------------------------------------------------- */

static int read_ddl(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line,
                    struct reader_change *change, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span sql = cdc_json_member(line, "sql"), db = cdc_json_member(line, "database");

    if (place(reader, stream, error) != 0)
        return -1;
    if (cdc_json_member_is(line, "type", "TRUNCATE") && change->table != NULL) {
        change->op = "t";
        return reader_append(reader, stream, change, out, error);
    }
    struct format_table *table = change->table;
    change->op = "ddl";
    change->table = NULL;
    cdc_buf_lit(&reader->extra, ",\"ddl\":");
    cdc_buf_span(&reader->extra, cdc_json_type(sql) == CDC_JSON_STRING ? sql : cdc_span("\"\"", 2));
    cdc_buf_lit(&reader->extra, ",\"db\":");
    cdc_buf_span(&reader->extra, cdc_json_type(db) == CDC_JSON_STRING ? db : cdc_span("\"\"", 2));
    change->extra = span_of(&reader->extra);
    reader->losses.n[LOSS_ALTERED] +=
        cdc_json_member_is(line, "type", "ALTER") || cdc_json_member_is(line, "type", "RENAME");
    if (reader_append(reader, stream, change, out, error) != 0)
        return -1;
    if (cdc_json_member_is(line, "type", "ERASE") && table != NULL) {
        table->text[TEXT_TYPES].len = 0;
        return reader_append_gone(reader, stream, change, table, cdc_span(NULL, 0), out, error);
    }
    return reader_drops_database(sql) && db.n > 2
               ? reader_append_gone(reader, stream, change, NULL, cdc_json_string_raw(db), out, error)
               : 0;
}

static int read_line(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                     struct cdc_error *error)
{
    static const char *const types[][2] = {{"INSERT", "c"}, {"UPDATE", "u"}, {"DELETE", "d"}};
    struct cdc_span db = cdc_json_member_raw(line, "database"), table = cdc_json_member_raw(line, "table");
    struct cdc_span gtid = cdc_json_member_raw(line, "gtid"), id = cdc_json_member(line, "id");
    struct reader_stream *stream = reader_only_stream(reader, error);
    struct reader_change change = {.connector = "mysql"};

    if (stream == NULL)
        return -1;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (cdc_json_member_is(line, "type", types[i][0]))
            change.op = types[i][1];
    bool is_ddl = cdc_span_is(cdc_json_member(line, "isDdl"), "true");
    if (!is_ddl && (change.op == NULL || table.n == 0))
        return reader_bad("the line is none of canal's: \"type\" or \"table\" is not known", error);
    if (reader_transaction(stream, gtid.n > 0 ? gtid : id, out, error) != 0)
        return -1;
    if (table.n > 0 &&
        (change.table = format_table_of(&reader->tables, stream->name, db, cdc_span(NULL, 0), table, error)) == NULL)
        return -1;
    (void)cdc_json_int64(cdc_json_member(line, "es"), &change.ts_ms);
    return is_ddl ? read_ddl(reader, stream, line, &change, out, error)
                  : read_rows(reader, stream, line, &change, out, error);
}

const struct reader_ops canal_reader = {"canal", parts, read_line, false};
