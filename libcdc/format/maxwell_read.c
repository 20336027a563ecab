/* SPDX-License-Identifier: MIT */
/* Maxwell's lines. Their types and keys are known from its DDL lines (output_ddl), and from primary_key_columns. */
#include "libcdc/format/internal.h"

static const char *const parts[] = {NULL};

#define LAST_OFFSET 0xffffffff /* the last row of a transaction has no xoffset */

/* -- values ------------------------------------------------------------------------ */

static void append_set(struct cdc_buf *out, struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    const char *separator = "";

    cdc_buf_byte(out, '"');
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item); separator = ",") {
        cdc_buf_text(out, separator);
        cdc_buf_span(out, cdc_json_string_raw(item));
    }
    cdc_buf_byte(out, '"');
}

static void append_value(struct cdc_format_reader *reader, struct cdc_buf *out, const struct format_column *column,
                         struct cdc_span value)
{
    struct cdc_span raw = cdc_json_string_raw(value);
    enum cdc_json_type type = cdc_json_type(value);

    switch (column->value.value) {
    case VALUE_DECIMAL:
        if (type != CDC_JSON_NUMBER)
            break;
        format_append_raw(out, value);
        return;
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        if (raw.p == NULL)
            break;
        value_append_iso(out, raw, column->value.value == VALUE_TIMESTAMPTZ);
        return;
    case VALUE_SET:
        if (type != CDC_JSON_ARRAY)
            break;
        append_set(out, value);
        return;
    case VALUE_BOOL:
        if (type != CDC_JSON_NUMBER)
            break;
        cdc_buf_text(out, cdc_span_is(value, "0") ? "false" : "true");
        return;
    case VALUE_BITS:
        if (type == CDC_JSON_NUMBER && value_read_bits_number(out, value, column->value.length))
            return;
        reader->losses.n[LOSS_TYPE] += type == CDC_JSON_NUMBER;
        break;
    default: break;
    }
    cdc_json_append_compact(out, value);
}

struct row_writer {
    struct cdc_format_reader *reader;
    struct format_table *table;
    struct cdc_buf *out;
    size_t next;    /* where the next column is looked for first */
    char separator; /* before the next member */
};

/* Appends a member. `value.p` NULL: it is null. */
static int append_member(struct row_writer *to, struct cdc_span name, struct cdc_span value, struct cdc_error *error)
{
    struct format_column *column = format_column_of(to->table, &to->next, name);

    if (column == NULL && (column = reader_untyped(to->reader, to->table, name, false, error)) == NULL)
        return -1;
    column->seen = true;
    cdc_buf_byte(to->out, to->separator);
    to->separator = ',';
    format_append_raw(to->out, name);
    cdc_buf_byte(to->out, ':');
    if (value.p == NULL)
        cdc_buf_lit(to->out, "null");
    else
        append_value(to->reader, to->out, column, value);
    return 0;
}

/* Appends a row's members: the old one's if `is_old`, which is the row with the members of `old` over it. What `old` has and the
 * row has not is NULL by now: without output_nulls, nulls are left out, and of what did not change there is nothing in `old`. */
static int append_members(struct row_writer *to, const struct format_row *row, const struct format_row *old,
                          bool is_old, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, row->row); cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span other = is_old ? format_row_find(old, name) : cdc_span(NULL, 0);
        if (append_member(to, name, other.p != NULL ? other : value, error) != 0)
            return -1;
    }
    for (cdc_json_iter_begin(&iter, old->row); cdc_json_next_member(&iter, &name, &value);)
        if (format_row_find(row, name).p == NULL &&
            append_member(to, name, is_old ? value : cdc_span(NULL, 0), error) != 0)
            return -1;
    return 0;
}

static int read_row(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span row,
                    struct cdc_span old, bool is_old, struct cdc_buf *out, struct cdc_error *error)
{
    struct row_writer to = {.reader = reader, .table = table, .out = out, .separator = '{'};
    struct format_row of_row, of_old;

    format_row_begin(&of_row, row);
    format_row_begin(&of_old, old);
    int result = append_members(&to, &of_row, &of_old, is_old, error);
    format_row_end(&of_row);
    format_row_end(&of_old);
    if (result == 0)
        cdc_buf_text(out, to.separator == '{' ? "{}" : "}");
    return result;
}

static void name_unchanged(struct cdc_format_reader *reader, struct format_table *table, bool is_update)
{
    for (size_t i = 0; i < table->n; i++) {
        if (is_update && !table->columns[i].seen)
            reader_list_add(&reader->unchanged, table->columns[i].name);
        table->columns[i].seen = false;
    }
}

/* -- places ------------------------------------------------------------------------ */

/* "master.000006:800050" */
static bool take_position(struct cdc_span position, int64_t *file, int64_t *offset)
{
    size_t colon = position.n, digits = 0;

    while (colon > 0 && position.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !cdc_json_int64(cdc_span(position.p + colon, position.n - colon), offset) || *offset < 0)
        return false;
    struct cdc_span name = {position.p, colon - 1};
    while (digits < name.n && name.p[name.n - 1 - digits] >= '0' && name.p[name.n - 1 - digits] <= '9')
        digits++;
    for (*file = 0; digits > 0 && *file < 0x7fffff; digits--)
        *file = *file * 10 + (name.p[name.n - digits] - '0');
    return digits == 0 && *file <= 0x7fffff; /* so that the offset has 40 bits of a seq */
}

static int place(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line, bool is_last,
                 struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf *key = &reader->place;
    int64_t file = 0, offset = 0, xoffset = 0, seq;
    bool found = take_position(cdc_json_member_raw(line, "position"), &file, &offset);
    struct cdc_span xid = cdc_json_member(line, "xid"), pos = cdc_json_member_raw(line, "pos");

    key->len = 0;
    cdc_buf_hex(key, (uint64_t)file, 8);
    cdc_buf_byte(key, '.');
    cdc_buf_hex(key, (uint64_t)offset, 16);
    bool is_own = cdc_json_int64(cdc_json_member(line, "xoffset"), &xoffset); /* no other row's place */
    if (is_last && xid.p != NULL) {
        xoffset = LAST_OFFSET;
        is_own = true;
    }
    if (pos.n > 0) {
        is_own = true;
        reader_append_chunk(key, pos);
    } else {
        cdc_buf_byte(key, '.');
        cdc_buf_hex(key, (uint64_t)xoffset, 8);
    }
    if (key->failed)
        return cdc_error_memory(error);
    /* Without the file's number, the offset is a place in all of the log. */
    seq = found && file > 0 ? file << 40 | (offset & 0xffffffffff) : offset;
    if (reader_transaction(stream, xid.p != NULL ? xid : cdc_span(key->data, key->len), out, error) != 0)
        return -1;
    if (is_own && cdc_span_equal(cdc_span(stream->key.data, stream->key.len), cdc_span(key->data, key->len)))
        reader_begin_again(stream);
    return reader_place(reader, stream, found ? cdc_span(key->data, key->len) : cdc_span(NULL, 0),
                        stream->open ? stream->seq : seq, "\"position\" is missing, Maxwell's output_binlog_position",
                        error);
}

/* -- definitions ------------------------------------------------------------------- */

static void append_labels(struct cdc_buf *out, struct cdc_span labels)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    const char *separator = "(";

    for (cdc_json_iter_begin(&iter, labels); cdc_json_next_element(&iter, &item); separator = ",") {
        struct cdc_span raw = cdc_json_string_raw(item);
        cdc_buf_text(out, separator);
        cdc_buf_byte(out, '\'');
        for (size_t i = 0; i < raw.n; i++) {
            if (raw.p[i] == '\'')
                cdc_buf_byte(out, '\'');
            cdc_buf_byte(out, raw.p[i]);
        }
        cdc_buf_byte(out, '\'');
    }
    if (*separator == ',')
        cdc_buf_byte(out, ')');
}

/* Of a bit(n) a definition does not tell n, and so not whether 1 is true: the number stays one. */
static void make_type(struct cdc_format_reader *reader, struct cdc_span column)
{
    struct cdc_buf *out = &reader->scratch;
    struct cdc_span whole = cdc_json_member_raw(column, "column-type"), labels = cdc_json_member(column, "enum-values");
    int64_t length;

    out->len = 0;
    if (whole.n > 0) {
        cdc_buf_span(out, whole);
        return;
    }
    if (cdc_json_raw_is(cdc_json_member_raw(column, "type"), cdc_span_text("bit"))) {
        cdc_buf_lit(out, "unknown");
        reader->losses.n[LOSS_UNTYPED]++;
        return;
    }
    cdc_buf_span(out, cdc_json_member_raw(column, "type"));
    if (cdc_json_type(labels) == CDC_JSON_ARRAY)
        append_labels(out, labels);
    else if (cdc_json_int64(cdc_json_member(column, "column-length"), &length) && length >= 0)
        cdc_buf_printf(out, "(%lld)", (long long)length);
    if (cdc_span_is(cdc_json_member(column, "signed"), "false"))
        cdc_buf_lit(out, " unsigned");
}

static int define(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span def,
                  struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    format_table_reset(table);
    for (cdc_json_iter_begin(&iter, cdc_json_member(def, "columns")); cdc_json_next_element(&iter, &item);) {
        struct cdc_span name = cdc_json_member_raw(item, "name");
        if (name.n == 0)
            return reader_bad("a column of the definition has no name", error);
        make_type(reader, item);
        if (format_table_add(table, name, cdc_span(reader->scratch.data, reader->scratch.len), false, error) == NULL)
            return -1;
    }
    table->defined = true;
    if (format_table_set_key(table, cdc_json_member(def, "primary-key"), error) != 0)
        return -1;
    return reader_settle_key(reader, table, error);
}

/* -- lines ------------------------------------------------------------------------- */

static struct format_table *table_of(struct cdc_format_reader *reader, struct reader_stream *stream,
                                     struct cdc_span line, struct cdc_error *error)
{
    struct cdc_span db = cdc_json_member_raw(line, "database"), table = cdc_json_member_raw(line, "table");

    if (db.p == NULL || table.n == 0) {
        reader_bad("the line has no \"database\" or no \"table\"", error);
        return NULL;
    }
    return format_table_of(&reader->tables, stream->name, db, cdc_span(NULL, 0), table, error);
}

static int append_row(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line,
                      const char *op, bool is_last, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span data = cdc_json_member(line, "data"), old = cdc_json_member(line, "old");
    struct reader_change change = {.op = op, .connector = "mysql", .snapshot = *op == 'r'};
    struct format_table *table = table_of(reader, stream, line, error);

    if (table == NULL)
        return -1;
    if (cdc_json_type(data) != CDC_JSON_OBJECT)
        return reader_bad("the line has no \"data\"", error);
    if (*op != 'u' || cdc_json_type(old) != CDC_JSON_OBJECT)
        old = cdc_span(NULL, 0);
    if (place(reader, stream, line, is_last, out, error) != 0 ||
        read_row(reader, table, data, old, false, &reader->after, error) != 0)
        return -1;
    name_unchanged(reader, table, *op == 'u');
    if (reader_take_key(reader, table, cdc_json_member(line, "primary_key_columns"), error) != 0)
        return -1;
    /* What it was is the row with the old values over it. */
    if (*op == 'u' && (old.p != NULL || table->n_key == 0)) {
        if (read_row(reader, table, data, old, true, &reader->before, error) != 0)
            return -1;
        name_unchanged(reader, table, false);
        if (cdc_span_is(cdc_json_member(line, FORMAT_OLD_LACKS), "true") &&
            reader_keep_old(reader, table, old, error) != 0)
            return -1;
        change.before = cdc_span(reader->before.data, reader->before.len);
    }
    change.table = table;
    change.after = cdc_span(reader->after.data, reader->after.len);
    if (*op == 'd') {
        change.before = change.after;
        change.after = cdc_span(NULL, 0);
    }
    change.unchanged = cdc_span(reader->unchanged.data, reader->unchanged.len);
    if (cdc_json_int64(cdc_json_member(line, "ts"), &change.ts_ms) && change.ts_ms < INT64_MAX / 1000)
        change.ts_ms *= 1000;
    return reader_append(reader, stream, &change, out, error);
}

/* The last row of a transaction ends it, also where that row is refused. */
static int read_row_line(struct cdc_format_reader *reader, struct cdc_span line, const char *op, struct cdc_buf *out,
                         struct cdc_error *error)
{
    struct reader_stream *stream = reader_only_stream(reader, error);
    bool is_last = cdc_span_is(cdc_json_member(line, "commit"), "true") || cdc_json_member(line, "xid").p == NULL;
    struct cdc_error ignored = {0};

    if (stream == NULL)
        return -1;
    int result = append_row(reader, stream, line, op, is_last, out, error);
    if (is_last && reader_commit(stream, out, result == 0 ? error : &ignored) != 0)
        return -1;
    return result;
}

/* ALTER TABLE ... RENAME: the definition is that of the new name. */
static bool is_rename(struct cdc_span line, struct cdc_span def)
{
    static const char *const names[] = {"database", "table"};
    bool moved = false;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct cdc_span before = cdc_json_member_raw(line, names[i]), after = cdc_json_member_raw(def, names[i]);
        if (before.p == NULL || after.p == NULL)
            return false;
        moved |= !cdc_json_raw_equal(before, after);
    }
    return moved;
}

/* The rows that are gone by the statement. */
static int append_gone(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line,
                       const struct reader_change *change, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span db = cdc_json_member_raw(line, "database"), def = cdc_json_member(line, "def");
    bool of_table = cdc_json_member_is(line, "type", "table-drop") ||
                    (cdc_json_member_is(line, "type", "table-alter") && cdc_json_type(def) == CDC_JSON_OBJECT &&
                     is_rename(line, def));
    struct format_table *table = NULL;

    if (!of_table && (!cdc_json_member_is(line, "type", "database-drop") || db.n == 0))
        return 0;
    if (of_table && (table = table_of(reader, stream, line, error)) == NULL)
        return -1;
    return reader_append_gone(reader, stream, change, table, db, out, error);
}

static int read_ddl(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                    struct cdc_error *error)
{
    struct reader_stream *stream = reader_only_stream(reader, error);
    struct cdc_span def = cdc_json_member(line, "def"), sql = cdc_json_member(line, "sql");
    struct cdc_span db = cdc_json_member(line, "database");
    struct reader_change change = {.op = "ddl", .connector = "mysql"};

    if (stream == NULL)
        return -1;
    if (cdc_json_type(def) == CDC_JSON_OBJECT && cdc_json_member(line, "table").p != NULL) {
        struct format_table *table = table_of(reader, stream, is_rename(line, def) ? def : line, error);
        if (table == NULL || define(reader, table, def, error) != 0)
            return -1;
    }
    /* Of our own there is a definition and no statement. */
    if (cdc_json_string_raw(sql).n == 0)
        return 0;
    if (place(reader, stream, line, true, out, error) != 0)
        return -1;
    (void)cdc_json_int64(cdc_json_member(line, "ts"), &change.ts_ms);
    cdc_buf_lit(&reader->extra, ",\"ddl\":");
    cdc_buf_span(&reader->extra, sql);
    cdc_buf_lit(&reader->extra, ",\"db\":");
    cdc_buf_span(&reader->extra, cdc_json_type(db) == CDC_JSON_STRING ? db : cdc_span("\"\"", 2));
    change.extra = cdc_span(reader->extra.data, reader->extra.len);
    reader->losses.n[LOSS_ALTERED] += cdc_json_member_is(line, "type", "table-alter");
    if (reader_append(reader, stream, &change, out, error) != 0 ||
        append_gone(reader, stream, line, &change, out, error) != 0)
        return -1;
    return reader_commit(stream, out, error);
}

static int read_line(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                     struct cdc_error *error)
{
    static const struct {
        const char *type, *op;
    } types[] = {{"insert", "c"}, {"update", "u"}, {"delete", "d"}, {"bootstrap-insert", "r"}};
    struct cdc_span type = cdc_json_member_raw(line, "type");

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (cdc_json_raw_is(type, cdc_span_text(types[i].type)))
            return read_row_line(reader, line, types[i].op, out, error);
    if (cdc_span_is(type, "bootstrap-start") || cdc_span_is(type, "bootstrap-complete") ||
        cdc_span_is(type, "heartbeat"))
        return 0;
    if ((type.n > 6 && memcmp(type.p, "table-", 6) == 0) || (type.n > 9 && memcmp(type.p, "database-", 9) == 0))
        return read_ddl(reader, line, out, error);
    return reader_bad("the line is none of Maxwell's: its \"type\" is not known", error);
}

const struct reader_ops maxwell_reader = {"maxwell", parts, read_line, true};
