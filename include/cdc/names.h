/* SPDX-License-Identifier: MIT */
/* A set of names that is asked for each column of each row: how long that takes does not depend on how many there are. */
#ifndef CDC_NAMES_H
#define CDC_NAMES_H

#include <cdc/json.h>

struct cdc_name {
    uint64_t hash;
    struct cdc_span name; /* BORROWED; p NULL: the place is free */
    size_t number;
};
/* Begin with zeros. */
struct cdc_names {
    struct cdc_name *places;
    size_t n, size; /* size is a power of two, or 0 */
};

/* Adds a name that is found as `number`; of one that is there already the first number counts. plain is as it is, raw as it stands
 * in a line, with escapes: the names of one set are all of one kind. 0, or -1 without memory. */
int cdc_names_add(struct cdc_names *names, struct cdc_span plain, size_t number);
int cdc_names_add_raw(struct cdc_names *names, struct cdc_span raw, size_t number);
/* The number of a name, SIZE_MAX: it is not there. Of one as it stands in a line, and of one as it is, in a set of plain names. */
size_t cdc_names_find(const struct cdc_names *plain_names, struct cdc_span raw);
size_t cdc_names_find_plain(const struct cdc_names *plain_names, struct cdc_span plain);
/* The same two in a set of raw ones. */
size_t cdc_names_find_raw(const struct cdc_names *raw_names, struct cdc_span raw);
size_t cdc_names_find_in_raw(const struct cdc_names *raw_names, struct cdc_span plain);
/* What is in it; it is empty then. */
void cdc_names_free(struct cdc_names *names);

#endif
