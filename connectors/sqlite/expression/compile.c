/* SPDX-License-Identifier: MIT */
/* Types go up the tree first, then the SQL is written down it. SQLite's own operators are used where they are exact: for
 * integers, texts and bytes. What has decimals goes through functions of ours (functions.c). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "connectors/sqlite/expression/compile.h"
#include "connectors/sqlite/syntax/decimal.h"
#include "connectors/sqlite/syntax/moment.h"

#define SQL_MAX ((size_t)1 << 20)

int compile_refuse(struct compiler *compiler, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return cdc_error_set(compiler->error, CDC_EXIT_CONFIG, "%s", text);
}

static bool is(struct cdc_span text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static void put(struct compiler *compiler, const char *text)
{
    cdc_buf_text(&compiler->out->sql, text);
}

static void put_quoted(struct compiler *compiler, struct cdc_span text)
{
    struct cdc_buf *sql = &compiler->out->sql;

    cdc_buf_byte(sql, '\'');
    for (size_t i = 0; i < text.n; i++) {
        cdc_buf_byte(sql, text.p[i]);
        if (text.p[i] == '\'')
            cdc_buf_byte(sql, '\'');
    }
    cdc_buf_byte(sql, '\'');
}

/* -- names ---------------------------------------------------------------------------------- */

static int add_parameter(struct compiler *compiler, struct parameter parameter)
{
    struct compiled *out = compiler->out;

    for (size_t i = 0; i < out->n; i++)
        if (out->parameters[i].kind == parameter.kind && out->parameters[i].column == parameter.column)
            return (int)i;
    struct parameter *more = realloc(out->parameters, (out->n + 1) * sizeof *more);
    if (more == NULL)
        return cdc_error_memory(compiler->error);
    out->parameters = more;
    more[out->n] = parameter;
    return (int)out->n++;
}

/* As it is spelled, else in any case where that is one column. */
static int find_column(struct compiler *compiler, struct cdc_span name, size_t *column)
{
    const struct scope *scope = compiler->scope;
    size_t found = 0;

    for (size_t i = 0; i < scope->n; i++)
        if (cdc_span_equal(name, cdc_span(scope->columns[i].name, scope->columns[i].name_n)))
            return *column = i, 1;
    for (size_t i = 0; i < scope->n; i++)
        if (scope->columns[i].name_n == name.n && is(name, scope->columns[i].name)) {
            *column = i;
            found++;
        }
    if (found > 1)
        return compile_refuse(compiler, "columns are named \"%.*s\" in several spellings: write the one that is meant",
                              (int)name.n, name.p);
    return (int)found;
}

static bool find_field(struct cdc_span name, struct parameter *parameter)
{
    static const struct {
        const char *name;
        enum parameter_kind kind;
        enum lite_type type;
    } fields[] = {{"op", PARAMETER_OP, LITE_TYPE_TEXT},       {"schema", PARAMETER_SCHEMA, LITE_TYPE_TEXT},
                  {"table", PARAMETER_TABLE, LITE_TYPE_TEXT}, {"db", PARAMETER_DB, LITE_TYPE_TEXT},
                  {"ts", PARAMETER_TS, LITE_TYPE_TIME},       {"ts_ms", PARAMETER_TS_MS, LITE_TYPE_INTEGER}};

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (is(name, fields[i].name)) {
            *parameter = (struct parameter){.kind = fields[i].kind, .type.type = fields[i].type};
            return true;
        }
    return false;
}

/* Which parameter the name stands for: its number, or -1. */
static int resolve(struct compiler *compiler, const struct node *node)
{
    struct parameter field, parameter = {.kind = PARAMETER_ROW};
    struct cdc_span name = node->text, qualifier = node->qualifier;
    bool is_event = qualifier.p != NULL && is(qualifier, "event");
    bool is_field = (qualifier.p == NULL || is_event) && find_field(name, &field);
    int found = is_event ? 0 : find_column(compiler, name, &parameter.column);

    if (found < 0)
        return -1;
    if (qualifier.p != NULL && !is_event && !is(qualifier, "old") && !is(qualifier, "new"))
        return compile_refuse(compiler, "\"%.*s.%.*s\": only old, new and event stand before a name", (int)qualifier.n,
                              qualifier.p, (int)name.n, name.p);
    if (found > 0 && is_field)
        return compile_refuse(compiler,
                              "\"%.*s\" is a column of the table, too: write new.%.*s for the column or event.%.*s",
                              (int)name.n, name.p, (int)name.n, name.p, (int)name.n, name.p);
    if (is_field)
        return add_parameter(compiler, field);
    if (found == 0)
        return compile_refuse(compiler, "there is no column \"%.*s\"", (int)name.n, name.p);
    if (qualifier.p != NULL && is(qualifier, "old"))
        parameter.kind = PARAMETER_OLD;
    parameter.type = lite_column_type(compiler->scope->columns[parameter.column].type, compiler->scope->mysql);
    return add_parameter(compiler, parameter);
}

static int name_types(struct compiler *compiler, struct node *node)
{
    int number = resolve(compiler, node);

    if (number < 0)
        return -1;
    node->type = (int)compiler->out->parameters[number].type.type;
    return 0;
}

/* -- types of literals --------------------------------------------------------------------- */

static bool is_hexadecimal(struct cdc_span text)
{
    return text.n > 2 && (text.p[1] | 0x20) == 'x';
}

static bool is_integer(struct cdc_span text)
{
    int64_t number;

    return text.n > 0 && text.n < 25 && cdc_json_int64(text, &number);
}

static bool is_number(struct cdc_span text)
{
    struct decimal number;

    return decimal_parse(&number, text);
}

static bool is_truth(struct cdc_span text)
{
    return is(text, "t") || is(text, "true") || is(text, "f") || is(text, "false");
}

static bool is_moment(struct cdc_span text)
{
    char key[MOMENT_MAX];

    return moment_key(key, text);
}

/* The type that a text literal has beside something of that type: '5' is a number beside one. -1: it is none. */
static int literal_type(const struct node *node, enum lite_type beside)
{
    if (node->kind != NODE_TEXT)
        return node->type;
    switch (beside) {
    case LITE_TYPE_BOOL:
        if (is_truth(node->text))
            return LITE_TYPE_BOOL;
        return is_integer(node->text) ? LITE_TYPE_INTEGER : -1;
    case LITE_TYPE_INTEGER:
    case LITE_TYPE_DECIMAL:
    case LITE_TYPE_REAL:
        if (is_integer(node->text))
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

static enum form form_of_any(const struct node *any, const struct node *other, enum lite_type type)
{
    (void)any;
    if (type == LITE_TYPE_TIME)
        return FORM_TIME;
    if (type == LITE_TYPE_DECIMAL) /* numbers of JSON are doubles in SQLite */
        return is_decimal_literal(other) ? FORM_REAL : FORM_DECIMAL;
    return FORM_AS_IS;
}

/* How two nodes are compared; -1: they cannot be. */
static int comparison_of(const struct node *left, const struct node *right)
{
    int a = literal_type(left, (enum lite_type)right->type), b = literal_type(right, (enum lite_type)left->type);

    if (a < 0 || b < 0)
        return -1;
    enum lite_type x = (enum lite_type)a, y = (enum lite_type)b;
    if (x == LITE_TYPE_NULL || y == LITE_TYPE_NULL)
        return FORM_AS_IS;
    if (x == LITE_TYPE_ANY || y == LITE_TYPE_ANY)
        return (int)(x == LITE_TYPE_ANY ? form_of_any(left, right, y) : form_of_any(right, left, x));
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
    if (comparison_of(left, right) < 0)
        return compile_refuse(compiler, "%s is compared with %s: quote one, or CAST it",
                              lite_type_name((enum lite_type)left->type), lite_type_name((enum lite_type)right->type));
    if (ordered && (has_no_order(left) || has_no_order(right)))
        return compile_refuse(compiler, "the order of such a type is not that of its text: CAST(... AS TEXT) if it should be");
    return 0;
}

void compile_compare(struct compiler *compiler, const struct node *left, const char *operator, const struct node *right)
{
    int form = comparison_of(left, right);

    put(compiler, form == FORM_DECIMAL ? "(cdc_compare(" : "(");
    compile_node(compiler, left, (enum form)form);
    put(compiler, form == FORM_DECIMAL ? "," : operator);
    compile_node(compiler, right, (enum form)form);
    if (form == FORM_DECIMAL) {
        put(compiler, ")");
        put(compiler, operator);
        put(compiler, "0");
    }
    put(compiler, ")");
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
    int other = literal_type(node, type);

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

/* -- types of operators -------------------------------------------------------------------------- */

int compile_check_condition(struct compiler *compiler, const struct node *node)
{
    if (node->type == LITE_TYPE_NULL || node->type == LITE_TYPE_BOOL || node->type == LITE_TYPE_INTEGER ||
        node->type == LITE_TYPE_ANY)
        return 0;
    return compile_refuse(compiler, "%s is no condition", lite_type_name((enum lite_type)node->type));
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
    int type = literal_type(node, LITE_TYPE_DECIMAL);

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
    return compile_check_comparable(compiler, node->first, node->first->next, c == '<' ? node->text.p[1] != '>' : c == '>');
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
    const struct node *base = node->has_base ? node->first : NULL, *child = node->has_base ? node->first->next : node->first;

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
        type = lite_column_type(node->text.p, compiler->scope->mysql);
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
        return compile_refuse(compiler, "there is no collation \"%.*s\", only BINARY, NOCASE and RTRIM", (int)node->text.n,
                              node->text.p);
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
        node->type = is_hexadecimal(node->text) || is_integer(node->text) ? LITE_TYPE_INTEGER : LITE_TYPE_DECIMAL;
        return 0;
    case NODE_TEXT: node->type = LITE_TYPE_TEXT; return 0;
    case NODE_BYTES: node->type = LITE_TYPE_BYTES; return 0;
    case NODE_NAME: return name_types(compiler, node);
    case NODE_NOT: return logic_types(compiler, node);
    case NODE_MINUS: return sum_types(compiler, node);
    case NODE_INVERT: return bits_types(compiler, node);
    case NODE_BINARY: return binary_types(compiler, node);
    case NODE_IS: node->type = LITE_TYPE_BOOL; return compile_check_comparable(compiler, node->first, node->first->next, false);
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
    return node_types(compiler, node);
}

/* -- writing ---------------------------------------------------------------------------------------- */

static void compile_number(struct compiler *compiler, struct cdc_span text, enum form form)
{
    struct cdc_buf *sql = &compiler->out->sql;

    if (is_hexadecimal(text) || is_integer(text)) {
        cdc_buf_span(sql, text);
    } else if (form == FORM_REAL) {
        put(compiler, "cdc_real(");
        put_quoted(compiler, text);
        put(compiler, ")");
    } else {
        put_quoted(compiler, text);
    }
}

static void compile_text(struct compiler *compiler, const struct node *node, enum form form)
{
    char key[MOMENT_MAX];

    if (form == FORM_TIME && moment_key(key, node->text))
        put_quoted(compiler, cdc_span_text(key));
    else if (form == FORM_BOOL && is_truth(node->text))
        put(compiler, (node->text.p[0] | 0x20) == 't' ? "1" : "0");
    else if (form == FORM_DECIMAL || form == FORM_REAL || form == FORM_INTEGER || form == FORM_BOOL)
        compile_number(compiler, node->text, form);
    else
        put_quoted(compiler, node->text);
}

static void compile_name(struct compiler *compiler, const struct node *node)
{
    char text[16];
    int number = resolve(compiler, node); /* it was found before */

    snprintf(text, sizeof text, "?%d", number + 1);
    put(compiler, text);
}

static void compile_call(struct compiler *compiler, const char *name, const struct node *node, enum form form)
{
    put(compiler, name);
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        put(compiler, child == node->first ? "(" : ",");
        compile_node(compiler, child, form);
    }
    put(compiler, ")");
}

static void compile_joined(struct compiler *compiler, const struct node *node, const char *operator, enum form form)
{
    put(compiler, "(");
    compile_node(compiler, node->first, form);
    put(compiler, operator);
    compile_node(compiler, node->first->next, form);
    put(compiler, ")");
}

static void compile_binary(struct compiler *compiler, const struct node *node)
{
    static const struct {
        const char *operator, *function;
    } sums[] = {{"+", "cdc_add"}, {"-", "cdc_subtract"}, {"*", "cdc_multiply"}, {"/", "cdc_divide"}, {"%", "cdc_remainder"}};
    const struct node *left = node->first, *right = left->next;
    enum form form = compile_form((enum lite_type)node->type);

    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        if (is(node->text, sums[i].operator)) {
            compile_call(compiler, sums[i].function, node, form == FORM_REAL ? FORM_REAL : FORM_DECIMAL);
            return;
        }
    if (is(node->text, "AND") || is(node->text, "OR"))
        compile_joined(compiler, node, node->text.n == 3 ? " AND " : " OR ", FORM_AS_IS);
    else if (is(node->text, "||"))
        compile_joined(compiler, node, "||", FORM_TEXT);
    else if (strchr("<>=", node->text.p[0]) != NULL && !is(node->text, "<<") && !is(node->text, ">>"))
        compile_compare(compiler, left, node->text.p, right);
    else
        compile_joined(compiler, node, node->text.p, FORM_AS_IS);
}

static void compile_is(struct compiler *compiler, const struct node *node)
{
    const struct node *left = node->first, *right = left->next;

    put(compiler, node->negated ? "(NOT " : "(");
    if (comparison_of(left, right) != FORM_DECIMAL) {
        compile_compare(compiler, left, " IS ", right);
    } else {
        put(compiler, "coalesce(");
        compile_compare(compiler, left, "=", right);
        put(compiler, ",(");
        compile_node(compiler, left, FORM_DECIMAL);
        put(compiler, " IS NULL) AND (");
        compile_node(compiler, right, FORM_DECIMAL);
        put(compiler, " IS NULL))");
    }
    put(compiler, ")");
}

/* n alternatives from *node on, as a tree of little height: a chain of thousands would be too high for SQLite. */
static const struct node *compile_alternatives(struct compiler *compiler, const struct node *value, const struct node *node,
                                               size_t n)
{
    if (n == 1) {
        compile_compare(compiler, value, "=", node);
        return node->next;
    }
    put(compiler, "(");
    node = compile_alternatives(compiler, value, node, n / 2);
    put(compiler, " OR ");
    node = compile_alternatives(compiler, value, node, n - n / 2);
    put(compiler, ")");
    return node;
}

static void compile_in(struct compiler *compiler, const struct node *node)
{
    put(compiler, node->negated ? "(NOT " : "(");
    if (node->n == 1) {
        compile_node(compiler, node->first, FORM_AS_IS);
        put(compiler, " IN ()");
    } else {
        compile_alternatives(compiler, node->first, node->first->next, node->n - 1);
    }
    put(compiler, ")");
}

static void compile_between(struct compiler *compiler, const struct node *node)
{
    const struct node *low = node->first->next;

    put(compiler, node->negated ? "(NOT (" : "((");
    compile_compare(compiler, node->first, ">=", low);
    put(compiler, " AND ");
    compile_compare(compiler, node->first, "<=", low->next);
    put(compiler, "))");
}

static void compile_like(struct compiler *compiler, const struct node *node)
{
    const struct node *pattern = node->first->next;

    put(compiler, node->negated ? "(NOT (" : "((");
    compile_node(compiler, node->first, FORM_TEXT);
    put(compiler, node->text.p[0] == 'L' ? " LIKE " : " GLOB ");
    compile_node(compiler, pattern, FORM_TEXT);
    if (pattern->next != NULL) {
        put(compiler, " ESCAPE ");
        compile_node(compiler, pattern->next, FORM_TEXT);
    }
    put(compiler, "))");
}

static void compile_case(struct compiler *compiler, const struct node *node)
{
    const struct node *base = node->has_base ? node->first : NULL, *child = node->has_base ? node->first->next : node->first;
    enum form form = compile_form((enum lite_type)node->type);

    put(compiler, "(CASE");
    for (; child != NULL; child = child->next) {
        if (child->next != NULL) {
            put(compiler, " WHEN ");
            if (base != NULL)
                compile_compare(compiler, base, "=", child);
            else
                compile_node(compiler, child, FORM_AS_IS);
            child = child->next;
            put(compiler, " THEN ");
        } else {
            put(compiler, " ELSE ");
        }
        compile_node(compiler, child, form);
    }
    put(compiler, " END)");
}

static void compile_cast(struct compiler *compiler, const struct node *node)
{
    switch (node->type) {
    case LITE_TYPE_INTEGER: compile_call(compiler, "cdc_integer", node, FORM_DECIMAL); break;
    case LITE_TYPE_DECIMAL: compile_call(compiler, "cdc_decimal", node, FORM_DECIMAL); break;
    case LITE_TYPE_REAL: compile_call(compiler, "cdc_real", node, FORM_DECIMAL); break;
    case LITE_TYPE_JSON: compile_call(compiler, "json", node, FORM_TEXT); break;
    case LITE_TYPE_TEXT: compile_call(compiler, "cdc_text", node, FORM_TEXT); break;
    case LITE_TYPE_BYTES:
        put(compiler, "CAST(");
        compile_node(compiler, node->first, FORM_TEXT);
        put(compiler, " AS BLOB)");
        break;
    default: compile_node(compiler, node->first, FORM_AS_IS);
    }
}

static void compile_plain(struct compiler *compiler, const struct node *node, enum form form)
{
    switch (node->kind) {
    case NODE_NULL: put(compiler, "NULL"); break;
    case NODE_BOOL: put(compiler, (node->text.p[0] | 0x20) == 't' ? "TRUE" : "FALSE"); break;
    case NODE_NUMBER: compile_number(compiler, node->text, form); break;
    case NODE_TEXT: compile_text(compiler, node, form); break;
    case NODE_BYTES: cdc_buf_span(&compiler->out->sql, node->text); break;
    case NODE_NAME: compile_name(compiler, node); break;
    case NODE_NOT: compile_call(compiler, "(NOT ", node, FORM_AS_IS); put(compiler, ")"); break;
    case NODE_MINUS: compile_call(compiler, "cdc_minus", node, FORM_DECIMAL); break;
    case NODE_INVERT: compile_call(compiler, "(~", node, FORM_AS_IS); put(compiler, ")"); break;
    case NODE_BINARY: compile_binary(compiler, node); break;
    case NODE_IS: compile_is(compiler, node); break;
    case NODE_LIKE: compile_like(compiler, node); break;
    case NODE_IN: compile_in(compiler, node); break;
    case NODE_BETWEEN: compile_between(compiler, node); break;
    case NODE_CASE: compile_case(compiler, node); break;
    case NODE_CAST: compile_cast(compiler, node); break;
    case NODE_CALL: call_compile(compiler, node); break;
    case NODE_COLLATE:
        put(compiler, "(");
        compile_node(compiler, node->first, FORM_TEXT);
        put(compiler, " COLLATE ");
        put(compiler, node->text.p);
        put(compiler, ")");
    }
}

static bool is_literal(const struct node *node)
{
    return node->kind == NODE_NUMBER || node->kind == NODE_TEXT;
}

/* What is no literal is turned into what the form asks for. */
static const char *wrapper_of(const struct node *node, enum form form)
{
    if (is_literal(node))
        return NULL;
    if (form == FORM_TIME)
        return "cdc_moment(";
    if (form == FORM_REAL && (node->type == LITE_TYPE_DECIMAL || node->type == LITE_TYPE_ANY))
        return node->type == LITE_TYPE_DECIMAL ? "cdc_real(" : NULL;
    if (form == FORM_TEXT && node->type == LITE_TYPE_REAL)
        return "cdc_text(";
    return NULL;
}

void compile_node(struct compiler *compiler, const struct node *node, enum form form)
{
    if (compiler->out->sql.len > SQL_MAX) /* nested lists grow with each level */
        return;
    const char *wrapper = wrapper_of(node, form);
    if (wrapper != NULL)
        put(compiler, wrapper);
    compile_plain(compiler, node, form);
    if (wrapper != NULL)
        put(compiler, ")");
}

/* -- all of it ----------------------------------------------------------------------------------------- */

/* May a value of that type become one of the column's? */
static bool fits(enum lite_type into, int type)
{
    if (type == LITE_TYPE_NULL || type == LITE_TYPE_ANY || into == LITE_TYPE_ANY || (int)into == type)
        return true;
    if (lite_type_is_number(into))
        return lite_type_is_number((enum lite_type)type) && (into != LITE_TYPE_BOOL || type == LITE_TYPE_INTEGER);
    if (into == LITE_TYPE_TIME)
        return false;
    return lite_type_is_text(into) && type != LITE_TYPE_BYTES;
}

static int check_whole(struct compiler *compiler, const struct node *root, enum compile_as as, enum lite_type into)
{
    if (as == COMPILE_CONDITION)
        return compile_check_condition(compiler, root);
    int type = literal_type(root, into);
    if (type >= 0 && fits(into, type)) {
        compiler->out->type = (enum lite_type)type;
        return 0;
    }
    return compile_refuse(compiler, "the column is %s, the value %s", lite_type_name(into),
                          lite_type_name((enum lite_type)root->type));
}

int compile(struct compiled *compiled, const struct tree *tree, const struct scope *scope, enum compile_as as,
            enum lite_type into, struct cdc_error *error)
{
    struct compiler compiler = {compiled, scope, error};

    if (compile_types(&compiler, tree->root) != 0 || check_whole(&compiler, tree->root, as, into) != 0)
        return -1;
    put(&compiler, "SELECT ");
    compile_node(&compiler, tree->root, as == COMPILE_VALUE ? compile_form(into) : FORM_AS_IS);
    if (compiled->sql.len > SQL_MAX)
        return compile_refuse(&compiler, "the expression is too large");
    cdc_buf_byte(&compiled->sql, '\0');
    return compiled->sql.failed ? cdc_error_memory(error) : 0;
}

void compiled_free(struct compiled *compiled)
{
    cdc_buf_free(&compiled->sql);
    free(compiled->parameters);
    *compiled = (struct compiled){.n = 0};
}
