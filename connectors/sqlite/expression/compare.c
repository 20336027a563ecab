/* SPDX-License-Identifier: MIT */
/* Which types go together, and how two nodes are compared. A literal takes the type of what it stands beside. */
#include <strings.h>

#include "connectors/sqlite/expression/compiler.h"
#include "connectors/sqlite/syntax/decimal.h"
#include "connectors/sqlite/syntax/moment.h"

static bool is(struct cdc_span text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

/* -- types of literals --------------------------------------------------------------------- */

bool compare_is_hexadecimal(struct cdc_span text)
{
    return text.n > 2 && (text.p[1] | 0x20) == 'x';
}

bool compare_is_integer(struct cdc_span text)
{
    int64_t number;

    return text.n > 0 && text.n < 25 && cdc_json_int64(text, &number);
}

static bool is_number(struct cdc_span text)
{
    struct decimal number;

    return decimal_parse(&number, text);
}

bool compare_is_truth(struct cdc_span text)
{
    return is(text, "t") || is(text, "true") || is(text, "f") || is(text, "false");
}

static bool is_moment(struct cdc_span text)
{
    char key[MOMENT_MAX];

    return moment_key(key, text);
}

/* The type that a text literal has beside something of that type: '5' is a number beside one. -1: it is none. */
int compare_literal_type(const struct node *node, enum lite_type beside)
{
    if (node->kind != NODE_TEXT)
        return node->type;
    switch (beside) {
    case LITE_TYPE_BOOL:
        if (compare_is_truth(node->text))
            return LITE_TYPE_BOOL;
        return compare_is_integer(node->text) ? LITE_TYPE_INTEGER : -1;
    case LITE_TYPE_INTEGER:
    case LITE_TYPE_DECIMAL:
    case LITE_TYPE_REAL:
        if (compare_is_integer(node->text))
            return LITE_TYPE_INTEGER;
        return is_number(node->text) ? LITE_TYPE_DECIMAL : -1;
    case LITE_TYPE_TIME: return is_moment(node->text) ? LITE_TYPE_TIME : -1;
    case LITE_TYPE_BYTES: return -1;
    default: return LITE_TYPE_TEXT;
    }
}

static bool is_decimal_literal(const struct node *node)
{
    return node->kind == NODE_NUMBER && node->type == LITE_TYPE_DECIMAL;
}

/* -- comparing ------------------------------------------------------------------------------- */

/* Of something taken out of JSON beside a node of that type: what the document has may be a text or a number, and SQLite would say
 * that a text is never equal to a number, and always greater. */
static enum form form_beside(const struct node *other, enum lite_type type)
{
    if (type == LITE_TYPE_TIME)
        return FORM_TIME;
    if (lite_type_is_text(type))
        return FORM_TEXT;
    /* numbers of JSON are doubles in SQLite */
    if (type == LITE_TYPE_REAL || (type == LITE_TYPE_DECIMAL && is_decimal_literal(other)))
        return FORM_REAL;
    return lite_type_is_number(type) ? FORM_DECIMAL : FORM_AS_IS;
}

int compare_form(const struct node *left, const struct node *right)
{
    int a = compare_literal_type(left, (enum lite_type)right->type),
        b = compare_literal_type(right, (enum lite_type)left->type);

    if (a < 0 || b < 0)
        return -1;
    enum lite_type x = (enum lite_type)a, y = (enum lite_type)b;
    if (x == LITE_TYPE_NULL || y == LITE_TYPE_NULL)
        return FORM_AS_IS;
    if (x == LITE_TYPE_ANY || y == LITE_TYPE_ANY)
        return (int)(x == LITE_TYPE_ANY ? form_beside(right, y) : form_beside(left, x));
    if (lite_type_is_number(x) && lite_type_is_number(y)) {
        if (x == LITE_TYPE_REAL || y == LITE_TYPE_REAL)
            return FORM_REAL;
        if (x == LITE_TYPE_DECIMAL || y == LITE_TYPE_DECIMAL)
            return FORM_DECIMAL;
        return x == LITE_TYPE_BOOL || y == LITE_TYPE_BOOL ? FORM_BOOL : FORM_INTEGER;
    }
    if (lite_type_is_text(x) && lite_type_is_text(y))
        return FORM_TEXT;
    if (x != y)
        return -1;
    return x == LITE_TYPE_TIME ? FORM_TIME : FORM_AS_IS;
}

static bool has_no_order(const struct node *node)
{
    return node->type == LITE_TYPE_OPAQUE || node->type == LITE_TYPE_JSON;
}

int compile_check_comparable(struct compiler *compiler, const struct node *left, const struct node *right, bool ordered)
{
    if (compare_form(left, right) < 0)
        return compile_refuse(compiler, "%s is compared with %s: quote one, or CAST it",
                              lite_type_name((enum lite_type)left->type), lite_type_name((enum lite_type)right->type));
    if (ordered && (has_no_order(left) || has_no_order(right)))
        return compile_refuse(compiler,
                              "the order of such a type is not that of its text: CAST(... AS TEXT) if it should be");
    return literal_check(compiler, left, right);
}

/* -- one type for several ---------------------------------------------------------------------- */

enum form compile_form(enum lite_type type)
{
    switch (type) {
    case LITE_TYPE_DECIMAL: return FORM_DECIMAL;
    case LITE_TYPE_REAL: return FORM_REAL;
    case LITE_TYPE_INTEGER: return FORM_INTEGER;
    case LITE_TYPE_BOOL: return FORM_BOOL;
    case LITE_TYPE_TEXT: return FORM_TEXT;
    default: return FORM_AS_IS;
    }
}

int compile_common_type(struct compiler *compiler, enum lite_type type, const struct node *node)
{
    int other = compare_literal_type(node, type);

    if (other < 0)
        return compile_refuse(compiler, "values of different types, %s and %s: CAST one of them", lite_type_name(type),
                              lite_type_name((enum lite_type)node->type));
    enum lite_type x = type, y = (enum lite_type)other;
    if (x == y || y == LITE_TYPE_NULL)
        return (int)x;
    if (x == LITE_TYPE_NULL)
        return (int)y;
    if (lite_type_is_number(x) && lite_type_is_number(y))
        return x > y ? (int)x : (int)y;
    if (x == LITE_TYPE_ANY || y == LITE_TYPE_ANY)
        return LITE_TYPE_ANY;
    if (lite_type_is_text(x) && lite_type_is_text(y))
        return LITE_TYPE_TEXT;
    return compile_refuse(compiler, "values of different types, %s and %s: CAST one of them", lite_type_name(x),
                          lite_type_name(y));
}

int compile_check_condition(struct compiler *compiler, const struct node *node)
{
    if (node->type == LITE_TYPE_NULL || node->type == LITE_TYPE_BOOL || node->type == LITE_TYPE_INTEGER ||
        node->type == LITE_TYPE_ANY)
        return 0;
    return compile_refuse(compiler, "%s is no condition", lite_type_name((enum lite_type)node->type));
}
