/* SPDX-License-Identifier: MIT */
/* The newest schema line of each table of a recorded stream. */
#ifndef CMD_FILTER_SCHEMAS_H
#define CMD_FILTER_SCHEMAS_H

#include "cmd/filter/look.h"

#include <cdc/event.h>

struct schemas {
    struct cdc_buf *lines; /* in the order in which the tables came */
    uint64_t *hashes;      /* of each table's names */
    size_t n;
};

/* From the files of look, or from standard input unless that is a terminal. 0 or -1 */
int schemas_read(struct schemas *schemas, const struct filter_look *look, struct cdc_error *error);
void schemas_free(struct schemas *schemas);
/* The event of one of them, whose bytes are BORROWED. */
int schemas_event(const struct schemas *schemas, size_t i, struct cdc_event *event, struct cdc_error *error);

#endif
