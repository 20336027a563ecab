/* SPDX-License-Identifier: MIT */
/* Random records come out of a sorter of little memory in the order that qsort gives them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/log/compact/plan.h"
#include "connectors/log/compact/sorter.h"

static int failures;
static uint64_t random_state = 5;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - log sorter: %s\n", what);
        failures++;
    }
}

static unsigned below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

struct wanted {
    uint64_t first, second;
    char key[8];
    size_t key_n, data_n;
    unsigned number; /* in which they were added: also in the data */
};
#define MOST 20000
static struct wanted records[MOST];

static int compare(const void *a, const void *b)
{
    const struct wanted *one = a, *other = b;
    if (one->first != other->first)
        return one->first < other->first ? -1 : 1;
    int order = cdc_span_compare(cdc_span(one->key, one->key_n), cdc_span(other->key, other->key_n));
    if (order != 0)
        return order;
    if (one->second != other->second)
        return one->second < other->second ? -1 : 1;
    return one->number < other->number ? -1 : 1;
}

/* spread: how many values `first` has; few of them make long groups, with keys that only bytes tell apart. */
static void fill(unsigned n, unsigned spread, bool high)
{
    for (unsigned i = 0; i < n; i++) {
        struct wanted *record = &records[i];
        *record = (struct wanted){below(spread), below(50), "", below(3), 8 + below(40), i};
        if (high)
            record->first = record->first << 40 | below(2);
        for (size_t k = 0; k < record->key_n; k++)
            record->key[k] = (char)('a' + below(2));
    }
}

static void run(unsigned n, size_t memory, unsigned longest)
{
    struct cdc_error error = {0};
    struct log_record record;
    char *data = calloc(1, longest + 64);
    struct log_sorter *sorter = log_sorter_new("/tmp", memory, NULL, NULL, &error);
    for (unsigned i = 0; i < n; i++) {
        if (below(500) == 0)
            records[i].data_n = 8 + below(longest);
        memcpy(data, &records[i].number, sizeof records[i].number);
        record = (struct log_record){records[i].first, records[i].second, cdc_span(records[i].key, records[i].key_n),
                                     cdc_span(data, records[i].data_n)};
        check(log_sorter_add(sorter, &record, &error) == 0, "added");
    }
    check(log_sorter_added(sorter) == n && log_sorter_end(sorter, &error) == 0, "sorted");
    qsort(records, n, sizeof records[0], compare);
    for (unsigned i = 0; i < n && failures == 0; i++) {
        check(log_sorter_next(sorter, &record, &error) == 1, "there is a record");
        check(failures > 0 || (record.first == records[i].first && record.second == records[i].second &&
                               cdc_span_equal(record.key, cdc_span(records[i].key, records[i].key_n)) &&
                               record.data.n == records[i].data_n &&
                               memcmp(record.data.p, &records[i].number, sizeof records[i].number) == 0),
              "it is the next one");
    }
    check(log_sorter_next(sorter, &record, &error) == 0, "they end");
    log_sorter_free(sorter);
    free(data);
}

/* Half of each group goes in each run; what is left is in order, and none of the other half. */
static void drop_odd(void *context, struct log_group *group)
{
    (void)context;
    for (size_t i = 0; i < log_group_size(group); i++)
        if (log_group_at(group, i).second % 2 != 0)
            log_group_drop(group, i);
}

static void run_thinned(void)
{
    struct cdc_error error = {0};
    struct log_sorter *sorter = log_sorter_new("/tmp", 1, drop_odd, NULL, &error);
    struct log_record record;
    uint64_t n = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        record = (struct log_record){i % 7, i, {NULL, 0}, {NULL, 0}};
        check(log_sorter_add(sorter, &record, &error) == 0, "added");
    }
    check(log_sorter_end(sorter, &error) == 0, "sorted");
    for (; log_sorter_next(sorter, &record, &error) == 1; n++)
        check(record.second % 2 == 0, "odd ones are gone");
    check(n == 2500, "even ones are there");
    log_sorter_free(sorter);
}

/* In windows of few lines, and in one. */
static void run_plan(size_t memory)
{
    struct cdc_error error = {0};
    static unsigned char wanted[10001];
    struct log_plan *plan = log_plan_new("/tmp", memory, 10000, &error);
    memset(wanted, 0, sizeof wanted);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned number = 1 + below(10000), action = 1u << below(4);
        wanted[number] |= (unsigned char)action;
        check(log_plan_set(plan, number, action, &error) == 0, "set");
    }
    for (unsigned round = 0; round < 2; round++)
        for (unsigned number = 1; number <= 10000; number++)
            check(log_plan_get(plan, number, &error) == wanted[number], "the plan says what was set");
    log_plan_free(plan);
}

int main(void)
{
    const size_t memories[] = {1, 1 << 16, 1 << 24};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 6 && failures == 0; k++) {
            unsigned n = k == 0 ? 0 : k == 1 ? 1 : below(MOST);
            fill(n, k % 2 == 0 ? 3 : 100000, k > 2);
            run(n, memories[i], k == 5 ? 30000 : 100);
        }
    run_thinned();
    run_plan(1);
    run_plan(300);
    run_plan(1 << 20);
    if (failures == 0)
        printf("ok - log sorter: order, thinning, plans\n");
    return failures != 0;
}
