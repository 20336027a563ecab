/* SPDX-License-Identifier: MIT */
/* The database in memory, without a table, in which expressions are run. */
#ifndef EXPRESSION_ENGINE_H
#define EXPRESSION_ENGINE_H

#include <sqlite3.h>

#include "connectors/sqlite/expression/expression.h"

struct lite_engine {
    sqlite3 *database;
    sqlite3_vfs clock; /* SQLite's own, but for the time, which is not to be had */
    char name[40];     /* of that */
    bool clock_was_read;
    bool limit_is_high;
    int calls; /* of the progress handler, in this run */
    struct cdc_buf scratch;
};

/* For a row of so many bytes: results may be twice as large as it, and 16 MiB where it is small. */
void engine_limit(struct lite_engine *engine, size_t bytes);

#endif
