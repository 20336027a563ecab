/* SPDX-License-Identifier: MIT */
/* wal2json's lines, format-version 1 and 2. Its types stand in each row; the columns of a table are those that its rows have had,
 * anew with each insert, which has them all. */
#include "libcdc/format/wal2json.h"

static const char *const parts[] = {NULL};

/* A row: a list of {"name","type","value"}, or three lists of version 1. */
struct cells {
    struct cdc_json_iter names, types, values;
    bool is_list; /* the first of the two */
};

static struct cells cells_of(struct cdc_span list)
{
    struct cells cells = {.is_list = true};
    cdc_json_iter_begin(&cells.names, list);
    return cells;
}

static struct cells cells_of_lists(struct cdc_span names, struct cdc_span types, struct cdc_span values)
{
    struct cells cells = {.is_list = false};
    cdc_json_iter_begin(&cells.names, names);
    cdc_json_iter_begin(&cells.types, types);
    cdc_json_iter_begin(&cells.values, values);
    return cells;
}

/* value.p is NULL where there is none (a key that is named alone). */
static bool next_cell(struct cells *cells, struct cdc_span *name, struct cdc_span *type, struct cdc_span *value)
{
    struct cdc_span item, other = {NULL, 0};

    if (!cdc_json_next_element(&cells->names, &item))
        return false;
    if (cells->is_list) {
        *name = cdc_json_member_raw(item, "name");
        *type = cdc_json_member_raw(item, "type");
        *value = cdc_json_member(item, "value");
        return true;
    }
    *name = cdc_json_string_raw(item);
    *type = cells->types.p != NULL && cdc_json_next_element(&cells->types, &other) ? cdc_json_string_raw(other)
                                                                                   : cdc_span(NULL, 0);
    *value = cells->values.p != NULL && cdc_json_next_element(&cells->values, &other) ? other : cdc_span(NULL, 0);
    return true;
}

/* -- columns ------------------------------------------------------------------------- */

/* Does the table have these columns, in this order, and no others? */
static bool has_these(const struct format_table *table, struct cells cells)
{
    struct cdc_span name, type, value;
    size_t i = 0;

    for (; next_cell(&cells, &name, &type, &value); i++)
        if (i >= table->n || !cdc_span_equal(table->columns[i].name, name) ||
            (type.p != NULL && !cdc_span_equal(table->columns[i].type, type)))
            return false;
    return i == table->n;
}

static int add_columns(struct cdc_format_reader *reader, struct format_table *table, struct cells cells,
                       struct cdc_error *error)
{
    struct cdc_span name, type, value;

    while (next_cell(&cells, &name, &type, &value)) {
        size_t next = 0;
        if (name.n == 0)
            return reader_bad("a column has no name", error);
        if (format_column_of(table, &next, name) != NULL)
            continue;
        if (type.p == NULL ? reader_untyped(reader, table, name, true, error) == NULL
                           : format_table_add(table, name, type, true, error) == NULL)
            return -1;
        table->defined = true;
        table->announced = false;
    }
    return 0;
}

static int take_key(struct cdc_format_reader *reader, struct format_table *table, struct cells pk,
                    struct cdc_error *error)
{
    struct cdc_span name, type, value;
    size_t known = table->n_key;

    while (known == 0 && next_cell(&pk, &name, &type, &value)) {
        size_t next = 0;
        const struct format_column *column = format_column_of(table, &next, name);
        if (column != NULL && format_table_add_key(table, (size_t)(column - table->columns), error) != 0)
            return -1;
    }
    if (reader_settle_key(reader, table, error) != 0)
        return -1;
    table->announced &= table->n_key == known;
    return 0;
}

/* A type that changes, or a column that is gone, is seen in an insert; the type also elsewhere. */
static bool has_other_type(const struct format_table *table, struct cells cells)
{
    struct cdc_span name, type, value;
    size_t next = 0;

    while (next_cell(&cells, &name, &type, &value)) {
        const struct format_column *column = format_column_of(table, &next, name);
        if (column != NULL && type.p != NULL && !cdc_span_equal(column->type, type))
            return true;
    }
    return false;
}

/* -- rows ---------------------------------------------------------------------------- */

static int read_cells(struct cdc_format_reader *reader, struct format_table *table, struct cells cells,
                      struct cdc_buf *out, struct cdc_buf *nulls, struct cdc_error *error)
{
    struct cdc_span name, type, value;
    size_t next = 0;
    char separator = '{';
    bool json_null;

    while (next_cell(&cells, &name, &type, &value)) {
        struct format_column *column = format_column_of(table, &next, name);
        if (column == NULL || value.p == NULL)
            return reader_bad("a column has no value", error);
        column->seen = true;
        cdc_buf_byte(out, separator);
        separator = ',';
        format_append_raw(out, name);
        cdc_buf_byte(out, ':');
        wal2json_read_value(out, column, value, &json_null, &reader->losses, &reader->scratch);
        if (json_null)
            reader_list_add(nulls, name);
    }
    cdc_buf_text(out, separator == '{' ? "{}" : "}");
    return 0;
}

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

/* What each change says, in either version. */
struct row {
    char action; /* I U D */
    struct cdc_span schema, table;
    struct cells columns, identity, pk;
};

static size_t count_cells(struct cells cells)
{
    struct cdc_span name, type, value;
    size_t n = 0;

    while (next_cell(&cells, &name, &type, &value))
        n++;
    return n;
}

static bool has_cell(struct cells cells, struct cdc_span wanted)
{
    struct cdc_span name, type, value;

    while (next_cell(&cells, &name, &type, &value))
        if (cdc_json_raw_equal(name, wanted))
            return true;
    return false;
}

/* Has the old row each column that the new one has? */
static bool covers(struct cells identity, struct cells columns)
{
    struct cdc_span name, type, value;

    while (next_cell(&columns, &name, &type, &value))
        if (!has_cell(identity, name))
            return false;
    return true;
}

/* A column that is gone, and of a table whose old rows have all columns in neither row: it would be one that the log did not carry,
 * or make a key of those that are left. Version 1 leaves NULLs out. */
static bool has_lost_columns(const struct format_table *table, const struct row *row)
{
    return table->old_rows == FORMAT_OLD_WHOLE && row->identity.is_list && row->action != 'I' &&
           count_cells(row->identity) < table->n && covers(row->identity, row->columns);
}

static int refuse_identity(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_DATA,
                  "the line does not tell whether the old values in it are the key of its table, or the whole row "
                  "without columns that are NULL or gone");
    return cdc_error_hint(error, "use format-version 2 with include-pk, or --key TABLE:COLUMNS here");
}

/* Without `pk`, what identifies a row is the identity, unless that is the whole row. That is also one which lacks columns: those that are
 * NULL in version 1, and dropped ones that no row has had since. A key that was made of the others would make one row of several. */
static int take_identity(struct format_table *table, const struct row *row, struct cdc_error *error)
{
    struct cells identity = row->identity;
    struct cdc_span name, type, value;
    bool tells = identity.is_list && (row->action == 'U' ? !covers(identity, row->columns) : row->pk.names.p == NULL);

    if (count_cells(identity) == table->n)
        return 0;
    if (!tells)
        return refuse_identity(error);
    while (next_cell(&identity, &name, &type, &value)) {
        size_t next = 0;
        const struct format_column *column = format_column_of(table, &next, name);
        if (column != NULL && format_table_add_key(table, (size_t)(column - table->columns), error) != 0)
            return -1;
        table->announced = false;
    }
    return 0;
}

static int read_old(struct cdc_format_reader *reader, const struct row *row, struct reader_change *change,
                    struct cdc_error *error)
{
    bool is_delete = row->action == 'D';

    if (row->identity.names.p == NULL || row->identity.names.p == row->identity.names.end)
        return is_delete ? reader_bad("a delete has no \"identity\"", error) : 0;
    if (read_cells(reader, change->table, row->identity, &reader->before,
                   is_delete ? &reader->json_null : &reader->json_null_old, error) != 0)
        return -1;
    if (change->table->n_key == 0 && take_identity(change->table, row, error) != 0)
        return -1;
    if (!is_delete)
        change->table->old_rows = count_cells(row->identity) == change->table->n ? FORMAT_OLD_WHOLE : FORMAT_OLD_KEY;
    reader_name_unchanged(reader, change->table, false);
    change->before = span_of(&reader->before);
    return 0;
}

static int read_row(struct cdc_format_reader *reader, struct reader_stream *stream, const struct row *row,
                    struct reader_change *change, struct cdc_buf *out, struct cdc_error *error)
{
    struct format_table *table =
        format_table_of(&reader->tables, stream->name, cdc_span(NULL, 0), row->schema, row->table, error);

    if (table == NULL)
        return -1;
    change->table = table;
    change->op = row->action == 'I' ? "c" : row->action == 'U' ? "u" : "d";
    reader->before.len = reader->after.len = reader->json_null.len = reader->json_null_old.len = 0;
    reader->unchanged.len = 0;
    if (row->action == 'I' ? !has_these(table, row->columns)
                           : has_other_type(table, row->columns) || has_other_type(table, row->identity) ||
                                 has_lost_columns(table, row))
        format_table_reset(table);
    /* Whether its identity is a key or the whole row, a delete alone does not say. */
    if (row->action == 'D' && table->n == 0 && row->pk.names.p == NULL && reader->settings.keys.count == 0) {
        cdc_error_set(error, CDC_EXIT_DATA, "the line does not tell the key of its table, nor did one before it");
        return cdc_error_hint(error, "use include-pk, or --key TABLE:COLUMNS here");
    }
    if (add_columns(reader, table, row->columns, error) != 0 || add_columns(reader, table, row->identity, error) != 0 ||
        take_key(reader, table, row->pk, error) != 0)
        return -1;
    reader_name_unchanged(reader, table, false);
    if (row->action != 'D') {
        if (read_cells(reader, table, row->columns, &reader->after, &reader->json_null, error) != 0)
            return -1;
        reader_name_unchanged(reader, table, row->action == 'U');
        change->after = span_of(&reader->after);
    }
    if (row->action != 'I' && read_old(reader, row, change, error) != 0)
        return -1;
    change->unchanged = span_of(&reader->unchanged);
    change->json_null = span_of(&reader->json_null);
    change->json_null_old = span_of(&reader->json_null_old);
    int result = reader_append(reader, stream, change, out, error);
    change->before = change->after = change->unchanged = change->json_null = change->json_null_old = cdc_span(NULL, 0);
    return result;
}

static int read_truncate(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span schema,
                         struct cdc_span table, struct reader_change *change, struct cdc_buf *out,
                         struct cdc_error *error)
{
    change->op = "t";
    change->table = format_table_of(&reader->tables, stream->name, cdc_span(NULL, 0), schema, table, error);
    return change->table != NULL ? reader_append(reader, stream, change, out, error) : -1;
}

static int read_message(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span object,
                        struct reader_change *change, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span prefix = cdc_json_member(object, "prefix"), content = cdc_json_member(object, "content");

    if (cdc_json_type(prefix) != CDC_JSON_STRING || cdc_json_type(content) != CDC_JSON_STRING)
        return reader_bad("a message has no prefix or no content", error);
    change->op = "m";
    change->table = NULL;
    reader->extra.len = 0;
    cdc_buf_lit(&reader->extra, ",\"message\":{\"prefix\":");
    cdc_buf_span(&reader->extra, prefix);
    cdc_buf_lit(&reader->extra, ",\"content\":");
    cdc_buf_span(&reader->extra, content);
    cdc_buf_lit(&reader->extra, ",\"transactional\":");
    cdc_buf_text(&reader->extra, cdc_span_is(cdc_json_member(object, "transactional"), "false") ? "false}" : "true}");
    change->extra = span_of(&reader->extra);
    int result = reader_append(reader, stream, change, out, error);
    change->extra = cdc_span(NULL, 0);
    return result;
}

/* -- places -------------------------------------------------------------------------- */

/* "0/16B3748" */
static bool take_lsn(struct cdc_span text, uint64_t *lsn)
{
    uint64_t half = 0;
    size_t digits = 0, slashes = 0;

    *lsn = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (c == '/' && digits > 0 && slashes++ == 0) {
            *lsn = half << 32;
            half = digits = 0;
        } else if (digit < 0 || ++digits > 8) {
            return false;
        } else {
            half = half << 4 | (uint64_t)digit;
        }
    }
    *lsn |= half;
    return slashes == 1 && digits > 0 && *lsn <= INT64_MAX;
}

/* Milliseconds of "2019-12-29 04:58:34.806671+00"; 0 where that says another thing. */
static int64_t take_timestamp(struct cdc_span text)
{
    int64_t micros, zone = 0;
    size_t n = text.n;

    if (n == 0)
        return 0;
    while (n > 0 && n + 6 > text.n && text.p[n - 1] != '+' && text.p[n - 1] != '-')
        n--;
    if (n > 19 && (text.p[n - 1] == '+' || text.p[n - 1] == '-') && text.n - n >= 2) {
        int sign = text.p[n - 1] == '-' ? -1 : 1;
        zone = sign * ((text.p[n] - '0') * 10 + (text.p[n + 1] - '0')) * 3600;
        if (text.n - n >= 5)
            zone += sign * ((text.p[n + 3] - '0') * 10 + (text.p[n + 4] - '0')) * 60;
        text.n = n - 1;
    }
    return temporal_timestamp(text, &micros) ? micros / 1000 - zone * 1000 : 0;
}

static int place(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span lsn,
                 struct cdc_error *error)
{
    uint64_t number = 0;
    bool found = take_lsn(lsn, &number);

    reader->place.len = 0;
    cdc_buf_hex(&reader->place, number, 16);
    if (stream->chunk.len > 0)
        reader_append_chunk(&reader->place, span_of(&stream->chunk));
    return reader_place(reader, stream, found ? span_of(&reader->place) : cdc_span(NULL, 0), (int64_t)number,
                        "use wal2json's include-lsn, and its lines from the beginning of a transaction", error);
}

/* -- version 2 ----------------------------------------------------------------------- */

/* Kept from B to C, as the lines between have places of their own, which are not in the order of the transactions. */
static struct cdc_span lsn_in_hand(const struct reader_stream *stream)
{
    return span_of(&stream->tx);
}

/* One that has not ended was not whole: its lines come again, with the same places, where the lines tell them. */
static int read_begin(const struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line,
                      struct cdc_error *error)
{
    struct cdc_span lsn = cdc_json_member_raw(line, "lsn");

    if (stream->open && (reader->settings.position != CDC_FORMAT_POSITION_LOG || lsn.n == 0 ||
                         !cdc_span_equal(lsn, lsn_in_hand(stream))))
        return reader_bad("a transaction begins within another one", error);
    reader_begin_again(stream);
    stream->tx.len = 0;
    stream->in_transaction = true;
    stream->ts_ms = take_timestamp(cdc_json_member_raw(line, "timestamp"));
    cdc_buf_span(&stream->tx, lsn);
    stream->chunk.len = 0;
    cdc_buf_span(&stream->chunk, cdc_json_member_raw(line, "pos"));
    return stream->tx.failed || stream->chunk.failed ? cdc_error_memory(error) : 0;
}

static int read_change(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span line,
                       char action, struct cdc_buf *out, struct cdc_error *error)
{
    struct reader_change change = {.connector = "postgresql"};
    struct row row = {action,
                      cdc_json_member_raw(line, "schema"),
                      cdc_json_member_raw(line, "table"),
                      cells_of(cdc_json_member(line, "columns")),
                      cells_of(cdc_json_member(line, "identity")),
                      cells_of(cdc_json_member(line, "pk"))};
    bool alone =
        action == 'M' && cdc_span_is(cdc_json_member(line, "transactional"), "false") && !stream->in_transaction;
    struct cdc_span stamp = cdc_json_member_raw(line, "timestamp");

    if (action != 'M' && row.table.n == 0)
        return reader_bad("the line has no \"table\"", error);
    change.ts_ms = stamp.n > 0 ? take_timestamp(stamp) : stream->ts_ms;
    if (place(reader, stream, alone ? cdc_json_member_raw(line, "lsn") : lsn_in_hand(stream), error) != 0)
        return -1;
    int result = action == 'M'   ? read_message(reader, stream, line, &change, out, error)
                 : action == 'T' ? read_truncate(reader, stream, row.schema, row.table, &change, out, error)
                                 : read_row(reader, stream, &row, &change, out, error);
    if (result != 0)
        return -1;
    return alone ? reader_commit(stream, out, error) : 0;
}

static int read_version_2(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_span action,
                          struct cdc_buf *out, struct cdc_error *error)
{
    struct reader_stream *stream = reader_only_stream(reader, error);

    if (stream == NULL)
        return -1;
    if (action.n == 1 && strchr("IUDTM", *action.p) != NULL)
        return read_change(reader, stream, line, *action.p, out, error);
    if (cdc_span_is(action, "B"))
        return read_begin(reader, stream, line, error);
    if (!cdc_span_is(action, "C"))
        return reader_bad("the line's \"action\" is not known", error);
    stream->in_transaction = false;
    int result = reader_commit(stream, out, error);
    stream->chunk.len = 0;
    return result;
}

/* -- version 1 ----------------------------------------------------------------------- */

/* A TRUNCATE of several tables repeats the names in one object. */
static int read_truncates(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span object,
                          struct cdc_span lsn, struct reader_change *change, struct cdc_buf *out,
                          struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value, schema = {NULL, 0};
    int tables = 0;

    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);) {
        if (cdc_span_is(name, "schema"))
            schema = cdc_json_string_raw(value);
        if (!cdc_span_is(name, "table"))
            continue;
        if (tables++ > 0 && place(reader, stream, lsn, error) != 0)
            return -1;
        if (read_truncate(reader, stream, schema, cdc_json_string_raw(value), change, out, error) != 0)
            return -1;
    }
    return 0;
}

static int read_old_change(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span object,
                           struct cdc_span lsn, struct reader_change *change, struct cdc_buf *out,
                           struct cdc_error *error)
{
    struct cdc_span kind = cdc_json_member_raw(object, "kind"), old = cdc_json_member(object, "oldkeys");
    struct cdc_span pk = cdc_json_member(object, "pk");
    struct row row = {
        .action = cdc_span_is(kind, "insert")   ? 'I'
                  : cdc_span_is(kind, "update") ? 'U'
                                                : 'D',
        .schema = cdc_json_member_raw(object, "schema"),
        .table = cdc_json_member_raw(object, "table"),
        .columns = cells_of_lists(cdc_json_member(object, "columnnames"), cdc_json_member(object, "columntypes"),
                                  cdc_json_member(object, "columnvalues")),
        .identity = cells_of_lists(cdc_json_member(old, "keynames"), cdc_json_member(old, "keytypes"),
                                   cdc_json_member(old, "keyvalues")),
        .pk = cells_of_lists(cdc_json_member(pk, "pknames"), cdc_json_member(pk, "pktypes"), cdc_span(NULL, 0)),
    };

    if (place(reader, stream, lsn, error) != 0)
        return -1;
    if (cdc_span_is(kind, "message"))
        return read_message(reader, stream, object, change, out, error);
    if (cdc_span_is(kind, "truncate"))
        return read_truncates(reader, stream, object, lsn, change, out, error);
    if (row.action == 'D' && !cdc_span_is(kind, "delete"))
        return reader_bad("a change's \"kind\" is not known", error);
    if (row.table.n == 0)
        return reader_bad("a change has no \"table\"", error);
    return read_row(reader, stream, &row, change, out, error);
}

static int read_version_1(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_span changes,
                          struct cdc_buf *out, struct cdc_error *error)
{
    struct reader_stream *stream = reader_only_stream(reader, error);
    struct reader_change change = {.connector = "postgresql",
                                   .ts_ms = take_timestamp(cdc_json_member_raw(line, "timestamp"))};
    struct cdc_span lsn = cdc_json_member_raw(line, "nextlsn"), item;
    struct cdc_json_iter iter;

    if (stream == NULL)
        return -1;
    reader_begin_again(stream);
    for (cdc_json_iter_begin(&iter, changes); cdc_json_next_element(&iter, &item);)
        if (read_old_change(reader, stream, item, lsn, &change, out, error) != 0)
            return -1;
    return reader_commit(stream, out, error);
}

static int read_line(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct cdc_span action = cdc_json_member_raw(line, "action"), changes = cdc_json_member(line, "change");

    if (action.p != NULL)
        return read_version_2(reader, line, action, out, error);
    if (cdc_json_type(changes) == CDC_JSON_ARRAY)
        return read_version_1(reader, line, changes, out, error);
    return reader_bad("the line is none of wal2json's", error);
}

const struct reader_ops wal2json_reader = {"wal2json", parts, read_line, true};
