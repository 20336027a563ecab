/* SPDX-License-Identifier: MIT */
/* A column of a table: its type as the log has it, and what its values look like as JSON. */
#ifndef MY_COLUMN_H
#define MY_COLUMN_H

#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/error.h>

/* Type codes of the log and of result sets (mysql-server, include/field_types.h; MariaDB, sql/field.h). */
enum my_type {
    MY_TYPE_DECIMAL_OLD = 0,
    MY_TYPE_TINY = 1,
    MY_TYPE_SHORT = 2,
    MY_TYPE_LONG = 3,
    MY_TYPE_FLOAT = 4,
    MY_TYPE_DOUBLE = 5,
    MY_TYPE_NULL = 6,
    MY_TYPE_TIMESTAMP = 7,
    MY_TYPE_LONGLONG = 8,
    MY_TYPE_INT24 = 9,
    MY_TYPE_DATE = 10,
    MY_TYPE_TIME = 11,
    MY_TYPE_DATETIME = 12,
    MY_TYPE_YEAR = 13,
    MY_TYPE_VARCHAR = 15,
    MY_TYPE_BIT = 16,
    MY_TYPE_TIMESTAMP2 = 17,
    MY_TYPE_DATETIME2 = 18,
    MY_TYPE_TIME2 = 19,
    MY_TYPE_MARIADB_BLOB_COMPRESSED = 140,
    MY_TYPE_MARIADB_VARCHAR_COMPRESSED = 141,
    MY_TYPE_VECTOR = 242,
    MY_TYPE_JSON = 245,
    MY_TYPE_DECIMAL = 246,
    MY_TYPE_ENUM = 247,
    MY_TYPE_SET = 248,
    MY_TYPE_BLOB = 252,
    MY_TYPE_STRING = 254,
    MY_TYPE_GEOMETRY = 255
};

/* What the JSON looks like. */
enum my_kind {
    MY_KIND_INTEGER,
    MY_KIND_FLOAT,
    MY_KIND_DOUBLE,
    MY_KIND_DECIMAL,
    MY_KIND_BIT,  /* one bit: true and false; more: a string of 0 and 1 */
    MY_KIND_YEAR, /* a number; 0 for the year 0000; MariaDB's YEAR(2): its last two digits */
    MY_KIND_DATE,
    MY_KIND_TIME,
    MY_KIND_DATETIME,
    MY_KIND_TIMESTAMP,
    MY_KIND_TEXT,
    MY_KIND_BINARY, /* base64 */
    MY_KIND_ENUM,
    MY_KIND_SET,
    MY_KIND_JSON,      /* MySQL's binary form */
    MY_KIND_JSON_TEXT, /* MariaDB's: text that is known to be JSON */
    MY_KIND_GEOMETRY,
    MY_KIND_VECTOR,
    MY_KIND_UUID,
    MY_KIND_INET4,
    MY_KIND_INET6,
    MY_KIND_OLD_TEMPORAL /* MariaDB, mysql56_temporal_format=OFF: precision must be known (decimals >= 0) */
};

struct my_column {
    char *name;               /* UTF-8, owned; NULL when the log does not say */
    struct cdc_buf name_json; /* "\"name\":" ready to append */
    uint8_t type;             /* enum my_type; of STRING the real one (ENUM, SET) */
    uint16_t metadata; /* as in TABLE_MAP, its first byte low; of STRING: length, of ENUM and SET: size in bytes */
    enum my_kind kind; /* from here to decimals: by my_column_resolve, but for is_unsigned and charset */
    bool is_unsigned;
    const struct my_charset *charset; /* of texts, ENUM and SET; NULL: not known */
    uint32_t length;                  /* of strings: in bytes, as declared; of VECTOR: dimensions; of BIT: bits;
                                             of YEAR: digits */
    uint8_t precision;                /* of DECIMAL */
    int8_t decimals;                  /* scale, or digits of a second; -1: not known */
    struct cdc_span *labels;          /* of ENUM and SET, UTF-8, owned; a NUL is a byte as any */
    size_t n_labels;
    char *type_name; /* as the database names it, owned */
    bool nullable, generated, invisible;
    bool period;         /* MariaDB: a row's time begins or ends in it; generated, and yet always in the log */
    bool logged_key;     /* the log has it in the table's key (FULL metadata) */
    bool listed_key;     /* the catalog has */
    bool key;            /* of what identifies a row: only my_row_key_settle sets it, from these two */
    bool listed;         /* information_schema shows it now */
    bool hidden;         /* not in the lines: only my_table_hide sets it */
    uint8_t length_size; /* bytes of the length before a value; 0: fixed_size counts */
    uint16_t fixed_size; /* bytes of every value; 0: not known */
};

/* Appends a label to labels, which has room for it. text: TAKES. 0, or -1 without memory. */
int my_column_add_label(struct my_column *column, struct cdc_buf *text, struct cdc_error *error);
/* Frees the members, not the struct, and makes it {0}. */
void my_column_free(struct my_column *column);
/* From type, metadata, charset and type_name: kind, length, precision, decimals, length_size, fixed_size. type_name
 * (information_schema's COLUMN_TYPE, may be NULL) decides where the log cannot tell: json, uuid, inet4, inet6,
 * vector on MariaDB, the digits of a second in its old temporals, blob or text where no charset is known. 0 or -1:
 * CONFIG for a type that is not known, PROTOCOL for metadata that the type cannot have. */
int my_column_resolve(struct my_column *column, enum my_flavor flavor, struct cdc_error *error);
/* A text of the column as a JSON string: see my_charset_append and, for keys, my_charset_append_key. */
static inline void my_column_append_text(struct cdc_buf *out, const struct my_column *column, const uint8_t *p,
                                         size_t n, uint64_t *unconvertible)
{
    (column->key ? my_charset_append_key : my_charset_append)(out, column->charset, p, n, unconvertible);
}

#endif
