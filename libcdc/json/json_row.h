/* SPDX-License-Identifier: MIT */
/* A row, validated as the rows before it let expect. */
#ifndef JSON_ROW_H
#define JSON_ROW_H

#include <cdc/json.h>

#define JSON_ROW_NAMES 256 /* of so many members a name is expected */

/* The names of the members of the newest row, in its order, each as a writer writes it: `"id":"name":"price":`. Begin with zeros. */
struct json_names {
    struct cdc_buf text; /* after them there are 16 bytes more, for whoever compares 16 at once */
    uint16_t lengths[JSON_ROW_NAMES];
    size_t n;
    uint64_t shape; /* of such a row; 0: unknown */
};
void json_names_free(struct json_names *names); /* what is in it */

/* The members that were found; those for which there is no room are counted nevertheless. */
struct json_pairs {
    struct cdc_json_pair *items; /* BORROWED */
    size_t n, size;
};

/* p: at the opening brace of an object that is `depth` levels down. The byte after the closing one; NULL: it is not valid, or not
 * written without white space, and the plain scanner (json_scan.h) has to say which. names is what to expect, and becomes what to expect
 * next; the members are added to pairs. What is not as expected is only slower. *shape: the same number for another row says that it has
 * the same names in the same order; 0 says nothing. */
const char *json_scan_row(const char *p, const char *end, int depth, struct json_names *names, struct json_pairs *pairs,
                          uint64_t *shape);

#endif
