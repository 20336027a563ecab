/* SPDX-License-Identifier: MIT */
/* What was changed of a table, and whether rows that a copy has from before are still the source's. */
#ifndef PG_JUDGE_H
#define PG_JUDGE_H

#include <cdc/buf.h>
#include <cdc/error.h>

struct pg_judge {
    struct cdc_span before, now; /* JSON objects, as shapes.c has them */
    bool republished;            /* that it was out of the publication is known, and no matter */
    /* A partition that was not there before: did it come without rows that are in no line? 1 0 -1 */
    int (*is_new)(void *context, uint32_t partition, struct cdc_error *error);
    /* A table, or a partition, that has another file: is it certain that its rows are the same? (rewrite.h) 1 0 -1 */
    int (*is_same)(void *context, uint32_t table, bool emptied, struct cdc_error *error);
    void *context;
    struct cdc_span
        gone; /* names of columns that were dropped before `before`, whose values a copy may have: a JSON array, or {NULL, 0} */
};
/* 1: the rows of before are not the source's any more, and why says it, NUL-terminated; 0: they are; -1 on errors of
 * is_new and is_same. */
int pg_judge_table(const struct pg_judge *judge, struct cdc_buf *why, struct cdc_error *error);
/* Of its partitions alone: has one come with rows? 1 0 -1 */
int pg_judge_parts(const struct pg_judge *judge, struct cdc_error *error);
bool pg_judge_has_column(struct cdc_span form, int64_t number);
/* Has it a column under a name that it had not? */
bool pg_judge_adds(const struct pg_judge *judge);
/* Two rows of the publication, as shapes.c writes them: may changes of any table have passed by between the two? NULL: no; else what
 * was done. */
const char *pg_judge_publication(const char *before, const char *now);

#endif
