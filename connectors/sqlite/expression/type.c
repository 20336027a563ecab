/* SPDX-License-Identifier: MIT */
/* Names of types become what they are. One that is not known is a text that may be equal to another one, and no more. */
#include <string.h>

#include "connectors/sqlite/expression/type.h"

#define NAME_MAX_LENGTH 64

/* "NUMERIC(10,2)" becomes "numeric", "int(11) unsigned zerofill" "int unsigned", "timestamp(3) without time zone" without
 * its digits. A comment of MariaDB's is the end. */
static void normalise(char out[NAME_MAX_LENGTH], const char *type)
{
    size_t n = 0;
    bool inside = false;

    for (; *type != '\0' && n < NAME_MAX_LENGTH - 1; type++) {
        char c = *type;
        if (!inside && c == '/' && type[1] == '*')
            break;
        inside |= c == '(';
        if (!inside && !(c == ' ' && (n == 0 || out[n - 1] == ' ')))
            out[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        inside &= c != ')';
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

static bool strip(char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);

    if (n <= m || strcmp(text + n - m, suffix) != 0)
        return false;
    text[n - m] = '\0';
    return true;
}

/* words: |one|two| */
static bool is_one_of(const char *name, const char *words)
{
    size_t n = strlen(name);

    for (const char *at = words; n > 0 && (at = strstr(at, name)) != NULL; at += n)
        if (at > words && at[-1] == '|' && at[n] == '|')
            return true;
    return false;
}

static enum lite_type type_of(const char *name, bool mysql)
{
    if (is_one_of(name, "|smallint|integer|bigint|int|int2|int4|int8|tinyint|mediumint|year|oid|"))
        return LITE_TYPE_INTEGER;
    if (is_one_of(name, "|boolean|bool|") || (mysql && strcmp(name, "bit") == 0))
        return LITE_TYPE_BOOL;
    if (is_one_of(name, "|numeric|decimal|dec|fixed|bigint unsigned|"))
        return LITE_TYPE_DECIMAL;
    if (is_one_of(name, "|real|double|double precision|float|float4|float8|"))
        return LITE_TYPE_REAL;
    if (is_one_of(name, "|timestamp|timestamp without time zone|timestamp with time zone|timestamptz|datetime|date|"))
        return LITE_TYPE_TIME;
    if (is_one_of(name, "|bytea|blob|tinyblob|mediumblob|longblob|binary|varbinary|"))
        return LITE_TYPE_BYTES;
    if (is_one_of(name, "|json|jsonb|vector|halfvec|"))
        return LITE_TYPE_JSON;
    if (is_one_of(
            name,
            "|text|varchar|character varying|char|character|bpchar|name|uuid|citext|tinytext|mediumtext|longtext|") ||
        (!mysql && is_one_of(name, "|time|time without time zone|")))
        return LITE_TYPE_TEXT;
    return LITE_TYPE_OPAQUE;
}

struct lite_column_type lite_type_of_column(const char *type, bool mysql)
{
    char name[NAME_MAX_LENGTH];
    size_t n = strlen(type);
    struct lite_column_type column = {.type = LITE_TYPE_JSON};

    if (n > 2 && strcmp(type + n - 2, "[]") == 0)
        return column;
    normalise(name, type);
    (void)strip(name, " zerofill");
    if (strip(name, " unsigned") && strcmp(name, "bigint") == 0)
        strcat(name, " unsigned");
    column.type = type_of(name, mysql);
    /* Of more bits than one it is a text: 0101. */
    if (strcmp(name, "bit") == 0 && strcmp(type, "bit(1)") != 0 && strcmp(type, "bit") != 0)
        column.type = LITE_TYPE_OPAQUE;
    column.whole = strcmp(name, "bigint unsigned") == 0;
    column.padded = !mysql && is_one_of(name, "|character|bpchar|char|");
    column.zoned = mysql ? strcmp(name, "timestamp") == 0 : is_one_of(name, "|timestamp with time zone|timestamptz|");
    return column;
}

bool lite_type_is_number(enum lite_type type)
{
    return type >= LITE_TYPE_BOOL && type <= LITE_TYPE_REAL;
}

bool lite_type_is_text(enum lite_type type)
{
    return type == LITE_TYPE_TEXT || type == LITE_TYPE_OPAQUE || type == LITE_TYPE_JSON;
}

const char *lite_type_name(enum lite_type type)
{
    static const char *const names[] = {"NULL",     "a boolean", "an integer",           "a decimal",
                                        "a double", "a text",    "a text without order", "a date or time",
                                        "bytes",    "JSON",      "of any type"};

    return names[type];
}
