/* SPDX-License-Identifier: MIT */
/* The type of each node, from the leaves up; what does not go together is refused. */
#include <strings.h>

#include "connectors/sqlite/expression/compiler.h"

static bool is(struct cdc_span text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static int name_types(struct compiler *compiler, struct node *node)
{
    int number = names_resolve(compiler, node);

    if (number < 0)
        return -1;
    node->type = (int)compiler->out->parameters[number].type.type;
    return 0;
}

static int logic_types(struct compiler *compiler, struct node *node)
{
    node->type = LITE_TYPE_BOOL;
    for (const struct node *child = node->first; child != NULL; child = child->next)
        if (compile_check_condition(compiler, child) != 0)
            return -1;
    return 0;
}

static int check_number(struct compiler *compiler, const struct node *node)
{
    int type = compare_literal_type(node, LITE_TYPE_DECIMAL);

    if (type < 0 || (!lite_type_is_number((enum lite_type)type) && type != LITE_TYPE_ANY && type != LITE_TYPE_NULL))
        return compile_refuse(compiler, "%s is no number", lite_type_name((enum lite_type)node->type));
    return type;
}

static int sum_types(struct compiler *compiler, struct node *node)
{
    int type = LITE_TYPE_INTEGER;

    for (const struct node *child = node->first; child != NULL; child = child->next) {
        int one = check_number(compiler, child);
        if (one < 0)
            return -1;
        if (one > type)
            type = one;
    }
    node->type = type;
    if (type == LITE_TYPE_DECIMAL && (is(node->text, "/") || is(node->text, "%"))) {
        compile_refuse(compiler, "a quotient of decimals has no last digit");
        return cdc_error_hint(compiler->error, "use decimal_div(a, b, digits), or CAST(a AS REAL) / b");
    }
    return 0;
}

static int bits_types(struct compiler *compiler, struct node *node)
{
    node->type = LITE_TYPE_INTEGER;
    for (const struct node *child = node->first; child != NULL; child = child->next)
        if (child->type > LITE_TYPE_INTEGER && child->type != LITE_TYPE_ANY)
            return compile_refuse(compiler, "%s is no integer", lite_type_name((enum lite_type)child->type));
    return 0;
}

static int json_types(struct compiler *compiler, struct node *node)
{
    const struct node *document = node->first;

    node->type = is(node->text, "->") ? LITE_TYPE_JSON : LITE_TYPE_ANY;
    if (document->type == LITE_TYPE_JSON || document->type == LITE_TYPE_ANY || document->type == LITE_TYPE_NULL ||
        lite_type_is_text((enum lite_type)document->type))
        return 0;
    return compile_refuse(compiler, "%s is no JSON", lite_type_name((enum lite_type)document->type));
}

static int binary_types(struct compiler *compiler, struct node *node)
{
    char c = node->text.p[0];

    if (is(node->text, "AND") || is(node->text, "OR"))
        return logic_types(compiler, node);
    if (is(node->text, "||")) {
        node->type = LITE_TYPE_TEXT;
        return 0;
    }
    if (is(node->text, "->") || is(node->text, "->>"))
        return json_types(compiler, node);
    if (is(node->text, "<<") || is(node->text, ">>") || c == '&' || c == '|')
        return bits_types(compiler, node);
    if (strchr("+-*/%", c) != NULL)
        return sum_types(compiler, node);
    node->type = LITE_TYPE_BOOL;
    return compile_check_comparable(compiler, node->first, node->first->next,
                                    c == '<' ? node->text.p[1] != '>' : c == '>');
}

/* x IN (a, b), x BETWEEN a AND b: x with each of the others. */
static int list_types(struct compiler *compiler, struct node *node, bool ordered)
{
    node->type = LITE_TYPE_BOOL;
    for (const struct node *other = node->first->next; other != NULL; other = other->next)
        if (compile_check_comparable(compiler, node->first, other, ordered) != 0)
            return -1;
    return 0;
}

static int case_types(struct compiler *compiler, struct node *node)
{
    int type = LITE_TYPE_NULL;
    const struct node *base = node->has_base ? node->first : NULL,
                      *child = node->has_base ? node->first->next : node->first;

    for (; child != NULL; child = child->next) {
        if (child->next != NULL) {
            if ((base != NULL ? compile_check_comparable(compiler, base, child, false)
                              : compile_check_condition(compiler, child)) != 0)
                return -1;
            child = child->next;
        }
        if ((type = compile_common_type(compiler, (enum lite_type)type, child)) < 0)
            return -1;
    }
    node->type = type;
    return 0;
}

static int cast_types(struct compiler *compiler, struct node *node)
{
    struct lite_column_type type;

    if (is(node->text, "SIGNED") || is(node->text, "UNSIGNED"))
        node->type = LITE_TYPE_INTEGER;
    else if (is(node->text, "ANY"))
        node->type = LITE_TYPE_ANY;
    else {
        type = lite_type_of_column(node->text.p, compiler->scope->mysql);
        node->type = (int)type.type;
    }
    if (node->type == LITE_TYPE_OPAQUE || node->type == LITE_TYPE_BOOL)
        return compile_refuse(compiler, "CAST to \"%.*s\" is not there", (int)node->text.n, node->text.p);
    return 0;
}

static int collate_types(struct compiler *compiler, struct node *node)
{
    node->type = LITE_TYPE_TEXT;
    if (!is(node->text, "NOCASE") && !is(node->text, "BINARY") && !is(node->text, "RTRIM"))
        return compile_refuse(compiler, "there is no collation \"%.*s\", only BINARY, NOCASE and RTRIM",
                              (int)node->text.n, node->text.p);
    return lite_type_is_text((enum lite_type)node->first->type) || node->first->type == LITE_TYPE_ANY
               ? 0
               : compile_refuse(compiler, "%s has no collation", lite_type_name((enum lite_type)node->first->type));
}

static int node_types(struct compiler *compiler, struct node *node)
{
    switch (node->kind) {
    case NODE_NULL: node->type = LITE_TYPE_NULL; return 0;
    case NODE_BOOL: node->type = LITE_TYPE_BOOL; return 0;
    case NODE_NUMBER:
        node->type = compare_is_hexadecimal(node->text) || compare_is_integer(node->text) ? LITE_TYPE_INTEGER
                                                                                          : LITE_TYPE_DECIMAL;
        return 0;
    case NODE_TEXT: node->type = LITE_TYPE_TEXT; return 0;
    case NODE_BYTES: node->type = LITE_TYPE_BYTES; return 0;
    case NODE_NAME: return name_types(compiler, node);
    case NODE_NOT: return logic_types(compiler, node);
    case NODE_MINUS: return sum_types(compiler, node);
    case NODE_INVERT: return bits_types(compiler, node);
    case NODE_BINARY: return binary_types(compiler, node);
    case NODE_IS:
        node->type = LITE_TYPE_BOOL;
        return compile_check_comparable(compiler, node->first, node->first->next, false);
    case NODE_LIKE: node->type = LITE_TYPE_BOOL; return 0;
    case NODE_IN: return list_types(compiler, node, false);
    case NODE_BETWEEN: return list_types(compiler, node, true);
    case NODE_CASE: return case_types(compiler, node);
    case NODE_CAST: return cast_types(compiler, node);
    case NODE_CALL: return call_types(compiler, node);
    case NODE_COLLATE: return collate_types(compiler, node);
    }
    return 0;
}

int compile_types(struct compiler *compiler, struct node *node)
{
    for (struct node *child = node->first; child != NULL; child = child->next)
        if (compile_types(compiler, child) != 0)
            return -1;
    compiler->at = node->at;
    return node_types(compiler, node);
}
