/* SPDX-License-Identifier: MIT */
/* Any END of a transaction, and any positions: as many lines are taken of each partition as it counts, and no more. */
#include "tests/fuzz/fuzz.h"

#include "connectors/kafka/record/merge.h"

#define PARTS 4

static size_t find(void *context, const char *topic, int32_t partition)
{
    (void)context;
    return topic[0] == 'a' && partition >= 0 && partition < PARTS ? (size_t)partition : PARTS;
}

static void take_all(struct kafka_merge *merge, const char *p, size_t n)
{
    struct cdc_span fronts[PARTS];
    uint64_t sum = 0, taken = 0;

    for (size_t i = 0; i < PARTS; i++) {
        merge->left[i] %= 64; /* the sum is to end */
        sum += merge->left[i];
        fronts[i] = cdc_span(p + i * n / PARTS, n / PARTS);
    }
    for (size_t at; (at = kafka_merge_pick(merge, fronts)) != KAFKA_MERGE_DONE; taken++) {
        if (at >= PARTS || merge->left[at] == 0)
            abort();
        for (size_t i = 0; i < PARTS; i++)
            if (merge->left[i] > 0 && cdc_span_compare(fronts[i], fronts[at]) < 0)
                abort();
        merge->left[at]--;
    }
    if (taken != sum)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct kafka_transaction transaction = {.open = false};
    struct kafka_merge merge = {NULL, 0};
    struct cdc_buf pos = CDC_BUF_INIT;
    struct cdc_error error = {0};
    const char *text = (const char *)data, *lf = n > 0 ? memchr(text, '\n', n) : NULL;
    size_t first = lf != NULL ? (size_t)(lf - text) : n;
    int64_t seq;

    if (kafka_transaction_read(&transaction, cdc_span(text, first), &pos, &seq, &error) == 1 &&
        kafka_merge_begin(&merge, &transaction, PARTS, find, NULL, &error) == 0)
        take_all(&merge, n > first ? lf + 1 : "", n > first ? n - first - 1 : 0);
    kafka_merge_free(&merge);
    kafka_transaction_free(&transaction);
    cdc_buf_free(&pos);
    return 0;
}
