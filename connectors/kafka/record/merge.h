/* SPDX-License-Identifier: MIT */
/* Partitions put together again: which of them has the next line of a transaction, by the counts of its END and by the positions
 * of the lines at their fronts. Nothing here knows a client or a broker. */
#ifndef KAFKA_MERGE_H
#define KAFKA_MERGE_H

#include "connectors/kafka/record/record.h"

struct kafka_merge {
    uint64_t *left; /* lines that each partition still has of this transaction */
    size_t n;
};
#define KAFKA_MERGE_DONE ((size_t)-1)
#define KAFKA_MERGE_WAIT ((size_t)-2)

void kafka_merge_free(struct kafka_merge *merge);
/* The transaction's counts for n partitions; find: the number of one, n or more where it is none of them. CONFIG then. */
int kafka_merge_begin(struct kafka_merge *merge, const struct kafka_transaction *transaction, size_t n,
                      size_t (*find)(void *context, const char *topic, int32_t partition), void *context,
                      struct cdc_error *error);
/* The partition whose front is next; fronts[i].p NULL: nothing has come from it yet. DONE: all lines of the transaction were taken;
 * WAIT: one that still has lines lacks its front. */
size_t kafka_merge_pick(const struct kafka_merge *merge, const struct cdc_span *fronts);

#endif
