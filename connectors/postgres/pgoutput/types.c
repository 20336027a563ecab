/* SPDX-License-Identifier: MIT */
/* The server's text form of a value, as JSON (cdc-event(5), "Values"). */
#include "connectors/postgres/pgoutput/nested.h"
#include "connectors/postgres/pgoutput/number.h"
#include "connectors/postgres/pgoutput/short.h"
#include "connectors/postgres/pgoutput/table.h"

#include <cdc/json.h>
#include <stdlib.h>

/* Built-in types that are not plain text, and the arrays of all built-in base types; sorted by oid. These oids are
 * the same in every database of every version (pg_type.dat), those from 10000 on are not. box[] is the one whose
 * elements are parted by a semicolon, since boxes are full of commas. */
static const struct builtin {
    uint32_t oid;
    const char *name;
    struct pg_type type;
} builtins[] = {
    {16, "bool", {PG_BOOL, PG_TEXT, ',', 0, "", false, NULL}},
    {17, "bytea", {PG_BYTEA, PG_TEXT, ',', 0, "", false, NULL}},
    {20, "int8", {PG_INT8, PG_TEXT, ',', 0, "", false, NULL}},
    {21, "int2", {PG_INTEGER, PG_TEXT, ',', 0, "", false, NULL}},
    {23, "int4", {PG_INTEGER, PG_TEXT, ',', 0, "", false, NULL}},
    {26, "oid", {PG_INTEGER, PG_TEXT, ',', 0, "", false, NULL}},
    {114, "json", {PG_JSON, PG_TEXT, ',', 0, "", false, NULL}},
    {143, "_xml", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {199, "_json", {PG_ARRAY, PG_JSON, ',', 0, "", false, NULL}},
    {271, "_xid8", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {629, "_line", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {651, "_cidr", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {700, "float4", {PG_FLOAT, PG_TEXT, ',', 0, "", false, NULL}},
    {701, "float8", {PG_FLOAT, PG_TEXT, ',', 0, "", false, NULL}},
    {719, "_circle", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {775, "_macaddr8", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {791, "_money", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1000, "_bool", {PG_ARRAY, PG_BOOL, ',', 0, "", false, NULL}},
    {1001, "_bytea", {PG_ARRAY, PG_BYTEA, ',', 0, "", false, NULL}},
    {1002, "_char", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1003, "_name", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1005, "_int2", {PG_ARRAY, PG_INTEGER, ',', 0, "", false, NULL}},
    {1006, "_int2vector", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1007, "_int4", {PG_ARRAY, PG_INTEGER, ',', 0, "", false, NULL}},
    {1008, "_regproc", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1009, "_text", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1010, "_tid", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1011, "_xid", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1012, "_cid", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1013, "_oidvector", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1014, "_bpchar", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1015, "_varchar", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1016, "_int8", {PG_ARRAY, PG_INT8, ',', 0, "", false, NULL}},
    {1017, "_point", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1018, "_lseg", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1019, "_path", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1020, "_box", {PG_ARRAY, PG_TEXT, ';', 0, "", false, NULL}},
    {1021, "_float4", {PG_ARRAY, PG_FLOAT, ',', 0, "", false, NULL}},
    {1022, "_float8", {PG_ARRAY, PG_FLOAT, ',', 0, "", false, NULL}},
    {1027, "_polygon", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1028, "_oid", {PG_ARRAY, PG_INTEGER, ',', 0, "", false, NULL}},
    {1034, "_aclitem", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1040, "_macaddr", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1041, "_inet", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1114, "timestamp", {PG_TIMESTAMP, PG_TEXT, ',', 0, "", false, NULL}},
    {1115, "_timestamp", {PG_ARRAY, PG_TIMESTAMP, ',', 0, "", false, NULL}},
    {1182, "_date", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1183, "_time", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1184, "timestamptz", {PG_TIMESTAMPTZ, PG_TEXT, ',', 0, "", false, NULL}},
    {1185, "_timestamptz", {PG_ARRAY, PG_TIMESTAMPTZ, ',', 0, "", false, NULL}},
    {1186, "interval", {PG_INTERVAL, PG_TEXT, ',', 0, "", false, NULL}},
    {1187, "_interval", {PG_ARRAY, PG_INTERVAL, ',', 0, "", false, NULL}},
    {1231, "_numeric", {PG_ARRAY, PG_NUMERIC, ',', 0, "", false, NULL}},
    {1270, "_timetz", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1561, "_bit", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1563, "_varbit", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {1700, "numeric", {PG_NUMERIC, PG_TEXT, ',', 0, "", false, NULL}},
    {2201, "_refcursor", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2207, "_regprocedure", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2208, "_regoper", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2209, "_regoperator", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2210, "_regclass", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2211, "_regtype", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2949, "_txid_snapshot", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {2951, "_uuid", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3221, "_pg_lsn", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3643, "_tsvector", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3644, "_gtsvector", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3645, "_tsquery", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3735, "_regconfig", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3770, "_regdictionary", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3802, "jsonb", {PG_JSON, PG_TEXT, ',', 0, "", false, NULL}},
    {3807, "_jsonb", {PG_ARRAY, PG_JSON, ',', 0, "", false, NULL}},
    {3905, "_int4range", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3907, "_numrange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3909, "_tsrange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3911, "_tstzrange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3913, "_daterange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {3927, "_int8range", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {4073, "_jsonpath", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {4090, "_regnamespace", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {4097, "_regrole", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {4192, "_regcollation", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {5039, "_pg_snapshot", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {6150, "_int4multirange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {6151, "_nummultirange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {6152, "_tsmultirange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {6153, "_tstzmultirange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {6155, "_datemultirange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
    {6157, "_int8multirange", {PG_ARRAY, PG_TEXT, ',', 0, "", false, NULL}},
};
enum { BUILTINS = sizeof builtins / sizeof builtins[0] };

struct pg_type pg_type_of(uint32_t oid)
{
    size_t low = 0, high = BUILTINS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (builtins[middle].oid == oid)
            return builtins[middle].type;
        if (builtins[middle].oid < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct pg_type){.kind = PG_TEXT, .element = PG_TEXT, .delimiter = ','};
}

struct pg_type pg_type_named(const char *name)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return builtins[i].type;
    return (struct pg_type){.kind = PG_TEXT, .element = PG_TEXT, .delimiter = ','};
}

/* -- text ------------------------------------------------------------------ */

#define ONES UINT64_C(0x0101010101010101)
#define HIGH (ONES << 7)

/* Marks (in the high bits) that something in eight bytes is not plain: a control, a quote, a backslash, or no ASCII.
 * x - 0x20 borrows into the high bit where a byte is below 0x20; x ^ '"' makes a quote zero, and zero - 1 borrows
 * likewise. A borrow may also mark the byte after a hit, which does not matter: only whether any is marked. */
static inline uint64_t not_plain(uint64_t x)
{
    uint64_t quote = x ^ (ONES * '"'), backslash = x ^ (ONES * '\\');
    uint64_t control = (x - ONES * 0x20) & ~x;
    return (x | control | ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash)) & HIGH;
}

static inline bool is_plain(const char *p, size_t n)
{
    uint64_t x, bad = 0;
    while (n >= 8) {
        memcpy(&x, p, 8);
        bad |= not_plain(x);
        p += 8;
        n -= 8;
    }
    if (n != 0) {
        /* The last, partial word is filled up with blanks, which are plain. */
        x = ONES * ' ';
        memcpy(&x, p, n);
        bad |= not_plain(x);
    }
    return bad == 0;
}

static inline void append_quoted(struct cdc_buf *out, const char *text, size_t n)
{
    /* One reservation and one copy: most of all values take this way. */
    if (!cdc_buf_room(out, n + 2))
        return;
    char *p = out->data + out->len;
    *p++ = '"';
    memcpy(p, text, n);
    p[n] = '"';
    out->len += n + 2;
}

static inline void append_text(struct cdc_buf *out, const char *text, size_t n, struct pg_value_counts *counts)
{
    if (n == 0)
        cdc_buf_lit(out, "\"\"");
    else if (is_plain(text, n))
        append_quoted(out, text, n);
    else if (!cdc_json_append_text(out, text, n))
        counts->unconvertible++;
}

/* -- numbers --------------------------------------------------------------- */

/* An integer as JSON writes it: no leading zeros. */
static inline bool is_integer(const char *p, size_t n)
{
    if (n != 0 && *p == '-') {
        p++;
        n--;
    }
    return n != 0 && pg_digits(p, n) == n && (n == 1 || *p != '0');
}

/* Would a reader that uses doubles (JavaScript, jq) round this integer? From 2^53 + 1 on: 9007199254740993 would be
 * read as ...992. Texts of equal length compare like their numbers. */
static bool beyond_double(const char *p, size_t n)
{
    static const char limit[] = "9007199254740992";
    if (*p == '-') {
        p++;
        n--;
    }
    return n > sizeof limit - 1 || (n == sizeof limit - 1 && memcmp(p, limit, n) > 0);
}

/* -- bytea ----------------------------------------------------------------- */

static const signed char hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* "\x00ff" as base64; false (and nothing appended) when it is not that. */
static bool append_bytea(struct cdc_buf *out, const char *text, size_t n)
{
    if (n < 2 || text[0] != '\\' || text[1] != 'x' || n % 2 != 0)
        return false;
    size_t start = out->len;
    const unsigned char *p = (const unsigned char *)text + 2, *end = (const unsigned char *)text + n;
    unsigned char chunk[3 * 256]; /* a multiple of three, so that padding comes last only */
    int bad = 0;
    cdc_buf_byte(out, '"');
    while (p < end) {
        size_t filled = 0;
        for (; filled < sizeof chunk && p < end; p += 2) {
            /* The table has digits one too high, so that 0 means none: -1 here sets the sign, which `bad` collects. */
            int high = hex_values[p[0]] - 1, low = hex_values[p[1]] - 1;
            bad |= high | low;
            chunk[filled++] = (unsigned char)((unsigned)high << 4 | (unsigned)low);
        }
        cdc_buf_base64(out, chunk, filled);
    }
    cdc_buf_byte(out, '"');
    if (bad < 0) {
        out->len = start;
        return false;
    }
    return true;
}

/* -- time ------------------------------------------------------------------ */

/* "2026-11-21 09:28:42" and perhaps a fraction, nothing after it. What has another form (infinity, 0044-03-15 BC,
 * year 10000) is no RFC 3339 time, and goes out as the server's text. */
static bool is_timestamp(const char *p, size_t n)
{
    static const char shape[] = "dddd-dd-dd dd:dd:dd";
    if (n < sizeof shape - 1)
        return false;
    for (size_t i = 0; i < sizeof shape - 1; i++)
        if (shape[i] == 'd' ? !pg_is_digit(p[i]) : p[i] != shape[i])
            return false;
    p += sizeof shape - 1;
    n -= sizeof shape - 1;
    return n == 0 || (n > 1 && *p == '.' && pg_digits(p + 1, n - 1) == n - 1);
}

static void append_timestamp(struct cdc_buf *out, const char *text, size_t n, bool zone, struct pg_value_counts *counts)
{
    size_t bare = n;
    if (zone) /* the session's zone is UTC */
        bare = n > 3 && memcmp(text + n - 3, "+00", 3) == 0 ? n - 3 : 0;
    if (!is_timestamp(text, bare)) { /* infinity, BC, years of five digits */
        append_text(out, text, n, counts);
        return;
    }
    if (!cdc_buf_room(out, bare + 3))
        return;
    char *p = out->data + out->len;
    *p++ = '"';
    memcpy(p, text, bare);
    p[10] = 'T';
    p += bare;
    if (zone)
        *p++ = 'Z';
    *p++ = '"';
    out->len = (size_t)(p - out->data);
}

/* -- one value, one row ---------------------------------------------------- */

/* Would valid JSON nest deeper than that? */
static bool too_deep(const char *p, size_t n, int limit)
{
    if (n < 2 * ((size_t)limit + 1)) /* each level has two brackets */
        return false;
    int depth = 0;
    bool quoted = false;
    for (const char *end = p + n; p < end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            depth++;
        else if (!quoted && (*p == '}' || *p == ']'))
            depth--;
        if (depth > limit)
            return true;
    }
    return false;
}

/* Around a document: the event, its row, and what it is nested in, or as much as an array may be. */
static int levels_left(int depth)
{
    return CDC_JSON_DEPTH - 2 - (depth > PG_ARRAY_DEPTH ? depth : PG_ARRAY_DEPTH);
}

static void append_json(struct cdc_buf *out, const struct pg_value_place *place, const char *text, size_t n)
{
    /* The server's json type takes what RFC 8259 readers refuse (lone surrogates, any depth): then as text. */
    if (cdc_json_validate(text, n, NULL) == 0 && !too_deep(text, n, levels_left(place->depth))) {
        cdc_json_append_compact(out, cdc_span(text, n));
    } else {
        append_text(out, text, n, place->counts);
        place->counts->json_texts++;
    }
}

static inline void value(struct cdc_buf *out, const struct pg_type *type, const struct pg_value_place *place,
                         const char *text, size_t n)
{
    switch (type->kind) {
    case PG_BOOL:
        if (n == 1 && *text == 't') {
            cdc_buf_lit(out, "true");
            return;
        }
        if (n == 1 && *text == 'f') {
            cdc_buf_lit(out, "false");
            return;
        }
        break;
    case PG_INT8:
        if (place->format->int64_as_string && n != 0 && beyond_double(text, n))
            break;
        /* fall through */
    case PG_INTEGER:
        if (is_integer(text, n)) {
            cdc_buf_append(out, text, n);
            return;
        }
        break;
    case PG_NUMERIC:
        if (!place->format->decimal_as_number)
            break;
        /* fall through */
    case PG_FLOAT:
        if (pg_is_number(text, n)) {
            cdc_buf_append(out, text, n);
            return;
        }
        break;
    case PG_BYTEA:
        if (append_bytea(out, text, n))
            return;
        break;
    case PG_JSON: append_json(out, place, text, n); return;
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ: append_timestamp(out, text, n, type->kind == PG_TIMESTAMPTZ, place->counts); return;
    case PG_ARRAY:
    case PG_COMPOSITE:
    case PG_HSTORE:
    case PG_VECTOR:
    case PG_GEOMETRY:
        if (pg_nested_append(out, type, place, text, n))
            return;
        break;
    case PG_INTERVAL: /* the session's intervalstyle is ISO 8601 */
    case PG_TEXT: break;
    }
    append_text(out, text, n, place->counts);
}

/* Of what is inside of another one. */
static void append_inner(struct cdc_buf *out, const struct pg_type *type, const struct pg_value_place *place,
                         const char *text, size_t n)
{
    value(out, type, place, text, n);
}

void pg_value_append(struct cdc_buf *out, struct pg_type type, const struct cdc_value_format *format, const char *text,
                     size_t n, struct pg_value_counts *counts)
{
    const struct pg_value_place place = {format, counts, append_inner, 0};
    value(out, &type, &place, text, n);
}

static void append_raw(struct cdc_buf *out, const struct pg_cell *cell, struct pg_value_counts *counts)
{
    cdc_buf_lit(out, "{\"base64\":\"");
    cdc_buf_base64(out, cell->p, cell->n);
    cdc_buf_lit(out, "\"}");
    counts->unconvertible++;
}

static inline bool in_part(const struct pg_column *column, enum pg_row_part part)
{
    return part == PG_ROW_ALL || (part == PG_ROW_KEY ? column->key : column->identity);
}

/* What most values are. NULL: the value is another one, and nothing is written; else where it ends. There is room. */
static inline char *append_short(char *p, enum pg_kind kind, const struct pg_cell *cell)
{
    size_t n = cell->n;
    if (kind == PG_TEXT) {
        *p++ = '"';
        pg_short_copy(p, cell->p, n);
        p[n] = '"';
        return p + n + 1;
    }
    if (kind != PG_INTEGER || !pg_short_digits(cell->p, n) || (n > 1 && *cell->p == '0'))
        return NULL;
    pg_short_copy(p, cell->p, n);
    return p + n;
}

void pg_row_append(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells,
                   enum pg_row_part part, const struct cdc_value_format *format, struct pg_value_counts *counts)
{
    const struct pg_value_place place = {format, counts, append_inner, 0};
    size_t end_of_part = part == PG_ROW_KEY ? table->key_end : table->n_columns;
    char separator = '{';
    for (size_t i = 0; i < end_of_part; i++) {
        const struct pg_column *column = &table->columns[i];
        const struct pg_cell *cell = &cells[i];
        if (cell->kind == 'u' || !in_part(column, part))
            continue;
        /* Room for name and value at once; 16 is for separators, quotes and null. What an escape makes longer asks
         * for more. */
        if (!cdc_buf_room(out, column->name_json.len + cell->n + 16))
            return;
        char *p = out->data + out->len;
        *p++ = separator;
        pg_short_copy(p, column->name_json.data, column->name_json.len);
        out->len += column->name_json.len + 1;
        separator = ',';
        char *end = cell->plain ? append_short(out->data + out->len, column->type.kind, cell) : NULL;
        if (end)
            out->len = (size_t)(end - out->data);
        else if (cell->kind == 'n')
            cdc_buf_lit(out, "null");
        else if (cell->raw)
            append_raw(out, cell, counts);
        else
            value(out, &column->type, &place, cell->p, cell->n);
    }
    if (separator == '{')
        cdc_buf_byte(out, '{');
    cdc_buf_byte(out, '}');
}
