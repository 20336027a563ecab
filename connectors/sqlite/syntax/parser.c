/* SPDX-License-Identifier: MIT */
/* A parser by precedence, with SQLite's:
 *
 *   OR  |  AND  |  NOT x  |  = == <> != IS IN LIKE GLOB BETWEEN ISNULL  |  < <= > >=  |  & | << >>  |  + -  |  * / %  |
 *   || -> ->>  |  COLLATE  |  ~x -x +x */
#include <stdlib.h>
#include <strings.h>

#include "connectors/sqlite/syntax/syntax.h"

#define DEPTH_MAX 200  /* of parentheses */
#define HEIGHT_MAX 900 /* of the tree: SQLite takes 1000 */

enum level {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_EQUAL,
    LEVEL_LESS,
    LEVEL_BITS,
    LEVEL_SUM,
    LEVEL_PRODUCT,
    LEVEL_CONCAT,
    LEVEL_COLLATE,
    LEVEL_UNARY
};

struct parser {
    struct tree *tree;
    const char *start, *p, *end;
    struct token token; /* the one that comes next, which begins at `at` */
    const char *at;
    int depth;
    struct cdc_error *error;
};

static struct node *parse_expression(struct parser *parser, int level);

/* -- memory, errors, tokens ------------------------------------------------------------ */

static void *own(struct parser *parser, void *memory)
{
    struct tree *tree = parser->tree;
    void **owned = memory != NULL ? realloc(tree->owned, (tree->n_owned + 1) * sizeof *owned) : NULL;

    if (owned == NULL) {
        free(memory);
        cdc_error_memory(parser->error);
        return NULL;
    }
    tree->owned = owned;
    return owned[tree->n_owned++] = memory;
}

void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->n_owned; i++)
        free(tree->owned[i]);
    free(tree->owned);
    *tree = (struct tree){.root = NULL};
}

static struct node *fail(struct parser *parser, const char *why)
{
    int n = (int)(parser->end - parser->at);

    if (n > 40)
        n = 40;
    if (n == 0)
        cdc_error_set(parser->error, CDC_EXIT_USAGE, "%s at the end", why);
    else
        cdc_error_set(parser->error, CDC_EXIT_USAGE, "%s at \"%.*s\" (byte %zu)", why, n, parser->at,
                      (size_t)(parser->at - parser->start) + 1);
    cdc_error_item(parser->error, parser->start, (size_t)(parser->at - parser->start));
    return NULL;
}

static void advance(struct parser *parser)
{
    parser->token = lexer_next(&parser->p, parser->end);
    parser->at = parser->token.kind == TOKEN_END   ? parser->end
                 : parser->token.kind == TOKEN_BAD ? parser->p
                                                   : parser->token.text.p;
}

static bool is_mark(const struct parser *parser, const char *mark)
{
    return parser->token.kind == TOKEN_MARK && cdc_span_is(parser->token.text, mark);
}

static bool is_text(struct cdc_span text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static bool is_keyword(const struct parser *parser, const char *word)
{
    return parser->token.kind == TOKEN_NAME && !parser->token.quoted && is_text(parser->token.text, word);
}

static bool take_mark(struct parser *parser, const char *mark)
{
    bool is = is_mark(parser, mark);
    if (is)
        advance(parser);
    return is;
}

static bool take_keyword(struct parser *parser, const char *word)
{
    bool is = is_keyword(parser, word);
    if (is)
        advance(parser);
    return is;
}

/* Words that are never a column's name without quotes. */
static bool is_reserved(struct cdc_span text)
{
    static const char *const words[] = {"AND",    "AS",     "BETWEEN", "CASE",  "COLLATE", "ELSE",   "END",
                                        "ESCAPE", "EXISTS", "FROM",    "GLOB",  "IN",      "IS",     "ISNULL",
                                        "LIKE",   "MATCH",  "NOT",     "NULL",  "NOTNULL", "OR",     "REGEXP",
                                        "SELECT", "THEN",   "WHEN",    "WHERE", "WITH",    "VALUES", "DISTINCT"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_text(text, words[i]))
            return true;
    return false;
}

/* -- nodes ------------------------------------------------------------------------------- */

static struct node *make(struct parser *parser, enum node_kind kind, struct cdc_span text)
{
    struct node *node = own(parser, calloc(1, sizeof *node));

    if (node == NULL)
        return NULL;
    node->kind = kind;
    node->at = parser->at;
    node->text.n = text.n;
    node->text.p = own(parser, cdc_span_copy(text.p != NULL ? text : cdc_span("", 0)));
    return node->text.p != NULL ? node : NULL;
}

static struct node *append_child(struct node *node, struct node *child)
{
    struct node **last = &node->first;

    if (child == NULL)
        return NULL;
    while (*last != NULL)
        last = &(*last)->next;
    *last = child;
    node->n++;
    if (node->height <= child->height)
        node->height = child->height + 1;
    return node;
}

static struct node *make_two(struct parser *parser, enum node_kind kind, const char *text, struct node *left,
                             struct node *right)
{
    struct node *node = left != NULL && right != NULL ? make(parser, kind, cdc_span_text(text)) : NULL;

    if (node == NULL)
        return NULL;
    node->at = left->at;
    append_child(node, left);
    return append_child(node, right);
}

/* What the token stands for, quotes taken off, in memory of the tree. */
static struct node *make_unquoted(struct parser *parser, enum node_kind kind)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct token token = parser->token;

    if (!token.quoted)
        return make(parser, kind, token.text);
    lexer_append_unquoted(&text, token.text);
    struct node *node = text.failed ? NULL : make(parser, kind, cdc_span(text.data, text.len));
    if (text.failed)
        cdc_error_memory(parser->error);
    cdc_buf_free(&text);
    return node;
}

/* -- what stands alone --------------------------------------------------------------------- */

static struct node *close_list(struct parser *parser, struct node *node)
{
    if (node == NULL || take_mark(parser, ")"))
        return node;
    return fail(parser, "a closing parenthesis was expected");
}

static struct node *parse_list(struct parser *parser, struct node *node)
{
    if (node == NULL || take_mark(parser, ")"))
        return node;
    do {
        if (append_child(node, parse_expression(parser, LEVEL_OR)) == NULL)
            return NULL;
    } while (take_mark(parser, ","));
    return close_list(parser, node);
}

static struct node *parse_call(struct parser *parser, struct node *node)
{
    node->kind = NODE_CALL;
    if (is_mark(parser, "*") || is_keyword(parser, "DISTINCT"))
        return fail(parser, "there are no aggregates: an expression sees one row");
    if (parse_list(parser, node) == NULL)
        return NULL;
    if (is_keyword(parser, "OVER") || is_keyword(parser, "FILTER"))
        return fail(parser, "there are no windows and no aggregates: an expression sees one row");
    return node;
}

static struct node *parse_name(struct parser *parser)
{
    struct node *node;

    if (!parser->token.quoted && is_reserved(parser->token.text))
        return fail(parser, is_keyword(parser, "SELECT") || is_keyword(parser, "EXISTS")
                                ? "an expression sees one row, and no table"
                                : "an expression was expected");
    if ((node = make_unquoted(parser, NODE_NAME)) == NULL)
        return NULL;
    bool quoted = parser->token.quoted;
    advance(parser);
    if (!quoted && take_mark(parser, "("))
        return parse_call(parser, node);
    if (!take_mark(parser, "."))
        return node;
    if (parser->token.kind != TOKEN_NAME)
        return fail(parser, "a column's name was expected");
    struct node *column = make_unquoted(parser, NODE_NAME);
    if (column == NULL)
        return NULL;
    column->qualifier = node->text;
    advance(parser);
    return column;
}

static struct node *parse_case(struct parser *parser)
{
    struct node *node = make(parser, NODE_CASE, cdc_span("", 0));

    if (node == NULL)
        return NULL;
    node->has_base = !is_keyword(parser, "WHEN");
    if (node->has_base && append_child(node, parse_expression(parser, LEVEL_OR)) == NULL)
        return NULL;
    if (!is_keyword(parser, "WHEN"))
        return fail(parser, "WHEN was expected");
    while (take_keyword(parser, "WHEN")) {
        if (append_child(node, parse_expression(parser, LEVEL_OR)) == NULL)
            return NULL;
        if (!take_keyword(parser, "THEN"))
            return fail(parser, "THEN was expected");
        if (append_child(node, parse_expression(parser, LEVEL_OR)) == NULL)
            return NULL;
    }
    if (take_keyword(parser, "ELSE") && append_child(node, parse_expression(parser, LEVEL_OR)) == NULL)
        return NULL;
    return take_keyword(parser, "END") ? node : fail(parser, "END was expected");
}

/* CAST(x AS type): a name of one or more words. */
static struct node *parse_cast(struct parser *parser)
{
    struct node *value = parse_expression(parser, LEVEL_OR);

    if (value == NULL)
        return NULL;
    if (!take_keyword(parser, "AS"))
        return fail(parser, "AS was expected");
    const char *start = parser->at, *end = start;
    for (; parser->token.kind == TOKEN_NAME; advance(parser))
        end = parser->token.text.p + parser->token.text.n;
    if (end == start)
        return fail(parser, "a type was expected");
    struct node *node = make(parser, NODE_CAST, cdc_span(start, (size_t)(end - start)));
    return node != NULL ? close_list(parser, append_child(node, value)) : NULL;
}

static struct node *parse_leaf(struct parser *parser, enum node_kind kind)
{
    struct node *node = kind == NODE_TEXT ? make_unquoted(parser, kind) : make(parser, kind, parser->token.text);

    advance(parser);
    return node;
}

static struct node *parse_word(struct parser *parser)
{
    if (is_keyword(parser, "NULL"))
        return parse_leaf(parser, NODE_NULL);
    if (is_keyword(parser, "TRUE") || is_keyword(parser, "FALSE"))
        return parse_leaf(parser, NODE_BOOL);
    if (take_keyword(parser, "CASE"))
        return parse_case(parser);
    if (is_keyword(parser, "CAST")) {
        advance(parser);
        if (!take_mark(parser, "("))
            return fail(parser, "an opening parenthesis was expected");
        return parse_cast(parser);
    }
    return parse_name(parser);
}

static struct node *parse_operand(struct parser *parser)
{
    switch (parser->token.kind) {
    case TOKEN_NUMBER: return parse_leaf(parser, NODE_NUMBER);
    case TOKEN_TEXT: return parse_leaf(parser, NODE_TEXT);
    case TOKEN_BYTES: return parse_leaf(parser, NODE_BYTES);
    case TOKEN_NAME: return parse_word(parser);
    case TOKEN_BAD: return fail(parser, parser->token.why);
    default: break;
    }
    if (!take_mark(parser, "("))
        return fail(parser, "an expression was expected");
    return close_list(parser, parse_expression(parser, LEVEL_OR));
}

static struct node *parse_one(struct parser *parser, enum node_kind kind, int level)
{
    struct node *node = make(parser, kind, cdc_span("", 0));

    return node != NULL ? append_child(node, parse_expression(parser, level)) : NULL;
}

/* -5 is a number, and not what becomes of 5: so the least integer can be written. */
static struct node *parse_minus(struct parser *parser)
{
    struct cdc_buf text = CDC_BUF_INIT;

    if (parser->token.kind != TOKEN_NUMBER || (parser->token.text.n > 1 && (parser->token.text.p[1] | 0x20) == 'x'))
        return parse_one(parser, NODE_MINUS, LEVEL_UNARY);
    cdc_buf_byte(&text, '-');
    cdc_buf_span(&text, parser->token.text);
    struct node *node = text.failed ? NULL : make(parser, NODE_NUMBER, cdc_span(text.data, text.len));
    if (text.failed)
        cdc_error_memory(parser->error);
    cdc_buf_free(&text);
    advance(parser);
    return node;
}

static struct node *parse_prefix(struct parser *parser)
{
    if (take_keyword(parser, "NOT"))
        return parse_one(parser, NODE_NOT, LEVEL_NOT);
    if (take_mark(parser, "~"))
        return parse_one(parser, NODE_INVERT, LEVEL_UNARY);
    if (take_mark(parser, "-"))
        return parse_minus(parser);
    if (take_mark(parser, "+"))
        return parse_expression(parser, LEVEL_UNARY);
    return parse_operand(parser);
}

/* -- what stands between or after operands ---------------------------------------------- */

static int level_of(const struct parser *parser)
{
    static const struct {
        const char *text;
        int level;
    } marks[] = {{"=", LEVEL_EQUAL},   {"==", LEVEL_EQUAL},  {"<>", LEVEL_EQUAL},  {"!=", LEVEL_EQUAL},
                 {"<", LEVEL_LESS},    {"<=", LEVEL_LESS},   {">", LEVEL_LESS},    {">=", LEVEL_LESS},
                 {"&", LEVEL_BITS},    {"|", LEVEL_BITS},    {"<<", LEVEL_BITS},   {">>", LEVEL_BITS},
                 {"+", LEVEL_SUM},     {"-", LEVEL_SUM},     {"*", LEVEL_PRODUCT}, {"/", LEVEL_PRODUCT},
                 {"%", LEVEL_PRODUCT}, {"||", LEVEL_CONCAT}, {"->", LEVEL_CONCAT}, {"->>", LEVEL_CONCAT}},
      words[] = {{"OR", LEVEL_OR},          {"AND", LEVEL_AND},       {"IS", LEVEL_EQUAL},      {"IN", LEVEL_EQUAL},
                 {"LIKE", LEVEL_EQUAL},     {"GLOB", LEVEL_EQUAL},    {"BETWEEN", LEVEL_EQUAL}, {"NOT", LEVEL_EQUAL},
                 {"ISNULL", LEVEL_EQUAL},   {"NOTNULL", LEVEL_EQUAL}, {"MATCH", LEVEL_EQUAL},   {"REGEXP", LEVEL_EQUAL},
                 {"COLLATE", LEVEL_COLLATE}};

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (is_mark(parser, marks[i].text))
            return marks[i].level;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_keyword(parser, words[i].text))
            return words[i].level;
    return 0;
}

static struct node *parse_in(struct parser *parser, struct node *left)
{
    struct node *node = make(parser, NODE_IN, cdc_span("", 0));

    if (node == NULL)
        return NULL;
    if (!take_mark(parser, "("))
        return fail(parser, "a list in parentheses was expected");
    if (is_keyword(parser, "SELECT") || is_keyword(parser, "WITH") || is_keyword(parser, "VALUES"))
        return fail(parser, "an expression sees one row, and no table");
    append_child(node, left);
    return parse_list(parser, node);
}

static struct node *parse_like(struct parser *parser, struct node *left, const char *word)
{
    struct node *node = make_two(parser, NODE_LIKE, word, left, parse_expression(parser, LEVEL_LESS));

    if (node != NULL && *word == 'L' && take_keyword(parser, "ESCAPE"))
        return append_child(node, parse_expression(parser, LEVEL_LESS));
    return node;
}

static struct node *parse_between(struct parser *parser, struct node *left)
{
    struct node *low = parse_expression(parser, LEVEL_LESS);

    if (low != NULL && !take_keyword(parser, "AND"))
        return fail(parser, "AND was expected");
    struct node *node = make_two(parser, NODE_BETWEEN, "", left, low);
    return node != NULL ? append_child(node, parse_expression(parser, LEVEL_LESS)) : NULL;
}

static struct node *make_null(struct parser *parser)
{
    return make(parser, NODE_NULL, cdc_span("NULL", 4));
}

static struct node *parse_is(struct parser *parser, struct node *left)
{
    bool negated = take_keyword(parser, "NOT");

    if (take_keyword(parser, "DISTINCT")) {
        if (!take_keyword(parser, "FROM"))
            return fail(parser, "FROM was expected");
        negated = !negated;
    }
    struct node *node = make_two(parser, NODE_IS, "", left, parse_expression(parser, LEVEL_LESS));
    if (node != NULL)
        node->negated = negated;
    return node;
}

static struct node *parse_test(struct parser *parser, struct node *left)
{
    bool negated = take_keyword(parser, "NOT");
    struct node *node = NULL;

    if (take_keyword(parser, "IN"))
        node = parse_in(parser, left);
    else if (take_keyword(parser, "LIKE"))
        node = parse_like(parser, left, "LIKE");
    else if (take_keyword(parser, "GLOB"))
        node = parse_like(parser, left, "GLOB");
    else if (take_keyword(parser, "BETWEEN"))
        node = parse_between(parser, left);
    else if (negated && take_keyword(parser, "NULL"))
        node = make_two(parser, NODE_IS, "", left, make_null(parser));
    else
        return fail(parser, "this operator is not there");
    if (node != NULL)
        node->negated = negated;
    return node;
}

static struct node *parse_collate(struct parser *parser, struct node *left)
{
    if (parser->token.kind != TOKEN_NAME)
        return fail(parser, "a collation was expected");
    struct node *node = make_unquoted(parser, NODE_COLLATE);
    advance(parser);
    return node != NULL ? append_child(node, left) : NULL;
}

static struct node *parse_after(struct parser *parser, struct node *left, int level)
{
    if (take_keyword(parser, "IS"))
        return parse_is(parser, left);
    if (take_keyword(parser, "ISNULL"))
        return make_two(parser, NODE_IS, "", left, make_null(parser));
    if (take_keyword(parser, "NOTNULL")) {
        struct node *node = make_two(parser, NODE_IS, "", left, make_null(parser));
        if (node != NULL)
            node->negated = true;
        return node;
    }
    if (take_keyword(parser, "COLLATE"))
        return parse_collate(parser, left);
    if (level == LEVEL_EQUAL && parser->token.kind == TOKEN_NAME)
        return parse_test(parser, left);
    const char *mark = is_mark(parser, "==") ? "=" : is_mark(parser, "!=") ? "<>" : NULL;
    char text[4] = {0};
    if (mark == NULL) {
        memcpy(text, parser->token.text.p, parser->token.text.n < 3 ? parser->token.text.n : 3);
        for (char *c = text; *c != '\0'; c++) /* and, or */
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        mark = text;
    }
    advance(parser);
    return make_two(parser, NODE_BINARY, mark, left, parse_expression(parser, level + 1));
}

static struct node *parse_expression(struct parser *parser, int level)
{
    if (++parser->depth > DEPTH_MAX)
        return fail(parser, "the expression is nested too deep");
    struct node *node = parse_prefix(parser);
    for (int next; node != NULL && (next = level_of(parser)) != 0 && next >= level;) {
        node = parse_after(parser, node, next);
        if (node != NULL && node->height > HEIGHT_MAX)
            return fail(parser, "too many operators one after another");
    }
    parser->depth--;
    return node;
}

int tree_parse(struct tree *tree, const char *text, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct parser parser = {.tree = tree,
                            .start = text,
                            .p = text,
                            .end = text + strlen(text),
                            .at = text,
                            .error = error != NULL ? error : &ignored};

    advance(&parser);
    tree->root = parse_expression(&parser, LEVEL_OR);
    if (tree->root != NULL && parser.token.kind != TOKEN_END) {
        fail(&parser, parser.token.kind == TOKEN_BAD ? parser.token.why : "the expression should end");
        return -1;
    }
    return tree->root != NULL ? 0 : -1;
}
