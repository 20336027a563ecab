/* SPDX-License-Identifier: MIT */
/* Values that have values in them. The server's texts, which are read strictly: what it does not write is no value of the kind.
 *
 *   array        {1,NULL,"a \"b\""}        [1,null,"a \"b\""]
 *   composite    (1,,"a ""b""")            {"id":1,"at":null,"name":"a \"b\""}
 *   hstore       "a"=>"1", "b"=>NULL       {"a":"1","b":null}
 *   vector       [1,2.5]                   [1,2.5]
 *   geometry     0101000020E6100000...     {"srid":4326,"wkb":"AQEAAAA..."} */
#include "connectors/postgres/pgoutput/nested.h"

#include "connectors/postgres/pgoutput/number.h"

#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

void pg_composite_free(struct pg_composite *composite)
{
    if (!composite)
        return;
    for (size_t i = 0; i < composite->n; i++)
        cdc_buf_free(&composite->fields[i].name_json);
    free(composite->fields);
    free(composite);
}

bool pg_json_is_null(const char *text, size_t n)
{
    const char *end = text + n;
    while (text < end && strchr(" \t\n\r", *text) && *text)
        text++;
    while (end > text && strchr(" \t\n\r", end[-1]) && end[-1])
        end--;
    return end - text == 4 && memcmp(text, "null", 4) == 0;
}

/* A text that is read from its beginning. */
struct reader {
    const char *p, *end;
    const struct pg_value_place *place; /* of what is in it */
    struct cdc_buf scratch;             /* a part of it without its escapes */
};

static bool take(struct reader *reader, char c)
{
    bool is = reader->p < reader->end && *reader->p == c;
    reader->p += is;
    return is;
}

/* JSON's null could not be told from NULL inside of a value, as json_null tells it of a column. */
static bool append_inner(struct cdc_buf *out, const struct pg_type *type, const struct reader *reader,
                         struct cdc_span text)
{
    if (type->kind == PG_JSON && pg_json_is_null(text.p, text.n))
        return false;
    reader->place->append(out, type, reader->place, text.p, text.n);
    return true;
}

/* `{"base64":"..."}` stands for bytes. */
static bool looks_like_bytes(const char *name, size_t n)
{
    return n == 6 && memcmp(name, "base64", 6) == 0;
}

/* -- arrays ---------------------------------------------------------------- */

static struct pg_type element_of(const struct pg_type *array)
{
    struct pg_type type = *array;
    if (array->nested == 0)
        return (struct pg_type){.kind = array->element, .delimiter = ',', .composite = array->composite};
    type.delimiter = array->nested_delimiters[0];
    type.nested--;
    type.inner = true;
    memmove(type.nested_delimiters, array->nested_delimiters + 1, sizeof type.nested_delimiters - 1);
    return type;
}

/* "..." where a backslash is before what is meant as it stands; p is after the opening quote. */
static bool take_backslashed(struct reader *reader, struct cdc_span *text)
{
    const char *start = reader->p, *p = start;
    bool escaped = false;
    while (p < reader->end && *p != '"') {
        if (*p == '\\') {
            escaped = true;
            p++;
        }
        p++;
    }
    if (p >= reader->end)
        return false;
    reader->p = p + 1;
    *text = cdc_span(start, (size_t)(p - start));
    if (!escaped)
        return true;
    reader->scratch.len = 0;
    for (; start < p; start++) {
        if (*start == '\\')
            start++;
        cdc_buf_byte(&reader->scratch, *start);
    }
    *text = cdc_span(reader->scratch.data, reader->scratch.len);
    return !reader->scratch.failed;
}

/* A quoted "NULL" is a text, a bare NULL none. */
static bool bare_element(struct reader *reader, struct cdc_buf *out, const struct pg_type *element, char delimiter)
{
    const char *start = reader->p, *p = start;
    while (p < reader->end && *p != delimiter && *p != '}') {
        if (*p == '{' || *p == '"' || *p == '\\')
            return false;
        p++;
    }
    if (p == start)
        return false;
    reader->p = p;
    if (p - start != 4 || memcmp(start, "NULL", 4) != 0)
        return append_inner(out, element, reader, cdc_span(start, (size_t)(p - start)));
    cdc_buf_lit(out, "null");
    return true;
}

/* p is after an opening brace; leaves it after the closing one. {{1,2},{3,NULL}} becomes [[1,2],[3,null]]. */
static bool braces(struct reader *reader, struct cdc_buf *out, const struct pg_type *element, char delimiter,
                   int dimensions)
{
    struct cdc_span text;
    cdc_buf_byte(out, '[');
    if (take(reader, '}')) {
        cdc_buf_byte(out, ']');
        return true;
    }
    while (reader->p < reader->end) {
        bool good;
        if (take(reader, '{'))
            good = dimensions > 1 && braces(reader, out, element, delimiter, dimensions - 1);
        else if (take(reader, '"'))
            good = take_backslashed(reader, &text) && append_inner(out, element, reader, text);
        else
            good = bare_element(reader, out, element, delimiter);
        if (!good || reader->p >= reader->end)
            return false;
        char c = *reader->p++;
        if (c == '}') {
            cdc_buf_byte(out, ']');
            return true;
        }
        if (c != delimiter)
            return false;
        cdc_buf_byte(out, ',');
    }
    return false;
}

/* Values whose JSON may be an array: beside those of one dimension only, or {{1,2}} and {"[1,2]"} of json[] would be the same. */
static int dimensions_of(const struct pg_type *array)
{
    bool one = array->nested > 0 || array->inner || array->element == PG_JSON || array->element == PG_VECTOR;
    return one ? 1 : PG_ARRAY_DEPTH;
}

/* [0:1]={1,2} is another value than {1,2} to the server, and JSON has no bounds: it is no array here. (The server writes bounds
 * only where they do not begin at 1.) The elements of all dimensions have one type: int4[] and int4[][] are the same type. */
static bool append_array(struct cdc_buf *out, const struct pg_type *type, struct reader *reader)
{
    struct pg_type element = element_of(type);
    return take(reader, '{') && braces(reader, out, &element, type->delimiter, dimensions_of(type));
}

/* -- composites ------------------------------------------------------------- */

/* "..." where quotes and backslashes are doubled; p is after the opening quote. */
static bool take_doubled(struct reader *reader, struct cdc_span *text)
{
    const char *start = reader->p, *p = start, *end = reader->end;
    bool escaped = false;
    for (; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++) {
        if (*p != '"' && *p != '\\')
            continue;
        if (p + 1 >= end || p[1] != *p)
            return false;
        escaped = true;
        p++;
    }
    if (p >= end)
        return false;
    reader->p = p + 1;
    *text = cdc_span(start, (size_t)(p - start));
    if (!escaped)
        return true;
    reader->scratch.len = 0;
    for (; start < p; start++) {
        if (*start == '"' || *start == '\\')
            start++;
        cdc_buf_byte(&reader->scratch, *start);
    }
    *text = cdc_span(reader->scratch.data, reader->scratch.len);
    return !reader->scratch.failed;
}

/* Up to the next comma, or the closing parenthesis, which is the last byte. */
static bool take_bare(struct reader *reader, struct cdc_span *text)
{
    const char *start = reader->p;
    for (; reader->p < reader->end && *reader->p != ','; reader->p++)
        if (strchr("\"\\() \t\n\v\f\r", *reader->p)) /* the server quotes these, and NUL is in no text */
            return false;
    *text = cdc_span(start, (size_t)(reader->p - start));
    return true;
}

static bool append_field(struct cdc_buf *out, const struct pg_field *field, struct reader *reader)
{
    struct cdc_span text;
    cdc_buf_append_buf(out, &field->name_json);
    if (take(reader, '"'))
        return take_doubled(reader, &text) && append_inner(out, &field->type, reader, text);
    if (!take_bare(reader, &text))
        return false;
    if (text.n > 0) /* an empty text is "" */
        return append_inner(out, &field->type, reader, text);
    cdc_buf_lit(out, "null");
    return true;
}

/* A value has as many fields as its type had when it was written into the log. */
static bool append_composite(struct cdc_buf *out, const struct pg_composite *type, struct reader *reader)
{
    if (reader->end - reader->p < 2 || reader->end[-1] != ')' || !take(reader, '('))
        return false;
    if (type->n == 1 && looks_like_bytes(type->fields[0].name_json.data + 1, type->fields[0].name_json.len - 3))
        return false;
    reader->end--;
    cdc_buf_byte(out, '{');
    for (size_t i = 0; i < type->n; i++) {
        if (i > 0 && !take(reader, ','))
            return false;
        cdc_buf_text(out, i > 0 ? "," : "");
        if (!append_field(out, &type->fields[i], reader))
            return false;
    }
    cdc_buf_byte(out, '}');
    bool good = reader->p == reader->end;
    reader->p = ++reader->end;
    return good;
}

/* -- hstore ----------------------------------------------------------------- */

static bool append_pair(struct cdc_buf *out, struct reader *reader, bool *bytes)
{
    struct cdc_span text;
    if (!take(reader, '"') || !take_backslashed(reader, &text) || !cdc_utf8_valid(text.p, text.n))
        return false;
    *bytes = looks_like_bytes(text.p, text.n);
    cdc_json_append_string(out, text.p, text.n);
    cdc_buf_byte(out, ':');
    if (!take(reader, '=') || !take(reader, '>'))
        return false;
    if (take(reader, '"')) {
        static const struct pg_type type = {.kind = PG_TEXT};
        return take_backslashed(reader, &text) && append_inner(out, &type, reader, text);
    }
    if (reader->end - reader->p < 4 || memcmp(reader->p, "NULL", 4) != 0)
        return false;
    reader->p += 4;
    cdc_buf_lit(out, "null");
    return true;
}

static bool append_hstore(struct cdc_buf *out, struct reader *reader)
{
    size_t n = 0;
    bool bytes = false;
    cdc_buf_byte(out, '{');
    while (reader->p < reader->end) {
        if (n++ > 0) {
            if (!take(reader, ',') || !take(reader, ' '))
                return false;
            cdc_buf_byte(out, ',');
        }
        if (!append_pair(out, reader, &bytes))
            return false;
    }
    cdc_buf_byte(out, '}');
    return n != 1 || !bytes;
}

/* -- pgvector, PostGIS ------------------------------------------------------- */

/* [1,2.5,1e-05] is JSON as it is. */
static bool append_vector(struct cdc_buf *out, struct reader *reader)
{
    const char *start = reader->p;
    if (!take(reader, '['))
        return false;
    do {
        const char *number = reader->p;
        while (reader->p < reader->end && *reader->p != ',' && *reader->p != ']')
            reader->p++;
        if (!pg_is_number(number, (size_t)(reader->p - number)))
            return false;
    } while (take(reader, ','));
    if (!take(reader, ']'))
        return false;
    cdc_buf_append(out, start, (size_t)(reader->p - start));
    return true;
}

static bool take_hex(struct reader *reader, unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned value = 0;
        for (int digit = 0; digit < 2; digit++) {
            char c = reader->p < reader->end ? *reader->p++ : 0;
            bool decimal = c >= '0' && c <= '9', letter = c >= 'A' && c <= 'F';
            if (!decimal && !letter)
                return false;
            value = value << 4 | (unsigned)(decimal ? c - '0' : c - 'A' + 10);
        }
        bytes[i] = (unsigned char)value;
    }
    return true;
}

/* Byte order, type, SRID where the type has its flag, all the rest. The SRID is taken out, with its flag, so that wkb is as PostGIS
 * itself reads it, ST_GeomFromWKB(wkb, srid); the flags for Z and M stay. */
static bool append_geometry(struct cdc_buf *out, struct reader *reader)
{
    unsigned char head[5], bytes[4], chunk[3 * 256];
    uint32_t srid = 0;
    if (!take_hex(reader, head, sizeof head) || head[0] > 1 || (reader->end - reader->p) % 2 != 0)
        return false;
    unsigned char *flags = &head[head[0] ? 4 : 1];
    if (*flags & 0x20) {
        if (!take_hex(reader, bytes, sizeof bytes))
            return false;
        for (int i = 0; i < 4; i++)
            srid = srid << 8 | bytes[head[0] ? 3 - i : i];
        *flags = (unsigned char)(*flags & ~0x20u);
    }
    cdc_buf_lit(out, "{\"srid\":");
    cdc_buf_i64(out, (int32_t)srid);
    cdc_buf_lit(out, ",\"wkb\":\"");
    memcpy(chunk, head, sizeof head);
    for (size_t filled = sizeof head; filled > 0 || reader->p < reader->end; filled = 0) {
        size_t more = (size_t)(reader->end - reader->p) / 2;
        more = more > sizeof chunk - filled ? sizeof chunk - filled : more;
        if (!take_hex(reader, chunk + filled, more))
            return false;
        cdc_buf_base64(out, chunk, filled + more);
    }
    cdc_buf_lit(out, "\"}");
    return true;
}

/* -- all of them -------------------------------------------------------------- */

static bool as_text(const struct pg_type *type, const struct cdc_value_format *format)
{
    switch (type->kind) {
    case PG_COMPOSITE: return format->objects_as_text || format->composites_as_text || !type->composite;
    case PG_HSTORE:
    case PG_VECTOR:
    case PG_GEOMETRY: return format->objects_as_text;
    default: return false;
    }
}

static bool append_kind(struct cdc_buf *out, const struct pg_type *type, struct reader *reader)
{
    switch (type->kind) {
    case PG_ARRAY: return append_array(out, type, reader);
    case PG_COMPOSITE: return append_composite(out, type->composite, reader);
    case PG_HSTORE: return append_hstore(out, reader);
    case PG_VECTOR: return append_vector(out, reader);
    case PG_GEOMETRY: return append_geometry(out, reader);
    default: return false;
    }
}

bool pg_nested_append(struct cdc_buf *out, const struct pg_type *type, const struct pg_value_place *place,
                      const char *text, size_t n)
{
    if (as_text(type, place->format) || place->depth >= PG_NESTED_DEPTH)
        return false;
    struct pg_value_place inner = {place->format, place->counts, place->append,
                                   place->depth + (type->kind == PG_ARRAY ? PG_ARRAY_DEPTH : 1)};
    struct reader reader = {text, text + n, &inner, CDC_BUF_INIT};
    struct pg_value_counts before = *place->counts;
    size_t start = out->len;
    bool good = append_kind(out, type, &reader) && reader.p == reader.end;
    if (reader.scratch.failed)
        out->failed = true;
    cdc_buf_free(&reader.scratch);
    if (!good) {
        out->len = start;
        *place->counts = before;
    }
    return good;
}
