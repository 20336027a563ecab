/* SPDX-License-Identifier: MIT */
/* Types and values: which affinity leaves a value alone, and how it is bound. What SQLite would do to text, by the
 * affinity of its column:
 *
 *   TEXT      '1.10'  stays '1.10': numeric, dates and all the rest are TEXT
 *   INTEGER   '007'   becomes 7: refused here rather than changed
 *   REAL      '1e3'   becomes 1000.0: the same
 *   BLOB      '007'   stays '007': no affinity */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "connectors/sqlite/session/value.h"

/* An array: a linker may give two literals with one text one address, and this one stands for itself. */
static const char json_null[] = "null";
const struct cdc_span lite_json_null = {json_null, 4};

struct type_name {
    const char *name;
    enum lite_kind kind;
};

static const struct type_name type_names[] = {
    {"smallint", LITE_KIND_INTEGER},    {"integer", LITE_KIND_INTEGER},
    {"bigint", LITE_KIND_INTEGER},      {"int", LITE_KIND_INTEGER},
    {"int2", LITE_KIND_INTEGER},        {"int4", LITE_KIND_INTEGER},
    {"int8", LITE_KIND_INTEGER},        {"tinyint", LITE_KIND_INTEGER},
    {"mediumint", LITE_KIND_INTEGER},   {"year", LITE_KIND_INTEGER},
    {"oid", LITE_KIND_INTEGER},         {"boolean", LITE_KIND_INTEGER},
    {"bool", LITE_KIND_INTEGER},        {"real", LITE_KIND_REAL},
    {"double", LITE_KIND_REAL},         {"double precision", LITE_KIND_REAL},
    {"float", LITE_KIND_REAL},          {"float4", LITE_KIND_REAL},
    {"float8", LITE_KIND_REAL},         {"bytea", LITE_KIND_BYTES},
    {"blob", LITE_KIND_BYTES},          {"tinyblob", LITE_KIND_BYTES},
    {"mediumblob", LITE_KIND_BYTES},    {"longblob", LITE_KIND_BYTES},
    {"binary", LITE_KIND_BYTES},        {"varbinary", LITE_KIND_BYTES},
    {"json", LITE_KIND_JSON},           {"jsonb", LITE_KIND_JSON},
    {"bigint unsigned", LITE_KIND_ANY}, {"bit", LITE_KIND_BIT},
};

/* "INT(11) UNSIGNED zerofill" becomes "int unsigned". A comment is the end: MariaDB's "blob / *M!100301 COMPRESSED* /",
 * without the blanks. */
static void normalise(char out[64], struct cdc_span type)
{
    size_t n = 0;
    bool inside = false;

    for (size_t i = 0; i < type.n && n < 63; i++) {
        char c = type.p[i];
        if (!inside && c == '/' && i + 1 < type.n && type.p[i + 1] == '*')
            break;
        if (c == '(')
            inside = true;
        if (!inside && !(c == ' ' && (n == 0 || out[n - 1] == ' ')))
            out[n++] = (char)tolower((unsigned char)c);
        if (c == ')')
            inside = false;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    if (n > 9 && strcmp(out + n - 9, " zerofill") == 0)
        out[n -= 9] = '\0';
}

enum lite_kind lite_value_kind(struct cdc_span raw)
{
    char type[64];
    size_t n;

    if (raw.n >= sizeof type) /* no type of the table is that long */
        return raw.n > 2 && memcmp(raw.p + raw.n - 2, "[]", 2) == 0 ? LITE_KIND_JSON : LITE_KIND_TEXT;
    normalise(type, raw);
    n = strlen(type);
    if (n > 2 && strcmp(type + n - 2, "[]") == 0)
        return LITE_KIND_JSON;
    if (n > 9 && strcmp(type + n - 9, " unsigned") == 0 && strcmp(type, "bigint unsigned") != 0)
        type[n - 9] = '\0';
    /* Of more bits than one it is text: 0101. */
    if (strcmp(type, "bit") == 0 && !cdc_span_is(raw, "bit") && !cdc_span_is(raw, "bit(1)"))
        return LITE_KIND_TEXT;
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (strcmp(type, type_names[i].name) == 0)
            return type_names[i].kind;
    return LITE_KIND_TEXT;
}

const char *lite_value_declared(enum lite_kind kind, bool alone)
{
    switch (kind) {
    case LITE_KIND_INTEGER:
        /* INTEGER PRIMARY KEY is the rowid itself: half the size, and full-text indexes survive VACUUM */
        return alone ? "INTEGER" : "INT";
    case LITE_KIND_REAL: return "REAL";
    case LITE_KIND_BYTES:
    case LITE_KIND_BIT:
    case LITE_KIND_ANY: return "BLOB";
    default: return "TEXT";
    }
}

/* Text of a column with a numeric affinity: SQLite would turn what looks like a number into one. */
static bool looks_numeric(struct cdc_span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || strchr(" \t\n\r\f\v0123456789+-.eExX", text.p[i]) == NULL)
            return false;
    return true;
}

/* An integer in the one spelling that reads back the same. */
static bool canonical_int64(struct cdc_span text, int64_t *number)
{
    if (!cdc_json_int64(text, number) || text.n == 0)
        return false;
    if (text.p[0] == '-')
        return text.n > 1 && text.p[1] != '0';
    return text.p[0] != '0' || text.n == 1;
}

/* The text of a string value: as it stands, or unescaped into scratch. */
static struct cdc_span string_text(struct cdc_buf *scratch, struct cdc_span value)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return raw;
    size_t start = scratch->len;
    cdc_json_unescape(scratch, raw);
    return cdc_span(scratch->data + start, scratch->len - start);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_decode(struct cdc_buf *out, struct cdc_span text)
{
    unsigned bits = 0, n_bits = 0;
    size_t n = text.n;

    if (n % 4 != 0)
        return false;
    for (int i = 0; i < 2 && n > 0 && text.p[n - 1] == '='; i++)
        n--;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (unsigned)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            cdc_buf_byte(out, (char)(bits >> n_bits & 0xff));
        }
    }
    return true;
}

static int bind_bytes(struct cdc_buf *scratch, sqlite3_stmt *statement, int index, struct cdc_span text,
                      const char **reason)
{
    size_t start = scratch->len;

    if (!base64_decode(scratch, text))
        return *reason = "is no base64", -1;
    /* a pointer that is not NULL: SQLite stores NULL for a NULL one */
    const char *p = scratch->data != NULL ? scratch->data + start : "";
    return sqlite3_bind_blob64(statement, index, p, scratch->len - start, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *statement, int index, struct cdc_span text)
{
    return sqlite3_bind_text64(statement, index, text.n != 0 ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_integer(struct cdc_buf *scratch, sqlite3_stmt *statement, int index, enum cdc_json_type type,
                        struct cdc_span value, enum lite_kind kind, const char **reason)
{
    int64_t number;
    struct cdc_span text = type == CDC_JSON_STRING ? string_text(scratch, value) : value;

    if (type == CDC_JSON_BOOL)
        return sqlite3_bind_int64(statement, index, value.p[0] == 't');
    if (canonical_int64(text, &number))
        return sqlite3_bind_int64(statement, index, number);
    /* Into a BLOB column (LITE_KIND_ANY) it goes as text: 18446744073709551615 keeps its digits. */
    if (kind == LITE_KIND_INTEGER && looks_numeric(text))
        return *reason = "is no 64-bit integer, and SQLite would change it", -1;
    return bind_text(statement, index, text);
}

static int bind_real(struct cdc_buf *scratch, sqlite3_stmt *statement, int index, enum cdc_json_type type,
                     struct cdc_span value, const char **reason)
{
    char digits[400];

    if (type == CDC_JSON_STRING) {
        struct cdc_span text = string_text(scratch, value);
        if (looks_numeric(text))
            return *reason = "is text that SQLite would turn into a number", -1;
        return bind_text(statement, index, text); /* NaN, Infinity, -Infinity */
    }
    if (type != CDC_JSON_NUMBER || value.n >= sizeof digits)
        return *reason = "is no number", -1;
    memcpy(digits, value.p, value.n);
    digits[value.n] = '\0';
    /* No program calls setlocale, so the point is a point. */
    double number = strtod(digits, NULL);
    if (isinf(number))
        return *reason = "does not fit a double", -1;
    return sqlite3_bind_double(statement, index, number);
}

/* {"base64":"..."} stands for text that is not valid in its character set: its bytes, told apart by being a BLOB. */
static bool is_base64_object(struct cdc_span value, struct cdc_span *text)
{
    struct cdc_json_iter iter;
    struct cdc_span name, inner, more;

    cdc_json_iter_begin(&iter, value);
    if (!cdc_json_next_member(&iter, &name, &inner) || !cdc_span_is(name, "base64") ||
        cdc_json_type(inner) != CDC_JSON_STRING || cdc_json_next_member(&iter, &name, &more))
        return false;
    *text = cdc_json_string_raw(inner);
    return true;
}

int lite_value_bind(struct cdc_buf *scratch, sqlite3_stmt *statement, int index, enum lite_kind kind,
                    struct cdc_span value, const char **reason)
{
    enum cdc_json_type type = value.p == NULL ? CDC_JSON_NULL : cdc_json_type(value);
    struct cdc_span text;

    if (value.p == lite_json_null.p)
        return bind_text(statement, index, value);
    if (type == CDC_JSON_NULL)
        return sqlite3_bind_null(statement, index);
    /* The text of the value, strings with their quotes: "1" and 1 stay apart. */
    if (kind == LITE_KIND_JSON)
        return bind_text(statement, index, value);
    if (type == CDC_JSON_OBJECT && is_base64_object(value, &text))
        return bind_bytes(scratch, statement, index, text, reason);
    if (type == CDC_JSON_OBJECT || type == CDC_JSON_ARRAY)
        return bind_text(statement, index, value);
    switch (kind) {
    case LITE_KIND_INTEGER:
    case LITE_KIND_ANY: return bind_integer(scratch, statement, index, type, value, kind, reason);
    case LITE_KIND_BIT:
        if (type == CDC_JSON_BOOL)
            return sqlite3_bind_int64(statement, index, value.p[0] == 't');
        return bind_text(statement, index, type == CDC_JSON_STRING ? string_text(scratch, value) : value);
    case LITE_KIND_REAL: return bind_real(scratch, statement, index, type, value, reason);
    case LITE_KIND_BYTES:
        if (type != CDC_JSON_STRING)
            return *reason = "is no base64 string", -1;
        return bind_bytes(scratch, statement, index, string_text(scratch, value), reason);
    default: return bind_text(statement, index, type == CDC_JSON_STRING ? string_text(scratch, value) : value);
    }
}
