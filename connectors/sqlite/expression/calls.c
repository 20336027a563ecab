/* SPDX-License-Identifier: MIT */
/* The functions that an expression may call: those of SQLite whose result depends on their arguments alone, and a few of ours.
 * A stage gives the same lines when it is started again, so there is no random() and no time of now. There is no printf(): it
 * rounds decimals, and is NULL where it is too long. */
#include <strings.h>

#include "connectors/sqlite/expression/compiler.h"

enum rule {
    RULE_TEXT,
    RULE_INTEGER,
    RULE_BOOL,
    RULE_REAL, /* of doubles: decimals must be cast */
    RULE_TIME,
    RULE_JSON,
    RULE_ANY,
    RULE_BYTES,
    RULE_NUMBER,  /* the type of its first argument, in functions of ours */
    RULE_COMMON,  /* the type that all arguments have */
    RULE_LEAST,   /* the same, and they are compared */
    RULE_IIF,     /* a condition, and two of one type */
    RULE_NULLIF,  /* two that are compared */
    RULE_DECIMAL, /* decimal_div */
};

struct function {
    const char *name;
    size_t least, most;
    enum rule rule;
    const char *ours; /* what is called instead; NULL: itself */
};

#define MANY 100
static const struct function functions[] = {
    {"abs", 1, 1, RULE_NUMBER, "cdc_abs"},
    {"acos", 1, 1, RULE_REAL, NULL},
    {"asin", 1, 1, RULE_REAL, NULL},
    {"atan", 1, 1, RULE_REAL, NULL},
    {"atan2", 2, 2, RULE_REAL, NULL},
    {"ceil", 1, 1, RULE_REAL, NULL},
    {"char", 1, MANY, RULE_TEXT, NULL},
    {"coalesce", 2, MANY, RULE_COMMON, NULL},
    {"cos", 1, 1, RULE_REAL, NULL},
    {"date", 1, MANY, RULE_TIME, NULL},
    {"datetime", 1, MANY, RULE_TIME, NULL},
    {"decimal_div", 3, 3, RULE_DECIMAL, "cdc_quotient"},
    {"exp", 1, 1, RULE_REAL, NULL},
    {"floor", 1, 1, RULE_REAL, NULL},
    {"hex", 1, 1, RULE_TEXT, NULL},
    {"ifnull", 2, 2, RULE_COMMON, "coalesce"},
    {"iif", 3, 3, RULE_IIF, NULL},
    {"instr", 2, 2, RULE_INTEGER, NULL},
    {"json", 1, 1, RULE_JSON, NULL},
    {"json_array", 0, MANY, RULE_JSON, NULL},
    {"json_array_length", 1, 2, RULE_INTEGER, NULL},
    {"json_extract", 2, MANY, RULE_ANY, NULL},
    {"json_insert", 1, MANY, RULE_JSON, NULL},
    {"json_object", 0, MANY, RULE_JSON, NULL},
    {"json_patch", 2, 2, RULE_JSON, NULL},
    {"json_quote", 1, 1, RULE_JSON, NULL},
    {"json_remove", 1, MANY, RULE_JSON, NULL},
    {"json_replace", 1, MANY, RULE_JSON, NULL},
    {"json_set", 1, MANY, RULE_JSON, NULL},
    {"json_type", 1, 2, RULE_TEXT, NULL},
    {"json_valid", 1, 1, RULE_BOOL, NULL},
    {"julianday", 1, MANY, RULE_REAL, NULL},
    {"length", 1, 1, RULE_INTEGER, NULL},
    {"ln", 1, 1, RULE_REAL, NULL},
    {"log10", 1, 1, RULE_REAL, NULL},
    {"lower", 1, 1, RULE_TEXT, NULL},
    {"ltrim", 1, 2, RULE_TEXT, NULL},
    {"max", 2, MANY, RULE_LEAST, "cdc_max"},
    {"min", 2, MANY, RULE_LEAST, "cdc_min"},
    {"nullif", 2, 2, RULE_NULLIF, NULL},
    {"pow", 2, 2, RULE_REAL, NULL},
    {"replace", 3, 3, RULE_TEXT, NULL},
    {"round", 1, 2, RULE_NUMBER, "cdc_round"},
    {"rtrim", 1, 2, RULE_TEXT, NULL},
    {"sign", 1, 1, RULE_INTEGER, "cdc_sign"},
    {"sin", 1, 1, RULE_REAL, NULL},
    {"sqrt", 1, 1, RULE_REAL, NULL},
    {"strftime", 2, MANY, RULE_TEXT, NULL},
    {"substr", 2, 3, RULE_TEXT, NULL},
    {"substring", 2, 3, RULE_TEXT, "substr"},
    {"tan", 1, 1, RULE_REAL, NULL},
    {"time", 1, MANY, RULE_TEXT, NULL},
    {"trim", 1, 2, RULE_TEXT, NULL},
    {"unicode", 1, 1, RULE_INTEGER, NULL},
    {"upper", 1, 1, RULE_TEXT, NULL},
};

static const struct function *find(const struct node *node)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strlen(functions[i].name) == node->text.n &&
            strncasecmp(functions[i].name, node->text.p, node->text.n) == 0)
            return &functions[i];
    return NULL;
}

/* -- types -------------------------------------------------------------------------------- */

static int common_types(struct compiler *compiler, struct node *node, const struct node *first)
{
    int type = LITE_TYPE_NULL;

    for (const struct node *child = first; child != NULL; child = child->next)
        if ((type = compile_common_type(compiler, (enum lite_type)type, child)) < 0)
            return -1;
    node->type = type;
    return 0;
}

static int least_types(struct compiler *compiler, struct node *node)
{
    if (common_types(compiler, node, node->first) != 0)
        return -1;
    for (const struct node *child = node->first->next; child != NULL; child = child->next)
        if (compile_check_comparable(compiler, node->first, child, true) != 0)
            return -1;
    if (node->type == LITE_TYPE_TIME || node->type == LITE_TYPE_ANY)
        return compile_refuse(compiler, "%.*s() is not for %s: use CASE", (int)node->text.n, node->text.p,
                              lite_type_name((enum lite_type)node->type));
    return 0;
}

static int real_types(struct compiler *compiler, struct node *node)
{
    node->type = LITE_TYPE_REAL;
    for (const struct node *child = node->first; child != NULL; child = child->next)
        if (child->type == LITE_TYPE_DECIMAL && child->kind != NODE_NUMBER)
            return compile_refuse(compiler, "%.*s() works with doubles: CAST(... AS REAL)", (int)node->text.n,
                                  node->text.p);
    return 0;
}

static int number_types(struct compiler *compiler, struct node *node)
{
    int type = node->first->type;

    node->type = type;
    if (!lite_type_is_number((enum lite_type)type) && type != LITE_TYPE_ANY && type != LITE_TYPE_NULL)
        return compile_refuse(compiler, "%s is no number", lite_type_name((enum lite_type)type));
    return 0;
}

static int rule_types(struct compiler *compiler, struct node *node, enum rule rule)
{
    static const enum lite_type plain[] = {
        [RULE_TEXT] = LITE_TYPE_TEXT,   [RULE_INTEGER] = LITE_TYPE_INTEGER, [RULE_BOOL] = LITE_TYPE_BOOL,
        [RULE_TIME] = LITE_TYPE_TIME,   [RULE_JSON] = LITE_TYPE_JSON,       [RULE_ANY] = LITE_TYPE_ANY,
        [RULE_BYTES] = LITE_TYPE_BYTES, [RULE_DECIMAL] = LITE_TYPE_DECIMAL};

    switch (rule) {
    case RULE_REAL: return real_types(compiler, node);
    case RULE_NUMBER: return number_types(compiler, node);
    case RULE_COMMON: return common_types(compiler, node, node->first);
    case RULE_LEAST: return least_types(compiler, node);
    case RULE_IIF:
        return compile_check_condition(compiler, node->first) != 0 ? -1
                                                                   : common_types(compiler, node, node->first->next);
    case RULE_NULLIF:
        node->type = node->first->type;
        return compile_check_comparable(compiler, node->first, node->first->next, false);
    default: node->type = (int)plain[rule]; return 0;
    }
}

int call_types(struct compiler *compiler, struct node *node)
{
    const struct function *function = find(node);

    if (function == NULL)
        return compile_refuse(compiler, "there is no function %.*s()", (int)node->text.n, node->text.p);
    if (node->n < function->least || node->n > function->most)
        return compile_refuse(compiler, "%s() takes another number of arguments", function->name);
    return rule_types(compiler, node, function->rule);
}

/* -- what is called -------------------------------------------------------------------------------- */

static enum form form_of_arguments(const struct node *node, enum rule rule)
{
    switch (rule) {
    case RULE_REAL: return FORM_REAL;
    case RULE_NUMBER:
    case RULE_DECIMAL:
    case RULE_LEAST:
    case RULE_COMMON:
    case RULE_IIF: return compile_form((enum lite_type)node->type);
    case RULE_TEXT: return FORM_TEXT;
    default: return FORM_AS_IS;
    }
}

bool call_is_nullif(const struct node *node)
{
    return find(node)->rule == RULE_NULLIF;
}

bool call_is_choice(const struct node *node)
{
    enum rule rule = find(node)->rule;

    return rule == RULE_COMMON || rule == RULE_IIF || rule == RULE_NULLIF;
}

/* SQLite's own max and min are right for integers, doubles and texts. */
const char *call_name(const struct node *node)
{
    const struct function *function = find(node);
    bool own = function->rule == RULE_LEAST && node->type != LITE_TYPE_DECIMAL;

    return function->ours != NULL && !own ? function->ours : function->name;
}

bool call_ends_at_nul(const struct node *node)
{
    const char *name = call_name(node);

    return strcmp(name, "length") == 0 || strcmp(name, "substr") == 0;
}

const struct node *call_time(const struct node *node)
{
    static const char *const of_dates[] = {"date", "time", "datetime", "julianday", "strftime"};
    const char *name = call_name(node);

    for (size_t i = 0; i < sizeof of_dates / sizeof of_dates[0]; i++) {
        const struct node *argument = i < 4 ? node->first : node->first->next;
        if (strcmp(name, of_dates[i]) == 0 && argument->type == LITE_TYPE_TIME)
            return argument;
    }
    return NULL;
}

enum form call_form(const struct node *node, const struct node *argument)
{
    enum rule rule = find(node)->rule;

    return rule == RULE_IIF && argument == node->first ? FORM_AS_IS : form_of_arguments(node, rule);
}
