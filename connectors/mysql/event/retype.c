/* SPDX-License-Identifier: MIT */
/* Types as information_schema and statements write them, compared by what of the values survives. With a strict sql_mode the
 * server refuses an ALTER that would lose something, but for spaces at the end of a text. */
#include "connectors/mysql/event/retype.h"
#include "connectors/mysql/event/lexer_internal.h"

#include <stdlib.h>

#define MODE_STRICT (UINT64_C(3) << 21) /* STRICT_TRANS_TABLES, STRICT_ALL_TABLES */

enum family {
    FAMILY_OTHER, /* the same type keeps its values */
    FAMILY_INTEGER,
    FAMILY_DECIMAL,
    FAMILY_TEXT,
    FAMILY_BYTES,
    FAMILY_LABELS,
    FAMILY_UNKNOWN
};

/* rank: bytes of an integer; of texts and bytes what they hold: 0: their length in brackets. */
static const struct known {
    const char *word, *name;
    enum family family;
    unsigned rank;
} known[] = {
    {"tinyint", "tinyint", FAMILY_INTEGER, 1},
    {"int1", "tinyint", FAMILY_INTEGER, 1},
    {"bool", "tinyint", FAMILY_INTEGER, 1},
    {"boolean", "tinyint", FAMILY_INTEGER, 1},
    {"smallint", "smallint", FAMILY_INTEGER, 2},
    {"int2", "smallint", FAMILY_INTEGER, 2},
    {"mediumint", "mediumint", FAMILY_INTEGER, 3},
    {"int3", "mediumint", FAMILY_INTEGER, 3},
    {"middleint", "mediumint", FAMILY_INTEGER, 3},
    {"int", "int", FAMILY_INTEGER, 4},
    {"integer", "int", FAMILY_INTEGER, 4},
    {"int4", "int", FAMILY_INTEGER, 4},
    {"bigint", "bigint", FAMILY_INTEGER, 8},
    {"int8", "bigint", FAMILY_INTEGER, 8},
    {"decimal", "decimal", FAMILY_DECIMAL, 0},
    {"dec", "decimal", FAMILY_DECIMAL, 0},
    {"numeric", "decimal", FAMILY_DECIMAL, 0},
    {"fixed", "decimal", FAMILY_DECIMAL, 0},
    {"varchar", "varchar", FAMILY_TEXT, 0},
    {"tinytext", "tinytext", FAMILY_TEXT, 1},
    {"text", "text", FAMILY_TEXT, 2},
    {"mediumtext", "mediumtext", FAMILY_TEXT, 3},
    {"longtext", "longtext", FAMILY_TEXT, 4},
    {"varbinary", "varbinary", FAMILY_BYTES, 0},
    {"tinyblob", "tinyblob", FAMILY_BYTES, 1},
    {"blob", "blob", FAMILY_BYTES, 2},
    {"mediumblob", "mediumblob", FAMILY_BYTES, 3},
    {"longblob", "longblob", FAMILY_BYTES, 4},
    {"enum", "enum", FAMILY_LABELS, 0},
    {"set", "set", FAMILY_LABELS, 0},
    {"char", "char", FAMILY_OTHER, 0},
    {"character", "char", FAMILY_OTHER, 0},
    {"binary", "binary", FAMILY_OTHER, 0},
    {"float", "float", FAMILY_OTHER, 0},
    {"double", "double", FAMILY_OTHER, 0},
    {"bit", "bit", FAMILY_OTHER, 0},
    {"year", "year", FAMILY_OTHER, 0},
    {"date", "date", FAMILY_OTHER, 0},
    {"time", "time", FAMILY_OTHER, 0},
    {"datetime", "datetime", FAMILY_OTHER, 0},
    {"timestamp", "timestamp", FAMILY_OTHER, 0},
    {"json", "json", FAMILY_OTHER, 0},
    {"uuid", "uuid", FAMILY_OTHER, 0},
    {"inet4", "inet4", FAMILY_OTHER, 0},
    {"inet6", "inet6", FAMILY_OTHER, 0},
    {"geometry", "geometry", FAMILY_OTHER, 0},
    {"point", "point", FAMILY_OTHER, 0},
};

struct type {
    const char *name;
    enum family family;
    unsigned rank;
    size_t n; /* numbers in the brackets */
    unsigned long numbers[2];
    struct cdc_span brackets; /* what is between them */
    bool is_unsigned, zerofill;
};

/* (10,2); of labels the numbers mean nothing. */
static void read_brackets(struct my_lexer *lexer, struct type *type)
{
    struct my_token token = my_lexer_peek(lexer);
    if (!my_token_is_symbol(&token, '('))
        return;
    my_lexer_next(lexer);
    const char *start = lexer->p;
    for (;;) {
        token = my_lexer_next(lexer);
        if (token.kind == MY_TOKEN_END || my_token_is_symbol(&token, ')'))
            break;
        if (type->n < 2 && token.kind == MY_TOKEN_WORD && my_lexer_is_digit(token.text.p[0]))
            type->numbers[type->n++] = strtoul(token.text.p, NULL, 10);
    }
    type->brackets = cdc_span(start, (size_t)(token.start - start));
}

static struct type read_type(struct my_lexer *lexer)
{
    struct type type = {.family = FAMILY_UNKNOWN};
    struct my_token word = my_lexer_next(lexer);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (my_token_is(&word, known[i].word)) {
            type.name = known[i].name;
            type.family = known[i].family;
            type.rank = known[i].rank;
        }
    struct my_token next = my_lexer_peek(lexer);
    if (my_token_is(&next, "varying") || my_token_is(&next, "precision")) {
        type.family = FAMILY_UNKNOWN;
        return type;
    }
    read_brackets(lexer, &type);
    if (type.family == FAMILY_DECIMAL && type.n == 0) {
        type.n = 1;
        type.numbers[0] = 10;
    }
    return type;
}

/* What follows the type: signs, charset, NULL and the rest. */
struct rest {
    bool not_null, null, invents, binary, charset;
};

/* CHARSET x, CHARACTER SET x, COLLATE x */
static bool names_charset(const struct my_token *before)
{
    return my_token_is(before, "set") || my_token_is(before, "charset") || my_token_is(before, "collate");
}

/* CHARACTER SET 'binary', CHARSET "binary", COLLATE `binary` */
static bool quotes_binary(const struct my_token *before, const struct my_token *token)
{
    bool quoted = token->kind == MY_TOKEN_STRING || token->kind == MY_TOKEN_DOUBLE || token->kind == MY_TOKEN_QUOTED;
    return quoted && token->text.n == strlen("binary") && my_lexer_same_name(token->text.p, cdc_span_text("binary")) &&
           names_charset(before);
}

static struct rest read_rest(struct my_lexer *lexer, struct type *type)
{
    struct rest rest = {false, false, false, false, false};
    struct my_token before = {.kind = MY_TOKEN_END};
    int depth = 0;
    for (struct my_token token = my_lexer_next(lexer); token.kind != MY_TOKEN_END; token = my_lexer_next(lexer)) {
        depth += my_token_is_symbol(&token, '(') - my_token_is_symbol(&token, ')');
        if (depth != 0)
            continue;
        type->is_unsigned |= my_token_is(&token, "unsigned");
        type->zerofill |= my_token_is(&token, "zerofill");
        if (my_token_is(&token, "null")) {
            rest.not_null |= my_token_is(&before, "not");
            rest.null |= !my_token_is(&before, "not") && !my_token_is(&before, "default");
        }
        rest.invents |= my_token_is(&token, "auto_increment") || my_token_is(&token, "as") ||
                        my_token_is(&token, "serial") || my_token_is(&token, "compressed");
        rest.binary |= my_token_is(&token, "binary") || my_token_is(&token, "byte") || quotes_binary(&before, &token);
        rest.charset |= names_charset(&before);
        before = token;
    }
    return rest;
}

static bool same_numbers(const struct type *a, const struct type *b)
{
    return a->n == b->n && a->numbers[0] == b->numbers[0] && a->numbers[1] == b->numbers[1];
}

/* One with a length holds so many characters, of four bytes at most; the others so many bytes. */
static bool holds_text(const struct type *old, const struct type *new, unsigned bytes)
{
    static const unsigned long sizes[] = {0, 255, 65535, 16777215, 4294967295};
    if (new->rank == 0)
        return old->rank == 0 && old->n == 1 && new->n == 1 && new->numbers[0] >= old->numbers[0];
    if (new->n != 0)
        return false;
    return old->rank > 0 ? new->rank >= old->rank : old->n == 1 && old->numbers[0] * bytes <= sizes[new->rank];
}

/* 'a','b' and then 'a', 'b', 'c' */
static bool begins_with_labels(const struct type *old, const struct type *new, const struct my_lexer *lexer)
{
    struct my_lexer had = my_lexer_of(old->brackets), has = *lexer;
    has.p = new->brackets.p;
    has.end = new->brackets.p + new->brackets.n;
    for (;;) {
        struct my_token a = my_lexer_next(&had), b = my_lexer_next(&has);
        if (a.kind == MY_TOKEN_END)
            return true;
        if (a.kind != b.kind || !cdc_span_equal(a.text, b.text))
            return false;
    }
}

static bool keeps(const struct type *old, const struct type *new, const struct my_lexer *lexer, bool strict)
{
    if (old->family != new->family || old->zerofill || new->zerofill)
        return false;
    switch (new->family) {
    case FAMILY_INTEGER: return strict || (new->rank >= old->rank &&new->is_unsigned == old->is_unsigned);
    case FAMILY_DECIMAL:
        return new->numbers[1] == old->numbers[1] && new->numbers[0] >= old->numbers[0] &&
               (strict || new->is_unsigned == old->is_unsigned);
    case FAMILY_TEXT: return strict && holds_text(old, new, 4); /* it may get another charset, which nobody says */
    case FAMILY_BYTES: return holds_text(old, new, 1);
    case FAMILY_LABELS: /* another charset may lack a character of a label */
        return strict && strcmp(old->name, new->name) == 0 && begins_with_labels(old, new, lexer);
    case FAMILY_OTHER:
        return strcmp(old->name, new->name) == 0 && same_numbers(old, new) &&
               (strict || (strcmp(new->name, "char") != 0 && new->is_unsigned == old->is_unsigned));
    default: return false;
    }
}

/* By the rules of the statement that it stands in. */
static struct my_lexer lexer_of(const struct my_event_query *query, struct cdc_span definition)
{
    struct my_lexer lexer = my_lexer_of_query(query);
    lexer.p = definition.p;
    lexer.end = definition.p + definition.n;
    return lexer;
}

bool my_retype_keeps_values(const char *type, bool nullable, const struct my_event_query *query,
                            struct cdc_span definition)
{
    struct my_lexer old_lexer = my_lexer_of(cdc_span_text(type)), lexer = lexer_of(query, definition);
    bool strict = (query->sql_mode & MODE_STRICT) != 0;
    struct type old = read_type(&old_lexer), new = read_type(&lexer);
    const struct my_lexer labels = lexer;
    (void)read_rest(&old_lexer, &old);
    const struct rest rest = read_rest(&lexer, &new);
    if (rest.invents || (rest.binary && new.family != FAMILY_BYTES) || lexer.broken)
        return false;
    if (nullable && ((rest.not_null && !strict) || (new.name &&strcmp(new.name, "timestamp") == 0 && !rest.null)))
        return false;
    return keeps(&old, &new, &labels, strict);
}

bool my_retype_changes_null(bool nullable, const struct my_event_query *query, struct cdc_span definition)
{
    struct my_lexer lexer = lexer_of(query, definition);
    struct type type = read_type(&lexer);
    return read_rest(&lexer, &type).not_null == nullable;
}

bool my_retype_takes_default_charset(const struct my_event_query *query, struct cdc_span definition)
{
    struct my_lexer lexer = lexer_of(query, definition);
    struct type type = read_type(&lexer);
    bool text =
        type.family == FAMILY_TEXT || type.family == FAMILY_LABELS || (type.name && strcmp(type.name, "char") == 0);
    return text && !read_rest(&lexer, &type).charset;
}
