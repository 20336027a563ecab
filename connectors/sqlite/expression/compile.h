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

#endif
