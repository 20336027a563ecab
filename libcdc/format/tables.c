/* SPDX-License-Identifier: MIT */
/* The tables of a stream of lines, as schema lines or a foreign format describe them. */
#include <stdlib.h>

#include "libcdc/format/internal.h"
#include <cdc/hash.h>

/* -- tables ---------------------------------------------------------------------- */

static void free_span(struct cdc_span *span)
{
    free((char *)span->p);
    *span = cdc_span(NULL, 0);
}

void format_table_reset(struct format_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        free_span(&table->columns[i].name);
        free_span(&table->columns[i].type);
    }
    free(table->columns);
    free(table->key);
    table->columns = NULL;
    table->key = NULL;
    table->n = table->n_key = 0;
    table->defined = table->announced = table->plain = false;
}

static void free_table(struct format_table *table)
{
    format_table_reset(table);
    free_span(&table->name);
    free_span(&table->db);
    free_span(&table->schema);
    free_span(&table->table);
    free_span(&table->identity);
    cdc_buf_free(&table->newest);
    for (size_t i = 0; i < sizeof table->text / sizeof table->text[0]; i++)
        cdc_buf_free(&table->text[i]);
    free(table);
}

void format_tables_free(struct format_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++)
        free_table(tables->items[i]);
    free(tables->items);
    free(tables->slots);
    cdc_buf_free(&tables->scratch);
}

static bool same_raw(struct cdc_span a, struct cdc_span b)
{
    return (a.p == NULL) == (b.p == NULL) && cdc_span_equal(a, b);
}

/* One text for all four names, without the escapes that a stage before us may write or not. */
static bool make_identity(struct cdc_buf *out, const struct cdc_span parts[4])
{
    out->len = 0;
    for (int i = 0; i < 4; i++) {
        cdc_buf_byte(out, parts[i].p != NULL ? '+' : '-');
        size_t at = out->len + 8;
        cdc_buf_append(out, "\0\0\0\0\0\0\0\0", 8);
        if (parts[i].p != NULL)
            cdc_json_unescape(out, parts[i]);
        if (out->failed)
            return false;
        uint64_t n = out->len - at; /* its length before it, so that no name can end another's */
        memcpy(out->data + at - 8, &n, sizeof n);
    }
    return true;
}

static bool grow_slots(struct format_tables *tables)
{
    size_t n = tables->n_slots == 0 ? 64 : tables->n_slots * 2, *slots = calloc(n, sizeof *slots);

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < tables->n; i++) {
        size_t at = tables->items[i]->hash & (n - 1);
        while (slots[at] != 0)
            at = (at + 1) & (n - 1);
        slots[at] = i + 1;
    }
    free(tables->slots);
    tables->slots = slots;
    tables->n_slots = n;
    return true;
}

/* The slot of that identity, or the empty one where it belongs. */
static size_t find_slot(const struct format_tables *tables, uint64_t hash, struct cdc_span identity)
{
    size_t at = hash & (tables->n_slots - 1);

    while (tables->slots[at] != 0 && !cdc_span_equal(tables->items[tables->slots[at] - 1]->identity, identity))
        at = (at + 1) & (tables->n_slots - 1);
    return at;
}

static bool copy_into(struct cdc_span *to, struct cdc_span from)
{
    if (from.p == NULL)
        return true;
    *to = cdc_span(cdc_span_copy(from), from.n);
    return to->p != NULL;
}

static struct format_table *new_table(struct format_tables *tables, const struct cdc_span parts[4],
                                      struct cdc_span identity)
{
    struct format_table **items = realloc(tables->items, (tables->n + 1) * sizeof(struct format_table *));
    if (items == NULL)
        return NULL;
    tables->items = items;
    struct format_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    if (copy_into(&table->name, parts[0]) && copy_into(&table->db, parts[1]) && copy_into(&table->schema, parts[2]) &&
        copy_into(&table->table, parts[3]) && copy_into(&table->identity, identity)) {
        items[tables->n++] = table;
        return table;
    }
    free_table(table);
    return NULL;
}

struct format_table *format_table_of(struct format_tables *tables, struct cdc_span name, struct cdc_span db,
                                     struct cdc_span schema, struct cdc_span table, struct cdc_error *error)
{
    const struct cdc_span parts[4] = {name, db, schema, table};
    struct format_table *last = tables->last;

    if (last != NULL && same_raw(last->table, table) && same_raw(last->schema, schema) && same_raw(last->db, db) &&
        same_raw(last->name, name))
        return last;
    if (!make_identity(&tables->scratch, parts) || (tables->n * 2 >= tables->n_slots && !grow_slots(tables))) {
        cdc_error_memory(error);
        return NULL;
    }
    struct cdc_span identity = {tables->scratch.data, tables->scratch.len};
    uint64_t hash = cdc_hash_span(CDC_HASH_INIT, identity);
    size_t at = find_slot(tables, hash, identity);
    if (tables->slots[at] == 0) {
        struct format_table *made = new_table(tables, parts, identity);
        if (made == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        made->hash = hash;
        tables->slots[at] = tables->n;
    }
    return tables->last = tables->items[tables->slots[at] - 1];
}

/* -- columns --------------------------------------------------------------------- */

struct format_column *format_table_add(struct format_table *table, struct cdc_span name, struct cdc_span type,
                                       bool postgres, struct cdc_error *error)
{
    struct format_column *columns = realloc(table->columns, (table->n + 1) * sizeof *columns);
    if (columns == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    table->columns = columns;
    struct format_column *column = &columns[table->n];
    memset(column, 0, sizeof *column);
    column->nullable = true;
    if (!copy_into(&column->name, name) || !copy_into(&column->type, type.p != NULL ? type : cdc_span("", 0))) {
        free_span(&column->name);
        cdc_error_memory(error);
        return NULL;
    }
    table->n++;
    column->value = value_type_of(column->type, postgres);
    return column;
}

int format_table_add_key(struct format_table *table, size_t column, struct cdc_error *error)
{
    if (table->columns[column].key)
        return 0;
    size_t *key = realloc(table->key, (table->n_key + 1) * sizeof *key);
    if (key == NULL)
        return cdc_error_memory(error);
    table->key = key;
    key[table->n_key++] = column;
    table->columns[column].key = true;
    table->columns[column].nullable = false;
    return 0;
}

int format_table_set_key(struct format_table *table, struct cdc_span names, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);) {
        size_t next = 0;
        const struct format_column *column = format_column_of(table, &next, cdc_json_string_raw(item));
        if (column != NULL && format_table_add_key(table, (size_t)(column - table->columns), error) != 0)
            return -1;
    }
    return 0;
}

int format_table_define(struct format_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    bool postgres = cdc_json_raw_is(event->connector, cdc_span_text("postgresql"));
    struct cdc_json_iter iter;
    struct cdc_span item;

    format_table_reset(table);
    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &item);) {
        struct cdc_span name = cdc_json_member_raw(item, "name"), base = cdc_json_member_raw(item, "base_type");
        struct cdc_span nullable = cdc_json_member(item, "nullable");
        if (name.n == 0)
            return cdc_error_set(error, CDC_EXIT_DATA, "a column of a schema line has no name");
        struct format_column *column =
            format_table_add(table, name, base.n > 0 ? base : cdc_json_member_raw(item, "type"), postgres, error);
        if (column == NULL)
            return -1;
        column->nullable = !cdc_span_is(nullable, "false");
    }
    table->defined = true;
    return format_table_set_key(table, event->key_columns, error);
}

struct format_column *format_column_of(const struct format_table *table, size_t *next, struct cdc_span name)
{
    if (name.p == NULL)
        return NULL;
    if (*next < table->n && cdc_span_equal(table->columns[*next].name, name))
        return &table->columns[(*next)++];
    for (size_t i = 0; i < table->n; i++)
        if (cdc_json_raw_equal(table->columns[i].name, name)) {
            *next = i + 1;
            return &table->columns[i];
        }
    return NULL;
}

/* -- rows ------------------------------------------------------------------------ */

bool format_list_has(struct cdc_span list, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);)
        if (cdc_json_raw_equal(cdc_json_string_raw(item), raw))
            return true;
    return false;
}

struct cdc_span format_row_value(struct cdc_span row, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value, found = {NULL, 0};

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_span_equal(name, raw) || cdc_json_raw_equal(name, raw))
            found = value;
    return found;
}

#define NARROW 32 /* columns: there the whole row is looked through sooner than a table of its names is made */

void format_row_begin(struct format_row *index, struct cdc_span row)
{
    size_t n = row.p != NULL && cdc_json_type(row) == CDC_JSON_OBJECT ? cdc_json_count_members(row) : 0, i = 0;
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    *index = (struct format_row){.row = row};
    if (n <= NARROW || (index->values = calloc(n, sizeof *index->values)) == NULL)
        return;
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value); i++) {
        size_t at = cdc_names_find_raw(&index->names, name); /* of two the last one counts */
        index->values[at != SIZE_MAX ? at : i] = value;
        if (at == SIZE_MAX && cdc_names_add_raw(&index->names, name, i) != 0) {
            format_row_end(index);
            return;
        }
    }
}

struct cdc_span format_row_find(const struct format_row *index, struct cdc_span raw)
{
    if (index->values == NULL)
        return format_row_value(index->row, raw);
    size_t at = cdc_names_find_raw(&index->names, raw);
    return at != SIZE_MAX ? index->values[at] : cdc_span(NULL, 0);
}

void format_row_end(struct format_row *index)
{
    cdc_names_free(&index->names);
    free(index->values);
    index->values = NULL;
}

void format_append_raw(struct cdc_buf *out, struct cdc_span raw)
{
    cdc_buf_byte(out, '"');
    cdc_buf_span(out, raw);
    cdc_buf_byte(out, '"');
}

/* -- bytes ----------------------------------------------------------------------- */

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63
                                  : -1;
}

bool format_decode_base64(struct cdc_buf *out, struct cdc_span text)
{
    unsigned bits = 0, n = 0;

    while (text.n > 0 && text.p[text.n - 1] == '=')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        n += 6;
        if (n >= 8) {
            n -= 8;
            cdc_buf_byte(out, (char)(bits >> n & 0xff));
        }
    }
    return text.n % 4 != 1;
}

void format_append_hex(struct cdc_buf *out, const char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        cdc_buf_byte(out, digits[(unsigned char)p[i] >> 4]);
        cdc_buf_byte(out, digits[(unsigned char)p[i] & 15]);
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool format_decode_hex(struct cdc_buf *out, struct cdc_span text)
{
    for (size_t i = 0; i + 1 < text.n; i += 2) {
        int high = hex_digit(text.p[i]), low = hex_digit(text.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        cdc_buf_byte(out, (char)(high << 4 | low));
    }
    return text.n % 2 == 0;
}

bool format_is_number(struct cdc_span text)
{
    struct cdc_error ignored = {0};

    return text.n > 0 && (*text.p == '-' || (*text.p >= '0' && *text.p <= '9')) &&
           (unsigned char)text.p[text.n - 1] > ' ' && cdc_json_validate(text.p, text.n, &ignored) == 0;
}
