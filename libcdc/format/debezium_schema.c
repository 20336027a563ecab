/* SPDX-License-Identifier: MIT */
/* Columns of tables as Debezium tells them: in events of schema changes, and in the schema part of a message. */
#include <ctype.h>
#include <stdlib.h>

#include "libcdc/format/debezium_read.h"

/* The schema that the columns were taken from, so that the same one is not walked again. */
enum text { TEXT_SCHEMA };

/* VARCHAR and 255 are VARCHAR(255); DECIMAL, 10 and 2 are DECIMAL(10,2). A type that has parentheses has it all. */
static void make_type(struct cdc_buf *out, struct cdc_span name, struct cdc_span length, struct cdc_span scale)
{
    int64_t n, s;
    size_t head = 0;

    out->len = 0;
    if (!cdc_json_int64(length, &n) || n < 0 || memchr(name.p, '(', name.n) != NULL) {
        cdc_buf_span(out, name);
        return;
    }
    /* INT UNSIGNED of 10 is INT(10) UNSIGNED. */
    while (head < name.n && name.p[head] != ' ')
        head++;
    cdc_buf_append(out, name.p, head);
    if (cdc_json_int64(scale, &s))
        cdc_buf_printf(out, "(%lld,%lld)", (long long)n, (long long)s);
    else
        cdc_buf_printf(out, "(%lld)", (long long)n);
    cdc_buf_append(out, name.p + head, name.n - head);
}

/* -- events of schema changes ----------------------------------------------------- */

static bool begins_with_quote(struct cdc_span text, size_t at)
{
    return at + 1 < text.n && memcmp(text.p + at, "\\\"", 2) == 0;
}

/* Takes the next name off `\"db\".\"t\"`, which is text within a JSON string, and appends it to `names`; a doubled quote in it is
 * one. */
static bool take_id_part(struct cdc_span *id, struct cdc_buf *names)
{
    size_t at = 0;

    while (at < id->n && !begins_with_quote(*id, at))
        at++;
    for (at += 2; at < id->n; at++) {
        if (begins_with_quote(*id, at)) {
            if (!begins_with_quote(*id, at + 2)) {
                *id = cdc_span(id->p + at + 2, id->n - at - 2);
                return true;
            }
            at += 2;
        }
        if (id->p[at] == '\\' && at + 1 < id->n)
            cdc_buf_byte(names, id->p[at++]);
        cdc_buf_byte(names, id->p[at]);
    }
    return false;
}

/* The table that the id names; NULL with error set, or where it names none. */
static struct format_table *table_of_id(struct cdc_format_reader *reader, const struct debezium_source *source,
                                        struct cdc_span id, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    size_t ends[4] = {0}, n = 0;
    struct format_table *table = NULL;

    for (; n < 3 && take_id_part(&id, &names); n++)
        ends[n + 1] = names.len;
    if (names.failed) {
        cdc_error_memory(error);
    } else if (n >= 2) {
        struct cdc_span db = cdc_span(names.data, ends[1]), schema = cdc_span(NULL, 0),
                        name = cdc_span(names.data + ends[n - 1], ends[n] - ends[n - 1]);
        if (n == 3)
            schema = cdc_span(names.data + ends[1], ends[2] - ends[1]);
        table = format_table_of(&reader->tables, source->name, db, schema, name, error);
    }
    cdc_buf_free(&names);
    return table;
}

static int take_columns(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span description,
                        bool postgres, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    format_table_reset(table);
    for (cdc_json_iter_begin(&iter, cdc_json_member(description, "columns")); cdc_json_next_element(&iter, &item);) {
        struct cdc_span name = cdc_json_member_raw(item, "name"), type = cdc_json_member_raw(item, "typeExpression");
        if (name.n == 0)
            return reader_bad("a column of tableChanges has no name", error);
        make_type(&reader->scratch, type.n > 0 ? type : cdc_json_member_raw(item, "typeName"),
                  cdc_json_member(item, "length"), cdc_json_member(item, "scale"));
        struct format_column *column =
            format_table_add(table, name, cdc_span(reader->scratch.data, reader->scratch.len), postgres, error);
        if (column == NULL)
            return -1;
        column->nullable = !cdc_span_is(cdc_json_member(item, "optional"), "false");
        debezium_set_wire(column);
    }
    table->defined = true;
    table->text[TEXT_SCHEMA].len = 0;
    if (format_table_set_key(table, cdc_json_member(description, "primaryKeyColumnNames"), error) != 0)
        return -1;
    return reader_settle_key(reader, table, error);
}

int debezium_take_table_changes(struct cdc_format_reader *reader, const struct debezium_source *source,
                                struct cdc_span changes, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span change;

    for (cdc_json_iter_begin(&iter, changes); cdc_json_next_element(&iter, &change);) {
        struct cdc_span id = cdc_json_member_raw(change, "id"), description = cdc_json_member(change, "table");
        struct cdc_error why = {0};
        struct format_table *table = table_of_id(reader, source, id, &why);
        if (table == NULL && why.status != 0)
            return cdc_error_set(error, why.status, "%s", why.text);
        if (table == NULL)
            continue;
        if (cdc_json_member_is(change, "type", "DROP"))
            format_table_reset(table);
        else if (cdc_json_type(description) == CDC_JSON_OBJECT &&
                 take_columns(reader, table, description, source->is_postgres, error) != 0)
            return -1;
    }
    return 0;
}

int debezium_append_gone(struct cdc_format_reader *reader, struct reader_stream *stream,
                         const struct debezium_source *source, struct cdc_span changes,
                         const struct reader_change *statement, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span change;

    for (cdc_json_iter_begin(&iter, changes); cdc_json_next_element(&iter, &change);) {
        struct cdc_span id = cdc_json_member_raw(change, "id"), before = cdc_json_member_raw(change, "previousId");
        struct cdc_error why = {0};
        bool dropped = cdc_json_member_is(change, "type", "DROP");
        bool renamed = before.n > 0 && !cdc_json_raw_equal(before, id);
        reader->losses.n[LOSS_ALTERED] += cdc_json_member_is(change, "type", "ALTER");
        if (!dropped && !renamed)
            continue;
        struct format_table *table = table_of_id(reader, source, dropped ? id : before, &why);
        if (table == NULL && why.status != 0)
            return cdc_error_set(error, why.status, "%s", why.text);
        if (table != NULL && reader_append_gone(reader, stream, statement, table, cdc_span(NULL, 0), out, error) != 0)
            return -1;
    }
    return 0;
}

/* -- the schema part of a message -------------------------------------------------- */

static struct cdc_span find_field(struct cdc_span schema, const char *name)
{
    struct cdc_json_iter iter;
    struct cdc_span field;

    for (cdc_json_iter_begin(&iter, cdc_json_member(schema, "fields")); cdc_json_next_element(&iter, &field);)
        if (cdc_json_member_is(field, "field", name))
            return field;
    return cdc_span(NULL, 0);
}

static int take_field(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span field,
                      bool postgres, struct cdc_error *error)
{
    struct cdc_span name = cdc_json_member_raw(field, "field"), parameters = cdc_json_member(field, "parameters");
    struct cdc_span type = cdc_json_member_raw(parameters, "__debezium.source.column.type");

    if (name.n == 0)
        return reader_bad("a field of the schema has no name", error);
    if (type.n > 0)
        make_type(&reader->scratch, type, cdc_json_member_raw(parameters, "__debezium.source.column.length"),
                  cdc_json_member_raw(parameters, "__debezium.source.column.scale"));
    else
        make_type(&reader->scratch, cdc_span_text(debezium_type_of(field, postgres)), cdc_span(NULL, 0),
                  cdc_span(NULL, 0));
    struct format_column *column =
        format_table_add(table, name, cdc_span(reader->scratch.data, reader->scratch.len), postgres, error);
    if (column == NULL)
        return -1;
    column->nullable = cdc_span_is(cdc_json_member(field, "optional"), "true");
    debezium_set_wire(column);
    debezium_take_field(column, field);
    return 0;
}

/* The names of the key, which no value's schema tells, are kept. */
static int keep_key(const struct format_table *table, struct cdc_buf *names, struct cdc_error *error)
{
    names->len = 0;
    cdc_buf_byte(names, '[');
    format_append_key_names(names, table);
    cdc_buf_byte(names, ']');
    return names->failed ? cdc_error_memory(error) : 0;
}

int debezium_take_schema(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span schema,
                         bool postgres, struct cdc_error *error)
{
    struct cdc_buf *known = &table->text[TEXT_SCHEMA], names = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span row, field;
    int result = 0;

    if (cdc_span_equal(cdc_span(known->data, known->len), schema))
        return 0;
    row = find_field(schema, "after");
    if (row.p == NULL)
        row = find_field(schema, "before");
    if (row.p == NULL)
        return 0;
    if (keep_key(table, &names, error) != 0)
        return -1;
    format_table_reset(table);
    for (cdc_json_iter_begin(&iter, cdc_json_member(row, "fields"));
         result == 0 && cdc_json_next_element(&iter, &field);)
        result = take_field(reader, table, field, postgres, error);
    table->defined = true;
    known->len = 0;
    cdc_buf_span(known, schema);
    if (result == 0)
        result = format_table_set_key(table, cdc_span(names.data, names.len), error);
    if (result == 0)
        result = reader_settle_key(reader, table, error);
    cdc_buf_free(&names);
    return result == 0 && known->failed ? cdc_error_memory(error) : result;
}

/* -- the key of a message ----------------------------------------------------------- */

int debezium_take_key(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span key, bool postgres,
                      struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (table->n_key > 0 || cdc_json_type(key) != CDC_JSON_OBJECT)
        return 0;
    for (cdc_json_iter_begin(&iter, key); cdc_json_next_member(&iter, &name, &value);) {
        size_t next = 0;
        const struct format_column *column = format_column_of(table, &next, name);
        if (column == NULL && table->defined && table->text[TEXT_SCHEMA].len > 0)
            return reader_bad("the key has a column that the table's schema lacks", error);
        if (column == NULL && (column = reader_untyped(reader, table, name, postgres, error)) == NULL)
            return -1;
        if (format_table_add_key(table, (size_t)(column - table->columns), error) != 0)
            return -1;
        table->announced = false;
    }
    return 0;
}
