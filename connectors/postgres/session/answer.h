/* SPDX-License-Identifier: MIT */
/* The server's answers, read by name. */
#ifndef PG_ANSWER_H
#define PG_ANSWER_H

#include <cdc/error.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* One row, read by the names of its columns. A name that is not there, a row that is not there, and a NULL where a value
 * belongs yield "", 0 or false, and set bad: so a row is read whole, and pg_answer_good asked once, before anything of it
 * is used. (A server answers what it was asked; what sits between may not.) BORROWS result. Begin with {result, row}. */
struct pg_answer {
    const PGresult *result;
    int row;
    bool bad;
};
const char *pg_answer_text(struct pg_answer *answer, const char *name);         /* BORROWED */
const char *pg_answer_text_or_null(struct pg_answer *answer, const char *name); /* BORROWED; NULL for SQL's */
bool pg_answer_true(struct pg_answer *answer, const char *name);
char pg_answer_char(struct pg_answer *answer, const char *name);
int64_t pg_answer_int(struct pg_answer *answer, const char *name);
uint64_t pg_answer_lsn(struct pg_answer *answer, const char *name);
/* PROTOCOL when answer is bad. 0 or -1 */
int pg_answer_good(const struct pg_answer *answer, const char *what, struct cdc_error *error);

#endif
