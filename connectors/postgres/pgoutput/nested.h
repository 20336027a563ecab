/* SPDX-License-Identifier: MIT */
/* Values that have values in them: arrays, composites, hstore, and the types of pgvector and PostGIS. */
#ifndef PG_NESTED_H
#define PG_NESTED_H

#include "connectors/postgres/pgoutput/types.h"

enum {
    PG_ARRAY_DEPTH = 6,  /* dimensions: the server's own limit */
    PG_NESTED_DEPTH = 48 /* what is nested deeper than that is text */
};
/* Where in a row a value stands. */
struct pg_value_place {
    const struct cdc_value_format *format;
    struct pg_value_counts *counts;
    /* Appends a value of any kind that is inside of this one. */
    void (*append)(struct cdc_buf *out, const struct pg_type *type, const struct pg_value_place *place,
                   const char *text, size_t n);
    int depth; /* 0: a column's value; else what it is nested in */
};
/* Appends a value of one of these kinds; false, and nothing appended or counted, where it is to be written as the text that it is:
 * the text is not of that form, or JSON of it would say less (cdc-event(5)). */
bool pg_nested_append(struct cdc_buf *out, const struct pg_type *type, const struct pg_value_place *place,
                      const char *text, size_t n);

#endif
