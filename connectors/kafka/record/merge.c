/* SPDX-License-Identifier: MIT */
/* Each partition is sorted by pos, so the smallest front is the next line, once every partition that has lines left shows one:
 *
 *   END  a/0: 2, a/1: 1        left: 2 1
 *   fronts  a/0 "10"  a/1 "11" a/0 is next; then its front is "12", and a/1 is next */
#include <stdlib.h>

#include "connectors/kafka/record/merge.h"

void kafka_merge_free(struct kafka_merge *merge)
{
    free(merge->left);
    *merge = (struct kafka_merge){NULL, 0};
}

int kafka_merge_begin(struct kafka_merge *merge, const struct kafka_transaction *transaction, size_t n,
                      size_t (*find)(void *context, const char *topic, int32_t partition), void *context,
                      struct cdc_error *error)
{
    if (merge->n < n) {
        uint64_t *left = realloc(merge->left, n * sizeof *left);
        if (left == NULL)
            return cdc_error_memory(error);
        merge->left = left;
    }
    merge->n = n;
    for (size_t i = 0; i < n; i++)
        merge->left[i] = 0;
    for (size_t i = 0; i < transaction->n_counts; i++) {
        const struct kafka_count *count = &transaction->counts[i];
        size_t at = count->n > 0 ? find(context, count->topic, count->partition) : 0;
        if (count->n > 0 && at >= n) {
            cdc_error_set(error, CDC_EXIT_CONFIG,
                          "a transaction has rows in topic %s, partition %d, which is none of those to be read",
                          count->topic, (int)count->partition);
            return cdc_error_hint(error, "name all topics that the transaction topic speaks of");
        }
        if (count->n > 0)
            merge->left[at] += count->n;
    }
    return 0;
}

size_t kafka_merge_pick(const struct kafka_merge *merge, const struct cdc_span *fronts)
{
    size_t best = KAFKA_MERGE_DONE;

    for (size_t i = 0; i < merge->n; i++) {
        if (merge->left[i] == 0)
            continue;
        if (fronts[i].p == NULL)
            return KAFKA_MERGE_WAIT;
        if (best == KAFKA_MERGE_DONE || cdc_span_compare(fronts[i], fronts[best]) < 0)
            best = i;
    }
    return best;
}
