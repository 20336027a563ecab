/* SPDX-License-Identifier: MIT */
/* An SQL expression as a tree. The text is SQLite's dialect without what reads tables: no SELECT, no aggregates, no windows. */
#ifndef SYNTAX_SYNTAX_H
#define SYNTAX_SYNTAX_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* -- lexer.c -- */
enum token_kind {
    TOKEN_END,
    TOKEN_NAME,   /* a word, or a name in quotes */
    TOKEN_TEXT,   /* '...' */
    TOKEN_BYTES,  /* x'...' */
    TOKEN_NUMBER, /* 12 1.5 1e3 0x1f */
    TOKEN_MARK,   /* ( ) , . and the operators */
    TOKEN_BAD
};
struct token {
    enum token_kind kind;
    struct cdc_span text; /* as it stands, with its quotes */
    bool quoted;          /* a name in quotes: never a keyword */
    const char *why;      /* of BAD */
};
/* The token at p, blanks and comments before it skipped; *p moves behind it. */
struct token lexer_next(const char **p, const char *end);
/* What stands between the quotes of a text or a name, a doubled one as one. */
void lexer_append_unquoted(struct cdc_buf *out, struct cdc_span quoted);

/* -- parser.c -- */
enum node_kind {
    NODE_NULL,
    NODE_BOOL,   /* name: TRUE or FALSE */
    NODE_NUMBER, /* text: its digits, with a minus sign where it has one */
    NODE_TEXT,   /* text: unquoted */
    NODE_BYTES,  /* text: x'...' */
    NODE_NAME,   /* qualifier.text, unquoted */
    NODE_NOT,
    NODE_MINUS,
    NODE_INVERT,  /* ~ */
    NODE_BINARY,  /* text: the operator: || * / % + - << >> & | < <= > >= = <> AND OR -> ->> */
    NODE_IS,      /* of two, null-safe; `negated`: IS NOT, IS DISTINCT FROM */
    NODE_LIKE,    /* text: LIKE or GLOB; two, or three with ESCAPE; may be negated */
    NODE_IN,      /* the first one among the rest; may be negated */
    NODE_BETWEEN, /* three; may be negated */
    NODE_CASE,    /* `has_base`: the first one; then pairs; a last one alone is ELSE */
    NODE_CAST,    /* text: the type's name */
    NODE_CALL,    /* text: the function's name */
    NODE_COLLATE  /* text: the collation */
};
struct node {
    enum node_kind kind;
    struct cdc_span text, qualifier; /* owned by the tree; qualifier.p is NULL where there is none */
    const char *at;                  /* in the text that was parsed, which is BORROWED: the token that made it */
    bool negated, has_base;
    struct node *first, *next; /* children, each with its next sister */
    size_t n, height;          /* how many children; how many levels are below */
    int type;                  /* enum lite_type: of the table that it was compiled for last */
};
struct tree {
    struct node *root;
    void **owned;
    size_t n_owned;
};

/* USAGE, with the place in the text. The tree is freed with tree_free, also after an error; begin with {0}. */
int tree_parse(struct tree *tree, const char *text, struct cdc_error *error);
void tree_free(struct tree *tree);

#endif
