/* SPDX-License-Identifier: MIT */
/* Columns of one name in several tables that are one to a sink. They must be written alike: with int here and bigint there the column is
 * bigint, with integer here and text there it is nothing. While a change of type goes from shard to shard, both come for a while. */
#include <stdio.h>

#include "libcdc/filter/internal.h"

/* Types whose values are written alike: those with a larger rank hold the values of the others. */
static const struct {
    const char *name;
    char family;
    int rank;
} types[] = {
    {"tinyint", 'i', 1},    {"smallint", 'i', 2},
    {"mediumint", 'i', 3},  {"int", 'i', 4},
    {"integer", 'i', 4},    {"bigint", 'i', 5},
    {"real", 'f', 1},       {"float", 'f', 1},
    {"double", 'f', 2},     {"double precision", 'f', 2},
    {"char", 's', 1},       {"character", 's', 1},
    {"varchar", 's', 2},    {"character varying", 's', 2},
    {"tinytext", 's', 3},   {"text", 's', 4},
    {"mediumtext", 's', 5}, {"longtext", 's', 6},
    {"binary", 'b', 1},     {"varbinary", 'b', 2},
    {"tinyblob", 'b', 3},   {"blob", 'b', 4},
    {"mediumblob", 'b', 5}, {"longblob", 'b', 6},
};

struct type {
    char name[128]; /* without size, sign and filling; "": it is longer */
    bool is_unsigned;
    char family; /* 0: it is like itself only */
    int rank;
};

static bool take_out(char *text, const char *what)
{
    char *found = strstr(text, what);

    if (found == NULL)
        return false;
    memmove(found, found + strlen(what), strlen(found + strlen(what)) + 1);
    return true;
}

/* Of a domain the type that it is made of. varchar(20) is written as varchar(10) is. */
static struct type type_of(struct cdc_span column)
{
    struct cdc_span raw = cdc_json_member_raw(column, "base_type");
    struct type type = {.family = 0};
    char *open, *close;

    if (raw.n == 0)
        raw = cdc_json_member_raw(column, "type");
    if (raw.n == 0 || raw.n >= sizeof type.name)
        return type;
    memcpy(type.name, raw.p, raw.n);
    if ((open = strchr(type.name, '(')) != NULL && (close = strrchr(open, ')')) != NULL)
        memmove(open, close + 1, strlen(close + 1) + 1);
    type.is_unsigned = take_out(type.name, " unsigned");
    (void)take_out(type.name, " zerofill");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, type.name) == 0) {
            type.family = types[i].family;
            type.rank = types[i].rank;
        }
    return type;
}

/* MySQL's is true or false, and any other one a text. */
static bool is_bit1(struct cdc_span column)
{
    return cdc_span_is(cdc_json_member_raw(column, "type"), "bit(1)");
}

static bool same_texts(struct cdc_span a, struct cdc_span b)
{
    return cdc_json_raw_equal(cdc_json_member_raw(a, "type"), cdc_json_member_raw(b, "type")) &&
           cdc_json_raw_equal(cdc_json_member_raw(a, "base_type"), cdc_json_member_raw(b, "base_type"));
}

struct cdc_span route_wider_type(struct cdc_span one, struct cdc_span two)
{
    struct type a = type_of(one), b = type_of(two);
    struct cdc_span neither = {NULL, 0};

    if (same_texts(one, two))
        return one;
    if (a.name[0] == '\0')
        return neither;
    if (a.is_unsigned != b.is_unsigned) { /* only a larger one with a sign holds both */
        const struct type *with = a.is_unsigned ? &b : &a, *without = a.is_unsigned ? &a : &b;
        return with->family == 'i' && without->family == 'i' && with->rank > without->rank ? (with == &a ? one : two)
                                                                                           : neither;
    }
    if (strcmp(a.name, b.name) == 0)
        return strcmp(a.name, "bit") == 0 && is_bit1(one) != is_bit1(two) ? neither : one;
    if (a.family == 0 || a.family != b.family)
        return neither;
    return a.rank >= b.rank ? one : two;
}
