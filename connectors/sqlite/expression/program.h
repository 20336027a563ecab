/* SPDX-License-Identifier: MIT */
/* What program.c and result.c share. */
#ifndef EXPRESSION_PROGRAM_H
#define EXPRESSION_PROGRAM_H

#include <sqlite3.h>
#include <time.h>

#include "connectors/sqlite/expression/expression.h"

struct lite_program {
    struct lite_engine *engine;
    const char *text;
    struct compiled compiled;
    sqlite3_stmt *statement;
};

#endif
