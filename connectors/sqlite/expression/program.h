/* SPDX-License-Identifier: MIT */
/* What program.c and result.c share. */
#ifndef EXPRESSION_PROGRAM_H
#define EXPRESSION_PROGRAM_H

#include <sqlite3.h>
#include <time.h>

#include "connectors/sqlite/expression/engine.h"

struct lite_program {
    struct lite_engine *engine;
    const char *text;
    struct compiled compiled;
    struct statement *shared;
    sqlite3_stmt *statement; /* its own */
};

#endif
