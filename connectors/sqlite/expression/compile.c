/* SPDX-License-Identifier: MIT */
/* Types go up the tree first (typing.c), then the SQL is written down it (write.c). */
#include <stdlib.h>

#include "connectors/sqlite/expression/compiler.h"

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
    int type = compare_literal_type(root, into);
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
    struct compiler compiler = {compiled, scope, error, NULL};

    if (compile_types(&compiler, tree->root) != 0 || check_whole(&compiler, tree->root, as, into) != 0)
        return -1;
    if (!compile_write(&compiler, tree->root, as == COMPILE_VALUE ? compile_form(into) : FORM_AS_IS))
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
