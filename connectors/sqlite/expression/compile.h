/* SPDX-License-Identifier: MIT */
/* A tree becomes SQL for one table: each name a parameter, each comparison and sum what is exact for the types of its sides. Of
 *
 *   total > 99.5 AND status = 'paid'      total numeric, status text
 *
 * comes  ((cdc_compare(?1,'99.5')>0) AND (?2='paid'))  */
#ifndef EXPRESSION_COMPILE_H
#define EXPRESSION_COMPILE_H

#include <cdc/table.h>

#include "connectors/sqlite/syntax/syntax.h"
#include "connectors/sqlite/expression/type.h"

enum parameter_kind {
    PARAMETER_ROW, /* a column of the row */
    PARAMETER_OLD, /* the same of the row before */
    PARAMETER_OP,
    PARAMETER_SCHEMA,
    PARAMETER_TABLE,
    PARAMETER_DB,
    PARAMETER_TS,   /* when the transaction committed, as 2026-11-21T09:28:42.834Z */
    PARAMETER_TS_MS /* the same in milliseconds since 1970 */
};

struct parameter {
    enum parameter_kind kind;
    size_t column;
    struct lite_column_type type;
};

struct scope {
    const struct cdc_column *columns;
    size_t n;
    bool mysql;
};

struct compiled {
    struct cdc_buf sql; /* "SELECT ...", with a NUL */
    struct parameter *parameters;
    size_t n;
    enum lite_type type;
};

enum compile_as { COMPILE_CONDITION, COMPILE_VALUE };
/* into: of a value, the type that it becomes, ANY where that is open. CONFIG: the table has no such column, or the types do not
 * go together. compiled_free also after an error; begin with {0}. */
int compile(struct compiled *compiled, const struct tree *tree, const struct scope *scope, enum compile_as as,
            enum lite_type into, struct cdc_error *error);
void compiled_free(struct compiled *compiled);

/* -- what compile.c and calls.c know of each other -- */
struct compiler {
    struct compiled *out;
    const struct scope *scope;
    struct cdc_error *error;
};
/* What a text or a number is written as. */
enum form { FORM_AS_IS, FORM_DECIMAL, FORM_REAL, FORM_TIME, FORM_INTEGER, FORM_BOOL, FORM_TEXT };

int compile_types(struct compiler *compiler, struct node *node);
void compile_node(struct compiler *compiler, const struct node *node, enum form form);
void compile_compare(struct compiler *compiler, const struct node *left, const char *operator, const struct node *right);
int compile_check_comparable(struct compiler *compiler, const struct node *left, const struct node *right, bool ordered);
/* The type that both have; -1: none. Literals take the type of the other side. */
int compile_common_type(struct compiler *compiler, enum lite_type type, const struct node *node);
enum form compile_form(enum lite_type type);
int compile_refuse(struct compiler *compiler, const char *format, ...) CDC_PRINTF(2, 3);
int compile_check_condition(struct compiler *compiler, const struct node *node);

int call_types(struct compiler *compiler, struct node *node);
void call_compile(struct compiler *compiler, const struct node *node);

#endif
