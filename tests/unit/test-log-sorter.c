/* SPDX-License-Identifier: MIT */
/* Random records come out of a sorter of little memory in the order that qsort gives them; any one call of it may fail, and the disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cdc/file.h>

#include "connectors/log/compact/plan.h"
#include "connectors/log/compact/sorter.h"
#include "tests/unit/failing-calls.h"

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

/* -- what may go wrong -- */

static uint64_t seen;         /* a sum of what came out */
static uint64_t newest[9][4]; /* of each key */

/* The newest record of a key is of use, and no older one. */
static bool replaces(void *context, uint64_t second, const void *older, void *data)
{
    (void)context, (void)second, (void)data;
    return older != NULL;
}

static int add_many(struct log_sorter *sorter, struct cdc_error *error)
{
    for (uint64_t i = 0; i < 400; i++) {
        const struct log_record record = {i % 9, i, {"key", i % 4}, {(const char *)&i, sizeof i}};
        if (log_sorter_add(sorter, &record, error) != 0)
            return -1;
    }
    return 0;
}

static int take_all(struct log_sorter *sorter, struct cdc_error *error)
{
    struct log_record record;
    int more = log_sorter_end(sorter, error) == 0 ? 1 : -1;
    seen = 0;
    memset(newest, 0, sizeof newest);
    while (more > 0 && (more = log_sorter_next(sorter, &record, error)) > 0) {
        seen = 31 * seen + record.first + record.second;
        newest[record.first][record.key.n] = record.second;
    }
    return more;
}

static void begin_sorter(void)
{
    seen = 0;
}

static int run_sorter(struct cdc_error *error)
{
    memory_begin();
    struct log_sorter *sorter = log_sorter_new("/tmp", 1, NULL, NULL, error);
    int result = sorter != NULL && add_many(sorter, error) == 0 ? take_all(sorter, error) : -1;
    log_sorter_free(sorter);
    memory_end();
    return result;
}

static bool is_sorted(void)
{
    uint64_t wanted = 0;
    for (uint64_t first = 0; first < 9; first++)
        for (uint64_t n = 0; n < 4; n++)
            for (uint64_t i = first; i < 400; i += 9)
                if (i % 4 == n)
                    wanted = 31 * wanted + first + i;
    return seen == wanted;
}

/* Where older ones make room for newer ones. Which of them stay is a matter of memory; the newest do. */
static int run_replacing(struct cdc_error *error)
{
    memory_begin();
    struct log_sorter *sorter = log_sorter_new("/tmp", 1, NULL, NULL, error);
    int result =
        sorter != NULL && log_sorter_replace(sorter, replaces, NULL, error) == 0 && add_many(sorter, error) == 0
            ? take_all(sorter, error)
            : -1;
    log_sorter_free(sorter);
    memory_end();
    return result;
}

static bool is_newest(void)
{
    bool good = true;
    for (uint64_t i = 400 - 9 * 4; i < 400; i++)
        good &= newest[i % 9][i % 4] == i;
    return good;
}

#define PLANNED 150 /* in three files */

static int run_plans(struct cdc_error *error)
{
    int result = 0;
    memory_begin();
    struct log_plan *plan = log_plan_new("/tmp", 1, PLANNED, error);
    for (uint64_t i = 1; plan != NULL && result >= 0 && i <= PLANNED; i++)
        result = log_plan_set(plan, i, LOG_ACTION_KEEP, error);
    seen = 0;
    for (uint64_t i = 1; plan != NULL && result >= 0 && i <= PLANNED; i++)
        if ((result = log_plan_get(plan, i, error)) > 0)
            seen += (unsigned)result;
    log_plan_free(plan);
    memory_end();
    return plan != NULL && result >= 0 ? 0 : -1;
}

static bool is_planned(void)
{
    return seen == PLANNED;
}

/* Not once, as above: whoever tries again would do so for ever. The sorter's file is the next one that is opened. */
static void check_disk(bool shorter)
{
    struct cdc_error error = {0};
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC), folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(file >= 0 && folder >= 0 && close(file) == 0, "a descriptor");
    struct log_sorter *sorter = log_sorter_new("/tmp", 1, NULL, NULL, &error);
    check(add_many(sorter, &error) == 0 && log_sorter_spills(sorter) > 0, "added");
    check(shorter ? ftruncate(file, 9) == 0 : dup2(folder, file) == file, "the file is damaged");
    errno = EINTR; /* of a call long ago */
    alarm(60);
    check(take_all(sorter, &error) < 0 && error.status == CDC_EXIT_IO && error.text[0] != '\0',
          shorter ? "the file is shorter" : "the file cannot be read");
    alarm(0);
    log_sorter_free(sorter);
    close(folder);
}

/* What passes by, as a want of descriptors does, is told apart from what does not. */
static void check_no_folder(void)
{
    struct cdc_error error = {0};
    struct log_plan *plan = log_plan_new("/nonexistent/folder", 1, 10000, &error);
    check(plan == NULL && error.status == cdc_file_exit(ENOENT) && strstr(error.text, "/nonexistent/folder") != NULL,
          "a plan whose files cannot be made");
    log_plan_free(plan);
}

static void check_faults(void)
{
    static const struct calls_case cases[] = {
        {"a log's sorter", begin_sorter, run_sorter, is_sorted, NULL},
        {"a log's sorter that replaces", begin_sorter, run_replacing, is_newest, NULL},
        {"a log's plan", begin_sorter, run_plans, is_planned, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failures += calls_sweep(&cases[i]) != 0;
    check_disk(true);
    check_disk(false);
    check_no_folder();
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
    check_faults();
    if (failures == 0)
        printf("ok - log sorter: order, thinning, plans\n");
    return failures != 0;
}
