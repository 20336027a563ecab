/* SPDX-License-Identifier: MIT */
/* The functions that compiled expressions call for what SQLite has not, or has with doubles only. */
#ifndef EXPRESSION_FUNCTIONS_H
#define EXPRESSION_FUNCTIONS_H

#include <sqlite3.h>

#include <cdc/buf.h>

/* SQLite's code. */
int functions_register(sqlite3 *database);
/* May an expression call the function? One of SQLite's that is not in calls.c has no way to come here; this is a second wall. */
bool functions_allow(const char *name);
/* The shortest digits that read back as the same double, as JSON has them; NaN and Infinity as texts. */
void functions_append_real(struct cdc_buf *out, double value);

#endif
