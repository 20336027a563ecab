/* SPDX-License-Identifier: MIT */
/* What the name of a type says of its values: "timestamp(3) with time zone" of PostgreSQL, "INT(11) UNSIGNED" of MySQL. */
#include <ctype.h>

#include "libcdc/format/internal.h"

#define NAME 64

static const struct {
    const char *name;
    enum value_class value;
    int bytes;
} names[] = {
    {"boolean", VALUE_BOOL, 0},
    {"bool", VALUE_BOOL, 0},
    {"tinyint", VALUE_INT, 1},
    {"smallint", VALUE_INT, 2},
    {"int2", VALUE_INT, 2},
    {"mediumint", VALUE_INT, 3},
    {"integer", VALUE_INT, 4},
    {"int", VALUE_INT, 4},
    {"int4", VALUE_INT, 4},
    {"bigint", VALUE_INT, 8},
    {"int8", VALUE_INT, 8},
    {"oid", VALUE_INT, 8},
    {"numeric", VALUE_DECIMAL, 0},
    {"decimal", VALUE_DECIMAL, 0},
    {"real", VALUE_FLOAT, 4},
    {"float4", VALUE_FLOAT, 4},
    {"float", VALUE_FLOAT, 4},
    {"double", VALUE_FLOAT, 8},
    {"double precision", VALUE_FLOAT, 8},
    {"float8", VALUE_FLOAT, 8},
    {"bytea", VALUE_BYTES, 0},
    {"blob", VALUE_BYTES, 0},
    {"tinyblob", VALUE_BYTES, 0},
    {"mediumblob", VALUE_BYTES, 0},
    {"longblob", VALUE_BYTES, 0},
    {"binary", VALUE_BYTES, 0},
    {"varbinary", VALUE_BYTES, 0},
    {"bit", VALUE_BITS, 0},
    {"bit varying", VALUE_BITS, 0},
    {"varbit", VALUE_BITS, 0},
    {"date", VALUE_DATE, 0},
    {"time", VALUE_TIME, 0},
    {"time without time zone", VALUE_TIME, 0},
    {"time with time zone", VALUE_TIME, 0},
    {"timetz", VALUE_TIME, 0},
    {"datetime", VALUE_TIMESTAMP, 0},
    {"timestamp without time zone", VALUE_TIMESTAMP, 0},
    {"timestamp with time zone", VALUE_TIMESTAMPTZ, 0},
    {"timestamptz", VALUE_TIMESTAMPTZ, 0},
    {"json", VALUE_JSON, 0},
    {"jsonb", VALUE_JSON, 0},
    {"hstore", VALUE_HSTORE, 0},
    {"enum", VALUE_ENUM, 0},
    {"set", VALUE_SET, 0},
    {"year", VALUE_YEAR, 0},
    {"geometry", VALUE_GEOMETRY, 0},
    {"geography", VALUE_GEOMETRY, 0},
    {"vector", VALUE_VECTOR, 0},
    {"halfvec", VALUE_VECTOR, 0},
};
/* Of MySQL only: PostgreSQL's "point" is another one, which is text. */
static const char *const shapes[] = {"point",      "linestring",      "polygon",      "geomcollection",
                                     "multipoint", "multilinestring", "multipolygon", "geometrycollection"};

/* In lower case, one blank between words, nothing in parentheses or after a comment; *inner is the number in the first
 * parentheses, -1 without one. */
static void normalise(char out[NAME], struct cdc_span raw, int *inner)
{
    size_t n = 0;
    bool inside = false;

    *inner = -1;
    for (size_t i = 0; i < raw.n && n + 1 < NAME; i++) {
        char c = raw.p[i];
        if (!inside && c == '/' && i + 1 < raw.n && raw.p[i + 1] == '*')
            break;
        if (c == '(')
            inside = true;
        if (inside && *inner < 100000 && isdigit((unsigned char)c) && (*inner >= 0 || raw.p[i - 1] == '('))
            *inner = (*inner < 0 ? 0 : *inner) * 10 + (c - '0');
        else if (inside && c == ',')
            while (i + 1 < raw.n && raw.p[i + 1] != ')')
                i++;
        if (!inside && !(c == ' ' && (n == 0 || out[n - 1] == ' ')))
            out[n++] = (char)tolower((unsigned char)c);
        if (c == ')')
            inside = false;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* Takes a word off the end. */
static bool take_last(char *name, const char *word)
{
    size_t n = strlen(name), w = strlen(word);

    if (n <= w || strcmp(name + n - w, word) != 0)
        return false;
    name[n - w] = '\0';
    return true;
}

/* Types of extensions live in some schema: "public.hstore". */
static const char *without_schema(const char *name)
{
    static const char *const types[] = {"hstore", "geometry", "geography", "vector", "halfvec"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot + 1, types[i]) == 0)
            return dot + 1;
    return name;
}

static void settle(struct value_type *type, const char *name, int inner)
{
    name = without_schema(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0) {
            type->value = names[i].value;
            type->bytes = names[i].bytes;
        }
    if (strcmp(name, "timestamp") == 0)
        type->value = type->is_postgres ? VALUE_TIMESTAMP : VALUE_TIMESTAMPTZ;
    for (size_t i = 0; !type->is_postgres && i < sizeof shapes / sizeof shapes[0]; i++)
        if (strcmp(name, shapes[i]) == 0)
            type->value = VALUE_GEOMETRY;
    type->is_timetz = strcmp(name, "time with time zone") == 0 || strcmp(name, "timetz") == 0;
    type->is_fixed_bits = strcmp(name, "bit") == 0;
    type->is_fixed_bytes = strcmp(name, "binary") == 0;
    if (type->value == VALUE_BITS && type->is_fixed_bits && !type->is_postgres && inner <= 1)
        type->value = VALUE_BOOL;
    /* "bit" alone has one. */
    type->length = type->is_fixed_bits && inner < 0 ? 1 : inner;
    type->digits = inner >= 0 && inner <= 6 ? inner : type->is_postgres ? 6 : 0;
}

struct value_type value_type_of(struct cdc_span raw, bool postgres)
{
    struct value_type type = {.value = VALUE_TEXT, .is_postgres = postgres};
    char name[NAME];
    int inner;

    normalise(name, raw, &inner);
    take_last(name, " zerofill");
    type.is_unsigned = take_last(name, " unsigned");
    bool array = take_last(name, "[]");
    while (take_last(name, "[]")) {
    }
    settle(&type, name, inner);
    if (array) {
        type.element = type.value;
        type.delimiter = strcmp(name, "box") == 0 ? ';' : ','; /* as the server has it */
        type.value = VALUE_ARRAY;
    }
    return type;
}
