/* SPDX-License-Identifier: MIT */
/* What the parts of the compiler know of each other. */
#ifndef EXPRESSION_COMPILER_H
#define EXPRESSION_COMPILER_H

#include "connectors/sqlite/expression/compile.h"

struct compiler {
    struct compiled *out;
    const struct scope *scope;
    struct cdc_error *error;
    const char *at; /* of the node in hand, in the expression's text; NULL: of none */
};

/* What a node is written as. */
enum form { FORM_AS_IS, FORM_DECIMAL, FORM_REAL, FORM_TIME, FORM_INTEGER, FORM_BOOL, FORM_TEXT };

/* -- names.c -- */
int compile_refuse(struct compiler *compiler, const char *format, ...) CDC_PRINTF(2, 3); /* CONFIG; -1 */
/* Which parameter the name stands for: its number, or -1. */
int names_resolve(struct compiler *compiler, const struct node *node);

/* -- compare.c -- */
bool compare_is_hexadecimal(struct cdc_span text);
bool compare_is_integer(struct cdc_span text); /* of 64 bits */
bool compare_is_truth(struct cdc_span text);   /* t, true, f, false */
/* The type that a text literal has beside something of that type: '5' is a number beside one. -1: it is none. Of any other
 * node its own. */
int compare_literal_type(const struct node *node, enum lite_type beside);
/* The form in which two nodes are compared; -1: they cannot be. */
int compare_form(const struct node *left, const struct node *right);
/* ordered: for more than being equal. */
int compile_check_comparable(struct compiler *compiler, const struct node *left, const struct node *right,
                             bool ordered);
int compile_check_condition(struct compiler *compiler, const struct node *node);
/* The type that both have; -1: none. */
int compile_common_type(struct compiler *compiler, enum lite_type type, const struct node *node);
enum form compile_form(enum lite_type type);

/* -- literal.c -- */
/* Of a column and a text that are compared: CONFIG where lines never have such a text in that column. */
int literal_check(struct compiler *compiler, const struct node *left, const struct node *right);

/* -- calls.c -- */
int call_types(struct compiler *compiler, struct node *node);
bool call_is_nullif(const struct node *node);
/* Is what it gives one of its arguments, as coalesce's is? */
bool call_is_choice(const struct node *node);
/* Is its first argument to end at a NUL? */
bool call_ends_at_nul(const struct node *node);
/* Of a date function, the argument that is a time of the source; NULL: it is another function, or has none. */
const struct node *call_time(const struct node *node);
/* What is called, and the form of the argument. */
const char *call_name(const struct node *node);
enum form call_form(const struct node *node, const struct node *argument);

/* -- typing.c, write.c -- */
int compile_types(struct compiler *compiler, struct node *node);
/* false: it would be too large. */
bool compile_write(struct compiler *compiler, const struct node *root, enum form form);

#endif
