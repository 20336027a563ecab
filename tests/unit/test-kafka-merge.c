/* SPDX-License-Identifier: MIT */
/* Partitions put together again: which one is next. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/record/merge.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static size_t find(void *context, const char *topic, int32_t partition)
{
    (void)context;
    return strcmp(topic, "a") == 0 ? (size_t)partition : 99;
}

int main(void)
{
    struct kafka_merge merge = {NULL, 0};
    struct cdc_error error = {0};
    struct kafka_count counts[] = {{"a", 0, 2}, {"a", 2, 1}, {"a", 0, 1}};
    struct kafka_transaction transaction = {.counts = counts, .n_counts = 3};
    struct cdc_span fronts[3] = {{"10", 2}, {NULL, 0}, {NULL, 0}};

    check(kafka_merge_begin(&merge, &transaction, 3, find, NULL, &error) == 0, "begin");
    check(merge.left[0] == 3 && merge.left[1] == 0 && merge.left[2] == 1, "counts of one partition are added up");
    check(kafka_merge_pick(&merge, fronts) == KAFKA_MERGE_WAIT, "a partition that has lines left and shows none");
    fronts[2] = cdc_span_text("09.1");
    check(kafka_merge_pick(&merge, fronts) == 2, "the smallest");
    merge.left[2] = 0;
    check(kafka_merge_pick(&merge, fronts) == 0, "one that has given all is not looked at");
    merge.left[0] = 0;
    check(kafka_merge_pick(&merge, fronts) == KAFKA_MERGE_DONE, "all were taken");
    counts[1].topic = "b";
    check(kafka_merge_begin(&merge, &transaction, 3, find, NULL, &error) != 0 && error.status == CDC_EXIT_CONFIG,
          "a topic that is not read");
    counts[1].n = 0;
    cdc_error_clear(&error);
    check(kafka_merge_begin(&merge, &transaction, 3, find, NULL, &error) == 0, "one that has none in it may be away");
    kafka_merge_free(&merge);
    if (failures == 0)
        printf("ok\n");
    return failures != 0;
}
