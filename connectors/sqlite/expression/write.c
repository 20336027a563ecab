/* SPDX-License-Identifier: MIT */
/* The SQL of a tree whose types are known. SQLite's own operators are used where they are exact: for integers, texts and bytes.
 * What has decimals goes through functions of ours (functions.c). */
#include <stdio.h>
#include <strings.h>

#include "connectors/sqlite/expression/compiler.h"
#include "connectors/sqlite/syntax/moment.h"

#define SQL_MAX ((size_t)1 << 20)

static void write_node(struct compiler *compiler, const struct node *node, enum form form);

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

static void write_compare(struct compiler *compiler, const struct node *left, const char *operator,
                          const struct node * right)
{
    int form = compare_form(left, right);

    put(compiler, form == FORM_DECIMAL ? "(cdc_compare(" : "(");
    write_node(compiler, left, (enum form)form);
    put(compiler, form == FORM_DECIMAL ? "," : operator);
    write_node(compiler, right, (enum form)form);
    if (form == FORM_DECIMAL) {
        put(compiler, ")");
        put(compiler, operator);
        put(compiler, "0");
    }
    put(compiler, ")");
}

static void write_number(struct compiler *compiler, struct cdc_span text, enum form form)
{
    struct cdc_buf *sql = &compiler->out->sql;

    if (compare_is_hexadecimal(text) || compare_is_integer(text)) {
        cdc_buf_span(sql, text);
    } else if (form == FORM_REAL) {
        put(compiler, "cdc_real(");
        put_quoted(compiler, text);
        put(compiler, ")");
    } else {
        put_quoted(compiler, text);
    }
}

static void write_text(struct compiler *compiler, const struct node *node, enum form form)
{
    char key[MOMENT_MAX];

    if (form == FORM_TIME && moment_key(key, node->text))
        put_quoted(compiler, cdc_span_text(key));
    else if (form == FORM_BOOL && compare_is_truth(node->text))
        put(compiler, (node->text.p[0] | 0x20) == 't' ? "1" : "0");
    else if (form == FORM_DECIMAL || form == FORM_REAL || form == FORM_INTEGER || form == FORM_BOOL)
        write_number(compiler, node->text, form);
    else
        put_quoted(compiler, node->text);
}

static void write_name(struct compiler *compiler, const struct node *node)
{
    char text[16];
    int number = names_resolve(compiler, node); /* it was found before */

    snprintf(text, sizeof text, "?%d", number + 1);
    put(compiler, text);
}

static void write_call(struct compiler *compiler, const char *name, const struct node *node, enum form form)
{
    put(compiler, name);
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        put(compiler, child == node->first ? "(" : ",");
        write_node(compiler, child, form);
    }
    put(compiler, ")");
}

static void write_joined(struct compiler *compiler, const struct node *node, const char *operator, enum form form)
{
    put(compiler, "(");
    write_node(compiler, node->first, form);
    put(compiler, operator);
    write_node(compiler, node->first->next, form);
    put(compiler, ")");
}

/* Of what is taken out of JSON, as a text: true is 'true' and 1.10 '1.10', as the source's ->> has it. */
static bool takes_out(const struct node *node)
{
    return (node->kind == NODE_BINARY && is(node->text, "->>")) ||
           (node->kind == NODE_CALL && node->n == 2 && is(node->text, "json_extract"));
}

static void write_taken_out(struct compiler *compiler, const struct node *node)
{
    put(compiler, "cdc_unquoted");
    write_joined(compiler, node, "->", FORM_AS_IS);
}

static void write_binary(struct compiler *compiler, const struct node *node)
{
    static const struct {
        const char *operator, * function;
    } sums[] = {
        {"+", "cdc_add"}, {"-", "cdc_subtract"}, {"*", "cdc_multiply"}, {"/", "cdc_divide"}, {"%", "cdc_remainder"}};
    const struct node *left = node->first, *right = left->next;
    enum form form = compile_form((enum lite_type)node->type);

    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        if (is(node->text, sums[i].operator)) {
            write_call(compiler, sums[i].function, node, form == FORM_REAL ? FORM_REAL : FORM_DECIMAL);
            return;
        }
    if (is(node->text, "AND") || is(node->text, "OR"))
        write_joined(compiler, node, node->text.n == 3 ? " AND " : " OR ", FORM_AS_IS);
    else if (is(node->text, "||"))
        write_joined(compiler, node, "||", FORM_TEXT);
    else if (strchr("<>=", node->text.p[0]) != NULL && !is(node->text, "<<") && !is(node->text, ">>"))
        write_compare(compiler, left, node->text.p, right);
    else
        write_joined(compiler, node, node->text.p, FORM_AS_IS);
}

static void write_is(struct compiler *compiler, const struct node *node)
{
    const struct node *left = node->first, *right = left->next;

    put(compiler, node->negated ? "(NOT " : "(");
    if (compare_form(left, right) != FORM_DECIMAL) {
        write_compare(compiler, left, " IS ", right);
    } else {
        put(compiler, "coalesce(");
        write_compare(compiler, left, "=", right);
        put(compiler, ",(");
        write_node(compiler, left, FORM_DECIMAL);
        put(compiler, " IS NULL) AND (");
        write_node(compiler, right, FORM_DECIMAL);
        put(compiler, " IS NULL))");
    }
    put(compiler, ")");
}

/* n alternatives from *node on, as a tree of little height: a chain of thousands would be too high for SQLite. */
static const struct node *write_alternatives(struct compiler *compiler, const struct node *value,
                                             const struct node *node, size_t n)
{
    if (n == 1) {
        write_compare(compiler, value, "=", node);
        return node->next;
    }
    put(compiler, "(");
    node = write_alternatives(compiler, value, node, n / 2);
    put(compiler, " OR ");
    node = write_alternatives(compiler, value, node, n - n / 2);
    put(compiler, ")");
    return node;
}

static void write_in(struct compiler *compiler, const struct node *node)
{
    put(compiler, node->negated ? "(NOT " : "(");
    if (node->n == 1) {
        write_node(compiler, node->first, FORM_AS_IS);
        put(compiler, " IN ()");
    } else {
        write_alternatives(compiler, node->first, node->first->next, node->n - 1);
    }
    put(compiler, ")");
}

static void write_between(struct compiler *compiler, const struct node *node)
{
    const struct node *low = node->first->next;

    put(compiler, node->negated ? "(NOT (" : "((");
    write_compare(compiler, node->first, ">=", low);
    put(compiler, " AND ");
    write_compare(compiler, node->first, "<=", low->next);
    put(compiler, "))");
}

/* To some of SQLite's functions a text ends at a NUL, and MySQL's may have one. */
static void write_in_call(struct compiler *compiler, const char *name, const struct node *node, enum form form)
{
    put(compiler, name);
    write_node(compiler, node, form);
    put(compiler, ")");
}

static void write_whole(struct compiler *compiler, const struct node *node, enum form form)
{
    write_in_call(compiler, "cdc_whole(", node, form);
}

static void write_like(struct compiler *compiler, const struct node *node)
{
    const struct node *pattern = node->first->next;

    put(compiler, node->negated ? "(NOT " : "(");
    if (node->text.p[0] == 'G') {
        write_whole(compiler, node->first, FORM_TEXT);
        put(compiler, " GLOB ");
        write_whole(compiler, pattern, FORM_TEXT);
    } else {
        put(compiler, compiler->scope->mysql ? "cdc_like_nocase(" : "cdc_like(");
        write_node(compiler, node->first, FORM_TEXT);
        put(compiler, ",");
        write_node(compiler, pattern, FORM_TEXT);
        put(compiler, ",");
        if (pattern->next != NULL)
            write_node(compiler, pattern->next, FORM_TEXT);
        else
            put(compiler, "'\\'");
        put(compiler, ")");
    }
    put(compiler, ")");
}

/* Of a node that gives one of several. */
static enum form form_of_choice(const struct node *node, enum form form)
{
    return node->type == LITE_TYPE_ANY && form == FORM_TEXT ? form : compile_form((enum lite_type)node->type);
}

static void write_case(struct compiler *compiler, const struct node *node, enum form wanted)
{
    const struct node *base = node->has_base ? node->first : NULL,
                      *child = node->has_base ? node->first->next : node->first;
    enum form form = form_of_choice(node, wanted);

    put(compiler, "(CASE");
    for (; child != NULL; child = child->next) {
        if (child->next != NULL) {
            put(compiler, " WHEN ");
            if (base != NULL)
                write_compare(compiler, base, "=", child);
            else
                write_node(compiler, child, FORM_AS_IS);
            child = child->next;
            put(compiler, " THEN ");
        } else {
            put(compiler, " ELSE ");
        }
        write_node(compiler, child, form);
    }
    put(compiler, " END)");
}

static void write_cast(struct compiler *compiler, const struct node *node)
{
    switch (node->type) {
    case LITE_TYPE_INTEGER: write_call(compiler, "cdc_integer", node, FORM_DECIMAL); break;
    case LITE_TYPE_DECIMAL: write_call(compiler, "cdc_decimal", node, FORM_DECIMAL); break;
    case LITE_TYPE_REAL: write_call(compiler, "cdc_real", node, FORM_DECIMAL); break;
    case LITE_TYPE_JSON: write_call(compiler, "json", node, FORM_TEXT); break;
    case LITE_TYPE_TEXT: write_call(compiler, "cdc_text", node, FORM_TEXT); break;
    case LITE_TYPE_BYTES:
        put(compiler, "CAST(");
        write_node(compiler, node->first, FORM_TEXT);
        put(compiler, " AS BLOB)");
        break;
    default: write_node(compiler, node->first, FORM_AS_IS);
    }
}

static void write_nullif(struct compiler *compiler, const struct node *node, enum form form)
{
    put(compiler, "(CASE WHEN ");
    write_compare(compiler, node->first, "=", node->first->next);
    put(compiler, " THEN NULL ELSE ");
    write_node(compiler, node->first, node->type == LITE_TYPE_ANY ? form_of_choice(node, form) : FORM_AS_IS);
    put(compiler, " END)");
}

/* time: the argument that is one of the source; NULL: none. */
static void write_call_of(struct compiler *compiler, const struct node *node, enum form form, const struct node *time)
{
    bool chooses_text = call_is_choice(node) && form_of_choice(node, form) == FORM_TEXT;

    put(compiler, call_name(node));
    put(compiler, "(");
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (child != node->first)
            put(compiler, ",");
        bool condition = child == node->first && is(node->text, "iif");
        enum form wanted = chooses_text && !condition ? FORM_TEXT : call_form(node, child);
        if (child == node->first && call_ends_at_nul(node))
            write_whole(compiler, child, wanted);
        else if (child == time)
            write_in_call(compiler, "cdc_milliseconds(", child, wanted);
        else
            write_node(compiler, child, wanted);
    }
    put(compiler, ")");
}

/* Each with a comma before it, the time first. Of a time that another date function makes, what that is made of: it is not computed
 * again, and NULL only if something of these is. */
static void write_arguments(struct compiler *compiler, const struct node *node, const struct node *time)
{
    const struct node *inner = time->kind == NODE_CALL ? call_time(time) : NULL;

    if (inner != NULL) {
        write_arguments(compiler, time, inner);
    } else {
        put(compiler, ",");
        write_node(compiler, time, FORM_AS_IS);
    }
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (child == time)
            continue;
        put(compiler, ",");
        write_node(compiler, child, call_form(node, child));
    }
}

static void write_function(struct compiler *compiler, const struct node *node, enum form form)
{
    if (call_is_nullif(node)) {
        write_nullif(compiler, node, form);
        return;
    }
    const struct node *time = call_time(node);
    if (time != NULL) {
        put(compiler, "cdc_known_time(");
        write_call_of(compiler, node, form, time);
        write_arguments(compiler, node, time);
        put(compiler, ")");
        return;
    }
    write_call_of(compiler, node, form, NULL);
}

static void write_plain(struct compiler *compiler, const struct node *node, enum form form)
{
    switch (node->kind) {
    case NODE_NULL: put(compiler, "NULL"); break;
    case NODE_BOOL: put(compiler, (node->text.p[0] | 0x20) == 't' ? "TRUE" : "FALSE"); break;
    case NODE_NUMBER: write_number(compiler, node->text, form); break;
    case NODE_TEXT: write_text(compiler, node, form); break;
    case NODE_BYTES: cdc_buf_span(&compiler->out->sql, node->text); break;
    case NODE_NAME: write_name(compiler, node); break;
    case NODE_NOT:
        write_call(compiler, "(NOT ", node, FORM_AS_IS);
        put(compiler, ")");
        break;
    case NODE_MINUS: write_call(compiler, "cdc_minus", node, FORM_DECIMAL); break;
    case NODE_INVERT:
        write_call(compiler, "(~", node, FORM_AS_IS);
        put(compiler, ")");
        break;
    case NODE_BINARY: write_binary(compiler, node); break;
    case NODE_IS: write_is(compiler, node); break;
    case NODE_LIKE: write_like(compiler, node); break;
    case NODE_IN: write_in(compiler, node); break;
    case NODE_BETWEEN: write_between(compiler, node); break;
    case NODE_CASE: write_case(compiler, node, form); break;
    case NODE_CAST: write_cast(compiler, node); break;
    case NODE_CALL: write_function(compiler, node, form); break;
    case NODE_COLLATE:
        put(compiler, "(");
        write_whole(compiler, node->first, FORM_TEXT);
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
        return "cdc_real(";
    bool chooses = node->kind == NODE_CASE || (node->kind == NODE_CALL && call_is_choice(node));
    if (form == FORM_TEXT && (node->type == LITE_TYPE_REAL || (node->type == LITE_TYPE_ANY && !chooses)))
        return "cdc_text(";
    return NULL;
}

static void write_node(struct compiler *compiler, const struct node *node, enum form form)
{
    if (compiler->out->sql.len > SQL_MAX) /* nested lists grow with each level */
        return;
    if (form == FORM_TEXT && takes_out(node)) {
        write_taken_out(compiler, node);
        return;
    }
    const char *wrapper = wrapper_of(node, form);
    if (wrapper != NULL)
        put(compiler, wrapper);
    write_plain(compiler, node, form);
    if (wrapper != NULL)
        put(compiler, ")");
}

bool compile_write(struct compiler *compiler, const struct node *root, enum form form)
{
    put(compiler, "SELECT ");
    write_node(compiler, root, form);
    return compiler->out->sql.len <= SQL_MAX;
}
