/* SPDX-License-Identifier: MIT */
/* TABLE_MAP events become tables. The layout of the optional part is that of the MySQL source documentation, "Table_map_event";
 * MariaDB writes the same. */
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_VAR_STRING 253
#define MAX_LABELS 65535

enum optional_type {
    OPTIONAL_SIGNEDNESS = 1,
    OPTIONAL_DEFAULT_CHARSET = 2,
    OPTIONAL_CHARSETS = 3,
    OPTIONAL_NAMES = 4,
    OPTIONAL_SET_LABELS = 5,
    OPTIONAL_ENUM_LABELS = 6,
    OPTIONAL_KEY = 8,
    OPTIONAL_KEY_WITH_PREFIX = 9,
    OPTIONAL_LABEL_DEFAULT_CHARSET = 10,
    OPTIONAL_LABEL_CHARSETS = 11,
    OPTIONAL_VISIBILITY = 12
};

static int damaged(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is damaged: %s", what);
}

/* -- types and their metadata ---------------------------------------------------- */

/* Bytes of metadata that a type has. */
static int metadata_size(uint8_t type)
{
    switch (type) {
    case MY_TYPE_FLOAT:
    case MY_TYPE_DOUBLE:
    case MY_TYPE_BLOB:
    case MY_TYPE_GEOMETRY:
    case MY_TYPE_JSON:
    case MY_TYPE_VECTOR:
    case MY_TYPE_TIMESTAMP2:
    case MY_TYPE_DATETIME2:
    case MY_TYPE_TIME2:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: return 1;
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED:
    case MY_TYPE_BIT:
    case MY_TYPE_DECIMAL:
    case TYPE_VAR_STRING:
    case MY_TYPE_STRING:
    case MY_TYPE_ENUM:
    case MY_TYPE_SET: return 2;
    default: return 0;
    }
}

/* STRING stands for CHAR, BINARY, ENUM and SET: the first byte has the real type, and, crossed into two of its bits, the
 * high bits of lengths above 255. */
static void resolve_string(struct my_column *column, uint8_t first, uint8_t second)
{
    if ((first & 0x30) != 0x30) {
        column->metadata = (uint16_t)(second + (((first & 0x30) ^ 0x30) << 4));
        return;
    }
    column->metadata = second;
    if (first == MY_TYPE_ENUM || first == MY_TYPE_SET)
        column->type = first;
}

static int read_types(struct my_table *table, const struct my_table_map *map, struct cdc_error *error)
{
    struct cdc_bytes meta = {(const uint8_t *)map->metadata.p, (const uint8_t *)map->metadata.p + map->metadata.n,
                             false};
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        int size = metadata_size(map->types[i]);
        column->type = map->types[i];
        column->decimals = -1;
        column->nullable = map->null_bits[i / 8] >> (i % 8) & 1;
        const uint8_t *bytes = cdc_bytes_take(&meta, (size_t)size);
        if (!bytes)
            return damaged(error, "metadata of its columns");
        column->metadata = size == 0 ? 0 : size == 1 ? bytes[0] : (uint16_t)(bytes[0] | bytes[1] << 8);
        if (column->type == MY_TYPE_STRING)
            resolve_string(column, bytes[0], bytes[1]);
        else if (column->type == TYPE_VAR_STRING)
            column->type = MY_TYPE_VARCHAR;
        table->n_json += column->type == MY_TYPE_JSON;
    }
    return meta.p == meta.end ? 0 : damaged(error, "metadata of its columns");
}

/* -- the optional part -------------------------------------------------------------- */

static bool is_numeric(const struct my_column *column)
{
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_SHORT:
    case MY_TYPE_INT24:
    case MY_TYPE_LONG:
    case MY_TYPE_LONGLONG:
    case MY_TYPE_DECIMAL:
    case MY_TYPE_FLOAT:
    case MY_TYPE_DOUBLE:
    case MY_TYPE_YEAR: return true; /* both servers count YEAR */
    default: return false;
    }
}

static bool is_label(const struct my_column *column)
{
    return column->type == MY_TYPE_ENUM || column->type == MY_TYPE_SET;
}

static bool is_text(const struct my_column *column, enum my_flavor flavor)
{
    switch (column->type) {
    case MY_TYPE_VARCHAR:
    case MY_TYPE_STRING:
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: return true;
    case MY_TYPE_VECTOR: return flavor == MY_FLAVOR_MYSQL;
    case MY_TYPE_GEOMETRY: return flavor == MY_FLAVOR_MARIADB;
    default: return false;
    }
}

/* Bits are counted from the highest of each byte. */
static bool next_bit(struct cdc_bytes *cursor, unsigned *bit)
{
    if (cdc_bytes_left(cursor) == 0) {
        cursor->bad = true;
        return false;
    }
    bool set = *cursor->p >> (7 - *bit) & 1;
    if (++*bit == 8) {
        *bit = 0;
        cursor->p++;
    }
    return set;
}

static void read_signedness(struct my_table *table, struct cdc_bytes *cursor)
{
    unsigned bit = 0;
    for (size_t i = 0; i < table->n_columns; i++)
        if (is_numeric(&table->columns[i]))
            table->columns[i].is_unsigned = next_bit(cursor, &bit);
}

static void read_visibility(struct my_table *table, struct cdc_bytes *cursor)
{
    unsigned bit = 0;
    for (size_t i = 0; i < table->n_columns; i++)
        table->columns[i].invisible = !next_bit(cursor, &bit);
}

/* One charset for all columns that count, and exceptions: their index among them, and their charset. */
static void read_default_charset(struct my_table *table, enum my_flavor flavor, bool labels, struct cdc_bytes *cursor)
{
    const struct my_charset *common = my_charset_of((unsigned)my_packed_read(cursor));
    uint64_t exception = UINT64_MAX, index = 0;
    if (cdc_bytes_left(cursor) > 0)
        exception = my_packed_read(cursor);
    for (size_t i = 0; i < table->n_columns && !cursor->bad; i++) {
        struct my_column *column = &table->columns[i];
        if (labels ? !is_label(column) : !is_text(column, flavor))
            continue;
        column->charset = common;
        if (index++ == exception) {
            column->charset = my_charset_of((unsigned)my_packed_read(cursor));
            exception = cdc_bytes_left(cursor) > 0 ? my_packed_read(cursor) : UINT64_MAX;
        }
    }
}

static void read_charsets(struct my_table *table, enum my_flavor flavor, bool labels, struct cdc_bytes *cursor)
{
    for (size_t i = 0; i < table->n_columns && !cursor->bad; i++) {
        struct my_column *column = &table->columns[i];
        if (labels ? is_label(column) : is_text(column, flavor))
            column->charset = my_charset_of((unsigned)my_packed_read(cursor));
    }
}

/* A string with its length before it, as it stands. */
static struct cdc_span read_string(struct cdc_bytes *cursor)
{
    uint64_t n = my_packed_read(cursor);
    const uint8_t *p = n <= cdc_bytes_left(cursor) ? cdc_bytes_take(cursor, (size_t)n) : NULL;
    if (!p)
        cursor->bad = true;
    return cdc_span(p ? (const char *)p : "", p ? (size_t)n : 0);
}

/* The servers write names in UTF-8. Others would be no strings in a line. */
static bool is_name(struct cdc_span name)
{
    return cdc_utf8_valid(name.p, name.n) && memchr(name.p, '\0', name.n) == NULL;
}

static int read_names(struct my_table *table, struct cdc_bytes *cursor, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        struct cdc_span name = read_string(cursor);
        if (!is_name(name))
            return damaged(error, "names of its columns");
        free(table->columns[i].name);
        table->columns[i].name = cdc_span_copy(name);
        if (!table->columns[i].name)
            return cdc_error_memory(error);
    }
    table->has_names = !cursor->bad;
    return 0;
}

/* One label, from the column's charset; bytes that are not valid in it stay as they are. NULL: see error. RETURNS NEW */
static char *take_label(const struct my_column *column, struct cdc_span raw, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (!my_charset_convert(&text, column->charset, (const uint8_t *)raw.p, raw.n)) {
        text.len = 0;
        cdc_buf_append(&text, raw.p, raw.n);
    }
    bool has_nul = text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
    cdc_buf_byte(&text, '\0');
    if (!text.failed && !has_nul)
        return text.data;
    cdc_buf_free(&text);
    if (has_nul)
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "a label of an ENUM or SET column has a NUL in it, which has no meaning here");
    else
        cdc_error_memory(error);
    return NULL;
}

/* The first releases of MySQL 8.0 do not tell the charset of labels, and without it their bytes may mean anything: the
 * column counts as one that the log does not name. */
static void pass_labels(struct my_table *table, struct my_column *column, uint64_t n, struct cdc_bytes *cursor)
{
    while (n-- > 0)
        (void)read_string(cursor);
    free(column->name);
    column->name = NULL;
    table->has_names = false;
}

static int read_labels(struct my_table *table, uint8_t type, struct cdc_bytes *cursor, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns && !cursor->bad; i++) {
        struct my_column *column = &table->columns[i];
        if (column->type != type || column->labels)
            continue;
        uint64_t n = my_packed_read(cursor);
        if (n > MAX_LABELS || n > cdc_bytes_left(cursor)) /* a label has a byte at least: its length */
            return damaged(error, "labels of ENUM or SET");
        if (!column->charset) {
            pass_labels(table, column, n, cursor);
            continue;
        }
        column->labels = calloc((size_t)n + 1, sizeof *column->labels);
        if (!column->labels)
            return cdc_error_memory(error);
        for (; column->n_labels < n; column->n_labels++) {
            column->labels[column->n_labels] = take_label(column, read_string(cursor), error);
            if (!column->labels[column->n_labels])
                return -1;
        }
    }
    return 0;
}

static void read_key(struct my_table *table, bool prefixes, struct cdc_bytes *cursor)
{
    while (cdc_bytes_left(cursor) > 0 && !cursor->bad) {
        uint64_t index = my_packed_read(cursor);
        if (prefixes)
            (void)my_packed_read(cursor);
        if (index >= table->n_columns)
            cursor->bad = true;
        else
            table->columns[index].key = true;
    }
}

static int read_optional(struct my_table *table, enum my_flavor flavor, uint8_t type, struct cdc_bytes *value,
                         struct cdc_error *error)
{
    switch (type) {
    case OPTIONAL_SIGNEDNESS:
        read_signedness(table, value);
        table->has_signs = true;
        return 0;
    case OPTIONAL_DEFAULT_CHARSET: read_default_charset(table, flavor, false, value); return 0;
    case OPTIONAL_CHARSETS: read_charsets(table, flavor, false, value); return 0;
    case OPTIONAL_NAMES: return read_names(table, value, error);
    case OPTIONAL_SET_LABELS: return read_labels(table, MY_TYPE_SET, value, error);
    case OPTIONAL_ENUM_LABELS: return read_labels(table, MY_TYPE_ENUM, value, error);
    case OPTIONAL_KEY: read_key(table, false, value); return 0;
    case OPTIONAL_KEY_WITH_PREFIX: read_key(table, true, value); return 0;
    case OPTIONAL_LABEL_DEFAULT_CHARSET: read_default_charset(table, flavor, true, value); return 0;
    case OPTIONAL_LABEL_CHARSETS: read_charsets(table, flavor, true, value); return 0;
    case OPTIONAL_VISIBILITY: read_visibility(table, value); return 0;
    default: return 0; /* newer servers may say more of a table; none of it changes how rows are written */
    }
}

/* Labels stand in a charset that may be told behind them: they are read when all else is. */
static int read_fields(struct my_table *table, enum my_flavor flavor, struct cdc_span optional, bool labels,
                       struct cdc_error *error)
{
    struct cdc_bytes cursor = {(const uint8_t *)optional.p, (const uint8_t *)optional.p + optional.n, false};
    while (cdc_bytes_left(&cursor) > 0) {
        uint8_t type = (uint8_t)cdc_bytes_le(&cursor, 1);
        struct cdc_span value = read_string(&cursor);
        struct cdc_bytes inner = {(const uint8_t *)value.p, (const uint8_t *)value.p + value.n, false};
        if (cursor.bad)
            return damaged(error, "optional metadata");
        if ((type == OPTIONAL_SET_LABELS || type == OPTIONAL_ENUM_LABELS) != labels)
            continue;
        if (read_optional(table, flavor, type, &inner, error) < 0)
            return -1;
        if (inner.bad)
            return damaged(error, "optional metadata");
    }
    return 0;
}

static int read_all_optional(struct my_table *table, enum my_flavor flavor, struct cdc_span optional,
                             struct cdc_error *error)
{
    if (read_fields(table, flavor, optional, false, error) < 0)
        return -1;
    for (size_t i = 0; i < table->n_columns; i++)
        table->has_key |= table->columns[i].key;
    table->has_key_told = table->has_names; /* FULL tells both, and says nothing of a key that is not there */
    return read_fields(table, flavor, optional, true, error);
}

/* -- life ------------------------------------------------------------------------------ */

struct my_table *my_table_new(struct cdc_bytes body, enum my_flavor flavor, struct cdc_error *error)
{
    struct my_table_map map;
    struct my_table *table = calloc(1, sizeof *table);
    if (!table) {
        cdc_error_memory(error);
        return NULL;
    }
    if (my_rows_event_table_map(body, &map, error) < 0)
        goto failed;
    if (!is_name(map.db) || !is_name(map.table)) {
        damaged(error, "name");
        goto failed;
    }
    table->id = map.table_id;
    table->db = cdc_span_copy(map.db);
    table->name = cdc_span_copy(map.table);
    table->columns = calloc(map.n_columns ? map.n_columns : 1, sizeof *table->columns);
    cdc_buf_append(&table->body, body.p, cdc_bytes_left(&body));
    if (!table->db || !table->name || !table->columns || table->body.failed) {
        cdc_error_memory(error);
        goto failed;
    }
    table->n_columns = map.n_columns;
    if (read_types(table, &map, error) == 0 && read_all_optional(table, flavor, map.optional, error) == 0)
        return table;
failed:
    my_table_free(table);
    return NULL;
}

void my_table_free(struct my_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->n_columns; i++)
        my_column_free(&table->columns[i]);
    free(table->columns);
    free(table->db);
    free(table->name);
    cdc_buf_free(&table->body);
    cdc_buf_free(&table->source_head);
    free(table);
}

/* -- names of types ------------------------------------------------------------------------ */

static void name_labels(struct cdc_buf *out, const struct my_column *column)
{
    for (size_t i = 0; i < column->n_labels; i++) {
        cdc_buf_text(out, i ? ",'" : "('");
        for (const char *p = column->labels[i]; *p; p++) {
            if (*p == '\'')
                cdc_buf_byte(out, '\'');
            cdc_buf_byte(out, *p);
        }
        cdc_buf_byte(out, '\'');
    }
    if (column->n_labels)
        cdc_buf_byte(out, ')');
}

static void name_blob(struct cdc_buf *out, const struct my_column *column)
{
    static const char *const sizes[] = {"", "tiny", "", "medium", "long"};
    bool binary = column->charset && my_charset_is_binary(column->charset);
    cdc_buf_printf(out, "%s%s", column->metadata <= 4 ? sizes[column->metadata] : "", binary ? "blob" : "text");
}

static void name_string(struct cdc_buf *out, const struct my_column *column, bool fixed)
{
    bool binary = column->charset && my_charset_is_binary(column->charset);
    unsigned longest = column->charset && !binary ? my_charset_longest(column->charset) : 1;
    const char *name = fixed ? (binary ? "binary" : "char") : (binary ? "varbinary" : "varchar");
    cdc_buf_printf(out, "%s(%u)", name, (unsigned)column->metadata / (longest ? longest : 1));
}

static void name_integer(struct cdc_buf *out, const struct my_column *column)
{
    const char *name = column->type == MY_TYPE_TINY    ? "tinyint"
                       : column->type == MY_TYPE_SHORT ? "smallint"
                       : column->type == MY_TYPE_INT24 ? "mediumint"
                       : column->type == MY_TYPE_LONG  ? "int"
                                                       : "bigint";
    cdc_buf_printf(out, "%s%s", name, column->is_unsigned ? " unsigned" : "");
}

static void name_temporal(struct cdc_buf *out, const struct my_column *column, const char *name)
{
    cdc_buf_text(out, name);
    if (column->metadata > 0)
        cdc_buf_printf(out, "(%u)", (unsigned)column->metadata);
}

/* What SHOW CREATE TABLE would say, as far as the log tells. */
static void name_type(struct cdc_buf *out, const struct my_column *column)
{
    unsigned low = column->metadata & 0xff, high = column->metadata >> 8;
    const char *sign = column->is_unsigned ? " unsigned" : "";
    switch (column->type) {
    case MY_TYPE_TINY:
    case MY_TYPE_SHORT:
    case MY_TYPE_INT24:
    case MY_TYPE_LONG:
    case MY_TYPE_LONGLONG: name_integer(out, column); break;
    case MY_TYPE_FLOAT: cdc_buf_printf(out, "float%s", sign); break;
    case MY_TYPE_DOUBLE: cdc_buf_printf(out, "double%s", sign); break;
    case MY_TYPE_DECIMAL: cdc_buf_printf(out, "decimal(%u,%u)%s", low, high, sign); break;
    case MY_TYPE_BIT: cdc_buf_printf(out, "bit(%u)", high * 8 + low); break;
    case MY_TYPE_YEAR: cdc_buf_lit(out, "year"); break;
    case MY_TYPE_DATE: cdc_buf_lit(out, "date"); break;
    case MY_TYPE_TIME:
    case MY_TYPE_TIME2: name_temporal(out, column, "time"); break;
    case MY_TYPE_DATETIME:
    case MY_TYPE_DATETIME2: name_temporal(out, column, "datetime"); break;
    case MY_TYPE_TIMESTAMP:
    case MY_TYPE_TIMESTAMP2: name_temporal(out, column, "timestamp"); break;
    case MY_TYPE_STRING: name_string(out, column, true); break;
    case MY_TYPE_VARCHAR:
    case MY_TYPE_MARIADB_VARCHAR_COMPRESSED: name_string(out, column, false); break;
    case MY_TYPE_BLOB:
    case MY_TYPE_MARIADB_BLOB_COMPRESSED: name_blob(out, column); break;
    case MY_TYPE_JSON: cdc_buf_lit(out, "json"); break;
    case MY_TYPE_GEOMETRY: cdc_buf_lit(out, "geometry"); break;
    case MY_TYPE_VECTOR: cdc_buf_lit(out, "vector"); break;
    case MY_TYPE_ENUM:
    case MY_TYPE_SET:
        cdc_buf_text(out, column->type == MY_TYPE_ENUM ? "enum" : "set");
        name_labels(out, column);
        break;
    default: cdc_buf_printf(out, "type %u", (unsigned)column->type);
    }
}

/* -- what lines begin with ------------------------------------------------------------------- */

static void append_member(struct cdc_buf *out, const char *name, const char *value)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, value, strlen(value));
}

void my_table_source_head(struct cdc_buf *out, enum my_flavor flavor, const char *pipeline, const char *db,
                          const char *table)
{
    cdc_buf_text(out, flavor == MY_FLAVOR_MARIADB ? "{\"connector\":\"mariadb\"" : "{\"connector\":\"mysql\"");
    append_member(out, ",\"name\":", pipeline);
    if (db)
        append_member(out, ",\"db\":", db);
    if (table)
        append_member(out, ",\"table\":", table);
}

static int prepare_column(struct my_column *column, enum my_flavor flavor, struct cdc_error *error)
{
    if (my_column_resolve(column, flavor, error) < 0)
        return -1;
    if (!column->type_name) {
        struct cdc_buf text = CDC_BUF_INIT;
        name_type(&text, column);
        cdc_buf_byte(&text, '\0');
        if (text.failed)
            return cdc_error_memory(error);
        column->type_name = text.data;
    }
    column->name_json.len = 0;
    cdc_json_append_text(&column->name_json, column->name, strlen(column->name));
    cdc_buf_byte(&column->name_json, ':');
    return column->name_json.failed ? cdc_error_memory(error) : 0;
}

int my_table_prepare(struct my_table *table, enum my_flavor flavor, const char *pipeline, struct cdc_error *error)
{
    if (my_table_hide(table, flavor, error) < 0)
        return -1;
    table->has_key = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        table->has_key |= column->key;
        if (!column->name) {
            cdc_error_set(error, CDC_EXIT_CONFIG, "the log does not name the columns of table %s.%s", table->db,
                          table->name);
            return cdc_error_hint(error,
                                  "SET GLOBAL binlog_row_metadata = FULL; names stand in what is logged after it");
        }
        if (prepare_column(column, flavor, error) < 0) {
            return cdc_error_prefix(error, "table %.100s.%.100s, column %.64s", table->db, table->name, column->name);
        }
    }
    table->source_head.len = 0;
    my_table_source_head(&table->source_head, flavor, pipeline, table->db, table->name);
    return table->source_head.failed ? cdc_error_memory(error) : 0;
}

static bool same_column(const struct my_column *a, const struct my_column *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->type_name, b->type_name) == 0 && a->kind == b->kind &&
           a->key == b->key && a->nullable == b->nullable && a->generated == b->generated && a->hidden == b->hidden;
}

bool my_table_same_schema(const struct my_table *a, const struct my_table *b)
{
    if (a->n_columns != b->n_columns || strcmp(a->db, b->db) != 0 || strcmp(a->name, b->name) != 0)
        return false;
    for (size_t i = 0; i < a->n_columns; i++)
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    return true;
}

static void append_columns(struct cdc_buf *out, const struct my_table *table)
{
    const char *separator = "";
    cdc_buf_lit(out, ",\"columns\":[");
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct my_column *column = &table->columns[i];
        if (column->hidden)
            continue;
        cdc_buf_text(out, separator);
        separator = ",";
        cdc_buf_lit(out, "{\"name\":");
        cdc_buf_append(out, column->name_json.data, column->name_json.len - 1);
        append_member(out, ",\"type\":", column->type_name);
        cdc_buf_text(out, column->nullable ? ",\"nullable\":true" : ",\"nullable\":false");
        cdc_buf_text(out, column->generated ? ",\"generated\":true}" : ",\"generated\":false}");
    }
    cdc_buf_lit(out, "],\"key_columns\":[");
    separator = "";
    for (size_t i = 0; i < table->n_columns; i++) {
        if (!table->columns[i].key)
            continue;
        cdc_buf_text(out, separator);
        separator = ",";
        cdc_buf_append(out, table->columns[i].name_json.data, table->columns[i].name_json.len - 1);
    }
    cdc_buf_byte(out, ']');
}

void my_table_schema_line(struct cdc_buf *out, const struct my_table *table, struct cdc_span pos, uint64_t seq,
                          int64_t ts_ms, struct cdc_span source_tail)
{
    cdc_buf_lit(out, "{\"op\":\"schema\",\"pos\":\"");
    cdc_buf_span(out, pos);
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    cdc_buf_append(out, table->source_head.data, table->source_head.len);
    cdc_buf_span(out, source_tail);
    append_columns(out, table);
    cdc_buf_lit(out, "}\n");
}
