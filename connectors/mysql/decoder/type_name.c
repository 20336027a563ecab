/* SPDX-License-Identifier: MIT */
/* Names of types for schema lines, from the log alone: int unsigned, decimal(12,2), enum('a','b'). What only the
 * server knows (a display width, that a string is a uuid) comes from information_schema. */
#include "connectors/mysql/decoder/internal.h"

/* ('a','it''s'); a NUL as the server prints it, \0 */
static void name_labels(struct cdc_buf *out, const struct my_column *column)
{
    for (size_t i = 0; i < column->n_labels; i++) {
        cdc_buf_text(out, i ? ",'" : "('");
        for (size_t j = 0; j < column->labels[i].n; j++) {
            char c = column->labels[i].p[j];
            if (c == '\'' || c == '\0')
                cdc_buf_byte(out, c == '\'' ? '\'' : '\\');
            cdc_buf_byte(out, c == '\0' ? '0' : c);
        }
        cdc_buf_byte(out, '\'');
    }
    if (column->n_labels)
        cdc_buf_byte(out, ')');
}

/* metadata: bytes of the length, 1 of a tinyblob to 4 of a longblob. */
static void name_blob(struct cdc_buf *out, const struct my_column *column)
{
    static const char *const sizes[] = {"", "tiny", "", "medium", "long"};
    bool binary = column->charset && my_charset_is_binary(column->charset);
    cdc_buf_printf(out, "%s%s", column->metadata <= 4 ? sizes[column->metadata] : "", binary ? "blob" : "text");
}

/* Lengths in the log are in bytes: varchar(40) of utf8mb4 has 160. */
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

void my_type_name_append(struct cdc_buf *out, const struct my_column *column)
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
